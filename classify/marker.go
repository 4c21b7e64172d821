package classify

import "strings"

// markers finds the words of sensitive conditions. They identify nobody; they
// raise the level of what stands beside them.
type markers struct{ words []string }

var _ recogniser = markers{}

func newMarkers() markers {
	return markers{append(strings.Fields(chineseConditions), strings.Split(latinConditions, ",")...)}
}

// The conditions whose disclosure does the most harm: infections, psychiatry,
// reproduction, dependence, inherited disease, cancer.
const (
	chineseConditions = `艾滋病 艾滋病病毒 人类免疫缺陷病毒 获得性免疫缺陷 HIV感染 HIV阳性 HIV抗体阳性 梅毒 淋病 尖锐湿疣 生殖器疱疹 软下疳 性传播疾病 性病
精神分裂症 精神分裂 双相情感障碍 双相障碍 抑郁症 抑郁发作 躁狂症 躁狂发作 焦虑症 强迫症 偏执性精神障碍 分裂情感性障碍 精神发育迟滞 自杀 自残 自伤 阿尔茨海默病 老年痴呆
人工流产 药物流产 引产术 先兆流产 稽留流产 终止妊娠 宫外孕 试管婴儿 不孕症 不育症
吸毒 药物依赖 毒品依赖 酒精依赖 戒毒 海洛因 美沙酮
遗传性疾病 亨廷顿 性侵 性虐待 家庭暴力 变性手术 性别重置 恶性肿瘤 癌症晚期`
	latinConditions = `hiv,hiv-positive,hiv-1,aids,human immunodeficiency virus,syphilis,gonorrhea,gonorrhoea,chlamydia,genital herpes,schizophrenia,schizoaffective,bipolar disorder,major depressive disorder,suicidal,suicide attempt,self-harm,abortion,termination of pregnancy,opioid dependence,opioid use disorder,heroin,methadone,alcohol dependence,alcohol use disorder,substance abuse,sexual assault,domestic violence,huntington,dementia,sexually transmitted`
)

func (m markers) cues() []string { return m.words }

func (m markers) near(dst []Span, _ []byte, at, end, _ int) []Span {
	return append(dst, Span{Start: at, End: end, Kind: Condition, Confidence: 80, Reason: ByLexicon})
}

func (m markers) all(dst []Span, _ []byte) []Span { return dst }

// icd is asked about a letter and digits as a code of ICD-10 of a sensitive
// chapter: with decimals, or behind a word for diagnosis.
func (s *scan) icd(i, end int) {
	text := s.text
	if end-i != 3 && end-i < 5 || byteAt(text, i-1) == '.' || byteAt(text, i-1) == '-' || byteAt(text, i-1) == '/' {
		return
	}
	n := int(text[i+1]-'0')*10 + int(text[i+2]-'0')
	if !sensitive(text[i], n) {
		return
	}
	stop := end
	decimals := end-i == 3 && byteAt(text, end) == '.' && digit(byteAt(text, end+1))
	if decimals {
		for stop++; wordByte(byteAt(text, stop)); stop++ {
			if stop-end > 4 {
				return
			}
		}
	}
	switch {
	case diagnosed(text, i):
		s.add(i, stop, Condition, 90, ByLabel)
	case decimals && stop-end <= 3:
		s.add(i, stop, Condition, 65, ByStructure)
	}
}

// sensitive says whether a code of ICD-10 marks a sensitive condition.
func sensitive(chapter byte, n int) bool {
	switch chapter {
	case 'B':
		return n >= 20 && n <= 24
	case 'A':
		return n >= 50 && n <= 64
	case 'C':
		return n <= 97
	case 'F':
		return true
	case 'O':
		return n >= 2 && n <= 8
	case 'Z':
		return n == 21 || n == 64 || n == 32
	case 'R':
		return n == 75
	}
	return false
}

// diagnosed says whether a word for diagnosis stands shortly before i.
func diagnosed(text []byte, i int) bool {
	before := text[max(0, i-48):i]
	for k := range before {
		switch c := folded(before[k]); {
		case c == 'i' && lowerPrefix(before[k:], "icd"), c == 'd' && (lowerPrefix(before[k:], "diagnos") || lowerPrefix(before[k:], "dx")):
			return true
		case c == 0xE8 && len(before) >= k+6 && string(before[k:k+6]) == "诊断":
			return true
		}
	}
	return false
}
