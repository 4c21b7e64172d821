// Package netflow takes in what routers and switches tell about traffic:
// NetFlow 5 and 9, IPFIX and sFlow 5, over UDP. A hospital whose network
// already exports flows sees who talks to whom without a sensor.
//
// It pairs the two directions of a conversation, guesses the server by its
// port, counts up what sampling left out, and hands on one conversation per
// key and minute, as a sensor would ("netflow:NAME"). What cannot be read (a
// template not seen yet, a broken packet) is counted and reported once a
// minute; UDP has no acknowledgement to withhold. Memory is bounded: beyond
// Config.Most conversations in a minute, the minute ends early; where they
// cannot be stored either, they are counted on up to twice as many, and flows of
// others are lost, counted and reported.
//
// It sees no content: applications, AE titles and clear text stay unknown.
package netflow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/decoders/sflow"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"

	"github.com/cordon-health/cordon/collect"
)

// Config of one receiver.
type Config struct {
	// Listen is the UDP address for NetFlow and IPFIX (usual port 2055 or
	// 4739), SFlow that for sFlow (6343). One may be empty.
	Listen string `yaml:"listen"`
	SFlow  string `yaml:"sflow"`
	// Source is the name shown on the Sources page.
	Source string `yaml:"source"`
	// Every is how often conversations are reported.
	Every time.Duration `yaml:"every"`
	// Most is how many conversations may be counted at once.
	Most int `yaml:"most"`
	// Exporters are the addresses or networks that may send; empty allows all.
	Exporters []netip.Prefix `yaml:"exporters"`
}

// Default listens for NetFlow on loopback.
func Default() Config {
	return Config{Listen: "127.0.0.1:2055", Source: "netflow", Every: time.Minute, Most: 200_000}
}

// Check says what is wrong with the configuration.
func (c Config) Check() error {
	switch {
	case c.Listen == "" && c.SFlow == "":
		return errors.New("netflow: no address; give listen or sflow")
	case c.Every < time.Second || c.Every > time.Hour:
		return errors.New("netflow: every must be between 1s and 1h")
	case c.Most < 1000:
		return errors.New("netflow: most is below 1000")
	}
	return nil
}

// Collector receives flows.
type Collector struct {
	cfg  Config
	now  func() time.Time
	log  *slog.Logger
	read *reader

	mu   sync.Mutex
	sum  *pairs    // guarded by mu
	bad  int       // guarded by mu: packets that could not be read since the last report
	lost int       // guarded by mu: flows for which there was no room since then
	wait time.Time // guarded by mu: until then nothing is delivered early, because it failed
}

var _ collect.Collector = (*Collector)(nil)

// New checks the configuration; nothing listens before Run.
func New(cfg Config, now func() time.Time, log *slog.Logger) (*Collector, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	r, err := newReader()
	if err != nil {
		return nil, fmt.Errorf("netflow: %w", err)
	}
	return &Collector{cfg: cfg, now: now, log: log, read: r, sum: newPairs()}, nil
}

// Run receives until ctx ends; what is counted by then is still delivered.
func (c *Collector) Run(ctx context.Context, sink collect.Sink) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for address, sampled := range map[string]bool{c.cfg.Listen: false, c.cfg.SFlow: true} {
		if address == "" {
			continue
		}
		wg.Go(func() {
			if err := c.serve(ctx, address, sampled, sink); err != nil {
				cancel(fmt.Errorf("netflow: %w", err))
			}
		})
	}
	wg.Go(func() { c.report(ctx, sink) })
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (c *Collector) serve(ctx context.Context, address string, sampled bool, sink collect.Sink) error {
	pc, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer context.AfterFunc(ctx, func() { pc.Close() })()
	defer pc.Close()
	buf := make([]byte, 1<<16)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if addr := from.(*net.UDPAddr).AddrPort().Addr().Unmap(); c.mayExport(addr) {
			c.packet(addr, buf[:n], sampled)
		}
		if c.full() {
			c.deliver(ctx, sink)
		}
	}
}

func (c *Collector) mayExport(a netip.Addr) bool {
	for _, p := range c.cfg.Exporters {
		if p.Contains(a) {
			return true
		}
	}
	return len(c.cfg.Exporters) == 0
}

func (c *Collector) packet(from netip.Addr, data []byte, sampled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	flows, err := c.read.flows(from, data, sampled, c.now())
	if err != nil {
		c.bad++
	}
	for _, f := range flows {
		if !c.sum.add(f, 2*c.cfg.Most) {
			c.lost++
		}
	}
}

func (c *Collector) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum.len() >= c.cfg.Most && !c.now().Before(c.wait)
}

// report delivers now and then, and a last time at the end.
func (c *Collector) report(ctx context.Context, sink collect.Sink) {
	t := time.NewTicker(c.cfg.Every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			last, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer done()
			c.deliver(last, sink)
			return
		case <-t.C:
			c.deliver(ctx, sink)
		}
	}
}

// deliver hands the conversations on; what is not taken is counted on.
func (c *Collector) deliver(ctx context.Context, sink collect.Sink) {
	c.mu.Lock()
	sum, bad, lost := c.sum, c.bad, c.lost
	c.sum, c.bad, c.lost = newPairs(), 0, 0
	c.mu.Unlock()
	if lost > 0 {
		c.log.Error("flows are lost: too many conversations wait to be stored; see why they are not, or raise most", "source", c.cfg.Source, "flows", lost)
	}
	if bad > 0 {
		c.log.Warn("flow packets could not be read; of NetFlow 9 and IPFIX the first minutes wait for templates", "source", c.cfg.Source, "packets", bad)
	}
	var text []byte
	for conv := range sum.conversations() {
		text = append(conv.Event().AppendJSON(text), '\n')
	}
	if len(text) == 0 {
		return
	}
	it := collect.Item{Format: "sensor", Source: "netflow:" + c.cfg.Source, Received: c.now(), Data: text}
	if _, err := sink.Deliver(ctx, it); err != nil {
		c.log.Error("conversations not stored, counted on", "source", c.cfg.Source, "error", err)
		c.mu.Lock()
		c.sum.join(sum)
		c.wait = c.now().Add(c.cfg.Every)
		c.mu.Unlock()
	}
}

// reader decodes packets; templates are kept for each exporter.
type reader struct {
	config    protoproducer.ProtoProducerConfig
	templates map[netip.Addr]netflow.NetFlowTemplateSystem
	sampling  map[netip.Addr]protoproducer.SamplingRateSystem
}

func newReader() (*reader, error) {
	cfg, err := (&protoproducer.ProducerConfig{}).Compile()
	if err != nil {
		return nil, err
	}
	return &reader{config: cfg, templates: map[netip.Addr]netflow.NetFlowTemplateSystem{}, sampling: map[netip.Addr]protoproducer.SamplingRateSystem{}}, nil
}

// mostExporters bounds the templates kept.
const mostExporters = 1024

var (
	errShort     = errors.New("the packet is too short")
	errExporters = errors.New("too many exporters")
)

// flows reads one packet. Library code that panics on a hostile packet makes
// it unreadable, no more.
func (r *reader) flows(from netip.Addr, data []byte, sampled bool, now time.Time) (out []*protoproducer.ProtoProducerMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("the packet broke the decoder: %v", p)
		}
	}()
	if len(data) < 4 {
		return nil, errShort
	}
	if r.templates[from] == nil {
		if len(r.templates) >= mostExporters {
			return nil, errExporters
		}
		r.templates[from], r.sampling[from] = netflow.CreateTemplateSystem(), protoproducer.CreateSamplingSystem()
	}
	var set []producer.ProducerMessage
	if sampled {
		set, err = r.sflow(data)
	} else {
		set, err = r.netflow(from, data)
	}
	for _, m := range set {
		if f, ok := m.(*protoproducer.ProtoProducerMessage); ok {
			f.TimeReceivedNs = uint64(now.UnixNano())
			out = append(out, f)
		}
	}
	return out, err
}

func (r *reader) sflow(data []byte) ([]producer.ProducerMessage, error) {
	var p sflow.Packet
	if err := sflow.DecodeMessageVersion(bytes.NewBuffer(data), &p); err != nil {
		return nil, err
	}
	return protoproducer.ProcessMessageSFlowConfig(&p, r.config)
}

func (r *reader) netflow(from netip.Addr, data []byte) ([]producer.ProducerMessage, error) {
	buf := bytes.NewBuffer(data)
	switch version := binary.BigEndian.Uint16(data); version {
	case 5:
		var p netflowlegacy.PacketNetFlowV5
		if err := netflowlegacy.DecodeMessageVersion(buf, &p); err != nil {
			return nil, err
		}
		return protoproducer.ProcessMessageNetFlowLegacy(&p)
	case 9, 10:
		if version == 9 && len(data) >= 4 {
			// The decoder takes the count of records for one of sets, and
			// some exporters count too few: let it read to the end.
			data = bytes.Clone(data)
			binary.BigEndian.PutUint16(data[2:], 0xffff)
			buf = bytes.NewBuffer(data)
		}
		var p9 netflow.NFv9Packet
		var p10 netflow.IPFIXPacket
		if err := netflow.DecodeMessageVersion(buf, r.templates[from], &p9, &p10); err != nil {
			return nil, err
		}
		if version == 9 {
			return protoproducer.ProcessMessageNetFlowV9Config(&p9, r.sampling[from], r.config)
		}
		return protoproducer.ProcessMessageIPFIXConfig(&p10, r.sampling[from], r.config)
	default:
		return nil, fmt.Errorf("version %d is none of NetFlow 5, 9 and IPFIX", version)
	}
}
