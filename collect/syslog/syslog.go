// Package syslog receives syslog over UDP (RFC 5426), TCP with either framing
// of RFC 6587, and TLS with optional client certificates (RFC 5425): device
// logs, CEF and LEEF, and the audit messages of IHE ATNA.
//
// Syslog has no acknowledgement, so what it can promise depends on the
// transport. On TCP and TLS it stops reading while the last messages are
// being written, which holds the sender back instead of losing anything. On
// UDP messages wait in a bounded queue (16384, or 64 MiB); those that find it full are counted
// in [Collector.Dropped] and reported once a minute.
//
// It cuts a stream into messages; reading them is normalize's work.
package syslog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/internal/listen"
)

const (
	queued      = 16384    // UDP messages that may wait, a burst of about a second
	queuedBytes = 64 << 20 // and their size together
	batchBytes  = 4 << 20  // size of the messages gathered into one disk write
)

// Collector is one set of listeners that share a source name.
type Collector struct {
	cfg     Config
	now     func() time.Time
	log     *slog.Logger
	dropped atomic.Uint64
	waiting atomic.Int64 // bytes in the UDP queue
}

var _ collect.Collector = (*Collector)(nil)

// New checks the configuration; nothing listens before Run.
func New(cfg Config, now func() time.Time, log *slog.Logger) (*Collector, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Collector{cfg: cfg, now: now, log: log}, nil
}

// Dropped counts UDP messages lost because the queue was full.
func (c *Collector) Dropped() uint64 { return c.dropped.Load() }

// Run listens on all addresses until ctx ends.
func (c *Collector) Run(ctx context.Context, sink collect.Sink) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := func(address string, serve func() error) {
		if address == "" {
			return
		}
		wg.Go(func() {
			if err := serve(); err != nil {
				cancel(fmt.Errorf("syslog: %w", err))
			}
		})
	}
	start(c.cfg.UDP, func() error { return c.serveUDP(ctx, sink) })
	start(c.cfg.TCP, func() error { return c.serveTCP(ctx, c.cfg.TCP, listen.TLS{}, sink) })
	start(c.cfg.TLS, func() error {
		t := listen.TLS{Cert: c.cfg.Cert, Key: c.cfg.Key, ClientCA: c.cfg.ClientCA}
		return c.serveTCP(ctx, c.cfg.TLS, t, sink)
	})
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (c *Collector) serveTCP(ctx context.Context, address string, t listen.TLS, sink collect.Sink) error {
	ln, err := listen.TCP(ctx, address, t)
	if err != nil {
		return err
	}
	return listen.Serve(ctx, ln, c.cfg.MaxConnections, func(ctx context.Context, conn net.Conn) {
		if err := c.stream(ctx, conn, sink); err != nil && ctx.Err() == nil {
			c.log.Warn("syslog connection ended", "source", c.cfg.Source, "remote", conn.RemoteAddr().String(), "error", err)
		}
	})
}

// stream reads one connection: it gathers what is there, delivers, reads on.
func (c *Collector) stream(ctx context.Context, conn net.Conn, sink collect.Sink) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	var batch []collect.Item
	size := 0
	for {
		wait := c.cfg.Idle
		if len(batch) > 0 {
			wait = c.cfg.Wait
		}
		if len(batch) == 0 || r.Buffered() == 0 {
			if err := c.await(conn, r, wait); err != nil {
				if len(batch) > 0 && isTimeout(err) {
					batch, size = c.deliver(ctx, batch, sink), 0
					continue
				}
				c.deliver(ctx, batch, sink)
				return quiet(err)
			}
		}
		_ = conn.SetReadDeadline(c.now().Add(c.cfg.Idle))
		msg, err := readFrame(r, c.cfg.MaxMessage)
		if err != nil {
			c.deliver(ctx, batch, sink)
			return quiet(err)
		}
		batch, size = append(batch, c.item(msg)), size+len(msg)
		if c.full(batch, size) {
			batch, size = c.deliver(ctx, batch, sink), 0
		}
	}
}

// full says that a batch of size bytes is to be delivered.
func (c *Collector) full(batch []collect.Item, size int) bool {
	return len(batch) >= c.cfg.Batch || size >= batchBytes
}

// await returns when a byte can be read, without consuming it.
func (c *Collector) await(conn net.Conn, r *bufio.Reader, wait time.Duration) error {
	if err := conn.SetReadDeadline(c.now().Add(wait)); err != nil {
		return err
	}
	_, err := r.Peek(1)
	return err
}

func (c *Collector) item(msg []byte) collect.Item {
	return collect.Item{Format: "syslog", Source: c.cfg.Source, Received: c.now(), Data: msg}
}

// deliver hands over the batch, trying again until it is durable or ctx ends:
// there is nobody to send it again.
func (c *Collector) deliver(ctx context.Context, batch []collect.Item, sink collect.Sink) []collect.Item {
	for pause := 100 * time.Millisecond; len(batch) > 0; pause = min(2*pause, 10*time.Second) {
		_, err := sink.Deliver(ctx, batch...)
		if err == nil {
			break
		}
		c.log.Error("syslog messages wait to be stored", "source", c.cfg.Source, "messages", len(batch), "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
	return nil // items keep their data; the slice is not reused by the sink
}

func (c *Collector) serveUDP(ctx context.Context, sink collect.Sink) error {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", c.cfg.UDP)
	if err != nil {
		return fmt.Errorf("listen on udp %s: %w; choose a free port, or stop what uses it", c.cfg.UDP, err)
	}
	if u, ok := conn.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(8 << 20) // best effort: the kernel may allow less
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	queue := make(chan collect.Item, queued)
	var wg sync.WaitGroup
	wg.Go(func() { c.drain(ctx, queue, sink) })
	defer wg.Wait()
	defer close(queue)
	buf := make([]byte, 64<<10)
	for {
		n, _, err := conn.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read udp: %w", err)
		}
		c.enqueue(queue, buf[:n])
	}
}

// enqueue takes a copy of msg when there is room.
func (c *Collector) enqueue(queue chan<- collect.Item, msg []byte) {
	size := int64(len(msg))
	if c.waiting.Add(size) <= queuedBytes {
		select {
		case queue <- c.item(append([]byte(nil), msg...)):
			return
		default:
		}
	}
	c.waiting.Add(-size)
	c.dropped.Add(1)
}

// drain gathers queued messages into batches until the queue is closed.
func (c *Collector) drain(ctx context.Context, queue <-chan collect.Item, sink collect.Sink) {
	var batch []collect.Item
	size := 0
	var reported uint64
	flush := time.NewTicker(c.cfg.Wait)
	defer flush.Stop()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case it, ok := <-queue:
			if !ok {
				c.deliver(ctx, batch, sink)
				return
			}
			c.waiting.Add(-int64(len(it.Data)))
			batch, size = append(batch, it), size+len(it.Data)
			if c.full(batch, size) {
				batch, size = c.deliver(ctx, batch, sink), 0
			}
		case <-flush.C:
			batch, size = c.deliver(ctx, batch, sink), 0
		case <-minute.C:
			if n := c.dropped.Load(); n != reported {
				c.log.Error("udp syslog messages lost, the queue was full", "source", c.cfg.Source, "lost", n-reported)
				reported = n
			}
		}
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// quiet turns the ordinary ends of a connection into none.
func quiet(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || isTimeout(err) {
		return nil
	}
	return err
}
