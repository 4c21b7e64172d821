package node

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/zone"
)

const (
	// lifelineMemory is how long an address stays that of a device of life
	// support which has another now.
	lifelineMemory = 30 * 24 * time.Hour
	// borrowed is how long after its last use an address counts as a device's.
	borrowed = 24 * time.Hour
)

// spared says who is never cut off, whoever has the address now: life support,
// this server, and what zone.never lists.
func (n *Node) spared() func(zone.Isolation) error {
	listed, err := n.cfg.Zone.Spared()
	return func(i zone.Isolation) error {
		switch {
		case err != nil:
			return err // the configuration was checked before anything started
		case n.lifeline(i):
			return zone.ErrLifeSupport
		case listed(i), ownAddress(i.IP):
			return zone.ErrNeeded
		}
		return nil
	}
}

func (n *Node) lifeline(i zone.Isolation) bool {
	ip, mac := asset.AddrText(i.IP.Unmap()), asset.MACText(i.MAC)
	return slices.ContainsFunc(n.lifelines(), func(a asset.Address) bool {
		return ip != "" && a.IP == ip || mac != "" && a.MAC == mac
	})
}

// lifelines are the addresses of life support, also those lent to others.
func (n *Node) lifelines() []asset.Address {
	return n.network.assets.Lifelines(n.now().Add(-lifelineMemory).UnixMilli())
}

// ownAddress says that this machine has an address.
func ownAddress(ip netip.Addr) bool {
	if !ip.IsValid() {
		return false
	}
	list, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(list, func(a net.Addr) bool {
		p, ok := a.(*net.IPNet)
		return ok && p.IP.Equal(ip.AsSlice())
	})
}

// shared says that another device used an address lately.
func (x *network) shared(a netip.Addr, device string) bool {
	uses := x.assets.Had(asset.AddrText(a), 0)
	return len(uses) > 0 && slices.ContainsFunc(uses, func(u asset.Use) bool {
		return u.Device != device && uses[0].Last-u.Last <= borrowed.Milliseconds()
	})
}
