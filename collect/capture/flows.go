package capture

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
)

// flowKey names a connection from both sides alike: the lower end is a.
type flowKey struct {
	aHi, aLo, bHi, bLo uint64
	ports              uint64 // a's << 16 | b's
	rest               uint64 // VLAN << 32 | VNI << 8 | protocol
}

const flowMapped = 0xffff << 32 // IPv4 addresses stand as IPv4-mapped ones

// flowKeyOf reads addresses where they lie; side 1 says that the sender is b.
func flowKeyOf(f *packet.Frame) (k flowKey, side int) {
	switch {
	case f.Type == packet.TypeIPv4 && len(f.L3) >= 20:
		k.aLo = flowMapped | uint64(binary.BigEndian.Uint32(f.L3[12:]))
		k.bLo = flowMapped | uint64(binary.BigEndian.Uint32(f.L3[16:]))
	case f.Type == packet.TypeIPv6 && len(f.L3) >= 40:
		b := f.L3[8:40]
		k.aHi, k.aLo = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
		k.bHi, k.bLo = binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])
	default: // of a tunnel that was cut short, only the outer addresses are known
		from, to := f.From.As16(), f.To.As16()
		k.aHi, k.aLo = binary.BigEndian.Uint64(from[:]), binary.BigEndian.Uint64(from[8:])
		k.bHi, k.bLo = binary.BigEndian.Uint64(to[:]), binary.BigEndian.Uint64(to[8:])
	}
	a, b := uint64(f.FromPort), uint64(f.ToPort)
	if k.bHi < k.aHi || k.bHi == k.aHi && (k.bLo < k.aLo || k.bLo == k.aLo && b < a) {
		k.aHi, k.aLo, k.bHi, k.bLo = k.bHi, k.bLo, k.aHi, k.aLo
		a, b, side = b, a, 1
	}
	k.ports = a<<16 | b
	k.rest = uint64(f.VLAN)<<32 | uint64(f.VNI)<<8 | uint64(f.Proto)
	return k, side
}

// end returns one end.
func (k *flowKey) end(side int) netip.AddrPort {
	hi, lo, port := k.aHi, k.aLo, uint16(k.ports>>16)
	if side == 1 {
		hi, lo, port = k.bHi, k.bLo, uint16(k.ports)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), port)
}

func (k *flowKey) proto() uint8 { return uint8(k.rest) }

// state is what is known of a connection.
type connState uint16

const (
	connServerA  connState = 1 << iota // a is the server, else b
	connSYN                            // of the client
	connReply                          // the server sent something
	connAccepted                       // the server did
	connCounted                        // as a session
	connRefused
	connFinA
	connFinB
	connClosed
	connDirty   // has something to tell
	connSeqA    // the beginning of a was seen
	connSeqB    //
	connIgnored // no dissector wants its stream
	connLastB   // b spoke last
	connQueued  // among the new ones
)

// conn is a connection: both directions of two ends. It holds no pointers, so
// that the collector does not walk the table.
type conn struct {
	key        flowKey
	born, last int64
	// What is to be told, and since when.
	since              int64
	bytes              [2]uint64
	packets            [2]uint32
	sessions, refusals uint16
	claimed            [2]bool // the side's addresses
	mac                [2]packet.MAC

	seq     [2]uint32 // what a side says first
	stream  uint32    // 0 none
	hash    uint32
	state   connState
	app     uint8 // packet dissector that could read it, + 1
	retries uint8
	inUse   bool
}

// server returns which side serves.
func (c *conn) server() int {
	if c.state&connServerA != 0 {
		return 0
	}
	return 1
}

// flowTable is a hash table with open addresses over a slab of connections.
type flowTable struct {
	slots []uint64 // hash << 32 | id; 0 is empty
	conns []conn   // id 0 is nobody
	free  []uint32
	next  uint32 // of those never used
	used  int
	hand  uint32 // of the sweep
	seed  [2]uint64

	servers [1 << 15]uint32 // hashes of ends that accepted connections
}

func (t *flowTable) init(most int) {
	t.conns = make([]conn, most+1) // its pages come with use
	t.slots = make([]uint64, 1<<bits.Len(uint(2*most-1)))
	t.next = 1
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	t.seed = [2]uint64{binary.LittleEndian.Uint64(b[:]) | 1, binary.LittleEndian.Uint64(b[8:])}
}

func (t *flowTable) at(id uint32) *conn { return &t.conns[id] }

func flowMix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hash is keyed, so that nobody can send connections that fall together.
func (t *flowTable) hash(k *flowKey) uint32 {
	h := flowMix(k.aLo^t.seed[0], k.bLo^0x9e3779b97f4a7c15^t.seed[1])
	if k.aHi|k.bHi != 0 {
		h = flowMix(h^k.aHi, k.bHi^t.seed[0])
	}
	h = flowMix(h^k.ports^k.rest<<20, t.seed[0]^0xd1342543de82ef95)
	return uint32(h ^ h>>32)
}

func (t *flowTable) find(k *flowKey, h uint32) uint32 {
	mask := uint32(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return 0
		}
		if uint32(s>>32) == h && t.conns[uint32(s)].key == *k {
			return uint32(s)
		}
	}
}

// add puts in a connection that is not there; there must be room.
func (t *flowTable) add(k *flowKey, h uint32) (uint32, *conn) {
	var id uint32
	if n := len(t.free); n > 0 {
		id, t.free = t.free[n-1], t.free[:n-1]
	} else {
		id = t.next
		t.next++
	}
	mask := uint32(len(t.slots) - 1)
	i := h & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = uint64(h)<<32 | uint64(id)
	t.used++
	c := &t.conns[id]
	*c = conn{key: *k, hash: h, inUse: true}
	return id, c
}

func (t *flowTable) full() bool { return t.used == len(t.conns)-1 }

// remove takes a connection out and moves what collided with it into its place.
func (t *flowTable) remove(id uint32) {
	c := &t.conns[id]
	mask := uint32(len(t.slots) - 1)
	i := c.hash & mask
	for uint32(t.slots[i]) != id || t.slots[i] == 0 {
		i = (i + 1) & mask
	}
	for j := i; ; {
		j = (j + 1) & mask
		s := t.slots[j]
		if s == 0 {
			break
		}
		home := uint32(s>>32) & mask
		if (j-home)&mask >= (j-i)&mask { // it may stand at i
			t.slots[i] = s
			i = j
		}
	}
	t.slots[i] = 0
	c.inUse = false
	t.used--
	t.free = append(t.free, id)
}

func (t *flowTable) each(fn func(uint32, *conn)) {
	for id := uint32(1); id < t.next; id++ {
		if c := &t.conns[id]; c.inUse {
			fn(id, c)
		}
	}
}

// oldest looks at some connections and returns the one idle longest.
func (t *flowTable) oldest() uint32 {
	var found uint32
	for seen := 0; seen < 16; {
		t.hand = t.hand%(uint32(len(t.conns))-1) + 1
		c := &t.conns[t.hand]
		if !c.inUse {
			continue
		}
		seen++
		if found == 0 || c.last < t.conns[found].last {
			found = t.hand
		}
	}
	return found
}

func (t *flowTable) endHash(k *flowKey, side int) uint32 {
	hi, lo, port := k.aHi, k.aLo, k.ports>>16
	if side == 1 {
		hi, lo, port = k.bHi, k.bLo, k.ports&0xffff
	}
	h := flowMix(flowMix(lo^t.seed[0], hi^t.seed[1])^port, t.seed[0])
	return uint32(h^h>>32) | 1
}

// learn remembers that an end serves, and serves says whether it is remembered.
func (t *flowTable) learn(k *flowKey, side int) {
	h := t.endHash(k, side)
	t.servers[h%uint32(len(t.servers))] = h
}

func (t *flowTable) serves(k *flowKey, side int) bool {
	h := t.endHash(k, side)
	return t.servers[h%uint32(len(t.servers))] == h
}

// account counts a packet into its connection, which it returns.
func (e *Engine) account(f *packet.Frame, frames, size int) uint32 {
	k, side := flowKeyOf(f)
	h := e.flows.hash(&k)
	id := e.flows.find(&k, h)
	var c *conn
	if id == 0 {
		id, c = e.meet(&k, h, side, f)
	} else {
		c = e.flows.at(id)
	}
	e.soil(id, c, f.At)
	if c.mac[side] != f.Src || !c.claimed[side] {
		c.mac[side], c.claimed[side] = f.Src, true
		e.out.traffic(f)
	}
	c.packets[side] += uint32(frames)
	c.bytes[side] += uint64(size)
	if side == c.server() {
		c.state |= connReply
	}
	switch f.Proto {
	case packet.TCP:
		e.tcp(id, c, side, f)
	case packet.ICMP, packet.ICMPv6:
		e.unreachable(f)
		e.series(c, f)
	default:
		e.series(c, f)
	}
	if f.At > c.last {
		c.last = f.At
	}
	return id
}

// series counts packets without connections: a pause begins a new one.
func (e *Engine) series(c *conn, f *packet.Frame) {
	if c.state&connCounted == 0 || f.At-c.last > int64(time.Minute) {
		c.state |= connCounted
		c.sessions++
	}
}

// meet begins a connection.
func (e *Engine) meet(k *flowKey, h uint32, side int, f *packet.Frame) (uint32, *conn) {
	if e.flows.full() {
		e.stats.Evicted++
		old := e.flows.oldest()
		e.forget(old, e.flows.at(old))
	}
	id, c := e.flows.add(k, h)
	c.born, c.last = f.At, f.At
	if e.serving(k, side, f) == 0 {
		c.state |= connServerA
	}
	e.refresh(id, c)
	return id, c
}

// serving guesses which side of a new connection serves.
func (e *Engine) serving(k *flowKey, side int, f *packet.Frame) int {
	if f.Proto == packet.TCP {
		switch f.Flags & (packet.SYN | packet.ACK) {
		case packet.SYN:
			return 1 - side
		case packet.SYN | packet.ACK:
			return side
		}
		if a, b := e.flows.serves(k, side), e.flows.serves(k, 1-side); a != b {
			if a {
				return side
			}
			return 1 - side
		}
	}
	if !f.To.IsMulticast() && flowByPort(f.FromPort, f.ToPort) {
		return side
	}
	return 1 - side
}

// flowByPort says whether a packet from one port to the other, before which none
// was seen, is more likely an answer.
func flowByPort(from, to uint16) bool {
	switch {
	case from == to:
		return false
	case from < 1024 || to < 1024:
		return from < to
	case flowKnown(from) != flowKnown(to):
		return flowKnown(from)
	}
	const ephemeral = 32768
	return from < ephemeral && to >= ephemeral
}

// known ports from 1024 on that serve in hospitals. Source: IANA, DICOM PS3.8,
// HL7 MLLP, vendors' manuals.
func flowKnown(port uint16) bool {
	switch port {
	case 1194, 1433, 1434, 1521, 1701, 1723, 1812, 1813, 1883, 1900, 2049, 2575, 2762, 3268, 3306, 3389, 3478,
		3493, 4242, 4789, 5000, 5060, 5061, 5353, 5355, 5432, 5671, 5672, 5900, 5985, 5986, 6379, 6661, 8000,
		8042, 8080, 8443, 8883, 9100, 9200, 10000, 11112, 27017, 47808:
		return true
	}
	return false
}

// tcp follows the opening and closing of a connection, and its stream.
func (e *Engine) tcp(id uint32, c *conn, side int, f *packet.Frame) {
	if f.Flags&packet.SYN != 0 {
		e.opening(id, c, side, f)
	}
	if c.state&connCounted == 0 && (f.Flags&packet.SYN != 0 || len(f.Payload) > 0) {
		c.state |= connCounted
		c.sessions++
	}
	if e.everybody != 0 {
		e.segment(id, c, side, f)
	}
	if f.Flags&packet.RST != 0 {
		if c.state&(connSYN|connAccepted|connRefused) == connSYN && side == c.server() {
			c.refuse()
		}
		c.state |= connClosed
		e.endStream(c, f.At)
	} else if f.Flags&packet.FIN != 0 {
		c.state |= connFinA << side
		if c.state&(connFinA|connFinB) == connFinA|connFinB {
			c.state |= connClosed
			e.endIfWhole(c, f.At)
		}
	}
}

func (c *conn) refuse() {
	c.state |= connRefused
	c.refusals++
}

// opening reads a SYN. On ends used before it begins the next session.
func (e *Engine) opening(id uint32, c *conn, side int, f *packet.Frame) {
	first := f.Flags&packet.ACK == 0
	again := c.state&connClosed != 0 || first && c.state&(connSeqA<<side) != 0 && c.seq[side] != f.Seq+1 && c.state&connAccepted != 0
	if first && again {
		e.endStream(c, f.At)
		e.dropStream(c)
		c.state &^= connSYN | connReply | connAccepted | connCounted | connRefused | connFinA | connFinB | connClosed | connSeqA | connSeqB | connIgnored
		c.retries = 0
		e.refresh(id, c)
	}
	c.seq[side], c.state = f.Seq+1, c.state|connSeqA<<side
	server := side
	if first {
		c.state |= connSYN
		server = 1 - side
	} else {
		c.state |= connAccepted
		e.flows.learn(&c.key, side)
	}
	if c.stream == 0 {
		c.state &^= connServerA
		if server == 0 {
			c.state |= connServerA
		}
	}
}

// unreachable finds the connection that an ICMP error is about.
func (e *Engine) unreachable(f *packet.Frame) {
	b := f.Payload
	if len(b) < 8+28 || !(f.Proto == packet.ICMP && b[0] == 3 && b[1] != 4 || f.Proto == packet.ICMPv6 && b[0] == 1) {
		return
	}
	q := &e.quoted
	packet.Decode(packet.LinkRaw, f.At, len(b)-8, b[8:], q)
	if !q.From.IsValid() || q.Fragment {
		return
	}
	q.VLAN, q.VNI = f.VLAN, f.VNI
	k, side := flowKeyOf(q)
	id := e.flows.find(&k, e.flows.hash(&k))
	if id == 0 {
		return
	}
	c := e.flows.at(id)
	if side != c.server() && c.state&(connAccepted|connReply|connRefused) == 0 {
		c.refuse()
		e.soil(id, c, f.At)
	}
}

// idle is how long a connection may be silent before it is forgotten.
func (e *Engine) idle(c *conn) int64 {
	switch {
	case c.key.proto() != packet.TCP:
		return int64(2 * time.Minute)
	case c.state&connClosed != 0:
		return int64(5 * time.Second)
	case c.state&(connAccepted|connReply) == 0 && c.state&connSYN != 0:
		return int64(10 * time.Second)
	case c.stream == 0:
		return int64(time.Hour)
	}
	switch s := e.streams.list[c.stream]; {
	case s.over:
		return int64(time.Hour)
	case len(s.parsers) > 0:
		return int64(6 * time.Hour) // HL7 links are silent all night
	default:
		return int64(10 * time.Minute)
	}
}

// sweep looks at a part of the table for what is over. All of it is seen in 20
// seconds; a file whose frames lie seconds apart pays for one part each.
func (e *Engine) sweep() {
	t := &e.flows
	if t.next <= 1 {
		return
	}
	for n := max(16, t.next/80); n > 0; n-- {
		if t.hand++; t.hand >= t.next {
			t.hand = 1
		}
		c := &t.conns[t.hand]
		if !c.inUse {
			continue
		}
		if silent := e.clock - c.last; silent > e.idle(c) || silent < -int64(time.Hour) {
			e.forget(t.hand, c)
		}
	}
}

// forget tells what is left of a connection and takes it out.
func (e *Engine) forget(id uint32, c *conn) {
	const patience = int64(3 * time.Second)
	if c.state&(connSYN|connAccepted|connReply|connRefused) == connSYN && e.clock-c.last >= patience {
		c.refuse()
		e.soil(id, c, c.last)
	}
	e.endStream(c, c.last)
	if c.state&connDirty != 0 {
		e.fold(c)
	}
	e.dropStream(c)
	e.flows.remove(id)
}
