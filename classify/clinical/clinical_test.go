package clinical

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/cordon-health/cordon/classify"
)

// source is a file in memory.
type source struct {
	*bytes.Reader
	name string
}

func (s source) Name() string { return s.name }

func sourceOf(b []byte) source { return source{bytes.NewReader(b), "file"} }

// collect keeps what a reader gives out, and checks every offset.
type collect struct {
	t       testing.TB
	file    []byte
	parts   []string
	members []string
	unread  []string
}

func (c *collect) Part(p classify.Part) error {
	if p.Offset >= 0 && !p.Wide && !bytes.HasPrefix(c.file[p.Offset:], p.Text) {
		c.t.Errorf("%s: the text does not stand at %d", p.Path, p.Offset)
	}
	kind := ""
	if p.Kind != classify.None {
		kind = " " + p.Kind.String()
	}
	c.parts = append(c.parts, fmt.Sprintf("%d %s%s = %s", p.Record, p.Path, kind, p.Text))
	return nil
}

func (c *collect) Member(name string, r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, 1<<20))
	c.members = append(c.members, fmt.Sprintf("%s: %d bytes, %v", name, len(data), err))
	return nil
}

func (c *collect) Unread(path string, why error) {
	c.unread = append(c.unread, path+": "+why.Error())
}

func read(t testing.TB, r classify.Reader, file []byte) *collect {
	t.Helper()
	c := &collect{t: t, file: file}
	if !r.Claims("file", file[:min(len(file), 4096)]) {
		t.Fatalf("%s does not claim the file", r.Name())
	}
	if err := r.Read(t.Context(), sourceOf(file), c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *collect) has(t testing.TB, wants ...string) {
	t.Helper()
	all := strings.Join(c.parts, "\n")
	for _, w := range wants {
		if !strings.Contains(all+"\n", w+"\n") {
			t.Errorf("not given out: %s\n%s", w, all)
		}
	}
}

const adt = "MSH|^~\\&|HIS|H|R|F|20240305||ADT^A01|1|P|2.5||||||UNICODE UTF-8\r" +
	"PID|1||00123456^^^H^MR~123-45-6789^^^USA^SS||张^三||19491231|M|||汉口路22号^^南京^^210008||+86 13800138000^^^a@b.org\r" +
	"OBX|1|TX|1^主诉||患者张三\\E\\李四|||\r" +
	"OBX|2|ED|2^报告||H^Application^PDF^Base64^JVBERi0x|||\rZPI|x^secret text\r"

func TestHL7(t *testing.T) {
	c := read(t, hl7v2{}, []byte(adt+"\n"+adt))
	c.has(t, "1 PID-3.1 mrn = 00123456", "1 PID-3.1 us-ssn = 123-45-6789", "1 PID-5.1 person-name = 张",
		"1 PID-5.2 person-name = 三", "1 PID-7.1 birth-date = 19491231", "1 PID-11.1 address = 汉口路22号", "1 PID-11.5 zip = 210008",
		"1 PID-13.1 phone = +86 13800138000", "1 PID-13.4 email = a@b.org", "1 OBX-5 = 患者张三\\李四", "1 ZPI-1 = x^secret text",
		"2 PID-5.1 person-name = 张")
	if len(c.members) != 2 || c.members[0] != "document.pdf: 6 bytes, <nil>" || len(c.unread) > 0 {
		t.Errorf("members %q, unread %q", c.members, c.unread)
	}
}

// TestHL7Encodings reads the same message in other clothes.
func TestHL7Encodings(t *testing.T) {
	want := read(t, hl7v2{}, []byte(adt)).parts
	gb, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(strings.Replace(adt, "UNICODE UTF-8", "GB 18030-2000", 1)))
	if err != nil {
		t.Fatal(err)
	}
	wide, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes([]byte(adt))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"GB18030": gb, "UTF-16": wide, "MLLP": []byte("\x0b" + adt + "\x1c\r"), "batch": []byte("FHS|^~\\&|a\rBHS|^~\\&|b\r" + adt + "BTS|1\rFTS|1\r"),
	} {
		got := read(t, hl7v2{}, file).parts
		if name == "GB18030" {
			got[len(got)-len(want)+4] = want[4] // the name of the charset
		}
		if len(got) != len(want) || got[len(got)-1] != want[len(want)-1] || got[8] != want[8] {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

const patient = `{"resourceType":"Patient","id":"p1","text":{"status":"generated","div":"<div>李\u0020<b>四</b> &amp; Co</div>"},
"identifier":[{"type":{"coding":[{"system":"s","code":"SS"}]},"value":"123-45-6789"},{"system":"urn:x","value":"00123456"}],
"name":[{"family":"李","given":["四","A"]}],"telecom":[{"system":"email","value":"a@b.org"}],"birthDate":"1949-12-31",
"address":[{"line":["12 Main St"],"city":"X","postalCode":"02138"}],
"photo":[{"data":"aGVsbG8=","contentType":"image/jpeg"}],"extension":[{"url":"u","valueString":"free \"text\""}]}`

func TestFHIR(t *testing.T) {
	c := read(t, fhirJSON{}, []byte(patient))
	c.has(t, "1 Patient.identifier[0].value us-ssn = 123-45-6789", "1 Patient.identifier[1].value mrn = 00123456",
		"1 Patient.name[0].family person-name = 李", "1 Patient.name[0].given[1] person-name = A", "1 Patient.telecom[0].value email = a@b.org",
		"1 Patient.birthDate birth-date = 1949-12-31", "1 Patient.address[0].line[0] address = 12 Main St",
		"1 Patient.address[0].postalCode zip = 02138", `1 Patient.extension[0].valueString = free "text"`, "1 Patient.text.div = \n李 四 & Co\n")
	if len(c.members) != 1 || c.members[0] != "document.jpeg: 5 bytes, <nil>" {
		t.Errorf("members %q", c.members)
	}
}

func TestFHIRBundles(t *testing.T) {
	one := strings.ReplaceAll(patient, "\n", "")
	for name, file := range map[string]string{
		"NDJSON": one + "\n" + one + "\n", "array": "[" + one + "," + patient + "]",
		"bundle":            `{"resourceType":"Bundle","entry":[{"fullUrl":"x","resource":` + patient + `},{"resource":` + one + `}]}`,
		"one after another": patient + "\n" + patient,
	} {
		c := read(t, fhirJSON{}, []byte(file))
		c.has(t, "1 Patient.name[0].family person-name = 李", "2 Patient.birthDate birth-date = 1949-12-31")
		if len(c.unread) > 0 {
			t.Errorf("%s: %q", name, c.unread)
		}
	}
	c := read(t, fhirJSON{}, []byte(one+"\n{\"resourceType\":\n"+one+"\n"))
	if len(c.unread) == 0 {
		t.Error("a damaged line was not reported")
	}
	c.has(t, "1 Patient.name[0].family person-name = 李")
}

func TestReferencesToPeople(t *testing.T) {
	c := read(t, fhirJSON{}, []byte(`{"resourceType":"Observation","subject":{"reference":"Patient/1","display":"Angela Smith"},"code":{"coding":[{"system":"http://loinc.org","code":"1","display":"Glucose"}]}}`))
	c.has(t, "1 Observation.subject.display person-name = Angela Smith", "1 Observation.code.coding[0].display = Glucose")
}

const cda = `<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id root="2.16.840.1.113883.4.1" extension="123-45-6789"/><id root="1.2" extension="00123456"/>
<addr><streetAddressLine>12 Main St</streetAddressLine><postalCode>02138</postalCode></addr><telecom value="tel:+1(555)123-4567"/>
<patient><name><given>Angela</given><family>O&apos;Neil</family></name><birthTime value="19491231"/></patient></patientRole></recordTarget>
<component><structuredBody><component><section><text>Seen with <content>Dr. Bob</content><br/>again</text></section></component></structuredBody></component>
<component><nonXMLBody><text mediaType="application/pdf" representation="B64">JVBE
Ri0x</text></nonXMLBody></component></ClinicalDocument>`

func TestCDA(t *testing.T) {
	c := read(t, document{}, []byte(cda))
	all := strings.Join(c.parts, "\n")
	for _, w := range []string{"id us-ssn = 123-45-6789", "id[1] mrn = 00123456", "streetAddressLine address = 12 Main St", "postalCode zip = 02138",
		"telecom phone = tel:+1(555)123-4567", "given person-name = Angela", "family person-name = O'Neil", "birthTime birth-date = 19491231", "text =  Seen with  Dr. Bob"} {
		if !strings.Contains(all, w) {
			t.Errorf("not given out: %s\n%s", w, all)
		}
	}
	if len(c.members) != 1 || c.members[0] != "document.pdf: 6 bytes, <nil>" {
		t.Errorf("members %q", c.members)
	}
}

func TestFHIRXML(t *testing.T) {
	c := read(t, document{}, []byte(`<Patient xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml">Li <b>Si</b></div></text><identifier><type><coding><code value="SS"/></coding></type><value value="123-45-6789"/></identifier><name><family value="Li"/><given value="Si"/><given value="X"/></name><birthDate value="1949-12-31"/></Patient>`))
	c.has(t, "1 Patient.identifier.value us-ssn = 123-45-6789", "1 Patient.name.family person-name = Li", "1 Patient.name.given[1] person-name = X", "1 Patient.birthDate birth-date = 1949-12-31")
}

func FuzzReaders(f *testing.F) {
	for _, s := range []string{adt, patient, cda, "MSH|", "{", "[]", "<a", "MSH|^~\\&\rPID|" + strings.Repeat("^", 100)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, r := range Readers() {
			c := &collect{t: t, file: data}
			if err := r.Read(context.Background(), sourceOf(data), c); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// shared finds the sample data beside the checkout.
func shared(t testing.TB, path string) string {
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

func TestSharedHL7(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(shared(t, "hl7v2"), "*.hl7"))
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if c := read(t, hl7v2{}, data); len(c.parts) == 0 || len(c.unread) > 0 {
			t.Errorf("%s: %d parts, unread %q", filepath.Base(name), len(c.parts), c.unread)
		}
	}
}

// nothing takes what readers give and drops it.
type nothing struct{ parts, bytes int }

func (n *nothing) Part(p classify.Part) error         { n.parts++; n.bytes += len(p.Text); return nil }
func (n *nothing) Member(_ string, r io.Reader) error { return nil }
func (n *nothing) Unread(string, error)               {}

func BenchmarkRead(b *testing.B) {
	for name, r := range map[string]classify.Reader{"01_fhir.json.zst": fhirJSON{}, "04_hl7.txt.zst": hl7v2{}} {
		b.Run(r.Name(), func(b *testing.B) {
			data := unpack(b, shared(b, "scan/"+name))
			b.SetBytes(int64(len(data)))
			var sink nothing
			before := cpu()
			for b.Loop() {
				if err := r.Read(context.Background(), sourceOf(data), &sink); err != nil {
					b.Fatal(err)
				}
			}
			used := cpu() - before
			b.ReportMetric(float64(len(data))*float64(b.N)/1e6/used.Seconds(), "MB/cpu-s")
			b.ReportMetric(float64(sink.bytes)/float64(b.N)/float64(len(data)), "given")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func unpack(b *testing.B, path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	data, err := io.ReadAll(z)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// classified gives every part to the engine, as the inspector does.
type classified struct {
	nothing
	engine *classify.Engine
	spans  []classify.Span
	found  int
}

func (c *classified) Part(p classify.Part) error {
	c.spans = c.engine.Value(c.spans[:0], p.Kind, p.Field, p.Text, classify.Discover)
	c.found += len(c.spans)
	return nil
}

func BenchmarkClassified(b *testing.B) {
	engine, err := classify.New(classify.Config{})
	if err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]classify.Reader{"01_fhir.json.zst": fhirJSON{}, "04_hl7.txt.zst": hl7v2{}} {
		b.Run(r.Name(), func(b *testing.B) {
			data := unpack(b, shared(b, "scan/"+name))
			sink := classified{engine: engine}
			before := cpu()
			for b.Loop() {
				if err := r.Read(context.Background(), sourceOf(data), &sink); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(data))*float64(b.N)/1e6/(cpu()-before).Seconds(), "MB/cpu-s")
			b.ReportMetric(float64(sink.found)/float64(b.N), "found")
		})
	}
}
