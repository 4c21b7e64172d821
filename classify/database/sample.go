package database

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/classify"
)

const (
	// documents is how many rows of a binary column are opened, document how
	// many bytes of each.
	documents = 20
	document  = 1 << 20
)

type column struct {
	name   string
	typ    string
	nature nature
	opened int
}

// tableReader reads the sample of one table as a file is read: a part for
// every cell, with the column's heading as its label.
type tableReader struct {
	database *Database
	table    table
	looked   int64
	bytes    int64
}

var _ classify.Reader = (*tableReader)(nil)

// Name implements classify.Reader.
func (*tableReader) Name() string { return "table" }

// Claims implements classify.Reader.
func (*tableReader) Claims(string, []byte) bool { return true }

// Read implements classify.Reader.
func (r *tableReader) Read(ctx context.Context, _ classify.Source, out classify.Sink) error {
	d := r.database
	ctx, cancel := context.WithTimeout(ctx, 4*d.options.Timeout)
	defer cancel()
	return d.reading(ctx, func(tx *sql.Tx) error {
		cols, err := r.columns(ctx, tx)
		if err != nil || len(cols) == 0 {
			return err
		}
		queries, err := r.queries(ctx, tx, cols)
		if err != nil {
			return err
		}
		for _, q := range queries {
			if err := r.rows(ctx, tx, q, cols, out); err != nil {
				return err
			}
		}
		if r.looked == 0 && r.table.rows > 0 { // a sample of pages may meet none
			return r.rows(ctx, tx, query{text: d.dialect.small(r.selected(cols), r.quoted(), d.options.Rows)}, cols, out)
		}
		return nil
	})
}

func (r *tableReader) quoted() string {
	q := r.database.dialect.quote
	return q(r.table.schema) + "." + q(r.table.name)
}

func (r *tableReader) columns(ctx context.Context, tx *sql.Tx) (cols []column, err error) {
	rows, err := tx.QueryContext(ctx, r.database.dialect.columns, r.table.schema, r.table.name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.typ); err != nil {
			return nil, err
		}
		if c.nature = natureOf(c.typ); c.nature != skip {
			cols = append(cols, c)
		}
	}
	return cols, rows.Err()
}

// selected lists the columns, each cut.
func (r *tableReader) selected(cols []column) string {
	d := r.database.dialect
	var parts []string
	for _, c := range cols {
		switch c.nature {
		case binary:
			parts = append(parts, d.binary(d.quote(c.name), document))
		case long:
			parts = append(parts, d.text(d.quote(c.name), cell))
		default:
			parts = append(parts, d.quote(c.name))
		}
	}
	return strings.Join(parts, ", ")
}

// query is a statement with its values.
type query struct {
	text string
	args []any
}

// queries are the statements that give the sample.
func (r *tableReader) queries(ctx context.Context, tx *sql.Tx, cols []column) ([]query, error) {
	d, n := r.database.dialect, r.database.options.Rows
	if r.table.rows < int64(n)*largeFrom {
		return []query{{text: d.small(r.selected(cols), r.quoted(), n)}}, nil
	}
	if d.driver == "mysql" {
		return r.keyset(ctx, tx, cols)
	}
	return []query{{text: d.large(r.selected(cols), r.quoted(), n, r.table.rows)}}, nil
}

// places is at how many places of a large table without page samples rows are
// read.
const places = 10

// keyset jumps through a whole-number primary key: a few rows from each of
// several places, each found by the index.
func (r *tableReader) keyset(ctx context.Context, tx *sql.Tx, cols []column) ([]query, error) {
	d, n := r.database.dialect, r.database.options.Rows
	fallback := []query{{text: d.large(r.selected(cols), r.quoted(), n, r.table.rows)}}
	key, err := wholeKey(ctx, tx, r.table)
	if err != nil || key == "" {
		return fallback, err
	}
	var low, high sql.NullInt64
	k := d.quote(key)
	if err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT MIN(%s), MAX(%s) FROM %s", k, k, r.quoted())).Scan(&low, &high); err != nil || !low.Valid {
		return fallback, err
	}
	var out []query
	step := (high.Int64 - low.Int64) / places
	for i := range int64(places) {
		from := low.Int64 + i*step
		out = append(out, query{fmt.Sprintf("SELECT %s FROM %s WHERE %s >= ? AND %s < ? ORDER BY %s LIMIT %d", r.selected(cols), r.quoted(), k, k, k, max(1, n/places)),
			[]any{from, map[bool]int64{true: high.Int64 + 1, false: from + step}[i == places-1]}})
	}
	return out, nil
}

// wholeKey is the only column of a primary key, when it is a whole number.
func wholeKey(ctx context.Context, tx *sql.Tx, t table) (string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT c.COLUMN_NAME, c.DATA_TYPE FROM information_schema.STATISTICS s
		JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = s.TABLE_SCHEMA AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME = s.COLUMN_NAME
		WHERE s.TABLE_SCHEMA = ? AND s.TABLE_NAME = ? AND s.INDEX_NAME = 'PRIMARY'`, t.schema, t.name)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var name, typ string
	n := 0
	for rows.Next() {
		if err := rows.Scan(&name, &typ); err != nil {
			return "", err
		}
		n++
	}
	if n != 1 || !strings.HasSuffix(strings.ToLower(typ), "int") {
		name = ""
	}
	return name, rows.Err()
}

// rows hands every cell of a statement's answer on.
func (r *tableReader) rows(ctx context.Context, tx *sql.Tx, q query, cols []column, out classify.Sink) error {
	rows, err := tx.QueryContext(ctx, q.text, q.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	cells := make([]any, len(cols))
	for i := range cells {
		cells[i] = new(any)
	}
	var buf []byte
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			return err
		}
		r.looked++
		for i := range cols {
			if buf, err = r.cell(&cols[i], *cells[i].(*any), buf[:0], out); err != nil {
				return sink{err}
			}
		}
	}
	return rows.Err()
}

func (r *tableReader) cell(c *column, v any, buf []byte, out classify.Sink) ([]byte, error) {
	text, ok := appendValue(buf, v)
	if !ok || len(text) == 0 {
		return text, nil
	}
	r.bytes += int64(len(text))
	path := r.table.name + "." + c.name
	if c.nature == binary {
		if c.opened++; c.opened > documents {
			return text, nil
		}
		return text, out.Member(fmt.Sprintf("%s row %d", path, r.looked), bytes.NewReader(text))
	}
	return text, out.Part(classify.Part{Path: path, Field: c.name, Record: r.looked, Offset: -1, Text: text})
}

// appendValue writes a cell as text; ok is false for what holds none.
func appendValue(dst []byte, v any) ([]byte, bool) {
	switch x := v.(type) {
	case string:
		return append(dst, x...), true
	case []byte:
		return append(dst, x...), true
	case int64:
		return strconv.AppendInt(dst, x, 10), true
	case time.Time:
		if x.Hour() == 0 && x.Minute() == 0 && x.Second() == 0 {
			return x.AppendFormat(dst, time.DateOnly), true
		}
		return x.AppendFormat(dst, time.RFC3339), true
	case nil, bool, float64, float32:
		return dst, false
	}
	return fmt.Append(dst, v), true
}
