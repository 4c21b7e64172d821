package normalize

import (
	"bytes"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"

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
	// yearless is the time where it was sent without a year, in year 0.
	yearless time.Time
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
	r := newSyslogReader(n.zone)
	eachRecord(in.Data, func(item int, raw []byte) {
		out.reading(item, raw)
		line := r.read(deviceText(raw))
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
	if c, ok := combinedCall(string(msg)); ok { // nginx and Apache log to syslog too
		if e, reason := n.callEvent(&c); reason == "" {
			e.Device.Hostname = line.Host
			out.Event(e)
			return
		}
	}
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

// syslogReader takes lines apart, each part as far as it is there. What keeps
// to RFC 5424 or RFC 3164 is read by go-syslog. Where a sender breaks the rule
// about a field, that field is read here and go-syslog reads the rest behind a
// header that keeps it. Not for concurrent use.
type syslogReader struct {
	zone         *time.Location
	r5424, r3164 syslog.Machine
}

// newSyslogReader makes a reader; times that name no zone are those of zone.
// No year is set for RFC 3164: which one is meant depends on the receipt (at).
func newSyslogReader(zone *time.Location) *syslogReader {
	return &syslogReader{
		zone:  zone,
		r5424: rfc5424.NewMachine(rfc5424.WithBestEffort()),
		r3164: rfc3164.NewMachine(rfc3164.WithBestEffort(), rfc3164.WithLocaleTimezone(zone),
			rfc3164.WithLenientDay(), rfc3164.WithSecondFractions(), rfc3164.WithEmbeddedNewlines()),
	}
}

// read takes a line apart. Without a PRI the whole text is the message.
func (r *syslogReader) read(text []byte) syslogLine {
	text = bytes.TrimPrefix(text, []byte(utf8Mark))
	line := syslogLine{Facility: -1, Severity: -1, Message: text}
	rest, ok := line.readPriority(text)
	if !ok {
		return line
	}
	if body, ok := bytes.CutPrefix(rest, []byte("1 ")); ok {
		if !line.take5424(r.r5424.Parse(text)) {
			r.repair5424(&line, body)
		}
	} else {
		r.read3164(&line, text, bytes.TrimLeft(rest, " "))
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

// take5424 takes a line that keeps to RFC 5424; ok is false for any other.
func (l *syslogLine) take5424(m syslog.Message, err error) (ok bool) {
	msg, ok := m.(*rfc5424.SyslogMessage)
	if err != nil || !ok {
		return false
	}
	if msg.Timestamp != nil {
		l.Time = msg.Timestamp.UnixMilli()
	}
	l.takeBase(&msg.Base)
	l.takeData(msg.StructuredData)
	return true
}

// takeBase takes what both standards have, the time apart.
func (l *syslogLine) takeBase(b *syslog.Base) {
	l.Host, l.App, l.ProcID, l.MsgID = deref(b.Hostname), deref(b.Appname), deref(b.ProcID), deref(b.MsgID)
	text := deref(b.Message)
	if at := len(l.Message) - len(text); at >= 0 && string(l.Message[at:]) == text {
		l.Message = l.Message[at:] // the same without a copy
		return
	}
	l.Message = []byte(text)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// takeData takes the parameters of the structured data in the order of their
// names, which is not that of the line but the same every time.
func (l *syslogLine) takeData(data *map[string]map[string]string) {
	if data == nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(*data)) {
		for _, key := range slices.Sorted(maps.Keys((*data)[id])) {
			l.Data = append(l.Data, field{key: key, value: (*data)[id][key]})
		}
	}
}

// repair5424 reads TIMESTAMP HOSTNAME APP-NAME PROCID MSGID of any form, as
// of senders that write "20140210005309" for a time or Chinese for a host.
// Structured data that is left out or broken is part of the message.
func (r *syslogReader) repair5424(l *syslogLine, b []byte) {
	var parts [5]string
	for i := range parts {
		parts[i], b = token(b)
		if parts[i] == "-" {
			parts[i] = ""
		}
	}
	l.Message = b
	l.take5424(r.r5424.Parse(append([]byte("<0>1 - - - - - "), b...)))
	l.setTime(parts[0], r.zone)
	l.Host, l.App, l.ProcID, l.MsgID = parts[1], parts[2], parts[3], parts[4]
}

// token cuts b at its first blank.
func token(b []byte) (first string, rest []byte) {
	head, rest, _ := bytes.Cut(b, []byte(" "))
	return string(head), rest
}

func (l *syslogLine) setTime(text string, zone *time.Location) {
	if t, ok := hl7.ParseTime(text, zone); ok {
		l.Time = t.Millis
		if !t.Instant() {
			l.TimeText = text
		}
	}
}

// take3164 takes a line that keeps to RFC 3164 and hands out its time; ok is
// false for any other, and where what stands for the host is none: a year, or
// the beginning of the message of a sender that leaves the host out.
func (l *syslogLine) take3164(m syslog.Message, err error) (stamp time.Time, ok bool) {
	msg, ok := m.(*rfc3164.SyslogMessage)
	if err != nil || !ok || msg.Timestamp == nil || msg.Hostname != nil && !hostLike(*msg.Hostname) {
		return stamp, false
	}
	whole := l.Message
	l.takeBase(&msg.Base)
	if before := whole[:max(0, len(whole)-len(l.Message))]; !bytes.HasSuffix(before, []byte(": ")) {
		l.App, l.ProcID = "", "" // the message of "HOST CEF:0|..." has no tag
	}
	return *msg.Timestamp, true
}

// setStamp takes a time in which the year may be 0.
func (l *syslogLine) setStamp(t time.Time) {
	if t.Year() > 0 {
		l.Time = t.UnixMilli()
		return
	}
	l.yearless, l.TimeText = t, t.Format(time.Stamp)
}

// hostLike says whether a word may be a host rather than a year, "user=li" or
// "CEF:0|...".
func hostLike(word string) bool {
	_, err := strconv.Atoi(word)
	return word != "" && err != nil && !strings.ContainsAny(word, ":=|[{")
}

// read3164 reads "Mmm dd hh:mm:ss HOST TAG[pid]: message" and its relatives:
// with a year, an ISO time of any form, without a host. What begins with no
// time is all message. body is the text behind the PRI.
func (r *syslogReader) read3164(l *syslogLine, text, body []byte) {
	l.Message = body
	var rest []byte
	if len(body) > 0 && body[0] >= 'A' {
		stamp, ok := l.take3164(r.r3164.Parse(text))
		if ok {
			l.setStamp(stamp)
			return
		}
		if rest, ok = l.readBSDTime(body, r.zone); !ok {
			return
		}
	} else {
		var stamp string
		stamp, rest = token(body)
		if l.setTime(stamp, r.zone); l.Time == 0 {
			return
		}
	}
	head := "<0>Jan  1 00:00:00 "
	if host, _ := token(rest); !hostLike(host) {
		head += "- "
	}
	l.Message = rest
	l.take3164(r.r3164.Parse(append([]byte(head), rest...)))
}

// readBSDTime reads "Jan  2 15:04:05", perhaps with a year before or after the
// clock.
func (l *syslogLine) readBSDTime(b []byte, zone *time.Location) (rest []byte, ok bool) {
	for _, layout := range []string{"Jan _2 15:04:05 2006", "Jan _2 2006 15:04:05", time.Stamp} {
		if len(b) < len(layout) {
			continue
		}
		text := string(b[:len(layout)])
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			l.setStamp(t)
			l.TimeText = text
			return bytes.TrimLeft(b[len(layout):], " "), true
		}
	}
	return b, false
}

// at is the line's time, or received; a time without a year is put into the
// twelve months before receipt.
func (l *syslogLine) at(received int64) int64 {
	switch {
	case l.Time != 0:
		return l.Time
	case !l.yearless.IsZero():
		return latest(l.yearless, received)
	}
	return received
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
