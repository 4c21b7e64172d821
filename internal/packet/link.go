package packet

import "encoding/binary"

// The link types read here. Source: www.tcpdump.org/linktypes.html.
const (
	LinkNull     = 0
	LinkEthernet = 1
	LinkPPP      = 9
	LinkPPPHDLC  = 50
	LinkPPPoE    = 51
	LinkRaw      = 101
	LinkCHDLC    = 104
	LinkWiFi     = 105
	LinkFrame    = 107 // Frame Relay
	LinkLoop     = 108
	LinkSLL      = 113
	LinkPrism    = 119
	LinkRadiotap = 127
	LinkAVS      = 163
	LinkPPPD     = 166
	LinkPPI      = 192
	LinkIPv4     = 228
	LinkIPv6     = 229
	LinkNFLOG    = 239
	LinkSLL2     = 276

	// DLT_RAW of BSD and OpenBSD, which some programs write into files.
	linkRawBSD, linkRawOpenBSD = 12, 14
)

// Reads says whether frames of a link type can be read here.
func Reads(link int) bool {
	switch link {
	case LinkNull, LinkEthernet, LinkPPP, LinkPPPHDLC, LinkPPPoE, LinkRaw, LinkCHDLC, LinkWiFi, LinkFrame,
		LinkLoop, LinkSLL, LinkPrism, LinkRadiotap, LinkAVS, LinkPPPD, LinkPPI, LinkIPv4, LinkIPv6, LinkNFLOG,
		LinkSLL2, linkRawBSD, linkRawOpenBSD:
		return true
	}
	return false
}

// WiFi says whether frames of a link type are 802.11, with or without radio
// headers.
func WiFi(link int) bool {
	return link == LinkWiFi || link == LinkRadiotap || link == LinkPrism || link == LinkAVS || link == LinkPPI
}

// other reads the link layers that are not Ethernet.
func (f *Frame) other(link int, b []byte) {
	switch link {
	case LinkRaw, LinkIPv4, LinkIPv6, linkRawBSD, linkRawOpenBSD:
		f.ip(b, 0)
	case LinkNull:
		f.family(b, binary.NativeEndian.Uint32)
	case LinkLoop:
		f.family(b, binary.BigEndian.Uint32)
	case LinkSLL:
		f.sll(b)
	case LinkSLL2:
		f.sll2(b)
	case LinkPPP, LinkPPPHDLC, LinkPPPD:
		f.ppp(b, 0)
	case LinkPPPoE:
		f.pppoe(b, 0)
	case LinkCHDLC:
		f.after(b, 4, 2, 0)
	case LinkFrame:
		f.frameRelay(b)
	case LinkNFLOG:
		f.nflog(b)
	default:
		f.radio(link, b)
	}
}

// after skips a header of n bytes with the EtherType at the place given.
func (f *Frame) after(b []byte, n, at, depth int) {
	if len(b) < n {
		f.Short = true
		return
	}
	f.network(binary.BigEndian.Uint16(b[at:]), b[n:], depth)
}

// family reads BSD's loopback: an address family in the byte order of the
// machine that captured, which need not be ours.
func (f *Frame) family(b []byte, order func([]byte) uint32) {
	if len(b) < 4 {
		f.Short = true
		return
	}
	af := order(b)
	if af > 0xffff {
		af = af>>24 | af>>8&0xff00
	}
	switch af {
	case 2, 10, 24, 28, 30: // AF_INET; AF_INET6 of Linux, NetBSD, FreeBSD, macOS
		f.ip(b[4:], 0)
	default:
		f.Payload = b[4:]
	}
}

func (f *Frame) sll(b []byte) {
	if len(b) < 16 {
		f.Short = true
		return
	}
	if binary.BigEndian.Uint16(b[4:]) == 6 {
		copy(f.Src[:], b[6:])
	}
	f.cooked(binary.BigEndian.Uint16(b[14:]), b[16:])
}

func (f *Frame) sll2(b []byte) {
	if len(b) < 20 {
		f.Short = true
		return
	}
	if b[11] == 6 {
		copy(f.Src[:], b[12:])
	}
	f.cooked(binary.BigEndian.Uint16(b), b[20:])
}

func (f *Frame) cooked(kind uint16, b []byte) {
	if kind == 4 { // LINUX_SLL_P_802_2
		f.llc(b, 0)
		return
	}
	f.network(kind, b, 0)
}

func (f *Frame) ppp(b []byte, depth int) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 || len(b) >= 2 && b[0] == 0x0f && b[1] == 0 {
		if b[0] == 0x0f { // Cisco HDLC in PPP framing
			f.after(b, 4, 2, depth)
			return
		}
		b = b[2:]
	}
	if len(b) < 2 {
		f.Short = true
		return
	}
	kind, n := binary.BigEndian.Uint16(b), 2
	if b[0]&1 == 1 { // compressed protocol field
		kind, n = uint16(b[0]), 1
	}
	switch kind {
	case 0x0021:
		f.network(TypeIPv4, b[n:], depth)
	case 0x0057:
		f.network(TypeIPv6, b[n:], depth)
	case 0x0281:
		f.network(typeMPLS, b[n:], depth)
	default:
		f.L3, f.Payload = b[n:], b[n:]
	}
}

func (f *Frame) pppoe(b []byte, depth int) {
	if len(b) < 6 {
		f.Short = true
		return
	}
	f.ppp(b[6:], depth)
}

// frameRelay reads Q.922 addresses of two bytes. Source: RFC 2427.
func (f *Frame) frameRelay(b []byte) {
	if len(b) < 6 || b[1]&1 == 0 {
		f.Short = len(b) < 6
		return
	}
	b = b[2:]
	if b[0] != 3 { // Cisco: an EtherType
		f.after(b, 2, 0, 0)
		return
	}
	if b = b[1:]; b[0] == 0 {
		b = b[1:]
	}
	switch b[0] {
	case 0xcc, 0x8e:
		f.ip(b[1:], 0)
	case 0x80:
		if len(b) >= 6 {
			f.network(binary.BigEndian.Uint16(b[4:]), b[6:], 0)
		}
	}
}

// nflog finds the packet among the attributes the kernel logged.
func (f *Frame) nflog(b []byte) {
	for b = b[min(4, len(b)):]; len(b) >= 4; {
		n, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if n < 4 || n > len(b) {
			f.Short = true
			return
		}
		switch kind & 0x7fff {
		case 9: // NFULA_PAYLOAD
			f.ip(b[4:n], 0)
			return
		case 8: // NFULA_HWADDR
			if n >= 14 && binary.BigEndian.Uint16(b[4:]) == 6 {
				copy(f.Src[:], b[8:])
			}
		}
		b = b[min(len(b), (n+3)&^3):]
	}
}
