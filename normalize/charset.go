package normalize

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// markless reads a stream without its byte order mark, and UTF-16 as UTF-8.
func markless(r io.Reader) io.Reader {
	br := bufio.NewReader(r)
	head, _ := br.Peek(3)
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		br.Discard(3) //nolint:errcheck // they were peeked
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return transform.NewReader(br, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder())
	}
	return br
}

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
