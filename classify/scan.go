package classify

import "math/bits"

// How far the scan looks from where it stands. All it decides at a place
// depends on text[place-back : place+ahead] alone: that is what makes a stream
// give the same spans whatever its chunks.
const (
	ahead = 2560        // the longest URL, the longest label and number
	back  = reach + 128 // a cue's window, a label before a number
	// longest is the longest word that can be an identifier; of a longer one
	// only the end is looked for.
	longest = 64
)

// scan is one pass over a text.
type scan struct {
	engine *Engine
	text   []byte
	mode   Mode
	found  []Span // candidates, not yet arbitrated
}

// run scans from one place to another and says where it stopped, which is at
// or behind to: where the next run goes on.
func (s *scan) run(from, to int) int {
	text := s.text
	i := from
	for i < to {
		x := load(text, i)
		m := digitMask(x) | letterMask(x) | x&tops
		if m == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(m) >> 3
		if i >= to {
			break
		}
		if text[i] < 0x80 {
			i = s.token(i)
		} else {
			i = s.wide(i, to)
		}
	}
	return min(i, len(text))
}

// wide passes over characters above ASCII and stops at the first byte of
// ASCII.
func (s *scan) wide(i, to int) int {
	text, cues := s.text, s.engine.cues
	for i < to {
		x := load(text, i)
		switch {
		case x&0x80 == 0:
			return i
		case x&0xC0C0F0 != 0x8080E0: // no character of three bytes
			i++
			continue
		}
		hash := (x & six) * hashFactor
		if cues.pairs[hash>>48>>6]>>(hash>>48&63)&1 != 0 {
			if n := s.cue(i, hash); n > 0 {
				i += n
				continue
			}
		}
		if cues.single {
			hash := (x & three) * hashFactor
			if cues.singles[hash>>52>>6]>>(hash>>52&63)&1 != 0 {
				if n := s.cue(i, hash); n > 0 {
					i += n
					continue
				}
			}
		}
		if wideDigit(x) {
			i = s.wideNumber(i)
			continue
		}
		i += 3
	}
	return i
}

// wideDigit says whether x begins with a full-width digit.
func wideDigit(x uint64) bool {
	return uint16(x) == 0xBCEF && byte(x>>16)-0x90 < 10
}

// token reads the word that begins at i and says where to go on.
func (s *scan) token(i int) int {
	text := s.text
	if i > 0 && wordByte(text[i-1]) {
		return s.skipWord(i)
	}
	x := load(text, i)
	digits := digitMask(x)
	rest := ^(digits | letterMask(x)) & tops
	if rest == 0 {
		return s.longToken(i, x, bits.OnesCount64(digits))
	}
	n := bits.TrailingZeros64(rest) >> 3
	below := uint64(1)<<(uint(n)*8) - 1
	digits &= below
	if digits == 0 {
		return s.word(i, i+n, x&below)
	}
	return s.number(i, i+n, bits.OnesCount64(digits))
}

// longToken reads a word of eight bytes and more.
func (s *scan) longToken(i int, first uint64, digits int) int {
	text := s.text
	end := i + 8
	for {
		x := load(text, end)
		d := digitMask(x)
		rest := ^(d | letterMask(x)) & tops
		if rest == 0 {
			digits += bits.OnesCount64(d)
			end += 8
			if end-i > longest {
				return end
			}
			continue
		}
		n := bits.TrailingZeros64(rest) >> 3
		digits += bits.OnesCount64(d & (uint64(1)<<(uint(n)*8) - 1))
		end += n
		break
	}
	if digits == 0 {
		return s.word(i, end, first)
	}
	return s.number(i, end, digits)
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

// word is asked about a word without digits; first are its first eight bytes.
func (s *scan) word(i, end int, first uint64) int {
	n := end - i
	low := first | lower
	if n < 8 {
		low &= uint64(1)<<(uint(n)*8) - 1
	}
	hash := wordHash(low, n)
	if s.engine.cues.words[hash>>50>>6]>>(hash>>50&63)&1 != 0 {
		s.cue(i, hash)
	}
	switch byteAt(s.text, end) {
	case '@':
		return s.email(i, end)
	case ':':
		return s.colon(i, end)
	case '.':
		if n == 3 && low == 'w'|'w'<<8|'w'<<16 {
			return s.url(i, end)
		}
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
	lo, hi := window(s.text, at, end)
	n := len(s.found)
	s.found = s.engine.heard[h].near(s.found, s.text[lo:hi], at-lo, end-lo, number)
	for k := n; k < len(s.found); k++ {
		s.found[k].Start += lo
		s.found[k].End += lo
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

// add appends a candidate.
func (s *scan) add(start, end int, k Kind, confidence uint8, why Reason) {
	if s.engine.quiet || !s.engine.off[k] {
		s.found = append(s.found, Span{Start: start, End: end, Kind: k, Confidence: confidence, Reason: why})
	}
}
