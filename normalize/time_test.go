package normalize

import (
	"testing"
	"time"
)

func TestImpossibleTimes(t *testing.T) {
	for text, want := range map[string]bool{
		"2026-02-28": true, "2026-02-29": false, "2028-02-29": true, "2026-02-31T08:00:00Z": false, "2026-04-31": false,
		"2026-12-31T24:00:00Z": true, "2026-12-31T24:00:01Z": false, "2026-12-31T23:59:60Z": true, "2026-13-01": false,
		"2026-00-10": false, "2026-01-00": false,
	} {
		if _, _, ok := parseTime([]byte(text), time.UTC); ok != want {
			t.Errorf("%s: ok is %v", text, ok)
		}
	}
}
