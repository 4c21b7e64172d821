//go:build unix

package sigma

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// TestEveryFileIsToldOf: what a folder of rules holds is loaded, refused or
// ignored, whatever its name; and nothing in it holds up the loading.
func TestEveryFileIsToldOf(t *testing.T) {
	dir := t.TempDir()
	rule := func(id string) []byte {
		return []byte("title: t\nid: " + id + "\nlogsource: {category: c}\ndetection: {s: {a: '1'}, condition: s}\n")
	}
	for name, data := range map[string][]byte{
		"a.yml": rule("a"), "B.YML": rule("b"), "c.Yaml": rule("c"), "D.TXTAR": []byte("-- r.YML --\n" + string(rule("d"))),
		"f.sigma": rule("f"), "g.json": []byte("{}"), "Placeholders.YAML": []byte("placeholders: {x: [y]}"),
		"huge.yml": []byte("# " + strings.Repeat("x", maxFile)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.yml", filepath.Join(dir, "z.yml")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.yml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "zero.yml")); err != nil {
		t.Fatal(err)
	}
	r, refused := Load(os.DirFS(dir))
	var bad []string
	for _, x := range refused {
		bad = append(bad, x.File)
	}
	slices.Sort(bad)
	if r.Len() != 4 || !slices.Equal(bad, []string{"huge.yml", "pipe.yml", "z.yml", "zero.yml"}) { // z.yml has a's id
		t.Errorf("%d rules, refused %+v", r.Len(), refused)
	}
	if !slices.Equal(r.Ignored(), []string{"f.sigma", "g.json"}) {
		t.Errorf("ignored %v", r.Ignored())
	}
}

// TestFiltersAreToldOf: a filter without effect says so, one without an end is
// on the list of problems.
func TestFiltersAreToldOf(t *testing.T) {
	filter := func(id, rules, source string) string {
		return "---\ntitle: f\nid: " + id + "\nlogsource: {category: " + source + "}\nfilter: {rules: " + rules + ", s: {b: 1}, condition: s}\n"
	}
	text := ruleHead + "detection: {s: {a: 1}, condition: s}\n" + filter("all", "any", "c") + filter("none", "any", "other") + filter("one", "[r, gone]", "c")
	r, refused := Load(fstest.MapFS{"r.yml": {Data: []byte(text)}})
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	r.Fits([]byte(`{"a":1,"b":1}`), time.UTC)
	got := map[string]Filter{}
	for _, f := range r.Filters() {
		got[f.ID] = f
	}
	if got["all"].Hidden != 1 || !slices.Equal(got["none"].Missing, []string{"any"}) || !slices.Equal(got["one"].Missing, []string{"gone"}) {
		t.Errorf("%+v", got)
	}
	for _, p := range r.Problems() {
		if p.ID == "filters-without-end" && strings.Contains(p.Text.EN, "2 Sigma filters") && strings.Contains(p.Text.EN, "all, none") {
			return
		}
	}
	t.Errorf("%+v", r.Problems())
}

// TestEventsNotSeenInFull are counted in the pipeline, and a problem.
func TestEventsNotSeenInFull(t *testing.T) {
	r, _ := load("  s: {a: x}\n  condition: s")
	e := process("x")
	e.Unmapped = ocsf.RawJSON(`{"a":[` + strings.Repeat("1,", maxLeaves) + `1]}`)
	pipeline(t, r).Process(e)
	if s := r.Correlations(); s.CutEvents != 1 || len(r.Problems()) != 1 || r.Problems()[0].ID != "events-too-long" {
		t.Errorf("%+v, %+v", s, r.Problems())
	}
}
