package classify

import (
	"strings"
	"testing"
)

func TestMaskShowsShape(t *testing.T) {
	for _, c := range []struct {
		kind        Kind
		value, want string
	}{
		{ResidentID, "11010519491231002X", "110*************2X"},
		{ResidentID, "110105 19491231 002X", "110*** ******** **2X"},
		{Mobile, "13800138000", "138******00"},
		{MRN, "0012345", "*******"},
		{SSN, "123-45-6789", "***-**-****"},
		{Name, "张三丰", "张**"},
		{Name, "李", "*"},
		{Name, "Mary O'Neil", "M*** *'****"},
		{BirthDate, "1949-12-31", "****-**-**"},
		{Email, "zhangsan@hospital.cn", "z*******@********.cn"},
		{Address, "江苏省南京市鼓楼区汉口路22号", "江苏*************"},
		{BankCard, "6222020200012345678", "622**************78"},
		{Condition, "HIV", "***"},
		{Kind(200), "staff 4711", "***** ****"},
		{None, "", ""},
	} {
		if got := Mask(c.kind, []byte(c.value)); got != c.want {
			t.Errorf("%v %q: %q, want %q", c.kind, c.value, got, c.want)
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add(byte(ResidentID), []byte("11010519491231002X"))
	f.Add(byte(Email), []byte("a@b.c\xff"))
	f.Fuzz(func(t *testing.T, kind byte, value []byte) {
		masked := Mask(Kind(kind), value)
		if n := len([]rune(masked)); n > maskedMost {
			t.Fatalf("%d characters", n)
		}
		if n := countWord([]rune(string(value))); n >= longNumber && !strings.Contains(masked, "*") && len(value) < maskedMost {
			t.Fatalf("%q is not masked: %q", value, masked)
		}
	})
}
