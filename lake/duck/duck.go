//go:build cgo

// Package duck answers the lake's SQL with DuckDB inside the process. It
// gives the views events, records and explanations over the lake's files, and
// promises what lake.Engine promises: it only reads, and only the lake.
//
// Three walls keep a question from doing more than asking. A statement must be
// a single SELECT (WITH, DESCRIBE, SUMMARIZE, SHOW TABLES and EXPLAIN are
// forms of it) whose tables are the three views and whose functions compute;
// DuckDB's own parser says what it names. The database has no access to the
// world outside one folder of its own, no extensions, and a locked
// configuration. And that folder holds only second names of the lake's files,
// which are read-only, so that there is nothing to spoil.
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
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/lake"
)

// ErrRefused marks a statement that is not one question.
var ErrRefused = errors.New("only a single SELECT is answered")

type engine struct {
	dir   string
	links links

	mu sync.Mutex
	db *sql.DB // nil before the first question
}

var _ lake.Engine = (*engine)(nil)

// New returns the engine; dir is for DuckDB's temporary files and its names of
// the lake's files, in folders sqltemp and sqlfiles that are emptied.
func New(dir string) lake.Engine {
	return &engine{dir: dir, links: links{dir: filepath.Join(dir, "sqlfiles")}}
}

// Close implements lake.Engine.
func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.db == nil {
		return nil
	}
	db := e.db
	e.db = nil
	return errors.Join(db.Close(), os.RemoveAll(e.links.dir))
}

func (e *engine) database() (*sql.DB, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.db != nil {
		return e.db, nil
	}
	if err := os.RemoveAll(e.temp()); err != nil {
		return nil, fmt.Errorf("clean folder for SQL: %w", err)
	}
	if err := e.links.open(); err != nil {
		return nil, err
	}
	db, err := e.open()
	if err != nil {
		return nil, err
	}
	e.db = db
	return db, nil
}

func (e *engine) temp() string { return filepath.Join(e.dir, "sqltemp") }

// maxSpill bounds the temporary files of all questions together; where less
// than four times as much is free, they get a quarter of it.
const maxSpill = 2 << 30

func (e *engine) spill() uint64 {
	free, err := durable.Free(e.dir)
	if err != nil {
		return maxSpill
	}
	return min(maxSpill, free/4)
}

func (e *engine) open() (*sql.DB, error) {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, fmt.Errorf("start DuckDB: %w", err)
	}
	db := sql.OpenDB(connector)
	for _, s := range []string{
		"SET memory_limit = '256MiB'",
		"SET threads = 2",
		"SET temp_directory = " + quote(e.temp()),
		fmt.Sprintf("SET max_temp_directory_size = '%dKiB'", e.spill()>>10),
		"SET preserve_insertion_order = false",
		"SET parquet_metadata_cache = true",
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allowed_directories = " + list([]string{e.links.dir}),
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
	db, err := e.database()
	if err != nil {
		return nil, err
	}
	paths := slices.Clone(q.Files)
	if q.Healed != "" {
		paths = append(paths, q.Healed)
	}
	names, err := e.links.add(paths)
	if err != nil {
		return nil, err
	}
	q.Files = names[:len(q.Files)]
	if q.Healed != "" {
		q.Healed = names[len(names)-1]
	}
	rows, end, err := query(ctx, db, q)
	if err != nil {
		e.links.drop(paths)
		return nil, err
	}
	r, err := answer(rows, func() error {
		defer e.links.drop(paths)
		return end()
	})
	if err != nil {
		defer e.links.drop(paths)
		return nil, errors.Join(err, end())
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
	text, err := checkQuestion(ctx, conn, q.SQL)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	if err := conn.Raw(func(c any) error { return checkStatement(c.(driver.Conn), text) }); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	rows, err := conn.QueryContext(ctx, text, q.Args...)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("answer query: %w", err), conn.Close())
	}
	return rows, func() error { return errors.Join(rows.Close(), conn.Close()) }, nil
}

// checkStatement asks DuckDB once more, of the very text that will run,
// whether it is a single statement that asks.
func checkStatement(c driver.Conn, text string) error {
	s, err := c.Prepare(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	kind, err := s.(*duckdb.Stmt).StatementType()
	if err = errors.Join(err, s.Close()); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	explains := kind == duckdb.STATEMENT_TYPE_EXPLAIN && explainWords.MatchString(text)
	if kind != duckdb.STATEMENT_TYPE_SELECT && !explains {
		return ErrRefused
	}
	return nil
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
