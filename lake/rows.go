package lake

import (
	"bufio"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/rivo/uniseg"
)

// Column is one column of an answer. Type is one of the constants below.
type Column struct {
	Name string
	Type string
}

// The types of columns. Text is also what has no other type here.
const (
	TypeInt   = "integer"
	TypeFloat = "number"
	TypeBool  = "boolean"
	TypeTime  = "time"
	TypeText  = "text"
)

// Rows is an answer that is read row by row. It must be closed. It belongs to
// one goroutine.
//
// Values are nil, bool, int64, float64, string, []byte, time.Time (UTC),
// *big.Int, []any or map[string]any.
type Rows struct {
	Columns []Column

	next  func() ([]any, error)
	close func() error
	row   []any
	err   error
}

// NewRows is called by engines. next returns io.EOF after the last row.
func NewRows(columns []Column, next func() ([]any, error), close func() error) *Rows {
	return &Rows{Columns: columns, next: next, close: close}
}

// Next moves to the next row; false after the last one or an error.
func (r *Rows) Next() bool {
	if r.err != nil {
		return false
	}
	r.row, r.err = r.next()
	return r.err == nil
}

// Row is the present row; it is valid until Next.
func (r *Rows) Row() []any { return r.row }

// Err is the error that ended the rows, nil when they came to their end.
func (r *Rows) Err() error {
	if errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

// Close ends the query. A second Close does nothing.
func (r *Rows) Close() error {
	if r.close == nil {
		return nil
	}
	end := r.close
	r.close = nil
	if r.err == nil {
		r.err = io.EOF
	}
	return end()
}

// Formats are the names that Write knows.
func Formats() []string { return []string{"table", "csv", "json", "parquet"} }

// Write writes all rows to w and closes them. "table" is for people, "csv" is
// RFC 4180 with a header, "json" is one object a line (NDJSON), "parquet" a
// file. Times are RFC 3339 with milliseconds, UTC.
func (r *Rows) Write(w io.Writer, format string) error {
	defer r.Close()
	var err error
	switch format {
	case "table":
		err = r.writeTable(w)
	case "csv":
		err = r.writeCSV(w)
	case "json":
		err = r.writeJSON(w)
	case "parquet":
		err = r.writeParquet(w)
	default:
		return fmt.Errorf("unknown format %q: use one of %s", format, strings.Join(Formats(), ", "))
	}
	if err = errors.Join(err, r.Err()); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// text is a value as people and spreadsheets read it.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.000Z")
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case []any, map[string]any:
		return string(appendJSON(nil, v))
	}
	return fmt.Sprint(v)
}

func appendJSON(dst []byte, v any) []byte {
	if t, ok := v.(time.Time); ok {
		v = text(t)
	}
	b, err := json.Marshal(v)
	if err != nil { // NaN and infinities have no JSON
		b, _ = json.Marshal(fmt.Sprint(v))
	}
	return append(dst, b...)
}

func (r *Rows) writeJSON(w io.Writer) error {
	out := bufio.NewWriter(w)
	var line []byte
	for r.Next() {
		line = append(line[:0], '{')
		for i, c := range r.Columns {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(appendJSON(line, c.Name), ':')
			line = appendJSON(line, r.row[i])
		}
		line = append(line, '}', '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (r *Rows) names() []string {
	names := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		names[i] = c.Name
	}
	return names
}

func (r *Rows) texts() []string {
	list := make([]string, len(r.row))
	for i, v := range r.row {
		list[i] = text(v)
	}
	return list
}

func (r *Rows) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(r.names()); err != nil {
		return err
	}
	for r.Next() {
		if err := out.Write(r.texts()); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// measureRows is how many rows a table is measured by before it is written.
const measureRows = 1000

func (r *Rows) writeTable(w io.Writer) error {
	out := bufio.NewWriter(w)
	var head [][]string
	right := make([]bool, len(r.Columns))
	for len(head) < measureRows && r.Next() {
		for i, v := range r.row {
			right[i] = right[i] || isNumber(v)
		}
		head = append(head, r.texts())
	}
	width := make([]int, len(r.Columns))
	for _, line := range append(head, r.names()) {
		for i, s := range line {
			width[i] = max(width[i], uniseg.StringWidth(clean(s)))
		}
	}
	writeLine(out, r.names(), width, right)
	rule := make([]string, len(width))
	for i, n := range width {
		rule[i] = strings.Repeat("-", n)
	}
	writeLine(out, rule, width, right)
	for _, line := range head {
		writeLine(out, line, width, right)
	}
	for r.Next() {
		writeLine(out, r.texts(), width, right)
	}
	return out.Flush()
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64, *big.Int:
		return true
	}
	return false
}

// clean keeps control characters from a terminal.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return ' '
		}
		return c
	}, s)
}

// writeLine writes the cells of a line; errors stay in out until Flush.
func writeLine(out *bufio.Writer, cells []string, width []int, right []bool) {
	var line strings.Builder
	for i, s := range cells {
		s = clean(s)
		pad := strings.Repeat(" ", max(width[i]-uniseg.StringWidth(s), 0))
		if right[i] {
			line.WriteString(pad + s + "  ")
		} else {
			line.WriteString(s + pad + "  ")
		}
	}
	out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// writeParquet keeps numbers, truths and times as such; all else is text.
func (r *Rows) writeParquet(w io.Writer) error {
	root := ordered{Group: parquet.Group{}}
	for _, c := range r.Columns {
		name := c.Name
		for i := 2; root.Group[name] != nil; i++ {
			name = fmt.Sprintf("%s_%d", c.Name, i)
		}
		root.Group[name] = parquetNode(c.Type)
		root.names = append(root.names, name)
	}
	out := parquet.NewGenericWriter[any](w, parquet.NewSchema("answer", root), parquet.Compression(&parquet.Zstd))
	row := make(parquet.Row, len(r.Columns))
	for r.Next() {
		for i, c := range r.Columns {
			row[i] = parquetValue(c.Type, r.row[i], i)
		}
		if _, err := out.WriteRows([]parquet.Row{row}); err != nil {
			return err
		}
	}
	return out.Close()
}

// ordered is a group whose fields stand in the order of the answer.
type ordered struct {
	parquet.Group
	names []string
}

// Fields implements parquet.Node.
func (o ordered) Fields() []parquet.Field {
	fields := o.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return slices.Index(o.names, a.Name()) - slices.Index(o.names, b.Name())
	})
	return fields
}

func parquetNode(typ string) parquet.Node {
	switch typ {
	case TypeInt:
		return parquet.Optional(parquet.Int(64))
	case TypeFloat:
		return parquet.Optional(parquet.Leaf(parquet.DoubleType))
	case TypeBool:
		return parquet.Optional(parquet.Leaf(parquet.BooleanType))
	case TypeTime:
		return parquet.Optional(parquet.TimestampAdjusted(parquet.Microsecond, false))
	}
	return parquet.Optional(parquet.String())
}

func parquetValue(typ string, v any, column int) parquet.Value {
	var out parquet.Value
	switch v := v.(type) {
	case nil:
		return out.Level(0, 0, column)
	case int64:
		out = parquet.Int64Value(v)
	case float64:
		out = parquet.DoubleValue(v)
	case bool:
		out = parquet.BooleanValue(v)
	case time.Time:
		out = parquet.Int64Value(v.UnixMicro())
	}
	if typ == TypeText || out.IsNull() {
		out = parquet.ByteArrayValue([]byte(text(v)))
	}
	return out.Level(0, 1, column)
}
