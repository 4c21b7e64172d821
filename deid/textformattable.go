package deid

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cordon-health/cordon/classify"
)

// The bounds of reading a table: the longest row, how many rows say what a
// column without a telling heading is, and how many bytes of them.
const (
	rowMost     = 16 << 20
	sampleRows  = 256
	sampleBytes = 4 << 20
	columnMost  = 4096
)

// cleanTable rewrites CSV and its relatives cell by cell. Separators, quotes
// and line ends stay; from is UTF-8.
func (v *textValues) cleanTable(ctx context.Context, from io.Reader, sep byte, out io.Writer) error {
	t := &tableCleaner{textValues: v, in: bufio.NewReaderSize(from, 1<<16), out: bufio.NewWriterSize(out, 1<<16), sep: sep}
	rows, err := t.sample()
	if err != nil {
		return err
	}
	t.judge(rows)
	for i, row := range rows {
		t.write(row, i == 0 && t.headed)
	}
	for !t.eof {
		row, err := t.row()
		if err != nil {
			return err
		}
		t.write(row, false)
		if v.report.Records%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// tableCleaner is one table on its way.
type tableCleaner struct {
	*textValues
	in     *bufio.Reader
	out    *bufio.Writer
	sep    byte
	eof    bool
	headed bool
	fields []string
	kinds  []classify.Kind
	cells  []rawCell
	line   []byte
}

// rawCell is a cell as it stands in a row, its quotes included.
type rawCell struct {
	from, to int
	clean    []byte // what goes out; nil where it stays
}

func (t *tableCleaner) sample() (rows [][]byte, err error) {
	for size := 0; len(rows) < sampleRows && size < sampleBytes && !t.eof; {
		row, err := t.row()
		if err != nil {
			return nil, err
		}
		rows = append(rows, bytes.Clone(row))
		size += len(row)
	}
	return rows, nil
}

// row reads a row with its line end: to the first that stands in no quotes.
func (t *tableCleaner) row() ([]byte, error) {
	t.line = t.line[:0]
	state := cellBegins
	for {
		part, err := t.in.ReadSlice('\n')
		t.line = append(t.line, part...)
		state = t.through(state, part)
		switch {
		case errors.Is(err, io.EOF):
			t.eof = true
			if state == cellQuoted {
				return nil, errors.New("a quote of the table is never closed; correct it, or choose another profile")
			}
			return t.line, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("read a table: %w", err)
		case len(t.line) > rowMost:
			return nil, errors.New("a row of the table is longer than 16 MiB; a quote may be missing")
		case err == nil && state != cellQuoted:
			return t.line, nil
		}
	}
}

// cellState is where in a cell a reader is.
type cellState uint8

const (
	cellBegins cellState = iota
	cellPlain
	cellQuoted
	cellQuote // behind a quote that ends the cell or is doubled
)

func (t *tableCleaner) through(state cellState, part []byte) cellState {
	for _, c := range part {
		state = t.step(state, c)
	}
	return state
}

func (t *tableCleaner) step(state cellState, c byte) cellState {
	switch {
	case state == cellQuoted && c != '"':
		return cellQuoted
	case state == cellQuoted:
		return cellQuote
	case c == '"' && (state == cellBegins || state == cellQuote):
		return cellQuoted
	case c == t.sep || c == '\n':
		return cellBegins
	case state == cellQuote:
		return cellQuote
	}
	return cellPlain
}

// split finds the cells of a row without its line end.
func (t *tableCleaner) split(row []byte) {
	t.cells = t.cells[:0]
	state, from := cellBegins, 0
	for i, c := range row {
		state = t.step(state, c)
		if state == cellBegins {
			t.cells = append(t.cells, rawCell{from: from, to: i})
			from = i + 1
		}
	}
	t.cells = append(t.cells, rawCell{from: from, to: len(row)})
}

// bare is a row without its line end and byte order mark.
func bare(row []byte) []byte { return bytes.TrimRight(row, "\r\n") }

// value is what a cell says, without its quotes.
func (t *tableCleaner) value(row []byte, c rawCell) []byte {
	raw := row[c.from:c.to]
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return raw
	}
	return bytes.ReplaceAll(raw[1:len(raw)-1], []byte(`""`), []byte(`"`))
}

// judge says what each column is: by its heading, or by what most of its first
// cells are.
func (t *tableCleaner) judge(rows [][]byte) {
	if len(rows) == 0 {
		return
	}
	first := bare(rows[0])
	t.split(first)
	t.headed = t.heads(first)
	body := rows
	if t.headed {
		for _, c := range t.cells[:min(len(t.cells), columnMost)] {
			field := strings.TrimSpace(string(t.value(first, c)))
			t.fields, t.kinds = append(t.fields, field), append(t.kinds, t.heading(field))
		}
		body = rows[1:]
	}
	counts := make([]columnCount, 0, 16)
	for _, row := range body {
		row = bare(row)
		t.split(row)
		for i, c := range t.cells[:min(len(t.cells), columnMost)] {
			for len(counts) <= i {
				counts = append(counts, columnCount{last: -1})
			}
			t.count(&counts[i], i, bytes.TrimSpace(t.value(row, c)))
		}
	}
	for i := range counts {
		for len(t.kinds) <= i {
			t.kinds, t.fields = append(t.kinds, classify.None), append(t.fields, "")
		}
		if t.kinds[i] == classify.None {
			t.kinds[i] = counts[i].kind()
		}
	}
	t.headed = t.headed || t.aboveCodes(first)
}

// aboveCodes says whether the first row is headings that nobody knows: words
// over a column of numbers.
func (t *tableCleaner) aboveCodes(first []byte) bool {
	t.split(first)
	for i, c := range t.cells {
		words := t.kindAt(i) == classify.None || t.kindAt(i) == classify.Name || t.kindAt(i) == classify.Address || t.kindAt(i) == classify.Organization
		if value := t.value(first, c); !words && len(value) > 0 && len(value) <= 64 && !bytes.ContainsAny(value, "0123456789") {
			return true
		}
	}
	return false
}

// heads says whether the first row is headings: at least one is known.
func (t *tableCleaner) heads(row []byte) bool {
	for _, c := range t.cells {
		field := strings.TrimSpace(string(t.value(row, c)))
		if len(field) <= 64 && t.heading(field) != classify.None && !strings.ContainsAny(field, "0123456789") {
			return true
		}
	}
	return false
}

// columnCount is what the first cells of a column are.
type columnCount struct {
	filled, coded, counting int
	last                    int64
	kinds                   map[classify.Kind]int
	seen                    map[string]bool
}

func (t *tableCleaner) count(n *columnCount, column int, value []byte) {
	if column < len(t.kinds) && t.kinds[column] != classify.None {
		t.learn(t.kinds[column], value)
		return
	}
	if len(value) == 0 {
		return
	}
	if n.kinds == nil {
		n.kinds, n.seen = map[classify.Kind]int{}, map[string]bool{}
	}
	n.filled++
	n.seen[string(value[:min(len(value), 64)])] = true
	if len(value) > 160 {
		return
	}
	for _, p := range t.find(classify.None, "", value) {
		if (p.to-p.from)*4 >= len(value)*3 {
			n.kinds[p.kind]++
		}
	}
	n.code(value)
}

// code counts a cell that may be somebody's code, and one that only goes on
// counting.
func (n *columnCount) code(value []byte) {
	digits, number := 0, int64(0)
	for _, c := range value {
		switch {
		case isDigit(c):
			digits++
			number = number%1e16*10 + int64(c-'0')
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '/', c == '_', c == '#':
		default:
			return
		}
	}
	if digits < 2 || len(value) < 4 || len(value) > 64 || digits < len(value) && digits < 5 && bytes.ContainsAny(value, "-/") {
		return
	}
	n.coded++
	if digits == len(value) {
		if number == n.last+1 {
			n.counting++
		}
		n.last = number
	}
}

// kind is what a column is by its cells.
func (n *columnCount) kind() classify.Kind {
	for kind, cells := range n.kinds {
		words := kind == classify.Name || kind == classify.Address || kind == classify.Organization
		switch {
		case !identifies(kind) || isDate(kind) || kind == classify.Age:
		case words && n.filled >= 8 && cells*100 >= n.filled*80 && len(n.seen) >= 5,
			!words && n.filled >= 4 && cells*100 >= n.filled*60:
			return kind
		}
	}
	if n.filled >= 20 && n.coded*100 >= n.filled*95 && len(n.seen)*100 > n.filled*95 && n.counting*100 < n.filled*90 {
		return classify.Unique
	}
	return classify.None
}

// write cleans a row: first the cells whose columns say what they are, so that
// the texts beside them are searched for them.
func (t *tableCleaner) write(line []byte, head bool) {
	row := bare(line)
	t.split(row)
	t.known.reset()
	t.owner(row)
	for _, texts := range []bool{false, true} {
		for i := range t.cells {
			if (head || t.kindAt(i) == classify.None) == texts {
				t.cell(row, i, head)
			}
		}
	}
	for i, c := range t.cells {
		if i > 0 {
			_ = t.out.WriteByte(t.sep) // Flush tells
		}
		if c.clean == nil {
			_, _ = t.out.Write(row[c.from:c.to])
		} else {
			_, _ = t.out.Write(c.clean)
		}
	}
	_, _ = t.out.Write(line[len(row):])
	if len(row) > 0 && !head {
		t.report.Records++
	}
}

func (t *tableCleaner) kindAt(i int) classify.Kind {
	if i < len(t.kinds) {
		return t.kinds[i]
	}
	return classify.None
}

// owner is the record number of the row.
func (t *tableCleaner) owner(row []byte) {
	for i, kind := range t.kinds {
		if kind == classify.MRN && i < len(t.cells) {
			t.about(t.value(row, t.cells[i]))
			return
		}
	}
}

func (t *tableCleaner) cell(row []byte, i int, head bool) {
	value := t.value(row, t.cells[i])
	var out []byte
	switch {
	case head:
		out = t.key(nil, value)
	case i < len(t.fields):
		out = t.clean(nil, t.kinds[i], t.fields[i], value)
	default:
		out = t.clean(nil, classify.None, "", value)
	}
	if bytes.Equal(out, value) {
		return
	}
	if raw := row[t.cells[i].from:t.cells[i].to]; len(raw) > 0 && raw[0] == '"' {
		quoted := append([]byte{'"'}, bytes.ReplaceAll(out, []byte(`"`), []byte(`""`))...)
		t.cells[i].clean = append(quoted, '"')
		return
	}
	t.cells[i].clean = appendCell([]byte{}, string(out), rune(t.sep))
}

// separatorOf guesses what stands between the cells of a table's beginning; it
// is sure where nearly all of at least four lines have it equally often.
func separatorOf(text []byte, whole bool) (sep byte, sure bool) {
	lines := bytes.Split(text, []byte{'\n'})
	if !whole && len(lines) > 1 {
		lines = lines[:len(lines)-1] // it is cut
	}
	best := 0
	for _, c := range []byte("\t|;,") {
		counts, full := map[int]int{}, 0
		for _, line := range lines {
			if line = bytes.TrimRight(line, "\r"); len(line) > 0 {
				counts[separators(line, c)]++
				full++
			}
		}
		for n, times := range counts {
			if (n >= 2 || n == 1 && c == '\t') && times >= 4 && times*100 >= full*95 && n*times > best {
				sep, best = c, n*times
			}
		}
	}
	if best > 0 {
		return sep, true
	}
	first, _, _ := bytes.Cut(text, []byte{'\n'})
	sep = ','
	for _, c := range []byte(",\t;|") {
		if n := separators(first, c); n > best {
			sep, best = c, n
		}
	}
	return sep, false
}

// separators counts a sign outside of quotes.
func separators(line []byte, sep byte) (n int) {
	quoted := false
	for _, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			n++
		}
	}
	return n
}
