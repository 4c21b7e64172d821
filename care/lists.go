package care

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/sheet"
	"github.com/cordon-health/cordon/ocsf"
)

// Scope is what an access touches, or what a ticket allows.
type Scope struct {
	// Any is a ticket for everything.
	Any        bool
	Patient    string
	Department string
	Table      string
}

// String is the scope as written in a ticket.
func (s Scope) String() string {
	switch {
	case s.Any:
		return "any"
	case s.Patient != "":
		return "patient:" + s.Patient
	case s.Department != "":
		return "department:" + s.Department
	}
	return "table:" + s.Table
}

func parseScope(text string) (Scope, error) {
	kind, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	switch kind = normal(kind); {
	case kind == "any" && value == "":
		return Scope{Any: true}, nil
	case value == "":
	case kind == "patient":
		return Scope{Patient: value}, nil
	case kind == "department":
		return Scope{Department: value}, nil
	case kind == "table":
		return Scope{Table: value}, nil
	}
	return Scope{}, errors.New("scope is none of patient:ID, department:NAME, table:NAME, any")
}

// Ticket is an approval: who may, for what purpose, see what, from when until
// when (ms, until excluded, 0 open), and who said so.
type Ticket struct {
	ID         string
	Person     string
	Purpose    string
	Scope      Scope
	From       int64
	Until      int64
	ApprovedBy string
}

// The kinds of a [Watch].
const (
	WatchVIP       = "vip"
	WatchSealed    = "sealed"
	WatchCanary    = "canary"
	WatchSensitive = "sensitive"
)

// Watch is a line of the watchlist; times in ms, Until excluded, 0 open.
type Watch struct {
	Kind    string
	Patient string
	From    int64
	Until   int64
	Reason  string
}

func within(at, from, until int64) bool {
	return at >= from && (until == 0 || at < until)
}

// Ticket finds an approval of a person for what a scope touches. A ticket for
// a department also covers the patients who are there at the time. Of several
// the first by id is taken.
func (g *Graph) Ticket(person string, scope Scope, at int64) (Ticket, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var members []*record
	if r, ok := g.records[scope.Patient]; ok {
		members = r.members()
	}
	return g.ticket(person, scope, at, members)
}

func (g *Graph) ticket(person string, scope Scope, at int64, members []*record) (Ticket, bool) {
	for _, t := range g.tickets[person] {
		if within(at, t.From, t.Until) && g.allows(t.Scope, scope, at, members) {
			return t, true
		}
	}
	return Ticket{}, false
}

func (g *Graph) allows(ticket, scope Scope, at int64, members []*record) bool {
	switch {
	case ticket.Any:
		return true
	case ticket.Patient != "":
		return ticket.Patient == scope.Patient || slices.ContainsFunc(members, func(r *record) bool { return r.id == ticket.Patient })
	case ticket.Table != "":
		return normal(ticket.Table) == normal(scope.Table)
	case normal(ticket.Department) == normal(scope.Department):
		return true
	}
	dept := g.lexicon.find(ticket.Department)
	return slices.ContainsFunc(members, func(r *record) bool { return g.wasAt(r, dept, seconds(at)) })
}

// wasAt says whether a patient has to do with a department at a time. A ticket
// for a department's patients is mostly for past ones (research, review).
func (g *Graph) wasAt(r *record, dept word, at second) bool {
	const day = 24 * 3600
	w := window{span: "visit", before: day, after: 400 * day, open: 400 * day}
	for i := range r.edges {
		e := &r.edges[i]
		if e.kind != codeEncounter && e.kind != codeLocation && e.kind != codeAppointment || !e.alive() || !g.places(e, dept) {
			continue
		}
		if _, _, ok := r.holds(e, w, at); ok {
			return true
		}
	}
	return false
}

// byTicket explains an access by an approval.
func (g *Graph) byTicket(q *asked, k *Kind) (ocsf.Explanation, bool) {
	scope := Scope{Patient: q.ev.Patient.UID}
	if q.ev.Table != nil {
		scope.Table = q.ev.Table.Name
	}
	t, ok := g.ticket(q.who, scope, q.ms, q.members)
	named := false
	if !ok {
		if t, named = g.namedTicket(q); !named {
			return ocsf.Explanation{}, false
		}
	}
	x := g.ticketed(q, k, t)
	x.Weak = x.Weak || named
	return x, true
}

// ticketed writes an approval down as the explanation.
func (g *Graph) ticketed(q *asked, k *Kind, t Ticket) ocsf.Explanation {
	x := g.bare(q, k, "ticket:"+t.ID)
	for i, name := range k.Args {
		switch name {
		case "ticket":
			x.Args[i] = t.ID
		case "purpose":
			x.Args[i] = t.Purpose
		case "approver":
			x.Args[i] = t.ApprovedBy
		case "until":
			x.Args[i] = instant(seconds(t.Until))
		}
	}
	return x
}

// namedTicket is a ticket which the access itself names as its reason, for a
// department where the patient is not known to have been. Visits from before
// the graph's time are unknown, so it explains, but weakly.
func (g *Graph) namedTicket(q *asked) (Ticket, bool) {
	if q.ev.Access == nil || q.ev.Access.Reason == "" {
		return Ticket{}, false
	}
	reason := normal(q.ev.Access.Reason)
	for _, t := range g.tickets[q.who] {
		if t.Scope.Department != "" && within(q.ms, t.From, t.Until) && reason == normal(t.ID) {
			return t, true
		}
	}
	return Ticket{}, false
}

// Watched says whether a patient is on the watchlist with this kind, under
// any of their numbers.
func (g *Graph) Watched(kind, patient string, at int64) (Watch, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if len(g.watches) == 0 {
		return Watch{}, false
	}
	if r, ok := g.records[patient]; ok {
		for _, m := range r.members() {
			if w, ok := g.watched(kind, m.id, at); ok {
				return w, true
			}
		}
		return Watch{}, false
	}
	return g.watched(kind, patient, at)
}

func (g *Graph) watched(kind, patient string, at int64) (Watch, bool) {
	for _, w := range g.watches[patient] {
		if w.Kind == kind && within(at, w.From, w.Until) {
			return w, true
		}
	}
	return Watch{}, false
}

// Watchlist lists all entries by patient, kind and beginning.
func (g *Graph) Watchlist() []Watch {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var out []Watch
	for _, list := range g.watches {
		out = append(out, list...)
	}
	slices.SortFunc(out, compareWatches)
	return out
}

func compareWatches(a, b Watch) int {
	if c := strings.Compare(a.Patient, b.Patient); c != 0 {
		return c
	}
	if c := strings.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	return int(a.From/1000 - b.From/1000)
}

// ImportTickets reads approvals as CSV: ticket_id, person_id, purpose, scope,
// from, until, approved_by. A ticket given again replaces the earlier one. Who
// approves for themselves has no approval. progress may be nil. Accesses that
// wait for an explanation should be tried again afterwards ([Graph.Held]).
func (g *Graph) ImportTickets(ctx context.Context, r io.Reader, progress func(directory.Counts)) (directory.Counts, error) {
	cols := sheet.Columns{Required: []string{"ticket_id", "person_id", "purpose", "scope", "from", "until", "approved_by"}}
	var read []Ticket
	zone := g.dir.Zone()
	counts, err := directory.Rows(ctx, r, cols, progress, func(row sheet.Row) error {
		t, err := g.ticketLine(row, zone)
		if err == nil {
			read = append(read, t)
		}
		return err
	})
	if err != nil {
		return counts, fmt.Errorf("import tickets: %w", err)
	}
	if err := g.db.Update(ctx, func(tx *sql.Tx) error { return saveTickets(tx, read) }); err != nil {
		return counts, fmt.Errorf("import tickets: write: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range read {
		if g.addTicket(t) {
			counts.Accepted++
		} else {
			counts.Duplicate++
		}
	}
	return counts, nil
}

func (g *Graph) ticketLine(row sheet.Row, zone *time.Location) (Ticket, error) {
	t := Ticket{ID: row.Get("ticket_id"), Person: row.Get("person_id"), Purpose: row.Get("purpose"), ApprovedBy: row.Get("approved_by")}
	if t.ID == "" || t.Person == "" {
		return t, errors.New("ticket_id or person_id is empty")
	}
	if p, ok := g.dir.Resolve(t.Person); ok {
		t.Person = p.ID
	}
	if p, ok := g.dir.Resolve(t.ApprovedBy); ok && p.ID == t.Person || t.ApprovedBy == "" || t.ApprovedBy == t.Person {
		return t, errors.New("approved_by is empty or the person themselves: somebody else must approve")
	}
	var err error
	if t.Scope, err = parseScope(row.Get("scope")); err != nil {
		return t, err
	}
	t.From, t.Until, err = span(row, zone)
	if err == nil && t.Until == 0 {
		err = errors.New("until is empty: an approval ends")
	}
	return t, err
}

// span reads the columns from and until.
func span(row sheet.Row, zone *time.Location) (from, until int64, err error) {
	if from, err = sheet.Time(row.Get("from"), zone, false); err != nil {
		return 0, 0, fmt.Errorf("from: %w", err)
	}
	if until, err = sheet.Time(row.Get("until"), zone, true); err != nil {
		return 0, 0, fmt.Errorf("until: %w", err)
	}
	if until != 0 && until <= from {
		return 0, 0, errors.New("until is not after from")
	}
	return from, until, nil
}

// addTicket files a ticket and reports whether it is news.
func (g *Graph) addTicket(t Ticket) bool {
	if person, ok := g.ticketOf[t.ID]; ok {
		list := g.tickets[person]
		i := slices.IndexFunc(list, func(o Ticket) bool { return o.ID == t.ID })
		if list[i] == t {
			return false
		}
		g.tickets[person] = slices.Delete(slices.Clone(list), i, i+1)
	}
	g.ticketOf[t.ID] = t.Person
	list := slices.Clone(g.tickets[t.Person])
	i, _ := slices.BinarySearchFunc(list, t, func(a, b Ticket) int { return strings.Compare(a.ID, b.ID) })
	g.tickets[t.Person] = slices.Insert(list, i, t)
	return true
}

// ImportWatchlist reads the watchlist as CSV: kind, patient_id, from, until,
// reason. A line given again (same kind, patient and beginning) replaces the
// earlier one. progress may be nil.
func (g *Graph) ImportWatchlist(ctx context.Context, r io.Reader, progress func(directory.Counts)) (directory.Counts, error) {
	cols := sheet.Columns{Required: []string{"kind", "patient_id"}, Optional: []string{"from", "until", "reason"}}
	var read []Watch
	zone := g.dir.Zone()
	counts, err := directory.Rows(ctx, r, cols, progress, func(row sheet.Row) error {
		w, err := watchLine(row, zone)
		if err == nil {
			read = append(read, w)
		}
		return err
	})
	if err != nil {
		return counts, fmt.Errorf("import watchlist: %w", err)
	}
	if err := g.db.Update(ctx, func(tx *sql.Tx) error { return saveWatches(tx, read) }); err != nil {
		return counts, fmt.Errorf("import watchlist: write: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range read {
		if g.addWatch(w) {
			counts.Accepted++
		} else {
			counts.Duplicate++
		}
	}
	return counts, nil
}

func watchLine(row sheet.Row, zone *time.Location) (Watch, error) {
	w := Watch{Kind: normal(row.Get("kind")), Patient: row.Get("patient_id"), Reason: row.Get("reason")}
	if !slices.Contains([]string{WatchVIP, WatchSealed, WatchCanary, WatchSensitive}, w.Kind) {
		return w, errors.New("kind is none of vip, sealed, canary, sensitive")
	}
	if w.Patient == "" {
		return w, errors.New("patient_id is empty")
	}
	var err error
	w.From, w.Until, err = span(row, zone)
	return w, err
}

// addWatch files an entry and reports whether it is news.
func (g *Graph) addWatch(w Watch) bool {
	list := slices.Clone(g.watches[w.Patient])
	i := slices.IndexFunc(list, func(o Watch) bool { return o.Kind == w.Kind && o.From == w.From })
	switch {
	case i < 0:
		list = append(list, w)
	case list[i] == w:
		return false
	default:
		list[i] = w
	}
	slices.SortFunc(list, compareWatches)
	g.watches[w.Patient] = list
	return true
}
