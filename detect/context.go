package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/ocsf"
)

// Context is what a detector gets beside the event. What it looks up, it looks
// up once per event, for all detectors, and only when somebody asks.
type Context struct {
	engine *Engine
	slot   *slot
	ev     *ocsf.Event
	now    int64
	access bool
	loose  bool
	ahead  int64
	out    []ocsf.Finding

	have       have
	person     directory.Person
	known      bool
	who        string
	department string
	role       string
	patient    care.Patient
	attending  bool
	watched    [4]care.Watch
	isWatched  [4]bool
	duty       Duty
}

// have says what was looked up for this event.
type have uint16

const (
	havePerson have = 1 << iota
	havePost
	havePatient
	haveAttending
	haveDuty
	haveWatch // and the following three bits
)

func (c *Context) begin(ev *ocsf.Event, now int64) {
	c.ev, c.now, c.have, c.ahead, c.out = ev, now, 0, 0, nil
	x := ev.Explanation
	c.access = ev.IsAccess() && (ev.Access == nil || ev.Access.HalfOf == "")
	c.loose = c.access && (x == nil || !x.Explained || x.Weak)
}

func (c *Context) end() []ocsf.Finding {
	out := c.out
	c.out, c.ev = nil, nil
	order(out)
	return out
}

// Now is the latest time any event carried so far, in ms; in Tick the wall
// clock.
func (c *Context) Now() int64 { return c.now }

// Ahead is by how many ms the source's clock had put the event into the
// future; its time was set to that of its arrival.
func (c *Context) Ahead() int64 { return c.ahead }

// People is the directory.
func (c *Context) People() *directory.Directory { return c.engine.world.People }

// Care is the care graph.
func (c *Context) Care() *care.Graph { return c.engine.world.Care }

// World is everything detectors may know.
func (c *Context) World() *World { return &c.engine.world }

// Zone is the site's time zone.
func (c *Context) Zone() *time.Location { return c.engine.world.Zone }

// Param is a number of the running detector.
func (c *Context) Param(name string) float64 {
	for i := range c.slot.params {
		if c.slot.params[i].Name == name {
			return c.slot.params[i].Default
		}
	}
	panic("detector " + c.slot.info.ID + " has no parameter " + name) // a bug; the test of the list asks for all
}

// Access says that the event is an access to a patient's data (and not the
// second record of one).
func (c *Context) Access() bool { return c.access }

// Loose says that it is an access which nothing, or only something weak,
// explains.
func (c *Context) Loose() bool { return c.loose }

// Unexplained says that it is an access which nothing at all explains.
func (c *Context) Unexplained() bool {
	return c.loose && (c.ev.Explanation == nil || !c.ev.Explanation.Explained)
}

// Deliberate says that somebody chose this patient and got to see them: not a
// line of a list, not a refused attempt, not a program without a user. What
// is exported or shared is always deliberate.
func (c *Context) Deliberate() bool {
	if !c.access || c.ev.StatusID == ocsf.StatusFailure || c.Who() == "" {
		return false
	}
	if c.ev.Access != nil && c.ev.Access.Incidental {
		return c.ev.ActivityID == ocsf.AccessExport || c.ev.ActivityID == ocsf.AccessShare
	}
	return true
}

// Person is the member of staff behind the event.
func (c *Context) Person() (*directory.Person, bool) {
	if c.have&havePerson == 0 {
		c.have |= havePerson
		c.findPerson()
	}
	return &c.person, c.known
}

func (c *Context) findPerson() {
	u := &c.ev.Actor.User
	c.person, c.known = directory.Person{}, false
	if u.UID != "" {
		c.person, c.known = c.People().Person(u.UID)
	}
	if !c.known && u.Account != "" {
		c.person, c.known = c.People().Resolve(u.Account)
	}
	if !c.known && u.UID != "" {
		c.person, c.known = c.People().Resolve(u.UID)
	}
	switch {
	case c.known:
		c.who = c.person.ID
	case u.UID != "":
		c.who = u.UID
	default:
		c.who = u.Account
	}
}

// Who is the person_id, for a stranger the name the source gave, "" for
// nobody.
func (c *Context) Who() string {
	c.Person()
	return c.who
}

func (c *Context) post() {
	if c.have&havePost != 0 {
		return
	}
	c.have |= havePost
	c.department, c.role = "", ""
	if p, ok := c.Person(); ok {
		c.department, c.role = c.People().DepartmentAt(p.ID, c.ev.Time)
	}
}

// Department is where the person worked when it happened.
func (c *Context) Department() string {
	c.post()
	return c.department
}

// Role is what the person was when it happened.
func (c *Context) Role() string {
	c.post()
	return c.role
}

// Patient is whose data it is.
func (c *Context) Patient() *care.Patient {
	if c.have&havePatient == 0 {
		c.have |= havePatient
		c.patient = care.Patient{}
		if c.ev.Patient != nil {
			c.patient = c.Care().Patient(c.ev.Patient.UID)
		}
	}
	return &c.patient
}

// Attending says whether the person is one of the patient's own doctors.
func (c *Context) Attending() bool {
	if c.have&haveAttending == 0 {
		c.have |= haveAttending
		c.attending = c.ev.Patient != nil && c.Care().Attending(c.Who(), c.ev.Patient.UID, c.ev.Time)
	}
	return c.attending
}

// watchKinds numbers the watchlists.
var watchKinds = [4]string{care.WatchVIP, care.WatchSealed, care.WatchCanary, care.WatchSensitive}

// Watched says whether the patient was on a watchlist when it happened.
func (c *Context) Watched(kind string) (care.Watch, bool) {
	if c.ev.Patient == nil {
		return care.Watch{}, false
	}
	i := slices.Index(watchKinds[:], kind)
	if c.have&(haveWatch<<i) == 0 {
		c.have |= haveWatch << i
		c.watched[i], c.isWatched[i] = c.Care().Watched(kind, c.ev.Patient.UID, c.ev.Time)
	}
	return c.watched[i], c.isWatched[i]
}

// Duty is what the roster says about the person at the time.
type Duty struct {
	// Covered is false where the roster says nothing about the person: then
	// nobody can say that they were off duty.
	Covered bool
	// On is true on a shift or on call, with slack at both ends.
	On bool
	// Department is that of the shift.
	Department string
}

const dutySlack = 2 * int64(time.Hour/time.Millisecond)

// Duty asks the roster, with two hours of slack.
func (c *Context) Duty() Duty {
	if c.have&haveDuty != 0 {
		return c.duty
	}
	c.have |= haveDuty
	c.duty = Duty{}
	p, ok := c.Person()
	if !ok || !c.People().Covered(p.ID, c.ev.Time) {
		return c.duty
	}
	c.duty.Covered = true
	for s := range c.People().ShiftsIn(p.ID, c.ev.Time-dutySlack, c.ev.Time+dutySlack+1) {
		c.duty.On, c.duty.Department = true, s.Department
		break
	}
	return c.duty
}

// Found lists what detectors before this one found in this event.
func (c *Context) Found() []ocsf.Finding { return c.out }

// Clock writes the time of the event as people of the site read it.
func (c *Context) Clock() string { return c.At(c.ev.Time) }

// At writes a time in ms as people of the site read it.
func (c *Context) At(ms int64) string {
	return time.UnixMilli(ms).In(c.Zone()).Format("2006-01-02 15:04")
}

// Find adds a finding. Where the detector leaves them empty, it fills in: who,
// whose data, when, the event, and risk, severity, weakness and dependence on
// a missing explanation from the detector's Info; the uid follows from
// detector, person, patient and day. One person's further accesses to the same
// patient on the same day make the finding grow instead of adding another.
func (c *Context) Find(f ocsf.Finding) {
	c.fill(&f)
	if c.excepted(&f) {
		return
	}
	switch {
	case f.UID != "" || len(f.Events) > 0 || c.ev.Patient == nil:
		if f.UID == "" {
			f.UID = UID(f.Analytic, f.Person, f.Account, f.Subject, first(f.Events, c.ev.Metadata.UID))
		}
		if len(f.Events) == 0 && c.ev.Metadata.UID != "" {
			f.Events = []string{c.ev.Metadata.UID}
		}
	case !c.grow(&f):
		return
	}
	if c.withinQuota(&f) {
		c.out = append(c.out, f)
	}
}

// quotaMost is how often a detector (or rule) speaks about one person in a day:
// a rule that fits everything must not drown the others.
const (
	quotaMost = 200
	maxQuotas = 8192
)

func (c *Context) withinQuota(f *ocsf.Finding) bool {
	day := time.UnixMilli(f.Time).In(c.Zone()).Format(time.DateOnly)
	n := c.engine.quotas.Keep(f.Analytic+"|"+f.Person+"|"+f.Account+"|"+f.Subject+"|"+day, c.now)
	*n++
	return *n <= quotaMost
}

func (c *Context) fill(f *ocsf.Finding) {
	i := &c.slot.info
	if f.ClassUID == 0 {
		f.ClassUID = ocsf.DetectionFinding
		if c.access {
			f.ClassUID = ocsf.DataSecurityFinding
		}
	}
	if f.Analytic == "" {
		f.Analytic = i.ID
	}
	if f.Type == "" {
		f.Type = "behavior"
	}
	if f.Time == 0 {
		f.Time = c.ev.Time
	}
	if f.Subject == "" && f.Person == "" {
		f.Person, f.Account = c.Who(), c.ev.Actor.User.Account
	}
	if f.Patient == "" && f.UID == "" && f.Subject == "" && c.ev.Patient != nil {
		f.Patient = c.ev.Patient.UID
	}
	if f.SeverityID == 0 {
		f.SeverityID = i.Severity
	}
	if f.Risk == 0 {
		f.Risk = i.Risk
	}
	f.Risk = max(1, min(f.Risk, 99))
	f.Statistical = f.Statistical || i.Statistical
	f.Steady = f.Steady || i.Steady
	f.Weak = f.Weak || i.Weak || f.Statistical
	f.Bare = f.Bare || i.Bare
	f.Unexplained = f.Unexplained || i.Unexplained || f.Bare
}

// UID is a finding's uid: its detector, and a hash of what makes it the one it
// is.
func UID(detector string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return detector + ":" + hex.EncodeToString(h.Sum(nil)[:10])
}

func first(events []string, one string) string {
	if len(events) == 0 {
		return one
	}
	return events[0]
}
