package canary

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// load reads the samples of the last day.
func (w *Watcher) load(ctx context.Context) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := w.DB.Migrate(ctx, "canary", sub); err != nil {
		return err
	}
	by := map[string]*doorway{}
	for _, d := range w.doors {
		by[d.Name] = d
	}
	return w.DB.View(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT door, sent, took FROM canary_samples WHERE sent >= $1 ORDER BY sent`, w.Now().Add(-aDay).UnixMilli())
		if err != nil {
			return fmt.Errorf("read canaries: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var s sample
			if err := rows.Scan(&s.door, &s.sent, &s.took); err != nil {
				return fmt.Errorf("read canaries: %w", err)
			}
			if d, ok := by[s.door]; ok {
				d.keep(s)
			}
		}
		return rows.Err()
	})
}

// kept is how long samples stay in the table.
const kept = 30 * aDay

// Save writes new samples down and drops old ones. It is called now and then.
func (w *Watcher) Save(ctx context.Context) error {
	w.mu.Lock()
	fresh := w.unsaved
	w.unsaved = nil
	w.mu.Unlock()
	err := w.DB.Update(ctx, func(tx *sql.Tx) error {
		for _, s := range fresh {
			if _, err := tx.ExecContext(ctx, `INSERT INTO canary_samples (door, sent, took) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, s.door, s.sent, s.took); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM canary_samples WHERE sent < $1`, w.Now().Add(-kept).UnixMilli())
		return err
	})
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.unsaved = append(fresh, w.unsaved...)
		return fmt.Errorf("keep canaries: %w", err)
	}
	return nil
}
