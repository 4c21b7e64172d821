package node

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/zone"
)

// kernel is all that Cordon has a router's kernel do: that of this machine
// (zone/nft), or of the machine of a sensor.
type kernel interface {
	zone.Enforcer
	zone.Isolator
	zone.Prober
	Protect(ctx context.Context, g zone.Guard) error
}

// farKernel is the kernel of a sensor's machine: each call is an order.
type farKernel struct {
	desk   *sensorDesk
	sensor string
}

var _ kernel = farKernel{}

// The arguments of orders that take more than one, and what they answer.
type (
	applyArgs struct {
		Ruleset *zone.Ruleset
		Order   zone.Order
	}
	modeArgs struct {
		Ruleset *zone.Ruleset
		Mode    zone.Mode
	}
	talkAnswer struct {
		Conversations int
		Dropped       uint64
	}
)

func (k farKernel) do(ctx context.Context, method string, args, answer any) error {
	return k.desk.do(ctx, k.sensor, method, args, answer)
}

// Apply implements zone.Enforcer.
func (k farKernel) Apply(ctx context.Context, r *zone.Ruleset, o zone.Order) (a zone.Applied, err error) {
	return a, k.do(ctx, "apply", applyArgs{r, o}, &a)
}

// Remove implements zone.Enforcer.
func (k farKernel) Remove(ctx context.Context, mode zone.Mode) error {
	return k.do(ctx, "remove", mode, nil)
}

// Loaded implements zone.Enforcer.
func (k farKernel) Loaded(ctx context.Context, r *zone.Ruleset, mode zone.Mode) (l zone.Loaded, err error) {
	return l, k.do(ctx, "loaded", modeArgs{r, mode}, &l)
}

// Counters implements zone.Enforcer.
func (k farKernel) Counters(ctx context.Context, r *zone.Ruleset, mode zone.Mode) (c zone.Counters, err error) {
	return c, k.do(ctx, "counters", modeArgs{r, mode}, &c)
}

// Beat implements zone.Enforcer. A sensor beats by itself while it lives.
func (k farKernel) Beat(context.Context, time.Duration) error { return nil }

// Isolate implements zone.Isolator.
func (k farKernel) Isolate(ctx context.Context, list []zone.Isolation) (a zone.Applied, err error) {
	return a, k.do(ctx, "isolate", list, &a)
}

// Release implements zone.Isolator.
func (k farKernel) Release(ctx context.Context, list []zone.Isolation) error {
	return k.do(ctx, "release", list, nil)
}

// Isolated implements zone.Isolator.
func (k farKernel) Isolated(ctx context.Context) (list []zone.Isolation, err error) {
	return list, k.do(ctx, "isolated", nil, &list)
}

// Exempt implements zone.Isolator.
func (k farKernel) Exempt(ctx context.Context, list []zone.Isolation) error {
	return k.do(ctx, "exempt", list, nil)
}

// Talking implements zone.Isolator.
func (k farKernel) Talking(ctx context.Context, i zone.Isolation) (int, uint64, error) {
	var a talkAnswer
	err := k.do(ctx, "talking", i, &a)
	return a.Conversations, a.Dropped, err
}

// Probe implements zone.Prober.
func (k farKernel) Probe(ctx context.Context, p zone.Probe) (r zone.ProbeResult) {
	if err := k.do(ctx, "probe", p, &r); err != nil {
		r.Probe, r.Said = p, err.Error()
	}
	return r
}

// Protect has the bridges of the machine hold who may claim which address.
func (k farKernel) Protect(ctx context.Context, g zone.Guard) error {
	return k.do(ctx, "protect", g, nil)
}

// obey does an order of the server to this machine's kernel.
func obey(ctx context.Context, k kernel, o api.SensorOrder) api.SensorResult {
	answer, err := carryOut(ctx, k, o)
	x := api.SensorResult{ID: o.ID}
	if err == nil && answer != nil {
		x.Answer, err = json.Marshal(answer)
	}
	if err != nil {
		x.Error = err.Error()
	}
	return x
}

func carryOut(ctx context.Context, k kernel, o api.SensorOrder) (any, error) {
	switch o.Method {
	case "apply":
		return with(o, func(a applyArgs) (any, error) { return k.Apply(ctx, a.Ruleset, a.Order) })
	case "remove":
		return with(o, func(m zone.Mode) (any, error) { return nil, k.Remove(ctx, m) })
	case "loaded":
		return with(o, func(a modeArgs) (any, error) { return k.Loaded(ctx, a.Ruleset, a.Mode) })
	case "counters":
		return with(o, func(a modeArgs) (any, error) { return k.Counters(ctx, a.Ruleset, a.Mode) })
	case "isolate":
		return with(o, func(l []zone.Isolation) (any, error) { return k.Isolate(ctx, l) })
	case "release":
		return with(o, func(l []zone.Isolation) (any, error) { return nil, k.Release(ctx, l) })
	case "isolated":
		return k.Isolated(ctx)
	case "exempt":
		return with(o, func(l []zone.Isolation) (any, error) { return nil, k.Exempt(ctx, l) })
	case "talking":
		return with(o, func(i zone.Isolation) (any, error) {
			n, dropped, err := k.Talking(ctx, i)
			return talkAnswer{n, dropped}, err
		})
	case "probe":
		return with(o, func(p zone.Probe) (any, error) { return k.Probe(ctx, p), nil })
	case "protect":
		return with(o, func(g zone.Guard) (any, error) { return nil, k.Protect(ctx, g) })
	}
	return nil, fmt.Errorf("order %q is not known to this version; update the sensor", o.Method)
}

// with decodes the arguments of an order.
func with[T any](o api.SensorOrder, do func(T) (any, error)) (any, error) {
	var args T
	if err := json.Unmarshal(o.Args, &args); err != nil {
		return nil, fmt.Errorf("arguments of order %s: %w", o.Method, err)
	}
	return do(args)
}
