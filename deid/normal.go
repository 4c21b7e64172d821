package deid

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/keyed"
)

// domain is the space in which a kind's pseudonyms are made. All numbers that
// name a person, a stay or a thing share one, so that a record number is the
// same whether a format calls it MRN, account or nothing.
func domain(kind classify.Kind) string {
	switch kind {
	case classify.ResidentID, classify.ResidentID15, classify.ResidencePermit:
		return "national"
	case classify.Mobile, classify.Phone, classify.Fax:
		return "phone"
	case classify.Name:
		return "name"
	case classify.Address:
		return "address"
	case classify.Organization:
		return "organization"
	case classify.Email:
		return "email"
	case classify.URL:
		return "url"
	case classify.IP:
		return "ip"
	case classify.MAC:
		return "mac"
	}
	return "code"
}

// normal is the one form in which a value is hashed, whatever format it came
// from; empty for a value without content.
func normal(kind classify.Kind, value []byte) []byte {
	switch domain(kind) {
	case "national":
		return []byte(keyed.Normal(keyed.NationalID, string(value)))
	case "phone":
		return []byte(keyed.Normal(keyed.Phone, string(value)))
	case "name":
		return []byte(normalName(string(value)))
	case "address":
		return []byte(keyed.Normal(keyed.Address, string(value)))
	case "organization":
		return []byte(keyed.Normal(keyed.Name, string(value)))
	case "email", "url":
		return bytes.ToLower(bytes.TrimSpace(norm.NFKC.Bytes(value)))
	case "ip":
		return normalIP(value)
	case "mac":
		return []byte(keyed.Normal(keyed.Name, string(value)))
	}
	return normalCode(value)
}

// normalCode is the form of a number: without space around it; and where it is
// digits in groups, without what parts the groups. A plain one is itself.
func normalCode(value []byte) []byte {
	plain := true
	for _, c := range value {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			plain = false
			break
		}
	}
	if plain {
		return value
	}
	value = bytes.TrimSpace(norm.NFKC.Bytes(value))
	for _, c := range value {
		if (c < '0' || c > '9') && c != '-' && c != ' ' {
			return value
		}
	}
	return bytes.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, value)
}

func normalIP(value []byte) []byte {
	a, err := netip.ParseAddr(string(bytes.TrimSpace(value)))
	if err != nil {
		return normalCode(value)
	}
	return []byte(a.Unmap().String())
}

// normalName is a name's words without titles, in alphabetical order: one form
// for "ZHANG^SAN", "Zhang San" and "San, Zhang". Names in Chinese characters
// are written together.
func normalName(value string) string {
	value = norm.NFKC.String(value)
	if hasHan(value) {
		return keyed.Normal(keyed.Name, value)
	}
	var words []string
	for _, w := range strings.FieldsFunc(value, notInWord) {
		if w = plainWord(w); w != "" && !isTitle(w) {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func notInWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && r != '\'' && r != '’'
}

// plainWord is a word in small letters without accents and apostrophes.
func plainWord(w string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || r == '\'' || r == '’' {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(w))
}

func hasHan(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

// isTitle says whether a plain word stands beside names and is none.
func isTitle(w string) bool {
	switch w {
	case "dr", "mr", "mrs", "ms", "miss", "prof", "sir", "jr", "sr", "ii", "iii", "iv", "md", "phd", "rn", "esq":
		return true
	}
	return false
}
