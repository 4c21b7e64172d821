package api

import "testing"

func TestAccountOf(t *testing.T) {
	for from, want := range map[string]string{"zhang": "zhang", "zhang@h.example": "zhang", "zhang+x@h.example": "zhang", `HOSP\zhang`: "zhang", "HOSP/zhang": "zhang", "10.0.0.9": "10.0.0.9", "": ""} {
		if got := accountOf(from); got != want {
			t.Errorf("%q: %q", from, got)
		}
	}
}
