//go:build !linux

package nft

import (
	"context"
	"errors"
	"time"

	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/zone"
)

// Kernel stands for a packet filter that this system does not have.
type Kernel struct{}

// Denials stands for its records.
type Denials struct{}

var (
	_ zone.Enforcer = (*Kernel)(nil)
	_ zone.Isolator = (*Kernel)(nil)
)

var errNotLinux = errors.New("zones are enforced by Linux (nftables) only; run cordon sensor on the Linux machine that routes between the zones")

// Open says that it cannot be done here.
func Open(Options) (*Kernel, error) { return nil, errNotLinux }

// Close does nothing.
func (*Kernel) Close() error { return nil }

// Apply cannot be done here.
func (*Kernel) Apply(context.Context, *zone.Ruleset, zone.Order) (zone.Applied, error) {
	return zone.Applied{}, errNotLinux
}

// Remove cannot be done here.
func (*Kernel) Remove(context.Context, zone.Mode) error { return errNotLinux }

// Loaded cannot be done here.
func (*Kernel) Loaded(context.Context, *zone.Ruleset, zone.Mode) (zone.Loaded, error) {
	return zone.Loaded{}, errNotLinux
}

// Counters cannot be done here.
func (*Kernel) Counters(context.Context, *zone.Ruleset, zone.Mode) (zone.Counters, error) {
	return zone.Counters{}, errNotLinux
}

// Beat cannot be done here.
func (*Kernel) Beat(context.Context, time.Duration) error { return errNotLinux }

// Isolate cannot be done here.
func (*Kernel) Isolate(context.Context, []zone.Isolation) (zone.Applied, error) {
	return zone.Applied{}, errNotLinux
}

// Release cannot be done here.
func (*Kernel) Release(context.Context, []zone.Isolation) error { return errNotLinux }

// Isolated cannot be done here.
func (*Kernel) Isolated(context.Context) ([]zone.Isolation, error) { return nil, errNotLinux }

// Exempt cannot be done here.
func (*Kernel) Exempt(context.Context, []zone.Isolation) error { return errNotLinux }

// Talking cannot be done here.
func (*Kernel) Talking(context.Context, zone.Isolation) (int, uint64, error) {
	return 0, 0, errNotLinux
}

// Protect cannot be done here.
func (*Kernel) Protect(context.Context, zone.Guard) error { return errNotLinux }

// Unprotect cannot be done here.
func (*Kernel) Unprotect(context.Context) error { return errNotLinux }

// Guarded cannot be done here.
func (*Kernel) Guarded(context.Context, zone.Guard) ([]string, error) { return nil, errNotLinux }

// Bind cannot be done here.
func (*Kernel) Bind(context.Context, binding.Binding, time.Duration) error { return errNotLinux }

// Unbind cannot be done here.
func (*Kernel) Unbind(context.Context, binding.Binding) error { return errNotLinux }

// NewDenials makes a reader that finds nothing to read.
func (*Kernel) NewDenials(func() time.Time, func(zone.Denial)) *Denials { return &Denials{} }

// Run cannot be done here.
func (*Denials) Run(context.Context, func()) error { return errNotLinux }

// Stats are empty.
func (*Denials) Stats() zone.LogStats { return zone.LogStats{} }

// Prober cannot send probes here.
type Prober struct{ Wait time.Duration }

// Probe is not sent.
func (Prober) Probe(_ context.Context, p zone.Probe) zone.ProbeResult {
	return zone.ProbeResult{Probe: p, Unsure: true, Said: "not sent: " + errNotLinux.Error()}
}
