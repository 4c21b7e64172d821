package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/identity"
)

// newDeidSite is a site that can take patients out of files, and find them
// again.
func newDeidSite(t *testing.T) (*site, *deid.Key) {
	t.Helper()
	s := newSite(t)
	key := must[*deid.Key](t)(deid.NewKey(deid.KeyOptions{}))
	s.Reidentify = &deid.Desk{DB: s.db, Log: s.Book, Key: func() (*deid.Key, error) { return key, nil }, Now: s.Now}
	engine := must[*classify.Engine](t)(classify.New(classify.Config{}))
	s.Deidentify = func(ctx context.Context, w api.DeidWork) (deid.Report, error) {
		p, err := deid.Open(w.Profile, deid.Setup{Content: os.DirFS("../content/deid"), Options: w.Options})
		if err != nil {
			return deid.Report{}, err
		}
		return p.Apply(ctx, w.In, w.Out, &deid.Job{Key: key, Scanner: engine, Today: noon, Patient: w.Patient})
	}
	s.mount()
	return s, key
}

// TestDeidentifyOneFile: one file goes through, whole or not at all, and only
// for those who may ask for releases.
func TestDeidentifyOneFile(t *testing.T) {
	s, key := newDeidSite(t)
	const message = "MSH|^~\\&|HIS|H|R|F|20240305||ADT^A01|1|P|2.5\rPID|1||00123456^^^H^MR||SMITH^ANGELA||19491231|F\r"
	for _, r := range identity.Roles() {
		want := 403
		if (identity.User{Role: r.Role}).May(identity.RequestReleases) {
			want = 200
		}
		if a := s.ask(r.Role, "POST", "/api/v1/deid?profile=hl7v2", message); a.status != want {
			t.Errorf("%s: %d, want %d", r.Role, a.status, want)
		}
		list := 403
		if (identity.User{Role: r.Role}).May(identity.SeeReleases) {
			list = 200
		}
		s.ask(r.Role, "GET", "/api/v1/deid/profiles", "").want(list)
		s.ask(r.Role, "GET", "/api/v1/reidentifications", "").want(list)
	}
	out := s.ask(officer, "POST", "/api/v1/deid?profile=auto", message).want(200).body
	if !strings.Contains(out, string(key.Pseudonym(classify.MRN, []byte("00123456")))) || strings.Contains(out, "SMITH") {
		t.Errorf("out: %s", out)
	}
	s.ask(officer, "POST", "/api/v1/deid", message).want(400)
	s.ask(officer, "POST", "/api/v1/deid?profile=table:/etc/passwd", message).want(400)
	s.ask(officer, "POST", "/api/v1/deid?profile=hl7v2&option=nothing", message).want(422)
	if a := s.ask(officer, "POST", "/api/v1/deid?profile=fhir", `{"resourceType":"Patient","name":[{"family":"Smith"`).want(422); strings.Contains(a.body, "Smith") {
		t.Errorf("the refusal holds what was sent: %s", a.body)
	}
	if strings.Contains(s.logged.String(), "SMITH") {
		t.Error("the log holds a name")
	}
	r := httptest.NewRequest("POST", "/api/v1/deid?profile=hl7v2", io.LimitReader(zeros{}, 64<<20+1))
	r.Header.Set("Authorization", "Bearer "+s.tokens[officer])
	s.do(r).want(413)
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestReidentifyNeedsTwo: who asked cannot approve, a program cannot approve,
// an answer is given once and to who asked.
func TestReidentifyNeedsTwo(t *testing.T) {
	s, key := newDeidSite(t)
	pseudonym := string(key.Pseudonym(classify.Mobile, []byte("13800138000")))
	wish := fmt.Sprintf(`{"purpose":"incidental finding","basis":"ethics 7","items":[%q]}`, pseudonym)
	as := func(name string, role identity.Role, path, body string) answer {
		r := httptest.NewRequest("POST", "/api/v1/reidentifications"+path, strings.NewReader(body))
		return s.do(r.WithContext(api.WithUser(r.Context(), identity.User{Name: name, Role: role})))
	}
	as("reader", identity.DepartmentHead, "", wish).want(403)
	as("anna", officer, "", `{"purpose":"x","basis":" ","items":["a"]}`).want(400)
	var q deid.Request
	if err := json.Unmarshal([]byte(as("anna", officer, "", wish).want(201).body), &q); err != nil || q.State != deid.Asked || q.By != "anna" {
		t.Fatal(q, err)
	}
	yes := `{"approve":true,"reason":"the patient must be told"}`
	as("anna", officer, "/"+q.ID+"/answer", "").want(409)
	as("anna", officer, "/"+q.ID+"/decide", yes).want(409)
	as("carl", auditor, "/"+q.ID+"/decide", yes).want(403)
	s.ask(officer, "POST", "/api/v1/reidentifications/"+q.ID+"/decide", yes).want(403) // a program
	as("ben", officer, "/"+q.ID+"/decide", `{"approve":true,"reason":" "}`).want(400)
	as("ben", officer, "/none/decide", yes).want(404)
	as("ben", officer, "/"+q.ID+"/decide", yes).want(200)
	as("ben", officer, "/"+q.ID+"/answer", "").want(400)
	var all []deid.Behind
	if err := json.Unmarshal([]byte(as("anna", officer, "/"+q.ID+"/answer", "").want(200).body), &all); err != nil || len(all) != 1 || all[0].Value == "" {
		t.Errorf("%v %v", all, err)
	}
	as("anna", officer, "/"+q.ID+"/answer", "").want(409)
	if list := s.ask(auditor, "GET", "/api/v1/reidentifications", "").want(200).body; strings.Contains(list, "13800138000") || !strings.Contains(list, `"answered"`) {
		t.Errorf("the list: %s", list)
	}
	if err := s.Book.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}
