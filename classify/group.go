package classify

import "math/bits"

// groups are runs of digits joined by single spaces or dashes, as people write
// long numbers: 138 0013 8000, 110101-19900307-7731.
type groups struct {
	digits [24]byte // of all, one after the other; an X may end 17
	n      int
	length [20]uint8 // of each
	end    [20]uint8 // where each ends, from the begin of the first
	dash   uint32    // bit k: a dash follows group k
	k      int
}

// gather reads the groups from i on.
func (g *groups) gather(text []byte, i int) {
	from := i
	for g.k < len(g.length) && g.n < len(g.digits) {
		begun := g.n
		for g.n < len(g.digits) && digit(byteAt(text, i)) {
			g.digits[g.n] = text[i]
			g.n++
			i++
		}
		if digit(byteAt(text, i)) { // more than any identifier has
			g.n = begun
			return
		}
		if c := byteAt(text, i); g.n == 17 && c|0x20 == 'x' {
			g.digits[g.n] = c
			g.n++
			i++
		}
		if wordByte(byteAt(text, i)) {
			g.n = begun
			return
		}
		g.length[g.k], g.end[g.k] = uint8(g.n-begun), uint8(i-from)
		g.k++
		c := byteAt(text, i)
		if next := byteAt(text, i+1); c != ' ' && c != '-' || !digit(next) && !(g.n == 17 && next|0x20 == 'x') {
			return
		}
		if c == '-' {
			g.dash |= 1 << (g.k - 1)
		}
		i++
	}
}

// first cuts the groups to the first k.
func (g *groups) first(k int) (digits []byte, shape int) {
	n := 0
	for _, l := range g.length[:k] {
		n += int(l)
		if l > 9 || k > 6 {
			shape = -1
		}
		if shape >= 0 {
			shape = shape*10 + int(l)
		}
	}
	return g.digits[:n], shape
}

// dashed says whether dashes alone join the first k groups.
func (g *groups) dashed(k int) bool {
	all := uint32(1)<<(k-1) - 1
	return g.dash&all == all
}

// grouped is asked about groups of digits that begin with text[i:end]; it says
// where to go on, 0 if they are nothing.
func (s *scan) grouped(i, end int) int {
	text := s.text
	if end-i == 4 && dateShape(text, i) {
		return i + 10
	}
	if !plausible(text, i, end) || byteAt(text, i-1) == '-' && wordByte(byteAt(text, i-2)) {
		return 0
	}
	var g groups
	g.gather(text, i)
	for k := g.k; k > 1; k-- {
		if s.shape(&g, k, i) {
			return i + int(g.end[k-1])
		}
	}
	return 0
}

// plausible says, by the lengths of the first group and the next, whether
// groups may be something: most tables of numbers end here.
func plausible(text []byte, i, end int) bool {
	n := 0
	for n < 9 && digit(byteAt(text, end+1+n)) {
		n++
	}
	switch end - i {
	case 1:
		return n == 1 || n == 3 && text[i] == '1'
	case 2:
		return text[i] == '8' && text[i+1] == '6' && (n == 3 || n == 9)
	case 3:
		return n >= 2 && n <= 8 && n != 6
	case 4:
		return n >= 3 && n != 5
	case 5:
		return n == 4
	}
	return n == 8 || n == 4 || n == 9
}

// dateShape says whether 2026-03-17 stands at i.
func dateShape(text []byte, i int) bool {
	return i+10 <= len(text) && text[i+4] == '-' && digit(text[i+5]) && digit(text[i+6]) && text[i+7] == '-' &&
		digit(text[i+8]) && digit(text[i+9]) && !digit(byteAt(text, i+10))
}

// shape asks what the first k groups are, and adds it.
func (s *scan) shape(g *groups, k, i int) bool {
	d, shape := g.first(k)
	end := i + int(g.end[k-1])
	if len(d) == 18 && s.resident(i, end, d) {
		return true
	}
	if len(d) >= 13 && len(d) <= 15 && (g.length[0] == 2 || g.length[0] == 4) {
		if n := countryCode(d); n == int(g.length[0]) && assignedMobile(d[n:]) {
			s.mobile(i, i+n, end)
			return true
		}
	}
	switch shape {
	case 324:
		return s.ssn(i, end, d, g.dashed(k))
	case 334:
		return s.ten(i, end, d, g.dashed(k))
	case 1334:
		return d[0] == '1' && s.american(i, end, d[1:], g.dashed(k))
	case 344, 443, 38, 335, 47, 48, 444, 434, 37:
		return s.chinesePhone(i, end, d, int(g.length[0]), g.dashed(k))
	case 54:
		return s.zip(i, end)
	case 4444, 44443, 465, 44442, 44441, 44444:
		return !joined(s.text, i, end) && s.card(i, end, d)
	}
	return g.length[0] == 6 && k == 2 && len(d) >= 16 && s.card(i, end, d)
}

// chinesePhone is asked about a mobile number or an area code and a number.
func (s *scan) chinesePhone(i, end int, d []byte, first int, dashed bool) bool {
	if len(d) == 11 && first != 7 && assignedMobile(d) && !joined(s.text, i, end) {
		s.mobile(i, i, end)
		return true
	}
	if !landline(d, first) {
		return false
	}
	confidence := uint8(60)
	if dashed {
		confidence = 80
	}
	s.phone(i, end, confidence)
	return true
}

// landline says whether digits are an area code of mainland China, of so many
// digits, and a number.
func landline(d []byte, area int) bool {
	rest := len(d) - area
	switch {
	case rest != 7 && rest != 8 || d[0] != '0' || d[area] < '2':
		return false
	case area == 3:
		return d[1] == '1' && d[2] == '0' || d[1] == '2' && d[2] != '6'
	}
	return area == 4 && d[1] >= '3'
}

// wideNumber reads digits that are wholly or partly full-width, with their
// separators, and asks about their plain form.
func (s *scan) wideNumber(i int) int {
	const most = 40
	var plain [most]byte
	var from, to [most]int
	text := s.text
	n, at, wide := 0, i, 0
	for n < most {
		c, size := narrow(text, at)
		if size == 0 {
			break
		}
		plain[n], from[n], to[n] = c, at, at+size
		if size > 1 {
			wide++
		}
		n++
		at += size
	}
	if n == most || wide == 0 {
		return at
	}
	for n > 0 && !wordByte(plain[n-1]) {
		n--
	}
	sub := scan{engine: s.engine, mode: s.mode, found: s.found}
	begun := len(s.found)
	var room [most + 48]byte
	label := copyLabel(room[:48], text, i)
	sub.text = append(room[:label], plain[:n]...)
	if word, digits, _ := masks(sub.text, label); digits != 0 {
		w := bits.TrailingZeros64(^word)
		sub.number(label, label+w, bits.OnesCount64(digits&(uint64(1)<<w-1)))
	}
	s.found = sub.found
	for k := begun; k < len(s.found); k++ {
		f := &s.found[k]
		f.Start, f.End = from[max(f.Start-label, 0)], to[f.End-label-1]
	}
	return at
}

// copyLabel copies the text before i, whole characters of it, and says how
// much.
func copyLabel(room, text []byte, i int) int {
	lo := max(0, i-len(room))
	for lo < i && text[lo]&0xC0 == 0x80 {
		lo++
	}
	return copy(room, text[lo:i])
}

// narrow is the plain form of the digit, letter or separator at i, and its
// size; 0 where there is none of these.
func narrow(text []byte, i int) (byte, int) {
	c := byteAt(text, i)
	if wordByte(c) || (c == ' ' || c == '-') && wordOrWide(text, i+1) {
		return c, 1
	}
	if c != 0xEF || i+3 > len(text) {
		return 0, 0
	}
	low := int(text[i+1]-0xBC)<<6 | int(text[i+2]&0x3F) // of U+FF00 and on
	if low < 0 || low > 0x5E {
		return 0, 0
	}
	if c := byte(low + 0x20); wordByte(c) || c == '-' && wordOrWide(text, i+3) {
		return c, 3
	}
	return 0, 0
}

// wordOrWide says whether a digit or letter, of any width, stands at i.
func wordOrWide(text []byte, i int) bool {
	c := byteAt(text, i)
	return wordByte(c) || c == 0xEF && byteAt(text, i+1) == 0xBC
}
