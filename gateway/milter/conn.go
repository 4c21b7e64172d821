package milter

import (
	"bufio"
	"bytes"
	"net"
	"sync"
)

func newReader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }

// oneConn is a listener for a connection that was accepted already: the
// library serves listeners, and ours has bounds it does not know.
type oneConn struct {
	conn   net.Conn
	given  sync.Once
	once   sync.Once
	closed chan struct{} // closed with the connection
}

func newOneConn(conn net.Conn) *oneConn {
	l := &oneConn{closed: make(chan struct{})}
	l.conn = watched{conn, l}
	return l
}

// Accept gives the connection once, and then waits for its end.
func (l *oneConn) Accept() (net.Conn, error) {
	var first net.Conn
	l.given.Do(func() { first = l.conn })
	if first != nil {
		return first, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

// Close implements net.Listener; the connection has its own end.
func (l *oneConn) Close() error { return nil }

// Addr implements net.Listener.
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// watched tells when the library has closed the connection.
type watched struct {
	net.Conn
	of *oneConn
}

// Close implements net.Conn.
func (w watched) Close() error {
	w.of.once.Do(func() { close(w.of.closed) })
	return w.Conn.Close()
}

// timed gives every read and write the door's patience.
type timed struct {
	net.Conn
	door *Door
}

// Read implements net.Conn.
func (t timed) Read(p []byte) (int, error) {
	if err := t.SetReadDeadline(t.door.now().Add(t.door.cfg.Idle)); err != nil {
		return 0, err
	}
	return t.Conn.Read(p)
}

// Write implements net.Conn.
func (t timed) Write(p []byte) (int, error) {
	if err := t.SetWriteDeadline(t.door.now().Add(t.door.cfg.Idle)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}
