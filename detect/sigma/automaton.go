package sigma

import (
	"slices"
	"unicode/utf8"
)

// automaton finds all of many needles in one pass over a text, one table look
// per byte (Aho and Corasick's machine, made into a table). It does not mind
// case; texts that are not ASCII are given to it without case.
//
// The beginning and the end of a text are symbols too, so that a needle may be
// tied to them: what must be the whole text, its beginning or its end is found
// by the same pass as what may stand anywhere.
type automaton struct {
	class [256]uint8 // of bytes; those in no needle are 0
	width uint32     // how many classes there are, the two edges included
	next  []uint32   // by state and class; states are counted in widths
	start uint32     // behind the beginning of a text
	// said are the atoms to report by state, from the first state that has any.
	first uint32
	said  [][]int32
	// tied says that every needle begins at the beginning, so that a text
	// which leaves the tree can be given up.
	tied bool
}

// needle is a text to find, without case; from and to tie it to the edges of
// the text. atom is what is reported.
type needle struct {
	text     string
	from, to bool
	atom     int32
}

// The classes of the edges.
const (
	edgeBegin = 1
	edgeEnd   = 2
)

func newAutomaton(needles []needle) *automaton {
	a := &automaton{width: edgeEnd + 1, tied: true}
	for _, n := range needles {
		for i := range len(n.text) {
			a.classify(n.text[i])
		}
		a.tied = a.tied && n.from
	}
	for c := byte('A'); c <= 'Z'; c++ {
		a.class[c] = a.class[c+'a'-'A']
	}
	t := newTree(len(needles))
	for _, n := range needles {
		t.add(n, &a.class)
	}
	t.link()
	a.fill(t)
	return a
}

// classify gives a byte a class. Those beyond ASCII share one: texts with them
// are few, and what is found by them is looked at again.
func (a *automaton) classify(c byte) {
	switch {
	case a.class[c] != 0:
	case c < utf8.RuneSelf:
		a.class[c] = uint8(a.width)
		a.width++
	default:
		for i := utf8.RuneSelf; i < len(a.class); i++ {
			a.class[i] = uint8(a.width)
		}
		a.width++
	}
}

// tree is the needles as a tree of letters. State 0 is the root; a state's
// children are a list.
type tree struct {
	class        []uint8 // by which a state is reached
	child, after []uint32
	fall         []uint32 // the longest end of what was read that begins a needle
	said         [][]int32
	order        []uint32 // all but the root, by depth
}

func newTree(needles int) *tree {
	n := 1 + 8*needles
	t := &tree{class: make([]uint8, 1, n), child: make([]uint32, 1, n), after: make([]uint32, 1, n), said: make([][]int32, 1, n)}
	return t
}

func (t *tree) add(n needle, class *[256]uint8) {
	s := uint32(0)
	if n.from {
		s = t.down(s, edgeBegin)
	}
	for i := range len(n.text) {
		s = t.down(s, class[n.text[i]])
	}
	if n.to {
		s = t.down(s, edgeEnd)
	}
	if !slices.Contains(t.said[s], n.atom) {
		t.said[s] = append(t.said[s], n.atom)
	}
}

// down is the child of a state, made if need be.
func (t *tree) down(s uint32, class uint8) uint32 {
	if c := t.find(s, class); c != 0 {
		return c
	}
	c := uint32(len(t.class))
	t.class, t.said = append(t.class, class), append(t.said, nil)
	t.child, t.after = append(t.child, 0), append(t.after, t.child[s])
	t.child[s] = c
	return c
}

func (t *tree) find(s uint32, class uint8) uint32 {
	c := t.child[s]
	for c != 0 && t.class[c] != class {
		c = t.after[c]
	}
	return c
}

// link finds where each state falls to, and what it says by that.
func (t *tree) link() {
	t.fall = make([]uint32, len(t.class))
	t.order = make([]uint32, 0, len(t.class))
	for c := t.child[0]; c != 0; c = t.after[c] {
		t.order = append(t.order, c)
	}
	for i := 0; i < len(t.order); i++ {
		s := t.order[i]
		if also := t.said[t.fall[s]]; len(also) > 0 {
			t.said[s] = append(slices.Clip(t.said[s]), also...)
		}
		for c := t.child[s]; c != 0; c = t.after[c] {
			t.order = append(t.order, c)
			t.fall[c] = t.falls(t.fall[s], t.class[c])
		}
	}
}

func (t *tree) falls(f uint32, class uint8) uint32 {
	for {
		if c := t.find(f, class); c != 0 || f == 0 {
			return c
		}
		f = t.fall[f]
	}
}

// fill makes the table. The states that report come last, so that one
// comparison tells them, and all are counted in widths.
func (a *automaton) fill(t *tree) {
	to := make([]uint32, len(t.class))
	n := uint32(1)
	for _, s := range t.order {
		if len(t.said[s]) == 0 {
			to[s] = n * a.width
			n++
		}
	}
	a.first = n * a.width
	for _, s := range t.order {
		if len(t.said[s]) > 0 {
			to[s] = n * a.width
			a.said = append(a.said, t.said[s])
			n++
		}
	}
	a.next = make([]uint32, n*a.width)
	for c := t.child[0]; c != 0; c = t.after[c] {
		a.next[t.class[c]] = to[c]
	}
	for _, s := range t.order {
		row, f := a.next[to[s]:to[s]+a.width], to[t.fall[s]]
		copy(row, a.next[f:f+a.width])
		for c := t.child[s]; c != 0; c = t.after[c] {
			row[t.class[c]] = to[c]
		}
	}
	a.start = a.next[edgeBegin]
}

// find reports the atoms of all needles in a text.
func (a *automaton) find(s string, report func([]int32)) {
	state := a.start
	if state >= a.first {
		report(a.said[(state-a.first)/a.width])
	}
	next, class := a.next, &a.class
	for i := 0; i < len(s); i++ {
		state = next[state+uint32(class[s[i]])]
		if state >= a.first {
			report(a.said[(state-a.first)/a.width])
		} else if state == 0 && a.tied {
			return
		}
	}
	if state = next[state+edgeEnd]; state >= a.first {
		report(a.said[(state-a.first)/a.width])
	}
}
