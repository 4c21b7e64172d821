package sigma

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// matcher decides about one value of a field. Matchers are never changed.
type matcher interface {
	match(l *look, v *value) bool
	// id names the matcher: matchers of the same id are the same.
	id() string
}

// The parts of a glob: a run of text, or one of these.
const (
	anyOne = iota + 1
	anyRun
	anyDash
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

// literal is the text of a pattern without wildcards.
func literal(parts []part) (string, bool) {
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

func newGlob(parts []part, cased bool) *glob {
	g := &glob{how: isGlob, parts: parts, cased: cased}
	if !cased {
		g.parts = make([]part, len(parts))
		for i, p := range parts {
			g.parts[i] = part{folded(p.text), p.wild}
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

// isLiteral says that a value of a rule is neither a pattern nor has escapes.
func isLiteral(s string) bool {
	return s != "" && strings.IndexByte(s, '*') < 0 && strings.IndexByte(s, '?') < 0 && !strings.Contains(s, `\\`)
}

// literal makes g the glob of such a value.
func (g *glob) literal(text, where string, cased bool) {
	if !cased {
		text = folded(text)
	}
	*g = glob{how: isText, text: text, cased: cased}
	star := part{wild: anyRun}
	switch where {
	case "contains":
		g.how, g.parts = hasText, []part{star, {text: text}, star}
	case "endswith":
		g.how, g.parts = hasSuffix, []part{star, {text: text}}
	case "startswith":
		g.how, g.parts = hasPrefix, []part{{text: text}, star}
	default:
		g.parts = []part{{text: text}}
	}
}

func (g *glob) match(l *look, v *value) bool {
	if v.null {
		return false
	}
	s := ""
	if g.cased {
		s = l.text(v)
	} else {
		s = l.low(v)
	}
	if l.oracle {
		return fits(g.parts, s)
	}
	return g.fits(s)
}

func (g *glob) fits(s string) bool {
	if g.how == isGlob {
		return fits(g.parts, s)
	}
	return g.how.fits(s, g.text)
}

func (g *glob) id() string {
	n := 16
	for _, p := range g.parts {
		n += len(p.text) + 8
	}
	out := strconv.AppendBool(append(make([]byte, 0, n), "glob"...), g.cased)
	for _, p := range g.parts {
		out = quoted(append(out, '0'+p.wild), p.text)
	}
	return string(out)
}

// fits says whether s stands to t as it should.
func (h globHow) fits(s, t string) bool {
	switch h {
	case isText:
		return s == t
	case hasPrefix:
		return strings.HasPrefix(s, t)
	case hasSuffix:
		return strings.HasSuffix(s, t)
	case hasText:
		return strings.Contains(s, t)
	}
	return true
}

// fits goes back only to the last star, so it takes at most the product of the
// two lengths.
func fits(parts []part, s string) bool {
	p, at, star, from := 0, 0, -1, 0
	for at < len(s) || p < len(parts) {
		if p < len(parts) {
			if parts[p].wild == anyRun {
				star, from = p, at
				p++
				continue
			}
			if n, ok := parts[p].begins(s[at:]); ok {
				at += n
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

// begins says whether s begins with the part, and how long that is.
func (p *part) begins(s string) (n int, ok bool) {
	switch p.wild {
	case anyOne:
		return runeLen(s), s != ""
	case anyDash:
		n = dashWidth(s)
		return n, n > 0
	}
	return len(p.text), strings.HasPrefix(s, p.text)
}

func runeLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

func isWord(r rune) bool {
	return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

type isNull struct{}

func (isNull) match(_ *look, v *value) bool { return v.null }
func (isNull) id() string                   { return "null" }

// network matches addresses within a network.
type network struct{ prefix netip.Prefix }

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

func (n network) match(l *look, v *value) bool {
	s := l.text(v)
	if v.null || !addressLike(s) {
		return false
	}
	ip, err := netip.ParseAddr(s)
	return err == nil && n.prefix.Contains(ip.Unmap().WithZone(""))
}

// addressLike spares texts that are no addresses the making of an error.
func addressLike(s string) bool {
	return len(s) > 1 && len(s) < 64 && strings.ContainsAny(s, ".:") && (s[0] == ':' || isHex(s[0]))
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (n network) id() string { return "network " + n.prefix.String() }

// compare matches numbers, or parts of times (part), by their order; without
// op they must be equal.
type compare struct {
	op   string
	n    float64
	part string
}

func (c *compare) match(l *look, v *value) bool {
	if v.null {
		return false
	}
	n, ok := c.number(l, v)
	if !ok {
		return false
	}
	switch c.op {
	case "lt":
		return n < c.n
	case "lte":
		return n <= c.n
	case "gt":
		return n > c.n
	case "gte":
		return n >= c.n
	}
	return n == c.n
}

func (c *compare) number(l *look, v *value) (float64, bool) {
	s := l.text(v)
	if c.part != "" {
		n, ok := partOf(s, c.part, l.zone)
		return float64(n), ok
	}
	if !numberLike(s) {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// numberLike spares texts that are no numbers the making of an error.
func numberLike(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	c := s[0]
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.'
}

func (c *compare) id() string { return fmt.Sprintf("compare %s %s %v", c.part, c.op, c.n) }
