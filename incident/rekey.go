package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cordon-health/cordon/evidence"
)

// Rekey gives findings and cases of accounts to the people behind them, once
// the directory knows them: the account's findings become the person's, and
// its open case ends with a trace to where they went. person finds the id
// behind an account.
func (d *Desk) Rekey(ctx context.Context, person func(account string) (string, bool)) ([]Change, error) {
	nameless, err := d.nameless(ctx)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, c := range nameless {
		id, ok := person(c.Account)
		if !ok {
			continue
		}
		err := d.db.Update(ctx, func(tx *sql.Tx) error {
			more, err := d.move(tx, c, id)
			changes = append(changes, more...)
			return err
		})
		if err != nil {
			return changes, fmt.Errorf("give case %s to its person: %w", c.ID, err)
		}
	}
	return changes, nil
}

// nameless lists the cases, not closed, of accounts nobody is known for.
func (d *Desk) nameless(ctx context.Context) ([]Case, error) {
	var out []Case
	for _, status := range []string{StatusNew, StatusAssigned, StatusWaiting} {
		all, err := d.List(ctx, Query{Status: status})
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			if c.Person == "" && c.Account != "" {
				out = append(out, c)
			}
		}
	}
	return out, nil
}

func (d *Desk) move(tx *sql.Tx, c Case, person string) ([]Change, error) {
	recs, err := d.book.Select(tx, evidence.Filter{Kind: KindFinding, Person: c.Subject, Status: "open"})
	if err != nil {
		return nil, err
	}
	for _, rec := range recs {
		f, err := decodeFinding(rec)
		if err != nil {
			return nil, err
		}
		f.Person, f.Subject = person, ""
		if err := d.putFinding(tx, f); err != nil {
			return nil, err
		}
	}
	changes, err := d.review(tx, person, c.Last)
	if err != nil {
		return nil, err
	}
	to, found, err := d.openCase(tx, person)
	if err != nil || !found {
		return changes, errors.Join(err, d.end(tx, c, "the account's person is known now"))
	}
	return changes, d.end(tx, c, "joined with case "+to.ID+" of the account's person")
}

func (d *Desk) end(tx *sql.Tx, c Case, why string) error {
	c.Status, c.Verdict = StatusClosed, Withdrawn
	c.Gone, c.Findings = append(c.Gone, c.Findings...), nil
	c.Notes = append(c.Notes, d.note("closed", why))
	return d.putCase(tx, c)
}
