// Package packettest builds frames for tests, from layer 4 outwards, with the
// lengths and checksums that belong there. Where a test needs a wrong one, it
// changes the bytes.
//
//	Ether(a, b, IP("10.0.0.1", "10.0.0.2", UDP(5000, 53, query)))
package packettest

import (
	"encoding/binary"
	"net/netip"
)

// The numbers of protocols, EtherTypes and flags used here. Source: IANA.
const (
	icmp, tcp, udp, icmp6      = 1, 6, 17, 58
	typeIPv4, typeIPv6, tagged = 0x0800, 0x86dd, 0x8100
	fin, syn, psh, ack         = 1, 2, 8, 16
)

// Segment is something that rides in IP.
type Segment struct {
	Proto uint8
	Bytes []byte
	sum   int // where the checksum stands, -1 none
}

// Packet is something that rides in Ethernet.
type Packet struct {
	Type  uint16
	Bytes []byte
}

// MAC returns 02:00:00:00:00:n.
func MAC(n byte) [6]byte { return [6]byte{2, 0, 0, 0, 0, n} }

// UDP builds a datagram.
func UDP(from, to uint16, payload []byte) Segment {
	b := ports(from, to, 8)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	return Segment{udp, append(b, payload...), 6}
}

// TCP builds a segment.
func TCP(from, to uint16, seq, acknowledged uint32, flags uint8, payload []byte) Segment {
	b := ports(from, to, 20)
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], acknowledged)
	b[12], b[13] = 5<<4, flags
	binary.BigEndian.PutUint16(b[14:], 64240)
	return Segment{tcp, append(b, payload...), 16}
}

// ICMP builds a message; its type tells nothing of the version, proto does.
func ICMP(proto, kind, code uint8, rest []byte) Segment {
	return Segment{proto, append([]byte{kind, code, 0, 0}, rest...), 2}
}

// Plain is any other protocol.
func Plain(proto uint8, b []byte) Segment { return Segment{proto, b, -1} }

func ports(from, to uint16, n int) []byte {
	b := make([]byte, n)
	binary.BigEndian.PutUint16(b, from)
	binary.BigEndian.PutUint16(b[2:], to)
	return b
}

// IP puts a segment into a packet of the addresses' version.
func IP(from, to string, s Segment) Packet {
	a, b := netip.MustParseAddr(from), netip.MustParseAddr(to)
	s.seal(a, b)
	if a.Is4() {
		return Packet{typeIPv4, append(IPv4Header(a, b, s.Proto, len(s.Bytes), 0, 0), s.Bytes...)}
	}
	h := make([]byte, 40)
	h[0], h[6], h[7] = 6<<4, s.Proto, 64
	if s.Proto == icmp6 {
		h[7] = 255
	}
	binary.BigEndian.PutUint16(h[4:], uint16(len(s.Bytes)))
	copy(h[8:], a.AsSlice())
	copy(h[24:], b.AsSlice())
	return Packet{typeIPv6, append(h, s.Bytes...)}
}

// seal writes the checksum of a segment, of whose bytes it makes a copy.
func (s *Segment) seal(a, b netip.Addr) {
	if s.sum < 0 {
		return
	}
	s.Bytes = append([]byte(nil), s.Bytes...)
	binary.BigEndian.PutUint16(s.Bytes[s.sum:], 0)
	var pseudo []byte
	if s.Proto != icmp {
		pseudo = append(append(a.AsSlice(), b.AsSlice()...), 0, s.Proto)
		pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(s.Bytes)))
	}
	binary.BigEndian.PutUint16(s.Bytes[s.sum:], checksum(pseudo, s.Bytes))
}

// Pieces cuts an IPv4 packet into fragments of at most n bytes each.
func Pieces(p Packet, id uint16, n int) []Packet {
	n &^= 7
	a, b := netip.AddrFrom4([4]byte(p.Bytes[12:])), netip.AddrFrom4([4]byte(p.Bytes[16:]))
	body := p.Bytes[20:]
	var out []Packet
	for at := 0; at < len(body); at += n {
		part := body[at:min(len(body), at+n)]
		where := uint16(at / 8)
		if at+n < len(body) {
			where |= 0x2000
		}
		out = append(out, Packet{typeIPv4, append(IPv4Header(a, b, p.Bytes[9], len(part), id, where), part...)})
	}
	return out
}

// IPv4Header builds one without options; fragment holds flags and offset.
func IPv4Header(from, to netip.Addr, proto uint8, payload int, id, fragment uint16) []byte {
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+payload))
	binary.BigEndian.PutUint16(h[4:], id)
	binary.BigEndian.PutUint16(h[6:], fragment)
	copy(h[12:], from.AsSlice())
	copy(h[16:], to.AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return h
}

// Ether puts a packet into a frame, with 802.1Q tags from outer to inner.
func Ether(from, to [6]byte, p Packet, vlans ...uint16) []byte {
	b := append(append([]byte(nil), to[:]...), from[:]...)
	for _, v := range vlans {
		b = binary.BigEndian.AppendUint16(b, tagged)
		b = binary.BigEndian.AppendUint16(b, v)
	}
	b = binary.BigEndian.AppendUint16(b, p.Type)
	b = append(b, p.Bytes...)
	for len(b) < 60 {
		b = append(b, 0)
	}
	return b
}

func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, b := range parts {
		for ; len(b) >= 2; b = b[2:] {
			sum += uint32(b[0])<<8 | uint32(b[1])
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// Say is what one side of a connection says next.
type Say struct {
	Server bool
	Bytes  []byte
}

// Session builds a whole TCP connection: handshake, what is said in segments
// of at most 1,400 bytes, acknowledgments, and its end.
func Session(client, server string, said ...Say) [][]byte {
	c, s := netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
	t := talk{c: c, s: s, seq: [2]uint32{1000, 9000}}
	t.send(0, syn, nil)
	t.send(1, syn|ack, nil)
	t.send(0, ack, nil)
	for _, x := range said {
		side := 0
		if x.Server {
			side = 1
		}
		for b := x.Bytes; len(b) > 0; {
			n := min(len(b), 1400)
			t.send(side, ack|psh, b[:n])
			t.send(1-side, ack, nil)
			b = b[n:]
		}
	}
	t.send(0, fin|ack, nil)
	t.send(1, fin|ack, nil)
	t.send(0, ack, nil)
	return t.frames
}

type talk struct {
	c, s   netip.AddrPort
	seq    [2]uint32
	frames [][]byte
}

func (t *talk) send(side int, flags uint8, b []byte) {
	from, to := t.c, t.s
	if side == 1 {
		from, to = to, from
	}
	seg := TCP(from.Port(), to.Port(), t.seq[side], t.seq[1-side], flags, b)
	if flags&ack == 0 {
		binary.BigEndian.PutUint32(seg.Bytes[8:], 0)
	}
	t.frames = append(t.frames, Ether(MAC(byte(1+side)), MAC(byte(2-side)), IP(from.Addr().String(), to.Addr().String(), seg)))
	t.seq[side] += uint32(len(b))
	if flags&(syn|fin) != 0 {
		t.seq[side]++
	}
}
