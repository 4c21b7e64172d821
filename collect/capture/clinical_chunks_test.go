package capture

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/pcap"
)

// tape records streams.
type tape struct{ streams []*taped }

type taped struct {
	stream Stream
	said   []tapedPiece
}

type tapedPiece struct {
	client bool
	at     int64
	b      []byte
}

func (*tape) Name() string                         { return "tape" }
func (*tape) Probe(_ *Stream, c, s []byte) Verdict { return Yes }
func (r *tape) Open(s *Stream, _ Out) Parser {
	p := &taped{stream: *s}
	r.streams = append(r.streams, p)
	return p
}
func (p *taped) Gap(bool, int) bool { return true }
func (p *taped) Close(int64)        {}
func (p *taped) Data(client bool, at int64, b []byte) bool {
	p.said = append(p.said, tapedPiece{client, at, bytes.Clone(b)})
	return true
}

// streamsOf are the streams in a capture.
func streamsOf(t testing.TB, file string) []*taped {
	t.Helper()
	r := &tape{}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	e := engineFor(t, &heard{}, Config{}, r)
	replayBytes(t, e, b)
	e.Flush()
	return r.streams
}

// played is what came of a stream.
type played struct {
	asked  []string
	alarms string
	seen   int
	notes  Notes
}

// play gives a stream to the dissectors that want it, in chunks of n bytes at
// most.
func (p *taped) play(n int) (all []played) {
	var client, server []byte
	for _, piece := range p.said {
		if piece.client {
			client = append(client, piece.b...)
		} else {
			server = append(server, piece.b...)
		}
	}
	client, server = client[:min(len(client), 16<<10)], server[:min(len(server), 16<<10)]
	for _, d := range Clinical(ClinicalOptions{Memory: NewClinicalMemory(-1)}) {
		s := p.stream
		s.notes = Notes{}
		if d.Probe(&s, client, server) != Yes {
			continue
		}
		h := &heard{}
		parser := d.Open(&s, h)
		feed(parser, p.said, n)
		for _, e := range h.events { // the time a statement is seen at is that of its last byte
			e.Time = 0
		}
		all = append(all, played{asked(h), fmt.Sprint(h.alarms), len(h.seen), s.notes})
	}
	return all
}

func feed(parser Parser, said []tapedPiece, n int) {
	for _, piece := range said {
		for b := piece.b; len(b) > 0; {
			m := min(n, len(b))
			if !parser.Data(piece.client, piece.at, bytes.Clone(b[:m])) {
				return
			}
			b = b[m:]
		}
	}
	parser.Close(0)
}

// inAnyChunks compares what comes of the streams of a capture in chunks of some
// sizes.
func inAnyChunks(t *testing.T, file string) {
	t.Helper()
	for i, s := range streamsOf(t, file) {
		want := s.play(1 << 20)
		for _, n := range []int{1, 2, 3, 7, 64, 1000} {
			if got := s.play(n); !reflect.DeepEqual(got, want) {
				t.Errorf("stream %d in chunks of %d:\n%+v\ninstead of\n%+v", i, n, got, want)
				break
			}
		}
	}
}

// inTheMiddle leaves the beginning of every connection out, and still wants a
// statement.
func inTheMiddle(t *testing.T, file, want string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{}
	e := engineFor(t, h, Config{}, clinicalFor(ClinicalOptions{})...)
	r, err := pcap.Bytes(b)
	if err != nil {
		t.Fatal(err)
	}
	payloads := map[uint16]int{}
	var f packet.Frame
	for p := (pcap.Packet{}); r.Next(&p); {
		packet.Decode(p.Link, p.At, p.Size, p.Data, &f)
		port := max(f.FromPort, f.ToPort)
		port ^= min(f.FromPort, f.ToPort)
		if len(f.Payload) > 0 {
			payloads[port]++
		}
		if payloads[port] > 6 {
			e.Frame(p.At, p.Link, p.Size, p.Data)
		}
	}
	e.Flush()
	wantAsked(t, h, want)
}

// TestClinicalCorpus runs the dissectors over all shared captures.
func TestClinicalCorpus(t *testing.T) {
	files := corpusFiles(t)
	apps, events := map[string]int{}, 0
	for name, b := range files {
		h := &heard{}
		e := engineFor(t, h, Config{}, clinicalFor(ClinicalOptions{Memory: NewClinicalMemory(-1)})...)
		if err := e.Read(context.Background(), bytes.NewReader(b), func() {}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		e.Flush()
		if s := e.Stats(); s.Defects != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		for _, f := range h.flows {
			if f.App != "" && f.Sessions > 0 {
				apps[f.App]++
			}
		}
		events += len(h.events)
		if testing.Verbose() {
			for _, line := range asked(h) {
				t.Log(name, line)
			}
			for _, a := range h.alarms {
				t.Log(name, a.Kind, a.Args, a.Culprit.IP, a.Victim.IP, a.Victim.Port)
			}
		}
	}
	t.Log(len(files), "files", events, "statements", apps)
}
