package node

import (
	"io"
	"testing"
	"time"

	"github.com/cordon-health/cordon/config"
)

// TestSpaced: standing still for checkpoints costs at most a fiftieth of the
// time, and a crash repeats minutes at most.
func TestSpaced(t *testing.T) {
	for stood, want := range map[time.Duration]time.Duration{
		0: 0, 10 * time.Millisecond: 500 * time.Millisecond, time.Second: 50 * time.Second, time.Minute: 2 * time.Minute,
	} {
		if got := spaced(stood); got != want {
			t.Errorf("after %v: %v, want %v", stood, got, want)
		}
	}
	now := time.Unix(1_000_000, 0)
	cfg := config.Default()
	cfg.Data = t.TempDir()
	n, err := Open(t.Context(), cfg, "test", func() time.Time { return now }, logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	p := n.pipe
	p.seen, p.kept, p.fresh, p.stood = 2, 1, true, time.Second
	p.last = now.Add(-49 * time.Second)
	if p.due() {
		t.Error("due too soon after a long stand")
	}
	p.last = now.Add(-50 * time.Second)
	if !p.due() {
		t.Error("not due")
	}
}
