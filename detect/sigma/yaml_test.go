package sigma

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// unlike says where two trees differ, "" if they do not.
func unlike(a, b *yaml.Node) string {
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || a.Style != b.Style || a.Line != b.Line || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return fmt.Sprintf("line %d: %d %s %q %d %d, not line %d: %d %s %q %d %d", a.Line, a.Kind, a.Tag, a.Value, a.Style, len(a.Content), b.Line, b.Kind, b.Tag, b.Value, b.Style, len(b.Content))
	}
	for i := range a.Content {
		if s := unlike(a.Content[i], b.Content[i]); s != "" {
			return s
		}
	}
	return ""
}

// readsAlike holds a text that the reader takes against the library.
func readsAlike(t *testing.T, r *ruleReader, text string) (taken bool) {
	t.Helper()
	got := r.read(text)
	if got == nil {
		return false
	}
	want, err := fromLibrary(text)
	if err != nil || want == nil {
		t.Errorf("taken, which is %v:\n%q", err, text)
		return true
	}
	if s := unlike(got, want); s != "" {
		t.Errorf("%s:\n%q", s, text)
	}
	return true
}

// TestReaderOnTheCollection holds that nearly all public rules, and our own, are
// read by the reader, and as the library reads them.
func TestReaderOnTheCollection(t *testing.T) {
	var r ruleReader
	taken, all := 0, 0
	for name, f := range shared(t, "sigma/rules.tar.zst") {
		if path.Ext(name) != ".yml" {
			continue
		}
		for _, text := range splitDocuments(string(f.Data)) {
			r.reset()
			all++
			if readsAlike(t, &r, text) {
				taken++
			}
		}
	}
	t.Logf("%d of %d", taken, all)
	if taken*100 < all*98 {
		t.Errorf("the reader declines %d of %d documents, which makes loading slow", all-taken, all)
	}
}

// yamlSamples are documents, most of which the reader takes.
func yamlSamples() []string {
	return []string{
		"title: x\n", "a: b", "a:\n", "a: |\n  x\n   y\n\n z", "a: |\n  x\n   y\n\n\n  z\n", "a: >-\n  x\n  y\n\n   z\n  w\n", "a: >+\n\n  x\n\n\n  y\n\nb: c\n",
		"a:\n- b\n- c: d\n  e: f\n-\n  g: h\n-\n-\ni: j", "a:\n  - 'it''s'\n  - \"a\\\\b\\n\"\n  - -x\n  - 1\n  - 0x1F\n  - null\n  - ~\n  - 2024/01/01\n  - 2024-01-01\n",
		"a: b # c\n# d\nb: 'c' # e\nc:#d: e", "a: b\n  c\n\n  d\ne: f", "a: b: c", "a: 'x\n  y\n\n  z'\nb: \"p\n q\"", "a: [b, 'c', \"d\"]\ne: []\nf: [a, ]",
		"a:\n  b\n  c\nd: e", "'|all':\n  - x\n\"k\": v\nx y: z", "<<: x", "a: &b c\nd: *b", "a: b\n # c\n  d", "a:\n    b:\n  c:", "a: yes\nb: No\nc: .5\nd: 1e3\ne: .inf",
		"a: - b", "? a\n: b", "a: {b: c}", "- a", "a: 'b'\n  c", "a:\n - b\n  c", "标题: 值\nb: é", "a: |2\n   x", "a: |\nb: c", "a: |\n    \n  x", "a: 'b'#c", "a: b\n...\n", "0: |\n 0\n  ", "%YAML 1.1\n---\na: b",
	}
}

func TestReader(t *testing.T) {
	var r ruleReader
	for _, text := range yamlSamples() {
		readsAlike(t, &r, text)
	}
}

// FuzzReader: whatever the reader takes, the library takes, as the same.
func FuzzReader(f *testing.F) {
	for _, text := range yamlSamples() {
		f.Add(text)
	}
	names, _ := filepath.Glob("../../content/rules/*.txtar")
	for _, name := range names[:min(len(names), 5)] {
		if data, err := os.ReadFile(name); err == nil {
			_, text, _ := strings.Cut(string(data), " --\n")
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		readsAlike(t, &ruleReader{}, text)
	})
}
