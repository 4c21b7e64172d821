package strict

import (
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// laughs is a text of a few lines that stands for 10^n values.
func laughs(n int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range n {
		at := strconv.Itoa(i)
		b.WriteString("a" + strconv.Itoa(i+1) + ": &a" + strconv.Itoa(i+1) + " [" + strings.Repeat("*a"+at+", ", 9) + "*a" + at + "]\n")
	}
	return b.String()
}

func TestAliasesHaveAnEnd(t *testing.T) {
	for text, want := range map[string]string{
		"raw: &a [*a]":              "stands within what it names",
		"raw: {b: &a {c: [1, *a]}}": "stands within what it names",
		laughs(9):                   "aliases (*name) make it larger",
	} {
		var s sample
		if err := Unmarshal([]byte(text), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestAliasesCountAsWhatTheyStandFor(t *testing.T) {
	for text, want := range map[string]int{"a: b": 4, "a: &b [c, d]\ne: *b": 11, "[" + strings.Repeat("a,", 300_000) + "]": 300_002} {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(text), &n); err != nil {
			t.Fatal(err)
		}
		if got, err := Size(&n); err != nil || want != got {
			t.Errorf("%.40q: %d, %v, want %d", text, got, err, want)
		}
	}
}
