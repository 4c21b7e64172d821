package statement_test

import (
	"fmt"
	"testing"

	"github.com/cordon-health/cordon/statement"
)

// corpusOf is every section as one text.
func corpusOf(b *testing.B, name string) []string {
	var out []string
	sections(b, name, func(_, _, _, text string) { out = append(out, text) })
	return out
}

// BenchmarkCached reads statements whose fingerprints are known.
func BenchmarkCached(b *testing.B) {
	texts := corpusOf(b, "misses.txtar")
	s := newSession(usual(b))
	for _, x := range texts {
		s.read(x, statement.MySQL)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Read(texts[i%len(texts)], statement.MySQL)
	}
}

// BenchmarkUncached reads statements never seen before.
func BenchmarkUncached(b *testing.B) {
	texts := corpusOf(b, "misses.txtar")
	s := newSession(usual(b))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Read(fmt.Sprintf("%s , c%d", texts[i%len(texts)], i), statement.MySQL)
	}
}

// BenchmarkStatistics reads the statistics, most of which cannot be remembered.
func BenchmarkStatistics(b *testing.B) {
	texts := corpusOf(b, "hits.txtar")
	s := newSession(usual(b))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Read(texts[i%len(texts)], statement.Generic)
	}
}
