package deid

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// date is a date found in a value, and where its parts stand.
type date struct {
	year, month, day int // 0 where not given
	// parts are where year, month and day stand in the value, empty where not.
	parts [3]place
	// named is true where the month is written as a word.
	named bool
	// short is true where the year has two digits.
	short bool
}

// place is a piece of a value.
type place struct{ from, to int }

// ShiftDate moves the date in a value by days and leaves the rest as it is
// written: precision, separators, time of day, zone. It knows the forms of HL7
// and DICOM (19491231, 194912312359+0800), of FHIR and ISO 8601, 2024年3月5日,
// 2024/3/5, 3/5/2024, 5.3.2024, 5 March 2024, March 5, 2024 and 05-MAR-24. A
// year alone stays; a month alone moves with its middle. Of 3/5/2024 the month
// is taken to come first, unless it cannot. It says false where it found no
// date; then nothing may be passed on.
func ShiftDate(dst, value []byte, days int) ([]byte, bool) {
	d, ok := readDate(value)
	if !ok {
		return dst, false
	}
	if d.month == 0 {
		return append(dst, value...), true
	}
	t, ok := d.time()
	if !ok {
		return dst, false
	}
	t = t.AddDate(0, 0, days)
	if t.Year() < leastYear || t.Year() > mostYear {
		return dst, false
	}
	return d.write(dst, value, t), true
}

// ShiftDate moves a date by the patient's shift.
func (k *Key) ShiftDate(dst, value []byte, patient string) ([]byte, bool) {
	return ShiftDate(dst, value, k.Shift(patient))
}

// The years a date may be in.
const (
	leastYear = 1000
	mostYear  = 2999
)

// leapless is the year a date without one is taken to be in.
const leapless = 2023

func (d date) time() (time.Time, bool) {
	year, day := d.year, d.day
	if d.parts[0] == (place{}) {
		year = leapless
	}
	if d.parts[2] == (place{}) {
		day = 15
	}
	t := time.Date(year, time.Month(d.month), day, 0, 0, 0, 0, time.UTC)
	return t, t.Day() == day && int(t.Month()) == d.month || d.parts[0] == (place{}) && d.month == 2 && day == 29
}

// write puts another date into the places of the value.
func (d date) write(dst, value []byte, t time.Time) []byte {
	number := [3]int{t.Year(), int(t.Month()), t.Day()}
	if d.short {
		number[0] %= 100
	}
	order := [3]int{0, 1, 2}
	for i := range order {
		for j := i + 1; j < 3; j++ {
			if d.parts[order[j]].from < d.parts[order[i]].from {
				order[i], order[j] = order[j], order[i]
			}
		}
	}
	at := 0
	for _, i := range order {
		p := d.parts[i]
		if p == (place{}) {
			continue
		}
		dst = append(dst, value[at:p.from]...)
		if i == 1 && d.named {
			dst = append(dst, monthLike(string(value[p.from:p.to]), t.Month())...)
		} else {
			dst = appendPadded(dst, number[i], value[p.from:p.to])
		}
		at = p.to
	}
	return append(dst, value[at:]...)
}

// appendPadded writes a number in no fewer digits than the old one.
func appendPadded(dst []byte, n int, old []byte) []byte {
	text := strconv.Itoa(n)
	for i := len(text); i < len(old); i++ {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

func monthLike(old string, m time.Month) string {
	name := m.String()
	if len(old) <= 4 && !strings.EqualFold(old, "june") && !strings.EqualFold(old, "july") || strings.EqualFold(old, "may") {
		name = name[:3]
	}
	return like(old, strings.ToLower(name))
}

// readDate finds the date a value begins with.
func readDate(value []byte) (date, bool) {
	start := 0
	for start < len(value) && value[start] == ' ' {
		start++
	}
	run := digitsAt(value, start)
	switch {
	case run >= 8:
		return packedDate(value, start, 8)
	case run == 6:
		return packedDate(value, start, 6)
	case run == 4:
		return yearFirst(value, start)
	case run == 1 || run == 2:
		return dayOrMonthFirst(value, start, run)
	case run == 0 && start < len(value) && unicode.IsLetter(rune(value[start])):
		return monthWordFirst(value, start)
	}
	return date{}, false
}

func digitsAt(value []byte, at int) (n int) {
	for at+n < len(value) && isDigit(value[at+n]) {
		n++
	}
	return n
}

func num(value []byte, p place) int {
	n, _ := strconv.Atoi(string(value[p.from:p.to]))
	return n
}

// set puts a number into part i: 0 year, 1 month, 2 day.
func (d *date) set(value []byte, i, from, to int) {
	d.parts[i] = place{from, to}
	n := num(value, d.parts[i])
	switch i {
	case 0:
		d.year = n
		if to-from == 2 {
			d.short = true
			d.year += 2000
			if n > 40 {
				d.year -= 100
			}
		}
	case 1:
		d.month = n
	case 2:
		d.day = n
	}
}

func (d date) valid() bool {
	if d.parts[0] != (place{}) && (d.year < leastYear || d.year > mostYear) {
		return false
	}
	if d.parts[1] == (place{}) {
		return d.parts[2] == (place{})
	}
	_, ok := d.time()
	return ok
}

func packedDate(value []byte, at, n int) (d date, ok bool) {
	d.set(value, 0, at, at+4)
	d.set(value, 1, at+4, at+6)
	if n == 8 {
		d.set(value, 2, at+6, at+8)
	}
	return d, d.valid() && (n == 8 || d.year >= 1800 && d.year < 2200) // 240305 is no month
}

// separator is the length of what may stand between the parts of a date at a
// place: - / . or the Chinese word.
func separator(value []byte, at int, word string) int {
	if at >= len(value) {
		return 0
	}
	switch value[at] {
	case '-', '/', '.':
		return 1
	}
	if strings.HasPrefix(string(value[at:min(at+6, len(value))]), word) {
		return len(word)
	}
	return 0
}

func yearFirst(value []byte, at int) (d date, ok bool) {
	d.set(value, 0, at, at+4)
	at += 4
	gap := separator(value, at, "年")
	n := digitsAt(value, at+gap)
	if gap == 0 || n < 1 || n > 2 {
		// A year alone, unless letters or digits go on.
		r, _ := utf8.DecodeRune(value[at:])
		return d, d.valid() && (at == len(value) || !unicode.IsLetter(r) || r == '年')
	}
	at += gap
	d.set(value, 1, at, at+n)
	at += n
	gap = separator(value, at, "月")
	n = digitsAt(value, at+gap)
	if gap > 0 && (n == 1 || n == 2) {
		d.set(value, 2, at+gap, at+gap+n)
	}
	return d, d.valid()
}

// dayOrMonthFirst reads 3/5/2024, 31.12.2024, 3月5日, 5 March 2024, 05-MAR-24.
func dayOrMonthFirst(value []byte, at, n int) (d date, ok bool) {
	first := place{at, at + n}
	at += n
	if gap := separator(value, at, "月"); gap > 0 && digitsAt(value, at+gap) > 0 && digitsAt(value, at+gap) <= 2 {
		m := digitsAt(value, at+gap)
		second := place{at + gap, at + gap + m}
		if value[at] == '.' || num(value, first) > 12 {
			first, second = second, first
		}
		d.set(value, 1, first.from, first.to)
		d.set(value, 2, second.from, second.to)
		d.yearAt(value, max(first.to, second.to))
		return d, d.valid()
	}
	d.set(value, 2, first.from, first.to)
	for at < len(value) && (value[at] == ' ' || value[at] == '-' || value[at] == 's' || value[at] == 't' || value[at] == 'n' || value[at] == 'r' || value[at] == 'd' || value[at] == 'h' || value[at] == '/') && !isMonthAt(value, at) {
		at++
	}
	end, m := monthAt(value, at)
	if m == 0 {
		return d, false
	}
	d.month, d.named, d.parts[1] = m, true, place{at, end}
	d.yearAt(value, end)
	return d, d.valid()
}

// monthWordFirst reads March 5, 2024 and Mar 2024.
func monthWordFirst(value []byte, at int) (d date, ok bool) {
	end, m := monthAt(value, at)
	if m == 0 {
		return d, false
	}
	d.month, d.named, d.parts[1] = m, true, place{at, end}
	at = end
	for at < len(value) && (value[at] == ' ' || value[at] == '.') {
		at++
	}
	switch n := digitsAt(value, at); n {
	case 4:
		d.set(value, 0, at, at+4)
	case 1, 2:
		d.set(value, 2, at, at+n)
		d.yearAt(value, at+n)
	}
	return d, d.valid()
}

// yearAt reads a year behind a few characters of punctuation or space.
func (d *date) yearAt(value []byte, at int) {
	for range 4 {
		if at < len(value) && strings.IndexByte(" ,/-.sthnrd", value[at]) >= 0 {
			at++
		}
	}
	if n := digitsAt(value, at); n == 4 || n == 2 && at > 0 && strings.IndexByte("/-.", value[at-1]) >= 0 {
		d.set(value, 0, at, at+n)
	}
}

func isMonthAt(value []byte, at int) bool {
	_, m := monthAt(value, at)
	return m > 0
}

// monthAt reads the name of a month, whole or its first three letters.
func monthAt(value []byte, at int) (end, month int) {
	end = at
	for end < len(value) && (value[end]|0x20 >= 'a' && value[end]|0x20 <= 'z') {
		end++
	}
	word := strings.ToLower(string(value[at:end]))
	if word == "sept" {
		word = "sep"
	}
	for m := time.January; m <= time.December; m++ {
		if name := strings.ToLower(m.String()); word == name || word == name[:3] {
			return end, int(m)
		}
	}
	return end, 0
}
