package keyed

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Normal is the normal form of a value of a kind: what Token hashes.
func Normal(kind, value string) string {
	value = norm.NFKC.String(value)
	switch kind {
	case Phone:
		return phone(value)
	case Address:
		return address(value)
	case Name, Surname:
		return name(value)
	case NationalID:
		return nationalID(value)
	default:
		return strings.TrimSpace(value)
	}
}

// letters keeps letters, marks and digits, in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

func phone(s string) string      { return letters(s) }
func address(s string) string    { return letters(s) }
func name(s string) string       { return letters(s) }
func nationalID(s string) string { return strings.ToUpper(letters(s)) }
