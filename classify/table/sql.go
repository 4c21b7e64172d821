package table

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/classify"
)

// sqlReader reads dumps of databases: the rows of INSERT and REPLACE, and of
// COPY as PostgreSQL writes it, each value with its table and column. What
// stands elsewhere (comments, other statements) is text.
type sqlReader struct{}

var _ classify.Reader = sqlReader{}

// Name is sql.
func (sqlReader) Name() string { return "sql" }

// Claims goes by the name, or by how dumps begin.
func (sqlReader) Claims(name string, head []byte) bool {
	text := begins(head)
	if text == nil {
		return false
	}
	if ends(name, ".sql", ".ddl", ".dmp.sql") {
		return true
	}
	upper := bytes.ToUpper(text)
	for _, s := range []string{"-- MYSQL DUMP", "-- MARIADB DUMP", "-- POSTGRESQL DATABASE DUMP", "--\n-- POSTGRESQL DATABASE DUMP", "INSERT INTO ", "CREATE TABLE ", "PRAGMA FOREIGN_KEYS", "/*M!999999"} {
		if bytes.HasPrefix(upper, []byte(s)) {
			return true
		}
	}
	return false
}

// Read gives every value.
func (sqlReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	r, base, exact, err := classify.Text(src)
	if err != nil {
		return err
	}
	d := &dump{ctx: ctx, out: out, exact: exact, tables: map[string]*dumped{}}
	d.in = rowReader{r: r, base: base, buf: make([]byte, 0, blockBytes), out: out}
	return d.walk()
}

// dumped is a table of the dump.
type dumped struct {
	name    string
	columns []string
	paths   []string
	rows    int64
}

func (t *dumped) path(i int) string {
	for len(t.paths) <= i {
		n := len(t.paths)
		name := "column " + strconv.Itoa(n+1)
		if n < len(t.columns) {
			name = t.columns[n]
		}
		t.paths = append(t.paths, t.name+"."+name)
	}
	return t.paths[i]
}

type dump struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one Read
	out    classify.Sink
	in     rowReader
	exact  bool
	tables map[string]*dumped
	room   []byte
}

// need makes sure that so many bytes are there, if the file has them.
func (d *dump) need(n int) []byte {
	for len(d.in.buf)-d.in.at < n && d.in.more() {
	}
	return d.in.buf[d.in.at:]
}

// walk reads statement by statement.
func (d *dump) walk() error {
	for {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		d.space()
		b := d.need(4096)
		if len(b) == 0 {
			return d.in.failed()
		}
		var err error
		switch word := strings.ToUpper(string(firstWord(b))); word {
		case "INSERT", "REPLACE":
			err = d.insert()
		case "COPY":
			err = d.copy()
		case "CREATE":
			d.create()
			err = d.other()
		default:
			err = d.other()
		}
		if err != nil {
			return err
		}
	}
}

func firstWord(b []byte) []byte {
	n := 0
	for n < len(b) && n < 16 && letter(b[n]) {
		n++
	}
	return b[:n]
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// space passes over white space.
func (d *dump) space() {
	for {
		for d.in.at < len(d.in.buf) {
			switch d.in.buf[d.in.at] {
			case ' ', '\t', '\r', '\n', ';':
				d.in.at++
			default:
				return
			}
		}
		if !d.in.more() {
			return
		}
	}
}

// other gives a line that belongs to no row, as text.
func (d *dump) other() error {
	at := d.in.base + int64(d.in.at)
	line, _ := d.in.line()
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	p := classify.Part{Path: "statement", Offset: -1, Text: line}
	if d.exact {
		p.Offset = at
	}
	return d.out.Part(p)
}

// table finds or makes a table by its written name.
func (d *dump) table(name string) *dumped {
	t := d.tables[name]
	if t == nil {
		t = &dumped{name: name}
		if len(d.tables) < pathsMost {
			d.tables[name] = t
		}
	}
	return t
}

// words is a small cursor in a statement's beginning.
type words struct{ b []byte }

// next is the next word, name or sign; names come without their quotes.
func (w *words) next() string {
	w.b = bytes.TrimLeft(w.b, " \t\r\n")
	if len(w.b) == 0 {
		return ""
	}
	if end := strings.IndexByte("`\"[", w.b[0]); end >= 0 {
		quote := "`\"]"[end]
		if i := bytes.IndexByte(w.b[1:], quote); i >= 0 {
			s := string(w.b[1 : 1+i])
			w.b = w.b[i+2:]
			return s
		}
	}
	n := 0
	for n < len(w.b) && (letter(w.b[n]) || w.b[n] >= '0' && w.b[n] <= '9' || w.b[n] == '_' || w.b[n] == '$' || w.b[n] >= 0x80) {
		n++
	}
	n = max(n, 1)
	s := string(w.b[:n])
	w.b = w.b[n:]
	return s
}

// name reads a name with its schema, and gives what stands after the last dot.
func (w *words) name() string {
	s := w.next()
	for {
		w.b = bytes.TrimLeft(w.b, " \t\r\n")
		if len(w.b) == 0 || w.b[0] != '.' {
			return s
		}
		w.b = w.b[1:]
		s = w.next()
	}
}

// list reads names in brackets.
func (w *words) list() []string {
	var all []string
	w.b = bytes.TrimLeft(w.b, " \t\r\n")
	if len(w.b) == 0 || w.b[0] != '(' {
		return nil
	}
	w.b = w.b[1:]
	for len(all) < fieldsMost {
		switch s := w.next(); s {
		case "", ")":
			return all
		case ",":
		default:
			all = append(all, s)
		}
	}
	return all
}

// create learns a table's columns from its definition, if that is not longer
// than is looked ahead.
func (d *dump) create() {
	b := d.need(64 << 10)
	w := &words{b[:min(len(b), 64<<10)]}
	w.next()
	for s := w.next(); !strings.EqualFold(s, "TABLE"); s = w.next() {
		if s == "" || s == ";" || s == "(" {
			return
		}
	}
	save := *w
	if strings.EqualFold(w.next(), "IF") { // NOT EXISTS
		w.next()
		w.next()
	} else {
		*w = save
	}
	t := d.table(w.name())
	if w.next() != "(" {
		return
	}
	t.columns, t.paths = definitions(w), nil
}

// definitions reads the names of columns, each the first word after a comma
// outside brackets.
func definitions(w *words) []string {
	var all []string
	depth, first := 0, true
	for s := w.next(); s != "" && len(all) < fieldsMost; s = w.next() {
		switch s {
		case "(":
			depth++
		case ")":
			if depth--; depth < 0 {
				return all
			}
		case ",":
			first = depth == 0
			continue
		}
		if first && depth == 0 {
			switch strings.ToUpper(s) {
			case "PRIMARY", "KEY", "UNIQUE", "CONSTRAINT", "INDEX", "FULLTEXT", "FOREIGN", "CHECK":
			default:
				all = append(all, s)
			}
		}
		first = false
	}
	return all
}

// insert reads INSERT INTO t (columns) VALUES (…), (…);
func (d *dump) insert() error {
	b := d.need(64 << 10)
	w := &words{b[:min(len(b), 64<<10)]}
	w.next()
	name, ok := intoWhat(w)
	if !ok {
		return d.other()
	}
	t := d.table(name)
	if columns := w.list(); columns != nil && !slices.Equal(columns, t.columns) {
		t.columns, t.paths = columns, nil
	}
	for s := w.next(); !strings.EqualFold(s, "VALUES") && !strings.EqualFold(s, "VALUE"); s = w.next() {
		if s == "" || s == ";" {
			return d.other() // INSERT … SELECT
		}
	}
	d.in.at += min(len(b), 64<<10) - len(w.b)
	return d.rows(t)
}

// intoWhat passes over the words between INSERT and the table's name.
func intoWhat(w *words) (string, bool) {
	for {
		save := *w
		switch strings.ToUpper(w.next()) {
		case "":
			return "", false
		case "INTO", "IGNORE", "OR", "REPLACE", "DELAYED":
		default:
			*w = save
			return w.name(), true
		}
	}
}

// rows reads (…), (…) up to the end of the statement.
func (d *dump) rows(t *dumped) error {
	for {
		d.spaceOnly()
		b := d.need(1)
		if len(b) == 0 {
			return classify.Truncated
		}
		switch b[0] {
		case ',':
			d.in.at++
		case '(':
			d.in.at++
			t.rows++
			if t.rows%256 == 0 {
				if err := d.ctx.Err(); err != nil {
					return err
				}
			}
			if err := d.row(t); err != nil {
				return err
			}
		default:
			return nil // ";", ON DUPLICATE KEY, the next statement
		}
	}
}

func (d *dump) spaceOnly() {
	for b := d.need(1); len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\r' || b[0] == '\t'); b = d.need(1) {
		d.in.at++
	}
}

// row reads the values of one row, up to its bracket.
func (d *dump) row(t *dumped) error {
	for i, depth := 0, 0; ; {
		b := d.need(1)
		if len(b) == 0 {
			return classify.Truncated
		}
		switch b[0] {
		case '\'', '"':
			if err := d.quoted(t, i, b[0]); err != nil {
				return err
			}
		case '(':
			depth++
			d.in.at++
		case ')':
			d.in.at++
			if depth == 0 {
				return nil
			}
			depth--
		case ',':
			d.in.at++
			if depth == 0 {
				i++
			}
		case ' ', '\n', '\r', '\t':
			d.in.at++
		default:
			if err := d.word(t, i); err != nil {
				return err
			}
		}
	}
}

// word reads what is not in quotes: a number, NULL, a function's name, the N
// before a string of SQL Server.
func (d *dump) word(t *dumped, i int) error {
	b := d.need(256)
	n := bytes.IndexAny(b[:min(len(b), 256)], ",()'\" \n\r\t")
	if n < 0 {
		n = min(len(b), 256)
	}
	n = max(n, 1)
	at := d.in.base + int64(d.in.at)
	d.in.at += n
	if c := b[0]; c < '0' || c > '9' || plainNumber(b[:n]) || n > 1 && b[1] == 'x' {
		return nil
	}
	return d.value(t, i, b[:n], at, false)
}

// quoted reads a string. Its quote is doubled inside, or escaped as MySQL does;
// a very long one comes in pieces.
func (d *dump) quoted(t *dumped, i int, quote byte) error {
	d.in.at++
	for {
		end, escaped, whole := d.stringEnd(quote)
		b, at := d.in.buf[d.in.at:end], d.in.base+int64(d.in.at)
		d.in.at = end
		if whole {
			d.in.at++
		}
		if escaped {
			d.room = unquote(d.room[:0], b, quote)
			b = d.room
		}
		if len(b) > 0 && !plainNumber(b) {
			if err := d.value(t, i, b, at, escaped); err != nil {
				return err
			}
		}
		if whole {
			return nil
		}
		if len(d.need(1)) == 0 {
			return classify.Truncated
		}
	}
}

// stringEnd finds the closing quote, or where a piece of a long string ends.
func (d *dump) stringEnd(quote byte) (end int, escaped, whole bool) {
	from := 0
	for {
		for i := d.in.at + from; i < len(d.in.buf); {
			n := indexEither(d.in.buf[i:], quote)
			if n < 0 {
				break
			}
			i += n
			if i+1 >= len(d.in.buf) && !d.in.eof {
				break // what follows it decides
			}
			switch {
			case d.in.buf[i] == '\\':
				escaped = true
				i += 2
			case i+1 < len(d.in.buf) && d.in.buf[i+1] == quote:
				escaped = true
				i += 2
			default:
				return i, escaped, true
			}
		}
		from, escaped = 0, false
		if len(d.in.buf)-d.in.at > valueMost {
			return len(d.in.buf) - 2, true, false
		}
		if !d.in.more() {
			return len(d.in.buf), true, false
		}
	}
}

// indexEither finds a quote or a backslash.
func indexEither(b []byte, quote byte) int {
	i := bytes.IndexByte(b, quote)
	if i < 0 {
		i = len(b)
	}
	if j := bytes.IndexByte(b[:i], '\\'); j >= 0 {
		return j
	}
	if i == len(b) {
		return -1
	}
	return i
}

// unquote undoes escapes and doubled quotes.
func unquote(dst, b []byte, quote byte) []byte {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '\\' && i+1 < len(b):
			i++
			switch b[i] {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case 'r':
				c = '\r'
			default:
				c = b[i]
			}
		case c == quote && i+1 < len(b) && b[i+1] == quote:
			i++
		}
		dst = append(dst, c)
	}
	return dst
}

func (d *dump) value(t *dumped, i int, b []byte, at int64, wide bool) error {
	if i >= fieldsMost {
		return nil
	}
	p := classify.Part{Path: t.path(i), Column: true, Record: t.rows, Offset: -1, Text: b}
	if i < len(t.columns) {
		p.Field = t.columns[i]
	}
	if d.exact {
		p.Offset, p.Wide = at, wide
	}
	return d.out.Part(p)
}

// copy reads COPY t (columns) FROM stdin; and the lines after it, up to "\.".
func (d *dump) copy() error {
	b := d.need(64 << 10)
	end := bytes.IndexByte(b, '\n')
	if end < 0 || !bytes.Contains(bytes.ToLower(b[:end]), []byte("from stdin")) {
		return d.other()
	}
	w := &words{b[:end]}
	w.next()
	t := d.table(w.name())
	if columns := w.list(); columns != nil {
		t.columns, t.paths = columns, nil
	}
	d.in.at += end + 1
	for {
		line, ok := d.in.line()
		if !ok {
			return classify.Truncated
		}
		if bytes.Equal(line, []byte(`\.`)) {
			return nil
		}
		if err := d.copied(t, line, d.in.base+int64(d.in.at)-int64(len(line))-1); err != nil {
			return err
		}
	}
}

// copied gives the cells of one line.
func (d *dump) copied(t *dumped, line []byte, at int64) error {
	t.rows++
	if t.rows%256 == 0 {
		if err := d.ctx.Err(); err != nil {
			return err
		}
	}
	for i := 0; ; i++ {
		n := bytes.IndexByte(line, '\t')
		text := line
		if n >= 0 {
			text = line[:n]
		}
		if len(text) > 0 && !bytes.Equal(text, []byte(`\N`)) && !plainNumber(text) {
			wide := bytes.IndexByte(text, '\\') >= 0
			if wide {
				d.room = unquote(d.room[:0], text, 0)
				text = d.room
			}
			if err := d.value(t, i, text, at, wide); err != nil {
				return err
			}
		}
		if n < 0 {
			return nil
		}
		line, at = line[n+1:], at+int64(n)+1
	}
}
