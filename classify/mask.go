package classify

import (
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
	var room [4 * maskedMost]rune
	runes := trimmedRunes(runesOf(room[:0], value))
	if len(runes) > maskedMost {
		runes = runes[:maskedMost]
	}
	n := countWord(runes)
	first, last := shown(kind, runes, n)
	return stars(runes, n, first, last)
}

// runesOf appends the characters of a value as far as there is room; a run of
// bytes that are none becomes one question mark.
func runesOf(dst []rune, value []byte) []rune {
	value = value[:min(len(value), cap(dst))]
	broken := false
	for len(value) > 0 {
		r, n := rune(value[0]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(value)
		}
		value = value[n:]
		if r != utf8.RuneError || n > 1 {
			dst, broken = append(dst, r), false
		} else if !broken {
			dst, broken = append(dst, '?'), true
		}
	}
	return dst
}

func trimmedRunes(runes []rune) []rune {
	for len(runes) > 0 && unicode.IsSpace(runes[0]) {
		runes = runes[1:]
	}
	for len(runes) > 0 && unicode.IsSpace(runes[len(runes)-1]) {
		runes = runes[:len(runes)-1]
	}
	return runes
}

// shown is how many of its n letters and digits at the beginning and end stay.
func shown(kind Kind, runes []rune, n int) (first, last int) {
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
		for dot := len(runes) - 1; dot > 0 && n >= 8; dot-- {
			if runes[dot] == '.' {
				return 1, len(runes) - dot - 1
			}
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

// stars replaces the n letters and digits but for the first and last so many.
func stars(runes []rune, n, first, last int) string {
	var room [utf8.UTFMax * maskedMost]byte
	out := room[:0]
	seen := 0
	for _, r := range runes {
		switch {
		case !isWord(r):
			if unicode.IsControl(r) {
				r = ' '
			}
			out = utf8.AppendRune(out, r)
			continue
		case seen < first || seen >= n-last:
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, '*')
		}
		seen++
	}
	return string(out)
}

func isWord(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return wordByte(byte(r))
	case r >= 0x4E00 && r <= 0x9FFF:
		return true
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

func countWord(runes []rune) int {
	n := 0
	for _, r := range runes {
		if isWord(r) {
			n++
		}
	}
	return n
}
