package evidence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/postgres"
	"github.com/cordon-health/cordon/store/sqlite"
)

func TestMain(m *testing.M) {
	RouteLogs(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// site is a data folder with a store and a log.
type site struct {
	t   testing.TB
	dir string
	db  *store.DB
	*Log
	end func()
	at  time.Time // the clock; zero is the real one
	url string    // of a store in PostgreSQL; empty is SQLite
}

func (s *site) openStore() *store.DB {
	s.t.Helper()
	var db *store.DB
	var err error
	if s.url != "" {
		db, err = postgres.Open(context.Background(), s.url)
	} else {
		db, err = sqlite.Open(context.Background(), filepath.Join(s.dir, "store.db"))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return db
}

func (s *site) clock() time.Time {
	if s.at.IsZero() {
		return time.Now()
	}
	return s.at
}

func newSite(t testing.TB) *site {
	s := &site{t: t, dir: t.TempDir()}
	s.open()
	t.Cleanup(func() { s.close() })
	return s
}

func (s *site) config() Config {
	return Config{Dir: filepath.Join(s.dir, "evidence"), KeyDir: filepath.Join(s.dir, "keys"),
		Origin: "evidence.example", Interval: 100 * time.Millisecond}
}

func (s *site) open() { s.openWith(s.config()) }

func (s *site) openWith(cfg Config) {
	s.t.Helper()
	ctx := context.Background()
	var err error
	s.db = s.openStore()
	if s.Log, err = Open(ctx, cfg, s.db, s.clock, slog.New(slog.DiscardHandler)); err != nil {
		s.t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(running) }()
	s.end = func() { cancel(); <-done }
}

func (s *site) close() {
	s.t.Helper()
	if s.db == nil {
		return
	}
	s.end()
	if err := s.Log.Close(context.Background()); err != nil {
		s.t.Error(err)
	}
	if err := s.db.Close(); err != nil {
		s.t.Error(err)
	}
	s.db = nil
}

func (s *site) reopen() { s.t.Helper(); s.close(); s.open() }

func (s *site) update(fn func(tx *sql.Tx) error) {
	s.t.Helper()
	if err := s.db.Update(context.Background(), fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) put(r Record) (version int) {
	s.t.Helper()
	s.update(func(tx *sql.Tx) (err error) { version, err = s.Put(tx, r); return err })
	return version
}

func (s *site) events(seq uint64, evs ...*ocsf.Event) {
	s.t.Helper()
	if err := s.Events(context.Background(), seq, evs); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) sync() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Sync(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// event is a chart view by an invented nurse.
func event(seq, i int) *ocsf.Event {
	return &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, SeverityID: 1, Time: 1767225600000 + int64(seq*1000+i),
		Metadata: ocsf.Metadata{UID: fmt.Sprintf("ev-%d-%d", seq, i), Version: ocsf.Version, LogName: "fhir-auditevent", LoggedTime: 1767225600000},
		Actor:    ocsf.Actor{User: ocsf.User{UID: "S1001", Account: "wang.fang"}},
		Patient:  &ocsf.Patient{UID: fmt.Sprintf("MRN%05d", i)},
	}
}

func batchOf(seq, n int) []*ocsf.Event {
	evs := make([]*ocsf.Event, n)
	for i := range evs {
		evs[i] = event(seq, i)
	}
	return evs
}

func TestBook(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := context.Background()
	r := Record{Kind: "case", ID: "c1", Time: 100, Person: "S1", Patient: "P1", Status: "open", Score: 12.5, Body: []byte(`{"a": 1}`)}
	if v := s.put(r); v != 1 {
		t.Fatalf("version %d, want 1", v)
	}
	r.Time = 200
	if v := s.put(r); v != 1 {
		t.Errorf("the same record again made version %d", v)
	}
	r.Status, r.Time = "closed", 300
	if v := s.put(r); v != 2 {
		t.Errorf("a changed record made version %d, want 2", v)
	}
	s.put(Record{Kind: "case", ID: "c2", Time: 250, Person: "S2", Status: "open", Score: 50, Body: []byte(`{}`)})
	got, err := s.Get(ctx, "case", "c1")
	if err != nil || got.Status != "closed" || got.Version != 2 || got.Row != 2 || string(got.Body) != `{"a": 1}` {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := s.Get(ctx, "case", "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing record: %v", err)
	}
	if h, err := s.History(ctx, "case", "c1"); err != nil || len(h) != 2 || h[0].Version != 1 {
		t.Errorf("history %v, %v", h, err)
	}
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{Kind: "case"}, "[c1 c2]"},
		{Filter{Kind: "case", Order: "score"}, "[c2 c1]"},
		{Filter{Kind: "case", Order: "row"}, "[c1 c2]"},
		{Filter{Kind: "case", Status: "open"}, "[c2]"},
		{Filter{Person: "S1"}, "[c1]"},
		{Filter{Patient: "P1", Since: 301}, "[]"},
		{Filter{Since: 250, Until: 300}, "[c2]"},
		{Filter{Limit: 1, Offset: 1}, "[c2]"},
		{Filter{Offset: 1}, "[c2]"},
	} {
		list, err := s.List(ctx, c.f)
		ids := []string{}
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		if err != nil || fmt.Sprint(ids) != c.want {
			t.Errorf("%+v: %v, %v, want %s", c.f, ids, err, c.want)
		}
	}
	if n, err := s.Count(ctx, Filter{Kind: "case", Limit: 1}); n != 2 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, r := range []Record{
		{Kind: "", ID: "x", Body: []byte(`{}`)},
		{Kind: "k", ID: "x", Body: []byte(`{`)},
		{Kind: "k", ID: "x\x00", Body: []byte(`{}`)},
		{Kind: "k", ID: "x", Body: []byte("\"\xff\"")},
	} {
		err := s.db.Update(context.Background(), func(tx *sql.Tx) error { _, err := s.Put(tx, r); return err })
		if err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
}

func TestReopenContinues(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.events(1, batchOf(1, 10)...)
	s.events(2)
	s.put(Record{Kind: "k", ID: "1", Body: []byte(`1`)})
	s.sync()
	if got := s.Head().Size; got != 4 { // genesis, two batches, one batch of records
		t.Errorf("size %d, want 4", got)
	}
	s.reopen()
	s.events(1, batchOf(1, 10)...) // replayed
	s.events(3, batchOf(3, 5)...)
	s.put(Record{Kind: "k", ID: "2", Body: []byte(`2`)})
	s.sync()
	if got := s.Head().Size; got != 6 {
		t.Errorf("size after a replay %d, want 6", got)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

func TestReplayWithOtherContent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.events(1, batchOf(1, 3)...)
	s.sync()
	s.reopen()
	changed := batchOf(1, 3)
	changed[1].Actor.User.UID = "S2002"
	s.events(1, changed...) // nothing was stored: the new one counts
	if len(s.Problems()) != 1 {
		t.Errorf("problems %v, want one", s.Problems())
	}
	s.update(func(tx *sql.Tx) error {
		return s.File(tx, FileMark{Name: "f1", SHA256: "00", Rows: 3, FirstSeq: 1, LastSeq: 1})
	})
	s.sync()
	s.events(1, changed...)
	err := s.Events(context.Background(), 1, batchOf(1, 3)) // now it is stored
	if !errors.Is(err, ErrStake) {
		t.Fatalf("got %v, want ErrStake", err)
	}
	if err := s.Events(context.Background(), 2, nil); !errors.Is(err, ErrStake) {
		t.Errorf("appending went on: %v", err)
	}
	if _, err := s.List(context.Background(), Filter{}); err != nil {
		t.Errorf("reading stopped: %v", err)
	}
}

func TestRefusesToSign(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(t *testing.T, s *site){
		"key is gone":        func(t *testing.T, s *site) { remove(t, s.dir, "keys/evidence.key") },
		"checkpoint is gone": func(t *testing.T, s *site) { remove(t, s.dir, "evidence/checkpoint") },
		"tile is damaged": func(t *testing.T, s *site) {
			flip(t, filepath.Join(s.dir, "evidence/tile/0/000.p/3"), 0)
		},
		"store is rolled back": func(t *testing.T, s *site) {
			s.execRaw("UPDATE evidence_counters SET value = 0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.events(1, batchOf(1, 3)...)
			s.put(Record{Kind: "k", ID: "1", Body: []byte(`1`)})
			s.sync()
			s.close()
			harm(t, s)
			s.open()
			if !errors.Is(s.Err(), ErrStake) {
				t.Errorf("Err is %v, want ErrStake", s.Err())
			}
			if _, err := s.Get(context.Background(), "k", "1"); err != nil {
				t.Errorf("reading stopped: %v", err)
			}
		})
	}
}

// execRaw changes the closed database file, as somebody with the disk can.
func (s *site) execRaw(query string, args ...any) {
	s.t.Helper()
	driver, name := "sqlite", filepath.Join(s.dir, "store.db")
	if s.url != "" {
		driver, name = "pgx", s.url
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		s.t.Fatal(err)
	}
}

func remove(t testing.TB, elem ...string) {
	t.Helper()
	if err := os.Remove(filepath.Join(elem...)); err != nil {
		t.Fatal(err)
	}
}

func flip(t testing.TB, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func tryOpen(t *testing.T, s *site, cfg Config) error {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(s.dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l, err := Open(ctx, cfg, db, time.Now, slog.New(slog.DiscardHandler))
	if err == nil {
		_ = l.Close(ctx)
	}
	return err
}
