package statement

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Fold brings full-width letters and signs to the plain ones, other spaces to
// the plain one, and drops characters without width: databases of Chinese
// character sets take the former for the latter, and people hide words so.
// Text without any is returned as it is.
func Fold(text string) string {
	for i := 0; i < len(text); i++ {
		if text[i] >= 0xc2 {
			if strings.IndexFunc(text[i:], strange) < 0 {
				return text
			}
			return strings.Map(foldRune, text)
		}
	}
	return text
}

func strange(r rune) bool { return foldRune(r) != r }

func foldRune(r rune) rune {
	switch {
	case r < 0x80:
		return r
	case r == 0xff02 || r == 0xff07: // quotes end no string
		return r
	case r >= 0xff01 && r <= 0xff5e:
		return r - 0xfee0
	case r == 0x3000, r == 0xa0, r >= 0x2000 && r <= 0x200a, r == 0x202f, r == 0x205f, r == 0x2028, r == 0x2029, r == 0x1680:
		return ' '
	case r >= 0x200b && r <= 0x200f, r == 0xfeff, r == 0x2060, r == 0xad, r == 0x180e:
		return -1
	case r == 0x212a: // the Kelvin sign lowers to k
		return 'k'
	}
	return r
}

// codePoints reads \0041 and \+000041.
func codePoints(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		digits, skip := 4, 1
		if s[i] == '\\' && i+1 < len(s) && s[i+1] == '+' {
			digits, skip = 6, 2
		}
		if s[i] == '\\' && i+skip+digits <= len(s) {
			if n, err := strconv.ParseUint(s[i+skip:i+skip+digits], 16, 32); err == nil && utf8.ValidRune(rune(n)) {
				b.WriteRune(rune(n))
				i += skip + digits - 1
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hexText reads 0x53454c... as text: UTF-16LE where every second byte is 0, as
// SQL Server keeps it, else bytes.
func hexText(s string) (string, bool) {
	s = strings.TrimPrefix(s, "0x")
	if len(s)%2 == 1 {
		s = "0" + s
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 {
		return "", false
	}
	if len(b) >= 4 && len(b)%2 == 0 && b[1] == 0 && b[3] == 0 {
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
		}
		return string(utf16.Decode(units)), true
	}
	return string(b), utf8.Valid(b)
}

func base64Text(s string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	return string(b), err == nil && utf8.Valid(b)
}

// value works out a text made of literals: strings put together by || or + or
// concat, char codes, hexadecimal, and variables given a text before. ok is
// false where anything else stands in it; what is known is returned even then.
func (p *parser) value(lo, hi int) (text string, ok bool) {
	var b strings.Builder
	ok = true
	for i := lo; i < hi && b.Len() < maxText; {
		next, part, good := p.term(i, hi)
		if part == "" && !good {
			part = " ? " // a value at run time
		}
		b.WriteString(part)
		ok = ok && good
		i = max(next, i+1)
	}
	return b.String(), ok
}

// term is one operand of a text and where the next one begins.
func (p *parser) term(i, hi int) (next int, text string, ok bool) {
	t := &p.toks[i]
	switch t.kind {
	case stringTok:
		return i + 1, t.text, true
	case numberTok:
		if strings.HasPrefix(t.text, "0x") {
			text, ok = hexText(t.text)
			return i + 1, text, ok
		}
		return i + 1, t.text, true
	case paramTok, quotedTok:
		if text, ok = p.vars[t.text]; !ok && t.kind == paramTok && p.dialect != SQLServer && p.reader != nil && p.reader.Session != nil {
			p.dynamic = true
			text, ok = p.reader.Session(t.text)
		}
		return i + 1, text, ok
	case opTok:
		switch t.text {
		case "||", "+", "(", ")", ",":
			return i + 1, "", true
		case "::":
			return i + 2, "", true
		}
		return i + 1, "", false
	}
	if i+1 < hi && p.toks[i+1].text == "(" && p.match[i+1] > 0 {
		end := min(int(p.match[i+1]), hi)
		text, ok = p.function(t.text, i+2, end)
		return end + 1, text, ok
	}
	if v, known := p.vars[t.text]; known {
		return i + 1, v, true
	}
	switch t.text {
	case "as", "varchar", "nvarchar", "char", "max", "using", "utf8", "utf8mb4", "binary", "concat", "text":
		return i + 1, "", true
	}
	return i + 1, "", strings.HasPrefix(t.text, "_")
}

// function is the text a function of literals gives.
func (p *parser) function(name string, lo, hi int) (string, bool) {
	switch name {
	case "char", "chr", "nchar":
		return p.chars(lo, hi)
	case "unhex", "hextoraw", "from_hex":
		text, _ := p.value(lo, hi)
		return hexText(lower(text))
	case "from_base64":
		text, _ := p.value(lo, hi)
		return base64Text(text)
	case "decode": // PostgreSQL's
		args := p.split(lo, hi, ",")
		text, ok := p.value(args[0].lo, args[0].hi)
		if len(args) == 2 && args[1].lo < args[1].hi {
			switch p.toks[args[1].lo].text {
			case "hex":
				return hexText(lower(text))
			case "base64":
				return base64Text(text)
			}
		}
		return text, ok
	case "reverse":
		text, ok := p.value(lo, hi)
		runes := []rune(text)
		for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
			runes[i], runes[j] = runes[j], runes[i]
		}
		return string(runes), ok
	case "replace":
		args := p.split(lo, hi, ",")
		if len(args) != 3 {
			return "", false
		}
		a, ok1 := p.value(args[0].lo, args[0].hi)
		b, ok2 := p.value(args[1].lo, args[1].hi)
		c, ok3 := p.value(args[2].lo, args[2].hi)
		if b == "" || len(c) > 64 {
			return a, false
		}
		return strings.ReplaceAll(a, b, c), ok1 && ok2 && ok3
	case "concat", "concat_ws", "cast", "utl_raw.cast_to_varchar2", "cast_to_varchar2", "to_char", "lower", "upper", "trim",
		"convert_from", "quotename", "rtrim", "ltrim":
		return p.value(lo, hi)
	case "format":
		return p.format(lo, hi)
	case "convert":
		args := p.split(lo, hi, ",")
		return p.value(args[len(args)-1].lo, hi)
	}
	return "", false
}

// format fills in the %s, %I, %L and %1$s of PostgreSQL's format.
func (p *parser) format(lo, hi int) (string, bool) {
	args := p.split(lo, hi, ",")
	pattern, ok := p.value(args[0].lo, args[0].hi)
	if !strings.Contains(pattern, "%") {
		return p.value(lo, hi)
	}
	var b strings.Builder
	next := 1
	for i := 0; i < len(pattern) && b.Len() < maxText; i++ {
		if pattern[i] != '%' || i+1 >= len(pattern) {
			b.WriteByte(pattern[i])
			continue
		}
		k, n := i+1, next
		for k < len(pattern) && isDigit(pattern[k]) {
			k++
		}
		if k > i+1 && k < len(pattern) && pattern[k] == '$' {
			n, k = int(number(pattern[i+1:k])), k+1
		}
		if k >= len(pattern) || strings.IndexByte("sIL", pattern[k]) < 0 {
			b.WriteByte('%')
			if k < len(pattern) && pattern[k] == '%' {
				i = k
			}
			continue
		}
		part, good := "", false
		if n > 0 && n < len(args) {
			part, good = p.value(args[n].lo, args[n].hi)
		}
		switch {
		case !good:
			part = " ? "
		case pattern[k] == 'L':
			part = "'" + strings.ReplaceAll(part, "'", "''") + "'"
		}
		b.WriteString(part[:min(len(part), 1000)])
		ok, next, i = ok && good, n+1, k
	}
	return b.String(), ok
}

// chars reads char codes.
func (p *parser) chars(lo, hi int) (string, bool) {
	var b strings.Builder
	for i := lo; i < hi; i++ {
		t := &p.toks[i]
		if t.kind != numberTok {
			continue
		}
		n, err := strconv.ParseInt(t.text, 0, 32)
		if err != nil || !utf8.ValidRune(rune(n)) {
			return b.String(), false
		}
		b.WriteRune(rune(n))
	}
	return b.String(), true
}

// looksLikeSQL says whether a text may be a statement.
func looksLikeSQL(text string) bool {
	if len(text) < 8 {
		return false
	}
	text = lower(text)
	for _, w := range []string{"select", "exec", "insert", "create", "with", "call ", "begin", "declare", "table ", "copy "} {
		if i := strings.Index(text, w); i >= 0 && (i == 0 || !isWord(text[i-1])) {
			return true
		}
	}
	return false
}
