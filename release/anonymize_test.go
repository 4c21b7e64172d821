package release

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// slow is a second way to the same answers: it tries every combination of
// levels, writes every row out as text and counts with a map.
type slow struct {
	t    *Table
	cfg  Config
	rows [][]string
	h    map[string]*Hierarchy
}

func newSlow(t *testing.T, table *Table, cfg Config) *slow {
	t.Helper()
	s := &slow{t: table, cfg: cfg, rows: rowsOf(table), h: map[string]*Hierarchy{}}
	for _, c := range table.Columns {
		if cfg.Columns[c.Name].Kind == Quasi {
			h, err := cfg.Columns[c.Name].Hierarchy.over(c.Values, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.h[c.Name] = h
		}
	}
	return s
}

func (s *slow) quasi() []int {
	var out []int
	for j, c := range s.t.Columns {
		if s.cfg.Columns[c.Name].Kind == Quasi {
			out = append(out, j)
		}
	}
	return out
}

// best is the least loss over all nodes; ok is false where none is allowed.
func (s *slow) best() (loss float64, ok bool) {
	quasi := s.quasi()
	levels := make([]int, len(quasi))
	loss = math.Inf(1)
	var try func(at int)
	try = func(at int) {
		if at == len(quasi) {
			if l, fits := s.node(quasi, levels); fits && l < loss {
				loss, ok = l, true
			}
			return
		}
		for levels[at] = 0; levels[at] < s.h[s.t.Columns[quasi[at]].Name].Levels(); levels[at]++ {
			try(at + 1)
		}
	}
	try(0)
	return loss, ok
}

func (s *slow) node(quasi, levels []int) (loss float64, fits bool) {
	groups := map[string][]int{}
	for i, row := range s.rows {
		var key []string
		for n, j := range quasi {
			label, _ := s.h[s.t.Columns[j].Name].Label(row[j], levels[n])
			key = append(key, label)
		}
		groups[strings.Join(key, "\x00")] = append(groups[strings.Join(key, "\x00")], i)
	}
	dropped, gone := 0, map[int]bool{}
	for _, rows := range groups {
		if !s.holds(rows) {
			dropped += len(rows)
			for _, i := range rows {
				gone[i] = true
			}
		}
	}
	if float64(dropped) > math.Floor(s.cfg.MaxSuppression*float64(len(s.rows))) {
		return 0, false
	}
	product, sum, most := 1.0, 0.0, 0.0
	for n, j := range quasi {
		h := s.h[s.t.Columns[j].Name]
		each := 0.0
		for i, row := range s.rows {
			each += s.share(h, row[j], levels[n], gone[i]) / float64(len(s.rows))
		}
		product, sum, most = product*(1+each), sum+each, max(most, each)
	}
	switch s.cfg.Metric.Aggregate {
	case "arithmetic":
		return sum / float64(len(quasi)), true
	case "maximum":
		return most, true
	}
	return math.Pow(product, 1/float64(len(quasi))) - 1, true
}

func (s *slow) share(h *Hierarchy, value string, level int, gone bool) float64 {
	if gone {
		return 1
	}
	if s.cfg.Metric.Kind == "precision" {
		return float64(level) / float64(max(h.Levels()-1, 1))
	}
	label, _ := h.Label(value, level)
	covered := 0
	for _, row := range h.labels {
		if row[level] == label {
			covered++
		}
	}
	if len(h.labels) == 1 {
		return 0
	}
	return float64(covered-1) / float64(len(h.labels)-1)
}

// holds counts k, l and t in a class, by their definitions.
func (s *slow) holds(rows []int) bool {
	if len(rows) < s.cfg.K {
		return false
	}
	for j, c := range s.t.Columns {
		cfg := s.cfg.Columns[c.Name]
		if cfg.L == nil && cfg.T == nil {
			continue
		}
		here, all := map[string]float64{}, map[string]float64{}
		for _, i := range rows {
			here[s.rows[i][j]]++
		}
		for _, row := range s.rows {
			all[row[j]]++
		}
		if cfg.L != nil && !diverse(here, len(rows), *cfg.L) {
			return false
		}
		if cfg.T != nil && distanceOf(here, all, len(rows), len(s.rows), *cfg.T) > cfg.T.T+1e-9 {
			return false
		}
	}
	return true
}

func diverse(here map[string]float64, rows int, d Diversity) bool {
	switch d.Kind {
	case "entropy":
		h := 0.0
		for _, n := range here {
			h -= n / float64(rows) * math.Log(n/float64(rows))
		}
		return math.Exp(h) >= d.L-1e-9
	case "recursive":
		var counts []float64
		for _, n := range here {
			counts = append(counts, n)
		}
		slices.Sort(counts)
		slices.Reverse(counts)
		rest := 0.0
		for i := int(d.L) - 1; i < len(counts); i++ {
			rest += counts[i]
		}
		return counts[0] < d.C*rest
	}
	return float64(len(here)) >= d.L
}

func distanceOf(here, all map[string]float64, rows, total int, t Closeness) float64 {
	var values []string
	for v := range all {
		values = append(values, v)
	}
	slices.Sort(values)
	sum, carried := 0.0, 0.0
	for _, v := range values {
		d := here[v]/float64(rows) - all[v]/float64(total)
		carried += d
		if t.Distance == "ordered" {
			sum += math.Abs(carried) / float64(len(values)-1)
		} else {
			sum += math.Abs(d) / 2
		}
	}
	return sum
}

// small makes a table and a configuration out of chance.
func small(t *testing.T, rng *rand.Rand) (*Table, Config) {
	t.Helper()
	cfg := Config{K: 1 + rng.IntN(5), MaxSuppression: float64(rng.IntN(4)) * 0.1, Columns: map[string]ColumnConfig{
		"age": {Kind: Quasi, Hierarchy: Build{Intervals: []float64{5, 10, 20}}},
		"zip": {Kind: Quasi, Hierarchy: Build{Prefix: []int{2, 1}}},
		"day": {Kind: Quasi, Hierarchy: Build{Dates: []string{"month", "year"}}},
		"sex": {Kind: Quasi}, "s": {Kind: Sensitive}, "z": {Kind: Insensitive},
	}, Metric: Metric{Kind: []string{"", "precision"}[rng.IntN(2)], Aggregate: []string{"", "arithmetic", "maximum"}[rng.IntN(3)]}}
	s := ColumnConfig{Kind: Sensitive}
	switch rng.IntN(6) {
	case 0:
		s.L = &Diversity{L: 2}
	case 1:
		s.L = &Diversity{Kind: "entropy", L: 1.7}
	case 2:
		s.L = &Diversity{Kind: "recursive", L: 2, C: 2}
	case 3:
		s.T = &Closeness{T: 0.35}
	case 4:
		s.T, s.L = &Closeness{T: 0.4, Distance: "ordered"}, &Diversity{L: 2}
	}
	cfg.Columns["s"] = s
	var rows [][]string
	for range 10 + rng.IntN(60) {
		rows = append(rows, []string{fmt.Sprint(20 + rng.IntN(40)), fmt.Sprintf("%03d", rng.IntN(4)*111), fmt.Sprintf("20%02d-0%d-11", 20+rng.IntN(2), 1+rng.IntN(4)),
			[]string{"M", "F"}[rng.IntN(2)], fmt.Sprint("d", rng.IntN(4)), fmt.Sprint(rng.IntN(3))})
	}
	table, err := NewTable([]string{"age", "zip", "day", "sex", "s", "z"}, rows)
	if err != nil {
		t.Fatal(err)
	}
	return table, cfg
}

// TestSearchFindsTheOptimum compares with trying everything.
func TestSearchFindsTheOptimum(t *testing.T) {
	for seed := range uint64(150) {
		table, cfg := small(t, rand.New(rand.NewPCG(seed, 1)))
		want, ok := newSlow(t, table, cfg).best()
		got, err := Anonymize(t.Context(), table, cfg, nil, nil)
		switch {
		case !ok && !errors.Is(err, ErrRefused):
			t.Fatalf("seed %d: no node is allowed, and the answer was %v", seed, err)
		case ok && err != nil:
			t.Fatalf("seed %d: %v", seed, err)
		case ok && math.Abs(got.Loss-want) > 1e-9:
			t.Fatalf("seed %d: loss %v, least is %v (%+v)", seed, got.Loss, want, cfg)
		}
	}
}

// TestResultsHold: what comes out holds what was asked, counted by other code,
// refined too; refining never loses more.
func TestResultsHold(t *testing.T) {
	for seed := range uint64(200) {
		table, cfg := small(t, rand.New(rand.NewPCG(seed, 2)))
		cfg.Refine = seed%2 == 0
		got, err := Anonymize(t.Context(), table, cfg, nil, nil)
		if errors.Is(err, ErrRefused) {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got.Loss > got.BestLoss+1e-9 {
			t.Fatalf("seed %d: refining lost more: %v after %v", seed, got.Loss, got.BestLoss)
		}
		if got.Table.Rows()+got.Suppressed != table.Rows() {
			t.Fatalf("seed %d: rows are missing", seed)
		}
		holds(t, seed, table, cfg, got)
	}
}

// holds groups the rows of a result by their text.
func holds(t *testing.T, seed uint64, table *Table, cfg Config, got *Result) {
	t.Helper()
	s := &slow{t: table, cfg: cfg, rows: rowsOf(table)}
	groups := map[string][]int{}
	for i := range got.Table.Rows() {
		var key []string
		for j, c := range got.Table.Columns {
			if cfg.Columns[c.Name].Kind == Quasi {
				key = append(key, got.Table.Cell(i, j))
			}
		}
		was := int(got.kept[i])
		if at := slices.Index(got.Table.Header(), "s"); at >= 0 && got.Table.Cell(i, at) != s.rows[was][4] {
			t.Fatalf("seed %d: a sensitive value changed its row", seed)
		}
		groups[strings.Join(key, "\x00")] = append(groups[strings.Join(key, "\x00")], was)
	}
	for _, rows := range groups {
		if !s.holds(rows) {
			t.Fatalf("seed %d: a class of %d rows does not hold what is asked (%+v)", seed, len(rows), cfg)
		}
	}
}

// TestAdult reaches the reference's optimum, and refining goes below it.
func TestAdult(t *testing.T) {
	table := adult(t)
	cfg := adultConfig(table)
	got, err := Anonymize(t.Context(), table, cfg, adultFiles(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got.Loss-0.2419) > 0.00005 || got.Suppressed != 1346 {
		t.Errorf("loss %.5f with %d rows dropped; ARX has 0.2419 with 1,346", got.Loss, got.Suppressed)
	}
	cfg.Refine = true
	if got, err = Anonymize(t.Context(), table, cfg, adultFiles(t), nil); err != nil {
		t.Fatal(err)
	}
	if got.Loss > 0.1 {
		t.Errorf("refined loss %.4f", got.Loss)
	}
	holds(t, 0, table, cfg, got)
	diverse := adultConfig(table)
	diverse.Columns["occupation"] = ColumnConfig{Kind: Sensitive, L: &Diversity{L: 3}}
	close := adultConfig(table)
	close.Columns["occupation"] = ColumnConfig{Kind: Sensitive, T: &Closeness{T: .2, Distance: "hierarchical", Hierarchy: Build{File: "adult_hierarchy_occupation.csv"}}}
	for name, cfg := range map[string]Config{"l": diverse, "t": close} {
		got, err := Anonymize(t.Context(), table, cfg, adultFiles(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: loss %.4f, %d dropped, %d of %d nodes", name, got.Loss, got.Suppressed, got.Checked, got.Nodes)
	}
}

// TestMarkedRows: rows shown as "*" say nothing, and are not counted as a class.
func TestMarkedRows(t *testing.T) {
	table, err := NewTable([]string{"age", "s"}, [][]string{{"1", "a"}, {"1", "b"}, {"1", "c"}, {"9", "hiv"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{K: 3, MaxSuppression: 0.3, Mark: true, Columns: map[string]ColumnConfig{"age": {Kind: Quasi, Weight: 1}, "s": {Kind: Sensitive, L: &Diversity{L: 2}}}}
	got, err := Anonymize(t.Context(), table, cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Table.Rows() != 4 || got.Table.Cell(3, 0) != "*" || got.Table.Cell(3, 1) != "*" || got.Classes != 1 {
		t.Errorf("%v %+v", rowsOf(got.Table), got)
	}
}

// TestWideKeys: more columns than fit one word of a key.
func TestWideKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	cfg := Config{K: 2, MaxSuppression: 0.5, Columns: map[string]ColumnConfig{}}
	var header []string
	for j := range 10 {
		header = append(header, fmt.Sprint("c", j))
		cfg.Columns[header[j]] = ColumnConfig{Kind: Quasi}
	}
	var rows [][]string
	for i := range 150 {
		var row []string
		for range header {
			row = append(row, fmt.Sprint(i/3*rng.IntN(2)+rng.IntN(4)*100))
		}
		rows = append(rows, row)
	}
	table, err := NewTable(header, rows)
	if err != nil {
		t.Fatal(err)
	}
	p, err := prepare(table, cfg, nil)
	if err != nil || p.words < 2 {
		t.Fatal(p.words, err)
	}
	got, err := Anonymize(t.Context(), table, cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := newSlow(t, table, cfg).best(); math.Abs(got.Loss-want) > 1e-9 {
		t.Errorf("loss %v, least is %v", got.Loss, want)
	}
}

func TestHierarchies(t *testing.T) {
	over := 89.0
	for _, c := range []struct {
		b      Build
		value  string
		labels []string
	}{
		{Build{Intervals: []float64{5, 10}, Over: &over}, "34", []string{"34", "30-34", "30-39", "*"}},
		{Build{Intervals: []float64{5, 10}, Over: &over}, "93", []string{"93", ">89", ">89", "*"}},
		{Build{Intervals: []float64{0.5}}, "5.43", []string{"5.43", "[5, 5.5)", "*"}},
		{Build{Intervals: []float64{10}}, "-3", []string{"-3", "-10--1", "*"}},
		{Build{Dates: []string{"month", "quarter", "year", "decade"}}, "1987-11-02", []string{"1987-11-02", "1987-11", "1987-Q4", "1987", "1980s", "*"}},
		{Build{Dates: []string{"year"}}, "2024年3月5日", []string{"2024年3月5日", "2024", "*"}},
		{Build{Prefix: []int{4, 2}}, "310104", []string{"310104", "3101**", "31****", "*"}},
		{Build{Prefix: []int{1}}, "浦东新区", []string{"浦东新区", "浦***", "*"}},
		{Build{Labels: map[string][]string{"J18": {"J", "resp"}}}, "J18", []string{"J18", "J", "resp", "*"}},
		{Build{}, "x", []string{"x", "*"}},
	} {
		h, err := c.b.over([]string{c.value}, nil)
		if err != nil {
			t.Errorf("%+v: %v", c.b, err)
			continue
		}
		if !slices.Equal(h.labels[0], c.labels) {
			t.Errorf("%+v: %v, want %v", c.b, h.labels[0], c.labels)
		}
	}
	for _, b := range []Build{{Intervals: []float64{5, 7}}, {Intervals: []float64{0}}, {Dates: []string{"year", "month"}}, {Dates: []string{"week"}},
		{Prefix: []int{2, 4}}, {Prefix: []int{2}, Dates: []string{"day"}}, {Over: &over}, {Intervals: []float64{math.NaN()}}} {
		if b.check() == nil {
			t.Errorf("%+v was taken", b)
		}
	}
	for _, text := range []string{"", "a;x;*\nb;x", "a;x;*\na;y;*", "a;x;p\nb;x;q", "a;\"b\n"} {
		if _, err := ReadHierarchy(strings.NewReader(text)); err == nil {
			t.Errorf("the hierarchy %q was taken", text)
		}
	}
}

// TestReadTable reads what spreadsheets write.
func TestReadTable(t *testing.T) {
	for _, text := range []string{"\xEF\xBB\xBFage;name\r\n1;张\r\n", "age\tname\n1\t张\n", "age,name\n1,\xd5\xc5\n"} {
		table, err := ReadTable(strings.NewReader(text), 0, Bounds{}, nil)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if table.Rows() != 1 || table.Cell(0, 1) != "张" || table.Columns[0].Name != "age" {
			t.Errorf("%q: %v", text, rowsOf(table))
		}
		var out bytes.Buffer
		if err := table.WriteCSV(&out, ';'); err != nil || out.String() != "age;name\n1;张\n" {
			t.Error(out.String(), err)
		}
	}
	for _, text := range []string{"", "a,a\n1,2\n", "a,\n1,2\n", "a,b\n1\n", "a,b\n\"1,2\n", "a\n" + strings.Repeat("x", 40<<10)} {
		_, err := ReadTable(strings.NewReader(text), 0, Bounds{}, nil)
		if err == nil {
			t.Errorf("%.20q was taken", text)
		} else if strings.Contains(err.Error(), "xxx") {
			t.Errorf("an error shows a cell: %v", err)
		}
	}
	if _, err := ReadTable(io.MultiReader(strings.NewReader("a,b\n\""), endless{}), 0, Bounds{}, nil); err == nil {
		t.Error("a quote without an end was read to its end")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
