package lake

import (
	"context"
	"database/sql"

	"github.com/cordon-health/cordon/ocsf"
)

// Change is what one compaction or expiry did to the files.
type Change struct {
	Old []FileInfo
	New []FileInfo
}

// Compact merges the small files of each day. For each merge, note (may be
// nil) runs inside the transaction that changes the manifest.
func (l *Lake) Compact(ctx context.Context, note func(tx *sql.Tx, c Change) error) error {
	panic("soon")
}

// Retention says what may be removed. Before returns the time in ms before
// which events of a class may go (0: never); Hold keeps a patient's events.
type Retention struct {
	Before func(class ocsf.Class) int64
	Hold   func(patient string) bool
}

// Expire removes events that are older than retention wants.
func (l *Lake) Expire(ctx context.Context, keep Retention, note func(tx *sql.Tx, c Change) error) error {
	panic("soon")
}
