package lake

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// filePrefix begins the names of the lake's files.
	filePrefix   = "lake/events/"
	fileSuffix   = ".parquet"
	filterSuffix = ".filter"
)

// FileInfo describes one immutable file. Times are in ms.
type FileInfo struct {
	Name     string
	SHA256   string // hex
	Rows     int64
	Bytes    int64
	FirstSeq uint64
	LastSeq  uint64
	MinTime  int64
	MaxTime  int64
}

// fileName is the name of a file: its first day, its place in the stream and
// its content, so that the same rows give the same name.
func fileName(x FileInfo) string {
	day := time.UnixMilli(x.MinTime).UTC().Format(time.DateOnly)
	return fmt.Sprintf("%sday=%s/part-%d-%d-%s%s", filePrefix, day, x.FirstSeq, x.LastSeq, x.SHA256[:16], fileSuffix)
}

// filterName is the name of the filters of a file.
func filterName(name string) string { return strings.TrimSuffix(name, fileSuffix) + filterSuffix }

// overlaps says whether the file may hold events of from <= time < until.
func (x *FileInfo) overlaps(from, until int64) bool {
	return (until == 0 || x.MinTime < until) && x.MaxTime >= from
}

// An entry is a file of the manifest.
type entry struct {
	FileInfo

	// Below: owned by Lake.mu.
	readers int
	doomed  bool // left the manifest; deleted when the last reader goes
}

func migrationFiles() (fs.FS, error) { return fs.Sub(migrations, "migrations") }

func insertFile(tx *sql.Tx, x FileInfo) error {
	_, err := tx.Exec(`INSERT INTO lake_files (name, sha256, row_count, bytes, first_seq, last_seq, min_time, max_time)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING`,
		x.Name, x.SHA256, x.Rows, x.Bytes, int64(x.FirstSeq), int64(x.LastSeq), x.MinTime, x.MaxTime)
	if err != nil {
		return fmt.Errorf("enter file %s: %w", x.Name, err)
	}
	return nil
}

func deleteFile(tx *sql.Tx, name string) error {
	if _, err := tx.Exec(`DELETE FROM lake_files WHERE name = $1`, name); err != nil {
		return fmt.Errorf("take file %s out of the manifest: %w", name, err)
	}
	return nil
}

func inManifest(tx *sql.Tx, name string) (bool, error) {
	n := 0
	if err := tx.QueryRow(`SELECT COUNT(*) FROM lake_files WHERE name = $1`, name).Scan(&n); err != nil {
		return false, fmt.Errorf("look for file %s in the manifest: %w", name, err)
	}
	return n > 0, nil
}

func (l *Lake) readManifest(ctx context.Context) ([]*entry, error) {
	var list []*entry
	err := l.db.View(ctx, func(tx *sql.Tx) error {
		list = nil
		rows, err := tx.Query(`SELECT name, sha256, row_count, bytes, first_seq, last_seq, min_time, max_time FROM lake_files`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e entry
			var first, last int64
			if err := rows.Scan(&e.Name, &e.SHA256, &e.Rows, &e.Bytes, &first, &last, &e.MinTime, &e.MaxTime); err != nil {
				return err
			}
			e.FirstSeq, e.LastSeq = uint64(first), uint64(last)
			list = append(list, &e)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read the lake's manifest: %w", err)
	}
	return list, nil
}

// setFiles replaces the list of files. l.mu is held.
func (l *Lake) setFiles(list []*entry) {
	sortEntries(list)
	l.entries = list
	l.byDay = map[int64][]*entry{}
	for _, e := range list {
		for d := dayOf(e.MinTime); d <= dayOf(e.MaxTime); d++ {
			l.byDay[d] = append(l.byDay[d], e)
		}
	}
}

func sortEntries(list []*entry) {
	slices.SortFunc(list, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.MinTime, b.MinTime), cmp.Compare(a.Name, b.Name))
	})
}

// pin keeps the files from being deleted until release. l.mu is held.
func pin(list []*entry) {
	for _, e := range list {
		e.readers++
	}
}

func (l *Lake) release(list []*entry) {
	l.mu.Lock()
	var gone []*entry
	for _, e := range list {
		e.readers--
		if e.doomed && e.readers == 0 {
			gone = append(gone, e)
		}
	}
	l.mu.Unlock()
	l.remove(gone)
}

// remove deletes the blobs of files that left the manifest. What cannot be
// deleted now is an orphan for the next Open.
func (l *Lake) remove(list []*entry) {
	for _, e := range list {
		l.handles.drop(e.Name)
		l.index.drop(e.Name)
		for _, name := range []string{e.Name, filterName(e.Name)} {
			if err := l.blobs.Delete(context.Background(), name); err != nil {
				l.log.Warn("lake file could not be deleted; the next start tries again", "file", name, "err", err)
			}
		}
	}
}

// replace takes old files out of the list and puts new ones in, after the
// manifest has been changed.
func (l *Lake) replace(old []*entry, added []FileInfo) {
	gone := map[*entry]bool{}
	for _, e := range old {
		gone[e] = true
	}
	l.mu.Lock()
	var list, unused []*entry
	for _, e := range l.entries {
		if !gone[e] {
			list = append(list, e)
		}
	}
	for _, x := range added {
		list = append(list, &entry{FileInfo: x})
	}
	l.setFiles(list)
	for _, e := range old {
		if e.doomed = true; e.readers == 0 {
			unused = append(unused, e)
		}
	}
	l.mu.Unlock()
	l.remove(unused)
}

// sweep deletes files that are not in the manifest: what a crash left
// between writing files and committing them, or between replacing and
// deleting.
func (l *Lake) sweep(ctx context.Context) error {
	names, err := l.blobs.List(ctx, filePrefix)
	if err != nil {
		return fmt.Errorf("list lake files: %w", err)
	}
	known := map[string]bool{}
	for _, e := range l.entries {
		known[e.Name], known[filterName(e.Name)] = true, true
	}
	found := map[string]bool{}
	for _, name := range names {
		found[name] = true
		if known[name] {
			continue
		}
		if err := l.blobs.Delete(ctx, name); err != nil {
			return fmt.Errorf("delete orphan lake file: %w", err)
		}
		l.log.Info("lake file without manifest entry deleted", "file", name)
	}
	for _, e := range l.entries {
		if !found[e.Name] {
			l.log.Error("lake file is missing; restore it from the backup", "file", e.Name)
		}
	}
	return nil
}
