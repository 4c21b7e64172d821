package sigma

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// shared finds the folder of sample data beside the repository.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above this package")
		}
		dir = up
	}
	path := filepath.Join(dir, "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no sample data: %s is missing", filepath.Join("..", "shared", "data", name))
	}
	return path
}

var _ fs.FS
