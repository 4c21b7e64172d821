package capture

import (
	"net/netip"
	"os"
	"testing"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/pcap"
	"github.com/cordon-health/cordon/ocsf"
)

// heard is what an engine told.
type heard struct {
	seen   []asset.Observation
	claims []binding.Claim
	alarms []asset.Alarm
	events []*ocsf.Event
	flows  []flow.Conversation
	stats  Stats
}

func (h *heard) Seen(o asset.Observation) { h.seen = append(h.seen, o) }
func (h *heard) Claim(c binding.Claim)    { h.claims = append(h.claims, c) }
func (h *heard) Alarm(a asset.Alarm)      { h.alarms = append(h.alarms, a) }
func (h *heard) Event(e *ocsf.Event)      { h.events = append(h.events, e) }

// facts joins what was seen of an address.
func (h *heard) facts(ip string) map[asset.FactName][]string {
	all := map[asset.FactName][]string{}
	for _, o := range h.seen {
		if o.IP.String() == ip {
			for _, f := range o.Facts {
				all[f.Name] = append(all[f.Name], f.Value)
			}
		}
	}
	return all
}

// flow returns the sum of the conversations with a server's port.
func (h *heard) flow(server string, port uint16) (sum flow.Conversation) {
	for _, f := range h.flows {
		if f.Server == netip.MustParseAddr(server) && f.Port == port {
			f.Sessions += sum.Sessions
			f.Refused += sum.Refused
			f.PacketsOut += sum.PacketsOut
			f.PacketsIn += sum.PacketsIn
			f.BytesOut += sum.BytesOut
			f.BytesIn += sum.BytesIn
			sum = f
		}
	}
	return sum
}

// engineFor makes an engine with packet and stream dissectors.
func engineFor(t testing.TB, h *heard, cfg Config, dissectors ...any) *Engine {
	t.Helper()
	for _, d := range dissectors {
		known := false
		if p, ok := d.(PacketDissector); ok {
			cfg.Packets, known = append(cfg.Packets, p), true
		}
		if s, ok := d.(StreamDissector); ok {
			cfg.Streams, known = append(cfg.Streams, s), true
		}
		if !known {
			t.Fatalf("%T is no dissector", d)
		}
	}
	cfg.Out, cfg.Sensor = h, "test"
	cfg.Flow = func(c flow.Conversation) { h.flows = append(h.flows, c) }
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// replay runs Ethernet frames, a millisecond apart, through an engine.
func replay(t testing.TB, frames [][]byte, dissectors ...any) *heard {
	t.Helper()
	h := &heard{}
	e := engineFor(t, h, Config{}, dissectors...)
	at := int64(1_700_000_000e9)
	for _, f := range frames {
		at += 1e6
		e.Frame(at, packet.LinkEthernet, len(f), f)
	}
	e.Flush()
	h.stats = e.Stats()
	return h
}

// replayFile runs a capture file through an engine.
func replayFile(t testing.TB, path string, dissectors ...any) *heard {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{}
	e := engineFor(t, h, Config{}, dissectors...)
	replayBytes(t, e, b)
	e.Flush()
	h.stats = e.Stats()
	return h
}

// replayBytes runs a capture through an engine without ending it.
func replayBytes(t testing.TB, e *Engine, b []byte) *pcap.Reader {
	t.Helper()
	r, err := pcap.Bytes(b)
	if err != nil {
		t.Fatal(err)
	}
	for p := (pcap.Packet{}); r.Next(&p); {
		e.Frame(p.At, p.Link, p.Size, p.Data)
	}
	return r
}
