package zone

import "github.com/cordon-health/cordon/ocsf"

// Simulation says what a policy would have done to the conversations of some
// weeks. Times are ms since 1970 UTC.
type Simulation struct {
	Policy string `json:"policy"`
	Hash   string `json:"hash"`
	From   int64  `json:"from"`
	Until  int64  `json:"until"`
	// Conversations are those judged; Sessions, Bytes count what they hold.
	Conversations  int64 `json:"conversations"`
	Allowed        int64 `json:"allowed"`
	Denied         int64 `json:"denied"`
	Sessions       int64 `json:"sessions"`
	DeniedSessions int64 `json:"denied_sessions"`
	// Effects are what people would notice, the worst first.
	Effects []Effect `json:"effects"`
	// Pairs are the zones' matrix of what passes and what does not.
	Pairs []Pair `json:"pairs"`
	// Unused are conduits that nothing went through.
	Unused []string `json:"unused,omitempty"`
	// Departments score how much of their traffic would go on, 0 to 1.
	Departments map[string]float64 `json:"departments,omitempty"`
	// Days is on how many days of the site's calendar something was seen; per
	// day averages divide by it.
	Days int `json:"days"`
	// Cautions say what the sample does not hold: no weekend, no month's end.
	Cautions []ocsf.Text `json:"cautions,omitempty"`
	// Homeless counts conversations with an end in no zone.
	Homeless int64 `json:"homeless"`
	// Blocked are denied conversations that a rule of the house forbids
	// anyhow: what the policy is for. They are no Effects.
	Blocked []Effect `json:"blocked,omitempty"`
	// More counts effects beyond those listed.
	More int `json:"more,omitempty"`
}

// Effect is one thing that would fail, in clinical words.
type Effect struct {
	// Severity is an OCSF severity_id; what touches life support is critical.
	Severity int       `json:"severity"`
	Text     ocsf.Text `json:"text"`
	Advice   ocsf.Text `json:"advice"`
	FromZone string    `json:"from_zone"`
	ToZone   string    `json:"to_zone"`
	From     string    `json:"from"` // names or addresses of devices
	To       string    `json:"to"`
	Service  string    `json:"service"`
	// PerDay is how often it happens a day, in sessions or clinical calls.
	PerDay      float64 `json:"per_day"`
	Last        int64   `json:"last"`
	LifeSupport bool    `json:"life_support,omitempty"`
	Department  string  `json:"department,omitempty"`
	// Kind is stable: dicom-store, dns-loss, results, sign-in, ...
	Kind string `json:"kind"`
	// Clients and Servers count the devices on both sides; Devices names some.
	Clients int      `json:"clients"`
	Servers int      `json:"servers"`
	Devices []string `json:"devices,omitempty"`
	// Sessions is all of them in the sample, Days on how many days.
	Sessions int64 `json:"sessions"`
	Days     int   `json:"days"`
	// Proposal is the conduit to add, as it would stand in the file; "" where
	// the conversation had better stop.
	Proposal string `json:"proposal,omitempty"`
}

// Pair is one field of the matrix of zones.
type Pair struct {
	From     string   `json:"from"`
	To       string   `json:"to"`
	Allowed  int64    `json:"allowed"` // sessions
	Denied   int64    `json:"denied"`
	Conduits []string `json:"conduits,omitempty"`
}

// Life is where a policy stands.
type Life string

// The stages of a policy.
const (
	Draft      Life = "draft"
	Staged     Life = "staged"      // logs what it would drop
	Waiting    Life = "waiting"     // enforced, and rolled back unless confirmed in time
	Enforced   Life = "enforced"    //
	RolledBack Life = "rolled-back" //
)
