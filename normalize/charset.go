package normalize

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// utf8Text brings text to UTF-8 without a byte order mark. Text that is not
// valid UTF-8 is taken for GB18030 (which contains GBK and GB 2312), the
// encoding of most Chinese devices; UTF-16 is recognised by its mark. What
// even GB18030 cannot read stays as it is and ends in a reject.
func utf8Text(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		d := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()
		if text, err := d.Bytes(data); err == nil {
			return text
		}
		return data
	}
	if utf8.Valid(data) {
		return data
	}
	if text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data); err == nil {
		return text
	}
	return data
}
