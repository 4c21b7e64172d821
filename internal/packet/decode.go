package packet

import (
	"encoding/binary"
	"net/netip"
)

const (
	typeMPLS      = 0x8847
	typeMPLSMulti = 0x8848
	typePPPoE     = 0x8864
	typeBridge    = 0x6558 // Ethernet in GRE and Geneve
	typeERSPAN2   = 0x88be // also type I
	typeERSPAN3   = 0x22eb

	protoIPIP   = 4
	protoIPv6   = 41
	protoRoute  = 43
	protoPiece  = 44
	protoAuth   = 51
	protoNone   = 59
	protoTo     = 60
	protoMobile = 135

	// deepest is how many tunnels in tunnels are followed.
	deepest = 4
)

// Decode reads one frame of a link type. at is in ns, size its length on the
// wire; f is overwritten.
func Decode(link int, at int64, size int, data []byte, f *Frame) {
	*f = Frame{At: at, Size: size, Data: data}
	if link == LinkEthernet {
		f.ethernet(data, 0)
		return
	}
	f.other(link, data)
}

func (f *Frame) ethernet(b []byte, depth int) {
	if len(b) < 14 {
		f.Short = true
		return
	}
	f.Dst, f.Src = MAC(b), MAC(b[6:])
	kind := binary.BigEndian.Uint16(b[12:])
	if kind == TypeIPv4 { // most frames
		f.Type = TypeIPv4
		f.ipv4(b[14:], depth)
		return
	}
	f.network(kind, b[14:], depth)
}

// network goes through tags to layer 3.
func (f *Frame) network(kind uint16, b []byte, depth int) {
	for tags := 0; tags < 8; tags++ {
		switch kind {
		case TypeVLAN, TypeQinQ, 0x9100, 0x9200, 0x9300:
		default:
			f.layer3(kind, b, depth)
			return
		}
		if len(b) < 4 {
			f.Type, f.Short = kind, true
			return
		}
		if id := binary.BigEndian.Uint16(b) & 0xfff; id != 0 { // 0 is a priority only
			f.VLAN = id
		}
		kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	f.layer3(kind, b, depth)
}

func (f *Frame) layer3(kind uint16, b []byte, depth int) {
	switch kind {
	case TypeIPv4:
		f.Type = kind
		f.ipv4(b, depth)
	case TypeIPv6:
		f.Type = kind
		f.ipv6(b, depth)
	case typeMPLS, typeMPLSMulti:
		f.mpls(kind, b, depth)
	case typePPPoE:
		f.Type, f.L3, f.Payload = kind, b, b
		f.pppoe(b, depth)
	default:
		if kind <= 1500 {
			f.llc(b[:min(len(b), int(kind))], depth)
			return
		}
		f.Type, f.L3, f.Payload = kind, b, b
	}
}

// llc reads IEEE 802.2, and the EtherType of a SNAP header where there is one.
func (f *Frame) llc(b []byte, depth int) {
	f.Type, f.L3, f.Payload = TypeLLC, b, b
	if len(b) < 3 {
		f.Short = true
		return
	}
	if b[0] == 0x06 && b[1] == 0x06 {
		f.ip(b[3:], depth)
		return
	}
	if len(b) < 8 || b[0] != 0xaa || b[1] != 0xaa {
		return
	}
	// Of the organisations only 0 (RFC 1042) and 00:00:f8 (802.1H) mean EtherTypes.
	if b[3] == 0 && b[4] == 0 && (b[5] == 0 || b[5] == 0xf8) && depth < deepest {
		if kind := binary.BigEndian.Uint16(b[6:]); kind > 1500 {
			f.network(kind, b[8:], depth+1)
		}
	}
}

func (f *Frame) mpls(kind uint16, b []byte, depth int) {
	f.Type, f.L3, f.Payload = kind, b, b
	for range 16 {
		if len(b) < 5 {
			f.Short = true
			return
		}
		last := b[2]&1 != 0
		if b = b[4:]; !last {
			continue
		}
		switch {
		case b[0]>>4 == 4 || b[0]>>4 == 6:
			f.ip(b, depth)
		case b[0]>>4 == 0 && len(b) >= 18 && depth < deepest: // control word, then Ethernet
			f.ethernet(b[4:], depth+1)
		}
		return
	}
}

// ip reads a packet whose version only it says.
func (f *Frame) ip(b []byte, depth int) {
	switch {
	case len(b) == 0:
		f.Short = true
	case b[0]>>4 == 4:
		f.Type = TypeIPv4
		f.ipv4(b, depth)
	case b[0]>>4 == 6:
		f.Type = TypeIPv6
		f.ipv6(b, depth)
	default:
		f.L3, f.Payload = b, b
	}
}

func (f *Frame) ipv4(b []byte, depth int) {
	f.L3 = b
	if len(b) < 20 || b[0]>>4 != 4 {
		f.Payload, f.Short = b, true
		return
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // segmented by the card, after we saw it
		total = len(b)
	}
	if head < 20 || total < head || head > len(b) {
		f.Payload, f.Short = b[20:], true
		return
	}
	f.From, f.To = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	f.TTL, f.Proto = b[8], b[9]
	part := binary.BigEndian.Uint16(b[6:])
	f.MoreFragments = part&0x2000 != 0
	f.bound(b, head, total)
	if part&0x1fff != 0 {
		f.Fragment = true
		return
	}
	f.transport(depth)
}

// bound sets the payload to what the packet says is its own: short frames are
// padded, long ones may be cut.
func (f *Frame) bound(b []byte, head, total int) {
	if total > len(b) {
		f.Short, f.Cut = true, total-len(b)
		total = len(b)
	}
	f.Payload = b[head:total]
}

func (f *Frame) ipv6(b []byte, depth int) {
	f.L3 = b
	if len(b) < 40 || b[0]>>4 != 6 {
		f.Payload, f.Short = b, true
		return
	}
	f.From, f.To = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	f.Proto, f.TTL = b[6], b[7]
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total == 40 && f.Proto != protoNone { // a jumbogram, or segmented by the card
		total = len(b)
	}
	f.bound(b, 40, total)
	if f.extensions() {
		f.transport(depth)
	}
}

// extensions goes through the headers between IPv6 and layer 4; false where
// there is no layer 4 to read. Source: RFC 8200, 4.
func (f *Frame) extensions() bool {
	for range 16 {
		b, n := f.Payload, 0
		switch f.Proto {
		case 0, protoRoute, protoTo, protoMobile, 139, 140: // hop by hop, ..., HIP, Shim6
			if len(b) >= 8 {
				n = 8 + int(b[1])*8
			}
		case protoAuth:
			if len(b) >= 8 {
				n = 8 + int(b[1])*4
			}
		case protoPiece:
			if n = 8; len(b) >= 8 {
				part := binary.BigEndian.Uint16(b[2:])
				f.MoreFragments, f.Fragment = part&1 != 0, part>>3 != 0
			}
		default:
			return true
		}
		if n == 0 || len(b) < n {
			f.Short = true
			return false
		}
		f.Proto, f.Payload = b[0], b[n:]
		if f.Fragment {
			return false
		}
	}
	return false
}

func (f *Frame) transport(depth int) {
	b := f.Payload
	switch f.Proto {
	case TCP:
		f.tcp(b)
	case UDP:
		f.udp(b, depth)
	case GRE:
		if depth < deepest && !f.MoreFragments {
			f.gre(b, depth+1)
		}
	case protoIPIP, protoIPv6:
		if depth < deepest && !f.MoreFragments && len(b) >= 20 && (b[0]>>4 == 4) == (f.Proto == protoIPIP) {
			f.ip(b, depth+1)
		}
	}
}

func (f *Frame) tcp(b []byte) {
	if len(b) < 20 {
		f.Short = true
		if len(b) >= 4 { // quoted in an ICMP message, or cut
			f.FromPort, f.ToPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
		return
	}
	f.FromPort, f.ToPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	f.Seq, f.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	f.Flags, f.Window = b[13], binary.BigEndian.Uint16(b[14:])
	head := int(b[12]>>4) * 4
	if head < 20 || head > len(b) {
		f.Short, f.Payload = true, nil
		return
	}
	f.Payload = b[head:]
}

func (f *Frame) udp(b []byte, depth int) {
	if len(b) < 8 {
		f.Short = true
		return
	}
	f.FromPort, f.ToPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < 8 || n > len(b) {
		n = len(b)
	}
	f.Payload = b[8:n]
	if depth >= deepest || f.MoreFragments {
		return
	}
	switch f.ToPort {
	case 4789, 8472: // VXLAN, RFC 7348; what Linux used before
		f.vxlan(b[8:n], depth+1)
	case 6081:
		f.geneve(b[8:n], depth+1)
	}
}

func (f *Frame) vxlan(b []byte, depth int) {
	if len(b) < 22 || b[0] != 0x08 || b[1] != 0 || b[7] != 0 {
		return
	}
	f.enter(binary.BigEndian.Uint32(b[4:]) >> 8)
	f.ethernet(b[8:], depth)
}

// geneve: RFC 8926.
func (f *Frame) geneve(b []byte, depth int) {
	if len(b) < 8 || b[0]>>6 != 0 {
		return
	}
	n := 8 + int(b[0]&0x3f)*4
	if len(b) < n {
		return
	}
	vni := binary.BigEndian.Uint32(b[4:]) >> 8
	switch kind := binary.BigEndian.Uint16(b[2:]); kind {
	case typeBridge:
		f.enter(vni)
		f.ethernet(b[n:], depth)
	case TypeIPv4, TypeIPv6:
		f.enter(vni)
		f.layer3(kind, b[n:], depth)
	}
}

// enter forgets what the outside of a tunnel said and the inside may not.
func (f *Frame) enter(vni uint32) {
	f.VNI, f.VLAN = vni, 0
	f.leave()
}

func (f *Frame) leave() {
	f.From, f.To, f.Proto, f.TTL = netip.Addr{}, netip.Addr{}, 0, 0
	f.FromPort, f.ToPort, f.Flags = 0, 0, 0
	f.Fragment, f.MoreFragments = false, false
}

// gre: RFC 2784, 2890, 2637, and the mirror sessions of switches (ERSPAN).
func (f *Frame) gre(b []byte, depth int) {
	if len(b) < 4 {
		f.Short = true
		return
	}
	flags, kind := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	n := 4
	if flags&0x8000 != 0 && flags&7 == 0 {
		n += 4 // checksum
	}
	for _, bit := range [...]uint16{0x2000, 0x1000} { // key, sequence
		if flags&bit != 0 {
			n += 4
		}
	}
	if flags&7 == 1 && flags&0x80 != 0 {
		n += 4 // acknowledgment of PPTP
	}
	if flags&0x4000 != 0 || len(b) < n { // routing is obsolete
		return
	}
	b = b[n:]
	switch kind {
	case TypeIPv4, TypeIPv6, typeMPLS:
		f.layer3(kind, b, depth)
	case typeBridge:
		f.leave()
		f.ethernet(b, depth)
	case 0x880b:
		f.ppp(b, depth)
	case typeERSPAN2, typeERSPAN3:
		f.erspan(kind, flags, b, depth)
	}
}

// erspan reads a mirrored frame; its VLAN stands in the header.
func (f *Frame) erspan(kind, flags uint16, b []byte, depth int) {
	n := 0
	switch {
	case kind == typeERSPAN3:
		if n = 12; len(b) >= 12 && b[11]&1 != 0 {
			n = 20
		}
	case flags&0x1000 != 0: // type II has a sequence number, type I has nothing
		n = 8
	}
	if len(b) < n+14 {
		return
	}
	vlan := f.VLAN
	if n > 0 {
		vlan = binary.BigEndian.Uint16(b) & 0xfff
	}
	f.leave()
	f.VLAN = vlan
	f.ethernet(b[n:], depth)
}
