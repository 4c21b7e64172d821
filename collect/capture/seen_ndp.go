package capture

import (
	"net/netip"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
)

// Neighbour discovery. Source: RFC 4861, RFC 8106.
const (
	ndpRouterSolicit   = 133
	ndpRouterAdvert    = 134
	ndpNeighborSolicit = 135
	ndpNeighborAdvert  = 136

	ndpOptSource  = 1
	ndpOptTarget  = 2
	ndpOptPrefix  = 3
	ndpOptDNS     = 25
	ndpMostOfEach = 16 // prefixes, name servers
)

type ndpMessage struct {
	kind             uint8
	target           netip.Addr
	router, override bool
	lifetime         uint16 // of a router, in seconds
	source, targetLL packet.MAC
	prefixes         []netip.Prefix
	dns              []netip.Addr
}

// parseNDP reads the message after the IPv6 header; ok is false for other
// messages of ICMPv6.
func parseNDP(b []byte) (m ndpMessage, ok bool, err error) {
	r := seenBytes{b: b}
	m.kind = r.u8()
	if m.kind < ndpRouterSolicit || m.kind > ndpNeighborAdvert {
		return m, false, r.err()
	}
	code := r.u8()
	r.u16() // checksum: what was captured is often not yet summed by the card
	switch m.kind {
	case ndpRouterSolicit:
		r.u32()
	case ndpRouterAdvert:
		r.u16()
		m.lifetime = r.u16()
		r.take(8)
	default:
		flags := r.u32()
		m.router, m.override = flags>>31 != 0, flags>>29&1 != 0
		m.target = r.ip6()
		if !r.short && !m.target.IsValid() {
			return m, false, errSeenForm
		}
	}
	if code != 0 {
		return m, false, errSeenForm
	}
	m.options(&r)
	return m, !r.short, r.err()
}

func (m *ndpMessage) options(r *seenBytes) {
	for len(r.b) > 0 && !r.short {
		kind, length := r.u8(), int(r.u8())*8
		if length == 0 {
			r.short = true
			return
		}
		o := seenBytes{b: r.take(length - 2)}
		switch kind {
		case ndpOptSource:
			m.source = o.mac()
		case ndpOptTarget:
			m.targetLL = o.mac()
		case ndpOptPrefix:
			m.prefix(&o)
		case ndpOptDNS:
			o.take(6)
			for len(o.b) >= 16 && len(m.dns) < ndpMostOfEach {
				m.dns = append(m.dns, o.ip6())
			}
		}
	}
}

func (m *ndpMessage) prefix(o *seenBytes) {
	bits := o.u8()
	o.take(13)
	a, ok := netip.AddrFromSlice(o.take(16))
	if ok && bits <= 128 && len(m.prefixes) < ndpMostOfEach {
		m.prefixes = append(m.prefixes, netip.PrefixFrom(a, int(bits)).Masked())
	}
}

type ndpDissector struct{ lately *seenLately }

func newNDP() PacketDissector { return &ndpDissector{newSeenLately(60)} }

func (*ndpDissector) Name() string { return "ndp" }
func (*ndpDissector) Match() Match { return Match{Protos: []uint8{packet.ICMPv6}} }

func (d *ndpDissector) Packet(f *packet.Frame, out Out) error {
	m, ok, err := parseNDP(f.Payload)
	if !ok {
		return err
	}
	if f.TTL != 255 {
		return errSeenForm // came over a router, which receivers refuse
	}
	c := binding.Claim{At: f.At, Frame: f.Src, MAC: f.Src, IP: seenHost(f.From), Target: seenHost(f.To), VLAN: f.VLAN}
	if m.source != (packet.MAC{}) {
		c.MAC = m.source
	}
	switch m.kind {
	case ndpNeighborSolicit:
		c.Kind, c.Target = binding.NeighborSolicit, m.target
		out.Claim(c)
	case ndpNeighborAdvert:
		c.Kind, c.IP, c.Override, c.Router = binding.NeighborAdvert, m.target, m.override, m.router
		if m.targetLL != (packet.MAC{}) {
			c.MAC = m.targetLL
		}
		out.Claim(c)
	case ndpRouterAdvert:
		d.advert(f, m, c, out)
	}
	d.tell(f, m, c, out)
	return nil
}

func (d *ndpDissector) advert(f *packet.Frame, m ndpMessage, c binding.Claim, out Out) {
	c.Kind, c.Router = binding.RouterAdvert, m.lifetime > 0
	if len(m.prefixes) == 0 {
		out.Claim(c)
	}
	for _, p := range m.prefixes {
		c.Prefix = p
		out.Claim(c)
	}
	if d.lately.same(f, f.Payload) {
		return
	}
	for _, ip := range m.dns {
		o := asset.Observation{At: f.At, IP: ip, VLAN: f.VLAN, Protocol: "ndp"}
		seenAdd(&o, asset.FactRole, "dns-server")
		if ip.IsValid() && ip != c.IP {
			seenTell(out, o)
		}
	}
}

// tell says who is there. An advertisement in the name of another link-layer
// address is a claim only.
func (d *ndpDissector) tell(f *packet.Frame, m ndpMessage, c binding.Claim, out Out) {
	o := asset.Observation{At: f.At, MAC: f.Src, IP: c.IP, VLAN: f.VLAN, Protocol: "ndp"}
	what := string(f.Src[:])
	if m.router || (m.kind == ndpRouterAdvert && m.lifetime > 0) {
		seenAdd(&o, asset.FactRole, "router")
		what += "r"
	}
	if c.IP.IsValid() && c.MAC == f.Src && !d.lately.about(netip.AddrPortFrom(c.IP, f.VLAN), what, f.At) {
		seenThere(out, o)
	}
}
