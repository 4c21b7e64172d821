package simulate

import (
	"encoding/json"
	"strconv"
)

// emitFHIR writes an AuditEvent in the manner of IHE BALP. One in eight is
// recorded by the client as well; the two halves share an X-Request-Id.
func (r *run) emitFHIR(l look) (uid, also string) {
	uid = r.uuid()
	request := ""
	if r.d.chance(0.7) {
		request = r.uuid()
	}
	twice := request != "" && r.d.chance(r.h.doubles())
	ev := auditEvent{look: l, id: uid, request: request, recorded: r.h.time(l.at + r.h.skew("fhir")).Format(isoMilli), detailed: r.d.chance(0.6)}
	arrival := l.at + r.d.within(second, 4*second)
	if r.d.chance(0.01) { // spooled by the application
		arrival += r.d.within(minute, 12*minute)
	}
	r.enqueue(arrival, "fhir", uid, ev.appendJSON(make([]byte, 0, 1700)), nil)
	if !twice {
		return uid, ""
	}
	ev.id, ev.client, also = r.uuid(), true, ""
	also = ev.id
	ev.recorded = r.h.time(l.at - r.d.within(20, 400)).Format(isoMilli)
	r.enqueue(l.at+r.d.within(second, 9*second), "fhir", ev.id, ev.appendJSON(make([]byte, 0, 1700)), nil)
	return uid, also
}

const isoMilli = "2006-01-02T15:04:05.000Z07:00"

type auditEvent struct {
	look
	id, request, recorded string
	client                bool // this half was recorded by the client
	detailed              bool // with purpose, display names and the person's number
}

func (v *auditEvent) appendJSON(b []byte) []byte {
	b = append(b, `{"resourceType":"AuditEvent","id":"`...)
	b = append(b, v.id...)
	b = append(b, `","meta":{"profile":["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Patient`...)
	b = append(b, v.profile()...)
	b = append(b, `"]},`...)
	if v.h.is(fhirR5) {
		b = v.appendFive(b)
	} else {
		b = v.appendType(b)
		b = append(b, `"recorded":"`...)
		b = append(b, v.recorded...)
		b = append(b, `","outcome":"0",`...)
		b = v.appendPurpose(b)
	}
	b = v.appendAgents(b)
	b = v.appendSource(b)
	b = v.appendEntities(b)
	return append(b, '}')
}

func (v *auditEvent) profile() string {
	switch v.verb {
	case "C":
		return "Create"
	case "U":
		return "Update"
	case "E":
		return "Query"
	}
	return "Read"
}

func (v *auditEvent) appendType(b []byte) []byte {
	switch {
	case v.verb == "X":
		b = append(b, `"type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110106","display":"Export"},"action":"R",`...)
		return b
	case v.glass && v.detailed:
		b = append(b, `"type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110113","display":"Security Alert"},"subtype":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110127","display":"Emergency Override Started"}],"action":"R",`...)
		return b
	}
	b = append(b, `"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest","display":"Restful Operation"},"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"`...)
	b = append(b, map[string]string{"C": "create", "U": "update", "E": "search-type", "R": "read"}[v.verb]...)
	b = append(b, `"}],"action":"`...)
	b = append(b, v.verb...)
	return append(b, `",`...)
}

func (v *auditEvent) appendPurpose(b []byte) []byte {
	code := v.purpose()
	if code == "" {
		return b
	}
	b = append(b, `"purposeOfEvent":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"`...)
	b = append(b, code...)
	return append(b, `"}]}],`...)
}

func (v *auditEvent) purpose() string {
	switch {
	case v.glass && v.detailed:
		return "ETREAT"
	case v.glass:
		return "BTG"
	case v.detailed:
		return purposeOf(v.who.role)
	}
	return ""
}

// appendFive writes what stands elsewhere in R5: what happened, how it ended,
// for which purpose, and whose record it was.
func (v *auditEvent) appendFive(b []byte) []byte {
	category, code := "rest", map[string]string{"C": "create", "U": "update", "E": "search", "R": "read"}[v.verb]
	action := v.verb
	switch {
	case v.verb == "X":
		category, code, action = "110106", "110106", "R"
	case v.glass && v.detailed:
		category, code, action = "110113", "110127", "R"
	}
	b = append(b, `"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"`+category+`"}]}],`...)
	b = append(b, `"code":{"coding":[{"system":"http://hl7.org/fhir/restful-interaction","code":"`+code+`"}]},"action":"`+action+`",`...)
	b = append(b, `"recorded":"`+v.recorded+`","outcome":{"code":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-outcome","code":"0"}},`...)
	b = append(b, `"patient":{"reference":"Patient/`+v.patientID()+`","identifier":{"system":"urn:ych:mrn","value":"`+v.patientID()+`"}},`...)
	if purpose := v.purpose(); purpose != "" {
		b = append(b, `"authorization":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"`+purpose+`"}]}],`...)
	}
	return b
}

// appendStation ends the agent with the workstation.
func (v *auditEvent) appendStation(b []byte) []byte {
	if v.h.is(fhirR5) {
		return append(b, `"requestor":true,"networkString":"`+v.station+`"},`...)
	}
	return append(b, `"requestor":true,"network":{"address":"`+v.station+`","type":"2"}},`...)
}

func purposeOf(role string) string {
	switch role {
	case biller, registrar:
		return "HPAYMT"
	case coder, quality, manager, itStaff, vendorStaff:
		return "HOPERAT"
	case researcher:
		return "HRESCH"
	}
	return "TREAT"
}

func (v *auditEvent) appendAgents(b []byte) []byte {
	b = append(b, `"agent":[{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110150","display":"Application"}]},"who":{"identifier":{"value":"emr-web"}},"requestor":false},`...)
	b = append(b, `{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP","display":"information recipient"}]},"who":{"identifier":{"system":"urn:ych:account","value":"`...)
	b = append(b, jsonText(v.login(v.who.account))...)
	b = append(b, `"}},`...)
	if v.detailed && v.account == "" {
		b = append(b, `"altId":"`...)
		b = append(b, v.who.id...)
		b = append(b, `",`...)
	}
	b = v.appendStation(b)
	return append(b, `{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153","display":"Source Role ID"}]},"who":{"display":"emr-fhir"},"requestor":false,"network":{"address":"https://emr.ych.example/fhir","type":"5"}}],`...)
}

func (v *auditEvent) appendSource(b []byte) []byte {
	if v.client {
		return append(b, `"source":{"site":"emr-web.ych.example","observer":{"display":"emr-web"},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"3","display":"Web Server"}]},`...)
	}
	return append(b, `"source":{"site":"emr.ych.example","observer":{"display":"emr-fhir"},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server"}]},`...)
}

func (v *auditEvent) appendEntities(b []byte) []byte {
	b = append(b, `"entity":[`...)
	b = v.appendPatient(b, v.patientID(), true)
	for _, p := range v.list {
		b = append(b, ',')
		b = v.appendPatient(b, p.id, false)
	}
	b = append(b, ',')
	b = v.appendResource(b)
	if v.request != "" {
		b = append(b, `,{"what":{"identifier":{"value":"`...)
		b = append(b, v.request...)
		b = append(b, `"}},"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"}}`...)
	}
	return append(b, ']')
}

func (v *auditEvent) appendPatient(b []byte, id string, first bool) []byte {
	b = append(b, `{"what":{"reference":"Patient/`...)
	b = append(b, id...)
	b = append(b, `","identifier":{"system":"urn:ych:mrn","value":"`...)
	b = append(b, id...)
	b = append(b, `"}},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1","display":"Person"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1","display":"Patient"}`...)
	if first && v.reason != "" {
		b = append(b, `,"detail":[{"type":"reason","valueString":`...)
		b = append(b, jsonString(v.reason)...)
		b = append(b, `}]`...)
	}
	return append(b, '}')
}

func (v *auditEvent) appendResource(b []byte) []byte {
	b = append(b, `{"what":{"reference":"`...)
	b = v.appendReference(b)
	b = append(b, `"},"type":{"system":"http://hl7.org/fhir/resource-types","code":"`...)
	b = append(b, v.what.resource...)
	b = append(b, `"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"4","display":"Domain Resource"}`...)
	if v.what.level5 {
		b = append(b, `,"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"V"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"`...)
		b = append(b, v.pat.sensitive...)
		b = append(b, `"}]`...)
	}
	b = append(b, `,"name":"`...)
	b = append(b, v.what.name...)
	b = append(b, '"')
	if v.hash != "" {
		b = append(b, `,"detail":[{"type":"hash","valueString":"`+v.hash+`"}]`...)
	}
	if v.verb == "X" {
		b = append(b, `,"detail":[{"type":"bytes","valueString":"`...)
		b = strconv.AppendInt(b, int64(20000+len(v.id)*977), 10)
		b = append(b, `"}]`...)
	}
	return append(b, '}')
}

// appendReference names the resource: its own id, or one that stands for it.
func (v *auditEvent) appendReference(b []byte) []byte {
	if v.ref != "" {
		return append(b, v.ref...)
	}
	b = append(b, v.what.resource...)
	b = append(b, '/')
	return append(b, v.id[:8]...)
}

func jsonString(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`) // cannot happen: a string always marshals
	}
	return b
}
