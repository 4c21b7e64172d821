package release

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cordon-health/cordon/internal/strict"
)

// Config says what a table must look like before it leaves.
type Config struct {
	// Separator is what separates the columns of the table; empty finds out.
	Separator string `yaml:"separator"`
	// Columns says of every column what it is. A column that is not named
	// refuses the release: nobody decided about it.
	Columns map[string]ColumnConfig `yaml:"columns"`
	// K is how many rows at least must look alike.
	K int `yaml:"k"`
	// MaxSuppression is the share of rows that may be dropped, 0 to 1.
	MaxSuppression float64 `yaml:"max_suppression"`
	Metric         Metric  `yaml:"metric"`
	// Refine splits classes one by one after the best common levels were
	// found: less is lost, but a column then has labels of several levels.
	Refine bool `yaml:"refine"`
	// Mark keeps dropped rows, with "*" in place of all that could identify
	// and of what is sensitive. Otherwise they are left out.
	Mark bool       `yaml:"mark_suppressed"`
	Risk RiskConfig `yaml:"risk"`
}

// What a column is.
const (
	Identifying = "identifying" // points at a person: left out
	Quasi       = "quasi"       // points at a person together with others: generalised
	Sensitive   = "sensitive"   // nobody should learn it of a person: l and t
	Insensitive = "insensitive" // kept as it is
)

// ColumnConfig says what a column is, and how it is protected.
type ColumnConfig struct {
	// Kind is identifying, quasi, sensitive or insensitive.
	Kind string `yaml:"kind"`
	// Hierarchy says how a quasi-identifying column is generalised; without
	// one it is kept or suppressed as a whole.
	Hierarchy Build `yaml:"hierarchy"`
	// Levels, when given, are the least and the most general level allowed.
	Levels []int `yaml:"levels"`
	// Weight is how much the column's loss counts against that of others; 0 is 1.
	Weight float64 `yaml:"weight"`
	// L and T protect a sensitive column.
	L *Diversity `yaml:"l"`
	T *Closeness `yaml:"t"`
}

// Diversity asks for l different values of a sensitive column in each class.
type Diversity struct {
	// Kind is distinct (the default), entropy or recursive.
	Kind string  `yaml:"kind"`
	L    float64 `yaml:"l"`
	// C is the factor of recursive (c,l)-diversity.
	C float64 `yaml:"c"`
}

// Closeness asks that the values of a sensitive column are distributed in each
// class almost as in the whole table.
type Closeness struct {
	// Distance is equal (the default), ordered or hierarchical.
	Distance string  `yaml:"distance"`
	T        float64 `yaml:"t"`
	// Order lists the values of ordered distance; without it numbers are
	// ordered as numbers and other values as text.
	Order []string `yaml:"order"`
	// Hierarchy is that of hierarchical distance.
	Hierarchy Build `yaml:"hierarchy"`
}

// Metric is how loss is measured.
type Metric struct {
	// Kind is loss (the default: the share of the domain a cell stands for) or
	// precision (the share of the levels it was raised).
	Kind string `yaml:"kind"`
	// Aggregate joins the columns: geometric (the default), arithmetic or
	// maximum.
	Aggregate string `yaml:"aggregate"`
}

// RiskConfig says what risk is measured against.
type RiskConfig struct {
	// Threshold is the risk a single row may have; 0 is 0.05.
	Threshold float64 `yaml:"threshold"`
	// Population is how many people the table's people were drawn from; 0 is
	// not known.
	Population int64 `yaml:"population"`
	// PopulationTable is a CSV file with the quasi-identifying columns of all
	// of them, relative to the configuration.
	PopulationTable string `yaml:"population_table"`
}

// ReadConfig reads and checks a configuration in YAML.
func ReadConfig(r io.Reader) (Config, error) {
	const most = 16 << 20
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	if len(text) > most {
		return Config{}, fmt.Errorf("the configuration is larger than %d MiB", most>>20)
	}
	var c Config
	if err := strict.Unmarshal(text, &c); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, c.Check()
}

// Check finds what is wrong with a configuration.
func (c Config) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.K < 1 {
		bad("k is how many rows must look alike: 2 or more (1 switches it off)")
	}
	if !(c.MaxSuppression >= 0 && c.MaxSuppression <= 1) {
		bad("max_suppression is a share between 0 and 1")
	}
	if len([]rune(c.Separator)) > 1 {
		bad("separator is one character")
	}
	if !among(c.Metric.Kind, "", "loss", "precision") {
		bad("metric.kind is loss or precision")
	}
	if !among(c.Metric.Aggregate, "", "geometric", "arithmetic", "maximum") {
		bad("metric.aggregate is geometric, arithmetic or maximum")
	}
	if !(c.Risk.Threshold >= 0 && c.Risk.Threshold <= 1) || c.Risk.Population < 0 {
		bad("risk.threshold is between 0 and 1, and risk.population not negative")
	}
	quasi := 0
	for name, col := range c.Columns {
		if col.Kind == Quasi {
			quasi++
		}
		if err := col.check(); err != nil {
			bad("columns.%s: %w", name, err)
		}
	}
	if quasi == 0 {
		bad("no column is quasi: name at least one that could point at a person together with others")
	}
	slices.SortFunc(errs, func(a, b error) int { return compareText(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func compareText(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func among(s string, of ...string) bool { return slices.Contains(of, s) }

func (c ColumnConfig) check() error {
	switch {
	case !among(c.Kind, Identifying, Quasi, Sensitive, Insensitive):
		return errors.New("kind is identifying, quasi, sensitive or insensitive")
	case c.Kind != Sensitive && (c.L != nil || c.T != nil):
		return errors.New("l and t are for sensitive columns")
	case c.Kind != Quasi && (c.Hierarchy.kinds() > 0 || c.Levels != nil || c.Weight != 0):
		return errors.New("hierarchy, levels and weight are for quasi-identifying columns")
	case !(c.Weight >= 0) || c.Weight > 1e6:
		return errors.New("weight is not negative, and no more than a million")
	case c.Levels != nil && (len(c.Levels) != 2 || c.Levels[0] < 0 || c.Levels[1] < c.Levels[0]):
		return errors.New("levels are two numbers: the least and the most general level allowed")
	}
	if err := c.Hierarchy.check(); err != nil {
		return err
	}
	if err := c.L.check(); err != nil {
		return err
	}
	return c.T.check()
}

func (d *Diversity) check() error {
	switch {
	case d == nil:
		return nil
	case !among(d.Kind, "", "distinct", "entropy", "recursive"):
		return errors.New("l.kind is distinct, entropy or recursive")
	case !(d.L >= 1) || d.L > 1e6:
		return errors.New("l.l is how many different values a class needs: 2 or more")
	case d.Kind == "recursive" && !(d.C > 0):
		return errors.New("l.c is the factor of recursive diversity: a number above 0")
	case d.Kind != "recursive" && d.C != 0:
		return errors.New("l.c is for recursive diversity")
	}
	return nil
}

func (t *Closeness) check() error {
	switch {
	case t == nil:
		return nil
	case !among(t.Distance, "", "equal", "ordered", "hierarchical"):
		return errors.New("t.distance is equal, ordered or hierarchical")
	case !(t.T >= 0 && t.T <= 1):
		return errors.New("t.t is between 0 and 1")
	case (t.Distance == "hierarchical") != (t.Hierarchy.kinds() == 1):
		return errors.New("t.hierarchy goes with hierarchical distance")
	case t.Order != nil && t.Distance != "ordered":
		return errors.New("t.order goes with ordered distance")
	}
	return t.Hierarchy.check()
}
