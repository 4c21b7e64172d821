package care

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/ocsf"
)

// Picture is who relates to whom around an access, small enough to draw.
type Picture struct {
	Nodes []Node
	Edges []Edge
}

// Node is a person, patient, department, ward or encounter.
type Node struct {
	// ID is unique in the picture: "person:p1", "ward:3A".
	ID string
	// Kind is person, patient, department, ward or encounter.
	Kind  string
	Label string
	// Centre marks the two the picture is about.
	Centre bool
}

// Edge is a relation between two nodes.
type Edge struct {
	From, To string
	// Kind is a fact kind, or "works-in", "on-duty", "belongs-to".
	Kind string
	// Since and Until bound it in ms, 0 unknown or open.
	Since, Until int64
	// Source is the event or record it rests on.
	Source string
	// Missing marks the relation that is not there: person to patient.
	Missing bool
}

// around is how far from the time a relation is still drawn, and maxDrawn how
// many of them.
const (
	around   = second(30 * 24 * 3600)
	maxDrawn = 24
)

// Neighbourhood draws what surrounds a person (a person_id or account) and a
// patient at a time in ms. Where no relation leads from one to the other, the
// missing one is drawn as such.
func (g *Graph) Neighbourhood(person, patient string, at int64) Picture {
	g.mu.RLock()
	defer g.mu.RUnlock()
	ev := &ocsf.Event{Time: at, Patient: &ocsf.Patient{UID: patient}}
	var q asked
	g.ask(&q, ev, ocsf.User{UID: person})
	d := drawing{g: g, q: &q, have: map[string]bool{}}
	d.centre("person", q.who, d.name(q.who))
	d.centre("patient", patient, patient)
	d.workplace()
	for _, e := range d.nearest() {
		d.relation(e.r, e.e)
	}
	if !g.explain(ev, ocsf.User{UID: person}).Explained {
		d.p.Edges = append(d.p.Edges, Edge{From: "person:" + q.who, To: "patient:" + patient, Kind: "none", Missing: true})
	}
	return d.p
}

type drawing struct {
	g    *Graph
	q    *asked
	p    Picture
	have map[string]bool
}

// drawn is an edge with its record.
type drawn struct {
	r        *record
	e        *edge
	distance second
}

// nearest picks the relations around the time: those with the person asked
// about first, then the nearest.
func (d *drawing) nearest() []drawn {
	var all []drawn
	for _, r := range d.q.members {
		for i := range r.edges {
			e := &r.edges[i]
			if !e.alive() || e.kind == codeSensitivity || e.kind == codeDiagnosis || e.kind == codeEncounter {
				continue
			}
			begin, end, ok := r.holds(e, window{span: spanOf(e), before: Duration(around), after: Duration(around), open: Duration(around)}, d.q.at)
			if !ok {
				continue
			}
			all = append(all, drawn{r, e, distance(begin, end, d.q.at)})
		}
	}
	slices.SortFunc(all, func(a, b drawn) int {
		return cmp.Or(cmp.Compare(d.rank(a.e), d.rank(b.e)), cmp.Compare(a.distance, b.distance),
			cmp.Compare(a.e.kind, b.e.kind), strings.Compare(a.r.words.text(a.e.src), b.r.words.text(b.e.src)))
	})
	return all[:min(len(all), maxDrawn)]
}

func (d *drawing) rank(e *edge) int {
	switch {
	case e.person != 0 && d.q.named(e.person):
		return 0
	case e.kind == codeLocation:
		return 1
	}
	return 2
}

func spanOf(e *edge) string {
	if e.kind == codeLocation {
		return "stay"
	}
	return "visit"
}

func distance(begin, end, at second) second {
	switch {
	case at < begin:
		return begin - at
	case end != 0 && at > end:
		return at - end
	}
	return 0
}

func (d *drawing) node(kind, id, label string) string {
	key := kind + ":" + id
	if !d.have[key] {
		d.have[key] = true
		d.p.Nodes = append(d.p.Nodes, Node{ID: key, Kind: kind, Label: label})
	}
	return key
}

func (d *drawing) centre(kind, id, label string) {
	d.node(kind, id, label)
	d.p.Nodes[len(d.p.Nodes)-1].Centre = true
}

func (d *drawing) name(person string) string {
	if p, ok := d.g.dir.Resolve(person); ok && p.Name != "" {
		return p.Name
	}
	return person
}

// workplace draws where the person works and where they were on duty.
func (d *drawing) workplace() {
	from := "person:" + d.q.who
	if d.q.deptName != "" {
		to := d.node("department", normal(d.q.deptName), d.q.deptName)
		d.p.Edges = append(d.p.Edges, Edge{From: from, To: to, Kind: "works-in", Source: "directory:" + d.q.who})
	}
	for i := range d.q.nShifts {
		d.duty(from, d.q.shifts[i].shift)
	}
}

func (d *drawing) duty(from string, s directory.Shift) {
	to := d.node("department", normal(s.Department), s.Department)
	d.p.Edges = append(d.p.Edges, Edge{From: from, To: to, Kind: "on-duty", Since: s.From, Until: s.Until, Source: shiftID(s)})
}

// relation draws an edge of the patient: to a person, and to the place.
func (d *drawing) relation(r *record, e *edge) {
	begin, end := r.bounds(e, spanOf(e))
	patient := "patient:" + d.q.ev.Patient.UID
	out := Edge{Kind: string(factKinds[e.kind]), Since: begin.ms(), Until: end.ms(), Source: r.words.text(e.src)}
	dept := d.g.lexicon.text(e.dept)
	if e.kind == codeLocation {
		ward := d.g.lexicon.text(e.what)
		if ward == "" || normal(ward) == normal(dept) {
			out.From, out.To = patient, d.node("department", normal(dept+ward), dept+ward)
			if normal(ward) == normal(dept) {
				out.To = d.node("department", normal(dept), dept)
			}
			d.p.Edges = append(d.p.Edges, out)
			return
		}
		out.From, out.To = patient, d.node("ward", normal(ward), ward)
		d.p.Edges = append(d.p.Edges, out)
		if dept != "" {
			d.belongs(out.To, dept)
		}
		return
	}
	if e.person == 0 {
		if dept != "" {
			out.From, out.To = d.node("department", normal(dept), dept), patient
			d.p.Edges = append(d.p.Edges, out)
		}
		return
	}
	out.From, out.To = d.person(e.person), patient
	d.p.Edges = append(d.p.Edges, out)
}

// person draws a person the facts name, joined with the one asked about.
func (d *drawing) person(w word) string {
	if d.q.named(w) {
		return "person:" + d.q.who
	}
	id := d.g.lexicon.text(w)
	known, ok := d.g.dir.Resolve(id)
	if !ok {
		return d.node("person", id, id)
	}
	fresh := !d.have["person:"+known.ID]
	key := d.node("person", known.ID, d.name(known.ID))
	if dept, _ := d.g.dir.DepartmentAt(known.ID, d.q.ms); fresh && dept != "" {
		to := d.node("department", normal(dept), dept)
		d.p.Edges = append(d.p.Edges, Edge{From: key, To: to, Kind: "works-in", Source: "directory:" + known.ID})
	}
	return key
}

func (d *drawing) belongs(ward, dept string) {
	to := d.node("department", normal(dept), dept)
	e := Edge{From: ward, To: to, Kind: "belongs-to"}
	if !slices.Contains(d.p.Edges, e) {
		d.p.Edges = append(d.p.Edges, e)
	}
}
