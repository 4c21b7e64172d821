package release

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/cordon-health/cordon/classify"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// TestRiskByHand: classes of 1, 2 and 5 rows.
func TestRiskByHand(t *testing.T) {
	var rows [][]string
	for _, v := range []string{"a", "b", "b", "c", "c", "c", "c", "c"} {
		rows = append(rows, []string{v, "x"})
	}
	table, err := NewTable([]string{"q", "s"}, rows)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Measure(table, []string{"q"}, 0.2, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if r.Prosecutor.Highest != 1 || !near(r.Prosecutor.Average, 3.0/8) || !near(r.Prosecutor.AtRisk, 3.0/8) || r.Marketer != r.Prosecutor.Average || r.SampleUnique != 1 || r.Smallest != 1 || r.Level != 2 {
		t.Errorf("%+v", r)
	}
	var people [][]string
	for v, n := range map[string]int{"a": 10, "b": 2, "c": 50, "d": 3} {
		for range n {
			people = append(people, []string{v})
		}
	}
	population, err := NewTable([]string{"q"}, people)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = Measure(table, []string{"q"}, 0.2, population, 0); err != nil {
		t.Fatal(err)
	}
	if !near(r.Journalist.Highest, 0.5) || r.Population.KMap != 2 || !near(r.Marketer, (0.1+2*0.5+5*0.02)/8) || !near(r.Journalist.AtRisk, 2.0/8) {
		t.Errorf("%+v", r)
	}
	if _, err := Measure(table, []string{"q"}, 0.2, table.head(3), 0); err == nil {
		t.Error("a population without the table's people was taken")
	}
	if _, err := Measure(table, []string{"q"}, 0.2, nil, 5); err == nil {
		t.Error("a population smaller than the table was taken")
	}
}

// TestPopulationUnique: what is estimated from a sample is near what the
// population has, from a small and from a large sample.
func TestPopulationUnique(t *testing.T) {
	for _, fraction := range []float64{0.02, 0.05, 0.2, 0.5} {
		rng := rand.New(rand.NewPCG(11, 12))
		const people = 200_000
		counts := map[string]int{}
		var all []string
		for range people {
			// Place, age and sex, unevenly.
			v := fmt.Sprint(int(math.Exp(rng.Float64()*7.5)), "/", rng.IntN(95), "/", rng.IntN(2))
			counts[v]++
			all = append(all, v)
		}
		var rows [][]string
		unique := 0
		for _, v := range all {
			if rng.Float64() < fraction {
				rows = append(rows, []string{v})
				if counts[v] == 1 {
					unique++
				}
			}
		}
		table, err := NewTable([]string{"q"}, rows)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Measure(table, []string{"q"}, 0.05, nil, people)
		if err != nil {
			t.Fatal(err)
		}
		want, got := float64(unique)/float64(len(rows)), r.Population.Unique
		t.Logf("fraction %.2f: %s estimates %.4f unique, there are %.4f; in the sample %.4f", fraction, r.Population.Estimator, got, want, float64(r.SampleUnique)/float64(r.Rows))
		if got < want/2.5 || got > want*2.5 {
			t.Errorf("fraction %.2f: %s estimates %.4f, there are %.4f", fraction, r.Population.Estimator, got, want)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		direct, aggregated bool
		highest            float64
		want               int
	}{{true, false, 0, 1}, {false, false, 0.06, 2}, {false, false, 0.05, 3}, {false, true, 1, 4}, {true, true, 0, 1}} {
		if got := Level(c.direct, c.aggregated, c.highest, 0.05); got != c.want {
			t.Errorf("%+v: level %d", c, got)
		}
	}
}

func TestProfileFindsWhatSinglesOut(t *testing.T) {
	got := Profile(clinical(t, 2000, 5), 2)
	if got[0].Columns[0] != "patient" && got[0].Unique < 0.99 {
		t.Errorf("%+v", got[0])
	}
	for _, s := range got {
		if len(s.Columns) == 1 && s.Columns[0] == "sex" && (s.Unique > 0 || s.Distinction > 0.01 || s.Separation > 0.55) {
			t.Errorf("%+v", s)
		}
	}
}

// TestDirectIdentifiersAreRefused: telephone and identity numbers under any
// heading.
func TestDirectIdentifiersAreRefused(t *testing.T) {
	engine, err := classify.New(classify.Config{})
	if err != nil {
		t.Fatal(err)
	}
	table, err := NewTable([]string{"c1", "c2", "ward"}, [][]string{{"13800138001", "11010519491231002X", "3"}, {"13912345678", "440524188001010014", "4"}})
	if err != nil {
		t.Fatal(err)
	}
	found := Identifiers(table, engine)
	if len(found) != 2 || Refuse(found) == nil {
		t.Errorf("%+v", found)
	}
	if found := Identifiers(clinical(t, 200, 1).withoutColumn("patient"), engine); len(found) > 0 {
		t.Errorf("columns of a clean table are taken for identifiers: %+v", found)
	}
}

func (t *Table) withoutColumn(name string) *Table {
	out := &Table{rows: t.rows}
	for _, c := range t.Columns {
		if c.Name != name {
			out.Columns = append(out.Columns, c)
		}
	}
	return out
}
