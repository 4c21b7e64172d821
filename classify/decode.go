package classify

// Charset is an encoding of text.
type Charset uint8

// The charsets text is read in.
const (
	UTF8 Charset = iota
	UTF16LE
	UTF16BE
	GB18030
	Binary // no text
)
