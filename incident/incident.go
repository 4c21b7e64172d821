// Package incident turns findings into cases that one person can work
// through: one case per subject, within a daily budget, ranked by risk.
//
// How it decides. Findings are summed under a subject: the person who acted,
// or the patient or source a finding is about. A strong finding opens a case;
// weak ones (statistics, a bare missing relationship) add up and open one only
// when their sum reaches [Config.Open], and never weigh as much as a strong
// one. A subject has at most one open case: later findings join it, so the
// same thing never opens twice and one person's many small things are one
// case. At most [Config.Budget] cases open per day of the events; when a
// riskier one comes, the least risky case of that day that nobody has touched
// goes back to waiting. A waiting case is kept, ranked, and opens as soon as
// there is room.
//
// When an access is explained later (a late admission), its findings are
// withdrawn with a trace, and a case left without findings closes itself.
//
// It keeps its state as records of the evidence book: kind "finding" and kind
// "case", every version of which is provable; it owns the table
// incident_events, which finds the findings of an event. Everything it does
// to a transaction can be repeated: ids are derived from findings' ids.
//
// What people decided about earlier cases moves the ranking (calibration): a
// detector whose cases are mostly dismissed here counts less, within bounds,
// and every change of that is a record with the cases behind it, which can be
// frozen and taken back. Verdicts in a row (incident_decided remembers them)
// are one record a minute. It never decides whether a case opens.
//
// Figures about its own quality are sums over the tables incident_cases,
// incident_verdicts and incident_daily, which follow from the records and can
// be made anew from them. Violations planted to test the watch (kind
// "planted") are recognised by their reserved ids, close at once and count in
// no other figure.
//
// It does not judge: findings bring their risk from their detectors, and
// verdicts come from people.
package incident

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config of the case desk.
type Config struct {
	// Budget is how many cases may open per day: what the people who work
	// through them can do (about 1000 a month each).
	Budget int `yaml:"budget"`
	// Open is the risk, 0 to 100, from which weak findings of one subject open
	// a case together. Findings that only compare with what is usual never do,
	// and all weak ones together stay below 65.
	Open float64 `yaml:"open"`
	// Window is how long findings of one subject belong together.
	Window time.Duration `yaml:"window"`
	// Calibration lets the verdicts on earlier cases move the ranking: on, frozen
	// or off. It holds until somebody switches it in the console.
	Calibration string `yaml:"calibration"`
}

// Default is one officer's day.
func Default() Config {
	return Config{Budget: 33, Open: 40, Window: 30 * 24 * time.Hour, Calibration: CalibrationOn}
}

// Check says what is wrong with the configuration.
func (c Config) Check() error {
	switch {
	case c.Budget < 1:
		return errors.New("incident: budget must be 1 or more cases a day")
	case c.Open <= 0 || c.Open > 100:
		return errors.New("incident: open must be above 0 and at most 100")
	case c.Window < 24*time.Hour:
		return errors.New("incident: window must be a day (24h) or more")
	case !slices.Contains([]string{"", CalibrationOn, CalibrationFrozen, CalibrationOff}, c.Calibration):
		return errors.New("incident: calibration is on, frozen or off")
	}
	return nil
}

// The states of a case.
const (
	StatusWaiting  = "waiting"  // ranked, but beyond the day's budget
	StatusNew      = "new"      // needs somebody
	StatusAssigned = "assigned" // somebody has it
	StatusClosed   = "closed"
)

// Verdict is how a case ended.
type Verdict string

// The verdicts.
const (
	Confirmed Verdict = "confirmed"   // misuse
	Justified Verdict = "justified"   // legitimate, with a reason now known
	FalseCase Verdict = "false-alarm" // nothing of the kind happened
	Withdrawn Verdict = "withdrawn"   // every finding was explained later
	Planted   Verdict = "planted"     // a test of the watch, found
)

// ParseVerdict reads the verdict of a person; withdrawn is Cordon's own.
func ParseVerdict(s string) (Verdict, error) {
	switch v := Verdict(s); v {
	case Confirmed, Justified, FalseCase:
		return v, nil
	}
	return "", fmt.Errorf("verdict %q; use %s, %s or %s", s, Confirmed, Justified, FalseCase)
}

// Case is one incident. Times are ms.
type Case struct {
	ID string `json:"id"`
	// Subject is the person_id or account, or "patient:..." or "source:...".
	Subject string `json:"subject"`
	Person  string `json:"person,omitempty"`
	Account string `json:"account,omitempty"`
	// Department is where the person worked when the case began.
	Department string `json:"department,omitempty"`
	// Day is the day of the budget it counts against, YYYY-MM-DD.
	Day      string  `json:"day"`
	Status   string  `json:"status"`
	Verdict  Verdict `json:"verdict,omitempty"`
	Assignee string  `json:"assignee,omitempty"`
	// Risk is 0 to 100; Parts say what it is made of, strongest first, and what
	// they add is Risk together. Raw is the risk before calibration.
	Risk  float64 `json:"risk"`
	Raw   float64 `json:"raw,omitempty"`
	Parts []Part  `json:"parts"`
	// Findings that hold, oldest first, and those withdrawn.
	Findings []string  `json:"findings"`
	Gone     []string  `json:"withdrawn,omitempty"`
	Patients []string  `json:"patients,omitempty"`
	Title    ocsf.Text `json:"title"`
	// First and Last are the times of the events; Opened is Cordon's time of
	// the first finding's arrival.
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
	Opened int64  `json:"opened"`
	Notes  []Note `json:"notes,omitempty"`
}

// Part is one detector's share of a case's risk.
type Part struct {
	Analytic string `json:"analytic"`
	// Risk is what the detector says, Local what it counts here after
	// calibration, Adds what the case's risk grows by because of it.
	Risk  float64 `json:"risk"`
	Local float64 `json:"local"`
	Adds  float64 `json:"adds"`
	Count int     `json:"count"`
	// Factor is the calibration, 0 for none: Confirmed of Decided cases like
	// this were confirmed here.
	Factor      float64 `json:"factor,omitempty"`
	Confirmed   int     `json:"confirmed,omitempty"`
	Decided     int     `json:"decided,omitempty"`
	Weak        bool    `json:"weak,omitempty"`
	Statistical bool    `json:"statistical,omitempty"`
	Steady      bool    `json:"steady,omitempty"`
}

// Note is one step in the life of a case.
type Note struct {
	At int64 `json:"at"`
	// By is a user's name, or "cordon".
	By string `json:"by"`
	// Kind is opened, grown, parked, withdrawn, assigned, comment, closed,
	// reopened, answer, action.
	Kind string `json:"kind"`
	Text string `json:"text,omitempty"`
}

// Touched says whether a person has dealt with the case, so that the budget
// must leave it alone.
func (c Case) Touched() bool {
	for _, n := range c.Notes {
		if n.By != "cordon" {
			return true
		}
	}
	return c.Status == StatusAssigned || c.Status == StatusClosed
}

// Change is what happened to a case, for those who act on it.
type Change struct {
	Case Case
	// Kind is opened, grown, parked, withdrawn or closed.
	Kind string
}

// Desk is the place where findings become cases. Add and Withdraw are called
// by the pipeline alone, in its transaction; the rest may be called at any
// time.
type Desk struct {
	cfg  Config
	db   *store.DB
	book *evidence.Log
	now  func() time.Time
	// department says where a person worked at a time in ms; see Places.
	department func(person string, at int64) string
	factors    atomic.Pointer[Calibration] // the last version read
}

// New opens the desk. now's location is the site's time zone, in which a day
// of the budget begins at midnight.
func New(ctx context.Context, cfg Config, db *store.DB, book *evidence.Log, now func() time.Time) (*Desk, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "incident", sub); err != nil {
		return nil, err
	}
	d := &Desk{cfg: cfg, db: db, book: book, now: now, department: func(string, int64) string { return "" }}
	return d, d.reindex(ctx)
}

// Places tells the desk how to find out where a person worked at a time in ms;
// it is called before anything else.
func (d *Desk) Places(department func(person string, at int64) string) { d.department = department }

// The kinds of records.
const (
	KindFinding = "finding"
	KindCase    = "case"
)

func (d *Desk) day(ms int64) string {
	return time.UnixMilli(ms).In(d.now().Location()).Format(time.DateOnly)
}

// SubjectOf is what a finding is summed under.
func SubjectOf(f ocsf.Finding) string {
	switch {
	case f.Subject != "":
		return f.Subject
	case f.Person != "":
		return f.Person
	case f.Account != "":
		return "account:" + f.Account
	}
	return "finding:" + f.UID
}

func encode[T any](v T) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only types of this package, which have JSON forms
	}
	return b
}

func decode[T any](r evidence.Record) (T, error) {
	var v T
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return v, fmt.Errorf("read %s record: %w", r.Kind, err)
	}
	return v, nil
}

func decodeFinding(r evidence.Record) (ocsf.Finding, error) { return decode[ocsf.Finding](r) }

func decodeAll[T any](rs []evidence.Record) ([]T, error) {
	out := make([]T, 0, len(rs))
	for _, r := range rs {
		v, err := decode[T](r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (d *Desk) putCase(tx *sql.Tx, c Case) error {
	_, err := d.book.Put(tx, evidence.Record{
		Kind: KindCase, ID: c.ID, Time: c.Last, Person: c.Subject, Status: c.Status, Ref: c.Day, Score: c.Risk, Body: encode(c),
	})
	if err != nil {
		return err
	}
	return d.indexCase(tx, c, c.Last)
}

func (d *Desk) putFinding(tx *sql.Tx, f ocsf.Finding) error {
	status := "open"
	if f.Withdrawn != "" {
		status = "withdrawn"
	}
	_, err := d.book.Put(tx, evidence.Record{
		Kind: KindFinding, ID: f.UID, Time: f.Time, Person: SubjectOf(f), Patient: f.Patient, Status: status, Ref: f.Analytic, Score: f.Risk, Body: encode(f),
	})
	return err
}
