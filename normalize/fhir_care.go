package normalize

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/ocsf"
)

// careResource is an Encounter, Appointment, CareTeam, ServiceRequest or
// Condition: one reader for all, because what they share has one meaning and
// what they do not share has names of its own.
type careResource struct {
	header
	status    string
	subject   reference
	encounter reference
	period    period // period, actualPeriod, occurrencePeriod, or start and end
	written   []byte // authoredOn, created, recordedDate
	codes     []coding
	class     []coding
	category  []coding
	reasons   []coding
	people    []participant
	requester reference
	performer []reference
	places    []place
	provider  reference // serviceProvider, managingOrganization
	// bad names the first field whose time could not be read.
	bad string
}

// header is what every resource begins with.
type header struct {
	kind                         string
	id                           []byte
	version, lastUpdated, origin []byte
	labels                       []coding
}

type participant struct {
	roles    []coding
	who      reference
	behalf   reference
	period   period
	declined bool
}

type place struct {
	where  reference
	period period
}

// member reads a member all resources have; ok is false for any other.
func (h *header) member(r *fhirReader, name []byte) (ok bool) {
	switch string(name) {
	case "id":
		h.id = r.Text()
	case "meta":
		if !r.Object() {
			return true
		}
		for name, ok := r.Member(); ok; name, ok = r.Member() {
			switch string(name) {
			case "versionId":
				h.version = r.Text()
			case "lastUpdated":
				h.lastUpdated = r.Text()
			case "source":
				h.origin = r.Text()
			case "security":
				h.labels = r.concept(h.labels, nil)
			default:
				r.Skip()
			}
		}
	default:
		return false
	}
	return true
}

func (c *careResource) read(kind string, data []byte) error {
	var r fhirReader
	c.kind = kind
	r.Reset(data)
	r.Object()
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		if !c.header.member(&r, name) {
			c.member(&r, name)
		}
	}
	return r.End()
}

func (c *careResource) member(r *fhirReader, name []byte) {
	switch string(name) {
	case "status":
		c.status = strings.ToLower(string(r.Text()))
	case "subject", "patient":
		c.subject = r.reference()
	case "encounter", "context":
		c.encounter = r.reference()
	case "period", "actualPeriod", "occurrencePeriod":
		c.period = r.period()
	case "start", "occurrenceDateTime", "plannedStartDate":
		if text := r.Text(); len(c.period.start) == 0 {
			c.period.start = text
		}
	case "end":
		c.period.end = r.Text()
	case "authoredOn", "created", "recordedDate":
		c.written = r.Text()
	case "code":
		c.codes = r.concept(c.codes, nil)
	case "class":
		c.class = r.concept(c.class, nil)
	case "category":
		c.category = r.concept(c.category, nil)
	case "reasonCode", "reason":
		c.reasons = r.concept(c.reasons, nil)
	case "participant":
		for l := r.List(); r.More(&l); {
			c.people = append(c.people, readParticipant(r))
		}
	case "requester", "recorder", "asserter":
		if who := r.reference(); c.requester.empty() {
			c.requester = who
		}
	case "performer":
		for l := r.List(); r.More(&l); {
			c.performer = append(c.performer, r.reference())
		}
	case "location":
		for l := r.List(); r.More(&l); {
			c.places = append(c.places, readPlace(r))
		}
	case "serviceProvider", "managingOrganization":
		c.provider = r.reference()
	default:
		r.Skip()
	}
}

func readParticipant(r *fhirReader) (p participant) {
	if !r.Object() {
		return p
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "type", "role":
			p.roles = r.concept(p.roles, nil)
		case "individual", "actor", "member":
			p.who = r.reference()
		case "onBehalfOf":
			p.behalf = r.reference()
		case "period", "effectivePeriod", "coveragePeriod":
			p.period = r.period()
		case "status":
			p.declined = string(r.Text()) == "declined"
		default:
			r.Skip()
		}
	}
	return p
}

func readPlace(r *fhirReader) (p place) {
	if !r.Object() {
		return p
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "location":
			p.where = r.reference()
		case "period":
			p.period = r.period()
		default:
			r.Skip()
		}
	}
	return p
}

// ms reads a time of a field; an absent one is 0, one that is no time is
// noted in bad.
func (c *careResource) ms(p *fhirParser, field string, text []byte) int64 {
	if len(text) == 0 {
		return 0
	}
	ms, _, ok := parseTime(text, p.n.zone)
	if !ok {
		c.bad = cmp.Or(c.bad, field)
	}
	return ms
}

// end reads the end of a period: a date includes the whole day, as FHIR says.
func (c *careResource) end(p *fhirParser, field string, text []byte) int64 {
	ms := c.ms(p, field, text)
	if ms == 0 {
		return 0
	}
	at := time.UnixMilli(ms).In(p.n.zone)
	switch len(text) {
	case len("2006-01-02"):
		return at.AddDate(0, 0, 1).UnixMilli() - 1
	case len("2006-01"):
		return at.AddDate(0, 1, 0).UnixMilli() - 1
	case len("2006"):
		return at.AddDate(1, 0, 0).UnixMilli() - 1
	}
	return ms
}

// span is a period in ms, with the resource's own as default.
func (c *careResource) span(p *fhirParser, field string, own period) (from, until int64) {
	if len(own.start) == 0 {
		own.start = c.period.start
	}
	if len(own.end) == 0 {
		own.end = c.period.end
	}
	return c.ms(p, field+".start", own.start), c.end(p, field+".end", own.end)
}

// withdrawn says that the resource takes back what an earlier version said.
func (c *careResource) withdrawn() bool {
	switch c.status {
	case "cancelled", "entered-in-error", "revoked":
		return true
	}
	return false
}

// over says that the relation has ended, even where no end is given.
func (c *careResource) over() bool {
	switch c.status {
	case "finished", "completed", "discharged", "discontinued", "inactive", "fulfilled":
		return true
	}
	return false
}

// undated is the time of a person's record that names none: the first second
// of 1970, which no real record has. It is the same at every import, so that
// lake and care graph know the record again, and older than any dated one, so
// that it never overrides what a dated record says. OriginalTime stays empty,
// because the source wrote no time.
const undated = 1000

// time is the resource's last update, else when it was written, else its
// period or that of the first of its people: never the receipt, for the same
// resource must give the same event whenever it is imported. 0 is none.
func (c *careResource) time(p *fhirParser) int64 {
	at := cmp.Or(c.ms(p, "meta.lastUpdated", c.lastUpdated), c.ms(p, "the time of writing", c.written))
	if at == 0 && c.over() {
		at = c.end(p, "period.end", c.period.end)
	}
	at = cmp.Or(at, c.ms(p, "period.start", c.period.start))
	for _, who := range c.people {
		if at == 0 {
			at = c.ms(p, "participant.period.start", who.period.start)
		}
	}
	return at
}

// timeless says whether the resource is of use without a time: who somebody
// is, and an active team, hold until something else is said; that somebody was
// treated at some time does not.
func (c *careResource) timeless() bool {
	switch c.kind {
	case "Patient", "RelatedPerson":
		return true
	case "CareTeam":
		return c.status == "active"
	}
	return false
}

// event makes the event that carries the facts.
func (p *fhirParser) event(c *careResource, data []byte, patient string) (*ocsf.Event, string) {
	if patient == "" {
		return nil, c.kind + " names no patient"
	}
	at := c.time(p)
	if at == 0 && c.timeless() {
		at = undated
	}
	if at == 0 {
		return nil, c.kind + " has no time: meta.lastUpdated, the time of writing and a period are missing"
	}
	e := &ocsf.Event{
		ClassUID: ocsf.APIActivity, ActivityID: ocsf.AccessUpdate, StatusID: ocsf.StatusSuccess, Time: at,
		API:     &ocsf.API{Operation: c.kind, Service: "FHIR"},
		Patient: &ocsf.Patient{UID: patient, Encounter: p.resolve(c.encounter)},
	}
	if c.withdrawn() {
		e.ActivityID = ocsf.AccessDelete
	}
	origin := cmp.Or(string(c.origin), p.in.Source, p.in.Format)
	e.Actor.AppName, e.SrcEndpoint.Name, e.Metadata.Product.Name = origin, origin, origin
	e.Metadata.UID = c.uid(data)
	e.Metadata.EventCode = c.kind
	e.Metadata.LogName = "fhir"
	e.Resources = []ocsf.Resource{{Type: c.kind, UID: string(c.id)}}
	return e, ""
}

// uid names a version of a resource: by its version where it has one, else
// by its content, so that a changed resource is a new event.
func (h *header) uid(data []byte) string {
	version := string(h.version)
	if version == "" {
		sum := sha256.Sum256(jsonscan.AppendCompact(nil, data))
		version = hex.EncodeToString(sum[:8])
	}
	return "fhir:" + h.kind + "/" + string(h.id) + "/" + version
}

// finish sets patient and validity of all facts.
func (c *careResource) finish(e *ocsf.Event, facts []ocsf.Fact) (*ocsf.Event, string) {
	if c.bad != "" {
		return nil, c.kind + ": " + c.bad + " is not a FHIR date or instant"
	}
	for i := range facts {
		f := &facts[i]
		f.Patient = e.Patient.UID
		f.Retract = f.Retract || c.withdrawn()
		if f.Until == 0 && c.over() && f.Kind != ocsf.FactDiagnosis {
			f.Until = e.Time
		}
	}
	e.Care = facts
	return e, ""
}

// staff says whether a reference may be to a member of staff.
func (ref reference) staff() bool {
	switch kind, _ := ref.parts(); string(kind) {
	case "Practitioner", "PractitionerRole", "":
		return !ref.empty()
	}
	return false
}

// encounter: the visit, where it is, who takes part, and why.
func (p *fhirParser) encounter(data []byte) (*ocsf.Event, string) {
	var c careResource
	if err := c.read("Encounter", data); err != nil {
		return nil, err.Error()
	}
	e, reason := p.event(&c, data, p.resolve(c.subject))
	if reason != "" {
		return nil, reason
	}
	visit := string(c.id)
	e.Patient.Encounter = visit
	department := p.named(c.provider)
	from, until := c.span(p, "period", period{})
	from = cmp.Or(from, e.Time)
	facts := []ocsf.Fact{{Kind: ocsf.FactEncounter, Encounter: visit, Department: department, From: from, Until: until}}
	if len(c.class) > 0 {
		facts[0].Code = string(c.class[0].code)
	}
	for _, l := range c.places {
		f := ocsf.Fact{Kind: ocsf.FactLocation, Encounter: visit, Department: department, Ward: p.named(l.where)}
		f.From, f.Until = c.span(p, "location.period", l.period)
		if f.Ward != "" {
			facts = append(facts, f)
		}
	}
	for _, who := range c.people {
		if !who.who.staff() {
			continue
		}
		f := ocsf.Fact{Kind: encounterRole(who.roles), Encounter: visit, Person: p.resolve(who.who), Department: department}
		f.From, f.Until = c.span(p, "participant.period", who.period)
		f.From = cmp.Or(f.From, from)
		facts = append(facts, f)
	}
	return c.finish(e, append(facts, c.diagnoses(c.reasons, visit, from)...))
}

// encounterRole maps v3-ParticipationType.
func encounterRole(roles []coding) ocsf.FactKind {
	for _, c := range roles {
		switch string(c.code) {
		case "ATND", "PPRF":
			return ocsf.FactAttending
		case "CON":
			return ocsf.FactConsulting
		case "ADM":
			return ocsf.FactAdmitting
		case "REF":
			return ocsf.FactReferring
		}
	}
	return ocsf.FactCareTeam
}

// diagnoses makes a fact of each code; its text is not kept.
func (c *careResource) diagnoses(codes []coding, visit string, from int64) (facts []ocsf.Fact) {
	for _, code := range codes {
		facts = append(facts, ocsf.Fact{Kind: ocsf.FactDiagnosis, Encounter: visit, Code: string(code.code), From: from})
	}
	return facts
}

// appointment: whom the patient will see, where and when.
func (p *fhirParser) appointment(data []byte) (*ocsf.Event, string) {
	var c careResource
	if err := c.read("Appointment", data); err != nil {
		return nil, err.Error()
	}
	patient := p.resolve(c.subject)
	var department string
	for _, who := range c.people {
		switch kind, _ := who.who.parts(); string(kind) {
		case "Patient":
			patient = cmp.Or(patient, p.resolve(who.who))
		case "HealthcareService", "Location":
			department = cmp.Or(department, p.named(who.who))
		}
	}
	e, reason := p.event(&c, data, patient)
	if reason != "" {
		return nil, reason
	}
	base := ocsf.Fact{Kind: ocsf.FactAppointment, ID: string(c.id), Department: department}
	base.From, base.Until = c.span(p, "start or end", period{})
	if base.From == 0 {
		return nil, "Appointment has no start"
	}
	var facts []ocsf.Fact
	for _, who := range c.people {
		if kind, _ := who.who.parts(); !who.who.staff() || len(kind) == 0 && p.resolve(who.who) == patient {
			continue
		}
		f := base
		f.Person, f.Retract = p.resolve(who.who), who.declined
		facts = append(facts, f)
	}
	if len(facts) == 0 {
		facts = append(facts, base)
	}
	return c.finish(e, facts)
}

// careTeam: people and departments who care for the patient.
func (p *fhirParser) careTeam(data []byte) (*ocsf.Event, string) {
	var c careResource
	if err := c.read("CareTeam", data); err != nil {
		return nil, err.Error()
	}
	e, reason := p.event(&c, data, p.resolve(c.subject))
	if reason != "" {
		return nil, reason
	}
	var facts []ocsf.Fact
	for _, who := range c.people {
		f := ocsf.Fact{Kind: ocsf.FactCareTeam, ID: string(c.id), Encounter: e.Patient.Encounter}
		f.From, f.Until = c.span(p, "participant.period", who.period)
		f.From = cmp.Or(f.From, e.Time)
		f.Department = p.named(who.behalf)
		switch {
		case who.who.to("Organization"):
			f.Department = p.named(who.who)
		case who.who.staff():
			f.Person = p.resolve(who.who)
		default:
			continue // the patient, a relative, another team
		}
		facts = append(facts, f)
	}
	if len(facts) == 0 {
		return nil, "CareTeam has no participant of the staff"
	}
	return c.finish(e, facts)
}

// serviceRequest: who ordered and who is to perform; a referral where the
// category or code says so.
func (p *fhirParser) serviceRequest(data []byte) (*ocsf.Event, string) {
	var c careResource
	if err := c.read("ServiceRequest", data); err != nil {
		return nil, err.Error()
	}
	e, reason := p.event(&c, data, p.resolve(c.subject))
	if reason != "" {
		return nil, reason
	}
	base := ocsf.Fact{Kind: ocsf.FactOrder, ID: string(c.id), Encounter: e.Patient.Encounter}
	base.From = cmp.Or(c.ms(p, "authoredOn", c.written), c.ms(p, "occurrence", c.period.start), e.Time)
	if len(c.codes) > 0 {
		base.Code = string(c.codes[0].code)
	}
	var facts []ocsf.Fact
	if c.requester.staff() {
		f := base
		f.Person = p.resolve(c.requester)
		facts = append(facts, f)
	}
	base.Kind = ocsf.FactPerformer
	if c.referral() {
		base.Kind = ocsf.FactReferral
	}
	for _, who := range c.performer {
		f := base
		switch {
		case who.to("Organization") || who.to("HealthcareService") || who.to("CareTeam"):
			f.Department = p.named(who)
		case who.staff():
			f.Person = p.resolve(who)
		default:
			continue
		}
		facts = append(facts, f)
	}
	if len(facts) == 0 {
		return nil, "ServiceRequest names neither requester nor performer"
	}
	return c.finishOrder(e, facts)
}

// finishOrder leaves the end of an order open: whoever ordered or performed it
// looks at its result when it is completed.
func (c *careResource) finishOrder(e *ocsf.Event, facts []ocsf.Fact) (*ocsf.Event, string) {
	if c.status == "completed" {
		c.status = ""
	}
	return c.finish(e, facts)
}

// referral knows the SNOMED CT codes of referral and consultation requests.
func (c *careResource) referral() bool {
	for _, list := range [][]coding{c.category, c.codes} {
		for _, code := range list {
			switch string(code.code) {
			case "3457005", "306206005", "referral":
				return true
			}
		}
	}
	return false
}

// condition: a diagnosis, by its codes.
func (p *fhirParser) condition(data []byte) (*ocsf.Event, string) {
	var c careResource
	if err := c.read("Condition", data); err != nil {
		return nil, err.Error()
	}
	e, reason := p.event(&c, data, p.resolve(c.subject))
	if reason != "" {
		return nil, reason
	}
	facts := c.diagnoses(c.codes, e.Patient.Encounter, e.Time)
	if len(facts) == 0 {
		return nil, "Condition has no code"
	}
	return c.finish(e, facts)
}
