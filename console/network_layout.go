package console

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
)

// The map is a ring of boxes, one for each zone, around a free middle through
// which the edges go: no edge crosses a box, and the same zones stand at the
// same places at every hour. Looking into a zone puts its devices into the
// middle.

// The measures of the map, in its own units.
const (
	mapWidth   = 1200
	mapBorder  = 8  // free at the border
	mapGap     = 12 // least between boxes
	mostDrawn  = 240
	mostChips  = 60  // devices with their names; more become dots
	mostLines  = 160 // edges of single devices
	chipWidth  = 158
	chipHeight = 24
	dotStep    = 13
)

// arrange chooses what is drawn and gives everything its place.
func (m *netMap) arrange() {
	slices.SortStableFunc(m.Groups, func(a, b *netGroup) int {
		return cmp.Or(cmp.Compare(a.layer, b.layer), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	bw, bh := boxSize(len(m.Groups))
	top, side := ring(len(m.Groups), bw)
	inner := max(330, float64(side)*(bh+mapGap)+2*mapGap)
	if m.Focus != nil {
		inner = max(inner, m.Focus.lay(mapWidth-2*(bw+mapBorder)-130)+90)
	}
	m.W, m.H = mapWidth, 2*(bh+mapBorder)+inner
	m.place(bw, bh, top, side)
	if m.Focus != nil {
		m.Focus.settle(m.W/2, m.H/2)
		return
	}
	for _, e := range m.Pairs {
		if e.From != e.To && len(m.Edges) < mostDrawn {
			m.Edges = append(m.Edges, e)
		}
	}
	slices.Reverse(m.Edges) // the worst on top
}

// boxSize is how large the boxes are for so many groups.
func boxSize(n int) (w, h float64) {
	switch {
	case n <= 18:
		return 204, 76
	case n <= 26:
		return 152, 68
	}
	return 126, 58
}

// ring says how many boxes stand along the top (and bottom) and each side.
func ring(n int, width float64) (top, side int) {
	room := int((mapWidth - 2*mapBorder + mapGap) / (width + mapGap))
	top = min(room, max(1, (n+2)/3))
	if n <= 3 {
		top = max(1, (n+1)/2)
	}
	side = (max(0, n-2*top) + 1) / 2
	return top, side
}

// place walks around the ring: the top from the left, the right side down, the
// bottom from the right, the left side up.
func (m *netMap) place(bw, bh float64, top, side int) {
	n := len(m.Groups)
	right := min(side, max(0, n-top))
	bottom := min(top, max(0, n-top-right))
	left := max(0, n-top-right-bottom)
	i := 0
	put := func(count int, at func(k int) (x, y, nx, ny float64)) {
		for k := range min(count, n-i) {
			g := m.Groups[i]
			g.W, g.H = bw, bh
			g.X, g.Y, g.nx, g.ny = at(k)
			i++
		}
	}
	along := func(count int) float64 { return (m.W - 2*mapBorder) / float64(max(count, 1)) }
	step := func(count int) float64 { return (m.H - 2*(bh+mapBorder)) / float64(max(count, 1)) }
	put(top, func(k int) (x, y, nx, ny float64) {
		s := along(min(top, n))
		return mapBorder + (float64(k)+0.5)*s - bw/2, mapBorder, 0, 1
	})
	put(right, func(k int) (x, y, nx, ny float64) {
		s := step(right)
		return m.W - mapBorder - bw, bh + mapBorder + (float64(k)+0.5)*s - bh/2, -1, 0
	})
	put(bottom, func(k int) (x, y, nx, ny float64) {
		s := along(bottom)
		return m.W - mapBorder - (float64(k)+0.5)*s - bw/2, m.H - mapBorder - bh, 0, -1
	})
	put(left, func(k int) (x, y, nx, ny float64) {
		s := step(left)
		return mapBorder, m.H - bh - mapBorder - (float64(k)+0.5)*s - bh/2, 1, 0
	})
}

// point is a place on the map.
type point struct{ X, Y float64 }

// anchor is where edges leave (side 1) or reach (side -1) a box: the middle of
// its inner side, both ways beside each other.
func (g *netGroup) anchor(side float64) point {
	x, y := g.X+g.W/2, g.Y+g.H/2
	return point{x + g.nx*g.W/2 - g.ny*9*side, y + g.ny*g.H/2 + g.nx*9*side}
}

// curve is a cubic line.
type curve struct{ A, B, C, D point }

// curve goes from box to box by way of the middle; edges of one box leave it
// together and so read as bundles.
func (e *netEdge) curve() curve {
	a, d := e.From.anchor(1), e.To.anchor(-1)
	k := max(46, 0.42*math.Hypot(d.X-a.X, d.Y-a.Y))
	return curve{a, point{a.X + e.From.nx*k, a.Y + e.From.ny*k}, point{d.X + e.To.nx*k, d.Y + e.To.ny*k}, d}
}

// path is the line as SVG.
func (c curve) path() string {
	var b strings.Builder
	for i, p := range []point{c.A, c.B, c.C, c.D} {
		b.WriteString([]string{"M", "C", " ", " "}[i] + whole(p.X) + " " + whole(p.Y))
	}
	return b.String()
}

// at is a point of the line, t from 0 to 1.
func (c curve) at(t float64) point {
	u := 1 - t
	mix := func(a, b, x, d float64) float64 { return u*u*u*a + 3*u*u*t*b + 3*u*t*t*x + t*t*t*d }
	return point{mix(c.A.X, c.B.X, c.C.X, c.D.X), mix(c.A.Y, c.B.Y, c.C.Y, c.D.Y)}
}

// badCurve is the line of the violations, beside that of what is allowed.
func (e *netEdge) badCurve() curve {
	c := e.curve()
	if e.Allowed > 0 {
		for _, p := range []*point{&c.B, &c.C} {
			p.X, p.Y = p.X+14, p.Y+14
		}
	}
	return c
}

// badge is where an edge bears its number of violations: nearer to who began
// them, so that the numbers of both ways stand apart.
func (e *netEdge) badge() point { return e.badCurve().at(0.38) }

// strokeOf is a width that grows with the logarithm of the sessions.
func strokeOf(n int64) float64 { return min(9, 1+0.9*math.Log10(float64(max(n, 1)))*1.4) }

// netFocus is one group looked into: its devices in the middle of the map, and
// the edges of each.
type netFocus struct {
	Group  *netGroup
	Chips  []focusChip // devices with their names, where they fit
	Blocks []focusBlock
	Lines  []focusLine
	More   int // edges beyond those drawn
	W, H   float64
	X, Y   float64
	lines  map[focusKey]*focusLine
	at     map[string]point // of devices by id, relative to X, Y
}

// focusChip is a device with its name.
type focusChip struct {
	asset.Device
	X, Y float64
	Bad  bool
}

// focusBlock is all devices of a kind as dots.
type focusBlock struct {
	Kind string
	N    int
	X, Y float64
	Dots []focusChip
}

// focusKey tells edges of the looked-into group apart.
type focusKey struct {
	device string
	other  *netGroup
	out    bool
}

// focusLine is all that a device has with another group.
type focusLine struct {
	focusKey
	Name       string
	Sessions   int64
	Violations int64
	services   map[string]int64
	From, To   point
}

// Services are the names of what goes there, the most frequent first.
func (l focusLine) Services() []string { return (&netEdge{services: l.services}).Services() }

func (f *netFocus) add(t *api.Talk, service string, from, to end) {
	for _, x := range []struct {
		own, other end
		out        bool
	}{{from, to, true}, {to, from, false}} {
		if x.own.group != f.Group || x.other.group == f.Group || x.own.id == "" {
			continue
		}
		key := focusKey{x.own.id, x.other.group, x.out}
		l := f.lines[key]
		if l == nil {
			l = &focusLine{focusKey: key, Name: x.own.name, services: map[string]int64{}}
			f.lines[key] = l
		}
		l.Sessions += t.Sessions
		l.services[service] += t.Sessions + t.Refused
		if t.Violates() {
			l.Violations += max(1, t.Sessions+t.Refused)
		}
	}
}

// lay puts the devices into the middle and gives the height they take.
func (f *netFocus) lay(width float64) float64 {
	f.at = map[string]point{}
	bad := map[string]bool{}
	for _, l := range f.lines {
		bad[l.device] = bad[l.device] || l.Violations > 0
	}
	sorted := (api.DeviceFilter{}).Keep(f.Group.Devices, time.Time{})
	if len(sorted) <= mostChips {
		f.layChips(sorted, bad, width)
	} else {
		f.layDots(sorted, bad, width)
	}
	return f.H
}

func (f *netFocus) layChips(list []asset.Device, bad map[string]bool, width float64) {
	columns := max(1, min(int(width/(chipWidth+8)), (len(list)+2)/3))
	for i, d := range list {
		x, y := float64(i%columns)*(chipWidth+8), float64(i/columns)*(chipHeight+8)
		f.Chips = append(f.Chips, focusChip{d, x, y, bad[d.ID]})
		f.at[d.ID] = point{x + chipWidth/2, y + chipHeight/2}
	}
	f.W = float64(columns)*(chipWidth+8) - 8
	f.H = max(chipHeight, float64((len(list)+columns-1)/columns)*(chipHeight+8)-8)
}

// layDots draws each device as a dot within its kind, the kinds side by side.
func (f *netFocus) layDots(list []asset.Device, bad map[string]bool, width float64) {
	x, y, tallest := 0.0, 0.0, 0.0
	for _, k := range f.Group.Kinds {
		columns := min(max(7, int(math.Ceil(math.Sqrt(float64(k.N)*2)))), int(width/dotStep))
		rows := (k.N + columns - 1) / columns
		w, h := max(96, float64(columns)*dotStep), 20+float64(rows)*dotStep
		if x > 0 && x+w > width {
			x, y, tallest = 0, y+tallest+16, 0
		}
		b := focusBlock{Kind: k.Name, N: k.N, X: x, Y: y}
		for _, d := range list {
			if d.What.Kind != k.Name {
				continue
			}
			i := len(b.Dots)
			dot := focusChip{d, x + float64(i%columns)*dotStep + 5, y + 24 + float64(i/columns)*dotStep, bad[d.ID]}
			b.Dots = append(b.Dots, dot)
			f.at[d.ID] = point{dot.X, dot.Y}
		}
		f.Blocks = append(f.Blocks, b)
		f.W, tallest = max(f.W, x+w), max(tallest, h)
		x += w + 22
	}
	f.H = y + tallest
}

// settle knows the middle of the map, and draws the edges.
func (f *netFocus) settle(x, y float64) {
	f.X, f.Y = x-f.W/2, y-f.H/2
	for _, l := range f.lines {
		at, known := f.at[l.device]
		if !known {
			continue
		}
		l.From, l.To = point{f.X + at.X, f.Y + at.Y}, l.other.anchor(0)
		f.Lines = append(f.Lines, *l)
	}
	slices.SortFunc(f.Lines, func(a, b focusLine) int {
		return cmp.Or(cmp.Compare(b.Violations, a.Violations), cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.device, b.device), cmp.Compare(a.other.ID, b.other.ID), compareBool(a.out, b.out))
	})
	f.More = max(0, len(f.Lines)-mostLines)
	f.Lines = f.Lines[:len(f.Lines)-f.More]
	slices.Reverse(f.Lines)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// path goes from the device to the other group's box.
func (l focusLine) path() string {
	k := max(30, 0.35*math.Hypot(l.To.X-l.From.X, l.To.Y-l.From.Y))
	c := curve{l.From, l.From, point{l.To.X + l.other.nx*k, l.To.Y + l.other.ny*k}, l.To}
	return c.path()
}

func (l focusLine) width() string { return pixels(min(4, strokeOf(l.Sessions+l.Violations)/2)) }

// hourBars are the sessions and violations of the last days, below the slider.
type hourBars struct {
	First, Last    int64 // hours since 1970
	Sessions       string
	Violations     []int64 // hours with violations
	Total, Hours   int64
	Known          bool
	MostViolations int64
}

func (q *request) hourBars(ctx context.Context) (hourBars, error) {
	now := q.Now().UnixMilli() / hourMS
	h := hourBars{First: now - mapDays*24 + 1, Last: now}
	if q.Network.Hours == nil {
		return h, nil
	}
	list, err := q.Network.Hours(ctx, h.First*hourMS, (now+1)*hourMS)
	if err != nil {
		return h, err
	}
	h.Known = true
	most := int64(1)
	n := make([]int64, mapDays*24)
	for _, x := range list {
		i := x.At/hourMS - h.First
		if i < 0 || i >= int64(len(n)) {
			continue
		}
		n[i] += x.Sessions
		most = max(most, n[i])
		h.Total += x.Violations
		if x.Violations > 0 {
			h.Violations = append(h.Violations, i)
		}
	}
	h.Sessions = area(n, most)
	return h, nil
}

// barsHeight is the height of the picture below the slider.
const barsHeight = 36

// area is a filled line of counts, by their roots so that nights are seen too.
func area(n []int64, most int64) string {
	var b strings.Builder
	b.WriteString("M0 " + whole(barsHeight))
	last := -1.0
	for i, v := range n {
		y := math.Round(barsHeight - (barsHeight-4)*math.Sqrt(float64(v)/float64(most)))
		if y != last {
			b.WriteString("H" + whole(float64(i)) + "V" + whole(y))
			last = y
		}
	}
	b.WriteString("H" + whole(float64(len(n))) + "V" + whole(barsHeight) + "Z")
	return b.String()
}
