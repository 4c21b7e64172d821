// Package zone keeps departments apart: zones and conduits in the sense of
// IEC 62443-3-2, written down in one file, checked, compiled for the kernel
// and for switches, simulated on what was seen, enforced, verified, proven.
package zone

import (
	"net/netip"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// Policy is the file of zones and conduits.
type Policy struct {
	Version  int       `yaml:"version"`
	Name     string    `yaml:"name"`
	Zones    []Zone    `yaml:"zones"`
	Conduits []Conduit `yaml:"conduits"`
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

// Ruleset is a policy compiled, before any syntax. Elements are sorted and
// unique; Hash is the hex SHA-256 of their canonical text.
type Ruleset struct {
	Policy   string
	Hash     string
	Made     time.Time
	Zones    []Zone
	Elements []Element
}

// Element allows one kind of conversation. Interfaces or prefixes may be
// empty, not both. Low and High bound the port.
type Element struct {
	In, Out   string
	From, To  netip.Prefix
	Proto     uint8
	Low, High uint16
	Conduit   string
}
