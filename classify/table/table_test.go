package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
	xunicode "golang.org/x/text/encoding/unicode"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/classifytest"
)

func readerOf(name string, data []byte) classify.Reader {
	for _, r := range Readers() {
		if r.Claims(name, data[:min(len(data), 4096)]) {
			return r
		}
	}
	return nil
}

func read(t *testing.T, name, want string, data []byte) classifytest.Recording {
	t.Helper()
	r := readerOf(name, data)
	if r == nil || r.Name() != want {
		t.Fatalf("%s is claimed by %v, want %s", name, r, want)
	}
	rec := classifytest.Read(r, name, data)
	if rec.Err != nil {
		t.Fatalf("%s: %v", name, rec.Err)
	}
	for _, p := range rec.Parts {
		if p.Offset >= 0 && !p.Wide && !bytes.HasPrefix(data[p.Offset:], p.Text) {
			t.Errorf("%s: %q does not stand at %d", name, p.Text, p.Offset)
		}
	}
	return rec
}

func wantField(t *testing.T, rec classifytest.Recording, field string, want ...string) {
	t.Helper()
	if got := rec.Field(field); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", field, got, want)
	}
}

func TestCSV(t *testing.T) {
	text := "姓名,phone,remark\n张三,13800138000,\"a, \"\"quoted\"\" b\"\r\n李四,13900139000,\"two\nlines\"\n王五,13700137000\n"
	gbk, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := xunicode.UTF16(xunicode.LittleEndian, xunicode.UseBOM).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{text, "\xef\xbb\xbf" + text, gbk, wide} {
		rec := read(t, "a.csv", "csv", []byte(data))
		wantField(t, rec, "姓名", "张三", "李四", "王五")
		wantField(t, rec, "phone", "13800138000", "13900139000", "13700137000")
		wantField(t, rec, "remark", `a, "quoted" b`, "two\nlines")
		if p := rec.Parts[len(rec.Parts)-1]; p.Record != 4 || !p.Column || p.Path != "phone" {
			t.Errorf("last part %+v", p)
		}
	}
}

func TestSeparatorsAndHeadings(t *testing.T) {
	for _, sep := range []string{"\t", ";", "|"} {
		text := strings.ReplaceAll("id,name,city\n100001,Ann,A\n100002,Bob,B\n100003,Cyd,C\n100004,Dan,D\n", ",", sep)
		rec := read(t, "export.txt", "csv", []byte(text))
		wantField(t, rec, "name", "Ann", "Bob", "Cyd", "Dan")
	}
	rec := read(t, "a.csv", "csv", []byte("100001,张三\n100002,李四\n"))
	if p := rec.Part("column 2"); string(p.Text) != "张三" || p.Field != "" || p.Record != 1 {
		t.Errorf("without heading: %+v", p)
	}
	if r := readerOf("note.txt", []byte("患者张三，男，50岁。\n主诉：头痛，三天。\n")); r != nil {
		t.Errorf("a note is claimed by %s", r.Name())
	}
}

func TestQuoteThatIsNeverClosed(t *testing.T) {
	var b strings.Builder
	b.WriteString("id,name\n1,\"open\n")
	for n := range 120_000 {
		fmt.Fprintf(&b, "%d,name %d\n", n, n)
	}
	rec := read(t, "a.csv", "csv", []byte(b.String()))
	if n := len(rec.Field("name")); n < 100_000 {
		t.Errorf("%d rows after a quote that is not closed", n)
	}
}

func TestJSON(t *testing.T) {
	rec := read(t, "a.json", "json", []byte(`{"total":2,"list":[{"姓名":"张三","contact":{"phone":["13800138000","13900139000"]},"n":1},{"姓名":"\u674e\u56db","id":11010519491231002}]}`))
	wantField(t, rec, "姓名", "张三", "李四")
	wantField(t, rec, "phone", "13800138000", "13900139000")
	wantField(t, rec, "id", "11010519491231002")
	p := rec.Part("list[].contact.phone[1]")
	if string(p.Text) != "13900139000" || p.Record != 2 && p.Record != 1 {
		t.Errorf("phone %+v of %v", p, rec.Parts)
	}
	rec = read(t, "a.ndjson", "json", []byte("{\"name\":\"Ann\"}\n{\"name\":\"B\\\"ob\"}\n"))
	wantField(t, rec, "name", "Ann", `B"ob`)
	if p := rec.Parts[1]; p.Record != 2 || !p.Column || p.Path != "name" {
		t.Errorf("second line %+v", p)
	}
}

func TestJSONNestedTooDeeply(t *testing.T) {
	data := strings.Repeat(`[{"a":`, 5000) + `"x"` + strings.Repeat("}]", 5000)
	rec := classifytest.Read(jsonReader{}, "a.json", []byte(data))
	if rec.Err != nil || len(rec.Gaps) != 1 || !errors.Is(rec.Gaps[0].Why, classify.TooDeep) {
		t.Errorf("err %v, gaps %v", rec.Err, rec.Gaps)
	}
}

func TestXML(t *testing.T) {
	rec := read(t, "a.xml", "xml", []byte(`<?xml version="1.0"?><!DOCTYPE r [<!ENTITY lol "lol">]><list><patient id="110105"><name>张三 &amp; 李</name></patient><patient id="110106"><name>&lol;</name></patient></list>`))
	wantField(t, rec, "name", "张三 & 李", "&lol;")
	wantField(t, rec, "id", "110105", "110106")
	if p := rec.Part("list/patient/name"); p.Record != 1 {
		t.Errorf("name %+v", p)
	}
	deep := "<?xml?>" + strings.Repeat("<a>", 100_000)
	if rec := classifytest.Read(xmlReader{}, "a.xml", []byte(deep)); len(rec.Gaps) != 1 {
		t.Errorf("deep: %v %v", rec.Err, rec.Gaps)
	}
}

func TestHTML(t *testing.T) {
	rec := read(t, "a.html", "html", []byte(`<!DOCTYPE html><html><body><h1>出院<b>小结</b></h1><script>var x = "<p>no</p>"</script>
<table><tr><th>姓名</th><th>电话</th></tr><tr><td>张三</td><td>13800138000</td></tr></table><p>联系 <a href="mailto:a@b.cn">me</a></p></body></html>`))
	wantField(t, rec, "电话", "13800138000")
	if text := rec.Text(); !strings.Contains(text, "出院小结") || !strings.Contains(text, "a@b.cn") {
		t.Errorf("text %q", text)
	}
}

func TestSQL(t *testing.T) {
	dump := "-- MySQL dump 10.13\nCREATE TABLE `patient` (\n  `id` int(11) NOT NULL,\n  `name` varchar(50) DEFAULT '',\n  price decimal(10,2),\n  PRIMARY KEY (`id`)\n);\n" +
		"INSERT INTO `patient` VALUES (10001,'张三',1.5),(10002,'O\\'Neil; (x)',2),(10003,'it''s',NULL);\n" +
		"INSERT INTO visits (mrn, note) VALUES (N'A12345', 'line\\nbreak');\nINSERT INTO x SELECT * FROM y;\n" +
		"COPY public.staff (id, full_name) FROM stdin;\n10009\t王五\n10010\t\\N\n\\.\n-- 患者电话13800138000\n"
	rec := read(t, "dump.sql", "sql", []byte(dump))
	wantField(t, rec, "name", "张三", "O'Neil; (x)", "it's")
	wantField(t, rec, "id", "10001", "10002", "10003", "10009", "10010")
	wantField(t, rec, "mrn", "A12345")
	wantField(t, rec, "note", "line\nbreak")
	wantField(t, rec, "full_name", "王五")
	if p := rec.Part("patient.name"); !p.Column || p.Record != 1 {
		t.Errorf("name %+v", p)
	}
	if !strings.Contains(rec.Text(), "13800138000") {
		t.Error("a comment is not read")
	}
}

func TestLongStringsComeInPieces(t *testing.T) {
	long := strings.Repeat("长", 1<<20)
	rec := classifytest.Read(sqlReader{}, "a.sql", []byte("INSERT INTO t (v) VALUES ('"+long+"','after');\n"))
	if rec.Err != nil || !strings.HasSuffix(rec.Text(), "after\n") {
		t.Errorf("sql: %v, %d parts", rec.Err, len(rec.Parts))
	}
	rec = classifytest.Read(jsonReader{}, "a.json", []byte(`{"v":"`+long+`","w":"after"}`))
	if got := rec.Field("w"); rec.Err != nil || len(got) != 1 || got[0] != "after" {
		t.Errorf("json: %v, %d parts", rec.Err, len(rec.Parts))
	}
}

func TestRTF(t *testing.T) {
	rec := read(t, "a.rtf", "rtf", []byte(`{\rtf1\ansi\ansicpg936{\fonttbl{\f0 SimSun;}}{\*\generator x;}\f0 \'d0\'d5\'c3\'fb\'a3\'ba\'d5\'c5\'c8\'fd\par \u30005?\u35805? 13800138000\tab \{x\}\par}`))
	if text := rec.Text(); text != "姓名：张三\n电话 13800138000\t{x}\n" {
		t.Errorf("text %q", text)
	}
}

func TestCards(t *testing.T) {
	rec := read(t, "a.vcf", "vcard", []byte("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:张\r\n 三\r\nitem1.TEL;TYPE=cell:13800138000\r\nADR;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:=E5=8C=97=\r\n=E4=BA=AC\r\nPHOTO;ENCODING=b:AAAA\r\nEND:VCARD\r\n"))
	wantField(t, rec, "FN", "张三")
	wantField(t, rec, "TEL", "13800138000")
	wantField(t, rec, "ADR", "北京")
	if p := rec.Part("TEL"); p.Kind != classify.Phone || p.Record != 1 {
		t.Errorf("tel %+v", p)
	}
}

func samples() map[string][]byte {
	return map[string][]byte{
		"a.csv":  []byte("姓名,phone\n张三,\"13800138000\"\"x\"\n"),
		"a.json": []byte(`{"a":[{"b":"c\n","d":[1,2.5e10]},null]}`),
		"a.xml":  []byte(`<?xml version="1.0"?><a b="c&#1;"><d><![CDATA[e]]></d></a>`),
		"a.html": []byte(`<!doctype html><table><tr><th>a<td>b</table><script>x`),
		"a.sql":  []byte("CREATE TABLE `t` (a int, b text);\nINSERT INTO t VALUES (10001,'x\\'y');\nCOPY t (a) FROM stdin;\n1\t2\n\\.\n"),
		"a.rtf":  []byte(`{\rtf1\ansicpg936 \'d0\'d5\u30005?\par{\*\x y}}`),
		"a.vcf":  []byte("BEGIN:VCARD\nFN;X=QUOTED-PRINTABLE:=E5=\n=8C\nEND:VCARD\n"),
	}
}

func TestHostile(t *testing.T) {
	for name, data := range samples() {
		classifytest.Hostile(t, readerOf(name, data), name, data)
	}
}

func FuzzTable(f *testing.F) {
	var names []string
	for name := range samples() {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		f.Add(byte(i), samples()[name])
	}
	f.Fuzz(func(_ *testing.T, which byte, data []byte) {
		name := names[int(which)%len(names)]
		if r := readerOf(name, data); r != nil {
			classifytest.Read(r, name, data)
		}
	})
}

// counting is a sink that only counts.
type counting struct{ parts int }

func (c *counting) Part(classify.Part) error       { c.parts++; return nil }
func (c *counting) Member(string, io.Reader) error { return nil }
func (c *counting) Unread(string, error)           {}

func BenchmarkReaders(b *testing.B) {
	row := "1%05d,张三丰,13800138000,北京市朝阳区建国路%d号,note\n"
	var csv, ndjson, sql bytes.Buffer
	csv.WriteString("id,name,phone,address,note\n")
	sql.WriteString("INSERT INTO t (id,name,phone,address) VALUES ")
	for n := range 100_000 {
		fmt.Fprintf(&csv, row, n, n)
		fmt.Fprintf(&ndjson, `{"id":"1%05d","name":"张三丰","phone":"13800138000","address":"北京市朝阳区建国路%d号"}`+"\n", n, n)
		fmt.Fprintf(&sql, "(1%05d,'张三丰','13800138000','北京市朝阳区建国路%d号'),\n", n, n)
	}
	for name, data := range map[string][]byte{"a.csv": csv.Bytes(), "a.ndjson": ndjson.Bytes(), "a.sql": sql.Bytes()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				_ = readerOf(name, data).Read(context.Background(), classify.BytesSource(name, data), &counting{})
			}
		})
	}
}
