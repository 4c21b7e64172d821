package binding

import (
	"net/netip"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// WatchConfig says how a Watch judges and how much it may remember. Zero
// values mean the defaults.
type WatchConfig struct {
	// Sensor names the sensor on alarms and summaries.
	Sensor string
	// Active is how long after its last word an owner counts as using its
	// address. Default: 1m.
	Active time.Duration
	// Stale is how long a silent owner keeps an address from others who just
	// take it. Default: 20m.
	Stale time.Duration
	// Learning is how long, from the first claim on, machines that forward
	// for others or stand in several VLANs are taken for what they seem to
	// be. Default: 10m.
	Learning time.Duration
	// Repeat is how soon the same alarm is said again, with its count.
	// Default: 1m.
	Repeat time.Duration
	// Most is how many addresses, and how many MACs, are remembered.
	// Default: 65536.
	Most int
	// Learn takes what is new; nil drops it.
	Learn func(Summary)
}

func (c WatchConfig) withDefaults() WatchConfig {
	or := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	or(&c.Active, time.Minute)
	or(&c.Stale, 20*time.Minute)
	or(&c.Learning, 10*time.Minute)
	or(&c.Repeat, time.Minute)
	if c.Most <= 0 {
		c.Most = 65536
	}
	if c.Learn == nil {
		c.Learn = func(Summary) {}
	}
	return c
}

// The reasons, the first of an alarm's Args. The second is the binding's id
// where one is touched, else the protocol that said it.
const (
	WhyBound      = "bound"       // a person bound the address to another
	WhyUnasked    = "unasked"     // an answer nobody asked for takes an address in use
	WhyAnswers    = "answers"     // it answers for an address in use, having one of its own
	WhyAsks       = "asks"        // it asks in the name of an address in use, having one of its own
	WhyForwards   = "forwards"    // it sends packets in the name of others
	WhyAnnounces  = "announces"   // it announces an address in use as its own
	WhyIdle       = "idle"        // the same, while the owner was silent for a while
	WhyBoth       = "both"        // both use the address now
	WhyReturned   = "returned"    // the earlier owner is still there
	WhyTurns      = "turns"       // to and fro
	WhyPort       = "port"        // the MAC is bound to another port
	WhyTwoPorts   = "two-ports"   // the MAC speaks at two ports in turn; Args[2], Args[3] name them
	WhyTwoClients = "two-clients" // two machines ask for leases with one MAC
	WhyUnknown    = "unknown"     // nobody knows this server or router
	WhySecond     = "second"      // a second server or router, and nobody has said which is right
	WhyImitates   = "imitates"    // a known server's or router's address from another MAC
	WhyUnknownMAC = "unknown-mac" // the MAC has no binding in a locked network
	WhyOther      = "other"       // the MAC is bound to another address
	WhyNoLease    = "no-lease"    // the MAC may lease addresses and did not lease this one
	WhyVLANs      = "vlans"       // one MAC in two VLANs in turn; Args[2], Args[3] name them
	WhyZones      = "zones"       // one MAC with addresses of two zones; Args[2], Args[3] name them
	WhyName       = "name"        // one machine by its name, with two MACs in two zones, both alive; Args[2], Args[3] name the zones
	WhyMoved      = "moved"       // a medical device away from its network; Args[2], Args[3] are its network and the new one
	WhyDropped    = "dropped"     // the bridge's guard dropped it; Args[1] is the rule
)

// Summary is a pair or a role that a sensor learnt, for the book.
type Summary struct {
	// At is in ns since 1970 UTC.
	At     int64
	Sensor string
	MAC    packet.MAC
	IP     netip.Addr
	VLAN   uint16
	Port   string
	// How is the protocol that told it: arp, ndp, dhcp, traffic.
	How string
	// Server leased it, until Until (ns); invalid where it was no lease.
	Server netip.Addr
	Until  int64
	// Role says what MAC and IP are, "" an ordinary pair. Also is the second
	// MAC of a team.
	Role Role
	Also packet.MAC
}

// Watch judges the claims that one sensor sees. It is not safe for concurrent
// use: claims come from one goroutine.
type Watch struct {
	cfg   WatchConfig
	table *index
	first int64
	now   int64

	addresses *cache[place, address]
	machines  *cache[packet.MAC, machine]
	clients   *cache[string, client]
	servers   *cache[serverKey, server]
	said      *cache[saying, said]
}

// place is an address in a VLAN.
type place struct {
	ip   netip.Addr
	vlan uint16
}

// NewWatch starts with nothing but a table, which may be empty.
func NewWatch(cfg WatchConfig, t Table) *Watch {
	cfg = cfg.withDefaults()
	return &Watch{
		cfg: cfg, table: newIndex(t),
		addresses: newCache[place, address](cfg.Most),
		machines:  newCache[packet.MAC, machine](cfg.Most),
		clients:   newCache[string, client](cfg.Most / 4),
		servers:   newCache[serverKey, server](1024),
		said:      newCache[saying, said](4096),
	}
}

// Use takes a new table; what was seen stays.
func (w *Watch) Use(t Table) { w.table = newIndex(t) }

// Claim takes the next claim, in the order of capture.
func (w *Watch) Claim(c Claim, emit func(asset.Alarm)) {
	if w.first == 0 {
		w.first = c.At
	}
	w.now = max(w.now, c.At)
	c.At = w.now // a clock that goes back does not undo what was seen
	c.IP, c.Target, c.Server = plain(c.IP), plain(c.Target), plain(c.Server)
	if c.MAC == (packet.MAC{}) {
		c.MAC = c.holder()
	}
	if c.Kind == Denied {
		w.denied(c, emit)
		return
	}
	if station(c.Frame) && w.machine(c, emit) {
		return // an echo of what was just judged
	}
	w.judge(c, emit)
}

// holder is whom a claim without MAC is about.
func (c *Claim) holder() packet.MAC {
	switch c.Kind {
	case DHCPOffer, DHCPAck, DHCPv6Advertise, DHCPv6Reply:
		return c.TargetMAC
	}
	return c.Frame
}

func (w *Watch) judge(c Claim, emit func(asset.Alarm)) {
	switch c.Kind {
	case ARPProbe:
		w.probe(c)
	case DHCPRequest:
		w.wants(c, emit)
	case DHCPOffer, DHCPAck, DHCPv6Advertise, DHCPv6Reply:
		w.offer(c, emit)
	case RouterAdvert:
		w.router(c, emit)
	case VRRP, HSRP:
		w.speaks(c)
	case LACP: // by machine
	default:
		w.pair(c, emit)
	}
}

// Tick says how late it is (ns) and lets out the counts of alarms held back.
func (w *Watch) Tick(now int64, emit func(asset.Alarm)) {
	w.now = max(w.now, now)
	w.said.each(func(_ saying, s *said) {
		if s.held > 0 && w.now-s.at >= int64(w.cfg.Repeat) {
			s.let(w.now, emit)
		}
	})
}

// Memory is how many entries it holds, for metrics.
func (w *Watch) Memory() int {
	return w.addresses.len() + w.machines.len() + w.clients.len() + w.servers.len() + w.said.len()
}

func (w *Watch) learning() bool { return w.now-w.first < int64(w.cfg.Learning) }

// saying is what makes two alarms the same, said what became of them.
type saying struct {
	kind    asset.AlarmKind
	culprit packet.MAC
	place   place
}

type said struct {
	at, held int64
	alarm    asset.Alarm
}

func (s *said) let(at int64, emit func(asset.Alarm)) {
	a := s.alarm
	a.At, a.Count = max(a.At, s.at), s.held
	s.at, s.held = at, 0
	emit(a)
}

// alarm says what is wrong: at once the first time, then every Repeat with the
// number of times.
func (w *Watch) alarm(a asset.Alarm, emit func(asset.Alarm)) {
	a.Sensor = w.cfg.Sensor
	k := saying{a.Kind, a.Culprit.MAC, place{a.Victim.IP, a.VLAN}}
	s, _ := w.said.at(k)
	s.held++
	s.alarm = a
	if s.at == 0 || w.now-s.at >= int64(w.cfg.Repeat) {
		s.let(w.now, emit)
	}
}

// learn tells the book.
func (w *Watch) learn(s Summary) {
	s.Sensor = w.cfg.Sensor
	w.cfg.Learn(s)
}

// plain is an address without zone and IPv4 mapping.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// station says that a MAC is of one machine.
func station(m packet.MAC) bool { return m != (packet.MAC{}) && m[0]&1 == 0 }

// usable says that an address can be somebody's.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// virtualMAC says that a MAC stands for a group of routers: VRRP and CARP
// (RFC 5798, 7.3), HSRP versions 1 and 2, GLBP.
func virtualMAC(m packet.MAC) bool {
	switch [5]byte(m[:5]) {
	case [5]byte{0, 0, 0x5e, 0, 1}, [5]byte{0, 0, 0x5e, 0, 2}, [5]byte{0, 0, 0x0c, 7, 0xac}:
		return true
	}
	if [4]byte(m[:4]) == [4]byte{0, 0, 0x0c, 0x9f} && m[4]&0xf0 == 0xf0 {
		return true
	}
	if [5]byte(m[:5]) == [5]byte{0, 5, 0x73, 0xa0, 0x0f} || [4]byte(m[:4]) == [4]byte{0, 5, 0x73, 0xa0} {
		return true // HSRP for IPv6
	}
	return [4]byte(m[:4]) == [4]byte{0, 7, 0xb4, 0} // GLBP
}
