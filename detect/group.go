package detect

import (
	"slices"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// A group is a finding that may still grow: what one detector says about one
// person and one patient on one day of the site.
type group struct {
	Seen []sight `json:"s"`
	Risk float64 `json:"r"`
}

// sight is one access of a group.
type sight struct {
	UID string `json:"u"`
	At  int64  `json:"t"`
}

const (
	maxGroups = 8192
	// groupAge is how long a group may grow after its last access.
	groupAge = 36 * int64(time.Hour/time.Millisecond)
	// maxSights bounds a finding: who opens a chart a hundred times in a day
	// has not done more than who opened it twenty times.
	maxSights = 20
)

// grow joins a finding with what the same detector found about the same person,
// patient and day before. It says whether there is something new to tell.
func (c *Context) grow(f *ocsf.Finding) bool {
	ev := c.ev
	day := time.UnixMilli(ev.Time).In(c.Zone()).Format(time.DateOnly)
	f.UID = UID(f.Analytic, f.Person, f.Patient, day)
	g := c.engine.groups.Keep(f.UID, ev.Time)
	if f.Unexplained {
		c.dropExplained(g, f.Bare)
	}
	if len(g.Seen) >= maxSights || slices.ContainsFunc(g.Seen, func(s sight) bool { return s.UID == ev.Metadata.UID }) {
		return false
	}
	g.Seen = append(g.Seen, sight{ev.Metadata.UID, ev.Time})
	g.Risk = max(g.Risk, f.Risk)
	f.Risk, f.Time = g.Risk, 0
	for _, s := range g.Seen {
		f.Events = append(f.Events, s.UID)
		f.Time = max(f.Time, s.At)
	}
	return true
}

// dropExplained takes accesses out of a group that have their explanation by
// now; their finding has been withdrawn meanwhile.
func (c *Context) dropExplained(g *group, bare bool) {
	before := len(g.Seen)
	g.Seen = slices.DeleteFunc(g.Seen, func(s sight) bool { return c.explainedFor(c.ev.Actor.User, c.ev.Patient.UID, s.At, bare) })
	if len(g.Seen) < before {
		g.Risk = 0
	}
}

// Explained says whether the event's person has a good reason by now for an
// access to a patient at an earlier time: explanations may come late.
func (c *Context) Explained(patient string, at int64) bool {
	return c.ExplainedFor(c.ev.Actor.User, patient, at)
}

// ExplainedFor is Explained for somebody else.
func (c *Context) ExplainedFor(user ocsf.User, patient string, at int64) bool {
	return c.explainedFor(user, patient, at, false)
}

// Tied is Explained where a weak reason is enough: for findings that are bare.
func (c *Context) Tied(patient string, at int64) bool {
	return c.TiedFor(c.ev.Actor.User, patient, at)
}

// TiedFor is Tied for somebody else.
func (c *Context) TiedFor(user ocsf.User, patient string, at int64) bool {
	return c.explainedFor(user, patient, at, true)
}

func (c *Context) explainedFor(user ocsf.User, patient string, at int64, weakly bool) bool {
	past := ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, Time: at,
		Actor: ocsf.Actor{User: user}, Patient: &ocsf.Patient{UID: patient},
	}
	x := c.Care().Explain(&past)
	return x.Explained && (weakly || !x.Weak)
}

// Pages is how many accesses this person made to this patient today that the
// running detector found worth telling, before this one.
func (c *Context) Pages() int {
	if c.ev.Patient == nil {
		return 0
	}
	day := time.UnixMilli(c.ev.Time).In(c.Zone()).Format(time.DateOnly)
	if g := c.engine.groups.Get(UID(c.slot.info.ID, c.Who(), c.ev.Patient.UID, day)); g != nil {
		return len(g.Seen)
	}
	return 0
}
