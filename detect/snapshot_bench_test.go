package detect

import (
	"fmt"
	"testing"
)

// BenchmarkSnapshot is the memory of a house of 20,000 people: taking it, for
// which the engine stands still, and packing it.
func BenchmarkSnapshot(b *testing.B) {
	e := &Engine{groups: NewMemory[group](maxGroups, groupAge), quotas: NewMemory[int](maxQuotas, groupAge), baseline: newBaseline()}
	fill(&e.baseline, maxHabits, maxFollowing)
	b.Run("take", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Take(); err != nil {
				b.Fatal(err)
			}
		}
	})
	t, err := e.Take()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("pack", func(b *testing.B) {
		for b.Loop() {
			text, err := t.Pack()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(text))/(1<<20), "MiB")
		}
	})
}

// fill makes a baseline of people with open spans and known days.
func fill(x *baseline, people, patients int) {
	set := func(n, of int) marks {
		var m marks
		for i := range n {
			m.add(fmt.Sprint(of, i), maxMarks)
		}
		return m
	}
	for i := range people {
		h := x.people.Keep(fmt.Sprintf("E%05d", i), 1)
		for d := range 4 {
			h.Hours = append(h.Hours, span{int64(d), set(6, i+d)})
		}
		h.Days = []span{{1, set(20, i)}, {2, set(20, i)}}
		for m := range h.Usual {
			for d := range 60 {
				h.Usual[m].Add(int64((i*7+d*13)%40), int64(d)*dayMS)
			}
		}
	}
	for i := range patients {
		f := x.patients.Keep(fmt.Sprintf("P%06d", i), 1)
		f.Days = []span{{1, set(5, i)}}
		for d := range 10 {
			f.Usual.Add(int64((i+d)%9), int64(d)*dayMS)
		}
	}
}
