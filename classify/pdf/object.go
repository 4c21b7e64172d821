package pdf

import (
	"bytes"
	"strconv"

	"github.com/cordon-health/cordon/classify"
)

// The values of PDF. Numbers are float64, null is nil, true and false are bool.
type (
	name  string
	str   string
	ref   int
	array []any
	dict  map[string]any
)

// stream is a dictionary with bytes, as they are packed.
type stream struct {
	dict
	raw []byte
}

const (
	// objectsMost bounds how many objects a file may have.
	objectsMost = 4 << 20
	// nestedMost is how deeply values may lie in one another.
	nestedMost = 64
	// itemsMost bounds an array or dictionary.
	itemsMost = 1 << 20
)

// lexer reads values from bytes.
type lexer struct {
	b  []byte
	at int
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelimiter(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

// keyword is a word that is no value: an operator, obj, R.
type keyword string

func (l *lexer) space() {
	for l.at < len(l.b) {
		switch c := l.b[l.at]; {
		case isSpace(c):
			l.at++
		case c == '%':
			for l.at < len(l.b) && l.b[l.at] != '\n' && l.b[l.at] != '\r' {
				l.at++
			}
		default:
			return
		}
	}
}

// next reads a value or keyword; ok is false at the end.
func (l *lexer) next(depth int) (v any, ok bool) {
	l.space()
	if l.at >= len(l.b) || depth > nestedMost {
		return nil, false
	}
	switch c := l.b[l.at]; {
	case c == '/':
		l.at++
		return l.name(), true
	case c == '(':
		return l.literal(), true
	case c == '<':
		if l.at+1 < len(l.b) && l.b[l.at+1] == '<' {
			l.at += 2
			return l.dict(depth), true
		}
		return l.hex(), true
	case c == '[':
		l.at++
		return l.array(depth), true
	case c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.':
		return l.number(), true
	case isDelimiter(c):
		l.at++
		if c == '>' && l.at < len(l.b) && l.b[l.at] == '>' {
			l.at++
			return keyword(">>"), true
		}
		return keyword(string(c)), true
	}
	from := l.at
	for l.at < len(l.b) && !isSpace(l.b[l.at]) && !isDelimiter(l.b[l.at]) {
		l.at++
	}
	switch w := string(l.b[from:l.at]); w {
	case "true", "false":
		return w == "true", true
	case "null":
		return nil, true
	default:
		return keyword(w), true
	}
}

func (l *lexer) number() any {
	from := l.at
	for l.at < len(l.b) && (l.b[l.at] >= '0' && l.b[l.at] <= '9' || l.b[l.at] == '-' || l.b[l.at] == '+' || l.b[l.at] == '.') {
		l.at++
	}
	f, err := strconv.ParseFloat(string(l.b[from:min(l.at, from+40)]), 64)
	if err != nil {
		return 0.0
	}
	return f
}

// value reads a value in which "12 0 R" is a reference.
func (l *lexer) value(depth int) (any, bool) {
	v, ok := l.next(depth)
	f, isNumber := v.(float64)
	if !ok || !isNumber || f < 0 || f > objectsMost*4 || f != float64(int(f)) {
		return v, ok
	}
	save := l.at
	if g, ok := l.next(depth); ok {
		if _, isNumber := g.(float64); isNumber {
			if k, ok := l.next(depth); ok && k == keyword("R") {
				return ref(int(f)), true
			}
		}
	}
	l.at = save
	return f, true
}

func (l *lexer) name() name {
	var out []byte
	for l.at < len(l.b) && !isSpace(l.b[l.at]) && !isDelimiter(l.b[l.at]) {
		c := l.b[l.at]
		if c == '#' && l.at+2 < len(l.b) {
			if n, err := strconv.ParseUint(string(l.b[l.at+1:l.at+3]), 16, 8); err == nil {
				c = byte(n)
				l.at += 2
			}
		}
		out = append(out, c)
		l.at++
	}
	return name(out)
}

func (l *lexer) literal() str {
	l.at++
	var out []byte
	for depth := 1; l.at < len(l.b); l.at++ {
		c := l.b[l.at]
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				l.at++
				return str(out)
			}
		case '\\':
			out = l.escape(out)
			continue
		}
		out = append(out, c)
	}
	return str(out)
}

// escape reads what follows a backslash; the cursor ends on its last byte.
func (l *lexer) escape(out []byte) []byte {
	l.at++
	if l.at >= len(l.b) {
		return out
	}
	switch c := l.b[l.at]; c {
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'b', 'f':
		return append(out, ' ')
	case '\n':
		return out
	case '\r':
		if l.at+1 < len(l.b) && l.b[l.at+1] == '\n' {
			l.at++
		}
		return out
	case '0', '1', '2', '3', '4', '5', '6', '7':
		n := 0
		for i := 0; i < 3 && l.at < len(l.b) && l.b[l.at] >= '0' && l.b[l.at] <= '7'; i++ {
			n = n*8 + int(l.b[l.at]-'0')
			l.at++
		}
		l.at--
		return append(out, byte(n))
	default:
		return append(out, c)
	}
}

func (l *lexer) hex() str {
	l.at++
	var out []byte
	half, high := false, byte(0)
	for ; l.at < len(l.b) && l.b[l.at] != '>'; l.at++ {
		n, err := strconv.ParseUint(string(l.b[l.at:l.at+1]), 16, 8)
		if err != nil {
			continue
		}
		if half = !half; half {
			high = byte(n) << 4
			continue
		}
		out = append(out, high|byte(n))
	}
	l.at++
	if half {
		out = append(out, high)
	}
	return str(out)
}

func (l *lexer) array(depth int) array {
	var all array
	for len(all) < itemsMost {
		v, ok := l.value(depth + 1)
		if !ok || v == keyword("]") {
			return all
		}
		if k, isWord := v.(keyword); isWord && (k == "endobj" || k == ">>" || k == "obj") {
			return all
		}
		all = append(all, v)
	}
	return all
}

func (l *lexer) dict(depth int) dict {
	d := dict{}
	for len(d) < itemsMost {
		k, ok := l.next(depth + 1)
		if !ok || k == keyword(">>") || k == keyword("endobj") || k == keyword("obj") {
			return d
		}
		key, isName := k.(name)
		if !isName {
			continue
		}
		v, ok := l.value(depth + 1)
		if !ok || v == keyword(">>") {
			return d
		}
		d[string(key)] = v
	}
	return d
}

// place is where an object stands: in the file, or in a stream of objects.
type place struct {
	at     int // in the file, behind "obj"
	within int // the number of the stream it lies in, 0 for the file
	index  int
}

// file is an open PDF. Its objects are found by looking for them, and never by
// the table at its end, which damaged and hostile files have wrong.
type file struct {
	b       []byte
	places  map[int]place
	order   []int
	cache   map[int]any
	packs   map[int]*pack
	busy    map[int]bool
	trailer dict
	budget  int64 // of bytes unpacked
}

// pack is an unpacked stream of objects.
type pack struct {
	b  []byte
	at []int
}

func open(b []byte) (*file, error) {
	f := &file{b: b, places: map[int]place{}, cache: map[int]any{}, packs: map[int]*pack{}, busy: map[int]bool{}, trailer: dict{}}
	f.budget = 256<<20 + 50*int64(len(b))
	f.find()
	if len(f.places) == 0 {
		return nil, classify.Damaged
	}
	return f, nil
}

// find looks for objects from the beginning to the end; the last of a number
// counts, as it does in a file that was changed.
func (f *file) find() {
	for at := 0; len(f.order) < objectsMost; {
		i := bytes.Index(f.b[at:], []byte("obj"))
		if t := bytes.Index(f.b[at:min(len(f.b), at+max(i, 0))], []byte("trailer")); t >= 0 {
			f.trailerAt(at + t + 7)
		}
		if i < 0 {
			if t := bytes.LastIndex(f.b[at:], []byte("trailer")); t >= 0 {
				f.trailerAt(at + t + 7)
			}
			return
		}
		at += i
		number, ok := numberBefore(f.b, at)
		at += 3
		if !ok {
			continue
		}
		f.put(number, place{at: at})
		at = f.afterStream(number, at)
	}
}

func (f *file) put(number int, p place) {
	if _, known := f.places[number]; !known {
		f.order = append(f.order, number)
	}
	f.places[number] = p
}

func (f *file) trailerAt(at int) {
	l := &lexer{b: f.b, at: at}
	v, _ := l.value(0)
	d, _ := v.(dict)
	f.trailerIs(d)
}

func (f *file) trailerIs(d dict) {
	for _, key := range []string{"Root", "Info", "Encrypt"} {
		if v, ok := d[key]; ok {
			f.trailer[key] = v
		}
	}
}

// numberBefore reads "12 0 " backwards from "obj".
func numberBefore(b []byte, at int) (int, bool) {
	i := at
	back := func(want func(byte) bool) int {
		from := i
		for i > 0 && from-i < 12 && want(b[i-1]) {
			i--
		}
		return from - i
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	back(isSpace)
	if back(digit) == 0 || back(isSpace) == 0 {
		return 0, false
	}
	end := i
	if back(digit) == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(string(b[i:end]))
	return n, err == nil && n > 0 && n < objectsMost*4
}

// afterStream passes over a stream whose length is right, and takes note of
// streams that hold objects or say what a trailer says.
func (f *file) afterStream(number, at int) int {
	l := &lexer{b: f.b[:min(len(f.b), at+1<<20)], at: at}
	l.space()
	if l.at+1 >= len(l.b) || l.b[l.at] != '<' || l.b[l.at+1] != '<' {
		return at
	}
	v, _ := l.value(0)
	d, ok := v.(dict)
	if !ok {
		return at
	}
	kind, _ := d["Type"].(name)
	if kind == "XRef" {
		f.trailerIs(d)
	}
	save := l.at
	word, _ := l.next(0)
	if word != keyword("stream") {
		return min(save, len(f.b))
	}
	raw := f.streamBytes(d, l.at)
	if kind == "ObjStm" {
		f.unpackObjects(number, stream{d, raw})
	}
	return min(l.at+len(raw), len(f.b))
}

// streamBytes are the bytes of a stream: as many as it says, if they end as
// they should, or up to its end mark.
func (f *file) streamBytes(d dict, at int) []byte {
	if at < len(f.b) && f.b[at] == '\r' {
		at++
	}
	if at < len(f.b) && f.b[at] == '\n' {
		at++
	}
	if n, ok := d["Length"].(float64); ok && n >= 0 && int(n) <= len(f.b)-at {
		end := at + int(n)
		if i := bytes.Index(f.b[end:min(len(f.b), end+32)], []byte("endstream")); i >= 0 {
			return f.b[at:end]
		}
	}
	if i := bytes.Index(f.b[at:], []byte("endstream")); i >= 0 {
		return bytes.TrimRight(f.b[at:at+i], "\r\n")
	}
	return f.b[at:]
}

// unpackObjects finds the objects in a stream of them.
func (f *file) unpackObjects(number int, s stream) {
	b, err := f.unpack(s)
	n, first := toInt(s.dict["N"]), toInt(s.dict["First"])
	if err != nil && len(b) == 0 || first < 0 || first > len(b) {
		return
	}
	p := &pack{b: b}
	l := &lexer{b: b[:first]}
	for i := 0; i < n && len(f.order) < objectsMost; i++ {
		id, ok1 := l.next(0)
		at, ok2 := l.next(0)
		if !ok1 || !ok2 {
			break
		}
		p.at = append(p.at, first+toInt(at))
		if k := toInt(id); k > 0 {
			f.put(k, place{within: number, index: i})
		}
	}
	f.packs[number] = p
}

func toInt(v any) int {
	f, _ := v.(float64)
	if f < -1e9 || f > 1e9 {
		return -1
	}
	return int(f)
}

// object reads an object by its number; nil where there is none.
func (f *file) object(n int) any {
	if v, ok := f.cache[n]; ok {
		return v
	}
	p, ok := f.places[n]
	if !ok || f.busy[n] {
		return nil
	}
	f.busy[n] = true
	defer delete(f.busy, n)
	var v any
	if p.within > 0 {
		if k := f.packs[p.within]; k != nil && p.index < len(k.at) && k.at[p.index] >= 0 && k.at[p.index] < len(k.b) {
			v, _ = (&lexer{b: k.b, at: k.at[p.index]}).value(0)
		}
	} else {
		l := &lexer{b: f.b, at: p.at}
		v, _ = l.value(0)
		if d, isDict := v.(dict); isDict {
			if word, _ := l.next(0); word == keyword("stream") {
				if length, isRef := d["Length"].(ref); isRef {
					d["Length"] = f.get(length)
				}
				v = stream{d, f.streamBytes(d, l.at)}
			}
		}
	}
	if len(f.cache) < 1<<18 {
		f.cache[n] = v
	}
	return v
}

// get follows references.
func (f *file) get(v any) any {
	for range 8 {
		r, isRef := v.(ref)
		if !isRef {
			return v
		}
		v = f.object(int(r))
	}
	return nil
}

// dict follows a reference to a dictionary, or to a stream's; never nil.
func (f *file) dict(v any) dict {
	switch d := f.get(v).(type) {
	case dict:
		return d
	case stream:
		return d.dict
	}
	return dict{}
}
