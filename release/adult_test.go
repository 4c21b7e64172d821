package release

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// adultDir is where the shared sample data has the public table "adult".
func adultDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	dir = filepath.Join(dir, "..", "shared", "data", "deid", "adult")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the shared sample data (deid/adult) is not beside the checkout")
	}
	return dir
}

func adult(t testing.TB) *Table {
	t.Helper()
	f, err := os.Open(filepath.Join(adultDir(t), "adult.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := ReadTable(f, 0, Bounds{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func adultFiles(t testing.TB) Files {
	dir := adultDir(t)
	return func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) }
}

// adultConfig is the reference's: nine quasi-identifiers, k 5, 5 % suppression.
func adultConfig(table *Table) Config {
	cfg := Config{K: 5, MaxSuppression: .05, Columns: map[string]ColumnConfig{}}
	for _, name := range table.Header() {
		cfg.Columns[name] = ColumnConfig{Kind: Quasi, Hierarchy: Build{File: "adult_hierarchy_" + name + ".csv"}}
	}
	return cfg
}
