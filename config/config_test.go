package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cordon.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNoFileIsAValidOne(t *testing.T) {
	for _, path := range []string{"", write(t, "")} {
		if _, err := Load(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMistakesNameLineAndWayOut(t *testing.T) {
	for text, want := range map[string]string{
		"site:\n  nmae: x":                        "line 2: unknown setting site.nmae; did you mean name?",
		"console: {listen: 0.0.0.0:8080}":         "set console.cert and console.key",
		"site: {zone: Mars}":                      "use a name such as Asia/Shanghai",
		"incident: {budget: 0}":                   "budget must be 1 or more",
		"store: mysql://x":                        "postgres://user@host/database",
		"playbook: {webhook: {url: http://x.y}}":  "https",
		"detect: {exceptions: [{detector: vip}]}": "exception",
	} {
		_, err := Load(write(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	path := write(t, "data: there")
	cfg, err := Load(path)
	if err != nil || cfg.Data != filepath.Join(filepath.Dir(path), "there") {
		t.Fatal(cfg.Data, err)
	}
}

// TestOldFilesLoad: a file of every release still loads.
func TestOldFilesLoad(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no sample files", err)
	}
	for _, path := range files {
		if _, err := Load(path); err != nil {
			t.Error(err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("site: {name: x}")
	f.Add("collect: {mllp: [{address: ':2575'}]}")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) {
			return
		}
		_, _ = Load(write(t, text))
	})
}
