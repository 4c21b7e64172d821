// Package xmlscan walks one XML text in memory without building a tree:
// elements, attributes and text with the places where they stand, so that a
// reader can say where it found something and a writer can leave every other
// byte as it was. (A stream of XML or HTML of any length, forgivingly read, is
// the business of internal/markup.)
//
// What it gives: a [Scanner] that a reader drives token by token, [Decode] for
// the text behind entities and [AppendText] for the way back. Names come
// without their prefix.
//
// What it guarantees: tags are balanced up to [MaxDepth] levels, or there is an
// error that names a position and never quotes the text; after an error Next
// says false. No entity is ever expanded but the five of XML and those of
// characters by number; what a document type declares is passed over.
//
// What it does not do: it resolves no namespaces, validates nothing and reads
// UTF-8 only.
package xmlscan

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MaxDepth is how many elements may be open at once.
const MaxDepth = 256

// Kind is what a token is.
type Kind byte

// The kinds of tokens. Other is a comment, an instruction or a document type.
const (
	Start Kind = iota + 1
	End
	Text  // text, with entities
	CDATA // text as it stands, between its marks
	Other
)

// Attr is an attribute of a start tag.
type Attr struct {
	// Name is the local name, Full the name with its prefix.
	Name, Full []byte
	// Value is what stands between the quotes, entities and all; From and To
	// are where, At is where the attribute begins.
	Value        []byte
	At, From, To int
}

// Token is one piece of the text.
type Token struct {
	Kind Kind
	// From and To are where the whole token stands.
	From, To int
	// Name is the local name of a tag.
	Name []byte
	// Empty says that the start tag is its own end; no End follows.
	Empty bool
	// Attrs are valid until the next call of Next.
	Attrs []Attr
	// Body is the text of Text and CDATA.
	Body []byte
}

// Scanner is a cursor in one XML text.
type Scanner struct {
	data  []byte
	pos   int
	open  [][]byte
	attrs []Attr
	err   error
}

// New begins with a text.
func New(data []byte) *Scanner { return &Scanner{data: data} }

// Err is the first error; nil where the text was read to its end and all
// elements were closed.
func (s *Scanner) Err() error { return s.err }

// Depth is how many elements are open.
func (s *Scanner) Depth() int { return len(s.open) }

func (s *Scanner) fail(what string) bool {
	if s.err == nil {
		s.err = fmt.Errorf("invalid XML at byte %d: %w", s.pos, errors.New(what))
	}
	s.pos = len(s.data)
	return false
}

// Next moves to the next token.
func (s *Scanner) Next(t *Token) bool {
	if s.pos >= len(s.data) {
		if len(s.open) > 0 {
			return s.fail("the text ends inside an element")
		}
		return false
	}
	*t = Token{From: s.pos}
	rest := s.data[s.pos:]
	if rest[0] != '<' {
		n := bytes.IndexByte(rest, '<')
		if n < 0 {
			n = len(rest)
		}
		t.Kind, t.Body = Text, rest[:n]
		return s.done(t, n)
	}
	switch {
	case bytes.HasPrefix(rest, []byte("</")):
		return s.end(t, rest)
	case bytes.HasPrefix(rest, []byte("<!--")):
		return s.other(t, rest, "-->")
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		return s.cdata(t, rest)
	case bytes.HasPrefix(rest, []byte("<?")):
		return s.other(t, rest, "?>")
	case bytes.HasPrefix(rest, []byte("<!")):
		return s.docType(t, rest)
	}
	return s.start(t)
}

func (s *Scanner) done(t *Token, n int) bool {
	s.pos += n
	t.To = s.pos
	return true
}

func (s *Scanner) end(t *Token, rest []byte) bool {
	n := bytes.IndexByte(rest, '>')
	if n < 0 {
		return s.fail("a tag has no end")
	}
	full := bytes.TrimRight(rest[2:n], " \t\r\n")
	if len(s.open) == 0 || !bytes.Equal(s.open[len(s.open)-1], full) {
		return s.fail("an end tag does not belong to the open element")
	}
	s.open = s.open[:len(s.open)-1]
	t.Kind, t.Name = End, local(full)
	return s.done(t, n+1)
}

func (s *Scanner) other(t *Token, rest []byte, end string) bool {
	n := bytes.Index(rest, []byte(end))
	if n < 0 {
		return s.fail("a comment or instruction has no end")
	}
	t.Kind = Other
	return s.done(t, n+len(end))
}

func (s *Scanner) cdata(t *Token, rest []byte) bool {
	n := bytes.Index(rest, []byte("]]>"))
	if n < 0 {
		return s.fail("a CDATA section has no end")
	}
	t.Kind, t.Body = CDATA, rest[len("<![CDATA["):n]
	return s.done(t, n+3)
}

// docType passes over a document type and whatever it declares.
func (s *Scanner) docType(t *Token, rest []byte) bool {
	depth, quote := 0, byte(0)
	for i, c := range rest {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '<':
			depth++
		case c == '>':
			if depth--; depth == 0 {
				t.Kind = Other
				return s.done(t, i+1)
			}
		}
	}
	return s.fail("a document type has no end")
}

// start reads a start tag and its attributes.
func (s *Scanner) start(t *Token) bool {
	from := s.pos
	s.pos++
	full := s.name()
	if len(full) == 0 {
		return s.fail("a tag has no name")
	}
	s.attrs = s.attrs[:0]
	for !s.close(t) {
		if !s.attribute() {
			return false
		}
	}
	t.Kind, t.Name, t.From, t.To, t.Attrs = Start, local(full), from, s.pos, s.attrs
	if t.Empty {
		return true
	}
	if s.open = append(s.open, full); len(s.open) > MaxDepth {
		return s.fail("nested too deep")
	}
	return true
}

// close reads the end of a start tag, if it is next.
func (s *Scanner) close(t *Token) bool {
	s.space()
	switch {
	case s.peek() == '>':
		s.pos++
	case bytes.HasPrefix(s.data[s.pos:], []byte("/>")):
		s.pos += 2
		t.Empty = true
	default:
		return false
	}
	return true
}

func (s *Scanner) attribute() bool {
	at := s.pos
	full := s.name()
	s.space()
	if len(full) == 0 || s.peek() != '=' {
		return s.fail("an attribute is damaged")
	}
	s.pos++
	s.space()
	quote := s.peek()
	if quote != '"' && quote != '\'' {
		return s.fail("the value of an attribute has no quotes")
	}
	s.pos++
	n := bytes.IndexByte(s.data[s.pos:], quote)
	if n < 0 {
		return s.fail("the value of an attribute has no end")
	}
	s.attrs = append(s.attrs, Attr{Name: local(full), Full: full, Value: s.data[s.pos : s.pos+n], At: at, From: s.pos, To: s.pos + n})
	s.pos += n + 1
	return true
}

func (s *Scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *Scanner) space() {
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func (s *Scanner) name() []byte {
	from := s.pos
	for s.pos < len(s.data) && !isSpace(s.data[s.pos]) && bytes.IndexByte([]byte(`=></"'`), s.data[s.pos]) < 0 {
		s.pos++
	}
	return s.data[from:s.pos]
}

// local is a name without its prefix.
func local(full []byte) []byte { return full[bytes.LastIndexByte(full, ':')+1:] }

// Attr gives the raw value of an attribute by its local name, nil for none.
func (t *Token) Attr(name string) []byte {
	for _, a := range t.Attrs {
		if string(a.Name) == name {
			return a.Value
		}
	}
	return nil
}

// Decode is a text without its entities; it is the text itself where there are
// none.
func Decode(text []byte) []byte {
	if bytes.IndexByte(text, '&') < 0 {
		return text
	}
	return AppendDecoded(make([]byte, 0, len(text)), text)
}

// AppendDecoded appends a text without its entities. What is no entity stays.
func AppendDecoded(dst, text []byte) []byte {
	for len(text) > 0 {
		i := bytes.IndexByte(text, '&')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		text = text[i:]
		end := bytes.IndexByte(text[:min(len(text), 12)], ';')
		r := rune(-1)
		if end > 0 {
			r = entity(string(text[1:end]))
		}
		if r < 0 {
			dst, text = append(dst, '&'), text[1:]
			continue
		}
		dst, text = utf8.AppendRune(dst, r), text[end+1:]
	}
	return dst
}

func entity(name string) rune {
	switch name {
	case "amp":
		return '&'
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "quot":
		return '"'
	case "apos":
		return '\''
	case "nbsp":
		return ' '
	}
	if len(name) < 2 || name[0] != '#' {
		return -1
	}
	base, digits := 10, name[1:]
	if digits[0] == 'x' || digits[0] == 'X' {
		base, digits = 16, digits[1:]
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return -1
	}
	return rune(n)
}

// AppendText appends text so that it may stand in an element or between the
// quotes of an attribute. What XML cannot say becomes U+FFFD.
func AppendText(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '"':
			dst = append(dst, "&quot;"...)
		case r == '\'':
			dst = append(dst, "&#39;"...)
		case r == utf8.RuneError && n == 1, r < ' ' && !isSpace(byte(r)), r == 0xFFFE, r == 0xFFFF:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		default:
			dst = append(dst, text[:n]...)
		}
		text = text[n:]
	}
	return dst
}
