package listen

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Limit bounds the connections of a listener: most at once, each of one
// address. Above most, others wait in the kernel; above each, further ones of
// that address are closed at once. Accept goes on after errors that pass: it
// pauses when the process has no free file, or a peer has gone already.
func Limit(ln net.Listener, most, each int) net.Listener {
	return &limited{Listener: ln, slots: make(chan struct{}, max(most, 1)), each: max(each, 1),
		done: make(chan struct{}), count: map[netip.Addr]int{}}
}

type limited struct {
	net.Listener
	slots chan struct{}
	each  int
	end   sync.Once
	done  chan struct{}

	mu    sync.Mutex
	count map[netip.Addr]int
}

// Close implements net.Listener.
func (l *limited) Close() error {
	l.end.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.done:
			return nil, net.ErrClosed
		}
		conn, err := l.patient()
		if err != nil {
			<-l.slots
			return nil, err
		}
		address := addressOf(conn)
		if l.enter(address) {
			return &counted{Conn: conn, leave: func() { l.leave(address); <-l.slots }}, nil
		}
		_ = conn.Close()
		<-l.slots
	}
}

// patient accepts, with growing pauses while it cannot for a passing reason.
func (l *limited) patient() (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		conn, err := l.Listener.Accept()
		if err == nil || !passing(err) {
			return conn, err
		}
		select {
		case <-time.After(pause):
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
}

func passing(err error) bool {
	for _, known := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, known) {
			return true
		}
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// addressOf is the peer; what has no IP address counts as one peer. Peers with
// IPv6 have a whole network of addresses, which counts as one.
func addressOf(conn net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	address := a.Addr().Unmap().WithZone("")
	if network, err := address.Prefix(64); err == nil && address.Is6() {
		return network.Addr()
	}
	return address
}

func (l *limited) enter(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[a] >= l.each {
		return false
	}
	l.count[a]++
	return true
}

func (l *limited) leave(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[a]--; l.count[a] == 0 {
		delete(l.count, a)
	}
}

// counted leaves its place when it is closed.
type counted struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.leave)
	return err
}

// silent closes a connection that says nothing for a time after it began.
type silent struct {
	net.Conn
	timer *time.Timer
	once  sync.Once
}

func newSilent(conn net.Conn, wait time.Duration) *silent {
	return &silent{Conn: conn, timer: time.AfterFunc(wait, func() { _ = conn.Close() })}
}

// Read implements net.Conn.
func (s *silent) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.once.Do(func() { s.timer.Stop() })
	}
	return n, err
}

// Close implements net.Conn.
func (s *silent) Close() error {
	s.timer.Stop()
	return s.Conn.Close()
}
