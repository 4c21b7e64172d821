package classify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// marked is an Examine that finds the word PATIENT and the number behind it.
func marked(_ context.Context, src Source, _ Reader, emit func(*Finding) error) (Summary, error) {
	data, err := io.ReadAll(io.NewSectionReader(src, 0, src.Size()))
	if err != nil {
		return Summary{}, err
	}
	sum := Summary{Bytes: int64(len(data)), Kinds: map[string]int64{}}
	seen := map[uint32]bool{}
	for _, word := range strings.Fields(string(data)) {
		var who uint32
		if n, _ := fmt.Sscanf(word, "PATIENT%d", &who); n != 1 {
			continue
		}
		seen[who] = true
		sum.Kinds["mrn"]++
		sum.Level = 4
		if err := emit(&Finding{Kind: "mrn", Level: 4, Confidence: 90, Masked: "P***", Patient: true, who: who}); err != nil {
			return sum, err
		}
	}
	sum.Patients = len(seen)
	return sum, nil
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

// walked runs a walk and gives the results by path.
func walked(t *testing.T, w *Walk) (map[string]Result, Totals) {
	t.Helper()
	all := map[string]Result{}
	w.Done = func(r Result) error { all[r.Path] = r; return nil }
	if w.Examine == nil {
		w.Examine = marked
	}
	w.Now = time.Now
	totals, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all, totals
}

func TestWalkLooksIntoEverythingOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.txt", "PATIENT1 PATIENT2 PATIENT1")
	write(t, dir, "sub/b.csv", "PATIENT2")
	write(t, dir, "sub/c.tmp", "PATIENT9")
	write(t, dir, "skip/d.txt", "PATIENT8")
	write(t, dir, "large.bin", strings.Repeat("x", 5000))
	if err := os.Symlink(filepath.Join(dir, "a.txt"), filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, totals := walked(t, &Walk{
		Origins: []Origin{&Paths{Root: dir, Exclude: Globs{"*.tmp", "skip"}}}, Largest: 4000,
	})
	if len(all) != 3 || totals.Objects != 3 || totals.Patients != 2 || totals.Kinds["mrn"] != 4 || totals.Levels[4] != 2 || totals.Failed != 1 {
		t.Errorf("results %v, totals %+v", all, totals)
	}
	if r := all[filepath.Join(dir, "large.bin")]; r.Failed == nil || r.Unread != 1 {
		t.Errorf("a file too large: %+v", r)
	}
	if r := all[filepath.Join(dir, "a.txt")]; !slices.Equal(r.people, []uint32{1, 2}) || r.Findings != 3 {
		t.Errorf("a file with two patients: %+v", r)
	}
}

func TestWalkGoesOnBehindWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "good.txt", "PATIENT1")
	write(t, dir, "bad.txt", "PATIENT2")
	write(t, dir, "worse.txt", "PATIENT3")
	var found []Finding
	w := &Walk{Origins: []Origin{&Paths{Root: dir}}, Examine: func(ctx context.Context, src Source, by Reader, emit func(*Finding) error) (Summary, error) {
		switch src.Name() {
		case "bad.txt":
			return Summary{}, errors.New("the value 11010519491231002X is odd")
		case "worse.txt":
			panic("the value 11010519491231002X is odd")
		}
		return marked(ctx, src, by, emit)
	}, Found: func(_ string, _ Object, f *Finding) error { found = append(found, *f); return nil }}
	all, totals := walked(t, w)
	if len(all) != 3 || totals.Failed != 2 || totals.Findings != 3 {
		t.Errorf("totals %+v", totals)
	}
	for _, f := range found {
		if f.Kind == "unread" && (f.Why == nil || f.Why.EN == "" || f.Why.ZH == "" || strings.Contains(f.Why.EN, "1949")) {
			t.Errorf("what could not be read is told as %+v", f.Why)
		}
	}
}

func TestWalkLeavesAccessTimes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can be asked to leave access times")
	}
	dir := t.TempDir()
	path := write(t, dir, "sub/a.txt", "PATIENT1")
	old := time.Now().Add(-72 * time.Hour)
	for _, p := range []string{path, filepath.Dir(path)} {
		if err := os.Chtimes(p, old, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	_, totals := walked(t, &Walk{Origins: []Origin{&Paths{Root: dir}}})
	for _, p := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if at := info.Sys().(*syscall.Stat_t).Atim; time.Unix(at.Unix()).Sub(old).Abs() > time.Second {
			t.Errorf("%s was read at %v", p, time.Unix(at.Unix()))
		}
	}
	if totals.Touched != 0 || totals.Objects != 1 {
		t.Errorf("totals %+v", totals)
	}
}

func TestWalkNotesWhatChangesMeanwhile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "a.txt", "PATIENT1")
	all, totals := walked(t, &Walk{Origins: []Origin{&Paths{Root: dir}}, Examine: func(ctx context.Context, src Source, by Reader, emit func(*Finding) error) (Summary, error) {
		sum, err := marked(ctx, src, by, emit)
		return sum, errors.Join(err, os.WriteFile(path, []byte("PATIENT1 PATIENT2"), 0o600))
	}})
	if !all[path].Changed || totals.Changed != 1 {
		t.Errorf("result %+v", all[path])
	}
}

func TestWalkReadsWhatTheRootLinksTo(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "real/a.txt", "PATIENT1")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "real"), link); err != nil {
		t.Fatal(err)
	}
	if all, _ := walked(t, &Walk{Origins: []Origin{&Paths{Root: link}}}); len(all) != 1 || all[filepath.Join(link, "a.txt")].Findings != 1 {
		t.Errorf("results %v", all)
	}
	if _, err := (&Walk{Origins: []Origin{&Paths{Root: filepath.Join(dir, "none")}}, Examine: marked, Now: time.Now}).Run(t.Context()); err == nil {
		t.Error("a root that is not there is no error")
	}
}

func TestWalkKeepsToItsRate(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.bin", strings.Repeat("x", 300<<10))
	begun := time.Now()
	walked(t, &Walk{Origins: []Origin{&Paths{Root: dir}}, Rate: 400 << 10})
	if took := time.Since(begun); took < 300*time.Millisecond { // a quarter second's worth is free
		t.Errorf("300 KiB at 400 KiB/s took %v", took)
	}
}

func TestWalkEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	for i := range 50 {
		write(t, dir, fmt.Sprintf("%02d.txt", i), "PATIENT1")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	_, err := (&Walk{Origins: []Origin{&Paths{Root: dir}}, Workers: 2, Now: time.Now, Examine: func(ctx context.Context, src Source, by Reader, emit func(*Finding) error) (Summary, error) {
		if n.Add(1) == 5 {
			cancel()
		}
		return marked(ctx, src, by, emit)
	}}).Run(ctx)
	if !errors.Is(err, context.Canceled) || n.Load() > 10 {
		t.Errorf("%v after %d files", err, n.Load())
	}
}

func TestWalkTellsProgress(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		write(t, dir, fmt.Sprintf("%02d.txt", i), strings.Repeat("PATIENT1 ", 100))
	}
	var last Progress
	walked(t, &Walk{Origins: []Origin{&Paths{Root: dir}}, Progress: func(p Progress) { last = p }})
	if last.Counting || last.Objects != 20 || last.AllObjects != 20 || last.Bytes != last.AllBytes || last.Share() != 1 || last.Findings != 2000 {
		t.Errorf("the last progress is %+v", last)
	}
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"*.csv", "a/b/c.csv", true}, {"*.csv", "c.txt", false}, {"node_modules", "a/node_modules", true},
		{"a/*.csv", "a/c.csv", true}, {"a/*.csv", "a/b/c.csv", false}, {"a/**/c.csv", "a/b/d/c.csv", true}, {"a/**/c.csv", "a/c.csv", true},
		{"**/tmp/**", "x/tmp/y/z", true}, {"**/tmp/**", "x/tmpy/z", false}, {"**", "x", true}, {"a/**", "b/a/c", false},
	} {
		if got := (Globs{c.pattern}).Match(c.path); got != c.want {
			t.Errorf("%q fits %q: %v", c.pattern, c.path, got)
		}
	}
	if (Globs{"[a"}).Check() == nil {
		t.Error("[a is taken")
	}
}

func FuzzGlobs(f *testing.F) {
	f.Add("a/**/b*[c-d]?", "a/x/y/bbd1")
	f.Add("**/**/**/x", strings.Repeat("a/", 30)+"y")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if len(pattern) > 60 || len(path) > 200 || strings.Count(pattern, "**") > 4 {
			return
		}
		if g := (Globs{pattern}); g.Check() == nil {
			g.Match(path)
		}
	})
}

// journaled runs a scan with a journal, stopped after some objects by a
// cancelled context; 0 is to the end.
func journaled(t *testing.T, dir, journal, engine string, stopAfter int) (read []string, findings int, totals Totals) {
	t.Helper()
	j, err := OpenJournal(journal, engine)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &Walk{
		Origins: []Origin{&Paths{Root: dir}}, Workers: 1, Now: time.Now,
		Examine: func(ctx context.Context, src Source, by Reader, emit func(*Finding) error) (Summary, error) {
			read = append(read, src.Name())
			return marked(ctx, src, by, emit)
		},
		Known: func(origin string, o Object) (Result, bool) {
			return j.Known(origin, o, func(*Finding) error { findings++; return nil })
		},
		Found: func(origin string, o Object, f *Finding) error {
			findings++
			return j.Found(origin, o, f)
		},
		Done: func(r Result) error {
			if err := j.Done(r); err != nil {
				return err
			}
			if stopAfter--; stopAfter == 0 {
				cancel()
			}
			return nil
		},
	}
	totals, err = w.Run(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return read, findings, totals
}

func TestJournalGoesOnWhereAScanStopped(t *testing.T) {
	dir, journal := t.TempDir(), filepath.Join(t.TempDir(), "j")
	for i := range 10 {
		write(t, dir, fmt.Sprintf("%d.txt", i), fmt.Sprintf("PATIENT%d PATIENT%d", i, i+1))
	}
	first, _, _ := journaled(t, dir, journal, "v1", 4)
	rest, findings, totals := journaled(t, dir, journal, "v1", 0)
	if len(first) < 4 || len(first) > 6 || len(rest) < 4 || len(rest) > 6 || findings != 20 || totals.Objects != 10 || totals.Patients != 11 || totals.Findings != 20 {
		t.Errorf("first %v, then %v; %d findings, totals %+v", first, rest, findings, totals)
	}
	write(t, dir, "3.txt", "PATIENT77")
	again, findings, totals := journaled(t, dir, journal, "v1", 0)
	if !slices.Equal(again, []string{"3.txt"}) || findings != 19 || totals.Unchanged != 9 || totals.Patients != 12 {
		t.Errorf("after one change: read %v, %d findings, totals %+v", again, findings, totals)
	}
	if other, _, _ := journaled(t, dir, journal, "v2", 0); len(other) != 10 {
		t.Errorf("another engine reads %v", other)
	}
}

// TestJournalSurvivesAnyEnd cuts the journal at every byte, as kill -9 or a
// power cut may, and once more spoils one: what is left must be whole.
func TestJournalSurvivesAnyEnd(t *testing.T) {
	dir, journal := t.TempDir(), filepath.Join(t.TempDir(), "j")
	for i := range 3 {
		write(t, dir, fmt.Sprintf("%d.txt", i), "PATIENT1")
	}
	journaled(t, dir, journal, "v", 0)
	whole, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole); n += 7 {
		for _, data := range [][]byte{whole[:n], append(append(bytes.Clone(whole[:n]), whole[n]^1), whole[n+1:]...)} {
			if err := os.WriteFile(journal, data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, findings, totals := journaled(t, dir, journal, "v", 0)
			if findings != 3 || totals.Objects != 3 || totals.Patients != 1 {
				t.Fatalf("cut at %d: %d findings, totals %+v", n, findings, totals)
			}
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := OpenJournal(path, "v")
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestColumnsJoinCells(t *testing.T) {
	var c Columns
	for i := range 100 {
		c.Add(&Finding{Part: "t.phone", Kind: "cn-mobile", Level: 3, Confidence: 80, Patient: true, who: uint32(i % 7), Token: "x"})
	}
	c.Add(&Finding{Part: "t.name", Kind: "person-name", Level: 4, Confidence: 70})
	var got []Finding
	patients, err := c.Tell(200, 10_000, func(f *Finding) error { got = append(got, *f); return nil })
	if err != nil || patients != 7 || len(got) != 2 || got[1].Count != 100 || got[1].Estimated != 5000 || got[1].Token != "" || len(got[1].crowd) != 7 {
		t.Errorf("%d patients, %+v, %v", patients, got, err)
	}
}

func TestCrowdEstimates(t *testing.T) {
	for _, n := range []int{0, 1, 10, 1000, 100_000} {
		var c crowd
		for i := range n {
			c.add(fmt.Sprint("token", i))
			c.add(fmt.Sprint("token", i))
		}
		if got := c.estimate(); got < int64(float64(n)*0.94) || got > int64(float64(n)*1.06)+1 {
			t.Errorf("%d tokens are estimated as %d", n, got)
		}
	}
}

func TestPeopleArePackedAndUnpacked(t *testing.T) {
	for _, list := range [][]uint32{nil, {0}, {1, 2, 3}, {5, 1 << 20, 1<<32 - 1}} {
		got, err := unpackPeople(packPeople(list))
		if err != nil || !slices.Equal(got, list) {
			t.Errorf("%v becomes %v, %v", list, got, err)
		}
	}
	if _, err := unpackPeople("!"); err == nil {
		t.Error("! is taken")
	}
}

func TestTargetsAreChecked(t *testing.T) {
	good := ScanTarget{Name: "病区 share-1", Path: "/mnt/x", Every: time.Hour, At: "02:30", Allowed: 2}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*ScanTarget){
		"name": func(x *ScanTarget) { x.Name = "a/b" }, "path": func(x *ScanTarget) { x.Path = "" }, "every": func(x *ScanTarget) { x.Every = time.Second },
		"allowed": func(x *ScanTarget) { x.Allowed = 6 }, "at": func(x *ScanTarget) { x.At = "half past two" }, "rate": func(x *ScanTarget) { x.Rate = -1 }, "include": func(x *ScanTarget) { x.Include = Globs{"[a"} },
	} {
		bad := good
		spoil(&bad)
		if bad.Check() == nil {
			t.Errorf("a bad %s is taken", name)
		}
	}
	if got := WithoutSecrets("postgres://u:secret@h/db?password=x"); got != "postgres://h/db" {
		t.Errorf("without secrets %q", got)
	}
}

func TestScheduleIsDue(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	at := func(s string) time.Time {
		x, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	daily := ScanTarget{Every: 24 * time.Hour, At: "02:30"}
	for _, c := range []struct {
		target    ScanTarget
		last, now string
		due       bool
	}{
		{daily, "2026-03-01 02:30", "2026-03-02 02:00", false}, {daily, "2026-03-01 02:30", "2026-03-02 02:31", true},
		{daily, "2026-03-01 02:50", "2026-03-02 02:31", true}, // a late one does not move the next
		{daily, "2026-03-02 02:31", "2026-03-02 20:00", false},
		{ScanTarget{Every: time.Hour}, "2026-03-01 02:30", "2026-03-01 03:29", false}, {ScanTarget{Every: time.Hour}, "2026-03-01 02:30", "2026-03-01 03:30", true},
	} {
		due, ok := c.target.Due(at(c.last), at(c.now))
		if got := ok && !due.After(at(c.now)); got != c.due {
			t.Errorf("last %s, now %s: due %v (%v)", c.last, c.now, got, due)
		}
	}
	if _, ok := (ScanTarget{}).Due(time.Time{}, at("2026-03-01 02:30")); ok {
		t.Error("a target without a schedule is due")
	}
	if due, ok := daily.Due(time.Time{}, at("2026-03-01 12:00")); !ok || due.After(at("2026-03-01 12:00")) {
		t.Errorf("a target never scanned waits until %v", due)
	}
}
