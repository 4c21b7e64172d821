package capture

import (
	"net/netip"

	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
)

// arpMessage is ARP for IPv4 over Ethernet. Source: RFC 826, RFC 5227.
type arpMessage struct {
	op               uint16
	sender, target   packet.MAC
	senderIP, wanted netip.Addr
}

const (
	arpRequest = 1
	arpReply   = 2
)

// parseARP reads a message; ok is false for other networks than Ethernet with
// IPv4.
func parseARP(b []byte) (m arpMessage, ok bool, err error) {
	r := seenBytes{b: b}
	hardware, proto := r.u16(), r.u16()
	sizes := r.u16()
	m.op = r.u16()
	if r.short {
		return m, false, errSeenShort
	}
	if (hardware != 1 && hardware != 6) || proto != packet.TypeIPv4 || sizes != 0x0604 {
		return m, false, nil
	}
	m.sender, m.senderIP = r.mac(), r.ip4()
	m.target, m.wanted = r.mac(), r.ip4()
	return m, !r.short, r.err()
}

// arpDissector tells claims of addresses. Each message is a claim of its own:
// whoever judges them counts them, so none is left out.
type arpDissector struct{ lately *seenLately }

func newARP() PacketDissector { return &arpDissector{newSeenLately(60)} }

func (*arpDissector) Name() string { return "arp" }
func (*arpDissector) Match() Match { return Match{Types: []uint16{packet.TypeARP}} }

func (d *arpDissector) Packet(f *packet.Frame, out Out) error {
	m, ok, err := parseARP(f.L3)
	if !ok {
		return err
	}
	c := binding.Claim{At: f.At, Frame: f.Src, MAC: m.sender, IP: m.senderIP,
		Target: m.wanted, TargetMAC: m.target, VLAN: f.VLAN}
	switch {
	case m.op != arpRequest && m.op != arpReply:
		return nil
	case !m.senderIP.IsValid():
		c.Kind = binding.ARPProbe
	case m.senderIP == m.wanted:
		c.Kind = binding.ARPAnnounce
	case m.op == arpRequest:
		c.Kind = binding.ARPRequest
	default:
		c.Kind = binding.ARPReply
	}
	out.Claim(c)
	d.tell(f, m, out)
	return nil
}

// tell says that the sender is there. What it forges of others is no fact
// about them, the claim has it; but whoever sent the frame is on the wire.
func (d *arpDissector) tell(f *packet.Frame, m arpMessage, out Out) {
	o := seenFrom(f, "arp")
	switch {
	case m.sender != f.Src:
		o.IP, m.senderIP = netip.Addr{}, netip.IPv4Unspecified()
	case !m.senderIP.IsValid():
		return
	default:
		o.IP = m.senderIP
	}
	if d.lately.about(netip.AddrPortFrom(m.senderIP, f.VLAN), string(f.Src[:]), f.At) {
		return
	}
	seenThere(out, o)
}
