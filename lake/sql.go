package lake

import (
	"context"
	"errors"
	"io"
)

// ErrNoEngine says that this program was built or configured without SQL.
var ErrNoEngine = errors.New("no SQL engine: use a build with cgo (lake/duck)")

// Engine answers SQL over Parquet files. lake/duck is one.
type Engine interface {
	// Query runs one read-only statement.
	Query(ctx context.Context, q Query) (*Rows, error)
	Close() error
}

// Query is a statement and the files it may see.
type Query struct {
	SQL  string
	Args []any
	// Files are paths of Parquet files with the lake's columns.
	Files []string
	// Corrections is the path of a Parquet file, "" when there are none.
	Corrections string
}

// Column is one column of an answer; Type is the engine's name of it.
type Column struct {
	Name string
	Type string
}

// Rows is an answer that is read row by row. It must be closed.
type Rows struct {
	Columns []Column
}

// NewRows is called by engines. next returns io.EOF after the last row.
func NewRows(columns []Column, next func() ([]any, error), close func() error) *Rows { panic("soon") }

// Next moves to the next row.
func (r *Rows) Next() bool { panic("soon") }

// Row is the present row; it is valid until Next.
func (r *Rows) Row() []any { panic("soon") }

// Err is the error that ended the rows.
func (r *Rows) Err() error { panic("soon") }

// Close ends the query.
func (r *Rows) Close() error { panic("soon") }

// Write writes all rows as "table", "csv", "json" (NDJSON) or "parquet", and
// closes them.
func (r *Rows) Write(w io.Writer, format string) error { panic("soon") }

// SQL answers one SELECT over the views events, records and explanations.
func (l *Lake) SQL(ctx context.Context, query string, args ...any) (*Rows, error) { panic("soon") }

type sqlCache struct{}

func (c *sqlCache) close() error { return nil }
