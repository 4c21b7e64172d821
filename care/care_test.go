package care_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// TestFailedCheckpoint saves into a transaction that fails, and goes on: the
// next checkpoint must hold everything, also what came in between.
func TestFailedCheckpoint(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	boom := errors.New("disk full")
	w.care(careEvent(t, "2026-03-02T08:00 e1 attending patient=P1 person=d1 from=2026-03-02T08:00"))
	w.access(accessEvent(t, strings.Fields("2026-03-02T09:00 a1 d9 P1")))
	err := w.db.Update(ctx, func(tx *sql.Tx) error {
		if err := w.graph.Save(tx); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	w.care(careEvent(t, "2026-03-02T08:00 e2 attending patient=P2 person=d1 from=2026-03-02T08:00"))
	w.reload()
	for _, p := range []string{"P1", "P2"} {
		if x := w.graph.Explain(accessEvent(t, []string{"2026-03-02T10:00", "a2", "d1", p})); x.Kind != "attending" {
			t.Errorf("%s: %s", p, brief(x))
		}
	}
	if got := w.graph.Waiting("P1"); len(got) != 1 || got[0].UID != "a1" {
		t.Errorf("waiting: %+v", got)
	}
}

// TestChangeDuringCheckpoint changes a patient between Save and Saved.
func TestChangeDuringCheckpoint(t *testing.T) {
	w := newWorld(t)
	w.care(careEvent(t, "2026-03-02T08:00 e1 attending patient=P1 person=d1 from=2026-03-02T08:00"))
	if err := w.db.Update(context.Background(), func(tx *sql.Tx) error { return w.graph.Save(tx) }); err != nil {
		t.Fatal(err)
	}
	w.care(careEvent(t, "2026-03-02T08:00 e2 consulting patient=P1 person=d2 from=2026-03-02T08:00"))
	w.graph.Saved()
	w.reload()
	if x := w.graph.Explain(accessEvent(t, []string{"2026-03-02T10:00", "a2", "d2", "P1"})); x.Kind != "consult" {
		t.Error(brief(x))
	}
}

func TestApplySaysWhatChanged(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ line, want string }{
		{"2026-03-02T08:00 e1 attending patient=P1 enc=V1 person=d1 from=2026-03-02T08:00", "P1"},
		{"2026-03-02T08:00 e1 attending patient=P1 enc=V1 person=d1 from=2026-03-02T08:00", ""},
		{"2026-03-02T09:00 e2 attending patient=P1 enc=V1 person=d1 from=2026-03-02T08:00", ""},
		{"2026-03-02T09:00 e3 merge patient=P2 other=P1", "P1,P2"},
		{"2026-03-02T09:00 e3 merge patient=P2 other=P1", ""},
		{"2026-03-02T10:00 e4 consulting patient=P1 enc=V1 person=d2; order patient=P9 id=O1 person=d2", "P1,P2,P9"},
		{"2026-03-02T10:00 e5 demographics patient=P3 key=phone:T1", "P3"},
		{"2026-03-02T11:00 e6 demographics patient=P3 key=phone:T1", ""},
		{"2026-03-02T11:00 e7 -order patient=P9 id=O1", "P9"},
		{"2026-03-02T11:00 e8 -order patient=P9 id=O1", ""},
		{"2026-03-02T11:00 e9 merge patient=P4 other=P4", ""},
		{"2026-03-02T11:00 e10 novelty patient=P4", ""},
	} {
		got := w.graph.Apply(careEvent(t, tt.line))
		slices.Sort(got)
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%s: %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestPatient(t *testing.T) {
	w := newWorld(t)
	var key keyed.Key
	w.importFile("directory", "person_id,account,name,department,phone,national_id\n"+
		"d1,dr.li,李娜,Cardiology,13800138000,110101199001011234\nd2,dr.wu,王伟,Cardiology,13900139000,\n")
	token := func(kind, value string) string { return " key=" + kind + ":" + key.Token(kind, value) }
	for _, line := range []string{
		"2026-03-01T08:00 e1 encounter patient=P1 enc=V1 dept=Cardiology code=I from=2026-03-01T08:00; location patient=P1 enc=V1 ward=3A dept=Cardiology; attending patient=P1 enc=V1 person=d2; sensitivity patient=P1 code=vip; sensitivity patient=P1 code=protected",
		"2026-03-01T08:00 e2 demographics patient=P1" + token("phone", "13800138000") + token("name", "李娜") + "; kin patient=P1 code=NK1" + token("phone", "13900139000"),
		"2026-03-03T08:00 e3 encounter patient=P1 enc=V1 id=discharge until=2026-03-03T08:00",
		"2026-03-03T09:00 e4 merge patient=P2 other=P1",
	} {
		w.care(careEvent(t, line))
	}
	for range 2 {
		for _, id := range []string{"P1", "P2"} {
			p := w.graph.Patient(id)
			if p.ID != "P2" || strings.Join(p.IDs, ",") != "P1,P2" || !p.Known || !p.VIP || strings.Join(p.Sensitive, ",") != "protected" {
				t.Errorf("%s: %+v", id, p)
			}
			if p.StaffPerson != "d1" || len(p.Keys) != 2 || len(p.Kin) != 1 || p.Kin[0].Role != "NK1" || p.LastDischarge != at(t, "2026-03-03T08:00") {
				t.Errorf("%s: %+v", id, p)
			}
			if len(p.Encounters) != 1 || p.Encounters[0].Ward != "3A" || p.Encounters[0].Class != "I" || strings.Join(p.Encounters[0].Attending, ",") != "d2" {
				t.Errorf("%s: %+v", id, p.Encounters)
			}
		}
		w.reload()
	}
	// The patient moves house: the old number no longer counts.
	w.care(careEvent(t, "2026-03-04T08:00 e5 demographics patient=P1"+token("phone", "13700137000")))
	if p := w.graph.Patient("P1"); p.StaffPerson != "" || len(p.Keys) != 2 {
		t.Errorf("after the change: %+v", p)
	}
	w.care(careEvent(t, "2026-03-02T08:00 e6 demographics patient=P1"+token("phone", "13800138000")))
	if p := w.graph.Patient("P1"); p.StaffPerson != "" {
		t.Error("a late message brought the old number back")
	}
	if p := w.graph.Patient("nobody"); p.Known || p.ID != "nobody" {
		t.Errorf("a stranger: %+v", p)
	}
	// The same phone alone is a family, not the person.
	w.care(careEvent(t, "2026-03-04T08:00 e7 demographics patient=P5"+token("phone", "13800138000")))
	if p := w.graph.Patient("P5"); p.StaffPerson != "" {
		t.Error("a shared phone made the patient a member of staff")
	}
	w.care(careEvent(t, "2026-03-04T08:00 e8 demographics patient=P6"+token("national_id", "110101199001011234")))
	if p := w.graph.Patient("P6"); p.StaffPerson != "d1" {
		t.Errorf("by national id: %q", p.StaffPerson)
	}
}

func TestTicketsAndWatchlist(t *testing.T) {
	w := newWorld(t)
	w.importFile("directory", "person_id,account,name,department\nv1,vendor,厂商,IT\nb1,boss,主任,IT\n")
	tickets := "ticket_id,person_id,purpose,scope,from,until,approved_by\n" +
		"T1,vendor,repair,any,2026-03-02,2026-03-02,b1\n" +
		"T2,v1,repair,any,2026-03-02,2026-03-02,vendor\n" +
		"T3,v1,repair,any,2026-03-02,2026-03-02,\n" +
		"T4,v1,repair,everything,2026-03-02,2026-03-02,b1\n" +
		"T5,v1,repair,any,2026-03-02,,b1\n" +
		"T6,v1,repair,any,2026-03-03,2026-03-01,b1\n"
	counts := w.importFile("tickets", tickets)
	if counts.Read != 6 || counts.Accepted != 1 || counts.Quarantined != 5 {
		t.Errorf("%+v", counts)
	}
	if again := w.importFile("tickets", tickets); again.Accepted != 0 || again.Duplicate != 1 {
		t.Errorf("again: %+v", again)
	}
	w.importFile("watchlist", "kind,patient_id,from,until,reason\nsealed,P1,2026-03-02T08:00:00+08:00,,dispute\nvip,P1,2026-03-02,2026-03-02,\n")
	if c := w.importFile("watchlist", "kind,patient_id,from,until,reason\nsealed,P1,2026-03-02T08:00:00+08:00,,dispute\nfamous,P1,,,\n"); c.Duplicate != 1 || c.Quarantined != 1 {
		t.Errorf("watchlist: %+v", c)
	}
	w.care(careEvent(t, "2026-03-02T08:00 m1 merge patient=P2 other=P1"))
	for range 2 {
		if _, ok := w.graph.Ticket("v1", care.Scope{Table: "x"}, at(t, "2026-03-02T23:59:59")); !ok {
			t.Error("the last day of a ticket counts")
		}
		if _, ok := w.graph.Ticket("v1", care.Scope{Table: "x"}, at(t, "2026-03-03T00:00")); ok {
			t.Error("the ticket goes on after its end")
		}
		for _, tt := range []struct {
			kind, patient, at string
			want              bool
		}{
			{"sealed", "P1", "2026-03-02T08:00", true}, {"sealed", "P2", "2030-01-01T00:00", true}, {"sealed", "P1", "2026-03-02T07:59", false},
			{"vip", "P2", "2026-03-02T12:00", true}, {"vip", "P2", "2026-03-03T12:00", false}, {"canary", "P1", "2026-03-02T12:00", false},
			{"vip", "P3", "2026-03-02T12:00", false},
		} {
			if got, ok := w.graph.Watched(tt.kind, tt.patient, at(t, tt.at)); ok != tt.want || ok && got.Kind != tt.kind {
				t.Errorf("%+v: %v", tt, ok)
			}
		}
		if n := len(w.graph.Watchlist()); n != 2 {
			t.Errorf("%d on the watchlist", n)
		}
		w.reload()
	}
}

func TestExpire(t *testing.T) {
	w := newWorld(t)
	w.care(careEvent(t, "2026-03-02T08:00 e1 attending patient=P1 person=d1 from=2026-03-02T08:00 until=2026-03-03T08:00"))
	w.care(careEvent(t, "2027-03-02T08:00 e2 attending patient=P2 person=d1 from=2027-03-02T08:00"))
	w.access(accessEvent(t, strings.Fields("2026-03-02T09:00 a1 d9 P1")))
	w.access(accessEvent(t, strings.Fields("2027-04-05T09:00 a2 d9 P1")))
	w.save()
	w.graph.Expire(at(t, "2027-04-10T00:00"))
	w.reload()
	if p := w.graph.Patient("P1"); p.Known {
		t.Error("a relation that ended 400 days ago is still there")
	}
	if p := w.graph.Patient("P2"); !p.Known {
		t.Error("a relation of last month is gone")
	}
	if got := w.graph.Waiting("P1"); len(got) != 1 || got[0].UID != "a2" {
		t.Errorf("waiting: %+v", got)
	}
}

// TestLongRecord: a patient with thousands of relations is tidied and stays
// quick, and the recent ones still explain.
func TestLongRecord(t *testing.T) {
	w := newWorld(t)
	start := at(t, "2020-01-01T08:00")
	for i := range int64(5000) {
		ms := start + i*day/2
		w.graph.Apply(&ocsf.Event{Time: ms, Metadata: ocsf.Metadata{UID: fmt.Sprint("o", i)}, Care: []ocsf.Fact{
			{Kind: ocsf.FactOrder, Patient: "P1", ID: fmt.Sprint("O", i), Person: fmt.Sprint("d", i%50), From: ms},
		}})
	}
	ev := accessEvent(t, []string{"2026-11-01T08:00", "a1", "d7", "P1"})
	ev.Time = start + 4999*day/2
	before := w.graph.Explain(ev)
	if before.Kind != "order" {
		t.Fatal(brief(before))
	}
	w.reload()
	if after := w.graph.Explain(ev); brief(after) != brief(before) {
		t.Errorf("before %s, after reloading %s", brief(before), brief(after))
	}
	ev.Time = start + 100*day
	if x := w.graph.Explain(ev); x.Explained {
		t.Error("relations of years ago were kept")
	}
}

func TestNeighbourhood(t *testing.T) {
	w := newWorld(t)
	w.importFile("directory", "person_id,account,name,department\nd1,dr.li,李娜,Cardiology\nd2,dr.wu,王伟,Neurology\n")
	w.importFile("roster", "person_id,department,start,end\nd2,Neurology,2026-03-02T08:00:00+08:00,2026-03-02T16:00:00+08:00\n")
	w.care(careEvent(t, "2026-03-02T08:00 e1 encounter patient=P1 enc=V1 dept=Cardiology from=2026-03-02T08:00; location patient=P1 enc=V1 ward=3A dept=Cardiology from=2026-03-02T08:00; attending patient=P1 enc=V1 person=d1"))
	p := w.graph.Neighbourhood("d2", "P1", at(t, "2026-03-02T09:00"))
	var got []string
	ids := map[string]bool{}
	for _, n := range p.Nodes {
		ids[n.ID] = true
	}
	for _, e := range p.Edges {
		if !ids[e.From] || !ids[e.To] {
			t.Errorf("an edge ends in nothing: %+v", e)
		}
		got = append(got, fmt.Sprintf("%s -%s-> %s %v", e.From, e.Kind, e.To, e.Missing))
	}
	want := []string{
		"person:d2 -works-in-> department:neurology false",
		"person:d2 -on-duty-> department:neurology false",
		"patient:P1 -location-> ward:3a false",
		"ward:3a -belongs-to-> department:cardiology false",
		"person:d1 -works-in-> department:cardiology false",
		"person:d1 -attending-> patient:P1 false",
		"person:d2 -none-> patient:P1 true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("edges:\n%s", strings.Join(got, "\n"))
	}
	if p.Nodes[0].ID != "person:d2" || p.Nodes[0].Label != "王伟" || !p.Nodes[0].Centre || !p.Nodes[1].Centre {
		t.Errorf("nodes: %+v", p.Nodes)
	}
	again := w.graph.Neighbourhood("dr.li", "P1", at(t, "2026-03-02T09:00"))
	for _, e := range again.Edges {
		if e.Missing {
			t.Error("a relation that is there is drawn as missing")
		}
	}
	w.graph.Neighbourhood("stranger", "nobody", 0)
}

func TestSentence(t *testing.T) {
	w := newWorld(t)
	w.importFile("directory", "person_id,account,name,department\nd1,dr.li,李娜,Cardiology\n")
	w.care(careEvent(t, "2026-03-02T08:00 e1 attending patient=P1 enc=V1 person=d1 from=2026-03-02T08:00"))
	x := w.graph.Explain(accessEvent(t, strings.Fields("2026-03-02T09:00 a1 dr.li P1")))
	if got, want := w.graph.Sentence(x, "en"), "李娜 (d1) is attending or admitting doctor of the patient's visit V1, which began 2026-03-02 08:00."; got != want {
		t.Errorf("%q", got)
	}
	if got, want := w.graph.Sentence(x, "zh"), "李娜（d1） 是该患者 V1 次就诊（始于 2026-03-02 08:00）的主管或收治医生。"; got != want {
		t.Errorf("%q", got)
	}
	if got := w.graph.Sentence(ocsf.Explanation{Explained: true, Kind: "of a later release"}, "en"); got != "of a later release" {
		t.Errorf("%q", got)
	}
}

func TestHoldIsBounded(t *testing.T) {
	w := newWorld(t)
	ev := accessEvent(t, strings.Fields("2026-03-02T09:00 a d9 P1"))
	for i := range 600 {
		ev.Metadata.UID, ev.Time = fmt.Sprintf("a%03d", i), int64(i+1)*1000
		w.graph.Hold(ev)
		w.graph.Hold(ev)
	}
	got := w.graph.Waiting("P1")
	if len(got) != 500 || got[0].UID != "a100" || got[499].UID != "a599" {
		t.Errorf("%d wait, from %s", len(got), got[0].UID)
	}
}

// TestConcurrentReaders is for the race detector.
func TestConcurrentReaders(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				p := fmt.Sprint("P", i%20)
				w.graph.Explain(accessEvent(t, []string{"2026-03-02T10:00", "a", "d1", p}))
				w.graph.Patient(p)
				w.graph.Waiting(p)
				w.graph.Neighbourhood("d1", p, 0)
			}
		})
	}
	for i := range 200 {
		w.care(careEvent(t, fmt.Sprintf("2026-03-02T08:00 e%d attending patient=P%d person=d1; merge patient=P%d other=P%d", i, i%20, i%20, (i+1)%20)))
		w.access(accessEvent(t, []string{"2026-03-02T10:00", fmt.Sprint("a", i), "d9", fmt.Sprint("P", i%20)}))
	}
	w.save()
	w.graph.Expire(0)
	wg.Wait()
}

func TestKindsAreChecked(t *testing.T) {
	good, err := os.ReadFile("../content/explanations/attending.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string][2]string{
		"unknown key":       {"treats: true", "treat: true"},
		"no path":           {"path: person", "path: telepathy"},
		"no such fact":      {"[attending, admitting]", "[attending, admiring]"},
		"no span":           {"span: visit", "span: moon"},
		"unfilled argument": {"args: [person, encounter, from]", "args: [person, encounter, from, moon]"},
		"missing argument":  {"args: [person, encounter, from]", "args: [person, encounter]"},
		"one language":      {"zh: 主管医生", "zh: ''"},
		"bad duration":      {"after: 30d", "after: soon"},
		"other name":        {"id: attending", "id: attendant"},
		"no priority":       {"priority: 10", "priority: 0"},
	} {
		text := strings.Replace(string(good), spoil[0], spoil[1], 1)
		if text == string(good) {
			t.Fatalf("%s: nothing replaced", name)
		}
		if _, err := care.LoadKinds(fstest.MapFS{"attending.yaml": {Data: []byte(text)}}); err == nil || !strings.Contains(err.Error(), "attending.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := care.LoadKinds(fstest.MapFS{}); err == nil {
		t.Error("no kinds at all are no error")
	}
	if _, err := care.LoadKinds(fstest.MapFS{"attending.yaml": {Data: good}}); err != nil {
		t.Error(err)
	}
}

// TestContentKinds: the kinds FORMATS promises are there, and every fact kind
// about people leads somewhere.
func TestContentKinds(t *testing.T) {
	kinds, err := care.LoadKinds(os.DirFS("../content/explanations"))
	if err != nil {
		t.Fatal(err)
	}
	used := map[ocsf.FactKind]bool{}
	priorities := map[int]string{}
	for _, k := range kinds.All() {
		if other, ok := priorities[k.Priority]; ok {
			t.Errorf("%s and %s have the same priority", k.ID, other)
		}
		priorities[k.Priority] = k.ID
		for _, f := range k.Facts {
			used[f] = true
		}
		for _, task := range k.Tasks {
			for _, f := range task.Facts {
				used[f] = true
			}
		}
	}
	for _, id := range []string{"attending", "ward-shift", "appointment", "order", "consult", "department-diagnosis", "care-team", "duty", "ticket", "break-glass", "repeat", "self-service"} {
		if kinds.Title(id, "zh") == id {
			t.Errorf("there is no kind %s", id)
		}
	}
	for _, f := range []ocsf.FactKind{ocsf.FactLocation, ocsf.FactAttending, ocsf.FactReferring, ocsf.FactConsulting, ocsf.FactAdmitting, ocsf.FactRegistrar,
		ocsf.FactOrder, ocsf.FactPerformer, ocsf.FactAppointment, ocsf.FactReferral, ocsf.FactDocument, ocsf.FactBilling, ocsf.FactCareTeam, ocsf.FactDiagnosis} {
		if !used[f] {
			t.Errorf("no kind uses %s", f)
		}
	}
}
