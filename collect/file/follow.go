package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cordon-health/cordon/collect"
)

const (
	chunk    = 1 << 20 // most bytes delivered at once
	headSize = 256     // bytes that tell one file from another
)

// place is where a followed file was left. A file is recognised after a
// restart by the hash of its first bytes, which survives renaming and does
// not depend on the file system's inode numbers.
type place struct {
	Offset int64 `json:"offset"`
	// Head is the hash of the first HeadLen bytes.
	Head    string `json:"head"`
	HeadLen int    `json:"head_len"`
	// Header is a CSV file's first line, put before each delivery.
	Header string `json:"header,omitempty"`
}

// tail is one followed path. Owned by the goroutine of Run.
type tail struct {
	path string
	f    *os.File
	at   place
}

// openTail opens path where it was left. When path now holds another file, the
// one it held before is looked for beside it (rotation while Cordon was down)
// and finished first.
func (c *Collector) openTail(ctx context.Context, path string, sink collect.Sink) (*tail, error) {
	saved, err := c.load(ctx, path)
	if err != nil {
		return nil, err
	}
	t := &tail{path: path}
	if t.f, err = os.Open(path); err != nil {
		return nil, err
	}
	if saved.HeadLen == 0 {
		return t, nil
	}
	if same, err := hasHead(t.f, saved); err != nil || same {
		t.at = saved
		return t, err
	}
	if old := findRotated(path, saved); old != nil {
		rest := &tail{path: path, f: old, at: saved}
		err = c.readOn(ctx, rest, sink, true)
		_ = old.Close()
		if err != nil {
			_ = t.f.Close()
			return nil, err
		}
	}
	return t, nil
}

// findRotated looks through the files whose names begin with path's.
func findRotated(path string, p place) *os.File {
	names, _ := filepath.Glob(path + "*") // the only error is a bad pattern
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		if same, err := hasHead(f, p); err == nil && same && name != path {
			return f
		}
		_ = f.Close()
	}
	return nil
}

// follow reads what is new at the tail's path.
func (c *Collector) follow(ctx context.Context, t *tail, sink collect.Sink) error {
	now, err := os.Stat(t.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	held, err := t.f.Stat()
	if err != nil {
		return err
	}
	rotated := now != nil && !os.SameFile(now, held)
	if !rotated && held.Size() < t.at.Offset {
		t.at = place{} // truncated in place (copytruncate): start again
	}
	if err := c.readOn(ctx, t, sink, rotated); err != nil || !rotated {
		return err
	}
	next, err := os.Open(t.path)
	if err != nil {
		return err
	}
	_ = t.f.Close()
	t.f, t.at = next, place{}
	return c.readOn(ctx, t, sink, false)
}

// readOn delivers complete lines from the tail's place to the end of its file;
// with last also a final line without line end.
func (c *Collector) readOn(ctx context.Context, t *tail, sink collect.Sink, last bool) error {
	for {
		data, err := readLines(t.f, t.at.Offset, last)
		if err != nil || len(data) == 0 {
			return err
		}
		next := t.at
		next.Offset += int64(len(data))
		if next.HeadLen < headSize {
			if next.HeadLen, next.Head, err = head(t.f, headSize, next.Offset); err != nil {
				return err
			}
		}
		body := data
		if c.cfg.Format == "csv" {
			body = withHeader(data, &next, t.at.Offset == 0)
		}
		if err := c.deliver(ctx, sink, body); err != nil {
			return err
		}
		if err := c.save(ctx, t.path, next); err != nil {
			return err
		}
		t.at = next
	}
}

// withHeader remembers a CSV file's first line and puts it before later parts.
func withHeader(data []byte, p *place, first bool) []byte {
	if first {
		line, _, _ := bytes.Cut(data, []byte{'\n'})
		p.Header = string(line) + "\n"
		return data
	}
	return append([]byte(p.Header), data...)
}

// readLines reads up to a chunk of whole lines at offset. A line longer than a
// chunk is read whole.
func readLines(f *os.File, offset int64, last bool) ([]byte, error) {
	for size := chunk; ; size *= 2 {
		buf := make([]byte, size)
		n, err := f.ReadAt(buf, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read: %w", err)
		}
		buf = buf[:n]
		if i := bytes.LastIndexByte(buf, '\n'); i >= 0 {
			return buf[:i+1], nil
		}
		switch {
		case n == size && size < 64*chunk:
			continue
		case last || n == size:
			return buf, nil
		}
		return nil, nil
	}
}

// head hashes the first bytes of f, at most n and not beyond end.
func head(f *os.File, n int, end int64) (int, string, error) {
	buf := make([]byte, min(int64(n), end))
	got, err := f.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, "", fmt.Errorf("read: %w", err)
	}
	sum := sha256.Sum256(buf[:got])
	return got, hex.EncodeToString(sum[:8]), nil
}

func hasHead(f *os.File, p place) (bool, error) {
	n, h, err := head(f, p.HeadLen, int64(p.HeadLen))
	return n == p.HeadLen && h == p.Head, err
}

func (c *Collector) load(ctx context.Context, path string) (place, error) {
	var p place
	text, err := c.cursors.Load(ctx, "file:"+path)
	if err != nil || text == "" {
		return p, err
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("place in %s: %w", path, err)
	}
	return p, nil
}

func (c *Collector) save(ctx context.Context, path string, p place) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return c.cursors.Save(ctx, "file:"+path, string(text))
}
