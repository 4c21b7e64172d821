package simulate

import (
	"encoding/base64"
	"encoding/xml"
	"strconv"
	"strings"
)

// emitATNA writes a DICOM audit message in an RFC 5424 line. Two archives
// send them: one spells code attributes as DICOM does today and puts a byte
// order mark before the XML, the other still writes those of RFC 3881.
func (r *run) emitATNA(l look) string {
	uid := r.uuid()
	m := atnaMessage{look: l, uid: uid, when: r.h.time(l.at + r.h.skew("atna")).Format(isoMilli), old: l.pat.n%7 == 3, study: 10000 + r.d.IntN(900000)}
	if l.verb == "X" {
		m.copies = r.d.between(1, 900)
	}
	r.enqueue(l.at+r.d.within(second, 5*second), "atna", uid, m.appendLine(make([]byte, 0, 1500)), nil)
	return uid
}

type atnaMessage struct {
	look
	uid, when string
	old       bool // spelled as in RFC 3881
	study     int
	copies    int // instances exported
}

func (m *atnaMessage) appendLine(b []byte) []byte {
	host, bom := "pacs01", "\ufeff"
	if m.old {
		host, bom = "repo02", ""
	}
	b = append(b, "<85>1 "+m.when+" "+host+" ATNA 2114 IHE+RFC-3881 - "+bom...)
	return m.appendXML(b)
}

// code writes a coded value as an element in the message's spelling.
func (m *atnaMessage) code(element, code, system, text string) string {
	if m.old {
		return "<" + element + ` code="` + code + `" codeSystemName="` + system + `" displayName="` + text + `"/>`
	}
	return "<" + element + ` csd-code="` + code + `" codeSystemName="` + system + `" originalText="` + text + `"/>`
}

func (m *atnaMessage) event() (action, id, text string) {
	switch {
	case m.verb == "X":
		return "R", "110106", "Export"
	case m.glass:
		return "R", "110113", "Security Alert"
	case m.what.resource == "ImagingStudy":
		return m.verb, "110103", "DICOM Instances Accessed"
	}
	return m.verb, "110110", "Patient Record"
}

func (m *atnaMessage) appendXML(b []byte) []byte {
	action, id, text := m.event()
	b = append(b, `<AuditMessage><EventIdentification EventActionCode="`+action+`" EventDateTime="`+m.when+`" EventOutcomeIndicator="0">`...)
	b = append(b, m.code("EventID", id, "DCM", text)...)
	if m.glass {
		b = append(b, m.code("EventTypeCode", "110127", "DCM", "Emergency Override Started")...)
		b = append(b, m.code("PurposeOfUse", "ETREAT", "2.16.840.1.113883.5.8", "Emergency treatment")...)
	}
	b = append(b, `</EventIdentification><ActiveParticipant UserID="`+xmlText(m.login(m.who.pacs))+`" UserIsRequestor="true" NetworkAccessPointID="`+m.station+`" NetworkAccessPointTypeCode="2">`...)
	b = append(b, m.code("RoleIDCode", "110152", "DCM", "Destination Role ID")...)
	b = append(b, `</ActiveParticipant><ActiveParticipant UserID="PACS" AlternativeUserID="AETITLES=YCHPACS" UserIsRequestor="false" NetworkAccessPointID="10.1.1.20" NetworkAccessPointTypeCode="2">`...)
	b = append(b, m.code("RoleIDCode", "110153", "DCM", "Source Role ID")...)
	b = append(b, `</ActiveParticipant><AuditSourceIdentification AuditEnterpriseSiteID="YCH" AuditSourceID="PACS"/>`...)
	b = m.appendPatient(b)
	b = m.appendStudy(b)
	return append(b, `</AuditMessage>`...)
}

func (m *atnaMessage) appendPatient(b []byte) []byte {
	b = append(b, `<ParticipantObjectIdentification ParticipantObjectID="`+m.patientID()+`^^^&amp;2.999.990101.1&amp;ISO" ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1"`...)
	if m.what.level5 {
		b = append(b, ` ParticipantObjectSensitivity="V"`...)
	}
	b = append(b, '>')
	b = append(b, m.code("ParticipantObjectIDTypeCode", "2", "RFC-3881", "Patient Number")...)
	b = append(b, detail("X-Request-Id", m.uid)...)
	if m.reason != "" {
		b = append(b, detail("reason", m.reason)...)
	}
	return append(b, `</ParticipantObjectIdentification>`...)
}

func detail(kind, value string) string {
	return `<ParticipantObjectDetail type="` + kind + `" value="` + base64.StdEncoding.EncodeToString([]byte(value)) + `"/>`
}

func (m *atnaMessage) appendStudy(b []byte) []byte {
	if m.what.resource != "ImagingStudy" {
		b = append(b, `<ParticipantObjectIdentification ParticipantObjectID="DOC`+strconv.Itoa(m.study)+`" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="3">`...)
		b = append(b, m.code("ParticipantObjectIDTypeCode", "9", "RFC-3881", "Report Number")...)
		b = append(b, `<ParticipantObjectName>`+xmlText(m.what.name)+`</ParticipantObjectName></ParticipantObjectIdentification>`...)
		return b
	}
	b = append(b, `<ParticipantObjectIdentification ParticipantObjectID="2.25.990101`+strconv.Itoa(m.study)+`" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="3">`...)
	b = append(b, m.code("ParticipantObjectIDTypeCode", "110180", "DCM", "Study Instance UID")...)
	if m.copies > 0 {
		b = append(b, `<ParticipantObjectDescription><SOPClass UID="1.2.840.10008.5.1.4.1.1.2" NumberOfInstances="`+strconv.Itoa(m.copies)+`"/></ParticipantObjectDescription>`...)
	}
	return append(b, `</ParticipantObjectIdentification>`...)
}

func xmlText(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // cannot happen: a Builder takes everything
	}
	return b.String()
}
