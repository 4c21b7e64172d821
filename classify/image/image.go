// Package image reads pictures: PNG, JPEG, GIF, BMP and TIFF. It gives [New]
// and [Readers]: what the files say about themselves (places, owners, devices,
// comments of EXIF, XMP and the formats themselves), and what is written in the
// picture.
//
// Where a program for reading writing is given (see internal/pixels), the words
// are text like any other. Without it, places that look like writing are
// findings of their own, as sure as looks allow. Memory is bounded by the number
// of pixels, which is asked before a picture is unpacked; a larger picture gives
// its descriptions only, and says so. So does every TIFF: its pixels are not
// read.
package image

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	stdimage "image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/pixels"
)

const (
	// fileMost is the largest file, pixelsMost the largest picture.
	fileMost, pixelsMost = 128 << 20, 30_000_000
	// writingMost is how many places of writing one picture gives.
	writingMost = 32
	// textMost bounds one description.
	textMost = 1 << 20
	// sureByLook is how sure it is that what looks like writing is some.
	sureByLook = 60
)

// Readers lists the reader without a program for reading writing.
func Readers() []classify.Reader { return []classify.Reader{New(nil)} }

// New makes a reader; ocr may be nil.
func New(ocr pixels.OCR) classify.Reader { return reader{ocr} }

type reader struct{ ocr pixels.OCR }

var _ classify.Reader = reader{}

// Name is image.
func (reader) Name() string { return "image" }

// Claims goes by the first bytes.
func (reader) Claims(_ string, head []byte) bool { return kindOf(head) != "" }

func kindOf(head []byte) string {
	h := string(head)
	switch {
	case strings.HasPrefix(h, "\x89PNG\r\n\x1a\n"):
		return "png"
	case strings.HasPrefix(h, "\xff\xd8\xff"):
		return "jpeg"
	case strings.HasPrefix(h, "GIF87a"), strings.HasPrefix(h, "GIF89a"):
		return "gif"
	case strings.HasPrefix(h, "BM") && len(h) > 30 && h[6:10] == "\x00\x00\x00\x00" && h[14] >= 12:
		return "bmp"
	case strings.HasPrefix(h, "II*\x00"), strings.HasPrefix(h, "MM\x00*"):
		return "tiff"
	}
	return ""
}

// Read gives descriptions, then writing.
func (r reader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	if src.Size() > fileMost {
		return classify.TooLarge
	}
	b := make([]byte, src.Size())
	n, err := src.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read a picture: %w", err)
	}
	b = b[:n]
	p := &picture{ctx: ctx, b: b, out: out, ocr: r.ocr}
	kind := kindOf(b)
	if err := p.describe(kind); err != nil {
		return err
	}
	grey, err := p.grey(kind)
	if err != nil {
		out.Unread("pixels", err)
		return nil
	}
	return p.writing(grey)
}

type picture struct {
	ctx context.Context //nolint:containedctx // it lives as long as one Read
	b   []byte
	out classify.Sink
	ocr pixels.OCR
}

// text gives a description, in whatever charset it is.
func (p *picture) text(path, field string, b []byte) error {
	b = bytes.Trim(b[:min(len(b), textMost)], "\x00 \r\n")
	if text, ok := classify.TextBegins(b); ok {
		b = text
	} else {
		b = bytes.ToValidUTF8(b, []byte{' '})
	}
	if len(b) < 2 {
		return nil
	}
	return p.out.Part(classify.Part{Path: path, Field: field, Offset: -1, Text: b})
}

func (p *picture) describe(kind string) error {
	switch kind {
	case "png":
		return p.chunks()
	case "jpeg":
		return p.segments()
	case "gif":
		return p.comments()
	case "tiff":
		return p.exif(p.b)
	}
	return nil
}

// chunks reads those of PNG that hold text.
func (p *picture) chunks() error {
	for b := p.b[8:]; len(b) >= 12; {
		size := uint64(binary.BigEndian.Uint32(b))
		if size+12 > uint64(len(b)) {
			p.out.Unread("", classify.Truncated)
			return nil
		}
		body := b[8 : 8+size]
		if err := p.chunk(string(b[4:8]), body); err != nil {
			return err
		}
		b = b[12+size:]
	}
	return nil
}

func (p *picture) chunk(kind string, body []byte) error {
	key, rest, ok := bytes.Cut(body, []byte{0})
	switch {
	case kind == "eXIf":
		return p.exif(body)
	case !ok:
		return nil
	case kind == "tEXt":
		return p.text("text "+string(key), string(key), rest)
	case kind == "zTXt" && len(rest) > 1:
		return p.text("text "+string(key), string(key), inflate(rest[1:]))
	case kind == "iTXt" && len(rest) > 2:
		packed := rest[0] == 1
		_, after, more := bytes.Cut(rest[2:], []byte{0}) // the language
		if !more {
			return nil
		}
		_, last, more := bytes.Cut(after, []byte{0}) // the key in it
		if !more {
			return nil
		}
		if packed {
			last = inflate(last)
		}
		return p.described("text "+string(key), string(key), last)
	}
	return nil
}

// described gives a text, or hands over one that is XML.
func (p *picture) described(path, field string, b []byte) error {
	if bytes.Contains(b[:min(len(b), 256)], []byte("<x:xmpmeta")) || bytes.HasPrefix(b, []byte("<?xpacket")) {
		return p.out.Member("xmp.xml", io.MultiReader(strings.NewReader("<?xml version=\"1.0\"?>"), bytes.NewReader(b)))
	}
	return p.text(path, field, b)
}

func inflate(b []byte) []byte {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out, _ := io.ReadAll(io.LimitReader(r, textMost)) // what could be unpacked
	return out
}

// segments reads those of JPEG before the picture.
func (p *picture) segments() error {
	for b := p.b[2:]; len(b) >= 4 && b[0] == 0xff; {
		kind, size := b[1], int(binary.BigEndian.Uint16(b[2:]))
		if kind == 0xff {
			b = b[1:]
			continue
		}
		if kind == 0xda || kind == 0xd9 || size < 2 || size+2 > len(b) {
			return nil
		}
		if err := p.segment(kind, b[4:2+size]); err != nil {
			return err
		}
		b = b[2+size:]
	}
	return nil
}

func (p *picture) segment(kind byte, body []byte) error {
	switch {
	case kind == 0xfe:
		return p.text("comment", "comment", body)
	case kind == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
		return p.exif(body[6:])
	case kind == 0xe1:
		if _, xmp, ok := bytes.Cut(body, []byte{0}); ok {
			return p.described("xmp", "", xmp)
		}
	case kind == 0xed:
		return p.text("iptc", "", bytes.ReplaceAll(body, []byte{0}, []byte{' '}))
	}
	return nil
}

// comments reads those of GIF, which stand in blocks of up to 255 bytes.
func (p *picture) comments() error {
	for at := 0; ; {
		i := bytes.Index(p.b[at:], []byte("\x21\xfe"))
		if i < 0 {
			return nil
		}
		at += i + 2
		var text []byte
		for at < len(p.b) && p.b[at] != 0 && at+1+int(p.b[at]) <= len(p.b) && len(text) < textMost {
			n := int(p.b[at])
			text = append(text, p.b[at+1:at+1+n]...)
			at += 1 + n
		}
		if err := p.text("comment", "comment", text); err != nil {
			return err
		}
	}
}

// grey unpacks the picture, if it is not too large; nil where its format is
// not unpacked.
func (p *picture) grey(kind string) (*pixels.Grey, error) {
	r := bytes.NewReader(p.b)
	var config stdimage.Config
	var decode func(io.Reader) (stdimage.Image, error)
	var err error
	switch kind {
	case "png":
		config, err = png.DecodeConfig(r)
		decode = png.Decode
	case "jpeg":
		config, err = jpeg.DecodeConfig(r)
		decode = jpeg.Decode
	case "gif":
		config, err = gif.DecodeConfig(r)
		decode = gif.Decode
	case "bmp":
		return bitmap(p.b)
	default:
		return nil, classify.Unsupported
	}
	if err != nil {
		return nil, causeOf(err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > pixelsMost/config.Height {
		return nil, classify.TooLarge
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("go back in a picture: %w", err)
	}
	img, err := decode(r)
	if err != nil {
		return nil, causeOf(err)
	}
	return brightness(img), nil
}

func causeOf(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return classify.Truncated
	}
	return classify.Damaged
}

// brightness turns a picture into shades of grey.
func brightness(img stdimage.Image) *pixels.Grey {
	b := img.Bounds()
	g := &pixels.Grey{Width: b.Dx(), Height: b.Dy(), Pix: make([]byte, b.Dx()*b.Dy())}
	switch m := img.(type) {
	case *stdimage.Gray:
		for y := range g.Height {
			copy(g.Pix[y*g.Width:], m.Pix[y*m.Stride:y*m.Stride+g.Width])
		}
	case *stdimage.YCbCr:
		for y := range g.Height {
			copy(g.Pix[y*g.Width:], m.Y[y*m.YStride:y*m.YStride+g.Width])
		}
	default:
		for y := range g.Height {
			for x := range g.Width {
				g.Pix[y*g.Width+x] = color.GrayModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.Gray).Y
			}
		}
	}
	return g
}

// writing gives what is written, or where.
func (p *picture) writing(g *pixels.Grey) error {
	if p.ocr != nil {
		words, err := p.ocr.Words(p.ctx, g)
		if err == nil {
			return p.words(words)
		}
		if p.ctx.Err() != nil {
			return p.ctx.Err()
		}
		p.out.Unread("pixels", classify.Because("the program that reads writing failed at it", "文字识别程序处理失败"))
	}
	for i, r := range g.Text() {
		if i == writingMost {
			break
		}
		place := fmt.Sprintf("%dx%d+%d+%d", r.X1-r.X0, r.Y1-r.Y0, r.X0, r.Y0)
		err := p.out.Part(classify.Part{Path: "pixels " + place, Kind: classify.BurnedIn, Confidence: sureByLook, Offset: -1, Wide: true, Text: []byte(place)})
		if err != nil {
			return err
		}
	}
	return nil
}

// words gives what was read, line by line.
func (p *picture) words(words []pixels.Word) error {
	var text strings.Builder
	for i, w := range words {
		switch {
		case i == 0:
		case w.Y0 > words[i-1].Y1 || w.X0 < words[i-1].X0:
			text.WriteByte('\n')
		default:
			text.WriteByte(' ')
		}
		text.WriteString(w.Text)
	}
	if text.Len() == 0 {
		return nil
	}
	return p.out.Part(classify.Part{Path: "pixels", Offset: -1, Wide: true, Text: []byte(text.String())})
}
