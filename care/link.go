package care

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// maxGroup bounds the numbers of one patient. A feed that gives everybody the
// same second number ("0", "unknown") must not turn the hospital into one
// patient.
const maxGroup = 32

// applyLink takes in a merge or an alias.
func (g *Graph) applyLink(ev *ocsf.Event, f *ocsf.Fact) []*record {
	if f.Other == "" || f.Other == f.Patient {
		return nil
	}
	if f.Kind == ocsf.FactMerge && f.Encounter != "" {
		return g.moveVisit(ev, f)
	}
	from, to := g.record(f.Other), g.record(f.Patient)
	at := seconds(ev.Time)
	i := slices.IndexFunc(from.links, func(l link) bool { return l.to == f.Patient })
	if i < 0 {
		from.links = append(from.links, link{to: f.Patient, src: from.words.add(ev.Metadata.UID)})
		i = len(from.links) - 1
		g.backlinks[f.Patient] = append(g.backlinks[f.Patient], f.Other)
	}
	l := &from.links[i]
	was := l.alive()
	if f.Retract {
		l.denied = max(l.denied, at)
	} else {
		l.said = max(l.said, at)
	}
	g.dirty.mark(from.id)
	g.dirty.mark(to.id)
	if l.alive() == was {
		return nil
	}
	before := append(slices.Clone(from.members()), to.members()...)
	g.regroup(from)
	g.regroup(to)
	return before
}

// moveVisit gives one visit to another patient (A45): its relations now and
// those that come later.
func (g *Graph) moveVisit(ev *ocsf.Event, f *ocsf.Fact) []*record {
	from, to := g.record(f.Other), g.owner(f.Patient, f.Encounter)
	if f.Retract || from == to || from.movedTo(f.Encounter) == to.id {
		return nil
	}
	enc := from.words.add(f.Encounter)
	var kept []edge
	for _, e := range from.edges {
		if e.enc != enc {
			kept = append(kept, e)
			continue
		}
		if e.mark == isMoved {
			continue
		}
		e.enc, e.id, e.src = to.words.add(f.Encounter), to.words.add(from.words.text(e.id)), to.words.add(from.words.text(e.src))
		to.addEdge(e)
	}
	from.edges = append(kept, edge{mark: isMoved, enc: enc, id: from.words.add(to.id), said: seconds(ev.Time), src: from.words.add(ev.Metadata.UID)})
	g.dirty.mark(from.id)
	g.dirty.mark(to.id)
	return []*record{from, to}
}

// regroup finds the numbers connected with one, and which of them survives.
func (g *Graph) regroup(r *record) {
	members := g.connected(r)
	for _, m := range r.members() {
		if !slices.Contains(members, m) {
			m.group = nil
		}
	}
	if len(members) == 1 {
		r.group = nil
		return
	}
	slices.SortFunc(members, func(a, b *record) int { return strings.Compare(a.id, b.id) })
	gr := &group{members: members, primary: survivor(members)}
	for _, m := range members {
		if m.group != nil {
			for _, former := range m.group.members {
				if !slices.Contains(members, former) && former.group == m.group {
					former.group = nil
				}
			}
		}
	}
	for _, m := range members {
		m.group = gr
	}
}

// connected walks the living links in both directions.
func (g *Graph) connected(r *record) []*record {
	found := []*record{r}
	for i := 0; i < len(found); i++ {
		for _, n := range g.neighbours(found[i]) {
			if slices.Contains(found, n) {
				continue
			}
			if len(found) == maxGroup {
				g.log.Warn("a patient has too many numbers, further ones are not joined: check which numbers the source sends as repeats", "limit", maxGroup)
				return found
			}
			found = append(found, n)
		}
	}
	return found
}

func (g *Graph) neighbours(r *record) []*record {
	var out []*record
	for i := range r.links {
		if r.links[i].alive() {
			out = append(out, g.record(r.links[i].to))
		}
	}
	for _, id := range g.backlinks[r.id] {
		other := g.record(id)
		if slices.ContainsFunc(other.links, func(l link) bool { return l.to == r.id && l.alive() }) {
			out = append(out, other)
		}
	}
	return out
}

// survivor is the number which gave way to no other; of several, or in a
// circle, the first in order.
func survivor(members []*record) *record {
	for _, m := range members {
		if !slices.ContainsFunc(m.links, func(l link) bool { return l.alive() }) {
			return m
		}
	}
	return members[0]
}
