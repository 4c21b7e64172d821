package normalize

import (
	"errors"
	"time"
)

// firstTime and lastTime bound the times of events, in ms: 1990 and 3000.
const (
	firstTime = 631_152_000_000
	lastTime  = 32_503_680_000_000
)

// errEarly and errLate refuse what no hospital system recorded, most of all a time in
// seconds taken for one in milliseconds, which ends up in January 1970.
var (
	errEarly = errors.New("is before 1990; is it in seconds? it must be in milliseconds since 1970")
	errLate  = errors.New("is after the year 3000; it must be in milliseconds since 1970")
)

// within says whether an event may have happened at a time.
func within(ms int64) error {
	switch {
	case ms < firstTime:
		return errEarly
	case ms > lastTime:
		return errLate
	}
	return nil
}

// parseTime reads the instants of FHIR and ISO 8601: a year up to a nanosecond,
// with T or a space, with or without a zone. exact is false where the text is
// not an instant (no zone or no time of day), so that the caller keeps it as
// Metadata.OriginalTime; zone then fills in.
func parseTime(text []byte, zone *time.Location) (ms int64, exact, ok bool) {
	c := clock{rest: text}
	year, month, day := c.digits(4), 1, 1
	if c.skip('-') {
		month = c.digits(2)
		if c.skip('-') {
			day = c.digits(2)
		}
	}
	var hour, minute, sec, nano int
	timed := c.skip('T') || c.skip('t') || c.skip(' ')
	if timed {
		hour = c.digits(2)
		c.need(':')
		minute = c.digits(2)
		if c.skip(':') {
			sec = c.digits(2)
			if c.skip('.') || c.skip(',') {
				nano = c.fraction()
			}
		}
	}
	loc, zoned := zone, false
	offset := 0
	if timed {
		offset, zoned = c.zone()
		if zoned {
			loc = time.UTC
		}
	}
	if c.bad || len(c.rest) > 0 || !plausible(year, month, day, hour, minute, sec) {
		return 0, false, false
	}
	at := time.Date(year, time.Month(month), day, hour, minute, sec, nano, loc)
	return at.UnixMilli() - int64(offset)*60_000, zoned, true
}

func plausible(year, month, day, hour, minute, sec int) bool {
	if year < 1900 || year > 2999 || month < 1 || month > 12 || day < 1 || day > monthDays(year, month) {
		return false
	}
	if hour == 24 {
		return minute == 0 && sec == 0
	}
	return hour < 24 && minute <= 59 && sec <= 60
}

func monthDays(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// clock reads the parts of a time one after another.
type clock struct {
	rest []byte
	bad  bool
}

func (c *clock) skip(want byte) bool {
	if len(c.rest) > 0 && c.rest[0] == want {
		c.rest = c.rest[1:]
		return true
	}
	return false
}

func (c *clock) need(want byte) {
	if !c.skip(want) {
		c.bad = true
	}
}

// digits reads exactly n digits.
func (c *clock) digits(n int) int {
	if len(c.rest) < n {
		c.bad = true
		return 0
	}
	v := 0
	for _, b := range c.rest[:n] {
		if b < '0' || b > '9' {
			c.bad = true
			return 0
		}
		v = v*10 + int(b-'0')
	}
	c.rest = c.rest[n:]
	return v
}

// fraction reads the digits after the point, in nanoseconds.
func (c *clock) fraction() int {
	v, scale := 0, 100_000_000
	for len(c.rest) > 0 && c.rest[0] >= '0' && c.rest[0] <= '9' {
		v += int(c.rest[0]-'0') * scale
		scale /= 10
		c.rest = c.rest[1:]
	}
	return v
}

// zone reads Z, +hh:mm, +hhmm or +hh; the offset is in minutes.
func (c *clock) zone() (offset int, ok bool) {
	if c.skip('Z') || c.skip('z') {
		return 0, true
	}
	sign := 1
	switch {
	case c.skip('+'):
	case c.skip('-'):
		sign = -1
	default:
		return 0, false
	}
	offset = c.digits(2) * 60
	if c.skip(':') || len(c.rest) > 0 {
		offset += c.digits(2)
	}
	return sign * offset, true
}
