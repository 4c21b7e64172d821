// Package binding keeps who an address belongs to, and notices on the wire when
// somebody claims what is not theirs.
//
// What it gives. [Book] is the hospital's list of bindings of MAC, IP and, where
// wanted, switch port: learnt from what sensors saw ([Summary]), reviewed by a
// person, who names who is responsible, and locked. [Table] is the part of it
// that sensors and the guard of a bridge need. [Watch] reads [Claim]s at a
// sensor, one packet's word each, and says what is wrong with them
// ([asset.Alarm]).
//
// How a binding lives. It is Learnt when a pair is first seen, Bound when a
// person says that it is right, Locked when what differs from it is to be an
// alarm and may be dropped, Ended when another took its place. An address that
// goes to another device is a new binding that names the one Before it; nothing
// is overwritten. A Dynamic binding says that the MAC may have whatever address
// a known DHCP server leases it: it follows the DHCP ACK by itself, which is
// written down as decided by "dhcp" and the server's address. In a locked
// network a pair that no binding covers is an alarm.
//
// What it owns: the tables binding_entries, binding_networks, binding_known and
// binding_conflicts, and records of the kind "binding" in the evidence: one version for every
// decision of a person, with who, when and why. What was merely learnt is no
// record; the events it was learnt from are.
//
// What it guarantees. The same summaries give the same book, in any order within
// one batch, and repeating them changes nothing. An alarm follows from the claims
// seen so far and the table alone: the same claims in the same order give the
// same alarms. Memory is bounded by [WatchConfig]; a flood of invented addresses
// displaces other addresses seen once, not those seen again or those in the table.
//
// How Watch judges. An address has an owner. A claim by somebody else is excused
// where something explains it: a lease of a known server, a probe that nobody
// answered (RFC 5227), a virtual address whose speakers announced it (VRRP, HSRP,
// CARP), a team of network ports, a known router that answers for others, an
// owner long silent, a change that a person approved. What is left is an alarm at
// once if the owner is bound, or was heard within [WatchConfig.Active]; which
// alarm it is depends on how it was said. Every rule stands with its evidence in
// watch_address.go, watch_mac.go and watch_server.go; the reasons, which are the
// first of an alarm's Args, are the constants named Why.
//
// What it does not do. It sends nothing: it never asks an address whether it is
// alive. It sees a forged unicast frame only where the capture does (a bridge
// needs promiscuous mode). An attacker who is first, before the learning period
// began, is learnt like everybody else: that is what review is for. Two ports of
// one machine are told from two machines by LACP, by configuration, or by
// adjacent factory addresses of which one has no address of its own.
package binding

import (
	"net/netip"

	"github.com/cordon-health/cordon/internal/packet"
)

// ClaimKind is how an address was claimed.
type ClaimKind uint8

// The kinds of claims.
const (
	ARPRequest      ClaimKind = iota + 1 // sender's own pair in a request
	ARPReply                             // sender's own pair in a reply
	ARPProbe                             // duplicate address detection: sender 0.0.0.0, RFC 5227
	ARPAnnounce                          // sender = target
	NeighborSolicit                      // RFC 4861
	NeighborAdvert                       //
	RouterAdvert                         // IP is the router, Prefix what it announces
	DHCPOffer                            // IP is offered by Server to MAC
	DHCPAck                              // IP is leased to MAC by Server
	DHCPRequest                          // MAC asks for IP
	DHCPv6Advertise                      //
	DHCPv6Reply                          //
	Traffic                              // an IP packet of a pair not seen for a while
	VRRP                                 // RFC 5798, virtual MAC 00:00:5e:00:01:xx
	HSRP                                 // virtual MAC 00:00:0c:07:ac:xx, 00:00:0c:9f:fx:xx
	LACP                                 // the sender is one of a team's ports
	Denied                               // a bridge dropped it (NFLOG), its log prefix in Rule
)

// Claim is one packet's word about who has an address.
type Claim struct {
	// At is in ns since 1970 UTC.
	At   int64
	Kind ClaimKind
	// Frame is the sender in the link layer, MAC who the claim says has IP.
	Frame, MAC packet.MAC
	IP         netip.Addr
	// Target is whom it was sent to or asked about.
	Target    netip.Addr
	TargetMAC packet.MAC
	Server    netip.Addr
	Prefix    netip.Prefix
	VLAN      uint16
	// Port is the interface or switch port it came in by, "" unknown.
	Port string
	// Override is the O flag of an advertisement, Router its R flag.
	Override, Router bool
	Rule             string
	// Client is what tells two machines with one MAC apart, and one machine
	// with two: a DHCP client identifier or host name; "" unknown.
	Client string
	// Lease is how long an address is leased, in seconds; 0 unknown.
	Lease uint32
}
