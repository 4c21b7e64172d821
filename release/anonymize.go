package release

import (
	"context"
	"fmt"
	"io"
)

// Result is a table made anonymous, and what it cost.
type Result struct {
	Table *Table `json:"-"`
	// Rows the table had, Suppressed were dropped (or shown as "*").
	Rows       int `json:"rows"`
	Suppressed int `json:"suppressed"`
	Classes    int `json:"classes"`
	// Loss is 0 for the table itself and 1 for none of it; BestLoss is that of
	// the best common levels, before refining.
	Loss     float64  `json:"information_loss"`
	BestLoss float64  `json:"information_loss_global"`
	Columns  []Chosen `json:"columns"`
	// Checked of Nodes combinations of levels were looked at; the others are
	// proven to be no better.
	Checked int  `json:"checked"`
	Nodes   int  `json:"nodes"`
	Refined bool `json:"refined"`

	kept []uint32 // rows of the table before that were kept
}

// Chosen is what became of a quasi-identifying column.
type Chosen struct {
	Name string `json:"name"`
	// Level of Levels, 0 being the value itself; after refining the least
	// general level is lower.
	Level  int     `json:"level"`
	Lowest int     `json:"lowest_level"`
	Levels int     `json:"levels"`
	Loss   float64 `json:"loss"`
}

// Files opens a file that a configuration names.
type Files func(name string) (io.ReadCloser, error)

// Anonymize makes a table anonymous as a configuration asks. It counts the
// result again before it returns it. seen, when not nil, is told how far the
// search is.
func Anonymize(ctx context.Context, t *Table, cfg Config, open Files, seen func(done, total int)) (*Result, error) {
	p, err := prepare(t, cfg, open)
	if err != nil {
		return nil, err
	}
	s, err := newSearch(p)
	if err != nil {
		return nil, err
	}
	best, err := s.run(ctx, seen)
	if err != nil {
		return nil, err
	}
	parts := p.parts(best)
	out := &Result{Rows: p.rows, BestLoss: best.loss, Checked: s.checked, Nodes: len(s.state), Refined: cfg.Refine}
	if cfg.Refine {
		if parts, err = newRefiner(p, best.each).run(ctx, parts); err != nil {
			return nil, err
		}
	}
	out.write(p, best, parts)
	return out, p.recount(out)
}

// part is base classes that are published at the same levels of all columns
// and look alike there. Those of the dropped part are not published.
type part struct {
	levels  []int
	members []uint32 // base classes
	dropped bool
}

// parts are the classes of a node, and what it drops as the last.
func (p *problem) parts(best *node) []part {
	g, of := new(grouper), make([]uint32, p.base.n)
	c := g.group(p, p.base, best.levels, of)
	if p.sensitive != nil {
		g.merge(p.sensitive.tuples, p.base, c, of)
	}
	j := newJudge(p)
	j.judge(c)
	out := make([]part, c.n)
	for i := range out {
		out[i].levels = best.levels
	}
	for _, class := range j.out {
		out[class].dropped = true
	}
	top := make([]int, len(p.dims))
	for i, d := range p.dims {
		top[i] = d.top
	}
	pool := part{levels: top, dropped: true}
	for member, class := range of {
		if out[class].dropped {
			pool.members = append(pool.members, uint32(member))
		} else {
			out[class].members = append(out[class].members, uint32(member))
		}
	}
	kept := out[:0]
	for _, part := range out {
		if !part.dropped {
			kept = append(kept, part)
		}
	}
	return append(kept, pool)
}

// write makes the table to publish.
func (r *Result) write(p *problem, best *node, parts []part) {
	of := make([]int32, p.base.n) // base class -> part
	for i, part := range parts {
		for _, m := range part.members {
			of[m] = int32(i)
			if part.dropped {
				r.Suppressed += int(p.base.count[m])
			}
		}
	}
	for i, class := range p.of {
		if p.cfg.Mark || !parts[of[class]].dropped {
			r.kept = append(r.kept, uint32(i))
		}
	}
	each := make([]float64, len(p.dims))
	r.Table = &Table{rows: len(r.kept)}
	at := 0
	for i := range p.table.Columns {
		c := &p.table.Columns[i]
		switch kind := p.cfg.Columns[c.Name].Kind; kind {
		case Quasi:
			col, chosen := r.quasi(p, at, parts, of)
			chosen.Level = best.levels[at]
			each[at] = chosen.Loss
			r.Table.Columns = append(r.Table.Columns, col)
			r.Columns = append(r.Columns, chosen)
			at++
		case Sensitive, Insensitive:
			r.Table.Columns = append(r.Table.Columns, r.plain(p, c, parts, of))
		}
	}
	r.Loss = p.loss(each)
}

// quasi writes a generalised column and measures its loss.
func (r *Result) quasi(p *problem, at int, parts []part, of []int32) (Column, Chosen) {
	d := &p.dims[at]
	out := Column{Name: d.name, Cells: make([]uint32, 0, len(r.kept))}
	chosen := Chosen{Name: d.name, Levels: len(d.labels), Lowest: len(d.labels) - 1}
	texts, codes := map[string]uint32{}, make([][]uint32, len(d.labels)) // level -> code -> code of out + 1
	for level, labels := range d.labels {
		codes[level] = make([]uint32, len(labels))
	}
	intern := func(text string) uint32 {
		code, ok := texts[text]
		if !ok {
			code = uint32(len(out.Values))
			texts[text] = code
			out.Values = append(out.Values, text)
		}
		return code + 1
	}
	f := p.fields[at]
	cells, lost := make([]uint32, p.base.n), 0.0 // base class -> code of out
	for m := range p.base.n {
		part := &parts[of[m]]
		if part.dropped {
			lost += float64(p.base.count[m])
			if p.cfg.Mark {
				cells[m] = intern(Suppressed) - 1
			}
			continue
		}
		level := part.levels[at]
		chosen.Lowest = min(chosen.Lowest, level)
		code := d.to[d.low][level][p.base.keys[m*p.words+f.word]>>f.shift&f.mask]
		lost += float64(p.base.count[m]) * d.share[level][code]
		if codes[level][code] == 0 {
			codes[level][code] = intern(d.labels[level][code])
		}
		cells[m] = codes[level][code] - 1
	}
	for _, row := range r.kept {
		out.Cells = append(out.Cells, cells[p.of[row]])
	}
	chosen.Loss = lost / float64(p.rows)
	return out, chosen
}

// plain writes a column whose values stay; those of marked rows do not.
func (r *Result) plain(p *problem, c *Column, parts []part, of []int32) Column {
	out := Column{Name: c.Name, Cells: make([]uint32, 0, len(r.kept))}
	codes := make([]uint32, len(c.Values)) // of out + 1
	star := uint32(0)
	for _, row := range r.kept {
		if parts[of[p.of[row]]].dropped {
			if star == 0 {
				out.Values = append(out.Values, Suppressed)
				star = uint32(len(out.Values))
			}
			out.Cells = append(out.Cells, star-1)
			continue
		}
		code := c.Cells[row]
		if codes[code] == 0 {
			out.Values = append(out.Values, c.Values[code])
			codes[code] = uint32(len(out.Values))
		}
		out.Cells = append(out.Cells, codes[code]-1)
	}
	return out
}

// recount checks what is to be published, from the table alone: rows that look
// alike are at least k, and l and t hold among them. What it finds wrong would
// be a fault of this package.
func (p *problem) recount(r *Result) error {
	var quasi []*Column
	for _, d := range p.dims {
		quasi = append(quasi, r.Table.Column(d.name))
	}
	of, sizes := alike(quasi, r.Table.rows)
	members := make([][]uint32, len(sizes))
	for row, class := range of {
		members[class] = append(members[class], uint32(row))
	}
	r.Classes = len(sizes)
	marked := p.markedClass(quasi, of, r)
	for class, rows := range members {
		if class == marked {
			continue
		}
		if len(rows) < p.cfg.K {
			return fmt.Errorf("a class has %d rows, fewer than %d: nothing was written; please report this fault", len(rows), p.cfg.K)
		}
		if err := p.recountClass(r, rows); err != nil {
			return err
		}
	}
	return nil
}

// markedClass is the class of rows shown as "*" everywhere, -1 where none are.
func (p *problem) markedClass(quasi []*Column, of []uint32, r *Result) int {
	if !p.cfg.Mark || r.Suppressed == 0 {
		return -1
	}
	r.Classes--
	for row, class := range of {
		stars := true
		for _, c := range quasi {
			stars = stars && c.Values[c.Cells[row]] == Suppressed
		}
		if stars {
			return int(class)
		}
	}
	return -1
}

func (p *problem) recountClass(r *Result, rows []uint32) error {
	if p.sensitive == nil {
		return nil
	}
	for _, crit := range p.criteria {
		from := &p.table.Columns[p.sensitive.columns[crit.column()]]
		counts := map[uint32]int{}
		for _, row := range rows {
			counts[from.Cells[r.kept[row]]]++
		}
		var values []uint32
		var numbers []int
		for v, n := range counts {
			values, numbers = append(values, v), append(numbers, n)
		}
		if ok, _ := crit.judge(len(rows), values, numbers); !ok {
			return fmt.Errorf("a class does not hold what is asked of column %q: nothing was written; please report this fault", from.Name)
		}
	}
	return nil
}
