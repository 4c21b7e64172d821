package release

import (
	"fmt"
	"io"
	"math"
	"math/bits"
)

// dim is one quasi-identifying column with its levels. A code is a number of a
// label at a level; at level 0 it is the column's own.
type dim struct {
	column   int
	name     string
	low, top int // levels allowed
	weight   float64
	// to[a][b] leads from codes at level a to codes at level b.
	to     [][][]uint32
	labels [][]string
	// share is how much of the domain a code stands for, 0 to 1, normalised so
	// that the value itself is 0 and everything 1. mean is its average over the
	// table, by level.
	share [][]float64
	mean  []float64
	most  []float64 // the greatest share of a level
}

// field is where a column's code lies in a key.
type field struct {
	word, shift int
	mask        uint64
}

// problem is a table and a configuration, prepared for the search.
type problem struct {
	cfg       Config
	table     *Table
	rows      int
	limit     int // rows that may be dropped
	dims      []dim
	fields    []field // of dims
	words     int
	criteria  []criterion
	sensitive *sensitives // nil where no column has l or t
	base      *classes    // the distinct rows at the lowest levels
	of        []uint32    // row -> base class
}

// unknown names a column that the configuration does not name. Where it names
// no column of the table the first line may be a row, whose cells nobody is told.
func (c Config) unknown(t *Table, column int) string {
	for i := range t.Columns {
		if _, ok := c.Columns[t.Columns[i].Name]; ok {
			return fmt.Sprintf("column %q", t.Columns[column].Name)
		}
	}
	return fmt.Sprintf("column %d, nor about any other (does the table lack its header line?)", column+1)
}

// prepare checks the table against the configuration and compiles both.
func prepare(t *Table, cfg Config, open func(string) (io.ReadCloser, error)) (*problem, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if t.rows == 0 {
		return nil, fmt.Errorf("%w: the table has no rows", ErrRefused)
	}
	p := &problem{cfg: cfg, table: t, rows: t.rows, limit: int(math.Floor(cfg.MaxSuppression * float64(t.rows)))}
	for i := range t.Columns {
		col, ok := cfg.Columns[t.Columns[i].Name]
		if !ok {
			return nil, fmt.Errorf("%w: the configuration says nothing about %s: is it identifying, quasi, sensitive or insensitive?", ErrRefused, cfg.unknown(t, i))
		}
		if col.Kind != Quasi {
			continue
		}
		d, err := newDim(&t.Columns[i], i, col, cfg.Metric, open)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", t.Columns[i].Name, err)
		}
		p.dims = append(p.dims, d)
	}
	for name := range cfg.Columns {
		if t.Column(name) == nil {
			return nil, fmt.Errorf("the configuration names column %q, which the table does not have", name)
		}
	}
	if err := p.protect(open); err != nil {
		return nil, err
	}
	p.layOut()
	p.base, p.of = p.distinct()
	return p, nil
}

func newDim(c *Column, at int, cfg ColumnConfig, m Metric, open func(string) (io.ReadCloser, error)) (dim, error) {
	h, err := cfg.Hierarchy.over(c.Values, open)
	if err != nil {
		return dim{}, err
	}
	d := dim{column: at, name: c.Name, top: h.levels - 1, weight: cfg.Weight}
	if d.weight == 0 {
		d.weight = 1
	}
	if cfg.Levels != nil {
		if cfg.Levels[1] >= h.levels {
			return dim{}, fmt.Errorf("levels go up to %d, but the hierarchy's highest is %d", cfg.Levels[1], h.levels-1)
		}
		d.low, d.top = cfg.Levels[0], cfg.Levels[1]
	}
	if err := d.compile(c, h); err != nil {
		return dim{}, err
	}
	d.shares(c, h, m)
	return d, nil
}

// compile numbers the labels of each level.
func (d *dim) compile(c *Column, h *Hierarchy) error {
	up := make([][]uint32, h.levels) // level -> value -> code
	d.labels = make([][]string, h.levels)
	for level := range h.levels {
		up[level] = make([]uint32, len(c.Values))
		codes := map[string]uint32{}
		for v, value := range c.Values {
			label, ok := h.Label(value, level)
			if !ok {
				return fmt.Errorf("the hierarchy lacks a value which the column has first in row %d", c.first(v))
			}
			code, ok := codes[label]
			if !ok {
				code = uint32(len(d.labels[level]))
				codes[label] = code
				d.labels[level] = append(d.labels[level], label)
			}
			up[level][v] = code
		}
	}
	d.to = make([][][]uint32, h.levels)
	for a := range h.levels {
		d.to[a] = make([][]uint32, h.levels)
		for b := a; b < h.levels; b++ {
			d.to[a][b] = make([]uint32, len(d.labels[a]))
			for v := range c.Values {
				d.to[a][b][up[a][v]] = up[b][v]
			}
		}
	}
	return nil
}

// first is the number of the first row with a value, from 1.
func (c *Column) first(value int) int {
	for i, code := range c.Cells {
		if int(code) == value {
			return i + 1
		}
	}
	return 0
}

// shares measures the labels: what part of the hierarchy's values each covers,
// or for precision what part of the levels it was raised.
func (d *dim) shares(c *Column, h *Hierarchy, m Metric) {
	rows := make([]float64, len(c.Values))
	for _, code := range c.Cells {
		rows[code]++
	}
	d.share, d.mean, d.most = make([][]float64, h.levels), make([]float64, h.levels), make([]float64, h.levels)
	least := 1 / float64(h.domain())
	for level := range h.levels {
		covers := map[string]int{}
		for _, row := range h.labels {
			covers[row[level]]++
		}
		d.share[level] = make([]float64, len(d.labels[level]))
		for code, label := range d.labels[level] {
			s := 0.0
			if m.Kind == "precision" {
				s = float64(level) / float64(max(h.levels-1, 1))
			} else if least < 1 {
				s = max(0, (float64(covers[label])*least-least)/(1-least))
			}
			d.share[level][code] = s
			d.most[level] = max(d.most[level], s)
		}
		for v, n := range rows {
			d.mean[level] += n * d.share[level][d.to[0][level][v]]
		}
		d.mean[level] /= float64(len(c.Cells))
	}
}

// layOut gives every column its bits in the keys.
func (p *problem) layOut() {
	word, used := 0, 0
	place := func(values int) {
		width := max(bits.Len(uint(max(values-1, 0))), 1)
		if used+width > 64 {
			word, used = word+1, 0
		}
		p.fields = append(p.fields, field{word, used, 1<<width - 1})
		used += width
	}
	for _, d := range p.dims {
		place(len(d.labels[0]))
	}
	p.words = word + 1
}

// distinct groups the rows by what they are at the lowest levels allowed.
func (p *problem) distinct() (*classes, []uint32) {
	from := &classes{levels: make([]int, len(p.dims)), n: p.rows, keys: make([]uint64, p.rows*p.words)}
	put := func(f field, at func(row int) uint32) {
		for i := range p.rows {
			from.keys[i*p.words+f.word] |= uint64(at(i)) << f.shift
		}
	}
	low := make([]int, len(p.dims))
	for j, d := range p.dims {
		low[j] = d.low
		cells := p.table.Columns[d.column].Cells
		put(p.fields[j], func(i int) uint32 { return cells[i] })
	}
	of, g := make([]uint32, p.rows), new(grouper)
	out := g.group(p, from, low, of)
	if p.sensitive != nil {
		from.tuple = p.sensitive.of
		g.merge(p.sensitive.tuples, from, out, of)
	}
	return out, of
}

// loss joins what each column loses: the aggregate of 0 to 1 each.
func (p *problem) loss(each []float64) float64 {
	sum, weights, most := 0.0, 0.0, 0.0
	for j, v := range each {
		w := p.dims[j].weight
		weights += w
		switch p.cfg.Metric.Aggregate {
		case "arithmetic":
			sum += w * v
		case "maximum":
			most = max(most, v)
		default:
			sum += w * math.Log1p(v)
		}
	}
	switch p.cfg.Metric.Aggregate {
	case "arithmetic":
		return sum / weights
	case "maximum":
		return most
	}
	return math.Expm1(sum / weights)
}
