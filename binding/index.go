package binding

import (
	"net/netip"
	"slices"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// index answers what a table says. It does not change.
type index struct {
	byIP   map[netip.Addr][]bound
	byMAC  map[packet.MAC][]bound
	nets   []Network // the narrowest first
	locked bool      // some network is
	known  []known
}

type bound struct {
	Entry
	mac packet.MAC
}

type known struct {
	Known
	mac, also packet.MAC
}

func newIndex(t Table) *index {
	x := &index{byIP: map[netip.Addr][]bound{}, byMAC: map[packet.MAC][]bound{}}
	for _, e := range t.Entries {
		b := bound{e, asset.ParseMAC(e.MAC)}
		if b.IP = b.IP.Unmap(); b.mac == (packet.MAC{}) || b.State == Ended {
			continue
		}
		x.byMAC[b.mac] = append(x.byMAC[b.mac], b)
		if b.IP.IsValid() {
			x.byIP[b.IP] = append(x.byIP[b.IP], b)
		}
	}
	for _, k := range t.Known {
		k.IP = k.IP.Unmap()
		x.known = append(x.known, known{k, asset.ParseMAC(k.MAC), asset.ParseMAC(k.Also)})
	}
	x.nets = slices.Clone(t.Networks)
	slices.SortStableFunc(x.nets, func(a, b Network) int { return b.Prefix.Bits() - a.Prefix.Bits() })
	x.locked = slices.ContainsFunc(x.nets, func(n Network) bool { return n.Locked })
	return x
}

// sure says that a person stands behind it.
func (b *bound) sure() bool { return b.State == Bound || b.State == Locked }

// fits says whether an entry is about a VLAN; 0 is unknown on either side.
func (b *bound) fits(vlan uint16) bool { return b.VLAN == 0 || vlan == 0 || b.VLAN == vlan }

// pair finds the entry of exactly this pair.
func (x *index) pair(ip netip.Addr, mac packet.MAC, vlan uint16) (bound, bool) {
	for _, b := range x.byIP[ip] {
		if b.mac == mac && b.fits(vlan) {
			return b, true
		}
	}
	return bound{}, false
}

// owner finds whom people bound an address to.
func (x *index) owner(ip netip.Addr, vlan uint16) (bound, bool) {
	for _, b := range x.byIP[ip] {
		if b.sure() && !b.Dynamic && b.fits(vlan) {
			return b, true
		}
	}
	return bound{}, false
}

// learnt finds who is thought to have an address.
func (x *index) learnt(ip netip.Addr, vlan uint16) (bound, bool) {
	for _, b := range x.byIP[ip] {
		if b.fits(vlan) {
			return b, true
		}
	}
	return bound{}, false
}

// network finds the narrowest network with an address.
func (x *index) network(ip netip.Addr, vlan uint16) (Network, bool) {
	for _, n := range x.nets {
		if n.Contains(ip, vlan) {
			return n, true
		}
	}
	return Network{}, false
}

// lockedAt says whether an address stands in a locked network.
func (x *index) lockedAt(ip netip.Addr, vlan uint16) bool {
	return x.locked && slices.ContainsFunc(x.nets, func(n Network) bool { return n.Locked && n.Contains(ip, vlan) })
}

// zone names the zone or network of an address, "" unknown.
func (x *index) zone(ip netip.Addr, vlan uint16) string {
	for _, n := range x.nets {
		if n.Zone != "" && n.Contains(ip, vlan) {
			return n.Zone
		}
	}
	return ""
}

// has says whether the table gives a machine a role.
func (x *index) has(role Role, mac packet.MAC, ip netip.Addr, vlan uint16) bool {
	return slices.ContainsFunc(x.known, func(k known) bool {
		return k.Role == role && k.at(vlan) && (k.MAC == "" || k.mac == mac) && (!k.IP.IsValid() || k.IP == ip) && (k.MAC != "" || k.IP.IsValid())
	})
}

// names says whether the table gives anybody this role in a VLAN.
func (x *index) names(role Role, vlan uint16) bool {
	return slices.ContainsFunc(x.known, func(k known) bool { return k.Role == role && k.State == Bound && k.at(vlan) })
}

// hasMAC says whether people gave a MAC a role, whatever its address.
func (x *index) hasMAC(role Role, mac packet.MAC, vlan uint16) bool {
	return slices.ContainsFunc(x.known, func(k known) bool {
		return k.Role == role && k.State == Bound && k.at(vlan) && k.MAC != "" && k.mac == mac
	})
}

// virtual says whether an address may be at this MAC as well. Without a MAC it
// may be anywhere.
func (x *index) virtual(ip netip.Addr, mac packet.MAC, vlan uint16) bool {
	return slices.ContainsFunc(x.known, func(k known) bool {
		return k.Role == RoleVirtual && k.State == Bound && k.IP == ip && k.at(vlan) && (k.MAC == "" || k.mac == mac)
	})
}

// team says whether two MACs are of one machine; of one MAC, whether it may be
// at several ports.
func (x *index) team(a, b packet.MAC) bool {
	return slices.ContainsFunc(x.known, func(k known) bool {
		if k.Role != RoleTeam || k.State != Bound {
			return false
		}
		return k.mac == a && (k.also == b || a == b) || k.mac == b && k.also == a
	})
}

func (k *known) at(vlan uint16) bool { return k.VLAN == 0 || vlan == 0 || k.VLAN == vlan }
