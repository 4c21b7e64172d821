package release

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// MostFalse is the probability with which a copy may be accused wrongly, over
// all copies and all ways of looking together.
const MostFalse = 1e-6

// Verdict is whose copy a fragment comes from.
type Verdict struct {
	// Named are the copies that are proven, the surest first; several where
	// copies were mixed. Empty means: not provable.
	Named []Match `json:"named"`
	// Best is the likeliest copy, proven or not; nil where there are none.
	Best *Match `json:"best,omitempty"`
	// Copies were compared; MostFalse is what the probability of naming any of
	// them wrongly may be.
	Copies    int     `json:"copies"`
	Rows      int     `json:"rows"`
	MostFalse float64 `json:"most_false"`
}

// Match is how a fragment answers the questions of one copy.
type Match struct {
	Release   string `json:"release"`
	Recipient string `json:"recipient"`
	// Yes of Asked answers are yes; by chance it would be half.
	Asked int `json:"asked"`
	Yes   int `json:"yes"`
	// Honey rows of the copy that stand in the fragment.
	Honey int `json:"honey"`
	// By says which questions were the clearest: "all", a form, a column, a
	// single question of it, or "honey".
	By string `json:"by"`
	// Log10False is the logarithm of the probability that a fragment of other
	// origin answers so, times the number of ways of looking and of copies: a
	// bound for naming any copy wrongly.
	Log10False float64 `json:"log10_false"`
	Proven     bool    `json:"proven"`
}

// Trace asks of a fragment the questions of every copy that left. Order,
// missing rows and missing columns do not matter; columns are found by name, or
// by what they hold where names were changed. The probability rests on the
// answers of a copy's secret being independent of everything that was made
// without it, and on nothing about the data: each key and value counts once,
// however many rows have it.
func (s Secret) Trace(fragment *Table, copies []Marks) Verdict {
	v := Verdict{Copies: len(copies), Rows: fragment.rows, MostFalse: MostFalse, Named: []Match{}}
	readers := map[string]*reading{}
	for _, c := range copies {
		r := s.reading(fragment, c, readers)
		m := r.match(s.copyKey(c.Release, c.Recipient), c)
		m.Log10False = min(0, m.Log10False+math.Log10(float64(len(copies))))
		m.Proven = m.Log10False <= math.Log10(MostFalse)
		if m.Proven {
			v.Named = append(v.Named, m)
		}
		if v.Best == nil || m.Log10False < v.Best.Log10False {
			v.Best = &m
		}
	}
	slices.SortStableFunc(v.Named, func(a, b Match) int { return cmp.Compare(a.Log10False, b.Log10False) })
	return v
}

// reading is a fragment read with the columns of a release.
type reading struct {
	rows  int
	cells [][]uint32 // by column of the marks; nil where the fragment has none
	forms []form
	// asked are the different questions of channels, by the channel's columns:
	// all copies of a release ask the same.
	asked map[string]questions
}

// questions are different keys, as bytes, with the bin of the target.
type questions struct {
	width int
	keys  []byte
	bins  []uint64
}

// reading matches columns once for all copies with the same columns.
func (s Secret) reading(t *Table, c Marks, known map[string]*reading) *reading {
	shape := shapeOf(c)
	if r, ok := known[shape]; ok {
		return r
	}
	r := &reading{rows: t.rows, cells: make([][]uint32, len(c.Columns)), forms: make([]form, len(c.Columns)), asked: map[string]questions{}}
	taken := make([]bool, len(t.Columns))
	take := func(j, i int) {
		taken[i] = true
		r.cells[j] = t.Columns[i].Cells
		r.forms[j] = form{MarkedColumn: c.Columns[j]}
		r.forms[j].read(&t.Columns[i])
	}
	for j, col := range c.Columns {
		for i := range t.Columns {
			if !taken[i] && heading(t.Columns[i].Name) == heading(col.Name) && heading(col.Name) != "" {
				take(j, i)
				break
			}
		}
	}
	sketch := s.asker("sketch", 0, 1)
	for j, col := range c.Columns {
		if r.cells[j] != nil {
			continue
		}
		best, at := 0.5, -1
		for i := range t.Columns {
			if !taken[i] {
				if l := likeness(col, &t.Columns[i], &sketch); l > best {
					best, at = l, i
				}
			}
		}
		if at >= 0 {
			take(j, at)
		}
	}
	known[shape] = r
	return r
}

func shapeOf(c Marks) string {
	var b []byte
	for _, col := range c.Columns {
		b = append(b, col.Name...)
		b = append(b, 0)
		b = append(b, col.Form...)
		for _, x := range append([]float64{col.Step, float64(col.Wide)}, col.Points...) {
			b = appendUint64(b, math.Float64bits(x))
		}
	}
	return string(b)
}

// likeness says from 0 to 1 how well a column of a fragment fits one that was
// released, by what it holds.
func likeness(want MarkedColumn, c *Column, a *asker) float64 {
	f := form{MarkedColumn: want}
	f.read(c)
	good, all := 0, 0
	known := map[uint32]bool{}
	for _, d := range want.Sketch {
		known[d] = true
	}
	for _, code := range c.Cells {
		all++
		switch {
		case !f.ok[code]:
		case want.Form == FormText && known[sketched(a, f.bin[code])]:
			good++
		case want.Form == FormDate:
			good++
		case want.Form == FormNumber && f.number[code] >= want.Points[0] && f.number[code] <= want.Points[4]:
			good++
		}
	}
	if all == 0 {
		return 0
	}
	score := float64(good) / float64(all)
	if want.Form == FormNumber && score > 0.5 {
		// Half of the numbers should lie in the middle half.
		middle := 0
		for _, code := range c.Cells {
			if f.ok[code] && f.number[code] >= want.Points[1] && f.number[code] <= want.Points[3] {
				middle++
			}
		}
		score -= math.Abs(float64(middle)/float64(all) - 0.5)
	}
	return score
}

// answer counts the answers of some questions.
type answer struct{ asked, yes int }

// match asks the questions of one copy.
func (r *reading) match(key Secret, c Marks) Match {
	m := Match{Release: c.Release, Recipient: c.Recipient}
	by := map[string]*answer{}
	add := func(name string, a answer) {
		if by[name] == nil {
			by[name] = &answer{}
		}
		by[name].asked += a.asked
		by[name].yes += a.yes
	}
	for i, ch := range c.Channels {
		a, ok := r.ask(key.asker("channel", i, ch.Share), ch)
		if !ok {
			continue
		}
		add("all", a)
		add(string(c.Columns[ch.Target].Form), a)
		add(c.Columns[ch.Target].Name, a)
		add(fmt.Sprintf("%s, question %d", c.Columns[ch.Target].Name, i+1), a)
	}
	tests := float64(len(by))
	honey, rows := r.honey(key, c)
	if rows > 0 {
		tests++
	}
	m.Honey, m.Log10False = honey, 0
	if all := by["all"]; all != nil {
		m.Asked, m.Yes, m.By = all.asked, all.yes, "all"
	}
	for _, name := range sortedKeys(by) {
		if p := logTail(by[name].asked, by[name].yes, 0.5) + math.Log10(tests); p < m.Log10False {
			m.Log10False, m.By = p, name
		}
	}
	if rows > 0 {
		if p := logTail(rows, honey, math.Ldexp(1, -honeyBits)) + math.Log10(tests); p < m.Log10False {
			m.Log10False, m.By = p, "honey"
		}
	}
	return m
}

// ask counts the answers of a channel. ok is false where the fragment lacks a
// column of it.
func (r *reading) ask(a asker, ch Channel) (out answer, ok bool) {
	if r.cells[ch.Target] == nil {
		return out, false
	}
	for _, j := range ch.Key {
		if r.cells[j] == nil {
			return out, false
		}
	}
	q := r.questions(ch)
	for i, bin := range q.bins {
		key := a.key(q.keys[i*q.width : (i+1)*q.width])
		if key > a.limit {
			continue
		}
		out.asked++
		if a.yes(key, bin) {
			out.yes++
		}
	}
	return out, true
}

// questions gathers the different questions of a channel.
func (r *reading) questions(ch Channel) questions {
	name := fmt.Sprint(ch.Target, ch.Key)
	if q, ok := r.asked[name]; ok {
		return q
	}
	q, seen := questions{width: 8 * len(ch.Key)}, map[uint64]bool{}
rows:
	for row := range r.rows {
		code := r.cells[ch.Target][row]
		if !r.forms[ch.Target].ok[code] {
			continue
		}
		bin := r.forms[ch.Target].bin[code]
		h, begun := bin, len(q.keys)
		for _, j := range ch.Key {
			k := r.cells[j][row]
			if !r.forms[j].ok[k] {
				q.keys = q.keys[:begun]
				continue rows
			}
			h = hash(h ^ r.forms[j].coarse[k])
			q.keys = appendUint64(q.keys, r.forms[j].coarse[k])
		}
		if seen[h] {
			q.keys = q.keys[:begun]
			continue
		}
		seen[h] = true
		q.bins = append(q.bins, bin)
	}
	r.asked[name] = q
	return q
}

// honey counts the different rows that are tagged, of how many there are.
func (r *reading) honey(key Secret, c Marks) (hits, rows int) {
	for n, set := range c.HoneySets {
		whole := len(set) > 0
		for _, j := range set {
			whole = whole && r.cells[j] != nil
		}
		if !whole {
			continue
		}
		a, seen := key.asker("honey", n, 1), map[uint64]bool{}
		bins := make([]uint64, len(c.Columns))
		for row := range r.rows {
			h := uint64(0)
			for _, j := range set {
				bins[j] = r.forms[j].bin[r.cells[j][row]]
				h = hash(h ^ bins[j])
			}
			if seen[h] {
				continue
			}
			seen[h] = true
			rows++
			if tagged(&a, set, bins) {
				hits++
			}
		}
	}
	return hits, rows
}

func appendUint64(b []byte, x uint64) []byte {
	return append(b, byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32), byte(x>>40), byte(x>>48), byte(x>>56))
}

// logTail is log10 of the probability that of n independent events of
// probability p at least k happen. It sums the terms from the greatest down and
// adds a bound for what is left out, so that it is never too small by more than
// the rounding of logarithms, for which it adds a thousandth.
func logTail(n, k int, p float64) float64 {
	if k <= 0 || n <= 0 {
		return 0
	}
	if float64(k) <= float64(n)*p {
		return 0
	}
	first := logChoose(float64(n), float64(k)) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p)
	// From k on each term is at most this part of the one before it.
	sum, term := 1.0, 1.0
	for i := k; i < n; i++ {
		ratio := float64(n-i) / float64(i+1) * p / (1 - p)
		term *= ratio
		sum += term
		if term < 1e-12*sum && ratio < 1 {
			sum += term * ratio / (1 - ratio)
			break
		}
	}
	return min(0, (first+math.Log(sum))/math.Ln10+0.001)
}
