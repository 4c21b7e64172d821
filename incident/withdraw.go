package incident

import (
	"database/sql"
	"fmt"
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// Withdraw takes events out of the findings that hold only while they are
// unexplained. A finding left without events is withdrawn; a case left
// without findings closes itself. why is the trace, without patient data.
func (d *Desk) Withdraw(tx *sql.Tx, events []string, why string) ([]Change, error) {
	return d.withdraw(tx, events, why, func(f *ocsf.Finding) bool { return f.Unexplained })
}

// Weaken is Withdraw for events that have something weak to explain them by
// now: only bare findings no longer hold.
func (d *Desk) Weaken(tx *sql.Tx, events []string, why string) ([]Change, error) {
	return d.withdraw(tx, events, why, func(f *ocsf.Finding) bool { return f.Bare })
}

func (d *Desk) withdraw(tx *sql.Tx, events []string, why string, goes func(*ocsf.Finding) bool) ([]Change, error) {
	subjects := map[string]int64{} // subject to the time of its latest finding
	var order []string
	for _, event := range events {
		uids, err := d.findingsOf(tx, event)
		if err != nil {
			return nil, err
		}
		for _, uid := range uids {
			f, changed, err := d.without(tx, uid, event, why, goes)
			if err != nil {
				return nil, err
			}
			s := SubjectOf(f)
			if _, known := subjects[s]; changed && !known {
				order = append(order, s)
			}
			if changed {
				subjects[s] = max(subjects[s], f.Time)
			}
		}
	}
	var changes []Change
	for _, s := range order {
		more, err := d.shrink(tx, s, subjects[s], why)
		if err != nil {
			return nil, fmt.Errorf("withdraw from case: %w", err)
		}
		changes = append(changes, more...)
	}
	return changes, nil
}

func (d *Desk) findingsOf(tx *sql.Tx, event string) ([]string, error) {
	rows, err := tx.Query(`SELECT finding FROM incident_events WHERE event = $1 ORDER BY finding`, event)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var uids []string
	for rows.Next() {
		var uid string
		if err := rows.Scan(&uid); err != nil {
			return nil, err
		}
		uids = append(uids, uid)
	}
	return uids, rows.Err()
}

// without writes the finding without the event; its risk shrinks with the
// share of events that is left.
func (d *Desk) without(tx *sql.Tx, uid, event, why string, goes func(*ocsf.Finding) bool) (ocsf.Finding, bool, error) {
	rec, err := d.book.Latest(tx, KindFinding, uid)
	if err != nil {
		return ocsf.Finding{}, false, err
	}
	f, err := decode[ocsf.Finding](rec)
	if err != nil || !goes(&f) || f.Withdrawn != "" {
		return f, false, err
	}
	i := slices.Index(f.Events, event)
	if i < 0 {
		return f, false, nil
	}
	if len(f.Events) == 1 {
		f.Withdrawn = why // keeps its event: the trace of what it was about
	} else {
		f.Risk = round(f.Risk * float64(len(f.Events)-1) / float64(len(f.Events)))
		f.Events = slices.Delete(slices.Clone(f.Events), i, i+1)
	}
	return f, true, d.putFinding(tx, f)
}

// shrink brings the open case of a subject in line with what still holds.
func (d *Desk) shrink(tx *sql.Tx, subject string, at int64, why string) ([]Change, error) {
	c, found, err := d.openCase(tx, subject)
	if err != nil || !found {
		return nil, err
	}
	before := c.Findings
	holding, err := d.holding(tx, subject, at, c)
	if err != nil {
		return nil, err
	}
	cal, err := d.calibration(tx)
	if err != nil {
		return nil, err
	}
	s := weigh(holding, cal, c.Department)
	if !fill(&c, holding, s) {
		return nil, nil
	}
	for _, uid := range before {
		if !slices.Contains(c.Findings, uid) && !slices.Contains(c.Gone, uid) {
			c.Gone = append(c.Gone, uid)
		}
	}
	c.Notes = append(c.Notes, d.note("withdrawn", why))
	kind := "withdrawn"
	if len(holding) == 0 || !d.opens(holding, s.raw) {
		c.Status, c.Verdict, kind = StatusClosed, Withdrawn, "closed"
		c.First, c.Last = min(c.Opened, at), at
		c.Notes = append(c.Notes, d.note("closed", "every finding has its explanation now"))
	}
	return []Change{{Case: c, Kind: kind}}, d.putCase(tx, c)
}
