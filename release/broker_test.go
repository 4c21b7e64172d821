package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"archive/zip"

	"filippo.io/age"

	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/archive"
	"github.com/cordon-health/cordon/classify/table"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/store/sqlite"
)

type desk struct {
	*Broker
	clock    time.Time
	patients *classify.Patients
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{clock: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	now := func() time.Time { return d.clock }
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	dir := t.TempDir()
	log, err := evidence.Open(t.Context(), evidence.Config{Dir: filepath.Join(dir, "log"), KeyDir: filepath.Join(dir, "keys"), Origin: "test.example/log"}, db, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close(context.Background()) })
	files, err := folder.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		t.Fatal(err)
	}
	key := keyed.Key{9}
	pseudonyms, err := deid.NewKey(deid.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.Broker = &Broker{DB: db, Log: log, Files: files, Identity: identity, Secret: Secret{5}, Temp: t.TempDir(), Now: now, Slog: slog.New(slog.DiscardHandler),
		Key: func() (*deid.Key, error) { return pseudonyms, nil },
		Inspector: func() *classify.Inspector {
			return &classify.Inspector{Engine: engine, Levels: classify.Usual(), Key: &key, Patients: d.patients, Readers: slices.Concat(archive.Readers(), table.Readers())}
		}}
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// visits is a table of invented visits.
func visits(rows int) string {
	rng := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("mrn,age,sex,district,days,cost,diagnosis\n")
	for i := range rows {
		fmt.Fprintf(&b, "T%07d,%d,%s,1101%02d,%d,%d,%s\n", i, 20+rng.IntN(60), []string{"男", "女"}[rng.IntN(2)], 1+rng.IntN(16), 1+rng.IntN(30), 1000+rng.IntN(90000), []string{"I10", "E11.9", "J18.9", "K35.8"}[rng.IntN(4)])
	}
	return b.String()
}

const recipe = `
kind: table
anonymize:
  k: 5
  max_suppression: 0.05
  columns:
    mrn: {kind: identifying}
    age: {kind: quasi, hierarchy: {intervals: [5, 10, 20]}}
    sex: {kind: quasi}
    district: {kind: quasi, hierarchy: {prefix: [4]}}
    days: {kind: sensitive}
    cost: {kind: sensitive}
    diagnosis: {kind: sensitive}
mark: {honey: 5}
`

func wish() Wish {
	return Wish{Title: "Visits of 2025", Purpose: "study of lengths of stay", Basis: "ethics committee 2026-017", Recipient: "University A",
		Until: "2026-12-31", Recipe: recipe, File: "visits.csv"}
}

func (d *desk) made(t *testing.T, w Wish, data string) Release {
	t.Helper()
	r, err := d.Request(t.Context(), w, "steward", strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r, err = d.Make(t.Context(), r.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRelease(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	r := d.made(t, wish(), visits(4000))
	if r.State != Measured || r.Measured == nil || r.Level < 2 || r.OutputHash == "" || r.MarksHash == "" {
		t.Fatalf("made: %+v trial %+v", r, r.Trial)
	}
	if _, err := d.Take(ctx, r.ID, "steward", io.Discard); !errors.Is(err, ErrState) {
		t.Errorf("taken without approval: %v", err)
	}
	if _, err := d.Decide(ctx, r.ID, true, "Steward", "fine"); !errors.Is(err, ErrOwn) {
		t.Errorf("approved by who asked: %v", err)
	}
	if _, err := d.Decide(ctx, r.ID, true, "officer", "risk is low, purpose is lawful"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r, err := d.Take(ctx, r.ID, "steward", &out)
	if err != nil || r.Taken != 1 || hashOf(out.Bytes()) != r.OutputHash || strings.Contains(out.String(), "mrn") {
		t.Fatalf("taken: %v %+v", err, r)
	}
	records, err := d.Log.History(ctx, Kind, r.ID)
	if err != nil || len(records) < 5 {
		t.Errorf("%d versions in evidence: %v", len(records), err)
	}
	d.traced(t, r, out.String())
	d.clock = d.clock.AddDate(1, 0, 0)
	if err := d.Tend(ctx); err != nil {
		t.Fatal(err)
	}
	if r, err = d.Get(ctx, r.ID); err != nil || r.State != Ended {
		t.Errorf("after its last day: %s %v", r.State, err)
	}
	if _, err := d.Files.Get(ctx, outputName(r.ID)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data of an ended release are still there: %v", err)
	}
	if copies, err := d.Copies(ctx); err != nil || len(copies) != 2 {
		t.Errorf("the fingerprint went with the data: %d %v", len(copies), err)
	}
}

// traced: a shuffled part of the copy names its recipient, another's does not.
func (d *desk) traced(t *testing.T, r Release, text string) {
	t.Helper()
	w := wish()
	w.Recipient = "Company B"
	other := d.made(t, w, visits(4000))
	if other.State != Measured {
		t.Fatalf("the second copy: %+v", other.Trial)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	rows := lines[1:]
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	fragment, err := ReadTable(strings.NewReader(lines[0]+"\n"+strings.Join(rows[:800], "\n")+"\n"), ',', Bounds{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Trace(t.Context(), fragment)
	if err != nil || len(v.Named) != 1 || v.Named[0].Recipient != r.Recipient || v.Named[0].Release != r.ID {
		t.Errorf("trace: %+v %v", v, err)
	}
}

func TestBlocked(t *testing.T) {
	d := newDesk(t)
	w := wish()
	w.Recipe = strings.Replace(recipe, "mrn: {kind: identifying}", "mrn: {kind: insensitive}", 1)
	if r := d.made(t, w, visits(2000)); r.State != Blocked || r.Failure == nil {
		t.Errorf("record numbers in a column that stays: %s %+v", r.State, r.Trial)
	}
	w.Recipe = strings.Replace(recipe, "cost: {kind: sensitive}", "cost: {kind: insensitive}", 1)
	if r := d.made(t, w, visits(2000)); r.State != Blocked || r.Trial == nil || r.Trial.Linked < 0.9 {
		t.Errorf("rows that stand alone: %s %+v", r.State, r.Trial)
	}
	ids := strings.NewReplacer("T0000001,", "11010519491231002X,", "T0000002,", "440524188001010014,").Replace(visits(2000))
	if r := d.made(t, w, ids); r.State != Blocked {
		t.Errorf("identity numbers in a column that stays: %s", r.State)
	}
	w.Recipe = "kind: table"
	if _, err := d.Request(t.Context(), w, "steward", strings.NewReader("a\n")); err == nil {
		t.Error("a table without anonymize was taken")
	}
	w = wish()
	w.Until = "2025-01-01"
	if _, err := d.Request(t.Context(), w, "steward", strings.NewReader("a\n")); err == nil {
		t.Error("a day of the past was taken")
	}
}

func TestFiles(t *testing.T) {
	d := newDesk(t)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{"note-zhang.txt": "患者张伟，身份证号11010519491231002X，电话13800138000。", "plain.txt": "今天天气很好。"} {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, text)
	}
	z.Close()
	w := wish()
	w.File, w.Recipe = "notes.zip", "kind: files\nprofile: text-redact\n"
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w.AgeKey = identity.Recipient().String()
	r := d.made(t, w, b.String())
	if r.State != Measured {
		t.Fatalf("%s: %+v %+v", r.State, r.Failure, r.Trial)
	}
	if _, err := d.Decide(t.Context(), r.ID, true, "officer", "redacted notes"); err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if _, err := d.Take(t.Context(), r.ID, "steward", &sealed); err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(&sealed, identity)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	out, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(out.File) != 2 {
		t.Fatalf("%v", err)
	}
	for _, f := range out.File {
		if strings.Contains(f.Name, "zhang") {
			t.Errorf("a file's name tells whose it is: %s", f.Name)
		}
		in, _ := f.Open()
		text, _ := io.ReadAll(in)
		if strings.Contains(string(text), "张伟") || strings.Contains(string(text), "11010519491231002X") {
			t.Errorf("%s: %s", f.Name, text)
		}
	}
}

func TestOwnPatientsDoNotLeave(t *testing.T) {
	d := newDesk(t)
	var err error
	d.patients, err = classify.BuildPatients(keyed.Key{9}, slices.Values([]classify.Patient{{MRN: "T0000007"}, {MRN: "T0000008"}}))
	if err != nil {
		t.Fatal(err)
	}
	w := wish()
	w.Recipe = strings.Replace(recipe, "mrn: {kind: identifying}", "mrn: {kind: insensitive}", 1) + "pseudonyms: [mrn]\n"
	w.Recipe = strings.Replace(w.Recipe, "honey: 5", "honey: 0", 1)
	if r := d.made(t, w, visits(2000)); r.State != Blocked || r.Trial == nil || r.Trial.Patients != 2 && len(r.Trial.Same) == 0 {
		t.Errorf("our own record numbers: %s %+v %+v", r.State, r.Failure, r.Trial)
	}
}

// TestCounts: counts with noise cost budget, of the named data set, of the file
// itself and of the recipient; what is spent is spent.
func TestCounts(t *testing.T) {
	d := newDesk(t)
	var err error
	if d.Budget, err = DefaultSettings().Budget(); err != nil {
		t.Fatal(err)
	}
	w := wish()
	w.Recipe = "kind: counts\ncounts: {dataset: visits, by: [sex, diagnosis], person: mrn, per_person: 1, epsilon: 0.5, delta: 1/100000}\n"
	for i, want := range []string{Measured, Measured, Blocked} {
		r := d.made(t, w, visits(4000))
		if r.State != want {
			t.Fatalf("request %d: %s, not %s (%+v %+v)", i+1, r.State, want, r.Failure, r.Trial)
		}
		if want == Measured && (r.Counted == nil || r.Counted.Shown != 8 || r.Level != 4) {
			t.Errorf("%+v", r.Counted)
		}
	}
	w.Recipient = "Company B" // has a budget of its own within the data set's
	w.Recipe = strings.Replace(w.Recipe, "dataset: visits", "dataset: renamed", 1)
	if r := d.made(t, w, visits(4000)); r.State != Measured {
		t.Errorf("another recipient: %s %+v", r.State, r.Failure)
	}
	for _, bad := range []string{
		"kind: counts\n", "kind: counts\ncounts: {dataset: x, by: [a], person: a, per_person: 1, epsilon: 1, known: [x]}",
		"kind: counts\ncounts: {dataset: x, by: [a], person: b, per_person: 1, epsilon: -1, known: [x]}",
		"kind: counts\ncounts: {dataset: x, by: [a], person: b, per_person: 1, epsilon: 1}",
	} {
		if _, err := ReadRecipe([]byte(bad)); err == nil {
			t.Errorf("taken: %s", bad)
		}
	}
}

func FuzzRecipe(f *testing.F) {
	f.Add([]byte(recipe))
	f.Add([]byte("kind: files\nprofile: auto\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := ReadRecipe(text); err == nil && r.Kind == "" {
			t.Error("a recipe without a kind")
		}
	})
}
