package normalize

import (
	"bytes"
	"strings"
	"testing"
)

func TestIdentifiersThatAreNone(t *testing.T) {
	long, most := strings.Repeat("x", maxID+1), strings.Repeat("x", maxID)
	head := "MSH|^~\\&|HIS|WEST|C|S|20261122080000+0800||ADT^A01|1|P|2.5\rPID|1||"
	patient := func(id string) string {
		return audit(`"action":"R","entity":{"what":{"identifier":{"value":"` + id + `"}},"role":{"code":"1"}}`)
	}
	const auditXML = `<AuditMessage><EventIdentification EventActionCode="R" EventDateTime="2026-03-01T08:00:00Z" EventOutcomeIndicator="0">` +
		`<EventID csd-code="110110" codeSystemName="DCM"/></EventIdentification><ActiveParticipant UserID="USER" UserIsRequestor="true"/></AuditMessage>`
	for name, c := range map[string]struct{ format, text, want string }{
		"patient": {"fhir-auditevent", patient(long), "the patient id is longer"},
		"longest": {"fhir-auditevent", patient(most), ""},
		"hl7":     {"hl7v2", head + long + "\r", "the patient id is longer"},
		"visit":   {"hl7v2", head + "P1\rPV1|1|I|W7" + strings.Repeat("|", 16) + long + "\r", "the encounter id is longer"},
		"ocsf":    {"ocsf", `{"class_uid":6001,"activity_id":2,"time":1717200000000,"actor":{"user":{"name":"` + long + `"}}}`, "the account is longer"},
		"atna":    {"atna", strings.Replace(auditXML, "USER", long, 1), "the account is longer"},
		"syslog":  {"syslog", "<13>1 2026-03-01T08:00:00Z h app - - - user=" + long + " action=login", "the account is longer"},
	} {
		events, rejects := testNormalizer().Normalize(Input{Format: c.format, Received: 1717200000000, Data: []byte(c.text)})
		switch {
		case c.want == "" && len(events) == 1 && len(rejects) == 0:
		case c.want != "" && len(events) == 0 && len(rejects) == 1 && strings.HasPrefix(rejects[0].Reason, c.want):
			if !bytes.Contains(rejects[0].Data, []byte(long)) {
				t.Errorf("%s: the reject lacks its record", name)
			}
		default:
			t.Errorf("%s: %d events, rejects %v", name, len(events), rejects)
		}
	}
}
