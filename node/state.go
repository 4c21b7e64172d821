package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/store"
)

// cursors keeps collectors' places in the store.
type cursors struct{ db *store.DB }

var _ collect.Cursors = cursors{}

// Load implements collect.Cursors.
func (c cursors) Load(ctx context.Context, name string) (string, error) {
	var v string
	err := c.db.View(ctx, func(tx *sql.Tx) (err error) {
		v, err = load(ctx, tx, "node_cursors", name)
		return err
	})
	return v, err
}

// Save implements collect.Cursors.
func (c cursors) Save(ctx context.Context, name, value string) error {
	return c.db.Update(ctx, func(tx *sql.Tx) error { return save(ctx, tx, "node_cursors", name, value) })
}

func load(ctx context.Context, tx *sql.Tx, table, name string) (string, error) {
	var v string
	err := tx.QueryRowContext(ctx, `SELECT value FROM `+table+` WHERE name = $1`, name).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("load %s: %w", name, err)
	}
	return v, nil
}

func save(ctx context.Context, tx *sql.Tx, table, name, value string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO `+table+` (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = $2`, name, value)
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return nil
}
