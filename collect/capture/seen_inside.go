package capture

import (
	"net/netip"
	"slices"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
)

// insideMost bounds the networks learnt by what claims addresses in them.
const insideMost = 4096

// insideNet knows which addresses are the hospital's own, so that the servers
// of the internet that staff visit do not become devices: private ones, those
// of networks given, and those of networks in which somebody on the wire claims
// addresses.
type insideNet struct {
	own    []netip.Prefix
	learnt map[netip.Prefix]bool
}

func (n *insideNet) has(ip netip.Addr) bool {
	if !ip.IsValid() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || insideCarrier().Contains(ip) {
		return true
	}
	if slices.ContainsFunc(n.own, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return true
	}
	return n.learnt[insideAround(ip)]
}

// insideCarrier is the shared address space of RFC 6598.
func insideCarrier() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
}

// insideAround is the network that ip is in, as far as that can be guessed.
func insideAround(ip netip.Addr) netip.Prefix {
	bits := 64
	if ip.Is4() {
		bits = 24
	}
	p, _ := ip.Prefix(bits)
	return p
}

func (n *insideNet) learn(ip netip.Addr) {
	if len(n.learnt) < insideMost && !n.has(ip) {
		n.learnt[insideAround(ip)] = true
	}
}

// insideOut passes on what is told of the hospital's own devices.
type insideOut struct {
	Out
	net *insideNet
}

func (o *insideOut) Seen(s asset.Observation) {
	if o.net.has(s.IP) || insideLocal(s.Protocol) {
		o.Out.Seen(s)
	}
}

// insideLocal says that a protocol never passes a router.
func insideLocal(protocol string) bool {
	switch protocol {
	case "arp", "ndp", "dhcp", "dhcpv6", "mdns", "llmnr", "ssdp", "nbdgm", "wsd", "lldp", "cdp", "vrrp", "carp", "hsrp", "eapol":
		return true
	}
	return false
}

func (o *insideOut) Claim(c binding.Claim) {
	if c.Frame == c.MAC || c.Kind == binding.DHCPAck {
		o.net.learn(c.IP)
	}
	o.Out.Claim(c)
}

// Alarm passes on what somebody inside can mend.
func (o *insideOut) Alarm(a asset.Alarm) {
	if o.net.has(a.Culprit.IP) {
		o.Out.Alarm(a)
	}
}

// insidePackets and insideStreams put the filter before dissectors.
type insidePackets struct {
	PacketDissector
	out insideOut
}

func (d *insidePackets) Packet(f *packet.Frame, out Out) error {
	d.out.Out = out
	return d.PacketDissector.Packet(f, &d.out)
}

type insideStreams struct {
	StreamDissector
	net *insideNet
}

func (d *insideStreams) Open(s *Stream, out Out) Parser {
	return d.StreamDissector.Open(s, &insideOut{out, d.net})
}
