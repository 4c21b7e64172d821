package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

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
	dir := smalldisk.Mount(t, 64<<20)
	b := openEmbedded(t, Config{Dir: dir, Reserve: 16 << 20})
	fillDisk(t, b, dir, 20<<20)
	free, err := durable.Free(dir)
	if err != nil {
		t.Fatal(err)
	}
	if free < 15<<20 {
		t.Errorf("%d bytes are left of a reserve of 16 MiB", free)
	}
}

// TestDiskFullBelow: something else used up the disk, reserve and all, so the
// server itself runs into the end of the disk.
func TestDiskFullBelow(t *testing.T) {
	dir := smalldisk.Mount(t, 64<<20)
	b := openEmbedded(t, Config{Dir: dir, Reserve: 1})
	fillDisk(t, b, dir, 2<<20)
}

// fillDisk lets the disk fill up, frees it and checks that nothing
// acknowledged was lost and that a reader lives through it.
func fillDisk(t *testing.T, b *Bus, dir string, leave uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var acked, read uint64
	ended, seen := make(chan error, 1), make(chan uint64, 1000)
	go func() {
		ended <- b.Read(ctx, "events", 1, func(m bus.Message) error {
			if read++; m.Seq != read {
				return fmt.Errorf("number %d came after %d", m.Seq, read-1)
			}
			seen <- m.Seq
			return nil
		})
	}()
	put := func(size int) error {
		seq, err := b.Publish(t.Context(), "events", "", make([]byte, size))
		if err == nil {
			acked = seq
		}
		return err
	}
	if err := put(1000); err != nil {
		t.Fatal(err)
	}
	ballast := smalldisk.Fill(t, dir, leave)
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = put(100 << 10)
	}
	if !errors.Is(err, bus.ErrFull) {
		t.Fatalf("on a full disk after %d messages: got %v, want %v", acked, err, bus.ErrFull)
	}
	if err := put(100 << 10); !errors.Is(err, bus.ErrFull) {
		t.Errorf("the disk is still full: got %v, want %v", err, bus.ErrFull)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := put(1000); err != nil {
			t.Fatalf("after space returned: %v", err)
		}
	}
	bustest.Collect(t, b, "events", 1, int(acked))
	for seq := range seen {
		if seq == acked {
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the reader ended with %v", err)
	}
}
