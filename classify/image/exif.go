package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf16"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/pixels"
)

// The bounds of a directory of EXIF or TIFF.
const (
	entriesMost     = 4096
	directoriesMost = 64
)

// exif reads the directories of EXIF, which are those of TIFF.
type exif struct {
	p     *picture
	b     []byte
	order binary.ByteOrder
	seen  map[uint32]bool
	gps   map[uint16][]byte
}

func (p *picture) exif(b []byte) error {
	if len(b) < 8 {
		return nil
	}
	e := &exif{p: p, b: b, order: binary.LittleEndian, seen: map[uint32]bool{}, gps: map[uint16][]byte{}}
	if b[0] == 'M' {
		e.order = binary.BigEndian
	}
	if err := e.directory(e.order.Uint32(b[4:]), false); err != nil {
		return err
	}
	return e.place()
}

// directory reads one, and those it points at.
func (e *exif) directory(at uint32, gps bool) error {
	for at != 0 && !e.seen[at] && len(e.seen) < directoriesMost && uint64(at)+2 <= uint64(len(e.b)) {
		e.seen[at] = true
		n := min(int(e.order.Uint16(e.b[at:])), entriesMost)
		end := int(at) + 2 + 12*n
		if end > len(e.b) {
			return nil
		}
		for i := range n {
			if err := e.entry(e.b[int(at)+2+12*i:][:12], gps); err != nil {
				return err
			}
		}
		at = 0
		if end+4 <= len(e.b) {
			at = e.order.Uint32(e.b[end:])
		}
	}
	return nil
}

func (e *exif) entry(b []byte, gps bool) error {
	tag, kind, count := e.order.Uint16(b), e.order.Uint16(b[2:]), uint64(e.order.Uint32(b[4:]))
	value := e.value(b[8:], count*size(kind))
	switch {
	case gps:
		e.gps[tag] = value
		return nil
	case tag == 0x8769 || tag == 0x014a || tag == 0xa005:
		return e.directory(e.order.Uint32(b[8:]), false)
	case tag == 0x8825:
		return e.directory(e.order.Uint32(b[8:]), true)
	case tag == 0x02bc && len(value) > 4:
		return e.p.described("xmp", "", value)
	case tag >= 0x9c9b && tag <= 0x9c9f:
		return e.p.text("exif "+label(tag), label(tag), []byte(wide(value)))
	case tag == 0x9286 && len(value) > 8:
		return e.p.text("exif "+label(tag), label(tag), value[8:])
	case kind == 2:
		return e.p.text("exif "+label(tag), label(tag), value)
	}
	return nil
}

// value is what an entry holds, in its four bytes or elsewhere.
func (e *exif) value(inside []byte, n uint64) []byte {
	if n <= 4 {
		return inside[:n]
	}
	at := uint64(e.order.Uint32(inside))
	if n > textMost || at+n > uint64(len(e.b)) {
		return nil
	}
	return e.b[at : at+n]
}

// size is that of one value of a kind.
func size(kind uint16) uint64 {
	switch kind {
	case 3, 8:
		return 2
	case 4, 9, 11:
		return 4
	case 5, 10, 12:
		return 8
	}
	return 1
}

// label is a tag's name, of those that name people, places and devices.
func label(tag uint16) string {
	switch tag {
	case 270:
		return "ImageDescription"
	case 306, 0x9003, 0x9004:
		return "DateTime"
	case 315:
		return "Artist"
	case 33432:
		return "Copyright"
	case 0x9286:
		return "UserComment"
	case 0xa430:
		return "CameraOwnerName"
	case 0xa431:
		return "BodySerialNumber"
	case 0x9c9b:
		return "Title"
	case 0x9c9c:
		return "Comment"
	case 0x9c9d:
		return "Author"
	}
	return fmt.Sprintf("tag %04x", tag)
}

func wide(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// place gives where the picture was taken.
func (e *exif) place() error {
	lat, ok1 := e.degrees(2)
	long, ok2 := e.degrees(4)
	if !ok1 || !ok2 {
		return nil
	}
	text := strconv.FormatFloat(lat, 'f', 5, 64) + string(bytes.Trim(e.gps[1], "\x00")) + " " + strconv.FormatFloat(long, 'f', 5, 64) + string(bytes.Trim(e.gps[3], "\x00"))
	return e.p.out.Part(classify.Part{Path: "exif GPS", Field: "GPS", Kind: classify.Address, Confidence: 90, Offset: -1, Text: []byte(text)})
}

// degrees reads degrees, minutes and seconds, each a fraction.
func (e *exif) degrees(tag uint16) (float64, bool) {
	b := e.gps[tag]
	if len(b) < 24 {
		return 0, false
	}
	sum, unit := 0.0, 1.0
	for i := range 3 {
		over, under := e.order.Uint32(b[8*i:]), e.order.Uint32(b[8*i+4:])
		if under == 0 {
			return 0, false
		}
		sum += float64(over) / float64(under) / unit
		unit *= 60
	}
	return sum, true
}

// bitmap unpacks a BMP of 8, 24 or 32 bits a pixel.
func bitmap(b []byte) (*pixels.Grey, error) {
	le := binary.LittleEndian
	if len(b) < 54 || le.Uint32(b[14:]) < 40 {
		return nil, classify.Unsupported
	}
	start, width, height := int(le.Uint32(b[10:])), int(int32(le.Uint32(b[18:]))), int(int32(le.Uint32(b[22:])))
	bits, packed := int(le.Uint16(b[28:])), le.Uint32(b[30:])
	down := height < 0
	if down {
		height = -height
	}
	if packed != 0 && packed != 3 || bits != 8 && bits != 24 && bits != 32 {
		return nil, classify.Unsupported
	}
	if width <= 0 || height <= 0 || width > pixelsMost/height {
		return nil, classify.TooLarge
	}
	row := (width*bits/8 + 3) &^ 3
	if start < 54 || start > len(b) || row*height > len(b)-start {
		return nil, classify.Truncated
	}
	g := &pixels.Grey{Width: width, Height: height, Pix: make([]byte, width*height)}
	step := bits / 8
	palette := b[min(uint64(len(b)), 14+uint64(le.Uint32(b[14:]))):]
	for y := range height {
		line := b[start+y*row:]
		to := height - 1 - y
		if down {
			to = y
		}
		for x := range width {
			c := line[x*step:]
			if bits == 8 {
				if i := 4 * int(c[0]); i+3 < len(palette) {
					c = palette[i:]
				}
			}
			v := int(c[0])
			if bits != 8 || len(c) > 2 {
				v = (int(c[0])*29 + int(c[1])*150 + int(c[2])*77) >> 8
			}
			g.Pix[to*width+x] = byte(v)
		}
	}
	return g, nil
}
