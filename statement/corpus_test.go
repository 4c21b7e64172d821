package statement_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cordon-health/cordon/statement"
)

// usual is the catalog that comes along.
func usual(t testing.TB) *statement.Catalog {
	t.Helper()
	c, err := statement.LoadCatalog(os.DirFS("../content/tables"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dialect(name string) statement.Dialect {
	return statement.DialectOf(strings.Replace(name, "sqlserver", "sql server", 1))
}

// session reads statements one after the other and knows what they made.
type session struct {
	*statement.Reader
	made map[string]*statement.Object
}

func newSession(c *statement.Catalog) *session {
	s := &session{made: map[string]*statement.Object{}}
	s.Reader = statement.NewReader(c, func(name string) (*statement.Object, bool) {
		o, ok := s.made[name]
		return o, ok
	})
	return s
}

func (s *session) read(text string, d statement.Dialect) *statement.Reading {
	g, _ := s.Read(text, d)
	for i := range g.Makes {
		s.made[g.Makes[i].Name] = &g.Makes[i]
		s.Forget()
	}
	return g
}

// worst is the last statement's statistic, or the gravest of all where one of
// the earlier ones is a statistic itself.
func (s *session) worst(text string, d statement.Dialect) (last, worst statement.Statistic) {
	for one := range strings.SplitSeq(text, "\n----\n") {
		last, _ = s.read(strings.TrimSpace(one), d).Statistic()
		worst = max(worst, last)
	}
	return last, worst
}

func sections(t testing.TB, name string, visit func(kind, dialect, about, text string)) {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		head, about, _ := strings.Cut(f.Name, ": ")
		kind, d, _ := strings.Cut(head, " ")
		visit(kind, d, about, string(f.Data))
	}
}

func TestHits(t *testing.T) {
	c := usual(t)
	n := 0
	sections(t, "hits.txtar", func(_, d, about, text string) {
		n++
		for _, as := range []statement.Dialect{dialect(d), statement.Generic} {
			if as == statement.Generic && strings.Contains(text, "--1") {
				continue // a comment to all but one
			}
			last, worst := newSession(c).worst(text, as)
			if worst < statement.Rows || last < statement.Rows && as != statement.Generic && !strings.Contains(text, "PREPARE") {
				t.Errorf("%s (read as dialect %d): %s: %d, at most %d\n%s", d, as, about, last, worst, text)
			}
		}
	})
	if n < 160 {
		t.Errorf("only %d sections", n)
	}
}

func TestMisses(t *testing.T) {
	c := usual(t)
	want := map[string]statement.Statistic{"miss": statement.NoStatistic, "bydrug": statement.ByDrug,
		"items": statement.HalfItems, "doctors": statement.HalfDoctors}
	sections(t, "misses.txtar", func(kind, d, about, text string) {
		if kind == "miss" { // half of a statistic is for the detector to judge
			if _, worst := newSession(c).worst(text, dialect(d)); worst >= statement.ByDrug {
				t.Errorf("%s: %s: %d\n%s", d, about, worst, text)
			}
			return
		}
		if _, worst := newSession(c).worst(text, dialect(d)); worst != want[kind] {
			t.Errorf("%s: %s: %d, want %d\n%s", d, about, worst, want[kind], text)
		}
	})
}
