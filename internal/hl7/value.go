package hl7

import (
	"bytes"
	"encoding/hex"
	"iter"
	"strings"
	"unicode/utf8"
)

// Value is a field, a repetition, a component or a subcomponent: a view of
// the message with its escapes still in it.
type Value struct {
	raw    []byte
	delims *Delimiters
}

// Empty says that nothing was sent. The explicit null "" is not empty.
func (v Value) Empty() bool { return len(bytes.TrimSpace(v.raw)) == 0 }

// Null says that the sender asks to delete what the receiver holds ("").
func (v Value) Null() bool { return string(v.raw) == `""` }

// Repeats returns the repetitions of a field in order, also empty ones.
func (v Value) Repeats() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.delims == nil || len(v.raw) == 0 {
			return
		}
		for rest := v.raw; ; {
			i := bytes.IndexByte(rest, v.delims.Repetition)
			if i < 0 {
				yield(Value{rest, v.delims})
				return
			}
			if !yield(Value{rest[:i], v.delims}) {
				return
			}
			rest = rest[i+1:]
		}
	}
}

// First is the first repetition.
func (v Value) First() Value {
	if v.delims == nil {
		return v
	}
	return Value{cut(v.raw, v.delims.Repetition), v.delims}
}

// Component returns component n of a repetition, counted from 1.
func (v Value) Component(n int) Value {
	return v.part(n, func(d *Delimiters) byte { return d.Component })
}

// Sub returns subcomponent n of a component, counted from 1.
func (v Value) Sub(n int) Value { return v.part(n, func(d *Delimiters) byte { return d.Subcomponent }) }

func (v Value) part(n int, sep func(*Delimiters) byte) Value {
	if v.delims == nil || n < 1 {
		return Value{delims: v.delims}
	}
	c := sep(v.delims)
	rest := v.raw
	for ; n > 1; n-- {
		i := bytes.IndexByte(rest, c)
		if i < 0 {
			return Value{delims: v.delims}
		}
		rest = rest[i+1:]
	}
	return Value{cut(rest, c), v.delims}
}

// Raw is the text as sent, escapes included; it refers to the message.
func (v Value) Raw() []byte { return v.raw }

// String is the text without blanks around it and with its escapes resolved;
// the explicit null gives "". It never contains bytes that are not UTF-8.
func (v Value) String() string {
	raw := bytes.TrimSpace(v.raw)
	if len(raw) == 0 || string(raw) == `""` {
		return ""
	}
	if v.delims == nil || bytes.IndexByte(raw, v.delims.Escape) < 0 {
		return valid(string(raw))
	}
	return valid(unescape(raw, v.delims))
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// unescape resolves \F\ \S\ \T\ \R\ \E\ \Xdd..\ and the formatting commands
// that mean white space. Highlighting, character set changes and local
// escapes are left out; what is no escape stays as it is.
func unescape(raw []byte, d *Delimiters) string {
	var b strings.Builder
	b.Grow(len(raw))
	for {
		i := bytes.IndexByte(raw, d.Escape)
		if i < 0 {
			b.Write(raw)
			return b.String()
		}
		b.Write(raw[:i])
		raw = raw[i+1:]
		j := bytes.IndexByte(raw, d.Escape)
		if j < 0 || !writeEscape(&b, raw[:j], d) {
			b.WriteByte(d.Escape)
			continue
		}
		raw = raw[j+1:]
	}
}

// writeEscape writes what an escape stands for, and says whether it is one.
func writeEscape(b *strings.Builder, code []byte, d *Delimiters) bool {
	switch c := string(code); {
	case c == "F":
		b.WriteByte(d.Field)
	case c == "S":
		b.WriteByte(d.Component)
	case c == "T":
		b.WriteByte(d.Subcomponent)
	case c == "R":
		b.WriteByte(d.Repetition)
	case c == "E":
		b.WriteByte(d.Escape)
	case c == "P":
		b.WriteByte('#')
	case c == "H" || c == "N":
	case len(c) > 2 && c[0] == '.':
		b.WriteByte(' ')
	case len(c) > 2 && c[0] == 'X':
		data, err := hex.DecodeString(c[1:])
		if err != nil {
			return false
		}
		b.Write(data)
	case len(c) > 2 && (c[0] == 'C' || c[0] == 'M' || c[0] == 'Z') && isHex(c[1:]):
	default:
		return false
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// AppendUnescaped appends what a piece of a message means, its escapes
// resolved, where only the separators are at hand. What is no escape stays.
func AppendUnescaped(dst, raw []byte, d Delimiters) []byte {
	return append(dst, unescape(raw, &d)...)
}
