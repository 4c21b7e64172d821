package simulate

import "fmt"

// encounter is a visit or a stay.
type encounter struct {
	id         string
	pat        *patient
	class      string // PV1-2: I, O or E
	dept       *department
	bed        int
	attending  *person
	admitting  *person
	referring  *person
	consultant *person
	resident   *person
	dx         diagnosis
	admit      tick
	since      tick // in this department
	discharge  tick // planned until it happens
	closed     bool
	temp       string // id of an unknown patient
	named      tick   // until the merge
	walkIn     bool   // never registered by HL7
}

// idAt is the id the records used at that moment.
func (e *encounter) idAt(p *patient, at tick) string {
	if e != nil && e.temp != "" && at < e.named {
		return e.temp
	}
	return p.id
}

func (r *run) open(p *patient, x *department, class string, at tick) *encounter {
	r.visits++
	e := &encounter{id: fmt.Sprintf("V%08d", r.visits), pat: p, class: class, dept: x, dx: p.dx, admit: at, since: at, discharge: never, bed: -1}
	if p.specialty.service != x.service && p.sensitive == "" {
		e.dx = pick(r.d, diagnosesOf(x.service))
	}
	b := &r.bonds[p.n]
	b.last = e
	r.concerns(p, x)
	return e
}

// candidate finds a patient who may come to x at that moment, or nil. Four in
// five come for what they usually have.
func (r *run) candidate(x *department, at tick) *patient {
	for range 12 {
		p := pick(r.d, r.h.patients)
		if len(x.known) > 0 && r.d.chance(0.8) {
			p = pick(r.d, x.known)
		}
		if r.free(p, x, at) {
			return p
		}
	}
	return nil
}

func (r *run) free(p *patient, x *department, at tick) bool {
	b := &r.bonds[p.n]
	return !p.canary && at >= b.busy && at >= b.avoid && b.blocked&x.mask() == 0 && at < p.sealed-8*oneDay &&
		(x.name == deptEmergency || fits(p, r.h.start, x.service))
}

// wards lives the day of every bed.
func (r *run) wards() {
	kept := r.stays[:0]
	for _, e := range r.stays {
		r.bedDay(e)
		if !e.closed {
			kept = append(kept, e)
		}
	}
	clear(r.stays[len(kept):])
	r.stays = kept
	for _, x := range r.h.depts {
		r.admissions(x)
	}
}

// admissions fill free beds from the list of those waiting.
func (r *run) admissions(x *department) {
	rate := 0.30
	if r.h.weekend(r.day) {
		rate = 0.10
	}
	for _, taken := range r.beds[x.bit] {
		if taken || !r.d.chance(rate) {
			continue
		}
		at := dayStart(r.day) + r.d.within(8*hour, 17*hour)
		if p := r.candidate(x, at); p != nil {
			e := r.open(p, x, "I", at)
			r.admit(e, "A01")
		}
	}
}

// admit puts a patient to bed; the message may come from an admission desk in
// a hurry, long after the fact.
func (r *run) admit(e *encounter, trigger string) bool {
	if !r.takeBed(e) {
		return false
	}
	e.class = "I"
	e.attending = r.doctorOf(e.dept)
	e.resident = r.h.onDuty(r.d, e.dept, e.admit, resident)
	e.admitting = e.resident
	e.discharge = dayStart(dayOf(e.admit)+r.lengthOfStay()) + r.d.within(9*hour, 12*hour)
	r.bonds[e.pat.n].busy = e.discharge + oneDay
	typed := e.admit
	if r.d.chance(0.06) {
		typed += r.d.within(10*minute, 3*hour)
	}
	desk := r.h.onDuty(r.d, r.h.department(deptRegister), typed, registrar)
	r.adt(trigger, e, typed, e.admit, desk)
	r.see(desk, e, typed-r.d.within(minute, 8*minute), hisScreen("ADMISSION"))
	if trigger == "A01" && r.d.chance(0.015) {
		r.cancelAdmission(e, typed+r.d.within(20*minute, 2*hour), desk)
		return true
	}
	r.stays = append(r.stays, e)
	r.firstHours(e)
	return true
}

// expectCelebrities books a stay for each known face, so that somebody treats them.
func (r *run) expectCelebrities() {
	for _, x := range r.h.watches {
		p := x.pat
		if x.kind != "vip" || p.specialty.beds == 0 {
			continue
		}
		at := dayStart(r.d.between(0, r.h.cfg.Days-1)) + r.d.within(8*hour, 14*hour)
		r.later(dayOf(at), func() {
			if r.free(p, p.specialty, at) {
				r.admit(r.open(p, p.specialty, "I", at), "A01")
			}
		})
	}
}

func (r *run) takeBed(e *encounter) bool {
	beds := r.beds[e.dept.bit]
	for i, taken := range beds {
		if !taken {
			beds[i], e.bed = true, i
			return true
		}
	}
	return false
}

func (r *run) leaveBed(e *encounter) {
	if e.bed >= 0 {
		r.beds[e.dept.bit][e.bed], e.bed = false, -1
	}
}

func (r *run) lengthOfStay() int { return 1 + int(r.d.ExpFloat64()*3.6) }

// doctorOf picks an attending who is there these days.
func (r *run) doctorOf(x *department) *person {
	for range 20 {
		p := pick(r.d, x.people)
		if p.role == attending && p.employed(dayStart(r.day+1)) {
			return p
		}
	}
	return x.people[0]
}

func (r *run) cancelAdmission(e *encounter, at tick, desk *person) {
	r.adt("A11", e, at, at, desk)
	r.see(desk, e, at-minute, hisScreen("ADMISSION"))
	r.leaveBed(e)
	e.closed = true
	r.bonds[e.pat.n].busy = at + oneDay
}

// firstHours: the nurse admits, the resident takes the history and orders.
func (r *run) firstHours(e *encounter) {
	r.see(r.h.onDuty(r.d, e.dept, e.admit, nurse), e, e.admit+r.d.within(5*minute, 30*minute), chart())
	if e.resident == nil {
		return
	}
	at := e.admit + r.d.within(15*minute, 90*minute)
	r.see(e.resident, e, at, chart())
	r.document(e, e.resident, at+20*minute, "HP", "Admission note")
	r.labOrder(e, e.resident, at+25*minute)
	r.medicine(e, e.resident, at+30*minute)
}

// bedDay is the work around one inpatient on one day.
func (r *run) bedDay(e *encounter) {
	from, to := dayStart(r.day), min(dayStart(r.day+1), e.discharge)
	move := to
	if dayOf(e.discharge) > r.day && r.d.chance(0.035) {
		move = from + r.d.within(11*hour, 20*hour)
	}
	r.nursing(e, from, move)
	if move > from+9*hour {
		r.rounds(e, from, move)
	}
	if dayOf(e.discharge) <= r.day {
		r.dischargeStay(e)
		return
	}
	if r.d.chance(0.09) {
		r.consult(e, from+r.d.within(10*hour, 16*hour))
	}
	if r.d.chance(0.04) {
		r.newAttending(e, from+r.d.within(8*hour, 9*hour))
	}
	if move < to {
		r.transfer(e, move)
		r.nursing(e, move, to)
	}
}

// nursing: each shift reads; some read the handover before it begins or stay
// a little after it ended.
func (r *run) nursing(e *encounter, from, to tick) {
	for i, mean := range []float64{1.4, 2.6, 1.8} {
		begin := dayStart(r.day) + tick(i*8)*hour
		lo, hi := max(begin, from), min(begin+8*hour, to)
		if hi <= lo {
			continue
		}
		for range r.d.times(mean * float64(hi-lo) / float64(8*hour)) {
			at := r.d.within(lo, hi)
			r.see(r.h.onDuty(r.d, e.dept, at, nurse), e, at, pick(r.d, []func() thing{vitals, medicines, orders, note})())
		}
		if r.d.chance(0.15) && lo == begin && e.since < begin-hour {
			r.see(r.h.onDuty(r.d, e.dept, begin+minute, nurse), e, begin-r.d.within(minute, 18*minute), note())
		}
		if r.d.chance(0.07) && hi == begin+8*hour {
			r.see(r.h.onDuty(r.d, e.dept, hi-minute, nurse), e, hi+r.d.within(minute, 20*minute), vitals())
		}
	}
}

// rounds: attending and resident, their orders, notes and results.
func (r *run) rounds(e *encounter, from, to tick) {
	doctor := r.present(e.attending, e.dept, attending, from+9*hour)
	for range r.d.times(1.5) {
		r.see(doctor, e, from+r.d.within(8*hour, 11*hour), pick(r.d, []func() thing{chart, note, results})())
	}
	if e.pat.sensitive != "" && doctor == e.attending && r.d.chance(0.5) {
		r.see(doctor, e, from+r.d.within(8*hour, 11*hour), secret())
	}
	junior := r.present(e.resident, e.dept, resident, from+10*hour)
	for range r.d.times(2.2) {
		r.see(junior, e, from+r.d.within(8*hour, min(16*hour, to-from)), pick(r.d, []func() thing{chart, results, orders, note})())
	}
	r.teaching(e, from, to)
	if junior == nil {
		return
	}
	r.dayOrders(e, junior, from)
	r.nightCall(e, from, to)
}

// dayOrders are the notes and orders of a resident's day.
func (r *run) dayOrders(e *encounter, junior *person, from tick) {
	if r.d.chance(0.6) {
		r.document(e, junior, from+r.d.within(9*hour, 16*hour), "PN", "Progress note")
	}
	for range r.d.times(0.7) {
		r.labOrder(e, junior, from+r.d.within(8*hour, 14*hour))
	}
	for range r.d.times(0.15) {
		r.imagingOrder(e, junior, from+r.d.within(9*hour, 14*hour))
	}
	for range r.d.times(0.6) {
		r.medicine(e, junior, from+r.d.within(9*hour, 15*hour))
	}
}

// nightCall: the resident on duty is called to the bed.
func (r *run) nightCall(e *encounter, from, to tick) {
	at := from + r.d.within(18*hour, 24*hour)
	if at < to && r.d.chance(0.2) {
		r.see(r.h.onDuty(r.d, e.dept, at, resident), e, at, chart())
	}
}

// present is p if at work at that moment, else a colleague who is.
func (r *run) present(p *person, x *department, role string, at tick) *person {
	if p != nil {
		for i := range p.shifts {
			if p.shifts[i].covers(at) {
				return p
			}
		}
	}
	return r.h.onDuty(r.d, x, at, role)
}

func (r *run) dischargeStay(e *encounter) {
	desk := r.h.onDuty(r.d, r.h.department(deptRegister), e.discharge, registrar)
	if r.d.chance(0.5) && e.resident != nil {
		r.document(e, e.resident, e.discharge-r.d.within(10*minute, hour), "DS", "Discharge summary")
	}
	if r.d.chance(0.01) {
		r.undoDischarge(e, desk)
		return
	}
	r.adt("A03", e, e.discharge, e.discharge, desk)
	r.leaveBed(e)
	e.closed = true
	r.bonds[e.pat.n].busy = e.discharge + oneDay
	r.gone = append(r.gone, e)
	if len(r.gone) > 4000 {
		r.gone = append([]*encounter{}, r.gone[2000:]...)
	}
	r.afterCare(e)
}

// undoDischarge: discharged too early, taken back the same day.
func (r *run) undoDischarge(e *encounter, desk *person) {
	r.adt("A03", e, e.discharge, e.discharge, desk)
	back := e.discharge + r.d.within(20*minute, 2*hour)
	e.discharge = dayStart(r.day+r.d.between(1, 3)) + r.d.within(9*hour, 12*hour)
	r.adt("A13", e, back, back, desk)
}

// transfer moves a patient to another ward; one in fifty is taken back.
func (r *run) transfer(e *encounter, at tick) {
	x := pick(r.d, r.h.clinics())
	if icu := r.h.department("Intensive Care"); icu != nil && r.d.chance(0.3) {
		x = icu
	}
	if x == e.dept || x.beds == 0 || r.bonds[e.pat.n].blocked&x.mask() != 0 || !fits(e.pat, r.h.start, x.service) {
		return
	}
	old, oldBed := e.dept, e.bed
	e.dept = x
	if !r.takeBed(e) {
		e.dept, e.bed = old, oldBed
		return
	}
	r.concerns(e.pat, x)
	sister := r.h.onDuty(r.d, x, at, nurse)
	r.transferMessage("A02", e, old, oldBed, at, sister)
	if r.d.chance(0.02) {
		r.leaveBed(e)
		e.dept, e.bed = old, oldBed
		r.transferMessage("A12", e, x, 0, at+r.d.within(10*minute, hour), sister)
		return
	}
	r.beds[old.bit][oldBed] = false
	e.since = at
	e.attending = r.doctorOf(x)
	e.resident = r.h.onDuty(r.d, x, at, resident)
	r.adt("A08", e, at+5*minute, at, sister)
	r.see(sister, e, at+r.d.within(2*minute, 20*minute), chart())
	if e.resident != nil {
		r.see(e.resident, e, at+r.d.within(10*minute, 50*minute), chart())
	}
}

// newAttending hands the patient to a colleague.
func (r *run) newAttending(e *encounter, at tick) {
	e.attending = r.doctorOf(e.dept)
	r.adt("A08", e, at, at, r.h.onDuty(r.d, e.dept, at, nurse))
}

// consult asks another department; one in four is by telephone and written
// down a day later.
func (r *run) consult(e *encounter, at tick) {
	x := pick(r.d, r.h.clinics())
	if x == e.dept || r.bonds[e.pat.n].blocked&x.mask() != 0 {
		return
	}
	who := r.h.onDuty(r.d, x, at+hour, attending)
	if who == nil {
		return
	}
	r.concerns(e.pat, x)
	r.see(who, e, at+r.d.within(30*minute, 3*hour), chart())
	r.see(who, e, at+r.d.within(30*minute, 3*hour), results())
	if r.d.chance(0.25) {
		written := at + r.d.within(6*hour, 26*hour)
		r.later(dayOf(written), func() { r.document(e, who, written, "CN", "Consultation") })
		return
	}
	e.consultant = who
	if r.d.chance(0.5) {
		r.referral(e, at, e.resident, who)
		return
	}
	r.adt("A08", e, at, at, r.h.onDuty(r.d, e.dept, at, nurse))
}

// bookings: the day's telephone calls for appointments, and the walk-ins.
func (r *run) bookings() {
	if r.h.weekend(r.day) {
		return
	}
	clinics := r.h.clinics()
	mean := float64(r.h.cfg.Staff) * 0.5 / float64(len(clinics))
	for _, x := range clinics {
		for range r.d.times(mean * 0.75) {
			r.book(x)
		}
		for range r.d.times(mean * 0.25) {
			at := dayStart(r.day) + r.d.within(8*hour, 16*hour)
			if p := r.candidate(x, at); p != nil {
				r.visit(p, x, r.h.onDuty(r.d, x, at, attending), at)
			}
		}
	}
}

func (r *run) book(x *department) {
	at := dayStart(r.day) + r.d.within(8*hour, 17*hour)
	day := r.day + r.d.between(1, 10)
	for r.h.weekend(day) {
		day++
	}
	slot := dayStart(day) + 8*hour + tick(r.d.IntN(32))*15*minute
	p, doctor := r.candidate(x, slot), r.doctorOf(x)
	desk := r.h.onDuty(r.d, r.h.department(deptRegister), at, registrar)
	if p == nil || !doctor.employed(slot) {
		return
	}
	r.concerns(p, x)
	r.visits++
	a := &appointment{id: fmt.Sprintf("A%08d", r.visits), pat: p, dept: x, doctor: doctor, slot: slot}
	r.schedule("S12", a, at, desk)
	r.seeAs(look{at: at - r.d.within(30*second, 4*minute), who: desk, pat: p, what: hisScreen("APPOINTMENT")})
	r.keep(a, desk)
}

// keep decides what becomes of an appointment.
func (r *run) keep(a *appointment, desk *person) {
	switch f := r.d.Float64(); {
	case f < 0.06:
		at := r.d.within(dayStart(r.day)+17*hour, a.slot)
		r.later(dayOf(at), func() { r.schedule("S15", a, at, desk) })
		return
	case f < 0.11:
		at := dayStart(r.day) + r.d.within(17*hour, 18*hour)
		a.slot += oneDay
		if r.h.weekend(dayOf(a.slot)) {
			a.slot += 2 * oneDay
		}
		r.schedule("S13", a, at, desk)
	case f < 0.15:
		r.later(dayOf(a.slot), func() { r.schedule("S26", a, a.slot+hour, desk) })
		return
	}
	if r.d.chance(0.08) {
		r.later(dayOf(a.slot)-1, func() { r.prepare(a) })
	}
	r.later(dayOf(a.slot), func() { r.arrive(a) })
}

// prepare: the doctor reads up the afternoon before.
func (r *run) prepare(a *appointment) {
	at := dayStart(dayOf(a.slot)-1) + r.d.within(13*hour, 17*hour)
	if r.present(a.doctor, a.dept, attending, at) == a.doctor {
		r.seeAs(look{at: at, who: a.doctor, pat: a.pat, what: chart()})
	}
}

func (r *run) arrive(a *appointment) {
	if r.free(a.pat, a.dept, a.slot) {
		r.visit(a.pat, a.dept, r.present(a.doctor, a.dept, attending, a.slot), a.slot-r.d.within(0, 15*minute))
	}
}

// visit is an outpatient's day.
func (r *run) visit(p *patient, x *department, doctor *person, at tick) {
	desk := r.h.onDuty(r.d, r.h.department(deptRegister), at, registrar)
	if doctor == nil {
		return
	}
	e := r.open(p, x, "O", at)
	e.attending = doctor
	e.walkIn = r.h.is(walkIns) && r.d.chance(0.33)
	e.discharge = at + r.d.within(40*minute, 3*hour)
	r.bonds[p.n].busy = e.discharge + hour
	r.adt("A04", e, at, at, desk)
	r.lookUp(desk, p, at-r.d.within(10*second, 2*minute))
	r.see(desk, e, at+r.d.within(0, 2*minute), hisScreen("REGISTRATION"))
	if r.d.chance(0.6) {
		r.see(r.h.onDuty(r.d, x, at, nurse), e, at+r.d.within(3*minute, 15*minute), vitals())
	}
	for range r.d.times(1.8) {
		r.see(doctor, e, at+r.d.within(15*minute, 40*minute), pick(r.d, []func() thing{chart, note, results})())
	}
	if p.sensitive != "" && r.d.chance(0.5) {
		r.see(doctor, e, at+r.d.within(15*minute, 40*minute), secret())
	}
	r.visitWork(e, doctor, at+35*minute)
	r.endVisit(e, desk)
}

func (r *run) visitWork(e *encounter, doctor *person, at tick) {
	if r.d.chance(0.5) {
		r.document(e, doctor, at+5*minute, "PN", "Clinic note")
	}
	if r.d.chance(0.35) {
		r.labOrder(e, doctor, at)
	}
	if r.d.chance(0.12) {
		r.imagingOrder(e, doctor, at)
	}
	if r.d.chance(0.5) {
		r.medicine(e, doctor, at+4*minute)
	}
	if r.d.chance(0.05) {
		r.referOut(e, doctor, at+6*minute)
	}
}

// referOut sends the patient to another clinic, where someone reads the letter.
func (r *run) referOut(e *encounter, doctor *person, at tick) {
	x := pick(r.d, r.h.clinics())
	to := r.h.onDuty(r.d, x, at, attending)
	if to == nil || x == e.dept || r.bonds[e.pat.n].blocked&x.mask() != 0 {
		return
	}
	r.concerns(e.pat, x)
	r.referral(e, at, doctor, to)
	r.see(to, e, at+r.d.within(20*minute, 3*hour), note())
}

func (r *run) endVisit(e *encounter, desk *person) {
	if r.d.chance(0.5) {
		r.adt("A08", e, e.discharge-5*minute, e.discharge-5*minute, desk)
	}
	if r.d.chance(0.5) {
		r.adt("A03", e, e.discharge, e.discharge, desk)
	}
	if r.d.chance(0.8) {
		r.charge(e, e.discharge+r.d.within(2*minute, 30*minute))
	}
}

// emergencies: people come at all hours, most before midnight.
func (r *run) emergencies() {
	ed := r.h.department(deptEmergency)
	mean := float64(r.h.cfg.Staff) * 0.12
	if r.h.is(casualties) && r.day == r.h.cfg.Days/2 {
		mean *= 5
	}
	for range r.d.times(mean) {
		at := dayStart(r.day) + r.d.within(0, oneDay)
		if r.d.chance(0.5) {
			at = dayStart(r.day) + r.d.within(10*hour, 22*hour)
		}
		if p := r.candidate(ed, at); p != nil {
			r.emergency(p, ed, at)
		}
	}
}

func (r *run) emergency(p *patient, ed *department, at tick) {
	doctor := r.h.onDuty(r.d, ed, at, pick(r.d, []string{attending, resident, resident}))
	if doctor == nil {
		return
	}
	e := r.open(p, ed, "E", at)
	e.attending, e.discharge = doctor, at+r.d.within(90*minute, 7*hour)
	r.bonds[p.n].busy = e.discharge + hour
	typed := at
	if r.d.chance(0.12) {
		typed += r.d.within(8*minute, 80*minute)
	}
	if r.d.chance(r.h.nameless()) {
		r.visits++
		e.temp, e.named = fmt.Sprintf("TMP%06d", r.visits), at+r.d.within(80*minute, 6*hour)
	}
	desk := r.h.onDuty(r.d, r.h.department(deptRegister), typed, registrar)
	r.adt("A04", e, typed, at, desk)
	r.see(desk, e, typed+r.d.within(0, 2*minute), hisScreen("REGISTRATION"))
	r.emergencyCare(e, doctor)
	if e.temp != "" {
		r.later(dayOf(e.named), func() { r.merge(e, desk) })
	}
	r.later(dayOf(e.discharge), func() { r.leaveEmergency(e, desk) })
}

func (r *run) emergencyCare(e *encounter, doctor *person) {
	ed, at := e.dept, e.admit
	r.see(r.h.onDuty(r.d, ed, at, nurse), e, at+r.d.within(0, 6*minute), vitals())
	if r.d.chance(0.03) {
		r.seeAs(look{at: at + r.d.within(minute, 5*minute), who: doctor, pat: e.pat, stay: e, what: chart(), glass: true,
			reason: honestReason(r.d)})
	}
	for range r.d.times(2.5) {
		r.see(doctor, e, at+r.d.within(6*minute, 80*minute), pick(r.d, []func() thing{chart, results, note})())
	}
	for range r.d.times(2) {
		t := r.d.within(at, e.discharge)
		r.see(r.h.onDuty(r.d, ed, t, nurse), e, t, pick(r.d, []func() thing{vitals, orders, medicines})())
	}
	if r.d.chance(0.6) {
		r.labOrder(e, doctor, at+12*minute)
	}
	if r.d.chance(0.3) {
		r.imagingOrder(e, doctor, at+15*minute)
	}
	if r.d.chance(0.5) {
		r.medicine(e, doctor, at+25*minute)
	}
}

// leaveEmergency: to a bed, or home.
func (r *run) leaveEmergency(e *encounter, desk *person) {
	at := e.discharge
	x := e.pat.specialty
	if x.beds > 0 && r.bonds[e.pat.n].blocked&x.mask() == 0 && r.d.chance(0.22) {
		stay := *e
		stay.dept, stay.admit, stay.since, stay.bed, stay.dx = x, at, at, -1, e.pat.dx
		if r.admit(&stay, "A06") {
			r.bonds[e.pat.n].last = &stay
			r.concerns(e.pat, x)
			return
		}
	}
	r.adt("A03", e, at, at, desk)
	r.charge(e, at+r.d.within(minute, 40*minute))
}
