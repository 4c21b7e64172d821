package console

import (
	"slices"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
)

// personPage is a member of staff: cases, accesses, shifts.
type personFile struct {
	Who      person
	Accounts []string
	Manager  person
	Hired    int64
	Ended    int64
	Posts    []directory.Post
	Cases    []caseRow
	Accesses []eventRow
	More     bool
	// Total and Explained count the accesses shown.
	Total, Explained int64
	Patients         int
	Shifts           []directory.Shift
	HasRoster        bool
	From, Until      string
	SeeAccesses      bool
}

// mostAccesses is how many accesses a page lists.
const mostAccesses = 300

func (q *request) person() error {
	id, err := q.seal.Open(sealPerson, q.r.PathValue("token"))
	if err != nil || !q.SeesPerson(q.ses.User, id) {
		return q.refused(404, "error.nothing")
	}
	m := personFile{Who: q.staff(id, ""), HasRoster: q.People.HasRoster(), From: q.text("from"), Until: q.text("until"),
		SeeAccesses: q.ses.User.May(identity.SeePatients)}
	if x, ok := q.People.Person(id); ok {
		m.Accounts, m.Hired, m.Ended = x.Accounts, x.Hired, x.Ended
		m.Posts = q.People.Posts(id)
		if x.ManagerID != "" {
			m.Manager = q.staff(x.ManagerID, "")
		}
	}
	if err := q.personCases(id, &m); err != nil {
		return err
	}
	if err := q.personAccesses(id, &m); err != nil {
		return err
	}
	at := q.asOf()
	from, until := at-(7*24*time.Hour).Milliseconds(), at+(7*24*time.Hour).Milliseconds()
	m.Shifts = slices.Collect(q.People.ShiftsIn(id, from, until))
	p := q.page("person.title")
	return q.show(p, personPage(p, m))
}

func (q *request) personCases(id string, m *personFile) error {
	for _, subject := range []string{id, "account:" + id} {
		rows, err := q.someCases(incident.Query{Subject: subject, ByTime: true}, 20, func(incident.Case) bool { return true })
		if err != nil {
			return err
		}
		m.Cases = append(m.Cases, rows...)
	}
	return nil
}

func (q *request) personAccesses(id string, m *personFile) error {
	if !m.SeeAccesses {
		return nil
	}
	if err := q.Watch(q.r.Context(), q.ses.User, api.LookedAtPerson, "Person", id, ""); err != nil {
		return err
	}
	evs, err := q.Lake.Accesses(q.r.Context(), lake.AccessQuery{Person: id, From: q.ms("from", 0), Until: q.ms("until", 1), Limit: mostAccesses + 1})
	if err != nil {
		return err
	}
	if m.More = len(evs) > mostAccesses; m.More {
		evs = evs[:mostAccesses]
	}
	patients := map[string]bool{}
	for _, ev := range evs {
		row := q.rowOf(ev)
		m.Accesses = append(m.Accesses, row)
		m.Total++
		m.Explained += int64(flag(row.Explained))
		patients[row.Patient.ID] = true
	}
	m.Patients = len(patients)
	return nil
}

// patientFile is who looked at a patient, and why.
type patientFile struct {
	ID          string
	Also        []string // other numbers of the same patient
	Path        string
	From, Until string
	Direct      []eventRow
	Incidental  []eventRow
	People      int
	Open        int // without explanation
	More        bool
	Cases       []caseRow
}

func (q *request) patients() error {
	p := q.page("nav.patients")
	return q.show(p, patientsPage(p, ""))
}

// findPatient turns the number from the form into the page's address.
func (q *request) findPatient() error {
	id := q.text("patient")
	if id == "" || len(id) > 200 {
		p := q.page("nav.patients")
		return q.showAs(422, p, patientsPage(p, p.T("patients.needed")))
	}
	return q.redirect(q.patientPath(id))
}

func (q *request) patient() error {
	ctx := q.r.Context()
	id, err := q.seal.Open(sealPatient, q.r.PathValue("token"))
	if err != nil {
		return q.refused(404, "error.nothing")
	}
	if err := q.Watch(ctx, q.ses.User, api.LookedAtPatient, "Patient", id, ""); err != nil {
		return err
	}
	m := patientFile{ID: id, Path: q.r.URL.Path, From: q.text("from"), Until: q.text("until")}
	for _, other := range q.Care.Patient(id).IDs {
		if other != id {
			m.Also = append(m.Also, other)
		}
	}
	const most = 2000
	evs, err := q.Accesses(ctx, id, lake.AccessQuery{From: q.ms("from", 0), Until: q.ms("until", 1), Limit: most + 1})
	if err != nil {
		return err
	}
	if m.More = len(evs) > most; m.More {
		evs = evs[:most]
	}
	q.sortAccesses(evs, &m)
	if q.ses.User.May(identity.SeeCases) {
		about := func(c incident.Case) bool { return slices.Contains(c.Patients, id) }
		if m.Cases, err = q.someCases(incident.Query{ByTime: true}, 10, about); err != nil {
			return err
		}
	}
	p := q.page("patient.title")
	return q.show(p, patientPage(p, m))
}

// sortAccesses puts accesses apart in which the patient was not chosen.
func (q *request) sortAccesses(evs []*ocsf.Event, m *patientFile) {
	people := map[string]bool{}
	for _, ev := range evs {
		row := q.rowOf(ev)
		if row.Incidental {
			m.Incidental = append(m.Incidental, row)
			continue
		}
		m.Direct = append(m.Direct, row)
		m.Open += flag(row.Access && !row.Explained)
		people[row.Who.Label()] = true
	}
	m.People = len(people)
}
