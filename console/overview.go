package console

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/quarantine"
)

// overview is what needs action now, and how things are.
type overview struct {
	Cases []caseRow // new ones, the riskiest first
	Mine  []caseRow // assigned to the reader
	Last  []warning // what came last, so that warnings appear as they come
	New   int       // all new ones
	// Waiting cases are beyond the day's budget, Today those opened within it.
	Waiting, Today, Budget int
	Range                  string // 24h or 14d
	Bars                   bars
	Share                  share
	Sources                []sourceRow
	Alerts                 []alert
	Decisions              []wanted
	Alarm                  *api.AlarmPath
	Network                *netTiles
	Fresh                  bool // nothing ever came in
	At                     int64
}

// alert is something about Cordon itself that somebody has to mend.
type alert struct {
	Bad        bool
	Text       string
	Link, Word string
}

// wanted is an action that waits for approval.
type wanted struct {
	caseRow
	Action, By string
	At         int64
}

// most is how many cases the overview shows of each ranked list, newest how
// many of the findings that came last.
const (
	most   = 8
	newest = 4
)

func (q *request) overview() error {
	m, err := q.overviewModel()
	if err != nil {
		return err
	}
	p := q.page("nav.overview")
	return q.show(p, overviewPage(p, m))
}

func (q *request) overviewLive() error {
	m, err := q.overviewModel()
	if err != nil {
		return err
	}
	return q.write(http.StatusOK, overviewBody(q.page("nav.overview"), m))
}

func (q *request) overviewModel() (overview, error) {
	ctx := q.r.Context()
	m := overview{Budget: q.Budget, Range: "24h", At: q.asOf()}
	if q.r.URL.Query().Get("range") == "14d" {
		m.Range = "14d"
	}
	m.Sources = q.sourceRows()
	m.Fresh = len(m.Sources) == 0
	var err error
	if m.Cases, err = q.someCases(incident.Query{Status: incident.StatusNew}, most, func(incident.Case) bool { return true }); err != nil {
		return m, err
	}
	mine := func(c incident.Case) bool { return c.Assignee == q.ses.User.Name }
	if m.Mine, err = q.someCases(incident.Query{Status: incident.StatusAssigned}, most, mine); err != nil {
		return m, err
	}
	if m.Last, err = q.warnings(); err != nil {
		return m, err
	}
	if err := q.overviewCounts(&m); err != nil {
		return m, err
	}
	if m.Share, err = q.share(ctx, m.At); err != nil {
		return m, err
	}
	if m.Decisions, err = q.wanted(); err != nil {
		return m, err
	}
	if m.Alarm, err = q.alarmPath(); err != nil {
		return m, err
	}
	if m.Network, err = q.networkTile(); err != nil {
		return m, err
	}
	m.Alerts, err = q.alerts(m.Sources)
	return m, err
}

// warning is a finding on its own.
type warning struct {
	ocsf.Finding
	Link string // to its case, or to the person where it opened none; else empty
}

// warnings are the newest findings about people the reader may see.
func (q *request) warnings() ([]warning, error) {
	ctx := q.r.Context()
	list, err := q.Desk.AllFindings(ctx, evidence.Filter{Limit: 40}, false)
	if err != nil {
		return nil, err
	}
	var out []warning
	for _, f := range list {
		if len(out) == newest || !q.SeesPerson(q.ses.User, f.Person) {
			continue
		}
		w := warning{Finding: f}
		if f.Subject == "" {
			w.Link = q.staff(f.Person, f.Account).Link
		}
		cases, err := q.Desk.List(ctx, incident.Query{Subject: incident.SubjectOf(f), ByTime: true, Limit: 3})
		if err != nil {
			return nil, err
		}
		for _, c := range cases {
			if slices.Contains(c.Findings, f.UID) {
				w.Link = "/incidents/" + c.ID
			}
		}
		out = append(out, w)
	}
	return out, nil
}

// asOf is the end of what the overview shows: now, or the newest event where
// only old ones were imported, or where clocks (or the demo) run ahead.
func (q *request) asOf() int64 {
	now, last := q.Now().UnixMilli(), int64(0)
	for _, s := range q.Sources() {
		last = max(last, s.Event)
	}
	two := (48 * time.Hour).Milliseconds()
	if last > 0 && now-last > two || last > now && last-now < two {
		return last + 1
	}
	return now
}

func (q *request) overviewCounts(m *overview) (err error) {
	ctx := q.r.Context()
	count := func(f evidence.Filter) int {
		n, e := q.Book.Count(ctx, f)
		err = errors.Join(err, e)
		return n
	}
	day := time.UnixMilli(m.At).In(q.Site.Zone).Format(time.DateOnly)
	m.New = count(evidence.Filter{Kind: incident.KindCase, Status: incident.StatusNew})
	m.Waiting = count(evidence.Filter{Kind: incident.KindCase, Status: incident.StatusWaiting})
	m.Today = count(evidence.Filter{Kind: incident.KindCase, Ref: day}) -
		count(evidence.Filter{Kind: incident.KindCase, Ref: day, Status: incident.StatusWaiting})
	if q.ses.User.Role == identity.DepartmentHead {
		m.New = len(m.Cases) // others' numbers are not theirs
	}
	end := time.UnixMilli(m.At).In(q.Site.Zone)
	for _, b := range buckets(m.Range, end) {
		n := count(evidence.Filter{Kind: incident.KindFinding, Since: b.From, Until: b.Until})
		m.Bars.add(b, n)
	}
	return err
}

// bucket is one bar of time, in ms.
type bucket struct{ From, Until int64 }

// buckets cuts the last 24 hours or 14 days before end.
func buckets(span string, end time.Time) []bucket {
	var list []bucket
	if span == "14d" {
		day := time.Date(end.Year(), end.Month(), end.Day(), 0, 0, 0, 0, end.Location())
		for i := -13; i <= 0; i++ {
			list = append(list, bucket{day.AddDate(0, 0, i).UnixMilli(), day.AddDate(0, 0, i+1).UnixMilli()})
		}
		return list
	}
	hour := end.Truncate(time.Hour)
	for i := -23; i <= 0; i++ {
		at := hour.Add(time.Duration(i) * time.Hour)
		list = append(list, bucket{at.UnixMilli(), at.Add(time.Hour).UnixMilli()})
	}
	return list
}

// share is how many accesses of a day are explained, and by what.
type share struct {
	Known            bool // false without SQL
	Total, Explained int64
	Kinds            []kindShare
}

type kindShare struct {
	Title string
	Count int64
	kind  string
}

// shares keeps the last share: it is a question over a day's events.
type shares struct {
	mu sync.Mutex
	at time.Time
	share
}

const shareAge = 15 * time.Second

func (q *request) share(ctx context.Context, end int64) (share, error) {
	k := &q.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.Total == 0 || q.Now().Sub(k.at) >= shareAge {
		fresh, err := q.countShare(ctx, end)
		if err != nil {
			return share{}, err
		}
		k.share, k.at = fresh, q.Now()
	}
	out := k.share
	out.Kinds = slices.Clone(k.share.Kinds)
	for i := range out.Kinds {
		out.Kinds[i].Title = q.Care.Kinds().Title(out.Kinds[i].kind, q.lang)
	}
	return out, nil
}

// countShare leaves out what Cordon planted itself, and nobody else who uses
// such names.
func (q *request) countShare(ctx context.Context, end int64) (share, error) {
	from := end - (24 * time.Hour).Milliseconds()
	planted, err := q.Desk.Plants(ctx, from-(time.Hour).Milliseconds())
	if err != nil {
		return share{}, err
	}
	ids := []any{""} // never that of one
	for _, p := range planted {
		ids = append(ids, p.ID)
	}
	in := strings.Repeat(", ?", len(ids))[2:]
	args := slices.Concat([]any{from, end + 1, incident.ReservedPrefix}, ids, []any{incident.ReservedPrefix}, ids)
	rows, err := q.Lake.SQL(ctx, `SELECT coalesce(kind, ''), explained, count(*) FROM explanations
		WHERE time >= epoch_ms(CAST(? AS BIGINT)) AND time < epoch_ms(CAST(? AS BIGINT))
			AND NOT (starts_with(lower(coalesce(person, '')), ?) AND split_part(lower(person), '-', 3) IN (`+in+`))
			AND NOT (starts_with(lower(coalesce(patient, '')), ?) AND split_part(lower(patient), '-', 3) IN (`+in+`))
		GROUP BY ALL ORDER BY 3 DESC`, args...)
	if errors.Is(err, lake.ErrNoEngine) {
		return share{}, nil
	}
	if err != nil {
		return share{}, err
	}
	defer rows.Close()
	s := share{Known: true}
	for rows.Next() {
		r := rows.Row()
		kind, _ := r[0].(string)
		yes, _ := r[1].(bool)
		n, _ := r[2].(int64)
		s.Total += n
		if yes {
			s.Explained += n
			s.Kinds = append(s.Kinds, kindShare{kind: kind, Count: n})
		}
	}
	return s, rows.Err()
}

// wanted lists what waits for approval in cases the reader may see.
func (q *request) wanted() ([]wanted, error) {
	if !q.ses.User.May(identity.ApproveActions) {
		return nil, nil
	}
	ctx := q.r.Context()
	list, err := q.Runner.Entries(ctx, "", playbook.StatusWanted)
	if err != nil {
		return nil, err
	}
	titles := q.actionTitles()
	var out []wanted
	for _, e := range list {
		c, err := q.Case(ctx, q.ses.User, e.Case)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, wanted{caseRow: q.rowAbout(c), Action: titles[e.Action].In(q.lang), By: e.By, At: e.Wanted})
	}
	slices.SortStableFunc(out, func(a, b wanted) int { return cmp.Compare(b.Risk, a.Risk) })
	return out, nil
}

func (q *request) actionTitles() map[string]ocsf.Text {
	all := map[string]ocsf.Text{}
	for _, a := range q.Runner.Actions() {
		all[a.Name] = a.Title
	}
	return all
}

// alerts lists what is wrong with Cordon itself.
func (q *request) alerts(sources []sourceRow) ([]alert, error) {
	var out []alert
	word := func(key string) string { return words[key].In(q.lang) }
	for _, p := range q.Book.Problems() {
		out = append(out, alert{Bad: p.Stops, Text: p.Text.In(q.lang), Link: "/evidence", Word: word("nav.evidence")})
	}
	if !q.ses.User.May(identity.SeeSources) {
		return out, nil
	}
	if n := len(q.Health()); n > 0 {
		out = append(out, alert{Text: q.page("").N("alert.missing", n), Link: "/sources#missing", Word: word("nav.sources")})
	}
	open, err := q.Quarantine.Count(q.r.Context(), quarantine.Open)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, c := range open {
		n += c
	}
	p := q.page("")
	if n > 0 {
		out = append(out, alert{Text: p.N("alert.quarantine", n), Link: "/sources#quarantine", Word: word("nav.sources")})
	}
	return out, nil
}

// sourceRow is one line of the list of sources.
type sourceRow struct {
	api.Source
	// State is live, quiet or silent.
	State string
	// Open counts records in quarantine.
	Open int
}

func (q *request) sourceRows() []sourceRow {
	var out []sourceRow
	for _, s := range q.Sources() {
		age := q.Now().Sub(time.UnixMilli(s.Last))
		state := "silent"
		switch {
		case age < 15*time.Minute:
			state = "live"
		case age < 24*time.Hour:
			state = "quiet"
		}
		out = append(out, sourceRow{Source: s, State: state})
	}
	slices.SortStableFunc(out, func(a, b sourceRow) int { return cmp.Compare(b.Last, a.Last) })
	return out
}

// used is how far the day's budget is used, 0 to 100.
func (m overview) used() float64 {
	if m.Budget == 0 {
		return 0
	}
	return math.Min(100, 100*float64(m.Today)/float64(m.Budget))
}

// colours is how many kinds get a colour of their own.
const colours = 6

type span struct{ x, w float64 }

// top are the most frequent kinds.
func (s share) top() []kindShare { return s.Kinds[:min(len(s.Kinds), colours)] }

// rects are the widths of the kinds in a bar of 100; the last takes the rest
// of what is explained.
func (s share) rects() []span {
	var out []span
	x := 0.0
	for i, k := range s.Kinds {
		w := 100 * float64(k.Count) / float64(s.Total)
		if i > colours-1 {
			out[len(out)-1].w += w
		} else {
			out = append(out, span{x, w})
		}
		x += w
	}
	return out
}

// tick is the short name of a bar's time, bucketName the long one.
func (p *page) tick(span string, ms int64) string {
	t := time.UnixMilli(ms).In(p.site.Zone)
	if span == "14d" {
		return t.Format(map[bool]string{true: "1/2", false: "2 Jan"}[p.zh()])
	}
	return t.Format("15:04")
}

func (p *page) bucketName(span string, ms int64) string {
	if span == "14d" {
		return time.UnixMilli(ms).In(p.site.Zone).Format(map[bool]string{true: "1月2日", false: "2 Jan"}[p.zh()])
	}
	return p.Time(ms)
}
