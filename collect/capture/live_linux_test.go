package capture

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/packettest"
)

// wire is two namespaces of this test joined by a veth: va at the sensor's end
// with 10.99.0.1, vb at the other with 10.99.0.2.
type wire struct {
	t    *testing.T
	a, b string
}

func newWire(t *testing.T) *wire {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces takes root")
	}
	w := &wire{t: t, a: fmt.Sprintf("cap-a-%d", os.Getpid()), b: fmt.Sprintf("cap-b-%d", os.Getpid())}
	for _, ns := range []string{w.a, w.b} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("cannot make network namespaces here: %s", out)
		}
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		w.sh("ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1", ns)
	}
	w.plug()
	return w
}

// plug puts the cable in.
func (w *wire) plug() {
	w.sh("ip -n %s link add name va type veth peer name vb netns %s", w.a, w.b)
	w.sh("ip -n %s addr add 10.99.0.1/24 dev va", w.a)
	w.sh("ip -n %s addr add 10.99.0.2/24 dev vb", w.b)
	w.sh("ip -n %s link set va up", w.a)
	w.sh("ip -n %s link set vb up", w.b)
}

func (w *wire) sh(format string, args ...any) {
	w.t.Helper()
	line := fmt.Sprintf(format, args...)
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v %s", line, err, out)
	}
}

// in runs a function in a namespace, on a thread that ends with it.
func (w *wire) in(ns string, fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		h, err := netns.GetFromName(ns)
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

// passed is how many frames the sensor's end has sent and received.
func (w *wire) passed() (n int64) {
	w.t.Helper()
	out, err := exec.Command("ip", "-n", w.a, "-s", "-j", "link", "show", "va").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	var links []struct {
		Stats map[string]struct{ Packets int64 } `json:"stats64"`
	}
	if err := json.Unmarshal(out, &links); err != nil || len(links) != 1 {
		w.t.Fatal(err, string(out))
	}
	return links[0].Stats["rx"].Packets + links[0].Stats["tx"].Packets
}

// listen starts a sensor on va; the function returned ends it.
func (w *wire) listen(e *Engine) (end func()) {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ready := make(chan struct{})
	done := w.in(w.a, func() error {
		l, err := OpenLive(LiveConfig{Interfaces: []string{"va"}, Promiscuous: true})
		close(ready)
		if err != nil {
			return err
		}
		defer l.Close()
		return l.Run(ctx, e, time.Now, nil)
	})
	<-ready
	return func() {
		time.Sleep(100 * time.Millisecond)
		stop()
		if err := <-done; err != nil {
			w.t.Fatal(err)
		}
		e.Flush()
	}
}

// serve answers each connection to vb's port 6661 until the test ends.
func (w *wire) serve() {
	ready := make(chan error, 1)
	w.in(w.b, func() error {
		l, err := net.Listen("tcp", "10.99.0.2:6661")
		ready <- err
		if err != nil {
			return err
		}
		w.t.Cleanup(func() { l.Close() })
		for {
			c, err := l.Accept()
			if err != nil {
				return nil // the test is over
			}
			b := make([]byte, 100)
			n, _ := c.Read(b)
			_, _ = c.Write(append([]byte("OK "), b[:n]...))
			c.Close()
		}
	})
	if err := <-ready; err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) call(times int) {
	w.t.Helper()
	err := <-w.in(w.a, func() error {
		for range times {
			c, err := net.DialTimeout("tcp", "10.99.0.2:6661", 5*time.Second)
			if err != nil {
				return err
			}
			fmt.Fprint(c, "UP hello")
			_, _ = io.ReadAll(c)
			c.Close()
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// send puts frames onto the wire at the far end.
func (w *wire) send(frames ...[]byte) {
	w.t.Helper()
	err := <-w.in(w.b, func() error {
		i, err := net.InterfaceByName("vb")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestLive(t *testing.T) {
	w := newWire(t)
	w.serve()
	w.call(1) // addresses are resolved, the wire is quiet
	time.Sleep(50 * time.Millisecond)
	u, h := newUpper(), &heard{}
	e := engineFor(t, h, Config{}, u)
	before := w.passed()
	end := w.listen(e)
	w.call(50)
	p := packettest.IP("10.50.0.5", "10.50.0.9", packettest.UDP(5000, 161, []byte("x")))
	w.send(packettest.Ether(packettest.MAC(1), packettest.MAC(2), p, 30), packettest.Ether(packettest.MAC(1), packettest.MAC(2), p, 900, 31), packettest.Ether(packettest.MAC(1), packettest.MAC(2), p))
	end()

	s := e.Stats()
	if passed := w.passed() - before; s.Packets != passed || s.Dropped != 0 {
		t.Errorf("%d of %d frames seen, %d dropped", s.Packets, passed, s.Dropped)
	}
	f := h.flow("10.99.0.2", 6661)
	if f.Sessions != 50 || f.Refused != 0 || f.App != "upper" || f.Client.String() != "10.99.0.1" {
		t.Errorf("%+v", f)
	}
	if got := strings.Count(u.text(), "c:UP hello"); got != 50 || strings.Count(u.text(), "s:OK UP hello") != 50 || *u.closed != 50 {
		t.Errorf("%d calls read, %d closed", got, *u.closed)
	}
	var tags []uint16
	for _, f := range h.flows {
		if f.Port == 161 {
			tags = append(tags, f.VLAN)
		}
	}
	if fmt.Sprint(slices.Sorted(slices.Values(tags))) != "[0 30 31]" {
		t.Errorf("VLANs %v", tags)
	}
}

func TestInterfaceComesBack(t *testing.T) {
	w := newWire(t)
	h := &heard{}
	e := engineFor(t, h, Config{})
	end := w.listen(e)
	f := packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP("10.50.0.5", "10.50.0.9", packettest.UDP(5000, 161, []byte("x"))))
	w.send(f)
	time.Sleep(100 * time.Millisecond)
	w.sh("ip -n %s link del va", w.a)
	w.plug()
	for range 40 { // until it is found again
		w.send(f)
		time.Sleep(50 * time.Millisecond)
	}
	end()
	if got := h.flow("10.50.0.9", 161); got.PacketsOut < 10 {
		t.Errorf("%+v", got)
	}
}

func TestNoInterface(t *testing.T) {
	for _, names := range [][]string{nil, {"no-such-if0"}} {
		if _, err := OpenLive(LiveConfig{Interfaces: names}); err == nil {
			t.Errorf("%v can be opened", names)
		}
	}
}

// TestTagIsPutBack builds the beginning of a ring's frame by hand.
func TestTagIsPutBack(t *testing.T) {
	f := packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP("10.50.0.5", "10.50.0.9", packettest.UDP(5000, 161, []byte("x"))))
	const mac = 82
	h := make([]byte, mac+len(f))
	copy(h[mac:], f)
	binary.NativeEndian.PutUint32(h[32:], 30)
	binary.NativeEndian.PutUint16(h[36:], packet.TypeQinQ)
	tag(h, mac, unix.TP_STATUS_VLAN_VALID|unix.TP_STATUS_VLAN_TPID_VALID)
	var got packet.Frame
	packet.Decode(packet.LinkEthernet, 0, len(f)+4, h[mac-4:], &got)
	if got.VLAN != 30 || got.Src != packettest.MAC(1) || got.ToPort != 161 {
		t.Errorf("%+v", got)
	}
}
