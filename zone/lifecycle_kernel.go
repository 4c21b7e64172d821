package zone

import (
	"context"
	"net/netip"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
)

// Mode is what a loaded ruleset does to what it does not allow.
type Mode string

// The modes.
const (
	// Stage counts and records what would be dropped, and drops nothing.
	Stage Mode = "stage"
	// Trial drops, until Order.Trial is over: the kernel itself then lets
	// everything pass again, whether Cordon still runs or not.
	Trial Mode = "trial"
	// Enforce drops.
	Enforce Mode = "enforce"
)

// Order says how a ruleset is loaded.
type Order struct {
	Mode  Mode
	Trial time.Duration
	// Cut ends established conversations that the ruleset does not allow.
	Cut bool
	// Strict also refuses TCP connections whose beginning was not seen
	// (nf_conntrack_tcp_loose=0). Only sound once a staged ruleset has tracked
	// connections for a while.
	Strict bool
}

// Applied says what loading did.
type Applied struct {
	Took     time.Duration `json:"took"`
	Elements int           `json:"elements"`
	// Ended counts established conversations that were cut.
	Ended int `json:"ended"`
}

// Enforcer has a kernel do what a ruleset says. Every change is atomic: a
// packet meets the old rules or the new ones. All methods may be called
// concurrently.
type Enforcer interface {
	// Apply takes the place of what was loaded before. Staging leaves an
	// enforced ruleset in force; trial and enforce end staging.
	Apply(ctx context.Context, r *Ruleset, o Order) (Applied, error)
	// Remove takes the staged rules away, or with any other mode all, in one
	// step; nothing there is no error.
	Remove(ctx context.Context, mode Mode) error
	// Loaded reads back what the kernel has staged, or with any other mode
	// enforces, and compares it with r, which may be nil.
	Loaded(ctx context.Context, r *Ruleset, mode Mode) (Loaded, error)
	// Counters reads what passed and what did not since Apply.
	Counters(ctx context.Context, r *Ruleset, mode Mode) (Counters, error)
	// Beat keeps fail-open zones enforced for ttl more: when nobody beats any
	// longer, what they do passes again.
	Beat(ctx context.Context, ttl time.Duration) error
}

// Loaded is what the kernel has.
type Loaded struct {
	Present bool   `json:"present"`
	Hash    string `json:"hash,omitempty"`
	Mode    Mode   `json:"mode,omitempty"`
	// Armed is how long a trial still has, 0 when it is over.
	Armed time.Duration `json:"armed,omitempty"`
	// Faults are differences from the ruleset, each named.
	Faults []string `json:"faults,omitempty"`
	// Others are rules of somebody else on the same path; they may drop what
	// the policy allows.
	Others []string `json:"others,omitempty"`
}

// Counters are packets since the ruleset was loaded. Conduits count packets
// that opened a conversation, by the id of the conduit; they are empty for a
// policy so large that the kernel does not count each element.
type Counters struct {
	Conduits    map[string]uint64 `json:"conduits,omitempty"`
	Seen        uint64            `json:"seen"`
	Established uint64            `json:"established"`
	Denied      uint64            `json:"denied"`
	Would       uint64            `json:"would"` // let pass because staged
	Open        uint64            `json:"open"`  // let pass because of a fail-open zone or a trial that is over
	Quarantined uint64            `json:"quarantined"`
}

// Isolator cuts single devices off.
type Isolator interface {
	// Isolate drops everything from and to the addresses until their time is
	// over, established conversations too. What [Isolator.Exempt] names is
	// never dropped for its own sake.
	Isolate(ctx context.Context, list []Isolation) (Applied, error)
	// Release ends it; what is not isolated is no error.
	Release(ctx context.Context, list []Isolation) error
	// Isolated lists who is, with the time left.
	Isolated(ctx context.Context) ([]Isolation, error)
	// Exempt replaces the list of what must never be cut off: life support.
	Exempt(ctx context.Context, list []Isolation) error
	// Talking counts conversations that a device still has, and the packets
	// dropped for its quarantine so far.
	Talking(ctx context.Context, i Isolation) (conversations int, dropped uint64, err error)
}

// Isolation is one address cut off; IP or MAC or both are set.
type Isolation struct {
	IP  netip.Addr
	MAC packet.MAC
	// Left is how long it lasts.
	Left time.Duration
	// Key is the journal's key of who asked for it.
	Key string
}

// DenialKind says which rule did not let a packet pass.
type DenialKind string

// The kinds of denials.
const (
	DeniedZone       DenialKind = "deny"       // dropped by the policy
	DeniedWould      DenialKind = "would"      // passed: the policy is only staged
	DeniedOpen       DenialKind = "open"       // passed: fail-open, or the trial is over
	DeniedQuarantine DenialKind = "quarantine" // dropped: an end is isolated
	DeniedARP        DenialKind = "arp"        // ARP claims an address that is not bound to the sender
	DeniedIP         DenialKind = "ip"         // IP packet from an address not bound to the sender
	DeniedDHCP       DenialKind = "dhcp"       // answer of a DHCP server from a port that has none
	DeniedRA         DenialKind = "ra"         // router advertisement from a port that has no router
	DeniedNA         DenialKind = "na"         // neighbour advertisement of somebody else's address
	DeniedTag        DenialKind = "tag"        // two VLAN tags: hopping from one VLAN to another
)

// Denial is a number of equal packets that were recorded, or of alike ones
// when there were too many kinds in one second to keep apart.
type Denial struct {
	Kind DenialKind `json:"kind"`
	// Staged says that it passed all the same.
	Staged bool `json:"staged,omitempty"`
	// First and Last bound them, in ns since 1970 UTC.
	First int64  `json:"first"`
	Last  int64  `json:"last"`
	Count int64  `json:"count"`
	In    string `json:"in,omitempty"`
	Out   string `json:"out,omitempty"`
	// MAC is the sender of the frame, where there was one.
	MAC   packet.MAC `json:"-"`
	From  netip.Addr `json:"from,omitzero"`
	To    netip.Addr `json:"to,omitzero"`
	Proto uint8      `json:"proto,omitempty"`
	// FromPort is that of the first of them.
	FromPort uint16 `json:"from_port,omitempty"`
	Port     uint16 `json:"port,omitempty"`
	// Claimed is the MAC that an ARP packet says has From.
	Claimed packet.MAC `json:"-"`
	// Folded says that To and Port, or more, differ among them and are empty.
	Folded bool `json:"folded,omitempty"`
}

// Denied is the alarm that a denial of a policy or a quarantine is to
// detection; zoneOf names the zone of an address that came or went by a leg.
// What the layer-2 guard denies is a claim instead: see [Denial.Claim].
func (d Denial) Denied(sensor string, zoneOf func(netip.Addr, string) string) (asset.Alarm, bool) {
	a := asset.Alarm{At: d.First, Sensor: sensor, Count: d.Count,
		Culprit: asset.Party{MAC: d.MAC, IP: d.From, Port: d.FromPort}, Victim: asset.Party{IP: d.To, Port: d.Port}}
	switch d.Kind {
	case DeniedZone:
		a.Kind = asset.ZoneDenied
	case DeniedWould, DeniedOpen:
		a.Kind = asset.ZoneViolation
	case DeniedQuarantine:
		a.Kind = asset.QuarantineTry
		return a, true
	default:
		return a, false
	}
	a.Args = []string{zoneOf(d.From, d.In), zoneOf(d.To, d.Out), ServiceName(d.Proto, d.Port, "")}
	return a, true
}

// Claim is what a denial of the layer-2 guard tells package binding.
func (d Denial) Claim() (binding.Claim, bool) {
	switch d.Kind {
	case DeniedARP, DeniedIP, DeniedDHCP, DeniedRA, DeniedNA, DeniedTag:
	default:
		return binding.Claim{}, false
	}
	c := binding.Claim{At: d.First, Kind: binding.Denied, Frame: d.MAC, MAC: d.MAC, IP: d.From, Target: d.To, Port: d.In, Rule: string(d.Kind)}
	if d.Claimed != (packet.MAC{}) {
		c.MAC = d.Claimed
	}
	if d.Kind == DeniedNA {
		c.IP = d.To
	}
	return c, true
}

// LogStats is how the reader of denials fares.
type LogStats struct {
	Records int64 `json:"records"` // read, all of them counted in denials
	Lost    int64 `json:"lost"`    // gaps in the kernel's numbers
	Bad     int64 `json:"bad"`     // that could not be read
}

// Guard is what the layer-2 guard of a bridge holds to.
type Guard struct {
	// Stage records and drops nothing.
	Stage bool
	// Ports are the guarded bridge ports: those that devices hang on.
	Ports []string
	// Bindings that are Locked or Bound let their pair pass.
	Bindings []binding.Binding
	// Servers are ports behind which a DHCP server may be, Routers those
	// behind which an IPv6 router may be; unguarded ports always may.
	Servers, Routers []string
	// IPv6 also demands a binding of every global IPv6 address. Without it
	// only advertisements of bound addresses are guarded.
	IPv6 bool
}
