package classify

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// TestNoise: of random numbers of 18 digits with a valid date of birth, at
// most one in a thousand is taken for an identity number; nine in a hundred
// have the right check digit.
func TestNoise(t *testing.T) {
	e := newEngine(t, Config{})
	random := rand.New(rand.NewPCG(11, 12))
	const many = 200_000
	taken := 0
	var text []byte
	for range many {
		text = fmt.Appendf(text[:0], "流水 %06d%s%04d 元", random.IntN(1_000_000), birthDay(random), random.IntN(10_000))
		for _, s := range e.Scan(nil, text, Discover) {
			if s.Kind == ResidentID || s.Kind == ResidencePermit {
				taken++
			}
		}
	}
	t.Logf("%d of %d random numbers with a valid date are taken for identity numbers: %.4f %%", taken, many, 100*float64(taken)/many)
	if share := float64(taken) / many; share > 0.001 {
		t.Errorf("%.3f %% of noise is taken for identity numbers", 100*share)
	}
}

func birthDay(random *rand.Rand) string {
	day := time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, random.IntN(90*365))
	return day.Format("20060102")
}

// places are all codes of places in the sample data, those abolished too.
func places(t *testing.T) []string {
	t.Helper()
	f, err := os.Open(data(t, "codes", "cn-region-codes-1980-now.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var codes []string
	for in := bufio.NewScanner(f); in.Scan(); {
		if code, _, ok := strings.Cut(in.Text(), ","); ok && len(code) == 6 && digit(code[0]) {
			codes = append(codes, code)
		}
	}
	return codes
}

// residentOf makes an identity number with its check character.
func residentOf(place string, random *rand.Rand) string {
	id := fmt.Sprintf("%s%s%03d", place, birthDay(random), random.IntN(1000))
	for _, c := range "0123456789X" {
		if full := id + string(c); residentCheck([]byte(full)) {
			return full
		}
	}
	return ""
}

// TestRecall: identity numbers of every place there was are found, however
// they are written and in whatever charset.
func TestRecall(t *testing.T) {
	e := newEngine(t, Config{})
	random := rand.New(rand.NewPCG(13, 14))
	wide := strings.NewReplacer("0", "０", "1", "１", "2", "２", "3", "３", "4", "４", "5", "５", "6", "６", "7", "７", "8", "８", "9", "９", "X", "Ｘ")
	forms := map[string]func(id string) string{
		"plain":      func(id string) string { return "身份证号" + id + "，" },
		"lower":      func(id string) string { return "ID " + strings.ToLower(id) + "." },
		"unlabelled": func(id string) string { return "," + id + "," },
		"spaced":     func(id string) string { return "证件 " + id[:6] + " " + id[6:14] + " " + id[14:] + "。" },
		"fours": func(id string) string {
			return id[:4] + " " + id[4:8] + " " + id[8:12] + " " + id[12:16] + " " + id[16:]
		},
		"dashed": func(id string) string { return "：" + id[:6] + "-" + id[6:14] + "-" + id[14:] + ";" },
		"wide":   func(id string) string { return "身份证：" + wide.Replace(id) + "，" },
		"file":   func(id string) string { return "scan_" + id + "_1.jpg" },
	}
	for name, form := range forms {
		missed, all := 0, 0
		for _, place := range places(t) {
			text := form(residentOf(place, random))
			all++
			if spans := e.Scan(nil, []byte(text), Discover); len(spans) != 1 || spans[0].Kind != ResidentID && spans[0].Kind != ResidencePermit || spans[0].Confidence < 90 {
				missed++
			}
		}
		if all < 7000 || float64(missed) > 0.001*float64(all) {
			t.Errorf("%s: %d of %d identity numbers are missed", name, missed, all)
		}
	}
}

// TestRecallInCharsets: the same in UTF-16 and GB18030.
func TestRecallInCharsets(t *testing.T) {
	e := newEngine(t, Config{})
	random := rand.New(rand.NewPCG(15, 16))
	var text strings.Builder
	all := 0
	for _, place := range places(t) {
		fmt.Fprintf(&text, "患者身份证号%s，复诊。\n", residentOf(place, random))
		all++
	}
	for _, c := range []Charset{UTF16LE, UTF16BE, GB18030} {
		found := 0
		stream := e.Stream(Discover, func(_ []byte, at Span) error {
			if at.Kind == ResidentID || at.Kind == ResidencePermit {
				found++
			}
			return nil
		})
		decode := newTranscoder(c, stream)
		if _, err := decode.Write(inCharset(t, text.String(), c)); err != nil {
			t.Fatal(err)
		}
		if err := decode.Close(); err != nil {
			t.Fatal(err)
		}
		if err := stream.Close(); err != nil {
			t.Fatal(err)
		}
		if all < 7000 || float64(found) < 0.999*float64(all) {
			t.Errorf("%s: %d of %d identity numbers are found", c, found, all)
		}
	}
}

// TestLawIsEmpty: text of laws holds no patient.
func TestLawIsEmpty(t *testing.T) {
	e, levels := newEngine(t, Config{}), Usual()
	text := corpus(t, "02_zh_law_negative.txt")
	high := 0
	kinds := map[string]int{}
	for _, s := range e.Scan(nil, text, Discover) {
		if levels.Of(s.Kind) >= 4 {
			high++
			if kinds[s.Kind.String()]++; high < 20 {
				t.Logf("%s (%d): %s", s.Kind, s.Reason, text[max(0, s.Start-30):min(len(text), s.End+10)])
			}
		}
	}
	if perMB := float64(high) / (float64(len(text)) / 1e6); perMB > 1 {
		t.Errorf("%.1f findings of level 4 and 5 in a megabyte of law: %v", perMB, kinds)
	}
}

func TestLevels(t *testing.T) {
	l := Usual()
	if l.Of(ResidentID) != 4 || l.Of(USCC) != 1 || l.Of(FirstCustom) != 0 {
		t.Error("the usual levels have changed")
	}
	if l.Raise(4, Name, Condition) != 5 || l.Raise(3, Condition) != 3 || l.Raise(4, Name) != 4 {
		t.Error("a sensitive condition does not raise what it stands beside, or raises what identifies nobody")
	}
	if l.Class(MRN).ZH == "" || l.Level(5).Title.EN == "" || l.Level(5).For.ZH == "" || l.Level(6) != (LevelInfo{}) || l.Standard() == "" {
		t.Error("levels or classes have no words")
	}
	usual := string(UsualLevels())
	for change, want := range map[[2]string]string{
		{"us-ssn: {level: 4", "us-ssn: {level: 6"}:        "level 6",
		{"us-ssn:", "us-ssm:"}:                            "us-ssm",
		{"  us-ssn: {level: 4, class: personal}\n", ""}:   "us-ssn",
		{"class: payment", "class: paymant"}:              "paymant",
		{"from: 4, to: 5", "from: 4, to: 4"}:              "up",
		{"raise:", "rise:"}:                               "rise",
		{"  5:\n", "  6:\n"}:                              "level 5",
		{"with: sensitive-condition", "with: conditions"}: "conditions",
	} {
		changed := strings.Replace(usual, change[0], change[1], 1)
		if _, err := ReadLevels(strings.NewReader(changed)); changed == usual || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q instead of %q gives %v", change[1], change[0], err)
		}
	}
}

func TestValue(t *testing.T) {
	e := newEngine(t, Config{})
	for _, c := range []struct {
		hint         Kind
		field, value string
		want         string
	}{
		{None, "patient_name", "王小明", "person-name 王小明"},
		{None, "HZXM", " 王小明 ", "person-name 王小明"},
		{None, "患者姓名", "无", ""},
		{None, "sfzh", "11010519491231002X", "cn-resident-id 11010519491231002X"},
		{None, "身份证号", "110105491231002", "cn-resident-id-15 110105491231002"},
		{None, "lxdh", "65520000", "phone 65520000"},
		{None, "patientPhone", "13812345678", "cn-mobile 13812345678"},
		{None, "t.住院号", "123456", "admission-number 123456"},
		{None, "MRN", "00123", "mrn 00123"},
		{None, "birth_date", "1990-03-07", "birth-date 1990-03-07"},
		{None, "年龄", "93", "age-over-89 93"},
		{None, "年龄", "34", ""},
		{None, "amount", "3821.93", ""},
		{None, "remark", "电话13812345678", "cn-mobile 13812345678"},
		{Name, "", "John Smith", "person-name John Smith"},
		{MRN, "PID-3", "0d70c6c8", "mrn 0d70c6c8"},
		{None, "status", "1", ""},
	} {
		if got := spelled(e, e.Value(nil, c.hint, c.field, []byte(c.value), Discover), c.value); got != c.want {
			t.Errorf("%s %q: %q is %q, want %q", c.hint, c.field, c.value, got, c.want)
		}
	}
}
