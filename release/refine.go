package release

import (
	"context"
	"slices"
)

// refiner splits published classes into more specific ones, and saves dropped
// rows, as long as every class holds what is asked. It takes the step that
// lowers the loss most, class by class; it is greedy and makes no claim to be
// the best, only to be better than where it starts.
type refiner struct {
	p     *problem
	judge *judge
	// price is what a column's loss counts for, near where the search ended.
	price []float64
	slot  []int32 // code -> bucket + 1
	seen  []uint32
}

func newRefiner(p *problem, each []float64) *refiner {
	r := &refiner{p: p, judge: newJudge(p)}
	most := 0
	for i, d := range p.dims {
		price := d.weight
		if p.cfg.Metric.Aggregate == "" || p.cfg.Metric.Aggregate == "geometric" {
			price /= 1 + each[i]
		}
		r.price = append(r.price, price)
		most = max(most, len(d.labels[0]))
	}
	r.slot = make([]int32, most)
	if p.sensitive != nil {
		r.seen = make([]uint32, p.sensitive.tuples)
	}
	return r
}

// bucket is base classes that become one class.
type bucket struct {
	members []uint32
	rows    int
	holds   bool
}

// split is what raising the detail of one column makes of a part: classes that
// hold, and a rest that stays as it is.
type split struct {
	column int
	good   []bucket
	rest   []uint32
	gain   float64
}

func (r *refiner) run(ctx context.Context, todo []part) ([]part, error) {
	var done []part
	pool := part{dropped: true, levels: todo[len(todo)-1].levels}
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		best, ok := r.best(next)
		switch {
		case ok:
			todo = append(todo, r.apply(next, best)...)
		case next.dropped:
			pool.members = append(pool.members, next.members...)
		default:
			done = append(done, next)
		}
	}
	return append(done, pool), nil
}

func (r *refiner) apply(from part, s split) []part {
	var out []part
	if len(s.rest) > 0 {
		out = append(out, part{levels: from.levels, members: s.rest, dropped: from.dropped})
	}
	for _, b := range s.good {
		levels := slices.Clone(from.levels)
		levels[s.column]--
		out = append(out, part{levels: levels, members: b.members})
	}
	return out
}

// best is the split of a part that gains most.
func (r *refiner) best(from part) (split, bool) {
	var best split
	rows := 0
	for _, m := range from.members {
		rows += int(r.p.base.count[m])
	}
	if rows < r.p.cfg.K || !from.dropped && rows < 2*r.p.cfg.K && len(from.members) == 1 && r.lowest(from) {
		return best, false
	}
	for column := range r.p.dims {
		if from.levels[column] == r.p.dims[column].low {
			continue
		}
		if s, ok := r.try(from, column); ok && s.gain > best.gain {
			best = s
		}
	}
	return best, best.gain > 1e-12
}

func (r *refiner) lowest(from part) bool {
	for j, l := range from.levels {
		if l > r.p.dims[j].low {
			return false
		}
	}
	return true
}

// try splits a part by one level of a column.
func (r *refiner) try(from part, column int) (split, bool) {
	d := &r.p.dims[column]
	level := from.levels[column]
	buckets := r.buckets(from.members, column, level-1)
	s := split{column: column}
	for i := range buckets {
		b := &buckets[i]
		if b.holds = b.rows >= r.p.cfg.K && r.holds(b.members, b.rows); b.holds {
			s.good = append(s.good, *b)
		} else {
			s.rest = append(s.rest, b.members...)
		}
	}
	if !from.dropped && !r.settle(&s) {
		return s, false
	}
	for _, b := range s.good {
		for _, m := range b.members {
			now := d.share[level-1][r.code(m, column, level-1)]
			s.gain += r.price[column] * float64(r.p.base.count[m]) * (d.share[level][r.code(m, column, level)] - now)
		}
	}
	return s, len(s.good) > 0
}

// settle gives the rest the smallest good classes until it holds itself.
func (r *refiner) settle(s *split) bool {
	if len(s.rest) == 0 {
		return true
	}
	slices.SortStableFunc(s.good, func(a, b bucket) int { return b.rows - a.rows })
	for len(s.good) > 0 {
		rows := 0
		for _, m := range s.rest {
			rows += int(r.p.base.count[m])
		}
		if rows >= r.p.cfg.K && r.holds(s.rest, rows) {
			return true
		}
		last := s.good[len(s.good)-1]
		s.rest = append(s.rest, last.members...)
		s.good = s.good[:len(s.good)-1]
	}
	return false
}

func (r *refiner) code(member uint32, column, level int) uint32 {
	f, d := r.p.fields[column], &r.p.dims[column]
	return d.to[d.low][level][r.p.base.keys[int(member)*r.p.words+f.word]>>f.shift&f.mask]
}

// buckets groups members by their code, in the order of the first.
func (r *refiner) buckets(members []uint32, column, level int) []bucket {
	var out []bucket
	var codes []uint32
	for _, m := range members {
		code := r.code(m, column, level)
		if r.slot[code] == 0 {
			out, codes = append(out, bucket{}), append(codes, code)
			r.slot[code] = int32(len(out))
		}
		b := &out[r.slot[code]-1]
		b.members = append(b.members, m)
		b.rows += int(r.p.base.count[m])
	}
	for _, code := range codes {
		r.slot[code] = 0
	}
	return out
}

// holds judges members as one class.
func (r *refiner) holds(members []uint32, rows int) bool {
	if r.p.sensitive == nil {
		return true
	}
	var tuples, numbers []uint32
	for _, m := range members {
		from, to := r.p.base.cells(int(m))
		for cell := from; cell < to; cell++ {
			tuple := r.p.base.tuple[cell]
			if r.seen[tuple] == 0 {
				tuples, numbers = append(tuples, tuple), append(numbers, 0)
				r.seen[tuple] = uint32(len(tuples))
			}
			numbers[r.seen[tuple]-1] += r.p.base.number[cell]
		}
	}
	for _, tuple := range tuples {
		r.seen[tuple] = 0
	}
	ok, _ := r.judge.held(rows, tuples, numbers)
	return ok
}
