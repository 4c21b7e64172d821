//go:build linux

package nft

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/cordon-health/cordon/zone"
)

// lab is a router, called core, with a namespace per zone behind a leg each:
// zone NAME has the leg z-NAME and the networks 10.77.N.0/24, fd77:N::/64, the
// router being .1 and the zone's host .2.
type lab struct {
	t     testing.TB
	id    string
	zones []string
}

var labs atomic.Int64

// needRoot skips where namespaces or nftables are not to be had.
func needRoot(t testing.TB, programs ...string) {
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces and nftables")
	}
	for _, p := range append([]string{"ip", "nft"}, programs...) {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs the program %s; scripts/deps.sh installs it", p)
		}
	}
}

func newLab(t testing.TB, zones ...string) *lab {
	needRoot(t)
	l := &lab{t: t, id: fmt.Sprintf("c%d-%d", os.Getpid(), labs.Add(1)), zones: zones}
	l.namespace("core")
	for i, z := range zones {
		l.namespace(z)
		l.sh("ip -n %s link add name z-%s type veth peer name eth0 netns %s", l.ns("core"), z, l.ns(z))
		l.sh("ip -n %s addr add 10.77.%d.1/24 dev z-%s", l.ns("core"), i+1, z)
		l.sh("ip -n %s addr add fd77:%d::1/64 dev z-%s nodad", l.ns("core"), i+1, z)
		l.sh("ip -n %s link set z-%s up", l.ns("core"), z)
		l.sh("ip -n %s addr add 10.77.%d.2/24 dev eth0", l.ns(z), i+1)
		l.sh("ip -n %s addr add fd77:%d::2/64 dev eth0 nodad", l.ns(z), i+1)
		l.sh("ip -n %s link set eth0 up", l.ns(z))
		l.sh("ip -n %s route add default via 10.77.%d.1", l.ns(z), i+1)
		l.sh("ip -n %s -6 route add default via fd77:%d::1", l.ns(z), i+1)
	}
	l.sh("ip netns exec %s sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1", l.ns("core"))
	return l
}

func (l *lab) ns(name string) string { return l.id + "-" + name }

func (l *lab) namespace(name string) {
	l.sh("ip netns add %s", l.ns(name))
	l.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", l.ns(name)).Run() }) // gone with the machine at worst
	l.sh("ip -n %s link set lo up", l.ns(name))
	l.sh("ip netns exec %s sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0", l.ns(name))
}

func (l *lab) sh(format string, args ...any) string {
	l.t.Helper()
	line := fmt.Sprintf(format, args...)
	out, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

func (l *lab) ip4(zone string) netip.Addr { return l.addr("10.77.%d.2", zone) }
func (l *lab) ip6(zone string) netip.Addr { return l.addr("fd77:%d::2", zone) }

func (l *lab) addr(format, zone string) netip.Addr {
	for i, z := range l.zones {
		if z == zone {
			return netip.MustParseAddr(fmt.Sprintf(format, i+1))
		}
	}
	l.t.Fatalf("no zone %s", zone)
	return netip.Addr{}
}

// in runs f in a namespace; sockets opened there stay there.
func (l *lab) in(name string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with us
		h, err := netns.GetFromName(l.ns(name))
		if err == nil {
			err = netns.Set(h)
			_ = h.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// serve answers on a TCP port with an echo until the test ends.
func (l *lab) serve(name string, port int) {
	l.t.Helper()
	var ln net.Listener
	err := l.in(name, func() (err error) {
		ln, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 256)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if _, err := c.Write(b[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// dial connects from a zone.
func (l *lab) dial(from string, to netip.Addr, port int, wait time.Duration) (c net.Conn, err error) {
	err = l.in(from, func() (err error) {
		c, err = net.DialTimeout("tcp", netip.AddrPortFrom(to, uint16(port)).String(), wait)
		return err
	})
	return c, err
}

// kernel opens the router's packet filter.
func (l *lab) kernel() *Kernel {
	l.t.Helper()
	k, err := Open(Options{NetNS: l.ns("core")})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = k.Close() })
	return k
}

// conduit allows a TCP port from one leg of the router to another.
func conduit(from, to string, port uint16) zone.Element {
	return zone.Element{In: "z-" + from, Out: "z-" + to, Proto: syscall.IPPROTO_TCP, Low: port, High: port, Conduit: from + "-" + to}
}

func rules(list ...zone.Element) *zone.Ruleset {
	h := sha256.New()
	for _, e := range list {
		fmt.Fprintln(h, e)
	}
	return &zone.Ruleset{Policy: "test", Hash: hex.EncodeToString(h.Sum(nil)), Elements: list}
}

func (l *lab) apply(k *Kernel, r *zone.Ruleset, o zone.Order) zone.Applied {
	l.t.Helper()
	a, err := k.Apply(context.Background(), r, o)
	if err != nil {
		l.t.Fatal(err)
	}
	return a
}

func (l *lab) counters(k *Kernel, r *zone.Ruleset, mode zone.Mode) zone.Counters {
	l.t.Helper()
	n, err := k.Counters(context.Background(), r, mode)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// intact fails where the kernel does not hold what was loaded.
func (l *lab) intact(k *Kernel, r *zone.Ruleset, mode zone.Mode) {
	l.t.Helper()
	got, err := k.Loaded(context.Background(), r, mode)
	if err != nil {
		l.t.Fatal(err)
	}
	if !got.Present || len(got.Faults) > 0 {
		l.t.Fatalf("kernel holds %+v\n%s", got, l.sh("ip netns exec %s nft list ruleset", l.ns("core")))
	}
}

func has(list []string, part string) bool {
	for _, s := range list {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}
