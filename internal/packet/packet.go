// Package packet reads layers 2 to 4 of frames, by hand and without memory of
// its own. A frame that is cut short, tagged, tunnelled or nonsense is read as
// far as it goes; nothing here panics and nothing allocates.
//
// What it gives: [Decode] fills a [Frame], whatever the link layer ([Reads]),
// through VLAN tags, MPLS, PPPoE and, four deep at most, tunnels (VXLAN, Geneve,
// GRE, ERSPAN, IP in IP). The addresses are those of the innermost packet. What
// it does not do: it checks no checksums, puts no fragments together, and of
// 802.11 reads only what data frames carry.
package packet

import "net/netip"

// MAC is an EUI-48 address.
type MAC [6]byte

// The EtherTypes that matter here. Source: IEEE 802 numbers, IANA.
const (
	TypeIPv4 = 0x0800
	TypeARP  = 0x0806
	TypeVLAN = 0x8100
	TypeQinQ = 0x88a8
	TypeIPv6 = 0x86dd
	TypeEAP  = 0x888e
	TypeLLDP = 0x88cc
	TypeLACP = 0x8809
	// TypeLLC stands for frames with a length in place of a type (IEEE 802.3):
	// CDP, STP.
	TypeLLC = 1
)

// The IP protocols that matter here. Source: IANA.
const (
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	GRE    = 47
	ICMPv6 = 58
	VRRP   = 112
)

// The flags of a TCP segment. Source: RFC 9293, 3.1.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Frame is what layers 2 to 4 of one frame say. Slices point into the bytes it
// was read from and live as long as they do.
type Frame struct {
	// At is when it was captured, in ns since 1970 UTC.
	At int64
	// Size is its length on the wire in bytes, of which Data may hold fewer.
	Size int
	// Data is the frame from its link layer on; L3 begins at its network layer.
	Data, L3 []byte

	Src, Dst MAC
	// VLAN is the innermost 802.1Q id, 0 for none; VNI that of a VXLAN tunnel
	// the frame came out of.
	VLAN uint16
	VNI  uint32
	// Type is the EtherType after all tags, or TypeLLC.
	Type uint16

	// From and To are the IP addresses; invalid where there are none.
	From, To netip.Addr
	TTL      uint8
	Proto    uint8
	// Fragment says that this is a part of an IP packet which is not the
	// first; MoreFragments that others follow.
	Fragment, MoreFragments bool

	FromPort, ToPort uint16
	Flags            uint8
	Seq, Ack         uint32
	Window           uint16
	// Payload is what follows layer 4; for IP protocols without ports what
	// follows layer 3, for others what follows layer 2.
	Payload []byte
	// Cut is how many bytes of the payload were on the wire and are not in Data.
	Cut int
	// Short says that Data ends before the headers or the payload do.
	Short bool
}
