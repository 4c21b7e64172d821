package release

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
)

// A search knows identifiers by their form and their labels. A record number
// without a label, or a name amid a sentence, has neither; but the source says
// in its own columns what the values are, so the output is searched for those.

// survivors are the values of a source's identifying columns.
type survivors struct {
	columns []string
	of      map[string]int // value, normalised, to its column
}

const (
	leastNumber = 5 // characters of a number that counts within a text
	leastWhole  = 7 // and as a whole cell, where short ones meet by chance
	mostWords   = 4 // words, or Chinese characters, of a name
	fewNames    = 5 // different names of two characters, which are words by chance
)

// identifying reads the source again and keeps what names its people: every
// value of a column that classify takes for an identifier, and the numbers of
// those that the recipe calls identifying or pseudonyms.
func (r Recipe) identifying(in io.Reader, engine *classify.Engine) (*survivors, error) {
	text := bufio.NewReaderSize(in, 1<<20)
	t, err := ReadTable(text, firstSeparator(text), Bounds{}, nil)
	if err != nil {
		return nil, err
	}
	s := &survivors{of: map[string]int{}}
	direct := Identifiers(t, engine)
	for i := range t.Columns {
		c := &t.Columns[i]
		named := slices.ContainsFunc(direct, func(d Direct) bool { return d.Column == c.Name })
		if !named && r.Anonymize.Columns[c.Name].Kind != Identifying && !slices.Contains(r.Pseudonyms, c.Name) {
			continue
		}
		s.columns = append(s.columns, c.Name)
		for _, v := range c.Values {
			if v = normal(v); longNumber(v) || named && wholeName(v) {
				s.of[v] = len(s.columns) - 1
			}
		}
	}
	return s, nil
}

// normal writes a value as its words, with one space between.
func normal(v string) string {
	return strings.Join(strings.FieldsFunc(v, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }), " ")
}

// longNumber says whether a value is a number long enough to be nobody else's, and
// no date.
func longNumber(v string) bool {
	digits := 0
	for _, r := range v {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	if len(v) < leastNumber || digits < 4 || strings.Contains(v, " ") {
		return false
	}
	_, err := time.Parse("20060102", v)
	return err != nil
}

// wholeName says whether a value has the shape of a whole name.
func wholeName(v string) bool {
	if allHan(v) {
		n := utf8.RuneCountInString(v)
		return n >= 2 && n <= mostWords
	}
	words := strings.Count(v, " ") + 1
	return words >= 2 && words <= mostWords && len(v) >= 6
}

func allHan(v string) bool {
	return v != "" && strings.IndexFunc(v, func(r rune) bool { return !unicode.Is(unicode.Han, r) }) < 0
}

// find counts, by column of the source, the different values of it in the
// output. pseudonyms may meet a value of the source by chance, most of them
// may not.
func (s *survivors) find(t *Table, pseudonyms []string) map[string]int64 {
	seen, short := map[string]bool{}, 0
	for i := range t.Columns {
		c := &t.Columns[i]
		here := map[string]bool{}
		for _, v := range c.Values {
			s.cell(normal(v), here)
		}
		if slices.Contains(pseudonyms, c.Name) && 2*len(here) <= len(c.Values) {
			continue
		}
		for v := range here {
			seen[v] = true
		}
	}
	for v := range seen {
		if shortName(v) {
			short++
		}
	}
	out := map[string]int64{}
	for v := range seen {
		if !shortName(v) || short >= fewNames {
			out["column "+s.columns[s.of[v]]]++
		}
	}
	return out
}

func shortName(v string) bool { return allHan(v) && utf8.RuneCountInString(v) == 2 }

// cell finds values within one cell.
func (s *survivors) cell(v string, found map[string]bool) {
	take := func(part string) {
		if _, ok := s.of[part]; ok {
			found[part] = true
		}
	}
	if plain := strings.Trim(v, "0123456789.") == ""; !plain || len(v) >= leastWhole {
		take(v)
	} else {
		return // a short number by itself is an amount
	}
	words := strings.Fields(v)
	for i := range words {
		for n := 2; n <= mostWords && i+n <= len(words); n++ {
			take(strings.Join(words[i:i+n], " "))
		}
		pieces(words[i], take)
	}
}

// pieces gives a word's runs of Latin letters and digits, its runs of digits,
// and the parts of its Chinese runs that are as long as names.
func pieces(word string, take func(string)) {
	ascii := func(r rune) bool { return r < utf8.RuneSelf }
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	for _, run := range strings.FieldsFunc(word, func(r rune) bool { return !ascii(r) }) {
		take(run)
	}
	for _, run := range strings.FieldsFunc(word, func(r rune) bool { return !digit(r) }) {
		take(run)
	}
	for _, run := range strings.FieldsFunc(word, func(r rune) bool { return !unicode.Is(unicode.Han, r) }) {
		runes := []rune(run)
		for i := range runes {
			for n := 2; n <= mostWords && i+n <= len(runes); n++ {
				take(string(runes[i : i+n]))
			}
		}
	}
}
