package release

import (
	"math/bits"
	"slices"
)

// classes are groups of rows that look alike at given levels. Each has a key
// of the problem's words, and how many rows it has; where l or t is asked, also
// how many of them have which sensitive tuple, in the cells start[i] to
// start[i+1].
type classes struct {
	levels []int
	n      int
	keys   []uint64
	count  []uint32 // nil: one each
	start  []uint32 // nil: one cell each
	tuple  []uint32
	number []uint32 // nil: one each
}

func (c *classes) rows(i int) uint32 {
	if c.count == nil {
		return 1
	}
	return c.count[i]
}

// cells gives the range of a class's cells.
func (c *classes) cells(i int) (from, to uint32) {
	if c.start == nil {
		return uint32(i), uint32(i + 1)
	}
	return c.start[i], c.start[i+1]
}

func (c *classes) size() int { return len(c.keys) + (len(c.count)+len(c.start)+2*len(c.tuple))/2 }

// within says whether c is at most as general as levels in every column, so
// that it can be raised to them.
func (c *classes) within(levels []int) bool {
	for j, l := range c.levels {
		if l > levels[j] {
			return false
		}
	}
	return true
}

// raise is what changes a key from one level to another.
type raise struct {
	field
	to []uint32
}

// grouper is a hash table that is used again and again.
type grouper struct {
	slots []uint32 // index of a class + 1
	order []uint32
	next  []uint32
	seen  []uint32 // tuple -> its cell + 1
}

const smallest = 1 << 10

// group raises classes to levels and joins what has become alike, leaving the
// sensitive cells to merge. of, when not nil, is told the new class of each old
// one.
func (g *grouper) group(p *problem, from *classes, levels []int, of []uint32) *classes {
	var raises []raise
	for j, l := range levels {
		if l != from.levels[j] {
			raises = append(raises, raise{p.fields[j], p.dims[j].to[from.levels[j]][l]})
		}
	}
	out := &classes{levels: append([]int(nil), levels...)}
	g.clear(smallest)
	if p.words == 1 {
		g.narrow(from, raises, out, of)
	} else {
		g.wide(p.words, from, raises, out, of)
	}
	return out
}

func (g *grouper) clear(n int) {
	if cap(g.slots) < n {
		g.slots = make([]uint32, n)
		return
	}
	g.slots = g.slots[:n]
	clear(g.slots)
}

// narrow groups keys of one word.
func (g *grouper) narrow(from *classes, raises []raise, out *classes, of []uint32) {
	for i := range from.n {
		key := from.keys[i]
		for k := range raises {
			r := &raises[k]
			code := r.to[key>>r.shift&r.mask]
			key = key&^(r.mask<<r.shift) | uint64(code)<<r.shift
		}
		at := hash(key) & uint64(len(g.slots)-1)
		for {
			s := g.slots[at]
			if s == 0 {
				out.keys = append(out.keys, key)
				out.count = append(out.count, 0)
				out.n++
				s = uint32(out.n)
				g.slots[at] = s
			} else if out.keys[s-1] != key {
				at = (at + 1) & uint64(len(g.slots)-1)
				continue
			}
			out.count[s-1] += from.rows(i)
			if of != nil {
				of[i] = s - 1
			}
			break
		}
		if 2*out.n > len(g.slots) {
			g.grow(out, 1)
		}
	}
}

// wide groups keys of several words.
func (g *grouper) wide(words int, from *classes, raises []raise, out *classes, of []uint32) {
	key := make([]uint64, words)
	for i := range from.n {
		copy(key, from.keys[i*words:])
		for k := range raises {
			r := &raises[k]
			code := r.to[key[r.word]>>r.shift&r.mask]
			key[r.word] = key[r.word]&^(r.mask<<r.shift) | uint64(code)<<r.shift
		}
		s := g.find(key, out)
		out.count[s] += from.rows(i)
		if of != nil {
			of[i] = s
		}
		if 2*out.n > len(g.slots) {
			g.grow(out, words)
		}
	}
}

func (g *grouper) find(key []uint64, out *classes) uint32 {
	words := len(key)
	at := hashAll(key) & uint64(len(g.slots)-1)
	for {
		s := g.slots[at]
		if s == 0 {
			out.keys = append(out.keys, key...)
			out.count = append(out.count, 0)
			out.n++
			g.slots[at] = uint32(out.n)
			return uint32(out.n - 1)
		}
		if same(out.keys[int(s-1)*words:int(s)*words], key) {
			return s - 1
		}
		at = (at + 1) & uint64(len(g.slots)-1)
	}
}

func same(a, b []uint64) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (g *grouper) grow(out *classes, words int) {
	g.clear(4 * len(g.slots))
	for i := range out.n {
		at := hashAll(out.keys[i*words:(i+1)*words]) & uint64(len(g.slots)-1)
		for g.slots[at] != 0 {
			at = (at + 1) & uint64(len(g.slots)-1)
		}
		g.slots[at] = uint32(i + 1)
	}
}

// hash spreads a key over all bits: the two halves of a product with an odd
// constant, folded.
func hash(key uint64) uint64 {
	high, low := bits.Mul64(key^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return high ^ low
}

func hashAll(key []uint64) uint64 {
	h := hash(key[0])
	for _, k := range key[1:] {
		h = hash(h ^ k)
	}
	return h
}

// merge gives the classes that group made of from their sensitive cells.
func (g *grouper) merge(tuples int, from, out *classes, of []uint32) {
	g.sort(out.n, of)
	if len(g.seen) < tuples {
		g.seen = make([]uint32, tuples)
	}
	out.start = make([]uint32, 1, out.n+1)
	at := 0
	for class := range out.n {
		for ; at < len(g.order) && of[g.order[at]] == uint32(class); at++ {
			g.pour(from, int(g.order[at]), out)
		}
		for _, tuple := range out.tuple[out.start[class]:] {
			g.seen[tuple] = 0
		}
		out.start = append(out.start, uint32(len(out.tuple)))
	}
}

// pour adds the cells of an old class to the new class being filled.
func (g *grouper) pour(from *classes, class int, out *classes) {
	low, high := from.cells(class)
	for cell := low; cell < high; cell++ {
		tuple, n := from.tuple[cell], uint32(1)
		if from.number != nil {
			n = from.number[cell]
		}
		if g.seen[tuple] == 0 {
			out.tuple, out.number = append(out.tuple, tuple), append(out.number, 0)
			g.seen[tuple] = uint32(len(out.tuple))
		}
		out.number[g.seen[tuple]-1] += n
	}
}

// sort brings the old classes of each new one together, in order.
func (g *grouper) sort(n int, of []uint32) {
	g.next = slices.Grow(g.next[:0], n+1)[:n+1]
	clear(g.next)
	for _, class := range of {
		g.next[class+1]++
	}
	for i := range n {
		g.next[i+1] += g.next[i]
	}
	g.order = slices.Grow(g.order[:0], len(of))[:len(of)]
	for i, class := range of {
		g.order[g.next[class]] = uint32(i)
		g.next[class]++
	}
}
