package classify

// zhWindow is a run of Han characters of a text, at most zhMost of them.
type zhWindow struct {
	n     int
	runes [zhMost]rune
	at    [zhMost + 1]int // where each begins in the text; at[n] is the end
}

const zhMost = 48

// forward takes the characters from a place to the first that is not Han.
func (w *zhWindow) forward(text []byte, from, most int) {
	w.n = 0
	i := from
	for w.n < most && i < len(text) {
		c, size := zhRune(text, i)
		if size == 0 {
			break
		}
		w.runes[w.n], w.at[w.n] = c, i
		w.n++
		i += size
	}
	w.at[w.n] = i
}

// backward takes at most so many characters that end at a place.
func (w *zhWindow) backward(text []byte, end, most int) {
	from := end
	for n := 0; n < most && from >= 3; n++ {
		if _, size := zhRune(text, from-3); size == 0 {
			break
		}
		from -= 3
	}
	w.forward(text[:end], from, most)
}

func (w *zhWindow) run() []rune { return w.runes[:w.n] }

// zhRune decodes the Han character at a place; size is 0 where there is none.
func zhRune(text []byte, i int) (c rune, size int) {
	if i+3 > len(text) || text[i]-0xE4 > 0xE9-0xE4 || text[i+1]&0xC0 != 0x80 || text[i+2]&0xC0 != 0x80 {
		return 0, 0
	}
	c = rune(text[i]&0x0F)<<12 | rune(text[i+1]&0x3F)<<6 | rune(text[i+2]&0x3F)
	if !zhIs(c) {
		return 0, 0
	}
	return c, 3
}

// What stands beside a name makes it likelier, in the unit of costs.
const (
	zhPrior = 82 // that a word is a name, with nothing said about it
	zhShort = 19 // that a given name has one character
	zhFull  = 2  // that it has two

	zhByLead   = 18
	zhByRole   = 58
	zhByLabel  = 100
	zhByFollow = 24
	zhByTitle  = 48
	zhByEdge   = 14
	zhBySingle = 12 // taken away: beside a single character that is no word names stand by
	zhSeldom   = 106
	zhWordName = 98 // a given name that is a word of the language costs no more
	zhPartCost = 70 // a name of a known word without a surname
	zhWhole    = 26 // that a name is the whole value of a label
	zhAlone    = 8  // a surname without a given name, before a title
)

const zhInf = 1 << 28

// zhStep is how a path came to a place: from where, and from which state.
type zhStep struct {
	cost  int32
	from  int8
	state int8 // of the place before
	node  uint32
}

// The states of a path: what ended here.
const (
	zhInWord = iota
	zhInName
	zhInSurname // alone, and only a title may follow
	zhStates
)

// zhPath is the cheapest way to read a window as words and names.
type zhPath struct {
	x    *zhLexicon
	step [zhMost + 1][zhStates]zhStep
}

// zhFound is a name in a window, by characters.
type zhFound struct {
	from, to int
	alone    bool // a surname only
}

// read finds the path; start and end are what the surroundings add to a name
// that begins the run or ends it.
func (p *zhPath) read(runes []rune, start, end int) {
	n := len(runes)
	for i := range n + 1 {
		for s := range zhStates {
			p.step[i][s].cost = zhInf
		}
	}
	p.step[0][zhInWord] = zhStep{}
	for i := range n {
		if p.step[i][zhInWord].cost >= zhInf && p.step[i][zhInName].cost >= zhInf && p.step[i][zhInSurname].cost >= zhInf {
			continue
		}
		p.words(runes, i)
		p.names(runes, i, start, end)
	}
}

// words goes on from place i by each word of the lexicon.
func (p *zhPath) words(runes []rune, i int) {
	x := p.x
	node := x.first[runes[i]-zhFirst]
	if node == 0 || x.cost[node] == 0 {
		p.word(i, i+1, zhLone, 0, 0)
	} else {
		p.word(i, i+1, int32(x.cost[node]), x.mark[node], node)
	}
	if i+1 >= len(runes) || !x.begins(runes[i], runes[i+1]) {
		return
	}
	for j := i + 1; node != 0 && j < len(runes); j++ {
		if node = x.child(node, runes[j]); node != 0 && x.cost[node] > 0 {
			p.word(i, j+1, int32(x.cost[node]), x.mark[node], node)
		}
	}
}

func (p *zhPath) word(i, j int, cost int32, mark zhMark, node uint32) {
	at := &p.step[i]
	best, state := at[zhInWord].cost+cost, int8(zhInWord)
	bonus := int32(0)
	switch {
	case mark&zhTitle != 0:
		bonus = zhByTitle
	case mark&zhFollow != 0:
		bonus = zhByFollow
	case j == i+1:
		bonus = -zhBySingle
	}
	if c := at[zhInName].cost + cost - bonus; c < best {
		best, state = c, zhInName
	}
	if mark&zhTitle != 0 {
		if c := at[zhInSurname].cost + cost - zhByTitle; c < best {
			best, state = c, zhInSurname
		}
	}
	if to := &p.step[j][zhInWord]; best < to.cost {
		*to = zhStep{best, int8(i), state, node}
	}
}

// names goes on from place i by each name that can begin there.
func (p *zhPath) names(runes []rune, i, start, end int) {
	before := p.step[i][zhInWord].cost
	if before >= zhInf {
		return
	}
	bonus := p.bonus(i, start)
	cost := before + zhPrior - bonus
	known := bonus >= zhByRole
	p.parts(runes, i, cost)
	n, surname := p.x.surnameAt(runes[i:])
	if n == 0 {
		return
	}
	p.given(runes, i, i+n, cost+int32(surname), end, known)
	if n == 2 && zhIs(runes[i]) {
		if single := p.x.surname[runes[i]-zhFirst]; single > 0 {
			p.given(runes, i, i+1, cost+int32(single), end, known)
		}
	}
}

// parts ends names that are made of known words without a surname: 扎西|顿珠;
// one of them alone needs a label.
func (p *zhPath) parts(runes []rune, i int, cost int32) {
	n := p.x.partAt(runes[i:])
	if n == 0 {
		return
	}
	p.end(i, i+n, cost+zhPartCost, zhInName)
	for range 2 {
		more := p.x.partAt(runes[i+n:])
		if more == 0 {
			return
		}
		n += more
		p.end(i, i+n, cost+zhPartCost, zhInName)
	}
}

// bonus is what stands before a name that begins at i.
func (p *zhPath) bonus(i, start int) int32 {
	if i == 0 {
		return int32(start)
	}
	mark := p.x.mark[p.step[i][zhInWord].node]
	switch {
	case mark&zhRole != 0:
		return zhByRole
	case mark&zhLead != 0:
		return zhByLead
	case p.step[i][zhInWord].from == int8(i-1):
		return -zhBySingle
	}
	return 0
}

// given ends names behind a surname that ends at g. Where the surroundings make
// a name likely, seldom characters are less of a reason against it.
func (p *zhPath) given(runes []rune, i, g int, cost int32, end int, known bool) {
	p.end(i, g, cost+zhAlone, zhInSurname)
	for j, given := g, int32(0); j < len(runes) && j < g+2; j++ {
		one := int32(p.x.given[runes[j]-zhFirst])
		if known && one <= zhRare {
			one = min(one, zhSeldom)
		}
		given += one
		if j == g+1 && given > zhWordName && p.x.plain(runes[g:j+1], known) {
			given = zhWordName // 长江, 腊梅: rarer as characters than as names
		}
		c := cost + given + zhFull
		if j == g {
			c = cost + given + zhShort
		}
		if j+1 == len(runes) {
			c -= int32(end)
		}
		p.end(i, j+1, c, zhInName)
	}
}

func (p *zhPath) end(i, j int, cost int32, state int) {
	if to := &p.step[j][state]; cost < to.cost {
		*to = zhStep{cost, int8(i), zhInWord, 0}
	}
}

// found appends the names of the best path through n characters, from the
// last to the first.
func (p *zhPath) found(dst []zhFound, n int) []zhFound {
	state := zhInWord
	if p.step[n][zhInName].cost < p.step[n][zhInWord].cost {
		state = zhInName
	}
	for i := n; i > 0; {
		s := p.step[i][state]
		if state != zhInWord {
			dst = append(dst, zhFound{int(s.from), i, state == zhInSurname})
		}
		i, state = int(s.from), int(s.state)
	}
	return dst
}
