package storetest

import (
	"database/sql"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/cordon-health/cordon/store"
)

func testValues(t *testing.T, s suite) {
	db := s.open(t)
	migrate(t, db, "vals", files(1, `CREATE TABLE vals (id BIGINT PRIMARY KEY, s TEXT, n BIGINT, f DOUBLE PRECISION);`))
	type row struct {
		s sql.NullString
		n sql.NullInt64
		f sql.NullFloat64
	}
	rows := []row{
		{},
		{s: sql.NullString{Valid: true}, n: sql.NullInt64{Valid: true}, f: sql.NullFloat64{Valid: true}},
		{sql.NullString{String: "张三 ' \" \\ $1 ? \n\t😀", Valid: true}, sql.NullInt64{Int64: math.MaxInt64, Valid: true}, sql.NullFloat64{Float64: math.MaxFloat64, Valid: true}},
		{sql.NullString{String: strings.Repeat("长", 400_000), Valid: true}, sql.NullInt64{Int64: math.MinInt64, Valid: true}, sql.NullFloat64{Float64: 0.1, Valid: true}},
	}
	update(t, db, func(tx *sql.Tx) error {
		for i, r := range rows {
			if _, err := tx.Exec(`INSERT INTO vals (id, s, n, f) VALUES ($1, $2, $3, $4)`, i, r.s, r.n, r.f); err != nil {
				return err
			}
		}
		return nil
	})
	for i, want := range rows {
		var got row
		err := db.View(t.Context(), func(tx *sql.Tx) error {
			return tx.QueryRow(`SELECT s, n, f FROM vals WHERE id = $1`, i).Scan(&got.s, &got.n, &got.f)
		})
		if err != nil || got != want {
			t.Errorf("row %d came back changed (error %v)", i, err)
		}
	}
}

func testUpsert(t *testing.T, s suite) {
	db := s.open(t)
	migrate(t, db, "facts", files(1, `CREATE TABLE facts (k TEXT PRIMARY KEY, v TEXT NOT NULL, times BIGINT NOT NULL);`))
	put := func(v string) (times int64) {
		update(t, db, func(tx *sql.Tx) error {
			return tx.QueryRow(`
				INSERT INTO facts (k, v, times) VALUES ($1, $2, 1)
				ON CONFLICT (k) DO UPDATE SET v = excluded.v, times = facts.times + 1
				RETURNING times`, "key", v).Scan(&times)
		})
		return times
	}
	if first, second := put("one"), put("two"); first != 1 || second != 2 {
		t.Errorf("upserts counted %d and %d, want 1 and 2", first, second)
	}
	update(t, db, func(tx *sql.Tx) error {
		res, err := tx.Exec(`INSERT INTO facts (k, v, times) VALUES ($1, $2, 1) ON CONFLICT (k) DO NOTHING`, "key", "three")
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); n != 0 || err != nil {
			t.Errorf("a repeated insert affected %d rows (error %v), want 0", n, err)
		}
		return nil
	})
}

func testForeignKeys(t *testing.T, s suite) {
	db := s.open(t)
	migrate(t, db, "family", files(1, `
		CREATE TABLE parents (id BIGINT PRIMARY KEY);
		CREATE TABLE children (id BIGINT PRIMARY KEY, parent BIGINT NOT NULL REFERENCES parents (id));`))
	err := db.Update(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO children (id, parent) VALUES ($1, $2)`, 1, 2)
		return err
	})
	if err == nil {
		t.Error("a child without its parent was accepted")
	}
}

// tables counts which of the named tables can be read.
func tables(t *testing.T, db *store.DB, names ...string) (n int) {
	t.Helper()
	for _, name := range names {
		err := db.View(t.Context(), func(tx *sql.Tx) error {
			var rows int
			return tx.QueryRow(`SELECT COUNT(*) FROM ` + name).Scan(&rows)
		})
		if err == nil {
			n++
		}
	}
	return n
}

func testMigrateTwice(t *testing.T, s suite) {
	db := s.openCounter(t)
	update(t, db, increment)
	again := s.openCounter(t) // migrates a second time
	wantCount(t, again, 1)
	older := files(1, `CREATE TABLE steps (n BIGINT);`)
	newer := files(1, `CREATE TABLE steps (n BIGINT);`, 2, `ALTER TABLE steps ADD COLUMN name TEXT;`)
	migrate(t, db, "steps", older)
	migrate(t, db, "steps", newer)
	migrate(t, db, "steps", newer)
	migrate(t, db, "steps", older) // an older program on newer tables
	update(t, db, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO steps (n, name) VALUES ($1, $2)`, 1, "a")
		return err
	})
}

func testMigrateHalf(t *testing.T, s suite) {
	db := s.open(t)
	broken := files(1, `CREATE TABLE good (n BIGINT);`,
		2, `CREATE TABLE half (n BIGINT); INSERT INTO half (n) VALUES (1); INSERT INTO nowhere (n) VALUES (1);`)
	for range 2 {
		if err := db.Migrate(t.Context(), "half", broken); err == nil {
			t.Fatal("a broken migration succeeded")
		}
		if tables(t, db, "good") != 1 {
			t.Error("the migration before the broken one is missing")
		}
		if tables(t, db, "half") != 0 {
			t.Error("the broken migration was applied in part")
		}
	}
	migrate(t, db, "half", files(1, `CREATE TABLE good (n BIGINT);`, 2, `CREATE TABLE half (n BIGINT);`))
	if tables(t, db, "good", "half") != 2 {
		t.Error("the corrected migration was not applied")
	}
}

func testMigrateTogether(t *testing.T, s suite) {
	fsys := files(1, `CREATE TABLE once (n BIGINT);`, 2, `INSERT INTO once (n) VALUES (1);`)
	var wg sync.WaitGroup
	for range 4 {
		db := s.open(t)
		wg.Go(func() {
			if err := db.Migrate(t.Context(), "once", fsys); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	err := s.open(t).View(t.Context(), func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM once`).Scan(&n); err != nil {
			return err
		}
		if n != 1 {
			t.Errorf("the migration ran %d times", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testMigrateOwners(t *testing.T, s suite) {
	db := s.open(t)
	migrate(t, db, "one", files(1, `CREATE TABLE one (n BIGINT);`))
	migrate(t, db, "two", files(1, `CREATE TABLE two (n BIGINT);`))
	if tables(t, db, "one", "two", "goose_one", "goose_two") != 4 {
		t.Error("two owners did not get their tables")
	}
}

func testMigrateRefuses(t *testing.T, s suite) {
	db := s.open(t)
	for _, owner := range []string{"", "Big", "a-b", "a;b", "1a"} {
		if err := db.Migrate(t.Context(), owner, files(1, `SELECT 1;`)); err == nil {
			t.Errorf("owner %q was accepted", owner)
		}
	}
	if err := db.Migrate(t.Context(), "none", fstest.MapFS{}); err == nil {
		t.Error("a folder without migrations was accepted")
	}
}
