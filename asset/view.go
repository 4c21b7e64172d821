package asset

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// Filter chooses devices; an empty field does not filter.
type Filter struct {
	// Kind is a kind, or one above it; "unknown" are those nobody knows.
	Kind, Department, Vendor string
	// Text is searched in names, addresses, models and ids.
	Text string
	// Medical wants medical devices only, Weak those with weaknesses, Aging
	// those past their end, Retired those out of use too.
	Medical, Weak, Aging, Retired bool
	// Since wants those seen at or after, in ms.
	Since int64
	// Limit 0 means all.
	Limit, Offset int
}

// Devices lists devices: medical ones first, then by criticality, kind, name.
// total is how many match without Limit and Offset.
func (b *Book) Devices(f Filter) (list []Device, total int) {
	b.mu.Lock() // classifications are worked out on the way
	defer b.mu.Unlock()
	for _, u := range b.units {
		if b.leader(u) != u {
			continue
		}
		if d := b.device(u, false); b.matches(&d, f) {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, compare)
	total = len(list)
	list = list[min(f.Offset, len(list)):]
	if f.Limit > 0 {
		list = list[:min(f.Limit, len(list))]
	}
	return list, total
}

func compare(a, b Device) int {
	first := func(x, y bool) int {
		switch {
		case x == y:
			return 0
		case x:
			return -1
		}
		return 1
	}
	return cmp.Or(first(a.What.Medical, b.What.Medical), first(a.LifeSupport, b.LifeSupport), cmp.Compare(b.Criticality, a.Criticality),
		first(a.What.Kind != "", b.What.Kind != ""), strings.Compare(a.What.Kind, b.What.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
}

func (b *Book) matches(d *Device, f Filter) bool {
	switch {
	case d.Retired && !f.Retired, f.Medical && !d.What.Medical, f.Weak && len(d.Weaknesses) == 0, d.Last < f.Since && f.Since > 0:
		return false
	case f.Kind == "unknown" && d.What.Kind != "", f.Kind != "" && f.Kind != "unknown" && !b.know.within(d.What.Kind, f.Kind):
		return false
	case f.Department != "" && !strings.EqualFold(d.Department, f.Department), f.Vendor != "" && !strings.EqualFold(d.What.Vendor, f.Vendor):
		return false
	case f.Aging && b.aging(d, b.opts.Now()) == nil:
		return false
	}
	if f.Text == "" {
		return true
	}
	low := strings.ToLower(f.Text)
	texts := slices.Concat([]string{d.ID, d.Name, d.What.Model, d.What.Vendor, d.Location, d.Serial}, d.MACs, d.IPs)
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), low) })
}

// Device finds a device by its id, or by that of one of its parts, with all
// that is known.
func (b *Book) Device(id string) (Device, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.units[id]
	if u == nil {
		return Device{}, false
	}
	return b.device(b.leader(u), true), true
}

// ByAddress finds who had an address, MAC or IP, at a time in ms: who used it
// last before that, and had begun to. At 0 asks for who used it last.
func (b *Book) ByAddress(text string, at int64) (Device, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.user(text, at)
	if u == nil {
		return Device{}, false
	}
	return b.device(b.leader(u), true), true
}

// user is the unit that had an address at a time, nil for none.
func (b *Book) user(text string, at int64) *unit {
	if u := b.byMAC[MACText(ParseMAC(text))]; u != nil && u.MAC != "" && (at == 0 || u.First <= at) {
		return u
	}
	ip := ParseAddr(text)
	var best *unit
	var last int64
	for _, id := range b.byIP[ip] {
		u := b.units[id]
		if u == nil || !ip.IsValid() {
			continue
		}
		for _, a := range u.Addresses {
			// A span that reaches beyond the time counts up to it.
			if seen := min(a.Last, or(at, a.Last)); a.ip == ip && (at == 0 || a.First <= at) && (best == nil || seen > last || seen == last && (b.owners[ip] == id || b.owners[ip] != best.ID && b.current[ip] == id)) {
				best, last = u, seen
			}
		}
	}
	return best
}

func or(a, b int64) int64 {
	if a != 0 {
		return a
	}
	return b
}

// IDOf is the id of the device that uses an address, MAC or IP, "" for none:
// what ByAddress finds, without all that is known of it.
func (b *Book) IDOf(text string) string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if u := b.user(text, 0); u != nil {
		return b.leader(u).ID
	}
	return ""
}

// Count is how many devices of a kind there are.
type Count struct {
	Kind    string    `json:"kind"` // "" for unknown
	Title   ocsf.Text `json:"title"`
	Medical bool      `json:"medical,omitempty"`
	Devices int       `json:"devices"`
}

// Counts counts devices in use by kind, medical ones first, unknown last.
func (b *Book) Counts() []Count {
	list, _ := b.Devices(Filter{})
	n := map[string]int{}
	for _, d := range list {
		n[d.What.Kind]++
	}
	var out []Count
	for _, k := range b.know.Kinds() {
		if n[k.Name] > 0 {
			out = append(out, Count{k.Name, k.Title, k.Medical, n[k.Name]})
		}
	}
	slices.SortStableFunc(out, func(x, y Count) int {
		if x.Medical == y.Medical {
			return 0
		} else if x.Medical {
			return -1
		}
		return 1
	})
	if n[""] > 0 {
		out = append(out, Count{"", ocsf.Text{EN: "Unknown", ZH: "未知"}, false, n[""]})
	}
	return out
}

// KindTitle is what a kind is called; of "" that it is unknown.
func (b *Book) KindTitle(kind string) ocsf.Text {
	if k, ok := b.know.Kind(kind); ok {
		return k.Title
	}
	return ocsf.Text{EN: "Unknown", ZH: "未知"}
}

// verdict is what the units of a device make it.
func (b *Book) verdict(lead *unit) verdict {
	if v, ok := b.classes[lead.ID]; ok {
		return v
	}
	var facts []known
	seen := map[Fact]bool{}
	for _, u := range b.group(lead) {
		for i := range u.Facts {
			if f := &u.Facts[i]; !seen[f.Fact] {
				seen[f.Fact] = true
				facts = append(facts, known{f.Fact, f.hits})
			}
		}
	}
	c, guesses := b.know.classify(facts)
	v := verdict{c, guesses}
	b.classes[lead.ID] = v
	return v
}

// device shows a device; all adds facts and history.
func (b *Book) device(lead *unit, all bool) Device {
	v := b.verdict(lead)
	d := Device{ID: lead.ID, What: v.Classification, Uncertain: v.guesses, First: lead.First, Last: lead.Last, Private: lead.MAC != "" && private(lead.mac)}
	units := b.group(lead)
	var addrs []unitAddress
	for _, u := range units {
		d.First, d.Last = min(d.First, u.First), max(d.Last, u.Last)
		d.Sensors = append(d.Sensors, u.Sensors...)
		addrs = append(addrs, u.Addresses...)
		if u.MAC != "" {
			d.MACs = append(d.MACs, u.MAC)
		}
		d.More = d.More || u.Cut
		if u != lead {
			d.Together = append(d.Together, Part{u.ID, b.whyTogether(u)})
		}
	}
	slices.SortStableFunc(addrs, func(x, y unitAddress) int { return cmp.Compare(y.Last, x.Last) })
	slices.Sort(d.Sensors)
	d.Sensors = slices.Compact(d.Sensors)
	d.IPs = present(addrs, d.Last)
	if all {
		for _, a := range addrs {
			d.Addresses = append(d.Addresses, a.Address)
		}
	}
	b.showFacts(&d, units, all)
	b.showWords(&d, units)
	if d.SupportEnds == "" && d.EndOfLife == "" { // else somebody knows better than the table
		if _, date := b.know.EndOf(d.What.OS); date != "" {
			d.SupportEnds, d.SupportOf = date, d.What.OS
		}
	}
	for _, u := range units {
		d.Weaknesses = append(d.Weaknesses, b.weak[u.ID]...)
		if all {
			d.Software = append(d.Software, b.softwareOf(u.ID)...)
		}
	}
	return d
}

func (b *Book) whyTogether(u *unit) ocsf.Text {
	if w := b.words[u.ID]; w != nil && w.Fields[fieldInto] != "" {
		return ocsf.Text{EN: "put together by hand", ZH: "人工合并"}
	}
	if u.Why.Name == FactAddress {
		return ocsf.Text{EN: "has the address " + u.Why.Value, ZH: "使用地址 " + u.Why.Value}
	}
	t := u.Why.reason(ocsf.Text{})
	return ocsf.Text{EN: "the same " + t.EN, ZH: "相同的" + t.ZH}
}

// present are the addresses in use: those seen within a day of the last sign
// of the device.
func present(addrs []unitAddress, last int64) []string {
	const mostShown = 8
	var out []string
	for _, a := range addrs {
		if a.IP != "" && last-a.Last <= ownFor && !slices.Contains(out, a.IP) && len(out) < mostShown {
			out = append(out, a.IP)
		}
	}
	return out
}

func (b *Book) showFacts(d *Device, units []*unit, all bool) {
	var name, port KnownFact
	newest := func(old *KnownFact, f KnownFact) {
		if f.Last > old.Last || f.Last == old.Last && f.Value < old.Value || old.Value == "" {
			*old = f
		}
	}
	var title, serial, firmware KnownFact
	for _, u := range units {
		for i := range u.Facts {
			f := u.Facts[i].KnownFact
			switch f.Name {
			case FactHostname:
				newest(&name, f)
			case FactAETitle:
				newest(&title, f)
			case FactSwitchPort:
				newest(&port, f)
			case FactSerial:
				newest(&serial, f)
			case FactFirmware:
				newest(&firmware, f)
			}
			if all {
				d.Facts = append(d.Facts, f)
			}
		}
	}
	slices.SortStableFunc(d.Facts, func(x, y KnownFact) int {
		return cmp.Or(strings.Compare(string(x.Name), string(y.Name)), strings.Compare(x.Value, y.Value))
	})
	d.Name, d.Switch, d.Serial, d.Firmware = cmp.Or(name.Value, title.Value), port.Value, serial.Value, firmware.Value
}

// showWords puts on top what people said, the word about the device itself
// before those about its parts.
func (b *Book) showWords(d *Device, units []*unit) {
	say := func(field string) string {
		for _, u := range units {
			if v := b.words[u.ID].get(field); v != "" {
				return v
			}
		}
		return ""
	}
	for field, to := range map[string]*string{fieldName: &d.Name, fieldVendor: &d.What.Vendor, fieldModel: &d.What.Model, fieldOS: &d.What.OS,
		fieldSerial: &d.Serial, fieldFirmware: &d.Firmware, fieldOwner: &d.Owner, fieldDepartment: &d.Department, fieldLocation: &d.Location,
		fieldEndOfLife: &d.EndOfLife, fieldSupportEnds: &d.SupportEnds, fieldNotes: &d.Notes} {
		if v := say(field); v != "" {
			*to = v
		}
	}
	d.Criticality, _ = strconv.Atoi(say(fieldCriticality))
	d.LifeSupport, d.Retired = say(fieldLifeSupport) == "yes", say(fieldRetired) == "yes"
	if kind := say(fieldKind); kind != "" {
		d.Decided, d.Uncertain = true, nil
		k := b.know.kinds[kind]
		d.What.Kind, d.What.Confidence, d.What.Medical = kind, 1, k != nil && k.Medical
		d.What.Because = append([]ocsf.Text{{EN: "decided by a person", ZH: "由人工确定"}}, d.What.Because...)
	}
	for _, u := range units {
		if w := b.words[u.ID]; w != nil {
			d.Changed = append(d.Changed, w.Changes...)
			d.Imported = append(d.Imported, w.Lists...)
		}
	}
	slices.SortStableFunc(d.Changed, func(x, y Change) int { return cmp.Compare(y.At, x.At) })
	slices.Sort(d.Imported)
	d.Imported = slices.Compact(d.Imported)
}
