package detect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

const hour = int64(time.Hour / time.Millisecond)

// TestSketch compares a sketch with the exact median and spread of what it was
// shown.
func TestSketch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int64{3, 12, 80, 4_000, 1 << 40} {
		var s detect.Sketch
		var all []float64
		for range 999 {
			n := r.Int64N(most)
			s.Add(n, 40*hour)
			all = append(all, float64(n))
		}
		median := middle(all)
		for i := range all {
			all[i] = math.Abs(all[i] - median)
		}
		near(t, fmt.Sprint("median below ", most), s.Median(), median)
		near(t, fmt.Sprint("spread below ", most), s.Spread(), middle(all))
		if s.N() != 999 {
			t.Errorf("%v observations", s.N())
		}
		if text, _ := json.Marshal(s); len(text) > 2500 {
			t.Errorf("a sketch of %d bytes", len(text))
		}
	}
}

func middle(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// near allows for an eighth, the width of a bin, of either number.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > max(want/8, 0) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestSketchForgets: what was usual half a year ago is not usual any more, and
// observations of four weeks may come in any order.
func TestSketchForgets(t *testing.T) {
	var s, back detect.Sketch
	for d := range int64(200) {
		s.Add(40, d*24*hour)
	}
	for d := int64(200); d < 260; d++ {
		s.Add(5, d*24*hour)
	}
	if s.Median() != 5 || s.Lately() > 5.2 {
		t.Errorf("median %v, lately %v; want 5", s.Median(), s.Lately())
	}
	before := s.N()
	s.Add(40, 0) // nine months late
	if s.N() != before {
		t.Error("what is long past still counts")
	}
	text, err := json.Marshal(s)
	if err != nil || json.Unmarshal(text, &back) != nil {
		t.Fatal(err)
	}
	if again, _ := json.Marshal(back); !bytes.Equal(text, again) {
		t.Errorf("%s came back as %s", text, again)
	}
	var a, b detect.Sketch
	list := []int64{3, 9, 27, 81, 243}
	for i := range list {
		a.Add(list[i], 40*hour)
		b.Add(list[len(list)-1-i], 40*hour)
	}
	if a.Median() != b.Median() || a.Spread() != b.Spread() || a.Quantile(0.9) != b.Quantile(0.9) {
		t.Error("the order of observations matters")
	}
}

func FuzzSketch(f *testing.F) {
	var s detect.Sketch
	for n := range int64(50) {
		s.Add(n*n, 40*hour)
	}
	text, _ := json.Marshal(s)
	f.Add(text)
	f.Add([]byte(`"AAAA"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s, back detect.Sketch
		if json.Unmarshal(data, &s) != nil {
			return
		}
		text, err := json.Marshal(s)
		if err != nil || json.Unmarshal(text, &back) != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if s.Median() != back.Median() || s.Spread() < 0 {
			t.Fatalf("%s", text)
		}
	})
}

// gauge is a detector that keeps what it is told about the baseline.
type gauge struct {
	pace      detect.Pace
	onlookers detect.Pace
	weeks     float64
	known     bool
}

func (*gauge) Info() detect.Info {
	x := ocsf.Text{EN: "x", ZH: "x"}
	return detect.Info{ID: "gauge", Title: x, Why: x, Advice: x, Severity: 1, Risk: 1}
}

func (g *gauge) Detect(c *detect.Context, _ *ocsf.Event) {
	g.pace, g.onlookers = c.Pace(detect.PatientsPerHour), c.Onlookers()
	g.weeks, g.known = c.Hours()
}

func gauged(t *testing.T) (*detect.Engine, *gauge) {
	g := &gauge{}
	e, err := detect.New(detect.Config{}, world(t), []detect.Detector{g})
	if err != nil {
		t.Fatal(err)
	}
	return e, g
}

// TestBaseline: five patients an hour for thirty days, then thirty.
func TestBaseline(t *testing.T) {
	e, g := gauged(t)
	n := 0
	see := func(account, patient string, at time.Time) {
		n++
		e.Process(stranger(n, account, patient, at))
	}
	for d := range 30 {
		for p := range 5 {
			for i, account := range []string{"zhang", "li", "stranger"} {
				see(account, fmt.Sprintf("P%d-%d", p, i), morning.Add(time.Duration(d)*24*time.Hour+time.Duration(p)*time.Minute))
			}
		}
		if d == 10 && g.pace.Own.Known {
			t.Error("known after ten hours")
		}
	}
	day := morning.Add(31 * 24 * time.Hour)
	for p := range 30 {
		see("zhang", fmt.Sprintf("Q%d", p), day.Add(time.Duration(p)*time.Minute))
	}
	if g.pace.Now != 30 || !g.pace.Own.Known || g.pace.Own.Median != 5 {
		t.Errorf("%+v", g.pace)
	}
	if z := g.pace.Z(); z < 6 {
		t.Errorf("thirty instead of five are only %v deviations", z)
	}
	if words := g.pace.Words(); words.EN != "the person: usually 5; the house: usually 5" || words.ZH == "" {
		t.Errorf("%+v", words)
	}
	if g.weeks < 2 || !g.known {
		t.Errorf("nine in the morning is not hers: %v %v", g.weeks, g.known)
	}
	see("zhang", "Q0", day.Add(14*time.Hour))
	if g.weeks >= 2 {
		t.Errorf("eleven at night is hers: %v", g.weeks)
	}
	if g.onlookers.Now != 1 || g.onlookers.Own.Known || !g.onlookers.Peers.Known {
		t.Errorf("%+v", g.onlookers)
	}
}

// TestBaselineLate: events of an hour may come late and in any order.
func TestBaselineLate(t *testing.T) {
	a, ga := gauged(t)
	b, gb := gauged(t)
	var evs []*ocsf.Event
	for d := range 30 {
		for p := range 6 {
			evs = append(evs, stranger(len(evs), "zhang", fmt.Sprintf("P%d", p), morning.Add(time.Duration(d)*24*time.Hour+time.Duration(p)*9*time.Minute)))
		}
	}
	for i, ev := range evs {
		a.Process(ev)
		b.Process(evs[i-i%6+5-i%6]) // each hour backwards
	}
	last := stranger(999, "zhang", "P1", morning.Add(40*24*time.Hour))
	a.Process(last)
	b.Process(last)
	if ga.pace.Own != gb.pace.Own {
		t.Errorf("%+v in order, %+v out of order", ga.pace.Own, gb.pace.Own)
	}
}

// TestBaselineReplay: from a snapshot in between the state becomes the same,
// byte by byte, and it stays small.
func TestBaselineReplay(t *testing.T) {
	whole, _ := gauged(t)
	half, _ := gauged(t)
	evs := month()
	for _, ev := range evs {
		whole.Process(ev)
	}
	for i, ev := range evs {
		half.Process(ev)
		if i%50 == 7 {
			memory, err := half.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			half, _ = gauged(t)
			if err := half.Restore(memory); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, err := whole.Snapshot()
	b, err2 := half.Snapshot()
	if err != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("the state differs after a restart: %d and %d bytes, %v %v", len(a), len(b), err, err2)
	}
	if len(a) > 20_000 {
		t.Errorf("two people's month takes %d bytes", len(a))
	}
}
