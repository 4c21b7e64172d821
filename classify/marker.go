package classify

import "strings"

// markers finds the English words of sensitive conditions; those in Chinese are found
// with the rest of a Chinese text. They identify nobody; they
// raise the level of what stands beside them.
type markers struct{ words []string }

var _ recogniser = markers{}

func newMarkers() markers {
	return markers{strings.Split(latinConditions, ",")}
}

// The conditions whose disclosure does the most harm: infections, psychiatry,
// reproduction, dependence, inherited disease, cancer.
const latinConditions = `hiv,hiv-positive,hiv-1,aids,human immunodeficiency virus,syphilis,gonorrhea,gonorrhoea,chlamydia,genital herpes,schizophrenia,schizoaffective,bipolar disorder,major depressive disorder,suicidal,suicide attempt,self-harm,abortion,termination of pregnancy,opioid dependence,opioid use disorder,heroin,methadone,alcohol dependence,alcohol use disorder,substance abuse,sexual assault,domestic violence,huntington,dementia,sexually transmitted`

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
