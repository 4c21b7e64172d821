package zone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Stand is where the policy of one place (a router) stands; every change of it
// is a version of one record, kind [StandKind], and together they are the proof
// of what was enforced: see [DescribeProof]. Times are ms since 1970 UTC.
type Stand struct {
	Place  string `json:"place"`
	Policy string `json:"policy"`
	Life   Life   `json:"life"`
	Hash   string `json:"hash"`
	// Text is the policy as it was written.
	Text string `json:"text"`
	// By did the last step, At then, for Reason.
	By     string `json:"by"`
	At     int64  `json:"at"`
	Reason string `json:"reason,omitempty"`
	// Deadline is when a policy that waits is rolled back.
	Deadline int64 `json:"deadline,omitempty"`
	// Before is what a rollback brings back: what was enforced; nil is nothing.
	Before *Version `json:"before,omitempty"`
	// Forced says that a condition was passed over, for Reason.
	Forced     bool          `json:"forced,omitempty"`
	Simulation *Simulation   `json:"simulation,omitempty"`
	Applied    *Applied      `json:"applied,omitempty"`
	Verified   *Verification `json:"verified,omitempty"`
	// Counters are the kernel's and Log those of its records, at this step.
	Counters *Counters `json:"counters,omitempty"`
	Log      *LogStats `json:"log,omitempty"`
}

// Version is a policy that was enforced.
type Version struct {
	Policy string `json:"policy"`
	Hash   string `json:"hash"`
	Text   string `json:"text"`
	By     string `json:"by"`
	At     int64  `json:"at"`
}

// Verification is what was found when enforcement was looked at.
type Verification struct {
	At int64 `json:"at"`
	OK bool  `json:"ok"`
	// Faults are differences between the kernel and the ruleset, Others rules
	// of somebody else on the path.
	Faults []string      `json:"faults,omitempty"`
	Others []string      `json:"others,omitempty"`
	Probes []ProbeResult `json:"probes,omitempty"`
	// Before and After are the kernel's counters around the probes.
	Before Counters `json:"before"`
	After  Counters `json:"after"`
}

// Bad counts probes that did not find what they expected.
func (v Verification) Bad() (n int) {
	for _, p := range v.Probes {
		if !p.OK {
			n++
		}
	}
	return n
}

// Journal keeps the stand of one place. Save returns when it would survive a
// crash; what it saved last is what Load returns.
type Journal interface {
	Load(ctx context.Context) (Stand, bool, error)
	Save(ctx context.Context, s Stand) error
}

// Manager takes a policy through its life at one place: draft, staged, waiting
// for confirmation, enforced, rolled back.
//
// What it guarantees: what is enforced was staged and simulated before, unless
// somebody forced it and said why; the intent is in the journal before the
// kernel changes; a policy that fails verification, or that nobody confirms in
// time, is rolled back in one step to what was enforced before, or to nothing.
// When Cordon dies while a policy waits, the kernel itself ends the trial and
// lets everything pass; [Manager.Recover] then brings back what was enforced
// before. Methods may be called concurrently.
type Manager struct {
	parts ManagerParts
	mu    sync.Mutex // one step at a time
}

// ManagerParts is what a manager works with.
type ManagerParts struct {
	// Place names the router, for people.
	Place    string
	Enforcer Enforcer
	Journal  Journal
	// Site is the zone of time that days of expiry mean.
	Site *time.Location
	// Prober sends probes; nil sends none.
	Prober Prober
	// LogStats tells how the reader of denials fares; nil where there is none.
	LogStats func() LogStats
	// Strict: see [Order].
	Strict bool
	Now    func() time.Time
	Log    *slog.Logger
}

// NewManager makes a manager; call Recover before anything else.
func NewManager(p ManagerParts) *Manager {
	if p.Site == nil {
		p.Site = time.UTC
	}
	return &Manager{parts: p}
}

// How long a policy waits for confirmation.
const (
	DefaultConfirm = 60 * time.Second
	leastConfirm   = 2 * time.Second
	mostConfirm    = 24 * time.Hour
)

// The steps that cannot be done now.
var (
	ErrNotStaged  = errors.New("this version of the policy was not staged here; stage it first, watch what it would drop, then enforce it (or force it and say why)")
	ErrNoSimulate = errors.New("this version of the policy was not simulated; simulate it on what was seen (or force it and say why)")
	ErrWaiting    = errors.New("a policy waits for confirmation; confirm it or roll it back first")
	ErrNotWaiting = errors.New("no policy waits for confirmation")
	ErrTooLate    = errors.New("the time to confirm was over; the policy was rolled back")
	ErrUnverified = errors.New("verification failed; the policy was rolled back")
)

// Stand reads where the policy stands.
func (m *Manager) Stand(ctx context.Context) (Stand, error) {
	s, found, err := m.parts.Journal.Load(ctx)
	if err == nil && !found {
		s = Stand{Place: m.parts.Place, Life: Draft}
	}
	return s, err
}

// Compile reads a policy and turns it into what is loaded today.
func (m *Manager) Compile(text string) (*Ruleset, error) {
	p, err := Read([]byte(text), m.parts.Site)
	if err != nil {
		return nil, err
	}
	return Compile(p, m.parts.Now())
}

// Step is who does something, and why.
type Step struct {
	By     string
	Reason string
}

// Stage loads a policy that only records what it would drop. What is enforced
// stays so.
func (m *Manager) Stage(ctx context.Context, text string, sim *Simulation, who Step) (Stand, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, err := m.Stand(ctx)
	if err != nil {
		return old, err
	}
	if old.Life == Waiting {
		return old, ErrWaiting
	}
	r, err := m.Compile(text)
	if err != nil {
		return old, err
	}
	if sim != nil && sim.Hash != r.Hash {
		return old, fmt.Errorf("the simulation is of ruleset %.12s, the policy is %.12s; simulate it again", sim.Hash, r.Hash)
	}
	s := m.next(old, who)
	s.Life, s.Policy, s.Hash, s.Text, s.Simulation, s.Before = Staged, r.Policy, r.Hash, text, sim, old.enforced()
	a, err := m.parts.Enforcer.Apply(ctx, r, Order{Mode: Stage})
	if err != nil {
		return old, err
	}
	s.Applied = &a
	return s, m.parts.Journal.Save(ctx, s)
}

// enforced is what holds at this stand.
func (s Stand) enforced() *Version {
	if s.Life == Enforced {
		return &Version{Policy: s.Policy, Hash: s.Hash, Text: s.Text, By: s.By, At: s.At}
	}
	return s.Before
}

// next begins a new version.
func (m *Manager) next(old Stand, who Step) Stand {
	s := old
	s.Place, s.By, s.Reason, s.At = m.parts.Place, who.By, who.Reason, m.parts.Now().UnixMilli()
	s.Deadline, s.Forced, s.Applied, s.Verified, s.Counters, s.Log = 0, false, nil, nil, nil, nil
	return s
}

// EnforceWish says how to enforce.
type EnforceWish struct {
	Step
	Text string
	// Confirm is how long to wait for confirmation. Default: a minute.
	Confirm time.Duration
	// Force passes over what was not staged or simulated; Reason must say why.
	Force  bool
	Probes []Probe
}

// Enforce loads a policy on trial and verifies it. It is rolled back when that
// fails, and when it is not confirmed in time.
func (m *Manager) Enforce(ctx context.Context, w EnforceWish) (Stand, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, err := m.Stand(ctx)
	if err != nil {
		return old, err
	}
	r, err := m.Compile(w.Text)
	if err != nil {
		return old, err
	}
	if w.Confirm == 0 {
		w.Confirm = DefaultConfirm
	}
	if err := w.mayFollow(old, r); err != nil {
		return old, err
	}
	s := m.next(old, w.Step)
	s.Life, s.Policy, s.Hash, s.Text, s.Forced, s.Before = Waiting, r.Policy, r.Hash, w.Text, w.Force, old.enforced()
	if old.Hash != r.Hash {
		s.Simulation = nil
	}
	if c, err := m.parts.Enforcer.Counters(ctx, r, Stage); err == nil {
		s.Counters = &c // what staging saw
	}
	s.Deadline = m.parts.Now().Add(w.Confirm).UnixMilli()
	if err := m.parts.Journal.Save(ctx, s); err != nil {
		return old, err
	}
	a, err := m.parts.Enforcer.Apply(ctx, r, Order{Mode: Trial, Trial: w.Confirm, Cut: true, Strict: m.parts.Strict})
	if err != nil {
		_, back := m.back(ctx, s, Step{By: "cordon", Reason: "the policy could not be loaded"})
		return old, errors.Join(err, back)
	}
	s.Applied = &a
	v, err := m.verify(ctx, r, Trial, w.Probes)
	s.Verified = &v
	if err != nil || !v.OK {
		after, back := m.back(ctx, s, Step{By: "cordon", Reason: "verification failed"})
		return after, errors.Join(ErrUnverified, err, back)
	}
	return s, m.parts.Journal.Save(ctx, s)
}

// mayFollow says what is missing before a policy may be enforced.
func (w EnforceWish) mayFollow(old Stand, r *Ruleset) error {
	staged := old.Hash == r.Hash && (old.Life == Staged || old.Life == Enforced)
	switch {
	case w.Confirm < leastConfirm || w.Confirm > mostConfirm:
		return fmt.Errorf("the time to confirm must be from %s to %s", leastConfirm, mostConfirm)
	case old.Life == Waiting:
		return ErrWaiting
	case w.Force && w.Reason == "":
		return errors.New("to force it, say why")
	case w.Force:
		return nil
	case !staged:
		return ErrNotStaged
	case old.Simulation == nil:
		return ErrNoSimulate
	}
	return nil
}

// Confirm makes a policy on trial stay.
func (m *Manager) Confirm(ctx context.Context, who Step) (Stand, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, err := m.Stand(ctx)
	if err != nil {
		return old, err
	}
	if old.Life != Waiting {
		return old, ErrNotWaiting
	}
	if m.parts.Now().UnixMilli() >= old.Deadline {
		s, err := m.back(ctx, old, Step{By: "cordon", Reason: "nobody confirmed in time"})
		return s, errors.Join(ErrTooLate, err)
	}
	r, err := m.Compile(old.Text)
	if err != nil {
		return old, err
	}
	s := m.next(old, who)
	s.Life, s.Verified, s.Forced = Enforced, old.Verified, old.Forced
	if c, err := m.parts.Enforcer.Counters(ctx, r, Trial); err == nil {
		s.Counters = &c
	}
	s.Log = m.logStats()
	// The journal follows the kernel: a crash between leaves a confirmed policy
	// that Recover still takes for a waiting one, and rolls back. The other
	// order would leave one that is thought enforced and whose trial runs out.
	a, err := m.parts.Enforcer.Apply(ctx, r, Order{Mode: Enforce, Cut: true, Strict: m.parts.Strict})
	if err != nil {
		return old, err
	}
	s.Applied = &a
	return s, m.parts.Journal.Save(ctx, s)
}

func (m *Manager) logStats() *LogStats {
	if m.parts.LogStats == nil {
		return nil
	}
	l := m.parts.LogStats()
	return &l
}

// Rollback brings back what was enforced before, or nothing, in one step.
func (m *Manager) Rollback(ctx context.Context, who Step) (Stand, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, err := m.Stand(ctx)
	if err != nil {
		return old, err
	}
	if old.Life == Draft || old.Life == RolledBack {
		return old, errors.New("nothing is staged or enforced here; there is nothing to roll back")
	}
	return m.back(ctx, old, who)
}

// back is a rollback; a staged policy is only taken away.
func (m *Manager) back(ctx context.Context, old Stand, who Step) (Stand, error) {
	s := m.next(old, who)
	s.Life, s.Verified = RolledBack, old.Verified
	s.Log = m.logStats()
	if r, err := m.Compile(old.Text); err == nil {
		if c, err := m.parts.Enforcer.Counters(ctx, r, modeOf(old.Life)); err == nil {
			s.Counters = &c
		}
	}
	if err := m.restore(ctx, old); err != nil {
		return old, fmt.Errorf("roll back: %w", err)
	}
	if before := old.Before; before != nil {
		// What holds now is the version before; the record says both.
		s.Reason = fmt.Sprintf("%s (policy %s %.12s holds again)", s.Reason, before.Policy, before.Hash)
	}
	if err := m.parts.Journal.Save(ctx, s); err != nil {
		return s, err
	}
	if old.Before == nil {
		return s, nil
	}
	held := m.next(s, who)
	held.Life, held.Policy, held.Hash, held.Text, held.Before, held.Simulation = Enforced, old.Before.Policy, old.Before.Hash, old.Before.Text, nil, nil
	held.Reason = "holds again after a rollback"
	return s, m.parts.Journal.Save(ctx, held)
}

func modeOf(l Life) Mode {
	switch l {
	case Staged:
		return Stage
	case Waiting:
		return Trial
	}
	return Enforce
}

// restore has the kernel hold what was enforced before.
func (m *Manager) restore(ctx context.Context, old Stand) error {
	switch {
	case old.Life == Staged:
		return m.parts.Enforcer.Remove(ctx, Stage)
	case old.Before == nil:
		return m.parts.Enforcer.Remove(ctx, Enforce)
	}
	r, err := m.Compile(old.Before.Text)
	if err != nil {
		// Letting everything pass is better than a policy nobody confirmed.
		return errors.Join(fmt.Errorf("the policy enforced before cannot be compiled any more; nothing is enforced now: %w", err), m.parts.Enforcer.Remove(ctx, Enforce))
	}
	_, err = m.parts.Enforcer.Apply(ctx, r, Order{Mode: Enforce, Strict: m.parts.Strict})
	return err
}

// Recover makes kernel and journal agree: after a start of Cordon or of the
// machine, whose kernel has forgotten everything.
func (m *Manager) Recover(ctx context.Context) (Stand, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.Stand(ctx)
	if err != nil {
		return s, err
	}
	switch s.Life {
	case Waiting:
		return m.overdue(ctx, s)
	case Staged:
		if err := m.reload(ctx, s.Text, s.Hash, Stage); err != nil {
			return s, err
		}
		if s.Before != nil {
			return s, m.reload(ctx, s.Before.Text, s.Before.Hash, Enforce)
		}
	case Enforced:
		return s, m.reload(ctx, s.Text, s.Hash, Enforce)
	}
	return s, nil
}

// Overdue rolls back a policy whose trial is over, and mends nothing else.
func (m *Manager) Overdue(ctx context.Context) (Stand, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.Stand(ctx)
	if err != nil || s.Life != Waiting {
		return s, err
	}
	return m.overdue(ctx, s)
}

func (m *Manager) overdue(ctx context.Context, s Stand) (Stand, error) {
	if m.parts.Now().UnixMilli() < s.Deadline {
		have, err := m.parts.Enforcer.Loaded(ctx, nil, Trial)
		if err != nil || have.Hash == s.Hash && have.Mode == Trial && have.Armed > 0 {
			return s, err // there is still time to confirm
		}
	}
	return m.back(ctx, s, Step{By: "cordon", Reason: "nobody confirmed in time, or cordon stopped before"})
}

// reload loads a policy anew where the kernel does not hold it. A ruleset of
// the same policy whose conduits have expired since counts as another.
func (m *Manager) reload(ctx context.Context, text, hash string, mode Mode) error {
	r, err := m.Compile(text)
	if err != nil {
		return err
	}
	have, err := m.parts.Enforcer.Loaded(ctx, r, mode)
	if err != nil {
		return err
	}
	if have.Present && len(have.Faults) == 0 && have.Mode == mode {
		return nil
	}
	m.parts.Log.Warn("the kernel does not hold the policy; it is loaded again", "hash", hash, "mode", string(mode), "faults", len(have.Faults))
	_, err = m.parts.Enforcer.Apply(ctx, r, Order{Mode: mode, Cut: mode == Enforce})
	return err
}

// The times of Run.
const (
	watchEvery = time.Second
	beatEvery  = 10 * time.Second
	beatLife   = 30 * time.Second
	checkEvery = time.Minute
)

// Run watches until ctx ends: it rolls back what nobody confirmed, keeps
// fail-open zones enforced, and loads again what somebody changed or what time
// has changed: conduits that expire.
func (m *Manager) Run(ctx context.Context) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for n := time.Duration(0); ; n += watchEvery {
		if err := m.watch(ctx, n%beatEvery == 0, n%checkEvery == 0); err != nil && ctx.Err() == nil {
			m.parts.Log.Error("watching over the zone policy failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (m *Manager) watch(ctx context.Context, beat, check bool) error {
	s, err := m.Stand(ctx)
	if err != nil {
		return err
	}
	var errs []error
	if s.Life == Waiting && m.parts.Now().UnixMilli() >= s.Deadline {
		after, err := m.Overdue(ctx)
		if err == nil && after.Life == RolledBack {
			m.parts.Log.Warn("nobody confirmed the zone policy in time; it was rolled back", "policy", s.Policy)
		}
		return err
	}
	if holds := s.Life == Enforced || s.Life == Waiting || s.Before != nil; beat && holds {
		errs = append(errs, m.parts.Enforcer.Beat(ctx, beatLife))
	}
	if check && slices.Contains([]Life{Enforced, Staged}, s.Life) {
		_, err := m.Recover(ctx)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Verify looks whether what is enforced holds, and keeps the answer.
func (m *Manager) Verify(ctx context.Context, probes []Probe, who Step) (Stand, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.Stand(ctx)
	if err != nil {
		return s, err
	}
	if s.Life == Draft || s.Life == RolledBack {
		return s, errors.New("nothing is staged or enforced here; there is nothing to verify")
	}
	r, err := m.Compile(s.Text)
	if err != nil {
		return s, err
	}
	v, err := m.verify(ctx, r, modeOf(s.Life), probes)
	if err != nil {
		return s, err
	}
	deadline := s.Deadline
	s = m.next(s, who)
	s.Verified, s.Counters, s.Log, s.Deadline = &v, &v.After, m.logStats(), deadline
	return s, m.parts.Journal.Save(ctx, s)
}

// verify compares the kernel with the ruleset and sends the probes.
func (m *Manager) verify(ctx context.Context, r *Ruleset, mode Mode, probes []Probe) (v Verification, err error) {
	v.At = m.parts.Now().UnixMilli()
	have, err := m.parts.Enforcer.Loaded(ctx, r, mode)
	if err != nil {
		return v, err
	}
	v.Faults, v.Others = have.Faults, have.Others
	switch {
	case !have.Present:
		v.Faults = append(v.Faults, "the kernel holds no policy")
	case have.Mode != mode:
		v.Faults = append(v.Faults, fmt.Sprintf("the kernel holds the policy in mode %s, not %s", have.Mode, mode))
	}
	if v.Before, err = m.parts.Enforcer.Counters(ctx, r, mode); err != nil {
		return v, err
	}
	v.Probes = m.probe(ctx, probes, mode)
	if v.After, err = m.parts.Enforcer.Counters(ctx, r, mode); err != nil {
		return v, err
	}
	v.OK = len(v.Faults) == 0 && v.Bad() == 0 && ctx.Err() == nil
	return v, ctx.Err()
}

// probesAtOnce bounds how many probes are under way.
const probesAtOnce = 16

func (m *Manager) probe(ctx context.Context, probes []Probe, mode Mode) []ProbeResult {
	if m.parts.Prober == nil {
		return nil
	}
	out := make([]ProbeResult, len(probes))
	slots := make(chan struct{}, probesAtOnce)
	var wg sync.WaitGroup
	for i, p := range probes {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			at := m.parts.Now().UnixMilli()
			x := m.parts.Prober.Probe(ctx, p)
			x.Probe, x.At = p, at
			if x.judge(); mode == Stage && !p.Pass {
				x.OK = true // staged: it passes, and is recorded
			}
			out[i] = x
		})
	}
	wg.Wait()
	return out
}
