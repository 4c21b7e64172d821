package detect

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// Measure is a count of which it is known what is usual.
type Measure int

// The measures. A patient counts where a person chose them ([Context.Deliberate]).
const (
	// PatientsPerHour are different patients in an hour of the clock in which
	// there was any.
	PatientsPerHour Measure = iota
	// PatientsPerDay likewise on a day of the site.
	PatientsPerDay
	// ExportsPerDay are different patients whose data was exported or shared
	// on a day with any access.
	ExportsPerDay
	measures
)

// baseline knows what is usual for persons, for their peers (the role in the
// department, the role, the house) and for patients. It sees every access that
// somebody chose, before the detectors do. A span (an hour, a day) counts once
// it is over, so what happens now is not compared with itself; a span stays
// open for events that come late; what comes later still is left out. The state
// follows from the events alone; memory is bounded in persons, patients, groups
// and in what is kept of each.
type baseline struct {
	people   Memory[habit]
	peers    Memory[peers] // by "role|department", "role" and "" (the house)
	patients Memory[following]
	others   Sketch // of all patients
}

const (
	maxHabits    = 20_000
	maxPeers     = 4_096
	maxFollowing = 10_000
	habitAge     = 400 * dayMS
	followingAge = 40 * dayMS

	hourMS = int64(time.Hour / time.Millisecond)
	dayMS  = 24 * hourMS
	// late is how long after its end a span takes events that come late.
	late = 3 * hourMS
)

// habit is what is known of a person.
type habit struct {
	Hours    []span           `json:"h,omitempty"` // open ones
	Days     []span           `json:"d,omitempty"`
	Exported []span           `json:"e,omitempty"` // of the same days
	Usual    [measures]Sketch `json:"u"`
	Week     profile          `json:"w"`
	Newest   int64            `json:"t"` // local time of the latest event, ms
}

// peers is what is usual in a group.
type peers struct {
	Usual [measures]Sketch `json:"u"`
	// Who are members, by hash, up to enough of them.
	Who marks `json:"p,omitempty"`
}

// following is who looked at a patient: on the days still open, and usually.
type following struct {
	Days   []span `json:"d,omitempty"`
	Usual  Sketch `json:"u"`
	Newest int64  `json:"t"`
}

// span is an hour or a day, by number, and who or what was seen in it.
type span struct {
	No  int64 `json:"n"`
	Set marks `json:"s,omitempty"`
}

const (
	// maxMarks is up to which number different things are told apart.
	maxMarks = 512
	// enoughPeers is how many people make a group.
	enoughPeers = 3
)

// marks is a set of things by a hash of 16 bits: in a set of a hundred chance
// hides one in thirteen hundred.
type marks []uint16

// add puts something in; a full set stays as it is.
func (m *marks) add(name string, most int) {
	h := uint32(2166136261) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	x := uint16(h ^ h>>16)
	i, found := slices.BinarySearch(*m, x)
	if !found && len(*m) < most {
		*m = slices.Insert(*m, i, x)
	}
}

// MarshalJSON writes the set as one short string.
func (m marks) MarshalJSON() ([]byte, error) { return m.appendJSON(nil), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *marks) UnmarshalJSON(text []byte) error {
	b, err := unquote(text)
	*m = nil
	for ; err == nil && len(b) >= 2 && len(*m) < maxMarks; b = b[2:] {
		*m = append(*m, binary.LittleEndian.Uint16(b))
	}
	if !slices.IsSorted(*m) {
		return errSketch
	}
	return err
}

func newBaseline() baseline {
	return baseline{
		people: NewMemory[habit](maxHabits, habitAge), peers: NewMemory[peers](maxPeers, habitAge),
		patients: NewMemory[following](maxFollowing, followingAge),
	}
}

// see notes the access of a context.
func (b *baseline) see(c *Context) {
	if !c.Deliberate() {
		return
	}
	who, patient, local := c.Who(), c.Patient().ID, c.ev.Time+c.offset()
	p := b.people.Keep(who, c.ev.Time)
	p.Newest = max(p.Newest, local)
	b.close(c, p, who)
	note(&p.Hours, local, p.Newest, hourMS, patient)
	note(&p.Days, local, p.Newest, dayMS, patient)
	if a := c.ev.ActivityID; a == ocsf.AccessExport || a == ocsf.AccessShare {
		note(&p.Exported, local, p.Newest, dayMS, patient)
	}
	p.Week.see(local)
	f := b.patients.Keep(patient, c.ev.Time)
	f.Newest = max(f.Newest, local)
	for _, d := range over(&f.Days, f.Newest, dayMS) {
		f.Usual.Add(int64(len(d.Set)), d.No*dayMS)
		b.others.Add(int64(len(d.Set)), d.No*dayMS)
	}
	note(&f.Days, local, f.Newest, dayMS, who)
}

// close counts a person's spans that are over.
func (b *baseline) close(c *Context, p *habit, who string) {
	for _, h := range over(&p.Hours, p.Newest, hourMS) {
		b.count(c, p, who, PatientsPerHour, len(h.Set), h.No*hourMS)
	}
	exported := over(&p.Exported, p.Newest, dayMS)
	for _, d := range over(&p.Days, p.Newest, dayMS) {
		b.count(c, p, who, PatientsPerDay, len(d.Set), d.No*dayMS)
		b.count(c, p, who, ExportsPerDay, inSpan(exported, d.No), d.No*dayMS)
	}
}

func (b *baseline) count(c *Context, p *habit, who string, m Measure, n int, at int64) {
	p.Usual[m].Add(int64(n), at)
	for _, name := range c.groupNames() {
		g := b.peers.Keep(name, c.ev.Time)
		g.Usual[m].Add(int64(n), at)
		g.Who.add(who, enoughPeers)
	}
}

// note puts something into the span of a local time, unless that is over.
func note(list *[]span, local, newest, length int64, name string) {
	no := local / length
	if isOver(no, newest, length) {
		return
	}
	i, found := slices.BinarySearchFunc(*list, no, func(s span, no int64) int { return cmp.Compare(s.No, no) })
	if !found {
		*list = slices.Insert(*list, i, span{No: no})
	}
	(*list)[i].Set.add(name, maxMarks)
}

func isOver(no, newest, length int64) bool { return (no+1)*length+late <= newest }

// over takes out the spans that are over.
func over(list *[]span, newest, length int64) []span {
	n := 0
	for n < len(*list) && isOver((*list)[n].No, newest, length) {
		n++
	}
	if n == 0 {
		return nil
	}
	done := slices.Clone((*list)[:n])
	*list = slices.Delete(*list, 0, n)
	return done
}

// offset is how far the site's clock is before UTC at the event, in ms.
func (c *Context) offset() int64 {
	_, seconds := time.UnixMilli(c.ev.Time).In(c.Zone()).Zone()
	return int64(seconds) * 1000
}

// groupNames are the groups of the person, the narrowest first.
func (c *Context) groupNames() []string {
	role := c.Role()
	if role == "" {
		return []string{""}
	}
	return []string{role + "|" + c.Department(), role, ""}
}

// Usual is what is usual for somebody. Where too little has been seen, Known
// is false and nothing may follow from it.
type Usual struct {
	Known bool
	// N is how many hours or days it rests on, older ones counting less.
	N                      float64
	Median, Spread, Lately float64
	// Of says whose it is.
	Of ocsf.Text
}

// Z is how unusual a count is, in robust standard deviations. What has risen
// lately, up to twice the median, is usual too. Counts scatter by their root
// at least.
func (u Usual) Z(count int) float64 {
	if !u.Known {
		return 0
	}
	centre := max(u.Median, min(u.Lately, 2*u.Median))
	return (float64(count) - centre) / max(1.4826*u.Spread, math.Sqrt(centre), 1)
}

// Pace is a count now, and what is usual for the one it is about and for their
// peers.
type Pace struct {
	Now        int
	Own, Peers Usual
}

// Known says that there is anything to compare with.
func (p Pace) Known() bool { return p.Own.Known || p.Peers.Known }

// Z is how unusual the count is for both, as far as both are known.
func (p Pace) Z() float64 {
	switch {
	case p.Own.Known && p.Peers.Known:
		return min(p.Own.Z(p.Now), p.Peers.Z(p.Now))
	case p.Own.Known:
		return p.Own.Z(p.Now)
	}
	return p.Peers.Z(p.Now)
}

// Words says what is usual, as far as it is known, "" otherwise.
func (p Pace) Words() ocsf.Text {
	var out ocsf.Text
	for _, u := range [2]Usual{p.Own, p.Peers} {
		if !u.Known {
			continue
		}
		if out.EN != "" {
			out.EN, out.ZH = out.EN+"; ", out.ZH+"，"
		}
		out.EN += fmt.Sprintf("%s: usually %.0f", u.Of.EN, u.Median)
		out.ZH += fmt.Sprintf("%s平常为 %.0f", u.Of.ZH, u.Median)
	}
	return out
}

// least is on how many spans what is usual must rest: of a person or patient,
// and of a group.
func least(m Measure) (own, group float64) {
	if m == PatientsPerHour {
		return 20, 60
	}
	return 8, 30
}

func (s *Sketch) usual(least float64, of ocsf.Text) Usual {
	u := Usual{N: s.N(), Of: of}
	if u.N < least {
		return u
	}
	u.Known, u.Median, u.Spread, u.Lately = true, s.Median(), s.Spread(), s.Lately()
	return u
}

// Count is how many there are by now, this event included; cheaper than Pace.
func (c *Context) Count(m Measure) int {
	if p := c.engine.baseline.people.Get(c.Who()); p != nil {
		return p.now(m, c.ev.Time+c.offset())
	}
	return 0
}

// Pace compares what the event's person does, this event included, with what
// is usual for them and for their peers: the role in their department, failing
// that the role, failing that everybody.
func (c *Context) Pace(m Measure) Pace {
	b := &c.engine.baseline
	var out Pace
	own, group := least(m)
	if p := b.people.Get(c.Who()); p != nil {
		out.Now = p.now(m, c.ev.Time+c.offset())
		out.Own = p.Usual[m].usual(own, ocsf.Text{EN: "the person", ZH: "本人"})
	}
	of := []ocsf.Text{
		{EN: fmt.Sprintf("peers (%s, %s)", c.Role(), c.Department()), ZH: fmt.Sprintf("同组（%s，%s）", c.Role(), c.Department())},
		{EN: fmt.Sprintf("peers (%s)", c.Role()), ZH: fmt.Sprintf("同岗（%s）", c.Role())},
		{EN: "the house", ZH: "全院"},
	}
	names := c.groupNames()
	for i, name := range names {
		g := b.peers.Get(name)
		if g == nil || len(g.Who) < enoughPeers {
			continue
		}
		if out.Peers = g.Usual[m].usual(group, of[len(of)-len(names)+i]); out.Peers.Known {
			break
		}
	}
	return out
}

func (h *habit) now(m Measure, local int64) int {
	list, no := h.Hours, local/hourMS
	switch m {
	case PatientsPerDay:
		list, no = h.Days, local/dayMS
	case ExportsPerDay:
		list, no = h.Exported, local/dayMS
	}
	return inSpan(list, no)
}

func inSpan(list []span, no int64) int {
	for i := range list {
		if list[i].No == no {
			return len(list[i].Set)
		}
	}
	return 0
}

// Onlookers compares how many people looked at the event's patient today, this
// one included, with what is usual for the patient and for other patients, on
// days on which anybody looks.
func (c *Context) Onlookers() Pace {
	b := &c.engine.baseline
	var out Pace
	own, group := least(PatientsPerDay)
	if f := b.patients.Get(c.Patient().ID); f != nil {
		out.Now = inSpan(f.Days, (c.ev.Time+c.offset())/dayMS)
		out.Own = f.Usual.usual(own/2, ocsf.Text{EN: "this patient", ZH: "该患者"})
	}
	out.Peers = b.others.usual(group, ocsf.Text{EN: "other patients", ZH: "其他患者"})
	return out
}

// Hours says in how many weeks, older ones counting less, the person was at
// work around this hour, on any day of the week and with an hour of slack,
// counting this event. known is false while less than twenty of their days are
// known.
func (c *Context) Hours() (weeks float64, known bool) {
	p := c.engine.baseline.people.Get(c.Who())
	if p == nil || p.Usual[PatientsPerDay].N() < 20 {
		return 0, false
	}
	return p.Week.around(c.ev.Time + c.offset()), true
}

type baselineSnapshot struct {
	People   json.RawMessage `json:"people"`
	Peers    json.RawMessage `json:"peers"`
	Patients json.RawMessage `json:"patients"`
	Others   Sketch          `json:"others"`
}

// snapshot is the baseline as JSON, the same for the same baseline.
func (b *baseline) snapshot() (baselineSnapshot, error) {
	people, err := b.people.Snapshot()
	groups, err2 := b.peers.Snapshot()
	patients, err3 := b.patients.Snapshot()
	others := b.others
	others.bins = slices.Clone(others.bins)
	return baselineSnapshot{people, groups, patients, others}, errors.Join(err, err2, err3)
}

// restore replaces the baseline.
func (b *baseline) restore(s baselineSnapshot) error {
	b.others = s.Others
	return errors.Join(b.people.Restore(s.People), b.peers.Restore(s.Peers), b.patients.Restore(s.Patients))
}
