package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/evidence/bundle"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/zone"
)

// policies is the zone policies of this server: those at its routers, and the
// simulations of what they would do.
type policies struct {
	node *Node
	life context.Context // of simulations; it ends with the node
	busy sync.WaitGroup  // simulations under way

	mu   sync.Mutex
	runs []*api.SimulationRun // guarded by mu, the newest first

	learning sync.Mutex // held while a policy is proposed
	asked    time.Time  // guarded by learning: when none could be proposed in time
	learnt   atomic.Pointer[api.PolicyVersion]
}

// mostRuns is how many simulations are kept.
const mostRuns = 20

// openPolicies judges by what is enforced, else staged, else by the file of
// zone.policy.
func (n *Node) openPolicies(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	n.policies = &policies{node: n, life: life}
	n.closing(func() error {
		end()
		n.policies.busy.Wait()
		return nil
	})
	return n.policies.refresh(ctx)
}

// refresh judges by the policy that counts now.
func (p *policies) refresh(ctx context.Context) error {
	st, err := p.state(ctx)
	if err != nil {
		return err
	}
	for _, v := range []*api.PolicyVersion{st.Force, st.Next} {
		if v != nil {
			return p.judgeBy(v.Text)
		}
	}
	path := p.node.cfg.Zone.Policy
	if path == "" {
		p.node.network.use(nil)
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("zone.policy: %w", err)
	}
	return p.judgeBy(string(text))
}

func (p *policies) judgeBy(text string) error {
	r, err := p.compile(text)
	if err != nil {
		return fmt.Errorf("zone policy: %w", err)
	}
	p.node.network.use(r)
	return nil
}

func (p *policies) compile(text string) (*zone.Ruleset, error) {
	now := p.node.now()
	policy, err := zone.Read([]byte(text), now.Location())
	if err != nil {
		return nil, err
	}
	return zone.Compile(policy, now)
}

// state is what there is, over all places: what differs between routers is a
// problem that is named.
func (p *policies) state(ctx context.Context) (st api.PolicyState, err error) {
	for _, place := range p.node.enforce.places() {
		s, err := p.node.enforce.manager(place).Stand(ctx)
		if err != nil {
			return st, err
		}
		p.addStand(&st, place, s)
	}
	return st, nil
}

func (p *policies) addStand(st *api.PolicyState, place string, s zone.Stand) {
	switch s.Life {
	case zone.Enforced:
		st.Force = p.merge(st.Force, p.version(place, s))
	case zone.Staged, zone.Waiting:
		st.Next = p.merge(st.Next, p.version(place, s))
		if b := s.Before; b != nil {
			st.Force = p.merge(st.Force, p.version(place, zone.Stand{Life: zone.Enforced, Policy: b.Policy, Hash: b.Hash, Text: b.Text, By: b.By, At: b.At}))
		}
	case zone.RolledBack:
		v := p.version(place, s)
		st.Past = append(st.Past, *v)
	}
}

// merge joins what two routers say of their policies.
func (p *policies) merge(old, v *api.PolicyVersion) *api.PolicyVersion {
	if old == nil {
		return v
	}
	if old.Hash != v.Hash || old.Life != v.Life {
		old.Problem = fmt.Sprintf("router %v stands at %s %.12s; stage it again for all", v.Sensors, v.Life, v.Hash)
	}
	old.Sensors = append(old.Sensors, v.Sensors...)
	old.Denied += v.Denied
	old.Probes = append(old.Probes, v.Probes...)
	return old
}

func (p *policies) version(place string, s zone.Stand) *api.PolicyVersion {
	v := &api.PolicyVersion{Hash: s.Hash, Life: s.Life, Text: s.Text, By: s.By, Reason: s.Reason, At: s.At, Until: s.Deadline}
	if place != paperPlace {
		v.Sensors = []string{place}
	}
	if policy, err := zone.Read([]byte(s.Text), p.node.now().Location()); err == nil {
		v.Policy = policy
	}
	if c := s.Counters; c != nil {
		v.Denied = int64(c.Denied + c.Would)
	}
	if x := s.Verified; x != nil {
		for _, r := range x.Probes {
			v.Probes = append(v.Probes, api.Probe{At: r.At, Sensor: place, From: r.Via, To: r.To.String(), Service: fmt.Sprintf("%s/%d", r.Kind, r.Port), Want: r.Pass, Got: r.Passed})
		}
		for _, f := range x.Faults {
			v.Problem = f
		}
	}
	return v
}

// check reads a policy and lists what is wrong with it.
func (p *policies) check(text string) (zone.Policy, []api.PolicyProblem) {
	now := p.node.now()
	policy, err := zone.Read([]byte(text), now.Location())
	if err != nil {
		return policy, []api.PolicyProblem{{Text: err.Error()}}
	}
	var out []api.PolicyProblem
	for _, x := range policy.Check(now) {
		out = append(out, api.PolicyProblem{Line: x.Line, Text: x.In(p.node.cfg.Site.Language), Warning: !x.Refused})
	}
	return policy, out
}

// change moves the policy on at all routers; where one fails, those before it
// are taken back.
func (p *policies) change(ctx context.Context, w api.PolicyWish, by string) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	places := p.node.enforce.places()
	for i, place := range places {
		err := p.step(ctx, p.node.enforce.manager(place), place, w, by)
		if err == nil {
			continue
		}
		errs := []error{fmt.Errorf("%s: %w", place, err)}
		if w.What == api.PolicyStage || w.What == api.PolicyEnforce {
			for _, done := range places[:i] {
				_, back := p.node.enforce.manager(done).Rollback(ctx, zone.Step{By: "cordon", Reason: "another router could not follow"})
				errs = append(errs, back)
			}
		}
		return refusedPolicy(errors.Join(append(errs, p.refresh(ctx))...))
	}
	return p.refresh(ctx)
}

// refusedPolicy is what the person who asked is told: errors of the life of a
// policy are written for people.
func refusedPolicy(err error) error {
	return api.Refusal{Status: 409, Text: ocsf.Text{EN: err.Error(), ZH: "策略未能执行：" + err.Error()}}
}

func (p *policies) step(ctx context.Context, m *zone.Manager, place string, w api.PolicyWish, by string) (err error) {
	who := zone.Step{By: by, Reason: w.Reason}
	switch w.What {
	case api.PolicyStage:
		r, err := p.compile(w.Text)
		if err != nil {
			return err
		}
		_, err = m.Stage(ctx, w.Text, p.simulated(r.Hash), who)
		return err
	case api.PolicyEnforce:
		s, err := m.Stand(ctx)
		if err != nil {
			return err
		}
		if s.Life == zone.Staged && s.Simulation == nil {
			if sim := p.simulated(s.Hash); sim != nil {
				if _, err := m.Stage(ctx, s.Text, sim, zone.Step{By: by, Reason: "simulated"}); err != nil {
					return err
				}
			}
		}
		probes, err := p.probes(s.Text, place)
		if err != nil {
			return err
		}
		_, err = m.Enforce(ctx, zone.EnforceWish{Step: who, Text: s.Text, Confirm: time.Duration(w.Seconds) * time.Second, Probes: probes})
		return err
	case api.PolicyConfirm:
		_, err = m.Confirm(ctx, who)
	case api.PolicyVerify:
		s, err := m.Stand(ctx)
		if err != nil {
			return err
		}
		probes, err := p.probes(s.Text, place)
		if err != nil {
			return err
		}
		_, err = m.Verify(ctx, probes, who)
		return err
	case api.PolicyRollBack:
		_, err = m.Rollback(ctx, who)
	default:
		return fmt.Errorf("there is no step %q", w.What)
	}
	return err
}

// probes are those a router may send itself: into zones that are not medical.
func (p *policies) probes(text, place string) ([]zone.Probe, error) {
	if place == paperPlace {
		return nil, nil
	}
	if path := p.node.cfg.Zone.Probes; path != "" {
		r, err := p.compile(text)
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("zone.probes: %w", err)
		}
		return zone.ReadProbes(data, r)
	}
	return nil, nil
}

// simulated is the newest simulation of a ruleset, nil without one.
func (p *policies) simulated(hash string) *zone.Simulation {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.runs {
		if r.Report != nil && r.Report.Hash == hash {
			return r.Report
		}
	}
	return nil
}

// simulate begins a simulation.
func (p *policies) simulate(ctx context.Context, w api.SimulationWish, by string) (string, error) {
	text := w.Text
	if text == "" {
		st, err := p.state(ctx)
		switch {
		case err != nil:
			return "", err
		case st.Next != nil:
			text = st.Next.Text
		case st.Force != nil:
			text = st.Force.Text
		default:
			return "", api.Refusal{Status: 400, Text: ocsf.Text{EN: "there is no policy to simulate; paste one", ZH: "没有可仿真的策略，请粘贴策略文本"}}
		}
	}
	r, err := p.compile(text)
	if err != nil {
		return "", api.Refusal{Status: 400, Text: ocsf.Text{EN: err.Error(), ZH: "策略有误：" + err.Error()}}
	}
	run := &api.SimulationRun{ID: rand.Text()[:12], By: by, Begun: p.node.now().UnixMilli(), Days: min(max(w.Days, 1), 35)}
	p.mu.Lock()
	p.runs = append([]*api.SimulationRun{run}, p.runs[:min(len(p.runs), mostRuns-1)]...)
	p.mu.Unlock()
	p.busy.Go(func() { p.run(p.life, run, r) })
	return run.ID, nil
}

// run simulates; it lives as long as it takes, at most half an hour.
func (p *policies) run(ctx context.Context, run *api.SimulationRun, r *zone.Ruleset) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	now := p.node.now()
	from := now.Add(-time.Duration(run.Days) * 24 * time.Hour)
	o := zone.SimulateOptions{Site: now.Location()}
	report, err := zone.Simulate(ctx, r, p.watched(ctx, run, from, now), p.node.network, o)
	var force []zone.Pair
	if held := p.node.network.rules.Load(); err == nil && held != nil && held.Hash != r.Hash {
		var other zone.Simulation
		if other, err = zone.Simulate(ctx, held, p.node.network.flows.Conversations(ctx, from.UnixMilli(), now.UnixMilli()), p.node.network, o); err == nil {
			force = other.Pairs
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	run.Ended, run.Share = p.node.now().UnixMilli(), 1
	if err != nil {
		run.Problem = err.Error()
		p.node.log.Error("a simulation failed", "error", err)
		return
	}
	run.Report, run.Force = &report, force
}

// watched gives the conversations and notes how far it is.
func (p *policies) watched(ctx context.Context, run *api.SimulationRun, from, until time.Time) iter.Seq2[flow.Conversation, error] {
	all := p.node.network.flows.Conversations(ctx, from.UnixMilli(), until.UnixMilli())
	span := float64(until.Sub(from).Milliseconds())
	return func(yield func(flow.Conversation, error) bool) {
		n := 0
		for c, err := range all {
			if n++; n%1000 == 0 {
				p.mu.Lock()
				run.Share = min(1, float64(c.From-from.UnixMilli())/span)
				p.mu.Unlock()
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// simulations lists them without their reports.
func (p *policies) simulations(context.Context) ([]api.SimulationRun, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]api.SimulationRun, 0, len(p.runs))
	for _, r := range p.runs {
		one := *r
		one.Report, one.Force = nil, nil
		out = append(out, one)
	}
	return out, nil
}

// simulation is one with its report.
func (p *policies) simulation(_ context.Context, id string) (api.SimulationRun, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.runs, func(r *api.SimulationRun) bool { return r.ID == id })
	if i < 0 {
		return api.SimulationRun{}, fs.ErrNotExist
	}
	return *p.runs[i], nil
}

// segmentationProof writes the proof of what a router enforced: every version
// of its record, from staging to confirmation, bound into the log and signed.
func (n *Node) segmentationProof(ctx context.Context, lang string, w io.Writer) error {
	var buf bytes.Buffer
	for _, place := range n.enforce.places() {
		rec, err := n.evidence.Get(ctx, zone.StandKind, place)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = bundle.Export(ctx, &buf, n.evidence, bundle.Input{Incident: rec, Made: n.now().UnixMilli(), Lang: lang, Describe: zone.DescribeProof, Name: n.name})
		if err != nil {
			return err
		}
		_, err = buf.WriteTo(w)
		return err
	}
	return fs.ErrNotExist
}
