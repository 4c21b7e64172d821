package release

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// UsualThreshold is the risk of a single row that GB/T 42460 usually allows.
const UsualThreshold = 0.05

// Risk is what can be done with a table, by who knows what. All risks are
// probabilities that a row is given the right person by somebody who knows all
// quasi-identifying columns of that person.
type Risk struct {
	Rows    int `json:"rows"`
	Classes int `json:"classes"`
	// Smallest and Average are sizes of classes; SampleUnique is how many rows
	// are alone in theirs.
	Smallest     int     `json:"smallest_class"`
	Average      float64 `json:"average_class"`
	SampleUnique int     `json:"sample_unique_rows"`
	Threshold    float64 `json:"threshold"`
	// Prosecutor knows that the person is in the table.
	Prosecutor Attack `json:"prosecutor"`
	// Journalist does not; Marketer wants as many as possible and does not
	// care who. Both need to know something of the population; without it they
	// are the prosecutor's, which is the most they can be.
	Journalist Attack  `json:"journalist"`
	Marketer   float64 `json:"marketer"`
	// Population says what they rest on.
	Population Population `json:"population"`
	// Level is the level of identifiability of GB/T 42460, 1 to 4; see [Level].
	Level int `json:"gbt42460_level"`
}

// Attack is the risk of rows under one attacker.
type Attack struct {
	Highest float64 `json:"highest"`
	Average float64 `json:"average"`
	// AtRisk is the share of rows whose risk is above the threshold.
	AtRisk float64 `json:"rows_at_risk"`
}

// Population is what is known of the people from whom the table's were drawn.
type Population struct {
	// Known is "table" (counted in a table of the population), "size" (only how
	// many they are, the rest estimated) or "unknown".
	Known string `json:"known"`
	Size  int64  `json:"size,omitempty"`
	// KMap is the smallest number of people in the population that look like a
	// row, where there is a table.
	KMap int `json:"k_map,omitempty"`
	// Unique estimates the share of the table's rows that are unique in the
	// population, by Estimator.
	Unique    float64 `json:"unique_rows"`
	Estimator string  `json:"estimator,omitempty"`
}

// Measure counts the risk of a table whose quasi-identifying columns are named.
// people, when not nil, is a table of the population with the same columns,
// generalised alike; size is how many they are, 0 when unknown.
func Measure(t *Table, quasi []string, threshold float64, people *Table, size int64) (Risk, error) {
	if threshold == 0 {
		threshold = UsualThreshold
	}
	columns, err := pick(t, quasi)
	if err != nil {
		return Risk{}, err
	}
	of, sizes := alike(columns, t.rows)
	r := Risk{Rows: t.rows, Classes: len(sizes), Threshold: threshold, Population: Population{Known: "unknown"}}
	if t.rows == 0 {
		r.Level = 3
		return r, nil
	}
	r.Smallest = int(slices.Min(sizes))
	r.Average = float64(t.rows) / float64(len(sizes))
	for _, n := range sizes {
		if n == 1 {
			r.SampleUnique++
		}
	}
	r.Prosecutor = riskOf(sizes, func(class int) float64 { return 1 / float64(sizes[class]) }, t.rows, threshold)
	r.Journalist, r.Marketer = r.Prosecutor, r.Prosecutor.Average
	switch {
	case people != nil:
		err = r.byTable(t, columns, of, sizes, people)
	case size > 0 && size < int64(t.rows):
		err = fmt.Errorf("the population has %d people, fewer than the table has rows", size)
	case size > 0:
		r.bySize(sizes, size)
	default:
		r.Population.Unique, r.Population.Estimator = float64(r.SampleUnique)/float64(t.rows), "sample"
	}
	r.Level = Level(false, false, r.Prosecutor.Highest, threshold)
	return r, err
}

func pick(t *Table, names []string) ([]*Column, error) {
	var out []*Column
	for _, name := range names {
		c := t.Column(name)
		if c == nil {
			return nil, fmt.Errorf("the table has no column %q", name)
		}
		out = append(out, c)
	}
	return out, nil
}

// riskOf joins the risks of the classes, each row counting once.
func riskOf(sizes []uint32, risk func(class int) float64, rows int, threshold float64) Attack {
	var a Attack
	for class, n := range sizes {
		x := risk(class)
		a.Highest = max(a.Highest, x)
		a.Average += float64(n) * x / float64(rows)
		if x > threshold*(1+1e-12) {
			a.AtRisk += float64(n) / float64(rows)
		}
	}
	return a
}

// bySize estimates from how many people there are: a class of f rows drawn with
// the fraction p stands for about f/p people.
func (r *Risk) bySize(sizes []uint32, size int64) {
	p := float64(r.Rows) / float64(size)
	r.Journalist = riskOf(sizes, func(class int) float64 { return p / float64(sizes[class]) }, r.Rows, r.Threshold)
	r.Marketer = r.Journalist.Average
	unique, name := populationUnique(sizes, size)
	r.Population = Population{Known: "size", Size: size, Unique: unique, Estimator: name}
	// A row that is unique in the population is found for certain.
	if unique > 0 {
		r.Journalist.Highest = max(r.Journalist.Highest, min(1, unique*float64(r.Rows)/float64(max(r.SampleUnique, 1))))
	}
}

// byTable counts in a table of the population.
func (r *Risk) byTable(t *Table, columns []*Column, of, sizes []uint32, people *Table) error {
	joined := make([]*Column, len(columns))
	for i, c := range columns {
		other := people.Column(c.Name)
		if other == nil {
			return fmt.Errorf("the table of the population has no column %q", c.Name)
		}
		joined[i] = join(c, other)
	}
	all, counts := alike(joined, t.rows+people.rows)
	inPopulation := make([]uint32, len(sizes))
	for row, class := range of {
		inPopulation[class] = counts[all[row]]
	}
	for class, n := range sizes {
		if inPopulation[class] -= n; inPopulation[class] < n {
			return errors.New("the table of the population lacks people who are in the table, or is generalised otherwise")
		}
	}
	r.Journalist = riskOf(sizes, func(class int) float64 { return 1 / float64(inPopulation[class]) }, r.Rows, r.Threshold)
	r.Marketer = r.Journalist.Average
	unique := 0
	for class, n := range inPopulation {
		if n == 1 {
			unique += int(sizes[class])
		}
	}
	r.Population = Population{Known: "table", Size: int64(people.rows), KMap: int(slices.Min(inPopulation)), Unique: float64(unique) / float64(r.Rows), Estimator: "counted"}
	return nil
}

// join puts the cells of two columns under one dictionary.
func join(a, b *Column) *Column {
	out := &Column{Name: a.Name, Values: slices.Clone(a.Values), Cells: slices.Clone(a.Cells)}
	codes := make(map[string]uint32, len(a.Values))
	for i, v := range a.Values {
		codes[v] = uint32(i)
	}
	to := make([]uint32, len(b.Values))
	for i, v := range b.Values {
		code, ok := codes[v]
		if !ok {
			code = uint32(len(out.Values))
			out.Values = append(out.Values, v)
		}
		to[i] = code
	}
	for _, cell := range b.Cells {
		out.Cells = append(out.Cells, to[cell])
	}
	return out
}

// Level is the level of identifiability of GB/T 42460: 1 while direct
// identifiers are in it, 2 where the risk is above the threshold, 3 where it is
// not, 4 where it holds no rows of people but counts. (The wording of the
// standard is to be checked by a person before the level is claimed publicly.)
func Level(direct, aggregated bool, highest, threshold float64) int {
	switch {
	case direct:
		return 1
	case aggregated:
		return 4
	case highest > threshold*(1+1e-12):
		return 2
	}
	return 3
}

// populationUnique estimates the share of the rows that are unique in the
// population. At small sampling fractions, up to a tenth, it takes Pitman's
// model, which extrapolates well there; above, Zayatz's, which needs many of the
// population in the sample (the rule of Dankar et al. 2012, without its third
// model).
func populationUnique(sizes []uint32, size int64) (share float64, name string) {
	rows, alone := 0.0, 0.0
	for _, n := range sizes {
		rows += float64(n)
		if n == 1 {
			alone++
		}
	}
	if alone == 0 {
		return 0, "sample" // nobody is even unique among the rows
	}
	var unique float64 // people
	if p := rows / float64(size); p <= 0.1 {
		unique, name = pitman(sizes, rows, float64(size)), "pitman"
	} else {
		unique, name = zayatz(sizes, rows, float64(size)), "zayatz"
	}
	// Of the unique people, the sample has its fraction of them.
	return math.Min(unique/float64(size), alone/rows), name
}

// zayatz takes the sizes of the sample's classes for those of the population
// and asks how likely a class of one row is a class of one person.
func zayatz(sizes []uint32, rows, size float64) float64 {
	bySize := frequencies(sizes)
	one, all := 0.0, 0.0
	for n, classes := range bySize {
		p := oneOf(float64(n), rows, size) * float64(classes)
		all += p
		if n == 1 {
			one = p
		}
	}
	alone := float64(bySize[1])
	return alone * (one / all) * size / rows
}

func frequencies(sizes []uint32) map[uint32]int {
	out := map[uint32]int{}
	for _, n := range sizes {
		out[n]++
	}
	return out
}

// oneOf is the probability that of n people exactly one is among rows drawn
// from size (hypergeometric).
func oneOf(n, rows, size float64) float64 {
	if n > size-rows+1 {
		return 0
	}
	return math.Exp(math.Log(n) + logChoose(size-n, rows-1) - logChoose(size, rows))
}

func logChoose(n, k float64) float64 {
	return logGamma(n+1) - logGamma(k+1) - logGamma(n-k+1)
}

func logGamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

// pitman fits the two parameters of Pitman's sampling formula by the greatest
// likelihood and extrapolates to the population (Hoshino 2001).
func pitman(sizes []uint32, rows, size float64) float64 {
	bySize := frequencies(sizes)
	classes := float64(len(sizes))
	var keys []uint32
	for n := range bySize {
		keys = append(keys, n)
	}
	slices.Sort(keys) // a sum in one order is one sum
	likelihood := func(theta, alpha float64) float64 {
		sum := (classes-1)*math.Log(alpha) + logGamma(theta/alpha+classes) - logGamma(theta/alpha+1)
		sum -= logGamma(theta+rows) - logGamma(theta+1)
		for _, n := range keys {
			sum += float64(bySize[n]) * (logGamma(float64(n)-alpha) - logGamma(1-alpha))
		}
		return sum
	}
	bestTheta := func(alpha float64) float64 {
		return math.Exp(peak(math.Log(1e-6), math.Log(100*rows+100), func(x float64) float64 { return likelihood(math.Exp(x), alpha) }))
	}
	alpha := peak(1e-6, 1-1e-6, func(a float64) float64 { return likelihood(bestTheta(a), a) })
	theta := bestTheta(alpha)
	return math.Exp(logGamma(theta+1) - logGamma(theta+alpha) + alpha*math.Log(size))
}

// peak finds where a function with one peak has it, by the golden section.
func peak(low, high float64, f func(float64) float64) float64 {
	const ratio = 0.6180339887498949
	a, b := high-ratio*(high-low), low+ratio*(high-low)
	fa, fb := f(a), f(b)
	for range 60 {
		if fa > fb {
			high, b, fb = b, a, fa
			a = high - ratio*(high-low)
			fa = f(a)
		} else {
			low, a, fa = a, b, fb
			b = low + ratio*(high-low)
			fb = f(b)
		}
	}
	return (low + high) / 2
}
