package console

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
)

// Names of targets and paths may be people's; in links they are sealed.
const (
	sealTarget = "data-target"
	sealObject = "data-object"
	sealFilter = "data-filter"
)

// dataFile is the data map.
type dataFile struct {
	Targets  []targetRow
	Worst    []objectRow
	Index    api.PatientIndex
	Everyone int
	// Objects by level over all targets; Above are targets with more than may
	// lie there.
	Objects [6]int64
	Above   int
	Unread  int64
	Most    int64 // objects with patient data of the fullest target
	Running []targetRow
	May     bool
	Waits   bool // levels wait for a second user
}

// targetRow is a target as pages show it.
type targetRow struct {
	api.DataTarget
	Link, Token string
}

// Holds is how many objects hold patient data.
func (t targetRow) Holds() (n int64) {
	for level := 1; level <= 5; level++ {
		n += t.Holding.Objects[level]
	}
	return n
}

// objectRow is an object as pages show it.
type objectRow struct {
	classify.MapObject
	Link  string
	Short string // its path below the place
	Kind  []kindCount
}

// kindCount is how often a kind was found.
type kindCount struct {
	Title ocsf.Text
	N     int64
}

func (q *request) targetRow(t api.DataTarget) targetRow {
	token := q.seal.Seal(sealTarget, t.Place.Target)
	return targetRow{DataTarget: t, Token: token, Link: "/data/targets/" + token}
}

func (q *request) objectRow(o classify.MapObject) objectRow {
	row := objectRow{MapObject: o, Short: below(o.Path, o.Origin), Link: "/data/objects/" + q.seal.Seal(sealObject, o.Target+"\x00"+o.ID)}
	for name, n := range o.Kinds {
		row.Kind = append(row.Kind, kindCount{kindTitle(name), n})
	}
	slices.SortFunc(row.Kind, func(a, b kindCount) int {
		if a.N != b.N {
			return int(min(max(b.N-a.N, -1), 1))
		}
		return strings.Compare(a.Title.EN, b.Title.EN)
	})
	return row
}

func kindTitle(name string) ocsf.Text {
	if k, ok := classify.KindOf(name); ok {
		return k.Info().Title
	}
	return ocsf.Text{EN: name, ZH: name}
}

// below is a path without the folder, bucket or database it lies in.
func below(path, origin string) string {
	if short, ok := strings.CutPrefix(path, strings.TrimSuffix(origin, "/")+"/"); ok && short != "" {
		return short
	}
	return path
}

// worstShown is how many objects the first page shows.
const worstShown = 10

func (q *request) data() error {
	m, err := q.dataModel()
	if err != nil {
		return err
	}
	p := q.page("nav.data")
	return q.show(p, dataPage(p, m))
}

func (q *request) dataModel() (m dataFile, err error) {
	ctx := q.r.Context()
	m.May = q.ses.User.May(identity.ScanData)
	if q.Data.Map == nil {
		return m, nil
	}
	if err := q.dataTargets(ctx, &m); err != nil {
		return m, err
	}
	list, _, err := q.Data.Map.Objects(ctx, classify.ObjectFilter{MinLevel: 1, Limit: worstShown})
	if err != nil {
		return m, err
	}
	for _, o := range list {
		m.Worst = append(m.Worst, q.objectRow(o))
	}
	if _, m.Everyone, err = q.Data.Map.Holdings(ctx); err != nil {
		return m, err
	}
	m.Index = q.Data.Patients()
	waiting, err := q.Data.Levels.Waiting(ctx)
	m.Waits = waiting != nil
	return m, err
}

func (q *request) dataTargets(ctx context.Context, m *dataFile) error {
	targets, err := q.Data.Targets(ctx)
	if err != nil {
		return err
	}
	for _, t := range targets {
		row := q.targetRow(t)
		m.Targets = append(m.Targets, row)
		if t.Running != "" {
			m.Running = append(m.Running, row)
		}
		if t.Above() {
			m.Above++
		}
		for level, n := range t.Holding.Objects {
			m.Objects[level] += n
		}
		m.Unread += t.Holding.Unread
		m.Most = max(m.Most, row.Holds())
	}
	return nil
}

// dataLive is the part of the page that shows scans under way.
func (q *request) dataLive() error {
	var m dataFile
	m.May = q.ses.User.May(identity.ScanData)
	if q.Data.Map != nil {
		if err := q.dataTargets(q.r.Context(), &m); err != nil {
			return err
		}
	}
	return q.write(http.StatusOK, runningScans(q.page("nav.data"), m))
}

// segment is one level's part of a target's bar, 0 to 100.
type segment struct {
	Level int
	N     int64
	X, W  float64
}

// bars draws a target's objects with patient data by level, against the
// fullest target.
func (m dataFile) bars(t targetRow) []segment {
	var out []segment
	x := 0.0
	for level := 5; level >= 1; level-- {
		n := t.Holding.Objects[level]
		if n == 0 {
			continue
		}
		w := max(1.2, 100*float64(n)/float64(max(m.Most, 1)))
		w = min(w, 100-x)
		out = append(out, segment{level, n, x, w})
		x += w
	}
	return out
}

// total is all objects.
func (m dataFile) total() (n int64) {
	for _, k := range m.Objects {
		n += k
	}
	return n
}

// target finds the target of a link.
func (q *request) target(token string) (targetRow, error) {
	name, err := q.seal.Open(sealTarget, token)
	if err != nil || q.Data.Map == nil {
		return targetRow{}, q.refused(http.StatusNotFound, "error.nothing")
	}
	targets, err := q.Data.Targets(q.r.Context())
	if err != nil {
		return targetRow{}, err
	}
	for _, t := range targets {
		if t.Place.Target == name {
			return q.targetRow(t), nil
		}
	}
	return targetRow{}, q.refused(http.StatusNotFound, "error.nothing")
}

// dataTargetFile is one target.
type dataTargetFile struct {
	targetRow
	Runs    []classify.ScanRun
	Changes []changeRow
	Owners  []string
	Counts  map[string]int64
	Worst   []objectRow
	May     bool
}

type changeRow struct {
	classify.Change
	Link, Short string
}

const (
	runsShown    = 12
	changesShown = 25
)

func (q *request) dataTarget() error {
	t, err := q.target(q.r.PathValue("token"))
	if err != nil {
		return err
	}
	ctx, name := q.r.Context(), t.Place.Target
	m := dataTargetFile{targetRow: t, May: q.ses.User.May(identity.ScanData)}
	if m.Runs, err = q.Data.Map.Runs(ctx, name, runsShown); err != nil {
		return err
	}
	changes, err := q.Data.Map.Changes(ctx, t.Holding.Last.ID, changesShown, 0)
	if err != nil {
		return err
	}
	for _, c := range changes {
		m.Changes = append(m.Changes, changeRow{c, "/data/objects/" + q.seal.Seal(sealObject, name+"\x00"+c.Object), below(c.Path, t.Holding.Last.Address)})
	}
	if m.Owners, m.Counts, err = q.Data.Map.Owners(ctx, name); err != nil {
		return err
	}
	list, _, err := q.Data.Map.Objects(ctx, classify.ObjectFilter{Target: name, MinLevel: 1, Limit: worstShown})
	if err != nil {
		return err
	}
	for _, o := range list {
		m.Worst = append(m.Worst, q.objectRow(o))
	}
	p := q.page("nav.data")
	return q.show(p, dataTargetPage(p, m))
}

// dataFilter is what the list of objects is narrowed to. It travels sealed: a
// path may hold a name.
type dataFilter struct {
	Target string `json:"t,omitempty"`
	Level  int    `json:"l,omitempty"`
	Kind   string `json:"k,omitempty"`
	Owner  string `json:"o,omitempty"`
	Path   string `json:"p,omitempty"`
	State  string `json:"s,omitempty"` // "", unread, gone
}

func (f dataFilter) filter() classify.ObjectFilter {
	return classify.ObjectFilter{Target: f.Target, MinLevel: f.Level, Kind: f.Kind, Owner: f.Owner, Path: f.Path, Unread: f.State == "unread", Gone: f.State == "gone"}
}

func (q *request) sealedFilter(f dataFilter) string {
	text, err := json.Marshal(f)
	if err != nil {
		return ""
	}
	return q.seal.Seal(sealFilter, string(text))
}

func (q *request) openFilter() (f dataFilter, token string) {
	token = q.text("f")
	f.Level = 1
	text, err := q.seal.Open(sealFilter, token)
	if err != nil || json.Unmarshal([]byte(text), &f) != nil {
		return dataFilter{Level: 1}, ""
	}
	return f, token
}

// dataObjectsFile is a page of the list of objects.
type dataObjectsFile struct {
	dataFilter
	Token   string
	Rows    []objectRow
	All     int
	Page    int
	More    bool
	Targets []targetRow
	Kinds   []classify.Kind
}

const objectsShown = 50

func (m dataObjectsFile) pageLink(page int) string {
	return "/data/objects?f=" + m.Token + "&page=" + strconv.Itoa(page)
}

func (q *request) dataObjects() error {
	if q.Data.Map == nil {
		return q.redirect("/data")
	}
	m := dataObjectsFile{Kinds: classify.Kinds()}
	m.dataFilter, m.Token = q.openFilter()
	if n, err := strconv.Atoi(q.text("page")); err == nil {
		m.Page = min(max(n, 0), 1_000_000)
	}
	f := m.filter()
	f.Limit, f.Offset = objectsShown, m.Page*objectsShown
	ctx := q.r.Context()
	list, all, err := q.Data.Map.Objects(ctx, f)
	if err != nil {
		return err
	}
	for _, o := range list {
		m.Rows = append(m.Rows, q.objectRow(o))
	}
	m.All, m.More = all, (m.Page+1)*objectsShown < all
	var d dataFile
	if err := q.dataTargets(ctx, &d); err != nil {
		return err
	}
	m.Targets = d.Targets
	p := q.page("nav.data")
	return q.show(p, dataObjectsPage(p, m))
}

// findingsShown is how many findings of an object a page shows.
const findingsShown = 100

// dataObjectFile is one object.
type dataObjectFile struct {
	objectRow
	Target   targetRow
	List     []classify.Finding
	Filtered string // link to the list of its owner
}

func (q *request) dataObject() error {
	key, err := q.seal.Open(sealObject, q.r.PathValue("token"))
	if err != nil || q.Data.Map == nil {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	target, id, _ := strings.Cut(key, "\x00")
	ctx := q.r.Context()
	o, err := q.Data.Map.Object(ctx, target, id)
	if err != nil {
		return err
	}
	m := dataObjectFile{objectRow: q.objectRow(o)}
	if m.Target, err = q.target(q.seal.Seal(sealTarget, target)); err != nil {
		return err
	}
	if m.List, err = q.Data.Map.Findings(ctx, target, id); err != nil {
		return err
	}
	m.List = m.List[:min(len(m.List), findingsShown)]
	if o.Owner != "" {
		m.Filtered = "/data/objects?f=" + q.sealedFilter(dataFilter{Target: target, Owner: o.Owner, Level: 1})
	}
	p := q.page("nav.data")
	return q.show(p, dataObjectPage(p, m))
}

// changeData starts and stops scans, and takes down what people say.
func (q *request) changeData() error {
	ctx, u := q.r.Context(), q.ses.User
	switch q.r.PathValue("what") {
	case "scan":
		wish := api.ScanWish{Address: q.text("address")}
		if wish.Address == "" {
			t, err := q.target(q.text("target"))
			if err != nil {
				return err
			}
			wish.Target = t.Place.Target
		}
		if _, err := q.StartScan(ctx, u, wish); err != nil {
			return err
		}
		return q.redirect("/data?done=scan")
	case "stop":
		if err := q.StopScan(u, q.text("run")); err != nil {
			return err
		}
		return q.redirect("/data?done=stopscan")
	case "place":
		return q.setPlace()
	case "forget":
		t, err := q.target(q.text("target"))
		if err != nil {
			return err
		}
		if err := q.ForgetTarget(ctx, u, t.Place.Target); err != nil {
			return err
		}
		return q.redirect("/data?done=forget")
	case "levels":
		if err := q.WantLevels(ctx, u, strings.ReplaceAll(q.r.FormValue("text"), "\r\n", "\n"), q.text("reason")); err != nil {
			return err
		}
		return q.redirect("/data/levels?done=levels")
	case "agree", "refuse":
		if err := q.DecideLevels(ctx, u, q.r.PathValue("what") == "agree"); err != nil {
			return err
		}
		return q.redirect("/data/levels?done=leveled")
	}
	return q.refused(http.StatusNotFound, "error.nothing")
}

func (q *request) setPlace() error {
	t, err := q.target(q.text("target"))
	if err != nil {
		return err
	}
	allowed, err := strconv.Atoi(q.text("allowed"))
	if err != nil {
		allowed = -1
	}
	if err := q.SetPlace(q.r.Context(), q.ses.User, classify.Place{Target: t.Place.Target, Owner: q.text("owner"), Department: q.text("department"), Allowed: allowed}); err != nil {
		return err
	}
	return q.redirect(t.Link + "?done=place")
}

// findData seals what the list is to be narrowed to into its address.
func (q *request) findData() error {
	f := dataFilter{Kind: q.text("kind"), Owner: q.text("owner"), Path: q.text("path"), State: q.text("state")}
	if level, err := strconv.Atoi(q.text("level")); err == nil {
		f.Level = min(max(level, 0), 5)
	}
	if token := q.text("target"); token != "" {
		t, err := q.target(token)
		if err != nil {
			return err
		}
		f.Target = t.Place.Target
	}
	return q.redirect("/data/objects?f=" + q.sealedFilter(f))
}

// exportData gives the findings of a filter as a file.
func (q *request) exportData() error {
	if q.Data.Map == nil {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	format := q.r.PathValue("format")
	kind, ok := map[string]string{"csv": "text/csv; charset=utf-8", "sarif": "application/sarif+json"}[format]
	if !ok {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	f, _ := q.openFilter()
	q.w.Header().Set("Content-Type", kind)
	q.w.Header().Set("Content-Disposition", `attachment; filename="cordon-data.`+format+`"`)
	if err := q.ExportData(q.r.Context(), q.w, format, f.filter()); err != nil {
		q.Log.Error("export of the data map broken off", "error", err)
		panic(http.ErrAbortHandler) // the file must not look complete
	}
	return nil
}

// dataLevelsFile are the levels in force and those that wait.
type dataLevelsFile struct {
	Text    string
	Waiting *api.LevelsWish
	Own     bool // the reader wants them
	May     bool
}

func (q *request) dataLevels() error {
	if q.Data.Map == nil {
		return q.redirect("/data")
	}
	text, err := q.Data.Levels.Text()
	if err != nil {
		return err
	}
	m := dataLevelsFile{Text: string(text), May: q.ses.User.May(identity.ScanData)}
	if m.Waiting, err = q.Data.Levels.Waiting(q.r.Context()); err != nil {
		return err
	}
	m.Own = m.Waiting != nil && m.Waiting.By == q.ses.User.Name
	p := q.page("nav.data")
	return q.show(p, dataLevelsPage(p, m))
}

// stateChip is the colour of a scan's state.
func stateChip(state string) string {
	switch state {
	case classify.Finished:
		return "good"
	case classify.Running:
		return "accent"
	case classify.Failed:
		return "entry-failed"
	}
	return "warn"
}

// changeChip is the colour of a change.
func changeChip(what string) string {
	switch what {
	case classify.Better, classify.Gone:
		return "good"
	}
	return "entry-failed"
}

// whereOf is a finding's place inside its object.
func whereOf(f classify.Finding) string {
	return strings.Trim(f.Member+"!/"+f.Part, "!/")
}

// seconds is a span of time in words.
func (p *page) seconds(s int64) string { return p.minutes(float64(s) / 60) }

// people says how many patients an object has.
func (p *page) people(o objectRow) string {
	switch {
	case o.Patients > 0:
		return p.N("data.patients", o.Patients)
	case o.Persons > 0:
		return p.N("data.persons", o.Persons)
	}
	return "–"
}
