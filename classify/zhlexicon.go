package classify

import (
	"cmp"
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// The tables of facts; zhtables/README.md says where they are from.
var (
	//go:embed zhtables/surnames.txt
	zhSurnames string
	//go:embed zhtables/given.txt
	zhGiven string
	//go:embed zhtables/words.txt
	zhWords string
	//go:embed zhtables/medical.txt
	zhMedical string
	//go:embed zhtables/regions.txt
	zhRegions string
	//go:embed zhtables/labels.txt
	zhLabels string
	//go:embed zhtables/conditions.txt
	zhConditions string

	theZhLexicon = sync.OnceValue(readZhLexicon)
)

// Costs are -10 ln p: the lower, the likelier.
const (
	zhFirst = 0x4E00 // the first Han character the tables know
	zhHan   = 20992  // and how many there are
	zhRare  = 125    // a given name's character that is in no table
	zhLone  = 140    // a character that is no word by itself
	zhTerm  = 105    // a medical term
	zhPlace = 100    // a region's name
)

// zhMark is what a word may do beside a name.
type zhMark uint8

const (
	zhLead   zhMark = 1 << iota // may stand before one
	zhFollow                    // may stand behind one
	zhTitle                     // is a title, behind a name
	zhRole                      // is a role, before a name
	zhRegion                    // is a region
	zhStop                      // looks like a name and is none
	zhPart                      // is one of the words that names without a surname are made of
)

// What a character does in the name of a place.
const (
	zhEnding   uint8 = 1 << iota // begins a suffix: 路, 街道
	zhNever                      // is in none
	zhSound                      // spells the sound of a foreign word, seldom a given name
	zhPartial                    // begins a word of a name without a surname
	zhProvince                   // begins the name of a province or a prefecture
	zhRegional                   // begins the name of a region
)

// zhLexicon is a trie of words with what they cost, and what surnames and the
// characters of given names cost. It never changes once read.
type zhLexicon struct {
	surname [zhHan]uint8
	given   [zhHan]uint8
	double  map[[2]rune]uint8 // compound surnames
	doubles [zhHan]bool       // what they begin with
	shape   [zhHan]uint8      // zhEnding, zhNever
	foreign [zhHan]bool       // characters that spell names of other languages

	pairs zhPairs       // of two characters that begin a word
	first [zhHan]uint32 // the node of a single character
	slots []uint64      // child<<33 | node<<15 | character
	cost  []uint8       // of the word that ends at a node, 0 where none does
	mark  []zhMark

	labels map[string][]string // the sections of labels.txt

	region             zhPairs // of those of pairs that begin a region's name
	suffix, road, unit zhStarts
	record             zhStarts // zhClinical
}

func readZhLexicon() *zhLexicon {
	x := &zhLexicon{
		double: map[[2]rune]uint8{},
		slots:  make([]uint64, 1<<18),
		cost:   make([]uint8, 1, 1<<17),
		mark:   make([]zhMark, 1, 1<<17),
		labels: zhSections(zhLabels),
	}
	x.suffix, x.road, x.unit, x.record = newZhStarts(zhSuffix[:]), newZhStarts(zhRoads[:]), newZhStarts(zhUnit[:]), newZhStarts(zhClinical[:])
	x.readNames()
	x.readWords()
	for section, mark := range map[string]zhMark{
		"lead": zhLead, "follow": zhFollow, "title": zhTitle | zhFollow, "role": zhRole | zhLead, "name": zhRole | zhLead | zhFollow, "address": zhFollow, "birth": zhFollow, "stop": zhStop, "part": zhPart, "bed": zhRole | zhLead,
	} {
		for _, w := range x.labels[section] {
			x.add(w, zhTerm, mark)
		}
	}
	for _, w := range x.labels["part"] {
		c, _ := utf8.DecodeRuneInString(w)
		x.shape[c-zhFirst] |= zhPartial
	}
	for _, suffix := range zhSuffix {
		c, _ := utf8.DecodeRuneInString(suffix)
		x.shape[c-zhFirst] |= zhEnding
	}
	for _, c := range zhNoPlace {
		if zhIs(c) {
			x.shape[c-zhFirst] |= zhNever
		}
	}
	for _, c := range "尔斯特克夫勒姆顿茨赫蒂迪巴菲普布洛莱沃奇拉里利尼索罗伯格瓦塔加卡库鲁图阿欧乌伊埃奥比皮费弗森维" {
		x.shape[c-zhFirst] |= zhSound
	}
	for _, c := range zhSpelled {
		x.foreign[c-zhFirst] = true
	}
	return x
}

func (x *zhLexicon) readNames() {
	for line := range strings.Lines(zhSurnames) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		cost, _ := strconv.Atoi(value)
		runes := []rune(name)
		switch {
		case len(runes) == 1 && zhIs(runes[0]):
			x.surname[runes[0]-zhFirst] = uint8(cost)
		case len(runes) == 2:
			x.double[[2]rune{runes[0], runes[1]}] = uint8(cost)
			x.doubles[runes[0]-zhFirst] = true
		}
	}
	for i := range x.given {
		x.given[i] = zhRare
	}
	for line := range strings.Lines(zhGiven) {
		value, chars, _ := strings.Cut(strings.TrimSpace(line), " ")
		cost, _ := strconv.Atoi(value)
		for _, c := range chars {
			x.given[c-zhFirst] = min(uint8(cost), zhRare)
		}
	}
	for _, c := range zhNotGiven {
		x.given[c-zhFirst] = zhRare + 45
	}
}

func (x *zhLexicon) readWords() {
	for line := range strings.Lines(zhWords) {
		value, words, _ := strings.Cut(strings.TrimSpace(line), " ")
		cost, _ := strconv.Atoi(value)
		for w := range strings.SplitSeq(words, " ") {
			x.add(w, uint8(cost), 0)
		}
	}
	for line := range strings.Lines(zhMedical) {
		for _, w := range strings.Fields(line) {
			x.add(w, zhTerm, 0)
		}
	}
	for line := range strings.Lines(zhRegions) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, w := range strings.Fields(line) {
			x.add(w, zhPlace, zhRegion)
			if c, _ := utf8.DecodeRuneInString(w); zhIs(c) && !strings.HasSuffix(w, "县") {
				x.shape[c-zhFirst] |= zhProvince
			}
			if short, ok := strings.CutSuffix(w, "市"); ok && utf8.RuneCountInString(short) > 1 {
				x.add(short, zhPlace, zhRegion)
			}
		}
	}
}

// zhSections reads a table of sections "[name]"; "#" begins a comment line.
func zhSections(table string) map[string][]string {
	all := map[string][]string{}
	section := ""
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
		default:
			all[section] = append(all[section], strings.FieldsFunc(line, func(r rune) bool { return r == ' ' })...)
		}
	}
	for name, words := range all {
		slices.SortFunc(words, cmp.Compare[string])
		all[name] = slices.Compact(words)
	}
	return all
}

// add puts a word into the trie; the lower of two costs stays.
func (x *zhLexicon) add(word string, cost uint8, mark zhMark) {
	node, last := uint32(0), rune(0)
	for i, c := range word {
		if !zhIs(c) {
			return
		}
		if i == 3 {
			x.pairs.add(last, c)
			if mark&zhRegion != 0 {
				x.region.add(last, c)
			}
		}
		last = c
		if i == 0 {
			if mark&zhRegion != 0 {
				x.shape[c-zhFirst] |= zhRegional
			}
			if x.first[c-zhFirst] == 0 {
				x.first[c-zhFirst] = x.grow()
			}
			node = x.first[c-zhFirst]
			continue
		}
		next := x.child(node, c)
		if next == 0 {
			next = x.grow()
			x.link(node, c, next)
		}
		node = next
	}
	if x.cost[node] == 0 || cost < x.cost[node] {
		x.cost[node] = cost
	}
	x.mark[node] |= mark
	if strings.HasSuffix(word, "科") {
		x.mark[node] |= zhRole | zhLead
	}
}

func (x *zhLexicon) grow() uint32 {
	x.cost = append(x.cost, 0)
	x.mark = append(x.mark, 0)
	return uint32(len(x.cost) - 1)
}

func zhKey(node uint32, c rune) uint64 { return uint64(node)<<15 | uint64(c-zhFirst) }

func (x *zhLexicon) slot(key uint64) int {
	return int(key * 0x9E3779B97F4A7C15 >> 46)
}

func (x *zhLexicon) link(node uint32, c rune, child uint32) {
	key := zhKey(node, c)
	i := x.slot(key)
	for x.slots[i] != 0 {
		i = (i + 1) & (len(x.slots) - 1)
	}
	x.slots[i] = uint64(child)<<33 | key
}

// zhPair hashes two characters to 20 bits.
func zhPair(a, b rune) uint64 {
	return (uint64(a-zhFirst)<<15 | uint64(b-zhFirst)) * hashFactor >> 44
}

// zhPairs has a bit by a hash of two characters.
type zhPairs [1 << 14]uint64

func (p *zhPairs) add(a, b rune) {
	h := zhPair(a, b)
	p[h>>6] |= 1 << (h & 63)
}

func (p *zhPairs) begins(a, b rune) bool {
	h := zhPair(a, b)
	return p[h>>6]>>(h&63)&1 != 0
}

// begins says whether a word may begin with two characters.
func (x *zhLexicon) begins(a, b rune) bool { return x.pairs.begins(a, b) }

// zhStarts are words by the character they begin with.
type zhStarts struct {
	list  []uint8    // of a character, 0 for none
	words [][]string // in the order in which they were given
}

func newZhStarts(words []string) zhStarts {
	s := zhStarts{list: make([]uint8, zhHan), words: make([][]string, 1)}
	for _, w := range words {
		c, _ := utf8.DecodeRuneInString(w)
		k := &s.list[c-zhFirst]
		if *k == 0 {
			*k = uint8(len(s.words))
			s.words = append(s.words, nil)
		}
		s.words[*k] = append(s.words[*k], w)
	}
	return s
}

// from are the words that begin with the character at text[i:].
func (s *zhStarts) from(text []byte, i int) []string {
	c, size := zhRune(text, i)
	if size == 0 {
		return nil
	}
	return s.words[s.list[c-zhFirst]]
}

// at gives the length of the first of the words that stands at text[i:], or 0.
func (s *zhStarts) at(text []byte, i int) int {
	for _, w := range s.from(text, i) {
		if hasWide(text, i, w) {
			return len(w)
		}
	}
	return 0
}

// child is the node behind a character, 0 where no word goes on so.
func (x *zhLexicon) child(node uint32, c rune) uint32 {
	key := zhKey(node, c)
	for i := x.slot(key); x.slots[i] != 0; i = (i + 1) & (len(x.slots) - 1) {
		if x.slots[i]&(1<<33-1) == key {
			return uint32(x.slots[i] >> 33)
		}
	}
	return 0
}

// partAt gives the characters of the word of a name without a surname that
// begins runes, 0 where there is none.
func (x *zhLexicon) partAt(runes []rune) int {
	if len(runes) < 2 || !zhIs(runes[0]) || x.shape[runes[0]-zhFirst]&zhPartial == 0 {
		return 0
	}
	node, n := x.first[runes[0]-zhFirst], 0
	for i := 1; node != 0 && i < len(runes) && zhIs(runes[i]); i++ {
		if node = x.child(node, runes[i]); node != 0 && x.mark[node]&zhPart != 0 {
			n = i + 1
		}
	}
	return n
}

// word gives the node of a whole word, 0 where it is none.
func (x *zhLexicon) word(runes []rune) uint32 {
	node := uint32(0)
	for i, c := range runes {
		switch {
		case !zhIs(c):
			return 0
		case i == 0:
			node = x.first[c-zhFirst]
		default:
			node = x.child(node, c)
		}
		if node == 0 {
			return 0
		}
	}
	if x.cost[node] == 0 {
		return 0
	}
	return node
}

// plain says whether two characters of a given name are a word without a part
// in the surroundings of names, nor a very common one.
func (x *zhLexicon) plain(runes []rune, known bool) bool {
	most := uint8(76)
	if known {
		most = zhRare - 1
	}
	if x.given[runes[0]-zhFirst] > most || x.given[runes[1]-zhFirst] > most {
		return false
	}
	node := x.word(runes)
	return node != 0 && x.mark[node]&^zhRegion == 0 && x.cost[node] >= 84
}

// surnameAt gives the characters of the surname that begins runes and its
// cost; a compound one goes before a single one.
func (x *zhLexicon) surnameAt(runes []rune) (n int, cost int) {
	if len(runes) > 1 && zhIs(runes[0]) && x.doubles[runes[0]-zhFirst] {
		if c, ok := x.double[[2]rune{runes[0], runes[1]}]; ok {
			return 2, int(c)
		}
	}
	if len(runes) > 0 && zhIs(runes[0]) {
		if c := x.surname[runes[0]-zhFirst]; c > 0 {
			return 1, int(c)
		}
	}
	return 0, 0
}

// zhNotGiven are characters that follow names and are in none.
const zhNotGiven = "诉述说因于在今的了被把与和及或从由到去是已曾等男女岁住现拟予遵嘱请经对将让称该其此前后术患病赴至叫给未无很也都不个"

// zhIs says whether the tables may know a character.
func zhIs(c rune) bool { return uint32(c-zhFirst) < zhHan }

// zhSpelled are the characters that spell names of Uyghur, Kazakh, Tibetan,
// Mongolian and other languages.
const zhSpelled = "不阿艾爱安奥巴白拜比别卜布才策查次达大代丹旦德迪地丁都多额尔恩法范菲夫富嘎噶甘岗高哥格根贡古果哈海汗合和黑洪胡华吉加嘉江姜杰金居卡开凯坎克肯孔库拉来兰朗勒雷力里丽利连林龙鲁卢伦罗洛玛马买麦满曼毛梅米敏明莫姆木穆纳娜那南内尼宁努诺欧帕潘皮平普齐其奇恰强切青曲然热仁日茹瑞萨赛桑沙山莎什尚史斯苏孙索塔太泰坦特提帖铁图吐托瓦外万旺维温沃乌吾西希夏香辛熊旭雅亚央伊依义银英勇尤玉扎泽扎孜宰则增赞张哲珍芝志仲卓兹子祖逊买合曼提江妮孜古丽热娅尼牙肉斯坦木吐娜依热依扎提伽色贡央措措姆仓洛珠桑珠白玛德吉措尕"
