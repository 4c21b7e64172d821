package normalize

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// auditXML builds an audit message; body are objects and further participants.
func auditXML(eventID, action string, types []string, body ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<AuditMessage><EventIdentification EventActionCode="%s" EventDateTime="2026-11-22T08:00:00+08:00" EventOutcomeIndicator="0">`, action)
	fmt.Fprintf(&b, `<EventID csd-code="%s" codeSystemName="DCM" originalText="x"/>`, eventID)
	for _, code := range types {
		fmt.Fprintf(&b, `<EventTypeCode csd-code="%s" codeSystemName="DCM" originalText="x"/>`, code)
	}
	b.WriteString(`</EventIdentification>`)
	b.WriteString(`<ActiveParticipant UserID="D001" UserName="李雷" UserIsRequestor="true" NetworkAccessPointID="10.1.2.3" NetworkAccessPointTypeCode="2"/>`)
	b.WriteString(`<AuditSourceIdentification AuditSourceID="PACS" AuditEnterpriseSiteID="WEST"/>`)
	b.WriteString(strings.Join(body, ""))
	b.WriteString(`</AuditMessage>`)
	return b.String()
}

func object(id, kind, role, idType, inside string) string {
	return fmt.Sprintf(`<ParticipantObjectIdentification ParticipantObjectID="%s" ParticipantObjectTypeCode="%s" ParticipantObjectTypeCodeRole="%s">`+
		`<ParticipantObjectIDTypeCode csd-code="%s" codeSystemName="RFC-3881" originalText="t"/>%s</ParticipantObjectIdentification>`, id, kind, role, idType, inside)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func normalizeAs(t *testing.T, format, data string) []*ocsf.Event {
	t.Helper()
	events, rejects := New(Options{Zone: zh()}).Normalize(Input{Format: format, Received: ms(t, "2026-11-22T12:00:00+08:00"), Data: []byte(data)})
	for _, r := range rejects {
		t.Errorf("rejected: %s", r.Reason)
	}
	return events
}

func oneOf(t *testing.T, format, data string) *ocsf.Event {
	t.Helper()
	events := normalizeAs(t, format, data)
	if len(events) != 1 {
		t.Fatalf("%d events of %.80q, want 1", len(events), data)
	}
	return events[0]
}

const patientObject = `<ParticipantObjectIdentification ParticipantObjectID="700001^^^&amp;1.2.3&amp;ISO" ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1">` +
	`<ParticipantObjectIDTypeCode code="2"/><ParticipantObjectName>张伟</ParticipantObjectName></ParticipantObjectIdentification>`

func TestAuditClasses(t *testing.T) {
	for _, c := range []struct {
		id, action string
		types      []string
		class      ocsf.Class
		activity   int
	}{
		{"110100", "E", []string{"110120"}, ocsf.ApplicationLifecycle, 3},
		{"110100", "E", []string{"110121"}, ocsf.ApplicationLifecycle, 4},
		{"110101", "R", nil, ocsf.WebResourcesActivity, ocsf.AccessRead},
		{"110103", "R", nil, ocsf.WebResourcesActivity, ocsf.AccessRead},
		{"110103", "D", nil, ocsf.WebResourcesActivity, ocsf.AccessDelete},
		{"110104", "C", nil, ocsf.WebResourcesActivity, ocsf.AccessShare},
		{"110105", "D", nil, ocsf.WebResourcesActivity, ocsf.AccessDelete},
		{"110106", "R", nil, ocsf.WebResourcesActivity, ocsf.AccessExport},
		{"110106", "R", []string{"ITI-43"}, ocsf.WebResourcesActivity, ocsf.AccessRead},
		{"110106", "R", []string{"ITI-41"}, ocsf.WebResourcesActivity, ocsf.AccessCreate},
		{"110107", "C", nil, ocsf.WebResourcesActivity, ocsf.AccessImport},
		{"110110", "U", nil, ocsf.WebResourcesActivity, ocsf.AccessUpdate},
		{"110112", "E", nil, ocsf.WebResourcesActivity, ocsf.AccessSearch},
		{"110113", "E", []string{"110127"}, ocsf.WebResourcesActivity, ocsf.AccessRead},
		{"110113", "E", []string{"110133"}, ocsf.ApplicationLifecycle, 4},
		{"110113", "E", []string{"110137"}, ocsf.EntityManagement, 3},
		{"110113", "E", []string{"110139"}, ocsf.Authentication, 1},
		{"110114", "E", []string{"110122"}, ocsf.Authentication, 1},
		{"110114", "E", []string{"110123"}, ocsf.Authentication, 2},
		{"110108", "E", []string{"110124"}, ocsf.NetworkActivity, 1},
		{"999999", "R", nil, ocsf.BaseEvent, 99},
	} {
		e := oneOf(t, "atna", auditXML(c.id, c.action, c.types))
		if e.ClassUID != c.class || e.ActivityID != c.activity {
			t.Errorf("%s %s %v gives %d/%d, want %d/%d", c.id, c.action, c.types, e.ClassUID, e.ActivityID, c.class, c.activity)
		}
	}
}

func TestAuditSpellings(t *testing.T) {
	modern := auditXML("110110", "R", nil, patientObject)
	old := strings.NewReplacer("csd-code", "code", "originalText", "displayName").Replace(modern)
	prefixed := strings.NewReplacer("</", "</a:", "<A", "<a:A", "<E", "<a:E", "<P", "<a:P").Replace(modern)
	prefixed = strings.Replace(prefixed, "<a:AuditMessage>", `<a:AuditMessage xmlns:a="urn:x">`, 1)
	for name, text := range map[string]string{
		"DICOM": modern, "RFC 3881": old, "namespace": prefixed, "BOM": "\xef\xbb\xbf" + modern,
		"declaration":         `<?xml version="1.0" encoding="UTF-8"?>` + "\n<!-- <AuditMessage> -->\n" + modern,
		"syslog":              "<85>1 2026-11-22T08:00:00Z pacs app 17 IHE+RFC-3881 - \xef\xbb\xbf" + modern,
		"DICOM MSGID":         "<85>1 2026-11-22T08:00:00Z pacs app 17 DICOM+RFC3881 - " + modern,
		"no BOM, broken time": "<128>1 20140210005309 pacs app 17 IHE+DICOM - " + modern,
		"no structured data":  "<85>1 2026-11-22T08:00:00Z pacs app 17 IHE+DICOM " + modern,
		"RFC 3164":            "<85>Nov 22 08:00:00 pacs app[17]: " + modern,
		"pretty":              strings.ReplaceAll(modern, "><", ">\n  <"),
		"in GBK":              string(gbk(t, strings.Replace(modern, "<AuditMessage>", `<?xml version="1.0" encoding="GB2312"?><AuditMessage>`, 1))),
	} {
		e := oneOf(t, "atna", text)
		got := fmt.Sprint(e.Actor.User.Account, e.Actor.User.FullName, e.Patient.UID, e.ActivityID, e.Metadata.EventCode, e.SrcEndpoint.IP, e.Time)
		want := fmt.Sprint("D001", "李雷", "700001", ocsf.AccessRead, "110110", "10.1.2.3", ms(t, "2026-11-22T08:00:00+08:00"))
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if strings.Contains(string(e.AppendJSON(nil)), "张伟") {
			t.Errorf("%s: the patient's name is kept", name)
		}
	}
}

func TestAuditFrames(t *testing.T) {
	line := "<85>1 2026-11-22T08:00:00Z pacs app 17 IHE+DICOM - " + auditXML("110110", "R", nil, patientObject)
	frame := fmt.Sprintf("%d %s", len(line), line)
	cut := "<85>1 2026-11-22T08:00:00Z pacs app 17 IHE+DICOM - <AuditMessage><EventIdentification>"
	for name, c := range map[string]struct {
		data            string
		events, rejects int
	}{
		"lines":        {line + "\n" + line + "\r\n", 2, 0},
		"octet counts": {frame + frame, 2, 0},
		"documents":    {auditXML("110110", "R", nil) + "\n\n" + auditXML("110110", "R", nil), 2, 0},
		"other line":   {"<34>1 2026-11-22T08:00:00Z host su - - - failed\n" + line, 1, 1},
		"cut off":      {cut + "\n" + line, 1, 1},
		"cut at end":   {line + "\n" + cut, 1, 1},
	} {
		n := New(Options{})
		events, rejects := n.Normalize(Input{Format: "atna", Data: []byte(c.data)})
		if len(events) != c.events || len(rejects) != c.rejects {
			t.Errorf("%s: %d events, rejects %v", name, len(events), rejects)
		}
		records := 0
		for _, err := range n.Records("atna", strings.NewReader(c.data)) {
			if err != nil {
				t.Fatal(err)
			}
			records++
		}
		if records != c.events+c.rejects {
			t.Errorf("%s: %d records", name, records)
		}
	}
}

func TestAuditDetails(t *testing.T) {
	study := `<ParticipantObjectIdentification ParticipantObjectID="1.2.3" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="3" ParticipantObjectSensitivity="HIV" ParticipantObjectDataLifeCycle="10">` +
		`<ParticipantObjectIDTypeCode csd-code="110180" codeSystemName="DCM" originalText="Study"/><ParticipantObjectDetail type="X-Request-Id" value="` + b64("req-1") + `"/>` +
		`<SOPClass UID="1" NumberOfInstances="1500"/><ParticipantObjectDescription><SOPClass UID="2" NumberOfInstances="3"/></ParticipantObjectDescription></ParticipantObjectIdentification>`
	e := oneOf(t, "atna", auditXML("110106", "R", nil, patientObject, study))
	if len(e.WebResources) != 1 || e.WebResources[0].Count != 1503 || strings.Join(e.WebResources[0].Labels, ",") != "HIV,export" {
		t.Errorf("resources are %+v", e.WebResources)
	}
	if len(e.DataClassifications) != 1 || e.DataClassifications[0].Level != 5 {
		t.Errorf("classifications are %+v", e.DataClassifications)
	}
	check(t, "ids", e.Metadata.UID+" "+e.Metadata.CorrelationUID, "req-1 req-1")
	own := object("9", "2", "4", "99", `<ParticipantObjectDetail type="event-id" value="`+b64("ev-7")+`"/>`)
	e = oneOf(t, "atna", auditXML("110106", "R", nil, patientObject, study, own))
	check(t, "own id", e.Metadata.UID+" "+e.Metadata.CorrelationUID, "ev-7 req-1")
	again := oneOf(t, "atna", auditXML("110110", "R", nil, patientObject))
	same := oneOf(t, "atna", "<85>1 - - - - - - "+auditXML("110110", "R", nil, patientObject))
	if again.Metadata.UID != same.Metadata.UID || !strings.HasPrefix(again.Metadata.UID, "sha256:") {
		t.Errorf("content ids %s and %s", again.Metadata.UID, same.Metadata.UID)
	}
}

func TestAuditOfSeveralPatients(t *testing.T) {
	second := strings.ReplaceAll(patientObject, "700001", "700002")
	id := object("1", "2", "4", "99", `<ParticipantObjectDetail type="event-id" value="`+b64("ev-7")+`"/>`)
	events := normalizeAs(t, "atna", auditXML("110112", "E", nil, patientObject, second, patientObject, id))
	if len(events) != 2 {
		t.Fatalf("%d events, want 2", len(events))
	}
	for i, want := range []string{"700001 ev-7", "700002 ev-7#2"} {
		check(t, "event", events[i].Patient.UID+" "+events[i].Metadata.UID, want)
		if events[i].Access == nil || !events[i].Access.Incidental {
			t.Error("a search that found several chose nobody")
		}
	}
}

func TestBreakGlass(t *testing.T) {
	reason := object("1", "2", "4", "99", `<ParticipantObjectDetail type="reason" value="`+b64("抢救")+`"/>`)
	e := oneOf(t, "atna", auditXML("110113", "E", []string{"110127"}, patientObject, reason))
	if !e.Access.BreakGlass || e.Access.Reason != "抢救" || !e.IsAccess() {
		t.Errorf("access is %+v", e.Access)
	}
	purpose := strings.Replace(auditXML("110110", "R", nil, patientObject), "</EventIdentification>", `<PurposeOfUse csd-code="ETREAT"/></EventIdentification>`, 1)
	if e := oneOf(t, "atna", purpose); !e.Access.BreakGlass || e.Access.Purpose[0] != "ETREAT" {
		t.Errorf("access is %+v", e.Access)
	}
}

func TestAuditActors(t *testing.T) {
	participant := func(attributes, roles string) string {
		return "<ActiveParticipant " + attributes + ">" + roles + "</ActiveParticipant>"
	}
	source := `<RoleIDCode csd-code="110153"/>`
	for name, c := range map[string]struct{ participants, want string }{
		"node beside person": {participant(`UserID="7" AlternativeUserID="AETITLES=CT1;CT2" UserIsRequestor="true"`, source) +
			participant(`UserID="li" UserName="Li" UserIsRequestor="true"`, ""), "li/PACS/CT1"},
		"only a node": {participant(`UserID="7" AlternativeUserID="AETITLES=CT1" UserIsRequestor="true"`, source), "/CT1/CT1"},
		"url":         {participant(`UserID="http://x/y" UserIsRequestor="true"`, source), "/PACS/"},
		"token":       {participant(`UserID="" UserName="a&lt;li@idp&gt;" UserIsRequestor="true"`, ""), "li/PACS/"},
		"typed":       {participant(`UserID="55" AlternativeUserID="123" UserIsRequestor="true"`, source+`<UserIDTypeCode csd-code="113871"/>`), "55/PACS/"},
		"recipient":   {participant(`UserID="wang" UserName="W" UserIsRequestor="false"`, `<RoleIDCode csd-code="110152"/>`), "/PACS/"},
	} {
		text := auditXML("110110", "R", nil, patientObject)
		begin, end := strings.Index(text, "<ActiveParticipant"), strings.Index(text, "<AuditSource")
		e := oneOf(t, "atna", text[:begin]+c.participants+text[end:])
		check(t, name, e.Actor.User.Account+"/"+e.Actor.AppName+"/"+e.SrcEndpoint.Name, c.want)
	}
}

func TestAuditQueries(t *testing.T) {
	var key keyed.Key
	li := "~" + key.Token(keyed.Surname, "Li")
	tag := func(group, element uint16, value string) string {
		return string([]byte{byte(group), byte(group >> 8), byte(element), byte(element >> 8), byte(len(value)), 0, 0, 0}) + value
	}
	for name, c := range map[string]struct{ query, want, patient string }{
		"PDQ v3": {`<q><livingSubjectName><value><family>Li</family></value></livingSubjectName></q>`, "family=" + li, ""},
		"PIX v3": {`<q><patientIdentifier><value extension="7" root="1.2"/></patientIdentifier></q>`, "patientIdentifier=7", "7"},
		"XDS":    {`<AdhocQuery><Slot name="$XDSDocumentEntryPatientId"><ValueList><Value>'7^^^&amp;1.2&amp;ISO'</Value></ValueList></Slot></AdhocQuery>`, "XDSDocumentEntryPatientId=7^^^&1.2&ISO", "7"},
		"PDQ v2": {"MSH|^~\\&|A\rQPD|Q22|1|@PID.5.1^Li~@PID.3.1^7", "PID.5.1=" + li + "&PID.3.1=7", "7"},
		"PIX v2": {"MSH|^~\\&|A\rQPD|Q23|1|7^^^A", "QPD.3=7", "7"},
		"FHIR":   {"GET http://x/fhir/Patient?family=Li", "Patient?family=" + li, ""},
		"DICOM":  {tag(8, 0x52, "STUDY ") + tag(0x10, 0x10, "*") + tag(0x10, 0x20, "7 "), "QueryRetrieveLevel=STUDY&Patient=*&PatientID=7", "7"},
	} {
		body := object("q", "2", "24", "ITI-47", "<ParticipantObjectQuery>"+b64(c.query)+"</ParticipantObjectQuery>")
		e := oneOf(t, "atna", auditXML("110112", "E", nil, body))
		patient := ""
		if e.Patient != nil {
			patient = e.Patient.UID
		}
		check(t, name, e.QueryInfo.Text+" "+patient, c.want+" "+c.patient)
	}
}

func TestAuditRejectsQuoteNothing(t *testing.T) {
	for _, text := range []string{"SECRET", "<AuditMessage SECRET", "<AuditMessage><SECRET></AuditMessage>",
		`<AuditMessage><ParticipantObjectIdentification><SOPClass NumberOfInstances="SECRET"/></ParticipantObjectIdentification></AuditMessage>`} {
		_, rejects := New(Options{}).Normalize(Input{Format: "atna", Data: []byte(text)})
		for _, r := range rejects {
			if strings.Contains(r.Reason, "SECRET") || r.Reason == "" {
				t.Errorf("the reason is %q", r.Reason)
			}
		}
	}
}

func BenchmarkATNA(b *testing.B) {
	data, err := os.ReadFile(sharedData(b) + "/atna/atna-record-2.xml")
	if err != nil {
		b.Skip("no samples in ../shared/data/atna beside the checkout")
	}
	benchmark(b, "atna", data)
}

func FuzzATNA(f *testing.F) {
	seedSamples(f, "atna")
	f.Add([]byte("<85>1 2026-11-22T08:00:00Z pacs app 17 IHE+DICOM - " + auditXML("110110", "R", nil, patientObject)))
	f.Add([]byte(auditXML("110112", "E", nil, object("q", "2", "24", "ITI-47", "<ParticipantObjectQuery>"+b64("\x08\x00\x52\x00\x02\x00\x00\x00A ")+"</ParticipantObjectQuery>"))))
	fuzz(f, "atna")
}
