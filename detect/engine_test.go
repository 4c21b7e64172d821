package detect_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

const people = `person_id,account,name,role,department,phone,address,national_id,manager_id,hire_date,end_date
N01,zhang,张二,nurse,Cardiology,19100000002,江城市梧桐路1号,999901198001010029,,2010-01-01,
N02,li,李三,nurse,Surgery,19100000003,江城市梧桐路3号,999901198101010037,,2010-01-01,
`

const kind = `
id: attending
priority: 10
title: {en: Attending doctor, zh: 主管医师}
why: {en: The person treats the patient., zh: 此人诊治该患者。}
sentence: {en: "{person} treats the patient.", zh: "{person} 诊治该患者。"}
args: [person]
path: person
facts: [attending]
span: visit
before: 72h
after: 30d
open: 30d
treats: true
`

func world(t testing.TB) detect.World {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "cordon.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	var key keyed.Key
	now := func() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) }
	log := slog.New(slog.DiscardHandler)
	dir, err := directory.Open(ctx, db, key, now, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.ImportPeople(ctx, strings.NewReader(people), nil); err != nil {
		t.Fatal(err)
	}
	kinds := fstest.MapFS{"attending.yaml": {Data: []byte(kind)}}
	graph, err := care.Open(ctx, db, dir, key, kinds, now, log)
	if err != nil {
		t.Fatal(err)
	}
	return detect.World{People: dir, Care: graph}
}

func engine(t testing.TB, cfg detect.Config, w detect.World) *detect.Engine {
	t.Helper()
	e, err := detect.New(cfg, w, behavior.All())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// stranger is an access that nothing explains.
func stranger(n int, account, patient string, at time.Time) *ocsf.Event {
	return &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, StatusID: ocsf.StatusSuccess, Time: at.UnixMilli(),
		Metadata:    ocsf.Metadata{UID: fmt.Sprintf("e%d", n), LogProvider: "emr", LoggedTime: at.UnixMilli()},
		Actor:       ocsf.Actor{User: ocsf.User{Account: account}},
		SrcEndpoint: ocsf.Endpoint{IP: fmt.Sprintf("10.1.%d.2", n%3)},
		Patient:     &ocsf.Patient{UID: patient}, Explanation: &ocsf.Explanation{},
	}
}

var morning = time.Date(2026, 3, 3, 9, 0, 0, 0, time.UTC)

// month is a nurse's month among strangers, with some late events.
func month() []*ocsf.Event {
	var out []*ocsf.Event
	for n := range 400 {
		at := morning.Add(time.Duration(n) * 2 * time.Hour)
		if n%17 == 0 {
			at = at.Add(-20 * time.Hour)
		}
		out = append(out, stranger(n, []string{"zhang", "li"}[n%2], fmt.Sprintf("P%d", n*7%60), at))
	}
	return out
}

// TestReplay: after a crash the engine goes on from its snapshot and finds
// what it would have found without the crash.
func TestReplay(t *testing.T) {
	w := world(t)
	whole, parts := engine(t, detect.Default(), w), engine(t, detect.Default(), w)
	var want, got []ocsf.Finding
	for i, ev := range month() {
		want = append(want, whole.Process(ev)...)
		if i%23 == 22 {
			memory, err := parts.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			parts.Process(ev) // lost in the crash
			parts = engine(t, detect.Default(), w)
			if err := parts.Restore(memory); err != nil {
				t.Fatal(err)
			}
		}
		got = append(got, parts.Process(ev)...)
	}
	if len(want) == 0 {
		t.Fatal("nothing found in a month of strangers")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	a, _ := whole.Snapshot()
	b, _ := parts.Snapshot()
	if !bytes.Equal(a, b) {
		t.Error("the memories differ after the same events")
	}
}

// TestBounded: who opens strangers' charts by the thousand does not fill the memory.
func TestBounded(t *testing.T) {
	e := engine(t, detect.Default(), world(t))
	n := 0
	for day := range 20 {
		for i := range 500 {
			n++
			e.Process(stranger(n, "zhang", fmt.Sprintf("P%d", n), morning.Add(time.Duration(day*24)*time.Hour+time.Duration(i)*time.Minute)))
		}
	}
	memory, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if len(memory) > 1<<20 {
		t.Errorf("the memory is %d bytes", len(memory))
	}
}

// TestGrow: several pages of one chart are one finding that grows.
func TestGrow(t *testing.T) {
	e := engine(t, detect.Default(), world(t))
	uids := map[string]int{}
	for n := range 30 {
		for _, f := range e.Process(stranger(n*3, "zhang", "P1", morning.Add(time.Duration(n)*time.Minute))) {
			if f.Analytic == "no-care-relationship" {
				uids[f.UID] = len(f.Events)
			}
		}
	}
	if len(uids) != 1 {
		t.Errorf("%d findings for one chart on one day", len(uids))
	}
	for _, n := range uids {
		if n != 20 {
			t.Errorf("the finding has %d events, want 20", n)
		}
	}
}

// shouting is a detector that finds something in every event.
type shouting struct{}

var _ detect.Detector = shouting{}

func (shouting) Info() detect.Info {
	return detect.Info{ID: "shouting", Severity: ocsf.SeverityLow, Risk: 5, Weak: true}
}

func (shouting) Detect(c *detect.Context, ev *ocsf.Event) { c.Find(ocsf.Finding{}) }

// TestQuota: a rule that fits everything does not drown the others.
func TestQuota(t *testing.T) {
	e, err := detect.New(detect.Default(), world(t), []detect.Detector{shouting{}})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for n := range 1000 {
		found += len(e.Process(stranger(n, "zhang", fmt.Sprintf("P%d", n), morning)))
	}
	if found != 200 {
		t.Errorf("%d findings about one person on one day, want 200", found)
	}
	if len(e.Process(stranger(1000, "li", "P1", morning))) != 1 {
		t.Error("somebody else is not seen any more")
	}
}

// TestWrongClock: an event from the year 2099 must not make the engine forget
// what it remembers.
func TestWrongClock(t *testing.T) {
	e := engine(t, detect.Default(), world(t))
	grown := 0
	for n := range 3 {
		e.Process(stranger(100+n, "zhang", "P1", morning.Add(time.Duration(n)*time.Minute)))
		wrong := stranger(200+n, "li", "P2", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
		wrong.Metadata.LoggedTime = morning.UnixMilli()
		e.Process(wrong)
	}
	for _, f := range e.Process(stranger(300, "zhang", "P1", morning.Add(time.Hour))) {
		grown = max(grown, len(f.Events))
	}
	if grown != 4 {
		t.Errorf("the finding has %d events, want 4", grown)
	}
}

func TestConfig(t *testing.T) {
	w := world(t)
	silent := func(x detect.Exception) int {
		e := engine(t, detect.Config{Exceptions: []detect.Exception{x}}, w)
		return len(e.Process(stranger(1, "zhang", "P1", morning)))
	}
	good := detect.Exception{Detector: "no-care-relationship", Until: "2026-03-03", Reason: "audit", ApprovedBy: "N02"}
	for name, c := range map[string]struct {
		change func(*detect.Exception)
		want   int
	}{
		"person":     {func(x *detect.Exception) { x.Person = "N01" }, 0},
		"account":    {func(x *detect.Exception) { x.Person = "Zhang" }, 0},
		"other":      {func(x *detect.Exception) { x.Person = "N02" }, 1},
		"patient":    {func(x *detect.Exception) { x.Patient = "P1" }, 0},
		"department": {func(x *detect.Exception) { x.Department = "cardiology" }, 0},
		"elsewhere":  {func(x *detect.Exception) { x.Department = "Surgery" }, 1},
		"all":        {func(x *detect.Exception) { x.Person, x.Detector = "N01", "*" }, 0},
		"over":       {func(x *detect.Exception) { x.Person, x.Until = "N01", "2026-03-02" }, 1},
	} {
		x := good
		c.change(&x)
		if n := silent(x); n != c.want {
			t.Errorf("%s: %d findings, want %d", name, n, c.want)
		}
	}
	for name, cfg := range map[string]detect.Config{
		"detector":  {Off: []string{"no-such"}},
		"parameter": {Params: map[string]map[string]float64{"crowd": {"no-such": 1}}},
		"of nobody": {Params: map[string]map[string]float64{"no-such": {"x": 1}}},
		"negative":  {Params: map[string]map[string]float64{"crowd": {"people": -1}}},
		"no end":    {Exceptions: []detect.Exception{{Detector: "crowd", Person: "N01", Reason: "r", ApprovedBy: "a"}}},
		"no reason": {Exceptions: []detect.Exception{{Detector: "crowd", Person: "N01", Until: "2026-01-01"}}},
		"everybody": {Exceptions: []detect.Exception{{Detector: "crowd", Until: "2026-01-01", Reason: "r", ApprovedBy: "a"}}},
	} {
		if _, err := detect.New(cfg, w, behavior.All()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	off := engine(t, detect.Config{Off: []string{"no-care-relationship"}}, w)
	if fs := off.Process(stranger(1, "zhang", "P1", morning)); len(fs) != 0 {
		t.Errorf("switched off, but found %v", fs)
	}
}

func TestHealth(t *testing.T) {
	e := engine(t, detect.Default(), world(t))
	var ids []string
	for _, p := range e.Health() {
		if !strings.HasPrefix(p.ID, "no-feed-") { // those of detectors' own come and go with them
			ids = append(ids, p.ID)
		}
		if p.Text.EN == "" || p.Text.ZH == "" || len(p.Detectors) == 0 {
			t.Errorf("%s does not explain itself", p.ID)
		}
	}
	if diff := cmp.Diff([]string{"no-leavers", "no-roster", "no-watchlist"}, ids); diff != "" {
		t.Error(diff)
	}
}

// TestFeed: a detector says that it lacks its own feed until that comes, also
// after a restart.
func TestFeed(t *testing.T) {
	lacks := func(e *detect.Engine) bool {
		return slices.ContainsFunc(e.Health(), func(p detect.Problem) bool { return p.ID == "no-feed-audit-tampering" })
	}
	e := engine(t, detect.Default(), world(t))
	if !lacks(e) {
		t.Fatal("nobody numbers records, and nothing says so")
	}
	ev := stranger(1, "zhang", "P1", morning)
	ev.Metadata.LogProvider, ev.Metadata.Sequence = "emr", 7
	e.Process(ev)
	memory, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again := engine(t, detect.Default(), world(t))
	if err := again.Restore(memory); err != nil {
		t.Fatal(err)
	}
	if lacks(e) || lacks(again) {
		t.Error("a number came and is still missed")
	}
}

func TestRestore(t *testing.T) {
	e := engine(t, detect.Default(), world(t))
	for _, text := range []string{
		`{"version":1,"clock":5,"groups":{"all":{}},"detectors":{"gone":{},"crowd":[5]}}`,
		`{"version":1,"clock":5,"groups":{"all":null},"detectors":null}`,
	} {
		if err := e.Restore([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`{"version":99}`, `no json`, `{"version":`, `KLUv/QQA`} {
		if err := e.Restore([]byte(text)); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
}

// FuzzRestore: a memory that was damaged is refused or used, never a crash.
func FuzzRestore(f *testing.F) {
	e := engine(f, detect.Default(), world(f))
	for _, ev := range month() {
		e.Process(ev)
	}
	memory, err := e.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(memory[:200])
	f.Add(memory)
	f.Add([]byte(`{"version":1,"groups":{"all":{"x":null}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if e.Restore(data) == nil {
			e.Process(stranger(1, "zhang", "P1", morning))
		}
	})
}

// BenchmarkProcess is an ordinary explained access with all detectors on.
func BenchmarkProcess(b *testing.B) {
	e := engine(b, detect.Default(), world(b))
	ev := stranger(1, "zhang", "P1", morning)
	ev.SrcEndpoint.IP = "10.1.1.2"
	ev.Explanation = &ocsf.Explanation{Explained: true, Kind: "ward-shift"}
	b.ReportAllocs()
	for b.Loop() {
		ev.Time += 1000
		ev.Metadata.LoggedTime = ev.Time
		e.Process(ev)
	}
}
