package sigma

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// fieldNames numbers the names of fields over all rules.
type fieldNames struct {
	names  []string
	number map[string]int
	// others are further names of a field, as logsources.yaml lists them.
	others map[string][]string
	// says are the fields by which an event names its category, product and
	// service.
	says [3]string
}

func (f *fieldNames) add(name string) int {
	if strings.IndexByte(name, ' ') >= 0 { // "Threat Name" is ThreatName
		name = strings.ReplaceAll(name, " ", "")
	}
	if n, ok := f.number[name]; ok {
		return n
	}
	n := len(f.names)
	f.names = append(f.names, name)
	f.number[name] = n
	return n
}

// paths finds the fields that a place in a JSON event is. Names are taken
// apart at their dots; each piece has a number, found by hash, and lists the
// fields that end in it.
type paths struct {
	buckets []bucket // a power of two, open addressing
	pieces  []piece
}

type bucket struct {
	hash  uint32
	piece int32 // from 1; 0 is an empty bucket
}

type piece struct {
	name   string
	fields []target
}

// target is a field and the pieces before its last one, last first.
type target struct {
	field  int
	before []int32
	other  bool // by a further name
}

// ranks of a place for a field: better ones hide worse ones.
const (
	rankWhole = iota // the whole path is the name
	rankEnd          // the path ends in the name
	rankOther        // the path ends in a further name
)

func newPaths(f *fieldNames) *paths {
	p := &paths{buckets: make([]bucket, 64), pieces: make([]piece, 1, 64)}
	for n, name := range f.names {
		p.enter(n, strings.TrimPrefix(name, "unmapped."), false)
		for _, other := range f.others[name] {
			p.enter(n, strings.ReplaceAll(other, " ", ""), true)
		}
	}
	return p
}

func (p *paths) enter(field int, name string, other bool) {
	var ids []int32
	for part := range strings.SplitSeq(name, ".") {
		ids = append(ids, p.number(part))
	}
	slices.Reverse(ids)
	last := &p.pieces[ids[0]]
	last.fields = append(last.fields, target{field, ids[1:], other})
}

// number gives a piece its number.
func (p *paths) number(name string) int32 {
	if n := p.find([]byte(name)); n != 0 {
		return n
	}
	p.pieces = append(p.pieces, piece{name: name})
	n := int32(len(p.pieces) - 1)
	if len(p.pieces)*2 > len(p.buckets) {
		p.buckets = make([]bucket, 2*len(p.buckets))
		for i := int32(1); i < n; i++ {
			p.place(i)
		}
	}
	p.place(n)
	return n
}

func (p *paths) place(n int32) {
	h := hash([]byte(p.pieces[n].name))
	mask := uint32(len(p.buckets) - 1)
	i := h & mask
	for p.buckets[i].piece != 0 {
		i = (i + 1) & mask
	}
	p.buckets[i] = bucket{h, n}
}

// find is the number of a piece, 0 for one that no rule names.
func (p *paths) find(name []byte) int32 {
	h := hash(name)
	mask := uint32(len(p.buckets) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := p.buckets[i]
		if s.piece == 0 {
			return 0
		}
		if s.hash == h && p.pieces[s.piece].name == string(name) {
			return s.piece
		}
	}
}

// hash mixes the length and both ends of a name, which tells names of fields
// apart well enough; equality is checked anyway.
func hash(b []byte) uint32 {
	n := len(b)
	var x, y uint64
	switch {
	case n >= 8:
		x, y = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		x, y = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		x, y = uint64(b[0])|uint64(b[n/2])<<8, uint64(b[n-1])
	}
	h := (x ^ uint64(n)) * 0x9E3779B97F4A7C15
	h = (h ^ h>>32 ^ y) * 0xD6E8FEB86659FD93
	return uint32(h>>32) | 1
}

// push appends the numbers of a member's name, which may have dots and spaces.
func (p *paths) push(stack []int32, name []byte) []int32 {
	if n := p.find(name); n != 0 {
		return append(stack, n)
	}
	if bytes.IndexByte(name, ' ') >= 0 {
		return p.push(stack, bytes.ReplaceAll(name, []byte(" "), nil))
	}
	if bytes.IndexByte(name, '.') < 0 {
		return append(stack, 0)
	}
	for part := range bytes.SplitSeq(name, []byte(".")) {
		stack = append(stack, p.find(part))
	}
	return stack
}

// is says whether a place, given by its pieces, is a field, and how well.
func (t *target) is(stack []int32) (rank int, ok bool) {
	at := len(stack) - 1
	if len(t.before) > at {
		return 0, false
	}
	for i, n := range t.before {
		if stack[at-1-i] != n {
			return 0, false
		}
	}
	switch {
	case t.other:
		return rankOther, true
	case len(t.before) == at:
		return rankWhole, true
	}
	return rankEnd, true
}
