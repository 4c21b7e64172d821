// Package ocsf is Cordon's vocabulary: events, facts, explanations, findings
// and incidents, as a subset of the Open Cybersecurity Schema Framework (OCSF
// 1.9.0) written as Go types. Everything that flows through the product is one
// of these values, and every other package speaks in them.
//
// What it gives: [Event] with a hand-written JSON codec that uses no maps and
// no reflection. [Event.AppendJSON] is canonical: the same event gives the
// same bytes on every machine, so evidence can hash it; [Decode] reads those
// bytes back to an equal event; a [Decoder] does so for many events and shares
// their strings. Nothing is lost: a top-level member the types do not know is
// kept in [Event.Extra], a member of an inner object (or a value of a type that
// does not fit) in Unmapped under its path, and both are written out again in
// the order they came. [AppendFinding] and [AppendIncident] write findings and
// cases as OCSF JSON.
//
// Hospital words that OCSF lacks are attributes of an OCSF extension named
// "cordon": patient, access, care and explanation. They stand at the top
// level of the event so that a Sigma rule or an SQL question can name them.
//
// What it does not do: it does not validate a source's claims, and it keeps no
// demographics: names, phone numbers and addresses of patients reach it only
// as keyed tokens (see internal/keyed).
package ocsf

// Version is the OCSF release whose names and numbers this package uses.
const Version = "1.9.0"

// Class is an OCSF class_uid.
type Class uint32

// The classes Cordon produces or reads. Source: OCSF 1.9.0.
const (
	BaseEvent            Class = 0
	FileSystemActivity   Class = 1001
	PeripheralActivity   Class = 1010
	DetectionFinding     Class = 2004
	IncidentFinding      Class = 2005
	DataSecurityFinding  Class = 2006
	Authentication       Class = 3002
	EntityManagement     Class = 3004
	UserManagement       Class = 3007
	NetworkActivity      Class = 4001
	HTTPActivity         Class = 4002
	DNSActivity          Class = 4003
	DHCPActivity         Class = 4004
	InventoryInfo        Class = 5001
	WebResourcesActivity Class = 6001
	ApplicationLifecycle Class = 6002
	APIActivity          Class = 6003
	DatastoreActivity    Class = 6005
	FileHostingActivity  Class = 6006
)

// Activity ids of Web Resources Activity (6001), which is the class of an
// access to a patient's data. Source: OCSF 1.9.0 web_resources_activity.
const (
	ActivityUnknown = 0
	AccessCreate    = 1
	AccessRead      = 2
	AccessUpdate    = 3
	AccessDelete    = 4
	AccessSearch    = 5
	AccessImport    = 6
	AccessExport    = 7
	AccessShare     = 8
	ActivityOther   = 99
)

// Activity ids of Authentication (3002).
const (
	AuthLogon  = 1
	AuthLogoff = 2
)

// Status ids, common to all classes.
const (
	StatusUnknown = 0
	StatusSuccess = 1
	StatusFailure = 2
	StatusOther   = 99
)

// Severity ids, common to all classes.
const (
	SeverityUnknown       = 0
	SeverityInformational = 1
	SeverityLow           = 2
	SeverityMedium        = 3
	SeverityHigh          = 4
	SeverityCritical      = 5
)

// Category is the OCSF category_uid of the class: its thousands.
func (c Class) Category() uint32 { return uint32(c) / 1000 }

// TypeUID is the OCSF type_uid of a class and an activity.
func (c Class) TypeUID(activity int) uint64 { return uint64(c)*100 + uint64(activity) }
