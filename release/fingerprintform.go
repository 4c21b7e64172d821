package release

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dchest/siphash"
	"golang.org/x/text/width"
)

// Form is how the cells of a column are read for marks.
type Form string

// The forms.
const (
	FormNumber Form = "number"
	FormDate   Form = "date"
	FormText   Form = "text"
)

// MarkedColumn is what the registry keeps of a column of a released copy. It
// holds no value of the table.
type MarkedColumn struct {
	Name string `json:"name"`
	Form Form   `json:"form"`
	// Step is the width of a number's bin, a day for dates; Wide is how many
	// bins make one coarse bucket, which marking never leaves.
	Step float64 `json:"step,omitempty"`
	Wide int64   `json:"wide,omitempty"`
	// Sketch recognises the column when its name was changed: keyed digests of
	// common texts, or five points of a number's distribution.
	Sketch []uint32  `json:"sketch,omitempty"`
	Points []float64 `json:"points,omitempty"`
}

// form is a column read for marks.
type form struct {
	MarkedColumn
	// bin and coarse are by code of the column; ok is false for cells that are
	// empty or cannot be read. For texts both are a digest.
	bin, coarse []uint64
	ok          []bool
	number      []float64 // by code, of numbers
	layout      string    // of dates
	fixed       bool      // singles rows out, or is too uniform: never changed
	low, high   float64
}

// canonical is a text without what people change without meaning: case, space,
// full width.
func canonical(s string) string {
	return strings.Join(strings.Fields(strings.ToLower(width.Fold.String(s))), " ")
}

func digest(s string) uint64 { return siphash.Hash(0x636f72646f6e, 0x72656c65617365, []byte(s)) }

// heading is a column's name without what spreadsheets change about it.
func heading(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, canonical(name))
}

func readNumber(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if strings.Count(s, ",") > 0 && !strings.Contains(s, ".") && strings.Count(s, ",") == 1 && len(s)-strings.IndexByte(s, ',') != 4 {
		s = strings.Replace(s, ",", ".", 1)
	}
	s = strings.ReplaceAll(s, ",", "")
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil && !math.IsNaN(x) && math.Abs(x) < 1e15
}

// dayLayouts are how dates are written; the first that reads a whole column is
// taken.
func dayLayouts() []string {
	return []string{"2006-01-02", "2006/1/2", "20060102", "2006年1月2日", "2006.1.2", "02.01.2006", "2.1.2006", "1/2/2006", "2/1/2006", "2-Jan-2006", "Jan 2, 2006"}
}

// splitDay parts a cell into its day and what follows it.
func splitDay(s string, layout string) (day, rest string) {
	if strings.Contains(layout, " ") {
		return s, ""
	}
	if i := strings.IndexAny(s, " T"); i > 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func parseDay(s, layout string) (int64, bool) {
	day, _ := splitDay(strings.TrimSpace(s), layout)
	t, err := time.Parse(layout, day)
	if err != nil || t.Year() < 1800 || t.Year() > 2200 {
		return 0, false
	}
	return t.Unix() / 86400, true
}

// readForms looks at what the columns hold. text names columns that are read as
// texts whatever they hold.
func readForms(t *Table, text []string) []form {
	out := make([]form, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		f := &out[i]
		f.Name, f.Form = c.Name, FormText
		if !slices.Contains(text, c.Name) {
			f.guess(c)
		}
		f.read(c)
		distinct := len(c.Values)
		single := t.rows >= 20 && distinct > t.rows*9/10 && (f.Form == FormText || f.Form == FormNumber && integers(c.Values))
		f.fixed = distinct < 2 || single || f.Form == FormText && distinct > 5000
		if single {
			f.Form, f.Step, f.Wide = FormText, 0, 0
			f.read(c)
		}
	}
	return out
}

// guess finds out whether a column holds dates or numbers.
func (f *form) guess(c *Column) {
	if layout, ok := layoutOf(c); ok {
		f.Form, f.layout, f.Step, f.Wide = FormDate, layout, 1, 91
		return
	}
	numbers, filled := make([]float64, 0, len(c.Values)), 0
	for _, v := range c.Values {
		if strings.TrimSpace(v) == "" {
			continue
		}
		filled++
		if x, ok := readNumber(v); ok {
			numbers = append(numbers, x)
		}
	}
	if filled < 13 || len(numbers) < filled*49/50 {
		return // few different ones are codes, whatever they look like
	}
	slices.Sort(numbers)
	at := func(q float64) float64 { return numbers[int(q*float64(len(numbers)-1))] }
	spread := at(.75) - at(.25)
	unit := granularity(numbers)
	if unit == 0 || spread <= 0 || unit > spread/4 {
		return
	}
	step := unit
	for step*10 <= spread/8 {
		step *= 10
	}
	f.Form, f.Step, f.Wide = FormNumber, step, max(int64(spread/1.5/step), 5)
	f.low, f.high = numbers[0], numbers[len(numbers)-1]
	f.Points = []float64{at(0.05), at(0.25), at(0.5), at(0.75), at(0.95)}
}

// granularity is the greatest unit that all numbers are multiples of, down to
// a millionth; 0 where there is none.
func granularity(numbers []float64) float64 {
	for scale := 1.0; scale <= 1e6; scale *= 10 {
		unit, whole := int64(0), true
		for _, x := range numbers {
			y := math.Round(x * scale)
			if math.Abs(x*scale-y) > 1e-6*max(1, math.Abs(y)*1e-6) || math.Abs(y) > 1e15 {
				whole = false
				break
			}
			unit = divisor(unit, int64(math.Abs(y)))
		}
		if whole {
			return float64(unit) / scale
		}
	}
	return 0
}

func divisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func layoutOf(c *Column) (string, bool) {
	best, most := "", 0
	n := 0
	for _, layout := range dayLayouts() {
		read := 0
		n = 0
		for i, v := range c.Values {
			if i >= 2000 {
				break
			}
			if strings.TrimSpace(v) == "" {
				continue
			}
			n++
			if _, ok := parseDay(v, layout); ok {
				read++
			} else if n > 20 && read == 0 {
				break
			}
		}
		if read > most {
			best, most = layout, read
		}
	}
	return best, n > 0 && most >= max(n*9/10, 1)
}

// read fills the bins of the column's values.
func (f *form) read(c *Column) {
	f.bin, f.coarse = make([]uint64, len(c.Values)), make([]uint64, len(c.Values))
	f.ok, f.number = make([]bool, len(c.Values)), make([]float64, len(c.Values))
	if f.Form == FormDate && f.layout == "" {
		f.layout, _ = layoutOf(c)
	}
	for code, v := range c.Values {
		var bin int64
		switch f.Form {
		case FormNumber:
			x, ok := readNumber(v)
			f.ok[code], f.number[code] = ok, x
			bin = f.binOf(x)
		case FormDate:
			bin, f.ok[code] = parseDay(v, f.layout)
		default:
			text := canonical(v)
			f.ok[code] = text != ""
			f.bin[code] = digest(text)
			f.coarse[code] = f.bin[code]
			continue
		}
		f.bin[code], f.coarse[code] = uint64(bin), uint64(floorDiv(bin, f.Wide))
	}
}

func (f *form) binOf(x float64) int64 {
	return int64(math.Floor(math.Round(x/f.Step*1e6)/1e6 + 0.5))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// moved writes a cell that lies k bins away, in the form it had.
func (f *form) moved(value string, code uint32, k int64) string {
	if f.Form == FormDate {
		day, rest := splitDay(strings.TrimSpace(value), f.layout)
		t, err := time.Parse(f.layout, day)
		if err != nil {
			return value
		}
		return t.AddDate(0, 0, int(k)).Format(f.layout) + rest
	}
	decimals := 0
	if _, after, ok := strings.Cut(value, "."); ok {
		decimals = len(strings.TrimSpace(after))
	}
	return strconv.FormatFloat(f.number[code]+float64(k)*f.Step, 'f', decimals, 64)
}
