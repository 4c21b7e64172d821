package incident

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/ocsf"
)

func statistical(f *ocsf.Finding) { f.Weak, f.Statistical, f.Analytic = true, true, "volume-spike" }

func TestStatisticsOpenNoCase(t *testing.T) {
	o := newOffice(t, Default())
	for i := range 40 {
		o.add(o.finding(fmt.Sprint("v", i), "S1", 42, statistical))
	}
	if n := len(o.cases(Query{})); n != 0 {
		t.Fatalf("%d cases of statistics alone", n)
	}
	o.add(o.finding("w", "S1", 14, weak)) // one weak relation is enough to make them count
	if cs := o.cases(Query{}); len(cs) != 1 || len(cs[0].Parts) != 2 {
		t.Fatalf("%+v", cs)
	}
}

// TestRiskGrows: another finding never lowers a case, parts add up to the
// risk, and cases that differ are not tied.
func TestRiskGrows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	o := newOffice(t, Default())
	for range 400 {
		var fs []ocsf.Finding
		last := 0.0
		for i := range 1 + r.IntN(14) {
			f := o.finding(fmt.Sprint(i), "S", float64(5+r.IntN(90)))
			f.Analytic, f.Weak = fmt.Sprint("d", r.IntN(6)), r.IntN(2) == 0
			if fs = append(fs, f); len(byDetector(fs)) > 1 && mixed(fs) {
				fs = fs[:len(fs)-1] // a detector is weak or not
				continue
			}
			s := weigh(fs, nil, "")
			if s.risk < last-0.011 || s.risk >= 100 {
				t.Fatalf("%v after %v with %+v", s.risk, last, s.parts)
			}
			sum := 0.0
			for _, p := range s.parts {
				sum += p.Adds
			}
			if d := sum - s.risk; d > .01 || d < -.01 {
				t.Fatalf("parts add up to %v, risk is %v", sum, s.risk)
			}
			last = s.risk
		}
	}
	many := func(n int) float64 {
		var fs []ocsf.Finding
		for i := range n {
			fs = append(fs, o.finding(fmt.Sprint(i), "S", 42, weak, func(f *ocsf.Finding) { f.Analytic = fmt.Sprint("w", i) }))
		}
		return weigh(fs, nil, "").risk
	}
	if !(many(4) > many(3) && many(12) > many(11) && many(12) < 65) {
		t.Fatal(many(3), many(4), many(11), many(12))
	}
}

func byDetector(fs []ocsf.Finding) map[string][]bool {
	m := map[string][]bool{}
	for _, f := range fs {
		m[f.Analytic] = append(m[f.Analytic], f.Weak)
	}
	return m
}

func mixed(fs []ocsf.Finding) bool {
	for _, list := range byDetector(fs) {
		if slices.Contains(list, true) && slices.Contains(list, false) {
			return true
		}
	}
	return false
}

// decide opens and closes n cases of an analytic, so many of them confirmed.
func (o *office) decide(analytic string, n, confirmed int, more ...func(*ocsf.Finding)) {
	o.t.Helper()
	for i := range n {
		who := fmt.Sprint(analytic, "-", i)
		o.add(o.finding(who, who, 70, append(more, func(f *ocsf.Finding) { f.Analytic = analytic })...))
		v := FalseCase
		if i < confirmed {
			v = Confirmed
		}
		id := o.cases(Query{Subject: who})[0].ID
		if _, err := o.desk.Close(o.t.Context(), id, v, "anna", ""); err != nil {
			o.t.Fatal(err)
		}
		o.relearn()
	}
}

// relearn lets verdicts count at once.
func (o *office) relearn() {
	o.t.Helper()
	if err := o.desk.Relearn(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) factor(detector string) Factor {
	o.t.Helper()
	o.relearn()
	c, err := o.desk.Calibration(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	f, _ := c.For(detector, "")
	return f
}

func wide() Config {
	c := Default()
	c.Budget = 1000
	return c
}

func TestVerdictsMoveTheRanking(t *testing.T) {
	o := newOffice(t, wide())
	o.decide("noisy", 12, 1)
	o.decide("sure", 12, 12)
	o.decide("decoy", 12, 0, func(f *ocsf.Finding) { f.Steady = true })
	noisy, sure, decoy := o.factor("noisy"), o.factor("sure"), o.factor("decoy")
	if !(noisy.Factor < .6 && noisy.Factor >= lowest && sure.Factor > 1 && sure.Factor <= highest && decoy.Factor == steadyLow) {
		t.Fatal(noisy, sure, decoy)
	}
	if noisy.Confirmed != 1 || noisy.Decided != 12 {
		t.Fatal(noisy)
	}
	for _, a := range []string{"noisy", "sure"} {
		o.add(o.finding("new-"+a, "new-"+a, 70, func(f *ocsf.Finding) { f.Analytic = a }))
	}
	cs := o.cases(Query{Status: StatusNew})
	if cs[0].Subject != "new-sure" || cs[0].Risk <= 70 || cs[1].Risk >= 70 || cs[1].Raw != 70 {
		t.Fatalf("%+v", cs)
	}
	w := cs[1].InWords(func(id string) ocsf.Text { return ocsf.Text{EN: "Noisy", ZH: "噪声"} })
	if !strings.Contains(w.EN, "1 of 12 like this were confirmed here") || !strings.Contains(w.ZH, "已判定 12 起，属实 1 起") {
		t.Error(w)
	}
	all, err := o.desk.Calibrations(t.Context(), 100)
	last := all[len(all)-1]
	if err != nil || len(all) != 36 || len(last.Moved) != 1 || last.Moved[0].From != 1 || len(last.Cases) != 1 {
		t.Fatal(len(all), last, err)
	}
}

// TestCalibrationIsRecordedInTurn: a list worked through is one version a
// minute, which names all its cases; what was decided survives a restart.
func TestCalibrationIsRecordedInTurn(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, wide())
	learn := func(want int) *Calibration {
		t.Helper()
		if err := o.desk.Learn(ctx); err != nil {
			t.Fatal(err)
		}
		all := must(o.desk.Calibrations(ctx, 100))
		if len(all) != want {
			t.Fatalf("%d versions, want %d", len(all), want)
		}
		return all[0]
	}
	ids := []string{}
	for i := range 6 {
		who := fmt.Sprint("S", i)
		o.add(o.finding(who, who, 70))
		ids = append(ids, o.cases(Query{Subject: who})[0].ID)
	}
	closeCase := func(i int) { must(o.desk.Close(ctx, ids[i], FalseCase, "anna", "")) }
	closeCase(0)
	if c := learn(1); !slices.Equal(c.Cases, ids[:1]) {
		t.Fatal(c.Cases)
	}
	for i := 1; i < 5; i++ {
		closeCase(i)
		learn(1) // within the minute
	}
	var err error
	if o.desk, err = New(ctx, wide(), o.db, o.desk.book, func() time.Time { return time.UnixMilli(o.noon).UTC() }); err != nil {
		t.Fatal(err)
	}
	o.noon += time.Minute.Milliseconds()
	want := slices.Sorted(slices.Values(ids[1:5]))
	if c := learn(2); !slices.Equal(c.Cases, want) || len(c.Moved) != 1 || c.Entries[0].Decided != 5 {
		t.Fatalf("%+v, want the cases %v", c, want)
	}
	o.noon += time.Hour.Milliseconds()
	learn(2) // nothing was decided
	if err := o.desk.SetCalibration(ctx, CalibrationFrozen, 0, "anna", ""); err != nil {
		t.Fatal(err)
	}
	closeCase(5)
	learn(3)
	if err := o.desk.SetCalibration(ctx, CalibrationOn, 0, "anna", ""); err != nil {
		t.Fatal(err)
	}
	if c := learn(4); !slices.Equal(c.Cases, ids[5:]) || c.Entries[0].Decided != 6 {
		t.Fatalf("%+v", c)
	}
}

// TestCalibrationFollowsFromVerdicts: the order of deciding changes nothing.
func TestCalibrationFollowsFromVerdicts(t *testing.T) {
	a, b := newOffice(t, wide()), newOffice(t, wide())
	a.decide("x", 7, 2)
	a.decide("y", 5, 5)
	b.decide("y", 5, 5)
	b.decide("x", 7, 2)
	ca, _ := a.desk.Calibration(t.Context())
	cb, _ := b.desk.Calibration(t.Context())
	if d := cmp.Diff(ca.Entries, cb.Entries); d != "" {
		t.Error(d)
	}
}

func TestCalibrationIsTakenBack(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, wide())
	o.decide("x", 4, 0)
	first := o.factor("x").Factor
	v := must(o.desk.Calibration(ctx)).Version()
	o.decide("y", 4, 4)
	if err := o.desk.SetCalibration(ctx, "", v, "anna", "too soon"); err != nil {
		t.Fatal(err)
	}
	if f := o.factor("y"); f.Factor != 0 || o.factor("x").Factor != first {
		t.Fatal(f)
	}
	o.decide("z", 4, 0) // frozen: nothing moves
	if f := o.factor("z"); f.Factor != 0 {
		t.Fatal(f)
	}
	if err := o.desk.SetCalibration(ctx, CalibrationOff, 0, "anna", ""); err != nil {
		t.Fatal(err)
	}
	if f := o.factor("x"); f.Factor != 0 {
		t.Fatal("off still counts", f)
	}
	if err := o.desk.SetCalibration(ctx, CalibrationOn, 0, "anna", ""); err != nil {
		t.Fatal(err)
	}
	if o.factor("z").Factor == 0 || o.factor("y").Factor <= 1 {
		t.Fatal("switched on again, it forgot")
	}
	if err := o.desk.SetCalibration(ctx, "sometimes", 0, "anna", ""); err == nil {
		t.Error("a mode that is none")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAnswersCountLess(t *testing.T) {
	o := newOffice(t, wide())
	o.add(o.finding("a", "S1", 70))
	id := o.cases(Query{})[0].ID
	if _, err := o.desk.Comment(t.Context(), id, "user:S1", "answer", "care"); err != nil {
		t.Fatal(err)
	}
	weaker := o.factor("family")
	if weaker.Factor >= 1 || weaker.Decided != 0 {
		t.Fatal(weaker)
	}
	if _, err := o.desk.Close(t.Context(), id, FalseCase, "anna", ""); err != nil {
		t.Fatal(err)
	}
	if f := o.factor("family"); f.Factor >= weaker.Factor || f.Decided != 1 {
		t.Fatal(f, weaker)
	}
	if _, err := o.desk.Reopen(t.Context(), id, "anna", ""); err != nil {
		t.Fatal(err)
	}
	if f := o.factor("family"); f != weaker {
		t.Fatal("opened again, the verdict still counts", f)
	}
}

func TestDepartmentsDiffer(t *testing.T) {
	o := newOffice(t, wide())
	o.desk.Places(func(person string, _ int64) string {
		if strings.HasSuffix(person, "2") || strings.HasSuffix(person, "4") || strings.HasSuffix(person, "6") || strings.HasSuffix(person, "8") || strings.HasSuffix(person, "0") {
			return "ER"
		}
		return "ICU"
	})
	o.decide("x", 12, 0)
	c := must(o.desk.Calibration(t.Context()))
	all, _ := c.For("x", "")
	er, _ := c.For("x", "ER")
	if er.Department != "ER" || er.Factor > all.Factor {
		t.Fatal(all, er)
	}
}

func TestRerankGivesPlaces(t *testing.T) {
	cfg := Default()
	cfg.Budget = 5
	o := newOffice(t, cfg)
	o.decide("sure", 3, 3)
	for i := range 2 {
		o.add(o.finding(fmt.Sprint("n", i), fmt.Sprint("N", i), 70, func(f *ocsf.Finding) { f.Analytic = "noisy" }))
	}
	o.add(o.finding("w", "W", 69, func(f *ocsf.Finding) { f.Analytic = "sure2" }))
	if cs := o.cases(Query{Status: StatusWaiting}); len(cs) != 1 || cs[0].Subject != "W" {
		t.Fatalf("%+v", cs)
	}
	o.decideElsewhere("noisy", 8)
	if _, err := o.desk.Rerank(t.Context()); err != nil {
		t.Fatal(err)
	}
	cs := o.cases(Query{Status: StatusWaiting})
	if len(cs) != 1 || !strings.HasPrefix(cs[0].Subject, "N") {
		t.Fatalf("%+v", cs)
	}
	if ch, err := o.desk.Rerank(t.Context()); err != nil || len(ch) != 0 {
		t.Fatal("again, something changed", ch, err)
	}
}

// decideElsewhere dismisses cases of another day.
func (o *office) decideElsewhere(analytic string, n int) {
	o.t.Helper()
	for i := range n {
		who := fmt.Sprint(analytic, "-old-", i)
		o.add(o.finding(who, who, 70, later(-1-i/4), func(f *ocsf.Finding) { f.Analytic = analytic }))
		c := o.cases(Query{Subject: who})[0]
		if _, err := o.desk.Close(o.t.Context(), c.ID, FalseCase, "anna", ""); err != nil {
			o.t.Fatal(err)
		}
	}
	o.relearn()
}

func TestPlantedCloseAtOnce(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, Default())
	p := Plant{ID: "abc123", Kind: "canary", Expect: "canary", At: o.noon - 60_000, Asked: "anna", Events: []string{"planted-1"}}
	missed := Plant{ID: "old", Kind: "canary", Expect: "canary", At: o.noon - 3*dayMS, Asked: "anna"}
	for _, x := range []Plant{p, missed} {
		if err := o.desk.Planting(ctx, x); err != nil {
			t.Fatal(err)
		}
	}
	who := ReservedPrefix + "abc123"
	ch := o.add(o.finding("c", who, 92, func(f *ocsf.Finding) { f.Analytic, f.Patient, f.Events = "canary", who+"-1", []string{"planted-1"} }))
	if len(ch) != 0 {
		t.Fatalf("somebody is told: %+v", ch)
	}
	cs := o.cases(Query{})
	if len(cs) != 1 || cs[0].Status != StatusClosed || cs[0].Verdict != Planted {
		t.Fatalf("%+v", cs)
	}
	q := must(o.desk.Quality(ctx, 30, o.noon))
	if q.PlantedAll.Count != 1 || q.PlantedAll.Of != 2 || q.Planted[0].Minutes.P50 != 1 || q.Planted[0].Expected != 1 {
		t.Fatalf("%+v", q.Planted)
	}
	for _, day := range q.Daily {
		if day.Opened+day.Findings != 0 {
			t.Fatal("planted ones are counted", day)
		}
	}
	if !Reserved("patient:"+who+"-3") || !Reserved("account:"+strings.ToUpper(who)) || Reserved("S1") {
		t.Error("reserved ids are not known")
	}
}

// TestReservedNamesHideNobody: a name that looks planted closes nothing and
// counts like every other; nor does it help to take the name of a violation
// that was really planted.
func TestReservedNamesHideNobody(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, Default())
	if err := o.desk.Planting(ctx, Plant{ID: "real", Kind: "canary", Expect: "canary", At: o.noon, Asked: "anna", Events: []string{"planted-1"}}); err != nil {
		t.Fatal(err)
	}
	for i, who := range []string{"zzz", "real", "real-2"} {
		if ch := o.add(o.finding("c"+who, ReservedPrefix+who, 92)); len(ch) == 0 {
			t.Errorf("%s: nobody is told", who)
		}
		cs := o.cases(Query{Status: StatusNew})
		if who != "real-2" && len(cs) != i+1 {
			t.Fatalf("%s: %+v", who, cs)
		}
	}
	q := must(o.desk.Quality(ctx, 1, o.noon))
	if q.PlantedAll.Count != 0 || q.Daily[0].Findings != 3 || q.Daily[0].Opened == 0 {
		t.Errorf("%+v %+v", q.PlantedAll, q.Daily)
	}
}

// TestQualityOfHistory: what happened long ago is counted where it happened,
// and the figures of today say that there is something.
func TestQualityOfHistory(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, wide())
	old := o.noon - 400*dayMS
	o.add(o.finding("h", "S1", 80, func(f *ocsf.Finding) { f.Time = old }))
	o.decide("family", 2, 1)
	day := time.UnixMilli(old).UTC().Format(time.DateOnly)
	q := must(o.desk.Quality(ctx, 30, o.noon))
	if q.Outside.Cases != 1 || q.Outside.To != day || q.Outside.From != day || q.Chosen {
		t.Fatalf("%+v", q.Outside)
	}
	q = must(o.desk.QualityBetween(ctx, q.Outside.From, q.Outside.To))
	if q.Days != 1 || len(q.Daily) != 1 || q.Daily[0].Findings != 1 || q.Daily[0].Opened+q.Daily[0].Waiting != 1 || q.Outside.Cases != 2 || q.Late != 1 {
		t.Errorf("%+v", q)
	}
	if p := q.Precision[len(q.Precision)-1]; p.Days != 1 || p.Of != 0 {
		t.Errorf("%+v", q.Precision)
	}
	for _, x := range [][2]string{{"2026-02-02", "2026-02-01"}, {"x", "2026-02-01"}, {"2020-01-01", "2026-02-01"}} {
		if _, err := o.desk.QualityBetween(ctx, x[0], x[1]); err == nil {
			t.Error(x)
		}
	}
}

func TestQuality(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, wide())
	o.decide("family", 10, 4)
	o.add(o.finding("e", "S9", 80))
	q := must(o.desk.Quality(ctx, 7, o.noon))
	if p := q.Precision[0]; p.Days != 7 || p.Count != 4 || p.Of != 10 || p.Value != 40 || p.Low < 16 || p.Low > 17 || p.High < 68 || p.High > 69 {
		t.Errorf("%+v", p)
	}
	last := q.Daily[len(q.Daily)-1]
	if len(q.Daily) != 7 || last.Day != "2026-03-02" || last.Opened != 11 || last.Findings != 11 || last.By["family"] != 11 {
		t.Errorf("%+v", q.Daily)
	}
	if d := q.Detectors[0]; d.Detector != "family" || d.Findings != 11 || d.Cases != 10 || len(d.Precision) != 3 {
		t.Errorf("%+v", d)
	}
	if q.EventToCase.N != 11 || q.CaseToAct.N != 10 {
		t.Errorf("%+v %+v", q.EventToCase, q.CaseToAct)
	}
}

func TestRepeatsAreCompared(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, wide())
	for i := range 4 {
		who := fmt.Sprint("S", i)
		o.add(o.finding("a"+who, who, 70))
		id := o.cases(Query{Subject: who})[0].ID
		if i < 2 {
			must(o.desk.Comment(ctx, id, "playbook serious", "action", "ask-user: done"))
		}
		must(o.desk.Close(ctx, id, Confirmed, "anna", ""))
		if i == 3 {
			o.add(o.finding("b"+who, who, 70, later(5)))
		}
	}
	q := must(o.desk.Quality(ctx, 30, o.noon))
	if q.RepeatAsked.Count != 0 || q.RepeatAsked.Of != 2 || q.RepeatUnasked.Count != 1 || q.RepeatUnasked.Of != 2 {
		t.Errorf("%+v %+v", q.RepeatAsked, q.RepeatUnasked)
	}
}

// TestFiguresFollowFromRecords: made anew, they are the same.
func TestFiguresFollowFromRecords(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, wide())
	o.decide("family", 6, 3)
	o.decide("vip", 6, 5)
	before := must(o.desk.Quality(ctx, 30, o.noon))
	factors := must(o.desk.Calibration(ctx)).Entries
	err := o.db.Update(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"incident_cases", "incident_verdicts", "incident_daily"} {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if o.desk, err = New(ctx, wide(), o.db, o.desk.book, func() time.Time { return time.UnixMilli(o.noon).UTC() }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, must(o.desk.Quality(ctx, 30, o.noon))); d != "" {
		t.Error(d)
	}
	if err := o.desk.Relearn(ctx); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(factors, must(o.desk.Calibration(ctx)).Entries); d != "" {
		t.Error(d)
	}
}

func TestWilson(t *testing.T) {
	if s := ShareOf(0, 0); s.Value != 0 || s.High != 0 {
		t.Error(s)
	}
	if s := ShareOf(0, 10); s.Low != 0 || s.High < 27 || s.High > 28 {
		t.Error(s)
	}
	if s := ShareOf(10, 10); s.High != 100 || s.Low < 72 || s.Low > 73 {
		t.Error(s)
	}
}
