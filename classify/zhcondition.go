package classify

import "bytes"

// condition marks a sensitive condition that the text says somebody has: not
// one that is denied, tested negative, or spoken of in general.
func (v *zhView) condition(at, end int) {
	if v.general(at, end) || v.denied(at) || v.negative(end) || !v.clinical(at, end) {
		return
	}
	v.add(at, end, Condition, 80, ByLexicon)
}

// denied looks back to the beginning of the clause for a negation. A bare
// 无 or 未 counts only where it is near.
func (v *zhView) denied(at int) bool {
	low, comma := max(0, at-90), false
	for i := at - 1; i >= low; i-- {
		switch c := v.text[i]; {
		case c == '\n' || c == ';':
			return false
		case c&0xC0 == 0x80 || c < 0x80:
			continue
		}
		switch rest := v.text[i:at]; {
		case zhBegins(rest, "。", "；", "！", "？"):
			return false
		case zhBegins(rest, "否认", "排除", "无明确", "未发现", "未见", "除外", "不考虑", "防治", "预防", "阴性"):
			return true
		case zhBegins(rest, "，"):
			comma = true
		case !comma && at-i <= 24 && zhBegins(rest, "无", "没有", "未", "非"):
			return true
		}
	}
	return false
}

// zhBegins says whether text begins with one of the words.
func zhBegins(text []byte, words ...string) bool {
	for _, w := range words {
		if hasWide(text, 0, w) {
			return true
		}
	}
	return false
}

// negative looks at what follows, to the end of the clause, for a negative
// result.
func (v *zhView) negative(end int) bool {
	for i := end; i < min(len(v.text), end+60); i++ {
		c := v.text[i]
		if c == '\n' || c == ';' {
			return false
		}
		if c&0xC0 == 0x80 || c < 0x80 && c != '(' && c != ':' && c|0x20 != 'n' {
			continue
		}
		switch rest := v.text[i:]; {
		case zhBegins(rest, "。", "；", "阳性"):
			return false
		case zhBegins(rest, "阴性", "(-)", "（-）", "(－)", "（－）", "(—)", "（—）", "未检出", "未见", "：-", ":-", "阴 性", "Negative", "negative", "NEG", "排除"):
			return true
		}
	}
	return false
}

// general says whether the word is part of a heading, a test or a duty rather
// than of somebody's history.
func (v *zhView) general(at, end int) bool {
	for _, word := range []string{"防治", "预防", "筛查", "检测", "条例", "宣传", "知识", "疫苗", "风险", "危险", "评估", "防控", "监测", "患者应", "病人的", "的危害", "罪", "人员", "行为", "等传染病"} {
		if hasWide(v.text, end, word) {
			return true
		}
	}
	return zhEnds(v.text[:at], "先兆") || zhEnds(v.text[:at], "抗")
}

// zhClinical are headings that records have, and laws and leaflets do not.
var zhClinical = [...]string{"诊断：", "诊断:", "诊断为", "初步诊断", "出院诊断", "入院诊断", "主诉", "现病史", "既往史", "查体", "住院号", "病案号", "病历号", "门诊号", "姓名：", "姓名:", "性别：", "性别:", "患者因", "入院后", "我科", "我院", "确诊为", "服药", "床"}

// clinical says whether somebody's record is around: a heading or a measure
// that laws and leaflets do not have. A value by itself needs none.
func (v *zhView) clinical(at, end int) bool {
	if len(v.text) <= 96 || bytes.Contains(v.text[max(0, at-40):at], []byte("诊断：")) {
		return true
	}
	around := v.text[max(0, at-300):min(len(v.text), end+300)]
	if bytes.Contains(around, []byte("mg")) || bytes.Contains(around, []byte("mmHg")) {
		return true
	}
	for i := 0; i < len(around); i++ {
		if around[i] >= 0xE4 && v.z.x.record.at(around, i) > 0 {
			return true
		}
	}
	for rest := around; ; { // "45岁": laws write ages in words
		i := bytes.Index(rest, []byte("岁"))
		if i < 0 {
			return false
		}
		if i > 0 && rest[i-1]-'0' < 10 {
			return true
		}
		rest = rest[i+3:]
	}
}
