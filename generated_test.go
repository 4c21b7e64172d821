package cordon

import (
	"bytes"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/a-h/templ/generator"
	"github.com/a-h/templ/parser/v2"
)

// TestGenerated: generated code stands in the tree only because this test makes
// it again and compares.
func TestGenerated(t *testing.T) {
	made := map[string]bool{}
	walk(t, ".templ", func(p string) {
		target := strings.TrimSuffix(p, ".templ") + "_templ.go"
		made[target] = true
		got, err := os.ReadFile(target)
		if err != nil {
			t.Errorf("%s has no generated code; run make generate", p)
			return
		}
		if want := generate(t, p); !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s says; run make generate", target, p)
		}
	})
	walk(t, "_templ.go", func(p string) {
		if !made[p] {
			t.Errorf("%s has lost its page; delete it", p)
		}
	})
}

// walk calls visit for each file of the tree whose name ends in suffix.
func walk(t *testing.T, suffix string, visit func(p string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && p != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if err == nil && !d.IsDir() && strings.HasSuffix(p, suffix) {
			visit(p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// generate returns what "templ generate", run at the root, makes of a page.
func generate(t *testing.T, page string) []byte {
	t.Helper()
	parsed, err := parser.Parse(filepath.FromSlash(page))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, err = generator.Generate(parsed, &out, generator.WithVersion(templ.Version()), generator.WithFileName(page))
	if err != nil {
		t.Fatal(err)
	}
	text, err := format.Source(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return text
}
