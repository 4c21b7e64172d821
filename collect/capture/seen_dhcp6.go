package capture

import (
	"encoding/hex"
	"net/netip"
	"strconv"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
)

// The messages and options of DHCPv6 that matter here. Source: RFC 8415, RFC
// 4704, RFC 6939, RFC 4649.
const (
	dhcp6Advertise    = 2
	dhcp6Reply        = 7
	dhcp6RelayForward = 12
	dhcp6RelayReply   = 13

	dhcp6OptClient    = 1
	dhcp6OptAddresses = 3
	dhcp6OptTemporary = 4
	dhcp6OptAddress   = 5
	dhcp6OptParams    = 6
	dhcp6OptRelay     = 9
	dhcp6OptClass     = 16
	dhcp6OptInterface = 18
	dhcp6OptRemote    = 37
	dhcp6OptFQDN      = 39
	dhcp6OptLinkLayer = 79

	dhcp6Deepest       = 8 // relays behind each other
	dhcp6MostAddresses = 16
)

type dhcp6Message struct {
	kind         uint8
	relayed      bool
	peer         netip.Addr // the client as the nearest relay sees it
	mac          packet.MAC // as that relay says, or from the DUID
	duid         []byte
	addresses    []netip.Addr
	lease        uint32 // of the last of them, in seconds
	params       []byte
	class, fqdn  string
	port, remote string
}

// parseDHCP6 reads a message, out of relays' envelopes where it is in some.
func parseDHCP6(b []byte) (m dhcp6Message, err error) {
	for range dhcp6Deepest {
		r := seenBytes{b: b}
		m.kind = r.u8()
		if m.kind == 0 || m.kind > 36 {
			return m, errSeenForm
		}
		if m.kind != dhcp6RelayForward && m.kind != dhcp6RelayReply {
			r.take(3)
			err = m.options(&r)
			if m.mac == (packet.MAC{}) {
				m.mac = dhcp6MAC(m.duid)
			}
			return m, err
		}
		m.relayed = true
		r.take(17) // hops, link
		m.peer = r.ip6()
		inner, err := m.envelope(&r)
		if err != nil {
			return m, err
		}
		b = inner
	}
	return m, errSeenForm
}

// envelope reads what a relay adds, and gives what it carries.
func (m *dhcp6Message) envelope(r *seenBytes) (inner []byte, err error) {
	for len(r.b) > 0 {
		code := r.u16()
		v := seenBytes{b: r.take(int(r.u16()))}
		if r.short {
			return nil, errSeenShort
		}
		switch code {
		case dhcp6OptRelay:
			inner = v.b
		case dhcp6OptInterface:
			m.port = dhcpPort(v.b)
		case dhcp6OptRemote:
			v.u32()
			m.remote = dhcpPort(v.b)
		case dhcp6OptLinkLayer:
			if kind := v.u16(); kind == 1 {
				m.mac = v.mac()
			}
		}
	}
	if inner == nil {
		return nil, r.err()
	}
	return inner, nil
}

func (m *dhcp6Message) options(r *seenBytes) error {
	for len(r.b) > 0 {
		code := r.u16()
		v := seenBytes{b: r.take(int(r.u16()))}
		if r.short {
			return errSeenShort
		}
		switch code {
		case dhcp6OptClient:
			m.duid = v.b
		case dhcp6OptAddresses:
			v.take(12)
			m.leases(&v)
		case dhcp6OptTemporary:
			v.take(4)
			m.leases(&v)
		case dhcp6OptParams:
			m.params = v.b
		case dhcp6OptClass:
			v.u32() // enterprise
			m.class = seenText(v.take(int(v.u16())))
		case dhcp6OptFQDN:
			v.u8()
			m.fqdn, _, _ = dnsName(v.b, 0)
		}
	}
	return r.err()
}

func (m *dhcp6Message) leases(v *seenBytes) {
	for len(v.b) > 0 {
		code := v.u16()
		a := seenBytes{b: v.take(int(v.u16()))}
		ip := a.ip6()
		a.u32() // preferred
		if lease := a.u32(); code == dhcp6OptAddress && ip.IsValid() && len(m.addresses) < dhcp6MostAddresses {
			m.addresses, m.lease = append(m.addresses, ip), lease
		}
	}
}

// dhcp6MAC is the link-layer address in a DUID-LLT or DUID-LL. Source: RFC
// 8415, 11. It may be that of another card of the same machine.
func dhcp6MAC(duid []byte) packet.MAC {
	r := seenBytes{b: duid}
	kind, hardware := r.u16(), r.u16()
	if hardware != 1 || (kind != 1 && kind != 3) {
		return packet.MAC{}
	}
	if kind == 1 {
		r.u32()
	}
	return r.mac()
}

// dhcp6Params writes the option request as option 55 of IPv4 is written.
func dhcp6Params(v []byte) string {
	out := make([]byte, 0, 128)
	for i := 0; len(v) >= 2 && i < dhcpMostParams; i, v = i+1, v[2:] {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, uint64(v[0])<<8|uint64(v[1]), 10)
	}
	return string(out)
}

type dhcp6Dissector struct{ lately *seenLately }

func newDHCP6() PacketDissector { return &dhcp6Dissector{newSeenLately(30)} }

func (*dhcp6Dissector) Name() string { return "dhcpv6" }
func (*dhcp6Dissector) Match() Match { return Match{UDP: []uint16{546, 547}} }

func (d *dhcp6Dissector) Packet(f *packet.Frame, out Out) error {
	m, err := parseDHCP6(f.Payload)
	if err != nil {
		return err
	}
	fromServer := m.kind == dhcp6Advertise || m.kind == dhcp6Reply
	if fromServer {
		m.claims(f, out)
	}
	if d.lately.same(f, f.Payload) {
		return nil
	}
	if fromServer {
		o := seenFrom(f, "dhcpv6")
		seenAdd(&o, asset.FactRole, "dhcp-server")
		seenTell(out, o)
	}
	m.tellClient(f, fromServer, out)
	return nil
}

func (m *dhcp6Message) claims(f *packet.Frame, out Out) {
	kind := binding.DHCPv6Advertise
	if m.kind == dhcp6Reply {
		kind = binding.DHCPv6Reply
	}
	c := binding.Claim{At: f.At, Kind: kind, Frame: f.Src, MAC: m.to(f), Server: seenHost(f.From), VLAN: f.VLAN}
	if kind == binding.DHCPv6Reply {
		c.Lease = m.lease
	}
	for _, ip := range m.addresses {
		c.IP = ip
		out.Claim(c)
	}
	if len(m.addresses) == 0 {
		out.Claim(c)
	}
}

// to is who a server's message is meant for.
func (m *dhcp6Message) to(f *packet.Frame) packet.MAC {
	if !m.relayed && f.Dst[0]&1 == 0 {
		return f.Dst
	}
	return m.mac
}

func (m *dhcp6Message) tellClient(f *packet.Frame, fromServer bool, out Out) {
	o := seenFrom(f, "dhcpv6")
	switch {
	case fromServer:
		o.MAC, o.IP = m.to(f), netip.Addr{}
		if m.kind == dhcp6Reply && len(m.addresses) > 0 {
			o.IP = m.addresses[0]
			seenThere(out, o)
		}
		return
	case m.relayed:
		o.MAC, o.IP = m.mac, m.peer
	}
	seenAdd(&o, asset.FactHostname, m.fqdn)
	seenAdd(&o, asset.FactVendorClass, m.class)
	seenAdd(&o, asset.FactClientID, hex.EncodeToString(m.duid[:min(len(m.duid), 130)]))
	if params := dhcp6Params(m.params); params != "" {
		seenAdd(&o, asset.FactDHCPParams, "v6:"+params)
	}
	seenAdd(&o, asset.FactSwitchPort, seenPort(m.remote, m.port))
	seenTell(out, o)
}
