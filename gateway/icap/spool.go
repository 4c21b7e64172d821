package icap

import (
	"bytes"
	"io"
	"os"

	"github.com/cordon-health/cordon/classify"
)

// inMemory is how much of a body stays in memory.
const inMemory = 1 << 20

// spool keeps a body for reading at any place: in memory first, then in a
// temporary file that has no name any more. Beyond most it forgets the content
// and counts on.
type spool struct {
	folder string
	most   int64

	size int64
	buf  []byte
	file *os.File
	gone bool
}

// Write implements io.Writer. It fails only with the disk.
func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.gone || s.size > s.most {
		s.gone = true
		s.buf = nil
		return len(p), nil
	}
	if s.file == nil && s.size <= inMemory {
		s.buf = append(s.buf, p...)
		return len(p), nil
	}
	if err := s.spill(); err != nil {
		return 0, err
	}
	return s.file.Write(p)
}

func (s *spool) spill() error {
	if s.file != nil {
		return nil
	}
	f, err := os.CreateTemp(s.folder, "icap-*")
	if err != nil {
		return err
	}
	s.file = f
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	_, err = f.Write(s.buf)
	s.buf = nil
	return err
}

// Size is the length of the body, kept or not.
func (s *spool) Size() int64 { return s.size }

// lost says that the body was larger than any route inspects.
func (s *spool) lost() bool { return s.gone }

// ReadAt implements io.ReaderAt.
func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case s.gone:
		return 0, io.ErrUnexpectedEOF
	case s.file != nil:
		return s.file.ReadAt(p, off)
	}
	return bytes.NewReader(s.buf).ReadAt(p, off)
}

// Close forgets the body. An inspection that nobody waits for any more may
// still be reading, so what is in memory is left to it.
func (s *spool) Close() {
	if s.file != nil {
		_ = s.file.Close() // it has no name, so nothing is left of it
	}
}

// plain is a message in memory.
func plain(head, body []byte) classify.Source {
	return classify.BytesSource("message.http", append(bytes.Clone(head), body...))
}
