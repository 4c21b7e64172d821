package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-health/cordon/release"
)

// Release measures making tables anonymous and naming who leaked one: on the
// public table "adult" with ARX's hierarchies, nine quasi-identifiers, at most 5 %
// of the rows dropped, and on 33 times as many rows, drawn from it at random with
// each cell replaced by another row's with probability 1/3. Times are those of
// the processor, all of one process, without reading the file. What ARX needs for
// the same stands beside it as the reference has it, from the same kind of
// machine; it is not run here.
func Release(ctx context.Context, data string, shows func(string)) ([]Line, []Table, error) {
	b := releaseBench{ctx: ctx, dir: filepath.Join(data, "deid", "adult"), shows: shows}
	f, err := os.Open(filepath.Join(b.dir, "adult.csv"))
	if err != nil {
		return nil, nil, fmt.Errorf("no table to measure with: %w", err)
	}
	defer f.Close()
	if b.adult, err = release.ReadTable(f, 0, release.Bounds{}, nil); err != nil {
		return nil, nil, err
	}
	if err := b.anonymize(); err != nil {
		return nil, nil, err
	}
	if err := b.risk(); err != nil {
		return nil, nil, err
	}
	err = b.trace()
	return b.lines, []Table{b.table}, err
}

type releaseBench struct {
	ctx   context.Context
	dir   string
	shows func(string)
	adult *release.Table
	big   *release.Table
	lines []Line
	table Table
}

// releaseCase is something asked of the table: arx is how many seconds ARX needs
// for it by the reference (warm), on adult and on 33 times adult.
type releaseCase struct {
	name     string
	sensible func(*release.Config)
	arx      [2]float64
	goal     [2]float64
}

func releaseCases() []releaseCase {
	occupation := func(c release.ColumnConfig) func(*release.Config) {
		return func(cfg *release.Config) { cfg.Columns["occupation"] = c }
	}
	near := release.Closeness{T: 0.2, Distance: "hierarchical", Hierarchy: release.Build{File: "adult_hierarchy_occupation.csv"}}
	return []releaseCase{
		{"k=5", func(*release.Config) {}, [2]float64{1.0, 39}, [2]float64{0.5, 15}},
		{"k=5, distinct l=3", occupation(release.ColumnConfig{Kind: release.Sensitive, L: &release.Diversity{L: 3}}), [2]float64{0.44, 6.8}, [2]float64{}},
		{"k=5, t=0.2 hierarchical", occupation(release.ColumnConfig{Kind: release.Sensitive, T: &near}), [2]float64{1.1, 21.8}, [2]float64{}},
	}
}

func (b *releaseBench) anonymize() error {
	b.table = Table{Title: "Tables made anonymous, one core", Header: []string{"table", "asked", "CPU", "ARX (reference)", "loss", "dropped", "refined: CPU", "loss", "dropped"},
		Note: "Loss and hierarchies are ARX's (loss, geometric mean); ARX's optimum for k=5 on adult is 0.2419 with 1,346 rows dropped. Refined classes have labels of several levels."}
	b.big = b.multiply(33)
	for at, table := range []*release.Table{b.adult, b.big} {
		for _, c := range releaseCases() {
			b.shows(fmt.Sprintf("anonymize %d rows, %s ...", table.Rows(), c.name))
			if err := b.one(at, table, c); err != nil {
				return fmt.Errorf("%d rows, %s: %w", table.Rows(), c.name, err)
			}
		}
	}
	return nil
}

func (b *releaseBench) one(at int, table *release.Table, c releaseCase) error {
	cfg := release.Config{K: 5, MaxSuppression: 0.05, Columns: map[string]release.ColumnConfig{}}
	for _, name := range table.Header() {
		cfg.Columns[name] = release.ColumnConfig{Kind: release.Quasi, Hierarchy: release.Build{File: "adult_hierarchy_" + name + ".csv"}}
	}
	c.sensible(&cfg)
	var took [2]time.Duration
	var got [2]*release.Result
	for refine := range 2 {
		cfg.Refine = refine == 1
		// The best of three: the first one warms caches up.
		for range 3 {
			begun := processTime()
			r, err := release.Anonymize(b.ctx, table, cfg, b.files, nil)
			if err != nil {
				return err
			}
			if cpu := processTime() - begun; got[refine] == nil || cpu < took[refine] {
				took[refine], got[refine] = cpu, r
			}
			if table.Rows() > 100_000 {
				break
			}
		}
	}
	b.table.Rows = append(b.table.Rows, []string{count(int64(table.Rows())), c.name, seconds(took[0]), fmt.Sprintf("%v s", c.arx[at]),
		fmt.Sprintf("%.4f", got[0].Loss), count(int64(got[0].Suppressed)), seconds(took[1]), fmt.Sprintf("%.4f", got[1].Loss), count(int64(got[1].Suppressed))})
	if c.goal[at] > 0 {
		b.lines = append(b.lines, Line{What: fmt.Sprintf("anonymize %s rows x 9, %s", count(int64(table.Rows())), c.name), Goal: fmt.Sprintf("%v s", c.goal[at]), Measured: seconds(took[0]),
			Met: judge(took[0].Seconds() <= c.goal[at]), How: fmt.Sprintf("one core's time, the optimum proven; ARX %v s by the reference", c.arx[at])})
	}
	if at == 0 && c.goal[0] > 0 {
		b.lines = append(b.lines, Line{What: "information loss, adult, " + c.name, Goal: "<= 0.2419 (ARX)", Measured: fmt.Sprintf("%.4f, %d rows dropped; refined %.4f, %d", got[0].Loss, got[0].Suppressed, got[1].Loss, got[1].Suppressed),
			Met: judge(math.Round(got[0].Loss*1e4) <= 2419), How: "the same metric and hierarchies"})
	}
	return nil
}

func (b *releaseBench) files(name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(b.dir, name))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// multiply draws n times as many rows, a third of their cells from other rows.
func (b *releaseBench) multiply(n int) *release.Table {
	rng := rand.New(rand.NewPCG(1, 2))
	rows := n * b.adult.Rows()
	cells := make([][]uint32, len(b.adult.Columns))
	for range rows {
		from := rng.IntN(b.adult.Rows())
		for j, c := range b.adult.Columns {
			at := from
			if rng.IntN(3) == 0 {
				at = rng.IntN(b.adult.Rows())
			}
			cells[j] = append(cells[j], c.Cells[at])
		}
	}
	columns := make([]release.Column, len(cells))
	for j, c := range b.adult.Columns {
		columns[j] = release.Column{Name: c.Name, Values: c.Values, Cells: cells[j]}
	}
	return release.FromColumns(columns)
}

func (b *releaseBench) risk() error {
	begun := processTime()
	if _, err := release.Measure(b.big, b.big.Header(), 0.05, nil, 10_000_000); err != nil {
		return err
	}
	took := processTime() - begun
	b.lines = append(b.lines, Line{What: fmt.Sprintf("risk report, %s rows x 9", count(int64(b.big.Rows()))), Goal: "2 s", Measured: seconds(took), Met: judge(took <= 2*time.Second),
		How: "prosecutor, journalist, marketer, uniqueness in the population; one core's time"})
	return nil
}

// trace gives out fifty marked copies, and cuts pieces of 200 rows, 30 % of which
// are lost, have every cell exchanged or numbers rounded; each is compared with a
// thousand copies.
func (b *releaseBench) trace() error {
	b.shows("marks and traces ...")
	m := release.Marker{Secret: release.Secret{1}}
	var marks []release.Marks
	var copies []*release.Table
	begun := processTime()
	for i := range 10 {
		t, mk, err := m.Mark(b.adult, "bench", fmt.Sprint("recipient ", i))
		if err != nil {
			return err
		}
		marks, copies = append(marks, mk), append(copies, t)
	}
	marking := (processTime() - begun) / 10
	for i := range 990 {
		other := marks[0]
		other.Recipient = fmt.Sprint("other ", i)
		marks = append(marks, other)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	named, wrong, pieces := 0, 0, 100
	begun = processTime()
	for n := range pieces {
		piece, err := damaged(rng, copies[n%10], n%3)
		if err != nil {
			return err
		}
		for _, x := range m.Secret.Trace(piece, marks).Named {
			if x.Recipient == marks[n%10].Recipient {
				named++
			} else {
				wrong++
			}
		}
	}
	tracing := (processTime() - begun) / time.Duration(pieces)
	b.lines = append(b.lines, Line{What: "a piece of 200 rows, 30 % of them lost, exchanged or rounded, names its recipient among 1,000 copies", Goal: "named; wrongly <= 1e-6", Measured: fmt.Sprintf("%d of %d named, %d wrongly", named, pieces, wrong),
		Met: judge(named == pieces && wrong == 0), How: fmt.Sprintf("adult; the bound of 1e-6 is computed for each verdict, over all copies; marking %s, tracing %s", milli(marking), milli(tracing))})
	return nil
}

// damaged is a piece of 200 rows of which 60 are damaged in one of three ways.
func damaged(rng *rand.Rand, t *release.Table, way int) (*release.Table, error) {
	var rows [][]string
	for i, at := range rng.Perm(t.Rows())[:200] {
		if i < 60 && way == 0 {
			continue
		}
		row := make([]string, len(t.Columns))
		for j := range row {
			from := at
			if i < 60 && way == 1 {
				from = rng.IntN(t.Rows())
			}
			row[j] = t.Cell(from, j)
			var x float64
			if _, err := fmt.Sscan(row[j], &x); i < 60 && way == 2 && err == nil && x > 10 {
				row[j] = fmt.Sprint(math.Round(x/10) * 10)
			}
		}
		rows = append(rows, row)
	}
	return release.NewTable(t.Header(), rows)
}
