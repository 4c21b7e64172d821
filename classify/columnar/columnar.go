// Package columnar reads tables in files of their own: Parquet and SQLite. It
// gives [Readers]; each value comes with its table, column and row, and what is
// stored in a cell as a file (an image, a document) is a member. Avro and ORC
// are named and not read.
//
// What it guarantees. Files are read through the source alone: never locked,
// never written, with nothing beside them. A SQLite database is opened as it
// stands, so what an open program has only in its write-ahead file is missed,
// and said to be. Views, triggers and virtual tables are not run. Memory is a
// few rows, and values are cut at a bound.
package columnar

import (
	"bytes"
	"context"
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"github.com/cordon-health/cordon/classify"
)

const (
	// valueMost is how much of one value is looked at.
	valueMost = 1 << 20
	// footerMost bounds what a Parquet file says about itself.
	footerMost = 32 << 20
	// rowsAtOnce is how many rows are in memory.
	rowsAtOnce = 64
)

// Readers lists the readers of this package.
func Readers() []classify.Reader {
	return []classify.Reader{parquetReader{}, sqliteReader{}, unreadable{"avro", "Obj\x01"}, unreadable{"orc", "ORC"}}
}

// unreadable names a format that is not read.
type unreadable struct{ name, magic string }

var _ classify.Reader = unreadable{}

// Name is the format's.
func (u unreadable) Name() string { return u.name }

// Claims goes by the first bytes, behind which there must be others than text.
func (u unreadable) Claims(_ string, head []byte) bool {
	return bytes.HasPrefix(head, []byte(u.magic)) && !utf8.Valid(head[:len(head)-len(head)%4])
}

// Read says that it cannot.
func (u unreadable) Read(context.Context, classify.Source, classify.Sink) error {
	return classify.Because("files of the format "+u.name+" are not supported", "不支持 "+u.name+" 格式")
}

type parquetReader struct{}

var _ classify.Reader = parquetReader{}

// Name is parquet.
func (parquetReader) Name() string { return "parquet" }

// Claims goes by the first bytes; PARE is an encrypted file.
func (parquetReader) Claims(_ string, head []byte) bool {
	return bytes.HasPrefix(head, []byte("PAR1")) || bytes.HasPrefix(head, []byte("PARE"))
}

// Read gives the rows. The library panics at some damaged files.
func (parquetReader) Read(ctx context.Context, src classify.Source, out classify.Sink) (err error) {
	defer func() {
		if recover() != nil {
			err = classify.Damaged
		}
	}()
	if err := modestFooter(src); err != nil {
		return err
	}
	f, err := parquet.OpenFile(src, src.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return classify.Damaged
	}
	t := &table{ctx: ctx, out: out}
	for _, c := range f.Schema().Columns() {
		leaf, ok := f.Schema().Lookup(c...)
		t.columns = append(t.columns, newColumn(c, leaf, ok))
	}
	for _, group := range f.RowGroups() {
		if err := t.group(group); err != nil {
			return err
		}
	}
	return nil
}

// modestFooter looks at the end of the file, where its length of the rest is.
func modestFooter(src classify.Source) error {
	var end [8]byte
	if src.Size() < 12 {
		return classify.Truncated
	}
	if _, err := src.ReadAt(end[:], src.Size()-8); err != nil {
		return classify.Truncated
	}
	switch string(end[4:]) {
	case "PAR1":
	case "PARE":
		return classify.Encrypted
	default:
		return classify.Truncated
	}
	if n := int64(binary.LittleEndian.Uint32(end[:])); n > footerMost || n > src.Size()-12 {
		return classify.TooLarge
	}
	return nil
}

// column is a leaf of the schema.
type column struct {
	path, field string
	date        bool
}

func newColumn(path []string, leaf parquet.LeafColumn, ok bool) column {
	c := column{field: path[len(path)-1]}
	for i, p := range path {
		if i > 0 {
			c.path += "."
		}
		c.path += p
	}
	if len(path) > 2 && (c.field == "element" || c.field == "item") {
		c.field = path[len(path)-3]
	}
	if ok {
		if l := leaf.Node.Type().LogicalType(); l != nil {
			c.date = l.String() == "DATE"
		}
	}
	return c
}

type table struct {
	ctx     context.Context //nolint:containedctx // it lives as long as one Read
	out     classify.Sink
	columns []column
	row     int64
	room    []byte
}

func (t *table) group(g parquet.RowGroup) error {
	rows := g.Rows()
	defer rows.Close()
	buf := make([]parquet.Row, rowsAtOnce)
	for {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		n, err := rows.ReadRows(buf)
		for _, row := range buf[:n] {
			t.row++
			for _, v := range row {
				if err := t.value(v); err != nil {
					return err
				}
			}
		}
		switch {
		case err == nil:
		case n == 0 && isEOF(err), isEOF(err):
			return nil
		default:
			t.out.Unread("row "+strconv.FormatInt(t.row, 10), classify.Damaged)
			return nil
		}
	}
}

func (t *table) value(v parquet.Value) error {
	i := v.Column()
	if v.IsNull() || i < 0 || i >= len(t.columns) {
		return nil
	}
	c := &t.columns[i]
	p := classify.Part{Path: c.path, Field: c.field, Column: true, Record: t.row, Offset: -1}
	t.room = t.room[:0]
	switch v.Kind() {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		b := v.ByteArray()
		return give(t.out, p, b)
	case parquet.Int32, parquet.Int64:
		n := v.Int64()
		if v.Kind() == parquet.Int32 {
			n = int64(v.Int32())
		}
		if c.date {
			t.room = dayText(t.room, n)
		} else if n > -10000 && n < 10000 {
			return nil
		} else {
			t.room = strconv.AppendInt(t.room, n, 10)
		}
	case parquet.Double:
		if f := v.Double(); f == float64(int64(f)) && f > 1e6 && f < 1e18 { // numbers that were read as measures
			t.room = strconv.AppendInt(t.room, int64(f), 10)
		}
	}
	if len(t.room) == 0 {
		return nil
	}
	p.Text = t.room
	return t.out.Part(p)
}

// give hands on a value: as text, or as a file that lies in the cell.
func give(out classify.Sink, p classify.Part, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if utf8.Valid(b[:min(len(b), valueMost)]) || len(b) > valueMost && utf8.Valid(b[:valueMost-4]) {
		p.Text = b[:min(len(b), valueMost)]
		return out.Part(p)
	}
	if text, ok := classify.TextBegins(b[:min(len(b), 4096)]); ok && len(b) <= 4096 && utf8.Valid(text) {
		p.Text = text
		return out.Part(p)
	}
	if len(b) < 16 {
		return nil
	}
	return out.Member(p.Path+"["+strconv.FormatInt(p.Record, 10)+"]", bytes.NewReader(b))
}
