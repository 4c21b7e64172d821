package pixels

import "slices"

// How writing looks. A character is drawn in one brightness, in strokes a few
// pixels wide with sharp edges on both sides; several stand in a row.
const (
	sharp      = 28   // least step of brightness at a stroke's edge
	widest     = 16   // of a stroke, pixels
	apart      = 56   // most between two strokes of a line
	inRow      = 4    // strokes of one brightness in a row of pixels
	lowest     = 5    // height of a line of writing
	tallest    = 128  // and at most, and no more than a twelfth of the picture or 48
	characters = 3    // in a line, at least
	near       = 56   // less than a character's brightness by this still belongs to it
	pad        = 3    // pixels around what was found
	step       = 32   // brightness in steps, twice, shifted by half a step
	chains     = 18   // how many that makes
	maxBlocks  = 1024 // followed at a time
)

// Text finds what looks like writing.
func (g *Grey) Text() []Rect {
	f := finder{width: g.Width, height: g.Height}
	found := f.find(g.Pix)
	if g.Alternative != nil {
		found = append(found, f.find(g.Alternative)...)
	}
	return merge(found)
}

// finder works on one picture.
type finder struct {
	width, height int
	pix           []byte
	chain         [2][chains]chain
	blocks        []block
	found         []Rect
	mask          []bool
}

// chain is a run of strokes of one brightness along a row.
type chain struct{ count, first, last int }

// block is rows of chains below each other.
type block struct {
	dark bool
	key  int
	rect Rect
	rows int
}

func (f *finder) find(pix []byte) []Rect {
	f.pix, f.found, f.blocks = pix, nil, f.blocks[:0]
	for y := range f.height {
		f.row(y)
		if y%4 == 3 {
			f.retire(y)
		}
	}
	f.retire(f.height + 8)
	return f.found
}

// row finds the strokes of a row: a sharp edge, and its opposite soon after.
func (f *finder) row(y int) {
	row := f.pix[y*f.width : (y+1)*f.width]
	up, down := -1, -1 // where the last rising and falling edge was
	var prev byte
	if len(row) > 0 {
		prev = row[0]
	}
	for x, v := range row {
		d := int(v) - int(prev)
		prev = v
		if d < sharp && d > -sharp {
			continue
		}
		if d > 0 {
			if down >= 0 && x-down <= widest {
				f.stroke(y, down, x, row, true)
			}
			up, down = x, -1
		} else {
			if up >= 0 && x-up <= widest {
				f.stroke(y, up, x, row, false)
			}
			down, up = x, -1
		}
	}
	f.endRow(y)
}

// stroke adds a stroke to the chains of its brightness.
func (f *finder) stroke(y, x0, x1 int, row []byte, dark bool) {
	v := row[x0]
	for _, p := range row[x0:x1] {
		if dark {
			v = min(v, p)
		} else {
			v = max(v, p)
		}
	}
	polarity := 0
	if dark {
		polarity = 1
	}
	for _, key := range [2]int{int(v) / step, chains/2 + (int(v)+step/2)/step} {
		c := &f.chain[polarity][key]
		if c.count > 0 && x0-c.last > apart {
			f.endChain(y, c, key, dark)
		}
		if c.count == 0 {
			c.first = x0
		}
		c.count++
		c.last = x1
	}
}

func (f *finder) endRow(y int) {
	for polarity := range f.chain {
		for key := range f.chain[polarity] {
			if c := &f.chain[polarity][key]; c.count > 0 {
				f.endChain(y, c, key, polarity == 1)
			}
		}
	}
}

// endChain adds a chain that is long enough to the block above it.
func (f *finder) endChain(y int, c *chain, key int, dark bool) {
	count, first, last := c.count, c.first, c.last
	*c = chain{}
	if count < inRow {
		return
	}
	for i := len(f.blocks) - 1; i >= 0; i-- {
		b := &f.blocks[i]
		if b.key == key && b.dark == dark && y-b.rect.Y1 <= 1 && first < b.rect.X1+apart && last > b.rect.X0-apart {
			if b.rect.Y1 != y+1 {
				b.rows++
			}
			b.rect = Rect{min(b.rect.X0, first), b.rect.Y0, max(b.rect.X1, last), y + 1}
			return
		}
	}
	if len(f.blocks) < maxBlocks {
		f.blocks = append(f.blocks, block{dark: dark, key: key, rect: Rect{first, y, last, y + 1}, rows: 1})
	}
}

// retire looks closer at the blocks that have ended above row y.
func (f *finder) retire(y int) {
	kept := f.blocks[:0]
	for _, b := range f.blocks {
		if b.rect.Y1+2 >= y {
			kept = append(kept, b)
		} else if b.rows >= lowest-1 {
			f.closer(b)
		}
	}
	f.blocks = kept
}

// closer looks at a block as writing: its lines, and their characters.
func (f *finder) closer(b block) {
	side := max(2*(b.rect.Y1-b.rect.Y0), 8) // a character of broad strokes at either end makes no chain
	r := Rect{b.rect.X0 - side, b.rect.Y0 - 6, b.rect.X1 + side, b.rect.Y1 + 6}.within(f.width, f.height)
	w, h := r.X1-r.X0, r.Y1-r.Y0
	f.drawn(b, r)
	f.cut(r, area{0, w, 0, h}, 4)
}

// area is a part of the mask.
type area struct{ left, right, top, bottom int }

// cut divides an area by its empty rows and looks at each of the bands as a
// line; then divides the band by its wide gaps, and those pieces again, since
// columns of writing need not share their lines.
func (f *finder) cut(r Rect, a area, deeper int) {
	w := r.X1 - r.X0
	f.clearRules(w, a)
	for y := a.top; y < a.bottom; {
		for y < a.bottom && !f.inked(w, a, y) {
			y++
		}
		top := y
		for y < a.bottom && f.inked(w, a, y) {
			y++
		}
		if y-top < lowest {
			continue
		}
		band := area{a.left, a.right, top, y}
		f.line(r, band)
		if pieces := f.pieces(w, band); len(pieces) > 1 && deeper > 0 {
			for _, p := range pieces {
				f.cut(r, p, deeper-1)
			}
		}
	}
}

// pieces divides a band where a gap is as wide as the band is high.
func (f *finder) pieces(w int, a area) (out []area) {
	from, last := -1, 0
	for x := a.left; x < a.right; x++ {
		if f.column(w, x, a.top, a.bottom) == 0 {
			continue
		}
		if from >= 0 && x-last > a.bottom-a.top {
			out = append(out, area{from, last + 1, a.top, a.bottom})
			from = -1
		}
		if from < 0 {
			from = x
		}
		last = x
	}
	if from >= 0 {
		out = append(out, area{from, last + 1, a.top, a.bottom})
	}
	return out
}

func (f *finder) inked(w int, a area, y int) bool {
	for _, m := range f.mask[y*w+a.left : y*w+a.right] {
		if m {
			return true
		}
	}
	return false
}

// clearRules takes out lines drawn through an area, as under a heading.
func (f *finder) clearRules(w int, a area) {
	if a.right-a.left < 2*min(a.bottom-a.top, 16) {
		return
	}
	for y := a.top; y < a.bottom; y++ {
		row, ink := f.mask[y*w+a.left:y*w+a.right], 0
		for _, m := range row {
			if m {
				ink++
			}
		}
		if ink*5 > len(row)*4 {
			clear(row)
		}
	}
}

// drawn marks the pixels of a rectangle that are at least as bright (or dark)
// as the block's strokes.
func (f *finder) drawn(b block, r Rect) {
	w, h := r.X1-r.X0, r.Y1-r.Y0
	value := b.key * step
	if b.key >= chains/2 {
		value = (b.key-chains/2)*step - step/2
	}
	least, most := value-near+step/2, 255
	if b.dark {
		least, most = 0, value+near+step/2
	}
	f.mask = append(f.mask[:0], make([]bool, w*h)...)
	for y := range h {
		row := f.pix[(r.Y0+y)*f.width+r.X0:]
		for x := range w {
			if p := int(row[x]); p >= least && p <= most {
				f.mask[y*w+x] = true
			}
		}
	}
}

// line counts the characters of a line of the mask: parts that empty columns
// separate, about as high as the line and not much wider than high.
func (f *finder) line(r Rect, a area) {
	w, top, bottom := r.X1-r.X0, a.top, a.bottom
	height := bottom - top
	if height < lowest || height > min(max(f.height/12, 48), tallest) {
		return
	}
	var g group
	for x := a.left; x < a.right; {
		p := f.part(w, x, top, bottom)
		if p.from == p.to {
			break
		}
		x = p.to
		if 2*(p.high-p.low) < height || p.to-p.from > 3*height {
			continue
		}
		if g.count > 0 && p.from-g.last > 3*height {
			f.keep(r, g, top, bottom)
			g = group{}
		}
		g.add(p)
	}
	f.keep(r, g, top, bottom)
}

// part is a run of columns with ink: where it is, how much, and how high.
type part struct{ from, to, ink, low, high, runs int }

func (f *finder) part(w, x, top, bottom int) part {
	for x < w && f.column(w, x, top, bottom) == 0 {
		x++
	}
	p := part{from: x, low: bottom, high: top}
	for ; x < w; x++ {
		n := f.column(w, x, top, bottom)
		if n == 0 {
			break
		}
		p.ink += n
		low, high := f.extent(w, x, top, bottom)
		p.runs += f.begins(w, x, top, bottom)
		p.low, p.high = min(p.low, low), max(p.high, high)
	}
	p.to = x
	return p
}

// group is characters that stand near each other.
type group struct{ count, first, last, ink, runs int }

func (g *group) add(p part) {
	if g.count == 0 {
		g.first = p.from
	}
	g.count++
	g.last = p.to
	g.ink += p.ink
	g.runs += p.runs
}

// keep notes a group that is writing: enough characters, neither hardly any
// ink nor all, in strokes that are thin for their height.
func (f *finder) keep(r Rect, g group, top, bottom int) {
	if g.count < characters || len(f.found) >= maxBlocks {
		return
	}
	if full := g.ink * 100 / ((g.last - g.first) * (bottom - top)); full < 6 || full > 75 {
		return
	}
	if height := bottom - top; height > 12 && 5*g.ink > 2*g.runs*height {
		return
	}
	g.first, g.last = f.reachOut(r.X1-r.X0, g, top, bottom)
	f.found = append(f.found, Rect{r.X0 + g.first - pad, r.Y0 + top - pad, r.X0 + g.last + pad, r.Y0 + bottom + pad}.within(f.width, f.height))
}

// reachOut takes in what stands beside a line: words too short to be told from
// anything else.
func (f *finder) reachOut(w int, g group, top, bottom int) (first, last int) {
	height := bottom - top
	first, last = g.first, g.last
	for x := first - 1; x >= 0 && first-x <= 2*height; x-- {
		if f.column(w, x, top, bottom) > 0 {
			first = x
		}
		if g.first-first > 16*height {
			break
		}
	}
	for x := last; x < w && x-last < 2*height; x++ {
		if f.column(w, x, top, bottom) > 0 {
			last = x + 1
		}
		if last-g.last > 16*height {
			break
		}
	}
	return first, last
}

func (f *finder) column(w, x, top, bottom int) (n int) {
	for y := top; y < bottom; y++ {
		if f.mask[y*w+x] {
			n++
		}
	}
	return n
}

// begins counts the strokes that begin in a column, from left to right.
func (f *finder) begins(w, x, top, bottom int) (n int) {
	for y := top; y < bottom; y++ {
		if f.mask[y*w+x] && (x == 0 || !f.mask[y*w+x-1]) {
			n++
		}
	}
	return n
}

func (f *finder) extent(w, x, top, bottom int) (low, high int) {
	low, high = bottom, top
	for y := top; y < bottom; y++ {
		if f.mask[y*w+x] {
			low, high = min(low, y), y+1
		}
	}
	return low, high
}

// merge joins rectangles where that covers hardly more than they do.
func merge(all []Rect) []Rect {
	slices.SortFunc(all, func(a, b Rect) int { return a.Y0 - b.Y0 })
	var out []Rect
	for _, r := range all {
		joined := false
		for i := range out {
			o := out[i]
			both := Rect{min(o.X0, r.X0), min(o.Y0, r.Y0), max(o.X1, r.X1), max(o.Y1, r.Y1)}
			if 4*both.area() <= 5*max(o.area(), r.area()) {
				out[i], joined = both, true
				break
			}
		}
		if !joined {
			out = append(out, r)
		}
	}
	return out
}
