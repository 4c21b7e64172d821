package classify

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// How far the scan looks from where it stands. All it decides at a place
// depends on text[place-back : place+ahead] alone: that is what makes a stream
// give the same spans whatever its chunks.
const (
	ahead = 2560        // the longest URL, the longest label and number
	back  = reach + 128 // a cue's window, a label before a number
	// longest is the longest word that can be an identifier; of a longer one
	// only the end is looked for.
	longest = 63
)

// scan is one pass over a text.
type scan struct {
	engine *Engine
	text   []byte
	mode   Mode
	found  []Span // candidates, not yet arbitrated
	// covered is, for each recogniser, the end of the last span it found around
	// a cue: of further cues within it nothing new is expected.
	covered [4]int
}

// stride is how far one run goes, so that what it appends is nearly sorted.
const stride = 16 << 10

// whole scans a text that is wholly in memory.
func (s *scan) whole() {
	begun := len(s.found)
	for at := 0; at < len(s.text); {
		from := at
		at = s.run(from, min(from+stride, len(s.text)))
		s.custom(from, at)
	}
	if s.mode == Redact {
		s.everywhere(0, true)
		slices.SortFunc(s.found[begun:], byStart)
	}
}

// run scans from one place to another and says where it stopped, which is at
// or behind to: where the next run goes on. What it finds does not depend on
// where it begins and stops.
func (s *scan) run(from, to int) int {
	i := from
	for i < to {
		if s.text[i] >= 0x80 {
			i = s.wide(i, to)
		} else {
			i = s.block(i, to)
		}
	}
	s.mails(from, i)
	return min(i, len(s.text))
}

// block scans the 64 bytes from i on, by the bits of masks, and says where the
// next begins: a word that reaches the end begins a block of its own.
func (s *scan) block(i, to int) int {
	text := s.text
	word, digits, high := masks(text, i)
	if word&1 != 0 && i > 0 && wordByte(text[i-1]) {
		return s.skipWord(i)
	}
	starts := word &^ (word << 1)
	stop := i + 64
	if stop > to {
		limit := uint64(1)<<uint(to-i) - 1
		starts, high, stop = starts&limit, high&limit, to
	}
	for starts|high != 0 {
		p := bits.TrailingZeros64(starts)
		if h := bits.TrailingZeros64(high); h < p {
			end := s.wide(i+h, to)
			if end >= i+64 {
				return end
			}
			passed := ^uint64(0) << uint(end-i)
			starts, high = starts&passed, high&passed
			stop = max(stop, end)
			continue
		}
		n := bits.TrailingZeros64(^(word >> p))
		if p+n >= 64 {
			if p == 0 {
				return s.skipWord(i + 64)
			}
			return i + p
		}
		starts &= starts - 1
		end := i + p + n
		d := digits >> p & (uint64(1)<<n - 1)
		if d == 0 {
			x := (load(text, i+p) | lower) & firstBytes[min(n, 8)]
			hash := wordHash(x, n)
			if s.engine.cues.words[hash>>50>>6]>>(hash>>50&63)&1 == 0 {
				continue
			}
			end = s.word(i+p, end, hash)
		} else {
			end = s.number(i+p, end, bits.OnesCount64(d))
		}
		if end >= i+64 {
			return end
		}
		passed := ^uint64(0) << uint(end-i)
		starts, high = starts&passed, high&passed
		stop = max(stop, end)
	}
	return stop
}

// firstBytes masks the first bytes of eight.
var firstBytes = [9]uint64{0, 1<<8 - 1, 1<<16 - 1, 1<<24 - 1, 1<<32 - 1, 1<<40 - 1, 1<<48 - 1, 1<<56 - 1, 1<<64 - 1}

// wide passes over characters above ASCII, two at a time while nothing is
// there, and stops at the first byte of ASCII.
func (s *scan) wide(i, to int) int {
	text, cues := s.text, s.engine.cues
	fast := min(to, len(text)-16)
	for i < to {
		for i < fast {
			ahead := text[i : i+16]
			x, y := binary.LittleEndian.Uint64(ahead), binary.LittleEndian.Uint64(ahead[3:])
			if x&0xC0C0F0C0C0F0 != 0x8080E08080E0 {
				break
			}
			a, b := (x&six)*hashFactor, (y&six)*hashFactor
			hit := cues.pairs[a>>48>>6]>>(a>>48&63) | cues.pairs[b>>48>>6]>>(b>>48&63)
			if cues.single {
				a, b = (x&three)*hashFactor, (y&three)*hashFactor
				hit |= cues.singles[a>>52>>6]>>(a>>52&63) | cues.singles[b>>52>>6]>>(b>>52&63)
			}
			if hit&1 != 0 || x&0xF0FFFF == 0x90BCEF || y&0xF0FFFF == 0x90BCEF {
				break
			}
			i += 6
		}
		if i >= to {
			break
		}
		x := load(text, i)
		switch {
		case x&0x80 == 0:
			return i
		case x&0xC0C0F0 != 0x8080E0: // no character of three bytes
			i++
			continue
		}
		i = s.character(i, x)
	}
	return i
}

// character is asked about the character of three bytes that x begins with.
func (s *scan) character(i int, x uint64) int {
	cues := s.engine.cues
	pair, single := (x&six)*hashFactor, (x&three)*hashFactor
	n := 0
	if cues.pairs[pair>>48>>6]>>(pair>>48&63)&1 != 0 {
		n = s.cue(i, pair)
	}
	if n == 0 && cues.singles[single>>52>>6]>>(single>>52&63)&1 != 0 {
		if wideDigit(x) {
			return s.wideNumber(i)
		}
		n = s.cue(i, single)
	}
	return i + max(n, 3)
}

// wideDigit says whether x begins with a full-width digit.
func wideDigit(x uint64) bool {
	return uint16(x) == 0xBCEF && byte(x>>16)-0x90 < 10
}

// skipWord goes to the end of a word that began before, at most some bytes on.
func (s *scan) skipWord(i int) int {
	for range longest {
		x := load(s.text, i)
		rest := ^(digitMask(x) | letterMask(x)) & tops
		if rest != 0 {
			return i + bits.TrailingZeros64(rest)>>3
		}
		i += 8
	}
	return i
}

// word is asked about a word without digits that may begin a cue or an address
// in the web.
func (s *scan) word(i, end int, hash uint64) int {
	s.cue(i, hash)
	switch w := s.text[i:end]; {
	case byteAt(s.text, end) == ':' && byteAt(s.text, end+1) == '/' && byteAt(s.text, end+2) == '/':
		return s.url(i, end+3)
	case byteAt(s.text, end) == '.' && lowerIs(w, "www"):
		return s.url(i, end)
	}
	return end
}

// cue calls the recognisers whose cue stands at i, each for its longest, and
// gives the length of the longest.
func (s *scan) cue(i int, hash uint64) int {
	length, last := 0, -1
	list := s.engine.cues.lists[hash>>52]
	for k := range list {
		c := &list[k]
		if !c.at(s.text, i) {
			continue
		}
		h := s.engine.hearerOf(c.number)
		if h == last {
			continue
		}
		last = h
		length = max(length, len(c.text))
		if i+len(c.text) <= s.covered[h] {
			continue
		}
		s.hear(h, i, i+len(c.text), c.number-s.engine.heard[h].first)
	}
	return length
}

func (e *Engine) hearerOf(number int) int {
	h := len(e.heard) - 1
	for e.heard[h].first > number {
		h--
	}
	return h
}

// hear calls one recogniser with the window around its cue.
func (s *scan) hear(h, at, end, number int) {
	if _, ok := s.engine.heard[h].recogniser.(thorough); ok && s.mode == Redact {
		return
	}
	lo, hi := window(s.text, at, end)
	n := len(s.found)
	s.found = s.engine.heard[h].near(s.found, s.text[lo:hi], at-lo, end-lo, number)
	for k := n; k < len(s.found); k++ {
		f := &s.found[k]
		f.Start += lo
		f.End += lo
		if f.Start <= at {
			s.covered[h] = max(s.covered[h], f.End)
		}
	}
}

// window is what a recogniser may see of a text around a cue: reach to either
// side, less what would cut a character.
func window(text []byte, at, end int) (lo, hi int) {
	lo, hi = max(0, at-reach), min(len(text), end+reach)
	for lo < at && text[lo]&0xC0 == 0x80 {
		lo++
	}
	for hi > end && hi < len(text) && text[hi]&0xC0 == 0x80 {
		hi--
	}
	return lo, hi
}

// apart is what has been found, from a place in it on, sorted and without
// overlaps.
func (s *scan) apart(begun int) []Span {
	if s.mode == Redact {
		return append(s.found[:begun], union(s.found[begun:], 0, s.text, 0)...)
	}
	return arbitrate(s.found, begun, 0)
}

// add appends a candidate.
func (s *scan) add(start, end int, k Kind, confidence uint8, why Reason) {
	if s.engine.quiet || !s.engine.off[k] {
		s.found = append(s.found, Span{Start: start, End: end, Kind: k, Confidence: confidence, Reason: why})
	}
}
