package sigma

import (
	"cmp"
	"slices"
)

// plan is a condition as it is evaluated: the same tree as the rule's, with
// what is cheap to ask asked first, and with leaves that all rules share, so
// that each question about an event is answered once.
type plan struct {
	op   op
	kids []plan
	atom int32
	cost int
	// unless are the filters of the rule.
	unless *unless
}

type op byte

const (
	opFalse op = iota
	opAtom
	opAll
	opAny
	opNot
	opUnless
)

// atom is a leaf of plans.
type atom struct {
	node  node
	field int // len(names) for keywords
	cost  int
	// sought says that the field's automaton looks for it: what is not found is
	// false. What is found is true if it is sure, and else has to be asked.
	sought, sure bool
	// rules are those that have it as a witness.
	rules []int32
}

// plan makes the plan of a condition.
func (e *engine) plan(n node) plan {
	switch n := n.(type) {
	case allOf:
		return e.branch(opAll, n)
	case anyOf:
		return e.branch(opAny, n)
	case negate:
		p := e.plan(n.node)
		return plan{op: opNot, kids: []plan{p}, cost: p.cost}
	case never:
		return plan{op: opFalse}
	case unless:
		p := e.plan(n.cond)
		return plan{op: opUnless, kids: []plan{p}, cost: p.cost, unless: &n}
	}
	a := e.intern(n)
	return plan{op: opAtom, atom: a, cost: e.atoms[a].cost}
}

func (e *engine) branch(o op, list []node) plan {
	out := plan{op: o}
	for _, n := range list {
		p := e.plan(n)
		if p.op == o {
			out.kids = append(out.kids, p.kids...)
		} else {
			out.kids = append(out.kids, p)
		}
	}
	slices.SortStableFunc(out.kids, func(a, b plan) int { return cmp.Compare(a.cost, b.cost) })
	for _, p := range out.kids {
		out.cost += p.cost
	}
	return out
}

// intern numbers an atom; the same question has the same number.
func (e *engine) intern(n node) int32 {
	id := n.id()
	if a, ok := e.byID[id]; ok {
		return a
	}
	a := int32(len(e.atoms))
	e.byID[id] = a
	e.atoms = append(e.atoms, atom{node: n, field: e.fieldOf(n), cost: costOf(n)})
	return a
}

func (e *engine) fieldOf(n node) int {
	switch n := n.(type) {
	case *oneOf:
		return n.field
	case *exists:
		return n.field
	case *sameAs:
		return n.field
	}
	return len(e.names)
}

// costOf is roughly how many nanoseconds a question takes.
func costOf(n node) int {
	switch n := n.(type) {
	case *oneOf:
		return 10 + costs(n.ms)
	case *words:
		return 1000 + 20*costs(n.ms)
	case *sameAs:
		return 30
	}
	return 5
}

func costs(ms []matcher) int {
	sum := 0
	for _, m := range ms {
		switch m := m.(type) {
		case *glob:
			sum += [...]int{isText: 5, hasPrefix: 6, hasSuffix: 6, hasText: 15, isAny: 1, isGlob: 60}[m.how]
		case *regex:
			sum += 300
		default:
			sum += 40
		}
	}
	return sum
}

// judge evaluates the candidates.
func (l *look) judge() []*rule {
	n := 0
	l.candidates = len(l.cands)
	for _, r := range l.cands {
		if l.holds(&l.e.plans[r]) {
			l.cands[n] = r
			n++
		}
	}
	l.cands = l.cands[:n]
	slices.Sort(l.cands)
	for _, r := range l.cands {
		l.hits = append(l.hits, l.e.rules[r])
	}
	return l.hits
}

func (l *look) holds(p *plan) bool {
	switch p.op {
	case opAtom:
		return l.answer(p.atom)
	case opAll:
		for i := range p.kids {
			if !l.holds(&p.kids[i]) {
				return false
			}
		}
		return true
	case opAny:
		for i := range p.kids {
			if l.holds(&p.kids[i]) {
				return true
			}
		}
		return false
	case opNot:
		return !l.holds(&p.kids[0])
	case opUnless:
		return l.holds(&p.kids[0]) && !p.unless.hides(l)
	}
	return false
}

// What is known of an atom is kept as turn<<2 and one of these.
const (
	isNo = iota
	isYes
	isFound // by the automaton, but not sure
)

// answer is the answer to an atom, which is looked for once per event.
func (l *look) answer(n int32) bool {
	m, a := l.memo[n], &l.e.atoms[n]
	known := m>>2 == l.turn
	switch {
	case known && m&3 != isFound:
		return m&3 == isYes
	case !known && a.sought && l.ran[a.field] == l.turn:
		return false
	}
	yes := a.node.eval(l)
	l.memo[n] = l.turn << 2
	if yes {
		l.memo[n] |= isYes
	}
	return yes
}
