package lake

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/internal/durable"
)

// handles keeps files open. A blob that is a local file is read in place;
// any other is copied to dir first, where copies are kept up to max bytes.
type handles struct {
	blobs blob.Store
	dir   string
	max   int64

	mu    sync.Mutex
	local string // folder of all files when blobs is a folder
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
	body io.Closer
	copy int64 // bytes of the copy in dir, 0 when read in place

	// Owned by handles.mu.
	users int
	used  int64
	gone  bool // dropped: close when the last user goes
}

func newHandles(blobs blob.Store, dir string, max int64) (*handles, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder for copies of lake files: %w", err)
	}
	if err := durable.Sweep(dir); err != nil {
		return nil, fmt.Errorf("clean folder for copies of lake files: %w", err)
	}
	return &handles{blobs: blobs, dir: dir, max: max, open: map[string]*handle{}, fetch: map[string]*sync.Mutex{}}, nil
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

// localFile is what the body of a blob in a folder is: *os.File.
type localFile interface {
	io.ReaderAt
	Name() string
	Stat() (fs.FileInfo, error)
}

func (s *handles) openFile(ctx context.Context, x *FileInfo) (*handle, error) {
	body, err := s.blobs.Get(ctx, x.Name)
	if err != nil {
		return nil, err
	}
	local, ok := body.(localFile)
	h := &handle{body: body}
	if !ok {
		copied, err := s.download(body, x)
		body.Close()
		if err != nil {
			return nil, err
		}
		h.body, h.copy, local = copied, x.Bytes, copied
	}
	h.path = local.Name()
	if h.file, err = openChecked(local, x); err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

func openChecked(local localFile, x *FileInfo) (*file, error) {
	st, err := local.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() != x.Bytes {
		return nil, fmt.Errorf("%w: it has %d bytes, the manifest says %d", ErrDamaged, st.Size(), x.Bytes)
	}
	f, err := openFile(local, st.Size())
	if err != nil {
		return nil, err
	}
	if f.rows != x.Rows {
		return nil, fmt.Errorf("%w: it has %d rows, the manifest says %d", ErrDamaged, f.rows, x.Rows)
	}
	return f, nil
}

// download copies a remote file to the folder of copies.
func (s *handles) download(body io.Reader, x *FileInfo) (*os.File, error) {
	path := filepath.Join(s.dir, strings.ReplaceAll(strings.TrimPrefix(x.Name, filePrefix), "/", "_"))
	f, err := durable.Create(path, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Abort()
	n, err := io.Copy(f, body)
	if err != nil {
		return nil, fmt.Errorf("copy it from the object storage: %w", err)
	}
	if n != x.Bytes {
		return nil, fmt.Errorf("%w: the object storage has %d bytes, the manifest says %d", ErrDamaged, n, x.Bytes)
	}
	return openCopy(f, path)
}

func openCopy(f *durable.File, path string) (*os.File, error) {
	if err := f.Commit(); err != nil {
		return nil, err
	}
	return os.Open(path)
}
