package identity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// Role is what somebody is in Cordon, not in the hospital.
type Role string

// The roles. Sender is for machines: it may hand in events and nothing else.
const (
	Administrator   Role = "administrator"
	SecurityOfficer Role = "security-officer"
	PrivacyOfficer  Role = "privacy-officer"
	Auditor         Role = "auditor"
	DepartmentHead  Role = "department-head"
	Sender          Role = "sender"
	// DataSteward prepares data sets for research, and sees no cases.
	DataSteward Role = "data-steward"
	// NetworkEngineer keeps devices, addresses and zones, and sees no cases.
	NetworkEngineer Role = "network-engineer"
	// Sensor is a machine that watches a part of the network.
	Sensor Role = "sensor"
)

// Permission is one thing a role may do. What is not granted is denied.
type Permission string

// The permissions.
const (
	SeeOverview    Permission = "see-overview"    // numbers without patients
	SeeCases       Permission = "see-cases"       // incidents, findings, people
	SeePatients    Permission = "see-patients"    // who looked at a patient
	SeeSources     Permission = "see-sources"     // collectors, quarantine counts
	SeeQuarantine  Permission = "see-quarantine"  // the set-aside records themselves
	SeeEvidence    Permission = "see-evidence"    // tree head, verification, export
	Query          Permission = "query"           // any question over the events
	HandleCases    Permission = "handle-cases"    // assign, comment, close, ask the user
	ApproveActions Permission = "approve-actions" // actions that touch the outside
	Replay         Permission = "replay"          // mend and replay quarantine
	Tune           Permission = "tune"            // detectors: switches, numbers, exceptions, calibration, planted tests
	ManageUsers    Permission = "manage-users"    // accounts, tokens, settings
	Import         Permission = "import"          // directory, roster, tickets, watchlist
	SendEvents     Permission = "send-events"     // POST events
	SeeData        Permission = "see-data"        // where patient data lies, by scans
	ScanData       Permission = "scan-data"       // start scans, say what may lie where, levels
	Inspect        Permission = "inspect"         // ask the gateway about contents
	// SeeReleases shows data sets that leave, and traces leaked ones;
	// RequestReleases asks for them, makes them and hands them out.
	SeeReleases     Permission = "see-releases"
	RequestReleases Permission = "request-releases"
	// SeeNetwork shows devices, conversations, zones; ChangeNetwork says whose
	// an address is, what a device is, and puts zone policies to work.
	SeeNetwork    Permission = "see-network"
	ChangeNetwork Permission = "change-network"
	// Sense is what a sensor may do beside sending events: take its orders.
	Sense Permission = "sense"
)

// RoleInfo describes a role to people.
type RoleInfo struct {
	Role  Role
	Title ocsf.Text
	May   []Permission
}

// Roles lists all roles. The administrator may do everything, because in a
// small hospital the first administrator is also the officer; what such a user
// looks at is watched like everybody's. The auditor reads and changes nothing.
// A hospital that separates duties (GB/T 22239 8.1.4.2) gives the officers
// accounts of their own.
func Roles() []RoleInfo {
	return []RoleInfo{
		{Administrator, ocsf.Text{EN: "Administrator", ZH: "系统管理员"}, []Permission{
			SeeOverview, SeeCases, SeeSources, SeeQuarantine, SeeEvidence, Replay, ManageUsers, Import, SendEvents, Inspect, SeeReleases, RequestReleases, HandleCases, ApproveActions, Query, SeePatients, Tune, SeeData, ScanData, SeeNetwork, ChangeNetwork, Sense}},
		{NetworkEngineer, ocsf.Text{EN: "Network engineer", ZH: "网络管理员"}, []Permission{SeeOverview, SeeSources, SeeNetwork, ChangeNetwork}},
		{SecurityOfficer, ocsf.Text{EN: "Security officer", ZH: "安全管理员"}, []Permission{
			SeeReleases, RequestReleases, SeeOverview, SeeCases, SeePatients, SeeSources, SeeQuarantine, SeeEvidence, Query, HandleCases, ApproveActions, Replay, Import, Tune, SeeData, ScanData, SeeNetwork, ChangeNetwork}},
		{PrivacyOfficer, ocsf.Text{EN: "Privacy officer", ZH: "隐私保护专员"}, []Permission{
			SeeReleases, RequestReleases, SeeOverview, SeeCases, SeePatients, SeeSources, SeeEvidence, Query, HandleCases, ApproveActions, Tune, SeeData, SeeNetwork}},
		{Auditor, ocsf.Text{EN: "Auditor (read only)", ZH: "审计员（只读）"}, []Permission{
			SeeReleases, SeeOverview, SeeCases, SeePatients, SeeSources, SeeEvidence, Query, SeeData, SeeNetwork}},
		{DepartmentHead, ocsf.Text{EN: "Department head", ZH: "科室负责人"}, []Permission{SeeOverview, SeeCases}},
		{DataSteward, ocsf.Text{EN: "Data steward (releases)", ZH: "数据管理员（数据发布）"}, []Permission{SeeOverview, SeeData, SeeReleases, RequestReleases}},
		{Sender, ocsf.Text{EN: "Sender (machines)", ZH: "数据接入（机器）"}, []Permission{SendEvents, Inspect}},
		{Sensor, ocsf.Text{EN: "Sensor (machines)", ZH: "网络探针（机器）"}, []Permission{SendEvents, Sense}},
	}
}

// ParseRole finds a role by name.
func ParseRole(name string) (Role, error) {
	var names []string
	for _, r := range Roles() {
		if string(r.Role) == name {
			return r.Role, nil
		}
		names = append(names, string(r.Role))
	}
	return "", fmt.Errorf("no role %q; the roles are %s", name, strings.Join(names, ", "))
}

// May says whether the role has a permission.
func (r Role) May(p Permission) bool {
	for _, info := range Roles() {
		if info.Role == r {
			return slices.Contains(info.May, p)
		}
	}
	return false
}
