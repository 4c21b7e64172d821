package classify

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// enShape is how a word is written.
type enShape uint8

const (
	enLower   enShape = iota
	enCap             // Smith, McCoy, deVries
	enUpper           // SMITH
	enInitial         // J
)

// enKind is what a token is made of.
type enKind uint8

const (
	enWord enKind = iota
	enNumber
	enMixed // letters and digits
	enPunct
	enOther // letters of scripts this recogniser does not read
)

// enGap is what stands before a token.
type enGap uint8

const (
	enTight enGap = iota
	enSpace
	enNewline
	enBlank // an empty line, or the beginning of the text
)

// enToken is a word, a number or a sign.
type enToken struct {
	start, end int
	hash       uint64
	class      enClass
	kind       enKind
	shape      enShape
	gap        enGap
	sign       byte // the first byte of an enPunct
	opens      bool // the first word of a sentence, item or heading
	owns       bool // 's follows
	shouts     bool // stands in a line all in capitals
	titled     bool // stands in a line whose words all begin with a capital
	used       bool // belongs to a span already
	mixed      bool // has capitals behind the first letter
	raised     bool // written small, read as if with a capital
	amid       bool // stands in a line or a text of Chinese
}

func (t *enToken) is(c enClass) bool { return t.class&c != 0 }

// proper is a word that begins with a capital.
func (t *enToken) proper() bool { return t.kind == enWord && t.shape != enLower }

// enFolds gives the plain letters of accented Latin ones, U+00C0 to U+024F.
type enFolds [0x250]string

func newEnFolds() *enFolds {
	var f enFolds
	for r := rune(0xC0); r < rune(len(f)); r++ {
		for _, base := range norm.NFD.String(string(unicode.ToLower(r))) {
			if base < utf8.RuneSelf && unicode.IsLetter(base) {
				f[r] += string(base)
			}
		}
	}
	for from, to := range map[rune]string{
		'ø': "o", 'đ': "d", 'ł': "l", 'ß': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th", 'ð': "d", 'ı': "i", 'ŋ': "n", 'ħ': "h", 'ə': "e",
	} {
		if int(from) < len(f) {
			f[from] = to
		}
		if up := unicode.ToUpper(from); int(up) < len(f) {
			f[up] = to
		}
	}
	return &f
}

// enReader cuts text into tokens.
type enReader struct {
	words *enLexicon
	folds *enFolds
}

// tokens appends those of text[from:to]; offsets are those of text.
func (r *enReader) tokens(dst []enToken, text []byte, from, to int) []enToken {
	gap := enBlank
	for i := from; i < to; {
		c := text[i]
		switch {
		case c == '\n':
			gap = min(max(gap, enSpace)+1, enBlank)
			i++
			continue
		case c == ' ' || c == '\t' || c == '\r':
			gap = max(gap, enSpace)
			i++
			continue
		}
		t := enToken{start: i, gap: gap}
		i = r.token(&t, text, i, to)
		if t.end == t.start { // white space beyond ASCII
			gap = max(gap, enSpace)
			continue
		}
		gap = enTight
		dst = append(dst, t)
	}
	return dst
}

func (r *enReader) token(t *enToken, text []byte, i, to int) int {
	switch c := text[i]; {
	case c >= '0' && c <= '9':
		return r.number(t, text, i, to)
	case enAlpha(c):
		return r.word(t, text, i, to)
	case c < utf8.RuneSelf:
		t.kind, t.sign, t.end = enPunct, c, i+1
		return t.end
	}
	c, n := utf8.DecodeRune(text[i:to])
	switch {
	case enLetter(c):
		return r.word(t, text, i, to)
	case unicode.IsSpace(c) || c == 0xFEFF:
		t.end = t.start
		return i + n
	case unicode.IsLetter(c):
		t.kind = enOther
	default:
		t.kind, t.sign = enPunct, enSign(c)
	}
	t.end = i + n
	return t.end
}

// enSign is the ASCII sign a typographic one stands for.
func enSign(c rune) byte {
	switch c {
	case '‘', '’':
		return '\''
	case '“', '”':
		return '"'
	case '–', '—', '‐', '‑':
		return '-'
	case '：':
		return ':'
	case '，':
		return ','
	}
	return 0x80
}

func enAlpha(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// enLetter is a letter of an alphabet with capitals.
func enLetter(c rune) bool {
	return c >= 0xC0 && c < 0x2000 && (unicode.IsLetter(c) || unicode.IsMark(c)) || c >= 0xFB00 && c < 0xFB07
}

// number reads digits, and letters that hang on them: 12, 12th, 4B.
func (r *enReader) number(t *enToken, text []byte, i, to int) int {
	t.kind = enNumber
	for ; i < to; i++ {
		c := text[i]
		if enAlpha(c) || c == '_' {
			t.kind = enMixed
		} else if c < '0' || c > '9' {
			break
		}
	}
	t.end = i
	return i
}

// word reads letters, apostrophes among them, and digits that hang on them.
func (r *enReader) word(t *enToken, text []byte, i, to int) int {
	h, letters, upper, first := uint64(enSeed), 0, 0, false
	for i < to {
		c := text[i]
		if c < utf8.RuneSelf {
			switch {
			case c >= 'a' && c <= 'z':
				h = (h ^ uint64(c)) * enPrime
			case c >= 'A' && c <= 'Z':
				h = (h ^ uint64(c|0x20)) * enPrime
				first = first || letters == 0
				upper++
			case c >= '0' && c <= '9' || c == '_':
				t.kind = enMixed
			default:
				if n := enInner(text, i, to); n > 0 {
					i += n
					continue
				}
				return r.finish(t, text, i, to, h, letters, upper, first)
			}
			letters++
			i++
			continue
		}
		if n := enInner(text, i, to); n > 0 {
			i += n
			continue
		}
		l, n := utf8.DecodeRune(text[i:to])
		if !enLetter(l) {
			break
		}
		h = r.fold(h, l)
		if unicode.IsUpper(l) {
			first = first || letters == 0
			upper++
		}
		if !unicode.IsMark(l) {
			letters++
		}
		i += n
	}
	return r.finish(t, text, i, to, h, letters, upper, first)
}

func (r *enReader) fold(h uint64, l rune) uint64 {
	if int(l) < len(r.folds) {
		s := r.folds[l]
		for k := range len(s) {
			h = (h ^ uint64(s[k])) * enPrime
		}
		return h
	}
	if unicode.IsMark(l) {
		return h
	}
	var room [utf8.UTFMax]byte
	for _, b := range room[:utf8.EncodeRune(room[:], unicode.ToLower(l))] {
		h = (h ^ uint64(b)) * enPrime
	}
	return h
}

// enInner is the length of an apostrophe inside a word (O'Brien, D'Angelo),
// but not of that of a possessive.
func enInner(text []byte, i, to int) int {
	n := enApostrophe(text, i, to)
	if n == 0 || i+n >= to || !enAlpha(text[i+n]) && text[i+n] < utf8.RuneSelf {
		return 0
	}
	if i+n+1 >= to || !enAlpha(text[i+n+1]) && text[i+n+1] < utf8.RuneSelf {
		return 0 // 's, 't, 'd, 'm
	}
	if text[i+n] >= 'a' && (i+n+2 >= to || !enAlpha(text[i+n+2])) {
		return 0 // 'll, 're, 've
	}
	return n
}

func enApostrophe(text []byte, i, to int) int {
	if text[i] == '\'' {
		return 1
	}
	if i+2 < to && text[i] == 0xE2 && text[i+1] == 0x80 && text[i+2] == 0x99 {
		return 3
	}
	return 0
}

// finish sets what is known of a word at its end, and steps over 's.
func (r *enReader) finish(t *enToken, text []byte, i, to int, h uint64, letters, upper int, first bool) int {
	t.end, t.hash = i, h
	switch {
	case t.kind == enMixed:
		return i
	case letters == 1 && upper == 1:
		t.shape = enInitial
	case upper == letters:
		t.shape = enUpper
	case first || upper == 1 && letters > 4:
		t.shape, t.mixed = enCap, upper > 1 && text[t.start+1] < 'a'
	}
	t.class = r.words.of(h)
	if n := enApostrophe(text, min(i, to-1), to); i < to && n > 0 && i+n < to && text[i+n]|0x20 == 's' && (i+n+1 == to || !enAlpha(text[i+n+1])) {
		t.owns = true
		return i + n + 1
	}
	return i
}

// enMark finds out how each line is written and where sentences begin. Where
// a text has next to no capitals, names and places are read as if they had
// theirs; where it has, only the commonest given names are.
func enMark(ts []enToken) (tiny bool) {
	words, capitals, others := 0, 0, 0
	for k := range ts {
		if ts[k].kind == enOther {
			others++
		}
		if ts[k].kind == enWord {
			words++
			if ts[k].proper() {
				capitals++
			}
		}
	}
	as, small := enGivenOften, words >= 4 && 50*capitals <= words
	if small {
		as = enPerson | enPlace
	}
	if small {
		enRaise(ts)
	}
	for k := range ts {
		t := &ts[k]
		if t.kind == enWord && t.shape == enLower && t.is(as) && !t.is(enOrdinary|enMedic|enEponym|enFunction|enParticle|enLabel) && t.end-t.start > 2 {
			t.shape, t.raised = enCap, true
		}
		if small && t.kind == enWord && t.shape == enLower && t.is(enStreet|enUnit|enStreetHead) && t.end-t.start > 2 && !t.is(enFunction) {
			t.shape, t.raised = enCap, true
		}
	}
	for i := 0; i < len(ts); {
		end := i + 1
		for end < len(ts) && ts[end].gap < enNewline {
			end++
		}
		enMarkLine(ts, i, end)
		enMarkAmid(ts[i:end], others > 2*words)
		i = end
	}
	return small
}

// enRaise reads words of a text without capitals as if they had theirs where
// numbers and last words say so: months beside days, streets behind house
// numbers, states before postal codes, names of hospitals.
func enRaise(ts []enToken) {
	word := func(k int) bool {
		return k >= 0 && k < len(ts) && ts[k].kind == enWord && ts[k].gap < enNewline && !ts[k].is(enFunction|enMedic)
	}
	number := func(k int) bool { return k >= 0 && k < len(ts) && ts[k].kind != enWord && ts[k].kind != enPunct }
	lift := func(k int, to enShape) { ts[k].shape, ts[k].raised = to, true }
	for k := range ts {
		t := &ts[k]
		switch {
		case t.kind != enWord || t.shape != enLower:
		case t.is(enMonth) && (number(k+1) || number(k-1) || k > 1 && number(k-2)):
			lift(k, enCap)
		case t.is(enState) && t.end-t.start == 2 && number(k+1) && ts[k+1].end-ts[k+1].start == 5:
			lift(k, enUpper)
			for j := k - 1; j >= k-3; j-- {
				if word(j) {
					lift(j, enCap)
				}
			}
		case t.is(enStreet) && word(k-1):
			for n := 2; n <= 4; n++ {
				if number(k-n) && ts[k-n].end-ts[k-n].start <= 5 {
					for j := k - n + 1; j <= k; j++ {
						if ts[j].kind == enWord {
							lift(j, enCap)
						}
					}
				}
			}
		case t.is(enOrgTail) && word(k-1) && !(ts[k-1].is(enGeneric) && !word(k-2)):
			for j := k; j >= k-3 && (word(j) || j == k); j-- {
				if j == k || ts[j].is(enPerson|enPlace|enOrgTail|enGeneric|enTitle) || ts[j].class == 0 {
					lift(j, enCap)
				}
			}
		}
	}
}

// enMarkAmid marks the words of a line that holds Chinese, or of any line of a
// text that is mainly Chinese.
func enMarkAmid(line []enToken, mainly bool) {
	for k := 0; k < len(line) && !mainly; k++ {
		mainly = line[k].kind == enOther
	}
	if !mainly {
		return
	}
	for k := range line {
		line[k].amid = true
	}
}

func enMarkLine(ts []enToken, from, to int) {
	upper, capital, lower, ordinary, small := 0, 0, 0, 0, 0
	for k := from; k < to; k++ {
		t := &ts[k]
		switch {
		case t.kind != enWord || t.shape == enInitial:
		case t.shape == enUpper:
			upper++
		case t.shape == enCap:
			capital++
			if t.is(enOrdinary) {
				ordinary++
			}
		case t.is(enFunction):
			small++
		default:
			lower++
		}
	}
	shouts := upper >= 2 && upper > 2*(capital+lower)
	titled := capital >= 2 && lower == 0 && 2*ordinary >= capital && 3*small <= capital+small
	opens := from == 0 || ts[from].gap == enBlank || enEnds(ts, from)
	for k := from; k < to; k++ {
		t := &ts[k]
		t.shouts, t.titled = shouts, titled
		if t.kind == enPunct {
			opens = opens || enStops(ts, k)
			continue
		}
		t.opens, opens = opens, false
	}
}

// enEnds says whether the line before ends there: it does not where its last
// word is followed by nothing and it is long, as in wrapped text.
func enEnds(ts []enToken, from int) bool {
	last := ts[from-1]
	if last.kind == enPunct {
		return last.sign != ',' && last.sign != '-' && last.sign != '('
	}
	start := from - 1
	for start > 0 && ts[start].gap < enNewline {
		start--
	}
	return last.end-ts[start].start < 50
}

// enStops says whether a sign ends a sentence or opens an item.
func enStops(ts []enToken, k int) bool {
	switch ts[k].sign {
	case '.':
		if k > 0 && ts[k].gap == enTight && ts[k-1].kind == enWord {
			if ts[k-1].shape == enInitial || ts[k-1].is(enTitle) && ts[k-1].shape == enCap {
				return false
			}
		}
		return k+1 < len(ts) && ts[k+1].gap != enTight
	case '!', '?', ':', ';', '*', '#', '>', '"', '|', '[', '{', '=':
		return true
	case '-', 0x80:
		return k == 0 || ts[k].gap >= enNewline
	case ')':
		return k > 0 && ts[k-1].kind == enNumber
	}
	return false
}
