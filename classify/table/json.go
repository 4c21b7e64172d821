package table

import (
	"bytes"
	"context"
	"strconv"

	"github.com/cordon-health/cordon/classify"
)

// jsonDepth is how deeply objects are followed; what lies deeper is reported.
const jsonDepth = 512

// jsonReader reads JSON, NDJSON, and any number of JSON values one after the
// other, as they come. The objects of the outermost array that has some, or of
// the lines, are records.
type jsonReader struct{}

var _ classify.Reader = jsonReader{}

// Name is json.
func (jsonReader) Name() string { return "json" }

// Claims goes by the first characters.
func (jsonReader) Claims(name string, head []byte) bool {
	text := begins(head)
	if len(text) < 2 {
		return false
	}
	if ends(name, ".json", ".ndjson", ".jsonl", ".geojson") {
		return text[0] == '{' || text[0] == '[' || text[0] == '"'
	}
	next := bytes.TrimLeft(text[1:], " \t\r\n")
	if len(next) == 0 {
		return false
	}
	switch text[0] {
	case '{':
		return next[0] == '"' || next[0] == '}'
	case '[':
		return next[0] == '{' || next[0] == '[' && bytes.IndexByte(text, '"') > 0
	}
	return false
}

// Read gives every string and number, with its key.
func (jsonReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	r, base, exact, err := classify.Text(src)
	if err != nil {
		return err
	}
	j := &jsonWalk{ctx: ctx, out: out, exact: exact, in: rowReader{r: r, base: base, buf: make([]byte, 0, blockBytes)}, recordAt: -1, names: map[string]string{}, keys: map[string]bool{}}
	return j.walk()
}

// level is one open object or array.
type level struct {
	array bool
	index int
	path  int    // length of the path before it
	key   string // of an object's member being read
}

type jsonWalk struct {
	ctx      context.Context //nolint:containedctx // it lives as long as one Read
	out      classify.Sink
	in       rowReader
	exact    bool
	stack    []level
	deep     int // levels beyond jsonDepth
	path     []byte
	names    map[string]string
	keys     map[string]bool // those given already
	record   int64
	recordAt int // the depth of records, -1 until one was met
	key      bool
	room     []byte
	values   int
	ended    bool // the long string being read is
}

// peek is the next byte that is no space.
func (j *jsonWalk) peek() (byte, bool) {
	for {
		for j.in.at < len(j.in.buf) {
			switch c := j.in.buf[j.in.at]; c {
			case ' ', '\t', '\r', '\n':
				j.in.at++
			default:
				return c, true
			}
		}
		if !j.in.more() {
			return 0, false
		}
	}
}

func (j *jsonWalk) walk() error {
	for {
		c, ok := j.peek()
		if !ok {
			if len(j.stack) > 0 && j.in.failed() == nil {
				return classify.Truncated
			}
			return j.in.failed()
		}
		var err error
		switch c {
		case '{', '[':
			j.in.at++
			err = j.open(c == '[')
		case '}', ']':
			j.in.at++
			j.close()
		case ',', ':':
			j.in.at++
			j.separate(c)
		case '"':
			err = j.text()
		default:
			err = j.bare()
		}
		if err != nil {
			return err
		}
	}
}

// open goes into an object or array.
func (j *jsonWalk) open(array bool) error {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	if len(j.stack) >= jsonDepth {
		if j.deep++; j.deep == 1 {
			j.out.Unread(string(j.path[:min(len(j.path), 256)]), classify.TooDeep)
		}
		return nil
	}
	depth := len(j.stack)
	l := level{array: array, path: len(j.path)}
	if !array && (j.recordAt < 0 && (depth == 0 || j.stack[depth-1].array) || depth == j.recordAt) {
		if j.recordAt < 0 && depth > 0 {
			j.recordAt = depth
		}
		j.record++
	} else if !array && depth == 0 {
		j.record++
	}
	if depth > 0 {
		j.extend(&j.stack[depth-1])
	}
	j.stack = append(j.stack, l)
	j.key = !array
	return nil
}

// extend puts the place of the value to come on the path.
func (j *jsonWalk) extend(l *level) {
	if len(j.path) > 4096 {
		return
	}
	if !l.array {
		if len(j.path) > 0 {
			j.path = append(j.path, '.')
		}
		j.path = append(j.path, l.key...)
		return
	}
	if len(j.stack) == j.recordAt || len(j.stack) == 1 { // the record counts them
		j.path = append(j.path, "[]"...)
		return
	}
	j.path = append(j.path, '[')
	j.path = strconv.AppendInt(j.path, int64(l.index), 10)
	j.path = append(j.path, ']')
}

func (j *jsonWalk) close() {
	if j.deep > 0 {
		j.deep--
		return
	}
	if n := len(j.stack); n > 0 {
		j.path = j.path[:min(j.stack[n-1].path, len(j.path))]
		j.stack = j.stack[:n-1]
	}
	j.key = false
}

func (j *jsonWalk) separate(c byte) {
	n := len(j.stack)
	if n == 0 || j.deep > 0 {
		return
	}
	l := &j.stack[n-1]
	if c == ',' {
		l.index++
	}
	j.key = c == ',' && !l.array
}

// text reads a string: a key or a value. A very long one comes in pieces.
func (j *jsonWalk) text() error {
	j.in.at++
	for {
		end, whole := j.stringEnd()
		b, at := j.in.buf[j.in.at:end], j.in.base+int64(j.in.at)
		j.in.at = end
		if whole {
			j.in.at++
		}
		var err error
		switch {
		case j.key && j.deep == 0:
			err = j.keyIs(b, at)
		case whole:
			err = j.value(b, at)
		default:
			err = j.long(b, at)
			whole = true
		}
		if err != nil {
			return err
		}
		if whole || j.in.eof && j.in.at >= len(j.in.buf) {
			return nil
		}
	}
}

// stringEnd finds the closing quote, or where a piece of a long string ends.
func (j *jsonWalk) stringEnd() (end int, whole bool) {
	from := 0
	for {
		for i := j.in.at + from; ; {
			q := bytes.IndexByte(j.in.buf[i:], '"')
			if q < 0 {
				break
			}
			i += q
			slashes := 0
			for k := i - 1; k >= j.in.at && j.in.buf[k] == '\\'; k-- {
				slashes++
			}
			if slashes%2 == 0 {
				return i, true
			}
			i++
		}
		from = len(j.in.buf) - j.in.at
		if from > valueMost {
			end := len(j.in.buf) - 16
			for k := end; k > end-16; k-- {
				if j.in.buf[k] == '\\' {
					end = k
				}
			}
			return end, false
		}
		if !j.in.more() {
			return len(j.in.buf), false
		}
	}
}

// name remembers texts that come again and again.
func (j *jsonWalk) name(b []byte) string {
	if s, ok := j.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(j.names) < pathsMost {
		j.names[s] = s
	}
	return s
}

// bare reads a number, true, false or null, or whatever stands there.
func (j *jsonWalk) bare() error {
	n := 0
	for {
		i := bytes.IndexAny(j.in.buf[j.in.at+n:], ",:]}[{\" \t\r\n")
		if i >= 0 {
			n += i
			break
		}
		n = len(j.in.buf) - j.in.at
		if n > valueMost || !j.in.more() {
			break
		}
	}
	if n == 0 {
		j.in.at++
		return nil
	}
	b, at := j.in.buf[j.in.at:j.in.at+n], j.in.base+int64(j.in.at)
	j.in.at += n
	if c := b[0]; (c < '0' || c > '9') && c != '-' {
		if len(j.stack) == 0 {
			return classify.Damaged // no JSON after all
		}
		return nil
	}
	return j.value(b, at)
}

// value gives one, if anything can be in it.
func (j *jsonWalk) value(b []byte, at int64) error {
	if j.values++; j.values%256 == 0 {
		if err := j.ctx.Err(); err != nil {
			return err
		}
	}
	if plainNumber(b) {
		return nil
	}
	return j.out.Part(j.part(b, at))
}

// part is a value with its place.
func (j *jsonWalk) part(b []byte, at int64) classify.Part {
	depth := len(j.stack)
	p := classify.Part{Record: j.record, Offset: -1, Text: b}
	if bytes.IndexByte(b, '\\') >= 0 {
		j.room = unescapeJSON(j.room[:0], b)
		p.Text, p.Wide = j.room, true
	}
	if j.exact {
		p.Offset = at
	}
	if depth > 0 {
		before := len(j.path)
		l := &j.stack[depth-1]
		if !l.array {
			p.Field = l.key
			p.Column = j.recordAt == depth-1 || depth == 1
		} else if depth > 1 {
			p.Field = j.stack[depth-2].key
		}
		j.extend(l)
		p.Path = j.name(j.path)
		j.path = j.path[:before]
	}
	return p
}
