package sigma

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// value is one value of a field. Its text is made when first asked for and
// only valid until the next event: whoever keeps it clones it.
type value struct {
	text string
	low  string
	n    int64
	kind kind
	null bool
	// folded says that low is the text without case.
	folded bool
}

// kind is the state of a value's text.
type kind byte

const (
	plain   kind = iota // it is what it says
	escaped             // the inside of a JSON string
	number              // a JSON number as written
	integer             // n, not written yet
)

// text is a value for those who keep it.
func text(s string) value { return value{text: s, low: folded(s), folded: true} }

func appendText(out []value, texts ...string) []value {
	for _, s := range texts {
		if s != "" {
			out = append(out, value{text: s})
		}
	}
	return out
}

func appendBool(out []value, b bool) []value {
	return append(out, value{text: strconv.FormatBool(b)})
}

func appendInt(out []value, n int64) []value { return append(out, value{n: n, kind: integer}) }

// arena holds the texts made for one event. Texts stay valid when it grows,
// because they keep the old memory.
type arena struct{ buf []byte }

// keptArena is how much memory stays from event to event.
const keptArena = 1 << 20

func (a *arena) reset() {
	if a.buf = a.buf[:0]; cap(a.buf) > keptArena {
		a.buf = nil
	}
}

// since is what was appended from a position on, as a text.
func (a *arena) since(from int) string { return view(a.buf[from:]) }

// view is bytes as a text, not copied: it lives as long as nobody writes there.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// settle makes a value's text.
func (a *arena) settle(v *value) {
	from := len(a.buf)
	switch v.kind {
	case escaped:
		a.buf = jsonscan.Unescape(a.buf, unsafe.Slice(unsafe.StringData(v.text), len(v.text)))
		v.text = a.since(from)
	case integer:
		a.buf = strconv.AppendInt(a.buf, v.n, 10)
		v.text = a.since(from)
	case number:
		v.text = canonical(v.text)
	}
	v.kind = plain
}

// canonical writes a number as rules and most events do: 10.0 and 1e1 are 10.
// A number that no float holds exactly enough stays as it is written.
func canonical(s string) string {
	if !strings.ContainsAny(s, ".eE") && s != "-0" {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return s
	}
	if f == 0 {
		return "0"
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// fold is a text without case.
func (a *arena) fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c-'A' < 26 || c >= utf8.RuneSelf {
			from := len(a.buf)
			a.buf = appendFolded(append(a.buf, s[:i]...), s[i:])
			return a.since(from)
		}
	}
	return s
}

// folded is a text without case, for those who keep it.
func folded(s string) string {
	var a arena
	return a.fold(s)
}

func appendFolded(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c-'A' < 26 {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError || caseless(r) {
			dst = append(dst, s[i:i+n]...)
		} else {
			dst = utf8.AppendRune(dst, foldRune(r))
		}
		i += n
	}
	return dst
}

// caseless are the scripts of East Asia, which have no case.
func caseless(r rune) bool { return r >= 0x2E80 && r < 0xA640 || r >= 0xAC00 && r < 0xFB00 }

// foldRune is one and the same rune for all that differ in case only: the
// least of them, and of letters of ASCII the small one.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least-'A' < 26 && least >= 'A' {
		least += 'a' - 'A'
	}
	return least
}
