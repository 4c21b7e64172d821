package incident

import (
	"cmp"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// Add takes findings in and returns what became of cases. A finding that is
// already there, under the same uid with the same events, changes nothing; one
// that has grown replaces its earlier form.
func (d *Desk) Add(tx *sql.Tx, fs []ocsf.Finding) ([]Change, error) {
	fs = grown(fs)
	touched := map[string]bool{}
	var order []string
	for _, f := range fs {
		fresh, err := d.keep(tx, f)
		if err != nil {
			return nil, fmt.Errorf("add finding: %w", err)
		}
		if s := SubjectOf(f); fresh && !touched[s] {
			touched[s] = true
			order = append(order, s)
		}
	}
	var changes []Change
	for _, s := range order {
		more, err := d.review(tx, s, d.latest(fs, s))
		if err != nil {
			return nil, fmt.Errorf("review case: %w", err)
		}
		changes = append(changes, more...)
	}
	return changes, nil
}

// grown leaves out a finding that comes again later in a form that holds all
// of it: what happens in one moment becomes one version of the record.
func grown(fs []ocsf.Finding) []ocsf.Finding {
	last := map[string]ocsf.Finding{}
	for _, f := range fs {
		last[f.UID] = f
	}
	if len(last) == len(fs) {
		return fs
	}
	var left []ocsf.Finding
	done := map[string]bool{}
	for i := len(fs) - 1; i >= 0; i-- {
		f := fs[i]
		g := last[f.UID]
		if done[f.UID] && g.Risk >= f.Risk && contains(g.Events, f.Events) {
			continue
		}
		done[f.UID] = true
		left = append(left, f)
	}
	slices.Reverse(left)
	return left
}

// latest is the time of the newest of the findings of a subject.
func (d *Desk) latest(fs []ocsf.Finding, subject string) int64 {
	var t int64
	for _, f := range fs {
		if SubjectOf(f) == subject {
			t = max(t, f.Time)
		}
	}
	return t
}

// keep writes a finding and the index of its events; it says whether that
// changed anything. A withdrawn finding stays withdrawn unless it has grown.
func (d *Desk) keep(tx *sql.Tx, f ocsf.Finding) (bool, error) {
	var old ocsf.Finding
	rec, err := d.book.Latest(tx, KindFinding, f.UID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	default:
		if old, err = decode[ocsf.Finding](rec); err != nil {
			return false, err
		}
		if contains(old.Events, f.Events) && old.Risk >= f.Risk {
			return false, nil
		}
	}
	for _, ev := range f.Events {
		if slices.Contains(old.Events, ev) {
			continue
		}
		_, err := tx.Exec(`INSERT INTO incident_events (event, finding) VALUES ($1, $2) ON CONFLICT DO NOTHING`, ev, f.UID)
		if err != nil {
			return false, err
		}
	}
	if old.UID == "" {
		if err := d.countFinding(tx, f); err != nil {
			return false, err
		}
	}
	return true, d.putFinding(tx, f)
}

func contains(all, some []string) bool {
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

// review brings the case of a subject in line with its findings.
func (d *Desk) review(tx *sql.Tx, subject string, at int64) ([]Change, error) {
	c, found, err := d.openCase(tx, subject)
	if err != nil {
		return nil, err
	}
	holding, err := d.holding(tx, subject, at, c)
	if err != nil || len(holding) == 0 && !found {
		return nil, err
	}
	cal, err := d.calibration(tx)
	if err != nil {
		return nil, err
	}
	if !found {
		c = d.begin(subject, holding)
	}
	s := weigh(holding, cal, c.Department)
	if !found && !d.opens(holding, s.raw) {
		return nil, nil
	}
	grew := fill(&c, holding, s)
	p, planted, err := d.genuine(tx, subject, holding...)
	switch {
	case err != nil:
		return nil, err
	case planted && !c.Touched():
		return nil, d.caught(tx, p, c, holding)
	case !found:
		return d.place(tx, c)
	case !grew:
		return nil, nil
	}
	c.Notes = append(c.Notes, d.note("grown", fmt.Sprintf("%d findings, risk %.0f", len(c.Findings), c.Risk)))
	if c.Status == StatusWaiting {
		return d.place(tx, c)
	}
	return []Change{{Case: c, Kind: "grown"}}, d.putCase(tx, c)
}

// opens says whether findings make a case: one that is not weak does, weak
// ones do together if at least one of them is no mere comparison with what is
// usual. raw is the risk before calibration, which only ranks.
func (d *Desk) opens(holding []ocsf.Finding, raw float64) bool {
	solid := false
	for _, f := range holding {
		if !f.Weak {
			return true
		}
		solid = solid || !f.Statistical
	}
	return solid && raw >= d.cfg.Open
}

// openCase is the subject's case that is not closed.
func (d *Desk) openCase(tx *sql.Tx, subject string) (Case, bool, error) {
	recs, err := d.book.Select(tx, evidence.Filter{Kind: KindCase, Person: subject, Order: "time", Limit: 5})
	if err != nil {
		return Case{}, false, err
	}
	for _, r := range recs {
		if r.Status != StatusClosed {
			c, err := decode[Case](r)
			return c, err == nil, err
		}
	}
	return Case{}, false, nil
}

// holding lists the subject's findings that still hold, are within the window,
// and belong to no closed case; oldest first.
func (d *Desk) holding(tx *sql.Tx, subject string, at int64, c Case) ([]ocsf.Finding, error) {
	recs, err := d.book.Select(tx, evidence.Filter{
		Kind: KindFinding, Person: subject, Status: "open", Since: at - d.cfg.Window.Milliseconds(), Order: "time",
	})
	if err != nil {
		return nil, err
	}
	closed, err := d.closedFindings(tx, subject)
	if err != nil {
		return nil, err
	}
	all, err := decodeAll[ocsf.Finding](recs)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(f ocsf.Finding) bool { return closed[f.UID] })
	for _, uid := range c.Findings { // older ones of the open case stay with it
		if !slices.ContainsFunc(all, func(f ocsf.Finding) bool { return f.UID == uid }) {
			rec, err := d.book.Latest(tx, KindFinding, uid)
			if err != nil {
				return nil, err
			}
			if f, err := decode[ocsf.Finding](rec); err == nil && f.Withdrawn == "" {
				all = append(all, f)
			}
		}
	}
	slices.SortFunc(all, func(a, b ocsf.Finding) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.UID, b.UID))
	})
	return all, nil
}

func (d *Desk) closedFindings(tx *sql.Tx, subject string) (map[string]bool, error) {
	recs, err := d.book.Select(tx, evidence.Filter{Kind: KindCase, Person: subject, Status: StatusClosed})
	if err != nil {
		return nil, err
	}
	cases, err := decodeAll[Case](recs)
	if err != nil {
		return nil, err
	}
	done := map[string]bool{}
	for _, c := range cases {
		for _, uid := range c.Findings {
			done[uid] = true
		}
	}
	return done, nil
}

// begin makes a case whose id is derived from its first finding, so that a
// replay makes the same one.
func (d *Desk) begin(subject string, holding []ocsf.Finding) Case {
	first := holding[0]
	for _, f := range holding {
		if !f.Weak {
			first = f
			break
		}
	}
	sum := sha256.Sum256([]byte(subject + "\n" + first.UID))
	day := d.day(holding[len(holding)-1].Time)
	return Case{
		ID:      strings.ReplaceAll(day, "-", "")[2:] + "-" + strings.ToUpper(hex.EncodeToString(sum[:3])),
		Subject: subject, Person: first.Person, Account: first.Account, Day: day, Opened: d.now().UnixMilli(),
		Department: d.department(first.Person, first.Time),
	}
}

// fill writes what follows from the findings into the case and says whether
// anything changed.
func fill(c *Case, holding []ocsf.Finding, s score) bool {
	before := fmt.Sprint(c.Findings, c.Risk, c.Last)
	c.Findings, c.Patients = nil, nil
	c.Risk, c.Raw, c.Parts = s.risk, s.raw, s.parts
	c.First, c.Last = 0, 0
	lead := ocsf.Finding{Risk: -1}
	for _, f := range holding {
		c.Findings = append(c.Findings, f.UID)
		if f.Patient != "" && !slices.Contains(c.Patients, f.Patient) {
			c.Patients = append(c.Patients, f.Patient)
		}
		if c.First == 0 || f.Time < c.First {
			c.First = f.Time
		}
		c.Last = max(c.Last, f.Time)
		if better(f, lead) {
			lead = f
		}
		if c.Person == "" {
			c.Person, c.Account = f.Person, cmp.Or(c.Account, f.Account)
		}
	}
	c.Title = lead.Title
	return fmt.Sprint(c.Findings, c.Risk, c.Last) != before
}

// better says which finding names the case: a strong one, then the riskier.
func better(f, than ocsf.Finding) bool {
	if f.Weak != than.Weak && than.Risk >= 0 {
		return !f.Weak
	}
	return f.Risk > than.Risk
}

func (d *Desk) note(kind, text string) Note {
	return Note{At: d.now().UnixMilli(), By: "cordon", Kind: kind, Text: text}
}
