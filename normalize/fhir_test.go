package normalize

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// fhirEvents normalises text and fails on rejects.
func fhirEvents(t *testing.T, text string) []*ocsf.Event {
	t.Helper()
	events, rejects := testNormalizer().Normalize(Input{Format: "fhir-auditevent", Source: "ehr", Received: 1717200000000, Data: []byte(text)})
	for _, r := range rejects {
		t.Fatalf("rejected item %d: %s", r.Item, r.Reason)
	}
	return events
}

func oneEvent(t *testing.T, text string) *ocsf.Event {
	t.Helper()
	events := fhirEvents(t, text)
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	return events[0]
}

func fhirFacts(t *testing.T, text string) []string {
	t.Helper()
	var lines []string
	for _, e := range fhirEvents(t, text) {
		for _, f := range e.Care {
			lines = append(lines, factLine(f))
		}
	}
	return lines
}

func factLine(f ocsf.Fact) string {
	line := fmt.Sprintf("%s %s", f.Kind, f.Patient)
	for _, part := range []struct{ name, value string }{
		{"other", f.Other}, {"visit", f.Encounter}, {"id", f.ID}, {"person", f.Person},
		{"department", f.Department}, {"ward", f.Ward}, {"code", f.Code},
	} {
		if part.value != "" {
			line += " " + part.name + "=" + part.value
		}
	}
	if f.From != 0 || f.Until != 0 {
		line += fmt.Sprintf(" %d..%d", f.From/1000, f.Until/1000)
	}
	if f.Retract {
		line += " retract"
	}
	for _, k := range f.Keys {
		line += " " + k.Kind
	}
	return line
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEncounterR4(t *testing.T) {
	wantLines(t, fhirFacts(t, `{"resourceType":"Encounter","id":"e1","meta":{"lastUpdated":"2024-06-01T08:00:00Z","versionId":"3"},
		"status":"in-progress","class":{"code":"IMP"},"subject":{"reference":"Patient/p1"},
		"participant":[{"type":[{"coding":[{"code":"ATND"}]}],"individual":{"reference":"Practitioner/d1"}},
			{"type":[{"coding":[{"code":"CON"}]}],"individual":{"identifier":{"value":"d2"}},"period":{"start":"2024-06-01T00:00:00Z","end":"2024-06-02"}},
			{"individual":{"reference":"RelatedPerson/r1"}}],
		"period":{"start":"2024-05-31T10:00:00+08:00"},"reasonCode":[{"coding":[{"code":"J18.9","display":"x"}]}],
		"location":[{"location":{"reference":"Location/w7"}}],"serviceProvider":{"reference":"Organization/cardio"}}`),
		"encounter p1 visit=e1 department=cardio code=IMP 1717120800..0",
		"location p1 visit=e1 department=cardio ward=w7 1717120800..0",
		"attending p1 visit=e1 person=d1 department=cardio 1717120800..0",
		"consulting p1 visit=e1 person=d2 department=cardio 1717200000..1717372799",
		"diagnosis p1 visit=e1 code=J18.9 1717120800..0",
	)
}

func TestEncounterR5AndCancelled(t *testing.T) {
	wantLines(t, fhirFacts(t, `{"resourceType":"Encounter","id":"e2","status":"cancelled","class":[{"coding":[{"code":"AMB"}]}],
		"subject":{"identifier":{"value":"M9^^^HOSP"}},"participant":[{"type":[{"coding":[{"code":"ATND"}]}],"actor":{"reference":"Practitioner/d1"}}],
		"actualPeriod":{"start":"2024-06-01T08:00:00Z","end":"2024-06-01T09:00:00Z"},
		"reason":[{"value":[{"concept":{"coding":[{"code":"I10"}]}}]}]}`),
		"encounter M9 visit=e2 code=AMB 1717228800..1717232400 retract",
		"attending M9 visit=e2 person=d1 1717228800..1717232400 retract",
		"diagnosis M9 visit=e2 code=I10 1717228800..0 retract",
	)
}

func TestAppointmentCareTeamServiceRequest(t *testing.T) {
	wantLines(t, fhirFacts(t, `[
		{"resourceType":"Appointment","id":"a1","status":"booked","created":"2024-05-01","start":"2024-06-01T08:00:00Z","end":"2024-06-01T08:30:00Z",
		 "participant":[{"actor":{"reference":"Patient/p1"}},{"actor":{"reference":"Practitioner/d1"}},{"actor":{"reference":"HealthcareService/derm"}}]},
		{"resourceType":"CareTeam","id":"t1","meta":{"lastUpdated":"2024-06-01T08:00:00Z"},"status":"active","subject":{"reference":"Patient/p1"},
		 "participant":[{"member":{"reference":"Practitioner/d1"},"onBehalfOf":{"reference":"Organization/onco"}},{"member":{"reference":"Organization/pall"}},{"member":{"reference":"Patient/p1"}}]},
		{"resourceType":"ServiceRequest","id":"s1","status":"active","authoredOn":"2024-06-01T08:00:00Z","subject":{"reference":"Patient/p1"},
		 "code":{"coding":[{"code":"CBC"}]},"requester":{"reference":"Practitioner/d1"},"performer":[{"reference":"Practitioner/l1"},{"reference":"Organization/lab"}],"encounter":{"reference":"Encounter/e1"}},
		{"resourceType":"ServiceRequest","id":"s2","status":"revoked","authoredOn":"2024-06-01T08:00:00Z","subject":{"reference":"Patient/p1"},
		 "code":{"concept":{"coding":[{"code":"3457005"}]}},"performer":{"reference":"Practitioner/d5"}}]`),
		"appointment p1 id=a1 person=d1 department=derm 1717228800..1717230600",
		"care-team p1 id=t1 person=d1 department=onco 1717228800..0",
		"care-team p1 id=t1 department=pall 1717228800..0",
		"order p1 visit=e1 id=s1 person=d1 code=CBC 1717228800..0",
		"performer p1 visit=e1 id=s1 person=l1 code=CBC 1717228800..0",
		"performer p1 visit=e1 id=s1 department=lab code=CBC 1717228800..0",
		"referral p1 id=s2 person=d5 code=3457005 1717228800..0 retract",
	)
}

const patientJSON = `{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2024-06-01T00:00:00Z","security":[{"code":"VIP"}]},
	"identifier":[{"value":"X1"},{"type":{"coding":[{"code":"MR"}]},"value":"M1"},{"type":{"coding":[{"code":"NNCHN"}]},"value":"11010519491231002X"}],
	"name":[{"family":"张","given":["三"]}],"telecom":[{"system":"phone","value":"+86 138-0013-8000"},{"system":"email","value":"a@b.c"}],
	"address":[{"line":["长安街1号"],"city":"北京市"}],
	"contact":[{"name":{"text":"李四"},"telecom":[{"value":"13900139000"}]}],
	"link":[{"other":{"reference":"Patient/old"},"type":"replaces"}]}`

func TestPatientGivesTokensOnly(t *testing.T) {
	events := fhirEvents(t, patientJSON+"\n"+`{"resourceType":"RelatedPerson","id":"r1","patient":{"reference":"Patient/p1"},"name":[{"text":"王五"}]}`)
	var lines []string
	for _, e := range events {
		for _, f := range e.Care {
			lines = append(lines, factLine(f))
		}
		text := string(e.AppendJSON(nil))
		for _, secret := range []string{"张", "13800138000", "138-0013", "长安街", "李四", "1390013", "11010519491231002X", "王五", "a@b.c"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s stands in the event", secret)
			}
		}
	}
	wantLines(t, lines,
		"alias M1 other=p1 1717200000..0",
		"alias M1 other=X1 1717200000..0",
		"demographics M1 1717200000..0 national_id name surname phone address building",
		"kin M1 id=1 code=NK1 1717200000..0 name surname phone",
		"sensitivity M1 code=vip 1717200000..0",
		"merge M1 other=old 1717200000..0",
		"kin p1 id=r1 code=NK1 1..0 name surname",
	)
}

// TestCareTimeIsNotTheReceipt: whenever a resource is imported, it is the same
// event at the same time.
func TestCareTimeIsNotTheReceipt(t *testing.T) {
	const p1 = `,"subject":{"reference":"Patient/p1"}`
	for text, want := range map[string]int64{
		`{"resourceType":"Patient","id":"p1","name":[{"text":"王五"}]}`:                                                                                        undated,
		`{"resourceType":"RelatedPerson","id":"r","patient":{"reference":"Patient/p1"},"name":[{"text":"王五"}]}`:                                              undated,
		`{"resourceType":"RelatedPerson","id":"r","period":{"start":"2024-06-01T00:00:00Z"},"patient":{"reference":"Patient/p1"},"name":[{"text":"王五"}]}`:    1717200000000,
		`{"resourceType":"CareTeam","id":"t"` + p1 + `,"participant":[{"member":{"reference":"Practitioner/d"},"period":{"start":"2024-06-01T00:00:00Z"}}]}`: 1717200000000,
		`{"resourceType":"CareTeam","id":"t"` + p1 + `,"participant":[{"member":{"reference":"Practitioner/d"}}]}`:                                           0,
		`{"resourceType":"CareTeam","id":"t","status":"active"` + p1 + `,"participant":[{"member":{"reference":"Practitioner/d"}}]}`:                         undated,
		`{"resourceType":"CareTeam","id":"t","status":"inactive"` + p1 + `,"participant":[{"member":{"reference":"Practitioner/d"}}]}`:                       0,
		`{"resourceType":"Encounter","id":"e"` + p1 + `}`:                                                                                                    0,
		`{"resourceType":"Condition","id":"c","code":{"coding":[{"code":"A"}]}` + p1 + `}`:                                                                   0,
	} {
		var uids []string
		for _, received := range []int64{1717300000000, 1717400000000} {
			events, rejects := testNormalizer().Normalize(Input{Format: "fhir", Received: received, Data: []byte(text)})
			switch {
			case want == 0 && len(events) == 0 && len(rejects) == 1 && strings.Contains(rejects[0].Reason, "no time: meta.lastUpdated"):
				continue
			case len(events) != 1 || events[0].Time != want || events[0].Metadata.OriginalTime != "":
				t.Fatalf("%s: %v %v", text, events, rejects)
			}
			uids = append(uids, events[0].Metadata.UID)
		}
		if len(uids) == 2 && uids[0] != uids[1] {
			t.Errorf("%s: ids %v", text, uids)
		}
	}
}

func TestBundleResolvesReferences(t *testing.T) {
	wantLines(t, fhirFacts(t, `{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:1","resource":`+patientJSON+`},
		{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Practitioner","id":"x","identifier":[{"value":"D100"}]}},
		{"resource":{"resourceType":"PractitionerRole","id":"pr","practitioner":{"reference":"Practitioner/x"}}},
		{"resource":{"resourceType":"Encounter","id":"e","status":"planned","period":{"start":"2024-06-01T00:00:00Z"},"subject":{"reference":"urn:uuid:1"},
			"participant":[{"individual":{"reference":"urn:uuid:2"}},{"individual":{"reference":"PractitionerRole/pr"}}]}}]}`)[6:],
		"encounter M1 visit=e 1717200000..0",
		"care-team M1 visit=e person=D100 1717200000..0",
		"care-team M1 visit=e person=x 1717200000..0",
	)
}

const auditR5 = `{"resourceType":"AuditEvent","id":"r5","category":[{"coding":[{"code":"rest"}]}],"code":{"coding":[{"code":"read"}]},"action":"R",
	"severity":"warning","occurredDateTime":"2024-06-01T08:00:00.25+08:00","recorded":"2024-06-01T00:01:00Z",
	"outcome":{"code":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-outcome","code":"8"},"detail":[{"text":"not allowed"}]},
	"authorization":[{"coding":[{"code":"TREAT"}],"text":"called by ward"}],
	"agent":[{"type":{"coding":[{"code":"humanuser"}]},"role":[{"coding":[{"code":"nurse"}]}],"who":{"identifier":{"value":"n7"}},"requestor":true,"networkString":"10.1.2.3"}],
	"source":{"site":{"display":"HIS"},"observer":{"display":"EHR"}},"patient":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},
	"entity":[{"what":{"reference":"http://ehr.example/fhir/Observation/o1/_history/2"},"securityLabel":[{"coding":[{"code":"HIV"}]}]}]}`

func TestAuditEventR5(t *testing.T) {
	e := oneEvent(t, auditR5)
	want := &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, SeverityID: ocsf.SeverityMedium,
		StatusID: ocsf.StatusFailure, StatusCode: "8", StatusDetail: "not allowed", Time: 1717200000250,
		Metadata: ocsf.Metadata{UID: "r5", Version: ocsf.Version, Product: ocsf.Product{Name: "EHR"}, LogName: "fhir-auditevent",
			LogProvider: "ehr", LoggedTime: 1717200000000, EventCode: "read"},
		Actor:               ocsf.Actor{User: ocsf.User{Account: "n7", Roles: []string{"nurse"}}},
		SrcEndpoint:         ocsf.Endpoint{IP: "10.1.2.3"},
		WebResources:        []ocsf.Resource{{UID: "o1", Type: "Observation", Labels: []string{"HIV", "version=2"}}},
		DataClassifications: []ocsf.DataClassification{{Scheme: "GB/T 39725", Level: 5, Category: "hiv"}},
		Patient:             &ocsf.Patient{UID: "p1", Encounter: "e1"},
		Access:              &ocsf.Access{Purpose: []string{"TREAT"}, Reason: "called by ward", Document: "Observation"},
		Unmapped:            ocsf.RawJSON(`{"site":"HIS"}`),
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func audit(members string) string {
	return `{"resourceType":"AuditEvent","id":"x","recorded":"2024-06-01T00:00:00Z","agent":[{"who":{"identifier":{"value":"u"}},"requestor":true}],` + members + `}`
}

const entityP1 = `"entity":[{"what":{"reference":"Patient/p1"},"role":{"code":"1"}}]`

func TestBreakGlassSpellings(t *testing.T) {
	for name, members := range map[string]string{
		"DICOM":      `"type":{"code":"110113"},"subtype":[{"code":"110127"}]`,
		"R4 purpose": `"type":{"code":"rest"},"purposeOfEvent":[{"coding":[{"code":"ETREAT"}]}]`,
		"CH ATC":     `"type":{"code":"rest"},"purposeOfEvent":[{"coding":[{"code":"EMER"}]}]`,
		"R5":         `"code":{"coding":[{"code":"read"}]},"authorization":[{"coding":[{"code":"BTG"}],"text":"coma"}]`,
		"hybrid":     `"type":{"code":"110113"},"agent":[{"authorization":[{"coding":[{"code":"BTG"}]}]}]`,
	} {
		if e := oneEvent(t, audit(members+","+entityP1)); !e.Access.BreakGlass {
			t.Errorf("%s: not recognised", name)
		}
	}
	if e := oneEvent(t, audit(`"subtype":[{"code":"110138"}],`+entityP1)); e.Access.BreakGlass {
		t.Error("the end of an override is taken for one")
	}
}

func TestWhoFallsBack(t *testing.T) {
	for agent, want := range map[string]string{
		`{"who":{"identifier":{"value":"a"}},"altId":"b","name":"c","requestor":true}`:       "a",
		`{"who":{"reference":"Practitioner/z"},"altId":"b","name":"c","requestor":true}`:     "b",
		`{"who":{"reference":"Practitioner/z"},"name":"c","requestor":true}`:                 "c",
		`{"who":{"reference":"Practitioner/z","display":"d"},"requestor":true}`:              "z",
		`{"who":{"display":"d"},"requestor":"true"}`:                                         "d",
		`{"type":{"coding":[{"code":"IRCP"}]},"who":{"identifier":{"value":"a"}}}`:           "a",
		`{"type":{"coding":[{"code":"110153"}]},"altId":"7@pc","requestor":true}`:            "7@pc",
		`[{"type":{"coding":[{"code":"110150"}]},"name":"app"},{"altId":"u","requestor":1}]`: "u",
	} {
		text := `{"resourceType":"AuditEvent","recorded":"2024-06-01T00:00:00Z","agent":` + agent + `,` + entityP1 + `}`
		if got := oneEvent(t, text).Actor.User.Account; got != want {
			t.Errorf("%s: %q, want %q", agent, got, want)
		}
	}
}

func TestActivities(t *testing.T) {
	for members, want := range map[string]int{
		`"action":"R"`:                                                         ocsf.AccessRead,
		`"action":"E","type":{"code":"110112"}`:                                ocsf.AccessSearch,
		`"action":"R","type":{"code":"110106"}`:                                ocsf.AccessExport,
		`"action":"R","type":{"code":"110106"},"subtype":{"code":"ITI-43"}`:    ocsf.AccessRead,
		`"action":"E","subtype":[{"code":"operation"},{"code":"$export"}]`:     ocsf.AccessExport,
		`"action":"R","subtype":[{"code":"read"},{"code":"disclose"}]`:         ocsf.AccessShare,
		`"action":"C","type":{"code":"110106"},"subtype":{"code":"ATC_POL_X"}`: ocsf.AccessCreate,
		`"subtype":{"code":"patch"}`:                                           ocsf.AccessUpdate,
		`"type":{"code":"rest"}`:                                               ocsf.ActivityUnknown,
	} {
		if got := oneEvent(t, audit(members+","+entityP1)).ActivityID; got != want {
			t.Errorf("%s: activity %d, want %d", members, got, want)
		}
	}
}

func TestListsAreIncidentalAndOneEventForEachPatient(t *testing.T) {
	events := fhirEvents(t, audit(`"subtype":{"code":"search-type"},"entity":[{"what":{"reference":"Patient/p1"},"role":{"code":"1"}},
		{"what":{"reference":"Patient/p2"},"role":{"code":"1"}},{"what":{"reference":"Patient/p2"},"role":{"code":"1"}}]`))
	var got []string
	for _, e := range events {
		got = append(got, e.Metadata.UID+" "+e.Patient.UID+fmt.Sprint(e.Access.Incidental)+" "+e.WebResources[0].UID)
	}
	wantLines(t, got, "x p1true p1", "x#2 p2true p2")
}

func TestNamedPatientsAreNoList(t *testing.T) {
	const two = `"entity":[{"what":{"reference":"Patient/p1"},"role":{"code":"1"}},{"what":{"reference":"Patient/p2"},"role":{"code":"1"}}`
	query := func(text string) string {
		return two + `,{"role":{"code":"24"},"query":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}]`
	}
	const admin = `"purposeOfEvent":[{"coding":[{"code":"HSYSADMIN"}]}],`
	for members, want := range map[string]bool{
		`"action":"R",` + two + `]`:                                                             false,
		`"action":"R","subtype":{"code":"read"},` + two + `]`:                                   false,
		admin + `"action":"R",` + entityP1:                                                      false,
		admin + `"action":"R",` + two + `]`:                                                     false,
		`"action":"U",` + two + `]`:                                                             false,
		`"action":"R","subtype":{"code":"read"},` + query("Encounter?location=w7"):              false,
		`"action":"E","subtype":{"code":"search-type"},` + query("Observation?patient=p1,p2"):   false,
		`"action":"E","subtype":{"code":"search-type"},` + query("Observation?patient=p1"):      false,
		`"action":"E","subtype":{"code":"search-type"},` + two + `]`:                            true,
		`"action":"E","subtype":{"code":"search-type"},` + query("Encounter?location=w7"):       true,
		`"action":"E",` + query("Encounter?location=w7"):                                        true,
		`"action":"R","type":{"code":"rest"},` + query("GET /fhir/Encounter?location=w7"):       true,
		`"action":"E","subtype":{"code":"search-type"},` + query("Patient?family=Wu&gender=m"):  true,
		`"action":"R","subtype":{"code":"history-type"},` + two + `]`:                           true,
		`"action":"E","subtype":{"code":"search-type"},` + query("Encounter?_has:X:patient=a,"): true,
	} {
		for _, e := range fhirEvents(t, audit(members)) {
			if e.Access.Incidental != want {
				t.Errorf("%s: patient %s, incidental %v", members, e.Patient.UID, e.Access.Incidental)
			}
		}
	}
}

func TestPatientResourceBesideThePatient(t *testing.T) {
	e := oneEvent(t, audit(`"action":"R","entity":[{"what":{"reference":"Patient/x"},"type":{"code":"Patient"},"role":{"code":"4"}},
		{"what":{"identifier":{"value":"M1"}},"role":{"code":"1"}}]`))
	if e.Patient.UID != "M1" || e.Access.Incidental || len(e.WebResources) != 1 || e.WebResources[0].UID != "x" {
		t.Errorf("got %s", e.AppendJSON(nil))
	}
	e = oneEvent(t, audit(`"action":"R","entity":{"what":{"reference":"Patient/x"},"type":{"code":"Patient"},"role":{"code":"4"}}`))
	if e.Patient.UID != "x" {
		t.Errorf("got %s", e.AppendJSON(nil))
	}
}

func TestQueries(t *testing.T) {
	n := testNormalizer()
	name := "~" + n.key.Token(keyed.Surname, "Smith")
	for text, want := range map[string]fhirQuery{
		"GET http://h/fhir/Observation?patient=Patient/p1&code=x HTTP/1.1": {resource: "Observation", patient: "p1",
			text: "Observation?patient=Patient/p1&code=x"},
		"Patient?family=Smith":            {resource: "Patient", text: "Patient?family=" + name},
		"Patient/p1/$everything":          {resource: "Patient", patient: "p1", text: "Patient"},
		"Encounter?location=w7&_count=50": {resource: "Encounter", population: true, text: "Encounter?location=w7&_count=50"},
		"GET /Patient/$export":            {resource: "Patient", population: true, export: true, text: "Patient"},
		"MSH|^~\\&|A|B":                   {},
		"<soap:Envelope/>":                {},
		"POST /Observation/_search\nHost: x\n\nsubject%3APatient.identifier=s%7C42": {resource: "Observation", patient: "42",
			text: "Observation?subject:Patient.identifier=s|42"},
		"Observation?_text=private&performer=d1": {resource: "Observation", population: true,
			text: "Observation?_text=~" + n.key.Token("_text", "private") + "&performer=d1"},
	} {
		if got := n.readQuery(text); got != want {
			t.Errorf("%q:\n got %+v\nwant %+v", text, got, want)
		}
	}
}

func TestRejectsAreNamedAndDoNotStopTheRest(t *testing.T) {
	text := audit(entityP1) + "\n{broken SECRET\n" + `{"resourceType":"AuditEvent","id":"n"}` + "\n" +
		`{"resourceType":"Observation","id":"o"}` + "\n" + `7` + "\n" + `{"resourceType":"AuditEvent","recorded":"yesterday SECRET"}` + "\n" +
		`{"resourceType":"Bundle","entry":[{"fullUrl":"a"},{"resource":` + audit(entityP1) + `}]}`
	events, rejects := testNormalizer().Normalize(Input{Format: "fhir-auditevent", Received: 1, Data: []byte(text)})
	if len(events) != 2 {
		t.Errorf("%d events, want 2", len(events))
	}
	var got []string
	for _, r := range rejects {
		got = append(got, fmt.Sprint(r.Item, " ", r.Reason))
	}
	wantLines(t, got,
		"1 invalid JSON at byte 1: the name of a member is missing",
		"2 no time: recorded, occurred[x] and period are missing",
		"3 a FHIR resource of a type Cordon does not use",
		"4 not a FHIR resource: no resourceType",
		"5 recorded, occurred[x] or period is not a FHIR date or instant",
		"6 Bundle entry 6 has no resource",
	)
}

func TestXMLBundleAndRepeatedElements(t *testing.T) {
	text := `<?xml version="1.0" encoding="GBK"?><Bundle xmlns="http://hl7.org/fhir"><entry><fullUrl value="urn:uuid:9"/><resource>
		<AuditEvent><text><div xmlns="http://www.w3.org/1999/xhtml">&nbsp;</div></text><recorded value="2024-06-01T00:00:00Z"/>
		<subtype><code value="search-type"/></subtype><subtype><code value="export"/></subtype>
		<agent><altId value="a1"/><requestor value="false"/></agent><agent><altId value="a2"/><requestor value="true"/></agent>
		<entity><what><reference value="Patient/p1"/></what></entity></AuditEvent></resource></entry></Bundle>`
	e := oneEvent(t, text+text[:0])
	if e.Actor.User.Account != "a2" || e.ActivityID != ocsf.AccessExport || e.Patient.UID != "p1" || e.Metadata.UID != "9" {
		t.Errorf("got %s", e.AppendJSON(nil))
	}
}

func TestAuthentication(t *testing.T) {
	e := oneEvent(t, audit(`"type":{"code":"110114"},"subtype":[{"code":"110122"}],"outcome":"4","source":{"observer":{"display":"EHR"}}`))
	if e.ClassUID != ocsf.Authentication || e.ActivityID != ocsf.AuthLogon || e.User == nil || e.User.Account != "u" ||
		e.StatusID != ocsf.StatusFailure || e.DstEndpoint.Name != "EHR" {
		t.Errorf("got %s", e.AppendJSON(nil))
	}
}

func TestNoIDIsNamedByContent(t *testing.T) {
	text := `{"resourceType":"AuditEvent","recorded":"2024-06-01T00:00:00Z",` + entityP1 + `}`
	a, b := oneEvent(t, text), oneEvent(t, " "+text)
	if !strings.HasPrefix(a.Metadata.UID, "sha256:") || len(a.Metadata.UID) != 7+32 || a.Metadata.UID != b.Metadata.UID {
		t.Errorf("uids %s, %s", a.Metadata.UID, b.Metadata.UID)
	}
}

func TestTimesWithoutZone(t *testing.T) {
	e := oneEvent(t, `{"resourceType":"AuditEvent","recorded":"2024-06-01T08:00:00",`+entityP1+`}`)
	if e.Time != 1717228800000 || e.Metadata.OriginalTime != "2024-06-01T08:00:00" {
		t.Errorf("%d %q", e.Time, e.Metadata.OriginalTime)
	}
}

func FuzzFHIR(f *testing.F) {
	f.Add([]byte(auditR5))
	f.Add([]byte(patientJSON))
	f.Add([]byte(audit(entityP1)))
	f.Add([]byte(`<AuditEvent xmlns="http://hl7.org/fhir"><recorded value="2020"/></AuditEvent>`))
	for _, path := range fuzzSeeds(f, "fhir-auditevent") {
		f.Add(path)
	}
	n := testNormalizer()
	f.Fuzz(func(t *testing.T, data []byte) { checkNothingLost(t, n, "fhir-auditevent", data) })
}

// fuzzSeeds are the contents of the samples where they are present.
func fuzzSeeds(f *testing.F, folder string) (seeds [][]byte) {
	dir := sharedData(f)
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	for _, path := range samples(f, folder) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, data)
	}
	return seeds
}

// checkNothingLost holds what must be true of any input: no panic, the same
// result twice, every event complete, and nothing dropped silently.
func checkNothingLost(t *testing.T, n *Normalizer, format string, data []byte) {
	in := Input{Format: format, Source: "fuzz", Received: 1, Data: data}
	events, rejects := n.Normalize(in)
	again, _ := n.Normalize(in)
	if len(events)+len(rejects) == 0 && strings.Trim(string(utf8Text(data)), "[] \t\r\n\ufeff") != "" {
		t.Fatal("input vanished")
	}
	if len(events) != len(again) {
		t.Fatal("not deterministic")
	}
	for i, e := range events {
		text := e.AppendJSON(nil)
		if string(text) != string(again[i].AppendJSON(nil)) {
			t.Fatal("not deterministic")
		}
		if e.Metadata.UID == "" || e.ClassUID == 0 || e.Metadata.Version == "" {
			t.Fatalf("incomplete event %s", text)
		}
		var back ocsf.Event
		if err := ocsf.Decode(text, &back); err != nil {
			t.Fatalf("event cannot be read back: %v", err)
		}
	}
	for _, r := range rejects {
		if r.Reason == "" {
			t.Fatal("a reject without a reason")
		}
	}
}

func BenchmarkFHIRAuditEvent(b *testing.B) {
	line := strings.ReplaceAll(strings.ReplaceAll(benchAudit, "\n", ""), "\t", "")
	data := []byte(strings.Repeat(line+"\n", 100))
	n := testNormalizer()
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for i := 0; i < b.N; i += 100 {
		events, rejects := n.Normalize(Input{Format: "fhir-auditevent", Source: "ehr", Received: 1, Data: data})
		if len(events) != 100 || len(rejects) != 0 {
			b.Fatal(len(events), rejects)
		}
	}
}

const benchAudit = `{"resourceType":"AuditEvent","id":"8b7a0c7e-0000-4e5c-9a3c-1f2a3b4c5d6e",
"meta":{"profile":["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"]},
"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest","display":"Restful Operation"},
"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"read","display":"read"}],"action":"R",
"recorded":"2026-03-02T08:15:27.123Z","outcome":"0",
"purposeOfEvent":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}]}],
"agent":[{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110152","display":"Destination Role ID"}]},
"who":{"display":"ws-7n-03"},"requestor":false,"network":{"address":"10.20.7.33","type":"2"}},
{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153","display":"Source Role ID"}]},
"who":{"reference":"Device/ehr"},"requestor":false,"network":{"address":"http://ehr.example.com/fhir","type":"5"}},
{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP","display":"information recipient"}]},
"who":{"identifier":{"system":"urn:staff","value":"n1042"},"display":"Example Nurse"},"requestor":true}],
"source":{"site":"ehr.example.com","observer":{"reference":"Device/ehr"},
"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server"}]},
"entity":[{"what":{"reference":"DocumentReference/d-778812"},
"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},
"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"3","display":"Report"}},
{"what":{"identifier":{"system":"urn:mrn","value":"M0012345"},"reference":"Patient/p12345"},
"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1","display":"Person"},
"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1","display":"Patient"}},
{"what":{"identifier":{"value":"c07cf648-f068-4dd9-9411-8e69ca07d525"}},
"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"}}]}`
