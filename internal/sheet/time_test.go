package sheet

import (
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zone database on this machine")
	}
	tests := []struct {
		in   string
		end  bool
		want string
	}{
		{"2026-03-28", true, "2026-03-28T23:00:00Z"},
		{"2026-03-29", true, "2026-03-29T22:00:00Z"}, // a day of 23 hours
		{"2026-03-29", false, "2026-03-28T23:00:00Z"},
		{"2026-10-25", true, "2026-10-25T23:00:00Z"}, // a day of 25 hours
		{"2026/3/1 08:00", false, "2026-03-01T07:00:00Z"},
		{"2026-03-01T08:00:00+08:00", true, "2026-03-01T00:00:00Z"},
		{"20260301", false, "2026-02-28T23:00:00Z"},
		{"tomorrow", false, ""},
	}
	for _, tt := range tests {
		ms, err := Time(tt.in, berlin, tt.end)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%q was taken", tt.in)
			}
			continue
		}
		if got := time.UnixMilli(ms).UTC().Format(time.RFC3339); err != nil || got != tt.want {
			t.Errorf("%q: %s, want %s, error %v", tt.in, got, tt.want, err)
		}
	}
}
