package lake

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"

	"github.com/cordon-health/cordon/ocsf"
)

// ErrNoEngine says that this program was built or configured without SQL.
var ErrNoEngine = errors.New("SQL is not in this build: use one built with CGO_ENABLED=1")

// ErrSQLTime says that a query took longer than Config.SQLTime.
var ErrSQLTime = errors.New("the query took too long: ask for less, for example fewer days")

// Engine answers SQL over Parquet files; lake/duck is one. It offers three
// views: "records" are all events, "events" leaves out the second record of
// an access that two systems recorded, "explanations" are the accesses with
// what explains them, healed ones included. Columns have the names in the
// files, except that uid, logged_time, explained and explained_at are whole.
//
// Promises: a query changes nothing, reads no other file, ends with its
// context, and any number run at the same time.
type Engine interface {
	// Query runs one statement. The files of q stay until the rows are closed.
	Query(ctx context.Context, q Query) (*Rows, error)
	Close() error
}

// Query is a statement and the files it may see.
type Query struct {
	SQL  string
	Args []any
	// Files are paths of Parquet files with the lake's columns; at least one.
	Files []string
	// Healed is the path of a Parquet file with later explanations: columns
	// uid, explained, kind, weak, because, args, explained_at.
	Healed string
}

// SQL answers one SELECT over the views of [Engine]. Buffered rows are seen.
// The rows must be closed.
//
// Config.SQLAtOnce queries run at the same time, others wait for them. A query
// and its rows end with ctx, or after Config.SQLTime when ctx has no deadline.
func (l *Lake) SQL(ctx context.Context, query string, args ...any) (*Rows, error) {
	if l.cfg.Engine == nil {
		return nil, ErrNoEngine
	}
	ctx, leave, err := l.enterSQL(ctx)
	if err != nil {
		return nil, err
	}
	q := Query{SQL: query, Args: args}
	done, err := l.prepareSQL(ctx, &q)
	if err != nil {
		leave()
		return nil, fmt.Errorf("prepare query: %w", err)
	}
	rows, err := l.cfg.Engine.Query(ctx, q)
	if err != nil {
		err = inTime(ctx, err)
		done()
		leave()
		return nil, err
	}
	next, end := rows.next, rows.close
	rows.next = func() ([]any, error) {
		row, err := next()
		return row, inTime(ctx, err)
	}
	rows.close = func() error {
		err := end()
		done()
		leave()
		return err
	}
	return rows, nil
}

// inTime says so when a query failed because its time was over.
func inTime(ctx context.Context, err error) error {
	if err != nil && err != io.EOF && errors.Is(context.Cause(ctx), ErrSQLTime) {
		return ErrSQLTime
	}
	return err
}

// enterSQL waits for the turn of a query and gives it its deadline. leave may
// be called again.
func (l *Lake) enterSQL(ctx context.Context) (_ context.Context, leave func(), err error) {
	cancel := func() {}
	if _, ok := ctx.Deadline(); !ok {
		ctx, cancel = context.WithTimeoutCause(ctx, l.cfg.SQLTime, ErrSQLTime)
	}
	select {
	case l.sqlTurns <- struct{}{}:
		return ctx, sync.OnceFunc(func() { cancel(); <-l.sqlTurns }), nil
	case <-ctx.Done():
		defer cancel()
		return nil, nil, fmt.Errorf("wait for other queries: %w", context.Cause(ctx))
	}
}

// prepareSQL makes everything that a query may see a local file; done lets
// the files go.
func (l *Lake) prepareSQL(ctx context.Context, q *Query) (done func(), err error) {
	l.sql.begin()
	ends := []func(){l.sql.end}
	done = func() {
		for _, end := range slices.Backward(ends) {
			end()
		}
	}
	defer func() {
		if err != nil {
			done()
		}
	}()
	buffered, v, err := l.bufferedFiles()
	if err != nil {
		return nil, err
	}
	ends = append(ends, func() { l.release(v.entries) })
	files, unlock, err := l.handles.paths(ctx, v.entries)
	if err != nil {
		return nil, err
	}
	ends = append(ends, unlock)
	q.Files = append(files, buffered...)
	if len(q.Files) == 0 {
		if q.Files, err = l.emptyFile(); err != nil {
			return nil, err
		}
	}
	if q.Healed, err = l.healedFile(ctx); err != nil {
		return nil, err
	}
	return done, nil
}

// sqlCache keeps the files that exist only for SQL: buffered rows and later
// explanations. Old ones are deleted when no query runs.
type sqlCache struct {
	dir string

	making sync.Mutex // one writer of files
	empty  string
	healed string // file with the explanations up to version
	healedVersion

	mu      sync.Mutex
	running int
	old     []string
}

// healedVersion changes with every correction.
type healedVersion struct{ newest, count int64 }

func (c *sqlCache) open(dir string) error {
	c.dir = filepath.Join(dir, "sql")
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("clean folder for SQL: %w", err)
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("create folder for SQL: %w", err)
	}
	return nil
}

func (c *sqlCache) close() error { return os.RemoveAll(c.dir) }

func (c *sqlCache) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running++
}

func (c *sqlCache) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running--; c.running == 0 {
		for _, name := range c.old {
			os.Remove(name)
		}
		c.old = nil
	}
}

// retire deletes a file as soon as no query can see it.
func (c *sqlCache) retire(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running > 0 {
		c.old = append(c.old, names...)
		return
	}
	for _, name := range names {
		os.Remove(name)
	}
}

// A segment is a file with some consecutive rows of a buffer.
type segment struct {
	path string
	end  int // row after the last one
}

// maxSegments is how many files a buffer has before they become one.
const maxSegments = 8

// bufferedFiles makes the rows in the buffers files, each row once, and
// returns them with the files of the manifest at the same moment.
func (l *Lake) bufferedFiles() ([]string, view, error) {
	l.sql.making.Lock()
	defer l.sql.making.Unlock()
	l.mu.Lock()
	buffers := slices.Clone(l.buffers)
	rows := make([]int, len(buffers))
	for i, b := range buffers {
		rows[i] = b.rows
	}
	v := l.viewLocked()
	l.mu.Unlock()
	var paths []string
	for i, b := range buffers {
		if err := l.extend(b, rows[i]); err != nil {
			l.release(v.entries)
			return nil, view{}, err
		}
		for _, s := range b.segments {
			paths = append(paths, s.path)
		}
	}
	return paths, v, nil
}

// extend writes the rows of b that are in no segment yet.
func (l *Lake) extend(b *buffer, end int) error {
	from := 0
	if n := len(b.segments); n > 0 {
		from = b.segments[n-1].end
	}
	if from == end {
		return nil
	}
	if len(b.segments) >= maxSegments {
		l.dropSegments(b)
		from = 0
	}
	t := l.copyRows(b, from, end)
	path, err := l.sql.write("buffer-*", func(w io.Writer) error { return writeTable(w, l.codec, t, ascending(t.rows)) })
	if err != nil {
		return err
	}
	b.segments = append(b.segments, segment{path, end})
	return nil
}

func (l *Lake) dropSegments(b *buffer) {
	for _, s := range b.segments {
		l.sql.retire(s.path)
	}
	b.segments = nil
}

// copyRows copies rows of a buffer that may be growing.
func (l *Lake) copyRows(b *buffer, from, end int) *table {
	l.mu.RLock()
	defer l.mu.RUnlock()
	t := new(table)
	var r record
	for i := from; i < end; i++ {
		b.record(i, &r)
		t.append(&r)
	}
	return t
}

func writeTable(w io.Writer, codec *codec, t *table, rows []int32) error {
	f := newFileWriter(w, codec)
	for first := true; first || len(rows) > 0; first = false {
		n := min(groupRows, len(rows))
		if err := f.write(t, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	_, err := f.close()
	return err
}

func (c *sqlCache) write(pattern string, fill func(io.Writer) error) (string, error) {
	f, err := os.CreateTemp(c.dir, pattern+fileSuffix)
	if err != nil {
		return "", fmt.Errorf("write rows for SQL: %w", err)
	}
	if err := errors.Join(fill(f), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("write rows for SQL: %w", err)
	}
	return f.Name(), nil
}

// emptyFile gives the views their columns when there is no event at all.
func (l *Lake) emptyFile() ([]string, error) {
	l.sql.making.Lock()
	defer l.sql.making.Unlock()
	if l.sql.empty == "" {
		path, err := l.sql.write("empty-*", func(w io.Writer) error { return writeTable(w, l.codec, new(table), nil) })
		if err != nil {
			return nil, err
		}
		l.sql.empty = path
	}
	return []string{l.sql.empty}, nil
}

// healedRow is a later explanation as the engine reads it.
type healedRow struct {
	UID         string `parquet:"uid"`
	Explained   bool   `parquet:"explained"`
	Kind        string `parquet:"kind"`
	Weak        bool   `parquet:"weak"`
	Because     string `parquet:"because"`
	Args        string `parquet:"args"`
	ExplainedAt int64  `parquet:"explained_at,timestamp(millisecond:local)"`
}

// healedFile returns the file of later explanations, written anew when there
// are others than last time.
func (l *Lake) healedFile(ctx context.Context) (string, error) {
	l.sql.making.Lock()
	defer l.sql.making.Unlock()
	var list []healedRow
	var version healedVersion
	changed := false
	err := l.db.View(ctx, func(tx *sql.Tx) (err error) {
		row := tx.QueryRow(`SELECT COALESCE(MAX(version), 0), COUNT(*) FROM lake_corrections`)
		if err := row.Scan(&version.newest, &version.count); err != nil {
			return err
		}
		if changed = l.sql.healed == "" || version != l.sql.healedVersion; changed {
			list, err = healedRows(tx)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read later explanations: %w", err)
	}
	if !changed {
		return l.sql.healed, nil
	}
	path, err := l.sql.write("healed-*", func(w io.Writer) error { return parquet.Write(w, list) })
	if err != nil {
		return "", err
	}
	if l.sql.healed != "" {
		l.sql.retire(l.sql.healed)
	}
	l.sql.healed, l.sql.healedVersion = path, version
	return path, nil
}

func healedRows(tx *sql.Tx) ([]healedRow, error) {
	rows, err := tx.Query(`SELECT uid, explanation FROM lake_corrections`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []healedRow
	for rows.Next() {
		var uid, body string
		if err := rows.Scan(&uid, &body); err != nil {
			return nil, err
		}
		var x ocsf.Explanation
		if err := json.Unmarshal([]byte(body), &x); err != nil {
			return nil, err
		}
		list = append(list, healedRow{UID: uid, Explained: x.Explained, Kind: x.Kind, Weak: x.Weak,
			Because: joinList(x.Because), Args: joinList(x.Args), ExplainedAt: x.At})
	}
	return list, rows.Err()
}

// paths returns the local paths of files; remote ones are copied and stay
// until unlock.
func (s *handles) paths(ctx context.Context, list []*entry) (paths []string, unlock func(), err error) {
	var held []*handle
	unlock = func() {
		for _, h := range held {
			s.put(h)
		}
	}
	var bytes int64
	for _, e := range list {
		path, copied := "", int64(0)
		if s.local != nil {
			path, err = s.local.Path(e.Name)
		} else if bytes+e.Bytes > s.max {
			err = fmt.Errorf("the files of the object storage do not fit into %d bytes of local copies: raise lake.cache_bytes", s.max)
		} else {
			var h *handle
			if h, err = s.get(ctx, &e.FileInfo); err == nil {
				held, path, copied = append(held, h), h.path, h.copy
			}
		}
		if err != nil {
			unlock()
			return nil, nil, err
		}
		bytes += copied
		paths = append(paths, path)
	}
	return paths, unlock, nil
}
