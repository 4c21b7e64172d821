package bench

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/simulate"
)

// Accuracy is what came of one simulated hospital, or of several together.
type Accuracy struct {
	Hospitals []*Accuracy // of those together
	Seed      uint64
	Habits    []string
	Staff     int
	Weeks     float64

	Legitimate, Explained   int // accesses of no violation
	First, FirstExplained   int // the first of a person to a patient
	Repeat, RepeatExplained int // the others
	Direct                  int // explained by a record that names the person
	Misused, Misexplained   int // accesses of violations, and those explained all the same
	Strange, Excused        int // violations by people without a tie, and those all of whose accesses are explained
	Kinds                   map[string]int
	Violations              map[string]*Caught // by kind
	Cases                   []Ranked           // within the budget
	Suspects                []Ranked           // of the baseline, within the same budget
	Minutes                 []float64          // from a violation's first access to the finding that names it
}

// Ranked is a case, or a person, and whether a violation's access is in it.
type Ranked struct {
	Risk   float64
	Guilty bool
}

// precision is how many of the n riskiest are guilty; of fewer where there
// are not so many. Among equals the innocent count first.
func precision(list []Ranked, n int) (guilty, of int) {
	list = slices.SortedFunc(slices.Values(list), func(x, y Ranked) int {
		if x.Risk == y.Risk && x.Guilty != y.Guilty {
			if x.Guilty {
				return 1
			}
			return -1
		}
		return cmp.Compare(y.Risk, x.Risk)
	})
	list = list[:min(n, len(list))]
	for _, r := range list {
		if r.Guilty {
			guilty++
		}
	}
	return guilty, len(list)
}

// Caught is how many violations of a kind there are, how many are in an open
// case, how many in any case, and how many the rules alone would have shown.
type Caught struct{ All, Open, Any, Rules int }

// Judge invents a hospital, reads it in the order of its README into a new
// folder, and compares what cordon explain and cordon incidents say with the
// truth.
//
// Legitimate is every access by an account that is not part of a violation,
// both halves of one that two systems recorded counting once; what programs
// and machines do without an account needs no tie to a patient. Violations by people whom
// records tie to the patient (edit-and-revert, patient-dispute) do not count as
// falsely explained: there the explanation is true. First accesses are those where
// the person had not opened that patient's record before. A violation is found
// when one of its events is in a case that is open (new or assigned), that is,
// within the budget of 33 cases a day. Precision at 100 is the share of the
// hundred riskiest cases that hold an event of a violation; one hospital has
// only some 60 violations, so its own figure cannot reach much above a half,
// and the goal is held against all hospitals together. The baseline beside it
// is what a product of rules would show: the findings of rules on single
// accesses alone (see listRules), summed per person and day, and the 33
// riskiest people of each day; it is spared what our explanations excuse.
func Judge(ctx context.Context, p *Program, dir string, cfg simulate.Config) (*Accuracy, error) {
	hospital, data := filepath.Join(dir, "hospital"), filepath.Join(dir, "data")
	h, err := simulate.New(cfg)
	if err != nil {
		return nil, err
	}
	if err := h.Write(hospital, nil); err != nil {
		return nil, err
	}
	if err := read(ctx, p, hospital, data); err != nil {
		return nil, err
	}
	t, err := newTruth(filepath.Join(hospital, "truth.jsonl"))
	if err != nil {
		return nil, err
	}
	if err := t.requests(ctx, p, dir, data); err != nil {
		return nil, err
	}
	a := &Accuracy{Seed: cfg.Seed, Habits: cfg.Habits, Staff: cfg.Staff, Weeks: float64(cfg.Days) / 7, Kinds: map[string]int{}, Violations: map[string]*Caught{}}
	for _, ask := range []func(context.Context, *Program, string, string, *truth) error{a.explanations, a.incidents, a.findings} {
		if err := ask(ctx, p, dir, data, t); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// read imports a simulated hospital in the order of its README.
func read(ctx context.Context, p *Program, hospital, data string) error {
	for _, in := range [][]string{
		{"directory", "directory.csv"}, {"roster", "roster.csv"}, {"tickets", "tickets.csv"}, {"watchlist", "watchlist.csv"},
		{"hl7v2", "hl7"}, {"fhir-auditevent", "fhir"}, {"atna", "atna"}, {"csv", "sqlaudit.csv"},
		{"syslog", "devices"}, {"mysql-audit", "db"}, {"http-access", "http"},
	} {
		if in[0] == "mysql-audit" && empty(filepath.Join(hospital, in[1])) {
			continue // an appliance audits the database
		}
		args := []string{"import", "--format", in[0], filepath.Join(hospital, in[1])}
		if in[0] == "csv" {
			args = append(args, "--mapping", "his-audit")
		}
		if _, err := p.Do(ctx, data, args...); err != nil {
			return err
		}
	}
	return nil
}

func empty(dir string) bool {
	list, err := os.ReadDir(dir)
	return err == nil && len(list) == 0
}

// requests gives the events of access logs the ids that truth has for them: a
// line of such a log has no id but that of its request.
func (t *truth) requests(ctx context.Context, p *Program, dir, data string) error {
	path := filepath.Join(dir, "requests.jsonl")
	const sql = `SELECT uid, correlation FROM records WHERE log_name = 'http-access' AND correlation IS NOT NULL`
	if err := pourFile(ctx, p, path, data, "query", "--format", "json", sql); err != nil {
		return err
	}
	return eachLine(path, func(line []byte) error {
		var x struct{ UID, Correlation string }
		if err := json.Unmarshal(line, &x); err != nil {
			return err
		}
		if v, ok := t.of[x.Correlation]; ok {
			t.of[x.UID] = v
		}
		return nil
	})
}

// truth is what the simulator says.
type truth struct {
	all []simulate.Violation
	of  map[string]int // event uid to the violation
}

// violation is the one an event belongs to. Further patients of one record
// have its uid and a number.
func (t *truth) violation(uid string) (int, bool) {
	uid, _, _ = strings.Cut(uid, "#")
	v, ok := t.of[uid]
	return v, ok
}

func newTruth(path string) (*truth, error) {
	t := &truth{of: map[string]int{}}
	err := eachLine(path, func(line []byte) error {
		var v simulate.Violation
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		for _, uids := range [][]string{v.EventUIDs, v.AlsoUIDs} {
			for _, uid := range uids {
				t.of[uid] = len(t.all)
			}
		}
		t.all = append(t.all, v)
		return nil
	})
	return t, err
}

func eachLine(path string, fn func([]byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if err := fn(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// explanations counts what was explained. It asks the views rather than
// cordon explain --all, whose lines do not say who opened whose record; the
// sentences come from the same rows.
func (a *Accuracy) explanations(ctx context.Context, p *Program, dir, data string, t *truth) error {
	path := filepath.Join(dir, "explained.jsonl")
	const sql = `SELECT uid, coalesce(person, '') AS person, coalesce(patient, '') AS patient, epoch_ms(time) AS at, explained, coalesce(kind, '') AS kind FROM explanations WHERE uid NOT IN (SELECT uid FROM records WHERE patient IS NOT NULL AND coalesce(account, '') = '') ORDER BY time, uid`
	if err := pourFile(ctx, p, path, data, "query", "--format", "json", sql); err != nil {
		return err
	}
	seen := map[[2]string]bool{}
	excused := map[int]bool{}
	err := eachLine(path, func(line []byte) error {
		var x struct {
			UID, Person, Patient, Kind string
			Explained                  bool
		}
		if err := json.Unmarshal(line, &x); err != nil {
			return err
		}
		pair := [2]string{x.Person, x.Patient}
		first := !seen[pair]
		seen[pair] = true
		a.access(x.UID, x.Kind, x.Explained, first, t, excused)
		return nil
	})
	a.Strange = len(excused)
	for _, all := range excused {
		if all {
			a.Excused++
		}
	}
	return err
}

func (a *Accuracy) access(uid, kind string, explained, first bool, t *truth, excused map[int]bool) {
	if v, guilty := t.violation(uid); guilty {
		if t.all[v].Tied {
			return // the explanation is true; what is wrong is something else
		}
		a.Misused++
		if explained {
			a.Misexplained++
		}
		all, known := excused[v]
		excused[v] = explained && (all || !known)
		return
	}
	a.Legitimate++
	n, good := &a.Repeat, &a.RepeatExplained
	if first {
		n, good = &a.First, &a.FirstExplained
	}
	*n++
	if !explained {
		a.Kinds["none"]++
		return
	}
	*good++
	a.Kinds[kind]++
	a.Explained++
	if slices.Contains(directKinds(), kind) {
		a.Direct++
	}
}

// directKinds are the explanations by a record that names the person.
func directKinds() []string {
	return []string{"attending", "consult", "order", "result", "appointment", "referral", "document", "registration", "ticket", "care-team"}
}

// incidentLine is what is read of cordon incidents --json.
type incidentLine struct {
	Status          string
	RiskScore       float64       `json:"risk_score"`
	FindingInfoList []findingInfo `json:"finding_info_list"`
}

type findingInfo struct {
	Analytic      struct{ UID string }
	RelatedEvents []struct{ UID string } `json:"related_events"`
}

// open says whether the case was within the budget.
func (i incidentLine) open() bool { return i.Status == "New" || i.Status == "In Progress" }

// violations are those whose accesses are in the case.
func (i incidentLine) violations(t *truth) map[int]bool {
	found := map[int]bool{}
	for _, f := range i.FindingInfoList {
		f.violations(t, found)
	}
	return found
}

func (f findingInfo) violations(t *truth, found map[int]bool) {
	for _, e := range f.RelatedEvents {
		if v, ok := t.violation(e.UID); ok {
			found[v] = true
		}
	}
}

// listRules are the detectors that hold one access against a list or a field,
// as a product of rules alone would.
func listRules() []string {
	return []string{"self-access", "family", "neighbour", "coworker", "vip", "sealed-record", "canary", "level-5",
		"break-glass", "terminated-account", "off-duty"}
}

// suspect is a person on a day, as the baseline sees them.
type suspect struct {
	day   int64
	risk  float64
	found map[int]bool
}

// findingLine is what is read of cordon findings --json.
type findingLine struct {
	Info  findingInfo `json:"finding_info"`
	Actor struct{ User struct{ UID string } }
	Risk  float64 `json:"risk_score"`
	Time  int64
}

// findings reads how soon violations were named, and ranks people by what list
// rules alone found about them on a day, also where it was explained later.
func (a *Accuracy) findings(ctx context.Context, p *Program, dir, data string, t *truth) error {
	path := filepath.Join(dir, "findings.jsonl")
	if err := pourFile(ctx, p, path, data, "findings", "--withdrawn", "--json"); err != nil {
		return err
	}
	people, soonest := map[string]*suspect{}, map[int]float64{}
	err := eachLine(path, func(line []byte) error {
		var f findingLine
		if err := json.Unmarshal(line, &f); err != nil {
			return err
		}
		f.name(t, soonest)
		if slices.Contains(listRules(), f.Info.Analytic.UID) {
			f.suspect(t, people)
		}
		return nil
	})
	a.Minutes = slices.Sorted(maps.Values(soonest))
	a.baseline(t, people)
	return err
}

// name notes how long after a violation's beginning this finding named it.
func (f *findingLine) name(t *truth, soonest map[int]float64) {
	found := map[int]bool{}
	f.Info.violations(t, found)
	for v := range found {
		minutes := max(0, float64(f.Time-t.all[v].First.UnixMilli())/60_000)
		if was, ok := soonest[v]; !ok || minutes < was {
			soonest[v] = minutes
		}
	}
}

func (f *findingLine) suspect(t *truth, people map[string]*suspect) {
	const day = 24 * 3600 * 1000
	today := f.Time / day
	key := fmt.Sprint(f.Actor.User.UID, " ", today)
	s := people[key]
	if s == nil {
		s = &suspect{day: today, found: map[int]bool{}}
		people[key] = s
	}
	s.risk += f.Risk
	f.Info.violations(t, s.found)
}

// budget is how many cases a day one person can work through.
const budget = 33

func (a *Accuracy) baseline(t *truth, people map[string]*suspect) {
	list := slices.Collect(maps.Values(people))
	slices.SortFunc(list, func(x, y *suspect) int {
		return cmp.Or(cmp.Compare(x.day, y.day), cmp.Compare(y.risk, x.risk), cmp.Compare(len(x.found), len(y.found)))
	})
	shown, today, found := 0, int64(-1), map[int]bool{}
	for _, s := range list {
		if s.day != today {
			today, shown = s.day, 0
		}
		if shown++; shown > budget {
			continue
		}
		maps.Copy(found, s.found)
		a.Suspects = append(a.Suspects, Ranked{s.risk, len(s.found) > 0})
	}
	for v := range found {
		a.Violations[t.all[v].Kind].Rules++
	}
}

// pourFile runs a command into a file.
func pourFile(ctx context.Context, p *Program, path, data string, args ...string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(p.Pour(ctx, f, data, args...), f.Close())
}

func (a *Accuracy) incidents(ctx context.Context, p *Program, dir, data string, t *truth) error {
	path := filepath.Join(dir, "incidents.jsonl")
	if err := pourFile(ctx, p, path, data, "incidents", "--json"); err != nil {
		return err
	}
	open, all := map[int]bool{}, map[int]bool{}
	err := eachLine(path, func(line []byte) error {
		var i incidentLine
		if err := json.Unmarshal(line, &i); err != nil {
			return err
		}
		found := i.violations(t)
		maps.Copy(all, found)
		if !i.open() {
			return nil
		}
		maps.Copy(open, found)
		a.Cases = append(a.Cases, Ranked{i.RiskScore, len(found) > 0})
		return nil
	})
	a.count(t, open, all)
	return err
}

func (a *Accuracy) count(t *truth, open, all map[int]bool) {
	for i, v := range t.all {
		c := a.Violations[v.Kind]
		if c == nil {
			c = &Caught{}
			a.Violations[v.Kind] = c
		}
		c.All++
		if open[i] {
			c.Open++
		}
		if all[i] {
			c.Any++
		}
	}
}

// caught adds up the violations of all kinds.
func (a *Accuracy) caught() (all Caught) {
	for _, c := range a.Violations {
		all.All, all.Open, all.Any, all.Rules = all.All+c.All, all.Open+c.Open, all.Any+c.Any, all.Rules+c.Rules
	}
	return all
}

// weakest is the kind of violation that is found least.
func (a *Accuracy) weakest() (kind string, least float64) {
	least = 2
	for _, k := range slices.Sorted(maps.Keys(a.Violations)) {
		if c := a.Violations[k]; share(c.Open, c.All) < least {
			kind, least = k, share(c.Open, c.All)
		}
	}
	return kind, least
}

func (a *Accuracy) falsePerWeek() float64 {
	guilty, cases := precision(a.Cases, len(a.Cases))
	return float64(cases-guilty) / a.Weeks / (float64(a.Staff) / 1000)
}

func (a *Accuracy) median() float64 {
	if len(a.Minutes) == 0 {
		return 0
	}
	return a.Minutes[len(a.Minutes)/2]
}

func share(n, of int) float64 { return float64(n) / float64(max(of, 1)) }

// Lines are the promises about accuracy, over all hospitals.
func (a *Accuracy) Lines() []Line {
	all := a.caught()
	top, of := precision(a.Cases, 100)
	rules, rulesOf := precision(a.Suspects, 100)
	kind, least := a.weakest()
	return []Line{
		{What: "legitimate accesses explained", Goal: "≥ 94 %", Measured: percent(a.Explained, a.Legitimate), Met: judge(share(a.Explained, a.Legitimate) >= .94),
			How: fmt.Sprintf("%d simulated hospitals, %.0f days and %d staff each, %s accesses; hospital by hospital below", len(a.Hospitals), 7*a.Weeks/float64(max(len(a.Hospitals), 1)), a.Staff, count(int64(a.Legitimate)))},
		{What: "of those, first accesses of a person to a patient", Goal: "≥ 85 %", Measured: percent(a.FirstExplained, a.First), Met: judge(share(a.FirstExplained, a.First) >= .85),
			How: count(int64(a.First)) + " accesses; repeated ones " + percent(a.RepeatExplained, a.Repeat) + "; by a record that names the person " + percent(a.Direct, a.Legitimate)},
		{What: "violations falsely explained", Goal: "≤ 5 %", Measured: percent(a.Excused, a.Strange), Met: judge(share(a.Excused, a.Strange) <= .05),
			How: fmt.Sprintf("%d of the %d whose people had no tie to the patient have an explanation for every access; of their %d accesses one by one %s", a.Excused, a.Strange, a.Misused, percent(a.Misexplained, a.Misused))},
		{What: "violations in a case within 33 cases a day", Goal: "≥ 80 %", Measured: percent(all.Open, all.All), Met: judge(share(all.Open, all.All) >= .8),
			How: fmt.Sprintf("%d of %d; baseline of rules alone %s", all.Open, all.All, percent(all.Rules, all.All))},
		{What: "the same, for the kind found least", Goal: "≥ 60 %", Measured: fmt.Sprintf("%.1f %%", 100*least), Met: judge(least >= .6), How: kind + "; by kind below"},
		{What: "precision at 100", Goal: "≥ 60 %", Measured: percent(top, of), Met: judge(share(top, of) >= .6),
			How: fmt.Sprintf("of the riskiest cases of all hospitals; baseline of rules alone %s", percent(rules, rulesOf))},
		{What: "false cases per 1,000 staff and week", Measured: fmt.Sprintf("%.1f", a.falsePerWeek()), How: fmt.Sprintf("%d cases opened", len(a.Cases))},
		{What: "minutes from a violation's first access to the finding, median", Measured: fmt.Sprintf("%.1f", a.median()),
			How: "in the time of the events; what Cordon itself takes stands under warnings"},
	}
}

// Tables are the details: by hospital, kind of violation and of explanation.
func (a *Accuracy) Tables() []Table {
	byKind := Table{Title: "Violations by kind", Header: []string{"kind", "violations", "in an open case", "in any case", "rules alone"},
		Note: "An open case is within the budget of 33 a day; any case includes those that waited."}
	for _, kind := range slices.Sorted(maps.Keys(a.Violations)) {
		c := a.Violations[kind]
		byKind.Rows = append(byKind.Rows, []string{kind, fmt.Sprint(c.All), percent(c.Open, c.All), percent(c.Any, c.All), percent(c.Rules, c.All)})
	}
	kinds := slices.Collect(maps.Keys(a.Kinds))
	slices.SortFunc(kinds, func(x, y string) int { return cmp.Or(cmp.Compare(a.Kinds[y], a.Kinds[x]), cmp.Compare(x, y)) })
	byWhy := Table{Title: "Why legitimate accesses were legitimate", Header: []string{"explanation", "share"}}
	for _, kind := range kinds {
		byWhy.Rows = append(byWhy.Rows, []string{kind, percent(a.Kinds[kind], a.Legitimate)})
	}
	return []Table{a.byHospital(), byKind, byWhy}
}

func (a *Accuracy) byHospital() Table {
	t := Table{Title: "Accuracy by hospital", Header: []string{"seed and habits", "explained", "first", "repeated", "direct only", "violations explained",
		"found at 33 a day", "rules alone", "precision at 100", "rules alone", "false cases per 1,000 staff and week", "minutes"},
		Note: "One hospital has some 60 violations: the precision of its first 100 cases cannot be much above a half. What the habits mean: cordon simulate writes them into README.txt."}
	for _, h := range append(slices.Clone(a.Hospitals), a) {
		name := fmt.Sprint(h.Seed, " ", strings.Join(h.Habits, ", "))
		if len(h.Hospitals) > 0 {
			name = "all"
		} else if len(h.Habits) == 0 {
			name = fmt.Sprint(h.Seed, " as in the textbook")
		}
		c := h.caught()
		top, of := precision(h.Cases, 100)
		rules, rulesOf := precision(h.Suspects, 100)
		t.Rows = append(t.Rows, []string{name, percent(h.Explained, h.Legitimate), percent(h.FirstExplained, h.First), percent(h.RepeatExplained, h.Repeat),
			percent(h.Direct, h.Legitimate), percent(h.Excused, h.Strange), percent(c.Open, c.All), percent(c.Rules, c.All),
			percent(top, of), percent(rules, rulesOf), fmt.Sprintf("%.1f", h.falsePerWeek()), fmt.Sprintf("%.1f", h.median())})
	}
	return t
}

// add takes a hospital into those together.
func (a *Accuracy) add(h *Accuracy) {
	a.Hospitals = append(a.Hospitals, h)
	a.Staff, a.Weeks = h.Staff, a.Weeks+h.Weeks
	for _, n := range []struct{ to, from *int }{
		{&a.Legitimate, &h.Legitimate}, {&a.Explained, &h.Explained}, {&a.First, &h.First}, {&a.FirstExplained, &h.FirstExplained},
		{&a.Repeat, &h.Repeat}, {&a.RepeatExplained, &h.RepeatExplained}, {&a.Direct, &h.Direct}, {&a.Misused, &h.Misused},
		{&a.Misexplained, &h.Misexplained}, {&a.Excused, &h.Excused}, {&a.Strange, &h.Strange},
	} {
		*n.to += *n.from
	}
	for kind, n := range h.Kinds {
		a.Kinds[kind] += n
	}
	for kind, c := range h.Violations {
		if a.Violations[kind] == nil {
			a.Violations[kind] = &Caught{}
		}
		to := a.Violations[kind]
		to.All, to.Open, to.Any, to.Rules = to.All+c.All, to.Open+c.Open, to.Any+c.Any, to.Rules+c.Rules
	}
	a.Cases, a.Suspects = append(a.Cases, h.Cases...), append(a.Suspects, h.Suspects...)
	a.Minutes = slices.Sorted(slices.Values(append(a.Minutes, h.Minutes...)))
}

// habitsOf are the habits a seed is judged with: "seed" for its own, "plain"
// for none, else names with commas.
func habitsOf(seed uint64, habits string) []string {
	switch habits {
	case "plain", "":
		return nil
	case "seed":
		return simulate.DrawHabits(seed)
	}
	return strings.Split(habits, ",")
}

// JudgeAll is Judge over several seeds and hospitals of one size, one on disk
// at a time. The
// first seed is also judged as in the textbook.
func JudgeAll(ctx context.Context, p *Program, dir string, seeds []uint64, size simulate.Config, habits string, progress func(string)) (*Accuracy, error) {
	a := &Accuracy{Kinds: map[string]int{}, Violations: map[string]*Caught{}}
	var list []simulate.Config
	add := func(seed uint64, habits []string) {
		size.Seed, size.Habits, size.Patients = seed, habits, 10*size.Staff
		list = append(list, size)
	}
	if habits == "seed" && len(seeds) > 0 {
		add(seeds[0], nil)
	}
	for _, seed := range seeds {
		add(seed, habitsOf(seed, habits))
	}
	for i, h := range list {
		begun := time.Now()
		one := filepath.Join(dir, fmt.Sprint("hospital", i))
		if err := os.MkdirAll(one, 0o755); err != nil {
			return nil, err
		}
		judged, err := Judge(ctx, p, one, h)
		_ = os.RemoveAll(one) // the whole folder goes at the end
		if err != nil {
			return nil, fmt.Errorf("hospital %d: %w", h.Seed, err)
		}
		a.add(judged)
		progress(fmt.Sprintf("hospital %d (%s) judged in %s", h.Seed, strings.Join(h.Habits, ", "), time.Since(begun).Round(time.Second)))
	}
	return a, nil
}
