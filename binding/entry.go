package binding

// State is how far a binding has come.
type State string

// The states.
const (
	Learnt State = "learnt" // seen, nobody has said that it is right
	Bound  State = "bound"  // a person said so
	Locked State = "locked" // and what differs is an alarm, and may be dropped
	Ended  State = "ended"
)

// Binding says whose an address is. Times are ms since 1970 UTC.
type Binding struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	// MAC and IP are bound to each other; Port, when set, to both.
	MAC  string `json:"mac"`
	IP   string `json:"ip"`
	Port string `json:"port,omitempty"`
	VLAN uint16 `json:"vlan,omitempty"`
	// Dynamic addresses come from a lease and may change with it.
	Dynamic bool `json:"dynamic,omitempty"`
	// Person is the person_id of who is responsible.
	Person     string `json:"person,omitempty"`
	Department string `json:"department,omitempty"`
	Device     string `json:"device,omitempty"` // id of the device
	Note       string `json:"note,omitempty"`
	First      int64  `json:"first"`
	Last       int64  `json:"last"`
	// Decided says who bound or locked it last, and when.
	DecidedBy string `json:"decided_by,omitempty"`
	Decided   int64  `json:"decided,omitempty"`
	// Until is when it ended, 0 while it holds.
	Until int64 `json:"until,omitempty"`
	// Before is the binding it took the place of.
	Before string `json:"before,omitempty"`
}
