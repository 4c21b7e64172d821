package incident

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
)

type office struct {
	t    *testing.T
	db   *store.DB
	desk *Desk
	noon int64
}

func newOffice(t *testing.T, cfg Config) *office {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	return officeOn(t, cfg, db)
}

func officeOn(t *testing.T, cfg Config, db *store.DB) *office {
	t.Helper()
	ctx := t.Context()
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return noon }
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	book, err := evidence.Open(ctx, evidence.Config{Dir: dir, KeyDir: dir, Origin: "test.example/log"}, db, now, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close(context.Background()); _ = db.Close() })
	desk, err := New(ctx, cfg, db, book, now)
	if err != nil {
		t.Fatal(err)
	}
	return &office{t: t, db: db, desk: desk, noon: noon.UnixMilli()}
}

func (o *office) add(fs ...ocsf.Finding) []Change {
	o.t.Helper()
	var ch []Change
	err := o.db.Update(o.t.Context(), func(tx *sql.Tx) (err error) {
		ch, err = o.desk.Add(tx, fs)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return ch
}

func (o *office) withdraw(event string) []Change {
	o.t.Helper()
	var ch []Change
	err := o.db.Update(o.t.Context(), func(tx *sql.Tx) (err error) {
		ch, err = o.desk.Withdraw(tx, []string{event}, "explained later: attending")
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return ch
}

func (o *office) cases(q Query) []Case {
	o.t.Helper()
	cs, err := o.desk.List(o.t.Context(), q)
	if err != nil {
		o.t.Fatal(err)
	}
	return cs
}

func (o *office) finding(uid, person string, risk float64, more ...func(*ocsf.Finding)) ocsf.Finding {
	f := ocsf.Finding{
		UID: uid, Analytic: "family", Person: person, Patient: "P1", Time: o.noon, Risk: risk, Unexplained: true,
		Events: []string{"ev-" + uid}, Title: ocsf.Text{EN: "t", ZH: "标题"},
	}
	for _, m := range more {
		m(&f)
	}
	return f
}

func weak(f *ocsf.Finding) { f.Weak, f.Analytic = true, "no-care-relationship" }
func later(days int) func(*ocsf.Finding) {
	return func(f *ocsf.Finding) { f.Time += int64(days) * 24 * time.Hour.Milliseconds() }
}

func TestOneCasePerPerson(t *testing.T) {
	o := newOffice(t, Default())
	first := o.finding("a", "S1", 70)
	if ch := o.add(first); len(ch) != 1 || ch[0].Kind != "opened" {
		t.Fatalf("%+v", ch)
	}
	if ch := o.add(first); len(ch) != 0 {
		t.Fatalf("the same finding did something: %+v", ch)
	}
	if ch := o.add(o.finding("b", "S1", 50), o.finding("c", "S1", 20, weak)); len(ch) != 1 || ch[0].Kind != "grown" {
		t.Fatalf("%+v", ch)
	}
	cs := o.cases(Query{})
	if len(cs) != 1 || len(cs[0].Findings) != 3 || cs[0].Risk <= 70 || cs[0].Risk > 100 {
		t.Fatalf("%+v", cs)
	}
}

func TestWeakFindingsAddUp(t *testing.T) {
	o := newOffice(t, Default())
	for i := range 4 {
		o.add(o.finding(fmt.Sprint("w", i), "S1", 10, weak))
	}
	if n := len(o.cases(Query{})); n != 0 {
		t.Fatalf("%d cases of four weak findings", n)
	}
	for i := range 20 {
		o.add(o.finding(fmt.Sprint("x", i), "S1", 14, weak))
	}
	cs := o.cases(Query{})
	if len(cs) != 1 || cs[0].Risk > 100*weakCap {
		t.Fatalf("%+v", cs)
	}
}

func TestBudgetKeepsTheRiskiest(t *testing.T) {
	cfg := Default()
	cfg.Budget = 3
	o := newOffice(t, cfg)
	for i := range 5 {
		o.add(o.finding(fmt.Sprint("a", i), fmt.Sprint("S", i), float64(50+i)))
	}
	var risks []float64
	for _, c := range o.cases(Query{Status: StatusNew}) {
		risks = append(risks, c.Risk)
	}
	if !slices.Equal(risks, []float64{54, 53, 52}) || len(o.cases(Query{Status: StatusWaiting})) != 2 {
		t.Fatalf("open %v", risks)
	}
	o.add(o.finding("next", "S9", 41, later(1)))
	if n := len(o.cases(Query{Status: StatusNew})); n != 4 {
		t.Fatalf("another day has its own budget, %d open", n)
	}
}

func TestBudgetLeavesTouchedCasesAlone(t *testing.T) {
	cfg := Default()
	cfg.Budget = 1
	o := newOffice(t, cfg)
	o.add(o.finding("a", "S1", 50))
	c := o.cases(Query{})[0]
	if _, err := o.desk.Assign(t.Context(), c.ID, "anna", "anna"); err != nil {
		t.Fatal(err)
	}
	o.add(o.finding("b", "S2", 90))
	if got := o.cases(Query{Subject: "S2"})[0]; got.Status != StatusWaiting {
		t.Fatalf("%+v", got)
	}
	o.add(o.finding("c", "S2", 95))
	if _, err := o.desk.Refill(t.Context(), c.Day); err != nil {
		t.Fatal(err)
	}
	if got := o.cases(Query{Subject: "S1"})[0]; got.Status != StatusAssigned {
		t.Fatalf("a touched case moved: %+v", got)
	}
}

func TestLateExplanationWithdraws(t *testing.T) {
	o := newOffice(t, Default())
	o.add(o.finding("a", "S1", 60), o.finding("sealed", "S1", 80, func(f *ocsf.Finding) { f.Unexplained, f.Analytic = false, "sealed-record" }))
	if ch := o.withdraw("ev-a"); len(ch) != 1 || ch[0].Kind != "withdrawn" {
		t.Fatalf("%+v", ch)
	}
	c := o.cases(Query{})[0]
	if c.Status != StatusNew || len(c.Findings) != 1 || !slices.Equal(c.Gone, []string{"a"}) || c.Risk != 80 {
		t.Fatalf("%+v", c)
	}
	if ch := o.withdraw("ev-sealed"); len(ch) != 0 {
		t.Fatalf("a finding that holds in any case was withdrawn: %+v", ch)
	}
	o.add(o.finding("b", "S2", 60))
	if ch := o.withdraw("ev-b"); len(ch) != 1 || ch[0].Case.Status != StatusClosed || ch[0].Case.Verdict != Withdrawn {
		t.Fatalf("%+v", ch)
	}
	f, err := o.desk.Finding(t.Context(), "b")
	if err != nil || f.Withdrawn == "" {
		t.Fatalf("no trace: %+v %v", f, err)
	}
	if ch := o.add(o.finding("b", "S2", 60)); len(ch) != 0 {
		t.Fatalf("a replayed finding came back: %+v", ch)
	}
}

func TestManyEventsShrink(t *testing.T) {
	o := newOffice(t, Default())
	o.add(o.finding("s", "S1", 80, func(f *ocsf.Finding) { f.Events = []string{"1", "2", "3", "4"} }))
	o.withdraw("2")
	f, err := o.desk.Finding(t.Context(), "s")
	if err != nil || f.Risk != 60 || len(f.Events) != 3 || f.Withdrawn != "" {
		t.Fatalf("%+v %v", f, err)
	}
}

func TestClosedCaseAndTheNext(t *testing.T) {
	o := newOffice(t, Default())
	o.add(o.finding("a", "S1", 60))
	id := o.cases(Query{})[0].ID
	if _, err := o.desk.Close(t.Context(), id, Confirmed, "anna", "admitted it"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.desk.Close(t.Context(), id, Confirmed, "anna", ""); err == nil {
		t.Fatal("closed twice")
	}
	o.add(o.finding("a", "S1", 60)) // nothing new
	if n := len(o.cases(Query{})); n != 1 {
		t.Fatalf("%d cases", n)
	}
	o.add(o.finding("b", "S1", 60, later(1)))
	cs := o.cases(Query{Status: StatusNew})
	if len(cs) != 1 || !slices.Equal(cs[0].Findings, []string{"b"}) {
		t.Fatalf("%+v", cs)
	}
	if _, err := o.desk.Reopen(t.Context(), id, "anna", ""); err == nil {
		t.Fatal("two open cases of one subject")
	}
	at, err := o.desk.Confirmed(t.Context(), "S1")
	if err != nil || at != o.noon {
		t.Fatal(at, err)
	}
}

func TestRisk(t *testing.T) {
	o := newOffice(t, Default())
	one := weigh([]ocsf.Finding{o.finding("a", "S", 60)}, nil, "").risk
	ten := make([]ocsf.Finding, 10)
	for i := range ten {
		ten[i] = o.finding(fmt.Sprint(i), "S", 60)
	}
	many := weigh(ten, nil, "").risk
	s := weigh([]ocsf.Finding{o.finding("a", "S", 60), o.finding("b", "S", 60, func(f *ocsf.Finding) { f.Analytic = "vip" })}, nil, "")
	two, parts := s.risk, s.parts
	if one != 60 || !(many > one) || !(two > one) || len(parts) != 2 || many > 100 {
		t.Fatal(one, many, two, parts)
	}
}

func TestAccountsBecomePeople(t *testing.T) {
	o := newOffice(t, Default())
	nobody := func(f *ocsf.Finding) { f.Person, f.Account = "", "wang1" }
	o.add(o.finding("a", "", 60, nobody), o.finding("b", "", 50, nobody), o.finding("c", "S1", 70))
	if n := len(o.cases(Query{Status: StatusNew})); n != 2 {
		t.Fatalf("%d cases", n)
	}
	known := func(account string) (string, bool) { return "S1", account == "wang1" }
	for range 2 { // again changes nothing
		if _, err := o.desk.Rekey(t.Context(), known); err != nil {
			t.Fatal(err)
		}
	}
	cs := o.cases(Query{Status: StatusNew})
	if len(cs) != 1 || cs[0].Person != "S1" || len(cs[0].Findings) != 3 {
		t.Fatalf("%+v", cs)
	}
}
