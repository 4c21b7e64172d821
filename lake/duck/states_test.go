//go:build cgo

package duck_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/lake/duck"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

// DuckDB once could not read the columns of true, false and null when pages
// without any value stood between others; the three states must be counted.
func TestStatesOverManyPages(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	files, err := folder.Open(filepath.Join(dir, "blob"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(ctx, lake.Config{Dir: filepath.Join(dir, "scratch"), Engine: duck.New(filepath.Join(dir, "scratch"))}, db, files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var rows []lake.Row
	for i := range 20000 {
		ev := &ocsf.Event{ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, Time: int64(i), Patient: &ocsf.Patient{UID: fmt.Sprintf("P%05d", i)}}
		ev.Metadata.UID = fmt.Sprint(i)
		if i > 9000 && i%3 != 0 {
			ev.Explanation = &ocsf.Explanation{Explained: i%2 == 0, Weak: i%5 == 0, Kind: "order"}
		}
		rows = append(rows, lake.Row{Event: ev, Seq: 1, Index: uint32(i)})
	}
	l.Append(rows)
	b, err := l.Flush(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(ctx, b.Commit); err != nil {
		t.Fatal(err)
	}
	b.Done()
	got, err := l.SQL(ctx, `SELECT count(*) FILTER (explained), count(*) FILTER (NOT explained), count(*) FILTER (explained IS NULL), count(*) FILTER (weak) FROM events`)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if !got.Next() || fmt.Sprint(got.Row()) != "[3666 3667 12667 1466]" {
		t.Fatal(got.Row(), got.Err())
	}
}
