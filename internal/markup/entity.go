package markup

import (
	"bytes"
	"unicode/utf8"
)

// longestEntity is how far the ";" of an entity may be.
const longestEntity = 10

// Unescape appends a text with its entities replaced: numbers, the five of
// XML, and the space of HTML. Others stay as they are written.
func Unescape(dst, text []byte) []byte {
	for {
		amp := bytes.IndexByte(text, '&')
		if amp < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:amp]...)
		text = text[amp:]
		end := bytes.IndexByte(text[:min(len(text), longestEntity+2)], ';')
		if end < 0 {
			dst, text = append(dst, '&'), text[1:]
			continue
		}
		r, ok := entity(text[1:end])
		if !ok {
			dst, text = append(dst, '&'), text[1:]
			continue
		}
		dst, text = utf8.AppendRune(dst, r), text[end+1:]
	}
}

func entity(name []byte) (rune, bool) {
	switch string(name) {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	case "nbsp", "ensp", "emsp":
		return ' ', true
	case "middot":
		return '·', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	n, base := rune(0), rune(10)
	digits := name[1:]
	if digits[0]|0x20 == 'x' {
		digits, base = digits[1:], 16
	}
	for _, c := range digits {
		d := rune(c) - '0'
		if c |= 0x20; c >= 'a' && c <= 'f' {
			d = rune(c) - 'a' + 10
		}
		if d < 0 || d >= base || n > utf8.MaxRune {
			return 0, false
		}
		n = n*base + d
	}
	return n, len(digits) > 0 && n <= utf8.MaxRune
}
