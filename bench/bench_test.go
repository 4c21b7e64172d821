package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/simulate"
)

func TestLoadIsWhatItSays(t *testing.T) {
	const events = 30_000
	l, err := NewLoad(t.TempDir(), 3, 60, events)
	if err != nil {
		t.Fatal(err)
	}
	norm := normalize.New(normalize.Options{Zone: time.UTC})
	ids, sentTwice := map[string]int{}, 0
	n := 0
	err = l.Each(func(line []byte) error {
		n++
		var v struct{ ID, Recorded string }
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		if _, err := time.Parse(recordedForm, v.Recorded); err != nil {
			return err
		}
		if ids[v.ID]++; ids[v.ID] > 1 {
			sentTwice++
		}
		if n%500 == 0 {
			if evs, rejects := norm.Normalize(normalize.Input{Format: "fhir-auditevent", Data: line}); len(evs) == 0 || len(rejects) > 0 {
				return fmt.Errorf("event %d: %d events, %v", n, len(evs), rejects)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n != events {
		t.Errorf("%d events, want %d", n, events)
	}
	if sentTwice > events/50 { // the hospital itself sends a few twice
		t.Errorf("%d ids came twice", sentTwice)
	}
	if l.Copies < 2 || len(l.Patients) < 50 || l.Messages == 0 {
		t.Errorf("a poor load: %d copies, %d patients, %d messages", l.Copies, len(l.Patients), l.Messages)
	}
}

func TestCopyKeepsHalvesTogether(t *testing.T) {
	const request = "11111111-2222-4333-8444-5555aaaa6666"
	line := func(id string) []byte {
		return []byte(`{"id":"` + id + `","recorded":"2026-03-02T08:00:00.000+08:00","entity":[{"what":{"reference":"Patient/P1"}},{"what":{"identifier":{"value":"` +
			request + `"}},"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"}}]}` + "\n")
	}
	requestOf := func(b []byte) string {
		_, rest, _ := strings.Cut(string(b), `"value":"`)
		return rest[:36]
	}
	a, err := newTemplate(line("aaaaaaaa-2222-4333-8444-555555556666"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := newTemplate(line("bbbbbbbb-2222-4333-8444-555555556666"))
	if err != nil {
		t.Fatal(err)
	}
	x, y := a.appendCopy(nil, 7), b.appendCopy(nil, 7)
	if requestOf(x) != requestOf(y) || requestOf(x) == request {
		t.Errorf("requests %s and %s of copies of %s", requestOf(x), requestOf(y), request)
	}
	if !bytes.Contains(x, []byte("2026-03-02T08:02:41.000+08:00")) {
		t.Errorf("the copy has the wrong time: %s", x)
	}
	if bytes.Equal(x, a.appendCopy(nil, 8)) || len(x) != len(a.line) {
		t.Error("two copies are the same, or of another length")
	}
}

func TestViolationIsAnAccessToTheCanary(t *testing.T) {
	l, err := NewLoad(t.TempDir(), 3, 60, 10)
	if err != nil {
		t.Fatal(err)
	}
	line, err := l.firstLine()
	if err != nil {
		t.Fatal(err)
	}
	ev, uid, at := violation(line, "P999", 1)
	if patientOf(ev) != "P999" || uid == "" || at.IsZero() || !bytes.Contains(ev, []byte(uid)) {
		t.Errorf("violation %q: %s", uid, ev)
	}
	if canary, err := firstCanary(l.List("watchlist")); err != nil || canary == "" {
		t.Errorf("canary %q: %v", canary, err)
	}
}

func TestQuantile(t *testing.T) {
	var s Spread
	for i := range 100 {
		s = append(s, time.Duration(100-i))
	}
	for q, want := range map[float64]time.Duration{0: 1, .5: 50, .99: 99, 1: 100} {
		if got := s.Quantile(q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if Spread(nil).Quantile(.5) != 0 {
		t.Error("an empty spread has a quantile")
	}
}

func TestHistogramBetweenTwoReadings(t *testing.T) {
	before := map[string]float64{"w_count": 10, `w_bucket{le="0.05"}`: 10, `w_bucket{le="0.25"}`: 10}
	after := map[string]float64{"w_count": 30, `w_bucket{le="0.05"}`: 25, `w_bucket{le="0.25"}`: 30}
	h := histogram(before, after, "w")
	if h.n != 20 || h.share(.05) != 75 || h.share(.25) != 100 {
		t.Errorf("%d observations, %v, %v", h.n, h.share(.05), h.share(.25))
	}
}

func TestAccuracyCounts(t *testing.T) {
	tr := &truth{of: map[string]int{"a": 0, "a2": 0, "b": 1}, all: []simulate.Violation{{Kind: "vip"}, {Kind: "family"}}}
	a := Accuracy{Kinds: map[string]int{}, Violations: map[string]*Caught{}}
	excused := map[int]bool{}
	a.access("x", "ward-shift", true, true, tr, excused)
	a.access("x#2", "", false, false, tr, excused)
	a.access("y", "order", true, false, tr, excused)
	a.access("a2", "", false, true, tr, excused)
	a.access("a#2", "duty", true, true, tr, excused)
	a.access("b", "duty", true, true, tr, excused)
	if a.Legitimate != 3 || a.Explained != 2 || a.First != 1 || a.FirstExplained != 1 || a.Repeat != 2 || a.Direct != 1 ||
		a.Misused != 3 || a.Misexplained != 2 || a.Kinds["none"] != 1 || excused[0] || !excused[1] {
		t.Errorf("%+v %v", a, excused)
	}
	var i incidentLine
	if err := json.Unmarshal([]byte(`{"status":"New","finding_info_list":[{"analytic":{"uid":"vip"},"related_events":[{"uid":"z"},{"uid":"a2"}]}]}`), &i); err != nil {
		t.Fatal(err)
	}
	if found := i.violations(tr); !i.open() || len(found) != 1 || !found[0] {
		t.Errorf("open %v, found %v", i.open(), found)
	}
	a.count(tr, map[int]bool{0: true}, map[int]bool{0: true})
	if got := a.Violations["vip"]; *got != (Caught{All: 1, Open: 1, Any: 1}) {
		t.Errorf("vip: %+v", *got)
	}
	if got := a.Violations["family"]; *got != (Caught{All: 1}) {
		t.Errorf("family: %+v", *got)
	}
}

func TestBaselineKeepsTheBudget(t *testing.T) {
	tr := &truth{all: []simulate.Violation{{Kind: "vip"}, {Kind: "family"}}}
	a := Accuracy{Violations: map[string]*Caught{"vip": {All: 1}, "family": {All: 1}}}
	people := map[string]*suspect{
		"low": {day: 1, risk: 1, found: map[int]bool{0: true}}, "next day": {day: 2, risk: 1, found: map[int]bool{1: true}},
	}
	for i := range budget {
		people[fmt.Sprint(i)] = &suspect{day: 1, risk: 2, found: map[int]bool{}}
	}
	a.baseline(tr, people)
	if len(a.Suspects) != budget+1 || a.Violations["vip"].Rules != 0 || a.Violations["family"].Rules != 1 {
		t.Errorf("%d suspects, %+v, %+v", len(a.Suspects), *a.Violations["vip"], *a.Violations["family"])
	}
}

func TestHospitalsAddUp(t *testing.T) {
	one := &Accuracy{Seed: 1, Staff: 400, Weeks: 4, Legitimate: 10, Explained: 9, Violations: map[string]*Caught{"vip": {All: 2, Open: 1}},
		Kinds: map[string]int{"order": 9}, Cases: []Ranked{{9, true}, {3, false}}, Minutes: []float64{1, 5}}
	all := &Accuracy{Kinds: map[string]int{}, Violations: map[string]*Caught{}}
	all.add(one)
	all.add(one)
	if c := all.caught(); c != (Caught{All: 4, Open: 2}) || all.Explained != 18 || all.Kinds["order"] != 18 || all.Weeks != 8 || len(all.Minutes) != 4 {
		t.Errorf("%+v", all)
	}
	if kind, least := all.weakest(); kind != "vip" || least != .5 {
		t.Errorf("weakest %s %v", kind, least)
	}
	if table := all.byHospital(); len(table.Rows) != 3 || len(table.Rows[0]) != len(table.Header) || table.Rows[2][0] != "all" {
		t.Errorf("%+v", table)
	}
}

func TestPrecision(t *testing.T) {
	list := []Ranked{{1, true}, {9, true}, {5, true}, {5, false}, {7, false}}
	for n, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 100: 3} {
		if got, of := precision(list, n); got != want || of != min(n, len(list)) {
			t.Errorf("at %d: %d of %d, want %d", n, got, of, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	r := Report{Machine: ThisMachine(), Begun: time.Unix(0, 0)}
	r.Add(Line{What: "speed", Goal: "≥ 1/s", Measured: "2/s", Met: Met, How: "a | b"})
	r.Fail("size", fmt.Errorf("no\nroom"))
	r.Tables = []Table{{Title: "Detail", Header: []string{"x"}, Rows: [][]string{{"1"}}, Note: "n"}}
	var b bytes.Buffer
	if err := r.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| speed | ≥ 1/s | 2/s | met | a \\| b |", "| size |  | no room | not measured |", "### Detail", "cores"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestPartsCutBetweenRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("a\n1\n\nb\n\nc\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := eachPart(path, "\n\n", 2, func(b []byte) error { got = append(got, string(b)); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != "a\n1\n\nb\n\n" || got[1] != "c\n\n" {
		t.Errorf("parts %q", got)
	}
}
