// Package sqlite keeps the records in one file, inside the process.
//
// The file is in WAL mode with full sync. Soon more.
package sqlite

import (
	"context"

	"github.com/cordon-health/cordon/store"
)

// Open opens or creates the database file at path.
func Open(ctx context.Context, path string) (*store.DB, error) { panic("soon") }
