package playbook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-health/cordon/incident"
)

// testCase stands in for a case in messages that only test the way.
const testCase = "alarm-test"

// AlertTest is how a test of one way to reach people went.
type AlertTest struct {
	Action string `json:"action"`
	// At is in ms.
	At int64 `json:"at"`
	OK bool  `json:"ok"`
	// Why is the error, without addresses that carry secrets.
	Why string `json:"why,omitempty"`
}

// TestAlerts sends a message that says it is a test through every way in which
// warnings reach people outside of the console, and says how each went. What
// is not set up is left out. It asks nobody and touches no case.
func (r *Runner) TestAlerts(ctx context.Context, at time.Time) []AlertTest {
	var out []AlertTest
	for _, name := range r.order {
		a := r.actions[name]
		if a.Class != Inform || !strings.HasPrefix(name, "notify-") || name == "notify-console" {
			continue
		}
		if ready, _ := a.Ready(); !ready {
			continue
		}
		t := AlertTest{Action: name, At: at.UnixMilli(), OK: true}
		key := testCase + "/" + name + "/" + at.UTC().Format(time.RFC3339)
		if _, err := a.Do(ctx, Call{Key: key, Case: incident.Case{ID: testCase}, Now: at}); err != nil {
			t.OK, t.Why = false, err.Error()
			r.log.Error("test of alerts failed", "action", name, "error", err)
		}
		out = append(out, t)
	}
	return out
}

// testHeadline is what a test says instead of a case's headline.
func (r *Runner) testHeadline() string {
	if r.site.Language == "zh" {
		return fmt.Sprintf("【%s】Cordon 每日告警通道测试，无需处理", r.site.Name)
	}
	return fmt.Sprintf("[%s] Cordon's daily test of the alerts; nothing to do", r.site.Name)
}
