package table

import (
	"github.com/cordon-health/cordon/classify"
)

// keyIs takes the name of a member. Names may tell as much as values: each that
// is no plain word is given as a text of its own, once.
func (j *jsonWalk) keyIs(b []byte, at int64) error {
	j.key = false
	n := len(j.stack)
	if n == 0 {
		return nil
	}
	j.room = unescapeJSON(j.room[:0], b)
	j.stack[n-1].key = j.name(j.room)
	if plainKey(j.room) || j.keys[string(j.room)] {
		return nil
	}
	if len(j.keys) < pathsMost {
		j.keys[string(j.room)] = true
	}
	p := classify.Part{Path: j.name(j.path), Record: j.record, Offset: -1, Wide: len(j.room) != len(b), Text: j.room}
	if j.exact {
		p.Offset = at
	}
	return j.out.Part(p)
}

// plainKey says whether a key is a word as programs name things, or a short one
// of Chinese: nothing to look for.
func plainKey(b []byte) bool {
	digits, wide := 0, 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 0x80:
			wide++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-', c == '.', c == '$':
		default:
			return false
		}
	}
	return len(b) <= 40 && digits <= 3 && wide <= 12
}

// long gives a string that comes in pieces. One that is the base64 of a file is
// a member too, which takes each piece as it comes.
func (j *jsonWalk) long(b []byte, at int64) error {
	j.ended = j.in.eof && j.in.at >= len(j.in.buf)
	p := j.part(b, at)
	start, encoded := classify.Encoded(p.Text)
	if !encoded {
		if err := j.out.Part(p); err != nil {
			return err
		}
		for {
			b, at, ok := j.piece()
			if !ok {
				return nil
			}
			if err := j.value(b, at); err != nil {
				return err
			}
		}
	}
	var failed error
	next := func() []byte {
		b, at, ok := j.piece()
		if !ok || failed != nil {
			return nil
		}
		p := j.part(b, at)
		p.Unpacked = true
		if failed = j.out.Part(p); failed != nil {
			return nil
		}
		return p.Text
	}
	p.Unpacked = true
	if err := j.out.Part(p); err != nil {
		return err
	}
	err := j.out.Member(p.Path+"/base64", classify.Decoded(p.Text[start:], next))
	for failed == nil && next() != nil { // what the member did not take is still text
		continue
	}
	if failed == nil && err != nil && !classify.Full(err) {
		failed = err
	}
	return failed
}

// piece is the next one of a string that is not at its end.
func (j *jsonWalk) piece() (b []byte, at int64, ok bool) {
	if j.ended {
		return nil, 0, false
	}
	end, whole := j.stringEnd()
	b, at = j.in.buf[j.in.at:end], j.in.base+int64(j.in.at)
	j.in.at = end
	if whole {
		j.in.at++
	}
	j.ended = whole || j.in.eof && j.in.at >= len(j.in.buf)
	return b, at, len(b) > 0
}
