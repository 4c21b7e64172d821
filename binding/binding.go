// Package binding keeps who an address belongs to: MAC, IP, and the person
// responsible; learnt, reviewed, locked. And it notices on the wire when
// somebody claims what is not theirs.
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
	Denied                               // a bridge dropped it (NFLOG), Prefix of the rule in Rule
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
}
