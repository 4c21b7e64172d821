package care

import "slices"

const (
	// keep is how long a relation is kept after its last sign: longer than
	// any explanation reaches.
	keep = second(400 * 24 * 3600)
	// tidyFrom is the number of relations at which a record is first tidied.
	tidyFrom = 64
)

// tidy drops from a long record what can explain nothing any more. It runs
// when the number of relations reaches a power of two.
func (g *Graph) tidy(r *record) {
	n := len(r.edges)
	if n < tidyFrom || n&(n-1) != 0 {
		return
	}
	var newest second
	for i := range r.edges {
		newest = max(newest, r.edges[i].said, r.edges[i].denied)
	}
	r.prune(newest.before(keep))
}

// prune drops relations and graves last heard of before a time (never marks of
// sensitivity, which hold until they are taken back), and the
// words nobody uses any more.
func (r *record) prune(before second) bool {
	n := len(r.edges)
	r.edges = slices.DeleteFunc(r.edges, func(e edge) bool {
		return e.mark != isMoved && e.kind != codeSensitivity && max(e.said, e.denied, e.until, e.last) < before
	})
	if len(r.edges) == n {
		return false
	}
	r.edges = slices.Clip(r.edges)
	r.rewrite()
	return true
}

// rewrite keeps only the words in use.
func (r *record) rewrite() {
	old := r.words
	r.words = make(words, 0, len(old))
	move := func(p *ref) { *p = r.words.add(old.text(*p)) }
	for i := range r.edges {
		e := &r.edges[i]
		move(&e.enc)
		move(&e.id)
		move(&e.src)
	}
	for i := range r.tokens {
		move(&r.tokens[i].text)
	}
	for i := range r.links {
		move(&r.links[i].src)
	}
	r.words = slices.Clip(r.words)
}

// Expire forgets what can explain nothing any more at a time in ms: relations
// after 400 days, repeats after their time, kept accesses after 30 days. It
// walks the whole graph: call it once a day.
func (g *Graph) Expire(at int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := seconds(at)
	for id, r := range g.records {
		if !r.prune(now.before(keep)) {
			continue
		}
		r.views.forget()
		g.dirty.mark(id)
		if len(r.edges) == 0 && len(r.links) == 0 && len(g.backlinks[id]) == 0 {
			delete(g.records, id)
		}
	}
	for key, s := range g.seen {
		if k, ok := g.kinds.byID[s.kind]; !ok || now > s.at+second(k.Repeats) {
			delete(g.seen, key)
			g.dirtySeen.mark(key)
		}
	}
	g.expireGroups(now)
	for _, list := range g.held {
		for _, p := range slices.Clone(list) {
			if p.Time < at-heldFor {
				g.release(p)
			}
		}
	}
}
