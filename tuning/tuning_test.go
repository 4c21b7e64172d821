package tuning_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
	"github.com/cordon-health/cordon/tuning"
)

type desk struct {
	*tuning.Book
	db  *store.DB
	now time.Time
}

func open(t *testing.T) *desk {
	t.Helper()
	ctx := t.Context()
	d := &desk{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	now := func() time.Time { return d.now }
	var err error
	if d.db, err = sqlite.Open(ctx, filepath.Join(t.TempDir(), "s.db")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log, err := evidence.Open(ctx, evidence.Config{Dir: dir, KeyDir: dir, Origin: "test.example/log"}, d.db, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()); _ = d.db.Close() })
	if d.Book, err = tuning.Open(ctx, d.db, log, now); err != nil {
		t.Fatal(err)
	}
	return d
}

func good() tuning.Exception {
	return tuning.Exception{Detector: "vip", Person: "S1", Until: "2026-12-31", Reason: "audit of ward 3", ApprovedBy: "Dr. Lin"}
}

func TestExceptionsLive(t *testing.T) {
	ctx := t.Context()
	d := open(t)
	x, err := d.Create(ctx, good(), "anna", false)
	if err != nil || x.State(d.now) != tuning.Active {
		t.Fatal(x, err)
	}
	cfg, err := d.Effective(ctx, detect.Config{Exceptions: []detect.Exception{{Detector: "crowd"}}})
	if err != nil || len(cfg.Exceptions) != 2 || cfg.Exceptions[1].ID != x.ID {
		t.Fatalf("%+v %v", cfg, err)
	}
	d.now = d.now.Add(tuning.ReviewEvery)
	if !x.Due(d.now) {
		t.Error("not due after ninety days")
	}
	if _, err := d.Review(ctx, x.ID, "bo", ""); err == nil {
		t.Error("a review without a word")
	}
	if x, err = d.Review(ctx, x.ID, "bo", "still needed"); err != nil || x.Due(d.now) {
		t.Error("reviewed, still due", err)
	}
	for range 2 {
		d.now = d.now.Add(tuning.ReviewEvery)
		if x, err = d.Review(ctx, x.ID, "bo", "still needed"); err != nil {
			t.Fatal(err)
		}
	}
	d.now = time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC)
	if !x.Expiring(d.now) {
		t.Error("eleven days before its end it is not shown as expiring")
	}
	d.now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	if cfg, _ := d.Effective(ctx, detect.Config{}); len(cfg.Exceptions) != 0 || x.State(d.now) != tuning.Expired {
		t.Error("in force after its end")
	}
	if _, err := d.End(ctx, x.ID, "bo", ""); err == nil {
		t.Error("ended twice")
	}
}

func TestFourEyes(t *testing.T) {
	ctx := t.Context()
	d := open(t)
	x, err := d.Create(ctx, good(), "anna", true)
	if err != nil || x.State(d.now) != tuning.Wanted {
		t.Fatal(x, err)
	}
	if cfg, _ := d.Effective(ctx, detect.Config{}); len(cfg.Exceptions) != 0 {
		t.Fatal("in force without agreement")
	}
	if _, err := d.Agree(ctx, x.ID, "anna", false); !errors.Is(err, tuning.ErrOwn) {
		t.Error("who wrote it agreed to it", err)
	}
	if _, err := d.Agree(ctx, x.ID, "bo", true); !errors.Is(err, tuning.ErrOwn) {
		t.Error("agreed to one about themselves", err)
	}
	if x, err = d.Agree(ctx, x.ID, "bo", false); err != nil || x.State(d.now) != tuning.Active || x.AgreedBy != "bo" {
		t.Error(x, err)
	}
	if x, err = d.End(ctx, x.ID, "bo", "no longer needed"); err != nil || x.State(d.now) != tuning.Ended {
		t.Error(x, err)
	}
}

// TestNobodyWeakensAlone: a setting that waits changes nothing, and who asked
// for it cannot agree.
func TestNobodyWeakensAlone(t *testing.T) {
	ctx := t.Context()
	d := open(t)
	off := func() int {
		cfg, err := d.Effective(ctx, detect.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return len(cfg.Off)
	}
	was := tuning.Setting{Params: map[string]float64{"people": 3}}
	for s, want := range map[*tuning.Setting]bool{
		{Off: true}: true, {Params: map[string]float64{"people": 9000}}: true, {Params: map[string]float64{"people": 3}}: false, {}: false,
	} {
		if s.Weakens(was) != want {
			t.Errorf("%+v: %v", s, !want)
		}
	}
	if _, err := d.Set(ctx, tuning.Setting{Detector: "crowd", Off: true, Reason: "noise", By: "anna", Waits: true}, nil); err != nil || off() != 0 {
		t.Fatal("in force without agreement", err)
	}
	if _, err := d.Decide(ctx, "crowd", "anna", true); !errors.Is(err, tuning.ErrOwn) || off() != 0 {
		t.Fatal("who asked agreed", err)
	}
	if list, err := d.Wishes(ctx); err != nil || len(list) != 1 || !list[0].Waits {
		t.Fatal(list, err)
	}
	if s, err := d.Decide(ctx, "crowd", "bo", true); err != nil || s.AgreedBy != "bo" || off() != 1 {
		t.Fatal(s, err)
	}
	if list, err := d.Wishes(ctx); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	if _, err := d.Decide(ctx, "crowd", "bo", true); err == nil {
		t.Error("agreed twice")
	}
}

// TestUnreviewedLapse: an exception that nobody reviews ends by itself.
func TestUnreviewedLapse(t *testing.T) {
	ctx := t.Context()
	d := open(t)
	x, err := d.Create(ctx, good(), "anna", false)
	if err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(tuning.ReviewEvery + tuning.Grace - time.Hour)
	if n, err := d.Lapse(ctx); n != 0 || err != nil || x.State(d.now) != tuning.Active {
		t.Fatal("lapsed within the grace", n, err)
	}
	d.now = d.now.Add(2 * time.Hour)
	if cfg, err := d.Effective(ctx, detect.Config{}); err != nil || len(cfg.Exceptions) != 0 {
		t.Fatal("in force without a review", cfg, err)
	}
	if n, err := d.Lapse(ctx); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if x, err = d.Get(ctx, x.ID); err != nil || x.State(d.now) != tuning.Ended || x.EndedBy != "cordon" {
		t.Error(x, err)
	}
}

func TestExceptionsAreChecked(t *testing.T) {
	d := open(t)
	for name, change := range map[string]func(*tuning.Exception){
		"no detector": func(x *tuning.Exception) { x.Detector = "" },
		"everybody":   func(x *tuning.Exception) { x.Person = "" },
		"for ever":    func(x *tuning.Exception) { x.Until = "" },
		"too long":    func(x *tuning.Exception) { x.Until = "2027-03-03" },
		"past":        func(x *tuning.Exception) { x.Until = "2026-03-01" },
		"no reason":   func(x *tuning.Exception) { x.Reason = "" },
		"nobody":      func(x *tuning.Exception) { x.ApprovedBy = "" },
	} {
		x := good()
		change(&x)
		var m tuning.Mistake
		if _, err := d.Create(t.Context(), x, "anna", false); !errors.As(err, &m) || m.ZH == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	ctx := t.Context()
	d := open(t)
	has := []detect.Param{{Name: "people"}}
	if _, err := d.Set(ctx, tuning.Setting{Detector: "crowd", Off: true, Params: map[string]float64{"no": 1}, Reason: "r", By: "anna"}, has); err == nil {
		t.Error("a number that is none")
	}
	if _, err := d.Set(ctx, tuning.Setting{Detector: "crowd", Off: true, By: "anna"}, has); err == nil {
		t.Error("no reason")
	}
	file := detect.Config{Off: []string{"vip"}, Params: map[string]map[string]float64{"crowd": {"people": 3}}}
	for _, s := range []tuning.Setting{
		{Detector: "crowd", Off: true, Params: map[string]float64{"people": 9}, Reason: "noise", By: "anna"},
		{Detector: "vip", Off: false, Reason: "list is there now", By: "anna"},
	} {
		if _, err := d.Set(ctx, s, has); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := d.Effective(ctx, file)
	if err != nil || len(cfg.Off) != 1 || cfg.Off[0] != "crowd" || cfg.Params["crowd"]["people"] != 9 || file.Params["crowd"]["people"] != 3 {
		t.Fatalf("%+v %v", cfg, err)
	}
	if all, err := d.History(ctx, "crowd"); err != nil || len(all) != 1 || all[0].By != "anna" {
		t.Error(all, err)
	}
}

func TestHiddenIsKept(t *testing.T) {
	ctx := t.Context()
	d := open(t)
	f := ocsf.Finding{UID: "vip:1", Analytic: "vip", Person: "S1", Time: 1000, Events: []string{"e1"}}
	more := f
	more.Events, more.Time = []string{"e1", "e2"}, 2000
	hide := func(list ...detect.Hidden) {
		if err := d.db.Update(ctx, func(tx *sql.Tx) error { return d.Hide(tx, list) }); err != nil {
			t.Fatal(err)
		}
	}
	hide(detect.Hidden{Exception: "x", Finding: f})
	hide(detect.Hidden{Exception: "x", Finding: f}, detect.Hidden{Exception: "x", Finding: more})
	other := f
	other.UID = "vip:2"
	hide(detect.Hidden{Exception: "x", Finding: other})
	if err := d.CountFilters(ctx, map[string]int64{"a": 3}); err != nil {
		t.Fatal(err)
	}
	counts, err := d.Counts(ctx)
	if err != nil || counts["x"].N != 2 || counts["filter:a"].N != 3 {
		t.Fatal(counts, err)
	}
	all, err := d.Hidden(ctx, "x", 10)
	if err != nil || len(all) != 2 || len(all[0].Events) != 2 {
		t.Fatalf("%+v %v", all, err)
	}
}
