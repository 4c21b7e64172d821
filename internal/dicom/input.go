package dicom

import (
	"compress/flate"
	"errors"
	"fmt"
	"io"
)

// input is a buffered window on a file (at) or on an inflated stream (r).
type input struct {
	at    io.ReaderAt
	r     io.Reader
	buf   []byte
	lo    int
	hi    int
	pos   int64 // of buf[lo]
	size  int64 // where it ends; -1 where only reading tells
	ended bool
}

const bufferSize = 64 << 10

func (in *input) reset(at io.ReaderAt, size int64) {
	if in.buf == nil {
		in.buf = make([]byte, bufferSize)
	}
	*in = input{at: at, size: size, buf: in.buf}
}

// inflate goes on from here with what lies deflated.
func (in *input) inflate() {
	rest := io.NewSectionReader(in.at, in.pos, in.size-in.pos)
	*in = input{r: io.LimitReader(flate.NewReader(rest), maxInflated), size: -1, buf: in.buf}
}

// peek shows the next n bytes, n no more than the buffer; fewer at the end.
func (in *input) peek(n int) ([]byte, error) {
	if in.hi-in.lo >= n {
		return in.buf[in.lo : in.lo+n], nil
	}
	if err := in.fill(n); err != nil {
		return nil, err
	}
	return in.buf[in.lo:min(in.hi, in.lo+n)], nil
}

func (in *input) fill(n int) error {
	in.hi = copy(in.buf, in.buf[in.lo:in.hi])
	in.lo = 0
	for in.hi < n && !in.ended {
		m, err := in.readMore(in.buf[in.hi:])
		in.hi += m
		if errors.Is(err, io.EOF) {
			in.ended = true
		} else if err != nil {
			return fmt.Errorf("reading DICOM at byte %d: %w", in.pos+int64(in.hi), err)
		}
	}
	return nil
}

func (in *input) readMore(p []byte) (int, error) {
	if in.at == nil {
		m, err := in.r.Read(p)
		var broken flate.CorruptInputError
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &broken) {
			return m, &Error{At: in.pos + int64(in.hi+m), Why: "the deflated data set is broken or ends early"}
		}
		return m, err
	}
	from := in.pos + int64(in.hi)
	if from >= in.size {
		return 0, io.EOF
	}
	if rest := in.size - from; rest < int64(len(p)) {
		p = p[:rest]
	}
	m, err := in.at.ReadAt(p, from)
	if m > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return m, err
}

// skip passes n bytes without reading them where the file allows.
func (in *input) skip(n int64) error {
	if have := int64(in.hi - in.lo); n <= have {
		in.lo += int(n)
		in.pos += n
		return nil
	}
	if in.at != nil {
		in.pos, in.lo, in.hi = in.pos+n, 0, 0
		if in.pos > in.size {
			return &Error{At: in.size, Why: "the file ends early"}
		}
		return nil
	}
	for n > 0 {
		b, err := in.peek(int(min(n, bufferSize)))
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return &Error{At: in.pos, Why: "the deflated data set ends early"}
		}
		n -= int64(len(b))
		in.lo += len(b)
		in.pos += int64(len(b))
	}
	return nil
}

// read takes up to len(p) bytes.
func (in *input) read(p []byte) (int, error) {
	if in.hi == in.lo {
		in.lo, in.hi = 0, 0
		if in.at != nil && len(p) >= bufferSize {
			m, err := in.readMore(p)
			in.pos += int64(m)
			return m, err
		}
		if _, err := in.peek(1); err != nil {
			return 0, err
		}
	}
	if in.hi == in.lo {
		return 0, io.EOF
	}
	m := copy(p, in.buf[in.lo:in.hi])
	in.lo += m
	in.pos += int64(m)
	return m, nil
}

// rest is how many bytes there can be at most.
func (in *input) rest() int64 {
	if in.size < 0 {
		return maxInflated
	}
	return in.size - in.pos
}
