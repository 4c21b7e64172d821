package node

import (
	"context"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/sigma"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/tuning"
)

// openTuning opens the list of exceptions and settings, and tells the desk
// where people work.
func (n *Node) openTuning(ctx context.Context) (err error) {
	if err := n.cfg.Detect.CheckDays(n.now()); err != nil {
		return err
	}
	n.desk.Places(func(person string, at int64) string {
		department, _ := n.people.DepartmentAt(person, at)
		return department
	})
	if n.tuning, err = tuning.Open(ctx, n.db, n.evidence, n.now); err != nil {
		return err
	}
	recent, err := n.desk.Plants(ctx, n.now().Add(-plantedFor).UnixMilli())
	for _, p := range recent {
		n.planted.add(p)
	}
	return err
}

// tuned makes the detectors that the configuration, the settings and the
// exceptions ask for together. A mistake in the file is an error; what the
// list names and this version does not have is passed over.
func (n *Node) tuned(ctx context.Context, e *detect.Engine) (*detect.Engine, error) {
	cfg, err := n.tuning.Effective(ctx, n.cfg.Detect)
	if err != nil {
		return nil, err
	}
	return e.Tuned(cfg), nil
}

// retune puts changed settings and exceptions in force, between two messages.
// It waits for a reload of the rules, which may have read the settings before
// the change, and goes on when whoever asked hangs up: the change is made.
func (n *Node) retune(ctx context.Context) error {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	cfg, err := n.tuning.Effective(context.WithoutCancel(ctx), n.cfg.Detect)
	if err != nil {
		return err
	}
	n.pipe.mu.Lock()
	defer n.pipe.mu.Unlock()
	n.pipe.detect = n.pipe.detect.Tuned(cfg)
	return nil
}

// filters describes the Sigma filters of the rules at work.
func (n *Node) filters() []api.Filter {
	rules := n.rules.Load()
	if rules == nil {
		return nil
	}
	var out []api.Filter
	for _, f := range rules.Filters() {
		out = append(out, api.Filter{ID: f.ID, Title: f.Title, Reason: f.Reason, ApprovedBy: f.ApprovedBy, Until: f.Until,
			Expired: f.Expired, Rules: len(f.Rules), Missing: f.Missing})
	}
	return out
}

// hiding remembers what the filters of the rules at work had hidden when it
// was last counted.
type hiding struct {
	of   *sigma.Rules
	seen map[string]int64
}

// countFilters adds what filters hid since the last time to what is kept.
func (n *Node) countFilters(ctx context.Context, h *hiding) error {
	rules := n.rules.Load()
	if rules == nil {
		return nil
	}
	if h.of != rules {
		h.of, h.seen = rules, map[string]int64{}
	}
	now, more := rules.Hidden(), map[string]int64{}
	for id, count := range now {
		if count > h.seen[id] {
			more[id] = count - h.seen[id]
		}
	}
	if err := n.tuning.CountFilters(ctx, more); err != nil {
		return err
	}
	h.seen = now
	return nil
}

// tend keeps ranking and filters up to date: verdicts age day by day, cases
// are ranked anew when factors changed, filters end, what they hid is counted.
func (n *Node) tend(ctx context.Context) error {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	var hidden hiding
	day, version := "", -1
	for i := 0; ; i++ {
		if err := n.rank(ctx, &day, &version); err != nil && ctx.Err() == nil {
			n.log.Error("cases not ranked anew, trying again", "error", err)
		}
		if i%12 == 11 {
			if err := n.countFilters(ctx, &hidden); err != nil && ctx.Err() == nil {
				n.log.Error("what filters hid is not counted, trying again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (n *Node) rank(ctx context.Context, day *string, version *int) error {
	if today := n.now().Format(time.DateOnly); *day != today {
		lapsed, err := n.tuning.Lapse(ctx)
		if err != nil {
			return err
		}
		if lapsed > 0 {
			n.log.Warn("exceptions ended because nobody reviewed them", "count", lapsed)
			if err := n.retune(ctx); err != nil {
				return err
			}
		}
		if err := n.desk.Relearn(ctx); err != nil {
			return err
		}
		if rules := n.rules.Load(); rules != nil {
			rules.Expire(n.now())
		}
		*day = today
	}
	if err := n.desk.Learn(ctx); err != nil {
		return err
	}
	c, err := n.desk.Calibration(ctx)
	if err != nil || c.Version() == *version {
		return err
	}
	var changes []incident.Change
	if changes, err = n.desk.Rerank(ctx); err != nil {
		return err
	}
	n.runner.Notice(changes)
	*version = c.Version()
	return nil
}
