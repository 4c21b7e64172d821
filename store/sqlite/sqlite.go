// Package sqlite keeps the records in one file, inside the process.
//
// The file is in write-ahead mode with full sync, so a commit is on the disk
// before it returns and readers never wait for the writer. One connection
// writes, several read; processes on the same machine may share the file. It
// belongs on a local disk: network file systems do not keep SQLite's locks.
//
// Beside the file stand FILE-wal and FILE-shm while it is open. Copying the
// file of a running process without them loses the newest records; stop it
// first, or use VACUUM INTO.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/store"
)

// readers is how many views run at once; more wait.
const readers = 8

// Open opens the database file at path, creating it and its folder when
// missing, readable by the owner only.
func Open(ctx context.Context, path string) (*store.DB, error) {
	db, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open records in %s: %w", path, err)
	}
	return db, nil
}

func open(ctx context.Context, path string) (*store.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := create(path); err != nil {
		return nil, err
	}
	write, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return nil, err
	}
	// The first connection of the writer turns write-ahead mode on; readers
	// come after it.
	if err := write.PingContext(ctx); err != nil {
		return nil, errors.Join(hint(err), write.Close())
	}
	read, err := sql.Open("sqlite", dsn(path, true))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	dialect := store.Dialect{
		Name:  "sqlite",
		Retry: busy,
		Full:  func(err error) bool { return full(err, filepath.Dir(path)) },
		Write: &sql.TxOptions{},
		Read:  &sql.TxOptions{ReadOnly: true},
	}
	return store.New(write, read, dialect), nil
}

// create makes an empty database file. SQLite takes its access rights over
// to the files beside it.
func create(path string) error {
	dir := filepath.Dir(path)
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// dsn is the data source name. Writers take the lock when they begin, so no
// transaction finds out in its middle that it must start again.
func dsn(path string, readOnly bool) string {
	q := url.Values{
		"_busy_timeout": {"1000"}, // milliseconds; store retries beyond it
		"_foreign_keys": {"on"},
		"_synchronous":  {"FULL"},
		"_dqs":          {"false"},
		"_pragma":       {"temp_store(MEMORY)"},
	}
	if readOnly {
		q.Set("_query_only", "on")
	} else {
		q.Set("_journal_mode", "WAL")
		q.Set("_txlock", "immediate")
		q.Add("_pragma", "journal_size_limit(67108864)")
	}
	path = "/" + strings.TrimPrefix(filepath.ToSlash(path), "/") // also C:/ on Windows
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// primary is the part of SQLite's extended result code that names its kind.
const primary = 0xff

func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & primary
	}
	return sqlite3.SQLITE_OK
}

func busy(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
}

// full also recognises the errors which SQLite returns instead of "full" when
// it cannot enlarge or create the files beside the database.
func full(err error, dir string) bool {
	switch code(err) {
	case sqlite3.SQLITE_FULL:
		return true
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		free, ferr := durable.Free(dir)
		return ferr == nil && free < 1<<20
	}
	return durable.Full(err)
}

// hint adds what to do to an error of the first connection.
func hint(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("the file is damaged or no database; restore it from a backup: %w", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("the file cannot be written; check owner and rights of it and its folder: %w", err)
	}
	return err
}
