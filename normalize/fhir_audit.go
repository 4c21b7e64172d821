package normalize

import (
	"encoding/base64"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// auditEvent is a FHIR AuditEvent of any release as it stands in the text;
// its slices are used again for the next one.
type auditEvent struct {
	id       []byte
	types    []coding // R4 type, R5 category
	subtypes []coding // R4 subtype, R5 code
	action   []byte
	severity []byte
	// when is the first of occurred[x] and period.start, recorded the other.
	when, recorded []byte
	outcome        []coding
	outcomeText    []byte
	purpose        []coding // purposeOfEvent, authorization, purposeOfUse
	reason         []byte   // the free text of a purpose, or a detail named so
	labels         []coding // meta.security
	agents         []agent
	entities       []entity
	observer       reference
	site           []byte
	patient        reference
	encounter      reference
}

// agent is who or what took part.
type agent struct {
	kinds     []coding // type and role
	who       reference
	altID     []byte
	name      []byte
	requestor bool
	policy    []byte
	address   []byte
	network   []byte // R4 network.type: 1 name, 2 IP, 5 URI
	location  reference
}

// entity is what was touched.
type entity struct {
	what        reference
	kinds       []coding // type
	roles       []coding
	lifecycle   []coding
	labels      []coding
	name        []byte
	query       []byte // base64
	description []byte
	details     []detail
}

// detail is one named property of an entity, decoded.
type detail struct{ kind, value []byte }

// reset empties the event but keeps the room of its slices.
func (a *auditEvent) reset() {
	*a = auditEvent{
		types: a.types[:0], subtypes: a.subtypes[:0], outcome: a.outcome[:0],
		purpose: a.purpose[:0], labels: a.labels[:0], agents: a.agents[:0], entities: a.entities[:0],
	}
}

func (a *auditEvent) newAgent() *agent {
	if len(a.agents) < cap(a.agents) {
		a.agents = a.agents[:len(a.agents)+1]
		g := &a.agents[len(a.agents)-1]
		*g = agent{kinds: g.kinds[:0]}
		return g
	}
	a.agents = append(a.agents, agent{})
	return &a.agents[len(a.agents)-1]
}

func (a *auditEvent) newEntity() *entity {
	if len(a.entities) < cap(a.entities) {
		a.entities = a.entities[:len(a.entities)+1]
		e := &a.entities[len(a.entities)-1]
		*e = entity{kinds: e.kinds[:0], roles: e.roles[:0], lifecycle: e.lifecycle[:0],
			labels: e.labels[:0], details: e.details[:0]}
		return e
	}
	a.entities = append(a.entities, entity{})
	return &a.entities[len(a.entities)-1]
}

// read reads an AuditEvent.
func (a *auditEvent) read(data []byte) error {
	var r fhirReader
	a.reset()
	r.Reset(data)
	r.Object()
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		a.member(&r, name)
	}
	return r.End()
}

func (a *auditEvent) member(r *fhirReader, name []byte) {
	switch string(name) {
	case "id":
		a.id = r.Text()
	case "type", "category":
		a.types = r.concept(a.types, nil)
	case "subtype", "code":
		a.subtypes = r.concept(a.subtypes, nil)
	case "action":
		a.action = a.readCode(r)
	case "severity":
		a.severity = r.Text()
	case "recorded":
		a.recorded = r.Text()
	case "occurredDateTime":
		a.when = r.Text()
	case "period", "occurredPeriod":
		a.when = r.period().start
	case "outcome":
		a.readOutcome(r)
	case "outcomeDesc":
		a.outcomeText = r.Text()
	case "purposeOfEvent", "authorization", "purposeOfUse":
		a.purpose = r.concept(a.purpose, &a.reason)
	case "agent":
		for l := r.List(); r.More(&l); {
			a.newAgent().read(r, a)
		}
	case "entity":
		for l := r.List(); r.More(&l); {
			a.newEntity().read(r, a)
		}
	case "source":
		a.readSource(r)
	case "patient":
		a.patient = r.reference()
	case "encounter":
		a.encounter = r.reference()
	case "meta":
		a.readMeta(r)
	default:
		r.Skip()
	}
}

// readCode reads a code that some senders wrap in a Coding.
func (a *auditEvent) readCode(r *fhirReader) []byte {
	var room [2]coding
	if codes := r.concept(room[:0], nil); len(codes) > 0 {
		return codes[0].code
	}
	return nil
}

// readOutcome reads R4's code, R5's {code, detail} and what lies between.
func (a *auditEvent) readOutcome(r *fhirReader) {
	if r.Kind() != jsonscan.Object {
		a.outcome = append(a.outcome, coding{code: r.Text()})
		return
	}
	r.Object()
	var c coding
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "code":
			if r.Kind() == jsonscan.String {
				c.code = r.Text()
			} else {
				a.outcome = r.concept(a.outcome, nil)
			}
		case "coding":
			a.outcome = r.concept(a.outcome, nil)
		case "system":
			c.system = r.Text()
		case "text":
			a.outcomeText = r.Text()
		case "detail":
			var room [4]coding
			r.concept(room[:0], &a.outcomeText)
		default:
			r.Skip()
		}
	}
	if len(c.code) > 0 {
		a.outcome = append(a.outcome, c)
	}
}

func (a *auditEvent) readSource(r *fhirReader) {
	if !r.Object() {
		return
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "observer":
			a.observer = r.reference()
		case "site":
			if r.Kind() == jsonscan.Object { // R5 has a Reference
				a.site = siteText(r.reference())
			} else {
				a.site = r.Text()
			}
		case "identifier":
			a.observer.identifier = r.identifier()
		default:
			r.Skip()
		}
	}
}

func siteText(ref reference) []byte {
	if len(ref.display) > 0 {
		return ref.display
	}
	_, id := ref.parts()
	return id
}

func (a *auditEvent) readMeta(r *fhirReader) {
	if !r.Object() {
		return
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		if string(name) == "security" {
			a.labels = r.concept(a.labels, nil)
		} else {
			r.Skip()
		}
	}
}

func (g *agent) read(r *fhirReader, a *auditEvent) {
	if !r.Object() {
		return
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "type", "role":
			g.kinds = r.concept(g.kinds, nil)
		case "who":
			g.who = r.reference()
		case "altId":
			g.altID = r.Text()
		case "name":
			g.name = r.Text()
		case "requestor":
			g.requestor = r.Bool()
		case "policy":
			for l := r.List(); r.More(&l); {
				g.policy = r.Text()
			}
		case "purposeOfUse", "authorization":
			a.purpose = r.concept(a.purpose, &a.reason)
		case "network", "networkReference":
			g.readNetwork(r)
		case "networkString":
			g.address = r.Text()
		case "networkUri":
			g.address, g.network = r.Text(), []byte("5")
		case "location":
			g.location = r.reference()
		default:
			r.Skip()
		}
	}
}

func (g *agent) readNetwork(r *fhirReader) {
	if !r.Object() {
		return
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "address", "reference", "display":
			if text := r.Text(); len(g.address) == 0 {
				g.address = text
			}
		case "identifier":
			g.address = r.identifier().value
		case "type":
			g.network = r.Text()
		default:
			r.Skip()
		}
	}
}

func (e *entity) read(r *fhirReader, a *auditEvent) {
	if !r.Object() {
		return
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "what", "reference":
			e.what = r.reference()
		case "identifier": // STU3
			e.what.identifier = r.identifier()
		case "type":
			e.kinds = r.concept(e.kinds, nil)
		case "role":
			e.roles = r.concept(e.roles, nil)
		case "lifecycle":
			e.lifecycle = r.concept(e.lifecycle, nil)
		case "securityLabel":
			e.labels = r.concept(e.labels, nil)
		case "name":
			e.name = r.Text()
		case "query":
			e.query = r.Text()
		case "description":
			e.description = r.Text()
		case "detail":
			for l := r.List(); r.More(&l); {
				e.details = append(e.details, readDetail(r))
			}
		case "agent": // R5: who acted within the entity
			for l := r.List(); r.More(&l); {
				a.newAgent().read(r, a)
			}
		default:
			r.Skip()
		}
	}
}

// readDetail reads one detail; its value has any of a dozen types.
func readDetail(r *fhirReader) (d detail) {
	if !r.Object() {
		return d
	}
	var room [4]coding
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "type":
			if codes := r.concept(room[:0], &d.kind); len(codes) > 0 {
				d.kind = codes[0].code
			}
		case "valueBase64Binary":
			d.value = unbase64(r.Text())
		case "valueString", "valueInteger", "valueBoolean", "valueDateTime", "value":
			d.value = r.Text()
		case "valueCodeableConcept":
			if codes := r.concept(room[:0], &d.value); len(codes) > 0 {
				d.value = codes[0].code
			}
		default:
			r.Skip()
		}
	}
	return d
}

// unbase64 decodes base64 as senders write it: padded or not, either
// alphabet, with line breaks. What is not base64 is nil.
func unbase64(text []byte) []byte {
	clean := make([]byte, 0, len(text))
	for _, c := range text {
		switch c {
		case '-':
			clean = append(clean, '+')
		case '_':
			clean = append(clean, '/')
		case '=', '\n', '\r', ' ', '\t':
		default:
			clean = append(clean, c)
		}
	}
	n, err := base64.RawStdEncoding.Decode(clean, clean)
	if err != nil {
		return nil
	}
	return clean[:n]
}
