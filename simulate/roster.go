package simulate

import (
	"fmt"
	"io"
	"time"
)

// shift is one line of the roster.
type shift struct {
	who      *person
	dept     *department
	from, to tick
	oncall   bool
	hidden   bool // worked, but not on the roster
}

func (s *shift) covers(at tick) bool { return at >= s.from && at < s.to }

// roster days run from the eve of the warm-up to the day after the end.
func (h *Hospital) rosterDay(day int) int { return day + h.cfg.WarmupDays + 1 }

// makeRoster plans every day for everyone who has a roster.
func (h *Hospital) makeRoster() {
	last := h.rosterDay(h.cfg.Days) + 1
	for _, x := range h.depts {
		x.duty = make([][]shift, last)
	}
	for day := -h.cfg.WarmupDays - 1; day <= h.cfg.Days; day++ {
		d := newRand(h.cfg.Seed, uint64(1_000_000+day+h.cfg.WarmupDays))
		for _, x := range h.depts {
			h.planDay(d, x, day)
		}
	}
}

func (h *Hospital) planDay(d dice, x *department, day int) {
	byRole := map[string][]*person{}
	for _, p := range x.people {
		byRole[p.role] = append(byRole[p.role], p)
	}
	for _, role := range []string{nurse, technician, pharmacist, registrar} {
		h.planThreeShifts(x, byRole[role], day)
	}
	if x.name == deptEmergency {
		h.planThreeShifts(x, byRole[resident], day)
	} else {
		h.planResidents(d, x, byRole[resident], day)
	}
	h.planAttendings(x, byRole[attending], day)
	if !h.weekend(day) {
		h.planOffice(x, byRole[biller], day)
	}
	h.planFloat(d, byRole[floatNurse], day)
	h.planInterns(byRole[intern], day)
}

// planThreeShifts: two days, an evening, a night, two days off.
func (h *Hospital) planThreeShifts(x *department, team []*person, day int) {
	for i, p := range team {
		at := dayStart(day)
		switch ((day+i)%6 + 6) % 6 {
		case 0, 1:
			h.plan(p, x, at+8*hour, at+16*hour, false)
		case 2:
			h.plan(p, x, at+16*hour, at+24*hour, false)
		case 3:
			h.plan(p, x, at, at+8*hour, false)
		}
	}
}

// planResidents: weekdays in the ward, one on night duty; now and then the
// night is covered by the resident of another ward.
func (h *Hospital) planResidents(d dice, x *department, team []*person, day int) {
	n := len(team)
	if n == 0 {
		return
	}
	at := dayStart(day)
	turn := (day%n + n) % n
	before := ((day-1)%n + n) % n
	for i, p := range team {
		if i != before && (!h.weekend(day) || i == (turn+1)%n) {
			h.plan(p, x, at+8*hour, at+17*hour, false)
		}
	}
	night := team[turn]
	if d.chance(0.06) {
		if other := h.coveringResident(x, day); other != nil {
			night = other
		}
	}
	if h.is(nightCover) && h.covers(d, x, night, at) {
		return
	}
	h.plan(night, x, at+17*hour, at+32*hour, false)
}

// covers gives the night to the resident of the ward before this one, who has
// it there as well; only that ward is on the roster.
func (h *Hospital) covers(d dice, x *department, night *person, at tick) bool {
	other := h.coveringResident(x, dayOf(at))
	if other == nil || x.bit%3 == 0 || !d.chance(0.8) {
		return false
	}
	h.plan(other, x, at+17*hour, at+32*hour, false)
	n := len(x.duty[h.rosterDay(dayOf(at))])
	if n > 0 && len(other.shifts) > 0 {
		x.duty[h.rosterDay(dayOf(at))][n-1].hidden = true
		other.shifts[len(other.shifts)-1].hidden = true
	}
	return true
}

// planInterns sends interns through the wards, a week in each.
func (h *Hospital) planInterns(team []*person, day int) {
	wards := h.clinics()
	if h.weekend(day) {
		return
	}
	for i, p := range team {
		h.plan(p, wards[((i*3+(day+700)/7)%len(wards))], dayStart(day)+8*hour, dayStart(day)+17*hour, false)
	}
}

// coveringResident is whoever has the night in the ward before this one.
func (h *Hospital) coveringResident(x *department, day int) *person {
	if x.bit == 0 {
		return nil
	}
	for _, s := range h.depts[x.bit-1].duty[h.rosterDay(day)] {
		if s.who.role == resident && s.to-s.from == 15*hour {
			return s.who
		}
	}
	return nil
}

func (h *Hospital) planAttendings(x *department, team []*person, day int) {
	n := len(team)
	if n == 0 {
		return
	}
	at := dayStart(day)
	turn := (day%n + n) % n
	for i, p := range team {
		switch {
		case !h.weekend(day):
			h.plan(p, x, at+8*hour, at+17*hour, false)
		case i == turn:
			h.plan(p, x, at+8*hour, at+12*hour, false)
		}
	}
	from := at + 17*hour
	if h.weekend(day) {
		from = at + 12*hour
	}
	h.plan(team[turn], x, from, at+32*hour, true)
}

func (h *Hospital) planOffice(x *department, team []*person, day int) {
	for _, p := range team {
		h.plan(p, x, dayStart(day)+8*hour, dayStart(day)+17*hour, false)
	}
}

// planFloat sends pool nurses wherever they are needed that day.
func (h *Hospital) planFloat(d dice, team []*person, day int) {
	for _, p := range team {
		ward := pick(d, h.clinics())
		from := dayStart(day) + pick(d, []tick{8, 8, 16})*hour
		if d.chance(0.7) {
			h.plan(p, ward, from, from+8*hour, false)
		}
	}
}

func (h *Hospital) plan(p *person, x *department, from, to tick, oncall bool) {
	if !p.employed(to) || (p.leave && (p.returns == 0 || from < dayStart(p.returns))) {
		return
	}
	s := shift{who: p, dept: x, from: from, to: to, oncall: oncall}
	i := h.rosterDay(dayOf(from))
	x.duty[i] = append(x.duty[i], s)
	p.shifts = append(p.shifts, s)
}

// onDuty picks one of those at work in x at that moment, or nil. Only shifts
// count, unless nobody of the role is there: then someone on call comes.
func (h *Hospital) onDuty(d dice, x *department, at tick, role string) *person {
	if p := h.pickDuty(d, x, at, role, false); p != nil {
		return p
	}
	return h.pickDuty(d, x, at, role, true)
}

func (h *Hospital) pickDuty(d dice, x *department, at tick, role string, oncall bool) *person {
	var found *person
	n := 0
	day := h.rosterDay(dayOf(at))
	for i := max(0, day-1); i <= min(day, len(x.duty)-1); i++ {
		for j := range x.duty[i] {
			s := &x.duty[i][j]
			if s.oncall != oncall || !roleFits(s.who.role, role) || !s.covers(at) {
				continue
			}
			if n++; d.IntN(n) == 0 {
				found = s.who
			}
		}
	}
	return found
}

func roleFits(have, want string) bool {
	return have == want || (want == nurse && have == floatNurse)
}

// hours gives when p works on that day: the rostered shift that begins then,
// or office hours for those without a roster.
func (h *Hospital) hours(p *person, day int) (from, to tick, x *department) {
	for i := range p.shifts {
		s := &p.shifts[i]
		if dayOf(s.from) == day && !s.oncall {
			return s.from, s.to, s.dept
		}
	}
	at := dayStart(day)
	if len(p.shifts) > 0 || p.leave || h.weekend(day) || rostered(p.role) || !p.employed(at+17*hour) {
		return 0, 0, nil
	}
	return at + 8*hour, at + 17*hour, p.dept
}

func rostered(role string) bool {
	switch role {
	case nurse, floatNurse, technician, pharmacist, registrar, biller, resident, attending, intern:
		return true
	}
	return false
}

// away says that p has neither shift nor call within three hours of the moment.
func (h *Hospital) away(p *person, at tick) bool {
	for i := range p.shifts {
		s := &p.shifts[i]
		if at >= s.from-3*hour && at < s.to+3*hour {
			return false
		}
	}
	return true
}

// WriteDirectory writes directory.csv.
func (h *Hospital) WriteDirectory(w io.Writer) error {
	rows := [][]string{{"person_id", "account", "name", "role", "department", "manager_id", "phone", "address",
		"national_id", "hire_date", "end_date"}}
	for _, p := range h.staff {
		boss, ended := "", ""
		if p.boss != nil {
			boss = p.boss.id
		}
		if p.ended != never {
			ended = h.time(p.ended).Format(time.RFC3339)
		}
		phone, address := h.filed(p)
		rows = append(rows, []string{p.id, p.accounts(), p.name(), h.job(p), p.dept.hr, boss, phone, address,
			p.nationalID, h.time(p.hired).Format(time.RFC3339), ended})
	}
	for i, x := range h.depts {
		if x.account != "" {
			rows = append(rows, []string{fmt.Sprintf("S%05d", i), x.account, x.hr + " shared", "shared ward account", x.hr, "", "", "", "", "", ""})
		}
	}
	return writeCSV(w, rows)
}

// filed is what personnel has of a person's home.
func (h *Hospital) filed(p *person) (phone, address string) {
	switch {
	case h.is(noHomes):
		return "", ""
	case h.is(phonesOnly):
		return p.phone, ""
	}
	return p.phone, p.address
}

// WriteRoster writes roster.csv.
func (h *Hospital) WriteRoster(w io.Writer) error {
	out := csvWriter(w)
	err := out.Write([]string{"person_id", "department", "start", "end", "kind"})
	for _, p := range h.staff {
		for _, s := range p.shifts {
			if s.hidden || !h.onRoster(p) {
				continue
			}
			kind := "shift"
			if s.oncall {
				kind = "oncall"
			}
			err = firstError(err, out.Write([]string{p.id, s.dept.hr, h.time(s.from).Format(time.RFC3339),
				h.time(s.to).Format(time.RFC3339), kind}))
		}
	}
	out.Flush()
	if err = firstError(err, out.Error()); err != nil {
		return fmt.Errorf("simulate: write roster: %w", err)
	}
	return nil
}
