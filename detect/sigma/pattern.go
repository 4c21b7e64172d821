package sigma

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

// matcher decides about one value of a field.
type matcher interface{ match(v *value) bool }

// The parts of a glob: a run of text, or one of these.
const (
	anyOne = iota + 1
	anyRun
)

// part is a piece of a pattern: text, or a wildcard.
type part struct {
	text string
	wild byte
}

// split reads Sigma's escapes: \* \? and \\ are themselves, any other
// backslash is a backslash.
func split(s string) []part {
	var parts []part
	var run strings.Builder
	flush := func() {
		if run.Len() > 0 {
			parts = append(parts, part{text: run.String()})
			run.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`*?\`, s[i+1]) >= 0:
			i++
			run.WriteByte(s[i])
		case c == '*':
			flush()
			if len(parts) == 0 || parts[len(parts)-1].wild != anyRun {
				parts = append(parts, part{wild: anyRun})
			}
		case c == '?':
			flush()
			parts = append(parts, part{wild: anyOne})
		default:
			run.WriteByte(c)
		}
	}
	flush()
	return parts
}

func plain(parts []part) (string, bool) {
	switch {
	case len(parts) == 0:
		return "", true
	case len(parts) == 1 && parts[0].wild == 0:
		return parts[0].text, true
	}
	return "", false
}

// glob matches text with wildcards. Most patterns are one run of text with a
// star before or behind it; those have their own ways.
type glob struct {
	how   globHow
	text  string
	parts []part
	cased bool
}

type globHow byte

const (
	isText globHow = iota
	hasPrefix
	hasSuffix
	hasText
	isAny
	isGlob
)

func newGlob(parts []part, cased bool) glob {
	g := glob{how: isGlob, parts: parts, cased: cased}
	if !cased {
		g.parts = make([]part, len(parts))
		for i, p := range parts {
			g.parts[i] = part{strings.ToLower(p.text), p.wild}
		}
	}
	p := g.parts
	star := func(i int) bool { return p[i].wild == anyRun }
	switch {
	case len(p) == 0:
		g.how = isText
	case len(p) == 1 && star(0):
		g.how = isAny
	case len(p) == 1 && p[0].wild == 0:
		g.how, g.text = isText, p[0].text
	case len(p) == 2 && star(0) && p[1].wild == 0:
		g.how, g.text = hasSuffix, p[1].text
	case len(p) == 2 && star(1) && p[0].wild == 0:
		g.how, g.text = hasPrefix, p[0].text
	case len(p) == 3 && star(0) && star(2) && p[1].wild == 0:
		g.how, g.text = hasText, p[1].text
	}
	return g
}

func (g glob) match(v *value) bool {
	if v.null {
		return false
	}
	if g.cased {
		return g.fits(v.text)
	}
	return g.fits(v.low)
}

func (g glob) fits(s string) bool {
	switch g.how {
	case isText:
		return s == g.text
	case hasPrefix:
		return strings.HasPrefix(s, g.text)
	case hasSuffix:
		return strings.HasSuffix(s, g.text)
	case hasText:
		return strings.Contains(s, g.text)
	case isAny:
		return true
	}
	return fits(g.parts, s)
}

// fits goes back only to the last star, so it takes at most the product of the
// two lengths.
func fits(parts []part, s string) bool {
	p, at, star, from := 0, 0, -1, 0
	for at < len(s) || p < len(parts) {
		if p < len(parts) {
			switch q := parts[p]; {
			case q.wild == anyRun:
				star, from = p, at
				p++
				continue
			case q.wild == anyOne && at < len(s):
				at += runeLen(s[at:])
				p++
				continue
			case q.wild == 0 && strings.HasPrefix(s[at:], q.text):
				at += len(q.text)
				p++
				continue
			}
		}
		if star < 0 || from >= len(s) {
			return false
		}
		from += runeLen(s[from:])
		p, at = star+1, from
	}
	return true
}

func runeLen(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}

type isNull struct{}

func (isNull) match(v *value) bool { return v.null }

type regex struct{ re *regexp.Regexp }

func (r regex) match(v *value) bool { return !v.null && r.re.MatchString(v.text) }

type network struct{ prefix netip.Prefix }

func (n network) match(v *value) bool {
	ip, err := netip.ParseAddr(v.text)
	return err == nil && n.prefix.Contains(ip.Unmap().WithZone(""))
}

type compare struct {
	op string
	n  float64
}

func (c compare) match(v *value) bool {
	n, err := strconv.ParseFloat(v.text, 64)
	if err != nil || v.null {
		return false
	}
	switch c.op {
	case "lt":
		return n < c.n
	case "lte":
		return n <= c.n
	case "gt":
		return n > c.n
	}
	return n >= c.n
}

// encodings turn texts into other texts before they are matched.

func toUTF16(s string, bigEndian bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		if bigEndian {
			b.WriteByte(byte(u >> 8))
			b.WriteByte(byte(u))
		} else {
			b.WriteByte(byte(u))
			b.WriteByte(byte(u >> 8))
		}
	}
	return b.String()
}

// offsets are the three ways in which a text may stand inside base64: the
// characters at the edges, which mix with their neighbours, are left out.
func offsets(s string) []string {
	out := make([]string, 3)
	starts, ends := [3]int{0, 2, 3}, [3]int{0, -3, -2}
	for i := range out {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", i) + s))
		out[i] = text[starts[i] : len(text)+ends[(len(s)+i)%3]]
	}
	return out
}

var dashes = [...]string{"-", "/", "–", "—", "―"}

// windash writes the first dash or slash of each option in all ways Windows
// accepts.
func windash(s string) []string {
	out := make([]string, len(dashes))
	for i, dash := range dashes {
		var b strings.Builder
		for j := 0; j < len(s); j++ {
			if isOption(s, j) {
				b.WriteString(dash)
			} else {
				b.WriteByte(s[j])
			}
		}
		out[i] = b.String()
	}
	return out
}

// isOption says that a dash or slash at i begins an option: no word before it,
// a word behind it.
func isOption(s string, i int) bool {
	return (s[i] == '-' || s[i] == '/') && (i == 0 || !isWord(s[i-1])) && i+1 < len(s) && isWord(s[i+1])
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func newRegex(pattern, flags string) (matcher, error) {
	if flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		if strings.Contains(err.Error(), "(?") {
			return nil, errors.New("the regular expression uses look-around or another form that Go's engine does not have")
		}
		return nil, fmt.Errorf("the regular expression is not valid here: %w", err)
	}
	return regex{re}, nil
}

func newNetwork(text string) (matcher, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		ip, ipErr := netip.ParseAddr(text)
		if ipErr != nil {
			return nil, fmt.Errorf("%q is no network", text)
		}
		p = netip.PrefixFrom(ip, ip.BitLen())
	}
	return network{p.Masked()}, nil
}
