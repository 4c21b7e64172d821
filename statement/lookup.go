package statement

import (
	"slices"
)

// columnKey is a column of a table, for the memory of the patterns' answers.
type columnKey struct {
	table  *Table
	column string
}

// maxLookups bounds what a reader remembers of the catalog's answers.
const maxLookups = 50_000

// table asks the catalog, once per name.
func (r *Reader) table(name string) (*Table, bool) {
	if t, ok := r.catalog.tables[name]; ok {
		return t, true
	}
	t, asked := r.tables[name]
	if !asked {
		t, _ = r.catalog.Table(name)
		if r.tables == nil || len(r.tables) >= maxLookups {
			r.tables = map[string]*Table{}
		}
		r.tables[name] = t
	}
	return t, t != nil
}

// column asks the catalog, once per column.
func (r *Reader) column(t *Table, name string) Class {
	k := columnKey{t, name}
	c, asked := r.columns[k]
	if !asked {
		c = r.catalog.Column(t, name)
		if r.columns == nil || len(r.columns) >= maxLookups {
			r.columns = map[columnKey]Class{}
		}
		r.columns[k] = c
	}
	return c
}

// members is a set of sources of one FROM, by their number.
type members uint64

func member(i int) members { return 1 << min(i, 63) }

// column is what a name means in the scope, with its qualifier if it has one,
// and which source of the innermost FROM it comes from.
func (s *scope) column(p *parser, qualifier, name string) (Set, members) {
	set, of, ok := s.lookup(p, qualifier, name)
	if !ok {
		switch name {
		case "rownum", "row_number", "rn", "rownumber", "row_num", "rnum":
			return SetOf(Row), 0
		}
	}
	return set, of
}

// lookup also notes at outer scopes which of their sources were named.
func (s *scope) lookup(p *parser, qualifier, name string) (Set, members, bool) {
	for sc := s; sc != nil; sc = sc.parent {
		if sc.from == nil {
			continue
		}
		for i := range sc.from.list {
			src := &sc.from.list[i]
			if qualifier != "" && src.alias != qualifier && (src.alias != "" || src.name != qualifier) && src.name != qualifier {
				continue
			}
			set, ok := src.column(p, name)
			if ok || qualifier != "" && src.table == nil && src.object == nil { // its columns are unknown
				if sc != s {
					sc.touched |= member(i)
					return set, 0, true
				}
				return set, member(i), true
			}
		}
	}
	return 0, 0, false
}

// row is the whole row of a source, by its name.
func (s *scope) row(name string) Set {
	var set Set
	for _, c := range s.star(name) {
		set |= c.Is
	}
	return set
}

// column is what a name means in one source; ok is false where the source does
// not have it.
func (src *source) column(p *parser, name string) (Set, bool) {
	if src.object != nil {
		return src.object.column(p, name)
	}
	if src.table == nil {
		return 0, false
	}
	c := p.reader.column(src.table, name)
	return SetOf(c), c != 0
}

// column finds a column of an object; of one made by SELECT * from a table
// that is known by a pattern only, it asks the patterns.
func (o *Object) column(p *parser, name string) (Set, bool) {
	star := len(o.Columns) == 0
	for _, c := range o.Columns {
		if c.Name == name {
			return c.Is, true
		}
		star = star || c.Name == "*"
	}
	if !star {
		return 0, false
	}
	for _, q := range o.Queries {
		for k := Patients; k <= Other; k++ {
			if !q.Kinds.Has(k) {
				continue
			}
			if c := p.reader.column(p.reader.kindTable(k), name); c != 0 {
				return SetOf(c), true
			}
		}
	}
	return 0, false
}

// kindTable is a table of a kind of which nothing else is known.
func (r *Reader) kindTable(k Kind) *Table {
	for len(r.kinds) <= int(k) {
		r.kinds = append(r.kinds, &Table{Kind: Kind(len(r.kinds))})
	}
	return r.kinds[k]
}

// star are the columns that * shows, of one source or of all.
func (s *scope) star(qualifier string) []Column {
	var out []Column
	for i := range s.from.list {
		src := &s.from.list[i]
		if qualifier != "" && src.alias != qualifier && src.name != qualifier || len(out) > 300 {
			continue
		}
		switch {
		case src.object != nil:
			out = append(out, src.object.Columns...)
			if len(src.object.Columns) == 0 {
				out = append(out, Column{"*", src.object.shown()})
			}
		case src.table != nil && src.table.Columns != nil:
			out = append(out, src.table.columns()...)
		case src.table != nil:
			out = append(out, Column{"*", src.tableSet})
		}
	}
	return out
}

func (o *Object) shown() Set {
	var s Set
	for _, q := range o.Queries {
		s |= q.Shown
	}
	return s
}

func (t *Table) columns() []Column {
	out := make([]Column, 0, len(t.Columns))
	for name, c := range t.Columns {
		out = append(out, Column{name, SetOf(c)})
	}
	slices.SortFunc(out, func(a, b Column) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}
