package release

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/classify"
)

// Direct is a column that holds direct identifiers.
type Direct struct {
	Column string `json:"column"`
	// Kind is what classify calls most of them, Share how many of the values
	// looked at are of it.
	Kind  string  `json:"kind"`
	Share float64 `json:"share"`
}

const (
	looked     = 2000 // values of a column that are looked at
	directFrom = 0.05 // share from which a column counts as direct
	directMin  = 2    // and how many values at least
)

// Identifiers finds columns with direct identifiers, by what their values are.
// It looks at values spread evenly over each column's different ones.
func Identifiers(t *Table, engine *classify.Engine) []Direct {
	var out []Direct
	var spans []classify.Span
	for i := range t.Columns {
		c := &t.Columns[i]
		kinds, n := map[classify.Kind]int{}, 0
		step := max(len(c.Values)/looked, 1)
		for v := 0; v < len(c.Values); v += step {
			value := c.Values[v]
			if strings.TrimSpace(value) == "" || value == Suppressed {
				continue
			}
			n++
			spans = engine.Value(spans[:0], classify.None, c.Name, []byte(value), classify.Discover)
			for _, s := range spans {
				if pointsAtPerson(s.Kind) {
					kinds[s.Kind]++
					break
				}
			}
		}
		if kind, most := commonest(kinds); most > 0 && most >= min(directMin, n) && float64(most) >= directFrom*float64(n) {
			out = append(out, Direct{c.Name, kind.String(), float64(most) / float64(n)})
		}
	}
	return out
}

func commonest(kinds map[classify.Kind]int) (kind classify.Kind, most int) {
	for k, n := range kinds {
		if n > most || n == most && k < kind {
			kind, most = k, n
		}
	}
	return kind, most
}

// pointsAtPerson says of the kinds of classify which name one person by
// themselves. Dates, ages and postal codes do so only together with others;
// organisations and conditions do not.
func pointsAtPerson(k classify.Kind) bool {
	switch k {
	case classify.Date, classify.BirthDate, classify.Age, classify.ZIP, classify.Unread:
		return false
	}
	return k >= classify.FirstCustom || k.Info().HIPAA != 0
}

// Refuse says no to a table with direct identifiers.
func Refuse(found []Direct) error {
	if len(found) == 0 {
		return nil
	}
	var names []string
	for _, d := range found {
		names = append(names, fmt.Sprintf("%q (%s)", d.Column, d.Kind))
	}
	return fmt.Errorf("%w: direct identifiers in column %s; call the column identifying, which leaves it out, or de-identify the table first", ErrRefused, strings.Join(names, ", "))
}

// Singling is how well a set of columns singles rows out.
type Singling struct {
	Columns []string `json:"columns"`
	// Distinction is classes per row, Separation the share of pairs of rows
	// that differ, Unique the share of rows that are alone.
	Distinction float64 `json:"distinction"`
	Separation  float64 `json:"separation"`
	Unique      float64 `json:"unique_rows"`
}

// profiled is how many rows Profile looks at: more change little.
const profiled = 100_000

// Profile measures sets of up to size columns, the most singling first, to find
// quasi-identifying columns. It looks at the first 100,000 rows. Columns which
// alone single out nearly every row are left out of sets: they are identifiers.
func Profile(t *Table, size int) []Singling {
	head := t.head(profiled)
	var out []Singling
	var usable []*Column
	for i := range head.Columns {
		s := single(head, &head.Columns[i])
		out = append(out, s)
		if s.Distinction < 0.95 || head.rows < 20 {
			usable = append(usable, &head.Columns[i])
		}
	}
	var add func(chosen []*Column, from int)
	add = func(chosen []*Column, from int) {
		for i := from; i < len(usable); i++ {
			set := append(slices.Clone(chosen), usable[i])
			if len(set) > 1 {
				out = append(out, single(head, set...))
			}
			if len(set) < size {
				add(set, i+1)
			}
		}
	}
	if size > 1 {
		add(nil, 0)
	}
	slices.SortStableFunc(out, func(a, b Singling) int {
		if c := cmp.Compare(b.Unique, a.Unique); c != 0 {
			return c
		}
		return cmp.Compare(b.Distinction, a.Distinction)
	})
	return out
}

func (t *Table) head(rows int) *Table {
	if t.rows <= rows {
		return t
	}
	out := &Table{rows: rows}
	for _, c := range t.Columns {
		c.Cells = c.Cells[:rows]
		out.Columns = append(out.Columns, c)
	}
	return out
}

func single(t *Table, columns ...*Column) Singling {
	var s Singling
	for _, c := range columns {
		s.Columns = append(s.Columns, c.Name)
	}
	if t.rows == 0 {
		return s
	}
	_, sizes := alike(columns, t.rows)
	n, same := float64(t.rows), 0.0
	for _, size := range sizes {
		same += float64(size) * float64(size-1)
		if size == 1 {
			s.Unique += 1 / n
		}
	}
	s.Distinction = float64(len(sizes)) / n
	s.Separation = 1
	if t.rows > 1 {
		s.Separation = 1 - same/(n*(n-1))
	}
	return s
}
