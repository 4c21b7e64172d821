//go:build linux

package nft

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// TestIsolationCutsLiveConversations: within 200 ms, both families, and it
// ends by itself.
func TestIsolationCutsLiveConversations(t *testing.T) {
	l := newLab(t, "his", "img", "icu")
	k := l.kernel()
	ctx := context.Background()
	r := rules(conduit("his", "img", 11112), conduit("icu", "img", 11112))
	l.apply(k, r, zone.Order{Mode: zone.Enforce})
	l.serve("img", 11112)
	live := map[string]net.Conn{}
	for name, dial := range map[string]func() (net.Conn, error){
		"v4":  func() (net.Conn, error) { return l.dial("his", l.ip4("img"), 11112, time.Second) },
		"v6":  func() (net.Conn, error) { return l.dial("his", l.ip6("img"), 11112, time.Second) },
		"icu": func() (net.Conn, error) { return l.dial("icu", l.ip4("img"), 11112, time.Second) },
	} {
		c, err := dial()
		if err != nil {
			t.Fatal(name, err)
		}
		defer c.Close()
		live[name] = c
	}
	if err := k.Exempt(ctx, []zone.Isolation{{IP: l.ip4("icu")}}); err != nil {
		t.Fatal(err)
	}
	stop, last := make(chan struct{}), make(chan time.Time, 1)
	go func() {
		var at time.Time
		b := make([]byte, 8)
		for {
			select {
			case <-stop:
				last <- at
				return
			default:
			}
			_ = live["v4"].SetDeadline(time.Now().Add(300 * time.Millisecond))
			if _, err := live["v4"].Write(b); err == nil {
				if _, err = io.ReadFull(live["v4"], b); err == nil {
					at = time.Now()
				}
			}
		}
	}()
	time.Sleep(100 * time.Millisecond)
	begun := time.Now()
	// Somebody's mistake: a device of life support is on the list.
	a, err := k.Isolate(ctx, []zone.Isolation{{IP: l.ip4("his"), Left: 6 * time.Second, Key: "case/1"}, {IP: l.ip6("his"), Left: 6 * time.Second}, {IP: l.ip4("icu"), Left: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	time.Sleep(400 * time.Millisecond)
	close(stop)
	if at := <-last; at.Sub(begun) > 200*time.Millisecond {
		t.Errorf("the last answer came %s after isolation began", at.Sub(begun))
	} else {
		t.Logf("isolated in %s (kernel %s, %d conversations ended), last answer after %s", took, a.Took, a.Ended, at.Sub(begun))
	}
	if a.Ended != 2 {
		t.Errorf("%d conversations ended, want those of his alone", a.Ended)
	}
	if answered(live["v6"]) == nil {
		t.Error("the IPv6 conversation goes on")
	}
	if err := answered(live["icu"]); err != nil {
		t.Error("life support was cut off:", err)
	}
	n, dropped, err := k.Talking(ctx, zone.Isolation{IP: l.ip4("his")})
	if err != nil || n != 0 || dropped == 0 {
		t.Errorf("%d conversations, %d dropped, %v", n, dropped, err)
	}
	if c := l.counters(k, r, zone.Enforce); c.Quarantined < dropped {
		t.Errorf("counters %+v, dropped %d", c, dropped)
	}
	// A policy that is replaced or removed lets nobody out; nor does a restart
	// of Cordon that finds tables of an older version.
	l.apply(k, r, zone.Order{Mode: zone.Enforce})
	l.sh("ip netns exec %s nft insert rule inet cordon-quarantine forward counter", l.ns("core"))
	if err := k.Exempt(ctx, nil); err != nil {
		t.Fatal(err)
	}
	list, err := k.Isolated(ctx)
	if err != nil || len(list) != 3 || l.kept(list, "case/1") == 0 {
		t.Fatalf("isolated: %+v %v", list, err)
	}
	time.Sleep(time.Until(begun.Add(6500 * time.Millisecond)))
	c, err := l.dial("his", l.ip4("img"), 11112, time.Second)
	if err != nil {
		t.Fatal("isolation did not end by itself:", err)
	}
	_ = c.Close()
	if err := k.Release(ctx, []zone.Isolation{{IP: l.ip4("icu")}}); err != nil {
		t.Fatal(err)
	}
	if list, err := k.Isolated(ctx); err != nil || len(list) != 0 {
		t.Errorf("still isolated: %+v %v", list, err)
	}
}

func (l *lab) kept(list []zone.Isolation, key string) time.Duration {
	for _, i := range list {
		if i.Key == key {
			return i.Left
		}
	}
	return 0
}

// TestIsolationByMAC: a device that changes its address stays cut off.
func TestIsolationByMAC(t *testing.T) {
	l := newLab(t, "his", "img")
	k := l.kernel()
	l.serve("img", 443)
	var mac packet.MAC = l.mac("his", "eth0")
	if _, err := k.Isolate(context.Background(), []zone.Isolation{{MAC: mac, Left: time.Minute}}); err != nil {
		t.Fatal(err)
	}
	l.sh("ip -n %[1]s addr flush dev eth0; ip -n %[1]s addr add 10.77.1.9/24 dev eth0; ip -n %[1]s route add default via 10.77.1.1", l.ns("his"))
	if _, err := l.dial("his", l.ip4("img"), 443, 400*time.Millisecond); err == nil {
		t.Error("passes with another address")
	}
	if err := k.Release(context.Background(), []zone.Isolation{{MAC: mac}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.dial("his", l.ip4("img"), 443, time.Second); err != nil {
		t.Error("released and still cut off:", err)
	}
}

// TestARouterDoesNotCutItselfOff: nor whoever comes by it.
func TestARouterDoesNotCutItselfOff(t *testing.T) {
	l := newLab(t, "his", "img")
	k := l.kernel()
	ctx := context.Background()
	own := l.addr("10.77.%d.1", "his")
	if _, err := k.Isolate(ctx, []zone.Isolation{{IP: l.ip4("his"), Left: time.Minute}, {IP: own, Left: time.Minute}}); !errors.Is(err, zone.ErrNeeded) {
		t.Errorf("its own address: %v", err)
	}
	if list, err := k.Isolated(ctx); err != nil || len(list) > 0 {
		t.Errorf("half of it is done: %+v %v", list, err)
	}
}
