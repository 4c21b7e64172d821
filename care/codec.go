package care

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// A record is stored as base64 of: the version byte, then lists of tokens,
// edges, links and lessons, each behind its length; numbers are varints,
// strings stand behind their length. Words of the lexicon are written out,
// once per record. The rule for changes: a new member goes to the end of its
// struct under a new version, and every version ever written stays readable.
const version = 1

type encoder struct {
	b     []byte
	g     *Graph
	r     *record
	names map[word]uint64
}

func (e *encoder) uint(n uint64)   { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) text(s string)   { e.uint(uint64(len(s))); e.b = append(e.b, s...) }
func (e *encoder) ref(r ref)       { e.uint(uint64(r)) }
func (e *encoder) time(s second)   { e.uint(uint64(s)) }
func (e *encoder) byte(b byte)     { e.b = append(e.b, b) }
func (e *encoder) length(list int) { e.uint(uint64(list)) }

// word writes a word: its number in this record, and the first time its text.
func (e *encoder) word(w word) {
	n, ok := e.names[w]
	if !ok {
		n = uint64(len(e.names)) + 1
		e.names[w] = n
		e.uint(n)
		e.text(e.g.lexicon.text(w))
		return
	}
	e.uint(n)
}

// encode writes a record down.
func (g *Graph) encode(r *record) string {
	e := &encoder{g: g, r: r, names: map[word]uint64{}}
	e.byte(version)
	e.text(string(r.words))
	e.length(len(r.tokens))
	for _, t := range r.tokens {
		e.word(t.role)
		e.word(t.kind)
		e.ref(t.text)
		e.time(t.said)
	}
	e.length(len(r.edges))
	for i := range r.edges {
		e.edge(&r.edges[i])
	}
	e.length(len(r.links))
	for _, l := range r.links {
		e.text(l.to)
		e.time(l.said)
		e.time(l.denied)
		e.ref(l.src)
	}
	e.length(len(r.lessons))
	for _, l := range r.lessons {
		e.word(l.dept)
		e.word(l.code)
	}
	return base64.StdEncoding.EncodeToString(e.b)
}

func (e *encoder) edge(x *edge) {
	e.byte(byte(x.kind))
	e.byte(byte(x.mark))
	for _, t := range [...]second{x.from, x.until, x.first, x.last, x.said, x.denied, x.ended, x.source} {
		e.time(t)
	}
	e.word(x.person)
	e.word(x.dept)
	e.word(x.what)
	e.ref(x.enc)
	e.ref(x.id)
	e.ref(x.src)
}

type decoder struct {
	b     []byte
	g     *Graph
	names []word
	err   error
}

var errCut = errors.New("the record is damaged")

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) fail() { d.err, d.b = errCut, nil }

func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) time() second { return second(d.uint()) }

// ref reads a position and checks that a word stands there.
func (d *decoder) ref(w words) ref {
	r := d.uint()
	if r > uint64(len(w)) || r > 0 && w.width(int(r)-1) == 0 {
		d.fail()
		return 0
	}
	return ref(r)
}

// width is how many bytes the word at a position takes with its length, 0 if
// it does not fit.
func (w words) width(i int) int {
	n, size := binary.Uvarint(w[i:])
	if size <= 0 || n > uint64(len(w)-i-size) {
		return 0
	}
	return size + int(n)
}

// whole says whether the words follow one another to the end.
func (w words) whole() bool {
	for i := 0; i < len(w); {
		width := w.width(i)
		if width == 0 {
			return false
		}
		i += width
	}
	return true
}

// length reads the length of a list whose items take at least a byte each.
func (d *decoder) length() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) word() word {
	n := d.uint()
	switch {
	case n >= 1 && n <= uint64(len(d.names)):
		return d.names[n-1]
	case n == uint64(len(d.names))+1:
		w := d.g.lexicon.add(string(d.bytes()))
		d.names = append(d.names, w)
		return w
	}
	d.fail()
	return 0
}

// decode reads a record. scratch is reused between records.
func (g *Graph) decode(id, text string, scratch *[]byte) (*record, error) {
	raw, err := base64.StdEncoding.AppendDecode((*scratch)[:0], []byte(text))
	if err != nil {
		return nil, fmt.Errorf("read a patient's relations: %w", err)
	}
	*scratch = raw
	d := &decoder{b: raw, g: g}
	if v := d.byte(); v != version {
		return nil, fmt.Errorf("read a patient's relations: written by a newer release (version %d): install that one", v)
	}
	r := &record{id: id, words: append(words(nil), d.bytes()...)}
	if !r.words.whole() {
		d.fail()
	}
	if n := d.length(); n > 0 {
		r.tokens = make([]token, n)
	}
	for i := range r.tokens {
		r.tokens[i] = token{role: d.word(), kind: d.word(), text: d.ref(r.words), said: d.time()}
	}
	if n := d.length(); n > 0 {
		r.edges = make([]edge, n)
	}
	for i := range r.edges {
		d.edge(&r.edges[i], r.words)
	}
	for range d.length() {
		r.links = append(r.links, link{to: string(d.bytes()), said: d.time(), denied: d.time(), src: d.ref(r.words)})
	}
	for range d.length() {
		r.lessons = append(r.lessons, lesson{dept: d.word(), code: d.word()})
	}
	if d.err != nil {
		return nil, fmt.Errorf("read a patient's relations: %w", d.err)
	}
	return r, nil
}

func (d *decoder) edge(x *edge, w words) {
	x.kind, x.mark = factCode(d.byte()), mark(d.byte())
	if int(x.kind) >= len(factKinds) {
		d.fail()
		return
	}
	for _, t := range [...]*second{&x.from, &x.until, &x.first, &x.last, &x.said, &x.denied, &x.ended, &x.source} {
		*t = d.time()
	}
	x.person, x.dept, x.what = d.word(), d.word(), d.word()
	x.enc, x.id, x.src = d.ref(w), d.ref(w), d.ref(w)
}
