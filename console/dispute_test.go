package console_test

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
)

// TestDispute: beside each access on the page of who looked stands the form
// for the patient's "not mine", for those who handle cases.
func TestDispute(t *testing.T) {
	t.Parallel()
	h := newHospital(t)
	h.live(2)
	path := h.patientPath()
	auditor := h.session("dispute-auditor", identity.Auditor)
	if _, body := h.get(auditor, path); strings.Contains(body, `name="event"`) {
		t.Error("an auditor, who only reads, is offered to take a dispute down")
	}
	officer := h.session("dispute-officer", identity.PrivacyOfficer)
	_, body := h.get(officer, path)
	_, rest, ok := strings.Cut(body, `name="event" value="`)
	event, _, _ := strings.Cut(rest, `"`)
	if !ok || event == "" {
		t.Fatal("no access can be disputed")
	}
	res, _ := h.post(officer, path+"/dispute", "event", event, "note", "I was abroad")
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.Contains(to, "done=dispute") || strings.Contains(to, event) {
		t.Fatalf("disputing: %d to %q", res.StatusCode, to)
	}
	kept := must[[]evidence.Record](t)(h.Book.List(t.Context(), evidence.Filter{Kind: api.RecordDispute}))
	if len(kept) != 1 || kept[0].ID != event || !strings.Contains(string(kept[0].Body), "abroad") {
		t.Errorf("kept: %+v", kept)
	}
	if res, _ := h.post(officer, path+"/dispute", "event", "nothing"); res.StatusCode != http.StatusNotFound {
		t.Errorf("an access that is not there: %d", res.StatusCode)
	}
	if res, _ := h.post(auditor, path+"/dispute", "event", event); res.StatusCode != http.StatusForbidden {
		t.Errorf("an auditor: %d", res.StatusCode)
	}
}

// keepDispute stands in for node.
func (h *hospital) keepDispute(ctx context.Context, r evidence.Record, _ *ocsf.Event) error {
	return h.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := h.Book.Put(tx, r)
		return err
	})
}
