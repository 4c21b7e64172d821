package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/internal/durable"
)

// engine is the server inside the process. It can be stopped and started
// again below a living connection.
type engine struct {
	dir     string
	reserve uint64
	log     *slog.Logger
	lock    io.Closer                    // of dir, held until stop
	free    func(string) (uint64, error) // durable.Free

	underway atomic.Int64 // bytes of messages that found room and are not stored yet

	mu      sync.Mutex
	server  *server.Server // nil while it could not be started again
	stopped bool
}

var _ nats.InProcessConnProvider = (*engine)(nil)

// starting is how long the server may take to read its folder again.
const starting = 5 * time.Minute

func startEngine(ctx context.Context, cfg Config, log *slog.Logger) (*engine, error) {
	if err := durable.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	lock, err := durable.Lock(filepath.Join(cfg.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("bus: folder %s: %w", cfg.Dir, err)
	}
	e := &engine{dir: cfg.Dir, reserve: uint64(cfg.Reserve), log: log, lock: lock, free: durable.Free}
	if err := e.start(ctx); err != nil {
		lock.Close()
		return nil, err
	}
	return e, nil
}

// start needs mu, or to be alone.
func (e *engine) start(ctx context.Context) error {
	s, err := server.NewServer(&server.Options{
		ServerName:         "cordon",
		DontListen:         true,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           e.dir,
		SyncAlways:         true,
		JetStreamMaxStore:  1 << 50, // roomFor watches the real disk
		JetStreamMaxMemory: 64 << 20,
		MaxPayload:         maxPayload,
		MaxPending:         64 << 20,
	})
	if err != nil {
		return fmt.Errorf("bus: embedded server: %w", err)
	}
	s.SetLoggerV2(&serverLog{log: e.log}, false, false, false)
	go s.Start()
	for limit := time.After(starting); !s.ReadyForConnections(100 * time.Millisecond); {
		select {
		case <-ctx.Done():
			s.Shutdown()
			return ctx.Err()
		case <-limit:
			s.Shutdown()
			return fmt.Errorf("bus: the embedded server did not start on %s; look at its messages in the log", e.dir)
		default:
		}
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		return fmt.Errorf("bus: the embedded server cannot use %s; check that it is writable and not used by another process", e.dir)
	}
	e.server = s
	return nil
}

// InProcessConn gives the client a connection to whichever server runs now.
func (e *engine) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return nil, errors.New("the embedded server is stopped")
	}
	return e.server.InProcessConn()
}

// enter refuses a message that, with all those on their way, would leave less
// than the reserve. Call leave with the same size afterwards.
func (e *engine) enter(size int) error {
	if err := e.roomFor(e.underway.Add(int64(size))); err != nil {
		e.leave(size)
		return err
	}
	return nil
}

func (e *engine) leave(size int) { e.underway.Add(-int64(size)) }

func (e *engine) roomFor(size int64) error {
	free, err := e.free(e.dir)
	if err != nil {
		return err
	}
	if free < e.reserve+uint64(size) {
		return fmt.Errorf("%w (%d MiB are free, %d MiB are kept in reserve)", bus.ErrFull, free>>20, e.reserve>>20)
	}
	return nil
}

// heal starts the server again when it has stopped writing. It returns an
// error when that is not possible now.
func (e *engine) heal() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return bus.ErrClosed
	}
	if e.server != nil && e.server.JetStreamEnabled() && e.server.Healthz(&server.HealthzOptions{}).Error == "" {
		return nil
	}
	if err := e.roomFor(0); err != nil {
		return err
	}
	if e.server != nil {
		e.log.Warn("bus stopped writing, starting it again")
		e.server.Shutdown()
		e.server.WaitForShutdown()
		e.server = nil
	}
	return e.start(context.Background())
}

func (e *engine) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	e.stopped = true
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
		e.server = nil
	}
	e.lock.Close()
}

// serverLog hands the server's messages to the log. They name streams and
// files, never the content of messages.
type serverLog struct{ log *slog.Logger }

var _ server.Logger = (*serverLog)(nil)

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

func (l *serverLog) Warnf(format string, v ...any) {
	l.log.Warn("bus server", "text", fmt.Sprintf(format, v...))
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.log.Error("bus server", "text", fmt.Sprintf(format, v...))
}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.log.Error("bus server cannot go on", "text", fmt.Sprintf(format, v...))
}
