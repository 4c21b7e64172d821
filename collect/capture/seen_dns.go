package capture

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// Messages of DNS, multicast DNS and LLMNR. Source: RFC 1035, RFC 6762, RFC
// 2782, RFC 4795. Read by hand: names are decoded only for the few types of
// records that tell something, and a storm of messages costs little.
const (
	dnsA     = 1
	dnsPTR   = 12
	dnsHINFO = 13
	dnsTXT   = 16
	dnsAAAA  = 28
	dnsSRV   = 33

	dnsMostName    = 255
	dnsMostJumps   = 16
	dnsMostRecords = 128 // of one message that are read
)

type dnsHeader struct {
	id, flags                              uint16
	questions, answers, authorities, extra int
}

func (h dnsHeader) response() bool { return h.flags&0x8000 != 0 }
func (h dnsHeader) opcode() uint16 { return h.flags >> 11 & 15 }
func (h dnsHeader) failed() bool   { return h.flags&15 != 0 }

// dnsRecord is an answer. Its name is at offset at of the message, its data
// begins at from; names inside it may point back.
type dnsRecord struct {
	message  []byte
	at, from int
	kind     uint16
	ttl      uint32
	data     []byte
}

// name is whose record it is; "" where that cannot be read.
func (r dnsRecord) name() string {
	name, _, _ := dnsName(r.message, r.at)
	return name
}

// points is the name at a place of the data.
func (r dnsRecord) points(at int) string {
	name, _, _ := dnsName(r.message, r.from+at)
	return name
}

// dnsName decodes a name at offset off and gives the offset after it. Labels
// are parted by dots; signs that are no text become question marks.
func dnsName(b []byte, off int) (name string, next int, err error) {
	var buf [dnsMostName]byte
	n, jumps := 0, 0
	next = -1
	for {
		if off < 0 || off >= len(b) {
			return "", 0, errSeenShort
		}
		length := int(b[off])
		off++
		switch {
		case length == 0:
			if next < 0 {
				next = off
			}
			return seenText(buf[:n]), next, nil
		case length >= 0xc0:
			if off >= len(b) {
				return "", 0, errSeenShort
			}
			if next < 0 {
				next = off + 1
			}
			if jumps++; jumps > dnsMostJumps {
				return "", 0, errSeenForm
			}
			off = (length&0x3f)<<8 | int(b[off])
		case length > 63:
			return "", 0, errSeenForm
		case off+length > len(b):
			return "", 0, errSeenShort
		case n+length+1 > dnsMostName:
			return "", 0, errSeenForm
		default:
			if n > 0 {
				buf[n] = '.'
				n++
			}
			n += copy(buf[n:], b[off:off+length])
			off += length
		}
	}
}

// dnsSkip gives the offset after a name without decoding it.
func dnsSkip(b []byte, off int) (int, error) {
	for off < len(b) {
		length := int(b[off])
		switch {
		case length == 0:
			return off + 1, nil
		case length >= 0xc0:
			return off + 2, nil
		case length > 63:
			return 0, errSeenForm
		}
		off += 1 + length
	}
	return 0, errSeenShort
}

func parseDNSHeader(b []byte) (h dnsHeader, err error) {
	r := seenBytes{b: b}
	h.id, h.flags = r.u16(), r.u16()
	h.questions, h.answers = int(r.u16()), int(r.u16())
	h.authorities, h.extra = int(r.u16()), int(r.u16())
	return h, r.err()
}

// parseDNS reads a message and calls each for its records, those of all
// sections after the questions, except opt and others that nobody wants.
func parseDNS(b []byte, each func(dnsRecord)) error {
	h, err := parseDNSHeader(b)
	if err != nil {
		return err
	}
	off := 12
	for range h.questions {
		if off, err = dnsSkip(b, off); err != nil {
			return err
		}
		if off += 4; off > len(b) {
			return errSeenShort
		}
	}
	for range min(h.answers+h.authorities+h.extra, dnsMostRecords) {
		if off, err = dnsReadRecord(b, off, each); err != nil {
			return err
		}
	}
	return nil
}

func dnsReadRecord(b []byte, off int, each func(dnsRecord)) (next int, err error) {
	after, err := dnsSkip(b, off)
	if err != nil {
		return 0, err
	}
	if after > len(b) {
		return 0, errSeenShort
	}
	r := seenBytes{b: b[after:]}
	rec := dnsRecord{message: b, at: off, kind: r.u16()}
	r.u16() // class
	rec.ttl = r.u32()
	length := int(r.u16())
	rec.from = after + 10
	if rec.data = r.take(length); r.short {
		return 0, errSeenShort
	}
	switch rec.kind {
	case dnsA, dnsAAAA, dnsPTR, dnsSRV, dnsTXT, dnsHINFO:
		each(rec)
	}
	return rec.from + length, nil
}

// addr is the address in an A or AAAA record.
func (r dnsRecord) addr() netip.Addr {
	if (r.kind == dnsA && len(r.data) == 4) || (r.kind == dnsAAAA && len(r.data) == 16) {
		return seenAddr(r.data)
	}
	return netip.Addr{}
}

// dnsDissector tells who answers questions, and which names addresses inside
// the hospital have. Names on the internet are not told.
type dnsDissector struct{ lately *seenLately }

func newDNS() PacketDissector { return &dnsDissector{newSeenLately(600)} }

func (*dnsDissector) Name() string { return "dns" }
func (*dnsDissector) Match() Match { return Match{UDP: []uint16{53, 5355}} }

func (d *dnsDissector) Packet(f *packet.Frame, out Out) error {
	h, err := parseDNSHeader(f.Payload)
	if err != nil {
		return err
	}
	llmnr := f.FromPort == 5355 || f.ToPort == 5355
	if !h.response() || h.opcode() != 0 || (f.FromPort != 53 && f.FromPort != 5355) {
		return nil
	}
	if !llmnr {
		d.server(f, h, out)
	}
	if h.failed() || h.answers == 0 {
		return nil
	}
	return d.names(f, llmnr, out)
}

// server says that somebody answers; what a relay such as a home router
// answers is told too.
func (d *dnsDissector) server(f *packet.Frame, h dnsHeader, out Out) {
	if h.failed() && h.answers == 0 && h.flags&15 != 3 {
		return
	}
	if d.lately.about(netip.AddrPortFrom(f.From, 53), "server", f.At) {
		return
	}
	o := seenFrom(f, "dns")
	seenAdd(&o, asset.FactRole, "dns-server")
	seenAdd(&o, asset.FactService, seenService("udp", 53, "dns"))
	seenTell(out, o)
}

func (d *dnsDissector) names(f *packet.Frame, llmnr bool, out Out) error {
	var found [8]struct {
		ip   netip.Addr
		name string
	}
	n := 0
	err := parseDNS(f.Payload, func(r dnsRecord) {
		ip, name := r.addr(), ""
		if r.kind == dnsPTR {
			ip, name = dnsReverse(r.name()), r.points(0)
		}
		if n < len(found) && dnsInside(ip) {
			found[n].ip, found[n].name = ip, name
			n++
		}
	})
	for _, a := range found[:n] {
		if a.name == "" { // what was asked for, not what that is an alias of
			a.name, _, _ = dnsName(f.Payload, 12)
		}
		d.tell(f, llmnr, a.ip, strings.ToLower(a.name), out)
	}
	return err
}

func (d *dnsDissector) tell(f *packet.Frame, llmnr bool, ip netip.Addr, name string, out Out) {
	if d.lately.about(netip.AddrPortFrom(ip, 0), name, f.At) {
		return
	}
	o := asset.Observation{At: f.At, IP: ip, VLAN: f.VLAN, Protocol: "dns"}
	if llmnr {
		o.Protocol = "llmnr"
		if ip == f.From {
			o.MAC = seenMAC(f)
		}
	}
	seenAdd(&o, asset.FactHostname, name)
	seenTell(out, o)
}

// dnsInside reports whether a is one of an inner network.
func dnsInside(a netip.Addr) bool {
	return a.IsValid() && (a.IsPrivate() || a.IsLinkLocalUnicast())
}

// dnsReverse is the IPv4 address a name under in-addr.arpa stands for.
func dnsReverse(name string) netip.Addr {
	digits, ok := strings.CutSuffix(strings.ToLower(name), ".in-addr.arpa")
	if !ok {
		return netip.Addr{}
	}
	var b [4]byte
	parts := strings.Split(digits, ".")
	if len(parts) != len(b) {
		return netip.Addr{}
	}
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 8)
		if err != nil {
			return netip.Addr{}
		}
		b[3-i] = byte(v)
	}
	return seenHost(netip.AddrFrom4(b))
}
