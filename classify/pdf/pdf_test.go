package pdf

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/classifytest"
)

// chinese is a page that Chromium printed, of an invented person.
func chinese(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/chinese.pdf")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestChineseText(t *testing.T) {
	rec := classifytest.Read(New(false), "a.pdf", chinese(t))
	if rec.Err != nil || len(rec.Gaps) > 0 {
		t.Errorf("%v, gaps %v", rec.Err, rec.Gaps)
	}
	for path, want := range map[string]string{
		"page 1":           "出院小结\n姓名：张三丰 身份证号：11010519491231002X\nPhone 13800138000, Mary Smith",
		"page 2":           "第二页：住院号 ZY20240001 李四光\nmail",
		"properties/Title": "出院小结",
		"link":             "mailto:li@example.org",
	} {
		if got := strings.ReplaceAll(string(rec.Part(path).Text), "\u2003", " "); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// obj writes numbered objects after one another, without a table.
func obj(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	for i, o := range objects {
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	b.WriteString("trailer <</Root 1 0 R /Info 2 0 R>>\n%%EOF\n")
	return b.Bytes()
}

func streamOf(dict, content string) string {
	return fmt.Sprintf("<<%s /Length %d>>\nstream\n%s\nendstream", dict, len(content), content)
}

func flate(content string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	return b.String()
}

// sample has an old Chinese font, a field, an annotation, an attachment, an
// image and a form.
func sample() []byte {
	gbk, _ := simplifiedchinese.GBK.NewEncoder().String("姓名：张三")
	return obj(
		`<</Type/Catalog/Pages 3 0 R>>`,
		`<</Author (\376\377\x5F\x20) /Title (plain \(x\))>>`,
		`<</Type/Pages/Kids[4 0 R]/Resources<</Font<</F1 6 0 R/F2 7 0 R>>/XObject<</I 8 0 R/X 9 0 R>>>>>>`,
		`<</Type/Page/Parent 3 0 R/Contents[5 0 R]>>`,
		streamOf("/Filter/FlateDecode", flate("BT /F1 12 Tf 10 700 Td <"+fmt.Sprintf("%X", gbk)+"> Tj 0 -20 Td /F2 12 Tf [(Tel) -500 (138) 10 (00138000)] TJ ET /I Do /X Do")),
		`<</Type/Font/Subtype/Type0/Encoding/GBK-EUC-H/DescendantFonts[<</DW 1000>>]>>`,
		`<</Type/Font/Subtype/Type1/FirstChar 32/Widths[300]>>`,
		streamOf("/Subtype/Image/Filter/DCTDecode", "\xff\xd8\xff\xe0jpeg"),
		streamOf("/Subtype/Form", "BT /F2 9 Tf 10 10 Td (in a form) Tj ET"),
		`<</FT/Tx/T(phone)/V(13900139000)>>`,
		`<</Type/Annot/Subtype/Text/Contents(a note)>>`,
		`<</Type/Filespec/UF(list.csv)/EF<</F 13 0 R>>>>`,
		streamOf("/Type/EmbeddedFile/Filter/FlateDecode", flate("a,b\n")),
	)
}

func TestEverythingInAFile(t *testing.T) {
	rec := classifytest.Read(New(true), "a.pdf", sample())
	if rec.Err != nil || len(rec.Gaps) > 0 {
		t.Errorf("%v, gaps %v", rec.Err, rec.Gaps)
	}
	if got := string(rec.Part("page 1").Text); got != "姓名：张三\nTel 13800138000\nin a form" {
		t.Errorf("page %q", got)
	}
	if got := rec.Field("phone"); !slices.Equal(got, []string{"13900139000"}) {
		t.Errorf("field %q", got)
	}
	if got := string(rec.Part("annotation").Text) + rec.Field("Title")[0]; got != "a noteplain (x)" {
		t.Errorf("annotation and title %q", got)
	}
	var names []string
	for _, m := range rec.Members {
		names = append(names, m.Name+"="+string(m.Data))
	}
	if !slices.Equal(names, []string{"page 1 image 1.jpg=\xff\xd8\xff\xe0jpeg", "list.csv=a,b\n"}) {
		t.Errorf("members %q", names)
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	encrypted := bytes.Replace(sample(), []byte("trailer <<"), []byte("trailer <</Encrypt 9 0 R "), 1)
	if rec := classifytest.Read(New(false), "a.pdf", encrypted); !errors.Is(rec.Err, classify.Encrypted) {
		t.Errorf("encrypted: %v", rec.Err)
	}
	scan := obj(`<</Pages 3 0 R>>`, `<<>>`, `<</Kids[4 0 R]>>`, `<</Contents 5 0 R/Resources<</XObject<</I 6 0 R>>>>>>`,
		streamOf("", "/I Do"), streamOf("/Subtype/Image/Filter/DCTDecode", "\xff\xd8"))
	if rec := classifytest.Read(New(false), "a.pdf", scan); len(rec.Gaps) != 1 || !errors.Is(rec.Gaps[0].Why, classify.NoOCR) || len(rec.Members) != 1 {
		t.Errorf("scan: %v", rec.Gaps)
	}
	blind := obj(`<</Pages 3 0 R>>`, `<<>>`, `<</Kids[4 0 R]>>`, `<</Contents 5 0 R/Resources<</Font<</F <</Subtype/Type0/Encoding/Identity-H>>>>>>>>`,
		streamOf("", "BT /F 9 Tf <00010002> Tj ET"))
	if rec := classifytest.Read(New(false), "a.pdf", blind); len(rec.Gaps) != 1 {
		t.Errorf("font without a map: %v", rec.Gaps)
	}
	if rec := classifytest.Read(New(false), "a.pdf", chinese(t)[:40_000]); len(rec.Gaps) == 0 {
		t.Errorf("truncated: %v", rec.Gaps)
	}
}

func TestBombs(t *testing.T) {
	zeros := flate(string(make([]byte, 300<<20)))
	bomb := obj(`<</Pages 3 0 R>>`, `<<>>`, `<</Kids[4 0 R]>>`, `<</Contents 5 0 R>>`, streamOf("/Filter/FlateDecode", zeros))
	if rec := classifytest.Read(New(false), "a.pdf", bomb); len(rec.Gaps) == 0 || !errors.Is(rec.Gaps[0].Why, classify.TooLarge) {
		t.Errorf("stream: %v %v", rec.Err, rec.Gaps)
	}
	self := obj(`<</Pages 3 0 R>>`, `<<>>`, `<</Kids[3 0 R 4 0 R 4 0 R]>>`, `<</Contents 5 0 R/Resources<</XObject<</X 5 0 R>>>>>>`,
		streamOf("/Subtype/Form", "/X Do /X Do /X Do"))
	classifytest.Read(New(false), "a.pdf", self)
	deep := obj(`<</Pages 3 0 R>>`, `<<>>`, strings.Repeat("[", 1_000_000), `6 0 R`, `5 0 R`, `5 0 R`)
	classifytest.Read(New(false), "a.pdf", deep)
}

func TestHostile(t *testing.T) {
	classifytest.Hostile(t, New(false), "a.pdf", sample())
}

func FuzzPDF(f *testing.F) {
	classifytest.Fuzz(f, New(false), "a.pdf", sample(),
		obj(streamOf("/Type/ObjStm/N 1/First 4", "9 0 <</Type/Page/Contents 9 0 R>>"), `<</ToUnicode 1 0 R>>`))
}
