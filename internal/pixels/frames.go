package pixels

import (
	"errors"
	"fmt"
	"io"
)

// Frames gives the frames of an image one after the other, as native pixels.
type Frames struct {
	Image *Image
	// Native reads pixels that are not compressed.
	Native io.Reader
	// Fragment gives the next fragment of compressed ones, the offset table
	// left out: its length and its bytes; io.EOF after the last.
	Fragment func() (int64, io.Reader, error)

	raw, pix []byte
	ended    bool
}

// Start begins another image; the room of the last is used again.
func (f *Frames) Start(m *Image, native io.Reader, fragment func() (int64, io.Reader, error)) {
	*f = Frames{Image: m, Native: native, Fragment: fragment, raw: small(f.raw), pix: small(f.pix)}
}

// small keeps room for the next image unless it is much.
func small(b []byte) []byte {
	if cap(b) > 16<<20 {
		return nil
	}
	return b[:0]
}

// Next gives the next frame, valid until it is called again; io.EOF after the
// last. One that is not wanted is passed over and not decoded: nil. A last
// frame that is cut short is filled up where half of it is there.
func (f *Frames) Next(want bool) ([]byte, error) {
	if f.Image.Encapsulated {
		return f.compressed(want)
	}
	n, err := f.Image.FrameLength()
	if err != nil {
		return nil, err
	}
	if int64(n)/2 > f.Image.Length {
		return nil, io.EOF // not half of a frame is there: no room is made for it
	}
	if cap(f.pix) < n {
		f.pix = make([]byte, n)
	}
	frame := f.pix[:n]
	m, err := io.ReadFull(f.Native, frame)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		clear(frame[m:])
		if err = nil; m < n/2 {
			err = io.EOF
		}
	}
	return frame, err
}

// compressed puts fragments together to a frame.
func (f *Frames) compressed(want bool) ([]byte, error) {
	f.raw = f.raw[:0]
	for !f.ended {
		n, from, err := f.Fragment()
		if errors.Is(err, io.EOF) {
			f.ended = true
			break
		}
		if err != nil {
			return nil, err
		}
		if int64(len(f.raw))+n > MaxFrame {
			return nil, fmt.Errorf("%w: a compressed frame of more than %d MB", ErrNot, MaxFrame>>20)
		}
		had := len(f.raw)
		f.raw = append(f.raw, make([]byte, n)...)
		if _, err := io.ReadFull(from, f.raw[had:]); err != nil {
			return nil, err
		}
		if f.Image.Count() > 1 && f.Image.Complete(f.raw) {
			break
		}
	}
	if len(f.raw) == 0 {
		return nil, io.EOF
	}
	if !want {
		return nil, nil
	}
	var err error
	f.pix, err = f.Image.Decode(f.pix, f.raw)
	return f.pix, err
}
