package console

import (
	"cmp"
	"math"
	"slices"

	"github.com/cordon-health/cordon/care"
)

// sketch is who relates to whom around an access, arranged to be drawn: the
// person on the left, the patient on the right, what connects either of them
// in between.
type sketch struct {
	Nodes         []pictureNode
	Edges         []pictureEdge
	Width, Height float64
	// Missing says that no relation leads from the person to the patient.
	Missing bool
}

type pictureNode struct {
	care.Node
	X, Y float64
}

type pictureEdge struct {
	care.Edge
	X1, Y1, X2, Y2 float64
	// Label stands at LX, LY.
	LX, LY float64
	// BX, BY is how far the line's middle is bent aside.
	BX, BY float64
	// Kinds are the relations that the line stands for.
	Kinds []string
}

// The measures of the picture, in its own units.
const (
	pictureWidth = 760
	pictureSide  = 92 // where the two centres stand, from either edge
	pictureStep  = 58 // between the rows in the middle
	pictureTop   = 74 // room for the missing relation
	mostMiddle   = 6
)

// arrange lays a picture out. Of many things in the middle those that touch
// both centres, then those nearest to one, are kept.
func arrange(p care.Picture) sketch {
	out := sketch{Width: pictureWidth}
	place := map[string]*pictureNode{}
	middle := chooseMiddle(p)
	rows := max(1, len(middle))
	out.Height = pictureTop + float64(rows)*pictureStep + 14
	centre := pictureTop + float64(rows)*pictureStep/2 - 8
	for _, n := range p.Nodes {
		at := pictureNode{Node: n}
		switch i := slices.Index(middle, n.ID); {
		case n.Centre && n.Kind == "person":
			at.X, at.Y = pictureSide, centre
		case n.Centre:
			at.X, at.Y = pictureWidth-pictureSide, centre
		case i >= 0:
			at.X, at.Y = pictureWidth/2, pictureTop+float64(i)*pictureStep+20
		default:
			continue
		}
		place[n.ID] = &at
	}
	lines := map[string]int{}
	for _, e := range p.Edges {
		from, to := place[e.From], place[e.To]
		if from == nil || to == nil {
			continue
		}
		out.Missing = out.Missing || e.Missing
		key := e.From + "\x00" + e.To
		i, drawn := lines[key]
		if !drawn {
			i = len(out.Edges)
			lines[key] = i
			out.Edges = append(out.Edges, edge(e, *from, *to, centre))
		}
		if line := &out.Edges[i]; !slices.Contains(line.Kinds, e.Kind) {
			line.Kinds = append(line.Kinds, e.Kind)
			line.Missing = line.Missing || e.Missing
		}
	}
	for _, n := range p.Nodes {
		if at := place[n.ID]; at != nil {
			out.Nodes = append(out.Nodes, *at)
		}
	}
	if len(out.Nodes) < 2 {
		return sketch{}
	}
	return out
}

// edge draws a line; the missing one bows over everything else.
func edge(e care.Edge, from, to pictureNode, centre float64) pictureEdge {
	out := pictureEdge{Edge: e, X1: from.X, Y1: from.Y, X2: to.X, Y2: to.Y}
	out.LX, out.LY = (from.X+to.X)/2, (from.Y+to.Y)/2-7
	switch {
	case from.Centre && to.Centre && e.Missing:
		out.BY = -2 * (centre - 34)
		out.LY = 26
	case from.Centre && to.Centre:
		out.LY = centre - 8
	}
	return out
}

// path is the line as SVG.
func (e pictureEdge) path() string {
	mx, my := (e.X1+e.X2)/2+e.BX, (e.Y1+e.Y2)/2+e.BY
	return "M" + pixels(e.X1) + " " + pixels(e.Y1) + " Q" + pixels(mx) + " " + pixels(my) + " " + pixels(e.X2) + " " + pixels(e.Y2)
}

// The measures of the upright form, for telephones.
const (
	uprightWidth = 360
	uprightAside = 236 // where what stands between the two is drawn
	uprightStep  = 66
)

// Upright is the same picture from top to bottom: the person above, the
// patient below, the missing relation along the edge.
func (s sketch) Upright() sketch {
	out := sketch{Width: uprightWidth, Missing: s.Missing}
	place := map[string]pictureNode{}
	middle := 0.0
	for _, n := range s.Nodes {
		if !n.Centre {
			n.X, n.Y = uprightAside, 108+middle*uprightStep
			middle++
		}
		out.Nodes = append(out.Nodes, n)
	}
	out.Height = 164 + max(middle, 1)*uprightStep
	for i, n := range out.Nodes {
		if n.Centre {
			n.X, n.Y = uprightWidth/2-20, 28
			if n.Kind == "patient" {
				n.Y = out.Height - 52
			}
			out.Nodes[i] = n
		}
		place[n.ID] = out.Nodes[i]
	}
	for _, e := range s.Edges {
		line := edge(e.Edge, place[e.From], place[e.To], 0)
		line.Kinds, line.BY = e.Kinds, 0
		line.LX, line.LY = (line.X1+line.X2)/2, (line.Y1+line.Y2)/2+4
		if e.Missing {
			line.BX, line.LX = -250, 50
		}
		out.Edges = append(out.Edges, line)
	}
	return out
}

func chooseMiddle(p care.Picture) []string {
	touch := map[string]int{}
	centre := map[string]bool{}
	for _, n := range p.Nodes {
		centre[n.ID] = n.Centre
	}
	for _, e := range p.Edges {
		if centre[e.From] {
			touch[e.To] += 2
		} else {
			touch[e.To]++
		}
		if centre[e.To] {
			touch[e.From] += 2
		} else {
			touch[e.From]++
		}
	}
	var ids []string
	for _, n := range p.Nodes {
		if !n.Centre && touch[n.ID] > 0 {
			ids = append(ids, n.ID)
		}
	}
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(touch[b], touch[a]) })
	return ids[:min(len(ids), mostMiddle)]
}

// short cuts a label to what fits into a node.
func short(s string, most int) string {
	width := 0.0
	for i, r := range s {
		w := 1.0
		if r > 0x2e80 {
			w = 1.8 // as wide as two letters
		}
		if width += w; width > float64(most) {
			return s[:i] + "…"
		}
	}
	return s
}

// half is half the width of a node for its label.
func (n pictureNode) half() float64 {
	width := 0.0
	for _, r := range short(n.Label, 22) {
		if r > 0x2e80 {
			width += 13.5
		} else {
			width += 7.4
		}
	}
	return math.Max(38, width/2+16)
}
