package lake

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/internal/durable"
)

// handles keeps files open. A blob that is a local file is read in place;
// any other is copied to dir first, where copies are kept up to max bytes.
type handles struct {
	blobs blob.Store
	local blob.Local // nil: blobs are not local files
	zstd  *zstd.Decoder
	dir   string
	max   int64

	mu    sync.Mutex
	clock int64
	open  map[string]*handle
	fetch map[string]*sync.Mutex // one download at a time per file
}

// maxHandles is how many files stay open while nobody reads them.
const maxHandles = 256

// A handle is one open file.
type handle struct {
	*file
	path string // of the local file
	body *os.File
	copy int64 // bytes of the copy in dir, 0 when read in place

	// Owned by handles.mu.
	users int
	used  int64
	gone  bool // dropped: close when the last user goes
}

func newHandles(blobs blob.Store, zstd *zstd.Decoder, dir string, max int64) (*handles, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder for copies of lake files: %w", err)
	}
	if err := durable.Sweep(dir); err != nil {
		return nil, fmt.Errorf("clean folder for copies of lake files: %w", err)
	}
	local, _ := blobs.(blob.Local)
	return &handles{blobs: blobs, local: local, zstd: zstd, dir: dir, max: max,
		open: map[string]*handle{}, fetch: map[string]*sync.Mutex{}}, nil
}

// get opens a file or finds it open; put must follow.
func (s *handles) get(ctx context.Context, x *FileInfo) (*handle, error) {
	if h := s.find(x.Name); h != nil {
		return h, nil
	}
	lock := s.lock(x.Name)
	lock.Lock()
	defer lock.Unlock()
	if h := s.find(x.Name); h != nil {
		return h, nil
	}
	h, err := s.openFile(ctx, x)
	if err != nil {
		return nil, fmt.Errorf("lake file %s: %w; restore it from the backup", x.Name, err)
	}
	s.add(x.Name, h)
	return h, nil
}

func (s *handles) find(name string) *handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.open[name]
	if h != nil {
		h.users++
		s.clock++
		h.used = s.clock
	}
	return h
}

func (s *handles) lock(name string) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetch[name] == nil {
		s.fetch[name] = new(sync.Mutex)
	}
	return s.fetch[name]
}

func (s *handles) add(name string, h *handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fetch, name)
	s.clock++
	h.users, h.used = 1, s.clock
	s.open[name] = h
	s.shrink()
}

// shrink closes files that nobody reads until the bounds hold. s.mu is held.
func (s *handles) shrink() {
	for {
		var oldest string
		var copies int64
		for name, h := range s.open {
			copies += h.copy
			if h.users == 0 && (oldest == "" || h.used < s.open[oldest].used) {
				oldest = name
			}
		}
		if oldest == "" || len(s.open) <= maxHandles && copies <= s.max {
			return
		}
		s.close(oldest)
	}
}

// close closes a file and deletes its copy. s.mu is held.
func (s *handles) close(name string) {
	h := s.open[name]
	delete(s.open, name)
	h.release()
}

func (h *handle) release() {
	h.body.Close()
	if h.copy > 0 {
		os.Remove(h.path)
	}
}

func (s *handles) put(h *handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.users--; h.users == 0 && h.gone {
		h.release()
	}
}

// drop closes a file that will not be asked for again.
func (s *handles) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.open[name]
	if h == nil {
		return
	}
	if h.users == 0 {
		s.close(name)
		return
	}
	delete(s.open, name)
	h.gone = true
}

func (s *handles) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, h := range s.open {
		if h.users > 0 {
			h.gone = true
			delete(s.open, name)
			continue
		}
		s.close(name)
	}
}

func (s *handles) openFile(ctx context.Context, x *FileInfo) (*handle, error) {
	h := &handle{copy: x.Bytes}
	var err error
	if s.local != nil {
		h.copy = 0
		h.path, err = s.local.Path(x.Name)
	} else {
		h.path, err = s.download(ctx, x)
	}
	if err != nil {
		return nil, err
	}
	if h.body, err = os.Open(h.path); err != nil {
		return nil, err
	}
	if h.file, err = openChecked(h.body, x, newDecoder(s.zstd)); err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

func openChecked(body *os.File, x *FileInfo, d *decoder) (*file, error) {
	st, err := body.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() != x.Bytes {
		return nil, fmt.Errorf("%w: it has %d bytes, the manifest says %d", ErrDamaged, st.Size(), x.Bytes)
	}
	f, err := openFile(body, st.Size(), d)
	if err != nil {
		return nil, err
	}
	if f.rows != x.Rows {
		return nil, fmt.Errorf("%w: it has %d rows, the manifest says %d", ErrDamaged, f.rows, x.Rows)
	}
	return f, nil
}

// download copies a remote file to the folder of copies.
func (s *handles) download(ctx context.Context, x *FileInfo) (string, error) {
	body, err := s.blobs.Get(ctx, x.Name)
	if err != nil {
		return "", err
	}
	defer body.Close()
	path := filepath.Join(s.dir, strings.ReplaceAll(strings.TrimPrefix(x.Name, filePrefix), "/", "_"))
	f, err := durable.Create(path, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Abort()
	if _, err := io.Copy(f, body); err != nil {
		return "", fmt.Errorf("copy it from the object storage: %w", err)
	}
	return path, f.Commit()
}
