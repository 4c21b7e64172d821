package pixels

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// regionsText says where devices write who the patient is.
//
//go:embed regions.txt
var regionsText string

// rule is a line of that file.
type rule struct {
	modality, manufacturer, model, kind string
	rows                                int
	rect                                Rect
}

var deviceRules = sync.OnceValue(func() []rule {
	var all []rule
	for line := range strings.Lines(regionsText) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 6 || line[0] == '#' {
			continue
		}
		r := rule{modality: f[0], manufacturer: f[1], model: f[2], kind: f[3]}
		r.rows, _ = strconv.Atoi(f[4]) // empty: any
		var n [4]int
		for i, s := range strings.Split(f[5], ",") {
			v, err := strconv.Atoi(s)
			if err != nil || i > 3 {
				panic("pixels: regions.txt is broken at " + line)
			}
			n[i] = v
		}
		r.rect = Rect{n[0], n[1], n[0] + n[2], n[1] + n[3]}
		all = append(all, r)
	}
	return all
})

// Rects are the places where a device of this make writes.
func (d *Device) Rects(m *Image) (out []Rect) {
	holds := func(have, want string) bool {
		return want == "" || strings.Contains(strings.ToUpper(have), strings.ToUpper(want))
	}
	for _, r := range deviceRules() {
		if (r.rows == 0 || r.rows == m.Rows) && (r.modality == "" || r.modality == d.Modality) &&
			holds(d.Manufacturer, r.manufacturer) && holds(d.Model, r.model) && holds(d.ImageType+"\\"+d.Series, r.kind) {
			out = append(out, r.rect)
		}
	}
	return out
}
