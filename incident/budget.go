package incident

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/cordon-health/cordon/evidence"
)

// place gives a case a place in its day's budget, or lets it wait. To make
// room, the least risky untouched case of the day goes back to waiting.
func (d *Desk) place(tx *sql.Tx, c Case) ([]Change, error) {
	open, used, err := d.opened(tx, c)
	if err != nil {
		return nil, err
	}
	if used < d.cfg.Budget {
		return d.open(tx, c)
	}
	for _, rec := range open {
		if rec.Score >= c.Risk {
			break
		}
		weakest, err := decode[Case](rec)
		if err != nil {
			return nil, err
		}
		if weakest.Touched() {
			continue
		}
		weakest.Status = StatusWaiting
		weakest.Notes = append(weakest.Notes, d.note("parked", "made room for a riskier case of the same day"))
		if err := d.putCase(tx, weakest); err != nil {
			return nil, err
		}
		changes, err := d.open(tx, c)
		return append([]Change{{Case: weakest, Kind: "parked"}}, changes...), err
	}
	c.Status = StatusWaiting
	if len(c.Notes) == 0 {
		c.Notes = append(c.Notes, d.note("parked", fmt.Sprintf("beyond the day's budget of %d", d.cfg.Budget)))
	}
	return nil, d.putCase(tx, c)
}

func (d *Desk) open(tx *sql.Tx, c Case) ([]Change, error) {
	c.Status = StatusNew
	c.Notes = append(c.Notes, d.note("opened", fmt.Sprintf("risk %.0f", c.Risk)))
	return []Change{{Case: c, Kind: "opened"}}, d.putCase(tx, c)
}

// opened are the records of the day's open cases beside c, the least risky
// first, and how many places of the budget are used. Those that wait may be
// thousands on a bad day; they are not read, and the open ones not decoded.
func (d *Desk) opened(tx *sql.Tx, c Case) (open []evidence.Record, used int, err error) {
	for _, status := range []string{StatusNew, StatusAssigned, StatusClosed} {
		recs, err := d.book.Select(tx, evidence.Filter{Kind: KindCase, Ref: c.Day, Status: status})
		if err != nil {
			return nil, 0, err
		}
		if status != StatusClosed {
			open = append(open, recs...)
			continue
		}
		closed, err := decodeAll[Case](recs)
		if err != nil {
			return nil, 0, err
		}
		for _, o := range closed {
			if o.Verdict != Withdrawn && o.Verdict != Planted {
				used++
			}
		}
	}
	open = slices.DeleteFunc(open, func(r evidence.Record) bool { return r.ID == c.ID })
	slices.SortFunc(open, func(a, b evidence.Record) int { return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(b.ID, a.ID)) })
	return open, used + len(open), nil
}

func (d *Desk) casesOf(tx *sql.Tx, day string) ([]Case, error) {
	recs, err := d.book.Select(tx, evidence.Filter{Kind: KindCase, Ref: day})
	if err != nil {
		return nil, err
	}
	return decodeAll[Case](recs)
}

// Refill opens waiting cases of a day for which the budget has room again
// (cases withdrawn). The node calls it now and then.
func (d *Desk) Refill(ctx context.Context, day string) ([]Change, error) {
	var changes []Change
	err := d.db.Update(ctx, func(tx *sql.Tx) error {
		changes = nil
		cases, err := d.casesOf(tx, day)
		if err != nil {
			return err
		}
		slices.SortFunc(cases, func(a, b Case) int { return cmp.Compare(b.Risk, a.Risk) })
		room := d.cfg.Budget
		for _, c := range cases {
			if c.Status != StatusWaiting && c.Verdict != Withdrawn && c.Verdict != Planted {
				room--
			}
		}
		for _, c := range cases {
			if c.Status == StatusWaiting && room > 0 {
				more, err := d.open(tx, c)
				if err != nil {
					return err
				}
				changes, room = append(changes, more...), room-1
			}
		}
		return nil
	})
	return changes, err
}
