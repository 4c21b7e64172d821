package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/bus/bustest"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/internal/smalldisk"
)

// open opens the bus that a location, a Config in JSON, describes.
func open(ctx context.Context, location string) (bus.Bus, error) {
	var cfg Config
	if err := json.Unmarshal([]byte(location), &cfg); err != nil {
		return nil, err
	}
	return Open(ctx, cfg, quiet())
}

func location(t *testing.T, cfg Config) string {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func quiet() *slog.Logger {
	if os.Getenv("CORDON_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

func TestEmbedded(t *testing.T) {
	bustest.Run(t, bustest.Engine{
		New:  func(t *testing.T) string { return location(t, Config{Dir: filepath.Join(t.TempDir(), "bus")}) },
		Open: open,
	})
}

func openEmbedded(t testing.TB, cfg Config) *Bus {
	t.Helper()
	b, err := Open(t.Context(), cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{
		{},
		{Dir: t.TempDir(), Replicas: 2},
		{Dir: t.TempDir(), Prefix: "a.b"},
		{Dir: t.TempDir(), MaxBytes: -1},
		{URL: "nats://127.0.0.1:1"},
	} {
		if b, err := Open(t.Context(), cfg, quiet()); err == nil {
			b.Close()
			if cfg.Replicas != 2 {
				t.Errorf("%+v was accepted", cfg)
			}
		}
	}
}

func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	first := openEmbedded(t, Config{Dir: dir})
	if _, err := Open(t.Context(), Config{Dir: dir}, quiet()); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("got %v, want %v", err, durable.ErrLocked)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openEmbedded(t, Config{Dir: dir})
}

func TestMaxBytes(t *testing.T) {
	b := openEmbedded(t, Config{Dir: t.TempDir(), MaxBytes: 1 << 20})
	stored := publishUntilRefused(t, b, 100<<10, 100)
	if stored < 5 || stored > 10 {
		t.Errorf("%d messages of 100 KiB were stored under a limit of 1 MiB", stored)
	}
	if err := b.Trim(t.Context(), "events", 4); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), "events", "", make([]byte, 100<<10)); err != nil {
		t.Errorf("after trimming: %v", err)
	}
}

// TestHole: a message that was lost inside a topic, as by a damaged file, is
// reported and not passed over.
func TestHole(t *testing.T) {
	b := openEmbedded(t, Config{Dir: t.TempDir()})
	stream, err := b.js.CreateStream(t.Context(), js.StreamConfig{
		Name: b.streamName("events"), Subjects: []string{b.subject("events")}, Discard: js.DiscardNew,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.remember("events", true)
	if got := len(publishMany(t, b, 5, 10)); got != 5 {
		t.Fatalf("%d messages were stored", got)
	}
	if err := stream.DeleteMsg(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	var read []uint64
	err = b.Read(t.Context(), "events", 1, func(m bus.Message) error {
		read = append(read, m.Seq)
		return nil
	})
	gap, ok := errors.AsType[*bus.GapError](err)
	if !ok || gap.From != 3 || gap.First != 4 {
		t.Errorf("got %v, want that 3 to 3 is missing", err)
	}
	if !slices.Equal(read, []uint64{1, 2}) {
		t.Errorf("%v was delivered, want 1 and 2", read)
	}
}

// publishUntilRefused returns how many messages were acknowledged before one
// was refused with bus.ErrFull.
func publishUntilRefused(t *testing.T, b *Bus, size, most int) (stored int) {
	t.Helper()
	for range most {
		_, err := b.Publish(t.Context(), "events", "", make([]byte, size))
		if errors.Is(err, bus.ErrFull) {
			return stored
		}
		if err != nil {
			t.Fatalf("after %d messages: got %v, want %v", stored, err, bus.ErrFull)
		}
		stored++
	}
	t.Fatalf("%d messages were stored and none refused", stored)
	return 0
}

// TestReserve: the bus stops taking messages while there still is space for
// everything else.
func TestReserve(t *testing.T) {
	t.Parallel()
	dir := smalldisk.Mount(t, 64<<20)
	b := openEmbedded(t, Config{Dir: dir, Reserve: 16 << 20})
	var lowest atomic.Uint64
	lowest.Store(64 << 20)
	b.engine.free = func(dir string) (uint64, error) {
		free, err := durable.Free(dir)
		lowest.Store(min(lowest.Load(), free))
		return free, err
	}
	fillDisk(t, b, dir, 20<<20)
	if lowest.Load() < 15<<20 {
		t.Errorf("%d bytes were left of a reserve of 16 MiB", lowest.Load())
	}
}

// TestDiskFullBelow: something else uses up the disk between the look at the
// free space and the write, so the server itself runs into the end of the
// disk. That is played by a look that sees too much for a while.
func TestDiskFullBelow(t *testing.T) {
	t.Parallel()
	dir := smalldisk.Mount(t, 64<<20)
	b := openEmbedded(t, Config{Dir: dir, Reserve: 1})
	var calls atomic.Int64
	b.engine.free = func(dir string) (uint64, error) {
		free, err := durable.Free(dir)
		if calls.Add(1) < 100 {
			free += 64 << 20
		}
		return free, err
	}
	fillDisk(t, b, dir, 2<<20)
}

// fillDisk lets the disk fill up under many publishers, frees it and checks
// that nothing acknowledged was lost and that a reader lives through it.
func fillDisk(t *testing.T, b *Bus, dir string, leave int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended, seen := make(chan error, 1), make(chan uint64, 10_000)
	go func() {
		next := uint64(1)
		ended <- b.Read(ctx, "events", 1, func(m bus.Message) error {
			if m.Seq != next {
				return fmt.Errorf("number %d came where %d was next", m.Seq, next)
			}
			next++
			seen <- m.Seq
			return nil
		})
	}()
	acked := publishMany(t, b, 1, 1000)
	if len(acked) != 1 {
		t.Fatal("the first message was refused")
	}
	ballast := smalldisk.Fill(t, dir, leave)
	acked = append(acked, publishMany(t, b, 400, 100<<10)...)
	if len(acked) == 401 {
		t.Fatal("no message was refused on a full disk")
	}
	for range publishUntilRefused(t, b, 100<<10, 100) { // room that publishers refused side by side had left
		acked = append(acked, slices.Max(acked)+1)
	}
	if len(publishMany(t, b, 3, 100<<10)) > 0 {
		t.Error("the disk is still full, but a message was taken")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	acked = append(acked, publishMany(t, b, 40, 1000)...)
	if len(acked) < 41 {
		t.Error("messages are refused although space returned")
	}
	last := slices.Max(acked)
	bustest.Collect(t, b, "events", 1, int(last))
	for seq := range seen {
		if seq == last {
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the reader ended with %v", err)
	}
}

// publishMany publishes n messages at once, as far as there is room, and
// returns the numbers of those that were acknowledged.
func publishMany(t *testing.T, b *Bus, n, size int) (acked []uint64) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			seq, err := b.Publish(t.Context(), "events", "", make([]byte, size))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				acked = append(acked, seq)
			} else if !errors.Is(err, bus.ErrFull) {
				t.Errorf("got %v, want %v", err, bus.ErrFull)
			}
		})
	}
	wg.Wait()
	return acked
}

// BenchmarkPublish measures batches of 1, 100 and 1000 events of about 700
// bytes, each batch synced to disk, by one and by 16 publishers.
func BenchmarkPublish(b *testing.B) {
	for _, publishers := range []int{1, 16} {
		for _, size := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("events=%d/publishers=%d", size, publishers), func(b *testing.B) {
				benchmarkPublish(b, size, publishers)
			})
		}
	}
}

func benchmarkPublish(b *testing.B, size, publishers int) {
	engine := openEmbedded(b, Config{Dir: b.TempDir()})
	data := bus.EncodeBatch(nil, sampleEvents(size))
	var next atomic.Int64
	var mu sync.Mutex
	var waits []time.Duration
	var wg sync.WaitGroup
	b.ResetTimer()
	for range publishers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				start := time.Now()
				if _, err := engine.Publish(b.Context(), "events", fmt.Sprint(n), data); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				waits = append(waits, time.Since(start))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(waits)
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(len(data))/float64(size), "B/event")
}
