package sigma

import (
	"encoding/binary"
	"maps"
	"slices"
)

// sources are the log sources of all rules, and how events tell theirs.
type sources struct {
	list   []logsource // those of rules
	routes [][]*route  // by list
	rules  [][]int32   // by list
	all    []*route
	asks   []ask
	says   [3]int // fields by which an event names its category, product and service; -1
	known  [3]map[string]bool
}

// ask is a field that routing looks at.
type ask struct {
	field int
	value bool // its value matters, not only whether it is there
}

func newSources(r *Rules) sources {
	s := sources{all: r.routes, says: [3]int{-1, -1, -1}}
	number := map[logsource]int{}
	for i, x := range r.list {
		n, ok := number[x.source]
		if !ok {
			n = len(s.list)
			number[x.source] = n
			s.list, s.routes, s.rules = append(s.list, x.source), append(s.routes, x.routes), append(s.rules, nil)
		}
		s.rules[n] = append(s.rules[n], int32(i))
	}
	asks := map[int]bool{}
	for _, w := range r.routes {
		asksOf(w.where, asks)
	}
	for i, name := range r.fields.says {
		s.known[i] = map[string]bool{}
		if n, ok := r.fields.number[name]; ok && name != "" {
			s.says[i], asks[n] = n, true
		}
	}
	for _, l := range s.list {
		for i, w := range l.words() {
			s.known[i][w] = w != ""
		}
	}
	for _, f := range slices.Sorted(maps.Keys(asks)) {
		s.asks = append(s.asks, ask{f, asks[f]})
	}
	return s
}

// asksOf lists the fields a where looks at, and whether at their values.
func asksOf(n node, out map[int]bool) {
	switch n := n.(type) {
	case allOf:
		for _, x := range n {
			asksOf(x, out)
		}
	case anyOf:
		for _, x := range n {
			asksOf(x, out)
		}
	case negate:
		asksOf(n.node, out)
	case *oneOf:
		out[n.field] = true
	case *sameAs:
		out[n.field], out[n.other] = true, true
	case *exists:
		if !out[n.field] { // asked for, though not for a value
			out[n.field] = false
		}
	}
}

// way is what an event's log source means for the rules. Events that look the
// same to the routes share one.
type way struct {
	allowed []uint64 // bits by rule
	loose   []int32  // rules to try without any reason
	uses    []uint8  // by field: whether a value of it can be a reason
	late    []int    // such fields that need not stand in JSON
	// keywords are the automata by which keywords are looked for.
	keywords []*automaton
	renames  [][2]int // fields, and under which name the source has them
}

func (w *way) allows(r int32) bool { return w.allowed[r>>6]&(1<<(r&63)) != 0 }

// maxWays bounds how many looks of events are kept with their ways, and maxKey
// by what: an event with more to say about its source is looked at anew. maxAlike
// bounds the ways themselves, of which many looks share one.
const (
	maxWays  = 4096
	maxKey   = 1024
	maxAlike = 512
)

// choose finds the way of the event.
func (l *look) choose() *way {
	s := &l.e.sources
	key := l.key[:0]
	for _, a := range s.asks {
		f := l.field(a.field)
		if !f.there {
			key = append(key, 0)
			continue
		}
		key = append(key, 1+f.rank)
		if a.value {
			key = binary.AppendUvarint(key, uint64(len(f.leaves)))
			for _, i := range f.leaves {
				v := &l.leaves[i]
				if v.null {
					key = append(key, 0)
					continue
				}
				text := l.text(v)
				key = append(binary.AppendUvarint(key, uint64(len(text))+1), text...)
			}
		}
	}
	if l.key = key; len(key) > maxKey {
		l.key = nil
	}
	if w, ok := l.ways[string(key)]; ok && !l.oracle {
		return w
	}
	w := l.newWay()
	if len(key) > maxKey {
		return w
	}
	if len(l.ways) >= maxWays {
		clear(l.ways)
	}
	l.ways[string(key)] = w
	return w
}

// newWay finds which log sources lead to the event. What follows from them is
// made once: an event whose values nobody has seen before costs no more than
// to look at the routes.
func (l *look) newWay() *way {
	e := l.e
	fitting := map[*route]bool{}
	for _, r := range e.sources.all {
		if r.where != nil && r.fits(l) {
			fitting[r] = true
		}
	}
	said, known := l.said(fitting)
	leading := make([]byte, 0, len(e.sources.list)+len(e.sources.all))
	for i, source := range e.sources.list {
		leads := l.everywhere || l.leads(source, e.sources.routes[i], fitting, said, known)
		leading = append(leading, mark(leads))
	}
	for _, r := range e.sources.all {
		leading = append(leading, mark(fitting[r]))
	}
	if w, ok := l.alike[string(leading)]; ok && !l.oracle {
		return w
	}
	if len(l.alike) >= maxAlike {
		clear(l.alike)
	}
	w := e.way(leading, l.event != nil)
	l.alike[string(leading)] = w
	return w
}

func mark(yes bool) byte {
	if yes {
		return 1
	}
	return 0
}

// way makes the way to the rules of the log sources that lead to an event, whose
// source has other names for fields by the routes that fit.
func (e *engine) way(leading []byte, pipeline bool) *way {
	w := &way{allowed: make([]uint64, len(e.rules)/64+1), uses: make([]uint8, len(e.names)+1)}
	for i, rules := range e.sources.rules {
		if leading[i] == 0 {
			continue
		}
		for _, r := range rules {
			w.allowed[r>>6] |= 1 << (r & 63)
		}
	}
	for i, r := range e.sources.all {
		if leading[len(e.sources.rules)+i] != 0 {
			w.rename(e, r)
		}
	}
	w.finish(e, pipeline)
	return w
}

func (w *way) rename(e *engine, r *route) {
	for _, name := range slices.Sorted(maps.Keys(r.fields)) {
		w.renames = append(w.renames, [2]int{e.number[name], e.number[r.fields[name]]})
	}
}

// said is the source that the event names itself, and known all sources it is
// of.
func (l *look) said(fitting map[*route]bool) (said logsource, known []logsource) {
	s := &l.e.sources
	var words [3]string
	any := false
	for i, n := range s.says {
		if n < 0 {
			continue
		}
		if f := l.field(n); f.there && f.rank == rankWhole && len(f.leaves) == 1 {
			words[i] = l.low(&l.leaves[f.leaves[0]])
			any = any || s.known[i][words[i]]
		}
	}
	if any {
		said = logsource{Category: string([]byte(words[0])), Product: string([]byte(words[1])), Service: string([]byte(words[2]))}
		known = append(known, said)
	}
	for _, r := range s.all {
		if fitting[r] {
			known = append(known, r.source)
		}
	}
	return said, known
}

// leads says whether rules of a log source are tried on the event.
func (l *look) leads(to logsource, routes []*route, fitting map[*route]bool, said logsource, known []logsource) bool {
	if said.names(to) {
		return true
	}
	open := len(routes) == 0
	for _, r := range routes {
		if r.where == nil || fitting[r] {
			return true
		}
		open = open || r.may(l)
	}
	if !open {
		return false
	}
	if len(known) == 0 {
		return !l.strict
	}
	for _, k := range known {
		if (k == said || !l.strict) && k.agrees(to) {
			return true
		}
	}
	return false
}

// names says that every word of a log source is said.
func (l logsource) names(to logsource) bool {
	mine := l.words()
	for i, w := range to.words() {
		if w != "" && w != mine[i] {
			return false
		}
	}
	return true
}

// agrees says that two log sources share a word and differ in none.
func (l logsource) agrees(to logsource) bool {
	mine, shared := l.words(), false
	for i, w := range to.words() {
		if w != "" && mine[i] != "" {
			if w != mine[i] {
				return false
			}
			shared = true
		}
	}
	return shared
}

// maxKeywords is how many small automata are worth running instead of the one
// of all keywords.
const maxKeywords = 2

// finish notes what can be a reason for the allowed rules.
func (w *way) finish(e *engine, pipeline bool) {
	for i := range e.rules {
		if !w.allows(int32(i)) {
			continue
		}
		x := &e.witnesses[i]
		if x.loose() {
			w.loose = append(w.loose, int32(i))
		}
		for _, a := range x.atoms {
			w.uses[e.atoms[a].field] = 1
		}
		for _, f := range x.present {
			w.uses[f] = 1
		}
	}
	for i, a := range e.keywords {
		if a != nil && w.allows(e.sources.rules[i][0]) {
			w.keywords = append(w.keywords, a)
		}
	}
	n := len(e.names)
	if len(w.keywords) > maxKeywords {
		w.keywords = []*automaton{e.autos[n]}
	}
	for f := range n {
		if w.uses[f] != 0 && (pipeline && e.ofEvent[f] || !pipeline && e.ofTime[f]) {
			w.late = append(w.late, f)
		}
	}
	for _, r := range w.renames {
		if w.uses[r[0]] != 0 {
			w.late = append(w.late, r[0])
		}
	}
}
