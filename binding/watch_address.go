package binding

import (
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// address is what was seen of one address.
type address struct {
	owner     packet.MAC
	ownerAt   int64
	toldAt    int64 // when the book was told of the owner
	rival     packet.MAC
	rivalAt   int64
	rivalSoft bool       // it came by an announcement alone
	before    packet.MAC // who had it until the quiet change at handedAt
	handedAt  int64
	asked     int64 // somebody wanted to know who has it
	prober    packet.MAC
	probedAt  int64
	wanted    packet.MAC // asked a DHCP server for it
	wantedAt  int64
	lease     packet.MAC
	leaseEnd  int64
	members   [4]packet.MAC // who speaks for a virtual address
	last      packet.MAC
	turns     int // how often the speaker changed since turnsAt
	turnsAt   int64
}

// What is soon enough to belong together.
const (
	answerIn    = int64(2 * time.Second)        // an answer to a question
	probeLeast  = int64(400 * time.Millisecond) // a probe waits for the owner's word
	probeMost   = int64(30 * time.Second)
	wishMost    = int64(2 * time.Minute)
	turnsWithin = int64(10 * time.Minute)
	turnsMany   = 4
	tellEvery   = int64(time.Hour)
	noLease     = int64(24 * time.Hour) // of a lease of unknown length
)

func (w *Watch) place(c *Claim) (*address, bool) { return w.addresses.at(place{c.IP, c.VLAN}) }

// probe notes that somebody asks whether an address is free.
func (w *Watch) probe(c Claim) {
	if !usable(c.Target) || !station(c.MAC) {
		return
	}
	a, _ := w.addresses.at(place{c.Target, c.VLAN})
	a.prober, a.probedAt, a.asked = c.MAC, c.At, c.At
}

// pair judges a claim that a MAC has an address.
func (w *Watch) pair(c Claim, emit func(asset.Alarm)) {
	w.question(c)
	if !usable(c.IP) || !station(c.MAC) {
		return
	}
	if c.Kind == ARPReply && c.Target == c.IP {
		c.Kind = ARPAnnounce
	}
	if c.Kind == Traffic && w.passing(c, emit) {
		return
	}
	a, made := w.place(&c)
	if made {
		w.remembered(a, &c)
	}
	w.moved(c, emit)
	if w.tabled(a, c, emit) {
		return
	}
	w.claimed(a, c, emit)
}

// question notes who is asked for.
func (w *Watch) question(c Claim) {
	if (c.Kind != ARPRequest && c.Kind != NeighborSolicit) || !usable(c.Target) || c.Target == c.IP {
		return
	}
	a, _ := w.addresses.at(place{c.Target, c.VLAN})
	a.asked = c.At
	if c.Kind == NeighborSolicit && !usable(c.IP) { // duplicate address detection, RFC 4862
		a.prober, a.probedAt = c.MAC, c.At
	}
}

// remembered gives an address seen for the first time the owner that the book
// knows. When it last spoke the book does not say, so it defends nothing: what
// people bound, tabled defends.
func (w *Watch) remembered(a *address, c *Claim) {
	if b, ok := w.table.pair(c.IP, c.MAC, c.VLAN); ok {
		a.owner = b.mac
	} else if b, ok := w.table.learnt(c.IP, c.VLAN); ok {
		a.owner = b.mac
	}
}

// tabled judges by what people said; true ends it.
func (w *Watch) tabled(a *address, c Claim, emit func(asset.Alarm)) bool {
	if b, ok := w.table.pair(c.IP, c.MAC, c.VLAN); ok && b.sure() {
		return false
	}
	if b, ok := w.table.owner(c.IP, c.VLAN); ok && !w.stands(a, c, b.mac) {
		kind := spoofKind(c)
		if c.Kind == Traffic {
			kind = asset.UnboundAddress
		}
		w.alarm(w.about(kind, c, b.mac, WhyBound, b.Binding), emit)
		return true
	}
	if why, id := w.unbound(a, c); why != "" {
		w.alarm(w.about(asset.UnboundAddress, c, packet.MAC{}, why, id), emit)
		return true
	}
	return false
}

// stands says that a machine may answer for another's address.
func (w *Watch) stands(a *address, c Claim, owner packet.MAC) bool {
	return w.table.virtual(c.IP, c.MAC, c.VLAN) || w.table.team(owner, c.MAC) || a.member(c.MAC) && virtualMAC(c.MAC) ||
		w.table.hasMAC(RoleRouter, c.MAC, c.VLAN)
}

// unbound says why a pair must not be in a locked network, "" where it may.
func (w *Watch) unbound(a *address, c Claim) (why, binding string) {
	if c.IP.IsLinkLocalUnicast() || !w.table.lockedAt(c.IP, c.VLAN) || w.stands(a, c, a.owner) {
		return "", ""
	}
	if virtualMAC(c.MAC) && a.member(c.MAC) {
		return "", ""
	}
	own := w.table.byMAC[c.MAC]
	why = WhyUnknownMAC
	for i := range own {
		b := &own[i]
		switch {
		case !b.fits(c.VLAN) || !b.sure():
		case b.IP == c.IP:
			return "", ""
		case !b.Dynamic:
			why, binding = WhyOther, b.Binding
		case c.IP.Is6() || a.lease == c.MAC && c.At <= a.leaseEnd:
			return "", ""
		default:
			why, binding = WhyNoLease, b.Binding
		}
	}
	return why, binding
}

// claimed judges by what was seen.
func (w *Watch) claimed(a *address, c Claim, emit func(asset.Alarm)) {
	m := c.MAC
	turned := a.last != (packet.MAC{}) && a.last != m
	quiet := false
	switch {
	case a.owner == m:
		a.ownerAt = c.At
		if a.rival != (packet.MAC{}) && turned && c.At-a.rivalAt < int64(w.cfg.Active) {
			w.both(a, c, emit)
		}
	case a.owner == (packet.MAC{}):
		a.owner, a.ownerAt = m, c.At
	case w.excused(a, c):
		quiet = true
		w.hand(a, m, c.At)
	case m == a.before && c.At-a.handedAt < int64(w.cfg.Stale):
		// The earlier owner never left: who took it is the culprit.
		a.owner, a.rival, a.before = m, a.owner, packet.MAC{}
		a.rivalAt, a.ownerAt = a.ownerAt, c.At
		w.alarm(w.against(asset.DuplicateIP, c, a.rival, m, WhyReturned), emit)
	case a.rival == m && a.rivalSoft && c.At-a.ownerAt >= int64(w.cfg.Active):
		quiet = true
		w.settle(a, c)
	case w.silentOwner(a, c):
		a.before, a.handedAt = a.owner, c.At
		a.owner, a.ownerAt, a.rival = m, c.At, packet.MAC{}
	case c.Kind == Traffic && a.rival != m, w.table.hasMAC(RoleRouter, m, c.VLAN):
		return // it may have been forwarded; and a router answers for others
	default:
		w.contest(a, c, emit)
	}
	if a.last = m; turned && !quiet {
		w.turn(a, c, emit)
	}
	w.tell(a, c)
}

// excused says that a change of the owner is in order.
func (w *Watch) excused(a *address, c Claim) bool {
	m, at := c.MAC, c.At
	if b, ok := w.table.pair(c.IP, m, c.VLAN); ok && b.sure() {
		return true
	}
	switch {
	case a.member(m) && (a.member(a.owner) || virtualMAC(m)):
		return true // VRRP, HSRP, CARP, or a cluster seen before
	case w.table.virtual(c.IP, m, c.VLAN), w.table.team(a.owner, m):
		return true
	case a.lease == m && at <= a.leaseEnd:
		return true
	case a.prober == m && a.probedAt >= a.ownerAt && at-a.probedAt >= probeLeast && at-a.probedAt < probeMost:
		return true // it asked, waited, and the owner said nothing
	case at-a.ownerAt >= int64(w.cfg.Stale):
		return true
	case a.wanted == m && at-a.wantedAt < wishMost && a.ownerAt < a.wantedAt && at-a.ownerAt > int64(10*time.Second):
		return true // the lease itself went another way
	}
	return w.adjacent(a.owner, m, c)
}

// adjacent takes two factory addresses next to each other, of which neither has
// an address of its own, for two ports of one machine.
func (w *Watch) adjacent(a, b packet.MAC, c Claim) bool {
	if a[0]&2 != 0 || b[0]&2 != 0 || [3]byte(a[:3]) != [3]byte(b[:3]) {
		return false
	}
	d := number(a) - number(b)
	if d < -8 || d > 8 || w.ownsOther(a, c) || w.ownsOther(b, c) {
		return false
	}
	w.learn(Summary{At: c.At, MAC: a, Also: b, IP: c.IP, VLAN: c.VLAN, Role: RoleTeam, How: how(c.Kind)})
	return true
}

func number(m packet.MAC) int { return int(m[3])<<16 | int(m[4])<<8 | int(m[5]) }

// silentOwner says that the owner did not speak for a while and the other only
// uses the address, or alone answered for it. Should the owner return, it is an
// alarm then.
func (w *Watch) silentOwner(a *address, c Claim) bool {
	if c.At-a.ownerAt < int64(w.cfg.Active) {
		return false
	}
	switch c.Kind {
	case ARPRequest, NeighborSolicit:
		return true
	case ARPReply:
		return a.asked > a.ownerAt && c.At-a.asked < answerIn
	case NeighborAdvert:
		return a.asked > a.ownerAt && c.At-a.asked < answerIn
	}
	return false
}

// hand gives an address to another in order.
func (w *Watch) hand(a *address, m packet.MAC, at int64) {
	a.owner, a.ownerAt, a.toldAt = m, at, 0
	a.rival, a.before = packet.MAC{}, packet.MAC{}
}

// settle takes an address that was announced elsewhere, and that the owner has
// been silent about ever since, for one that moves between machines: a cluster.
// From now on it may.
func (w *Watch) settle(a *address, c Claim) {
	a.join(a.owner)
	a.join(c.MAC)
	w.learn(Summary{At: c.At, MAC: c.MAC, IP: c.IP, VLAN: c.VLAN, Role: RoleVirtual, How: how(c.Kind)})
	w.hand(a, c.MAC, c.At)
}

// contest notes a claim that nothing excuses, and says so.
func (w *Watch) contest(a *address, c Claim, emit func(asset.Alarm)) {
	m := c.MAC
	kind, why := w.verdict(a, c)
	a.rivalSoft = kind == asset.GratuitousARP
	a.rival, a.rivalAt = m, c.At
	if w.ownsOther(a.owner, c) && !w.ownsOther(m, c) && c.IP.Is4() && kind != asset.GratuitousARP {
		// The one heard first is the one with an address of its own.
		w.alarm(w.against(kind, c, a.owner, m, why), emit)
		return
	}
	w.alarm(w.about(kind, c, a.owner, why), emit)
}

// verdict names what a contested claim is.
func (w *Watch) verdict(a *address, c Claim) (asset.AlarmKind, string) {
	solicited := a.asked != 0 && c.At-a.asked < answerIn
	other := c.IP.Is4() && w.ownsOther(c.MAC, c)
	idle := c.At-a.ownerAt >= int64(w.cfg.Active)
	if a.rival == c.MAC && a.rivalSoft && a.ownerAt < a.rivalAt && (solicited || c.Kind != ARPReply) {
		return asset.GratuitousARP, WhyAnnounces // still nobody denies it
	}
	switch c.Kind {
	case NeighborAdvert:
		if solicited && !c.Override {
			return asset.DuplicateIP, WhyBoth
		}
		if solicited {
			return asset.NDPSpoof, WhyAnswers
		}
		return asset.NDPSpoof, WhyUnasked
	case ARPReply:
		switch {
		case !solicited:
			return asset.ARPSpoof, WhyUnasked
		case other:
			return asset.ARPSpoof, WhyAnswers
		}
	case ARPAnnounce:
		if idle {
			return asset.GratuitousARP, WhyIdle
		}
		return asset.GratuitousARP, WhyAnnounces
	case ARPRequest:
		if other {
			return asset.ARPSpoof, WhyAsks
		}
	case Traffic:
		if other {
			return spoofKind(c), WhyForwards
		}
	}
	return asset.DuplicateIP, WhyBoth
}

// both says that owner and rival use an address at once.
func (w *Watch) both(a *address, c Claim, emit func(asset.Alarm)) {
	culprit := a.rival
	if w.spoofed(culprit, c) {
		return // said already, and worse
	}
	if a.rivalSoft && c.IP.Is4() && w.ownsOther(culprit, c) {
		w.alarm(w.against(asset.ARPSpoof, c, culprit, a.owner, WhyAnnounces), emit)
		return
	}
	w.alarm(w.against(asset.DuplicateIP, c, culprit, a.owner, WhyBoth), emit)
}

// spoofed says whether a machine was lately found to imitate this address.
func (w *Watch) spoofed(m packet.MAC, c Claim) bool {
	for _, k := range [2]asset.AlarmKind{asset.ARPSpoof, asset.NDPSpoof} {
		if s := w.said.peek(saying{k, m, place{c.IP, c.VLAN}}); s != nil && c.At-s.at < turnsWithin {
			return true
		}
	}
	return false
}

// turn counts changes of the speaker that nothing excused.
func (w *Watch) turn(a *address, c Claim, emit func(asset.Alarm)) {
	if c.At-a.turnsAt > turnsWithin {
		a.turns, a.turnsAt = 0, c.At
	}
	if a.turns++; a.turns < turnsMany {
		return
	}
	other := a.owner
	if other == c.MAC {
		other = a.rival
		if other == (packet.MAC{}) {
			other = a.before
		}
	}
	al := w.against(asset.FlipFlop, c, other, c.MAC, WhyTurns)
	if a.owner != c.MAC {
		al = w.against(asset.FlipFlop, c, c.MAC, other, WhyTurns)
	}
	w.alarm(al, emit)
	a.turns = 0
}

// tell tells the book of an owner, now and every hour.
func (w *Watch) tell(a *address, c Claim) {
	if a.owner != c.MAC {
		return
	}
	w.own(c)
	if m := w.machines.peek(c.MAC); m != nil && m.router && m.own[len(m.own)-1].IsValid() {
		return // it answers for others
	}
	if a.toldAt != 0 && c.At-a.toldAt < tellEvery {
		return
	}
	a.toldAt = c.At
	w.learn(Summary{At: c.At, MAC: c.MAC, IP: c.IP, VLAN: c.VLAN, Port: c.Port, How: how(c.Kind)})
}

// about is an alarm about the claimant, against the owner.
func (w *Watch) about(kind asset.AlarmKind, c Claim, owner packet.MAC, args ...string) asset.Alarm {
	culprit := c.MAC
	if station(c.Frame) && c.Frame != c.MAC && c.Frame != owner {
		culprit = c.Frame // who sent the lie, not whom it names
	}
	return w.against(kind, c, culprit, owner, args...)
}

func (w *Watch) against(kind asset.AlarmKind, c Claim, culprit, victim packet.MAC, args ...string) asset.Alarm {
	if len(args) == 1 {
		args = append(args, how(c.Kind))
	}
	al := asset.Alarm{Kind: kind, At: c.At, VLAN: c.VLAN, Args: args,
		Culprit: asset.Party{MAC: culprit, IP: w.addressOf(culprit, c)}, Victim: asset.Party{MAC: victim, IP: c.IP}}
	if n, ok := w.table.network(c.IP, c.VLAN); ok && n.Prefix.IsValid() {
		al.Network = n.Prefix.String()
	}
	return al
}

func spoofKind(c Claim) asset.AlarmKind {
	if c.IP.Is6() {
		return asset.NDPSpoof
	}
	return asset.ARPSpoof
}

func how(k ClaimKind) string {
	switch k {
	case ARPRequest, ARPReply, ARPProbe, ARPAnnounce:
		return "arp"
	case NeighborSolicit, NeighborAdvert, RouterAdvert:
		return "ndp"
	case DHCPOffer, DHCPAck, DHCPRequest, DHCPv6Advertise, DHCPv6Reply:
		return "dhcp"
	case VRRP:
		return "vrrp"
	case HSRP:
		return "hsrp"
	}
	return "traffic"
}

func (a *address) member(m packet.MAC) bool {
	for _, x := range a.members {
		if x == m && m != (packet.MAC{}) {
			return true
		}
	}
	return false
}

// join makes a MAC one that may have the address; the oldest gives way.
func (a *address) join(m packet.MAC) {
	if m == (packet.MAC{}) || a.member(m) {
		return
	}
	copy(a.members[1:], a.members[:len(a.members)-1])
	a.members[0] = m
}
