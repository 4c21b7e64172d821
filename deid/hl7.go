package deid

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/ocsf"
)

// hl7Profile rewrites HL7 v2 messages by the fields of content/deid/hl7v2.yaml.
type hl7Profile struct {
	segments map[string]*segmentRule
	results  map[string]resultType
}

var _ Profile = (*hl7Profile)(nil)

// segmentRule says what happens to a segment's fields.
type segmentRule struct {
	fallback rule
	fields   []*rule // by number, nil for the fallback
}

// resultType says how a value of OBX-5 is treated.
type resultType string

const (
	numberResult     resultType = "number"
	embeddedResult   resultType = "embedded"
	textResult       resultType = "text"
	removedResult    resultType = "remove"
	shiftResult      resultType = "shift"
	staffResult      resultType = "staff"
	nameResult       resultType = "name"
	contactResult    resultType = "contact"
	addressResult    resultType = "address"
	identifierResult resultType = "identifier"
)

func (t resultType) rule() (rule, bool) {
	switch t {
	case textResult, numberResult:
		return rule{method: Text}, true
	case removedResult, embeddedResult:
		return rule{method: Remove}, true
	case shiftResult:
		return rule{method: Shift, kind: classify.Date}, true
	case staffResult:
		return rule{method: Pseudonym, kind: classify.Name, shape: staff}, true
	case nameResult:
		return rule{method: Pseudonym, kind: classify.Name, shape: person}, true
	case contactResult:
		return rule{method: Pseudonym, kind: classify.Phone, shape: contact}, true
	case addressResult:
		return rule{method: Generalise, kind: classify.Address, shape: address}, true
	case identifierResult:
		return rule{method: Pseudonym, kind: classify.MRN, shape: number}, true
	}
	return rule{}, false
}

func hl7Offer() Offer {
	return Offer{
		Name:   "hl7v2",
		Title:  ocsf.Text{EN: "HL7 v2 messages, by field; what is not named is removed", ZH: "HL7 v2消息，按字段处理；未列出的一律删除"},
		Claims: claimsHL7,
		Open: func(s Setup) (Profile, error) {
			file, err := readProfile(s.Content, "hl7v2")
			if err != nil {
				return nil, err
			}
			return compileHL7(file)
		},
	}
}

func claimsHL7(_ string, head []byte) bool {
	if isWide(head) {
		head = bytes.ReplaceAll(head[2:min(len(head), 64)], []byte{0}, nil)
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n\x0b\x1c\x00")
	if len(head) < 8 {
		return false
	}
	name := string(head[:3])
	return (name == "MSH" || name == "FHS" || name == "BHS") && head[3] > ' ' && head[3] < 0x7f && numeral(head[3]) < 0
}

var byteOrderMark = []byte("\xef\xbb\xbf")

func isWide(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff"))
}

func compileHL7(file profileFile) (*hl7Profile, error) {
	p := &hl7Profile{segments: map[string]*segmentRule{}, results: map[string]resultType{}}
	for name, text := range file.Segments {
		r, err := parseRule(text)
		if err != nil {
			return nil, fmt.Errorf("profile hl7v2: %s: %w", name, err)
		}
		p.segments[name] = &segmentRule{fallback: r}
	}
	for path, text := range file.Fields {
		if err := p.listed(path, text); err != nil {
			return nil, err
		}
	}
	for how, types := range file.Texts {
		if _, ok := resultType(how).rule(); !ok {
			return nil, fmt.Errorf("profile hl7v2: results: there is no treatment %q", how)
		}
		for _, t := range types {
			p.results[t] = resultType(how)
		}
	}
	return p, nil
}

// listed reads a line "PID-5,6,9: RULE".
func (p *hl7Profile) listed(path, text string) error {
	name, numbers, _ := strings.Cut(path, "-")
	s := p.segments[name]
	if s == nil {
		return fmt.Errorf("profile hl7v2: %s: %s is not listed under segments", path, name)
	}
	r, err := parseRule(text)
	if err != nil {
		return fmt.Errorf("profile hl7v2: %s: %w", path, err)
	}
	for number := range strings.SplitSeq(numbers, ",") {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 999 {
			return fmt.Errorf("profile hl7v2: %s: %q is no number of a field", path, number)
		}
		for len(s.fields) <= n {
			s.fields = append(s.fields, nil)
		}
		if s.fields[n] != nil {
			return fmt.Errorf("profile hl7v2: %s-%d is listed twice", name, n)
		}
		s.fields[n] = &r
	}
	return nil
}

func (p *hl7Profile) Name() string { return "hl7v2" }

func (s *segmentRule) field(n int) rule {
	if n < len(s.fields) && s.fields[n] != nil {
		return *s.fields[n]
	}
	return s.fallback
}

// maxMessage is the longest message that is rewritten.
const maxMessage = 128 << 20

func (p *hl7Profile) Apply(ctx context.Context, in classify.Source, out io.Writer, job *Job) (Report, error) {
	r := Report{Profile: p.Name(), Key: job.Key.ID(), Bytes: in.Size()}
	var head [2]byte
	_, _ = in.ReadAt(head[:], 0)
	var src io.Reader = io.NewSectionReader(in, 0, in.Size())
	if isWide(head[:]) {
		order := unicode.LittleEndian
		if head[0] == 0xfe {
			order = unicode.BigEndian
		}
		wide := unicode.UTF16(order, unicode.UseBOM)
		src = transform.NewReader(src, wide.NewDecoder())
		w := transform.NewWriter(out, wide.NewEncoder())
		err := p.stream(ctx, src, w, &work{job: job, report: &r})
		return r, errors.Join(err, w.Close())
	}
	return r, p.stream(ctx, src, out, &work{job: job, report: &r})
}

// stream rewrites message by message; what stands between them stays.
func (p *hl7Profile) stream(ctx context.Context, src io.Reader, out io.Writer, w *work) error {
	m := &messageWriter{profile: p, work: w, ctx: ctx}
	buf := make([]byte, 0, 1<<20)
	for eof := false; ; {
		data := buf
		n, token, _ := hl7.ScanMessages(data, eof)
		if err := m.piece(data[:n], token); err != nil {
			return err
		}
		if _, err := out.Write(m.out); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		m.out = m.out[:0]
		buf = buf[n:]
		switch {
		case n > 0:
			continue
		case eof:
			return m.end(buf)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		var err error
		if buf, eof, err = fill(src, buf); err != nil {
			return err
		}
	}
}

// fill reads on into a buffer, which grows to maxMessage.
func fill(src io.Reader, buf []byte) ([]byte, bool, error) {
	if len(buf) >= maxMessage {
		return nil, false, errors.New("a message is longer than 128 MiB; split the file")
	}
	room := make([]byte, len(buf), max(1<<20, 2*len(buf)))
	copy(room, buf)
	n, err := io.ReadFull(src, room[len(buf):cap(room)])
	room = room[:len(buf)+n]
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return room, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("read: %w", err)
	}
	return room, false, nil
}

// messageWriter rewrites messages into out.
type messageWriter struct {
	part, made [][]byte // of the field being written
	*work
	ctx     context.Context
	profile *hl7Profile
	delims  hl7.Delimiters
	out     []byte
	obx     struct {
		kind string
		age  bool
	}
}

// piece writes what a step of the scanner passed over: a message, and white
// space, frames and envelopes around it.
func (m *messageWriter) piece(data, token []byte) error {
	if token == nil {
		return m.between(data)
	}
	at := cap(data) - cap(token)
	if err := m.between(data[:at]); err != nil {
		return err
	}
	if err := m.message(token); err != nil {
		return fmt.Errorf("message %d: %w", m.report.Records+1, err)
	}
	m.report.Records++
	return m.between(data[at+len(token):])
}

// end checks that nothing is left over.
func (m *messageWriter) end(rest []byte) error {
	if err := m.between(rest); err != nil {
		return err
	}
	if m.report.Records == 0 {
		return errors.New("there is no HL7 v2 message in it")
	}
	return nil
}

// between copies what frames messages. Of an envelope only the separators and
// the counts stay.
func (m *messageWriter) between(data []byte) error {
	for len(data) > 0 {
		if c := data[0]; c <= ' ' || bytes.HasPrefix(data, byteOrderMark) {
			n := 1
			if c > ' ' {
				n = len(byteOrderMark)
			}
			m.out, data = append(m.out, data[:n]...), data[n:]
			continue
		}
		line, _ := hl7.CutLine(data)
		if len(line) < 4 || !bytes.ContainsAny(line[:1], "FB") {
			return errors.New("there is text between the messages that belongs to none")
		}
		m.envelope(line)
		data = data[len(line):]
	}
	return nil
}

func (m *messageWriter) envelope(line []byte) {
	fields := bytes.Split(line, line[3:4])
	switch name := string(fields[0]); name {
	case "FHS", "BHS":
		m.out = append(append(append(m.out, fields[0]...), line[3]), fields[1]...)
	default:
		m.out = append(append(append(m.out, fields[0]...), line[3]), numberOnly(fields[1])...)
	}
	m.report.Count(Remove, classify.None)
}

func numberOnly(value []byte) []byte {
	if len(value) > 9 || len(bytes.Trim(value, "0123456789")) > 0 {
		return nil
	}
	return value
}

func (m *messageWriter) message(raw []byte) error {
	text := hl7.Decode(raw)
	if len(text) < 9 || string(text[:3]) != "MSH" || numeral(text[3]) >= 0 || text[3] <= ' ' || text[3] >= 0x7f {
		return errors.New("it does not begin with an MSH segment; text outside messages is not passed on")
	}
	m.delims = hl7.ReadDelimiters(text)
	for _, c := range []byte{m.delims.Field, m.delims.Component, m.delims.Repetition, m.delims.Escape, m.delims.Subcomponent} {
		if bytes.IndexByte([]byte("+-./:@[] _"), c) >= 0 {
			return errors.New("its separators are characters that stand in values; convert it to the usual separators first")
		}
	}
	m.known.reset()
	m.patient = m.job.Patient
	m.patientOf(text)
	lead := bytes.Index(raw, []byte("MSH"))
	if lead > 0 {
		if err := m.between(raw[:lead]); err != nil {
			return err
		}
	}
	from := len(m.out)
	if err := m.segments(text); err != nil {
		return err
	}
	return m.encode(from, raw, hl7.Encoding(raw))
}

// encode brings the message back to its own character set, and its line ends
// at the end, which decoding drops.
func (m *messageWriter) encode(from int, raw []byte, e encoding.Encoding) error {
	if e != nil {
		out, err := encoding.ReplaceUnsupported(e.NewEncoder()).Bytes(m.out[from:])
		if err != nil {
			return errors.New("it cannot be written back in its character set")
		}
		m.out = append(m.out[:from], out...)
	}
	tail := len(raw) - len(bytes.TrimRight(raw, "\x1c\r\n\t \x00"))
	trimmed := bytes.TrimRight(m.out[from:], "\r\n")
	m.out = append(m.out[:from+len(trimmed)], raw[len(raw)-tail:]...)
	return nil
}

// segments rewrites the lines of a message; each keeps its own line end.
func (m *messageWriter) segments(text []byte) error {
	last := rule{method: Remove}
	for len(text) > 0 {
		line, rest := hl7.CutLine(text)
		end := text[len(line) : len(text)-len(rest)]
		text = rest
		if len(line) < 4 || line[3] != m.delims.Field {
			m.loose(line, end, last)
			continue
		}
		s := m.profile.segments[string(line[:3])]
		if s == nil || len(line) > 3 && s.empty() {
			m.report.Count(Remove, classify.None)
			last = rule{method: Remove}
			continue
		}
		last = s.fallback
		if string(line[:3]) == "PID" {
			m.patientIn(line)
		}
		if err := m.segment(s, line); err != nil {
			return err
		}
		m.out = append(m.out, end...)
	}
	return nil
}

// empty says that nothing of a segment is kept: then it is left out.
func (s *segmentRule) empty() bool { return s.fallback.method == Remove && len(s.fields) == 0 }

// loose writes a line that is no segment: the rest of a text broken by a line
// end, or nothing.
func (m *messageWriter) loose(line, end []byte, last rule) {
	switch {
	case len(bytes.TrimSpace(line)) == 0:
		m.out = append(append(m.out, line...), end...)
	case last.method == Text:
		m.out = append(m.work.text(m.out, line), end...)
	default:
		m.report.Count(Remove, classify.None)
	}
}

// patientOf finds the patient before anything is written, since dates stand
// before the number.
func (m *messageWriter) patientOf(text []byte) {
	for len(text) > 0 {
		var line []byte
		line, text = hl7.CutLine(text)
		if len(line) > 4 && string(line[:3]) == "PID" {
			m.patientIn(line)
			return
		}
	}
}

// patientIn reads the record number of PID-3, or PID-2: that of type MR where
// there are several.
func (m *messageWriter) patientIn(line []byte) {
	fields := bytes.SplitN(line, []byte{m.delims.Field}, 5)
	best := ""
	for _, n := range []int{3, 2} {
		if n >= len(fields) {
			continue
		}
		for one := range bytes.SplitSeq(fields[n], []byte{m.delims.Repetition}) {
			part := bytes.Split(one, []byte{m.delims.Component})
			value := string(m.plain(part[0]))
			if best == "" {
				best = value
			}
			if len(part) > 4 && isRecordNumber(string(part[4])) && value != "" {
				m.patient = value
				return
			}
		}
	}
	if best != "" {
		m.patient = best
	}
}

// isRecordNumber says whether a type of table 0203 is the record number of a
// patient; FHIR uses the same codes.
func isRecordNumber(code string) bool { return code == "MR" || code == "PI" || code == "PT" }

func (m *messageWriter) segment(s *segmentRule, line []byte) error {
	sep := m.delims.Field
	m.out = append(m.out, line[:3]...)
	n, rest := 1, line[4:]
	if string(line[:3]) == "MSH" {
		i := bytes.IndexByte(rest, sep)
		if i < 0 {
			i = len(rest)
		}
		m.out = append(append(m.out, sep), rest[:i]...)
		if i == len(rest) {
			return nil
		}
		n, rest = 3, rest[i+1:]
	}
	obx := string(line[:3]) == "OBX"
	m.obx.age = false
	for more := true; more; n++ {
		var value []byte
		value, rest, more = bytes.Cut(rest, []byte{sep})
		m.out = append(m.out, sep)
		if len(value) == 0 || string(value) == `""` {
			m.out = append(m.out, value...)
			continue
		}
		r := s.field(n)
		if obx && n == 2 {
			m.obx.kind = string(value)
		}
		if obx && n == 3 {
			m.obx.age = askedAge(value, m.delims)
		}
		if obx && n == 5 {
			if err := m.result(value); err != nil {
				return err
			}
			continue
		}
		if err := m.field(r, value); err != nil {
			return fmt.Errorf("%s-%d: %w", line[:3], n, err)
		}
	}
	return nil
}

// result writes OBX-5 by the type in OBX-2; one of an unknown type is removed.
func (m *messageWriter) result(value []byte) error {
	how, ok := m.profile.results[m.obx.kind]
	switch {
	case !ok:
		m.report.Note("results of an unknown type were removed")
		how = removedResult
	case how == embeddedResult:
		return m.embedded(value)
	case how == numberResult && shortNumber(value):
		m.report.Count(Keep, classify.None)
		if m.obx.age {
			value = bytes.TrimLeft(TopCodeAge(value), "0")
		}
		m.out = append(m.out, value...)
		return nil
	}
	r, _ := how.rule()
	return m.field(r, value)
}

// shortNumber says whether a value is of numbers that are nobody's: a long row
// of digits may be.
func shortNumber(value []byte) bool {
	run, letters := 0, 0
	for _, c := range value {
		switch {
		case isDigit(c):
			run++
		case c == '.' || c == '-' || c == '+' || c == '^' || c == '~' || c == '&':
			run = 0
		default:
			run = 0
			letters++
		}
		if run > 6 || letters > 8 {
			return false
		}
	}
	return true
}

// embedded writes a document of type ED, de-identified by its own type, or
// without its data.
func (m *messageWriter) embedded(value []byte) error {
	part := bytes.SplitN(value, []byte{m.delims.Component}, 6)
	if len(part) < 5 || !bytes.EqualFold(part[3], []byte("Base64")) {
		m.report.Count(Remove, classify.None)
		m.report.Note("embedded documents were removed")
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(part[4]), nil)))
	name := "document." + strings.ToLower(string(part[2]))
	if clean, ok := m.document(m.ctx, name, data, err); ok {
		m.out = append(m.out, m.delims.Component)
		m.out = append(append(m.out, part[1]...), m.delims.Component)
		m.out = append(append(m.out, part[2]...), m.delims.Component)
		m.out = append(append(m.out, part[3]...), m.delims.Component)
		m.out = base64.StdEncoding.AppendEncode(m.out, clean)
	}
	return nil
}

// document de-identifies an embedded document; false where it is removed.
func (w *work) document(ctx context.Context, name string, data []byte, err error) ([]byte, bool) {
	if err == nil && w.job.Embedded != nil && len(data) > 0 {
		clean, ok, err := w.job.Embedded(ctx, name, data, w.patient)
		if ok && err == nil {
			w.report.Note("embedded documents of known types were de-identified")
			return clean, true
		}
	}
	w.report.Count(Remove, classify.None)
	w.report.Note("embedded documents were removed")
	return nil, false
}
