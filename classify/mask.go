package classify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maskedMost is how many characters of a masked value are shown.
	maskedMost = 40
	// longNumber is from how many letters and digits on a number shows its
	// first three and last two: what is between them leaves at least 100,000
	// possibilities where no check digit narrows them.
	longNumber = 11
)

// Mask shows the shape of a value and no more of it than an officer needs to
// find it again: of long numbers the first three and last two characters, of
// names and addresses the first, of e-mail addresses the first and the top
// domain, of everything short nothing. Separators stay, letters and digits
// become stars.
func Mask(kind Kind, value []byte) string {
	text := strings.ToValidUTF8(string(value[:min(len(value), 4*maskedMost)]), "?")
	runes := []rune(strings.TrimSpace(text))
	if len(runes) > maskedMost {
		runes = runes[:maskedMost]
	}
	first, last := shown(kind, runes)
	return stars(runes, first, last)
}

// shown is how many letters and digits at the beginning and end stay.
func shown(kind Kind, runes []rune) (first, last int) {
	n := countWord(runes)
	switch kind {
	case Name:
		if n >= 2 {
			return 1, 0
		}
	case Address:
		if n >= 6 {
			return 2, 0
		}
	case Email:
		if dot := strings.LastIndexByte(string(runes), '.'); dot > 0 && n >= 8 {
			return 1, utf8.RuneCountInString(string(runes)[dot+1:])
		}
	case Date, BirthDate, Age, ZIP, URL, Condition:
		return 0, 0
	default:
		if n >= longNumber {
			return 3, 2
		}
	}
	return 0, 0
}

// stars replaces letters and digits but for the first and last so many.
func stars(runes []rune, first, last int) string {
	var b strings.Builder
	n, seen := countWord(runes), 0
	for _, r := range runes {
		switch {
		case !isWord(r):
			if unicode.IsControl(r) {
				r = ' '
			}
			b.WriteRune(r)
			continue
		case seen < first || seen >= n-last:
			b.WriteRune(r)
		default:
			b.WriteByte('*')
		}
		seen++
	}
	return b.String()
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

func countWord(runes []rune) int {
	n := 0
	for _, r := range runes {
		if isWord(r) {
			n++
		}
	}
	return n
}
