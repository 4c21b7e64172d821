package netflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

type sink struct {
	mu  sync.Mutex
	got []flow.Conversation
}

func (s *sink) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		for line := range strings.Lines(string(it.Data)) {
			var ev ocsf.Event
			if err := ocsf.Decode([]byte(strings.TrimSpace(line)), &ev); err != nil {
				return nil, err
			}
			c, ok := flow.Of(&ev)
			if !ok {
				return nil, fmt.Errorf("no conversation: %s", line)
			}
			s.got = append(s.got, c)
		}
	}
	return make([]collect.Receipt, len(items)), nil
}

func (s *sink) say() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.got {
		out = append(out, fmt.Sprintf("%s>%s:%d/%d out=%d in=%d", c.Client, c.Server, c.Port, c.Proto, c.PacketsOut, c.PacketsIn))
	}
	slices.Sort(out)
	return out
}

// TestExporter: what softflowd 1.1.0, a real exporter, sent of one connection
// of seven packets, in each of its formats (recorded; each packet after its
// length in two bytes).
func TestExporter(t *testing.T) {
	for _, version := range []string{"5", "9", "10"} {
		t.Run("version "+version, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", "softflowd-v"+version+".bin"))
			if err != nil {
				t.Fatal(err)
			}
			c, conn, got, stop := start(t)
			for len(data) > 2 {
				n := 2 + int(data[0])<<8 + int(data[1])
				if _, err := conn.Write(data[2:n]); err != nil {
					t.Fatal(err)
				}
				data = data[n:]
			}
			until(t, func() bool {
				return len(c.sum.all) == 1 && c.sum.all[dicom].PacketsOut == 4 && c.sum.all[dicom].PacketsIn == 3
			}, c)
			stop()
			want := []string{"10.2.0.9>10.3.0.2:11112/6 out=4 in=3"}
			if all := got.say(); !slices.Equal(all, want) {
				t.Errorf("got %v, want %v", all, want)
			}
		})
	}
}

// dicom is the conversation that was recorded.
var dicom = flow.Key{Client: netip.MustParseAddr("10.2.0.9"), Server: netip.MustParseAddr("10.3.0.2"), Proto: packet.TCP, Port: 11112}

// until waits for what a collector counts; what does not come, the test finds
// missing.
func until(t *testing.T, done func() bool, c *Collector) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		ok := done()
		c.mu.Unlock()
		if ok {
			return
		}
	}
}

// start has a collector listen, and waits until it does.
func start(t *testing.T) (c *Collector, to net.Conn, got *sink, stop func()) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := pc.LocalAddr().String()
	pc.Close()
	cfg := Default()
	cfg.Listen = address
	if c, err = New(cfg, time.Now, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got = &sink{}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, got) }()
	if to, err = net.Dial("udp", address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	until(t, func() bool {
		_, _ = to.Write([]byte("x")) // refused until it listens, then too short to be read
		return c.bad > 0
	}, c)
	return c, to, got, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestPairs(t *testing.T) {
	p := newPairs()
	for _, f := range []struct {
		from, to      string
		sport, dport  uint32
		flags, rate   uint64
		packets, icmp uint64
	}{
		{from: "10.2.0.9", to: "10.3.0.2", sport: 49152, dport: 104, packets: 10, rate: 100},
		{from: "10.3.0.2", to: "10.2.0.9", sport: 104, dport: 49152, packets: 7, rate: 100},
		{from: "10.2.0.9", to: "10.3.0.2", sport: 80, dport: 49152, packets: 1, flags: packet.SYN}, // from a low port, to a high one
		{from: "10.2.0.9", to: "10.3.0.2", dport: 8 << 8, packets: 1, icmp: 1},                     // an echo request, its type as a port
	} {
		m := &protoproducer.ProtoProducerMessage{}
		m.SrcAddr, m.DstAddr = netip.MustParseAddr(f.from).AsSlice(), netip.MustParseAddr(f.to).AsSlice()
		m.SrcPort, m.DstPort, m.Proto, m.Packets, m.SamplingRate, m.TcpFlags = f.sport, f.dport, 6, f.packets, f.rate, uint32(f.flags)
		m.TimeReceivedNs = 1772438400e9
		if f.icmp > 0 {
			m.Proto = packet.ICMP
		}
		if !p.add(m, 3) {
			t.Errorf("no room for %v", f)
		}
	}
	s := &sink{}
	for c := range p.conversations() {
		s.got = append(s.got, c)
	}
	want := []string{"10.2.0.9>10.3.0.2:0/1 out=1 in=0", "10.2.0.9>10.3.0.2:104/6 out=1000 in=700", "10.2.0.9>10.3.0.2:49152/6 out=1 in=0"}
	if got := s.say(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// broken takes nothing.
type broken struct{}

func (broken) Deliver(context.Context, ...collect.Item) ([]collect.Receipt, error) {
	return nil, errors.New("no room on disk")
}

// TestNotStored: what cannot be stored is counted on, up to a bound, and handed
// over once it can be.
func TestNotStored(t *testing.T) {
	cfg, now := Default(), time.UnixMilli(1772438400000)
	cfg.Most = 1000
	c, err := New(cfg, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	client := netip.MustParseAddr("10.2.0.0")
	one := func(i int) []byte { // NetFlow 5, one flow of four packets
		p := make([]byte, 24+48)
		p[1], p[3] = 5, 1
		copy(p[24:], client.AsSlice())
		p[26], p[27] = byte(i>>8), byte(i)
		copy(p[28:], []byte{10, 3, 0, 2})
		p[24+19], p[24+23], p[24+38] = 4, 200, 6
		p[24+32], p[24+35] = 0xc0, 104
		return p
	}
	for range 2 {
		for i := range 3000 {
			c.packet(client, one(i), false)
			if c.full() {
				c.deliver(t.Context(), broken{})
			}
		}
	}
	if c.sum.len() != 2000 || c.lost != 2000 || c.bad != 0 {
		t.Fatalf("%d conversations kept, %d flows lost, %d packets bad; want 2000, 2000, 0", c.sum.len(), c.lost, c.bad)
	}
	got := &sink{}
	c.deliver(t.Context(), got)
	if all := got.say(); len(all) != 2000 || all[0] != "10.2.0.0>10.3.0.2:104/6 out=8 in=0" {
		t.Errorf("handed over %d conversations, the first %q", len(all), all[:min(1, len(all))])
	}
}

func FuzzFlows(f *testing.F) {
	f.Add([]byte{0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false)
	f.Add([]byte{0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4}, false)
	f.Add([]byte{0, 10, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false)
	f.Add([]byte{0, 0, 0, 5, 0, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, true)
	r, err := newReader()
	if err != nil {
		f.Fatal(err)
	}
	from := netip.MustParseAddr("127.0.0.1")
	f.Fuzz(func(t *testing.T, data []byte, sampled bool) {
		p := newPairs()
		flows, _ := r.flows(from, data, sampled, time.UnixMilli(1772438400000))
		for _, one := range flows {
			p.add(one, 1000)
		}
	})
}
