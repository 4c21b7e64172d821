package deid

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
)

// patient is somebody who appears in every format.
type patient struct {
	family, given string // in Latin letters
	han           [2]string
	mrn, phone    string
	resident      string
	born, event   string // YYYY-MM-DD
	pseudonyms
}

// pseudonyms are what one key makes of a patient.
type pseudonyms struct{ Family, Given, HanFamily, HanGiven, MRN, Phone, Resident, Born, Event string }

func plainDate(s string) string { return strings.ReplaceAll(s, "-", "") }

func patients(t *testing.T, k *Key) []patient {
	all := []patient{
		{family: "Zhang", given: "Wei", han: [2]string{"张", "伟"}, mrn: "00482917", phone: "13912345678", resident: "11010519620228002", born: "1962-02-28", event: "2024-02-29"},
		{family: "Ouyang", given: "Xuemei", han: [2]string{"欧阳", "雪梅"}, mrn: "MR0077123", phone: "13787654321", resident: "32010119751231004", born: "1975-12-31", event: "2023-12-31"},
	}
	for i := range all {
		p := &all[i]
		p.resident += string(checkCharacter([]byte(p.resident)))
		move := func(d string) string {
			out, ok := k.ShiftDate(nil, []byte(d), p.mrn)
			if !ok || string(out) == d {
				t.Fatalf("%s does not move", d)
			}
			return string(out)
		}
		p.pseudonyms = pseudonyms{string(k.Family([]byte(p.family))), string(k.Given([]byte(p.given))), string(k.Family([]byte(p.han[0]))), string(k.Given([]byte(p.han[1]))),
			string(k.Pseudonym(classify.MRN, []byte(p.mrn))), string(k.Pseudonym(classify.Mobile, []byte(p.phone))), string(k.Pseudonym(classify.ResidentID, []byte(p.resident))),
			move(p.born), move(p.event)}
	}
	return all
}

// fill puts a patient into a text with places like {mrn}.
func (p patient) fill(text string) string {
	return strings.NewReplacer("{family}", p.family, "{given}", p.given, "{FAMILY}", strings.ToUpper(p.family), "{hf}", p.han[0], "{hg}", p.han[1], "{mrn}", p.mrn,
		"{phone}", p.phone, "{id}", p.resident, "{born}", p.born, "{BORN}", plainDate(p.born), "{event}", p.event, "{EVENT}", plainDate(p.event)).Replace(text)
}

// expect puts in what stands for the patient.
func (p patient) expect(text string) string {
	return patient{family: p.Family, given: p.Given, han: [2]string{p.HanFamily, p.HanGiven}, mrn: p.MRN, phone: p.Phone, resident: p.Resident, born: p.Born, event: p.Event}.fill(text)
}

// document is a file of one format and what must be in its output.
type document struct {
	name, profile, text string
	want                []string
}

func documents() []document {
	const (
		human = `"name":[{"use":"usual","text":"{hf}{hg}"},{"family":"{family}","given":["{given}"]}]`
		xmlID = `<identifier><value value="{id}"/></identifier><identifier><type><coding><code value="MR"/></coding></type><value value="{mrn}"/></identifier>`
	)
	return []document{
		{"a.hl7", "hl7v2", "MSH|^~\\&|HIS|H|R|F|{EVENT}101500+0800||ADT^A01|1|P|2.5\r\n" +
			"PID|1||{id}^^^^NI~{mrn}^^^H^MR||{FAMILY}^{given}~{hf}^{hg}||{BORN}|F|||||+86 {phone}\r\nPV1|1|I|||||||||||||||||{mrn}|||||||||||||||||||||||||{EVENT}2359\r\n" +
			"OBX|1|TX|1||患者{hf}{hg}，病案号{mrn}，电话{phone}||||||F|||{EVENT}235959.123-0500\r\n",
			[]string{"|{EVENT}101500+0800|", "{mrn}^^^^MR", "{id}^^^^NI", "{hf}^{hg}", "|{BORN}|", "{phone}", "患者{hf}{hg}，病案号{mrn}", "{EVENT}235959.123-0500"}},
		{"a.json", "fhir", `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:0e1b1f0e-0000-4000-8000-000000000001","resource":{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/77"},"effectiveDateTime":"{event}T23:59:59.123-05:00","note":[{"text":"患者{hf}{hg}复诊"}]}},` +
			`{"resource":{"resourceType":"Patient","id":"77","identifier":[{"value":"{id}"},{"type":{"coding":[{"code":"MR"}]},"value":"{mrn}"}],` + human + `,"telecom":[{"system":"phone","value":"{phone}"}],"birthDate":"{born}"}}]}`,
			[]string{`"{event}T23:59:59.123-05:00"`, `"value":"{mrn}"`, `"value":"{id}"`, `"text":"{hf}{hg}"`, `"family":"{family}","given":["{given}"]`, `"{phone}"`, `"birthDate":"{born}"`, "患者{hf}{hg}复诊"}},
		{"a.xml", "fhir", `<Bundle xmlns="http://hl7.org/fhir"><entry><resource><Observation><subject><reference value="Patient/77"/></subject><effectiveDateTime value="{event}T23:59:59Z"/></Observation></resource></entry>` +
			`<entry><resource><Patient><id value="77"/>` + xmlID + `<name><family value="{family}"/><given value="{given}"/></name><telecom><system value="phone"/><value value="{phone}"/></telecom><birthDate value="{born}"/></Patient></resource></entry></Bundle>`,
			[]string{`"{event}T23:59:59Z"`, `value="{mrn}"`, `value="{id}"`, `<family value="{family}"/><given value="{given}"/>`, `value="{phone}"`, `<birthDate value="{born}"/>`}},
		{"c.xml", "cda", `<ClinicalDocument xmlns="urn:hl7-org:v3"><effectiveTime value="{EVENT}1015+0800"/><recordTarget><patientRole><id root="1.2.3" extension="{mrn}"/><telecom value="tel:{phone}"/><patient><name><given>{given}</given><family>{family}</family></name><name>{hf}{hg}</name><birthTime value="{BORN}"/></patient></patientRole></recordTarget>` +
			`<component><structuredBody><component><section><text>{hf}{hg} was seen again.</text></section></component></structuredBody></component></ClinicalDocument>`,
			[]string{`"{EVENT}1015+0800"`, `extension="{mrn}"`, `tel:{phone}`, `<given>{given}</given><family>{family}</family>`, `<name>{hf}{hg}</name>`, `"{BORN}"`, "{hf}{hg} was seen again"}},
		{"a.csv", "table", "mrn,name,latin,phone,born,seen,id\r\n{mrn},{hf}{hg},\"{family}, {given}\",{phone},{born},{event} 10:15,{id}\r\n",
			[]string{"\r\n{mrn},{hf}{hg},\"{family}, {given}\",{phone},{born},{event} 10:15,{id}\r\n"}},
		{"a.txt", "text-pseudonym", "姓名：{hf}{hg}　病案号：{mrn}　联系电话：{phone}\r\n身份证号：{id}\r\n入院日期：{event}，患者{hf}{hg}因胸闷入院。\r\nPatient: {family} {given}, MRN {mrn}, admitted on {event}.\r\n",
			[]string{"{hf}{hg}", "{mrn}", "{phone}", "{id}", "{event}", "{family} {given}"}},
	}
}

// TestOnePatientInEveryFormat is the promise: with the engine that hospitals
// use, one patient has the same pseudonyms and the same shift in every format.
func TestOnePatientInEveryFormat(t *testing.T) {
	job := engineJob(t)
	for _, p := range patients(t, job.Key) {
		for _, d := range documents() {
			out := p.apply(t, d, job)
			for _, want := range d.want {
				if want = p.expect(want); !strings.Contains(out, want) {
					t.Errorf("%s of %s: no %q in\n%s", d.name, p.mrn, want, out)
				}
			}
			for _, secret := range []string{p.mrn, p.phone, p.resident, p.han[0] + p.han[1], p.born, plainDate(p.born), p.event, plainDate(p.event), p.given} {
				if strings.Contains(out, secret) {
					t.Errorf("%s of %s holds %q:\n%s", d.name, p.mrn, secret, out)
				}
			}
		}
	}
}

// engineJob finds with the real engine.
func engineJob(t testing.TB) *Job {
	t.Helper()
	engine, err := classify.New(classify.Config{})
	if err != nil {
		t.Fatal(err)
	}
	job := testJob(t)
	job.Scanner, job.Patients = engine, nil
	return job
}

func (p patient) apply(t *testing.T, d document, job *Job) string {
	t.Helper()
	name := d.profile
	if name == "table" {
		name = "table:" + filepath.Join(t.TempDir(), "t.yaml")
		rules := "version: 1\npatient: mrn\ncolumns:\n  mrn: pseudonym mrn\n  name: pseudonym person-name\n  latin: pseudonym person-name\n  phone: pseudonym phone\n  born: shift birth-date\n  seen: shift date\n  id: pseudonym cn-resident-id\n"
		if err := os.WriteFile(strings.TrimPrefix(name, "table:"), []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := openProfile(t, name).Apply(t.Context(), classify.BytesSource(d.name, []byte(p.fill(d.text))), &out, job); err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	return out.String()
}

// TestOnePatientInDICOM: names in two scripts, dates moved, in the character
// sets of China and in Latin 1.
func TestOnePatientInDICOM(t *testing.T) {
	job := engineJob(t)
	profile, err := Open(dicomBasic, Setup{Options: []string{"retain-modified-dates", "retain-patient-characteristics", "clean-descriptors"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range patients(t, job.Key) {
		for _, charset := range []string{"ISO_IR 192", "GB18030", `\ISO 2022 IR 58`, "ISO_IR 100"} {
			name, description := "{family}^{given}={hf}^{hg}", "复查 {hf}{hg} {mrn}"
			if charset == "ISO_IR 100" {
				name, description = "{family}^{given}", "CT of {family} {mrn}"
			}
			cs := dicom.NewCharset(charset)
			in := p.dicom(t, cs, charset, name, description)
			var out bytes.Buffer
			if _, err := profile.Apply(t.Context(), classify.BytesSource("a.dcm", in), &out, job); err != nil {
				t.Fatal(err)
			}
			got := dicomTexts(t, cs, out.Bytes())
			for tag, want := range map[dicom.Tag]string{
				tagPatientName: p.expect(name), tagPatientID: p.MRN, 0x00080020: plainDate(p.Event), 0x00080030: "235959.123", 0x0008002A: plainDate(p.Event) + "235959.5+0800",
			} {
				if got[tag] != want {
					t.Errorf("%s of %s in %s: %q, want %q", tag, p.mrn, charset, got[tag], want)
				}
			}
			if s := got[0x00081030]; strings.Contains(s, p.mrn) || strings.Contains(s, p.han[1]) || !strings.Contains(s, p.MRN) {
				t.Errorf("description in %s: %q", charset, s)
			}
			for tag, s := range got {
				for _, secret := range []string{p.mrn, p.han[0] + p.han[1], plainDate(p.born), plainDate(p.event), p.phone} {
					if strings.Contains(s, secret) {
						t.Errorf("%s in %s holds %q", tag, charset, secret)
					}
				}
			}
		}
	}
}

func (p patient) dicom(t *testing.T, cs *dicom.Charset, charset, name, description string) []byte {
	t.Helper()
	text := func(s string) []byte {
		raw, ok := cs.Encode(p.fill(s))
		if !ok {
			t.Fatalf("%q cannot be written", s)
		}
		return raw
	}
	var out bytes.Buffer
	w, err := dicom.NewWriter(&out, dicom.ExplicitLE, []dicom.Attribute{{Tag: dicom.TransferSyntax, VR: dicom.UI, Value: []byte(dicom.ExplicitLE)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		w.Value(dicom.CharacterSet, dicom.CS, []byte(charset)),
		w.Value(tagSOPClass, dicom.UI, []byte("1.2.840.10008.5.1.4.1.1.2")), w.Value(tagSOPInstance, dicom.UI, []byte("1.2.3.4")),
		w.Value(0x00080020, dicom.DA, text("{EVENT}")), w.Value(0x0008002A, dicom.DT, text("{EVENT}235959.5+0800")), w.Value(0x00080030, dicom.TM, []byte("235959.123")),
		w.Value(tagModality, dicom.CS, []byte("CT")), w.Value(0x00081030, dicom.LO, text(description)),
		w.Value(tagPatientName, dicom.PN, text(name)), w.Value(tagPatientID, dicom.LO, text("{mrn}")), w.Value(0x00100030, dicom.DA, text("{BORN}")),
		w.Value(tagPatientAge, dicom.AS, []byte("062Y")), w.Value(0x00102154, dicom.SH, text("{phone}")), w.Value(tagStudyUID, dicom.UI, []byte("1.2.3.5")),
		w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func dicomTexts(t *testing.T, cs *dicom.Charset, in []byte) map[dicom.Tag]string {
	t.Helper()
	r, err := dicom.NewReader(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[dicom.Tag]string{}
	for {
		e, err := r.Next()
		if err != nil {
			return all
		}
		if e.Kind == dicom.Value && e.Length < 1000 {
			tag := e.Tag
			b, err := r.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			all[tag] = cs.Decode(trimmed(b))
		}
	}
}

// TestAgesAndLengths: units of ages, JSON's numbers, what fits into DICOM.
func TestAgesAndLengths(t *testing.T) {
	for in, want := range map[string]string{"093Y": "090Y", "100D": "100D", "999M": "999M", "120 days": "120 days", "95M": "90M", "93.5": "90", "18个月": "18个月", "100": "090", "1100 months": "0090 months", "89": "89"} {
		if got := string(TopCodeAge([]byte(in))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if got := generaliseAge([]byte("-5")); got != nil {
		t.Errorf("-5 years: %s", got)
	}
	out, _ := rewrite(t, "fhir", []byte(`{"resourceType":"Condition","onsetAge":{"value":100,"unit":"a"}}`), testJob(t))
	if !strings.Contains(out, `"value":90`) {
		t.Errorf("an age in JSON: %s", out)
	}
	for _, c := range [][3]string{
		{"fhir", `{"resourceType":"Observation","valueQuantity":{"value":93,"unit":"a"}}`, `"value":90`},
		{"fhir", `{"resourceType":"Observation","valueQuantity":{"value":193,"unit":"cm"}}`, `"value":193`},
		{"fhir", `{"resourceType":"Condition","onsetAge":{"value":100,"unit":"d"}}`, `"value":100`},
		{"fhir", `<Condition xmlns="http://hl7.org/fhir"><onsetAge><value value="101"/><unit value="a"/></onsetAge></Condition>`, `<value value="90"/>`},
		{"fhir", `<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="101"/><unit value="mm"/></valueQuantity></Observation>`, `<value value="101"/>`},
		{"cda", `<ClinicalDocument xmlns="urn:hl7-org:v3"><component><observation><value unit="a" value="93"/></observation></component></ClinicalDocument>`, `value="90"`},
		{"hl7v2", "MSH|^~\\&|||||||ORU^R01|1|P|2.5\rOBX|1|NM|30525-0^Age^LN||93|a\rOBX|2|NM|8867-4^Heart rate^LN||93|/min\r", "LN||90|a\rOBX|2|NM|8867-4^Heart rate^LN||93|"},
	} {
		if out, _ := rewrite(t, c[0], []byte(c[1]), testJob(t)); !strings.Contains(out, c[2]) {
			t.Errorf("%s: no %s in %s", c[0], c[2], out)
		}
	}
	k := testKey(t, KeyOptions{})
	for _, uid := range []string{"1.2.3", "", "1.2.840." + strings.Repeat("9", 56)} {
		if n := len(k.UID(uid)); n > 64 {
			t.Errorf("a UID has %d characters", n)
		}
	}
	if fits(dicom.SH, string(k.Pseudonym(classify.Accession, []byte("11010519491231002X")))) || !fits(dicom.SH, k.Token(classify.Accession, "11010519491231002X")) {
		t.Error("an identity number as accession number")
	}
	if fits(dicom.PN, strings.Repeat("x", 65)) || !fits(dicom.PN, strings.Repeat("x", 64)+"="+strings.Repeat("伟", 64)) {
		t.Error("the lengths of names")
	}
	for _, r := range string(func() []rune { s, g := characterTables('张'); return append(s, g...) }()) {
		if _, ok := dicom.NewCharset(`\ISO 2022 IR 58`).Encode(string(r)); !ok {
			t.Errorf("%c is not in GB 2312: it cannot stand in every Chinese DICOM file", r)
		}
	}
}

// TestFamilyNamesOfTwoCharacters agree however they are parted.
func TestFamilyNamesOfTwoCharacters(t *testing.T) {
	k := testKey(t, KeyOptions{})
	want := string(k.Pseudonym(classify.Name, []byte("欧阳雪梅")))
	for _, written := range []string{"欧阳^雪梅", "欧阳 雪梅", "Ouyang^Xuemei=欧阳^雪梅"} {
		got := string(k.Pseudonym(classify.Name, []byte(written)))
		_, got, _ = strings.Cut("="+got, "=")
		if i := strings.IndexByte(got, '='); i >= 0 {
			got = got[i+1:]
		}
		if strings.NewReplacer("^", "", " ", "").Replace(got) != want {
			t.Errorf("%s is %s, want %s", written, got, want)
		}
	}
	for _, whole := range []string{"张伟", "欧阳雪梅"} {
		if a, b := string(k.Pseudonym(classify.Name, []byte(whole+"^^"))), string(k.Pseudonym(classify.Name, []byte(whole))); a != b+"^^" {
			t.Errorf("%s^^ is %s, without carets %s", whole, a, b)
		}
	}
	if got := string(k.Pseudonym(classify.Name, []byte("Do^Thi Lan"))); strings.HasPrefix(got, "Do^") {
		t.Errorf("a family name stays: %s", got)
	}
}

// TestFormatIsKept: marks, line ends and no formula that was not there.
func TestFormatIsKept(t *testing.T) {
	p := patients(t, testKey(t, KeyOptions{}))[0]
	for _, d := range documents() {
		for _, mark := range []string{"", "\ufeff"} {
			d := d
			d.text = mark + d.text
			out := p.apply(t, d, engineJob(t))
			if strings.HasPrefix(out, mark) != true || strings.Count(out, "\r\n") != strings.Count(d.text, "\r\n") {
				t.Errorf("%s: mark or line ends: %q", d.name, out)
			}
		}
	}
	k := testKey(t, KeyOptions{})
	for kind := classify.None + 1; kind.String() != "" && kind < 120; kind++ {
		got := string(k.Pseudonym(kind, []byte("13912345678")))
		if got != "" && strings.ContainsAny(got[:1], "=+-@\t\r") && strings.Trim(got, "+0123456789") != "" {
			t.Errorf("the pseudonym of a %s, %s, is a formula", kind, got)
		}
	}
}

// TestOutputNames: no profile and no folder passes a name on in a name.
func TestOutputNames(t *testing.T) {
	const note = "nothing of note\n"
	r, _ := runOf(t, "auto", map[string]string{
		"SMITH_ANGELA/Angela.Smith_00482917.hl7": admission, "张伟/张伟_CT检查.txt": note, "ward/Zhang Wei 13912345678.json": fhirObservation,
		"1.2.840.113619.2.55.3/IM0001.txt": note, "x/110105196202280021.txt": note, "2fa15bc7-8866-461a-9000-f739e425860a/scan 001.txt": note, "Smith.Angela": "\x00\x01",
	})
	r.Job.Scanner = engineJob(t).Scanner
	var names []string
	r.Each = func(f FileReport) error {
		names = append(names, f.Out)
		return nil
	}
	if _, err := r.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(names, "\n")
	for _, secret := range []string{"smith", "angela", "00482917", "张伟", "zhang", "wei", "13912345678", "1.2.840", "110105", "2fa15bc7"} {
		if strings.Contains(strings.ToLower(all), secret) {
			t.Errorf("%s stays in\n%s", secret, all)
		}
	}
	for _, stays := range []string{"/IM0001.txt", "/scan 001.txt", "CT", "x/"} {
		if !strings.Contains(all, stays) {
			t.Errorf("%q is lost:\n%s", stays, all)
		}
	}
	for _, name := range []string{"Smith.Angela", "Page_Doris.dcm", fmt.Sprint(strings.Repeat("Anna ", 60), ".txt")} {
		if got := r.Job.cleanName(name, true); strings.Contains(got, "Smith") || strings.Contains(got, "Angela") || strings.Contains(got, "Page") || len(got) > longestName+10 {
			t.Errorf("%s became %s", name, got)
		}
	}
}

// TestOptionsInAuto: an option names its profile, and only that one has it.
func TestOptionsInAuto(t *testing.T) {
	setup := testContent(t)
	setup.Options = []string{"dicom-basic:retain-uids", "text-pseudonym:patient-in-name"}
	p, err := Open("auto", setup)
	if err != nil {
		t.Fatal(err)
	}
	all := p.(*autoProfile).profiles
	if !all[dicomBasic].(*dicomProfile).has("retain-uids") || !all[textPseudonym].(*textProfile).byName {
		t.Error("the options did not arrive")
	}
	for _, wrong := range []string{"retain-uids", "hl7v2:retain-uids", "dicom-basic:nothing"} {
		setup.Options = []string{wrong}
		if _, err := Open("auto", setup); err == nil {
			t.Errorf("option %s is taken", wrong)
		}
	}
}

// TestSharedDICOMLeaks rewrites every sample with the engine and the options
// that keep most, and looks for the names and numbers of its people in every
// value of the output.
func TestSharedDICOMLeaks(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(sharedData(t, "dicom"), "*.dcm"))
	profile, err := Open(dicomBasic, Setup{Options: []string{"retain-modified-dates", "retain-patient-characteristics", "clean-descriptors", "clean-structured-content", "drop-pixels"}})
	if err != nil {
		t.Fatal(err)
	}
	job, checked, done := engineJob(t), 0, 0
	for _, name := range files {
		in, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := profile.Apply(t.Context(), classify.BytesSource(name, in), &out, job); err != nil {
			continue // not passed on
		}
		done++
		after := strings.ToLower(strings.Join(allTexts(t, out.Bytes(), false), "\n"))
		for _, v := range allTexts(t, in, true) {
			checked++
			if containsWord(after, strings.ToLower(v)) {
				t.Errorf("%s: %q stays", filepath.Base(name), v)
			}
		}
	}
	t.Logf("%d values in %d of %d files", checked, done, len(files))
	if done < len(files)/2 {
		t.Errorf("only %d of %d files were done", done, len(files))
	}
}

// allTexts are the texts of a file, or those that say who it is about.
func allTexts(t *testing.T, in []byte, identifiersOnly bool) (all []string) {
	t.Helper()
	r, err := dicom.NewReader(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		t.Fatal(err)
	}
	cs := dicom.NewCharset("")
	for {
		e, err := r.Next()
		if err != nil {
			return all
		}
		if e.Kind != dicom.Value || e.Length > 1<<16 || identifiersOnly && !identifying(e) {
			continue
		}
		tag, name := e.Tag, e.VR == dicom.PN
		b, err := r.Bytes()
		if err != nil {
			return all
		}
		if tag == dicom.CharacterSet {
			cs = dicom.NewCharset(string(b))
		}
		text := cs.Decode(trimmed(b))
		if !identifiersOnly {
			all = append(all, text)
			continue
		}
		words := []string{text}
		if name {
			words = strings.FieldsFunc(text, notInWord)
		}
		for _, w := range words {
			if len(w) >= 4 && !isTitle(strings.ToLower(w)) && w != "PATIENT" { // a word of the standard, and one sample's name
				all = append(all, w)
			}
		}
	}
}
