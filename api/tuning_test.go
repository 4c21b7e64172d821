package api_test

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/tuning"
)

func into[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

const wish = `{"detector":"vip","until":"2026-06-30","reason":"audit","approved_by":"Dr. Lin",`

// TestExceptionsOverAPI: who may, what waits for somebody else, what takes
// effect at once.
func TestExceptionsOverAPI(t *testing.T) {
	s := newSite(t)
	for role, want := range map[identity.Role]int{identity.Auditor: 403, identity.DepartmentHead: 403, identity.Sender: 403, identity.PrivacyOfficer: 201} {
		if a := s.ask(role, "POST", "/api/v1/exceptions", wish+`"patient":"P1"}`); a.status != want {
			t.Errorf("%s: %d %s", role, a.status, a.body)
		}
	}
	for _, x := range into[[]api.ExceptionLine](t, s.ask(identity.Auditor, "GET", "/api/v1/exceptions", "").body) {
		if x.State != tuning.Wanted || x.Waits == nil || x.Waits.ZH == "" {
			t.Errorf("one user silenced a patient: %+v", x)
		}
	}
	waiting := into[tuning.Exception](t, s.ask(identity.SecurityOfficer, "POST", "/api/v1/exceptions", wish+`"person":"n1"}`).body)
	if waiting.Agreed != 0 {
		t.Error("a program put an exception about a person in force")
	}
	if a := s.ask(identity.Administrator, "POST", "/api/v1/exceptions/"+waiting.ID+"/agree", `{"text":""}`); a.status != 403 {
		t.Errorf("a program agreed: %d", a.status)
	}
	linked := identity.User{Name: "wang", PersonID: "d1", Role: identity.SecurityOfficer}
	own := tuning.Exception{Detector: "vip", Person: "dr.wang", Until: "2026-06-30", Reason: "r", ApprovedBy: "a"}
	if x, err := s.CreateException(t.Context(), linked, own); err != nil || x.Agreed != 0 {
		t.Errorf("an exception about oneself, by one's account: %+v %v", x, err)
	}
	own.Person, own.Department = "", "cardiology"
	if x, err := s.CreateException(t.Context(), linked, own); err != nil || x.Agreed != 0 {
		t.Errorf("an exception about one's own department: %+v %v", x, err)
	}
	for name, change := range map[string]func(*tuning.Exception){
		"everything of a source": func(x *tuning.Exception) { x.Detector, x.Source = "*", "his" },
		"a source":               func(x *tuning.Exception) { x.Source = "his" },
		"all about a person":     func(x *tuning.Exception) { x.Detector, x.Person = "*", "n1" },
		"another department":     func(x *tuning.Exception) { x.Department = "Surgery" },
		"a patient":              func(x *tuning.Exception) { x.Patient = "P9" },
	} {
		x := tuning.Exception{Detector: "vip", Until: "2026-06-30", Reason: "r", ApprovedBy: "a"}
		change(&x)
		x, err := s.CreateException(t.Context(), linked, x)
		if err != nil || x.Agreed != 0 {
			t.Errorf("%s: one user is enough: %+v %v", name, x, err)
			continue
		}
		if _, err := s.ChangeException(t.Context(), linked, x.ID, "agree", ""); err == nil {
			t.Errorf("%s: who wrote it agreed", name)
		}
		if _, err := s.ChangeException(t.Context(), linked, x.ID, "end", "a test"); err != nil {
			t.Error(err)
		}
	}
	own.Department, own.Person = "", "n1"
	if x, err := s.CreateException(t.Context(), linked, own); err != nil || x.AgreedBy != "wang" {
		t.Errorf("an exception about another person: %+v %v", x, err)
	}
	about := identity.User{Name: "li", PersonID: "n1", Role: identity.PrivacyOfficer}
	if _, err := s.ChangeException(t.Context(), about, waiting.ID, "agree", ""); err == nil {
		t.Error("who is meant agreed")
	}
	unknown := identity.User{Name: "wang2", Role: identity.SecurityOfficer}
	if _, err := s.ChangeException(t.Context(), unknown, waiting.ID, "agree", ""); err == nil {
		t.Error("an account agreed of which nobody knows whose it is")
	}
	if x, err := s.ChangeException(t.Context(), linked, waiting.ID, "agree", ""); err != nil || x.AgreedBy != "wang" {
		t.Error(x, err)
	}
	if a := s.ask(identity.Auditor, "GET", "/api/v1/exceptions", ""); a.status != 200 || len(into[[]api.ExceptionLine](t, a.body)) != 10 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for path, body := range map[string]string{
		"/api/v1/exceptions":             `{"detector":"vip","until":"2029-01-01","patient":"P1","reason":"r","approved_by":"a"}`,
		"/api/v1/exceptions/nope/end":    `{"text":"x"}`,
		"/api/v1/detectors/nope/setting": `{"off":true,"reason":"r"}`,
		"/api/v1/detectors/vip/setting":  `{"off":true}`,
		"/api/v1/calibration":            `{"mode":"maybe","reason":"r"}`,
	} {
		if a := s.ask(identity.Administrator, "POST", path, body); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// TestExceptionsOfTheFileAreListed: with an id, what they hid, and where they
// can be changed.
func TestExceptionsOfTheFileAreListed(t *testing.T) {
	s := newSite(t)
	x := detect.Exception{Detector: "*", Source: "test-his", Until: "2026-03-20", Reason: "test system", ApprovedBy: "IT"}
	s.Tuning.File = []detect.Exception{x}
	f := ocsf.Finding{UID: "f1", Analytic: "vip", Person: "n1", Events: []string{"e1"}, Time: 1}
	if err := s.db.Update(t.Context(), func(tx *sql.Tx) error {
		return s.Tuning.Book.Hide(tx, []detect.Hidden{{Exception: x.Key(), Finding: f}})
	}); err != nil {
		t.Fatal(err)
	}
	list, err := s.Exceptions(t.Context())
	if err != nil || len(list) != 1 || !list[0].File || list[0].ID != x.Key() || list[0].Hidden != 1 || list[0].Source != "test-his" {
		t.Fatalf("%+v %v", list, err)
	}
}

func TestDetectorsAreSetOverAPI(t *testing.T) {
	s := newSite(t)
	a := s.ask(identity.SecurityOfficer, "POST", "/api/v1/detectors/vip/setting", `{"off":true,"params":{"days":5},"reason":"no list"}`)
	if set := into[tuning.Setting](t, a.body); a.status != 200 || !set.Off || !set.Waits || set.Params["days"] != 5 || !strings.HasPrefix(set.By, "test") {
		t.Errorf("%d %s, applied %d", a.status, a.body, s.applied)
	}
	if a := s.ask(identity.Auditor, "GET", "/api/v1/settings/waiting", ""); a.status != 200 || len(into[[]tuning.Setting](t, a.body)) != 1 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.ask(identity.Administrator, "POST", "/api/v1/detectors/vip/agree", `{"text":""}`); a.status != 403 {
		t.Errorf("a program agreed: %d %s", a.status, a.body)
	}
	second := identity.User{Name: "li", PersonID: "n1", Role: identity.PrivacyOfficer}
	if set, err := s.DecideSetting(t.Context(), second, "vip", true); err != nil || set.AgreedBy != "li" || !set.Off {
		t.Error(set, err)
	}
	if a := s.ask(identity.SecurityOfficer, "POST", "/api/v1/detectors/vip/setting", `{"off":false,"params":{"days":3},"reason":"as it was"}`); into[tuning.Setting](t, a.body).Waits {
		t.Errorf("switching on waits: %s", a.body)
	}
	if a := s.ask(identity.SecurityOfficer, "POST", "/api/v1/calibration", `{"mode":"frozen","reason":"new officer"}`); a.status != 200 || !strings.Contains(a.body, "frozen") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.ask(identity.SecurityOfficer, "POST", "/api/v1/planted", `{"kind":"canary"}`); a.status != http.StatusAccepted {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.ask(identity.DepartmentHead, "GET", "/api/v1/planted", ""); !strings.Contains(a.body, `"state":"waiting"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	q := into[api.Quality](t, s.ask(identity.DepartmentHead, "GET", "/api/v1/quality?days=7", "").body)
	if q.Days != 7 || q.Calibration != "frozen" || len(q.Filters) != 1 || q.PlantedAll.Of != 0 || q.Planted[0].Waiting != 1 {
		t.Errorf("%+v", q)
	}
}
