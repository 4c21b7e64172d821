package normalize

import (
	"bytes"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// eachJSON hands out the JSON values of an input one by one: a lone value,
// values one after another (NDJSON, however it is indented) or the elements
// of arrays. value returns an error, and has done nothing, where the text is
// not JSON; that text is handed to bad up to the next line that begins a
// value, with what is wrong, and reading goes on there.
//
// A line that looks like a whole object is handed out unchecked first, which
// saves NDJSON a second pass over the text.
func eachJSON(data []byte, value func(item []byte) error, bad func(item []byte, reason string)) {
	for {
		data = bytes.TrimLeft(data, " \t\r\n")
		if len(data) == 0 {
			return
		}
		if line, rest, _ := bytes.Cut(data, []byte{'\n'}); wholeObject(line) && value(line) == nil {
			data = rest
			continue
		}
		data = nextJSON(data, value, bad)
	}
}

func wholeObject(line []byte) bool {
	line = bytes.TrimRight(line, " \t\r")
	return len(line) > 1 && line[0] == '{' && line[len(line)-1] == '}'
}

// nextJSON takes the value or array data begins with.
func nextJSON(data []byte, value func([]byte) error, bad func([]byte, string)) (rest []byte) {
	var s jsonscan.Scanner
	s.Reset(data)
	item := s.Raw()
	if err := s.Err(); err != nil {
		n := nextValue(data)
		bad(data[:n], err.Error())
		return data[n:]
	}
	end := s.Pos()
	if data[0] != '[' {
		tell(item, value, bad)
		return data[end:]
	}
	s.Reset(data)
	for l := s.List(); s.More(&l); {
		tell(s.Raw(), value, bad)
	}
	return data[end:]
}

func tell(item []byte, value func([]byte) error, bad func([]byte, string)) {
	if err := value(item); err != nil {
		bad(item, err.Error())
	}
}

// nextValue is where the next line that begins with an object or array starts.
func nextValue(data []byte) int {
	for at := 0; ; {
		n := bytes.IndexByte(data[at:], '\n')
		if n < 0 || at+n+1 >= len(data) {
			return len(data)
		}
		at += n + 1
		if data[at] == '{' || data[at] == '[' {
			return at
		}
	}
}
