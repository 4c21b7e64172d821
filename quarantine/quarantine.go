// Package quarantine keeps input that could not be used, with the reason,
// until somebody deals with it: mends and replays it, or discards it.
//
// It owns the table quarantine. A record's id is the hash of its source,
// format and bytes, so the same unusable input sent a thousand times is one
// row, and one that comes again after it was settled is open again. What it
// guarantees: [Book.Add] is durable when it returns, before the
// source is acknowledged; a replayed record leaves the list only when it was
// taken; a discarded one stays in the table, marked with who discarded it.
//
// The bytes may hold patient data. They are shown only to roles that may see
// it, and appear in no log and no error text; a reason names fields and
// positions only.
package quarantine

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The states of an item.
const (
	Open      = "open"
	Replayed  = "replayed"
	Discarded = "discarded"
)

// Item is one record set aside. Times are ms.
type Item struct {
	ID       string
	Source   string
	Format   string
	Mapping  string
	Reason   string
	Received int64
	Data     []byte
	State    string
	// Tries counts replays that failed.
	Tries   int
	Changed int64
	By      string
}

// Book is the list of items.
type Book struct {
	db  *store.DB
	now func() time.Time
}

// New opens the list.
func New(ctx context.Context, db *store.DB, now func() time.Time) (*Book, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "quarantine", sub); err != nil {
		return nil, err
	}
	return &Book{db: db, now: now}, nil
}

// ID names an input.
func ID(source, format string, data []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s,%d:%s,", len(source), source, len(format), format)
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Add keeps items. An input already there changes nothing, but one that had
// been discarded or replayed and comes again is open again. ID, State, Tries
// and Changed are set here.
func (b *Book) Add(ctx context.Context, items ...Item) error {
	if len(items) == 0 {
		return nil
	}
	now := b.now().UnixMilli()
	return b.db.Update(ctx, func(tx *sql.Tx) error {
		for _, it := range items {
			_, err := tx.ExecContext(ctx, `INSERT INTO quarantine
				(id, source, format, mapping, reason, received, data, state, tries, changed, by_user)
				VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', 0, $8, '') ON CONFLICT (id) DO UPDATE
				SET state = 'open', reason = $5, received = $6, changed = $8, by_user = '' WHERE quarantine.state <> 'open'`,
				ID(it.Source, it.Format, it.Data), it.Source, it.Format, it.Mapping, it.Reason, it.Received,
				base64.StdEncoding.EncodeToString(it.Data), now)
			if err != nil {
				return fmt.Errorf("keep in quarantine: %w", err)
			}
		}
		return nil
	})
}

const columns = `id, source, format, mapping, reason, received, data, state, tries, changed, by_user`

// List returns items of a state, newest first.
func (b *Book) List(ctx context.Context, state string, limit, offset int) ([]Item, error) {
	var items []Item
	err := b.db.View(ctx, func(tx *sql.Tx) error {
		items = nil
		rows, err := tx.QueryContext(ctx, `SELECT `+columns+` FROM quarantine WHERE state = $1
			ORDER BY received DESC, id LIMIT $2 OFFSET $3`, state, limit, offset)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			it, err := scan(rows.Scan)
			if err != nil {
				return err
			}
			items = append(items, it)
		}
		return rows.Err()
	})
	return items, wrap("list quarantine", err)
}

// Get returns one item; fs.ErrNotExist when there is none.
func (b *Book) Get(ctx context.Context, id string) (Item, error) {
	var it Item
	err := b.db.View(ctx, func(tx *sql.Tx) (err error) {
		it, err = scan(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM quarantine WHERE id = $1`, id).Scan)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	return it, wrap("get from quarantine", err)
}

// Count says how many items of a state each source has.
func (b *Book) Count(ctx context.Context, state string) (map[string]int, error) {
	counts := map[string]int{}
	err := b.db.View(ctx, func(tx *sql.Tx) error {
		clear(counts)
		rows, err := tx.QueryContext(ctx, `SELECT source, COUNT(*) FROM quarantine WHERE state = $1 GROUP BY source`, state)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var source string
			var n int
			if err := rows.Scan(&source, &n); err != nil {
				return err
			}
			counts[source] = n
		}
		return rows.Err()
	})
	return counts, wrap("count quarantine", err)
}

// Settle marks an item replayed or discarded, by whom.
func (b *Book) Settle(ctx context.Context, id, state, by string) error {
	return b.change(ctx, `UPDATE quarantine SET state = $1, by_user = $2, changed = $3 WHERE id = $4`, state, by, b.now().UnixMilli(), id)
}

// Failed notes that a replay did not help, and why.
func (b *Book) Failed(ctx context.Context, id, reason, by string) error {
	return b.change(ctx, `UPDATE quarantine SET tries = tries + 1, reason = $1, by_user = $2, changed = $3 WHERE id = $4`, reason, by, b.now().UnixMilli(), id)
}

func (b *Book) change(ctx context.Context, query string, args ...any) error {
	return b.db.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("change quarantine: %w", err)
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return fmt.Errorf("change quarantine: %w", fs.ErrNotExist)
		}
		return nil
	})
}

func scan(read func(...any) error) (Item, error) {
	var it Item
	var data string
	err := read(&it.ID, &it.Source, &it.Format, &it.Mapping, &it.Reason, &it.Received, &data, &it.State, &it.Tries, &it.Changed, &it.By)
	if err != nil {
		return it, err
	}
	it.Data, err = base64.StdEncoding.DecodeString(data)
	return it, err
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
