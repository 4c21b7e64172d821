// Package postgres keeps the records in a PostgreSQL database.
//
// Transactions are serializable. Soon more.
package postgres

import (
	"context"

	"github.com/cordon-health/cordon/store"
)

// Open connects to the database at url.
func Open(ctx context.Context, url string) (*store.DB, error) { panic("soon") }
