package evidence

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	drainEvery = 250 * time.Millisecond
	drainGroup = 1000
	goneRuns   = 1500 // runs of events in one mark: well below an entry's size
)

// Run carries records and marks from the store into the log, within a second
// of their commit, until ctx ends or the log fails. What it did not do is done
// after the next start: the log itself says how far it came.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		err := l.drain(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrClosed):
			return nil
		case errors.Is(err, ErrStake):
			return err
		case err != nil:
			l.log.Warn("records could not be read for the evidence log; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.stopped.Done():
			return l.Err()
		case <-tick.C:
		}
	}
}

// drain queues everything the store has beyond the position.
func (l *Log) drain(ctx context.Context) error {
	l.outbox.Lock()
	defer l.outbox.Unlock()
	if err := l.Err(); err != nil {
		return err
	}
	for {
		list, err := l.newRecords(ctx)
		if err != nil {
			return err
		}
		marks, err := l.newMarks(ctx)
		if err != nil {
			return err
		}
		if len(list) == 0 && len(marks) == 0 {
			return nil
		}
		if err := l.queueRecords(ctx, list); err != nil {
			return err
		}
		for _, e := range marks {
			if err := l.enqueue(ctx, e); err != nil {
				return err
			}
		}
	}
}

func (l *Log) position() (row, mark int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pos.Row, l.pos.Mark
}

// SaltedRecord is a record with the salt of its leaf. An empty salt means that
// the row was erased.
type SaltedRecord struct {
	Record
	Salt   []byte
	Latest bool
}

// leaf is the record's leaf; ok is false for an erased row.
func (r *SaltedRecord) leaf() (leaf Hash, ok bool) {
	if len(r.Salt) != len(Salt{}) {
		return Hash{}, false
	}
	return Leaf(Salt(r.Salt), r.appendCanonical(nil)), true
}

func scanSalted(row interface{ Scan(...any) error }) (r SaltedRecord, err error) {
	var salt string
	var latest int64
	if r.Record, err = scanRecord(row, &salt, &latest); err != nil {
		return r, err
	}
	r.Latest = latest != 0
	r.Salt, err = base64.StdEncoding.DecodeString(salt)
	return r, err
}

func (l *Log) newRecords(ctx context.Context) (list []SaltedRecord, err error) {
	from, _ := l.position()
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		list, err = saltedRecords(tx, "n > $1 ORDER BY n LIMIT $2", from, drainGroup)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read new records: %w", err)
	}
	return list, nil
}

func saltedRecords(tx *sql.Tx, where string, args ...any) ([]SaltedRecord, error) {
	rows, err := tx.Query("SELECT "+recordColumns+", salt, latest FROM records WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []SaltedRecord
	for rows.Next() {
		r, err := scanSalted(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

func (l *Log) queueRecords(ctx context.Context, list []SaltedRecord) error {
	if len(list) == 0 {
		return nil
	}
	from, _ := l.position()
	e := &Entry{Form: entryForm, Kind: KindRecords, Time: l.now().UnixMilli(),
		First: list[0].Row, Last: list[len(list)-1].Row, N: len(list)}
	leaves := make([]Hash, len(list))
	for i := range list {
		if list[i].Row != from+1+int64(i) {
			err := fmt.Errorf("%w: row %d of the records vanished before it was logged", ErrStake, from+1+int64(i))
			l.fail(err)
			return err
		}
		leaves[i], _ = list[i].leaf() // a row erased within its first second has the zero leaf
		e.Tags = append(e.Tags, leaves[i][:TagSize]...)
	}
	root := Root(leaves)
	e.Root = root[:]
	return l.enqueue(ctx, e)
}

func (l *Log) newMarks(ctx context.Context) (list []*Entry, err error) {
	_, from := l.position()
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		list, err = l.readMarks(tx, from)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read new marks: %w", err)
	}
	return list, nil
}

func (l *Log) readMarks(tx *sql.Tx, from int64) ([]*Entry, error) {
	rows, err := tx.Query("SELECT n, kind, body FROM evidence_marks WHERE n > $1 ORDER BY n LIMIT $2", from, drainGroup)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*Entry
	for rows.Next() {
		e := &Entry{Form: entryForm, Time: l.now().UnixMilli()}
		var body []byte
		if err := rows.Scan(&e.Mark, &e.Kind, &body); err != nil {
			return nil, err
		}
		if err := e.setMark(body); err != nil {
			return nil, fmt.Errorf("mark %d: %w", e.Mark, err)
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

func (e *Entry) setMark(body []byte) error {
	var into any
	switch e.Kind {
	case KindFile:
		e.File = new(FileMark)
		into = e.File
	case KindGone:
		e.Gone = new(GoneMark)
		into = e.Gone
	case KindErase:
		e.Erase = new(EraseMark)
		into = e.Erase
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return e.check()
}

// File says that a file of the lake came to be, in the transaction that puts
// it into the manifest. The log follows within a second of the commit.
func (l *Log) File(tx *sql.Tx, f FileMark) error {
	return putMark(tx, KindFile, f)
}

// Gone says that files of the lake are removed for good, in the transaction
// that takes them out of the manifest. events are the places of the events in
// them, in any order; without them a verifier reports those events as missing.
func (l *Log) Gone(tx *sql.Tx, files []string, reason string, events []Place) error {
	runs := runsOf(events)
	for first := true; first || len(runs) > 0; first = false {
		n := min(len(runs), goneRuns)
		if err := putMark(tx, KindGone, GoneMark{Files: files, Reason: reason, Events: runs[:n]}); err != nil {
			return err
		}
		runs = runs[n:]
	}
	return nil
}

// Replace says that files of the lake took the place of others, in the
// transaction that changes the manifest. lost are the places of events that
// stood in old and stand in none of new (see [Lost]); for a mere compaction
// there are none. reason says why they went.
func (l *Log) Replace(tx *sql.Tx, old []string, new []FileMark, reason string, lost []Place) error {
	for i, f := range new {
		if f.Replaces = nil; i == 0 {
			f.Replaces = old
		}
		if err := l.File(tx, f); err != nil {
			return err
		}
	}
	if len(new) > 0 && len(lost) == 0 {
		return nil
	}
	return l.Gone(tx, old, reason, lost)
}

// EraseKey destroys the salt key of a month ("2026-11"); see the package
// comment for what that means. The current month cannot be erased.
func (l *Log) EraseKey(ctx context.Context, id, reason string) error {
	now := l.now()
	if id >= month(now) {
		return fmt.Errorf("erase salt key %s: the month is not over", id)
	}
	err := l.db.Update(ctx, func(tx *sql.Tx) error {
		done, err := tx.Exec("UPDATE evidence_keys SET key = '', erased = $1 WHERE id = $2 AND erased = 0", now.UnixMilli(), id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err // erased before, or never used
		}
		return putMark(tx, KindErase, EraseMark{Key: id, Reason: reason})
	})
	if err != nil {
		return fmt.Errorf("erase salt key %s: %w", id, err)
	}
	l.salts.forget(id)
	return nil
}

// EraseRecord empties one version of a record for good: body, columns and
// salt. Kind, id, version and time stay, so that the gap can be explained.
func (l *Log) EraseRecord(tx *sql.Tx, kind, id string, version int, reason string) error {
	var row int64
	err := tx.QueryRow(`UPDATE records SET person = '', patient = '', status = '', ref = '', score = 0, body = 'null', salt = ''
		WHERE kind = $1 AND id = $2 AND version = $3 RETURNING n`, kind, id, version).Scan(&row)
	if err != nil {
		return fmt.Errorf("erase %s record: %w", kind, err)
	}
	return putMark(tx, KindErase, EraseMark{Row: row, Reason: reason})
}

func putMark(tx *sql.Tx, kind string, mark any) error {
	body, err := json.Marshal(mark)
	if err != nil {
		return fmt.Errorf("put %s mark: %w", kind, err)
	}
	n, err := nextNumber(tx, "marks")
	if err == nil {
		_, err = tx.Exec("INSERT INTO evidence_marks (n, kind, body) VALUES ($1, $2, $3)", n, kind, string(body))
	}
	if err != nil {
		return fmt.Errorf("put %s mark: %w", kind, err)
	}
	return nil
}
