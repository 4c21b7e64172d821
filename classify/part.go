package classify

import (
	"context"
	"io"
)

// Part is a piece of a file's content, brought to UTF-8 text.
type Part struct {
	// Path is where it is inside the file, in the format's own words:
	// "PID-5", "(0010,0010)", "Patient.name[0].family", "Sheet1!C7",
	// "page 3", "patients.phone"; empty for plain text.
	Path string
	// Field is what the format calls the value, for people and for labels: the
	// column's heading, the attribute's keyword; empty where there is none.
	Field string
	// Kind is what the format itself says the value is, None where it says
	// nothing.
	Kind Kind
	// Confidence is how sure the reader is of Kind, in percent, where it had to
	// judge; 0 leaves that to the engine.
	Confidence uint8
	// Record numbers the row, message or resource it belongs to, from 1; 0
	// where there are none. Values of one record are about one person.
	Record int64
	// Column is true where Path names a column of a table, the same for all its
	// cells ("Sheet1!C", "patients.phone"), and Record is the row. Columns are
	// also judged as a whole: by what most of their cells are, and by how
	// seldom their values repeat.
	Column bool
	// Offset is where Text begins in the file in bytes, -1 where that has no
	// meaning (compressed, decoded). Wide is true where a byte of Text is not a
	// byte of the file, and only the offset of the whole part is right.
	Offset int64
	Wide   bool
	// Unpacked is true where Text is a piece of an encoded file that the reader
	// gives as a member too.
	Unpacked bool
	// Text is valid until the sink returns.
	Text []byte
}

// Source is an open file: on disk, in memory, inside an archive.
type Source interface {
	io.ReaderAt
	Size() int64
	// Name is its base name, for guesses by extension.
	Name() string
}

// Sink takes what a reader finds. An error of Part or Member ends the reading
// and is returned by Read unchanged.
type Sink interface {
	Part(Part) error
	// Member hands over a file inside this one: an archive's member, an
	// attachment, an embedded document. The caller caps depth, size and ratio.
	Member(name string, r io.Reader) error
	// Unread says what could not be read and why, without any value; the
	// reading goes on where it can. Path as in Part.
	Unread(path string, why error)
}

// Reader reads one family of formats by structure.
type Reader interface {
	// Name is the format's name: "xlsx", "hl7v2".
	Name() string
	// Claims says whether this is its format, by the first bytes (up to 4 KiB)
	// and the name. Readers are asked in the order of their list; the first
	// that claims reads.
	Claims(name string, head []byte) bool
	// Read gives all parts in order. It bounds its memory whatever the file
	// says about itself, and ends with ctx.
	Read(ctx context.Context, src Source, out Sink) error
}
