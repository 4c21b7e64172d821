package capture

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/collect"
)

// resting takes nothing until a time.
type resting struct {
	until time.Time
	got   int // events taken
}

func (s *resting) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	if time.Now().Before(s.until) {
		return nil, errors.New("resting")
	}
	for _, it := range items {
		s.got += strings.Count(string(it.Data), "\n")
	}
	return make([]collect.Receipt, len(items)), nil
}

// TestSinkRests: what a sensor saw waits for a sink that takes nothing for ten
// minutes; after the end it waits a minute and no longer.
func TestSinkRests(t *testing.T) {
	for name, c := range map[string]struct {
		rest    time.Duration
		ends    time.Duration // after which the sensor ends
		want    int
		atMost  time.Duration
		atLeast time.Duration
	}{
		"comes back":         {rest: 10 * time.Minute, ends: time.Hour, want: 6, atLeast: time.Hour, atMost: time.Hour + time.Second},
		"back after the end": {rest: 10 * time.Minute, ends: 10*time.Minute - 30*time.Second, want: 6, atLeast: 10 * time.Minute, atMost: 10*time.Minute + time.Second},
		"never back":         {rest: 24 * time.Hour, ends: time.Minute, want: 0, atLeast: 2*time.Minute - 2*time.Second, atMost: 2*time.Minute + 2*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				sink := &resting{until: begun.Add(c.rest)}
				ch := newChannel(sink, "s1", time.Now, slog.New(slog.DiscardHandler))
				ctx, end := context.WithTimeout(t.Context(), c.ends)
				defer end()
				done := make(chan struct{})
				go func() {
					ch.run(ctx)
					close(done)
				}()
				for i := range 6 {
					ch.tell(asset.Observation{At: int64(i), Sensor: "s1"}.Event())
					ch.flush()
				}
				<-ctx.Done()
				ch.close()
				<-done
				took := time.Since(begun)
				if sink.got != c.want || took < c.atLeast || took > c.atMost {
					t.Errorf("%d events taken in %v, want %d in %v to %v", sink.got, took, c.want, c.atLeast, c.atMost)
				}
			})
		})
	}
}
