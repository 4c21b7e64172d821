package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
)

// page is how many records are held at once.
const page = 1000

// finding and incidentLine stand for OCSF's own classes in the description.
type (
	finding struct {
		ClassUID    int     `json:"class_uid"`
		Time        int64   `json:"time"`
		RiskScore   float64 `json:"risk_score"`
		FindingInfo struct {
			UID      string `json:"uid"`
			Analytic struct {
				UID string `json:"uid"`
			} `json:"analytic"`
			RelatedEvents []struct {
				UID string `json:"uid"`
			} `json:"related_events"`
		} `json:"finding_info"`
	}
	incidentLine struct {
		ClassUID        int     `json:"class_uid"`
		Time            int64   `json:"time"`
		Status          string  `json:"status"`
		RiskScore       float64 `json:"risk_score"`
		FindingInfoList []any   `json:"finding_info_list"`
	}
)

// span reads since, until and limit.
func (c *call) span() (since, until int64, limit int, err error) {
	var errs [3]error
	since, errs[0] = c.instant("since")
	until, errs[1] = c.instant("until")
	limit, errs[2] = c.number("limit", 0, 1<<30)
	return since, until, limit, errors.Join(errs[:]...)
}

func (c *call) findings() error {
	since, until, limit, err := c.span()
	if err != nil {
		return err
	}
	withdrawn, err := c.oneOf("withdrawn", "true", "false")
	if err != nil {
		return err
	}
	out := c.lines()
	var buf []byte
	err = c.eachFinding(evidence.Filter{Since: since, Until: until}, withdrawn == "true", func(f ocsf.Finding) (bool, error) {
		if c.user.Role == identity.DepartmentHead && !c.SeesPerson(c.user, f.Person) {
			return true, nil
		}
		buf = ocsf.AppendFinding(buf[:0], f)
		limit--
		return limit != 0, out.raw(buf)
	})
	if err != nil {
		return err
	}
	return out.end()
}

// eachFinding goes through findings, newest first, holding a page at a time.
// Pages are cut by time, so that findings that come meanwhile do not shift
// them: the next begins with the last time of this one, less what was shown.
func (c *call) eachFinding(f evidence.Filter, withdrawn bool, visit func(ocsf.Finding) (more bool, err error)) error {
	shown := map[string]bool{} // of the last time
	f.Limit = page
	for {
		list, err := c.Desk.AllFindings(c.r.Context(), f, withdrawn)
		if err != nil {
			return err
		}
		fresh := 0
		for _, x := range list {
			if shown[x.UID] {
				continue
			}
			fresh++
			if x.Time+1 != f.Until {
				clear(shown)
			}
			shown[x.UID], f.Until = true, x.Time+1
			if more, err := visit(x); err != nil || !more {
				return err
			}
		}
		switch {
		case len(list) < f.Limit:
			return nil
		case fresh == 0:
			f.Limit *= 2 // a page full of one instant
		}
	}
}

func (c *call) incidents() error {
	since, until, limit, err := c.span()
	if err != nil {
		return err
	}
	status, err := c.oneOf("status", incident.StatusWaiting, incident.StatusNew, incident.StatusAssigned, incident.StatusClosed)
	if err != nil {
		return err
	}
	out := c.lines()
	q := incident.Query{Status: status, Since: since, Until: until, Limit: page}
	seen := map[string]bool{}
	for {
		list, err := c.Desk.List(c.r.Context(), q)
		if err != nil {
			return err
		}
		for _, x := range list {
			if seen[x.ID] || !c.Sees(c.user, x) {
				continue
			}
			seen[x.ID] = true
			if err := c.incidentTo(out, x); err != nil {
				return err
			}
			if limit--; limit == 0 {
				return out.end()
			}
		}
		if len(list) < page {
			return out.end()
		}
		q.Offset += page
	}
}

func (c *call) incidentTo(out *lines, x incident.Case) error {
	n, err := c.Incident(c.r.Context(), x)
	if err != nil {
		return err
	}
	return out.raw(ocsf.AppendIncident(nil, n))
}

type accessWish struct {
	Patient string `json:"patient,omitempty"`
	Person  string `json:"person,omitempty"`
	// From and Until: RFC 3339, a date, or ms as text.
	From  string `json:"from,omitempty"`
	Until string `json:"until,omitempty"`
	Limit int    `json:"limit,omitempty"`
}

// access is one line of "who looked".
type access struct {
	EventUID   string   `json:"event_uid"`
	Time       string   `json:"time"`
	Person     string   `json:"person,omitempty"`
	Name       string   `json:"name,omitempty"`
	Account    string   `json:"account,omitempty"`
	Department string   `json:"department,omitempty"`
	Role       string   `json:"role,omitempty"`
	Patient    string   `json:"patient"`
	Activity   string   `json:"activity"`
	What       string   `json:"what,omitempty"`
	Incidental bool     `json:"incidental,omitempty"`
	Source     string   `json:"source,omitempty"`
	Explained  bool     `json:"explained"`
	Kind       string   `json:"kind,omitempty"`
	Detail     string   `json:"detail,omitempty"`
	Sentence   string   `json:"sentence"`
	Because    []string `json:"because"`
}

func (c *call) accesses() error {
	wish, err := read[accessWish](c)
	if err != nil {
		return err
	}
	if wish.Patient == "" && wish.Person == "" {
		return bad("give patient or person", "请给出 patient 或 person")
	}
	q := lake.AccessQuery{Person: wish.Person, Limit: max(wish.Limit, 0)}
	if q.From, err = c.time("from", wish.From); err != nil {
		return err
	}
	if q.Until, err = c.time("until", wish.Until); err != nil {
		return err
	}
	if wish.Patient != "" {
		err = c.Watch(c.r.Context(), c.user, LookedAtPatient, "Patient", wish.Patient, "")
	} else {
		err = c.Watch(c.r.Context(), c.user, LookedAtPerson, "Person", wish.Person, "")
	}
	if err != nil {
		return err
	}
	evs, err := c.Accesses(c.r.Context(), wish.Patient, q)
	if err != nil {
		return err
	}
	out := c.lines()
	for _, ev := range evs {
		if err := out.value(c.access(ev)); err != nil {
			return err
		}
	}
	return out.end()
}

// Accesses lists accesses, newest first: to a patient under all their numbers
// where one is given.
func (s *Services) Accesses(ctx context.Context, patient string, q lake.AccessQuery) ([]*ocsf.Event, error) {
	if patient == "" {
		return s.Lake.Accesses(ctx, q)
	}
	ids := s.Care.Patient(patient).IDs
	if !slices.Contains(ids, patient) {
		ids = append(slices.Clone(ids), patient)
	}
	var all []*ocsf.Event
	for _, id := range ids {
		q.Patient = id
		evs, err := s.Lake.Accesses(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, evs...)
	}
	slices.SortStableFunc(all, func(a, b *ocsf.Event) int { return cmp.Compare(b.Time, a.Time) })
	if q.Limit > 0 && len(all) > q.Limit {
		all = all[:q.Limit]
	}
	return all, nil
}

func (c *call) access(ev *ocsf.Event) access {
	u := ev.Actor.User
	out := access{
		EventUID: ev.Metadata.UID, Time: time.UnixMilli(ev.Time).In(c.Site.Zone).Format("2006-01-02T15:04:05.000Z07:00"),
		Person: u.UID, Account: u.Account, Patient: ev.Patient.UID, Activity: Activity(ev).EN, What: What(ev),
		Source: ev.Metadata.LogProvider, Because: []string{},
	}
	if p, ok := c.People.Person(u.UID); ok {
		out.Name = p.Name
		out.Department, out.Role = c.People.DepartmentAt(u.UID, ev.Time)
	}
	if ev.Access != nil {
		out.Incidental = ev.Access.Incidental
	}
	if x := ev.Explanation; x != nil {
		out.Explained = x.Explained
		out.Kind, out.Detail = c.publicKind(x.Kind)
		out.Because = append(out.Because, x.Because...)
		out.Sentence = c.Care.Sentence(*x, c.lang)
	}
	return out
}

// What names what was opened, as far as the source said so.
func What(ev *ocsf.Event) string {
	var words []string
	if ev.Access != nil && ev.Access.Document != "" {
		words = append(words, ev.Access.Document)
	}
	for _, r := range slices.Concat(ev.WebResources, ev.Resources) {
		if w := cmp.Or(r.Name, r.Type); w != "" && !slices.Contains(words, w) && r.Type != "Patient" && len(words) < 3 {
			words = append(words, w)
		}
	}
	if ev.Table != nil && ev.Table.Name != "" {
		words = append(words, ev.Table.Name)
	}
	return strings.Join(words, ", ")
}

// Activity says what was done, in the words of OCSF 6001.
func Activity(ev *ocsf.Event) ocsf.Text {
	switch ev.ActivityID {
	case ocsf.AccessCreate:
		return ocsf.Text{EN: "create", ZH: "新建"}
	case ocsf.AccessRead:
		return ocsf.Text{EN: "read", ZH: "查阅"}
	case ocsf.AccessUpdate:
		return ocsf.Text{EN: "update", ZH: "修改"}
	case ocsf.AccessDelete:
		return ocsf.Text{EN: "delete", ZH: "删除"}
	case ocsf.AccessSearch:
		return ocsf.Text{EN: "search", ZH: "检索"}
	case ocsf.AccessImport:
		return ocsf.Text{EN: "import", ZH: "导入"}
	case ocsf.AccessExport:
		return ocsf.Text{EN: "export", ZH: "导出"}
	case ocsf.AccessShare:
		return ocsf.Text{EN: "share", ZH: "共享"}
	}
	return ocsf.Text{EN: "other", ZH: "其他"}
}

type queryWish struct {
	SQL    string `json:"sql"`
	Format string `json:"format,omitempty"` // table, csv, json (otherwise) or parquet
}

func (c *call) query() error {
	wish, err := read[queryWish](c)
	if err != nil {
		return err
	}
	wish.Format = cmp.Or(wish.Format, "json")
	if !slices.Contains(lake.Formats(), wish.Format) {
		return bad("format is one of "+strings.Join(lake.Formats(), ", "), "format 须为："+strings.Join(lake.Formats(), "、"))
	}
	if strings.TrimSpace(wish.SQL) == "" {
		return bad("sql is empty; for example: SELECT person, count(*) FROM events GROUP BY person", "sql 为空；例如：SELECT person, count(*) FROM events GROUP BY person")
	}
	if err := c.Watch(c.r.Context(), c.user, AskedSQL, "", "", wish.SQL); err != nil {
		return err
	}
	rows, err := c.Lake.SQL(c.r.Context(), wish.SQL)
	if err != nil {
		return c.queryError(err)
	}
	defer rows.Close()
	kinds := map[string]string{"table": "text/plain; charset=utf-8", "csv": "text/csv; charset=utf-8", "json": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
	out := &late{c: c, kind: kinds[wish.Format]}
	if err := rows.Write(out, wish.Format); err != nil {
		return c.queryError(err)
	}
	_, err = out.Write(nil)
	return err
}

// queryError shows what the engine says about the statement; what it says
// about files and values stays inside: a value may be a patient's.
func (c *call) queryError(err error) error {
	if _, ok := RefusalOf(err); ok || c.r.Context().Err() != nil || c.sent {
		return err
	}
	text := err.Error()
	if strings.Contains(text, ".parquet") || strings.Contains(text, "/") && strings.Contains(text, "IO Error") {
		return err
	}
	text = withoutValues(text)
	return bad("the question cannot be answered: "+text, "无法回答该查询："+text)
}

var anyQuoted = regexp.MustCompile(`"(?:[^"]|"")*"?`)

var quoted = regexp.MustCompile(`'(?:[^']|'')*'?`)

// withoutValues cuts the echo of the statement and all values in quotes.
func withoutValues(text string) string {
	text, _, _ = strings.Cut(text, "\nLINE ")
	if !strings.Contains(text, "Conversion Error") && !strings.Contains(text, "Invalid Input Error") {
		text = quoted.ReplaceAllString(text, "'…'") // names stand in double quotes and help
		return strings.TrimSpace(text)
	}
	return strings.TrimSpace(anyQuoted.ReplaceAllString(quoted.ReplaceAllString(text, "'…'"), `"…"`))
}

// late begins an answer of a kind with its first bytes.
type late struct {
	c    *call
	kind string
	file string // offered as a file with this name
}

func (l *late) Write(p []byte) (int, error) {
	if !l.c.sent {
		if l.file != "" {
			l.c.w.Header().Set("Content-Disposition", `attachment; filename="`+l.file+`"`)
		}
		l.c.begin(http.StatusOK, l.kind)
	}
	return l.c.w.Write(p)
}

type detector struct {
	ID         string      `json:"id"`
	Title      ocsf.Text   `json:"title"`
	Why        ocsf.Text   `json:"why"`
	Advice     ocsf.Text   `json:"advice"`
	Severity   int         `json:"severity_id"`
	Risk       float64     `json:"risk"`
	Weak       bool        `json:"weak"`
	References []string    `json:"references"`
	Params     []paramInfo `json:"params"`
	// Lacks says what the detector would need to see more.
	Lacks []ocsf.Text `json:"lacks"`
}

type paramInfo struct {
	Name    string    `json:"name"`
	Default float64   `json:"default"`
	About   ocsf.Text `json:"about"`
}

func (c *call) detectors() error {
	problems := c.Health()
	list := []detector{}
	for _, i := range c.Detectors() {
		d := detector{ID: i.ID, Title: i.Title, Why: i.Why, Advice: i.Advice, Severity: i.Severity, Risk: i.Risk, Weak: i.Weak,
			References: append([]string{}, i.References...), Params: []paramInfo{}, Lacks: []ocsf.Text{}}
		for _, p := range i.Params {
			d.Params = append(d.Params, paramInfo(p))
		}
		for _, p := range problems {
			if slices.Contains(p.Detectors, i.ID) {
				d.Lacks = append(d.Lacks, p.Text)
			}
		}
		list = append(list, d)
	}
	return c.answer(200, list)
}
