package care

import (
	"database/sql"

	"github.com/cordon-health/cordon/ocsf"
)

// Personnel and the interfaces rarely write a department the same way: a name
// and a code, Chinese and English, a department and its ward. Care messages
// that name a doctor and a place show which is which, because most doctors
// named at a place belong to it.

// names counts, per place in care messages and department in the directory,
// the relations that name somebody of the department at the place.
type names struct {
	pairs map[lesson]uint32 // place and department
	all   map[word]uint32   // by place
	staff map[word]bool     // departments of the directory met so far
	known map[word]word     // place to department, where it is certain enough
}

func newNames() names {
	return names{pairs: map[lesson]uint32{}, all: map[word]uint32{}, staff: map[word]bool{}, known: map[word]word{}}
}

// A place is a department (PV1-10) or a ward (PV1-3); the same word may stand
// for a department and for one of its wards, so the two are learned apart.
const (
	asDepartment = iota
	asWard
)

// naming is a place, as what it was written, and a department.
type naming struct {
	as int
	lesson
}

// namings is how many relations it takes; the department must have more than
// half of all at the place.
const namings = 10

func (n *names) add(l lesson, count uint32) {
	n.pairs[l] += count
	n.all[l.dept] += count
	n.staff[l.code] = true
	delete(n.known, l.code)
	switch most, ok := n.known[l.dept]; {
	case n.staff[l.dept]:
	case n.pairs[l] >= namings && 2*n.pairs[l] > n.all[l.dept]:
		n.known[l.dept] = l.code
	case ok && 2*n.pairs[lesson{l.dept, most}] <= n.all[l.dept]:
		delete(n.known, l.dept)
	}
}

// nameOf learns from a new relation of a person at a place.
func (g *Graph) nameOf(f *ocsf.Fact, at int64) {
	p, ok := g.dir.Resolve(f.Person)
	if !ok {
		return
	}
	dept, _ := g.dir.DepartmentAt(p.ID, at)
	if dept == "" {
		return
	}
	for as, place := range [2]string{asDepartment: f.Department, asWard: f.Ward} {
		if place != "" {
			n := naming{as, lesson{g.lexicon.add(place), g.lexicon.add(dept)}}
			g.names[as].add(n.lesson, 1)
			g.dirtyNames.mark(n)
		}
	}
}

// places says whether an edge is at a department, under whatever name.
func (g *Graph) places(e *edge, dept word) bool {
	if e.at(dept) {
		return true
	}
	if dept == 0 || len(g.names[asDepartment].known)+len(g.names[asWard].known) == 0 {
		return false
	}
	return g.names[asDepartment].known[e.dept] == dept || e.kind == codeLocation && g.names[asWard].known[e.what] == dept
}

// placeName is a place as the directory calls it, if that is known.
func (g *Graph) placeName(as int, place word) string {
	if dept, ok := g.names[as].known[place]; ok {
		return g.lexicon.text(dept)
	}
	return g.lexicon.text(place)
}

// becauseOfName adds what was learned about the name of the place, where the
// answer rests on it: "learned:PLACE|DEPARTMENT".
func (g *Graph) becauseOfName(list []string, q *asked, b *answer) []string {
	dept := q.dept
	if b.kind.Path == "shift" {
		dept = g.lexicon.find(b.shift.Department)
	}
	if b.edge.at(dept) {
		return list
	}
	place := b.edge.dept
	if g.names[asDepartment].known[place] != dept {
		place = b.edge.what
	}
	return append(list, "learned:"+g.lexicon.text(place)+"|"+g.lexicon.text(dept))
}

func (g *Graph) nameRows() table {
	t := table{upsert: `INSERT INTO care_names (place, ward, department, relations) VALUES ($1, $2, $3, $4) ON CONFLICT (place, ward, department) DO UPDATE SET relations = excluded.relations`}
	for n := range g.dirtyNames.keys {
		t.rows = append(t.rows, change{
			key:    []any{g.lexicon.text(n.dept), [2]string{"no", "yes"}[n.as], g.lexicon.text(n.code)},
			values: []any{int64(g.names[n.as].pairs[n.lesson])},
		})
	}
	return t
}

func (g *Graph) loadNames(tx *sql.Tx) error {
	return each(tx, `SELECT place, ward, department, relations FROM care_names ORDER BY place, ward, department`, func(rows *sql.Rows) error {
		var place, ward, dept string
		var n int64
		if err := rows.Scan(&place, &ward, &dept, &n); err != nil {
			return err
		}
		as := asDepartment
		if ward == "yes" {
			as = asWard
		}
		g.names[as].add(lesson{g.lexicon.add(place), g.lexicon.add(dept)}, uint32(n))
		return nil
	})
}
