package evidence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// flaky makes the driver refuse, or claim to refuse, some writes.
func (s *site) flaky(refuse, lie *atomic.Int32) {
	s.sync() // the writer is idle now, so its driver may be changed
	sound := *s.driver
	s.Log.driver = &driver{size: sound.size, add: func(data []byte) func() error {
		if refuse.Add(-1) >= 0 {
			return func() error { return fmt.Errorf("write: %w", syscall.ENOSPC) }
		}
		wait := sound.add(data)
		return func() error {
			err := wait()
			if err == nil && lie.Add(-1) >= 0 {
				err = errors.New("sync folder: input/output error")
			}
			return err
		}
	}}
}

// A full disk holds the log up and loses nothing; an error about an entry that
// did arrive does not write it twice.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var refuse, lie atomic.Int32
	s.flaky(&refuse, &lie)
	refuse.Store(1)
	s.events(1, batchOf(1, 2)...)
	deadline := time.Now().Add(5 * time.Second)
	for len(s.Problems()) == 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if p := s.Problems(); len(p) != 1 || p[0].Code != problemWaiting || !p[0].Stops {
		t.Errorf("problems %v while the disk is full", p)
	}
	s.sync()
	if p := s.Problems(); len(p) != 0 {
		t.Errorf("problems %v although there is space again", p)
	}
	lie.Store(1)
	s.events(2, batchOf(2, 2)...)
	s.sync()
	if got := s.Head().Size; got != 3 {
		t.Errorf("size %d, want 3: genesis and two batches", got)
	}
	s.close()
	if r := s.verify(func(src *Source) { src.File = nil }); !r.OK || r.Entries != 3 {
		t.Errorf("report %+v", r)
	}
}

func TestEventsRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.Events(context.Background(), 1, make([]*ocsf.Event, MaxBatch+1)); err == nil {
		t.Error("a batch that does not fit was accepted")
	}
	s.close()
	if err := s.Events(context.Background(), 1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestLargestBatchFits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.events(1, batchOf(1, MaxBatch)...)
	s.sync()
	if got := s.Head().Size; got != 2 {
		t.Errorf("size %d, want 2", got)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.close()
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"renamed":         {func(c *Config) { c.Origin = "other.example" }, "cannot be renamed"},
		"half a witness":  {func(c *Config) { c.WitnessURL = "https://w.example" }, "needs both"},
		"witness key":     {func(c *Config) { c.WitnessURL, c.WitnessKey = "https://w.example", "x" }, "not a cosignature"},
		"witness address": {func(c *Config) { c.WitnessURL, c.WitnessKey = "w", "x" }, "not a URL"},
		"too fast":        {func(c *Config) { c.Interval = time.Millisecond }, "minimum"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := s.config()
			c.change(&cfg)
			if err := tryOpen(t, s, cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
