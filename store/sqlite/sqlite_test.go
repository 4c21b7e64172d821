package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cordon-health/cordon/internal/smalldisk"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Engine{
		New:  func(t *testing.T) string { return filepath.Join(t.TempDir(), "records", "cordon.db") },
		Open: Open,
	})
}

func TestFullDisk(t *testing.T) {
	dir := smalldisk.Mount(t, 8<<20)
	db, err := Open(t.Context(), filepath.Join(dir, "cordon.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	migration := fstest.MapFS{"00001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE t (n BIGINT PRIMARY KEY, body TEXT);\n")}}
	if err := db.Migrate(t.Context(), "t", migration); err != nil {
		t.Fatal(err)
	}
	insert := func(n int) error {
		return db.Update(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO t (n, body) VALUES ($1, $2)`, n, strings.Repeat("x", 20_000))
			return err
		})
	}
	if err := insert(0); err != nil {
		t.Fatal(err)
	}
	ballast := smalldisk.Fill(t, dir, 100_000)
	written, refused := 1, error(nil)
	for ; refused == nil && written < 100; written++ {
		refused = insert(written)
	}
	written--
	if !store.Full(refused) {
		t.Fatalf("on a full disk after %d rows: got %v, want an error that store.Full recognises", written, refused)
	}
	wantRows(t, db, written)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := insert(written); err != nil {
		t.Fatalf("after space returned: %v", err)
	}
	wantRows(t, db, written+1)
}

func wantRows(t *testing.T, db *store.DB, want int) {
	t.Helper()
	var got int
	err := db.View(t.Context(), func(tx *sql.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM t`).Scan(&got)
	})
	if err != nil || got != want {
		t.Errorf("%d rows (error %v), want %d", got, err, want)
	}
}

func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder?with #signs%", "cordon.db")
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		check := func(tx *sql.Tx) error { return tx.QueryRow("PRAGMA " + pragma).Scan(&got) }
		if err := db.Update(t.Context(), check); err != nil || got != want {
			t.Errorf("%s is %q (error %v), want %q", pragma, got, err, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the rights %v, want those of its owner only", info.Mode())
	}
}

func TestNotADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cordon.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is a letter, not a database. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("got %v, want an error with the next step", err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	db, err := Open(b.Context(), filepath.Join(b.TempDir(), "cordon.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	migration := fstest.MapFS{"00001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE t (n BIGINT PRIMARY KEY, body TEXT);\n")}}
	if err := db.Migrate(b.Context(), "t", migration); err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		err := db.Update(b.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO t (n, body) VALUES ($1, $2)`, n, "a case")
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
