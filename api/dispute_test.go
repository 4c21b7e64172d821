package api_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
)

// keep stands in for node: the record is kept, the event noted.
func (s *site) keep() {
	s.KeepDispute = func(ctx context.Context, r evidence.Record, ev *ocsf.Event) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watched = append(s.watched, ev)
		return s.db.Update(ctx, func(tx *sql.Tx) error {
			_, err := s.Book.Put(tx, r)
			return err
		})
	}
	s.mount()
}

// TestDispute: what a patient says becomes a record with the note, and an
// event without it.
func TestDispute(t *testing.T) {
	s := newSite(t)
	s.keep()
	const wish = `{"patient":"P1","event_uid":"e1","note":"I was abroad","channel":"letter"}`
	d := one[api.Dispute](s.ask(officer, "POST", "/api/v1/disputes", wish).want(201))
	if d.Event != "e1" || d.Patient != "P1" || d.Person == "" || d.Note != "I was abroad" || d.At == 0 {
		t.Errorf("dispute: %+v", d)
	}
	s.ask(officer, "POST", "/api/v1/disputes", strings.Replace(wish, `"e1"`, `"e1-client"`, 1)).want(201) // the other half of the same access
	list := lines[api.Dispute](s.ask(auditor, "GET", "/api/v1/disputes", "").want(200))
	if len(list) != 1 || list[0].Note != d.Note {
		t.Errorf("list: %+v", list)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ev := s.watched[0]
	if ev.API.Operation != api.RecordDispute || ev.User.UID != d.Person || ev.Resources[0].UID != "e1" || ev.Resources[1].UID != "P1" || ev.IsAccess() {
		t.Errorf("event: %+v", ev)
	}
	if text := string(ev.AppendJSON(nil)); strings.Contains(text, "abroad") {
		t.Errorf("the patient's words stand in the event: %s", text)
	}
}

func TestDisputesOfNothing(t *testing.T) {
	s := newSite(t)
	s.ask(officer, "POST", "/api/v1/disputes", `{"patient":"P1","event_uid":"e1"}`).want(501) // nobody keeps them
	s.keep()
	for body, status := range map[string]int{
		`{"patient":"P1"}`:                        400,
		`{"patient":"P1","event_uid":"nothing"}`:  404,
		`{"patient":"P999","event_uid":"e1"}`:     404, // somebody else's
		`{"patient":"P1","event_uid":"e1","x":1}`: 400,
	} {
		s.ask(officer, "POST", "/api/v1/disputes", body).want(status)
	}
	s.ask(auditor, "POST", "/api/v1/disputes", `{"patient":"P1","event_uid":"e1"}`).want(403)
}

// TestReadersAreTold: lists and cases name their reader, and a case whom it is
// about.
func TestReadersAreTold(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/api/v1/findings", "/api/v1/incidents", "/api/v1/quarantine"} {
		s.ask(officer, "GET", path, "").want(200)
	}
	all, err := s.Desk.List(t.Context(), incident.Query{})
	if err != nil || len(all) == 0 {
		t.Fatal("no case to look at", err)
	}
	s.ask(officer, "GET", "/api/v1/incidents/"+all[0].ID, "").want(200)
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, ev := range s.watched {
		got = append(got, ev.API.Operation)
	}
	if diff := cmp.Diff([]string{api.LookedAtFindings, api.LookedAtCases, api.LookedAtQuarantine, api.LookedAtCase}, got); diff != "" {
		t.Fatalf("told (-want +got):\n%s", diff)
	}
	last := s.watched[3]
	if last.Resources[0].UID != all[0].ID || all[0].Person != "" && last.Resources[1].UID != all[0].Person || last.Actor.User.UID == "" {
		t.Errorf("the look at a case: %+v", last)
	}
}
