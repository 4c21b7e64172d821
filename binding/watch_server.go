package binding

import (
	"net/netip"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// serverKey is who plays a role: a DHCP server by its address, a router by its.
type serverKey struct {
	role Role
	ip   netip.Addr
	vlan uint16
}

// server is one that was heard and is taken for right until somebody says
// otherwise.
type server struct {
	mac    packet.MAC
	prefix netip.Prefix
	at     int64
}

// offer judges who leases, and follows the leases of those who may.
func (w *Watch) offer(c Claim, emit func(asset.Alarm)) {
	ip := c.Server
	if !ip.IsValid() {
		ip = c.Target
	}
	if why, victim := w.wrongServer(RoleDHCP, ip, c); why != "" {
		al := w.against(asset.RogueDHCP, c, c.Frame, victim.mac, why)
		al.Culprit.IP, al.Victim.IP = ip, netip.Addr{}
		if why != WhyUnknown {
			al.Victim.IP = victim.ip
		}
		w.alarm(al, emit)
		return
	}
	if (c.Kind != DHCPAck && c.Kind != DHCPv6Reply) || !usable(c.IP) || !station(c.MAC) {
		return
	}
	w.leased(c, ip)
}

// leased gives an address to whom the server gave it.
func (w *Watch) leased(c Claim, server netip.Addr) {
	a, _ := w.place(&c)
	a.lease, a.leaseEnd = c.MAC, c.At+noLease
	if c.Lease != 0 {
		a.leaseEnd = c.At + int64(c.Lease)*1e9
	}
	told := a.owner == c.MAC && a.toldAt != 0 && c.At-a.toldAt < tellEvery
	if a.owner != c.MAC {
		w.hand(a, c.MAC, c.At)
	}
	if a.last != c.MAC {
		a.last = c.MAC
	}
	own := c
	own.Kind = DHCPAck
	w.own(own)
	if told {
		return
	}
	a.toldAt = c.At
	w.learn(Summary{At: c.At, MAC: c.MAC, IP: c.IP, VLAN: c.VLAN, How: "dhcp", Server: server, Until: a.leaseEnd})
}

// wants notes who asked for an address.
func (w *Watch) wants(c Claim, emit func(asset.Alarm)) {
	if !usable(c.IP) || !station(c.MAC) {
		return
	}
	a, _ := w.place(&c)
	a.wanted, a.wantedAt = c.MAC, c.At
	w.moved(c, emit)
}

// router judges who says that the way out leads through them.
func (w *Watch) router(c Claim, emit func(asset.Alarm)) {
	if why, victim := w.wrongServer(RoleRouter, c.IP, c); why != "" {
		al := w.against(asset.RogueRA, c, c.Frame, victim.mac, why)
		al.Culprit.IP, al.Victim.IP = c.IP, netip.Addr{}
		if why != WhyUnknown {
			al.Victim.IP = victim.ip
		}
		if c.Prefix.IsValid() {
			al.Network = c.Prefix.String()
		}
		w.alarm(al, emit)
		return
	}
	m, _ := w.machines.at(c.Frame)
	m.router = true
}

// other is the server that one is at odds with.
type other struct {
	mac packet.MAC
	ip  netip.Addr
}

// wrongServer says why a machine may not play a role, "" where it may. Where
// nobody has said who may, the first one heard in a VLAN is believed, and the
// book asks people.
func (w *Watch) wrongServer(role Role, ip netip.Addr, c Claim) (string, other) {
	mac := c.Frame
	if w.table.has(role, mac, ip, c.VLAN) {
		return "", other{}
	}
	relayed := role == RoleDHCP && (w.table.hasMAC(RoleRouter, mac, c.VLAN) || w.isRouter(mac) || virtualMAC(mac))
	for i := range w.table.known {
		k := &w.table.known[i]
		if k.Role != role || !k.at(c.VLAN) || !k.IP.IsValid() || k.IP != ip {
			continue
		}
		if relayed {
			return "", other{}
		}
		return WhyImitates, other{k.mac, k.IP}
	}
	if w.table.names(role, c.VLAN) {
		return WhyUnknown, other{}
	}
	return w.firstServer(role, ip, c, relayed)
}

func (w *Watch) firstServer(role Role, ip netip.Addr, c Claim, relayed bool) (string, other) {
	key := serverKey{role, ip, c.VLAN}
	if s := w.servers.get(key); s != nil {
		if s.mac == c.Frame || relayed || virtualMAC(c.Frame) {
			s.at = c.At
			return "", other{}
		}
		return WhyImitates, other{s.mac, ip}
	}
	if rival, ok := w.rivalServer(role, ip, c); ok && !relayed {
		return WhySecond, rival
	}
	s, _ := w.servers.at(key)
	*s = server{c.Frame, c.Prefix, c.At}
	w.learn(Summary{At: c.At, MAC: c.Frame, IP: ip, VLAN: c.VLAN, Port: c.Port, Role: role, How: how(c.Kind)})
	return "", other{}
}

// rivalServer finds another server of this VLAN. Routers that announce the same
// network are one another's reserve; so are addresses of IPv4 and IPv6.
func (w *Watch) rivalServer(role Role, ip netip.Addr, c Claim) (other, bool) {
	var found other
	ok := false
	w.servers.each(func(k serverKey, s *server) {
		if !k.ip.IsValid() || k.role != role || k.vlan != c.VLAN || k.ip.Is4() != ip.Is4() || s.mac == c.Frame {
			return
		}
		if role == RoleRouter && (s.prefix == c.Prefix || !c.Prefix.IsValid()) {
			return
		}
		found, ok = other{s.mac, k.ip}, true
	})
	return found, ok
}

// speaks notes who speaks for a virtual address.
func (w *Watch) speaks(c Claim) {
	for _, mac := range [2]packet.MAC{c.MAC, c.Frame} {
		if station(mac) {
			m, _ := w.machines.at(mac)
			m.router = true
		}
	}
	if !usable(c.IP) {
		return
	}
	a, _ := w.place(&c)
	a.join(c.Frame)
	a.join(c.MAC)
}

// denied turns what a guard dropped into the alarm that it is. The rule's last
// word says what it was.
func (w *Watch) denied(c Claim, emit func(asset.Alarm)) {
	rule := strings.ToLower(c.Rule)
	kind := asset.UnboundAddress
	switch rule[strings.LastIndexByte(rule, '-')+1:] {
	case "arp":
		kind = asset.ARPSpoof
	case "na", "nd":
		kind = asset.NDPSpoof
	case "dhcp":
		kind = asset.RogueDHCP
	case "ra":
		kind = asset.RogueRA
	case "mac":
		kind = asset.ClonedMAC
	case "tag": // two VLAN tags: out of one VLAN into another
		kind = asset.BridgingHost
	}
	al := w.against(kind, c, c.Frame, packet.MAC{}, WhyDropped, c.Rule)
	if b, ok := w.table.owner(c.IP, c.VLAN); ok && b.mac != c.Frame {
		al.Victim.MAC = b.mac
	}
	w.alarm(al, emit)
}
