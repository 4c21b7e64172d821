package api

import (
	"context"
	"net/http"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
)

// The operations told to Services.Audit for lists of people's doings.
const (
	LookedAtFindings   = "finding-list"    // what detectors found
	LookedAtCases      = "case-list"       // the list of cases
	LookedAtCase       = "case"            // one case
	LookedAtQuarantine = "quarantine-list" // records set aside, with reasons
	LookedAtDisputes   = "dispute-list"    // what patients disputed
	LookedAtExceptions = "exception-list"  // about whom detectors keep silent
	LookedAtHidden     = "hidden-findings" // what an exception hides
	LookedAtData       = "data-map"        // where patient data lies
	LookedAtPasses     = "gateway-list"    // what was stopped on its way out
	LookedAtAddresses  = "address-holders" // whose an address is or was
)

// shows says which operation a route is that shows something about people
// and leaves nothing else behind. known is false for a route that nobody
// thought about; a test finds it. Routes whose operation is "" tell more in
// an event of their own, leave a record of the case, or show nobody.
func shows(id string) (operation string, known bool) {
	switch id {
	case "listFindings":
		return LookedAtFindings, true
	case "listIncidents":
		return LookedAtCases, true
	case "listQuarantine":
		return LookedAtQuarantine, true
	case "listDisputes":
		return LookedAtDisputes, true
	case "listExceptions":
		return LookedAtExceptions, true
	case "hiddenByException":
		return LookedAtHidden, true
	case "explain", "listAccesses", "query", "getIncident", "exportIncident", "getQuarantined": // tell more
		return "", true
	case "listPasses", "getPass":
		return LookedAtPasses, true
	case "listDataObjects", "getDataObject", "exportData", "listScanChanges":
		return LookedAtData, true
	case "listDataTargets", "listScans", "getScan", "getLevels", "getPatientIndex": // show nobody
		return "", true
	case "listBindings", "exportBindings", "addressHistory":
		return LookedAtAddresses, true
	case "listDevices", "getDevice", "listConversations", "listAddressConflicts", "listSubnets", "getPolicies", "checkPolicy", "listSimulations", "getSimulation", "proveSegmentation", "listSensors", "listAccessPoints", "getTransport", "listIsolations": // show nobody's doings
		return "", true
	case "listDeviceKinds", "countDevices", "exportDevices", "listSoftware", "askChecks": // show devices
		return "", true
	case "disputeAccess": // is an event
		return "", true
	case "listWaitingSettings", "listSources", "listRules", "getRule", "listActions", "listPlaybooks", "evidenceHead", "verifyEvidence", "listReleases", "getRelease", "proveRelease", "listDeidProfiles", "listReidentifications": // show nobody
		return "", true
	}
	return "", false
}

// watch tells that a list was asked for, before it is given. The list of what
// was set aside is given even when that cannot be recorded: it names nobody,
// and it is needed to mend what is wrong.
func (c *call) watch(r route) error {
	operation, _ := shows(r.id)
	if operation == "" {
		return nil
	}
	err := c.Watch(c.r.Context(), c.user, operation, "", "", "")
	if operation == LookedAtQuarantine {
		return nil
	}
	return err
}

// WatchCase is Watch for a case, and whom it is about.
func (s *Services) WatchCase(ctx context.Context, u identity.User, c incident.Case) error {
	operation := LookedAtCase
	if u.PersonID != "" && u.PersonID == c.Person {
		operation = LookedAtOwnCase
	}
	ev := s.use(u, operation)
	ev.Resources = []ocsf.Resource{{UID: c.ID, Type: "Incident"}}
	if c.Person != "" {
		ev.Resources = append(ev.Resources, ocsf.Resource{UID: c.Person, Type: "Person"})
	}
	return s.tell(ctx, ev)
}

// tell makes an event durable before its user sees anything. When that fails,
// nothing is shown: nobody looks at people's doings unseen.
func (s *Services) tell(ctx context.Context, ev *ocsf.Event) error {
	if s.Audit == nil {
		return nil
	}
	if err := s.Audit(ctx, ev); err != nil { // logged there
		return refuse(http.StatusServiceUnavailable,
			"this is shown only when it can be recorded who looked, and recording fails now, often because the disk is full. The overview and the page of sources still open; free space on Cordon's disk, then try again",
			"仅在能够留存查阅记录时才可显示，目前无法写入记录（通常因磁盘已满）。概览与数据来源页面仍可打开；请释放 Cordon 所在磁盘空间后重试")
	}
	return nil
}

// use is an event about the use of Cordon itself. Its user is the member of
// staff where that is known.
func (s *Services) use(u identity.User, operation string) *ocsf.Event {
	ev := &ocsf.Event{
		ClassUID: ocsf.APIActivity, ActivityID: ocsf.AccessRead, SeverityID: ocsf.SeverityInformational,
		StatusID: ocsf.StatusSuccess, Time: s.Now().UnixMilli(),
		API: &ocsf.API{Operation: operation, Service: "cordon"},
	}
	ev.Actor.User = ocsf.User{UID: u.PersonID, Account: u.Name, Roles: []string{string(u.Role)}}
	if u.PersonID == "" {
		ev.Actor.User.UID = u.Name
	}
	ev.SrcEndpoint.Name = "Cordon"
	return ev
}
