package wireless

import (
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/dot11"
)

// point is an access point, by its BSSID.
type point struct {
	ssid     string
	grade    dot11.Security
	pmf      bool // required
	shape    uint32
	channel  uint8
	channels flip
	clock    clock
	looks    flip
	seq      uint16
	seqAt    int64
	signal   int8
	seenAt   int64
	toldAt   int64
	beacons  int64
	names    [mostNames]string
	nNames   int
	namesAt  int64
}

// flip notices that something goes to and fro, as two senders make it, and not
// just elsewhere, as one does.
type flip struct {
	here, before uint32
	at, beforeAt int64
	turns        int
}

const flipIn = 5 * time.Second

// moved notes the present value; true when it went to and fro twice.
func (f *flip) moved(to uint32, at int64) bool {
	switch {
	case f.at == 0:
		f.here = to
	case f.here != to:
		if f.before == to && f.beforeAt != 0 && within(at, f.beforeAt, flipIn) {
			f.turns++
		} else {
			f.turns = 0
		}
		f.before, f.beforeAt, f.here = f.here, f.at, to
	}
	f.at = at
	return f.turns >= 2
}

// clock follows the TSF of a BSSID against the time of capture. Two senders
// are two clocks that both go on; a restarted one is a clock that stopped.
type clock struct {
	offset, other     int64 // µs
	offsetAt, otherAt int64
	turns             int
}

// tolerance is how far a clock may be off from one beacon to the next, for
// what capture adds.
const tolerance = int64(250_000)

func (c *clock) read(tsf uint64, at int64) (two bool) {
	o := int64(tsf) - at/1000
	near := func(a, b int64) bool { return a-b < tolerance && b-a < tolerance }
	switch {
	case c.offsetAt == 0, near(o, c.offset):
		c.offset, c.offsetAt = o, at
	case c.otherAt != 0 && near(o, c.other) && within(at, c.otherAt, flipIn):
		c.offset, c.other, c.otherAt, c.offsetAt = o, c.offset, c.offsetAt, at
		c.turns++
	default:
		c.other, c.otherAt, c.offset, c.offsetAt, c.turns = c.offset, c.offsetAt, o, at, 0
	}
	return c.turns >= 2
}

// announced judges a beacon or probe response.
func (w *Watch) announced(f *dot11.Frame, e *dot11.Elements, r *dot11.Radio) {
	p, made := w.points.at(f.A2)
	grade := e.Grade(f.Capability&dot11.CapPrivacy != 0)
	w.names(p, f, e)
	if made {
		p.ssid = strings.Clone(e.SSID)
	}
	channel := e.Channel
	if channel == 0 {
		channel = uint8(dot11.Channel(r.Frequency))
	}
	name := e.SSID
	if name == "" {
		name = p.ssid // hidden: known by an earlier answer
	} else if e.Named {
		p.ssid = strings.Clone(name)
	}
	if r.Signal != 0 {
		p.signal = r.Signal
	}
	if o := w.network(name, grade); o != nil {
		w.compare(o, p, f, e, grade, int(channel))
	}
	w.same(p, f, e, channel, grade)
	w.cable(f.A2, name)
	p.beacons++
	w.tell(p, f.A2, grade, channel, e)
	p.grade, p.channel, p.seenAt, p.pmf = grade, channel, w.now, e.PMFRequired
	if f.Type == dot11.Beacon {
		p.shape = e.Shape
	}
}

// same judges whether a BSSID is one access point: one channel, one clock.
func (w *Watch) same(p *point, f *dot11.Frame, e *dot11.Elements, channel uint8, grade dot11.Security) {
	was := p.channel
	if channel != 0 && p.channels.moved(uint32(channel), w.now) && was != channel {
		w.alarm(asset.EvilTwin, f.A2, f.A2, p.ssid, WhyChannels, itoa(int(was)), itoa(int(channel)))
	}
	if f.Timestamp != 0 && p.clock.read(f.Timestamp, w.now) {
		w.alarm(asset.EvilTwin, f.A2, f.A2, p.ssid, WhyClocks)
	}
	if p.looks.moved(uint32(grade)<<24|uint32(e.Pairwise)<<12|uint32(e.Keys), w.now) {
		w.alarm(asset.EvilTwin, f.A2, f.A2, p.ssid, WhyCopied, "security")
	}
}

// cable judges whether an unknown access point stands on our cable.
func (w *Watch) cable(bssid mac, name string) {
	if len(w.wired) == 0 || w.ours(bssid) {
		return
	}
	if m, ok := w.near(bssid); ok {
		w.alarm(asset.RogueAP, bssid, m, name, WhyOnCable, asset.MACText(m))
	}
}

func (w *Watch) ours(bssid mac) bool {
	for _, o := range w.own {
		if !o.guessed && o.listed[bssid] {
			return true
		}
	}
	return false
}

// compare judges an access point with the name of our network.
func (w *Watch) compare(o *own, p *point, f *dot11.Frame, e *dot11.Elements, grade dot11.Security, channel int) {
	bssid := f.A2
	if !o.listed[bssid] && o.learns && w.mayLearn(o, f, e, grade) {
		o.listed[bssid] = true
	}
	listed := o.listed[bssid]
	if !listed || !o.learnt || !w.learning() || grade < dot11.GradeWPA2 {
		w.weaker(o, bssid, e, grade)
	}
	if listed {
		o.learn(f, e, grade, w.learning())
		return
	}
	if o.guessed && !o.below(grade) {
		return // whose network it is, nobody has said
	}
	unlike := o.unlike(f, e, grade, channel)
	if len(unlike) == 0 || len(unlike) == 1 && unlike[0] == "elements" && len(o.ouis) > 0 {
		w.alarm(asset.RogueAP, bssid, mac{}, o.SSID, WhyUnlisted) // perhaps our own newest
		return
	}
	w.alarm(asset.EvilTwin, bssid, mac{}, o.SSID, WhyUnlike, strings.Join(unlike, ", "))
}

// learn takes what a listed access point offers for what the network offers,
// unless people said that. While learning, the weakest of WPA2 and WPA3 counts:
// bands differ.
func (o *own) learn(f *dot11.Frame, e *dot11.Elements, grade dot11.Security, learning bool) {
	o.ouis[[3]byte(f.A2[:3])] = true
	switch {
	case !o.graded:
		o.grade, o.graded, o.learnt = grade, true, true
	case o.learnt && learning && grade >= dot11.GradeWPA2:
		o.grade = min(o.grade, grade)
	}
	switch {
	case !o.pmfs:
		o.pmf, o.pmfs = e.PMFRequired, true
	case o.learnt && learning && !o.PMF && grade >= dot11.GradeWPA2:
		o.pmf = o.pmf && e.PMFRequired
	}
	if f.Type == dot11.Beacon && len(o.shapes) < 64 && grade >= o.grade {
		o.shapes[e.Shape] = true
	}
}

// below says that a protection is less than our network's. Of one only heard,
// the difference of WPA2 and WPA3 does not count.
func (o *own) below(grade dot11.Security) bool {
	if o.guessed {
		return grade < o.grade && grade < dot11.GradeWPA2
	}
	return o.graded && grade < o.grade
}

// mayLearn says whether an access point that nobody listed may be one of ours.
func (w *Watch) mayLearn(o *own, f *dot11.Frame, e *dot11.Elements, grade dot11.Security) bool {
	if o.below(grade) && (!o.learnt || grade < dot11.GradeWPA2) {
		return false
	}
	if len(o.listed) == 0 {
		return true
	}
	if !w.learning() && !o.guessed {
		return false
	}
	return o.ouis[[3]byte(f.A2[:3])] || o.shapes[e.Shape] || o.guessed
}

// unlike says in what an access point differs from those of our network.
func (o *own) unlike(f *dot11.Frame, e *dot11.Elements, grade dot11.Security, channel int) []string {
	var list []string
	if grade != o.grade && o.graded {
		list = append(list, "security")
	}
	if len(o.ouis) > 0 && !o.ouis[[3]byte(f.A2[:3])] {
		list = append(list, "vendor")
	}
	if f.Type == dot11.Beacon && len(o.shapes) > 0 && !o.shapes[e.Shape] {
		list = append(list, "elements")
	}
	if len(o.Channels) > 0 && channel != 0 && !slices.Contains(o.Channels, channel) {
		list = append(list, "channel")
	}
	return list
}

// weaker judges the protection that a network is offered with.
func (w *Watch) weaker(o *own, bssid mac, e *dot11.Elements, grade dot11.Security) {
	switch {
	case o.below(grade):
		w.alarm(asset.OpenNetwork, bssid, mac{}, o.SSID, WhyWeaker, grade.String(), o.grade.String())
	case o.pmfs && o.pmf && !e.PMFRequired && !o.guessed:
		w.alarm(asset.OpenNetwork, bssid, mac{}, o.SSID, WhyNoPMF, grade.String(), o.grade.String())
	}
}

// manyNames is from how many names on, within a minute, an access point is one
// that answers to any.
const manyNames = 4

// names judges how many names a BSSID goes by.
func (w *Watch) names(p *point, f *dot11.Frame, e *dot11.Elements) {
	if e.SSID == "" {
		return
	}
	if w.now-p.namesAt > minute {
		p.nNames, p.namesAt = 0, w.now
	}
	if slices.Contains(p.names[:p.nNames], e.SSID) {
		if p.nNames < manyNames {
			return
		}
	} else if p.nNames < mostNames {
		p.names[p.nNames] = strings.Clone(e.SSID)
		p.nNames++
	}
	if p.nNames >= manyNames {
		w.alarm(asset.Karma, f.A2, f.A1, "", WhyManyName, itoa(p.nNames))
	}
}

// tell tells of an access point: when it is new or differs, and every hour.
func (w *Watch) tell(p *point, bssid mac, grade dot11.Security, channel uint8, e *dot11.Elements) {
	if p.toldAt != 0 && p.grade == grade && p.channel == channel && w.now-p.toldAt < 60*minute {
		return
	}
	if p.toldAt != 0 && w.now-p.toldAt < second {
		return // two senders with one BSSID differ all the time
	}
	p.toldAt = w.now
	facts := []asset.Fact{{Name: asset.FactRole, Value: "access-point"}, {Name: asset.FactSSID, Value: p.ssid}, {Name: asset.FactSecurity, Value: grade.String()}}
	if channel != 0 {
		facts = append(facts, asset.Fact{Name: asset.FactChannel, Value: itoa(int(channel))})
	}
	if p.signal != 0 {
		facts = append(facts, asset.Fact{Name: asset.FactSignal, Value: itoa(int(p.signal) / 10 * 10)})
	}
	w.seen(bssid, facts...)
}
