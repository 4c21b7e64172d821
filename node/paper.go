package node

import (
	"context"
	"time"

	"github.com/cordon-health/cordon/zone"
)

// paper holds policies that no router of ours enforces: what was seen is judged
// by them, and switches hold their own texts (cordon zone compile). It
// remembers what it was told, so that a policy's life goes on as anywhere.
type paper struct{}

var _ zone.Enforcer = (*paper)(nil)

// Apply implements [zone.Enforcer].
func (*paper) Apply(_ context.Context, r *zone.Ruleset, _ zone.Order) (zone.Applied, error) {
	return zone.Applied{Elements: len(r.Elements)}, nil
}

// Remove implements [zone.Enforcer].
func (*paper) Remove(context.Context, zone.Mode) error { return nil }

// Loaded implements [zone.Enforcer]: paper holds what it is asked about.
func (*paper) Loaded(_ context.Context, r *zone.Ruleset, mode zone.Mode) (zone.Loaded, error) {
	l := zone.Loaded{Present: true, Mode: mode, Others: []string{"no router of ours enforces this policy; conversations are judged by it only"}}
	if r != nil {
		l.Hash = r.Hash
	}
	return l, nil
}

// Counters implements [zone.Enforcer].
func (*paper) Counters(context.Context, *zone.Ruleset, zone.Mode) (zone.Counters, error) {
	return zone.Counters{}, nil
}

// Beat implements [zone.Enforcer].
func (*paper) Beat(context.Context, time.Duration) error { return nil }
