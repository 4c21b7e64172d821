package capture

import (
	"bytes"
	"time"

	"github.com/zeebo/xxh3"
)

// clearScan looks whether data of patients passes in a stream. The look is
// small and would rather miss than cry: a message of HL7 with a PID segment, a
// DICOM file, a FHIR Patient, two different Chinese identity numbers with right
// check digits. Of what it finds it keeps a hash of one number.
type clearScan struct {
	sides [2]clearSide
	id    uint64 // of the identity number found first
	quiet int64  // nothing is looked for until then
}

// clearSide is how far one side has been looked at.
type clearSide struct {
	tail  []byte // the last bytes of the chunk before
	hl7   bool   // a header of HL7 was seen
	spent int    // bytes looked at
	since int64
	run   [18]byte // digits that follow one another
	n     int      // how many; more than 18 is no number of a person
	word  bool     // the run stands in a word
	zero  bool     // the last sign was one
}

const (
	clearTail  = 48
	clearFirst = 4 << 20 // bytes looked at of one side
	clearEach  = 1 << 20 // bytes more every minute
)

// data looks at the next bytes of a side, 0 or 1; true says that patient data
// was found, once in an hour.
func (c *clearScan) data(side int, at int64, b []byte) bool {
	d := &c.sides[side]
	if at < c.quiet || len(b) == 0 || !d.may(at, len(b)) {
		d.tail, d.n = d.tail[:0], 0
		return false
	}
	found := d.marks(b)
	if old := len(d.tail); old > 0 { // what began in the chunk before
		found = d.marks(append(d.tail, b[:min(len(b), clearTail)]...)) || found
		d.tail = d.tail[:old]
	}
	d.tail = append(d.tail, b[max(0, len(b)-clearTail):]...)
	if over := len(d.tail) - clearTail; over > 0 {
		d.tail = d.tail[:copy(d.tail, d.tail[over:])]
	}
	if c.numbers(d, b) || found {
		c.quiet = at + int64(time.Hour)
		return true
	}
	return false
}

// may says whether so many bytes more are looked at: a long transfer is looked
// at from time to time.
func (d *clearSide) may(at int64, n int) bool {
	if d.since == 0 {
		d.since = at
	}
	if d.spent > clearFirst+clearEach*int(max(at-d.since, 0)/int64(time.Minute)) {
		return false
	}
	d.spent += n
	return true
}

// marks looks for what patient data begins with.
func (d *clearSide) marks(b []byte) bool {
	if bytes.Contains(b, []byte("DICM\x02\x00\x00\x00UL\x04\x00")) || bytes.Contains(b, []byte(`<Patient xmlns="http://hl7.org/fhir"`)) {
		return true
	}
	for rest := b; ; {
		i := bytes.Index(rest, []byte(`"resourceType"`))
		if i < 0 {
			break
		}
		rest = rest[i+len(`"resourceType"`):]
		if value := bytes.TrimLeft(rest[:min(len(rest), 32)], " \t\r\n:"); bytes.HasPrefix(value, []byte(`"Patient"`)) {
			return true
		}
	}
	if !d.hl7 {
		i := bytes.Index(b, []byte("MSH|^~\\&|"))
		if i < 0 {
			return false
		}
		d.hl7, b = true, b[i:]
	}
	return bytes.Contains(b, []byte("\rPID|")) || bytes.Contains(b, []byte("\nPID|"))
}

// numbers looks for identity numbers; true from the second different one on.
// A zero between digits is passed over, so that UTF-16 is read like ASCII.
func (c *clearScan) numbers(d *clearSide, b []byte) (found bool) {
	for i := 0; i < len(b); i++ {
		if d.n == 0 {
			i = d.seek(b, i)
		}
		if i < len(b) && c.sign(d, b[i]) {
			found = true
		}
	}
	return found
}

// seek passes over what holds no number: where one begins, each 17th byte from
// there on hits one of its digits. What is left at the end may go on in the
// next chunk.
func (d *clearSide) seek(b []byte, from int) int {
	const digits = 17 // of a number, at least
	at := from + digits - 1
	for at < len(b) && !clearDigits(b, at) {
		at += digits
	}
	begins := at - digits + 1
	if at < len(b) {
		lowest := begins
		for begins = at; begins > lowest && clearDigit(b[begins-1]); {
			begins--
		}
	}
	if begins > from {
		before := begins - 1
		for before > from && b[before] == 0 {
			before--
		}
		if b[before] != 0 {
			d.word = clearInWord(b[before])
		}
	}
	return begins
}

// clearDigit says whether x may stand in a number, in UTF-16 too.
func clearDigit(x byte) bool { return x-'0' <= 9 || x == 0 }

// clearDigits says whether b[at], not the first, is a digit, or a zero beside
// one.
func clearDigits(b []byte, at int) bool {
	x := b[at]
	return x-'0' <= 9 || x == 0 && (b[at-1]-'0' <= 9 || at+1 < len(b) && b[at+1]-'0' <= 9)
}

// clearInWord says whether digits behind x belong to a word.
func clearInWord(x byte) bool { return (x|0x20)-'a' < 26 || x == '_' || x == '.' }

// sign takes the next sign of a side; true where it ends a second number.
func (c *clearScan) sign(d *clearSide, x byte) (found bool) {
	switch zero := d.zero; {
	case x-'0' <= 9:
		if d.n < len(d.run) {
			d.run[d.n] = x
		}
		d.n++
	case x == 0 && (d.n == 0 || !zero):
	case d.n == 0:
		d.word = clearInWord(x)
	case (x == 'X' || x == 'x') && d.n == 17:
		d.run[17] = 'X'
		d.n++
	default:
		found = d.n == 18 && !d.word && c.number(d)
		d.n, d.word = 0, clearInWord(x)
	}
	d.zero = x == 0
	return found
}

// number judges a run of 18 signs.
func (c *clearScan) number(d *clearSide) bool {
	if !clearIDNumber(d.run[:]) {
		return false
	}
	sum := xxh3.Hash(d.run[:])
	if c.id == 0 {
		c.id = sum
	}
	return c.id != sum
}

// clearIDNumber says whether b is a Chinese identity number: region, date of
// birth and check digit of GB 11643.
func clearIDNumber(b []byte) bool {
	two := func(i int) int { return int(b[i]-'0')*10 + int(b[i+1]-'0') }
	region, century, month, day := two(0), two(6), two(10), two(12)
	if region < 11 || region > 82 || century < 19 || century > 20 || month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	sum, weight := 0, 1
	for i := 17; i >= 0; i-- {
		v := int(b[i] - '0')
		if b[i] == 'X' {
			v = 10
		}
		sum += v * weight
		weight = weight * 2 % 11
	}
	return sum%11 == 1
}

// clearLines cuts one side of a stream into lines; of a long line only the
// beginning is kept.
type clearLines struct {
	line []byte
	most int
}

// feed hands out the lines that end in b; false from each ends the reading.
// A line lives until each returns.
func (l *clearLines) feed(b []byte, each func(line []byte) bool) bool {
	for {
		i := bytes.IndexByte(b, '\n')
		piece := b
		if i >= 0 {
			piece = b[:i]
		}
		line := piece[:min(len(piece), l.most-len(l.line))]
		if i < 0 || len(l.line) > 0 {
			l.line = append(l.line, line...)
			line = l.line
		}
		if i < 0 {
			return true
		}
		b, l.line = b[i+1:], l.line[:0]
		if !each(bytes.TrimRight(line, "\r")) {
			return false
		}
	}
}

// clearWord cuts the first word of a line off. The word is upper-case; those
// that nobody asks for are "".
func clearWord(line []byte) (word string, rest []byte) {
	head, rest, _ := bytes.Cut(line, []byte{' '})
	var upper [12]byte
	if len(head) > len(upper) {
		return "", bytes.TrimSpace(rest)
	}
	for i, c := range head {
		if c-'a' < 26 {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	return clearKnown(upper[:len(head)]), bytes.TrimSpace(rest)
}

// clearKnown is a word that somebody asks for, or "".
func clearKnown(b []byte) string {
	switch string(b) {
	case "USER", "PASS", "AUTH", "FEAT", "SYST", "OPTS", "CLNT", "HOST", "PORT", "EPRT", // FTP
		"STOR", "RETR", "APPE", "STOU", "DELE", "LIST", "NLST", "MLSD",
		"EHLO", "HELO", "LOGIN", "PLAIN", "STARTTLS", "STLS", "AUTHENTICATE", // mail
		"BASIC": // HTTP
		return string(b)
	}
	return ""
}
