package deid

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
	"github.com/cordon-health/cordon/internal/pixels"
)

// What the files say about their writer. The UID was made once by UUID.
const (
	dicomImplementation = "2.25.208911863790157113411736224908466411573"
	dicomVersion        = "CORDON_DEID_1"
)

// dicomRewriter rewrites one file after the other.
type dicomRewriter struct {
	ctx    context.Context
	p      *dicomProfile
	job    *Job
	report *Report

	r     dicom.Reader
	w     *dicom.Writer
	facts dicomFacts
	// scopes are the data set and the items it is in, the innermost last.
	scopes []dicomScope
	// own are the attributes this profile writes at the top level, by tag.
	own []dicomOwn
	// instead are values that change with the pixels.
	instead map[dicom.Tag][]byte
	pixels  pixelPlan
	frames  pixels.Frames
	actions [dicomSafeText + 1]int64
	buf     []byte
	spans   []classify.Span
}

// dicomScope is a data set: the file's, or an item's.
type dicomScope struct {
	sequence dicom.Tag
	// dummy: nothing of the content may stay, only its form.
	dummy bool
	// structured: content that is cleaned, not removed.
	structured bool
	charset    *dicom.Charset
	// blocks are the private blocks some elements of which are safe, by group
	// and block number.
	blocks map[dicom.Tag]string
}

// dicomOwn is an attribute of ours: a value, or a sequence that write writes.
type dicomOwn struct {
	tag   dicom.Tag
	vr    dicom.VR
	value string
	write func() error
}

func (w *dicomRewriter) begin(ctx context.Context, p *dicomProfile, job *Job, report *Report) {
	w.ctx, w.p, w.job, w.report = ctx, p, job, report
	w.own, w.instead, w.pixels = w.own[:0], nil, pixelPlan{}
	w.actions = [dicomSafeText + 1]int64{}
}

// countActions puts what was done into the report.
func (w *dicomRewriter) countActions() {
	for action, m := range [...]Method{dicomKeep: Keep, dicomRemove: Remove, dicomEmpty: Redact, dicomDummy: Redact, dicomUID: UID, dicomClean: Text, dicomShift: Shift, dicomByType: Keep, dicomOverlay: Remove, dicomSafeText: Text} {
		if n := w.actions[action]; n > 0 {
			w.report.Add(Report{Methods: map[string]int64{m.String(): n}})
		}
	}
}

// rewrite is the second pass.
func (w *dicomRewriter) rewrite(out io.Writer) error {
	w.scopes = append(w.scopes[:0], dicomScope{charset: w.facts.charset})
	w.plannedOwn()
	if err := w.open(out); err != nil {
		return err
	}
	for {
		e, err := w.r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.element(e); err != nil {
			return err
		}
	}
	if err := w.flushOwn(^dicom.Tag(0)); err != nil {
		return err
	}
	return w.w.Close()
}

// open writes the file meta information anew: nothing of the old one stays but
// the class and the syntax.
func (w *dicomRewriter) open(out io.Writer) error {
	syntax := w.pixels.syntax(w.r.Syntax())
	meta := []dicom.Attribute{{Tag: dicom.MediaClass, VR: dicom.UI, Value: []byte(w.facts.class)}}
	for _, a := range w.r.Meta() {
		if a.Tag == dicom.MediaInstance {
			if !w.p.has(retainUIDs) {
				a.Value = []byte(w.uid(trimUID(a.Value)))
			}
			meta = append(meta, a)
		}
	}
	meta = append(meta,
		dicom.Attribute{Tag: dicom.TransferSyntax, VR: dicom.UI, Value: []byte(syntax)},
		dicom.Attribute{Tag: dicom.Implementation, VR: dicom.UI, Value: []byte(dicomImplementation)},
		dicom.Attribute{Tag: dicom.ImplementVersion, VR: dicom.SH, Value: []byte(dicomVersion)})
	if w.w != nil {
		return w.w.Reset(out, syntax, meta)
	}
	var err error
	w.w, err = dicom.NewWriter(out, syntax, meta)
	return err
}

// plannedOwn are the attributes that say what was done (PS3.15 E.1.1, PS3.3
// C.7.1.1 and C.12.1.1.1).
func (w *dicomRewriter) plannedOwn() {
	dates := "REMOVED"
	if w.p.has(retainFullDates) {
		dates = "UNMODIFIED"
	} else if w.p.has(retainModDates) {
		dates = "MODIFIED"
	}
	w.own = append(w.own[:0],
		dicomOwn{tag: tagIdentityRemoved, vr: dicom.CS, value: "YES"},
		dicomOwn{tag: tagDeidMethod, vr: dicom.LO, value: "Cordon, DICOM PS3.15 Annex E"},
		dicomOwn{tag: tagDeidCodes, write: w.methodCodes})
	if w.pixels.clean {
		w.own = append(w.own, dicomOwn{tag: tagBurnedIn, vr: dicom.CS, value: "NO"})
	}
	w.own = append(w.own, dicomOwn{tag: tagDatesModified, vr: dicom.CS, value: dates})
}

// methodCodes writes the De-identification Method Code Sequence, CID 7050.
func (w *dicomRewriter) methodCodes() error {
	if err := w.w.Sequence(tagDeidCodes, false); err != nil {
		return err
	}
	item := func(code, meaning string) error {
		return errors.Join(w.w.Item(),
			w.w.Value(0x00080100, dicom.SH, []byte(code)), w.w.Value(0x00080102, dicom.SH, []byte("DCM")),
			w.w.Value(0x00080104, dicom.LO, []byte(meaning)), w.w.End())
	}
	if err := item("113100", "Basic Application Confidentiality Profile"); err != nil {
		return err
	}
	for _, o := range w.p.method {
		if o.Name == cleanPixels {
			continue
		}
		if err := item(o.code, o.method); err != nil {
			return err
		}
	}
	if w.pixels.clean {
		if err := item("113101", "Clean Pixel Data Option"); err != nil {
			return err
		}
	}
	return w.w.End()
}

// flushOwn writes our attributes that come before a tag.
func (w *dicomRewriter) flushOwn(before dicom.Tag) error {
	for len(w.own) > 0 && w.own[0].tag < before {
		o := w.own[0]
		w.own = w.own[1:]
		write := o.write
		if write == nil {
			write = func() error { return w.w.Value(o.tag, o.vr, []byte(o.value)) }
		}
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

func (w *dicomRewriter) scope() *dicomScope { return &w.scopes[len(w.scopes)-1] }

// element takes one step of the file.
func (w *dicomRewriter) element(e *dicom.Element) error {
	if e.Depth == 0 && len(w.own) > 0 && (e.Kind == dicom.Value || e.Kind == dicom.SequenceStart || e.Kind == dicom.PixelStart) {
		if err := w.flushOwn(e.Tag); err != nil {
			return err
		}
	}
	switch e.Kind {
	case dicom.Value:
		return w.value(e)
	case dicom.SequenceStart:
		return w.sequence(e)
	case dicom.ItemStart:
		outer := w.scope()
		w.scopes = append(w.scopes, dicomScope{sequence: e.Tag, dummy: outer.dummy, structured: outer.structured, charset: outer.charset})
		return w.w.Item()
	case dicom.ItemEnd:
		w.scopes = w.scopes[:len(w.scopes)-1]
		return w.w.End()
	case dicom.SequenceEnd:
		w.scopes = w.scopes[:len(w.scopes)-1]
		return w.w.End()
	case dicom.PixelStart:
		return w.encapsulated(e)
	case dicom.Fragment:
		return w.w.Echo(&w.r)
	default: // the end of pixel data
		return w.w.End()
	}
}

// decide gives the action for an element.
func (w *dicomRewriter) decide(e *dicom.Element) (dicomAction, dicomRule) {
	switch t := e.Tag; {
	case t.GroupLength() || t.Group() == 2 || t.Private() && t.Group() < 9:
		return dicomRemove, dicomRule{}
	case e.Depth == 0 && w.isOwn(t):
		return dicomRemove, dicomRule{}
	case t.Private():
		return w.private(e), dicomRule{}
	case t>>24 == 0x50 || t>>24 == 0x60:
		return w.repeating(e)
	}
	rule, listed := w.p.rules[e.Tag]
	if !listed {
		return w.unlisted(e), rule
	}
	if rule.action != dicomByType {
		return rule.action, rule
	}
	return w.byType(e.Tag, rule), rule
}

func (w *dicomRewriter) byType(t dicom.Tag, rule dicomRule) dicomAction {
	kind := dicomTypesOf().of(w.facts.class, t, w.scope().sequence)
	if kind == 0 {
		w.report.Note("attributes whose type in the IOD is not known got a dummy or an empty value, not removal")
	}
	return rule.decide(kind)
}

func (w *dicomRewriter) isOwn(t dicom.Tag) bool {
	switch t {
	case tagIdentityRemoved, tagDeidMethod, tagDeidCodes, tagDatesModified:
		return true
	case tagBurnedIn:
		return w.pixels.clean
	}
	return false
}

// unlisted is for attributes that the table does not name: what the standard
// does not know goes, what people read is searched, the rest stays.
func (w *dicomRewriter) unlisted(e *dicom.Element) dicomAction {
	a := dicom.Find(e.Tag)
	switch {
	case !a.Known:
		w.report.Note("elements that the standard does not know were removed")
		return dicomRemove
	case e.Kind != dicom.Value:
		return dicomKeep
	case a.VR == dicom.PN:
		return dicomDummy
	case w.scope().structured && a.VR.Text() && !codeText(e.Tag):
		return dicomClean
	case a.VR.Text() || e.VR.Text() || a.VR == dicom.UR || a.VR == dicom.UI:
		return dicomSafeText
	}
	return dicomKeep
}

// codeText is true for the parts of a coded entry, which are no prose.
func codeText(t dicom.Tag) bool { return t >= 0x00080100 && t <= 0x0008010F }

// repeating is for curves (50xx) and overlays (60xx): gone, or with the option
// cleaned.
func (w *dicomRewriter) repeating(e *dicom.Element) (dicomAction, dicomRule) {
	if !w.p.has(cleanGraphics) {
		return dicomRemove, dicomRule{}
	}
	a := dicom.Find(e.Tag)
	switch {
	case !a.Known:
		return dicomRemove, dicomRule{}
	case a.VR.Text():
		return dicomClean, dicomRule{}
	case dicom.Repeating(e.Tag) == 0x60003000:
		return dicomOverlay, dicomRule{}
	}
	return dicomKeep, dicomRule{}
}

// sequence enters, empties or drops a sequence.
func (w *dicomRewriter) sequence(e *dicom.Element) error {
	action, _ := w.decide(e)
	if w.scope().dummy && action == dicomClean {
		action = dicomDummy
	}
	w.actions[action]++
	tag, implicit := e.Tag, e.Implicit
	switch action {
	case dicomRemove, dicomOverlay:
		return w.skipSequence()
	case dicomEmpty:
		if err := w.skipSequence(); err != nil {
			return err
		}
		return w.w.Value(tag, dicom.SQ, nil)
	}
	inner := dicomScope{sequence: tag, charset: w.scope().charset}
	inner.dummy = w.scope().dummy || action == dicomDummy
	inner.structured = w.scope().structured || action == dicomClean
	w.scopes = append(w.scopes, inner)
	return w.w.Sequence(tag, implicit)
}

// skipSequence passes over everything to the end of the sequence just begun.
func (w *dicomRewriter) skipSequence() error {
	for open := 1; open > 0; {
		e, err := w.r.Next()
		if err != nil {
			return err
		}
		switch e.Kind {
		case dicom.SequenceStart, dicom.PixelStart:
			open++
		case dicom.SequenceEnd, dicom.PixelEnd:
			open--
		}
	}
	return nil
}

// uid is the new UID of an instance; those the standard registered stay.
func (w *dicomRewriter) uid(old string) string {
	if old == "" || strings.HasPrefix(old, "1.2.840.10008.") {
		return old
	}
	return w.job.Key.UID(old)
}
