package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/identity"
)

// DataGuard is where patient data lies, and the scans that find it.
type DataGuard struct {
	Map *classify.Map
	// Targets lists what is or was scanned, the most sensitive first.
	Targets func(ctx context.Context) ([]DataTarget, error)
	// Start begins a scan. An error says, without a secret, what to do.
	Start func(ctx context.Context, wish ScanWish, by string) (classify.ScanRun, error)
	// Stop ends a scan; false when it is not under way.
	Stop func(id string) bool
	// Progress is how far a scan is, nil when it is not under way.
	Progress func(id string) *classify.Progress
	// Kinds describes what scans can find.
	Kinds func() []classify.SARIFKind
	// Levels are the levels in force and those that wait for a second user.
	Levels LevelsBook
	// Patients is how many patients the index knows, and since when.
	Patients func() PatientIndex
	// Plant makes a patient who does not exist.
	Plant func(ctx context.Context, by string) (PlantedPatient, error)
}

// PatientIndex is the index of the hospital's own patients.
type PatientIndex struct {
	Patients int   `json:"patients"`
	Honey    int   `json:"honey"`
	Built    int64 `json:"built"` // of the list, in ms; 0 where there is none
	// New are patients that messages told of since, Learned their identifiers
	// and new ones of others.
	New     int `json:"new"`
	Learned int `json:"learned"`
	// Bytes is the memory it takes.
	Bytes int64 `json:"bytes"`
}

// LevelsBook keeps the levels of kinds of data.
type LevelsBook interface {
	// Text is the file in force.
	Text() ([]byte, error)
	// Waiting is a file that waits for a second user, nil for none.
	Waiting(ctx context.Context) (*LevelsWish, error)
	// Want checks a file and lets it wait; Decide puts it in force or drops it.
	Want(ctx context.Context, text, reason, by string) error
	Decide(ctx context.Context, agree bool, by string) error
}

// LevelsWish is a file of levels that somebody wants.
type LevelsWish struct {
	Text   string `json:"text"`
	Reason string `json:"reason"`
	By     string `json:"by"`
	At     int64  `json:"at"`
}

// DataTarget is one place that is searched, and what it holds.
type DataTarget struct {
	Place   classify.Place `json:"place"`
	Address string         `json:"address"`
	// Every is how often it is scanned, in seconds; 0 is by hand.
	Every      int64            `json:"every"`
	Configured bool             `json:"configured"`
	Holding    classify.Holding `json:"holding"`
	// Running is the id of the scan under way, with its progress.
	Running  string             `json:"running,omitempty"`
	Progress *classify.Progress `json:"progress,omitempty"`
}

// Above says that it holds data of a level that may not lie there.
func (t DataTarget) Above() bool { return t.Holding.Level() > t.Place.Allowed }

type (
	// ScanWish starts a scan: of a target by its name, or of an address that
	// the server reaches. The rest is for addresses only.
	ScanWish struct {
		Target    string   `json:"target,omitempty"`
		Address   string   `json:"address,omitempty"`
		Rate      int64    `json:"rate,omitempty"`
		Workers   int      `json:"workers,omitempty"`
		Largest   int64    `json:"largest,omitempty"`
		Include   []string `json:"include,omitempty"`
		Exclude   []string `json:"exclude,omitempty"`
		OneSystem bool     `json:"one_system,omitempty"`
		Rows      int      `json:"rows,omitempty"`
		OCR       bool     `json:"ocr,omitempty"`
	}
	scanLine struct {
		classify.ScanRun
		Progress *classify.Progress `json:"progress,omitempty"`
	}
	objectWish struct {
		Target   string `json:"target,omitempty"`
		Level    int    `json:"level,omitempty"`
		MinLevel int    `json:"min_level,omitempty"`
		Kind     string `json:"kind,omitempty"`
		Owner    string `json:"owner,omitempty"`
		Path     string `json:"path,omitempty"`
		Unread   bool   `json:"unread,omitempty"`
		Gone     bool   `json:"gone,omitempty"`
		Limit    int    `json:"limit,omitempty"`
		Offset   int    `json:"offset,omitempty"`
		// Format of an export: csv, sarif or json.
		Format string `json:"format,omitempty"`
	}
	objectKey struct {
		Target string `json:"target"`
		ID     string `json:"id"`
	}
	objectFile struct {
		classify.MapObject
		List []classify.Finding `json:"list"`
	}
	targetKey struct {
		Target string `json:"target"`
	}
	levelsWish struct {
		Text   string `json:"text"`
		Reason string `json:"reason"`
	}
	agreement struct {
		Agree bool `json:"agree"`
	}
	levelsFile struct {
		Text    string      `json:"text"`
		Waiting *LevelsWish `json:"waiting,omitempty"`
	}
)

func (w objectWish) filter() classify.ObjectFilter {
	return classify.ObjectFilter{Target: w.Target, Level: w.Level, MinLevel: w.MinLevel, Kind: w.Kind, Owner: w.Owner, Path: w.Path,
		Unread: w.Unread, Gone: w.Gone, Limit: max(w.Limit, 0), Offset: max(w.Offset, 0)}
}

func (a *API) dataRoutes() []route {
	see, scan := identity.SeeData, identity.ScanData
	return []route{
		{method: "GET", path: "/api/v1/data/targets", id: "listDataTargets", may: see, status: 200, answer: []DataTarget{},
			about: "What is searched for patient data, what it holds, whose it is, and scans under way.", serve: (*call).dataTargets},
		{method: "POST", path: "/api/v1/data/targets/place", id: "setDataPlace", may: scan, body: classify.Place{}, status: 204,
			about: "Say whose a target is and which level may lie there; allowed -1 leaves that to the configuration.", serve: (*call).dataPlace},
		{method: "POST", path: "/api/v1/data/targets/forget", id: "forgetDataTarget", may: scan, body: targetKey{}, status: 204,
			about: "Forget a target that is no longer scanned: its objects, findings and scans.", serve: (*call).dataForget},
		{method: "GET", path: "/api/v1/data/scans", id: "listScans", may: see, status: 200, answer: scanLine{}, lines: true,
			about: "Scans, the newest first, with the progress of those under way.", params: []param{{"limit", "At most so many; 100 otherwise.", nil}}, serve: (*call).dataScans},
		{method: "POST", path: "/api/v1/data/scans", id: "startScan", may: scan, body: ScanWish{}, status: 202, answer: classify.ScanRun{},
			about: "Start a scan of a target, or of an address that the server reaches.", serve: (*call).dataStart},
		{method: "GET", path: "/api/v1/data/scans/{id}", id: "getScan", may: see, status: 200, answer: scanLine{},
			about: "One scan: state, progress, totals, what changed.", serve: (*call).dataScan},
		{method: "POST", path: "/api/v1/data/scans/{id}/stop", id: "stopScan", may: scan, status: 204,
			about: "Stop a scan; the next one of its target goes on where it was.", serve: (*call).dataStop},
		{method: "GET", path: "/api/v1/data/scans/{id}/changes", id: "listScanChanges", may: see, status: 200, answer: classify.Change{}, lines: true,
			about:  "What a scan saw change since the one before, the worst first.",
			params: []param{{"limit", "At most so many; 1000 otherwise.", nil}}, serve: (*call).dataChanges},
		{method: "POST", path: "/api/v1/data/objects", id: "listDataObjects", may: see, body: objectWish{}, status: 200, answer: classify.MapObject{}, lines: true,
			about: "The data map: objects with their level, patients, owner and since when; the most sensitive first.", serve: (*call).dataObjects},
		{method: "POST", path: "/api/v1/data/object", id: "getDataObject", may: see, body: objectKey{}, status: 200, answer: objectFile{},
			about: "One object with its findings, masked.", serve: (*call).dataObject},
		{method: "POST", path: "/api/v1/data/export", id: "exportData", may: see, body: objectWish{}, status: 200, answer: "text/csv",
			about: "Findings of the map as CSV, SARIF 2.1.0 or lines of JSON.", serve: (*call).dataExport},
		{method: "GET", path: "/api/v1/data/levels", id: "getLevels", may: see, status: 200, answer: levelsFile{},
			about: "The levels of kinds of data in force, and those that wait.", serve: (*call).dataLevels},
		{method: "POST", path: "/api/v1/data/levels", id: "setLevels", may: scan, body: levelsWish{}, status: 202,
			about: "Want other levels. They are checked, and wait for a second user.", serve: (*call).dataLevelsWant},
		{method: "POST", path: "/api/v1/data/levels/decision", id: "decideLevels", may: scan, body: agreement{}, status: 204,
			about: "Put levels that wait in force, or drop them; nobody decides about their own.", serve: (*call).dataLevelsDecide},
	}
}

// mapped refuses where there is no data map.
func (s *Services) mapped() error {
	if s.Data.Map == nil {
		return refuse(http.StatusNotImplemented, "this server keeps no data map", "此服务未启用数据地图")
	}
	return nil
}

func (c *call) dataTargets() error {
	if err := c.mapped(); err != nil {
		return err
	}
	list, err := c.Data.Targets(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, list)
}

// SetPlace says whose a target is and what may lie there.
func (s *Services) SetPlace(ctx context.Context, u identity.User, p classify.Place) error {
	if !u.May(identity.ScanData) {
		return forbidden()
	}
	targets, err := s.Data.Targets(ctx)
	if err != nil {
		return err
	}
	if p.Allowed < -1 || p.Allowed > 5 || len(p.Owner) > 200 || len(p.Department) > 200 {
		return bad("allowed is a level, 0 to 5, or -1; owner and department are short", "允许级别为 0 至 5（或 -1）；所有者与科室请简短填写")
	}
	for _, t := range targets {
		if t.Place.Target == p.Target {
			p.By = u.Name
			return s.Data.Map.SetPlace(ctx, p)
		}
	}
	return missing()
}

func (c *call) dataPlace() error {
	return inMap(c, func(p classify.Place) error { return c.SetPlace(c.r.Context(), c.user, p) })
}

// inMap reads a body, changes the map by it and answers nothing.
func inMap[T any](c *call, change func(T) error) error {
	if err := c.mapped(); err != nil {
		return err
	}
	body, err := read[T](c)
	if err != nil {
		return err
	}
	if err := change(body); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// ForgetTarget drops a target that is not configured and not under way.
func (s *Services) ForgetTarget(ctx context.Context, u identity.User, target string) error {
	if !u.May(identity.ScanData) {
		return forbidden()
	}
	targets, err := s.Data.Targets(ctx)
	if err != nil {
		return err
	}
	for _, t := range targets {
		switch {
		case t.Place.Target != target:
		case t.Configured || t.Running != "":
			return conflict("take the target out of the configuration, and let its scan end, first", "请先从配置中移除该目标，并等待扫描结束")
		default:
			return s.Data.Map.Drop(ctx, target, u.Name)
		}
	}
	return missing()
}

func (c *call) dataForget() error {
	return inMap(c, func(k targetKey) error { return c.ForgetTarget(c.r.Context(), c.user, k.Target) })
}

func (c *call) dataScans() error {
	limit, err := c.number("limit", 100, 10000)
	if err = errors.Join(err, c.mapped()); err != nil {
		return err
	}
	runs, err := c.Data.Map.Runs(c.r.Context(), "", limit)
	if err != nil {
		return err
	}
	out := c.lines()
	for _, r := range runs {
		if err := out.value(scanLine{r, c.Data.Progress(r.ID)}); err != nil {
			return err
		}
	}
	return out.end()
}

// StartScan begins a scan for a user.
func (s *Services) StartScan(ctx context.Context, u identity.User, wish ScanWish) (classify.ScanRun, error) {
	if !u.May(identity.ScanData) {
		return classify.ScanRun{}, forbidden()
	}
	if (wish.Target == "") == (wish.Address == "") {
		return classify.ScanRun{}, bad("give a target or an address, one of them", "请填写目标名称或地址（二选一）")
	}
	run, err := s.Data.Start(ctx, wish, u.Name)
	if classify.Busy(err) {
		return run, conflict("this target is being scanned; wait until that ends, or stop it", "该目标正在扫描，请等待结束或先停止")
	}
	return run, err
}

func (c *call) dataStart() error {
	if err := c.mapped(); err != nil {
		return err
	}
	wish, err := read[ScanWish](c)
	if err != nil {
		return err
	}
	run, err := c.StartScan(c.r.Context(), c.user, wish)
	if err != nil {
		return err
	}
	return c.answer(http.StatusAccepted, run)
}

func (c *call) dataScan() error {
	if err := c.mapped(); err != nil {
		return err
	}
	progress := c.Data.Progress(c.id())
	run, err := c.Data.Map.Run(c.r.Context(), c.id())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, scanLine{run, progress})
}

// StopScan ends a scan for a user.
func (s *Services) StopScan(u identity.User, id string) error {
	if !u.May(identity.ScanData) {
		return forbidden()
	}
	if !s.Data.Stop(id) {
		return missing()
	}
	return nil
}

func (c *call) dataStop() error {
	if err := c.mapped(); err != nil {
		return err
	}
	if err := c.StopScan(c.user, c.id()); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) dataChanges() error {
	limit, err := c.number("limit", 1000, 100000)
	if err = errors.Join(err, c.mapped()); err != nil {
		return err
	}
	list, err := c.Data.Map.Changes(c.r.Context(), c.id(), limit, 0)
	if err != nil {
		return err
	}
	out := c.lines()
	for _, x := range list {
		if err := out.value(x); err != nil {
			return err
		}
	}
	return out.end()
}

func (c *call) dataObjects() error {
	if err := c.mapped(); err != nil {
		return err
	}
	wish, err := read[objectWish](c)
	if err != nil {
		return err
	}
	out := c.lines()
	if err := c.Data.Map.Each(c.r.Context(), wish.filter(), func(o classify.MapObject) error { return out.value(o) }); err != nil {
		return err
	}
	return out.end()
}

func (c *call) dataObject() error {
	if err := c.mapped(); err != nil {
		return err
	}
	key, err := read[objectKey](c)
	if err != nil {
		return err
	}
	o, err := c.Data.Map.Object(c.r.Context(), key.Target, key.ID)
	if err != nil {
		return err
	}
	list, err := c.Data.Map.Findings(c.r.Context(), key.Target, key.ID)
	if err != nil {
		return err
	}
	if list == nil {
		list = []classify.Finding{}
	}
	return c.answer(http.StatusOK, objectFile{o, list})
}

func (c *call) dataExport() error {
	if err := c.mapped(); err != nil {
		return err
	}
	wish, err := read[objectWish](c)
	if err != nil {
		return err
	}
	kind, ok := map[string]string{"csv": "text/csv; charset=utf-8", "sarif": "application/sarif+json", "json": "application/x-ndjson"}[wish.Format]
	if !ok {
		return bad("format is csv, sarif or json", "format 应为 csv、sarif 或 json")
	}
	c.begin(http.StatusOK, kind)
	return c.ExportData(c.r.Context(), c.w, wish.Format, wish.filter())
}

// ExportData writes the findings that the map keeps.
func (s *Services) ExportData(ctx context.Context, w http.ResponseWriter, format string, f classify.ObjectFilter) error {
	report := classify.NewJSON(w)
	var err error
	switch format {
	case "csv":
		report, err = classify.NewCSV(w)
	case "sarif":
		report, err = classify.NewSARIF(w, s.Version, s.Data.Kinds())
	}
	if err != nil {
		return err
	}
	var sum classify.Totals
	f.Limit, f.Offset = 0, 0
	var objects []classify.MapObject
	if err := s.Data.Map.Each(ctx, f, func(o classify.MapObject) error {
		if o.Findings > 0 {
			objects = append(objects, classify.MapObject{Target: o.Target, ID: o.ID, Result: classify.Result{Object: classify.Object{Path: o.Path}}})
		}
		sum.Objects++
		sum.Findings += o.Findings
		sum.Bytes += o.Bytes
		sum.Unread += o.Unread
		sum.Level = max(sum.Level, o.Level)
		sum.Levels[min(max(o.Level, 0), 5)]++
		return nil
	}); err != nil {
		return err
	}
	for _, o := range objects {
		list, err := s.Data.Map.Findings(ctx, o.Target, o.ID)
		if err != nil {
			return err
		}
		for i := range list {
			if err := report.Found(classify.Line{Path: o.Path, Finding: &list[i]}); err != nil {
				return err
			}
		}
	}
	return report.Close(sum)
}

func (c *call) dataLevels() error {
	if err := c.mapped(); err != nil {
		return err
	}
	text, err := c.Data.Levels.Text()
	if err != nil {
		return err
	}
	waiting, err := c.Data.Levels.Waiting(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, levelsFile{string(text), waiting})
}

// WantLevels lets other levels wait for a second user.
func (s *Services) WantLevels(ctx context.Context, u identity.User, text, reason string) error {
	if !u.May(identity.ScanData) {
		return forbidden()
	}
	if reason == "" || len(reason) > 1000 {
		return bad("say in a few words why", "请简要说明理由")
	}
	return s.Data.Levels.Want(ctx, text, reason, u.Name)
}

func (c *call) dataLevelsWant() error {
	if err := c.mapped(); err != nil {
		return err
	}
	wish, err := read[levelsWish](c)
	if err != nil {
		return err
	}
	if err := c.WantLevels(c.r.Context(), c.user, wish.Text, wish.Reason); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

// DecideLevels agrees to levels that wait, or drops them.
func (s *Services) DecideLevels(ctx context.Context, u identity.User, agree bool) error {
	if !u.May(identity.ScanData) {
		return forbidden()
	}
	w, err := s.Data.Levels.Waiting(ctx)
	if err != nil {
		return err
	}
	if w == nil {
		return missing()
	}
	if agree && w.By == u.Name {
		return conflict("somebody else has to agree to levels that you want", "您申请的级别须由他人批准")
	}
	return s.Data.Levels.Decide(ctx, agree, u.Name)
}

func (c *call) dataLevelsDecide() error {
	return inMap(c, func(x agreement) error { return c.DecideLevels(c.r.Context(), c.user, x.Agree) })
}
