package folder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

func TestMain(m *testing.M) {
	evidence.RouteLogs(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// disk is as much of a blob store as the lake needs.
type disk struct{ dir string }

var _ blob.Store = disk{}

func (d disk) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

func (d disk) Put(_ context.Context, name string, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.path(name)), 0o700); err != nil {
		return err
	}
	return os.WriteFile(d.path(name), data, 0o600)
}

func (d disk) Get(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(d.path(name))
}

func (d disk) Stat(_ context.Context, name string) (int64, error) {
	info, err := os.Stat(d.path(name))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (d disk) List(_ context.Context, prefix string) (names []string, err error) {
	err = filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(d.dir, path)
		if name = filepath.ToSlash(name); strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

func (d disk) Delete(_ context.Context, name string) error { return os.Remove(d.path(name)) }

func event(seq, i int) *ocsf.Event {
	return &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, SeverityID: 1, Time: 1767225600000 + int64(seq*1000+i),
		Metadata:    ocsf.Metadata{UID: fmt.Sprintf("ev-%d-%d", seq, i), Version: ocsf.Version, LogName: "fhir-auditevent", LoggedTime: 1767225600000},
		Actor:       ocsf.Actor{User: ocsf.User{UID: "S1001", Account: "wang.fang"}},
		Patient:     &ocsf.Patient{UID: fmt.Sprintf("MRN%05d", (i*7+seq)%10)},
		Explanation: &ocsf.Explanation{Explained: true, Kind: "attending", At: 1767225600000},
	}
}

// writeLake puts rows into a lake below dir and hands its files to note.
func writeLake(t testing.TB, dir string, rows []lake.Row, note func(*sql.Tx, lake.FileInfo) error) []lake.FileInfo {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, StorePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l, err := lake.Open(ctx, lake.Config{Dir: t.TempDir()}, db, disk{filepath.Join(dir, BlobDir)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Append(rows)
	batch, err := l.Flush(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(ctx, func(tx *sql.Tx) error {
		if err := batch.Commit(tx); err != nil {
			return err
		}
		for _, f := range batch.Files {
			if err := note(tx, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	batch.Done()
	return batch.Files
}

// furnish makes a data folder with three batches in one file of the lake.
func furnish(t testing.TB) (dir string, file lake.FileInfo) {
	t.Helper()
	ctx := context.Background()
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, BlobDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(StorePath(dir)), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(ctx, StorePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log, err := evidence.Open(ctx, evidence.Config{Dir: filepath.Join(dir, LogDir), Interval: 100 * time.Millisecond}, db, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var rows []lake.Row
	for seq := 1; seq <= 3; seq++ {
		var evs []*ocsf.Event
		for i := range 50 {
			evs = append(evs, event(seq, i))
			rows = append(rows, lake.Row{Event: evs[i], Seq: uint64(seq), Index: uint32(i)})
		}
		if err := log.Events(ctx, uint64(seq), evs); err != nil {
			t.Fatal(err)
		}
	}
	files := writeLake(t, dir, rows, func(tx *sql.Tx, f lake.FileInfo) error {
		return log.File(tx, evidence.FileMark{Name: f.Name, SHA256: f.SHA256, Rows: f.Rows, FirstSeq: f.FirstSeq, LastSeq: f.LastSeq})
	})
	if err := log.Close(ctx); err != nil {
		t.Fatal(err)
	}
	return dir, files[0]
}

func verify(t testing.TB, dir string) evidence.Report {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, StorePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	src, err := Source(dir, db)
	if err != nil {
		t.Fatal(err)
	}
	r, err := evidence.Verify(ctx, src, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSound(t *testing.T) {
	dir, _ := furnish(t)
	if r := verify(t, dir); !r.OK || r.Events != 150 || r.Roots != 3 || r.Files != 1 {
		t.Errorf("report %+v", r)
	}
}

// rewrite replaces a file of the lake by one with changed rows, written by the
// lake itself, and makes the manifest agree.
func rewrite(t testing.TB, dir string, file lake.FileInfo, change func([]lake.Row) []lake.Row) {
	t.Helper()
	path := disk{filepath.Join(dir, BlobDir)}.path(file.Name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []lake.Row
	for row, err := range lake.ReadFile(bytes.NewReader(data), int64(len(data))) {
		if err != nil {
			t.Fatal(err)
		}
		copy := *row.Event
		row.Event = &copy
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b lake.Row) int { return int(a.Seq*1000+uint64(a.Index)) - int(b.Seq*1000+uint64(b.Index)) })
	other := t.TempDir()
	for _, d := range []string{filepath.Join(other, BlobDir), filepath.Dir(StorePath(other))} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	made := writeLake(t, other, change(rows), func(*sql.Tx, lake.FileInfo) error { return nil })
	if data, err = os.ReadFile(disk{filepath.Join(other, BlobDir)}.path(made[0].Name)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	exec(t, dir, "UPDATE lake_files SET sha256 = $1, row_count = $2 WHERE name = $3", hex.EncodeToString(sum[:]), made[0].Rows, file.Name)
}

func exec(t testing.TB, dir, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", StorePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

// An insider rewrites a Parquet file with the product's own writer.
func TestRewrittenFile(t *testing.T) {
	at := func(seq, i int) int { return (seq-1)*50 + i }
	for name, c := range map[string]struct {
		change func(rows []lake.Row) []lake.Row
		want   string
	}{
		"changed account": {func(rows []lake.Row) []lake.Row { rows[at(2, 7)].Event.Actor.User.Account = "liu.qiang"; return rows },
			"event ev-2-7 "},
		"changed patient": {func(rows []lake.Row) []lake.Row {
			rows[at(3, 9)].Event.Patient = &ocsf.Patient{UID: "MRN00099"}
			return rows
		}, "event ev-3-9 "},
		"changed time": {func(rows []lake.Row) []lake.Row { rows[at(1, 0)].Event.Time += 60000; return rows }, "event ev-1-0 "},
		"dropped":      {func(rows []lake.Row) []lake.Row { return slices.Delete(rows, at(2, 7), at(2, 8)) }, "event seq 2 index 7 is missing"},
		"added": {func(rows []lake.Row) []lake.Row {
			return append(rows, lake.Row{Event: event(3, 50), Seq: 3, Index: 50})
		}, "event ev-3-50 "},
		"swapped": {func(rows []lake.Row) []lake.Row {
			rows[at(2, 1)].Event, rows[at(2, 2)].Event = rows[at(2, 2)].Event, rows[at(2, 1)].Event
			return rows
		}, "event ev-2-2 "},
		"explanation": {func(rows []lake.Row) []lake.Row {
			rows[at(2, 7)].Event.Explanation = &ocsf.Explanation{Explained: false}
			return rows
		}, "was changed: its SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, file := furnish(t)
			rewrite(t, dir, file, c.change)
			r := verify(t, dir)
			if r.OK || !strings.Contains(r.FirstBad, c.want) {
				t.Errorf("first bad is %q, want %q; %d faults", r.FirstBad, c.want, r.Total)
			}
		})
	}
}

// Any flipped byte of a Parquet file is found and the file named.
func TestFlippedByte(t *testing.T) {
	dir, file := furnish(t)
	path := disk{filepath.Join(dir, BlobDir)}.path(file.Name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		at := i * (len(data) - 1) / 11
		data[at] ^= 0x10
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r := verify(t, dir)
		data[at] ^= 0x10
		if r.OK || !slices.ContainsFunc(r.Faults, func(f evidence.Fault) bool { return f.File == file.Name }) {
			t.Errorf("byte %d: %q", at, r.FirstBad)
		}
	}
}

func TestBlobs(t *testing.T) {
	dir, file := furnish(t)
	scratch := t.TempDir()
	f, err := Blobs(disk{filepath.Join(dir, BlobDir)}, scratch)(context.Background(), file.Name)
	if err != nil {
		t.Fatal(err)
	}
	if f.Size() != file.Bytes {
		t.Errorf("size %d, want %d", f.Size(), file.Bytes)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("%d copies were left behind", len(left))
	}
}

// One operation is an event of a file of the lake.
func BenchmarkVerify(b *testing.B) {
	ctx := context.Background()
	dir := b.TempDir()
	for _, d := range []string{filepath.Join(dir, BlobDir), filepath.Dir(StorePath(dir))} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			b.Fatal(err)
		}
	}
	db, err := sqlite.Open(ctx, StorePath(dir))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	log, err := evidence.Open(ctx, evidence.Config{Dir: filepath.Join(dir, LogDir)}, db, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close(ctx)
	const batches, size = 200, 1000
	var rows []lake.Row
	for seq := range batches {
		var evs []*ocsf.Event
		for i := range size {
			evs = append(evs, event(seq+1, i))
			rows = append(rows, lake.Row{Event: evs[i], Seq: uint64(seq + 1), Index: uint32(i)})
		}
		if err := log.Events(ctx, uint64(seq+1), evs); err != nil {
			b.Fatal(err)
		}
	}
	writeLake(b, dir, rows, func(tx *sql.Tx, f lake.FileInfo) error {
		return log.File(tx, evidence.FileMark{Name: f.Name, SHA256: f.SHA256, Rows: f.Rows, FirstSeq: f.FirstSeq, LastSeq: f.LastSeq})
	})
	if err := log.Sync(ctx); err != nil {
		b.Fatal(err)
	}
	src, err := Source(dir, db)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	n := 0
	for n < b.N {
		r, err := evidence.Verify(ctx, src, nil)
		if err != nil || !r.OK || r.Events != batches*size {
			b.Fatalf("%+v, %v", r, err)
		}
		n += batches * size
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
