package deid

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cordon-health/cordon/internal/dicom"
	"github.com/cordon-health/cordon/internal/pixels"
)

// pixelPlan is what happens to the pixels of a file.
type pixelPlan struct {
	// clean is true where they were searched and are free of what was found.
	clean bool
	drop  bool
	// rects are made black in every frame; bits are cleared in every pixel.
	rects []pixels.Rect
	bits  uint32
	// decode: compressed frames are written as native ones.
	decode bool
}

// syntax is that of the file written.
func (p *pixelPlan) syntax(old string) string {
	if p.decode || p.drop && !native(old) {
		return dicom.ExplicitLE
	}
	return old
}

// native is true for the syntaxes that are not about pixels.
func native(syntax string) bool {
	switch syntax {
	case dicom.ImplicitLE, dicom.ExplicitLE, dicom.ExplicitBE, dicom.DeflatedLE:
		return true
	}
	return false
}

// dicomSight is what looking at the pixels gave.
type dicomSight struct {
	there bool
	seen  bool
	boxes []pixels.Rect
	err   error // why they could not be seen

	grey pixels.Grey
}

// sampled is how many frames of an image that is not at risk are looked at.
const sampled = 8

// look searches the pixels at which the reader stands. It never fails for
// what is wrong with them: that is a reason not to have seen them.
func (w *dicomRewriter) look(e *dicom.Element) error {
	f := &w.facts
	s := &f.sight
	s.there = true
	f.image.Syntax, f.image.BigEndian = w.r.Syntax(), w.r.BigEndian()
	if w.p.has(keepPixels) || w.p.has(dropPixels) {
		return nil
	}
	if !f.image.Decodable() {
		s.err = fmt.Errorf("%w: transfer syntax %s, %d bits", pixels.ErrNot, f.image.Syntax, f.image.Bits)
		return nil
	}
	every := 1
	if !f.device.AtRisk(f.class) && f.burned != "YES" && !w.p.has(cleanPixels) {
		every = max(f.image.Count()/sampled, 1)
	}
	w.startFrames()
	for i := 0; ; i++ {
		frame, err := w.frames.Next(i%every == 0)
		if errors.Is(err, io.EOF) {
			s.seen = i > 0
			return nil
		}
		var where *dicom.Error
		if errors.As(err, &where) {
			return err // the file itself is broken
		}
		if err != nil {
			s.err = err
			return nil
		}
		if i%every == 0 {
			if err := w.search(frame); err != nil {
				return err
			}
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
}

// search adds the writing in a frame to what was seen.
func (w *dicomRewriter) search(frame []byte) error {
	s := &w.facts.sight
	image := w.facts.image.Native()
	image.Grey(&s.grey, frame)
	found := s.grey.Text()
	if w.p.ocr != nil {
		words, err := w.p.ocr.Words(w.ctx, &s.grey)
		if err != nil {
			return err
		}
		for _, word := range words {
			found = append(found, word.Rect)
		}
	}
	for _, r := range found {
		if !covered(s.boxes, r) && len(s.boxes) < 4096 {
			s.boxes = append(s.boxes, r)
		}
	}
	return nil
}

func covered(all []pixels.Rect, r pixels.Rect) bool {
	for _, o := range all {
		if r.X0 >= o.X0 && r.Y0 >= o.Y0 && r.X1 <= o.X1 && r.Y1 <= o.Y1 {
			return true
		}
	}
	return false
}

// startFrames makes ready for the frames of the pixel data at which the reader
// stands.
func (w *dicomRewriter) startFrames() {
	w.frames.Start(&w.facts.image, &w.r, w.r.NextFragment)
}

// planPixels decides by what was seen.
func (w *dicomRewriter) planPixels() error {
	f, p := &w.facts, &w.pixels
	p.drop = w.p.has(dropPixels)
	if !f.sight.there || p.drop || w.p.has(keepPixels) {
		return nil
	}
	p.bits = f.embeddedOverlays()
	risk := f.burned == "YES" || f.device.AtRisk(f.class)
	if !f.sight.seen {
		return w.planUnseen(risk)
	}
	p.rects = f.sight.boxes
	if risk {
		p.rects = append(p.rects, f.device.Rects(&f.image)...)
		p.rects = append(p.rects, f.image.Outside(f.regions)...)
	}
	if f.burned == "YES" && len(p.rects) == 0 {
		return fmt.Errorf("%w: the file says that writing is burned into its pixels, and none was found; look at it, then use option %s or %s", ErrRefused, dropPixels, keepPixels)
	}
	p.clean = risk || len(p.rects) > 0 || w.p.has(cleanPixels)
	if len(p.rects) == 0 && p.bits == 0 {
		return nil
	}
	if len(p.rects) > 0 {
		w.report.Note("images in which writing, or where devices write, was made black")
	}
	if f.image.Encapsulated {
		w.decoded()
	}
	return nil
}

// planUnseen is for pixels that cannot be decoded here.
func (w *dicomRewriter) planUnseen(risk bool) error {
	f := &w.facts
	trusted := f.burned == "NO" && !w.p.has(cleanPixels)
	if (risk && !trusted) || w.p.has(cleanPixels) {
		why := f.sight.err
		if why == nil {
			why = errors.New("there is no whole frame")
		}
		return fmt.Errorf("%w: images of this kind may carry writing, and its pixels cannot be looked at: %w; decompress it first, or use option %s or %s", ErrRefused, why, dropPixels, keepPixels)
	}
	w.report.Note("images whose pixels cannot be decoded here passed with their pixels unseen: their kind seldom carries writing")
	return nil
}

// decoded changes what the header says of pixels that are no longer
// compressed.
func (w *dicomRewriter) decoded() {
	w.pixels.decode = true
	image := w.facts.image.Native()
	w.instead = map[dicom.Tag][]byte{0x00280004: []byte(image.Photometric)}
	if image.Samples > 1 {
		w.instead[0x00280006] = []byte{0, 0}
	}
}

// embeddedOverlays are the bits of a pixel in which overlays lie and no image.
func (f *dicomFacts) embeddedOverlays() uint32 {
	if f.image.Bits != 16 || f.image.Stored == 0 || f.image.Stored >= 16 || f.image.Samples > 1 {
		return 0
	}
	stored := (uint32(1)<<f.image.Stored - 1) << max(f.image.High+1-f.image.Stored, 0)
	return f.overlayBits &^ stored
}

// native writes pixel data that is not compressed.
func (w *dicomRewriter) native(e *dicom.Element) error {
	if e.Depth > 0 || w.pixels.drop {
		return w.noPixels(e)
	}
	if len(w.pixels.rects) == 0 && w.pixels.bits == 0 {
		w.actions[dicomKeep]++
		return w.w.Echo(&w.r)
	}
	w.actions[dicomClean]++
	w.startFrames()
	return w.w.Copy(e.Tag, e.VR, e.Length, io.MultiReader(&frameReader{w: w}, zeros{}))
}

// zeros are what follows the last whole frame.
type zeros struct{}

// Read gives zeros without end.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (w *dicomRewriter) noPixels(e *dicom.Element) error {
	w.actions[dicomRemove]++
	if e.Depth > 0 {
		w.report.Note("images within sequences were removed")
	}
	if e.Kind == dicom.PixelStart {
		return w.skipSequence()
	}
	return nil
}

// encapsulated writes compressed pixel data as it is, or decoded.
func (w *dicomRewriter) encapsulated(e *dicom.Element) error {
	if e.Tag != dicom.PixelData {
		if action, _ := w.decide(e); action != dicomKeep {
			return w.noPixels(e)
		}
		return w.w.Echo(&w.r)
	}
	if e.Depth > 0 || w.pixels.drop {
		return w.noPixels(e)
	}
	if !w.pixels.decode {
		w.actions[dicomKeep]++
		return w.w.Echo(&w.r)
	}
	w.actions[dicomClean]++
	image := w.facts.image.Native()
	n, err := image.FrameLength()
	if err != nil {
		return err
	}
	vr := dicom.OW
	if image.Bits <= 8 {
		vr = dicom.OB
	}
	w.startFrames()
	if err := w.w.Copy(e.Tag, vr, int64(n)*int64(image.Count()), &frameReader{w: w}); err != nil {
		return err
	}
	if _, err := w.frames.Next(false); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: its pixel data holds more frames than its header says", ErrRefused)
	}
	return nil
}

// frameReader reads frames with what must go made black.
type frameReader struct {
	w    *dicomRewriter
	rest bytes.Reader
}

// Read reads on in the current frame, or the next.
func (r *frameReader) Read(p []byte) (int, error) {
	for r.rest.Len() == 0 {
		frame, err := r.w.frames.Next(true)
		if err != nil {
			return 0, err
		}
		image := r.w.facts.image.Native()
		image.Blank(frame, r.w.pixels.rects)
		r.w.clearBits(frame)
		r.rest.Reset(frame)
	}
	return r.rest.Read(p)
}

// clearBits takes overlays out of the bits they share with the pixels.
func (w *dicomRewriter) clearBits(frame []byte) {
	if w.pixels.bits == 0 {
		return
	}
	low, high := ^byte(w.pixels.bits), ^byte(w.pixels.bits>>8)
	if w.facts.image.Native().BigEndian {
		low, high = high, low
	}
	for i := 0; i+1 < len(frame); i += 2 {
		frame[i] &= low
		frame[i+1] &= high
	}
}

// overlayHasText is true where an overlay's bitmap holds what looks like
// writing, or cannot be looked at.
func (f *dicomFacts) overlayHasText(t dicom.Tag, b []byte) bool {
	size := f.overlays[t.Group()]
	image := pixels.Image{Rows: size[0], Columns: size[1], Samples: 1, Bits: 1, Stored: 1}
	n, err := image.FrameLength()
	if err != nil || len(b) < n {
		return true
	}
	var g pixels.Grey
	image.Grey(&g, b)
	return len(g.Text()) > 0
}
