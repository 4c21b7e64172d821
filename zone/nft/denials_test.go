//go:build linux

package nft

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// watchDenials reads denials until the test ends.
func (l *lab) watchDenials(k *Kernel, out func(zone.Denial)) (d *Denials, stop func()) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d = k.NewDenials(time.Now, out)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- d.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		l.t.Fatal(err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					l.t.Error(err)
				}
			case <-time.After(5 * time.Second):
				l.t.Error("the reader of denials does not end")
			}
		})
	}
	l.t.Cleanup(stop)
	return d, stop
}

// TestFirstDenialComesSoon: the first record within 50 ms, with what was tried.
func TestFirstDenialComesSoon(t *testing.T) {
	l := newLab(t, "his", "img")
	k := l.kernel()
	got := make(chan zone.Denial, 100)
	l.watchDenials(k, func(d zone.Denial) { got <- d })
	l.apply(k, rules(conduit("img", "his", 2575)), zone.Order{Mode: zone.Enforce})
	w := l.wire("his", "eth0")
	router := l.mac("core", "z-his")
	begun := time.Now()
	w.send(t, probeFrame(router, w.mac, l.ip4("his"), l.ip4("img"), packet.TCP, 3389, 1))
	select {
	case d := <-got:
		took := time.Since(begun)
		t.Logf("after %s: %+v", took, d)
		if took > 50*time.Millisecond {
			t.Errorf("took %s", took)
		}
		if d.Kind != zone.DeniedZone || d.In != "z-his" || d.Out != "z-img" || d.MAC != w.mac || d.From != l.ip4("his") || d.To != l.ip4("img") || d.Port != 3389 || d.FromPort != 20001 || d.Count != 1 {
			t.Errorf("%+v", d)
		}
		a, ok := d.Denied("router", func(_ netip.Addr, leg string) string { return leg })
		if !ok || a.Kind != "zone-denied" || len(a.Args) != 3 || a.Args[0] != "z-his" {
			t.Errorf("%+v", a)
		}
	case <-time.After(3 * time.Second):
		t.Fatal("no record")
	}
	w.send(t, probeFrame(router, w.mac, l.ip6("his"), l.ip6("img"), packet.UDP, 161, 2))
	select {
	case d := <-got:
		if d.From != l.ip6("his") || d.Proto != packet.UDP || d.Port != 161 {
			t.Errorf("%+v", d)
		}
	case <-time.After(3 * time.Second):
		t.Fatal("no record of IPv6")
	}
}

// TestNoDenialIsLost: a flood of far more than 100,000 a second is counted to
// the last packet, and does not become a flood of events.
func TestNoDenialIsLost(t *testing.T) {
	l := newLab(t, "his", "img")
	k := l.kernel()
	var mu sync.Mutex
	var told, events int64
	d, stop := l.watchDenials(k, func(d zone.Denial) {
		mu.Lock()
		defer mu.Unlock()
		told += d.Count
		events++
	})
	r := rules(conduit("img", "his", 2575))
	l.apply(k, r, zone.Order{Mode: zone.Enforce})
	w := l.wire("his", "eth0")
	router := l.mac("core", "z-his")
	const frames = 300_000
	begun := time.Now()
	flood(t, w, frames, 100_000, func(i uint32) []byte {
		return probeFrame(router, w.mac, l.ip4("his"), l.ip4("img"), packet.UDP, uint16(i), i)
	})
	took := time.Since(begun)
	want := int64(l.counters(k, r, zone.Enforce).Denied)
	for i := 0; d.Stats().Records < want && i < 100; i++ {
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	s := d.Stats()
	t.Logf("%d denied in %s (%.0f/s), %d records, %d lost, %d told in %d events", want, took, float64(want)/took.Seconds(), s.Records, s.Lost, told, events)
	if want < frames*99/100 {
		t.Errorf("only %d of %d frames reached the rule", want, frames)
	}
	if s.Records != want || s.Lost != 0 || told != want {
		t.Errorf("kernel denied %d, records %d, lost %d, told %d", want, s.Records, s.Lost, told)
	}
	if events > 40_000 {
		t.Errorf("%d events", events)
	}
}

// flood sends n frames at a rate, many with each call.
func flood(t testing.TB, w *wire, n, perSecond int, frame func(uint32) []byte) {
	t.Helper()
	const block = 200
	begun := time.Now()
	for i := 0; i < n; i += block {
		for j := range min(block, n-i) {
			w.send(t, frame(uint32(i+j)))
		}
		if ahead := time.Duration(i)*time.Second/time.Duration(perSecond) - time.Since(begun); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
	}
}

// TestGapsAreTold: a reader that is too slow for the kernel knows how much it
// missed.
func TestGapsAreTold(t *testing.T) {
	d := (&Kernel{cfg: Options{}.withDefaults(), ns: -1}).NewDenials(time.Now, func(zone.Denial) {})
	for _, seq := range []uint32{5, 6, 9, 10} {
		d.number(0, seq)
	}
	d.number(1, 0)
	if got := d.Stats().Lost; got != 2 {
		t.Errorf("lost %d, want 2", got)
	}
}

// TestManyKindsAreFolded: memory and events are bounded, counts are exact.
func TestManyKindsAreFolded(t *testing.T) {
	var told int64
	events := 0
	d := (&Kernel{cfg: Options{}.withDefaults(), ns: -1}).NewDenials(time.Now, func(x zone.Denial) { told += x.Count; events++ })
	base := zone.Denial{Kind: zone.DeniedZone, Count: 1, First: 1}
	for i := range 50_000 {
		x := base
		x.From, x.Port = addr4(i/3), uint16(i)
		d.add(x)
	}
	d.flush()
	if told != 50_000 || events > 2*mostSenders+2 {
		t.Errorf("%d told in %d events", told, events)
	}
}

func FuzzReadPacket(f *testing.F) {
	mac := packet.MAC{2, 0, 0, 0, 0, 1}
	four, six := addr4(1), addr6(1)
	f.Add(uint16(unix.ETH_P_IP), probeFrame(mac, mac, four, four, packet.TCP, 80, 1)[14:])
	f.Add(uint16(unix.ETH_P_IPV6), probeFrame(mac, mac, six, six, packet.UDP, 53, 1)[14:])
	f.Add(uint16(unix.ETH_P_ARP), make([]byte, 28))
	f.Add(uint16(unix.ETH_P_IPV6), append(append([]byte{0x60, 0, 0, 0, 0, 0, 44, 1}, make([]byte, 32)...), 0, 60, 0, 8, 0, 0, 0, 1))
	f.Fuzz(func(t *testing.T, proto uint16, b []byte) {
		den := zone.Denial{Kind: zone.DeniedNA}
		readPacket(&den, proto, b)
		den.Claim()
		den.Denied("x", func(netip.Addr, string) string { return "" })
	})
}

func TestInterfaceNamesFit(t *testing.T) {
	if _, err := shapeOf(zone.Element{In: "a-name-that-is-too-long", Out: "b"}); err == nil {
		t.Error("a name the kernel would cut passes")
	}
}

func addr4(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}
func addr6(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfd, 0x77, 14: byte(i >> 8), 15: byte(i)})
}
