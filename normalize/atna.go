package normalize

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/ocsf"
)

// auditMessage is a DICOM audit message (PS3.15 A.5), which grew out of
// RFC 3881. Both spellings of codes are read; elements match in any
// namespace; what is not named here is passed over.
type auditMessage struct {
	XMLName xml.Name
	Event   struct {
		Action      string      `xml:"EventActionCode,attr"`
		Time        string      `xml:"EventDateTime,attr"`
		Outcome     string      `xml:"EventOutcomeIndicator,attr"`
		ID          auditCode   `xml:"EventID"`
		Types       []auditCode `xml:"EventTypeCode"`
		Description string      `xml:"EventOutcomeDescription"`
		Purposes    []auditCode `xml:"PurposeOfUse"`
	} `xml:"EventIdentification"`
	Participants []auditParticipant `xml:"ActiveParticipant"`
	Sources      []struct {
		Site string `xml:"AuditEnterpriseSiteID,attr"`
		ID   string `xml:"AuditSourceID,attr"`
	} `xml:"AuditSourceIdentification"`
	Objects []auditObject `xml:"ParticipantObjectIdentification"`
}

// auditCode is a coded value: code and displayName in RFC 3881, csd-code and
// originalText in DICOM since 2009.
type auditCode struct {
	Old     string `xml:"code,attr"`
	New     string `xml:"csd-code,attr"`
	System  string `xml:"codeSystemName,attr"`
	Display string `xml:"displayName,attr"`
	Text    string `xml:"originalText,attr"`
}

func (c auditCode) code() string { return strings.TrimSpace(firstOf(c.New, c.Old)) }
func (c auditCode) name() string { return strings.TrimSpace(firstOf(c.Text, c.Display, c.code())) }

// firstOf is the first of its arguments that is not empty.
func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

type auditParticipant struct {
	UserID    string      `xml:"UserID,attr"`
	Alternate string      `xml:"AlternativeUserID,attr"`
	Name      string      `xml:"UserName,attr"`
	Requestor string      `xml:"UserIsRequestor,attr"`
	Network   string      `xml:"NetworkAccessPointID,attr"`
	NetType   string      `xml:"NetworkAccessPointTypeCode,attr"`
	Roles     []auditCode `xml:"RoleIDCode"`
	IDType    auditCode   `xml:"UserIDTypeCode"`
}

type auditObject struct {
	ID          string    `xml:"ParticipantObjectID,attr"`
	Type        string    `xml:"ParticipantObjectTypeCode,attr"`
	Role        string    `xml:"ParticipantObjectTypeCodeRole,attr"`
	Lifecycle   string    `xml:"ParticipantObjectDataLifeCycle,attr"`
	Sensitivity string    `xml:"ParticipantObjectSensitivity,attr"`
	IDType      auditCode `xml:"ParticipantObjectIDTypeCode"`
	Name        string    `xml:"ParticipantObjectName"`
	Query       string    `xml:"ParticipantObjectQuery"`
	Details     []struct {
		Type  string `xml:"type,attr"`
		Value string `xml:"value,attr"`
	} `xml:"ParticipantObjectDetail"`
	// The description stands in its own element or, in newer messages, inside
	// the object.
	Description struct {
		auditContent
	} `xml:"ParticipantObjectDescription"`
	auditContent
}

type auditContent struct {
	Classes []struct {
		UID       string `xml:"UID,attr"`
		Instances int64  `xml:"NumberOfInstances,attr"`
	} `xml:"SOPClass"`
}

// parseATNA reads audit messages, bare or in syslog lines. One that names
// several patients gives one event for each: the first has the message's id
// and its resources, the others the id with "#2", "#3", ... A query that
// found several is Incidental, as nobody chose those patients.
func (n *Normalizer) parseATNA(in Input, out *Output) {
	lines := newSyslogReader(n.zone)
	eachRecord(in.Data, func(item int, raw []byte) {
		line := lines.read(deviceText(raw))
		if !isAudit(line.Message) {
			out.Reject(item, raw, "no AuditMessage element in this record; other logs belong to format syslog")
			return
		}
		n.auditRecord(line, item, raw, in.Received, out)
	})
}

// isAudit says whether a text holds an audit message.
func isAudit(text []byte) bool {
	i := bytes.Index(text, []byte("AuditMessage"))
	return i > 0 && bytes.LastIndexByte(text[:i], '<') >= 0
}

// auditRecord reads the audit message in a syslog line (or alone).
func (n *Normalizer) auditRecord(line syslogLine, item int, raw []byte, received int64, out *Output) {
	out.reading(item, raw)
	var m auditMessage
	if err := decodeAudit(line.Message, &m); err != nil {
		out.Reject(item, raw, auditFault(err))
		return
	}
	r := auditReader{n: n, m: &m, line: line, received: received}
	for _, e := range r.events() {
		e.Metadata.LogName = "atna"
		out.Event(e)
	}
}

// decodeAudit reads the first AuditMessage element of a text.
func decodeAudit(text []byte, m *auditMessage) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		t, err := d.Token()
		if err != nil {
			return err
		}
		if start, ok := t.(xml.StartElement); ok {
			if start.Name.Local != "AuditMessage" {
				continue
			}
			return d.DecodeElement(m, &start)
		}
	}
}

// auditFault says where the XML broke, without quoting it.
func auditFault(err error) string {
	if syntax, ok := err.(*xml.SyntaxError); ok {
		return fmt.Sprintf("the audit message is not well-formed XML near its line %d", syntax.Line)
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return "the audit message is cut off before its end tag"
	}
	return "the audit message has an attribute that is not of its type"
}

// deviceText brings one record to UTF-8: by its XML declaration where that
// names a Latin character set, else like all other text.
func deviceText(raw []byte) []byte {
	if utf8.Valid(raw) {
		return raw
	}
	head := strings.ToLower(string(raw[:min(len(raw), 300)]))
	if strings.Contains(head, "iso-8859-1") || strings.Contains(head, "windows-1252") {
		if text, err := charmap.Windows1252.NewDecoder().Bytes(raw); err == nil {
			return text
		}
	}
	return utf8Text(raw)
}

// auditReader makes events of one audit message.
type auditReader struct {
	n        *Normalizer
	m        *auditMessage
	line     syslogLine
	received int64
}

// events makes the event, once for each patient.
func (r *auditReader) events() []*ocsf.Event {
	base := r.event()
	patients := r.patients()
	query := r.query()
	base.QueryInfo = query.info
	if len(patients) == 0 && query.patient != "" {
		patients = append(patients, patientID(query.patient))
	}
	if len(patients) == 0 {
		return []*ocsf.Event{base}
	}
	if base.ActivityID == ocsf.AccessSearch && len(patients) > 1 {
		base.Access = accessOf(base)
		base.Access.Incidental = true
	}
	if pix(base.Metadata.EventCode) { // one patient under several numbers
		for _, other := range patients[1:min(len(patients), manyNumbers)] {
			patients[0].AltUIDs = appendNew(patients[0].AltUIDs, other.UID)
		}
		patients = patients[:1]
	}
	list := make([]*ocsf.Event, len(patients))
	for i := range patients {
		e := *base
		e.Patient = &patients[i]
		if i > 0 && e.Metadata.UID != "" {
			e.Metadata.UID = fmt.Sprintf("%s#%d", base.Metadata.UID, i+1)
		}
		if i > 0 || len(e.WebResources) == 0 {
			e.WebResources = []ocsf.Resource{{UID: patients[i].UID, Type: "Patient"}}
		}
		list[i] = &e
	}
	return list
}

func accessOf(e *ocsf.Event) *ocsf.Access {
	if e.Access == nil {
		return &ocsf.Access{}
	}
	return e.Access
}

// event makes all but the patient.
func (r *auditReader) event() *ocsf.Event {
	e := &ocsf.Event{Time: r.line.at(r.received), StatusID: statusOfOutcome(strings.TrimSpace(r.m.Event.Outcome))}
	if t, ok := hl7.ParseTime(strings.TrimSpace(r.m.Event.Time), r.n.zone); ok {
		e.Time = t.Millis
		if !t.Instant() {
			e.Metadata.OriginalTime = r.m.Event.Time
		}
	}
	e.StatusCode = r.m.Event.Outcome
	e.StatusDetail = strings.TrimSpace(r.m.Event.Description)
	e.ClassUID, e.ActivityID = r.class()
	e.Metadata.EventCode = r.eventCode()
	e.Unmapped = r.unmapped()
	r.setSource(e)
	r.setPeople(e)
	r.setIDs(e)
	e.WebResources = r.resources()
	e.DataClassifications = r.classifications()
	e.Access = r.access()
	switch e.ClassUID {
	case ocsf.Authentication, ocsf.EntityManagement:
		u := e.Actor.User
		e.User = &u
	case ocsf.APIActivity:
		e.Resources, e.WebResources = e.WebResources, nil
	}
	r.traceATNA(e)
	return e
}

// eventCode is the most telling code: the IHE transaction, else the type of
// event, else the event.
func (r *auditReader) eventCode() string {
	code := r.m.Event.ID.code()
	for i, t := range r.m.Event.Types {
		if strings.HasPrefix(t.code(), "ITI-") || strings.HasPrefix(t.code(), "RAD-") {
			return t.code()
		}
		if i == 0 && t.code() != "" {
			code = t.code()
		}
	}
	return code
}

// unmapped keeps the codes as they came, so that rules can name them.
func (r *auditReader) unmapped() ocsf.RawJSON {
	var o jsonObject
	o.add("event_id", r.m.Event.ID.code())
	for i, t := range r.m.Event.Types {
		if i < 4 {
			o.add([]string{"event_type", "event_type_2", "event_type_3", "event_type_4"}[i], t.code())
		}
	}
	o.add("event_action", r.m.Event.Action)
	return o.bytes()
}

// setSource names the system that recorded the event.
func (r *auditReader) setSource(e *ocsf.Event) {
	for _, s := range r.m.Sources {
		if e.Metadata.Product.Name == "" {
			e.Metadata.Product = ocsf.Product{Name: s.ID, VendorName: s.Site}
		}
	}
	e.Device = ocsf.Endpoint{Hostname: r.line.Host}
}

// setIDs takes the message's id, where a detail or object gives one. An audit
// message has none of its own; without one the content names the event.
func (r *auditReader) setIDs(e *ocsf.Event) {
	request := r.detail("x-request-id", "xrequestid")
	for _, o := range r.m.Objects {
		switch strings.ToLower(o.IDType.code()) {
		case "x-request-id", "xrequestid":
			request = firstOf(request, o.ID)
		}
	}
	e.Metadata.UID = firstOf(r.detail("event-id", "eventid", "event_id"), request)
	e.Metadata.CorrelationUID = request
}

// detail is the decoded value of the first ParticipantObjectDetail of one of
// the types (given in lower case).
func (r *auditReader) detail(types ...string) string {
	for _, o := range r.m.Objects {
		for _, d := range o.Details {
			for _, t := range types {
				if strings.ToLower(strings.TrimSpace(d.Type)) == t {
					return auditText(d.Value)
				}
			}
		}
	}
	return ""
}

// auditText decodes a value that should be base64 of text; some senders write
// the text itself.
func auditText(s string) string {
	s = strings.TrimSpace(s)
	if b := unbase64([]byte(s)); len(b) > 0 && printable(b) {
		return string(b)
	}
	return s
}

// printable says whether bytes are text.
func printable(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexFunc(b, func(c rune) bool {
		return c < ' ' && c != '\r' && c != '\n' && c != '\t'
	}) < 0
}

// access says what the message claims about its own legitimacy.
func (r *auditReader) access() *ocsf.Access {
	var a ocsf.Access
	for _, p := range r.m.Event.Purposes {
		if code := p.code(); code != "" {
			a.Purpose = append(a.Purpose, code)
			a.BreakGlass = a.BreakGlass || breakGlassCode(code)
		}
	}
	for _, t := range append(r.m.Event.Types, r.m.Event.ID) {
		a.BreakGlass = a.BreakGlass || t.code() == "110127"
	}
	a.Reason = r.detail("reason", "break-glass-reason", "breakglassreason", "emergency-reason", "purpose")
	ofPatient := len(r.patients()) > 0
	for _, o := range r.m.Objects {
		if o.Role == "3" && a.Document == "" {
			a.Document = r.document(&o, ofPatient)
		}
	}
	if len(a.Purpose) == 0 && !a.BreakGlass && a.Reason == "" && a.Document == "" {
		return nil
	}
	return &a
}

// document is the kind of a report: its name where that is one or, where the
// type of its id is more than "a study" or "a report number", that.
func (r *auditReader) document(o *auditObject, ofPatient bool) string {
	if name := knownName(r.nameOf(o, ofPatient)); name != "" {
		return name
	}
	if o.IDType.System == "DCM" || strings.HasPrefix(o.IDType.System, "RFC") {
		return ""
	}
	return o.IDType.name()
}

// nameOf is what is kept of an object's name: see thingName. That of a person
// is left out.
func (r *auditReader) nameOf(o *auditObject, ofPatient bool) string {
	if o.Type == "1" {
		return ""
	}
	kind := ""
	switch o.Role {
	case "20":
		kind = "Job"
	case "22":
		kind = "Table"
	}
	return r.n.thingName(kind, o.Name, ofPatient)
}

// endpoint makes an endpoint of a network access point: an address or a name.
func (p *auditParticipant) endpoint() ocsf.Endpoint {
	var e ocsf.Endpoint
	point := strings.TrimSpace(p.Network)
	if ip, err := netip.ParseAddr(point); err == nil {
		e.IP = ip.Unmap().String()
	} else if point != "" && p.NetType != "3" && p.NetType != "4" {
		e.Hostname = point
	}
	e.Name = p.aeTitle()
	return e
}
