package classify

import (
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/postgres"
	"github.com/cordon-health/cordon/store/sqlite"
)

// book remembers records.
type book struct{ records []evidence.Record }

func (b *book) Put(_ *sql.Tx, r evidence.Record) (int, error) {
	b.records = append(b.records, r)
	return len(b.records), nil
}

// mapTest is a data map over a folder.
type mapTest struct {
	*testing.T
	m      *Map
	book   *book
	dir    string
	now    time.Time
	alarms []Alarm
	deaf   error // what alarm answers
}

func eachStore(t *testing.T, test func(*mapTest)) {
	t.Run("sqlite", func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"))
		test(newMapTest(t, db, err))
	})
	t.Run("postgres", func(t *testing.T) {
		db, err := postgres.Open(t.Context(), pgtest.Start(t))
		test(newMapTest(t, db, err))
	})
}

func newMapTest(t *testing.T, db *store.DB, err error) *mapTest {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	x := &mapTest{T: t, book: &book{}, dir: t.TempDir(), now: time.UnixMilli(1_772_400_000_000)}
	x.m, err = OpenMap(t.Context(), db, x.book, keyed.Key{1}, func() time.Time { x.now = x.now.Add(time.Second); return x.now })
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// scan scans the folder; stop is how many objects are done before it is cut
// short, 0 for all.
func (x *mapTest) scan(engine string, stop int) (ScanRun, []string) {
	x.Helper()
	rec, err := x.m.Record(x.Context(), ScanRun{Target: "share", Address: x.dir, Engine: engine, By: "ann"}, Limit{Allowed: 2, Report: 3},
		func(_ context.Context, a Alarm) error {
			if x.deaf == nil {
				x.alarms = append(x.alarms, a)
			}
			return x.deaf
		})
	if err != nil {
		x.Fatal(err)
	}
	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	var read []string
	w := &Walk{Origins: []Origin{&Paths{Root: x.dir}}, Workers: 1, Now: time.Now, Known: rec.Known, Found: rec.Found,
		Done: func(r Result) error {
			if stop--; stop == 0 {
				cancel()
			}
			return rec.Done(r)
		},
		Examine: func(ctx context.Context, src Source, by Reader, emit func(*Finding) error) (Summary, error) {
			read = append(read, src.Name())
			return marked(ctx, src, by, emit)
		}}
	totals, err := w.Run(ctx)
	state := Finished
	if err != nil {
		state = Interrupted
	}
	run, err := rec.End(x.Context(), state, "", totals)
	if err != nil && x.deaf == nil {
		x.Fatal(err)
	}
	return run, read
}

func (x *mapTest) objects(f ObjectFilter) []MapObject {
	x.Helper()
	list, all, err := x.m.Objects(x.Context(), f)
	if err != nil || f.Limit == 0 && all != len(list) {
		x.Fatal(err, all, len(list))
	}
	return list
}

func TestMapTellsWhatChanged(t *testing.T) {
	eachStore(t, func(x *mapTest) {
		write(x.T, x.dir, "a.txt", "PATIENT1 PATIENT2")
		write(x.T, x.dir, "b.txt", "PATIENT2")
		write(x.T, x.dir, "c.txt", "nothing")
		run, read := x.scan("v1", 0)
		if len(read) != 3 || run.Changes[Fresh] != 2 || run.Totals.Patients != 2 || len(x.alarms) != 2 {
			x.Fatalf("first: read %v, %+v, %d alarms", read, run, len(x.alarms))
		}
		first := x.objects(ObjectFilter{MinLevel: 1})
		if len(first) != 2 || first[0].Patients != 2 || first[0].Level != 4 {
			x.Fatalf("objects %+v", first)
		}
		write(x.T, x.dir, "a.txt", "PATIENT1 PATIENT2 PATIENT3")
		write(x.T, x.dir, "c.txt", "PATIENT9 now")
		if err := removeFile(filepath.Join(x.dir, "b.txt")); err != nil {
			x.Fatal(err)
		}
		run, read = x.scan("v1", 0)
		if !slices.Equal(read, []string{"a.txt", "c.txt"}) || run.Changes[Worse] != 1 || run.Changes[Fresh] != 1 || run.Changes[Gone] != 1 || run.Totals.Patients != 4 {
			x.Errorf("second: read %v, changes %v, %d patients", read, run.Changes, run.Totals.Patients)
		}
		if len(x.alarms) != 3 {
			x.Errorf("%d alarms; only the new object is one", len(x.alarms))
		}
		changes, err := x.m.Changes(x.Context(), run.ID, 100, 0)
		if err != nil || len(changes) != 3 || changes[0].What != Worse || changes[0].PatientsBefore != 2 || changes[0].PatientsAfter != 3 {
			x.Errorf("changes %+v, %v", changes, err)
		}
		x.same("v1")
		x.held()
	})
}

// same scans again: nothing is read, nothing changes.
func (x *mapTest) same(engine string) {
	x.Helper()
	run, read := x.scan(engine, 0)
	if len(read) != 0 || run.Totals.Unchanged != 2 || len(run.Changes) != 0 || run.Totals.Patients != 4 {
		x.Errorf("nothing changed: read %v, %+v", read, run)
	}
	for _, o := range x.objects(ObjectFilter{MinLevel: 1}) {
		if list, err := x.m.Findings(x.Context(), "share", o.ID); err != nil || int64(len(list)) != o.Findings {
			x.Errorf("of an object that did not change, %d of %d findings are left: %v", len(list), o.Findings, err)
		}
	}
	if run, read := x.scan("v2", 0); len(read) != 2 || len(run.Changes) != 0 {
		x.Errorf("another engine: read %v, changes %v", read, run.Changes)
	}
}

// held checks sums, filters and what evidence was told.
func (x *mapTest) held() {
	x.Helper()
	all, everyone, err := x.m.Holdings(x.Context())
	if err != nil || len(all) != 1 || everyone != 4 || all[0].Objects[4] != 2 || all[0].Level() != 4 || all[0].Patients != 4 {
		x.Errorf("holdings %+v, %d, %v", all, everyone, err)
	}
	for name, c := range map[string]struct {
		f ObjectFilter
		n int
	}{
		"kind": {ObjectFilter{Kind: "mrn"}, 2}, "other kind": {ObjectFilter{Kind: "mr_"}, 0}, "path": {ObjectFilter{Path: "A.TX"}, 1},
		"percent": {ObjectFilter{Path: "%"}, 0}, "gone": {ObjectFilter{Gone: true}, 1}, "level": {ObjectFilter{Level: 3}, 0},
		"target": {ObjectFilter{Target: "none"}, 0}, "page": {ObjectFilter{Limit: 1, Offset: 1}, 1}, "owner": {ObjectFilter{Owner: "nobody here"}, 0},
	} {
		if got := x.objects(c.f); len(got) != c.n {
			x.Errorf("%s: %d objects, want %d", name, len(got), c.n)
		}
	}
	o := x.objects(ObjectFilter{Path: "a.txt"})[0]
	list, err := x.m.Findings(x.Context(), "share", o.ID)
	if err != nil || len(list) != 3 || list[0].Kind != "mrn" {
		x.Errorf("findings %+v, %v", list, err)
	}
	if _, err := x.m.Object(x.Context(), "share", "none"); !errors.Is(err, fs.ErrNotExist) {
		x.Errorf("an object that is not there: %v", err)
	}
	states := map[string]int{}
	for _, r := range x.book.records {
		if r.Kind == KindScan {
			states[r.Status]++
			if strings.Contains(string(r.Body), x.dir) {
				x.Error("a path is in the evidence")
			}
		}
	}
	if states[Running] != 4 || states[Finished] != 4 {
		x.Errorf("records of scans %v", states)
	}
}

func TestMapTakesUpWhatWasCutShort(t *testing.T) {
	eachStore(t, func(x *mapTest) {
		for i := range 6 {
			write(x.T, x.dir, fmt.Sprintf("%d.txt", i), fmt.Sprintf("PATIENT%d", i))
		}
		cut, first := x.scan("v1", 3)
		run, rest := x.scan("v1", 0)
		if cut.State != Interrupted || run.ID != cut.ID || run.State != Finished || len(first)+len(rest) > 8 || len(rest) > 4 {
			x.Errorf("cut %+v read %v, then %+v read %v", cut, first, run, rest)
		}
		if run.Changes[Fresh] != 6 || run.Totals.Objects != 6 || run.Totals.Patients != 6 || len(x.alarms) != 6 {
			x.Errorf("changes %v, totals %+v, %d alarms", run.Changes, run.Totals, len(x.alarms))
		}
	})
}

func TestMapTellsAlarmsAgainUntilTheyAreHeard(t *testing.T) {
	eachStore(t, func(x *mapTest) {
		write(x.T, x.dir, "a.txt", "PATIENT1")
		x.deaf = errors.New("not now")
		x.scan("v1", 0)
		x.deaf = nil
		x.scan("v1", 0)
		x.scan("v1", 0)
		if len(x.alarms) != 1 || x.alarms[0].Result.Level != 4 || x.alarms[0].Allowed != 2 || x.alarms[0].Object == "" {
			x.Errorf("alarms %+v", x.alarms)
		}
	})
}

func TestMapKeepsPlacesAndForgets(t *testing.T) {
	eachStore(t, func(x *mapTest) {
		write(x.T, x.dir, "a.txt", "PATIENT1")
		x.scan("v1", 0)
		ctx := x.Context()
		if err := x.m.SetPlace(ctx, Place{Target: "share", Owner: "Dr Li", Department: "ICU", Allowed: 3, By: "ann"}); err != nil {
			x.Fatal(err)
		}
		if places, err := x.m.Places(ctx); err != nil || places["share"].Owner != "Dr Li" || places["share"].Allowed != 3 {
			x.Errorf("places %v, %v", places, err)
		}
		if _, err := x.m.Record(ctx, ScanRun{Target: "share", Engine: "v1"}, Limit{}, nil); err != nil {
			x.Fatal(err)
		}
		if _, err := x.m.Record(ctx, ScanRun{Target: "share", Engine: "v1"}, Limit{}, nil); !Busy(err) {
			x.Errorf("two scans of one target: %v", err)
		}
		if err := x.m.Forget(ctx, x.now.UnixMilli()+1); err != nil {
			x.Fatal(err)
		}
		if runs, err := x.m.Runs(ctx, "share", 10); err != nil || len(runs) != 2 {
			x.Errorf("the last scans are gone: %v, %v", runs, err)
		}
		if err := x.m.Drop(ctx, "share", "ann"); err != nil {
			x.Fatal(err)
		}
		if all, _, err := x.m.Holdings(ctx); err != nil || len(all) != 0 {
			x.Errorf("a dropped target holds %v, %v", all, err)
		}
	})
}

func removeFile(path string) error { return os.Remove(path) }

// hostile are findings that formats have to escape.
func hostile() []Line {
	why := Encrypted.Text
	return []Line{
		{Path: "/data/张三 50%.csv", Finding: &Finding{Part: `row 7, "x"`, Field: "=cmd()", Offset: 12, Length: 18, Kind: "cn-resident-id", Level: 4, Confidence: 99, Reason: "check", Masked: "1101**********002X", Token: "ABC"}},
		{Path: "relative/=x.txt", Finding: &Finding{Member: "a.zip!/b.txt", Offset: 3, Length: 2, Kind: "custom-kind", Level: 3, Confidence: 60, Masked: "-**\n</x>"}},
		{Path: "/data/locked.pdf", Finding: &Finding{Kind: "unread", Confidence: 99, Why: &why}},
		{Path: "postgres://h/db/public.t", Finding: &Finding{Part: "t.phone", Offset: -1, Kind: "cn-mobile", Level: 3, Confidence: 80, Count: 10, Estimated: 1000, Decoded: true}},
	}
}

func reported(t *testing.T, r Report, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range hostile() {
		if err := r.Found(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(Totals{Objects: 4, Findings: 4, Kinds: map[string]int64{}}); err != nil {
		t.Fatal(err)
	}
}

func TestReportsAreJSONLines(t *testing.T) {
	var b strings.Builder
	reported(t, NewJSON(&b), nil)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[4], `{"totals":{`) {
		t.Fatalf("%d lines, the last is %s", len(lines), lines[len(lines)-1])
	}
	var first map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"path", "part", "offset", "length", "type", "level", "confidence", "masked", "reason"} {
		if _, ok := first[name]; !ok {
			t.Errorf("a finding has no %s: %s", name, lines[0])
		}
	}
}

func TestReportsAreCSV(t *testing.T) {
	var b strings.Builder
	r, err := NewCSV(&b)
	reported(t, r, err)
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		for _, cell := range row {
			if strings.IndexAny(cell, "=+-@") == 0 && cell != "-1" {
				t.Errorf("the cell %q is a formula", cell)
			}
		}
	}
	if rows[4][14] != "1000" || rows[1][0] != "/data/张三 50%.csv" {
		t.Errorf("rows %v", rows)
	}
}

// TestReportsAreSARIF holds the report to what SARIF 2.1.0 demands of the
// members it has (sections 3.13 to 3.52).
func TestReportsAreSARIF(t *testing.T) {
	var b strings.Builder
	r, err := NewSARIF(&b, "1.2.3", []SARIFKind{{"cn-resident-id", ResidentID.Info().Title, 4}, {"unread", Unread.Info().Title, 1}})
	reported(t, r, err)
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name, Version, InformationURI string
					Rules                         []sarifRule
				}
			}
			Results     []sarifResult
			Invocations []struct{ ExecutionSuccessful *bool }
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || !strings.Contains(log.Schema, "sarif-2.1.0") || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" || log.Runs[0].Invocations[0].ExecutionSuccessful == nil {
		t.Fatalf("log %+v", log)
	}
	run := log.Runs[0]
	if len(run.Results) != 4 {
		t.Fatalf("%d results", len(run.Results))
	}
	for _, x := range run.Results {
		checkResult(t, run.Tool.Driver.Rules, x)
	}
}

func checkResult(t *testing.T, rules []sarifRule, x sarifResult) {
	t.Helper()
	if x.Message.Text == "" || !slices.Contains([]string{"none", "note", "warning", "error"}, x.Level) || len(x.Locations) != 1 {
		t.Errorf("result %+v", x)
	}
	if x.RuleIndex != nil && rules[*x.RuleIndex].ID != x.RuleID {
		t.Errorf("rule %d is not %s", *x.RuleIndex, x.RuleID)
	}
	at := x.Locations[0].Physical
	if u, err := url.Parse(at.Artifact.URI); err != nil || at.Artifact.URI == "" || strings.ContainsAny(at.Artifact.URI, " 张") || u.Scheme == "file" && !strings.HasPrefix(at.Artifact.URI, "file:///") {
		t.Errorf("%q is no URI: %v", at.Artifact.URI, err)
	}
	if at.Region != nil && (at.Region.Offset < 0 || at.Region.Length < 0) {
		t.Errorf("region %+v", at.Region)
	}
}
