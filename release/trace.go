package release

import (
	"context"
	"database/sql"
	"encoding/json"
)

// Copies are the fingerprints of all copies that were made, also of releases
// that have ended.
func (b *Broker) Copies(ctx context.Context) ([]Marks, error) {
	var all []Marks
	err := b.DB.View(ctx, func(tx *sql.Tx) error {
		all = nil
		rows, err := tx.QueryContext(ctx, `SELECT body FROM release_mark ORDER BY made, id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var body string
			var m Marks
			if err := rows.Scan(&body); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(body), &m); err != nil {
				return err
			}
			all = append(all, m)
		}
		return rows.Err()
	})
	return all, err
}

// Trace names the copies that a fragment comes from.
func (b *Broker) Trace(ctx context.Context, fragment *Table) (Verdict, error) {
	copies, err := b.Copies(ctx)
	if err != nil {
		return Verdict{}, err
	}
	return b.Secret.Trace(fragment, copies), nil
}
