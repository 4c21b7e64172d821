package deid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
	"github.com/cordon-health/cordon/internal/pixels"
	"github.com/cordon-health/cordon/ocsf"
)

// dicomBasic is the name of the profile.
const dicomBasic = "dicom-basic"

// ErrRefused means that a file cannot be de-identified by the profile, though
// it can be read: the reason says what a person would have to look at.
var ErrRefused = errors.New("refused")

// dicomProfile is PS3.15 Annex E. A file is read twice: once for what must be
// known beforehand (who the patient is, what kind of object and device), past
// the values that do not tell; then it is written anew, element by element.
// Pixels pass through unless something in them has to be looked at.
type dicomProfile struct {
	chosen []string
	rules  map[dicom.Tag]dicomRule
	method []dicomOption // the options of the standard that were chosen
	ocr    pixels.OCR
	pool   sync.Pool
}

// dicomOffer lists the profile.
func dicomOffer() Offer {
	o := Offer{
		Name: dicomBasic,
		Title: ocsf.Text{
			EN: "DICOM files by PS3.15 Annex E, basic profile",
			ZH: "DICOM 文件，按 PS3.15 附录 E 基本保密规范",
		},
		Claims: func(_ string, head []byte) bool { return dicom.Looks(head) },
		Open:   openDICOM,
	}
	for _, option := range dicomOptions() {
		o.Options = append(o.Options, option.Option)
	}
	return o
}

func openDICOM(s Setup) (Profile, error) {
	p := &dicomProfile{chosen: s.Options}
	var err error
	if p.rules, err = dicomRules(s.Options); err != nil {
		return nil, err
	}
	if p.has(keepPixels) && (p.has(dropPixels) || p.has(cleanPixels) || p.has(withOCR)) {
		return nil, fmt.Errorf("%w: %s excludes %s, %s and %s", ErrUsage, keepPixels, dropPixels, cleanPixels, withOCR)
	}
	if p.has(withOCR) {
		if p.ocr, err = pixels.Tesseract(); err != nil {
			return nil, fmt.Errorf("%w: option %s: %w", ErrUsage, withOCR, err)
		}
	}
	for _, o := range dicomOptions() {
		if o.code != "" && p.has(o.Name) {
			p.method = append(p.method, o)
		}
	}
	p.pool.New = func() any { return new(dicomRewriter) }
	return p, nil
}

func (p *dicomProfile) has(option string) bool { return slices.Contains(p.chosen, option) }

// Name is the profile's name.
func (p *dicomProfile) Name() string { return dicomBasic }

// Apply de-identifies one file.
func (p *dicomProfile) Apply(ctx context.Context, in classify.Source, out io.Writer, job *Job) (Report, error) {
	w := p.pool.Get().(*dicomRewriter)
	defer p.pool.Put(w)
	report := Report{Profile: dicomBasic, Key: job.Key.ID(), Records: 1, Bytes: in.Size()}
	w.begin(ctx, p, job, &report)
	err := w.file(in, out)
	w.countActions()
	if err != nil {
		return report, fmt.Errorf("%s: %w", dicomBasic, err)
	}
	return report, nil
}

// file is the two passes.
func (w *dicomRewriter) file(in classify.Source, out io.Writer) error {
	if err := w.readFacts(in); err != nil {
		return err
	}
	if err := w.plan(); err != nil {
		return err
	}
	if err := w.r.Reset(in, in.Size()); err != nil {
		return err
	}
	return w.rewrite(out)
}

// plan decides, knowing the facts, what happens to the pixels, or refuses.
func (w *dicomRewriter) plan() error {
	if w.facts.class == dicomDirectory {
		return fmt.Errorf("%w: a DICOMDIR names every patient of its medium; make a new one over the de-identified files", ErrRefused)
	}
	if w.p.has(cleanFaces) && w.facts.mayShowFace() {
		return fmt.Errorf("%w: a face may be seen in these images or reconstructed from them, which cannot be undone here; leave out option %s, or deface the series first", ErrRefused, cleanFaces)
	}
	if w.facts.patient == "" && w.p.has(retainModDates) {
		w.report.Note("files without a patient identifier: dates were moved by the study's identifier")
	}
	return w.planPixels()
}
