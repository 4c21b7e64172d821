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

// Batch is what one Flush wrote. Exactly one of Done and Discard must follow.
type Batch struct {
	Files []FileInfo

	lake    *Lake
	buffers []*buffer
}

// Flush writes the buffered rows to new files, durably; questions still see
// them in the buffer. It returns nil and no error when the buffer is empty.
// After an error nothing is lost: the rows stay buffered for the next Flush.
func (l *Lake) Flush(ctx context.Context) (*Batch, error) {
	b := &Batch{lake: l, buffers: l.freeze()}
	for _, buf := range b.buffers {
		files, err := l.writeTable(ctx, &buf.table)
		b.Files = append(b.Files, files...)
		if err != nil {
			b.Discard()
			return nil, fmt.Errorf("flush lake: %w", err)
		}
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

// Commit enters the files into the manifest. It may run more than once.
func (b *Batch) Commit(tx *sql.Tx) error {
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
	l.generation++
}

// Discard is called when the transaction failed for good: the files are
// deleted, the rows stay in the buffer.
func (b *Batch) Discard() {
	l := b.lake
	l.mu.RLock()
	present := map[string]bool{}
	for _, e := range l.entries {
		present[e.Name] = true
	}
	l.mu.RUnlock()
	for _, x := range b.Files {
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
