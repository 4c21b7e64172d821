// Package jsonlines gives JSON values a line each, however they were laid out:
// lines already (NDJSON), an array, objects over several lines, or one object.
//
// What it gives: a [Reader] whose bytes are NDJSON. It looks at the beginning
// to tell which of them it reads. NDJSON passes through as it is, bad lines and
// all; the elements of an array and objects over several lines become lines in
// their order, so that the n-th line is the n-th value.
//
// What it guarantees: memory does not grow with the input, and no value gets
// longer. A value is not judged: what is not JSON comes out as a line that is
// not JSON either, never as two that are.
//
// What it does not do: find its way back after brackets that do not match; the
// rest is then one long line.
package jsonlines

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// peeked is how much of the beginning is looked at, in bytes.
const peeked = 64 << 10

// Reader reads values and gives lines.
type Reader struct {
	in    *bufio.Reader
	plain bool // lines already

	array  bool // within an array around the values, which is dropped
	depth  int  // open brackets
	quoted bool
	escape bool
	inside bool // a value has begun and not ended
	due    bool // a line has to end
}

// NewReader looks at the beginning of r. A byte order mark is dropped.
func NewReader(r io.Reader) (*Reader, error) {
	in := bufio.NewReaderSize(r, peeked)
	head, err := in.Peek(peeked)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if bom := []byte("\xef\xbb\xbf"); bytes.HasPrefix(head, bom) {
		if _, err := in.Discard(len(bom)); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		head = head[len(bom):]
	}
	head = bytes.TrimLeft(head, " \t\r\n")
	out := &Reader{in: in, plain: true}
	switch {
	case len(head) == 0:
	case head[0] == '[':
		out.plain = false
	case head[0] == '{':
		out.plain = closed(head)
	}
	return out, nil
}

// Lines says that the input is lines already, so that its lines are counted.
func (r *Reader) Lines() bool { return r.plain }

// closed says that the first line is a value of its own, or at least no
// beginning of one.
func closed(head []byte) bool {
	line, _, whole := bytes.Cut(head, []byte("\n"))
	if !whole {
		return len(head) >= peeked-4 || json.Valid(head)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	var v json.RawMessage
	err := d.Decode(&v)
	return err == nil || !errors.Is(err, io.ErrUnexpectedEOF)
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	if r.plain {
		return r.in.Read(p)
	}
	for n := 0; ; {
		if n == len(p) || n > 0 && !r.due && r.in.Buffered() == 0 {
			return n, nil
		}
		if r.due {
			r.due, p[n] = false, '\n'
			n++
			continue
		}
		c, err := r.in.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && r.inside:
			r.inside, r.due = false, true
		case err != nil:
			return n, err
		default:
			if c, ok := r.next(c); ok {
				p[n] = c
				n++
			}
		}
	}
}

// next says what becomes of a byte.
func (r *Reader) next(c byte) (out byte, ok bool) {
	if r.quoted {
		return r.text(c), true
	}
	switch c {
	case '\n', '\r', '\t', ' ':
		return ' ', r.inside
	case '"':
		r.quoted = true
	case '{', '[':
		if c == '[' && r.depth == 0 && !r.inside {
			r.array, r.depth = true, 1
			return 0, false
		}
		r.depth++
	case '}', ']':
		return r.end(c)
	case ',':
		if r.array && r.depth == 1 {
			r.finish()
			return 0, false
		}
	}
	r.inside = true
	return c, true
}

// text passes a byte of a string; a line break there is no JSON and stays none.
func (r *Reader) text(c byte) byte {
	switch {
	case r.escape:
		r.escape = false
	case c == '\\':
		r.escape = true
	case c == '"':
		r.quoted = false
	}
	if c == '\n' || c == '\r' {
		return 0
	}
	return c
}

// end passes a bracket that closes; with the outermost one a value ends.
func (r *Reader) end(c byte) (byte, bool) {
	outer := 0
	if r.array {
		outer = 1
	}
	if c == ']' && r.array && r.depth == 1 {
		r.finish()
		r.array, r.depth = false, 0
		return 0, false
	}
	r.inside = true
	if r.depth = max(r.depth-1, outer); r.depth == outer {
		r.finish()
	}
	return c, true
}

// finish ends the line of a value.
func (r *Reader) finish() {
	r.due = r.due || r.inside
	r.inside = false
}
