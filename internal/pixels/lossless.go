package pixels

import (
	"encoding/binary"
	"errors"
)

// errLossless is any reason why a frame of JPEG lossless cannot be decoded.
var errLossless = errors.New("a frame of JPEG lossless that cannot be decoded")

// huffman is a table of ITU-T T.81 Annex C: by length, the first code, the
// last, and where its values begin.
type huffman struct {
	set    bool
	first  [17]int
	last   [17]int // -1: no code of this length
	values [17]int
	symbol []byte
	quick  [256]uint16 // length<<8 | symbol, for codes of up to 8 bits
}

// losslessFrame is a frame of process 14: ITU-T T.81 Annex H.
type losslessFrame struct {
	in         []byte
	precision  int
	rows, cols int
	ids        []byte
	tables     [4]huffman
	use        []int // table of each component
	predictor  int
	point      int // point transform
	restart    int

	bits  uint32
	count uint
	past  int // bytes taken beyond the end
}

func (m *Image) decodeLossless(dst, frame []byte) error {
	f := &losslessFrame{in: frame}
	if err := f.headers(); err != nil {
		return err
	}
	samples := max(m.Samples, 1)
	wide := f.precision > 8
	if f.rows != m.Rows || f.cols != m.Columns || len(f.ids) != samples || wide != (m.Bits == 16) || f.precision > m.Bits {
		return errLossless
	}
	return f.scan(dst, wide)
}

// headers reads the segments up to the entropy-coded data.
func (f *losslessFrame) headers() error {
	if len(f.in) < 4 || f.in[0] != 0xFF || f.in[1] != 0xD8 {
		return errLossless
	}
	f.in = f.in[2:]
	for len(f.in) >= 4 && f.in[0] == 0xFF {
		marker, n := f.in[1], int(binary.BigEndian.Uint16(f.in[2:]))
		if marker == 0xFF {
			f.in = f.in[1:]
			continue
		}
		if n < 2 || len(f.in) < n+2 {
			return errLossless
		}
		body := f.in[4 : n+2]
		f.in = f.in[n+2:]
		var err error
		switch {
		case marker == 0xC3:
			err = f.frameHeader(body)
		case marker == 0xC4:
			err = f.huffmanTables(body)
		case marker == 0xDD && len(body) >= 2:
			f.restart = int(binary.BigEndian.Uint16(body))
		case marker == 0xDA:
			return f.scanHeader(body)
		case marker >= 0xC0 && marker <= 0xCF && marker != 0xC8 && marker != 0xCC:
			err = errLossless // another process
		}
		if err != nil {
			return err
		}
	}
	return errLossless
}

func (f *losslessFrame) frameHeader(b []byte) error {
	if len(b) < 6 || len(b) < 6+3*int(b[5]) || b[5] == 0 || b[5] > 4 {
		return errLossless
	}
	f.precision = int(b[0])
	f.rows, f.cols = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	if f.precision < 2 || f.precision > 16 {
		return errLossless
	}
	f.ids = nil
	for i := range int(b[5]) {
		if b[6+3*i+1] != 0x11 {
			return errLossless // subsampled
		}
		f.ids = append(f.ids, b[6+3*i])
	}
	return nil
}

func (f *losslessFrame) huffmanTables(b []byte) error {
	for len(b) >= 17 {
		class, id := b[0]>>4, int(b[0]&0xF)
		total := 0
		for _, n := range b[1:17] {
			total += int(n)
		}
		if class != 0 || id > 3 || total > 256 || len(b) < 17+total {
			return errLossless
		}
		f.tables[id] = newHuffman(b[1:17], b[17:17+total])
		b = b[17+total:]
	}
	return nil
}

func newHuffman(counts, symbols []byte) huffman {
	h := huffman{set: true, symbol: symbols}
	code, k := 0, 0
	for length := 1; length <= 16; length++ {
		n := int(counts[length-1])
		h.first[length], h.values[length], h.last[length] = code, k, code+n-1
		if n == 0 {
			h.last[length] = -1
		}
		for i := range n {
			if length <= 8 && code+i < 1<<length {
				for low := range 1 << (8 - length) {
					h.quick[(code+i)<<(8-length)|low] = uint16(length)<<8 | uint16(symbols[k+i])
				}
			}
		}
		code, k = (code+n)<<1, k+n
	}
	return h
}

func (f *losslessFrame) scanHeader(b []byte) error {
	if len(b) < 1 || len(f.ids) == 0 || int(b[0]) != len(f.ids) || len(b) < 1+2*int(b[0])+3 {
		return errLossless
	}
	for i := range f.ids {
		table := int(b[2+2*i] >> 4)
		if b[1+2*i] != f.ids[i] || table > 3 || !f.tables[table].set {
			return errLossless
		}
		f.use = append(f.use, table)
	}
	rest := b[1+2*len(f.ids):]
	f.predictor, f.point = int(rest[0]), int(rest[2]&0xF)
	if f.predictor < 1 || f.predictor > 7 || f.point >= f.precision {
		return errLossless
	}
	return nil
}

// scan decodes the samples, row by row. A restart interval is whole rows
// (H.1.1); the row after it is predicted like the first.
func (f *losslessFrame) scan(dst []byte, wide bool) error {
	n := len(f.ids)
	if f.restart%f.cols != 0 {
		return errLossless
	}
	above, row := make([]int32, f.cols*n), make([]int32, f.cols*n)
	for y := range f.rows {
		first := y == 0
		if f.restart > 0 && y > 0 && y*f.cols%f.restart == 0 {
			if !f.passMarker() {
				return errLossless
			}
			first = true
		}
		if !f.row(row, above, n, first) {
			return errLossless
		}
		store(dst[y*f.cols*n*size(wide):], row, f.point, wide)
		above, row = row, above
	}
	return nil
}

func (f *losslessFrame) row(row, above []int32, n int, first bool) bool {
	start := int32(1) << (f.precision - f.point - 1)
	for x := range f.cols {
		for c := range n {
			d, ok := f.difference(&f.tables[f.use[c]])
			if !ok {
				return false
			}
			at := x*n + c
			switch {
			case first && x == 0:
				d += start
			case first:
				d += row[at-n]
			case x == 0:
				d += above[at]
			default:
				d += f.predict(row[at-n], above[at], above[at-n])
			}
			row[at] = d & 0xFFFF
		}
	}
	return true
}

func size(wide bool) int {
	if wide {
		return 2
	}
	return 1
}

func store(dst []byte, row []int32, point int, wide bool) {
	for i, v := range row {
		v <<= point
		if wide {
			dst[2*i], dst[2*i+1] = byte(v), byte(v>>8)
		} else {
			dst[i] = byte(v)
		}
	}
}

// predict is Table H.1: from the samples to the left (a), above (b), and left
// above (c).
func (f *losslessFrame) predict(a, b, c int32) int32 {
	switch f.predictor {
	case 1:
		return a
	case 2:
		return b
	case 3:
		return c
	case 4:
		return a + b - c
	case 5:
		return a + (b-c)>>1
	case 6:
		return b + (a-c)>>1
	default:
		return (a + b) >> 1
	}
}

// difference decodes one difference, H.1.2.2.
func (f *losslessFrame) difference(h *huffman) (int32, bool) {
	f.need(16)
	var symbol byte
	if q := h.quick[f.bits>>(f.count-8)&0xFF]; q != 0 {
		f.count -= uint(q >> 8)
		symbol = byte(q)
	} else {
		var ok bool
		if symbol, ok = f.slow(h); !ok {
			return 0, false
		}
	}
	switch {
	case symbol == 0:
		return 0, true
	case symbol == 16:
		return 32768, true
	case symbol > 16:
		return 0, false
	}
	f.need(uint(symbol))
	f.count -= uint(symbol)
	v := int32(f.bits >> f.count & (1<<symbol - 1))
	if v < 1<<(symbol-1) {
		v += 1 - 1<<symbol
	}
	return v, f.past <= 4
}

func (f *losslessFrame) slow(h *huffman) (byte, bool) {
	for length := 1; length <= 16; length++ {
		code := int(f.bits >> (f.count - uint(length)) & (1<<length - 1))
		if h.last[length] >= 0 && code <= h.last[length] && code >= h.first[length] {
			f.count -= uint(length)
			return h.symbol[h.values[length]+code-h.first[length]], true
		}
	}
	return 0, false
}

// need fills up to at least n bits, n no more than 16; past the end, and before
// a marker, with zeros.
func (f *losslessFrame) need(n uint) {
	for f.count < n {
		var b byte
		if len(f.in) == 0 {
			f.past++
		}
		if len(f.in) > 0 && !(f.in[0] == 0xFF && len(f.in) > 1 && f.in[1] != 0) {
			b = f.in[0]
			f.in = f.in[1:]
			if b == 0xFF && len(f.in) > 0 {
				f.in = f.in[1:] // the stuffed zero
			}
		}
		f.bits = f.bits<<8 | uint32(b)
		f.count += 8
	}
}

// passMarker goes past RSTn.
func (f *losslessFrame) passMarker() bool {
	f.bits, f.count = 0, 0
	if len(f.in) < 2 || f.in[0] != 0xFF || f.in[1] < 0xD0 || f.in[1] > 0xD7 {
		return false
	}
	f.in = f.in[2:]
	return true
}
