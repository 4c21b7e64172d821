package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
)

// SensorConfig is a part of the network that is watched: the section
// collect.capture of the configuration, or the words of cordon sensor.
type SensorConfig struct {
	// Name of the sensor, on the Sensors page and in everything it tells.
	Name string `yaml:"name"`
	// Interfaces are those a mirror port or the zones of a router are plugged
	// into.
	Interfaces []string `yaml:"interfaces"`
	// Promiscuous takes frames for others too, which a mirror port needs.
	Promiscuous bool `yaml:"promiscuous"`
	// Interval is how often conversations that go on are reported; new ones are
	// within a second.
	Interval time.Duration `yaml:"interval"`
	// Twice drops frames that a mirror copies on the way in and on the way out.
	Twice bool `yaml:"twice"`
	// Inside are networks of the hospital with public addresses, such as
	// 198.51.100.0/24; private addresses are inside anyway. What stands outside
	// is no device of the hospital.
	Inside []string `yaml:"inside"`
	// Learn is how long senders of DICOM, HL7 and SQL are learnt before
	// strangers are an alarm.
	Learn time.Duration `yaml:"learn"`
}

// DefaultSensor watches promiscuously and learns for a week.
func DefaultSensor() SensorConfig {
	return SensorConfig{Promiscuous: true, Interval: time.Minute, Twice: true, Learn: 7 * 24 * time.Hour}
}

// Check says what is wrong with the configuration.
func (c SensorConfig) Check() error {
	switch {
	case c.Name == "":
		return errors.New("capture: name is empty; call the sensor after the place it watches")
	case len(c.Interfaces) == 0:
		return errors.New("capture: interfaces is empty; name one that a mirror port is plugged into (ip link lists them)")
	case c.Interval < time.Second || time.Hour%c.Interval != 0:
		return errors.New("capture: interval must divide an hour and be 1s at least")
	}
	_, err := c.inside()
	return err
}

// inside reads the networks with public addresses.
func (c SensorConfig) inside() (list []netip.Prefix, err error) {
	for _, text := range c.Inside {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("capture: inside: %q is no network such as 198.51.100.0/24", text)
		}
		list = append(list, p)
	}
	return list, nil
}

// Dissectors lists all of them. Each engine needs its own. Inside are networks
// of the hospital with public addresses.
func Dissectors(o ClinicalOptions, inside ...netip.Prefix) (packets []PacketDissector, streams []StreamDissector) {
	packets, streams = Discovery(inside...)
	return packets, append(streams, Clinical(o)...)
}

// Sensor is the collector that watches a network: an engine with all
// dissectors, the watch over addresses, and what both tell as events of the
// format "sensor". It listens and never sends.
type Sensor struct {
	cfg     SensorConfig
	cursors collect.Cursors
	now     func() time.Time
	log     *slog.Logger

	table atomic.Pointer[binding.Table] // to be used from now on; nil none new
	state atomic.Pointer[SensorState]
}

var _ collect.Collector = (*Sensor)(nil)

// SensorState is how a sensor is doing. Times are ms.
type SensorState struct {
	Name    string            `json:"name"`
	Started int64             `json:"started"`
	At      int64             `json:"at"`
	Stats   Stats             `json:"stats"`
	Away    map[string]string `json:"away,omitempty"` // interfaces that are gone, and why
	// Table is the mark of the bindings it works with.
	Table string `json:"table,omitempty"`
}

// NewSensor checks the configuration. What it learns about senders it keeps
// through cursors.
func NewSensor(cfg SensorConfig, cursors collect.Cursors, now func() time.Time, log *slog.Logger) (*Sensor, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Sensor{cfg: cfg, cursors: cursors, now: now, log: log}, nil
}

// Name is the sensor's.
func (s *Sensor) Name() string { return s.cfg.Name }

// Use takes bindings to judge by from now on.
func (s *Sensor) Use(t binding.Table) { s.table.Store(&t) }

// State is how it was doing a moment ago; nil before it runs.
func (s *Sensor) State() *SensorState { return s.state.Load() }

// Run listens until ctx ends, and hands on what is still in memory.
func (s *Sensor) Run(ctx context.Context, sink collect.Sink) error {
	live, err := OpenLive(LiveConfig{Interfaces: s.cfg.Interfaces, Promiscuous: s.cfg.Promiscuous})
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	defer live.Close()
	memory := NewClinicalMemory(s.cfg.Learn)
	if text, err := s.cursors.Load(ctx, s.cursor()); err == nil && text != "" {
		if err := memory.Restore([]byte(text)); err != nil {
			s.log.Warn("what the sensor had learnt is not readable; it learns anew", "sensor", s.cfg.Name, "error", err)
		}
	}
	c := newChannel(sink, s.cfg.Name, s.now, s.log)
	r := &running{Sensor: s, channel: c, memory: memory, started: s.now()}
	if r.engine, err = r.build(); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { c.run(ctx) })
	err = live.Run(ctx, r.engine, s.now, func() { r.each(live) })
	r.engine.Flush()
	r.watch.Tick(s.now().UnixNano(), r.alarm)
	c.close()
	wg.Wait()
	r.keep(context.WithoutCancel(ctx))
	return err
}

func (s *Sensor) cursor() string { return "capture:" + s.cfg.Name }

// running is one run of a sensor. But for the channel it belongs to the
// goroutine of the engine.
type running struct {
	*Sensor
	*channel
	engine  *Engine
	watch   *binding.Watch
	memory  *ClinicalMemory
	mark    string          // of the bindings in use
	bridged map[string]bool // interfaces that are ports of a bridge
	started time.Time
	looked  time.Time
	kept    time.Time
}

func (r *running) build() (*Engine, error) {
	name := r.cfg.Name
	r.watch = binding.NewWatch(binding.WatchConfig{Sensor: name, Learn: func(s binding.Summary) { r.tell(s.Event()) }}, binding.Table{})
	r.bridged = map[string]bool{}
	for _, i := range r.cfg.Interfaces {
		_, err := os.Stat("/sys/class/net/" + i + "/brport")
		r.bridged[i] = err == nil
	}
	inside, err := r.cfg.inside()
	if err != nil {
		return nil, err
	}
	packets, streams := Dissectors(ClinicalOptions{Sensor: name, Memory: r.memory}, inside...)
	return New(Config{
		Sensor: name, Packets: packets, Streams: streams, Out: r, Interval: r.cfg.Interval, Twice: r.cfg.Twice,
		Flow: func(c flow.Conversation) { r.tell(c.Event()) },
	})
}

// each is called between frames, at least every 50 ms.
func (r *running) each(live *Live) {
	now := r.now()
	if t := r.table.Swap(nil); t != nil {
		r.watch.Use(*t)
		r.mark = t.Mark
	}
	r.watch.Tick(now.UnixNano(), r.alarm)
	r.flush()
	if now.Sub(r.looked) >= time.Second {
		r.looked = now
		r.look(live, now)
	}
	if now.Sub(r.kept) >= 10*time.Minute {
		r.kept = now
		r.keep(context.Background())
	}
}

func (r *running) look(live *Live, now time.Time) {
	st := &SensorState{Name: r.cfg.Name, Started: r.started.UnixMilli(), At: now.UnixMilli(), Stats: r.engine.Stats(), Table: r.mark}
	for name, err := range live.Away() {
		if st.Away == nil {
			st.Away = map[string]string{}
		}
		st.Away[name] = err.Error()
	}
	r.state.Store(st)
}

// keep writes down what was learnt about senders.
func (r *running) keep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	text, err := r.memory.Snapshot()
	if err == nil {
		err = r.cursors.Save(ctx, r.cursor(), string(text))
	}
	if err != nil {
		r.log.Warn("what the sensor learnt is not saved, trying again", "sensor", r.cfg.Name, "error", err)
	}
}

// Seen, Claim, Alarm and Event implement Out.
func (r *running) Seen(o asset.Observation) { r.tell(o.Event()) }

// Claim has the watch judge it. The port of a bridge by which it came in is
// where its sender stands; a mirror port says nothing of that.
func (r *running) Claim(c binding.Claim) {
	if !r.bridged[r.engine.name] || r.engine.leaving {
		c.Port = ""
	}
	r.watch.Claim(c, r.alarm)
}

// Alarm hands an alarm on at once.
func (r *running) Alarm(a asset.Alarm) { r.alarm(a) }

// Event hands a statement on.
func (r *running) Event(e *ocsf.Event) { r.tell(e) }

func (r *running) alarm(a asset.Alarm) {
	r.tell(a.Event())
	r.flush() // those whose work it is should know now
}

// channel gathers events and delivers them in order, in a goroutine of its
// own. Where the sink is slow, the engine waits, and the kernel counts what it
// has to drop.
type channel struct {
	sink   collect.Sink
	source string
	clock  func() time.Time
	notes  *slog.Logger

	text  []byte // gathered, of the engine's goroutine
	batch chan []byte
}

// mostText is how much is gathered before it is handed on, in bytes.
const mostText = 512 << 10

func newChannel(sink collect.Sink, sensor string, now func() time.Time, log *slog.Logger) *channel {
	return &channel{sink: sink, source: SourceName(sensor), clock: now, notes: log, batch: make(chan []byte, 32)}
}

func (c *channel) tell(ev *ocsf.Event) {
	c.text = append(ev.AppendJSON(c.text), '\n')
	if len(c.text) >= mostText {
		c.flush()
	}
}

func (c *channel) flush() {
	if len(c.text) > 0 {
		c.batch <- c.text
		c.text = nil
	}
}

func (c *channel) close() {
	c.flush()
	close(c.batch)
}

// run delivers until the channel is closed. What is not taken is tried again
// every second, so that nothing is lost while the sink rests; once ctx has
// ended, a minute for all of it.
func (c *channel) run(ctx context.Context) {
	left := 60 // tries after the end
	for text := range c.batch {
		it := collect.Item{Format: "sensor", Source: c.source, Received: c.clock(), Data: text}
		for told := false; ; told = true {
			_, err := c.sink.Deliver(context.WithoutCancel(ctx), it)
			if err == nil {
				break
			}
			if !told {
				c.notes.Error("what the sensor saw is not stored, trying again", "source", c.source, "error", err)
			}
			if ctx.Err() != nil {
				left--
			}
			if left <= 0 {
				c.notes.Error("what the sensor saw is lost", "source", c.source, "bytes", len(text), "error", err)
				break
			}
			time.Sleep(time.Second)
		}
	}
}

// SourceName is how a sensor is called on the Sources page.
func SourceName(sensor string) string { return "sensor:" + sensor }
