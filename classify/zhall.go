package classify

import (
	"bytes"
	"sync"
)

// zhTrie finds the longest cue at a place. A bitmap answers "none" for nearly
// all places, by a hash of two characters, or of one for the shortest cues.
type zhTrie struct {
	words   map[string]int
	lengths [256][]int // the lengths of words by their first byte, longest first
	pairs   [1 << 10]uint64
	singles [1 << 6]uint64
}

func newZhTrie(words []string) *zhTrie {
	t := &zhTrie{words: map[string]int{}}
	var lengths [256]map[int]bool
	for i, w := range words {
		if w[0] < 0x80 {
			continue
		}
		t.words[w] = i
		if lengths[w[0]] == nil {
			lengths[w[0]] = map[int]bool{}
		}
		lengths[w[0]][len(w)] = true
		if len(w) >= 6 {
			h := first8(w) & six * hashFactor >> 48
			t.pairs[h>>6] |= 1 << (h & 63)
		} else {
			h := first8(w) & three * hashFactor >> 52
			t.singles[h>>6] |= 1 << (h & 63)
		}
	}
	for b, set := range lengths {
		for n := 64; n > 0; n-- {
			if set[n] {
				t.lengths[b] = append(t.lengths[b], n)
			}
		}
	}
	return t
}

// at gives the longest cue at i, or -1.
func (t *zhTrie) at(text []byte, i int) (cue, size int) {
	x := load(text, i)
	h, g := x&six*hashFactor>>48, x&three*hashFactor>>52
	if t.pairs[h>>6]>>(h&63)&1 == 0 && t.singles[g>>6]>>(g&63)&1 == 0 {
		return -1, 0
	}
	for _, n := range t.lengths[text[i]] {
		if i+n <= len(text) {
			if k, ok := t.words[string(text[i:i+n])]; ok {
				return k, n
			}
		}
	}
	return -1, 0
}

// zhNames is the most names of one text that are remembered.
const zhNames = 1 << 14

// zhScratch is what one call of all needs besides its result.
type zhScratch struct {
	w     zhWindow
	path  zhPath
	found [zhMost]zhFound
	spans []Span
	names map[string]bool
	seen  [1 << 6]uint64 // bit by a hash of two characters that begin one of names
}

var zhScratches = sync.Pool{New: func() any { return &zhScratch{names: map[string]bool{}} }}

// all finds what [Redact] wants besides: names without a label, names that a
// label established wherever they stand again, dates, addresses in running
// text, organisations.
func (z *chinese) all(dst []Span, text []byte) []Span {
	s := zhScratches.Get().(*zhScratch)
	defer zhScratches.Put(s)
	clear(s.names)
	s.seen = [1 << 6]uint64{}
	s.spans = s.spans[:0]
	s.path.x = z.x
	z.announced(s, text)
	v := zhView{z: z, text: text, dst: dst}
	v.everything(s)
	return v.dst
}

// remember keeps a name to find it again.
func (s *zhScratch) remember(name []byte) {
	if len(s.names) >= zhNames || s.names[string(name)] {
		return
	}
	s.names[string(name)] = true
	h := load(name, 0) & six * hashFactor >> 52
	s.seen[h>>6] |= 1 << (h & 63)
}

// announced collects the names that labels and titles establish.
func (z *chinese) announced(s *zhScratch, text []byte) {
	for i := 0; i < len(text); {
		if text[i] < 0xE3 {
			i++
			continue
		}
		cue, size := z.trie.at(text, i)
		if cue < 0 {
			i++
			continue
		}
		if z.use[cue]&(zhCueLabel|zhCueRole|zhCueTitle|zhCueGender) != 0 {
			s.spans = z.near(s.spans[:0], text, i, i+size, cue)
			for _, f := range s.spans {
				if f.Kind == Name && f.End-f.Start >= 6 {
					s.remember(text[f.Start:f.End])
				}
			}
		}
		i += size
	}
}

// everything goes once through the text.
func (v *zhView) everything(s *zhScratch) {
	text := v.text
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c < 0x80:
			if c-'0' < 10 && zhDateBegins(text, i) {
				i = v.date(i)
				continue
			}
			i++
		case c >= 0xE3:
			if _, size := zhRune(text, i); size == 0 {
				if c == 0xEF && zhDateBegins(text, i) {
					i = v.date(i)
					continue
				}
				i += zhSize(c)
				continue
			}
			i = v.stretch(s, i)
		default:
			i += zhSize(c)
		}
	}
}

// zhSize is the length of a character by its first byte.
func zhSize(c byte) int {
	switch {
	case c >= 0xF0:
		return 4
	case c >= 0xE0:
		return 3
	case c >= 0xC0:
		return 2
	}
	return 1
}

// date adds the date at i and says where to go on.
func (v *zhView) date(i int) int {
	e := zhDate(v.text, i, v.dated(i))
	if e < 0 {
		e = zhMoment(v.text, i)
	}
	if e > i {
		kind := Date
		if hasWide(v.text, e, "生") && !hasWide(v.text, e, "生产") {
			kind = BirthDate
		}
		v.add(i, e, kind, 85, ByStructure)
		return e
	}
	for i < len(v.text) {
		_, size := zhDigit(v.text, i)
		if size == 0 {
			break
		}
		i += size
	}
	return max(i, 1)
}

// dated says whether a label of a day stands before i.
func (v *zhView) dated(i int) bool {
	before := v.text[max(0, i-24):i]
	return bytes.Contains(before, []byte("日期")) || bytes.Contains(before, []byte("时间："))
}

// stretch reads one window of Han characters and says where to go on: behind
// it, or a little before its end where the run is longer.
func (v *zhView) stretch(s *zhScratch, i int) int {
	s.w.forward(v.text, i, zhMost)
	w := &s.w
	next, most := w.at[w.n], w.n
	if w.n == zhMost {
		most = zhMost - 8
	}
	if v.may(s) {
		most, next = v.names(s, most)
	} else if w.n == zhMost {
		next = w.at[most]
	}
	for k := range most {
		v.here(s, k, w.at[k])
	}
	return next
}

// may says whether the window can hold a name at all.
func (v *zhView) may(s *zhScratch) bool {
	for k, c := range s.w.run() {
		if v.z.x.surname[c-zhFirst] > 0 || v.z.x.doubles[c-zhFirst] && k+1 < s.w.n {
			return true
		}
	}
	return false
}

// names adds the names of the window without a label, up to most characters,
// and says where to go on.
func (v *zhView) names(s *zhScratch, most int) (int, int) {
	w := &s.w
	end := 0
	if w.n < zhMost {
		end = v.behind(w.at[w.n])
	}
	start := v.before(w.at[0])
	if w.n >= 2 && w.n <= 4 && start > 0 && end > 0 {
		start += v.cellular(w)
	}
	s.path.read(w.run(), start, end)
	cut := most
	for _, f := range s.path.found(s.found[:0], w.n) {
		if f.to > most && w.n == zhMost {
			if f.from < cut {
				cut = f.from
			}
			continue
		}
		v.unlabelled(s, f)
	}
	if w.n < zhMost {
		return most, w.at[w.n]
	}
	cut = max(cut, 1)
	return cut, w.at[cut]
}

// unlabelled adds a name that no label announced, and remembers it.
func (v *zhView) unlabelled(s *zhScratch, f zhFound) {
	w := &s.w
	if v.stop(w.runes[f.from:f.to]) || v.maskedAt(w.at[f.to]) {
		return
	}
	if zhPlaceEnd(w.runes[f.to-1]) {
		return // a place, a medicine
	}
	if f.to-f.from == 3 && v.z.x.shape[w.runes[f.to-1]-zhFirst]&v.z.x.shape[w.runes[f.to-2]-zhFirst]&zhSound != 0 {
		return // a foreign word, by its sound: 戴维森, 莫尔加
	}
	sure, reason := uint8(62), ByLexicon
	if f.alone {
		sure, reason = 60, ByTitle
	}
	v.add(w.at[f.from], w.at[f.to], Name, sure, reason)
	if f.to-f.from >= 3 {
		s.remember(v.text[w.at[f.from]:w.at[f.to]])
	}
}

// zhPlaceEnd says whether what looks like a name ends as places and medicines
// do: 贾鲁河, 温胆汤.
func zhPlaceEnd(c rune) bool {
	switch c {
	case '河', '湖', '镇', '村', '乡', '路', '街', '县', '区', '市', '岩', '厂', '站', '队', '汤', '丸', '散', '膏', '片':
		return true
	}
	return false
}

// behind is what the text behind a run adds to a name that ends it.
func (v *zhView) behind(i int) int {
	if i >= len(v.text) || v.text[i] == '\n' || v.text[i] == '\r' || v.text[i] == '\t' {
		return zhByEdge
	}
	switch {
	case v.text[i] == ':' || hasWide(v.text, i, "："):
		return zhByEdge + 6
	case hasWide(v.text, i, "、") || v.text[i] == '/' || v.text[i] == '|':
		return zhByEdge
	case v.text[i] == '(' || hasWide(v.text, i, "（"):
		return zhByEdge
	}
	return zhByEdge / 2
}

// cellular is more for a run that is a value by itself: a line, a cell, a word
// between blanks, what stands behind a colon.
func (v *zhView) cellular(w *zhWindow) int {
	from, to := w.at[0], w.at[w.n]
	open := from == 0 || bytes.IndexByte([]byte("\n\t|/: @\"'"), v.text[from-1]) >= 0 || zhEnds(v.text[:from], "：") || zhEnds(v.text[:from], "、") || zhEnds(v.text[:from], "　")
	shut := to == len(v.text) || bytes.IndexByte([]byte("\n\r\t|/:( \"'"), v.text[to]) >= 0 || hasWide(v.text, to, "：") || hasWide(v.text, to, "、") || hasWide(v.text, to, "　") || hasWide(v.text, to, "（")
	if open && shut {
		return 32
	}
	return 0
}

// here looks at one character of a stretch: an established name, a date in
// Chinese digits, an organisation.
func (v *zhView) here(s *zhScratch, k, i int) {
	w := &s.w
	c := w.runes[k]
	if len(s.names) > 0 && (v.z.x.surname[c-zhFirst] > 0 || v.z.x.doubles[c-zhFirst] || v.z.x.foreign[c-zhFirst]) {
		v.mention(s, i)
	}
	switch c {
	case '一', '二', '三', '四', '五', '六', '七', '八', '九', '十', '正', '腊', '冬', '元', '廿':
		if zhDateBegins(v.text, i) {
			if e := zhDate(v.text, i, false); e > i {
				v.add(i, e, Date, 82, ByStructure)
			}
		}
	case '老', '小':
		v.familiar(w, k)
		v.organised(i)
	case '组', '号', '室':
		if i > 0 && v.counted(i) {
			v.house(i)
		}
	case '医', '公', '大', '学', '卫', '诊', '集', '派', '养', '敬', '中', '厂', '妇', '幼':
		v.organised(i)
	}
	if v.z.x.shape[c-zhFirst]&zhProvince != 0 {
		v.located(i)
	}
	if i >= 2 && (v.text[i-1] == 0xB7 || v.text[i-1] == 0xA2 || v.text[i-1] == 0xBB || v.text[i-1] == 0xA7) {
		v.dotted(i)
	}
}

// mark is what a word may do beside a name.
func (v *zhView) mark(word []rune) zhMark { return v.z.x.mark[v.z.x.word(word)] }

// familiar adds 老李 and 小王 where they stand as people do.
func (v *zhView) familiar(w *zhWindow, k int) {
	if k+1 >= w.n || v.z.x.surname[w.runes[k+1]-zhFirst]-1 > 47 {
		return
	}
	lead := k == 0 || v.mark(w.runes[k-1:k])&(zhLead|zhFollow) != 0
	for n := 2; n <= 3 && n <= k && !lead; n++ {
		lead = v.mark(w.runes[k-n:k])&(zhLead|zhRole) != 0
	}
	asked := k > 0 && zhIsOneOf(w.runes[k-1], "让叫找给跟问请替帮")
	if !lead && !asked || k+3 <= w.n && v.z.x.word(w.runes[k:k+3]) != 0 {
		return
	}
	next := asked || k+2 < w.n && zhIsOneOf(w.runes[k+2], "说那这来去今已刚")
	for n := 1; n <= 3 && k+2+n <= w.n; n++ {
		next = next || v.mark(w.runes[k+2:k+2+n])&(zhTitle|zhFollow) != 0
	}
	if next || k+2 == w.n {
		v.add(w.at[k], w.at[k+2], Name, 55, ByStructure)
	}
}

// located adds an address in running text that begins with a region: two
// regions at least, or one and a house.
func (v *zhView) located(i int) {
	size, full := v.region(i)
	if size < 6 {
		return
	}
	e, parts := v.address(i)
	if parts.regions < 2 && parts.numbers == 0 || !full && parts.regions+parts.places < 2 || v.organisation(e) {
		return
	}
	v.add(i, e, Address, 70, ByLexicon)
}

// mention adds an established name that stands at i.
func (v *zhView) mention(s *zhScratch, i int) {
	h := load(v.text, i) & six * hashFactor >> 52
	if s.seen[h>>6]>>(h&63)&1 == 0 {
		return
	}
	for n := 12; n >= 6; n -= 3 {
		if i+n <= len(v.text) && s.names[string(v.text[i:i+n])] {
			if n > 6 || v.unusual(v.text[i:i+n]) {
				v.add(i, i+n, Name, 84, ByLexicon)
				return
			}
		}
	}
}

// zhDots is the most dots a name has.
const zhDots = 8

// dotted finds a foreign name around a dot that ends at i.
func (v *zhView) dotted(i int) {
	dot := 0
	for _, size := range []int{3, 2} {
		if i >= size && zhDot(v.text, i-size) == size {
			dot = size
			break
		}
	}
	if dot == 0 {
		return
	}
	var w zhWindow
	w.backward(v.text, i-dot, 8)
	from := w.n
	for from > 0 && v.z.x.foreign[w.runes[from-1]-zhFirst] {
		from--
	}
	for from < w.n && from > 0 && v.z.x.word(w.runes[from-1:from+1]) != 0 {
		from++ // 丈夫|买买提
	}
	for n := min(4, w.n-from-1); n >= 2; n-- {
		if node := v.z.x.word(w.runes[from : from+n]); node != 0 && v.z.x.mark[node]&(zhRole|zhLead) != 0 {
			from += n
			break
		}
	}
	end := v.spelled(i)
	if w.n-from < 1 || end < 0 {
		return
	}
	for n, size := 0, zhDot(v.text, end); n < zhDots && size > 0; n, size = n+1, zhDot(v.text, end) {
		next := v.spelled(end + size)
		if next < 0 {
			break
		}
		end = next
	}
	v.add(w.at[from], end, Name, 75, ByLexicon)
}

// zhIsOneOf says whether c is among the characters of set.
func zhIsOneOf(c rune, set string) bool {
	for _, r := range set {
		if r == c {
			return true
		}
	}
	return false
}
