package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/config"
)

// group runs parts that live as long as their context; the first that fails
// stops the others.
type group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

func newGroup(ctx context.Context) *group {
	g := &group{}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	return g
}

func (g *group) run(name string, f func(context.Context) error) {
	g.wg.Go(func() {
		if err := f(g.ctx); err != nil && !errors.Is(err, context.Canceled) {
			g.cancel(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// stop ends the parts and returns the first failure.
func (g *group) stop() error {
	g.cancel(nil)
	g.wg.Wait()
	if err := context.Cause(g.ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Work runs everything but collectors, playbooks and console: what a command
// on the folder of a stopped server needs. stop waits until all input was
// worked on, when the context allows.
func (n *Node) Work(ctx context.Context) (stop func(context.Context) error) {
	doors, front, back := newGroup(ctx), newGroup(ctx), newGroup(ctx)
	n.startBack(back)
	n.startFront(front)
	n.scans.allow(doors.ctx)
	doors.run("scans", func(ctx context.Context) error { return n.scans.run(ctx, false) })
	return func(ctx context.Context) error {
		err := errors.Join(doors.stop(), n.pipe.drain(ctx))
		return errors.Join(err, front.stop(), back.stop())
	}
}

// startBack starts what must outlive the rest: evidence follows records.
func (n *Node) startBack(g *group) {
	g.run("evidence", n.evidence.Run)
}

func (n *Node) startFront(g *group) {
	g.run("intake", func(ctx context.Context) error { n.intake.run(ctx); return nil })
	g.run("pipeline", n.pipe.run)
	g.run("network", func(ctx context.Context) error { return n.network.run(ctx, n.now) })
	g.run("conversations", func(ctx context.Context) error { return n.network.count(ctx, n.now) })
}

// Run serves until ctx ends: collectors first stop, then the pipeline, then
// evidence. begun is told, once input is worked on, the one-time sign-in link
// of the first administrator, or nothing when there are users already.
func (n *Node) Run(ctx context.Context, begun func(link string)) error {
	collectors, err := n.collectors()
	if err != nil {
		return err
	}
	outgoing, err := n.gatewayDoors()
	if err != nil {
		return err
	}
	own, err := n.openCanary(ctx, collectors)
	if err != nil {
		return err
	}
	back, front, doors := newGroup(context.WithoutCancel(ctx)), newGroup(context.WithoutCancel(ctx)), newGroup(ctx)
	n.startBack(back)
	n.startFront(front)
	link, err := n.firstLink(ctx)
	if err != nil {
		return errors.Join(err, front.stop(), back.stop())
	}
	doors.run("playbooks", n.runner.Run)
	doors.run("console", n.serve)
	doors.run("upkeep", n.upkeep)
	doors.run("ranking", n.tend)
	doors.run("directory", n.syncDirectory)
	doors.run("rules", n.watchRules)
	for _, c := range append(collectors, own...) {
		doors.run("collector", func(ctx context.Context) error { return c.Run(ctx, n.intake) })
	}
	for _, d := range outgoing {
		doors.run("gateway", d.Run)
	}
	doors.run("held mail", n.gateway.Run)
	doors.run("releases", n.tendOutgoing)
	doors.run("canary", n.watcher.Run)
	doors.run("zones", n.enforce.run)
	doors.run("guard", n.enforce.guard)
	doors.run("policies", n.policies.tend)
	doors.run("sensors", n.tendSensors)
	doors.run("self-check", n.selfChecks)
	n.scans.allow(doors.ctx)
	doors.run("scans", func(ctx context.Context) error { return n.scans.run(ctx, true) })
	begun(link)
	select {
	case <-doors.ctx.Done():
	case <-front.ctx.Done():
	case <-back.ctx.Done():
	}
	return errors.Join(doors.stop(), front.stop(), back.stop())
}

// Sink is where in-process senders (import, the demo) deliver.
func (n *Node) Sink() collect.Sink { return n.intake }

// CheckCollectors says whether the collectors of the configuration can be
// made, without starting anything.
func CheckCollectors(cfg config.Config) error {
	n := &Node{cfg: cfg, now: time.Now, log: slog.New(slog.DiscardHandler)}
	_, err := n.collectors()
	_, outgoing := n.gatewayDoors()
	return errors.Join(err, outgoing)
}

// upkeep does what is due now and then: one cluttered day's files become one,
// ended sessions go, room in the budget is used.
func (n *Node) upkeep(ctx context.Context) error {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		n.forget(i)
		if i%60 == 0 {
			n.plantWatched()
		}
		for _, err := range []error{n.users.Sweep(ctx), n.refill(ctx), n.reloadNotices(ctx), n.compact(ctx, i), n.prove(ctx), n.expire(ctx, i)} {
			if err != nil && ctx.Err() == nil {
				n.log.Error("upkeep not done, trying again", "error", err)
			}
		}
	}
}

func (n *Node) refill(ctx context.Context) error {
	changes, err := n.desk.Refill(ctx, n.now().Format(time.DateOnly))
	if len(changes) > 0 {
		n.runner.Notice(changes)
	}
	return err
}
