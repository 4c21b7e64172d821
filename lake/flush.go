package lake

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

const (
	// minFileRows is how many rows a file takes at least before the next day
	// begins a new one.
	minFileRows = 20_000
	// scratchPattern names files being written.
	scratchPattern = "scratch-*"
)

// Batch is the rows that were buffered at one moment, on their way to files.
// There is at most one at a time: Write, then Commit in a transaction, then
// Done or Discard; or a Write that fails.
type Batch struct {
	Files []FileInfo // what Write wrote

	lake    *Lake
	buffers []*buffer
}

// Seal begins a new buffer and returns what was buffered so far, to be
// written while the new one fills. It is quick, so that a pipeline can seal
// between two messages.
func (l *Lake) Seal() *Batch { return &Batch{lake: l, buffers: l.freeze()} }

// Write writes the sealed rows to new files, durably; questions still see
// them in the buffer. After an error nothing is lost: the rows are part of the
// next Seal.
func (b *Batch) Write(ctx context.Context) error {
	for _, buf := range b.buffers {
		files, err := b.lake.writeTable(ctx, &buf.table)
		b.Files = append(b.Files, files...)
		if err != nil {
			b.lake.removeNew(b.Files)
			return fmt.Errorf("flush lake: %w", err)
		}
	}
	return nil
}

// Flush is Seal and Write in one. It returns nil and no error when the buffer
// is empty.
func (l *Lake) Flush(ctx context.Context) (*Batch, error) {
	b := l.Seal()
	if err := b.Write(ctx); err != nil {
		return nil, err
	}
	if len(b.Files) == 0 {
		return nil, nil
	}
	return b, nil
}

// freeze begins a new buffer and returns those before it.
func (l *Lake) freeze() []*buffer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buffers[len(l.buffers)-1].rows > 0 {
		l.buffers = append(l.buffers, newBuffer())
	}
	return slices.Clone(l.buffers[:len(l.buffers)-1])
}

// errDoubt stops a writer that cannot know what its rows are.
var errDoubt = errors.New("an earlier transaction was committed although it reported an error: restart, so that the stream is read from the committed place")

// Commit enters the files into the manifest. It may run more than once.
func (b *Batch) Commit(tx *sql.Tx) error {
	for _, x := range b.lake.doubtful() {
		stored, err := inManifest(tx, x.Name)
		if err != nil {
			return err
		}
		if stored {
			return errDoubt
		}
	}
	for _, x := range b.Files {
		if err := insertFile(tx, x); err != nil {
			return err
		}
	}
	return nil
}

// Done is called when the transaction of Commit has committed: questions find
// the rows in the files from now on, and the buffer forgets them.
func (b *Batch) Done() {
	l := b.lake
	l.sql.making.Lock()
	defer l.sql.making.Unlock()
	for _, buf := range b.buffers {
		l.dropSegments(buf)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buffers = slices.DeleteFunc(l.buffers, func(x *buffer) bool { return slices.Contains(b.buffers, x) })
	list := slices.Clone(l.entries)
	for _, x := range b.Files {
		list = append(list, &entry{FileInfo: x})
	}
	l.setFiles(list)
}

// Discard is called when the transaction reported an error: the files are
// deleted, the rows stay in the buffer. A transaction that was committed all
// the same (a connection that broke during commit) counts as done; when that
// cannot be found out now, the files stay and the next Commit looks again.
func (b *Batch) Discard() {
	l := b.lake
	if len(b.Files) == 0 {
		return
	}
	stored := false
	err := l.db.View(context.Background(), func(tx *sql.Tx) (err error) {
		stored, err = inManifest(tx, b.Files[0].Name)
		return err
	})
	switch {
	case err != nil:
		l.log.Warn("outcome of a transaction is unknown; the next one looks again", "err", err)
		l.mu.Lock()
		l.doubt = append(l.doubt, b.Files...)
		l.mu.Unlock()
	case stored:
		b.Done()
	default:
		l.removeNew(b.Files)
	}
}

func (l *Lake) doubtful() []FileInfo {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.doubt)
}

// removeNew deletes files that never came into the manifest. A file with the
// same rows may have been there before; it stays.
func (l *Lake) removeNew(files []FileInfo) {
	l.mu.RLock()
	present := map[string]bool{}
	for _, e := range l.entries {
		present[e.Name] = true
	}
	l.mu.RUnlock()
	for _, x := range files {
		if !present[x.Name] {
			l.remove([]*entry{{FileInfo: x}})
		}
	}
}

// writeTable writes all rows of t to files and returns those that were
// written, with an error too.
func (l *Lake) writeTable(ctx context.Context, t *table) ([]FileInfo, error) {
	var files []FileInfo
	rows := sortRows(t)
	for len(rows) > 0 {
		n := cut(t, rows)
		x, err := l.writeRows(ctx, t, rows[:n])
		if err != nil {
			return files, err
		}
		files = append(files, x)
		rows = rows[n:]
	}
	return files, nil
}

// cut says how many of the sorted rows make the next file: whole days, at
// least minFileRows of them.
func cut(t *table, rows []int32) int {
	for i := minFileRows; i < len(rows); i++ {
		if dayOf(t.int(intTime, int(rows[i-1]))) != dayOf(t.int(intTime, int(rows[i]))) {
			return i
		}
	}
	return len(rows)
}

func (l *Lake) writeRows(ctx context.Context, t *table, rows []int32) (FileInfo, error) {
	out, err := l.create()
	if err != nil {
		return FileInfo{}, err
	}
	defer out.abort()
	for len(rows) > 0 {
		n := min(groupRows, len(rows))
		if err := out.write(t, rows[:n]); err != nil {
			return FileInfo{}, err
		}
		rows = rows[n:]
	}
	return out.commit(ctx)
}

// An output is a file being written: first to a scratch file, because its
// name contains its hash, then to the blob store.
type output struct {
	*fileWriter
	lake    *Lake
	scratch *os.File
	keys    keys
}

func (l *Lake) create() (*output, error) {
	f, err := os.CreateTemp(l.cfg.Dir, scratchPattern)
	if err != nil {
		return nil, fmt.Errorf("begin lake file: %w", err)
	}
	return &output{fileWriter: newFileWriter(f, l.codec), lake: l, scratch: f, keys: newKeys()}, nil
}

func (o *output) write(t *table, rows []int32) error {
	o.keys.collect(t, rows)
	return o.fileWriter.write(t, rows)
}

func (o *output) abort() {
	o.scratch.Close()
	os.Remove(o.scratch.Name())
}

// commit ends the file and stores it durably with its filters.
func (o *output) commit(ctx context.Context) (FileInfo, error) {
	x, err := o.close()
	if err != nil {
		return FileInfo{}, err
	}
	x.Name = fileName(x)
	if _, err := o.scratch.Seek(0, io.SeekStart); err != nil {
		return FileInfo{}, fmt.Errorf("read back lake file: %w", err)
	}
	f := o.keys.filters()
	if err := o.lake.blobs.Put(ctx, filterName(x.Name), bytes.NewReader(f.encode())); err != nil {
		return FileInfo{}, fmt.Errorf("store filters of lake file: %w", err)
	}
	if err := o.lake.blobs.Put(ctx, x.Name, o.scratch); err != nil {
		err = errors.Join(err, o.lake.blobs.Delete(ctx, filterName(x.Name)))
		return FileInfo{}, fmt.Errorf("store lake file: %w", err)
	}
	o.lake.index.put(x.Name, kindFilters, f, f.size())
	return x, nil
}

// cleanScratch creates the folder and deletes what a crash left in it.
func cleanScratch(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create folder for lake files being written: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, scratchPattern))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("delete unfinished lake file: %w", err)
		}
	}
	return nil
}
