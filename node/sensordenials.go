package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/collect/capture"
)

// denialQueue are alarms about what this machine's kernel dropped, on their way
// to the spool. The reader of the kernel's records must never wait for a disk:
// then the kernel would lose them.
type denialQueue struct {
	mu    sync.Mutex
	watch *binding.Watch // guarded by mu: over what the guard of bridges drops
	lines []byte         // guarded by mu
	lost  int64          // guarded by mu: beyond mostDenials
}

const (
	// mostDenials bounds what waits for the disk, in bytes; a second of a scan
	// is two of them.
	mostDenials = 32 << 20
	denialsRest = 50 * time.Millisecond
)

func (q *denialQueue) add(a asset.Alarm) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(a)
}

// claim judges what a bridge's guard dropped.
func (q *denialQueue) claim(sensor string, c binding.Claim) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.watch == nil {
		q.watch = binding.NewWatch(binding.WatchConfig{Sensor: sensor}, binding.Table{})
	}
	q.watch.Claim(c, q.push)
}

func (q *denialQueue) use(sensor string, t binding.Table) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.watch == nil {
		q.watch = binding.NewWatch(binding.WatchConfig{Sensor: sensor}, t)
		return
	}
	q.watch.Use(t)
}

// push is called with mu held.
func (q *denialQueue) push(a asset.Alarm) {
	if len(q.lines) > mostDenials {
		q.lost++
		return
	}
	q.lines = append(a.Event().AppendJSON(q.lines), '\n')
}

func (q *denialQueue) take() (lines []byte, lost int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines, lost = q.lines, q.lost
	q.lines, q.lost = nil, 0
	return lines, lost
}

// keepDenials puts denials on disk until ctx ends, many at once.
func (s *RemoteSensor) keepDenials(ctx context.Context) error {
	var kept []byte
	for goes := true; goes; {
		goes = pause(ctx, denialsRest)
		lines, lost := s.waiting.take()
		if lost > 0 {
			s.Log.Error("denials were not recorded: too many kinds of them at once; the kernel's counters have them", "count", lost)
		}
		if kept = append(kept, lines...); len(kept) == 0 {
			continue
		}
		it := collect.Item{Format: "sensor", Source: capture.SourceName(s.Name), Received: s.Now(), Data: kept}
		_, err := s.spool.Deliver(context.WithoutCancel(ctx), it)
		switch {
		case err == nil:
			kept = nil
		case errors.Is(err, errSpoolFull) && len(kept) > mostDenials:
			s.Log.Error("what the kernel dropped is not recorded", "error", err)
			kept = nil
		case ctx.Err() == nil:
			pause(ctx, time.Second)
		}
	}
	return nil
}
