package canary

import (
	"fmt"
	"time"
)

// User is who a canary says has done something. There is no such account.
const User = "cordon-canary"

// Message writes a canary in a format of normalize: an invented user opens the
// record of an invented patient, whose number is the mark. ok is false for
// formats that have no such message.
func Message(format, mark string, at time.Time) (data []byte, ok bool) {
	switch format {
	case "hl7v2":
		return hl7(mark, at), true
	case "fhir-auditevent":
		return fhir(mark, at), true
	case "atna":
		return atna(mark, at), true
	case "syslog":
		return fmt.Appendf(nil, "<85>1 %s localhost cordon - IHE+RFC-3881 - %s", at.UTC().Format("2006-01-02T15:04:05.000Z"), atna(mark, at)), true
	}
	return nil, false
}

// hl7 is a general message about a patient (ADT^A08); all of its fields but
// the number are empty.
func hl7(mark string, at time.Time) []byte {
	t := at.Format("20060102150405.000-0700")
	return fmt.Appendf(nil, "MSH|^~\\&|CORDON|CANARY|CORDON|CANARY|%s||ADT^A08|%s|P|2.5\rEVN|A08|%s\rPID|1||%s\rPV1|1|N\r", t, mark[len(mark)-20:], t, mark)
}

func fhir(mark string, at time.Time) []byte {
	return fmt.Appendf(nil, `{"resourceType":"AuditEvent","id":"%s","type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110110"},`+
		`"action":"R","recorded":"%s","outcome":"0","agent":[{"requestor":true,"who":{"identifier":{"value":"%s"}}}],"source":{"observer":{"display":"cordon"}},`+
		`"entity":[{"what":{"identifier":{"value":"%s"}},"type":{"code":"1"},"role":{"code":"1"}}]}`,
		mark[len(mark)-20:], at.Format("2006-01-02T15:04:05.000Z07:00"), User, mark)
}

func atna(mark string, at time.Time) []byte {
	return fmt.Appendf(nil, `<AuditMessage><EventIdentification EventActionCode="R" EventDateTime="%s" EventOutcomeIndicator="0">`+
		`<EventID csd-code="110110" codeSystemName="DCM" originalText="Patient Record"/></EventIdentification>`+
		`<ActiveParticipant UserID="%s" UserIsRequestor="true"/><AuditSourceIdentification AuditSourceID="cordon"/>`+
		`<ParticipantObjectIdentification ParticipantObjectID="%s" ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1">`+
		`<ParticipantObjectIDTypeCode csd-code="2" codeSystemName="RFC-3881" originalText="Patient Number"/></ParticipantObjectIdentification></AuditMessage>`,
		at.Format("2006-01-02T15:04:05.000Z07:00"), User, mark)
}
