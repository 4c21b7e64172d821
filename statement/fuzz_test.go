package statement_test

import (
	"testing"

	"github.com/cordon-health/cordon/statement"
)

func seeds(f *testing.F) {
	for _, name := range []string{"hits.txtar", "misses.txtar"} {
		sections(f, name, func(_, d, _, text string) { f.Add(text, uint8(dialect(d))) })
	}
	f.Add("select 'a", uint8(0))
	f.Add("select q'[", uint8(1))
	f.Add("((((((", uint8(2))
	f.Add("with a as (", uint8(4))
	f.Add("exec(exec(exec('exec(''select 1'')", uint8(2))
}

// FuzzRead: no text makes the reader panic or give two answers.
func FuzzRead(f *testing.F) {
	seeds(f)
	c := usual(f)
	f.Fuzz(func(t *testing.T, text string, d uint8) {
		a := newSession(c)
		one := *a.read(text, statement.Dialect(d%5))
		two := newSession(c).read(text, statement.Dialect(d%5))
		if one.Fingerprint != two.Fingerprint || len(one.Queries) != len(two.Queries) || len(one.Makes) != len(two.Makes) {
			t.Fatal("read twice, two answers")
		}
		again := a.read(text, statement.Dialect(d%5))
		if again.Fingerprint != one.Fingerprint {
			t.Fatal("the second reading has another fingerprint")
		}
	})
}

// FuzzMask: masking twice is masking once, and hides no more than there is.
func FuzzMask(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string, d uint8) {
		as := statement.Dialect(d % 5)
		token := func(string) string { return "1" }
		masked := statement.Mask(text, as, token)
		if len(masked) > 8*len(text)+8192 {
			t.Fatal("a mask is not larger than what it hides")
		}
		_ = statement.Mask(masked, as, token)
	})
}

// FuzzNormal: the normal form has no value left to take out.
func FuzzNormal(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string, d uint8) {
		_ = statement.Normal(text, statement.Dialect(d%5))
	})
}
