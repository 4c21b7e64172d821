//go:build cgo

package duck_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/lake/duck"
	"github.com/cordon-health/cordon/store/sqlite"
)

// TestScale asks SQL of the lake that lake's TestScale left behind.
func TestScale(t *testing.T) {
	dir := os.Getenv("CORDON_SCALE_DIR")
	if dir == "" {
		t.Skip("set CORDON_SCALE_DIR to the folder that TestScale of lake filled")
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	blobs, err := folder.Open(filepath.Join(dir, "blob"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(t.Context(), lake.Config{Dir: filepath.Join(dir, "lake"), Engine: duck.New(t.TempDir())}, db, blobs, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	files := l.Files()
	day := time.UnixMilli(files[len(files)/2].MinTime).UTC().Truncate(24 * time.Hour)
	for range 2 {
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{"SELECT count(*) FROM events", nil},
			{"SELECT person, count(*) AS n FROM events WHERE time >= ? AND time < ? GROUP BY person ORDER BY n DESC LIMIT 10",
				[]any{day, day.Add(24 * time.Hour)}},
			{"SELECT person, count(*) AS n, count(DISTINCT patient) AS patients FROM events GROUP BY person ORDER BY n DESC LIMIT 10", nil},
			{"SELECT hour(time) AS hour, kind, count(*) FROM events GROUP BY ALL ORDER BY ALL", nil},
			{"SELECT * FROM events WHERE patient = 'MRN10003500' ORDER BY time DESC", nil},
		} {
			start := time.Now()
			rows, err := l.SQL(t.Context(), q.sql, q.args...)
			if err != nil {
				t.Fatal(err)
			}
			if err := rows.Write(io.Discard, "json"); err != nil {
				t.Fatal(err)
			}
			t.Logf("%8v  %s", time.Since(start).Round(time.Millisecond), q.sql)
		}
	}
	status, _ := os.ReadFile("/proc/self/status")
	t.Logf("%s", status)
}
