package simulate

import (
	"encoding/base64"
	"fmt"
	"strconv"
)

// What happens beside the opening of charts: searches, corrections, statistics
// screens, the audit system itself, and whoever watches it. The honest kind of
// each comes first, for a detector that cannot tell the two apart is of no use.

// sideWork is the honest part of a day.
func (r *run) sideWork() {
	if r.day < 0 {
		return
	}
	r.officeSearches()
	r.corrections()
	r.stockScreens()
	if r.h.cfg.Inside {
		r.trails()
	}
}

// officeSearches: the registration desk finds patients by name, phone or
// number, with typing errors.
func (r *run) officeSearches() {
	desk := r.h.department(deptRegister)
	for range r.d.times(float64(r.h.cfg.Staff) * 0.08) {
		at := dayStart(r.day) + r.d.within(8*hour, 17*hour)
		who, p := r.h.onDuty(r.d, desk, at, registrar), pick(r.d, r.h.patients)
		if who == nil || p.canary || r.h.down(at) {
			continue
		}
		found := 1
		if r.d.chance(0.12) {
			found = 0
		}
		r.search(at, who, pick(r.d, []string{"name=" + fullName(p.family, p.given), "phone=" + p.phone}), found)
	}
	if at := dayStart(r.day) + r.d.within(8*hour, 20*hour); r.d.chance(0.5) {
		if who := r.h.onDuty(r.d, pick(r.d, r.h.clinics()), at, nurse); who != nil && !r.h.down(at) {
			p := pick(r.d, r.h.patients)
			r.search(at, who, "name="+fullName(p.family, p.given), 1)
		}
	}
}

// lookUp: who comes to the desk is found by the number on the card.
func (r *run) lookUp(desk *person, p *patient, at tick) {
	l := look{at: at, who: desk, pat: p}
	if r.day >= 0 && desk != nil && r.d.chance(0.25) && r.proper(l) {
		r.search(at, desk, "identifier="+p.id, 1)
	}
}

// search writes the AuditEvent of a query.
func (r *run) search(at tick, who *person, terms string, found int) string {
	uid := r.uuid()
	text := fmt.Sprintf(`{"resourceType":"AuditEvent","id":"%s","type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest"},"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"search-type"}],"action":"E","recorded":"%s","outcome":"0","agent":[{"who":{"identifier":{"value":"%s"}},"requestor":true,"network":{"address":"%s","type":"2"}}],"source":{"site":"emr.ych.example","observer":{"display":"emr-fhir"}},"entity":[{"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"24"},"query":"%s","detail":[{"type":"total","valueString":"%d"}]}]}`,
		uid, r.h.time(at+r.h.skew("fhir")).Format(isoMilli), jsonText(r.h.loginForm(who.account)), who.station, base64.StdEncoding.EncodeToString([]byte("GET Patient?"+terms)), found)
	r.enqueue(at+r.d.within(second, 4*second), "fhir", uid, []byte(text), nil)
	return uid
}

// searchAbuse: one after the other, the names of colleagues and of the famous;
// or numbers, until one belongs to somebody.
func (r *run) searchAbuse() bool {
	who, at := r.working(func(p *person) bool { return p.role == nurse || p.role == resident })
	if who == nil {
		return false
	}
	x := r.newDeed("search-abuse", who)
	if r.d.chance(0.4) {
		first := 5000 + r.d.IntN(1000)
		for i := range r.d.between(14, 25) {
			at += r.d.within(15*second, 90*second)
			x.also(r.search(at, who, fmt.Sprintf("identifier=Q%07d", first+i), 0), at)
		}
		return true
	}
	for range r.d.between(4, 7) {
		at += r.d.within(30*second, 6*minute)
		other := pick(r.d, r.h.staff)
		x.also(r.search(at, who, "name="+other.name(), r.d.IntN(2)), at)
	}
	return true
}

// also adds an event that is no access to the violation.
func (x *deed) also(uid string, at tick) {
	if provisional(uid) {
		x.r.rowIDs[uid] = ""
	}
	x.v.EventUIDs = append(x.v.EventUIDs, uid)
	when := x.r.h.time(at)
	if x.v.First.IsZero() || when.Before(x.v.First) {
		x.v.First = when
	}
	if when.After(x.v.Last) {
		x.v.Last = when
	}
}

// corrections: a note is written, and put right within the hour.
func (r *run) corrections() {
	for _, e := range r.stays {
		at := dayStart(r.day) + r.d.within(9*hour, 15*hour)
		if e.resident == nil || at < e.admit || !r.d.chance(0.05) || r.present(e.resident, e.dept, resident, at) != e.resident {
			continue
		}
		doc := r.newDocument(e)
		r.revise(e.resident, e, at, doc, 1, "a", "C", nil)
		r.revise(e.resident, e, at+r.d.within(5*minute, 50*minute), doc, 2, "b", "U", nil)
	}
}

func (r *run) newDocument(e *encounter) string {
	r.visits++
	return fmt.Sprintf("DocumentReference/D%08d", r.visits)
}

// revise writes one version of a document; the letter stands for its content.
func (r *run) revise(who *person, e *encounter, at tick, doc string, version int, content, verb string, x *deed) {
	l := look{at: at, who: who, pat: e.pat, stay: e, what: note(), verb: verb, channelOnly: "fhir",
		ref: doc + "/_history/" + strconv.Itoa(version), hash: doc[len(doc)-8:] + content}
	switch {
	case x != nil:
		x.look(l)
	case r.proper(l):
		r.emit(l)
	}
}

// editAndRevert: a note is changed in the evening and changed back before
// anybody asks.
func (r *run) editAndRevert() bool {
	for range 40 {
		if len(r.stays) == 0 {
			return false
		}
		e := pick(r.d, r.stays)
		at := dayStart(r.day) + r.d.within(8*hour+10*minute, 9*hour)
		who := e.resident
		if who == nil || r.used[who] || at < e.admit+hour || at+9*hour > e.discharge || who.home == e.pat.home || e.pat.sealed != never || r.present(who, e.dept, resident, at) != who {
			continue
		}
		x, doc := r.newDeed("edit-and-revert", who), r.newDocument(e)
		x.v.Tied = true
		r.revise(who, e, at, doc, 1, "a", "C", nil)
		r.revise(who, e, at+hour, doc, 2, "b", "U", x)
		r.revise(who, e, at+7*hour, doc, 3, "a", "U", x)
		return true
	}
	return false
}

// stockScreens: the pharmacy looks at its stock, and at one drug's use.
func (r *run) stockScreens() {
	for range 3 {
		at := dayStart(r.day) + r.d.within(8*hour, 16*hour)
		if who := r.h.onDuty(r.d, r.h.department(deptPharmacy), at, pharmacist); who != nil && who.his != "" && !r.h.down(at) {
			r.screen(at, who, "药品库存统计")
		}
	}
}

// screen adds a row of the audit table that is about no patient.
func (r *run) screen(at tick, who *person, module string) string {
	r.planned++
	row := &Row{OpTime: r.h.time(at + r.h.skew("sql")), UserCode: r.h.loginForm(who.his), Action: "QUERY", Module: module, ClientIP: who.station}
	id := rowMark + strconv.Itoa(r.planned)
	r.enqueue(at+r.d.within(second, 3*second), "sql", id, nil, row)
	return id
}

// drugStatistics: the statistics of drugs per doctor, for a salesman.
func (r *run) drugStatistics() bool {
	who := r.oneOf(func(p *person) bool {
		from, to, _ := r.h.hours(p, r.day)
		return !r.used[p] && to > from && p.his != "" && p.employed(to) && p.role != manager && p.dept.name != deptPharmacy
	})
	if who == nil {
		return false
	}
	from, to, _ := r.h.hours(who, r.day)
	at := r.d.within(from, to-hour)
	x := r.newDeed("drug-statistics", who)
	for range r.d.between(1, 3) {
		x.also(r.screen(at, who, "医生用药统计"), at)
		at += r.d.within(minute, 10*minute)
	}
	return true
}

// officer is who works with the surveillance system.
func (h *Hospital) officer() *person { return h.department(deptIT).people[0] }

// trails: the officer looks up who opened some records.
func (r *run) trails() {
	who := r.h.officer()
	from, to, _ := r.h.hours(who, r.day)
	for range r.d.between(3, 12) {
		if p := pick(r.d, r.h.patients); to > from && p.home != who.home {
			r.own(r.d.within(from, to), who, "patient-trail", `{"uid":"`+p.id+`","type":"Patient"}`, "")
		}
	}
}

// own writes what the surveillance system tells about its own use.
func (r *run) own(at tick, who *person, operation, resources, about string) string {
	uid := "own-" + r.uuid()
	activity, user := 2, ""
	if about != "" {
		activity, user = 1, `"user":{"name":"`+about+`"},`
	}
	text := fmt.Sprintf(`{"class_uid":6003,"activity_id":%d,"severity_id":1,"status_id":1,"time":%d,"metadata":{"uid":"%s","version":"1.9.0","product":{"name":"Cordon"},"log_name":"cordon","log_provider":"cordon"},"actor":{"user":{"name":"%s"}},"api":{"operation":"%s","service":"cordon"},%s"resources":[%s]}`,
		activity, r.h.time(at).UnixMilli(), uid, who.account, operation, user, resources)
	r.enqueue(at+second, "ocsf", uid, []byte(text), nil)
	return uid
}

// watchers: the officer goes through dozens of trails in an hour, at home.
func (r *run) watchers() bool {
	who := r.h.officer()
	if from, to, _ := r.h.hours(who, r.day); to <= from {
		return false
	}
	x := r.newDeed("watching-the-watchers", who)
	at := dayStart(r.day) + r.d.within(18*hour, 21*hour)
	for range r.d.between(32, 60) {
		x.also(r.own(at, who, "patient-trail", `{"uid":"`+pick(r.d, r.h.patients).id+`","type":"Patient"}`, ""), at)
		at += r.d.within(20*second, 70*second)
	}
	return true
}

// dispute: somebody on the ward opens a record for no reason; only the patient
// can know, and says so some days later.
func (r *run) dispute() bool {
	for range 40 {
		if len(r.stays) == 0 {
			return false
		}
		e := pick(r.d, r.stays)
		at := dayStart(r.day) + r.d.within(9*hour, 21*hour)
		who := r.h.onDuty(r.d, e.dept, at, nurse)
		if who == nil || r.used[who] || at < e.admit || at > e.discharge || who.home == e.pat.home || e.pat.sealed != never || who.dept.account != "" {
			continue
		}
		x := r.newDeed("patient-dispute", who)
		x.v.Tied = true
		l := look{at: at, who: who, pat: e.pat, stay: e, what: note(), channelOnly: "fhir"}
		x.look(l)
		told := at + tick(r.d.between(1, 2))*oneDay
		access := x.v.EventUIDs[0]
		x.also(r.own(told, r.h.officer(), "dispute", fmt.Sprintf(`{"uid":"%s","type":"AuditEvent","labels":["at=%d"]},{"uid":"%s","type":"Patient"}`,
			access, r.h.time(at).UnixMilli(), e.pat.id), who.account), told)
		return true
	}
	return false
}

// tampering: an administrator stops the archive's audit log.
func (r *run) tampering() bool {
	who := r.oneOf(func(p *person) bool { return p.role == itStaff && !r.used[p] && p != r.h.officer() })
	if who == nil {
		return false
	}
	at := dayStart(r.day) + r.d.within(19*hour, 23*hour)
	uid, when := r.uuid(), r.h.time(at+r.h.skew("atna")).Format(isoMilli)
	text := "<85>1 " + when + ` pacs01 ATNA 2114 IHE+RFC-3881 - <AuditMessage><EventIdentification EventActionCode="E" EventDateTime="` + when + `" EventOutcomeIndicator="0"><EventID csd-code="110113" codeSystemName="DCM" originalText="Security Alert"/><EventTypeCode csd-code="110133" codeSystemName="DCM" originalText="Audit Recording Stopped"/></EventIdentification><ActiveParticipant UserID="` +
		xmlText(r.h.loginForm(who.account)) + `" UserIsRequestor="true" NetworkAccessPointID="` + who.station + `" NetworkAccessPointTypeCode="2"/><AuditSourceIdentification AuditEnterpriseSiteID="YCH" AuditSourceID="PACS"/><ParticipantObjectIdentification ParticipantObjectID="auditd" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="13"><ParticipantObjectIDTypeCode csd-code="12" codeSystemName="RFC-3881"/>` +
		detail("X-Request-Id", uid) + `</ParticipantObjectIdentification></AuditMessage>`
	r.enqueue(at+second, "atna", uid, []byte(text), nil)
	r.newDeed("audit-tampering", who).also(uid, at)
	return true
}

// slowExport: a few records every day, never many at once.
func (r *run) slowExport() bool {
	who := r.oneOf(func(p *person) bool {
		return !r.used[p] && p.employed(r.h.end()) && (p.role == coder || p.role == biller)
	})
	if who == nil {
		return false
	}
	x := r.newDeed("slow-export", who)
	for day := r.day; day < min(r.day+20, r.h.cfg.Days); day++ {
		r.later(day, func() {
			from, to, _ := r.h.hours(who, r.day)
			if to <= from {
				return
			}
			at := r.d.within(from, to-hour)
			for range r.d.between(4, 7) {
				x.look(look{at: at, who: who, pat: r.anyone(who), what: results(), verb: "X"})
				at += r.d.within(20*second, 5*minute)
			}
		})
	}
	return true
}
