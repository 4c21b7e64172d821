package office

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/classify"
)

const (
	// columnsMost is how many columns a sheet has: XFD.
	columnsMost = 16384
	// headRows is how many rows may stand above the headings.
	headRows = 6
)

// grid gives the cells of one sheet, row by row.
type grid struct {
	out   classify.Sink
	sheet string
	heads []string
	paths []string
	rows  int  // with content, so far
	done  bool // headings were found, or will not be
	row   int64
	cells []gridCell
	room  []byte
}

// gridCell is a cell of the row being read. Its text lies in room.
type gridCell struct {
	column, from, to int
	isText           bool
}

func (g *grid) add(column int, text []byte, isText bool) {
	if column >= columnsMost || len(text) == 0 {
		return
	}
	from := len(g.room)
	g.room = append(g.room, text...)
	// A row that begins within a cell leaves it without a column.
	g.cells = append(g.cells, gridCell{max(column, 0), from, len(g.room), isText})
}

// flush gives the row that was read.
func (g *grid) flush() error {
	cells := g.cells
	g.cells = g.cells[:0]
	defer func() { g.room = g.room[:0] }()
	if len(cells) == 0 {
		return nil
	}
	if g.rows++; !g.done {
		g.done = g.rows >= headRows
		if g.heading(cells) {
			g.done = true
			return g.head(cells)
		}
	}
	for _, c := range cells {
		text := g.room[c.from:c.to]
		if !c.isText && len(text) < 5 {
			continue
		}
		p := classify.Part{Path: g.path(c.column), Column: true, Record: g.row, Offset: -1, Text: text}
		if c.column < len(g.heads) {
			p.Field = g.heads[c.column]
		}
		if err := g.out.Part(p); err != nil {
			return err
		}
	}
	return nil
}

// heading says whether a row is names of columns: two or more short texts, each
// different, without numbers.
func (g *grid) heading(cells []gridCell) bool {
	seen := map[string]bool{}
	for _, c := range cells {
		text := string(bytes.TrimSpace(g.room[c.from:c.to]))
		digits := 0
		for _, b := range []byte(text) {
			if b >= '0' && b <= '9' {
				digits++
			}
		}
		if !c.isText || len(text) > 96 || digits > 4 || digits > 0 && digits == len(text) || seen[text] {
			return false
		}
		seen[text] = true
	}
	return len(seen) > 1
}

// head keeps the headings, and gives them as a text: they may be a row.
func (g *grid) head(cells []gridCell) error {
	var line []byte
	for _, c := range cells {
		for len(g.heads) <= c.column {
			g.heads = append(g.heads, "")
		}
		text := bytes.TrimSpace(g.room[c.from:c.to])
		g.heads[c.column] = string(text)
		line = append(append(line, text...), '\t')
	}
	return g.out.Part(classify.Part{Path: g.sheet + "!" + strconv.FormatInt(g.row, 10), Record: g.row, Offset: -1, Text: line})
}

// path is the name of a column: "Sheet1!C".
func (g *grid) path(column int) string {
	for len(g.paths) <= column {
		g.paths = append(g.paths, g.sheet+"!"+letters(len(g.paths)))
	}
	return g.paths[column]
}

// letters is a column in letters: 0 is A, 26 is AA.
func letters(column int) string {
	var b [4]byte
	i := len(b)
	for column >= 0 && i > 0 {
		i--
		b[i] = byte('A' + column%26)
		column = column/26 - 1
	}
	return string(b[i:])
}

// columnOf reads the letters of a reference such as C7; -1 where there are none.
func columnOf(ref []byte) int {
	n := 0
	for _, c := range ref {
		if c < 'A' || c > 'Z' || n > columnsMost {
			break
		}
		n = n*26 + int(c-'A') + 1
	}
	return n - 1
}

// whole writes a number without exponent where it is whole, as people see it.
func whole(dst, number []byte) []byte {
	if bytes.IndexByte(number, 'E') < 0 && bytes.IndexByte(number, 'e') < 0 {
		return append(dst, number...)
	}
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1e18 {
		return append(dst, number...)
	}
	return strconv.AppendInt(dst, int64(f), 10)
}

// day writes a date that a spreadsheet keeps as days since 1899-12-30.
func day(dst, number []byte, from1904 bool) []byte {
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil || f < 1 || f > 2_958_465 {
		return append(dst, number...)
	}
	if from1904 {
		f += 1462
	}
	t := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(f))
	return t.AppendFormat(dst, time.DateOnly)
}

// dateFormat says whether a format of numbers shows a date.
func dateFormat(id int, code string) bool {
	switch {
	case id >= 14 && id <= 17, id == 22, id >= 27 && id <= 36, id >= 50 && id <= 58:
		return true
	case id < 164:
		return false
	}
	quoted := false
	code = strings.ToLower(code)
	for i, c := range code {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted || i > 0 && code[i-1] == '\\':
		case c == '[':
			if strings.HasPrefix(code[i:], "[h") || strings.HasPrefix(code[i:], "[m") || strings.HasPrefix(code[i:], "[s") {
				return false
			}
		case c == 'y', c == '年':
			return true
		}
	}
	return strings.Contains(code, "d") && strings.Contains(code, "m") && !strings.Contains(code, "red")
}
