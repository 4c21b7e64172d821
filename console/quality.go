package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
)

// qualityFile is how well the watch works.
type qualityFile struct {
	api.Quality
	Days      int
	Rows      []qualityRow // detectors, those with most findings first
	Kinds     []api.PlantKind
	Plants    []plantRow
	Cal       *incident.Calibration
	Factors   []factorRow
	Past      []*incident.Calibration
	Titles    map[string]ocsf.Text
	May       bool // the reader may change something
	Published map[bool]float64
}

// qualityRow is one detector's figures.
type qualityRow struct {
	incident.DetectorQuality
	Title ocsf.Text
	Link  string // to the detector or the rule; empty where the reader may not see it
	Share incident.Share
	Trend []int64 // findings a day
}

// plantRow is one planted violation.
type plantRow struct {
	incident.Plant
	State string
	Title ocsf.Text
}

// factorRow is how one detector counts here.
type factorRow struct {
	incident.Factor
	Title ocsf.Text
}

// mostPast is how many earlier calibrations are offered to go back to.
const mostPast = 10

func qualityDays() []int { return incident.Windows() }

func (q *request) quality() error {
	m := qualityFile{Days: 30, May: q.ses.User.May(identity.Tune)}
	if n, err := strconv.Atoi(q.text("days")); err == nil && slices.Contains(qualityDays(), n) {
		m.Days = n
	}
	ctx := q.r.Context()
	var err error
	if from, to := q.text("from"), q.text("to"); from != "" || to != "" {
		if m.Quality, err = q.QualityBetween(ctx, from, to); err != nil {
			return err
		}
		m.Days = m.Quality.Days
	} else if m.Quality, err = q.QualityOf(ctx, m.Days, q.Now().UnixMilli()); err != nil {
		return err
	}
	m.Titles = map[string]ocsf.Text{}
	for _, d := range q.allDetectors() {
		m.Titles[d.ID] = d.Title
	}
	rules := q.ruleTitles()
	for id, title := range rules {
		m.Titles[id] = title
	}
	m.rows()
	for i, r := range m.Rows {
		m.Rows[i].Link = "/detectors#" + r.Detector
		if _, rule := rules[r.Detector]; rule {
			m.Rows[i].Link = ""
			if q.ses.User.May(identity.SeeSources) {
				m.Rows[i].Link = rulePath(r.Detector, "")
			}
		}
	}
	if err := q.fillPlants(&m); err != nil {
		return err
	}
	if err := q.fillCalibration(&m); err != nil {
		return err
	}
	p := q.page("nav.quality")
	return q.show(p, qualityPage(p, m))
}

// allDetectors lists the detectors, also those switched off.
func (q *request) allDetectors() []detect.Status {
	if q.Tuning.All != nil {
		return q.Tuning.All()
	}
	var out []detect.Status
	for _, i := range q.Detectors() {
		out = append(out, detect.Status{Info: i})
	}
	return out
}

func (m *qualityFile) title(id string) ocsf.Text {
	if t, ok := m.Titles[id]; ok {
		return t
	}
	return ocsf.Text{EN: id, ZH: id}
}

func (m *qualityFile) rows() {
	at := slices.Index(qualityDays(), m.Days)
	if m.Chosen {
		at = len(qualityDays()) // behind the others
	}
	for _, d := range m.Detectors {
		row := qualityRow{DetectorQuality: d, Title: m.title(d.Detector), Share: d.Precision[at].Share}
		for _, day := range m.Daily {
			row.Trend = append(row.Trend, int64(day.By[d.Detector]))
		}
		m.Rows = append(m.Rows, row)
	}
	slices.SortStableFunc(m.Rows, func(a, b qualityRow) int {
		return cmp.Or(cmp.Compare(b.Share.Of, a.Share.Of), cmp.Compare(b.Findings, a.Findings))
	})
}

func (q *request) fillPlants(m *qualityFile) error {
	if q.Tuning.Kinds == nil {
		return nil
	}
	m.Kinds = q.Tuning.Kinds()
	now := q.Now().UnixMilli()
	all, err := q.Desk.Plants(q.r.Context(), now-7*24*time.Hour.Milliseconds())
	for _, x := range all[:min(len(all), 20)] {
		m.Plants = append(m.Plants, plantRow{x, x.State(now), m.kind(x.Kind)})
	}
	return err
}

func (m *qualityFile) kind(id string) ocsf.Text {
	for _, k := range m.Kinds {
		if k.ID == id {
			return k.Title
		}
	}
	return ocsf.Text{EN: id, ZH: id}
}

func (q *request) fillCalibration(m *qualityFile) error {
	all, err := q.Desk.Calibrations(q.r.Context(), mostPast+1)
	if err != nil {
		return err
	}
	if m.Cal, err = q.Desk.Calibration(q.r.Context()); err != nil {
		return err
	}
	for _, f := range m.Cal.Entries {
		m.Factors = append(m.Factors, factorRow{f, m.title(f.Detector)})
	}
	slices.SortStableFunc(m.Factors, func(a, b factorRow) int { return cmp.Compare(distance(b.Factor.Factor), distance(a.Factor.Factor)) })
	if len(all) > 1 {
		m.Past = all[1:min(len(all), mostPast+1)]
	}
	return nil
}

// distance is how far a factor is from changing nothing.
func distance(f float64) float64 { return max(f, 1/max(f, .01)) }

// tuneQuality plants a violation or switches calibration.
func (q *request) tuneQuality() error {
	ctx, u := q.r.Context(), q.ses.User
	switch what := q.r.PathValue("what"); what {
	case "plant":
		if _, err := q.PlantOne(ctx, u, q.text("kind")); err != nil {
			return err
		}
		return q.redirect("/quality?done=plant#planted")
	case "calibration":
		version, err := strconv.Atoi(q.text("version"))
		if err != nil {
			version = 0
		}
		if err := q.SetCalibration(ctx, u, q.text("mode"), version, q.text("reason")); err != nil {
			return err
		}
		return q.redirect("/quality?done=calibration#calibration")
	}
	return q.refused(http.StatusNotFound, "error.nothing")
}

// The picture of alerts a day.
type dayBar struct {
	incident.DayFigures
	X, W           float64
	OpenY, OpenH   float64
	WaitY, WaitH   float64
	Tick           bool
	At             int64
	Anchor         string
	TickX, Largest float64
}

// days draws the days' cases; the second value is where the budget's line is.
func (m *qualityFile) days(zone *time.Location) ([]dayBar, float64) {
	most := m.Budget
	for _, d := range m.Daily {
		most = max(most, d.Opened+d.Waiting)
	}
	room := float64(chartHeight - chartFoot - chartHead)
	height := func(n int) float64 { return room * float64(n) / float64(max(most, 1)) }
	step := float64(chartWidth) / float64(max(len(m.Daily), 1))
	every := max(1, len(m.Daily)/6)
	var out []dayBar
	for i, d := range m.Daily {
		b := dayBar{DayFigures: d, X: float64(i)*step + step*0.14, W: step * 0.72, Tick: (len(m.Daily)-1-i)%every == 0, Anchor: "middle"}
		b.OpenH, b.WaitH = height(d.Opened), height(d.Waiting)
		b.OpenY = chartHeight - chartFoot - b.OpenH
		b.WaitY = b.OpenY - b.WaitH
		b.TickX = b.X + b.W/2
		if i == len(m.Daily)-1 {
			b.Anchor, b.TickX = "end", chartWidth
		}
		if t, err := time.ParseInLocation(time.DateOnly, d.Day, zone); err == nil {
			b.At = t.UnixMilli()
		}
		out = append(out, b)
	}
	return out, chartHeight - chartFoot - height(m.Budget)
}

// sum adds up the days.
func (m *qualityFile) sum() (opened, findings int) {
	for _, d := range m.Daily {
		opened, findings = opened+d.Opened, findings+d.Findings
	}
	return opened, findings
}

// perDay is the mean number of opened cases a day.
func (m *qualityFile) perDay() string {
	opened, _ := m.sum()
	return strconv.FormatFloat(float64(opened)/float64(max(len(m.Daily), 1)), 'f', 1, 64)
}

// trend is a small line over days, 60 by 14.
func trend(list []int64) string {
	var b strings.Builder
	most := int64(1)
	for _, n := range list {
		most = max(most, n)
	}
	for i, n := range list {
		b.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
		b.WriteString(pixels(60 * float64(i) / float64(max(len(list)-1, 1))))
		b.WriteByte(' ')
		b.WriteString(pixels(13 - 12*float64(n)/float64(most)))
	}
	return b.String()
}

// Day is a day of the site, short.
func (p *page) Day(ms int64) string {
	return time.UnixMilli(ms).In(p.site.Zone).Format(map[bool]string{true: "1月2日", false: "2 Jan"}[p.zh()])
}

// minutes writes minutes as people say them.
func (p *page) minutes(f float64) string {
	switch {
	case f < 1:
		return p.T("minutes.seconds", strconv.FormatFloat(f*60, 'f', 0, 64))
	case f < 120:
		return p.T("minutes.minutes", strconv.FormatFloat(f, 'f', 0, 64))
	}
	return p.T("minutes.hours", strconv.FormatFloat(f/60, 'f', 0, 64))
}

// share writes a share with its interval.
func (p *page) share(s incident.Share) string {
	if s.Of == 0 {
		return p.T("quality.none")
	}
	return p.T("quality.share", p.Num(int64(s.Count)), p.Num(int64(s.Of)), whole(s.Low), whole(s.High))
}

// percent is a share as a number, "–" while there is none.
func (p *page) percent(s incident.Share) string {
	if s.Of == 0 {
		return "–"
	}
	return whole(s.Value) + " %"
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }

// spread is the median of a distribution, spreadMore the rest of it.
func (p *page) spread(s incident.Spread) string {
	if s.N == 0 {
		return "–"
	}
	return p.minutes(s.P50)
}

func (p *page) spreadMore(s incident.Spread) string {
	if s.N == 0 {
		return p.T("quality.none")
	}
	return p.T("quality.p99", p.minutes(s.P99), p.Num(int64(s.N)))
}
