// Package tuning is how a hospital fits the detectors to itself: switches,
// numbers and exceptions, as data that people decide, review and end, and
// that takes effect without a restart.
//
// What it gives: [Book], the list of exceptions ([Exception]: who or what a
// detector is to be silent about, until when, why, and who decided it) and of
// settings ([Setting]: a detector's switch and numbers), and what both make of
// the configuration ([Book.Effective]). It counts what each exception hid and
// keeps the hidden findings, so that they can be looked at later.
//
// What it guarantees: every change is a record of the evidence book (kinds
// "exception" and "setting") with who, when and why. No exception lasts longer
// than a year, and each is due for review every ninety days; one that nobody
// reviews lapses two weeks later. What reaches beyond one person and one
// detector, and every change of a detector's switch or numbers that may make
// it see less, needs two users. Nobody puts an exception in force that is
// about themselves, nor may a program do so for people.
//
// What it does not do: it silences nothing itself (detect does) and knows no
// roles (api does). It owns the table tuning_hidden.
package tuning

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The kinds of records.
const (
	KindException = "exception"
	KindSetting   = "setting"
	KindHidden    = "hidden"
)

// The states of an exception.
const (
	Wanted  = "wanted"  // somebody else has to agree
	Active  = "active"  // in force
	Expired = "expired" // its last day has passed
	Ended   = "ended"   // ended early, or refused
)

const (
	// ReviewEvery is how long an exception holds before somebody has to look
	// at it again.
	ReviewEvery = 90 * 24 * time.Hour
	// Soon is how long before its end an exception is shown as expiring.
	Soon = 14 * 24 * time.Hour
	// mostHidden is how many hidden findings of an exception are kept.
	mostHidden = 2000
	mostText   = 1000
)

// Exception keeps a detector silent about somebody or something for a time.
type Exception struct {
	ID string `json:"id"`
	// Detector is the id of a detector or of a Sigma rule, "*" for all.
	Detector   string `json:"detector"`
	Person     string `json:"person,omitempty"`
	Patient    string `json:"patient,omitempty"`
	Department string `json:"department,omitempty"`
	Source     string `json:"source,omitempty"`
	// Until is the last day on which it holds, at most a year ahead.
	Until  string `json:"until"`
	Reason string `json:"reason"`
	// ApprovedBy is who decided it, in the hospital's own words.
	ApprovedBy string `json:"approved_by"`
	// CreatedBy wrote it down, AgreedBy put it in force: users of the console.
	CreatedBy string   `json:"created_by"`
	Created   int64    `json:"created"`
	AgreedBy  string   `json:"agreed_by,omitempty"`
	Agreed    int64    `json:"agreed,omitempty"`
	Reviews   []Review `json:"reviews,omitempty"`
	EndedBy   string   `json:"ended_by,omitempty"`
	Ended     int64    `json:"ended,omitempty"`
	EndReason string   `json:"end_reason,omitempty"`
}

// Review is somebody's second look.
type Review struct {
	By   string `json:"by"`
	At   int64  `json:"at"`
	Note string `json:"note"`
}

// State says where it stands at a time in the site's zone.
func (x Exception) State(now time.Time) string {
	switch {
	case x.Ended > 0:
		return Ended
	case x.Until < now.Format(time.DateOnly):
		return Expired
	case x.Agreed == 0:
		return Wanted
	case now.After(x.ReviewBy().Add(Grace)):
		return Lapsed
	}
	return Active
}

// ReviewBy is when somebody has to look at it again.
func (x Exception) ReviewBy() time.Time {
	at := max(x.Agreed, x.Created)
	for _, r := range x.Reviews {
		at = max(at, r.At)
	}
	return time.UnixMilli(at).Add(ReviewEvery)
}

// Due says that the review is due.
func (x Exception) Due(now time.Time) bool {
	return x.State(now) == Active && !now.Before(x.ReviewBy())
}

// Expiring says that it ends within two weeks.
func (x Exception) Expiring(now time.Time) bool {
	return x.State(now) == Active && x.Until <= now.Add(Soon).Format(time.DateOnly)
}

// About says that it names people: one of them, or a department.
func (x Exception) About() bool { return x.Person != "" || x.Department != "" }

// Setting is a detector's switch and numbers where they differ from the file.
type Setting struct {
	Detector string             `json:"detector"`
	Off      bool               `json:"off"`
	Params   map[string]float64 `json:"params,omitempty"`
	Reason   string             `json:"reason"`
	By       string             `json:"by"`
	At       int64              `json:"at"`
	// Waits says that it is not in force before a second user agrees.
	Waits    bool   `json:"waits,omitempty"`
	AgreedBy string `json:"agreed_by,omitempty"`
}

// Mistake is an error in what somebody wrote; its text is for them.
type Mistake struct{ EN, ZH string }

func (m Mistake) Error() string { return m.EN }

// ErrOwn is the error of agreeing to an exception about oneself.
var ErrOwn = errors.New("somebody else has to agree: not who asked for it, nor who it is about")

// Book keeps exceptions and settings. It may be used concurrently.
type Book struct {
	db  *store.DB
	log *evidence.Log
	now func() time.Time
}

// Open opens the book. now's location is the site's time zone.
func Open(ctx context.Context, db *store.DB, log *evidence.Log, now func() time.Time) (*Book, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "tuning", sub); err != nil {
		return nil, err
	}
	return &Book{db: db, log: log, now: now}, nil
}

func (b *Book) check(x Exception) error {
	today := b.now()
	until, err := time.Parse(time.DateOnly, x.Until)
	switch {
	case x.Detector == "":
		return Mistake{`name a detector, or "*" for all`, "请指定检测器，或以 * 表示全部"}
	case x.Person == "" && x.Patient == "" && x.Department == "" && x.Source == "":
		return Mistake{"name a person, a patient, a department or a source; to silence a detector, switch it off", "请指定人员、患者、科室或数据源；要停用整个检测器，请使用开关"}
	case err != nil:
		return Mistake{"give the last day as 2026-12-31", "请以 2026-12-31 的格式填写截止日期"}
	case x.Until < today.Format(time.DateOnly):
		return Mistake{"the last day has passed already", "截止日期已过"}
	case until.Format(time.DateOnly) > today.AddDate(1, 0, 0).Format(time.DateOnly):
		return Mistake{"an exception lasts a year at most; renew it when it ends", "例外最长一年，到期后请重新申请"}
	case x.Reason == "" || x.ApprovedBy == "":
		return Mistake{"write the reason and who decided it", "请填写理由和批准人"}
	}
	for _, s := range []string{x.Detector, x.Person, x.Patient, x.Department, x.Source, x.Reason, x.ApprovedBy} {
		if len([]rune(s)) > mostText {
			return Mistake{"a text is longer than 1000 characters; shorten it", "文字超过 1000 字，请精简"}
		}
	}
	return nil
}

// Create writes an exception down. It is in force at once, unless alone says
// that another user has to agree.
func (b *Book) Create(ctx context.Context, x Exception, by string, alone bool) (Exception, error) {
	if err := b.check(x); err != nil {
		return x, err
	}
	now := b.now()
	x = Exception{ID: now.Format("060102") + "-" + strings.ToLower(rand.Text()[:6]), Detector: x.Detector, Person: x.Person, Patient: x.Patient,
		Department: x.Department, Source: x.Source, Until: x.Until, Reason: x.Reason, ApprovedBy: x.ApprovedBy, CreatedBy: by, Created: now.UnixMilli()}
	if !alone {
		x.AgreedBy, x.Agreed = by, x.Created
	}
	return x, b.db.Update(ctx, func(tx *sql.Tx) error { return b.put(tx, x) })
}

// Agree puts a wanted exception in force; own says that it is about who asks.
func (b *Book) Agree(ctx context.Context, id, by string, own bool) (Exception, error) {
	return b.change(ctx, id, func(x *Exception) error {
		switch {
		case x.State(b.now()) != Wanted:
			return Mistake{"nobody waits for an agreement to it", "该例外无需批准"}
		case own || x.CreatedBy == by:
			return ErrOwn
		}
		x.AgreedBy, x.Agreed = by, b.now().UnixMilli()
		return nil
	})
}

// Review notes that somebody looked at it again and that it stays.
func (b *Book) Review(ctx context.Context, id, by, note string) (Exception, error) {
	return b.change(ctx, id, func(x *Exception) error {
		if x.State(b.now()) != Active {
			return Mistake{"only an exception in force is reviewed", "仅生效中的例外可复核"}
		}
		if note == "" {
			return Mistake{"write why it stays", "请填写保留的理由"}
		}
		x.Reviews = append(x.Reviews, Review{by, b.now().UnixMilli(), note})
		return nil
	})
}

// End ends it early, or refuses a wanted one.
func (b *Book) End(ctx context.Context, id, by, reason string) (Exception, error) {
	return b.change(ctx, id, func(x *Exception) error {
		if s := x.State(b.now()); s != Active && s != Wanted {
			return Mistake{"it has ended already", "该例外已结束"}
		}
		x.EndedBy, x.Ended, x.EndReason = by, b.now().UnixMilli(), reason
		return nil
	})
}

func (b *Book) change(ctx context.Context, id string, fn func(*Exception) error) (x Exception, err error) {
	err = b.db.Update(ctx, func(tx *sql.Tx) error {
		rec, err := b.log.Latest(tx, KindException, id)
		if err != nil {
			return err
		}
		x = Exception{}
		if err := json.Unmarshal(rec.Body, &x); err != nil {
			return fmt.Errorf("read exception: %w", err)
		}
		if err := fn(&x); err != nil {
			return err
		}
		return b.put(tx, x)
	})
	return x, err
}

func (b *Book) put(tx *sql.Tx, x Exception) error {
	body, err := json.Marshal(x)
	if err != nil {
		return err
	}
	_, err = b.log.Put(tx, evidence.Record{Kind: KindException, ID: x.ID, Time: x.Created, Person: x.Person, Patient: x.Patient,
		Status: x.State(b.now()), Ref: x.Detector, Body: body})
	return err
}

// Get returns an exception; fs.ErrNotExist when there is none.
func (b *Book) Get(ctx context.Context, id string) (x Exception, err error) {
	rec, err := b.log.Get(ctx, KindException, id)
	if err == nil {
		err = json.Unmarshal(rec.Body, &x)
	}
	return x, err
}

// List returns all exceptions, the newest first, those ended included.
func (b *Book) List(ctx context.Context) ([]Exception, error) {
	return list[Exception](ctx, b, KindException)
}

// Settings returns the settings of all detectors that have one.
func (b *Book) Settings(ctx context.Context) ([]Setting, error) {
	return list[Setting](ctx, b, KindSetting)
}

// History returns a detector's settings, the newest first.
func (b *Book) History(ctx context.Context, detector string) ([]Setting, error) {
	recs, err := b.log.History(ctx, KindSetting, detector)
	slices.Reverse(recs)
	return decode[Setting](recs, err)
}

func list[T any](ctx context.Context, b *Book, kind string) ([]T, error) {
	recs, err := b.log.List(ctx, evidence.Filter{Kind: kind})
	return decode[T](recs, err)
}

func decode[T any](recs []evidence.Record, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	out := make([]T, len(recs))
	for i, rec := range recs {
		if err := json.Unmarshal(rec.Body, &out[i]); err != nil {
			return nil, fmt.Errorf("read %s: %w", rec.Kind, err)
		}
	}
	return out, nil
}

// Set records a detector's switch and numbers, or, where s.Waits says so, that
// somebody wants them. has are its parameters.
func (b *Book) Set(ctx context.Context, s Setting, has []detect.Param) (Setting, error) {
	if s.Reason == "" {
		return s, Mistake{"write why", "请填写理由"}
	}
	for name, v := range s.Params {
		switch {
		case !slices.ContainsFunc(has, func(p detect.Param) bool { return p.Name == name }):
			return s, Mistake{"the detector has no such number", "该检测器没有此参数"}
		case math.IsNaN(v) || math.IsInf(v, 0) || v < 0:
			return s, Mistake{"a number must be at least 0", "参数须为不小于 0 的数"}
		}
	}
	s.At = b.now().UnixMilli()
	return s, b.db.Update(ctx, func(tx *sql.Tx) error {
		if s.Waits {
			return b.wish(tx, s, Wanted)
		}
		return b.putSetting(tx, s)
	})
}

func (b *Book) putSetting(tx *sql.Tx, s Setting) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	status := map[bool]string{true: "off", false: "on"}[s.Off]
	_, err = b.log.Put(tx, evidence.Record{Kind: KindSetting, ID: s.Detector, Time: s.At, Status: status, Ref: s.By, Body: body})
	return err
}

// Effective is the configuration with what the book says on top: a setting
// replaces what the file says about its detector, exceptions in force add to
// those of the file.
func (b *Book) Effective(ctx context.Context, file detect.Config) (detect.Config, error) {
	settings, err := b.Settings(ctx)
	if err != nil {
		return file, err
	}
	all, err := b.List(ctx)
	if err != nil {
		return file, err
	}
	out := file
	out.Off, out.Exceptions = slices.Clone(file.Off), slices.Clone(file.Exceptions)
	out.Params = map[string]map[string]float64{}
	for id, params := range file.Params {
		out.Params[id] = params
	}
	for _, s := range settings {
		out.Off = slices.DeleteFunc(out.Off, func(id string) bool { return id == s.Detector })
		if s.Off {
			out.Off = append(out.Off, s.Detector)
		}
		if s.Params != nil {
			out.Params[s.Detector] = s.Params
		}
	}
	now := b.now()
	for _, x := range all {
		if x.State(now) == Active {
			out.Exceptions = append(out.Exceptions, detect.Exception{ID: x.ID, Detector: x.Detector, Person: x.Person, Patient: x.Patient,
				Department: x.Department, Source: x.Source, Until: x.Until, Reason: x.Reason, ApprovedBy: x.ApprovedBy})
		}
	}
	return out, nil
}
