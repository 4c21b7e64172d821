package simulate

// labOrder: somebody orders, a technician measures, the result comes back and
// is read. Three in a hundred orders are typed only after the sample.
func (r *run) labOrder(e *encounter, by *person, at tick) {
	if by == nil {
		return
	}
	done := at + r.d.within(35*minute, 150*minute)
	tech := r.h.onDuty(r.d, r.h.department(deptLab), done, technician)
	if tech == nil {
		return
	}
	o := r.newOrder(e, by, at, pick(r.d, []test{{"CBC", "血常规"}, {"CHEM", "生化全套"}, {"COAG", "凝血功能"}, {"CRP", "C反应蛋白"}, {"CULT", "细菌培养"}}))
	o.section, o.technician = "LAB", tech
	r.concerns(e.pat, r.h.department(deptLab))
	r.orderMessage("OML^O21^OML_O21", o, r.typed(at, done+30*minute))
	r.see(tech, e, done-r.d.within(2*minute, 25*minute), results())
	r.seeAs(look{at: done, who: tech, pat: e.pat, stay: e, what: results(), verb: "C"})
	r.later(dayOf(done), func() { r.report(o, done+r.d.within(minute, 10*minute)) })
}

// imagingOrder: a technician takes the pictures, a radiologist reads them.
func (r *run) imagingOrder(e *encounter, by *person, at tick) {
	if by == nil {
		return
	}
	taken := at + r.d.within(30*minute, 3*hour)
	read := taken + r.d.within(20*minute, 4*hour)
	x := r.h.department(deptImaging)
	tech, reader := r.h.onDuty(r.d, x, taken, technician), r.h.onDuty(r.d, x, read, attending)
	if tech == nil || reader == nil {
		return
	}
	o := r.newOrder(e, by, at, pick(r.d, []test{{"CTCH", "胸部CT"}, {"CTHD", "头颅CT"}, {"DX", "胸片"}, {"US", "腹部超声"}, {"MR", "磁共振"}}))
	o.section, o.technician, o.reader = "RAD", tech, reader
	r.concerns(e.pat, x)
	r.orderMessage("ORM^O01^ORM_O01", o, r.typed(at, taken+30*minute))
	r.see(tech, e, taken, images())
	r.later(dayOf(read), func() {
		r.see(reader, e, read-r.d.within(3*minute, 15*minute), images())
		if r.d.chance(0.3) {
			r.see(reader, e, read-r.d.within(minute, 5*minute), note())
		}
		r.report(o, read)
	})
}

// typed is when an order reaches the system: at once, or rarely after the work was done.
func (r *run) typed(at, late tick) tick {
	if r.d.chance(0.03) {
		return late + r.d.within(0, 3*hour)
	}
	return at
}

// report sends the result and lets the one who asked read it.
func (r *run) report(o *order, at tick) {
	r.resultMessage(o, at)
	reader := o.by
	when := at + r.d.within(5*minute, 2*hour)
	if r.h.away(reader, when) {
		if reader = r.h.onDuty(r.d, o.e.dept, when, o.by.role); reader == nil {
			return
		}
	}
	if !r.d.chance(0.75) {
		return
	}
	r.later(dayOf(when), func() {
		what := results()
		if o.section == "RAD" && reader.pacs != "" {
			what = images()
		}
		r.see(reader, o.e, when, what)
	})
}

// medicine: prescribed, checked by a pharmacist, dispensed.
func (r *run) medicine(e *encounter, by *person, at tick) {
	given := at + r.d.within(5*minute, 50*minute)
	chemist := r.h.onDuty(r.d, r.h.department(deptPharmacy), given, pharmacist)
	if by == nil || chemist == nil {
		return
	}
	o := r.newOrder(e, by, at, pick(r.d, []test{{"CEF2", "头孢呋辛"}, {"MET5", "二甲双胍"}, {"ASP1", "阿司匹林"}, {"OME2", "奥美拉唑"}, {"NAC9", "氯化钠注射液"}}))
	o.technician = chemist
	r.concerns(e.pat, r.h.department(deptPharmacy))
	r.prescription(o, at)
	r.see(chemist, e, given-r.d.within(minute, 4*minute), hisScreen("PHARMACY"))
	if r.d.chance(0.6) {
		r.dispense(o, given)
	}
}

// afterCare is the work a discharge leaves behind.
func (r *run) afterCare(e *encounter) {
	if r.d.chance(0.9) {
		r.charge(e, e.discharge+r.d.within(10*minute, 3*hour))
	}
	if r.d.chance(0.25) {
		day := r.day + r.d.between(1, 3)
		r.later(day, func() { r.followUp(e) })
	}
	day := r.day + r.d.between(1, 7)
	r.later(day, func() { r.coding(e) })
}

// followUp: the attending looks whether the last results have come.
func (r *run) followUp(e *encounter) {
	from, to, _ := r.h.hours(e.attending, r.day)
	if to > from {
		r.see(e.attending, e, r.d.within(from, to), results())
	}
}

// charge: the cashier's desk bills the visit.
func (r *run) charge(e *encounter, at tick) {
	clerk := r.h.onDuty(r.d, r.h.department(deptBilling), at, biller)
	if clerk == nil { // the office is closed: next working day
		day := dayOf(at) + 1
		for r.h.weekend(day) {
			day++
		}
		at = dayStart(day) + r.d.within(8*hour+10*minute, 16*hour)
		clerk = r.h.onDuty(r.d, r.h.department(deptBilling), at, biller)
	}
	r.later(dayOf(at), func() { r.chargeBy(clerk, e, at) })
}

func (r *run) chargeBy(clerk *person, e *encounter, at tick) {
	if clerk == nil {
		return
	}
	r.concerns(e.pat, r.h.department(deptBilling))
	r.chargeMessage(e, clerk, at)
	if r.d.chance(0.5) {
		r.see(clerk, e, at-r.d.within(30*second, 5*minute), hisScreen("BILLING"))
	}
}

// coding: a coder closes the record some days later; on a weekend it waits.
func (r *run) coding(e *encounter) {
	if r.h.weekend(r.day) {
		r.later(r.day+1, func() { r.coding(e) })
		return
	}
	who := pick(r.d, r.h.department(deptRecords).people)
	at := dayStart(r.day) + r.d.within(8*hour+30*minute, 16*hour+30*minute)
	r.see(who, e, at, note())
	r.see(who, e, at+r.d.within(2*minute, 15*minute), hisScreen("CODING"))
	r.accountMessage(e, who, at+r.d.within(15*minute, 30*minute))
}
