package node

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/ocsf"
)

// countingBus counts what is published.
type countingBus struct {
	bus.Bus
	batches atomic.Int64
}

func (b *countingBus) Publish(context.Context, string, string, []byte) (uint64, error) {
	return uint64(b.batches.Add(1)), nil
}

// TestAlarmsAtTheEndArePublished: what the pipeline finds after the intake
// ended is on the bus before the last checkpoint, which is made.
func TestAlarmsAtTheEndArePublished(t *testing.T) {
	b := &countingBus{}
	in := &intake{bus: b, waiting: make(chan *publication), closed: make(chan struct{})}
	x := &network{publish: in.finish}
	ctx, cancel := context.WithCancel(t.Context())
	go in.run(ctx)
	alarm := asset.Alarm{Kind: asset.ARPSpoof, At: time.Now().UnixNano(), Count: 1}
	x.warn(alarm)
	if err := x.settle(t.Context()); err != nil || b.batches.Load() != 1 {
		t.Fatal(err, b.batches.Load())
	}
	cancel()
	<-in.closed
	x.warn(alarm)
	if err := x.settle(t.Context()); err != nil || b.batches.Load() != 2 || len(x.found) > 0 {
		t.Errorf("an alarm found at the end waits on: %v, %d batches", err, b.batches.Load())
	}
	if err := in.publish(t.Context(), []*ocsf.Event{alarm.Event()}); !errors.Is(err, errStopping) {
		t.Error("others still get in:", err)
	}
}
