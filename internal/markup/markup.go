// Package markup walks over XML and HTML as they come, fast and forgiving: no
// tree, no namespaces, no document types.
//
// What it gives: a [Scanner] of start tags with their attributes, end tags and
// texts, in the order of the file. Names come without their prefix. An element
// <a/> gives a start and an end. Comments, instructions and declarations are
// passed over, and so are entities that the document itself declares: they are
// never expanded, so that nothing grows.
//
// What it guarantees: memory of a few times [MaxTag]; any input ends; a text
// longer than a block comes in pieces, cut where no character is cut. What it
// does not do: it checks nothing. Tags need not match, attributes may repeat,
// quotes may be missing.
package markup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// MaxTag is the longest tag, with all its attributes, in bytes. A longer one
// is an error.
const MaxTag = 1 << 20

const block = 64 << 10

// ErrTag is the error of a tag longer than [MaxTag].
var ErrTag = errors.New("an XML tag is longer than is read")

// Kind is what comes next.
type Kind byte

// The kinds. End of the input is None.
const (
	None Kind = iota
	Start
	End
	Text
)

// Scanner is a cursor in one document.
type Scanner struct {
	r    io.Reader
	buf  []byte
	at   int // next byte in buf
	base int64
	eof  bool
	err  error

	name   []byte
	attrs  []byte
	text   []byte
	room   []byte
	where  int64
	plain  bool
	closed bool // an end follows the start given
	raw    string
}

// New begins a document.
func New(r io.Reader) *Scanner {
	return &Scanner{r: r, buf: make([]byte, 0, 2*block)}
}

// Name is the name of the tag, without its prefix, valid until the next call.
func (s *Scanner) Name() []byte { return s.name }

// Text is a text with its entities replaced, valid until the next call.
func (s *Scanner) Text() []byte { return s.text }

// Offset is where the text begins in the input; Plain says that it stands
// there as it was given.
func (s *Scanner) Offset() int64 { return s.where }

// Plain says that the text stands in the input as it was given.
func (s *Scanner) Plain() bool { return s.plain }

// Err is why the input ended, nil at its true end.
func (s *Scanner) Err() error { return s.err }

// Raw makes everything up to the end tag of the element just begun one text:
// for script and style of HTML.
func (s *Scanner) Raw() {
	if !s.closed {
		s.raw = "</" + string(s.name)
	}
}

// Next moves on.
func (s *Scanner) Next() Kind {
	if s.closed {
		s.closed = false
		return End
	}
	for {
		if s.at >= len(s.buf) && !s.fill() {
			return None
		}
		if s.raw != "" {
			return s.rawText()
		}
		if s.buf[s.at] != '<' {
			return s.content()
		}
		if k := s.tag(); k != None {
			return k
		}
		if s.err != nil {
			return None
		}
	}
}

// fill reads more behind what is left; false at the end.
func (s *Scanner) fill() bool {
	if s.eof {
		return false
	}
	if s.at > 0 {
		n := copy(s.buf[:cap(s.buf)], s.buf[s.at:])
		s.base += int64(s.at)
		s.buf, s.at = s.buf[:n], 0
	}
	if cap(s.buf)-len(s.buf) < block {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	for {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if err != nil {
			s.eof = true
			if !errors.Is(err, io.EOF) {
				s.err = fmt.Errorf("read XML: %w", err)
			}
		}
		if n > 0 || s.eof {
			return n > 0
		}
	}
}

// find looks for a text from the cursor on, at least so many bytes ahead, and
// reads as far as a tag may reach; -1 where it does not come.
func (s *Scanner) find(what string, from int) int {
	for {
		if i := bytes.Index(s.buf[min(s.at+from, len(s.buf)):], []byte(what)); i >= 0 {
			return min(s.at+from, len(s.buf)) + i
		}
		from = max(from, len(s.buf)-s.at-len(what))
		if len(s.buf)-s.at > MaxTag {
			s.err = ErrTag
			s.eof = true
			return -1
		}
		if !s.fill() {
			return -1
		}
	}
}

// content gives a text up to the next tag, or as much as there is.
func (s *Scanner) content() Kind {
	end := bytes.IndexByte(s.buf[s.at:], '<')
	for end < 0 && len(s.buf)-s.at < block && s.fill() {
		end = bytes.IndexByte(s.buf[s.at:], '<')
	}
	if end < 0 {
		end = s.cut()
	}
	s.give(s.buf[s.at : s.at+end])
	s.at += end
	return Text
}

// cut is how much of a long text is given now: no character and no entity is
// cut, if it can be helped.
func (s *Scanner) cut() int {
	b := s.buf[s.at:]
	if s.eof {
		return len(b)
	}
	n := len(b)
	if amp := bytes.LastIndexByte(b[max(0, n-16):], '&'); amp >= 0 && n > 16 {
		n = max(0, n-16) + amp
	}
	if last := tail(b); n == len(b) && !utf8.FullRune(last) {
		n -= len(last)
	}
	return max(n, 1)
}

// tail is the last character of b, from its first byte.
func tail(b []byte) []byte {
	i := len(b) - 1
	for i > 0 && len(b)-i < 4 && b[i]&0xC0 == 0x80 {
		i--
	}
	return b[i:]
}

// give makes a text of bytes of the input.
func (s *Scanner) give(b []byte) {
	s.where = s.base + int64(s.at)
	s.text, s.plain = b, true
	if bytes.IndexByte(b, '&') >= 0 {
		s.room = Unescape(s.room[:0], b)
		s.text, s.plain = s.room, false
	}
}

// rawText gives what stands before the end tag of a raw element.
func (s *Scanner) rawText() Kind {
	i := bytes.Index(s.buf[s.at:], []byte(s.raw))
	for i < 0 && len(s.buf)-s.at < block && s.fill() {
		i = bytes.Index(s.buf[s.at:], []byte(s.raw))
	}
	n := i
	if i < 0 {
		n = len(s.buf) - s.at
		if !s.eof {
			n = max(n-len(s.raw), 1)
		}
	} else {
		s.raw = ""
	}
	s.where, s.plain = s.base+int64(s.at), true
	s.text = s.buf[s.at : s.at+n]
	s.at += n
	return Text
}

// tag reads from a "<" on; None where it was nothing to give.
func (s *Scanner) tag() Kind {
	for len(s.buf)-s.at < 9 && s.fill() {
	}
	b := s.buf[s.at:]
	switch {
	case len(b) > 1 && (b[1] == '/' || nameByte(b[1])):
		return s.element()
	case bytes.HasPrefix(b, []byte("<!--")):
		s.pass("-->", 4)
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		return s.cdata()
	case bytes.HasPrefix(b, []byte("<?")):
		s.pass("?>", 2)
	case bytes.HasPrefix(b, []byte("<!")):
		s.declaration()
	default: // a "<" of its own
		s.give(b[:1])
		s.at++
		return Text
	}
	return None
}

// pass skips what ends with a text, of any length.
func (s *Scanner) pass(end string, from int) {
	s.at = min(s.at+from, len(s.buf))
	for {
		if i := bytes.Index(s.buf[s.at:], []byte(end)); i >= 0 {
			s.at += i + len(end)
			return
		}
		s.at = max(s.at, len(s.buf)-len(end))
		if !s.fill() {
			s.at = len(s.buf)
			return
		}
	}
}

// declaration skips a document type with what it declares.
func (s *Scanner) declaration() {
	end := s.find(">", 2)
	if end < 0 {
		s.at = len(s.buf)
		return
	}
	if bytes.IndexByte(s.buf[s.at:end], '[') >= 0 {
		s.pass("]", 2)
		s.pass(">", 0)
		return
	}
	s.at = end + 1
}

func (s *Scanner) cdata() Kind {
	s.at += len("<![CDATA[")
	i := bytes.Index(s.buf[s.at:], []byte("]]>"))
	for i < 0 && len(s.buf)-s.at < MaxTag && s.fill() {
		i = bytes.Index(s.buf[s.at:], []byte("]]>"))
	}
	n, after := i, 3
	if i < 0 {
		n, after = len(s.buf)-s.at, 0
	}
	s.where, s.plain = s.base+int64(s.at), true
	s.text = s.buf[s.at : s.at+n]
	s.at += n + after
	return Text
}

// element reads a start or end tag.
func (s *Scanner) element() Kind {
	end := s.tagEnd()
	if end < 0 {
		s.at = len(s.buf)
		return None
	}
	b := s.buf[s.at+1 : end]
	s.at = end + 1
	if len(b) > 0 && b[0] == '/' {
		if b = b[1:]; len(b) > 0 && b[len(b)-1] <= ' ' {
			b = bytes.TrimSpace(b)
		}
		s.name, s.attrs = local(b), nil
		return End
	}
	if n := len(b); n > 0 && b[n-1] == '/' {
		b, s.closed = b[:n-1], true
	}
	i := 0
	for i < len(b) && !space(b[i]) {
		i++
	}
	s.name, s.attrs = local(b[:i]), b[i:]
	return Start
}

// tagEnd finds the ">" that is in no quotes.
func (s *Scanner) tagEnd() int {
	from := 1
	for {
		end := -1
		if i := bytes.IndexByte(s.buf[min(s.at+from, len(s.buf)):], '>'); i >= 0 {
			end = s.at + from + i
		} else if end = s.find(">", from); end < 0 {
			return -1
		}
		if b := s.buf[s.at:end]; len(b) > block || !quoting(b) {
			return end
		}
		from = end - s.at + 1
	}
}

// quoting says whether a quote is open at the end of b.
func quoting(b []byte) bool {
	if bytes.IndexByte(b, '\'') < 0 {
		return bytes.Count(b, []byte{'"'})%2 == 1
	}
	quote := byte(0)
	for _, c := range b {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return quote != 0
}

// Attr is the value of an attribute by its name without prefix, nil where
// there is none. It is valid until the next call of Attr, EachAttr or Next.
func (s *Scanner) Attr(name string) []byte {
	b := s.attrs
	for {
		key, value, rest, ok := attribute(b)
		if !ok {
			return nil
		}
		if string(local(key)) == name {
			return s.unescaped(value)
		}
		b = rest
	}
}

// EachAttr calls fn for every attribute, with its name as it is written.
func (s *Scanner) EachAttr(fn func(name, value []byte)) {
	b := s.attrs
	for {
		key, value, rest, ok := attribute(b)
		if !ok {
			return
		}
		fn(key, s.unescaped(value))
		b = rest
	}
}

func (s *Scanner) unescaped(value []byte) []byte {
	if bytes.IndexByte(value, '&') < 0 {
		return value
	}
	s.room = Unescape(s.room[:0], value)
	return s.room
}

// attribute takes the first attribute off b.
func attribute(b []byte) (key, value, rest []byte, ok bool) {
	b = skipSpace(b)
	if len(b) == 0 {
		return nil, nil, nil, false
	}
	i := 0
	for i < len(b) && b[i] != '=' && !space(b[i]) {
		i++
	}
	key, b = b[:i], skipSpace(b[i:])
	if len(b) == 0 || b[0] != '=' {
		return key, nil, b, true
	}
	b = skipSpace(b[1:])
	if len(b) > 0 && (b[0] == '"' || b[0] == '\'') {
		if end := bytes.IndexByte(b[1:], b[0]); end >= 0 {
			return key, b[1 : 1+end], b[2+end:], true
		}
		return key, b[1:], nil, true
	}
	i = 0
	for i < len(b) && !space(b[i]) {
		i++
	}
	return key, b[:i], b[i:], true
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (space(b[0]) || b[0] == '/') {
		b = b[1:]
	}
	return b
}

// local is a name without its prefix.
func local(name []byte) []byte {
	for i, c := range name {
		if c == ':' {
			return name[i+1:]
		}
	}
	return name
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}
