package sigma

// The specification is the judge: testdata/conformance has one archive per
// modifier, construct and correlation type, written from the Sigma
// specification v2.1 and from nothing in this package. An archive begins with
// what the specification says and, where it leaves something open, with the
// reading that is taken. It holds any number of cases; the files of a case are
//
//	CASE/detection.yml  the detection of a rule; its title and log source are added
//	CASE/*.yml          whole rules, correlations and filters
//	CASE/hit            events, each of which must match alone
//	CASE/miss           events, none of which may match
//	CASE/stream         events in the order in which they arrive
//	CASE/found          what a stream must give: "LINE TITLE"
//	CASE/refused        the rules are refused; each line occurs in a reason
//
// Only what others can call is used, Load and Scan; and every single event is
// shown to the rules once more with all that makes them fast switched off.

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// trial is one case of an archive.
type trial struct {
	name                              string
	rules                             fstest.MapFS
	hit, miss, stream, found, refused string
	has                               map[string]bool
}

func TestConformance(t *testing.T) {
	archives, err := filepath.Glob("testdata/conformance/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	n := 0
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(strings.TrimSpace(string(a.Comment))) < 40 {
			t.Errorf("%s does not say what the specification says", name)
		}
		topic := strings.TrimSuffix(filepath.Base(name), ".txtar")
		for _, c := range trials(t, name, a) {
			n++
			t.Run(topic+"/"+c.name, c.run)
		}
	}
	t.Logf("%d cases in %d archives", n, len(archives))
}

func trials(t *testing.T, archive string, a *txtar.Archive) []*trial {
	var out []*trial
	for _, f := range a.Files {
		dir, file, ok := strings.Cut(f.Name, "/")
		if !ok {
			t.Fatalf("%s: %s belongs to no case", archive, f.Name)
		}
		i := slices.IndexFunc(out, func(c *trial) bool { return c.name == dir })
		if i < 0 {
			i = len(out)
			out = append(out, &trial{name: dir, rules: fstest.MapFS{}, has: map[string]bool{}})
		}
		if err := out[i].add(file, string(f.Data)); err != nil {
			t.Fatalf("%s: %s: %v", archive, dir, err)
		}
	}
	return out
}

func (c *trial) add(file, text string) error {
	c.has[file] = true
	switch file {
	case "hit":
		c.hit = text
	case "miss":
		c.miss = text
	case "stream":
		c.stream = text
	case "found":
		c.found = text
	case "refused":
		c.refused = text
	case "detection.yml":
		head := "title: " + c.name + "\nlogsource: {category: conformance}\ndetection:\n"
		c.rules[file] = &fstest.MapFile{Data: []byte(head + text)}
	default:
		if path.Ext(file) != ".yml" && path.Ext(file) != ".yaml" {
			return fmt.Errorf("%s is no file of a case", file)
		}
		c.rules[file] = &fstest.MapFile{Data: []byte(text)}
	}
	return nil
}

func (c *trial) run(t *testing.T) {
	if !c.has["hit"] && !c.has["miss"] && !c.has["stream"] && !c.has["refused"] || c.has["stream"] != c.has["found"] {
		t.Fatal("the case asks for nothing")
	}
	rules, refused := Load(c.rules)
	var reasons []string
	for _, r := range refused {
		reasons = append(reasons, r.Reason)
	}
	if c.has["refused"] {
		c.checkRefused(t, reasons)
	} else if len(reasons) > 0 {
		t.Fatalf("refused: %s", strings.Join(reasons, "; "))
	}
	c.each(t, rules, "hit", c.hit, true)
	c.each(t, rules, "miss", c.miss, false)
	if c.has["stream"] {
		if diff := cmp.Diff(lines(c.found), scanned(t, rules, c.stream)); diff != "" {
			t.Errorf("found (- wanted, + got):\n%s", diff)
		}
	}
}

func (c *trial) checkRefused(t *testing.T, reasons []string) {
	if len(reasons) == 0 {
		t.Error("nothing is refused")
	}
	all := strings.Join(reasons, "\n")
	for _, want := range lines(c.refused) {
		if !strings.Contains(all, want) {
			t.Errorf("no reason has %q: %s", want, all)
		}
	}
	for _, r := range reasons {
		if strings.TrimSpace(r) == "" {
			t.Error("refused without a reason")
		}
	}
}

// each shows the events to the rules, one at a time.
func (c *trial) each(t *testing.T, rules *Rules, what, events string, want bool) {
	for i, e := range lines(events) {
		if got := len(scanned(t, rules, e+"\n")) > 0; got != want {
			t.Errorf("%s %d: %s", what, i+1, e)
		}
		plain := rules.scan(time.UTC)
		plain.oracle = true
		if hits, ok := plain.line([]byte(e)); !ok || len(hits) > 0 != want {
			t.Errorf("%s %d, with nothing optimised: %s", what, i+1, e)
		}
	}
}

// scanned lists what a scan finds, as "LINE TITLE", in order.
func scanned(t *testing.T, rules *Rules, events string) []string {
	type hit struct {
		line  int
		title string
	}
	var hits []hit
	stats, err := rules.Scan(strings.NewReader(events), time.UTC, func(m Match) error {
		hits = append(hits, hit{m.Line, m.Title})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if stats.NBad > 0 {
		t.Fatalf("lines %v are no events", stats.Bad)
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return strings.Compare(a.title, b.title)
	})
	var out []string
	for _, h := range hits {
		out = append(out, fmt.Sprintf("%d %s", h.line, h.title))
	}
	return out
}

// lines are those of a text that are not empty.
func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// TestConformanceTopics: nothing the specification names is forgotten.
func TestConformanceTopics(t *testing.T) {
	for _, topic := range []string{
		"contains", "startswith", "endswith", "all", "exists", "cased", "neq", "windash", "re", "base64", "base64offset", "utf16",
		"numbers", "cidr", "expand", "fieldref", "time", "chains", "keywords", "null", "escapes", "wildcards", "values", "arrays", "fields",
		"unicode", "condition", "quantity", "lists", "documents", "refused", "windows", "filters",
		"event_count", "value_count", "value_sum", "value_avg", "value_percentile", "temporal", "temporal_ordered", "chained", "event_time", "index",
	} {
		if _, err := os.Stat("testdata/conformance/" + topic + ".txtar"); err != nil {
			t.Errorf("there is no archive about %s", topic)
		}
	}
}
