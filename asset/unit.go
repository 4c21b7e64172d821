package asset

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/internal/packet"
)

// What one unit keeps at most; what is oldest goes first, and the device says
// that something is missing.
const (
	mostFacts     = 240
	mostOfAName   = 48
	mostAddresses = 64
	mostSensors   = 8
	mostValue     = 512
)

// unit is one network card, or one address where no card is known. A device is
// one unit, or several that belong together.
type unit struct {
	ID    string     `json:"id"`
	MAC   string     `json:"mac,omitempty"`
	IP    string     `json:"ip,omitempty"` // of units that are known by address only
	First int64      `json:"first"`
	Last  int64      `json:"last"`
	Facts []unitFact `json:"facts,omitempty"`
	// Addresses, newest first.
	Addresses []unitAddress `json:"addresses,omitempty"`
	Sensors   []string      `json:"sensors,omitempty"`
	// Into is the unit it belongs to, by the evidence of Why, a fact.
	Into string `json:"into,omitempty"`
	Why  Fact   `json:"why,omitzero"`
	// Router says that packets of others come from its address.
	Router bool `json:"router,omitempty"`
	// Carried are addresses whose packets come from it though it did not claim
	// them, as far as is needed to know a router.
	Carried []netip.Addr `json:"carried,omitempty"`
	Cut     bool         `json:"cut,omitempty"`
	// Told says that it was announced as new, or needs not to be.
	Told bool `json:"told,omitempty"`
	// Alarms are those raised for it, by kind and what about, with their time.
	Alarms map[string]int64 `json:"alarms,omitempty"`

	mac   packet.MAC
	ip    netip.Addr
	saved int64 // Last as it was last written
}

// unitFact is a fact of a unit. From is the address it was seen with, where it
// might be that of a device behind a router.
type unitFact struct {
	KnownFact
	From netip.Addr `json:"from,omitzero"`
	hits []uint16
}

// unitAddress is an address of a unit; Own says that the unit itself said so
// on its own cable.
type unitAddress struct {
	Address
	Own bool `json:"own,omitempty"`
	ip  netip.Addr
}

func (u *unit) wake(k *Knowledge) {
	u.mac, u.ip, u.saved = ParseMAC(u.MAC), ParseAddr(u.IP), u.Last
	for i := range u.Addresses {
		u.Addresses[i].ip = ParseAddr(u.Addresses[i].IP)
	}
	for i := range u.Facts {
		u.Facts[i].hits = k.hits(u.Facts[i].Fact)
	}
}

// touch notes that the unit was seen.
func (u *unit) touch(at int64, sensor string) {
	u.First, u.Last = min(u.First, at), max(u.Last, at)
	if sensor != "" && !slices.Contains(u.Sensors, sensor) && len(u.Sensors) < mostSensors {
		u.Sensors = append(u.Sensors, sensor)
		slices.Sort(u.Sensors)
	}
}

// learn notes a fact; true says that it is new.
func (u *unit) learn(k *Knowledge, f Fact, protocol string, from netip.Addr, at int64) bool {
	same := 0
	for i := range u.Facts {
		x := &u.Facts[i]
		if x.Name != f.Name {
			continue
		}
		if x.Value == f.Value && x.From == from {
			x.First, x.Last, x.Times = min(x.First, at), max(x.Last, at), x.Times+1
			return false
		}
		same++
	}
	if same >= mostOfAName {
		u.forget(func(x *unitFact) bool { return x.Name == f.Name })
	}
	if len(u.Facts) >= mostFacts {
		u.forget(func(*unitFact) bool { return true })
	}
	u.Facts = append(u.Facts, unitFact{KnownFact: KnownFact{Fact: f, Protocol: protocol, First: at, Last: at, Times: 1}, From: from, hits: k.hits(f)})
	return true
}

// forget drops the fact of a sort that was not seen for the longest time.
func (u *unit) forget(of func(*unitFact) bool) {
	oldest := -1
	for i := range u.Facts {
		if of(&u.Facts[i]) && (oldest < 0 || u.Facts[i].Last < u.Facts[oldest].Last) {
			oldest = i
		}
	}
	if oldest >= 0 {
		u.Facts = slices.Delete(u.Facts, oldest, oldest+1)
		u.Cut = true
	}
}

// uses notes an address; true says that it is new.
func (u *unit) uses(a unitAddress) bool {
	for i := range u.Addresses {
		x := &u.Addresses[i]
		if x.ip != a.ip || x.VLAN != a.VLAN || x.MAC != a.MAC {
			continue
		}
		x.First, x.Last = min(x.First, a.First), max(x.Last, a.Last)
		if a.Own && !x.Own {
			x.Own, x.By = true, a.By
		}
		for ; i > 0 && u.Addresses[i-1].Last < u.Addresses[i].Last; i-- {
			u.Addresses[i-1], u.Addresses[i] = u.Addresses[i], u.Addresses[i-1]
		}
		return false
	}
	at := slices.IndexFunc(u.Addresses, func(x unitAddress) bool { return x.Last <= a.Last })
	if at < 0 {
		at = len(u.Addresses)
	}
	u.Addresses = slices.Insert(u.Addresses, at, a)
	if len(u.Addresses) > mostAddresses {
		u.Addresses, u.Cut = u.Addresses[:mostAddresses], true
	}
	return true
}

// owns says that the unit itself claimed an address on its cable.
func (u *unit) owns(ip netip.Addr) bool {
	return slices.ContainsFunc(u.Addresses, func(a unitAddress) bool { return a.Own && a.ip == ip })
}

// ownsOther says that it claimed another address of the same family.
func (u *unit) ownsOther(ip netip.Addr) bool {
	return slices.ContainsFunc(u.Addresses, func(a unitAddress) bool {
		return a.Own && a.ip != ip && a.ip.Is4() == ip.Is4() && !a.ip.IsLinkLocalUnicast()
	})
}

// claimedSince counts the addresses that it claimed lately.
func (u *unit) claimedSince(at int64) (n int) {
	for _, a := range u.Addresses {
		if a.Own && a.ip.Is4() && a.Last >= at {
			n++
		}
	}
	return n
}

// networkOf is the usual network of an address: /24 or /64.
func networkOf(ip netip.Addr) netip.Prefix {
	bits := 64
	if ip.Is4() {
		bits = 24
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// values are the values of a fact.
func (u *unit) values(name FactName) []string {
	var out []string
	for i := range u.Facts {
		if u.Facts[i].Name == name && !slices.Contains(out, u.Facts[i].Value) {
			out = append(out, u.Facts[i].Value)
		}
	}
	return out
}

// contradicts says that facts are of another device than the unit's: one of
// those that a device keeps differs, or its name together with what it is.
func (u *unit) contradicts(facts []Fact) bool {
	differs := func(name FactName) bool {
		old := u.values(name)
		if len(old) == 0 {
			return false
		}
		seen := false
		for _, f := range facts {
			if f.Name == name {
				if seen = true; slices.ContainsFunc(old, func(v string) bool { return strings.EqualFold(v, f.Value) }) {
					return false
				}
			}
		}
		return seen
	}
	if differs(FactSerial) || differs(FactClientID) || differs(FactChassis) {
		return true
	}
	return differs(FactHostname) && (differs(FactModel) || differs(FactOS) || differs(FactImplUID) || differs(FactVendorClass))
}

// raise notes an alarm; false says that it was raised before.
func (u *unit) raise(kind AlarmKind, about string, at int64) bool {
	key := string(kind) + " " + about
	if _, ok := u.Alarms[key]; ok {
		return false
	}
	const mostAlarms = 500
	if u.Alarms == nil {
		u.Alarms = map[string]int64{}
	}
	if len(u.Alarms) >= mostAlarms {
		return false
	}
	u.Alarms[key] = at
	return true
}
