package sigma

import (
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

const patients = `
title: Opened
name: opened
logsource: {category: patient_access}
detection: {s: {class_uid: 6001, activity_id: 2}, condition: s}
---
title: Three patients
id: three
correlation:
  type: value_count
  rules: [opened]
  group-by: [who]
  timespan: 1h
  condition: {field: patient.uid, gte: 3}
level: high
---
title: Fewer than two in an hour
id: few
correlation:
  type: event_count
  rules: [opened]
  group-by: [who]
  timespan: 1h
  condition: {lt: 2}
`

const sourcesText = "logsources:\n  - {category: patient_access, where: {class_uid: 6001}}\n"

func patientRules(t *testing.T, old *Rules, text string) (*Rules, []Refused) {
	t.Helper()
	return Reload(old, fstest.MapFS{"logsources.yaml": {Data: []byte(sourcesText)}, "r.yml": {Data: []byte(text)}})
}

// opening is n001 opening a patient's record, minutes after ten.
func opening(patient string, minutes int) *ocsf.Event {
	ev := chart()
	ev.Patient = &ocsf.Patient{UID: patient}
	ev.Time += int64(minutes) * int64(time.Minute/time.Millisecond)
	ev.Metadata.UID = patient + "@" + strconv.Itoa(minutes)
	return ev
}

// TestCorrelationFinds: what a correlation finds in the pipeline names the
// person, the events and the version; what it counts is not told; a reload and
// a restart in between change nothing.
func TestCorrelationFinds(t *testing.T) {
	r, refused := patientRules(t, nil, patients)
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	e := pipeline(t, r)
	for i, patient := range []string{"p1", "p2", "p2"} {
		if f := e.Process(opening(patient, i)); len(f) > 0 {
			t.Fatalf("too early: %+v", f)
		}
	}
	memory, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again, refused := patientRules(t, r, "title: [") // broken: what was loaded stays
	if len(refused) != 1 || !refused[0].Kept || again.Len() != 3 {
		t.Fatalf("%+v, %d rules", refused, again.Len())
	}
	e = pipeline(t, again)
	if err := e.Restore(memory); err != nil {
		t.Fatal(err)
	}
	found := e.Process(opening("p3", 5))
	if len(found) != 1 {
		t.Fatalf("%d findings", len(found))
	}
	f := found[0]
	if f.Analytic != "three" || f.Person != "n001" || f.Version != again.corr.list[0].version || f.SeverityID != ocsf.SeverityHigh {
		t.Errorf("%+v", f)
	}
	if diff := cmp.Diff([]string{"p1@0", "p2@1", "p2@2", "p3@5"}, f.Events); diff != "" {
		t.Error(diff)
	}
	if p := again.Problems(); len(p) != 1 || p[0].ID != "rules-refused" {
		t.Errorf("%+v", p)
	}
}

// TestCorrelationCloses: a window that is over is judged by the events' time,
// and by the clock when nothing comes any more.
func TestCorrelationCloses(t *testing.T) {
	r, _ := patientRules(t, nil, patients)
	e := pipeline(t, r)
	e.Process(opening("p1", 0))
	if f := e.Process(opening("p1", 300)); len(f) != 1 || f[0].Analytic != "few" || f[0].Events[0] != "p1@0" {
		t.Fatalf("%+v", f)
	}
	late := chart().Time + 24*int64(time.Hour/time.Millisecond)
	if f := e.Tick(late); len(f) > 0 {
		t.Errorf("judged at the first tick: %+v", f)
	}
	if f := e.Tick(late); len(f) != 1 || f[0].Events[0] != "p1@300" || f[0].Person != "n001" {
		t.Errorf("%+v", f)
	}
}

// TestFilters: a filter hides and counts until its last day.
func TestFilters(t *testing.T) {
	r, refused := patientRules(t, nil, `
title: Opened
id: opened
logsource: {category: patient_access}
detection: {s: {class_uid: 6001}, condition: s}
---
title: Not the nurse
id: nurse
logsource: {category: patient_access}
filter:
  rules: [opened, gone]
  who: {actor.user.name: n001}
  condition: who
cordon: {until: 2026-03-02, reason: moving the ward, approved_by: Zhao}
`)
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	e := pipeline(t, r)
	day := time.Date(2026, 3, 2, 23, 0, 0, 0, time.UTC)
	if r.Expire(day) != nil || len(e.Process(opening("p1", 0))) != 0 {
		t.Error("the filter hides nothing")
	}
	want := []Filter{{
		ID: "nurse", Title: "Not the nurse", File: "r.yml", Version: r.filters[0].version, Reason: "moving the ward", ApprovedBy: "Zhao",
		Until: "2026-03-02", Rules: []string{"opened"}, Missing: []string{"gone"}, Hidden: 1,
	}}
	if diff := cmp.Diff(want, r.Filters()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"nurse"}, r.Expire(day.Add(time.Hour))); diff != "" {
		t.Error(diff)
	}
	if len(e.Process(opening("p2", 1))) != 1 {
		t.Error("an expired filter hides")
	}
}

var _ detect.Ticker = (*Rules)(nil)
