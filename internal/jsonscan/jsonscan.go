// Package jsonscan walks one JSON text without allocating: no tree, no maps,
// no reflection.
//
// What it gives: a [Scanner] that a hand-written decoder drives member by
// member, and [AppendString], [AppendCompact] for those who write JSON the
// same way. Strings come as slices of the text itself and are copied only
// where they hold escapes or invalid UTF-8.
//
// What it guarantees: it accepts exactly the grammar of RFC 8259, up to
// [MaxDepth] levels; an error names a position and never quotes the text; after
// an error everything it returns is empty and every loop ends, so a decoder
// checks [Scanner.End] once. Bytes that are not UTF-8 read as U+FFFD.
//
// What it does not do: it knows no types. Asking for a number where the text
// has a string gives what can be made of it; whoever cares asks [Scanner.Kind]
// first. Members of the same name come one after another as they stand.
package jsonscan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// MaxDepth is how many objects and arrays may be open at once.
const MaxDepth = 128

// Kind is what a value is.
type Kind byte

// The kinds of values. None is the end of the text or a byte that begins no
// value.
const (
	None Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Scanner is a cursor in one JSON text. The zero value scans nothing; Reset
// gives it a text.
type Scanner struct {
	data  []byte
	pos   int
	depth int
	// fresh is set between entering a container and its first member.
	fresh bool
	err   error
}

// Reset starts over with a new text.
func (s *Scanner) Reset(data []byte) { *s = Scanner{data: data} }

// Err is the first error, nil so far as the text was read.
func (s *Scanner) Err() error { return s.err }

// Pos is the position of the next byte to be read.
func (s *Scanner) Pos() int { return s.pos }

// End is nil when the whole text has been read and only space is left.
func (s *Scanner) End() error {
	if s.err == nil {
		s.space()
		if s.pos < len(s.data) {
			s.fail("text after the end of the value")
		}
	}
	return s.err
}

// fail keeps the first error and moves to the end, so that all loops stop.
func (s *Scanner) fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("invalid JSON at byte %d: %w", s.pos, errors.New(what))
	}
	s.pos = len(s.data)
}

// space moves over white space.
func (s *Scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte that is not space, 0 at the end.
func (s *Scanner) peek() byte {
	if s.pos < len(s.data) && s.data[s.pos] > ' ' {
		return s.data[s.pos]
	}
	s.space()
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// Kind is the kind of the next value.
func (s *Scanner) Kind() Kind {
	switch c := s.peek(); c {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return Number
		}
		return None
	}
}

// open enters a container.
func (s *Scanner) open() {
	s.pos++
	s.depth++
	s.fresh = true
	if s.depth > MaxDepth {
		s.fail("nested too deep")
	}
}

// next moves to the next member of the container that ends with end; false
// when the container is over.
func (s *Scanner) next(end byte) bool {
	c := s.peek()
	fresh := s.fresh
	s.fresh = false
	switch {
	case s.err != nil:
		return false
	case c == end:
		s.pos++
		s.depth--
		return false
	case fresh && c != ',':
		return true
	case !fresh && c == ',':
		s.pos++
		if s.peek() == end {
			s.fail("nothing after a comma")
			return false
		}
		return true
	case c == 0:
		s.fail("the text ends inside a value")
	default:
		s.fail("a comma or the end of the object or array is missing")
	}
	return false
}

// Object enters an object; its members follow by Member until it says false.
// Any other value is skipped, and Object is false.
func (s *Scanner) Object() bool {
	if s.peek() != '{' {
		s.Skip()
		return false
	}
	s.open()
	return true
}

// Member moves to the next member of the entered object and gives its name.
// The value must be read or skipped before the next call.
func (s *Scanner) Member() (name []byte, ok bool) {
	if !s.next('}') {
		return nil, false
	}
	if s.peek() != '"' {
		s.fail("the name of a member is missing")
		return nil, false
	}
	name = s.str()
	if s.peek() != ':' {
		s.fail("a colon is missing")
		return nil, false
	}
	s.pos++
	return name, s.err == nil
}

// List is the state of a walk over an array; see [Scanner.List].
type List byte

const (
	single List = iota
	many
	over
)

// List begins a walk over the next value's elements: of an array each, of
// null none, of any other value the value itself, because many senders drop
// the brackets around one element. The walk is: for l := s.List(); s.More(&l); {}.
func (s *Scanner) List() List {
	switch s.peek() {
	case '[':
		s.open()
		return many
	case 'n':
		s.Skip()
		return over
	}
	return single
}

// More moves to the next element of a walk begun by List.
func (s *Scanner) More(l *List) bool {
	switch *l {
	case many:
		return s.next(']')
	case single:
		*l = over
		return s.err == nil
	}
	return false
}

// Text reads a string, or a number, true and false as they are written. Null
// is nil; an object or array is skipped and gives nil. The slice may be part
// of the scanned text.
func (s *Scanner) Text() []byte {
	switch s.Kind() {
	case String:
		return s.str()
	case Number, Bool:
		return s.Raw()
	}
	s.Skip()
	return nil
}

// Int reads a whole number; a fraction is cut off, a string holding a number
// is read as one, anything else is 0.
func (s *Scanner) Int() int64 {
	text := s.Text()
	if n, ok := digits(text); ok {
		return n
	}
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f != f || f >= 1<<63 || f < -1<<63 {
		return 0
	}
	return int64(f)
}

// digits reads up to 18 plain digits.
func digits(text []byte) (n int64, ok bool) {
	if len(text) == 0 || len(text) > 18 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// Float reads a number; anything else is 0.
func (s *Scanner) Float() float64 {
	f, err := strconv.ParseFloat(string(s.Text()), 64)
	if err != nil {
		return 0
	}
	return f
}

// Bool reads true; "true" and 1 count, everything else is false.
func (s *Scanner) Bool() bool {
	text := s.Text()
	return string(text) == "true" || string(text) == "1"
}

// Raw reads any value and gives its text as it stands.
func (s *Scanner) Raw() []byte {
	s.peek()
	from := s.pos
	s.Skip()
	if s.err != nil {
		return nil
	}
	return s.data[from:s.pos]
}

// Skip reads any value and checks its grammar.
func (s *Scanner) Skip() {
	switch c := s.peek(); c {
	case '"':
		s.skipString()
	case '{':
		s.open()
		for s.skipMember() {
		}
	case '[':
		s.open()
		for s.next(']') {
			s.Skip()
		}
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.number()
	}
}

func (s *Scanner) skipMember() bool {
	if !s.next('}') {
		return false
	}
	if s.peek() != '"' {
		s.fail("the name of a member is missing")
		return false
	}
	s.skipString()
	if s.peek() != ':' {
		s.fail("a colon is missing")
		return false
	}
	s.pos++
	s.Skip()
	return s.err == nil
}

func (s *Scanner) literal(word string) {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		s.fail("a value is missing or not JSON")
		return
	}
	s.pos += len(word)
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *Scanner) number() {
	s.accept('-')
	switch {
	case s.accept('0'):
	case !s.digitRun():
		s.fail("a value is missing or not JSON")
		return
	}
	if s.accept('.') && !s.digitRun() {
		s.fail("digits are missing after the decimal point")
		return
	}
	if s.accept('e') || s.accept('E') {
		if !s.accept('+') {
			s.accept('-')
		}
		if !s.digitRun() {
			s.fail("digits are missing in the exponent")
		}
	}
}

func (s *Scanner) accept(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *Scanner) digitRun() bool {
	from := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > from
}

// skipString reads a string and reports whether it is plain: no escapes and
// only ASCII.
func (s *Scanner) skipString() (plain bool) {
	plain = true
	data := s.data
	for i := s.pos + 1; ; i++ {
		i += plainRun(data[i:])
		if i == len(data) {
			s.fail("a string has no end")
			return false
		}
		switch c := data[i]; {
		case c == '"':
			s.pos = i + 1
			return plain
		case c == '\\':
			n := escape(data[i:])
			if n == 0 {
				s.pos = i
				s.fail("an escape is not JSON")
				return false
			}
			i += n - 1
		case c < ' ':
			s.pos = i
			s.fail("a control character stands in a string")
			return false
		}
		plain = false
	}
}

// plainRun is how many bytes of b need no attention inside a string: ASCII
// other than the quote, the backslash and control characters. It looks at
// eight bytes at once: for each of the four questions, the high bit of a byte
// says yes, and the lowest yes is exact.
func plainRun(b []byte) (n int) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(b)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		quote, back := x^(ones*'"'), x^(ones*'\\')
		stop := (x | (quote-ones)&^quote | (back-ones)&^back | (x-ones*' ')&^x) & high
		if stop != 0 {
			return n + bits.TrailingZeros64(stop)/8
		}
	}
	for ; n < len(b); n++ {
		if c := b[n]; c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			break
		}
	}
	return n
}

// escape is the length of the escape that b begins with, 0 for none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// str reads a string and gives what it means.
func (s *Scanner) str() []byte {
	from := s.pos + 1
	plain := s.skipString()
	if s.err != nil {
		return nil
	}
	text := s.data[from : s.pos-1]
	if plain {
		return text
	}
	if bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return text
	}
	return unescape(make([]byte, 0, len(text)+8), text)
}
