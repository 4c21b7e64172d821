package evtx

// Values: what stands at their places, in JSON and as plain text.

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// The kinds of values. With the bit array it is a list of them.
const (
	kindNull     = 0x00
	kindString   = 0x01
	kindANSI     = 0x02
	kindInt8     = 0x03
	kindUint8    = 0x04
	kindInt16    = 0x05
	kindUint16   = 0x06
	kindInt32    = 0x07
	kindUint32   = 0x08
	kindInt64    = 0x09
	kindUint64   = 0x0a
	kindReal32   = 0x0b
	kindReal64   = 0x0c
	kindBool     = 0x0d
	kindBinary   = 0x0e
	kindGUID     = 0x0f
	kindSize     = 0x10
	kindFileTime = 0x11
	kindSysTime  = 0x12
	kindSID      = 0x13
	kindHex32    = 0x14
	kindHex64    = 0x15
	kindHandle   = 0x20
	kindFragment = 0x21
	kindXML      = 0x23

	array = 0x80
)

// size is how many bytes a value of a kind has, 0 where that varies.
func size(kind byte) int {
	switch kind {
	case kindInt8, kindUint8:
		return 1
	case kindInt16, kindUint16:
		return 2
	case kindInt32, kindUint32, kindReal32, kindBool, kindHex32:
		return 4
	case kindInt64, kindUint64, kindReal64, kindFileTime, kindHex64:
		return 8
	case kindGUID, kindSysTime:
		return 16
	}
	return 0
}

// appendJSON appends a value in its own form.
func (c *chunk) appendJSON(dst []byte, v value) ([]byte, error) {
	data := c.data[v.pos:v.end]
	kind := v.kind &^ array
	if v.kind&array == 0 {
		return appendOne(dst, kind, data)
	}
	dst = append(dst, '[')
	for first := true; len(data) > 0; first = false {
		n, err := item(kind, data)
		if err != nil {
			return dst, err
		}
		if !first {
			dst = append(dst, ',')
		}
		if dst, err = appendOne(dst, kind, data[:n]); err != nil {
			return dst, err
		}
		data = data[n:]
	}
	return append(dst, ']'), nil
}

// item is how many bytes the first value of a list has.
func item(kind byte, data []byte) (int, error) {
	n := size(kind)
	switch kind {
	case kindString:
		for n = 0; n+1 < len(data) && (data[n] != 0 || data[n+1] != 0); n += 2 {
		}
		n = min(n+2, len(data))
	case kindANSI:
		for n = 0; n < len(data) && data[n] != 0; n++ {
		}
		n = min(n+1, len(data))
	case kindSID:
		if len(data) > 1 {
			n = 8 + 4*int(data[1])
		}
	case kindSize:
		if n = 8; len(data)%8 != 0 {
			n = 4
		}
	}
	if n == 0 || n > len(data) {
		return 0, fmt.Errorf("a list of kind %#x does not come out even", kind)
	}
	return n, nil
}

// appendText appends a value as it reads within a text.
func (c *chunk) appendText(dst []byte, v value) []byte {
	if v.kind == kindString {
		return appendUTF16(dst, c.data[v.pos:v.end])
	}
	out, err := c.appendJSON(nil, v)
	if err != nil {
		return dst
	}
	if s, err := strconv.Unquote(string(out)); err == nil && len(out) > 0 && out[0] == '"' {
		return append(dst, s...)
	}
	return append(dst, out...)
}

// appendOne appends one value.
func appendOne(dst []byte, kind byte, data []byte) ([]byte, error) {
	if len(data) == 0 {
		return append(dst, "null"...), nil
	}
	if n := size(kind); n > 0 && n != len(data) {
		return dst, fmt.Errorf("a value of kind %#x has %d bytes", kind, len(data))
	}
	le := binary.LittleEndian
	switch kind {
	case kindString, kindXML:
		return appendWideString(dst, data), nil
	case kindANSI:
		return appendString(dst, latin(data)), nil
	case kindInt8:
		return strconv.AppendInt(dst, int64(int8(data[0])), 10), nil
	case kindUint8:
		return strconv.AppendUint(dst, uint64(data[0]), 10), nil
	case kindInt16:
		return strconv.AppendInt(dst, int64(int16(le.Uint16(data))), 10), nil
	case kindUint16:
		return strconv.AppendUint(dst, uint64(le.Uint16(data)), 10), nil
	case kindInt32:
		return strconv.AppendInt(dst, int64(int32(le.Uint32(data))), 10), nil
	case kindUint32:
		return strconv.AppendUint(dst, uint64(le.Uint32(data)), 10), nil
	case kindInt64:
		return strconv.AppendInt(dst, int64(le.Uint64(data)), 10), nil
	case kindUint64:
		return strconv.AppendUint(dst, le.Uint64(data), 10), nil
	case kindReal32:
		return appendReal(dst, float64(math.Float32frombits(le.Uint32(data))), 32), nil
	case kindReal64:
		return appendReal(dst, math.Float64frombits(le.Uint64(data)), 64), nil
	case kindBool:
		return strconv.AppendBool(dst, le.Uint32(data) != 0), nil
	}
	return appendSpecial(dst, kind, data)
}

// appendSpecial appends values that JSON has only as text.
func appendSpecial(dst []byte, kind byte, data []byte) ([]byte, error) {
	le := binary.LittleEndian
	dst = append(dst, '"')
	switch kind {
	case kindBinary:
		dst = appendHex(dst, data)
	case kindGUID:
		dst = appendGUID(dst, data)
	case kindSize, kindHex32, kindHex64, kindHandle:
		var n uint64
		switch len(data) {
		case 4:
			n = uint64(le.Uint32(data))
		case 8:
			n = le.Uint64(data)
		default:
			return dst, fmt.Errorf("a value of kind %#x has %d bytes", kind, len(data))
		}
		dst = strconv.AppendUint(append(dst, "0x"...), n, 16)
	case kindFileTime:
		dst = appendFileTime(dst, le.Uint64(data))
	case kindSysTime:
		dst = appendSysTime(dst, data)
	case kindSID:
		var err error
		if dst, err = appendSID(dst, data); err != nil {
			return dst, err
		}
	default:
		return dst, fmt.Errorf("a value of the unknown kind %#x", kind)
	}
	return append(dst, '"'), nil
}

func appendReal(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(strconv.AppendFloat(append(dst, '"'), f, 'g', -1, bits), '"')
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

func appendHex(dst, data []byte) []byte {
	from := len(dst)
	dst = hex.AppendEncode(dst, data)
	for i := from; i < len(dst); i++ {
		if dst[i] >= 'a' {
			dst[i] -= 'a' - 'A'
		}
	}
	return dst
}

func appendGUID(dst, b []byte) []byte {
	dst = appendHex(dst, []byte{b[3], b[2], b[1], b[0]})
	dst = appendHex(append(dst, '-'), []byte{b[5], b[4]})
	dst = appendHex(append(dst, '-'), []byte{b[7], b[6]})
	dst = appendHex(append(dst, '-'), b[8:10])
	return appendHex(append(dst, '-'), b[10:16])
}

// appendFileTime appends a time that counts tenths of microseconds since 1601.
func appendFileTime(dst []byte, ticks uint64) []byte {
	const second, since = 10_000_000, 11_644_473_600
	t := time.Unix(int64(ticks/second)-since, int64(ticks%second)*100).UTC()
	return t.AppendFormat(dst, "2006-01-02T15:04:05.0000000Z")
}

func appendSysTime(dst, b []byte) []byte {
	at := func(i int) int { return int(binary.LittleEndian.Uint16(b[2*i:])) }
	t := time.Date(at(0), time.Month(at(1)), at(3), at(4), at(5), at(6), at(7)*1e6, time.UTC)
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

func appendSID(dst, b []byte) ([]byte, error) {
	if len(b) < 8 || len(b) != 8+4*int(b[1]) {
		return dst, errors.New("a SID has the wrong length")
	}
	dst = strconv.AppendUint(append(dst, "S-"...), uint64(b[0]), 10)
	var authority uint64
	for _, x := range b[2:8] {
		authority = authority<<8 | uint64(x)
	}
	dst = strconv.AppendUint(append(dst, '-'), authority, 10)
	for i := 8; i < len(b); i += 4 {
		dst = strconv.AppendUint(append(dst, '-'), uint64(binary.LittleEndian.Uint32(b[i:])), 10)
	}
	return dst, nil
}

func utf16Text(data []byte) string { return string(appendUTF16(nil, data)) }

// appendUTF16 appends a text, without the NULs at its end. A half of a pair
// alone becomes U+FFFD.
func appendUTF16(dst, data []byte) []byte {
	n := len(data) &^ 1
	for n > 0 && data[n-1] == 0 && data[n-2] == 0 {
		n -= 2
	}
	for i := 0; i < n; i += 2 {
		u := rune(data[i]) | rune(data[i+1])<<8
		if u < utf8.RuneSelf {
			dst = append(dst, byte(u))
			continue
		}
		if utf16.IsSurrogate(u) {
			next := rune(0)
			if i+3 < n {
				next = rune(data[i+2]) | rune(data[i+3])<<8
			}
			if u = utf16.DecodeRune(u, next); u != utf8.RuneError {
				i += 2
			}
		}
		dst = utf8.AppendRune(dst, u)
	}
	return dst
}

// appendWideString appends a text as a JSON string. Most are plain.
func appendWideString(dst, data []byte) []byte {
	from := len(dst)
	dst = append(dst, '"')
	for i := 0; i+1 < len(data); i += 2 {
		c := data[i]
		if data[i+1] != 0 || c < 0x20 || c >= utf8.RuneSelf || c == '"' {
			return appendString(dst[:from], appendUTF16(nil, data))
		}
		if c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// latin reads text of the code page that Windows' western editions have, whose
// few letters between 0x80 and 0x9f become U+FFFD.
func latin(data []byte) []byte {
	for len(data) > 0 && data[len(data)-1] == 0 {
		data = data[:len(data)-1]
	}
	var out []byte
	for _, b := range data {
		r := rune(b)
		if b >= 0x80 && b < 0xa0 {
			r = utf8.RuneError
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// appendString appends a JSON string of valid UTF-8.
func appendString[T string | []byte](dst []byte, s T) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		b := s[i]
		if b >= 0x20 && b != '"' && b != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[b>>4], digits[b&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}
