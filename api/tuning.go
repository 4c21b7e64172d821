package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/tuning"
)

// Filter is a Sigma filter (a global exclusion) of the rules at work.
type Filter struct {
	ID         string   `json:"id"`
	Title      string   `json:"title"`
	Reason     string   `json:"reason,omitempty"`
	ApprovedBy string   `json:"approved_by,omitempty"`
	Until      string   `json:"until,omitempty"`
	Expired    bool     `json:"expired"`
	Rules      int      `json:"rules"`
	Missing    []string `json:"missing,omitempty"`
}

// PlantKind is a kind of violation that can be planted.
type PlantKind struct {
	ID    string    `json:"id"`
	Title ocsf.Text `json:"title"`
	// Expect is the detector that should speak; empty where any rule may.
	Expect string `json:"expect,omitempty"`
}

// Tuners are how detectors are fitted to the hospital; all of it is data.
type Tuners struct {
	Book *tuning.Book
	// Apply puts changed settings and exceptions in force at once.
	Apply func(ctx context.Context) error
	// File are the exceptions of the configuration file.
	File []detect.Exception
	// All lists the detectors, also those switched off.
	All     func() []detect.Status
	Filters func() []Filter
	// Plant commits a violation that is none; Kinds are what there is.
	Plant func(ctx context.Context, kind, by string) (incident.Plant, error)
	Kinds func() []PlantKind
}

type (
	exceptionWish struct {
		Detector   string `json:"detector"`
		Person     string `json:"person,omitempty"`
		Patient    string `json:"patient,omitempty"`
		Department string `json:"department,omitempty"`
		Source     string `json:"source,omitempty"`
		// Until is the last day, 2026-12-31, at most a year ahead.
		Until      string `json:"until"`
		Reason     string `json:"reason"`
		ApprovedBy string `json:"approved_by"`
	}
	// ExceptionLine is an exception as lists show it.
	ExceptionLine struct {
		tuning.Exception
		State    string `json:"state"`
		ReviewBy int64  `json:"review_by"`
		Due      bool   `json:"due"`
		Expiring bool   `json:"expiring"`
		// Hidden is how many findings it hid, Last when the last.
		Hidden int64 `json:"hidden"`
		Last   int64 `json:"last"`
		// File says that it stands in the configuration file, where alone it
		// can be changed.
		File bool `json:"file,omitempty"`
		// Waits says what it waits for, and why.
		Waits *ocsf.Text `json:"waits,omitempty"`
	}
	settingWish struct {
		Off    bool               `json:"off"`
		Params map[string]float64 `json:"params,omitempty"`
		Reason string             `json:"reason"`
	}
	calibrationWish struct {
		// Mode is on, frozen or off. With a version, that version's factors
		// are taken back and frozen.
		Mode    string `json:"mode,omitempty"`
		Version int    `json:"version,omitempty"`
		Reason  string `json:"reason"`
	}
	plantWish struct {
		Kind string `json:"kind"`
	}
	plantedList struct {
		Kinds  []PlantKind `json:"kinds"`
		Plants []plantLine `json:"planted"`
	}
	plantLine struct {
		incident.Plant
		State string `json:"state"`
	}
)

// Exceptions lists all exceptions with their state and what they hid; those
// that somebody should look at come first.
func (s *Services) Exceptions(ctx context.Context) ([]ExceptionLine, error) {
	all, err := s.Tuning.Book.List(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := s.Tuning.Book.Counts(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Now().In(s.Site.Zone)
	out := []ExceptionLine{}
	for _, x := range all {
		line := ExceptionLine{Exception: x, State: x.State(now), ReviewBy: x.ReviewBy().UnixMilli(), Due: x.Due(now),
			Expiring: x.Expiring(now), Hidden: counts[x.ID].N, Last: counts[x.ID].Last}
		if line.State == tuning.Wanted {
			line.Waits = waitsFor(x.Wide())
		}
		out = append(out, line)
	}
	for _, f := range s.Tuning.File {
		out = append(out, fileLine(f, now, counts[f.Key()]))
	}
	slices.SortStableFunc(out, func(a, b ExceptionLine) int { return a.urgency() - b.urgency() })
	return out, nil
}

// fileLine is an exception of the configuration file as lists show it.
func fileLine(f detect.Exception, now time.Time, n tuning.Count) ExceptionLine {
	x := tuning.Exception{ID: f.Key(), Detector: f.Detector, Person: f.Person, Patient: f.Patient, Department: f.Department, Source: f.Source,
		Until: f.Until, Reason: f.Reason, ApprovedBy: f.ApprovedBy}
	state := tuning.Active
	if x.Until < now.Format(time.DateOnly) {
		state = tuning.Expired
	}
	return ExceptionLine{Exception: x, State: state, File: true, Hidden: n.N, Last: n.Last,
		Expiring: state == tuning.Active && x.Until <= now.Add(tuning.Soon).Format(time.DateOnly)}
}

// waitsFor says what something waits for and why, and what to do where there
// is only one user.
func waitsFor(wide bool) *ocsf.Text {
	why := ocsf.Text{EN: "it is about its author, or nobody knows who of the staff its author is", ZH: "涉及登记人本人，或无法确认登记人对应的员工"}
	if wide {
		why = ocsf.Text{EN: "it reaches beyond one person with one detector", ZH: "其范围超出单一人员、单一规则"}
	}
	return &ocsf.Text{
		EN: "Not in force: a second user has to agree, signed in to the console, because " + why.EN + ". Where there is only one user, give a second person an account (Users); what concerns one person and one detector needs none.",
		ZH: "尚未生效：" + why.ZH + "，须由另一名用户登录控制台批准。如只有一名用户，请在“用户”中为第二人开设账号；仅涉及一人一规则的例外无需第二人。",
	}
}

// urgency orders exceptions: what somebody has to do something about first.
func (x ExceptionLine) urgency() int {
	switch {
	case x.State == tuning.Wanted:
		return 0
	case x.Due:
		return 1
	case x.Expiring:
		return 2
	case x.State == tuning.Active:
		return 3
	}
	return 4
}

// own says whether an exception is about the user.
func (s *Services) own(u identity.User, x tuning.Exception) bool {
	if u.PersonID == "" {
		return false
	}
	p, ok := s.People.Person(u.PersonID)
	if x.Person != "" {
		return x.Person == u.PersonID || ok && slices.ContainsFunc(p.Accounts, func(a string) bool { return strings.EqualFold(a, x.Person) })
	}
	return x.Department != "" && (strings.EqualFold(x.Department, u.Department) || ok && strings.EqualFold(x.Department, p.Department))
}

// unexceptional are the detectors that nobody may silence.
func unexceptional() []string {
	return []string{"watching-the-watchers", "patient-dispute", "reserved-name"}
}

// CreateException writes an exception down. One that reaches beyond one person
// and one detector needs somebody else's agreement; one about a person when
// that is its author, or when nobody knows who its author is in the hospital:
// a program, or a user without a person_id.
func (s *Services) CreateException(ctx context.Context, u identity.User, x tuning.Exception) (tuning.Exception, error) {
	if !u.May(identity.Tune) {
		return x, forbidden()
	}
	for _, text := range []*string{&x.Detector, &x.Person, &x.Patient, &x.Department, &x.Source, &x.Until, &x.Reason, &x.ApprovedBy} {
		*text = strings.TrimSpace(*text)
	}
	if incident.Reserved(x.Person) || incident.Reserved(x.Patient) {
		return x, bad("reserved ids of planted violations take no exceptions", "测试违规的保留编号不能设置例外")
	}
	if strings.EqualFold(x.Source, "cordon") || slices.Contains(unexceptional(), x.Detector) {
		return x, bad("what watches the users of Cordon, patients' disputes and Cordon's reserved names take no exceptions",
			"对 Cordon 使用者的监测、患者异议及保留名称不能设置例外")
	}
	alone := x.Wide() || u.PersonID == "" || s.own(u, x)
	x, err := s.Tuning.Book.Create(ctx, x, u.Human(), alone)
	if err != nil {
		return x, err
	}
	return x, s.Tuning.Apply(ctx)
}

// ChangeException agrees to an exception, reviews it or ends it.
func (s *Services) ChangeException(ctx context.Context, u identity.User, id, what, text string) (x tuning.Exception, err error) {
	if !u.May(identity.Tune) {
		return x, forbidden()
	}
	if text, err = plain(text, what != "agree"); err != nil {
		return x, err
	}
	if x, err = s.Tuning.Book.Get(ctx, id); err != nil {
		return x, err
	}
	switch what {
	case "agree":
		if !u.May(identity.ApproveActions) { // an agreement is a person's word
			return x, forbidden()
		}
		if u.PersonID == "" && x.Person+x.Department != "" { // nobody could tell whether it is about them
			return x, bad("who agrees to an exception about people must be known as a member of staff; let an administrator give this account its person_id",
				"批准涉及人员的例外须为已登记员工；请管理员为此账号关联 person_id")
		}
		x, err = s.Tuning.Book.Agree(ctx, id, u.Human(), s.own(u, x))
	case "review":
		if s.own(u, x) {
			return x, tuning.ErrOwn
		}
		x, err = s.Tuning.Book.Review(ctx, id, u.Human(), text)
	case "end":
		x, err = s.Tuning.Book.End(ctx, id, u.Human(), text)
	default:
		return x, missing()
	}
	if err != nil {
		return x, err
	}
	return x, s.Tuning.Apply(ctx)
}

// SetDetector switches a detector or changes its numbers.
func (s *Services) SetDetector(ctx context.Context, u identity.User, set tuning.Setting) (tuning.Setting, error) {
	if !u.May(identity.Tune) {
		return set, forbidden()
	}
	var err error
	if set.Reason, err = plain(set.Reason, true); err != nil {
		return set, err
	}
	all := s.Tuning.All()
	i := slices.IndexFunc(all, func(d detect.Status) bool { return d.ID == set.Detector })
	if i < 0 {
		return set, missing()
	}
	if set.Params == nil { // only the switch: the numbers stay as they are
		set.Params = map[string]float64{}
		for _, p := range all[i].Params {
			set.Params[p.Name] = p.Default
		}
	}
	was := tuning.Setting{Off: all[i].Off, Params: map[string]float64{}}
	for _, p := range all[i].Params {
		was.Params[p.Name] = p.Default
	}
	set.By, set.Waits, set.AgreedBy = u.Human(), set.Weakens(was), ""
	if set, err = s.Tuning.Book.Set(ctx, set, all[i].Params); err != nil {
		return set, err
	}
	return set, s.Tuning.Apply(ctx)
}

// DecideSetting agrees to a setting that waits, or refuses it.
func (s *Services) DecideSetting(ctx context.Context, u identity.User, detector string, agree bool) (tuning.Setting, error) {
	if !u.May(identity.Tune) || agree && !u.May(identity.ApproveActions) { // an agreement is a person's word
		return tuning.Setting{}, forbidden()
	}
	set, err := s.Tuning.Book.Decide(ctx, detector, u.Human(), agree)
	if err != nil {
		return set, err
	}
	return set, s.Tuning.Apply(ctx)
}

// SetCalibration switches, freezes or takes back what verdicts did to ranking.
func (s *Services) SetCalibration(ctx context.Context, u identity.User, mode string, version int, reason string) error {
	if !u.May(identity.Tune) {
		return forbidden()
	}
	reason, err := plain(reason, true)
	if err != nil {
		return err
	}
	modes := []string{incident.CalibrationOn, incident.CalibrationFrozen, incident.CalibrationOff}
	if version <= 0 && !slices.Contains(modes, mode) {
		return bad("choose on, frozen or off", "请选择 on、frozen 或 off")
	}
	return s.Desk.SetCalibration(ctx, mode, version, u.Human(), reason)
}

// PlantOne plants a violation.
func (s *Services) PlantOne(ctx context.Context, u identity.User, kind string) (incident.Plant, error) {
	if !u.May(identity.Tune) {
		return incident.Plant{}, forbidden()
	}
	return s.Tuning.Plant(ctx, kind, u.Human())
}

func (a *API) tuningRoutes() []route {
	change := func(id, what, about string) route {
		return route{method: "POST", path: "/api/v1/exceptions/{id}/" + what, id: id, about: about, may: identity.Tune, status: 200,
			body: remark{}, answer: tuning.Exception{}, serve: func(c *call) error {
				b, err := read[remark](c)
				if err != nil {
					return err
				}
				return reply[tuning.Exception](c)(c.ChangeException(c.r.Context(), c.user, c.id(), what, b.Text))
			}}
	}
	return []route{
		{method: "GET", path: "/api/v1/exceptions", id: "listExceptions", may: identity.SeeSources, status: 200, answer: []ExceptionLine{},
			about: "What detectors are silent about, until when and why, and how much that hid; what needs attention first.", serve: (*call).exceptions},
		{method: "POST", path: "/api/v1/exceptions", id: "createException", may: identity.Tune, status: 201, body: exceptionWish{}, answer: tuning.Exception{},
			about: "Write an exception down; one that reaches beyond one person and one detector waits for another user's agreement (waits says why), and so does one about its author.", serve: (*call).exceptionCreate},
		change("agreeException", "agree", "Put a wanted exception in force: signed in as a person who neither wrote it nor is meant by it."),
		change("reviewException", "review", "Note that somebody looked at it again and why it stays."),
		change("endException", "end", "End it early, or refuse it."),
		{method: "GET", path: "/api/v1/exceptions/{id}/hidden", id: "hiddenByException", may: identity.SeeSources, status: 200, answer: finding{}, lines: true,
			about: "The findings that an exception hid, the newest first.", params: []param{{"limit", "At most so many.", nil}}, serve: (*call).exceptionHidden},
		{method: "POST", path: "/api/v1/detectors/{id}/setting", id: "setDetector", may: identity.Tune, status: 200, body: settingWish{}, answer: tuning.Setting{},
			about: "Switch a detector or change its numbers. Switching on is in force at once; switching off and other numbers wait for another user (waits).", serve: (*call).setDetector},
		{method: "GET", path: "/api/v1/settings/waiting", id: "listWaitingSettings", may: identity.SeeSources, status: 200, answer: []tuning.Setting{},
			about: "Changes of detectors that wait for another user's agreement.", serve: (*call).settingsWaiting},
		{method: "POST", path: "/api/v1/detectors/{id}/agree", id: "agreeSetting", may: identity.Tune, status: 200, body: remark{}, answer: tuning.Setting{},
			about: "Put a change of a detector in force: signed in as a person who did not ask for it.", serve: func(c *call) error {
				return reply[tuning.Setting](c)(c.DecideSetting(c.r.Context(), c.user, c.id(), true))
			}},
		{method: "POST", path: "/api/v1/detectors/{id}/refuse", id: "refuseSetting", may: identity.Tune, status: 200, body: remark{}, answer: tuning.Setting{},
			about: "Refuse a change of a detector that waits, or take one's own back.", serve: func(c *call) error {
				return reply[tuning.Setting](c)(c.DecideSetting(c.r.Context(), c.user, c.id(), false))
			}},
		{method: "GET", path: "/api/v1/calibration", id: "getCalibration", may: identity.SeeOverview, status: 200, answer: incident.Calibration{},
			about: "How verdicts moved the ranking, by detector and department.", serve: (*call).calibration},
		{method: "POST", path: "/api/v1/calibration", id: "setCalibration", may: identity.Tune, status: 200, body: calibrationWish{}, answer: incident.Calibration{},
			about: "Switch calibration on, off, freeze it, or take an earlier version back.", serve: (*call).setCalibration},
		{method: "GET", path: "/api/v1/planted", id: "listPlanted", may: identity.SeeOverview, status: 200, answer: plantedList{},
			about: "Planted violations of the last 90 days, found or missed, and what can be planted.", serve: (*call).planted},
		{method: "POST", path: "/api/v1/planted", id: "plant", may: identity.Tune, status: 202, body: plantWish{}, answer: incident.Plant{},
			about: "Plant a violation with people and patients that do not exist, through the door that events come through.", serve: (*call).plant},
	}
}

func (c *call) exceptions() error {
	list, err := c.Exceptions(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) exceptionCreate() error {
	b, err := read[exceptionWish](c)
	if err != nil {
		return err
	}
	x, err := c.CreateException(c.r.Context(), c.user, tuning.Exception{Detector: b.Detector, Person: b.Person, Patient: b.Patient,
		Department: b.Department, Source: b.Source, Until: b.Until, Reason: b.Reason, ApprovedBy: b.ApprovedBy})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, x)
}

func (c *call) exceptionHidden() error {
	limit, err := c.number("limit", 200, 2000)
	if err != nil {
		return err
	}
	inFile := slices.ContainsFunc(c.Tuning.File, func(x detect.Exception) bool { return x.Key() == c.id() })
	if _, err := c.Tuning.Book.Get(c.r.Context(), c.id()); err != nil && !inFile {
		return err
	}
	list, err := c.Tuning.Book.Hidden(c.r.Context(), c.id(), limit)
	if err != nil {
		return err
	}
	out := c.lines()
	var buf []byte
	for _, f := range list {
		buf = ocsf.AppendFinding(buf[:0], f)
		if err := out.raw(buf); err != nil {
			return err
		}
	}
	return out.end()
}

func (c *call) settingsWaiting() error {
	list, err := c.Tuning.Book.Wishes(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) setDetector() error {
	b, err := read[settingWish](c)
	if err != nil {
		return err
	}
	return reply[tuning.Setting](c)(c.SetDetector(c.r.Context(), c.user,
		tuning.Setting{Detector: c.id(), Off: b.Off, Params: b.Params, Reason: b.Reason}))
}

func (c *call) calibration() error {
	cal, err := c.Desk.Calibration(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, cal)
}

func (c *call) setCalibration() error {
	b, err := read[calibrationWish](c)
	if err != nil {
		return err
	}
	if err := c.SetCalibration(c.r.Context(), c.user, b.Mode, b.Version, b.Reason); err != nil {
		return err
	}
	return c.calibration()
}

func (c *call) planted() error {
	now := c.Now().UnixMilli()
	all, err := c.Desk.Plants(c.r.Context(), now-90*24*3600_000)
	if err != nil {
		return err
	}
	list := plantedList{Kinds: c.Tuning.Kinds(), Plants: []plantLine{}}
	for _, p := range all {
		list.Plants = append(list.Plants, plantLine{p, p.State(now)})
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) plant() error {
	b, err := read[plantWish](c)
	if err != nil {
		return err
	}
	p, err := c.PlantOne(c.r.Context(), c.user, b.Kind)
	if err != nil {
		return err
	}
	return c.answer(http.StatusAccepted, p)
}
