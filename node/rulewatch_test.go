package node

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/sigma"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/tuning"
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

// TestRuleFolder: what an editor leaves behind, what cannot be opened and what
// is no rule at all neither stop the watch nor hide a change of the rest.
func TestRuleFolder(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skip("this system makes no links:", err)
		}
	}
	put(".draft.yml", "title: [")
	link("nobody@nowhere:1", ".#b.yml")
	link("gone.yml", "a.yml")
	if out, err := exec.CommandContext(t.Context(), "mkfifo", filepath.Join(dir, "b.yml")).CombinedOutput(); err != nil {
		t.Logf("no pipe: %v %s", err, out)
	}
	put("own.yml", someRule)
	put("dump.bin", "much")
	if err := os.Truncate(filepath.Join(dir, "dump.bin"), 1<<40); err != nil {
		t.Log("no giant:", err)
	}
	n := &Node{cfg: config.Default()}
	n.cfg.Data, n.cfg.Detect.Rules = t.TempDir(), []string{dir}
	mark := n.ruleMark(true)
	if n.ruleMark(true) != mark {
		t.Error("nothing changed, and it looks changed")
	}
	put("own.yml", strings.Replace(someRule, "P77", "P78", 1))
	if n.ruleMark(true) == mark {
		t.Error("a change is not seen behind files that cannot be read")
	}
	rules, refused := sigma.Load(n.ruleFolders()...)
	if rules.Len() != 1 || len(refused) == 0 || len(refused) > 2 {
		t.Errorf("%d rules, refused %+v", rules.Len(), refused)
	}
	for _, r := range refused {
		if r.File != "a.yml" && r.File != "b.yml" {
			t.Errorf("refused %s: %s", r.File, r.Reason)
		}
	}
	if got := ruleFolder(dir).ignored(); len(got) != 2 {
		t.Errorf("ignored %q", got)
	}
}

// TestImportPaths: rules of one name in two folders of an archive are two
// rules; settings and paths that lead elsewhere are refused and say why.
func TestImportPaths(t *testing.T) {
	cfg := config.Default()
	cfg.Data = t.TempDir()
	n, err := Open(t.Context(), cfg, "test", time.Now, logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	long := strings.Repeat("x", 300) + ".yml"
	bad := []string{"../out.yml", "/etc/abs.yml", "logsources.yml", "x/placeholders.yaml", long, ".git/h.yml"}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	add := func(name, text string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	add("./linux/same.yml", someRule)
	add("windows/same.yml", strings.Replace(someRule, "own-1", "own-2", 1))
	for _, name := range bad {
		add(name, strings.Replace(someRule, "own-1", "own-3", 1))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := n.Import(t.Context(), "sigma", &buf, nil)
	if err != nil || c.Accepted != 2 || len(c.Rejects) != len(bad) {
		t.Fatalf("%+v %v", c, err)
	}
	if loadedVersion(n, "own-1") == "" || loadedVersion(n, "own-2") == "" || loadedVersion(n, "own-3") != "" {
		t.Error("not the rules that were taken are at work")
	}
	for _, at := range []string{"linux/same.yml", "windows/same.yml"} {
		if _, err := os.Stat(filepath.Join(n.rulesFolder(), at)); err != nil {
			t.Error(err)
		}
	}
	if list, err := os.ReadDir(cfg.Data); err != nil || slices.ContainsFunc(list, func(e os.DirEntry) bool { return e.Name() == "out.yml" }) {
		t.Error("a rule left its folder", err)
	}
}

// TestRetuneWhileReloading: a setting that changes while rules are reloaded is
// in force afterwards, and so is the last of many at the same time.
func TestRetuneWhileReloading(t *testing.T) {
	cfg := config.Default()
	cfg.Data = t.TempDir()
	n, err := Open(t.Context(), cfg, "test", time.Now, logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	set := func(off bool) {
		if _, err := n.tuning.Set(t.Context(), tuning.Setting{Detector: "vip", Off: off, Reason: "drill", By: "anna"}, nil); err != nil {
			t.Error(err)
		}
		if err := n.retune(t.Context()); err != nil {
			t.Error(err)
		}
	}
	isOff := func() bool {
		all := n.pipe.detectors().All()
		return all[slices.IndexFunc(all, func(s detect.Status) bool { return s.ID == "vip" })].Off
	}
	set(true)
	n.reloading.Lock() // a reload is under way and has read the settings
	next, err := n.newDetect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { set(false) })
	for {
		at, err := n.tuning.Effective(t.Context(), n.cfg.Detect)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(at.Off, "vip") {
			break
		}
	}
	if err := n.pipe.swap(next); err != nil {
		t.Fatal(err)
	}
	n.reloading.Unlock()
	wg.Wait()
	if isOff() {
		t.Error("switched on, and off after the reload")
	}
	for i := range 8 {
		wg.Go(func() { set(i%2 == 0) })
	}
	wg.Wait()
	at, err := n.tuning.Effective(t.Context(), n.cfg.Detect)
	if err != nil || slices.Contains(at.Off, "vip") != isOff() {
		t.Error("the book and the detectors differ", err)
	}
}
