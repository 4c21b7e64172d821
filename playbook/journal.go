package playbook

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/cordon-health/cordon/evidence"
)

// The states of an entry.
const (
	StatusWanted   = "wanted"   // waits for approval, or for room below the cap
	StatusIntended = "intended" // about to be done, or done and not yet noted
	StatusDone     = "done"
	StatusFailed   = "failed"
	StatusDenied   = "denied"
	StatusExpired  = "expired" // nobody approved it in time
	StatusSkipped  = "skipped" // not set up here
	StatusUnsure   = "unsure"  // a crash between doing and noting, not repeatable
	StatusUndone   = "undone"
)

// Entry is one action in the journal. Times are ms.
type Entry struct {
	// Key is unique for ever and goes to the outside as idempotency key.
	Key    string            `json:"key"`
	Action string            `json:"action"`
	Class  Class             `json:"class"`
	Case   string            `json:"case"`
	Params map[string]string `json:"params,omitempty"`
	By     string            `json:"by"`
	// Human is who stands behind By, where that is a program.
	Human  string `json:"human,omitempty"`
	Wanted int64  `json:"wanted"`
	Status string `json:"status"`
	// Decisions are the approvals and denials so far.
	Decisions []Decision `json:"decisions,omitempty"`
	// Before is what was found before it was done, for undoing it.
	Before string `json:"before,omitempty"`
	Done   int64  `json:"done,omitempty"`
	Result string `json:"result,omitempty"`
	// Ends is when the action undoes itself; 0 never.
	Ends   int64  `json:"ends,omitempty"`
	Undone int64  `json:"undone,omitempty"`
	UndoBy string `json:"undo_by,omitempty"`
}

// Decision is one person's word on a wanted action.
type Decision struct {
	By string `json:"by"`
	// Human is who stands behind By, where that is a program.
	Human   string `json:"human,omitempty"`
	Approve bool   `json:"approve"`
	At      int64  `json:"at"`
	Note    string `json:"note,omitempty"`
}

// Person is who asked.
func (e Entry) Person() string { return cmp.Or(e.Human, e.By) }

// Person is who decided.
func (d Decision) Person() string { return cmp.Or(d.Human, d.By) }

// Want asks for an action on a case.
type Want struct {
	Action string
	Case   string
	Params map[string]string
	By     string
	// Human is who stands behind By; empty means By itself.
	Human string
}

func (r *Runner) putEntry(ctx context.Context, e Entry) error {
	return r.put(ctx, evidence.Record{Kind: kindAction, ID: e.Key, Time: e.Wanted, Person: e.By, Status: e.Status, Ref: e.Case}, e)
}

// Entries lists the actions of a case, newest first; an empty case means all.
func (r *Runner) Entries(ctx context.Context, caseID, status string) ([]Entry, error) {
	return list[Entry](ctx, r, evidence.Filter{Kind: kindAction, Ref: caseID, Status: status})
}

// Do asks for an action by hand and does it when nothing stands in its way.
func (r *Runner) Do(ctx context.Context, w Want) (Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.actions[w.Action].takes(w.Params); err != nil {
		return Entry{}, err
	}
	return r.want(ctx, w.Case+"/hand/"+rand.Text()[:12], w)
}

// takes refuses parameters that the action does not know.
func (a Action) takes(params map[string]string) error {
	for name := range params {
		if !slices.Contains(a.Params, name) {
			return fmt.Errorf("action %s takes no parameter %q", a.Name, name)
		}
	}
	return nil
}

// want brings an action as far as it can come now.
func (r *Runner) want(ctx context.Context, key string, w Want) (Entry, error) {
	a, ok := r.actions[w.Action]
	if !ok {
		return Entry{}, fmt.Errorf("no action %q", w.Action)
	}
	e, found, err := get[Entry](ctx, r, kindAction, key)
	if err != nil {
		return e, err
	}
	if !found {
		e = Entry{Key: key, Action: a.Name, Class: a.Class, Case: w.Case, Params: w.Params, By: w.By, Human: w.Human, Wanted: r.now().UnixMilli(), Status: StatusWanted}
		if ready, how := a.Ready(); !ready {
			e.Status, e.Result = StatusSkipped, how.EN
		}
		if err := r.putEntry(ctx, e); err != nil {
			return e, err
		}
	}
	return r.proceed(ctx, a, e)
}

// proceed does a wanted action if approvals and cap allow.
func (r *Runner) proceed(ctx context.Context, a Action, e Entry) (Entry, error) {
	e, err := r.newest(ctx, e)
	if err != nil || e.Status != StatusWanted || r.busy[e.Key] || !r.approved(a, e) {
		return e, err
	}
	full, err := r.capped(ctx, a)
	if err != nil || full {
		return e, err
	}
	if a.Prepare != nil {
		call, err := r.call(ctx, e)
		if err != nil {
			return e, err
		}
		r.outside(e.Key, func() { e.Before, err = a.Prepare(ctx, call) })
		if err != nil {
			e.Status, e.Result = StatusFailed, safe(err)
			return e, errors.Join(r.putEntry(ctx, e), r.tell(ctx, e))
		}
		if full, err := r.capped(ctx, a); err != nil || full {
			return e, err // others were faster
		}
	}
	e.Status = StatusIntended
	if err := r.putEntry(ctx, e); err != nil {
		return e, err
	}
	return r.perform(ctx, a, e)
}

// newest reads an entry again: mu may have been let go since it was read.
func (r *Runner) newest(ctx context.Context, e Entry) (Entry, error) {
	now, found, err := get[Entry](ctx, r, kindAction, e.Key)
	if err != nil || !found {
		return e, err
	}
	return now, nil
}

func (r *Runner) approved(a Action, e Entry) bool {
	if slices.Contains(r.cfg.Automatic, a.Class) {
		return true
	}
	n := 0
	for _, d := range e.Decisions {
		if d.Approve {
			n++
		}
	}
	return n >= a.Class.Approvals()
}

// capped says whether the action has reached its cap for the hour.
func (r *Runner) capped(ctx context.Context, a Action) (bool, error) {
	most := a.Hourly
	if n, ok := r.cfg.Hourly[a.Name]; ok {
		most = n
	}
	hour := r.now().Add(-time.Hour).UnixMilli()
	recent, err := list[Entry](ctx, r, evidence.Filter{Kind: kindAction, Since: hour - r.cfg.ApprovalLife.Milliseconds()})
	if err != nil {
		return false, err
	}
	n := 0
	for _, e := range recent {
		if e.Action == a.Name && (e.Done >= hour || e.Status == StatusIntended) {
			n++
		}
	}
	return n >= most, nil
}

// perform does an intended action and notes the result.
func (r *Runner) perform(ctx context.Context, a Action, e Entry) (Entry, error) {
	call, err := r.call(ctx, e)
	if err != nil {
		return e, err
	}
	var result string
	r.outside(e.Key, func() { result, err = a.Do(ctx, call) })
	if err != nil && ctx.Err() != nil {
		return e, err // stopping: decided after the restart, like a crash
	}
	e.Done, e.Status, e.Result = r.now().UnixMilli(), StatusDone, result
	if a.Life > 0 {
		e.Ends = r.now().Add(a.Life).UnixMilli()
	}
	if err != nil {
		e.Status, e.Result, e.Ends = StatusFailed, safe(err), 0
		r.log.Warn("action failed", "action", a.Name, "case", e.Case, "error", err)
	}
	return e, errors.Join(r.putEntry(ctx, e), r.tell(ctx, e))
}

// tell leaves a line in the case.
func (r *Runner) tell(ctx context.Context, e Entry) error {
	if e.Case == "" {
		return nil
	}
	_, err := r.desk.Comment(ctx, e.Case, e.By, "action", e.Action+": "+e.Status)
	return err
}

func (r *Runner) call(ctx context.Context, e Entry) (Call, error) {
	c := Call{Key: e.Key, Params: e.Params, Before: e.Before, By: e.By, Now: r.now()}
	if e.Case == "" {
		return c, nil
	}
	var err error
	if c.Case, err = r.desk.Get(ctx, e.Case); err != nil {
		return c, err
	}
	c.Findings, err = r.desk.Findings(ctx, c.Case)
	return c, err
}

// recover looks at what a crash left between doing and noting.
func (r *Runner) recover(ctx context.Context) error {
	left, err := list[Entry](ctx, r, evidence.Filter{Kind: kindAction, Status: StatusIntended})
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range left {
		e, err := r.newest(ctx, e)
		if err != nil || e.Status != StatusIntended || r.busy[e.Key] {
			errs = append(errs, err)
			continue
		}
		a, ok := r.actions[e.Action]
		if ok && a.Repeatable {
			_, err = r.perform(ctx, a, e)
		} else {
			e.Status, e.Result = StatusUnsure, "cordon stopped while doing it; see whether it happened, then undo or ask for it again"
			err = errors.Join(r.putEntry(ctx, e), r.tell(ctx, e))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ErrOwn means that nobody approves what he asked for himself.
var ErrOwn = errors.New("somebody else than the one who asked for it must decide")

var errBusy = errors.New("the action is being done at this moment; look again shortly")

// Decide approves or denies a wanted action. One denial denies.
func (r *Runner) Decide(ctx context.Context, key string, d Decision) (Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, found, err := get[Entry](ctx, r, kindAction, key)
	switch {
	case err != nil:
		return e, err
	case !found:
		return e, fs.ErrNotExist
	case r.busy[key]:
		return e, errBusy
	case e.Status != StatusWanted:
		return e, fmt.Errorf("the action is %s; there is nothing to decide", e.Status)
	case d.Approve && d.Person() == e.Person():
		return e, ErrOwn
	case slices.ContainsFunc(e.Decisions, func(o Decision) bool { return o.Person() == d.Person() }):
		return e, errors.New("you have decided on this already")
	}
	d.At = r.now().UnixMilli()
	e.Decisions = append(e.Decisions, d)
	if !d.Approve {
		e.Status = StatusDenied
	}
	if err := r.putEntry(ctx, e); err != nil {
		return e, err
	}
	if !d.Approve {
		return e, r.tell(ctx, e)
	}
	return r.proceed(ctx, r.actions[e.Action], e)
}

// Undo takes back a done (or unsure) action, in one step.
func (r *Runner) Undo(ctx context.Context, key, by string) (Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, found, err := get[Entry](ctx, r, kindAction, key)
	switch {
	case err != nil:
		return e, err
	case !found:
		return e, fs.ErrNotExist
	}
	return r.undo(ctx, e, by)
}

func (r *Runner) undo(ctx context.Context, e Entry, by string) (Entry, error) {
	if r.busy[e.Key] {
		return e, errBusy
	}
	e, err := r.newest(ctx, e)
	if err != nil {
		return e, err
	}
	a, ok := r.actions[e.Action]
	if !ok || a.Undo == nil {
		return e, fmt.Errorf("%s cannot be undone", e.Action)
	}
	if e.Status != StatusDone && e.Status != StatusUnsure {
		return e, fmt.Errorf("the action is %s; there is nothing to undo", e.Status)
	}
	call, err := r.call(ctx, e)
	if err != nil {
		return e, err
	}
	r.outside(e.Key, func() { err = a.Undo(ctx, call) })
	if err != nil {
		return e, fmt.Errorf("undo %s: %w", e.Action, err)
	}
	e.Status, e.Undone, e.UndoBy = StatusUndone, r.now().UnixMilli(), by
	return e, errors.Join(r.putEntry(ctx, e), r.tell(ctx, e))
}

// longest bounds the life of an action that ends by itself.
const longest = 90 * 24 * time.Hour

// expire lets approvals run out and undoes actions whose life has ended; it
// also goes on with what waited for room below its cap.
func (r *Runner) expire(ctx context.Context) error {
	now := r.now()
	wanted, err := r.Entries(ctx, "", StatusWanted)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range wanted {
		e, err := r.newest(ctx, e)
		if err != nil || e.Status != StatusWanted || r.busy[e.Key] {
			errs = append(errs, err)
			continue
		}
		if now.Sub(time.UnixMilli(e.Wanted)) > r.cfg.ApprovalLife {
			e.Status = StatusExpired
			errs = append(errs, r.putEntry(ctx, e), r.tell(ctx, e))
			continue
		}
		if a, ok := r.actions[e.Action]; ok {
			_, err := r.proceed(ctx, a, e)
			errs = append(errs, err)
		}
	}
	done, err := list[Entry](ctx, r, evidence.Filter{Kind: kindAction, Status: StatusDone, Since: now.Add(-longest).UnixMilli()})
	errs = append(errs, err)
	for _, e := range done {
		if e.Ends > 0 && e.Ends <= now.UnixMilli() && !r.busy[e.Key] {
			if e, err := r.newest(ctx, e); err != nil || e.Status != StatusDone {
				errs = append(errs, err)
				continue
			}
			_, err := r.undo(ctx, e, "cordon")
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// safe is an error's text for the journal: kinds of trouble, not internals.
func safe(err error) string {
	text := err.Error()
	if len(text) > 200 {
		text = text[:200]
	}
	return text
}
