package api_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/incident"
)

// TestNothingUnseen: what cannot be recorded is not shown, and the answer says
// what to do; what is needed to mend it is shown.
func TestNothingUnseen(t *testing.T) {
	s := newSite(t)
	all, err := s.Desk.List(t.Context(), incident.Query{})
	if err != nil || len(all) == 0 {
		t.Fatal("no case to look at", err)
	}
	s.deaf = errors.New("the disk is full")
	for _, ask := range [][3]string{
		{"GET", "/api/v1/findings"},
		{"GET", "/api/v1/incidents"},
		{"GET", "/api/v1/incidents/" + all[0].ID},
		{"GET", "/api/v1/incidents/" + all[0].ID + "/bundle"},
		{"GET", "/api/v1/exceptions"},
		{"POST", "/api/v1/accesses", `{"patient":"P1"}`},
		{"POST", "/api/v1/accesses", `{"person":"d1"}`},
		{"POST", "/api/v1/explanations", `{"events":["e1"]}`},
		{"POST", "/api/v1/query", `{"sql":"SELECT 1"}`},
	} {
		a := s.ask(officer, ask[0], ask[1], ask[2])
		if a.status == 403 {
			a = s.ask(auditor, ask[0], ask[1], ask[2])
		}
		if a.status != 503 || !strings.Contains(a.body, "free space") || strings.Contains(a.body, "P1") {
			t.Errorf("%s %s: %d %.200s", ask[0], ask[1], a.status, a.body)
		}
	}
	for _, path := range []string{"/api/v1/quarantine", "/api/v1/sources"} {
		s.ask(officer, "GET", path, "").want(200)
	}
}
