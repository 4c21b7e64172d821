package office

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/classifytest"
)

func read(t *testing.T, name string, data []byte) classifytest.Recording {
	t.Helper()
	for _, r := range Readers() {
		if r.Claims(name, data[:min(len(data), 4096)]) {
			return classifytest.Read(r, name, data)
		}
	}
	t.Fatalf("no reader claims %s", name)
	return classifytest.Recording{}
}

// file reads a document of testdata, which office programs of Python wrote of
// invented people.
func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func intact(t *testing.T, name string) classifytest.Recording {
	t.Helper()
	rec := read(t, name, file(t, name))
	if rec.Err != nil || len(rec.Gaps) > 0 {
		t.Errorf("%s: %v, gaps %v", name, rec.Err, rec.Gaps)
	}
	return rec
}

func TestSheets(t *testing.T) {
	for _, name := range []string{"new.xlsx", "new.ods", "old.xls"} {
		rec := intact(t, name)
		for field, want := range map[string]string{"姓名": "张三丰", "身份证号": "11010519491231002X", "手机": "13800138000"} {
			if got := rec.Field(field); len(got) == 0 || got[0] != want {
				t.Errorf("%s: %s is %q", name, field, got)
			}
		}
		if p := rec.Part("病人!B"); p.Record != 2 || !p.Column {
			t.Errorf("%s: %+v", name, p)
		}
	}
	rec := intact(t, "new.xlsx")
	if got := rec.Field("出生日期"); !slices.Equal(got, []string{"1949-12-31", "1950-01-01"}) {
		t.Errorf("dates %q", got)
	}
	for _, want := range []string{"隐藏的姓名：王五", "联系13700137000", "赵六"} {
		if !strings.Contains(rec.Text(), want) {
			t.Errorf("hidden sheet, comment or property %q is not read", want)
		}
	}
	if got := intact(t, "old.xls").Text(); !strings.Contains(got, "字符串699\n") {
		t.Error("strings of a continued record are not read")
	}
}

func TestDocuments(t *testing.T) {
	rec := intact(t, "new.docx")
	if got := rec.Field("手机"); !slices.Equal(got, []string{"13800138000", "13900139000"}) {
		t.Errorf("table %q", got)
	}
	for name, wants := range map[string][]string{
		"new.docx": {"患者张三丰，男\n", "页眉 住院号ZY20240001", "赵六"},
		"new.pptx": {"病例 张三丰", "电话 13800138000", "备注：身份证11010519491231002X"},
		"new.odt":  {"患者姓名：张三丰"},
	} {
		text := intact(t, name).Text()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not read", name, want)
			}
		}
	}
}

func TestNumbersAsPeopleSeeThem(t *testing.T) {
	for in, want := range map[string]string{"1.3800138E10": "13800138000", "42": "42", "0.5": "0.5", "1e99": "1e99", "-1E5": "-100000"} {
		if got := string(whole(nil, []byte(in))); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	if got := string(day(nil, []byte("18263.5"), false)); got != "1949-12-31" {
		t.Errorf("day %s", got)
	}
	for code, want := range map[string]bool{"yyyy-mm-dd": true, `0.00"yd"`: false, "[h]:mm": false, "[$-804]yyyy年m月": true, "#,##0.00": false, "m/d": true} {
		if dateFormat(170, code) != want {
			t.Errorf("format %s", code)
		}
	}
	if letters(0) != "A" || letters(26) != "AA" || letters(16383) != "XFD" || columnOf([]byte("XFD12")) != 16383 {
		t.Error("columns in letters")
	}
}

// oleFile writes a compound file of streams, each in whole sectors, in the
// simplest way its format allows: one level, a chain of entries, no mini stream.
func oleFile(streams ...[2]string) []byte {
	const sector = 512
	var fat []uint32
	var body []byte
	type entry struct{ start, size uint32 }
	var entries []entry
	put := func(b []byte) uint32 {
		start := uint32(len(fat))
		for at := 0; at == 0 || at < len(b); at += sector {
			s := make([]byte, sector)
			copy(s, b[at:])
			body = append(body, s...)
			fat = append(fat, uint32(len(fat)+1))
		}
		fat[len(fat)-1] = oleEnd
		return start
	}
	for _, s := range streams {
		entries = append(entries, entry{put([]byte(s[1])), uint32(len(s[1]))})
	}
	dir := make([]byte, 128*(len(streams)+1))
	name := func(b []byte, n string, kind byte) {
		for i, u := range utf16.Encode([]rune(n)) {
			binary.LittleEndian.PutUint16(b[2*i:], u)
		}
		binary.LittleEndian.PutUint16(b[64:], uint16(2*len(n)+2))
		b[66] = kind
		for _, at := range []int{68, 72, 76} {
			binary.LittleEndian.PutUint32(b[at:], 0xffffffff)
		}
	}
	name(dir, "Root Entry", 5)
	binary.LittleEndian.PutUint32(dir[76:], 1)
	binary.LittleEndian.PutUint32(dir[116:], oleEnd)
	for i, s := range streams {
		b := dir[128*(i+1):]
		name(b, s[0], 2)
		if i+1 < len(streams) {
			binary.LittleEndian.PutUint32(b[72:], uint32(i+2))
		}
		binary.LittleEndian.PutUint32(b[116:], entries[i].start)
		binary.LittleEndian.PutUint32(b[120:], entries[i].size)
	}
	dirAt := put(dir)
	fatAt := uint32(len(fat))
	fat = append(fat, 0xfffffffd)
	table := make([]byte, sector)
	for i := range sector / 4 {
		n := uint32(0xffffffff)
		if i < len(fat) {
			n = fat[i]
		}
		binary.LittleEndian.PutUint32(table[4*i:], n)
	}
	head := make([]byte, sector)
	copy(head, oleMagic)
	binary.LittleEndian.PutUint16(head[30:], 9)
	binary.LittleEndian.PutUint32(head[48:], dirAt)
	binary.LittleEndian.PutUint32(head[60:], oleEnd)
	binary.LittleEndian.PutUint32(head[68:], oleEnd)
	for i := range 109 {
		binary.LittleEndian.PutUint32(head[76+4*i:], 0xffffffff)
	}
	binary.LittleEndian.PutUint32(head[76:], fatAt)
	return append(append(head, body...), table...)
}

func wide(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// wordFile writes the streams of a Word file with one wide and one narrow
// piece.
func wordFile() []byte {
	first, second := "姓名：张三丰\r", "Tel 13800138000\r"
	doc := make([]byte, 0x400)
	binary.LittleEndian.PutUint16(doc[10:], 0x200)
	at1 := uint32(len(doc))
	doc = append(doc, wide(first)...)
	at2 := uint32(len(doc))
	doc = append(doc, second...)
	n1 := uint32(len([]rune(first)))
	plc := binary.LittleEndian.AppendUint32(nil, 0)
	plc = binary.LittleEndian.AppendUint32(plc, n1)
	plc = binary.LittleEndian.AppendUint32(plc, n1+uint32(len(second)))
	for _, where := range []uint32{at1, at2*2 | 0x40000000} {
		plc = append(plc, 0, 0)
		plc = binary.LittleEndian.AppendUint32(plc, where)
		plc = append(plc, 0, 0)
	}
	clx := binary.LittleEndian.AppendUint32([]byte{2}, uint32(len(plc)))
	clx = append(clx, plc...)
	binary.LittleEndian.PutUint32(doc[0x1a2:], 0)
	binary.LittleEndian.PutUint32(doc[0x1a6:], uint32(len(clx)))
	return oleFile([2]string{"WordDocument", string(doc)}, [2]string{"1Table", string(clx)})
}

func message() []byte {
	return oleFile(
		[2]string{"__properties_version1.0", "x"},
		[2]string{"__substg1.0_0037001F", wide("复诊通知")},
		[2]string{"__substg1.0_1000001F", wide("张三丰，电话13800138000")},
		[2]string{"__substg1.0_37010102", "attached"},
		[2]string{"__substg1.0_3707001F", wide("病历.txt")})
}

func TestCompoundFiles(t *testing.T) {
	rec := read(t, "a.doc", wordFile())
	if rec.Err != nil || rec.Text() != "姓名：张三丰\nTel 13800138000\n" {
		t.Errorf("doc: %v %q", rec.Err, rec.Text())
	}
	rec = read(t, "a.msg", message())
	if got := rec.Field("Body"); rec.Err != nil || len(got) != 1 || got[0] != "张三丰，电话13800138000" {
		t.Errorf("msg: %v %q", rec.Err, got)
	}
	if len(rec.Members) != 1 || rec.Members[0].Name != "病历.txt" || string(rec.Members[0].Data) != "attached" {
		t.Errorf("attachment %v", rec.Members)
	}
	atom := func(kind uint16, text string) string {
		b := binary.LittleEndian.AppendUint16([]byte{0, 0}, kind)
		return string(binary.LittleEndian.AppendUint32(b, uint32(len(text)))) + text
	}
	rec = read(t, "a.ppt", oleFile([2]string{"PowerPoint Document", atom(0x0fa0, wide("张三丰")) + atom(0x0fa8, "plain")}))
	if rec.Err != nil || rec.Text() != "张三丰\nplain\n" {
		t.Errorf("ppt: %v %q", rec.Err, rec.Text())
	}
	if rec := read(t, "a.xlsx", oleFile([2]string{"EncryptedPackage", "x"})); !errors.Is(rec.Err, classify.Encrypted) {
		t.Errorf("encrypted: %v", rec.Err)
	}
}

// sheetFile makes a workbook of one sheet.
func sheetFile(t testing.TB, sheet string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range [][2]string{
		{"[Content_Types].xml", "<Types/>"},
		{"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Target="/xl/worksheets/sheet1.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook><sheets><sheet name="S" r:id="r1"/></sheets></workbook>`},
		{"xl/worksheets/sheet1.xml", sheet},
	} {
		w, err := z.Create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSheetOfAMillionColumns(t *testing.T) {
	var row strings.Builder
	for n := range 1_000_000 {
		fmt.Fprintf(&row, `<c t="inlineStr"><is><t>v%d</t></is></c>`, n)
	}
	rec := read(t, "a.xlsx", sheetFile(t, `<worksheet><sheetData><row r="1">`+row.String()+`</row></sheetData></worksheet>`))
	if rec.Err != nil || len(rec.Parts) > columnsMost+1 {
		t.Errorf("%v, %d parts", rec.Err, len(rec.Parts))
	}
}

func TestPartThatGrows(t *testing.T) {
	rec := read(t, "a.xlsx", sheetFile(t, `<worksheet>`+strings.Repeat(" ", 128<<20)))
	if len(rec.Gaps) != 1 || !errors.Is(rec.Gaps[0].Why, errGrows) {
		t.Errorf("gaps %v", rec.Gaps)
	}
}

func TestHostile(t *testing.T) {
	for _, name := range []string{"new.xlsx", "new.ods", "old.xls", "new.odt"} {
		for _, r := range Readers() {
			if data := file(t, name); r.Claims(name, data) {
				classifytest.Hostile(t, r, name, data)
			}
		}
	}
	classifytest.Hostile(t, oleReader{}, "a.doc", wordFile())
	classifytest.Hostile(t, oleReader{}, "a.msg", message())
}

func FuzzOLE(f *testing.F) {
	classifytest.Fuzz(f, oleReader{}, "a.xls", wordFile(), message(), oleFile([2]string{"Workbook", "\x09\x08\x04\x00\x00\x06\x05\x00\xfc\x00\x10\x00\x01\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00abc\x00\x00"}))
}

func FuzzSheet(f *testing.F) {
	f.Add([]byte(`<worksheet><sheetData><row r="1"><c r="B1" t="s"><v>0</v></c><c t="inlineStr"><is><t>x&amp;</t></is></c><c s="1"><v>1E5</v></c></row>`))
	f.Add([]byte(`<worksheet><sheetData><row r="1"><c t="inlineStr"><is><t>x<row/></t></is></c></row>`)) // a row within a cell
	f.Fuzz(func(t *testing.T, sheet []byte) {
		classifytest.Read(packageReader{}, "a.xlsx", sheetFile(t, string(sheet)))
	})
}
