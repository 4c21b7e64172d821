package classify

import "bytes"

// The longest name of one run of characters that a label announces, and how
// many names a list may have.
const (
	zhNameRun  = 14
	zhNameList = 24
)

// named finds the names behind a label or a role: one, or a list.
func (v *zhView) named(at, end int, label bool) {
	if v.masked(end) {
		return
	}
	p, colon := v.separator(end)
	first := len(v.dst)
	v.asks = zhEnds(v.text[:end], "姓名") || zhEnds(v.text[:end], "名字")
	for n := 0; n < zhNameList; n++ {
		to, sure := v.value(p, v.expect(n, label, colon, p > end))
		if to < 0 {
			break
		}
		v.add(p, to, Name, sure, ByLabel)
		next := v.listed(to)
		if next < 0 {
			break
		}
		p = next
	}
	if len(v.dst) == first && label {
		v.column(at, end)
		return
	}
	if label || colon {
		v.again(first)
	}
}

// field finds the Chinese name behind a field's name in Latin letters:
// "patient_name":"张三".
func (v *zhView) field(end int) {
	p, _ := v.separator(end)
	for p < len(v.text) && p < end+6 && (v.text[p] == '"' || v.text[p] == '\'') {
		p, _ = v.separator(p + 1)
	}
	if p >= len(v.text) || v.text[p] < 0xE4 {
		return
	}
	if to, sure := v.value(p, zhByLabel); to > 0 {
		v.add(p, to, Name, sure, ByLabel)
	}
}

// expect is how much the label makes of what stands behind it.
func (v *zhView) expect(n int, label, colon, apart bool) int {
	switch {
	case n > 0:
		return zhByLabel - 18
	case label && colon && v.asks:
		return zhByLabel + 10
	case label && colon:
		return zhByLabel
	case colon:
		return zhByLabel - 5
	case label && apart:
		return zhByLabel - 20
	case label:
		return zhByRole + 8
	}
	return zhByRole
}

// separator passes what stands between a label and its value, and says whether
// a colon or a bracket was there.
func (v *zhView) separator(i int) (next int, colon bool) {
	for n := 0; n < 12 && i < len(v.text); n++ {
		size := 0
		switch c := v.text[i]; {
		case c == ' ' || c == '\t' || c == '_' || c == '*' || c == '"' || c == '-':
			size = 1
		case c == ':' || c == '=' || c == '(' || c == '[' || c == ']' || c == '|' || c == '>':
			size, colon = 1, true
		case hasWide(v.text, i, "　"):
			size = 3
		case hasWide(v.text, i, "：") || hasWide(v.text, i, "（") || hasWide(v.text, i, "【") || hasWide(v.text, i, "】") || hasWide(v.text, i, "“") || hasWide(v.text, i, "｜") || hasWide(v.text, i, "﹕"):
			size, colon = 3, true
		case hasWide(v.text, i, "签名") || hasWide(v.text, i, "签字") || hasWide(v.text, i, "姓名"):
			size = 6
		}
		if size == 0 {
			break
		}
		i += size
	}
	return i, colon
}

func hasWide(text []byte, i int, s string) bool {
	return i+len(s) <= len(text) && string(text[i:i+len(s)]) == s
}

// value reads one name at p. It gives where the name ends, or -1.
func (v *zhView) value(p, expect int) (end int, sure uint8) {
	if p >= len(v.text) {
		return -1, 0
	}
	if v.text[p] < 0x80 {
		if expect >= zhByLabel-5 {
			return v.latin(p), 88
		}
		return -1, 0
	}
	var w zhWindow
	w.forward(v.text, p, zhNameRun)
	if w.n == 0 {
		return -1, 0
	}
	if expect <= zhByRole+8 && v.goesOn(&w) {
		return -1, 0
	}
	if end := v.foreign(&w, p); end > 0 {
		return end, 92
	}
	if end := v.spaced(&w, expect); end > 0 {
		return end, 88
	}
	closed := w.n < zhNameRun && !v.maskedAt(w.at[w.n])
	if n := v.leads(&w, expect, closed); n > 0 {
		return w.at[n], v.sure(expect)
	}
	switch {
	case !closed || expect < zhByLabel-20:
	case v.strange(w.run()):
		return w.at[w.n], 70
	case expect >= zhByLabel-20 && v.wordName(w.run()):
		return w.at[w.n], 72
	case expect >= zhByLabel && v.unknown(w.run()):
		return w.at[w.n], 62
	case expect > zhByLabel && w.n >= 2 && w.n <= 6 && v.z.x.word(w.run()) == 0:
		return w.at[w.n], 65
	}
	return -1, 0
}

// leads gives the characters of the name that begins a window, 0 where none
// does.
func (v *zhView) leads(w *zhWindow, expect int, closed bool) int {
	if n, _ := v.z.x.surnameAt(w.run()); n == 0 && v.z.x.partAt(w.run()) == 0 {
		return 0
	}
	edge := 0
	if closed {
		edge = zhByEdge
		if w.n <= 4 && expect > zhByRole+8 {
			edge += zhWhole
		}
	}
	path := zhPath{x: v.z.x}
	path.read(w.run(), expect, edge)
	var room [zhNameRun]zhFound
	names := path.found(room[:0], w.n)
	if len(names) == 0 {
		return 0
	}
	f := names[len(names)-1]
	if f.from != 0 || f.alone || expect <= zhByRole+8 && zhPlaceEnd(w.runes[f.to-1]) || v.never(w.runes[:f.to]) || v.maskedAt(w.at[f.to]) {
		return 0
	}
	return f.to
}

// goesOn says whether the sentence goes on behind a role: 医师和护士, 当事人向法院.
func (v *zhView) goesOn(w *zhWindow) bool {
	switch w.runes[0] {
	case '和', '与', '及', '同', '或':
		return true
	case '向', '于', '应', '时', '经', '从', '由', '能', '对', '常':
		return w.n >= 3 && v.z.x.word(w.runes[1:3]) != 0
	}
	return false
}

func (v *zhView) sure(expect int) uint8 {
	switch {
	case expect >= zhByLabel-5:
		return 96
	case expect > zhByRole:
		return 92
	}
	return 88
}

// never says whether a run is no name even behind a label. A town may be
// called as people are: 高平.
func (v *zhView) never(runes []rune) bool {
	return v.stop(runes) && (len(runes) > 2 || v.z.x.mark[v.z.x.word(runes)]&zhRegion == 0)
}

// stop says whether a run is no name though it looks like one.
func (v *zhView) stop(runes []rune) bool {
	node := v.z.x.word(runes)
	return node != 0 && v.z.x.mark[node]&(zhStop|zhRegion|zhRole) != 0
}

// strange says whether a whole value without a surname is a name all the same:
// 扎西次仁, 阿依古丽.
func (v *zhView) strange(runes []rune) bool {
	if len(runes) < 2 || len(runes) > 8 || v.z.x.word(runes) != 0 {
		return false
	}
	if len(runes) == 4 && v.z.x.word(runes[1:3]) == 0 && v.z.x.word(runes[2:]) == 0 &&
		v.z.x.surname[runes[0]-zhFirst]-1 < 70 && v.z.x.surname[runes[1]-zhFirst]-1 < 70 {
		return true // two surnames: 范徐丽泰
	}
	for _, c := range runes {
		if !v.z.x.foreign[c-zhFirst] {
			return false
		}
	}
	return true
}

// unknown says whether a value of two or three characters behind a label is a
// name whose surname no table has: what follows is usual in given names.
func (v *zhView) unknown(runes []rune) bool {
	if len(runes) < 2 || len(runes) > 3 || v.z.x.word(runes) != 0 || v.z.x.word(runes[:2]) != 0 || v.z.x.word(runes[len(runes)-2:]) != 0 {
		return false
	}
	for _, c := range runes[1:] {
		if v.z.x.given[c-zhFirst] > 72 {
			return false
		}
	}
	return true
}

// wordName says whether a word of the language is a name behind a label:
// 白雪, 时光. A common surname must begin it.
func (v *zhView) wordName(runes []rune) bool {
	if len(runes) != 2 || v.never(runes) {
		return false
	}
	node := v.z.x.word(runes)
	c := v.z.x.surname[runes[0]-zhFirst]
	return node != 0 && v.z.x.cost[node] >= 92 && c > 0 && c <= 80 && v.z.x.given[runes[1]-zhFirst] <= 72
}

// masked says whether a label's value is masked or a blank form.
func (v *zhView) masked(i int) bool {
	return i < len(v.text) && v.text[i] == '*'
}

// maskedAt says whether a name goes on in stars or as 某: 张*, 李某某.
func (v *zhView) maskedAt(i int) bool {
	return i < len(v.text) && (v.text[i] == '*' || hasWide(v.text, i, "某") || hasWide(v.text, i, "＊") || hasWide(v.text, i, "×") || hasWide(v.text, i, "Ｘ"))
}

// listed passes what stands between the names of a list, -1 where it ends.
func (v *zhView) listed(i int) int {
	i = v.aside(i)
	start := i
	for n := 0; n < 4 && i < len(v.text); n++ {
		c := v.text[i]
		switch {
		case c == ' ' || c == '/' || c == ',' || c == ';' || c == '&' || c == '+' || c == '\\':
			i++
			continue
		case hasWide(v.text, i, "、") || hasWide(v.text, i, "，") || hasWide(v.text, i, "／") || hasWide(v.text, i, "；") || hasWide(v.text, i, "　") ||
			hasWide(v.text, i, "和") || hasWide(v.text, i, "与") || hasWide(v.text, i, "及"):
			i += 3
			continue
		}
		break
	}
	if i == start {
		return -1
	}
	return i
}

// aside passes a short remark in brackets, or a title: 张三（配偶）、李四主任、
func (v *zhView) aside(i int) int {
	var w zhWindow
	w.forward(v.text, i, 5)
	for n := w.n; n > 0; n-- {
		if node := v.z.x.word(w.runes[:n]); node != 0 && v.z.x.mark[node]&zhTitle != 0 {
			i = w.at[n]
			break
		}
	}
	for _, pair := range [...][2]string{{"（", "）"}, {"(", ")"}} {
		if hasWide(v.text, i, pair[0]) {
			if k := bytes.Index(v.text[i:min(len(v.text), i+36)], []byte(pair[1])); k > 0 {
				return i + k + len(pair[1])
			}
		}
	}
	return i
}

// spaced reads a name written apart: 张 伟.
func (v *zhView) spaced(w *zhWindow, expect int) int {
	if w.n != 1 || expect < zhByLabel-20 {
		return -1
	}
	if n, _ := v.z.x.surnameAt(w.run()); n == 0 {
		return -1
	}
	i := w.at[1]
	for n := 0; n < 4 && i < len(v.text); n++ {
		if v.text[i] == ' ' {
			i++
		} else if hasWide(v.text, i, "　") {
			i += 3
		}
	}
	if i == w.at[1] {
		return -1
	}
	var g zhWindow
	g.forward(v.text, i, 3)
	if g.n == 0 || g.n > 2 || expect <= zhByLabel && v.z.x.given[g.runes[0]-zhFirst] >= zhRare {
		return -1
	}
	if g.n == 2 && expect <= zhByLabel && v.z.x.word(g.run()) != 0 {
		return -1
	}
	if g.n == 1 { // 孙 丽 丽
		var h zhWindow
		if k := zhBlank(v.text, g.at[1]); k > g.at[1] {
			if h.forward(v.text, k, 2); h.n == 1 && v.z.x.given[h.runes[0]-zhFirst] < 80 {
				return h.at[1]
			}
		}
	}
	return g.at[g.n]
}

// latin reads a name in Latin letters beside a Chinese label: Zhang Wei.
func (v *zhView) latin(p int) int {
	end, words := p, 0
	for i := p; words < 4; words++ {
		n := i
		for n < len(v.text) && (letter(v.text[n]) || n > i && (v.text[n] == '\'' || v.text[n] == '-')) {
			n++
		}
		if n-i < 2 || v.text[i]-'A' > 25 || n-i > 20 {
			break
		}
		end = n
		if n < len(v.text) && (v.text[n] == ' ' || v.text[n] == ',' && n+1 < len(v.text) && v.text[n+1] == ' ') {
			for i = n; i < len(v.text) && (v.text[i] == ' ' || v.text[i] == ','); i++ {
			}
			continue
		}
		words++
		break
	}
	if words < 2 {
		return -1
	}
	return end
}

// dots are what parts the words of names of other languages.
func zhDot(text []byte, i int) int {
	for _, dot := range []string{"·", "•", "・", "‧", "．", "∙"} {
		if hasWide(text, i, dot) {
			return len(dot)
		}
	}
	return 0
}

// foreign reads a name with a dot: 买买提·艾力. The window is what stands
// before the dot.
func (v *zhView) foreign(w *zhWindow, p int) int {
	end := w.at[w.n]
	size := zhDot(v.text, end)
	if size == 0 || w.n > 9 || v.opens(w.run()) {
		return -1
	}
	for size > 0 {
		next := v.spelled(end + size)
		if next < 0 {
			return -1
		}
		end = next
		size = zhDot(v.text, end)
	}
	return end
}

// opens says whether a run begins with a word of its own: 爱人阿依古丽.
func (v *zhView) opens(runes []rune) bool {
	for n := 2; n <= len(runes) && n <= 4; n++ {
		if node := v.z.x.word(runes[:n]); node != 0 && v.z.x.mark[node]&(zhRole|zhLead|zhTitle) != 0 {
			return true
		}
	}
	return !v.z.x.foreign[runes[0]-zhFirst]
}

// spelled passes the characters that spell a part of a foreign name.
func (v *zhView) spelled(i int) int {
	var w zhWindow
	w.forward(v.text, i, 10)
	n := 0
	for n < w.n && v.z.x.foreign[w.runes[n]-zhFirst] {
		n++
	}
	if n == 0 && w.n > 0 && w.n <= 4 {
		n = w.n
	}
	for k := n; k > 1; k-- { // a word that follows is no part of it
		if node := v.z.x.word(w.runes[k-1 : min(w.n, k+1)]); node != 0 && k < w.n && v.z.x.mark[node]&zhFollow != 0 {
			n = k - 1
		}
	}
	if n == 0 {
		return -1
	}
	return w.at[n]
}

// titled finds the name before a title: 张三主任.
func (v *zhView) titled(at int) {
	end := at
	if end > 0 && (v.text[end-1] == ' ' || v.text[end-1] == '\t') {
		end--
	}
	var w zhWindow
	w.backward(v.text, end, 10)
	if w.n < 2 {
		return
	}
	path := zhPath{x: v.z.x}
	start := v.before(w.at[0])
	path.read(w.run(), start, zhByTitle)
	var room [zhMost]zhFound
	names := path.found(room[:0], w.n)
	if len(names) == 0 {
		return
	}
	if f := names[0]; f.to == w.n && !f.alone && f.to-f.from >= 2 && !v.never(w.runes[f.from:f.to]) {
		v.add(w.at[f.from], w.at[f.to], Name, 86, ByTitle)
	}
}

// before is what the text before a run adds to a name that begins it.
func (v *zhView) before(i int) int {
	if i == 0 || v.text[i-1] == '\n' {
		return zhByEdge
	}
	switch {
	case v.text[i-1] == ':' || zhEnds(v.text[:i], "："):
		return zhByEdge + zhByLead
	case zhEnds(v.text[:i], "、") || v.text[i-1] == '/':
		return zhByEdge
	case v.text[i-1] == ' ' && v.roleEnds(i-1):
		return zhByEdge + zhByLead
	case v.text[i-1] < 0x80:
		return zhByEdge
	}
	if _, size := zhRune(v.text, max(0, i-3)); size == 0 {
		return zhByEdge
	}
	return 0
}

// roleEnds says whether a role or a department ends at i.
func (v *zhView) roleEnds(i int) bool {
	var w zhWindow
	w.backward(v.text, i, 4)
	for k := range w.n {
		if node := v.z.x.word(w.runes[k:w.n]); node != 0 && v.z.x.mark[node]&zhRole != 0 {
			return true
		}
	}
	return false
}

func zhEnds(text []byte, s string) bool { return bytes.HasSuffix(text, []byte(s)) }

// gender finds the name in "张三 男 45岁" and "张三，女，".
func (v *zhView) gender(at, end int) {
	token := v.gap(at)
	if token == at || !v.aged1(end) {
		return
	}
	var w zhWindow
	w.backward(v.text, token, 10)
	if w.n < 2 {
		return
	}
	path := zhPath{x: v.z.x}
	start := v.before(w.at[0])
	if w.n <= 4 && start > 0 {
		start += 30
	}
	path.read(w.run(), start, 50)
	var room [zhMost]zhFound
	names := path.found(room[:0], w.n)
	if len(names) > 0 {
		if f := names[0]; f.to == w.n && !f.alone && f.to-f.from >= 2 && !v.stop(w.runes[f.from:f.to]) {
			v.add(w.at[f.from], w.at[f.to], Name, 85, ByStructure)
		}
	} else if v.introduced(&w, end) {
		v.add(w.at[0], w.at[w.n], Name, 80, ByStructure)
	}
}

// introduced says whether a word of the language is a patient's name, by all
// that stands around it: 出院小结：林黛玉，女，29岁.
func (v *zhView) introduced(w *zhWindow, end int) bool {
	if w.n != 3 || !zhEnds(v.text[:w.at[0]], "：") && byteAt(v.text, w.at[0]-1) != ':' || v.stop(w.run()) {
		return false
	}
	if n, _ := v.z.x.surnameAt(w.run()); n == 0 {
		return false
	}
	i := end
	for _, sign := range [...]string{"性", "，", ",", "、", " "} {
		if hasWide(v.text, i, sign) {
			i += len(sign)
		}
	}
	n := digitsIn(v.text[min(i, len(v.text)):])
	return n > 0 && n <= 3 && hasWide(v.text, i+n, "岁")
}

// gap goes back over what parts the cells of a line.
func (v *zhView) gap(i int) int {
	for n := 0; n < 6 && i > 0; n++ {
		switch c := v.text[i-1]; {
		case c == ' ' || c == '\t' || c == ',' || c == '/' || c == '|' || c == '(' || c == '\'' || c == '"':
			i--
			continue
		case zhEnds(v.text[:i], "，") || zhEnds(v.text[:i], "　") || zhEnds(v.text[:i], "、") || zhEnds(v.text[:i], "（") || zhEnds(v.text[:i], "／") || zhEnds(v.text[:i], "｜"):
			i -= 3
			continue
		}
		break
	}
	return i
}

// aged1 says whether a sex is followed as in a patient's line: by an age, a
// separator, 性.
func (v *zhView) aged1(i int) bool {
	if i >= len(v.text) {
		return true
	}
	c := v.text[i]
	return c < 0x80 && !letter(c) || hasWide(v.text, i, "性") || hasWide(v.text, i, "，") || hasWide(v.text, i, "　") || hasWide(v.text, i, "、") ||
		hasWide(v.text, i, "／") || hasWide(v.text, i, "｜") || hasWide(v.text, i, "）") || hasWide(v.text, i, "；")
}

// again finds the names that a label established where they stand once more,
// within reach.
func (v *zhView) again(first int) {
	last := len(v.dst)
	for k := first; k < last; k++ {
		name := v.text[v.dst[k].Start-v.base : v.dst[k].End-v.base]
		if len(name) < 9 && !v.unusual(name) {
			continue
		}
		for i := v.dst[k].End - v.base; ; {
			n := bytes.Index(v.text[i:], name)
			if n < 0 {
				break
			}
			v.add(i+n, i+n+len(name), Name, 80, ByLexicon)
			i += n + len(name)
		}
	}
}

// unusual says whether a short name is no word of the language.
func (v *zhView) unusual(name []byte) bool {
	var w zhWindow
	w.forward(name, 0, 4)
	return w.n == 2 && v.z.x.word(w.run()) == 0
}
