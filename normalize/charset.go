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
	if damaged(data) {
		return bytes.ToValidUTF8(data, []byte("\ufffd"))
	}
	if text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data); err == nil {
		return text
	}
	return data
}

// utf8Records brings records to UTF-8 one by one, so that one in another
// encoding, or with a broken byte, does not garble the others. Lines are told
// apart safely: no character of UTF-8 or GB18030 contains a line feed.
func utf8Records(data []byte) []byte {
	if utf8.Valid(data) {
		return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	}
	first := bytes.TrimLeft(data, " \t\r\n")
	if bytes.HasPrefix(first, []byte("<")) || bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return utf8Text(data)
	}
	json := beginsValue(first)
	text := make([]byte, 0, len(data)+len(data)/2)
	for len(data) > 0 {
		n := recordLines(data, json)
		text = append(text, utf8Text(data[:n])...)
		data = data[n:]
	}
	return text
}

// recordLines is the length of the first line, in JSON with those after it
// that begin no value.
func recordLines(data []byte, json bool) int {
	for end := 0; ; {
		n := bytes.IndexByte(data[end:], '\n')
		if n < 0 {
			return len(data)
		}
		end += n + 1
		if !json || end == len(data) || beginsValue(bytes.TrimLeft(data[end:], " \t")) {
			return end
		}
	}
}

func beginsValue(text []byte) bool { return len(text) > 0 && (text[0] == '{' || text[0] == '[') }

// damaged says that invalid text is UTF-8 all the same, with a few broken
// bytes: in GB18030 hardly three bytes in a row look like a character of UTF-8.
func damaged(data []byte) bool {
	good, bad := 0, 0
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 2:
			good++
		}
		data = data[n:]
	}
	return good > bad
}
