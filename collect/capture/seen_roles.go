package capture

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// Protocols that tell a role: NTP, RADIUS, BACnet.

// ntpDissector tells who gives the time. Source: RFC 5905, 7.3.
type ntpDissector struct{ lately *seenLately }

func newNTP() PacketDissector { return &ntpDissector{newSeenLately(600)} }

func (*ntpDissector) Name() string { return "ntp" }
func (*ntpDissector) Match() Match { return Match{UDP: []uint16{123}} }

func (d *ntpDissector) Packet(f *packet.Frame, out Out) error {
	r := seenBytes{b: f.Payload}
	head, stratum := r.u8(), r.u8()
	mode := head & 7
	if mode >= 6 { // control messages have a form of their own
		return nil
	}
	if r.take(46); r.short {
		return errSeenShort
	}
	served := mode == 4 || mode == 5
	asked := mode == 3 && f.ToPort == 123
	if (!served && !asked) || (served && (stratum == 0 || stratum > 15 || head>>6 == 3)) {
		return nil // not in step itself, so of no use as a server
	}
	if d.lately.about(netip.AddrPortFrom(f.From, uint16(mode)), "ntp", f.At) {
		return nil
	}
	o := seenFrom(f, "ntp")
	if served {
		seenAdd(&o, asset.FactRole, "ntp-server")
		seenAdd(&o, asset.FactService, seenService("udp", 123, "ntp"))
	} else {
		seenAdd(&o, asset.FactClientOf, "ntp")
	}
	seenTell(out, o)
	return nil
}

// The attributes of RADIUS that say who is plugged in where. Source: RFC 2865,
// RFC 2866, RFC 2869, RFC 3162, RFC 5176.
const (
	radiusNASIP     = 4
	radiusNASPort   = 5
	radiusFramedIP  = 8
	radiusCalled    = 30
	radiusCalling   = 31
	radiusNASName   = 32
	radiusNASKind   = 61
	radiusNASPortID = 87
	radiusNASIP6    = 95

	radiusHead = 20
)

type radiusMessage struct {
	code            uint8
	nas, framed     netip.Addr
	name, port      string
	calling, called packet.MAC
	ssid            string
	kind            uint32 // of the port: 15 Ethernet, 19 wireless
}

// parseRADIUS reads a message. User names and passwords are read over.
func parseRADIUS(b []byte) (m radiusMessage, err error) {
	r := seenBytes{b: b}
	m.code = r.u8()
	r.u8()
	length := int(r.u16())
	r.take(16)
	if r.short || length < radiusHead || length > len(b) {
		return m, errSeenShort
	}
	r.b = b[radiusHead:length]
	for len(r.b) > 0 {
		kind, size := r.u8(), int(r.u8())
		v := r.take(size - 2)
		if r.short {
			return m, errSeenShort
		}
		m.attribute(kind, v)
	}
	return m, nil
}

func (m *radiusMessage) attribute(kind uint8, v []byte) {
	r := seenBytes{b: v}
	switch kind {
	case radiusNASIP, radiusNASIP6:
		if a := seenAddr(v); a.IsValid() {
			m.nas = a
		}
	case radiusNASPort:
		if m.port == "" {
			m.port = strconv.FormatUint(uint64(r.u32()), 10)
		}
	case radiusNASPortID:
		m.port = seenText(v)
	case radiusFramedIP:
		if a := seenAddr(v); a.IsValid() && a != netip.AddrFrom4([4]byte{255, 255, 255, 254}) {
			m.framed = a // 255.255.255.254 asks the NAS to choose one
		}
	case radiusNASName:
		m.name = seenText(v)
	case radiusNASKind:
		m.kind = r.u32()
	case radiusCalling:
		m.calling, _ = radiusMAC(v)
	case radiusCalled:
		var rest []byte
		m.called, rest = radiusMAC(v)
		m.ssid = strings.TrimPrefix(seenText(rest), ":")
	}
}

// radiusMAC reads an address in any of the ways it is written, and gives what
// follows it: the network's name in Called-Station-Id.
func radiusMAC(v []byte) (m packet.MAC, rest []byte) {
	var digits [12]byte
	n := 0
	for i, c := range v {
		switch {
		case n < 12 && (c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'):
			digits[n] = c
			if n++; n == 12 {
				rest = v[i+1:]
			}
		case n < 12 && (c == '-' || c == ':' || c == '.'):
		case n < 12:
			return packet.MAC{}, nil // a telephone number, an address, a name
		}
	}
	if n < 12 {
		return packet.MAC{}, nil
	}
	_, _ = hex.Decode(m[:], digits[:])
	return m, rest
}

type radiusDissector struct{ lately *seenLately }

func newRADIUS() PacketDissector { return &radiusDissector{newSeenLately(60)} }

func (*radiusDissector) Name() string { return "radius" }
func (*radiusDissector) Match() Match {
	return Match{UDP: []uint16{1812, 1813, 1645, 1646, 3799}}
}

func (d *radiusDissector) Packet(f *packet.Frame, out Out) error {
	m, err := parseRADIUS(f.Payload)
	if err != nil {
		return err
	}
	switch m.code {
	case 1, 4: // Access-Request, Accounting-Request
		d.nas(f, m, out)
		d.station(f, m, out)
	case 2, 3, 5, 11: // accept, reject, accounting response, challenge
		if !d.lately.about(netip.AddrPortFrom(f.From, f.FromPort), "server", f.At) {
			o := seenFrom(f, "radius")
			seenAdd(&o, asset.FactRole, "radius-server")
			seenAdd(&o, asset.FactService, seenService("udp", f.FromPort, "radius"))
			seenTell(out, o)
		}
	}
	return nil
}

// nas tells of the switch or access point that asks.
func (d *radiusDissector) nas(f *packet.Frame, m radiusMessage, out Out) {
	if d.lately.about(netip.AddrPortFrom(f.From, uint16(m.kind)), m.name, f.At) {
		return
	}
	o := seenFrom(f, "radius")
	if m.nas.IsValid() && m.nas != o.IP { // a proxy asks for it
		o.IP, o.MAC = m.nas, packet.MAC{}
	}
	seenAdd(&o, asset.FactClientOf, "radius")
	seenAdd(&o, asset.FactHostname, m.name)
	switch m.kind {
	case 15:
		seenAdd(&o, asset.FactRole, "switch")
	case 19:
		seenAdd(&o, asset.FactRole, "access-point")
	}
	seenTell(out, o)
}

// station tells at which port or access point a machine is.
func (d *radiusDissector) station(f *packet.Frame, m radiusMessage, out Out) {
	if m.calling == (packet.MAC{}) || m.calling[0]&1 != 0 {
		return
	}
	device := m.name
	if device == "" && m.nas.IsValid() {
		device = m.nas.String()
	}
	port := m.port
	if m.kind == 19 { // the port of a wireless station is a number of no meaning
		if port = "wireless"; m.ssid != "" {
			port = m.ssid
		}
	}
	o := asset.Observation{At: f.At, MAC: m.calling, IP: m.framed, Protocol: "radius"}
	seenAdd(&o, asset.FactSwitchPort, seenPort(device, port))
	if !d.lately.about(netip.AddrPortFrom(m.framed, 0), string(m.calling[:])+device+port, f.At) {
		seenTell(out, o)
	}
}

// bacnetDissector reads I-Am of BACnet/IP: what a controller of the building
// says when it is looked for. Source: ASHRAE 135, clauses 6, 16.10, annex J.
type bacnetDissector struct{ lately *seenLately }

func newBACnet() PacketDissector { return &bacnetDissector{newSeenLately(300)} }

func (*bacnetDissector) Name() string { return "bacnet" }
func (*bacnetDissector) Match() Match { return Match{UDP: []uint16{47808}} }

// bacnetMessage is the application part: kind and service of it.
type bacnetMessage struct {
	kind, service uint8
	instance      uint32
	iam           bool
}

func parseBACnet(b []byte) (m bacnetMessage, ok bool, err error) {
	r := seenBytes{b: b}
	typ, function, length := r.u8(), r.u8(), int(r.u16())
	if r.short || typ != 0x81 || length > len(b) {
		return m, false, errSeenForm
	}
	if function == 4 { // forwarded: the address it came from
		r.take(6)
	} else if function != 10 && function != 11 {
		return m, false, nil
	}
	if version := r.u8(); version != 1 {
		return m, false, errSeenForm
	}
	control := r.u8()
	if control&0x80 != 0 {
		return m, false, nil // about the network itself
	}
	for _, bit := range []uint8{0x20, 0x08} { // destination, source
		if control&bit != 0 {
			r.u16()
			r.take(int(r.u8()))
		}
	}
	if control&0x20 != 0 {
		r.u8() // hops
	}
	m.kind, m.service = r.u8()>>4, r.u8()
	if m.kind == 1 && m.service == 0 && r.u8() == 0xc4 {
		m.instance = r.u32() & 0x3fffff
		m.iam = true
	}
	return m, !r.short, r.err()
}

func (d *bacnetDissector) Packet(f *packet.Frame, out Out) error {
	m, ok, err := parseBACnet(f.Payload)
	if !ok || d.lately.about(netip.AddrPortFrom(f.From, uint16(m.kind)), strconv.Itoa(int(m.instance)), f.At) {
		return err
	}
	o := seenFrom(f, "bacnet")
	switch {
	case m.iam:
		seenAdd(&o, asset.FactService, seenService("udp", f.FromPort, "bacnet"))
		seenAdd(&o, asset.FactDescription, "BACnet device "+strconv.Itoa(int(m.instance)))
	case m.kind == 2 || m.kind == 3: // answers
		seenAdd(&o, asset.FactService, seenService("udp", f.FromPort, "bacnet"))
	case m.kind == 0: // confirmed requests
		seenAdd(&o, asset.FactClientOf, "bacnet")
	}
	seenTell(out, o)
	return nil
}
