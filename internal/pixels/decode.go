package pixels

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
)

// Encapsulated syntaxes that are decoded here.
const (
	rle           = "1.2.840.10008.1.2.5"
	baseline      = "1.2.840.10008.1.2.4.50"
	lossless      = "1.2.840.10008.1.2.4.57"
	losslessFirst = "1.2.840.10008.1.2.4.70"
)

// Decodable says whether the pixels can be decoded here.
func (m *Image) Decodable() bool {
	if m.Encapsulated {
		switch m.Syntax {
		case rle, baseline, lossless, losslessFirst:
		default:
			return false
		}
	}
	_, err := m.FrameLength()
	return err == nil && !(m.Encapsulated && (m.Bits == 1 || m.Bits == 32 && m.Syntax != rle))
}

// Native is how decoded frames are written.
func (m *Image) Native() Image {
	out := *m
	if !m.Encapsulated {
		return out
	}
	out.Encapsulated, out.ByPlane, out.BigEndian = false, false, false
	out.Syntax = "1.2.840.10008.1.2.1"
	if m.Syntax == baseline && m.Samples == 3 {
		out.Photometric = "RGB"
	}
	return out
}

// Complete says whether the fragments collected so far are a whole frame. A
// frame of RLE is one fragment; of JPEG it ends with the marker EOI.
func (m *Image) Complete(frame []byte) bool {
	if m.Syntax == rle {
		return len(frame) > 0
	}
	end := bytes.TrimRight(frame, "\x00")
	return len(end) >= 2 && end[len(end)-2] == 0xFF && end[len(end)-1] == 0xD9
}

// Decode gives the native pixels of a compressed frame. It uses dst for room.
func (m *Image) Decode(dst, frame []byte) (out []byte, err error) {
	want := m.Native()
	n, err := want.FrameLength()
	if err != nil {
		return nil, err
	}
	if n > 1<<20 && n/4096 > len(frame) {
		return nil, fmt.Errorf("%w: %d bytes said to be a frame of %d", ErrNot, len(frame), n)
	}
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	dst = dst[:n]
	switch m.Syntax {
	case rle:
		return dst, m.decodeRLE(dst, frame)
	case lossless, losslessFirst:
		return dst, m.decodeLossless(dst, frame)
	case baseline:
		return dst, m.decodeBaseline(dst, frame)
	}
	return nil, ErrNot
}

var errJPEG = errors.New("a JPEG frame that does not fit its header")

func (m *Image) decodeBaseline(dst, frame []byte) error {
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(frame))
	if err != nil {
		return fmt.Errorf("a JPEG frame cannot be decoded: %w", err)
	}
	if cfg.Width != m.Columns || cfg.Height != m.Rows || m.Bits != 8 {
		return errJPEG
	}
	img, err := jpeg.Decode(bytes.NewReader(frame))
	if err != nil {
		return fmt.Errorf("a JPEG frame cannot be decoded: %w", err)
	}
	switch p := img.(type) {
	case *image.Gray:
		if m.Samples > 1 {
			return errJPEG
		}
		for y := range m.Rows {
			copy(dst[y*m.Columns:(y+1)*m.Columns], p.Pix[y*p.Stride:])
		}
		return nil
	case *image.YCbCr:
		if m.Samples != 3 {
			return errJPEG
		}
		if m.Photometric == "RGB" && p.SubsampleRatio == image.YCbCrSubsampleRatio444 {
			rawComponents(dst, p, m.Columns, m.Rows) // the components are red, green and blue
			return nil
		}
		for y := range m.Rows {
			for x := range m.Columns {
				at, c := (y*m.Columns+x)*3, p.COffset(x, y)
				dst[at], dst[at+1], dst[at+2] = color.YCbCrToRGB(p.Y[y*p.YStride+x], p.Cb[c], p.Cr[c])
			}
		}
		return nil
	}
	if m.Samples != 3 {
		return errJPEG
	}
	for y := range m.Rows {
		for x := range m.Columns {
			r, g, b, _ := img.At(x, y).RGBA()
			at := (y*m.Columns + x) * 3
			dst[at], dst[at+1], dst[at+2] = byte(r>>8), byte(g>>8), byte(b>>8)
		}
	}
	return nil
}

func rawComponents(dst []byte, p *image.YCbCr, width, height int) {
	for y := range height {
		for x := range width {
			at := (y*width + x) * 3
			dst[at], dst[at+1], dst[at+2] = p.Y[y*p.YStride+x], p.Cb[y*p.CStride+x], p.Cr[y*p.CStride+x]
		}
	}
}
