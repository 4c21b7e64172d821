// Package lake keeps the events: years of them, in Parquet files that any
// other engine can read. Soon more.
package lake

import (
	"context"
	"database/sql"
	"io"
	"iter"
	"log/slog"
	"time"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Row is one event and its place in the stream: the bus sequence number of
// its message and its index in that message.
type Row struct {
	Event *ocsf.Event
	Seq   uint64
	Index uint32
}

// Lake is the open lake.
type Lake struct{}

// Open opens the lake whose manifest is in db and whose files are in files,
// and removes files that a crash left without manifest.
func Open(ctx context.Context, cfg Config, db *store.DB, files blob.Store, log *slog.Logger) (*Lake, error) {
	panic("soon")
}

// Close releases files and the engine; buffered rows are dropped.
func (l *Lake) Close() error { panic("soon") }

// Known tells for each event whether it is already stored or buffered; a
// repeat inside evs is known too. The key is (Metadata.UID, Time).
func (l *Lake) Known(ctx context.Context, evs []*ocsf.Event) ([]bool, error) { panic("soon") }

// Append adds rows to the buffer; the events may be changed or reused by the
// caller afterwards.
func (l *Lake) Append(rows []Row) { panic("soon") }

// Due reports whether the buffer should be flushed now.
func (l *Lake) Due(now time.Time) bool { panic("soon") }

// Flush writes the buffer to new files, durably. It returns nil, nil when the
// buffer is empty.
func (l *Lake) Flush(ctx context.Context) (*Batch, error) { panic("soon") }

// Batch is what one Flush wrote.
type Batch struct {
	Files []FileInfo
}

// Commit enters the files into the manifest. It may be called repeatedly
// (store.DB.Update repeats its function).
func (b *Batch) Commit(tx *sql.Tx) error { panic("soon") }

// Done is called after the transaction committed: the files answer questions
// from now on, and the buffer forgets their rows.
func (b *Batch) Done() { panic("soon") }

// Discard is called instead of Done when the transaction failed for good: the
// files are removed, the rows stay buffered.
func (b *Batch) Discard() { panic("soon") }

// FileInfo describes one immutable file. Times are in ms.
type FileInfo struct {
	Name     string
	SHA256   string // hex
	Rows     int64
	Bytes    int64
	FirstSeq uint64
	LastSeq  uint64
	MinTime  int64
	MaxTime  int64
}

// Files lists the files of the manifest, oldest events first.
func (l *Lake) Files() []FileInfo { panic("soon") }

// Stats are sizes for metrics.
type Stats struct {
	Files    int
	Rows     int64 // in files
	Bytes    int64 // of files
	Buffered int64 // rows not yet in a file
}

// Stats returns the present sizes.
func (l *Lake) Stats() Stats { panic("soon") }

// Event returns the event with this uid (the newest when a source used it
// twice), or an error that is ErrNotFound.
func (l *Lake) Event(ctx context.Context, uid string) (*ocsf.Event, error) { panic("soon") }

// AccessQuery asks for the accesses to one patient, or by one person, or by
// one person to one patient.
type AccessQuery struct {
	Patient string // Patient.UID
	Person  string // Actor.User.UID
	From    int64  // ms, inclusive; 0 is open
	Until   int64  // ms, exclusive; 0 is open
	Limit   int    // newest first; 0 is all
}

// Accesses returns the accesses that q asks for, newest first.
func (l *Lake) Accesses(ctx context.Context, q AccessQuery) ([]*ocsf.Event, error) { panic("soon") }

// Correct records a later explanation of a stored event; all reads show it
// once tx has committed and Corrected was called.
func (l *Lake) Correct(tx *sql.Tx, uid string, x ocsf.Explanation, at int64) error { panic("soon") }

// SQL answers one SELECT over the views events, records and explanations.
func (l *Lake) SQL(ctx context.Context, query string, args ...any) (*Rows, error) { panic("soon") }

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

// ReadFile reads the rows of one lake file in the file's order. It needs
// neither store nor engine; the stand-alone verifier uses it.
func ReadFile(r io.ReaderAt, size int64) iter.Seq2[Row, error] { panic("soon") }
