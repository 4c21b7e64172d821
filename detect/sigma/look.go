package sigma

import "time"

// record is one event as correlations see it: values by the name of a field.
// Their texts are valid until the next event.
type record interface {
	lookup(name string, out []value) []value
}

// look is one event while rules are tried on it: what it holds, what has been
// made of that, and what is already known to be true or false. It is used
// again for the next event, so that nothing is allocated for one.
type look struct {
	e    *engine
	zone *time.Location
	// event is set when the event is one of the pipeline, not a line of JSON.
	event *eventRecord

	leaves []value
	texts  [2]int  // those of the leaves in which keywords are looked for
	fields []found // by number
	seen   []int   // the fields that JSON has
	walk   walk
	arena  arena

	turn  uint32   // counts events; what carries another turn is of an older one
	memo  []uint32 // by atom: turn<<2, and what is known
	ran   []uint32 // by field: the turn in which its automaton ran
	tried []uint32 // by rule: the turn in which it became a candidate
	cands []int32
	// candidates is how many rules the last event was a reason to try.
	candidates int
	hits       []*rule
	way        *way
	ways       map[string]*way // by what events say about their source
	alike      map[string]*way // by the log sources that lead to them
	key        []byte
	told       func([]int32)
	// oracle does everything the plain way, to compare with.
	oracle bool
	// everywhere tries every rule on every event.
	everywhere bool
	// steps are what regular expressions may still take for this event. short
	// says that some saw only the beginning of a value, or nothing any more;
	// cut, that the event has more values than are looked at.
	steps      int
	short, cut bool
	// strict tries a rule only on events that are known to be of its source.
	strict bool
}

// found is what an event has for a field.
type found struct {
	leaves []int32
	turn   uint32
	rank   uint8
	there  bool
}

func newLook(e *engine, zone *time.Location) *look {
	l := &look{
		e: e, zone: zone, fields: make([]found, len(e.names)), ran: make([]uint32, len(e.names)+1),
		memo: make([]uint32, len(e.atoms)), tried: make([]uint32, len(e.rules)), ways: map[string]*way{}, alike: map[string]*way{},
	}
	l.told = l.tell
	return l
}

// begin forgets the last event.
func (l *look) begin() {
	if l.turn++; l.turn >= 1<<30 {
		l.turn = 1
		clear(l.fields)
		clear(l.ran)
		clear(l.memo)
		clear(l.tried)
	}
	l.leaves, l.seen, l.hits, l.cands = l.leaves[:0], l.seen[:0], l.hits[:0], l.cands[:0]
	l.texts, l.event = [2]int{}, nil
	l.steps, l.short, l.cut = maxEventSteps, false, false
	l.arena.reset()
}

// enter notes a value of a field, or with -1 that the field is there. A better
// place hides a worse one.
func (l *look) enter(field, rank, leaf int) {
	if l.event != nil && l.e.ofEvent[field] {
		return // the event itself has it
	}
	f := &l.fields[field]
	switch {
	case f.turn != l.turn:
		f.turn, f.rank, f.leaves = l.turn, uint8(rank), f.leaves[:0]
		l.seen = append(l.seen, field)
	case rank < int(f.rank):
		f.rank, f.leaves = uint8(rank), f.leaves[:0]
	case rank > int(f.rank):
		return
	}
	f.there = true
	if leaf >= 0 {
		f.leaves = append(f.leaves, int32(leaf))
	}
}

// field is what the event has for a field. What does not stand in JSON is
// looked up when first asked for.
func (l *look) field(n int) *found {
	f := &l.fields[n]
	if f.turn == l.turn {
		return f
	}
	f.turn, f.rank, f.there, f.leaves = l.turn, rankWhole, false, f.leaves[:0]
	before := len(l.leaves)
	switch {
	case l.event != nil && l.e.ofEvent[n]:
		l.leaves = l.event.lookup(l.e.names[n], l.leaves)
	case l.event == nil && l.e.ofTime[n]:
		l.leaves = l.clock(l.e.names[n], l.leaves)
	}
	for i := before; i < len(l.leaves); i++ {
		f.leaves, f.there = append(f.leaves, int32(i)), true
	}
	return f
}

// clock is what a line's time says about the site's clock.
func (l *look) clock(name string, out []value) []value {
	n, ok := l.e.number["time"]
	if !ok {
		return out
	}
	for _, i := range l.field(n).leaves {
		if t, ok := timeOf(l.text(&l.leaves[i]), l.zone); ok {
			return clockField(name, t, out)
		}
	}
	return out
}

func clockField(name string, t time.Time, out []value) []value {
	if name == "local.hour" {
		return appendInt(out, int64(t.Hour()))
	}
	return append(out, value{text: t.Weekday().String()})
}

// lookup implements record.
func (l *look) lookup(name string, out []value) []value {
	n, ok := l.e.number[name]
	if !ok {
		return out
	}
	for _, i := range l.field(n).leaves {
		l.text(&l.leaves[i])
		out = append(out, l.leaves[i])
	}
	return out
}

// text and low are a value's text, as it is and without case.
func (l *look) text(v *value) string {
	if v.kind != plain {
		l.arena.settle(v)
	}
	return v.text
}

func (l *look) low(v *value) string {
	if !v.folded {
		v.low, v.folded = l.arena.fold(l.text(v)), true
	}
	return v.low
}

// shown is the part of a value that an expression of a size is shown, which
// takes a step a character for each of its instructions at worst. ok is false
// when the event's steps are used up.
func (l *look) shown(s string, size int) (part string, ok bool) {
	if most := max(maxSteps/size, minShown); len(s) > most {
		s, l.short = s[:most], true
	}
	if l.steps < len(s)*size && !l.oracle {
		l.short = true
		return "", false
	}
	l.steps -= len(s) * size
	return s, true
}

// decide finds the rules that fit the event, in the order in which they were
// loaded.
func (l *look) decide() []*rule {
	l.way = l.choose()
	l.rename()
	if l.oracle {
		for i, r := range l.e.rules {
			if l.way.allows(int32(i)) && r.cond.eval(l) {
				l.hits = append(l.hits, r)
			}
		}
		return l.hits
	}
	l.gather()
	return l.judge()
}

// rename gives fields that the event lacks the values that its source has
// under other names.
func (l *look) rename() {
	for _, r := range l.way.renames {
		to, from := l.field(r[0]), l.field(r[1])
		if !to.there && from.there {
			to.leaves, to.there = append(to.leaves[:0], from.leaves...), true
		}
	}
}

// gather collects the rules that the event gives a reason to try.
func (l *look) gather() {
	w := l.way
	l.cands = append(l.cands, w.loose...)
	for _, n := range l.seen {
		if w.uses[n] != 0 {
			l.witnesses(n)
		}
	}
	for _, n := range w.late {
		if l.ran[n] != l.turn && l.field(n).there {
			l.witnesses(n)
		}
	}
	l.hear()
}

// hear looks for keywords in all texts. Only the automaton of all keywords
// tells what is not there.
func (l *look) hear() {
	all := len(l.e.names)
	for _, a := range l.way.keywords {
		if a == l.e.autos[all] {
			l.ran[all] = l.turn
		}
		for i := l.texts[0]; i < l.texts[1]; i++ {
			if v := &l.leaves[i]; !v.null {
				a.find(l.caseless(v), l.told)
			}
		}
	}
}

// witnesses notes what the values of a field are reasons for.
func (l *look) witnesses(n int) {
	l.ran[n] = l.turn
	f := &l.fields[n]
	if !f.there {
		return
	}
	for _, i := range l.e.present[n] {
		l.try(i)
	}
	a := l.e.autos[n]
	if a == nil {
		return
	}
	for _, i := range f.leaves {
		if v := &l.leaves[i]; !v.null {
			a.find(l.caseless(v), l.told)
		}
	}
}

// caseless is a text that an automaton may read: ASCII, or without case.
func (l *look) caseless(v *value) string {
	if v.folded {
		return v.low
	}
	if s := l.text(v); isASCII(s) {
		return s
	}
	return l.low(v)
}

// tell takes the atoms of needles that were found.
func (l *look) tell(atoms []int32) {
	for _, n := range atoms {
		if l.memo[n]>>2 == l.turn {
			continue
		}
		a := &l.e.atoms[n]
		if l.memo[n] = l.turn<<2 | isFound; a.sure {
			l.memo[n] = l.turn<<2 | isYes
		}
		for _, r := range a.rules {
			l.try(r)
		}
	}
}

// try makes a rule a candidate.
func (l *look) try(r int32) {
	if l.tried[r] != l.turn && l.way.allows(r) {
		l.tried[r] = l.turn
		l.cands = append(l.cands, r)
	}
}
