package deid

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/internal/xmlscan"
)

// ownerMembers are the members whose reference says whom a resource is about.
func isOwner(name string) bool {
	switch name {
	case "subject", "patient", "beneficiary", "for", "individual":
		return true
	}
	return false
}

// head looks ahead for the type of the next object and the id of its patient;
// the scanner is a copy.
func head(s jsonscan.Scanner) (kind, owner string) {
	id := ""
	if !s.Object() {
		return "", ""
	}
	for {
		name, ok := s.Member()
		if !ok {
			break
		}
		switch n := string(name); {
		case n == "resourceType":
			kind = string(s.Text())
		case n == "id":
			id = string(s.Text())
		case isOwner(n) && s.Kind() == jsonscan.Object:
			if ref := member(&s, "reference"); owner == "" {
				owner = bareID(ref)
			}
		default:
			s.Skip()
		}
	}
	if kind == "Patient" {
		owner = id
	}
	return kind, owner
}

// member reads a string member of the next object.
func member(s *jsonscan.Scanner, want string) (value string) {
	if !s.Object() {
		return ""
	}
	for {
		name, ok := s.Member()
		if !ok {
			return value
		}
		if string(name) == want {
			value = string(s.Text())
			continue
		}
		s.Skip()
	}
}

// contentType looks ahead for the contentType among the members of the object
// that was just entered.
func contentType(s jsonscan.Scanner) (form string) {
	for {
		name, ok := s.Member()
		if !ok {
			return form
		}
		if string(name) == "contentType" {
			form = string(s.Text())
			continue
		}
		s.Skip()
	}
}

// bareID is the id in a reference: of "Patient/7", a full address, urn:uuid:7.
func bareID(ref string) string {
	ref, _, _ = strings.Cut(ref, "/_history/")
	if i := strings.LastIndexByte(ref, '/'); i >= 0 {
		return ref[i+1:]
	}
	return strings.TrimPrefix(strings.TrimPrefix(ref, "urn:uuid:"), "#")
}

// linkValue learns from the patients of one JSON text.
func linkValue(data []byte, links *Links) {
	var s jsonscan.Scanner
	s.Reset(bytes.TrimPrefix(data, byteOrderMark))
	for s.Kind() == jsonscan.Object || s.Kind() == jsonscan.Array {
		for l := s.List(); s.More(&l); {
			linkResource(&s, "", links)
		}
	}
}

// linkResource reads a patient, or the entries of a bundle.
func linkResource(s *jsonscan.Scanner, full string, links *Links) {
	kind, id := head(*s)
	if !s.Object() {
		return
	}
	number, sure := "", false
	for {
		name, ok := s.Member()
		if !ok {
			break
		}
		switch {
		case kind == "Bundle" && string(name) == "entry":
			for l := s.List(); s.More(&l); {
				linkEntry(s, links)
			}
		case kind == "Patient" && string(name) == "identifier":
			for l := s.List(); s.More(&l); {
				value, record := identifierIn(s)
				if value != "" && (number == "" || record && !sure) {
					number, sure = value, record
				}
			}
		default:
			s.Skip()
		}
	}
	if kind == "Patient" {
		links.Add(id, number)
		links.Add(bareID(full), number)
	}
}

func linkEntry(s *jsonscan.Scanner, links *Links) {
	full := ""
	if s.Kind() == jsonscan.Object {
		probe := *s
		full = member(&probe, "fullUrl")
	}
	if !s.Object() {
		return
	}
	for {
		name, ok := s.Member()
		if !ok {
			return
		}
		if string(name) == "resource" {
			linkResource(s, full, links)
			continue
		}
		s.Skip()
	}
}

// identifierIn reads the value of an identifier, and whether its type says that
// it is the record number.
func identifierIn(s *jsonscan.Scanner) (value string, record bool) {
	if !s.Object() {
		return "", false
	}
	for {
		name, ok := s.Member()
		if !ok {
			return value, record
		}
		switch string(name) {
		case "value":
			value = string(s.Text())
		case "type":
			raw := s.Raw()
			for _, code := range []string{`"MR"`, `"PI"`, `"PT"`} {
				record = record || bytes.Contains(raw, []byte(code))
			}
		default:
			s.Skip()
		}
	}
}

// reference maps ids, references and full addresses alike: the last name of a
// path is the id, what stands before the type names a server and goes.
func (w *work) reference(ref string) string {
	w.report.Count(UID, classify.None)
	k := w.job.Key
	local, contained := strings.CutPrefix(ref, "#")
	switch {
	case contained && local == "":
		return ref
	case contained:
		return "#" + k.Identifier(local)
	case strings.HasPrefix(ref, "urn:"), !strings.Contains(ref, "/"):
		if strings.ContainsAny(ref, "?|") {
			return ""
		}
		return k.Identifier(ref)
	case strings.ContainsAny(ref, "?|"):
		return "" // a search, with the values searched for
	}
	ref, version, versioned := strings.Cut(ref, "/_history/")
	parts := strings.Split(ref, "/")
	out := parts[max(0, len(parts)-2)] + "/" + k.Identifier(parts[len(parts)-1])
	if strings.Contains(ref, "://") {
		out = "https://example.invalid/" + out
	}
	if versioned && len(version) < 10 && strings.Trim(version, "0123456789") == "" {
		out += "/_history/" + version
	}
	return out
}

// learn remembers the names, numbers and addresses of the next resource and
// those in it, so that they are found in narratives and notes.
func (f *fhirWriter) learn() {
	ahead := f.s
	quiet := &work{job: &Job{Key: f.job.Key, Today: f.job.Today}, report: &Report{}}
	l := &learner{s: &ahead, work: quiet}
	l.any("", "")
	for _, v := range quiet.known.values {
		f.known.add(v.kind, v.value, v.stand)
	}
}

// learner walks a text for what its members say is somebody's.
type learner struct {
	*work
	s *jsonscan.Scanner
}

func (l *learner) any(above, name string) {
	switch l.s.Kind() {
	case jsonscan.Object:
		l.s.Object()
		for {
			member, ok := l.s.Member()
			if !ok {
				return
			}
			l.any(name, string(member))
		}
	case jsonscan.Array:
		for list := l.s.List(); l.s.More(&list); {
			l.any(above, name)
		}
	case jsonscan.String:
		l.leaf(above, name)
	default:
		l.s.Skip()
	}
}

func (l *learner) leaf(above, name string) {
	r := rule{method: Pseudonym}
	switch {
	case name == "family":
		r.kind, r.form = classify.Name, familyName
	case name == "given":
		r.kind, r.form = classify.Name, givenName
	case name == "value" && above == "identifier":
		r.kind = classify.MRN
	case name == "value" && above == "telecom":
		r.kind, r.shape = classify.Phone, contact
	case name == "line" && above == "address", name == "city" && above == "address":
		r = rule{method: Redact, kind: classify.Address}
	default:
		l.s.Skip()
		return
	}
	_, _ = l.by(r, nil, l.s.Text())
}

// attachment is a document in base64 after its own profile, or nothing.
func (f *fhirWriter) attachment(value []byte) []byte {
	data, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(value), nil)))
	_, ending, _ := strings.Cut(f.form, "/")
	ending, _, _ = strings.Cut(ending, ";")
	if ending == "plain" {
		ending = "txt"
	}
	clean, ok := f.document(f.ctx, "document."+ending, data, err)
	if !ok {
		return nil
	}
	return base64.StdEncoding.AppendEncode(nil, clean)
}

// narrative cleans the text of a piece of XHTML; of its tags only harmless
// attributes stay. What is no XML is cleaned as text.
func (w *work) narrative(div []byte) []byte {
	s := xmlscan.New(div)
	var t xmlscan.Token
	var out []byte
	for s.Next(&t) {
		switch t.Kind {
		case xmlscan.Text:
			if plain := xmlscan.Decode(t.Body); !blank(plain) {
				clean := w.text(nil, plain)
				if !bytes.Equal(clean, plain) {
					out = xmlscan.AppendText(out, clean)
					continue
				}
			}
			out = append(out, t.Body...)
		case xmlscan.CDATA:
			out = xmlscan.AppendText(out, w.text(nil, t.Body))
		case xmlscan.Start:
			out = appendTag(out, div, &t)
		case xmlscan.End:
			out = append(out, div[t.From:t.To]...)
		}
	}
	if s.Err() != nil {
		return w.text(nil, div)
	}
	return out
}

// appendTag writes a start tag with those of its attributes that say nothing.
func appendTag(dst, text []byte, t *xmlscan.Token) []byte {
	end := t.From + 1
	for end < t.To && text[end] > ' ' && text[end] != '>' && text[end] != '/' {
		end++
	}
	dst = append(dst, text[t.From:end]...)
	for _, a := range t.Attrs {
		switch string(a.Name) {
		case "xmlns", "class", "colspan", "rowspan", "border", "align", "lang":
			dst = append(append(append(dst, ' '), a.Full...), '=', '"')
			dst = append(append(dst, a.Value...), '"')
		}
	}
	if t.Empty {
		dst = append(dst, '/')
	}
	return append(dst, '>')
}
