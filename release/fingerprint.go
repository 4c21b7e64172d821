package release

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dchest/siphash"
)

// Secret is what marks are made and recognised with. Who has it can both
// recognise a copy and forge one: it is kept like a signing key.
type Secret [32]byte

// Marker gives each recipient of a table a copy of their own.
//
// The table's columns are read as numbers, dates and texts. A channel is a
// target column and some others whose coarse values are a row's key. For a
// copy, the secret answers for every channel, key and value of the target: yes
// or no, each as likely and independent of all others. Where a row's answer is
// no and its key is among the selected, the cell takes a value near by, or a
// text that stands in other rows of its kind, for which the answer is yes. So in
// the copy far more than half of the answers are yes; in a table that does not
// descend from it half of them are, whatever it holds, and how far from half
// chance leads is known exactly.
type Marker struct {
	Secret Secret
	// Share is how many of a text column's cells may change, at most; 0 is
	// 0.05. Numbers move by two bins at most, each no wider than an eighth of
	// the spread of the middle half; dates by two days. Neither leaves the range
	// of its column, and dates of a row keep their order.
	Share float64
	// Keep are columns that never change.
	Keep []string
	// Quasi and K keep a table k-anonymous: a row moves only from a class that
	// stays at K rows into one that has as many.
	Quasi []string
	K     int
	// Honey is how many rows of people who do not exist are added.
	Honey int
	// Exists says that a row is about somebody real, by what the hospital's
	// index knows; such a honey row is not used. nil knows only the table.
	Exists func(header, row []string) bool
}

// Marks are what the registry keeps of a copy: enough to recognise it with the
// secret, and no value of the table.
type Marks struct {
	Release   string         `json:"release"`
	Recipient string         `json:"recipient"`
	Rows      int            `json:"rows"`
	Columns   []MarkedColumn `json:"columns"`
	Channels  []Channel      `json:"channels"`
	Honey     int            `json:"honey"`
	// HoneySets are the columns by which honey rows are recognised.
	HoneySets [][]int `json:"honey_sets,omitempty"`
	// Changed says what marking cost each column.
	Changed []Change `json:"changed"`
	// Proven is how many rows of a random piece, three in ten of them lost,
	// named the copy among a thousand when that was tried; 0 where even
	// thousands did not: the table says too little for marks within the budget,
	// as k-anonymous ones of few columns do.
	Proven int `json:"proven_rows"`
}

// Channel is one question asked of rows. Columns are numbers in Marks.Columns.
type Channel struct {
	Target int   `json:"target"`
	Key    []int `json:"key"`
	// Share of the keys are selected.
	Share float64 `json:"share"`
}

// Change is what marking did to a column.
type Change struct {
	Column string  `json:"column"`
	Cells  int     `json:"cells"`
	Share  float64 `json:"share"`
	// Most is by how much a number or date moved at most, in its own unit or in
	// days.
	Most float64 `json:"most,omitempty"`
}

// copyKey is the secret of one copy.
func (s Secret) copyKey(release, recipient string) Secret {
	mac := hmac.New(sha256.New, s[:])
	fmt.Fprintf(mac, "cordon release copy\x00%d\x00%s\x00%s", len(release), release, recipient)
	return Secret(mac.Sum(nil))
}

// asker answers the questions of one channel of one copy.
type asker struct {
	k     [4]uint64
	limit uint64
}

func (s Secret) asker(purpose string, channel int, share float64) asker {
	mac := hmac.New(sha256.New, s[:])
	fmt.Fprintf(mac, "%s\x00%d", purpose, channel)
	sum := mac.Sum(nil)
	var a asker
	for i := range a.k {
		a.k[i] = binary.LittleEndian.Uint64(sum[8*i:])
	}
	a.limit = math.MaxUint64
	if share < 1 {
		a.limit = uint64(share * (1 << 63) * 2)
	}
	return a
}

// key is the row's key in the channel, from the coarse values of its columns.
func (a *asker) key(buf []byte) uint64 { return siphash.Hash(a.k[0], a.k[1], buf) }

// yes answers for a key and a value of the target.
func (a *asker) yes(key, bin uint64) bool {
	var buf [16]byte
	binary.LittleEndian.PutUint64(buf[:], key)
	binary.LittleEndian.PutUint64(buf[8:], bin)
	return siphash.Hash(a.k[2], a.k[3], buf[:])&1 == 1
}

// Mark makes the copy of a table for a recipient of a release.
func (m Marker) Mark(t *Table, release, recipient string) (*Table, Marks, error) {
	if release == "" || recipient == "" {
		return nil, Marks{}, errors.New("marks need the names of a release and of a recipient")
	}
	if t.rows < 1 || len(t.Columns) < 2 {
		return nil, Marks{}, errors.New("a table to be marked has rows, and two columns at least")
	}
	if m.Share == 0 {
		m.Share = 0.05
	}
	if !(m.Share > 0 && m.Share <= 0.5) {
		return nil, Marks{}, errors.New("the share of cells that may change is above 0 and at most 0.5")
	}
	w := newWriting(m, t, release, recipient)
	w.plan()
	for at := 0; at < len(w.marks.Channels); {
		at = w.mark(at)
	}
	if err := w.honey(); err != nil {
		return nil, Marks{}, err
	}
	if len(w.marks.Channels) == 0 {
		return nil, Marks{}, fmt.Errorf("%w: no column of the table can carry marks: all are free text, single everybody out, are always the same, or must be kept", ErrRefused)
	}
	out := w.table()
	w.marks.Proven = m.proven(out, w.marks)
	return out, w.marks, nil
}

// proven tries from how many rows the copy is named: three pieces of each size.
func (m Marker) proven(t *Table, marks Marks) int {
	key := m.Secret.copyKey(marks.Release, marks.Recipient)
	rng := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(key[8:]), 3))
	for _, n := range []int{200, 500, 1000, 2000, 5000, 10_000} {
		named := 0
		for range 3 {
			piece := t.some(rng, n*7/10)
			if v := m.Secret.Trace(piece, []Marks{marks}); v.Best.Log10False <= math.Log10(MostFalse)-3 {
				named++
			}
		}
		if named == 3 {
			return n
		}
		if n >= t.rows {
			break
		}
	}
	return 0
}

// some are rows drawn at random.
func (t *Table) some(rng *rand.Rand, n int) *Table {
	out := &Table{rows: min(n, t.rows)}
	rows := make([]int, out.rows)
	for i := range rows {
		rows[i] = rng.IntN(t.rows)
	}
	for _, c := range t.Columns {
		cells := make([]uint32, len(rows))
		for i, row := range rows {
			cells[i] = c.Cells[row]
		}
		out.Columns = append(out.Columns, Column{c.Name, c.Values, cells})
	}
	return out
}

// writing is a copy being made.
type writing struct {
	m     Marker
	key   Secret
	rows  int
	cols  []Column
	index []map[string]uint32 // of columns that change, lazily
	forms []form
	marks Marks
	moved []Change
	// class counts the rows of each class of quasi-identifying columns; of is
	// each row's.
	class map[uint64]int
	of    []uint64
	quasi []bool
}

func newWriting(m Marker, t *Table, release, recipient string) *writing {
	text := []string(nil)
	if m.K > 1 {
		text = m.Quasi
	}
	w := &writing{m: m, key: m.Secret.copyKey(release, recipient), rows: t.rows, forms: readForms(t, text),
		marks: Marks{Release: release, Recipient: recipient, Rows: t.rows}, index: make([]map[string]uint32, len(t.Columns))}
	sketch := m.Secret.asker("sketch", 0, 1)
	for i, c := range t.Columns {
		w.cols = append(w.cols, Column{c.Name, slices.Clip(c.Values), slices.Clone(c.Cells)})
		f := &w.forms[i]
		f.fixed = f.fixed || slices.Contains(m.Keep, c.Name)
		f.sketch(&c, &sketch)
		w.marks.Columns = append(w.marks.Columns, f.MarkedColumn)
		w.moved = append(w.moved, Change{Column: c.Name})
	}
	w.determined()
	w.classes(m)
	return w
}

// classes counts the classes which have to stay as large as they must be.
func (w *writing) classes(m Marker) {
	w.quasi = make([]bool, len(w.cols))
	if m.K < 2 {
		return
	}
	w.class, w.of = map[uint64]int{}, make([]uint64, w.rows)
	for j := range w.cols {
		if w.quasi[j] = slices.Contains(m.Quasi, w.cols[j].Name); !w.quasi[j] {
			continue
		}
		for i, code := range w.cols[j].Cells {
			w.of[i] ^= mixed(j, code)
		}
	}
	for _, c := range w.of {
		w.class[c]++
	}
}

func mixed(column int, code uint32) uint64 { return hash(uint64(column)<<32 | uint64(code)) }

// determined fixes text columns that another one says as much as all of: code
// and name of a thing must not part.
func (w *writing) determined() {
	rows := min(w.rows, 20_000)
	for j := range w.cols {
		if w.forms[j].Form != FormText || w.forms[j].fixed {
			continue
		}
		for i := range w.cols {
			if i != j && w.forms[i].Form == FormText && len(w.cols[i].Values) < rows/2 && w.says(i, j, rows) {
				w.forms[j].fixed = true
				break
			}
		}
	}
}

// says finds whether the value of column i fixes that of j in nearly all rows.
func (w *writing) says(i, j, rows int) bool {
	most, counts := map[uint32]int{}, map[uint64]int{}
	sum := 0
	for row := range rows {
		a, b := w.cols[i].Cells[row], w.cols[j].Cells[row]
		pair := uint64(a)<<32 | uint64(b)
		if counts[pair]++; counts[pair] > most[a] {
			most[a]++
			sum++
		}
	}
	common := map[uint32]int{}
	top := 0
	for row := range rows {
		common[w.cols[j].Cells[row]]++
		top = max(top, common[w.cols[j].Cells[row]])
	}
	// Beyond what always saying the commonest value would reach.
	return sum >= rows*99/100 && top < rows*98/100
}

// targets are the columns that carry marks, texts first: their final values are
// part of the keys of those after them.
func (w *writing) targets() []int {
	var out []int
	for j := range w.forms {
		if !w.forms[j].fixed {
			out = append(out, j)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(w.late(a), w.late(b)) })
	return out
}

func (w *writing) late(j int) int {
	if w.forms[j].Form == FormText {
		return 0
	}
	return 1
}

// mayKey says whether column i may be in the key of target j: its coarse value
// does not change any more once j is marked.
func (w *writing) mayKey(i, j int) bool {
	if i == j {
		return false
	}
	return w.forms[i].Form != FormText || w.forms[i].fixed || w.late(j) == 1 || i < j
}

const (
	sampled  = 400 // rows of a fragment that is to be recognised well
	mostKeys = 3
)

// plan chooses the channels. They are the same for all copies of a release: the
// answers differ, not the questions.
func (w *writing) plan() {
	for _, target := range w.targets() {
		w.marks.Channels = append(w.marks.Channels, w.channels(target)...)
	}
}

// channels chooses the keys of a target: up to five sets of columns with
// nothing in common, each of enough different keys.
func (w *writing) channels(target int) []Channel {
	var pool []int
	for i := range w.cols {
		if w.mayKey(i, target) && len(w.cols[i].Values) > 1 {
			pool = append(pool, i)
		}
	}
	share, most := 1.0, 5
	if w.forms[target].Form == FormText {
		share, most = 1.8*w.m.Share, 2
	}
	var out []Channel
	for len(pool) > 0 && len(out) < most {
		set := w.keyFor(target, pool)
		if set == nil {
			break
		}
		out = append(out, Channel{Target: target, Key: set})
		pool = slices.DeleteFunc(pool, func(i int) bool { return slices.Contains(set, i) })
	}
	for i := range out {
		out[i].Share = share
		if w.forms[target].Form == FormText {
			out[i].Share = share / float64(len(out))
		}
	}
	return out
}

// keyFor takes the columns that add most until nearly every row of a small
// fragment has a question of its own; nil where that is not to be had at all.
func (w *writing) keyFor(target int, pool []int) []int {
	var set []int
	best, enough := 0, min(sampled, w.rows)*19/20
	for len(set) < mostKeys && best < enough {
		most, at := best, -1
		for _, i := range pool {
			if slices.Contains(set, i) {
				continue
			}
			if n := w.questions(target, append(slices.Clone(set), i)); n > most {
				most, at = n, i
			}
		}
		if at < 0 {
			break
		}
		set, best = append(set, at), most
	}
	if best < min(sampled, w.rows)/8 {
		return nil
	}
	return set
}

// questions counts the different keys and bins among rows spread over the
// table.
func (w *writing) questions(target int, key []int) int {
	seen := map[uint64]bool{}
	n := min(sampled, w.rows)
	for s := range n {
		row := s * (w.rows / n)
		h := w.forms[target].bin[w.cols[target].Cells[row]]
		for _, i := range key {
			h = hash(h ^ w.forms[i].coarse[w.cols[i].Cells[row]])
		}
		seen[h] = true
	}
	return len(seen)
}

// mark writes the marks of the target whose channels begin at from, and gives
// where those of the next begin.
func (w *writing) mark(from int) int {
	target, to := w.marks.Channels[from].Target, from
	var askers []asker
	for ; to < len(w.marks.Channels) && w.marks.Channels[to].Target == target; to++ {
		askers = append(askers, w.key.asker("channel", to, w.marks.Channels[to].Share))
	}
	channels := w.marks.Channels[from:to]
	var near func(row int, asked []question) (uint32, bool)
	if w.forms[target].Form == FormText {
		near = w.texts(target, channels[0].Key)
	} else {
		near = w.numbers(target)
	}
	buf, asked := make([]byte, 0, 8*mostKeys), []question(nil)
	for row := range w.scattered {
		code := w.cols[target].Cells[row]
		if !w.forms[target].ok[code] {
			continue
		}
		asked = asked[:0]
		for i := range channels {
			key, ok := w.rowKey(&askers[i], channels[i].Key, row, buf)
			if ok && key <= askers[i].limit {
				asked = append(asked, question{&askers[i], key, weightOf(i)})
			}
		}
		if yeses(asked, w.forms[target].bin[code]) == weights(asked) {
			continue
		}
		if other, ok := near(row, asked); ok && other != code {
			w.set(target, row, other)
		}
	}
	return to
}

// scattered goes through all rows in an order that jumps about, so that a limit
// reached early leaves no part of the table without marks.
func (w *writing) scattered(yield func(row int) bool) {
	step := w.rows*5/8 | 1
	for divisor(int64(step), int64(w.rows)) != 1 {
		step += 2
	}
	for i, row := 0, 0; i < w.rows; i, row = i+1, (row+step)%w.rows {
		if !yield(row) {
			return
		}
	}
}

// question is a channel's with the row's key.
type question struct {
	*asker
	key    uint64
	weight int
}

// weightOf lets the first channel of a target, which has the most different
// keys, have its way a little more often than the others.
func weightOf(channel int) int {
	if channel == 0 {
		return 3
	}
	return 2
}

func weights(asked []question) int {
	n := 0
	for _, q := range asked {
		n += q.weight
	}
	return n
}

// yeses weighs the questions that a bin answers with yes.
func yeses(asked []question, bin uint64) int {
	n := 0
	for _, q := range asked {
		if q.yes(q.key, bin) {
			n += q.weight
		}
	}
	return n
}

func (w *writing) rowKey(a *asker, key []int, row int, buf []byte) (uint64, bool) {
	buf = buf[:0]
	for _, i := range key {
		code := w.cols[i].Cells[row]
		if !w.forms[i].ok[code] {
			return 0, false
		}
		buf = appendUint64(buf, w.forms[i].coarse[code])
	}
	return a.key(buf), true
}

// set changes a cell and keeps count.
func (w *writing) set(column, row int, code uint32) {
	c := &w.cols[column]
	if w.quasi[column] {
		from := w.of[row]
		to := from ^ mixed(column, c.Cells[row]) ^ mixed(column, code)
		w.class[from]--
		w.class[to]++
		w.of[row] = to
	}
	if f := &w.forms[column]; f.Form != FormText {
		move := math.Abs(float64(int64(f.bin[code])-int64(f.bin[c.Cells[row]]))) * f.Step
		w.moved[column].Most = max(w.moved[column].Most, move)
	}
	w.moved[column].Cells++
	c.Cells[row] = code
}

// stays says that the classes of quasi-identifying columns allow a change.
func (w *writing) stays(column, row int, code uint32) bool {
	if !w.quasi[column] {
		return true
	}
	from := w.of[row]
	to := from ^ mixed(column, w.cols[column].Cells[row]) ^ mixed(column, code)
	return w.class[from] > w.m.K && w.class[to] >= w.m.K
}

// texts finds another text for a cell among those of rows like it: the same in
// up to two columns of the key.
func (w *writing) texts(target int, key []int) func(int, []question) (uint32, bool) {
	context := key[:min(len(key), 2)]
	of := func(row int) uint64 {
		h := uint64(target)
		for _, i := range context {
			if len(w.cols[i].Values) > w.rows/20 && w.forms[i].Form == FormText {
				continue // it singles rows out: nothing would be like it
			}
			h = hash(h ^ w.forms[i].coarse[w.cols[i].Cells[row]])
		}
		return h
	}
	type seen struct {
		code uint32
		n    int
	}
	like := map[uint64][]seen{}
	for row, code := range w.cols[target].Cells {
		h := of(row)
		list := like[h]
		if at := slices.IndexFunc(list, func(s seen) bool { return s.code == code }); at >= 0 {
			list[at].n++
		} else if len(list) < 64 && w.forms[target].ok[code] {
			like[h] = append(list, seen{code, 1})
		}
	}
	for _, list := range like {
		slices.SortFunc(list, func(a, b seen) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.code, b.code)) })
	}
	most := int(w.m.Share * float64(w.rows))
	return func(row int, asked []question) (uint32, bool) {
		now := w.cols[target].Cells[row]
		best, code := yeses(asked, w.forms[target].bin[now]), now
		if w.moved[target].Cells >= most {
			return now, false
		}
		for _, s := range like[of(row)] {
			if s.n < 2 || !w.stays(target, row, s.code) {
				continue
			}
			if n := yeses(asked, w.forms[target].bin[s.code]); n > best {
				best, code = n, s.code
			}
		}
		return code, code != now
	}
}

// numbers finds a number or date near by: up to two bins away, in the same
// coarse bucket, within the column's range; dates stay in order with the other
// dates of the row.
func (w *writing) numbers(target int) func(int, []question) (uint32, bool) {
	f, c := &w.forms[target], &w.cols[target]
	return func(row int, asked []question) (uint32, bool) {
		now := c.Cells[row]
		bin := int64(f.bin[now])
		best, move := yeses(asked, uint64(bin)), int64(0)
		side := int64(1)
		if asked[0].key>>1&1 == 1 {
			side = -1
		}
		for _, k := range [...]int64{side, -side, 2 * side, -2 * side} {
			if floorDiv(bin+k, f.Wide) != int64(f.coarse[now]) || !w.inRange(f, now, k) || !w.inOrder(target, row, k) {
				continue
			}
			if n := yeses(asked, uint64(bin+k)); n > best {
				best, move = n, k
			}
		}
		if move == 0 {
			return now, false
		}
		return w.code(target, f.moved(c.Values[now], now, move)), true
	}
}

func (w *writing) inRange(f *form, code uint32, k int64) bool {
	if f.Form != FormNumber {
		return true
	}
	x := f.number[code] + float64(k)*f.Step
	return x >= f.low && x <= f.high
}

func (w *writing) inOrder(target, row int, k int64) bool {
	if w.forms[target].Form != FormDate {
		return true
	}
	day := int64(w.forms[target].bin[w.cols[target].Cells[row]])
	for j := range w.forms {
		code := w.cols[j].Cells[row]
		if j == target || w.forms[j].Form != FormDate || !w.forms[j].ok[code] {
			continue
		}
		other := int64(w.forms[j].bin[code])
		if cmp.Compare(day, other) != cmp.Compare(day+k, other) {
			return false
		}
	}
	return true
}

// code gives a value's number in a column, adding it if need be.
func (w *writing) code(column int, value string) uint32 {
	c, f := &w.cols[column], &w.forms[column]
	if w.index[column] == nil {
		w.index[column] = make(map[string]uint32, len(c.Values))
		for i, v := range c.Values {
			w.index[column][v] = uint32(i)
		}
	}
	code, ok := w.index[column][value]
	if ok {
		return code
	}
	code = uint32(len(c.Values))
	w.index[column][value] = code
	c.Values = append(c.Values, value)
	one := form{MarkedColumn: f.MarkedColumn, layout: f.layout}
	one.read(&Column{Values: []string{value}})
	f.bin, f.coarse = append(f.bin, one.bin[0]), append(f.coarse, one.coarse[0])
	f.ok, f.number = append(f.ok, one.ok[0]), append(f.number, one.number[0])
	return code
}

// table is the finished copy; values that no cell has any more are left out of
// its dictionaries.
func (w *writing) table() *Table {
	out := &Table{rows: len(w.cols[0].Cells)}
	for j := range w.cols {
		w.moved[j].Share = float64(w.moved[j].Cells) / float64(w.rows)
		used := make([]uint32, len(w.cols[j].Values))
		c := Column{Name: w.cols[j].Name, Cells: w.cols[j].Cells}
		for i, code := range c.Cells {
			if used[code] == 0 {
				c.Values = append(c.Values, w.cols[j].Values[code])
				used[code] = uint32(len(c.Values))
			}
			c.Cells[i] = used[code] - 1
		}
		out.Columns = append(out.Columns, c)
	}
	w.marks.Changed = w.moved
	return out
}
