package zone

import (
	"bytes"
	"cmp"
	"container/heap"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

const (
	implicitPrefix = "implicit-"
	// mostElements bounds what lists times lists times services may become.
	mostElements = 2_000_000
)

// Compile turns a policy into elements. It refuses what [Policy.Check]
// refuses, leaves out what has expired and says so. The same policy on the
// same day gives the same bytes and the same Hash.
func Compile(p Policy, now time.Time) (*Ruleset, error) {
	for _, problem := range p.fatal(now) {
		if problem.Refused {
			return nil, fmt.Errorf("compile the policy: %w", problem)
		}
	}
	set := &Ruleset{Policy: p.Name, Made: now, Zones: p.Zones, Services: p.Services, Conduits: p.inForce(now)}
	c := compiler{plan: planOf(&p), set: set}
	set.Elements = make([]Element, 0, 2*len(set.Conduits)) // most allow one or two things
	for i := range set.Conduits {
		if err := c.add(&set.Conduits[i]); err != nil {
			return nil, fmt.Errorf("compile conduit %s (line %d): %w", set.Conduits[i].ID, set.Conduits[i].Line, err)
		}
	}
	c.notes(p, now)
	c.inside()
	c.finish()
	return c.set, nil
}

// Ended reports whether the conduit has expired: its last day is over.
func (c *Conduit) Ended(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Before(c.Expires.AddDate(0, 0, 1))
}

// inForce are the conduits that count, the implicit ones included, by id.
func (p *Policy) inForce(now time.Time) []Conduit {
	implicit := p.Implicit()
	order := make([]*Conduit, 0, len(implicit)+len(p.Conduits))
	for i := range implicit {
		order = append(order, &implicit[i])
	}
	for i := range p.Conduits {
		if !p.Conduits[i].Ended(now) {
			order = append(order, &p.Conduits[i])
		}
	}
	slices.SortStableFunc(order, func(a, b *Conduit) int { return cmp.Compare(a.ID, b.ID) })
	out := make([]Conduit, 0, len(order))
	for _, c := range order {
		out = append(out, *c)
	}
	return out
}

// Implicit are the conduits that every zone needs: names and time, from every
// zone that is the hospital's own to the zones that serve them.
func (p *Policy) Implicit() []Conduit {
	var out []Conduit
	for i := range p.Zones {
		server := &p.Zones[i]
		if server.Kind == "dns" || len(server.DNS) > 0 {
			out = append(out, p.implicit(server, "dns", server.DNS)...)
		}
		if server.Kind == "ntp" || len(server.NTP) > 0 {
			out = append(out, p.implicit(server, "ntp", server.NTP)...)
		}
	}
	return out
}

func (p *Policy) implicit(server *Zone, service string, hosts []netip.Prefix) []Conduit {
	var out []Conduit
	for _, z := range p.Zones {
		if z.Name == server.Name || z.NoImplicit || z.Kind == "guest" || kindOf(z.Kind).Outside {
			continue
		}
		out = append(out, Conduit{
			ID: implicitPrefix + service + "-" + z.Name + "-" + server.Name, From: z.Name, To: server.Name,
			ToHosts: hosts, Allow: []string{service}, Owner: server.Owner, Implicit: true, Line: server.Line,
			Reason: "every zone needs it; without it clinical systems stall",
		})
	}
	return out
}

// plan is what a compiler and a judge look up in a policy.
type plan struct {
	p     *Policy
	zones map[string]*Zone
	// alone are interfaces that one zone has for itself.
	alone    map[string]*Zone
	internet []netip.Prefix
	nets     map[string][]netip.Prefix
	spans    map[string][]Span
}

func planOf(p *Policy) *plan {
	pl := &plan{p: p, zones: make(map[string]*Zone, len(p.Zones)), nets: map[string][]netip.Prefix{}, spans: map[string][]Span{}}
	for i := range p.Zones {
		pl.zones[p.Zones[i].Name] = &p.Zones[i]
	}
	pl.alone = aloneOn(p.Zones)
	pl.internet = internetOf(ownNetworks(p.Zones))
	return pl
}

func aloneOn(zones []Zone) map[string]*Zone {
	alone := map[string]*Zone{}
	shared := map[string]bool{}
	for i := range zones {
		z := &zones[i]
		if z.Interface == "" {
			continue
		}
		shared[z.Interface] = alone[z.Interface] != nil || shared[z.Interface]
		alone[z.Interface] = z
	}
	for name, is := range shared {
		if is {
			delete(alone, name)
		}
	}
	return alone
}

// ownNetworks are the networks of all zones but the internet.
func ownNetworks(zones []Zone) []netip.Prefix {
	var out []netip.Prefix
	for _, z := range zones {
		if z.Kind != "internet" {
			out = append(out, z.Networks...)
		}
	}
	return out
}

// networks are the addresses of a zone. The internet without networks of its
// own, or with 0.0.0.0/0, is what is in no zone and not private.
func (pl *plan) networks(z *Zone) []netip.Prefix {
	if got, ok := pl.nets[z.Name]; ok {
		return got
	}
	got := tidy(z.Networks)
	if z.everywhere() {
		got = pl.internet
	}
	pl.nets[z.Name] = got
	return got
}

// everywhere reports whether a zone is the internet as a whole.
func (z *Zone) everywhere() bool {
	if z.Kind != "internet" {
		return false
	}
	return len(z.Networks) == 0 || slices.ContainsFunc(z.Networks, func(p netip.Prefix) bool { return p.Bits() == 0 })
}

// services are the spans that a conduit allows.
func (pl *plan) services(words []string) ([]Span, error) {
	if len(words) == 1 {
		return pl.service(words[0])
	}
	var out []Span
	for _, w := range words {
		s, err := pl.service(w)
		if err != nil {
			return nil, err
		}
		out = append(out, s...)
	}
	return out, nil
}

func (pl *plan) service(w string) ([]Span, error) {
	if s, ok := pl.spans[w]; ok {
		return s, nil
	}
	s, err := pl.p.spansFor(w)
	if err == nil {
		pl.spans[w] = s
	}
	return s, err
}

// byInterface reports whether a conduit needs no addresses.
func (pl *plan) byInterface(from, to *Zone, c *Conduit) bool {
	return len(c.FromHosts) == 0 && len(c.ToHosts) == 0 && from.Interface != "" && to.Interface != "" &&
		pl.alone[from.Interface] == from && pl.alone[to.Interface] == to
}

type compiler struct {
	*plan
	set *Ruleset
}

func (c *compiler) add(conduit *Conduit) error {
	spans, err := c.services(conduit.Allow)
	if err != nil {
		return err
	}
	from, to := c.zones[conduit.From], c.zones[conduit.To]
	if c.byInterface(from, to, conduit) {
		for _, s := range spans {
			c.put(Element{In: from.Interface, Out: to.Interface, Proto: s.Proto, Low: s.Low, High: s.High, Conduit: conduit.ID})
		}
		return nil
	}
	return c.addAddresses(c.ends(from, conduit.FromHosts), c.ends(to, conduit.ToHosts), spans, conduit.ID)
}

func (c *compiler) ends(z *Zone, hosts []netip.Prefix) []netip.Prefix {
	switch {
	case len(hosts) == 1:
		return hosts
	case len(hosts) > 1:
		return tidy(hosts)
	}
	return c.networks(z)
}

func (c *compiler) addAddresses(from, to []netip.Prefix, spans []Span, id string) error {
	if len(from)*len(to)*len(spans)+len(c.set.Elements) > mostElements {
		return fmt.Errorf("the policy becomes more than %d elements; write networks instead of lists of hosts", mostElements)
	}
	for _, f := range from {
		for _, t := range to {
			if f.Addr().Is4() != t.Addr().Is4() {
				continue
			}
			for _, s := range spans {
				c.putAddress(f, t, s, id)
			}
		}
	}
	return nil
}

func (c *compiler) putAddress(from, to netip.Prefix, s Span, id string) {
	if s.Proto == packet.ICMP && !from.Addr().Is4() || s.Proto == packet.ICMPv6 && from.Addr().Is4() {
		return
	}
	c.put(Element{From: from, To: to, Proto: s.Proto, Low: s.Low, High: s.High, Conduit: id})
}

func (c *compiler) put(e Element) { c.set.Elements = append(c.set.Elements, e) }

// inside lets zones talk within themselves where a router is in between,
// unless their devices are kept from each other.
func (c *compiler) inside() {
	for i := range c.set.Zones {
		z := &c.set.Zones[i]
		if z.Isolated || kindOf(z.Kind).Outside {
			continue
		}
		if z.Interface != "" && c.alone[z.Interface] == z {
			c.put(Element{In: z.Interface, Out: z.Interface, Conduit: SameZone})
			continue
		}
		_ = c.addAddresses(c.networks(z), c.networks(z), []Span{{}}, SameZone) // at most 1000 by 1000, checked for all
	}
}

func (c *compiler) notes(p Policy, now time.Time) {
	for _, x := range p.Conduits {
		if x.Ended(now) {
			day := x.Expires.Format(time.DateOnly)
			c.set.Notes = append(c.set.Notes, ocsf.Text{
				EN: "conduit " + x.ID + " expired on " + day + " and is left out",
				ZH: "通道 " + x.ID + " 已于 " + day + " 到期，未编入规则",
			})
		}
	}
}

func (c *compiler) finish() {
	c.set.Elements = distinct(ordered(c.set.Elements))
	c.set.Hash = hashOf(c.set.Elements)
}

// ordered sorts elements by interfaces, addresses, protocol, ports, conduit.
func ordered(all []Element) []Element {
	slices.SortFunc(all, compareElements)
	return all
}

func compareElements(a, b Element) int {
	if c := compareMatch(a, b); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Low, b.Low), cmp.Compare(a.High, b.High), cmp.Compare(a.Conduit, b.Conduit))
}

// compareMatch compares all but the ports.
func compareMatch(a, b Element) int {
	if a.In != b.In {
		return cmp.Compare(a.In, b.In)
	}
	if a.Out != b.Out {
		return cmp.Compare(a.Out, b.Out)
	}
	if a.From != b.From {
		return comparePrefix(a.From, b.From)
	}
	if a.To != b.To {
		return comparePrefix(a.To, b.To)
	}
	return cmp.Compare(a.Proto, b.Proto)
}

// distinct leaves out what repeats and cuts what overlaps in ports, so that
// every tuple of equal interfaces or prefixes is in one element: that of the
// first conduit by id.
func distinct(all []Element) []Element {
	if !anyOverlap(all) {
		return all
	}
	out := make([]Element, 0, len(all))
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && compareMatch(all[i], all[end]) == 0 {
			end++
		}
		if anyOverlap(all[i:end]) {
			out = append(out, cut(all[i:end])...)
		} else {
			out = append(out, all[i:end]...)
		}
		i = end
	}
	return out
}

// anyOverlap looks for elements, in order, that overlap in ports.
func anyOverlap(all []Element) bool {
	high := uint16(0)
	for i := range all {
		switch {
		case i == 0 || compareMatch(all[i-1], all[i]) != 0:
			high = all[i].High
		case all[i].Low <= high:
			return true
		default:
			high = max(high, all[i].High)
		}
	}
	return false
}

// cut makes disjoint what overlaps in ports: a sweep over the edges, with the
// elements over it in a heap.
func cut(group []Element) []Element {
	edges := make([]int, 0, 2*len(group))
	for _, e := range group {
		edges = append(edges, int(e.Low), int(e.High)+1)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var out []Element
	var over covering
	next := 0
	for i, low := range edges[:len(edges)-1] {
		for ; next < len(group) && int(group[next].Low) <= low; next++ {
			heap.Push(&over, &group[next])
		}
		for len(over) > 0 && int(over[0].High) < low {
			heap.Pop(&over)
		}
		if len(over) > 0 {
			out = appendPiece(out, *over[0], uint16(low), uint16(edges[i+1]-1))
		}
	}
	return out
}

// appendPiece adds a piece of e, to the last one where they belong together.
func appendPiece(out []Element, e Element, low, high uint16) []Element {
	if n := len(out); n > 0 && out[n-1].Conduit == e.Conduit && int(out[n-1].High)+1 == int(low) {
		out[n-1].High = high
		return out
	}
	e.Low, e.High = low, high
	return append(out, e)
}

// covering is a heap of elements, the first conduit by id on top.
type covering []*Element

func (c covering) Len() int           { return len(c) }
func (c covering) Less(i, j int) bool { return c[i].Conduit < c[j].Conduit }
func (c covering) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *covering) Push(x any)        { *c = append(*c, x.(*Element)) }
func (c *covering) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// hashOf is the SHA-256 of the elements' canonical text, one a line.
func hashOf(all []Element) string {
	h := sha256.New()
	var b bytes.Buffer
	b.WriteString("cordon-ruleset-1\n")
	for i := range all {
		b.Write(all[i].appendText(b.AvailableBuffer()))
		if b.Len() > 1<<16 {
			h.Write(b.Bytes())
			b.Reset()
		}
	}
	h.Write(b.Bytes())
	return hex.EncodeToString(h.Sum(nil))
}

// appendText writes an element as one line.
func (e *Element) appendText(b []byte) []byte {
	if e.ByInterface() {
		b = append(append(append(b, e.In...), ' '), e.Out...)
	} else {
		b = e.From.AppendTo(b)
		b = append(b, ' ')
		b = e.To.AppendTo(b)
	}
	for _, n := range [...]int{int(e.Proto), int(e.Low), int(e.High)} {
		b = strconv.AppendInt(append(b, ' '), int64(n), 10)
	}
	b = append(append(b, ' '), e.Conduit...)
	return append(b, '\n')
}

// String is the element as one line.
func (e Element) String() string { return string(bytes.TrimSpace(e.appendText(nil))) }
