package classify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// Chat services and programs carry files as base64 in a field. Such a field is
// searched as the text it is, and what it decodes to is inspected as a member,
// if it is text or begins like a file: the random codes that make up most of
// such fields are left alone.
const (
	// encodedLeast is how many characters of base64 are worth decoding where
	// nothing says that it is base64.
	encodedLeast = 64
	// encodedHead is how many of them are looked at.
	encodedHead = 4096
)

// Encoded says whether a text, or the beginning of one, is the base64 of a
// file, in either alphabet, with or without padding, line breaks or the words
// of a data: URI before it. start is where the base64 begins.
func Encoded(text []byte) (start int, ok bool) {
	start, named := dataURI(text)
	code := text[start:]
	if len(code) < encodedLeast && !named || len(code) == 0 {
		return 0, false
	}
	code = code[:min(len(code), encodedHead)]
	for _, c := range code {
		if sextet(c) > 63 && c != '=' && !lineSpace(c) {
			return 0, false
		}
	}
	if named {
		return start, true
	}
	head, err := io.ReadAll(Decoded(code, nil))
	return start, err == nil && len(head) >= encodedLeast*5/8 && fileBegins(head)
}

// dataURI is how long the words before the data of a data: URI are.
func dataURI(text []byte) (n int, ok bool) {
	if len(text) < 5 || !strings.EqualFold(string(text[:5]), "data:") {
		return 0, false
	}
	words, _, ok := bytes.Cut(text[:min(len(text), 512)], []byte(","))
	if !ok || !bytes.HasSuffix(bytes.ToLower(bytes.TrimSpace(words)), []byte(";base64")) {
		return 0, false
	}
	return len(words) + 1, true
}

// fileBegins says whether decoded bytes are text, or begin as the files do that
// hold some.
func fileBegins(head []byte) bool {
	for _, magic := range [...]string{"PK\x03\x04", "PK\x05\x06", "%PDF", "\x1f\x8b", "7z\xbc\xaf\x27\x1c", "Rar!\x1a\x07", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "\xfd7zXZ\x00", "BZh", "\x28\xb5\x2f\xfd", "\x04\x22\x4d\x18",
		"\x89PNG\r\n", "\xff\xd8\xff", "GIF8", "II*\x00", "MM\x00*", "PAR1", "Obj\x01", "ORC", "SQLite format 3\x00", "MSCF", "!BDN"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" || len(head) > 132 && string(head[128:132]) == "DICM" {
		return true
	}
	charset, mark := sniff(head)
	switch charset {
	case Binary:
		return false
	case UTF8:
		return validCut(head[mark:])
	}
	text, ok := TextBegins(head)
	return ok && utf8.Valid(text) && !bytes.ContainsRune(text[:max(len(text)-3, 0)], utf8.RuneError)
}

// Decoded reads base64: code, and then what more gives until it gives nothing.
// What is no base64 is passed over, and padding ends it.
func Decoded(code []byte, more func() []byte) io.Reader {
	return &decoder{code: code, more: more}
}

type decoder struct {
	code []byte
	more func() []byte
	acc  uint32
	bits int
	end  bool
}

func (d *decoder) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(d.code) == 0 && !d.end {
			if d.more != nil {
				d.code = d.more()
			}
			d.end = len(d.code) == 0
		}
		if d.end {
			if n > 0 {
				return n, nil
			}
			return 0, io.EOF
		}
		c := d.code[0]
		d.code = d.code[1:]
		v := sextet(c)
		if v > 63 {
			d.end = c == '='
			continue
		}
		d.acc, d.bits = d.acc<<6|uint32(v), d.bits+6
		if d.bits >= 8 {
			d.bits -= 8
			p[n] = byte(d.acc >> d.bits)
			n++
		}
	}
	return n, nil
}

// sextet is what a character of base64 stands for, 64 for any other.
func sextet(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c - 'A'
	case c >= 'a' && c <= 'z':
		return c - 'a' + 26
	case c >= '0' && c <= '9':
		return c - '0' + 52
	case c == '+' || c == '-':
		return 62
	case c == '/' || c == '_':
		return 63
	}
	return 64
}

func lineSpace(c byte) bool { return c == '\n' || c == '\r' || c == ' ' || c == '\t' }

// Full says whether an error of [Sink.Member] means no more than that further
// members are not read, so that a reader goes on with its texts.
func Full(err error) bool { return errors.Is(err, errFull) }

// encoded inspects the file that a part is the base64 of.
func (s *sink) encoded(p *Part) error {
	if len(p.Text) < 24 || p.Unpacked {
		return nil
	}
	text := bytes.TrimSpace(p.Text)
	start, ok := Encoded(text)
	if !ok {
		return nil
	}
	return s.decoded(placeOf(p), Decoded(text[start:], nil))
}

// encodedText inspects the file that a whole text is the base64 of.
func (s *sink) encodedText(ctx context.Context, head []byte, r io.Reader) error {
	start, ok := Encoded(head)
	if !ok {
		return nil
	}
	block := make([]byte, textBlock)
	return s.decoded("", Decoded(nil, func() []byte {
		for ctx.Err() == nil {
			n, err := io.ReadFull(r, block)
			from := min(start, n)
			start -= from
			if from < n || err != nil {
				return block[from:n]
			}
		}
		return nil
	}))
}

func (s *sink) decoded(place string, r io.Reader) error {
	if place != "" {
		place += "/"
	}
	if err := s.Member(place+"base64", r); err != nil && !Full(err) {
		return err
	}
	return nil
}
