//go:build linux

package nft

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// bench of a switch: a bridge with three devices, bound to MAC, IP and port.
type office struct {
	*lab
	hosts []string
}

func newOffice(t *testing.T) *office {
	needRoot(t)
	o := &office{lab: newLab(t), hosts: []string{"a", "b", "m"}}
	o.sh("ip -n %s link add name br0 type bridge", o.ns("core"))
	o.sh("ip -n %s link set br0 up promisc on", o.ns("core"))
	for i, n := range o.hosts {
		o.namespace(n)
		o.sh("ip -n %s link add name p-%s type veth peer name eth0 netns %s", o.ns("core"), n, o.ns(n))
		o.sh("ip -n %s link set eth0 address 02:00:00:00:00:1%d", o.ns(n), i+1)
		o.sh("ip -n %s link set p-%s master br0; ip -n %s link set p-%s up", o.ns("core"), n, o.ns("core"), n)
		o.sh("ip -n %s addr add 10.78.0.1%d/24 dev eth0", o.ns(n), i+1)
		o.sh("ip -n %s addr add fd78::1%d/64 dev eth0 nodad", o.ns(n), i+1)
		o.sh("ip -n %s link set eth0 up", o.ns(n))
	}
	return o
}

func (o *office) guard() zone.Guard {
	g := zone.Guard{Ports: []string{"p-a", "p-b", "p-m"}, Servers: []string{"p-b"}, Routers: []string{"p-b"}, IPv6: true}
	for i, n := range o.hosts {
		mac := fmt.Sprintf("02:00:00:00:00:1%d", i+1)
		g.Bindings = append(g.Bindings,
			binding.Binding{ID: n + "4", State: binding.Locked, MAC: mac, IP: fmt.Sprintf("10.78.0.1%d", i+1), Port: "p-" + n},
			binding.Binding{ID: n + "6", State: binding.Bound, MAC: mac, IP: fmt.Sprintf("fd78::1%d", i+1), Port: "p-" + n})
	}
	g.Bindings = append(g.Bindings, binding.Binding{ID: "guess", State: binding.Learnt, MAC: "02:00:00:00:00:13", IP: "10.78.0.66"})
	return g
}

// arp is a reply that says ip is at mac.
func arp(dst, frame, mac packet.MAC, ip, target netip.Addr, op byte) []byte {
	b := append(append(append([]byte{}, dst[:]...), frame[:]...), 8, 6, 0, 1, 8, 0, 6, 4, 0, op)
	b = append(append(b, mac[:]...), ip.AsSlice()...)
	return append(append(b, dst[:]...), target.AsSlice()...)
}

func withPorts(frame []byte, sport uint16) []byte {
	off := 14 + 20
	if frame[14]>>4 == 6 {
		off = 14 + 40
	}
	frame[off], frame[off+1] = byte(sport>>8), byte(sport)
	return frame
}

// icmp6 is a message of neighbour discovery.
func icmp6(dst, src packet.MAC, from, to netip.Addr, kind byte, target netip.Addr) []byte {
	l4 := append([]byte{kind, 0, 0, 0, 0x20, 0, 0, 0}, target.AsSlice()...)
	l4sum(l4, from, to, packet.ICMPv6)
	h := ipHead(from, to, packet.ICMPv6, len(l4), 0)
	h[7] = 255
	frame := append(append(append([]byte{}, dst[:]...), src[:]...), 0x86, 0xdd)
	return append(append(frame, h...), l4...)
}

type forgery struct {
	name  string
	kind  zone.DenialKind
	frame []byte
}

// forgeries are sent by m to a.
func forgeries() []forgery {
	a, b, m := packet.MAC{2, 0, 0, 0, 0, 0x11}, packet.MAC{2, 0, 0, 0, 0, 0x12}, packet.MAC{2, 0, 0, 0, 0, 0x13}
	ip := netip.MustParseAddr
	group := packet.MAC{0x33, 0x33, 0, 0, 0, 1}
	return []forgery{
		{"forged ARP reply", zone.DeniedARP, arp(a, m, m, ip("10.78.0.12"), ip("10.78.0.11"), 2)},
		{"forged ARP behind an honest frame", zone.DeniedARP, arp(a, m, b, ip("10.78.0.12"), ip("10.78.0.11"), 2)},
		{"unbound address", zone.DeniedIP, probeFrame(a, m, ip("10.78.0.99"), ip("10.78.0.11"), packet.UDP, 9, 1)},
		{"address only learnt", zone.DeniedIP, probeFrame(a, m, ip("10.78.0.66"), ip("10.78.0.11"), packet.UDP, 9, 1)},
		{"cloned MAC", zone.DeniedIP, probeFrame(a, b, ip("10.78.0.12"), ip("10.78.0.11"), packet.UDP, 9, 1)},
		{"rogue DHCP offer", zone.DeniedDHCP, withPorts(probeFrame(a, m, ip("10.78.0.13"), ip("10.78.0.11"), packet.UDP, 68, 1), 67)},
		{"rogue DHCPv6", zone.DeniedDHCP, withPorts(probeFrame(a, m, ip("fd78::13"), ip("fd78::11"), packet.UDP, 546, 1), 547)},
		{"rogue router", zone.DeniedRA, icmp6(group, m, ip("fe80::13"), ip("ff02::1"), 134, ip("::"))},
		{"stolen neighbour", zone.DeniedNA, icmp6(a, m, ip("fd78::13"), ip("fd78::11"), 136, ip("fd78::12"))},
		{"unbound IPv6", zone.DeniedIP, probeFrame(a, m, ip("fd78::99"), ip("fd78::11"), packet.UDP, 9, 1)},
		{"two VLAN tags", zone.DeniedTag, append(append(append([]byte{}, a[:]...), m[:]...), 0x81, 0, 0, 1, 0x81, 0, 0, 2, 8, 0, 0x45)},
	}
}

// TestGuard: what is forged does not come through and is told with its rule;
// what is bound talks on.
func TestGuard(t *testing.T) {
	o := newOffice(t)
	k := o.kernel()
	ctx := context.Background()
	var mu sync.Mutex
	told := map[zone.DenialKind]zone.Denial{}
	o.watchDenials(k, func(d zone.Denial) {
		mu.Lock()
		defer mu.Unlock()
		if told[d.Kind].Count == 0 {
			told[d.Kind] = d
		}
	})
	victim, bad := o.wire("a", "eth0"), o.wire("m", "eth0")
	a, m := packet.MAC{2, 0, 0, 0, 0, 0x11}, packet.MAC{2, 0, 0, 0, 0, 0x13}
	ip := netip.MustParseAddr
	attacks := forgeries()
	came := func(frame []byte) bool {
		bad.send(t, frame)
		n := 0
		victim.collect(60*time.Millisecond, func(f []byte) {
			if len(f) >= 14 && string(f[6:12]) == string(frame[6:12]) && string(f[12:]) == string(frame[12:]) {
				n++
			}
		})
		return n > 0
	}
	for _, x := range attacks[:len(attacks)-1] {
		if !came(x.frame) {
			t.Errorf("%s does not come through even without a guard: the test shows nothing", x.name)
		}
	}
	g := o.guard()
	if err := k.Protect(ctx, g); err != nil {
		t.Fatal(err)
	}
	if faults, err := k.Guarded(ctx, g); err != nil || len(faults) != 0 {
		t.Fatal(faults, err)
	}
	time.Sleep(1100 * time.Millisecond) // the kernel keeps fresh neighbours
	for _, x := range attacks {
		mu.Lock()
		clear(told)
		mu.Unlock()
		if came(x.frame) {
			t.Errorf("%s came through", x.name)
		}
		time.Sleep(30 * time.Millisecond)
		mu.Lock()
		d, ok := told[x.kind]
		mu.Unlock()
		c, claimed := d.Claim()
		if !ok || !claimed || d.In != "p-m" || c.Rule != string(x.kind) || c.Port != "p-m" {
			t.Errorf("%s: told %+v", x.name, d)
		}
	}
	for _, target := range []string{"10.78.0.12", "fd78::12"} {
		o.sh("ip netns exec %s ping -c 2 -i 0.2 -W 1 %s", o.ns("a"), target)
	}
	// A probe for duplicates must be heard, or an address in use is called free.
	zero := netip.IPv4Unspecified()
	if !came(arp(a, m, m, zero, ip("10.78.0.11"), 1)) {
		t.Error("a probe for duplicate addresses is dropped")
	}
	o.leases(t, k, came, probeFrame(a, m, ip("10.78.0.66"), ip("10.78.0.11"), packet.UDP, 9, 1))
	g.Stage = true
	if err := k.Protect(ctx, g); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	clear(told)
	mu.Unlock()
	if !came(attacks[0].frame) {
		t.Error("a staged guard drops")
	}
	mu.Lock()
	defer mu.Unlock()
	if d := told[zone.DeniedARP]; !d.Staged || d.Claimed != m || d.From != ip("10.78.0.12") {
		t.Errorf("staged: told %+v", d)
	}
	if err := k.Unprotect(ctx); err != nil {
		t.Fatal(err)
	}
}

// leases: a lease binds an address for its time.
func (o *office) leases(t *testing.T, k *Kernel, came func([]byte) bool, frame []byte) {
	ctx := context.Background()
	b := binding.Binding{ID: "lease", State: binding.Bound, MAC: "02:00:00:00:00:13", IP: "10.78.0.66", Port: "p-m", Dynamic: true}
	begun := time.Now()
	if err := k.Bind(ctx, b, time.Second); err != nil {
		t.Fatal(err)
	}
	t.Logf("bound in %s", time.Since(begun))
	if !came(frame) {
		t.Error("a leased address is dropped")
	}
	time.Sleep(1100 * time.Millisecond)
	if came(frame) {
		t.Error("the lease has ended and the address passes")
	}
	if err := k.Bind(ctx, b, 0); err != nil {
		t.Fatal(err)
	}
	if !came(frame) {
		t.Error("a bound address is dropped")
	}
	if err := k.Unbind(ctx, b); err != nil {
		t.Fatal(err)
	}
	if came(frame) {
		t.Error("an unbound address passes")
	}
}

// TestQuarantineOnTheBridge: two devices of one switch are parted too.
func TestQuarantineOnTheBridge(t *testing.T) {
	o := newOffice(t)
	k := o.kernel()
	o.sh("ip netns exec %s ping -c 1 -W 1 10.78.0.12", o.ns("a"))
	if _, err := k.Isolate(context.Background(), []zone.Isolation{{IP: netip.MustParseAddr("10.78.0.11"), MAC: packet.MAC{2, 0, 0, 0, 0, 0x11}, Left: time.Minute}}); err != nil {
		t.Fatal(err)
	}
	err := o.in("a", func() error {
		c, err := net.DialTimeout("tcp", "10.78.0.12:9", 300*time.Millisecond)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	if e, ok := err.(net.Error); !ok || !e.Timeout() {
		t.Errorf("an isolated device still reaches its neighbour: %v", err)
	}
}
