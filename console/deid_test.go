package console_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/console"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/identity"
)

// TestWhoIsBehindNeedsTwo walks the page of de-identification: who may see it,
// who may ask, that nobody approves his own request, and that an answer is
// shown once, on a page nobody else gets and no browser keeps.
func TestWhoIsBehindNeedsTwo(t *testing.T) {
	h := newHospital(t)
	key := must[*deid.Key](t)(deid.NewKey(deid.KeyOptions{}))
	h.Reidentify = &deid.Desk{DB: h.db, Log: h.Book, Key: func() (*deid.Key, error) { return key, nil }, Now: h.Now}
	c := must[*console.Console](t)(console.New(console.Parts{Services: h.Services}))
	h.server = httptest.NewServer(c.Handler())
	t.Cleanup(h.server.Close)
	const number = "13800138000"
	pseudonym := string(key.Pseudonym(classify.Mobile, []byte(number)))
	anna, ben := h.session("anna", identity.PrivacyOfficer), h.session("ben", identity.PrivacyOfficer)
	auditor, head := h.session("carl", identity.Auditor), h.session("dora", identity.DepartmentHead)

	if res, _ := h.get(head, "/deid"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a head of department sees the page: %d", res.StatusCode)
	}
	if res, _ := h.get(identity.Session{}, "/deid"); res.StatusCode == http.StatusOK {
		t.Error("anybody sees the page")
	}
	if res, body := h.get(auditor, "/deid"); res.StatusCode != http.StatusOK || !strings.Contains(body, key.ID()) || strings.Contains(body, `name="purpose"`) {
		t.Errorf("an auditor: %d; may he ask?", res.StatusCode)
	}
	wish := []string{"purpose", "incidental finding", "basis", "ethics 7", "items", pseudonym + "\r\n"}
	if res, _ := h.post(auditor, "/deid", wish...); res.StatusCode != http.StatusForbidden {
		t.Errorf("an auditor asked: %d", res.StatusCode)
	}
	if res, _ := h.post(anna, "/deid", wish...); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("asking: %d", res.StatusCode)
	}
	all := must[[]deid.Request](t)(h.Reidentify.List(t.Context(), 10))
	if len(all) != 1 || all[0].By != "anna" {
		t.Fatalf("%+v", all)
	}
	at := "/deid/" + all[0].ID
	why := []string{"reason", "the patient must be told"}
	if res, body := h.post(anna, at+"/answer"); res.StatusCode < 400 || strings.Contains(body, number) {
		t.Errorf("answered before anybody agreed: %d", res.StatusCode)
	}
	if res, _ := h.post(anna, at+"/approve", why...); res.StatusCode < 400 {
		t.Error("who asked approved it")
	}
	if res, _ := h.post(auditor, at+"/approve", why...); res.StatusCode != http.StatusForbidden {
		t.Errorf("an auditor approved: %d", res.StatusCode)
	}
	if res, _ := h.post(ben, at+"/approve", why...); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("approving: %d", res.StatusCode)
	}
	if _, body := h.post(ben, at+"/answer"); strings.Contains(body, number) {
		t.Error("the answer went to who approved")
	}
	res, body := h.post(anna, at+"/answer")
	if res.StatusCode != http.StatusOK || !strings.Contains(body, number) || !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("the answer: %d, %q", res.StatusCode, res.Header.Get("Cache-Control"))
	}
	if res, body := h.post(anna, at+"/answer"); res.StatusCode < 400 || strings.Contains(body, number) {
		t.Errorf("answered twice: %d", res.StatusCode)
	}
	if _, body := h.get(auditor, "/deid"); strings.Contains(body, number) || !strings.Contains(body, "incidental finding") {
		t.Error("the page holds an answer, or lacks the request")
	}
}
