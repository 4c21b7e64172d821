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
	today, err := d.opened(tx, c.Day)
	if err != nil {
		return nil, err
	}
	today = slices.DeleteFunc(today, func(o Case) bool { return o.ID == c.ID || o.Verdict == Withdrawn })
	if len(today) < d.cfg.Budget {
		return d.open(tx, c)
	}
	slices.SortFunc(today, func(a, b Case) int { return cmp.Or(cmp.Compare(a.Risk, b.Risk), cmp.Compare(b.ID, a.ID)) })
	for _, weakest := range today {
		if weakest.Touched() {
			continue
		}
		if weakest.Risk >= c.Risk {
			break
		}
		weakest.Status = StatusWaiting
		weakest.Notes = append(weakest.Notes, d.note("parked", "made room for a riskier case of the same day"))
		if err := d.putCase(tx, weakest); err != nil {
			return nil, err
		}
		opened, err := d.open(tx, c)
		return append([]Change{{Case: weakest, Kind: "parked"}}, opened...), err
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

// opened are the cases that used the day's budget. Those that wait may be
// thousands on a bad day; they are not read.
func (d *Desk) opened(tx *sql.Tx, day string) ([]Case, error) {
	var all []Case
	for _, status := range []string{StatusNew, StatusAssigned, StatusClosed} {
		recs, err := d.book.Select(tx, evidence.Filter{Kind: KindCase, Ref: day, Status: status})
		if err != nil {
			return nil, err
		}
		cases, err := decodeAll[Case](recs)
		if err != nil {
			return nil, err
		}
		all = append(all, cases...)
	}
	return all, nil
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
			if c.Status != StatusWaiting && c.Verdict != Withdrawn {
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
