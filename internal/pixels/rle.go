package pixels

import (
	"encoding/binary"
	"errors"
)

var errRLE = errors.New("an RLE frame that contradicts itself")

// decodeRLE reads PS3.5 Annex G: up to 15 segments of PackBits, one for each
// byte of each sample, the high byte first.
func (m *Image) decodeRLE(dst, frame []byte) error {
	bytes, samples := m.Bits/8, max(m.Samples, 1)
	if len(frame) < 64 || int(binary.LittleEndian.Uint32(frame)) != bytes*samples {
		return errRLE
	}
	n := m.Rows * m.Columns
	for s := range samples * bytes {
		from := int64(binary.LittleEndian.Uint32(frame[4+4*s:]))
		if from < 64 || from > int64(len(frame)) {
			return errRLE
		}
		sample, high := s/bytes, bytes-1-s%bytes
		if err := unpack(dst[sample*bytes+high:], samples*bytes, n, frame[from:]); err != nil {
			return err
		}
	}
	return nil
}

// unpack writes n bytes, each step further.
func unpack(dst []byte, step, n int, in []byte) error {
	at := 0
	for at < n {
		if len(in) < 2 {
			return errRLE
		}
		c := int(int8(in[0]))
		switch {
		case c >= 0:
			if len(in) < c+2 {
				return errRLE
			}
			for _, v := range in[1 : 1+min(c+1, n-at)] {
				dst[at*step] = v
				at++
			}
			in = in[c+2:]
		case c == -128:
			in = in[1:]
		default:
			for range min(1-c, n-at) {
				dst[at*step] = in[1]
				at++
			}
			in = in[2:]
		}
	}
	return nil
}
