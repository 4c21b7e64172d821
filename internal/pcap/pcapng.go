package pcap

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The blocks of pcapng. Source: draft-ietf-opsawg-pcapng.
const (
	sectionHeader  = 0x0a0d0d0a
	interfaceBlock = 1
	oldPacket      = 2
	simplePacket   = 3
	enhancedPacket = 6

	orderMagic = 0x1a2b3c4d
	mostBlock  = 16 << 20
	mostFaces  = 4096
)

// described is an interface of a section.
type described struct {
	link int
	snap uint32
	// A second has units; a power of two is kept as its exponent.
	units  uint64
	binary bool
	shift  uint8
	offset int64 // seconds
}

func (r *Reader) beginNG() error {
	b := r.in.peek(28)
	if len(b) < 28 || !r.section(b) {
		return fmt.Errorf("%w: its first section cannot be read", ErrFormat)
	}
	r.next = r.ng
	return nil
}

// section takes the byte order from a section's header; all interfaces end.
func (r *Reader) section(b []byte) bool {
	switch {
	case binary.LittleEndian.Uint32(b[8:]) == orderMagic:
		r.order = binary.LittleEndian
	case binary.BigEndian.Uint32(b[8:]) == orderMagic:
		r.order = binary.BigEndian
	default:
		return false
	}
	r.interfaces = r.interfaces[:0]
	return true
}

func (r *Reader) ng(p *Packet) bool {
	for {
		at := r.in.offset()
		b := r.in.peek(28)
		if len(b) < 12 {
			if len(b) > 0 {
				r.note(at, CutOff)
				r.in.skip(len(b))
			}
			return false
		}
		kind, n := r.blockAt(b)
		if n == 0 {
			r.note(at, Broken)
			r.searchNG()
			continue
		}
		if b = r.in.peek(n); len(b) < n {
			r.note(at, CutOff)
			r.searchNG()
			continue
		}
		if r.order.Uint32(b[n-4:]) != r.order.Uint32(b[4:]) && !r.blockFollows(n) {
			r.note(at, Broken)
			r.searchNG()
			continue
		}
		r.in.skip(n)
		if r.block(p, kind, b[8:n-4], at) {
			return true
		}
	}
}

// blockAt reads the type and length of the block b begins with; 0 for one that
// cannot be. A section's header changes the byte order.
func (r *Reader) blockAt(b []byte) (kind uint32, n int) {
	kind = r.order.Uint32(b)
	if kind == sectionHeader && (len(b) < 28 || !r.section(b)) {
		return kind, 0
	}
	size := r.order.Uint32(b[4:])
	if size < 12 || size > mostBlock {
		return kind, 0
	}
	return kind, int(size+3) &^ 3
}

// blockFollows says whether a block that is wrong about its own end is followed
// by another, or by the end of the file.
func (r *Reader) blockFollows(n int) bool {
	b := r.in.peek(n + 12)
	return len(b) == n || len(b) >= n+12 && r.likely(b[n:])
}

// likely says whether b begins with a block of a kind and length in use.
func (r *Reader) likely(b []byte) bool {
	kind, size := r.order.Uint32(b), r.order.Uint32(b[4:])
	known := kind != 0 && kind <= 0x0b || kind == 0x0bad || kind == 0x40000bad
	return binary.LittleEndian.Uint32(b) == sectionHeader || known && size >= 12 && size%4 == 0 && size <= mostBlock
}

// searchNG goes on to the next place at which a block begins whose two lengths
// agree. Blocks are aligned to 4 bytes in most files; damage may shift them.
func (r *Reader) searchNG() {
	r.in.skip(1)
	for {
		b := r.in.peek(64 << 10)
		if len(b) < 12 {
			r.in.skip(len(b))
			return
		}
		for i := 0; i+12 <= len(b); i++ {
			if !r.likely(b[i:]) {
				continue
			}
			r.in.skip(i)
			if r.agrees() {
				return
			}
			i, b = 0, r.in.peek(64<<10)
		}
		r.in.skip(len(b) - 11)
	}
}

// agrees says whether the block at hand ends with the length it began with.
func (r *Reader) agrees() bool {
	b := r.in.peek(12)
	order := r.order
	if binary.LittleEndian.Uint32(b) == sectionHeader {
		if b = r.in.peek(28); len(b) < 28 {
			return false
		}
		if order = binary.LittleEndian; binary.BigEndian.Uint32(b[8:]) == orderMagic {
			order = binary.BigEndian
		}
	}
	size := order.Uint32(b[4:])
	// Looking ahead is bounded, so that hostile lengths cost no more than this.
	if size < 12 || size > most || size%4 != 0 {
		return false
	}
	b = r.in.peek(int(size))
	return len(b) >= int(size) && order.Uint32(b[size-4:]) == size
}

// block reads the body of one block; true when it was a packet.
func (r *Reader) block(p *Packet, kind uint32, b []byte, at int64) bool {
	switch kind {
	case interfaceBlock:
		r.describe(b, at)
	case enhancedPacket:
		if len(b) < 20 {
			r.note(at, Broken)
			return false
		}
		return r.stamped(p, r.order.Uint32(b), b[4:], at)
	case oldPacket:
		if len(b) < 20 {
			r.note(at, Broken)
			return false
		}
		return r.stamped(p, uint32(r.order.Uint16(b)), b[4:], at)
	case simplePacket:
		return r.simple(p, b, at)
	}
	return false
}

// stamped reads time, lengths and data of a packet.
func (r *Reader) stamped(p *Packet, number uint32, b []byte, at int64) bool {
	if number >= uint32(len(r.interfaces)) {
		r.note(at, Interface)
		return false
	}
	kept, size := r.order.Uint32(b[8:]), r.order.Uint32(b[12:])
	if kept > uint32(len(b)-16) {
		r.note(at, Beyond)
		return false
	}
	if kept > size {
		r.note(at, Longer)
		size = kept
	}
	i := &r.interfaces[number]
	r.at = i.time(uint64(r.order.Uint32(b))<<32 | uint64(r.order.Uint32(b[4:])))
	*p = Packet{At: r.at, Size: int(size), Link: i.link, Interface: int(number), Data: b[16 : 16+kept], Offset: at}
	return true
}

func (r *Reader) simple(p *Packet, b []byte, at int64) bool {
	if len(b) < 4 || len(r.interfaces) == 0 {
		r.note(at, Interface)
		return false
	}
	i := &r.interfaces[0]
	size := r.order.Uint32(b)
	kept := size
	if i.snap > 0 {
		kept = min(kept, i.snap)
	}
	if kept > uint32(len(b)-4) {
		r.note(at, Beyond)
		return false
	}
	*p = Packet{At: r.at, Size: int(size), Link: i.link, Data: b[4 : 4+kept], Offset: at}
	return true
}

// describe reads an interface and how it counts time.
func (r *Reader) describe(b []byte, at int64) {
	if len(b) < 8 || len(r.interfaces) == mostFaces {
		r.note(at, Broken)
		return
	}
	i := described{link: int(r.order.Uint16(b)), snap: r.order.Uint32(b[4:]), units: 1e6}
	for b = b[8:]; len(b) >= 4; {
		code, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if b = b[4:]; code == 0 || n > len(b) {
			break
		}
		r.option(&i, code, b[:n])
		b = b[min(len(b), (n+3)&^3):]
	}
	r.interfaces = append(r.interfaces, i)
}

func (r *Reader) option(i *described, code uint16, v []byte) {
	switch {
	case code == 9 && len(v) == 1 && v[0]&0x80 != 0: // if_tsresol, a power of two
		i.binary, i.shift = true, min(v[0]&0x7f, 63)
	case code == 9 && len(v) == 1: // a power of ten
		i.units = 1
		for range min(v[0], 19) {
			i.units *= 10
		}
	case code == 14 && len(v) == 8: // if_tsoffset
		i.offset = int64(r.order.Uint64(v))
	}
}

// time turns a stamp into ns. What does not fit wraps, as do such files.
func (i *described) time(t uint64) int64 {
	if !i.binary && i.units == 1e6 {
		return int64(t)*1000 + i.offset*1e9
	}
	if !i.binary && i.units == 1e9 {
		return int64(t) + i.offset*1e9
	}
	var sec, rest uint64
	units := i.units
	if i.binary {
		units = 1 << i.shift
	}
	sec, rest = t/units, t%units
	hi, lo := bits.Mul64(rest, 1e9)
	ns, _ := bits.Div64(hi, lo, units) // rest < units, so it fits
	return int64(sec)*1e9 + int64(ns) + i.offset*1e9
}
