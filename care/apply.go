package care

import (
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// Apply takes in the facts of an event and returns the patients whose
// relations changed, under all their numbers. Facts may come late, early,
// again and in any order; a repeated event changes nothing.
func (g *Graph) Apply(ev *ocsf.Event) []string {
	if len(ev.Care) == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var changed []*record
	for i := range ev.Care {
		for _, r := range g.applyFact(ev, &ev.Care[i]) {
			if !slices.Contains(changed, r) {
				changed = append(changed, r)
			}
		}
	}
	return g.touched(changed)
}

// touched notes records as changed and lists the numbers of their patients.
func (g *Graph) touched(changed []*record) []string {
	var ids []string
	for _, r := range changed {
		for _, m := range r.members() {
			m.views.forget()
			if !slices.Contains(ids, m.id) {
				ids = append(ids, m.id)
			}
		}
	}
	return ids
}

func (r *record) members() []*record {
	if r.group == nil {
		return []*record{r}
	}
	return r.group.members
}

// applyFact returns the records that changed.
func (g *Graph) applyFact(ev *ocsf.Event, f *ocsf.Fact) []*record {
	if f.Patient == "" {
		return nil
	}
	switch f.Kind {
	case ocsf.FactMerge, ocsf.FactAlias:
		return g.applyLink(ev, f)
	case ocsf.FactDemographics, ocsf.FactKin:
		return g.applyTokens(ev, f)
	}
	code := codeOf(f.Kind)
	if code == 0 {
		return nil // a kind of a later release: the graph has no use for it
	}
	g.heard[code] = true
	r := g.owner(f.Patient, f.Encounter)
	a := applying{g: g, r: r, f: f, at: seconds(ev.Time), uid: ev.Metadata.UID}
	switch {
	case f.Retract:
		a.retract(code)
	case code == codeLocation && f.ID == "":
		a.locate()
	default:
		a.state(code)
	}
	g.dirty.mark(r.id)
	if !a.changed {
		return nil
	}
	if !f.Retract && f.Person != "" && (code == codeAttending || code == codeOrder) {
		g.nameOf(f, ev.Time)
	}
	return []*record{r}
}

// record finds or makes the record of a patient number.
func (g *Graph) record(id string) *record {
	r, ok := g.records[id]
	if !ok {
		r = &record{id: id}
		g.records[id] = r
	}
	return r
}

// owner is the record a visit's facts belong to: that of the patient, unless
// the visit was moved to another.
func (g *Graph) owner(patient, encounter string) *record {
	r := g.record(patient)
	for range maxMoves {
		to := r.movedTo(encounter)
		if to == "" || to == r.id {
			break
		}
		r = g.record(to)
	}
	return r
}

// maxMoves bounds a chain of moved visits, which may be a circle.
const maxMoves = 8

func (r *record) movedTo(encounter string) string {
	if encounter == "" {
		return ""
	}
	for i := range r.edges {
		if e := &r.edges[i]; e.mark == isMoved && string(r.words.bytes(e.enc)) == encounter {
			return r.words.text(e.id)
		}
	}
	return ""
}

// applying is one fact on its way into a record.
type applying struct {
	g       *Graph
	r       *record
	f       *ocsf.Fact
	at      second // when it was said
	uid     string
	changed bool
}

// edge makes the relation the fact states.
func (a *applying) edge(code factCode) edge {
	f, g := a.f, a.g
	e := edge{
		kind: code, from: seconds(f.From), until: seconds(f.Until), said: a.at,
		person: g.lexicon.add(f.Person), dept: g.lexicon.add(f.Department), enc: a.r.words.add(f.Encounter),
	}
	switch code {
	case codeLocation:
		e.what, e.id = g.lexicon.add(f.Ward), a.r.words.add(f.ID)
	case codeEncounter:
		e.what = g.lexicon.add(f.Code)
	case codeDiagnosis:
		e.what = g.lexicon.add(category(f.Code))
	default:
		e.what, e.id = g.lexicon.add(f.Code), a.r.words.add(f.ID)
	}
	if e.until != 0 {
		e.ended = a.at
	}
	e.first = max(e.from, 1)
	if e.from == 0 {
		e.first = a.at
	}
	e.last = e.first
	return e
}

// same says whether two edges are about the same relation. Department, ward
// and code are what is said about it, unless they are all there is.
func (e *edge) same(o *edge) bool {
	if e.mark != o.mark || e.kind != o.kind || e.enc != o.enc {
		return false
	}
	switch e.kind {
	case codeEncounter:
		return true
	case codeLocation:
		return e.id == o.id && e.what == o.what && (e.what != 0 || e.dept == o.dept)
	case codeDiagnosis, codeSensitivity:
		return e.what == o.what
	}
	if e.person == 0 && o.person == 0 && e.dept != o.dept {
		return false
	}
	return e.id == o.id && e.person == o.person
}

// state takes in a statement.
func (a *applying) state(code factCode) {
	e := a.edge(code)
	a.bury(&e)
	for i := range a.r.edges {
		if old := &a.r.edges[i]; old.same(&e) {
			a.join(old, &e)
			return
		}
	}
	a.sign(&e)
	a.r.addEdge(e)
	a.changed = a.changed || e.alive()
	a.g.tidy(a.r)
}

// sign names this event as the source of a relation.
func (a *applying) sign(e *edge) { e.src, e.source = a.r.words.add(a.uid), a.at }

// signEarlier does so if it is earlier than the source named; of the same
// second, the first by name.
func (a *applying) signEarlier(e *edge) {
	if a.at < e.source || a.at == e.source && a.uid < a.r.words.text(e.src) {
		a.sign(e)
	}
}

// join adds a statement to the relation it repeats or amends.
func (a *applying) join(old, e *edge) {
	was := *old
	if e.denied > old.denied {
		old.denied = e.denied
	}
	if !was.alive() && e.said > old.denied {
		// Stated anew after a retraction: what was said before is gone.
		denied := old.denied
		*old = *e
		old.denied = denied
		a.sign(old)
		a.changed = true
		return
	}
	if e.said <= old.denied {
		return // a late statement that was retracted since
	}
	a.signEarlier(old)
	if e.from != 0 && (old.from == 0 || e.from < old.from) {
		old.from = e.from
	}
	old.first, old.last = min(old.first, e.first), max(old.last, e.last)
	if e.ended != 0 && (e.ended > old.ended || e.ended == old.ended && e.until > old.until) {
		old.until, old.ended = e.until, e.ended
	}
	if e.said >= old.said {
		old.said = e.said
		old.dept, old.what = prefer(e.dept, old.dept), prefer(e.what, old.what)
	} else {
		old.dept, old.what = prefer(old.dept, e.dept), prefer(old.what, e.what)
	}
	a.changed = a.changed || old.from != was.from || old.until != was.until || old.dept != was.dept || old.what != was.what || old.first != was.first
}

// prefer takes what was said later, if anything.
func prefer(newer, older word) word {
	if newer != 0 {
		return newer
	}
	return older
}

// bury applies the retractions that came before the statement they retract.
func (a *applying) bury(e *edge) {
	for i := range a.r.edges {
		switch grave := &a.r.edges[i]; {
		case grave.mark == isMoved || grave.mark == isRelation:
		case grave.mark == isGraveEnd:
			if grave.enc == e.enc && e.said <= grave.denied && e.kind != codeLocation {
				e.until, e.ended = 0, max(e.ended, grave.denied)
			}
		case grave.covers(e):
			e.denied = max(e.denied, grave.denied)
		}
	}
}

// covers says whether a retraction is about an edge. A cancelled visit covers
// all that belongs to it; a cancelled order, appointment, referral or document
// all who had to do with it.
func (grave *edge) covers(e *edge) bool {
	if grave.kind == codeEncounter {
		return grave.enc != 0 && grave.enc == e.enc
	}
	if grave.kind != e.kind || (grave.enc != 0 && grave.enc != e.enc) {
		return false
	}
	if grave.id != 0 && grave.id != e.id {
		return false
	}
	if grave.what != 0 && (e.kind == codeLocation || e.kind == codeDiagnosis || e.kind == codeSensitivity) && grave.what != e.what {
		return false
	}
	return grave.person == 0 || grave.person == e.person || (grave.id != 0 && namesThing(e.kind))
}

// namesThing says whether the ID of a fact names a thing with a life of its
// own.
func namesThing(code factCode) bool {
	switch code {
	case codeOrder, codePerformer, codeAppointment, codeReferral, codeDocument:
		return true
	}
	return false
}

// discharge is the ID of the encounter fact that only states the end.
const discharge = "discharge"

// retract takes in a retraction and keeps it for statements yet to come.
func (a *applying) retract(code factCode) {
	grave := a.edge(code)
	grave.mark, grave.said, grave.denied = isGrave, 0, a.at
	grave.from, grave.until, grave.ended = 0, 0, 0
	if code == codeEncounter && (a.f.ID == discharge || a.f.Until != 0) {
		grave.mark = isGraveEnd
		a.withdrawEnd(&grave)
	} else {
		for i := range a.r.edges {
			if e := &a.r.edges[i]; e.mark == isRelation && grave.covers(e) && e.said <= a.at {
				a.changed = a.changed || e.alive()
				e.denied = max(e.denied, a.at)
			}
		}
	}
	a.keepGrave(grave)
}

// withdrawEnd reopens a visit and what ended with it.
func (a *applying) withdrawEnd(grave *edge) {
	visit := a.r.visit(grave.enc)
	var end second
	if visit != nil && visit.ended <= grave.denied {
		end = visit.until
	}
	if end == 0 {
		return
	}
	for i := range a.r.edges {
		e := &a.r.edges[i]
		if e.enc == grave.enc && e.mark == isRelation && e.ended <= grave.denied && e.until == end {
			e.until, e.ended = 0, grave.denied
			a.changed = true
		}
	}
}

func (a *applying) keepGrave(grave edge) {
	for i := range a.r.edges {
		old := &a.r.edges[i]
		if old.mark == grave.mark && old.kind == grave.kind && old.enc == grave.enc && old.id == grave.id &&
			old.person == grave.person && old.what == grave.what {
			old.denied = max(old.denied, grave.denied)
			return
		}
	}
	a.r.addEdge(grave)
}

// applyTokens takes in demographics. For each kind of token the latest
// statement counts: who moved house no longer has the old address.
func (g *Graph) applyTokens(ev *ocsf.Event, f *ocsf.Fact) []*record {
	r := g.record(f.Patient)
	at := seconds(ev.Time)
	role := word(0)
	if f.Kind == ocsf.FactKin {
		role = g.lexicon.add(f.Code)
	}
	before := slices.Clone(r.tokens)
	if f.Retract {
		r.tokens = slices.DeleteFunc(r.tokens, func(t token) bool { return t.role == role && t.said <= at })
	} else {
		for _, k := range f.Keys {
			r.addToken(token{role: role, kind: g.lexicon.add(k.Kind), text: r.words.add(k.Token), said: at})
		}
	}
	g.dirty.mark(r.id)
	if slices.EqualFunc(before, r.tokens, func(a, b token) bool { return a.role == b.role && a.kind == b.kind && a.text == b.text }) {
		return nil
	}
	return []*record{r}
}

func (r *record) addToken(t token) {
	if t.text == 0 {
		return
	}
	for i := range r.tokens {
		old := &r.tokens[i]
		if old.role != t.role || old.kind != t.kind {
			continue
		}
		if old.said > t.said {
			return // stale
		}
		if old.text == t.text {
			old.said = t.said
			r.dropOlder(t)
			return
		}
	}
	r.dropOlder(t)
	r.tokens = append(r.tokens, t)
}

func (r *record) dropOlder(t token) {
	r.tokens = slices.DeleteFunc(r.tokens, func(old token) bool {
		return old.role == t.role && old.kind == t.kind && old.said < t.said
	})
}
