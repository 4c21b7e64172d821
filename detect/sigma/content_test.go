package sigma

// The rules of the product: each brings what it must catch and what it must
// leave alone. Outside rules load too, without examples.

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

func TestContent(t *testing.T) {
	content := os.DirFS("../../content")
	names, err := fs.Glob(content, "rules/*.txtar")
	if err != nil || len(names) < 8 {
		t.Fatalf("%d rules, %v", len(names), err)
	}
	sources, err := fs.ReadFile(content, "rules/logsources.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, name := range names {
		t.Run(strings.TrimSuffix(path.Base(name), ".txtar"), func(t *testing.T) {
			data, err := fs.ReadFile(content, name)
			if err != nil {
				t.Fatal(err)
			}
			rules, refused := Load(fstest.MapFS{"logsources.yaml": {Data: sources}, "rule.txtar": {Data: data}})
			for _, r := range refused {
				t.Fatalf("refused: %s", r.Reason)
			}
			r := rules.list[0]
			if len(rules.corr.list) > 0 { // the last one speaks for the others
				r = &rules.corr.list[len(rules.corr.list)-1].rule
			}
			for _, x := range rules.List() {
				if other, ok := ids[x.ID]; ok {
					t.Errorf("%s has the same id %s", other, x.ID)
				}
				ids[x.ID] = name
				if x.Idle {
					t.Errorf("no event of Cordon leads to the log source of %s", x.Title)
				}
			}
			explained(t, r, data)
			examples(t, rules, r, data)
		})
	}
}

// explained checks that a rule says in both languages what it is about, and
// what to do next.
func explained(t *testing.T, r *rule, data []byte) {
	a := txtar.Parse(data)
	if len(strings.TrimSpace(string(a.Comment))) < 40 {
		t.Error("the archive does not begin with the reason for the rule")
	}
	if r.title.EN == r.title.ZH || r.why.EN == r.why.ZH {
		t.Error("title or why is missing in Chinese (section cordon)")
	}
	_, after, ok := strings.Cut(string(data), "\n  playbook: ")
	book, _, _ := strings.Cut(after, "\n")
	if _, err := os.Stat("../../content/playbooks/" + book + ".json"); !ok || err != nil {
		t.Errorf("the next playbook %q is not in content/playbooks", book)
	}
	for _, words := range []string{"falsepositives:", "level:", "description:"} {
		if !strings.Contains(string(data), words) {
			t.Errorf("%s is missing", words)
		}
	}
}

// examples runs the examples of a rule: a hit is one event or a story of several,
// one a line. A line "# 120 times, every 20s" repeats the next one, with {i}
// counting from 1 and the time moving on.
func examples(t *testing.T, rules *Rules, r *rule, data []byte) {
	zone := time.FixedZone("", 8*3600)
	hits, misses := 0, 0
	for _, f := range txtar.Parse(data).Files {
		kind, why, _ := strings.Cut(f.Name, ":")
		if kind != "hit" && kind != "miss" {
			continue
		}
		fits := false
		stats, err := rules.Scan(strings.NewReader(story(t, string(f.Data))), zone, func(m Match) error {
			fits = fits || m.Rule == r.id
			return nil
		})
		if err != nil || stats.NBad > 0 || stats.Events == 0 {
			t.Errorf("%s: %v, %d events, lines %v are none", f.Name, err, stats.Events, stats.Bad)
		}
		if kind == "hit" {
			hits++
		} else {
			misses++
		}
		if fits != (kind == "hit") {
			t.Errorf("must %s:%s", kind, why)
		}
	}
	if hits == 0 || misses == 0 {
		t.Errorf("%d hits and %d near misses; at least one of each is needed", hits, misses)
	}
}

// story writes repeated lines out.
func story(t *testing.T, text string) string {
	var out strings.Builder
	n, step := 1, time.Duration(0)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			var every string
			if _, err := fmt.Sscanf(rest, "%d times, every %s", &n, &every); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			step, _ = time.ParseDuration(every)
			continue
		}
		for i := range n {
			out.WriteString(moved(strings.ReplaceAll(line, "{i}", strconv.Itoa(i+1)), time.Duration(i)*step))
		}
		n, step = 1, 0
	}
	return out.String()
}

// moved is an event at a later time.
func moved(line string, by time.Duration) string {
	before, after, _ := strings.Cut(line, `"time": `)
	digits, rest, _ := strings.Cut(after, ",")
	at, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || by == 0 {
		return line
	}
	return before + `"time": ` + strconv.FormatInt(at+by.Milliseconds(), 10) + "," + rest
}
