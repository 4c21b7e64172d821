package normalize

import (
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/ocsf"
)

// hl7Reader walks through one message and collects its facts. Segments are
// read in any message that may hold them; only what a segment's presence
// means (new, changed, cancelled) depends on the message type. From is the
// best time the message gives; Until 0 leaves a relation open.
//
// Cancellations become facts with Retract: all visit facts (A11, A23, A27,
// A38), the location (A12), the discharge (A13, an encounter fact with ID
// "discharge"), the pending location (A26, ID "pending"), appointments (S15,
// S16, S17, S20, S21, S22), orders (ORC-1 CA DC OC CR OD DR), referrals (I14),
// documents (T11), demographics (A29). A45 and its like move one visit: the
// merge fact names the Encounter.
type hl7Reader struct {
	n             *Normalizer
	m             *hl7.Message
	kind, trigger string
	// Segments that others are read with.
	evn, schedule, rf1, tq1 hl7.Segment

	// at is the event's time, happened that of what it tells of (EVN-6, EVN-2).
	at, happened int64
	originalTime string

	patients []ocsf.Patient
	facts    []ocsf.Fact
	// names are the tokens of the current patient's own names.
	names []ocsf.Key
	// told is the caller's, person the patient it is told of while a PID is
	// read.
	told   func(*Person)
	person *Person

	// The patient and visit of the segments being read.
	patient, encounter, department, ward string
	// The order being read: its number, code, time and whether it is off.
	order      string
	orderCode  string
	orderFrom  int64
	orderOff   bool
	orderOfORC bool
}

func newHL7Reader(n *Normalizer, m *hl7.Message) *hl7Reader {
	r := &hl7Reader{n: n, m: m}
	msh, evn := m.Segment("MSH"), m.Segment("EVN")
	r.evn, r.schedule, r.rf1, r.tq1 = evn, m.Segment("SCH"), m.Segment("RF1"), m.Segment("TQ1")
	r.kind, r.trigger = msh.Text(9, 1), msh.Text(9, 2)
	if k, t, ok := strings.Cut(r.kind, "_"); ok && r.trigger == "" {
		r.kind, r.trigger = k, t
	}
	if r.trigger == "" {
		r.trigger = evn.Text(1)
	}
	if s, ok := r.stamp(msh, 7); ok {
		r.at = s.Millis
		if !s.Instant() {
			r.originalTime = msh.Text(7)
		}
	} else {
		r.at = r.otherTime()
	}
	r.happened = r.first(evn, 6, 2)
	if r.happened == 0 {
		r.happened = r.at
	}
	return r
}

// otherTime is when a message without MSH-7 was written, as far as its other
// fields tell; 0 is not at all. The receipt is none: the same file read again
// would give other events.
func (r *hl7Reader) otherTime() int64 {
	if t := r.first(r.evn, 2, 6); t != 0 {
		return t
	}
	for _, at := range []struct {
		segment string
		fields  []int
	}{{"PV1", []int{45, 44}}, {"ORC", []int{9, 15}}, {"OBR", []int{22, 14, 7, 6}}, {"TXA", []int{6, 4}}, {"RF1", []int{7}}} {
		if t := r.first(r.m.Segment(at.segment), at.fields...); t != 0 {
			return t
		}
	}
	return 0
}

func (r *hl7Reader) operation() string {
	if r.trigger == "" {
		return r.kind
	}
	return r.kind + "^" + r.trigger
}

// is says whether the message is an ADT message with one of the triggers.
func (r *hl7Reader) is(triggers ...string) bool {
	if r.kind != "ADT" {
		return false
	}
	for _, t := range triggers {
		if r.trigger == t {
			return true
		}
	}
	return false
}

// aboutCare says whether messages of this type state facts. A query, its
// answer, an acknowledgement or a master file does not.
func (r *hl7Reader) aboutCare() bool {
	switch r.kind {
	case "ADT", "BAR", "DFT", "MDM", "ORM", "OMG", "OML", "OMI", "OMP", "OMD", "OMN", "OMS", "OMB",
		"ORU", "OUL", "OPL", "OPU", "ORA", "RDE", "RDS", "RAS", "RGV", "RDR", "REF", "RRI", "SIU", "SRM",
		"VXU", "PPR", "PGL", "PPP", "PPG", "CCM", "CCR", "CCI", "PPV", "ORP":
		return true
	}
	return false
}

// read collects the facts. The segments before the first PID (EVN, SCH, RF1,
// PRD) belong to the first patient.
func (r *hl7Reader) read() {
	first := r.enter(0)
	if !r.aboutCare() {
		return
	}
	r.header()
	for i, s := range r.m.Segments {
		if s.Is("PID") && i != first {
			r.enter(i)
		}
		if !r.withdrawn() || s.Is("PID") || s.Is("PV1") {
			r.segment(i, s)
		}
	}
	if r.patient != "" && len(r.facts) == 0 {
		r.add(ocsf.Fact{Kind: ocsf.FactDemographics})
	}
}

// withdrawn says that the message takes a visit (A11, A23, A27, A38) or a
// person (A29) back: what it repeats of them are no new facts.
func (r *hl7Reader) withdrawn() bool { return r.is("A11", "A23", "A27", "A38", "A29") }

// enter makes the next patient at or after segment i the current one, and
// returns the position of its PID, or -1.
func (r *hl7Reader) enter(i int) int {
	segs := r.m.Segments
	for i < len(segs) && !segs[i].Is("PID") {
		i++
	}
	if i == len(segs) {
		return -1
	}
	p := r.patientOf(segs[i])
	r.patient, r.encounter, r.department, r.ward = p.UID, segs[i].Text(18), "", ""
	for j := i + 1; j < len(segs) && !segs[j].Is("PID"); j++ {
		if segs[j].Is("PV1") {
			r.visit(segs[j])
			break
		}
	}
	p.Encounter = r.encounter
	if p.UID != "" {
		r.patients = append(r.patients, p)
	}
	return i
}

// visit takes number and place of a visit from PV1.
func (r *hl7Reader) visit(pv1 hl7.Segment) {
	if number := pv1.Text(19); number != "" {
		r.encounter = number
	}
	// Where visits have no number, or the patient's own for all of them, the
	// admission tells them apart.
	if admitted := pv1.Text(44); admitted != "" && (r.encounter == "" || r.encounter == r.patient) {
		r.encounter += "@" + admitted
	}
	r.ward = pv1.Text(3)
	r.department = pv1.Text(10)
	if r.department == "" {
		r.department = pv1.Text(3, 4)
	}
}

// mainPatient is the patient of the event: the first one named. Others of the
// same message (A17, A24, batches of results) are in the facts only.
func (r *hl7Reader) mainPatient() *ocsf.Patient {
	if len(r.patients) == 0 {
		return nil
	}
	return &r.patients[0]
}

// add completes a fact with the current patient, visit and place, and keeps
// it unless the message has said so already.
func (r *hl7Reader) add(f ocsf.Fact) {
	if f.Patient == "" {
		f.Patient = r.patient
	}
	if f.Patient == "" {
		return
	}
	recent := r.facts[max(0, len(r.facts)-manyFacts):]
	for i := range recent {
		if same(&recent[i], &f) {
			return
		}
	}
	r.facts = append(r.facts, f)
}

// What a message may hold before repetitions are no longer looked for, so
// that a hostile one costs no more than its length: facts, keys of one
// person, numbers of one patient, patients of one appointment, segments
// between a booked person and the place.
const (
	manyFacts    = 256
	manyKeys     = 128
	manyNumbers  = 32
	manyPatients = 64
	manySegments = 64
)

// same compares what identifies a fact and leaves times and keys aside.
func same(a, b *ocsf.Fact) bool {
	return a.Kind == b.Kind && a.Patient == b.Patient && a.Other == b.Other && a.Person == b.Person &&
		a.Encounter == b.Encounter && a.ID == b.ID && a.Ward == b.Ward && a.Department == b.Department &&
		a.Code == b.Code && a.Retract == b.Retract && len(a.Keys) == 0 && len(b.Keys) == 0
}

// here fills visit and place into a fact.
func (r *hl7Reader) here(f ocsf.Fact) ocsf.Fact {
	if f.Encounter == "" {
		f.Encounter = r.encounter
	}
	if f.Department == "" {
		f.Department = r.department
	}
	if f.Ward == "" {
		f.Ward = r.ward
	}
	return f
}

// people adds one fact for every person of the given fields (XCN, CNN, NDL:
// the id is the first component).
func (r *hl7Reader) people(s hl7.Segment, f ocsf.Fact, fields ...int) {
	for _, field := range fields {
		for v := range s.Field(field).Repeats() {
			if id := v.Component(1).Sub(1).String(); id != "" {
				f.Person = id
				r.add(r.here(f))
			}
		}
	}
}

// stamp reads the time of a field.
func (r *hl7Reader) stamp(s hl7.Segment, field int) (hl7.Stamp, bool) {
	text := s.Text(field)
	if text == "" {
		return hl7.Stamp{}, false
	}
	return hl7.ParseTime(text, r.n.zone)
}

// first is the first valid time among the fields, in ms, or 0.
func (r *hl7Reader) first(s hl7.Segment, fields ...int) int64 {
	for _, field := range fields {
		if t, ok := r.stamp(s, field); ok {
			return t.Millis
		}
	}
	return 0
}

// or returns a unless it is 0.
func or(a, b int64) int64 {
	if a != 0 {
		return a
	}
	return b
}

// activity is the OCSF activity of the API call: create, update or delete.
func (r *hl7Reader) activity() int {
	if !r.aboutCare() {
		return ocsf.ActivityOther
	}
	for i := range r.facts {
		if f := &r.facts[i]; f.Retract && f.Kind != ocsf.FactSensitivity {
			return ocsf.AccessDelete
		}
	}
	switch r.operation() {
	case "ADT^A01", "ADT^A04", "ADT^A05", "ADT^A14", "ADT^A28", "SIU^S12", "REF^I12",
		"MDM^T01", "MDM^T02", "BAR^P01", "DFT^P03", "DFT^P11":
		return ocsf.AccessCreate
	}
	switch r.m.Segment("ORC").Text(1) {
	case "NW", "RE", "SN":
		return ocsf.AccessCreate
	}
	return ocsf.AccessUpdate
}

// operator is who entered what the message tells of: the first of the fields
// that names somebody, with an id where any has one.
func (r *hl7Reader) operator() ocsf.User {
	if u := r.referrer(); u.Account != "" && r.evn.Field(5).Empty() {
		return u
	}
	var named ocsf.User
	for _, at := range []struct {
		segment string
		field   int
	}{
		{"EVN", 5}, {"ORC", 10}, {"ORC", 19}, {"SCH", 20}, {"SCH", 16}, {"TXA", 11}, {"TXA", 9}, {"FT1", 24},
		{"RXA", 10}, {"OBR", 34}, {"OBR", 32}, {"OBX", 16}, {"TXA", 5}, {"ORC", 12}, {"OBR", 16}, {"RF1", 20},
	} {
		v := r.m.Segment(at.segment).Field(at.field).First()
		u := ocsf.User{Account: v.Component(1).Sub(1).String(), FullName: staffName(v)}
		if u.Account != "" {
			return u
		}
		if named.FullName == "" {
			named = u
		}
	}
	return named
}

// referrer is the referring provider of a referral (PRD with role RP).
func (r *hl7Reader) referrer() ocsf.User {
	for s := range r.m.All("PRD") {
		if s.Text(1) == "RP" {
			name := s.Field(2).First()
			return ocsf.User{
				Account:  s.Text(7),
				FullName: personName(name.Component(1).Sub(1).String(), name.Component(2).String()),
			}
		}
	}
	return ocsf.User{}
}

// staffName is the name in an XCN: family and given name in the order of the
// language they are written in.
func staffName(v hl7.Value) string {
	return personName(v.Component(2).Sub(1).String(), v.Component(3).String())
}

// defaultVisit is the length of an appointment that gives none.
const defaultVisit = time.Hour
