package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/pcap"
)

var (
	capturing = flag.String("capturing", "", "internal: what a measuring process of the sensor does")
	sending   = flag.String("sending", "", "internal: what a process that sends it frames does")
	frames    = flag.Int("frames", 2_200_000, "packets of the sensor's mixed capture")
)

// capture measures the sensor.
func (r *run) capture() error {
	dir := filepath.Join(r.dir, "capture")
	defer os.RemoveAll(dir)
	c, err := NewCapture(r.ctx, "../../shared/data", dir, *frames)
	if err != nil {
		return err
	}
	lines, table, err := c.File()
	if err != nil {
		return err
	}
	r.report.Add(lines...)
	r.report.Tables = append(r.report.Tables, table)
	lines, table, err = c.Live()
	if err != nil { // no root, no Linux
		r.report.Fail("sensor: packets from an interface", err)
		return nil
	}
	r.report.Add(lines...)
	r.report.Tables = append(r.report.Tables, table)
	line, err := CaptureLatency(r.ctx)
	if err != nil {
		r.report.Fail("sensor: from a forged frame to the alarm", err)
		return nil
	}
	r.report.Add(line)
	return nil
}

// TestCaptureApart is no test: it is the process that Capture measures, or
// that sends it frames.
func TestCaptureApart(t *testing.T) {
	var done any
	var err error
	switch {
	case *capturing != "":
		var w CaptureWork
		if err := json.Unmarshal([]byte(*capturing), &w); err != nil {
			t.Fatal(err)
		}
		done, err = w.Do(context.Background())
	case *sending != "":
		var s CaptureSend
		if err := json.Unmarshal([]byte(*sending), &s); err != nil {
			t.Fatal(err)
		}
		done, err = s.Do()
	default:
		t.Skip("only a part of measuring: make bench-capture")
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(done)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*answer, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCaptureWork makes a small mix and reads it: every packet arrives.
func TestCaptureWork(t *testing.T) {
	c := &Capture{ctx: context.Background(), dir: t.TempDir()}
	var b bytes.Buffer
	if err := c.mix(&b, captureHospital(), 20_000); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.file(), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := CaptureWork{File: c.file(), Dissectors: true}.Do(context.Background())
	if err != nil || d.Stats.Packets != 20_000 || d.Stats.Bad != 0 || d.CPU <= 0 || d.Conversations == 0 {
		t.Errorf("%+v %v", d, err)
	}
	addresses := map[byte]bool{}
	r, err := pcap.Bytes(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var f packet.Frame
	for p := (pcap.Packet{}); r.Next(&p); {
		packet.Decode(p.Link, p.At, p.Size, p.Data, &f)
		addresses[f.From.As4()[1]] = true
	}
	if len(addresses) < 2 {
		t.Error("every round has the same addresses")
	}
}
