package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// judgement is what people say a case was.
type judgement struct {
	at        int64 // 0 when nobody said anything
	confirmed bool
	weight    float64
}

// judged reads the judgement of a case: the verdict it was closed with, or,
// weaker, what the person or the manager answered when asked. What Cordon
// closed by itself says nothing.
func judged(c Case) judgement {
	switch c.Verdict {
	case Confirmed, Justified, FalseCase:
		return judgement{lastNote(c, "closed"), c.Verdict == Confirmed, 1}
	case Withdrawn, Planted:
		return judgement{}
	}
	var out judgement
	for _, n := range c.Notes {
		if n.Kind != "answer" {
			continue
		}
		switch n.Text {
		case "personal", "not-me", "wrong":
			out = judgement{n.At, true, answered}
		case "care", "consult", "duty", "known":
			out = judgement{n.At, false, answered}
		}
	}
	return out
}

func lastNote(c Case, kind string) int64 {
	at := int64(1)
	for _, n := range c.Notes {
		if n.Kind == kind {
			at = n.At
		}
	}
	return at
}

// steps of a case's life, in ms; 0 for what did not happen.
type milestones struct{ shown, asked, acted, closed int64 }

func milestonesOf(c Case) milestones {
	var m milestones
	set := func(t *int64, at int64) {
		if *t == 0 {
			*t = at
		}
	}
	for _, n := range c.Notes {
		program := n.By == "cordon" || strings.HasPrefix(n.By, "playbook")
		switch {
		case n.Kind == "opened":
			set(&m.shown, n.At)
		case n.Kind == "action" && n.Text == "ask-user: done":
			set(&m.asked, n.At)
		case n.Kind == "closed":
			m.closed = n.At
		case n.Kind == "reopened":
			m.closed = 0
		}
		if !program && n.Kind != "answer" {
			set(&m.acted, n.At)
		}
	}
	return m
}

// indexCase keeps what figures need of a case. first is when the newest event
// of its first version happened.
func (d *Desk) indexCase(tx *sql.Tx, c Case, first int64) error {
	m := milestonesOf(c)
	_, err := tx.Exec(`INSERT INTO incident_cases (id, subject, department, day, status, verdict, planted, first, last, began, late, shown, asked, acted, closed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (id) DO UPDATE SET day = $4, status = $5, verdict = $6, planted = $7, first = $8, last = $9, shown = $12, asked = $13, acted = $14, closed = $15`,
		c.ID, c.Subject, c.Department, c.Day, c.Status, string(c.Verdict), truth(c.Verdict == Planted), c.First, c.Last, c.Opened,
		max(0, c.Opened-first), m.shown, m.asked, m.acted, m.closed)
	if err != nil {
		return fmt.Errorf("index case: %w", err)
	}
	return indexVerdict(tx, c)
}

func indexVerdict(tx *sql.Tx, c Case) error {
	if _, err := tx.Exec(`DELETE FROM incident_verdicts WHERE incident = $1`, c.ID); err != nil {
		return fmt.Errorf("index verdict: %w", err)
	}
	j := judged(c)
	if j.at == 0 {
		return nil
	}
	expected := c.Raw
	if expected == 0 {
		expected = c.Risk // of a version that knew no other
	}
	for _, p := range c.Parts {
		share := 1.0
		if c.Risk > 0 && p.Local > 0 {
			share = max(0, min(p.Adds/c.Risk, 1))
		}
		_, err := tx.Exec(`INSERT INTO incident_verdicts (incident, detector, department, at, confirmed, weight, share, expected, steady)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			c.ID, p.Analytic, c.Department, j.at, truth(j.confirmed), j.weight, share, clamp(expected)/100, truth(p.Steady))
		if err != nil {
			return fmt.Errorf("index verdict: %w", err)
		}
	}
	return nil
}

// countFinding counts a finding the first time it comes, unless it was planted.
func (d *Desk) countFinding(tx *sql.Tx, f ocsf.Finding) error {
	if _, planted, err := d.genuine(tx, SubjectOf(f), f); err != nil || planted {
		return err
	}
	_, err := tx.Exec(`INSERT INTO incident_daily (day, detector, findings) VALUES ($1, $2, 1)
		ON CONFLICT (day, detector) DO UPDATE SET findings = incident_daily.findings + 1`, d.day(f.Time), f.Analytic)
	if err != nil {
		return fmt.Errorf("count finding: %w", err)
	}
	return nil
}

// reindex makes the tables of figures from the records, where an older version
// left none.
func (d *Desk) reindex(ctx context.Context) error {
	var have, cases int
	err := d.db.View(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRow(`SELECT count(*) FROM incident_cases`).Scan(&have); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT count(*) FROM records WHERE kind = $1 AND latest = 1`, KindCase).Scan(&cases)
	})
	if err != nil || have > 0 || cases == 0 {
		return err
	}
	if err := d.db.Update(ctx, func(tx *sql.Tx) error { return errors.Join(d.reindexFindings(tx), d.reindexCases(tx)) }); err != nil {
		return fmt.Errorf("make figures from the records: %w", err)
	}
	return nil
}

func (d *Desk) reindexCases(tx *sql.Tx) error {
	recs, err := d.book.Select(tx, evidence.Filter{Kind: KindCase, Order: "row"})
	if err != nil {
		return err
	}
	for _, rec := range recs {
		c, err := decode[Case](rec)
		if err != nil {
			return err
		}
		var first int64
		if err := tx.QueryRow(`SELECT time FROM records WHERE kind = $1 AND id = $2 AND version = 1`, KindCase, c.ID).Scan(&first); err != nil {
			return err
		}
		if err := d.indexCase(tx, c, first); err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) reindexFindings(tx *sql.Tx) error {
	if _, err := tx.Exec(`DELETE FROM incident_daily`); err != nil {
		return err
	}
	const page = 5000
	for last := int64(0); ; {
		rows, err := tx.Query(`SELECT n, time, ref, person, id FROM records WHERE kind = $1 AND version = 1 AND n > $2 ORDER BY n LIMIT 5000`, KindFinding, last)
		if err != nil {
			return err
		}
		n := 0
		var all []ocsf.Finding
		for ; rows.Next(); n++ {
			var f ocsf.Finding
			if err := rows.Scan(&last, &f.Time, &f.Analytic, &f.Person, &f.UID); err != nil {
				return errors.Join(err, rows.Close())
			}
			all = append(all, f)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for _, f := range all {
			if err := d.whole(tx, &f); err != nil {
				return err
			}
			if err := d.countFinding(tx, f); err != nil {
				return err
			}
		}
		if n < page {
			return nil
		}
	}
}

// whole reads all of a finding that may be a planted one.
func (d *Desk) whole(tx *sql.Tx, f *ocsf.Finding) error {
	if !Reserved(f.Person) {
		return nil
	}
	rec, err := d.book.Latest(tx, KindFinding, f.UID)
	if err != nil {
		return err
	}
	day := f.Time // a finding counts on the day of its first form
	if *f, err = decode[ocsf.Finding](rec); err != nil {
		return err
	}
	f.Time = day
	return nil
}
