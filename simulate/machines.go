package simulate

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// What programs and machines do, beside people: interfaces that are asked,
// images that move, workstations with sticks and web pages, vendors who repair.

// machineWork is the honest part of a day.
func (r *run) machineWork() {
	if r.day < 0 {
		return
	}
	r.statements()
	r.clients()
	r.movedImages()
	r.pages()
	r.service()
	r.operationNotes()
}

// client is a program that uses the FHIR interface from its own network.
type client struct{ name, net string }

func (h *Hospital) clients() []client {
	all := []client{{"lab-gateway", "10.2.1."}, {"ward-tablets", "10.2.2."}, {"discharge-letters", "10.2.3."}, {"followup-app", "10.2.4."}, {"insurance-link", "10.2.5."}, {"kiosk", "10.2.6."}}
	return all[:3+int(h.cfg.Seed%4)]
}

// call writes a request into the access log of the FHIR server. Half of the
// hospitals use nginx's JSON with other names of keys. The id is that of the
// request; a line of such a log has no other.
func (r *run) call(at tick, c client, host int, target string, status, size int) string {
	uid := r.uuid()
	keys := []string{"time_iso8601", "remote_addr", "remote_user", "request", "status", "body_bytes_sent", "http_user_agent", "request_id"}
	if r.h.cfg.Seed%2 == 1 {
		keys = []string{"@timestamp", "client_ip", "client_id", "request", "response_code", "bytes", "user_agent", "x_request_id"}
	}
	line := map[string]any{}
	for i, v := range []any{r.h.time(at).Format(isoMilli), c.net + strconv.Itoa(host), c.name, "GET " + target + " HTTP/1.1", status, size, c.name + "/1.4", uid} {
		line[keys[i]] = v
	}
	b, err := json.Marshal(line)
	if err != nil {
		return "" // cannot happen: strings and numbers
	}
	r.enqueue(at+second, "http", uid, b, nil)
	return uid
}

// clients: each asks for single patients at its pace, and walks a few pages.
func (r *run) clients() {
	for _, c := range r.h.clients() {
		for range r.h.cfg.Staff / 12 {
			at := dayStart(r.day) + r.d.within(6*hour, 23*hour)
			p := pick(r.d, r.h.patients)
			target := pick(r.d, []string{"/fhir/Patient/" + p.id, "/fhir/Observation?patient=" + p.id, "/fhir/Encounter?patient=" + p.id + "&status=in-progress"})
			r.call(at, c, 5+r.d.IntN(4), target, 200, r.d.between(400, 9000))
		}
		at := dayStart(r.day) + r.d.within(6*hour, 20*hour)
		search := r.uuid()
		for page := range r.d.between(1, 4) {
			r.call(at, c, 5, fmt.Sprintf("/fhir?_getpages=%s&_getpagesoffset=%d&_count=20", search, 20*page), 200, 14000)
			at += r.d.within(second, 20*second)
		}
	}
}

// apiMisuse: a program's key in the wrong hands, or a program that takes all.
func (r *run) apiMisuse() bool {
	c := pick(r.d, r.h.clients())
	at := dayStart(r.day) + r.d.within(0, 22*hour)
	x := r.newDeed("api-misuse", nil)
	way := r.d.IntN(4)
	if way == 3 || r.d.chance(0.3) {
		c.net = fmt.Sprintf("10.%d.%d.", r.d.between(90, 99), r.d.between(1, 9))
	}
	host, search, first := 10+r.d.IntN(90), r.uuid(), 1000+r.d.IntN(max(1, len(r.h.patients)-200))
	for i := range r.d.between(35, 90) {
		target := ""
		switch way {
		case 0:
			target = pick(r.d, []string{"/fhir/$export", "/fhir/Group/all/$export?_type=Patient,Condition", "/fhir/Patient/$export?_since=2020-01-01"})
		case 1:
			target = fmt.Sprintf("/fhir?_getpages=%s&_getpagesoffset=%d&_count=100", search, 100*i)
		default:
			target = fmt.Sprintf("/fhir/Patient/P%07d", first+i)
		}
		x.also(r.call(at, c, host, target, 200, r.d.between(4000, 90000)), at)
		if way == 0 {
			return true
		}
		at += r.d.within(second, 25*second)
	}
	return true
}

// moved writes the DICOM audit message of images sent from the archive to an
// application entity; who asked for it is known for some.
func (r *run) moved(at tick, to, address string, p *patient, study string, images int, who *person) string {
	uid, when := r.uuid(), r.h.time(at+r.h.skew("atna")).Format(isoMilli)
	text := "<85>1 " + when + ` pacs01 ATNA 2114 IHE+RFC-3881 - <AuditMessage><EventIdentification EventActionCode="R" EventDateTime="` + when +
		`" EventOutcomeIndicator="0"><EventID csd-code="110104" codeSystemName="DCM" originalText="DICOM Instances Transferred"/></EventIdentification>`
	if who != nil {
		text += `<ActiveParticipant UserID="` + xmlText(r.h.loginForm(who.account)) + `" UserIsRequestor="true" NetworkAccessPointID="` + who.station + `" NetworkAccessPointTypeCode="2"/>`
	}
	text += `<ActiveParticipant UserID="2114" AlternativeUserID="AETITLES=YCHPACS" UserIsRequestor="` + strconv.FormatBool(who == nil) + `" NetworkAccessPointID="10.1.1.20" NetworkAccessPointTypeCode="2"><RoleIDCode csd-code="110153" codeSystemName="DCM" originalText="Source Role ID"/></ActiveParticipant><ActiveParticipant UserID="1" AlternativeUserID="AETITLES=` + to +
		`" UserIsRequestor="false" NetworkAccessPointID="` + address + `" NetworkAccessPointTypeCode="2"><RoleIDCode csd-code="110152" codeSystemName="DCM" originalText="Destination Role ID"/></ActiveParticipant><AuditSourceIdentification AuditEnterpriseSiteID="YCH" AuditSourceID="PACS"/><ParticipantObjectIdentification ParticipantObjectID="` + study +
		`" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="3"><ParticipantObjectIDTypeCode csd-code="110180" codeSystemName="DCM" originalText="Study Instance UID"/><ParticipantObjectDescription><SOPClass UID="1.2.840.10008.5.1.4.1.1.2" NumberOfInstances="` + strconv.Itoa(images) + `"/></ParticipantObjectDescription></ParticipantObjectIdentification><ParticipantObjectIdentification ParticipantObjectID="` + p.id +
		`^^^&amp;2.999.990101.1&amp;ISO" ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1"><ParticipantObjectIDTypeCode csd-code="2" codeSystemName="RFC-3881" originalText="Patient Number"/>` + detail("X-Request-Id", uid) + `</ParticipantObjectIdentification></AuditMessage>`
	r.enqueue(at+second, "atna", uid, []byte(text), nil)
	return uid
}

// about adds a patient to the violation.
func (x *deed) about(p *patient) {
	switch v := x.v; {
	case v.Patient == "":
		v.Patient = p.id
	case v.Patient != p.id && !slices.Contains(v.Patients, p.id):
		v.Patients = append(v.Patients, p.id)
	}
}

func (r *run) study() string { return "2.25.990102" + strconv.Itoa(r.d.between(100000, 99999999)) }

// movedImages: studies go to the stations that show them, at night a day's
// studies to the second archive, and now and then a new machine arrives.
func (r *run) movedImages() {
	for range r.h.cfg.Staff / 8 {
		n := r.d.IntN(9)
		to, address := fmt.Sprintf("VIEW%02d", n), fmt.Sprintf("10.1.2.%d", 20+n)
		r.moved(dayStart(r.day)+r.d.within(7*hour, 20*hour), to, address, pick(r.d, r.h.patients), r.study(), r.d.between(1, 600), nil)
	}
	at := dayStart(r.day) + hour
	for range r.h.cfg.Staff / 6 {
		r.moved(at, "ARCHIVE2", "10.1.1.21", pick(r.d, r.h.patients), r.study(), r.d.between(1, 600), nil)
		at += r.d.within(10*second, 50*second)
	}
	if r.day%11 == 9 {
		for i := range r.d.between(2, 6) { // the engineer's tests
			r.moved(dayStart(r.day)+14*hour+tick(i)*minute, fmt.Sprintf("NEWCT%d", r.day), "10.1.2.77", pick(r.d, r.h.patients), r.study(), r.d.between(1, 300), nil)
		}
	}
}

// pacsBulk: the archive is emptied to somebody's machine.
func (r *run) pacsBulk() bool {
	who, at := r.imagesTaker()
	if who == nil {
		return false
	}
	var x *deed
	to, named := fmt.Sprintf("%s%d", pick(r.d, []string{"LAPTOP", "OSIRIX", "TESTSCU", "WS"}), r.d.between(10, 99)), who
	address, n := who.station, r.d.between(20, 120)
	if r.d.chance(0.5) {
		x, named = r.newDeed("pacs-bulk", nil), nil
		address = r.remote()
	} else {
		x, n = r.newDeed("pacs-bulk", who), r.d.between(75, 140)
		to = "VIEW03"
		if r.d.chance(0.5) {
			x.also(r.wildcard(at-5*minute, who), at-5*minute)
			n = r.d.between(20, 60)
		}
	}
	for range n {
		p := r.quiet()
		x.also(r.moved(at, to, address, p, r.study(), r.d.between(40, 900), named), at)
		x.about(p)
		at += r.d.within(5*second, 25*second)
	}
	return true
}

// imagesTaker is who works with images today and not on their own archive task.
func (r *run) imagesTaker() (*person, tick) {
	who := r.oneOf(func(p *person) bool {
		from, to, _ := r.h.hours(p, r.day)
		return !r.used[p] && to > from && (p.role == researcher || p.pacs != "" && p.role == technician)
	})
	if who == nil {
		return nil, 0
	}
	from, to, _ := r.h.hours(who, r.day)
	return who, r.d.within(from+10*minute, to-hour)
}

// quiet is a patient of no list.
func (r *run) quiet() *patient {
	for range 500 {
		if p := r.stranger(); p != nil {
			return p
		}
	}
	return r.h.patients[len(r.h.patients)-1]
}

// wildcard is a query of the archive for all patients.
func (r *run) wildcard(at tick, who *person) string {
	uid, when := r.uuid(), r.h.time(at+r.h.skew("atna")).Format(isoMilli)
	query := base64.StdEncoding.EncodeToString([]byte("\x08\x00\x52\x00\x08\x00\x00\x00PATIENT \x10\x00\x20\x00\x02\x00\x00\x00* "))
	text := "<85>1 " + when + ` pacs01 ATNA 2114 IHE+RFC-3881 - <AuditMessage><EventIdentification EventActionCode="E" EventDateTime="` + when +
		`" EventOutcomeIndicator="0"><EventID csd-code="110112" codeSystemName="DCM" originalText="Query"/></EventIdentification><ActiveParticipant UserID="` + xmlText(r.h.loginForm(who.account)) +
		`" UserIsRequestor="true" NetworkAccessPointID="` + who.station + `" NetworkAccessPointTypeCode="2"/><AuditSourceIdentification AuditEnterpriseSiteID="YCH" AuditSourceID="PACS"/><ParticipantObjectIdentification ParticipantObjectID="1.2.840.10008.5.1.4.1.2.1.1" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="3"><ParticipantObjectIDTypeCode csd-code="110181" codeSystemName="DCM" originalText="SOP Class UID"/><ParticipantObjectQuery>` +
		query + `</ParticipantObjectQuery>` + detail("X-Request-Id", uid) + `</ParticipantObjectIdentification></AuditMessage>`
	r.enqueue(at+second, "atna", uid, []byte(text), nil)
	return uid
}

// device writes a line of CEF in a syslog record.
func (r *run) device(at tick, address, name, cef, uid string) {
	r.enqueue(at+second, "device", uid, []byte("<134>1 "+r.h.time(at).Format(isoMilli)+" "+address+" "+name+" - - - CEF:0|"+cef), nil)
}

// outward is what a workstation's agent or the web proxy tells of.
func (r *run) outward(at tick, who *person, code, name, rest string) string {
	uid := r.uuid()
	product := "Web Proxy"
	if code == "usb" {
		product = "Endpoint"
	}
	r.device(at, "10.1.4.5", "dlp01", fmt.Sprintf("Invented|%s|3|%s|%s|3|rt=%d externalId=%s suser=%s src=%s %s", product, code, name, r.h.time(at).UnixMilli(), uid,
		r.h.loginForm(who.account), who.station, rest), uid)
	return uid
}

// pages: people read the news and their mail, and offices use sticks.
func (r *run) pages() {
	for range r.h.cfg.Staff {
		who := pick(r.d, r.h.staff)
		from, to, _ := r.h.hours(who, r.day)
		if to <= from {
			continue
		}
		at := r.d.within(from, to)
		switch n := r.d.IntN(100); {
		case n < 60:
			r.outward(at, who, "web", "Request", "request=https://"+pick(r.d, []string{"news.example.cn", "www.nhc.example", "cnki.example"})+"/ requestMethod=GET out=900")
		case n < 85:
			r.outward(at, who, "web", "Request", "request=https://mail.163.com/ requestMethod=GET out=1200")
		case n < 94:
			r.outward(at, who, "web", "Request", fmt.Sprintf("request=https://wx.qq.com/cgi-bin/send requestMethod=POST out=%d", r.d.between(500, 6000)))
		case n < 97:
			r.outward(at, who, "web", "Request", fmt.Sprintf("request=https://mail.qq.com/cgi-bin/upload requestMethod=POST out=%d", r.d.between(30000, 3000000)))
		case office(who.role):
			r.outward(at, who, "usb", "USB storage connected", "act=connect")
		}
	}
}

func office(role string) bool {
	return role == itStaff || role == manager || role == quality || role == coder
}

// exportOut: a few records are exported, and minutes later they leave.
func (r *run) exportOut() bool {
	who := r.oneOf(func(p *person) bool {
		from, to, _ := r.h.hours(p, r.day)
		return !r.used[p] && to > from && p.employed(to) && (p.role == researcher || p.role == resident || p.role == biller || p.role == coder)
	})
	if who == nil {
		return false
	}
	from, to, _ := r.h.hours(who, r.day)
	at := r.d.within(from, max(from, min(to, dayStart(r.day+1))-2*hour))
	x := r.newDeed("export-then-channel", who)
	for range r.d.between(3, 15) {
		x.look(look{at: at, who: who, pat: r.anyone(who), what: results(), verb: "X"})
		at += r.d.within(5*second, 40*second)
	}
	at += r.d.within(3*minute, 24*minute)
	size := fmt.Sprintf("out=%d", r.d.between(200000, 90000000))
	way := pick(r.d, [][3]string{{"usb", "USB storage connected", "act=connect"}, {"usb", "移动存储接入", "act=connect shost=PC-" + who.id},
		{"web", "Request", "request=https://pan.baidu.com/rest/upload requestMethod=POST " + size}, {"web", "Request", "request=https://mail.qq.com/cgi-bin/upload requestMethod=POST " + size},
		{"im", "IM file transfer", "act=send fname=data.zip fsize=900000 app=WeChat"}})
	x.also(r.outward(at, who, way[0], way[1], way[2]), at)
	return true
}

// session writes that a service session began or ended.
func (r *run) session(at tick, who *person, code string) string {
	uid, when := r.uuid(), r.h.time(at+r.h.skew("atna")).Format(isoMilli)
	text := "<85>1 " + when + ` pacs01 ATNA 2114 IHE+RFC-3881 - <AuditMessage><EventIdentification EventActionCode="E" EventDateTime="` + when +
		`" EventOutcomeIndicator="0"><EventID csd-code="110113" codeSystemName="DCM" originalText="Security Alert"/><EventTypeCode csd-code="` + code + `" codeSystemName="DCM" originalText="Remote Service"/></EventIdentification><ActiveParticipant UserID="` +
		xmlText(r.h.loginForm(who.account)) + `" UserIsRequestor="true" NetworkAccessPointID="` + who.station + `" NetworkAccessPointTypeCode="2"/><AuditSourceIdentification AuditEnterpriseSiteID="YCH" AuditSourceID="PACS"/><ParticipantObjectIdentification ParticipantObjectID="gateway" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="13"><ParticipantObjectIDTypeCode csd-code="12" codeSystemName="RFC-3881"/>` +
		detail("X-Request-Id", uid) + `</ParticipantObjectIdentification></AuditMessage>`
	r.enqueue(at+second, "atna", uid, []byte(text), nil)
	return uid
}

// service: whoever has an approval is let in, mostly reads nobody, and is let
// out; what they may read, they read.
func (r *run) service() {
	for i := range r.h.tickets {
		t := &r.h.tickets[i]
		from, to, _ := r.h.hours(t.who, r.day)
		if t.who.role != vendorStaff || t.from > dayStart(r.day) || t.until <= dayStart(r.day) || to <= from {
			continue
		}
		at := r.d.within(from, to-hour)
		r.session(at, t.who, "110139")
		if t.pat != nil && r.d.chance(0.5) {
			r.seeAs(look{at: at + 5*minute, who: t.who, pat: t.pat, what: images(), reason: t.id})
		}
		r.session(at+r.d.within(15*minute, 50*minute), t.who, "110140")
	}
}

// vendorRemote: let in to repair, they read.
func (r *run) vendorRemote() bool {
	who := r.oneOf(func(p *person) bool {
		from, to, _ := r.h.hours(p, r.day)
		return p.role == vendorStaff && to > from // they may do it again
	})
	if who == nil {
		return false
	}
	at := dayStart(r.day) + r.d.within(9*hour, 22*hour)
	x := r.newDeed("vendor-remote", who)
	x.also(r.session(at, who, pick(r.d, []string{"110139", "110139", "110141"})), at)
	for range r.d.between(3, 14) {
		at += r.d.within(20*second, 4*minute)
		x.look(look{at: at, who: who, pat: r.anyone(who), what: pick(r.d, []func() thing{images, chart, results})()})
	}
	if r.d.chance(0.7) {
		r.session(at+5*minute, who, "110140")
	}
	return true
}

func operationNote() thing { return thing{resource: "DocumentReference", name: "Operation note"} }

// operationNotes are read by those who treat.
func (r *run) operationNotes() {
	for _, e := range r.stays {
		at := dayStart(r.day) + r.d.within(8*hour, 16*hour)
		if at > e.admit && at < e.discharge && r.d.chance(0.08) {
			r.see(r.h.onDuty(r.d, e.dept, at, pick(r.d, []string{nurse, resident})), e, at, operationNote())
		}
	}
}

// roleMismatch: who registered the patient may open the record, but has no
// business with the operation.
func (r *run) roleMismatch() bool {
	for range 60 {
		if len(r.stays) == 0 {
			return false
		}
		e := pick(r.d, r.stays)
		for _, who := range r.bonds[e.pat.n].people {
			from, to, _ := r.h.hours(who, r.day)
			if who.role != registrar || r.used[who] || to <= from || who.home == e.pat.home || e.pat.sealed != never {
				continue
			}
			x := r.newDeed("role-mismatch", who)
			x.v.Tied = true
			x.look(look{at: r.d.within(from, to), who: who, pat: e.pat, stay: e, what: operationNote(), channelOnly: "fhir"})
			return true
		}
	}
	return false
}
