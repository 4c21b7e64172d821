//go:build linux

package capture

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
)

// sensorSink keeps the events of a sensor.
type sensorSink struct {
	mu  sync.Mutex
	all []*ocsf.Event
}

func (s *sensorSink) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		for line := range strings.Lines(string(it.Data)) {
			ev := &ocsf.Event{}
			if err := ocsf.Decode([]byte(strings.TrimSpace(line)), ev); err != nil {
				return nil, err
			}
			s.all = append(s.all, ev)
		}
	}
	return make([]collect.Receipt, len(items)), nil
}

// sensorMemory is a collect.Cursors.
type sensorMemory struct{ m sync.Map }

func (m *sensorMemory) Load(_ context.Context, name string) (string, error) {
	v, _ := m.m.Load(name)
	text, _ := v.(string)
	return text, nil
}

func (m *sensorMemory) Save(_ context.Context, name, value string) error {
	m.m.Store(name, value)
	return nil
}

// TestSensor: a device that begins to talk on a wire is told of within a
// second, with whom it talks.
func TestSensor(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("listening on an interface takes root")
	}
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("ip %v: %v %s (package iproute2, and root that may make interfaces)", args, err, out)
		}
	}
	ip("link", "add", "name", "cdnsa", "type", "veth", "peer", "name", "cdnsb")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "cdnsa").Run() })
	ns := "cordon-sensor-test"
	ip("netns", "add", ns)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	ip("link", "set", "cdnsb", "netns", ns)
	ip("addr", "add", "10.99.7.1/24", "dev", "cdnsa")
	ip("link", "set", "cdnsa", "up")
	ip("-n", ns, "addr", "add", "10.99.7.2/24", "dev", "cdnsb")
	ip("-n", ns, "link", "set", "cdnsb", "up")

	cfg := DefaultSensor()
	cfg.Name, cfg.Interfaces = "test", []string{"cdnsa"}
	s, err := NewSensor(cfg, &sensorMemory{}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sink := &sensorSink{}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, sink) }()
	time.Sleep(300 * time.Millisecond)
	if out, err := exec.Command("ip", "netns", "exec", ns, "ping", "-c", "2", "-i", "0.2", "10.99.7.1").CombinedOutput(); err != nil {
		t.Fatalf("ping: %v %s", err, out)
	}
	time.Sleep(1200 * time.Millisecond)
	if st := s.State(); st == nil || st.Stats.Packets < 4 {
		t.Errorf("state %+v", st)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var device, talk bool
	sink.mu.Lock()
	defer sink.mu.Unlock()
	for _, ev := range sink.all {
		if o, ok := asset.ObservationOf(ev); ok && asset.AddrText(o.IP) == "10.99.7.2" {
			device = true
		}
		if c, ok := flow.Of(ev); ok && asset.AddrText(c.Client) == "10.99.7.2" && asset.AddrText(c.Server) == "10.99.7.1" {
			talk = true
		}
	}
	if !device || !talk {
		t.Errorf("device seen: %v, conversation: %v, of %d events", device, talk, len(sink.all))
	}
}
