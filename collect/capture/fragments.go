package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/cordon-health/cordon/internal/packet"
)

const (
	mostDatagrams  = 1 << 10
	mostPieceBytes = 8 << 20
	pieceWait      = int64(30e9)
	pieceMost      = 1<<16 - 1
)

// pieceKey names a datagram. Source: RFC 791, 3.2; RFC 8200, 4.5.
type pieceKey struct {
	from, to netip.Addr
	id       uint32
	proto    uint8
	vlan     uint16
	vni      uint32
}

// datagram is what came of one so far.
type datagram struct {
	key    pieceKey
	src    packet.MAC
	dst    packet.MAC
	at     int64
	head   []byte // the header of the first piece
	data   []byte
	have   []pieceSpan // sorted, apart
	size   int         // of all of it, -1 unknown
	frames int
	bytes  int
	dead   bool // whole, or given up
}

type pieceSpan struct{ from, to int }

// fragments puts datagrams together. What came first stays where pieces
// overlap, as with most receivers; memory and time are bounded.
type fragments struct {
	open    map[pieceKey]*datagram
	order   []*datagram // oldest first; the dead are nil
	held    int
	scratch []byte
}

func (p *fragments) init() { p.open = map[pieceKey]*datagram{} }

// where reads a fragment's place: the identification, offset and data.
func pieceWhere(f *packet.Frame) (id uint32, offset int, head []byte) {
	if f.Type == packet.TypeIPv4 {
		h := int(f.L3[0]&15) * 4
		return uint32(binary.BigEndian.Uint16(f.L3[4:])), int(binary.BigEndian.Uint16(f.L3[6:])&0x1fff) * 8, f.L3[:h]
	}
	// The fragment header stands right before what follows it; for a first
	// piece that may be other headers, so it is looked for from the front.
	next, b := f.L3[6], f.L3[40:]
	for range 16 {
		if len(b) < 8 {
			break
		}
		if next == 44 {
			return binary.BigEndian.Uint32(b[4:]), int(binary.BigEndian.Uint16(b[2:])>>3) * 8, f.L3[:40]
		}
		n := 8 + int(b[1])*8
		if next == 51 {
			n = 8 + int(b[1])*4
		}
		next, b = b[0], b[min(len(b), n):]
	}
	return 0, -1, nil
}

// pieceBody is what a piece holds: what follows the fragment header, of a first one
// with all the headers after it.
func pieceBody(f *packet.Frame) (proto uint8, b []byte) {
	if f.Type == packet.TypeIPv4 {
		h := int(f.L3[0]&15) * 4
		total := int(binary.BigEndian.Uint16(f.L3[2:]))
		return f.Proto, f.L3[h:max(h, min(total, len(f.L3)))]
	}
	next, at := f.L3[6], 40
	end := min(len(f.L3), 40+int(binary.BigEndian.Uint16(f.L3[4:])))
	for range 16 {
		if at+8 > end {
			break
		}
		b := f.L3[at:]
		if next == 44 {
			return b[0], f.L3[at+8 : end]
		}
		n := 8 + int(b[1])*8
		if next == 51 {
			n = 8 + int(b[1])*4
		}
		next, at = b[0], at+n
	}
	return next, nil
}

// piece takes a fragment; the last one missing completes a datagram.
func (e *Engine) piece(f *packet.Frame) {
	id, offset, head := pieceWhere(f)
	proto, b := pieceBody(f)
	if offset < 0 || len(b) == 0 || offset+len(b) > pieceMost || f.Cut > 0 {
		e.wrong(f.At, "fragment that fits nowhere")
		e.account(f, 1, f.Size)
		return
	}
	k := pieceKey{f.From, f.To, id, proto, f.VLAN, f.VNI}
	p := &e.pieces
	d := p.open[k]
	if d == nil {
		d = e.open(k, f)
	}
	d.frames++
	d.bytes += f.Size
	if offset == 0 {
		d.head = append(d.head[:0], head...)
	}
	if !f.MoreFragments && d.size < 0 {
		d.size = offset + len(b)
	}
	before := cap(d.data)
	d.put(offset, b)
	p.held += cap(d.data) - before
	if d.size >= 0 && len(d.head) > 0 && len(d.have) == 1 && d.have[0].from == 0 && d.have[0].to >= d.size {
		e.complete(d)
	}
}

func (e *Engine) open(k pieceKey, f *packet.Frame) *datagram {
	p := &e.pieces
	for len(p.open) >= mostDatagrams || p.held >= mostPieceBytes {
		p.pop(e.giveUp)
	}
	d := &datagram{key: k, src: f.Src, dst: f.Dst, at: f.At, size: -1}
	p.open[k] = d
	p.order = append(p.order, d)
	return d
}

// put copies what is not there yet.
func (d *datagram) put(at int, b []byte) {
	end := at + len(b)
	if end > len(d.data) {
		d.data = slices.Grow(d.data, end-len(d.data))[:end]
	}
	merged := pieceSpan{at, end}
	var rest []pieceSpan
	from := at
	for _, s := range d.have {
		if s.to < at || s.from > end {
			rest = append(rest, s)
			continue
		}
		if from < s.from {
			copy(d.data[from:s.from], b[from-at:])
		}
		from = max(from, s.to)
		merged = pieceSpan{min(merged.from, s.from), max(merged.to, s.to)}
	}
	if from < end {
		copy(d.data[from:end], b[from-at:])
	}
	i := 0
	for i < len(rest) && rest[i].from < merged.from {
		i++
	}
	d.have = append(append(append([]pieceSpan(nil), rest[:i]...), merged), rest[i:]...)
}

// packet builds the packet of n bytes of a datagram.
func (p *fragments) packet(d *datagram, n int) []byte {
	b := append(append(p.scratch[:0], d.head...), d.data[:n]...)
	p.scratch = b
	if d.key.from.Is4() {
		binary.BigEndian.PutUint16(b[2:], uint16(min(len(b), pieceMost)))
		binary.BigEndian.PutUint16(b[6:], 0)
		return b
	}
	b[6] = d.key.proto
	binary.BigEndian.PutUint16(b[4:], uint16(n))
	return b
}

func (e *Engine) complete(d *datagram) {
	delete(e.pieces.open, d.key)
	e.pieces.close(d)
	e.stats.Datagrams++
	e.decodeWhole(d, e.pieces.packet(d, d.size))
	if e.whole.Fragment || e.whole.MoreFragments { // within fragments
		e.wrong(d.at, "fragment that fits nowhere")
		e.account(&e.whole, d.frames, d.bytes)
		return
	}
	e.handle(&e.whole, d.frames, d.bytes)
}

// decodeWhole reads the packet of a datagram.
func (e *Engine) decodeWhole(d *datagram, b []byte) {
	f := &e.whole
	packet.Decode(packet.LinkRaw, e.frame.At, d.bytes, b, f)
	if f.Src == (packet.MAC{}) {
		f.Src, f.Dst = d.src, d.dst
	}
	if f.VNI == 0 && f.VLAN == 0 {
		f.VLAN, f.VNI = d.key.vlan, d.key.vni
	}
}

// giveUp counts the frames of a datagram that was never whole, to its ports
// where these are known.
func (e *Engine) giveUp(d *datagram) {
	e.stats.Unfinished++
	head, n := d.head, 0
	if len(head) > 0 && d.have[0].from == 0 {
		n = min(d.have[0].to, 8) // ports, and no content
	}
	if len(head) == 0 {
		d.head = pieceHeader(d.key)
	}
	e.decodeWhole(d, e.pieces.packet(d, n))
	f := &e.whole
	f.At, f.Payload, f.Flags = d.at, nil, 0
	if f.From.IsValid() {
		e.account(f, d.frames, d.bytes)
	}
}

// pieceHeader builds the header of a datagram whose first piece never came.
func pieceHeader(k pieceKey) []byte {
	if k.from.Is4() {
		b := make([]byte, 20)
		b[0], b[9] = 0x45, k.proto
		copy(b[12:], k.from.AsSlice())
		copy(b[16:], k.to.AsSlice())
		return b
	}
	b := make([]byte, 40)
	b[0], b[6] = 0x60, k.proto
	copy(b[8:], k.from.AsSlice())
	copy(b[24:], k.to.AsSlice())
	return b
}

// close releases a datagram's memory; its place in the order stays until it is
// the oldest.
func (p *fragments) close(d *datagram) {
	p.held -= cap(d.data)
	d.dead = true
	if len(p.order) > 4*mostDatagrams {
		alive := p.order[:0]
		for _, x := range p.order {
			if !x.dead {
				alive = append(alive, x)
			}
		}
		clear(p.order[len(alive):])
		p.order = alive
	}
}

// pop gives up the oldest.
func (p *fragments) pop(giveUp func(*datagram)) {
	d := p.order[0]
	p.order[0] = nil
	p.order = p.order[1:]
	if !d.dead {
		delete(p.open, d.key)
		giveUp(d)
		p.held -= cap(d.data)
	}
}

func (p *fragments) expire(now int64, giveUp func(*datagram)) {
	for len(p.order) > 0 && (p.order[0].dead || now-p.order[0].at > pieceWait || p.order[0].at-now > pieceWait) {
		p.pop(giveUp)
	}
}

func (p *fragments) all(giveUp func(*datagram)) {
	for len(p.order) > 0 {
		p.pop(giveUp)
	}
}
