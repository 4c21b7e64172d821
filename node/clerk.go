package node

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/tuning"
)

// step is what one message changes outside of memory, in the order of its
// events: an access may be found wanting by one and explained by a later one.
type step []change

// change is one of findings, healings, and accesses that turned out to be
// explained when a message was worked on again.
type change struct {
	findings []ocsf.Finding
	healed   []healing
	cleared  []string // uids
	eased    []string // of those that something weak explains
	hidden   []detect.Hidden
}

func (s *step) find(fs []ocsf.Finding) {
	if len(fs) == 0 {
		return
	}
	if n := len(*s); n > 0 && len((*s)[n-1].findings) > 0 {
		(*s)[n-1].findings = append((*s)[n-1].findings, fs...)
		return
	}
	*s = append(*s, change{findings: fs})
}

func (s *step) heal(hs ...healing) {
	if len(hs) == 0 {
		return
	}
	if n := len(*s); n > 0 && len((*s)[n-1].healed) > 0 {
		(*s)[n-1].healed = append((*s)[n-1].healed, hs...)
		return
	}
	*s = append(*s, change{healed: hs})
}

func (s *step) hide(hs []detect.Hidden) {
	if len(hs) > 0 {
		*s = append(*s, change{hidden: hs})
	}
}

func (s *step) clear(uid string, weakly bool) {
	if weakly {
		*s = append(*s, change{eased: []string{uid}})
		return
	}
	if n := len(*s); n > 0 && len((*s)[n-1].cleared) > 0 {
		(*s)[n-1].cleared = append((*s)[n-1].cleared, uid)
		return
	}
	*s = append(*s, change{cleared: []string{uid}})
}

// healing is an access explained later than it came.
type healing struct {
	was care.Pending
	why ocsf.Explanation
}

// task is the outside work of one message.
type task struct {
	seq    uint64 // 0 when it is of no message
	events []*ocsf.Event
	step   step
	marks  []canary.Mark
	done   chan error // answered when it is durable; nil when nobody waits
}

// clerk makes findings, cases and healed explanations durable, in the order in
// which tasks come, and tells playbooks and meters. The pipeline judges on
// meanwhile; what waits together shares one transaction.
type clerk struct {
	db     *store.DB
	lake   *lake.Lake
	log    *evidence.Log
	desk   *incident.Desk
	tuning *tuning.Book
	told   func([]incident.Change) // playbooks; must return at once
	// proven is told which canaries came out, and when; nil when nobody asks.
	proven func([]canary.Mark, time.Time)

	now   func() time.Time
	slog  *slog.Logger
	count *counters

	tasks   chan *task
	quit    chan struct{}
	running bool // guarded by the pipeline's mu: the clerk has its goroutine

	done atomic.Uint64 // last message whose task is durable
}

// mostTasks is how many messages may be judged ahead of the clerk.
const mostTasks = 8

// start gives the clerk its goroutine. stop waits until every task taken so
// far is durable, or its context ends; afterwards tasks are done at once, in
// the goroutine of who brings them. The pipeline's mu is held by who stops.
func (c *clerk) start(ctx context.Context) (stop func(context.Context)) {
	c.tasks, c.quit, c.running = make(chan *task, mostTasks), make(chan struct{}), true
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.run(ctx)
	}()
	return func(last context.Context) {
		close(c.quit)
		defer context.AfterFunc(last, cancel)()
		<-ended
		cancel()
		c.running = false
	}
}

func (c *clerk) run(ctx context.Context) {
	for {
		select {
		case t := <-c.tasks:
			if c.together(ctx, t) != nil {
				return
			}
		case <-c.quit:
			select {
			case t := <-c.tasks:
				if c.together(ctx, t) != nil {
					return
				}
			default:
				return
			}
		}
	}
}

// together does a task and all that wait behind it in one transaction.
func (c *clerk) together(ctx context.Context, first *task) error {
	group := []*task{first}
	for more := true; more; {
		select {
		case t := <-c.tasks:
			group = append(group, t)
		default:
			more = false
		}
	}
	return c.do(ctx, group)
}

// take hands a task over. It waits when the clerk is far behind. The
// pipeline's mu is held, so that tasks keep the order of their making.
func (c *clerk) take(ctx context.Context, t *task) error {
	if !c.running {
		return c.do(ctx, []*task{t})
	}
	select {
	case c.tasks <- t: // also when ctx has ended, if there is room
		return nil
	default:
	}
	select {
	case c.tasks <- t:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle is take for what belongs to no message; it returns when all is
// durable.
func (c *clerk) settle(ctx context.Context, s step) error {
	if len(s) == 0 {
		return nil
	}
	t := &task{step: s, done: make(chan error, 1)}
	if err := c.take(ctx, t); err != nil {
		return err
	}
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settled waits until the tasks of all messages up to seq are durable.
func (c *clerk) settled(ctx context.Context, seq uint64) error {
	for c.done.Load() < seq {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// do makes a group durable. While that is impossible (disk full) it waits;
// nothing is forgotten.
func (c *clerk) do(ctx context.Context, group []*task) error {
	changes, err := c.persist(ctx, group)
	if err == nil {
		c.told(changes)
	}
	for _, t := range group {
		if err == nil {
			c.measure(t.events, t.step)
			c.prove(t.marks)
			c.done.Store(max(c.done.Load(), t.seq))
		}
		if t.done != nil {
			t.done <- err
		}
	}
	return err
}

// persist tries until it succeeds or ctx ends.
func (c *clerk) persist(ctx context.Context, group []*task) ([]incident.Change, error) {
	var all step
	var marks []canary.Mark
	for _, t := range group {
		all, marks = append(all, t.step...), append(marks, t.marks...)
	}
	if len(all) == 0 && len(marks) == 0 {
		return nil, nil
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		changes, err := c.once(ctx, all, marks)
		if err == nil || ctx.Err() != nil {
			return changes, err
		}
		c.slog.Error("findings wait to be stored", "changes", len(all), "error", err)
		if !pause(ctx, wait) {
			return nil, ctx.Err()
		}
	}
}

func (c *clerk) once(ctx context.Context, s step, marks []canary.Mark) ([]incident.Change, error) {
	var changes []incident.Change
	err := c.db.Update(ctx, func(tx *sql.Tx) error {
		changes = nil
		for _, x := range s {
			more, err := c.write(tx, x)
			if err != nil {
				return err
			}
			changes = append(changes, more...)
		}
		if len(marks) == 0 {
			return nil
		}
		return save(ctx, tx, "node_state", "canary", strconv.FormatInt(marks[len(marks)-1].Sent, 10))
	})
	return changes, err
}

// prove says that canaries came out; they were written down like findings.
func (c *clerk) prove(marks []canary.Mark) {
	if len(marks) > 0 && c.proven != nil {
		c.proven(marks, c.now())
	}
}

func (c *clerk) write(tx *sql.Tx, x change) ([]incident.Change, error) {
	switch {
	case len(x.hidden) > 0:
		return nil, c.tuning.Hide(tx, x.hidden)
	case len(x.healed) > 0:
		return c.heal(tx, x.healed)
	case len(x.eased) > 0:
		return c.desk.Weaken(tx, x.eased, "explained weakly when worked on again")
	case len(x.cleared) > 0:
		return c.desk.Withdraw(tx, x.cleared, "explained when worked on again")
	}
	return c.desk.Add(tx, x.findings)
}

func (c *clerk) heal(tx *sql.Tx, hs []healing) ([]incident.Change, error) {
	byKind, weakly := map[string][]string{}, map[string][]string{}
	for _, h := range hs {
		if err := c.correct(tx, h); err != nil {
			return nil, err
		}
		to := byKind
		if h.why.Weak {
			to = weakly
		}
		to[h.why.Kind] = append(to[h.why.Kind], h.was.UID)
	}
	var changes []incident.Change
	for _, kind := range sortedKeys(weakly) {
		more, err := c.desk.Weaken(tx, weakly[kind], "explained later, weakly: "+kind)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	for _, kind := range sortedKeys(byKind) {
		more, err := c.desk.Withdraw(tx, byKind[kind], "explained later: "+kind)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	return changes, nil
}

// correct records a later explanation, for questions and as evidence.
func (c *clerk) correct(tx *sql.Tx, h healing) error {
	if err := c.lake.Correct(tx, h.was.UID, h.why, h.why.At); err != nil {
		return err
	}
	body, err := json.Marshal(h.why)
	if err != nil {
		return err
	}
	_, err = c.log.Put(tx, evidence.Record{
		Kind: "explanation", ID: h.was.UID, Time: h.why.At, Person: h.was.Person, Patient: h.was.Patient, Status: h.why.Kind, Body: body,
	})
	return err
}

// measure counts, and notes how long warnings took.
func (c *clerk) measure(evs []*ocsf.Event, s step) {
	c.count.stored.Add(float64(len(evs)))
	now := c.now().UnixMilli()
	arrived := map[string]int64{}
	for _, ev := range evs {
		if x := ev.Explanation; x != nil {
			c.count.access(x)
		}
		arrived[ev.Metadata.UID] = ev.Metadata.LoggedTime
	}
	for _, x := range s {
		c.count.findings.Add(float64(len(x.findings)))
		c.count.healed.Add(float64(len(x.healed)))
		for _, f := range x.findings {
			for _, uid := range f.Events {
				if at, ok := arrived[uid]; ok && at > 0 {
					c.count.latency.Observe(float64(now-at) / 1000)
				}
			}
		}
	}
}
