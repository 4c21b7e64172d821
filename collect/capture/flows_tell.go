package capture

import (
	"maps"
	"net"
	"net/netip"
	"slices"

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

// convKey is what joins connections to one conversation.
type convKey struct {
	flow.Key
	vlan uint16
	vni  uint32
}

// conversations is what is to be told.
type conversations struct {
	dirty []uint32 // connections with something to tell
	fresh []uint32 // connections that may be new conversations
	sums  map[convKey]*flow.Conversation
	// known were told lately: those before the last, and before that.
	known, knownOnce map[convKey]struct{}
}

func (v *conversations) init() {
	v.sums = map[convKey]*flow.Conversation{}
	v.known, v.knownOnce = map[convKey]struct{}{}, map[convKey]struct{}{}
}

// isNew says whether a conversation was never told, as far as is remembered,
// and remembers it.
func (v *conversations) isNew(k convKey) bool {
	if _, ok := v.known[k]; ok {
		return false
	}
	_, before := v.knownOnce[k]
	if len(v.known) >= mostTold {
		v.known, v.knownOnce = map[convKey]struct{}{}, v.known
	}
	v.known[k] = struct{}{}
	return !before
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
		k := e.convKeyOf(c)
		if e.convs.isNew(k) {
			e.fold(c)
			e.tell(k)
		}
	}
	e.convs.fresh = left
}

func (e *Engine) convKeyOf(c *conn) convKey {
	s := c.server()
	server := c.key.end(s)
	k := convKey{vlan: uint16(c.key.rest >> 32), vni: uint32(c.key.rest>>8) & 0xffffff}
	k.Client, k.Server, k.Proto, k.Port = c.key.end(1-s).Addr(), server.Addr(), c.key.proto(), server.Port()
	if n := e.notes(c); n != nil {
		k.App = n.App
	} else if c.app != 0 {
		k.App = e.cfg.Packets[c.app-1].Name()
	}
	return k
}

// fold adds what a connection has to tell to its conversation.
func (e *Engine) fold(c *conn) {
	k := e.convKeyOf(c)
	v := e.convs.sums[k]
	if v == nil {
		if len(e.convs.sums) >= mostTold {
			e.tellAll()
		}
		v = &flow.Conversation{Key: k.Key, Sensor: e.cfg.Sensor, VLAN: k.vlan, From: c.since / 1e6}
		e.convs.sums[k] = v
	}
	s := c.server()
	v.From, v.Until = min(v.From, c.since/1e6), max(v.Until, c.last/1e6, c.since/1e6)
	v.Sessions += int64(c.sessions)
	v.Refused += int64(c.refusals)
	v.PacketsOut += int64(c.packets[1-s])
	v.PacketsIn += int64(c.packets[s])
	v.BytesOut += int64(c.bytes[1-s])
	v.BytesIn += int64(c.bytes[s])
	v.ClientMAC, v.ServerMAC = flowMAC(c.mac[1-s], v.ClientMAC), flowMAC(c.mac[s], v.ServerMAC)
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

func flowMAC(m packet.MAC, otherwise string) string {
	if m == (packet.MAC{}) || m[0]&1 != 0 {
		return otherwise
	}
	return net.HardwareAddr(m[:]).String()
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

func (e *Engine) tellAll() {
	keys := slices.SortedFunc(maps.Keys(e.convs.sums), convKey.compare)
	for _, k := range keys {
		e.convs.isNew(k)
		e.tell(k)
	}
}

func (e *Engine) tell(k convKey) {
	v := e.convs.sums[k]
	delete(e.convs.sums, k)
	if e.cfg.Flow != nil {
		e.stats.Conversations++
		e.cfg.Flow(*v)
	}
}

// compare orders what is told, so that the same file tells the same.
func (k convKey) compare(o convKey) int {
	for _, c := range [...]int{k.Client.Compare(o.Client), k.Server.Compare(o.Server), int(k.Proto) - int(o.Proto),
		int(k.Port) - int(o.Port), int(k.vlan) - int(o.vlan), int(k.vni) - int(o.vni)} {
		if c != 0 {
			return c
		}
	}
	switch {
	case k.App < o.App:
		return -1
	case k.App > o.App:
		return 1
	}
	return 0
}

// flowOrdinary says whether this is an address that one machine can have.
func flowOrdinary(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
