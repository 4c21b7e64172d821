package simulate

import "fmt"

// hisNumber is the number under which the HIS knows the patient.
func (h *Hospital) hisNumber(l look) string {
	id := l.patientID()
	if h.is(twoNumbers) && id == l.pat.id {
		return card(l.pat)
	}
	return id
}

func card(p *patient) string { return fmt.Sprintf("C%08d", 30_000_000+7*p.n) }

// numbers is PID-3: all numbers of a patient.
func (h *Hospital) numbers(p *patient, id string) string {
	if h.is(twoNumbers) {
		return cx(id) + "~" + card(p) + "^^^HIS^PI"
	}
	return cx(id)
}

func (h *Hospital) visitNumber(e *encounter) string {
	switch {
	case h.is(noVisits):
		return ""
	case h.is(oldVisits):
		return e.pat.id
	}
	return e.id
}

// doubles is how many accesses with a request id are recorded by the client too.
func (h *Hospital) doubles() float64 {
	if h.is(doubleLogs) {
		return 0.8
	}
	return 0.18
}

// nameless is how many emergency patients come without a name.
func (h *Hospital) nameless() float64 {
	if h.is(unknowns) {
		return 0.16
	}
	return 0.02
}

// outageDay is the day on which nobody reads a record from nine to four.
func (h *Hospital) outageDay() int { return h.cfg.Days / 3 }

func (h *Hospital) down(at tick) bool {
	from := dayStart(h.outageDay()) + 9*hour
	return h.is(downtime) && at >= from && at < from+7*hour
}

// typedIn: after the downtime the nurses type in what stands on paper, bed
// after bed.
func (r *run) typedIn() {
	if !r.h.is(downtime) || r.day != r.h.outageDay() {
		return
	}
	at := dayStart(r.day) + 16*hour + 10*minute
	for _, e := range r.stays {
		if e.admit < at {
			t := at + r.d.within(0, 2*hour)
			r.seeAs(look{at: t, who: r.h.onDuty(r.d, e.dept, t, nurse), pat: e.pat, stay: e, what: vitals(), verb: "C"})
		}
	}
}

// teaching: the intern on the ward reads what the resident reads.
func (r *run) teaching(e *encounter, from, to tick) {
	if !r.h.is(interns) {
		return
	}
	for range r.d.times(0.6) {
		at := from + r.d.within(8*hour, min(16*hour, to-from))
		r.see(r.h.onDuty(r.d, e.dept, at, intern), e, at, pick(r.d, []func() thing{chart, results, note})())
	}
}

// videoConsults: a specialist looks from elsewhere; the note follows within a day.
func (r *run) videoConsults() {
	if !r.h.is(telemedicine) {
		return
	}
	for _, e := range r.stays {
		at := dayStart(r.day) + r.d.within(9*hour, 17*hour)
		x := pick(r.d, r.h.clinics())
		if !r.d.chance(0.02) || at < e.admit || at > e.discharge || x == e.dept || r.bonds[e.pat.n].blocked&x.mask() != 0 {
			continue
		}
		who := r.h.onDuty(r.d, x, at, attending)
		if who == nil {
			continue
		}
		r.concerns(e.pat, x)
		r.see(who, e, at, chart())
		r.see(who, e, at+r.d.within(minute, 20*minute), images())
		written := at + r.d.within(hour, 22*hour)
		r.later(dayOf(written), func() { r.document(e, who, written, "CN", "Video consultation") })
	}
}

// coordination: who finds beds, diets and places to go to opens records on
// every ward and orders nothing.
func (r *run) coordination() {
	if !r.h.is(coordinators) {
		return
	}
	r.roam(deptBeds, 0.35, chart)
	r.roam(deptNutrition, 0.08, note)
	r.roam(deptSocial, 0.05, note)
}

func (r *run) roam(dept string, share float64, what func() thing) {
	for _, e := range r.stays {
		if !r.d.chance(share) {
			continue
		}
		who := pick(r.d, r.h.department(dept).people)
		from, to, _ := r.h.hours(who, r.day)
		if from = max(from, e.admit); to > from {
			r.concerns(e.pat, r.h.department(dept))
			r.see(who, e, r.d.within(from, min(to, max(e.discharge, from+1))), what())
		}
	}
}

// shareAccounts gives every third ward one account for its nurses.
func (h *Hospital) shareAccounts() {
	for i, x := range h.depts {
		if h.is(wardAccounts) && x.beds > 0 && i%3 == 0 {
			x.account = fmt.Sprintf("ward%02d", x.bit)
		}
	}
}

// jsonText is a string as it stands between quotes in JSON.
func jsonText(s string) []byte {
	b := jsonString(s)
	return b[1 : len(b)-1]
}
