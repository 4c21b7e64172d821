package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/node"
	"github.com/cordon-health/cordon/ocsf"
)

type captureCmd struct {
	Files []string `arg:"" name:"file" help:"Captures: pcap or pcapng, plain, .gz or .zst; several are one." type:"path"`
	JSON  bool     `help:"A line of JSON for each device, flow, event and finding, named by kind; a last line with stats." name:"json"`
}

// Help is the long text behind the flags.
func (captureCmd) Help() string {
	return "Looks into captures offline: devices and why they are taken for what they are, who talks to whom, statements on databases, and what is wrong. Nothing is kept and nothing is sent; patients' data in the capture is never printed."
}

// Run reads captures.
func (c captureCmd) Run(w *world) error {
	out := bufio.NewWriter(w.out)
	bar := newProgress(w, "capture", 0)
	p := capturePrinter{out: out, json: c.JSON}
	err := node.CaptureRead{
		Paths: c.Files, Out: p.line, Zone: time.Local, Now: w.now, Log: slog.New(slog.DiscardHandler),
		Progress: func(path string, read, size int64) { bar.step("capture", read, size) },
	}.Run(w.ctx)
	bar.end()
	if errors.Is(err, node.ErrNotCapture) {
		err = fmt.Errorf("%w; give a capture as tcpdump -w writes it", err)
	}
	if err == nil {
		p.end()
	}
	return errors.Join(err, out.Flush())
}

// capturePrinter prints what is found, for people in sections.
type capturePrinter struct {
	out  *bufio.Writer
	json bool
	flow []node.CapturedTalk
	dev  []asset.Device
	find []ocsf.Finding
	evs  int
	stat node.CaptureStats
}

func (p *capturePrinter) line(kind node.CaptureKind, v any) error {
	if p.json {
		return p.jsonLine(kind, v)
	}
	switch x := v.(type) {
	case ocsf.Finding:
		p.find = append(p.find, x)
	case node.CapturedTalk:
		p.flow = append(p.flow, x)
	case asset.Device:
		p.dev = append(p.dev, x)
	case node.CaptureStats:
		p.stat = x
	default:
		p.evs++
	}
	return nil
}

func (p *capturePrinter) jsonLine(kind node.CaptureKind, v any) error {
	if f, ok := v.(ocsf.Finding); ok {
		v = json.RawMessage(ocsf.AppendFinding(nil, f))
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "{\"kind\":%q,%s\n", kind, body[1:])
	return err
}

// mostLines is how many conversations people are shown.
const mostLines = 40

func (p *capturePrinter) end() {
	if p.json {
		return
	}
	s := p.stat
	fmt.Fprintf(p.out, "%d packets, %d bytes; %d frames were wrong in some way, %d cut short by the capture\n", s.Packets, s.Bytes, s.Bad, s.Cut)
	for _, x := range s.Wrong {
		fmt.Fprintf(p.out, "  %6d  %s, first at frame %d\n", x.Count, x.Reason, x.First[0].Frame)
	}
	fmt.Fprintf(p.out, "\n%d devices\n", len(p.dev))
	for _, d := range p.dev {
		printCaptured(p.out, d)
	}
	fmt.Fprintf(p.out, "\n%d conversations\n", len(p.flow))
	slices.SortFunc(p.flow, func(a, b node.CapturedTalk) int { return int(b.BytesIn + b.BytesOut - a.BytesIn - a.BytesOut) })
	for _, f := range p.flow[:min(len(p.flow), mostLines)] {
		fmt.Fprintf(p.out, "  %-39s > %-39s %3d/%-5d %-12s %5d sessions %12d bytes %s\n", f.Client, f.Server, f.Protocol, f.Port, f.App, f.Sessions, f.BytesIn+f.BytesOut, f.SNI)
	}
	if n := len(p.flow) - mostLines; n > 0 {
		fmt.Fprintf(p.out, "  and %d more; --json has them all\n", n)
	}
	fmt.Fprintf(p.out, "\n%d statements on databases, %d findings\n", p.evs, len(p.find))
	for _, f := range p.find {
		fmt.Fprintf(p.out, "  %3.0f  %-22s %s\n", f.Risk, f.Analytic, f.Title.EN)
	}
}

func printCaptured(out io.Writer, d asset.Device) {
	what := "unknown"
	if d.What.Kind != "" {
		what = fmt.Sprintf("%s %s %s (%.0f %%)", d.What.Vendor, d.What.Model, d.What.Kind, 100*d.What.Confidence)
	}
	fmt.Fprintf(out, "  %-17s %-39s %-24s %s\n", first(d.MACs), first(d.IPs), d.Name, what)
	for _, why := range d.What.Because {
		fmt.Fprintf(out, "      %s\n", why.EN)
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
