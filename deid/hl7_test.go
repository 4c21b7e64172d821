package deid

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/hl7"
)

// marker is a scanner that finds nothing by itself: what the profiles and the
// record's own values do is tested without it.
type noScanner struct{}

func (noScanner) Scan(dst []classify.Span, _ []byte, _ classify.Mode) []classify.Span { return dst }

// testJob is a job of the day the tests are written for.
func testJob(t testing.TB) *Job {
	t.Helper()
	return &Job{Key: testKey(t, KeyOptions{}), Scanner: noScanner{}, Today: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Patients: NewLinks()}
}

// testContent is the folder of shipped profiles.
func testContent(t testing.TB) Setup {
	t.Helper()
	return Setup{Content: os.DirFS(filepath.Join("..", "content", "deid"))}
}

func openProfile(t testing.TB, name string) Profile {
	t.Helper()
	p, err := Open(name, testContent(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rewrite runs a profile over bytes.
func rewrite(t testing.TB, name string, in []byte, job *Job) (string, Report) {
	t.Helper()
	var out bytes.Buffer
	r, err := openProfile(t, name).Apply(t.Context(), classify.BytesSource("file", in), &out, job)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), r
}

const admission = "MSH|^~\\&|HIS|Hospital|R|F|20240305101500+0800||ADT^A01|MSG1|P|2.5\r\n" +
	"PID|1||00123456^^^Hospital^MR~110105194912310021^^^^NI||张^三||19491231|M|||汉口路22号^^南京^江苏^210008^CN||+86 138-0013-8000^PRN^PH\r\n" +
	"NK1|1|李^四|SPO|||13900139000\r\n" +
	"PV1|1|I|W1^2^3||||0007^王^五^^^^^^^L||||||||||||V100\r\n" +
	"OBX|1|TX|1^主诉||患者张三，病案号00123456\\T\\复查|||||||||20240306\r\n" +
	"OBX|2|NM|2^GLU||5.6|mmol/L\r\n" +
	"OBX|3|ED|3^PDF||H^Application^PDF^Base64^JVBERi0x\r\n" +
	"ZPI|1|anything\r\n"

func TestHL7Profile(t *testing.T) {
	job := testJob(t)
	k := job.Key
	got, r := rewrite(t, "hl7v2", []byte(admission+"\r\n"+admission), job)
	day := func(s string) string {
		out, _ := k.ShiftDate(nil, []byte(s), "00123456")
		return string(out)
	}
	mrn := string(k.Pseudonym(classify.MRN, []byte("00123456")))
	family, given := string(k.Family([]byte("张"))), string(k.Given([]byte("三")))
	want := "MSH|^~\\&|HIS||R||" + day("20240305101500+0800") + "||ADT^A01|" + k.Token(classify.Unique, "MSG1") + "|P|2.5\r\n" +
		"PID|1||" + mrn + "^^^^MR~" + string(k.Pseudonym(classify.ResidentID, []byte("110105194912310021"))) + "^^^^NI||" + family + "^" + given + "||" + day("19491231") +
		"|M|||^^^江苏^210000^CN||" + string(k.Pseudonym(classify.Phone, []byte("13800138000"))) + "^PRN^PH\r\n"
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(got, "\r", "⏎"), strings.ReplaceAll(want, "\r", "⏎"))
	}
	if strings.Count(got, "患者"+family+given+"，病案号"+mrn+"\\T\\复查") != 2 {
		t.Errorf("the note is not clean: %s", got)
	}
	for _, leak := range []string{"张", "李^四", "0012", "1380013", "汉口", "南京", "王^五", "V100", "Hospital", "ZPI", "anything", "JVBE", "20240305", "19491231"} {
		if strings.Contains(got, leak) {
			t.Errorf("%s is still there", leak)
		}
	}
	if !strings.Contains(got, "|NM|2^GLU||5.6|mmol/L\r\n") || r.Records != 2 {
		t.Errorf("a result was lost, or records are %d", r.Records)
	}
}

// TestHL7Framing: frames, batches, line ends and character sets come back.
func TestHL7Framing(t *testing.T) {
	job := testJob(t)
	utf8 := strings.Replace(admission, "|P|2.5\r\n", "|P|2.5||||||UNICODE UTF-8\r\n", 1)
	plain, _ := rewrite(t, "hl7v2", []byte(utf8), job)
	gb18030 := func(s string) string {
		out, err := simplifiedchinese.GB18030.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	wide := func(s string) string {
		out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	cr := strings.ReplaceAll(utf8, "\r\n", "\r")
	crPlain := strings.ReplaceAll(plain, "\r\n", "\r")
	for name, c := range map[string][2]string{
		"MLLP":    {"\x0b" + cr + "\x1c\r\x0b" + cr + "\x1c\r", "\x0b" + crPlain + "\x1c\r\x0b" + crPlain + "\x1c\r"},
		"batch":   {"FHS|^~\\&|a|Hospital\rBHS|^~\\&|b\r" + cr + "BTS|1|note\rFTS|1\r", "FHS|^~\\&\rBHS|^~\\&\r" + crPlain + "BTS|1\rFTS|1\r"},
		"GB18030": {gb18030(strings.Replace(cr, "UNICODE UTF-8", "GB 18030-2000", 1)), gb18030(strings.Replace(crPlain, "UNICODE UTF-8", "GB 18030-2000", 1))},
		"UTF-16":  {wide(cr), wide(crPlain)},
		"BOM":     {"\xef\xbb\xbf" + cr, "\xef\xbb\xbf" + crPlain},
		"CR":      {cr, crPlain},
		"no end":  {strings.TrimRight(cr, "\r"), strings.TrimRight(crPlain, "\r")},
	} {
		if got, _ := rewrite(t, "hl7v2", []byte(c[0]), job); got != c[1] {
			t.Errorf("%s:\n%q\nwant\n%q", name, got, c[1])
		}
	}
}

func TestHL7Refuses(t *testing.T) {
	for name, in := range map[string]string{
		"no message":  "hello",
		"empty":       "",
		"text before": "hello\r" + admission,
		"separators":  strings.ReplaceAll(admission, "|", "."),
	} {
		var out bytes.Buffer
		if _, err := openProfile(t, "hl7v2").Apply(t.Context(), classify.BytesSource("x", []byte(in)), &out, testJob(t)); err == nil {
			t.Errorf("%s: passed as %q", name, out.String())
		} else if strings.Contains(err.Error(), "hello") {
			t.Errorf("%s: the error quotes the text: %v", name, err)
		}
	}
}

// TestSharedHL7Leaks rewrites every sample and looks for what its identifying
// fields held, with fields alone and with the engine.
func TestSharedHL7Leaks(t *testing.T) {
	for name, job := range map[string]*Job{"by fields": testJob(t), "with the engine": engineJob(t)} {
		t.Run(name, func(t *testing.T) { leaksOfHL7(t, job) })
	}
}

func leaksOfHL7(t *testing.T, job *Job) {
	files, _ := filepath.Glob(filepath.Join(sharedData(t, "hl7v2"), "*.hl7"))
	if len(files) == 0 {
		t.Fatal("no samples")
	}
	checked := 0
	for _, name := range files {
		in, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out, _ := rewrite(t, "hl7v2", in, job)
		after, err := hl7.Parse([]byte(out))
		if err != nil {
			t.Errorf("%s: the output is no message: %v", filepath.Base(name), err)
			continue
		}
		before, err := hl7.Parse(hl7.Decode(in))
		if err != nil {
			t.Fatal(err)
		}
		if after.Loose > 0 || after.Segments[0].Text(9) != before.Segments[0].Text(9) {
			t.Errorf("%s: another message came out", filepath.Base(name))
		}
		// MSH names applications; one has the name of a test patient.
		_, lower, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(out), "\n", "\r"), "\r")
		for _, v := range valuesOf(before) {
			checked++
			if containsWord(lower, strings.ToLower(v)) {
				t.Errorf("%s: %q of the input is in the output", filepath.Base(name), v)
			}
		}
	}
	t.Logf("%d values of %d messages", checked, len(files))
}

// valuesOf lists the names, numbers, addresses and telephones of a message.
func valuesOf(m *hl7.Message) (all []string) {
	fields := map[string][]int{
		"PID": {2, 3, 4, 5, 6, 9, 13, 14, 18, 19, 20, 21}, "NK1": {2, 5, 6, 30, 31, 33, 37}, "GT1": {3, 4, 6, 7, 12}, "IN1": {16, 36, 49}, "IN2": {2},
		"MRG": {1, 2, 3, 4, 7}, "PV1": {7, 8, 9, 17, 19, 52}, "ORC": {10, 11, 12, 19}, "OBR": {10, 16, 28}, "OBX": {16}, "EVN": {5},
	}
	add := func(v string) {
		if len(v) >= 4 {
			all = append(all, v)
		}
	}
	for _, s := range m.Segments {
		for _, n := range fields[s.Name()] {
			for r := range s.Field(n).Repeats() {
				for c := 1; c <= 3; c++ {
					if c > 1 && !strings.Contains("PID-5 PID-6 PID-9 NK1-2 NK1-30 GT1-3 GT1-4 IN1-16 MRG-7 PV1-7 PV1-8 PV1-9 PV1-17", s.Name()+"-"+string(rune('0'+n%10))) {
						break
					}
					add(r.Component(c).Sub(1).String())
				}
			}
		}
		if s.Is("PID") || s.Is("NK1") || s.Is("GT1") {
			n := map[string]int{"PID": 11, "NK1": 4, "GT1": 5}[s.Name()]
			for r := range s.Field(n).Repeats() {
				for _, c := range []int{1, 2, 3} {
					add(r.Component(c).Sub(1).String())
				}
			}
		}
	}
	return all
}

// containsWord says whether a text holds a value that is no part of a longer
// word or number.
func containsWord(text, value string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], value)
		if i < 0 {
			return false
		}
		if alone([]byte(text), at+i, at+i+len(value)) {
			return true
		}
		at += i + 1
	}
}

// sharedData finds the sample data beside the checkout.
func sharedData(t testing.TB, path string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			full := filepath.Join(dir, "..", "shared", "data", path)
			if _, err := os.Stat(full); err != nil {
				t.Skip("the sample data is not there: " + path)
			}
			return full
		}
		dir = filepath.Dir(dir)
	}
	t.Skip("no go.mod above")
	return ""
}

func FuzzHL7Profile(f *testing.F) {
	p := openProfile(f, "hl7v2")
	f.Add([]byte(admission))
	f.Add([]byte("\x0bMSH|^~\\&|\rPID|||1~2^^^^MR\rOBX||TX|||a\\.br\\b\x1c\r"))
	f.Add([]byte("FHS|^~\\&\rMSH|^~\\&|a\rloose\rOBX||ED|||^^^Base64^AA\r"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		if _, err := p.Apply(t.Context(), classify.BytesSource("x", in), &out, testJob(t)); err != nil {
			return
		}
		if _, err := hl7.Parse(hl7.Decode(out.Bytes())); err != nil && !bytes.Contains(out.Bytes(), []byte("HS")) && !isWide(in) {
			t.Fatalf("%q became %q: %v", in, out.Bytes(), err)
		}
	})
}
