package sigma

import (
	"strconv"
	"time"
)

// partOf reads the minute, hour, day, week, month or year of a time as the
// source wrote it: a text keeps its own clock, as Sigma wants; a number of
// seconds or of parts of them since 1970 has none and is read in the zone of
// the site. The week is that of ISO 8601.
func partOf(s, part string, zone *time.Location) (int, bool) {
	t, ok := timeOf(s, zone)
	if !ok {
		return 0, false
	}
	switch part {
	case "minute":
		return t.Minute(), true
	case "hour":
		return t.Hour(), true
	case "day":
		return t.Day(), true
	case "week":
		_, week := t.ISOWeek()
		return week, true
	case "month":
		return int(t.Month()), true
	}
	return t.Year(), true
}

// layouts of times without a zone: what follows the seconds is cut off, since
// the zone does not matter.
var layouts = [...]string{
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006/01/02 15:04:05", "2006-01-02T15:04",
	"2006-01-02 15:04", "2006-01-02", "20060102150405", "Mon Jan _2 15:04:05 2006", "02/Jan/2006:15:04:05",
}

func timeOf(s string, zone *time.Location) (time.Time, bool) {
	if len(s) >= 9 && len(s) <= 19 && len(s) != 14 || len(s) == 8 && s[0] == '1' {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return sinceEpoch(n).In(zone), true
		}
	}
	if len(s) < 10 {
		return time.Time{}, false
	}
	for _, layout := range layouts {
		if n := len(layout); len(s) >= n && len(s) < n+40 {
			if t, err := time.Parse(layout, s[:n]); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// sinceEpoch reads seconds, milliseconds, microseconds or nanoseconds, which
// the size tells for all times from 1971 to 5000.
func sinceEpoch(n int64) time.Time {
	switch size := max(n, -n); {
	case size < 1e11:
		return time.Unix(n, 0)
	case size < 1e14:
		return time.UnixMilli(n)
	case size < 1e17:
		return time.UnixMicro(n)
	}
	return time.Unix(0, n)
}
