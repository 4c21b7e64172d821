package deid

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// nameForm says what part of a name a text is, which matters where it is not
// written in words.
type nameForm uint8

const (
	fullName nameForm = iota
	familyName
	givenName
)

// Family and Given are the pseudonyms of a name's parts, where a format keeps
// them apart; together they are the pseudonym of the whole.
func (k *Key) Family(value []byte) []byte { return k.name(nil, string(value), familyName) }

// Given is the pseudonym of a given name; see [Key.Family].
func (k *Key) Given(value []byte) []byte { return k.name(nil, string(value), givenName) }

// name appends an invented name. Every word is replaced by itself, so that
// "SMITH^ANGELA", "Angela Smith" and family and given of FHIR agree, and what
// stands between the words stays. In Chinese, and Korean, the family name is
// split off first.
func (k *Key) name(dst []byte, value string, form nameForm) []byte {
	value = norm.NFC.String(value)
	family := false // whether a family name in characters was met
	for len(value) > 0 {
		n := strings.IndexFunc(value, notInWord)
		switch {
		case n == 0:
			_, n = utf8.DecodeRuneInString(value)
			if value[0] == '=' { // the next representation of a DICOM name
				family = false
			}
			dst = append(dst, value[:n]...)
		default:
			if n < 0 {
				n = len(value)
			}
			as := form
			if form == fullName && !family && standsAlone(value[:n], value[n:]) {
				as = familyName
			}
			dst, family = k.word(dst, value[:n], as, family)
		}
		value = value[n:]
	}
	return dst
}

// standsAlone is true for a word that is a family name as a whole: before the
// caret of HL7 and DICOM and a given name, or a family name of two characters
// before a space and the given name. Of "张伟^^" nothing follows: it is whole.
func standsAlone(word, rest string) bool {
	if given, caret := strings.CutPrefix(rest, "^"); caret {
		first, _ := utf8.DecodeRuneInString(given)
		return given != "" && !notInWord(first)
	}
	return slices.Contains(compoundSurnames(), word) && strings.TrimLeft(rest, " \u3000") != "" && (rest[0] == ' ' || strings.HasPrefix(rest, "\u3000"))
}

// word appends the surrogate of one word.
func (k *Key) word(dst []byte, word string, form nameForm, family bool) ([]byte, bool) {
	first, _ := utf8.DecodeRuneInString(word)
	if unicode.In(first, unicode.Han, unicode.Hangul) {
		return k.characters(dst, word, form, family), true
	}
	plain := plainWord(word)
	if plain == "" || isTitle(plain) {
		return append(dst, word...), family
	}
	return append(dst, like(word, k.syllables(plain, scriptOf(first)))...), family
}

// characters replaces a name in characters: the family name by another of the
// usual ones, each character of the given name by one used in names.
func (k *Key) characters(dst []byte, word string, form nameForm, family bool) []byte {
	runes := []rune(word)
	split := 0
	switch {
	case form == familyName, form == fullName && !family && len(runes) == 1:
		split = len(runes)
	case form == fullName && !family:
		split = familyLength(runes)
	}
	surnames, given := characterTables(runes[0])
	if split > 0 {
		dst = append(dst, string(k.pick("family", string(runes[:split]), surnames))...)
	}
	rest := string(runes[split:])
	for i := range runes[split:] {
		dst = append(dst, string(k.pick("given"+string(rune('0'+i%10)), rest, given))...)
	}
	return dst
}

// pick chooses a character for a text, never one that stands in it.
func (k *Key) pick(use, text string, table []rune) rune {
	sum := k.mac(&k.token, "name "+use, []byte(text))
	at := int(binary.BigEndian.Uint32(sum[:4]) % uint32(len(table)))
	for strings.ContainsRune(text, table[at]) {
		at = (at + 1) % len(table)
	}
	return table[at]
}

// familyLength is how many characters of a full name are the family name.
func familyLength(runes []rune) int {
	if len(runes) > 2 && slices.Contains(compoundSurnames(), string(runes[:2])) {
		return 2
	}
	return 1
}

func compoundSurnames() []string {
	return []string{
		"欧阳", "司马", "上官", "诸葛", "夏侯", "司徒", "皇甫", "尉迟", "公孙", "慕容", "令狐", "端木", "长孙", "宇文",
		"东方", "南宫", "西门", "独孤", "申屠", "轩辕", "赫连", "澹台", "钟离", "鲜于", "闾丘", "司空", "淳于", "单于",
		"太叔", "百里", "呼延", "东郭", "南门", "公羊", "梁丘", "左丘", "万俟", "闻人", "拓跋", "完颜", "纳兰", "濮阳",
		"남궁", "황보", "제갈", "선우", "독고", "사공", "서문",
	}
}

// characterTables are the family names and the characters of given names that
// surrogates are made of.
func characterTables(like rune) (surnames, given []rune) {
	if unicode.Is(unicode.Hangul, like) {
		return []rune("강고권김남노류문민박배백서손송신심안양오원유윤이임장전정조주차최추한허홍황"),
			[]rune("가건경규기나다도동라래린민보봄서선성소수슬승시아연영예용우원유윤은이인재정주준지진찬채하해현혜호환훈희")
	}
	return []rune("白蔡曹岑常车陈程崔戴邓丁董杜段樊范方冯傅高葛龚顾关郭韩郝何贺洪侯胡黄贾江姜蒋金康孔赖黎李梁廖林凌刘柳龙卢鲁陆吕罗马毛孟莫倪潘彭钱乔秦邱任邵沈石史宋苏孙谭汤唐陶田童万汪王魏温文吴伍武夏向萧谢熊徐许薛严颜杨姚叶易殷尹于余俞袁岳曾詹张章赵郑钟周朱祝庄邹左"),
		[]rune("安昂博斌冰波彩灿畅超辰晨诚驰川春达丹德东栋恩凡芳菲枫锋福刚歌格冠光桂国海涵航浩和恒弘虹鸿厚华欢辉慧佳嘉坚建健江杰洁金锦瑾劲晋京晶景静炯娟军君俊凯康可坤兰岚乐雷蕾莉力立丽利亮林琳霖玲岭龙璐伦满茂梅美萌梦敏明铭楠妮宁培鹏平萍琪奇琦启谦强巧勤青清晴庆琼秋泉然荣蓉柔瑞睿润森珊韶诗石时树爽思松颂素涛天恬婷通彤万伟文雯武希溪熙霞夏贤祥翔向晓欣新鑫兴星秀旭轩雪勋雅言岩妍研彦阳洋瑶野业怡宜艺逸毅茵银英莹颖盈影永勇友宇羽雨语玉裕元圆远悦跃云允运韵泽展哲珍真振正政之芝知志致智中竹卓姿子梓紫")
}

// script says of which letters an invented word is made; a space is none.
type script struct {
	consonants, vowels, ends string
}

func scriptOf(r rune) script {
	switch {
	case unicode.Is(unicode.Cyrillic, r):
		return script{"бвгдзклмнпрстфх", "аеиоу", " нрвл"}
	case unicode.Is(unicode.Greek, r):
		return script{"βγδζθκλμνπρστφχ", "αειοω", " νρςλ"}
	case unicode.Is(unicode.Arabic, r):
		return script{"بتجحدرزسشصطعفقكلمن", "اوي", " نرمد"}
	case unicode.Is(unicode.Hiragana, r):
		return script{"かきくけこさしすせたちてとなにのはひふまみむもやよらりる", " ", " んえお"}
	case unicode.Is(unicode.Katakana, r):
		return script{"カキクケコサシスセタチテトナニノハヒフマミムモヤヨラリル", " ", " ンエオ"}
	}
	return script{"bdfghjklmnprstvz", "aeiou", " nrsl"}
}

// syllables invents a word for a word: about two and a half million of them
// in Latin letters. An initial stays one letter.
func (k *Key) syllables(plain string, s script) string {
	sum := k.mac(&k.token, "name word", []byte(plain))
	var room [32]byte
	dst := room[:0]
	put := func(from string, at int) { dst = appendLetter(dst, from, int(binary.BigEndian.Uint16(sum[at:]))) }
	if utf8.RuneCountInString(plain) == 1 {
		put(s.consonants, 0)
		return string(dst)
	}
	for i := range 3 {
		put(s.consonants, 4*i)
		put(s.vowels, 4*i+2)
	}
	put(s.ends, 12)
	return string(dst)
}

// appendLetter appends letter n of some, counted around.
func appendLetter(dst []byte, from string, n int) []byte {
	n %= utf8.RuneCountInString(from)
	for _, r := range from {
		if n--; n < 0 && r != ' ' {
			return utf8.AppendRune(dst, r)
		} else if n < 0 {
			break
		}
	}
	return dst
}

// like writes word the way model is written: in capitals, capitalised, small.
func like(model, word string) string {
	first, n := utf8.DecodeRuneInString(model)
	switch {
	case !unicode.IsUpper(first):
		return word
	case len(model) > n && strings.ToUpper(model) == model:
		return strings.ToUpper(word)
	}
	head, n := utf8.DecodeRuneInString(word)
	return string(unicode.ToUpper(head)) + word[n:]
}
