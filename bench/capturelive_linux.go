package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/pcap"
)

// Live measures listening: a namespace of its own, in it a TAP into which one
// process writes the mixed capture's frames, as fast as asked for, while another
// listens to it with every dissector. Both share the machine.
func (c *Capture) Live() (lines []Line, t Table, err error) {
	t = Table{Title: "Listening on an interface", Header: []string{"sent/s", "sent", "seen", "dropped by the kernel", "core of the sender", "core of the sensor", "peak memory"},
		Note: "Frames of at most 1,514 bytes written into a TAP by two threads; TPACKETv3 and every dissector in one, on the same cores. Both processes run before others (SCHED_RR), so that what else the machine does matters less. The last row is as fast as the sender can, which then takes the cores from the sensor."}
	if os.Geteuid() != 0 {
		return nil, t, errors.New("a namespace of its own takes root")
	}
	ns := fmt.Sprintf("cordon-bench-%d", os.Getpid())
	for _, line := range []string{
		"ip netns add %s", "ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
		"ip -n %s tuntap add dev s1 mode tap", "ip -n %s link set s1 up",
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
			fmt.Sprintf("%.0f %%", 100*sent.CPU/sent.Seconds), fmt.Sprintf("%.0f %%", 100*d.CPU/sent.Seconds), fmt.Sprintf("%.0f MiB", d.Peak)})
	}
	measured := million(best) + ", 0 dropped"
	if best == 0 {
		measured = "dropped at every rate, see below"
	}
	lines = append(lines, Line{What: "sensor: packets from an interface", Goal: million(captureLiveGoal) + ", 0 dropped", Measured: measured,
		Met: judge(best >= captureLiveGoal*0.99), How: "TAP, TPACKETv3, every dissector; the fastest rate at which every frame sent was seen"})
	return lines, t, nil
}

// CaptureSend is what a sending process does, and what it did.
type CaptureSend struct {
	File, Interface string
	Rate            int // packets a second, 0 as fast as it goes
	For             float64
	Packets         int64
	Seconds, CPU    float64
}

func (s CaptureSend) speed() float64 { return float64(s.Packets) / max(s.Seconds, 1e-9) }

func (c *Capture) live(ns string, rate int) (sent CaptureSend, d CaptureDone, err error) {
	const seconds = 8
	inside := []string{"ip", "netns", "exec", ns, "chrt", "-r", "1"} // what else the machine does matters less
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
	send, err := captureCommand(c.ctx, "-sending", CaptureSend{File: c.file(), Interface: "s1", Rate: rate, For: seconds}, gone, inside...)
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
	fd, err := captureTap(s.Interface)
	if err != nil {
		return s, err
	}
	defer unix.Close(fd)
	runtime.GOMAXPROCS(2) // what the sensor leaves of its core sends too
	var halves [2][][]byte
	for _, f := range frames { // a conversation stays in one half, in order
		half := (f[29] ^ f[33]) & 1
		halves[half] = append(halves[half], f)
	}
	begun, cpu := time.Now(), processTime()
	counts, failed := [2]int64{}, [2]error{}
	var both sync.WaitGroup
	for i, half := range halves {
		both.Go(func() { counts[i], failed[i] = s.loop(fd, half, begun) })
	}
	both.Wait()
	s.Packets, s.Seconds, s.CPU = counts[0]+counts[1], time.Since(begun).Seconds(), (processTime() - cpu).Seconds()
	return s, errors.Join(failed[:]...)
}

// loop sends half of the frames, again and again, at half of the rate.
func (s CaptureSend) loop(fd int, frames [][]byte, begun time.Time) (sent int64, err error) {
	for at := 0; ; {
		seconds := time.Since(begun).Seconds()
		if seconds >= s.For || len(frames) == 0 {
			return sent, nil
		}
		if s.Rate > 0 && float64(sent) > seconds*float64(s.Rate)/2 { // ahead
			time.Sleep(100 * time.Microsecond)
			continue
		}
		for range 32 {
			if err := captureWrite(fd, frames[at]); err != nil {
				return sent, err
			}
			at = (at + 1) % len(frames)
			sent++
		}
	}
}

// captureWrite is a write without what Go does around it: each is one frame
// that arrives at the interface.
func captureWrite(fd int, frame []byte) error {
	for {
		_, _, code := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&frame[0])), uintptr(len(frame)))
		switch code {
		case 0:
			return nil
		case unix.EINTR, unix.EAGAIN, unix.ENOBUFS:
			continue
		}
		return fmt.Errorf("send frames: %w", code)
	}
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

// captureTap is the far end of a TAP: what is written there arrives.
func captureTap(name string) (fd int, err error) {
	if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR, 0); err != nil {
		return 0, err
	}
	r, err := unix.NewIfreq(name)
	if err == nil {
		r.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, r)
	}
	if err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// CaptureLatency runs the sensor's own test on wires between namespaces: forged
// ARP answers, from the moment before each is sent to its alarm.
func CaptureLatency(ctx context.Context) (Line, error) {
	const goal = 10 * time.Millisecond
	cmd := exec.CommandContext(ctx, "chrt", "-r", "1", "go", "test", "-count=1", "-v", "-run", "^TestWatchWire$", "./collect/capture")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	_, text, ok := strings.Cut(string(out), "from frame to alarm: p50 ")
	if err != nil || !ok {
		return Line{}, fmt.Errorf("go test ./collect/capture -run TestWatchWire told no latency: %w", err)
	}
	text, _, _ = strings.Cut(text, ", at most")
	p50, p99, _ := strings.Cut(text, ", p99 ")
	half, err1 := time.ParseDuration(p50)
	most, err2 := time.ParseDuration(p99)
	if err := errors.Join(err1, err2); err != nil {
		return Line{}, err
	}
	return Line{What: "sensor: from a forged frame to the alarm, p99", Goal: goal.String(), Measured: fmt.Sprintf("%.1f ms (p50 %.1f ms)", most.Seconds()*1e3, half.Seconds()*1e3),
		Met: judge(most <= goal), How: "300 forged ARP answers on a bridge of namespaces, one every 7 ms; TestWatchWire"}, nil
}
