package ocsf

// Fact is one statement about care that an HL7 v2 message or a FHIR resource
// makes: who has to do with which patient, where, and from when to when. The
// care graph is built from facts alone.
type Fact struct {
	Kind FactKind `json:"kind"`
	// Patient is the patient the fact is about (the surviving one in a merge).
	Patient string `json:"patient"`
	// Other is the second patient id of a merge (the one that disappears) or
	// an alias of Patient.
	Other string `json:"other,omitempty"`
	// Encounter is the visit number (PV1-19, FHIR Encounter id).
	Encounter string `json:"encounter,omitempty"`
	// ID names the order, appointment, referral or document, so that a later
	// message can change or cancel it.
	ID string `json:"id,omitempty"`
	// Person is the staff member's id (XCN.1, Practitioner identifier).
	Person string `json:"person,omitempty"`
	// Department and Ward say where (PV1-10 / PV1-3.1, FHIR serviceProvider).
	Department string `json:"department,omitempty"`
	Ward       string `json:"ward,omitempty"`
	// Code is a diagnosis (DG1-3), a sensitivity or VIP mark, an order code.
	Code string `json:"code,omitempty"`
	// From and Until bound the relation in ms; 0 is open.
	From  int64 `json:"from,omitempty"`
	Until int64 `json:"until,omitempty"`
	// Retract withdraws an earlier fact with the same Kind, Patient,
	// Encounter and ID/Person (A11-A13, cancelled order or appointment).
	Retract bool `json:"retract,omitempty"`
	// Keys are keyed tokens of demographics (FactDemographics, FactKin).
	Keys []Key `json:"keys,omitempty"`
}

// Key is one keyed token: kind is phone, address, name, surname or
// national_id; token comes from internal/keyed.
type Key struct {
	Kind  string `json:"kind"`
	Token string `json:"token"`
}

// FactKind is the kind of a [Fact].
type FactKind string

// The kinds of facts, with their HL7 v2 and FHIR sources.
const (
	FactEncounter    FactKind = "encounter"    // A01 A04 A05 / A03 sets Until; Encounter.period
	FactLocation     FactKind = "location"     // PV1-3, A02; Encounter.location
	FactAttending    FactKind = "attending"    // PV1-7, ROL AT; Encounter.participant ATND
	FactReferring    FactKind = "referring"    // PV1-8; REF
	FactConsulting   FactKind = "consulting"   // PV1-9; Encounter.participant CON
	FactAdmitting    FactKind = "admitting"    // PV1-17
	FactRegistrar    FactKind = "registration" // EVN-5
	FactOrder        FactKind = "order"        // ORC-12, OBR-16; ServiceRequest.requester
	FactPerformer    FactKind = "performer"    // OBR-28 OBR-32.. ORC-10, ORU, OBX-16; ServiceRequest.performer
	FactAppointment  FactKind = "appointment"  // SIU AIP-3; Appointment.participant
	FactReferral     FactKind = "referral"     // REF I12-I14 PRD
	FactDocument     FactKind = "document"     // MDM TXA-5 TXA-9
	FactBilling      FactKind = "billing"      // DFT, BAR
	FactCareTeam     FactKind = "care-team"    // ROL/PRT; CareTeam.participant
	FactDiagnosis    FactKind = "diagnosis"    // DG1-3; Encounter.reasonCode, Condition
	FactSensitivity  FactKind = "sensitivity"  // PV1-16, PD1-12, ARV
	FactDemographics FactKind = "demographics" // PID-11 PID-13 PID-19, as keys
	FactKin          FactKind = "kin"          // NK1, GT1, IN1-16, as keys; Code = role (NK1, GT1, IN1)
	FactMerge        FactKind = "merge"        // A40 A45 A47: Other becomes Patient
	FactAlias        FactKind = "alias"        // further repeats of PID-3
)

// Explanation is why an access is legitimate, or that nothing says so.
type Explanation struct {
	Explained bool `json:"explained"`
	// Kind is stable and kebab-case: attending, ward-shift, appointment, ...
	Kind string `json:"kind,omitempty"`
	// Weak marks an explanation that does not silence the relation detectors
	// (a co-worker's department, a repeat of a weak one).
	Weak bool `json:"weak,omitempty"`
	// Because are the ids of the events and records it rests on: an event's
	// uid, or "roster:...", "ticket:...", "directory:...".
	Because []string `json:"because,omitempty"`
	// Args fill the sentence's template (person, department, ward, times).
	Args []string `json:"args,omitempty"`
	// At is when it was decided in ms; a healed access has a later one.
	At int64 `json:"at,omitempty"`
}
