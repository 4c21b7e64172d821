package release

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// sensitives are the sensitive columns that l or t protect. The combinations
// of their values are numbered, so that one number stands in a key.
type sensitives struct {
	columns []int
	tuples  int
	of      []uint32   // row -> tuple
	value   [][]uint32 // column -> tuple -> code
}

// criterion is what a class must hold. It keeps scratch space and is used by
// one goroutine.
type criterion interface {
	// judge says whether a class holds, by how many rows each value has in it
	// (values that do not occur are left out). surely is how many rows of a
	// class that does not are dropped however it is split into more specific
	// ones: a lower bound.
	judge(rows int, values []uint32, counts []int) (holds bool, surely int)
	// column is its place in sensitives.columns.
	column() int
}

// protect compiles what is asked of sensitive columns.
func (p *problem) protect(open func(string) (io.ReadCloser, error)) error {
	s := &sensitives{}
	for i := range p.table.Columns {
		c := &p.table.Columns[i]
		cfg := p.cfg.Columns[c.Name]
		if cfg.L == nil && cfg.T == nil {
			continue
		}
		at := len(s.columns)
		s.columns = append(s.columns, i)
		if cfg.L != nil {
			p.criteria = append(p.criteria, newDiversity(*cfg.L, at))
		}
		if cfg.T != nil {
			crit, err := newCloseness(*cfg.T, at, c, open)
			if err != nil {
				return fmt.Errorf("column %q: %w", c.Name, err)
			}
			p.criteria = append(p.criteria, crit)
		}
	}
	if len(s.columns) > 0 {
		s.number(p.table)
		p.sensitive = s
	}
	return nil
}

func (s *sensitives) number(t *Table) {
	s.of = slices.Clone(t.Columns[s.columns[0]].Cells)
	s.tuples = len(t.Columns[s.columns[0]].Values)
	for _, column := range s.columns[1:] {
		pairs := map[uint64]uint32{}
		for i, code := range t.Columns[column].Cells {
			pair := uint64(s.of[i])<<32 | uint64(code)
			n, ok := pairs[pair]
			if !ok {
				n = uint32(len(pairs))
				pairs[pair] = n
			}
			s.of[i] = n
		}
		s.tuples = len(pairs)
	}
	s.value = make([][]uint32, len(s.columns))
	for j, column := range s.columns {
		s.value[j] = make([]uint32, s.tuples)
		for i, code := range t.Columns[column].Cells {
			s.value[j][s.of[i]] = code
		}
	}
}

type diversity struct {
	Diversity
	at int
}

func newDiversity(d Diversity, at int) criterion { return diversity{d, at} }

func (d diversity) column() int { return d.at }

// judge: no part of a class has more different values than the class. Entropy
// is concave, so if a share r of the rows is dropped and the rest holds ln l,
// the class has at least (1-r) ln l.
func (d diversity) judge(rows int, _ []uint32, counts []int) (holds bool, surely int) {
	if float64(len(counts)) < d.L {
		return false, rows
	}
	switch d.Kind {
	case "entropy":
		h := 0.0
		for _, n := range counts {
			q := float64(n) / float64(rows)
			h -= q * math.Log(q)
		}
		if goal := math.Log(d.L); h < goal-1e-12 {
			return false, share(rows, 1-h/goal)
		}
	case "recursive":
		sorted := slices.Clone(counts)
		slices.SortFunc(sorted, func(a, b int) int { return b - a })
		rest := 0
		for _, n := range sorted[int(math.Ceil(d.L))-1:] {
			rest += n
		}
		return float64(sorted[0]) < d.C*float64(rest), 0
	}
	return true, 0
}

// share is a share of rows, rounded up but for errors of arithmetic.
func share(rows int, of float64) int { return int(math.Ceil(float64(rows)*of - 1e-6)) }

type closeness struct {
	Closeness
	at int
	q  []float64 // the table's distribution, by code
	// far is the greatest distance that any class can have.
	far float64
	// order is the rank of each code (ordered distance).
	byRank []uint32
	// nodes, by level, are the labels of the hierarchy (hierarchical distance):
	// up[level][node] is the node above it.
	up    [][]uint32
	sizes []int
	extra []float64
	pos   []float64
	neg   []float64
	next  []float64
}

func newCloseness(t Closeness, at int, c *Column, open func(string) (io.ReadCloser, error)) (criterion, error) {
	out := &closeness{Closeness: t, at: at, q: make([]float64, len(c.Values)), extra: make([]float64, len(c.Values))}
	for _, code := range c.Cells {
		out.q[code] += 1 / float64(len(c.Cells))
	}
	switch t.Distance {
	case "ordered":
		if err := out.rank(c.Values); err != nil {
			return nil, err
		}
	case "hierarchical":
		h, err := t.Hierarchy.over(c.Values, open)
		if err != nil {
			return nil, err
		}
		if err := out.climb(c, h); err != nil {
			return nil, err
		}
	}
	out.far = 1
	if len(c.Values) <= 2000 {
		out.far = 0
		for code := range c.Values {
			out.far = max(out.far, out.distance(1, []uint32{uint32(code)}, []int{1}))
		}
	}
	return out, nil
}

func (t *closeness) column() int { return t.at }

// rank orders the values: as configured, as numbers, or as text.
func (t *closeness) rank(values []string) error {
	for code := range values {
		t.byRank = append(t.byRank, uint32(code))
	}
	if t.Order == nil {
		slices.SortFunc(t.byRank, func(a, b uint32) int { return compareValues(values[a], values[b]) })
		return nil
	}
	place := map[string]int{}
	for i, v := range t.Order {
		place[v] = i
	}
	for _, v := range values {
		if _, ok := place[v]; !ok {
			return fmt.Errorf("t.order lacks a value of the column")
		}
	}
	slices.SortFunc(t.byRank, func(a, b uint32) int { return place[values[a]] - place[values[b]] })
	return nil
}

func compareValues(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	switch {
	case err1 == nil && err2 == nil && x < y:
		return -1
	case err1 == nil && err2 == nil && x > y:
		return 1
	case err1 == nil && err2 != nil:
		return -1 // numbers before words
	case err1 != nil && err2 == nil:
		return 1
	}
	return compareText(a, b)
}

// climb takes the hierarchy's tree, leaves first.
func (t *closeness) climb(c *Column, h *Hierarchy) error {
	var d dim
	if err := d.compile(c, h); err != nil {
		return err
	}
	most := 0
	for level := 0; level+1 < h.levels; level++ {
		t.up = append(t.up, d.to[level][level+1])
		t.sizes = append(t.sizes, len(d.labels[level+1]))
		most = max(most, len(d.labels[level+1]))
	}
	// A hierarchy whose top is not one label has its values apart for good.
	if n := len(t.sizes); n == 0 || t.sizes[n-1] != 1 {
		return fmt.Errorf("t.hierarchy must end in one label for all values")
	}
	t.pos, t.neg, t.next = make([]float64, most), make([]float64, most), make([]float64, most)
	return nil
}

// judge: the distance is convex, so if a share r of the rows is dropped and the
// rest is within t, the class is within (1-r) t + r far.
func (t *closeness) judge(rows int, values []uint32, counts []int) (holds bool, surely int) {
	d := t.distance(rows, values, counts)
	if d <= t.T+1e-12 {
		return true, 0
	}
	return false, share(rows, (d-t.T)/(t.far-t.T))
}

// distance is the earth mover's distance between a class and the table.
func (t *closeness) distance(rows int, values []uint32, counts []int) float64 {
	for code, q := range t.q {
		t.extra[code] = -q
	}
	for i, v := range values {
		t.extra[v] += float64(counts[i]) / float64(rows)
	}
	switch t.Distance {
	case "ordered":
		return t.ordered()
	case "hierarchical":
		return t.hierarchical()
	}
	sum := 0.0
	for _, e := range t.extra {
		sum += math.Abs(e)
	}
	return sum / 2
}

func (t *closeness) ordered() float64 {
	if len(t.byRank) < 2 {
		return 0
	}
	sum, carried := 0.0, 0.0
	for _, code := range t.byRank {
		carried += t.extra[code]
		sum += math.Abs(carried)
	}
	return sum / float64(len(t.byRank)-1)
}

// hierarchical moves what is too much among the children of a node at the
// price of the node's height.
func (t *closeness) hierarchical() float64 {
	cost, from := 0.0, t.extra
	for level, up := range t.up {
		n := t.sizes[level]
		clear(t.pos[:n])
		clear(t.neg[:n])
		for node, e := range from[:len(up)] {
			if e > 0 {
				t.pos[up[node]] += e
			} else {
				t.neg[up[node]] -= e
			}
		}
		height := float64(level+1) / float64(len(t.up))
		for node := range n {
			cost += height * min(t.pos[node], t.neg[node])
			t.next[node] = t.pos[node] - t.neg[node]
		}
		from = t.next
	}
	return cost
}
