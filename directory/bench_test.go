package directory_test

import (
	"fmt"
	"strings"
	"testing"
)

func crowd(n int) string {
	var b strings.Builder
	b.WriteString(header)
	for i := range n {
		fmt.Fprintf(&b, "p%d,acc%d;old%d,Name %d,nurse,Dept %d,p%d,138%08d,Road %d,,2020-01-01,\n", i, i, i, i, i%50, i/10, i, i)
	}
	return b.String()
}

// BenchmarkImportPeople takes in 100,000 people. Run it with -benchtime 1x.
func BenchmarkImportPeople(b *testing.B) {
	text := crowd(100_000)
	for range b.N {
		d, _, _ := fresh(b)
		counts, err := d.ImportPeople(b.Context(), strings.NewReader(text), nil)
		if err != nil || counts.Accepted != 100_000 {
			b.Fatal(counts.Accepted, err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	d, _, _ := fresh(b)
	if _, err := d.ImportPeople(b.Context(), strings.NewReader(crowd(10_000)), nil); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			d.Resolve("acc77")
		}
	})
}
