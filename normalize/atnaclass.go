package normalize

import (
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// The activities of Application Lifecycle (6002) used here. Source: OCSF 1.9.0.
const (
	lifecycleStart  = 3
	lifecycleStop   = 4
	lifecycleUpdate = 8
)

// class maps EventID (DICOM PS3.16 CID 400) to an OCSF class and activity.
func (r *auditReader) class() (ocsf.Class, int) {
	switch r.m.Event.ID.code() {
	case "110100":
		return ocsf.ApplicationLifecycle, r.startOrStop("110120", "110121")
	case "110101":
		return ocsf.WebResourcesActivity, ocsf.AccessRead
	case "110102", "110104":
		return ocsf.WebResourcesActivity, ocsf.AccessShare
	case "110105":
		return ocsf.WebResourcesActivity, ocsf.AccessDelete
	case "110106":
		return ocsf.WebResourcesActivity, r.transaction(ocsf.AccessExport)
	case "110107":
		return ocsf.WebResourcesActivity, r.transaction(ocsf.AccessImport)
	case "110108":
		return ocsf.NetworkActivity, r.oneOrTwo("110124", "110125")
	case "110112":
		return ocsf.WebResourcesActivity, ocsf.AccessSearch
	case "110113":
		return r.alert()
	case "110114":
		return ocsf.Authentication, r.oneOrTwo("110122", "110123")
	case "110103", "110109", "110110", "110111":
		return ocsf.WebResourcesActivity, r.byAction()
	}
	if len(r.m.Objects) > 0 {
		return ocsf.WebResourcesActivity, r.byAction()
	}
	return ocsf.BaseEvent, ocsf.ActivityOther
}

// hasType says whether the event is of one of the types.
func (r *auditReader) hasType(codes ...string) bool {
	for _, t := range r.m.Event.Types {
		for _, c := range codes {
			if t.code() == c {
				return true
			}
		}
	}
	return false
}

func (r *auditReader) startOrStop(start, stop string) int {
	switch {
	case r.hasType(start):
		return lifecycleStart
	case r.hasType(stop):
		return lifecycleStop
	}
	return ocsf.ActivityOther
}

// oneOrTwo is for classes whose activities are 1 begin and 2 end.
func (r *auditReader) oneOrTwo(begin, end string) int {
	switch {
	case r.hasType(begin):
		return 1
	case r.hasType(end):
		return 2
	}
	return ocsf.ActivityOther
}

// byAction maps EventActionCode; E (execute) on a record is a read.
func (r *auditReader) byAction() int {
	switch action := strings.TrimSpace(r.m.Event.Action); action {
	case "", "E", "e":
		return ocsf.AccessRead
	default:
		return activityOfAction(action)
	}
}

// transaction corrects Import and Export where an IHE transaction says more:
// documents retrieved are read, documents provided are created; both are
// audited as Import by one side and Export by the other.
func (r *auditReader) transaction(otherwise int) int {
	switch {
	case r.hasType("ITI-16", "ITI-18", "ITI-38", "ITI-39", "ITI-43", "ITI-63", "ITI-68", "RAD-16", "RAD-55", "RAD-69", "RAD-107"):
		return ocsf.AccessRead
	case r.hasType("ITI-15", "ITI-41", "ITI-42", "ITI-61", "ITI-65", "ITI-80", "RAD-68"):
		return ocsf.AccessCreate
	}
	return otherwise
}

// alert maps the types of Security Alert. An emergency override is an access
// to the record; a restricted function used is one too where it names one.
func (r *auditReader) alert() (ocsf.Class, int) {
	switch {
	case r.hasType("110127", "110138"):
		return ocsf.WebResourcesActivity, ocsf.AccessRead
	case r.hasType("110126", "110139", "110141"):
		return ocsf.Authentication, ocsf.AuthLogon
	case r.hasType("110140", "110142"):
		return ocsf.Authentication, ocsf.AuthLogoff
	case r.hasType("110133"):
		return ocsf.ApplicationLifecycle, lifecycleStop
	case r.hasType("110134"):
		return ocsf.ApplicationLifecycle, lifecycleStart
	case r.hasType("110128", "110129", "110130", "110131"):
		return ocsf.ApplicationLifecycle, lifecycleUpdate
	case r.hasType("110135", "110136", "110137"):
		return ocsf.EntityManagement, 3
	case len(r.patients()) > 0:
		return ocsf.WebResourcesActivity, r.byAction()
	}
	return ocsf.BaseEvent, ocsf.ActivityOther
}

// The roles of an ActiveParticipant (DICOM PS3.16 CID 402).
const (
	roleApplication = "110150"
	roleDestination = "110152"
	roleSource      = "110153"
)

func (p *auditParticipant) hasRole(code string) bool {
	for _, c := range p.Roles {
		if c.code() == code {
			return true
		}
	}
	return false
}

func (p *auditParticipant) requestor() bool {
	return strings.EqualFold(p.Requestor, "true") || p.Requestor == "1"
}

// aeTitle is the application entity title in AlternativeUserID.
func (p *auditParticipant) aeTitle() string {
	key, value, ok := strings.Cut(p.Alternate, "=")
	if !ok || !strings.HasPrefix(strings.ToUpper(key), "AETITLE") {
		return ""
	}
	first, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(first)
}

// account is the participant's user name: UserID or, where a token (XUA) was
// used, the user in alias<user@issuer>.
func (p *auditParticipant) account() string {
	id := strings.TrimSpace(p.UserID)
	if id != "" && !strings.EqualFold(id, "unknown") {
		return id
	}
	if _, rest, ok := strings.Cut(p.Name, "<"); ok {
		user, _, _ := strings.Cut(rest, "@")
		return strings.TrimSuffix(user, ">")
	}
	return ""
}

// application is the participant's name as a program. A URL or path is none:
// it may hold a patient's number.
func (p *auditParticipant) application() string {
	if name := p.account(); !strings.Contains(name, "/") {
		return name
	}
	return ""
}

// person says whether a participant is a human being rather than a program, a
// node or a URL. The type of the id decides where it is given.
func (p *auditParticipant) person() bool {
	switch p.IDType.code() {
	case "113871":
		return true
	case "110182":
		return false
	}
	id := p.account()
	switch {
	case id == "", strings.Contains(id, "://"), strings.HasPrefix(id, "/"), strings.HasPrefix(id, "urn:"),
		strings.ContainsRune(id, '|'), p.hasRole(roleApplication), strings.HasSuffix(id, "$"):
		return false
	}
	if p.Name != "" {
		return true
	}
	for _, c := range p.Roles {
		if !strings.HasPrefix(c.code(), "11015") {
			return true // a professional role
		}
	}
	return p.requestor() && p.aeTitle() == "" && !p.isProcess()
}

// isProcess says that the alternative id is a process number, as IHE asks of
// applications, and not the person's other name.
func (p *auditParticipant) isProcess() bool {
	if p.Alternate == "" || p.Alternate == p.UserID || !(p.hasRole(roleSource) || p.hasRole(roleDestination)) {
		return false
	}
	return strings.Trim(p.Alternate, "0123456789") == ""
}

// user makes a User of a participant.
func (p *auditParticipant) user() ocsf.User {
	u := ocsf.User{Account: p.account()}
	if !strings.Contains(p.Name, "<") {
		u.FullName = strings.TrimSpace(p.Name)
	}
	for _, c := range p.Roles {
		if code := c.code(); code != "" && !strings.HasPrefix(code, "11015") {
			u.Roles = append(u.Roles, code)
		}
	}
	return u
}

// setPeople says who did it, with what and from where.
func (r *auditReader) setPeople(e *ocsf.Event) {
	who := r.who()
	var program *auditParticipant
	for i := range r.m.Participants {
		p := &r.m.Participants[i]
		if !p.person() && (program == nil || p.requestor() && !program.requestor()) {
			program = p
		}
	}
	e.Actor.AppName = e.Metadata.Product.Name
	if who != nil {
		e.Actor.User = who.user()
		e.Actor.OnBehalfOf = r.onBehalfOf(who)
	} else if program != nil {
		e.Actor.AppName = firstOf(program.aeTitle(), program.application(), e.Actor.AppName)
	}
	r.setEndpoints(e, who)
}

// who is the person behind the event: the requestor, else a person who is not
// the recipient.
func (r *auditReader) who() *auditParticipant {
	var other *auditParticipant
	for i := range r.m.Participants {
		p := &r.m.Participants[i]
		switch {
		case !p.person():
		case p.requestor():
			return p
		case other == nil && !p.hasRole(roleDestination) && p.aeTitle() == "":
			other = p
		}
	}
	return other
}

// onBehalfOf is the professional an assistant (role ASS) acted for.
func (r *auditReader) onBehalfOf(who *auditParticipant) *ocsf.User {
	if !who.hasRole("ASS") {
		return nil
	}
	for i := range r.m.Participants {
		p := &r.m.Participants[i]
		if p != who && p.person() && p.hasRole("HCP") {
			u := p.user()
			return &u
		}
	}
	return nil
}

// setEndpoints puts where the actor is into SrcEndpoint and the other side
// into DstEndpoint. Who imports or reads sits at the destination.
func (r *auditReader) setEndpoints(e *ocsf.Event, who *auditParticipant) {
	source, destination := r.withRole(roleSource, who), r.withRole(roleDestination, who)
	here, there := source, destination
	if e.ActivityID == ocsf.AccessImport || e.ActivityID == ocsf.AccessRead && r.m.Event.ID.code() == "110107" {
		here, there = destination, source
	}
	if destination != nil && destination.requestor() && (source == nil || !source.requestor()) {
		here, there = destination, source
	}
	if here != nil {
		e.SrcEndpoint = here.endpoint()
	}
	if there != nil {
		e.DstEndpoint = there.endpoint()
	}
	if who == nil {
		who = r.anyRequestor()
	}
	if who != nil && who.Network != "" {
		name := e.SrcEndpoint.Name
		e.SrcEndpoint = who.endpoint()
		e.SrcEndpoint.Name = firstOf(e.SrcEndpoint.Name, name)
	}
}

// withRole is the first participant with a role, machines before the person.
func (r *auditReader) withRole(role string, who *auditParticipant) *auditParticipant {
	for i := range r.m.Participants {
		if p := &r.m.Participants[i]; p != who && p.hasRole(role) {
			return p
		}
	}
	if who != nil && who.hasRole(role) {
		return who
	}
	return nil
}

func (r *auditReader) anyRequestor() *auditParticipant {
	for i := range r.m.Participants {
		if p := &r.m.Participants[i]; p.requestor() {
			return p
		}
	}
	return nil
}

// patients are the patients named by the objects, each once.
func (r *auditReader) patients() []ocsf.Patient {
	var list []ocsf.Patient
	known := map[string]bool{"": true}
	for _, o := range r.m.Objects {
		if !o.isPatient() {
			continue
		}
		if p := patientID(o.ID); !known[p.UID] {
			known[p.UID] = true
			list = append(list, p)
		}
	}
	if len(list) == 1 {
		list[0].Encounter = r.encounter()
	}
	return list
}

// isPatient says whether an object is a patient: a person in the role of
// patient, or without a role but with a patient's number.
func (o *auditObject) isPatient() bool {
	role, kind := strings.TrimSpace(o.Role), strings.TrimSpace(o.Type)
	if role == "1" {
		return kind == "1" || kind == ""
	}
	return role == "" && kind == "1" && (o.IDType.code() == "1" || o.IDType.code() == "2")
}

// patientID reads an object's id: a CX with repetitions (further numbers of
// the same patient), a FHIR reference, or the number itself.
func patientID(id string) ocsf.Patient {
	var p ocsf.Patient
	for cx := range strings.SplitSeq(id, "~") {
		number, _, _ := strings.Cut(cx, "^")
		if i := strings.LastIndex(number, "Patient/"); i >= 0 {
			number, _, _ = strings.Cut(number[i+len("Patient/"):], "/")
		}
		number = strings.TrimSpace(number)
		switch {
		case number == "" || number == p.UID:
		case p.UID == "":
			p.UID = number
		case len(p.AltUIDs) < manyNumbers:
			p.AltUIDs = appendNew(p.AltUIDs, number)
		}
	}
	return p
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// encounter is the visit number among the objects (id type 3).
func (r *auditReader) encounter() string {
	for _, o := range r.m.Objects {
		if o.IDType.code() == "3" && o.IDType.System != "DCM" {
			number, _, _ := strings.Cut(o.ID, "^")
			return number
		}
	}
	return ""
}

// resources are the objects that are neither patient nor query nor tracing.
// Of their names only what names nobody is kept.
func (r *auditReader) resources() []ocsf.Resource {
	var list []ocsf.Resource
	ofPatient := len(r.patients()) > 0
	for _, o := range r.m.Objects {
		if o.isPatient() || o.Role == "24" || o.Role == "26" || o.ID == "" && o.Name == "" {
			continue
		}
		res := ocsf.Resource{UID: strings.TrimSpace(o.ID), Type: o.IDType.name(), Name: r.nameOf(&o, ofPatient)}
		for _, label := range []string{strings.TrimSpace(o.Sensitivity), lifecycle(o.Lifecycle)} {
			if label != "" {
				res.Labels = append(res.Labels, label)
			}
		}
		for _, c := range append(o.Description.Classes, o.Classes...) {
			if c.Instances > 0 && c.Instances < 1<<40 {
				res.Count += c.Instances
			}
		}
		list = append(list, res)
	}
	return list
}

// classifications says which objects are marked as especially sensitive.
func (r *auditReader) classifications() []ocsf.DataClassification {
	for _, o := range r.m.Objects {
		for _, label := range strings.FieldsFunc(o.Sensitivity, func(c rune) bool { return c == ',' || c == ';' || c == ' ' }) {
			if found := levelFive(label); found != nil {
				return found
			}
		}
	}
	return nil
}

// lifecycle names ParticipantObjectDataLifeCycle. Source: RFC 3881 section 5.5.3.
func lifecycle(code string) string {
	switch code {
	case "1":
		return "origination"
	case "2":
		return "import"
	case "3":
		return "amendment"
	case "4":
		return "verification"
	case "5":
		return "translation"
	case "6":
		return "access"
	case "7":
		return "de-identification"
	case "8":
		return "aggregation"
	case "9":
		return "report"
	case "10":
		return "export"
	case "11":
		return "disclosure"
	case "12":
		return "receipt-of-disclosure"
	case "13":
		return "archiving"
	case "14":
		return "logical-deletion"
	case "15":
		return "permanent-erasure"
	}
	return ""
}
