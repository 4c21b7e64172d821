// Package pixels reads the pixels of DICOM images far enough to find writing
// in them and to blank it.
//
// It decodes native pixels (1, 8, 16 and 32 bits; grey, palette, RGB and
// YBR_FULL, by pixel or by plane), RLE, JPEG baseline (by image/jpeg) and JPEG
// lossless (process 14, all predictors; its own decoder), one frame at a time,
// into native pixels; [Text] finds what looks like writing; [Device.Rects]
// knows where devices write; an [OCR] process may be asked besides. What it
// blanks it writes as native pixels.
//
// What it guarantees: memory is bounded by one frame of at most [MaxFrame]
// bytes; input that contradicts itself ends in an error. What it does not: it
// does not decode JPEG 2000, JPEG-LS, HTJ2K or JPEG of 12 bits ([Decodable]
// says so), and [Text] finds lines of at least three characters, not single
// letters: a laterality mark stays, and so would initials.
package pixels

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxFrame bounds a decoded frame.
const MaxFrame = 256 << 20

// RegionSequence is the Sequence of Ultrasound Regions.
const RegionSequence = 0x00186011

// ErrNot means that pixels of this form are not decoded here.
var ErrNot = errors.New("pixels of this form cannot be decoded here")

// Device is what wrote an image, as its header says.
type Device struct {
	Modality, Manufacturer, Model, ImageType, Conversion, Series, Software string
}

// Set notes a header's attribute by its tag.
func (d *Device) Set(tag uint32, value []byte) {
	switch tag {
	case 0x00080060:
		d.Modality = string(value)
	case 0x00080070:
		d.Manufacturer = string(value)
	case 0x00081090:
		d.Model = string(value)
	case 0x00080008:
		d.ImageType = string(value)
	case 0x00080064:
		d.Conversion = string(value)
	case 0x0008103E:
		d.Series = string(value)
	}
}

// AtRisk is true for images that usually carry writing: ultrasound, secondary
// captures, films and screens, angiography, and whatever says it is derived
// from a screen.
func (d *Device) AtRisk(class string) bool {
	switch d.Modality {
	case "US", "IVUS", "SC", "OT", "XA", "RF", "ES", "XC", "DOC", "HC", "ECG", "BMD", "DG", "OP", "SR":
		return true
	}
	if strings.HasPrefix(class, "1.2.840.10008.5.1.4.1.1.7") && (len(class) == 25 || class[25] == '.') {
		return true // Secondary Capture and its multi-frame forms
	}
	if d.Conversion != "" && d.Conversion != "DI" {
		return true
	}
	kind := strings.ToUpper(d.ImageType + "\\" + d.Series)
	for _, word := range []string{"SCREEN", "SECONDARY\\OTHER", "CAPTURE", "DOSE", "REPORT", "SUMMARY"} {
		if strings.Contains(kind, word) {
			return true
		}
	}
	return false
}

// Face is true for images in which a face can be seen, or from slices of which
// it can be rendered: photographs, and the head in CT and MR.
func Face(modality, body, class string) bool {
	switch modality {
	case "XC":
		return true
	case "CT", "MR", "PT":
		switch strings.ToUpper(body) {
		case "HEAD", "HEADNECK", "BRAIN", "SKULL", "FACE", "ORBIT", "SINUS", "MAXILLA", "MANDIBLE", "JAW", "PARANASALSINUS":
			return true
		}
	}
	return class == "1.2.840.10008.5.1.4.1.1.77.1.4" || class == "1.2.840.10008.5.1.4.1.1.77.1.4.1"
}

// Image is how pixels are written.
type Image struct {
	Rows, Columns, Samples, Bits, Stored, High, Frames int
	Signed                                             bool
	Photometric                                        string
	ByPlane                                            bool
	Encapsulated                                       bool
	Syntax                                             string
	Length                                             int64 // of the native value
	BigEndian                                          bool
	// Palette is red, green and blue of each index, as the header has them.
	Palette    [3][]byte
	descriptor [3][3]uint16
}

// MaxPalette is the longest value of a palette that [Image.Set] wants to see.
const MaxPalette = 128 << 10

// Palette says whether a tag is of the values that make a palette.
func Palette(tag uint32) bool { return tag >= 0x00281201 && tag <= 0x00281203 }

// Set notes a header's attribute by its tag.
func (m *Image) Set(tag uint32, value []byte, order binary.ByteOrder) {
	short := func() int {
		if len(value) < 2 {
			return 0
		}
		return int(order.Uint16(value))
	}
	switch tag {
	case 0x00281101, 0x00281102, 0x00281103:
		for i := range 3 {
			if len(value) >= 2*i+2 {
				m.descriptor[tag-0x00281101][i] = order.Uint16(value[2*i:])
			}
		}
	case 0x00281201, 0x00281202, 0x00281203:
		m.Palette[tag-0x00281201] = bytes.Clone(value)
	case 0x00280010:
		m.Rows = short()
	case 0x00280011:
		m.Columns = short()
	case 0x00280002:
		m.Samples = short()
	case 0x00280100:
		m.Bits = short()
	case 0x00280101:
		m.Stored = short()
	case 0x00280102:
		m.High = short()
	case 0x00280103:
		m.Signed = short() == 1
	case 0x00280006:
		m.ByPlane = short() == 1
	case 0x00280004:
		m.Photometric = strings.TrimRight(string(value), " \x00")
	case 0x00280008:
		text, _, _ := strings.Cut(strings.Trim(string(value), " \x00"), "\\")
		m.Frames, _ = strconv.Atoi(strings.TrimSpace(text)) // no number: one frame
	}
}

// Count is the number of frames, at least one.
func (m *Image) Count() int { return max(m.Frames, 1) }

// subsampled is true for native pixels two of which share their colour.
func (m *Image) subsampled() bool {
	return (m.Photometric == "YBR_FULL_422" || m.Photometric == "YBR_PARTIAL_422") && m.Samples == 3 && !m.Encapsulated
}

// FrameLength is the bytes of one native frame, or an error where the header
// makes no sense or asks for too much. Frames of single bits whose rows times
// columns is no multiple of eight share bytes, and are not handled.
func (m *Image) FrameLength() (int, error) {
	samples := max(m.Samples, 1)
	switch {
	case m.Rows == 0 || m.Columns == 0:
		return 0, errors.New("an image without rows or columns")
	case samples != 1 && samples != 3 && samples != 4:
		return 0, fmt.Errorf("%w: %d samples a pixel", ErrNot, samples)
	case m.Bits == 1 && samples == 1:
		if n := m.Rows * m.Columns; n%8 == 0 || m.Count() == 1 {
			return (n + 7) / 8, nil
		}
		return 0, fmt.Errorf("%w: frames of single bits that share bytes", ErrNot)
	case m.Bits != 8 && m.Bits != 16 && m.Bits != 32:
		return 0, fmt.Errorf("%w: %d bits a sample", ErrNot, m.Bits)
	}
	n := m.Rows * m.Columns * samples * m.Bits / 8
	if m.subsampled() {
		n = m.Rows * m.Columns * 2
	}
	if n > MaxFrame {
		return 0, fmt.Errorf("%w: a frame of %d bytes", ErrNot, n)
	}
	return n, nil
}

// Region is one ultrasound region: where there is an image, not writing.
type Region struct{ X0, Y0, X1, Y1 int }

// Set notes an element of a region's item.
func (r *Region) Set(tag uint32, value []byte, order binary.ByteOrder) {
	if len(value) < 4 {
		return
	}
	n := int(int32(order.Uint32(value)))
	switch tag {
	case 0x00186018:
		r.X0 = n
	case 0x0018601A:
		r.Y0 = n
	case 0x0018601C:
		r.X1 = n + 1
	case 0x0018601E:
		r.Y1 = n + 1
	}
}

// Rect is a part of an image; X1 and Y1 lie outside.
type Rect struct{ X0, Y0, X1, Y1 int }

func (r Rect) area() int { return max(r.X1-r.X0, 0) * max(r.Y1-r.Y0, 0) }

// within cuts a rectangle to an image.
func (r Rect) within(width, height int) Rect {
	return Rect{max(r.X0, 0), max(r.Y0, 0), min(r.X1, width), min(r.Y1, height)}
}

// Outside gives the rectangles that cover all of the image but the regions;
// nothing where the regions make no sense or leave nearly nothing.
func (m *Image) Outside(regions []Region) []Rect {
	kept := 0
	for _, g := range regions {
		kept += Rect(g).within(m.Columns, m.Rows).area()
	}
	if len(regions) == 0 || len(regions) > 64 || kept*8 < m.Rows*m.Columns {
		return nil
	}
	// Rows fall into bands in which the same regions stand side by side.
	cuts := []int{0, m.Rows}
	for _, g := range regions {
		cuts = append(cuts, min(max(g.Y0, 0), m.Rows), min(max(g.Y1, 0), m.Rows))
	}
	sortInts(cuts)
	var out []Rect
	for i := 1; i < len(cuts); i++ {
		if cuts[i] > cuts[i-1] {
			out = append(out, m.besides(regions, cuts[i-1], cuts[i])...)
		}
	}
	return out
}

// besides is what lies left, right and between the regions of a band.
func (m *Image) besides(regions []Region, top, bottom int) (out []Rect) {
	for x := 0; x < m.Columns; {
		end := x
		for moved := true; moved; {
			moved = false
			for _, g := range regions {
				if g.Y0 <= top && g.Y1 >= bottom && g.X0 <= end && g.X1 > end {
					end, moved = g.X1, true
				}
			}
		}
		next := m.Columns
		for _, g := range regions {
			if g.Y0 <= top && g.Y1 >= bottom && g.X0 > end && g.X0 < next {
				next = g.X0
			}
		}
		if end < next {
			out = append(out, Rect{end, top, next, bottom})
		}
		x = next
	}
	return out
}
