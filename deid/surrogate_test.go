package deid

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/classify"
)

// TestOnePersonOnePseudonym holds the promise that formats agree.
func TestOnePersonOnePseudonym(t *testing.T) {
	k := testKey(t, KeyOptions{})
	for _, c := range []struct {
		kind classify.Kind
		same []string
	}{
		{classify.Mobile, []string{"13800138000", "+86 138-0013-8000", "１３８００１３８０００"}},
		{classify.MRN, []string{"00123456", " 0012-3456 "}},
		{classify.ResidentID, []string{"11010519491231002X", "11010519491231002x", "110105 19491231 002X", "110105491231002"}},
		{classify.Email, []string{"a@b.org", " A@B.ORG "}},
	} {
		want := k.Pseudonym(c.kind, []byte(c.same[0]))
		for _, s := range c.same {
			if got := k.Pseudonym(c.kind, []byte(s)); !bytes.Equal(got, want) || len(got) == 0 {
				t.Errorf("%s %q is %q, want %q", c.kind, s, got, want)
			}
		}
	}
	if a, b := k.Pseudonym(classify.MRN, []byte("77001")), k.Pseudonym(classify.Account, []byte("77001")); !bytes.Equal(a, b) {
		t.Error("one number has two pseudonyms")
	}
	if a, b := k.Pseudonym(classify.MRN, []byte("11010519491231002X")), k.Pseudonym(classify.ResidentID, []byte("11010519491231002X")); !bytes.Equal(a, b) {
		t.Error("an identity number in a field for record numbers has another pseudonym")
	}
}

func TestNamesAgree(t *testing.T) {
	k := testKey(t, KeyOptions{})
	family, given := string(k.Family([]byte("张"))), string(k.Given([]byte("三丰")))
	for in, want := range map[string]string{
		"张三丰":    family + given,
		"张^三丰":   family + "^" + given,
		"张 三丰":   family + " " + given,
		"欧阳修":    string(k.Family([]byte("欧阳"))) + string(k.Given([]byte("修"))),
		"":       "",
		"  ":     "  ",
		"Dr.":    "Dr.",
		"张=ZHAO": family + "=" + string(k.Pseudonym(classify.Name, []byte("ZHAO"))),
	} {
		if got := string(k.Pseudonym(classify.Name, []byte(in))); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	smith, angela := string(k.Family([]byte("Smith"))), string(k.Given([]byte("Angela")))
	for in, want := range map[string]string{
		"SMITH^ANGELA":     strings.ToUpper(smith) + "^" + strings.ToUpper(angela),
		"Angela Smith, MD": angela + " " + smith + ", MD",
		"angela smith":     strings.ToLower(angela + " " + smith),
		"Smith-Ångela":     smith + "-" + angela,
	} {
		if got := string(k.Pseudonym(classify.Name, []byte(in))); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if k.Token(classify.Name, "SMITH^Angela") != k.Token(classify.Name, "Dr. Angela Smith") {
		t.Error("one name has two tokens")
	}
}

// TestNoSurrogateIsSomebody: invented numbers belong to nobody.
func TestNoSurrogateIsSomebody(t *testing.T) {
	k := testKey(t, KeyOptions{})
	id := k.Pseudonym(classify.ResidentID, []byte("11010519491231002X"))
	if _, ok := residentOf(id); ok || len(id) != 18 || !bytes.HasPrefix(id, []byte("99")) {
		t.Errorf("identity number %s", id)
	}
	back, ok := k.unresident(string(id))
	if !ok || back != "11010519491231002X" {
		t.Errorf("back: %q", back)
	}
	if _, ok := k.unresident("99" + strings.Repeat("1", 16)); ok {
		t.Error("a number that is no pseudonym was turned back")
	}
	if p := k.Pseudonym(classify.Mobile, []byte("13800138000")); !bytes.HasPrefix(p, []byte("+999")) {
		t.Errorf("telephone %s", p)
	}
	if p := k.Pseudonym(classify.IP, []byte("10.1.2.3")); p[0] != '2' || p[1] != '4' && p[1] != '5' {
		t.Errorf("address %s", p)
	}
}

func TestGeneralise(t *testing.T) {
	k := testKey(t, KeyOptions{})
	j := &Job{Key: k, Today: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	var r Report
	for _, c := range []struct {
		m              Method
		kind           classify.Kind
		in, want, name string
	}{
		{Generalise, classify.Date, "1988-03-05", "1988", ""},
		{Generalise, classify.Age, "47", "45-49", ""},
		{Generalise, classify.Age, "91", "90+", ""},
		{Generalise, classify.ZIP, "90210", "902", ""},
		{Generalise, classify.ZIP, "03601-1234", "000", ""},
		{Generalise, classify.ZIP, "100020", "100000", ""},
		{Generalise, classify.ZIP, "SW1A 1AA", "SW", ""},
		{Generalise, classify.Address, "江苏省南京市鼓楼区汉口路22号", "江苏省", ""},
		{Generalise, classify.Name, "张三", "", ""},
		{Redact, classify.Name, "张三", "[person-name]", ""},
		{Remove, classify.Name, "张三", "", ""},
		{Shift, classify.Date, "no date", "", ""},
		{Shift, classify.BirthDate, "19300506", "19360101", "7"},
		{Shift, classify.Date, "19300506", "1930", ""},
		{Perturb, classify.None, "text", "", ""},
	} {
		got, err := j.Replace(nil, c.m, c.kind, []byte(c.in), c.name, &r)
		if err != nil || string(got) != c.want {
			t.Errorf("%s %s %q: %q, %v, want %q", c.m, c.kind, c.in, got, err, c.want)
		}
	}
	if p := string(k.Perturb([]byte("120.5"), "7", 0.05)); p == "120.5" || len(p) != 5 || p != string(k.Perturb([]byte("120.5"), "7", 0.05)) {
		t.Errorf("perturbed to %s", p)
	}
}

func TestShiftDate(t *testing.T) {
	for _, c := range [][2]string{
		{"19491231", "19500110"},
		{"194912312359+0800", "195001102359+0800"},
		{"19491231235959.1234-0500", "19500110235959.1234-0500"},
		{"1949-12-31", "1950-01-10"},
		{"2024-02-25T10:00:00Z", "2024-03-06T10:00:00Z"},
		{"2024年2月25日", "2024年3月06日"},
		{"2024/3/5", "2024/3/15"},
		{"3/25/2024", "4/04/2024"},
		{"25.12.2024", "04.01.2025"},
		{"25/12/2024", "04/01/2025"},
		{"3/5/24", "3/15/24"},
		{"5 March 2024", "15 March 2024"},
		{"25 March 2024", "04 April 2024"},
		{"March 25, 2024", "April 04, 2024"},
		{"05-MAR-2024", "15-MAR-2024"},
		{"5th March 2024", "15th March 2024"},
		{"3月25日", "4月04日"},
		{"202402", "202402"},
		{"2024-02", "2024-02"},
		{"1988", "1988"},
	} {
		got, ok := ShiftDate(nil, []byte(c[0]), 10)
		if !ok || string(got) != c[1] {
			t.Errorf("%s moves to %s, %v, want %s", c[0], got, ok, c[1])
		}
	}
	for _, s := range []string{"", "unknown", "2024-13-45", "99999999", "2024-02-30", "12345", "1988abc", "7", "19880230"} {
		if got, ok := ShiftDate(nil, []byte(s), 10); ok {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func FuzzShiftDate(f *testing.F) {
	for _, s := range []string{"19491231", "2024年2月25日", "5 March 2024", "3/5/24", "March 5, 2024", "2024-02-25T10:00:00Z"} {
		f.Add([]byte(s), 10)
	}
	f.Fuzz(func(t *testing.T, value []byte, days int) {
		days %= 400
		out, ok := ShiftDate(nil, value, days)
		if !ok {
			return
		}
		if _, again := ShiftDate(nil, out, -days); !again && len(out) > 0 {
			t.Fatalf("%q became %q, which is no date", value, out)
		}
	})
}

func FuzzPseudonym(f *testing.F) {
	k := testKey(f, KeyOptions{})
	for _, s := range []string{"张三", "ZHANG^SAN", "+86 13800138000", "11010519491231002X", "a@b.org", "10.0.0.1", "김철수", "Иван", "やまだ"} {
		for _, kind := range []classify.Kind{classify.Name, classify.Phone, classify.ResidentID, classify.Email, classify.IP, classify.Address} {
			f.Add(uint8(kind), []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, value []byte) {
		a := k.Pseudonym(classify.Kind(kind), value)
		if b := k.Pseudonym(classify.Kind(kind), value); !bytes.Equal(a, b) {
			t.Fatalf("%q has two pseudonyms", value)
		}
	})
}
