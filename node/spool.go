package node

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/internal/durable"
)

// spool keeps what a sensor saw until the server has it: one file for each
// delivery, numbered, in it a line for each event, on disk before Deliver
// returns. It survives kill -9 of the sensor; what was sent and not yet removed is sent again, which the server
// recognises. Statements that a sensor sees may name patients, so what is kept
// is encrypted under the sensor's token, which is not kept.
type spool struct {
	dir  string
	most int64
	seal cipher.AEAD // nil keeps plain text

	mu    sync.Mutex
	files []spooled // guarded by mu, the oldest first
	bytes int64     // guarded by mu
	last  int64     // guarded by mu
	more  chan struct{}
}

type spooled struct {
	path string
	size int64
}

var _ collect.Sink = (*spool)(nil)

var errSpoolFull = errors.New("the disk space for what the server has not taken yet is used up; bring the server back, or give the sensor more (--spool-size)")

func openSpool(dir string, most int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the sensor's folder: %w", err)
	}
	s := &spool{dir: dir, most: most, more: make(chan struct{}, 1)}
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, path := range names {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("look at the sensor's folder: %w", err)
		}
		s.files, s.bytes = append(s.files, spooled{path, info.Size()}), s.bytes+info.Size()
		if n, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), ".ndjson"), 10, 64); err == nil {
			s.last = max(s.last, n)
		}
	}
	return s, nil
}

// errSpoolKey says that a file was set aside.
var errSpoolKey = errors.New("what an earlier run kept cannot be read with this token; it is set aside as .unreadable: remove it, or start once with the token of then")

// sealWith encrypts from now on under a secret.
func (s *spool) sealWith(secret string) error {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "cordon sensor spool", 32)
	if err != nil {
		return fmt.Errorf("key of what is kept: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("key of what is kept: %w", err)
	}
	s.seal, err = cipher.NewGCMWithRandomNonce(block)
	return err
}

// read gives what a file holds; one that cannot be opened is set aside.
func (s *spool) read(f spooled) ([]byte, error) {
	data, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("read what is to be sent: %w", err)
	}
	if s.seal == nil {
		return data, nil
	}
	plain, err := s.seal.Open(nil, nil, data, nil)
	if err == nil {
		return plain, nil
	}
	if err := os.Rename(f.path, f.path+".unreadable"); err != nil {
		return nil, fmt.Errorf("set aside what cannot be read: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files, s.bytes = slices.DeleteFunc(s.files, func(x spooled) bool { return x.path == f.path }), s.bytes-f.size
	return nil, errSpoolKey
}

// Deliver implements [collect.Sink].
func (s *spool) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	var data []byte
	for _, it := range items {
		data = append(append(data, bytes.TrimSuffix(it.Data, []byte("\n"))...), '\n')
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+int64(len(data)) > s.most {
		return nil, errSpoolFull
	}
	path := filepath.Join(s.dir, fmt.Sprintf("%016d.ndjson", s.last+1))
	if s.seal != nil {
		data = s.seal.Seal(nil, nil, data, nil)
	}
	if err := durable.WriteFile(path, data, 0o600); err != nil {
		return nil, fmt.Errorf("keep what the sensor saw: %w", err)
	}
	s.last++
	s.files, s.bytes = append(s.files, spooled{path, int64(len(data))}), s.bytes+int64(len(data))
	select {
	case s.more <- struct{}{}:
	default:
	}
	return make([]collect.Receipt, len(items)), nil
}

// mostSent is how much is sent at once, in bytes.
const mostSent = 4 << 20

// next waits for something to send; done removes it.
func (s *spool) next(ctx context.Context) (data []byte, done func() error, err error) {
	some := s.oldest()
	if len(some) == 0 {
		select {
		case <-ctx.Done():
		case <-s.more:
		}
		return nil, nil, nil
	}
	for _, f := range some {
		one, err := s.read(f)
		if err != nil {
			return nil, nil, err
		}
		data = append(data, one...)
	}
	return data, func() error { return s.drop(some) }, nil
}

func (s *spool) oldest() (some []spooled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := int64(0)
	for _, f := range s.files {
		if size += f.size; size > mostSent && len(some) > 0 {
			break
		}
		some = append(some, f)
	}
	return some
}

func (s *spool) drop(some []spooled) error {
	for _, f := range some {
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what was sent: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range some {
		s.bytes -= f.size
	}
	s.files = s.files[len(some):]
	return nil
}

func (s *spool) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// fileCursors keeps what collectors remember in a folder.
type fileCursors string

var _ collect.Cursors = fileCursors("")

func (f fileCursors) path(name string) string {
	return filepath.Join(string(f), "cursor-"+strings.NewReplacer(":", "-", "/", "-").Replace(name))
}

// Load implements [collect.Cursors].
func (f fileCursors) Load(_ context.Context, name string) (string, error) {
	data, err := os.ReadFile(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(data), err
}

// Save implements [collect.Cursors].
func (f fileCursors) Save(_ context.Context, name, value string) error {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(f.path(name), []byte(value), 0o600)
}
