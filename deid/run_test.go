package deid

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/cordon-health/cordon/classify"
)

// runOf prepares a run over a folder with the files of a map.
func runOf(t *testing.T, profile string, files map[string]string) (*Run, string) {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	for name, text := range files {
		path := filepath.Join(in, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &Run{In: in, Out: out, Profile: openProfile(t, profile), Job: testJob(t), Content: testContent(t).Content, Workers: 2}, dir
}

func TestFolder(t *testing.T) {
	r, _ := runOf(t, "auto", map[string]string{
		"a/adt.hl7": admission, "b/patient.json": strings.ReplaceAll(fhirPatient, "\n", ""), "obs.ndjson": fhirObservation + "\n", "cda.xml": cdaText,
		"broken.hl7": "MSH|^~\\&|x\rOBX|\r\rhello there\r", "unknown.bin": "\x00\x01\x02",
	})
	var failed []string
	r.Each = func(f FileReport) error {
		if f.Why != "" {
			failed = append(failed, f.Path)
			if _, err := os.Stat(filepath.Join(r.Out, f.Path)); err == nil {
				t.Errorf("%s failed and is in the output", f.Path)
			}
		}
		return nil
	}
	total, err := r.Do(t.Context())
	if err != nil || total.Done != 4 || total.Failed != 2 {
		t.Fatalf("%+v, %v, failed %q", total, err, failed)
	}
	// The observation's file does not say whose it is but by the id of another.
	obs, err := os.ReadFile(filepath.Join(r.Out, "obs.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	moved, _ := r.Job.Key.ShiftDate(nil, []byte("2024-03-05T10:15:00+08:00"), "00123456")
	if !bytes.Contains(obs, moved) {
		t.Errorf("the dates of a file beside the patient's move otherwise: %s", obs)
	}
	again, err := r.Do(t.Context())
	if err != nil || again.Before != 4 || again.Done != 0 || again.Failed != 2 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestRunRefuses(t *testing.T) {
	r, dir := runOf(t, "hl7v2", map[string]string{"a.hl7": admission})
	file := filepath.Join(r.In, "a.hl7")
	for name, c := range map[string][2]string{
		"onto itself":      {file, file},
		"inside the input": {r.In, filepath.Join(r.In, "out")},
		"the same folder":  {r.In, r.In},
		"file for folder":  {r.In, file},
		"no input":         {filepath.Join(dir, "nothing"), r.Out},
	} {
		try := *r
		try.In, try.Out = c[0], c[1]
		if _, err := try.Do(t.Context()); err == nil {
			t.Errorf("%s: done", name)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != admission {
		t.Error("the input was changed")
	}
}

func TestEncryptedOutput(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, _ := runOf(t, "hl7v2", map[string]string{"a.hl7": admission})
	if r.To, err = Recipients([]string{identity.Recipient().String()}); err != nil {
		t.Fatal(err)
	}
	if total, err := r.Do(t.Context()); err != nil || total.Done != 1 {
		t.Fatalf("%+v, %v", total, err)
	}
	f, err := os.Open(filepath.Join(r.Out, "a.hl7.age"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := Decrypt(f, identity)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil || !strings.HasPrefix(string(text), "MSH|^~\\&|HIS|") {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := Recipients([]string{"hello"}); err == nil {
		t.Error("any word is a recipient")
	}
}

// TestEmbeddedDocuments: a document inside a message goes through the profile
// of its own type.
func TestEmbeddedDocuments(t *testing.T) {
	r, _ := runOf(t, "hl7v2", map[string]string{"a.hl7": "MSH|^~\\&|||||||ORU^R01|1|P|2.5\rPID|||00123456^^^^MR\rOBX|1|ED|1||^Application^HL7^Base64^" + base64Of(admission) + "\r"})
	if total, err := r.Do(t.Context()); err != nil || total.Done != 1 {
		t.Fatalf("%+v, %v", total, err)
	}
	out, err := os.ReadFile(filepath.Join(r.Out, "a.hl7"))
	if err != nil {
		t.Fatal(err)
	}
	clean, _ := rewrite(t, "hl7v2", []byte(admission), testJob(t))
	if !strings.Contains(string(out), base64Of(clean)) {
		t.Errorf("%s", out)
	}
}

func base64Of(s string) string {
	return base64.StdEncoding.EncodeToString([]byte(s))
}

// TestFileNames: names of patients do not leave in the names of files.
func TestFileNames(t *testing.T) {
	r, _ := runOf(t, "auto", map[string]string{"x": ""})
	r.Job.Scanner = words{"Smith": classify.Name}
	if got := r.outName(filepath.Join("Smith", "Smith_ct.dcm")); strings.Contains(got, "Smith") || !strings.HasSuffix(got, "_ct.dcm") {
		t.Errorf("%s", got)
	}
}

// words is a scanner that knows a few words.
type words map[string]classify.Kind

func (w words) Scan(dst []classify.Span, text []byte, _ classify.Mode) []classify.Span {
	for word, kind := range w {
		if i := bytes.Index(text, []byte(word)); i >= 0 {
			dst = append(dst, classify.Span{Start: i, End: i + len(word), Kind: kind})
		}
	}
	return dst
}
