package tuning

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/cordon-health/cordon/evidence"
)

// KindWish is the record of a setting that waits for a second user.
const KindWish = "setting-wish"

// Grace is how long an exception whose review is overdue stays in force.
const Grace = 14 * 24 * time.Hour

// Lapsed is the state of an exception that nobody reviewed in time.
const Lapsed = "lapsed"

// Wide says that an exception reaches beyond one person, or one detector: two
// users have to want it.
func (x Exception) Wide() bool { return x.Detector == "*" || x.Person == "" }

// Weakens says whether a setting needs a second user: it switches a detector
// off, or changes a number, which may come to the same. was is what is in
// force.
func (s Setting) Weakens(was Setting) bool {
	if s.Off {
		return !was.Off || !equal(s.Params, was.Params)
	}
	return !equal(s.Params, was.Params)
}

func equal(a, b map[string]float64) bool {
	for name, v := range a {
		if w, ok := b[name]; !ok || v != w {
			return false
		}
	}
	return true
}

func (b *Book) wish(tx *sql.Tx, s Setting, status string) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = b.log.Put(tx, evidence.Record{Kind: KindWish, ID: s.Detector, Time: s.At, Status: status, Ref: s.By, Body: body})
	return err
}

// Wishes lists settings that wait for a second user.
func (b *Book) Wishes(ctx context.Context) ([]Setting, error) {
	recs, err := b.log.List(ctx, evidence.Filter{Kind: KindWish})
	recs = slices.DeleteFunc(recs, func(r evidence.Record) bool { return r.Status != Wanted })
	return decode[Setting](recs, err)
}

// Decide puts a setting that waits in force, or refuses it. Who asked for it
// may refuse it and never agree.
func (b *Book) Decide(ctx context.Context, detector, by string, agree bool) (s Setting, err error) {
	err = b.db.Update(ctx, func(tx *sql.Tx) error {
		rec, err := b.log.Latest(tx, KindWish, detector)
		if errors.Is(err, fs.ErrNotExist) || err == nil && rec.Status != Wanted {
			return Mistake{"no change of this detector waits for an agreement", "该检测规则没有待批准的变更"}
		}
		if err != nil {
			return err
		}
		s = Setting{}
		if err := json.Unmarshal(rec.Body, &s); err != nil {
			return err
		}
		if agree && s.By == by {
			return ErrOwn
		}
		s.Waits = false
		if !agree {
			s.AgreedBy = ""
			return b.wish(tx, s, Ended)
		}
		s.AgreedBy, s.At = by, b.now().UnixMilli()
		return errors.Join(b.wish(tx, s, Active), b.putSetting(tx, s))
	})
	return s, err
}

// Lapse ends exceptions whose review is overdue beyond the grace, and says how
// many that were.
func (b *Book) Lapse(ctx context.Context) (n int, err error) {
	all, err := b.List(ctx)
	if err != nil {
		return 0, err
	}
	for _, x := range all {
		if x.State(b.now()) != Lapsed || x.Ended > 0 {
			continue
		}
		_, err := b.change(ctx, x.ID, func(x *Exception) error {
			x.EndedBy, x.Ended, x.EndReason = "cordon", b.now().UnixMilli(), "nobody reviewed it in time"
			return nil
		})
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
