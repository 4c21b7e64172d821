package zone

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

// Known is what is known of the device at an address. All may be empty.
type Known struct {
	Name, Kind  string
	Department  string
	Owner       string // the person responsible
	Medical     bool
	LifeSupport bool
}

// Knowledge names devices; asset knows them.
type Knowledge interface {
	// About says what stands at an address; the zero Known if nobody knows.
	About(netip.Addr) Known
}

// Nobody knows nothing.
type Nobody struct{}

// About knows nothing.
func (Nobody) About(netip.Addr) Known { return Known{} }

// SimulateOptions say how to look.
type SimulateOptions struct {
	// Site is the calendar's zone: weekends and month ends are there.
	Site *time.Location
	// Effects is how many are listed; 0 means 500.
	Effects int
}

const (
	mostDenied = 200_000 // kinds of denied conversation kept apart
	mostNodes  = 200_000 // addresses whose names and time are watched
	// outside is where an address is that no zone holds.
	outside = "outside"
)

// Simulate judges what was seen by a policy that is not in force yet, and says
// what people would notice. Each conversation counts as it opens: its client
// asks its server. Memory does not grow with the number of conversations: of
// kinds of denied conversation beyond 200,000, zones are kept instead of
// addresses. The same input gives the same report.
func Simulate(ctx context.Context, r *Ruleset, flows iter.Seq2[flow.Conversation, error], k Knowledge, o SimulateOptions) (Simulation, error) {
	if o.Site == nil {
		o.Site = time.UTC
	}
	if o.Effects == 0 {
		o.Effects = 500
	}
	s := newSimulator(r, k, o)
	for c, err := range flows {
		if err == nil && s.sim.Conversations&0xfff == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return Simulation{}, fmt.Errorf("simulate policy %s: %w", r.Policy, err)
		}
		s.add(&c)
	}
	return s.finish(), nil
}

// deniedKey is one kind of conversation that would not pass.
type deniedKey struct {
	client, server netip.Addr
	fromZone       string
	toZone         string
	proto          uint8
	port           uint16
	service        string
}

// deniedSum is what was seen of it.
type deniedSum struct {
	sessions, refused      int64
	last                   int64
	days                   daySet
	calls                  map[string]int64
	clientName, serverName string
}

// node is what a device needs besides its own talk.
type node struct {
	dicom                int64 // associations, on either side
	dnsAllowed, dnsCut   int64
	ntpAllowed, ntpCut   int64
	dnsServer, ntpServer netip.Addr
	last                 int64
}

type pairKey2 struct{ from, to string }

type pairSum struct {
	allowed, denied int64
	conduits        map[string]bool
}

type share struct{ allowed, all int64 }

type simulator struct {
	r     *Ruleset
	k     Knowledge
	o     SimulateOptions
	sim   Simulation
	zones map[string]*Zone
	days  daySet

	denied map[deniedKey]*deniedSum
	nodes  map[netip.Addr]*node
	pairs  map[pairKey2]*pairSum
	depts  map[string]*share
	used   map[string]bool
	known  map[netip.Addr]Known
	ids    map[string]bool // of conduits, those proposed included
}

func newSimulator(r *Ruleset, k Knowledge, o SimulateOptions) *simulator {
	s := &simulator{
		r: r, k: k, o: o, sim: Simulation{Policy: r.Policy, Hash: r.Hash},
		zones: map[string]*Zone{}, denied: map[deniedKey]*deniedSum{}, nodes: map[netip.Addr]*node{},
		pairs: map[pairKey2]*pairSum{}, depts: map[string]*share{}, used: map[string]bool{}, known: map[netip.Addr]Known{},
		days: daySet{}, ids: map[string]bool{},
	}
	for _, c := range r.Conduits {
		s.ids[c.ID] = true
	}
	for i := range r.Zones {
		s.zones[r.Zones[i].Name] = &r.Zones[i]
	}
	return s
}

// about remembers what knowledge says, of as many addresses as it watches.
func (s *simulator) about(a netip.Addr) Known {
	if known, ok := s.known[a]; ok {
		return known
	}
	known := s.k.About(a)
	if len(s.known) < mostNodes {
		s.known[a] = known
	}
	return known
}

func (s *simulator) add(c *flow.Conversation) {
	sim := &s.sim
	if multicast(c.Server) {
		return // no router carries it, no conduit could
	}
	sim.Conversations++
	sim.From = first(sim.From, c.From)
	sim.Until = max(sim.Until, c.Until)
	day := dayOf(c.Until-1, s.o.Site)
	s.days.add(day)
	v := s.r.Decide(Tuple{From: c.Client, To: c.Server, Proto: c.Proto, Port: portOf(c)})
	sessions := max(c.Sessions, 1)
	sim.Sessions += sessions
	if v.OutsideZones {
		sim.Homeless++
	}
	s.count(v, sessions)
	s.department(c, v, sessions)
	service := ServiceName(c.Proto, c.Port, c.App)
	s.needs(c, v, service, sessions)
	if v.Allow {
		sim.Allowed++
		return
	}
	sim.Denied++
	sim.DeniedSessions += sessions
	s.deny(c, v, service, day)
}

// first is the earlier of two moments, the second if there was none yet.
func first(old, now int64) int64 {
	if old == 0 {
		return now
	}
	return min(old, now)
}

func multicast(a netip.Addr) bool {
	return a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// portOf is the port that rules look at.
func portOf(c *flow.Conversation) uint16 {
	if c.Proto == packet.TCP || c.Proto == packet.UDP {
		return c.Port
	}
	return 0
}

func orOutside(zone string) string {
	if zone == "" {
		return outside
	}
	return zone
}

func (s *simulator) count(v Verdict, sessions int64) {
	k := pairKey2{orOutside(v.FromZone), orOutside(v.ToZone)}
	p := s.pairs[k]
	if p == nil {
		p = &pairSum{conduits: map[string]bool{}}
		s.pairs[k] = p
	}
	if !v.Allow {
		p.denied += sessions
		return
	}
	p.allowed += sessions
	if !p.conduits[v.Conduit] {
		p.conduits[v.Conduit], s.used[v.Conduit] = true, true
	}
}

func (s *simulator) department(c *flow.Conversation, v Verdict, sessions int64) {
	name := s.about(c.Client).Department
	if z := s.zones[v.FromZone]; name == "" && z != nil {
		name = z.Department
	}
	if name == "" {
		return
	}
	d := s.depts[name]
	if d == nil {
		if len(s.depts) >= mostZones {
			return
		}
		d = &share{}
		s.depts[name] = d
	}
	d.all += sessions
	if v.Allow {
		d.allowed += sessions
	}
}

// needs keeps who speaks DICOM, and who keeps or loses names and time.
func (s *simulator) needs(c *flow.Conversation, v Verdict, service string, sessions int64) {
	switch service {
	case "dicom", "dicom-tls":
		for _, a := range []netip.Addr{c.Client, c.Server} {
			if n := s.node(a); n != nil {
				n.dicom += sessions
			}
		}
	case "dns", "ntp":
		if c.Refused >= sessions {
			return // it got no answer before either
		}
		if n := s.node(c.Client); n != nil {
			n.need(c, v.Allow, service, sessions)
		}
	}
}

func (n *node) need(c *flow.Conversation, allowed bool, service string, sessions int64) {
	keep, cut, server := &n.dnsAllowed, &n.dnsCut, &n.dnsServer
	if service == "ntp" {
		keep, cut, server = &n.ntpAllowed, &n.ntpCut, &n.ntpServer
	}
	if allowed {
		*keep += sessions
		return
	}
	*cut += sessions
	if !server.IsValid() || c.Server.Less(*server) {
		*server = c.Server
	}
	n.last = max(n.last, c.Until)
}

func (s *simulator) node(a netip.Addr) *node {
	n := s.nodes[a]
	if n == nil && len(s.nodes) < mostNodes {
		n = &node{}
		s.nodes[a] = n
	}
	return n
}

func (s *simulator) deny(c *flow.Conversation, v Verdict, service string, day int32) {
	k := deniedKey{c.Client, c.Server, v.FromZone, v.ToZone, c.Proto, portOf(c), service}
	d := s.denied[k]
	if d == nil && len(s.denied) >= mostDenied {
		k.client, k.server = netip.Addr{}, netip.Addr{}
		d = s.denied[k]
	}
	if d == nil {
		d = &deniedSum{days: daySet{}}
		s.denied[k] = d
	}
	d.sessions += max(c.Sessions, 1)
	d.refused += c.Refused
	d.last = max(d.last, c.Until)
	d.days.add(day)
	d.clientName, d.serverName = firstOf(d.clientName, c.ClientName), firstOf(d.serverName, c.ServerName)
	for name, n := range c.Calls {
		if d.calls == nil {
			d.calls = map[string]int64{}
		}
		if _, ok := d.calls[name]; ok || len(d.calls) < 64 {
			d.calls[name] += n
		}
	}
}

func (s *simulator) finish() Simulation {
	sim := s.sim
	sim.Days = len(s.days)
	s.sim.Days = sim.Days
	sim.Cautions = s.days.cautions()
	for k, p := range s.pairs {
		sim.Pairs = append(sim.Pairs, Pair{k.from, k.to, p.allowed, p.denied, sortedKeys(p.conduits)})
	}
	slices.SortFunc(sim.Pairs, func(a, b Pair) int {
		return strings.Compare(a.From+"\x00"+a.To, b.From+"\x00"+b.To)
	})
	for _, c := range s.r.Conduits {
		if !c.Implicit && !s.used[c.ID] {
			sim.Unused = append(sim.Unused, c.ID)
		}
	}
	if len(s.depts) > 0 {
		sim.Departments = map[string]float64{}
	}
	for name, d := range s.depts {
		sim.Departments[name] = float64(d.allowed) / float64(d.all)
	}
	sim.Effects, sim.Blocked = s.effects()
	if over := len(sim.Effects) - s.o.Effects; over > 0 {
		sim.Effects, sim.More = sim.Effects[:s.o.Effects], over
	}
	sim.Blocked = sim.Blocked[:min(len(sim.Blocked), s.o.Effects)]
	return sim
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Worst is the highest severity of the effects, 0 without any.
func (s Simulation) Worst() int {
	worst := 0
	for _, e := range s.Effects {
		worst = max(worst, e.Severity)
	}
	return worst
}

// text makes a sentence in both languages from one list of arguments each.
func text(en, zh string, args ...any) ocsf.Text {
	return ocsf.Text{EN: fmt.Sprintf(en, args...), ZH: fmt.Sprintf(zh, args...)}
}
