package lake

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// Change is what one compaction or expiry did: the new files hold the rows of
// the old ones, without those that expired.
type Change struct {
	Old []FileInfo
	New []FileInfo
}

// Note is told of a change inside the transaction that changes the manifest,
// so that a record of it is written or the change does not happen. It may run
// more than once; nil is allowed.
type Note func(tx *sql.Tx, c Change) error

const (
	// tierFiles is how many files of a size may overlap before they become
	// one, and tierFactor what "of a size" means.
	tierFiles  = 4
	tierFactor = 4
	// excessShare: files are merged into the large ones of their days when
	// they have more than one row for so many of theirs.
	excessShare = 8
	// mergeRows bounds the rows that a merge keeps decoded.
	mergeRows = 48 * pageRows
)

// Compact merges files that share days, so that in the end nearly all rows of
// a day stand in one file, sorted by patient. It folds later explanations
// into the new files. Readers of old files are not disturbed; those files are
// deleted when the last one is through.
func (l *Lake) Compact(ctx context.Context, note Note) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	v := l.view()
	defer l.release(v.entries)
	for _, list := range plan(v.entries) {
		if err := l.rewrite(ctx, list, nil, note); err != nil {
			return fmt.Errorf("compact lake: %w", err)
		}
	}
	return nil
}

// plan returns the lists of files to merge.
func plan(entries []*entry) [][]*entry {
	var out [][]*entry
	for _, part := range overlapping(entries) {
		if len(part) < 2 {
			continue
		}
		total, base := int64(0), int64(0)
		for _, e := range part {
			total += e.Rows
		}
		for _, e := range disjoint(part) {
			base += e.Rows
		}
		if (total-base)*excessShare >= base {
			out = append(out, part)
			continue
		}
		out = append(out, tiers(part)...)
	}
	return out
}

// overlapping divides files into parts; files of different parts share no
// day. Entries are sorted by MinTime.
func overlapping(entries []*entry) [][]*entry {
	var parts [][]*entry
	last := int64(0)
	for i, e := range entries {
		if i == 0 || dayOf(e.MinTime) > last {
			parts = append(parts, nil)
			last = dayOf(e.MaxTime)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], e)
		last = max(last, dayOf(e.MaxTime))
	}
	return parts
}

// disjoint chooses large files that share no day.
func disjoint(part []*entry) []*entry {
	bySize := slices.SortedFunc(slices.Values(part), func(a, b *entry) int { return cmp.Compare(b.Rows, a.Rows) })
	taken := map[int64]bool{}
	var out []*entry
	for _, e := range bySize {
		free := true
		for d := dayOf(e.MinTime); d <= dayOf(e.MaxTime); d++ {
			free = free && !taken[d]
		}
		if !free {
			continue
		}
		for d := dayOf(e.MinTime); d <= dayOf(e.MaxTime); d++ {
			taken[d] = true
		}
		out = append(out, e)
	}
	return out
}

// tiers finds files of about the same size that overlap and are many.
func tiers(part []*entry) [][]*entry {
	bySize := map[int][]*entry{}
	for _, e := range part {
		tier := 0
		for n := e.Rows; n >= tierFactor; n /= tierFactor {
			tier++
		}
		bySize[tier] = append(bySize[tier], e)
	}
	var out [][]*entry
	for _, list := range bySize {
		for _, some := range overlapping(list) {
			if len(some) >= tierFiles && len(disjoint(some)) < len(some) {
				out = append(out, some)
			}
		}
	}
	return out
}

// rewrite replaces files by new ones with the rows that keep (nil: all) wants.
func (l *Lake) rewrite(ctx context.Context, list []*entry, keep func(*record) bool, note Note) error {
	m := &merge{lake: l, ctx: ctx, keep: keep}
	if err := m.run(list); err != nil {
		l.removeNew(m.files)
		return err
	}
	list, c := changed(list, m.files)
	err := l.db.Update(ctx, func(tx *sql.Tx) error { return commitChange(tx, c, m.folded, note) })
	if err != nil {
		l.removeNew(m.files)
		return err
	}
	l.replace(list, c.New)
	l.log.Info("lake files rewritten", "old", len(c.Old), "new", len(c.New), "rows", m.rows)
	return nil
}

// changed leaves out files that came out as they went in.
func changed(list []*entry, files []FileInfo) ([]*entry, Change) {
	var c Change
	var old []*entry
	for _, e := range list {
		if !slices.ContainsFunc(files, func(x FileInfo) bool { return x.Name == e.Name }) {
			old, c.Old = append(old, e), append(c.Old, e.FileInfo)
		}
	}
	for _, x := range files {
		if !slices.ContainsFunc(list, func(e *entry) bool { return e.Name == x.Name }) {
			c.New = append(c.New, x)
		}
	}
	return old, c
}

func commitChange(tx *sql.Tx, c Change, folded []fold, note Note) error {
	for _, x := range c.New {
		if err := insertFile(tx, x); err != nil {
			return err
		}
	}
	for _, x := range c.Old {
		if err := deleteFile(tx, x.Name); err != nil {
			return err
		}
	}
	for _, f := range folded {
		if _, err := tx.Exec(`DELETE FROM lake_corrections WHERE uid = $1 AND version = $2`, f.uid, f.version); err != nil {
			return fmt.Errorf("take over later explanation: %w", err)
		}
	}
	if note == nil {
		return nil
	}
	return note(tx, c)
}
