package normalize

import (
	"bytes"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// eachJSON hands out the JSON values of an input one by one: a lone value,
// values one after another (NDJSON, however it is indented) or the elements
// of arrays. Text that is not JSON is handed to bad up to the next line that
// begins a value, with what is wrong; reading goes on there.
func eachJSON(data []byte, value func(item []byte), bad func(item []byte, reason string)) {
	var s jsonscan.Scanner
	for {
		data = bytes.TrimLeft(data, " \t\r\n")
		if len(data) == 0 {
			return
		}
		if data[0] == '[' {
			if rest, ok := eachElement(data, value); ok {
				data = rest
				continue
			}
		}
		s.Reset(data)
		item := s.Raw()
		if err := s.Err(); err != nil {
			n := nextValue(data)
			bad(data[:n], err.Error())
			data = data[n:]
			continue
		}
		value(item)
		data = data[s.Pos():]
	}
}

// eachElement hands out the elements of the array data begins with, unless
// it is broken.
func eachElement(data []byte, value func(item []byte)) (rest []byte, ok bool) {
	var s jsonscan.Scanner
	s.Reset(data)
	s.Skip()
	if s.Err() != nil {
		return data, false
	}
	end := s.Pos()
	s.Reset(data)
	for l := s.List(); s.More(&l); {
		value(s.Raw())
	}
	return data[end:], true
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
