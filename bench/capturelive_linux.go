package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/pcap"
)

// Live measures listening: a namespace of its own, in it a veth into which one
// process sends the mixed capture's frames, as fast as asked for, while another
// listens at the far end with every dissector. Both share the machine.
func (c *Capture) Live() (lines []Line, t Table, err error) {
	t = Table{Title: "Listening on an interface", Header: []string{"sent/s", "sent", "seen", "dropped by the kernel", "core of the sensor", "peak memory"},
		Note: "Frames of at most 1,514 bytes through a veth pair, sendmmsg on one core, TPACKETv3 and every dissector on the other, both at nice -10. The last row is as fast as the sender can."}
	if os.Geteuid() != 0 {
		return nil, t, errors.New("a namespace of its own takes root")
	}
	ns := fmt.Sprintf("cordon-bench-%d", os.Getpid())
	for _, line := range []string{
		"ip netns add %s", "ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
		"ip -n %s link add name s0 type veth peer name s1", "ip -n %s link set s0 up", "ip -n %s link set s1 up",
	} {
		if out, err := exec.CommandContext(c.ctx, "sh", "-c", fmt.Sprintf(line, ns)).CombinedOutput(); err != nil {
			return nil, t, fmt.Errorf("make a namespace: %w: %s", err, oneLine(string(out)))
		}
	}
	defer func() { _ = exec.Command("ip", "netns", "del", ns).Run() }() // gone with the machine at worst
	best := 0.0
	for _, rate := range []int{captureLiveGoal, captureLiveGoal * 6 / 5, 0} {
		sent, d, err := c.live(ns, rate)
		if err != nil {
			return nil, t, err
		}
		if d.Stats.Dropped == 0 && d.Stats.Packets == sent.Packets {
			best = max(best, sent.speed())
		}
		t.Rows = append(t.Rows, []string{million(sent.speed()), fmt.Sprint(sent.Packets), fmt.Sprint(d.Stats.Packets), fmt.Sprint(d.Stats.Dropped),
			fmt.Sprintf("%.0f %%", 100*d.CPU/sent.Seconds), fmt.Sprintf("%.0f MiB", d.Peak)})
	}
	measured := million(best) + ", 0 dropped"
	if best == 0 {
		measured = "dropped at every rate, see below"
	}
	lines = append(lines, Line{What: "sensor: packets from an interface", Goal: million(captureLiveGoal) + ", 0 dropped", Measured: measured,
		Met: judge(best >= captureLiveGoal*0.99), How: "veth, TPACKETv3, every dissector; the fastest rate at which every frame sent was seen"})
	return lines, t, nil
}

// CaptureSend is what a sending process does, and what it did.
type CaptureSend struct {
	File, Interface string
	Rate            int // packets a second, 0 as fast as it goes
	For             float64
	Packets         int64
	Seconds         float64
}

func (s CaptureSend) speed() float64 { return float64(s.Packets) / max(s.Seconds, 1e-9) }

func (c *Capture) live(ns string, rate int) (sent CaptureSend, d CaptureDone, err error) {
	const seconds = 8
	inside := []string{"ip", "netns", "exec", ns, "nice", "-n", "-10"} // what else the machine does matters less
	ready, seen, gone := filepath.Join(c.dir, "ready"), filepath.Join(c.dir, "seen.json"), filepath.Join(c.dir, "sent.json")
	_ = os.Remove(ready) // of the rate before
	listen, err := captureCommand(c.ctx, "-capturing", CaptureWork{Interface: "s1", Dissectors: true, Seconds: seconds + 4, Ready: ready}, seen, inside...)
	if err != nil {
		return sent, d, err
	}
	if err := listen.Start(); err != nil {
		return sent, d, err
	}
	for range 100 {
		if _, err = os.Stat(ready); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	send, err := captureCommand(c.ctx, "-sending", CaptureSend{File: c.file(), Interface: "s0", Rate: rate, For: seconds}, gone, inside...)
	if err == nil {
		err = send.Run()
	}
	if err := errors.Join(err, listen.Wait()); err != nil {
		return sent, d, fmt.Errorf("measuring processes: %w", err)
	}
	return sent, d, errors.Join(captureAnswer(gone, &sent), captureAnswer(seen, &d))
}

// Do sends.
func (s CaptureSend) Do() (CaptureSend, error) {
	frames, err := captureFrames(s.File)
	if err != nil {
		return s, err
	}
	fd, err := captureSocket(s.Interface)
	if err != nil {
		return s, err
	}
	defer unix.Close(fd)
	const batch = 32
	m := make([]mmsg, batch)
	vectors := make([]unix.Iovec, batch)
	begun := time.Now()
	for at := 0; ; {
		took := time.Since(begun)
		if s.Seconds = took.Seconds(); s.Seconds >= s.For {
			return s, nil
		}
		if s.Rate > 0 && float64(s.Packets) > s.Seconds*float64(s.Rate) {
			continue // ahead
		}
		for i := range m {
			f := frames[at]
			at = (at + 1) % len(frames)
			vectors[i] = unix.Iovec{Base: &f[0], Len: uint64(len(f))}
			m[i] = mmsg{Msghdr: unix.Msghdr{Iov: &vectors[i], Iovlen: 1}}
		}
		n, _, code := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), batch, 0, 0, 0)
		if code != 0 {
			if code == unix.ENOBUFS || code == unix.EAGAIN || code == unix.EINTR {
				continue
			}
			return s, fmt.Errorf("send frames: %w", code)
		}
		at = (at - batch + int(n) + len(frames)) % len(frames)
		s.Packets += int64(n)
	}
}

// mmsg is struct mmsghdr.
type mmsg struct {
	unix.Msghdr
	sent uint32
	_    uint32
}

// captureFrames reads frames that fit an interface.
func captureFrames(file string) (frames [][]byte, err error) {
	const some = 200_000
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := pcap.NewReader(f)
	if err != nil {
		return nil, err
	}
	for p := (pcap.Packet{}); len(frames) < some && r.Next(&p); {
		if len(p.Data) >= 60 && len(p.Data) <= 1514 {
			frames = append(frames, bytes.Clone(p.Data))
		}
	}
	return frames, nil
}

func captureSocket(name string) (fd int, err error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); err != nil {
		return 0, err
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 16<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index}))
	if err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}
