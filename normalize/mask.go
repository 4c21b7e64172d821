package normalize

import (
	"strings"

	"github.com/cordon-health/cordon/internal/keyed"
)

// maskNumbers replaces identity numbers and mobile phone numbers in a
// statement by their tokens, marked by "~"; everything else stays, because
// drugs, tables and numbers of patients are what detectors look for.
func (n *Normalizer) maskNumbers(text string) string {
	var b strings.Builder
	done := 0
	for i := 0; i < len(text); {
		length := digitRun(text[i:])
		if length == 0 {
			i++
			continue
		}
		kind := personalNumber(text[i:], length)
		if kind == keyed.NationalID {
			length = 18
		}
		if kind != "" && !wordBefore(text, i) {
			b.WriteString(text[done:i])
			b.WriteString("~" + n.key.Token(kind, text[i:i+length]))
			done = i + length
		}
		i += length
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

func digitRun(s string) (n int) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// wordBefore says whether the number is part of a word or a longer number.
func wordBefore(text string, at int) bool {
	if at == 0 {
		return false
	}
	c := text[at-1]
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '.'
}

// personalNumber is the kind of number s begins with, "" for no personal one.
func personalNumber(s string, digits int) string {
	switch {
	case digits == 18 && isResidentID(s[:18]),
		digits == 17 && len(s) > 17 && (s[17] == 'X' || s[17] == 'x') && isResidentID(s[:18]):
		return keyed.NationalID
	case digits == 11 && s[0] == '1' && s[1] >= '3':
		return keyed.Phone
	}
	return ""
}
