package simulate

import "strings"

// oddities is the legitimate work that looks strange from outside.
func (r *run) oddities() {
	r.wardLists()
	r.surveillance()
	r.clinicalPharmacy()
	r.comparisons()
	r.ticketWork()
	r.crossCover()
	r.unwritten()
	r.videoConsults()
	r.coordination()
	r.typedIn()
}

// history: people now on long leave worked here once; their last access is
// months old and has its document.
func (r *run) history() {
	for _, p := range r.h.staff {
		if !p.leave {
			continue
		}
		at := -tick(r.d.between(110, 190))*oneDay + 10*hour
		if pat := r.candidate(p.dept, at); pat != nil && pat.self != p && pat.home != p.home {
			e := r.open(pat, p.dept, "O", at)
			e.attending, e.discharge = r.doctorOf(p.dept), at+hour
			r.adt("A04", e, at, at, nil)
			m := r.newMessage("MDM^T02^MDM_T02", at+10*minute)
			m.evn(r, "T02", m.at, p)
			m.pid(pat, pat.id)
			m.pv1(r, e, "")
			m.seg("TXA", f(1, "1"), f(2, "PN"), f(3, "TX"), f(4, r.stamp(m.at)), f(5, xcn(p)), f(9, xcn(p)), f(12, m.id+"D"), f(17, "AU"))
			r.post(m)
			r.emit(look{at: at + 9*minute, who: p, pat: pat, stay: e, what: note()})
		}
	}
}

// wardLists: at the start of a shift somebody opens the list of the ward; six
// patients stand on the screen, though one was meant.
func (r *run) wardLists() {
	for i, e := range r.stays {
		if i%7 != r.day%7 && !r.d.chance(0.1) {
			continue
		}
		begin := dayStart(r.day) + pick(r.d, []tick{0, 8, 16})*hour
		who := r.h.onDuty(r.d, e.dept, begin, nurse)
		l := look{at: begin + r.d.within(0, 12*minute), who: who, pat: e.pat, stay: e, what: worklist(), verb: "E"}
		for _, o := range r.stays {
			if o.dept == e.dept && o != e && o.since < begin && len(l.list) < 5 && r.proper(look{at: begin, who: who, pat: o.pat}) {
				l.list = append(l.list, o.pat)
			}
		}
		if l.list != nil && e.since < begin && r.proper(l) {
			r.emit(l)
			r.todayN++
		}
	}
}

// surveillance: infection control looks at infections, order or not.
func (r *run) surveillance() {
	for _, who := range r.h.department(deptInfection).people {
		from, to, _ := r.h.hours(who, r.day)
		for _, e := range r.stays {
			if to > from && infectious(e.dx.code) && r.d.chance(0.25) {
				r.see(who, e, r.d.within(max(from, e.admit), to), results())
			}
		}
	}
}

func infectious(code string) bool {
	for _, prefix := range []string{"A", "B", "J15", "J18", "N39", "R57"} {
		if strings.HasPrefix(code, prefix) {
			return true
		}
	}
	return false
}

// clinicalPharmacy reviews therapies nobody asked about.
func (r *run) clinicalPharmacy() {
	x := r.h.department(deptPharmacy)
	for _, e := range r.stays {
		if r.d.chance(0.05) {
			at := dayStart(r.day) + r.d.within(9*hour, 16*hour)
			if at > e.admit {
				r.concerns(e.pat, x)
				r.see(r.h.onDuty(r.d, x, at, pharmacist), e, at, medicines())
			}
		}
	}
}

// comparisons: radiologists open earlier pictures of similar patients.
func (r *run) comparisons() {
	x := r.h.department(deptImaging)
	for _, e := range r.stays {
		if r.d.chance(0.015) {
			at := dayStart(r.day) + r.d.within(9*hour, 16*hour)
			if at > e.admit {
				r.concerns(e.pat, x)
				r.see(r.h.onDuty(r.d, x, at, attending), e, at, images())
			}
		}
	}
}

// ticketWork: research, quality review and repairs, each with its approval.
func (r *run) ticketWork() {
	for i := range r.h.tickets {
		t := &r.h.tickets[i]
		if t.from > dayStart(r.day) || t.until <= dayStart(r.day) {
			continue
		}
		from, to, _ := r.h.hours(t.who, r.day)
		if to <= from {
			continue
		}
		switch {
		case t.pat != nil:
			r.repair(t, from, to)
		case t.dept != nil && t.who.role == researcher:
			r.research(t, from, to)
		case t.dept != nil:
			r.review(t, from, to)
		}
	}
}

// repair: the vendor works at night's edge, IT in office hours; both on one record.
func (r *run) repair(t *ticket, from, to tick) {
	if t.who.role == vendorStaff || r.d.chance(0.6) {
		r.seeAs(look{at: r.d.within(from, to), who: t.who, pat: t.pat, what: hisScreen("MAINTENANCE"), verb: "U", reason: t.id})
	}
}

func (r *run) research(t *ticket, from, to tick) {
	if r.day == dayOf(t.from)+3 {
		r.approvedExport(t, from, to)
		return
	}
	for range r.d.between(4, 14) {
		if e := r.past(t.dept); e != nil {
			r.see(t.who, e, r.d.within(from, to), pick(r.d, []func() thing{note, results})())
		}
	}
}

// approvedExport: the data set the ethics board allowed, in one afternoon.
func (r *run) approvedExport(t *ticket, from, to tick) {
	at := r.d.within(from, to-hour)
	for range r.d.between(20, 40) {
		at += r.d.within(5*second, 40*second)
		l := look{at: at, who: t.who, pat: pick(r.d, t.dept.known), what: results(), verb: "X", reason: t.id}
		if r.proper(l) && !l.pat.canary {
			r.emit(l)
			r.todayN++
		}
	}
}

func (r *run) review(t *ticket, from, to tick) {
	for range r.d.between(4, 10) {
		if e := r.past(t.dept); e != nil {
			r.see(t.who, e, r.d.within(from, to), note())
		}
	}
}

// past is someone discharged from x, or nil.
func (r *run) past(x *department) *encounter {
	for range 30 {
		if len(r.gone) == 0 {
			return nil
		}
		if e := pick(r.d, r.gone); e.dept == x && e.pat.sensitive == "" {
			return e
		}
	}
	return nil
}

// crossCover: at night a doctor of another ward breaks the glass for someone
// who is doing badly, and says why.
func (r *run) crossCover() {
	for _, e := range r.stays {
		if !r.d.chance(0.004) {
			continue
		}
		at := dayStart(r.day) + r.d.within(19*hour, 24*hour)
		x := pick(r.d, r.h.clinics())
		if at < e.admit || at > e.discharge || x == e.dept {
			continue
		}
		r.seeAs(look{at: at, who: r.h.onDuty(r.d, x, at, resident), pat: e.pat, stay: e, what: chart(), glass: true, reason: honestReason(r.d)})
	}
}

func honestReason(d dice) string {
	return pick(d, []string{"患者意识不清，家属不在场，需查过敏史", "抢救中，需了解既往用药", "胸痛待查，急需既往心电图和检验",
		"夜间病情变化，值班医生请求协助会诊", "unresponsive on arrival, need allergies and medication", "called by ward nurse, sudden drop in blood pressure",
		"创伤出血，需核对血型与既往手术史", "惊厥发作，需查抗癫痫药剂量"})
}

// unwritten: care without a trace. A colleague was asked in the corridor, a
// nurse helped next door, a relative called. Nothing anywhere shows it.
func (r *run) unwritten() {
	if len(r.stays) == 0 {
		return
	}
	for range r.d.times(float64(max(r.todayN, r.lastN)) * 0.021) {
		e := pick(r.d, r.stays)
		x := pick(r.d, r.h.clinics())
		at := dayStart(r.day) + r.d.within(7*hour, 23*hour)
		if at < e.admit || x == e.dept || e.pat.vip {
			continue
		}
		r.see(r.h.onDuty(r.d, x, at, pick(r.d, []string{nurse, resident, attending})), e, at, pick(r.d, []func() thing{chart, results, vitals})())
	}
}
