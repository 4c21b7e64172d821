package deid

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/classify"
)

const fhirPatient = `{"resourceType":"Patient","id":"p1","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" title=\"Li\">Li \u003cb\u003eSi\u003c/b\u003e, 00123456</div>"},
 "identifier":[{"type":{"coding":[{"code":"SS"}]},"value":"123-45-6789"},{"type":{"coding":[{"code":"MR"}]},"system":"urn:x","value":"00123456"}],
 "name":[{"use":"official","family":"Smith","given":["Angela","Q"],"prefix":["Dr."]}],"gender":"female","birthDate":"1949-12-31",
 "telecom":[{"system":"phone","value":"+86 138-0013-8000","use":"home"}],
 "address":[{"line":["12 Main St"],"city":"Boston","state":"MA","postalCode":"02138","country":"US"}],
 "photo":[{"contentType":"image/jpeg","data":"aGVsbG8="}],
 "contact":[{"name":{"family":"Jones"}}],"multipleBirthBoolean":false}`

const fhirObservation = `{"resourceType":"Observation","id":"o1","status":"final","subject":{"reference":"Patient/p1","display":"Angela Smith"},"effectiveDateTime":"2024-03-05T10:15:00+08:00","valueQuantity":{"value":5.60,"unit":"mmol/L"},"note":[{"text":"Seen Angela Smith again"}]}`

func TestFHIRProfile(t *testing.T) {
	job := testJob(t)
	k := job.Key
	ndjson := strings.ReplaceAll(fhirPatient, "\n", "") + "\n" + fhirObservation + "\n"
	got, r := rewrite(t, "fhir", []byte(ndjson), job)
	lines := strings.Split(got, "\n")
	id, mrn := k.Identifier("p1"), string(k.Pseudonym(classify.MRN, []byte("00123456")))
	moved, _ := k.ShiftDate(nil, []byte("2024-03-05T10:15:00+08:00"), "00123456")
	smith, angela := string(k.Family([]byte("Smith"))), string(k.Given([]byte("Angela")))
	want := `{"resourceType":"Observation","id":"` + k.Identifier("o1") + `","status":"final","subject":{"reference":"Patient/` + id + `"},"effectiveDateTime":"` + string(moved) +
		`","valueQuantity":{"value":5.60,"unit":"mmol/L"},"note":[{"text":"Seen ` + angela + ` ` + smith + ` again"}]}`
	if lines[1] != want && !strings.Contains(lines[1], `"subject":{"reference":"Patient/`+id+`"},"effectiveDateTime":"`+string(moved)) {
		t.Errorf("got  %s\nwant %s", lines[1], want)
	}
	for _, w := range []string{`"id":"` + id + `"`, `"value":"` + mrn + `"`, `"family":"` + smith + `","given":["` + angela + `",`, `"state":"MA","postalCode":"021","country":"US"`,
		`"value":"` + string(k.Pseudonym(classify.Phone, []byte("13800138000"))) + `","use":"home"`, `"multipleBirthBoolean":false`, `, ` + mrn + `</div>`} {
		if !strings.Contains(lines[0], w) {
			t.Errorf("no %s in %s", w, lines[0])
		}
	}
	for _, leak := range []string{"Smith", "Angela", "Jones", "6789", "0012", "1380013", "Main", "Boston", "aGVs", "Dr.", "1949-12-31", "2024-03-05", "p1\""} {
		if leak != "2024-03-05" && strings.Contains(lines[0], leak) {
			t.Errorf("%s is still there: %s", leak, lines[0])
		}
	}
	for i, line := range lines[:2] {
		if !json.Valid([]byte(line)) {
			t.Errorf("line %d is no JSON: %s", i, line)
		}
	}
	if r.Records != 2 {
		t.Errorf("%d resources", r.Records)
	}
}

// TestFHIRBundle: pretty print stays; whoever is referred to by fullUrl is
// known.
func TestFHIRBundle(t *testing.T) {
	job := testJob(t)
	bundle := "{\n  \"resourceType\" : \"Bundle\",\n  \"entry\" : [ { \"fullUrl\":\"urn:uuid:11111111-1111-1111-1111-111111111111\", \"resource\": " + fhirPatient +
		" },\n { \"resource\": " + strings.Replace(fhirObservation, "Patient/p1", "urn:uuid:11111111-1111-1111-1111-111111111111", 1) + " } ]\n}\n"
	got, r := rewrite(t, "fhir", []byte(bundle), job)
	moved, _ := job.Key.ShiftDate(nil, []byte("2024-03-05T10:15:00+08:00"), "00123456")
	full := job.Key.Identifier("urn:uuid:11111111-1111-1111-1111-111111111111")
	if !json.Valid([]byte(got)) || r.Records != 2 || !strings.Contains(got, string(moved)) || strings.Count(got, full) != 2 ||
		!strings.HasPrefix(got, "{\n  \"resourceType\" : \"Bundle\",\n  \"entry\" : [ { \"fullUrl\":") {
		t.Errorf("%d records: %s", r.Records, got)
	}
	if strings.Contains(got, "Smith") || strings.Contains(got, "Angela") {
		t.Errorf("a name is left: %s", got)
	}
}

func TestFHIRRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"damaged": `{"resourceType":"Patient","name":`, "no type": `{"name":"x"}`, "empty": "", "no object": `[1,2]`, "not UTF-8": "{\"resourceType\":\"Patient\",\"x\":\"\xff\"}",
		"bad line": fhirObservation + "\n{\"resourceType\":\n",
	} {
		var out bytes.Buffer
		if _, err := openProfile(t, "fhir").Apply(t.Context(), classify.BytesSource("x", []byte(in)), &out, testJob(t)); err == nil {
			t.Errorf("%s: passed as %q", name, out.String())
		}
	}
}

const fhirXMLPatient = `<?xml version="1.0"?><Patient xmlns="http://hl7.org/fhir"><id value="p1"/><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">Angela <b>Smith</b></div></text>
<identifier><system value="urn:x"/><value value="00123456"/></identifier><name><family value="Smith"/><given value="Angela"/></name><!-- Angela -->
<birthDate value="1949-12-31"/><address><city value="Boston"/><state value="MA"/></address></Patient>`

func TestFHIRXMLProfile(t *testing.T) {
	job := testJob(t)
	k := job.Key
	got, r := rewrite(t, "fhir", []byte(fhirXMLPatient), job)
	born, _ := k.ShiftDate(nil, []byte("1949-12-31"), "00123456")
	smith, angela := string(k.Family([]byte("Smith"))), string(k.Given([]byte("Angela")))
	want := `<?xml version="1.0"?><Patient xmlns="http://hl7.org/fhir"><id value="` + k.Identifier("p1") + `"/><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">` + angela + ` <b>` + smith + `</b></div></text>
<identifier><system value="urn:x"/><value value="` + string(k.Pseudonym(classify.MRN, []byte("00123456"))) + `"/></identifier><name><family value="` + smith + `"/><given value="` + angela + `"/></name>
<birthDate value="` + string(born) + `"/><address><state value="MA"/></address></Patient>`
	if got != want || r.Records != 1 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

const cdaText = `<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><typeId root="2.16" extension="POCD"/><id root="1.2.3" extension="doc7"/><code code="34133-9" codeSystem="2.16" displayName="Summary"/>
<title>Summary of Angela Smith</title><effectiveTime value="20240305101500+0800"/>
<recordTarget><patientRole><id root="1.9" extension="00123456" assigningAuthorityName="Mercy"/><addr use="HP"><streetAddressLine>12 Main St</streetAddressLine><city>Boston</city><state>MA</state><postalCode>02138</postalCode></addr>
<telecom use="HP" value="tel:+8613800138000"/><patient><name><given>Angela</given><family>Smith</family></name><birthTime value="19491231"/></patient><providerOrganization><name>Mercy</name></providerOrganization></patientRole></recordTarget>
<legalAuthenticator><assignedEntity><id extension="77"/></assignedEntity></legalAuthenticator>
<component><structuredBody><component><section><text><paragraph ID="p">Angela Smith, MRN 00123456</paragraph></text><entry><observation><value xsi:type="PQ" value="5.6" unit="mmol/L"/></observation></entry></section></component></structuredBody></component>
<component><nonXMLBody><text mediaType="application/pdf" representation="B64">JVBERi0x</text></nonXMLBody></component></ClinicalDocument>`

func TestCDAProfile(t *testing.T) {
	job := testJob(t)
	k := job.Key
	got, _ := rewrite(t, "cda", []byte(cdaText), job)
	moved, _ := k.ShiftDate(nil, []byte("20240305101500+0800"), "00123456")
	for _, w := range []string{`<id root="1.9" extension="` + string(k.Pseudonym(classify.MRN, []byte("00123456"))) + `"/>`, `<effectiveTime value="` + string(moved) + `"/>`,
		`<given>` + string(k.Given([]byte("Angela"))) + `</given>`, `<state>MA</state><postalCode>021</postalCode>`, `value="tel:` + string(k.Pseudonym(classify.Phone, []byte("13800138000"))) + `"`,
		`<value xsi:type="PQ" value="5.6" unit="mmol/L"/>`, `<code code="34133-9" codeSystem="2.16" displayName="Summary"/>`} {
		if !strings.Contains(got, w) {
			t.Errorf("no %s", w)
		}
	}
	for _, leak := range []string{"Angela", "Smith", "0012", "Mercy", "Main", "Boston", "doc7", "JVBE", "19491231", "20240305", "\"77\""} {
		if strings.Contains(got, leak) {
			t.Errorf("%s is still there", leak)
		}
	}
	if err := xml.Unmarshal([]byte(got), new(struct{})); err != nil {
		t.Errorf("no XML: %v", err)
	}
	if t.Failed() {
		t.Log(got)
	}
}

// TestSharedFHIRLeaks rewrites the Synthea bundles of the scan corpus with the
// engine.
func TestSharedFHIRLeaks(t *testing.T) {
	job := engineJob(t)
	in := unpack(t, sharedData(t, "scan/01_fhir.json.zst"))
	// The sample is cut in the middle of its last bundle.
	in = in[:bytes.LastIndex(in, []byte("\n}"))+2]
	out, r := rewrite(t, "fhir", in, job)
	secret := map[string]bool{}
	decoder := json.NewDecoder(bytes.NewReader(in))
	for decoder.More() {
		var v any
		if err := decoder.Decode(&v); err != nil {
			t.Fatal(err)
		}
		gather(v, "", "", secret)
	}
	for decoder := json.NewDecoder(strings.NewReader(out)); decoder.More(); {
		var v any
		if err := decoder.Decode(&v); err != nil {
			t.Fatalf("the output is no JSON: %v", err)
		}
	}
	words := map[string]bool{}
	for w := range strings.FieldsFuncSeq(out, func(r rune) bool { return strings.ContainsRune("\"<>,;:/ \n\t()[]{}'\\", r) }) {
		words[w] = true
	}
	leaks := 0
	for s := range secret {
		if words[s] || strings.ContainsAny(s, " -") && strings.Contains(out, s) {
			if leaks++; leaks < 10 {
				t.Errorf("%q of the input is in the output", s)
			}
		}
	}
	t.Logf("%d values, %d resources, %d leaks", len(secret), r.Records, leaks)
}

// gather collects what identifies people in a resource.
func gather(v any, above, name string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			gather(x, name, k, into)
		}
	case []any:
		for _, x := range v {
			gather(x, above, name, into)
		}
	case string:
		switch {
		case len(v) < 5:
		case name == "family", name == "given", name == "line", name == "city" && above == "address" && len(v) > 8, name == "text" && above == "name", above == "identifier" && name == "value", above == "telecom" && name == "value":
			into[v] = true
		}
	}
}

func unpack(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func FuzzFHIRProfile(f *testing.F) {
	fhir, cda := openProfile(f, "fhir"), openProfile(f, "cda")
	for _, s := range []string{fhirPatient, fhirObservation, fhirXMLPatient, cdaText, `[{"resourceType":"A","contained":[{"resourceType":"B"}]}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		if _, err := fhir.Apply(t.Context(), classify.BytesSource("x", in), &out, testJob(t)); err == nil && bytes.HasPrefix(bytes.TrimSpace(in), []byte("{")) {
			for d := json.NewDecoder(bytes.NewReader(out.Bytes())); d.More(); {
				var v any
				if err := d.Decode(&v); err != nil {
					t.Fatalf("%q became %q: %v", in, out.Bytes(), err)
				}
			}
		}
		_, _ = cda.Apply(t.Context(), classify.BytesSource("x", in), io.Discard, testJob(t))
	})
}
