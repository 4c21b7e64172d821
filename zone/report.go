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
	Conversations, Allowed, Denied int64
	Sessions, DeniedSessions       int64
	// Effects are what people would notice, the worst first.
	Effects []Effect `json:"effects"`
	// Pairs are the zones' matrix of what passes and what does not.
	Pairs []Pair `json:"pairs"`
	// Unused are conduits that nothing went through.
	Unused []string `json:"unused,omitempty"`
	// Departments score how much of their traffic would go on, 0 to 1.
	Departments map[string]float64 `json:"departments,omitempty"`
}

// Effect is one thing that would fail, in clinical words.
type Effect struct {
	// Severity is an OCSF severity_id; what touches life support is critical.
	Severity int       `json:"severity"`
	Text     ocsf.Text `json:"text"`
	Advice   ocsf.Text `json:"advice"`
	FromZone string    `json:"from_zone"`
	ToZone   string    `json:"to_zone"`
	From, To string    // names or addresses of devices
	Service  string    `json:"service"`
	// PerDay is how often it happens a day, in sessions or clinical calls.
	PerDay      float64 `json:"per_day"`
	Last        int64   `json:"last"`
	LifeSupport bool    `json:"life_support,omitempty"`
	Department  string  `json:"department,omitempty"`
}

// Pair is one field of the matrix of zones.
type Pair struct {
	From, To        string
	Allowed, Denied int64 // sessions
	Conduits        []string
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
