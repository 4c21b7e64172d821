// Package table reads data that is text: CSV and its relatives, JSON and
// NDJSON, XML, HTML, SQL dumps, RTF, vCards and calendars. It gives [Readers];
// each value comes with what the file calls it (the column's heading, the key,
// the element) and with the row or object it belongs to.
//
// What it guarantees. Files of any size are read as they come, in memory that
// does not grow with them; a line, key or nesting beyond its bound is reported
// and passed over. Charsets are those of the package classify. What it does not
// do: it checks no grammar beyond what it needs to tell values apart, so a file
// that is damaged is read as far as it makes sense.
package table

import (
	"bytes"
	"strings"

	"github.com/cordon-health/cordon/classify"
)

const (
	// blockBytes is how much is read at once.
	blockBytes = 256 << 10
	// valueMost is the longest value given as one; longer ones come in pieces,
	// or, where their end decides what they are, not at all.
	valueMost = 1 << 20
	// fieldsMost is how many columns of a row are told apart.
	fieldsMost = 16384
	// pathsMost is how many different places are remembered by name.
	pathsMost = 1 << 14
)

// Readers lists the readers of this package. The most particular come first:
// each claims what its beginning or its name says.
func Readers() []classify.Reader {
	return []classify.Reader{cardReader{}, rtfReader{}, sqlReader{}, htmlReader{}, xmlReader{}, jsonReader{}, csvReader{}}
}

// ends says whether a name has one of the suffixes.
func ends(name string, suffixes ...string) bool {
	name = strings.ToLower(name)
	for _, s := range suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// begins is the text of a head without space before it, in lower case as far
// as it decides anything; nil where it is no text.
func begins(head []byte) []byte {
	text, ok := classify.TextBegins(head)
	if !ok {
		return nil
	}
	return bytes.TrimLeft(text, " \t\r\n")
}

// plainNumber says whether a value is a number too short to be anybody's.
func plainNumber(b []byte) bool {
	if len(b) > 4 {
		return false
	}
	for _, c := range b {
		if (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
