package hl7

import "time"

// Stamp is a point in time as a message gives it.
type Stamp struct {
	// Millis is the instant, or the beginning of the year, month, day, hour
	// or minute where no more was given, in ms since 1970 UTC.
	Millis int64
	// Digits is the precision: 4 year, 6 month, 8 day, 10 hour, 12 minute,
	// 14 second.
	Digits int
	// Zoned says that the message named the offset from UTC.
	Zoned bool
}

// Instant says that the message gave at least the minute and the offset.
func (s Stamp) Instant() bool { return s.Zoned && s.Digits >= 12 }

// ParseTime reads YYYY[MM[DD[HH[MM[SS[.S+]]]]]][+/-ZZZZ]. Where no offset is
// given the time is that of zone. It also takes what some senders write: ISO
// 8601 punctuation and a trailing Z. A date that does not exist is not ok.
func ParseTime(text string, zone *time.Location) (s Stamp, ok bool) {
	var digits [14]byte
	i := 0
	for ; i < len(text); i++ {
		c := text[i]
		if c >= '0' && c <= '9' {
			if s.Digits == len(digits) {
				return Stamp{}, false
			}
			digits[s.Digits] = c - '0'
			s.Digits++
		} else if !punctuation(c, s.Digits) {
			break
		}
	}
	var nanos int
	nanos, i = fraction(text, i, s.Digits)
	offset, zoned, ok := parseOffset(text[i:])
	if !ok || s.Digits < 4 || s.Digits%2 != 0 {
		return Stamp{}, false
	}
	t, ok := civil(digits[:], s.Digits, nanos, offset, zoned, zone)
	s.Millis, s.Zoned = t, zoned
	return s, ok
}

// punctuation says whether a character may stand after so many digits: the
// dash of a date, the T or blank before and the colons within the time.
func punctuation(c byte, digits int) bool {
	switch digits {
	case 4, 6:
		return c == '-' || c == '/'
	case 8:
		return c == 'T' || c == ' '
	case 10, 12:
		return c == ':'
	}
	return false
}

// fraction reads a fraction of a second at i and returns where it ends.
func fraction(text string, i, digits int) (nanos, end int) {
	if digits != 14 || i >= len(text) || text[i] != '.' && text[i] != ',' {
		return 0, i
	}
	unit := 100_000_000
	for i++; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		nanos += int(text[i]-'0') * unit
		unit /= 10
	}
	return nanos, i
}

// parseOffset reads "", "Z", "+hhmm", "+hh:mm" or "+hh"; the result is in
// seconds east of UTC.
func parseOffset(s string) (seconds int, zoned, ok bool) {
	switch {
	case s == "":
		return 0, false, true
	case s == "Z" || s == "z":
		return 0, true, true
	case s[0] != '+' && s[0] != '-':
		return 0, false, false
	}
	var n, digits int
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9' && digits < 4:
			n = n*10 + int(c-'0')
			digits++
		case c == ':' && digits == 2:
		default:
			return 0, false, false
		}
	}
	if digits == 2 {
		n *= 100
	} else if digits != 4 {
		return 0, false, false
	}
	seconds = (n/100)*3600 + (n%100)*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true, n <= 1800 && n%100 < 60
}

// civil turns calendar digits into ms since 1970 and refuses dates and times
// that do not exist.
func civil(d []byte, digits, nanos, offset int, zoned bool, zone *time.Location) (int64, bool) {
	year := int(d[0])*1000 + int(d[1])*100 + int(d[2])*10 + int(d[3])
	part := func(at, absent int) int {
		if digits <= at {
			return absent
		}
		return int(d[at])*10 + int(d[at+1])
	}
	month, day := part(4, 1), part(6, 1)
	hour, minute, second := part(8, 0), part(10, 0), part(12, 0)
	if year < 1800 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	if zoned || zone == nil {
		zone = time.UTC
	}
	if day > time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day() {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, zone)
	return t.UnixMilli() - int64(offset)*1000, true
}
