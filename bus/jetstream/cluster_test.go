package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/bus/bustest"
)

// nodeEnv describes the node that a process started by the tests is.
const nodeEnv = "CORDON_NATS_NODE"

// node is one NATS server of a test's cluster, in a process of its own so
// that it can be killed.
type node struct {
	Name        string
	Dir         string
	Port        int
	ClusterPort int
	Routes      []string

	cmd   *exec.Cmd
	stdin io.Closer
}

// TestNode is not a test: it is the process of a node, see nodeEnv. It ends
// when the test that started it does, because its standard input closes.
func TestNode(t *testing.T) {
	text := os.Getenv(nodeEnv)
	if text == "" {
		return // the tests below start it with the variable set
	}
	var n node
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	opts := &server.Options{
		ServerName: n.Name, Host: "127.0.0.1", Port: n.Port, NoSigs: true,
		JetStream: true, StoreDir: n.Dir, SyncAlways: true, MaxPayload: maxPayload,
		JetStreamMaxStore: 1 << 40, JetStreamMaxMemory: 64 << 20,
		Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: n.ClusterPort, PoolSize: -1},
		Routes:  server.RoutesFromStr(strings.Join(n.Routes, ",")),
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.SetLoggerV2(&serverLog{quiet()}, false, false, false)
	s.Start()
	io.Copy(io.Discard, os.Stdin)
	s.Shutdown()
}

func (n *node) start(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	n.cmd = exec.Command(os.Args[0], "-test.run=^TestNode$")
	n.cmd.Env = append(os.Environ(), nodeEnv+"="+string(text))
	n.cmd.Stderr = os.Stderr
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the node as a power cut would.
func (n *node) kill() {
	n.cmd.Process.Kill()
	n.cmd.Wait()
}

type cluster struct{ nodes []*node }

// startCluster starts three nodes that replicate to each other.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	ports := freePorts(t, 6)
	var routes []string
	for _, p := range ports[3:] {
		routes = append(routes, (&url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", p)}).String())
	}
	for i := range 3 {
		c.nodes = append(c.nodes, &node{
			Name: fmt.Sprintf("node-%d", i), Dir: t.TempDir(), Port: ports[i], ClusterPort: ports[3+i],
			Routes: routes,
		})
	}
	for _, n := range c.nodes {
		n.start(t)
		t.Cleanup(n.kill)
	}
	c.waitReady(t)
	return c
}

func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (c *cluster) url() string {
	var urls []string
	for _, n := range c.nodes {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", n.Port))
	}
	return strings.Join(urls, ",")
}

// waitReady waits until a stream with three copies can be made.
func (c *cluster) waitReady(t *testing.T) {
	t.Helper()
	client := c.client(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(ctx, 500*time.Millisecond)
		_, err := client.CreateOrUpdateStream(attempt, js.StreamConfig{Name: "ready", Replicas: 3})
		done()
		if err == nil {
			client.DeleteStream(ctx, "ready")
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the cluster did not get ready: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *cluster) client(t *testing.T) js.JetStream {
	t.Helper()
	nc, err := nats.Connect(c.url(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	client, err := js.New(nc, js.WithDefaultTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// leader returns the node that leads a stream.
func (c *cluster) leader(t *testing.T, client js.JetStream, stream string) *node {
	t.Helper()
	for range 300 {
		s, err := client.Stream(t.Context(), stream)
		if err == nil {
			for _, n := range c.nodes {
				if n.Name == s.CachedInfo().Cluster.Leader {
					return n
				}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the stream has no leader")
	return nil
}

func TestCluster(top *testing.T) {
	top.Parallel()
	var shared *cluster
	bustest.Run(top, bustest.Engine{
		New: func(t *testing.T) string {
			if shared == nil {
				shared = startCluster(top)
			}
			name := strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])
			return location(t, Config{URL: shared.url(), Prefix: name})
		},
		Open: open,
	})
}

// TestClusterLosesLeader kills the leader of the stream under load, twice,
// and starts it again: publishers and readers must get over it.
func TestClusterLosesLeader(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	b, err := Open(t.Context(), Config{URL: c.url()}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	client := c.client(t)

	load := startLoad(t, b)
	readCtx, stopReading := context.WithCancel(t.Context())
	read := make(chan error, 1)
	var lastRead atomic.Uint64
	go func() {
		read <- b.Read(readCtx, "events", 1, func(m bus.Message) error {
			if m.Seq != lastRead.Load()+1 {
				return fmt.Errorf("number %d came after %d", m.Seq, lastRead.Load())
			}
			lastRead.Store(m.Seq)
			return nil
		})
	}()
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		load.waitFor(t, 50)
		leader := c.leader(t, client, "cordon-events")
		leader.kill()
		killed := time.Now()
		load.waitFor(t, 50)
		t.Logf("%s killed; publishing went on after %v at most", leader.Name, time.Since(killed).Round(time.Millisecond))
		leader.start(t)
	}
	acked := load.stop()
	checkAcked(t, b, acked)

	_, last, err := b.Span(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); lastRead.Load() < last && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if lastRead.Load() != last {
		t.Errorf("the reader is at %d of %d", lastRead.Load(), last)
	}
	stopReading()
	if err := <-read; !errors.Is(err, context.Canceled) {
		t.Errorf("the reader ended with %v", err)
	}
}

// load is some publishers at work.
type load struct {
	done    chan struct{}
	wg      sync.WaitGroup
	mu      sync.Mutex
	acked   map[uint64]string
	changed chan struct{}
}

func startLoad(t *testing.T, b *Bus) *load {
	l := &load{done: make(chan struct{}), acked: map[uint64]string{}, changed: make(chan struct{}, 1)}
	for p := range 4 {
		l.wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.done:
					return
				default:
				}
				id := fmt.Sprintf("%d-%d", p, n)
				seq, err := b.Publish(t.Context(), "events", id, []byte(id))
				if err != nil {
					t.Errorf("publish %s: %v", id, err)
					return
				}
				l.mu.Lock()
				l.acked[seq] = id
				l.mu.Unlock()
			}
		})
	}
	return l
}

// waitFor waits until n more messages were acknowledged.
func (l *load) waitFor(t *testing.T, n int) {
	t.Helper()
	want := l.count() + n
	for range 3000 {
		if l.count() >= want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("only %d messages were acknowledged, want %d", l.count(), want)
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

func (l *load) stop() map[uint64]string {
	close(l.done)
	l.wg.Wait()
	return l.acked
}

// checkAcked reads everything: each acknowledged message is at its number,
// and no id is there twice.
func checkAcked(t *testing.T, b *Bus, acked map[uint64]string) {
	t.Helper()
	_, last, err := b.Span(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range bustest.Collect(t, b, "events", 1, int(last)) {
		if seen[m.ID] {
			t.Errorf("id %s is stored twice", m.ID)
		}
		seen[m.ID] = true
		if id, ok := acked[m.Seq]; ok && id != m.ID {
			t.Errorf("number %d holds %s, but was acknowledged for %s", m.Seq, m.ID, id)
		}
		delete(acked, m.Seq)
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged messages are lost", len(acked))
	}
}

// TestClusterFull: a cluster whose limit is reached refuses, and takes
// messages again after trimming.
func TestClusterFull(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	b, err := Open(t.Context(), Config{URL: c.url(), MaxBytes: 1 << 20}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	stored := publishUntilRefused(t, b, 100<<10, 100)
	if err := b.Trim(t.Context(), "events", uint64(stored-1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), "events", "", make([]byte, 100<<10)); err != nil {
		t.Errorf("after trimming: %v", err)
	}
}

func TestClusterTooSmallMessages(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server did not start")
	}
	if _, err := Open(t.Context(), Config{URL: s.ClientURL()}, quiet()); err == nil || !strings.Contains(err.Error(), "max_payload: 8MB") {
		t.Errorf("got %v, want an error with the next step", err)
	}
}
