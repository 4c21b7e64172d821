package release

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cordon-health/cordon/internal/sheet"
)

// Table is a table in memory, column by column; a cell is an index into its
// column's dictionary. A table is not changed after it was made, so copies may
// share columns.
type Table struct {
	Columns []Column
	rows    int
}

// Column is one column of a table.
type Column struct {
	Name string
	// Values are the distinct values, in the order of their first cell.
	Values []string
	// Cells are indexes into Values, one for each row.
	Cells []uint32
}

// Bounds keep a hostile table from taking all memory. Zero values are the
// usual ones.
type Bounds struct {
	Rows, Columns int
	// Cell is the longest cell in bytes, Distinct what all different values of
	// a table may take together.
	Cell     int
	Distinct int64
}

func (b Bounds) usual() Bounds {
	if b.Rows == 0 {
		b.Rows = 50_000_000
	}
	if b.Columns == 0 {
		b.Columns = 1000
	}
	if b.Cell == 0 {
		b.Cell = 32 << 10
	}
	if b.Distinct == 0 {
		b.Distinct = 2 << 30
	}
	return b
}

// Rows is how many rows the table has.
func (t *Table) Rows() int { return t.rows }

// Column finds a column by name, nil where there is none.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Cell is one cell's text.
func (t *Table) Cell(row, column int) string {
	c := &t.Columns[column]
	return c.Values[c.Cells[row]]
}

// Header are the names of the columns.
func (t *Table) Header() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// builder makes a table row by row.
type builder struct {
	t     *Table
	index []map[string]uint32
	size  int64
	b     Bounds
}

func newBuilder(header []string, b Bounds) *builder {
	out := &builder{t: &Table{Columns: make([]Column, len(header))}, index: make([]map[string]uint32, len(header)), b: b.usual()}
	for i, name := range header {
		out.t.Columns[i].Name = name
		out.index[i] = map[string]uint32{}
	}
	return out
}

// add appends a row, whose strings the caller may use again.
func (b *builder) add(row []string) error {
	for i, v := range row {
		c := &b.t.Columns[i]
		code, ok := b.index[i][v]
		if !ok {
			if len(v) > b.b.Cell {
				return fmt.Errorf("a cell of column %d is longer than %d bytes", i+1, b.b.Cell)
			}
			if b.size += int64(len(v)) + 48; b.size > b.b.Distinct {
				return fmt.Errorf("the different values of the table take more than %d MiB: leave out columns of free text", b.b.Distinct>>20)
			}
			v = strings.Clone(v)
			code = uint32(len(c.Values))
			c.Values = append(c.Values, v)
			b.index[i][v] = code
		}
		c.Cells = append(c.Cells, code)
	}
	b.t.rows++
	return nil
}

// ReadTable reads CSV with a header line. The charset and what separates the
// columns are found from the beginning; separator, when not 0, is what the
// caller knows it to be. seen, when not nil, is told the rows so far.
func ReadTable(r io.Reader, separator rune, b Bounds, seen func(rows int)) (*Table, error) {
	b = b.usual()
	limit := &rowLimit{r: r, most: int64(b.Cell)*64 + 1<<20}
	text, comma := sheet.UTF8(limit)
	in := csv.NewReader(text)
	in.Comma, in.ReuseRecord, in.LazyQuotes = comma, true, false
	if separator != 0 {
		in.Comma = separator
	}
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the table is empty: it needs a header line with the names of the columns")
	}
	if err != nil {
		return nil, fmt.Errorf("read the header line: %w", rowError(err))
	}
	if header, err = names(header, b); err != nil {
		return nil, err
	}
	out := newBuilder(header, b)
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return out.t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read row %d: %w", out.t.rows+1, rowError(err))
		}
		limit.run = 0
		if out.t.rows >= b.Rows {
			return nil, fmt.Errorf("the table has more than %d rows: release it in parts", b.Rows)
		}
		if err := out.add(row); err != nil {
			return nil, fmt.Errorf("row %d: %w", out.t.rows+1, err)
		}
		if seen != nil && out.t.rows%(1<<16) == 0 {
			seen(out.t.rows)
		}
	}
}

// rowError keeps of a fault of CSV what holds no data.
func rowError(err error) error {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return fmt.Errorf("line %d, byte %d: %w", bad.Line, bad.Column, bad.Err)
	}
	return err
}

func names(header []string, b Bounds) ([]string, error) {
	if len(header) > b.Columns {
		return nil, fmt.Errorf("the table has %d columns, more than %d", len(header), b.Columns)
	}
	out, seen := make([]string, len(header)), map[string]int{}
	for i, name := range header {
		name = strings.Clone(strings.TrimSpace(name))
		switch {
		case name == "":
			return nil, fmt.Errorf("column %d has no name: add it to the header line", i+1)
		case seen[name] > 0: // it may be a row's cell where the header is missing
			return nil, fmt.Errorf("columns %d and %d have the same name: keep one, or add the header line if it is missing", seen[name], i+1)
		}
		seen[name], out[i] = i+1, name
	}
	return out, nil
}

// rowLimit ends a stream whose row does not end, such as one with a quote that
// nothing closes, before CSV gathers it in memory.
type rowLimit struct {
	r    io.Reader
	most int64
	run  int64 // bytes since the last whole row
}

func (w *rowLimit) Read(p []byte) (int, error) {
	if w.run > w.most {
		return 0, fmt.Errorf("a row is longer than %d bytes: this is no table, or a quote is not closed", w.most)
	}
	n, err := w.r.Read(p)
	w.run += int64(n)
	return n, err
}

// WriteCSV writes the table.
func (t *Table) WriteCSV(w io.Writer, separator rune) error {
	out := csv.NewWriter(w)
	if separator != 0 {
		out.Comma = separator
	}
	if err := out.Write(t.Header()); err != nil {
		return fmt.Errorf("write the header line: %w", err)
	}
	row := make([]string, len(t.Columns))
	for i := range t.rows {
		for j := range t.Columns {
			row[j] = t.Cell(i, j)
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("write row %d: %w", i+1, err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// NewTable makes a table of rows, all as long as the header.
func NewTable(header []string, rows [][]string) (*Table, error) {
	header, err := names(header, Bounds{}.usual())
	if err != nil {
		return nil, err
	}
	b := newBuilder(header, Bounds{})
	for i, row := range rows {
		if len(row) != len(header) {
			return nil, fmt.Errorf("row %d has %d cells where the header has %d", i+1, len(row), len(header))
		}
		if err := b.add(row); err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	return b.t, nil
}

// FromColumns makes a table of columns that are all of one length.
func FromColumns(columns []Column) *Table {
	t := &Table{Columns: columns}
	if len(columns) > 0 {
		t.rows = len(columns[0].Cells)
	}
	return t
}
