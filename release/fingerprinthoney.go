package release

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/dchest/siphash"
)

// honeyBits is how many bits of a row's tag are 0 in a honey row. A row that is
// none has such a tag by chance once in 65,536.
const honeyBits = 16

// mostDraws bounds the search for one honey row.
const mostDraws = 40 << honeyBits

// honey adds rows about people who do not exist. Each is a real row with some
// cells of another one that is like it, and fresh identifiers, drawn until its
// tag, which only the secret gives, has sixteen bits of 0.
func (w *writing) honey() error {
	if w.m.Honey == 0 {
		return nil
	}
	rng := rand.New(rand.NewPCG(siphash.Hash(binary.LittleEndian.Uint64(w.key[:]), 1, w.key[:]), 2))
	w.marks.HoneySets = w.honeySets()
	real := w.realRows()
	for n := range w.m.Honey {
		set := n % len(w.marks.HoneySets)
		row, ok := w.draw(rng, set, real)
		if !ok {
			return fmt.Errorf("%w: the table has too few different values for honey rows that can be told from real ones: ask for none, or keep more columns", ErrRefused)
		}
		for j, v := range row {
			code := w.code(j, v)
			w.cols[j].Cells = append(w.cols[j].Cells, code)
		}
		w.marks.Honey++
	}
	return nil
}

// honeySets are two halves of the columns, so that a row is recognised when the
// columns of one are gone. Quasi-identifying columns of a k-anonymous table are
// left out: a honey row has those of a real one.
func (w *writing) honeySets() [][]int {
	var usable []int
	for j := range w.cols {
		if !w.quasi[j] && len(w.cols[j].Values) > 1 {
			usable = append(usable, j)
		}
	}
	variety := func(j int) float64 { return math.Log2(float64(len(w.cols[j].Values))) }
	slices.SortStableFunc(usable, func(a, b int) int { return cmp.Compare(variety(b), variety(a)) })
	var sets [2][]int
	var sum [2]float64
	for _, j := range usable { // the next one to the half that has less
		n := 0
		if sum[1] < sum[0] {
			n = 1
		}
		sets[n] = append(sets[n], j)
		sum[n] += variety(j)
	}
	if min(sum[0], sum[1]) < honeyBits+honeySpare { // a half too plain for tags
		return [][]int{usable}
	}
	return sets[:]
}

// honeySpare is how many bits of variety a set of columns has beyond a tag, so
// that rows with one are soon found.
const honeySpare = 8

// realRows are digests of the table's rows.
func (w *writing) realRows() map[uint64]bool {
	out := make(map[uint64]bool, w.rows)
	for row := range w.rows {
		h := uint64(0)
		for j := range w.cols {
			h = hash(h ^ w.forms[j].bin[w.cols[j].Cells[row]])
		}
		out[h] = true
	}
	return out
}

// draw makes rows until one has the tag and is nobody's.
func (w *writing) draw(rng *rand.Rand, set int, real map[uint64]bool) ([]string, bool) {
	a := w.key.asker("honey", set, 1)
	row, header := make([]string, len(w.cols)), w.header()
	digests := make([]uint64, len(w.cols))
	for range mostDraws {
		first, second := rng.IntN(w.rows), rng.IntN(w.rows)
		h := uint64(0)
		for j := range w.cols {
			from := first
			if !w.quasi[j] && rng.IntN(2) == 0 {
				from = second
			}
			row[j], digests[j] = w.honeyCell(rng, j, from)
			h = hash(h ^ digests[j])
		}
		if tagged(&a, w.marks.HoneySets[set], digests) && !real[h] && (w.m.Exists == nil || !w.m.Exists(header, row)) {
			return slices.Clone(row), true
		}
	}
	return nil, false
}

func (w *writing) header() []string {
	var out []string
	for _, c := range w.cols {
		out = append(out, c.Name)
	}
	return out
}

// honeyCell is a cell of a honey row: that of a real one, a number or date near
// it, or a fresh identifier in a column of identifiers.
func (w *writing) honeyCell(rng *rand.Rand, j, from int) (string, uint64) {
	f, code := &w.forms[j], w.cols[j].Cells[from]
	value := w.cols[j].Values[code]
	switch {
	case w.quasi[j] || !f.ok[code] || slices.Contains(w.m.Keep, f.Name) && f.Form != FormText:
		return value, f.bin[code]
	case f.Form == FormText && len(w.cols[j].Values) > w.rows*9/10 && w.rows >= 20:
		value = fresh(rng, value)
		return value, digest(canonical(value))
	case f.Form == FormText:
		return value, f.bin[code]
	}
	k := int64(rng.IntN(5) - 2)
	if floorDiv(int64(f.bin[code])+k, f.Wide) != int64(f.coarse[code]) || !w.inRange(f, code, k) {
		k = 0
	}
	return f.moved(value, code, k), f.bin[code] + uint64(k)
}

// fresh changes the digits of an identifier; one without digits changes its
// letters.
func fresh(rng *rand.Rand, value string) string {
	digits := strings.ContainsAny(value, "0123456789")
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return '0' + rune(rng.IntN(10))
		case digits:
			return r
		case r >= 'a' && r <= 'z':
			return 'a' + rune(rng.IntN(26))
		case r >= 'A' && r <= 'Z':
			return 'A' + rune(rng.IntN(26))
		}
		return r
	}, value)
}

// tagged says that a row has the tag of honey, by the bins of a set of columns.
func tagged(a *asker, set []int, bins []uint64) bool {
	var buf [512]byte
	b := buf[:0]
	for _, j := range set {
		b = binary.LittleEndian.AppendUint64(b, bins[j])
	}
	return a.key(b)>>(64-honeyBits) == 0
}

// sketch keeps what recognises a text column without its name: keyed digests of
// its commonest texts.
func (f *form) sketch(c *Column, a *asker) {
	if f.Form != FormText {
		return
	}
	counts := make([]int, len(c.Values))
	for _, code := range c.Cells {
		counts[code]++
	}
	codes := make([]int, len(c.Values))
	for i := range codes {
		codes[i] = i
	}
	slices.SortStableFunc(codes, func(a, b int) int { return counts[b] - counts[a] })
	for _, code := range codes[:min(24, len(codes))] {
		f.Sketch = append(f.Sketch, sketched(a, f.bin[code]))
	}
}

func sketched(a *asker, bin uint64) uint32 {
	return uint32(a.key(binary.LittleEndian.AppendUint64(nil, bin)))
}
