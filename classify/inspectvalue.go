package classify

import (
	"strconv"

	"github.com/zeebo/xxh3"
)

// Fields say the same few thousand things again and again: the names of wards
// and doctors, the codes of results, the patient's own number in each segment.
// What was found in a short value, how it is masked and what its token is are
// therefore remembered for as long as the inspection lasts, in two tables of
// fixed size in which a new value takes an older one's place.
const (
	memoBits = 11
	// memoBytes is the longest value remembered, memoSpans how many spans it
	// may have.
	memoBytes, memoSpans = 48, 2
	// memoAfter is how many parts a file must have to be worth a table.
	memoAfter = 64
)

// memo remembers what short values came to.
type memo struct {
	slots []remembered
	asked int
}

// remembered is a value under the kind its field says it is.
type remembered struct {
	hash  uint64
	kind  Kind
	size  uint8 // of the value, plus one
	spans uint8
	text  [memoBytes]byte
	span  [memoSpans]Span
}

// slot is where a value is or would be; nil where it is not worth it.
func (m *memo) slot(kind Kind, text []byte) (at *remembered, known bool) {
	if len(text) > memoBytes {
		return nil, false
	}
	if m.slots == nil {
		if m.asked++; m.asked < memoAfter {
			return nil, false
		}
		m.slots = make([]remembered, 1<<memoBits)
	}
	hash := xxh3.Hash(text)
	at = &m.slots[(hash+uint64(kind)*0x9E3779B97F4A7C15)>>(64-memoBits)]
	if at.hash == hash && at.kind == kind && int(at.size) == len(text)+1 && string(at.text[:len(text)]) == string(text) {
		return at, true
	}
	at.hash, at.kind, at.size = hash, kind, 0
	return at, false
}

func (r *remembered) put(text []byte, spans []Span) {
	if len(spans) > memoSpans {
		return
	}
	r.size, r.spans = uint8(copy(r.text[:], text)+1), uint8(copy(r.span[:], spans))
}

// search asks the engine what is in a part that its format or heading says is
// of a kind; the answer is valid until the next one.
func (in *inspection) search(kind Kind, text []byte, mode Mode) []Span {
	at, known := in.values.slot(kind, text)
	if known {
		in.spans = append(in.spans[:0], at.span[:at.spans]...)
		return in.spans
	}
	in.spans = in.Engine.Value(in.spans[:0], kind, "", text, mode)
	if at != nil {
		at.put(text, in.spans)
	}
	return in.spans
}

// shownMemo remembers masks and tokens.
type shownMemo struct {
	slots []shownValue
	asked int
}

type shownValue struct {
	hash          uint64
	kind          Kind
	size          uint8 // of the value, plus one
	text          [memoBytes]byte
	masked, token string
}

// show is a value's mask and, where there is a key, its token.
func (in *inspection) show(kind Kind, value []byte) (masked, token string) {
	m := &in.shows
	if m.slots == nil {
		if m.asked++; m.asked < memoAfter || len(value) > memoBytes {
			return in.shownAnew(kind, value)
		}
		m.slots = make([]shownValue, 1<<memoBits)
	}
	if len(value) > memoBytes {
		return in.shownAnew(kind, value)
	}
	hash := xxh3.Hash(value)
	at := &m.slots[(hash+uint64(kind)*0x9E3779B97F4A7C15)>>(64-memoBits)]
	if at.hash == hash && at.kind == kind && int(at.size) == len(value)+1 && string(at.text[:len(value)]) == string(value) {
		return at.masked, at.token
	}
	masked, token = in.shownAnew(kind, value)
	*at = shownValue{hash: hash, kind: kind, masked: masked, token: token}
	at.size = uint8(copy(at.text[:], value) + 1)
	return masked, token
}

func (in *inspection) shownAnew(kind Kind, value []byte) (masked, token string) {
	masked = Mask(kind, value)
	if in.Key != nil && kind != Condition {
		token = in.Key.Token(tokenKind(kind, in.about(kind).name), string(value))
	}
	return masked, token
}

// kindly is what every finding of a kind says.
type kindly struct {
	name  string
	level int
	found int64
}

// about is what is known of a kind, found out once.
func (in *inspection) about(k Kind) *kindly {
	a := &in.kinds[k]
	if a.name == "" {
		a.name = in.Engine.KindName(k)
		if a.level = in.Engine.KindLevel(k); a.level == 0 {
			a.level = in.levels.Of(k)
		}
	}
	return a
}

// blockMostFindings is how many findings are allocated at once.
const blockMostFindings = 32

// finding is a new one: of a block, which is small in a file with few.
func (in *inspection) finding() *Finding {
	if len(in.block) == 0 {
		in.blocks = min(max(1, 2*in.blocks), blockMostFindings)
		in.block = make([]Finding, in.blocks)
	}
	f := &in.block[0]
	in.block = in.block[1:]
	return f
}

// placeOf is where a part lies, with the row of a cell.
func placeOf(p *Part) string {
	if !p.Column {
		return p.Path
	}
	var room [96]byte
	out := append(room[:0], p.Path...)
	if len(out) > 0 && sheetColumn(p.Path) {
		return string(strconv.AppendInt(out, p.Record, 10))
	}
	out = strconv.AppendInt(append(out, '['), p.Record, 10)
	return string(append(out, ']'))
}
