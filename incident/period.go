package incident

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// MostDays is how long a period of figures may be.
const MostDays = 366

// Outside is what lies outside of a period: how many cases, and the latest
// period that has some.
type Outside struct {
	Cases int    `json:"cases"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

// QualityBetween computes the figures of the cases whose events happened from
// one day to another, both included. Precision has the chosen period as its
// last window; planted violations and repeats are those up to now.
func (d *Desk) QualityBetween(ctx context.Context, from, to string) (Quality, error) {
	first, err := time.ParseInLocation(time.DateOnly, from, d.now().Location())
	if err != nil {
		return Quality{}, fmt.Errorf("from is not a day like 2026-12-31")
	}
	last, err := time.ParseInLocation(time.DateOnly, to, d.now().Location())
	if err != nil {
		return Quality{}, fmt.Errorf("to is not a day like 2026-12-31")
	}
	days := 1
	for x := first; x.Before(last) && days <= MostDays; x = x.AddDate(0, 0, 1) {
		days++
	}
	if last.Before(first) || days > MostDays {
		return Quality{}, fmt.Errorf("a period goes from a day to a later one and is at most %d days long", MostDays)
	}
	q := Quality{Days: days, At: d.now().UnixMilli(), Budget: d.cfg.Budget, From: from, To: to, Chosen: true}
	return q, d.figures(ctx, &q)
}

// chosen adds to precision that of the chosen period.
func (d *Desk) chosen(tx *sql.Tx, q *Quality) error {
	if !q.Chosen {
		return nil
	}
	var confirmed, decided int
	err := tx.QueryRow(`SELECT coalesce(sum(CASE WHEN verdict = 'confirmed' THEN 1 ELSE 0 END), 0), count(*) FROM incident_cases
		WHERE verdict IN ('confirmed', 'justified', 'false-alarm') AND planted = 0 AND day >= $1 AND day <= $2`, q.From, q.To).Scan(&confirmed, &decided)
	if err != nil {
		return err
	}
	q.Precision = append(q.Precision, Window{q.Days, ShareOf(confirmed, decided)})
	by := map[string]Share{}
	err = each(tx, func(id string, confirmed, decided int) { by[id] = ShareOf(confirmed, decided) },
		`SELECT v.detector, sum(v.confirmed), count(*) FROM incident_verdicts v JOIN incident_cases c ON c.id = v.incident
		WHERE v.weight = 1 AND c.day >= $1 AND c.day <= $2 GROUP BY v.detector`, q.From, q.To)
	for i := range q.Detectors {
		x := &q.Detectors[i]
		x.Precision = append(x.Precision, Window{q.Days, by[x.Detector]})
	}
	return err
}

// outside counts what the period does not show.
func (d *Desk) outside(tx *sql.Tx, q *Quality) error {
	var first, last sql.NullString
	err := tx.QueryRow(`SELECT count(*), min(day), max(day) FROM incident_cases WHERE planted = 0 AND (day < $1 OR day > $2)`, q.From, q.To).
		Scan(&q.Outside.Cases, &first, &last)
	if err != nil || q.Outside.Cases == 0 {
		return err
	}
	q.Outside.From, q.Outside.To = first.String, last.String
	if end, err := time.Parse(time.DateOnly, last.String); err == nil {
		q.Outside.From = max(first.String, end.AddDate(0, 0, 1-MostDays).Format(time.DateOnly))
	}
	return nil
}

// delaysBetween is delays of the cases of the chosen period.
func (d *Desk) delaysBetween(tx *sql.Tx, q *Quality, late string) (err error) {
	const within = ` AND day >= $1 AND day <= $2`
	if q.EventToCase, err = spreadWhere(tx, "late", late+within, q.From, q.To); err != nil {
		return err
	}
	if q.CaseToAsk, err = spreadWhere(tx, "asked - shown", "asked >= shown"+within, q.From, q.To); err != nil {
		return err
	}
	if q.CaseToAct, err = spreadWhere(tx, "acted - shown", "acted >= shown"+within, q.From, q.To); err != nil {
		return err
	}
	return tx.QueryRow(`SELECT count(*) FROM incident_cases WHERE planted = 0 AND shown > 0 AND late > $3`+within, q.From, q.To, dayMS).Scan(&q.Late)
}
