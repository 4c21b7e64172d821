package node

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
)

// expire removes the events that are older than the settings keep them, once
// a day. Evidence says which went and why, so that verification still holds.
func (n *Node) expire(ctx context.Context, minute int) error {
	if minute%(24*60) != expireMinute || n.cfg.Retention.Empty() {
		return nil
	}
	return n.expireNow(ctx)
}

// expireMinute is when, after the start and then every day, old events go: a
// server that is started anew each day must come to it too.
const expireMinute = 30

func (n *Node) expireNow(ctx context.Context) error {
	src, err := n.evidenceSource()
	if err != nil {
		return err
	}
	n.pipe.files.Lock()
	defer n.pipe.files.Unlock()
	return n.lake.Expire(ctx, n.retention(), func(tx *sql.Tx, c lake.Change) error {
		var old, kept []string
		var marks []evidence.FileMark
		for _, f := range c.Old {
			old = append(old, f.Name)
		}
		for _, f := range c.New {
			kept, marks = append(kept, f.Name), append(marks, mark(f))
		}
		lost, err := evidence.Lost(rowsOf(ctx, src, old), rowsOf(ctx, src, kept))
		if err != nil {
			return fmt.Errorf("read files to expire: %w", err)
		}
		return n.evidence.Replace(tx, old, marks, "retention", lost)
	})
}

// retention is what the settings let go now. Sealed records stay whatever
// their age, and so do those on legal hold.
func (n *Node) retention() lake.Retention {
	r := n.cfg.Retention
	now := n.witnessed()
	before := func(days int) int64 {
		if days == 0 {
			return 0
		}
		return now.AddDate(0, 0, -days).UnixMilli()
	}
	keep := lake.Retention{Before: before(r.Days), ByClass: map[ocsf.Class]int64{}, Hold: func(patient string) bool {
		if _, sealed := n.care.Watched(care.WatchSealed, patient, n.now().UnixMilli()); sealed {
			return true
		}
		return slices.ContainsFunc(n.care.Patient(patient).IDs, func(id string) bool { return slices.Contains(r.Hold, id) })
	}}
	for class, days := range r.Classes {
		keep.ByClass[ocsf.Class(class)] = before(days)
	}
	return keep
}

// witnessed is now, but no later than a day after the newest event: a clock
// that runs a year ahead must not delete a year.
func (n *Node) witnessed() time.Time {
	newest := int64(0)
	for _, s := range n.sources.list() {
		if s.Name != ownSource {
			newest = max(newest, s.Event)
		}
	}
	now := n.now()
	if last := time.UnixMilli(newest).In(now.Location()).AddDate(0, 0, 1); last.Before(now) {
		return last
	}
	return now
}

// rowsOf reads files of the lake one after the other.
func rowsOf(ctx context.Context, src evidence.Source, names []string) iter.Seq2[evidence.Row, error] {
	return func(yield func(evidence.Row, error) bool) {
		for _, name := range names {
			if !yieldFile(ctx, src, name, yield) {
				return
			}
		}
	}
}

func yieldFile(ctx context.Context, src evidence.Source, name string, yield func(evidence.Row, error) bool) bool {
	f, err := src.File(ctx, name)
	if err != nil {
		return yield(evidence.Row{}, err)
	}
	defer f.Close()
	for row, err := range src.Rows(f, f.Size()) {
		if !yield(row, err) {
			return false
		}
	}
	return true
}
