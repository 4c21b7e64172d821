package simulate

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// field is the n-th field of a segment.
type field struct {
	n     int
	value string
}

func f(n int, value string) field { return field{n, value} }

// message is an HL7 v2.5.1 message being written, segments ending in CR.
type message struct {
	buf []byte
	id  string
	at  tick // MSH-7
	h   *Hospital
	off bool // the interface does not send such messages
}

// seg adds a segment; fields come in ascending order.
func (m *message) seg(name string, fields ...field) {
	m.buf = append(m.buf, name...)
	n := 0
	for _, x := range fields {
		if x.value == "" {
			continue
		}
		for ; n < x.n; n++ {
			m.buf = append(m.buf, '|')
		}
		m.buf = append(m.buf, x.value...)
	}
	m.buf = append(m.buf, '\r')
}

// esc protects the five encoding characters in free text.
func esc(s string) string {
	if !strings.ContainsAny(s, `|^~\&`) {
		return s
	}
	return strings.NewReplacer(`\`, `\E\`, `|`, `\F\`, `^`, `\S\`, `~`, `\R\`, `&`, `\T\`).Replace(s)
}

func (r *run) stamp(t tick) string { return r.h.time(t).Format("20060102150405-0700") }

func (r *run) newMessage(kind string, at tick) *message {
	r.msgs++
	m := &message{id: fmt.Sprintf("M%09d", r.msgs), at: at, h: r.h, off: !r.h.sends(kind), buf: make([]byte, 0, 900)}
	app := "HIS"
	switch kind[:3] {
	case "ORU":
		app = "LIS"
	case "RDS":
		app = "PHARM"
	}
	m.seg(`MSH|^~\&`, f(1, app), f(2, "YCH"), f(3, "CORDON"), f(4, "YCH"), f(5, r.stamp(at)), f(7, kind), f(8, m.id),
		f(9, "P"), f(10, "2.5.1"), f(13, "AL"), f(14, "NE"), f(15, "CHN"), f(16, "UNICODE UTF-8"))
	return m
}

// post sends the message: it arrives seconds later.
func (r *run) post(m *message) {
	at := r.queued(m.at + r.d.within(second, 3*second))
	if m.off {
		return
	}
	if r.h.is(batches) {
		at += 4*hour - (at%(4*hour)+4*hour)%(4*hour)
	}
	r.enqueue(at, "hl7", m.id, m.buf, nil)
}

// queued is when a message that should arrive at that moment does: an
// interface that is down keeps the order, sends its queue at sixty times the
// pace once it is up, and what comes meanwhile waits behind.
func (r *run) queued(at tick) tick {
	from, to := r.outage[0], r.outage[1]
	drain := (to - from) / 60
	switch {
	case at < from || at >= to+2*drain:
		return at
	case at < to:
		return to + (at-from)/60
	default:
		return to + drain + (at-to)/2
	}
}

// planOutage: every ten days or so the interface engine is down for hours.
func (r *run) planOutage() {
	r.outage = [2]tick{}
	if r.d.chance(0.1) {
		from := dayStart(r.day) + r.d.within(8*hour, 18*hour)
		r.outage = [2]tick{from, from + r.d.within(40*minute, 200*minute)}
	}
}

func xcn(p *person) string {
	if p == nil {
		return ""
	}
	return p.id + "^" + esc(p.family) + "^" + esc(p.given) + "^^^^^^HIS"
}

func xpn(family, given string) string { return esc(family) + "^" + esc(given) }

func cx(id string) string { return id + "^^^YCH^MR" }

func (m *message) evn(r *run, trigger string, occurred tick, operator *person) {
	m.seg("EVN", f(1, trigger), f(2, r.stamp(m.at)), f(5, r.h.typist(operator)), f(6, r.stamp(occurred)))
}

func (m *message) pid(p *patient, id string) {
	if strings.HasPrefix(id, "TMP") {
		m.seg("PID", f(1, "1"), f(3, cx(id)), f(5, "无名氏^"), f(8, p.sex))
		return
	}
	phones := p.phone
	if p.n%3 == 0 {
		phones += "^PRN^CP~" + p.home.phone + "^PRN^PH"
	}
	m.seg("PID", f(1, "1"), f(3, m.h.numbers(p, id)), f(5, xpn(p.family, p.given)), f(7, p.birth), f(8, p.sex), f(11, esc(p.address)),
		f(13, phones), f(19, p.nationalID))
	if p.vip || p.sensitive != "" {
		m.seg("PD1", f(12, "Y"))
	}
}

// relatives writes next of kin.
func (m *message) relatives(p *patient) {
	if k := p.kin; k != nil {
		m.seg("NK1", f(1, "1"), f(2, xpn(k.family, k.given)), f(3, k.relation), f(4, esc(k.address)), f(5, k.phone))
	}
}

// payers writes guarantor and insurance.
func (m *message) payers(p *patient) {
	if k := p.payer; k != nil {
		m.seg("GT1", f(1, "1"), f(3, xpn(k.family, k.given)), f(5, esc(k.address)), f(6, k.phone), f(11, k.relation))
	}
	if p.insured {
		m.seg("IN1", f(1, "1"), f(2, "BMI"), f(3, "990100"), f(4, "云川市医疗保障局"), f(16, xpn(p.family, p.given)),
			f(17, "SEL"), f(18, p.birth), f(19, esc(p.address)))
	}
}

func (e *encounter) place() string { return bedOf(e.dept, e.bed, e.class) }

func bedOf(x *department, bed int, class string) string {
	if class != "I" || bed < 0 {
		return x.wire + "^" + map[string]string{"O": "OPD", "E": "ED"}[class]
	}
	return fmt.Sprintf("%s^%02d^%d", x.wire, 1+bed/3, 1+bed%3)
}

func (m *message) pv1(r *run, e *encounter, prior string) {
	vip, left := "", ""
	if e.pat.vip {
		vip = "VIP"
	}
	if e.discharge <= m.at {
		left = r.stamp(e.discharge)
	}
	m.seg("PV1", f(1, "1"), f(2, e.class), f(3, e.place()), f(4, map[string]string{"E": "E", "I": "R"}[e.class]), f(6, prior),
		f(7, r.h.doctor(e.attending)), f(8, r.h.doctor(e.referring)), f(9, r.h.doctor(e.consultant)), f(10, e.dept.trade), f(16, vip),
		f(17, r.h.doctor(e.admitting)), f(19, r.h.visitNumber(e)), f(44, r.stamp(e.admit)), f(45, left))
}

func (m *message) dg1(r *run, e *encounter, kind string) {
	if r.h.is(noDiagnoses) {
		return
	}
	m.seg("DG1", f(1, "1"), f(3, e.dx.code+"^"+e.dx.name+"^I10"), f(5, r.stamp(e.admit)), f(6, kind))
}

// adt sends an ADT message about a visit.
func (r *run) adt(trigger string, e *encounter, typed, occurred tick, operator *person) {
	m := r.newMessage("ADT^"+trigger+"^"+structure(trigger), typed)
	m.off = m.off || e.walkIn
	m.evn(r, trigger, occurred, operator)
	m.pid(e.pat, e.idAt(e.pat, typed))
	if e.temp == "" || typed >= e.named {
		m.relatives(e.pat)
	}
	m.pv1(r, e, "")
	if trigger != "A11" && trigger != "A13" {
		m.dg1(r, e, "A")
	}
	if trigger == "A01" || trigger == "A04" || trigger == "A06" || trigger == "A08" {
		m.payersIfKnown(e, typed)
	}
	r.post(m)
}

func (m *message) payersIfKnown(e *encounter, at tick) {
	if e.temp == "" || at >= e.named {
		m.payers(e.pat)
	}
}

// structure is the abstract message of a trigger (HL7 table 0354).
func structure(trigger string) string {
	switch trigger {
	case "A01", "A04", "A08", "A13":
		return "ADT_A01"
	case "A11", "A12":
		return "ADT_A09"
	case "A28":
		return "ADT_A05"
	}
	return "ADT_" + trigger
}

func (r *run) transferMessage(trigger string, e *encounter, from *department, bed int, at tick, operator *person) {
	m := r.newMessage("ADT^"+trigger+"^"+structure(trigger), at)
	m.evn(r, trigger, at, operator)
	m.pid(e.pat, e.idAt(e.pat, at))
	m.pv1(r, e, bedOf(from, bed, "I"))
	r.post(m)
}

// merge joins the record of an unknown patient to the right one.
func (r *run) merge(e *encounter, desk *person) {
	m := r.newMessage("ADT^A40^ADT_A39", e.named)
	m.evn(r, "A40", e.named, desk)
	m.pid(e.pat, e.pat.id)
	m.seg("MRG", f(1, cx(e.temp)), f(7, "无名氏^"))
	r.post(m)
}

// loadIndex sends the whole patient index once, as an interface does when it is set up.
func (r *run) loadIndex() {
	step := 6 * hour / tick(len(r.h.patients)+1)
	for i, p := range r.h.patients {
		m := r.newMessage("ADT^A28^ADT_A05", dayStart(r.day)+tick(i)*step)
		m.evn(r, "A28", m.at, nil)
		m.pid(p, p.id)
		m.relatives(p)
		m.seg("PV1", f(1, "1"), f(2, "N"))
		m.payers(p)
		r.post(m)
	}
}

// appointment is a booked slot.
type appointment struct {
	id     string
	pat    *patient
	dept   *department
	doctor *person
	slot   tick
}

func (r *run) schedule(trigger string, a *appointment, at tick, desk *person) {
	m := r.newMessage("SIU^"+trigger+"^SIU_S12", at)
	status := map[string]string{"S12": "Booked", "S13": "Booked", "S15": "Cancelled", "S26": "Noshow"}[trigger]
	slot := r.stamp(a.slot)
	m.seg("SCH", f(1, a.id), f(2, a.id), f(6, "ROUTINE"), f(7, "Clinic visit"), f(9, "15"), f(10, "min"),
		f(11, "^^15^"+slot+"^"+r.stamp(a.slot+15*minute)), f(16, r.h.typist(desk)), f(20, r.h.typist(desk)), f(25, status))
	m.pid(a.pat, a.pat.id)
	m.seg("PV1", f(1, "1"), f(2, "O"), f(3, a.dept.wire+"^OPD"), f(7, r.h.doctor(a.doctor)), f(10, a.dept.trade))
	m.seg("RGS", f(1, "1"), f(2, "A"))
	m.seg("AIL", f(1, "1"), f(3, a.dept.wire+"^OPD"), f(6, slot))
	m.seg("AIP", f(1, "1"), f(3, xcn(a.doctor)), f(4, "D^Attending"), f(6, slot), f(9, "15"), f(10, "min"))
	r.post(m)
}

// referral asks a colleague of another department to see the patient.
func (r *run) referral(e *encounter, at tick, from, to *person) {
	m := r.newMessage("REF^I12^REF_I12", at)
	m.seg("RF1", f(1, "A"), f(2, "R"), f(6, e.id+"R"+strconv.Itoa(r.msgs)), f(7, r.stamp(at)))
	m.provider("RP^Referring Provider", from, e.dept)
	m.provider("RT^Referred to Provider", to, to.dept)
	m.pid(e.pat, e.idAt(e.pat, at))
	m.dg1(r, e, "W")
	m.pv1(r, e, "")
	r.post(m)
}

func (m *message) provider(role string, p *person, x *department) {
	if p != nil {
		m.seg("PRD", f(1, role), f(2, xpn(p.family, p.given)), f(4, x.name), f(7, p.id+"^EI"))
	}
}

// document announces a note: MDM with its author.
func (r *run) document(e *encounter, by *person, at tick, kind, title string) {
	if by == nil {
		return
	}
	m := r.newMessage("MDM^T02^MDM_T02", at)
	m.evn(r, "T02", at, by)
	m.pid(e.pat, e.idAt(e.pat, at))
	m.pv1(r, e, "")
	m.seg("TXA", f(1, "1"), f(2, kind), f(3, "TX"), f(4, r.stamp(at)), f(5, xcn(by)), f(6, r.stamp(at)), f(9, xcn(by)),
		f(12, m.id+"D"), f(16, title), f(17, "AU"))
	m.seg("OBX", f(1, "1"), f(2, "TX"), f(3, kind+"^"+title), f(5, "[text withheld]"), f(11, "F"))
	r.post(m)
	r.seeAs(look{at: at - r.d.within(0, 3*minute), who: by, pat: e.pat, stay: e, what: note(), verb: "C"})
}

type test struct{ code, name string }

// order is a request and those who carry it out.
type order struct {
	id                     string
	e                      *encounter
	what                   test
	by, technician, reader *person
	section                string
	at                     tick
}

func (r *run) newOrder(e *encounter, by *person, at tick, what test) *order {
	r.visits++
	return &order{id: fmt.Sprintf("O%08d", r.visits), e: e, by: by, at: at, what: what}
}

func (r *run) orderMessage(kind string, o *order, typed tick) {
	m := r.newMessage(kind, typed)
	m.pid(o.e.pat, o.e.idAt(o.e.pat, typed))
	m.pv1(r, o.e, "")
	m.seg("ORC", f(1, "NW"), f(2, o.id), f(9, r.stamp(typed)), f(10, xcn(o.by)), f(12, xcn(o.by)), f(13, o.e.place()),
		f(15, r.stamp(o.at)), f(17, o.e.dept.wire))
	m.seg("OBR", f(1, "1"), f(2, o.id), f(4, o.what.code+"^"+o.what.name), f(6, r.stamp(o.at)), f(16, xcn(o.by)), f(24, o.section))
	r.post(m)
}

func (r *run) resultMessage(o *order, at tick) {
	m := r.newMessage("ORU^R01^ORU_R01", at)
	m.pid(o.e.pat, o.e.idAt(o.e.pat, at))
	m.pv1(r, o.e, "")
	m.seg("ORC", f(1, "RE"), f(2, o.id), f(3, o.id+"F"), f(12, xcn(o.by)))
	reader, technician, copyTo := person32(o.reader), person32(o.technician), ""
	if o.what.code == "CULT" {
		copyTo = xcn(r.h.department(deptInfection).people[0])
	}
	m.seg("OBR", f(1, "1"), f(2, o.id), f(3, o.id+"F"), f(4, o.what.code+"^"+o.what.name), f(7, r.stamp(o.at)), f(16, xcn(o.by)),
		f(22, r.stamp(at)), f(24, o.section), f(25, "F"), f(28, copyTo), f(32, reader), f(34, technician))
	m.seg("OBX", f(1, "1"), f(2, "TX"), f(3, o.what.code+"^"+o.what.name), f(5, "[result withheld]"), f(11, "F"))
	r.post(m)
}

// person32 is the NDL type of OBR-32 and OBR-34: the name is its first
// component, so its parts are subcomponents.
func person32(p *person) string {
	if p == nil {
		return ""
	}
	return p.id + "&" + esc(p.family) + "&" + esc(p.given)
}

func (r *run) prescription(o *order, at tick) {
	m := r.newMessage("RDE^O11^RDE_O11", at)
	m.pid(o.e.pat, o.e.idAt(o.e.pat, at))
	m.pv1(r, o.e, "")
	m.seg("ORC", f(1, "NW"), f(2, o.id), f(9, r.stamp(at)), f(10, xcn(o.by)), f(11, xcn(o.technician)), f(12, xcn(o.by)), f(17, o.e.dept.wire))
	m.seg("RXE", f(1, "^^^"+r.stamp(at)), f(2, o.what.code+"^"+o.what.name), f(3, "1"), f(5, "BOX"), f(13, xcn(o.by)), f(14, xcn(o.technician)))
	r.post(m)
}

func (r *run) dispense(o *order, at tick) {
	m := r.newMessage("RDS^O13^RDS_O13", at)
	m.pid(o.e.pat, o.e.idAt(o.e.pat, at))
	m.pv1(r, o.e, "")
	m.seg("ORC", f(1, "RE"), f(2, o.id), f(10, xcn(o.technician)), f(11, xcn(o.technician)), f(12, xcn(o.by)))
	m.seg("RXD", f(1, "1"), f(2, o.what.code+"^"+o.what.name), f(3, r.stamp(at)), f(4, "1"), f(7, o.id), f(10, xcn(o.technician)))
	r.post(m)
}

func (r *run) chargeMessage(e *encounter, clerk *person, at tick) {
	m := r.newMessage("DFT^P03^DFT_P03", at)
	m.evn(r, "P03", at, clerk)
	m.pid(e.pat, e.idAt(e.pat, at))
	m.pv1(r, e, "")
	m.seg("FT1", f(1, "1"), f(2, m.id+"F"), f(4, r.stamp(e.admit)), f(5, r.stamp(at)), f(6, "CG"), f(7, "FEE^诊疗费"), f(10, "1"),
		f(13, e.dept.wire), f(20, r.h.doctor(e.attending)), f(24, r.h.typist(clerk)))
	m.dg1(r, e, "F")
	r.post(m)
}

// accountMessage is the coder's final word on a stay.
func (r *run) accountMessage(e *encounter, who *person, at tick) {
	m := r.newMessage("BAR^P05^BAR_P05", at)
	m.evn(r, "P05", at, who)
	m.pid(e.pat, e.idAt(e.pat, at))
	m.pv1(r, e, "")
	m.dg1(r, e, "F")
	r.post(m)
}

// fileForm is the message as it stands in a file: LF, and a blank line after it.
func fileForm(data []byte) []byte {
	return append(bytes.ReplaceAll(data, []byte{'\r'}, []byte{'\n'}), '\n')
}
