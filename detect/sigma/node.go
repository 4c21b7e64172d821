package sigma

import (
	"fmt"
	"slices"
	"strings"
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

func (n allOf) id() string  { return "all" + ids(n) }
func (n anyOf) id() string  { return "any" + ids(n) }
func (n negate) id() string { return "not(" + n.node.id() + ")" }
func (never) id() string    { return "never" }

func ids(list []node) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = n.id()
	}
	return fmt.Sprintf("%q", texts)
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
	texts := make([]string, len(n.ms))
	for i, m := range n.ms {
		texts[i] = m.id()
	}
	slices.Sort(texts)
	return fmt.Sprintf("%d:%v:%q", n.field, n.null, slices.Compact(texts))
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

func (n *words) id() string {
	texts := make([]string, len(n.ms))
	for i, m := range n.ms {
		texts[i] = m.id()
	}
	return "words " + strings.Join(texts, "\x00")
}
