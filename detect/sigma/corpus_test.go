package sigma

// The public collection: every rule loads or is refused for a true reason, and
// the events its authors recorded fit.

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.yaml.in/yaml/v3"
)

// shared opens an archive of the sample data beside the repository.
func shared(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	return unpack(t, sharedFile(t, name))
}

// sharedFile reads a file of the sample data.
func sharedFile(t testing.TB, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !isFile(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above this package")
		}
		dir = filepath.Dir(dir)
	}
	data, err := os.ReadFile(filepath.Join(dir, "..", "shared", "data", name))
	if err != nil {
		t.Skipf("no sample data: ../shared/data/%s is missing", name)
	}
	return data
}

func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func unpack(t testing.TB, data []byte) fstest.MapFS {
	z, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := fstest.MapFS{}
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(path.Clean(h.Name), "/")] = &fstest.MapFile{Data: body}
	}
}

// corpus loads the public rules together with the product's log sources.
func corpus(t testing.TB) (*Rules, []Refused) {
	files := shared(t, "sigma/rules.tar.zst")
	for name := range files {
		if !strings.Contains(name, "rules") || strings.HasPrefix(path.Base(name), "thor.") {
			delete(files, name)
		}
	}
	return Load(os.DirFS("../../content/rules"), files)
}

// TestCorpus holds that every rule of the collection is loaded; two wait for a
// list that only the hospital has.
func TestCorpus(t *testing.T) {
	rules := 0
	for name, f := range shared(t, "sigma/rules.tar.zst") {
		if path.Ext(name) == ".yml" && bytes.Contains(f.Data, []byte("\ndetection:")) {
			rules++
		}
	}
	r, refused := corpus(t)
	for _, x := range refused {
		t.Errorf("refused %s: %s", x.File, x.Reason)
	}
	loaded, waiting := 0, 0
	for _, x := range r.list {
		if strings.HasPrefix(x.file, "rules") {
			loaded++
		}
		if len(x.waits) > 0 {
			waiting++
		}
	}
	t.Logf("%d of %d rules loaded, %d of them wait for a value list", loaded, rules, waiting)
	if loaded != rules || rules != 3754 || waiting != 2 {
		t.Errorf("%d of %d rules are loaded, %d wait for a value list; want all 3754, 2", loaded, rules, waiting)
	}
}

// TestRegression holds that the rules fit the events that their authors
// recorded. The counts there are of what a run must find at least: two of the
// recordings hold more events that the rule's text fits.
func TestRegression(t *testing.T) {
	r, _ := corpus(t)
	files := shared(t, "sigma/regression.tar.zst")
	n := 0
	for name, f := range files {
		id := strings.TrimSuffix(path.Base(name), path.Ext(name))
		switch path.Ext(name) {
		case ".json":
			n++
			want := matchCount(t, files[path.Join(path.Dir(name), "info.yml")].Data, name)
			got := 0
			for _, ev := range jsonValues(t, f.Data) {
				if slices.Contains(r.Fits(ev, time.UTC), id) {
					got++
				}
			}
			if got < want {
				t.Errorf("%s: %d events fit, want at least %d", name, got, want)
			}
		case ".raw": // a syslog line
			n++
			line, err := json.Marshal(map[string]string{"product": "cisco", "service": "aaa", "message": string(f.Data)})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(r.Fits(line, time.UTC), id) {
				t.Errorf("%s: its rule does not fit", name)
			}
		}
	}
	t.Logf("%d recorded files", n)
	if n < 120 {
		t.Errorf("only %d files", n)
	}
}

// matchCount is how many events of a recording its rule must fit.
func matchCount(t *testing.T, info []byte, name string) int {
	var f struct {
		Tests []struct {
			Count int    `yaml:"match_count"`
			Path  string `yaml:"path"`
		} `yaml:"regression_tests_info"`
	}
	if err := yaml.Unmarshal(info, &f); err != nil {
		t.Fatal(err)
	}
	for _, x := range f.Tests {
		if strings.TrimSuffix(path.Base(x.Path), path.Ext(x.Path)) == strings.TrimSuffix(path.Base(name), ".json") {
			return max(1, x.Count)
		}
	}
	return 1
}

// jsonValues splits a file of one or more JSON values.
func jsonValues(t *testing.T, data []byte) []json.RawMessage {
	var out []json.RawMessage
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var v json.RawMessage
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		var list []json.RawMessage
		if json.Unmarshal(v, &list) == nil {
			out = append(out, list...)
		} else {
			out = append(out, v)
		}
	}
}
