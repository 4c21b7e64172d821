// Package dicom reads DICOM files for classify: what stands in the header, at
// any depth; the words of structured reports under the names of their concepts;
// private elements; documents inside; and, without a value, what the pixels may
// show: writing burned in, faces.
//
// A value's path is its tag, "(0010,0010)", within sequences
// "(0040,A730)[2].(0040,A160)"; its field is the attribute's keyword, or in
// structured content the concept's name. Pixels are found by three ways, each
// with its own confidence: what the file says of itself (90), what looks like
// writing ([pixels.Grey.Text], 70), where the device is known to write (60).
// Where a face can be seen or rendered the confidence is low (30): that hangs
// on the whole series, of which a file is one slice.
//
// What it guarantees: memory is bounded by one value or one frame. What it does
// not: without an OCR process it says where writing is, not what it says, and
// pixels that cannot be decoded here are Unread where their kind usually
// carries writing, and passed over where it seldom does.
package dicom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
	"github.com/cordon-health/cordon/internal/pixels"
)

// Reader reads DICOM files. It is safe for concurrent use.
type Reader struct{ ocr pixels.OCR }

var _ classify.Reader = (*Reader)(nil)

// New is the reader without text recognition.
func New() classify.Reader { return &Reader{} }

// WithOCR is the reader that reads images with tesseract; an error says that
// the program is not there.
func WithOCR() (classify.Reader, error) {
	ocr, err := pixels.Tesseract()
	if err != nil {
		return nil, fmt.Errorf("reading writing in DICOM images: %w", err)
	}
	return &Reader{ocr}, nil
}

// Name is dicom.
func (*Reader) Name() string { return "dicom" }

// Claims goes by the preamble, or by the first element of a data set.
func (*Reader) Claims(name string, head []byte) bool {
	if len(head) >= 132 && string(head[128:132]) == "DICM" {
		return true
	}
	lower := strings.ToLower(name)
	named := strings.HasSuffix(lower, ".dcm") || strings.HasSuffix(lower, ".dicom") || strings.HasSuffix(lower, ".ima") || lower == "dicomdir"
	return (named || !printable(head)) && dicom.Looks(head)
}

// printable is true for text: a data set has zeros in its first tag.
func printable(head []byte) bool {
	for _, c := range head[:min(len(head), 16)] {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// Read gives the parts of a file.
func (d *Reader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	r, err := dicom.NewReader(src, src.Size())
	if err != nil {
		return err
	}
	f := &file{ctx: ctx, r: r, out: out, ocr: d.ocr, record: 1, scopes: []scope{{charset: new(dicom.Charset)}}}
	f.image.Syntax, f.image.BigEndian = r.Syntax(), r.BigEndian()
	f.offsets = r.Syntax() != dicom.DeflatedLE && r.Syntax() != dicom.JPIPDeflated && r.Syntax() != dicom.HTJPIPDeflt
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return f.verdicts()
		}
		if err != nil {
			return err
		}
		if err := f.element(e); err != nil {
			return err
		}
	}
}

// file is a file being read.
type file struct {
	ctx    context.Context
	r      *dicom.Reader
	out    classify.Sink
	ocr    pixels.OCR
	scopes []scope
	path   []byte
	record int64
	// offsets are places in the file; in a deflated one they are not.
	offsets bool

	class, body, mime string
	burned, face      bool
	device            pixels.Device
	image             pixels.Image
	frames            pixels.Frames
	looked            bool
	lookErr           error
	there             bool
}

// scope is a data set: the file's, or an item's.
type scope struct {
	charset *dicom.Charset
	path    int    // how much of the path leads to it
	concept string // what the value of a content item means
}

const maxText = 4 << 20 // a longer value is passed over, and said to be

func (f *file) element(e *dicom.Element) error {
	switch e.Kind {
	case dicom.Value:
		if e.Tag == dicom.PixelData && e.Depth == 0 {
			return f.pixels(e)
		}
		return f.value(e)
	case dicom.PixelStart:
		if e.Tag == dicom.PixelData && e.Depth == 0 {
			return f.pixels(e)
		}
	case dicom.ItemStart:
		outer := f.scopes[len(f.scopes)-1]
		f.path = fmt.Appendf(f.path[:outer.path], "%s[%d].", e.Tag, e.Item)
		f.scopes = append(f.scopes, scope{charset: outer.charset, path: len(f.path)})
	case dicom.ItemEnd:
		f.itemEnd(e.Tag)
	}
	return nil
}

func (f *file) itemEnd(sequence dicom.Tag) {
	inner := f.scopes[len(f.scopes)-1]
	f.scopes = f.scopes[:len(f.scopes)-1]
	outer := &f.scopes[len(f.scopes)-1]
	if sequence == conceptName {
		outer.concept = inner.concept
	}
}

// value hands a value on.
func (f *file) value(e *dicom.Element) error {
	if e.Length == 0 || e.Tag.GroupLength() {
		return nil
	}
	if e.Tag == encapsulated {
		return f.document(e)
	}
	vr := e.VR
	if known := dicom.Find(e.Tag); known.Known && (vr == dicom.UN || !vr.Known()) {
		vr = known.VR
	}
	if e.Length > maxText {
		if vr.Text() {
			f.out.Unread(f.at(e.Tag), errors.New("its text is too long to be searched"))
		}
		return nil
	}
	b, err := f.r.Bytes()
	if err != nil {
		return err
	}
	f.note(e, b)
	return f.text(e, vr, b)
}

// note keeps what is needed to judge the pixels and to name concepts.
func (f *file) note(e *dicom.Element, b []byte) {
	s := &f.scopes[len(f.scopes)-1]
	switch {
	case e.Tag == dicom.CharacterSet:
		s.charset = dicom.NewCharset(string(b))
	case e.Tag == codeMeaning:
		s.concept = s.charset.Decode(trim(b))
	case e.Tag == recordType && string(trim(b)) == "PATIENT":
		f.record++
	case e.Depth > 0:
		return
	case e.Tag == sopClass:
		f.class = string(trim(b))
	case e.Tag == bodyPart:
		f.body = string(trim(b))
	case e.Tag == mimeType:
		f.mime = string(trim(b))
	case e.Tag == burnedIn:
		f.burned = string(trim(b)) == "YES"
	case e.Tag == recognizable:
		f.face = string(trim(b)) == "YES"
	default:
		f.device.Set(uint32(e.Tag), trim(b))
		f.image.Set(uint32(e.Tag), b, f.r.Order())
	}
}

// at is the path of a tag here.
func (f *file) at(t dicom.Tag) string {
	s := f.scopes[len(f.scopes)-1]
	return string(f.path[:s.path]) + t.String()
}

// text hands a value on as text, where it is one.
func (f *file) text(e *dicom.Element, vr dicom.VR, b []byte) error {
	if !readable(e, vr, b) {
		return nil
	}
	s := f.scopes[len(f.scopes)-1]
	part := classify.Part{Path: f.at(e.Tag), Field: dicom.Find(e.Tag).Keyword, Kind: kindOf(e.Tag, vr), Record: f.record, Offset: e.Offset}
	if (e.Tag == textValue || e.Tag == personName || e.Tag == dateValue || e.Tag == dateTimeValue) && s.concept != "" {
		part.Field = s.concept
	}
	if !f.offsets {
		part.Offset = -1
	}
	text := b
	if !dicom.ASCII(b) {
		text = []byte(s.charset.Decode(b))
		part.Wide = string(text) != string(b)
	}
	return f.parts(part, vr, text)
}

// parts splits several values, and the spellings of a name.
func (f *file) parts(part classify.Part, vr dicom.VR, text []byte) error {
	separators := ""
	switch {
	case vr == dicom.PN:
		separators = "\\="
	case part.Kind != classify.None && vr != dicom.ST && vr != dicom.LT && vr != dicom.UT:
		separators = "\\"
	}
	begun := part.Offset
	for at := 0; at < len(text); {
		n := len(text) - at
		if i := strings.IndexAny(string(text[at:]), separators); separators != "" && i >= 0 {
			n = i
		}
		if one := text[at : at+n]; len(trim(one)) > 0 {
			part.Text = one
			if vr == dicom.PN {
				part.Text = []byte(strings.Trim(strings.ReplaceAll(string(one), "^", " "), " \x00"))
			}
			if begun >= 0 && !part.Wide {
				part.Offset = begun + int64(at)
			}
			if err := f.out.Part(part); err != nil {
				return err
			}
		}
		at += n + 1
	}
	return nil
}

// document hands an encapsulated document on.
func (f *file) document(e *dicom.Element) error {
	name := "document"
	switch strings.ToLower(f.mime) {
	case "application/pdf":
		name += ".pdf"
	case "text/xml", "application/xml":
		name += ".xml"
	case "model/stl":
		name += ".stl"
	}
	return f.out.Member(f.at(e.Tag)+" "+name, f.r)
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	return b
}
