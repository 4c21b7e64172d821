package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cordon-health/cordon/simulate"
)

// Accuracy adds up one or more simulated hospitals.
type Accuracy struct {
	Seeds []uint64
	Staff int
	Weeks float64

	Legitimate, Explained int // accesses of no violation
	First, FirstExplained int // the first of a person to a patient
	Kinds                 map[string]int
	Violations            map[string]*Caught // by kind
	Cases                 []Ranked           // within the budget
	Suspects              []Ranked           // of the baseline
	Flagged               int                // violations' own accesses without an explanation
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
// case, and how many in any case.
type Caught struct{ All, Open, Any int }

// Judge invents a hospital, reads it in the order of its README into a new
// folder, and compares what cordon explain and cordon incidents say with the
// truth. It adds to a.
//
// Legitimate is every access that is not part of a violation, both halves of
// one that two systems recorded counting once. First accesses are those where
// the person had not opened that patient's record before. A violation is found
// when one of its accesses is in a case that is open (new or assigned), that
// is, within the budget of 33 cases a day. Precision at 100 is the share of
// the hundred riskiest cases of all hospitals together that hold an access of a
// violation: one hospital has only some 44 violations, fewer than a hundred
// cases could hold. Two baselines stand beside it: rules on single accesses alone (see listRules), and every
// access without an explanation taken for a warning.
func Judge(ctx context.Context, p *Program, dir string, seed uint64, a *Accuracy) error {
	hospital, data := filepath.Join(dir, "hospital"), filepath.Join(dir, "data")
	h, err := simulate.New(simulate.Config{Seed: seed})
	if err != nil {
		return err
	}
	if err := h.Write(hospital, nil); err != nil {
		return err
	}
	for _, in := range [][]string{
		{"directory", "directory.csv"}, {"roster", "roster.csv"}, {"tickets", "tickets.csv"}, {"watchlist", "watchlist.csv"},
		{"hl7v2", "hl7"}, {"fhir-auditevent", "fhir"}, {"atna", "atna"}, {"csv", "sqlaudit.csv"},
	} {
		args := []string{"import", "--format", in[0], filepath.Join(hospital, in[1])}
		if in[0] == "csv" {
			args = append(args, "--mapping", "his-audit")
		}
		if _, err := p.Do(ctx, data, args...); err != nil {
			return err
		}
	}
	t, err := newTruth(filepath.Join(hospital, "truth.jsonl"))
	if err != nil {
		return err
	}
	a.Seeds = append(a.Seeds, seed)
	a.Staff, a.Weeks = 400, a.Weeks+30.0/7
	if err := a.explanations(ctx, p, dir, data, t); err != nil {
		return err
	}
	if err := a.incidents(ctx, p, dir, data, t); err != nil {
		return err
	}
	return a.baseline(ctx, p, dir, data, t)
}

// truth is what the simulator says.
type truth struct {
	all []simulate.Violation
	of  map[string]int // event uid to the violation
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
	const sql = `SELECT uid, coalesce(person, '') AS person, coalesce(patient, '') AS patient, epoch_ms(time) AS at, explained, coalesce(kind, '') AS kind FROM explanations ORDER BY time, uid`
	if err := pourFile(ctx, p, path, data, "query", "--format", "json", sql); err != nil {
		return err
	}
	seen := map[[2]string]bool{}
	if a.Kinds == nil {
		a.Kinds = map[string]int{}
	}
	return eachLine(path, func(line []byte) error {
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
		a.access(x.UID, x.Kind, x.Explained, first, t)
		return nil
	})
}

func (a *Accuracy) access(uid, kind string, explained, first bool, t *truth) {
	if i := bytes.IndexByte([]byte(uid), '#'); i > 0 {
		uid = uid[:i] // further patients of one record
	}
	if _, guilty := t.of[uid]; guilty {
		if !explained {
			a.Flagged++
		}
		return
	}
	a.Legitimate++
	if first {
		a.First++
	}
	if !explained {
		a.Kinds["none"]++
		return
	}
	a.Kinds[kind]++
	a.Explained++
	if first {
		a.FirstExplained++
	}
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
		if v, ok := t.of[e.UID]; ok {
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

// baseline ranks people by the sum of what list rules alone found about them,
// also where the access was explained later.
func (a *Accuracy) baseline(ctx context.Context, p *Program, dir, data string, t *truth) error {
	path := filepath.Join(dir, "findings.jsonl")
	if err := pourFile(ctx, p, path, data, "findings", "--withdrawn", "--json"); err != nil {
		return err
	}
	type suspect struct {
		risk  float64
		found map[int]bool
	}
	people := map[string]*suspect{}
	err := eachLine(path, func(line []byte) error {
		var f struct {
			Info  findingInfo `json:"finding_info"`
			Actor struct{ User struct{ UID string } }
			Risk  float64 `json:"risk_score"`
		}
		if err := json.Unmarshal(line, &f); err != nil {
			return err
		}
		if !slices.Contains(listRules(), f.Info.Analytic.UID) {
			return nil
		}
		s := people[f.Actor.User.UID]
		if s == nil {
			s = &suspect{found: map[int]bool{}}
			people[f.Actor.User.UID] = s
		}
		s.risk += f.Risk
		f.Info.violations(t, s.found)
		return nil
	})
	for _, s := range people {
		a.Suspects = append(a.Suspects, Ranked{s.risk, len(s.found) > 0})
	}
	return err
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
	if a.Violations == nil {
		a.Violations = map[string]*Caught{}
	}
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

// Lines are the promises about accuracy.
func (a *Accuracy) Lines() []Line {
	var all, found int
	for _, c := range a.Violations {
		all, found = all+c.All, found+c.Open
	}
	share := func(n, of int) float64 { return float64(n) / float64(max(of, 1)) }
	top, of := precision(a.Cases, 100)
	rulesTop, rulesOf := precision(a.Suspects, 100)
	guilty, cases := precision(a.Cases, len(a.Cases))
	perWeek := float64(cases-guilty) / a.Weeks / (float64(a.Staff) / 1000)
	return []Line{
		{What: "legitimate accesses explained", Goal: "≥ 94 %", Measured: percent(a.Explained, a.Legitimate), Met: judge(share(a.Explained, a.Legitimate) >= .94),
			How: fmt.Sprintf("simulated hospitals with seeds %v, 30 days, 400 staff, %s accesses", a.Seeds, count(int64(a.Legitimate)))},
		{What: "of those, first accesses of a person to a patient", Measured: percent(a.FirstExplained, a.First), How: count(int64(a.First)) + " accesses"},
		{What: "violations in a case within 33 cases a day", Goal: "≥ 80 %", Measured: percent(found, all), Met: judge(share(found, all) >= .8), How: fmt.Sprintf("%d of %d; by kind below", found, all)},
		{What: "precision at 100", Goal: "≥ 58 %", Measured: percent(top, of), Met: judge(share(top, of) >= .58),
			How: fmt.Sprintf("of the riskiest cases of all %d hospitals, %d hold an access of one of the %d violations", len(a.Seeds), top, all)},
		{What: "baseline: people ranked by list rules alone, precision at 100", Measured: percent(rulesTop, rulesOf)},
		{What: "baseline: every unexplained access a warning, precision", Measured: percent(a.Flagged, a.Flagged+a.Kinds["none"])},
		{What: "false cases per 1,000 staff and week", Measured: fmt.Sprintf("%.1f", perWeek), How: fmt.Sprintf("%d of %d cases", cases-guilty, cases)},
	}
}

// Tables are the details: by kind of violation, by kind of explanation.
func (a *Accuracy) Tables() []Table {
	byKind := Table{Title: "Violations by kind", Header: []string{"kind", "violations", "in an open case", "in any case"},
		Note: "An open case is within the budget of 33 a day; any case includes those that waited."}
	for _, kind := range slices.Sorted(maps.Keys(a.Violations)) {
		c := a.Violations[kind]
		byKind.Rows = append(byKind.Rows, []string{kind, fmt.Sprint(c.All), percent(c.Open, c.All), percent(c.Any, c.All)})
	}
	kinds := slices.Collect(maps.Keys(a.Kinds))
	slices.SortFunc(kinds, func(x, y string) int { return cmp.Or(cmp.Compare(a.Kinds[y], a.Kinds[x]), cmp.Compare(x, y)) })
	byWhy := Table{Title: "Why legitimate accesses were legitimate", Header: []string{"explanation", "share"}}
	for _, kind := range kinds {
		byWhy.Rows = append(byWhy.Rows, []string{kind, percent(a.Kinds[kind], a.Legitimate)})
	}
	return []Table{byKind, byWhy}
}

// JudgeAll is Judge over several seeds, one hospital on disk at a time.
func JudgeAll(ctx context.Context, p *Program, dir string, seeds []uint64, progress func(string)) (*Accuracy, error) {
	var a Accuracy
	for _, seed := range seeds {
		begun := time.Now()
		one := filepath.Join(dir, fmt.Sprint("seed", seed))
		if err := os.MkdirAll(one, 0o755); err != nil {
			return nil, err
		}
		err := Judge(ctx, p, one, seed, &a)
		_ = os.RemoveAll(one) // the whole folder goes at the end
		if err != nil {
			return nil, fmt.Errorf("hospital %d: %w", seed, err)
		}
		progress(fmt.Sprintf("hospital with seed %d judged in %s", seed, time.Since(begun).Round(time.Second)))
	}
	return &a, nil
}
