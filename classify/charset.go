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

// String is the charset's usual name.
func (c Charset) String() string {
	return [...]string{"utf-8", "utf-16le", "utf-16be", "gb18030", "binary"}[min(c, Binary)]
}
