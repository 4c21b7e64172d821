package pixels

import (
	"encoding/binary"
	"sort"
)

func sortInts(n []int) { sort.Ints(n) }

// Blank makes rectangles of a native frame black.
func (m *Image) Blank(frame []byte, rects []Rect) {
	for _, r := range rects {
		r = r.within(m.Columns, m.Rows)
		for y := r.Y0; y < r.Y1; y++ {
			m.blankRow(frame, y, r.X0, r.X1)
		}
	}
}

func (m *Image) blankRow(frame []byte, y, x0, x1 int) {
	if x0 >= x1 {
		return
	}
	samples, bytes := max(m.Samples, 1), m.Bits/8
	switch {
	case m.Bits == 1:
		for i := y*m.Columns + x0; i < y*m.Columns+x1; i++ {
			frame[i/8] &^= 1 << (i % 8)
		}
	case m.subsampled():
		m.blankPairs(frame, y, x0, x1)
	case m.ByPlane && samples > 1:
		for s := range samples {
			from := (s*m.Rows+y)*m.Columns + x0
			fill(frame[from*bytes:(from+x1-x0)*bytes], m.black(s), bytes, m.BigEndian)
		}
	case samples == 1:
		from := y*m.Columns + x0
		fill(frame[from*bytes:(from+x1-x0)*bytes], m.black(0), bytes, m.BigEndian)
	default:
		for x := x0; x < x1; x++ {
			for s := range samples {
				at := ((y*m.Columns+x)*samples + s) * bytes
				fill(frame[at:at+bytes], m.black(s), bytes, m.BigEndian)
			}
		}
	}
}

// blankPairs is for Y Y Cb Cr of two pixels.
func (m *Image) blankPairs(frame []byte, y, x0, x1 int) {
	for x := x0 &^ 1; x < x1; x += 2 {
		at := (y*m.Columns + x) * 2
		if at+4 <= len(frame) {
			frame[at], frame[at+1], frame[at+2], frame[at+3] = 0, 0, 128, 128
		}
	}
}

// black is a sample's value for black.
func (m *Image) black(sample int) uint32 {
	stored := max(m.Stored, 1)
	switch {
	case m.Photometric == "MONOCHROME1" && m.Signed:
		return 1<<(stored-1) - 1
	case m.Photometric == "MONOCHROME1":
		return uint32(uint64(1)<<stored - 1)
	case m.Photometric == "YBR_FULL" && sample > 0:
		return 1 << (stored - 1)
	}
	return 0
}

func fill(b []byte, value uint32, bytes int, big bool) {
	if value == 0 {
		clear(b)
		return
	}
	for i := 0; i+bytes <= len(b); i += bytes {
		for k := range bytes {
			at := i + k
			if big {
				at = i + bytes - 1 - k
			}
			b[at] = byte(value >> (8 * k))
		}
	}
}

// Grey is a frame as people see its brightness, one byte a pixel.
type Grey struct {
	Width, Height int
	Pix           []byte
	// Alternative is the same with the few brightest pixels cut off, where
	// those leave all else in the dark; nil otherwise.
	Alternative []byte
}

// Grey reads a native frame. It uses what it is given for room.
func (m *Image) Grey(g *Grey, frame []byte) {
	m.luma(g, frame)
	g.stretch()
}

func (m *Image) luma(g *Grey, frame []byte) {
	n := m.Rows * m.Columns
	g.Width, g.Height, g.Alternative = m.Columns, m.Rows, nil
	if cap(g.Pix) < n {
		g.Pix = make([]byte, n)
	}
	g.Pix = g.Pix[:n]
	samples := max(m.Samples, 1)
	switch {
	case m.Bits == 1:
		for i := range g.Pix {
			g.Pix[i] = 255 * (frame[i/8] >> (i % 8) & 1)
		}
	case m.subsampled():
		for i := range g.Pix {
			g.Pix[i] = frame[i/2*4+i%2]
		}
	case m.Photometric == "PALETTE COLOR" && samples == 1 && m.lit() != nil:
		m.indexed(g.Pix, frame)
	case m.Bits == 8 && samples == 1:
		copy(g.Pix, frame)
	case m.Bits == 16 && samples == 1:
		m.wide(g, frame)
	default:
		m.colour(g.Pix, frame, samples)
	}
}

// stretch brings the brightness in use to the whole range.
func (g *Grey) stretch() {
	low, high := byte(255), byte(0)
	for _, v := range g.Pix {
		low, high = min(low, v), max(high, v)
	}
	if high <= low || low == 0 && high == 255 {
		return
	}
	var table [256]byte
	for v := range table {
		table[v] = byte(min(max(v-int(low), 0)*255/int(high-low), 255))
	}
	for i, v := range g.Pix {
		g.Pix[i] = table[v]
	}
}

// lit is the brightness of each entry of the palette, nil where there is none
// that can be read.
func (m *Image) lit() []byte {
	var out []byte
	for i, data := range m.Palette {
		entries, wide := int(m.descriptor[i][0]), m.descriptor[i][2] > 8
		if entries == 0 {
			entries = 65536
		}
		if wide || len(data) >= 2*entries {
			data = m.highBytes(data)
		}
		if len(data) < entries {
			return nil
		}
		if out == nil {
			out = make([]byte, entries)
		}
		for k := range min(len(out), entries) {
			out[k] = max(out[k], data[k])
		}
	}
	return out
}

// highBytes are those of words of 16 bits.
func (m *Image) highBytes(data []byte) []byte {
	out := make([]byte, len(data)/2)
	for i := range out {
		out[i] = byte(m.order().Uint16(data[2*i:]) >> 8)
	}
	return out
}

// indexed looks the pixels up in the palette.
func (m *Image) indexed(out, frame []byte) {
	lit, first := m.lit(), int(m.descriptor[0][1])
	for i := range out {
		v := 0
		if m.Bits == 8 {
			v = int(frame[i])
		} else {
			v = int(m.order().Uint16(frame[i*m.Bits/8:]))
		}
		out[i] = lit[min(max(v-first, 0), len(lit)-1)]
	}
}

// colour takes the brightest of a pixel's samples (luma of YBR), from its
// highest byte.
func (m *Image) colour(out, frame []byte, samples int) {
	bytes := m.Bits / 8
	top := bytes - 1
	if m.BigEndian {
		top = 0
	}
	shift := 0
	if m.Bits == 16 && m.Stored > 0 && m.Stored < 16 {
		shift = 16 - m.Stored
	}
	step, next, seen := samples*bytes, bytes, samples
	if m.ByPlane {
		step, next = bytes, len(out)*bytes
	}
	if m.Photometric == "YBR_FULL" {
		seen = 1
	}
	for i := range out {
		best := 0
		for s := range min(seen, 3) {
			at := i*step + s*next
			v := int(frame[at+top])
			if shift > 0 {
				v = int(m.order().Uint16(frame[at:])) << shift >> 8 & 0xFF
			}
			best = max(best, v)
		}
		out[i] = byte(best)
	}
}

func (m *Image) order() binary.ByteOrder {
	if m.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// wide scales 16 bits to what is really used of them.
func (m *Image) wide(g *Grey, frame []byte) {
	var count [65536]uint32
	n := len(g.Pix)
	flip := uint16(0)
	if m.Signed {
		flip = 0x8000
	}
	mask := uint16(0xFFFF)
	if m.Stored > 0 && m.Stored < 16 && m.High == m.Stored-1 && !m.Signed {
		mask = 1<<m.Stored - 1 // above may lie overlays
	}
	value := func(i int) uint16 { return m.order().Uint16(frame[2*i:])&mask ^ flip }
	if !m.BigEndian {
		value = func(i int) uint16 { return (uint16(frame[2*i])|uint16(frame[2*i+1])<<8)&mask ^ flip }
	}
	for i := range n {
		count[value(i)]++
	}
	low, high, most := spread(&count, n)
	scale(g.Pix, value, low, most)
	if int(most-low) > 2*int(high-low)+1 && high > low {
		g.Alternative = make([]byte, n)
		scale(g.Alternative, value, low, high)
	}
}

// spread gives the least value in use, that of the 999th of 1,000 pixels, and
// the greatest. The least passes over padding, far below all else.
func spread(count *[65536]uint32, n int) (low, high, most uint16) {
	seen, first, second := 0, -1, -1
	for v, c := range count {
		if c == 0 {
			continue
		}
		if first < 0 {
			first = v
		} else if second < 0 {
			second = v
		}
		if seen += int(c); seen <= n-n/1000 {
			high = uint16(v)
		}
		most = uint16(v)
	}
	low = uint16(first)
	if second > first && second-first > (int(most)-second)/4 {
		low = uint16(second)
	}
	return low, max(high, low), most
}

func scale(out []byte, value func(int) uint16, low, high uint16) {
	width := max(int(high)-int(low), 1)
	var table [65536]byte
	for v := range table {
		table[v] = byte(min(max(v-int(low), 0)*255/width, 255))
	}
	for i := range out {
		out[i] = table[value(i)]
	}
}
