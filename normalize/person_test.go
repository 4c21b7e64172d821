package normalize

import (
	"slices"
	"strings"
	"testing"
)

// TestPerson tells a caller who asks of the patient, and of nobody else.
func TestPerson(t *testing.T) {
	message := strings.Join([]string{
		`MSH|^~\&|ADT|H|CORDON|H|20260302080000||ADT^A01|1|P|2.5`,
		`PID|1||100077^^^H^MR~L-9^^^LAB^PI~11010519491231002X^^^^NNCHN||Walker^Jane||19491231|F|||1 Main St||13800000001|||||V2026`,
		`NK1|1|Kin^Next|SPO||13900000002`, `PV1|1|I|W1`,
	}, "\r")
	patient := `{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2026-03-02T08:00:00Z"},"identifier":[{"type":{"coding":[{"code":"MR"}]},"value":"100077"}],` +
		`"name":[{"family":"Walker","given":["Jane"]}],"birthDate":"1949-12-31","telecom":[{"system":"phone","value":"13800000001"}],` +
		`"contact":[{"name":{"family":"Kin"},"telecom":[{"system":"phone","value":"13900000002"}]}]}`
	for format, data := range map[string]string{"hl7v2": message, "fhir": patient} {
		var got []Person
		_, rejects := New(Options{}).Normalize(Input{Format: format, Data: []byte(data), Person: func(p *Person) { got = append(got, *p) }})
		if len(rejects) > 0 || len(got) != 1 {
			t.Fatalf("%s: %d told, rejects %v", format, len(got), rejects)
		}
		p := got[0]
		if !slices.Contains(p.Numbers, "100077") || !slices.Contains(p.Names, "Jane Walker") || !slices.Contains(p.Names, "Walker Jane") ||
			!slices.Equal(p.Phones, []string{"13800000001"}) || strings.ReplaceAll(p.BirthDate, "-", "") != "19491231" {
			t.Errorf("%s: %+v", format, p)
		}
		if format == "hl7v2" && (!slices.Contains(p.Numbers, "L-9") || !slices.Equal(p.IDs, []string{"11010519491231002X"}) || !slices.Equal(p.Visits, []string{"V2026"})) {
			t.Errorf("%s: %+v", format, p)
		}
	}
}
