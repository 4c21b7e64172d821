package release

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
)

// Job makes one table file anonymous.
type Job struct {
	Config Config
	// Files opens hierarchies and the population table.
	Files Files
	// Engine looks for direct identifiers; nil does not look.
	Engine *classify.Engine
	// Pseudonyms are columns of tokens, which look like numbers of people and
	// are none.
	Pseudonyms []string
	Bounds     Bounds
	Now        func() time.Time
	// Seen, when not nil, is told how far a step is; total is 0 while nobody
	// knows it.
	Seen func(step string, done, total int)
}

// Report is what a job did: the recipe, its cost and the risk that remains.
type Report struct {
	Result
	SuppressedShare float64 `json:"suppressed_share"`
	// Removed are the identifying columns, which were left out.
	Removed []string `json:"removed_columns"`
	K       int      `json:"k"`
	// Before is the risk of the table as it came, without its identifying
	// columns; Risk that of what was written.
	Before Risk `json:"risk_before"`
	Risk   Risk `json:"risk"`
	// Time, in seconds: of all, and of its parts.
	Seconds          float64 `json:"seconds"`
	ReadSeconds      float64 `json:"read_seconds"`
	AnonymizeSeconds float64 `json:"anonymize_seconds"`
	RiskSeconds      float64 `json:"risk_seconds"`
}

// Run reads a table, makes it anonymous and writes it. It refuses a table with
// direct identifiers in columns that would stay. What was written before an
// error is worth nothing.
func (j Job) Run(ctx context.Context, in io.Reader, out io.Writer) (Report, error) {
	separator, _ := utf8.DecodeRuneInString(j.Config.Separator)
	if j.Config.Separator == "" {
		separator = 0
	}
	begun := j.Now()
	text := bufio.NewReaderSize(in, 1<<20)
	if separator == 0 {
		separator = firstSeparator(text)
	}
	t, err := ReadTable(text, separator, j.Bounds, func(rows int) { j.seen("read", rows, 0) })
	if err != nil {
		return Report{}, err
	}
	read := j.Now()
	result, err := Anonymize(ctx, t, j.Config, j.Files, func(done, total int) { j.seen("search", done, total) })
	if err != nil {
		return Report{}, err
	}
	done := j.Now()
	if j.Engine != nil {
		found := slices.DeleteFunc(Identifiers(result.Table, j.Engine), func(d Direct) bool { return slices.Contains(j.Pseudonyms, d.Column) })
		if err := Refuse(found); err != nil {
			return Report{}, err
		}
	}
	r := Report{Result: *result, K: j.Config.K, SuppressedShare: float64(result.Suppressed) / float64(result.Rows), Removed: []string{}}
	for _, c := range t.Columns {
		if j.Config.Columns[c.Name].Kind == Identifying {
			r.Removed = append(r.Removed, c.Name)
		}
	}
	measured := j.Now()
	if err := j.measure(t, &r); err != nil {
		return r, err
	}
	r.RiskSeconds = j.Now().Sub(measured).Seconds()
	j.seen("write", 0, 0)
	if err := result.Table.WriteCSV(out, separator); err != nil {
		return r, err
	}
	r.ReadSeconds, r.AnonymizeSeconds, r.Seconds = read.Sub(begun).Seconds(), done.Sub(read).Seconds(), j.Now().Sub(begun).Seconds()
	return r, nil
}

func (j Job) seen(step string, done, total int) {
	if j.Seen != nil {
		j.Seen(step, done, total)
	}
}

// firstSeparator is what separates the columns of the header line: the table is
// written as it was read.
func firstSeparator(text *bufio.Reader) rune {
	head, _ := text.Peek(64 << 10)
	for _, c := range head {
		switch c {
		case ',', ';', '\t':
			return rune(c)
		case '\n':
			return ','
		}
	}
	return ','
}

// measure counts the risk before and after.
func (j Job) measure(t *Table, r *Report) error {
	var quasi []string
	for _, c := range r.Columns {
		quasi = append(quasi, c.Name)
	}
	cfg := j.Config.Risk
	var err error
	if r.Before, err = Measure(t, quasi, cfg.Threshold, nil, cfg.Population); err != nil {
		return err
	}
	people, err := j.population(r)
	if err != nil {
		return err
	}
	shown := r.Table
	if j.Config.Mark && r.Suppressed > 0 {
		shown = shown.without(quasi)
	}
	r.Risk, err = Measure(shown, quasi, cfg.Threshold, people, cfg.Population)
	return err
}

// without leaves out the rows that show "*" in all of the columns.
func (t *Table) without(columns []string) *Table {
	var keep []int
	for row := range t.rows {
		for _, name := range columns {
			if c := t.Column(name); c.Values[c.Cells[row]] != Suppressed {
				keep = append(keep, row)
				break
			}
		}
	}
	out := &Table{rows: len(keep)}
	for _, c := range t.Columns {
		cells := make([]uint32, len(keep))
		for i, row := range keep {
			cells[i] = c.Cells[row]
		}
		out.Columns = append(out.Columns, Column{c.Name, c.Values, cells})
	}
	return out
}

// population reads the table of the population, generalised as the result is;
// nil where the configuration names none.
func (j Job) population(r *Report) (*Table, error) {
	name := j.Config.Risk.PopulationTable
	if name == "" {
		return nil, nil
	}
	if j.Config.Refine {
		return nil, errors.New("population_table needs levels that are the same for all rows: switch refine off, or give risk.population")
	}
	f, err := j.Files(name)
	if err != nil {
		return nil, fmt.Errorf("population table: %w", err)
	}
	defer f.Close()
	people, err := ReadTable(f, 0, j.Bounds, nil)
	if err != nil {
		return nil, fmt.Errorf("population table: %w", err)
	}
	out := &Table{rows: people.rows}
	for _, chosen := range r.Columns {
		c := people.Column(chosen.Name)
		if c == nil {
			return nil, fmt.Errorf("population table: it has no column %q", chosen.Name)
		}
		up, err := j.generalise(c, chosen.Level)
		if err != nil {
			return nil, fmt.Errorf("population table: column %q: %w", chosen.Name, err)
		}
		out.Columns = append(out.Columns, up)
	}
	return out, nil
}

func (j Job) generalise(c *Column, level int) (Column, error) {
	h, err := j.Config.Columns[c.Name].Hierarchy.over(c.Values, j.Files)
	if err != nil {
		return Column{}, err
	}
	out := Column{Name: c.Name, Cells: make([]uint32, len(c.Cells))}
	codes, to := map[string]uint32{}, make([]uint32, len(c.Values))
	for v, value := range c.Values {
		label, ok := h.Label(value, level)
		if !ok {
			return Column{}, fmt.Errorf("the hierarchy lacks a value which the column has first in row %d", c.first(v))
		}
		code, ok := codes[label]
		if !ok {
			code = uint32(len(out.Values))
			codes[label] = code
			out.Values = append(out.Values, label)
		}
		to[v] = code
	}
	for i, cell := range c.Cells {
		out.Cells[i] = to[cell]
	}
	return out, nil
}
