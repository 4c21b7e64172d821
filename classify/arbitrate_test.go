package classify

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestUnionLeavesNothing: whatever candidates overlap, in Redact each letter
// and digit of any of them is in a span of the result, and no span overlaps
// another.
func TestUnionLeavesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	text := []byte(strings.Repeat("王小明, 12 Main St. (abc) 138-0013-8000; ", 80))
	for range 300 {
		var all []Span
		for range 1 + random.IntN(1500) {
			start := random.IntN(len(text) - 1)
			end := min(len(text), start+1+random.IntN(60))
			for start > 0 && text[start]&0xC0 == 0x80 {
				start--
			}
			for end < len(text) && text[end]&0xC0 == 0x80 {
				end++
			}
			all = append(all, Span{Start: start, End: end, Kind: Kind(1 + random.IntN(20)), Confidence: 50, Reason: Reason(1 + random.IntN(8))})
		}
		var covered, kept [4000]bool
		for _, s := range all {
			for i := s.Start; i < s.End; i++ {
				covered[i] = true
			}
		}
		end := 0
		for _, s := range union(slices.Clone(all), 0, text, 0) {
			if s.Start < end || s.End <= s.Start {
				t.Fatalf("%+v after %d", s, end)
			}
			for end = s.Start; end < s.End; end++ {
				kept[end] = true
			}
		}
		for i, c := range text {
			if (wordByte(c) || c >= 0x80) && covered[i] != kept[i] {
				t.Fatalf("byte %d of %q: found %v, kept %v", i, text[max(0, i-20):i+20], covered[i], kept[i])
			}
		}
	}
}

// TestUnionTrims: the rest of what lost has no signs at its ends, and a rest of
// signs alone is none.
func TestUnionTrims(t *testing.T) {
	text := "John Q. Smith, 12 Main St (x)"
	got := union([]Span{
		{0, 13, Name, 90, ByLexicon}, {5, 17, Address, 90, ByLabel}, {18, 29, Organization, 50, ByStructure}, {27, 28, Age, 50, ByCheck},
	}, 0, []byte(text), 0)
	var spans []string
	for _, s := range got {
		spans = append(spans, s.Kind.String()+"="+text[s.Start:s.End])
	}
	if got := strings.Join(spans, " | "); got != "person-name=John | address=Q. Smith, 12 | organization=Main St | age-over-89=x" {
		t.Error(got)
	}
}
