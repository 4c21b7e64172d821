package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/tuning"
)

// exceptionRow is an exception as pages show it.
type exceptionRow struct {
	api.ExceptionLine
	Title   ocsf.Text
	Who     person
	Patient patientRef
}

// exceptionsFile is the page of exceptions.
type exceptionsFile struct {
	Open, Over  []exceptionRow
	Detectors   []detect.Status
	Departments []string
	May         bool
	Latest      string // the last day that may be given
	Detector    string // chosen before
}

func (q *request) exceptionRow(x api.ExceptionLine, titles map[string]ocsf.Text) exceptionRow {
	row := exceptionRow{ExceptionLine: x, Title: titles[x.Detector]}
	if row.Title.EN == "" {
		row.Title = ocsf.Text{EN: x.Detector, ZH: x.Detector}
	}
	if x.Detector == "*" {
		row.Title = words["exception.all"]
	}
	if x.Exception.Person != "" {
		row.Who = q.staff(x.Exception.Person, x.Exception.Person)
	}
	if x.Exception.Patient != "" {
		row.Patient = q.patientRef(x.Exception.Patient)
	}
	return row
}

func (q *request) exceptions() error {
	m := exceptionsFile{Detectors: q.allDetectors(), May: q.ses.User.May(identity.Tune), Detector: q.text("detector"),
		Latest: q.Now().In(q.Site.Zone).AddDate(1, 0, 0).Format("2006-01-02")}
	all, err := q.Exceptions(q.r.Context())
	if err != nil {
		return err
	}
	titles := titlesOf(m.Detectors)
	for _, x := range all {
		row := q.exceptionRow(x, titles)
		if x.State == tuning.Wanted || x.State == tuning.Active {
			m.Open = append(m.Open, row)
		} else {
			m.Over = append(m.Over, row)
		}
	}
	seen := map[string]bool{}
	for p := range q.People.People() {
		if p.Department != "" && !seen[p.Department] && !incident.Reserved(p.ID) {
			seen[p.Department] = true
			m.Departments = append(m.Departments, p.Department)
		}
	}
	slices.Sort(m.Departments)
	p := q.page("nav.exceptions")
	return q.show(p, exceptionsPage(p, m))
}

func titlesOf(list []detect.Status) map[string]ocsf.Text {
	out := map[string]ocsf.Text{}
	for _, d := range list {
		out[d.ID] = d.Title
	}
	return out
}

// exceptionFile is one exception with what it hid.
type exceptionFile struct {
	exceptionRow
	Found []foundRow
	May   bool
}

const mostShownHidden = 50

func (q *request) exception() error {
	ctx, id := q.r.Context(), q.r.PathValue("id")
	all, err := q.Exceptions(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(x api.ExceptionLine) bool { return x.ID == id })
	if i < 0 {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	titles := titlesOf(q.allDetectors())
	m := exceptionFile{exceptionRow: q.exceptionRow(all[i], titles), May: q.ses.User.May(identity.Tune)}
	hidden, err := q.Tuning.Book.Hidden(ctx, id, mostShownHidden)
	if err != nil {
		return err
	}
	for _, f := range hidden {
		row := foundRow{Finding: f, Detector: titles[f.Analytic], Patient: q.patientRef(f.Patient)}
		if row.Detector.EN == "" {
			row.Detector = ocsf.Text{EN: f.Analytic, ZH: f.Analytic}
		}
		m.Found = append(m.Found, row)
	}
	p := q.page("exception.title")
	return q.show(p, exceptionPage(p, m))
}

func (q *request) addException() error {
	x, err := q.CreateException(q.r.Context(), q.ses.User, tuning.Exception{Detector: q.text("detector"), Person: q.text("person"),
		Patient: q.text("patient"), Department: q.text("department"), Source: q.text("source"), Until: q.text("until"),
		Reason: q.text("reason"), ApprovedBy: q.text("approved_by")})
	if err != nil {
		return err
	}
	if x.Agreed == 0 {
		return q.redirect("/exceptions?done=wanted")
	}
	return q.redirect("/exceptions?done=exception")
}

func (q *request) changeException() error {
	id, what := q.r.PathValue("id"), q.r.PathValue("what")
	if _, err := q.ChangeException(q.r.Context(), q.ses.User, id, what, q.text("text")); err != nil {
		return err
	}
	return q.redirect("/exceptions?done=exception")
}

// detectorGroup is a heading of the page of detectors.
type detectorGroup struct {
	Title ocsf.Text
	Rows  []detectorRow
}

// detectorRow is a detector, what it lacks here and how it does here.
type detectorRow struct {
	detect.Status
	Lacks      []detect.Problem
	Stopped    string
	Share      incident.Share // precision over 90 days
	Findings   int
	Exceptions []api.ExceptionLine
	Setting    *tuning.Setting // the last decision, nil for none
	Wish       *tuning.Setting // what waits for a second user, nil for none
	Factor     incident.Factor
}

// detectorsFile is the page of detectors.
type detectorsFile struct {
	Groups   []detectorGroup
	Problems []detect.Problem
	Count    int
	Off      int
	May      bool
	Sees     bool // the reader sees exceptions
}

func (q *request) detectors() error {
	m := detectorsFile{Problems: q.Health(), May: q.ses.User.May(identity.Tune), Sees: q.ses.User.May(identity.SeeSources)}
	rows, err := q.detectorRows(m.Problems)
	if err != nil {
		return err
	}
	for _, g := range detect.Groups() {
		group := detectorGroup{Title: g.Title}
		for _, r := range rows {
			if cmp.Or(r.Group, detect.GroupHow) == g.ID {
				group.Rows = append(group.Rows, r)
				m.Count++
				m.Off += flag(r.Off)
			}
		}
		if len(group.Rows) > 0 {
			m.Groups = append(m.Groups, group)
		}
	}
	p := q.page("nav.detectors")
	return q.show(p, detectorsPage(p, m))
}

func (q *request) detectorRows(problems []detect.Problem) ([]detectorRow, error) {
	ctx := q.r.Context()
	figures, err := q.Desk.Quality(ctx, 90, q.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	cal, err := q.Desk.Calibration(ctx)
	if err != nil {
		return nil, err
	}
	var exceptions []api.ExceptionLine
	var settings, wishes []tuning.Setting
	if q.Tuning.Book != nil {
		if exceptions, err = q.Exceptions(ctx); err != nil {
			return nil, err
		}
		if settings, err = q.Tuning.Book.Settings(ctx); err != nil {
			return nil, err
		}
		if wishes, err = q.Tuning.Book.Wishes(ctx); err != nil {
			return nil, err
		}
	}
	var rows []detectorRow
	for _, d := range q.allDetectors() {
		row := detectorRow{Status: d}
		row.Factor, _ = cal.For(d.ID, "")
		for _, p := range problems {
			if slices.Contains(p.Detectors, d.ID) {
				row.Lacks = append(row.Lacks, p)
			}
		}
		for _, f := range figures.Detectors {
			if f.Detector == d.ID {
				row.Share, row.Findings = f.Precision[len(f.Precision)-1].Share, f.Findings
			}
		}
		for _, x := range exceptions {
			if x.Detector == d.ID && (x.State == tuning.Active || x.State == tuning.Wanted) {
				row.Exceptions = append(row.Exceptions, x)
			}
		}
		for i := range settings {
			if settings[i].Detector == d.ID {
				row.Setting = &settings[i]
			}
		}
		if i := slices.IndexFunc(wishes, func(s tuning.Setting) bool { return s.Detector == d.ID }); i >= 0 {
			row.Wish = &wishes[i]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// wishText says what a setting that waits would do.
func wishText(p *page, s *tuning.Setting) string {
	out := []string{p.T("detectors.on")}
	if s.Off {
		out[0] = p.T("detectors.isoff")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		out = append(out, name+" "+number(s.Params[name]))
	}
	return strings.Join(out, " · ")
}

// decideSetting agrees to a setting that waits, or refuses it.
func (q *request) decideSetting() error {
	id, what := q.r.PathValue("id"), q.r.PathValue("what")
	if what != "agree" && what != "refuse" {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	if _, err := q.DecideSetting(q.r.Context(), q.ses.User, id, what == "agree"); err != nil {
		return err
	}
	return q.redirect("/detectors?done=setting#" + id)
}

// setDetector switches a detector or changes its numbers.
func (q *request) setDetector() error {
	set := tuning.Setting{Detector: q.r.PathValue("id"), Off: q.text("off") == "true", Reason: q.text("reason"), Params: map[string]float64{}}
	for name, values := range q.r.PostForm {
		param, found := strings.CutPrefix(name, "param.")
		if !found || len(values) != 1 {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(values[0]), 64)
		if err != nil {
			return q.refused(http.StatusBadRequest, "detectors.number")
		}
		set.Params[param] = v
	}
	set, err := q.SetDetector(q.r.Context(), q.ses.User, set)
	if err != nil {
		return err
	}
	if set.Waits {
		return q.redirect("/detectors?done=wish#" + set.Detector)
	}
	return q.redirect("/detectors?done=setting#" + set.Detector)
}

// number writes a parameter.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// hiddenBy sums what exceptions hid.
func hiddenBy(list []api.ExceptionLine) (n int64) {
	for _, x := range list {
		n += x.Hidden
	}
	return n
}
