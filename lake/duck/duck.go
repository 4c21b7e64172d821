//go:build cgo

// Package duck answers the lake's SQL with DuckDB inside the process. It
// gives the views events, records and explanations over the lake's files, and
// promises what lake.Engine promises: it only reads, and only the lake.
//
// Two walls keep a question from doing more than asking. A statement must be
// a single SELECT (WITH, DESCRIBE, SUMMARIZE, SHOW and EXPLAIN are forms of
// it; DuckDB's own parser decides). And the database has no access to the
// world outside the lake's folders, no extensions, and a locked configuration.
//
// DuckDB starts with the first question, in memory, with two threads and
// 256 MiB; larger sorts and joins go to temporary files in the given folder.
// The package needs cgo; without it New returns an engine whose Query fails
// with lake.ErrNoEngine. It owns no tables.
package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-health/cordon/lake"
)

// ErrRefused marks a statement that is not one question.
var ErrRefused = errors.New("only a single SELECT is answered")

type engine struct {
	dir string

	mu      sync.Mutex
	current *database
}

var _ lake.Engine = (*engine)(nil)

// New returns the engine; dir is for DuckDB's temporary files.
func New(dir string) lake.Engine { return &engine{dir: dir} }

// A database is DuckDB with access to some folders.
type database struct {
	folders []string
	db      *sql.DB

	// Owned by engine.mu.
	users int
	old   bool // close when the last user goes
}

// Close implements lake.Engine.
func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.current
	e.current = nil
	return d.retire()
}

// retire closes the database now or after its last query. engine.mu is held.
func (d *database) retire() error {
	if d == nil {
		return nil
	}
	if d.old = true; d.users > 0 {
		return nil
	}
	return d.db.Close()
}

func (e *engine) acquire(folders []string) (*database, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil || !slices.Equal(e.current.folders, folders) {
		db, err := e.open(folders)
		if err != nil {
			return nil, err
		}
		if err := e.current.retire(); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		e.current = &database{folders: slices.Clone(folders), db: db}
	}
	e.current.users++
	return e.current, nil
}

func (e *engine) release(d *database) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d.users--; d.old && d.users == 0 {
		return d.db.Close()
	}
	return nil
}

func (e *engine) open(folders []string) (*sql.DB, error) {
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder for SQL: %w", err)
	}
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, fmt.Errorf("start DuckDB: %w", err)
	}
	db := sql.OpenDB(connector)
	for _, s := range []string{
		"SET memory_limit = '256MiB'",
		"SET threads = 2",
		"SET temp_directory = " + quote(e.dir),
		"SET max_temp_directory_size = '16GiB'",
		"SET preserve_insertion_order = false",
		"SET parquet_metadata_cache = true",
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allowed_directories = " + list(folders),
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if _, err := db.Exec(s); err != nil {
			return nil, errors.Join(fmt.Errorf("start DuckDB: %w", err), db.Close())
		}
	}
	return db, nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func list(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// Query implements lake.Engine.
func (e *engine) Query(ctx context.Context, q lake.Query) (*lake.Rows, error) {
	d, err := e.acquire(q.Folders)
	if err != nil {
		return nil, err
	}
	rows, end, err := query(ctx, d.db, q)
	if err != nil {
		return nil, errors.Join(err, e.release(d))
	}
	r, err := answer(rows, func() error { return errors.Join(end(), e.release(d)) })
	if err != nil {
		return nil, errors.Join(err, end(), e.release(d))
	}
	return r, nil
}

func query(ctx context.Context, db *sql.DB, q lake.Query) (*sql.Rows, func() error, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to DuckDB: %w", err)
	}
	if err := createViews(ctx, conn, q); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	if err := conn.Raw(func(c any) error { return checkStatement(c.(driver.Conn), q.SQL) }); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	rows, err := conn.QueryContext(ctx, q.SQL, q.Args...)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("answer query: %w", err), conn.Close())
	}
	return rows, func() error { return errors.Join(rows.Close(), conn.Close()) }, nil
}

// checkStatement refuses what is not one SELECT. What EXPLAIN explains is
// looked at too, because EXPLAIN ANALYZE runs it.
func checkStatement(c driver.Conn, text string) error {
	for range 2 {
		s, err := c.Prepare(text)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		kind, err := s.(*duckdb.Stmt).StatementType()
		if err = errors.Join(err, s.Close()); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		switch kind {
		case duckdb.STATEMENT_TYPE_SELECT:
			return nil
		case duckdb.STATEMENT_TYPE_EXPLAIN:
			text = explained(text)
		default:
			return ErrRefused
		}
	}
	return ErrRefused
}

// explained is the statement after EXPLAIN and its options.
func explained(text string) string {
	text = strings.TrimSpace(text)
	if len(text) < len("explain") || !strings.EqualFold(text[:len("explain")], "explain") {
		return "" // a comment before it: refused
	}
	text = strings.TrimSpace(text[len("explain"):])
	if strings.HasPrefix(text, "(") {
		_, text, _ = strings.Cut(text, ")")
		return text
	}
	if len(text) > len("analyze") && strings.EqualFold(text[:len("analyze")], "analyze") {
		text = text[len("analyze"):]
	}
	return text
}

func answer(rows *sql.Rows, end func() error) (*lake.Rows, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	columns := make([]lake.Column, len(types))
	for i, t := range types {
		columns[i] = lake.Column{Name: t.Name(), Type: typeOf(t.DatabaseTypeName())}
	}
	row := make([]any, len(types))
	targets := make([]any, len(types))
	for i := range row {
		targets[i] = &row[i]
	}
	next := func() ([]any, error) {
		if !rows.Next() {
			if err := rows.Err(); err != nil {
				return nil, fmt.Errorf("read answer: %w", err)
			}
			return nil, io.EOF
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		for i, v := range row {
			row[i] = plain(v, types[i].DatabaseTypeName())
		}
		return row, nil
	}
	return lake.NewRows(columns, next, end), nil
}
