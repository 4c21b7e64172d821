package normalize

import (
	"strings"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

func TestNamesOfThings(t *testing.T) {
	n := testNormalizer()
	for _, c := range []struct {
		kind, name string
		ofPatient  bool
		kept       bool
	}{
		{"DocumentReference", "Discharge summary", true, true},
		{"DocumentReference", "CT Chest Report", true, true},
		{"Composition", "History and physical note", true, true},
		{"DocumentReference", "34133-9", true, true},
		{"", "出院小结", true, true},
		{"Report", "医生用药统计（按科室）", false, true},
		{"Table", "outp_presc_detail", false, true},
		{"Location", "Ward 7 North", true, true},
		{"DocumentReference", "Discharge summary of Zhang Wei", true, false},
		{"DocumentReference", "Zhang Wei", false, false},
		{"Report", "张伟出院小结", true, false},
		{"Report", "张伟用药统计", true, false},
		{"", "110105194912310021", true, false},
	} {
		got := n.thingName(c.kind, c.name, c.ofPatient)
		if (got == c.name) != c.kept || !c.kept && (len(got) != 17 || knownName(got) != "") {
			t.Errorf("%s %q is kept as %q", c.kind, c.name, got)
		}
		if got != n.thingName(c.kind, " "+c.name, c.ofPatient) {
			t.Errorf("%q: not the same every time", c.name)
		}
	}
}

// TestDocumentNamesAPerson: a marked name in the name of a document leaves
// nothing in the event, in any format, while its type and id stay.
func TestDocumentNamesAPerson(t *testing.T) {
	const marked = "MARKEDNAME 张伟"
	fhir := oneEvent(t, audit(`"action":"R","entity":[{"what":{"reference":"Patient/p1","display":"`+marked+`"},"role":{"code":"1"},"name":"`+marked+`"},
		{"what":{"reference":"DocumentReference/d1","display":"`+marked+`"},"role":{"code":"3"}},
		{"what":{"reference":"Composition/c1"},"type":{"code":"2","display":"System Object"},"name":"Discharge summary of `+marked+`"},
		{"what":{"reference":"Binary/b1"},"type":{"code":"2","display":"System Object"},"name":"system object"}]`))
	atna := oneOf(t, "atna", auditXML("110103", "R", nil, patientObject+
		strings.Replace(object("d1", "2", "3", "110180", ""), "</ParticipantObjectIdentification>",
			"<ParticipantObjectName>Report "+marked+"</ParticipantObjectName></ParticipantObjectIdentification>", 1)))
	hl7 := oneHL7(t, message("MDM^T02", patientSegment, visitSegment, "TXA|1|DS^Letter of "+marked+"|TX|20261122||||||||d1||||"+marked+".doc"))
	for _, e := range []*ocsf.Event{fhir, atna, hl7} {
		text := string(e.AppendJSON(nil))
		if strings.Contains(text, "MARKEDNAME") || strings.Contains(text, "张伟") {
			t.Errorf("a name is kept: %s", text)
		}
	}
	check(t, "document", fhir.Access.Document, "DocumentReference")
	var got []string
	for _, r := range fhir.WebResources {
		got = append(got, r.Type+"/"+r.UID+" "+r.Name[:1])
	}
	wantLines(t, got, "DocumentReference/d1 ~", "Composition/c1 ~", "Binary/b1 s")
	if r := atna.WebResources[0]; r.UID != "d1" || knownName(r.Name) != "" {
		t.Errorf("got %+v", r)
	}
}
