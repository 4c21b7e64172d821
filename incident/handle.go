package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// Query chooses cases; empty fields do not filter.
type Query struct {
	Status string
	// Subject is a person_id, account or other subject.
	Subject string
	// Since and Until bound the time of the last event, in ms.
	Since, Until int64
	// ByTime lists the newest first; else the riskiest first.
	ByTime        bool
	Limit, Offset int
}

func (q Query) filter() evidence.Filter {
	f := evidence.Filter{Kind: KindCase, Status: q.Status, Person: q.Subject, Since: q.Since, Until: q.Until,
		Order: "score", Limit: q.Limit, Offset: q.Offset}
	if q.ByTime {
		f.Order = "time"
	}
	return f
}

// List returns cases.
func (d *Desk) List(ctx context.Context, q Query) ([]Case, error) {
	recs, err := d.book.List(ctx, q.filter())
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	return decodeAll[Case](recs)
}

// Count says how many cases List would return without Limit.
func (d *Desk) Count(ctx context.Context, q Query) (int, error) {
	return d.book.Count(ctx, q.filter())
}

// Get returns a case; fs.ErrNotExist when there is none.
func (d *Desk) Get(ctx context.Context, id string) (Case, error) {
	rec, err := d.book.Get(ctx, KindCase, id)
	if err != nil {
		return Case{}, fmt.Errorf("case %q: %w", id, err)
	}
	return decode[Case](rec)
}

// Finding returns a finding; fs.ErrNotExist when there is none.
func (d *Desk) Finding(ctx context.Context, uid string) (ocsf.Finding, error) {
	rec, err := d.book.Get(ctx, KindFinding, uid)
	if err != nil {
		return ocsf.Finding{}, fmt.Errorf("finding: %w", err)
	}
	return decode[ocsf.Finding](rec)
}

// Findings returns the findings of a case, those withdrawn included.
func (d *Desk) Findings(ctx context.Context, c Case) ([]ocsf.Finding, error) {
	var all []ocsf.Finding
	for _, uids := range [][]string{c.Findings, c.Gone} {
		for _, uid := range uids {
			f, err := d.Finding(ctx, uid)
			if err != nil {
				return nil, err
			}
			all = append(all, f)
		}
	}
	return all, nil
}

// AllFindings lists findings, newest first; withdrawn ones only if asked for.
func (d *Desk) AllFindings(ctx context.Context, f evidence.Filter, withdrawn bool) ([]ocsf.Finding, error) {
	f.Kind = KindFinding
	if !withdrawn {
		f.Status = "open"
	}
	recs, err := d.book.List(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list findings: %w", err)
	}
	return decodeAll[ocsf.Finding](recs)
}

// change reads a case, lets fn alter it, and writes it.
func (d *Desk) change(ctx context.Context, id string, fn func(tx *sql.Tx, c *Case) error) (Case, error) {
	var c Case
	err := d.db.Update(ctx, func(tx *sql.Tx) error {
		rec, err := d.book.Latest(tx, KindCase, id)
		if err != nil {
			return err
		}
		if c, err = decode[Case](rec); err != nil {
			return err
		}
		before := judged(c)
		if err := fn(tx, &c); err != nil {
			return err
		}
		if err := d.putCase(tx, c); err != nil || judged(c) == before {
			return err
		}
		return decided(tx, c.ID)
	})
	if err != nil {
		return c, fmt.Errorf("case %q: %w", id, err)
	}
	return c, nil
}

func (d *Desk) by(c *Case, by, kind, text string) {
	c.Notes = append(c.Notes, Note{At: d.now().UnixMilli(), By: by, Kind: kind, Text: text})
}

var errClosed = errors.New("the case is closed; reopen it first")

// Assign gives a case to somebody; an empty assignee gives it back.
func (d *Desk) Assign(ctx context.Context, id, assignee, by string) (Case, error) {
	return d.change(ctx, id, func(_ *sql.Tx, c *Case) error {
		if c.Status == StatusClosed {
			return errClosed
		}
		c.Assignee, c.Status = assignee, StatusAssigned
		if assignee == "" {
			c.Status = StatusNew
		}
		d.by(c, by, "assigned", assignee)
		return nil
	})
}

// Comment adds a note of a kind (comment, answer, action) to a case.
func (d *Desk) Comment(ctx context.Context, id, by, kind, text string) (Case, error) {
	return d.change(ctx, id, func(_ *sql.Tx, c *Case) error {
		d.by(c, by, kind, text)
		return nil
	})
}

// Close ends a case with a verdict. The next finding of the subject opens a
// new one.
func (d *Desk) Close(ctx context.Context, id string, v Verdict, by, text string) (Case, error) {
	return d.change(ctx, id, func(_ *sql.Tx, c *Case) error {
		if c.Status == StatusClosed {
			return errors.New("the case is closed already")
		}
		c.Status, c.Verdict = StatusClosed, v
		d.by(c, by, "closed", text)
		return nil
	})
}

// Reopen opens a closed case again, unless the subject has a newer open one.
func (d *Desk) Reopen(ctx context.Context, id, by, text string) (Case, error) {
	return d.change(ctx, id, func(tx *sql.Tx, c *Case) error {
		if c.Status != StatusClosed {
			return errors.New("the case is not closed")
		}
		if other, found, err := d.openCase(tx, c.Subject); err != nil || found {
			return errors.Join(err, fmt.Errorf("case %s of the same subject is open; work there", other.ID))
		}
		c.Status, c.Verdict = StatusNew, ""
		if c.Assignee != "" {
			c.Status = StatusAssigned
		}
		d.by(c, by, "reopened", text)
		return nil
	})
}

// Confirmed says when a person was last told or found at fault for findings of
// an analytic: the time of the last closed, confirmed case, 0 for never.
func (d *Desk) Confirmed(ctx context.Context, subject string) (int64, error) {
	cases, err := d.List(ctx, Query{Subject: subject, Status: StatusClosed, ByTime: true})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, c := range cases {
		if c.Verdict == Confirmed {
			return c.Last, err
		}
	}
	return 0, err
}
