package console

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/zone"
)

// zonesFile is the page of zones.
type zonesFile struct {
	api.PolicyState
	Shown    *api.PolicyVersion // whose matrix it is
	Zones    []zone.Zone
	Cells    [][]cell
	Conduits []conduitRow
	More     int  // conduits beyond those listed
	Missing  bool // this server keeps no policies
	May      bool
	Proof    bool
	Text     string // of the form
	Problems []api.PolicyProblem
	Reason   string
}

// cell is one field of the matrix.
type cell struct {
	From, To         string
	Conduits         int
	Implicit         int
	Sessions, Denied int64
	Same             bool
}

// mark is the cell's symbol: colour is never the only sign.
func (c cell) mark() string {
	switch {
	case c.Denied > 0:
		return "▲"
	case c.Same:
		return "▪"
	case c.Conduits > 0 && c.Sessions > 0:
		return "●"
	case c.Conduits > 0:
		return "○"
	}
	return ""
}

// link is the page with its conversations.
func (c cell) link() string {
	return "/network/pair?" + url.Values{"from": {c.From}, "to": {c.To}}.Encode()
}

// kind is the cell's class.
func (c cell) kind() string {
	switch {
	case c.Denied > 0:
		return "denied"
	case c.Same:
		return "same"
	case c.Conduits > 0 && c.Sessions > 0:
		return "used"
	case c.Conduits > 0:
		return "idle"
	}
	return "none"
}

// conduitRow is a conduit with what it carries.
type conduitRow struct {
	zone.Conduit
	Way      string // from which zone to which, by their titles
	Sessions int64
	Ended    bool
	Soon     bool
}

// matrixDays is how far the matrix looks back.
const matrixDays = 7

func (q *request) zones() error {
	m, err := q.zonesModel()
	if err != nil {
		return err
	}
	return q.showZones(http.StatusOK, m)
}

func (q *request) showZones(status int, m zonesFile) error {
	p := q.page("nav.network")
	p.network = true
	return q.showAs(status, p, zonesPage(p, m))
}

// zonesLive is the state of a policy on its way.
func (q *request) zonesLive() error {
	m := zonesFile{May: q.ses.User.May(identity.ChangeNetwork)}
	if q.Network.Policies != nil {
		var err error
		if m.PolicyState, err = q.Network.Policies(q.r.Context()); err != nil {
			return err
		}
	}
	return q.write(http.StatusOK, policyStates(q.page("nav.network"), m))
}

func (q *request) zonesModel() (zonesFile, error) {
	m := zonesFile{May: q.ses.User.May(identity.ChangeNetwork), Proof: q.Network.Proof != nil}
	if q.Network.Policies == nil || q.Network.Devices == nil {
		m.Missing = true
		return m, nil
	}
	ctx := q.r.Context()
	var err error
	if m.PolicyState, err = q.Network.Policies(ctx); err != nil {
		return m, err
	}
	m.Shown = m.Force
	if m.Shown == nil || q.r.URL.Query().Get("show") == "next" && m.Next != nil {
		m.Shown = m.Next
	}
	if m.Shown == nil {
		if m.Learnt != nil {
			m.Text = m.Learnt.Text
		}
		return m, nil
	}
	now := q.Now().UnixMilli()
	var talks []api.Talk
	if q.Network.Talks != nil {
		if talks, err = q.Network.Talks(ctx, api.TalkFilter{Since: now - matrixDays*24*hourMS, Until: now + 1}); err != nil {
			return m, err
		}
	}
	m.fill(q.page(""), talks, q.Now())
	return m, nil
}

// fill counts what the matrix and the list of conduits show.
func (m *zonesFile) fill(p *page, talks []api.Talk, now time.Time) {
	m.Zones = slices.Clone(m.Shown.Policy.Zones)
	slices.SortStableFunc(m.Zones, func(a, b zone.Zone) int {
		return cmp.Or(cmp.Compare(layerOf(a.Kind), layerOf(b.Kind)), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	index := map[string]int{}
	m.Cells = make([][]cell, len(m.Zones))
	for i, z := range m.Zones {
		index[z.Name] = i
	}
	for i, from := range m.Zones {
		for _, to := range m.Zones {
			m.Cells[i] = append(m.Cells[i], cell{From: from.Name, To: to.Name, Same: from.Name == to.Name})
		}
	}
	used := map[string]int64{}
	for i := range talks {
		t := &talks[i]
		used[t.Verdict.Conduit] += t.Sessions
		from, okFrom := index[t.Verdict.FromZone]
		to, okTo := index[t.Verdict.ToZone]
		if !okFrom || !okTo {
			continue
		}
		c := &m.Cells[from][to]
		if t.Violates() {
			c.Denied += max(1, t.Sessions+t.Refused)
		} else {
			c.Sessions += t.Sessions
		}
	}
	m.listConduits(p, index, used, now)
}

// conduitsShown is how many conduits the page lists; the file has all.
const conduitsShown = 400

// listConduits counts conduits into the matrix, and lists them: those written
// down, then the implicit ones.
func (m *zonesFile) listConduits(p *page, index map[string]int, used map[string]int64, now time.Time) {
	titles := zoneNames(p, m.Zones)
	for _, c := range append(slices.Clone(m.Shown.Policy.Conduits), m.Shown.Policy.Implicit()...) {
		from, okFrom := index[c.From]
		to, okTo := index[c.To]
		if okFrom && okTo {
			m.Cells[from][to].Conduits++
		}
		if len(m.Conduits) == conduitsShown {
			m.More++
			continue
		}
		ended := c.Ended(now)
		m.Conduits = append(m.Conduits, conduitRow{Conduit: c, Way: cmp.Or(titles[c.From], c.From) + " → " + cmp.Or(titles[c.To], c.To),
			Sessions: used[c.ID], Ended: ended, Soon: !ended && c.Ended(now.AddDate(0, 0, 30))})
	}
}

// mostText is the longest policy that a page holds, in bytes.
const mostText = 200 << 10

// movePolicy stages, enforces, confirms, verifies, rolls back; or reads a
// policy and says what is wrong with it.
func (q *request) movePolicy() error {
	ctx, u, what := q.r.Context(), q.ses.User, q.r.PathValue("what")
	text := strings.ReplaceAll(q.r.FormValue("text"), "\r\n", "\n")
	if err := q.Networked(); err != nil {
		return err
	}
	switch what {
	case "check", api.PolicyStage:
		if q.Network.CheckPolicy == nil {
			return q.refused(http.StatusNotFound, "error.nothing")
		}
		_, problems := q.Network.CheckPolicy(text)
		wrong := slices.ContainsFunc(problems, func(x api.PolicyProblem) bool { return !x.Warning })
		if wrong || what == "check" {
			return q.checked(text, problems, wrong)
		}
	case "simulate":
		days, _ := strconv.Atoi(q.text("days"))
		id, err := q.StartSimulation(ctx, u, api.SimulationWish{Text: strings.TrimSpace(text), Days: days})
		if err != nil {
			return err
		}
		return q.redirect("/network/simulation?id=" + id)
	}
	seconds, _ := strconv.Atoi(q.text("seconds"))
	if err := q.MovePolicy(ctx, u, api.PolicyWish{What: what, Text: text, Reason: q.text("reason"), Seconds: seconds}); err != nil {
		return err
	}
	return q.redirect("/network/zones?done=policy-" + what)
}

// checked shows the form again with what is wrong.
func (q *request) checked(text string, problems []api.PolicyProblem, wrong bool) error {
	m, err := q.zonesModel()
	if err != nil {
		return err
	}
	m.Text, m.Problems, m.Reason = text, problems, q.text("reason")
	if len(problems) == 0 {
		m.Problems = []api.PolicyProblem{}
	}
	status := http.StatusOK
	if wrong {
		status = http.StatusUnprocessableEntity
	}
	return q.showZones(status, m)
}

// segmentation gives the signed proof.
func (q *request) segmentation() error {
	if q.Network.Proof == nil {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	q.w.Header().Set("Content-Type", "application/zip")
	q.w.Header().Set("Content-Disposition", `attachment; filename="cordon-segmentation.zip"`)
	out := &begun{w: q.w}
	err := q.Network.Proof(q.r.Context(), q.lang, out)
	if err != nil && out.any {
		q.Log.Error("proof of the segmentation broken off", "error", err)
		panic(http.ErrAbortHandler) // the file must not look complete
	}
	if err != nil {
		q.w.Header().Del("Content-Disposition")
	}
	return err
}

// begun remembers that something was sent.
type begun struct {
	w   http.ResponseWriter
	any bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.any = true
	return b.w.Write(p)
}

// simulationFile is the page of simulations.
type simulationFile struct {
	Runs    []api.SimulationRun
	Shown   *api.SimulationRun
	Report  *zone.Simulation
	Titles  map[string]string // of zones
	Scores  []score
	Changes []pairChange
	Days    int
	HasNext bool
	HasAny  bool
	May     bool
	Missing bool
	Life    int // effects on life support
}

// score is how much of a department's traffic would go on.
type score struct {
	Department string
	Share      float64
	Effects    int
}

// pairChange is a field of the matrix that would be another.
type pairChange struct {
	From, To        string
	Now, Then       int64 // denied sessions
	Allowed, Allows int64
	Conduits        []string
}

// usualDays is what a simulation looks back on when nobody says more.
const usualDays = 14

func (q *request) simulation() error {
	m, err := q.simulationModel()
	if err != nil {
		return err
	}
	p := q.page("nav.network")
	p.network = true
	return q.show(p, simulationPage(p, m))
}

// simulationLive is the part that shows how far a run is.
func (q *request) simulationLive() error {
	m, err := q.simulationModel()
	if err != nil {
		return err
	}
	return q.write(http.StatusOK, simulationBody(q.page("nav.network"), m))
}

func (q *request) simulationModel() (simulationFile, error) {
	m := simulationFile{Days: usualDays, May: q.ses.User.May(identity.ChangeNetwork), Titles: map[string]string{}}
	if q.Network.Simulations == nil || q.Network.Simulation == nil || q.Network.Policies == nil {
		m.Missing = true
		return m, nil
	}
	ctx := q.r.Context()
	state, err := q.Network.Policies(ctx)
	if err != nil {
		return m, err
	}
	m.HasNext, m.HasAny = state.Next != nil, state.Next != nil || state.Force != nil
	for _, v := range []*api.PolicyVersion{state.Force, state.Next} {
		if v != nil {
			for _, z := range v.Policy.Zones {
				m.Titles[z.Name] = cmp.Or(z.Title.In(q.lang), z.Name)
			}
		}
	}
	if m.Runs, err = q.Network.Simulations(ctx); err != nil {
		return m, err
	}
	id := q.r.URL.Query().Get("id")
	if id == "" && len(m.Runs) > 0 {
		id = m.Runs[0].ID
	}
	if id == "" {
		return m, nil
	}
	run, err := q.Network.Simulation(ctx, id)
	if err != nil {
		return m, err
	}
	m.Shown, m.Report = &run, run.Report
	m.judge()
	return m, nil
}

// judge sorts the report's parts, the worst first.
func (m *simulationFile) judge() {
	r := m.Report
	if r == nil {
		return
	}
	effects := map[string]int{}
	for _, e := range r.Effects {
		effects[e.Department]++
		if e.LifeSupport {
			m.Life++
		}
	}
	for name, share := range r.Departments {
		m.Scores = append(m.Scores, score{name, share, effects[name]})
	}
	slices.SortFunc(m.Scores, func(a, b score) int {
		return cmp.Or(cmp.Compare(a.Share, b.Share), cmp.Compare(a.Department, b.Department))
	})
	now := map[[2]string]zone.Pair{}
	for _, x := range m.Shown.Force {
		now[[2]string{x.From, x.To}] = x
	}
	for _, x := range r.Pairs {
		before := now[[2]string{x.From, x.To}]
		if before.Denied != x.Denied || len(m.Shown.Force) == 0 && x.Denied > 0 {
			m.Changes = append(m.Changes, pairChange{x.From, x.To, before.Denied, x.Denied, before.Allowed, x.Allowed, x.Conduits})
		}
	}
	slices.SortFunc(m.Changes, func(a, b pairChange) int {
		return cmp.Or(cmp.Compare(b.Then-b.Now, a.Then-a.Now), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
}

// zoneTitle names a zone.
func (m simulationFile) zoneTitle(name string) string { return cmp.Or(m.Titles[name], name) }

// severityClass is the colour of an effect.
func severityClass(e zone.Effect) string {
	switch {
	case e.LifeSupport || e.Severity >= 5:
		return "critical"
	case e.Severity == 4:
		return "high"
	case e.Severity == 3:
		return "medium"
	}
	return "low"
}

// allowText gives services of a conduit in one line.
func (p *page) allowText(c zone.Conduit) string {
	var out []string
	for _, a := range c.Allow {
		out = append(out, p.serviceText(a))
	}
	return strings.Join(out, " · ")
}

// zoneNames names zones by their ids for the pages about a policy.
func zoneNames(p *page, zones []zone.Zone) map[string]string {
	out := maps.Collect(func(yield func(string, string) bool) {
		for _, z := range zones {
			if !yield(z.Name, cmp.Or(p.In(z.Title), z.Name)) {
				return
			}
		}
	})
	return out
}

// pairFile is what goes from one zone to another.
type pairFile struct {
	From, To string
	Rows     []pairRow
	More     int
}

// pairRow is a conversation between two machines.
type pairRow struct {
	deviceTalk
	Client, ClientID string
}

// pair lists the conversations from one zone to another, the violations first.
func (q *request) pair() error {
	m := pairFile{From: q.r.URL.Query().Get("from"), To: q.r.URL.Query().Get("to")}
	p := q.page("nav.network")
	p.network = true
	if err := q.nameZones(p); err != nil {
		return err
	}
	if q.Network.Talks == nil || q.Network.Devices == nil || p.zones[m.From] == "" || p.zones[m.To] == "" {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	ctx, now := q.r.Context(), q.Now().UnixMilli()
	talks, err := q.Network.Talks(ctx, api.TalkFilter{Since: now - matrixDays*24*hourMS, Until: now + 1})
	if err != nil {
		return err
	}
	known, err := q.DeviceMap(ctx)
	if err != nil {
		return err
	}
	for i := range talks {
		t := &talks[i]
		if t.Verdict.FromZone != m.From || t.Verdict.ToZone != m.To {
			continue
		}
		row := pairRow{deviceTalk: q.deviceTalk(p, t, t.ClientDevice, known), Client: t.Client.String(), ClientID: t.ClientDevice}
		if d, ok := known[t.ClientDevice]; ok {
			row.Client = deviceName(d)
		}
		m.Rows = append(m.Rows, row)
	}
	slices.SortStableFunc(m.Rows, func(a, b pairRow) int { return compareBool(a.Bad, b.Bad) })
	m.More = max(0, len(m.Rows)-pairRows)
	m.Rows = m.Rows[:len(m.Rows)-m.More]
	return q.show(p, pairPage(p, m))
}

// pairRows is how many conversations the page of a pair lists.
const pairRows = 300

// nameZones tells a page the titles of zones.
func (q *request) nameZones(p *page) error {
	policy, err := q.judging(q.r.Context())
	if err == nil && policy != nil {
		p.zones = zoneNames(p, policy.Policy.Zones)
	}
	return err
}

// hostsText are the addresses that a conduit is narrowed to.
func hostsText(c zone.Conduit) string {
	var from, to []string
	for _, h := range c.FromHosts {
		from = append(from, h.String())
	}
	for _, h := range c.ToHosts {
		to = append(to, h.String())
	}
	if len(from)+len(to) == 0 {
		return ""
	}
	return cmp.Or(strings.Join(from, ", "), "*") + " → " + cmp.Or(strings.Join(to, ", "), "*")
}

// left is the time until a policy rolls itself back, in seconds.
func (p *page) left(v *api.PolicyVersion) int64 { return max(0, (v.Until-p.now.UnixMilli())/1000) }
