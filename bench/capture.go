package bench

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/collect/capture"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/packettest"
	"github.com/cordon-health/cordon/internal/pcap"
)

// What is promised of the sensor.
const (
	captureFileGoal = 2_000_000 // packets a second from a file, one core
	captureLiveGoal = 500_000   // packets a second from an interface, none dropped
	captureRSSGoal  = 200       // MiB
)

// Capture measures the sensor on a capture of its own making: every shared
// Ethernet capture, fuzzed ones too, again and again with other addresses, mixed
// with HL7 and bulk traffic, a hundred captures at a time side by side. It is
// read by a process held to one core (GOMAXPROCS=1), whose processor time
// counts, with the flow table alone and with every dissector.
type Capture struct {
	ctx     context.Context
	dir     string
	packets int
	bytes   int64
}

// CaptureWork is what a measuring process does: read a file, or listen.
type CaptureWork struct {
	File       string
	Inventory  bool // the dissectors of discovery
	Dissectors bool // all of them
	Interface  string
	Seconds    float64
	Ready      string // a file it makes when it listens
}

// CaptureDone is what it measured.
type CaptureDone struct {
	Stats         capture.Stats
	Conversations int64
	CPU, Wall     float64 // seconds
	Peak          float64 // MiB
}

func (c *Capture) file() string { return filepath.Join(c.dir, "mix.pcap") }

// NewCapture writes the mixed capture of at least so many packets.
func NewCapture(ctx context.Context, data, dir string, packets int) (*Capture, error) {
	c := &Capture{ctx: ctx, dir: dir}
	traces, err := captureTraces(filepath.Join(data, "pcap", "captures.tar.zst"))
	if err != nil {
		return nil, err
	}
	traces = append(traces, captureHospital()...)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Create(c.file())
	if err != nil {
		return nil, err
	}
	err = c.mix(f, traces, packets)
	return c, errors.Join(err, f.Close())
}

// captureTraces reads the frames of every shared Ethernet capture.
func captureTraces(archive string) (traces [][][]byte, err error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, fmt.Errorf("no captures to measure with: %w", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	for t := tar.NewReader(z); ; {
		if _, err := t.Next(); errors.Is(err, io.EOF) {
			return traces, nil
		} else if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(t)
		if err != nil {
			return nil, err
		}
		r, err := pcap.Bytes(b)
		if err != nil {
			continue // not a capture
		}
		var frames [][]byte
		for p := (pcap.Packet{}); r.Next(&p); {
			if p.Link == packet.LinkEthernet {
				frames = append(frames, p.Data)
			}
		}
		if len(frames) > 0 {
			traces = append(traces, frames)
		}
	}
}

// captureHospital invents what public captures have none of: HL7 links and the
// bulk of images.
func captureHospital() (traces [][][]byte) {
	adt := "\x0bMSH|^~\\&|HIS|WARD|LIS|LAB|20260101120000||ADT^A01|%d|P|2.5\rPID|1||P%d||TEST^PERSON\rPV1|1|I|W1\r\x1c\r"
	ack := "\x0bMSH|^~\\&|LIS|LAB|HIS|WARD|20260101120000||ACK^A01|%d|P|2.5\rMSA|AA|%d\r\x1c\r"
	for n := range 60 {
		var said []packettest.Say
		for i := range 40 {
			said = append(said, packettest.Say{Bytes: fmt.Appendf(nil, adt, i, i)}, packettest.Say{Server: true, Bytes: fmt.Appendf(nil, ack, i, i)})
		}
		traces = append(traces, packettest.Session(fmt.Sprintf("10.3.1.%d:%d", n+1, 40000+n), "10.3.2.9:6661", said...))
		image := bytes.Repeat([]byte{byte(n), 0x55, 0xaa, 0}, 30_000)
		traces = append(traces, packettest.Session(fmt.Sprintf("10.4.1.%d:%d", n+1, 50000+n), "10.4.2.9:11112", packettest.Say{Bytes: image}))
	}
	return traces
}

// mix writes frames of a hundred traces at a time in random turns, 100 µs
// apart. Each round has addresses of its own.
func (c *Capture) mix(to io.Writer, traces [][][]byte, packets int) error {
	const side = 100
	var b bytes.Buffer
	w, err := pcap.NewWriter(&b, packet.LinkEthernet)
	if err != nil {
		return err
	}
	turn := rand.New(rand.NewPCG(5, 9))
	at, next := int64(1_767_225_600e9), 0
	type cursor struct{ trace, frame, round int }
	open := make([]cursor, side)
	start := func() cursor {
		next++
		return cursor{(next - 1) % len(traces), 0, (next - 1) / len(traces)}
	}
	for i := range open {
		open[i] = start()
	}
	var scratch []byte
	for ; c.packets < packets; c.packets++ {
		o := &open[turn.IntN(side)]
		frame := traces[o.trace][o.frame]
		scratch = append(scratch[:0], frame...)
		captureReaddress(scratch, byte(o.round))
		at += 100_000
		if err := w.Write(at, len(scratch), scratch); err != nil {
			return err
		}
		c.bytes += int64(len(scratch))
		if o.frame++; o.frame == len(traces[o.trace]) {
			*o = start()
		}
		if b.Len() > 1<<20 {
			if _, err := b.WriteTo(to); err != nil {
				return err
			}
		}
	}
	_, err = b.WriteTo(to)
	return err
}

// captureReaddress changes the second byte of IPv4 addresses.
func captureReaddress(b []byte, round byte) {
	if len(b) >= 34 && b[12] == 8 && b[13] == 0 && b[14]>>4 == 4 {
		b[27] ^= round
		if b[30] < 224 {
			b[31] ^= round
		}
	}
}

// captureEngine is a sensor that keeps nothing.
func captureEngine(inventory, all bool, told *int64) (*capture.Engine, error) {
	cfg := capture.Config{Sensor: "bench", Flow: func(flow.Conversation) { *told++ }}
	if inventory {
		cfg.Packets, cfg.Streams = capture.Discovery()
	}
	if all {
		cfg.Packets, cfg.Streams = capture.Dissectors(capture.ClinicalOptions{Sensor: "bench"})
	}
	return capture.New(cfg)
}

// Do measures, in a process of its own.
func (w CaptureWork) Do(ctx context.Context) (d CaptureDone, err error) {
	e, err := captureEngine(w.Inventory, w.Dissectors, &d.Conversations)
	if err != nil {
		return d, err
	}
	cpu, begun := processTime(), time.Now()
	if w.Interface != "" {
		err = w.listen(ctx, e)
	} else {
		err = e.File(ctx, w.File, nil)
	}
	e.Flush()
	d.CPU, d.Wall = (processTime() - cpu).Seconds(), time.Since(begun).Seconds()
	d.Stats = e.Stats()
	for i := range d.Stats.Wrong {
		d.Stats.Wrong[i].First = nil
	}
	d.Peak = float64(mostMemory()) / (1 << 20)
	return d, err
}

func (w CaptureWork) listen(ctx context.Context, e *capture.Engine) error {
	l, err := capture.OpenLive(capture.LiveConfig{Interfaces: []string{w.Interface}, Promiscuous: true})
	if err != nil {
		return err
	}
	defer l.Close()
	if err := os.WriteFile(w.Ready, nil, 0o600); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, time.Duration(w.Seconds*float64(time.Second)))
	defer stop()
	return l.Run(ctx, e, time.Now, nil)
}

// captureCommand is a measuring process: the test binary again, on one core.
func captureCommand(ctx context.Context, flag string, work any, answer string, before ...string) (*exec.Cmd, error) {
	question, err := json.Marshal(work)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(before), self, "-test.run", "^TestCaptureApart$", flag, string(question), "-answer", answer)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	return cmd, nil
}

func (w CaptureWork) run(ctx context.Context, dir string) (d CaptureDone, err error) {
	answer := filepath.Join(dir, "answer.json")
	cmd, err := captureCommand(ctx, "-capturing", w, answer)
	if err != nil {
		return d, err
	}
	if err := cmd.Run(); err != nil {
		return d, fmt.Errorf("measuring process: %w", err)
	}
	return d, captureAnswer(answer, &d)
}

func captureAnswer(path string, to any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

// File measures reading of the file, the best of three runs each.
func (c *Capture) File() (lines []Line, t Table, err error) {
	t = Table{Title: "Reading a capture", Header: []string{"", "packets/s of one core", "MB/s", "peak memory", "note"},
		Note: fmt.Sprintf("%d packets, %.0f MB, %.0f bytes each; in the page cache. Not like for like: the others decode or print, they keep no inventory and put no streams in order.",
			c.packets, float64(c.bytes)/1e6, float64(c.bytes)/float64(c.packets))}
	for _, w := range []CaptureWork{{}, {Inventory: true}, {Dissectors: true}} {
		w.File = c.file()
		d, err := c.best(w)
		if err != nil {
			return nil, t, err
		}
		speed := float64(d.Stats.Packets) / d.CPU
		name, note := "Cordon, flow table", fmt.Sprintf("%d conversations told", d.Conversations)
		if w.Inventory || w.Dissectors {
			name = "Cordon, flow table and inventory"
			note += fmt.Sprintf(", %d streams read, %d bad frames counted, %d panics", d.Stats.Streams, d.Stats.Bad, d.Stats.Defects)
		}
		if w.Inventory {
			lines = append(lines, Line{What: "sensor: packets from a file, one core", Goal: million(captureFileGoal), Measured: million(speed), Met: judge(speed >= captureFileGoal && d.Stats.Packets == int64(c.packets)),
				How: "with inventory and flow table; CPU time of a process held to one core, user and system"})
		}
		if w.Dissectors {
			name = "Cordon, flow table, inventory and clinical protocols"
			lines = append(lines, Line{What: "sensor: the same, with DICOM, HL7, SQL and clear text too", Measured: million(speed), How: "every dissector"},
				Line{What: "sensor: peak memory", Goal: fmt.Sprintf("%d MiB", captureRSSGoal), Measured: fmt.Sprintf("%.0f MiB", d.Peak), Met: judge(d.Peak <= captureRSSGoal), How: "VmHWM of that process"})
		}
		t.Rows = append(t.Rows, []string{name, million(speed), fmt.Sprintf("%.0f", float64(c.bytes)/1e6/d.CPU), fmt.Sprintf("%.0f MiB", d.Peak), note})
	}
	t.Rows = append(t.Rows, c.peers()...)
	return lines, t, nil
}

func (c *Capture) best(w CaptureWork) (best CaptureDone, err error) {
	for range 3 {
		d, err := w.run(c.ctx, c.dir)
		if err != nil {
			return d, err
		}
		if best.CPU == 0 || d.CPU < best.CPU {
			best = d
		}
	}
	return best, nil
}

func million(perSecond float64) string { return fmt.Sprintf("%.2f M/s", perSecond/1e6) }

// peers reads the same file with what is installed.
func (c *Capture) peers() (rows [][]string) {
	const some = 100_000
	for _, p := range []struct {
		name    string
		packets int
		args    []string
	}{
		{"tcpdump -n -q", c.packets, []string{"tcpdump", "-n", "-q", "-r", c.file()}},
		{"tcpdump -w /dev/null", c.packets, []string{"tcpdump", "-n", "-r", c.file(), "-w", "/dev/null"}},
		{"tshark -z io,phs", some, []string{"tshark", "-n", "-c", strconv.Itoa(some), "-q", "-z", "io,phs", "-r", c.file()}},
	} {
		if _, err := exec.LookPath(p.args[0]); err != nil {
			continue
		}
		cmd := exec.CommandContext(c.ctx, p.args[0], p.args[1:]...)
		if err := cmd.Run(); err != nil {
			continue // it stops at some frame; a rate would mean nothing
		}
		u := cmd.ProcessState
		cpu := (u.UserTime() + u.SystemTime()).Seconds()
		rows = append(rows, []string{p.name, million(float64(p.packets) / cpu), "", peakOf(u), fmt.Sprintf("%d packets, CPU time", p.packets)})
	}
	return rows
}

func peakOf(s *os.ProcessState) string {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.0f MiB", float64(u.Maxrss)/1024)
}
