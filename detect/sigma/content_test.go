package sigma

// The rules of the product: each brings what it must catch and what it must
// leave alone. Outside rules load too, without examples.

import (
	"io/fs"
	"os"
	"path"
	"slices"
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
			if other, ok := ids[r.id]; ok {
				t.Errorf("%s has the same id", other)
			}
			ids[r.id] = name
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
	if len(r.routes) == 0 {
		t.Error("no event of Cordon leads to its log source")
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

func examples(t *testing.T, rules *Rules, r *rule, data []byte) {
	zone := time.FixedZone("", 8*3600)
	hits, misses := 0, 0
	for _, f := range txtar.Parse(data).Files {
		kind, why, _ := strings.Cut(f.Name, ":")
		fits := slices.Contains(rules.Fits(f.Data, zone), r.id)
		switch {
		case kind == "hit":
			hits++
			if !fits {
				t.Errorf("must hit:%s", why)
			}
		case kind == "miss":
			misses++
			if fits {
				t.Errorf("must miss:%s", why)
			}
		}
	}
	if hits == 0 || misses == 0 {
		t.Errorf("%d hits and %d near misses; at least one of each is needed", hits, misses)
	}
}
