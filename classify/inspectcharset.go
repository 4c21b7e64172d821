package classify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// sniff guesses the charset of a text by its beginning, and how long its byte
// order mark is. What is no text at all is [Binary]; Western text of one byte a
// character is read as UTF-8, in which it differs by letters that no
// identifier has.
func sniff(head []byte) (charset Charset, mark int) {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return UTF8, 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")) && len(head)%2 == 0:
		return UTF16LE, 2
	case bytes.HasPrefix(head, []byte("\xfe\xff")) && len(head)%2 == 0:
		return UTF16BE, 2
	}
	if c, ok := sniffWide(head); ok {
		return c, 0
	}
	control := 0
	for _, c := range head {
		if c < ' ' && (c < '\t' || c > '\r') && (c < 0x1b || c > 0x1f) || c == 0x7f {
			control++
		}
	}
	switch {
	case control*100 > len(head):
		return Binary, 0
	case validCut(head):
		return UTF8, 0
	case looksGB(head):
		return GB18030, 0
	}
	return UTF8, 0
}

// validCut says whether head is UTF-8, perhaps cut within a character.
func validCut(head []byte) bool {
	for len(head) > 0 {
		if head[0] < utf8.RuneSelf {
			head = head[1:]
			continue
		}
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			return !utf8.FullRune(head)
		}
		head = head[n:]
	}
	return true
}

// sniffWide finds UTF-16 without a mark: nearly every unit is ASCII, Chinese
// or punctuation in one byte order and not in the other.
func sniffWide(head []byte) (Charset, bool) {
	units := len(head) / 2
	if units < 4 || bytes.IndexByte(head, 0) < 0 && validCut(head) {
		return 0, false
	}
	little, big, littleText, bigText := 0, 0, 0, 0
	for i := 0; i+1 < len(head); i += 2 {
		l, b := uint16(head[i])|uint16(head[i+1])<<8, uint16(head[i+1])|uint16(head[i])<<8
		if usual(l) {
			little++
		}
		if usual(b) {
			big++
		}
		if l < 0x80 {
			littleText++
		}
		if b < 0x80 {
			bigText++
		}
	}
	switch {
	case little*100 >= units*95 && big*2 < little && littleText*20 > units:
		return UTF16LE, true
	case big*100 >= units*95 && little*2 < big && bigText*20 > units:
		return UTF16BE, true
	}
	return 0, false
}

// usual says whether a unit of UTF-16 is one that text is made of.
func usual(u uint16) bool {
	switch {
	case u >= ' ' && u < 0x7f, u == '\t', u == '\n', u == '\r', u == 0xa0, u == 0xb7:
		return true
	case u >= 0x4e00 && u <= 0x9fff, u >= 0x3000 && u <= 0x303f, u >= 0xff00 && u <= 0xffee, u >= 0x2010 && u <= 0x2026:
		return true
	}
	return false
}

// looksGB says whether the bytes beyond ASCII come in the pairs of GBK, most
// of them in the range of the common characters.
func looksGB(head []byte) bool {
	pairs, common, wrong := 0, 0, 0
	for i := 0; i < len(head); {
		if head[i] < 0x80 {
			i++
			continue
		}
		if i+1 == len(head) {
			break
		}
		a, b := head[i], head[i+1]
		switch {
		case a >= 0x81 && a <= 0xfe && b >= 0x40 && b != 0x7f && b <= 0xfe:
			pairs++
			if a >= 0xa1 && a <= 0xf7 && b >= 0xa1 {
				common++
			}
			i += 2
		case a >= 0x81 && a <= 0xfe && b >= '0' && b <= '9':
			i += 4
		default:
			wrong++
			i++
		}
	}
	return pairs > 0 && wrong*50 <= pairs && common*10 >= pairs*6
}

// doubleBytes is GBK's table, built when the first text needs it.
var doubleBytes = sync.OnceValue(func() *[0x7e * 0xbf]rune {
	table := new([0x7e * 0xbf]rune)
	d := simplifiedchinese.GB18030.NewDecoder()
	for i := range table {
		pair := []byte{byte(i/0xbf) + 0x81, byte(i%0xbf) + 0x40}
		table[i] = utf8.RuneError
		if s, err := d.Bytes(pair); err == nil {
			if r, n := utf8.DecodeRune(s); n == len(s) {
				table[i] = r
			}
		}
	}
	return table
})

// transcoder brings a text to UTF-8 as it comes, and remembers where in the
// source each piece of it stands.
type transcoder struct {
	to      io.Writer
	next    func(b []byte, last bool) (r rune, n int)
	rest    []byte // the beginning of a character
	out     []byte
	read    int64 // of the source, so far
	written int
	marks   []mark
}

// mark is a place in both texts after which each character is as long in one
// and in the other as before.
type mark struct {
	text   int
	source int64
	// a character has this many bytes in either.
	in, out int
}

// marksMost bounds what is remembered: findings come at most a few blocks
// after their text.
const marksMost = 1 << 18

func newTranscoder(charset Charset, to io.Writer) *transcoder {
	t := &transcoder{to: to}
	switch charset {
	case UTF16LE:
		t.next = func(b []byte, last bool) (rune, int) { return wideRune(b, last, 0, 1) }
	case UTF16BE:
		t.next = func(b []byte, last bool) (rune, int) { return wideRune(b, last, 1, 0) }
	default:
		table := doubleBytes()
		t.next = func(b []byte, last bool) (rune, int) { return gbRune(b, last, table) }
	}
	return t
}

// wideRune reads a character of UTF-16; n is 0 where more bytes are needed.
func wideRune(b []byte, last bool, low, high int) (r rune, n int) {
	if len(b) < 2 {
		return utf8.RuneError, len(b) * oneIf(last)
	}
	r = rune(b[low]) | rune(b[high])<<8
	if !utf16.IsSurrogate(r) {
		return r, 2
	}
	if len(b) < 4 {
		return utf8.RuneError, len(b) * oneIf(last)
	}
	if pair := utf16.DecodeRune(r, rune(b[2+low])|rune(b[2+high])<<8); pair != utf8.RuneError {
		return pair, 4
	}
	return utf8.RuneError, 2
}

func oneIf(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// gbRune reads a character of GB18030.
func gbRune(b []byte, last bool, table *[0x7e * 0xbf]rune) (r rune, n int) {
	c := b[0]
	if c < 0x80 {
		return rune(c), 1
	}
	if c == 0x80 || c == 0xff {
		return utf8.RuneError, 1
	}
	if len(b) < 2 {
		return utf8.RuneError, oneIf(last)
	}
	if d := b[1]; d >= 0x40 && d != 0x7f && d != 0xff {
		return table[(int(c)-0x81)*0xbf+int(d)-0x40], 2
	} else if d < '0' || d > '9' {
		return utf8.RuneError, 1
	}
	if len(b) < 4 {
		return utf8.RuneError, oneIf(last)
	}
	s, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b[:4])
	if err != nil {
		return utf8.RuneError, 1
	}
	r, _ = utf8.DecodeRune(s)
	return r, 4
}

// Write takes the next piece of the source.
func (t *transcoder) Write(p []byte) (int, error) { return len(p), t.take(p, false) }

// Close takes what is left of a cut character.
func (t *transcoder) Close() error { return t.take(nil, true) }

func (t *transcoder) take(p []byte, last bool) error {
	b := p
	if len(t.rest) > 0 {
		b = append(t.rest, p...)
	}
	t.out = t.out[:0]
	for len(b) > 0 {
		r, n := t.next(b, last)
		if n == 0 {
			break
		}
		before := len(t.out)
		t.out = utf8.AppendRune(t.out, r)
		t.note(n, len(t.out)-before)
		b = b[n:]
	}
	t.rest = append([]byte(nil), b...)
	_, err := t.to.Write(t.out)
	return err
}

// note remembers a place where the lengths of characters change.
func (t *transcoder) note(in, out int) {
	if k := len(t.marks); k == 0 || t.marks[k-1].in != in || t.marks[k-1].out != out {
		if k >= marksMost {
			t.marks = append(t.marks[:0], t.marks[k/2:]...)
		}
		t.marks = append(t.marks, mark{t.written, t.read, in, out})
	}
	t.read += int64(in)
	t.written += out
}

// source is where in the source the character at an offset of the text stands.
func (t *transcoder) source(text int) int64 {
	i := sort.Search(len(t.marks), func(i int) bool { return t.marks[i].text > text }) - 1
	if i < 0 {
		return 0
	}
	m := t.marks[i]
	at := m.source + int64((text-m.text)/m.out*m.in)
	return min(at, t.read)
}

// Text gives a source as UTF-8, whatever charset it is in, for readers of
// formats that are text. Where exact, offsets of the text plus base are those
// of the file.
func Text(src Source) (r io.Reader, base int64, exact bool, err error) {
	head := make([]byte, min(headBytes, max(src.Size(), 0)))
	n, err := src.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, false, fmt.Errorf("read the beginning of a text: %w", err)
	}
	charset, mark := sniff(head[:n])
	in := io.NewSectionReader(src, int64(mark), src.Size()-int64(mark))
	if charset == UTF8 || charset == Binary {
		return in, int64(mark), true, nil
	}
	d := &decoding{from: in}
	d.through = newTranscoder(charset, &d.out)
	return d, 0, false, nil
}

// TextBegins gives the beginning of a text as UTF-8, for claims; ok is false
// where it is no text.
func TextBegins(head []byte) (text []byte, ok bool) {
	charset, mark := sniff(head)
	switch charset {
	case Binary:
		return nil, false
	case UTF8:
		return head[mark:], true
	}
	var out bytes.Buffer
	t := newTranscoder(charset, &out)
	if err := t.take(head[mark:], false); err != nil {
		return nil, false
	}
	return out.Bytes(), true
}

// CharsetOf guesses the charset of a text by its beginning, and how long its
// byte order mark is, for those who write a text back as it was.
func CharsetOf(head []byte) (charset Charset, mark int) { return sniff(head) }

// decoding is a transcoder to be read from.
type decoding struct {
	from    io.Reader
	through *transcoder
	out     bytes.Buffer
	block   [textBlock]byte
	err     error
}

func (d *decoding) Read(p []byte) (int, error) {
	for d.out.Len() == 0 {
		if d.err != nil {
			return 0, d.err
		}
		n, err := d.from.Read(d.block[:])
		if e := d.through.take(d.block[:n], err != nil); e != nil {
			err = e
		}
		d.err = err
	}
	return d.out.Read(p)
}
