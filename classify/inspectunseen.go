package classify

import (
	"bytes"
	"sort"
)

// Characters that are not seen split an identifier for a reader that goes by
// characters, and for nobody else. A text that has some is searched a second
// time without them, and what is found only then is reported where it stands.

// unseen is the length of the character that b begins with if it is not seen:
// a zero-width space or joiner, a mark of direction, a word joiner, a byte
// order mark, a selector of variants, a soft hyphen.
func unseen(b []byte) int {
	if len(b) >= 2 && b[0] == 0xC2 && b[1] == 0xAD {
		return 2
	}
	if len(b) < 3 {
		return 0
	}
	c := b[2]
	switch {
	case b[0] == 0xE2 && b[1] == 0x80 && (c >= 0x8B && c <= 0x8F || c >= 0xAA && c <= 0xAE),
		b[0] == 0xE2 && b[1] == 0x81 && c >= 0xA0 && c <= 0xAF,
		b[0] == 0xEF && b[1] == 0xBB && c == 0xBF,
		b[0] == 0xEF && b[1] == 0xB8 && c >= 0x80 && c <= 0x8F:
		return 3
	}
	return 0
}

// unseenIn says whether there is such a character.
func unseenIn(b []byte) bool {
	for _, first := range [...]byte{0xE2, 0xEF, 0xC2} {
		for at := 0; at < len(b); at++ {
			i := bytes.IndexByte(b[at:], first)
			if i < 0 {
				break
			}
			if at += i; unseen(b[at:]) > 0 {
				return true
			}
		}
	}
	return false
}

// unveiled is a text without what is not seen.
type unveiled struct {
	gaps []gap
	out  []byte
	done int // what was made and is in out no more
	rest []byte
	// others are what was found in the text as it is.
	others []Span
}

// gap is where something was left out, and how much until there.
type gap struct{ at, before int }

// gapsMost bounds what is remembered: findings come at most a few blocks after
// their text.
const gapsMost = 1 << 19

// take adds a piece of the text. The beginning of a character waits for the
// rest of it, unless this is the last.
func (u *unveiled) take(p []byte, last bool) {
	b := append(u.rest, p...)
	u.done += len(u.out)
	u.out, u.rest = u.out[:0], nil
	from := 0
	for i := 0; i < len(b); {
		if c := b[i]; c != 0xE2 && c != 0xEF && c != 0xC2 {
			i++
			continue
		}
		if !last && len(b)-i < 3 {
			u.rest = bytes.Clone(b[i:])
			b = b[:i]
			break
		}
		n := unseen(b[i:])
		if n == 0 {
			i++
			continue
		}
		u.out = append(u.out, b[from:i]...)
		u.leave(n)
		i += n
		from = i
	}
	u.out = append(u.out, b[from:]...)
}

// leave remembers that n bytes were left out here.
func (u *unveiled) leave(n int) {
	at, before := u.done+len(u.out), n
	if k := len(u.gaps); k > 0 {
		before += u.gaps[k-1].before
		if u.gaps[k-1].at == at {
			u.gaps[k-1].before = before
			return
		}
		if k >= gapsMost {
			u.gaps = append(u.gaps[:0], u.gaps[k/2:]...)
		}
	}
	u.gaps = append(u.gaps, gap{at, before})
}

// source is where the character at an offset stood.
func (u *unveiled) source(at int) int {
	i := sort.Search(len(u.gaps), func(i int) bool { return u.gaps[i].at > at }) - 1
	if i < 0 {
		return at
	}
	return at + u.gaps[i].before
}

// sourceSpan is a span in the text as it is. It ends with its last character,
// not behind what is left out after it.
func (u *unveiled) sourceSpan(sp Span) Span {
	sp.Start, sp.End = u.source(sp.Start), u.source(sp.End-1)+1
	return sp
}

// seen remembers what was found in the text as it is.
func (u *unveiled) seen(sp Span) {
	if len(u.others) >= 1<<14 {
		u.others = append(u.others[:0], u.others[1<<13:]...)
	}
	u.others = append(u.others, sp)
}

// known says whether a span of the text as it is was found in it. What was
// found is in order and does not overlap.
func (u *unveiled) known(sp Span) bool {
	i := sort.Search(len(u.others), func(i int) bool { return u.others[i].Start > sp.Start }) - 1
	return i >= 0 && u.others[i].Kind == sp.Kind && u.others[i].End >= sp.End
}

// unveil searches a part without what is not seen in it. found is what the part
// as it is has.
func (s *sink) unveil(p *Part, found []Span) error {
	u := unveiled{others: found}
	u.take(p.Text, true)
	q := *p
	q.Text = u.out
	spans := s.in.Engine.Value(nil, s.in.kindOf(p), "", q.Text, s.in.Mode)
	for _, sp := range spans {
		at := u.sourceSpan(sp)
		if u.known(at) {
			continue
		}
		var where func(int) int64
		if off := p.Offset; off >= 0 && !p.Wide {
			where = func(i int) int64 {
				if i == sp.Start {
					return off + int64(at.Start)
				}
				return off + int64(at.End)
			}
		}
		if err := s.found(&q, sp, where); err != nil {
			return err
		}
	}
	return nil
}

// unveiling gives a text on, and once something unseen is in it a second time
// without.
type unveiling struct {
	plain, second *Stream
	found         func(value []byte, at Span) error
	tail          []byte // the end of the text so far, while there is no second
	total         int
	base          int // where the second begins
	u             unveiled
}

// unveilTail is what of the text before a second one needs: a label, a word.
const unveilTail = 4 << 10

func (v *unveiling) Write(p []byte) (int, error) {
	if _, err := v.plain.Write(p); err != nil {
		return 0, err
	}
	if v.second != nil {
		return len(p), v.give(p, false)
	}
	edge := append(append([]byte(nil), v.tail[max(len(v.tail)-2, 0):]...), p[:min(len(p), 2)]...)
	v.total += len(p)
	if unseenIn(p) || unseenIn(edge) {
		v.base = v.total - len(p) - len(v.tail)
		v.second = v.plain.engine.Stream(v.plain.mode, v.again)
		return len(p), v.give(append(v.tail, p...), false)
	}
	v.tail = append(v.tail, p[max(len(p)-unveilTail, 0):]...)
	v.tail = append(v.tail[:0], v.tail[max(len(v.tail)-unveilTail, 0):]...)
	return len(p), nil
}

func (v *unveiling) give(p []byte, last bool) error {
	v.u.take(p, last)
	_, err := v.second.Write(v.u.out)
	return err
}

// Close ends the text, and then the second.
func (v *unveiling) Close() error {
	if err := v.plain.Close(); err != nil || v.second == nil {
		return err
	}
	if err := v.give(nil, true); err != nil {
		return err
	}
	return v.second.Close()
}

// first takes what is found in the text as it is.
func (v *unveiling) first(value []byte, at Span) error {
	v.u.seen(at)
	return v.found(value, at)
}

// again takes what is found in the second.
func (v *unveiling) again(value []byte, at Span) error {
	at = v.u.sourceSpan(at)
	at.Start, at.End = at.Start+v.base, at.End+v.base
	if v.u.known(at) {
		return nil
	}
	return v.found(value, at)
}
