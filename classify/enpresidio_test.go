package classify

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// The figures of the README: go test ./classify -run English -english -v
var (
	englishFigures = flag.Bool("english", false, "print the figures of English recognition, held-out parts included")
	englishMisses  = flag.Int("english-misses", 0, "print so many misses and false alarms of the development part")
)

// sampleData finds ../shared/data from the root of the repository.
func sampleData(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	path := filepath.Join(dir, "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("the sample data %s is not here", name)
	}
	return path
}

// presidioSample is one text of presidio-research's synthetic set; offsets
// count characters.
type presidioSample struct {
	Text     string `json:"full_text"`
	Template int    `json:"template_id"`
	Spans    []struct {
		Type  string `json:"entity_type"`
		Value string `json:"entity_value"`
		Start int    `json:"start_position"`
		End   int    `json:"end_position"`
	} `json:"spans"`
}

// held says whether a template was kept from development.
func (s *presidioSample) held() bool {
	sum := sha256.Sum256(fmt.Append(nil, s.Template))
	return sum[0]%2 == 1
}

func presidioSamples(tb testing.TB) (all []presidioSample) {
	data, err := os.ReadFile(sampleData(tb, "deid/presidio-synth-v2.json"))
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// enCut is a token as presidio-research's evaluator counts them. Its tokens are
// spaCy's; ours are cut like them: signs stand alone, mail addresses and links
// stay whole.
type enCut struct{ from, to int }

func cutTokens(text string) (cuts []enCut) {
	for from := 0; from < len(text); {
		to := strings.IndexFunc(text[from:], unicode.IsSpace)
		if to < 0 {
			to = len(text) - from
		}
		if word := text[from : from+to]; strings.Contains(word, "://") || strings.Contains(word, "@") {
			word = strings.TrimRight(word, ".,;:?!")
			cuts = append(cuts, enCut{from, from + len(word)})
			from += len(word)
			for ; from < len(text) && !unicode.IsSpace(rune(text[from])); from++ {
				cuts = append(cuts, enCut{from, from + 1})
			}
			continue
		}
		cuts = appendPlain(cuts, text, from, from+to)
		from += to + 1
	}
	return cuts
}

func appendPlain(cuts []enCut, text string, from, to int) []enCut {
	start := -1
	for i, c := range text[from:to] {
		i += from
		if unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsMark(c) || (c == '.' || c == ':') && start >= 0 && i+1 < to && text[i+1] >= '0' && text[i+1] <= '9' && text[i-1] >= '0' && text[i-1] <= '9' {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 {
			cuts = append(cuts, enCut{start, i})
		}
		start = -1
		cuts = append(cuts, enCut{i, i + len(string(c))})
	}
	if start >= 0 {
		cuts = append(cuts, enCut{start, to})
	}
	return cuts
}

// enTally counts tokens as presidio-research's Evaluator does for "PII": a
// token is found when it is labelled and predicted, of whatever type.
type enTally struct {
	labelled, predicted, both int
	types                     map[string][2]int // labelled, found
}

func (c *enTally) String() string {
	p, r := float64(c.both)/float64(max(1, c.predicted)), float64(c.both)/float64(max(1, c.labelled))
	s := fmt.Sprintf("P %.3f R %.3f F2 %.3f (%d labelled tokens)", p, r, 5*p*r/max(1e-9, 4*p+r), c.labelled)
	var names []string
	for name := range c.types {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		n := c.types[name]
		s += fmt.Sprintf("\n    %-18s %5d tokens, recall %.3f", name, n[0], float64(n[1])/float64(max(1, n[0])))
	}
	return s
}

// tally counts one sample. out are types left out of the count, whether found
// or not.
func (c *enTally) tally(s *presidioSample, spans []Span, out []string, show *int) {
	offsets := append(runeOffsets(s.Text), len(s.Text))
	for _, cut := range cutTokens(s.Text) {
		kind := ""
		for _, l := range s.Spans {
			if l.End < len(offsets) && cut.from < offsets[l.End] && cut.to > offsets[l.Start] {
				kind = l.Type
			}
		}
		if slices.Contains(out, kind) {
			continue
		}
		found := slices.ContainsFunc(spans, func(p Span) bool {
			return p.Kind != Condition && cut.from < p.End && cut.to > p.Start
		})
		if kind != "" {
			c.labelled++
			n := c.types[kind]
			n[0]++
			if found {
				c.both++
				n[1]++
			}
			c.types[kind] = n
		}
		if found {
			c.predicted++
		}
		if *show > 0 && found != (kind != "") {
			*show--
			fmt.Printf("%-16s %q in %q\n", map[bool]string{true: "FALSE", false: "MISS " + kind}[found], s.Text[cut.from:cut.to], s.Text)
		}
	}
}

func runeOffsets(text string) (all []int) {
	for i := range text {
		all = append(all, i)
	}
	return all
}

// presidioOut are the types that no law asks to remove and no kind of ours
// names: job titles, nationalities, ages up to 89.
var presidioOut = []string{"TITLE", "NRP", "AGE"}

func scorePresidio(t *testing.T, held bool, out []string, show int) enTally {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := enTally{types: map[string][2]int{}}
	for _, s := range presidioSamples(t) {
		if s.held() == held {
			c.tally(&s, e.Scan(nil, []byte(s.Text), Redact), out, &show)
		}
	}
	return c
}

func TestEnglishPresidio(t *testing.T) {
	c := scorePresidio(t, false, nil, *englishMisses)
	t.Logf("presidio synth v2, templates of development, all types: %s", &c)
	if p, r := float64(c.both)/float64(c.predicted), float64(c.both)/float64(c.labelled); p < .85 || r < .82 {
		t.Errorf("precision %.3f, recall %.3f", p, r)
	}
	if !*englishFigures {
		return
	}
	for _, out := range [][]string{nil, presidioOut} {
		c := scorePresidio(t, true, out, 0)
		t.Logf("presidio synth v2, templates held out, without %v: %s", out, &c)
	}
}
