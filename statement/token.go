package statement

import (
	"strings"
	"unicode/utf8"
)

// Dialect is a family of databases with the same quotes and comments.
type Dialect uint8

// The dialects. Generic is for a source that does not say: it takes what is
// unambiguous from all of them.
const (
	Generic Dialect = iota
	Oracle
	SQLServer
	MySQL
	PostgreSQL
)

// DialectOf is the dialect of a product, by any of its usual names, the
// Chinese databases among them.
func DialectOf(product string) Dialect {
	product = strings.ToLower(product)
	for _, f := range []struct {
		d     Dialect
		words []string
	}{
		{MySQL, []string{"mysql", "mariadb", "percona", "tidb", "oceanbase", "goldendb", "aurora"}},
		{PostgreSQL, []string{"postgres", "pgaudit", "kingbase", "gauss", "greenplum", "highgo", "vastbase", "redshift"}},
		{SQLServer, []string{"sql server", "sqlserver", "mssql", "sybase"}},
		{Oracle, []string{"oracle", "dameng", "达梦", "dm8", "dm7", "oscar"}},
	} {
		for _, w := range f.words {
			if strings.Contains(product, w) {
				return f.d
			}
		}
	}
	return Generic
}

type tokenKind uint8

const (
	endTok    tokenKind = iota
	wordTok             // keyword or name, lower case
	quotedTok           // quoted name, lower case
	stringTok
	numberTok
	paramTok
	opTok
)

type token struct {
	kind     tokenKind
	dq       bool // a string in double quotes, which may be a name
	pos, end int  // in the text
	text     string
}

// scanner cuts a text into tokens.
type scanner struct {
	src, low string
	at       int
	d        Dialect
	open     bool // inside of a comment that MySQL executes
	toks     []token
}

func (s *scanner) reset(text string, d Dialect) {
	if len(text) > maxText {
		text = text[:maxText]
	}
	if d == Generic {
		d = guess(text)
	}
	*s = scanner{src: text, low: lower(text), d: d, toks: s.toks[:0]}
}

// guess takes a dialect from marks that only one has.
func guess(text string) Dialect {
	switch {
	case strings.IndexByte(text, '`') >= 0, strings.Contains(text, "/*!"):
		return MySQL
	case strings.Contains(text, "$$"):
		return PostgreSQL
	}
	return Generic
}

// lower folds ASCII letters; positions stay the same.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// all returns the tokens; they are valid until the next reset.
func (s *scanner) all() []token {
	for s.next() {
	}
	return s.toks
}

func (s *scanner) emit(kind tokenKind, from int, text string) bool {
	s.toks = append(s.toks, token{kind: kind, pos: from, end: s.at, text: text})
	return true
}

// next reads one token, or skips one piece of space; false at the end.
func (s *scanner) next() bool {
	if s.at >= len(s.src) {
		return false
	}
	from, c := s.at, s.src[s.at]
	switch {
	case c <= ' ':
		s.at++
		return true
	case s.comment(c):
		return true
	case c == '\'':
		return s.text(from, c, s.d == MySQL)
	case c == '"':
		if s.d != MySQL {
			return s.name(from, '"')
		}
		s.text(from, c, true)
		s.toks[len(s.toks)-1].dq = true
		return true
	case c == '`' && (s.d == MySQL || s.d == Generic):
		return s.name(from, '`')
	case c == '[' && s.bracketed():
		return s.name(from, ']')
	case c >= '0' && c <= '9', c == '.' && isDigit(s.peek(1)) && !s.afterName():
		return s.number(from)
	case c == '$':
		return s.dollar(from)
	case c == '@', c == '?', c == ':' && isWord(s.peek(1)):
		return s.param(from)
	case isWord(c), c == '#':
		return s.word(from)
	}
	return s.op(from)
}

func (s *scanner) peek(n int) byte {
	if s.at+n < len(s.src) {
		return s.src[s.at+n]
	}
	return 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || isDigit(c) || c >= utf8.RuneSelf
}

// afterName says that a dot follows directly: a.5 is no number.
func (s *scanner) afterName() bool {
	return len(s.toks) > 0 && s.toks[len(s.toks)-1].end == s.at && s.toks[len(s.toks)-1].kind <= quotedTok
}

// comment skips a comment. What MySQL executes inside of one is read.
func (s *scanner) comment(c byte) bool {
	switch {
	case c == '-' && s.peek(1) == '-' && (s.d != MySQL || s.peek(2) <= ' '),
		c == '#' && (s.d == MySQL || s.d == Generic && !isWord(s.peek(1)) && s.peek(1) != '#'):
		s.skipLine()
	case c == '/' && s.peek(1) == '*':
		if s.executed() {
			return true
		}
		s.skipBlock(s.d == PostgreSQL || s.d == SQLServer)
	case c == '*' && s.peek(1) == '/' && s.open:
		s.open = false
		s.at += 2
	default:
		return false
	}
	return true
}

// executed enters /*!50000 ... */ and /*M! ... */.
func (s *scanner) executed() bool {
	if s.d != MySQL {
		return false
	}
	n := 2
	if s.peek(n) == 'M' || s.peek(n) == 'm' {
		n++
	}
	if s.peek(n) != '!' {
		return false
	}
	for n++; isDigit(s.peek(n)); n++ {
	}
	s.at += n
	s.open = true
	return true
}

func (s *scanner) skipLine() {
	n := strings.IndexAny(s.src[s.at:], "\r\n")
	if n < 0 {
		n = len(s.src) - s.at
	}
	s.at += n
}

func (s *scanner) skipBlock(nested bool) {
	depth := 1
	for s.at += 2; s.at < len(s.src) && depth > 0; {
		switch {
		case s.src[s.at] == '*' && s.peek(1) == '/':
			depth--
			s.at += 2
		case nested && s.src[s.at] == '/' && s.peek(1) == '*':
			depth++
			s.at += 2
		default:
			s.at++
		}
	}
}

// text reads a string up to its quote, which may be doubled inside.
func (s *scanner) text(from int, quote byte, backslash bool) bool {
	s.at++
	begin, plain := s.at, true
	for s.at < len(s.src) {
		c := s.src[s.at]
		switch {
		case c == '\\' && backslash:
			plain = false
			s.at += 2
		case c != quote:
			s.at++
		case s.peek(1) == quote:
			plain = false
			s.at += 2
		default:
			body := s.src[begin:s.at]
			s.at++
			if !plain {
				body = unquote(body, quote, backslash)
			}
			return s.emit(stringTok, from, body)
		}
	}
	s.at = len(s.src)
	return s.emit(stringTok, from, s.src[min(begin, len(s.src)):])
}

// unquote takes doubled quotes and backslashes out of a string.
func unquote(body string, quote byte, backslash bool) string {
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case c == quote && i+1 < len(body) && body[i+1] == quote:
			i++
		case c == '\\' && backslash && i+1 < len(body):
			i++
			c = escaped(body[i])
		}
		b.WriteByte(c)
	}
	return b.String()
}

func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	}
	return c
}

// name reads a quoted name.
func (s *scanner) name(from int, quote byte) bool {
	s.at++
	begin := s.at
	for s.at < len(s.src) {
		if s.src[s.at] != quote {
			s.at++
			continue
		}
		if s.peek(1) == quote {
			s.at += 2
			continue
		}
		break
	}
	text := s.low[begin:s.at]
	s.at = min(s.at+1, len(s.src))
	return s.emit(quotedTok, from, text)
}

// bracketed says whether [ begins a name.
func (s *scanner) bracketed() bool {
	switch s.d {
	case SQLServer:
		return true
	case Generic:
		c := s.peek(1)
		return isWord(c) && !isDigit(c) || c == '#'
	}
	return false
}

func (s *scanner) number(from int) bool {
	if s.src[s.at] == '0' && (s.peek(1)|0x20) == 'x' {
		for s.at += 2; s.at < len(s.src) && isWord(s.src[s.at]); s.at++ {
		}
		return s.emit(numberTok, from, s.low[from:s.at])
	}
	for s.at < len(s.src) {
		c := s.src[s.at]
		exponent := (c == '+' || c == '-') && s.low[s.at-1] == 'e'
		if !isDigit(c) && c != '.' && (c|0x20) != 'e' && !exponent {
			break
		}
		s.at++
	}
	return s.emit(numberTok, from, s.low[from:s.at])
}

// dollar reads $1, $$text$$ and $tag$text$tag$.
func (s *scanner) dollar(from int) bool {
	if isDigit(s.peek(1)) || s.d == Oracle || s.d == SQLServer || s.d == MySQL {
		return s.param(from)
	}
	end := s.at + 1
	for end < len(s.src) && isWord(s.src[end]) {
		end++
	}
	if end >= len(s.src) || s.src[end] != '$' {
		return s.param(from)
	}
	tag := s.src[s.at : end+1]
	begin := end + 1
	n := strings.Index(s.src[begin:], tag)
	if n < 0 {
		s.at = len(s.src)
		return s.emit(stringTok, from, s.src[begin:])
	}
	s.at = begin + n + len(tag)
	return s.emit(stringTok, from, s.src[begin:begin+n])
}

// param reads @name, :name, ? and $1.
func (s *scanner) param(from int) bool {
	for s.at++; s.at < len(s.src) && (isWord(s.src[s.at]) || s.src[s.at] == '@' || s.src[s.at] == '$'); s.at++ {
	}
	return s.emit(paramTok, from, s.low[from:s.at])
}

// word reads a keyword or name, and the strings that begin with a letter.
func (s *scanner) word(from int) bool {
	for s.at < len(s.src) {
		c := s.src[s.at]
		if !isWord(c) && c != '$' && (c != '#' || s.d == MySQL) {
			break
		}
		s.at++
	}
	if s.at == from { // a lone mark
		return s.op(from)
	}
	text := s.low[from:s.at]
	if s.at < len(s.src) && s.src[s.at] == '\'' && s.prefixed(from, text) {
		return true
	}
	if s.at+1 < len(s.src) && s.src[s.at] == '&' && text == "u" && (s.src[s.at+1] == '\'' || s.src[s.at+1] == '"') {
		return s.unicode(from)
	}
	return s.emit(wordTok, from, text)
}

// prefixed reads N'..', E'..', X'..', B'..', Q'[..]' and NQ'[..]'.
func (s *scanner) prefixed(from int, prefix string) bool {
	switch prefix {
	case "n":
		return s.text(from, '\'', s.d == MySQL)
	case "b":
		return s.text(from, '\'', false)
	case "x":
		s.text(from, '\'', false)
		t := &s.toks[len(s.toks)-1]
		t.kind, t.text = numberTok, "0x"+lower(t.text)
		return true
	case "e":
		return (s.d == PostgreSQL || s.d == Generic) && s.text(from, '\'', true)
	case "q", "nq":
		return (s.d == Oracle || s.d == Generic) && s.alternative(from)
	}
	return false
}

// alternative reads what follows q: '[text]', with any delimiter.
func (s *scanner) alternative(from int) bool {
	open := s.peek(1)
	if open <= ' ' || s.at+2 > len(s.src) {
		return false
	}
	closing := open
	if i := strings.IndexByte("[({<", open); i >= 0 {
		closing = "])}>"[i]
	}
	begin := s.at + 2
	n := strings.Index(s.src[begin:], string([]byte{closing, '\''}))
	if n < 0 {
		return false
	}
	s.at = begin + n + 2
	return s.emit(stringTok, from, s.src[begin:begin+n])
}

// unicode reads U&'\0041' and U&"\0041".
func (s *scanner) unicode(from int) bool {
	s.at++
	if s.src[s.at] == '\'' {
		s.text(from, '\'', false)
	} else {
		s.name(from, '"')
	}
	t := &s.toks[len(s.toks)-1]
	t.text = codePoints(t.text)
	if t.kind == quotedTok {
		t.text = lower(t.text)
	}
	return true
}

func (s *scanner) op(from int) bool {
	two := s.src[s.at:min(s.at+2, len(s.src))]
	switch two {
	case "<=", ">=", "<>", "!=", "^=", ":=", "||", "::", "=>", "->", "(+":
		s.at += 2
	default:
		s.at++
	}
	if two == "(+" { // Oracle's outer join
		if s.at < len(s.src) && s.src[s.at] == ')' {
			s.at++
			return s.emit(opTok, from, "(+)")
		}
		s.at--
	}
	return s.emit(opTok, from, s.src[from:s.at])
}
