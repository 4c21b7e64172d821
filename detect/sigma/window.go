package sigma

import (
	"math"
	"slices"
	"strings"
	"unsafe"
)

// group is what a correlation remembers of one combination of values.
type group struct {
	c   *correlation
	key string

	older, newer *group // by when something came last
	place        int    // among those due, -1 when not
	closes       int64
	event        uint64 // the event counted last, and for which rule
	part         int

	entries []entry // by time, then by arrival
	latest  int64   // time of the last entry
	lo      int     // where the window of the last entry begins
	live    tally   // of that window
	table   table
	// fired is when it matches by all that is known, told when it was said to
	// match by what was known then; as far back as late events may reach.
	fired, told []int64
	ahead       int // how many more of fired than of told are forgotten

	who, account, patient string // in common to all, else empty
	mixed                 bool
	carry                 []string

	texts int // bytes of ids and values
	size  int // bytes when last measured
}

// entry is one match that counts.
type entry struct {
	at int64
	x  uint64 // a number's bits, or the place of a value in the table
	id string
	i  int32 // the rule's place in the correlation
}

func (e *entry) num() float64 { return math.Float64frombits(e.x) }

// table numbers the values of a group.
type table struct {
	index map[string]uint64
	slots []held
	free  []uint64
}

type held struct {
	text string
	refs int32
}

// take returns the place of a value, and how many bytes it added.
func (t *table) take(text string) (at uint64, added int) {
	if at, ok := t.index[text]; ok {
		t.slots[at].refs++
		return at, 0
	}
	text = strings.Clone(text)
	if n := len(t.free); n > 0 {
		at, t.free = t.free[n-1], t.free[:n-1]
		t.slots[at] = held{text, 1}
	} else {
		at = uint64(len(t.slots))
		t.slots = append(t.slots, held{text, 1})
	}
	if t.index == nil {
		t.index = map[string]uint64{}
	}
	t.index[text] = at
	return at, len(text)
}

// drop gives a place up, and returns how many bytes that freed.
func (t *table) drop(at uint64) int {
	s := &t.slots[at]
	if s.refs--; s.refs > 0 {
		return 0
	}
	n := len(s.text)
	delete(t.index, s.text)
	s.text = ""
	t.free = append(t.free, at)
	return n
}

// tally is a window as numbers, kept while entries come and go.
type tally struct {
	n        int
	sum      float64
	broken   int     // entries that are no whole numbers: their sum is made anew
	counts   []int32 // per value or rule
	distinct int
	set      uint64    // rules seen
	starts   [][]int64 // per order and step: the latest start of a chain so far
}

const never_ = math.MinInt64

func (t *tally) add(c *correlation, e *entry) {
	t.n++
	switch c.kind {
	case valueSum:
		t.sum += e.num()
		t.broken += fraction(e.num())
	case valueCount:
		t.mark(e.x)
	case temporal, temporalOrdered:
		t.mark(uint64(e.i))
		t.set |= 1 << e.i
		if c.kind == temporalOrdered {
			t.step(c, e)
		}
	}
}

func fraction(x float64) int {
	if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
		return 0
	}
	return 1
}

func (t *tally) mark(at uint64) {
	for uint64(len(t.counts)) <= at {
		t.counts = append(t.counts, 0)
	}
	if t.counts[at]++; t.counts[at] == 1 {
		t.distinct++
	}
}

func (t *tally) remove(c *correlation, e *entry) {
	t.n--
	switch c.kind {
	case valueSum:
		t.sum -= e.num()
		t.broken -= fraction(e.num())
	case valueCount:
		t.unmark(e.x)
	case temporal, temporalOrdered:
		if t.unmark(uint64(e.i)) {
			t.set &^= 1 << e.i
		}
	}
}

func (t *tally) unmark(at uint64) bool {
	if t.counts[at]--; t.counts[at] == 0 {
		t.distinct--
		return true
	}
	return false
}

// step carries the orders on: a chain of steps begins as late as it can. Rules
// of one event come with the last step first, so that no event is two steps.
func (t *tally) step(c *correlation, e *entry) {
	if t.starts == nil {
		t.starts = make([][]int64, len(c.terms))
		for i, term := range c.terms {
			t.starts[i] = slices.Repeat([]int64{never_}, len(term))
		}
	}
	for i, term := range c.terms {
		if k := slices.Index(term, int(e.i)); k == 0 {
			t.starts[i][0] = e.at
		} else if k > 0 && t.starts[i][k-1] > t.starts[i][k] {
			t.starts[i][k] = t.starts[i][k-1]
		}
	}
}

// fits says whether a window, whose entries are given, matches.
func (t *tally) fits(c *correlation, win []entry) bool {
	switch c.kind {
	case eventCount:
		return c.holds(float64(t.n))
	case valueCount:
		return c.holds(float64(t.distinct))
	case valueSum:
		return c.holds(t.total(win))
	case temporal:
		return c.fits(t.set)
	}
	from := win[len(win)-1].at - c.span
	for _, s := range t.starts {
		if s[len(s)-1] >= from {
			return !c.defers || c.fits(t.set)
		}
	}
	return false
}

// total is the sum. Sums of whole numbers are exact and carried along; others
// would drift, so they are made anew.
func (t *tally) total(win []entry) float64 {
	if t.broken == 0 {
		return t.sum
	}
	sum := 0.0
	for i := range win {
		sum += win[i].num()
	}
	return sum
}

// complete says that the window of the last entry matches.
func (g *group) complete() bool { return g.live.fits(g.c, g.entries[g.lo:]) }

// free says that a match at a time shares nothing with the one before.
func (g *group) free(at int64) bool {
	return len(g.fired) == 0 || at-g.c.span > g.fired[len(g.fired)-1]
}

// mostIDs is how many events a count names.
const mostIDs = 64

// made is the entry of an input.
func (g *group) made(in *input, from origin) entry {
	e := entry{at: from.at, id: from.id, i: int32(in.i)}
	g.texts += len(e.id)
	if g.c.kind == valueCount || g.c.share {
		var n int
		e.x, n = g.table.take(in.text)
		g.texts += n
	} else {
		e.x = math.Float64bits(in.num)
	}
	return e
}

// append takes an input that is not earlier than the others. It returns how
// many entries had to go that still mattered.
func (g *group) append(in *input, from origin) int {
	cut := g.trim(from.at)
	g.entries = append(g.entries, g.made(in, from))
	g.latest = from.at
	n := len(g.entries)
	if i := n - 1 - mostIDs; i >= 0 && !g.c.isTemporal() {
		g.texts -= len(g.entries[i].id)
		g.entries[i].id = ""
	}
	for ; g.entries[g.lo].at < from.at-g.c.span; g.lo++ {
		if g.lo < n-1 {
			g.live.remove(g.c, &g.entries[g.lo])
		}
	}
	if g.live.n == 0 {
		g.live.sum = 0
	}
	g.live.add(g.c, &g.entries[n-1])
	return cut
}

// insert takes an input that comes late.
func (g *group) insert(in *input, from origin) int {
	cut := g.trim(g.latest)
	at := g.after(from.at)
	g.entries = slices.Insert(g.entries, at, g.made(in, from))
	if from.at < g.latest-g.c.span {
		g.lo++
		return cut
	}
	if g.c.kind == temporalOrdered {
		g.recount()
		return cut
	}
	g.live.add(g.c, &g.entries[at])
	return cut
}

// after is where an entry of a time belongs: behind those of the same time.
func (g *group) after(at int64) int {
	i, _ := slices.BinarySearchFunc(g.entries, at, func(e entry, at int64) int {
		if e.at <= at {
			return -1
		}
		return 1
	})
	return i
}

// from is where the window of an entry begins.
func (g *group) from(i int) int {
	return g.after(g.entries[i].at - g.c.span - 1)
}

// recount makes the tally of the window anew.
func (g *group) recount() {
	g.lo = g.from(len(g.entries) - 1)
	g.live = tally{}
	from := g.lo
	if g.c.kind == temporalOrdered {
		g.rechain(&g.live, g.lo)
	}
	for i := from; i < len(g.entries); i++ {
		g.live.add(g.c, &g.entries[i])
	}
}

// rechain carries the orders over the entries before one.
func (g *group) rechain(t *tally, end int) {
	for i := range g.entries[:end] {
		t.step(g.c, &g.entries[i])
	}
}

// trim drops entries that no window can hold any more, when they are many, and
// the oldest quarter of a group that is full.
func (g *group) trim(at int64) int {
	old := 0
	if len(g.entries) >= 16 {
		edge := at - g.c.span - g.c.late
		if g.entries[len(g.entries)/2].at < edge {
			old = g.after(edge - 1)
		}
	}
	cut := 0
	if len(g.entries)-old >= g.c.most {
		was := old
		old += g.c.most / 4
		cut = max(0, old-max(was, g.lo))
	}
	if old > 0 {
		g.forget(old)
	}
	edge := at - g.c.late - g.c.span
	g.ahead += len(g.fired) - len(g.told)
	g.fired, g.told = since(g.fired, edge), since(g.told, edge)
	g.ahead -= len(g.fired) - len(g.told)
	return cut
}

// since drops the times before one.
func since(list []int64, edge int64) []int64 {
	n, _ := slices.BinarySearch(list, edge)
	return slices.Delete(list, 0, n)
}

// forget drops the first entries.
func (g *group) forget(n int) {
	for i := range g.entries[:n] {
		if i >= g.lo && !g.c.defers {
			g.live.remove(g.c, &g.entries[i])
		}
	}
	g.lo = max(0, g.lo-n)
	g.cut(n)
}

// cut takes the first entries away.
func (g *group) cut(n int) {
	for i := range g.entries[:n] {
		e := &g.entries[i]
		g.texts -= len(e.id)
		if g.c.kind == valueCount || g.c.share {
			g.texts -= g.table.drop(e.x)
		}
	}
	g.entries = slices.Delete(g.entries, 0, n)
	if c := cap(g.entries); c > 64 && len(g.entries) < c/4 {
		g.entries = slices.Clone(g.entries)
	}
}

// reconsider goes over the windows that an event which came late is in, and
// returns the entries that match and were not told of: as many as there are
// more matches now than were told. More events never make fewer matches, so in
// the end as many are told as if all had come in order.
func (g *group) reconsider(at int64) []int {
	g.refire(at)
	more := g.ahead + len(g.fired) - len(g.told)
	if more <= 0 {
		return nil
	}
	var fresh []int
	for _, far := range []int64{g.c.span, 0} { // those that nothing told is near, then any
		for _, at := range g.fired {
			if len(fresh) < more && !near(g.told, at, far) {
				if i := g.match(at); i >= 0 {
					fresh = append(fresh, i)
					n, _ := slices.BinarySearch(g.told, at)
					g.told = slices.Insert(g.told, n, at)
				}
			}
		}
	}
	return fresh
}

// near says that one of the times is at most far from a time.
func near(list []int64, at, far int64) bool {
	n, _ := slices.BinarySearch(list, at-far)
	return n < len(list) && list[n] <= at+far
}

// refire makes the list of matches anew from a time on.
func (g *group) refire(at int64) {
	before, _ := slices.BinarySearch(g.fired, at)
	g.fired = g.fired[:before]
	first := g.after(at - 1)
	g.windows(first, func(i int, t *tally, lo int) bool {
		if e := &g.entries[i]; g.free(e.at) && t.fits(g.c, g.entries[lo:i+1]) {
			g.fired = append(g.fired, e.at)
		}
		return true
	})
}

// match finds the entry whose window matches at a time.
func (g *group) match(at int64) int {
	out := -1
	g.windows(g.after(at-1), func(i int, t *tally, lo int) bool {
		if g.entries[i].at == at && t.fits(g.c, g.entries[lo:i+1]) {
			out = i
		}
		return out < 0 && g.entries[i].at <= at
	})
	return out
}

// windows visits the windows of the entries from one on, until visit has had
// enough.
func (g *group) windows(first int, visit func(i int, t *tally, lo int) bool) {
	if first >= len(g.entries) {
		return
	}
	var t tally
	lo := g.from(first)
	if g.c.kind == temporalOrdered {
		g.rechain(&t, lo)
	}
	for i := lo; i < first; i++ {
		t.add(g.c, &g.entries[i])
	}
	for i := first; i < len(g.entries); i++ {
		e := &g.entries[i]
		for ; g.entries[lo].at < e.at-g.c.span; lo++ {
			t.remove(g.c, &g.entries[lo])
		}
		t.add(g.c, e)
		if !visit(i, &t, lo) {
			return
		}
	}
}

// keep takes an input whose window is judged when it is over.
func (g *group) keep(in *input, from origin) int {
	cut := 0
	if len(g.entries) >= g.c.most {
		cut = g.c.most / 4
		g.cut(cut)
	}
	at := g.after(from.at)
	g.entries = slices.Insert(g.entries, at, g.made(in, from))
	g.latest = max(g.latest, from.at)
	if i := len(g.entries) - 1 - mostIDs; i >= 0 && !g.c.isTemporal() && !g.c.share {
		g.texts -= len(g.entries[i].id)
		g.entries[i].id = ""
	}
	return cut
}

// settle judges the first entries as a window; last is the one that completes
// it.
func (g *group) settle(n int) (fit bool, last int) {
	win := g.entries[:n]
	switch g.c.kind {
	case valueAvg:
		return g.c.holds(sumOf(win) / float64(n)), n - 1
	case valuePercentile:
		if g.c.share {
			return g.rare(win)
		}
		return g.c.holds(percentile(win, g.c.p)), n - 1
	}
	var t tally
	for i := range win {
		t.add(g.c, &win[i])
	}
	return t.fits(g.c, win), n - 1
}

func sumOf(win []entry) float64 {
	sum := 0.0
	for i := range win {
		sum += win[i].num()
	}
	return sum
}

// percentile is exact: between the two values next to it, in proportion.
func percentile(win []entry, p float64) float64 {
	all := make([]float64, len(win))
	for i := range win {
		all[i] = win[i].num()
	}
	slices.Sort(all)
	at := p / 100 * float64(len(all)-1)
	i := int(at)
	if i+1 >= len(all) {
		return all[len(all)-1]
	}
	return all[i] + (at-float64(i))*(all[i+1]-all[i])
}

// rare finds the rarest value whose share of a window, in percent, fits, and
// its last entry.
func (g *group) rare(win []entry) (bool, int) {
	counts := map[uint64]int{}
	for i := range win {
		counts[win[i].x]++
	}
	best := -1
	for i := range win {
		n := counts[win[i].x]
		if !g.c.holds(100 * float64(n) / float64(len(win))) {
			continue
		}
		if best < 0 || n < counts[win[best].x] || win[i].x == win[best].x {
			best = i
		}
	}
	return best >= 0, best
}

// resting lists the ids of the events that a match at entry i rests on, that
// one last.
func (g *group) resting(i, lo int) []string {
	var out []string
	add := func(e *entry) {
		for id := range strings.SplitSeq(e.id, idMark) {
			if at := slices.Index(out, id); at >= 0 {
				out = slices.Delete(out, at, at+1)
			}
			if id != "" {
				out = append(out, id)
			}
		}
	}
	for _, j := range g.chosen(i, lo) {
		add(&g.entries[j])
	}
	return out[max(0, len(out)-mostIDs):]
}

// chosen are the entries a match rests on: of counts all that are named, of
// temporal ones the last of each rule.
func (g *group) chosen(i, lo int) []int {
	var out []int
	if g.c.share {
		for j := lo; j <= i; j++ {
			if g.entries[j].x == g.entries[i].x {
				out = append(out, j)
			}
		}
		return out
	}
	if !g.c.isTemporal() {
		for j := max(lo, i-mostIDs+1); j <= i; j++ {
			out = append(out, j)
		}
		return out
	}
	if g.c.kind == temporalOrdered {
		return g.chain(i, lo)
	}
	var set uint64
	for j := i; j >= lo; j-- {
		if bit := uint64(1) << g.entries[j].i; set&bit == 0 {
			set |= bit
			out = append(out, j)
		}
	}
	slices.Reverse(out)
	return out
}

// chain finds the entries of the first order that is complete, backwards.
func (g *group) chain(i, lo int) []int {
	for _, term := range g.c.terms {
		var out []int
		step := len(term) - 1
		for j := i; j >= lo && step >= 0; j-- {
			if int(g.entries[j].i) == term[step] {
				out = append(out, j)
				step--
			}
		}
		if step < 0 {
			slices.Reverse(out)
			return out
		}
	}
	return []int{i}
}

// credit notes who and whom an input is about: only what all have in common
// stays.
func (g *group) credit(from *origin) {
	if len(g.entries) == 0 && g.event != 0 && !g.mixed && g.who == "" && g.account == "" && g.patient == "" {
		g.who, g.account, g.patient = from.who, strings.Clone(from.account), strings.Clone(from.patient)
		return
	}
	if g.who != from.who {
		g.who, g.account, g.mixed = "", "", true
	}
	if g.account != from.account {
		g.account = ""
	}
	if g.patient != from.patient {
		g.patient = ""
	}
}

// measure is how many bytes the group takes, about.
func (g *group) measure() int {
	g.size = int(unsafe.Sizeof(*g)) + perGroup + 2*len(g.key) + g.texts +
		cap(g.entries)*int(unsafe.Sizeof(entry{})) + (cap(g.fired)+cap(g.told))*8 + cap(g.live.counts)*4 +
		cap(g.table.slots)*int(unsafe.Sizeof(held{})) + len(g.table.index)*perValue + cap(g.table.free)*8 + len(g.account) + len(g.patient)
	for _, s := range g.live.starts {
		g.size += 24 + 8*len(s)
	}
	for _, s := range g.carry {
		g.size += 16 + len(s)
	}
	return g.size
}

// What a map takes per entry, about.
const (
	perGroup = 48
	perValue = 48
)
