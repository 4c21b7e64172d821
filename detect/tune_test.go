package detect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/detect"
)

// TestTuned: switches, numbers and exceptions change without losing memory,
// and what an exception of the list hides is told.
func TestTuned(t *testing.T) {
	e := engine(t, detect.Default(), world(t))
	if n := len(e.Process(stranger(1, "zhang", "P1", morning))); n != 1 {
		t.Fatalf("%d findings", n)
	}
	x := detect.Exception{ID: "x1", Detector: "no-care-relationship", Person: "N01", Until: "2026-03-30", Reason: "audit", ApprovedBy: "N02"}
	e = e.Tuned(detect.Config{Exceptions: []detect.Exception{x}, Off: []string{"no-such-rule"}})
	if n := len(e.Process(stranger(2, "zhang", "P1", morning))); n != 0 {
		t.Fatalf("%d findings in spite of the exception", n)
	}
	hidden := e.TakeHidden()
	if len(hidden) != 1 || hidden[0].Exception != "x1" || hidden[0].Finding.UID == "" || len(hidden[0].Finding.Events) != 1 || len(e.TakeHidden()) != 0 {
		t.Fatalf("%+v", hidden)
	}
	e = e.Tuned(detect.Config{})
	fs := e.Process(stranger(3, "zhang", "P1", morning))
	if len(fs) != 1 || len(fs[0].Events) != 2 {
		t.Fatalf("the finding of before was forgotten: %+v", fs)
	}
	e = e.Tuned(detect.Config{Off: []string{"no-care-relationship"}})
	if n := len(e.Process(stranger(4, "zhang", "P1", morning))); n != 0 {
		t.Fatalf("switched off, %d findings", n)
	}
	off := 0
	for _, s := range e.All() {
		if s.Off {
			off++
		}
	}
	if off != 1 || len(e.All()) != len(e.Infos())+1 {
		t.Fatal("the list does not say what is off")
	}
	other := detect.Exception{ID: "x2", Detector: "*", Source: "nobody", Until: "2026-03-30", Reason: "r", ApprovedBy: "a"}
	e = e.Tuned(detect.Config{Exceptions: []detect.Exception{other}})
	if n := len(e.Process(stranger(5, "zhang", "P1", morning))); n != 1 {
		t.Fatalf("an exception for another source hid it")
	}
}

// TestExceptionsOfTheFile: they have an id of what they say, what they hide is
// told like that of others, and none lasts longer than a year.
func TestExceptionsOfTheFile(t *testing.T) {
	x := detect.Exception{Detector: "no-care-relationship", Person: "N01", Until: "2026-03-30", Reason: "audit", ApprovedBy: "N02"}
	e := engine(t, detect.Config{Exceptions: []detect.Exception{x}}, world(t))
	if n := len(e.Process(stranger(1, "zhang", "P1", morning))); n != 0 {
		t.Fatalf("%d findings in spite of the exception", n)
	}
	hidden := e.TakeHidden()
	if len(hidden) != 1 || hidden[0].Exception != x.Key() || !strings.HasPrefix(x.Key(), detect.FileID) {
		t.Fatalf("%+v", hidden)
	}
	other := x
	other.Until = "2026-03-31"
	if other.Key() == x.Key() {
		t.Error("two exceptions, one id")
	}
	today := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for until, fine := range map[string]bool{"2026-03-30": true, "2027-03-01": true, "2027-03-02": false, "2099-12-31": false} {
		x.Until = until
		if err := (detect.Config{Exceptions: []detect.Exception{x}}).CheckDays(today); (err == nil) != fine {
			t.Errorf("%s: %v", until, err)
		}
	}
}
