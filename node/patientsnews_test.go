package node

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/gateway"
)

// TestPatientsFromMessages admits a patient: from then on the index knows the
// number, in scans and at the gateway, also after a restart; a planted patient is known at
// once.
func TestPatientsFromMessages(t *testing.T) {
	const number = "700099123"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "list.txt"), []byte("see "+number+" and 700099124\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, filepath.Join(t.TempDir(), "data"), func(c *config.Config) {
		c.Scan.Targets = []classify.ScanTarget{{Name: "share", Path: dir, Allowed: 5}}
		c.Gateway.Routes = []gateway.Route{{Name: "ours", Rules: []gateway.Rule{{Honey: true, Do: gateway.Block}, {Patients: 1, Do: gateway.Block}}}}
	})
	v := s.start(t)
	if run := s.scanned(t, `{"target":"share"}`); run.Totals.Patients != 0 {
		t.Errorf("nobody is known, and %d patients were found", run.Totals.Patients)
	}
	s.hl7(t, admit("M1", number, "D100", time.Now()))
	for range 2 {
		if run := s.scanned(t, `{"target":"share"}`); run.Totals.Patients != 1 {
			t.Errorf("%d patients found, want the one of the message", run.Totals.Patients)
		}
		v.stop()
		v = s.start(t)
	}
	if answer := s.must(t, "POST", "/api/v1/gateway/inspect", "see "+number); !strings.Contains(answer, `"block"`) {
		t.Errorf("the gateway says %s", answer)
	}
	var p api.PlantedPatient
	if err := json.Unmarshal([]byte(s.must(t, "POST", "/api/v1/data/patients/plant", "")), &p); err != nil {
		t.Fatal(err)
	}
	if answer := s.must(t, "POST", "/api/v1/gateway/inspect", "call "+p.Number); !strings.Contains(answer, `"honey":1`) {
		t.Errorf("the gateway says of a planted patient %s", answer)
	}
	eventually(t, "a critical case opens, though no sender is named", func() bool {
		v.drained()
		return strings.Contains(s.must(t, "GET", "/api/v1/incidents", ""), `"severity_id":5`)
	})
	v.stop()
	news, err := os.ReadFile(filepath.Join(s.cfg.Data, "patients.news"))
	if err != nil || bytes.Contains(news, []byte(number)) || bytes.Contains(news, []byte(p.Number)) {
		t.Error("what is kept of patients holds a number in clear", err)
	}
	if text := v.logs.String(); strings.Contains(text, number) || strings.Contains(text, p.Number) {
		t.Error("the log shows a patient")
	}
}
