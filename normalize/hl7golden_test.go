package normalize

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

var update = flag.Bool("update-golden", false, "rewrite the golden files; read the difference before you commit it")

func TestGoldenHL7(t *testing.T) { golden(t, "hl7v2", "hl7v2", "golden-hl7.txt") }

// golden reads every sample of a folder and compares one line each with the
// golden file. The lines were checked by eye against the samples.
func golden(t *testing.T, format, folder, file string) {
	t.Helper()
	n := New(Options{Zone: time.UTC})
	var b strings.Builder
	b.WriteString("# name|who|what|patient|when|outcome|facts\n")
	for _, path := range samples(t, folder) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		events, rejects := n.Normalize(Input{Format: format, Source: "golden", Received: 1, Data: data})
		for _, r := range rejects {
			t.Errorf("%s: rejected: %s", filepath.Base(path), r.Reason)
		}
		if len(events) == 0 {
			t.Errorf("%s: no event", filepath.Base(path))
		}
		for _, e := range events {
			b.WriteString(filepath.Base(path) + "|" + goldenLine(e) + "\n")
		}
	}
	compareGolden(t, filepath.Join("testdata", file), b.String())
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == got {
		return
	}
	wantLines, gotLines := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range max(len(wantLines), len(gotLines)) {
		var w, g string
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if w != g {
			t.Errorf("%s line %d\nwant %s\n got %s", path, i+1, w, g)
		}
	}
}

// goldenLine is who, what, which patient, when, outcome and the number of
// facts by kind ("-" marks retracted ones).
func goldenLine(e *ocsf.Event) string {
	who := e.Actor.User.Account
	if e.Actor.User.FullName != "" {
		who += "(" + e.Actor.User.FullName + ")"
	}
	if who == "" {
		who = "app:" + e.Actor.AppName
	}
	what := fmt.Sprintf("%d/%d %s", e.ClassUID, e.ActivityID, e.Metadata.EventCode)
	patient := ""
	if p := e.Patient; p != nil {
		patient = strings.Join(append([]string{p.UID}, p.AltUIDs...), ",")
		if p.Encounter != "" {
			patient += "@" + p.Encounter
		}
	}
	when := time.UnixMilli(e.Time).UTC().Format("2006-01-02T15:04:05.999Z")
	return strings.Join([]string{who, what, patient, when, []string{"unknown", "success", "failure"}[min(e.StatusID, 2)],
		factCounts(e.Care)}, "|")
}

func factCounts(facts []ocsf.Fact) string {
	count := map[string]int{}
	for _, f := range facts {
		kind := string(f.Kind)
		if f.Retract {
			kind = "-" + kind
		}
		count[kind]++
	}
	var list []string
	for kind, n := range count {
		list = append(list, fmt.Sprintf("%s=%d", kind, n))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// samples lists the files of a folder of the shared sample data, which stands
// beside the checkout.
func samples(t testing.TB, folder string) []string {
	t.Helper()
	dir := sharedData(t)
	paths, err := filepath.Glob(filepath.Join(dir, folder, "*"))
	if err != nil || len(paths) == 0 {
		t.Skipf("no samples in ../shared/data/%s beside the checkout", folder)
	}
	return paths
}

func sharedData(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "..", "shared", "data")
		}
	}
	t.Skip("no go.mod above the test; run it from a checkout")
	return ""
}
