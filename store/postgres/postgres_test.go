package postgres

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/internal/smalldisk"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Engine{
		New:  func(t *testing.T) string { return pgtest.Start(t) },
		Open: Open,
	})
}

func TestOpenFails(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://user:hunter2@127.0.0.1:1/db?connect_timeout=2": "database db on 127.0.0.1",
		"postgres://user:hunter2@host:port/db":                     "address of the records",
	} {
		_, err := Open(t.Context(), url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Error("the error shows the password")
		}
	}
}

// TestConnectionLost: a node outlives the restart of its connections.
func TestConnectionLost(t *testing.T) {
	url := pgtest.Start(t)
	db, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	admin, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for range 3 {
		if err := db.Update(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec("SELECT 1"); return err }); err != nil {
			t.Fatal(err)
		}
		_, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cordon'`)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDisk puts a table on a disk of its own, which is full.
func TestFullDisk(t *testing.T) {
	url := pgtest.Start(t)
	dir := smalldisk.Mount(t, 4<<20)
	db, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	space := fmt.Sprintf("small%d", os.Getpid())
	onSmallDisk(t, url, dir, space)
	defer db.Close()
	migration := fstest.MapFS{"00001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE t (n BIGINT, body TEXT) TABLESPACE " + space + ";\n")}}
	if err := db.Migrate(t.Context(), "t", migration); err != nil {
		t.Fatal(err)
	}
	insert := func() error {
		return db.Update(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO t (n, body) SELECT i, md5(i::text) || $1::text FROM generate_series(1, 1000) i`, strings.Repeat("x", 900))
			return err
		})
	}
	if err := insert(); err != nil {
		t.Fatal(err)
	}
	ballast := smalldisk.Fill(t, dir, 100_000)
	refused := insert()
	if !store.Full(refused) {
		t.Fatalf("on a full disk: got %v, want an error that store.Full recognises", refused)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := insert(); err != nil {
		t.Fatalf("after space returned: %v", err)
	}
}

// onSmallDisk makes a tablespace on dir, which the server may write to.
func onSmallDisk(t *testing.T, url, dir, space string) {
	t.Helper()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	admin, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	sub := filepath.Join(dir, "space")
	if err := os.Mkdir(sub, 0o777); err != nil {
		t.Fatal(err)
	}
	pgtest.Own(t, sub)
	if _, err := admin.Exec("CREATE TABLESPACE " + space + " LOCATION '" + sub + "'"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer admin.Close()
		for _, statement := range []string{"DROP TABLE IF EXISTS t", "DROP TABLESPACE " + space} {
			if _, err := admin.Exec(statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	db, err := Open(b.Context(), pgtest.Start(b))
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
