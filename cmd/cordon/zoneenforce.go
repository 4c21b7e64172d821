package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"sync"
	"time"

	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/node"
	"github.com/cordon-health/cordon/zone"
)

// zoneRouter is what the verbs that touch the kernel have in common: they work
// on the Linux machine that routes between the zones.
type zoneRouter struct {
	Data   string `help:"Folder for the state and the evidence of this router." default:"/var/lib/cordon-zone" placeholder:"DIR" type:"path"`
	Place  string `help:"Name of this router in evidence; the host's name unless given."`
	NetNS  string `help:"Network namespace to work in, by name or path." name:"netns"`
	By     string `help:"Who does it; the user of the machine unless given."`
	Strict bool   `help:"Also refuse TCP connections whose beginning was not seen."`
	JSON   bool   `help:"Where the policy stands, as one line of JSON." name:"json"`
	Proof  string `help:"Write the signed proof of segmentation to this file; cordon verify checks it." placeholder:"FILE" type:"path"`
}

// with opens the router, does f, says where the policy stands and writes the
// proof, also of what failed.
func (c zoneRouter) with(w *world, f func(z *node.ZoneRouter) (zone.Stand, error)) error {
	return c.open(w, false, f)
}

// look is with for verbs that must find the kernel as it is.
func (c zoneRouter) look(w *world, f func(z *node.ZoneRouter) (zone.Stand, error)) error {
	return c.open(w, true, f)
}

func (c zoneRouter) options(w *world) node.ZoneRouterOptions {
	return node.ZoneRouterOptions{Data: c.Data, Place: c.Place, NetNS: c.NetNS, Strict: c.Strict,
		Site: time.Local, Now: w.now, Log: slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelWarn}))}
}

func (c zoneRouter) open(w *world, look bool, f func(z *node.ZoneRouter) (zone.Stand, error)) error {
	o := c.options(w)
	o.Look = look
	z, err := node.OpenZoneRouter(w.ctx, o)
	if err != nil {
		return err
	}
	s, err := f(z)
	if s.Life != "" {
		err = errors.Join(err, c.print(w, s))
	}
	if c.Proof != "" && (err == nil || s.Life == zone.RolledBack) {
		err = errors.Join(err, c.writeProof(w, z))
	}
	return errors.Join(err, z.Close(context.WithoutCancel(w.ctx)))
}

func (c zoneRouter) writeProof(w *world, z *node.ZoneRouter) error {
	out, err := durable.Create(c.Proof, 0o600)
	if err != nil {
		return err
	}
	defer out.Abort()
	if err := z.Proof(w.ctx, language(), out); err != nil {
		return err
	}
	return out.Commit()
}

func (c zoneRouter) print(w *world, s zone.Stand) error {
	if c.JSON {
		return json.NewEncoder(w.out).Encode(s)
	}
	if s.Life == zone.Draft {
		_, err := fmt.Fprintf(w.out, "%s: nothing is staged or enforced\n", s.Place)
		return err
	}
	fmt.Fprintf(w.out, "%s: policy %s, ruleset %.12s: %s, by %s at %s\n", s.Place, s.Policy, s.Hash, zone.LifeTitle(s.Life).In(language()), s.By, time.UnixMilli(s.At).Format(time.DateTime))
	if s.Reason != "" {
		fmt.Fprintln(w.out, "reason     ", s.Reason)
	}
	if a := s.Applied; a != nil {
		fmt.Fprintf(w.out, "loaded      %d elements in %s, %d conversations ended\n", a.Elements, a.Took.Round(100*time.Microsecond), a.Ended)
	}
	if n := s.Counters; n != nil {
		fmt.Fprintf(w.out, "kernel      seen %d, established %d, denied %d, would be denied %d, let pass open %d\n", n.Seen, n.Established, n.Denied, n.Would, n.Open)
	}
	printVerification(w, s.Verified)
	return nil
}

func printVerification(w *world, v *zone.Verification) {
	if v == nil {
		return
	}
	for _, f := range v.Faults {
		fmt.Fprintln(w.out, "FAULT      ", f)
	}
	for _, o := range v.Others {
		fmt.Fprintln(w.out, "not ours   ", o)
	}
	for _, p := range v.Probes {
		word := "ok"
		if !p.OK {
			word = "WRONG"
		}
		fmt.Fprintf(w.out, "%-11s %s: %s after %s\n", word, p.Name, p.Said, p.Took.Round(100*time.Microsecond))
	}
	if len(v.Probes) == 0 {
		fmt.Fprintln(w.out, "no probes were given (--probes): the kernel was read back, nothing was sent")
	}
}

// who is the person behind a command.
func (c zoneRouter) who(reason string) zone.Step {
	by := c.By
	if by == "" {
		by = os.Getenv("SUDO_USER")
	}
	if u, err := user.Current(); by == "" && err == nil {
		by = u.Username
	}
	return zone.Step{By: by, Reason: reason}
}

// readProbes reads the list of probes against a policy.
func readProbes(z *node.ZoneRouter, path, policy string) ([]zone.Probe, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usage{err}
	}
	r, err := z.Compile(policy)
	if err != nil {
		return nil, err
	}
	list, err := zone.ReadProbes(data, r)
	if err != nil {
		return nil, usage{err}
	}
	return list, nil
}

type zoneStageCmd struct {
	zoneRouter
	Policy     string `arg:"" help:"The policy." type:"path"`
	Simulation string `help:"What cordon zone simulate --json wrote about this policy; enforcing asks for it." placeholder:"FILE" type:"path"`
	Reason     string `help:"Why."`
}

// Run loads a policy that only records.
func (c zoneStageCmd) Run(w *world) error {
	text, err := os.ReadFile(c.Policy)
	if err != nil {
		return usage{err}
	}
	var sim *zone.Simulation
	if c.Simulation != "" {
		data, err := os.ReadFile(c.Simulation)
		if err != nil {
			return usage{err}
		}
		if err := json.Unmarshal(data, &sim); err != nil {
			return usage{fmt.Errorf("%s is no simulation: %w", c.Simulation, err)}
		}
	}
	return c.with(w, func(z *node.ZoneRouter) (zone.Stand, error) {
		return z.Stage(w.ctx, string(text), sim, c.who(c.Reason))
	})
}

type zoneEnforceCmd struct {
	zoneRouter
	Policy  string        `arg:"" help:"The policy, as it was staged." type:"path"`
	Confirm time.Duration `help:"Roll back unless confirmed within this time." default:"60s"`
	Probes  string        `help:"Probes to verify it by; see docs/zone-router.md." placeholder:"FILE" type:"path"`
	Force   bool          `help:"Also when it was not staged or simulated; needs --reason."`
	Reason  string        `help:"Why."`
	NoWait  bool          `help:"Do not wait for the confirmation; the kernel still ends the trial by itself."`
}

// Help is the long text behind the flags.
func (zoneEnforceCmd) Help() string {
	return "Loads the policy on trial, verifies it, and waits until somebody runs cordon zone confirm. If nobody does in time, what was enforced before holds again. If this command is killed, the kernel lets everything pass when the time is over, and the next cordon zone command brings back what was enforced before."
}

// Run enforces a policy on trial.
func (c zoneEnforceCmd) Run(w *world) error {
	text, err := os.ReadFile(c.Policy)
	if err != nil {
		return usage{err}
	}
	var s zone.Stand
	err = c.with(w, func(z *node.ZoneRouter) (zone.Stand, error) {
		probes, err := readProbes(z, c.Probes, string(text))
		if err != nil {
			return zone.Stand{}, err
		}
		s, err = z.Enforce(w.ctx, zone.EnforceWish{Step: c.who(c.Reason), Text: string(text), Confirm: c.Confirm, Force: c.Force, Probes: probes})
		return s, err
	})
	switch {
	case errors.Is(err, zone.ErrUnverified):
		return found{err.Error()}
	case err != nil:
		return err
	}
	fmt.Fprintf(w.err, "to keep it: cordon zone confirm --data %s (until %s)\n", c.Data, time.UnixMilli(s.Deadline).Format(time.TimeOnly))
	if c.NoWait {
		return nil
	}
	return c.wait(w, s)
}

// wait watches the kernel, which another command changes when it confirms.
func (c zoneEnforceCmd) wait(w *world, s zone.Stand) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-w.ctx.Done():
			fmt.Fprintln(w.err, "not confirmed yet; the trial goes on until its time is over")
			return nil
		case <-tick.C:
		}
		l, err := node.ZoneLoaded(w.ctx, c.NetNS)
		if err != nil {
			return err
		}
		switch {
		case l.Present && l.Mode == zone.Enforce && l.Hash == s.Hash:
			fmt.Fprintln(w.err, "confirmed")
			return nil
		case !l.Present || l.Hash != s.Hash:
			return found{"rolled back"}
		case w.now().UnixMilli() >= s.Deadline:
			c.Proof = ""
			err := c.with(w, func(z *node.ZoneRouter) (zone.Stand, error) { return z.Stand(w.ctx) }) // opening it rolls back
			return errors.Join(err, found{"nobody confirmed in time: rolled back"})
		}
	}
}

type zoneConfirmCmd struct {
	zoneRouter
	Reason string `help:"Why."`
}

// Run makes a policy on trial stay.
func (c zoneConfirmCmd) Run(w *world) error {
	return c.with(w, func(z *node.ZoneRouter) (zone.Stand, error) { return z.Confirm(w.ctx, c.who(c.Reason)) })
}

type zoneVerifyCmd struct {
	zoneRouter
	Probes string `help:"Probes to verify it by; see docs/zone-router.md." placeholder:"FILE" type:"path"`
}

// Run compares the kernel with the policy and sends the probes.
func (c zoneVerifyCmd) Run(w *world) error {
	var bad bool
	err := c.look(w, func(z *node.ZoneRouter) (zone.Stand, error) {
		s, err := z.Stand(w.ctx)
		if err != nil {
			return zone.Stand{}, err
		}
		probes, err := readProbes(z, c.Probes, s.Text)
		if err != nil {
			return zone.Stand{}, err
		}
		s, err = z.Verify(w.ctx, probes, c.who(""))
		bad = s.Verified != nil && !s.Verified.OK
		return s, err
	})
	if err == nil && bad {
		return found{"the zones are not kept apart as the policy says"}
	}
	return err
}

type zoneRollbackCmd struct {
	zoneRouter
	Reason string `help:"Why."`
}

// Run brings back what was enforced before.
func (c zoneRollbackCmd) Run(w *world) error {
	return c.with(w, func(z *node.ZoneRouter) (zone.Stand, error) { return z.Rollback(w.ctx, c.who(c.Reason)) })
}

type zoneStatusCmd struct{ zoneRouter }

// Run says where the policy stands.
func (c zoneStatusCmd) Run(w *world) error {
	return c.look(w, func(z *node.ZoneRouter) (zone.Stand, error) { return z.Stand(w.ctx) })
}

type zoneWatchCmd struct{ zoneRouter }

// Help is the long text behind the flags.
func (zoneWatchCmd) Help() string {
	return "Runs until it is stopped, as a service of the router: has the kernel hold what is enforced (also after a restart of the machine), keeps fail-open zones enforced, rolls back what nobody confirmed, and prints what was dropped, one line of JSON each. The other commands work beside it."
}

// Run watches over the router.
func (c zoneWatchCmd) Run(w *world) error {
	var mu sync.Mutex
	e := json.NewEncoder(w.out)
	return node.WatchZones(w.ctx, c.options(w), func(d zone.Denial) {
		mu.Lock()
		defer mu.Unlock()
		if err := e.Encode(d); err != nil && w.ctx.Err() == nil {
			fmt.Fprintln(w.err, "cordon:", err)
		}
	})
}
