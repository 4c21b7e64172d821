package console

// bars are counts over time, drawn as SVG on the server: no script, and a
// table says the same to those who do not see it.
type bars struct {
	List []bar
	Most int
	Sum  int
}

type bar struct {
	bucket
	N int
}

func (b *bars) add(at bucket, n int) {
	b.List = append(b.List, bar{at, n})
	b.Most, b.Sum = max(b.Most, n), b.Sum+n
}

// The measures of the picture, in its own units.
const (
	chartWidth  = 400
	chartHeight = 130
	chartFoot   = 20 // room for times
	chartHead   = 15 // room for the largest number
)

// drawn is one bar's rectangle.
type drawn struct {
	bar
	X, Y, W, H float64
	// Tick says that its time is written below.
	Tick bool
}

func (b bars) drawn() []drawn {
	var out []drawn
	step := float64(chartWidth) / float64(max(len(b.List), 1))
	every := max(1, len(b.List)/6)
	room := float64(chartHeight - chartFoot - chartHead)
	for i, x := range b.List {
		d := drawn{bar: x, X: float64(i)*step + step*0.14, W: step * 0.72, Tick: (len(b.List)-1-i)%every == 0}
		if b.Most > 0 && x.N > 0 {
			d.H = max(3, room*float64(x.N)/float64(b.Most))
		}
		d.Y = chartHeight - chartFoot - d.H
		out = append(out, d)
	}
	return out
}

// The newest bar's time ends where the picture ends; the others stand below
// their bars.
func (d drawn) last() bool { return d.X+d.W*1.4 > chartWidth }

func (d drawn) anchor() string {
	if d.last() {
		return "end"
	}
	return "middle"
}

func (d drawn) tickAt() float64 {
	if d.last() {
		return chartWidth
	}
	return d.middle()
}

// middle is where a bar's label stands.
func (d drawn) middle() float64 { return d.X + d.W/2 }

// peak says whether the bar is the largest and so bears its number.
func (b bars) peak(d drawn) bool {
	if d.N == 0 || d.N != b.Most {
		return false
	}
	for _, x := range b.List {
		if x.N == b.Most {
			return x.bucket == d.bucket // the first of several
		}
	}
	return false
}
