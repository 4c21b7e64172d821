package asset

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Apply takes in what a sensor saw, and returns what is wrong with it. The
// device is listed when it returns.
func (b *Book) Apply(o Observation) []Alarm {
	at := o.At / int64(time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.began == 0 || at < b.began {
		b.began = at
	}
	b.latest = max(b.latest, at)
	s := sight{Observation: o, at: at, local: localProtocol(o.Protocol)}
	s.IP = usable(o.IP)
	u := b.find(&s)
	if u == nil {
		return nil
	}
	return append(b.note(u, &s), b.announce(at)...)
}

// sight is an observation on its way into the book.
type sight struct {
	Observation
	at    int64 // ms
	local bool  // a protocol that never passes a router
}

// localProtocol says that packets of a protocol come from the device itself,
// because no router passes them on.
func localProtocol(name string) bool {
	switch name {
	case "arp", "ndp", "dhcp", "dhcpv6", "lldp", "cdp", "mdns", "ssdp", "nbns", "stp", "lacp", "eapol", "import":
		return true
	}
	return false
}

// claims says that a protocol is a device's word about its own address.
func claims(name string) bool {
	return name == "arp" || name == "ndp" || name == "dhcp" || name == "dhcpv6" || name == "import"
}

// usable is an address that may be a device's own; invalid for others.
func usable(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}
	}
	return ip
}

// ownFor is how long a claim of an address tells whose packets with that
// address are, whatever card a router sends them from.
const ownFor = int64(24 * time.Hour / time.Millisecond)

// find finds or makes the unit that an observation is about.
func (b *Book) find(s *sight) *unit {
	if MACText(s.MAC) == "" || group(s.MAC) {
		return b.behind(s)
	}
	u := b.card(s)
	switch {
	case !s.IP.IsValid(), s.IP.IsLinkLocalUnicast():
		return u
	case s.local:
		return b.claimed(u, s)
	case u.owns(s.IP):
		return u
	}
	b.carry(u, s)
	if id := b.owners[s.IP]; id != "" && id != u.ID {
		if owner := b.units[id]; owner != nil && s.at-owner.lastUse(s.IP) <= ownFor {
			return owner
		}
	}
	if virtual(s.MAC) != "" || u.Router || u.ownsOther(s.IP) {
		return b.behind(s)
	}
	return u
}

// carry notes that packets with an address come from a card that did not claim
// it, and works out whether it is a router's.
func (b *Book) carry(u *unit, s *sight) {
	const mostCarried = 16 // enough to know a router by
	if !slices.Contains(u.Carried, s.IP) && len(u.Carried) < mostCarried {
		u.Carried = append(u.Carried, s.IP)
		b.mark(u)
	}
	b.weigh(u, s)
}

// weigh says that a card is a router's while packets of several networks, or
// of very many addresses, come from it which it did not claim itself.
func (b *Book) weigh(u *unit, s *sight) {
	const most4, most6, mostOf = 1, 2, 8
	four, six, all := map[netip.Prefix]bool{}, map[netip.Prefix]bool{}, 0
	for _, ip := range u.Carried {
		switch {
		case u.owns(ip):
			continue
		case ip.Is4():
			four[networkOf(ip)] = true
			all++
		default: // a machine has several networks of its own, but few
			six[networkOf(ip)] = true
		}
	}
	carries := len(four) > most4 || len(six) > most6 || all > mostOf
	byAddress := func(f unitFact) bool { return f.Name == FactRole && f.Protocol == "addresses" }
	if has := slices.ContainsFunc(u.Facts, byAddress); carries && !has {
		b.route(u, s)
	} else if has && !carries {
		u.Router = false
		u.Facts = slices.DeleteFunc(u.Facts, byAddress)
		b.mark(u)
	}
}

func (u *unit) lastUse(ip netip.Addr) int64 {
	for _, a := range u.Addresses {
		if a.ip == ip {
			return a.Last
		}
	}
	return 0
}

// card is the unit of a network card.
func (b *Book) card(s *sight) *unit {
	text := MACText(s.MAC)
	if u := b.byMAC[text]; u != nil {
		return u
	}
	u := b.make("m-"+strings.ReplaceAll(text, ":", ""), s.at)
	u.MAC, u.mac = text, s.MAC
	b.byMAC[text] = u
	if maker := b.know.Maker(s.MAC); maker != "" {
		u.learn(b.know, Fact{FactMaker, maker}, "ieee", netip.Addr{}, s.at)
	}
	if v := virtual(s.MAC); v != "" {
		u.learn(b.know, Fact{FactRole, "virtual-router"}, strings.ToLower(v), netip.Addr{}, s.at)
	}
	return u
}

// claimed handles the word of a device about its own address. A router that
// answers for others (proxy ARP) does not own what it answers for.
func (b *Book) claimed(u *unit, s *sight) *unit {
	const proxies = 32 // more addresses than a machine has
	if !claims(s.Protocol) {
		return u
	}
	if !u.owns(s.IP) && s.Protocol == "arp" && u.claimedSince(s.at-ownFor) >= proxies {
		u.Router = true
		return b.behind(s)
	}
	b.owners[s.IP] = u.ID
	if slices.Contains(u.Carried, s.IP) {
		u.Carried = slices.DeleteFunc(u.Carried, func(ip netip.Addr) bool { return ip == s.IP })
		b.weigh(u, s)
	}
	// What was known by this address alone is this card, unless it is not.
	if v := b.units[b.current[s.IP]]; v != nil && v.Into == "" && !v.contradicts(factsOf(u)) && s.at-v.Last <= ownFor {
		b.join(v, u, Fact{FactAddress, s.IP.String()})
	}
	return u
}

// FactAddress is the reason of a unit known by its address that turned out to
// be a network card.
const FactAddress FactName = "address"

func factsOf(u *unit) []Fact {
	out := make([]Fact, len(u.Facts))
	for i := range u.Facts {
		out[i] = u.Facts[i].Fact
	}
	return out
}

// behind is the unit known by its address only. An address stays with its
// device unless what is said with it contradicts.
func (b *Book) behind(s *sight) *unit {
	if !s.IP.IsValid() || s.IP.IsLinkLocalUnicast() {
		return nil // nothing to know it by
	}
	if MACText(s.MAC) == "" || group(s.MAC) {
		if owner := b.units[b.owners[s.IP]]; owner != nil && s.at-owner.lastUse(s.IP) <= ownFor {
			return owner
		}
	}
	u := b.units[b.current[s.IP]]
	if u != nil && !u.contradicts(s.Facts) {
		return u
	}
	id := "i-" + strings.NewReplacer(".", "-", ":", "-").Replace(s.IP.String())
	for n := 2; b.units[id] != nil; n++ {
		id = "i-" + strings.NewReplacer(".", "-", ":", "-").Replace(s.IP.String()) + "_" + strconv.Itoa(n)
	}
	u = b.make(id, s.at)
	u.IP, u.ip = s.IP.String(), s.IP
	b.current[s.IP] = id
	return u
}

// route takes away from a card what was said with addresses it only passed on.
func (b *Book) route(u *unit, s *sight) {
	u.Router = true
	u.learn(b.know, Fact{FactRole, "router"}, "addresses", netip.Addr{}, s.at)
	moved := map[netip.Addr]bool{}
	u.Addresses = slices.DeleteFunc(u.Addresses, func(a unitAddress) bool {
		if a.Own || !a.ip.IsValid() || a.ip.IsLinkLocalUnicast() {
			return false
		}
		moved[a.ip] = true
		v := b.behind(&sight{Observation: Observation{IP: a.ip}, at: a.First})
		if v != nil && v != u {
			a.MAC = ""
			v.uses(a)
			b.byIP[a.ip] = appendNew(b.byIP[a.ip], v.ID)
			v.touch(a.First, s.Sensor)
			v.touch(a.Last, s.Sensor)
			b.mark(v)
		}
		return true
	})
	u.Facts = slices.DeleteFunc(u.Facts, func(f unitFact) bool {
		v := b.units[b.current[f.From]]
		if !moved[f.From] || v == nil {
			return false
		}
		f.From = netip.Addr{}
		v.Facts = append(v.Facts, f)
		return true
	})
	b.mark(u)
}

func (b *Book) make(id string, at int64) *unit {
	b.shrink()
	u := &unit{ID: id, First: at, Last: at, saved: -1}
	b.units[id] = u
	b.fresh = append(b.fresh, id)
	b.mark(u)
	return u
}

// mark says that a unit is to be written and judged again.
func (b *Book) mark(u *unit) {
	b.dirty[u.ID] = true
	delete(b.classes, b.leader(u).ID)
}

// shrink makes room when there are too many units: a tenth of them goes, those
// first whose address was made up and of which nobody said anything, then
// those not seen for the longest time.
func (b *Book) shrink() {
	if len(b.units) < b.opts.Most {
		return
	}
	var list []*unit
	for _, u := range b.units {
		if b.words[u.ID] == nil && len(b.members[u.ID]) == 0 {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(x, y *unit) int {
		if p, q := private(x.mac) || x.MAC == "", private(y.mac) || y.MAC == ""; p != q {
			if p {
				return -1
			}
			return 1
		}
		if x.Last != y.Last {
			return int(min(max(x.Last-y.Last, -1), 1))
		}
		return strings.Compare(x.ID, y.ID)
	})
	for _, u := range list[:min(len(list), max(b.opts.Most/10, 1))] {
		b.drop(u)
	}
}

func (b *Book) drop(u *unit) {
	b.dropped++
	b.mark(u)
	delete(b.units, u.ID)
	delete(b.byMAC, u.MAC)
	for _, a := range u.Addresses {
		b.byIP[a.ip] = slices.DeleteFunc(b.byIP[a.ip], func(id string) bool { return id == u.ID })
		if len(b.byIP[a.ip]) == 0 {
			delete(b.byIP, a.ip)
		}
		if b.owners[a.ip] == u.ID {
			delete(b.owners, a.ip)
		}
	}
	if b.current[u.ip] == u.ID {
		delete(b.current, u.ip)
	}
	for _, f := range u.Facts {
		if key := strongKey(u, f.Fact); b.strong[key] == u.ID {
			delete(b.strong, key)
		}
	}
	if u.Into != "" {
		b.members[u.Into] = slices.DeleteFunc(b.members[u.Into], func(id string) bool { return id == u.ID })
	}
	b.fresh = slices.DeleteFunc(b.fresh, func(id string) bool { return id == u.ID })
}

// note writes an observation down at its unit.
func (b *Book) note(u *unit, s *sight) (alarms []Alarm) {
	before := u.Last
	u.touch(s.at, s.Sensor)
	changed := b.address(u, s, &alarms)
	from := netip.Addr{}
	if !s.local && u.MAC != "" && !u.owns(s.IP) {
		from = s.IP
	}
	var news []Fact
	for _, f := range s.Facts {
		if f.Value = clean(f.Value); f.Value == "" || f.Name == FactMaker {
			continue
		}
		if u.learn(b.know, f, s.Protocol, from, s.at) {
			news = append(news, f)
		}
	}
	if changed || len(news) > 0 {
		b.mark(u)
	} else if u.Last-u.saved > int64(fine/time.Millisecond) {
		b.dirty[u.ID] = true
	}
	for _, f := range news {
		b.recognise(u, f)
	}
	if len(news) > 0 && s.at-u.First > int64(time.Hour/time.Millisecond) && before > 0 {
		alarms = append(alarms, b.changedKind(u, s)...)
		alarms = append(alarms, b.newServices(u, s, news)...)
	}
	return alarms
}

// clean makes a value of the network fit to be kept and shown.
func clean(v string) string {
	v = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r != ' ' && !unicode.IsPrint(r) { // also what turns the direction of text around
			return -1
		}
		return r
	}, strings.ToValidUTF8(v, "")))
	if len(v) > mostValue {
		v = strings.ToValidUTF8(v[:mostValue], "")
	}
	return v
}

// address notes the address of an observation.
func (b *Book) address(u *unit, s *sight, alarms *[]Alarm) bool {
	if !s.IP.IsValid() {
		return false
	}
	a := unitAddress{Address: Address{MAC: u.MAC, IP: s.IP.String(), VLAN: s.VLAN, First: s.at, Last: s.at, By: s.Protocol}, ip: s.IP}
	a.Own = u.MAC != "" && claims(s.Protocol) && !s.IP.IsLinkLocalUnicast()
	knew := slices.Contains(b.byIP[s.IP], u.ID)
	if !knew {
		if m := b.moved(u, s); m != nil {
			*alarms = append(*alarms, *m)
		}
		b.byIP[s.IP] = append(b.byIP[s.IP], u.ID)
	}
	return u.uses(a) || !knew
}

// strongKey is what a fact says that no other device does; "" where others
// may say the same.
func strongKey(u *unit, f Fact) string {
	low := strings.ToLower(f.Value)
	switch f.Name {
	case FactSerial:
		if len(low) >= 5 && strings.Trim(low, "0") != "" && !slices.Contains([]string{"none", "default", "unknown", "to be filled by o.e.m.", "system serial number", "0123456789", "123456789", "12345678", "1234567890"}, low) {
			return "serial " + low
		}
	case FactChassis:
		if len(low) >= 8 {
			return "chassis " + low
		}
	case FactClientID:
		// Type 1 is the card's own address (RFC 2132, 9.14); type 255 a DUID
		// that the machine keeps for all its cards (RFC 4361).
		if strings.HasPrefix(low, "ff") && len(low) >= 20 {
			return "client " + low
		}
	case FactHostname:
		if private(u.mac) && len(low) >= 4 && !common(low) {
			return "name " + low
		}
	}
	return ""
}

// common says that many devices bear a name.
func common(name string) bool {
	for _, s := range []string{"iphone", "ipad", "android", "galaxy", "localhost", "redmi", "huawei", "honor", "oppo", "vivo", "mi-", "pixel", "desktop", "unknown", "esp_", "linux", "debian", "ubuntu", "watch", "macbook"} {
		if strings.HasPrefix(name, s) {
			return true
		}
	}
	return false
}

// recognise puts a unit together with the one that says the same of itself.
func (b *Book) recognise(u *unit, f Fact) {
	key := strongKey(u, f)
	if key == "" {
		return
	}
	v := b.units[b.strong[key]]
	switch {
	case v == nil:
		b.strong[key] = u.ID
		return
	case b.leader(v) == b.leader(u), virtual(u.mac) != "", virtual(v.mac) != "":
		return
	}
	if f.Name == FactHostname { // a made-up address that took the place of another
		if !private(v.mac) || v.Last >= u.First || !overlap(u.values(FactDHCPParams), v.values(FactDHCPParams)) {
			return
		}
	} else if differ(u.values(FactVendor), v.values(FactVendor)) || f.Name == FactClientID && differ(u.values(FactHostname), v.values(FactHostname)) {
		return // copies of one disk image, or two makers' counting
	}
	b.join(u, v, f)
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func differ(a, b []string) bool { return len(a) > 0 && len(b) > 0 && !overlap(a, b) }

// join makes a unit part of the device of another.
func (b *Book) join(u, v *unit, why Fact) {
	to := b.leader(v)
	from := b.leader(u)
	if to == from || b.words[u.ID].apart() || from.Into != "" {
		return
	}
	if from != u { // it leads others: the whole group moves
		u = from
	}
	u.Into, u.Why = to.ID, why
	b.members[to.ID] = appendNew(b.members[to.ID], u.ID)
	b.mark(u)
	b.mark(to)
}

// leader is the unit that a unit's device is named by.
func (b *Book) leader(u *unit) *unit {
	for range 8 { // a longer way, or a circle, is somebody's mistake
		w := b.words[u.ID]
		next := u.Into
		switch {
		case w.apart():
			return u
		case w != nil && w.Fields[fieldInto] != "":
			next = w.Fields[fieldInto]
		}
		v := b.units[next]
		if next == "" || v == nil || v == u {
			return u
		}
		u = v
	}
	return u
}

// group are the units of a device, its leader first.
func (b *Book) group(lead *unit) []*unit {
	out := []*unit{lead}
	for i := 0; i < len(out) && len(out) < 64; i++ {
		for _, id := range b.members[out[i].ID] {
			if v := b.units[id]; v != nil && b.leader(v) == lead && !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	slices.SortFunc(out[1:], earlier)
	return out
}
