package normalize

import (
	"bytes"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/ocsf"
)

// syslogLine is one syslog message of RFC 5424 or RFC 3164, or of what
// senders take for them: each part is read if it is there.
type syslogLine struct {
	// Facility and Severity are -1 without a PRI.
	Facility, Severity int
	// Time is in ms; 0 where the line has none.
	Time int64
	// TimeText is the time as sent where it was not an instant.
	TimeText                 string
	Host, App, ProcID, MsgID string
	// Data are the parameters of the structured data.
	Data    []field
	Message []byte
}

// field is one key and its value.
type field struct {
	key, value string
	// name is the key in plain form.
	name string
}

// parseSyslog reads syslog lines. One with an audit message inside goes the
// way of format atna; CEF, LEEF, JSON and key=value are read by their keys
// (device.go); any other text becomes a base event that keeps it.
func (n *Normalizer) parseSyslog(in Input, out *Output) {
	eachRecord(in.Data, func(item int, raw []byte) {
		line := readSyslog(deviceText(raw), n.zone)
		switch msg := line.Message; {
		case isAudit(msg):
			n.auditRecord(line, item, raw, in.Received, out)
		case len(bytes.TrimSpace(msg)) == 0 && len(line.Data) == 0:
			out.Reject(item, raw, "the syslog line has no message")
		case !printable(bytes.TrimSpace(msg)):
			out.Reject(item, raw, "the syslog message is not text in UTF-8 or GB18030")
		default:
			n.deviceLine(line, in.Received, out)
		}
	})
}

// deviceLine reads what a device wrote into a line.
func (n *Normalizer) deviceLine(line syslogLine, received int64, out *Output) {
	d := device{n: n, line: line, received: received}
	msg := bytes.TrimSpace(line.Message)
	switch {
	case cefStart(msg) >= 0:
		d.readCEF(string(msg[cefStart(msg):]))
	case leefStart(msg) >= 0:
		d.readLEEF(string(msg[leefStart(msg):]))
	case len(msg) > 0 && msg[0] == '{' && d.readJSON(msg):
	default:
		d.readPairs(string(msg))
	}
	d.fields = append(d.fields, line.Data...)
	out.Event(d.event())
}

// splitSyslog cuts a stream the way eachRecord cuts an input.

func splitSyslog(r io.Reader) iter.Seq2[Record, error] { return splitScan(r, scanSyslog) }

// eachRecord cuts an input into records and numbers them.
func eachRecord(data []byte, read func(item int, raw []byte)) {
	for item := 0; len(data) > 0; {
		advance, raw, _ := scanSyslog(data, true)
		data = data[advance:]
		if len(raw) > 0 {
			read(item, raw)
			item++
		}
	}
}

// scanSyslog is a bufio.SplitFunc. A record is a frame with octet count
// (RFC 6587), an XML document up to the end of its AuditMessage, or a line;
// a line in which an AuditMessage begins goes on to its end.
func scanSyslog(data []byte, atEOF bool) (advance int, record []byte, err error) {
	start := len(data) - len(bytes.TrimLeft(data, " \t\r\n\x00"))
	start += len(data[start:]) - len(bytes.TrimPrefix(data[start:], []byte(utf8Mark)))
	rest := data[start:]
	if len(rest) == 0 {
		return len(data), nil, nil
	}
	end, ok := recordEnd(rest)
	switch {
	case ok:
		return start + end, trimRecord(rest[:end]), nil
	case atEOF:
		return len(data), trimRecord(rest), nil
	}
	return 0, nil, nil
}

// utf8Mark is the byte order mark in UTF-8.
const utf8Mark = "\xef\xbb\xbf"

// trimRecord removes the octet count and the line end.
func trimRecord(b []byte) []byte {
	if n, head := octetCount(b); n > 0 {
		b = b[head:]
	}
	return bytes.TrimRight(b, "\r\n\x00")
}

// octetCount reads "LEN SP" before a PRI.
func octetCount(b []byte) (n, head int) {
	i := bytes.IndexByte(b[:min(len(b), 10)], ' ')
	if i < 1 || len(b) <= i+2 || b[i+1] != '<' || b[i+2] < '0' || b[i+2] > '9' {
		return 0, 0
	}
	n, err := strconv.Atoi(string(b[:i]))
	if err != nil || n <= 0 {
		return 0, 0
	}
	return n, i + 1
}

// recordEnd is where the record at the start of b ends, if b holds it whole.
func recordEnd(b []byte) (end int, ok bool) {
	if n, head := octetCount(b); n > 0 {
		return min(head+n, len(b)), head+n <= len(b)
	}
	lf := bytes.IndexByte(b, '\n')
	line := b
	if lf >= 0 {
		line = b[:lf]
	}
	if !startsXML(b) && !opensAudit(line) {
		return lf + 1, lf >= 0
	}
	return auditEnd(b)
}

// startsXML says whether a text begins with markup; "<85>" is a PRI.
func startsXML(b []byte) bool {
	return len(b) > 1 && b[0] == '<' && (b[1] == '?' || b[1] == '!' || b[1] >= 'A')
}

// opensAudit says whether an AuditMessage begins in a line.
func opensAudit(line []byte) bool {
	i := bytes.Index(line, []byte("AuditMessage"))
	return i > 0 && (line[i-1] == '<' || line[i-1] == ':')
}

// maxPrefix is the longest namespace prefix looked for, in bytes.
const maxPrefix = 64

// auditEnd is the end of the first "</AuditMessage>", with any prefix. Where
// another message begins before it, the first was cut off and ends there.
func auditEnd(b []byte) (end int, ok bool) {
	name := []byte("AuditMessage")
	opened := false
	done := 0 // up to here comments are known
	for at := 0; ; {
		i := bytes.Index(b[at:], name)
		if i < 0 {
			return 0, false
		}
		i += at
		at = i + len(name)
		from := max(0, i-maxPrefix)
		open := bytes.LastIndexByte(b[from:i], '<') + from
		if open < from || bytes.ContainsAny(b[open:i], " \t\r\n>\"") {
			continue
		}
		if begin := bytes.LastIndex(b[done:i], []byte("<!--")); begin >= 0 {
			closing := bytes.Index(b[done+begin:], []byte("-->"))
			if closing < 0 {
				return 0, false
			}
			if done += begin + closing + len("-->"); done > i {
				at = done
				continue
			}
		}
		switch {
		case b[open+1] == '/':
			closing := bytes.IndexByte(b[at:], '>')
			return at + closing + 1, closing >= 0
		case opened:
			if line := bytes.LastIndexByte(b[:open], '\n'); line > 0 {
				return line, true
			}
			return open, true
		}
		opened = true
	}
}

// readSyslog takes a line apart. Without a PRI the whole text is the message.
func readSyslog(text []byte, zone *time.Location) syslogLine {
	text = bytes.TrimPrefix(text, []byte(utf8Mark))
	line := syslogLine{Facility: -1, Severity: -1, Message: text}
	rest, ok := line.readPriority(text)
	if !ok {
		return line
	}
	line.Message = rest
	if len(rest) > 1 && rest[0] == '1' && rest[1] == ' ' {
		line.read5424(rest[2:], zone)
	} else {
		line.read3164(rest, zone)
	}
	line.Message = bytes.TrimPrefix(line.Message, []byte(utf8Mark))
	return line
}

func (l *syslogLine) readPriority(b []byte) (rest []byte, ok bool) {
	i := bytes.IndexByte(b[:min(len(b), 6)], '>')
	if i < 2 || b[0] != '<' {
		return nil, false
	}
	pri, err := strconv.Atoi(string(b[1:i]))
	if err != nil || pri < 0 || pri > 191 {
		return nil, false
	}
	l.Facility, l.Severity = pri/8, pri%8
	return b[i+1:], true
}

// token cuts b at its first blank.
func token(b []byte) (first string, rest []byte) {
	head, rest, _ := bytes.Cut(b, []byte(" "))
	return string(head), rest
}

// nilled turns the nil value of RFC 5424 into nothing.
func nilled(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// read5424 reads TIMESTAMP HOSTNAME APP-NAME PROCID MSGID, structured data
// and message. Some senders write "20140210005309" for a time, or leave the
// structured data out; both are taken.
func (l *syslogLine) read5424(b []byte, zone *time.Location) {
	var stamp string
	stamp, b = token(b)
	l.setTime(nilled(stamp), zone)
	l.Host, b = token(b)
	l.App, b = token(b)
	l.ProcID, b = token(b)
	l.MsgID, b = token(b)
	l.Host, l.App, l.ProcID, l.MsgID = nilled(l.Host), nilled(l.App), nilled(l.ProcID), nilled(l.MsgID)
	switch {
	case len(b) > 0 && b[0] == '-' && (len(b) == 1 || b[1] == ' '):
		b = b[1:]
	case len(b) > 0 && b[0] == '[':
		b = l.readData(b)
	}
	l.Message = bytes.TrimPrefix(b, []byte(" "))
}

func (l *syslogLine) setTime(text string, zone *time.Location) {
	if t, ok := hl7.ParseTime(text, zone); ok {
		l.Time = t.Millis
		if !t.Instant() {
			l.TimeText = text
		}
	}
}

// readData reads structured data: [id key="value" ...][...]. What is no
// structured data stays part of the message.
func (l *syslogLine) readData(b []byte) (rest []byte) {
	whole := b
	var data []field
	for len(b) > 0 && b[0] == '[' {
		end := bytes.IndexAny(b, " ]")
		if end < 0 {
			return whole
		}
		b = b[end:]
		for len(b) > 0 && b[0] == ' ' {
			var f field
			var ok bool
			if f, b, ok = readParam(bytes.TrimLeft(b, " ")); !ok {
				return whole
			}
			data = append(data, f)
		}
		if len(b) == 0 || b[0] != ']' {
			return whole
		}
		b = b[1:]
	}
	l.Data = data
	return b
}

// readParam reads key="value" with \" \\ and \] inside.
func readParam(b []byte) (f field, rest []byte, ok bool) {
	key, b, ok := bytes.Cut(b, []byte(`="`))
	if !ok {
		return f, nil, false
	}
	var value []byte
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && i+1 < len(b) && (b[i+1] == '"' || b[i+1] == '\\' || b[i+1] == ']'):
			i++
			value = append(value, b[i])
		case b[i] == '"':
			return field{key: string(key), value: string(value)}, b[i+1:], true
		default:
			value = append(value, b[i])
		}
	}
	return f, nil, false
}

// read3164 reads "Mmm dd hh:mm:ss HOST TAG[pid]: message" and its relatives:
// an ISO time, a year, a missing host.
func (l *syslogLine) read3164(b []byte, zone *time.Location) {
	b = bytes.TrimLeft(b, " ")
	rest, ok := l.readBSDTime(b, zone)
	if !ok {
		stamp, after := token(b)
		if l.setTime(stamp, zone); l.Time == 0 {
			l.Message = b
			return
		}
		rest = after
	}
	host, after := token(rest)
	if host != "" && !strings.ContainsAny(host, ":=|[{") {
		l.Host, rest = host, after
	}
	l.Message = l.readTag(rest)
}

// readBSDTime reads "Jan  2 15:04:05", perhaps with a year before or after.
// Without one Time stays 0, and at finds the year from the time of receipt.
func (l *syslogLine) readBSDTime(b []byte, zone *time.Location) (rest []byte, ok bool) {
	for _, layout := range []string{"Jan _2 15:04:05 2006", "Jan _2 2006 15:04:05", "Jan _2 15:04:05"} {
		if len(b) < len(layout) {
			continue
		}
		t, err := time.ParseInLocation(layout, string(b[:len(layout)]), zone)
		if err != nil {
			continue
		}
		l.TimeText = string(b[:len(layout)])
		if t.Year() > 0 {
			l.Time = t.UnixMilli()
		}
		return bytes.TrimLeft(b[len(layout):], " "), true
	}
	return b, false
}

// readTag reads "app[pid]: ".
func (l *syslogLine) readTag(b []byte) []byte {
	i := bytes.IndexAny(b, ": =|")
	if i <= 0 || i > 48 || b[i] != ':' || string(b[:i]) == "CEF" || string(b[:i]) == "LEEF" {
		return b
	}
	tag := string(b[:i])
	app, pid, _ := strings.Cut(tag, "[")
	l.App, l.ProcID = app, strings.TrimSuffix(pid, "]")
	return bytes.TrimPrefix(b[i+1:], []byte(" "))
}

// at is the line's time, or received; a time without a year is put into the
// twelve months before receipt.
func (l *syslogLine) at(received int64, zone *time.Location) int64 {
	if l.Time != 0 {
		return l.Time
	}
	t, err := time.ParseInLocation("Jan _2 15:04:05", l.TimeText, zone)
	if err != nil {
		return received
	}
	return latest(t, received)
}

// latest puts a time without a year into the twelve months that end a day
// after receipt.
func latest(t time.Time, received int64) int64 {
	now := time.UnixMilli(received).In(t.Location())
	at := time.Date(now.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	if at.After(now.AddDate(0, 0, 1)) {
		at = at.AddDate(-1, 0, 0)
	}
	return at.UnixMilli()
}

// severityOf maps a syslog severity (0 emergency to 7 debug).
func severityOf(level int) int {
	switch {
	case level < 0:
		return ocsf.SeverityUnknown
	case level <= 2:
		return ocsf.SeverityCritical
	case level == 3:
		return ocsf.SeverityHigh
	case level == 4:
		return ocsf.SeverityMedium
	}
	return ocsf.SeverityInformational
}
