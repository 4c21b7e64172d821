package tuning

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// Count is how often something was hidden, and when last, in ms.
type Count struct {
	N    int64 `json:"n"`
	Last int64 `json:"last"`
}

// mostEvents bounds the events that a hidden finding names.
const mostEvents = 20

// Hide counts what exceptions hid and keeps the findings as evidence. A
// finding that comes again only grows.
func (b *Book) Hide(tx *sql.Tx, list []detect.Hidden) error {
	for _, h := range list {
		if err := b.hide(tx, h); err != nil {
			return fmt.Errorf("keep what an exception hid: %w", err)
		}
	}
	return nil
}

func (b *Book) hide(tx *sql.Tx, h detect.Hidden) error {
	id := h.Exception + "|" + h.Finding.UID
	rec, err := b.log.Latest(tx, KindHidden, id)
	fresh := errors.Is(err, fs.ErrNotExist)
	f := h.Finding
	switch {
	case err != nil && !fresh:
		return err
	case !fresh:
		var old ocsf.Finding
		if err := json.Unmarshal(rec.Body, &old); err != nil {
			return err
		}
		f = grown(old, f)
	}
	n := int64(0)
	if fresh {
		if n, err = count(tx, h.Exception, 1, f.Time); err != nil || n > mostHidden {
			return err // counted, but no more are kept
		}
	}
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = b.log.Put(tx, evidence.Record{Kind: KindHidden, ID: id, Time: f.Time, Person: f.Person, Patient: f.Patient,
		Status: f.Analytic, Ref: h.Exception, Score: f.Risk, Body: body})
	return err
}

// grown joins the events of two forms of a finding.
func grown(old, f ocsf.Finding) ocsf.Finding {
	for _, uid := range f.Events {
		if len(old.Events) < mostEvents && !slices.Contains(old.Events, uid) {
			old.Events, old.Time, old.Risk = append(old.Events, uid), max(old.Time, f.Time), max(old.Risk, f.Risk)
		}
	}
	return old
}

// count adds to a counter and returns it.
func count(tx *sql.Tx, id string, more, at int64) (n int64, err error) {
	err = tx.QueryRow(`INSERT INTO tuning_hidden (id, n, last) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET n = tuning_hidden.n + $2, last = CASE WHEN tuning_hidden.last > $3 THEN tuning_hidden.last ELSE $3 END
		RETURNING n`, id, more, at).Scan(&n)
	return n, err
}

// FilterPrefix begins the counters of Sigma filters.
const FilterPrefix = "filter:"

// CountFilters adds what Sigma filters hid since the last call; by filter id.
func (b *Book) CountFilters(ctx context.Context, more map[string]int64) error {
	if len(more) == 0 {
		return nil
	}
	at := b.now().UnixMilli()
	return b.db.Update(ctx, func(tx *sql.Tx) error {
		for id, n := range more {
			if _, err := count(tx, FilterPrefix+id, n, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// Counts says what was hidden so far, by the id of the exception, or by
// FilterPrefix and the id of the filter.
func (b *Book) Counts(ctx context.Context) (map[string]Count, error) {
	out := map[string]Count{}
	err := b.db.View(ctx, func(tx *sql.Tx) error {
		rows, err := tx.Query(`SELECT id, n, last FROM tuning_hidden`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			var c Count
			if err := rows.Scan(&id, &c.N, &c.Last); err != nil {
				return err
			}
			out[id] = c
		}
		return rows.Err()
	})
	return out, err
}

// Hidden lists findings that an exception hid, the newest first.
func (b *Book) Hidden(ctx context.Context, exception string, limit int) ([]ocsf.Finding, error) {
	recs, err := b.log.List(ctx, evidence.Filter{Kind: KindHidden, Ref: exception, Limit: limit})
	return decode[ocsf.Finding](recs, err)
}
