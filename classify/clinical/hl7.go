package clinical

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/unicode"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/hl7"
)

// hl7v2 reads HL7 v2 messages: one or many, bare, in MLLP frames or batches.
type hl7v2 struct{}

var _ classify.Reader = hl7v2{}

func (hl7v2) Name() string { return "hl7v2" }

// Claims takes what begins with the header of a message, batch or file.
func (hl7v2) Claims(_ string, b []byte) bool {
	if isWide(b) {
		b = bytes.ReplaceAll(b[2:min(len(b), 64)], []byte{0}, nil)
	}
	b = head(b)
	if len(b) < 8 {
		return false
	}
	switch string(b[:3]) {
	case "MSH", "FHS", "BHS":
		return b[3] > ' ' && b[3] < 0x7f && !isAlnum(b[3])
	}
	return false
}

func isWide(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff"))
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func (hl7v2) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	var first [2]byte
	_, _ = src.ReadAt(first[:], 0)
	var reader io.Reader = io.NewSectionReader(src, 0, src.Size())
	m := &messages{out: out, plans: map[[3]byte]*segmentPlan{}}
	if isWide(first[:]) {
		reader = unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder().Reader(reader)
		m.wide = true
	}
	return m.read(ctx, newWindow(reader))
}

// messages gives out the values of one file's messages.
type messages struct {
	out    classify.Sink
	plans  map[[3]byte]*segmentPlan
	record int64
	wide   bool // offsets mean nothing
	delims hl7.Delimiters
	base   int64 // where the message begins in the file, -1 where unknown
	msg    []byte
	// escaped is set where the segment holds an escape character.
	escaped bool
	room    []byte
}

func (m *messages) read(ctx context.Context, w *window) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		data := w.data()
		n, token, _ := hl7.ScanMessages(data, w.eof)
		if token != nil {
			at := int64(-1)
			if !m.wide {
				at = w.offset() + int64(cap(data)-cap(token))
			}
			if err := m.message(token, at); err != nil {
				return err
			}
		}
		w.take(n)
		if n > 0 {
			continue
		}
		if w.eof || !w.more() && !w.eof {
			return m.end(w)
		}
	}
}

func (m *messages) end(w *window) error {
	switch {
	case w.err != nil:
		m.out.Unread(m.where(), fmt.Errorf("read on: %w", w.err))
	case !w.eof:
		m.out.Unread(m.where(), errTooLong)
	}
	return nil
}

func (m *messages) where() string { return "message " + strconv.FormatInt(m.record+1, 10) }

func (m *messages) message(raw []byte, at int64) error {
	m.record++
	msg := hl7.Decode(raw)
	m.base = at
	if at >= 0 {
		if delta := cap(raw) - cap(msg); len(msg) <= len(raw) && delta >= 0 && delta <= len(raw) && len(msg) > 0 && &raw[delta:][0] == &msg[0] {
			m.base += int64(delta)
		} else {
			m.base = -1
		}
	}
	m.msg = msg
	if len(msg) < 8 || string(msg[:3]) != "MSH" || isAlnum(msg[3]) || msg[3] <= ' ' {
		return m.loose(msg)
	}
	m.delims = hl7.ReadDelimiters(msg)
	return m.segments(msg)
}

// loose gives out a line or paragraph that is no segment as the text it is.
func (m *messages) loose(line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	p := classify.Part{Path: "text", Record: m.record, Offset: -1, Text: line}
	if m.base >= 0 {
		p.Offset = m.base + int64(cap(m.msg)-cap(line))
	}
	return m.out.Part(p)
}

func (m *messages) segments(msg []byte) error {
	field := msg[3]
	for rest := msg; len(rest) > 0; {
		var line []byte
		line, rest = hl7.CutLine(rest)
		var err error
		switch {
		case len(line) > 3 && line[3] == field:
			err = m.segment(line, field)
		case len(line) > 3:
			err = m.loose(line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// segment gives out the fields of a line.
func (m *messages) segment(line []byte, sep byte) error {
	plan := m.plan([3]byte(line))
	obx := string(line[:3]) == "OBX"
	n, rest := 1, line[4:]
	if string(line[:3]) == "MSH" {
		// MSH-1 is the separator itself, MSH-2 the others.
		_, rest, _ = cutByte(rest, sep)
		n = 3
	}
	var label, kind []byte
	m.escaped = bytes.IndexByte(line, m.delims.Escape) >= 0
	for more := true; more; n++ {
		if len(rest) > 0 && rest[0] == sep {
			rest = rest[1:]
			continue
		}
		var value []byte
		value, rest, more = cutByte(rest, sep)
		if obx && n == 2 {
			kind = value
		}
		if len(value) < 3 {
			continue
		}
		if obx && n == 3 {
			label = value
		}
		f := plan.field(n)
		var err error
		switch {
		case obx && n == 5 && string(kind) == "ED":
			err = m.embedded(f, value)
		case obx && n == 5:
			err = m.free(f, m.label(label), value)
		case f.shape == plain:
			err = m.free(f, "", value)
		default:
			err = m.repeats(f, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cutByte cuts at the next separator. Most values are short: a call of
// bytes.IndexByte costs more than to look at their bytes.
func cutByte(b []byte, sep byte) (before, after []byte, found bool) {
	const short = 16
	for i := range min(short, len(b)) {
		if b[i] == sep {
			return b[:i], b[i+1:], true
		}
	}
	if len(b) > short {
		if i := bytes.IndexByte(b[short:], sep); i >= 0 {
			return b[:short+i], b[short+i+1:], true
		}
	}
	return b, nil, false
}

// label is what a result says it is: the text of OBX-3, or its code.
func (m *messages) label(value []byte) string {
	code, rest, _ := cutByte(value, m.delims.Component)
	name, _, _ := cutByte(rest, m.delims.Component)
	if len(name) == 0 {
		name = code
	}
	return string(name[:min(len(name), 96)])
}

// free gives out a field without a kind, all of it.
func (m *messages) free(f *fieldPlan, label string, value []byte) error {
	return m.give(f.path, label, classify.None, value)
}

func (m *messages) give(path, label string, kind classify.Kind, value []byte) error {
	p := classify.Part{Path: path, Field: label, Kind: kind, Record: m.record, Offset: -1, Text: value}
	if m.base >= 0 {
		p.Offset = m.base + int64(cap(m.msg)-cap(value))
	}
	if m.escaped && bytes.IndexByte(value, m.delims.Escape) >= 0 {
		m.room = hl7.AppendUnescaped(m.room[:0], value, m.delims)
		p.Text, p.Wide = m.room, true
	}
	return m.out.Part(p)
}

// repeats gives out the repetitions of a field with a known shape.
func (m *messages) repeats(f *fieldPlan, value []byte) error {
	for more := true; more; {
		var one []byte
		one, value, more = cutByte(value, m.delims.Repetition)
		if err := m.components(f, one); err != nil {
			return err
		}
	}
	return nil
}

func (m *messages) components(f *fieldPlan, value []byte) error {
	kind := f.kind
	if f.shape == number {
		kind = m.numberKind(kind, value)
	}
	for c, more := 1, true; more; c++ {
		var one []byte
		one, value, more = cutByte(value, m.delims.Component)
		if len(one) == 0 {
			continue
		}
		k := f.shape.component(c, kind, one)
		if k == classify.None && len(one) < 3 {
			continue
		}
		if err := m.subs(f.component(c), k, one); err != nil {
			return err
		}
	}
	return nil
}

// subs gives out a component; of names and addresses each subcomponent.
func (m *messages) subs(path string, kind classify.Kind, value []byte) error {
	for more := true; more; {
		var one []byte
		one, value, more = cutByte(value, m.delims.Subcomponent)
		if len(one) == 0 {
			continue
		}
		if err := m.give(path, "", kind, one); err != nil {
			return err
		}
	}
	return nil
}

// numberKind is what CX.5 says an identifier is (table 0203).
func (m *messages) numberKind(kind classify.Kind, value []byte) classify.Kind {
	for range 4 {
		_, value, _ = cutByte(value, m.delims.Component)
	}
	code, _, _ := cutByte(value, m.delims.Component)
	if k := identifierKind(string(code)); k != classify.None {
		return k
	}
	return kind
}

// identifierKind is the kind of a code of table 0203, which FHIR uses too.
func identifierKind(code string) classify.Kind {
	switch code {
	case "MR", "PI", "PT", "MRT", "AN1":
		return classify.MRN
	case "SS":
		return classify.SSN
	case "VN":
		return classify.Visit
	case "AN", "ACSN":
		return classify.Account
	case "PPN":
		return classify.Passport
	case "DL", "DLN", "LN", "MD", "RN", "SL", "MCN":
		return classify.Licence
	case "NPI":
		return classify.NPI
	case "DEA":
		return classify.DEA
	case "MC", "MA", "HC", "SN", "NH", "MB":
		return classify.HealthPlan
	case "NI", "NNCHN":
		return classify.ResidentID
	case "BC", "CC":
		return classify.BankCard
	}
	return classify.None
}

// embedded hands over a document of type ED: source^type^subtype^encoding^data.
func (m *messages) embedded(f *fieldPlan, value []byte) error {
	var part [5][]byte
	rest := value
	for i := range part {
		part[i], rest, _ = cutByte(rest, m.delims.Component)
	}
	data := bytes.TrimSpace(part[4])
	if len(data) == 0 {
		return nil
	}
	if !strings.EqualFold(string(part[3]), "Base64") {
		return m.give(f.path, "", classify.None, data)
	}
	return m.out.Member(memberName(string(part[1]), string(part[2])), base64.NewDecoder(base64.StdEncoding, skipSpace{bytes.NewReader(data)}))
}

// memberName guesses a file's name from what a message calls its type.
func memberName(kind, subtype string) string {
	name := strings.ToLower(subtype)
	if name == "" {
		name = strings.ToLower(kind)
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	name, _, _ = strings.Cut(name, ";")
	name = strings.Map(func(r rune) rune {
		if r < 0x80 && isAlnum(byte(r)) {
			return r
		}
		return -1
	}, name)
	switch name {
	case "plain", "text":
		name = "txt"
	case "octetstream", "":
		name = "bin"
	}
	return "document." + name[:min(len(name), 16)]
}

// skipSpace leaves out what line breaks and escapes put between base64.
type skipSpace struct{ r io.Reader }

func (s skipSpace) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	kept := 0
	for _, c := range p[:n] {
		if c > ' ' {
			p[kept] = c
			kept++
		}
	}
	return kept, err
}
