//go:build linux

package capture

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

// watchLab is a switch with real machines at it, and a sensor at its ports: the
// whole way from a frame on the wire to an alarm.
type watchLab struct {
	t    *testing.T
	id   int
	dir  string
	mu   sync.Mutex
	said []watchSaid
}

type watchSaid struct {
	asset.Alarm
	when time.Time
}

func (l *watchLab) ns(name string) string { return fmt.Sprintf("wl-%s-%d", name, l.id) }

func (l *watchLab) sh(format string, args ...any) string {
	l.t.Helper()
	out, err := exec.Command("sh", "-c", fmt.Sprintf(format, args...)).CombinedOutput()
	if err != nil {
		l.t.Fatalf(format+": %v %s", append(args, err, out)...)
	}
	return string(out)
}

// newWatchLab joins machines by a bridge: a .11, b .12, m .13, d .14, each with
// the MAC 02:00:00:00:00:NN.
func newWatchLab(t *testing.T) *watchLab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "dnsmasq", "udhcpc", "arping", "ping"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed; see scripts/deps.sh", tool)
		}
	}
	l := &watchLab{t: t, id: os.Getpid(), dir: t.TempDir()}
	sw := l.ns("sw")
	for _, n := range []string{"sw", "a", "b", "m", "d"} {
		if out, err := exec.Command("ip", "netns", "add", l.ns(n)).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces here: %s", out)
		}
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", l.ns(n)).Run() })
		l.sh("ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1", l.ns(n))
	}
	l.sh("ip -n %s link add name br0 type bridge && ip -n %s link set br0 up", sw, sw)
	for i, n := range []string{"a", "b", "m", "d"} {
		l.sh("ip -n %s link add name p-%s type veth peer name eth0 netns %s", sw, n, l.ns(n))
		l.sh("ip -n %s link set eth0 address 02:00:00:00:00:%d", l.ns(n), 11+i)
		l.sh("ip -n %s link set p-%s master br0 && ip -n %s link set p-%s up", sw, n, sw, n)
		l.sh("ip -n %s addr add 10.78.0.%d/24 dev eth0 && ip -n %s link set eth0 up && ip -n %s link set lo up", l.ns(n), 11+i, l.ns(n), l.ns(n))
	}
	return l
}

// in runs a function in a namespace, on a thread that ends with it.
func (l *watchLab) in(name string, fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		h, err := netns.GetFromName(l.ns(name))
		if err == nil {
			defer h.Close()
			err = netns.Set(h)
		}
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	return done
}

// watchOut has claims judged, as a sensor does.
type watchOut struct {
	l *watchLab
	w *binding.Watch
	e *Engine
}

func (o *watchOut) Seen(asset.Observation) {}
func (o *watchOut) Event(*ocsf.Event)      {}
func (o *watchOut) Claim(c binding.Claim) {
	if o.e.leaving {
		c.Port = ""
	}
	o.w.Claim(c, o.Alarm)
}

func (o *watchOut) Alarm(a asset.Alarm) {
	if !binding.Judges(a.Kind) {
		return
	}
	o.l.mu.Lock()
	defer o.l.mu.Unlock()
	o.l.said = append(o.l.said, watchSaid{a, time.Now()})
}

// listen starts the sensor at the ports of the switch.
func (l *watchLab) listen(cfg binding.WatchConfig) {
	l.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ready := make(chan error, 1)
	done := l.in("sw", func() error {
		o := &watchOut{l: l, w: binding.NewWatch(cfg, binding.Table{})}
		packets, streams := Discovery()
		e, err := New(Config{Sensor: "lab", Packets: packets, Streams: streams, Out: o})
		if err != nil {
			ready <- err
			return err
		}
		o.e = e
		live, err := OpenLive(LiveConfig{Interfaces: []string{"p-a", "p-b", "p-m", "p-d"}, Promiscuous: true})
		ready <- err
		if err != nil {
			return err
		}
		defer live.Close()
		return live.Run(ctx, e, time.Now, nil)
	})
	if err := <-ready; err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
	})
}

// alarms are those said so far; it waits until the wire is quiet.
func (l *watchLab) alarms() []watchSaid {
	time.Sleep(150 * time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.said)
}

func (l *watchLab) forget() {
	_ = l.alarms()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = nil
}

// expect says that there is an alarm of a kind since the last forget.
func (l *watchLab) expect(what string, kind asset.AlarmKind) {
	l.t.Helper()
	all := l.alarms()
	if !slices.ContainsFunc(all, func(s watchSaid) bool { return s.Kind == kind }) {
		l.t.Errorf("%s: no %s in %+v", what, kind, all)
	}
}

// quiet says that there is none.
func (l *watchLab) quiet(what string) {
	l.t.Helper()
	for _, s := range l.alarms() {
		l.t.Errorf("%s: %+v", what, s.Alarm)
	}
}

func labMAC(n byte) packet.MAC { return packet.MAC{2, 0, 0, 0, 0, n} }

// labARP is an ARP message as a whole frame.
func labARP(op uint16, to, from, sender packet.MAC, ip byte, target packet.MAC, wanted byte) []byte {
	b := append(append([]byte{}, to[:]...), from[:]...)
	b = append(b, 8, 6, 0, 1, 8, 0, 6, 4)
	b = binary.BigEndian.AppendUint16(b, op)
	b = append(append(b, sender[:]...), 10, 78, 0, ip)
	return append(append(b, target[:]...), 10, 78, 0, wanted)
}

// forge sends frames from a machine, one at a time, and says when each left.
func (l *watchLab) forge(from string, pause time.Duration, frames ...[]byte) (sent []time.Time) {
	l.t.Helper()
	err := <-l.in(from, func() error {
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, f := range frames {
			sent = append(sent, time.Now())
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
				return err
			}
			time.Sleep(pause)
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return sent
}

// serve starts a DHCP server in a namespace; the function returned ends it.
func (l *watchLab) serve(name string, first, last int) (end func()) {
	l.t.Helper()
	c := exec.Command("ip", "netns", "exec", l.ns(name), "dnsmasq", "-k", "-p0", "-i", "eth0", "--bind-interfaces",
		fmt.Sprintf("--dhcp-range=10.78.0.%d,10.78.0.%d,1h", first, last), "--dhcp-leasefile="+filepath.Join(l.dir, name), "--pid-file=", "--user=root", "--no-ping", "--dhcp-authoritative")
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	var once sync.Once
	end = func() {
		once.Do(func() {
			_ = c.Process.Kill()
			_ = c.Wait()
		})
	}
	l.t.Cleanup(end)
	return end
}

func (l *watchLab) lease(name string) {
	_ = exec.Command("ip", "netns", "exec", l.ns(name), "timeout", "6", "udhcpc", "-i", "eth0", "-n", "-q", "-t", "3", "-T", "1", "-f", "-s", "/bin/true", "-x", "hostname:ward-"+name).Run()
}

func (l *watchLab) talk() {
	for _, n := range []string{"a", "b", "m", "d"} { // what was forged is forgotten
		l.sh("ip -n %s neigh flush all", l.ns(n))
	}
	for _, p := range [][2]string{{"a", "12"}, {"b", "11"}, {"m", "11"}, {"d", "12"}} {
		l.sh("ip netns exec %s ping -c1 -W2 -q 10.78.0.%s", l.ns(p[0]), p[1])
	}
}

// TestWatchWire: what real machines do in order is no alarm, what an attacker
// sends is one, of the right kind, at the right machine, at once.
func TestWatchWire(t *testing.T) {
	l := newWatchLab(t)
	l.listen(binding.WatchConfig{Repeat: time.Nanosecond})
	all, a, b, m := packet.MAC{255, 255, 255, 255, 255, 255}, labMAC(0x11), labMAC(0x12), labMAC(0x13)

	l.talk()
	l.quiet("they talk")
	end := l.serve("d", 100, 150)
	l.lease("a")
	l.lease("a") // and renews
	l.lease("b")
	l.quiet("leases and renewals")
	_ = exec.Command("ip", "netns", "exec", l.ns("b"), "arping", "-D", "-c2", "-w3", "-I", "eth0", "10.78.0.11").Run()
	_ = exec.Command("ip", "netns", "exec", l.ns("b"), "arping", "-D", "-c2", "-w3", "-I", "eth0", "10.78.0.99").Run()
	_ = exec.Command("ip", "netns", "exec", l.ns("a"), "arping", "-U", "-c2", "-w3", "-I", "eth0", "10.78.0.11").Run()
	l.quiet("duplicate address detection, and announcing oneself")
	vrrp := packet.MAC{0, 0, 0x5e, 0, 1, 7}
	l.forge("a", time.Millisecond, labVRRP(vrrp, 11), labARP(2, all, vrrp, vrrp, 77, all, 77))
	l.forge("b", time.Millisecond, labVRRP(vrrp, 12), labARP(2, all, vrrp, vrrp, 77, all, 77))
	l.forge("a", time.Millisecond, labVRRP(vrrp, 11), labARP(2, all, vrrp, vrrp, 77, all, 77))
	l.quiet("VRRP fails over and back")

	l.talk()
	l.forge("m", time.Millisecond, labARP(2, a, m, m, 12, a, 11))
	l.expect("a forged answer", asset.ARPSpoof)
	if s := l.alarms(); len(s) > 0 && (s[0].Culprit.MAC != m || s[0].Victim.IP.String() != "10.78.0.12") {
		t.Errorf("culprit and victim: %+v", s[0].Alarm)
	}
	l.forget()
	l.forge("m", time.Millisecond, labARP(1, all, m, m, 11, packet.MAC{}, 11))
	l.expect("an announcement of another's address", asset.GratuitousARP)
	l.forget()
	l.forge("m", 5*time.Millisecond, labARP(1, all, a, a, 11, packet.MAC{}, 12))
	l.forge("a", 5*time.Millisecond, labARP(1, all, a, a, 11, packet.MAC{}, 14))
	l.forge("m", 5*time.Millisecond, labARP(1, all, a, a, 11, packet.MAC{}, 13))
	l.forge("a", 5*time.Millisecond, labARP(1, all, a, a, 11, packet.MAC{}, 12))
	l.expect("a cloned MAC", asset.ClonedMAC)
	l.forget()
	l.serve("m", 200, 220)
	l.lease("b")
	l.expect("a second DHCP server", asset.RogueDHCP)
	for _, s := range l.alarms() {
		if s.Kind == asset.RogueDHCP && s.Culprit.MAC != m {
			t.Errorf("the rogue: %+v", s.Alarm)
		}
	}
	end()
	l.latency(t, b, m)
}

// labVRRP is an advertisement (RFC 5798) for 10.78.0.77.
func labVRRP(mac packet.MAC, from byte) []byte {
	b := append([]byte{1, 0, 0x5e, 0, 0, 18}, mac[:]...)
	b = append(b, 8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 10, 78, 0, from, 224, 0, 0, 18)
	return append(b, 0x31, 7, 100, 1, 0, 100, 0, 0, 10, 78, 0, 77)
}

// latency measures from the moment before a frame is sent to its alarm.
func (l *watchLab) latency(t *testing.T, victim, m packet.MAC) {
	l.talk()
	l.forget()
	frames := make([][]byte, 300)
	for i := range frames {
		frames[i] = labARP(2, victim, m, m, 11, victim, 12)
	}
	sent := l.forge("m", 7*time.Millisecond, frames...)
	var late []time.Duration
	n := 0
	for _, s := range l.alarms() {
		if s.Kind != asset.ARPSpoof {
			continue
		}
		// Two that the kernel stamped alike are one alarm with their count.
		if n += int(s.Count); n <= len(sent) {
			late = append(late, s.when.Sub(sent[n-1]))
		}
	}
	if n < len(frames) || len(late) < len(frames)*9/10 {
		t.Fatalf("%d of %d forged answers were seen, by %d alarms", n, len(frames), len(late))
	}
	slices.Sort(late)
	p50, p99 := late[len(late)/2], late[len(late)*99/100]
	t.Logf("from frame to alarm: p50 %v, p99 %v, at most %v", p50, p99, late[len(late)-1])
	// 10 ms is the promise on a quiet machine; this one may be building.
	if p99 > 100*time.Millisecond {
		t.Errorf("p99 of %v", p99)
	}
}
