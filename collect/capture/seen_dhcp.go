package capture

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
)

// The messages and options of DHCP that matter here. Source: RFC 2131, RFC
// 2132, RFC 3046, RFC 4702.
const (
	dhcpOffer   = 2
	dhcpRequest = 3
	dhcpAck     = 5

	dhcpOptRouter   = 3
	dhcpOptDNS      = 6
	dhcpOptHostname = 12
	dhcpOptAddress  = 50
	dhcpOptLease    = 51
	dhcpOptOverload = 52
	dhcpOptMessage  = 53
	dhcpOptServer   = 54
	dhcpOptParams   = 55
	dhcpOptClass    = 60
	dhcpOptClientID = 61
	dhcpOptFQDN     = 81
	dhcpOptRelay    = 82
	dhcpOptEnd      = 255

	dhcpMostParams = 64
)

type dhcpMessage struct {
	reply                    bool
	kind                     uint8
	mac                      packet.MAC
	client, your, relay      netip.Addr
	asked, server            netip.Addr
	lease                    uint32 // seconds
	router, dns              netip.Addr
	hostname, fqdn, class    string
	params, clientID         []byte
	circuit, remote          string
	file, name               []byte // fields that may carry options
	overload                 uint8
	options                  int
	ethernet, withoutOptions bool
}

// parseDHCP reads a BOOTP or DHCP message.
func parseDHCP(b []byte) (m dhcpMessage, err error) {
	r := seenBytes{b: b}
	op, hardware, length := r.u8(), r.u8(), r.u8()
	m.reply, m.ethernet = op == 2, (hardware == 1 || hardware == 6) && length == 6
	r.take(9) // hops, id, seconds, flags
	m.client, m.your = r.ip4(), r.ip4()
	r.take(4)
	m.relay = r.ip4()
	m.mac = r.mac()
	r.take(10)
	m.name, m.file = r.take(64), r.take(128)
	magic := r.u32()
	if r.short {
		return m, errSeenShort
	}
	if op != 1 && op != 2 {
		return m, errSeenForm
	}
	if magic != 0x63825363 {
		m.withoutOptions = true
		return m, nil
	}
	err = m.walk(r.b)
	if err == nil && m.overload&1 != 0 {
		err = m.walk(m.file)
	}
	if err == nil && m.overload&2 != 0 {
		err = m.walk(m.name)
	}
	return m, err
}

// walk reads options up to their end.
func (m *dhcpMessage) walk(b []byte) error {
	r := seenBytes{b: b}
	for len(r.b) > 0 {
		code := r.u8()
		if code == 0 {
			continue
		}
		if code == dhcpOptEnd {
			return nil
		}
		m.option(code, r.take(int(r.u8())))
		if r.short {
			return errSeenShort
		}
	}
	return nil
}

func (m *dhcpMessage) option(code uint8, v []byte) {
	m.options++
	switch code {
	case dhcpOptMessage:
		if len(v) > 0 {
			m.kind = v[0]
		}
	case dhcpOptOverload:
		if len(v) > 0 {
			m.overload = v[0]
		}
	case dhcpOptHostname:
		m.hostname = seenText(v)
	case dhcpOptFQDN:
		m.fqdn = dhcpFQDN(v)
	case dhcpOptClass:
		m.class = seenText(v)
	case dhcpOptParams:
		m.params = v
	case dhcpOptClientID:
		m.clientID = v
	case dhcpOptRelay:
		m.agent(v)
	default:
		m.address(code, v)
	}
}

func (m *dhcpMessage) address(code uint8, v []byte) {
	if len(v) < 4 {
		return
	}
	a := seenAddr(v[:4])
	switch code {
	case dhcpOptLease:
		m.lease = binary.BigEndian.Uint32(v)
	case dhcpOptAddress:
		m.asked = a
	case dhcpOptServer:
		m.server = a
	case dhcpOptRouter:
		m.router = a
	case dhcpOptDNS:
		m.dns = a
	}
}

// agent reads what a relay or a switch adds: the port a client is plugged in.
func (m *dhcpMessage) agent(v []byte) {
	for r := (seenBytes{b: v}); len(r.b) > 0; {
		code, value := r.u8(), r.take(int(r.u8()))
		switch code {
		case 1:
			m.circuit = dhcpPort(value)
		case 2:
			m.remote = dhcpPort(value)
		}
	}
}

// dhcpPort writes the name of a port or switch: as text where it is one, else
// as its bytes.
func dhcpPort(v []byte) string {
	if len(v) > 0 && seenPlain(v) {
		return seenText(v)
	}
	return hex.EncodeToString(v[:min(len(v), seenMostText/2)])
}

// dhcpFQDN reads a name in text, or as DNS writes it. Source: RFC 4702, 2.
func dhcpFQDN(v []byte) string {
	if len(v) < 4 {
		return ""
	}
	if v[0]&4 == 0 {
		return strings.TrimSuffix(seenText(v[3:]), ".")
	}
	name, _, err := dnsName(v[3:], 0)
	if err != nil {
		return ""
	}
	return name
}

// dhcpParams writes option 55 as it is compared: "1,3,6,15".
func dhcpParams(v []byte) string {
	out := make([]byte, 0, 4*dhcpMostParams)
	for i, p := range v[:min(len(v), dhcpMostParams)] {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, uint64(p), 10)
	}
	return string(out)
}

type dhcpDissector struct{ lately *seenLately }

func newDHCP() PacketDissector { return &dhcpDissector{newSeenLately(30)} }

func (*dhcpDissector) Name() string { return "dhcp" }
func (*dhcpDissector) Match() Match { return Match{UDP: []uint16{67, 68}} }

func (d *dhcpDissector) Packet(f *packet.Frame, out Out) error {
	m, err := parseDHCP(f.Payload)
	if err != nil || !m.ethernet {
		return err
	}
	m.claim(f, out)
	if d.lately.same(f, f.Payload) {
		return nil
	}
	if m.reply {
		m.tellServer(f, out)
	}
	m.tellClient(f, out)
	return nil
}

// claim says what an offer, a lease or a wish means for an address.
func (m *dhcpMessage) claim(f *packet.Frame, out Out) {
	c := binding.Claim{At: f.At, Frame: f.Src, MAC: m.mac, Server: m.server, VLAN: f.VLAN}
	if !c.Server.IsValid() && m.reply {
		c.Server = seenHost(f.From)
	}
	c.IP = m.your
	switch {
	case m.reply && m.kind == dhcpOffer:
		c.Kind = binding.DHCPOffer
	case m.reply && m.kind == dhcpAck:
		c.Kind, c.Lease = binding.DHCPAck, m.lease
		if !c.IP.IsValid() {
			c.IP = m.client // an answer to who has an address already
		}
	case !m.reply && m.kind == dhcpRequest:
		c.Kind, c.IP, c.Client = binding.DHCPRequest, m.asked, m.hostname
		if !c.IP.IsValid() {
			c.IP = m.client
		}
	}
	if c.Kind != 0 && c.IP.IsValid() {
		out.Claim(c)
	}
}

func (m *dhcpMessage) tellServer(f *packet.Frame, out Out) {
	if m.kind != dhcpOffer && m.kind != dhcpAck {
		return
	}
	o := seenFrom(f, "dhcp")
	if m.server.IsValid() && m.server != o.IP {
		o.IP, o.MAC = m.server, packet.MAC{} // a relay passed it on
	}
	seenAdd(&o, asset.FactRole, "dhcp-server")
	seenTell(out, o)
	for _, other := range []struct {
		ip   netip.Addr
		role string
	}{{m.router, "router"}, {m.dns, "dns-server"}} {
		o := asset.Observation{At: f.At, IP: other.ip, VLAN: f.VLAN, Protocol: "dhcp"}
		seenAdd(&o, asset.FactRole, other.role)
		seenTell(out, o)
	}
}

// tellClient says what the client said of itself, and where a switch says that
// it is plugged in.
func (m *dhcpMessage) tellClient(f *packet.Frame, out Out) {
	o := asset.Observation{At: f.At, MAC: m.mac, IP: m.client, VLAN: f.VLAN, Protocol: "dhcp"}
	if m.reply {
		if m.kind != dhcpAck {
			return
		}
		if m.your.IsValid() {
			o.IP = m.your
		}
	} else {
		seenAdd(&o, asset.FactHostname, m.hostname)
		seenAdd(&o, asset.FactHostname, m.fqdn)
		seenAdd(&o, asset.FactVendorClass, m.class)
		seenAdd(&o, asset.FactDHCPParams, dhcpParams(m.params))
		seenAdd(&o, asset.FactClientID, hex.EncodeToString(m.clientID))
	}
	seenAdd(&o, asset.FactSwitchPort, seenPort(m.remote, m.circuit))
	seenThere(out, o)
}

// seenPort names a port of a switch.
func seenPort(device, port string) string {
	if device == "" || port == "" {
		return device + port
	}
	return device + " " + port
}
