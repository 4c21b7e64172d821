package classify

import "bytes"

// condition marks a sensitive condition that the text says somebody has: not
// one that is denied, tested negative, or spoken of in general.
func (v *zhView) condition(at, end int) {
	if v.denied(at) || v.negative(end) || v.general(at, end) || !v.clinical(at, end) {
		return
	}
	v.add(at, end, Condition, 80, ByLexicon)
}

// denied looks back to the beginning of the clause for a negation.
func (v *zhView) denied(at int) bool {
	clause := v.text[max(0, at-90):at]
	for _, stop := range []string{"。", "；", ";", "\n", "！", "？"} {
		if i := bytes.LastIndex(clause, []byte(stop)); i >= 0 {
			clause = clause[i+len(stop):]
		}
	}
	for _, no := range []string{"否认", "排除", "无明确", "未发现", "未见", "除外", "不考虑", "防治", "预防", "阴性"} {
		if bytes.Contains(clause, []byte(no)) {
			return true
		}
	}
	near := clause[max(0, len(clause)-24):]
	for _, no := range []string{"无", "没有", "未", "非"} {
		if i := bytes.LastIndex(near, []byte(no)); i >= 0 && !bytes.Contains(near[i:], []byte("，")) {
			return true
		}
	}
	return false
}

// negative looks at what follows for a negative result.
func (v *zhView) negative(end int) bool {
	after := v.text[end:min(len(v.text), end+60)]
	if i := bytes.IndexByte(after, '\n'); i >= 0 {
		after = after[:i]
	}
	for _, stop := range []string{"。", "；", ";"} {
		if i := bytes.Index(after, []byte(stop)); i >= 0 {
			after = after[:i]
		}
	}
	for _, no := range []string{"阴性", "(-)", "（-）", "(－)", "（－）", "(—)", "（—）", "未检出", "未见", "：-", ":-", "阴 性", "Negative", "negative", "NEG", "排除"} {
		if i := bytes.Index(after, []byte(no)); i >= 0 {
			if k := bytes.Index(after, []byte("阳性")); k < 0 || k > i {
				return true
			}
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

// clinical says whether somebody's record is around: a heading or a measure
// that laws and leaflets do not have. A value by itself needs none.
func (v *zhView) clinical(at, end int) bool {
	if len(v.text) <= 96 {
		return true
	}
	around := v.text[max(0, at-300):min(len(v.text), end+300)]
	for _, word := range []string{"诊断：", "诊断:", "诊断为", "初步诊断", "出院诊断", "入院诊断", "主诉", "现病史", "既往史", "查体", "住院号", "病案号", "病历号", "门诊号", "姓名：", "姓名:", "性别：", "性别:", "mmHg", "患者因", "入院后", "我科", "我院", "确诊为", "服药", "mg", "床"} {
		if bytes.Contains(around, []byte(word)) {
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
