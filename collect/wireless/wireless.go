// Package wireless listens to the air: frames of 802.11 from a card in monitor
// mode or from a capture file. It never sends.
//
// What it gives: [Collector], which delivers what it heard as events of a
// sensor, and [Watch], the judge, which collect/capture can feed as well. Watch
// tells of access points and of the stations of our own networks, and raises:
//
//   - rogue-access-point: our network's name by an access point that is not
//     listed but looks like ours, or any access point whose number is next to one
//     on the cable;
//   - evil-twin: our network's name by one that does not look like ours (BSSID's
//     maker, protection, order of elements and vendors, channel), or one BSSID
//     with two clocks, on two channels or with two faces at once;
//   - wireless-downgrade: our network offered with weaker protection;
//   - deauth-flood: deauthentication or disassociation in numbers, or with
//     numbers of somebody else, or without protection where it is required;
//   - karma: one access point that answers to any name.
//
// What it guarantees: an alarm comes with the frame that proves it. What one
// sender alone can do (change its channel, restart its clock, part three
// stations) is no alarm. Memory is bounded; the oldest gives way. A frame that
// was received damaged counts for nothing.
//
// What it does not do: it does not tune the card (whoever sets monitor mode
// chooses the channels), it finds nobody's position, and it cannot tell a twin
// that copies number, clock, channel and elements of an access point which is
// itself out of hearing. Passers-by who join none of our networks are not kept.
package wireless

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/internal/pcap"
	"github.com/cordon-health/cordon/ocsf"
)

// Format is the format of what it delivers.
const Format = "sensor"

// mostQueue bounds what waits for delivery; what comes then is counted.
const mostQueue = 4096

// Collector listens on one interface, or reads one file.
type Collector struct {
	cfg   Config
	now   func() time.Time
	log   *slog.Logger
	watch *Watch
	queue queue
}

var _ collect.Collector = (*Collector)(nil)

// New checks the configuration; nothing is opened before Run.
func New(cfg Config, now func() time.Time, log *slog.Logger) (*Collector, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Sensor == "" {
		cfg.Sensor = cfg.Interface + cfg.File
	}
	c := &Collector{cfg: cfg, now: now, log: log}
	c.watch = NewWatch(cfg, &c.queue)
	return c, nil
}

// Run listens until ctx ends; a file ends it, too.
func (c *Collector) Run(ctx context.Context, sink collect.Sink) error {
	if c.cfg.File != "" {
		return c.file(ctx, sink)
	}
	return c.live(ctx, sink)
}

// file reads a capture. Its frames keep their own times.
func (c *Collector) file(ctx context.Context, sink collect.Sink) error {
	f, err := os.Open(c.cfg.File)
	if err != nil {
		return fmt.Errorf("wireless: %w", err)
	}
	defer f.Close()
	r, err := pcap.NewReader(f)
	if err != nil {
		return fmt.Errorf("wireless: %w", err)
	}
	var p pcap.Packet
	for r.Next(&p) {
		c.watch.Frame(p.Link, p.At, p.Size, p.Data)
		if err := c.deliver(ctx, sink); err != nil {
			return err
		}
	}
	c.watch.Tick(c.watch.now + 2*repeat)
	return c.deliver(ctx, sink)
}

// deliver hands on what was heard, in one go.
func (c *Collector) deliver(ctx context.Context, sink collect.Sink) error {
	evs := c.queue.evs
	if len(evs) == 0 {
		return nil
	}
	items := make([]collect.Item, len(evs))
	for i, ev := range evs {
		items[i] = collect.Item{Format: Format, Source: "sensor:" + c.cfg.Sensor, Received: c.now(), Data: ev.AppendJSON(nil)}
	}
	if _, err := sink.Deliver(ctx, items...); err != nil {
		return fmt.Errorf("deliver what was heard: %w", err)
	}
	c.queue.evs = c.queue.evs[:0]
	return nil
}

// queue keeps events for delivery.
type queue struct {
	evs  []*ocsf.Event
	lost int64
}

var _ Out = (*queue)(nil)

// Seen implements [Out].
func (q *queue) Seen(o asset.Observation) { q.add(o.Event()) }

// Alarm implements [Out].
func (q *queue) Alarm(a asset.Alarm) { q.add(a.Event()) }

func (q *queue) add(ev *ocsf.Event) {
	if len(q.evs) >= mostQueue {
		q.lost++
		return
	}
	q.evs = append(q.evs, ev)
}
