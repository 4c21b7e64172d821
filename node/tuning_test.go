package node

import (
	"slices"
	"testing"
	"time"

	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/tuning"
)

// TestPlantedViolations: each kind is committed through the real door and
// found, in a case that closes by itself and is told to nobody.
func TestPlantedViolations(t *testing.T) {
	s := newSite(t, t.TempDir())
	v := s.start(t)
	ctx := t.Context()
	for _, k := range plantKinds() {
		if _, err := v.n.plant(ctx, k.ID, "test"); err != nil {
			t.Fatalf("%s: %v", k.ID, err)
		}
	}
	v.drained()
	q, err := v.n.desk.Quality(ctx, 7, time.Now().UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	if len(q.Planted) != len(plantKinds()) || q.PlantedAll.Count != q.PlantedAll.Of {
		t.Errorf("%+v", q.Planted)
	}
	for _, k := range plantKinds() {
		for _, p := range q.Planted {
			if p.Kind == k.ID && k.Expect != "" && p.Expected != 1 {
				t.Errorf("%s was not found by %s", k.ID, k.Expect)
			}
		}
	}
	cases, err := v.n.desk.List(ctx, incident.Query{})
	if err != nil || len(cases) < len(plantKinds()) {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		if c.Verdict != incident.Planted {
			t.Errorf("case %s of %s is %s, risk %v: %v", c.ID, c.Subject, c.Status, c.Risk, c.Title.EN)
		}
	}
	if n := q.Daily[len(q.Daily)-1]; n.Opened+n.Findings != 0 {
		t.Errorf("planted ones count: %+v", n)
	}
	if _, err := v.n.plant(ctx, "nonsense", "test"); err == nil {
		t.Error("a kind that is none")
	}
	v.verified()
}

// TestReservedNamesHideNobody: a real violation under a name that looks
// planted is a case like every other, and the name is found, too.
func TestReservedNamesHideNobody(t *testing.T) {
	s := newSite(t, t.TempDir())
	v := s.start(t)
	ctx := t.Context()
	at := time.Now().Add(-time.Minute)
	for _, who := range []string{"cordon-planted-zzz", "cordon-planted-abcdefghij"} {
		x := &scene{who: who, at: at}
		it := x.statement()
		it.Source = "his-db"
		if _, err := v.n.intake.Deliver(ctx, it); err != nil {
			t.Fatal(err)
		}
	}
	v.drained()
	cases, err := v.n.desk.List(ctx, incident.Query{Status: incident.StatusNew})
	if err != nil || len(cases) != 2 {
		t.Fatalf("%+v %v", cases, err)
	}
	for _, c := range cases {
		fs, err := v.n.desk.Findings(ctx, c)
		if err != nil || !slices.ContainsFunc(fs, func(f ocsf.Finding) bool { return f.Analytic == "drug-statistics-sql" }) ||
			!slices.ContainsFunc(fs, func(f ocsf.Finding) bool { return f.Analytic == "reserved-name" }) {
			t.Errorf("%+v %v", fs, err)
		}
	}
}

// TestExceptionsInForce: an exception works from the next event on, counts
// what it hides over a restart, and stops when it is ended.
func TestExceptionsInForce(t *testing.T) {
	s := newSite(t, t.TempDir())
	v := s.start(t)
	ctx := t.Context()
	s.load(t, "directory", people)
	s.load(t, "watchlist", "kind,patient_id,from,until,reason\nvip,V1,,,mayor\n")
	at := time.Now().Add(-time.Hour)
	x, err := v.n.tuning.Create(ctx, tuning.Exception{Detector: "vip", Patient: "V1", Until: time.Now().AddDate(0, 0, 1).Format(time.DateOnly),
		Reason: "drill", ApprovedBy: "office"}, "anna", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.n.retune(ctx); err != nil {
		t.Fatal(err)
	}
	s.post(t, look("x1", "anna", "V1", at))
	v.drained()
	hidden, err := v.n.tuning.Hidden(ctx, x.ID, 5)
	if err != nil || len(hidden) != 1 || hidden[0].Analytic != "vip" {
		t.Fatalf("%+v %v", hidden, err)
	}
	v.stop()
	v = s.start(t)
	if counts, err := v.n.tuning.Counts(ctx); err != nil || counts[x.ID].N != 1 {
		t.Fatal(counts, err)
	}
	s.post(t, look("x2", "bob", "V1", at.Add(time.Minute)))
	v.drained()
	if counts, _ := v.n.tuning.Counts(ctx); counts[x.ID].N != 2 {
		t.Error("after a restart it is not in force", counts)
	}
	if _, err := v.n.tuning.End(ctx, x.ID, "anna", "over"); err != nil {
		t.Fatal(err)
	}
	if err := v.n.retune(ctx); err != nil {
		t.Fatal(err)
	}
	s.post(t, look("x3", "anna", "V1", at.Add(2*time.Minute)))
	v.drained()
	for _, f := range s.findings(t) {
		if f.Info.Analytic.UID == "vip" {
			return
		}
	}
	t.Errorf("ended, it still hides: %+v", s.findings(t))
}
