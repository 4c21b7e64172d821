package simulate

import (
	"math"
	"slices"
	"strings"
)

// misdeed is a kind of violation and how to commit it. commit says false when
// today offers no occasion; it is tried again tomorrow.
type misdeed struct {
	kind   string
	weight float64 // how common against the others
	first  int     // earliest day
	span   int     // days it needs to unfold
	commit func(*run) bool
}

func misdeeds() []misdeed {
	return []misdeed{
		{"self-access", 1, 0, 1, (*run).selfAccess},
		{"family", 2, 0, 1, (*run).family},
		{"neighbour", 1, 0, 1, (*run).neighbour},
		{"coworker", 1, 0, 1, (*run).coworker},
		{"vip", 1, 0, 1, (*run).celebrity},
		{"sealed-record", 1, 0, 1, (*run).sealedRecord},
		{"no-care-relationship", 2, 0, 1, (*run).curiosity},
		{"level5", 1, 0, 1, (*run).level5},
		{"break-glass", 1, 0, 1, (*run).brokenGlass},
		{"terminated-account", 1, 0, 1, (*run).terminated},
		{"dormant-account", 0.5, 0, 1, (*run).dormant},
		{"mass-export", 0.5, 0, 1, (*run).massExport},
		{"serial-snooping", 0.5, 0, 14, (*run).serialSnooping},
		{"canary", 1, 0, 1, (*run).canaryRecord},
		{"repeat-after-warning", 1, 4, 1, (*run).repeatOffence},
		{"shared-credential", 1, 0, 1, (*run).sharedCredential},
		{"off-duty", 1, 0, 1, (*run).offDuty},
		{"lurking-after-discharge", 1, 0, 1, (*run).lurking},
		{"crowd", 0.4, 0, 1, (*run).crowd},
		{"marketing", 0.4, 0, 2, (*run).marketing},
		{"search-abuse", 0.7, 6, 1, (*run).searchAbuse},
		{"edit-and-revert", 0.7, 0, 1, (*run).editAndRevert},
		{"drug-statistics", 0.7, 0, 1, (*run).drugStatistics},
		{"watching-the-watchers", 0.4, 2, 1, (*run).watchers},
		{"patient-dispute", 0.7, 0, 3, (*run).dispute},
		{"audit-tampering", 0.4, 0, 1, (*run).tampering},
		{"slow-export", 0.4, 0, 20, (*run).slowExport},
		{"drug-statistics-sql", 1, 0, 1, (*run).drugSQL},
		{"export-then-channel", 1, 0, 1, (*run).exportOut},
		{"api-misuse", 0.7, 14, 1, (*run).apiMisuse},
		{"pacs-bulk", 0.5, 9, 1, (*run).pacsBulk},
		{"vendor-remote", 0.4, 1, 1, (*run).vendorRemote},
		{"role-mismatch", 0.4, 34, 1, (*run).roleMismatch},
	}
}

// offence is remembered so that it can be repeated.
type offence struct {
	day  int
	who  *person
	pat  *patient
	what string
}

// planViolations spreads the misdeeds over the days: about one for every
// 3,500 accesses, and two of each kind where the time is long enough.
func (r *run) planViolations() {
	cfg := r.h.cfg
	if cfg.Violations < 0 {
		return
	}
	least := 1.0
	if cfg.Days >= 10 {
		least = 2
	}
	total := 0.0
	for _, m := range misdeeds() {
		total += m.weight
	}
	expected := float64(cfg.Staff) * float64(cfg.Days) * accessesPerStaffDay / 3500
	for _, m := range misdeeds() {
		if m.first >= cfg.Days || m.span > 2*cfg.Days || !r.h.possible(m.kind) {
			continue
		}
		span := min(m.span, max(cfg.Days-1, 1))
		n := max(1, int(math.Max(least, math.Round(expected*m.weight/total))*cfg.Violations))
		for range n {
			day := r.d.between(m.first, max(m.first, cfg.Days-span-cfg.Days/8))
			r.crimes = append(r.crimes, plannedMisdeed{day, m})
		}
	}
}

// accessesPerStaffDay is what the care processes yield, measured.
const accessesPerStaffDay = 10

// plannedMisdeed waits for its day, and from then on for an occasion.
type plannedMisdeed struct {
	day int
	misdeed
}

// commitToday tries what is planned for today or left over from before.
func (r *run) commitToday() {
	if r.day < 0 {
		return
	}
	kept := r.crimes[:0]
	for _, c := range r.crimes {
		if c.day > r.day || !c.commit(r) {
			kept = append(kept, c)
		}
	}
	r.crimes = kept
}

// deed collects the accesses of one violation.
type deed struct {
	r *run
	v *Violation
}

func (r *run) newDeed(kind string, who *person) *deed {
	v := &Violation{Kind: kind}
	if who != nil {
		v.Person = who.id
		r.used[who] = true
	}
	r.truth = append(r.truth, v)
	return &deed{r, v}
}

// look commits one access of the violation.
func (x *deed) look(l look) {
	uid, also := x.r.emit(l)
	v := x.v
	if provisional(uid) {
		x.r.rowIDs[uid] = ""
	}
	v.EventUIDs = append(v.EventUIDs, uid)
	if also != "" {
		v.AlsoUIDs = append(v.AlsoUIDs, also)
	}
	x.about(l.pat)
	at := x.r.h.time(l.at)
	if v.First.IsZero() || at.Before(v.First) {
		v.First = at
	}
	if at.After(v.Last) {
		v.Last = at
	}
}

// browse is a short session in one chart.
func (x *deed) browse(who *person, pat *patient, at tick, pages int) {
	for i := range pages {
		x.look(look{at: at, who: who, pat: pat, what: pick(x.r.d, []func() thing{chart, note, results, medicines})()})
		if i < pages-1 {
			at += x.r.d.within(15*second, 3*minute)
		}
	}
	x.r.keepApart(who, pat, 0)
}

// keepApart: nothing that happens later may explain what was done.
func (r *run) keepApart(who *person, pat *patient, days int) {
	b := &r.bonds[pat.n]
	b.blocked |= who.dept.mask()
	for i := range who.shifts {
		if d := dayOf(who.shifts[i].from); d >= r.day-4 && d <= r.day+30 && who.role != floatNurse {
			b.blocked |= who.shifts[i].dept.mask()
		}
	}
	if until := dayStart(r.day + days); until > b.avoid {
		b.avoid = until
	}
}

// strangers says that nothing so far ties the person to the patient.
func (r *run) strangers(who *person, pat *patient) bool {
	b := &r.bonds[pat.n]
	if b.depts&who.dept.mask() != 0 || slices.Contains(b.people, who) || pat.canary {
		return false
	}
	for i := range who.shifts {
		if b.depts&who.shifts[i].dept.mask() != 0 {
			return false
		}
	}
	return true
}

// working finds someone of the ward staff at work today who has done nothing
// yet and passes the test, and a moment of their shift.
func (r *run) working(fit func(*person) bool) (*person, tick) {
	for range 400 {
		p := pick(r.d, r.h.staff)
		if !bedside(p.role) || p.dept.name == deptImaging || r.used[p] {
			continue
		}
		from, to, _ := r.h.hours(p, r.day)
		if to <= from || !p.employed(to) || !fit(p) {
			continue
		}
		return p, r.d.within(max(from, dayStart(r.day))+10*minute, min(to, dayStart(r.day+1))-10*minute)
	}
	return nil, 0
}

func bedside(role string) bool { return role == nurse || role == resident || role == attending }

// simple is the common course: someone at work opens a chart they have no business in.
func (r *run) simple(kind string, target func(*person) *patient) bool {
	var pat *patient
	who, at := r.working(func(p *person) bool {
		pat = target(p)
		return pat != nil && r.strangers(p, pat)
	})
	if who == nil {
		return false
	}
	r.newDeed(kind, who).browse(who, pat, at, r.d.between(1, 3))
	r.offence = append(r.offence, offence{r.day, who, pat, kind})
	return true
}

func (r *run) selfAccess() bool {
	return r.simple("self-access", func(p *person) *patient { return p.self })
}

func (r *run) family() bool {
	return r.simple("family", func(p *person) *patient {
		for _, q := range p.home.patients {
			if q.self == nil && onFile(p, q) && !(r.h.is(phonesOnly) && !sharesPhone(p, q)) {
				return q
			}
		}
		return nil
	})
}

// possible says whether anything on record could give such a misdeed away.
func (h *Hospital) possible(kind string) bool {
	switch kind {
	case "neighbour":
		return !h.is(noHomes) && !h.is(phonesOnly)
	case "off-duty":
		return !h.is(noRoster) && !h.is(partRoster)
	case "family":
		return !h.is(noHomes)
	case "patient-dispute", "watching-the-watchers":
		return h.cfg.Inside
	}
	return true
}

// onFile says that the records show two people of one household at least once.
func onFile(p *person, q *patient) bool { return !q.moved || sharesPhone(p, q) }

func sharesPhone(p *person, q *patient) bool {
	return q.kin != nil && q.kin.phone == p.phone || q.payer != nil && q.payer.phone == p.phone
}

func (r *run) neighbour() bool {
	return r.simple("neighbour", func(p *person) *patient {
		for range 300 {
			q := pick(r.d, r.h.patients)
			if q.home != p.home && q.self == nil && q.home.building == p.home.building && strings.HasPrefix(q.address, q.home.building) {
				return q
			}
		}
		return nil
	})
}

func (r *run) coworker() bool {
	return r.simple("coworker", func(p *person) *patient {
		for range 4 {
			if q := pick(r.d, p.dept.people); q != p && q.self != nil && q.home != p.home {
				return q.self
			}
		}
		return nil
	})
}

func (r *run) celebrity() bool {
	return r.simple("vip", func(*person) *patient { return r.listed(func(p *patient) bool { return p.vip }) })
}

// listed finds a patient of a watchlist.
func (r *run) listed(fit func(*patient) bool) *patient {
	var found *patient
	n := 0
	for i := range r.h.watches {
		if p := r.h.watches[i].pat; fit(p) {
			if n++; r.d.IntN(n) == 0 {
				found = p
			}
		}
	}
	return found
}

func (r *run) curiosity() bool {
	return r.simple("no-care-relationship", func(p *person) *patient { return r.stranger() })
}

// stranger is mostly someone in a bed now, else anyone; nobody of a watchlist or of the staff.
func (r *run) stranger() *patient {
	p := pick(r.d, r.h.patients)
	if len(r.stays) > 0 && r.d.chance(0.6) {
		p = pick(r.d, r.stays).pat
	}
	if p.vip || p.canary || p.sealed != never || p.sensitive != "" || p.self != nil {
		return nil
	}
	return p
}

// sealedRecord: after the seal nobody may look; ties do not matter.
func (r *run) sealedRecord() bool {
	pat := r.listed(func(p *patient) bool { return p.sealed < dayStart(r.day) })
	if pat == nil {
		return false
	}
	who, at := r.working(func(p *person) bool { return p.home != pat.home })
	if who == nil {
		return false
	}
	r.newDeed("sealed-record", who).browse(who, pat, at, r.d.between(1, 3))
	return true
}

// level5: somebody who is not the attending opens the restricted note, half
// of the time from the patient's own ward.
func (r *run) level5() bool {
	for _, e := range r.stays {
		if e.pat.sensitive == "" || !r.d.chance(0.5) {
			continue
		}
		at := dayStart(r.day) + r.d.within(10*hour, 15*hour)
		who := r.h.onDuty(r.d, e.dept, at, nurse)
		if who != nil && at > e.admit && at < e.discharge && !r.used[who] && who.role == nurse {
			r.newDeed("level5", who).look(look{at: at, who: who, pat: e.pat, stay: e, what: secret()})
			return true
		}
	}
	pat := r.listed(func(p *patient) bool { return p.sensitive != "" })
	who, at := r.working(func(p *person) bool { return pat != nil && r.strangers(p, pat) })
	if who == nil {
		return false
	}
	r.newDeed("level5", who).look(look{at: at, who: who, pat: pat, what: secret()})
	r.keepApart(who, pat, 0)
	return true
}

// brokenGlass: the emergency button for someone who is not even here, and a
// reason that says nothing.
func (r *run) brokenGlass() bool {
	var pat *patient
	who, at := r.working(func(p *person) bool {
		pat = r.stranger()
		return pat != nil && r.strangers(p, pat) && r.bonds[pat.n].busy < dayStart(r.day-1)
	})
	if who == nil {
		return false
	}
	reason := pick(r.d, []string{"", "", "工作需要", "1", "test", "急", "。。。", "查看", "asdf", "work"})
	x := r.newDeed("break-glass", who)
	for range r.d.between(1, 2) {
		x.look(look{at: at, who: who, pat: pat, what: pick(r.d, []func() thing{chart, note})(), glass: true, reason: reason})
		at += r.d.within(20*second, 2*minute)
	}
	r.keepApart(who, pat, 4)
	return true
}

// terminated: the contract is over, the account is not.
func (r *run) terminated() bool {
	who := r.oneOf(func(p *person) bool { return p.ended < dayStart(r.day) && !r.used[p] })
	if who == nil {
		return false
	}
	x := r.newDeed("terminated-account", who)
	at := dayStart(r.day) + r.d.within(9*hour, 22*hour)
	for range r.d.between(1, 3) {
		x.look(look{at: at, who: who, pat: r.anyone(who), what: chart()})
		at += r.d.within(30*second, 4*minute)
	}
	return true
}

// oneOf picks a member of staff who passes the test, or nil.
func (r *run) oneOf(fit func(*person) bool) *person {
	var found *person
	n := 0
	for _, p := range r.h.staff {
		if fit(p) {
			if n++; r.d.IntN(n) == 0 {
				found = p
			}
		}
	}
	return found
}

// anyone is a patient of no list, with whom the person has no tie.
func (r *run) anyone(who *person) *patient {
	for range 500 {
		if p := r.stranger(); p != nil && r.strangers(who, p) && p.home != who.home {
			r.keepApart(who, p, 0)
			return p
		}
	}
	return r.h.patients[len(r.h.patients)-1]
}

// dormant: an account asleep for months wakes at night.
func (r *run) dormant() bool {
	who := r.oneOf(func(p *person) bool { return p.leave && p.returns == 0 && !r.used[p] })
	if who == nil {
		return false
	}
	x := r.newDeed("dormant-account", who)
	at := dayStart(r.day) + r.d.within(0, 4*hour)
	for range r.d.between(2, 5) {
		x.look(look{at: at, who: who, pat: r.anyone(who), what: chart(), station: r.remote()})
		at += r.d.within(30*second, 5*minute)
	}
	return true
}

func (r *run) remote() string {
	return "10.99." + pick(r.d, []string{"1", "2", "3"}) + "." + pick(r.d, []string{"17", "44", "91", "130", "201"})
}

// massExport: dozens of records in an hour, with no ticket for them.
func (r *run) massExport() bool {
	who := r.oneOf(func(p *person) bool {
		return !r.used[p] && p.employed(dayStart(r.day+1)) && (p.role == researcher || p.role == itStaff || p.pacs != "" || p.role == biller)
	})
	if who == nil {
		return false
	}
	from, to, _ := r.h.hours(who, r.day)
	if to <= from {
		return false
	}
	what := exported(who)
	x := r.newDeed("mass-export", who)
	at := r.d.within(from, to-hour)
	for range r.d.between(40, 90) {
		x.look(look{at: at, who: who, pat: r.anyone(who), what: what, verb: "X"})
		at += r.d.within(4*second, 45*second)
	}
	return true
}

func exported(who *person) thing {
	switch {
	case who.role == itStaff || who.role == biller:
		return hisScreen("QUERY")
	case who.pacs != "":
		return images()
	}
	return results()
}

// serialSnooping: one or two charts a day, over weeks, never many at once.
func (r *run) serialSnooping() bool {
	who, _ := r.working(func(p *person) bool { return p.role != floatNurse })
	if who == nil {
		return false
	}
	x := r.newDeed("serial-snooping", who)
	last := min(r.day+24, r.h.cfg.Days-1)
	for day := r.day; day <= last; day++ {
		r.later(day, func() { x.peek(who) })
	}
	return true
}

func (x *deed) peek(who *person) {
	r := x.r
	from, to, _ := r.h.hours(who, r.day)
	if to <= from || !r.d.chance(0.9) {
		return
	}
	for range r.d.between(1, 2) {
		at := r.d.within(max(from, dayStart(r.day)), to)
		x.look(look{at: at, who: who, pat: r.anyone(who), what: pick(r.d, []func() thing{chart, note})()})
	}
}

func (r *run) canaryRecord() bool {
	pat := r.listed(func(p *patient) bool { return p.canary })
	who, at := r.working(func(*person) bool { return pat != nil })
	if who == nil {
		return false
	}
	r.newDeed("canary", who).browse(who, pat, at, r.d.between(1, 2))
	return true
}

// repeatOffence: someone who did it before does it again, days later.
func (r *run) repeatOffence() bool {
	for i, o := range r.offence {
		from, to, _ := r.h.hours(o.who, r.day)
		if o.what == "" || r.day < o.day+2 || to <= from {
			continue
		}
		r.offence[i].what = ""
		at := r.d.within(max(from, dayStart(r.day)), min(to, dayStart(r.day+1)))
		r.newDeed("repeat-after-warning", o.who).browse(o.who, o.pat, at, r.d.between(1, 3))
		return true
	}
	return false
}

// sharedCredential: a colleague elsewhere in the house uses the account while
// its owner is working with it.
func (r *run) sharedCredential() bool {
	for range 60 {
		if len(r.stays) == 0 {
			return false
		}
		own, other := pick(r.d, r.stays), pick(r.d, r.stays)
		at := dayStart(r.day) + r.d.within(9*hour, 15*hour)
		owner, guest := r.h.onDuty(r.d, own.dept, at, nurse), r.h.onDuty(r.d, other.dept, at, nurse)
		if own.dept == other.dept || owner == nil || guest == nil || r.used[owner] || owner.role != nurse || guest.role != nurse ||
			own.admit > at || other.admit > at || !r.strangers(owner, other.pat) {
			continue
		}
		r.share(owner, guest, own, other, at)
		return true
	}
	return false
}

func (r *run) share(owner, guest *person, own, other *encounter, at tick) {
	x := r.newDeed("shared-credential", owner)
	for i := range tick(r.d.between(2, 4)) {
		r.see(owner, own, at+i*2*minute, vitals())
		x.look(look{at: at + i*2*minute + r.d.within(20*second, 80*second), who: guest, pat: other.pat, stay: other,
			what: pick(r.d, []func() thing{chart, note, results})(), account: owner.account})
	}
	r.keepApart(owner, other.pat, 0)
}

// offDuty: the ward is theirs, the hour is not.
func (r *run) offDuty() bool {
	for range 80 {
		if len(r.stays) == 0 {
			return false
		}
		e := pick(r.d, r.stays)
		at := dayStart(r.day) + r.d.within(0, 24*hour)
		if who := pick(r.d, e.dept.people); (who.role == nurse || who.role == resident) && !r.used[who] && !who.leave && who.home != e.pat.home &&
			who.employed(at) && r.h.away(who, at) && at > e.admit && at < e.discharge {
			x := r.newDeed("off-duty", who)
			for range r.d.between(1, 3) {
				x.look(look{at: at, who: who, pat: e.pat, stay: e, what: pick(r.d, []func() thing{chart, note})(), station: r.remote()})
				at += r.d.within(30*second, 4*minute)
			}
			return true
		}
	}
	return false
}

// lurking: the stay is long over, nothing is open, the nurse still reads.
func (r *run) lurking() bool {
	for _, e := range r.gone {
		b := &r.bonds[e.pat.n]
		if dayOf(e.discharge) > r.day-9 || b.last != e || !r.d.chance(0.2) {
			continue
		}
		who := r.oneOf(func(p *person) bool {
			from, to, _ := r.h.hours(p, r.day)
			return to > from && p.dept == e.dept && (p.role == nurse || p.role == resident) && !r.used[p] && p.home != e.pat.home
		})
		if who == nil {
			continue
		}
		from, to, _ := r.h.hours(who, r.day)
		r.newDeed("lurking-after-discharge", who).browse(who, e.pat, r.d.within(from, to), r.d.between(1, 3))
		b.avoid = dayStart(r.day + 40)
		return true
	}
	return false
}

// crowd: a name was in the news, and everybody looks once.
func (r *run) crowd() bool {
	pat := r.stranger()
	if pat == nil {
		return false
	}
	x := r.newDeed("crowd", nil)
	seen := map[*person]bool{}
	for range r.d.between(9, 15) {
		who, at := r.working(func(p *person) bool { return !seen[p] && r.strangers(p, pat) && p.home != pat.home })
		if who == nil {
			continue
		}
		seen[who] = true
		x.look(look{at: at, who: who, pat: pat, what: chart()})
		x.v.People = append(x.v.People, who.id)
	}
	for _, p := range r.h.staff {
		if seen[p] {
			r.keepApart(p, pat, 0)
		}
	}
	return true
}

// marketing: the phone numbers of young mothers, one after the other, on two days.
func (r *run) marketing() bool {
	ward := r.h.department("Obstetrics")
	who := r.oneOf(func(p *person) bool {
		from, to, _ := r.h.hours(p, r.day)
		return !r.used[p] && to > from && (p.role == registrar || p.role == biller)
	})
	if who == nil || ward == nil {
		return false
	}
	x := r.newDeed("marketing", who)
	next := 0
	for day := r.day; day < min(r.day+3, r.h.cfg.Days); day++ {
		r.later(day, func() { next = x.harvest(who, ward.known, next) })
	}
	return true
}

// harvest reads the next dozen mothers of the list.
func (x *deed) harvest(who *person, mothers []*patient, next int) int {
	r := x.r
	from, to, _ := r.h.hours(who, r.day)
	if to <= from {
		return next
	}
	at := r.d.within(max(from, dayStart(r.day)), to-30*minute)
	for n := r.d.between(10, 18); n > 0 && next < len(mothers); next++ {
		if p := mothers[next]; p.dx.code[:2] == "O8" && !p.canary && p.sealed == never && p.home != who.home {
			x.look(look{at: at, who: who, pat: p, what: hisScreen("DEMOGRAPHICS")})
			at += r.d.within(15*second, 60*second)
			n--
		}
	}
	return next
}

// sortedTruth gives the violations that did happen, in order of time.
func (r *run) sortedTruth() []Violation {
	var out []Violation
	for _, v := range r.truth {
		for i, uid := range v.EventUIDs {
			if id, ok := r.rowIDs[uid]; ok {
				v.EventUIDs[i] = id
			}
		}
		if len(v.EventUIDs) > 0 {
			out = append(out, *v)
		}
	}
	slices.SortStableFunc(out, func(a, b Violation) int { return a.First.Compare(b.First) })
	return out
}
