package node

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/zone"
)

// addZones tells sensors which networks are which zones, so that they notice
// who stands in two.
func (x *network) addZones(t *binding.Table) {
	r := x.rules.Load()
	if r == nil {
		return
	}
	for _, z := range r.Zones {
		for _, p := range z.Networks {
			t.Networks = append(t.Networks, binding.Network{Prefix: p.Masked(), Zone: z.Name})
		}
	}
	t.Mark += "-" + r.Hash[:min(len(r.Hash), 16)]
}

// tend judges by the policy of today: conduits expire at midnight. Now and then
// it learns what policy would fit what was seen.
func (p *policies) tend(ctx context.Context) error {
	day := p.node.now().YearDay()
	for i := 1; pause(ctx, time.Minute); i++ {
		if today := p.node.now().YearDay(); today != day {
			if err := p.refresh(ctx); err != nil {
				p.node.log.Error("conversations are judged by the policy of yesterday, trying again", "error", err)
				continue
			}
			day = today
		}
		if i%60 == 0 {
			p.learning.Lock()
			if err := p.learn(ctx); err != nil && ctx.Err() == nil {
				p.node.log.Warn("no policy could be proposed", "error", err)
			}
			p.learning.Unlock()
		}
	}
	return nil
}

const (
	// learnDays is how far back a proposal looks: month ends included.
	learnDays = 35
	// learnPatience is how long who asks waits for a proposal that is not there,
	// and learnAgain after how long the next one waits; the hourly one takes its
	// time.
	learnPatience = 3 * time.Second
	learnAgain    = time.Minute
)

// all is the state with a proposal; the first one is made when it is asked for.
func (p *policies) all(ctx context.Context) (api.PolicyState, error) {
	st, err := p.state(ctx)
	if err != nil {
		return st, err
	}
	if p.learnt.Load() == nil && p.learning.TryLock() {
		if now := p.node.now(); now.Sub(p.asked) >= learnAgain {
			short, cancel := context.WithTimeout(ctx, learnPatience)
			if err := p.learn(short); err != nil {
				p.node.log.Warn("no policy could be proposed yet", "error", err)
				p.asked = now
			}
			cancel()
		}
		p.learning.Unlock()
	}
	st.Learnt = p.learnt.Load()
	return st, nil
}

// learn proposes a policy from what was seen, if anything was. What is in force,
// or else staged, is completed. The caller holds learning.
func (p *policies) learn(ctx context.Context) error {
	st, err := p.state(ctx)
	if err != nil {
		return err
	}
	var base zone.Policy
	for _, v := range []*api.PolicyVersion{st.Next, st.Force} {
		if v != nil {
			base = v.Policy
		}
	}
	now := p.node.now()
	flows := p.node.network.flows.Conversations(ctx, now.AddDate(0, 0, -learnDays).UnixMilli(), now.UnixMilli())
	got, err := zone.Learn(ctx, base, flows, p.node.network, zone.LearnOptions{Now: now, Site: now.Location()})
	if err != nil || got.Sessions == 0 {
		return err
	}
	v := &api.PolicyVersion{Life: zone.Draft, Policy: got.Policy, Text: got.Text(), By: ownSource, At: now.UnixMilli()}
	if r, err := p.compile(v.Text); err == nil {
		v.Hash = r.Hash
	} else {
		v.Problem = err.Error() // a person completes it: owners, reasons
	}
	p.learnt.Store(v)
	return nil
}

// guard has the bridges of this machine hold to the bindings: ports behind which
// somebody is locked are guarded. A lease of a known server is a binding like
// any other within a second.
func (e *enforcement) guard(ctx context.Context) error {
	if e.near == nil || !e.node.cfg.Zone.Guard {
		return nil
	}
	mark, told := "", ""
	for {
		if t := e.node.network.table(); t.Mark != mark {
			err := e.hold(ctx, t)
			switch {
			case err == nil:
				mark, told = t.Mark, ""
			case ctx.Err() == nil && told != err.Error():
				told = err.Error()
				e.node.log.Error("the bridges' guard holds to older bindings, trying again", "error", err)
			}
		}
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}

// hold loads the guard, or takes it away where nobody is locked.
func (e *enforcement) hold(ctx context.Context, t binding.Table) error {
	all, err := e.node.network.bindings.List(ctx, binding.Filter{})
	if err != nil {
		return err
	}
	g := guardOf(all, t.Known)
	if len(g.Ports) == 0 {
		return e.near.Unprotect(ctx)
	}
	return e.near.Protect(ctx, g)
}

// guardOf is what a bridge holds to.
func guardOf(all []binding.Binding, known []binding.Known) (g zone.Guard) {
	ports := map[string]bool{}
	behind := map[string][]string{} // by MAC
	for _, b := range all {
		if b.State != binding.Bound && b.State != binding.Locked {
			continue
		}
		g.Bindings = append(g.Bindings, b)
		if b.Port != "" {
			behind[b.MAC] = append(behind[b.MAC], b.Port)
			if b.State == binding.Locked {
				ports[b.Port] = true
			}
		}
	}
	g.Ports = slices.Sorted(maps.Keys(ports))
	for _, k := range known {
		switch {
		case k.State != binding.Bound:
		case k.Role == binding.RoleDHCP:
			g.Servers = append(g.Servers, behind[k.MAC]...)
		case k.Role == binding.RoleRouter:
			g.Routers = append(g.Routers, behind[k.MAC]...)
		}
	}
	return g
}
