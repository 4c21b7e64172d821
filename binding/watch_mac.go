package binding

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// machine is what was seen of one MAC.
type machine struct {
	at       int64
	port     seat
	vlan     seat
	zone     seat
	own      [4]netip.Addr // its IPv4 addresses, the newest first
	router   bool          // speaks like one, or forwarded during the learning period
	teamed   bool          // LACP was heard
	foreign  uint8         // addresses of other networks it sent packets of
	lately   [4]netip.Addr
	echo     echo
	client   string
	clientAt int64
	formerly string
	clients  int
	twin     packet.MAC // another MAC with the same name in another zone
	twinAt   int64
	trunk    bool // stood in several VLANs during the learning period
}

// echo is the last claim, to know its copy at another port.
type echo struct {
	at         int64
	kind       ClaimKind
	mac        packet.MAC
	ip, target netip.Addr
	port       string
}

func (e *echo) copies(c *Claim) bool {
	return e.at != 0 && c.At-e.at < echoWithin && e.port != c.Port &&
		e.kind == c.Kind && e.mac == c.MAC && e.ip == c.IP && e.target == c.Target
}

// seat is where a machine is in some sense, and where it was before.
type seat struct {
	here, before string
	at           int64 // when it came here
	beforeAt     int64 // when it was last there
}

// move notes a place and says whether the machine came back to where it was
// within a time: a machine that moves goes once, two machines go to and fro.
func (s *seat) move(to string, at int64, within time.Duration) (back bool) {
	switch {
	case to == "":
	case s.here == "":
		s.here, s.at = to, at
	case s.here != to:
		back = s.before == to && at-s.beforeAt < int64(within)
		s.before, s.beforeAt = s.here, at
		s.here, s.at = to, at
	}
	return back
}

const (
	echoWithin  = int64(50 * time.Millisecond) // two mirrors of one frame
	portsWithin = 3 * time.Second
	feetWithin  = 10 * time.Minute
	manyForeign = 3
	twinSettles = int64(10 * time.Second)
	twinAlive   = int64(10 * time.Second)
)

// machine judges where a MAC speaks; true means that the claim is the copy of
// one just seen at another port.
func (w *Watch) machine(c Claim, emit func(asset.Alarm)) (copied bool) {
	m, _ := w.machines.at(c.Frame)
	if m.echo.copies(&c) {
		if m.echo.port == "" { // now it is known where it came in
			m.echo.port = c.Port
			w.seat(m, c, emit)
		}
		return true
	}
	m.echo, m.at = echo{c.At, c.Kind, c.MAC, c.IP, c.Target, c.Port}, c.At
	if c.Kind == LACP {
		m.teamed = true
		if station(c.MAC) && c.MAC != c.Frame { // the port speaks, the team is meant
			t, _ := w.machines.at(c.MAC)
			t.teamed = true
		}
		return false
	}
	w.seat(m, c, emit)
	if !virtualMAC(c.Frame) && !m.teamed {
		w.feet(m, c, emit)
		w.name(m, c, emit)
	}
	return false
}

// seat judges the port at which a MAC speaks.
func (w *Watch) seat(m *machine, c Claim, emit func(asset.Alarm)) {
	if c.Port == "" || virtualMAC(c.Frame) || m.teamed || w.table.team(c.Frame, c.Frame) {
		return
	}
	for _, b := range w.table.byMAC[c.Frame] {
		if b.sure() && b.Port != "" && b.Port != c.Port && b.fits(c.VLAN) {
			w.alarm(w.against(asset.ClonedMAC, c, c.Frame, c.Frame, WhyPort, b.Binding, b.Port, c.Port), emit)
			return
		}
	}
	was := m.port.here
	if m.port.move(c.Port, c.At, portsWithin) {
		w.alarm(w.against(asset.ClonedMAC, c, c.Frame, c.Frame, WhyTwoPorts, "port", was, c.Port), emit)
	}
}

// feet judges whether a machine stands in two VLANs or zones.
func (w *Watch) feet(m *machine, c Claim, emit func(asset.Alarm)) {
	if m.router || m.trunk || w.table.hasMAC(RoleRouter, c.Frame, 0) {
		return
	}
	vlan := ""
	if c.VLAN != 0 {
		vlan = strconv.Itoa(int(c.VLAN))
	}
	was := m.vlan.here
	if m.vlan.move(vlan, c.At, feetWithin) {
		if w.learning() && len(w.table.byMAC[c.Frame]) == 0 {
			m.trunk = true
			return
		}
		w.alarm(w.against(asset.BridgingHost, c, c.Frame, packet.MAC{}, WhyVLANs, how(c.Kind), was, vlan), emit)
		return
	}
	if c.MAC != c.Frame || c.Kind == Traffic || !usable(c.IP) || c.IP.IsLinkLocalUnicast() {
		return
	}
	was = m.zone.here
	if zone := w.table.zone(c.IP, c.VLAN); m.zone.move(zone, c.At, feetWithin) {
		w.alarm(w.against(asset.BridgingHost, c, c.Frame, packet.MAC{}, WhyZones, how(c.Kind), was, zone), emit)
	}
}

// client is who goes by a name.
type client struct {
	mac packet.MAC
	at  int64
}

// name judges by what a machine calls itself when it asks for an address.
func (w *Watch) name(m *machine, c Claim, emit func(asset.Alarm)) {
	if m.twin != (packet.MAC{}) {
		w.twins(m, c, emit)
	}
	if c.Client == "" || c.Kind != DHCPRequest || c.MAC != c.Frame {
		return
	}
	if m.client != "" && m.client != c.Client {
		// A machine that boots over the network asks twice under two names,
		// but does not go back to the first while it runs.
		if m.formerly == c.Client && c.At-m.clientAt < int64(feetWithin) {
			if m.clients++; m.clients >= 2 {
				w.alarm(w.against(asset.ClonedMAC, c, c.Frame, c.Frame, WhyTwoClients, "dhcp"), emit)
			}
		} else {
			m.clients = 0
		}
		m.formerly, m.clientAt = m.client, c.At
	}
	m.client = strings.Clone(c.Client)
	if plainName(c.Client) {
		return
	}
	k, made := w.clients.at(m.client)
	if !made && k.mac != c.Frame {
		if o := w.machines.peek(k.mac); o != nil && w.apart(o, m) {
			m.twin, m.twinAt = k.mac, c.At
			o.twin, o.twinAt = c.Frame, c.At
		}
	}
	k.mac, k.at = c.Frame, c.At
}

// apart says whether two machines stand in different zones, or VLANs where
// zones are unknown.
func (w *Watch) apart(a, b *machine) bool {
	if a.zone.here != "" && b.zone.here != "" {
		return a.zone.here != b.zone.here
	}
	return a.vlan.here != "" && b.vlan.here != "" && a.vlan.here != b.vlan.here
}

// twins says that both MACs of one name are alive, in two zones.
func (w *Watch) twins(m *machine, c Claim, emit func(asset.Alarm)) {
	o := w.machines.peek(m.twin)
	if o == nil || o.twin != c.Frame || !w.apart(o, m) {
		m.twin = packet.MAC{}
		return
	}
	if c.At-m.twinAt < twinSettles || c.At-o.at > twinAlive {
		return // the other leg may only not have ended yet, or has ended
	}
	one, two := o.zone.here, m.zone.here
	if one == "" || two == "" {
		one, two = o.vlan.here, m.vlan.here
	}
	w.alarm(w.against(asset.BridgingHost, c, c.Frame, m.twin, WhyName, "dhcp", one, two), emit)
}

// plainName says that many machines go by this name.
func plainName(s string) bool {
	s = strings.ToLower(s)
	if len(s) < 4 {
		return true
	}
	return slices.Contains([]string{"localhost", "iphone", "ipad", "android", "macbook", "desktop", "laptop", "raspberrypi", "debian", "ubuntu", "printer", "windows", "espressif"}, s)
}

// own notes that a machine has an address.
func (w *Watch) own(c Claim) {
	if !c.IP.Is4() || c.Kind == Traffic || c.IP.IsLinkLocalUnicast() {
		return
	}
	m, _ := w.machines.at(c.MAC)
	if slices.Contains(m.own[:], c.IP) {
		return
	}
	copy(m.own[1:], m.own[:len(m.own)-1])
	m.own[0] = c.IP
}

// ownsOther says that a machine has an address besides the one of the claim,
// and nobody else has it.
func (w *Watch) ownsOther(mac packet.MAC, c Claim) bool {
	return w.addressOf(mac, c) != netip.Addr{}
}

// addressOf is the address of a machine besides that of the claim.
func (w *Watch) addressOf(mac packet.MAC, c Claim) netip.Addr {
	if m := w.machines.peek(mac); m != nil {
		for _, ip := range m.own {
			if ip == c.IP || !ip.IsValid() {
				continue
			}
			if a := w.addresses.peek(place{ip, c.VLAN}); a == nil || a.owner == mac {
				return ip
			}
		}
	}
	for _, b := range w.table.byMAC[mac] {
		if b.IP.IsValid() && b.IP != c.IP && b.IP.Is4() && b.sure() {
			return b.IP
		}
	}
	return netip.Addr{}
}

func (w *Watch) isRouter(mac packet.MAC) bool {
	m := w.machines.peek(mac)
	return m != nil && m.router
}

// passing judges a packet whose source may be a machine behind the sender; true
// ends it.
func (w *Watch) passing(c Claim, emit func(asset.Alarm)) bool {
	if w.table.hasMAC(RoleRouter, c.Frame, c.VLAN) || virtualMAC(c.Frame) || c.IP.IsLinkLocalUnicast() {
		return true
	}
	m, _ := w.machines.at(c.Frame)
	if m.router {
		return true
	}
	a := w.addresses.peek(place{c.IP, c.VLAN})
	_, bound := w.table.learnt(c.IP, c.VLAN)
	if a != nil && a.owner != (packet.MAC{}) || bound || w.table.lockedAt(c.IP, c.VLAN) {
		return w.manyNets(m) // an address of this network: judged like any other claim
	}
	if !w.beyond(m, c) {
		return true // a packet alone makes nobody an owner: it may have come by a router
	}
	if !slices.Contains(m.lately[:], c.IP) {
		copy(m.lately[1:], m.lately[:len(m.lately)-1])
		m.lately[0] = c.IP
		m.foreign = min(m.foreign+1, 200)
	}
	if m.foreign < manyForeign {
		return true
	}
	if w.table.names(RoleRouter, c.VLAN) || !w.learning() && w.bystander(c) {
		w.alarm(w.against(asset.BridgingHost, c, c.Frame, packet.MAC{}, WhyForwards, "traffic"), emit)
		return true
	}
	m.router = true
	if s, made := w.servers.at(serverKey{role: RoleRouter, vlan: c.VLAN}); made {
		*s = server{mac: c.Frame, at: c.At}
	}
	w.learn(Summary{At: c.At, MAC: c.Frame, IP: w.addressOf(c.Frame, c), VLAN: c.VLAN, Port: c.Port, Role: RoleRouter, How: "traffic"})
	return true
}

// bystander says that another machine is already taken for a router here, or
// people know this one as something else.
func (w *Watch) bystander(c Claim) bool {
	for _, b := range w.table.byMAC[c.Frame] {
		if b.sure() {
			return true
		}
	}
	s := w.servers.peek(serverKey{role: RoleRouter, vlan: c.VLAN})
	return s != nil && s.mac != c.Frame
}

// manyNets says that a machine has addresses of several networks of its own, as
// routers have, whose packets a sensor at both legs sees twice.
func (w *Watch) manyNets(m *machine) bool {
	var first netip.Prefix
	for _, ip := range m.own {
		near, err := ip.Prefix(24)
		switch {
		case err != nil:
		case !first.IsValid():
			first = near
		case near != first:
			return true
		}
	}
	return false
}

// beyond says that an address is of another network than the machine's own, as
// far as that is known.
func (w *Watch) beyond(m *machine, c Claim) bool {
	if c.IP.Is6() {
		return false // a machine has many addresses, and routes are not known
	}
	for _, ip := range m.own {
		if ip.IsValid() {
			if n, ok := w.table.network(ip, c.VLAN); ok && n.Prefix.IsValid() {
				return !n.Prefix.Contains(c.IP)
			}
			near, err := ip.Prefix(24)
			return err == nil && !near.Contains(c.IP)
		}
	}
	return false
}

// moved judges whether a medical device is where it belongs.
func (w *Watch) moved(c Claim, emit func(asset.Alarm)) {
	if c.Kind == Traffic || c.IP.Is6() || c.IP.IsLinkLocalUnicast() {
		return
	}
	for _, b := range w.table.byMAC[c.MAC] {
		if !b.Medical || !b.sure() {
			continue
		}
		if home, here, away := w.away(&b, c); away {
			w.alarm(w.against(asset.MovedDevice, c, c.MAC, packet.MAC{}, WhyMoved, b.Binding, home, here), emit)
		}
		return
	}
}

// away compares where a device is bound with where it speaks.
func (w *Watch) away(b *bound, c Claim) (home, here string, away bool) {
	if b.VLAN != 0 && c.VLAN != 0 && b.VLAN != c.VLAN {
		return "VLAN " + strconv.Itoa(int(b.VLAN)), "VLAN " + strconv.Itoa(int(c.VLAN)), true
	}
	if !b.IP.Is4() || !c.IP.Is4() {
		return "", "", false
	}
	if n, ok := w.table.network(b.IP, b.VLAN); ok && n.Prefix.IsValid() {
		o, _ := w.table.network(c.IP, c.VLAN)
		return n.Prefix.String(), netName(o, c.IP), !n.Prefix.Contains(c.IP)
	}
	near, err := b.IP.Prefix(24)
	return netName(Network{}, b.IP), netName(Network{}, c.IP), err == nil && !near.Contains(c.IP)
}

func netName(n Network, ip netip.Addr) string {
	if n.Prefix.IsValid() {
		return n.Prefix.String()
	}
	near, _ := ip.Prefix(24)
	return near.String()
}
