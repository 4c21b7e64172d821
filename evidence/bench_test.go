package evidence

import (
	"context"
	"testing"
)

// One operation is an event; batches have 1000.
func BenchmarkEvents(b *testing.B) {
	s := newSite(b)
	evs := batchOf(1, 1000)
	b.ReportAllocs()
	b.ResetTimer()
	seq := uint64(0)
	for range (b.N + 999) / 1000 {
		seq++
		if err := s.Events(context.Background(), seq, evs); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "entries/s")
}

// The log holds 1000 batches of 1000 events.
func BenchmarkProve(b *testing.B) {
	s := newSite(b)
	evs := batchOf(1, 1000)
	for seq := range uint64(1000) {
		s.events(seq+1, evs...)
	}
	s.sync()
	rows := make([]Row, len(evs))
	for i, e := range evs {
		rows[i] = Row{Event: e, Seq: 700, Index: uint32(i)}
	}
	ctx := context.Background()
	b.Run("full", func(b *testing.B) {
		for i := range b.N {
			if _, err := s.Prover().Event(ctx, rows[i%1000], rows); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tag", func(b *testing.B) {
		for i := range b.N {
			if _, err := s.Prover().Event(ctx, rows[i%1000], nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		p := s.Prover()
		proof, err := p.Event(ctx, rows[5], rows)
		if err != nil {
			b.Fatal(err)
		}
		for range b.N {
			e, err := p.Entries()[0].Check(p.Head())
			if err != nil {
				b.Fatal(err)
			}
			if err := proof.CheckEvent(e, 700, rows[5].Event); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("flush", func(b *testing.B) {
		for i := range b.N {
			s.events(uint64(1001+i), evs...)
			if err := s.Flush(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}
