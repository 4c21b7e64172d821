package statement

import "strings"

// Mask takes the texts out of a statement that may name a person, and puts
// what token makes of each in their place, in the same quotes: the same text
// gives the same token, so that values can still be told apart. Numbers,
// times, patterns of one drug code and short codes of ASCII letters and digits
// stay, and so does SQL inside of strings, masked in turn.
func Mask(text string, d Dialect, token func(string) string) string {
	return mask(text, d, token, 0)
}

func mask(text string, d Dialect, token func(string) string, depth int) string {
	var s scanner
	text = text[:min(len(text), maxText)] // what is not read may hold anything
	s.reset(text, d)
	var b strings.Builder
	done := 0
	for _, t := range s.all() {
		b.WriteString(gap(text[done:t.pos]))
		done = t.end
		old := text[t.pos:t.end]
		switch {
		case t.kind != stringTok || harmlessText(t.text):
			b.WriteString(old)
		case depth < maxInner && looksLikeSQL(t.text):
			b.WriteString(quoted(old, strings.ReplaceAll(mask(t.text, d, token, depth+1), "'", "''")))
		default:
			b.WriteString(quoted(old, token(t.text)))
		}
	}
	b.WriteString(gap(text[done:]))
	return b.String()
}

// gap is what stands between two tokens. A comment with words becomes an empty
// one, except the opening of one that MySQL executes.
func gap(text string) string {
	for i := range len(text) {
		if c := text[i]; isWord(c) && !isDigit(c) && c != 'M' {
			return " /**/ "
		}
	}
	return text
}

// quoted is a new text in the quotes of the old one.
func quoted(old, body string) string {
	if i := strings.IndexByte(old, '$'); i == 0 {
		if j := strings.IndexByte(old[1:], '$'); j >= 0 {
			return old[:j+2] + strings.ReplaceAll(body, "''", "'") + old[:j+2]
		}
	}
	if strings.HasPrefix(old, `"`) {
		return `"` + body + `"`
	}
	prefix := ""
	if len(old) > 0 && (old[0]|0x20) == 'n' {
		prefix = "N"
	}
	return prefix + "'" + body + "'"
}

// harmlessText says whether a text surely names nobody: a code or a time of
// ASCII digits and signs with few letters, or no letter at all.
func harmlessText(s string) bool {
	if len(s) > 40 {
		return false
	}
	letters, run := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80 || c < ' ':
			return false
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			letters++
			run = 0
		case isDigit(c):
			run++
			if run >= 11 { // a phone or identity number
				return false
			}
		default:
			run = 0
		}
	}
	return letters == 0 || letters <= 4 && strings.ContainsAny(s, "0123456789") || commonWord(s)
}

// commonWord lists literals of statements that are no data.
func commonWord(s string) bool {
	switch lower(s) {
	case "yyyy-mm-dd", "yyyy-mm", "yyyymmdd", "yyyymm", "%y-%m", "%y-%m-%d", "yyyy-mm-dd hh24:mi:ss", "yyyy/mm/dd", "month", "day", "year",
		"true", "false", "null", "utf8", "active", "valid", "yes":
		return true
	}
	return false
}
