package classify

import "slices"

// chinese recognises what stands in Chinese text: names of people, addresses,
// dates of birth, ages over 89 and sensitive conditions, by the words around
// them; and for [Redact] names without a label, all dates and organisations.
//
// Names are found by reading a run of characters as the likeliest sequence of
// words and names: surnames, the characters of given names and 100,000 words
// each have a cost, and so has what stands before and behind. 高 begins a name
// in 高伟 and a word in 高血压 because that is the cheaper reading.
//
// A chinese never changes once built, and is safe for concurrent use.
type chinese struct {
	x     *zhLexicon
	words []string // the cues
	use   []zhUse  // and what each is for
	trie  *zhTrie  // the same words, for all
}

// zhUse is what a cue announces; a word may announce several things.
type zhUse uint16

const (
	zhCueLabel zhUse = 1 << iota
	zhCueRole
	zhCueTitle
	zhCueGender
	zhCueAddress
	zhCueHouse
	zhCueBirth
	zhCueBorn
	zhCueAge
	zhCueYears
	zhCueCondition
	zhCueField // a column's name in Latin letters
)

// newChinese builds the recogniser.
func newChinese() *chinese {
	z := &chinese{x: theZhLexicon()}
	labels := z.x.labels
	number := map[string]int{}
	listen := func(use zhUse, words ...string) {
		for _, w := range words {
			i, ok := number[w]
			if !ok {
				i = len(z.words)
				number[w] = i
				z.words, z.use = append(z.words, w), append(z.use, 0)
			}
			z.use[i] |= use
		}
	}
	listen(zhCueLabel, labels["name"]...)
	listen(zhCueRole, labels["role"]...)
	listen(zhCueTitle, slices.DeleteFunc(slices.Clone(labels["title"]), func(w string) bool { return len(w) < 6 })...)
	listen(zhCueGender, "男", "女")
	listen(zhCueAddress, labels["address"]...)
	listen(zhCueHouse, "号", "栋", "幢", "单元", "室", "村民小组")
	listen(zhCueBirth, labels["birth"]...)
	listen(zhCueBorn, "日生", "月生", "日出生", "月出生")
	listen(zhCueAge, "年龄", "现年", "享年", "年纪")
	listen(zhCueYears, "岁")
	listen(zhCueCondition, zhSections(zhConditions)[""]...)
	listen(zhCueField, "name", "patientname", "patient_name", "patient name", "fullname", "full_name", "xm", "hzxm", "brxm", "ysxm", "doctor", "nurse")
	z.trie = newZhTrie(z.words)
	return z
}

func (z *chinese) cues() []string { return z.words }

// near finds what a cue announces, in the text within reach of it.
func (z *chinese) near(dst []Span, text []byte, at, end, cue int) []Span {
	use := z.use[cue]
	low := zhCharacter(text, max(0, at-reach))
	v := zhView{z: z, text: text[low:zhCharacter(text, min(len(text), end+reach))], base: low, dst: dst}
	v.near(at-low, end-low, use)
	return v.dst
}

// zhCharacter moves an offset back to where a character begins.
func zhCharacter(text []byte, i int) int {
	for n := 0; n < 3 && i > 0 && i < len(text) && text[i]&0xC0 == 0x80; n++ {
		i--
	}
	return i
}

// zhView is the text a recogniser looks at, and what it found there.
type zhView struct {
	z    *chinese
	text []byte
	base int // of text in the engine's text
	dst  []Span
	asks bool // the label asks for a name and nothing else
}

func (v *zhView) add(from, to int, kind Kind, confidence uint8, reason Reason) {
	v.dst = append(v.dst, Span{v.base + from, v.base + to, kind, confidence, reason})
}

func (v *zhView) near(at, end int, use zhUse) {
	if use&(zhCueLabel|zhCueRole) != 0 {
		v.named(at, end, use&zhCueLabel != 0)
	}
	if use&zhCueField != 0 {
		v.field(end)
	}
	if use&zhCueTitle != 0 {
		v.titled(at)
	}
	if use&zhCueGender != 0 {
		v.gender(at, end)
	}
	if use&zhCueAddress != 0 {
		v.lives(end)
	}
	if use&zhCueHouse != 0 {
		v.house(at)
	}
	if use&(zhCueBirth) != 0 {
		v.birth(at, end)
	}
	if use&zhCueBorn != 0 {
		v.born(at, end)
	}
	if use&zhCueAge != 0 {
		v.aged(end)
	}
	if use&zhCueYears != 0 {
		v.years(at, end)
	}
	if use&zhCueCondition != 0 {
		v.condition(at, end)
	}
}
