//go:build unix

package evidence

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"k8s.io/klog/v2"
)

// tessera's own limits. We group entries ourselves, so its queue only has to
// wait long enough to see a whole group.
const (
	driverGroup = 1024
	driverAge   = 5 * time.Millisecond
	driverClean = 10 * time.Second
)

// RouteLogs sends what tessera says about itself to log instead of standard
// error. It is for the whole process: call it once, at its start.
func RouteLogs(log *slog.Logger) { klog.SetSlogLogger(log) }

// openDriver starts tessera on the folder. Its goroutines end with ctx; results
// of add that are not there by then never come.
func openDriver(ctx context.Context, cfg Config, key siteKey, w *witness) (*driver, error) {
	posixDriver, err := posix.New(ctx, posix.Config{Path: cfg.Dir})
	if err != nil {
		return nil, fmt.Errorf("open evidence log: %w", err)
	}
	opts := tessera.NewAppendOptions().
		WithCheckpointSigner(key.signer).
		WithCheckpointInterval(cfg.Interval).
		WithCheckpointRepublishInterval(0).
		WithBatching(driverGroup, driverAge).
		WithGarbageCollectionInterval(driverClean)
	if w != nil {
		opts = opts.WithCheckpointRepublishInterval(time.Minute).
			WithWitnesses(w.group, &tessera.WitnessOptions{Timeout: w.timeout, FailOpen: !cfg.WitnessRequired})
	}
	appender, _, reader, err := tessera.NewAppender(ctx, posixDriver, opts)
	if err != nil {
		return nil, fmt.Errorf("open evidence log: %w", err)
	}
	add := func(data []byte) func() error {
		future := appender.Add(ctx, tessera.NewEntry(data))
		return func() error {
			_, err := future()
			return err
		}
	}
	return &driver{add: add, size: reader.IntegratedSize}, nil
}
