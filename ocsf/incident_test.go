package ocsf

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var testFinding = Finding{
	UID: "family:1", Analytic: "family", Type: "behavior", Title: Text{EN: "n1 opened a relative's record", ZH: "n1 查看了亲属的病历"},
	Why: Text{EN: "same phone", ZH: "电话相同"}, Time: 1700000000000, Person: "n1", Account: "nurse1", Patient: "M1",
	Events: []string{"e1", "e2"}, SeverityID: SeverityMedium, Risk: 61.6,
}

func TestAppendFinding(t *testing.T) {
	const want = `{"class_uid":2004,"category_uid":2,"type_uid":200401,"activity_id":1,"severity_id":3,"status_id":1,"time":1700000000000,` +
		`"message":"n1 opened a relative's record","metadata":{"uid":"family:1","version":"1.9.0","product":{"name":"Cordon","vendor_name":"Cordon"}},` +
		`"finding_info":{"uid":"family:1","title":"n1 opened a relative's record","desc":"same phone","analytic":{"uid":"family","type_id":2,"type":"Behavioral"},` +
		`"created_time":1700000000000,"related_events":[{"uid":"e1"},{"uid":"e2"}]},"actor":{"user":{"uid":"n1","name":"nurse1"}},"risk_score":62,"is_alert":true,` +
		`"resources":[{"uid":"M1","type":"Patient"}],"patient":{"uid":"M1"},"title_zh":"n1 查看了亲属的病历","desc_zh":"电话相同"}`
	if diff := cmp.Diff(want, string(AppendFinding(nil, testFinding))); diff != "" {
		t.Error(diff)
	}
	withdrawn := testFinding
	withdrawn.Withdrawn = "explained by a late admission"
	checkRequired(t, AppendFinding(nil, withdrawn))
}

func TestAppendIncident(t *testing.T) {
	n := Incident{UID: "case-7", Person: "n1", Title: Text{EN: "Two relatives", ZH: "两名亲属"}, Opened: 1, Time: 5, Start: 2,
		Status: IncidentNew, SeverityID: SeverityHigh, Risk: 400, Findings: []Finding{testFinding}}
	const want = `{"class_uid":2005,"category_uid":2,"type_uid":200501,"activity_id":1,"severity_id":4,"status_id":1,"status":"New","time":5,"start_time":2,"end_time":5,` +
		`"message":"Two relatives","desc":"Two relatives","metadata":{"uid":"case-7","version":"1.9.0","product":{"name":"Cordon","vendor_name":"Cordon"}},` +
		`"finding_info":{"uid":"case-7","title":"Two relatives","created_time":1},"finding_info_list":[{"uid":"family:1","title":"n1 opened a relative's record",` +
		`"desc":"same phone","analytic":{"uid":"family","type_id":2,"type":"Behavioral"},"created_time":1700000000000,"related_events":[{"uid":"e1"},{"uid":"e2"}]}],` +
		`"actor":{"user":{"uid":"n1"}},"risk_score":100,"assignee_group":{"name":"security"},"title_zh":"两名亲属"}`
	if diff := cmp.Diff(want, string(AppendIncident(nil, n))); diff != "" {
		t.Error(diff)
	}
	n.Status, n.Verdict, n.Assignee, n.Updated = IncidentClosed, VerdictTruePositive, "o1", 9
	text := AppendIncident(nil, n)
	checkRequired(t, text)
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil || got["activity_id"] != 3.0 || got["verdict"] != "True Positive" {
		t.Errorf("%v %s", err, text)
	}
}

func TestEmptyIncidentAndFindingAreJSON(t *testing.T) {
	for _, text := range [][]byte{AppendFinding(nil, Finding{}), AppendIncident(nil, Incident{})} {
		if !json.Valid(text) {
			t.Errorf("%s", text)
		}
	}
}
