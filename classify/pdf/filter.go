package pdf

import (
	"bytes"
	"compress/lzw"
	"compress/zlib"
	"encoding/ascii85"
	"encoding/hex"
	"errors"
	"io"

	"github.com/cordon-health/cordon/classify"
)

// unpackedMost bounds one stream, unpacked.
const unpackedMost = 128 << 20

// unpack undoes the filters of a stream up to one that packs images; what
// could be unpacked before an error is given with it.
func (f *file) unpack(s stream) ([]byte, error) {
	b := s.raw
	filters := f.list(s.dict["Filter"])
	params := f.list(s.dict["DecodeParms"])
	for i, v := range filters {
		kind, _ := f.get(v).(name)
		var p dict
		if i < len(params) {
			p = f.dict(params[i])
		}
		var err error
		if b, err = f.filter(string(kind), p, b); err != nil {
			return b, err
		}
	}
	return b, nil
}

// list makes an array of one value, too.
func (f *file) list(v any) array {
	switch v := f.get(v).(type) {
	case nil:
		return nil
	case array:
		return v
	default:
		return array{v}
	}
}

func (f *file) filter(kind string, p dict, b []byte) ([]byte, error) {
	switch kind {
	case "FlateDecode", "Fl":
		r, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, classify.Damaged
		}
		out, err := f.all(r)
		return predicted(out, p), err
	case "LZWDecode", "LZW":
		r := lzw.NewReader(bytes.NewReader(b), lzw.MSB, 8)
		defer r.Close()
		out, err := f.all(r)
		return predicted(out, p), err
	case "ASCII85Decode", "A85":
		b = bytes.TrimSuffix(bytes.TrimSpace(b), []byte("~>"))
		return f.all(ascii85.NewDecoder(bytes.NewReader(b)))
	case "ASCIIHexDecode", "AHx":
		b = bytes.TrimSuffix(bytes.TrimSpace(b), []byte(">"))
		return f.all(hex.NewDecoder(bytes.NewReader(b)))
	case "RunLengthDecode", "RL":
		return f.all(bytes.NewReader(runLengths(b)))
	case "Crypt":
		return b, nil
	}
	return b, errImage
}

// errImage stops at what is packed as an image.
var errImage = errors.New("packed as an image")

// all reads what a filter gives, within the bounds of the stream and the file.
func (f *file) all(r io.Reader) ([]byte, error) {
	most := min(unpackedMost, f.budget)
	b, err := io.ReadAll(io.LimitReader(r, most))
	f.budget -= int64(len(b))
	switch {
	case int64(len(b)) >= most:
		return b, classify.TooLarge
	case err != nil && len(b) > 0:
		return b, nil // damaged at its end, as many files are
	case err != nil:
		return nil, classify.Damaged
	}
	return b, nil
}

func runLengths(b []byte) []byte {
	var out []byte
	for len(b) > 1 && len(out) < unpackedMost {
		n := int(b[0])
		switch {
		case n == 128:
			return out
		case n < 128:
			k := min(n+1, len(b)-1)
			out, b = append(out, b[1:1+k]...), b[1+k:]
		default:
			out, b = append(out, bytes.Repeat(b[1:2], 257-n)...), b[2:]
		}
	}
	return out
}

// predicted undoes the predictors of PNG.
func predicted(b []byte, p dict) []byte {
	if toInt(p["Predictor"]) < 10 {
		return b
	}
	columns, colors, bits := toInt(p["Columns"]), toInt(p["Colors"]), toInt(p["BitsPerComponent"])
	if columns <= 0 {
		columns = 1
	}
	colors, bits = max(colors, 1), max(bits, 8)
	if columns > 1<<20 || colors > 32 || bits > 16 {
		return b
	}
	row, step := (columns*colors*bits+7)/8, max(1, colors*bits/8)
	var out []byte
	last := make([]byte, row)
	for len(b) > 1 {
		n := min(row, len(b)-1)
		line := append([]byte(nil), b[1:1+n]...)
		unfilter(b[0], line, last, step)
		out = append(out, line...)
		copy(last, line)
		b = b[1+n:]
	}
	return out
}

func unfilter(kind byte, line, last []byte, step int) {
	for i := range line {
		var left, up, corner byte
		if i >= step {
			left, corner = line[i-step], last[i-step]
		}
		up = last[i]
		switch kind {
		case 1:
			line[i] += left
		case 2:
			line[i] += up
		case 3:
			line[i] += byte((int(left) + int(up)) / 2)
		case 4:
			line[i] += paeth(left, up, corner)
		}
	}
}

func paeth(a, b, c byte) byte {
	p := int(a) + int(b) - int(c)
	pa, pb, pc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
