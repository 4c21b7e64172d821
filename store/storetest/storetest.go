// Package storetest is what every engine behind package store must pass: the
// promises of store.DB as tests.
//
// An engine's own test calls Run with how to make and open a database. The
// suite opens one database several times, as several processes would, and
// runs the test binary once more as a writer that it kills in the middle.
package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cordon-health/cordon/store"
)

// Engine is what the suite needs to know of an engine.
type Engine struct {
	// New returns the location of a new, empty database.
	New func(t *testing.T) string
	// Open opens the database at a location that New returned.
	Open func(ctx context.Context, location string) (*store.DB, error)
}

// Run runs the suite. The test that calls it must be a top-level function
// that does nothing else before.
func Run(t *testing.T, e Engine) {
	if runChild(t, e) {
		return
	}
	tests := []struct {
		name string
		run  func(*testing.T, suite)
	}{
		{"Reopen", testReopen},
		{"Kill", testKill},
		{"Serialised", testSerialised},
		{"RollbackOnError", testRollbackOnError},
		{"RollbackOnPanic", testRollbackOnPanic},
		{"Snapshot", testSnapshot},
		{"ViewIsReadOnly", testViewIsReadOnly},
		{"ReadYourWrites", testReadYourWrites},
		{"CancelledBefore", testCancelledBefore},
		{"CancelledInside", testCancelledInside},
		{"CancelledWaiting", testCancelledWaiting},
		{"Closed", testClosed},
		{"Values", testValues},
		{"Upsert", testUpsert},
		{"ForeignKeys", testForeignKeys},
		{"MigrateTwice", testMigrateTwice},
		{"MigrateHalf", testMigrateHalf},
		{"MigrateTogether", testMigrateTogether},
		{"MigrateOwners", testMigrateOwners},
		{"MigrateRefuses", testMigrateRefuses},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, suite{e, e.New(t)}) })
	}
}

// suite is one test's database.
type suite struct {
	engine   Engine
	location string
}

func (s suite) open(t *testing.T) *store.DB {
	t.Helper()
	db, err := s.engine.Open(t.Context(), s.location)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// openCounter opens the database and makes a counter at 0 with a log.
func (s suite) openCounter(t *testing.T) *store.DB {
	t.Helper()
	db := s.open(t)
	migrate(t, db, "counter", files(1, `
		CREATE TABLE counter (name TEXT PRIMARY KEY, n BIGINT NOT NULL);
		CREATE TABLE entries (n BIGINT PRIMARY KEY, body TEXT NOT NULL);
		INSERT INTO counter (name, n) VALUES ('a', 0);`))
	return db
}

// files is a folder of migrations: number, statements, number, statements.
func files(pairs ...any) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		name := fmt.Sprintf("%05d_step.sql", pairs[i])
		fsys[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + pairs[i+1].(string) + "\n")}
	}
	return fsys
}

func migrate(t *testing.T, db *store.DB, owner string, fsys fstest.MapFS) {
	t.Helper()
	if err := db.Migrate(t.Context(), owner, fsys); err != nil {
		t.Fatal(err)
	}
}

// increment reads, computes and writes, so that lost updates would show.
func increment(tx *sql.Tx) error {
	var n int64
	if err := tx.QueryRow(`SELECT n FROM counter WHERE name = $1`, "a").Scan(&n); err != nil {
		return err
	}
	n++
	if _, err := tx.Exec(`UPDATE counter SET n = $1 WHERE name = $2`, n, "a"); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO entries (n, body) VALUES ($1, $2)`, n, strings.Repeat("x", 100))
	return err
}

func update(t *testing.T, db *store.DB, fn func(*sql.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// count reads the counter and checks it against its log.
func count(t *testing.T, db *store.DB) (n int64) {
	t.Helper()
	var rows int64
	err := db.View(t.Context(), func(tx *sql.Tx) error {
		return tx.QueryRow(`SELECT n, (SELECT COUNT(*) FROM entries) FROM counter WHERE name = 'a'`).Scan(&n, &rows)
	})
	if err != nil {
		t.Fatal(err)
	}
	if rows != n {
		t.Errorf("the counter says %d, its log has %d entries: a transaction was torn", n, rows)
	}
	return n
}

func wantCount(t *testing.T, db *store.DB, want int64) {
	t.Helper()
	if got := count(t, db); got != want {
		t.Errorf("count is %d, want %d", got, want)
	}
}

func testReopen(t *testing.T, s suite) {
	db := s.openCounter(t)
	for range 5 {
		update(t, db, increment)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wantCount(t, s.open(t), 5)
}

func testSerialised(t *testing.T, s suite) {
	const workers, each = 8, 15
	dbs := []*store.DB{s.openCounter(t), s.open(t)}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				if err := dbs[w%len(dbs)].Update(t.Context(), increment); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantCount(t, dbs[0], workers*each)
}

func testRollbackOnError(t *testing.T, s suite) {
	db := s.openCounter(t)
	stop := errors.New("stop")
	err := db.Update(t.Context(), func(tx *sql.Tx) error {
		return errors.Join(increment(tx), stop)
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want the error of the function", err)
	}
	wantCount(t, db, 0)
	update(t, db, increment)
	wantCount(t, db, 1)
}

func testRollbackOnPanic(t *testing.T, s suite) {
	db := s.openCounter(t)
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want the panic of the function", got)
			}
		}()
		_ = db.Update(t.Context(), func(tx *sql.Tx) error {
			if err := increment(tx); err != nil {
				t.Error(err)
			}
			panic("boom")
		})
	}()
	wantCount(t, db, 0)
	update(t, db, increment)
	wantCount(t, db, 1)
}

func testSnapshot(t *testing.T, s suite) {
	db := s.openCounter(t)
	update(t, db, increment)
	err := db.View(t.Context(), func(tx *sql.Tx) error {
		for range 3 {
			var n int64
			if err := tx.QueryRow(`SELECT n FROM counter`).Scan(&n); err != nil {
				return err
			}
			if n != 1 {
				t.Errorf("the view sees %d, which was written after it began", n)
			}
			update(t, db, increment) // a writer the view must not block
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantCount(t, db, 4)
}

func testViewIsReadOnly(t *testing.T, s suite) {
	db := s.openCounter(t)
	if err := db.View(t.Context(), increment); err == nil {
		t.Error("a view was allowed to write")
	}
	wantCount(t, db, 0)
}

// testReadYourWrites: a view begun after an update returned sees it, also
// through another handle and from inside a running update's own eyes.
func testReadYourWrites(t *testing.T, s suite) {
	db, other := s.openCounter(t), s.open(t)
	for i := range int64(20) {
		update(t, db, increment)
		wantCount(t, other, i+1)
	}
	update(t, db, func(tx *sql.Tx) error {
		if err := increment(tx); err != nil {
			return err
		}
		wantCount(t, db, 20)
		return nil
	})
}

func testCancelledBefore(t *testing.T, s suite) {
	db := s.openCounter(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(*sql.Tx) error { t.Error("the function ran"); return nil }
	if err := db.Update(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: got %v, want %v", err, context.Canceled)
	}
	if err := db.View(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("View: got %v, want %v", err, context.Canceled)
	}
}

func testCancelledInside(t *testing.T, s suite) {
	db := s.openCounter(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Update(ctx, func(tx *sql.Tx) error {
		defer cancel()
		return increment(tx)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	wantCount(t, db, 0)
	update(t, db, increment)
	wantCount(t, db, 1)
}

func testCancelledWaiting(t *testing.T, s suite) {
	db := s.openCounter(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	update(t, db, func(tx *sql.Tx) error {
		err := db.Update(ctx, increment) // waits for the update around it
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		return nil
	})
	wantCount(t, db, 0)
}

func testClosed(t *testing.T, s suite) {
	db := s.openCounter(t)
	for range 2 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Update(t.Context(), increment); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Update: got %v, want %v", err, store.ErrClosed)
	}
	if err := db.View(t.Context(), increment); !errors.Is(err, store.ErrClosed) {
		t.Errorf("View: got %v, want %v", err, store.ErrClosed)
	}
}
