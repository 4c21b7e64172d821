// Package simulate invents a hospital: its people, its patients, the work of
// its days, the audit trail that work leaves behind, and a few labelled
// misdeeds among it. It exists so that Cordon can be tried without patient
// data and measured against a known truth.
//
// It gives one ordered stream of items in the formats of a real hospital
// (HL7 v2 messages, FHIR AuditEvents, ATNA syslog lines, rows of a HIS audit
// table, statements of its database, access logs of its FHIR server, CEF lines
// of devices, and what the surveillance system tells about its own use), the CSV files a hospital would hand over (directory, roster,
// tickets, watchlist) and truth.jsonl. The same Config gives the same bytes on
// every machine. Memory holds the population and one day of items, never the
// whole stream. The package owns no tables and only the files of the folder
// it is told to write.
//
// # What is assumed
//
// Results measured on this hospital are results under these assumptions:
//
//   - Volume: about 0.46 beds, 0.5 outpatient visits a weekday and 0.12
//     emergency visits a day per member of staff; a stay lasts about five
//     days. A bed gives some 15 accesses a day, which yields roughly ten
//     accesses per member of staff and day.
//   - Evidence: nearly all legitimate accesses leave a trace somewhere: an
//     ADT, order, result, appointment, referral, document, charge, roster
//     line or ticket. About 2 % leave none at all (a colleague asked in the
//     corridor, a nurse helping next door) and about half a percent can only
//     be understood from what a department usually treats (infection control,
//     clinical pharmacy, radiologists comparing). A simple reader of the
//     evidence in evidence_test.go finds a trace for 96.5 to 97.5 %.
//   - Lateness: emergency and some ward registrations are typed after the
//     fact, telephone consults are documented up to a day later, and every
//     ten days or so the HL7 interface is down for some hours and its queue
//     arrives afterwards. The file order is the order of arrival.
//   - Time: nurses work three shifts, doctors weekdays with night duty and
//     on-call; handover reads happen up to twenty minutes outside a shift.
//     Offices work weekdays; IT, quality, research, managers and vendors have
//     no roster at all.
//   - Identity: the HIS knows households only through what people wrote down:
//     address, phone, next of kin, guarantor. One address in ten is written
//     differently, one in twenty is outdated, surnames are shared by chance
//     as in a Chinese city. Department names are the same word in directory,
//     roster and PV1-3.1.
//   - Habits: all this is the hospital of the textbook. Others differ, in
//     what their interfaces leave out, how they write names and logins, who
//     works where, and what happens to them; see [AllHabits]. A seed can bring
//     its own ([DrawHabits]), and each can be asked for by name.
//   - Double recording: one FHIR access in eight is recorded by client and
//     server, joined by X-Request-Id; three items in a thousand are sent
//     twice byte for byte.
//   - Violations: at most a few per kind and month, placed in working time
//     unless the kind says otherwise, on patients with whom the person has no
//     tie in the records (except where the kind needs one). Relatives are
//     always on file as such at least once. A violator's
//     ordinary work continues around them. What no record of a hospital could
//     give away (a neighbour where no addresses are kept) is not committed
//     there. Kinds overlap by nature: a look
//     into a relative's chart also lacks a care relationship; truth names the
//     motive. Nobody in this hospital hides with skill: there is no collusion,
//     no forged order, no tampered log.
//   - A legitimate user never opens their own or a relative's chart, and
//     nobody works on a record under seal. Real hospitals are less tidy.
//
// Before the first day a warm-up (14 days) sends HL7 only, so that the first
// morning finds beds occupied, appointments booked and patients discharged;
// the very first file is the load of the patient index (A28).
//
// All people are invented. National ids carry a region code that was never
// issued and phones a prefix that is not assigned, with correct check digits
// and lengths, so they can belong to nobody.
//
// It does not know how Cordon detects or explains anything: it imports none
// of Cordon's packages, and its kinds are words in truth.jsonl.
package simulate

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Config says which hospital to invent. The zero value of a field takes its default.
type Config struct {
	// Seed decides everything that is left to chance.
	Seed uint64
	// Days of recorded life. Default 30.
	Days int
	// Staff is the number of people in the directory, at least 60. Default 400.
	Staff int
	// Patients is the number of people in the patient index, at least 200. Default 4000.
	Patients int
	// Start is local midnight of the first day. Default 2026-03-02 00:00 +08:00.
	Start time.Time
	// WarmupDays of HL7 without accesses before Start. Default 14; negative means none.
	WarmupDays int
	// Violations scales how many misdeeds there are; default 1, negative means none.
	Violations float64
	// Inside also tells what happens within the surveillance system itself: who
	// reads which trail, and what patients dispute. A running system tells that
	// itself and believes nobody else who does, so it is of use in tests alone.
	Inside bool
	// Habits are names of AllHabits; none is the hospital of the textbook, and
	// DrawHabits gives those that belong to a seed.
	Habits []string
}

// Hospital is an invented hospital. It does not change after New, except
// that it remembers the truth of its last complete stream; its methods may be
// called at the same time.
type Hospital struct {
	cfg      Config
	start    time.Time
	depts    []*department
	staff    []*person
	patients []*patient
	tickets  []ticket
	watches  []watch
	town     *town
	habits   map[string]bool

	mu    sync.Mutex
	truth []Violation // guarded by mu; nil until a stream has run to its end
}

// Item is one thing that arrives at a collector.
type Item struct {
	At      time.Time // when it arrives
	Channel string    // "hl7", "fhir", "atna", "sql", "db", "device", "http" or "ocsf"
	Data    []byte    // as on the wire: HL7 with CR, JSON, a syslog line, a CSV record
	Row     *Row      // the same as a typed row; only for "sql"
	UID     string    // the id the item carries: MSH-10, AuditEvent.id, X-Request-Id, id column; of a line of http the request's
}

// Row is one row of the hospital's own audit table.
type Row struct {
	ID                                                    string
	OpTime                                                time.Time
	UserCode, PatientNo, Action, Module, ClientIP, Reason string
}

// Violation is one labelled misdeed.
type Violation struct {
	Kind string `json:"kind"`
	// EventUIDs has one id per access: the server's half where it was recorded twice.
	EventUIDs []string `json:"event_uids"`
	// AlsoUIDs are the client's halves of the same accesses.
	AlsoUIDs []string `json:"also_uids,omitempty"`
	// Tied says that records tie the person to the patient, and the misdeed lies
	// elsewhere: in what was done, or in what only the patient knows.
	Tied bool `json:"tied,omitempty"`
	// Person who did it (for a shared account: its owner); empty for a crowd.
	Person string `json:"person,omitempty"`
	// People of a crowd.
	People []string `json:"people,omitempty"`
	// Patient concerned; the first when there are several.
	Patient  string    `json:"patient,omitempty"`
	Patients []string  `json:"patients,omitempty"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
}

// New invents the people, rosters and plans of a hospital. The same Config
// always gives the same hospital.
func New(cfg Config) (*Hospital, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	h := &Hospital{cfg: cfg, start: cfg.Start, habits: map[string]bool{}}
	for _, name := range cfg.Habits {
		h.habits[name] = true
	}
	h.town = newTown(cfg.Patients, h.is(western))
	rng := newRand(cfg.Seed, 0)
	h.makeStaff(rng)
	h.nameDepartments()
	h.shareAccounts()
	h.makePatients(rng)
	h.makeRoster()
	h.makeWatchlist(rng)
	h.makeTickets(rng)
	return h, nil
}

func (c Config) withDefaults() Config {
	setDefault(&c.Days, 30)
	setDefault(&c.Staff, 400)
	setDefault(&c.Patients, 4000)
	setDefault(&c.WarmupDays, 14)
	if c.WarmupDays < 0 {
		c.WarmupDays = 0
	}
	if c.Violations == 0 {
		c.Violations = 1
	}
	if c.Start.IsZero() {
		c.Start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.FixedZone("", 8*3600))
	}
	return c
}

func setDefault(v *int, def int) {
	if *v == 0 {
		*v = def
	}
}

func (c Config) check() error {
	switch {
	case c.Days < 1 || c.Days > 3660:
		return fmt.Errorf("simulate: days is %d; give 1 to 3660", c.Days)
	case c.Staff < 60 || c.Staff > 20000:
		return fmt.Errorf("simulate: staff is %d; give 60 to 20000, fewer cannot fill every shift", c.Staff)
	case c.Patients < 200 || c.Patients > 5_000_000:
		return fmt.Errorf("simulate: patients is %d; give 200 to 5000000", c.Patients)
	case c.WarmupDays > 60:
		return fmt.Errorf("simulate: warm-up is %d days; give at most 60", c.WarmupDays)
	}
	return checkHabits(c.Habits)
}

// Truth gives the labelled violations of the whole stream. It runs the
// stream once when that has not happened yet.
func (h *Hospital) Truth() []Violation {
	if t, ok := h.knownTruth(); ok {
		return t
	}
	h.Stream(func(Item) bool { return true })
	t, _ := h.knownTruth()
	return t
}

func (h *Hospital) knownTruth() ([]Violation, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.truth, h.truth != nil
}

func (h *Hospital) keepTruth(t []Violation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.truth = append([]Violation{}, t...)
}

// tick is a moment in milliseconds since local midnight of the first day.
type tick int64

const (
	second tick = 1000
	minute      = 60 * second
	hour        = 60 * minute
	oneDay      = 24 * hour
	never  tick = 1 << 60
)

func (h *Hospital) time(t tick) time.Time {
	return h.start.Add(time.Duration(t) * time.Millisecond)
}

func dayOf(t tick) int {
	if t < 0 {
		return int((t - oneDay + 1) / oneDay)
	}
	return int(t / oneDay)
}

func dayStart(day int) tick { return tick(day) * oneDay }

func (h *Hospital) weekday(day int) time.Weekday {
	return time.Weekday(((int(h.start.Weekday())+day)%7 + 7) % 7)
}

func (h *Hospital) weekend(day int) bool {
	d := h.weekday(day)
	return d == time.Saturday || d == time.Sunday
}

// end is the moment after the last recorded day.
func (h *Hospital) end() tick { return dayStart(h.cfg.Days) }

// dice adds the few questions the simulation keeps asking to a source of chance.
type dice struct{ *rand.Rand }

func newRand(seed, part uint64) dice {
	return dice{rand.New(rand.NewPCG(seed, part*0x9e3779b97f4a7c15+1))}
}

func (d dice) chance(p float64) bool { return d.Float64() < p }

// between gives a number from lo to hi, both included.
func (d dice) between(lo, hi int) int {
	if hi <= lo {
		return lo
	}
	return lo + d.IntN(hi-lo+1)
}

// within gives a moment from lo up to hi.
func (d dice) within(lo, hi tick) tick {
	if hi <= lo {
		return lo
	}
	return lo + tick(d.Int64N(int64(hi-lo)))
}

// times turns a mean into a whole number: 2.3 is 2, and 3 in three cases of ten.
func (d dice) times(mean float64) int {
	n := int(mean)
	if d.chance(mean - float64(n)) {
		n++
	}
	return n
}

func pick[T any](d dice, list []T) T { return list[d.IntN(len(list))] }
