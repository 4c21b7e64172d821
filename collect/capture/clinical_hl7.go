package capture

import (
	"bytes"
	"strings"

	"github.com/cordon-health/cordon/asset"
)

// hl7Dissector reads HL7 v2 in MLLP, or without it: who sends what kind of
// message to whom, and how it is acknowledged. Of a message only its header is
// read (MSH) and the code of an acknowledgement (MSA-1); of all other segments
// only the name.
type hl7Dissector struct{ *clinical }

// Name is the protocol's.
func (*hl7Dissector) Name() string { return "hl7" }

// Probe looks for the beginning of a message on either side, or for one that
// follows another where the beginning was not seen.
func (*hl7Dissector) Probe(s *Stream, client, server []byte) Verdict {
	a, b := hl7Looks(client), hl7Looks(server)
	switch {
	case a == Yes || b == Yes:
		return Yes
	case !s.Whole && (bytes.Contains(client, []byte("\x0bMSH|")) || bytes.Contains(server, []byte("\x0bMSH|"))):
		return Yes
	case a == Maybe && b == Maybe:
		return Maybe
	case a == Maybe && len(client) > 0, b == Maybe && len(server) > 0:
		return Maybe
	case !s.Whole && len(client)+len(server) < 4096 && bytes.IndexByte(client, '|') >= 0:
		return Maybe
	}
	return No
}

// hl7Looks judges what one side said first.
func hl7Looks(b []byte) Verdict {
	b = bytes.TrimLeft(b[:min(len(b), 64)], "\x0b\x1c\r\n \t")
	if len(b) < 8 {
		for _, name := range []string{"MSH", "FHS", "BHS"} {
			if n := min(len(b), 3); string(b[:n]) == name[:n] {
				return Maybe
			}
		}
		return No
	}
	switch string(b[:3]) {
	case "MSH", "FHS", "BHS":
		if hl7Separators(b[3:8]) {
			return Yes
		}
	}
	return No
}

// hl7Separators says whether a header begins as one must: five different
// signs, or four and the field separator again (MSH-2 of three).
func hl7Separators(b []byte) bool {
	for _, c := range b[:4] {
		if c <= ' ' || c >= 0x7f || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || bytes.Count(b[:4], []byte{c}) > 1 {
			return false
		}
	}
	return true
}

// Open begins to read a connection.
func (d *hl7Dissector) Open(s *Stream, out Out) Parser {
	clinicalApp(s, "hl7")
	return &hl7Parser{clinical: d.clinical, s: s, out: out}
}

// hl7Parser reads one connection.
type hl7Parser struct {
	*clinical
	s     *Stream
	out   Out
	sides [2]hl7Side
}

// hl7Side is how far one side has been read.
type hl7Side struct {
	line   []byte // beginning of the segment that is being read
	rest   bool   // only its end is awaited
	inside bool   // of a message
	sep    byte
	header string // the header told last
	last   hl7Message
}

// hl7Message is what a header says. Those of a link are alike: names are read
// when they change.
type hl7Message struct {
	names, sort       []byte // MSH-1 to MSH-5 and MSH-9, as they came
	app, facility, to string
	kind              string
	asked             int64 // the second in which it was looked whether the sender is known
}

// hl7Fields are those of a header that are read, by their numbers; 1 begins
// with the name of the segment.
type hl7Fields [19][]byte

func hl7Split(line []byte, sep byte) (fields hl7Fields) {
	for i := 1; i < len(fields); i++ {
		end := bytes.IndexByte(line, sep)
		if end < 0 {
			fields[i] = line
			return fields
		}
		fields[i], line = line[:end], line[end+1:]
	}
	return fields
}

// read takes the names out of a header, unless they are those of the one before.
func (m *hl7Message) read(f *hl7Fields, line []byte) {
	size := 4
	for _, field := range f[1:6] {
		size += len(field)
	}
	names := line[:min(size, len(line))]
	if m.kind != "" && bytes.Equal(m.names, names) && bytes.Equal(m.sort, f[9]) {
		return
	}
	m.names, m.sort = append(m.names[:0], names...), append(m.sort[:0], f[9]...)
	m.app, m.facility, m.to = hl7Name(f[3], line), hl7Name(f[4], line), hl7Name(f[5], line)
	m.kind, m.asked = hl7Type(f[9], line), -1
}

const hl7MostLine = 1024 // bytes of a header

// Data reads on.
func (p *hl7Parser) Data(fromClient bool, at int64, b []byte) bool {
	d := &p.sides[0]
	if !fromClient {
		d = &p.sides[1]
	}
	for len(b) > 0 {
		end := hl7End(b)
		piece := b
		if end >= 0 {
			piece, b = b[:end], b[end+1:]
		} else {
			b = nil
		}
		d.add(piece)
		if end >= 0 {
			p.segment(d, fromClient, at)
		}
	}
	return true
}

// hl7End is where a segment ends, at the latest: CR, LF, FS or VT.
func hl7End(b []byte) int {
	for i, c := range b {
		if c <= 0x1c && (c == '\r' || c == '\n' || c == 0x1c || c == 0x0b) {
			return i
		}
	}
	return -1
}

// add keeps what is needed of a segment: a header whole, of others the name and
// two or three signs behind it.
func (d *hl7Side) add(b []byte) {
	const name = 8
	if n := min(max(name-len(d.line), 0), len(b)); !d.rest && n > 0 {
		d.line = append(d.line, b[:n]...)
		b = b[n:]
	}
	if d.rest || len(b) == 0 {
		return
	}
	if string(d.line[:3]) == "MSH" {
		d.line = append(d.line, b[:min(len(b), hl7MostLine-len(d.line))]...)
	}
	d.rest = string(d.line[:3]) != "MSH" || len(d.line) >= hl7MostLine
}

// segment acts on a segment that has ended.
func (p *hl7Parser) segment(d *hl7Side, fromClient bool, at int64) {
	line := d.line
	d.line, d.rest = d.line[:0], false
	if len(line) < 4 {
		return
	}
	switch name := string(line[:3]); {
	case name == "MSH":
		if len(line) >= 8 && hl7Separators(line[3:8]) {
			d.inside, d.sep = true, line[3]
			p.message(d, line, fromClient, at)
		}
	case !d.inside || line[3] != d.sep:
	case name == "PID":
		p.patient(p.s, p.out, at, "hl7")
	case name == "MSA":
		code, _, _ := bytes.Cut(line[4:], []byte{d.sep})
		p.acknowledged(code)
	}
}

// acknowledged counts how a message was taken.
func (p *hl7Parser) acknowledged(code []byte) {
	switch string(code) {
	case "AA":
		p.s.Notes().Call("ACK AA", 1)
	case "AE":
		p.s.Notes().Call("ACK AE", 1)
	default:
		if word := clinicalWord(code, ""); len(word) == 2 {
			p.s.Notes().Call("ACK "+word, 1)
		}
	}
}

// message reads a header.
func (p *hl7Parser) message(d *hl7Side, line []byte, fromClient bool, at int64) {
	f, m := hl7Split(line, d.sep), &d.last
	m.read(&f, line)
	p.s.Notes().Call(m.kind, 1)
	p.names(fromClient, m.app, m.to)
	if m.asked < 0 {
		p.tell(d, &f, line, fromClient, at)
	}
	if now := at / 1e9; m.asked != now { // it knows seconds
		m.asked = now
		if !strings.HasPrefix(m.kind, "ACK") {
			p.unknown(fromClient, m.app, m.facility, m.to, at)
		}
	}
}

// tell tells of a sender, where its header is another than the one told last.
func (p *hl7Parser) tell(d *hl7Side, f *hl7Fields, line []byte, fromClient bool, at int64) {
	m := &d.last
	header := m.app + "|" + m.facility + "|" + m.kind
	if d.header == header {
		return
	}
	d.header = header
	facts := []asset.Fact{
		{Name: asset.FactHL7App, Value: m.app}, {Name: asset.FactHL7Facility, Value: m.facility}, {Name: asset.FactHL7Type, Value: m.kind},
		{Name: asset.FactHL7Version, Value: clinicalWord(hl7First(f[12], line), ".")},
		{Name: asset.FactHL7Charset, Value: clinicalWord(hl7First(f[18], line), "-/_ ")},
		clinicalClientOf("hl7"),
	}
	if !fromClient {
		facts[len(facts)-1] = clinicalService(p.s.Server, "hl7")
	}
	p.seen(p.s, p.out, fromClient, at, "hl7", facts...)
}

// names notes who the ends say they are: the first message decides.
func (p *hl7Parser) names(fromClient bool, sender, receiver string) {
	n := p.s.Notes()
	if !fromClient {
		sender, receiver = receiver, sender
	}
	if n.ClientName == "" {
		n.ClientName = sender
	}
	if n.ServerName == "" {
		n.ServerName = receiver
	}
}

// unknown tells of a sender that never sent from there to here.
func (p *hl7Parser) unknown(fromClient bool, app, facility, to string, at int64) {
	al := p.alarm(p.s, asset.UnknownSender, at, facility)
	if !fromClient { // results fetched: the server sends
		al.Culprit, al.Victim = al.Victim, al.Culprit
	}
	who := strings.Join([]string{app, facility, al.Culprit.IP.String()}, "|")
	if p.Memory.strange("hl7", al.Victim.IP.String(), who, at) {
		al.Culprit.Name, al.Victim.Name = app, to
		p.out.Alarm(al)
	}
}

// Gap goes on with the next segment that is whole.
func (p *hl7Parser) Gap(fromClient bool, _ int) bool {
	d := &p.sides[0]
	if !fromClient {
		d = &p.sides[1]
	}
	d.line, d.rest = d.line[:0], true
	return true
}

// Close ends the last segment, which may lack its sign.
func (p *hl7Parser) Close(at int64) {
	p.segment(&p.sides[0], true, at)
	p.segment(&p.sides[1], false, at)
}

// hl7First is the first component of a field that has text, of its first
// repetition.
func hl7First(field, header []byte) []byte {
	component, repeat := header[4], header[5]
	field, _, _ = bytes.Cut(field, []byte{repeat})
	for part := range bytes.SplitSeq(field, []byte{component}) {
		if len(bytes.TrimSpace(part)) > 0 {
			return part
		}
	}
	return nil
}

// hl7Name is the name of an application or a facility.
func hl7Name(field, header []byte) string { return clinicalText(hl7First(field, header)) }

// hl7Type is MSH-9 as ADT^A01; what is none is said to be one.
func hl7Type(field, header []byte) string {
	var parts []string
	for part := range bytes.SplitSeq(field, []byte{header[4]}) {
		word := clinicalWord(part, "")
		if len(word) != 3 || len(parts) == 2 {
			break
		}
		parts = append(parts, strings.ToUpper(word))
	}
	if len(parts) == 0 {
		return "HL7 of no type"
	}
	return strings.Join(parts, "^")
}
