package capture

import (
	"net/netip"
	"strconv"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// SNMP. Source: RFC 1157, RFC 3416, RFC 3412, RFC 3414, RFC 3418.
const (
	snmpInteger  = 0x02
	snmpString   = 0x04
	snmpOID      = 0x06
	snmpSequence = 0x30

	snmpResponse = 0xa2
	snmpSet      = 0xa3
	snmpTrap1    = 0xa4
	snmpInform   = 0xa6
	snmpTrap2    = 0xa7

	snmpMostBinds = 64
)

type snmpMessage struct {
	version   int64
	community string // only "public" or "private"
	pdu       uint8
	failed    bool
	text      string // sysDescr
	object    string // sysObjectID, or the enterprise of a trap
	name      string // sysName
	vendor    string
	mac       packet.MAC // in the engine id
}

// snmpValue takes one value of BER.
func (r *seenBytes) snmpValue() (tag uint8, v []byte) {
	tag = r.u8()
	length := int(r.u8())
	if length >= 0x80 {
		n := length & 0x7f
		length = 0
		if n == 0 || n > 4 {
			r.short = true
			return 0, nil
		}
		for _, c := range r.take(n) {
			length = length<<8 | int(c)
		}
	}
	return tag, r.take(length)
}

// snmpInside takes a value of one tag and reads on inside it.
func (r *seenBytes) snmpInside(tag uint8) seenBytes {
	got, v := r.snmpValue()
	return seenBytes{b: v, short: r.short || got != tag}
}

func (r *seenBytes) snmpInt() int64 {
	v := r.snmpInside(snmpInteger)
	if v.short || len(v.b) == 0 || len(v.b) > 5 {
		r.short = true
		return 0
	}
	n := int64(int8(v.b[0]))
	for _, c := range v.b[1:] {
		n = n<<8 | int64(c)
	}
	return n
}

// snmpDotted writes an object identifier; "" for what is none.
func snmpDotted(v []byte) string {
	if len(v) == 0 || len(v) > 128 {
		return ""
	}
	out := make([]byte, 0, 64)
	for n, first := uint64(0), true; len(v) > 0; v = v[1:] {
		if n>>32 != 0 {
			return ""
		}
		n = n<<7 | uint64(v[0]&0x7f)
		if v[0]&0x80 != 0 {
			continue
		}
		if first {
			top := min(n/40, 2)
			out = strconv.AppendUint(out, top, 10)
			n -= top * 40
			first = false
		}
		out = strconv.AppendUint(append(out, '.'), n, 10)
		n = 0
	}
	return string(out)
}

func parseSNMP(b []byte) (m snmpMessage, err error) {
	outer := seenBytes{b: b}
	r := outer.snmpInside(snmpSequence)
	m.version = r.snmpInt()
	switch {
	case r.short:
		return m, errSeenForm
	case m.version == 3:
		return m, m.three(&r)
	case m.version > 1:
		return m, errSeenForm
	}
	_, community := r.snmpValue()
	switch c := string(community); c {
	case "public", "private":
		m.community = c
	}
	return m, m.pduOf(&r)
}

func (m *snmpMessage) pduOf(r *seenBytes) error {
	tag, v := r.snmpValue()
	if r.short || tag < 0xa0 || tag > 0xa8 {
		return errSeenForm
	}
	m.pdu = tag
	body := seenBytes{b: v}
	if tag == snmpTrap1 {
		enterprise := body.snmpInside(snmpOID)
		m.object = snmpDotted(enterprise.b)
		for range 4 { // agent, generic, specific, time
			body.snmpValue()
		}
	} else {
		body.snmpInt()
		m.failed = body.snmpInt() != 0
		body.snmpInt()
	}
	if binds := body.snmpInside(snmpSequence); !binds.short && (tag == snmpResponse || tag == snmpTrap1 || tag == snmpTrap2 || tag == snmpInform) {
		m.binds(&binds)
	}
	return body.err()
}

func (m *snmpMessage) binds(r *seenBytes) {
	for i := 0; len(r.b) > 0 && i < snmpMostBinds && !r.short; i++ {
		bind := r.snmpInside(snmpSequence)
		oid := bind.snmpInside(snmpOID)
		tag, v := bind.snmpValue()
		if bind.short {
			return
		}
		switch name := string(oid.b); {
		case name == "\x2b\x06\x01\x02\x01\x01\x01\x00" && tag == snmpString:
			m.text = seenText(v)
		case name == "\x2b\x06\x01\x02\x01\x01\x02\x00" && tag == snmpOID:
			m.object = snmpDotted(v)
		case name == "\x2b\x06\x01\x02\x01\x01\x05\x00" && tag == snmpString:
			m.name = seenText(v)
		}
	}
}

// three reads version 3, of which the engine's id and what is not encrypted
// tell something. The user's name is read over.
func (m *snmpMessage) three(r *seenBytes) error {
	head := r.snmpInside(snmpSequence)
	head.snmpInt()
	head.snmpInt()
	_, flags := head.snmpValue()
	security := r.snmpInside(snmpString)
	model := security.snmpInside(snmpSequence)
	engine := model.snmpInside(snmpString)
	if head.short || model.short || engine.short || len(flags) == 0 {
		return errSeenForm
	}
	m.engine(engine.b)
	if flags[0]&2 != 0 { // encrypted
		return nil
	}
	scoped := r.snmpInside(snmpSequence)
	scoped.snmpValue()
	scoped.snmpValue()
	if scoped.short {
		return errSeenShort
	}
	return m.pduOf(&scoped)
}

// engine reads who made an engine, and its address. Source: RFC 3411, 5.
func (m *snmpMessage) engine(id []byte) {
	r := seenBytes{b: id}
	enterprise := r.u32()
	if r.short || enterprise>>31 == 0 {
		return
	}
	m.vendor = snmpVendor(enterprise & 0x7fffffff)
	if format := r.u8(); format == 3 && len(r.b) >= 6 {
		m.mac = r.mac()
	}
}

// snmpVendor names those whose numbers are met in hospitals. Source: IANA,
// private enterprise numbers.
func snmpVendor(number uint32) string {
	switch number {
	case 9:
		return "Cisco"
	case 11:
		return "HP"
	case 171:
		return "D-Link"
	case 232:
		return "Compaq"
	case 253:
		return "Xerox"
	case 311:
		return "Microsoft"
	case 318:
		return "APC"
	case 367:
		return "Ricoh"
	case 534:
		return "Eaton"
	case 641:
		return "Lexmark"
	case 674:
		return "Dell"
	case 1248:
		return "Epson"
	case 1347:
		return "Kyocera"
	case 1588:
		return "Brocade"
	case 1602:
		return "Canon"
	case 2011:
		return "Huawei"
	case 2435:
		return "Brother"
	case 2636:
		return "Juniper"
	case 3902:
		return "ZTE"
	case 4881:
		return "Ruijie"
	case 6574:
		return "Synology"
	case 6876:
		return "VMware"
	case 12356:
		return "Fortinet"
	case 14988:
		return "MikroTik"
	case 25506:
		return "H3C"
	}
	return "" // net-snmp (8072) and others run on everything
}

// ofAgent reports whether a message comes from the device that is managed.
func (m *snmpMessage) ofAgent() bool {
	return m.pdu == snmpResponse || m.pdu == snmpTrap1 || m.pdu == snmpTrap2
}

type snmpDissector struct {
	lately *seenLately
	alarms *seenLately
}

func newSNMP() PacketDissector { return &snmpDissector{newSeenLately(60), newSeenLately(3600)} }

func (*snmpDissector) Name() string { return "snmp" }
func (*snmpDissector) Match() Match { return Match{UDP: []uint16{161, 162}} }

func (d *snmpDissector) Packet(f *packet.Frame, out Out) error {
	m, err := parseSNMP(f.Payload)
	if err != nil {
		return err
	}
	if m.version == 3 && m.pdu == 0 && f.FromPort == 161 {
		m.pdu = snmpResponse // encrypted; the port says as much
	}
	d.alarm(f, m, out)
	if !m.ofAgent() || d.told(f, m) {
		return nil
	}
	o := seenFrom(f, "snmp")
	if o.MAC == (packet.MAC{}) && m.mac[0]&1 == 0 {
		o.MAC = m.mac
	}
	if m.pdu == snmpResponse && f.FromPort == 161 {
		seenAdd(&o, asset.FactService, seenService("udp", 161, "snmp"))
	}
	seenAdd(&o, asset.FactCommunity, m.community)
	seenAdd(&o, asset.FactDescription, m.text)
	seenAdd(&o, asset.FactObjectID, m.object)
	seenAdd(&o, asset.FactHostname, m.name)
	seenAdd(&o, asset.FactVendor, m.vendor)
	seenTell(out, o)
	return nil
}

// told reports whether nothing in m is new: answers about counters come by the
// thousand.
func (d *snmpDissector) told(f *packet.Frame, m snmpMessage) bool {
	what := "snmp" + m.community
	if m.text+m.object+m.name != "" {
		what = m.text + m.object + m.name
	}
	return d.lately.about(netip.AddrPortFrom(f.From, uint16(m.pdu)), what, f.At)
}

// alarm tells of a community that everybody knows, where it is of use: the
// device answers to it, sends by it, or is written to with it.
func (d *snmpDissector) alarm(f *packet.Frame, m snmpMessage, out Out) {
	agent, other := f.From, f.To
	switch {
	case m.community == "":
		return
	case m.pdu == snmpSet:
		agent, other = f.To, f.From
	case !m.ofAgent():
		return
	}
	if d.alarms.about(netip.AddrPortFrom(agent, 161), m.community, f.At) {
		return
	}
	a := asset.Alarm{Kind: asset.SNMPDefault, At: f.At, VLAN: f.VLAN, Args: []string{m.community}, Count: 1,
		Culprit: asset.Party{IP: seenHost(agent), Port: 161}, Victim: asset.Party{IP: seenHost(other)}}
	if agent == f.From {
		a.Culprit.MAC = seenMAC(f)
	}
	out.Alarm(a)
}
