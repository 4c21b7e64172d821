package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/identity"
)

const (
	admin   = identity.Administrator
	officer = identity.SecurityOfficer
	auditor = identity.Auditor
	sender  = identity.Sender
	head    = identity.DepartmentHead
)

type findingLine struct {
	ClassUID    int     `json:"class_uid"`
	RiskScore   float64 `json:"risk_score"`
	Status      string  `json:"status"`
	FindingInfo struct {
		UID      string
		Analytic struct{ UID string }
		Related  []struct{ UID string } `json:"related_events"`
	} `json:"finding_info"`
	List  []struct{ UID string } `json:"finding_info_list"`
	Actor struct{ User struct{ UID string } }
}

func TestFindingsAreOCSFLines(t *testing.T) {
	s := newSite(t)
	got := lines[findingLine](s.ask(officer, "GET", "/api/v1/findings", "").want(200))
	var uids []string
	for _, f := range got {
		uids = append(uids, f.FindingInfo.UID)
	}
	if diff := cmp.Diff([]string{"vip:2", "vip:1", "family:1"}, uids); diff != "" {
		t.Errorf("newest first (-want +got):\n%s", diff)
	}
	f := got[1]
	if f.ClassUID != 2004 || f.FindingInfo.Analytic.UID != "vip" || f.FindingInfo.Related[0].UID != "e2" || f.Actor.User.UID != "n1" || f.RiskScore != 70 {
		t.Errorf("finding: %+v", f)
	}
	if n := len(lines[findingLine](s.ask(officer, "GET", "/api/v1/findings?limit=1", "").want(200))); n != 1 {
		t.Errorf("limit=1 gives %d", n)
	}
	s.ask(officer, "GET", "/api/v1/findings?since=yesterday", "").want(400)
}

func TestIncidentsAreRanked(t *testing.T) {
	s := newSite(t)
	got := lines[findingLine](s.ask(officer, "GET", "/api/v1/incidents", "").want(200))
	if len(got) != 2 || got[0].RiskScore < got[1].RiskScore || got[0].ClassUID != 2005 || got[0].Actor.User.UID != "d1" || len(got[1].List) != 2 {
		t.Fatalf("incidents: %+v", got)
	}
	if n := len(lines[findingLine](s.ask(officer, "GET", "/api/v1/incidents?status=closed", "").want(200))); n != 0 {
		t.Errorf("%d closed", n)
	}
	s.ask(officer, "GET", "/api/v1/incidents?status=odd", "").want(400)
}

func TestDepartmentHeadSeesOwnDepartment(t *testing.T) {
	s := newSite(t)
	r := httptest.NewRequest("GET", "/api/v1/incidents", nil)
	u := identity.User{Name: "head", Role: head, Department: "Surgery"}
	got := lines[findingLine](s.do(r.WithContext(api.WithUser(r.Context(), u))).want(200))
	if len(got) != 1 || got[0].Actor.User.UID != "n1" {
		t.Errorf("the head of surgery sees %+v", got)
	}
	r = httptest.NewRequest("GET", "/api/v1/findings", nil)
	if got := lines[findingLine](s.do(r.WithContext(api.WithUser(r.Context(), u))).want(200)); len(got) != 2 {
		t.Errorf("the head of surgery sees findings %+v", got)
	}
}

type explanation struct {
	EventUID  string `json:"event_uid"`
	Explained bool
	Kind      string
	Sentence  string
	Because   []string
	Error     string
}

func TestExplanations(t *testing.T) {
	s := newSite(t)
	some := lines[explanation](s.ask(officer, "POST", "/api/v1/explanations", `{"events":["e1-client","e2","login","nobody"]}`).want(200))
	if len(some) != 4 {
		t.Fatalf("lines: %+v", some)
	}
	if x := some[0]; x.EventUID != "e1-client" || !x.Explained || x.Kind != "attending" || !strings.Contains(x.Sentence, "Wang") {
		t.Errorf("the second half answers %+v, want the first one's explanation", x)
	}
	if x := some[1]; x.Explained || x.Sentence == "" || x.Because == nil {
		t.Errorf("unexplained: %+v", x)
	}
	if some[2].Error == "" || some[3].Error == "" {
		t.Errorf("what has no explanation must say why: %+v", some[2:])
	}
	all := lines[explanation](s.ask(officer, "POST", "/api/v1/explanations", `{"all":true}`).want(200))
	by := map[string]explanation{}
	for _, x := range all {
		by[x.EventUID] = x
	}
	if len(all) != 4 || !by["e1-client"].Explained || by["e3"].Explained {
		t.Errorf("all: %+v", all)
	}
	if diff := cmp.Diff([]string{"hl7:A;1", `b\2`}, by["e1"].Because); diff != "" {
		t.Errorf("because through SQL (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(some[0].Sentence, by["e1-client"].Sentence); diff != "" {
		t.Errorf("sentences differ: %s", diff)
	}
	s.ask(officer, "POST", "/api/v1/explanations", `{}`).want(400)
	zh := one[explanation](s.ask(officer, "POST", "/api/v1/explanations?lang=zh", `{"events":["e2"]}`).want(200))
	if !strings.ContainsRune(zh.Sentence, '患') {
		t.Errorf("in Chinese: %q", zh.Sentence)
	}
}

func TestAccessesOfPatientAreWatched(t *testing.T) {
	s := newSite(t)
	got := lines[map[string]any](s.ask(auditor, "POST", "/api/v1/accesses", `{"patient":"P1"}`).want(200))
	if len(got) != 2 || got[0]["person"] != "n1" || got[1]["kind"] != "attending" || got[1]["name"] != "Wang" {
		t.Errorf("accesses: %v", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watched) != 1 || s.watched[0].API.Operation != api.LookedAtPatient || s.watched[0].Resources[0].UID != "P1" || s.watched[0].IsAccess() {
		t.Errorf("watched: %+v", s.watched)
	}
}

func TestTrailsOfPeopleAndAllReasonsAreWatched(t *testing.T) {
	s := newSite(t)
	s.ask(auditor, "POST", "/api/v1/accesses", `{"person":"d1"}`).want(200)
	s.ask(auditor, "POST", "/api/v1/explanations", `{"all":true}`).want(200)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watched) != 2 || s.watched[0].API.Operation != api.LookedAtPerson || s.watched[0].Resources[0].UID != "d1" ||
		s.watched[1].API.Operation != api.LookedAtReasons {
		t.Errorf("watched: %+v", s.watched)
	}
}

func TestQuery(t *testing.T) {
	s := newSite(t)
	csv := s.ask(officer, "POST", "/api/v1/query", `{"sql":"SELECT person, count(*) AS n FROM events WHERE patient IS NOT NULL GROUP BY person ORDER BY person","format":"csv"}`).want(200)
	if csv.body != "person,n\nd1,1\nn1,2\n" && csv.body != "person,n\r\nd1,1\r\nn1,2\r\n" {
		t.Errorf("csv: %q", csv.body)
	}
	p := s.ask(officer, "POST", "/api/v1/query", `{"sql":"SELEC 1"}`).want(400)
	if !strings.Contains(p.body, "cannot be answered") {
		t.Errorf("problem: %s", p.body)
	}
	s.ask(sender, "POST", "/api/v1/query", `{"sql":"SELECT 1"}`).want(403)
	s.ask(officer, "POST", "/api/v1/query", `{"sql":"SELECT 1","format":"xml"}`).want(400)
}

func TestCaseToTheEnd(t *testing.T) {
	s := newSite(t)
	id := lines[findingLine](s.ask(officer, "GET", "/api/v1/incidents", "").want(200))[0].FindingInfo.UID
	at := "/api/v1/incidents/" + id
	s.ask(auditor, "POST", at+"/comment", `{"text":"x"}`).want(403)
	s.ask(officer, "POST", at+"/comment", `{"text":"  "}`).want(400)
	s.ask(officer, "POST", at+"/comment", `{"text":"looked at it"}`).want(200)
	s.ask(officer, "POST", at+"/assign", `{"to":"nobody"}`).want(400)
	s.ask(officer, "POST", at+"/actions", `{"action":"no-such"}`).want(400)
	e := one[struct{ Key, Status string }](s.ask(officer, "POST", at+"/actions", `{"action":"ask-user"}`).want(200))
	if e.Status != "done" {
		t.Errorf("ask-user: %+v", e)
	}
	s.ask(officer, "POST", at+"/undo", `{"key":"`+e.Key+`"}`).want(200)
	s.ask(officer, "POST", at+"/undo", `{"key":"`+e.Key+`"}`).want(409)
	s.ask(officer, "POST", at+"/close", `{"verdict":"maybe"}`).want(400)
	s.ask(officer, "POST", at+"/close", `{"verdict":"justified","text":"second opinion"}`).want(200)
	s.ask(officer, "POST", at+"/close", `{"verdict":"justified"}`).want(409)
	file := one[struct {
		Case struct {
			Status, Verdict string
			Notes           []struct{ Kind string }
		}
		Incident findingLine
		Actions  []any
	}](s.ask(auditor, "GET", at, "").want(200))
	if file.Case.Status != "closed" || file.Incident.Status != "Closed" || len(file.Actions) != 1 {
		t.Errorf("file: %+v", file)
	}
	s.ask(officer, "POST", at+"/reopen", `{"text":""}`).want(200)
	s.ask(officer, "GET", "/api/v1/incidents/none", "").want(404)
	if b := s.ask(officer, "GET", at+"/bundle", "").want(200); b.body != "PK"+id || b.header.Get("Content-Type") != "application/zip" {
		t.Errorf("bundle: %q %v", b.body, b.header)
	}
}

func TestProgramsApproveNothing(t *testing.T) {
	s := newSite(t)
	id := lines[findingLine](s.ask(officer, "GET", "/api/v1/incidents", "").want(200))[0].FindingInfo.UID
	as := func(name, what, body string) answer {
		r := httptest.NewRequest("POST", "/api/v1/incidents/"+id+what, strings.NewReader(body))
		return s.do(r.WithContext(api.WithUser(r.Context(), identity.User{Name: name, Role: officer})))
	}
	e := one[struct{ Key, Status string }](s.ask(officer, "POST", "/api/v1/incidents/"+id+"/actions", `{"action":"suspend-account"}`).want(200))
	decide := `{"key":"` + e.Key + `","approve":true}`
	s.ask(officer, "POST", "/api/v1/incidents/"+id+"/decisions", decide).want(403)
	s.ask(identity.Administrator, "POST", "/api/v1/incidents/"+id+"/decisions", decide).want(403)
	if a := as("test", "/decisions", decide); a.status == 200 {
		t.Errorf("whoever made the token approved what it asked for: %s", a.body)
	}
	as("colleague", "/decisions", decide).want(200)
}

func TestActionsStayWithTheirCase(t *testing.T) {
	s := newSite(t)
	i := lines[findingLine](s.ask(officer, "GET", "/api/v1/incidents", "").want(200))[0]
	at := "/api/v1/incidents/" + i.FindingInfo.UID
	act := func(action, params string) answer {
		return s.ask(officer, "POST", at+"/actions", `{"action":"`+action+`","params":`+params+`}`)
	}
	act("suspend-account", `{"account":"li.na"}`).want(400)
	act("suspend-account", `{"account":"root"}`).want(400)
	act("suspend-account", `{"dn":"cn=x"}`).want(400)
	act("ask-user", `{"account":"dr.wang"}`).want(400)
	act("assign-case", `{"to":"nobody"}`).want(400)
	act("assign-case", `{"to":""}`).want(400)
	act("suspend-account", `{"account":"dr.wang"}`).want(200)
	s.ask(officer, "POST", at+"/close", `{"verdict":"confirmed"}`).want(200)
	act("suspend-account", `{}`).want(409)
}

func TestOwnCaseIsForOthers(t *testing.T) {
	s := newSite(t)
	id := lines[findingLine](s.ask(officer, "GET", "/api/v1/incidents", "").want(200))[0].FindingInfo.UID
	r := httptest.NewRequest("POST", "/api/v1/incidents/"+id+"/close", strings.NewReader(`{"verdict":"justified"}`))
	u := identity.User{Name: "wang", Role: officer, PersonID: "d1"}
	s.do(r.WithContext(api.WithUser(r.Context(), u))).want(403)
}

func TestQuarantine(t *testing.T) {
	s := newSite(t)
	list := s.ask(auditor, "GET", "/api/v1/quarantine", "").want(200)
	if strings.Contains(list.body, "broken") {
		t.Error("the list shows a record's bytes")
	}
	id := one[struct{ ID string }](list).ID
	s.ask(auditor, "GET", "/api/v1/quarantine/"+id, "").want(403)
	if one[struct{ Data []byte }](s.ask(officer, "GET", "/api/v1/quarantine/"+id, "").want(200)).Data == nil {
		t.Error("no bytes")
	}
	s.ask(officer, "POST", "/api/v1/quarantine/"+id+"/replay", `{}`).want(422)
	s.ask(officer, "POST", "/api/v1/quarantine/"+id+"/replay", `{"data":"TVNIfA=="}`).want(200)
	s.ask(officer, "POST", "/api/v1/quarantine/"+id+"/discard", "").want(409)
}

func TestImport(t *testing.T) {
	s := newSite(t)
	a := s.ask(admin, "POST", "/api/v1/import/directory", "person_id,account,name,department\nx1,x,X,ICU\n,y,Y,ICU\n").want(200)
	if got := one[struct{ Accepted, Quarantined int }](a); got.Accepted != 1 || got.Quarantined != 1 {
		t.Errorf("import: %s", a.body)
	}
	s.ask(admin, "POST", "/api/v1/import/moon", "x").want(404)
	s.ask(auditor, "POST", "/api/v1/import/directory", "x").want(403)
}

func TestTokensAndUsers(t *testing.T) {
	s := newSite(t)
	made := one[struct{ Token string }](s.ask(admin, "POST", "/api/v1/tokens", `{"label":"his","role":"sender","days":30}`).want(201))
	s.tokens["new"] = made.Token
	s.ask("new", "POST", "/api/v1/events", "{}").want(202)
	s.ask("new", "GET", "/api/v1/tokens", "").want(403)
	for _, tok := range one[[]struct{ ID, Label string }](s.ask(admin, "GET", "/api/v1/tokens", "").want(200)) {
		if tok.Label == "his" {
			s.ask(admin, "DELETE", "/api/v1/tokens/"+tok.ID, "").want(204)
		}
	}
	s.ask("new", "POST", "/api/v1/events", "{}").want(401)
	s.ask(admin, "POST", "/api/v1/tokens", `{"label":"x","role":"king"}`).want(400)
	s.ask(admin, "DELETE", "/api/v1/tokens/none", "").want(404)
	inv := one[struct{ Path string }](s.ask(admin, "POST", "/api/v1/users", `{"name":"zhao","role":"auditor"}`).want(201))
	if !strings.HasPrefix(inv.Path, "/welcome/") {
		t.Errorf("invited to %q", inv.Path)
	}
	s.ask(admin, "POST", "/api/v1/users", `{"name":"qian","role":"department-head"}`).want(400)
	s.ask(admin, "POST", "/api/v1/users/nobody/disable", "").want(404)
}

func TestRefusals(t *testing.T) {
	s := newSite(t)
	a := s.ask("", "GET", "/api/v1/incidents", "").want(401)
	var p api.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != 401 || p.Detail == "" || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("problem %s, %v", a.body, err)
	}
	if a.header.Get("WWW-Authenticate") == "" {
		t.Error("401 without a challenge")
	}
	s.ask(officer, "GET", "/api/v1/nothing", "").want(404)
	m := s.ask(officer, "GET", "/api/v1/query", "").want(405)
	if m.header.Get("Allow") != "POST" {
		t.Errorf("Allow: %q", m.header.Get("Allow"))
	}
	s.ask(officer, "POST", "/api/v1/query", `{"sql":"SELECT 1","odd":1}`).want(400)
	s.ask(officer, "POST", "/api/v1/query", `{"sql":"`+strings.Repeat("x", 5<<20)+`"}`).want(413)
	s.ask("", "GET", "/healthz", "").want(200)
	s.ask("", "GET", "/readyz", "").want(200)
	s.ask("", "GET", "/metrics", "").want(401)
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.RemoteAddr = "127.0.0.1:5"
	if got := s.do(r).want(200); !strings.Contains(got.body, "cordon_test_total") {
		t.Errorf("metrics: %s", got.body)
	}
}

// TestFailuresStayInside breaks the store and looks at what gets out.
func TestFailuresStayInside(t *testing.T) {
	s := newSite(t)
	ctx := api.WithUser(t.Context(), identity.User{Name: "x", Role: officer})
	s.db.Close()
	a := s.do(httptest.NewRequest("GET", "/api/v1/incidents", nil).WithContext(ctx)).want(500)
	var p api.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Reference == "" || strings.Contains(a.body, "sql") {
		t.Errorf("outside: %s, %v", a.body, err)
	}
	if !strings.Contains(s.logged.String(), p.Reference) {
		t.Error("the reference is not in the log")
	}
}

func TestRateLimit(t *testing.T) {
	s := newSite(t)
	refused := 0
	for range 600 {
		if a := s.ask("", "GET", "/api/v1/sources", ""); a.status == 429 && a.header.Get("Retry-After") != "" {
			refused++
		}
	}
	if refused != 100 {
		t.Errorf("%d of 600 refused, want 100", refused)
	}
}

func TestDetectorsSourcesEvidence(t *testing.T) {
	s := newSite(t)
	d := one[[]struct {
		ID    string
		Lacks []any
	}](s.ask(officer, "GET", "/api/v1/detectors", "").want(200))
	if len(d) != 1 || len(d[0].Lacks) != 1 {
		t.Errorf("detectors: %+v", d)
	}
	if !strings.Contains(s.ask(officer, "GET", "/api/v1/sources", "").want(200).body, "mllp:his") {
		t.Error("no source")
	}
	if !strings.Contains(s.ask(officer, "GET", "/api/v1/evidence", "").want(200).body, "checkpoint") {
		t.Error("no head")
	}
	v := lines[struct {
		Step   string
		Report *struct{ OK bool }
	}](s.ask(officer, "POST", "/api/v1/evidence/verify", "").want(200))
	if last := v[len(v)-1]; last.Report == nil || !last.Report.OK || v[0].Step != "log" {
		t.Errorf("verify: %+v", v)
	}
}

func TestLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "zh-CN,zh;q=0.9,en;q=0.8": "zh", "en-GB,en;q=0.9,zh;q=0.1": "en", "fr,zh;q=0.3": "zh", "de": "en", "en;q=0,zh;q=0.1": "zh",
	} {
		if got := api.Language(header, "en"); got != want {
			t.Errorf("Language(%q) = %s, want %s", header, got, want)
		}
	}
}

func TestOpenAPI(t *testing.T) {
	s := newSite(t)
	a := s.ask("", "GET", "/api/v1/openapi.json", "").want(200)
	var doc struct {
		OpenAPI    string
		Info       struct{ Title, Version string }
		Paths      map[string]map[string]operation
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Info.Title == "" || doc.Info.Version != "1.2.3" {
		t.Errorf("head: %s %+v", doc.OpenAPI, doc.Info)
	}
	ids := map[string]bool{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			op.check(t, path, method, ids)
		}
	}
	for _, ref := range refs(a.body) {
		if _, ok := doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]; !ok {
			t.Errorf("%s leads nowhere", ref)
		}
	}
	for _, want := range []string{"/api/v1/events", "/fhir", "/api/v1/incidents/{id}/bundle", "/metrics", "/readyz"} {
		if doc.Paths[want] == nil {
			t.Errorf("%s is not described", want)
		}
	}
}

type operation struct {
	OperationID string `json:"operationId"`
	Summary     string
	Parameters  []struct {
		Name, In string
		Required bool
		Schema   map[string]any
	}
	Responses map[string]struct{ Description string }
}

// check holds an operation to what OpenAPI 3.1 demands.
func (op operation) check(t *testing.T, path, method string, ids map[string]bool) {
	if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" {
		t.Errorf("%s %s: operationId %q must be there once, with a summary", method, path, op.OperationID)
	}
	ids[op.OperationID] = true
	if len(op.Responses) < 2 {
		t.Errorf("%s %s: responses %v", method, path, op.Responses)
	}
	var inPath []string
	for _, p := range op.Parameters {
		if p.In == "path" {
			inPath = append(inPath, p.Name)
			if !p.Required || !strings.Contains(path, "{"+p.Name+"}") {
				t.Errorf("%s %s: path parameter %q", method, path, p.Name)
			}
		}
		if slices.Contains([]string{"patient", "person"}, p.Name) {
			t.Errorf("%s %s: %s would stand in the address", method, path, p.Name)
		}
	}
	if strings.Count(path, "{") != len(inPath) {
		t.Errorf("%s %s: path parameters %v", method, path, inPath)
	}
}

func refs(body string) []string {
	var out []string
	for part := range strings.SplitSeq(body, `"$ref":"`) {
		if ref, _, ok := strings.Cut(part, `"`); ok && strings.HasPrefix(ref, "#/") {
			out = append(out, ref)
		}
	}
	return out
}
