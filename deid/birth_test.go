package deid

import (
	"strings"
	"testing"
)

// Nobody is born in the future: 31 is 1931, and over 89.
func TestBirthWithShortYear(t *testing.T) {
	job := textJob(t)
	for text, want := range map[string]string{
		"MRN: 4471830\nDOB 4/9/31\n": "1/1/1936",
		"DOB: 4/9/31, seen today\n":  "1/1/1936",
	} {
		got, _ := cleanText(t, job, textPseudonym, "a.txt", []byte(text))
		if !strings.Contains(got, want) || strings.Contains(got, "31") {
			t.Errorf("%q became %q, want %s", text, got, want)
		}
	}
	if got, _ := cleanText(t, job, textPseudonym, "a.txt", []byte("DOB: 4/9/55\n")); strings.Contains(got, "2055") || strings.Contains(got, "1936") {
		t.Errorf("55 became %q", got)
	}
}
