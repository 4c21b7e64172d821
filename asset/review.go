package asset

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// soon is how long before its end of life or support a device is aging.
const soon = 180 * 24 * time.Hour

// Review looks at what no observation tells: new devices that have settled,
// what reached its end, and what is known to be weak. Each alarm is raised
// once. It may be called every second.
func (b *Book) Review(now time.Time) []Alarm {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.announce(now.UnixMilli())
	day := now.Format(time.DateOnly)
	if b.reviewed == day && !b.news {
		return out
	}
	b.reviewed, b.news = day, false
	for _, id := range b.sortedLeaders() {
		u := b.units[id]
		d := b.device(u, false)
		if d.Retired {
			continue
		}
		if a := b.aging(&d, now); a != nil && u.raise(AgingDevice, a.about, now.UnixMilli()) {
			b.dirty[id] = true
			out = append(out, b.alarm(AgingDevice, u, &d, now.UnixMilli(), a.args...))
		}
		for _, w := range d.Weaknesses {
			if !w.Unsure && (w.Exploited || w.Severity >= 9) && u.raise(WeakSoftware, w.ID+" "+w.Software, now.UnixMilli()) {
				b.dirty[id] = true
				out = append(out, b.alarm(WeakSoftware, u, &d, now.UnixMilli(), w.ID, w.Software, exploited(w)))
			}
		}
	}
	slices.SortStableFunc(out, func(x, y Alarm) int { return urgency(x) - urgency(y) })
	return out
}

func exploited(w Weakness) string {
	if w.Exploited {
		return "exploited"
	}
	return ""
}

// urgency puts what is known to be exploited first.
func urgency(a Alarm) int {
	if a.Kind == WeakSoftware && len(a.Args) > 2 && a.Args[2] != "" {
		return 0
	}
	return 1
}

func (b *Book) sortedLeaders() []string {
	var out []string
	for id, u := range b.units {
		if b.leader(u) == u {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// ending is what reached its end, or will soon.
type ending struct {
	about string
	args  []string // what, date
}

// aging says what of a device reaches its end.
func (b *Book) aging(d *Device, now time.Time) *ending {
	day, limit := now.Format(time.DateOnly), now.Add(soon).Format(time.DateOnly)
	for _, x := range [][2]string{{"end of life", d.EndOfLife}, {cmp.Or(d.SupportOf, "support"), d.SupportEnds}} {
		if x[1] != "" && x[1] <= limit {
			return &ending{about: x[0] + " " + x[1] + past(x[1], day), args: x[:]}
		}
	}
	return nil
}

func past(date, day string) string {
	if date < day {
		return " past"
	}
	return ""
}

// EndOf says which entry of the table an operating system is, and the last day
// of its support, "" where the table has none.
func (k *Knowledge) EndOf(os string) (name, date string) {
	low := strings.ToLower(strings.TrimPrefix(strings.ToLower(os), "microsoft "))
	best := -1
	for i, e := range k.ends {
		rest, ok := strings.CutPrefix(low, e.matches[0])
		if !ok || rest != "" && isDigit(rest[0]) || rest != "" && rest[0] == '.' && !strings.Contains(e.matches[0], ".") && strings.HasPrefix(low, "windows") {
			continue
		}
		if best < 0 || len(e.matches[0]) > len(k.ends[best].matches[0]) {
			best = i
		}
	}
	if best < 0 {
		return "", ""
	}
	return k.ends[best].OS, k.ends[best].Ends
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// announce tells of new devices once they have settled, as far as they are
// news: not while the network is being learnt, not where strangers are
// expected, not a phone under a made-up address.
func (b *Book) announce(now int64) (out []Alarm) {
	for len(b.fresh) > 0 {
		u := b.units[b.fresh[0]]
		if u != nil && now-u.First < int64(settling/time.Millisecond) && !u.Told {
			return out
		}
		b.fresh = b.fresh[1:]
		if u == nil || u.Told {
			continue
		}
		u.Told = true
		b.dirty[u.ID] = true
		if u.Into != "" || u.First-b.began < int64(b.opts.Learning/time.Millisecond) || b.expected(u) {
			continue
		}
		d := b.device(b.leader(u), false)
		out = append(out, b.alarm(NewDevice, u, &d, u.First, d.What.Kind, d.What.Vendor, d.What.Model))
	}
	return out
}

// expected says that a new unit is no news.
func (b *Book) expected(u *unit) bool {
	if virtual(u.mac) != "" {
		return true
	}
	if b.opts.Guest != nil && slices.ContainsFunc(u.Addresses, func(a unitAddress) bool { return b.opts.Guest(a.ip) }) {
		return true
	}
	kind := b.verdict(b.leader(u)).Kind
	return u.MAC != "" && private(u.mac) && kind != "" && b.know.within(kind, "mobile-device")
}

// alarm makes an alarm about a unit of a device.
func (b *Book) alarm(kind AlarmKind, u *unit, d *Device, at int64, args ...string) Alarm {
	a := Alarm{Kind: kind, At: at * int64(time.Millisecond), Culprit: Party{MAC: u.mac, Name: d.Name}, Args: args, Count: 1}
	if len(u.Sensors) > 0 {
		a.Sensor = u.Sensors[0]
	}
	if len(d.IPs) > 0 {
		a.Culprit.IP = ParseAddr(d.IPs[0])
	}
	return a
}

// network names the network of an address.
func (b *Book) network(ip netip.Addr) string {
	if b.opts.Network != nil {
		if name := b.opts.Network(ip); name != "" {
			return name
		}
	}
	return networkOf(ip).String()
}

// moved notices that a medical device shows up in another network than those
// it was known in.
func (b *Book) moved(u *unit, s *sight) *Alarm {
	if s.IP.IsLinkLocalUnicast() || u.Router || len(u.Addresses) == 0 || s.at-b.began < int64(b.opts.Learning/time.Millisecond) {
		return nil
	}
	here, was := b.network(s.IP), ""
	for _, a := range u.Addresses {
		if !a.ip.IsValid() || a.ip.Is4() != s.IP.Is4() || a.ip.IsLinkLocalUnicast() {
			continue
		}
		if was = b.network(a.ip); was == here {
			return nil
		}
	}
	d := b.device(b.leader(u), false)
	if was == "" || !d.What.Medical || !u.raise(MovedDevice, here, s.at) {
		return nil
	}
	a := b.alarm(MovedDevice, u, &d, s.at, was, here)
	a.Culprit.IP, a.Network, a.VLAN, a.Sensor = s.IP, here, s.VLAN, s.Sensor
	return &a
}

// newServices notices that a device which is known for long begins to answer on
// another port. What a list says is no news, and neither is a better name for
// what answered there before.
func (b *Book) newServices(u *unit, s *sight, news []Fact) (out []Alarm) {
	long := int64(b.opts.Learning / time.Millisecond)
	if u.Router || s.Protocol == "import" || s.at-b.began < long || s.at-u.First < long || b.opts.Guest != nil && b.opts.Guest(s.IP) {
		return nil
	}
	for _, f := range news {
		port, _, _ := strings.Cut(f.Value, " ")
		if f.Name != FactService || u.answersOn(port) > 1 || !u.raise(NewService, port, s.at) {
			continue
		}
		d, whose := b.device(b.leader(u), false), "other"
		if d.What.Medical {
			whose = "medical"
		}
		a := b.alarm(NewService, u, &d, s.at, whose, f.Value, d.What.Kind)
		a.Culprit.IP, a.VLAN, a.Sensor = s.IP, s.VLAN, s.Sensor
		out = append(out, a)
	}
	return out
}

// answersOn counts what is known to answer on a port such as tcp/104.
func (u *unit) answersOn(port string) (n int) {
	for _, v := range u.values(FactService) {
		if have, _, _ := strings.Cut(v, " "); have == port {
			n++
		}
	}
	return n
}

// changedKind notices that a device that was surely of one kind begins to
// behave as one of another: what is new of the last hour is looked at alone.
func (b *Book) changedKind(u *unit, s *sight) []Alarm {
	const hour = int64(time.Hour / time.Millisecond)
	if u.Router {
		return nil
	}
	var old, young []known
	for i := range u.Facts {
		f := &u.Facts[i]
		if f.First > s.at-hour && f.First-u.First > hour {
			young = append(young, known{f.Fact, f.hits})
		} else {
			old = append(old, known{f.Fact, f.hits})
		}
	}
	was, _ := b.know.classify(old)
	is, _ := b.know.classify(young)
	if was.Kind == "" || is.Kind == "" || was.Confidence < 0.75 || is.Confidence < 0.7 || b.know.related(was.Kind, is.Kind) ||
		b.words[u.ID].get(fieldKind) == is.Kind || !u.raise(ChangedKind, is.Kind, s.at) {
		return nil
	}
	d := b.device(b.leader(u), false)
	why := ""
	if len(is.Because) > 0 {
		why = is.Because[0].EN
	}
	a := b.alarm(ChangedKind, u, &d, s.at, was.Kind, is.Kind, why, strconv.FormatFloat(is.Confidence, 'f', 2, 64))
	a.Culprit.IP, a.VLAN, a.Sensor = s.IP, s.VLAN, s.Sensor
	return []Alarm{a}
}
