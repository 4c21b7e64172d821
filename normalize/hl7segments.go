package normalize

import (
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/ocsf"
)

// header reads EVN: who registered, filed or billed.
func (r *hl7Reader) header() {
	f := ocsf.Fact{Kind: ocsf.FactRegistrar, From: r.happened}
	switch r.kind {
	case "MDM":
		f.Kind = ocsf.FactDocument
		f.ID = r.m.Segment("TXA").Text(12)
	case "DFT", "BAR":
		f.Kind = ocsf.FactBilling
	}
	r.people(r.evn, f, 5)
}

// segment reads segment i.
func (r *hl7Reader) segment(i int, s hl7.Segment) {
	switch s.Name() {
	case "PID":
		r.pid(s)
	case "PD1":
		r.pd1(s)
	case "PV1":
		r.pv1(s)
	case "PV2":
		r.pv2(s)
	case "MRG":
		r.mrg(s)
	case "ROL":
		r.role(s, 2, 3, 4, 5, 6)
	case "PRT":
		r.role(s, 2, 4, 5, 11, 12)
	case "NK1", "GT1", "IN1", "IN2":
		r.kin(s)
	case "ARV", "CON":
		r.restriction(s)
	case "DG1":
		r.dg1(s)
	case "PR1":
		r.people(s, ocsf.Fact{Kind: ocsf.FactPerformer, ID: s.Text(19), From: or(r.first(s, 5), r.happened)}, 8, 11, 12)
	case "SCH":
		r.sch(s)
	case "AIP", "AIL":
		r.resource(i, s)
	case "RF1", "PRD":
		r.referral(s)
	case "TXA":
		r.txa(s)
	case "FT1":
		r.ft1(s)
	default:
		r.orderSegment(i, s)
	}
}

// orderSegment reads the segments of orders and results.
func (r *hl7Reader) orderSegment(i int, s hl7.Segment) {
	performer := ocsf.Fact{Kind: ocsf.FactPerformer, ID: r.order, From: r.orderFrom, Retract: r.orderOff}
	orderer := ocsf.Fact{Kind: ocsf.FactOrder, ID: r.order, Code: r.orderCode, From: r.orderFrom, Retract: r.orderOff}
	switch s.Name() {
	case "ORC":
		r.orc(i, s)
	case "OBR":
		r.obr(s)
	case "OBX":
		performer.From = or(performer.From, r.at)
		r.people(s, performer, 16)
	case "RXO":
		r.people(s, orderer, 14)
		r.people(s, performer, 15)
	case "RXE":
		r.people(s, orderer, 13)
		r.people(s, performer, 14)
	case "RXD":
		performer.From = or(r.first(s, 3), performer.From)
		r.people(s, performer, 10)
	case "RXA":
		performer.From = or(r.first(s, 3), performer.From)
		performer.Retract = r.orderOff || s.Text(21) == "D"
		r.people(s, performer, 10)
	}
}

// pv1 reads visit, place and doctors.
func (r *hl7Reader) pv1(s hl7.Segment) {
	r.visit(s)
	if r.is("A29") {
		return
	}
	if r.kind == "SIU" && s.Text(44) == "" {
		r.booking(s)
		return
	}
	gone := r.withdrawn()
	from := or(r.first(s, 44), r.happened)
	r.encounterFact(s, from, gone)
	r.locations(s, from, gone)
	for _, role := range []struct {
		kind  ocsf.FactKind
		field int
	}{
		{ocsf.FactAttending, 7}, {ocsf.FactReferring, 8}, {ocsf.FactConsulting, 9},
		{ocsf.FactAdmitting, 17}, {ocsf.FactCareTeam, 52},
	} {
		since := from
		if role.field == 7 && r.is("A54") || role.field == 9 && r.is("A61") {
			since = r.happened
		}
		r.people(s, ocsf.Fact{Kind: role.kind, From: since, Until: r.first(s, 45), Retract: gone}, role.field)
	}
	r.vip(s)
}

// encounterFact says when the visit is.
func (r *hl7Reader) encounterFact(s hl7.Segment, from int64, gone bool) {
	if r.encounter == "" && r.ward == "" && s.Text(7) == "" {
		return // a person-level message with an empty PV1
	}
	f := ocsf.Fact{Kind: ocsf.FactEncounter, Code: s.Text(2), From: from, Until: r.first(s, 45), Retract: gone}
	switch {
	case r.is("A03"):
		f.ID = "discharge"
		f.Until = or(f.Until, r.happened)
	case r.is("A13"):
		f.ID, f.Retract, f.Until = "discharge", true, 0
	case r.is("A14", "A05"):
		f.From = or(r.first(r.m.Segment("PV2"), 8), from)
	}
	r.add(r.here(f))
}

// locations says where the patient was (PV1-6), will be or is for the moment
// (PV1-42, PV1-11) and, last, where the bed is (PV1-3).
func (r *hl7Reader) locations(s hl7.Segment, from int64, gone bool) {
	if r.is("A02", "A06", "A07", "A09", "A10", "A17") {
		from = r.happened
		if s.Text(6) != s.Text(3) {
			r.place(s, 6, ocsf.Fact{Until: from})
		}
	}
	if r.is("A12") {
		r.place(s, 6, ocsf.Fact{Retract: true})
	}
	until := r.first(s, 45)
	if r.is("A03") {
		until = or(until, r.happened)
	}
	r.place(s, 42, ocsf.Fact{From: r.happened, Until: until, ID: "pending", Retract: gone || r.is("A26")})
	r.place(s, 11, ocsf.Fact{From: r.happened, Until: until, ID: "temporary", Retract: gone || r.is("A32", "A33")})
	r.place(s, 3, ocsf.Fact{From: from, Until: until, Retract: gone})
}

// place adds a location fact for a PL field, unless that is empty.
func (r *hl7Reader) place(s hl7.Segment, field int, f ocsf.Fact) {
	f.Kind, f.Ward = ocsf.FactLocation, s.Text(field)
	if f.Ward == "" {
		return
	}
	if field != 3 {
		f.Department = s.Text(field, 4)
	}
	r.add(r.here(f))
}

// vip reads PV1-16: any code but no, or the explicit null, which takes it back.
func (r *hl7Reader) vip(s hl7.Segment) {
	v := s.Field(16).First()
	if v.Empty() {
		return
	}
	code := strings.ToUpper(v.Component(1).String())
	no := v.Null() || code == "N" || code == "NO" || code == "0"
	r.add(ocsf.Fact{Kind: ocsf.FactSensitivity, Code: "vip", From: r.happened, Retract: no})
}

// pv2 reads who sent the patient, and the visit's protection.
func (r *hl7Reader) pv2(s hl7.Segment) {
	r.people(s, ocsf.Fact{Kind: ocsf.FactReferring, From: r.happened}, 13)
	r.protection(s, 22, r.encounter)
}

// pd1 reads the patient's own doctor and the record's protection.
func (r *hl7Reader) pd1(s hl7.Segment) {
	r.people(s, ocsf.Fact{Kind: ocsf.FactCareTeam, ID: "primary-care", From: r.happened}, 4)
	r.protection(s, 12, "")
}

// protection reads a protection indicator of the record, or of one visit.
func (r *hl7Reader) protection(s hl7.Segment, field int, encounter string) {
	f := ocsf.Fact{Kind: ocsf.FactSensitivity, Code: "protected", Encounter: encounter, From: r.happened}
	switch strings.ToUpper(s.Text(field)) {
	case "N", "0":
		f.Retract = true
	case "Y", "1":
	default:
		return
	}
	r.add(f)
}

// restriction reads ARV (access restriction) and CON (consent, where it is
// limited or refused).
func (r *hl7Reader) restriction(s hl7.Segment) {
	f := ocsf.Fact{Kind: ocsf.FactSensitivity, From: r.happened}
	if s.Is("CON") {
		status := s.Text(11)
		if status != "L" && status != "R" {
			return
		}
		f.Code = "consent:" + status
		f.From, f.Until = or(r.first(s, 14, 13), f.From), r.first(s, 15)
		r.add(f)
		return
	}
	f.Retract = s.Text(2) == "D"
	if t, ok := hl7.ParseTime(s.Text(6, 1), r.n.zone); ok {
		f.From = t.Millis
	}
	if t, ok := hl7.ParseTime(s.Text(6, 2), r.n.zone); ok {
		f.Until = t.Millis
	}
	for v := range s.Field(3).Repeats() {
		code := v.Component(1).Sub(1).String()
		if f.Code = sensitivityOfLabel(code); f.Code == "" {
			f.Code = "restricted:" + code
		}
		r.add(f)
	}
}

// mrg reads which number gives way to which.
func (r *hl7Reader) mrg(s hl7.Segment) {
	if r.kind != "ADT" {
		return
	}
	f := ocsf.Fact{Kind: ocsf.FactMerge, From: r.happened}
	field := 1
	switch r.trigger {
	case "A18", "A30", "A34", "A36", "A40", "A43", "A47":
	case "A39", "A46":
		field = 4
	case "A48":
		field = 2
	case "A44", "A45":
		f.Encounter = s.Text(5)
		if f.Encounter == "" {
			f.Encounter = r.encounter
		}
	default:
		return // A35, A41, A42, A49 to A51 renumber accounts and visits only
	}
	old := s.Field(field)
	if old.Empty() {
		old = s.Field(1)
	}
	for v := range old.Repeats() {
		if f.Other = v.Component(1).Sub(1).String(); f.Other != "" && f.Other != r.patient {
			r.add(f)
		}
	}
}

// role reads ROL and PRT: action, role, people, from, until.
func (r *hl7Reader) role(s hl7.Segment, action, role, people, from, until int) {
	f := ocsf.Fact{Kind: ocsf.FactCareTeam, From: or(r.first(s, from), r.happened), Until: r.first(s, until)}
	switch s.Text(role) {
	case "AT":
		f.Kind = ocsf.FactAttending
	case "AD":
		f.Kind = ocsf.FactAdmitting
	case "CP", "CONS":
		f.Kind = ocsf.FactConsulting
	case "RP", "RF":
		f.Kind = ocsf.FactReferring
	case "OP", "ORDPROV":
		f.Kind = ocsf.FactOrder
		f.ID = r.order
	}
	switch s.Text(action) {
	case "DE", "UN", "D":
		f.Retract = true
	}
	r.people(s, f, people)
}

// dg1 reads the diagnosis' code and who made it.
func (r *hl7Reader) dg1(s hl7.Segment) {
	code := s.Text(3)
	gone := s.Text(21) == "D"
	from := or(r.first(s, 5, 19), r.happened)
	if code != "" {
		r.add(r.here(ocsf.Fact{Kind: ocsf.FactDiagnosis, Code: code, From: from, Retract: gone}))
	}
	r.people(s, ocsf.Fact{Kind: ocsf.FactPerformer, ID: "diagnosis", From: from, Retract: gone}, 16)
}

// orc reads an order: its number, whether it is off, and who had it made.
func (r *hl7Reader) orc(i int, s hl7.Segment) {
	r.order, r.orderOfORC = orderNumber(s, 2, 3, 4), true
	r.orderCode = r.nextOrderCode(i)
	r.orderFrom = or(r.first(s, 9, 15), r.at)
	r.orderOff = orderOff(s.Text(1), s.Text(5))
	f := ocsf.Fact{ID: r.order, From: r.orderFrom, Retract: r.orderOff}
	f.Kind, f.Code = ocsf.FactOrder, r.orderCode
	f.Department = s.Text(17)
	r.people(s, f, 12)
	f.Kind, f.Code, f.Department = ocsf.FactPerformer, "", ""
	r.people(s, f, 10, 11, 19)
}

func orderNumber(s hl7.Segment, fields ...int) string {
	for _, field := range fields {
		if id := s.Text(field); id != "" {
			return id
		}
	}
	return ""
}

// orderOff says whether an order is cancelled or stopped: by its control code
// (table 0119) or, unless it is new, by its status (table 0038).
func orderOff(control, status string) bool {
	switch control {
	case "CA", "DC", "OC", "OD", "CR", "DR":
		return true
	case "NW", "RE":
		return false
	}
	return status == "CA" || status == "DC"
}

// nextOrderCode is the code of what is ordered: in the order's detail segment.
func (r *hl7Reader) nextOrderCode(i int) string {
	for _, s := range r.m.Segments[i+1:] {
		switch s.Name() {
		case "ORC":
			return ""
		case "OBR":
			return s.Text(4)
		case "RXO":
			return s.Text(1)
		case "RXE", "RXD":
			return s.Text(2)
		case "RXA":
			return s.Text(5)
		}
	}
	return ""
}

// obr reads who ordered and who did an examination. Its times, not those of
// the order, bound what was done.
func (r *hl7Reader) obr(s hl7.Segment) {
	if id := orderNumber(s, 2, 3); !r.orderOfORC || r.order == "" {
		r.order, r.orderCode = id, s.Text(4)
		r.orderFrom = or(r.first(s, 6, 7), r.at)
	}
	f := ocsf.Fact{Kind: ocsf.FactOrder, ID: r.order, Code: r.orderCode, From: r.orderFrom, Retract: r.orderOff}
	r.people(s, f, 16)
	f.Kind, f.Code = ocsf.FactPerformer, ""
	f.From = or(r.first(s, 7, 22, 36), f.From)
	r.people(s, f, 10, 28, 32, 33, 34, 35)
}

// sch reads who books an appointment. The people booked follow in AIP.
func (r *hl7Reader) sch(s hl7.Segment) {
	r.people(s, ocsf.Fact{Kind: ocsf.FactRegistrar, From: r.at}, 16, 20)
}

// booking reads the PV1 of a visit that is only booked: its doctors have to do
// with the appointment, and nobody lies anywhere yet.
func (r *hl7Reader) booking(pv1 hl7.Segment) {
	sch, booked := r.schedule, r.m.Segment("AIP")
	if booked.Missing() {
		booked = r.m.Segment("AIL")
	}
	f := ocsf.Fact{Kind: ocsf.FactAppointment, ID: orderNumber(sch, 2, 1), Retract: r.appointmentOff(sch, booked)}
	f.From, f.Until = r.slot(sch, booked)
	r.people(pv1, f, 7, 9, 17, 52)
	f.Kind, f.From = ocsf.FactReferring, min(r.at, f.From)
	r.people(pv1, f, 8)
	r.vip(pv1)
}

// resource reads AIP (a person booked) and AIL (a place booked where no
// person is) for every patient of the appointment.
func (r *hl7Reader) resource(i int, s hl7.Segment) {
	sch := r.schedule
	f := ocsf.Fact{Kind: ocsf.FactAppointment, ID: orderNumber(sch, 2, 1), Retract: r.appointmentOff(sch, s)}
	f.From, f.Until = r.slot(sch, s)
	if s.Is("AIL") {
		if f.Ward = s.Text(3); f.Ward == "" {
			return
		}
	} else {
		f.Ward = r.nearbyWard(i)
	}
	current, visit := r.patient, r.encounter
	for _, p := range r.patients[:min(len(r.patients), manyPatients)] {
		r.patient, r.encounter = p.UID, p.Encounter
		if s.Is("AIL") {
			r.add(r.here(f))
		} else {
			r.people(s, f, 3)
		}
	}
	r.patient, r.encounter = current, visit
}

// nearbyWard is the place booked in the same resource group (RGS) as AIP i.
func (r *hl7Reader) nearbyWard(i int) string {
	segs := r.m.Segments
	begin := i
	for begin > max(0, i-manySegments) && !segs[begin].Is("RGS") && !segs[begin].Is("PID") {
		begin--
	}
	for _, s := range segs[begin+1 : min(len(segs), i+manySegments)] {
		if s.Is("RGS") {
			break
		}
		if s.Is("AIL") {
			return s.Text(3)
		}
	}
	return ""
}

// appointmentOff says whether the appointment or this part of it is off.
func (r *hl7Reader) appointmentOff(sch, s hl7.Segment) bool {
	switch r.trigger {
	case "S15", "S16", "S17", "S20", "S21", "S22":
		return true
	}
	for _, status := range []string{sch.Text(25), s.Text(12), s.Text(2)} {
		switch strings.ToUpper(status) {
		case "CANCELLED", "CANCELED", "DELETED", "DISCONTINUED", "DC", "CA", "D", "DELETE":
			return true
		}
	}
	return false
}

// slot is when the resource is booked: its own time (AIP-6 to 10), the
// appointment's (TQ1-7, SCH-11), or the message's; an hour where no length is
// given.
func (r *hl7Reader) slot(sch, s hl7.Segment) (from, until int64) {
	if from = r.first(s, 6); from != 0 {
		from += duration(s.Text(7), s.Text(8), 0).Milliseconds()
	}
	if from == 0 {
		from, until = r.first(r.tq1, 7), r.first(r.tq1, 8)
	}
	if from == 0 {
		from, until = r.timing(sch, 4), r.timing(sch, 5)
	}
	if from == 0 {
		return r.at, r.at + defaultVisit.Milliseconds()
	}
	if until <= from {
		length := duration(s.Text(9), s.Text(10), 0)
		if length == 0 {
			length = duration(sch.Text(9), sch.Text(10), defaultVisit)
		}
		until = from + length.Milliseconds()
	}
	return from, until
}

// timing reads a component of SCH-11 (TQ): 4 start, 5 end.
func (r *hl7Reader) timing(sch hl7.Segment, component int) int64 {
	t, ok := hl7.ParseTime(sch.Text(11, component), r.n.zone)
	if !ok {
		return 0
	}
	return t.Millis
}

// duration reads a number and its unit as senders write it.
func duration(number, unit string, absent time.Duration) time.Duration {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n <= 0 || n > 100_000 {
		return absent
	}
	scale := time.Minute
	switch u := strings.ToLower(unit); {
	case strings.HasPrefix(u, "s"):
		scale = time.Second
	case strings.HasPrefix(u, "h"), u == "小时":
		scale = time.Hour
	case strings.HasPrefix(u, "d"), u == "天":
		scale = 24 * time.Hour
	case strings.HasPrefix(u, "w"), u == "周":
		scale = 7 * 24 * time.Hour
	}
	return time.Duration(n * float64(scale))
}

// referral reads RF1 and PRD.
func (r *hl7Reader) referral(s hl7.Segment) {
	rf1 := r.rf1
	f := ocsf.Fact{Kind: ocsf.FactReferral, ID: orderNumber(rf1, 6, 11), From: or(r.first(rf1, 7), r.at), Until: r.first(rf1, 8)}
	f.Retract = r.trigger == "I14" || strings.HasPrefix(rf1.Text(1), "C") || rf1.Text(25) == "D"
	if s.Is("RF1") {
		r.people(s, f, 20)
		return
	}
	r.people(s, f, 7)
}

// txa reads who wrote, signed, typed and received a document.
func (r *hl7Reader) txa(s hl7.Segment) {
	f := ocsf.Fact{Kind: ocsf.FactDocument, ID: s.Text(12), Code: s.Text(2), From: or(r.first(s, 4, 6), r.happened)}
	f.Retract = r.trigger == "T11" || s.Text(19) == "CA"
	r.people(s, f, 5, 9, 10, 11, 22, 23)
}

// ft1 reads a charge: who did, ordered and entered it. Where nobody is named
// the fact still says that the case is to be billed.
func (r *hl7Reader) ft1(s hl7.Segment) {
	f := ocsf.Fact{ID: s.Text(2), Department: s.Text(13), From: or(r.first(s, 4, 5), r.happened)}
	f.Kind = ocsf.FactPerformer
	r.people(s, f, 20)
	f.Kind = ocsf.FactOrder
	r.people(s, f, 21)
	f.Kind = ocsf.FactBilling
	r.people(s, f, 24)
	if s.Text(24) == "" && r.evn.Text(5) == "" {
		r.add(r.here(f))
	}
}
