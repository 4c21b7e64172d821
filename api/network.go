package api

import (
	"context"
	"io"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/zone"
)

// Network is what is on the network, and how departments are kept apart. A
// server that watches no network leaves Devices nil, and then all of it. Times
// are ms since 1970 UTC.
type Network struct {
	// Devices lists all devices, also retired ones. Facts, addresses had
	// before, software and changes may be left out; Zone is filled.
	Devices func(ctx context.Context) ([]asset.Device, error)
	// Device is one with everything; fs.ErrNotExist for none. The key is an id,
	// a MAC or an IP that it has now.
	Device func(ctx context.Context, key string) (asset.Device, error)
	// Kinds are the kinds of devices there may be, medical ones first.
	Kinds func() []DeviceKind
	// Edit changes what people say of a device, and leaves a record.
	Edit func(ctx context.Context, id string, e DeviceEdit, by string) error
	// Facts lists all devices' facts of a kind.
	Facts func(ctx context.Context, name asset.FactName) ([]DeviceFact, error)
	// Had says who had an address (IP or MAC) at a moment, 0 for at any time,
	// and who had approved it; the newest first.
	Had func(ctx context.Context, address string, at int64) ([]AddressUse, error)

	// Talks lists conversations, summed by their key over the time asked for.
	Talks func(ctx context.Context, f TalkFilter) ([]Talk, error)
	// Hours counts sessions and violations by the hour; nil where nobody counts.
	Hours func(ctx context.Context, since, until int64) ([]NetworkHour, error)

	// Bindings lists who addresses belong to, also ended ones.
	Bindings func(ctx context.Context) ([]binding.Binding, error)
	// Conflicts lists claims that contradict a binding or each other.
	Conflicts func(ctx context.Context) ([]AddressConflict, error)
	// Bind decides about bindings, and leaves records.
	Bind func(ctx context.Context, w BindingWish, by string) error
	// BindFile takes a CSV of bindings in, and BindingsFile gives those of a
	// state, "" for all that have not ended, out in the same form.
	BindFile     func(ctx context.Context, r io.Reader, by, reason string) (BindingsTaken, error)
	BindingsFile func(ctx context.Context, w io.Writer, state binding.State) error
	// Known lists machines that may do what others may not: lease addresses,
	// route, share one. SetKnown confirms one, or takes its role away (Ended).
	Known    func() []binding.Known
	SetKnown func(ctx context.Context, k binding.Known) error
	// Subnets lists the networks with bindings, and which are locked.
	Subnets func(ctx context.Context) ([]Subnet, error)

	// Policies are the zone policies there are.
	Policies func(ctx context.Context) (PolicyState, error)
	// CheckPolicy reads a policy; what is wrong with it is listed, not an error.
	CheckPolicy func(text string) (zone.Policy, []PolicyProblem)
	// ChangePolicy stages, enforces, confirms, verifies or rolls back, and
	// leaves a record.
	ChangePolicy func(ctx context.Context, w PolicyWish, by string) error
	// Simulate begins a simulation and gives its id.
	Simulate func(ctx context.Context, w SimulationWish, by string) (string, error)
	// Simulations are those under way and kept, the newest first; Simulation is
	// one with its report, fs.ErrNotExist for none.
	Simulations func(ctx context.Context) ([]SimulationRun, error)
	Simulation  func(ctx context.Context, id string) (SimulationRun, error)
	// Proof writes the signed bundle that proves the segmentation.
	Proof func(ctx context.Context, lang string, w io.Writer) error

	// Isolate is the playbook action that isolates a device, whose id it takes
	// as parameter "device", with "reason" and "hours" where it knows them; ""
	// where there is none.
	Isolate string
	// Subjects are what findings about a device are summed under; nil is
	// "device:" and its id or one of its present addresses.
	Subjects func(d asset.Device) []string

	Sensors func(ctx context.Context) ([]SensorState, error)
	// Wireless lists networks and access points heard, the unknown first; Know
	// says that one is ours, or no longer.
	Wireless func(ctx context.Context) ([]AccessPoint, error)
	Know     func(ctx context.Context, bssid string, ours bool, by string) error
}

// DeviceKind is a kind of device, such as ct.
type DeviceKind struct {
	Name    string    `json:"name"`
	Title   ocsf.Text `json:"title"`
	Medical bool      `json:"medical,omitempty"`
}

// DeviceEdit is what somebody says of a device; what is nil stays. Kind ""
// takes back what a person had decided.
type DeviceEdit struct {
	Name        *string `json:"name,omitempty"`
	Kind        *string `json:"kind,omitempty"`
	Vendor      *string `json:"vendor,omitempty"`
	Model       *string `json:"model,omitempty"`
	Owner       *string `json:"owner,omitempty"` // person_id
	Department  *string `json:"department,omitempty"`
	Location    *string `json:"location,omitempty"`
	Criticality *int    `json:"criticality,omitempty"`
	LifeSupport *bool   `json:"life_support,omitempty"`
	EndOfLife   *string `json:"end_of_life,omitempty"`
	SupportEnds *string `json:"support_ends,omitempty"`
	Notes       *string `json:"notes,omitempty"`
	Retired     *bool   `json:"retired,omitempty"`
}

// DeviceFact is a fact of a device.
type DeviceFact struct {
	Device string          `json:"device"` // id
	Fact   asset.KnownFact `json:"fact"`
}

// AddressUse says who had an address in a span of time.
type AddressUse struct {
	Device string `json:"device,omitempty"` // id
	Name   string `json:"name,omitempty"`   // what people call it
	asset.Address
	// Binding is what people had said of the pair then, nil for nothing; its
	// Person is responsible and its DecidedBy approved it.
	Binding *binding.Binding `json:"binding,omitempty"`
	// Reason is what whoever approved it gave.
	Reason string `json:"reason,omitempty"`
}

// Talk is a conversation, the machines at its ends, and what the policy in
// force, or else the staged one, says of it.
type Talk struct {
	flow.Conversation
	// ClientDevice and ServerDevice are ids, "" where none is known.
	ClientDevice, ServerDevice string
	// Verdict names the zones also where it allows.
	Verdict zone.Verdict
	// Judged says that there is a policy to judge by.
	Judged bool
}

// Violates says that no conduit allows it.
func (t Talk) Violates() bool { return t.Judged && !t.Verdict.Allow }

// TalkFilter narrows conversations.
type TalkFilter struct {
	Since, Until int64
	// Device is the id of the machine at either end, "" for all.
	Device string
	// Clear keeps those with something unencrypted.
	Clear bool
	// Limit is the most there may be, those with the most sessions; 0 all.
	Limit int
}

// NetworkHour counts one hour.
type NetworkHour struct {
	At         int64 `json:"at"` // its begin
	Sessions   int64 `json:"sessions"`
	Violations int64 `json:"violations"`
}

// AddressConflict is a claim against a binding, or two devices with one
// address.
type AddressConflict struct {
	At   int64           `json:"at"`
	Kind asset.AlarmKind `json:"kind"`
	IP   string          `json:"ip,omitempty"`
	// MAC claims what MAC Bound has.
	MAC     string `json:"mac,omitempty"`
	Bound   string `json:"bound,omitempty"`
	Binding string `json:"binding,omitempty"` // id
	VLAN    uint16 `json:"vlan,omitempty"`
	Port    string `json:"port,omitempty"`
	Sensor  string `json:"sensor,omitempty"`
	Count   int64  `json:"count"`
}

// What a BindingWish does.
const (
	BindConfirm = "confirm" // it is right, and whose it is
	BindLock    = "lock"    // and what differs is an alarm
	BindUnlock  = "unlock"  // back to confirmed
	BindEnd     = "end"     // it holds no longer
	BindSubnet  = "lock-subnet"
	BindOpen    = "open-subnet"
)

// BindingWish decides about bindings, or about a whole network.
type BindingWish struct {
	// What is one of the words above.
	What string   `json:"what"`
	IDs  []string `json:"ids,omitempty"`
	// Subnet is a prefix, for networks.
	Subnet string `json:"subnet,omitempty"`
	// Person (person_id) and Department are responsible; "" leaves them.
	Person     string `json:"person,omitempty"`
	Department string `json:"department,omitempty"`
	Note       string `json:"note,omitempty"`
}

// BindingsTaken is how the import of a list of bindings went.
type BindingsTaken struct {
	// Taken are the rows in force now, those that were so before too.
	Taken int `json:"taken"`
	// Rejected are rows that could not be used, with the reason.
	Rejected []binding.Reject `json:"rejected"`
}

// Subnet is a network with bindings.
type Subnet struct {
	Prefix string `json:"prefix"`
	Zone   string `json:"zone,omitempty"`
	Locked bool   `json:"locked"`
	// By whom it was locked, and when.
	By string `json:"by,omitempty"`
	At int64  `json:"at,omitempty"`
	// Learnt, Bound and Kept count its bindings; Kept are locked.
	Learnt int `json:"learnt"`
	Bound  int `json:"bound"`
	Kept   int `json:"kept"`
}

// PolicyState are the policies there are. Force is what routers do now, Next
// what is staged or waits for confirmation; nil for none.
type PolicyState struct {
	Force *PolicyVersion `json:"force,omitempty"`
	Next  *PolicyVersion `json:"next,omitempty"`
	// Learnt is a policy proposed from what was seen, for a person to approve.
	Learnt *PolicyVersion `json:"learnt,omitempty"`
	// Past are those before, the newest first.
	Past []PolicyVersion `json:"past,omitempty"`
}

// PolicyVersion is one policy on its way.
type PolicyVersion struct {
	Hash   string      `json:"hash"`
	Life   zone.Life   `json:"life"`
	Policy zone.Policy `json:"-"`
	Text   string      `json:"text,omitempty"` // YAML
	By     string      `json:"by"`
	Reason string      `json:"reason,omitempty"`
	At     int64       `json:"at"` // when it came to this stage
	// Until it has to be confirmed, or it is rolled back; 0 for never.
	Until int64 `json:"until,omitempty"`
	// Sensors are the routers that do it.
	Sensors []string `json:"sensors,omitempty"`
	// Denied counts what it dropped, or as staged would have, by the kernel's
	// own counters.
	Denied int64 `json:"denied"`
	// Probes are the tries that verified it last; Problem is why it failed.
	Probes  []Probe `json:"probes,omitempty"`
	Problem string  `json:"problem,omitempty"`
}

// Probe is one real try through the rules.
type Probe struct {
	At      int64  `json:"at"`
	Sensor  string `json:"sensor"`
	From    string `json:"from"` // zone
	To      string `json:"to"`
	Service string `json:"service"`
	// Want is whether it should pass, Got whether it did.
	Want bool `json:"want"`
	Got  bool `json:"got"`
}

// PolicyProblem is one thing wrong with a policy.
type PolicyProblem struct {
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
	// Warning leaves the policy usable.
	Warning bool `json:"warning,omitempty"`
}

// What a PolicyWish does.
const (
	PolicyStage    = "stage"
	PolicyEnforce  = "enforce"
	PolicyConfirm  = "confirm"
	PolicyVerify   = "verify"
	PolicyRollBack = "rollback"
)

// PolicyWish moves a policy on.
type PolicyWish struct {
	// What is one of the words above.
	What string `json:"what"`
	// Text is the policy to stage.
	Text   string `json:"text,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Seconds within which an enforced policy must be confirmed.
	Seconds int `json:"seconds,omitempty"`
}

// SimulationWish says what to simulate: Text, or the staged policy, or the one
// in force.
type SimulationWish struct {
	Text string `json:"text,omitempty"`
	Days int    `json:"days"`
}

// SimulationRun is a simulation, under way or done.
type SimulationRun struct {
	ID    string `json:"id"`
	By    string `json:"by"`
	Begun int64  `json:"begun"`
	Ended int64  `json:"ended,omitempty"`
	Days  int    `json:"days"`
	// Share is how far it is, 0 to 1.
	Share   float64 `json:"share"`
	Problem string  `json:"problem,omitempty"`
	// Report is nil in lists and before the end.
	Report *zone.Simulation `json:"report,omitempty"`
	// Force is the matrix under the policy in force, to compare with.
	Force []zone.Pair `json:"force,omitempty"`
}

// SensorState is a sensor, and how it does.
type SensorState struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Where names its interfaces, Zones what it stands in.
	Where []string `json:"where,omitempty"`
	Zones []string `json:"zones,omitempty"`
	Last  int64    `json:"last"`
	// Packets to Bad count since Since; PerSecond is of the last minute.
	Since     int64   `json:"since,omitempty"`
	Packets   int64   `json:"packets"`
	Bytes     int64   `json:"bytes"`
	Drops     int64   `json:"drops"`
	Bad       int64   `json:"bad"`
	PerSecond float64 `json:"per_second"`
	// EventsOnly says that only its events are known: it reports no counts.
	EventsOnly bool `json:"events_only,omitempty"`
	// Enforces says that it puts policies into its kernel.
	Enforces bool   `json:"enforces,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

// AccessPoint is one BSSID heard on the air.
type AccessPoint struct {
	BSSID    string `json:"bssid"`
	SSID     string `json:"ssid"` // "" is hidden
	Vendor   string `json:"vendor,omitempty"`
	Channel  int    `json:"channel,omitempty"`
	Security string `json:"security,omitempty"` // open, wep, wpa, wpa2, wpa3, owe
	// Ours says that it is listed; Alarms are what was found wrong with it.
	Ours    bool              `json:"ours"`
	By      string            `json:"by,omitempty"`
	Signal  int               `json:"signal,omitempty"` // dBm
	Clients int               `json:"clients,omitempty"`
	Alarms  []asset.AlarmKind `json:"alarms,omitempty"`
	Sensors []string          `json:"sensors,omitempty"`
	First   int64             `json:"first"`
	Last    int64             `json:"last"`
}
