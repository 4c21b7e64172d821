package console

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
)

// caseFile is everything about one case.
type caseFile struct {
	caseRow
	Own       bool // it is about the reader, who may not handle it
	Findings  []foundRow
	More      int // findings not shown
	Parts     []partRow
	Words     ocsf.Text // how the risk came about
	Picture   sketch
	Steps     []step
	Actions   []entryRow
	Offers    []playbook.Action
	Books     []playbook.Playbook
	Questions []questionRow
	Versions  []version
	Handlers  []identity.User
	Verdicts  []incident.Verdict
}

// foundRow is a finding with the events it rests on.
type foundRow struct {
	ocsf.Finding
	Detector ocsf.Text
	Rule     string // the page of the Sigma rule, as it was when it spoke
	Advice   ocsf.Text
	Patient  patientRef
	Events   []eventRow
	Rest     int // events not shown
}

// partRow is one detector's share of the risk.
type partRow struct {
	incident.Part
	Title ocsf.Text
}

// here is what the part counts after calibration.
func (x partRow) here() float64 {
	if x.Local == 0 {
		return x.Risk
	}
	return x.Local
}

// step is one line of the timeline.
type step struct {
	At   int64
	Kind string // event, note, action, question
	Text string
	By   string
	More string
}

// entryRow is an action in the journal.
type entryRow struct {
	playbook.Entry
	Title    ocsf.Text
	Undoable bool
	Decide   bool // the reader may approve or deny it
}

// questionRow is a question to staff.
type questionRow struct {
	playbook.Question
	Who  person
	Link string // for handing over where no mail was sent
}

// version is one state of the case in the book of evidence.
type version struct {
	evidence.Record
	Risk   float64
	Status string
}

const (
	mostFindings = 25
	mostEvents   = 6
)

func (q *request) incident() error {
	ctx := q.r.Context()
	c, err := q.Case(ctx, q.ses.User, q.r.PathValue("id"))
	if err != nil {
		return err
	}
	m := caseFile{caseRow: q.caseRow(c), Own: q.ses.User.PersonID != "" && q.ses.User.PersonID == c.Person,
		Verdicts: []incident.Verdict{incident.Confirmed, incident.Justified, incident.FalseCase}}
	if err := q.WatchCase(ctx, q.ses.User, c); err != nil {
		return err
	}
	for _, fill := range []func(context.Context, *caseFile) error{
		q.fillFindings, q.fillPicture, q.fillActions, q.fillQuestions, q.fillVersions, q.fillHandlers,
	} {
		if err := fill(ctx, &m); err != nil {
			return err
		}
	}
	m.Steps = q.steps(m)
	p := q.page("incident.title")
	return q.show(p, incidentPage(p, m))
}

func (q *request) fillFindings(ctx context.Context, m *caseFile) error {
	infos := map[string]detect.Info{}
	for _, i := range q.Detectors() {
		infos[i.ID] = i
	}
	for _, part := range m.Case.Parts {
		if _, known := infos[part.Analytic]; known {
			continue
		}
		for id, title := range q.ruleTitles() {
			infos[id] = detect.Info{ID: id, Title: title}
		}
		break
	}
	for _, part := range m.Case.Parts {
		m.Parts = append(m.Parts, partRow{part, titleOf(infos, part.Analytic)})
	}
	m.Words = m.Case.InWords(func(id string) ocsf.Text { return titleOf(infos, id) })
	all, err := q.Desk.Findings(ctx, m.Case)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b ocsf.Finding) int {
		return cmp.Or(cmp.Compare(flag(a.Withdrawn != ""), flag(b.Withdrawn != "")), cmp.Compare(b.Risk, a.Risk), cmp.Compare(b.Time, a.Time))
	})
	m.More = max(0, len(all)-mostFindings)
	for _, f := range all[:min(len(all), mostFindings)] {
		row := foundRow{Finding: f, Detector: titleOf(infos, f.Analytic), Advice: infos[f.Analytic].Advice, Patient: q.patientRef(f.Patient)}
		if f.Type == "sigma" && q.ses.User.May(identity.SeeSources) {
			row.Rule = rulePath(f.Analytic, f.Version)
		}
		row.Rest = max(0, len(f.Events)-mostEvents)
		for _, uid := range f.Events[row.Rest:] {
			e, err := q.eventRow(ctx, uid)
			if errors.Is(err, lake.ErrNotFound) {
				continue // expired, or not yet stored
			}
			if err != nil {
				return err
			}
			row.Events = append(row.Events, e)
		}
		m.Findings = append(m.Findings, row)
	}
	return nil
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func titleOf(infos map[string]detect.Info, id string) ocsf.Text {
	if i, ok := infos[id]; ok {
		return i.Title
	}
	return ocsf.Text{EN: id, ZH: id}
}

// eventRow is an access as pages show it.
type eventRow struct {
	UID        string
	Time       int64
	Who        person
	Patient    patientRef
	Activity   ocsf.Text
	What       string
	Where      string
	Source     string
	Access     bool
	Incidental bool
	Reason     string
	Explained  bool
	Kind       string
	Sentence   string
	Because    []string
}

func (q *request) eventRow(ctx context.Context, uid string) (eventRow, error) {
	ev, err := q.Lake.Event(ctx, uid)
	if err != nil {
		return eventRow{}, err
	}
	return q.rowOf(ev), nil
}

func (q *request) rowOf(ev *ocsf.Event) eventRow {
	row := eventRow{UID: ev.Metadata.UID, Time: ev.Time, Who: q.staff(ev.Actor.User.UID, ev.Actor.User.Account), Activity: api.Activity(ev),
		What: api.What(ev), Source: ev.Metadata.LogProvider,
		Where: cmp.Or(ev.SrcEndpoint.Name, ev.SrcEndpoint.Hostname, ev.SrcEndpoint.IP, ev.Device.Name, ev.Device.IP)}
	if ev.Patient != nil {
		row.Patient = q.patientRef(ev.Patient.UID)
	}
	if ev.Access != nil {
		row.Incidental, row.Reason = ev.Access.Incidental, ev.Access.Reason
	}
	if x := ev.Explanation; x != nil {
		row.Access, row.Explained, row.Because = true, x.Explained, x.Because
		row.Sentence = q.Care.Sentence(*x, q.lang)
		if x.Explained {
			row.Kind = q.Care.Kinds().Title(x.Kind, q.lang)
		}
	}
	return row
}

// fillPicture draws the person and the patient of the leading finding.
func (q *request) fillPicture(_ context.Context, m *caseFile) error {
	for _, f := range m.Findings {
		person := cmp.Or(f.Person, f.Account)
		if f.Withdrawn == "" && person != "" && f.Finding.Patient != "" {
			m.Picture = arrange(q.Care.Neighbourhood(person, f.Finding.Patient, f.Time))
			return nil
		}
	}
	return nil
}

func (q *request) fillActions(ctx context.Context, m *caseFile) error {
	list, err := q.Runner.Entries(ctx, m.Case.ID, "")
	if err != nil {
		return err
	}
	titles, u := q.actionTitles(), q.ses.User
	for _, e := range list {
		decided := slices.ContainsFunc(e.Decisions, func(d playbook.Decision) bool { return d.Person() == u.Human() })
		m.Actions = append(m.Actions, entryRow{Entry: e, Title: titles[e.Action],
			Undoable: u.May(identity.HandleCases) && q.Undoable(e),
			Decide:   e.Status == playbook.StatusWanted && u.May(identity.ApproveActions) && !decided && e.Person() != u.Human()})
	}
	for _, a := range q.Runner.Actions() { // assigning and closing have forms of their own
		if a.Name != "assign-case" && a.Name != "close-case" && a.Name != "notify-console" {
			m.Offers = append(m.Offers, a)
		}
	}
	m.Books = q.Runner.Playbooks()
	return nil
}

func (q *request) fillQuestions(ctx context.Context, m *caseFile) error {
	list, err := q.Runner.Questions(ctx, m.Case.ID)
	if err != nil {
		return err
	}
	for _, x := range list {
		row := questionRow{Question: x, Who: q.staff(x.Person, x.Account)}
		sent := slices.ContainsFunc(x.Steps, func(s playbook.Stepped) bool { return s.Sent })
		if x.Status == "open" && !sent && q.ses.User.May(identity.HandleCases) {
			to := "user"
			if x.Stage == "manager" {
				to = "manager"
			}
			row.Link = q.Runner.Link(x, to)
		}
		m.Questions = append(m.Questions, row)
	}
	return nil
}

func (q *request) fillVersions(ctx context.Context, m *caseFile) error {
	if !q.ses.User.May(identity.SeeEvidence) {
		return nil
	}
	list, err := q.Book.History(ctx, incident.KindCase, m.Case.ID)
	for _, r := range slices.Backward(list) {
		m.Versions = append(m.Versions, version{Record: r, Risk: r.Score, Status: r.Status})
	}
	return err
}

func (q *request) fillHandlers(ctx context.Context, m *caseFile) error {
	if !q.ses.User.May(identity.HandleCases) {
		return nil
	}
	all, err := q.Users.List(ctx)
	for _, u := range all {
		if !u.Disabled && u.May(identity.HandleCases) && (u.PersonID == "" || u.PersonID != m.Case.Person) {
			m.Handlers = append(m.Handlers, u)
		}
	}
	return err
}

// steps is the timeline: events, then what people and Cordon did, oldest
// first.
func (q *request) steps(m caseFile) []step {
	var list []step
	for _, f := range m.Findings {
		list = append(list, step{At: f.Time, Kind: "event", Text: f.Title.In(q.lang), More: f.Detector.In(q.lang)})
	}
	p := q.page("")
	for _, n := range m.Notes {
		if n.Kind == "grown" {
			continue // the events say it
		}
		list = append(list, step{At: n.At, Kind: "note", Text: p.note(n, q.actionTitles()), By: q.byName(p, n.By)})
	}
	slices.SortStableFunc(list, func(a, b step) int { return cmp.Compare(a.At, b.At) })
	return list
}

// byName names who made a note: Cordon, a user, or a member of staff who
// answered ("user:ID").
func (q *request) byName(p *page, by string) string {
	if by == "cordon" {
		return p.T("by.cordon")
	}
	if kind, id, found := strings.Cut(by, ":"); found && (kind == "user" || kind == "manager") {
		return q.staff(id, "").Label()
	}
	return by
}

// note says a note in the reader's language.
func (p *page) note(n incident.Note, titles map[string]ocsf.Text) string {
	switch n.Kind {
	case "comment":
		return n.Text
	case "assigned":
		if n.Text == "" {
			return p.T("note.unassigned")
		}
		return p.T("note.assigned", n.Text)
	case "action":
		name, status, _ := strings.Cut(n.Text, ": ")
		if t, ok := titles[name]; ok {
			return p.In(t) + " – " + p.T("entry."+status)
		}
		return n.Text
	case "answer":
		return p.T("note.answer", p.choice(n.Text))
	}
	key := "note." + n.Kind
	if _, known := words[key]; !known {
		return n.Text
	}
	if n.Text == "" || n.By == "cordon" {
		return p.T(key)
	}
	return p.T(key) + " – " + n.Text
}

// choice is the label of an answer.
func (p *page) choice(id string) string {
	for _, c := range playbook.Choices() {
		if c.ID == id {
			return p.In(c.Label)
		}
	}
	return id
}

func (q *request) watchBundle(c incident.Case) error {
	return q.Watch(q.r.Context(), q.ses.User, api.TookBundle, "Incident", c.ID, "")
}
