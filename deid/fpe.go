package deid

import (
	"errors"
	"fmt"

	"golang.org/x/text/unicode/norm"
)

// The alphabets a value may be made of; the first that holds all its letters
// and digits is its own.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// radixes are how much of the alphabet each class uses.
func radixes() [3]int { return [3]int{10, 36, 62} }

// Encrypt is FF1 over a value's letters and digits: digits stay digits, capital
// letters and digits stay such, what stands between them ("-", " ", "/", ".")
// stays where it is. The same text gives the same result for one use. A value
// of which fewer than a million exist is refused with [ErrSmallDomain].
func (k *Key) Encrypt(use, value string) (string, error) { return k.crypt(use, value, false) }

// Decrypt undoes Encrypt.
func (k *Key) Decrypt(use, value string) (string, error) { return k.crypt(use, value, true) }

func (k *Key) crypt(use, value string, decrypt bool) (string, error) {
	text := []byte(norm.NFKC.String(value))
	numerals, class, err := numeralsOf(text)
	if err != nil {
		return "", err
	}
	f := ff1{block: k.fpe, radix: radixes()[class]}
	// A number in capitals and digits may come out as digits alone, which
	// would be another class on the way back: then the walk goes on.
	for {
		if err := f.crypt(numerals, []byte(use), decrypt); err != nil {
			return "", err
		}
		if classOf(numerals) == class {
			break
		}
	}
	at := 0
	for i, c := range text {
		if numeral(c) >= 0 {
			text[i] = alphabet[numerals[at]]
			at++
		}
	}
	return string(text), nil
}

func numeralsOf(text []byte) (numerals []byte, class int, err error) {
	for _, c := range text {
		switch n := numeral(c); {
		case n >= 0:
			numerals = append(numerals, byte(n))
		case c != '-' && c != ' ' && c != '/' && c != '.' && c != '_':
			return nil, 0, fmt.Errorf("fpe: %w", errors.New("the value holds other characters than letters, digits and - / . _; use pseudonym or token"))
		}
	}
	return numerals, classOf(numerals), nil
}

func numeral(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 36
	}
	return -1
}

// classOf is 0 for digits, 1 where there are capitals, 2 where there are small
// letters.
func classOf(numerals []byte) int {
	class := 0
	for _, n := range numerals {
		switch {
		case n >= 36:
			return 2
		case n >= 10:
			class = 1
		}
	}
	return class
}
