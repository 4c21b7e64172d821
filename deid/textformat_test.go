package deid

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
)

// without fails where one of the secrets is left.
func without(t *testing.T, out string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(out, s) {
			t.Errorf("%q is left in\n%s", s, out)
		}
	}
}

func bothProfiles() []string { return []string{textRedact, textPseudonym} }

// TestTextMarkup holds that what people see of a page is searched, whatever
// tags and entities it is written with.
func TestTextMarkup(t *testing.T) {
	const page = "<html><head><title>x</title><!-- 张丽 --><script>var p = \"Alan Turingham\"</script></head><body class=\"col-md-6\">\r\n" +
		"<p>患者姓名：张<b>丽</b> 联系电话 138&#49;2345678 SSN 536&ndash;22&ndash;1847</p>\r\n<p>5 &lt; 6 &amp; ok</p>" +
		"<table><tr><th>病案号</th><th>Ward</th></tr><tr><td>00345621</td><td>ICU</td></tr></table>" +
		"<a href=\"mailto:alan@turingham.org\">mail</a><input name=\"patientName\" value=\"Alan Turingham\"><p data-patient-name=Turingham></p><img src=\"data:image/png;base64,AAAA\"></body></html>"
	for _, profile := range bothProfiles() {
		for _, name := range []string{"a.html", "a.txt", "a"} {
			out, _ := cleanText(t, textJob(t), profile, name, []byte(page))
			without(t, out, "张", "丽", "2345678", "1847", "536", "00345621", "Turingham", "turingham.org", "AAAA")
			for _, stays := range []string{"<p>5 &lt; 6 &amp; ok</p>", "<b></b>", "<th>病案号</th>", "<td>ICU</td>", `class="col-md-6"`, `name="patientName"`} {
				if !strings.Contains(out, stays) {
					t.Errorf("%s: %q went from\n%s", profile, stays, out)
				}
			}
		}
		fragment, _ := cleanText(t, textJob(t), profile, "a.txt", []byte("张<b>丽</b> 138&#49;2345678 SSN 536&ndash;22&ndash;1847"))
		without(t, fragment, "丽", "2345678", "1847", "536")
	}
}

// TestTextTagsThatAreNone: what is in angle brackets and is no tag is text.
func TestTextTagsThatAreNone(t *testing.T) {
	out, _ := cleanText(t, textJob(t), textRedact, "a.html", []byte("<p>Mail <okafor@example.org>, Na < 130, Dr. <b>Hale</b></p>"))
	without(t, out, "okafor@", "Hale")
	if !strings.Contains(out, "Na < 130, Dr. <b>[NAME]</b></p>") {
		t.Error(out)
	}
}

func TestTextXML(t *testing.T) {
	const doc = `<?xml version="1.0" encoding="UTF-8"?><r><病案号>00345621</病案号><patientName><first>Alan</first><last>Turingham</last></patientName>` +
		`<field name="病案号">00345622</field><p mrn="00345623" sex="M"/><note><![CDATA[Seen with 患者姓名：张丽 <b>138</b>12345678]]></note><v unit="mmol">5.4</v></r>`
	for _, profile := range bothProfiles() {
		out, _ := cleanText(t, textJob(t), profile, "a.xml", []byte(doc))
		without(t, out, "00345621", "Alan", "Turingham", "00345622", "00345623", "张丽", "12345678")
		if err := soundXML([]byte(out)); err != nil || !strings.Contains(out, `<v unit="mmol">5.4</v>`) || !strings.Contains(out, `sex="M"`) {
			t.Errorf("%v\n%s", err, out)
		}
	}
	for _, bad := range []string{"<a><b></a>", `<!DOCTYPE a [<!ENTITY p "张丽">]><a>&p;</a>`} {
		p, _ := Open(textRedact, Setup{})
		if _, err := p.Apply(context.Background(), classify.BytesSource("a.xml", []byte(bad)), &bytes.Buffer{}, textJob(t)); err == nil {
			t.Errorf("%s passed", bad)
		}
	}
}

func TestTextJSON(t *testing.T) {
	const doc = `{ "patientName":"Alan Turingham", "name": [{"use":"usual","family":"Turingham","given":["Alan"]}],
  "mrn": 345621, "phone": 13812345678, "birthDate":"1988-03-05", "age": 97, "glucose": 5.40, "ok": true,
  "note":"Turingham came\nback", "inner":"{\"idNo\":\"00345621\",\"patientName\":\"Alan Turingham\"}", "html":"<p>张<b>丽</b></p>",
  "fields":[{"key":"病案号","value":"00998877"}], "13812345678": 1 }`
	for _, profile := range bothProfiles() {
		for _, name := range []string{"a.json", "a.txt"} {
			out, _ := cleanText(t, textJob(t), profile, name, []byte(doc))
			without(t, out, "Alan", "Turingham", "345621", "13812345678", "03-05", ": 97", "丽", "00998877")
			if !json.Valid([]byte(out)) {
				t.Fatalf("no JSON: %s", out)
			}
			for _, stays := range []string{`"glucose": 5.40, "ok": true,`, `"mrn": "`, `"key":"病案号"`, `{ "patientName":"`} {
				if !strings.Contains(out, stays) {
					t.Errorf("%q went from %s", stays, out)
				}
			}
		}
	}
	lines, r := cleanText(t, textJob(t), textPseudonym, "a.ndjson", []byte("{\"mrn\":\"77\",\"visitDate\":\"2024-03-05\"}\n\n{\"mrn\":\"78\",\"visitDate\":\"2024-03-05\"}\n"))
	moved, _ := textJob(t).Key.ShiftDate(nil, []byte("2024-03-05"), "78")
	if !strings.Contains(lines, string(moved)) || r.Records != 2 || strings.Count(lines, "\n") != 3 {
		t.Errorf("%d records: %s", r.Records, lines)
	}
	p, _ := Open(textRedact, Setup{})
	if _, err := p.Apply(context.Background(), classify.BytesSource("a.json", []byte(`{"patientName":"Alan`)), &bytes.Buffer{}, textJob(t)); err == nil || strings.Contains(err.Error(), "Alan") {
		t.Errorf("damaged JSON: %v", err)
	}
}

// TestTextTable holds cells to their headings, and everything else to its
// bytes.
func TestTextTable(t *testing.T) {
	const doc = "病案号,姓名,备注,\"入院, 日期\",血糖\r\n00345621,张丽,\"张丽说\"\"痛\"\", 电话13812345678\",2024-03-05,5.4\r\nAB,,\"a, b\",,\r\n"
	for _, profile := range bothProfiles() {
		for _, name := range []string{"a.csv", "a.CSV"} {
			out, r := cleanText(t, textJob(t), profile, name, []byte(doc))
			without(t, out, "00345621", "张丽", "13812345678", "03-05", "AB")
			if r.Records != 2 || !strings.HasPrefix(out, "病案号,姓名,备注,\"入院, 日期\",血糖\r\n") || !strings.Contains(out, ",5.4\r\n") || !strings.HasSuffix(out, ",,\"a, b\",,\r\n") || !strings.Contains(out, `""痛""`) {
				t.Errorf("%d rows: %s", r.Records, out)
			}
		}
		gb, _ := simplifiedchinese.GB18030.NewEncoder().String(doc)
		out, _ := cleanText(t, textJob(t), profile, "a.csv", []byte(gb))
		back, err := simplifiedchinese.GB18030.NewDecoder().String(out)
		without(t, back, "00345621", "张丽", "13812345678")
		if err != nil || !strings.HasPrefix(back, "病案号,姓名,备注") {
			t.Errorf("%v %s", err, back)
		}
	}
	unnamed := "病案号\t姓名\t科室\n1\t张丽\t内科\n2\t李强\t外科\n3\t王芳\t外科\n"
	out, _ := cleanText(t, textJob(t), textRedact, "export.txt", []byte(unnamed))
	if out != "病案号\t姓名\t科室\n[MRN]\t[NAME]\t内科\n[MRN]\t[NAME]\t外科\n[MRN]\t[NAME]\t外科\n" {
		t.Error(out)
	}
}

// TestTextTableByContent: a column whose heading says nothing is what its
// cells are.
func TestTextTableByContent(t *testing.T) {
	var b strings.Builder
	b.WriteString("col_a,col_b,n,value\n")
	for i := range 40 {
		fmt.Fprintf(&b, "ZX%07d,1381234%04d,%d,%d.5\n", i*7919, i*31+1000, i, 5+i%3)
	}
	b.WriteString("ZX99999Q8,13800,41,6.5\n")
	out, _ := cleanText(t, textJob(t), textRedact, "a.csv", []byte(b.String()))
	without(t, out, "ZX", "138")
	if !strings.HasPrefix(out, "col_a,col_b,n,value\n") || !strings.Contains(out, ",41,6.5\n") {
		t.Error(out)
	}
}

func binaryZip(t *testing.T, member string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(member)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("x"))
	_ = z.Close()
	return b.Bytes()
}

// TestTextRefuses: what cannot be cleaned as text is refused, with what to do.
func TestTextRefuses(t *testing.T) {
	mail := "From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
	for name, c := range map[string][2]string{
		"quoted-printable": {"a.txt", mail + "Content-Transfer-Encoding: quoted-printable\r\n\r\n=E5=BC=A0=E4=B8=BD\r\n"},
		"base64":           {"a", mail + "Content-Transfer-Encoding: base64\r\n\r\n5byg5Li9IDEzODEyMzQ1Njc4\r\n"},
		"eml":              {"a.eml", "Subject: x\r\n\r\n--b\r\nhello\r\n"},
		"body alone":       {"a.txt", "Dear colleague,\n\n=E5=BC=A0=E4=B8=BD is well.\n"},
		"escapes":          {"a.txt", `got \u5f20\u4e3d today`},
		"RTF":              {"a.txt", `{\rtf1\ansi\u24352?\u20029?}`},
		"PDF":              {"a.txt", "%PDF-1.7\n1 0 obj"},
		"Office":           {"a.docx", string(binaryZip(t, "word/document.xml"))},
		"archive":          {"a.txt", string(binaryZip(t, "a.txt"))},
		"picture":          {"a.png", "\x89PNG\r\n\x1a\n\x00\x00"},
		"SQL":              {"a.sql", "INSERT INTO p VALUES ('Alan Turingham');"},
		"card":             {"a.vcf", "BEGIN:VCARD\nFN:Alan\n"},
		"FHIR":             {"a.json", `{"resourceType":"Patient","name":[{"family":"Turingham"}]}`},
		"HL7":              {"a.txt", "MSH|^~\\&|A|B\rPID|1||7||Turingham^Alan\r"},
		"log with JSON":    {"a.txt", "2024 INFO got {\"patientName\":\"Alan Turingham\"}\n"},
		"bytes":            {"a.bin", "\x00\x01\x02\x00\x03"},
	} {
		for _, profile := range bothProfiles() {
			p, _ := Open(profile, Setup{})
			_, err := p.Apply(context.Background(), classify.BytesSource(c[0], []byte(c[1])), &bytes.Buffer{}, textJob(t))
			if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "Turingham") || !strings.ContainsAny(err.Error(), ";:") {
				t.Errorf("%s by %s: %v", name, profile, err)
			}
		}
	}
}

// TestTextFolder: a run over a folder tells what it did not copy.
func TestTextFolder(t *testing.T) {
	files := map[string]string{
		"a.csv": "病案号,姓名\n00345621,张丽\n", "b.json": `{"patientName":"Alan Turingham"}`, "c.html": "<p>姓名：张<b>丽</b></p>", "d.txt": letter,
		"mail.eml": "Subject: x\n\nAlan\n", "x.rtf": `{\rtf1 Alan}`,
	}
	for _, profile := range []string{textPseudonym, "auto"} {
		r, _ := runOf(t, profile, files)
		r.Job = textJob(t)
		why := map[string]string{}
		r.Each = func(f FileReport) error {
			if f.Why != "" {
				why[f.Path] = f.Why
			}
			return nil
		}
		total, err := r.Do(t.Context())
		if err != nil || total.Done != 4 || total.Failed != 2 || !strings.Contains(why["mail.eml"], "mail") || !strings.Contains(why["x.rtf"], "plain text") {
			t.Errorf("%s: %+v %v %v", profile, total, err, why)
		}
		all, _ := filepath.Glob(filepath.Join(r.Out, "*"))
		for _, path := range all {
			if data, err := os.ReadFile(path); err == nil {
				without(t, string(data), "00345621", "Turingham", "丽", "Okafor")
			}
		}
	}
}

func FuzzTextMarkup(f *testing.F) {
	job := textJob(f)
	p := &textProfile{name: textRedact, method: Redact}
	f.Add([]byte("<p>张<b>丽</b> 138&#49;2345678</p>"), false)
	f.Add([]byte("<a b='c&amp;'><![CDATA[x]]>]]&gt;</a>"), true)
	f.Add([]byte("<p/<x a=\"<&#x;&ndash<!--"), false)
	f.Fuzz(func(t *testing.T, data []byte, xml bool) {
		if xml && soundXML(data) != nil {
			return
		}
		out := p.values("a", job, &Report{}).markup(data, xml)
		if xml && soundXML(out) != nil {
			t.Errorf("%q became %q", data, out)
		}
	})
}

func FuzzTextJSON(f *testing.F) {
	job := textJob(f)
	p := &textProfile{name: textPseudonym, method: Pseudonym}
	f.Add([]byte(`{"patientName":"Alan Turingham","mrn":345621,"a":[{"given":["x"]}],"b":"{\"c\":1}"}`))
	f.Add([]byte("{\"key\":\"病案号\",\"value\":1}\n[null]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		if err := p.values("a", job, &Report{}).cleanJSON(t.Context(), classify.BytesSource("a", data), &out); err == nil && json.Valid(data) && !json.Valid(out.Bytes()) {
			t.Errorf("%q became %q", data, out.Bytes())
		}
	})
}

func FuzzTextTable(f *testing.F) {
	job := textJob(f)
	p := &textProfile{name: textRedact, method: Redact}
	f.Add([]byte("病案号,姓名\n00345621,\"张\"\"丽\"\n"))
	f.Add([]byte("a;b\r\n\"x\ny\";\"\"z\r\n\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		sep, _ := separatorOf(data, true)
		var out bytes.Buffer
		if err := p.values("a", job, &Report{}).cleanTable(t.Context(), bytes.NewReader(data), sep, &out); err != nil {
			return
		}
		in := rowsOf(data, sep)
		if got := rowsOf(out.Bytes(), sep); in >= 0 && got >= 0 && got != in {
			t.Errorf("%d rows became %d: %q became %q", in, got, data, out.Bytes())
		}
	})
}

// rowsOf counts rows, -1 where the standard reader sees none.
func rowsOf(data []byte, sep byte) int {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.FieldsPerRecord = rune(sep), -1
	rows, err := r.ReadAll()
	if err != nil {
		return -1
	}
	return len(rows)
}
