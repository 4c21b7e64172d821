// Package zone keeps departments apart: zones and conduits in the sense of
// IEC 62443-3-2, written down in one file, checked, compiled for the kernel
// and for switches, simulated on what was seen, enforced, verified, proven.
//
// # What it gives
//
//   - [Policy], read by [Read] from YAML: every error names its line and the
//     way out. [Policy.Check] says what is refused and what is worth a look,
//     in both languages; [Rules] are the customs of hospital networks it knows.
//     [Policy.Text] is the canonical form, [Policy.Hash] its hash.
//   - [Template]: policies to start from.
//   - [Compile]: a [Ruleset] of sorted, unique elements with a hash, the same
//     bytes for the same policy on the same day. [Dialects] write it, and its
//     removal, for nft, Cisco, Huawei, H3C and Fortinet.
//   - [Ruleset.Decide]: what the kernel's rules would do with a packet that
//     opens a conversation.
//   - [Simulate]: what people would notice. [Learn]: a policy proposed from what
//     was seen. [Judge]: alarms about what no conduit allows, as it happens.
//   - [Manager], [Enforcer] and [Isolator]: a policy staged, on trial,
//     enforced, verified, rolled back; devices isolated; the proof of it.
//
// # What a policy means
//
// Whoever opens a conversation needs a conduit from its zone to that of the
// server; answers pass by state. What no conduit allows does not pass. Within
// a zone everything passes where a router is in between, unless the zone is
// isolated or outside of the hospital. Every zone of the hospital's own but
// guests may ask the name and time servers that zones declare
// ([Policy.Implicit]); such conduits are never written and always listed.
//
// An address belongs to one zone: networks may not overlap. The internet is
// what no zone holds and what is not private, so that "to the internet" never
// means inside. A conduit goes by interfaces where both zones have one for
// themselves and it names no hosts, else by addresses; it never goes by both,
// so spoofed addresses are the business of the router's reverse path filter
// and of the guard of layer 2.
//
// A conduit counts until the end of its last day in the site's zone. Rulesets
// do not change by themselves: compile again after midnight.
//
// # What it guarantees
//
// Decide, the elements and the kernel agree; tests compare them on random
// policies and packets, each with an evaluation of its own. Reading, compiling,
// simulating and learning are bounded in memory whatever they are given, and
// deterministic. Names that people write cannot become commands in any text.
//
// # What it does not do
//
// It does not know people: a conduit's owner is a word. It does not see what a
// switch carries within one VLAN. Lists for switches have no state, and say so.
// A simulation knows what was seen, and says what the sample cannot show. It
// imports no kernel and reads no conversations: implementations are zone/nft,
// zone/radius and zone/snmp, and whoever has conversations hands them in.
package zone

import (
	"net/netip"
	"sync"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// Policy is the file of zones and conduits.
type Policy struct {
	Version int    `yaml:"version"`
	Name    string `yaml:"name"`
	// Services gives names of the site's own, or other ports to known ones:
	// "hl7" to tcp/2575 and tcp/6661.
	Services map[string][]string `yaml:"services"`
	Zones    []Zone              `yaml:"zones"`
	Conduits []Conduit           `yaml:"conduits"`
}

// Zone groups what has the same need of protection (IEC 62443-3-2).
type Zone struct {
	// Name is kebab-case and unique.
	Name  string    `yaml:"name"`
	Title ocsf.Text `yaml:"title"`
	// Kind is one of the templates' kinds: modality, pacs, his, iomt, guest, ...
	Kind     string         `yaml:"kind"`
	Networks []netip.Prefix `yaml:"networks"`
	// Interface is the router's leg into the zone, VLANs the zone's ids.
	Interface  string `yaml:"interface"`
	VLANs      []int  `yaml:"vlans"`
	Department string `yaml:"department"`
	Owner      string `yaml:"owner"`
	// Target is the target security level SL-T, 0 to 4.
	Target int `yaml:"target_level"`
	// FailOpen keeps what the zone does now working when enforcement fails:
	// for life support.
	FailOpen bool `yaml:"fail_open"`
	// Isolated devices may not talk to each other either: pumps, guests.
	Isolated bool `yaml:"isolated"`
	// DNS and NTP are servers in this zone that every zone may ask (an
	// infrastructure zone); empty in a zone of kind dns or ntp: all of it.
	DNS []netip.Prefix `yaml:"dns_servers"`
	NTP []netip.Prefix `yaml:"ntp_servers"`
	// NoImplicit leaves the zone without the conduits every zone gets.
	NoImplicit bool `yaml:"no_implicit"`
	// Line is where it stands in the file, 0 unknown.
	Line int `yaml:"-" json:"-"`
}

// Conduit is what may pass from a zone to another, with who wants it and why.
type Conduit struct {
	// ID is unique and stable; compiled rules and denials name it.
	ID   string `yaml:"id"`
	From string `yaml:"from"`
	To   string `yaml:"to"`
	// FromHosts and ToHosts narrow it to some addresses of the zones.
	FromHosts []netip.Prefix `yaml:"from_hosts"`
	ToHosts   []netip.Prefix `yaml:"to_hosts"`
	// Allow are services: names ("dicom", "hl7", "https") or "tcp/11112",
	// "udp/5000-5010", "icmp".
	Allow  []string `yaml:"allow"`
	Owner  string   `yaml:"owner"`
	Reason string   `yaml:"reason"`
	// Expires ends it at the end of that day in the site's zone; zero never.
	Expires time.Time `yaml:"expires"`
	// LevelReason says why a zone of a lower target level may open
	// connections into one of a higher.
	LevelReason string `yaml:"level_reason"`
	// Despite names rules (see [Rules]) that it breaks on purpose, for a reason
	// and until it expires.
	Despite []string `yaml:"despite"`
	// Implicit conduits are those every zone needs (DNS, NTP): made by
	// [Policy.Implicit], never written, always listed.
	Implicit bool `yaml:"-"`
	// Line is where it stands in the file, 0 unknown.
	Line int `yaml:"-" json:"-"`
}

// Tuple is a packet that opens a conversation, as a router sees it.
type Tuple struct {
	// In and Out are interfaces of the router; "" where they follow from the
	// addresses.
	In, Out  string
	From, To netip.Addr
	Proto    uint8
	Port     uint16 // of the destination; 0 without ports
}

// Verdict is what a policy says about a tuple.
type Verdict struct {
	Allow bool
	// Conduit allowed it; "" when denied, or "same-zone".
	Conduit      string
	FromZone     string
	ToZone       string
	Implicit     bool // by a conduit every zone needs: DNS, NTP
	OutsideZones bool // an end is in no zone
}

// SameZone is the Conduit of what passes because both ends are in one zone.
const SameZone = "same-zone"

// Ruleset is a policy compiled, before any syntax. Elements are sorted and
// unique; Hash is the hex SHA-256 of their canonical text. It is not copied:
// it carries the index of [Ruleset.Decide].
type Ruleset struct {
	Policy string    `json:"policy"`
	Hash   string    `json:"hash"`
	Made   time.Time `json:"made"`
	Zones  []Zone    `json:"zones"`
	// Services are the policy's own names.
	Services map[string][]string `json:"services,omitempty"`
	Elements []Element           `json:"elements"`
	// Conduits are those in force, the implicit ones included, by id.
	Conduits []Conduit `json:"conduits"`
	// Notes say what was left out, and why: expired conduits.
	Notes []ocsf.Text `json:"notes,omitempty"`

	once  sync.Once
	index *index
}

// Element allows one kind of conversation. There are two forms: by interfaces,
// with In and Out and no prefix, and by addresses, with From and To of one
// family and no interface. A tuple is allowed if any element covers it.
//
// No two elements of equal interfaces or equal prefixes overlap in their ports.
// Elements of different prefixes may overlap, which interval sets of the kernel
// refuse: enforcers keep a set for each pair of prefix lengths.
type Element struct {
	In   string       `json:"in,omitempty"`
	Out  string       `json:"out,omitempty"`
	From netip.Prefix `json:"from,omitzero"`
	To   netip.Prefix `json:"to,omitzero"`
	// Proto is the layer-4 protocol; 0 is any, with every port: only for what
	// stays in its zone (Conduit [SameZone]).
	Proto uint8 `json:"proto"`
	// Low and High bound the port. They are 0 for protocols without ports; of
	// ICMP and ICMPv6, an element means the echo request (answers and errors
	// are established or related).
	Low     uint16 `json:"low,omitempty"`
	High    uint16 `json:"high,omitempty"`
	Conduit string `json:"conduit"`
}

// ByInterface reports whether the element goes by interfaces.
func (e Element) ByInterface() bool { return e.In != "" }

// HasPorts reports whether the element's protocol has ports.
func (e Element) HasPorts() bool { return e.Proto == 6 || e.Proto == 17 }
