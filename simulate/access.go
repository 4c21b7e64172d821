package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// thing is what somebody looks at.
type thing struct {
	resource, name, module string
	channel                string // "" is the electronic record (FHIR)
	level5                 bool
}

func chart() thing     { return thing{resource: "Patient", name: "Patient summary"} }
func note() thing      { return thing{resource: "DocumentReference", name: "Progress note"} }
func results() thing   { return thing{resource: "DiagnosticReport", name: "Laboratory results"} }
func vitals() thing    { return thing{resource: "Observation", name: "Vital signs"} }
func medicines() thing { return thing{resource: "MedicationRequest", name: "Medication list"} }
func orders() thing    { return thing{resource: "ServiceRequest", name: "Order list"} }
func images() thing    { return thing{resource: "ImagingStudy", name: "Imaging study", channel: "atna"} }
func worklist() thing  { return thing{resource: "List", name: "Ward list"} }
func secret() thing {
	return thing{resource: "DocumentReference", name: "Restricted note", level5: true}
}
func hisScreen(module string) thing {
	return thing{resource: "Patient", name: module, module: module, channel: "sql"}
}

// look is one access by one person to one patient.
type look struct {
	at      tick
	who     *person
	pat     *patient
	stay    *encounter // when it happens within one; tells the id in use
	what    thing
	verb    string // "R" unless set: C, U, E (search), X (export)
	station string // the person's own unless set
	account string // likewise
	glass   bool   // break-glass
	reason  string
	list    []*patient // further patients on the same screen
	ref     string     // the document's own reference and version
	hash    string     // of its content
	h       *Hospital

	channelOnly string // the system that has it, where there is a choice
}

// run is one passage through the hospital's days. It belongs to one goroutine.
type run struct {
	h   *Hospital
	d   dice
	day int

	pending []queued
	order   int // breaks ties in arrival
	msgs    int // HL7 messages so far
	planned int // rows of the audit table written down so far
	rows    int // and those that have arrived, which is when they get their id
	visits  int // encounters so far

	beds    [][]bool // by department: taken or free
	stays   []*encounter
	gone    []*encounter // discharged from a bed, newest last
	bonds   []bond       // by patient
	agenda  map[int][]func()
	outage  [2]tick // when the HL7 interface is down today
	todayN  int     // legitimate accesses so far today
	lastN   int     // and yesterday
	truth   []*Violation
	rowIDs  map[string]string // of violations: provisional id to that in the table
	used    map[*person]bool  // has a violation to their name
	offence []offence
	crimes  []plannedMisdeed
}

// bond is what ties a patient to the hospital, as far as the run has come.
type bond struct {
	depts   uint64    // departments that had to do with them
	blocked uint64    // departments that must not, for a violation's sake
	people  []*person // who saw their chart legitimately
	busy    tick      // in the hospital until
	avoid   tick      // must not come before
	last    *encounter
}

type queued struct {
	at    tick
	order int
	item  Item
}

// Stream yields every item in order of arrival, and stops early when yield
// says so. Every call starts from the first day and yields the same.
func (h *Hospital) Stream(yield func(Item) bool) {
	h.stream(yield, func(int) {})
}

func (h *Hospital) stream(yield func(Item) bool, progress func(day int)) {
	r := h.newRun()
	r.d = newRand(h.cfg.Seed, 2)
	r.history()
	r.day = -r.h.cfg.WarmupDays - 1
	r.expectCelebrities()
	r.planViolations()
	for r.day = -h.cfg.WarmupDays; r.day < h.cfg.Days; r.day++ {
		r.d = newRand(h.cfg.Seed, uint64(5_000_000+r.day))
		r.liveDay()
		if !r.flush(dayStart(r.day+1)-hour, yield) {
			return
		}
		progress(r.day + 1)
	}
	if r.flush(never, yield) {
		h.keepTruth(r.sortedTruth())
	}
}

func (h *Hospital) newRun() *run {
	r := &run{h: h, bonds: make([]bond, len(h.patients)), agenda: map[int][]func(){}, used: map[*person]bool{},
		rowIDs: map[string]string{}}
	for i := range r.bonds {
		r.bonds[i].busy, r.bonds[i].avoid = -never, -never
	}
	for _, x := range h.depts {
		r.beds = append(r.beds, make([]bool, x.beds))
	}
	return r
}

func (r *run) liveDay() {
	r.lastN, r.todayN = r.todayN, 0
	r.planOutage()
	if r.day == -r.h.cfg.WarmupDays {
		r.loadIndex()
	}
	for _, do := range r.agenda[r.day] {
		do()
	}
	delete(r.agenda, r.day)
	r.wards()
	r.bookings()
	r.emergencies()
	r.oddities()
	r.sideWork()
	r.commitToday()
	r.machineWork()
}

// later puts work on another day's agenda.
func (r *run) later(day int, do func()) {
	if day <= r.day {
		do()
		return
	}
	r.agenda[day] = append(r.agenda[day], do)
}

// flush yields what has arrived before the horizon, which stays an hour behind
// midnight: the morning after may still look back that far (handover).
func (r *run) flush(horizon tick, yield func(Item) bool) bool {
	slices.SortFunc(r.pending, func(a, b queued) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
	})
	n := 0
	for n < len(r.pending) && r.pending[n].at < horizon {
		item := r.pending[n].item
		if item.Row != nil {
			r.insertRow(&item)
		}
		if !yield(item) {
			return false
		}
		n++
	}
	rest := copy(r.pending, r.pending[n:])
	clear(r.pending[rest:])
	r.pending = r.pending[:rest]
	return true
}

// insertRow gives a row the next id of the table, as the database would.
func (r *run) insertRow(it *Item) {
	r.rows++
	id := fmt.Sprintf("sql-%08d", r.rows)
	if _, ok := r.rowIDs[it.UID]; ok {
		r.rowIDs[it.UID] = id
	}
	it.UID, it.Row.ID = id, id
	it.Data = it.Row.csv()
}

func (r *run) enqueue(at tick, channel, uid string, data []byte, row *Row) {
	r.order++
	item := Item{At: r.h.time(at), Channel: channel, Data: data, Row: row, UID: uid}
	r.pending = append(r.pending, queued{at, r.order, item})
	if row == nil && r.d.chance(0.003) { // sent again, byte for byte
		again := at + r.d.within(second, 20*minute)
		r.order++
		item.At = r.h.time(again)
		r.pending = append(r.pending, queued{again, r.order, item})
	}
}

// see is a legitimate access, if the person may make it: nobody here opens
// their own or a relative's chart, or a record under seal.
func (r *run) see(who *person, e *encounter, at tick, what thing) {
	if who == nil {
		return
	}
	r.seeAs(look{at: at, who: who, pat: e.pat, stay: e, what: what})
}

func (r *run) seeAs(l look) {
	if !r.proper(l) {
		return
	}
	r.tie(l.pat, l.who)
	if a := l.who.dept.account; a != "" && l.who.role == nurse {
		l.account = a
	}
	r.emit(l)
	r.todayN++
	for r.d.chance(0.22) {
		l.at += r.d.within(20*second, 25*minute)
		l.what = r.another(l.what)
		if !r.proper(l) {
			return
		}
		r.emit(l)
		r.todayN++
	}
}

func (r *run) proper(l look) bool {
	switch {
	case l.who == nil || l.at < 0 || l.at >= r.h.end() || !l.who.employed(l.at) || l.who.leave && l.who.returns == 0:
		return false
	case r.h.down(l.at):
		return false
	case l.who.self == l.pat || l.who.home == l.pat.home || l.at >= l.pat.sealed-hour:
		return false
	}
	return r.bonds[l.pat.n].blocked&l.who.dept.mask() == 0
}

// another page of the same chart; screens of the HIS and images stay what they are.
func (r *run) another(what thing) thing {
	if what.channel != "" || what.level5 || r.d.chance(0.4) {
		return what
	}
	return pick(r.d, []func() thing{chart, note, results, vitals, medicines, orders})()
}

func (x *department) mask() uint64 { return 1 << x.bit }

// tie remembers that a person and a patient have to do with each other.
func (r *run) tie(p *patient, who *person) {
	b := &r.bonds[p.n]
	if !slices.Contains(b.people, who) {
		b.people = append(b.people, who)
	}
}

// concerns remembers that a department has to do with a patient.
func (r *run) concerns(p *patient, x *department) { r.bonds[p.n].depts |= x.mask() }

// emit writes the access down the way its system does. It gives the id of the
// access, and that of the client's half if there are two.
func (r *run) emit(l look) (uid, also string) {
	if l.verb == "" {
		l.verb = "R"
	}
	if l.station == "" {
		l.station = l.who.station
	}
	l.h = r.h
	switch channel := l.channel(r.d); channel {
	case "sql":
		return r.emitSQL(l), ""
	case "atna":
		return r.emitATNA(l), ""
	default:
		return r.emitFHIR(l)
	}
}

// channel: the HIS needs a HIS account, the archive mostly holds images, and
// a few notes are fetched from the document repository, which speaks ATNA.
func (l *look) channel(d dice) string {
	switch {
	case l.channelOnly != "":
		return l.channelOnly
	case l.what.channel == "sql" && l.who.his == "":
		return "fhir"
	case l.what.channel != "":
		return l.what.channel
	case l.what.resource == "DocumentReference" && l.list == nil && d.chance(0.08):
		return "atna"
	}
	return "fhir"
}

// patientID is the id under which the patient is known at that moment.
func (l *look) patientID() string { return l.stay.idAt(l.pat, l.at) }

func (l *look) login(own string) string {
	if l.account != "" {
		own = l.account
	}
	if own == "" {
		own = l.who.account
	}
	return l.h.loginForm(own)
}

// emitSQL adds a row to the audit table of the HIS. The id it gives is
// provisional: the table counts in order of arrival.
func (r *run) emitSQL(l look) string {
	r.planned++
	row := &Row{OpTime: r.h.time(l.at + r.h.skew("sql")), UserCode: l.login(l.who.his),
		PatientNo: r.h.hisNumber(l), Action: sqlAction(l.verb), Module: l.what.module, ClientIP: l.station, Reason: l.reason}
	if row.Module == "" {
		row.Module = "EMR"
	}
	id := rowMark + strconv.Itoa(r.planned)
	r.enqueue(l.at+r.d.within(second, 3*second), "sql", id, nil, row)
	return id
}

// rowMark begins the provisional id of a row.
const rowMark = "row:"

func provisional(uid string) bool { return strings.HasPrefix(uid, rowMark) }

func sqlAction(verb string) string {
	switch verb {
	case "C":
		return "INSERT"
	case "U":
		return "UPDATE"
	case "E":
		return "QUERY"
	case "X":
		return "EXPORT"
	}
	return "VIEW"
}

func (r *run) uuid() string {
	a, b := r.d.Uint64(), r.d.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(a>>32), uint16(a>>16), a&0xfff, 0x8000|(b>>48)&0x3fff, b&0xffffffffffff)
}
