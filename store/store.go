// Package store keeps records: the small facts that are looked up and
// changed, such as people, relations, cases, the journal and the manifest of
// the lake. Events do not belong here.
//
// One codebase runs on two engines, SQLite in the process (store/sqlite) and
// PostgreSQL (store/postgres). Both offer plain database/sql; a package that
// owns tables writes SQL which both understand: placeholders $1, $2 in order,
// columns TEXT, BIGINT and DOUBLE PRECISION (bytes as base64 or hex text),
// "ON CONFLICT ... DO" for repetition. The suite store/storetest states the
// promises below as tests and runs against both.
//
// Promises:
//
//   - Durability: when Update returns nil, what it wrote survives kill -9 and
//     a power cut. When it returns an error, nothing of it was written; the
//     one exception is a commit during which the connection to PostgreSQL
//     breaks or the disk fails, where nobody can know, so write updates that
//     may be repeated.
//   - Concurrency: updates have the effect of running one after another, in
//     this process and across all processes on the same database. Views see
//     one moment and neither wait for updates nor delay them.
//   - Repetition: the function given to Update may run more than once (a
//     conflict with another process, a busy file). It must not have effects
//     outside its transaction, and must set, not add to, variables outside.
//   - Migrations: each owner numbers its own; one runs wholly or not at all,
//     a second run does nothing, and a failed one is tried again next time.
//
// The package owns the tables goose_<owner> and no others. It does not retry
// a lost connection inside Update, does not hide full disks (see Full), and
// does not nest: an Update inside an Update waits for itself until its
// context ends.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/internal/durable"
)

// ErrFull marks an update refused because disk or quota is used up. Nothing
// was written; the same update works once there is space.
var ErrFull = errors.New("no space left for records: free space on the disk of the database, then try again")

// ErrClosed says that the database was closed.
var ErrClosed = errors.New("store is closed")

// Full reports whether err means that disk or quota is used up.
func Full(err error) bool { return errors.Is(err, ErrFull) || durable.Full(err) }

// Dialect is what differs between the engines.
type Dialect struct {
	// Name is "sqlite" or "postgres".
	Name string
	// Retry reports whether a transaction that failed with err wrote nothing
	// and may succeed when run again.
	Retry func(err error) bool
	// Full reports whether err is the engine's way to say "no space".
	Full func(err error) bool
	// Write and Read are the options of the transactions for Update and View.
	Write, Read *sql.TxOptions
}

// DB is a database of records. All methods may be called concurrently.
type DB struct {
	write   *sql.DB // one connection: updates of this process queue here
	read    *sql.DB
	dialect Dialect
	closed  atomic.Bool
}

// New joins the two pools of an engine. It takes ownership of both; write is
// limited to one connection. Implementations call it, others call their Open.
func New(write, read *sql.DB, dialect Dialect) *DB {
	write.SetMaxOpenConns(1)
	return &DB{write: write, read: read, dialect: dialect}
}

// Dialect tells the engine.
func (db *DB) Dialect() Dialect { return db.dialect }

// Close waits for running transactions to end and closes the database.
func (db *DB) Close() error {
	db.closed.Store(true)
	if err := errors.Join(db.read.Close(), db.write.Close()); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// Update runs fn in a transaction and commits it durably. An error or a
// panic of fn rolls everything back and is passed on. A statement of fn that
// ran into a full disk makes the error one that Full recognises.
func (db *DB) Update(ctx context.Context, fn func(*sql.Tx) error) error {
	return db.retry(ctx, func() error {
		return transact(ctx, db.write, db.dialect.Write, fn)
	})
}

// View runs fn in a read-only transaction that sees one moment: what all
// updates that returned before View was called have written.
func (db *DB) View(ctx context.Context, fn func(*sql.Tx) error) error {
	return db.retry(ctx, func() error {
		return transact(ctx, db.read, db.dialect.Read, fn)
	})
}

// BeginError says that a transaction could not begin: nothing was written.
type BeginError struct{ Err error }

func (e *BeginError) Error() string { return "begin transaction: " + e.Err.Error() }
func (e *BeginError) Unwrap() error { return e.Err }

// transact runs one attempt. The commit is not tied to ctx: one that was cut
// off in the middle would leave the caller in doubt.
func transact(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, fn func(*sql.Tx) error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return &BeginError{err}
	}
	defer conn.Close()
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), opts)
	if err != nil {
		return &BeginError{err}
	}
	defer tx.Rollback() // also when fn panics; after Commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// attempts and the pauses between them bound how long a transaction fights
// with other processes, or waits for a server that restarts: about fifteen
// seconds.
const (
	attempts   = 25
	firstPause = 2 * time.Millisecond
	maxPause   = time.Second
)

// retry runs attempt until it succeeds, fails for good, or has lost too many
// conflicts.
func (db *DB) retry(ctx context.Context, attempt func() error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := attempt()
		switch {
		case err == nil:
			return nil
		case db.closed.Load():
			return fmt.Errorf("%w: %w", ErrClosed, err)
		case db.dialect.Full(err):
			return fmt.Errorf("%w: %w", ErrFull, err)
		case !db.dialect.Retry(err):
			return err
		case n == attempts:
			return fmt.Errorf("the database stayed busy or away for %d attempts; look at its other users, then try again: %w", n, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, maxPause)
	}
}
