package binding

import "net/netip"

// TableVersion is the form of [Table]; a sensor refuses a newer one.
const TableVersion = 1

// Table is what sensors and the guard of a bridge need of the book. It is JSON
// and the same for the same book.
type Table struct {
	Form int `json:"form"`
	// Made is when, in ms; Mark changes whenever anything in it does.
	Made int64  `json:"made"`
	Mark string `json:"mark"`
	// Entries are the bindings in force, in the order of IP, then MAC.
	Entries  []Entry   `json:"entries,omitempty"`
	Networks []Network `json:"networks,omitempty"`
	Known    []Known   `json:"known,omitempty"`
}

// Entry is a binding in force. A Dynamic one without IP is a MAC that may lease
// any address.
type Entry struct {
	MAC   string     `json:"mac"`
	IP    netip.Addr `json:"ip,omitzero"`
	Port  string     `json:"port,omitempty"`
	VLAN  uint16     `json:"vlan,omitempty"`
	State State      `json:"state"`
	// Dynamic follows leases.
	Dynamic bool `json:"dynamic,omitempty"`
	// Medical devices that move are an alarm.
	Medical bool   `json:"medical,omitempty"`
	Binding string `json:"binding,omitempty"` // id
}

// Network is an address range or a VLAN, or both.
type Network struct {
	// ID is set by the book; networks of zones have none.
	ID     string       `json:"id,omitempty"`
	Prefix netip.Prefix `json:"prefix,omitzero"`
	VLAN   uint16       `json:"vlan,omitempty"`
	// Zone names the zone it belongs to, "" unknown.
	Zone string `json:"zone,omitempty"`
	// Locked says that only bound pairs may be used in it.
	Locked bool `json:"locked,omitempty"`
	// By locked it, At in ms, for that Reason.
	By     string `json:"by,omitempty"`
	At     int64  `json:"at,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Contains says whether an address of a VLAN is in the network.
func (n Network) Contains(ip netip.Addr, vlan uint16) bool {
	if n.Prefix.IsValid() && !n.Prefix.Contains(ip) {
		return false
	}
	if n.VLAN != 0 && n.VLAN != vlan {
		return false
	}
	return n.Prefix.IsValid() || n.VLAN != 0
}

// Role is what a known machine may do that others may not.
type Role string

// The roles.
const (
	RoleDHCP    Role = "dhcp-server" // offers leases
	RoleRouter  Role = "router"      // advertises itself, forwards, answers ARP for others
	RoleVirtual Role = "virtual"     // an address that moves between devices: cluster, keepalived
	RoleTeam    Role = "team"        // two MACs of one machine
)

// Known is a machine or an address with a role.
type Known struct {
	Role Role `json:"role"`
	// MAC or IP is empty where any will do. For a team, MAC and Also are the
	// two.
	MAC  string     `json:"mac,omitempty"`
	Also string     `json:"also,omitempty"`
	IP   netip.Addr `json:"ip,omitzero"`
	VLAN uint16     `json:"vlan,omitempty"` // 0 everywhere
	// State is Learnt or Bound, By who said so, At in ms.
	State State  `json:"state"`
	By    string `json:"by,omitempty"`
	At    int64  `json:"at,omitempty"`
}
