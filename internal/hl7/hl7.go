// Package hl7 reads the syntax of HL7 v2: messages, segments, fields,
// repetitions, components, subcomponents, escapes, character sets and times.
// It gives [Parse] for one message, [ScanMessages] to cut a file or stream
// into messages (MLLP frames, blank lines, FHS/BHS batches or nothing but the
// next MSH), [Decode] for the character set of MSH-18, [ParseTime] for every
// precision of a timestamp, and [Acks] for the answer a sender waits for.
//
// What it guarantees. It reads what real senders write: CR, LF or CRLF, a byte
// order mark, missing or odd encoding characters, lines broken inside a field,
// segments of any name. Values are views of the message; nothing is copied
// before [Value.String]. No input makes it panic, and it never reports an
// error for a single field: a field that is not there is empty.
//
// What it does not do. It knows no segment's meaning except that of MSH (and
// MSA and ERR, which it writes), checks no message structure, and keeps no
// state. Source: HL7 v2.8.2 chapter 2; MLLP: HL7 Transport Specification.
package hl7

import (
	"bytes"
	"errors"
	"iter"
)

// Delimiters are the encoding characters of one message (MSH-1 and MSH-2).
type Delimiters struct {
	Field, Component, Repetition, Escape, Subcomponent byte
}

// standard are the encoding characters nearly everyone uses.
var standard = Delimiters{Field: '|', Component: '^', Repetition: '~', Escape: '\\', Subcomponent: '&'}

// Message is one parsed message. It refers to the bytes given to Parse.
type Message struct {
	Segments []Segment
	delims   Delimiters
	// Loose is the number of lines that were not segments: text broken by a
	// line end inside a field.
	Loose int
}

// Segment is one line of a message.
type Segment struct {
	raw    []byte
	delims *Delimiters
}

// ErrNotHL7 is returned by Parse for text that is not an HL7 v2 message.
var ErrNotHL7 = errors.New("not an HL7 v2 message: it does not begin with an MSH segment")

// Parse reads one message, which must be in UTF-8 or another superset of
// ASCII (see Decode). It fails only where there is no MSH segment with
// encoding characters.
func Parse(text []byte) (*Message, error) {
	text = trimFrame(text)
	delims, ok := readDelimiters(text)
	if !ok {
		return nil, ErrNotHL7
	}
	m := &Message{delims: delims, Segments: make([]Segment, 0, 16)}
	for len(text) > 0 {
		var line []byte
		line, text = CutLine(text)
		switch {
		case isSegment(line, delims.Field):
			m.Segments = append(m.Segments, Segment{raw: line, delims: &m.delims})
		case len(bytes.TrimSpace(line)) > 0:
			m.Loose++
		}
	}
	return m, nil
}

// readDelimiters reads MSH-1 and MSH-2. Missing ones have their usual value.
func readDelimiters(text []byte) (Delimiters, bool) {
	d := standard
	if len(text) < 4 || string(text[:3]) != "MSH" || !isDelimiter(text[3]) {
		return d, false
	}
	d.Field = text[3]
	line, _ := CutLine(text)
	chars, _, _ := bytes.Cut(line[4:], text[3:4])
	for i, at := range []*byte{&d.Component, &d.Repetition, &d.Escape, &d.Subcomponent} {
		if i < len(chars) && isDelimiter(chars[i]) {
			*at = chars[i]
		}
	}
	return d, true
}

// ReadDelimiters reads the encoding characters of a message; those it does not
// say have their usual value.
func ReadDelimiters(msg []byte) Delimiters {
	d, _ := readDelimiters(trimFrame(msg))
	return d
}

func isDelimiter(c byte) bool {
	return c > ' ' && c < 0x7f && !isAlnum(c)
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// isSegment says whether a line begins with a segment name: a letter and two
// letters or digits, all capital, then the field separator or the line's end.
func isSegment(line []byte, field byte) bool {
	return hasName(line) && (len(line) == 3 || line[3] == field)
}

func hasName(line []byte) bool {
	return len(line) >= 3 && isUpper(line[0]) && isName(line[1]) && isName(line[2])
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func isName(c byte) bool { return isUpper(c) || c >= '0' && c <= '9' }

// CutLine cuts text at the next CR or LF.
func CutLine(text []byte) (line, rest []byte) {
	i := lineEnd(text)
	if i < 0 {
		return text, nil
	}
	return text[:i], text[i+1:]
}

// lineEnd is the index of the first CR or LF, or -1. It looks at a window at a
// time: of the two characters one may be missing from a whole file.
func lineEnd(text []byte) int {
	const window = 512
	for at := 0; at < len(text); at += window {
		part := text[at:min(at+window, len(text))]
		cr := bytes.IndexByte(part, '\r')
		if cr >= 0 {
			part = part[:cr]
		}
		if lf := bytes.IndexByte(part, '\n'); lf >= 0 {
			return at + lf
		}
		if cr >= 0 {
			return at + cr
		}
	}
	return -1
}

// Segment returns the first segment of a name; it is empty if there is none.
func (m *Message) Segment(name string) Segment {
	for _, s := range m.Segments {
		if s.Is(name) {
			return s
		}
	}
	return Segment{delims: &m.delims}
}

// All returns the segments of a name in order.
func (m *Message) All(name string) iter.Seq[Segment] {
	return func(yield func(Segment) bool) {
		for _, s := range m.Segments {
			if s.Is(name) && !yield(s) {
				return
			}
		}
	}
}

// Name is the segment's name, three characters; "" for a missing segment.
func (s Segment) Name() string {
	if len(s.raw) < 3 {
		return ""
	}
	return string(s.raw[:3])
}

// Is says whether the segment has the name.
func (s Segment) Is(name string) bool {
	return len(s.raw) >= 3 && string(s.raw[:3]) == name
}

// Missing says that the message has no such segment.
func (s Segment) Missing() bool { return len(s.raw) == 0 }

// Field returns field n, counted from 1 as the standard does (MSH-1 is the
// field separator itself).
func (s Segment) Field(n int) Value {
	v := Value{delims: s.delims}
	if len(s.raw) < 4 || n < 1 {
		return v
	}
	if s.Is("MSH") {
		if n == 1 {
			v.raw = s.raw[3:4]
			return v
		}
		n--
	}
	rest := s.raw[4:]
	for ; n > 1; n-- {
		i := bytes.IndexByte(rest, s.delims.Field)
		if i < 0 {
			return v
		}
		rest = rest[i+1:]
	}
	v.raw = cut(rest, s.delims.Field)
	return v
}

// Text returns the first repetition of field n, or one component of it, down
// to the first subcomponent: what is meant where a field is used as one value.
func (s Segment) Text(n int, component ...int) string {
	c := 1
	if len(component) > 0 {
		c = component[0]
	}
	return s.Field(n).First().Component(c).Sub(1).String()
}

// cut returns b up to the first sep.
func cut(b []byte, sep byte) []byte {
	if i := bytes.IndexByte(b, sep); i >= 0 {
		return b[:i]
	}
	return b
}
