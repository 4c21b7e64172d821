package ocsf

// Event is one OCSF event of any class. Zero values are absent members.
// JSON tags name the OCSF attributes; the codec in codec.go writes members in
// the order of the fields. category_uid and type_uid are derived from class
// and activity when written and ignored when read.
type Event struct {
	ClassUID     Class  `json:"class_uid"`
	ActivityID   int    `json:"activity_id"`
	SeverityID   int    `json:"severity_id"`
	StatusID     int    `json:"status_id,omitempty"`
	StatusCode   string `json:"status_code,omitempty"`
	StatusDetail string `json:"status_detail,omitempty"`
	// Time is when it happened, in milliseconds since 1970 UTC.
	Time     int64    `json:"time"`
	Message  string   `json:"message,omitempty"`
	Metadata Metadata `json:"metadata"`
	Actor    Actor    `json:"actor,omitzero"`
	// User is the account acted upon (3002, 3004, 3007).
	User        *User        `json:"user,omitempty"`
	SrcEndpoint Endpoint     `json:"src_endpoint,omitzero"`
	DstEndpoint Endpoint     `json:"dst_endpoint,omitzero"`
	Device      Endpoint     `json:"device,omitzero"`
	API         *API         `json:"api,omitempty"`
	HTTPRequest *HTTPRequest `json:"http_request,omitempty"`
	// WebResources are what was touched (6001); Resources likewise (6003).
	WebResources []Resource `json:"web_resources,omitempty"`
	Resources    []Resource `json:"resources,omitempty"`
	QueryInfo    *QueryInfo `json:"query_info,omitempty"`
	Database     *Named     `json:"database,omitempty"`
	Table        *Named     `json:"table,omitempty"`
	File         *File      `json:"file,omitempty"`
	// DataClassifications is OCSF's data_classification profile; the level is
	// that of GB/T 39725, 1 to 5.
	DataClassifications []DataClassification `json:"data_classifications,omitempty"`

	// The "cordon" extension.
	Patient     *Patient     `json:"patient,omitempty"`
	Access      *Access      `json:"access,omitempty"`
	Care        []Fact       `json:"care,omitempty"`
	Explanation *Explanation `json:"explanation,omitempty"`

	// Unmapped is a JSON object with the source's own fields that have no
	// place above; empty when there are none.
	Unmapped RawJSON `json:"unmapped,omitempty"`
	// RawData is the source's text where it is itself the evidence (a syslog
	// line without patient data); never a clinical message.
	RawData string `json:"raw_data,omitempty"`
	// Extra holds top-level members this package does not know, verbatim and
	// in the order they came.
	Extra []Member `json:"-"`
}

// RawJSON is the text of one JSON value, compact.
type RawJSON []byte

// MarshalJSON and UnmarshalJSON make RawJSON stand for itself in reflection
// based encoders (tests compare them with the codec).
func (r RawJSON) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("null"), nil
	}
	return r, nil
}

// UnmarshalJSON keeps a copy of the text.
func (r *RawJSON) UnmarshalJSON(b []byte) error {
	*r = append((*r)[:0], b...)
	return nil
}

// Member is one member of a JSON object: its name and the text of its value.
type Member struct {
	Name  string
	Value RawJSON
}

// Metadata says where an event comes from.
type Metadata struct {
	// UID is the event's own id as the source gave it, or "sha256:..." of its
	// content where the source gave none.
	UID     string  `json:"uid"`
	Version string  `json:"version"`
	Product Product `json:"product"`
	// LogName is the format (fhir-auditevent, atna, hl7v2, ...), LogProvider
	// the collector's or source's name as shown on the Sources page.
	LogName     string `json:"log_name,omitempty"`
	LogProvider string `json:"log_provider,omitempty"`
	// LoggedTime is when Cordon received it, in ms.
	LoggedTime int64 `json:"logged_time,omitempty"`
	// OriginalTime is the source's own text of the time where it was not an
	// instant (no zone, date only).
	OriginalTime string `json:"original_time,omitempty"`
	// CorrelationUID joins the halves of one access (X-Request-Id).
	CorrelationUID string   `json:"correlation_uid,omitempty"`
	Profiles       []string `json:"profiles,omitempty"`
	// EventCode is the source's code of the kind of event ("ITI-43",
	// "ADT^A01", "110106", a Windows event id).
	EventCode string `json:"event_code,omitempty"`
	// Sequence is the number the source gave its record, counting up by one;
	// 0 where it counts nothing. A hole in it is a record that is missing.
	Sequence int64 `json:"sequence,omitempty"`
}

// Product is the system that produced the event.
type Product struct {
	Name       string `json:"name,omitempty"`
	VendorName string `json:"vendor_name,omitempty"`
	Version    string `json:"version,omitempty"`
}

// Actor is who did it: a person's account, a program, or both.
type Actor struct {
	User    User   `json:"user,omitzero"`
	AppName string `json:"app_name,omitempty"`
	// Session is the application session, where the source names it.
	Session string `json:"session_uid,omitempty"`
	// OnBehalfOf is the professional an assistant acted for (CH ATC, BALP).
	OnBehalfOf *User `json:"on_behalf_of,omitempty"`
}

// User is an account. UID is the directory's person_id once known; before
// that, and always for outsiders, it is what the source said. Account is the
// name the source used.
type User struct {
	UID     string `json:"uid,omitempty"`
	Account string `json:"name,omitempty"`
	// FullName is the person's name as the source wrote it (staff only).
	FullName string   `json:"full_name,omitempty"`
	Type     string   `json:"type,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	Org      string   `json:"org,omitempty"`
}

// Endpoint is a machine as seen in an event.
type Endpoint struct {
	IP       string `json:"ip,omitempty"`
	Hostname string `json:"hostname,omitempty"`
	// Name is an application's or workstation's own name (AE title, terminal).
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
	MAC  string `json:"mac,omitempty"`
	Port int    `json:"port,omitempty"`
}

// API is the call of 6003.
type API struct {
	Operation string `json:"operation,omitempty"`
	Service   string `json:"service,omitempty"`
	Version   string `json:"version,omitempty"`
}

// HTTPRequest is the request behind an event. URL never carries a query.
type HTTPRequest struct {
	UID       string `json:"uid,omitempty"`
	Method    string `json:"http_method,omitempty"`
	URL       string `json:"url,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

// Resource is one thing touched: a document, a study, a FHIR resource.
type Resource struct {
	UID  string `json:"uid,omitempty"`
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
	// Labels are security labels and lifecycle words of the source.
	Labels []string `json:"labels,omitempty"`
	// Count is how many instances it stands for (DICOM SOPClass
	// NumberOfInstances); 0 means one.
	Count int64 `json:"count,omitempty"`
}

// QueryInfo is a statement or a search; Text holds search terms with patient
// identifiers already replaced by tokens where the source marks them.
type QueryInfo struct {
	UID  string `json:"uid,omitempty"`
	Text string `json:"query_string,omitempty"`
	// Rows is the number of results, -1 unknown, in rows.
	Rows int64 `json:"rows,omitempty"`
}

// Named is an OCSF object of which only the name and id matter here.
type Named struct {
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
}

// File is a file touched or exported. Size is in bytes.
type File struct {
	Name string `json:"name,omitempty"`
	Path string `json:"path,omitempty"`
	Size int64  `json:"size,omitempty"`
	Type string `json:"type,omitempty"`
	Hash string `json:"sha256,omitempty"`
}

// DataClassification is one level by one scheme, e.g. GB/T 39725 level 5.
type DataClassification struct {
	Scheme string `json:"scheme,omitempty"`
	Level  int    `json:"level,omitempty"`
	// Category is the data category ("hiv", "psychiatry", ...).
	Category string `json:"category,omitempty"`
}

// Patient is whose data it is. UID is the hospital's number for the patient
// (MRN); AltUIDs are other numbers in the same event.
type Patient struct {
	UID       string   `json:"uid"`
	AltUIDs   []string `json:"alt_uids,omitempty"`
	Encounter string   `json:"encounter_uid,omitempty"`
}

// Access is what an access event says about its own legitimacy.
type Access struct {
	// Purpose are purpose-of-use codes (TREAT, ETREAT, HPAYMT, ...).
	Purpose []string `json:"purpose,omitempty"`
	// BreakGlass is true for an emergency override by any of its spellings
	// (DCM 110127, ETREAT, EMER, BTG).
	BreakGlass bool `json:"break_glass,omitempty"`
	// Reason is the text the person gave, if any.
	Reason string `json:"reason,omitempty"`
	// Incidental marks accesses in which the patient was not chosen (a list,
	// a population report, IT work).
	Incidental bool `json:"incidental,omitempty"`
	// HalfOf is the uid of the first record of the same access when client
	// and server both recorded it (X-Request-Id). Such a half is kept as
	// evidence but is not an event of its own: questions leave it out.
	HalfOf string `json:"half_of,omitempty"`
	// Document is the kind of document (LOINC, local code or name).
	Document string `json:"document,omitempty"`
}

// IsAccess says whether the event is a person's or program's access to one
// patient's data, i.e. something that needs an explanation.
func (e *Event) IsAccess() bool {
	if e.Patient == nil || e.Patient.UID == "" || len(e.Care) > 0 {
		return false
	}
	if e.API != nil && e.API.Service == "cordon" {
		return false // who looks at who looked opens no record; a detector of its own watches that
	}
	switch e.ClassUID {
	case WebResourcesActivity, APIActivity, DatastoreActivity, FileHostingActivity, FileSystemActivity:
		return true
	}
	return false
}
