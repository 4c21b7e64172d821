package deid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/ocsf"
)

// fhirProfile rewrites FHIR resources by the paths of content/deid/fhir.yaml:
// JSON, NDJSON and XML.
type fhirProfile struct{ rules *pathRules }

var _ Profile = (*fhirProfile)(nil)

func fhirOffer() Offer {
	return Offer{
		Name:   "fhir",
		Title:  ocsf.Text{EN: "FHIR resources in JSON, NDJSON and XML, by path; what is not named is cleaned as text", ZH: "FHIR资源（JSON、NDJSON、XML），按路径处理；未列出的按自由文本清洗"},
		Claims: claimsFHIR,
		Open: func(s Setup) (Profile, error) {
			file, err := readProfile(s.Content, "fhir")
			if err != nil {
				return nil, err
			}
			rules, err := file.pathRules("fhir")
			return &fhirProfile{rules}, err
		},
	}
}

func claimsFHIR(_ string, head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n")
	if len(head) == 0 {
		return false
	}
	if head[0] == '<' {
		return bytes.Contains(head, []byte(`"http://hl7.org/fhir"`)) || bytes.Contains(head, []byte(`'http://hl7.org/fhir'`))
	}
	return (head[0] == '{' || head[0] == '[') && bytes.Contains(head, []byte(`"resourceType"`))
}

func (p *fhirProfile) Name() string { return "fhir" }

// maxResource is the longest resource, bundle or document that is rewritten.
const maxResource = 256 << 20

func (p *fhirProfile) Apply(ctx context.Context, in classify.Source, out io.Writer, job *Job) (Report, error) {
	r := Report{Profile: p.Name(), Key: job.Key.ID(), Bytes: in.Size()}
	head := make([]byte, min(4096, in.Size()))
	if _, err := in.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return r, fmt.Errorf("read: %w", err)
	}
	if head = bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n"); len(head) > 0 && head[0] == '<' {
		job = withLinks(job)
		if err := linkXML(in, job.Patients); err != nil {
			return r, err
		}
		return r, rewriteXML(ctx, in, out, &work{job: job, report: &r}, p.rules, fhirXML)
	}
	job = withLinks(job)
	if err := linkFile(ctx, in, job.Patients); err != nil {
		return r, err
	}
	f := &fhirWriter{work: &work{job: job, report: &r}, places: newPlaces(p.rules), ctx: ctx}
	err := eachJSON(ctx, in, func(value []byte) error {
		f.out = f.out[:0]
		if err := f.value(value); err != nil {
			return fmt.Errorf("resource %d: %w", r.Records+1, err)
		}
		if _, err := out.Write(f.out); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	})
	if err == nil && r.Records == 0 {
		err = errors.New("there is no resource in it")
	}
	return r, err
}

// withLinks gives a job that knows no patients yet its own place for them.
func withLinks(job *Job) *Job {
	if job.Patients != nil {
		return job
	}
	local := *job
	local.Patients = NewLinks()
	return &local
}

// LinkFile learns from a FHIR file which record number belongs to which id of
// a patient; files of other formats teach nothing. A folder's files are all
// read this way before the first is rewritten.
func LinkFile(ctx context.Context, in classify.Source, links *Links) error {
	head := make([]byte, min(4096, in.Size()))
	if _, err := in.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read: %w", err)
	}
	switch {
	case !claimsFHIR("", head):
		return nil
	case bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n\xef\xbb\xbf"), []byte("<")):
		return linkXML(in, links)
	}
	return linkFile(ctx, in, links)
}

func linkFile(ctx context.Context, in classify.Source, links *Links) error {
	return eachJSON(ctx, in, func(value []byte) error {
		if bytes.Contains(value, []byte(`"Patient"`)) {
			linkValue(value, links)
		}
		return nil
	})
}

// eachJSON gives the lines of a file where each is a value, else its whole
// content. What surrounds a value comes with it.
func eachJSON(ctx context.Context, in classify.Source, do func([]byte) error) error {
	src := io.NewSectionReader(in, 0, in.Size())
	buf := make([]byte, 0, 1<<20)
	for eof := false; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := lines(buf, eof, do)
		if err != nil {
			return err
		}
		buf = buf[n:]
		if eof {
			return nil
		}
		if len(buf) >= maxResource {
			return errors.New("a resource is longer than 256 MiB; export it as NDJSON")
		}
		room := make([]byte, len(buf), max(1<<20, 2*len(buf)))
		copy(room, buf)
		got, err := io.ReadFull(src, room[len(buf):cap(room)])
		buf = room[:len(buf)+got]
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			eof = true
		case err != nil:
			return fmt.Errorf("read: %w", err)
		}
	}
}

// lines takes what is complete from the beginning of a buffer.
func lines(buf []byte, eof bool, do func([]byte) error) (taken int, err error) {
	for {
		rest := buf[taken:]
		i := bytes.IndexByte(rest, '\n')
		if i >= 0 && oneValue(rest[:i]) {
			if err := do(rest[:i+1]); err != nil {
				return taken, err
			}
			taken += i + 1
			continue
		}
		if !eof || len(rest) == 0 {
			return taken, nil
		}
		return len(buf), do(rest)
	}
}

// oneValue says whether a line is empty or a whole value.
func oneValue(line []byte) bool {
	line = bytes.TrimSpace(bytes.TrimPrefix(line, byteOrderMark))
	if len(line) == 0 {
		return true
	}
	if last := line[len(line)-1]; len(line) < 2 || !(line[0] == '{' && last == '}' || line[0] == '[' && last == ']') {
		return false
	}
	var s jsonscan.Scanner
	s.Reset(line)
	s.Skip()
	return s.End() == nil
}

// fhirWriter rewrites JSON values into out.
type fhirWriter struct {
	*work
	ctx    context.Context
	places *places
	s      jsonscan.Scanner
	data   []byte
	// copied is how much of data is written or left out.
	copied int
	out    []byte
	room   []byte
	err    error
	// form is the contentType of the object being read.
	form string
	// years is true in a quantity whose unit is the year.
	years bool
}

// value rewrites one JSON text, and what stands around it.
func (f *fhirWriter) value(data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		f.out = append(f.out, data...)
		return nil
	}
	lead := 0
	if bytes.HasPrefix(data, byteOrderMark) {
		lead = len(byteOrderMark)
		f.out = append(f.out, byteOrderMark...)
	}
	f.data, f.copied, f.err = data[lead:], 0, nil
	if !utf8.Valid(f.data) {
		return errors.New("it is not UTF-8, which JSON must be")
	}
	f.s.Reset(f.data)
	for l := f.s.List(); f.err == nil && f.s.More(&l); {
		f.top()
	}
	for f.err == nil && f.s.Kind() == jsonscan.Object { // written one after another
		f.top()
	}
	if f.err != nil {
		return f.err
	}
	if err := f.s.End(); err != nil {
		return err
	}
	f.out = append(f.out, f.data[f.copied:]...)
	return nil
}

// top rewrites a resource that stands in no other.
func (f *fhirWriter) top() {
	f.known.reset()
	f.learn()
	f.resource("")
}

// flush writes the text up to a place as it is.
func (f *fhirWriter) flush(to int) {
	if to > f.copied {
		f.out = append(f.out, f.data[f.copied:to]...)
		f.copied = to
	}
}

// resource rewrites an object with a type of its own; whose it is, its own
// members say.
func (f *fhirWriter) resource(patient string) {
	if f.s.Kind() != jsonscan.Object {
		f.fail("a resource is no object")
		return
	}
	kind, owner := head(f.s)
	if kind != "Bundle" {
		f.report.Records++
	}
	if kind == "" {
		f.fail("a resource has no type")
		return
	}
	before := f.patient
	f.patient = patient
	if owner != "" {
		f.patient = f.job.Patients.Number(owner)
	}
	if f.patient == "" {
		f.patient = f.job.Patient
	}
	f.object(f.places.root(kind))
	f.patient = before
}

func (f *fhirWriter) fail(what string) {
	if f.err == nil {
		f.err = errors.New(what)
	}
}

// object rewrites the members of an object, and leaves out those that are
// removed with the comma they do not need any more.
func (f *fhirWriter) object(at *treePlace) {
	if !f.s.Object() {
		return
	}
	form, years := f.form, f.years
	f.form, f.years = contentType(f.s), inYears(at.name, f.s)
	kept := false
	end := f.s.Pos() // of the last member, or the brace
	removed := false
	for f.err == nil {
		name, ok := f.s.Member()
		if !ok {
			break
		}
		place := f.places.child(at, bytes.TrimPrefix(name, []byte("_")))
		if f.removes(place) {
			f.flush(end)
			f.s.Skip()
			f.copied, end = f.s.Pos(), f.s.Pos()
			f.report.Count(Remove, place.rule.kind)
			removed = true
			continue
		}
		if removed && !kept {
			// The comma behind what was removed goes too.
			if comma := bytes.IndexByte(f.data[f.copied:], ','); comma >= 0 {
				f.copied += comma + 1
			}
		}
		kept = true
		f.member(place, string(name))
		end = f.s.Pos()
	}
	f.form, f.years = form, years
}

// removes says whether a member is left out whole.
func (f *fhirWriter) removes(p *treePlace) bool {
	if p.named && p.rule.method == Remove {
		return true
	}
	return (p.name == "data" || p.name == "url" && f.form != "") && f.form != "" && f.job.Embedded == nil
}

func (f *fhirWriter) member(p *treePlace, name string) {
	switch {
	case name == "resource" || name == "contained":
		if f.s.Kind() == jsonscan.Object || f.s.Kind() == jsonscan.Array {
			for l := f.s.List(); f.err == nil && f.s.More(&l); {
				f.resource(f.patient)
			}
			return
		}
		f.any(p)
	default:
		f.any(p)
	}
}

// any rewrites a value of any kind.
func (f *fhirWriter) any(p *treePlace) {
	switch f.s.Kind() {
	case jsonscan.Object:
		f.object(p)
	case jsonscan.Array:
		for l := f.s.List(); f.err == nil && f.s.More(&l); {
			f.any(p)
		}
	case jsonscan.String:
		f.leaf(p)
	case jsonscan.Number:
		f.number(p)
	default:
		f.s.Skip()
	}
}

// leaf rewrites a string.
func (f *fhirWriter) leaf(p *treePlace) {
	if p.named && p.rule.method == Keep {
		f.s.Skip()
		f.report.Count(Keep, p.rule.kind)
		return
	}
	from := f.start()
	raw, plain := f.s.Inside()
	if f.s.Err() != nil {
		return
	}
	value := raw
	if !plain {
		f.room = jsonscan.Unescape(f.room[:0], raw)
		value = f.room
	}
	out, err := f.stand(p, value)
	if err != nil {
		f.err = fmt.Errorf("%s: %w", strings.Join(p.path(), "."), err)
		return
	}
	if bytes.Equal(out, value) {
		return
	}
	f.flush(from)
	if len(out) == 0 {
		f.out = append(f.out, "null"...)
	} else {
		f.out = jsonscan.AppendString(f.out, out)
	}
	f.copied = f.s.Pos()
}

// start is where the next value begins.
func (f *fhirWriter) start() int {
	f.s.Kind() // moves over white space
	return f.s.Pos()
}

// stand is what stands for a string of a place.
func (f *fhirWriter) stand(p *treePlace, value []byte) ([]byte, error) {
	switch {
	case p.name == "data" && f.form != "":
		return f.attachment(value), nil
	case p.name == "div":
		return f.narrative(value), nil
	case p.rule.method == UID:
		return []byte(f.reference(string(value))), nil
	case !(p.named && isDate(p.rule.kind)) && isFHIRDate(value):
		return f.by(rule{method: Shift, kind: classify.Date}, nil, value)
	}
	return f.by(p.rule, nil, value)
}

// number rewrites a number: an age over 89 years, or what a line names.
func (f *fhirWriter) number(p *treePlace) {
	from := f.start()
	value := f.s.Raw()
	var out []byte
	switch {
	case f.years && p.name == "value", p.name == "age":
		out = bytes.TrimLeft(TopCodeAge(value), "0") // a number of JSON has none in front
	case p.named && p.rule.method == Perturb:
		out = f.job.Key.Perturb(value, f.patient, defaultNoise)
	default:
		return
	}
	if !bytes.Equal(out, value) && len(out) > 0 {
		f.flush(from)
		f.out = append(f.out, out...)
		f.copied = f.s.Pos()
		f.report.Count(Generalise, classify.Age)
	}
}

// isFHIRDate says whether a string is a date, dateTime or instant: 1988-03,
// 1988-03-05, 1988-03-05T10:00:00Z.
func isFHIRDate(v []byte) bool {
	if len(v) < 7 || len(v) > 40 || v[4] != '-' || digitsAt(v, 0) != 4 || digitsAt(v, 5) != 2 {
		return false
	}
	if len(v) == 7 {
		return true
	}
	return len(v) >= 10 && v[7] == '-' && digitsAt(v, 8) == 2 && (len(v) == 10 || v[10] == 'T')
}
