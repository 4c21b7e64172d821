package node

import (
	"cmp"
	"strings"

	"github.com/cordon-health/cordon/asset"
)

// strays says whether a device that somebody of the hospital answers for joined
// a network for guests: by air, as a station of one, or by taking a lease in a
// guest zone. A gateway has neither, so its feet there are no alarm; nor is what
// a person bound to an address among guests. A device that makes up a new MAC
// for each network cannot be known.
func (x *network) strays(o *asset.Observation) (a asset.Alarm, wrong bool) {
	joined := x.joinedGuests(o)
	mac := asset.MACText(o.MAC)
	if joined == "" || mac == "" {
		return a, false
	}
	whose := ""
	bound := x.bindings.Answered(mac)
	for _, b := range bound {
		if x.guest(asset.ParseAddr(b.IP)) {
			return a, false
		}
		whose = cmp.Or(whose, b.Department, b.Person)
	}
	if d, ok := x.assets.ByAddress(mac, 0); ok {
		whose = cmp.Or(whose, d.Department, d.Owner)
		if len(bound) > 0 && d.What.Medical {
			whose = cmp.Or(whose, d.What.Kind)
		}
	}
	if whose == "" {
		return a, false
	}
	return asset.Alarm{
		Kind: asset.StaffOnGuest, At: o.At, Culprit: asset.Party{MAC: o.MAC, IP: o.IP}, VLAN: o.VLAN,
		Args: []string{whose, joined}, Count: 1,
	}, true
}

// joinedGuests is the network for guests that an observation has a device join,
// "" for none.
func (x *network) joinedGuests(o *asset.Observation) string {
	for _, f := range o.Facts {
		switch f.Name {
		case asset.FactGuest:
			return f.Value
		case asset.FactRole:
			return "" // a server or router there serves the guests
		}
	}
	if strings.HasPrefix(o.Protocol, "dhcp") && o.IP.IsValid() && x.guest(o.IP) {
		return x.networkOf(o.IP)
	}
	return ""
}
