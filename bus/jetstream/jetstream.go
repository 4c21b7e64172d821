// Package jetstream is the bus on NATS JetStream: a server inside the
// process, or an existing cluster with three copies. Both are spoken to by
// the same client, so they mean the same.
//
// A topic is the stream "<prefix>-<topic>" with the subject "<prefix>.<topic>",
// stored in files, never discarding: when a limit is reached it refuses.
//
// Inside the process. The server listens on no port; its files live in
// Config.Dir and belong to one process at a time. It syncs every message
// before it acknowledges it ("sync always"), so an acknowledged message
// survives a power cut. Each message costs a flush of the disk, however many
// publish at once: put 100 to 1000 events in one (bus.EncodeBatch). That the
// name of a new file in the folder survives as well is left to the file
// system's journal; those of Linux, macOS and Windows do it.
//
// JetStream stops writing for good after the first failed write. So a message
// is refused with bus.ErrFull as long as the disk has less than
// Config.Reserve left, which keeps that from happening; should the disk fill
// up all the same, the message that met it is not acknowledged, and the
// server is started again as soon as there is space. Readers notice a pause.
//
// On a cluster. Config.URL names its nodes; streams have Config.Replicas
// copies, and a message is acknowledged when a majority has it. Whether a
// majority has it in memory or on disk is the cluster's own setting: set
// "sync_interval: always" in its jetstream section, and "max_payload: 8MB".
// While a new leader is elected (4 to 10 seconds) Publish and Read wait. Set
// Config.MaxBytes below what a node can store: then a full bus refuses and
// can be trimmed, whereas nodes at their own limit give up leading, and the
// cluster needs its operator.
//
// What is not done: no consumers are kept on the server beyond a lost
// connection's minute, and nothing but streams with the prefix is touched.
package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"github.com/cordon-health/cordon/bus"
)

// Config says where the bus lives. The zero value of every field but Dir
// works.
type Config struct {
	// Dir is the folder of the embedded server. Required when URL is empty.
	Dir string `yaml:"dir"`
	// URL is the address of an existing NATS cluster with JetStream, as
	// nats://host:port, several separated by commas. Empty means embedded.
	URL string `yaml:"url"`
	// Credentials is a NATS .creds file for the cluster.
	Credentials string `yaml:"credentials"`
	// CA is a PEM file with the authority that signed the cluster's
	// certificates. Empty means the system's.
	CA string `yaml:"ca"`
	// Certificate and Key are PEM files of a client certificate.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// Prefix begins the names of the streams, so that several sites can
	// share a cluster. Default "cordon".
	Prefix string `yaml:"prefix"`
	// Replicas is the number of copies on a cluster: 1, 3 or 5. Default 3.
	Replicas int `yaml:"replicas"`
	// MaxBytes limits each topic, in bytes. When it is reached, Publish
	// refuses; nothing is dropped. 0 means no limit but the disk.
	MaxBytes int64 `yaml:"max_bytes"`
	// Reserve is how many bytes of the embedded server's disk stay free:
	// below it Publish refuses. Default 256 MiB.
	Reserve int64 `yaml:"reserve"`
}

func (c Config) withDefaults() Config {
	c.Prefix = cmp.Or(c.Prefix, "cordon")
	c.Replicas = cmp.Or(c.Replicas, 3)
	c.Reserve = cmp.Or(c.Reserve, 256<<20)
	if c.URL == "" {
		c.Replicas = 1
	}
	return c
}

func (c Config) validate() error {
	if c.URL == "" && c.Dir == "" {
		return errors.New("bus: set dir for the embedded bus, or url for a cluster")
	}
	if err := bus.CheckTopic(c.Prefix); err != nil {
		return fmt.Errorf("bus: prefix: %w", err)
	}
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		return fmt.Errorf("bus: replicas is %d: set 1, 3 or 5", c.Replicas)
	}
	if c.MaxBytes < 0 || c.Reserve < 0 {
		return errors.New("bus: max_bytes and reserve cannot be negative")
	}
	return nil
}

// How long things may take before they are tried again or given up.
const (
	ackWait   = 1500 * time.Millisecond // for one acknowledgement of a short message
	askWait   = 3 * time.Second         // for one other answer
	patience  = 30 * time.Second        // for one Publish, Span or Trim in all
	firstWait = 20 * time.Millisecond
	maxWait   = time.Second
)

// maxPayload is what the server must take in one piece: the longest message
// and its headers. It is "8MB" in a server's configuration.
const maxPayload = 8 << 20

// Bus is a bus.Bus on JetStream.
type Bus struct {
	cfg    Config
	log    *slog.Logger
	engine *engine // nil on a cluster
	nc     *nats.Conn
	js     js.JetStream

	done    chan struct{} // closed by Close
	closing sync.Once
	reads   sync.WaitGroup // running Reads
	making  chan struct{}  // holds one while a stream is being created

	mu     sync.Mutex
	topics map[string]bool // those whose stream is known to exist
}

var _ bus.Bus = (*Bus)(nil)

// Open starts the embedded server, or connects to the cluster. It fails when
// the folder is in use or damaged, or no node of the cluster answers.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Bus, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	b := &Bus{
		cfg: cfg, log: log,
		done:   make(chan struct{}),
		making: make(chan struct{}, 1),
		topics: map[string]bool{},
	}
	if err := b.connect(ctx); err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

func (b *Bus) connect(ctx context.Context) error {
	var err error
	if b.cfg.URL == "" {
		if b.engine, err = startEngine(ctx, b.cfg, b.log); err != nil {
			return err
		}
	}
	if b.nc, err = dial(b.cfg, b.engine, b.log); err != nil {
		return err
	}
	if max := b.nc.MaxPayload(); max < maxPayload {
		return fmt.Errorf("bus: the cluster accepts messages of %d bytes only: set max_payload: 8MB on every node", max)
	}
	b.js, err = js.New(b.nc, js.WithDefaultTimeout(askWait))
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	if _, err := b.js.AccountInfo(ctx); err != nil && b.engine == nil {
		return fmt.Errorf("bus: the cluster at %s has no JetStream for this account; enable it: %w", b.nc.ConnectedUrlRedacted(), err)
	}
	return nil
}

// dial connects to the engine, or to the cluster. The connection reconnects
// by itself for as long as the bus is open.
func dial(cfg Config, e *engine, log *slog.Logger) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("cordon"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.ReconnectBufSize(-1), // a message is sent now or reported as not sent
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("bus connection lost, reconnecting", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("bus connection", "error", err)
		}),
	}
	if e != nil {
		options = append(options, nats.InProcessServer(e))
	}
	if cfg.Credentials != "" {
		options = append(options, nats.UserCredentials(cfg.Credentials))
	}
	if cfg.CA != "" {
		options = append(options, nats.RootCAs(cfg.CA))
	}
	if cfg.Certificate != "" {
		options = append(options, nats.ClientCert(cfg.Certificate, cfg.Key))
	}
	nc, err := nats.Connect(cfg.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("bus: connect; check the address and that a node is running: %w", err)
	}
	return nc, nil
}

// Close implements bus.Bus.
func (b *Bus) Close() error {
	b.closing.Do(func() {
		b.mu.Lock()
		close(b.done)
		b.mu.Unlock()
		b.reads.Wait()
		b.release()
	})
	return nil
}

func (b *Bus) release() {
	if b.nc != nil {
		b.nc.Close()
	}
	if b.engine != nil {
		b.engine.stop()
	}
}

// closed reports whether Close was called.
func (b *Bus) closed() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// ensure creates the stream of a topic at its first use, or brings an
// existing one to the settings.
func (b *Bus) ensure(ctx context.Context, topic string) error {
	if b.known(topic) {
		return nil
	}
	select {
	case b.making <- struct{}{}: // a cluster answers only one of two who ask at once
		defer func() { <-b.making }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if b.known(topic) {
		return nil
	}
	_, err := b.js.CreateOrUpdateStream(ctx, js.StreamConfig{
		Name:        b.streamName(topic),
		Subjects:    []string{b.subject(topic)},
		Description: "Cordon: durable delivery of " + topic,
		Retention:   js.LimitsPolicy,
		Discard:     js.DiscardNew,
		Storage:     js.FileStorage,
		Replicas:    b.cfg.Replicas,
		MaxBytes:    cmp.Or(b.cfg.MaxBytes, -1),
		Duplicates:  bus.Window,
		DenyDelete:  true,
	})
	if err == nil {
		b.remember(topic, true)
	}
	return err
}

func (b *Bus) known(topic string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topics[topic]
}

// remember notes whether the stream of a topic is known to exist.
func (b *Bus) remember(topic string, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[topic] = known
}

func (b *Bus) streamName(topic string) string { return b.cfg.Prefix + "-" + topic }

func (b *Bus) subject(topic string) string { return b.cfg.Prefix + "." + topic }

// Span implements bus.Bus.
func (b *Bus) Span(ctx context.Context, topic string) (first, last uint64, err error) {
	err = b.persist(ctx, "span", topic, askWait, func(ctx context.Context) error {
		first, last, err = b.span(ctx, topic)
		return err
	})
	return first, last, err
}

func (b *Bus) span(ctx context.Context, topic string) (first, last uint64, err error) {
	if err := b.ensure(ctx, topic); err != nil {
		return 0, 0, err
	}
	s, err := b.js.Stream(ctx, b.streamName(topic))
	if err != nil {
		return 0, 0, err
	}
	state := s.CachedInfo().State
	if state.Msgs == 0 {
		return state.LastSeq + 1, state.LastSeq, nil
	}
	return state.FirstSeq, state.LastSeq, nil
}

// Trim implements bus.Bus.
func (b *Bus) Trim(ctx context.Context, topic string, before uint64) error {
	return b.persist(ctx, "trim", topic, askWait, func(ctx context.Context) error {
		first, last, err := b.span(ctx, topic)
		if err != nil {
			return err
		}
		before := min(before, last+1)
		if before <= first {
			return nil
		}
		s, err := b.js.Stream(ctx, b.streamName(topic))
		if err != nil {
			return err
		}
		return s.Purge(ctx, js.WithPurgeSequence(before))
	})
}
