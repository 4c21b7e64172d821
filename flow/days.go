package flow

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-health/cordon/asset"
)

// Days that are over are summed once and kept as rows of their own, so that a
// question about weeks reads each conversation once a day instead of once an
// hour. A checkpoint that changes a day counts so in the same transaction; the
// sums of a day are believed only as long as the count is the one they were
// made at.
const (
	// rollAfter is how long after its end a day is summed: sensors report late.
	rollAfter = time.Hour
	// rollRows bounds one transaction, so that checkpoints need not wait.
	rollRows = 2_000
)

// dayMark is a day and how many checkpoints changed it.
type dayMark struct{ day, changes int64 }

// RollUp sums the days that are over and changed since they were summed, the
// newest first. A day that still changes from call to call waits for calm.
func (b *Book) RollUp(ctx context.Context, now time.Time) error {
	b.rolling.Lock()
	defer b.rolling.Unlock()
	due, err := b.due(ctx, now.Add(-rollAfter).UnixMilli()/hourMS/dayHours)
	if err != nil {
		return fmt.Errorf("find days to sum: %w", err)
	}
	for _, m := range due {
		before, again := b.rolled[m.day]
		b.rolled[m.day] = m.changes
		if again && before != m.changes {
			continue
		}
		if err := b.roll(ctx, m); err != nil {
			return fmt.Errorf("sum the conversations of a day: %w", err)
		}
	}
	return nil
}

// due lists the days before one that need summing.
func (b *Book) due(ctx context.Context, before int64) (due []dayMark, err error) {
	err = b.db.View(ctx, func(tx *sql.Tx) error {
		due = nil
		rows, err := tx.QueryContext(ctx, `SELECT day, changes FROM flow_marks WHERE rolled <> changes AND day < $1 ORDER BY day DESC`, before)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var m dayMark
			if err := rows.Scan(&m.day, &m.changes); err != nil {
				return err
			}
			due = append(due, m)
		}
		return rows.Err()
	})
	return due, err
}

// roll writes a day's sums. A checkpoint may change the day meanwhile: then
// the sums are not marked as good, and made again.
func (b *Book) roll(ctx context.Context, m dayMark) error {
	k := span{m.day * dayHours, dayHours}
	applied, calm := b.calm(k)
	if !calm {
		return nil
	}
	list, err := b.addHours(ctx, k)
	if err != nil {
		return err
	}
	if after, calm := b.calm(k); !calm || after != applied {
		return nil
	}
	err = b.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM flow_days WHERE day = $1`, m.day)
		return err
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(list, rollRows) {
		if err := b.db.Update(ctx, func(tx *sql.Tx) error { return putDay(ctx, tx, m.day, part) }); err != nil {
			return err
		}
	}
	return b.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE flow_marks SET rolled = changes WHERE day = $1 AND changes = $2`, m.day, m.changes)
		return err
	})
}

// calm says whether the store has all that was applied to a span, and when
// something was applied to it last.
func (b *Book) calm(k span) (applied int64, calm bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, m := range []map[place]*Conversation{b.sent, b.fresh} {
		for p := range m {
			if p.hour >= k.first && p.hour < k.first+k.hours {
				return 0, false
			}
		}
	}
	for h := k.first; h < k.first+k.hours; h++ {
		applied = max(applied, b.sums.changed[h])
	}
	return applied, true
}

func putDay(ctx context.Context, tx *sql.Tx, day int64, part []Conversation) error {
	put, err := tx.PrepareContext(ctx, `INSERT INTO flow_days (day, client, server, proto, port, app, sensor, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`)
	if err != nil {
		return err
	}
	defer put.Close()
	for _, c := range part {
		if _, err := put.ExecContext(ctx, day, asset.AddrText(c.Client), asset.AddrText(c.Server), c.Proto, c.Port, c.App, c.Sensor, string(raw(storedOf(c)))); err != nil {
			return err
		}
	}
	return nil
}

// changedDays counts the days that a checkpoint changes, and forgets the sums
// of days that lose hours.
func (ch Changes) changedDays(ctx context.Context, tx *sql.Tx) error {
	days := map[int64]struct{}{}
	for p := range ch.rows {
		days[p.hour/dayHours] = struct{}{}
	}
	for day := range days {
		if _, err := tx.ExecContext(ctx, `INSERT INTO flow_marks (day, changes, rolled) VALUES ($1, 1, 0)
			ON CONFLICT (day) DO UPDATE SET changes = flow_marks.changes + 1`, day); err != nil {
			return err
		}
	}
	whole := (ch.before + dayHours - 1) / dayHours
	if _, err := tx.ExecContext(ctx, `DELETE FROM flow_marks WHERE day < $1`, whole); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM flow_days WHERE day < $1`, whole)
	return err
}

// day reads a day's sums; false where there are none that are still true.
func (b *Book) day(ctx context.Context, k span) (list []Conversation, ok bool, err error) {
	waiting := b.waiting(k.first*hourMS, (k.first+k.hours)*hourMS, nil)
	err = b.db.View(ctx, func(tx *sql.Tx) (err error) {
		list = nil
		if ok, err = believed(ctx, tx, k.first/dayHours, waiting); err == nil && ok {
			list, err = readDay(ctx, tx, k.first/dayHours)
		}
		return err
	})
	return list, ok && err == nil, err
}

func believed(ctx context.Context, tx *sql.Tx, day int64, waiting map[int64][]waits) (good bool, err error) {
	seq, err := savedSeq(ctx, tx)
	if err != nil {
		return false, err
	}
	for _, hour := range waiting {
		if len(since(hour, seq)) > 0 {
			return false, nil
		}
	}
	var changes, rolled int64
	switch err := tx.QueryRowContext(ctx, `SELECT changes, rolled FROM flow_marks WHERE day = $1`, day).Scan(&changes, &rolled); {
	case err == sql.ErrNoRows:
		return false, nil
	case err != nil:
		return false, err
	}
	return changes == rolled, nil
}

func readDay(ctx context.Context, tx *sql.Tx, day int64) (list []Conversation, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT client, server, proto, port, app, sensor, body FROM flow_days WHERE day = $1`, day)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p place
		var client, server string
		var body sql.RawBytes
		if err := rows.Scan(&client, &server, &p.Proto, &p.Port, &p.App, &p.sensor, &body); err != nil {
			return nil, err
		}
		var s stored
		if err := json.Unmarshal(body, &s); err != nil {
			return nil, fmt.Errorf("read a day: %w", err)
		}
		p.Client, p.Server = asset.ParseAddr(client), asset.ParseAddr(server)
		list = append(list, s.conversation(p))
	}
	return slices.Clip(list), rows.Err()
}

// savedSeq is the number of the last checkpoint that the transaction sees.
func savedSeq(ctx context.Context, tx *sql.Tx) (seq int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT seq FROM flow_saved WHERE id = 1`).Scan(&seq)
	return seq, err
}
