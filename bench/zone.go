//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
	"github.com/cordon-health/cordon/zone/nft"
)

// Zones measures the zone policy in the kernel of this machine, in network
// namespaces of its own: a router between two zones, over veth pairs. It needs
// root. How long loading takes is measured while a conversation goes on across
// the router, whose every answer must come.
func Zones(ctx context.Context, say func(string)) (lines []Line, err error) {
	if os.Getuid() != 0 {
		return nil, errors.New("zones are measured as root only: network namespaces")
	}
	t, err := newTown()
	defer func() { err = errors.Join(err, t.close()) }()
	if err != nil {
		return nil, err
	}
	for _, goal := range []struct {
		conduits int
		most     time.Duration
	}{{10_000, 100 * time.Millisecond}, {100_000, 600 * time.Millisecond}} {
		say(fmt.Sprintf("replacing %d conduits ...", goal.conduits))
		line, err := t.replace(ctx, goal.conduits, goal.most)
		if err != nil {
			return lines, err
		}
		lines = append(lines, line...)
	}
	say("isolating ...")
	line, err := t.isolate(ctx)
	if err != nil {
		return lines, err
	}
	lines = append(lines, line)
	say("denying 100,000 packets a second ...")
	more, err := t.deny(ctx)
	return append(lines, more...), err
}

// town is a router with two zones.
type town struct {
	id, core, a, b string
	kernel         *nft.Kernel
	server         net.Listener
}

func newTown() (t *town, err error) {
	id := fmt.Sprintf("b%d", os.Getpid())
	t = &town{id: id, core: id + "-core", a: id + "-a", b: id + "-b"}
	for _, line := range []string{
		"ip netns add " + t.core, "ip netns add " + t.a, "ip netns add " + t.b,
		fmt.Sprintf("ip -n %s link add name z-a type veth peer name eth0 netns %s", t.core, t.a),
		fmt.Sprintf("ip -n %s link add name z-b type veth peer name eth0 netns %s", t.core, t.b),
		fmt.Sprintf("ip -n %[1]s addr add 10.77.1.1/24 dev z-a; ip -n %[1]s addr add 10.77.2.1/24 dev z-b; ip -n %[1]s link set z-a up; ip -n %[1]s link set z-b up", t.core),
		fmt.Sprintf("ip -n %[1]s addr add 10.77.1.2/24 dev eth0; ip -n %[1]s link set eth0 up; ip -n %[1]s route add default via 10.77.1.1", t.a),
		fmt.Sprintf("ip -n %[1]s addr add 10.77.2.2/24 dev eth0; ip -n %[1]s link set eth0 up; ip -n %[1]s route add default via 10.77.2.1", t.b),
		"ip netns exec " + t.core + " sysctl -qw net.ipv4.ip_forward=1",
	} {
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			return t, fmt.Errorf("%s: %w: %s", line, err, out)
		}
	}
	if t.kernel, err = nft.Open(nft.Options{NetNS: t.core}); err != nil {
		return t, err
	}
	err = in(t.b, func() (err error) {
		t.server, err = net.Listen("tcp", "10.77.2.2:11112")
		return err
	})
	if err == nil {
		go t.serve()
	}
	return t, err
}

func (t *town) serve() {
	for {
		c, err := t.server.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(c, c) }() // ends with the connection
	}
}

func (t *town) close() error {
	var errs []error
	if t.server != nil {
		errs = append(errs, t.server.Close())
	}
	if t.kernel != nil {
		errs = append(errs, t.kernel.Close())
	}
	for _, ns := range []string{t.core, t.a, t.b} {
		errs = append(errs, exec.Command("ip", "netns", "del", ns).Run())
	}
	return errors.Join(errs...)
}

// in runs f in a namespace, on a thread that is not used again.
func in(ns string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		h, err := netns.GetFromName(ns)
		if err == nil {
			err = errors.Join(netns.Set(h), h.Close())
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// conduits are n elements of which the first lets the conversation pass.
func conduits(n int) *zone.Ruleset {
	r := &zone.Ruleset{Policy: "bench", Hash: fmt.Sprintf("%064x", n), Elements: []zone.Element{{In: "z-a", Out: "z-b", Proto: packet.TCP, Low: 11112, High: 11112, Conduit: "live"}}}
	for i := range n - 1 {
		port := uint16(1 + i%60_000)
		r.Elements = append(r.Elements, zone.Element{In: fmt.Sprintf("eth%d", i/60_000), Out: fmt.Sprintf("vlan%d", i%300), Proto: packet.TCP, Low: port, High: port, Conduit: fmt.Sprint("c", i)})
	}
	return r
}

// talk is a conversation across the router.
type talk struct {
	c       net.Conn
	answers atomic.Int64
	worst   atomic.Int64
	last    atomic.Int64
	failed  atomic.Pointer[error]
}

func (t *town) talk() (*talk, error) {
	x := &talk{}
	err := in(t.a, func() (err error) {
		x.c, err = net.DialTimeout("tcp", "10.77.2.2:11112", 3*time.Second)
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() {
		b := make([]byte, 16)
		for {
			begun := time.Now()
			_ = x.c.SetDeadline(begun.Add(3 * time.Second))
			_, err := x.c.Write(b)
			if err == nil {
				_, err = io.ReadFull(x.c, b)
			}
			if err != nil {
				x.failed.Store(&err)
				return
			}
			x.answers.Add(1)
			time.Sleep(time.Millisecond)
			x.last.Store(time.Now().UnixNano())
			x.worst.Store(max(x.worst.Load(), int64(time.Since(begun))))
		}
	}()
	return x, nil
}

// replace loads n conduits again and again under a live conversation.
func (t *town) replace(ctx context.Context, n int, most time.Duration) ([]Line, error) {
	r := conduits(n)
	if _, err := t.kernel.Apply(ctx, r, zone.Order{Mode: zone.Enforce}); err != nil {
		return nil, err
	}
	x, err := t.talk()
	if err != nil {
		return nil, err
	}
	defer x.c.Close()
	var times Spread
	for range 9 {
		a, err := t.kernel.Apply(ctx, r, zone.Order{Mode: zone.Enforce})
		if err != nil {
			return nil, err
		}
		times = append(times, a.Took)
	}
	failed := x.failed.Load() != nil
	denied, err := t.kernel.Counters(ctx, r, zone.Enforce)
	if err != nil {
		return nil, err
	}
	median := times.Quantile(0.5)
	return []Line{
		{What: fmt.Sprintf("zone: replace %s conduits", count(int64(n))), Goal: "<= " + milli(most), Measured: milli(median) + " (worst " + milli(times.Quantile(1)) + ")", Met: judge(median <= most),
			How: "median of nine atomic replacements of the whole table, netlink and all, while a conversation goes on"},
		{What: fmt.Sprintf("zone: packets lost while %s conduits are replaced", count(int64(n))), Goal: "0",
			Measured: fmt.Sprintf("%d denied, %s answers, slowest %s", denied.Denied, count(x.answers.Load()), milli(time.Duration(x.worst.Load()))),
			Met:      judge(!failed && denied.Denied == 0 && time.Duration(x.worst.Load()) < 200*time.Millisecond), How: "an echo across the router every millisecond; an answer later than 200 ms would be a retransmission"},
	}, nil
}

func (t *town) isolate(ctx context.Context) (Line, error) {
	var times Spread
	for range 9 {
		x, err := t.talk()
		if err != nil {
			return Line{}, err
		}
		time.Sleep(50 * time.Millisecond)
		begun := time.Now()
		who := []zone.Isolation{{IP: netip.MustParseAddr("10.77.1.2"), Left: time.Minute}}
		if _, err := t.kernel.Isolate(ctx, who); err != nil {
			return Line{}, err
		}
		done := time.Since(begun)
		time.Sleep(100 * time.Millisecond)
		times = append(times, max(done, time.Unix(0, x.last.Load()).Sub(begun)))
		err = errors.Join(x.c.Close(), t.kernel.Release(ctx, who))
		if err != nil {
			return Line{}, err
		}
	}
	return Line{What: "zone: isolate a device with a live conversation", Goal: "<= 200 ms", Measured: milli(times.Quantile(0.5)) + " (worst " + milli(times.Quantile(1)) + ")", Met: judge(times.Quantile(1) <= 200*time.Millisecond),
		How: "from the order to the last answer, or to the end of the tracked connections, whichever is later; nine times"}, nil
}

// deny sends what no conduit allows and counts what is told of it.
func (t *town) deny(ctx context.Context) ([]Line, error) {
	r := conduits(1)
	var told, events, first atomic.Int64
	d := t.kernel.NewDenials(time.Now, func(x zone.Denial) {
		if x.Proto == packet.UDP { // not the last words of the conversations before
			first.CompareAndSwap(0, time.Now().UnixNano())
		}
		told.Add(x.Count)
		events.Add(1)
	})
	ctx, cancel := context.WithCancel(ctx)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- d.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		return nil, err
	}
	// Loaded when everything is read: its counters begin at 0.
	_, err := t.kernel.Apply(ctx, r, zone.Order{Mode: zone.Enforce})
	begun := time.Now()
	var took time.Duration
	if err == nil {
		took, err = t.flood(300_000)
	}
	for i := 0; err == nil && i < 100; i++ {
		if n, e := t.kernel.Counters(ctx, r, zone.Enforce); e != nil || int64(n.Denied) == d.Stats().Records {
			err = e
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	n, errCount := t.kernel.Counters(ctx, r, zone.Enforce)
	cancel()
	if err := errors.Join(err, errCount, <-done); err != nil {
		return nil, err
	}
	s, delay := d.Stats(), time.Unix(0, first.Load()).Sub(begun)
	perSecond := rate(int64(n.Denied), took)
	return []Line{
		{What: "zone: first denial told after", Goal: "<= 50 ms", Measured: milli(delay), Met: judge(delay <= 50*time.Millisecond), How: "from before the first packet is sent to the function that takes denials"},
		{What: "zone: denials lost", Goal: "0 at 100,000/s", Measured: fmt.Sprintf("%d of %s at %s/s; told %s in %s events", int64(n.Denied)-s.Records, count(int64(n.Denied)), count(perSecond), count(told.Load()), count(events.Load())),
			Met: judge(int64(n.Denied) == s.Records && told.Load() == s.Records && perSecond >= 95_000), How: "the kernel's counter against records read from NFLOG, three seconds, every packet to another port"},
	}, nil
}

// flood sends UDP packets to ever other ports, 100,000 a second.
func (t *town) flood(n int) (took time.Duration, err error) {
	var fd int
	var src, dst net.HardwareAddr
	err = in(t.core, func() error {
		i, err := net.InterfaceByName("z-a")
		if err == nil {
			dst = i.HardwareAddr
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	err = in(t.a, func() error {
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		src = i.HardwareAddr
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index})
	})
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	frame := append(append(append([]byte{}, dst...), src...), 8, 0,
		0x45, 0, 0, 28, 0, 0, 0, 0, 64, packet.UDP, 0, 0, 10, 77, 1, 2, 10, 77, 2, 2, 0x30, 0x39, 0, 0, 0, 8, 0, 0)
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(frame[i])<<8 | uint32(frame[i+1])
	}
	sum = ^(sum + sum>>16)
	frame[24], frame[25] = byte(sum>>8), byte(sum)
	begun := time.Now()
	for i := 0; i < n; {
		frame[36], frame[37] = byte(i>>8), byte(i)
		switch _, err := unix.Write(fd, frame); {
		case errors.Is(err, unix.ENOBUFS):
			continue
		case err != nil:
			return 0, err
		}
		i++
		if ahead := time.Duration(i)*10*time.Microsecond - time.Since(begun); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
	}
	return time.Since(begun), nil
}
