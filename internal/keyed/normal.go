package keyed

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Normal is the normal form of a value of a kind: what Token hashes. All
// kinds begin with NFKC, which makes full-width letters and digits plain.
// What stands for "not known" has no normal form, or everyone without a phone
// would have the same one.
func Normal(kind, value string) string {
	value = norm.NFKC.String(value)
	switch kind {
	case Phone:
		return phone(value)
	case Address:
		return address(value)
	case Building:
		return building(value)
	case Name, Surname:
		return known(letters(value))
	case NationalID:
		return nationalID(value)
	default:
		return strings.TrimSpace(value)
	}
}

// letters keeps letters, marks and digits, in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// known drops the words for "not known".
func known(s string) string {
	switch s {
	case "无", "不详", "未知", "暂无", "没有", "不明", "无名", "无名氏", "unknown":
		return ""
	}
	return s
}

// filled drops also the words that are nothing in an address or a number, but
// may be a name.
func filled(s string) string {
	switch s {
	case "同上", "same", "none", "na", "nil", "null", "unk":
		return ""
	}
	return known(s)
}

// uniform says whether s is one character over and over: 11111111111.
func uniform(s string) bool { return s == "" || strings.Count(s, s[:1]) == len(s) }

const (
	// phoneDigits is the length of a Chinese mobile number, and the most
	// digits of any number that are compared.
	phoneDigits = 11
	// fewestDigits: what is shorter is an extension and names nobody.
	fewestDigits = 5
)

// phone keeps the digits: without extension, without the country codes of
// China (+86, 0086, 86 before a mobile number) and, after a plus, of North
// America; without trunk zeros, so that +86 10 6552 0000 is 010-65520000; and
// of what is left the last eleven.
func phone(s string) string {
	s = beforeExtension(s)
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
	abroad := strings.Contains(s, "+") || strings.HasPrefix(digits, "00")
	digits = strings.TrimLeft(digits, "0")
	rest, china := strings.CutPrefix(digits, "86")
	switch {
	case china && (abroad && len(rest) >= 8 || len(rest) == phoneDigits && rest[0] == '1'):
		digits = strings.TrimLeft(rest, "0")
	case abroad && len(digits) == 11 && digits[0] == '1':
		digits = digits[1:]
	}
	if len(digits) > phoneDigits {
		digits = digits[len(digits)-phoneDigits:]
	}
	if len(digits) < fewestDigits || uniform(digits) {
		return ""
	}
	return digits
}

// beforeExtension cuts off "ext. 12", "x12", "转12", "#12" behind a number.
func beforeExtension(s string) string {
	digits := 0
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case digits >= fewestDigits && strings.ContainsRune("eExX#;,转分", r):
			return s[:i]
		}
	}
	return s
}

// address writes an address the same way however it was written: the words of
// streets and buildings in their short form, Chinese numbers of buildings and
// rooms as digits, without the words for country, province and city level,
// without punctuation.
func address(s string) string {
	s = strings.ToLower(s)
	var b strings.Builder
	for _, word := range strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	}) {
		b.WriteString(shortWord(word))
	}
	text := filled(b.String())
	text = strings.TrimPrefix(text, "中华人民共和国")
	text = strings.TrimPrefix(text, "中国")
	text = chineseDigits(text)
	text = levels.Replace(text)
	text = strings.TrimSuffix(text, "室")
	text = strings.TrimSuffix(text, "房")
	return text
}

// building is an address without what lies inside the building: 栋, 单元, 室
// or apartment. It is empty where the address names no building.
func building(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	var kept []string
	street := false
	for i := 0; i < len(words); i++ {
		word := shortWord(words[i])
		switch rest, apart := strings.CutPrefix(word, "apt"); {
		case apart && rest == "", word == "floor", word == "fl", word == "room", word == "rm":
			i++ // and its number
			continue
		case apart && strings.Trim(rest, "0123456789") == "":
			continue
		}
		street = street || len(kept) >= 2 && slices.Contains(streetWords(), word)
		kept = append(kept, word)
	}
	if street && kept[0][0] >= '0' && kept[0][0] <= '9' {
		return strings.Join(kept, "")
	}
	return chineseBuilding(address(s))
}

// streetWords are the short forms that name a street.
func streetWords() []string {
	return []string{"st", "ave", "rd", "dr", "ln", "blvd", "ct", "pl", "hwy", "way", "square", "terrace"}
}

// chineseBuilding cuts a normal address after its first numbered house, or
// after the number in the street.
func chineseBuilding(text string) string {
	for _, house := range []string{"栋", "号"} {
		for at := 0; ; {
			i := strings.Index(text[at:], house)
			if i < 0 {
				break
			}
			at += i
			if at > 0 && (text[at-1] >= '0' && text[at-1] <= '9' || text[at-1] >= 'a' && text[at-1] <= 'z') {
				return text[:at+len(house)]
			}
			at += len(house)
		}
	}
	return ""
}

// levels drops the words for province and city, and gives buildings one word.
var levels = strings.NewReplacer("省", "", "市", "", "号楼", "栋", "幢", "栋", "座", "栋", "大楼", "栋", "号院", "院")

// shortWord is the short form of a word of English addresses.
func shortWord(word string) string {
	switch word {
	case "street", "str":
		return "st"
	case "avenue", "av":
		return "ave"
	case "road":
		return "rd"
	case "drive":
		return "dr"
	case "lane":
		return "ln"
	case "boulevard":
		return "blvd"
	case "court":
		return "ct"
	case "place":
		return "pl"
	case "highway":
		return "hwy"
	case "apartment", "unit", "suite", "ste", "flat":
		return "apt"
	case "north":
		return "n"
	case "south":
		return "s"
	case "east":
		return "e"
	case "west":
		return "w"
	case "usa", "no":
		return ""
	}
	return word
}

const chineseNumerals = "零〇一二三四五六七八九十"

// chineseDigits turns Chinese numbers up to 99 into digits where they count
// buildings, units, floors or rooms.
func chineseDigits(s string) string {
	if !strings.ContainsAny(s, chineseNumerals) {
		return s
	}
	runes := []rune(s)
	var b strings.Builder
	for i := 0; i < len(runes); {
		n := 0
		for i+n < len(runes) && strings.ContainsRune(chineseNumerals, runes[i+n]) {
			n++
		}
		if n > 0 && i+n < len(runes) && strings.ContainsRune("号栋幢座单楼层室房院", runes[i+n]) {
			b.WriteString(chineseNumber(runes[i : i+n]))
			i += n
			continue
		}
		n = max(n, 1)
		b.WriteString(string(runes[i : i+n]))
		i += n
	}
	return b.String()
}

// chineseNumber writes 十二 as 12, 二十 as 20 and 三〇一 as 301.
func chineseNumber(runes []rune) string {
	var b strings.Builder
	for i, r := range runes {
		if r != '十' {
			b.WriteByte('0' + chineseDigit(r))
			continue
		}
		if i == 0 {
			b.WriteByte('1')
		}
		if i == len(runes)-1 {
			b.WriteByte('0')
		}
	}
	return b.String()
}

func chineseDigit(r rune) byte {
	switch r {
	case '一':
		return 1
	case '二':
		return 2
	case '三':
		return 3
	case '四':
		return 4
	case '五':
		return 5
	case '六':
		return 6
	case '七':
		return 7
	case '八':
		return 8
	case '九':
		return 9
	}
	return 0
}

// nationalID keeps letters and digits in upper case; a Chinese number of the
// old kind (15 digits) becomes the one of 18 it was replaced by.
func nationalID(s string) string {
	s = strings.ToUpper(letters(s))
	if uniform(s) || filled(strings.ToLower(s)) == "" {
		return ""
	}
	if len(s) != 15 || strings.Trim(s, "0123456789") != "" {
		return s
	}
	s = s[:6] + "19" + s[6:]
	sum := 0
	for i, weight := range [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += weight * int(s[i]-'0')
	}
	return s + "10X98765432"[sum%11:sum%11+1]
}
