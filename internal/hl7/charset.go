package hl7

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// escapeSequence begins a change of the character set in ISO 2022.
const escapeSequence = 0x1b

// Decode brings one message to UTF-8. It follows MSH-18 (HL7 table 0211);
// where that is empty, unknown or plainly wrong, text that is not UTF-8 is
// taken for GB18030. It must come before Parse: in GB18030 the second byte of
// a character may look like a delimiter.
func Decode(msg []byte) []byte {
	if wide(msg) {
		return decode(unicode.UTF16(unicode.BigEndian, unicode.UseBOM), msg)
	}
	msg = trimFrame(msg)
	if utf8.Valid(msg) && bytes.IndexByte(msg, escapeSequence) < 0 {
		return msg
	}
	if e := encodingOf(Charset(msg)); e != nil {
		return decode(e, msg)
	}
	if utf8.Valid(msg) {
		return msg
	}
	return decode(simplifiedchinese.GB18030, msg)
}

// wide says whether a message is UTF-16 with a byte order mark.
func wide(msg []byte) bool {
	return bytes.HasPrefix(msg, []byte("\xff\xfe")) || bytes.HasPrefix(msg, []byte("\xfe\xff"))
}

func decode(e encoding.Encoding, msg []byte) []byte {
	text, err := e.NewDecoder().Bytes(msg)
	if err != nil {
		return msg
	}
	return trimFrame(text)
}

// Charset is MSH-18 as the sender wrote it, first repetition.
func Charset(msg []byte) string {
	msg = trimFrame(msg)
	d, ok := readDelimiters(msg)
	if !ok {
		return ""
	}
	line, _ := CutLine(msg)
	return Segment{raw: line, delims: &d}.Text(18)
}

// encodingOf knows the names of HL7 table 0211 and their usual misspellings.
// It returns nil for ASCII, UTF-8 and the unknown.
func encodingOf(name string) encoding.Encoding {
	key := strings.Map(func(r rune) rune {
		if r < 0x80 && isAlnum(byte(r)) {
			return r
		}
		return -1
	}, strings.ToUpper(name))
	switch {
	case strings.HasPrefix(key, "GB"), key == "CP936":
		return simplifiedchinese.GB18030
	case strings.HasPrefix(key, "BIG5"), strings.HasPrefix(key, "CNS11643"):
		return traditionalchinese.Big5
	case strings.HasPrefix(key, "KS"), strings.HasPrefix(key, "EUCKR"):
		return korean.EUCKR
	case key == "ISOIR14":
		return japanese.ShiftJIS
	case strings.HasPrefix(key, "ISOIR"):
		return japanese.ISO2022JP
	case strings.HasPrefix(key, "EUCJP"):
		return japanese.EUCJP
	case strings.HasPrefix(key, "WINDOWS1252"), strings.HasPrefix(key, "CP1252"):
		return charmap.Windows1252
	}
	if _, part, ok := strings.Cut(key, "8859"); ok {
		return latin(strings.TrimLeft(part, "0"))
	}
	return nil
}

// latin is the part of ISO 8859 with a number.
func latin(part string) encoding.Encoding {
	switch part {
	case "1":
		return charmap.ISO8859_1
	case "2":
		return charmap.ISO8859_2
	case "3":
		return charmap.ISO8859_3
	case "4":
		return charmap.ISO8859_4
	case "5":
		return charmap.ISO8859_5
	case "6":
		return charmap.ISO8859_6
	case "7":
		return charmap.ISO8859_7
	case "8":
		return charmap.ISO8859_8
	case "9":
		return charmap.ISO8859_9
	case "15":
		return charmap.ISO8859_15
	}
	return nil
}

// Encoding is the character set [Decode] reads a message in; nil for UTF-8,
// and for UTF-16, which a whole file has.
func Encoding(msg []byte) encoding.Encoding {
	msg = trimFrame(msg)
	if utf8.Valid(msg) && bytes.IndexByte(msg, escapeSequence) < 0 {
		return nil
	}
	if e := encodingOf(Charset(msg)); e != nil {
		return e
	}
	if utf8.Valid(msg) {
		return nil
	}
	return simplifiedchinese.GB18030
}
