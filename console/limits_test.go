package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/identity"
)

// TestLargeForms: who has not signed in cannot send much.
func TestLargeForms(t *testing.T) {
	h := newHospital(t)
	ses := h.session("zhao", identity.Administrator)
	large := strings.Repeat("a", 70<<10)
	for _, path := range []string{"/signin", "/welcome/x", "/answer/x", "/language"} {
		if res, _ := h.post(identity.Session{}, path, "name", large); res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	if res, _ := h.post(ses, "/users/invite", "name", strings.Repeat(large, 20)); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of more than 1 MiB: %d", res.StatusCode)
	}
	if res, _ := h.post(ses, "/quarantine/none/replay", "data", strings.Repeat(large, 20)); res.StatusCode != http.StatusNotFound {
		t.Errorf("a large mended record: %d", res.StatusCode)
	}
}
