package dicom

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Charset decodes and encodes the text of one data set, as its Specific
// Character Set (0008,0005) says. The zero value is the default repertoire.
type Charset struct {
	// declared is false where no character set is named: bytes above 127 are
	// then guessed to be UTF-8 or GB18030.
	declared bool
	whole    encoding.Encoding // UTF-8, GB18030, GBK: no escapes
	utf8     bool
	first    set   // what holds before an escape
	more     []set // with code extensions, in order
	extended bool
}

// set is a coded character set: how a run of bytes becomes text.
type set struct {
	name   string
	escape string // that designates it, after ESC; "" for the first
	single *charmap.Charmap
	wide   encoding.Encoding // by two bytes, through an EUC encoding
	prefix byte              // 0x8F for JIS X 0212
	high   bool              // its bytes have the high bit: it goes to G1
	kana   bool              // JIS X 0201
}

func sets() []set {
	one := func(name, escape string, c *charmap.Charmap) set {
		return set{name: name, escape: escape, single: c, high: true}
	}
	return []set{
		{name: "6", escape: "(B"},
		one("100", "-A", charmap.ISO8859_1), one("101", "-B", charmap.ISO8859_2),
		one("109", "-C", charmap.ISO8859_3), one("110", "-D", charmap.ISO8859_4),
		one("144", "-L", charmap.ISO8859_5), one("127", "-G", charmap.ISO8859_6),
		one("126", "-F", charmap.ISO8859_7), one("138", "-H", charmap.ISO8859_8),
		one("148", "-M", charmap.ISO8859_9), one("203", "-b", charmap.ISO8859_15),
		one("166", "-T", charmap.Windows874),
		{name: "13", escape: ")I", kana: true, high: true},
		{name: "14", escape: "(J", kana: true},
		{name: "87", escape: "$B", wide: japanese.EUCJP},
		{name: "159", escape: "$(D", wide: japanese.EUCJP, prefix: 0x8F},
		{name: "149", escape: "$)C", wide: korean.EUCKR, high: true},
		{name: "58", escape: "$)A", wide: simplifiedchinese.GBK, high: true},
	}
}

// NewCharset reads the value of (0008,0005).
func NewCharset(value string) *Charset {
	c := &Charset{}
	terms := strings.Split(value, "\\")
	for i, term := range terms {
		term = strings.ToUpper(strings.TrimRight(strings.TrimSpace(term), "\x00"))
		c.declared = c.declared || term != ""
		switch term {
		case "ISO_IR 192", "ISO-IR 192", "UTF-8", "UTF8":
			c.utf8 = true
			return c
		case "GB18030", "GB2312", "GBK", "GB 18030":
			c.whole = simplifiedchinese.GB18030
			return c
		}
		s, extended := find(term)
		c.extended = c.extended || extended || len(terms) > 1
		if i == 0 {
			c.first = s
		}
		c.more = append(c.more, s)
	}
	return c
}

func find(term string) (set, bool) {
	name, extended := strings.CutPrefix(term, "ISO 2022 IR ")
	for _, prefix := range []string{"ISO_IR ", "ISO-IR ", "ISO IR "} {
		name = strings.TrimPrefix(name, prefix)
	}
	for _, s := range sets() {
		if s.name == name {
			return s, extended
		}
	}
	return set{}, extended
}

// ASCII is true where b is plain ASCII without an escape, the same in every
// character set that DICOM knows.
func ASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || c == 0x1B {
			return false
		}
	}
	return true
}

// Decode gives the text of a value. What cannot be decoded becomes U+FFFD.
func (c *Charset) Decode(b []byte) string {
	switch {
	case ASCII(b):
		return string(b)
	case c.utf8 || !c.declared && utf8.Valid(b):
		return strings.ToValidUTF8(string(b), "\uFFFD")
	case c.whole != nil:
		return decodeAll(c.whole, b)
	case !c.declared && !strings.Contains(string(b), "\x1B"):
		return decodeAll(simplifiedchinese.GB18030, b)
	}
	return c.decodeRuns(b)
}

func decodeAll(e encoding.Encoding, b []byte) string {
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return strings.Repeat("\uFFFD", len(b))
	}
	return string(out)
}

// decodeRuns follows the escapes. What is designated to G1 stays until the
// next escape, as most writers take it, not only to the next delimiter.
func (c *Charset) decodeRuns(b []byte) string {
	var out strings.Builder
	g0, g1 := set{}, c.first
	if !c.first.high {
		g0, g1 = c.first, set{}
	}
	for len(b) > 0 {
		if b[0] == 0x1B {
			s, n := designated(b[1:])
			if n == 0 {
				out.WriteRune(utf8.RuneError)
				b = b[1:]
				continue
			}
			if s.high {
				g1 = s
			} else {
				g0 = s
			}
			b = b[1+n:]
			continue
		}
		if b[0] == '\r' || b[0] == '\n' || b[0] == '\f' || b[0] == '\t' {
			g0 = set{}
		}
		n := 0
		if b[0] < 0x80 {
			n = g0.decode(&out, b)
		} else {
			n = g1.decode(&out, b)
		}
		b = b[n:]
	}
	return out.String()
}

func designated(b []byte) (set, int) {
	for _, s := range sets() {
		if strings.HasPrefix(string(b[:min(len(b), 3)]), s.escape) {
			return s, len(s.escape)
		}
	}
	return set{}, 0
}

// decode takes one character and says how many bytes it was.
func (s *set) decode(out *strings.Builder, b []byte) int {
	switch {
	case s.wide != nil && b[0] > 0x20 && b[0] != 0x7F:
		if len(b) < 2 || b[1]&0x7F < 0x21 {
			out.WriteRune(utf8.RuneError)
			return 1
		}
		code := []byte{b[0] | 0x80, b[1] | 0x80}
		if s.prefix != 0 {
			code = append([]byte{s.prefix}, code...)
		}
		out.WriteString(decodeAll(s.wide, code))
		return 2
	case s.kana:
		out.WriteRune(kana(b[0]))
	case b[0] < 0x80:
		out.WriteByte(b[0])
	case s.single != nil:
		out.WriteRune(s.single.DecodeByte(b[0]))
	default:
		out.WriteRune(utf8.RuneError)
	}
	return 1
}

// kana is JIS X 0201: Latin with yen and overline, katakana of half width. The
// yen's place is the backslash that separates values, and is left as it is.
func kana(b byte) rune {
	switch {
	case b == 0x7E:
		return 0x203E
	case b >= 0xA1 && b <= 0xDF:
		return 0xFF61 + rune(b) - 0xA1
	case b >= 0x80:
		return utf8.RuneError
	}
	return rune(b)
}

// Encode writes text in the data set's character set; false where it has no
// place in it.
func (c *Charset) Encode(s string) ([]byte, bool) {
	switch {
	case ASCII([]byte(s)):
		return []byte(s), true
	case strings.ContainsRune(s, utf8.RuneError) || strings.Contains(s, "\x1B"):
		return nil, false
	case c.utf8:
		return []byte(s), true
	case c.whole != nil:
		out, err := c.whole.NewEncoder().Bytes([]byte(s))
		return out, err == nil
	}
	return c.encodeRuns(s)
}

// encodeRuns designates what a character needs, and goes back to the first
// set before delimiters and at the end.
func (c *Charset) encodeRuns(s string) ([]byte, bool) {
	var out []byte
	now := c.first.name
	for _, r := range s {
		if r < 0x80 {
			out, now = c.back(out, now), c.first.name
			out = append(out, byte(r))
			continue
		}
		b, in, ok := c.encodeRune(r, now)
		if !ok {
			return nil, false
		}
		if in.name != now {
			out = append(append(out, 0x1B), in.escape...)
			now = in.name
		}
		out = append(out, b...)
	}
	return c.back(out, now), true
}

// back leaves a set of two bytes in G0, whose bytes would be taken for ASCII.
func (c *Charset) back(out []byte, now string) []byte {
	if now == "87" || now == "159" {
		return append(out, "\x1B(B"...)
	}
	return out
}

func (c *Charset) encodeRune(r rune, now string) ([]byte, set, bool) {
	candidates := c.more
	if !c.extended && len(candidates) > 1 {
		candidates = candidates[:1]
	}
	for _, preferred := range []bool{true, false} {
		for _, s := range candidates {
			if preferred != (s.name == now) {
				continue
			}
			if b, ok := s.encode(r); ok {
				return b, s, true
			}
		}
	}
	return nil, set{}, false
}

func (s *set) encode(r rune) ([]byte, bool) {
	switch {
	case s.single != nil:
		b, ok := s.single.EncodeRune(r)
		return []byte{b}, ok
	case s.kana && r >= 0xFF61 && r <= 0xFF9F && s.high:
		return []byte{byte(r - 0xFF61 + 0xA1)}, true
	case s.wide == nil:
		return nil, false
	}
	b, err := s.wide.NewEncoder().Bytes([]byte(string(r)))
	if err != nil {
		return nil, false
	}
	if s.prefix != 0 {
		if len(b) != 3 || b[0] != s.prefix {
			return nil, false
		}
		b = b[1:]
	}
	if len(b) != 2 || b[0] < 0xA1 || b[1] < 0xA1 {
		return nil, false
	}
	if !s.high {
		b = []byte{b[0] & 0x7F, b[1] & 0x7F}
	}
	return b, true
}
