// Package postgres keeps the records in a PostgreSQL database, version 13 or
// newer, which any number of nodes may share.
//
// Updates are serializable transactions: they have the effect of running one
// after another across all nodes, and one that lost against another is run
// again. Views are repeatable-read, so each sees one moment. Commits wait for
// the disk of the server (synchronous_commit is set for each connection), and
// a server that was told not to use its disk properly (fsync=off) is refused.
// Whether a commit also waits for standby servers is the server's setting.
//
// The tables live in the schema that the user's search_path names first. The
// user needs the right to create tables there; nothing else is needed.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/cordon-health/cordon/store"
)

const (
	readers  = 8               // how many views of this node run at once
	keepIdle = 5 * time.Minute // firewalls forget quiet connections
)

// Open connects to the database at url: postgres://user:password@host/name,
// with the parameters that libpq has (sslmode, sslrootcert, ...), or
// "key=value" pairs.
func Open(ctx context.Context, url string) (*store.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		// pgx leaves the password out of this error.
		return nil, fmt.Errorf("address of the records' database: %w", err)
	}
	cfg.RuntimeParams["application_name"] = "cordon"
	cfg.RuntimeParams["synchronous_commit"] = "on"
	write, read := pool(cfg), pool(cfg)
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	if err := check(ctx, write); err != nil {
		err = fmt.Errorf("open records in database %s on %s: %w", cfg.Database, cfg.Host, err)
		return nil, errors.Join(err, write.Close(), read.Close())
	}
	return store.New(write, read, store.Dialect{
		Name:  "postgres",
		Retry: conflict,
		Full:  func(err error) bool { return state(err) == "53100" },
		Write: &sql.TxOptions{Isolation: sql.LevelSerializable},
		Read:  &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	}), nil
}

func pool(cfg *pgx.ConnConfig) *sql.DB {
	db := stdlib.OpenDB(*cfg)
	db.SetConnMaxIdleTime(keepIdle)
	return db
}

func check(ctx context.Context, db *sql.DB) error {
	var version int
	var fsync string
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('fsync')`).Scan(&version, &fsync)
	if err != nil {
		return err
	}
	if version < 130000 {
		return fmt.Errorf("the server is version %d.x; 13 or newer is needed", version/10000)
	}
	if fsync != "on" {
		return errors.New("the server runs with fsync=off and would lose records in a power cut; set fsync=on in postgresql.conf")
	}
	return nil
}

func state(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// conflict reports that a transaction lost against another one, or that its
// connection broke before it began or anything was sent.
func conflict(err error) bool {
	code := state(err)
	if code == "40001" || code == "40P01" { // serialization failure, deadlock
		return true
	}
	if begin, ok := errors.AsType[*store.BeginError](err); ok {
		return away(begin, code)
	}
	return pgconn.SafeToRetry(err)
}

// away reports that the server cannot be reached now: it is starting,
// stopping, or its connection broke. A refused password is not that.
func away(err error, code string) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return code == "" || strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "08")
}
