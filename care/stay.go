package care

// Where a patient lies is told by every message, usually with the time of
// admission instead of the time of the move. So a stay is what is stated and
// what was seen: from when to when messages said "in ward W". A stay ends
// where the next one was first seen.

// locate takes in a statement of the place.
func (a *applying) locate() {
	e := a.edge(codeLocation)
	seen := a.at
	switch {
	case e.until != 0 && e.from == 0:
		seen = 0 // "left W at": says nothing about being there now
	case e.until != 0:
		seen = e.from
	}
	e.first, e.last = seen, seen
	a.bury(&e)
	if i := a.stay(&e); i >= 0 {
		a.joinStay(i, &e)
	} else {
		a.sign(&e)
		a.r.addEdge(e)
		a.changed = a.changed || e.alive()
	}
	if seen != 0 && e.alive() {
		a.split(&e)
	}
	a.g.tidy(a.r)
}

// stay finds the stay that a statement speaks of: the same place, with no
// other place seen in between.
func (a *applying) stay(e *edge) int {
	for i := range a.r.edges {
		old := &a.r.edges[i]
		if !old.same(e) {
			continue
		}
		if e.first == 0 {
			if old.first <= e.until {
				return i
			}
			continue
		}
		if old.first == 0 {
			if old.until >= e.first {
				return i
			}
			continue
		}
		if old.until != 0 && old.until < e.first && old.ended <= e.said && e.until == 0 {
			continue // came back
		}
		if !a.elsewhere(e, min(old.first, e.first), max(old.last, e.first)) {
			return i
		}
	}
	return -1
}

// elsewhere says whether another place of the same visit was seen within.
func (a *applying) elsewhere(e *edge, from, until second) bool {
	for i := range a.r.edges {
		o := &a.r.edges[i]
		if otherPlace(o, e) && o.first != 0 && o.first > from && o.first < until {
			return true
		}
	}
	return false
}

func otherPlace(o, e *edge) bool {
	return o.kind == codeLocation && o.enc == e.enc && o.id == 0 && o.alive() && !o.same(e)
}

func (a *applying) joinStay(i int, e *edge) {
	old := &a.r.edges[i]
	was := *old
	if !was.alive() {
		a.join(old, e)
		return
	}
	if e.said <= max(old.denied, e.denied) {
		return
	}
	if e.from != 0 && (old.from == 0 || e.from < old.from) {
		old.from = e.from
	}
	if e.first != 0 {
		if old.first == 0 || e.first < old.first {
			old.first = e.first
		}
		old.last = max(old.last, e.last)
	}
	if e.ended != 0 && e.ended >= old.ended {
		old.until, old.ended = e.until, e.ended
	}
	a.signEarlier(old)
	old.said = max(old.said, e.said)
	old.dept = prefer(old.dept, e.dept)
	a.changed = a.changed || old.from != was.from || old.until != was.until || old.first != was.first
}

// split divides a stay in the middle of which the patient turns out to have
// been elsewhere.
func (a *applying) split(e *edge) {
	for i := range a.r.edges {
		o := a.r.edges[i]
		if !otherPlace(&o, e) || o.first == 0 || o.first >= e.first || o.last <= e.first {
			continue
		}
		back := o
		back.from, back.first = o.last, o.last
		a.r.edges[i].last = o.first
		a.r.edges[i].until, a.r.edges[i].ended = 0, 0
		a.r.addEdge(back)
		a.changed = true
	}
}

// stayBounds is when a stay began and ended, 0 open.
func (r *record) stayBounds(e *edge) (begin, end second) {
	begin, end = e.from, e.until
	if begin == 0 {
		begin = e.first
	}
	if e.id != 0 {
		return begin, end
	}
	for i := range r.edges {
		o := &r.edges[i]
		if !otherPlace(o, e) {
			continue
		}
		switch {
		case o.first != 0 && e.first != 0 && o.first < e.first:
			begin = max(begin, o.last, min(o.until, e.first))
		case o.first > e.first && e.first != 0:
			arrived := o.first
			if o.from > e.last {
				arrived = o.from
			}
			if end == 0 || arrived < end {
				end = arrived
			}
		}
	}
	if begin == 0 && end != 0 {
		begin = end // only that it ended is known; the window looks back
		if visit := r.visit(e.enc); visit != nil && visit.from != 0 {
			begin = visit.from
		}
	}
	return begin, end
}
