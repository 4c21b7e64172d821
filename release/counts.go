package release

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CountRecipe asks for counts with noise (differential privacy). What they cost
// is taken from the budget of the data set and of the recipient, see [Settings].
type CountRecipe struct {
	// Dataset names whose budget it is; the file itself, by its hash, has one too.
	Dataset string `yaml:"dataset"`
	// By are the columns that are counted by.
	By []string `yaml:"by"`
	// Person is the column that says who a row is about; of one person at most
	// PerPerson rows count, the first ones.
	Person    string `yaml:"person"`
	PerPerson int    `yaml:"per_person"`
	// Known lists what everybody knows to be there, "values of By joined by |":
	// all of it is shown, also where nobody is counted. Without it only what
	// enough people share is shown, which needs Delta.
	Known []string `yaml:"known"`
	// Epsilon is what it costs, such as 0.5 or 1/2; Delta is at most 1/1000.
	Epsilon string `yaml:"epsilon"`
	Delta   string `yaml:"delta"`
}

// Settings of releases, for all data sets.
type Settings struct {
	// Epsilon is how much of the privacy budget each data set has for counts
	// with noise; PerRecipient is how much one recipient may have of it.
	Epsilon      string `yaml:"epsilon"`
	PerRecipient string `yaml:"per_recipient"`
}

// DefaultSettings are cautious.
func DefaultSettings() Settings { return Settings{Epsilon: "3", PerRecipient: "1"} }

// Budget reads the settings.
func (s Settings) Budget() (Budget, error) {
	total, ok := new(big.Rat).SetString(s.Epsilon)
	each, ok2 := new(big.Rat).SetString(s.PerRecipient)
	if !ok || !ok2 {
		return Budget{}, errors.New("release: epsilon and per_recipient are numbers such as 3 or 1/2")
	}
	b := Budget{Total: Cost{Epsilon: total}, PerRecipient: Cost{Epsilon: each}}
	if err := b.check(); err != nil {
		return b, fmt.Errorf("release: %w", err)
	}
	return b, nil
}

// Check says what is wrong with the settings.
func (s Settings) Check() error {
	_, err := s.Budget()
	return err
}

func (c CountRecipe) check() error {
	switch {
	case len(c.By) == 0 || len(c.By) > 5:
		return errors.New("recipe: counts.by names one to five columns")
	case c.Dataset == "" || c.Person == "" || c.PerPerson < 1 || c.PerPerson > 1000:
		return errors.New("recipe: counts needs dataset, person (a column) and per_person (1 to 1000)")
	case len(c.Known) > 100_000:
		return errors.New("recipe: counts.known has more than 100,000 entries")
	case slices.Contains(c.By, c.Person):
		return errors.New("recipe: counts cannot be by person")
	}
	_, err := c.query()
	return err
}

func (c CountRecipe) query() (Query, error) {
	q := Query{Sensitivity: int64(c.PerPerson)}
	var ok bool
	if q.Cost.Epsilon, ok = new(big.Rat).SetString(c.Epsilon); !ok || q.Cost.Epsilon.Sign() <= 0 {
		return q, errors.New("recipe: counts.epsilon is a number above 0, such as 0.5")
	}
	if len(c.Known) > 0 {
		return q, nil
	}
	if q.Delta, ok = new(big.Rat).SetString(c.Delta); !ok || q.Delta.Sign() <= 0 || q.Delta.Cmp(big.NewRat(1, 1000)) > 0 {
		return q, errors.New("recipe: counts without known need counts.delta, above 0 and at most 0.001")
	}
	return q, nil
}

// counted is what was asked, and what it cost.
type counted struct {
	Groups    int    `json:"groups"`
	Shown     int    `json:"shown"`
	Epsilon   string `json:"epsilon"`
	Delta     string `json:"delta,omitempty"`
	Threshold int64  `json:"threshold,omitempty"`
	// LeftOut are rows beyond what one person may count for.
	LeftOut int `json:"rows_left_out"`
}

// counts answers with noise. The budget is taken first: a failure afterwards may
// have told something.
func (m *making) counts(ctx context.Context, out *os.File) error {
	c := *m.recipe.Counts
	if _, err := m.source.Seek(0, io.SeekStart); err != nil {
		return err
	}
	text := bufio.NewReaderSize(m.source, 1<<20)
	t, err := ReadTable(text, firstSeparator(text), Bounds{}, nil)
	if err != nil {
		return tableFault(err)
	}
	groups, left, err := c.groups(t)
	if err != nil {
		return err
	}
	q, err := c.query()
	if err != nil {
		return err
	}
	if err := m.pay(ctx, c, q); err != nil {
		return err
	}
	shown, threshold, err := c.noisy(NewNoise(rand.Reader), groups, q)
	if err != nil {
		return tableFault(err)
	}
	m.r.Counted = &counted{Groups: len(groups), Shown: len(shown), Epsilon: c.Epsilon, Delta: c.Delta, Threshold: threshold, LeftOut: left}
	m.r.Level = 4
	return c.write(out, shown)
}

// pay takes the cost from the budgets of the named data set and of the file.
func (m *making) pay(ctx context.Context, c CountRecipe, q Query) error {
	for _, dataset := range []string{"name:" + c.Dataset, "sha256:" + m.r.SourceHash} {
		_, err := m.Ledger.Spend(ctx, Spending{ID: m.r.ID + " " + dataset, Dataset: dataset, Recipient: m.r.Recipient, What: m.r.Title, Cost: q.Cost}, m.Budget)
		if errors.Is(err, ErrSpent) {
			return mistake("the privacy budget of this data set or of this recipient is spent: ask for less (a smaller epsilon), or not at all",
				"该数据集或该接收方的隐私预算已用尽：请减小 epsilon，或停止发布")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const joinGroups = "|"

// groups counts rows, of each person the first few only.
func (c CountRecipe) groups(t *Table) (counts map[string]int64, left int, err error) {
	index := map[string]int{}
	for i, name := range t.Header() {
		index[name] = i
	}
	var by []int
	for _, name := range append(slices.Clone(c.By), c.Person) {
		i, ok := index[name]
		if !ok {
			return nil, 0, mistake("the table has no column "+strconv.Quote(name), "表中没有列 "+strconv.Quote(name))
		}
		by = append(by, i)
	}
	person := by[len(by)-1]
	counts, seen := map[string]int64{}, map[string]int{}
	for row := range t.Rows() {
		who := t.Cell(row, person)
		if seen[who]++; seen[who] > c.PerPerson {
			left++
			continue
		}
		var cells []string
		for _, i := range by[:len(by)-1] {
			cells = append(cells, t.Cell(row, i))
		}
		counts[strings.Join(cells, joinGroups)]++
	}
	return counts, left, nil
}

func (c CountRecipe) noisy(n *Noise, groups map[string]int64, q Query) (map[string]int64, int64, error) {
	if len(c.Known) == 0 {
		return n.Partitions(groups, q)
	}
	values := make([]int64, len(c.Known))
	for i, name := range c.Known {
		values[i] = groups[name]
	}
	noisy, err := n.Counts(values, q)
	if err != nil {
		return nil, 0, err
	}
	shown := map[string]int64{}
	for i, name := range c.Known {
		shown[name] = max(0, noisy[i]) // what is below nothing says nothing more
	}
	return shown, 0, nil
}

func (c CountRecipe) write(out io.Writer, shown map[string]int64) error {
	w := csv.NewWriter(out)
	if err := w.Write(append(slices.Clone(c.By), "count")); err != nil {
		return err
	}
	for _, name := range sortedKeys(shown) {
		cells := strings.SplitN(name, joinGroups, len(c.By))
		for len(cells) < len(c.By) {
			cells = append(cells, "")
		}
		if !utf8.ValidString(name) {
			return fmt.Errorf("%w: a value is not UTF-8", ErrRefused)
		}
		if err := w.Write(append(cells, strconv.FormatInt(shown[name], 10))); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
