package sealed

import (
	"errors"
	"strings"
	"testing"
)

func TestSealOpens(t *testing.T) {
	k := NewKey([]byte(strings.Repeat("k", 32)))
	for _, value := range []string{"", "P1", "患者-0001", strings.Repeat("9", 300)} {
		word := k.Seal("patient", value)
		if value != "" && strings.Contains(word, value) {
			t.Errorf("the word shows the value %q", value)
		}
		got, err := k.Open("patient", word)
		if err != nil || got != value {
			t.Errorf("Open(Seal(%q)) = %q, %v", value, got, err)
		}
		if word != k.Seal("patient", value) {
			t.Errorf("%q has two words", value)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	k := NewKey([]byte(strings.Repeat("k", 32)))
	word := k.Seal("patient", "P1")
	other := NewKey([]byte(strings.Repeat("x", 32)))
	flipped := "A" + word[1:]
	if word[0] == 'A' {
		flipped = "B" + word[1:]
	}
	for name, open := range map[string]func() (string, error){
		"another kind": func() (string, error) { return k.Open("person", word) },
		"another key":  func() (string, error) { return other.Open("patient", word) },
		"changed":      func() (string, error) { return k.Open("patient", flipped) },
		"short":        func() (string, error) { return k.Open("patient", word[:4]) },
		"not base64":   func() (string, error) { return k.Open("patient", "!!") },
	} {
		if v, err := open(); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: opened as %q, %v", name, v, err)
		}
	}
}
