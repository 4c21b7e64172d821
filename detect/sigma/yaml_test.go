package sigma

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

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

// TestQuickOnTheCollection holds that what documents say of themselves is read
// as the library reads it.
func TestQuickOnTheCollection(t *testing.T) {
	var r ruleReader
	quick, all := 0, 0
	for name, f := range shared(t, "sigma/rules.tar.zst") {
		if path.Ext(name) != ".yml" {
			continue
		}
		for _, text := range splitDocuments(string(f.Data)) {
			r.reset()
			n := r.read(text)
			if all++; n == nil {
				continue
			}
			var got, want page
			if !got.quick(n) {
				continue
			}
			quick++
			if err := n.Decode(&want); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, not %+v", name, got, want)
			}
		}
	}
	if t.Logf("%d of %d", quick, all); quick*100 < all*98 {
		t.Errorf("%d of %d documents are read by the library, which makes loading slow", all-quick, all)
	}
}

// TestSlowly: what is written in other ways means the same.
func TestSlowly(t *testing.T) {
	rest := "logsource: {category: c}\ndetection: {s: {a: b}, condition: s}\n"
	for text, want := range map[string]string{
		"title: 5\n" + rest:                       "5",
		"title: &t T\nname: *t\n" + rest:          "T",
		"x: &x {title: U}\n<<: *x\n" + rest:       "U",
		"title: !!str V\r\nlevel: low\r\n" + rest: "V",
		"title:\tW\n" + rest:                      "W",
	} {
		r, refused := Load(fstest.MapFS{"r.yml": {Data: []byte(text)}})
		if len(refused) > 0 || r.Len() != 1 || r.list[0].title.EN != want {
			t.Errorf("%q: %d rules, refused %+v", text, r.Len(), refused)
		}
	}
	for text, want := range map[string]string{
		"title: a\ntitle: b\n" + rest: "line 2",
		"title: [a]\n" + rest:         "line 1",
		"title: a\nlogsource: c\n":    "line 2",
		"title: a\nx: 'b\n":           "line",
	} {
		if _, refused := Load(fstest.MapFS{"r.yml": {Data: []byte(text)}}); len(refused) != 1 || !strings.Contains(refused[0].Reason, want) {
			t.Errorf("%q: %+v", text, refused)
		}
	}
}

// TestNumberedIDsStay: ids that rules of one file get from what they inherit are
// theirs also when another file cannot be loaded any more.
func TestNumberedIDsStay(t *testing.T) {
	many := "action: global\ntitle: g\nid: g\nlogsource: {category: c}\n---\ndetection: {s: {a: b}, condition: s}\n---\ndetection: {s: {a: c}, condition: s}\n"
	one := "title: o\nid: o\nlogsource: {category: c}\ndetection: {s: {a: d}, condition: s}\n"
	ids := func(r *Rules) (out []string) {
		for _, x := range r.List() {
			out = append(out, x.ID)
		}
		return out
	}
	old, refused := Load(fstest.MapFS{"many.yml": {Data: []byte(many)}, "one.yml": {Data: []byte(one)}})
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	next, refused := Reload(old, fstest.MapFS{"many.yml": {Data: []byte(many)}, "one.yml": {Data: []byte("title: o")}})
	if len(refused) != 1 || !refused[0].Kept || !slices.Equal(ids(old), ids(next)) || len(ids(next)) != 3 {
		t.Errorf("%v, then %v; refused %+v", ids(old), ids(next), refused)
	}
	for range 2 { // broken itself, more than once
		next, refused = Reload(next, fstest.MapFS{"many.yml": {Data: []byte("title: [")}, "one.yml": {Data: []byte(one)}})
	}
	if len(refused) != 1 || !refused[0].Kept || !slices.Equal(ids(old), ids(next)) {
		t.Errorf("%v, then %v; refused %+v", ids(old), ids(next), refused)
	}
}

// yamlSamples are documents, most of which the reader takes.
func yamlSamples() []string {
	return []string{
		"title: x\n", "a: b", "a:\n", "a: |\n  x\n   y\n\n z", "a: |\n  x\n   y\n\n\n  z\n", "a: >-\n  x\n  y\n\n   z\n  w\n", "a: >+\n\n  x\n\n\n  y\n\nb: c\n",
		"a:\n- b\n- c: d\n  e: f\n-\n  g: h\n-\n-\ni: j", "a:\n  - 'it''s'\n  - \"a\\\\b\\n\"\n  - -x\n  - 1\n  - 0x1F\n  - null\n  - ~\n  - 2024/01/01\n  - 2024-01-01\n",
		"a: b # c\n# d\nb: 'c' # e\nc:#d: e", "a: b\n  c\n\n  d\ne: f", "a: b: c", "a: 'x\n  y\n\n  z'\nb: \"p\n q\"", "a: [b, 'c', \"d\"]\ne: []\nf: [a, ]",
		"a:\n  b\n  c\nd: e", "'|all':\n  - x\n\"k\": v\nx y: z", "<<: x", "a: &b c\nd: *b", "a: b\n # c\n  d", "a:\n    b:\n  c:", "a: yes\nb: No\nc: .5\nd: 1e3\ne: .inf",
		"a: - b", "? a\n: b", "a: {b: c}", "- a", "a: 'b'\n  c", "a:\n - b\n  c", "标题: 值\nb: é", "a: |2\n   x", "a: |\nb: c", "a: |\n    \n  x", "a: 'b'#c", "a: b\n...\n", "0: |\n 0\n  ", "0: !0 #0000", "a: b\n &c #d", "a: @b #c", "- &a #b\n", "%YAML 1.1\n---\na: b",
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
