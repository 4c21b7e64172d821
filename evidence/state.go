package evidence

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-health/cordon/internal/durable"
)

const (
	stateFile = "state"
	// HeadFile holds the newest signed checkpoint this server ever saw.
	HeadFile = "head"

	watchEvery    = 50 * time.Millisecond
	rememberEvery = 5 * time.Second
)

// logged is a batch of events in the log.
type logged struct {
	index uint64
	key   string
	root  Hash
}

// position is how far the log has come. Its exported part is the state file:
// a cache that only saves reading the whole log at start.
type position struct {
	// From is the entry to read from at start; the rest holds for it.
	From    uint64 `json:"from"`
	LastSeq uint64 `json:"last_seq"`
	// Marked is the highest batch that a file of the lake covers.
	Marked uint64 `json:"marked"`
	Row    int64  `json:"row"`
	Mark   int64  `json:"mark"`

	size uint64            // entries
	open map[uint64]logged // batches above Marked
}

func (p *position) apply(index uint64, e *Entry) {
	switch e.Kind {
	case KindEvents:
		p.LastSeq = max(p.LastSeq, e.Seq)
		if e.Seq > p.Marked {
			p.open[e.Seq] = logged{index: index, key: e.Key, root: Hash(e.Root)}
		}
	case KindRecords:
		p.Row = max(p.Row, e.Last)
	case KindFile:
		p.Mark = max(p.Mark, e.Mark)
		p.cover(e.File.LastSeq)
	case KindGone, KindErase:
		p.Mark = max(p.Mark, e.Mark)
	}
}

func (p *position) cover(seq uint64) {
	if seq <= p.Marked {
		return
	}
	p.Marked = seq
	for s := range p.open {
		if s <= seq {
			delete(p.open, s)
		}
	}
}

func (p *position) clone() position {
	c := *p
	c.open = make(map[uint64]logged, len(p.open))
	for seq, b := range p.open {
		c.open[seq] = b
	}
	return c
}

// saveState is called by write alone. A failure costs time at the next start,
// nothing else.
func (l *Log) saveState() {
	p := l.written
	p.From = p.size
	for _, b := range p.open {
		p.From = min(p.From, b.index)
	}
	data, err := json.Marshal(p)
	if err == nil {
		err = durable.WriteFile(filepath.Join(l.cfg.Dir, stateFile), data, 0o600)
	}
	if err != nil {
		l.log.Warn("the position of the evidence log was not saved; the next start will read more of it", "error", err)
	}
}

func (l *Log) loadState(size uint64) position {
	p := position{}
	data, err := os.ReadFile(filepath.Join(l.cfg.Dir, stateFile))
	if err != nil || json.Unmarshal(data, &p) != nil || p.From > size {
		p = position{}
	}
	p.open = map[uint64]logged{}
	return p
}

// checkHead verifies the published checkpoint against everything this site
// remembers to have signed.
func (l *Log) checkHead(ctx context.Context, begun bool) error {
	known, err := l.remembered(ctx)
	if err != nil {
		return err
	}
	if !begun {
		if len(known) > 0 {
			return fmt.Errorf("%w: the log in %s is gone, yet it had been signed; restore the folder from a backup", ErrStake, l.cfg.Dir)
		}
		return nil
	}
	head, err := l.tiles.checkpoint(l.key.verifier)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStake, err)
	}
	for _, old := range known {
		if err := l.tiles.extends(ctx, old, head); err != nil {
			return fmt.Errorf("%w: %w", ErrStake, err)
		}
	}
	if l.witness != nil {
		if size, known := l.witness.lastSeen(ctx, head.Note); known && size > head.Size {
			return fmt.Errorf("%w: the log has %d entries, but the witness has seen %d: it was rolled back", ErrStake, head.Size, size)
		}
	}
	l.setHead(head)
	return nil
}

// extends checks that the log under head contains the log under old.
func (t tiles) extends(ctx context.Context, old, head Head) error {
	if old.Size > head.Size {
		return fmt.Errorf("the log has %d signed entries, but %d were signed before: it was rolled back", head.Size, old.Size)
	}
	root, err := t.root(ctx, old.Size)
	if err != nil {
		return err
	}
	if root != old.Root {
		return fmt.Errorf("the first %d entries of the log are not those that were signed before", old.Size)
	}
	return nil
}

// remembered returns the newest heads in the store and in the head file. One
// that this key did not sign proves nothing and is an error.
func (l *Log) remembered(ctx context.Context) ([]Head, error) {
	var notes []string
	err := l.db.View(ctx, func(tx *sql.Tx) error {
		var text string
		err := tx.QueryRow("SELECT note FROM evidence_heads ORDER BY size DESC LIMIT 1").Scan(&text)
		notes = []string{text}
		if errors.Is(err, sql.ErrNoRows) {
			notes, err = nil, nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read remembered heads: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(l.cfg.Dir, HeadFile))
	switch {
	case err == nil:
		notes = append(notes, string(text))
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read remembered head: %w", err)
	}
	var heads []Head
	for _, n := range notes {
		h, err := openNote([]byte(n), l.key.verifier)
		if err != nil {
			return nil, fmt.Errorf("%w: a remembered head is not signed by our key", ErrStake)
		}
		heads = append(heads, h)
	}
	return heads, nil
}

// remember keeps a head in the store (the last of each hour) and beside the
// log.
func (l *Log) remember(ctx context.Context, h Head) error {
	const hour = int64(time.Hour / time.Millisecond)
	at := l.now().UnixMilli()
	err := l.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM evidence_heads WHERE time >= $1 AND size < $2", at-at%hour, int64(h.Size)); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO evidence_heads (size, note, time) VALUES ($1, $2, $3) ON CONFLICT (size) DO UPDATE SET note = excluded.note",
			int64(h.Size), h.Note, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("remember head: %w", err)
	}
	return durable.WriteFile(filepath.Join(l.cfg.Dir, HeadFile), []byte(h.Note), 0o600)
}

// resume reads the end of the log, and begins an empty one.
func (l *Log) resume(ctx context.Context) error {
	size, err := l.driver.size(ctx)
	if err != nil {
		return fmt.Errorf("open evidence log: %w", err)
	}
	head := l.Head()
	if size < head.Size {
		return fmt.Errorf("%w: the tree has %d entries, but %d are signed", ErrStake, size, head.Size)
	}
	if root, err := l.tiles.root(ctx, head.Size); head.Note != "" && (err != nil || root != head.Root) {
		return fmt.Errorf("%w: the tiles of the log do not give the signed root", ErrStake)
	}
	l.written = l.loadState(size)
	err = l.tiles.scan(l.written.From, size, func(index uint64, data []byte) error {
		e, err := DecodeEntry(data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		l.written.apply(index, e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStake, err)
	}
	l.written.size = size
	l.pos = l.written.clone()
	if err := l.checkStore(ctx); err != nil || size > 0 {
		return err
	}
	return l.enqueue(ctx, &Entry{Form: entryForm, Kind: KindGenesis, Time: l.now().UnixMilli(),
		Genesis: &Genesis{Origin: l.Origin(), Key: l.key.public}})
}

// checkStore compares the position with the store's counters: a store older
// than the log would give numbers a second time. Marks that are in the log are
// not needed any more.
func (l *Log) checkStore(ctx context.Context) error {
	return l.db.Update(ctx, func(tx *sql.Tx) error {
		for name, logged := range map[string]int64{"records": l.pos.Row, "marks": l.pos.Mark} {
			var n int64
			if err := tx.QueryRow("SELECT value FROM evidence_counters WHERE name = $1", name).Scan(&n); err != nil {
				return fmt.Errorf("read counter of %s: %w", name, err)
			}
			if n < logged {
				return fmt.Errorf("%w: the log has %d %s, the store only %d: the store was rolled back; restore a newer copy", ErrStake, logged, name, n)
			}
		}
		_, err := tx.Exec("DELETE FROM evidence_marks WHERE n <= $1", l.pos.Mark)
		return err
	})
}

// watch follows the published checkpoint, tells those who wait for it, and
// remembers it.
func (l *Log) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	due := time.NewTicker(rememberEvery)
	defer due.Stop()
	var kept string
	for {
		select {
		case <-l.stopped.Done():
			return
		case <-tick.C:
			if err := l.look(); err != nil {
				l.fail(err)
				return
			}
		case <-due.C:
			head := l.Head()
			if head.Note == "" || head.Note == kept {
				continue
			}
			if err := l.remember(l.stopped, head); err != nil {
				l.log.Warn("the newest head of the evidence log was not remembered; trying again", "error", err)
				continue
			}
			kept = head.Note
		}
	}
}

// look reads the checkpoint. One that we did not sign, or that goes back, was
// not written by us.
func (l *Log) look() error {
	text, err := fs.ReadFile(l.tiles.fsys, checkpointFile)
	old := l.Head()
	if err != nil || string(text) == old.Note {
		return nil // an unreadable file shows when the next one is written
	}
	head, err := openNote(text, l.key.verifier)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStake, err)
	}
	if head.Size < old.Size {
		return fmt.Errorf("%w: the checkpoint went back from %d to %d entries", ErrStake, old.Size, head.Size)
	}
	l.setHead(head)
	return nil
}

func (l *Log) setHead(h Head) {
	h.Time = l.now().UnixMilli()
	if l.witness != nil {
		if cosigned(h.Note, l.witness.verifier) {
			l.settle(problemWitness)
		} else {
			l.raise(problemWitness)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = h
	close(l.headNews)
	l.headNews = make(chan struct{})
}
