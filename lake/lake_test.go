package lake

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
)

func testStore(t testing.TB) *store.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func testLake(t testing.TB, cfg Config) (*Lake, *memory) {
	t.Helper()
	m := newMemory()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	l, err := Open(t.Context(), cfg, testStore(t), m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, m
}

func flush(t testing.TB, l *Lake) *Batch {
	t.Helper()
	b, err := l.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b == nil {
		return nil
	}
	if err := l.db.Update(t.Context(), func(tx *sql.Tx) error { return b.Commit(tx) }); err != nil {
		t.Fatal(err)
	}
	b.Done()
	return b
}

func events(rows []Row) []*ocsf.Event {
	evs := make([]*ocsf.Event, len(rows))
	for i, r := range rows {
		evs[i] = r.Event
	}
	return evs
}

func jsonOf(evs []*ocsf.Event) []string {
	list := make([]string, len(evs))
	for i, e := range evs {
		list[i] = string(e.AppendJSON(nil))
	}
	return list
}

func TestAccessesBufferedAndStored(t *testing.T) {
	l, _ := testLake(t, Config{})
	h := newHospital(3, 50, 20)
	var all []Row
	for d := range int64(3) {
		rows := h.day(20000+d, 2000)
		all = append(all, rows...)
		l.Append(rows)
		if d < 2 {
			flush(t, l)
		}
	}
	for _, q := range []AccessQuery{
		{Patient: h.patientID(7)},
		{Patient: h.patientID(7), Limit: 5},
		{Patient: h.patientID(8), From: 20001 * dayMillis, Until: 20002 * dayMillis},
		{Person: h.staff[3].UID},
		{Person: h.staff[3].UID, Limit: 10},
		{Person: h.staff[3].UID, Patient: h.patientID(0)},
		{Person: "nobody"},
		{Patient: "nobody"},
	} {
		var want []Row
		for _, r := range all {
			if q.matches(r.Event) {
				want = append(want, r)
			}
		}
		got, err := l.Accesses(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(jsonOf(events(newest(want, q.Limit))), jsonOf(got)); diff != "" {
			t.Fatalf("%+v: %s", q, diff)
		}
	}
	for _, i := range []int{0, 1999, 2000, 5999} {
		ev, err := l.Event(t.Context(), all[i].Event.Metadata.UID)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(ev.AppendJSON(nil)), string(all[i].Event.AppendJSON(nil)); got != want {
			t.Fatalf("event %d: %s, want %s", i, got, want)
		}
	}
	if _, err := l.Event(t.Context(), h.uuid()); !errors.Is(err, ErrNotFound) {
		t.Fatalf("unknown event: %v", err)
	}
}

func TestKnown(t *testing.T) {
	l, _ := testLake(t, Config{})
	h := newHospital(4, 500, 20)
	stored, buffered := h.day(20000, 3000), h.day(20000, 3000)
	fresh := h.day(20000, 3000)
	l.Append(stored)
	flush(t, l)
	l.Append(buffered)
	for name, c := range map[string]struct {
		rows []Row
		want bool
	}{"stored": {stored, true}, "buffered": {buffered, true}, "fresh": {fresh, false}} {
		known, err := l.Known(context.Background(), events(c.rows))
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range known {
			if k != c.want {
				t.Fatalf("%s event %d: known %v", name, i, k)
			}
		}
	}
	twice := []*ocsf.Event{fresh[0].Event, fresh[1].Event, fresh[0].Event}
	known, err := l.Known(t.Context(), twice)
	if diff := cmp.Diff([]bool{false, false, true}, known); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	later := *stored[0].Event
	later.Time++
	if known, _ := l.Known(t.Context(), []*ocsf.Event{&later}); known[0] {
		t.Fatal("same uid at another time is another event")
	}
}

func TestCorrect(t *testing.T) {
	l, _ := testLake(t, Config{})
	h := newHospital(5, 50, 20)
	rows := h.day(20000, 100)
	l.Append(rows)
	x := ocsf.Explanation{Explained: true, Kind: "appointment", At: 77, Because: []string{"a;b", `c\d`}}
	uid := rows[5].Event.Metadata.UID
	correct := func(x ocsf.Explanation, at int64) {
		t.Helper()
		if err := l.db.Update(t.Context(), func(tx *sql.Tx) error { return l.Correct(tx, uid, x, at) }); err != nil {
			t.Fatal(err)
		}
	}
	correct(ocsf.Explanation{Kind: "first"}, 5)
	correct(x, 9)
	correct(ocsf.Explanation{Kind: "older"}, 7)
	for range 2 {
		ev, err := l.Event(t.Context(), uid)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&x, ev.Explanation); diff != "" {
			t.Fatal(diff)
		}
		flush(t, l)
	}
}
