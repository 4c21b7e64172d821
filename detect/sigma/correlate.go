package sigma

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// correlator counts matches of rules into windows. It belongs to one
// goroutine.
//
// What a correlation matches is defined on the events in the order of their
// own times (equal times in the order of arrival), for each group of equal
// values of group-by, in either case of letters; an event that lacks a field of
// group-by is in no group, and one with several values is in several.
//
//   - The window of an event holds the events that are not later and at most
//     timespan earlier.
//   - Lower bounds (gt, gte; all rules of a temporal one) are judged at every
//     event: it matches when its window fits and shares no event's time with
//     the window of the match before. So a burst is told once, and again while
//     it lasts, once a timespan.
//   - All else (lt, lte, eq, neq, ranges, averages, percentiles, not) can be
//     undone by more events and is judged when a window is over: windows then
//     begin with the first event that is in none, and last a timespan.
//
// Events may come late, by lateness (see [lateness]) within their group. Lower
// bounds are told at once, as far as is known; a late event may show that they
// match more often, and then so many more are told. So a group matches as often
// as if all had come in order, each time in a window that fits. What is judged
// when a window is over is the same in any order.
// Groups that nothing came to for longer than that are forgotten; before memory
// runs out, those that waited longest are, and that is counted.
type correlator struct {
	list   []*correlation
	groups map[string]*group
	// front is the group that something came to last, back the one before all
	// others.
	front, back *group
	due         dueHeap
	bytes       int
	clock       int64 // the latest time seen, in ms
	stats       CorrelationStats
	limits      limits

	// What belongs to the event at work.
	inputs []input
	keys   []byte
	vals   []value
	texts  []byte
	told   []match
	event  uint64 // a number for it
	events uint64
	// What one rule of a correlation may still make of it, and whether it would
	// have made more.
	groupsLeft, inputsLeft int
	short                  bool
}

// limits bound the memory of correlations.
type limits struct{ groups, bytes, keep int }

// CorrelationStats says how correlations are doing.
type CorrelationStats struct {
	// Groups and Bytes are what is remembered now.
	Groups, Bytes int
	// Evicted groups were forgotten for want of memory while they still
	// mattered; Late events came too late to count; Cut entries were dropped
	// from groups that held more than a group may, or were of more groups than
	// one event may be in.
	Evicted, Late, Cut int64
	// CutEvents had more values than are looked at; of ShortEvents regular
	// expressions saw only the beginning of long values, or none any more.
	CutEvents, ShortEvents int64
}

const (
	maxGroupsHeld = 100_000
	maxStateBytes = 64 << 20
	// idleGroups may stay longer than they matter, for events that are imported
	// years after the fact.
	idleGroups = 1024
)

func newCorrelator(list []*correlation) *correlator {
	return &correlator{list: list, groups: map[string]*group{}, limits: limits{maxGroupsHeld, maxStateBytes, idleGroups}}
}

// input is one match as one correlation counts it.
type input struct {
	c     *correlation
	i     int // the rule's place in the correlation
	key   string
	text  string  // of value_count and shares
	num   float64 // of the other value_*
	carry []string
}

// origin is who and what a match of a rule comes from.
type origin struct {
	at                    int64
	id                    string
	who, account, patient string
}

// match is a correlation that fits.
type match struct {
	c   *correlation
	key string
	origin
	// ids are the events it rests on, the completing one last.
	ids   []string
	carry []string
}

// seen counts the matches of one event and returns the correlations that they
// complete. The slice is valid until the next call.
func (k *correlator) seen(hits []*rule, rec record, from origin) []match {
	k.told = k.told[:0]
	k.advance(from.at)
	k.feed(hits, rec, from)
	return k.told
}

// passed says that time went on without a match, and returns the windows that
// are over.
func (k *correlator) passed(at int64) []match {
	k.told = k.told[:0]
	k.advance(at)
	return k.told
}

// finish judges all windows that are still open.
func (k *correlator) finish() []match {
	k.told = k.told[:0]
	for len(k.due) > 0 {
		k.close(k.due[0])
	}
	return k.told
}

// feed counts matches of one event in the correlations that ask for them.
func (k *correlator) feed(hits []*rule, rec record, from origin) {
	before := len(k.inputs)
	for _, x := range hits {
		if len(x.feeds) > 0 {
			k.extract(x, rec)
		}
	}
	mine := k.inputs[before:]
	order(mine)
	k.take(mine, from)
	k.inputs = k.inputs[:before]
}

// order makes the inputs of an event independent of the order in which its
// rules were tried. The last step of an order comes first: see [tally.step].
func order(list []input) {
	if len(list) > 1 {
		slices.SortStableFunc(list, func(a, b input) int { return cmp.Or(cmp.Compare(a.c.number, b.c.number), cmp.Compare(b.i, a.i)) })
	}
}

// take counts the inputs of one event.
func (k *correlator) take(list []input, from origin) {
	k.events++
	event := k.events
	for i := range list {
		k.event = event
		k.count(&list[i], from)
	}
}

// extract reads from an event what the correlations of a rule need of it.
func (k *correlator) extract(x *rule, rec record) {
	for i := range x.feeds {
		f := &x.feeds[i]
		k.keys = binary.AppendUvarint(k.keys[:0], uint64(f.c.number))
		k.groupsLeft, k.inputsLeft, k.short = mostSplit, mostInputs, false
		if k.split(x, f, rec, 0); k.short {
			k.stats.Cut++
		}
	}
}

// mostSplit bounds how many groups of a correlation one event with lists of
// values may be in, and mostInputs how many values it counts in them, all
// together.
const (
	mostSplit  = 64
	mostInputs = 4096
)

// takes says whether there is room for one more, and takes it.
func (k *correlator) takes(left *int) bool {
	if *left == 0 {
		k.short = true
		return false
	}
	*left--
	return true
}

// split makes the keys of the groups an event is in, field by field.
func (k *correlator) split(x *rule, f *feed, rec record, field int) {
	if field == len(f.group) {
		if k.takes(&k.groupsLeft) {
			k.values(x, f, rec)
		}
		return
	}
	from := len(k.vals)
	k.vals = lookup(x, rec, f.group[field], k.vals)
	end, size := len(k.vals), len(k.keys)
	for i := from; i < end && !k.short; i++ {
		if k.vals[i].null || repeated(k.vals[from:end], i-from) {
			continue
		}
		k.keys = appendLow(k.keys[:size], k.vals[i].text)
		k.split(x, f, rec, field+1)
	}
	k.vals, k.keys = k.vals[:from], k.keys[:size]
}

// repeated says that a value stands before, in either case.
func repeated(vals []value, i int) bool {
	return slices.ContainsFunc(vals[:i], func(v value) bool { return !v.null && strings.EqualFold(v.text, vals[i].text) })
}

// appendLow appends a text without case, its length first.
func appendLow(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			s = strings.ToLower(s)
			break
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// lookup reads a field, also by the name that the rule's source has for it.
func lookup(x *rule, rec record, name string, out []value) []value {
	before := len(out)
	if out = rec.lookup(name, out); len(out) > before {
		return out
	}
	if name == whoField { // lines of a file know nobody
		for _, other := range whoFields() {
			if out = rec.lookup(other, out); len(out) > before {
				return out
			}
		}
	}
	for _, w := range x.routes {
		if other, ok := w.fields[name]; ok {
			if out = rec.lookup(other, out); len(out) > before {
				return out
			}
		}
	}
	return out
}

// whoField is the person behind an event by whatever account, or else the
// account; whoFields are where lines of a file have one.
const whoField = "who"

func whoFields() []string { return []string{"actor.user.uid", "actor.user.name"} }

// values adds one input per value that the correlation counts.
func (k *correlator) values(x *rule, f *feed, rec record) {
	in := input{c: f.c, i: f.i, key: k.known(f.c, k.keys)}
	for _, name := range f.carry {
		in.carry = append(in.carry, firstOf(lookup(x, rec, name, nil)))
	}
	switch {
	case f.c.kind == eventCount || f.c.isTemporal():
		k.inputs = append(k.inputs, in)
	case f.c.kind == valueCount || f.c.share:
		k.words(in, x, f, rec)
	default:
		from := len(k.vals)
		k.vals = lookup(x, rec, f.fields[0], k.vals)
		for _, v := range k.vals[from:] {
			if n, err := strconv.ParseFloat(v.text, 64); err == nil && n-n == 0 && k.takes(&k.inputsLeft) {
				in.num = n
				k.inputs = append(k.inputs, in)
			}
		}
		k.vals = k.vals[:from]
	}
}

func firstOf(vals []value) string {
	for _, v := range vals {
		if !v.null {
			return strings.Clone(v.text)
		}
	}
	return ""
}

// words adds an input per value of the field; of several fields, per event with
// all of them, by their first values.
func (k *correlator) words(in input, x *rule, f *feed, rec record) {
	from := len(k.vals)
	defer func() { k.vals = k.vals[:from] }()
	if len(f.fields) == 1 {
		k.vals = lookup(x, rec, f.fields[0], k.vals)
		for i := from; i < len(k.vals); i++ {
			if !k.short && !k.vals[i].null && !repeated(k.vals[from:], i-from) && k.takes(&k.inputsLeft) {
				k.input(in, appendLow(k.texts[:0], k.vals[i].text))
			}
		}
		return
	}
	all := k.texts[:0]
	for _, name := range f.fields {
		at := len(k.vals)
		if k.vals = lookup(x, rec, name, k.vals); len(k.vals) == at || k.vals[at].null {
			return
		}
		all = appendLow(all, k.vals[at].text)
	}
	k.input(in, all)
}

// input adds an input with a text, without a copy when its group knows it.
func (k *correlator) input(in input, text []byte) {
	k.texts = text
	if g, ok := k.groups[in.key]; ok {
		if at, ok := g.table.index[string(text)]; ok {
			in.text = g.table.slots[at].text
			k.inputs = append(k.inputs, in)
			return
		}
	}
	in.text = string(text)
	k.inputs = append(k.inputs, in)
}

// known is the key of a group, without a copy when the group exists.
func (k *correlator) known(c *correlation, key []byte) string {
	if g, ok := k.groups[string(key)]; ok && g.c == c {
		return g.key
	}
	return string(key)
}

// count puts an input into its group. An event counts once, however many rules
// of a correlation it fits.
func (k *correlator) count(in *input, from origin) {
	if in.c.defers && from.at+in.c.span+in.c.late < k.clock {
		k.stats.Late++ // its window is judged
		return
	}
	g := k.group(in)
	if g.event == k.event && g.part != in.i && !in.c.isTemporal() {
		return
	}
	g.event, g.part = k.event, in.i
	if len(g.entries) > 0 && from.at < g.latest-in.c.late {
		k.stats.Late++
		return
	}
	k.bytes -= g.size
	g.credit(&from)
	if len(in.carry) > 0 && (len(g.entries) == 0 || from.at >= g.latest) {
		g.carry = in.carry
	}
	if in.c.defers {
		k.stats.Cut += int64(g.keep(in, from))
		k.schedule(g)
	} else {
		k.judge(g, in, from)
	}
	k.bytes += g.measure()
	k.shrink(from.at, g)
}

// judge takes an input into a group whose correlation is judged at every event.
func (k *correlator) judge(g *group, in *input, from origin) {
	if len(g.entries) == 0 || from.at >= g.latest {
		k.stats.Cut += int64(g.append(in, from))
		if i := len(g.entries) - 1; g.complete() && g.free(from.at) {
			g.fired, g.told = append(g.fired, from.at), append(g.told, from.at)
			k.tell(g, i, g.lo)
		}
		return
	}
	k.stats.Cut += int64(g.insert(in, from))
	for _, i := range g.reconsider(from.at) {
		k.tell(g, i, g.from(i))
	}
}

// tell says that the window of an entry matches, here and to the correlations
// that count this one.
func (k *correlator) tell(g *group, i, lo int) {
	e := &g.entries[i]
	m := match{c: g.c, key: g.key, origin: origin{at: e.at, id: e.id, who: g.who, account: g.account, patient: g.patient}, carry: g.carry}
	m.ids = g.resting(i, lo)
	k.told = append(k.told, m)
	if len(g.c.feeds) == 0 {
		return
	}
	up := m.origin
	up.id = strings.Join(m.ids[max(0, len(m.ids)-mostJoined):], idMark)
	k.feed([]*rule{&g.c.rule}, memo{&m}, up)
}

// A match of a correlation stands in an outer one for several events.
const (
	idMark     = "\x00"
	mostJoined = 16
)

// memo is a match of a correlation as the outer one sees it: the values it was
// grouped by and those it carries.
type memo struct{ m *match }

func (r memo) lookup(name string, out []value) []value {
	c := r.m.c
	if i := slices.Index(c.group, name); i >= 0 {
		return append(out, text(r.m.values()[i]))
	}
	if i := slices.Index(c.carry, name); i >= 0 && i < len(r.m.carry) && r.m.carry[i] != "" {
		return append(out, text(r.m.carry[i]))
	}
	return out
}

// values are those of group-by.
func (m *match) values() []string {
	_, n := binary.Uvarint([]byte(m.key))
	out, _ := splitKey(m.key[n:])
	return out
}

// splitKey takes the values of a key apart.
func splitKey(rest string) (out []string, ok bool) {
	for len(rest) > 0 {
		size, n := binary.Uvarint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
		if n <= 0 || size > uint64(len(rest)-n) {
			return out, false
		}
		out = append(out, rest[n:n+int(size)])
		rest = rest[n+int(size):]
	}
	return out, true
}

// group returns the group of an input, and notes that something came to it.
func (k *correlator) group(in *input) *group {
	g, ok := k.groups[in.key]
	if !ok {
		g = &group{c: in.c, key: in.key, place: -1}
		k.groups[in.key] = g
		k.bytes += g.measure()
	}
	k.touch(g)
	return g
}

// touch moves a group to the front.
func (k *correlator) touch(g *group) {
	if k.front == g {
		return
	}
	k.unlink(g)
	if g.older = k.front; g.older != nil {
		g.older.newer = g
	}
	k.front = g
	if k.back == nil {
		k.back = g
	}
}

func (k *correlator) unlink(g *group) {
	if g.newer != nil {
		g.newer.older = g.older
	}
	if g.older != nil {
		g.older.newer = g.newer
	}
	if k.back == g {
		k.back = g.newer
	}
	if k.front == g {
		k.front = g.older
	}
	g.newer, g.older = nil, nil
}

// drop forgets a group.
func (k *correlator) drop(g *group) {
	k.unlink(g)
	delete(k.groups, g.key)
	k.bytes -= g.size
	if g.place >= 0 {
		heap.Remove(&k.due, g.place)
	}
}

// shrink forgets groups that do not matter any more at a time, and those that
// waited longest when memory is full. The group at work stays.
func (k *correlator) shrink(at int64, g *group) {
	for b := k.back; b != nil && b != g; b = k.back {
		over := len(k.groups) > k.limits.groups || k.bytes > k.limits.bytes
		stale := b.place < 0 && b.latest+b.c.span+b.c.late < at
		if !over && (!stale || len(k.groups) <= k.limits.keep) {
			return
		}
		if !stale {
			k.stats.Evicted++
		}
		k.drop(b)
	}
}

func (k *correlator) now() CorrelationStats {
	s := k.stats
	s.Groups, s.Bytes = len(k.groups), k.bytes
	return s
}

// byCorrelation counts the groups remembered for each correlation.
func (k *correlator) byCorrelation() *map[string]int {
	out := map[string]int{}
	for _, g := range k.groups {
		out[g.c.id]++
	}
	return &out
}

// advance lets time pass: windows that nothing can come to any more are judged.
func (k *correlator) advance(at int64) {
	k.clock = max(k.clock, at)
	for len(k.due) > 0 && k.due[0].closes < k.clock {
		k.close(k.due[0])
	}
}

// schedule notes when the window of a group is over.
func (k *correlator) schedule(g *group) {
	g.closes = g.entries[0].at + g.c.span + g.c.late
	if g.place < 0 {
		heap.Push(&k.due, g)
	} else {
		heap.Fix(&k.due, g.place)
	}
}

// close judges the first window of a group.
func (k *correlator) close(g *group) {
	end := g.entries[0].at + g.c.span
	n := 0
	for n < len(g.entries) && g.entries[n].at <= end {
		n++
	}
	k.bytes -= g.size
	fit, last := g.settle(n)
	if fit {
		k.tell(g, last, 0)
	}
	g.cut(n)
	if len(g.entries) > 0 {
		k.bytes += g.measure()
		k.schedule(g)
		return
	}
	k.bytes += g.size // drop takes it off
	k.drop(g)
}

// dueHeap has the groups whose windows are open, the first to close first.
type dueHeap []*group

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if h[i].closes != h[j].closes {
		return h[i].closes < h[j].closes
	}
	return h[i].key < h[j].key
}
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	g := x.(*group)
	g.place = len(*h)
	*h = append(*h, g)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	old := *h
	g := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	g.place = -1
	return g
}
