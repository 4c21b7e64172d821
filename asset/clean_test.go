package asset

import "testing"

// Names that devices give themselves are shown to people: what turns text
// around, hides in it or moves a terminal's cursor is taken out.
func TestNamesAreFitToShow(t *testing.T) {
	for in, want := range map[string]string{
		"CT\u202e1-EVIL": "CT1-EVIL", "a\u0085b\x1b[2Jc": "ab[2Jc", "\u200bCT\ufeff1\u2066": "CT1", " 放射科 CT\t1 ": "放射科 CT1", "a\xff\u2028b": "ab",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
