package normalize

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/ocsf"
)

// auditRoom is an event with room for what nearly every access has, so that
// one allocation serves for five.
type auditRoom struct {
	event     ocsf.Event
	access    ocsf.Access
	patient   ocsf.Patient
	resources [1]ocsf.Resource
	purposes  [1]string
}

// auditEvent makes the events of one AuditEvent: one for each patient it
// names, because each of them may ask who looked.
func (p *fhirParser) auditEvent(data []byte) (reason string) {
	a := &p.audit
	if err := a.read(data); err != nil {
		return err.Error()
	}
	p.room = &auditRoom{}
	e := &p.room.event
	if reason := p.auditTime(e, a); reason != "" {
		return reason
	}
	e.Metadata.UID = p.auditID(a)
	e.Metadata.Product.Name = p.words.of(siteText(a.observer.orIdentifier()))
	e.Metadata.CorrelationUID = a.requestID()
	p.setOutcome(e, a)
	query := p.setQuery(e, a)
	patients := p.patients(a, query)
	p.setWho(e, a, patients)
	p.setMachines(e, a)
	p.setResources(e, a, len(patients) > 0)
	p.setKind(e, a, query, patients)
	p.traceFHIR(e, a)
	e.Unmapped = a.unmapped(e)
	p.emit(e, a, patients)
	return ""
}

// auditTime takes when it happened: occurred or period where given, else
// recorded.
func (p *fhirParser) auditTime(e *ocsf.Event, a *auditEvent) (reason string) {
	for _, text := range [][]byte{a.when, a.recorded} {
		if len(text) == 0 {
			continue
		}
		ms, exact, ok := parseTime(text, p.n.zone)
		if !ok {
			continue
		}
		e.Time = ms
		if !exact {
			e.Metadata.OriginalTime = string(text)
		}
		return ""
	}
	if len(a.when) == 0 && len(a.recorded) == 0 {
		return "no time: recorded, occurred[x] and period are missing"
	}
	return "recorded, occurred[x] or period is not a FHIR date or instant"
}

// auditID is the resource's id, or that of its Bundle entry.
func (p *fhirParser) auditID(a *auditEvent) string {
	if len(a.id) > 0 {
		return string(a.id)
	}
	return reference{ref: p.fullURL}.last()
}

// requestID is the value of the X-Request-Id entity of IHE BALP.
func (a *auditEvent) requestID() string {
	for i := range a.entities {
		e := &a.entities[i]
		if e.isRequestID() {
			return strings.TrimSpace(string(e.what.identifier.value))
		}
		for _, d := range e.details {
			if isRequestID(string(d.kind)) {
				return strings.TrimSpace(string(d.value))
			}
		}
	}
	return ""
}

func (e *entity) isRequestID() bool {
	for _, c := range e.kinds {
		if isRequestID(string(c.code)) {
			return true
		}
	}
	return false
}

func isRequestID(code string) bool {
	return strings.EqualFold(strings.ReplaceAll(code, "-", ""), "xrequestid")
}

func (p *fhirParser) setOutcome(e *ocsf.Event, a *auditEvent) {
	for _, c := range a.outcome {
		if id := statusOfOutcome(string(c.code)); id != ocsf.StatusUnknown {
			e.StatusID, e.StatusCode = id, word(c.code)
			break
		}
	}
	e.StatusDetail = string(a.outcomeText)
	switch string(a.severity) {
	case "warning":
		e.SeverityID = ocsf.SeverityMedium
	case "error":
		e.SeverityID = ocsf.SeverityHigh
	case "critical", "alert", "emergency":
		e.SeverityID = ocsf.SeverityCritical
	}
}

// patients are the ids of the patients an event names, each once: R5 patient,
// entities of role 1, without such those of type Patient, and only then a SAML
// token's resource id or the patient a query asks for.
func (p *fhirParser) patients(a *auditEvent, query fhirQuery) []string {
	ids := p.patientRoom[:0]
	add := func(id string) {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if !a.patient.empty() {
		add(p.resolve(a.patient))
	}
	for i := range a.entities {
		if e := &a.entities[i]; a.namesPatient(e) {
			add(p.resolve(e.what))
		}
	}
	if len(ids) > 0 {
		return ids
	}
	for i := range a.entities {
		for _, d := range a.entities[i].details {
			if string(d.kind) == "urn:oasis:names:tc:xacml:2.0:resource:resource-id" {
				add(cx(d.value))
			}
		}
	}
	if len(ids) == 0 {
		add(query.patient)
	}
	return ids
}

// namesPatient says whether an entity says whose data it is. Where an entity
// has the role of the patient, a Patient resource in another role is only
// what was touched.
func (a *auditEvent) namesPatient(e *entity) bool {
	if e.patientRole() {
		return true
	}
	return e.patientType() && !a.patientKnown()
}

func (a *auditEvent) patientKnown() bool {
	if !a.patient.empty() {
		return true
	}
	for i := range a.entities {
		if a.entities[i].patientRole() {
			return true
		}
	}
	return false
}

func (e *entity) patientRole() bool {
	for _, c := range e.roles {
		if string(c.code) == "1" || c.is("Patient") {
			return true
		}
	}
	return false
}

func (e *entity) patientType() bool {
	for _, c := range e.kinds {
		if c.is("Patient") {
			return true
		}
	}
	return len(e.roles) == 0 && e.what.to("Patient")
}

// setResources lists what was touched besides the patient.
func (p *fhirParser) setResources(e *ocsf.Event, a *auditEvent, ofPatient bool) {
	for i := range a.entities {
		n := &a.entities[i]
		if a.namesPatient(n) || n.isRequestID() || n.isQuery() || n.what.to("Encounter") {
			continue
		}
		if r := p.thing(n, ofPatient); r.UID != "" || r.Type != "" || r.Name != "" {
			if e.WebResources == nil {
				e.WebResources = p.room.resources[:0]
			}
			e.WebResources = append(e.WebResources, r)
		}
	}
}

func (n *entity) isQuery() bool {
	if len(n.query) > 0 {
		return true
	}
	for _, c := range n.roles {
		if string(c.code) == "24" {
			return true
		}
	}
	return false
}

// thing describes an entity. Of its name only what thingName lets through is
// kept, and nothing where it is a person.
func (p *fhirParser) thing(n *entity, ofPatient bool) ocsf.Resource {
	kind, id := n.what.parts()
	r := ocsf.Resource{Type: word(kind), UID: string(id)}
	if len(n.what.identifier.value) > 0 {
		r.UID = string(n.what.identifier.value)
	}
	person := r.Type == "RelatedPerson" || r.Type == "Person"
	for _, c := range n.kinds {
		if r.Type == "" && !c.plainNumber() {
			r.Type = word(c.code)
		}
		person = person || string(c.code) == "1"
	}
	if r.Type == "" {
		r.Type = objectRole(n.roles)
	}
	if name := n.label(); !person && len(name) > 0 {
		if r.Name = string(name); !n.displays(name) {
			r.Name = p.n.thingName(r.Type, r.Name, ofPatient)
		}
	}
	for _, c := range n.labels {
		r.Labels = append(r.Labels, word(c.code))
	}
	return r
}

// label is what the source calls the thing.
func (n *entity) label() []byte {
	if len(n.name) > 0 {
		return n.name
	}
	return n.what.display
}

// displays says whether a name is but the display of a code of the entity.
func (n *entity) displays(name []byte) bool {
	for _, list := range [][]coding{n.kinds, n.roles, n.labels} {
		for _, c := range list {
			if bytes.EqualFold(c.display, name) {
				return true
			}
		}
	}
	return false
}

// plainNumber says whether the code is one of the numbers of
// audit-entity-type, which only tell person, system object and organisation.
func (c coding) plainNumber() bool {
	_, err := strconv.Atoi(string(c.code))
	return err == nil
}

// objectRole is a word for what an entity was, where nothing better is known.
func objectRole(roles []coding) string {
	for _, c := range roles {
		switch string(c.code) {
		case "3":
			return "Report"
		case "4":
			return "Resource"
		case "20":
			return "Job"
		case "22":
			return "Table"
		default:
			return word(c.code)
		}
	}
	return ""
}

// document is the kind of document: a type code among the details, the type
// of the resource, or its name where that is known to be one.
func (a *auditEvent) document(e *ocsf.Event) string {
	for i := range a.entities {
		for _, d := range a.entities[i].details {
			switch string(d.kind) {
			case "EprDocumentTypeCode", "typeCode", "documentType", "LOINC", "loinc":
				return string(d.value)
			}
		}
	}
	if len(e.WebResources) == 0 {
		return ""
	}
	switch r := e.WebResources[0]; r.Type {
	case "DocumentReference", "Composition", "Binary", "Report", "": // any document: its name says more
		return cmp.Or(knownName(r.Name), r.Type)
	default:
		return r.Type
	}
}

// setKind decides class, activity and what the access says about itself.
func (p *fhirParser) setKind(e *ocsf.Event, a *auditEvent, query fhirQuery, patients []string) {
	e.Metadata.EventCode = a.eventCode()
	switch {
	case a.hasType("110114", "110122", "110123"):
		p.setAuthentication(e, a)
		return
	case a.hasType("110120", "110121"):
		e.ClassUID, e.ActivityID = ocsf.ApplicationLifecycle, 4 // stop
		if a.hasType("110120") {
			e.ActivityID = 3
		}
		return
	}
	e.ActivityID = a.activity(query)
	if len(patients) == 0 && len(e.WebResources) == 0 && e.QueryInfo == nil {
		p.setAPI(e)
		return
	}
	e.ClassUID = ocsf.WebResourcesActivity
	if a.hasType("110101", "ATC_LOG_READ") { // the audit trail itself was read
		e.WebResources = append(e.WebResources, ocsf.Resource{Type: "AuditEvent"})
	}
	if len(e.WebResources) == 0 && query.resource != "" {
		e.WebResources = []ocsf.Resource{{Type: query.resource}}
	}
	e.Access = p.access(e, a)
	e.Access.Incidental = a.lists(e.ActivityID, query, len(patients))
	e.DataClassifications = a.classify()
}

// lists says that the patients came up in a list: a search that asks for no
// patient. Reading several named patients at once chooses each of them, and a
// stated purpose says nothing about that.
func (a *auditEvent) lists(activity int, query fhirQuery, patients int) bool {
	if query.patient != "" || query.named || a.hasType("read", "vread", "history-instance") {
		return false
	}
	if a.hasType("history-type", "history-system") || activity == ocsf.AccessSearch {
		return patients > 1 || query.population
	}
	return query.population
}

// classify looks for a level-5 label on the event or what it touched.
func (a *auditEvent) classify() []ocsf.DataClassification {
	for _, c := range a.labels {
		if found := levelFive(word(c.code)); found != nil {
			return found
		}
	}
	for i := range a.entities {
		for _, c := range a.entities[i].labels {
			if found := levelFive(word(c.code)); found != nil {
				return found
			}
		}
	}
	return nil
}

// activity is what was done: the first subtype that says so (a disclosure,
// an export or an import before a plain read), the type, the query, the action.
func (a *auditEvent) activity(query fhirQuery) int {
	found := ocsf.ActivityUnknown
	for _, c := range a.subtypes {
		switch id := activityOfCode(word(c.code)); {
		case id == ocsf.AccessShare || id == ocsf.AccessExport || id == ocsf.AccessImport:
			return id
		case found == ocsf.ActivityUnknown:
			found = id
		}
	}
	if query.export {
		return ocsf.AccessExport
	}
	if found != ocsf.ActivityUnknown {
		return found
	}
	if !a.swiss() {
		for _, c := range a.types {
			if id := activityOfCode(word(c.code)); id != ocsf.ActivityUnknown {
				return id
			}
		}
	}
	if string(a.action) == "E" && query.resource != "" {
		return ocsf.AccessSearch
	}
	return activityOfAction(string(a.action))
}

// swiss says whether the event is of CH ATC, which gives every event the type
// Export and tells them apart by subtype and action.
func (a *auditEvent) swiss() bool {
	return len(a.subtypes) > 0 && strings.HasPrefix(string(a.subtypes[0].code), "ATC_")
}

// eventCode is the most telling code: the first subtype, else the type.
func (a *auditEvent) eventCode() string {
	for _, list := range [][]coding{a.subtypes, a.types} {
		if len(list) > 0 {
			return word(list[0].code)
		}
	}
	return ""
}

func (a *auditEvent) hasType(codes ...string) bool {
	for _, list := range [][]coding{a.types, a.subtypes} {
		for _, c := range list {
			if c.is(codes...) {
				return true
			}
		}
	}
	return false
}

// access gathers purpose, break-glass, reason and kind of document.
func (p *fhirParser) access(e *ocsf.Event, a *auditEvent) *ocsf.Access {
	x := &p.room.access
	*x = ocsf.Access{Document: a.document(e), BreakGlass: a.hasType("110127"), Reason: string(a.reason)}
	for _, c := range a.purpose {
		code := word(c.code)
		if x.Purpose == nil {
			x.Purpose = p.room.purposes[:0]
		}
		x.BreakGlass = x.BreakGlass || breakGlassCode(code)
		if !slices.Contains(x.Purpose, code) {
			x.Purpose = append(x.Purpose, code)
		}
	}
	for i := range a.entities {
		for _, d := range a.entities[i].details {
			if x.Reason == "" && isReason(string(d.kind)) {
				x.Reason = string(d.value)
			}
		}
	}
	return x
}

// isReason says whether a detail holds what the person gave as a reason.
func isReason(kind string) bool {
	kind = strings.ToLower(kind)
	return strings.Contains(kind, "reason") || strings.Contains(kind, "justification")
}

func (p *fhirParser) setAuthentication(e *ocsf.Event, a *auditEvent) {
	e.ClassUID = ocsf.Authentication
	switch {
	case a.hasType("110122", "login"):
		e.ActivityID = ocsf.AuthLogon
	case a.hasType("110123", "logout"):
		e.ActivityID = ocsf.AuthLogoff
	default:
		e.ActivityID = ocsf.ActivityOther
	}
	user := e.Actor.User
	e.User = &user
}

// setAPI makes an API Activity of an event without patient and resource.
func (p *fhirParser) setAPI(e *ocsf.Event) {
	e.ClassUID = ocsf.APIActivity
	e.API = &ocsf.API{Operation: e.Metadata.EventCode}
	if e.ActivityID > ocsf.AccessDelete {
		e.ActivityID = ocsf.ActivityOther
	}
}

// unmapped keeps the codes of the event that have no place of their own.
func (a *auditEvent) unmapped(e *ocsf.Event) ocsf.RawJSON {
	var codesRoom, moreRoom, room [128]byte
	codes, more := codesRoom[:0], moreRoom[:0]
	for _, c := range a.types {
		if code := string(c.code); code != "rest" && code != e.Metadata.EventCode {
			codes = appendItem(codes, c.code)
		}
	}
	for _, c := range a.subtypes {
		if string(c.code) != e.Metadata.EventCode {
			more = appendItem(more, c.code)
		}
	}
	out := room[:0]
	out = appendMember(out, "type", codes)
	out = appendMember(out, "subtype", more)
	if len(a.site) > 0 {
		out = appendMember(out, "site", jsonscan.AppendString(codesRoom[:0], a.site))
	}
	if len(out) == 0 {
		return nil
	}
	return append(bytes.Clone(out), '}')
}

// appendItem appends a string to the text of a JSON array that lacks its end.
func appendItem(list, item []byte) []byte {
	sep := byte(',')
	if len(list) == 0 {
		sep = '['
	}
	return jsonscan.AppendString(append(list, sep), item)
}

// appendMember appends a member to the text of a JSON object that lacks its
// end; a value that begins a list is closed, an empty one is left out.
func appendMember(object []byte, name string, value []byte) []byte {
	if len(value) == 0 {
		return object
	}
	sep := byte(',')
	if len(object) == 0 {
		sep = '{'
	}
	object = jsonscan.AppendString(append(object, sep), name)
	object = append(append(object, ':'), value...)
	if value[0] == '[' {
		object = append(object, ']')
	}
	return object
}

// emit adds one event for each patient; those after the first carry a
// numbered id.
func (p *fhirParser) emit(e *ocsf.Event, a *auditEvent, patients []string) {
	if e.ClassUID != ocsf.WebResourcesActivity || len(patients) == 0 {
		p.out.Event(e)
		return
	}
	if pix(e.Metadata.EventCode) { // one patient under several numbers
		e.Patient = &ocsf.Patient{UID: patients[0], AltUIDs: slices.Clone(patients[1:])}
		patients = patients[:1]
	}
	encounter := p.encounterOf(a)
	base := *e
	for i, id := range patients {
		if i > 0 {
			next := base
			access := *base.Access
			next.Access, next.Patient = &access, nil
			if base.Metadata.UID != "" {
				next.Metadata.UID = base.Metadata.UID + "#" + strconv.Itoa(i+1)
			}
			e = &next
		}
		switch {
		case e.Patient != nil:
		case i == 0:
			p.room.patient.UID = id
			e.Patient = &p.room.patient
		default:
			e.Patient = &ocsf.Patient{UID: id}
		}
		e.Patient.Encounter = encounter
		p.out.Event(e)
	}
}

// pix says whether the transaction is one of identity cross-referencing.
func pix(code string) bool {
	switch code {
	case "ITI-8", "ITI-9", "ITI-44", "ITI-45", "ITI-46", "ITI-64", "ITI-83", "ITI-104":
		return true
	}
	return false
}

func (p *fhirParser) encounterOf(a *auditEvent) string {
	if !a.encounter.empty() {
		return p.resolve(a.encounter)
	}
	for i := range a.entities {
		if what := a.entities[i].what; what.to("Encounter") {
			return p.resolve(what)
		}
	}
	return ""
}

// word is the string of a code without an allocation for the frequent ones.
func word(b []byte) string {
	switch string(b) {
	case "":
		return ""
	case "0":
		return "0"
	case "read":
		return "read"
	case "search-type":
		return "search-type"
	case "create":
		return "create"
	case "update":
		return "update"
	case "rest":
		return "rest"
	case "TREAT":
		return "TREAT"
	case "ETREAT":
		return "ETREAT"
	case "Patient":
		return "Patient"
	case "Observation":
		return "Observation"
	case "DocumentReference":
		return "DocumentReference"
	case "DiagnosticReport":
		return "DiagnosticReport"
	case "MedicationRequest":
		return "MedicationRequest"
	case "List":
		return "List"
	}
	return string(b)
}
