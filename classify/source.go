package classify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// BytesSource is a source in memory.
func BytesSource(name string, b []byte) Source {
	return &bytesSource{Reader: bytes.NewReader(b), name: filepath.Base(name)}
}

type bytesSource struct {
	*bytes.Reader
	name string
}

func (s *bytesSource) Name() string { return s.name }

// FileSource is an open file on disk. Its size is taken now: what is appended
// later is not read. The file stays the caller's to close.
func FileSource(f *os.File) (Source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("ask for the size of a file to be searched: %w", err)
	}
	return &fileSource{f, info.Size()}, nil
}

type fileSource struct {
	*os.File
	size int64
}

func (s *fileSource) Size() int64  { return s.size }
func (s *fileSource) Name() string { return filepath.Base(s.File.Name()) }

// spoolMemory is how much of a member is kept in memory; more goes to a file
// that has no name while it exists, where the system allows that.
const spoolMemory = 4 << 20

// spooled is a member's content, unpacked.
type spooled struct {
	io.ReaderAt
	name string
	size int64
	file *os.File
}

func (s *spooled) Size() int64  { return s.size }
func (s *spooled) Name() string { return s.name }

// Close gives memory and file back.
func (s *spooled) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	// It is gone already where an open file can be removed.
	if e := os.Remove(s.file.Name()); e != nil && !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

// spool reads r to its end. An error of r is returned together with what could
// be read before it.
func spool(folder, name string, r io.Reader) (*spooled, error) {
	var head bytes.Buffer
	n, err := io.Copy(&head, io.LimitReader(r, spoolMemory))
	if err != nil || n < spoolMemory {
		return &spooled{ReaderAt: bytes.NewReader(head.Bytes()), name: name, size: n}, err
	}
	f, err := os.CreateTemp(folder, "cordon-*.part")
	if err != nil {
		s := &spooled{ReaderAt: bytes.NewReader(head.Bytes()), name: name, size: n}
		return s, fmt.Errorf("a member does not fit into memory, and no temporary file can be made: %w", err)
	}
	_ = os.Remove(f.Name()) // fails where open files cannot be removed; Close does it then
	n, err = io.Copy(f, io.MultiReader(&head, r))
	return &spooled{ReaderAt: f, name: name, size: n, file: f}, err
}
