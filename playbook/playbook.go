// Package playbook acts: it runs dispositions, written as CACAO 2.0 playbooks,
// on cases, and it is the only one that runs an [Action].
//
// Everything goes through a journal of records in the evidence book, kinds
// "run" (one playbook on one case) and "action" (one step's action). An
// action is written down before it is done (intended) and after (done or
// failed). Its key is run and step, so it exists once however often a crash
// repeats the step; after a crash between the two, it is done again with the
// same key if it may be repeated, and otherwise left to a person as unsure.
// Timers and approvals are fields of records, so they survive everything.
//
// What it guarantees: an action whose class needs approval is not done before
// somebody else than its requester approved it (one denial denies, classes
// ask for one or two approvals, an approval ends with its life); at most
// [Action.Hourly] of an action happen in an hour; an action that can be undone
// stays undoable in one step until it is undone; an action with a life
// undoes itself. Nothing a playbook does can reach a device: such actions come
// with the parts that know which ones keep people alive.
//
// What it does not do: it does not decide what is a case, and it keeps no
// tables of its own.
package playbook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Class says how much an action intrudes, and so who must approve it.
type Class string

// The approval classes.
const (
	Inform   Class = "inform"   // tells those whose work it is
	Contact  Class = "contact"  // writes to members of staff
	Restrict Class = "restrict" // takes something from one person; one approval
	Cut      Class = "cut"      // affects many or a machine; two approvals
)

// Approvals is how many people must approve an action of the class.
func (c Class) Approvals() int {
	if c == Cut {
		return 2
	}
	return 1
}

// Action is one thing playbooks and people may do. It explains itself: CLI,
// console and documentation are printed from it.
type Action struct {
	// Name is stable and kebab-case.
	Name  string
	Title ocsf.Text
	Why   ocsf.Text
	Class Class
	// Hourly caps how often it may run in an hour.
	Hourly int
	// Life, when set, undoes the action by itself.
	Life time.Duration
	// Repeatable says that doing it twice with the same key does no harm.
	Repeatable bool
	// Params names the parameters it takes; others are refused.
	Params []string
	// Ready says whether it is set up; the text is what to configure.
	Ready func() (bool, ocsf.Text)
	// Prepare, when set, reads what Undo will need; it is journalled with the
	// intent, before anything is done.
	Prepare func(ctx context.Context, c Call) (before string, err error)
	Do      func(ctx context.Context, c Call) (result string, err error)
	// Undo takes it back; nil where that is impossible.
	Undo func(ctx context.Context, c Call) error
}

// Call is what an action gets.
type Call struct {
	// Key is the idempotency key, the same for every attempt.
	Key    string
	Params map[string]string
	// Before is what Prepare returned.
	Before   string
	Case     incident.Case
	Findings []ocsf.Finding
	By       string
	Now      time.Time
}

// Runner runs playbooks. All methods may be called concurrently.
type Runner struct {
	cfg     Config
	key     keyed.Key
	site    Site
	db      *store.DB
	book    *evidence.Log
	desk    *incident.Desk
	actions map[string]Action
	order   []string
	plays   []Playbook
	now     func() time.Time
	log     *slog.Logger

	steps sync.Mutex // held by Step: one at a time
	// mu is held while a run or entry is read, decided on and written, never
	// while an action works: see outside.
	mu   sync.Mutex
	busy map[string]bool // keys of entries an action works for; guarded by mu
	wake chan struct{}
}

// Parts is what a runner works with.
type Parts struct {
	Config Config
	Site   Site
	// Key signs links.
	Key  keyed.Key
	DB   *store.DB
	Book *evidence.Log
	Desk *incident.Desk
	// Actions of the controls, beside those of this package.
	Actions   []Action
	Playbooks []Playbook
	Now       func() time.Time
	Log       *slog.Logger
}

// Site is what messages say about the hospital.
type Site struct {
	Name string
	// URL of the console, without a slash at its end.
	URL string
	// Language of messages to more than one reader: zh or en.
	Language string
	// Person finds a member of staff: account and manager's person_id.
	Person func(id string) (account, manager string, ok bool)
}

// New makes a runner of playbooks and actions.
func New(p Parts) (*Runner, error) {
	if err := p.Config.Check(); err != nil {
		return nil, err
	}
	r := &Runner{
		cfg: p.Config, key: p.Key, site: p.Site, db: p.DB, book: p.Book, desk: p.Desk, actions: map[string]Action{}, busy: map[string]bool{},
		plays: p.Playbooks, now: p.Now, log: p.Log, wake: make(chan struct{}, 1),
	}
	for _, a := range append(r.own(), p.Actions...) {
		if err := a.check(); err != nil {
			return nil, err
		}
		if _, twice := r.actions[a.Name]; twice {
			return nil, fmt.Errorf("action %s is offered twice", a.Name)
		}
		r.actions[a.Name] = a
		r.order = append(r.order, a.Name)
	}
	for _, play := range p.Playbooks {
		if err := play.check(r.actions); err != nil {
			return nil, fmt.Errorf("playbook %s: %w", play.Name, err)
		}
	}
	return r, nil
}

func (a Action) check() error {
	switch {
	case a.Name == "" || a.Do == nil || a.Ready == nil:
		return fmt.Errorf("action %q is not complete", a.Name)
	case a.Title.EN == "" || a.Title.ZH == "" || a.Why.EN == "" || a.Why.ZH == "":
		return fmt.Errorf("action %s does not explain itself in both languages", a.Name)
	case a.Hourly < 1:
		return fmt.Errorf("action %s has no cap", a.Name)
	case a.Life < 0 || a.Life > longest:
		return fmt.Errorf("action %s: its life must be at most %s", a.Name, longest)
	case a.Life > 0 && a.Undo == nil:
		return fmt.Errorf("action %s ends by itself but cannot be undone", a.Name)
	}
	return nil
}

// Actions lists the actions in the order they were offered.
func (r *Runner) Actions() []Action {
	var list []Action
	for _, name := range r.order {
		list = append(list, r.actions[name])
	}
	return list
}

// Playbooks lists the playbooks.
func (r *Runner) Playbooks() []Playbook { return r.plays }

// Notice wakes the runner: cases changed. What to do is read from the records,
// so a missed call loses nothing.
func (r *Runner) Notice([]incident.Change) {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends: when woken, and every few seconds for timers.
func (r *Runner) Run(ctx context.Context) error {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for {
		if err := r.Step(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("playbooks wait", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-r.wake:
		}
	}
}

// Step does what is due now: begins runs for new cases, advances runs, does
// approved actions, lets time run out.
func (r *Runner) Step(ctx context.Context) error {
	r.steps.Lock()
	defer r.steps.Unlock()
	return errors.Join(r.journal(ctx), r.chase(ctx))
}

func (r *Runner) journal(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.begin(ctx), r.recover(ctx), r.advanceAll(ctx), r.expire(ctx))
}

// outside lets go of mu while f works on the world outside, which may take
// long. Meanwhile the entry of the key is busy and nobody else touches it.
func (r *Runner) outside(key string, f func()) {
	r.busy[key] = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.busy, key)
	}()
	f()
}

// The kinds of records.
const (
	kindRun      = "run"
	kindAction   = "action"
	kindQuestion = "question"
)

// put writes a record of one of the runner's kinds in its own transaction.
func (r *Runner) put(ctx context.Context, rec evidence.Record, body any) error {
	var err error
	if rec.Body, err = json.Marshal(body); err != nil {
		return err
	}
	return r.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := r.book.Put(tx, rec)
		return err
	})
}

func read[T any](rec evidence.Record) (T, error) {
	var v T
	if err := json.Unmarshal(rec.Body, &v); err != nil {
		return v, fmt.Errorf("read %s record: %w", rec.Kind, err)
	}
	return v, nil
}

// list reads all records of a kind and status.
func list[T any](ctx context.Context, r *Runner, f evidence.Filter) ([]T, error) {
	recs, err := r.book.List(ctx, f)
	if err != nil {
		return nil, err
	}
	var all []T
	for _, rec := range recs {
		v, err := read[T](rec)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// get reads one record; found is false when there is none.
func get[T any](ctx context.Context, r *Runner, kind, id string) (v T, found bool, err error) {
	rec, err := r.book.Get(ctx, kind, id)
	if errors.Is(err, fs.ErrNotExist) {
		return v, false, nil
	}
	if err != nil {
		return v, false, err
	}
	v, err = read[T](rec)
	return v, err == nil, err
}
