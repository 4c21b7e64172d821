package deid

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
)

const visits = `version: 1
patient: 病案号
columns:
  病案号: pseudonym mrn
  姓名: pseudonym person-name
  身份证号: pseudonym cn-resident-id
  入院日期: shift date
  出生日期: generalise birth-date
  年龄: generalise age-over-89
  邮编: generalise zip
  血糖: perturb 10%
  卡号: fpe
  备注: text
  科室: keep
  电话: remove
`

func tableOf(t testing.TB, profile string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "visits.yaml")
	if err := os.WriteFile(path, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	return "table:" + path
}

const visitRows = "病案号,姓名,身份证号,入院日期,出生日期,年龄,邮编,血糖,卡号,备注,科室,电话\r\n" +
	"00123456,张三,11010519491231002X,2024-03-05,1949-12-31,74,210008,5.60,12345678,\"张三复查, 病案号00123456\",\"内,科\",13800138000\r\n"

func TestTable(t *testing.T) {
	job := testJob(t)
	k := job.Key
	name := tableOf(t, visits)
	got, r := rewrite(t, name, []byte(visitRows), job)
	mrn, person := string(k.Pseudonym(classify.MRN, []byte("00123456"))), string(k.Pseudonym(classify.Name, []byte("张三")))
	moved, _ := k.ShiftDate(nil, []byte("2024-03-05"), "00123456")
	card, _ := k.Encrypt("value", "12345678")
	want := "病案号,姓名,身份证号,入院日期,出生日期,年龄,邮编,血糖,卡号,备注,科室\r\n" +
		mrn + "," + person + "," + string(k.Pseudonym(classify.ResidentID, []byte("11010519491231002X"))) + "," + string(moved) + ",1949,70-74,210000," +
		string(k.Perturb([]byte("5.60"), "00123456", 0.1)) + "," + card + ",\"" + person + "复查, 病案号" + mrn + "\",\"内,科\"\r\n"
	if got != want || r.Records != 1 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	gb := func(s string) string {
		out, err := simplifiedchinese.GB18030.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got, _ := rewrite(t, name, []byte(gb(visitRows)), job); got != gb(want) {
		t.Error("GB18030 does not come back as such")
	}
}

func TestTableRefuses(t *testing.T) {
	for name, c := range map[string][3]string{
		"unknown column":   {"version: 1\ncolumns: {a: keep}\n", "a,b\n1,2\n", "does not name the columns b"},
		"small domain":     {"version: 1\ncolumns: {a: fpe}\n", "a\n1234\n", "pseudonym or token"},
		"no patient":       {"version: 1\npatient: p\ncolumns: {a: shift date, p: keep}\n", "a\n2024-01-01\n", "no column p"},
		"ragged row":       {"version: 1\ncolumns: {a: keep}\n", "a\n1,2\n", "wrong number of fields"},
		"a quote too many": {"version: 1\ncolumns: {a: keep}\n", "a\n1\"secret\n", "row 2"},
	} {
		var out bytes.Buffer
		p, err := Open(tableOf(t, c[0]), Setup{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Apply(t.Context(), classify.BytesSource("x", []byte(c[1])), &out, testJob(t))
		if err == nil || !strings.Contains(err.Error(), c[2]) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, profile := range map[string]string{
		"unknown method":  "version: 1\ncolumns: {a: hide}\n",
		"unknown kind":    "version: 1\ncolumns: {a: pseudonym thing}\n",
		"no kind":         "version: 1\ncolumns: {a: pseudonym}\n",
		"unsafe default":  "version: 1\ndefault: keep\ncolumns: {a: keep}\n",
		"unknown setting": "version: 1\ncolumn: {a: keep}\n",
		"no shift column": "version: 1\ncolumns: {a: shift date}\n",
		"no version":      "columns: {a: keep}\n",
		"empty":           "",
	} {
		if _, err := parseTable([]byte(profile)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTableDefault(t *testing.T) {
	got, _ := rewrite(t, tableOf(t, "version: 1\ndefault: redact\ncolumns: {a: keep}\n"), []byte("a\tb\n1\tsecret\n"), testJob(t))
	if got != "a\tb\n1\t[removed]\n" {
		t.Errorf("%q", got)
	}
}

// TestOnePatientEverywhere writes one person in every format of this package,
// and wants one pseudonym, one shift.
func TestOnePatientEverywhere(t *testing.T) {
	job := testJob(t)
	hl7, _ := rewrite(t, "hl7v2", []byte(admission), job)
	fhir, _ := rewrite(t, "fhir", []byte(strings.NewReplacer("Smith", "张", "Angela", "三").Replace(strings.ReplaceAll(fhirPatient, "\n", "")+"\n"+fhirObservation)), job)
	cda, _ := rewrite(t, "cda", []byte(strings.NewReplacer("Smith", "张", "Angela", "三").Replace(cdaText)), job)
	table, _ := rewrite(t, tableOf(t, visits), []byte(visitRows), job)
	k := job.Key
	mrn := string(k.Pseudonym(classify.MRN, []byte("00123456")))
	family, given := string(k.Family([]byte("张"))), string(k.Given([]byte("三")))
	day, _ := k.ShiftDate(nil, []byte("2024-03-05"), "00123456")
	packed := strings.ReplaceAll(string(day), "-", "")
	for format, c := range map[string][3]string{
		"hl7v2": {hl7, family + "^" + given, packed}, "fhir": {fhir, `"family":"` + family + `","given":["` + given, string(day)},
		"cda": {cda, "<given>" + given + "</given><family>" + family, packed}, "table": {table, family + given, string(day)},
	} {
		for _, want := range []string{mrn, c[1], c[2]} {
			if !strings.Contains(c[0], want) {
				t.Errorf("%s: no %s in\n%s", format, want, c[0])
			}
		}
	}
}

func FuzzTable(f *testing.F) {
	p, err := parseTable([]byte("version: 1\npatient: p\ndefault: redact\ncolumns: {p: pseudonym mrn, d: shift date, n: perturb, z: generalise zip}\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("p,d,n,z\n1,2024-01-01,5.5,12345\n"))
	f.Add([]byte("p\td\n\"a\"\"b\"\t\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		r, err := p.Apply(t.Context(), classify.BytesSource("x", in), &out, testJob(t))
		if err == nil && r.Records > 0 && out.Len() == 0 {
			t.Fatalf("%q became nothing", in)
		}
	})
}
