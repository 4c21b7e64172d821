package console_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/cordon-health/cordon/identity"
)

// TestNothingUnseen: pages about people stay shut while it cannot be recorded
// who looks; those from which that is mended open.
func TestNothingUnseen(t *testing.T) {
	h := newHospital(t)
	h.live(2)
	ses := h.session("zhao", identity.PrivacyOfficer)
	guard := h.session("qian", identity.SecurityOfficer)
	cases := h.linksOf(ses, "/incidents/", []string{"/incidents?status=all"})
	if len(cases) == 0 {
		t.Fatal("no case to open")
	}
	h.mu.Lock()
	h.deaf = errors.New("the disk is full")
	h.mu.Unlock()
	for _, path := range []string{"/incidents", cases[0], cases[0] + "/bundle", "/exceptions"} {
		if res, _ := h.get(ses, path); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	for _, path := range []string{"/", "/sources", "/evidence", "/detectors"} {
		if res, _ := h.get(guard, path); res.StatusCode != http.StatusOK && res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	if res, _ := h.get(guard, "/"); res.StatusCode != http.StatusOK {
		t.Errorf("the overview: %d", res.StatusCode)
	}
}
