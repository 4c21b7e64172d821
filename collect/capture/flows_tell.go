package capture

import (
	"hash/maphash"
	"net/netip"
	"slices"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/internal/packet"
)

const (
	// mostTold conversations wait for the end of the interval; more are told
	// before it.
	mostTold = 1 << 15
	// mostFresh new connections wait to be told early; the others wait for the
	// interval.
	mostFresh = 1 << 14
)

// conversations is what is to be told. What joins connections to one is a keyed
// hash of it, see [Engine.convHash].
type conversations struct {
	dirty []uint32 // connections with something to tell
	fresh []uint32 // connections that may be new conversations
	sums  []*flow.Conversation
	index map[uint64]int // of sums
	known [1 << 16]uint64
	macs  map[packet.MAC]string
}

func (v *conversations) init() {
	v.index, v.macs = map[uint64]int{}, map[packet.MAC]string{}
}

// isNew says whether a conversation was not told, as far as is remembered, and
// remembers it.
func (v *conversations) isNew(h uint64) bool {
	p := &v.known[h%uint64(len(v.known))]
	was := *p
	*p = h
	return was != h
}

// mac writes an address as text.
func (v *conversations) mac(m packet.MAC, otherwise string) string {
	const most = 1 << 12
	if m == (packet.MAC{}) || m[0]&1 != 0 {
		return otherwise
	}
	s, ok := v.macs[m]
	if !ok {
		if len(v.macs) >= most {
			clear(v.macs)
		}
		s = asset.MACText(m)
		v.macs[m] = s
	}
	return s
}

// soil notes that a connection has something to tell.
func (e *Engine) soil(id uint32, c *conn, at int64) {
	if c.state&connDirty != 0 {
		return
	}
	if len(e.convs.dirty) >= 2*len(e.flows.conns) { // many came and went
		e.foldAll()
	}
	c.state |= connDirty
	c.since = at
	e.convs.dirty = append(e.convs.dirty, id)
}

// refresh has a connection looked at soon, as it may be a new conversation.
func (e *Engine) refresh(id uint32, c *conn) {
	if c.state&connQueued == 0 && len(e.convs.fresh) < mostFresh {
		c.state |= connQueued
		e.convs.fresh = append(e.convs.fresh, id)
	}
}

// tellFresh tells conversations never told before, half a second after their
// first packet: by then most have said what they are.
func (e *Engine) tellFresh() {
	const wait = 500_000_000
	left := e.convs.fresh[:0]
	for _, id := range e.convs.fresh {
		c := e.flows.at(id)
		if !c.inUse || c.state&connQueued == 0 {
			continue
		}
		if d := e.clock - c.born; d >= 0 && d < wait {
			left = append(left, id)
			continue
		}
		c.state &^= connQueued
		if c.state&connDirty == 0 {
			continue
		}
		if h := e.convHash(c); e.convs.isNew(h) {
			e.fold(c)
			e.tellFirst(h)
		}
	}
	e.convs.fresh = left
}

// app is the protocol of a connection by content.
func (e *Engine) app(c *conn) string {
	if n := e.notes(c); n != nil {
		return n.App
	}
	if c.app != 0 {
		return e.cfg.Packets[c.app-1].Name()
	}
	return ""
}

// convHash is the same for the connections of a conversation.
func (e *Engine) convHash(c *conn) uint64 {
	k, seed := &c.key, &e.flows.seed
	port := k.ports & 0xffff
	aHi, aLo, bHi, bLo := k.aHi, k.aLo, k.bHi, k.bLo
	if c.state&connServerA != 0 {
		port = k.ports >> 16
		aHi, aLo, bHi, bLo = bHi, bLo, aHi, aLo
	}
	h := flowMix(aLo^seed[0], aHi^seed[1])
	h = flowMix(h^bLo, seed[0]^0x9e3779b97f4a7c15)
	h = flowMix(h^bHi^port<<48, seed[1]^0xd1342543de82ef95)
	h = flowMix(h^k.rest, seed[0])
	if app := e.app(c); app != "" {
		h ^= maphash.String(e.out.seed, app)
	}
	return h
}

// sum finds or begins the conversation of a connection.
func (e *Engine) sum(c *conn) *flow.Conversation {
	h := e.convHash(c)
	if i, ok := e.convs.index[h]; ok && e.convs.sums[i] != nil {
		return e.convs.sums[i]
	}
	if len(e.convs.sums) >= mostTold {
		e.tellAll()
	}
	s := c.server()
	server := c.key.end(s)
	v := &flow.Conversation{
		Key:    flow.Key{Client: c.key.end(1 - s).Addr(), Server: server.Addr(), Proto: c.key.proto(), Port: server.Port(), App: e.app(c)},
		Sensor: e.cfg.Sensor, VLAN: uint16(c.key.rest >> 32), From: c.since / 1e6,
	}
	e.convs.index[h] = len(e.convs.sums)
	e.convs.sums = append(e.convs.sums, v)
	e.convs.isNew(h)
	return v
}

// fold adds what a connection has to tell to its conversation.
func (e *Engine) fold(c *conn) {
	v := e.sum(c)
	s := c.server()
	v.From, v.Until = min(v.From, c.since/1e6), max(v.Until, c.last/1e6, c.since/1e6)
	v.Sessions += int64(c.sessions)
	v.Refused += int64(c.refusals)
	v.PacketsOut += int64(c.packets[1-s])
	v.PacketsIn += int64(c.packets[s])
	v.BytesOut += int64(c.bytes[1-s])
	v.BytesIn += int64(c.bytes[s])
	v.ClientMAC, v.ServerMAC = e.convs.mac(c.mac[1-s], v.ClientMAC), e.convs.mac(c.mac[s], v.ServerMAC)
	e.foldNotes(c, v)
	c.sessions, c.refusals, c.packets, c.bytes, c.claimed = 0, 0, [2]uint32{}, [2]uint64{}, [2]bool{}
	c.state &^= connDirty
}

// foldNotes adds what the stream's parser noted; calls are told once.
func (e *Engine) foldNotes(c *conn, v *flow.Conversation) {
	n := e.notes(c)
	if n == nil {
		return
	}
	first := func(to *string, s string) {
		if s != "" {
			*to = s
		}
	}
	first(&v.ClientName, n.ClientName)
	first(&v.ServerName, n.ServerName)
	first(&v.TLS, n.TLS)
	first(&v.SNI, n.SNI)
	for _, what := range n.Clear {
		if !slices.Contains(v.Clear, what) {
			v.Clear = append(v.Clear, what)
		}
	}
	if v.Calls == nil {
		v.Calls, n.Calls = n.Calls, nil
		return
	}
	sum := Notes{Calls: v.Calls}
	for name, times := range n.Calls {
		sum.Call(name, times)
	}
	n.Calls = nil
}

// report tells every conversation that something was added to.
func (e *Engine) report() {
	e.foldAll()
	e.tellAll()
}

func (e *Engine) foldAll() {
	for _, id := range e.convs.dirty {
		if c := e.flows.at(id); c.inUse && c.state&connDirty != 0 {
			e.fold(c)
		}
	}
	e.convs.dirty = e.convs.dirty[:0]
}

// tellFirst tells one conversation before the others.
func (e *Engine) tellFirst(h uint64) {
	i, ok := e.convs.index[h]
	if !ok || e.convs.sums[i] == nil {
		return
	}
	e.tell(e.convs.sums[i])
	e.convs.sums[i] = nil
	delete(e.convs.index, h)
}

// tellAll tells them in the order in which they began.
func (e *Engine) tellAll() {
	for _, v := range e.convs.sums {
		if v != nil {
			e.tell(v)
		}
	}
	clear(e.convs.sums)
	e.convs.sums = e.convs.sums[:0]
	clear(e.convs.index)
}

func (e *Engine) tell(v *flow.Conversation) {
	if e.cfg.Flow != nil {
		e.stats.Conversations++
		e.cfg.Flow(*v)
	}
}

// flowOrdinary says whether this is an address that one machine can have.
func flowOrdinary(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
