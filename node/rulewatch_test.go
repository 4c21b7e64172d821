package node

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/evidence"
)

const someRule = `title: Somebody opened it
id: own-1
logsource: {category: patient_access}
detection: {s: {patient.uid: P77}, condition: s}
level: high
`

// TestReloadRules: a changed file is at work without a restart, a broken one
// takes nothing down, and evidence has every text.
func TestReloadRules(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Data, cfg.Detect.Rules = t.TempDir(), []string{dir}
	file := filepath.Join(dir, "own.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(someRule)
	n, err := Open(ctx, cfg, "test", time.Now, logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	before := n.ruleMark(true)
	if v := loadedVersion(n, "own-1"); v == "" {
		t.Fatal("the hospital's own rule is not loaded")
	}
	write(strings.Replace(someRule, "P77", "P78", 1))
	if n.ruleMark(true) == before {
		t.Error("a changed file looks the same")
	}
	old := loadedVersion(n, "own-1")
	if err := n.reloadRules(ctx); err != nil {
		t.Fatal(err)
	}
	changed := loadedVersion(n, "own-1")
	if changed == old {
		t.Error("the changed rule is not at work")
	}
	write("title: [")
	if err := n.reloadRules(ctx); err != nil {
		t.Fatal(err)
	}
	if loadedVersion(n, "own-1") != changed {
		t.Error("a broken file took the rule down")
	}
	if list := *n.refused.Load(); len(list) != 1 || !list[0].Kept || list[0].Reason == "" {
		t.Errorf("refused: %+v", list)
	}
	inEvidence(t, n, "own-1", "P77", "P78")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err = Open(ctx, cfg, "test", time.Now, logger(io.Discard)); err != nil {
		t.Fatal(err)
	}
	if loadedVersion(n, "own-1") != changed {
		t.Error("a file that was broken at the start took the rule down")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := n.reloadRules(ctx); err != nil {
		t.Fatal(err)
	}
	if loadedVersion(n, "own-1") != "" {
		t.Error("a rule whose file is gone is at work")
	}
	if r, err := n.evidence.Get(ctx, kindRule, "own-1"); err != nil || r.Status != removed {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestImportCorrelation: a correlation comes in another file than its rule, and
// a single file is named by its rule.
func TestImportCorrelation(t *testing.T) {
	ctx := context.Background()
	cfg := config.Default()
	cfg.Data = t.TempDir()
	n, err := Open(ctx, cfg, "test", time.Now, logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	correlation := "title: Often\nid: own-2\ncorrelation: {type: event_count, rules: [own-1], group-by: [who], timespan: 1h, condition: {gte: 5}}\n"
	for i, text := range []string{correlation, someRule, correlation, someRule + "# newer\n"} {
		c, err := n.Import(ctx, "sigma", strings.NewReader(text), nil)
		if err != nil || len(c.Rejects) != map[int]int{0: 1}[i] {
			t.Fatalf("import %d: %+v, %v", i, c, err)
		}
	}
	if loadedVersion(n, "own-1") == "" || loadedVersion(n, "own-2") == "" {
		t.Error("what was imported is not at work")
	}
	if set := n.ruleSet(); len(set.Refused) != 0 || len(set.Rules) < 20 {
		t.Errorf("%d rules, refused %+v", len(set.Rules), set.Refused)
	}
}

func loadedVersion(n *Node, id string) string {
	for _, r := range n.rules.Load().List() {
		if r.ID == id {
			return r.Version
		}
	}
	return ""
}

// inEvidence wants a version of a rule's record for each text.
func inEvidence(t *testing.T, n *Node, id string, texts ...string) {
	t.Helper()
	all, err := n.evidence.History(context.Background(), kindRule, id)
	if err != nil || len(all) != len(texts) {
		t.Fatalf("%d versions in evidence, %v", len(all), err)
	}
	for i, text := range texts {
		if !strings.Contains(string(all[i].Body), text) {
			t.Errorf("version %d does not say %s", i+1, text)
		}
	}
	if list, err := n.evidence.List(context.Background(), evidence.Filter{Kind: kindRule}); err != nil || len(list) < 20 {
		t.Errorf("%d rules in evidence, %v", len(list), err)
	}
}
