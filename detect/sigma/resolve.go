package sigma

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// feed says that the matches of a rule count in a correlation.
type feed struct {
	c *correlation
	i int // the rule's place in it
	// group, fields and carry are the names of the fields on events of this
	// rule: aliases are resolved.
	group, fields, carry []string
}

// catalogue finds what ids and names of documents lead to.
type catalogue struct{ all map[string][]entity }

func (l *loader) catalogue() catalogue {
	n := catalogue{map[string][]entity{}}
	add := func(key string, e entity) {
		if key != "" && !slices.Contains(n.all[key], e) {
			n.all[key] = append(n.all[key], e)
		}
	}
	for _, id := range sortedIDs(l.byID) {
		e := l.byID[id]
		if _, ok := e.(*filter); ok {
			continue
		}
		add(id, e)
		add(e.about().name, e)
	}
	for _, id := range sortedIDs(l.byID) { // ids that a rule had before
		for _, rel := range l.byID[id].about().doc.meta.Related {
			if _, taken := n.all[rel.ID]; rel.Type == "renamed" && !taken {
				add(rel.ID, l.byID[id])
			}
		}
	}
	return n
}

func sortedIDs(m map[string]entity) []string {
	out := make([]string, 0, len(m))
	for id := range m {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// find is what a reference leads to.
func (n catalogue) find(ref string) []entity { return n.all[ref] }

// resolve joins filters and correlations with what they refer to. A
// correlation that refers to something that is not there is refused, and then
// those that refer to it.
func (l *loader) resolve() {
	n := l.catalogue()
	l.join(n.find)
	for _, c := range l.chains {
		_ = l.follow(c, n) // refused where it failed
	}
	l.chains = slices.DeleteFunc(l.chains, func(c *correlation) bool { return c.gone })
	for i, c := range l.chains {
		c.number = i
	}
	inner := l.innerFirst()
	for _, c := range inner { // what is late, or high, inside is so outside
		c.late = lateness(c)
		c.silence()
	}
	for _, c := range slices.Backward(inner) { // what an outer one asks for, inner ones carry
		c.connect(l.fields)
	}
}

// innerFirst are the correlations, each behind those that it counts.
func (l *loader) innerFirst() []*correlation {
	var out []*correlation
	done := map[*correlation]bool{}
	var add func(c *correlation)
	add = func(c *correlation) {
		if done[c] {
			return
		}
		done[c] = true
		for _, p := range c.parts {
			if inner, ok := p.(*correlation); ok {
				add(inner)
			}
		}
		out = append(out, c)
	}
	for _, c := range l.chains {
		add(c)
	}
	return out
}

// minLate and maxLate bound how late an event may come and still count.
const (
	minLate = 15 * int64(time.Minute/time.Millisecond)
	maxLate = 6 * int64(time.Hour/time.Millisecond)
)

// lateness is how late an event may come: as long as the window, within bounds.
// Matches of correlations come later than their events.
func lateness(c *correlation) int64 {
	late := max(minLate, min(c.span, maxLate))
	more := int64(0)
	for _, p := range c.parts {
		if inner, ok := p.(*correlation); ok {
			more = max(more, inner.late)
			if inner.defers {
				more = max(more, inner.late+inner.span)
			}
		}
	}
	return late + more
}

// follow finds the rules of a correlation.
func (l *loader) follow(c *correlation, n catalogue) error {
	switch c.visited {
	case followed:
		if c.gone {
			return errors.New("it was refused")
		}
		return nil
	case following:
		return errors.New("it refers to itself, through other correlations")
	}
	c.visited = following
	err := l.parts(c, n)
	c.visited = followed
	if err != nil {
		c.gone, c.doc.loaded = true, false
		delete(l.byID, c.id)
		l.refuse(Refused{File: c.file, Title: c.doc.meta.Title, ID: c.doc.meta.ID, Reason: "correlation: " + err.Error(), folder: c.doc.folder, doc: c.doc})
	}
	return err
}

func (l *loader) parts(c *correlation, n catalogue) error {
	for _, ref := range c.refs {
		found := n.find(ref)
		if len(found) > 1 {
			return fmt.Errorf("%d rules are called %q; refer to one by its id", len(found), ref)
		}
		if len(found) == 0 {
			return fmt.Errorf("there is no rule %q", ref)
		}
		if slices.Contains(c.parts, found[0]) {
			return fmt.Errorf("the rule %q is named twice", ref)
		}
		if inner, ok := found[0].(*correlation); ok {
			if err := l.follow(inner, n); err != nil {
				return fmt.Errorf("%s: %w", ref, err)
			}
		}
		c.parts = append(c.parts, found[0])
	}
	return c.checkAliases(n)
}

// checkAliases refuses aliases that lead nowhere.
func (c *correlation) checkAliases(n catalogue) error {
	for alias, by := range c.aliases {
		for ref := range by {
			found := n.find(ref)
			if len(found) != 1 || !slices.Contains(c.parts, found[0]) {
				return fmt.Errorf("aliases: %s: %q is not among the rules", alias, ref)
			}
		}
	}
	return nil
}

// silence says which rules are only counted, and gives a correlation without a
// level the highest of its rules.
func (c *correlation) silence() {
	for _, p := range c.parts {
		r := p.about()
		r.partOf = append(r.partOf, c.id)
		r.spoken = r.spoken || c.reports
		r.silent = !r.spoken
	}
	if c.level != "" {
		return
	}
	for i, p := range c.parts {
		if r := p.about(); i == 0 || r.risk > c.risk {
			c.severity, c.risk, c.weak = r.severity, r.risk, r.weak
		}
	}
}

// connect makes the feeds of a correlation's rules, and tells the inner ones
// which fields their matches must carry.
func (c *correlation) connect(fields *fieldNames) {
	for i, p := range c.parts {
		named := func(list []string) (out []string) {
			for _, name := range list { // names are known to what reads events
				out = append(out, fields.names[fields.add(c.field(name, p))])
				if name == whoField {
					fields.add(whoFields()[0])
					fields.add(whoFields()[1])
				}
			}
			return out
		}
		f := feed{c: c, i: i, group: named(c.group), fields: named(c.fields), carry: named(c.carry)}
		if inner, ok := p.(*correlation); ok {
			inner.bear(f)
		}
		p.about().feeds = append(p.about().feeds, f)
	}
}

// bear notes the fields that an outer correlation asks of this one's matches.
func (c *correlation) bear(f feed) {
	for _, name := range slices.Concat(f.group, f.fields, f.carry) {
		if !slices.Contains(c.group, name) && !slices.Contains(c.carry, name) {
			c.carry = append(c.carry, name)
		}
	}
}

// field is the name of a field on events of a rule.
func (c *correlation) field(name string, of entity) string {
	r := of.about()
	for ref, field := range c.aliases[name] {
		if ref == r.id || ref == r.name || strings.EqualFold(ref, r.name) {
			return field
		}
	}
	return name
}
