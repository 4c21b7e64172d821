package normalize

import (
	"bytes"
	"fmt"

	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/ocsf"
)

// parseFHIR reads FHIR resources of any release, field by field: it never
// asks for a version, so R4, R5 and what lies between are one. XML is turned
// into JSON first; there a repeated element is a repeated member, which is why
// every list below also grows when its member comes again.
func (n *Normalizer) parseFHIR(in Input, out *Output) {
	p := &fhirParser{n: n, in: in, out: out}
	data := bytes.TrimLeft(in.Data, " \t\r\n")
	if len(data) == 0 || data[0] != '<' {
		eachJSON(data, p.resource, p.broken)
		return
	}
	eachXML(data, func(doc []byte) {
		text, err := fhirXML(doc)
		if err == nil {
			err = p.resource(text)
		}
		if err != nil {
			p.broken(doc, err.Error())
		}
	})
}

// fhirParser is the walk over one input.
type fhirParser struct {
	n    *Normalizer
	in   Input
	out  *Output
	item int
	// ids resolves references within a Bundle: "Practitioner/7" or a fullUrl
	// to the identifier the resource itself names.
	ids map[string]string
	// fullURL is that of the current Bundle entry.
	fullURL []byte
	audit   auditEvent
	// person is the patient whose demographics are being read, nil where nobody
	// asked.
	person *Person
	// words are the names of machines, staff and roles met so far.
	words interned
	// room is that of the current event, patientRoom that of its patients' ids.
	room        *auditRoom
	patientRoom [4]string
}

// broken rejects text that could not be read at all.
func (p *fhirParser) broken(item []byte, reason string) {
	p.out.Reject(p.item, item, reason)
	p.item++
}

// resource takes one resource or Bundle; an error says that the text is not
// JSON, and that nothing came of it.
func (p *fhirParser) resource(data []byte) error {
	kind, err := resourceType(data)
	if err != nil {
		return err
	}
	if kind == "Bundle" {
		return p.bundle(data)
	}
	if reason := p.one(kind, data); reason != "" {
		if err := valid(data); err != nil {
			return err
		}
		p.out.Reject(p.item, data, reason)
	}
	p.item++
	return nil
}

func valid(data []byte) error {
	var s jsonscan.Scanner
	s.Reset(data)
	s.Skip()
	return s.End()
}

// one makes the events of one resource; the reason says why there are none.
func (p *fhirParser) one(kind string, data []byte) (reason string) {
	p.out.reading(p.item, data)
	var e *ocsf.Event
	switch kind {
	case "AuditEvent":
		return p.auditEvent(data)
	case "Encounter":
		e, reason = p.encounter(data)
	case "Appointment":
		e, reason = p.appointment(data)
	case "CareTeam":
		e, reason = p.careTeam(data)
	case "ServiceRequest":
		e, reason = p.serviceRequest(data)
	case "Condition":
		e, reason = p.condition(data)
	case "Patient":
		e, reason = p.patientResource(data)
	case "RelatedPerson":
		e, reason = p.relatedPerson(data)
	case "":
		return "not a FHIR resource: no resourceType"
	default:
		return "a FHIR resource of a type Cordon does not use"
	}
	if reason == "" {
		p.out.Event(e)
	}
	return reason
}

// resourceType reads the member resourceType, which usually comes first.
func resourceType(data []byte) (string, error) {
	var s jsonscan.Scanner
	s.Reset(data)
	if s.Kind() != jsonscan.Object {
		return "", nil
	}
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		if string(name) == "resourceType" {
			return knownType(s.Text()), s.Err()
		}
		s.Skip()
	}
	return "", s.End()
}

// knownType saves the allocation for the types that matter.
func knownType(b []byte) string {
	switch string(b) {
	case "AuditEvent":
		return "AuditEvent"
	case "Bundle":
		return "Bundle"
	case "Encounter":
		return "Encounter"
	}
	return string(b)
}

// entry is one entry of a Bundle.
type entry struct {
	fullURL, resource []byte
	kind              string
}

// bundle takes the entries of a Bundle. People, places and organisations in
// it only serve to resolve references; every other resource is taken for
// itself.
func (p *fhirParser) bundle(data []byte) error {
	entries, err := bundleEntries(data)
	if err != nil {
		return err
	}
	outerIDs, outerURL := p.ids, p.fullURL
	p.ids = indexEntries(entries, outerIDs)
	for _, e := range entries {
		p.fullURL = e.fullURL
		switch e.kind {
		case "Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService":
			p.item++
		case "none":
			p.out.Reject(p.item, data, fmt.Sprintf("Bundle entry %d has no resource", p.item))
			p.item++
		default:
			if err := p.resource(e.resource); err != nil {
				p.broken(e.resource, err.Error())
			}
		}
	}
	p.ids, p.fullURL = outerIDs, outerURL
	if len(entries) == 0 {
		p.broken(data, "a Bundle without entries")
	}
	return nil
}

func bundleEntries(data []byte) ([]entry, error) {
	var s jsonscan.Scanner
	var entries []entry
	s.Reset(data)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		if string(name) != "entry" {
			s.Skip()
			continue
		}
		for l := s.List(); s.More(&l); {
			entries = append(entries, bundleEntry(&s))
		}
	}
	return entries, s.End()
}

func bundleEntry(s *jsonscan.Scanner) entry {
	e := entry{kind: "none"}
	if !s.Object() {
		return e
	}
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		switch string(name) {
		case "fullUrl":
			e.fullURL = s.Text()
		case "resource":
			e.resource = s.Raw()
			e.kind, _ = resourceType(e.resource)
		default:
			s.Skip()
		}
	}
	return e
}

// indexEntries makes the table of references of a Bundle, nil when none of
// its resources can be referred to by an identifier.
func indexEntries(entries []entry, outer map[string]string) map[string]string {
	ids := outer
	for _, e := range entries {
		switch e.kind {
		case "Patient", "Practitioner", "PractitionerRole", "Organization", "Location":
		default:
			continue
		}
		who := readIdentity(e.resource)
		name := who.name()
		if name == "" {
			continue
		}
		if ids == nil {
			ids = map[string]string{}
		}
		if len(e.fullURL) > 0 {
			ids[string(e.fullURL)] = name
		}
		if len(who.id) > 0 {
			ids[e.kind+"/"+string(who.id)] = name
		}
	}
	return ids
}

// identity is what a person, place or organisation calls itself.
type identity struct {
	id         []byte
	identifier string
	// practitioner is the person behind a PractitionerRole.
	practitioner reference
}

func (i identity) name() string {
	if i.identifier != "" {
		return i.identifier
	}
	if id := i.practitioner.last(); id != "" {
		return id
	}
	return string(i.id)
}

func readIdentity(data []byte) identity {
	var r fhirReader
	var who identity
	r.Reset(data)
	r.Object()
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "id":
			who.id = r.Text()
		case "identifier":
			for l := r.List(); r.More(&l); {
				id := r.identifier()
				if !id.national() && (who.identifier == "" || string(id.kind) == "MR") {
					who.identifier = cx(id.value)
				}
			}
		case "practitioner":
			who.practitioner = r.reference()
		default:
			r.Skip()
		}
	}
	return who
}

// resolve gives the id a reference stands for: its identifier, what the
// Bundle knows of it, or the last part of the reference.
func (p *fhirParser) resolve(r reference) string {
	if len(r.identifier.value) > 0 {
		return cx(r.identifier.value)
	}
	if p.ids != nil {
		if id, ok := p.ids[string(bytes.TrimSpace(r.ref))]; ok {
			return id
		}
	}
	return r.last()
}

// named resolves a place or organisation, which may only have a name.
func (p *fhirParser) named(r reference) string {
	if id := p.resolve(r); id != "" {
		return id
	}
	return string(r.display)
}

// cx is the id in an identifier's value: the first component where it is
// written like HL7 v2's CX ("123^^^&1.2.3&ISO").
func cx(value []byte) string {
	value, _, _ = bytes.Cut(value, []byte{'^'})
	return string(bytes.TrimSpace(value))
}
