package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
)

// caseRow is a case in a list.
type caseRow struct {
	incident.Case
	Who   person
	About subject // where it is about nobody
	// Why is the sentence of the finding that names the case.
	Why ocsf.Text
}

// pageSize is how many cases a page of the list shows.
const pageSize = 30

// scanMost bounds how many cases are read for filters that the store does not
// know: a search, or one department.
const scanMost = 5000

// caseTable is the list of cases with its filters.
type caseTable struct {
	Status, Search, Order string
	// Sought is Search as it stands in addresses: sealed, for it may be a
	// patient's number.
	Sought string
	Rows   []caseRow
	Page   int
	More   bool
	Counts map[string]int
}

// filters are the states a reader may choose, the usual one first.
func filters() []string {
	return []string{"open", incident.StatusNew, incident.StatusAssigned, incident.StatusWaiting, incident.StatusClosed, "all"}
}

// findIncidents turns what was typed, which may be a patient's number, into an
// address that does not show it.
func (q *request) findIncidents() error {
	m := caseTable{Status: q.text("status")}
	if word := q.text("q"); word != "" && len(word) <= 200 {
		m.Sought = q.seal.Seal(sealSearch, word)
	}
	return q.redirect(m.link("status", m.Status))
}

func (q *request) incidents() error {
	m := caseTable{Status: q.text("status"), Sought: q.text("s"), Order: q.text("order"), Counts: map[string]int{}}
	if word, err := q.seal.Open(sealSearch, m.Sought); err == nil {
		m.Search = word
	}
	if !slices.Contains(filters(), m.Status) {
		m.Status = "open"
	}
	if n, err := strconv.Atoi(q.text("page")); err == nil && n > 1 && n < 1000 {
		m.Page = n - 1
	}
	rows, err := q.filtered(m)
	if err != nil {
		return err
	}
	m.Rows = rows[min(m.Page*pageSize, len(rows)):]
	if m.More = len(m.Rows) > pageSize; m.More {
		m.Rows = m.Rows[:pageSize]
	}
	if q.ses.User.Role != identity.DepartmentHead {
		for _, s := range []string{incident.StatusNew, incident.StatusAssigned, incident.StatusWaiting, incident.StatusClosed} {
			n, err := q.Desk.Count(q.r.Context(), incident.Query{Status: s})
			if err != nil {
				return err
			}
			m.Counts[s] = n
		}
		m.Counts["open"] = m.Counts[incident.StatusNew] + m.Counts[incident.StatusAssigned]
	}
	p := q.page("nav.incidents")
	return q.show(p, incidentsPage(p, m))
}

// filtered reads as many cases as the page and the question whether there are
// more of them need.
func (q *request) filtered(m caseTable) ([]caseRow, error) {
	states := []string{m.Status}
	switch m.Status {
	case "open":
		states = []string{incident.StatusNew, incident.StatusAssigned}
	case "all":
		states = []string{""}
	}
	var all []caseRow
	for _, s := range states {
		rows, err := q.someCases(incident.Query{Status: s, ByTime: m.Order == "time"}, (m.Page+1)*pageSize+1,
			func(c incident.Case) bool { return q.matches(c, m.Search) })
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	slices.SortStableFunc(all, func(a, b caseRow) int {
		if m.Order == "time" {
			return cmp.Compare(b.Last, a.Last)
		}
		return cmp.Or(cmp.Compare(b.Risk, a.Risk), cmp.Compare(b.Last, a.Last))
	})
	return all, nil
}

// matches searches in what a list shows: the case's id, the person, detectors.
func (q *request) matches(c incident.Case, search string) bool {
	if search == "" {
		return true
	}
	row := q.rowAbout(c)
	x := row.Who
	words := []string{c.ID, c.Subject, row.About.Text.EN, row.About.Text.ZH, x.Label(), x.Account, x.Department, x.Role, c.Title.EN, c.Title.ZH, c.Assignee}
	for _, part := range c.Parts {
		words = append(words, part.Analytic)
	}
	return strings.Contains(strings.ToLower(strings.Join(words, "\n")), strings.ToLower(search))
}

// someCases reads the first cases that the reader may see and keep wants.
func (q *request) someCases(base incident.Query, n int, keep func(incident.Case) bool) ([]caseRow, error) {
	var rows []caseRow
	base.Limit = 200
	for ; base.Offset < scanMost; base.Offset += base.Limit {
		list, err := q.Desk.List(q.r.Context(), base)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			if len(rows) == n {
				return rows, nil
			}
			if q.Sees(q.ses.User, c) && keep(c) {
				rows = append(rows, q.caseRow(c))
			}
		}
		if len(list) < base.Limit {
			break
		}
	}
	return rows, nil
}

// rowAbout is a case and what it is about.
func (q *request) rowAbout(c incident.Case) caseRow {
	row := caseRow{Case: c, About: q.subjectOf(c)}
	if row.About.Text.EN == "" {
		row.Who = q.staff(c.Person, c.Account)
	}
	return row
}

func (q *request) caseRow(c incident.Case) caseRow {
	row := q.rowAbout(c)
	for _, uid := range slices.Backward(c.Findings[max(0, len(c.Findings)-20):]) {
		f, err := q.Desk.Finding(q.r.Context(), uid)
		if err == nil && (row.Why.EN == "" || f.Title == c.Title) {
			row.Why = f.Why
			if f.Title == c.Title {
				break
			}
		}
	}
	return row
}

// link is the list with one filter changed.
func (m caseTable) link(name, value string) string {
	v := url.Values{}
	for key, have := range map[string]string{"status": m.Status, "s": m.Sought, "order": m.Order} {
		if have != "" {
			v.Set(key, have)
		}
	}
	v.Set(name, value)
	if name != "page" {
		v.Del("page")
	}
	return "/incidents?" + v.Encode()
}

func (m caseTable) pageLink(n int) string { return m.link("page", strconv.Itoa(n+1)) }

// handle does what a form on the page of a case asks for.
func (q *request) handle() error {
	ctx, u, id := q.r.Context(), q.ses.User, q.r.PathValue("id")
	what, anchor := q.r.PathValue("what"), ""
	var err error
	switch what {
	case "assign":
		to := q.text("to")
		if q.r.FormValue("me") != "" {
			to = u.Name
		}
		_, err = q.Assign(ctx, u, id, to)
	case "comment":
		_, err = q.Comment(ctx, u, id, q.text("text"))
	case "close":
		_, err = q.Close(ctx, u, id, q.text("verdict"), q.text("text"))
	case "reopen":
		_, err = q.Reopen(ctx, u, id, q.text("text"))
	case "act":
		anchor = "#actions"
		_, err = q.Act(ctx, u, id, q.text("action"), nil)
	case "approve", "deny":
		anchor = "#actions"
		_, err = q.Decide(ctx, u, id, q.text("key"), what == "approve", q.text("note"))
	case "undo":
		anchor = "#actions"
		_, err = q.Undo(ctx, u, id, q.text("key"))
	case "playbook":
		anchor = "#actions"
		err = q.StartPlaybook(ctx, u, id, q.text("playbook"))
	default:
		err = q.refused(http.StatusNotFound, "error.nothing")
	}
	if err != nil {
		return err
	}
	return q.redirect("/incidents/" + url.PathEscape(id) + "?done=" + what + anchor)
}

func (q *request) bundle() error {
	c, err := q.Case(q.r.Context(), q.ses.User, q.r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := q.watchBundle(c); err != nil {
		return err
	}
	w := &download{w: q.w, kind: "application/zip", name: "cordon-" + c.ID + ".zip"}
	return w.whole(q.Bundle(q.r.Context(), c.ID, q.lang, w))
}

// download begins a file with its first bytes, so that an error before them
// can still be shown as a page.
type download struct {
	w          http.ResponseWriter
	kind, name string
	begun      bool
}

// whole breaks the connection where a file that has begun cannot be finished:
// it must not look complete.
func (d *download) whole(err error) error {
	if err != nil && d.begun {
		panic(http.ErrAbortHandler)
	}
	return err
}

func (d *download) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.w.Header().Set("Content-Type", d.kind)
		d.w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	}
	return d.w.Write(p)
}
