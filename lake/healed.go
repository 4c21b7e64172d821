package lake

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/cordon-health/cordon/ocsf"
)

// healed knows which events have a later explanation, so that the many others
// need no look into the store. It may hold one too many, never one too few.
type healed struct {
	mu   sync.RWMutex
	seed maphash.Seed
	uids map[uint64]struct{}
}

func (h *healed) add(uid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uids[maphash.String(h.seed, uid)] = struct{}{}
}

func (h *healed) has(uid string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	_, ok := h.uids[maphash.String(h.seed, uid)]
	return ok
}

func (l *Lake) readHealed(ctx context.Context) error {
	err := l.db.View(ctx, func(tx *sql.Tx) error {
		rows, err := tx.Query(`SELECT uid FROM lake_corrections`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var uid string
			if err := rows.Scan(&uid); err != nil {
				return err
			}
			l.healed.add(uid)
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("read later explanations: %w", err)
	}
	return nil
}

// Correct records a later explanation of the event, decided at a time in ms;
// once tx has committed, all reads show it instead of the one in the file.
// A correction with an earlier time than the recorded one changes nothing.
func (l *Lake) Correct(tx *sql.Tx, uid string, x ocsf.Explanation, at int64) error {
	body, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("encode explanation: %w", err)
	}
	_, err = tx.Exec(`INSERT INTO lake_corrections (uid, at, explanation, version)
		SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS TEXT), COALESCE(MAX(version), 0) + 1 FROM lake_corrections WHERE 1 = 1
		ON CONFLICT (uid) DO UPDATE SET at = excluded.at, explanation = excluded.explanation, version = excluded.version
		WHERE excluded.at >= lake_corrections.at`, uid, at, string(body))
	if err != nil {
		return fmt.Errorf("record later explanation: %w", err)
	}
	l.healed.add(uid)
	return nil
}

// heal gives events their later explanations.
func (l *Lake) heal(ctx context.Context, evs []*ocsf.Event) error {
	var some []*ocsf.Event
	for _, ev := range evs {
		if l.healed.has(ev.Metadata.UID) {
			some = append(some, ev)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return l.db.View(ctx, func(tx *sql.Tx) error {
		for _, ev := range some {
			x, _, err := correction(tx, ev.Metadata.UID)
			if err != nil {
				return err
			}
			if x != nil {
				ev.Explanation = x
			}
		}
		return nil
	})
}

// correction returns the later explanation of an event, nil when it has none,
// and the version of it.
func correction(tx *sql.Tx, uid string) (*ocsf.Explanation, int64, error) {
	var body string
	var version int64
	err := tx.QueryRow(`SELECT explanation, version FROM lake_corrections WHERE uid = $1`, uid).Scan(&body, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read later explanation: %w", err)
	}
	x := new(ocsf.Explanation)
	if err := json.Unmarshal([]byte(body), x); err != nil {
		return nil, 0, fmt.Errorf("read later explanation: %w", err)
	}
	return x, version, nil
}
