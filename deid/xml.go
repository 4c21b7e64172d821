package deid

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/xmlscan"
	"github.com/cordon-health/cordon/ocsf"
)

// cdaProfile rewrites C-CDA by the paths of content/deid/cda.yaml.
type cdaProfile struct{ rules *pathRules }

var _ Profile = (*cdaProfile)(nil)

func cdaOffer() Offer {
	return Offer{
		Name:   "cda",
		Title:  ocsf.Text{EN: "C-CDA and other HL7 v3 documents, by path; what is not named is cleaned as text", ZH: "C-CDA等HL7 v3文档，按路径处理；未列出的按自由文本清洗"},
		Claims: claimsCDA,
		Open: func(s Setup) (Profile, error) {
			file, err := readProfile(s.Content, "cda")
			if err != nil {
				return nil, err
			}
			rules, err := file.pathRules("cda")
			return &cdaProfile{rules}, err
		},
	}
}

func claimsCDA(_ string, head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n")
	return len(head) > 0 && head[0] == '<' && bytes.Contains(head, []byte("urn:hl7-org:v3"))
}

func (p *cdaProfile) Name() string { return "cda" }

func (p *cdaProfile) Apply(ctx context.Context, in classify.Source, out io.Writer, job *Job) (Report, error) {
	r := Report{Profile: p.Name(), Key: job.Key.ID(), Bytes: in.Size()}
	return r, rewriteXML(ctx, in, out, &work{job: job, report: &r}, p.rules, cdaXML)
}

// xmlForm says where a document's values stand.
type xmlForm uint8

const (
	fhirXML xmlForm = iota // in attributes called value
	cdaXML                 // in elements and attributes
)

// xmlWriter rewrites a document into out.
type xmlWriter struct {
	*work
	ctx    context.Context
	form   xmlForm
	places *places
	s      *xmlscan.Scanner
	t      xmlscan.Token
	data   []byte
	copied int
	out    []byte
	open   []xmlLevel
}

type xmlLevel struct {
	at      *treePlace
	patient string // of the resource around, to go back to
	media   string // the type of a document in base64
	years   bool   // a quantity in years
}

func rewriteXML(ctx context.Context, in classify.Source, out io.Writer, w *work, rules *pathRules, form xmlForm) error {
	data, code, err := readXML(in)
	if err != nil {
		return err
	}
	x := &xmlWriter{work: w, ctx: ctx, form: form, places: newPlaces(rules), s: xmlscan.New(data), data: data}
	x.patient = w.job.Patient
	x.learn()
	for x.s.Next(&x.t) {
		if err := x.token(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if err := x.s.Err(); err != nil {
		return err
	}
	x.flush(len(data))
	if w.report.Records == 0 {
		return errors.New("there is no element in it")
	}
	text := x.out
	if code != nil {
		if text, err = encoding.ReplaceUnsupported(code.NewEncoder()).Bytes(text); err != nil {
			return errors.New("it cannot be written back in its character set")
		}
	}
	if _, err := out.Write(text); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// readXML reads a document and brings it to UTF-8; the encoding is nil where
// it is already.
func readXML(in classify.Source) ([]byte, encoding.Encoding, error) {
	if in.Size() > maxResource {
		return nil, nil, errors.New("it is longer than 256 MiB")
	}
	data, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
	if err != nil {
		return nil, nil, fmt.Errorf("read: %w", err)
	}
	if utf8.Valid(data) {
		return data, nil, nil
	}
	var code encoding.Encoding
	switch declared := strings.ToLower(declaredEncoding(data)); {
	case strings.HasPrefix(declared, "gb"):
		code = simplifiedchinese.GB18030
	case declared == "iso-8859-1", declared == "latin1":
		code = charmap.ISO8859_1
	case declared == "windows-1252":
		code = charmap.Windows1252
	default:
		return nil, nil, errors.New("its character set is not UTF-8, GB18030 or Latin 1; convert it first")
	}
	text, err := code.NewDecoder().Bytes(data)
	if err != nil {
		return nil, nil, errors.New("it is not in the character set it declares")
	}
	return text, code, nil
}

func declaredEncoding(data []byte) string {
	_, rest, ok := bytes.Cut(data[:min(len(data), 256)], []byte("encoding="))
	if !ok || len(rest) < 2 {
		return ""
	}
	name, _, _ := bytes.Cut(rest[1:], rest[:1])
	return string(name)
}

func (x *xmlWriter) flush(to int) {
	if to > x.copied {
		x.out = append(x.out, x.data[x.copied:to]...)
		x.copied = to
	}
}

// put writes a text instead of a piece of the document.
func (x *xmlWriter) put(from, to int, text []byte) {
	x.flush(from)
	x.out = append(x.out, text...)
	x.copied = to
}

func (x *xmlWriter) token() error {
	switch x.t.Kind {
	case xmlscan.Start:
		return x.start()
	case xmlscan.End:
		x.end()
	case xmlscan.Text, xmlscan.CDATA:
		return x.text()
	case xmlscan.Other:
		if bytes.HasPrefix(x.data[x.t.From:], []byte("<!--")) {
			x.put(x.t.From, x.t.To, nil) // a comment is free text nobody reads
		}
	}
	return nil
}

func (x *xmlWriter) start() error {
	level := xmlLevel{patient: x.patient, years: x.inYears()}
	name := string(x.t.Name)
	switch {
	case len(x.open) == 0:
		level.at = x.places.root(name)
		x.record(name)
	case x.form == fhirXML && isNest(x.open[len(x.open)-1].at.name):
		level.at = x.places.root(name)
		x.record(name)
	default:
		level.at = x.places.child(x.open[len(x.open)-1].at, x.t.Name)
	}
	if level.at.named && level.at.rule.method == Remove && !(x.form == cdaXML && level.at.name == "ClinicalDocument") {
		x.report.Count(Remove, level.at.rule.kind)
		x.drop()
		return nil
	}
	if x.isNarrative(level.at) {
		x.narrativeElement()
		return nil
	}
	if string(x.t.Attr("representation")) == "B64" {
		level.media = string(x.t.Attr("mediaType"))
		if level.media == "" {
			level.media = "application/octet-stream"
		}
	}
	if err := x.attributes(level.at); err != nil {
		return err
	}
	if !x.t.Empty {
		x.open = append(x.open, level)
	}
	return nil
}

func isNest(name string) bool { return name == "resource" || name == "contained" }

// record begins a resource or document: whom is it about?
func (x *xmlWriter) record(name string) {
	if name == "Bundle" {
		return
	}
	x.report.Records++
	if x.form == cdaXML {
		if id := x.cdaPatient(); id != "" {
			x.patient = id
		}
		return
	}
	if owner, number := x.fhirPatient(name); number != "" {
		x.patient = number
	} else if owner != "" {
		x.patient = x.job.Patients.Number(owner)
	}
}

func (x *xmlWriter) end() {
	if len(x.open) > 0 {
		x.patient = x.open[len(x.open)-1].patient
		x.open = x.open[:len(x.open)-1]
	}
}

// drop leaves out the element that was just begun.
func (x *xmlWriter) drop() {
	from := x.t.From
	x.skip()
	x.put(from, x.t.To, nil)
}

// skip reads to the end of the element that was just begun.
func (x *xmlWriter) skip() {
	if x.t.Empty {
		return
	}
	depth := x.s.Depth()
	for x.s.Depth() >= depth && x.s.Next(&x.t) {
	}
}

func (x *xmlWriter) isNarrative(at *treePlace) bool {
	if x.form == fhirXML {
		return at.name == "div"
	}
	return at.name == "text" && at.parent != nil && at.parent.name == "section" && string(x.t.Attr("representation")) != "B64"
}

func (x *xmlWriter) narrativeElement() {
	from := x.t.From
	x.skip()
	if x.s.Err() == nil {
		x.put(from, x.t.To, x.narrative(x.data[from:x.t.To]))
	}
}

// attributes rewrites the attributes of a start tag.
func (x *xmlWriter) attributes(at *treePlace) error {
	for _, a := range x.t.Attrs {
		if x.ageAttribute(&a) {
			x.put(a.From, a.To, bytes.TrimLeft(TopCodeAge(a.Value), "0"))
			continue
		}
		r, keep := x.attributeRule(at, &a)
		if keep {
			continue
		}
		value := xmlscan.Decode(a.Value)
		var out []byte
		var err error
		switch {
		case r.method == Remove:
			x.report.Count(Remove, r.kind)
		case r.method == UID:
			out = []byte(x.reference(string(value)))
		case x.form == fhirXML && !isDate(r.kind) && isFHIRDate(value):
			out, err = x.by(rule{method: Shift, kind: classify.Date}, nil, value)
		default:
			out, err = x.by(r, nil, value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", strings.Join(at.path(), "."), err)
		}
		switch {
		case bytes.Equal(out, value):
		case len(out) == 0:
			x.put(a.At, a.To+1, nil)
			x.out = bytes.TrimRight(x.out, " \t\r\n")
		default:
			x.put(a.From, a.To, xmlscan.AppendText(nil, out))
		}
	}
	return nil
}

// attributeRule is what happens to an attribute; keep says nothing.
func (x *xmlWriter) attributeRule(at *treePlace, a *xmlscan.Attr) (rule, bool) {
	name := string(a.Name)
	if bytes.HasPrefix(a.Full, []byte("xmlns")) || name == "schemaLocation" || name == "lang" || name == "space" {
		return rule{}, true
	}
	if x.form == fhirXML {
		switch name {
		case "value":
			return at.rule, at.named && at.rule.method == Keep
		case "id":
			return rule{method: UID}, false
		case "url":
			return rule{}, true
		}
		return rule{method: Text}, false
	}
	p := x.places.child(at, append([]byte("@"), name...))
	if !p.named {
		return rule{method: Remove}, false
	}
	return p.rule, p.rule.method == Keep
}

// text rewrites what stands in an element.
func (x *xmlWriter) text() error {
	if len(x.open) == 0 || blank(x.t.Body) {
		return nil
	}
	level := x.open[len(x.open)-1]
	value := x.t.Body
	if x.t.Kind == xmlscan.Text {
		value = xmlscan.Decode(value)
	}
	if level.media != "" {
		x.put(x.t.From, x.t.To, x.base64(level.media, value))
		return nil
	}
	if level.at.named && level.at.rule.method == Keep {
		return nil
	}
	out, err := x.by(level.at.rule, nil, value)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(level.at.path(), "."), err)
	}
	if !bytes.Equal(out, value) {
		x.put(x.t.From, x.t.To, xmlscan.AppendText(nil, out))
	}
	return nil
}

func (x *xmlWriter) base64(media string, value []byte) []byte {
	data, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(value), nil)))
	_, ending, _ := strings.Cut(media, "/")
	if ending == "plain" {
		ending = "txt"
	}
	clean, ok := x.document(x.ctx, "document."+ending, data, err)
	if !ok {
		return nil
	}
	return base64.StdEncoding.AppendEncode(nil, clean)
}

// ahead walks the element that begins at the current token, with the names of
// what is open in it.
func (x *xmlWriter) ahead(visit func(open []string, t *xmlscan.Token)) {
	eachXML(x.data[x.t.From:], visit)
}

// cdaPatient is the first record number of recordTarget.
func (x *xmlWriter) cdaPatient() (id string) {
	x.ahead(func(open []string, t *xmlscan.Token) {
		if id == "" && t.Kind == xmlscan.Start && len(open) > 1 && open[len(open)-1] == "id" && open[len(open)-2] == "patientRole" &&
			string(t.Attr("root")) != "2.16.840.1.113883.4.1" {
			id = string(xmlscan.Decode(t.Attr("extension")))
		}
	})
	return id
}

// fhirPatient is the id of the patient a resource is about, and of a patient
// the record number.
func (x *xmlWriter) fhirPatient(kind string) (owner, number string) {
	if kind == "Patient" {
		p := patientXML{}
		p.read(x.data[x.t.From:])
		return p.id, p.number
	}
	x.ahead(func(open []string, t *xmlscan.Token) {
		if owner == "" && t.Kind == xmlscan.Start && len(open) == 3 && open[2] == "reference" && isOwner(open[1]) {
			owner = bareID(string(xmlscan.Decode(t.Attr("value"))))
		}
	})
	return owner, number
}

// learn remembers the names and numbers of the document for its narratives.
func (x *xmlWriter) learn() {
	quiet := &work{job: &Job{Key: x.job.Key, Today: x.job.Today}, report: &Report{}}
	x.ahead(func(open []string, t *xmlscan.Token) {
		if len(open) == 0 {
			return
		}
		value := t.Attr("value")
		if t.Kind == xmlscan.Text {
			value = t.Body
		}
		r := rule{method: Pseudonym}
		switch name := open[len(open)-1]; {
		case name == "family":
			r.kind, r.form = classify.Name, familyName
		case name == "given":
			r.kind, r.form = classify.Name, givenName
		case name == "id" && t.Kind == xmlscan.Start:
			r.kind, value = classify.MRN, t.Attr("extension")
		case name == "value" && len(open) > 1 && open[len(open)-2] == "identifier":
			r.kind = classify.MRN
		case name == "telecom" || name == "value" && len(open) > 1 && open[len(open)-2] == "telecom":
			r.kind, r.shape = classify.Phone, contact
			value = bytes.TrimPrefix(value, []byte("tel:"))
		case name == "streetAddressLine" || name == "line" || name == "city":
			r = rule{method: Redact, kind: classify.Address}
		default:
			return
		}
		_, _ = quiet.by(r, nil, xmlscan.Decode(value))
	})
	x.known = quiet.known
}
