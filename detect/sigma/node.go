package sigma

import (
	"fmt"
	"slices"
	"strconv"
)

// node is a piece of a rule that is true or false about an event. Trees are
// never changed once made.
type node interface {
	// eval walks the tree as it is written.
	eval(l *look) bool
	// id names the node: nodes of the same id are the same.
	id() string
}

type (
	allOf  []node
	anyOf  []node
	negate struct{ node }
	never  struct{}
)

func (n allOf) eval(l *look) bool {
	for _, x := range n {
		if !x.eval(l) {
			return false
		}
	}
	return true
}

func (n anyOf) eval(l *look) bool {
	for _, x := range n {
		if x.eval(l) {
			return true
		}
	}
	return false
}

func (n negate) eval(l *look) bool { return !n.node.eval(l) }

func (never) eval(*look) bool { return false }

func (n allOf) id() string  { return ids("all", n) }
func (n anyOf) id() string  { return ids("any", n) }
func (n negate) id() string { return ids("not", []node{n.node}) }
func (never) id() string    { return "never" }

func ids(kind string, list []node) string {
	out := []byte(kind)
	for _, n := range list {
		out = quoted(out, n.id())
	}
	return string(out)
}

// quoted appends a text and its length, so that texts in a row cannot be read
// in two ways.
func quoted(dst []byte, s string) []byte {
	return append(append(strconv.AppendInt(append(dst, ' '), int64(len(s)), 10), ':'), s...)
}

// oneOf is true when a value of the field fits one of the matchers.
type oneOf struct {
	field int
	ms    []matcher
	null  bool // a field that is not there fits too
}

func (n *oneOf) eval(l *look) bool {
	f := l.field(n.field)
	if !f.there {
		return n.null
	}
	for _, i := range f.leaves {
		for _, m := range n.ms {
			if m.match(l, &l.leaves[i]) {
				return true
			}
		}
	}
	return false
}

func (n *oneOf) id() string {
	out := strconv.AppendInt(nil, int64(n.field), 10)
	out = strconv.AppendBool(out, n.null)
	return string(matcherIDs(out, n.ms))
}

func matcherIDs(dst []byte, ms []matcher) []byte {
	if len(ms) == 1 {
		return quoted(dst, ms[0].id())
	}
	texts := make([]string, len(ms))
	for i, m := range ms {
		texts[i] = m.id()
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	n := 0
	for _, s := range texts {
		n += len(s) + 8
	}
	dst = slices.Grow(dst, n)
	for _, s := range texts {
		dst = quoted(dst, s)
	}
	return dst
}

type exists struct {
	field int
	want  bool
}

func (n *exists) eval(l *look) bool { return l.field(n.field).there == n.want }

func (n *exists) id() string { return fmt.Sprintf("%d exists %v", n.field, n.want) }

// sameAs compares a field with another field.
type sameAs struct {
	field, other int
	how          globHow
	cased        bool
}

func (n *sameAs) eval(l *look) bool {
	mine, others := l.field(n.field), l.field(n.other)
	for _, i := range mine.leaves {
		for _, j := range others.leaves {
			a, b := &l.leaves[i], &l.leaves[j]
			if !a.null && !b.null && n.fits(l, a, b) {
				return true
			}
		}
	}
	return false
}

func (n *sameAs) fits(l *look, a, b *value) bool {
	if n.cased {
		return n.how.fits(l.text(a), l.text(b))
	}
	return n.how.fits(l.low(a), l.low(b))
}

func (n *sameAs) id() string {
	return fmt.Sprintf("%d as %d:%d:%v", n.field, n.other, n.how, n.cased)
}

// words is true when one of the matchers fits a text anywhere in an event.
type words struct{ ms []matcher }

func (n *words) eval(l *look) bool {
	for i := l.texts[0]; i < l.texts[1]; i++ {
		for _, m := range n.ms {
			if m.match(l, &l.leaves[i]) {
				return true
			}
		}
	}
	return false
}

func (n *words) id() string { return string(matcherIDs([]byte("words"), n.ms)) }
