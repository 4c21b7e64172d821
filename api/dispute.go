package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
)

// RecordDispute is the kind of the records of disputes.
const RecordDispute = "dispute"

// DisputeWish is what a patient says about an access to their record.
type DisputeWish struct {
	// Patient is the patient's number, Event the id of the access as its
	// source gave it.
	Patient string `json:"patient"`
	Event   string `json:"event_uid"`
	// Note is what the patient says, Channel how they said it (counter,
	// letter, portal).
	Note    string `json:"note,omitempty"`
	Channel string `json:"channel,omitempty"`
}

// Dispute is a dispute as it is kept: the record of evidence.
type Dispute struct {
	Event   string `json:"event_uid"`
	Patient string `json:"patient"`
	// Person and Account are who opened the record, At when, in ms.
	Person  string `json:"person,omitempty"`
	Account string `json:"account,omitempty"`
	At      int64  `json:"accessed"`
	Note    string `json:"note,omitempty"`
	Channel string `json:"channel,omitempty"`
	// By is the user of Cordon who took it down, Time when, in ms.
	By   string `json:"by"`
	Time int64  `json:"time"`
}

// Dispute takes down, on behalf of a patient, that an access was not for the
// treatment. It becomes a record of evidence and an event, upon which the case
// opens. The same access disputed again adds to the record.
func (s *Services) Dispute(ctx context.Context, u identity.User, wish DisputeWish) (Dispute, error) {
	d, err := s.disputed(ctx, u, wish)
	if err != nil {
		return Dispute{}, err
	}
	body, err := json.Marshal(d)
	if err != nil {
		return Dispute{}, err
	}
	record := evidence.Record{Kind: RecordDispute, ID: d.Event, Time: d.Time, Person: d.Person, Patient: d.Patient, Status: "open", Body: body}
	return d, s.KeepDispute(ctx, record, s.disputeEvent(u, d))
}

// disputed checks that there is something to dispute.
func (s *Services) disputed(ctx context.Context, u identity.User, wish DisputeWish) (Dispute, error) {
	if !u.May(identity.HandleCases) || !u.May(identity.SeePatients) {
		return Dispute{}, forbidden()
	}
	if s.KeepDispute == nil {
		return Dispute{}, refuse(http.StatusNotImplemented, "disputes are not kept here", "此处不受理异议")
	}
	note, err := plain(wish.Note, false)
	if err != nil {
		return Dispute{}, err
	}
	ev, err := s.firstHalf(ctx, wish.Event)
	if errors.Is(err, lake.ErrNotFound) || err == nil && !s.isOf(ev, wish.Patient) {
		return Dispute{}, refuse(http.StatusNotFound, "this patient's record has no access with this id; look it up under who looked", "该患者没有此编号的访问记录；请在“谁看过”中核对")
	}
	switch {
	case err != nil:
		return Dispute{}, err
	case u.PersonID != "" && u.PersonID == ev.Actor.User.UID:
		return Dispute{}, refuse(http.StatusForbidden, "this access is your own; somebody else has to take the dispute down", "该访问系您本人所为，须由他人受理")
	}
	return Dispute{
		Event: ev.Metadata.UID, Patient: ev.Patient.UID, Person: ev.Actor.User.UID, Account: ev.Actor.User.Account, At: ev.Time,
		Note: note, Channel: wish.Channel, By: u.Name, Time: s.Now().UnixMilli(),
	}, nil
}

// firstHalf is the event with an id; of an access that two systems recorded,
// the record that counts.
func (s *Services) firstHalf(ctx context.Context, uid string) (*ocsf.Event, error) {
	ev, err := s.Lake.Event(ctx, uid)
	if err == nil && ev.Access != nil && ev.Access.HalfOf != "" {
		return s.Lake.Event(ctx, ev.Access.HalfOf)
	}
	return ev, err
}

// isOf says whether an event is an access to a patient, under any number.
func (s *Services) isOf(ev *ocsf.Event, patient string) bool {
	return ev.IsAccess() && patient != "" && (ev.Patient.UID == patient || slices.Contains(s.Care.Patient(patient).IDs, ev.Patient.UID))
}

// disputeEvent is the event about a dispute. What the patient said is not in
// it: it stands in the record alone.
func (s *Services) disputeEvent(u identity.User, d Dispute) *ocsf.Event {
	ev := s.use(u, RecordDispute)
	ev.ActivityID = ocsf.AccessCreate
	ev.User = &ocsf.User{UID: d.Person, Account: d.Account}
	access := ocsf.Resource{UID: d.Event, Type: "AuditEvent"}
	access.SetLabel("at", strconv.FormatInt(d.At, 10))
	ev.Resources = []ocsf.Resource{access, {UID: d.Patient, Type: "Patient"}}
	return ev
}

func (a *API) disputeRoutes() []route {
	return []route{
		{method: "POST", path: "/api/v1/disputes", id: "disputeAccess", may: identity.HandleCases, status: 201, answer: Dispute{},
			about: "Take down for a patient that an access to their record was not for the treatment; a priority case opens.", body: DisputeWish{}, serve: (*call).dispute},
		{method: "GET", path: "/api/v1/disputes", id: "listDisputes", may: identity.SeePatients, status: 200, answer: Dispute{}, lines: true,
			about: "What patients disputed, newest first.", params: timeParams(), serve: (*call).disputes},
	}
}

func (c *call) dispute() error {
	wish, err := read[DisputeWish](c)
	if err != nil {
		return err
	}
	if wish.Patient == "" || wish.Event == "" {
		return bad("give patient and event_uid", "请给出 patient 与 event_uid")
	}
	d, err := c.Dispute(c.r.Context(), c.user, wish)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, d)
}

func (c *call) disputes() error {
	f := evidence.Filter{Kind: RecordDispute}
	var err error
	if f.Since, err = c.instant("since"); err != nil {
		return err
	}
	if f.Until, err = c.instant("until"); err != nil {
		return err
	}
	if f.Limit, err = c.number("limit", 0, 1_000_000); err != nil {
		return err
	}
	list, err := c.Book.List(c.r.Context(), f)
	if err != nil {
		return err
	}
	out := c.lines()
	for _, r := range list {
		if err := out.raw(r.Body); err != nil {
			return err
		}
	}
	return out.end()
}
