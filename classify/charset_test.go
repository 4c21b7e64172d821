package classify

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// inCharset writes a text in a charset.
func inCharset(t testing.TB, text string, c Charset) []byte {
	t.Helper()
	if c == GB18030 {
		out, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var out []byte
	for _, u := range utf16.Encode([]rune(text)) {
		if c == UTF16LE {
			out = binary.LittleEndian.AppendUint16(out, u)
		} else {
			out = binary.BigEndian.AppendUint16(out, u)
		}
	}
	return out
}
