package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/tuning"
)

// rulesFile is the page of Sigma rules.
type rulesFile struct {
	api.RuleSet
	// What the reader chose; the sources and levels there are.
	State, Search, Level, Source string
	Sources, Levels              []string
	Rows                         []ruleRow
	Page                         int
	More                         bool
	Counts                       map[string]int
	Over                         []filterRow
	Correlations                 int
}

// ruleRow is a rule or correlation in the list.
type ruleRow struct {
	api.RuleLine
	Found int // matches in the last days
}

// filterRow is a filter, and what it hid since it is known.
type filterRow struct {
	api.Filter
	Hidden, Last int64
}

// rulesPerPage is how many rules a page of the list shows, foundDays over how
// many days their matches are counted.
const (
	rulesPerPage = 60
	foundDays    = 7
)

// ruleStates are what the list may be narrowed to, the usual one first.
func ruleStates() []string { return []string{"all", "found", "idle", "waits", "correlation"} }

// is says whether a rule is in a state of the list.
func (r ruleRow) is(state string) bool {
	switch state {
	case "found":
		return r.Found > 0
	case "idle":
		return r.Idle
	case "waits":
		return len(r.Waits) > 0
	case "correlation":
		return r.Correlation
	}
	return true
}

// fits says whether a word stands in what the list shows of a rule.
func (r ruleRow) fits(word string) bool {
	text := strings.Join([]string{r.ID, r.Title, r.TitleZH, r.File, r.Version}, "\n")
	return strings.Contains(strings.ToLower(text), strings.ToLower(word))
}

func (r ruleRow) name() ocsf.Text { return ocsf.Text{EN: r.Title, ZH: r.TitleZH} }

// rank orders levels, the gravest first.
func rank(level string) int {
	return slices.Index([]string{"", "informational", "low", "medium", "high", "critical"}, level)
}

// ruleSet lists the rules, where somebody tells.
func (q *request) ruleSet() api.RuleSet {
	if q.Services.Rules == nil {
		return api.RuleSet{}
	}
	return q.Services.Rules()
}

func (q *request) rules() error {
	m := rulesFile{RuleSet: q.ruleSet(), State: q.text("state"), Search: q.text("q"), Level: q.text("level"), Source: q.text("source"), Counts: map[string]int{}}
	if !slices.Contains(ruleStates(), m.State) {
		m.State = ruleStates()[0]
	}
	if n, err := strconv.Atoi(q.text("page")); err == nil && n > 1 && n < 10000 {
		m.Page = n - 1
	}
	found, err := q.Desk.FoundSince(q.r.Context(), foundDays)
	if err != nil {
		return err
	}
	if m.Over, err = q.filterRows(m.Filters); err != nil {
		return err
	}
	m.choose(found)
	p := q.page("nav.rules")
	return q.show(p, rulesPage(p, m))
}

// choose fills the list with what was asked for.
func (m *rulesFile) choose(found map[string]int) {
	for _, line := range m.Rules {
		r := ruleRow{line, found[line.ID]}
		m.Sources, m.Levels = append(m.Sources, r.Source), append(m.Levels, r.Level)
		m.Correlations += flag(r.Correlation)
		if m.Level != "" && r.Level != m.Level || m.Source != "" && r.Source != m.Source || !r.fits(m.Search) {
			continue
		}
		for _, s := range ruleStates() {
			m.Counts[s] += flag(r.is(s))
		}
		if r.is(m.State) {
			m.Rows = append(m.Rows, r)
		}
	}
	m.Sources, m.Levels = offered(m.Sources), offered(m.Levels)
	slices.SortStableFunc(m.Levels, func(a, b string) int { return cmp.Compare(rank(b), rank(a)) })
	slices.SortStableFunc(m.Rows, func(a, b ruleRow) int {
		return cmp.Or(cmp.Compare(b.Found, a.Found), cmp.Compare(rank(b.Level), rank(a.Level)), cmp.Compare(a.Title, b.Title))
	})
	m.Rows = m.Rows[min(m.Page*rulesPerPage, len(m.Rows)):]
	if m.More = len(m.Rows) > rulesPerPage; m.More {
		m.Rows = m.Rows[:rulesPerPage]
	}
}

// offered are the values to choose from, each once.
func offered(list []string) []string {
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == "" })
}

// link is the list with one choice changed.
func (m rulesFile) link(name, value string) string {
	v := url.Values{}
	for key, have := range map[string]string{"state": m.State, "q": m.Search, "level": m.Level, "source": m.Source} {
		if have != "" {
			v.Set(key, have)
		}
	}
	v.Set(name, value)
	return "/rules?" + v.Encode()
}

// filterRows adds what filters hid, as it is kept across restarts.
func (q *request) filterRows(list []api.Filter) ([]filterRow, error) {
	var counts map[string]tuning.Count
	var out []filterRow
	if q.Tuning.Book != nil && len(list) > 0 {
		var err error
		if counts, err = q.Tuning.Book.Counts(q.r.Context()); err != nil {
			return nil, err
		}
	}
	for _, f := range list {
		n := counts[tuning.FilterPrefix+f.ID]
		out = append(out, filterRow{f, n.N, n.Last})
	}
	return out, nil
}

// ruleFile is one rule, correlation or filter with its texts.
type ruleFile struct {
	ruleRow
	Loaded   bool // it is at work
	Version  api.RuleVersion
	Current  bool // Version is what is at work
	Versions []api.RuleVersion
	Over     []filterRow
	Filter   *filterRow
	Titles   map[string]ocsf.Text
}

func (q *request) rule() error {
	id := q.r.PathValue("id")
	all, err := q.RuleVersions(q.r.Context(), id)
	if err != nil {
		return err
	}
	m := ruleFile{Versions: all, Version: all[0], Titles: map[string]ocsf.Text{}}
	if i := slices.IndexFunc(all, func(v api.RuleVersion) bool { return v.RuleText.Version == q.text("version") }); i > 0 {
		m.Version = all[i]
	}
	if err := q.fillRule(&m, id); err != nil {
		return err
	}
	if !m.Loaded {
		m.RuleLine = api.RuleLine{ID: id, Title: m.Version.Title, File: m.Version.File, Version: m.Version.RuleText.Version}
	}
	m.Current = m.Loaded && m.Version.RuleText.Version == all[0].RuleText.Version && !m.Version.Gone
	p := q.page("rule.title")
	return q.show(p, rulePage(p, m))
}

// fillRule adds what is known of the rule at work.
func (q *request) fillRule(m *ruleFile, id string) error {
	set := q.ruleSet()
	over, err := q.filterRows(set.Filters)
	if err != nil {
		return err
	}
	for _, line := range set.Rules {
		m.Titles[line.ID] = ocsf.Text{EN: line.Title, ZH: line.TitleZH}
		if line.ID == id {
			m.RuleLine, m.Loaded = line, true
		}
	}
	for i, f := range over {
		if slices.Contains(m.Filters, f.ID) {
			m.Over = append(m.Over, f)
		}
		if f.ID == id {
			m.Filter, m.Loaded = &over[i], true
			m.RuleLine = api.RuleLine{ID: id, Title: f.Title, File: m.Version.File, Version: m.Version.RuleText.Version}
		}
	}
	found, err := q.Desk.FoundSince(q.r.Context(), foundDays)
	m.Found = found[id]
	return err
}

// named is another rule's title, else its id.
func (m ruleFile) named(id string) ocsf.Text {
	if t, ok := m.Titles[id]; ok {
		return t
	}
	return ocsf.Text{EN: id, ZH: id}
}

// rulePath is the page of a rule; version is the text that spoke, "" the one
// at work.
func rulePath(id, version string) string {
	path := "/rules/" + url.PathEscape(id)
	if version != "" {
		path += "?version=" + url.QueryEscape(version)
	}
	return path
}

// ruleTitles are the titles of the rules by id, listed once a request: lists
// of cases ask often.
func (q *request) ruleTitles() map[string]ocsf.Text {
	if q.titles == nil {
		q.titles = map[string]ocsf.Text{}
		for _, r := range q.ruleSet().Rules {
			q.titles[r.ID] = ocsf.Text{EN: r.Title, ZH: cmp.Or(r.TitleZH, r.Title)}
		}
	}
	return q.titles
}

// mostHash is how much of a version lists show.
const mostHash = 12

// levelChip is how a level of a rule looks.
func levelChip(level string) string {
	switch level {
	case "critical":
		return "entry-failed"
	case "high", "medium":
		return "warn"
	}
	return "quiet"
}

// levelName is a level in the reader's language.
func (p *page) levelName(level string) string {
	if rank(level) < 1 {
		return cmp.Or(level, "–")
	}
	return p.T("level." + level)
}

// span is a correlation's window of time.
func (p *page) span(ms int64) string {
	return p.minutes(float64(ms) / float64(time.Minute.Milliseconds()))
}

func asIs(s string) string { return s }

// folderOf says where a rule's file is from.
func folderOf(n int) string {
	return []string{"own", "imported", "site"}[min(n, 2)]
}

// filterLink is the page of a filter, for those who may see it.
func filterLink(p *page, id string) string {
	if !p.May(identity.SeeSources) {
		return ""
	}
	return rulePath(id, "")
}
