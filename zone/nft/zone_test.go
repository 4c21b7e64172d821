//go:build linux

package nft

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// TestThreeZones: every pair of zones, two ports, both families: before the
// policy all 36 connections pass, after it only those of its conduits.
func TestThreeZones(t *testing.T) {
	l := newLab(t, "his", "img", "gst")
	k := l.kernel()
	for _, z := range l.zones {
		l.serve(z, 11112)
		l.serve(z, 2575)
		l.serve(z, 443)
	}
	tryAll := func(allowed func(from, to string, port int) bool, wait time.Duration) (passed, denied int) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for _, from := range l.zones {
			for _, to := range l.zones {
				for _, port := range []int{11112, 2575, 443} {
					for _, addr := range []netip.Addr{l.ip4(to), l.ip6(to)} {
						if from == to {
							continue
						}
						wg.Go(func() {
							c, err := l.dial(from, addr, port, wait)
							mu.Lock()
							defer mu.Unlock()
							if err == nil {
								_ = c.Close()
								passed++
							} else {
								denied++
							}
							if want := allowed(from, to, port); (err == nil) != want {
								t.Errorf("%s to %s port %d: %v, want pass %t", from, addr, port, err, want)
							}
						})
					}
				}
			}
		}
		wg.Wait()
		return passed, denied
	}
	if passed, _ := tryAll(func(string, string, int) bool { return true }, 2*time.Second); passed != 36 {
		t.Fatalf("before the policy %d of 36 pass", passed)
	}
	r := rules(conduit("his", "img", 11112), conduit("img", "his", 2575), conduit("his", "gst", 443))
	l.apply(k, r, zone.Order{Mode: zone.Stage})
	l.intact(k, r, zone.Stage)
	if passed, _ := tryAll(func(string, string, int) bool { return true }, 2*time.Second); passed != 36 {
		t.Fatalf("staged, %d of 36 pass", passed)
	}
	if n := l.counters(k, r, zone.Stage); n.Would == 0 || n.Denied != 0 {
		t.Fatalf("staged counters %+v", n)
	}
	a := l.apply(k, r, zone.Order{Mode: zone.Enforce})
	l.intact(k, r, zone.Enforce)
	passed, denied := tryAll(func(from, to string, port int) bool {
		return from == "his" && to == "img" && port == 11112 || from == "img" && to == "his" && port == 2575 || from == "his" && to == "gst" && port == 443
	}, 700*time.Millisecond)
	n := l.counters(k, r, zone.Enforce)
	t.Logf("loaded in %s; %d pass, %d denied; counters %+v", a.Took, passed, denied, n)
	if passed != 6 || denied != 30 || n.Conduits["his-img"] != 2 || n.Denied < 30 {
		t.Errorf("%d pass and %d are denied; counters %+v", passed, denied, n)
	}
	if err := k.Remove(context.Background(), zone.Enforce); err != nil {
		t.Fatal(err)
	}
	if passed, _ := tryAll(func(string, string, int) bool { return true }, 2*time.Second); passed != 36 {
		t.Fatalf("after removal %d of 36 pass", passed)
	}
	if got, err := k.Loaded(context.Background(), nil, zone.Enforce); err != nil || got.Present {
		t.Fatal(got, err)
	}
}

// TestForeignChangesAreNamed: whatever somebody does to the table shows.
func TestForeignChangesAreNamed(t *testing.T) {
	l := newLab(t, "his", "img")
	k := l.kernel()
	r := rules(conduit("his", "img", 11112),
		zone.Element{From: netip.MustParsePrefix("10.77.1.0/24"), To: netip.MustParsePrefix("10.77.2.2/32"), Proto: packet.TCP, Low: 5000, High: 5100, Conduit: "range"},
		zone.Element{From: netip.MustParsePrefix("fd77:1::/64"), To: netip.MustParsePrefix("fd77:2::/64"), Proto: packet.ICMPv6, Conduit: "ping"})
	for what, change := range map[string]string{
		"foreign rule":    "nft insert rule inet cordon forward accept",
		"lacks its rule":  "nft flush chain inet cordon forward",
		"foreign element": "nft add element inet cordon legs-port '{ \"z-img\" . \"z-his\" . tcp . 3389 }'",
		"lacks element":   "nft delete element inet cordon legs-port '{ \"z-his\" . \"z-img\" . tcp . 11112 }'",
		"default policy":  "nft chain inet cordon forward '{ policy accept; }'",
		"is not ours":     "nft add set inet cordon extra '{ type ipv4_addr; }'",
	} {
		l.apply(k, r, zone.Order{Mode: zone.Enforce})
		l.intact(k, r, zone.Enforce)
		l.sh("ip netns exec %s %s", l.ns("core"), change)
		if got, err := k.Loaded(context.Background(), r, zone.Enforce); err != nil || !has(got.Faults, what) {
			t.Errorf("%s: %+v %v", change, got, err)
		}
	}
	l.apply(k, r, zone.Order{Mode: zone.Enforce})
	other := rules(conduit("his", "img", 104))
	if got, err := k.Loaded(context.Background(), other, zone.Enforce); err != nil || !has(got.Faults, "the kernel holds ruleset") {
		t.Errorf("%+v %v", got, err)
	}
	l.sh("ip netns exec %s nft add table ip other", l.ns("core"))
	l.sh("ip netns exec %s nft add chain ip other f '{ type filter hook forward priority 0; policy drop; }'", l.ns("core"))
	if got, err := k.Loaded(context.Background(), r, zone.Enforce); err != nil || !has(got.Others, "drops by default") {
		t.Errorf("%+v %v", got, err)
	}
}

// TestTrialEndsInTheKernel: nobody confirms, nobody runs; the hospital works.
func TestTrialEndsInTheKernel(t *testing.T) {
	l := newLab(t, "his", "img")
	k := l.kernel()
	l.serve("img", 443)
	r := rules(conduit("his", "img", 11112))
	l.apply(k, r, zone.Order{Mode: zone.Trial, Trial: 2 * time.Second})
	l.intact(k, r, zone.Enforce)
	if _, err := l.dial("his", l.ip4("img"), 443, 500*time.Millisecond); err == nil {
		t.Fatal("passes during the trial")
	}
	if got, err := k.Loaded(context.Background(), r, zone.Enforce); err != nil || got.Armed <= 0 || got.Mode != zone.Trial {
		t.Fatal(got, err)
	}
	time.Sleep(2 * time.Second)
	c, err := l.dial("his", l.ip4("img"), 443, time.Second)
	if err != nil {
		t.Fatal("does not pass after the trial:", err)
	}
	_ = c.Close()
	if got, err := k.Loaded(context.Background(), r, zone.Enforce); err != nil || got.Armed != 0 {
		t.Fatal(got, err)
	}
	if n := l.counters(k, r, zone.Enforce); n.Open == 0 {
		t.Errorf("not counted: %+v", n)
	}
}

// TestFailOpen: a fail-open zone is enforced as long as somebody watches.
func TestFailOpen(t *testing.T) {
	l := newLab(t, "icu", "img", "gst")
	k := l.kernel()
	for _, z := range l.zones {
		l.serve(z, 443)
	}
	r := rules(conduit("icu", "img", 11112))
	r.Zones = []zone.Zone{{Name: "icu", Interface: "z-icu", FailOpen: true}, {Name: "gst", Networks: []netip.Prefix{netip.MustParsePrefix("fd77:3::/64")}, FailOpen: true}}
	l.apply(k, r, zone.Order{Mode: zone.Enforce})
	l.intact(k, r, zone.Enforce)
	passes := func(from string, to netip.Addr) bool {
		c, err := l.dial(from, to, 443, 400*time.Millisecond)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	if !passes("icu", l.ip4("img")) || !passes("img", l.ip4("icu")) || passes("img", l.ip4("gst")) || !passes("img", l.ip6("gst")) {
		t.Error("unwatched: fail-open zones must pass, others not")
	}
	if err := k.Beat(context.Background(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if passes("icu", l.ip4("img")) || passes("img", l.ip6("gst")) {
		t.Error("watched: the policy holds for everybody")
	}
}

// converse runs a conversation until stop and returns how many answers came, and
// the longest wait for one.
func converse(c net.Conn, stop <-chan struct{}) (n int, worst time.Duration, err error) {
	b := make([]byte, 8)
	for {
		select {
		case <-stop:
			return n, worst, nil
		default:
		}
		begun := time.Now()
		_ = c.SetDeadline(begun.Add(5 * time.Second))
		if _, err := c.Write(b); err != nil {
			return n, worst, err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return n, worst, err
		}
		worst = max(worst, time.Since(begun))
		n++
	}
}

// many are n conduits by legs, beside the one of the test's conversation.
func many(n int) *zone.Ruleset {
	list := []zone.Element{conduit("his", "img", 11112)}
	for i := range n - 1 {
		list = append(list, zone.Element{In: fmt.Sprintf("eth%d", i/250), Out: fmt.Sprintf("eth%d", i%250), Proto: packet.TCP,
			Low: uint16(1000 + i%60000), High: uint16(1000 + i%60000), Conduit: fmt.Sprint("c", i)})
	}
	return rules(list...)
}

// TestReplaceLosesNothing: live conversations go on while 10,000 conduits are
// replaced.
func TestReplaceLosesNothing(t *testing.T) {
	l := newLab(t, "his", "img")
	k := l.kernel()
	l.serve("img", 11112)
	r := many(10_000)
	l.apply(k, r, zone.Order{Mode: zone.Enforce})
	c, err := l.dial("his", l.ip4("img"), 11112, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if n, worst, err := converse(c, stop); err != nil || n == 0 {
			t.Errorf("%d answers, then %v", n, err)
		} else {
			t.Logf("%d answers, the slowest after %s", n, worst)
		}
	})
	for range 5 {
		a := l.apply(k, r, zone.Order{Mode: zone.Enforce, Cut: true})
		t.Logf("10,000 conduits in %s", a.Took)
		if a.Ended != 0 {
			t.Errorf("%d allowed conversations were cut", a.Ended)
		}
	}
	close(stop)
	wg.Wait()
	if n := l.counters(k, r, zone.Enforce); n.Denied != 0 {
		t.Errorf("dropped: %+v", n)
	}
	l.intact(k, r, zone.Enforce)
}

// TestRevokedConduitIsCut: a live conversation ends with its conduit, others
// go on.
func TestRevokedConduitIsCut(t *testing.T) {
	l := newLab(t, "his", "img", "gst")
	k := l.kernel()
	l.serve("img", 11112)
	l.serve("gst", 443)
	both, one := rules(conduit("his", "img", 11112), conduit("his", "gst", 443)), rules(conduit("his", "gst", 443))
	l.apply(k, both, zone.Order{Mode: zone.Stage})
	l.apply(k, both, zone.Order{Mode: zone.Enforce, Cut: true, Strict: true})
	gone, err := l.dial("his", l.ip4("img"), 11112, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	stays, err := l.dial("his", l.ip6("gst"), 443, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	a := l.apply(k, one, zone.Order{Mode: zone.Enforce, Cut: true, Strict: true})
	if a.Ended != 1 {
		t.Errorf("%d conversations ended, want 1", a.Ended)
	}
	if answered(stays) != nil {
		t.Error("an allowed conversation was cut")
	}
	if answered(gone) == nil {
		t.Error("a revoked conversation goes on")
	}
}

// answered reports whether an echo comes back in time.
func answered(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(600 * time.Millisecond))
	if _, err := c.Write([]byte("12345678")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 8))
	return err
}
