package normalize

import (
	"strings"
	"testing"
)

// TestLargeHeader: a header that each rejected row would carry is bounded.
func TestLargeHeader(t *testing.T) {
	m := mapping(t, "time: t\naccount: a\npatient: p\n")
	for size, want := range map[int]int{1000: 20, maxHeader: 1} {
		text := "t,a,p," + strings.Repeat("x", size) + "\n" + strings.Repeat("only,two\n", 20)
		_, rejects := testNormalizer().Normalize(Input{Format: "csv", Mapping: m, Data: []byte(text)})
		if len(rejects) != want {
			t.Errorf("header of %d bytes: %d rejects, want %d", size, len(rejects), want)
		}
		if want == 1 && !strings.Contains(rejects[0].Reason, "header line is larger") {
			t.Error(rejects[0].Reason)
		}
	}
}
