package asset

import (
	"cmp"
	"slices"
	"strings"
)

// Use is that a device had an address for a time.
type Use struct {
	Device, Name string
	Address
}

// Had lists who had an address, MAC or IP, at a time in ms, 0 for at any; the
// newest first.
func (b *Book) Had(text string, at int64) []Use {
	b.mu.Lock()
	defer b.mu.Unlock()
	mac, ip := MACText(ParseMAC(text)), ParseAddr(text)
	var ids []string
	if u := b.byMAC[mac]; mac != "" && u != nil {
		ids = append(ids, u.ID)
	}
	if ip.IsValid() {
		ids = append(ids, b.byIP[ip]...)
	}
	var out []Use
	for _, id := range ids {
		u := b.units[id]
		if u == nil {
			continue
		}
		d := b.device(b.leader(u), false)
		for _, a := range u.Addresses {
			if (mac != "" || a.ip == ip) && (at == 0 || a.First <= at && at <= a.Last) {
				out = append(out, Use{d.ID, d.Name, a.Address})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y Use) int { return cmp.Or(cmp.Compare(y.Last, x.Last), strings.Compare(x.Device, y.Device)) })
	return out
}

// Lifelines are the addresses that devices of life support have, or had since
// (ms): also those which somebody else uses now.
func (b *Book) Lifelines(since int64) (out []Address) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, w := range b.words {
		u := b.units[id]
		if u == nil || w.get(fieldLifeSupport) != "yes" {
			continue
		}
		for _, part := range b.group(b.leader(u)) {
			if part.MAC != "" {
				out = append(out, Address{MAC: part.MAC, First: part.First, Last: part.Last})
			}
			for _, a := range part.Addresses {
				if a.Last >= since || a.Last == part.Addresses[0].Last { // the last it had, however long ago
					out = append(out, a.Address)
				}
			}
		}
	}
	return out
}

// Told is a fact of a device.
type Told struct {
	Device string
	KnownFact
}

// Facts lists all devices' facts of a kind, by device.
func (b *Book) Facts(name FactName) []Told {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var out []Told
	for _, u := range b.units {
		lead := b.leader(u).ID
		for i := range u.Facts {
			if u.Facts[i].Name == name {
				out = append(out, Told{lead, u.Facts[i].KnownFact})
			}
		}
	}
	slices.SortFunc(out, func(x, y Told) int {
		return cmp.Or(strings.Compare(x.Device, y.Device), strings.Compare(x.Value, y.Value), cmp.Compare(x.First, y.First))
	})
	return out
}
