package sigma

import (
	"math"
	"runtime/debug"
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// engine is what all events are shown to: the rules, prepared. It is built once
// by compile at the end of Load, when every rule has its final condition with
// its filters joined in, and is only read afterwards, by any number of looks.
//
// The contract with the rest of the package:
//   - rule.cond is the tree of the condition; nothing here changes it.
//   - A rule's tree comes from parseDetection with a compiler whose lists are
//     the hospital's value lists; compiler.waits are those it lacks.
//   - Correlations read fields by record.lookup, of names that have been added
//     to the loader's fieldNames. The texts of values are only valid until the
//     next event: whoever keeps one clones it.
type engine struct {
	rules  []*rule
	names  []string
	number map[string]int
	others map[string][]string // further names of fields
	paths  *paths
	// ofEvent are the fields that an event of the pipeline has itself, ofTime
	// those that a line of JSON has through its time.
	ofEvent, ofTime []bool

	byID  map[string]int32
	atoms []atom
	plans []plan
	asked []int // how many atoms ask for a field

	sought    []sought  // by atom, while the index is made
	witnesses []witness // by rule
	// autos are the automata of fields; the last is that of all keywords.
	autos []*automaton
	// keywords are automata for the keywords of one log source alone, by its
	// number: most events can have those of one or two, and small tables stay
	// in the processor's cache.
	keywords []*automaton
	present  [][]int32 // by field: the rules that want it to be there

	sources sources
	routing []bool // by field: events are routed by it
}

// compile prepares the rules.
func (r *Rules) compile() {
	for _, name := range timeFields() {
		r.fields.add(name)
	}
	e := &engine{
		rules: r.list, names: r.fields.names, number: r.fields.number, others: r.fields.others, paths: newPaths(r.fields),
		byID: map[string]int32{}, sources: newSources(r),
	}
	e.classify()
	for _, x := range e.rules {
		e.plans = append(e.plans, e.plan(x.cond))
	}
	for i := range e.atoms {
		e.asked[e.atoms[i].field]++
	}
	e.index()
	e.byID = nil
	r.engine = e
	r.look = newLook(e, nil)
	r.look.strict = true
	if len(e.rules) > manyRules {
		debug.FreeOSMemory()
	}
}

// manyRules leave so much behind of their making, several times what they are,
// that it is given back at once.
const manyRules = 1000

func (e *engine) classify() {
	n := len(e.names)
	e.ofEvent, e.ofTime, e.routing = make([]bool, n), make([]bool, n), make([]bool, n+1)
	e.asked, e.present = make([]int, n+1), make([][]int32, n+1)
	for i, name := range e.names {
		_, mine := eventField(&ocsf.Event{}, name, nil)
		e.ofTime[i] = name == "local.hour" || name == "local.weekday"
		e.ofEvent[i] = mine || e.ofTime[i] || isKnown(name)
	}
	for _, a := range e.sources.asks {
		e.routing[a.field] = true
	}
}

// index finds each rule its witnesses, and builds the automata for those that
// are texts.
func (e *engine) index() {
	e.sought = make([]sought, len(e.atoms))
	parallel(len(e.atoms), func() func(int) {
		return func(i int) { e.sought[i].list, e.sought[i].sure = e.needles(int32(i)) }
	})
	defer func() { e.sought = nil }()
	e.witnesses = make([]witness, len(e.rules))
	wanted := make([]bool, len(e.atoms))
	for i := range e.rules {
		w := e.witness(&e.plans[i])
		slices.Sort(w.atoms)
		slices.Sort(w.present)
		w.atoms, w.present = slices.Compact(w.atoms), slices.Compact(w.present)
		e.witnesses[i] = w
		for _, a := range w.atoms {
			wanted[a] = true
			e.atoms[a].rules = append(e.atoms[a].rules, int32(i))
		}
		for _, f := range w.present {
			e.present[f] = append(e.present[f], int32(i))
		}
	}
	needles := make([][]needle, len(e.names)+1)
	for i := range e.atoms {
		if a := &e.atoms[i]; wanted[i] {
			a.sought, a.sure = true, e.sought[i].sure
			needles[a.field] = append(needles[a.field], e.sought[i].list...)
		}
	}
	for _, rules := range e.sources.rules {
		needles = append(needles, e.wordsOf(rules))
	}
	autos := make([]*automaton, len(needles))
	parallel(len(needles), func() func(int) {
		return func(i int) {
			if len(needles[i]) > 0 {
				autos[i] = newAutomaton(needles[i])
			}
		}
	})
	e.autos, e.keywords = autos[:len(e.names)+1], autos[len(e.names)+1:]
}

// wordsOf are the needles among keywords that are witnesses of some rules.
func (e *engine) wordsOf(rules []int32) (out []needle) {
	for _, r := range rules {
		for _, a := range e.witnesses[r].atoms {
			if e.atoms[a].field == len(e.names) {
				out = append(out, e.sought[a].list...)
			}
		}
	}
	return out
}

// loose says that nothing in an event is a reason to try the rule.
func (w *witness) loose() bool { return math.IsInf(w.rate, 1) }
