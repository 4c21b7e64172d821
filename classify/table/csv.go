package table

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/cordon-health/cordon/classify"
)

// csvReader reads rows of cells: separated by commas, tabs, semicolons or
// bars, with quotes or without, with a heading or without.
type csvReader struct{}

var _ classify.Reader = csvReader{}

// Name is csv.
func (csvReader) Name() string { return "csv" }

// Claims goes by the name, or by lines that all have as many separators.
func (csvReader) Claims(name string, head []byte) bool {
	text, ok := classify.TextBegins(head)
	if !ok || len(text) == 0 {
		return false
	}
	if ends(name, ".csv", ".tsv", ".tab", ".psv") {
		return true
	}
	_, sure := separator(text, false)
	return sure
}

// separator guesses what stands between cells. It is sure where at least four
// lines have it equally often.
func separator(text []byte, named bool) (byte, bool) {
	lines := bytes.Split(text, []byte{'\n'})
	if len(lines) > 1 && len(text) >= 4000 {
		lines = lines[:len(lines)-1] // it may be cut
	}
	best, bestScore := byte(','), 0
	for _, sep := range []byte{'\t', '|', ';', ','} {
		counts := map[int]int{}
		full := 0
		for _, line := range lines {
			if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
				continue
			}
			full++
			counts[countOutside(line, sep)]++
		}
		for n, lines := range counts {
			least := 2
			if sep == '\t' {
				least = 1
			}
			if n >= least && lines >= 4 && lines*100 >= full*95 && n*lines > bestScore {
				best, bestScore = sep, n*lines
			}
		}
	}
	if bestScore > 0 || !named {
		return best, bestScore > 0
	}
	first, _, _ := bytes.Cut(text, []byte{'\n'})
	for _, sep := range []byte{',', '\t', ';', '|'} {
		if n := countOutside(first, sep); n > bestScore {
			best, bestScore = sep, n
		}
	}
	return best, false
}

// countOutside counts separators outside quotes.
func countOutside(line []byte, sep byte) int {
	n, quoted := 0, false
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

// Read gives every cell, with its column's heading.
func (csvReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	r, base, exact, err := classify.Text(src)
	if err != nil {
		return err
	}
	rows := &rowReader{r: r, base: base, buf: make([]byte, 0, blockBytes), out: out}
	if !rows.more() {
		return rows.failed()
	}
	rows.sep, _ = separator(rows.buf[:min(len(rows.buf), 16<<10)], true)
	g := &grid{out: out, exact: exact}
	for n := int64(1); ; n++ {
		if n%256 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		cells, ok := rows.next()
		if !ok {
			return rows.failed()
		}
		if err := g.row(n, cells); err != nil {
			return err
		}
	}
}

// cell is one value of a row, and where it begins in the text.
type cell struct {
	text   []byte
	at     int64
	quoted bool // quotes inside it were taken off
}

// grid gives rows to a sink.
type grid struct {
	out   classify.Sink
	exact bool
	heads []string
	paths []string
}

func (g *grid) row(n int64, cells []cell) error {
	if n == 1 {
		if err := g.head(cells); err != nil || g.heads != nil {
			return err
		}
	}
	for i, c := range cells {
		if len(c.text) == 0 || i >= fieldsMost {
			continue
		}
		p := classify.Part{Path: g.path(i), Column: true, Record: n, Offset: -1, Text: c.text}
		if i < len(g.heads) {
			p.Field = g.heads[i]
		}
		if g.exact {
			p.Offset, p.Wide = c.at, c.quoted
		}
		if err := g.out.Part(p); err != nil {
			return err
		}
	}
	return nil
}

// head takes the first row as headings if it looks like some, and gives it as
// a text of its own all the same: it may be a row.
func (g *grid) head(cells []cell) error {
	if !heading(cells) {
		return nil
	}
	var line []byte
	g.heads = []string{}
	for _, c := range cells[:min(len(cells), fieldsMost)] {
		name := string(bytes.TrimSpace(c.text))
		g.heads = append(g.heads, name)
		if line = append(line, c.text...); len(line) < valueMost {
			line = append(line, '\t')
		}
	}
	return g.out.Part(classify.Part{Path: "heading", Record: 1, Offset: -1, Text: line})
}

// heading says whether a row is names of columns: short, each different, none
// a number.
func heading(cells []cell) bool {
	seen := map[string]bool{}
	for _, c := range cells {
		text := string(bytes.TrimSpace(c.text))
		digits := 0
		for _, b := range []byte(text) {
			if b >= '0' && b <= '9' {
				digits++
			}
		}
		if len(text) > 96 || digits > 4 || digits > 0 && digits == len(text) {
			return false
		}
		if text != "" && seen[text] {
			return false
		}
		seen[text] = true
	}
	return len(seen) > 1 || len(cells) == 1
}

// path is what a column is called.
func (g *grid) path(i int) string {
	for len(g.paths) <= i {
		n := len(g.paths)
		name := ""
		if n < len(g.heads) {
			name = g.heads[n]
		}
		if name == "" {
			name = "column " + strconv.Itoa(n+1)
		}
		g.paths = append(g.paths, name)
	}
	return g.paths[i]
}

// rowReader cuts a text into rows and cells.
type rowReader struct {
	r     io.Reader
	out   classify.Sink
	sep   byte
	base  int64 // of buf in the text
	buf   []byte
	at    int
	eof   bool
	err   error
	cells []cell
	room  []byte
}

// failed is what ended the text, nil at its true end.
func (r *rowReader) failed() error {
	if r.err == nil || errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

// more reads on; false at the end.
func (r *rowReader) more() bool {
	if r.eof {
		return false
	}
	if r.at > 0 {
		n := copy(r.buf[:cap(r.buf)], r.buf[r.at:])
		r.base += int64(r.at)
		r.buf, r.at = r.buf[:n], 0
	}
	if cap(r.buf) == len(r.buf) {
		r.buf = append(make([]byte, 0, 2*cap(r.buf)), r.buf...)
	}
	n, err := io.ReadAtLeast(r.r, r.buf[len(r.buf):cap(r.buf)], 1)
	r.buf = r.buf[:len(r.buf)+n]
	if err != nil {
		r.eof, r.err = true, err
	}
	return n > 0
}

// next is the next row that is not empty. Its cells are valid until then.
func (r *rowReader) next() ([]cell, bool) {
	for {
		end, after, quotes, ok := r.row()
		if !ok {
			return nil, false
		}
		line, base := r.buf[r.at:end], r.base+int64(r.at)
		r.at = after
		if len(line) == 0 {
			continue
		}
		r.cells, r.room = r.cells[:0], r.room[:0]
		if quotes {
			r.split(line, base)
		} else {
			r.splitPlain(line, base)
		}
		return r.cells, true
	}
}

// row finds the end of the row at the cursor: the first line break outside
// quotes. A quote that is never closed was none.
func (r *rowReader) row() (end, after int, quotes, ok bool) {
	from, even := r.at, true
	for {
		i := bytes.IndexByte(r.buf[from:], '\n')
		if i < 0 {
			seen := len(r.buf) - r.at
			if seen > valueMost {
				return r.tooLong()
			}
			if !r.more() {
				return len(r.buf), len(r.buf), bytes.IndexByte(r.buf[r.at:], '"') >= 0, r.at < len(r.buf)
			}
			from, even = r.at, true // counted again, once for each doubling
			continue
		}
		n := bytes.Count(r.buf[from:from+i], []byte{'"'})
		quotes = quotes || n > 0
		even = even == (n%2 == 0)
		from += i + 1
		if even {
			end = from - 1
			if end > r.at && r.buf[end-1] == '\r' {
				end--
			}
			return end, from, quotes, true
		}
		if from-r.at > valueMost {
			return r.tooLong()
		}
	}
}

// tooLong gives a row without an end up to its first line break, or as a piece.
func (r *rowReader) tooLong() (end, after int, quotes, ok bool) {
	if i := bytes.IndexByte(r.buf[r.at:], '\n'); i >= 0 {
		return r.at + i, r.at + i + 1, false, true
	}
	r.out.Unread("", classify.TooLarge)
	return r.at + valueMost, r.at + valueMost, false, true
}

func (r *rowReader) splitPlain(line []byte, base int64) {
	for {
		i := bytes.IndexByte(line, r.sep)
		if i < 0 {
			r.cells = append(r.cells, cell{text: line, at: base})
			return
		}
		r.cells = append(r.cells, cell{text: line[:i], at: base})
		line, base = line[i+1:], base+int64(i)+1
	}
}

func (r *rowReader) split(line []byte, base int64) {
	for {
		var c cell
		n := 0
		if len(line) > 0 && line[0] == '"' {
			c, n = r.quoted(line)
		} else {
			if n = bytes.IndexByte(line, r.sep); n < 0 {
				n = len(line)
			}
			c = cell{text: line[:n]}
		}
		c.at += base
		r.cells = append(r.cells, c)
		if n >= len(line) {
			return
		}
		line, base = line[n+1:], base+int64(n)+1
	}
}

// quoted reads a cell in quotes, and how far it goes.
func (r *rowReader) quoted(line []byte) (c cell, n int) {
	i, begun := 1, len(r.room)
	for {
		q := bytes.IndexByte(line[min(i, len(line)):], '"')
		if q < 0 {
			return cell{text: line[1:], at: 1}, len(line)
		}
		q += i
		if q+1 < len(line) && line[q+1] == '"' { // a quote, doubled
			r.room = append(r.room, line[i:q+1]...)
			c.quoted = true
			i = q + 2
			continue
		}
		end := bytes.IndexByte(line[q:], r.sep)
		if end < 0 {
			end = len(line) - q
		}
		if !c.quoted {
			return cell{text: line[1:q], at: 1}, q + end
		}
		r.room = append(r.room, line[i:q]...)
		return cell{text: r.room[begun:len(r.room):len(r.room)], at: 1, quoted: true}, q + end
	}
}
