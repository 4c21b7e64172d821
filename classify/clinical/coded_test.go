package clinical

import "testing"

// Codes of ICD-10 are given out as what may mark a condition, wherever the
// name of their system stands.
func TestCodedConditions(t *testing.T) {
	c := read(t, hl7v2{}, []byte("MSH|^~\\&|HIS|H|R|F|20240305||ADT^A01|1|P|2.5\rDG1|1||B20^HIV disease^I10~F20^^I10|||A\r"))
	c.has(t, "1 DG1-3.1 sensitive-condition = B20", "1 DG1-3.2 = HIV disease", "1 DG1-3.1 sensitive-condition = F20")

	c = read(t, fhirJSON{}, []byte(`{"resourceType":"Condition","code":{"coding":[{"code":"B20","system":"http://hl7.org/fhir/sid/icd-10"}]}}`))
	c.has(t, "1 Condition.code.coding[0].code sensitive-condition = B20")
	c = read(t, fhirJSON{}, []byte(`{"resourceType":"Encounter","reasonCode":[{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"F20"},{"system":"http://loinc.org","code":"F20-1"}]}]}`))
	c.has(t, "1 Encounter.reasonCode[0].coding[0].code sensitive-condition = F20")
}
