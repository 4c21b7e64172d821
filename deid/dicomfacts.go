package deid

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
	"github.com/cordon-health/cordon/internal/pixels"
)

// Tags that the profile needs to know by name.
const (
	dicomDirectory = "1.2.840.10008.1.3.10"

	tagSOPClass         dicom.Tag = 0x00080016
	tagSOPInstance      dicom.Tag = 0x00080018
	tagModality         dicom.Tag = 0x00080060
	tagPrivateInfo      dicom.Tag = 0x00080300
	tagBlockGroup       dicom.Tag = 0x00080301
	tagBlockCreator     dicom.Tag = 0x00080302
	tagBlockStatus      dicom.Tag = 0x00080303
	tagSafeElements     dicom.Tag = 0x00080304
	tagPatientName      dicom.Tag = 0x00100010
	tagPatientID        dicom.Tag = 0x00100020
	tagPatientAge       dicom.Tag = 0x00101010
	tagAccession        dicom.Tag = 0x00080050
	tagIdentityRemoved  dicom.Tag = 0x00120062
	tagDeidMethod       dicom.Tag = 0x00120063
	tagDeidCodes        dicom.Tag = 0x00120064
	tagDatesModified    dicom.Tag = 0x00280303
	tagBurnedIn         dicom.Tag = 0x00280301
	tagFaceRecognizable dicom.Tag = 0x00280302
	tagStudyUID         dicom.Tag = 0x0020000D
	tagDocument         dicom.Tag = 0x00420011
	tagDocumentMIME     dicom.Tag = 0x00420012
	tagTextValue        dicom.Tag = 0x0040A160
)

// dicomFacts is what is known of a file before it is rewritten.
type dicomFacts struct {
	class   string
	patient string // the record number; "" where the file has none
	study   string
	charset *dicom.Charset
	mime    string
	device  pixels.Device
	image   pixels.Image
	regions []pixels.Region
	burned  string // YES, NO, ""
	face    bool   // recognisable visual features: YES
	body    string
	// overlayBits are those of the pixels in which overlays lie.
	overlayBits uint32
	// identifiers of the patient and of people around must not stand in any
	// text that is kept.
	identifiers []identifier
	// safe are the private elements that the file itself declares safe.
	safe []privateBlock

	sight dicomSight
	// overlays are the rows and columns of each overlay group.
	overlays map[uint16][2]int

	block  privateBlock
	region pixels.Region
}

// readFacts passes over the whole file once, and looks at its pixels.
func (w *dicomRewriter) readFacts(in classify.Source) error {
	f, r := &w.facts, &w.r
	sight := dicomSight{boxes: f.sight.boxes[:0]}
	sight.grey.Pix = f.sight.grey.Pix[:0]
	*f = dicomFacts{identifiers: f.identifiers[:0], regions: f.regions[:0], safe: f.safe[:0], charset: new(dicom.Charset), sight: sight}
	if err := r.Reset(in, in.Size()); err != nil {
		return err
	}
	for _, a := range r.Meta() {
		if a.Tag == dicom.MediaClass {
			f.class = trimUID(a.Value)
		}
	}
	parents := make([]dicom.Tag, 0, 8)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if e.Depth == 0 && e.Tag == dicom.PixelData && (e.Kind == dicom.Value || e.Kind == dicom.PixelStart) {
			f.image.Encapsulated, f.image.Length = e.Kind == dicom.PixelStart, e.Length
			err = w.look(e)
		} else {
			parents, err = f.element(r, e, parents)
		}
		if err != nil {
			return err
		}
	}
	if f.patient == "" {
		f.patient = w.job.Patient
	}
	return nil
}

func (f *dicomFacts) element(r *dicom.Reader, e *dicom.Element, parents []dicom.Tag) ([]dicom.Tag, error) {
	switch e.Kind {
	case dicom.SequenceStart:
		return append(parents, e.Tag), nil
	case dicom.SequenceEnd:
		return parents[:len(parents)-1], nil
	case dicom.ItemStart:
		f.region, f.block = pixels.Region{}, privateBlock{}
	case dicom.ItemEnd:
		f.endItem(e.Tag)
	case dicom.Value:
		return parents, f.value(r, e, parents)
	}
	return parents, nil
}

// who the dates of the file belong to.
func (f *dicomFacts) owner() string {
	if f.patient != "" {
		return f.patient
	}
	return "study " + f.study
}

const maxFact = 4096 // longer values tell nothing that is asked here

func (f *dicomFacts) value(r *dicom.Reader, e *dicom.Element, parents []dicom.Tag) error {
	if e.Length == 0 || e.Length > maxFact && !(pixels.Palette(uint32(e.Tag)) && e.Length <= pixels.MaxPalette) || !f.wanted(e) {
		return nil
	}
	b, err := r.Bytes()
	if err != nil {
		return err
	}
	switch {
	case e.Depth == 0:
		f.top(e, b, r.Order())
	case parents[len(parents)-1] == pixels.RegionSequence:
		f.region.Set(uint32(e.Tag), b, r.Order())
	case parents[len(parents)-1] == tagPrivateInfo:
		f.block.set(e.Tag, b, r.Order())
	}
	if identifying(e) {
		f.identifier(e, b)
	}
	return nil
}

// wanted keeps the first pass from looking at what it does not need.
func (f *dicomFacts) wanted(e *dicom.Element) bool {
	switch g := e.Tag.Group(); {
	case e.Depth > 0:
		return identifying(e) || g == 0x0018 || g == 0x0008
	case g&0xFF00 == 0x6000:
		return true
	default:
		return g <= 0x0042
	}
}

func (f *dicomFacts) endItem(sequence dicom.Tag) {
	switch sequence {
	case pixels.RegionSequence:
		f.regions = append(f.regions, f.region)
	case tagPrivateInfo:
		f.safe = append(f.safe, f.block)
	}
}

// top notes an element of the data set itself.
func (f *dicomFacts) top(e *dicom.Element, b []byte, order binary.ByteOrder) {
	switch e.Tag {
	case dicom.CharacterSet:
		f.charset = dicom.NewCharset(string(b))
	case tagSOPClass:
		f.class = trimUID(b)
	case tagStudyUID:
		f.study = trimUID(b)
	case tagPatientID:
		f.patient = strings.TrimSpace(f.charset.Decode(trimmed(b)))
	case tagDocumentMIME:
		f.mime = string(trimmed(b))
	case tagBurnedIn:
		f.burned = string(trimmed(b))
	case tagFaceRecognizable:
		f.face = string(trimmed(b)) == "YES"
	case 0x00180015:
		f.body = string(trimmed(b))
	default:
		f.device.Set(uint32(e.Tag), trimmed(b))
		f.image.Set(uint32(e.Tag), b, order)
		f.overlay(e, b, order)
	}
}

// overlay notes the size of overlays, and those of the old kind, which lie in
// unused bits of the pixels: their bit position is not 0.
func (f *dicomFacts) overlay(e *dicom.Element, b []byte, order binary.ByteOrder) {
	if e.Tag>>24 != 0x60 || e.Tag.Private() || len(b) < 2 {
		return
	}
	size := f.overlays[e.Tag.Group()]
	switch n := order.Uint16(b); dicom.Repeating(e.Tag) {
	case 0x60000102:
		if n > 0 && n < 16 {
			f.overlayBits |= 1 << n
		}
		return
	case 0x60000010:
		size[0] = int(n)
	case 0x60000011:
		size[1] = int(n)
	default:
		return
	}
	if f.overlays == nil {
		f.overlays = map[uint16][2]int{}
	}
	f.overlays[e.Tag.Group()] = size
}

// identifying is true for values whose words must not stand anywhere else.
func identifying(e *dicom.Element) bool {
	switch e.Tag {
	case tagPatientID, tagAccession, 0x00101000, 0x00101001, 0x00101005, 0x00101060, 0x00102154, 0x00380010, 0x00100021:
		return true
	}
	return e.VR == dicom.PN
}

// identifier is a word of a name or a number: in small letters to be found, and
// as it is written.
type identifier struct {
	text, value string
	kind        classify.Kind
}

// identifier keeps the words of a name, or a number, to look for in what is
// kept. Short ones would be found in anything.
func (f *dicomFacts) identifier(e *dicom.Element, b []byte) {
	text := f.charset.Decode(trimmed(b))
	if e.VR != dicom.PN && e.Tag != tagPatientName {
		for number := range strings.SplitSeq(text, "\\") {
			f.keepIdentifier(strings.TrimSpace(number), classify.MRN)
		}
		return
	}
	for _, word := range strings.FieldsFunc(text, notInWord) {
		f.keepIdentifier(word, classify.Name)
	}
	if hasHan(text) {
		for name := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '=' || r == '\\' }) {
			f.keepIdentifier(strings.Map(inName, name), classify.Name)
		}
	}
}

// inName drops what parts a name's components.
func inName(r rune) rune {
	if r == '^' || r == ' ' {
		return -1
	}
	return r
}

func (f *dicomFacts) keepIdentifier(word string, kind classify.Kind) {
	if len(f.identifiers) < 256 && longEnough(word, kind == classify.Name) && !isTitle(strings.ToLower(word)) {
		f.identifiers = append(f.identifiers, identifier{strings.ToLower(word), word, kind})
	}
}

// longEnough is for names three letters or two characters, for numbers four.
func longEnough(word string, name bool) bool {
	n := utf8.RuneCountInString(word)
	if strings.ContainsFunc(word, func(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hangul) }) {
		return n >= 2
	}
	if name {
		return n >= 3
	}
	return n >= 4
}

// mayShowFace is true where the file says so, for photographs, and for slices
// of the head from which a face can be rendered.
func (f *dicomFacts) mayShowFace() bool {
	return f.face || pixels.Face(f.device.Modality, f.body, f.class)
}

func trimmed(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	return b
}

func trimUID(b []byte) string { return string(trimmed(b)) }
