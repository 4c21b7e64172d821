// Package laketest states the promises of the lake as tests, to be run on
// every kind of file storage and record store, with or without SQL.
//
// A test tells a story of events: appended, flushed, committed or not, the
// lake closed and opened as after a crash, compacted, expired; and asks the
// same questions all along. It guarantees that an implementation which passes
// neither loses nor doubles an event. It does not measure speed.
package laketest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Setup is what a lake stands on. DB and Files are opened anew for each test
// and outlive the lakes of it.
type Setup struct {
	New func(t *testing.T) (*store.DB, blob.Store)
	// Engine returns a new engine, nil: SQL is not tested.
	Engine func(t *testing.T) lake.Engine
}

// Run runs the suite.
func Run(t *testing.T, setup Setup) {
	for name, test := range map[string]func(*story){
		"Answers":     answers,
		"ExactlyOnce": exactlyOnce,
		"Crash":       crash,
		"Discard":     discard,
		"Doubt":       doubt,
		"Compact":     compact,
		"Expire":      expire,
		"Heal":        heal,
		"Concurrent":  concurrent,
		"Damaged":     damaged,
	} {
		t.Run(name, func(t *testing.T) {
			s := &story{T: t, setup: setup, dir: t.TempDir()}
			s.db, s.files = setup.New(t)
			s.open()
			t.Cleanup(func() { s.lake.Close() })
			test(s)
		})
	}
}

// A story is one test.
type story struct {
	*testing.T
	setup Setup
	dir   string
	db    *store.DB
	files blob.Store
	lake  *lake.Lake
	told  []lake.Row // every event that must be there, once
}

func (s *story) open() {
	s.Helper()
	cfg := lake.Config{Dir: s.dir}
	if s.setup.Engine != nil {
		cfg.Engine = s.setup.Engine(s.T)
	}
	l, err := lake.Open(s.Context(), cfg, s.db, s.files, slog.New(slog.DiscardHandler))
	s.must(err)
	s.lake = l
}

// reopen is a crash and a new start: what was only buffered is gone.
func (s *story) reopen() {
	s.Helper()
	s.must(s.lake.Close())
	s.open()
}

func (s *story) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

const dayMillis = 24 * 60 * 60 * 1000

// access is the i-th access to a day: seven patients, three people, and all
// that an event may have besides.
func access(day, i int) lake.Row {
	ev := &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, SeverityID: 1, StatusID: 1,
		Time:         int64(20500+day)*dayMillis + int64(i)*977,
		Metadata:     ocsf.Metadata{UID: fmt.Sprintf("%08x-0000-4000-8000-%012x", day, i), Version: ocsf.Version, LogProvider: "emr"},
		Actor:        ocsf.Actor{User: ocsf.User{UID: fmt.Sprintf("S%d", i%3), Account: "a;b"}},
		Patient:      &ocsf.Patient{UID: fmt.Sprintf("P%d", i%7), AltUIDs: []string{"x"}},
		WebResources: []ocsf.Resource{{Type: "DocumentReference", UID: fmt.Sprint(i % 11)}, {Name: "second"}},
		Explanation:  &ocsf.Explanation{Explained: i%2 == 0, Kind: "order", At: 5, Because: []string{"m;1", "m2"}},
		Unmapped:     ocsf.RawJSON(`{"k":[1,"二"]}`),
	}
	if i%5 == 0 {
		ev.Metadata.UID = fmt.Sprintf("hl7:HIS:%d/%d", day, i)
	}
	return lake.Row{Event: ev, Seq: uint64(day), Index: uint32(i)}
}

func accesses(day, n int) []lake.Row {
	rows := make([]lake.Row, n)
	for i := range rows {
		rows[i] = access(day, i)
	}
	return rows
}

func (s *story) append(rows []lake.Row) {
	s.lake.Append(rows)
	s.told = append(s.told, rows...)
}

func (s *story) flush() {
	s.Helper()
	b, err := s.lake.Flush(s.Context())
	s.must(err)
	if b == nil {
		return
	}
	s.must(s.db.Update(s.Context(), b.Commit))
	b.Done()
}

func events(rows []lake.Row) []*ocsf.Event {
	evs := make([]*ocsf.Event, len(rows))
	for i, r := range rows {
		evs[i] = r.Event
	}
	return evs
}

func texts(evs []*ocsf.Event) []string {
	list := make([]string, len(evs))
	for i, ev := range evs {
		list[i] = string(ev.AppendJSON(nil))
	}
	return list
}

// check asks for everything that was told.
func (s *story) check(when string) {
	s.Helper()
	for p := range 7 {
		q := lake.AccessQuery{Patient: fmt.Sprintf("P%d", p)}
		var want []*ocsf.Event
		for _, row := range s.told {
			if row.Event.Patient.UID == q.Patient {
				want = append(want, row.Event)
			}
		}
		slices.SortFunc(want, func(a, b *ocsf.Event) int { return int(b.Time - a.Time) })
		got, err := s.lake.Accesses(s.Context(), q)
		s.must(err)
		if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
			s.Fatalf("%s: accesses to %s: %s", when, q.Patient, diff)
		}
	}
	known, err := s.lake.Known(s.Context(), events(s.told))
	s.must(err)
	if slices.Contains(known, false) {
		s.Fatalf("%s: a stored event is not known", when)
	}
	s.checkSQL(when)
}

func (s *story) checkSQL(when string) {
	s.Helper()
	if s.setup.Engine == nil {
		return
	}
	got := s.ask("SELECT count(*) AS n, count(DISTINCT uid) AS u, count(DISTINCT patient) AS p FROM events")
	patients := map[string]bool{}
	for _, row := range s.told {
		patients[row.Event.Patient.UID] = true
	}
	want := fmt.Sprintf("{\"n\":%d,\"u\":%d,\"p\":%d}\n", len(s.told), len(s.told), len(patients))
	if got != want {
		s.Fatalf("%s: SQL says %s, want %s", when, got, want)
	}
}

func (s *story) ask(query string) string {
	s.Helper()
	rows, err := s.lake.SQL(s.Context(), query)
	s.must(err)
	var out strings.Builder
	s.must(rows.Write(&out, "json"))
	return out.String()
}

// answers: questions are answered the same from the buffer, from files, from
// both, and after a restart.
func answers(s *story) {
	s.check("empty")
	s.append(accesses(1, 100))
	s.check("buffered")
	s.flush()
	s.check("flushed")
	s.append(accesses(2, 100))
	s.append(accesses(0, 100))
	s.check("both")
	s.flush()
	s.reopen()
	s.check("reopened")
	ev, err := s.lake.Event(s.Context(), s.told[105].Event.Metadata.UID)
	s.must(err)
	if diff := cmp.Diff(texts([]*ocsf.Event{s.told[105].Event}), texts([]*ocsf.Event{ev})); diff != "" {
		s.Fatal(diff)
	}
	if _, err := s.lake.Event(s.Context(), "no such"); !errors.Is(err, lake.ErrNotFound) {
		s.Fatalf("unknown event: %v", err)
	}
	narrow, err := s.lake.Accesses(s.Context(), lake.AccessQuery{Person: "S1", Patient: "P3", From: 20501 * dayMillis, Until: 20502 * dayMillis, Limit: 2})
	s.must(err)
	if len(narrow) != 2 || narrow[0].Time < narrow[1].Time || narrow[0].Patient.UID != "P3" || narrow[0].Actor.User.UID != "S1" {
		s.Fatalf("narrow question: %v", texts(narrow))
	}
}

// exactlyOnce: a stream that is read again from an earlier place adds nothing.
func exactlyOnce(s *story) {
	rows := accesses(1, 300)
	for _, span := range [][2]int{{0, 100}, {50, 150}, {0, 200}, {100, 300}, {0, 300}} {
		known, err := s.lake.Known(s.Context(), events(rows[span[0]:span[1]]))
		s.must(err)
		for i, k := range known {
			if want := span[0]+i < len(s.told); k != want {
				s.Fatalf("event %d: known %v, want %v", span[0]+i, k, want)
			}
			if !k {
				s.append(rows[span[0]+i : span[0]+i+1])
			}
		}
		s.flush()
	}
	s.check("after repeats")
}

// crash: files without manifest disappear, and their rows come again from
// the stream; a second Commit of the same files changes nothing.
func crash(s *story) {
	s.append(accesses(1, 100))
	s.flush()
	s.lake.Append(accesses(2, 100))
	_, err := s.lake.Flush(s.Context())
	s.must(err)
	s.reopen()
	s.check("after a crash before commit")
	names, err := s.files.List(s.Context(), "lake/")
	s.must(err)
	if len(names) != 2 {
		s.Fatalf("left over: %v", names)
	}
	s.append(accesses(2, 100))
	b, err := s.lake.Flush(s.Context())
	s.must(err)
	for range 2 {
		s.must(s.db.Update(s.Context(), b.Commit))
	}
	s.reopen()
	s.check("after a crash before done")
}

// discard: when the transaction fails, the rows stay, and the next flush
// takes them and the later ones.
func discard(s *story) {
	s.append(accesses(1, 100))
	b, err := s.lake.Flush(s.Context())
	s.must(err)
	no := errors.New("no")
	if err := s.db.Update(s.Context(), func(tx *sql.Tx) error { return errors.Join(b.Commit(tx), no) }); !errors.Is(err, no) {
		s.Fatal(err)
	}
	b.Discard()
	s.check("discarded")
	s.append(accesses(1, 150)[100:])
	s.flush()
	s.check("flushed again")
	s.reopen()
	s.check("reopened")
}

// doubt: a transaction that was committed but reported an error counts.
func doubt(s *story) {
	s.append(accesses(1, 100))
	b := s.lake.Seal()
	s.append(accesses(2, 50))
	s.must(b.Write(s.Context()))
	s.must(s.db.Update(s.Context(), b.Commit))
	b.Discard()
	s.check("committed all the same")
	s.flush()
	s.check("flushed the rest")
	s.reopen()
	s.check("reopened")
}

func (s *story) manyFiles() {
	for part := range 6 {
		for day := range 3 {
			s.append(accesses(day, 120)[part*20 : part*20+20])
		}
		s.flush()
	}
}

// compact: fewer files, the same answers, also for a question asked before.
func compact(s *story) {
	s.manyFiles()
	before := s.lake.Files()
	no := errors.New("no")
	if err := s.lake.Compact(s.Context(), func(*sql.Tx, lake.Change) error { return no }); !errors.Is(err, no) {
		s.Fatalf("an error of note: %v", err)
	}
	s.check("refused")
	var c lake.Change
	s.must(s.lake.Compact(s.Context(), func(_ *sql.Tx, x lake.Change) error { c = x; return nil }))
	if len(c.Old) != len(before) || len(s.lake.Files()) != len(c.New) || len(c.New) >= len(c.Old) {
		s.Fatalf("%d files became %d; %d now", len(c.Old), len(c.New), len(s.lake.Files()))
	}
	s.check("compacted")
	s.reopen()
	s.check("reopened")
	names, err := s.files.List(s.Context(), "lake/")
	s.must(err)
	if len(names) != 2*len(c.New) {
		s.Fatalf("left over: %v", names)
	}
}

// expire: old days go, held patients stay.
func expire(s *story) {
	s.manyFiles()
	keep := lake.Retention{Before: 20501*dayMillis + 5, Hold: func(p string) bool { return p == "P3" }}
	s.must(s.lake.Expire(s.Context(), keep, nil))
	s.told = slices.DeleteFunc(s.told, func(r lake.Row) bool {
		return r.Event.Time < 20501*dayMillis && r.Event.Patient.UID != "P3"
	})
	s.check("expired")
	s.reopen()
	s.check("reopened")
}

// heal: a later explanation is shown from the moment it is committed, by all
// questions, buffered or stored, compacted or not.
func heal(s *story) {
	s.manyFiles()
	s.append(accesses(3, 10))
	for _, i := range []int{0, 7, len(s.told) - 1} {
		x := ocsf.Explanation{Explained: true, Kind: "healed", At: 9, Because: []string{"late"}}
		ev := s.told[i].Event
		s.must(s.db.Update(s.Context(), func(tx *sql.Tx) error { return s.lake.Correct(tx, ev.Metadata.UID, x, 9) }))
		ev.Explanation = &x
	}
	check := func(when string) {
		s.Helper()
		s.check(when)
		if s.setup.Engine != nil {
			if got := s.ask("SELECT count(*) AS n FROM explanations WHERE kind = 'healed' AND because = 'late'"); got != "{\"n\":3}\n" {
				s.Fatalf("%s: SQL says %s", when, got)
			}
		}
	}
	check("corrected")
	s.must(s.lake.Compact(s.Context(), nil))
	check("compacted")
	s.flush()
	s.reopen()
	check("reopened")
}

// concurrent: questions are right while rows are appended, flushed and
// compacted.
func concurrent(s *story) {
	ctx, stop := context.WithCancel(s.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { s.askUntil(ctx) })
	}
	for part := range 8 {
		for day := range 2 {
			s.append(accesses(day, 400)[part*50 : part*50+50])
		}
		s.flush()
		if part%3 == 2 {
			s.must(s.lake.Compact(s.Context(), nil))
		}
	}
	stop()
	wg.Wait()
	s.check("at last")
}

// askUntil: the number of accesses never shrinks.
func (s *story) askUntil(ctx context.Context) {
	last := 0
	for ctx.Err() == nil {
		got, err := s.lake.Accesses(s.Context(), lake.AccessQuery{Person: "S1"})
		if err != nil {
			s.Errorf("while files change: %v", err)
			return
		}
		if len(got) < last {
			s.Errorf("%d accesses after %d", len(got), last)
			return
		}
		last = len(got)
	}
}

// damaged: a truncated file is named in the error of every question that
// needs it, and other questions are answered.
func damaged(s *story) {
	s.append(accesses(1, 50))
	s.flush()
	s.append(accesses(2, 50))
	s.flush()
	name := s.lake.Files()[0].Name
	body, err := s.files.Get(s.Context(), name)
	s.must(err)
	half := make([]byte, s.lake.Files()[0].Bytes/2)
	_, err = body.Read(half)
	s.must(err)
	s.must(body.Close())
	s.must(s.files.Put(s.Context(), name, strings.NewReader(string(half))))
	s.reopen()
	_, err = s.lake.Accesses(s.Context(), lake.AccessQuery{Patient: "P1"})
	if !errors.Is(err, lake.ErrDamaged) || !strings.Contains(err.Error(), name) {
		s.Fatalf("truncated file: %v", err)
	}
	got, err := s.lake.Accesses(s.Context(), lake.AccessQuery{Patient: "P1", From: 20502 * dayMillis})
	s.must(err)
	if len(got) == 0 {
		s.Fatal("the other file is not answered from")
	}
}
