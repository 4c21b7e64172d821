package capture

import (
	"net/netip"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
)

// Protocols in which several machines or ports share an address, so that their
// claims are no attack: VRRP, CARP, HSRP, LACP. And EAPOL, which tells who asks
// for entry at a port.

const routerMostShared = 16 // addresses of one message

// vrrpMessage is of VRRP, or of CARP, which took its protocol number.
type vrrpMessage struct {
	carp      bool
	group     uint8
	priority  uint8
	addresses []netip.Addr
}

// parseVRRP reads versions 2 and 3. Source: RFC 3768, RFC 9568. The form of
// CARP: OpenBSD's ip_carp.h.
func parseVRRP(b []byte, six bool) (m vrrpMessage, err error) {
	r := seenBytes{b: b}
	head := r.u8()
	m.group, m.priority = r.u8(), r.u8()
	count := int(r.u8())
	r.u32() // times, checksum
	version := head >> 4
	switch {
	case r.short:
		return m, errSeenShort
	case head&15 != 1 || version < 2 || version > 3:
		return m, errSeenForm
	case version == 2 && len(b) == 36 && count == 7:
		m.carp = true // its length of authentication stands where the count is
		return m, nil
	}
	for range min(count, routerMostShared) {
		a := r.ip4
		if six {
			a = r.ip6
		}
		if ip := a(); ip.IsValid() {
			m.addresses = append(m.addresses, ip)
		}
	}
	return m, r.err()
}

type vrrpDissector struct{ lately *seenLately }

func newVRRP() PacketDissector { return &vrrpDissector{newSeenLately(60)} }

func (*vrrpDissector) Name() string { return "vrrp" }
func (*vrrpDissector) Match() Match { return Match{Protos: []uint8{packet.VRRP}} }

func (d *vrrpDissector) Packet(f *packet.Frame, out Out) error {
	m, err := parseVRRP(f.Payload, f.From.Is6())
	if err != nil {
		return err
	}
	if f.TTL != 255 {
		return errSeenForm
	}
	mac := packet.MAC{0, 0, 0x5e, 0, 1, m.group}
	if f.From.Is6() {
		mac[4] = 2
	}
	c := binding.Claim{At: f.At, Kind: binding.VRRP, Frame: f.Src, MAC: mac, VLAN: f.VLAN, Server: seenHost(f.From)}
	for _, ip := range m.addresses {
		c.IP = ip
		out.Claim(c)
	}
	if len(m.addresses) == 0 {
		out.Claim(c)
	}
	d.tell(f, m, out)
	return nil
}

// tell says that the sender is one of the routers. Its frames bear the shared
// address, which is not its own.
func (d *vrrpDissector) tell(f *packet.Frame, m vrrpMessage, out Out) {
	if d.lately.about(netip.AddrPortFrom(f.From, uint16(m.group)), "vrrp", f.At) {
		return
	}
	o := seenFrom(f, "vrrp")
	if o.MAC[0] == 0 && o.MAC[1] == 0 && o.MAC[2] == 0x5e {
		o.MAC = packet.MAC{}
	}
	if m.carp {
		o.Protocol = "carp"
	}
	seenAdd(&o, asset.FactRole, "router")
	seenTell(out, o)
}

// hsrpMessage is of Cisco's protocol. Its password is read over.
type hsrpMessage struct {
	active  bool
	mac     packet.MAC
	address netip.Addr
}

// parseHSRP reads versions 1 (RFC 2281) and 2; ok is false for kinds of
// messages that claim nothing.
func parseHSRP(b []byte) (m hsrpMessage, ok bool, err error) {
	r := seenBytes{b: b}
	switch first := r.u8(); first {
	case 0:
		op, state := r.u8(), r.u8()
		r.take(3)
		m.mac = packet.MAC{0, 0, 0x0c, 0x07, 0xac, r.u8()}
		r.take(9)
		m.address = r.ip4()
		m.active = state == 16
		return m, op <= 2 && !r.short, r.err()
	case 1, 2, 3, 4:
		return parseHSRP2(b)
	}
	return m, false, errSeenForm
}

// parseHSRP2 looks for the state of a group among the fields; other messages
// are of an interface's state.
func parseHSRP2(b []byte) (m hsrpMessage, ok bool, err error) {
	r := seenBytes{b: b}
	for len(r.b) > 0 {
		kind := r.u8()
		v := seenBytes{b: r.take(int(r.u8()))}
		if r.short {
			return m, false, errSeenShort
		}
		if kind == 1 {
			return hsrpGroup(&v)
		}
	}
	return m, false, nil
}

func hsrpGroup(v *seenBytes) (m hsrpMessage, ok bool, err error) {
	if v.u8() != 2 {
		return m, false, errSeenForm
	}
	op, state, family := v.u8(), v.u8(), v.u8()
	group := v.u16()
	v.take(18) // identifier, priority, times
	m.active = state == 6
	m.mac = packet.MAC{0, 0, 0x0c, 0x9f, 0xf0 | byte(group>>8&15), byte(group)}
	if family == 6 {
		m.mac = packet.MAC{0, 0x05, 0x73, 0xa0, byte(group >> 8 & 15), byte(group)}
		m.address = v.ip6()
	} else {
		m.address = v.ip4()
	}
	return m, op <= 2 && !v.short, v.err()
}

type hsrpDissector struct{ lately *seenLately }

func newHSRP() PacketDissector { return &hsrpDissector{newSeenLately(60)} }

func (*hsrpDissector) Name() string { return "hsrp" }
func (*hsrpDissector) Match() Match { return Match{UDP: []uint16{1985, 2029}} }

func (d *hsrpDissector) Packet(f *packet.Frame, out Out) error {
	m, ok, err := parseHSRP(f.Payload)
	if !ok {
		return err
	}
	if m.active && m.address.IsValid() {
		out.Claim(binding.Claim{At: f.At, Kind: binding.HSRP, Frame: f.Src, MAC: m.mac,
			IP: m.address, Server: seenHost(f.From), VLAN: f.VLAN})
	}
	if d.lately.about(netip.AddrPortFrom(f.From, 0), "hsrp", f.At) {
		return nil
	}
	o := seenFrom(f, "hsrp")
	if o.MAC == m.mac {
		o.MAC = packet.MAC{}
	}
	seenAdd(&o, asset.FactRole, "router")
	seenTell(out, o)
	return nil
}

// parseLACP gives the system that a port belongs to. Source: IEEE 802.1AX,
// 6.4.2.3. ok is false for other slow protocols.
func parseLACP(b []byte) (system packet.MAC, ok bool, err error) {
	r := seenBytes{b: b}
	if subtype := r.u8(); subtype != 1 {
		return system, false, r.err()
	}
	r.u8() // version
	kind, length := r.u8(), r.u8()
	r.u16() // priority
	system = r.mac()
	if r.short {
		return system, false, errSeenShort
	}
	if kind != 1 || length != 20 {
		return system, false, errSeenForm
	}
	return system, true, nil
}

type lacpDissector struct{}

func newLACP() PacketDissector { return lacpDissector{} }

func (lacpDissector) Name() string { return "lacp" }
func (lacpDissector) Match() Match { return Match{Types: []uint16{packet.TypeLACP}} }

func (lacpDissector) Packet(f *packet.Frame, out Out) error {
	system, ok, err := parseLACP(f.L3)
	if ok {
		out.Claim(binding.Claim{At: f.At, Kind: binding.LACP, Frame: f.Src, MAC: system, VLAN: f.VLAN})
	}
	return err
}

// eapolRole says who speaks in IEEE 802.1X: who wants in, or who lets in. The
// identity that passes by is not looked at.
func eapolRole(b []byte) (role string, err error) {
	r := seenBytes{b: b}
	version, kind, length := r.u8(), r.u8(), int(r.u16())
	if r.short {
		return "", errSeenShort
	}
	if version == 0 || version > 3 {
		return "", errSeenForm
	}
	switch kind {
	case 1, 2: // start, logoff
		return "802.1x-supplicant", nil
	case 0:
		if length < 4 || len(r.b) < 4 {
			return "", errSeenShort
		}
		switch code := r.u8(); code {
		case 2:
			return "802.1x-supplicant", nil
		case 1, 3, 4:
			return "802.1x-authenticator", nil
		}
		return "", errSeenForm
	}
	return "", nil // keys, announcements
}

type eapolDissector struct{ lately *seenLately }

func newEAPOL() PacketDissector { return &eapolDissector{newSeenLately(600)} }

func (*eapolDissector) Name() string { return "eapol" }
func (*eapolDissector) Match() Match { return Match{Types: []uint16{packet.TypeEAP}} }

func (d *eapolDissector) Packet(f *packet.Frame, out Out) error {
	role, err := eapolRole(f.L3)
	if role == "" || d.lately.about(netip.AddrPort{}, role+string(f.Src[:]), f.At) {
		return err
	}
	o := seenFrom(f, "eapol")
	seenAdd(&o, asset.FactRole, role)
	seenTell(out, o)
	return nil
}
