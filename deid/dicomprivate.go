package deid

import (
	"encoding/binary"
	"strings"

	"github.com/cordon-health/cordon/internal/dicom"
)

// privateBlock is what the file itself says about one of its private blocks,
// an item of (0008,0300).
type privateBlock struct {
	group   uint16
	creator string
	all     bool     // SAFE: the whole block
	safe    []uint16 // MIXED: these, two low digits
}

// set notes an element of the item.
func (p *privateBlock) set(t dicom.Tag, b []byte, order binary.ByteOrder) {
	switch {
	case t == tagBlockGroup && len(b) >= 2:
		p.group = order.Uint16(b)
	case t == tagBlockCreator:
		p.creator = string(trimmed(b))
	case t == tagBlockStatus:
		p.all = string(trimmed(b)) == "SAFE"
	case t == tagSafeElements:
		for i := 0; i+1 < len(b); i += 2 {
			p.safe = append(p.safe, order.Uint16(b[i:])&0xFF)
		}
	}
}

// safePrivate are private attributes known to hold no identity: physics of
// the acquisition that research needs. By creator, then group and the two low
// digits of the element. The list is ours, of well-known attributes; a block
// that a file declares safe by (0008,0300) is kept besides.
func safePrivate(creator string) string {
	switch strings.ToUpper(creator) {
	case "PHILIPS PET PRIVATE GROUP":
		return "7053:00 7053:09" // SUV and activity concentration factors
	case "PHILIPS IMAGING DD 001":
		return "2001:03 2001:04" // diffusion b-factor and direction
	case "PHILIPS MR IMAGING DD 001":
		return "2005:0D 2005:0E" // scale intercept and slope
	case "SIEMENS MR HEADER":
		return "0019:0C 0019:0D 0019:0E 0019:27" // b-value, directionality, gradient direction, b-matrix
	case "GEMS_ACQU_01":
		return "0019:23 0019:24 0019:27 0019:9E" // table speed, mid scan time, rotation speed, pulse sequence
	case "GEMS_PARM_01":
		return "0043:27 0043:39 0043:6F" // pitch ratio, b-value, table entry
	case "GEMS_SERS_01":
		return "0025:07" // images in series
	case "GEMS_HELIOS_01":
		return "0045:01 0045:02" // detector rows, macro width
	case "ELSCINT1":
		return "00E1:21 01E1:26 01E1:50 01F1:01 01F1:07 01F1:26 01F1:27" // dose, phantom, duration, type, velocity, pitch, rotation
	}
	return ""
}

// private decides about a private element: without the option it goes.
func (w *dicomRewriter) private(e *dicom.Element) dicomAction {
	if !w.p.has(retainSafePrivate) {
		return dicomRemove
	}
	if e.Tag.Creator() {
		return w.creator(e)
	}
	creator, reserved := w.scope().blocks[blockOf(e.Tag)]
	if reserved && e.Kind == dicom.Value && w.facts.safeElement(creator, e.Tag) {
		return dicomSafeText
	}
	return dicomRemove
}

// creator keeps the reservation of a block that has safe elements.
func (w *dicomRewriter) creator(e *dicom.Element) dicomAction {
	if e.Kind != dicom.Value || e.Length > 64 {
		return dicomRemove
	}
	b, err := w.r.Bytes()
	if err != nil {
		return dicomRemove
	}
	name := string(trimmed(b))
	if safePrivate(name) == "" && !w.facts.declares(name, e.Tag.Group()) {
		return dicomRemove
	}
	s := w.scope()
	if s.blocks == nil {
		s.blocks = map[dicom.Tag]string{}
	}
	s.blocks[e.Tag&0xFFFF00FF] = name
	return dicomKeep
}

// blockOf is the tag that reserves the block of a private element.
func blockOf(t dicom.Tag) dicom.Tag { return t&0xFFFF0000 | t>>8&0xFF }

func (f *dicomFacts) declares(creator string, group uint16) bool {
	for _, b := range f.safe {
		if b.group == group && b.creator == creator && (b.all || len(b.safe) > 0) {
			return true
		}
	}
	return false
}

func (f *dicomFacts) safeElement(creator string, t dicom.Tag) bool {
	key := t.String() // (GGGG,EEEE)
	if strings.Contains(" "+safePrivate(creator)+" ", " "+key[1:5]+":"+key[8:10]+" ") {
		return true
	}
	for _, b := range f.safe {
		if b.group != t.Group() || b.creator != creator {
			continue
		}
		if b.all {
			return true
		}
		for _, low := range b.safe {
			if low == uint16(t)&0xFF {
				return true
			}
		}
	}
	return false
}
