package node

import (
	"context"
	"sync"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/zone"
)

const hourMS = int64(time.Hour / time.Millisecond)

// hourCounts remembers the counts of hours that are over. A month of a large
// network takes a while to count, so that is done beforehand, the newest hours
// first, and again when the policy changes.
type hourCounts struct {
	mu    sync.Mutex
	rules *zone.Ruleset      // judged by; guarded by mu
	done  map[int64]hourDone // guarded by mu
}

type hourDone struct {
	api.NetworkHour
	mark int64 // of the hour as it was counted
}

// reset forgets what another policy judged.
func (h *hourCounts) reset(r *zone.Ruleset) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done == nil || h.rules != r {
		h.rules, h.done = r, map[int64]hourDone{}
	}
}

// known is the count of an hour, where it was counted.
func (h *hourCounts) known(hour int64) (hourDone, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.done[hour]
	return c, ok
}

// keep remembers an hour as this policy judged it.
func (h *hourCounts) keep(r *zone.Ruleset, hour int64, c hourDone) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rules == r {
		h.done[hour] = c
	}
}

// hours gives sessions and violations by the hour, as far as they are counted.
func (x *network) hours(ctx context.Context, since, until int64) (out []api.NetworkHour, err error) {
	x.counted.reset(x.rules.Load())
	for at := since / hourMS; at*hourMS < until; at++ {
		c, ok := x.counted.known(at)
		if !ok && at >= until/hourMS-2 { // what may still change
			if c.NetworkHour, err = x.countHour(ctx, at); err != nil {
				return nil, err
			}
			ok = true
		}
		if ok {
			out = append(out, c.NetworkHour)
		}
	}
	return out, nil
}

func (x *network) countHour(ctx context.Context, hour int64) (c api.NetworkHour, err error) {
	c.At = hour * hourMS
	for t, err := range x.flows.Conversations(ctx, hour*hourMS, (hour+1)*hourMS) {
		if err != nil {
			return c, err
		}
		c.Sessions += t.Sessions
		if v, judged := x.judge.Verdict(&t); judged && !v.Allow {
			c.Violations += t.Sessions
		}
	}
	return c, nil
}

// count has the last week's sums at hand for the pages, and counts the hours
// that are over and not counted yet, until ctx ends.
func (x *network) count(ctx context.Context, now func() time.Time) error {
	for i := 0; ; i++ {
		if err := x.countAll(ctx, now(), i%15 == 0); err != nil && ctx.Err() == nil {
			x.log.Warn("conversations are not counted; the map's time line misses hours", "error", err)
		}
		if !pause(ctx, 20*time.Second) {
			return nil
		}
	}
}

// countAll also has days that are over summed in the store where rollUp.
func (x *network) countAll(ctx context.Context, at time.Time, rollUp bool) error {
	now := at.UnixMilli()
	r := x.rules.Load()
	x.counted.reset(r)
	for _, err := range x.flows.Sums(ctx, now-pastShown.Milliseconds(), now) {
		if err != nil {
			return err
		}
	}
	if rollUp {
		if err := x.flows.RollUp(ctx, at); err != nil {
			return err
		}
	}
	late := now/hourMS - 2
	for at := late - 1; at*hourMS > now-flow.Keep.Milliseconds(); at-- {
		mark := x.flows.Changed(at)
		if c, ok := x.counted.known(at); ok && c.mark == mark {
			continue
		}
		c, err := x.countHour(ctx, at)
		if err != nil {
			return err
		}
		x.counted.keep(r, at, hourDone{c, mark})
	}
	return nil
}

// pastShown is how far the pages about zones and encryption look back.
const pastShown = 7 * 24 * time.Hour
