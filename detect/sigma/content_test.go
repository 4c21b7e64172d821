package sigma

// The rules of the product: each brings what it must catch and what it must
// leave alone. Outside rules load too, without examples.

import (
	"io/fs"
	"os"
	"path"
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
			if n := len(rules.corr.list); n > 0 { // the last one stands for the others
				r = &rules.corr.list[n-1].rule
			}
			if r.id != rules.Subject() {
				t.Errorf("the archive is about %s, not %s", rules.Subject(), r.id)
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

// examples runs the examples of a rule: a hit is one event or a story of several.
func examples(t *testing.T, rules *Rules, r *rule, data []byte) {
	hits, misses := 0, 0
	for _, x := range Examples(data) {
		if x.Hit {
			hits++
		} else {
			misses++
		}
		if ok, err := rules.Try(r.id, x, time.FixedZone("", 8*3600)); err != nil || !ok {
			t.Errorf("hit %v: %s: %v", x.Hit, x.Why, err)
		}
	}
	if hits == 0 || misses == 0 {
		t.Errorf("%d hits and %d near misses; at least one of each is needed", hits, misses)
	}
}
