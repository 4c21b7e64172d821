// Package mllp receives HL7 v2 messages over the Minimal Lower Layer Protocol
// (HL7 v2 Transport, Release 1): 0x0B, message, 0x1C 0x0D, one answer each.
//
// The answer is sent after the message is durable: AA when it became events,
// AE when its content could not be used (it is kept in quarantine, and
// sending it again unchanged would not help), AR when Cordon could not keep
// it at all (disk full, engine down) and the sender should try again later.
// These are the meanings of HL7 v2 section 2.9.2.2 and table 0008; a sender in
// enhanced mode (MSH-15, MSH-16) gets CA, CE or CR as it asks.
//
// It does not look inside a message and does not keep connections alive; one
// slow sender holds up only itself.
package mllp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/internal/listen"
)

const (
	startBlock = 0x0B
	endBlock   = 0x1C
	carriage   = 0x0D
)

// Collector is one listener.
type Collector struct {
	cfg Config
	now func() time.Time
	log *slog.Logger
}

var _ collect.Collector = (*Collector)(nil)

// New checks the configuration; nothing listens before Run.
func New(cfg Config, now func() time.Time, log *slog.Logger) (*Collector, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Collector{cfg: cfg, now: now, log: log}, nil
}

// Run listens until ctx ends, then closes all connections.
func (c *Collector) Run(ctx context.Context, sink collect.Sink) error {
	ln, err := listen.TCP(ctx, c.cfg.Address, listen.TLS{Cert: c.cfg.Cert, Key: c.cfg.Key, ClientCA: c.cfg.ClientCA})
	if err != nil {
		return fmt.Errorf("mllp: %w", err)
	}
	return c.Serve(ctx, ln, sink)
}

// Serve accepts from ln until ctx ends.
func (c *Collector) Serve(ctx context.Context, ln net.Listener, sink collect.Sink) error {
	return listen.Serve(ctx, ln, c.cfg.MaxConnections, func(ctx context.Context, conn net.Conn) {
		if err := c.conversation(ctx, conn, sink); err != nil && ctx.Err() == nil {
			c.log.Warn("mllp connection ended", "source", c.cfg.Source, "remote", conn.RemoteAddr().String(), "error", err)
		}
	})
}

// conversation reads messages and answers each until the peer hangs up.
func (c *Collector) conversation(ctx context.Context, conn net.Conn, sink collect.Sink) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	var buf []byte
	for {
		if err := conn.SetReadDeadline(c.now().Add(c.cfg.Idle)); err != nil {
			return err
		}
		msg, err := ReadFrame(r, buf[:0], c.cfg.MaxMessage)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		buf = msg
		if err := c.answer(ctx, conn, msg, sink); err != nil {
			return err
		}
	}
}

func (c *Collector) answer(ctx context.Context, w io.Writer, msg []byte, sink collect.Sink) error {
	now := c.now()
	item := collect.Item{Format: "hl7v2", Source: c.cfg.Source, Received: now, Data: bytes.Clone(msg)}
	receipts, err := sink.Deliver(ctx, item)
	code, text := "AA", ""
	switch {
	case err != nil:
		code, text = "AR", "not stored, send again later"
		c.log.Error("hl7 message not stored", "source", c.cfg.Source, "error", err)
	case len(receipts) == 1 && receipts[0].Accepted == 0 && len(receipts[0].Rejects) > 0:
		code, text = "AE", "kept in quarantine: "+collect.ClipReason(receipts[0].Rejects, 60)
	}
	for _, ack := range hl7.Acks(msg, code, text, now) {
		if _, err := w.Write(Frame(ack)); err != nil {
			return err
		}
	}
	return nil
}

// ReadFrame appends the next message of r to dst, without its framing bytes.
// Bytes before the start block are skipped: some senders put line ends there.
func ReadFrame(r *bufio.Reader, dst []byte, most int) ([]byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return dst, err
		}
		if b == startBlock {
			break
		}
	}
	for {
		part, err := r.ReadSlice(endBlock)
		dst = append(dst, part...)
		switch {
		case len(dst) > most+1:
			return dst, fmt.Errorf("message is larger than %d bytes; raise max_message if it is legitimate", most)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return dst, io.ErrUnexpectedEOF
		case err != nil:
			return dst, err
		}
		if next, err := r.Peek(1); err != nil || next[0] == carriage {
			_, _ = r.Discard(len(next))
			return dst[:len(dst)-1], nil
		}
	}
}

// Frame puts a message between MLLP's framing bytes.
func Frame(msg []byte) []byte {
	out := make([]byte, 0, len(msg)+3)
	out = append(out, startBlock)
	out = append(out, msg...)
	return append(out, endBlock, carriage)
}

// Client sends messages over one connection, for imports from another system,
// the demo and tests. It is safe for concurrent use.
type Client struct {
	mu   sync.Mutex
	conn net.Conn
	r    *bufio.Reader
}

// Dial connects to an MLLP listener.
func Dial(ctx context.Context, address string) (*Client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("mllp: %w", err)
	}
	return &Client{conn: conn, r: bufio.NewReader(conn)}, nil
}

// Send sends one message and returns the acknowledgement.
func (c *Client) Send(msg []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.conn.Write(Frame(msg)); err != nil {
		return nil, fmt.Errorf("send hl7 message: %w", err)
	}
	return ReadFrame(c.r, nil, 1<<20)
}

// Close hangs up.
func (c *Client) Close() error { return c.conn.Close() }
