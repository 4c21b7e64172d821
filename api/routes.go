package api

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/quarantine"
)

// route is one line of the table from which the multiplexer, the permissions
// and the OpenAPI description are made.
type route struct {
	method, path string
	// id is the operationId, about its summary.
	id, about string
	// may is the permission it needs; open needs none and no token; local
	// needs none from the machine itself.
	may   identity.Permission
	open  bool
	local bool
	// params are query parameters; those in the path need no mention.
	params []param
	// body is a value of the type of a JSON body, or a media type as text.
	body any
	// most is the largest body in bytes; 0 leaves that to serve.
	most int64
	// answers maps a status to a value of the type of the answer (lines is a
	// list of such values, a line each), or to a media type as text.
	status int
	answer any
	lines  bool

	serve func(*call) error
}

type param struct {
	name, about string
	words       []string // the values it may have; nil is any
}

func langParam() param {
	return param{"lang", "Language of texts; otherwise Accept-Language, otherwise the site's.", []string{"en", "zh"}}
}

func timeParams() []param {
	return []param{
		{"since", "Events at or after: RFC 3339, a date, or ms since 1970.", nil},
		{"until", "Events before.", nil},
		{"limit", "At most so many; 0 is all.", nil},
	}
}

// table lists all routes.
func (a *API) table() []route {
	var all []route
	for _, part := range [][]route{
		a.intakeRoutes(), a.readRoutes(), a.caseRoutes(), a.disputeRoutes(), a.sourceRoutes(), a.evidenceRoutes(), a.adminRoutes(), a.tuningRoutes(), a.qualityRoutes(), a.ruleRoutes(), a.dataRoutes(), a.patientRoutes(), a.gatewayRoutes(), a.releaseRoutes(), a.deidRoutes(), a.networkRoutes(), a.assetRoutes(), a.sensorRoutes(), a.checkRoutes(), a.plainRoutes(),
	} {
		all = append(all, part...)
	}
	for i := range all {
		if all[i].most == 0 && all[i].may != identity.SendEvents && all[i].may != identity.Import {
			all[i].most = a.Limits.Body
		}
	}
	return all
}

func wrap(h http.HandlerFunc) func(*call) error {
	return func(c *call) error {
		h(c.w, c.r)
		return nil
	}
}

func (a *API) intakeRoutes() []route {
	return []route{
		{method: "POST", path: "/api/v1/events", id: "sendEvents", may: identity.SendEvents, status: 202, answer: taken{},
			about: "Hand events in: one record, an array, a Bundle or lines. 202 when every record is durable, as an event or in quarantine with its reason; 503 when none is.",
			params: []param{{"format", "Format of the body, see `cordon import --help`; fhir-auditevent otherwise.", nil},
				{"source", "Name of the sender on the Sources page.", nil}, {"mapping", "Mapping file, for json and csv.", nil}},
			body: "application/octet-stream", serve: ownFormat(a.Events)},
		{method: "POST", path: "/fhir", id: "sendBundle", may: identity.SendEvents, status: 201, answer: "application/fhir+json",
			about: "FHIR Bundle of AuditEvents (IHE ATX: FHIR Feed).", body: "application/fhir+json", serve: wrap(a.FHIR)},
		{method: "POST", path: "/fhir/AuditEvent", id: "sendAuditEvent", may: identity.SendEvents, status: 201, answer: "application/fhir+json",
			about: "One FHIR AuditEvent.", body: "application/fhir+json", serve: wrap(a.FHIR)},
		{method: "POST", path: "/api/v1/import/{kind}", id: "importList", may: identity.Import, status: 200, answer: imported{},
			about: "Import a list: directory, roster, tickets, watchlist, patients (CSV) or sigma (YAML). May be repeated. Content-Encoding gzip and zstd are opened.",
			body:  "text/csv", most: a.Limits.Import, serve: (*call).importList},
	}
}

func (a *API) readRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/findings", id: "listFindings", may: identity.SeeCases, status: 200, answer: finding{}, lines: true,
			about:  "What detectors found, newest first, as OCSF Detection Findings.",
			params: append(timeParams(), param{"withdrawn", "true adds findings that were explained later.", []string{"true", "false"}}),
			serve:  (*call).findings},
		{method: "GET", path: "/api/v1/incidents", id: "listIncidents", may: identity.SeeCases, status: 200, answer: incidentLine{}, lines: true,
			about: "Cases as OCSF Incident Findings, the riskiest first.",
			params: append(timeParams(), param{"status", "Only cases in this state.",
				[]string{incident.StatusWaiting, incident.StatusNew, incident.StatusAssigned, incident.StatusClosed}}),
			serve: (*call).incidents},
		{method: "POST", path: "/api/v1/explanations", id: "explain", may: identity.SeePatients, status: 200, answer: explained{}, lines: true,
			about: "Why accesses are legitimate, or that nothing says so: of some events, or of all.", params: []param{langParam()},
			body: explainWish{}, most: 64 << 20, serve: (*call).explanations},
		{method: "POST", path: "/api/v1/accesses", id: "listAccesses", may: identity.SeePatients, status: 200, answer: access{}, lines: true,
			about: "Who looked at a patient, when, and why it was allowed, newest first; or what a person opened.", params: []param{langParam()},
			body: accessWish{}, serve: (*call).accesses},
		{method: "POST", path: "/api/v1/query", id: "query", may: identity.Query, status: 200, answer: "text/plain",
			about: "One SELECT over the views events, records and explanations.",
			body:  queryWish{}, serve: (*call).query},
		{method: "GET", path: "/api/v1/detectors", id: "listDetectors", may: identity.SeeOverview, status: 200, answer: []detector{},
			about: "What detectors look for, why, and what to do.", serve: (*call).detectors},
	}
}

func (a *API) caseRoutes() []route {
	one := func(id, path, about string, body any, answer any, serve func(*call) error) route {
		return route{method: "POST", path: "/api/v1/incidents/{id}" + path, id: id, about: about, may: identity.HandleCases,
			body: body, status: 200, answer: answer, serve: serve}
	}
	decide := one("decideAction", "/decisions", "Approve or deny a wanted action, signed in as a person: bearer tokens are refused, and nobody approves their own.", decision{}, playbook.Entry{}, (*call).decide)
	decide.may = identity.ApproveActions
	return []route{
		{method: "GET", path: "/api/v1/incidents/{id}", id: "getIncident", may: identity.SeeCases, status: 200, answer: caseFile{},
			about: "One case with its findings, actions and questions.", serve: (*call).incident},
		{method: "GET", path: "/api/v1/incidents/{id}/bundle", id: "exportIncident", may: identity.SeeEvidence, status: 200, answer: "application/zip",
			about: "The evidence bundle of a case; check it with cordon verify.", params: []param{langParam()}, serve: (*call).bundle},
		one("assignIncident", "/assign", "Give the case to a user; empty gives it back.", assignment{}, incident.Case{}, (*call).assign),
		one("commentIncident", "/comment", "Add a note.", remark{}, incident.Case{}, (*call).comment),
		one("closeIncident", "/close", "Close with a verdict: confirmed, justified or false-alarm.", ending{}, incident.Case{}, (*call).close),
		one("reopenIncident", "/reopen", "Open a closed case again.", remark{}, incident.Case{}, (*call).reopen),
		one("actOnIncident", "/actions", "Ask for an action; classes that need approval wait for it.", act{}, playbook.Entry{}, (*call).act),
		decide,
		one("undoAction", "/undo", "Take an action back.", entryKey{}, playbook.Entry{}, (*call).undo),
		one("startPlaybook", "/playbooks", "Begin a playbook on the case.", startWish{}, started{}, (*call).start),
		{method: "GET", path: "/api/v1/actions", id: "listActions", may: identity.SeeCases, status: 200, answer: []actionInfo{},
			about: "The actions there are, what they need and whether they are set up.", serve: (*call).actions},
		{method: "GET", path: "/api/v1/playbooks", id: "listPlaybooks", may: identity.SeeCases, status: 200, answer: []playbook.Playbook{},
			about: "The playbooks, as CACAO.", serve: func(c *call) error { return c.answer(200, c.Runner.Playbooks()) }},
	}
}

func (a *API) sourceRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/alarm-path", id: "alarmPath", may: identity.SeeOverview, status: 200, answer: AlarmPath{},
			about: "How the way from an event to a warning does: latency, losses, stopped detectors, silent sources.", serve: (*call).alarmPath},
		{method: "POST", path: "/api/v1/alarm-path/alerts", id: "testAlerts", may: identity.ApproveActions, status: 200, answer: []playbook.AlertTest{},
			about: "Send a message that says it is a test through every way in which warnings reach people.", serve: (*call).testAlerts},
		{method: "GET", path: "/api/v1/sources", id: "listSources", may: identity.SeeSources, status: 200, answer: []Source{},
			about: "Who sends, when last, how much.", serve: func(c *call) error { return c.answer(200, c.Sources()) }},
		{method: "GET", path: "/api/v1/quarantine", id: "listQuarantine", may: identity.SeeSources, status: 200, answer: setAside{}, lines: true,
			about: "Input that could not be used, with the reason, newest first.",
			params: []param{{"state", "open otherwise.", []string{quarantine.Open, quarantine.Replayed, quarantine.Discarded}},
				{"limit", "At most so many; 0 is all.", nil}},
			serve: (*call).quarantined},
		{method: "GET", path: "/api/v1/quarantine/{id}", id: "getQuarantined", may: identity.SeeQuarantine, status: 200, answer: setAsideData{},
			about: "One record with its bytes (base64).", serve: (*call).quarantinedOne},
		{method: "POST", path: "/api/v1/quarantine/{id}/replay", id: "replayQuarantined", may: identity.Replay, status: 200, answer: setAside{},
			about: "Put a record in again, mended (data) or as it is.", body: mended{}, most: 64 << 20, serve: (*call).replay},
		{method: "POST", path: "/api/v1/quarantine/{id}/discard", id: "discardQuarantined", may: identity.Replay, status: 200, answer: setAside{},
			about: "Give a record up; it stays, marked.", serve: (*call).discard},
	}
}

func (a *API) evidenceRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/evidence", id: "evidenceHead", may: identity.SeeEvidence, status: 200, answer: head{},
			about: "The signed head of the evidence log, and its public key.", serve: (*call).head},
		{method: "POST", path: "/api/v1/evidence/verify", id: "verifyEvidence", may: identity.SeeEvidence, status: 200, answer: verifyLine{}, lines: true,
			about: "Check all evidence: lines with the progress, and a last one with the report.", serve: (*call).verify},
	}
}

func (a *API) adminRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/tokens", id: "listTokens", may: identity.ManageUsers, status: 200, answer: []tokenInfo{},
			about: "The bearer tokens that work.", serve: (*call).tokensList},
		{method: "POST", path: "/api/v1/tokens", id: "createToken", may: identity.ManageUsers, status: 201, answer: newToken{},
			about: "Make a token; it is shown once.", body: tokenWish{}, serve: (*call).tokenCreate},
		{method: "DELETE", path: "/api/v1/tokens/{id}", id: "revokeToken", may: identity.ManageUsers, status: 204,
			about: "End a token at once.", serve: (*call).tokenRevoke},
		{method: "GET", path: "/api/v1/users", id: "listUsers", may: identity.ManageUsers, status: 200, answer: []userInfo{},
			about: "The users of the console.", serve: (*call).usersList},
		{method: "POST", path: "/api/v1/users", id: "inviteUser", may: identity.ManageUsers, status: 201, answer: invited{},
			about: "Invite somebody by a one-time link, or let them choose password and authenticator anew.", body: inviteWish{}, serve: (*call).userInvite},
		{method: "POST", path: "/api/v1/users/{name}/disable", id: "disableUser", may: identity.ManageUsers, status: 204,
			about: "Shut an account and end its sessions.", serve: (*call).userDisable},
		{method: "POST", path: "/api/v1/users/{name}/enable", id: "enableUser", may: identity.ManageUsers, status: 204,
			about: "Open a disabled account.", serve: (*call).userEnable},
	}
}

func (a *API) plainRoutes() []route {
	metrics := http.NotFoundHandler()
	if a.Metrics != nil {
		metrics = promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{})
	}
	return []route{
		{method: "GET", path: "/api/v1/openapi.json", id: "openapi", open: true, status: 200, answer: "application/json",
			about: "This description.", serve: (*call).openapi},
		{method: "GET", path: "/metrics", id: "metrics", may: identity.SeeOverview, local: true, status: 200, answer: "text/plain",
			about: "Prometheus metrics; without a token from the machine itself only.", serve: wrap(metrics.ServeHTTP)},
		{method: "GET", path: "/healthz", id: "healthz", open: true, status: 200, answer: "text/plain",
			about: "The process lives.", serve: func(c *call) error { return c.plain(http.StatusOK, "ok\n") }},
		{method: "GET", path: "/readyz", id: "readyz", open: true, status: 200, answer: "text/plain",
			about: "Requests can be served; 503 otherwise.", serve: (*call).ready},
	}
}

func (c *call) plain(status int, text string) error {
	c.begin(status, "text/plain; charset=utf-8")
	_, err := c.w.Write([]byte(text))
	return err
}

func (c *call) ready() error {
	if c.Ready == nil {
		return c.plain(http.StatusOK, "ok\n")
	}
	if err := c.Ready(c.r.Context()); err != nil {
		c.Log.Warn("not ready", "error", err)
		return c.plain(http.StatusServiceUnavailable, "not ready; the reason is in the log\n")
	}
	return c.plain(http.StatusOK, "ok\n")
}
