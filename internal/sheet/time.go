package sheet

import (
	"errors"
	"strings"
	"time"
)

// instants and days are the layouts people's exports use, tried in order.
var (
	instants = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006/01/02 15:04:05", "2006/01/02 15:04", "2006/1/2 15:04:05", "2006/1/2 15:04"}
	days     = []string{"2006-01-02", "2006/01/02", "2006/1/2", "20060102"}
)

// Time reads a time in ms. A time without zone is in zone. A day without time
// is its beginning, or with endOfDay the end of it (the next midnight, also
// where daylight saving makes the day 23 or 25 hours long). Empty text is 0.
func Time(text string, zone *time.Location, endOfDay bool) (int64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	for _, layout := range instants {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t.UnixMilli(), nil
		}
	}
	for _, layout := range days {
		t, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			continue
		}
		if endOfDay {
			t = t.AddDate(0, 0, 1)
		}
		return t.UnixMilli(), nil
	}
	return 0, errors.New("not a time: write it like 2026-03-31T08:00:00+08:00 or 2026-03-31")
}
