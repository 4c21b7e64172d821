//go:build linux

package nft

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/zone"
)

// policyText lets his reach img by DICOM, and gst nobody; extra is one more
// conduit.
func policyText(extra string) string {
	return `version: 1
name: three
zones:
  - {name: his, kind: his, owner: o, interface: z-his, networks: [10.77.1.0/24, "fd77:1::/64"]}
  - {name: img, kind: pacs, owner: o, interface: z-img, networks: [10.77.2.0/24, "fd77:2::/64"]}
  - {name: gst, kind: guest, owner: o, interface: z-gst, networks: [10.77.3.0/24, "fd77:3::/64"]}
conduits:
  - {id: images, from: his, to: img, to_hosts: [10.77.2.2], allow: [tcp/11112], owner: o, reason: images}
` + extra
}

func manager(k *Kernel, journal zone.Journal) *zone.Manager {
	return zone.NewManager(zone.ManagerParts{Place: "router", Enforcer: k, Journal: journal, Prober: Prober{Wait: 700 * time.Millisecond}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
}

func (l *lab) probes(m *zone.Manager, text string) []zone.Probe {
	l.t.Helper()
	r, err := m.Compile(text)
	if err != nil {
		l.t.Fatal(err)
	}
	list, err := zone.ReadProbes([]byte(fmt.Sprintf(`probes:
  - {name: images pass, via: his, netns: %s, to: 10.77.2.2, service: tcp/11112, expect: pass}
  - {name: remote desktop does not, via: his, netns: %s, to: 10.77.2.2, service: tcp/3389, expect: deny}
  - {name: guests do not, via: gst, netns: %s, to: 10.77.2.2, service: tcp/11112, expect: deny}
`, l.ns("his"), l.ns("his"), l.ns("gst"))), r)
	if err != nil {
		l.t.Fatal(err)
	}
	return list
}

func simulated(t testing.TB, m *zone.Manager, text string) *zone.Simulation {
	t.Helper()
	r, err := m.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return &zone.Simulation{Policy: r.Policy, Hash: r.Hash}
}

// TestLifeOfAPolicy: staged, enforced, verified by real probes, confirmed; a
// next version that fails verification leaves the first one in force.
func TestLifeOfAPolicy(t *testing.T) {
	l := newLab(t, "his", "img", "gst")
	k := l.kernel()
	l.serve("img", 11112)
	l.serve("img", 3389)
	ctx := context.Background()
	journal := stand(filepath.Join(t.TempDir(), "stand.json"))
	m := manager(k, journal)
	officer := zone.Step{By: "officer"}
	text := policyText("")
	reaches := func(from string, port int) bool {
		c, err := l.dial(from, l.ip4("img"), port, 400*time.Millisecond)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	if _, err := m.Enforce(ctx, zone.EnforceWish{Step: officer, Text: text}); !errors.Is(err, zone.ErrNotStaged) {
		t.Fatal(err)
	}
	if _, err := m.Stage(ctx, text, nil, officer); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Enforce(ctx, zone.EnforceWish{Step: officer, Text: text}); !errors.Is(err, zone.ErrNoSimulate) {
		t.Fatal(err)
	}
	if _, err := m.Stage(ctx, text, simulated(t, m, text), officer); err != nil {
		t.Fatal(err)
	}
	if !reaches("gst", 3389) {
		t.Fatal("staging drops")
	}
	probes := l.probes(m, text)
	s, err := m.Enforce(ctx, zone.EnforceWish{Step: officer, Text: text, Confirm: 20 * time.Second, Probes: probes})
	if err != nil {
		t.Fatalf("%v %+v", err, s.Verified)
	}
	if s.Life != zone.Waiting || !s.Verified.OK || len(s.Verified.Probes) != 3 || s.Verified.After.Denied <= s.Verified.Before.Denied || s.Verified.After.Conduits["images"] <= s.Verified.Before.Conduits["images"] || s.Counters.Would == 0 {
		t.Fatalf("%+v %+v", s, s.Verified)
	}
	if s, err = m.Confirm(ctx, officer); err != nil || s.Life != zone.Enforced || reaches("gst", 3389) || !reaches("his", 11112) {
		t.Fatal(s.Life, err)
	}
	// The next version opens more, and lacks what a probe needs.
	next := policyText("  - {id: web, from: his, to: gst, to_hosts: [10.77.3.9], allow: [tcp/443], owner: o, reason: r, despite: [inside-to-guest], expires: 2099-01-01}\n")
	if _, err := m.Stage(ctx, next, simulated(t, m, next), officer); err != nil {
		t.Fatal(err)
	}
	if reaches("gst", 3389) || !reaches("his", 11112) {
		t.Fatal("staging the next version touched the one in force")
	}
	r, err := m.Compile(next)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := zone.ReadProbes([]byte("probes: [{name: nobody there, via: his, netns: "+l.ns("his")+", to: 10.77.3.9, service: tcp/443, expect: pass}]"), r)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = m.Enforce(ctx, zone.EnforceWish{Step: officer, Text: next, Probes: dead}); !errors.Is(err, zone.ErrUnverified) || s.Life != zone.RolledBack {
		t.Fatal(s.Life, err)
	}
	now, err := m.Stand(ctx)
	if err != nil || now.Life != zone.Enforced || now.Text != text || reaches("gst", 3389) || !reaches("his", 11112) {
		t.Fatalf("the version before does not hold: %s %v", now.Life, err)
	}
	// Somebody opens a hole: verification says so, and recovery closes it.
	l.sh("ip netns exec %s nft insert rule inet cordon forward accept", l.ns("core"))
	if s, err := m.Verify(ctx, probes, officer); err != nil || s.Verified.OK || s.Verified.Bad() != 2 || len(s.Verified.Faults) == 0 {
		t.Fatalf("%+v %v", s.Verified, err)
	}
	if _, err := m.Recover(ctx); err != nil || reaches("gst", 3389) {
		t.Fatal("the hole stays open", err)
	}
	if s, err := m.Rollback(ctx, officer); err != nil || s.Life != zone.RolledBack || !reaches("gst", 3389) {
		t.Fatal(s.Life, err)
	}
}

// TestKilledBetweenEnforceAndConfirm: kill -9, and the hospital works again by
// itself; the next start brings back what was enforced before.
func TestKilledBetweenEnforceAndConfirm(t *testing.T) {
	l := newLab(t, "his", "img", "gst")
	k := l.kernel()
	l.serve("img", 11112)
	l.serve("img", 443)
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "stand.json")
	m := manager(k, stand(path))
	officer := zone.Step{By: "officer", Reason: "test"}
	first := policyText("")
	if _, err := m.Enforce(ctx, zone.EnforceWish{Step: officer, Text: first, Force: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Confirm(ctx, officer); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledChild$", "-test.v")
	cmd.Env = append(os.Environ(), "CORDON_TEST_STAND="+path, "CORDON_TEST_NETNS="+l.ns("core"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(out); s.Scan() && !strings.Contains(s.Text(), "waiting"); {
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	s, err := m.Stand(ctx)
	if err != nil || s.Life != zone.Waiting {
		t.Fatal(s.Life, err)
	}
	if _, err := l.dial("his", l.ip4("img"), 11112, 400*time.Millisecond); err == nil {
		t.Fatal("the second version is not in force")
	}
	time.Sleep(time.Until(time.UnixMilli(s.Deadline)) + 200*time.Millisecond)
	c, err := l.dial("his", l.ip4("img"), 11112, time.Second)
	if err != nil {
		t.Fatal("nobody is there, and the hospital does not work:", err)
	}
	_ = c.Close()
	if _, err := m.Confirm(ctx, officer); !errors.Is(err, zone.ErrTooLate) {
		t.Fatal(err)
	}
	if s, err := m.Stand(ctx); err != nil || s.Life != zone.Enforced || s.Text != first {
		t.Fatal(s.Life, err)
	}
	if _, err := l.dial("his", l.ip4("img"), 443, 400*time.Millisecond); err == nil {
		t.Error("the version before is not in force")
	}
	c, err = l.dial("his", l.ip4("img"), 11112, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	// A machine that starts anew has forgotten everything.
	if err := k.Remove(ctx, zone.Enforce); err != nil {
		t.Fatal(err)
	}
	if _, err := manager(k, stand(path)).Recover(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := l.dial("his", l.ip4("img"), 443, 400*time.Millisecond); err == nil {
		t.Error("after a restart of the machine nothing is enforced")
	}
}

// TestKilledChild is the process that is killed.
func TestKilledChild(t *testing.T) {
	path := os.Getenv("CORDON_TEST_STAND")
	if path == "" {
		t.Skip("a part of TestKilledBetweenEnforceAndConfirm")
	}
	k, err := Open(Options{NetNS: os.Getenv("CORDON_TEST_NETNS")})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(policyText(""), "tcp/11112", "tcp/104")
	_, err = manager(k, stand(path)).Enforce(context.Background(), zone.EnforceWish{Step: zone.Step{By: "officer", Reason: "x"}, Text: text, Force: true, Confirm: 3 * time.Second})
	fmt.Println("waiting", err)
	time.Sleep(time.Minute)
}

// TestUnconfirmedIsRolledBack: the watcher does it while it runs.
func TestUnconfirmedIsRolledBack(t *testing.T) {
	l := newLab(t, "his", "img", "gst")
	k := l.kernel()
	l.serve("img", 443)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := manager(k, stand(filepath.Join(t.TempDir(), "s")))
	if _, err := m.Enforce(ctx, zone.EnforceWish{Step: zone.Step{By: "officer", Reason: "x"}, Text: policyText(""), Force: true, Confirm: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	var s zone.Stand
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && s.Life != zone.RolledBack; time.Sleep(50 * time.Millisecond) {
		if s, err = m.Stand(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if s.Life != zone.RolledBack || s.By != "cordon" {
		t.Errorf("%s by %s", s.Life, s.By)
	}
	if got, err := k.Loaded(ctx, nil, zone.Enforce); err != nil || got.Present {
		t.Error(got, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// stand keeps the newest stand in a file: a journal that outlives a process.
type stand string

var _ zone.Journal = stand("")

func (f stand) Load(context.Context) (s zone.Stand, found bool, err error) {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s, true, err
}

func (f stand) Save(_ context.Context, s zone.Stand) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return durable.WriteFile(string(f), data, 0o600)
}
