package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// NetBIOS names and datagrams. Source: RFC 1001, RFC 1002; the suffixes and
// browser announcements after MS-BRWS and MS-NBTE.
const (
	nbnsRegister  = 5
	nbnsRefresh   = 8
	nbnsRefresh2  = 9
	nbnsMultihome = 15
	nbnsTypeNB    = 0x20
	nbnsTypeStat  = 0x21
	nbnsMostNames = 32

	nbnsWorkstation = 0x00
	nbnsDomain      = 0x1b
	nbnsController  = 0x1c
	nbnsServer      = 0x20
)

type nbnsName struct {
	name   string
	suffix byte
	group  bool
}

// nbnsMessage is what a machine says of its own names. asked is true for
// messages that only look for somebody.
type nbnsMessage struct {
	asked bool
	names []nbnsName
	owner netip.Addr
	mac   packet.MAC
}

// nbnsDecode reads a name of 16 signs, each written as two letters.
func nbnsDecode(b []byte) (n nbnsName, ok bool) {
	if len(b) < 34 || b[0] != 32 {
		return n, false
	}
	var raw [16]byte
	for i := range raw {
		high, low := b[1+2*i]-'A', b[2+2*i]-'A'
		if high > 15 || low > 15 {
			return n, false
		}
		raw[i] = high<<4 | low
	}
	return nbnsPlain(raw[:]), true
}

func nbnsPlain(raw []byte) nbnsName {
	return nbnsName{name: seenText(raw[:15]), suffix: raw[15]}
}

func parseNBNS(b []byte) (m nbnsMessage, err error) {
	h, err := parseDNSHeader(b)
	if err != nil {
		return m, err
	}
	name, ok := nbnsDecode(b[12:])
	if !ok {
		return m, errSeenForm
	}
	switch op := h.opcode() & 15; {
	case h.response() && h.answers > 0 && !h.failed():
		return m, m.answer(b, name)
	case !h.response() && h.extra > 0 && (op == nbnsRegister || op == nbnsRefresh || op == nbnsRefresh2 || op == nbnsMultihome):
		return m, m.register(b, name)
	}
	m.asked = true
	return m, nil
}

// register reads the record behind the question: flags and the address that
// the name shall have.
func (m *nbnsMessage) register(b []byte, name nbnsName) error {
	off, err := dnsSkip(b, 12)
	if err == nil {
		off, err = dnsSkip(b, min(off+4, len(b)))
	}
	if err != nil {
		return err
	}
	return m.address(b[min(off, len(b)):], name)
}

func (m *nbnsMessage) answer(b []byte, name nbnsName) error {
	off, err := dnsSkip(b, 12)
	if err != nil {
		return err
	}
	rest := b[min(off, len(b)):]
	r := seenBytes{b: rest}
	if r.u16() != nbnsTypeStat {
		return m.address(rest, name)
	}
	r.take(8)
	for n := min(int(r.u8()), nbnsMostNames); n > 0; n-- {
		raw := r.take(16)
		flags := r.u16()
		if r.short {
			return errSeenShort
		}
		own := nbnsPlain(raw)
		own.group = flags&0x8000 != 0
		m.names = append(m.names, own)
	}
	m.mac = r.mac()
	return nil // some end here, without the statistics
}

func (m *nbnsMessage) address(b []byte, name nbnsName) error {
	r := seenBytes{b: b}
	kind := r.u16()
	r.take(8)
	name.group = r.u16()&0x8000 != 0
	m.owner = r.ip4()
	if kind == nbnsTypeNB && !r.short {
		m.names = append(m.names, name)
	}
	return r.err()
}

func (m *nbnsMessage) facts(o *asset.Observation) {
	for _, n := range m.names {
		switch {
		case n.suffix == nbnsController || n.suffix == nbnsDomain:
			seenAdd(o, asset.FactRole, "domain-controller")
			seenAdd(o, asset.FactDescription, "domain "+n.name)
		case n.group && n.suffix == nbnsWorkstation:
			seenAdd(o, asset.FactDescription, "workgroup "+n.name)
		case n.group || strings.HasPrefix(n.name, "IS~"):
		case n.suffix == nbnsServer:
			seenAdd(o, asset.FactHostname, n.name)
			seenAdd(o, asset.FactRole, "file-server")
		case n.suffix == nbnsWorkstation:
			seenAdd(o, asset.FactHostname, n.name)
		}
	}
}

type nbnsDissector struct{ lately *seenLately }

func newNBNS() PacketDissector { return &nbnsDissector{newSeenLately(60)} }

func (*nbnsDissector) Name() string { return "nbns" }
func (*nbnsDissector) Match() Match { return Match{UDP: []uint16{137}} }

func (d *nbnsDissector) Packet(f *packet.Frame, out Out) error {
	if d.lately.same(f, f.Payload) {
		return nil
	}
	m, err := parseNBNS(f.Payload)
	if m.asked || len(m.names) == 0 {
		return err
	}
	o := seenFrom(f, "nbns")
	if m.owner.IsValid() && m.owner != o.IP {
		o.IP, o.MAC = m.owner, packet.MAC{} // a name server answers for others
	}
	if o.MAC == (packet.MAC{}) && m.mac[0]&1 == 0 {
		o.MAC = m.mac
	}
	m.facts(&o)
	seenTell(out, o)
	return err
}

// nbdgmMessage is a datagram with a browser's announcement in it.
type nbdgmMessage struct {
	source       nbnsName
	from         netip.Addr
	name, system string
	kinds        uint32
	announcement bool
}

var nbdgmMailslot = []byte("\\MAILSLOT\\BROWSE\x00")

func parseNBDGM(b []byte) (m nbdgmMessage, err error) {
	r := seenBytes{b: b}
	kind := r.u8()
	r.take(3)
	m.from = r.ip4()
	r.take(6)
	if r.short || kind < 0x10 || kind > 0x12 {
		return m, r.err() // errors and queries tell nothing
	}
	name, ok := nbnsDecode(r.b)
	if !ok {
		return m, errSeenForm
	}
	m.source = name
	if i := bytes.Index(r.b, nbdgmMailslot); i >= 0 {
		m.announce(r.b[i+len(nbdgmMailslot):])
	}
	return m, nil
}

// announce reads what a machine says to the browsers of its segment. Source:
// MS-BRWS 2.2.1.
func (m *nbdgmMessage) announce(b []byte) {
	r := seenBytes{b: b}
	command := r.u8()
	if command != 1 && command != 15 {
		return // not of the sender itself
	}
	r.take(5)
	name := seenText(r.take(16))
	major, minor := r.u8(), r.u8()
	kinds := r.le32()
	if r.short {
		return
	}
	m.announcement, m.name, m.kinds = true, name, kinds
	if kinds&0x800 == 0 { // Xenix, by which Samba is known
		m.system = fmt.Sprintf("Windows NT %d.%d", major, minor)
	} else {
		m.system = "Unix (Samba)"
	}
}

type nbdgmDissector struct{ lately *seenLately }

func newNBDGM() PacketDissector { return &nbdgmDissector{newSeenLately(60)} }

func (*nbdgmDissector) Name() string { return "nbdgm" }
func (*nbdgmDissector) Match() Match { return Match{UDP: []uint16{138}} }

func (d *nbdgmDissector) Packet(f *packet.Frame, out Out) error {
	if d.lately.same(f, f.Payload[min(4, len(f.Payload)):]) { // after the number of the datagram
		return nil
	}
	m, err := parseNBDGM(f.Payload)
	if err != nil || m.source.name == "" || m.from != f.From {
		return err
	}
	o := seenFrom(f, "nbdgm")
	if m.source.suffix == nbnsWorkstation || m.source.suffix == nbnsServer {
		seenAdd(&o, asset.FactHostname, m.source.name)
	}
	if m.announcement {
		seenAdd(&o, asset.FactHostname, m.name)
		seenAdd(&o, asset.FactOS, m.system)
		for _, role := range []struct {
			bits uint32
			name string
		}{{0x18, "domain-controller"}, {0x4, "database-server"}, {0x200, "print-server"}} {
			if m.kinds&role.bits != 0 {
				seenAdd(&o, asset.FactRole, role.name)
			}
		}
	}
	seenTell(out, o)
	return nil
}
