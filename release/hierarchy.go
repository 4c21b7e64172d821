package release

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cordon-health/cordon/internal/sheet"
)

// Suppressed is what a cell shows that says nothing any more.
const Suppressed = "*"

const (
	mostLevels = 30
	mostLabels = 5_000_000
)

// Hierarchy says for each value of a column what it becomes, level by level,
// from itself (level 0) to what says least. Two values that share a label at
// one level share those above it, which is checked.
type Hierarchy struct {
	levels int // with level 0
	index  map[string]int
	labels [][]string // by row: levels 0 to levels-1
}

// Levels is how many levels there are, level 0 being the value itself.
func (h *Hierarchy) Levels() int { return h.levels }

// Label is what a value becomes at a level; false where the hierarchy has no
// such value.
func (h *Hierarchy) Label(value string, level int) (string, bool) {
	row, ok := h.index[value]
	if !ok || level < 0 || level >= h.levels {
		return "", false
	}
	return h.labels[row][level], true
}

// ReadHierarchy reads a hierarchy as ARX writes it: a line for each value, the
// value itself first and then its labels, separated by semicolons (or commas,
// or tabs), without a header.
func ReadHierarchy(r io.Reader) (*Hierarchy, error) {
	limit := &rowLimit{r: r, most: 4 << 20}
	text, comma := sheet.UTF8(limit)
	in := csv.NewReader(text)
	in.Comma, in.FieldsPerRecord = comma, -1
	var rows [][]string
	labels := 0
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return newHierarchy(rows)
		}
		if err != nil {
			return nil, fmt.Errorf("read the hierarchy: %w", rowError(err))
		}
		limit.run = 0
		if labels += len(row); labels > mostLabels {
			return nil, fmt.Errorf("the hierarchy has more than %d labels: use intervals, dates or prefixes instead of a file", mostLabels)
		}
		rows = append(rows, row)
	}
}

func newHierarchy(rows [][]string) (*Hierarchy, error) {
	if len(rows) == 0 {
		return nil, errors.New("the hierarchy is empty: it needs a line for each value")
	}
	h := &Hierarchy{levels: len(rows[0]), index: make(map[string]int, len(rows)), labels: rows}
	if h.levels > mostLevels {
		return nil, fmt.Errorf("the hierarchy has %d levels, more than %d", h.levels, mostLevels)
	}
	for i, row := range rows {
		if len(row) != h.levels {
			return nil, fmt.Errorf("line %d of the hierarchy has %d levels where the first has %d", i+1, len(row), h.levels)
		}
		if first, twice := h.index[row[0]]; twice {
			return nil, fmt.Errorf("lines %d and %d of the hierarchy are about the same value", first+1, i+1)
		}
		h.index[row[0]] = i
	}
	return h, h.tree()
}

// tree checks that what is one label at a level is one label above it.
func (h *Hierarchy) tree() error {
	for level := 1; level < h.levels; level++ {
		above := map[string]string{}
		for i, row := range h.labels {
			if up, ok := above[row[level-1]]; ok && up != row[level] {
				return fmt.Errorf("line %d of the hierarchy: values that are one at level %d are two at level %d; a label must have one label above it", i+1, level-1, level)
			}
			above[row[level-1]] = row[level]
		}
	}
	return nil
}

// domain is how many values the hierarchy knows.
func (h *Hierarchy) domain() int { return len(h.labels) }

// Build describes a hierarchy: a file, or one of the built-in kinds. One of
// the fields is set; none means that the column is kept or suppressed as a
// whole.
type Build struct {
	// File is a hierarchy as ARX writes it, relative to the configuration.
	File string `yaml:"file"`
	// Intervals are the widths of ever wider intervals of numbers, each a
	// multiple of the one before: [5, 10, 20].
	Intervals []float64 `yaml:"intervals"`
	// Over puts all numbers above it into one interval, at every level but the
	// first (90 and over, as HIPAA asks of ages: 89).
	Over *float64 `yaml:"over"`
	// Dates are ever longer parts of time: [month, quarter, year, decade].
	Dates []string `yaml:"dates"`
	// Prefix are ever fewer characters that stay, of a postal or region code:
	// [4, 2].
	Prefix []int `yaml:"prefix"`
	// Labels is the hierarchy itself: what each value becomes, without the
	// value and without the final "*".
	Labels map[string][]string `yaml:"labels"`
}

// kinds counts how many of the ways are set.
func (b Build) kinds() int {
	n := 0
	for _, set := range []bool{b.File != "", b.Intervals != nil, b.Dates != nil, b.Prefix != nil, b.Labels != nil} {
		if set {
			n++
		}
	}
	return n
}

// check finds what is wrong before any table is read.
func (b Build) check() error {
	switch {
	case b.kinds() > 1:
		return errors.New("a hierarchy is one of file, intervals, dates, prefix and labels")
	case b.Over != nil && b.Intervals == nil:
		return errors.New("over needs intervals")
	}
	for i, w := range b.Intervals {
		if !(w > 0) || w > 1e12 {
			return errors.New("the width of an interval is a number above 0")
		}
		if i > 0 && !multiple(w, b.Intervals[i-1]) {
			return fmt.Errorf("the interval %v is no multiple of %v before it", w, b.Intervals[i-1])
		}
	}
	if err := checkDates(b.Dates); err != nil {
		return err
	}
	for i, n := range b.Prefix {
		if n < 1 || i > 0 && n >= b.Prefix[i-1] {
			return errors.New("prefix are numbers of characters, ever fewer: [4, 2]")
		}
	}
	return nil
}

func multiple(w, of float64) bool {
	q := w / of
	return q > 1 && math.Abs(q-math.Round(q)) < 1e-9
}

func datePeriods() []string { return []string{"day", "month", "quarter", "year", "decade"} }

func checkDates(periods []string) error {
	last := -1
	for _, p := range periods {
		at := -1
		for i, known := range datePeriods() {
			if p == known {
				at = i
			}
		}
		if at <= last {
			return fmt.Errorf("dates are ever longer ones of %s", strings.Join(datePeriods(), ", "))
		}
		last = at
	}
	return nil
}

// over makes the hierarchy of the values of a column. open reads a file named
// by the configuration.
func (b Build) over(values []string, open func(string) (io.ReadCloser, error)) (*Hierarchy, error) {
	if b.File != "" {
		f, err := open(b.File)
		if err != nil {
			return nil, fmt.Errorf("hierarchy: %w", err)
		}
		defer f.Close()
		return ReadHierarchy(f)
	}
	steps, err := b.steps(integers(values))
	if err != nil {
		return nil, err
	}
	rows := make([][]string, len(values))
	for i, v := range values {
		row := []string{v}
		for _, step := range steps {
			label, ok := step(v)
			if !ok {
				return nil, fmt.Errorf("a value (the %s different one) fits no level of the hierarchy: clean the column, or give its values in a file", ordinal(i+1))
			}
			row = append(row, label)
		}
		rows[i] = append(row, Suppressed)
	}
	if len(rows) == 0 {
		rows = [][]string{{"", Suppressed}}
	}
	return newHierarchy(rows)
}

func ordinal(n int) string { return strconv.Itoa(n) + "." }

// step makes a label of a value; false where the value fits no level.
type step func(value string) (string, bool)

func (b Build) steps(whole bool) ([]step, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	var out []step
	for _, w := range b.Intervals {
		out = append(out, b.interval(w, whole))
	}
	for _, p := range b.Dates {
		out = append(out, period(p))
	}
	for _, n := range b.Prefix {
		out = append(out, prefix(n))
	}
	most := 0
	for _, labels := range b.Labels {
		most = max(most, len(labels))
	}
	for level := range most {
		out = append(out, b.label(level))
	}
	return out, nil
}

func (b Build) label(level int) step {
	return func(v string) (string, bool) {
		labels, ok := b.Labels[v]
		if !ok || level >= len(labels) {
			return "", false
		}
		return labels[level], true
	}
}

// integers says whether all numbers of a column are written without a fraction.
func integers(values []string) bool {
	for _, v := range values {
		if strings.ContainsAny(v, ".eE") {
			return false
		}
	}
	return true
}

// interval labels integers as 20-24 and other numbers as [20, 25).
func (b Build) interval(width float64, whole bool) step {
	whole = whole && width == math.Trunc(width)
	return func(v string) (string, bool) {
		v = strings.TrimSpace(v)
		if v == "" {
			return "", true
		}
		x, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(x) || math.Abs(x) > 1e15 {
			return "", false
		}
		if b.Over != nil && x > *b.Over {
			return ">" + number(*b.Over), true
		}
		low := math.Floor(x/width) * width
		if whole {
			return number(low) + "-" + number(low+width-1), true
		}
		return "[" + number(low) + ", " + number(low+width) + ")", true
	}
}

func number(x float64) string {
	return strconv.FormatFloat(math.Round(x*1e9)/1e9, 'f', -1, 64)
}

func period(name string) step {
	return func(v string) (string, bool) {
		if strings.TrimSpace(v) == "" {
			return "", true
		}
		t, ok := readDay(v)
		if !ok {
			return "", false
		}
		switch name {
		case "day":
			return t.Format(time.DateOnly), true
		case "month":
			return t.Format("2006-01"), true
		case "quarter":
			return fmt.Sprintf("%04d-Q%d", t.Year(), (int(t.Month())+2)/3), true
		case "year":
			return t.Format("2006"), true
		}
		return fmt.Sprintf("%ds", t.Year()/10*10), true
	}
}

// readDay reads the day of a date or time as exports write them.
func readDay(v string) (time.Time, bool) {
	v = strings.TrimSpace(v)
	if len(v) > 10 && (v[10] == 'T' || v[10] == ' ') {
		v = v[:10]
	}
	if cut, _, ok := strings.Cut(v, " "); ok {
		v = cut
	}
	for _, layout := range []string{"2006-01-02", "2006/1/2", "20060102", "2006年1月2日", "2006-1-2", "2006.1.2"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// prefix keeps the first characters and shows how many were taken away. What
// is shorter stays as it is.
func prefix(n int) step {
	return func(v string) (string, bool) {
		length := utf8.RuneCountInString(v)
		if length <= n {
			return v, true
		}
		at, left := 0, n
		for left > 0 {
			_, size := utf8.DecodeRuneInString(v[at:])
			at, left = at+size, left-1
		}
		return v[:at] + strings.Repeat("*", length-n), true
	}
}
