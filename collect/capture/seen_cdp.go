package capture

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// The fields of CDP that tell something, after those of tcpdump's manual and
// Cisco's description of the protocol.
const (
	cdpDevice       = 1
	cdpAddresses    = 2
	cdpPort         = 3
	cdpCapabilities = 4
	cdpVersion      = 5
	cdpPlatform     = 6
	cdpManagement   = 0x16

	cdpCanRoute  = 1
	cdpCanBridge = 1<<1 | 1<<2 | 1<<3
	cdpCanCall   = 1 << 7
	cdpMost      = 128
)

type cdpMessage struct {
	device, port, version, platform string
	can                             uint32
	address                         netip.Addr
}

// cdpHead is LLC and SNAP in front of CDP.
var cdpHead = []byte{0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00}

// parseCDP reads a message after its LLC and SNAP header.
func parseCDP(b []byte) (m cdpMessage, err error) {
	r := seenBytes{b: b}
	version := r.u8()
	r.take(3)
	if r.short || version == 0 || version > 2 {
		return m, errSeenForm
	}
	for i := 0; len(r.b) > 0 && i < cdpMost; i++ {
		kind, length := r.u16(), int(r.u16())
		v := r.take(length - 4)
		if r.short {
			return m, errSeenShort
		}
		m.field(kind, v)
	}
	return m, nil
}

func (m *cdpMessage) field(kind uint16, v []byte) {
	switch kind {
	case cdpDevice:
		m.device = dhcpPort(v)
	case cdpPort:
		m.port = seenText(v)
	case cdpVersion:
		m.version = seenText(v)
	case cdpPlatform:
		m.platform = seenText(v)
	case cdpCapabilities:
		r := seenBytes{b: v}
		m.can = r.u32()
	case cdpAddresses, cdpManagement:
		if !m.address.IsValid() {
			m.address = cdpAddress(v)
		}
	}
}

// cdpAddress is the first IP address of a list.
func cdpAddress(v []byte) netip.Addr {
	r := seenBytes{b: v}
	for n := min(r.u32(), 8); n > 0 && !r.short; n-- {
		r.u8()
		proto := r.take(int(r.u8()))
		a := seenAddr(r.take(int(r.u16())))
		if a.IsValid() && (a.Is6() || bytes.Equal(proto, []byte{0xcc})) {
			return a
		}
	}
	return netip.Addr{}
}

func (m *cdpMessage) facts(o *asset.Observation) {
	seenAdd(o, asset.FactChassis, m.device)
	seenAdd(o, asset.FactHostname, m.device)
	seenAdd(o, asset.FactModel, m.platform)
	seenAdd(o, asset.FactDescription, m.version)
	if strings.HasPrefix(strings.ToLower(m.platform), "cisco") || strings.HasPrefix(m.version, "Cisco") {
		seenAdd(o, asset.FactVendor, "Cisco")
	}
	if found := regexp.MustCompile(`Version ([0-9][^ ,]*)`).FindStringSubmatch(m.version); found != nil {
		seenAdd(o, asset.FactFirmware, found[1])
	}
	bridge := m.can&cdpCanBridge != 0
	for _, role := range []struct {
		has  bool
		name string
	}{{bridge, "switch"}, {m.can&cdpCanRoute != 0, "router"}, {m.can&cdpCanCall != 0, "phone"}} {
		if role.has {
			seenAdd(o, asset.FactRole, role.name)
		}
	}
	if bridge {
		seenAdd(o, asset.FactSwitchPort, seenPort(m.device, m.port))
	}
}

type cdpDissector struct{ lately *seenLately }

func newCDP() PacketDissector { return &cdpDissector{newSeenLately(300)} }

func (*cdpDissector) Name() string { return "cdp" }
func (*cdpDissector) Match() Match { return Match{Types: []uint16{packet.TypeLLC}} }

func (d *cdpDissector) Packet(f *packet.Frame, out Out) error {
	b, ok := bytes.CutPrefix(f.L3, cdpHead)
	if !ok || d.lately.same(f, b) {
		return nil
	}
	m, err := parseCDP(b)
	o := seenFrom(f, "cdp")
	o.IP = m.address
	m.facts(&o)
	seenTell(out, o)
	return err
}
