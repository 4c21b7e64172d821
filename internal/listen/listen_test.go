package listen

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// moody fails a number of times before each connection.
type moody struct {
	net.Listener
	mu   sync.Mutex
	errs []error
}

func (m *moody) Accept() (net.Conn, error) {
	m.mu.Lock()
	if len(m.errs) > 0 {
		err := m.errs[0]
		m.errs = m.errs[1:]
		m.mu.Unlock()
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
	}
	m.mu.Unlock()
	return m.Listener.Accept()
}

func local(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func dial(t *testing.T, ln net.Listener) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// answers says whether an echo comes back.
func answers(conn net.Conn) bool {
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	b := []byte("x")
	if _, err := conn.Write(b); err != nil {
		return false
	}
	_, err := io.ReadFull(conn, b)
	return err == nil
}

func serveEcho(t *testing.T, ln net.Listener, most int) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, ln, most, func(_ context.Context, c net.Conn) { _, _ = io.Copy(c, c) })
	}()
	return sync.OnceValue(func() error { cancel(); return <-done })
}

// TestServeGoesOn: a process without free files, and peers that have gone,
// are no reason to stop.
func TestServeGoesOn(t *testing.T) {
	ln := local(t)
	stop := serveEcho(t, &moody{Listener: ln, errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}}, 4)
	if !answers(dial(t, ln)) {
		t.Error("no answer after errors that pass")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	stop = serveEcho(t, &moody{Listener: local(t), errs: []error{broken}}, 4)
	time.Sleep(20 * time.Millisecond)
	if err := stop(); !errors.Is(err, broken) {
		t.Errorf("a listener that is broken: %v", err)
	}
}

// TestShare: one address does not get all connections, and gets a place again
// when it hangs up.
func TestShare(t *testing.T) {
	ln := local(t)
	stop := serveEcho(t, ln, 40)
	var held []net.Conn
	for i := range 10 {
		conn := dial(t, ln)
		if !answers(conn) {
			t.Fatalf("connection %d: no answer", i)
		}
		held = append(held, conn)
	}
	if answers(dial(t, ln)) {
		t.Error("an eleventh of 40 for one address")
	}
	_ = held[0].Close()
	again := false
	for range 100 {
		if again = answers(dial(t, ln)); again {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !again {
		t.Error("no place after another hung up")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestStopWhenFull(t *testing.T) {
	ln := local(t)
	stop := serveEcho(t, ln, 1)
	if !answers(dial(t, ln)) {
		t.Fatal("no answer")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestSilent: who says nothing is closed, who has spoken may pause.
func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conn := newSilent(near, firstByte)
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a silent connection stayed")
		}
		_ = far.Close()
		near, far = net.Pipe()
		conn = newSilent(near, firstByte)
		go func() { _, _ = far.Write([]byte("a")); time.Sleep(time.Hour); _, _ = far.Write([]byte("b")) }()
		for range 2 {
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}
		_ = conn.Close()
	})
}

// TestPunctual: a body that does not come ends; one that came in time leaves
// the handler all the time it needs.
func TestPunctual(t *testing.T) {
	var failed error
	h := punctual(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, failed = io.Copy(io.Discard, r.Body); failed != nil {
			return
		}
		select {
		case <-r.Context().Done():
			failed = r.Context().Err()
		case <-time.After(400 * time.Millisecond):
		}
	}), time.Now, 200*time.Millisecond)
	server := httptest.NewServer(h)
	defer server.Close()
	res, err := http.Post(server.URL, "text/plain", strings.NewReader("whole"))
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	_ = res.Body.Close()
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write([]byte("half")) }()
	if res, err = http.Post(server.URL, "text/plain", r); err == nil {
		_ = res.Body.Close()
	}
	server.Close()
	if failed == nil {
		t.Error("a body that stopped was waited for")
	}
}
