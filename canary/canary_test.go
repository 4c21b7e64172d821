package canary

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

var start = time.Date(2026, 6, 1, 8, 0, 0, 0, time.FixedZone("", 8*3600))

// TestMessages: a canary of every format comes out of normalize as one event,
// recognised by its mark.
func TestMessages(t *testing.T) {
	s := NewSigner(keyed.Key{1})
	norm := normalize.New(normalize.Options{Zone: start.Location()})
	for _, format := range []string{"hl7v2", "fhir-auditevent", "atna", "syslog"} {
		m := Mark{Number: 7, Sent: start.UnixMilli()}
		data, ok := Message(format, s.Text(m), start)
		if !ok {
			t.Fatalf("%s: no message", format)
		}
		evs, rejects := norm.Normalize(normalize.Input{Format: format, Source: "test", Received: start.UnixMilli(), Data: data})
		if len(rejects) > 0 || len(evs) != 1 {
			t.Fatalf("%s: %d events, rejects %v", format, len(evs), rejects)
		}
		rest, marks := s.Take(evs)
		if len(rest) != 0 || len(marks) != 1 || marks[0] != m {
			t.Errorf("%s: rest %d, marks %v, want %v", format, len(rest), marks, m)
		}
	}
	if _, ok := Message("csv", "", start); ok {
		t.Error("there is a canary in csv")
	}
}

// TestForged: what the site's key did not sign is an event like any other.
func TestForged(t *testing.T) {
	mine, other := NewSigner(keyed.Key{1}), NewSigner(keyed.Key{2})
	good := mine.Text(Mark{1, 2})
	for _, text := range []string{"", prefix, "P1", other.Text(Mark{1, 2}), good[:len(good)-1], good + "A", strings.ToLower(good), good[:len(prefix)] + "A" + good[len(prefix)+1:]} {
		if m, ok := mine.Read(text); ok && text != good {
			t.Errorf("%q is taken for %v", text, m)
		}
	}
	evs := []*ocsf.Event{{}, {Patient: &ocsf.Patient{UID: "P1"}}, {Patient: &ocsf.Patient{UID: good}}, {Patient: &ocsf.Patient{UID: other.Text(Mark{1, 2})}}}
	stolen := &ocsf.Event{Patient: &ocsf.Patient{UID: good}, Actor: ocsf.Actor{User: ocsf.User{Account: "mallory"}}}
	if mine.Is(stolen) {
		t.Error("somebody's access under a mark is taken for a canary")
	}
	rest, marks := mine.Take(evs)
	if len(rest) != 3 || rest[0] != evs[0] || rest[2] != evs[3] || len(marks) != 1 {
		t.Errorf("took %d marks, left %d events", len(marks), len(rest))
	}
}

// yard is a watcher with one door, whose clock and queue the test moves.
type yard struct {
	*Watcher
	now        time.Time
	done, last uint64
	marks      []Mark // sent and not out yet
	refuse     error
	raised     []Trouble
	unraisable error
	others     []Trouble
}

func newYard(t *testing.T) *yard {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "cordon.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	y := &yard{now: start}
	s := NewSigner(keyed.Key{1})
	p := Parts{
		Config: Default(), Signer: s, DB: db, Now: func() time.Time { return y.now }, Log: slog.New(slog.DiscardHandler),
		Progress: func() (uint64, uint64) { return y.done, y.last },
		Checks:   func() []Trouble { return append([]Trouble(nil), y.others...) },
		Raise: func(_ context.Context, tr Trouble) error {
			if y.unraisable == nil {
				y.raised = append(y.raised, tr)
			}
			return y.unraisable
		},
		Doors: []Door{{Name: "mllp", Send: func(_ context.Context, mark string, _ time.Time) error {
			if m, ok := s.Read(mark); ok && y.refuse == nil {
				y.marks = append(y.marks, m)
			}
			return y.refuse
		}}, {Name: "tls", Closed: ocsf.Text{EN: "no certificate", ZH: "无证书"}}},
	}
	if y.Watcher, err = New(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return y
}

func (y *yard) fly() { y.send(context.Background(), y.doors[0]) }

// out lets the canaries that were sent come out after a time.
func (y *yard) out(after time.Duration) {
	y.now = y.now.Add(after)
	y.Proven(y.marks, y.now)
	y.marks = nil
}

// pass lets time pass, with a look every second.
func (y *yard) pass(d time.Duration) {
	for end := y.now.Add(d); y.now.Before(end); {
		y.now = y.now.Add(time.Second)
		y.Look(context.Background())
	}
}

func TestProven(t *testing.T) {
	y := newYard(t)
	if r := y.Report(); r.Proven() || r.Doors[0].State != StateStarting || r.Doors[1].State != StateClosed {
		t.Errorf("before anything was sent: %+v", r)
	}
	for i := range 100 {
		y.fly()
		y.out(time.Duration(i+1) * time.Millisecond)
		y.pass(time.Minute)
	}
	r := y.Report()
	if !r.Proven() || r.Seen != 100 || r.Lost != 0 || r.P50 != 50 || r.P99 != 99 || r.Doors[0].Max != 100 {
		t.Errorf("after a hundred: %+v", r)
	}
	if len(y.raised) > 0 {
		t.Errorf("raised %v", y.raised)
	}
}

func TestLost(t *testing.T) {
	y := newYard(t)
	y.fly()
	y.pass(2 * time.Minute)
	if len(y.raised) > 0 {
		t.Fatal("one lost canary raised the alarm")
	}
	y.unraisable = errors.New("the disk is full")
	y.fly()
	y.pass(2 * time.Minute)
	y.unraisable = nil
	y.pass(5 * time.Second)
	if len(y.raised) != 1 || y.raised[0].ID != "door:mllp" || y.raised[0].Since != start.UnixMilli() {
		t.Fatalf("raised %+v, want one about the door since the first lost canary", y.raised)
	}
	if r := y.Report(); r.Proven() || r.Lost != 2 || r.Doors[0].State != StateBroken {
		t.Errorf("report: %+v", r)
	}
	y.fly()
	y.out(time.Millisecond)
	y.pass(time.Minute)
	if r := y.Report(); !r.Proven() {
		t.Errorf("after it worked again: %+v", r)
	}
	y.refuse = errors.New("connection refused")
	y.fly()
	y.fly()
	y.pass(5 * time.Second)
	if len(y.raised) != 2 || !strings.Contains(y.raised[1].Text.EN, "refused") {
		t.Errorf("a door that refuses: %+v", y.raised)
	}
}

// TestQueue: behind a queue that moves a canary is late; when the queue stands
// still, or after a long time, it is lost.
func TestQueue(t *testing.T) {
	y := newYard(t)
	y.last = 1 << 30
	y.fly()
	for range 300 {
		y.done++
		y.pass(time.Second)
	}
	if r := y.Report(); r.Lost != 0 {
		t.Errorf("behind a queue that moves a canary was lost: %+v", r)
	}
	y.fly()
	for range 700 {
		y.done++
		y.pass(time.Second)
	}
	if len(y.raised) != 1 {
		t.Errorf("canaries later than canary.lost raised %d alarms", len(y.raised))
	}
}

// TestSlept: a machine that slept lost nothing.
func TestSlept(t *testing.T) {
	y := newYard(t)
	y.pass(5 * time.Second)
	y.fly()
	y.fly()
	y.now = y.now.Add(8 * time.Hour)
	y.pass(time.Minute)
	if r := y.Report(); r.Lost != 0 || len(y.raised) > 0 {
		t.Errorf("after sleep: %+v, raised %v", r, y.raised)
	}
}

// TestChecks: what checks find is raised once, with the time it was first
// seen, and again when it comes back.
func TestChecks(t *testing.T) {
	y := newYard(t)
	y.others = []Trouble{{ID: "disk"}}
	y.pass(10 * time.Second)
	y.others = nil
	y.pass(10 * time.Second)
	y.others = []Trouble{{ID: "disk"}}
	y.pass(10 * time.Second)
	if len(y.raised) != 2 || y.raised[0].Since != start.Add(time.Second).UnixMilli() || y.raised[1].Since <= y.raised[0].Since {
		t.Errorf("raised %+v", y.raised)
	}
}

func TestKept(t *testing.T) {
	y := newYard(t)
	y.fly()
	y.out(30 * time.Millisecond)
	if err := y.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := New(t.Context(), y.Parts)
	if err != nil {
		t.Fatal(err)
	}
	if r := again.Report(); r.Seen != 1 || r.P50 != 30 || r.Doors[0].State != StateProven {
		t.Errorf("after a restart: %+v", r)
	}
}

func TestDueTest(t *testing.T) {
	c := Default()
	day := func(d, h int) time.Time { return time.Date(2026, 6, d, h, 0, 0, 0, start.Location()) }
	for _, x := range []struct {
		now, last time.Time
		want      bool
	}{
		{day(2, 7), day(1, 8), false}, {day(2, 8), day(1, 8), true}, {day(2, 9), day(2, 8), false}, {day(2, 23), time.Time{}, true},
	} {
		if got := c.DueTest(x.now, x.last); got != x.want {
			t.Errorf("at %v after %v: %v", x.now, x.last, got)
		}
	}
	if c.TestAlerts = ""; c.DueTest(day(2, 9), time.Time{}) {
		t.Error("a test is due although there is none")
	}
	for _, bad := range []Config{{}, {Every: time.Minute, Late: time.Minute}, {Every: time.Minute, Late: time.Minute, Lost: time.Hour, TestAlerts: "8 o'clock"},
		{Every: time.Minute, Late: time.Minute, Lost: time.Hour, Beat: "ftp://x"}, {Every: time.Minute, Late: time.Minute, Lost: time.Hour, Cert: "x"}} {
		if bad.Check() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
