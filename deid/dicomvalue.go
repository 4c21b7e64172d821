package deid

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
)

// removedWord stands for a text that may not stay where there must be one.
const removedWord = "REMOVED"

// value de-identifies one value.
func (w *dicomRewriter) value(e *dicom.Element) error {
	if e.Tag == dicom.CharacterSet {
		return w.characterSet(e)
	}
	if new, ok := w.instead[e.Tag]; ok && e.Depth == 0 {
		return w.w.Value(e.Tag, e.VR, new)
	}
	if e.Tag == dicom.PixelData {
		return w.native(e)
	}
	action, rule := w.decide(e)
	if w.scope().dummy {
		action = inDummy(action)
	}
	w.actions[action]++
	if action == dicomRemove {
		return nil
	}
	if action == dicomKeep && e.Tag != tagPatientAge || e.Length == 0 {
		return w.w.Echo(&w.r)
	}
	if action == dicomOverlay {
		return w.overlay(e)
	}
	vr := valueVR(e)
	if e.Length > dicom.MaxValue {
		return w.tooLong(e, vr, action)
	}
	b, err := w.r.Bytes()
	if err != nil {
		return err
	}
	tag := e.Tag
	return w.w.Value(tag, vr, w.changed(tag, vr, action, rule, trimmed(b), b))
}

// inDummy is the action for a value within content of which only the form may
// stay.
func inDummy(action dicomAction) dicomAction {
	switch action {
	case dicomKeep, dicomClean, dicomShift, dicomSafeText:
		return dicomDummy
	}
	return action
}

// tooLong is for texts beyond what is held: they do not pass uncleaned.
func (w *dicomRewriter) tooLong(e *dicom.Element, vr dicom.VR, action dicomAction) error {
	if action == dicomEmpty {
		return w.w.Value(e.Tag, vr, nil)
	}
	w.report.Note(fmt.Sprintf("texts over %d MB were replaced whole", dicom.MaxValue>>20))
	return w.w.Value(e.Tag, vr, w.dummyFor(e.Tag, vr, dicomRule{descriptor: true}, nil))
}

// valueVR is the representation by which a value is understood: the file's, or
// the dictionary's where the file does not say or says nonsense.
func valueVR(e *dicom.Element) dicom.VR {
	known := dicom.Find(e.Tag)
	if known.Known && (e.VR == dicom.UN || !e.VR.Known()) {
		return known.VR
	}
	return e.VR
}

// characterSet passes the character set on and uses it from here on.
func (w *dicomRewriter) characterSet(e *dicom.Element) error {
	b, err := w.r.Bytes()
	if err != nil {
		return err
	}
	w.scope().charset = dicom.NewCharset(string(b))
	w.actions[dicomKeep]++
	return w.w.Value(e.Tag, e.VR, b)
}

// changed is the new value of an attribute.
func (w *dicomRewriter) changed(t dicom.Tag, vr dicom.VR, action dicomAction, rule dicomRule, b, raw []byte) []byte {
	switch action {
	case dicomEmpty:
		return w.pseudonymOf(t, vr, b)
	case dicomUID:
		return w.uids(b)
	case dicomDummy:
		return w.dummyFor(t, vr, rule, raw)
	case dicomClean:
		return w.clean(t, vr, b)
	case dicomShift:
		return w.shifted(t, vr, rule, b)
	case dicomSafeText:
		return w.safeText(vr, b, raw)
	case dicomKeep: // the patient's age
		return TopCodeAge(bytes.Clone(b))
	}
	return nil
}

// pseudonymOf keeps apart, with names the same in every format, what the
// standard allows to be empty or a dummy: who the patient is, and which order
// it was. All else stays empty.
func (w *dicomRewriter) pseudonymOf(t dicom.Tag, vr dicom.VR, b []byte) []byte {
	kind := classify.None
	switch t {
	case tagPatientName:
		kind = classify.Name
	case tagPatientID:
		kind = classify.MRN
	case tagAccession:
		kind = classify.Accession
	default:
		return nil
	}
	return w.pseudonym(kind, vr, b)
}

// pseudonym replaces a value by what stands for it in every format. What
// cannot be written in the file's character set, or is longer than its place
// allows, becomes a token.
func (w *dicomRewriter) pseudonym(kind classify.Kind, vr dicom.VR, b []byte) []byte {
	text := w.scope().charset.Decode(b)
	if strings.TrimSpace(text) == "" {
		return nil
	}
	out, err := w.job.Replace(w.buf[:0], Pseudonym, kind, []byte(text), w.facts.patient, w.report)
	if err != nil {
		return nil
	}
	w.buf = out
	if raw, ok := w.scope().charset.Encode(string(out)); ok && len(out) > 0 && fits(vr, string(out)) {
		return raw
	}
	return []byte(w.job.Key.Token(kind, text))
}

// fits says whether a text is no longer than its representation allows: names
// in each group of components.
func fits(vr dicom.VR, text string) bool {
	if vr != dicom.PN {
		return limit(vr, text) == text
	}
	for group := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '=' || r == '\\' }) {
		if utf8.RuneCountInString(group) > 64 {
			return false
		}
	}
	return true
}

// uids replaces each of several UIDs.
func (w *dicomRewriter) uids(b []byte) []byte {
	if !validUIDs(b) {
		return nil
	}
	parts := strings.Split(string(b), "\\")
	for i := range parts {
		parts[i] = w.uid(trimUID([]byte(parts[i])))
	}
	return []byte(strings.Join(parts, "\\"))
}

// validUIDs keeps what is no UID at all from passing as a registered one.
func validUIDs(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) && c != '.' && c != '\\' && c != ' ' && c != 0 {
			return false
		}
	}
	return true
}

// dummyFor is a value of no meaning that is valid for its representation.
func (w *dicomRewriter) dummyFor(t dicom.Tag, vr dicom.VR, rule dicomRule, b []byte) []byte {
	text := trimmed(b)
	switch vr {
	case dicom.PN:
		return w.pseudonym(classify.Name, vr, text)
	case dicom.LO, dicom.SH, dicom.UC:
		if t == tagPatientID {
			return w.pseudonym(classify.MRN, vr, text)
		}
		if !rule.descriptor && rule.listed && len(text) > 0 {
			return []byte(w.job.Key.Token(classify.Unique, w.scope().charset.Decode(text)))
		}
		return []byte(removedWord)
	case dicom.ST, dicom.LT, dicom.UT, dicom.AE:
		return []byte(removedWord)
	case dicom.CS:
		if !rule.listed && plainCode(text) {
			return text
		}
		return []byte(removedWord)
	case dicom.UI:
		return w.uids(text)
	case dicom.DA:
		return []byte("19000101")
	case dicom.TM:
		return []byte("000000")
	case dicom.DT:
		return []byte("19000101000000")
	case dicom.AS:
		return []byte("000Y")
	case dicom.DS, dicom.IS:
		return []byte("0")
	case dicom.UR:
		return []byte("https://example.invalid/")
	}
	return w.dummyBytes(t, vr, b)
}

// plainCode is true for a defined term: within content of which only the form
// stays, those are the form.
func plainCode(b []byte) bool {
	for _, c := range b {
		if !(c >= 'A' && c <= 'Z' || isDigit(c) || c == '_' || c == ' ' || c == '\\') {
			return false
		}
	}
	return len(b) <= 16
}

// dummyBytes is for binary values: zeros, counts as they are, and for an
// encapsulated document one that says it was removed.
func (w *dicomRewriter) dummyBytes(t dicom.Tag, vr dicom.VR, b []byte) []byte {
	switch {
	case t == tagDocument:
		return w.emptyDocument()
	case vr == dicom.US || vr == dicom.AT:
		if w.scope().dummy {
			return b
		}
	}
	return make([]byte, min(len(b), 64<<10))
}

// emptyDocument stands for an encapsulated document.
func (w *dicomRewriter) emptyDocument() []byte {
	switch w.facts.mime {
	case "application/pdf":
		return []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\nxref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000053 00000 n \n0000000102 00000 n \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n164\n%%EOF\n")
	case "text/XML", "text/xml", "application/xml":
		return []byte("<removed/>")
	}
	return []byte(removedWord)
}

// shifted moves dates; a time of day stays, since all move by whole days. What
// is not written as a date is treated as the basic profile would.
func (w *dicomRewriter) shifted(t dicom.Tag, vr dicom.VR, rule dicomRule, b []byte) []byte {
	if out, ok := w.shiftAll(vr, b); ok {
		return out
	}
	action := rule.decide('1')
	if action == dicomDummy {
		return w.dummyFor(t, vr, rule, b)
	}
	return nil
}

func (w *dicomRewriter) shiftAll(vr dicom.VR, b []byte) ([]byte, bool) {
	out := make([]byte, 0, len(b))
	for i, one := range bytes.Split(b, []byte{'\\'}) {
		if i > 0 {
			out = append(out, '\\')
		}
		one = trimmed(one)
		ok := len(one) == 0
		switch {
		case ok:
		case vr == dicom.TM && clock(one):
			out, ok = append(out, one...), true
		case vr == dicom.DA && daySized(one), vr == dicom.DT && len(one) >= 4 && clock(one):
			out, ok = w.job.Key.ShiftDate(out, one, w.facts.owner())
		}
		if !ok {
			return nil, false
		}
	}
	return out, true
}

// clock is true for what times and date-times are written with.
func clock(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) && c != '.' && c != ':' && c != '+' && c != '-' {
			return false
		}
	}
	return len(b) <= 26
}

// daySized is true for YYYYMMDD and its old form YYYY.MM.DD.
func daySized(b []byte) bool { return (len(b) == 8 || len(b) == 10) && clock(b) }

// clean takes out of a text what identifies; of a value that is no text, all.
func (w *dicomRewriter) clean(t dicom.Tag, vr dicom.VR, b []byte) []byte {
	switch {
	case vr.Text() && vr != dicom.PN:
		return w.cleanText(vr, b)
	case vr == dicom.CS && plainCode(b) && !w.known(string(b)):
		return b
	case vr == dicom.AE && len(b) > 0:
		return []byte(w.job.Key.Token(classify.Unique, string(b)))
	}
	return w.dummyFor(t, vr, dicomRule{listed: true, descriptor: true}, b)
}

// safeText searches a text that the table does not name. Mostly nothing is
// found, and it stays byte for byte.
func (w *dicomRewriter) safeText(vr dicom.VR, b, raw []byte) []byte {
	if !vr.Text() && !vr.ASCII() && vr != dicom.UN {
		return raw
	}
	if vr == dicom.UI {
		if validUIDs(b) {
			return raw
		}
		return nil
	}
	text := w.scope().charset.Decode(b)
	if !w.known(text) && (vr == dicom.UR || !w.found(text)) {
		return raw
	}
	return w.cleanText(vr, b)
}

// found is true where classify is sure of something in the text.
func (w *dicomRewriter) found(text string) bool {
	if w.job.Scanner == nil {
		return false
	}
	w.spans = w.job.Scanner.Scan(w.spans[:0], []byte(text), classify.Discover)
	for _, s := range w.spans {
		if identifies(s.Kind) && s.Kind != classify.Organization {
			return true
		}
	}
	return false
}

// known is true where an identifier of this file's people stands in the text.
func (w *dicomRewriter) known(text string) bool {
	if len(w.facts.identifiers) == 0 {
		return false
	}
	folded := strings.ToLower(text)
	for _, id := range w.facts.identifiers {
		if at := indexWord(folded, id.text, 0); at >= 0 {
			return true
		}
	}
	return false
}

// cleanText replaces what classify finds, and what the file says its people
// are called and numbered.
func (w *dicomRewriter) cleanText(vr dicom.VR, b []byte) []byte {
	text := w.scope().charset.Decode(b)
	if strings.ContainsRune(text, utf8.RuneError) {
		return []byte(removedWord)
	}
	if w.job.Scanner != nil {
		w.buf = w.job.Clean(w.buf[:0], []byte(text), w.facts.patient, Pseudonym, w.report)
		text = string(w.buf)
	} else if w.job.Scanner == nil && !w.known(text) {
		return []byte(removedWord)
	}
	text = w.withoutKnown(text)
	raw, ok := w.scope().charset.Encode(limit(vr, text))
	if !ok {
		return []byte(removedWord)
	}
	return raw
}

// withoutKnown replaces the identifiers of the file itself.
func (w *dicomRewriter) withoutKnown(text string) string {
	for _, id := range w.facts.identifiers {
		for at := 0; ; {
			folded := strings.ToLower(text)
			if len(folded) != len(text) {
				text = folded // lengths differ in a few scripts only
			}
			i := indexWord(folded, id.text, at)
			if i < 0 {
				break
			}
			value := id.value
			if id.kind == classify.Name {
				value = text[i : i+len(id.text)] // in the letters that stand there
			}
			new := string(w.job.Key.Pseudonym(id.kind, []byte(value)))
			text = text[:i] + new + text[i+len(id.text):]
			at = i + len(new)
		}
	}
	return text
}

// indexWord finds a word in a text from a place on, in Latin letters and
// numbers only where it is not a part of a longer one.
func indexWord(text, word string, from int) int {
	for from <= len(text) {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(word)
		if (i == 0 || !wordByte(text[i-1]) || !wordByte(word[0])) && (end == len(text) || !wordByte(text[end]) || !wordByte(word[len(word)-1])) {
			return i
		}
		from = i + 1
	}
	return -1
}

func wordByte(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// limit cuts a text to what its representation allows, value by value.
func limit(vr dicom.VR, text string) string {
	most := map[dicom.VR]int{dicom.SH: 16, dicom.LO: 64, dicom.ST: 1024, dicom.LT: 10240}[vr]
	if most == 0 || utf8.RuneCountInString(text) <= most {
		return text
	}
	if vr == dicom.ST || vr == dicom.LT {
		return string([]rune(text)[:most])
	}
	parts := strings.Split(text, "\\")
	for i, p := range parts {
		if r := []rune(p); len(r) > most {
			parts[i] = string(r[:most])
		}
	}
	return strings.Join(parts, "\\")
}

// overlay is the option to clean graphics: a bitmap in which nothing looks
// like writing may stay.
func (w *dicomRewriter) overlay(e *dicom.Element) error {
	if e.Length > dicom.MaxValue {
		_, err := io.Copy(io.Discard, &w.r)
		return err
	}
	tag, vr := e.Tag, e.VR
	b, err := w.r.Bytes()
	if err != nil {
		return err
	}
	if w.facts.overlayHasText(tag, b) {
		w.report.Note("overlays with what looks like writing were blanked")
		b = make([]byte, len(b))
	}
	return w.w.Value(tag, vr, b)
}
