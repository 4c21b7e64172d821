package clinical

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/jsonscan"
)

// fhirJSON reads FHIR resources in JSON: one, a Bundle, an array, or NDJSON.
type fhirJSON struct{}

var _ classify.Reader = fhirJSON{}

func (fhirJSON) Name() string { return "fhir-json" }

// Claims takes JSON that names a resource type early.
func (fhirJSON) Claims(_ string, b []byte) bool {
	b = head(b)
	return len(b) > 0 && (b[0] == '{' || b[0] == '[') && bytes.Contains(b, []byte(`"resourceType"`))
}

func (fhirJSON) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	w := newWindow(io.NewSectionReader(src, 0, src.Size()))
	f := &resources{out: out, types: map[string]*node{}}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		value, ok := nextValue(w)
		if !ok {
			return f.end(w)
		}
		if err := f.text(value, w.offset()-int64(len(value))); err != nil {
			return err
		}
	}
}

// nextValue takes the next JSON value of a stream: a line where the lines are
// values, else all that is left. The slice is valid until the next call.
func nextValue(w *window) ([]byte, bool) {
	for searched := 0; ; {
		data := w.data()
		if i := bytes.IndexByte(data[searched:], '\n'); i >= 0 {
			end := searched + i + 1
			if complete(data[:end]) {
				w.take(end)
				if len(bytes.TrimSpace(data[:end])) == 0 {
					searched = 0
					continue
				}
				return data[:end], true
			}
			// A value over several lines: the whole rest is looked at once.
			searched = len(data)
		} else {
			searched = len(data)
		}
		if w.more() {
			continue
		}
		if !w.eof || len(bytes.TrimSpace(w.data())) == 0 {
			return nil, false
		}
		return takeValue(w)
	}
}

// complete says whether a line can be a whole value: it ends as it begins.
func complete(line []byte) bool {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return true
	}
	line = bytes.TrimPrefix(line, byteOrderMark)
	last := line[len(line)-1]
	return len(line) > 1 && (line[0] == '{' && last == '}' || line[0] == '[' && last == ']')
}

// takeValue takes one value of several lines from a text that is all there.
func takeValue(w *window) ([]byte, bool) {
	data := w.data()
	var s jsonscan.Scanner
	trimmed := bytes.TrimPrefix(data, byteOrderMark)
	s.Reset(trimmed)
	s.Skip()
	n := len(data)
	if s.Err() == nil {
		n = len(data) - len(trimmed) + s.Pos()
	}
	w.take(n)
	return data[:n], n > 0
}

// resources gives out the values of one file's resources.
type resources struct {
	out    classify.Sink
	types  map[string]*node
	nodes  int
	record int64
	data   []byte
	base   int64
	wide   bool
	room   []byte
	s      jsonscan.Scanner
	// undo is whether the member "system" or "type" of the object that is
	// being read said what its value is.
	err error
}

func (f *resources) end(w *window) error {
	switch {
	case w.err != nil:
		f.out.Unread("", fmt.Errorf("read on: %w", w.err))
	case !w.eof:
		f.out.Unread("", errTooLong)
	}
	return nil
}

func (f *resources) text(value []byte, at int64) error {
	trimmed := bytes.TrimPrefix(value, byteOrderMark)
	f.base = at + int64(len(value)-len(trimmed))
	f.data, f.wide = text(trimmed)
	f.s.Reset(f.data)
	for l := f.s.List(); f.s.More(&l); {
		f.resource()
	}
	if f.err != nil {
		return f.err
	}
	if err := f.s.End(); err != nil {
		f.out.Unread(fmt.Sprintf("resource %d", f.record), err)
	}
	return nil
}

// resource reads an object that has a type of its own.
func (f *resources) resource() {
	if f.s.Kind() != jsonscan.Object {
		f.value(f.root(""), &frame{})
		return
	}
	name := resourceType(f.s)
	if name != "Bundle" {
		f.record++
	}
	f.object(f.root(name))
}

// contained reads a resource inside another; it is about the same person.
func (f *resources) contained() {
	if f.s.Kind() != jsonscan.Object {
		f.s.Skip()
		return
	}
	f.object(f.root(resourceType(f.s)))
}

// resourceType looks ahead for the type of the next object; the scanner is a
// copy.
func resourceType(s jsonscan.Scanner) string {
	if !s.Object() {
		return ""
	}
	for {
		name, ok := s.Member()
		if !ok {
			return ""
		}
		if string(name) == "resourceType" {
			return string(s.Text())
		}
		s.Skip()
	}
}

// frame is what the members of an object read so far say about the others.
type frame struct {
	kind     classify.Kind // of value, by type or system
	person   bool          // the reference is to a person
	form     string        // contentType
	document bool          // there is a contentType
}

func (f *resources) object(n *node) {
	if !f.s.Object() {
		return
	}
	var fr frame
	for f.err == nil {
		name, ok := f.s.Member()
		if !ok {
			return
		}
		f.member(n, name, &fr)
	}
}

func (f *resources) member(n *node, name []byte, fr *frame) {
	child := f.child(n, name)
	switch child.role {
	case skipped:
		f.s.Skip()
	case resourceRole:
		for l := f.s.List(); f.err == nil && f.s.More(&l); {
			if n.name == "entry" {
				f.resource()
			} else {
				f.contained()
			}
		}
	case dataRole:
		f.document(child, fr)
	default:
		f.value(child, fr)
	}
}

func (f *resources) value(n *node, fr *frame) {
	switch f.s.Kind() {
	case jsonscan.Object:
		f.objectIn(n, fr)
	case jsonscan.Array:
		i := 0
		for l := f.s.List(); f.err == nil && f.s.More(&l); i++ {
			f.value(f.element(n, i), fr)
		}
	case jsonscan.String:
		f.leaf(n, fr)
	default:
		f.s.Skip()
	}
}

// objectIn reads an object; what the type of an identifier says is said about
// the value beside it.
func (f *resources) objectIn(n *node, outer *frame) {
	if n.role != typeRole {
		f.object(n)
		return
	}
	probe := f.s
	if k := identifierKind(typeCode(&probe)); k != classify.None {
		outer.kind = k
	}
	f.s.Skip()
}

// typeCode is the first code of a CodeableConcept.
func typeCode(s *jsonscan.Scanner) (code string) {
	if !s.Object() {
		return ""
	}
	for {
		name, ok := s.Member()
		if !ok {
			return code
		}
		if string(name) != "coding" {
			s.Skip()
			continue
		}
		for l := s.List(); s.More(&l); {
			if c := codeOf(s); code == "" {
				code = c
			}
		}
	}
}

func codeOf(s *jsonscan.Scanner) (code string) {
	if !s.Object() {
		return ""
	}
	for {
		name, ok := s.Member()
		if !ok {
			return code
		}
		if string(name) == "code" {
			code = string(s.Text())
			continue
		}
		s.Skip()
	}
}

// leaf gives out a string.
func (f *resources) leaf(n *node, fr *frame) {
	raw, isPlain := f.s.Inside()
	if f.s.Err() != nil {
		return
	}
	kind := n.kind
	switch n.role {
	case systemRole:
		fr.kind = systemKind(raw)
		return
	case codesRole:
		fr.kind = codesKind(raw)
		return
	case contentRole:
		fr.form, fr.document = string(raw), true
		return
	case referenceRole:
		fr.person = personReference(raw)
		return
	case displayRole:
		if fr.person {
			kind = classify.Name
		}
	case valueRole:
		if fr.kind != classify.None {
			kind = fr.kind
		}
	}
	if kind == classify.None && len(raw) < 4 {
		return
	}
	f.give(n, kind, raw, isPlain)
}

func (f *resources) give(n *node, kind classify.Kind, raw []byte, isPlain bool) {
	p := classify.Part{Path: n.path, Field: n.name, Kind: kind, Record: f.record, Offset: -1, Wide: f.wide, Text: raw}
	if !f.wide {
		p.Offset = f.base + int64(cap(f.data)-cap(raw))
	}
	if !isPlain && bytes.IndexByte(raw, '\\') >= 0 {
		f.room = jsonscan.Unescape(f.room[:0], raw)
		p.Text, p.Wide = f.room, true
	}
	if n.role == narrativeRole {
		p.Text, p.Wide = stripTags(p.Text), true
	}
	if err := f.out.Part(p); err != nil {
		f.err = err
	}
}

// document hands over Attachment.data and Binary.data.
func (f *resources) document(n *node, fr *frame) {
	if f.s.Kind() != jsonscan.String {
		f.value(n, fr)
		return
	}
	raw, isPlain := f.s.Inside()
	if len(raw) == 0 || f.s.Err() != nil {
		return
	}
	if !fr.document {
		// The type comes behind the data, or never.
		probe := f.s
		fr.form, fr.document = contentBehind(&probe), true
	}
	if !isPlain || !isBase64(raw) {
		f.give(n, classify.None, raw, isPlain)
		return
	}
	err := f.out.Member(memberName("", fr.form), base64.NewDecoder(base64.StdEncoding, bytes.NewReader(raw)))
	if err != nil {
		f.err = err
	}
}

// contentBehind looks for contentType among the members that follow.
func contentBehind(s *jsonscan.Scanner) string {
	for {
		name, ok := s.Member()
		if !ok {
			return ""
		}
		if string(name) == "contentType" {
			return string(s.Text())
		}
		s.Skip()
	}
}

func isBase64(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return true
}

// systemKind is what the system of an identifier or contact point says.
func systemKind(raw []byte) classify.Kind {
	switch string(raw) {
	case "phone", "sms", "pager":
		return classify.Phone
	case "fax":
		return classify.Fax
	case "email":
		return classify.Email
	case "url":
		return classify.URL
	}
	for _, known := range identifierSystems() {
		if bytes.HasSuffix(raw, []byte(known.suffix)) {
			return known.kind
		}
	}
	return classify.None
}

// codesKind is what the codes of a system may mark: those of ICD-10 sensitive
// conditions.
func codesKind(system []byte) classify.Kind {
	for _, name := range [...]string{"icd-10", "icd10", "ICD-10", "ICD10", "2.16.840.1.113883.6.3", "2.16.840.1.113883.6.90"} {
		if bytes.Contains(system, []byte(name)) {
			return classify.Condition
		}
	}
	return classify.None
}

type identifierSystem struct {
	suffix string
	kind   classify.Kind
}

// identifierSystems are those of hl7.org/fhir/identifier-registry and their
// object identifiers.
func identifierSystems() []identifierSystem {
	return []identifierSystem{
		{"us-ssn", classify.SSN},
		{"2.16.840.1.113883.4.1", classify.SSN},
		{"us-npi", classify.NPI},
		{"2.16.840.1.113883.4.6", classify.NPI},
		{"us-mbi", classify.MBI},
		{"nhs-number", classify.NHS},
		{"passport", classify.Passport},
		{"passportNum-USA", classify.Passport},
		{"medical-record-number", classify.MRN},
		{"2.16.156.10011.1.3", classify.ResidentID},
		{"driver-license", classify.Licence},
	}
}

func personReference(raw []byte) bool {
	s := string(raw)
	for _, name := range []string{"Patient/", "Practitioner/", "RelatedPerson/", "Person/"} {
		if strings.Contains(s, name) {
			return true
		}
	}
	return strings.HasPrefix(s, "urn:uuid:") || strings.HasPrefix(s, "#")
}
