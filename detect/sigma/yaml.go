package sigma

import (
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// ruleReader reads the YAML that rules are written in: maps and lists by
// indentation, plain, quoted and block texts, short lists in brackets. It makes
// the tree that the YAML library makes of the same text, columns and comments
// aside, in a small part of its time. Whatever else YAML knows, and whatever is
// not YAML, it declines, and the library reads it: so what is an error, and what
// it says, is the library's to decide.
//
// The tree lies in the reader's memory and is gone with the next reset. Its
// texts are parts of the text read.
type ruleReader struct {
	src  string
	at   int // where a line begins, everything before which is read
	line int
	bad  bool

	chunks [][]yaml.Node
	used   int          // nodes in use
	stack  []*yaml.Node // members of the maps and lists that are not finished
	lists  []*yaml.Node // members of those that are
	buf    []byte
}

// reset forgets all trees.
func (r *ruleReader) reset() { r.used, r.lists = 0, r.lists[:0] }

// read makes the tree of a document, nil if it declines.
func (r *ruleReader) read(src string) *yaml.Node {
	r.src, r.at, r.line, r.bad, r.stack = src, 0, 1, false, r.stack[:0]
	if !isPlainText(src) || r.ahead() != 0 {
		return nil
	}
	n := r.collection(-1, 0)
	if r.bad || n.Kind != yaml.MappingNode || r.ahead() >= 0 {
		return nil
	}
	return n
}

// isPlainText says that a text has only such characters as mean the same to
// every reader, and no markers of documents.
func isPlainText(s string) bool {
	if marks(s) {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\n':
			if marks(s[i+1:]) {
				return false
			}
		case c < ' ' || c == 0x7f:
			return false
		case c >= utf8.RuneSelf:
			x, n := utf8.DecodeRuneInString(s[i:])
			if x == utf8.RuneError || x < 0xa0 || x == 0x2028 || x == 0x2029 || x == 0xfeff || x >= 0xfffe && x <= 0xffff {
				return false
			}
			i += n - 1
		}
	}
	return true
}

// marks says that a line begins as markers of documents do.
func marks(s string) bool {
	return len(s) >= 3 && (s[:3] == "---" || s[:3] == "...")
}

// chunk is how many nodes are made at once.
const chunk = 256

func (r *ruleReader) node(kind yaml.Kind, tag string) *yaml.Node {
	if r.used == chunk*len(r.chunks) {
		r.chunks = append(r.chunks, make([]yaml.Node, chunk))
	}
	n := &r.chunks[r.used/chunk][r.used%chunk]
	r.used++
	*n = yaml.Node{Kind: kind, Tag: tag, Line: r.line}
	return n
}

// members closes a map or list whose members are on the stack from base on.
func (r *ruleReader) members(n *yaml.Node, base int) *yaml.Node {
	from := len(r.lists)
	r.lists = append(r.lists, r.stack[base:]...)
	n.Content = r.lists[from:len(r.lists):len(r.lists)]
	r.stack = r.stack[:base]
	return n
}

// decline gives the document up.
func (r *ruleReader) decline() *yaml.Node {
	r.bad, r.at = true, len(r.src)
	return r.node(yaml.ScalarNode, "")
}

// ahead goes to the next line that says something, and tells how far it is
// indented; -1 at the end.
func (r *ruleReader) ahead() int {
	for r.at < len(r.src) {
		i := r.blanks(r.at)
		if i < len(r.src) && r.src[i] != '\n' && r.src[i] != '#' {
			return i - r.at
		}
		r.endLine(i)
	}
	return -1
}

func (r *ruleReader) blanks(i int) int {
	for i < len(r.src) && r.src[i] == ' ' {
		i++
	}
	return i
}

// lineEnd is where the line ends in which i is.
func (r *ruleReader) lineEnd(i int) int {
	if n := strings.IndexByte(r.src[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(r.src)
}

// endLine goes to the line behind the one in which i is.
func (r *ruleReader) endLine(i int) {
	if r.at = r.lineEnd(i); r.at < len(r.src) {
		r.at++
		r.line++
	}
}

// isBreak says that nothing, or only a blank or the end of the line, is at i.
func (r *ruleReader) isBreak(i int) bool {
	return i >= len(r.src) || r.src[i] == ' ' || r.src[i] == '\n'
}

func (r *ruleReader) isDash(i int) bool { return i < len(r.src) && r.src[i] == '-' && r.isBreak(i+1) }

// isEnd says that a line says no more from i on, before which a blank stands.
func (r *ruleReader) isEnd(i int) bool { return i >= len(r.src) || r.src[i] == '\n' || r.src[i] == '#' }

// collection reads what stands, indented, on lines of its own, below something
// that begins at col.
func (r *ruleReader) collection(col, indent int) *yaml.Node {
	i := r.at + indent
	if r.isDash(i) {
		return r.sequence(indent)
	}
	if key, next := r.key(i); key != nil {
		return r.mapping(indent, key, next)
	}
	return r.scalar(col, i)
}

// mapping reads a map whose keys begin at col, from behind the colon of the
// first.
func (r *ruleReader) mapping(col int, key *yaml.Node, next int) *yaml.Node {
	n := r.node(yaml.MappingNode, "!!map")
	base := len(r.stack)
	for {
		r.stack = append(r.stack, key)
		value := r.value(col, next, true)
		if r.stack = append(r.stack, value); r.bad {
			return n
		}
		indent := r.ahead()
		if indent < col {
			return r.members(n, base)
		}
		if indent > col {
			return r.decline()
		}
		if key, next = r.key(r.at + col); key == nil {
			return r.decline()
		}
	}
}

// sequence reads a list whose dashes are at col.
func (r *ruleReader) sequence(col int) *yaml.Node {
	n := r.node(yaml.SequenceNode, "!!seq")
	base := len(r.stack)
	for {
		item := r.item(col)
		if r.stack = append(r.stack, item); r.bad {
			return n
		}
		indent := r.ahead()
		if indent > col {
			return r.decline()
		}
		if indent < col || !r.isDash(r.at+col) {
			return r.members(n, base)
		}
	}
}

func (r *ruleReader) item(col int) *yaml.Node {
	i := r.blanks(r.at + col + 1)
	switch {
	case r.isEnd(i):
		return r.value(col, i, false)
	case r.isDash(i):
		return r.decline()
	}
	if key, next := r.key(i); key != nil {
		return r.mapping(i-r.at, key, next)
	}
	return r.scalar(col, i)
}

// value reads what stands behind a colon, or a dash, of a map or list at col.
func (r *ruleReader) value(col, i int, ofMap bool) *yaml.Node {
	if i = r.blanks(i); !r.isEnd(i) {
		return r.scalar(col, i)
	}
	null := r.node(yaml.ScalarNode, "!!null")
	r.endLine(i)
	switch indent := r.ahead(); {
	case indent > col:
		return r.collection(col, indent)
	case ofMap && indent == col && r.isDash(r.at+col):
		return r.sequence(col)
	}
	return null
}

// key reads a key and goes behind its colon; nil if there is none.
func (r *ruleReader) key(i int) (key *yaml.Node, next int) {
	at, line := r.at, r.line
	if c := r.src[i]; c == '\'' || c == '"' {
		key, next = r.quoted(i)
		if r.line != line { // a text of several lines
			r.at, r.line = at, line
			return nil, 0
		}
	} else {
		if next = r.colon(i); next < 0 || !r.begins(i) {
			return nil, 0
		}
		key = r.plain(r.src[i:next])
	}
	if next >= len(r.src) || r.src[next] != ':' || !r.isBreak(next+1) {
		return nil, 0
	}
	if next-i > 1000 { // longer ones are no keys to the library
		r.decline()
		return nil, 0
	}
	return key, next + 1
}

// colon is where a colon ends a key that begins at i, -1 for none.
func (r *ruleReader) colon(i int) int {
	for j := i; j < len(r.src); j++ {
		switch c := r.src[j]; {
		case c == '\n', c == '#' && j > i && r.src[j-1] == ' ':
			return -1
		case c == ':' && r.isBreak(j+1):
			return j
		}
	}
	return -1
}

// begins says that a plain text may begin at i.
func (r *ruleReader) begins(i int) bool {
	if r.src[i] == '-' {
		return !r.isBreak(i + 1)
	}
	return strings.IndexByte("?:,[]{}#&*!|>'\"%@`\n ", r.src[i]) < 0
}

func (r *ruleReader) plain(text string) *yaml.Node {
	n := r.node(yaml.ScalarNode, "")
	n.Value = strings.TrimRight(text, " ")
	switch {
	case isTextual(n.Value):
		n.Tag = "!!str"
	case isDay(n.Value):
		n.Tag = "!!timestamp"
	case n.Value == "<<": // which merges maps
		return r.decline()
	default:
		n.Tag = n.ShortTag()
	}
	return n
}

// isTextual says that a plain text cannot be a number, a time, or a word with a
// meaning: those words are short, and the rest begins otherwise.
func isTextual(s string) bool {
	return len(s) > 5 && (s[0]|0x20-'a' < 26 || s[0] == '\\' || s[0] == '/')
}

// isDay says that a plain text is a day like 2026-11-22.
func isDay(s string) bool {
	if len(s) != len(time.DateOnly) || s[4] != '-' {
		return false
	}
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// scalar reads a text that begins at i, in a map or list at col.
func (r *ruleReader) scalar(col, i int) *yaml.Node {
	var n *yaml.Node
	switch r.src[i] {
	case '|', '>':
		return r.block(col, i)
	case '\'', '"':
		n, i = r.quoted(i)
	case '[':
		n, i = r.brackets(i)
	default:
		return r.lines(col, i)
	}
	if end := r.blanks(i); r.bad || !r.isEnd(end) || end == i && end < len(r.src) && r.src[end] == '#' {
		return r.decline()
	}
	r.endLine(i)
	return n
}

// lines reads a plain text, which may go on on lines that are indented.
func (r *ruleReader) lines(col, i int) *yaml.Node {
	line := r.line
	text, more, ok := r.run(i)
	r.buf = append(r.buf[:0], text...)
	for ok && more {
		breaks, next := r.goesOn(col)
		if next < 0 {
			break
		}
		r.buf = fold(r.buf, breaks)
		text, more, ok = r.run(next)
		r.buf = append(r.buf, text...)
	}
	if !ok {
		return r.decline()
	}
	if len(r.buf) > len(text) { // of several lines
		text = string(r.buf)
	}
	n := r.plain(text)
	n.Line = line
	return n
}

// run reads one line of a plain text; there is no more behind a comment.
func (r *ruleReader) run(i int) (text string, more, ok bool) {
	if !r.begins(i) {
		return "", false, false
	}
	end, j := r.lineEnd(i), i
	for ; j < end; j++ {
		switch c := r.src[j]; {
		case c == '#' && j > i && r.src[j-1] == ' ':
			r.endLine(j)
			return strings.TrimRight(r.src[i:j], " "), false, true
		case c == ':' && r.isBreak(j+1):
			return "", false, false
		}
	}
	r.endLine(i)
	return strings.TrimRight(r.src[i:j], " "), true, true
}

// goesOn finds the next line of a plain text, -1 for none, and how many breaks
// are before it.
func (r *ruleReader) goesOn(col int) (breaks, next int) {
	at, line := r.at, r.line
	for breaks = 1; r.at < len(r.src); breaks++ {
		i := r.blanks(r.at)
		if i < len(r.src) && r.src[i] != '\n' {
			if i-r.at > col && r.src[i] != '#' {
				return breaks, i
			}
			break
		}
		r.endLine(i)
	}
	r.at, r.line = at, line
	return 0, -1
}

// fold writes what line breaks within a text mean: one is a blank, more are one
// less.
func fold(dst []byte, breaks int) []byte {
	if breaks == 1 {
		return append(dst, ' ')
	}
	for range breaks - 1 {
		dst = append(dst, '\n')
	}
	return dst
}

// quoted reads a text in quotes, and goes behind it.
func (r *ruleReader) quoted(i int) (*yaml.Node, int) {
	n, q := r.node(yaml.ScalarNode, "!!str"), r.src[i]
	n.Style = yaml.SingleQuotedStyle
	if q == '"' {
		n.Style = yaml.DoubleQuotedStyle
	}
	r.buf = r.buf[:0]
	from := i + 1 // what is behind it is not in buf yet
	for j := from; j < len(r.src); {
		switch c := r.src[j]; {
		case c == q && q == '\'' && j+1 < len(r.src) && r.src[j+1] == q:
			r.buf = append(r.buf, r.src[from:j+1]...)
			j += 2
			from = j
		case c == q:
			if n.Value = r.src[from:j]; from > i+1 {
				n.Value = string(append(r.buf, n.Value...))
			}
			return n, j + 1
		case c == '\\' && q == '"':
			e := r.escape(j + 1)
			if e == 0 {
				return r.decline(), len(r.src)
			}
			r.buf = append(append(r.buf, r.src[from:j]...), e)
			j += 2
			from = j
		case c == '\n':
			r.buf = append(r.buf, strings.TrimRight(r.src[from:j], " ")...)
			j = r.folds(j)
			from = j
		default:
			j++
		}
	}
	return r.decline(), len(r.src)
}

// escape is what the letter behind a backslash means, 0 for what is not read.
func (r *ruleReader) escape(i int) byte {
	if i < len(r.src) {
		switch c := r.src[i]; c {
		case '\\', '"', '/':
			return c
		case 'n':
			return '\n'
		case 't':
			return '\t'
		case 'r':
			return '\r'
		}
	}
	return 0
}

// folds reads the line breaks within quotes and the blanks behind them.
func (r *ruleReader) folds(j int) int {
	breaks := 0
	for ; j < len(r.src) && r.src[j] == '\n'; breaks++ {
		r.endLine(j)
		j = r.blanks(r.at)
	}
	r.buf = fold(r.buf, breaks)
	return j
}

// brackets reads a list of texts in brackets, on one line.
func (r *ruleReader) brackets(i int) (*yaml.Node, int) {
	n := r.node(yaml.SequenceNode, "!!seq")
	n.Style = yaml.FlowStyle
	base, line := len(r.stack), r.line
	for i = r.blanks(i + 1); !r.bad && i < len(r.src); {
		if r.src[i] == ']' && len(r.stack) == base {
			return n, i + 1
		}
		var item *yaml.Node
		if item, i = r.short(i); item == nil || r.line != line || i >= len(r.src) {
			break
		}
		r.stack = append(r.stack, item)
		if r.src[i] == ']' {
			return r.members(n, base), i + 1
		}
		if r.src[i] != ',' || !r.isBreak(i+1) {
			break
		}
		i = r.blanks(i + 1)
	}
	return r.decline(), len(r.src)
}

// short reads a text within brackets, and goes to what ends it.
func (r *ruleReader) short(i int) (*yaml.Node, int) {
	if c := r.src[i]; c == '\'' || c == '"' {
		n, end := r.quoted(i)
		return n, r.blanks(end)
	}
	if !r.begins(i) || r.src[i] == '-' {
		return nil, i
	}
	j := i
	for j < len(r.src) && strings.IndexByte(",[]{}?:#\n", r.src[j]) < 0 {
		j++
	}
	return r.plain(r.src[i:j]), j
}

// block reads a text that | or > announces.
func (r *ruleReader) block(col, i int) *yaml.Node {
	n := r.node(yaml.ScalarNode, "!!str")
	n.Style = yaml.LiteralStyle
	if r.src[i] == '>' {
		n.Style = yaml.FoldedStyle
	}
	keep := byte(0) // + keeps the breaks at the end, - none
	if i++; i < len(r.src) && (r.src[i] == '+' || r.src[i] == '-') {
		keep = r.src[i]
		i++
	}
	if i = r.blanks(i); i < len(r.src) && r.src[i] != '\n' {
		return r.decline()
	}
	r.endLine(i)
	indent := r.indentation()
	if indent <= col {
		return r.decline()
	}
	n.Value = r.folded(indent, n.Style == yaml.FoldedStyle, keep)
	return n
}

// indentation is how far the first line of a block is indented; -1 when it is
// empty, or lines before it go further.
func (r *ruleReader) indentation() int {
	widest := 0
	for j := r.at; ; {
		i := r.blanks(j)
		switch {
		case i >= len(r.src):
			return -1
		case r.src[i] != '\n':
			if i-j < max(widest, 1) {
				return -1
			}
			return i - j
		}
		widest = max(widest, i-j)
		j = i + 1
	}
}

// folded reads the lines of a block.
func (r *ruleReader) folded(indent int, folds bool, keep byte) string {
	r.buf = r.buf[:0]
	broken, wasBlank := false, false // the line before
	for {
		empty := r.emptyLines(indent)
		if i := r.blanks(r.at); i < r.at+indent || r.at+indent >= len(r.src) {
			return string(chomped(r.buf, broken, empty, keep))
		}
		text := r.src[r.at+indent : r.lineEnd(r.at+indent)]
		blank := text[0] == ' '
		switch {
		case folds && broken && !blank && !wasBlank:
			if empty == 0 {
				r.buf = append(r.buf, ' ')
			}
		case broken:
			r.buf = append(r.buf, '\n')
		}
		for range empty {
			r.buf = append(r.buf, '\n')
		}
		r.buf = append(r.buf, text...)
		line := r.line
		r.endLine(r.at + indent)
		broken, wasBlank = r.line != line, blank
	}
}

// emptyLines skips lines without text; those with more blanks than the
// indentation have some.
func (r *ruleReader) emptyLines(indent int) (n int) {
	for r.at < len(r.src) {
		i := r.blanks(r.at)
		if i >= len(r.src) || i-r.at > indent || r.src[i] != '\n' {
			return n
		}
		r.endLine(i)
		n++
	}
	return n
}

func chomped(b []byte, broken bool, empty int, keep byte) []byte {
	if keep == '-' || !broken {
		return b
	}
	b = append(b, '\n')
	if keep == '+' {
		for range empty {
			b = append(b, '\n')
		}
	}
	return b
}
