package classify

import (
	"cmp"
	"slices"
)

// Columns joins the findings in the cells of a table to one for each column
// and kind, with how many values it stands for and how many that makes in all
// rows. It keeps no cells: a million rows cost no more than their columns.
type Columns struct {
	sums   map[columnKind]*columnSum
	people peopleSet
}

// mostColumns bounds the columns and kinds kept apart.
const mostColumns = 20_000

type columnKind struct{ part, kind string }

type columnSum struct {
	Finding
	people peopleSet
}

// Add takes a finding of a cell.
func (c *Columns) Add(f *Finding) {
	if c.sums == nil {
		c.sums = map[columnKind]*columnSum{}
	}
	if f.Patient {
		c.people.add(f.who)
	}
	key := columnKind{f.Part, f.Kind}
	s := c.sums[key]
	if s == nil {
		if len(c.sums) >= mostColumns {
			return
		}
		s = &columnSum{Finding: *f}
		c.sums[key] = s
	}
	s.Count++
	s.Level, s.Confidence = max(s.Level, f.Level), max(s.Confidence, f.Confidence)
	s.Honey = s.Honey || f.Honey
	if f.Patient {
		s.Patient = true
		s.people.add(f.who)
	}
}

// Tell hands over the joined findings, of looked rows out of all, and gives
// the number of distinct patients.
func (c *Columns) Tell(looked, all int64, emit func(*Finding) error) (patients int, err error) {
	list := make([]*columnSum, 0, len(c.sums))
	for _, s := range c.sums {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *columnSum) int {
		return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(b.Level, a.Level), cmp.Compare(a.Kind, b.Kind))
	})
	for _, s := range list {
		f := s.Finding
		f.crowd = s.people.sorted()
		f.Estimated = f.Count
		if looked > 0 && all > looked {
			f.Estimated = int64(float64(f.Count) / float64(looked) * float64(all))
		}
		f.Token = "" // of one value of many
		if err := emit(&f); err != nil {
			return 0, err
		}
	}
	return len(c.people.sorted()), nil
}
