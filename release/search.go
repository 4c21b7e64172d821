package release

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// mostNodes bounds the lattice: a byte and a number for each node.
const mostNodes = 1 << 24

// The memory that the search keeps for classes it may start from again.
const (
	mostKept     = 256
	mostKeptKeys = 48 << 20
)

// What is known of a node.
const (
	unknown = iota
	refused // it, or a more general one, drops too many rows
	judged
)

// search finds the node of the lattice with the least loss. A node is a choice
// of a level for each column, numbered with mixed radix.
type search struct {
	p       *problem
	radix   []int // levels allowed, by column
	stride  []int
	state   []byte
	bound   []float32 // loss without what dropped rows add; rounded down
	least   []int32   // rows that surely are dropped, as more general nodes showed
	scratch []float64
	g       grouper
	kept    []*classes
	keys    int // kept in all
	of      []uint32
	judge   *judge
	best    *node
	checked int
}

// node is a choice of levels and what it comes to.
type node struct {
	levels  []int
	loss    float64
	each    []float64 // loss by column
	dropped int
}

func newSearch(p *problem) (*search, error) {
	s := &search{p: p, judge: newJudge(p)}
	total := 1
	for _, d := range p.dims {
		n := d.top - d.low + 1
		s.radix, s.stride = append(s.radix, n), append(s.stride, total)
		if total *= n; total > mostNodes {
			return nil, fmt.Errorf("there are more than %d ways to combine the levels of the columns: give some columns fewer levels (levels: [low, high]), or call them insensitive", mostNodes)
		}
	}
	s.state, s.bound, s.least = make([]byte, total), make([]float32, total), make([]int32, total)
	s.scratch = make([]float64, len(p.dims))
	levels, each := make([]int, len(p.dims)), make([]float64, len(p.dims))
	for id := range total {
		s.levels(id, levels)
		for j, l := range levels {
			each[j] = p.dims[j].mean[l]
		}
		s.bound[id] = math.Nextafter32(float32(p.loss(each)), -1)
	}
	s.keep(p.base)
	return s, nil
}

func (s *search) levels(id int, into []int) {
	for j, n := range s.radix {
		into[j] = s.p.dims[j].low + id/s.stride[j]%n
	}
}

// hopeless says that a node, and all that have a greater bound, cannot be better
// than the best found.
func (s *search) hopeless(id int) bool {
	return s.best != nil && float64(s.bound[id]) >= s.best.loss
}

// worse says that a node cannot be better, counting the rows that it surely
// drops: each loses what its label does not lose already.
func (s *search) worse(id int) bool {
	if s.hopeless(id) {
		return true
	}
	if s.best == nil || s.least[id] == 0 {
		return false
	}
	part := float64(s.least[id]) / float64(s.p.rows)
	for j, n := range s.radix {
		d := &s.p.dims[j]
		level := d.low + id/s.stride[j]%n
		s.scratch[j] = d.mean[level] + part*(1-d.most[level])
	}
	return s.p.loss(s.scratch) >= s.best.loss+1e-12
}

// run goes through the nodes by their lower bound, and stops when no bound is
// below the best loss found: then that is proven to be the least. From each
// node it climbs a path of nodes not yet known and looks for the lowest on it
// that does not drop too many rows.
func (s *search) run(ctx context.Context, seen func(checked, total int)) (*node, error) {
	order := make([]int32, len(s.state))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch {
		case s.bound[a] < s.bound[b]:
			return -1
		case s.bound[a] > s.bound[b]:
			return 1
		}
		return int(a - b)
	})
	for i, id := range order {
		if s.hopeless(int(id)) {
			break
		}
		if s.state[id] != unknown || s.worse(int(id)) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.path(int(id))
		if seen != nil {
			seen(i, len(order))
		}
	}
	if s.best == nil {
		return nil, fmt.Errorf("%w: at no combination of levels the classes hold what is asked with at most %d of %d rows dropped; allow more suppression, more general levels, or ask less", ErrRefused, s.p.limit, s.p.rows)
	}
	return s.best, nil
}

// path climbs from a node to more general ones by the least bound, and halves
// the path by looking.
func (s *search) path(id int) {
	path := []int{id}
	for {
		next := -1
		for j := range s.radix {
			if id/s.stride[j]%s.radix[j]+1 == s.radix[j] {
				continue
			}
			up := id + s.stride[j]
			if s.state[up] == unknown && !s.worse(up) && (next < 0 || s.bound[up] < s.bound[next]) {
				next = up
			}
		}
		if next < 0 {
			break
		}
		path, id = append(path, next), next
	}
	for low, high := 0, len(path)-1; low <= high; {
		mid := (low + high) / 2
		if s.look(path[mid]) {
			high = mid - 1
		} else {
			low = mid + 1
		}
	}
}

// look judges a node and says whether those below it may still be good enough.
func (s *search) look(id int) bool {
	if s.state[id] != unknown {
		return s.state[id] == judged
	}
	levels := make([]int, len(s.radix))
	s.levels(id, levels)
	s.checked++
	v := s.judge.judge(s.raise(levels))
	if v.surely > s.p.limit {
		s.refuse(id)
		return false
	}
	s.state[id] = judged
	s.lower(id, int32(v.surely))
	if v.dropped <= s.p.limit && (s.best == nil || v.loss < s.best.loss) {
		s.best = &node{levels: levels, loss: v.loss, each: slices.Clone(v.each), dropped: v.dropped}
	}
	return true
}

// lower tells a node and all more specific ones how many rows they surely drop.
func (s *search) lower(id int, rows int32) {
	if s.least[id] >= rows || s.state[id] == refused {
		return
	}
	s.least[id] = rows
	for j := range s.radix {
		if id/s.stride[j]%s.radix[j] > 0 {
			s.lower(id-s.stride[j], rows)
		}
	}
}

// refuse marks a node and all more specific ones.
func (s *search) refuse(id int) {
	if s.state[id] == refused {
		return
	}
	s.state[id] = refused
	for j := range s.radix {
		if id/s.stride[j]%s.radix[j] > 0 {
			s.refuse(id - s.stride[j])
		}
	}
}

// raise makes the classes of a node from the fewest kept classes that are at
// most as general.
func (s *search) raise(levels []int) *classes {
	from := s.p.base
	for _, c := range s.kept {
		if c.n < from.n && c.within(levels) {
			from = c
		}
	}
	if s.p.sensitive == nil {
		out := s.g.group(s.p, from, levels, nil)
		if 4*out.n < 3*from.n {
			s.keep(out)
		}
		return out
	}
	s.of = slices.Grow(s.of[:0], from.n)[:from.n]
	out := s.g.group(s.p, from, levels, s.of)
	if out.tooSmall(s.p.cfg.K) > s.p.limit {
		return out // judged by that alone
	}
	s.g.merge(s.p.sensitive.tuples, from, out, s.of)
	if 4*out.n < 3*from.n {
		s.keep(out)
	}
	return out
}

// keep remembers classes; what has most of them is forgotten first.
func (s *search) keep(c *classes) {
	s.kept = append(s.kept, c)
	s.keys += c.size()
	for len(s.kept) > mostKept || s.keys > mostKeptKeys && len(s.kept) > 1 {
		most := 0
		for i, k := range s.kept {
			if k.n > s.kept[most].n {
				most = i
			}
		}
		s.keys -= s.kept[most].size()
		s.kept = slices.Delete(s.kept, most, most+1)
	}
}

// judge measures classes against what is asked. It keeps scratch space and is
// used by one goroutine.
type judge struct {
	p     *problem
	tally tally
	each  []float64
	out   []uint32 // classes to be dropped
}

// verdict is what classes come to. dropped is how many rows do not hold what
// is asked, loss the loss with them gone; both are whole only up to the limit.
// surely is how many of them, at least, every more specific node drops too.
type verdict struct {
	dropped, surely int
	loss            float64
	each            []float64
}

func newJudge(p *problem) *judge {
	j := &judge{p: p, each: make([]float64, len(p.dims))}
	if p.sensitive != nil {
		for _, column := range p.sensitive.columns {
			if n := len(p.table.Columns[column].Values); n > len(j.tally.seen) {
				j.tally.seen = make([]uint32, n)
			}
		}
	}
	return j
}

// tooSmall is how many rows stand in classes of fewer than k.
func (c *classes) tooSmall(k int) int {
	rows := 0
	for _, n := range c.count {
		if int(n) < k {
			rows += int(n)
		}
	}
	return rows
}

// judge gives the verdict; its each belongs to the judge.
func (j *judge) judge(c *classes) verdict {
	small := c.tooSmall(j.p.cfg.K)
	v := verdict{dropped: small, surely: small}
	if small > j.p.limit {
		return v
	}
	j.out = j.out[:0]
	for i := range c.n {
		rows := int(c.count[i])
		if rows < j.p.cfg.K {
			j.out = append(j.out, uint32(i))
			continue
		}
		if holds, surely := j.holds(c, i); !holds {
			j.out = append(j.out, uint32(i))
			v.dropped, v.surely = v.dropped+rows, v.surely+surely
			if v.surely > j.p.limit {
				return v
			}
		}
	}
	if v.dropped <= j.p.limit {
		v.loss, v.each = j.loss(c), j.each
	}
	return v
}

// loss counts the rows of the dropped classes as lost: what their labels lost
// already is raised to everything.
func (j *judge) loss(c *classes) float64 {
	for i := range j.each {
		d, f, sum := &j.p.dims[i], j.p.fields[i], 0.0
		share := d.share[c.levels[i]]
		for _, class := range j.out {
			code := c.keys[int(class)*j.p.words+f.word] >> f.shift & f.mask
			sum += float64(c.count[class]) * (1 - share[code])
		}
		j.each[i] = d.mean[c.levels[i]] + sum/float64(j.p.rows)
	}
	return j.p.loss(j.each)
}

// holds judges one class; surely is how many of its rows are dropped in
// whatever way it is split.
func (j *judge) holds(c *classes, class int) (holds bool, surely int) {
	if j.p.sensitive == nil {
		return true, 0
	}
	from, to := c.cells(class)
	return j.held(int(c.count[class]), c.tuple[from:to], c.number[from:to])
}

func (j *judge) held(rows int, tuples, numbers []uint32) (holds bool, surely int) {
	holds = true
	for _, crit := range j.p.criteria {
		values, counts := j.tally.count(j.p.sensitive.value[crit.column()], tuples, numbers)
		ok, lost := crit.judge(rows, values, counts)
		holds, surely = holds && ok, max(surely, lost)
		if surely >= rows {
			return false, rows
		}
	}
	return holds, surely
}

// tally counts how many rows of a class have each value of a sensitive column.
type tally struct {
	seen   []uint32 // value -> place in values + 1
	values []uint32
	counts []int
}

// count joins the tuples with the same value; valid until the next call.
func (t *tally) count(value, tuples, numbers []uint32) ([]uint32, []int) {
	t.values, t.counts = t.values[:0], t.counts[:0]
	for i, tuple := range tuples {
		v := value[tuple]
		if t.seen[v] == 0 {
			t.values, t.counts = append(t.values, v), append(t.counts, 0)
			t.seen[v] = uint32(len(t.values))
		}
		t.counts[t.seen[v]-1] += int(numbers[i])
	}
	for _, v := range t.values {
		t.seen[v] = 0
	}
	return t.values, t.counts
}
