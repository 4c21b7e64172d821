package deid

import (
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/cordon-health/cordon/classify"
)

// longestName is how long a name may become; a longer one is one token.
const longestName = 120

// cleanName is the name of an output. It denies by default, as profiles do: of
// a name stay words that say what kind of file it is ("ct", "series", "报告"),
// single letters and numbers of up to four digits. Any other word is replaced
// by an invented name, any other number by what stands for it in the files
// themselves, a UID or UUID by its new one.
func (j *Job) cleanName(name string, file bool) string {
	stem, ending := name, ""
	if file {
		stem, ending = splitEnding(name)
	}
	if id, ok := technicalID(stem); ok {
		return j.Key.Identifier(id) + ending
	}
	var out []byte
	for len(stem) > 0 {
		word := stem[:wordLength(stem)]
		stem = stem[len(word):]
		out = j.nameWord(out, word)
	}
	if len(out) > longestName {
		out = append(out[:0], j.Key.Token(classify.Unique, "file "+name)...)
	}
	return strings.NewReplacer("/", "_", "\\", "_", ":", "_").Replace(string(out)) + ending
}

// splitEnding parts a name from endings that say its format; what else stands
// behind a dot is a part of the name.
func splitEnding(name string) (stem, ending string) {
	for {
		e := filepath.Ext(name)
		if len(e) < 2 || len(e) == len(name) || !slices.Contains(endings(), strings.ToLower(e[1:])) {
			return name, ending
		}
		name, ending = strings.TrimSuffix(name, e), e+ending
	}
}

func endings() []string {
	return strings.Fields("hl7 hl7v2 er7 msg json ndjson jsonl xml cda ccda dcm dicom ima txt text md note csv tsv tab psv html htm xhtml dat bin log gz zip")
}

// technicalID is true for a DICOM UID or a UUID.
func technicalID(stem string) (string, bool) {
	if strings.Count(stem, ".") > 3 && strings.Trim(stem, "0123456789.") == "" {
		return stem, true
	}
	return stem, len(stem) == 36 && strings.Count(stem, "-") == 4 && strings.Trim(strings.ToLower(stem), "0123456789abcdef-") == ""
}

// wordLength is how long the word is that a text begins with: of characters, or
// of letters and digits; what is neither stands alone.
func wordLength(text string) (n int) {
	kind := func(r rune) int {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana):
			return 1
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			return 2
		}
		return 0
	}
	first, n := utf8.DecodeRuneInString(text)
	for k := kind(first); k > 0 && n < len(text); {
		r, size := utf8.DecodeRuneInString(text[n:])
		if kind(r) != k {
			break
		}
		n += size
	}
	return n
}

func (j *Job) nameWord(dst []byte, word string) []byte {
	plain := strings.ToLower(norm.NFKC.String(word))
	letters := strings.TrimRightFunc(plain, unicode.IsDigit)
	number := plain[len(letters):]
	switch first, n := utf8.DecodeRuneInString(plain); {
	case !unicode.IsLetter(first) && !unicode.IsDigit(first), // a separator
		letters == "" && len(number) <= 4,
		len(letters) == n && len(number) <= 1,
		len(number) <= 6 && slices.Contains(fileWords(), letters):
		return append(dst, word...)
	case number != "" || strings.ContainsFunc(letters, unicode.IsDigit):
		return append(dst, j.Key.Pseudonym(classify.MRN, []byte(word))...)
	}
	return j.Key.name(dst, word, fullName)
}

// fileWords are words that name no person but the kind of a file.
func fileWords() []string {
	return strings.Fields("adt oru orm mdm siu obs obx pid msg hl7 fhir cda ccda dicom dicomdir bundle patient patients encounter encounters " +
		"observation observations condition conditions procedure procedures medication medications report reports letter letters note notes " +
		"document documents visit visits admission admissions discharge summary lab labs result results order orders export import data file files " +
		"scan ct mr mri pt us xa cr dx nm mg rf sc ot im img image images slice series ser study std frame part batch week month year " +
		"table text broken unknown test sample in out new old raw clean mixed clinic hospital radiology pathology cardiology surgery " +
		"病历 病案 检查 检验 报告 影像 图像 出院 入院 门诊 住院 小结 记录 病程 医嘱 处方 数据 资料 放射科 检验科 病理 心电图 超声 序列 随访 手术")
}
