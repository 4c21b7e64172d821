package pixels

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// packRLE writes one segment of PackBits, for tests.
func packRLE(in []byte) (out []byte) {
	for len(in) > 0 {
		n := 1
		for n < len(in) && n < 128 && in[n] == in[0] {
			n++
		}
		if n > 1 {
			out = append(out, byte(1-n), in[0])
		} else {
			out = append(out, 0, in[0])
		}
		in = in[n:]
	}
	if len(out)%2 == 1 {
		out = append(out, 0x80)
	}
	return out
}

func rleFrame(m *Image, native []byte) []byte {
	bytes, samples := m.Bits/8, m.Samples
	head := make([]byte, 64)
	binary.LittleEndian.PutUint32(head, uint32(bytes*samples))
	out := head
	for s := range samples * bytes {
		binary.LittleEndian.PutUint32(out[4+4*s:], uint32(len(out)))
		var plane []byte
		for at := s/bytes*bytes + bytes - 1 - s%bytes; at < len(native); at += samples * bytes {
			plane = append(plane, native[at])
		}
		out = append(out, packRLE(plane)...)
	}
	return out
}

// TestRLE decodes what was encoded, for every width and number of samples.
func TestRLE(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, m := range []Image{{Samples: 1, Bits: 8}, {Samples: 3, Bits: 8}, {Samples: 1, Bits: 16}, {Samples: 3, Bits: 16}, {Samples: 1, Bits: 32}} {
		m.Rows, m.Columns, m.Encapsulated, m.Syntax, m.Stored = 13, 17, true, rle, m.Bits
		native := make([]byte, 13*17*m.Samples*m.Bits/8)
		for i := range native {
			native[i] = byte(rnd.IntN(3))
		}
		got, err := m.Decode(nil, rleFrame(&m, native))
		if err != nil || !bytes.Equal(got, native) {
			t.Errorf("%d samples of %d bits: %v", m.Samples, m.Bits, err)
		}
	}
}

// TestBlank makes a rectangle black in every form of pixels, and nothing else.
func TestBlank(t *testing.T) {
	for _, m := range []Image{
		{Samples: 1, Bits: 8, Stored: 8, Photometric: "MONOCHROME2"}, {Samples: 1, Bits: 16, Stored: 12, Photometric: "MONOCHROME1"},
		{Samples: 3, Bits: 8, Stored: 8, Photometric: "RGB"}, {Samples: 3, Bits: 8, Stored: 8, Photometric: "RGB", ByPlane: true},
		{Samples: 3, Bits: 16, Stored: 16, Photometric: "YBR_FULL", BigEndian: true}, {Samples: 1, Bits: 1, Stored: 1}, {Samples: 1, Bits: 32, Stored: 32},
		{Samples: 3, Bits: 8, Stored: 8, Photometric: "YBR_FULL_422"},
	} {
		m.Rows, m.Columns = 16, 24
		n, err := m.FrameLength()
		if err != nil {
			t.Fatal(err)
		}
		frame := bytes.Repeat([]byte{0x5A}, n)
		before, after := new(Grey), new(Grey)
		m.luma(before, frame)
		m.Blank(frame, []Rect{{4, 3, 20, 9}, {-5, -5, 2, 2}, {22, 14, 100, 100}, {9, 9, 3, 3}})
		m.luma(after, frame)
		black := map[byte]int{}
		for y := range 16 {
			for x := range 24 {
				inside := x >= 4 && x < 20 && y >= 3 && y < 9 || x < 2 && y < 2 || x >= 22 && y >= 14
				v := after.Pix[y*24+x]
				if inside {
					black[v]++
				} else if m.Bits != 16 && v != before.Pix[y*24+x] {
					t.Fatalf("%+v: pixel %d,%d outside was changed", m, x, y)
				}
			}
		}
		if len(black) != 1 {
			t.Errorf("%+v: not one brightness inside: %v", m, black)
		}
	}
}

// TestOutside covers everything but the regions, exactly.
func TestOutside(t *testing.T) {
	m := &Image{Rows: 40, Columns: 60}
	regions := []Region{{5, 5, 30, 30}, {25, 10, 50, 35}, {52, 0, 60, 40}}
	covered := make([]bool, 40*60)
	for _, r := range m.Outside(regions) {
		for y := r.Y0; y < r.Y1; y++ {
			for x := r.X0; x < r.X1; x++ {
				covered[y*60+x] = true
			}
		}
	}
	for y := range 40 {
		for x := range 60 {
			inside := false
			for _, g := range regions {
				inside = inside || x >= g.X0 && x < g.X1 && y >= g.Y0 && y < g.Y1
			}
			if covered[y*60+x] == inside {
				t.Fatalf("%d,%d: inside %t, covered %t", x, y, inside, covered[y*60+x])
			}
		}
	}
	if m.Outside([]Region{{0, 0, 3, 3}}) != nil || m.Outside(nil) != nil {
		t.Error("regions that leave nearly nothing were believed")
	}
}

// glyphs are invented characters of five by seven, for pictures of writing.
func glyphs() []string {
	return []string{
		"#...#.#.#...#....#...#.#.#...#.....", ".###.#...##...######...##...##...#.", "####.#...#####.#...##...##...#####.",
		"#####..#....#....#....#....#....#..", "#...###.###.#.##...##...##...##...#", ".####....#...#...#...#...#....####.",
	}
}

// write draws a line of glyphs, scaled.
func write(g *Grey, x, y, scale, count int, ink byte) {
	for i := range count {
		shape := glyphs()[i%len(glyphs())]
		for p, c := range shape {
			if c != '#' {
				continue
			}
			for dy := range scale {
				for dx := range scale {
					g.Pix[(y+p/5*scale+dy)*g.Width+x+i*6*scale+p%5*scale+dx] = ink
				}
			}
		}
	}
}

// TestText finds lines of several sizes on several grounds, and nothing in the
// grounds alone.
func TestText(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	grounds := map[string]func(x, y int) byte{
		"black": func(int, int) byte { return 0 }, "grey": func(int, int) byte { return 90 },
		"slope": func(x, y int) byte { return byte(x/6 + y/8) }, "noise": func(int, int) byte { return byte(60 + rnd.IntN(20)) },
		"speckle": func(int, int) byte { return byte(rnd.IntN(70)) },
	}
	for name, ground := range grounds {
		for _, scale := range []int{0, 1, 2, 3, 5} {
			g := &Grey{Width: 400, Height: 300, Pix: make([]byte, 400*300)}
			for i := range g.Pix {
				g.Pix[i] = ground(i%400, i/400)
			}
			if scale > 0 {
				write(g, 40, 100, scale, 10, 240)
			}
			found := g.Text()
			switch {
			case scale == 0 && len(found) > 0:
				t.Errorf("%s: writing found where there is none: %v", name, found)
			case scale > 0 && !covers(found, Rect{40, 100, 40 + 59*scale, 100 + 7*scale}):
				t.Errorf("%s, characters of %d pixels: found only %v", name, 7*scale, found)
			}
		}
	}
}

func covers(found []Rect, r Rect) bool {
	for _, f := range found {
		if f.X0 <= r.X0 && f.Y0 <= r.Y0 && f.X1 >= r.X1 && f.Y1 >= r.Y1 {
			return true
		}
	}
	return false
}

func FuzzRLE(f *testing.F) {
	m := Image{Samples: 1, Bits: 8, Rows: 4, Columns: 4, Encapsulated: true, Syntax: rle, Stored: 8}
	f.Add(rleFrame(&m, make([]byte, 16)), uint8(1), uint8(8))
	f.Fuzz(func(t *testing.T, in []byte, samples, bits uint8) {
		m := Image{Samples: int(samples), Bits: int(bits), Rows: 16, Columns: 16, Encapsulated: true, Syntax: rle, Stored: int(bits)}
		if m.Decodable() {
			_, _ = m.Decode(nil, in) // that it ends is all
		}
	})
}

func FuzzLossless(f *testing.F) {
	// A frame of 2 by 2 pixels: difference 0 is code 0, all pixels are 128.
	f.Add([]byte{0xFF, 0xD8, 0xFF, 0xC3, 0, 11, 8, 0, 2, 0, 2, 1, 1, 0x11, 0,
		0xFF, 0xC4, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 0, 0, 0x0F, 0xFF, 0xD9})
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, m := range []Image{{Samples: 1, Bits: 8}, {Samples: 3, Bits: 8}, {Samples: 1, Bits: 16}} {
			m.Rows, m.Columns, m.Encapsulated, m.Syntax = 2, 2, true, losslessFirst
			_, _ = m.Decode(nil, in) // that it ends is all
		}
	})
}

// TestLosslessSmall decodes the fuzz target's seed.
func TestLosslessSmall(t *testing.T) {
	m := Image{Samples: 1, Bits: 8, Rows: 2, Columns: 2, Encapsulated: true, Syntax: losslessFirst}
	got, err := m.Decode(nil, []byte{0xFF, 0xD8, 0xFF, 0xC3, 0, 11, 8, 0, 2, 0, 2, 1, 1, 0x11, 0,
		0xFF, 0xC4, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 0, 0, 0x0F, 0xFF, 0xD9})
	if err != nil || !bytes.Equal(got, []byte{128, 128, 128, 128}) {
		t.Errorf("%v: %v", got, err)
	}
}

func FuzzText(f *testing.F) {
	g := &Grey{Width: 80, Height: 20, Pix: make([]byte, 1600)}
	write(g, 4, 4, 1, 8, 255)
	f.Add(g.Pix, uint8(80))
	f.Fuzz(func(t *testing.T, pix []byte, width uint8) {
		if width == 0 {
			return
		}
		g := &Grey{Width: int(width), Height: len(pix) / int(width), Pix: pix}
		for _, r := range g.Text() {
			if r.X0 < 0 || r.Y0 < 0 || r.X1 > g.Width || r.Y1 > g.Height {
				t.Fatalf("%v lies outside", r)
			}
		}
	})
}
