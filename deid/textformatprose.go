package deid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cordon-health/cordon/classify"
)

// The shapes of encoded data: how long a run of base64 is surely no word, and
// how many escaped bytes in a row are surely a text.
const (
	encodedRun    = 100
	encodedEscape = 2
)

// throughout reads what begins as prose to its end: tags may come later, and so
// may what no reader of prose sees through.
func throughout(ctx context.Context, in classify.Source) (textForm, byte, error) {
	r, _, _, err := classify.Text(in)
	if err != nil {
		return proseForm, 0, fmt.Errorf("read a text to be cleaned: %w", err)
	}
	const overlap = 4096
	buf, kept := make([]byte, 256<<10), 0
	form := proseForm
	for {
		if err := ctx.Err(); err != nil {
			return form, 0, err
		}
		n, err := io.ReadFull(r, buf[kept:])
		text := buf[:kept+n]
		if why := hidden(text); why != "" {
			return form, 0, fmt.Errorf("%w: %s", ErrRefused, why)
		}
		if form == proseForm && hasMarkup(text) {
			form = htmlForm
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return form, 0, nil
		}
		if err != nil {
			return form, 0, fmt.Errorf("read a text to be cleaned: %w", err)
		}
		kept = copy(buf, text[len(text)-overlap:])
	}
}

// hidden says what in a text cannot be read as prose.
func hidden(text []byte) string {
	switch {
	case bytes.Contains(bytes.ToLower(text), []byte("content-transfer-encoding:")):
		return "mail stands in this text, whose parts are encoded; save them as files of their own and clean those"
	case bytes.Contains(text, []byte(`{\rtf`)):
		return "RTF stands in this text; save it as plain text and clean that"
	case hasEncoded(text):
		return "encoded data (base64, quoted-printable or the like) stands in this text; decode it or take it out first"
	case hasMembers(text):
		return "JSON stands in this text; write each value on a line of its own and name the file .ndjson"
	}
	return ""
}

// hasEncoded looks for long runs of base64, and for bytes and characters written
// as =E5, %E5 or \u5f20.
func hasEncoded(text []byte) bool {
	var r encodedLook
	for i, c := range text {
		if r.base64(c) || r.escape(text, i, c) {
			return true
		}
	}
	return false
}

// encodedLook is the run that ends at the current byte.
type encodedLook struct {
	run, line           int
	upper, lower, digit bool
	escapes, next       int
}

// base64 takes a byte of a run; lines of base64 are one run.
func (r *encodedLook) base64(c byte) bool {
	switch {
	case c >= 'A' && c <= 'Z':
		r.upper = true
	case c >= 'a' && c <= 'z':
		r.lower = true
	case isDigit(c):
		r.digit = true
	case c == '+' || c == '/' || c == '=':
	case (c == '\n' || c == '\r') && (r.line >= 60 || r.line == 0 && r.run > 0):
		r.line = 0
		return false
	default:
		r.run, r.line, r.upper, r.lower, r.digit = 0, 0, false, false, false
		return false
	}
	r.run++
	r.line++
	return r.run >= encodedRun && r.upper && r.lower && r.digit
}

// escape counts bytes above ASCII that are written in hexadecimal.
func (r *encodedLook) escape(text []byte, i int, c byte) bool {
	size := 3
	switch {
	case c == '\\' && i+5 < len(text) && text[i+1] == 'u' && isHex(text[i+2]) && isHex(text[i+3]) && isHex(text[i+4]) && isHex(text[i+5]):
		size = 6
	case c != '=' && c != '%' || i+2 >= len(text) || !isHighHex(text[i+1]) || !isHex(text[i+2]):
		return false
	}
	if i != r.next {
		r.escapes = 0
	}
	r.escapes++
	r.next = i + size
	return r.escapes >= encodedEscape
}

func isHighHex(c byte) bool { return c == '8' || c == '9' || isHex(c) && !isDigit(c) }

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// hasMembers says whether members of JSON objects stand in a text: a key in
// quotes behind a brace or comma, a colon and a value.
func hasMembers(text []byte) bool {
	for i := 0; ; {
		n := bytes.IndexByte(text[i:], '{')
		if n < 0 {
			return false
		}
		i += n + 1
		rest := bytes.TrimLeft(text[i:min(len(text), i+256)], " \t\r\n\\")
		if len(rest) == 0 || rest[0] != '"' {
			continue
		}
		end := bytes.IndexByte(rest[1:], '"')
		if end < 0 {
			continue
		}
		if after := bytes.TrimLeft(rest[end+2:], " \t\r\n\\"); len(after) > 0 && after[0] == ':' {
			return true
		}
	}
}
