package deid

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/classify"
)

// dicomJob is a job with a key of its own.
func dicomJob(t testing.TB) *Job {
	t.Helper()
	key, err := NewKey(KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &Job{Key: key, Scanner: engine, Today: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
}

func applyDICOM(t testing.TB, job *Job, in []byte, options ...string) ([]byte, Report, error) {
	t.Helper()
	p, err := Open(dicomBasic, Setup{Options: options})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	report, err := p.Apply(context.Background(), classify.BytesSource("x.dcm", in), &out, job)
	return out.Bytes(), report, err
}

// TestDICOMSamples puts every sample through several choices of options: what
// comes out is valid as dcmtk reads it, or there is a refusal with its reason.
func TestDICOMSamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sharedDICOM(t, "dicom"), "*.dcm"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	dump, dumpErr := exec.LookPath("dcmdump")
	job := dicomJob(t)
	for _, options := range [][]string{nil, {dropPixels}, {keepPixels, retainUIDs, retainModDates, retainDevice, retainPatient, retainInstitution, cleanDescriptors, cleanGraphics, cleanStructured, retainSafePrivate}} {
		for _, path := range files {
			in, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out, report, err := applyDICOM(t, job, in, options...)
			if err != nil {
				if !errors.Is(err, ErrRefused) {
					t.Errorf("%s: %v", filepath.Base(path), err)
				}
				t.Logf("%s: %v", filepath.Base(path), err)
				continue
			}
			t.Logf("%s %d -> %d %v %v", filepath.Base(path), len(in), len(out), report.Methods, report.Notes)
			if dumpErr != nil {
				continue
			}
			written := filepath.Join(t.TempDir(), "out.dcm")
			if err := os.WriteFile(written, out, 0o600); err != nil {
				t.Fatal(err)
			}
			if faults := newFaults(t, dump, path, written); faults != "" {
				t.Errorf("%s %v: dcmdump finds what it did not before: %s", filepath.Base(path), options, faults)
			}
		}
	}
}

// newFaults are the complaints of dcmdump about a file that it did not have
// about another. Sizes and places in them may differ.
func newFaults(t *testing.T, dump, before, after string) string {
	t.Helper()
	known := faults(t, dump, before)
	for line := range faults(t, dump, after) {
		if !known[line] {
			return line
		}
	}
	return ""
}

func faults(t *testing.T, dump, path string) map[string]bool {
	t.Helper()
	said, err := exec.Command(dump, "-M", path).CombinedOutput()
	found := map[string]bool{}
	if err != nil {
		found["it cannot be read: "+err.Error()] = true
	}
	for line := range strings.Lines(string(said)) {
		if strings.HasPrefix(line, "W: ") || strings.HasPrefix(line, "E: ") {
			found[line] = true
		}
	}
	return found
}
