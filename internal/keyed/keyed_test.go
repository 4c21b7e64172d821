package keyed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSamePersonSameNormalForm(t *testing.T) {
	for _, c := range []struct {
		kind string
		same []string
	}{
		{Phone, []string{"13800138000", "+86 138 0013 8000", "0086-138-0013-8000", "86 13800138000", "(+86)138.0013.8000", "１３８００１３８０００"}},
		{Phone, []string{"010-65520000", "+86 10 6552 0000", "(010) 65520000", "+86 (0)10 65520000", "010-65520000转123", "01065520000 ext. 9"}},
		{Phone, []string{"(555) 123-4567", "+1 555 123 4567", "555.123.4567x99"}},
		{Address, []string{"江苏省南京市鼓楼区汉口路22号三单元301室", "江苏南京鼓楼区汉口路２２号3单元301", "中国江苏省南京市鼓楼区，汉口路22号 3单元 301室"}},
		{Address, []string{"朝阳区建国路十二号楼", "朝阳区建国路12幢", "朝阳区 建国路 12栋"}},
		{Address, []string{"12 Main Street, Apartment 4", "12 MAIN ST. APT 4", "12 main str apt #4"}},
		{Building, []string{"云川市青荷区碧水苑3栋2单元1203室", "云川市 青荷区碧水苑３号楼 1 单元 402", "云川青荷区碧水苑3幢"}},
		{Building, []string{"江苏省南京市鼓楼区汉口路22号三单元301室", "江苏南京鼓楼区汉口路22号"}},
		{Building, []string{"12 Main Street, Apartment 4, Rivermouth", "12 MAIN ST. APT 7 Rivermouth", "12 Main St Rivermouth"}},
		{Name, []string{"张三", " 张 三 ", "张·三"}},
		{Name, []string{"José O'Neil", "jose\u0301 oneil", "JOSÉ ONEIL"}},
		{NationalID, []string{"11010519491231002x", "110105 19491231 002X", "110105491231002"}},
		{ID, []string{"A-1", " A-1 "}},
	} {
		want := Normal(c.kind, c.same[0])
		for _, s := range c.same {
			if got := Normal(c.kind, s); got != want || got == "" {
				t.Errorf("%s %q is %q, want %q", c.kind, s, got, want)
			}
		}
	}
}

func TestDifferentPeopleStayApart(t *testing.T) {
	for _, c := range [][3]string{
		{Phone, "13800138000", "13800138001"},
		{Address, "汉口路22号301室", "汉口路22号302室"},
		{Address, "12 Main St", "12 Main Ave"},
		{Building, "碧水苑3栋", "碧水苑13栋"},
		{Building, "12 Main St Apt 4", "14 Main St Apt 4"},
		{Name, "张三", "张三丰"},
		{ID, "a", "A"},
	} {
		if Normal(c[0], c[1]) == Normal(c[0], c[2]) {
			t.Errorf("%s: %q and %q are one", c[0], c[1], c[2])
		}
	}
}

func TestUnknownHasNoToken(t *testing.T) {
	var k Key
	for kind, values := range map[string][]string{
		Phone:      {"", "无", "120", "00000000000", "11111111111", "-"},
		Address:    {"", "不详", "Unknown", "--", "中国"},
		Building:   {"", "不详", "云川市青荷区", "Main Street", "PO Box 4"},
		Name:       {"", "未知", "Unknown"},
		NationalID: {"", "无", "000000000000000000"},
		ID:         {"", "  "},
	} {
		for _, v := range values {
			if got := k.Token(kind, v); got != "" {
				t.Errorf("%s %q has the token %s", kind, v, got)
			}
		}
	}
}

// TestTokenIsStable holds the tokens of this release: stored ones must match
// for ever.
func TestTokenIsStable(t *testing.T) {
	k := Key{1, 2, 3}
	if got := k.Token(Phone, "+86 13800138000"); got != "5KYOUV7Z4X3Z6MYX" {
		t.Errorf("token %s", got)
	}
	if k.Token(Name, "a") == k.Token(Surname, "a") {
		t.Error("two kinds share a token")
	}
	if k.Token(Name, "a") == (Key{1}).Token(Name, "a") {
		t.Error("two keys share a token")
	}
}

func FuzzNormal(f *testing.F) {
	for _, kind := range []string{Phone, Address, Building, Name, Surname, NationalID, ID, "other"} {
		f.Add(kind, "+86 (010) 65520000 转 12")
		f.Add(kind, "江苏省南京市三十二号楼１室 Street")
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		normal := Normal(kind, value)
		if !utf8.ValidString(normal) && utf8.ValidString(value) {
			t.Fatalf("normal form of %q is not UTF-8", value)
		}
		switch kind {
		case Phone, Name, Surname:
			if again := Normal(kind, normal); again != normal && kind != Phone {
				t.Fatalf("%q becomes %q, then %q", value, normal, again)
			}
			if kind == Phone && strings.Trim(normal, "0123456789") != "" {
				t.Fatalf("phone %q", normal)
			}
		}
		token := Key{9}.Token(kind, value)
		if (token == "") != (normal == "") || token != "" && len(token) != tokenLen {
			t.Fatalf("token %q of %q", token, normal)
		}
	})
}

// TestTokenIsHMAC compares with the standard library's, over all lengths that
// fill the room on the stack, and more.
func TestTokenIsHMAC(t *testing.T) {
	k := Key{0xaa, 7, 0xff, 31: 1}
	for n := range 600 {
		text := strings.Repeat("x", n+1)
		mac := hmac.New(sha256.New, k[:])
		mac.Write([]byte("query\x00" + text))
		want := base32.StdEncoding.EncodeToString(mac.Sum(nil)[:10])
		if got := k.Token("query", text); got != want {
			t.Fatalf("token of %d bytes is %s, want %s", n+1, got, want)
		}
	}
}

// TestTokenAllocates holds an id's token to its own text.
func TestTokenAllocates(t *testing.T) {
	k := Key{1}
	if n := testing.AllocsPerRun(100, func() { k.Token(ID, "700001") }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkToken(b *testing.B) {
	k := Key{1}
	for _, c := range [][2]string{
		{ID, "700001"},
		{Phone, "+86 138-0013-8000"},
		{Phone, "13800138000"},
		{Name, "张三"},
		{Name, "WALKER^JANE"},
		{Address, "江苏省南京市鼓楼区汉口路22号三单元301室"},
		{Address, "12 Main Street, Apartment 4, Springfield"},
		{NationalID, "11010519491231002x"},
	} {
		b.Run(c[0]+"/"+c[1], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Token(c[0], c[1])
			}
		})
	}
}
