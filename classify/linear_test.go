package classify

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// hostileTexts are units that, repeated, make a scanner that reads around each
// place or merges everything with everything slow.
func hostileTexts() map[string]string {
	return map[string]string{
		"digits":           "7",
		"an identity":      "110101199003077731",
		"digit groups":     "1-",
		"pairs":            "12 ",
		"fours":            "4111 ",
		"full-width":       "１",
		"full-width mixed": "１-",
		"letters":          "x",
		"capitals":         "X",
		"mixed":            "a1",
		"at":               "@",
		"mails":            "a@b.",
		"dots":             "1.",
		"colons":           "a:",
		"hex":              "ab:",
		"slashes":          "://",
		"links":            "http://a",
		"percent":          "%41",
		"label":            "姓名",
		"label, colon":     "姓名：",
		"name":             "姓名：王小明 ",
		"labels":           "医师签名患者家属住院号",
		"surnames":         "王李张刘陈杨黄赵周吴",
		"surname":          "王",
		"names":            "王小明、",
		"house":            "1号",
		"houses":           "路1号2栋3室",
		"regions":          "北京市",
		"roads":            "建国路",
		"condition":        "艾滋病",
		"sex":              "男 ",
		"age":              "90岁",
		"birth":            "出生",
		"dates":            "2026年3月",
		"day":              "3月",
		"middle dot":       "阿·",
		"old":              "老王",
		"hospital":         "医院",
		"doctor":           "Dr. ",
		"doctors":          "Dr. Smith ",
		"Mr":               "MR ",
		"patients":         "Patient: Ann Lee\n",
		"name label":       "name name ",
		"address":          "address ",
		"streets":          "12 Main Street ",
		"street":           "Street ",
		"by":               "signed by ",
		"born":             "born 1/2/1990 ",
		"quotes":           `"'`,
		"brackets":         "([{",
		"tabs":             "\t",
		"blanks":           " ",
		"wide blanks":      "　",
		"lines":            "\n",
		"cells":            "姓名|",
		"table":            "姓名\t性别\t年龄\n",
		"commas":           ",",
		"dashes":           "-",
		"pipes":            "|",
		"no character":     "\xE4",
		"half":             "\xE4\xB8",
		"high":             "\x80",
		"four bytes":       "\U00020000",
		"accents":          "é",
		"zero":             "\x00",
		"MRN":              "MRN: 1234567 ",
		"diagnosis":        "diagnosis F32 ",
		"hyphens":          "Anne-Marie-",
		"apostrophe":       "O'",
		"stars":            "*",
	}
}

// TestTimeIsLinear: no text costs much more a byte than another, and twice as
// much of it costs twice the time; all of them come to an end.
func TestTimeIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	e := newEngine(t, Config{})
	const most = 1 << 16
	for name, unit := range hostileTexts() {
		text := bytes.Repeat([]byte(unit), most/len(unit))
		for mode, limit := range map[Mode]time.Duration{Discover: 400 * time.Millisecond, Redact: 400 * time.Millisecond} {
			took := timed(e, text, mode)
			if took > limit {
				t.Errorf("%s, mode %d: 64 KB take %v", name, mode, took)
			}
			t.Logf("%-18s mode %d %8.1f ms", name, mode, float64(took.Microseconds())/1000)
		}
	}
	mixed := []byte(strings.Repeat("姓名：王小明 Dr. Smith, 12 Main Street 1号 @ 110101199003077731 ", 1<<20/76))
	half, whole := timed(e, mixed[:len(mixed)/2], Redact), timed(e, mixed, Redact)
	if whole > 4*half {
		t.Errorf("half takes %v, all %v", half, whole)
	}
}

func timed(e *Engine, text []byte, mode Mode) time.Duration {
	begun := cpu()
	e.Scan(nil, text, mode)
	return cpu() - begun
}
