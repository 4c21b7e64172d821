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

func TestCorpus(t *testing.T) {
	r, refused := corpus(t)
	idle := 0
	for _, x := range r.List() {
		if x.Idle {
			idle++
		}
	}
	t.Logf("%d rules loaded, %d of them on log sources that no event of Cordon is of; %d refused", r.Len(), idle, len(refused))
	for _, x := range refused {
		t.Logf("refused %s: %s", x.File, x.Reason)
		if !strings.Contains(x.Reason, "expand") {
			t.Errorf("%s: %s", x.File, x.Reason)
		}
	}
	if r.Len() < 3700 {
		t.Errorf("only %d rules loaded", r.Len())
	}
}

func TestRegression(t *testing.T) {
	r, _ := corpus(t)
	n := 0
	for name, f := range shared(t, "sigma/regression.tar.zst") {
		if path.Ext(name) != ".json" {
			continue
		}
		n++
		id := strings.TrimSuffix(path.Base(name), ".json")
		fits := false
		for _, ev := range jsonValues(t, f.Data) {
			fits = fits || slices.Contains(r.Fits(ev, time.UTC), id)
		}
		if !fits {
			t.Errorf("%s: its rule does not fit", name)
		}
	}
	t.Logf("%d recorded events", n)
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
