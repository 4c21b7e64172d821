package zone

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// index finds the elements that cover a tuple: a table for pairs of interfaces
// and one for each pair of prefix lengths in use (tuple space search).
type index struct {
	alone  map[string]*Zone
	where  locator
	ifaces map[ifaceKey]group
	v4, v6 []shape
}

type ifaceKey struct {
	in, out string
	proto   uint8
}

type pairKey struct {
	from, to [16]byte
	proto    uint8
}

type pairKey4 struct {
	from, to uint32
	proto    uint8
}

// group is a run of Elements that differ in ports alone, which are disjoint.
type group struct{ start, end int32 }

// shape holds the elements with one pair of prefix lengths.
type shape struct {
	from, to int
	anyProto bool
	pairs4   map[pairKey4]group
	pairs6   map[pairKey]group
}

// Decide says what the compiled policy does with a tuple that opens a
// conversation: exactly what the kernel's rules do. Where interfaces are not
// given they follow from the addresses, as routing would have it. It may be
// called from several goroutines.
func (r *Ruleset) Decide(t Tuple) Verdict {
	x := r.prepared()
	t.From, t.To = t.From.Unmap(), t.To.Unmap()
	from, to := x.zoneOf(t.In, t.From), x.zoneOf(t.Out, t.To)
	v := Verdict{OutsideZones: from == nil || to == nil}
	if from != nil {
		v.FromZone = from.Name
		t.In = firstOf(t.In, from.Interface)
	}
	if to != nil {
		v.ToZone = to.Name
		t.Out = firstOf(t.Out, to.Interface)
	}
	if e := x.find(r.Elements, t); e != nil {
		v.Allow, v.Conduit = true, e.Conduit
		v.Implicit = strings.HasPrefix(e.Conduit, implicitPrefix)
	}
	return v
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Place says in which zone an address is, by its networks; nil in none.
func (r *Ruleset) Place(a netip.Addr) *Zone { return r.prepared().where.find(a.Unmap()) }

func (r *Ruleset) prepared() *index {
	r.once.Do(func() { r.index = indexOf(r) })
	return r.index
}

func indexOf(r *Ruleset) *index {
	x := &index{alone: aloneOn(r.Zones), where: locatorOf(r.Zones), ifaces: map[ifaceKey]group{}}
	shapes := map[[3]int]*shape{}
	for i := 0; i < len(r.Elements); {
		end := i + 1
		for end < len(r.Elements) && compareMatch(r.Elements[i], r.Elements[end]) == 0 {
			end++
		}
		g, e := group{int32(i), int32(end)}, &r.Elements[i]
		if e.ByInterface() {
			x.ifaces[ifaceKey{e.In, e.Out, e.Proto}] = g
		} else {
			shapeOf(shapes, e).put(e, g)
		}
		i = end
	}
	for _, s := range shapes {
		if s.pairs4 != nil {
			x.v4 = append(x.v4, *s)
		} else {
			x.v6 = append(x.v6, *s)
		}
	}
	return x
}

func shapeOf(shapes map[[3]int]*shape, e *Element) *shape {
	key := [3]int{e.From.Addr().BitLen(), e.From.Bits(), e.To.Bits()}
	s := shapes[key]
	if s == nil {
		s = &shape{from: key[1], to: key[2]}
		if key[0] == 32 {
			s.pairs4 = map[pairKey4]group{}
		} else {
			s.pairs6 = map[pairKey]group{}
		}
		shapes[key] = s
	}
	return s
}

func (s *shape) put(e *Element, g group) {
	s.anyProto = s.anyProto || e.Proto == 0
	if s.pairs4 != nil {
		s.pairs4[pairKey4{number(e.From.Addr()), number(e.To.Addr()), e.Proto}] = g
		return
	}
	s.pairs6[pairKey{e.From.Addr().As16(), e.To.Addr().As16(), e.Proto}] = g
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// zoneOf is the zone of an end: by its interface where that is one zone's
// alone, else by its address.
func (x *index) zoneOf(iface string, a netip.Addr) *Zone {
	if z := x.alone[iface]; z != nil {
		return z
	}
	return x.where.find(a)
}

// find gives the first element over a tuple, nil if there is none.
func (x *index) find(all []Element, t Tuple) *Element {
	best := int32(-1)
	take := func(g group, ok bool, proto uint8) {
		if !ok || best >= 0 && g.start > best {
			return
		}
		if i := g.at(all, t.Port, proto); i >= 0 && (best < 0 || i < best) {
			best = i
		}
	}
	for _, proto := range [...]uint8{t.Proto, 0} {
		g, ok := x.ifaces[ifaceKey{t.In, t.Out, proto}]
		take(g, ok, proto)
	}
	switch {
	case !t.From.IsValid() || !t.To.IsValid():
	case t.From.Is4() && t.To.Is4():
		x.find4(t, take)
	case t.From.Is6() && t.To.Is6():
		x.find6(t, take)
	}
	if best < 0 {
		return nil
	}
	return &all[best]
}

func (x *index) find4(t Tuple, take func(group, bool, uint8)) {
	from, to := number(t.From), number(t.To)
	for i := range x.v4 {
		s := &x.v4[i]
		k := pairKey4{from & mask4(s.from), to & mask4(s.to), t.Proto}
		g, ok := s.pairs4[k]
		take(g, ok, t.Proto)
		if s.anyProto {
			k.proto = 0
			g, ok = s.pairs4[k]
			take(g, ok, 0)
		}
	}
}

func mask4(bits int) uint32 { return uint32(uint64(0xffffffff) << (32 - bits)) }

func (x *index) find6(t Tuple, take func(group, bool, uint8)) {
	for i := range x.v6 {
		s := &x.v6[i]
		from, _ := t.From.Prefix(s.from) // lengths come from prefixes of this family
		to, _ := t.To.Prefix(s.to)
		k := pairKey{from.Addr().As16(), to.Addr().As16(), t.Proto}
		g, ok := s.pairs6[k]
		take(g, ok, t.Proto)
		if s.anyProto {
			k.proto = 0
			g, ok = s.pairs6[k]
			take(g, ok, 0)
		}
	}
}

// at is the place of the element over a port, -1 if there is none.
func (g group) at(all []Element, port uint16, proto uint8) int32 {
	if proto == 0 {
		return g.start
	}
	run := all[g.start:g.end]
	i := sort.Search(len(run), func(i int) bool { return run[i].Low > port }) - 1
	if i < 0 || run[i].High < port {
		return -1
	}
	return g.start + int32(i)
}

// locator finds the zone of an address: the longest prefix wins.
type locator struct {
	lengths4, lengths6 []int // in use, the longest first
	zones              map[netip.Prefix]*Zone
	internet           *Zone // the zone of what is in no other and not private
}

func locatorOf(zones []Zone) locator {
	l := locator{zones: map[netip.Prefix]*Zone{}}
	for i := range zones {
		z := &zones[i]
		if z.everywhere() && l.internet == nil {
			l.internet = z
		}
		for _, p := range z.Networks {
			if p.Bits() == 0 || l.zones[p] != nil {
				continue
			}
			l.zones[p] = z
			if p.Addr().Is4() {
				l.lengths4 = append(l.lengths4, p.Bits())
			} else {
				l.lengths6 = append(l.lengths6, p.Bits())
			}
		}
	}
	l.lengths4, l.lengths6 = downward(l.lengths4), downward(l.lengths6)
	return l
}

func downward(lengths []int) []int {
	slices.Sort(lengths)
	lengths = slices.Compact(lengths)
	slices.Reverse(lengths)
	return lengths
}

func (l *locator) find(a netip.Addr) *Zone {
	if !a.IsValid() {
		return nil
	}
	lengths := l.lengths6
	if a.Is4() {
		lengths = l.lengths4
	}
	for _, bits := range lengths {
		p, err := a.WithZone("").Prefix(bits)
		if err != nil {
			continue
		}
		if z := l.zones[p]; z != nil {
			return z
		}
	}
	if l.internet != nil && !private(a) {
		return l.internet
	}
	return nil
}
