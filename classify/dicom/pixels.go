package dicom

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
	"github.com/cordon-health/cordon/internal/pixels"
)

// How sure each way of finding writing is, in percent.
const (
	sureBySaying = 90
	sureByLook   = 70
	sureByDevice = 60
	sureOfFace   = 30
	lookedAt     = 8 // frames of one image, spread over all
)

// pixels looks at the pixel data at which the reader stands.
func (f *file) pixels(e *dicom.Element) error {
	f.there = true
	f.image.Encapsulated, f.image.Length = e.Kind == dicom.PixelStart, e.Length
	if !f.image.Decodable() {
		f.lookErr = fmt.Errorf("%w: transfer syntax %s, %d bits", pixels.ErrNot, f.image.Syntax, f.image.Bits)
		return nil
	}
	f.frames.Start(&f.image, f.r, f.r.NextFragment)
	every := max(f.image.Count()/lookedAt, 1)
	for i := 0; ; i++ {
		frame, err := f.frames.Next(i%every == 0)
		var broken *dicom.Error
		switch {
		case errors.Is(err, io.EOF):
			f.looked = i > 0
			return nil
		case errors.As(err, &broken):
			return err
		case err != nil:
			f.lookErr = err
			return nil
		}
		if i%every == 0 {
			if err := f.look(i+1, frame); err != nil {
				return err
			}
		}
		if err := f.ctx.Err(); err != nil {
			return err
		}
	}
}

// look finds writing in a frame.
func (f *file) look(number int, frame []byte) error {
	var grey pixels.Grey
	image := f.image.Native()
	image.Grey(&grey, frame)
	for _, r := range grey.Text() {
		if err := f.writing(fmt.Sprintf("(7FE0,0010)[%d]", number), r, sureByLook); err != nil {
			return err
		}
	}
	if f.ocr == nil {
		return nil
	}
	words, err := f.ocr.Words(f.ctx, &grey)
	if err != nil {
		f.out.Unread(fmt.Sprintf("(7FE0,0010)[%d]", number), err)
		return f.ctx.Err()
	}
	return f.read(number, words)
}

// read hands on what OCR read, line by line.
func (f *file) read(number int, words []pixels.Word) error {
	var text strings.Builder
	for i, w := range words {
		if i > 0 && (w.Y0 > words[i-1].Y1 || w.X0 < words[i-1].X0) {
			text.WriteByte('\n')
		} else if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(w.Text)
	}
	if text.Len() == 0 {
		return nil
	}
	return f.out.Part(classify.Part{Path: fmt.Sprintf("(7FE0,0010)[%d] text", number), Record: f.record, Offset: -1, Wide: true, Text: []byte(text.String())})
}

// writing says where writing is. The text of the part is the place, not what
// is written there.
func (f *file) writing(path string, r pixels.Rect, sure uint8) error {
	place := fmt.Sprintf("%dx%d+%d+%d", r.X1-r.X0, r.Y1-r.Y0, r.X0, r.Y0)
	return f.verdict(path+" "+place, "", classify.BurnedIn, sure, place)
}

func (f *file) verdict(path, field string, kind classify.Kind, sure uint8, text string) error {
	return f.out.Part(classify.Part{Path: path, Field: field, Kind: kind, Confidence: sure, Record: f.record, Offset: -1, Wide: true, Text: []byte(text)})
}

// verdicts are what the whole header says about the pixels.
func (f *file) verdicts() error {
	if f.burned {
		if err := f.verdict(burnedIn.String(), "BurnedInAnnotation", classify.BurnedIn, sureBySaying, "YES"); err != nil {
			return err
		}
	}
	if !f.there {
		return nil
	}
	risk := f.burned || f.device.AtRisk(f.class)
	if risk {
		for _, r := range f.device.Rects(&f.image) {
			if r.X1 = min(r.X1, f.image.Columns); r.X1 <= r.X0 {
				continue
			}
			if err := f.writing("(7FE0,0010)", r, sureByDevice); err != nil {
				return err
			}
		}
	}
	if risk && !f.looked {
		f.out.Unread("(7FE0,0010)", f.unseen())
	}
	if f.face || pixels.Face(f.device.Modality, f.body, f.class) {
		return f.verdict("(7FE0,0010)", "", classify.FaceImage, sureOfFace, "face")
	}
	return nil
}

func (f *file) unseen() error {
	if f.lookErr != nil {
		return f.lookErr
	}
	return errors.New("there is no whole frame")
}
