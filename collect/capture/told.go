package capture

import (
	"hash/maphash"
	"net/netip"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

const (
	// again is after how long what was told is told again.
	toldAgain = int64(3600e9)
	// mostFacts are remembered as told, twice.
	mostFacts = 1 << 16
	// quiet is how long an alarm that repeats is only counted.
	toldQuiet = int64(60e9)
	mostQuiet = 1 << 12
)

// told is the Out that dissectors have: it names the sensor, keeps back what
// was told lately, and claims addresses that traffic uses.
type told struct {
	to     Out
	sensor string
	port   string
	seed   maphash.Seed
	clock  int64

	facts, factsBefore map[uint64]int64
	alarms             map[uint64]*toldHeld
	pairs              []toldPair
}

// held is an alarm told at a time, and what came since.
type toldHeld struct {
	told  int64
	alarm asset.Alarm
	count int64
}

// pair is who used an address last.
type toldPair struct {
	key  uint64
	mac  packet.MAC
	last int64
}

func newTold(cfg Config) *told {
	to := cfg.Out
	if to == nil {
		to = toldNobody{}
	}
	return &told{to: to, sensor: cfg.Sensor, seed: maphash.MakeSeed(), facts: map[uint64]int64{},
		factsBefore: map[uint64]int64{}, alarms: map[uint64]*toldHeld{}, pairs: make([]toldPair, 1<<15)}
}

// fact is a fact of a device, as it is remembered.
type toldFact struct {
	mac      packet.MAC
	ip       netip.Addr
	vlan     uint16
	protocol string
	toldFact asset.Fact
}

// Seen passes on facts that are new, or were told more than an hour ago.
func (t *told) Seen(o asset.Observation) {
	var kept []asset.Fact
	for _, f := range o.Facts {
		if t.news(toldFact{o.MAC, o.IP, o.VLAN, o.Protocol, f}, o.At) {
			kept = append(kept, f)
		}
	}
	if len(o.Facts) == 0 && !t.news(toldFact{o.MAC, o.IP, o.VLAN, o.Protocol, asset.Fact{}}, o.At) {
		return
	}
	if len(kept) == 0 && len(o.Facts) > 0 {
		return
	}
	o.Facts = kept
	if o.Sensor == "" {
		o.Sensor = t.sensor
	}
	t.to.Seen(o)
}

func (t *told) news(f toldFact, at int64) bool {
	h := maphash.Comparable(t.seed, f)
	last, ok := t.facts[h]
	if !ok {
		last, ok = t.factsBefore[h]
	}
	if ok && at-last < toldAgain && last-at < toldAgain {
		return false
	}
	if len(t.facts) >= mostFacts {
		t.facts, t.factsBefore = map[uint64]int64{}, t.facts
	}
	t.facts[h] = at
	return true
}

// Claim passes on every claim: each may be the forged one.
func (t *told) Claim(c binding.Claim) {
	if c.Port == "" {
		c.Port = t.port
	}
	t.to.Claim(c)
}

// Event passes on an event.
func (t *told) Event(e *ocsf.Event) { t.to.Event(e) }

// toldSame is what makes two alarms one.
type toldSame struct {
	kind            asset.AlarmKind
	culprit, victim asset.Party
	vlan            uint16
	network, args   string
}

// Alarm passes on an alarm at once; while it repeats it is counted, and the
// count told a minute later.
func (t *told) Alarm(a asset.Alarm) {
	if a.Sensor == "" {
		a.Sensor = t.sensor
	}
	a.Count = max(a.Count, 1)
	k := toldSame{kind: a.Kind, culprit: a.Culprit, victim: a.Victim, vlan: a.VLAN, network: a.Network}
	k.culprit.Port = 0 // a client's changes with every try
	for _, s := range a.Args {
		k.args += s + "\x00"
	}
	h := maphash.Comparable(t.seed, k)
	if was := t.alarms[h]; was != nil && a.At-was.told < toldQuiet && was.told-a.At < toldQuiet {
		was.count += a.Count
		was.alarm.At = a.At
		return
	}
	if len(t.alarms) >= mostQuiet {
		t.flush()
	}
	t.to.Alarm(a)
	t.alarms[h] = &toldHeld{told: a.At, alarm: a}
}

// tick tells the counts of alarms that repeated.
func (t *told) tick(now int64) {
	if now-t.clock < int64(1e9) && now >= t.clock {
		return
	}
	t.clock = now
	for h, a := range t.alarms {
		if now-a.told >= toldQuiet || a.told-now >= toldQuiet {
			t.count(a)
			delete(t.alarms, h)
		}
	}
}

func (t *told) count(a *toldHeld) {
	if a.count > 0 {
		a.alarm.Count = a.count
		t.to.Alarm(a.alarm)
	}
}

func (t *told) flush() {
	for h, a := range t.alarms {
		t.count(a)
		delete(t.alarms, h)
	}
}

// traffic claims the sender's addresses when they were not seen for a minute,
// or when another used the address before.
func (t *told) traffic(f *packet.Frame) {
	const pause, flapping = int64(60e9), int64(100e6)
	if f.Src == (packet.MAC{}) || f.Src[0]&1 != 0 || !flowOrdinary(f.From) {
		return
	}
	a := f.From.As16()
	h := maphash.Comparable(t.seed, struct {
		a    [16]byte
		vlan uint16
		vni  uint32
	}{a, f.VLAN, f.VNI})
	p := &t.pairs[h%uint64(len(t.pairs))]
	wait := pause
	if p.mac != f.Src {
		wait = flapping
	}
	if p.key == h && f.At-p.last < wait && p.last-f.At < wait {
		return
	}
	*p = toldPair{h, f.Src, f.At}
	t.Claim(binding.Claim{At: f.At, Kind: binding.Traffic, Frame: f.Src, MAC: f.Src, IP: f.From, Target: f.To,
		TargetMAC: f.Dst, VLAN: f.VLAN})
}

// nobody listens.
type toldNobody struct{}

func (toldNobody) Seen(asset.Observation) {}
func (toldNobody) Claim(binding.Claim)    {}
func (toldNobody) Alarm(asset.Alarm)      {}
func (toldNobody) Event(*ocsf.Event)      {}
