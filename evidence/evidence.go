// Package evidence makes what the product did provable: every batch of
// events, every record people may later argue about and every file of the
// lake is bound into an append-only Merkle tile log under signed checkpoints.
// Soon more.
package evidence

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// ErrStake marks errors after which nothing may be signed any more.
var ErrStake = errors.New("evidence may be at stake")

// Config is the evidence section of the configuration.
type Config struct {
	// Dir is the folder of the tile log and the public key.
	Dir string
	// KeyDir is the folder of the private key; empty means Dir.
	KeyDir string
	// Origin names this log for ever.
	Origin string
	// Interval is how often a grown log is signed; default 500ms.
	Interval time.Duration
	// WitnessURL and WitnessKey name a C2SP tlog-witness.
	WitnessURL, WitnessKey string
	// WitnessRequired refuses to publish a checkpoint without the witness.
	WitnessRequired bool
}

// Head is a signed state of the log.
type Head struct {
	Size uint64
	Root [32]byte
	// Time is when this process saw it signed, in ms.
	Time int64
	// Note is the signed checkpoint.
	Note string
}

// FileMark binds one file of the lake.
type FileMark struct {
	Name     string   `json:"name"`
	SHA256   string   `json:"sha256"`
	Rows     int64    `json:"rows"`
	FirstSeq uint64   `json:"first_seq"`
	LastSeq  uint64   `json:"last_seq"`
	Replaces []string `json:"replaces,omitempty"`
}

// Record is one version of something people may later argue about.
type Record struct {
	Kind, ID string
	Version  int
	// Time is when it happened, in ms.
	Time                         int64
	Person, Patient, Status, Ref string
	Score                        float64
	// Body is a JSON object; kept byte for byte.
	Body []byte
	// Row is the number of the row in the order of writing; set on reading.
	Row int64
}

// Filter chooses records; empty fields do not filter.
type Filter struct {
	Kind, Status, Person, Patient, Ref string
	// Since and Until bound Time in ms: Since <= time < Until; 0 is open.
	Since, Until int64
	// Order is "time" (newest first, the default), "score" (highest first) or
	// "row" (oldest first).
	Order         string
	Limit, Offset int
}

// Log is the evidence log and the book of records of one site.
type Log struct{}

// Open opens or begins the log in cfg.Dir.
func Open(ctx context.Context, cfg Config, db *store.DB, now func() time.Time, log *slog.Logger) (*Log, error) {
	panic("soon")
}

// Run appends records and file marks as they are committed, until ctx ends.
func (l *Log) Run(ctx context.Context) error { panic("soon") }

// Close signs what is appended and stops.
func (l *Log) Close(ctx context.Context) error { panic("soon") }

// Events appends the batch seq. It must be called once for every sequence
// number, in order, also when no event of the batch survived.
func (l *Log) Events(ctx context.Context, seq uint64, evs []*ocsf.Event) error { panic("soon") }

// File binds a file of the lake in the transaction that puts it into the
// manifest.
func (l *Log) File(tx *sql.Tx, f FileMark) error { panic("soon") }

// Sync waits until all that was appended so far is under a signed checkpoint.
func (l *Log) Sync(ctx context.Context) error { panic("soon") }

// Head is the newest signed state.
func (l *Log) Head() Head { panic("soon") }

// Err is the reason why nothing is signed any more, or nil.
func (l *Log) Err() error { panic("soon") }

// Put writes a new version of a record and returns its number; a record equal
// to the latest version (but for Time) writes nothing.
func (l *Log) Put(tx *sql.Tx, r Record) (version int, err error) { panic("soon") }

// Latest is Get inside a transaction of the caller.
func (l *Log) Latest(tx *sql.Tx, kind, id string) (Record, error) { panic("soon") }

// Get returns the latest version; missing is fs.ErrNotExist.
func (l *Log) Get(ctx context.Context, kind, id string) (Record, error) { panic("soon") }

// History returns all versions, oldest first.
func (l *Log) History(ctx context.Context, kind, id string) ([]Record, error) { panic("soon") }

// List returns the latest versions that match.
func (l *Log) List(ctx context.Context, f Filter) ([]Record, error) { panic("soon") }

// Select is List inside a transaction of the caller.
func (l *Log) Select(tx *sql.Tx, f Filter) ([]Record, error) { panic("soon") }

// Count says how many latest versions match, disregarding Limit and Offset.
func (l *Log) Count(ctx context.Context, f Filter) (int, error) { panic("soon") }
