package normalize

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// personResource is a Patient or RelatedPerson. Of its demographics only
// tokens are kept.
type personResource struct {
	careResource
	identifiers []identifier
	keys        []ocsf.Key
	contacts    [][]ocsf.Key
	links       []link
}

type link struct {
	other reference
	kind  string
}

func (x *personResource) read(p *fhirParser, kind string, data []byte) error {
	var r fhirReader
	x.kind = kind
	r.Reset(data)
	r.Object()
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		if !x.header.member(&r, name) {
			x.member(p, &r, name)
		}
	}
	return r.End()
}

func (x *personResource) member(p *fhirParser, r *fhirReader, name []byte) {
	switch string(name) {
	case "identifier":
		for l := r.List(); r.More(&l); {
			id := r.identifier()
			if id.national() {
				x.keys = p.key(x.keys, keyed.NationalID, string(id.value))
			} else if len(id.value) > 0 {
				x.identifiers = append(x.identifiers, id)
			}
		}
	case "birthDate":
		if birth := string(r.Text()); p.person != nil {
			p.person.BirthDate = birth
		}
	case "patient":
		x.subject = r.reference()
	case "period":
		x.period = r.period()
	case "active":
		if r.Kind() != 0 && !r.Bool() {
			x.status = "inactive"
		}
	case "contact":
		for l := r.List(); r.More(&l); {
			person := p.person
			p.person = nil // next of kin are others
			x.contacts = append(x.contacts, p.contact(r))
			p.person = person
		}
	case "link":
		for l := r.List(); r.More(&l); {
			x.links = append(x.links, readLink(r))
		}
	default:
		x.keys = p.demographics(r, name, x.keys)
	}
}

func readLink(r *fhirReader) (k link) {
	if !r.Object() {
		return k
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "other":
			k.other = r.reference()
		case "type":
			k.kind = string(r.Text())
		default:
			r.Skip()
		}
	}
	return k
}

// contact reads Patient.contact, a next of kin.
func (p *fhirParser) contact(r *fhirReader) (keys []ocsf.Key) {
	if !r.Object() {
		return nil
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		keys = p.demographics(r, name, keys)
	}
	return keys
}

// demographics reads name, telecom and address as tokens.
func (p *fhirParser) demographics(r *fhirReader, name []byte, keys []ocsf.Key) []ocsf.Key {
	switch string(name) {
	case "name":
		for l := r.List(); r.More(&l); {
			keys = p.nameKeys(r, keys)
		}
	case "telecom":
		for l := r.List(); r.More(&l); {
			keys = p.phoneKey(r, keys)
		}
	case "address":
		for l := r.List(); r.More(&l); {
			keys = p.addressKeys(r, keys)
		}
	default:
		r.Skip()
	}
	return keys
}

// key appends the token of a value unless it is there.
func (p *fhirParser) key(keys []ocsf.Key, kind, value string) []ocsf.Key {
	p.person.take(kind, value)
	k := ocsf.Key{Kind: kind, Token: p.n.key.Token(kind, value)}
	if k.Token == "" || slices.Contains(keys, k) {
		return keys
	}
	return append(keys, k)
}

func (p *fhirParser) nameKeys(r *fhirReader, keys []ocsf.Key) []ocsf.Key {
	var text, family string
	var given []string
	if !r.Object() {
		return keys
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "text":
			text = string(r.Text())
		case "family":
			family = string(r.Text())
		case "given":
			for l := r.List(); r.More(&l); {
				given = append(given, string(r.Text()))
			}
		default:
			r.Skip()
		}
	}
	if family == "" && isHan(text) {
		family = text
	}
	first := strings.Join(given, " ")
	if len(given) > 0 && !isHan(first) {
		first = given[0]
	}
	if family != "" && (first != "" || isHan(family)) {
		keys = p.key(keys, keyed.Name, personName(family, first))
	} else {
		keys = p.key(keys, keyed.Name, text)
	}
	return p.key(keys, keyed.Surname, surname(family, first))
}

func (p *fhirParser) phoneKey(r *fhirReader, keys []ocsf.Key) []ocsf.Key {
	var system, value string
	if !r.Object() {
		return keys
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "system":
			system = string(r.Text())
		case "value":
			value = string(r.Text())
		default:
			r.Skip()
		}
	}
	switch system {
	case "phone", "sms", "":
		if digits(value) >= 7 {
			return p.key(keys, keyed.Phone, value)
		}
	}
	return keys
}

// home appends the tokens of an address and of its building.
func (p *fhirParser) home(keys []ocsf.Key, text string) []ocsf.Key {
	return p.key(p.key(keys, keyed.Address, text), keyed.Building, text)
}

// addressKeys reads an Address; like that of HL7 v2 it is written as a line
// in the order of its script, and once more without the postcode.
func (p *fhirParser) addressKeys(r *fhirReader, keys []ocsf.Key) []ocsf.Key {
	var text, city, district, state, zip string
	var lines []string
	if !r.Object() {
		return keys
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "text":
			text = string(r.Text())
		case "line":
			for l := r.List(); r.More(&l); {
				lines = append(lines, string(r.Text()))
			}
		case "city":
			city = string(r.Text())
		case "district":
			district = string(r.Text())
		case "state":
			state = string(r.Text())
		case "postalCode":
			zip = string(r.Text())
		default:
			r.Skip()
		}
	}
	street := strings.Join(lines, " ")
	if strings.TrimSpace(street) == "" {
		return p.home(keys, text)
	}
	if isHan(street) {
		for _, part := range []string{district, city, state} {
			if part != "" && !strings.Contains(street, part) {
				street = part + street
			}
		}
		return p.home(keys, street)
	}
	short := strings.Join([]string{street, city, state}, " ")
	if zip != "" {
		keys = p.home(keys, short+" "+zip)
	}
	return p.home(keys, short)
}

// uid is the patient's number: the identifier of type MR, else the first,
// else the resource's id.
func (x *personResource) number() string {
	for _, id := range x.identifiers {
		if string(id.kind) == "MR" {
			return cx(id.value)
		}
	}
	if len(x.identifiers) > 0 {
		return cx(x.identifiers[0].value)
	}
	return string(x.id)
}

// patientResource: other numbers of the patient, demographics, next of kin,
// marks, and merges.
func (p *fhirParser) patientResource(data []byte) (*ocsf.Event, string) {
	var x personResource
	if p.in.Person != nil {
		p.person = new(Person)
		defer func() { p.person = nil }()
	}
	if err := x.read(p, "Patient", data); err != nil {
		return nil, err.Error()
	}
	number := x.number()
	e, reason := p.event(&x.careResource, data, number)
	if reason != "" {
		return nil, reason
	}
	facts := x.aliases(e)
	if len(x.keys) > 0 || len(facts) == 0 {
		facts = append(facts, ocsf.Fact{Kind: ocsf.FactDemographics, Keys: x.keys, From: e.Time})
	}
	for i, keys := range x.contacts {
		if len(keys) > 0 {
			facts = append(facts, ocsf.Fact{Kind: ocsf.FactKin, Code: "NK1", ID: strconv.Itoa(i + 1), Keys: keys, From: e.Time})
		}
	}
	for _, c := range x.labels {
		if code := patientMark(c); code != "" {
			facts = append(facts, ocsf.Fact{Kind: ocsf.FactSensitivity, Code: code, From: e.Time})
		}
	}
	x.status = "" // an inactive record still says who the patient is
	e, reason = x.finish(e, facts)
	if reason == "" {
		p.merges(&x, e)
		p.tell(e)
	}
	return e, reason
}

func (x *personResource) aliases(e *ocsf.Event) (facts []ocsf.Fact) {
	add := func(other string) {
		if other != "" && other != e.Patient.UID && !slices.Contains(e.Patient.AltUIDs, other) {
			e.Patient.AltUIDs = append(e.Patient.AltUIDs, other)
			facts = append(facts, ocsf.Fact{Kind: ocsf.FactAlias, Other: other, From: e.Time})
		}
	}
	add(string(x.id))
	for _, id := range x.identifiers {
		add(cx(id.value))
	}
	return facts
}

// patientMark is the mark a security label puts on a patient.
func patientMark(c coding) string {
	switch string(c.code) {
	case "VIP", "CEL":
		return "vip"
	case "R", "V":
		return "protected"
	}
	return sensitivityOfLabel(string(c.code))
}

// merges adds what links say: this record was replaced, or it replaces
// another; seealso and refer are other numbers of the same patient.
func (p *fhirParser) merges(x *personResource, e *ocsf.Event) {
	self := e.Patient.UID
	for _, k := range x.links {
		other := p.resolve(k.other)
		if other == "" || other == self {
			continue
		}
		f := ocsf.Fact{Kind: ocsf.FactMerge, Patient: self, Other: other, From: e.Time}
		switch k.kind {
		case "replaced-by":
			f.Patient, f.Other = other, self
		case "replaces":
		case "refer", "seealso":
			f.Kind = ocsf.FactAlias
		default:
			continue
		}
		e.Care = append(e.Care, f)
	}
}

// relatedPerson: the keys of a next of kin.
func (p *fhirParser) relatedPerson(data []byte) (*ocsf.Event, string) {
	var x personResource
	if err := x.read(p, "RelatedPerson", data); err != nil {
		return nil, err.Error()
	}
	e, reason := p.event(&x.careResource, data, p.resolve(x.subject))
	if reason != "" {
		return nil, reason
	}
	if len(x.keys) == 0 {
		return nil, "RelatedPerson has no name, telecom or address"
	}
	f := ocsf.Fact{Kind: ocsf.FactKin, Code: "NK1", ID: string(x.id), Keys: x.keys, From: e.Time, Retract: x.status == "inactive"}
	x.status = ""
	return x.finish(e, []ocsf.Fact{f})
}
