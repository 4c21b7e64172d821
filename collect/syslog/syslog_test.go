package syslog

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/collect"
)

// memory is a sink that keeps what it got, after failing a number of times.
type memory struct {
	mu   sync.Mutex
	fail int
	got  []string
}

func (m *memory) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail > 0 {
		m.fail--
		return nil, errors.New("disk full")
	}
	for _, it := range items {
		m.got = append(m.got, string(it.Data))
	}
	return make([]collect.Receipt, len(items)), nil
}

func (m *memory) wait(t *testing.T, n int) []string {
	t.Helper()
	for range 500 {
		m.mu.Lock()
		got := append([]string(nil), m.got...)
		m.mu.Unlock()
		if len(got) >= n {
			return got
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d messages did not arrive", n)
	return nil
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func run(t *testing.T, cfg Config, sink collect.Sink) {
	t.Helper()
	c, err := New(cfg, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, sink) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	for range 200 {
		if conn, err := net.Dial(network, address); err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("nothing listens on %s", address)
	return nil
}

func TestTCPBothFramings(t *testing.T) {
	cfg := Default()
	cfg.UDP, cfg.TCP = "", freePort(t)
	sink := &memory{fail: 2} // the disk is full twice; nothing may be lost
	run(t, cfg, sink)
	conn := dial(t, "tcp", cfg.TCP)
	multi := "<85>1 - - - - - -\n two lines"
	fmt.Fprintf(conn, "<13>first line\n%d %s<13>third\r\n", len(multi), multi)
	got := sink.wait(t, 3)
	want := []string{"<13>first line", multi, "<13>third"}
	for i, w := range want {
		if got[i] != w {
			t.Errorf("message %d is %q, want %q", i, got[i], w)
		}
	}
}

func TestUDP(t *testing.T) {
	cfg := Default()
	cfg.TCP, cfg.UDP = "", freePort(t)
	sink := &memory{}
	run(t, cfg, sink)
	conn := dial(t, "udp", cfg.UDP)
	for range 50 { // the first may go out before the listener is there
		fmt.Fprint(conn, "<13>over udp")
		time.Sleep(5 * time.Millisecond)
	}
	if got := sink.wait(t, 1); got[0] != "<13>over udp" {
		t.Fatalf("got %q", got[0])
	}
}

func TestTLSNeedsClientCertificate(t *testing.T) {
	dir := t.TempDir()
	ca, caKey := authority(t)
	writePair(t, dir, "server", ca, caKey)
	writePair(t, dir, "client", ca, caKey)
	writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", ca.Raw)
	cfg := Default()
	cfg.UDP, cfg.TCP, cfg.TLS = "", "", freePort(t)
	cfg.Cert, cfg.Key = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	cfg.ClientCA = filepath.Join(dir, "ca.pem")
	sink := &memory{}
	run(t, cfg, sink)
	dial(t, "tcp", cfg.TLS).Close()

	roots := x509.NewCertPool()
	roots.AddCert(ca)
	bare, err := tls.Dial("tcp", cfg.TLS, &tls.Config{RootCAs: roots})
	if err == nil { // TLS 1.3 reports the refusal at the first read
		_, err = bare.Read(make([]byte, 1))
	}
	if err == nil {
		t.Fatal("a client without certificate was let in")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", cfg.TLS, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "12 <85>over tls")
	if got := sink.wait(t, 1); got[0] != "<85>over tls" {
		t.Fatalf("got %q", got[0])
	}
}

func TestTooLongEndsTheConnection(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("999999999 x"))
	if _, err := readFrame(r, 1000); !errors.Is(err, errTooLong) {
		t.Fatalf("got %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("12 <85>1 hello\n<13>line\n"))
	f.Add([]byte("1a<13>line"))
	f.Add([]byte("9999999999999 x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(strings.NewReader(string(data)))
		total := 0
		for {
			msg, err := readFrame(r, 1<<16)
			if err != nil {
				return
			}
			if total += len(msg); total > len(data) {
				t.Fatal("more came out than went in")
			}
		}
	})
}

func authority(t *testing.T) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func writePair(t *testing.T, dir, name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(dir, name+".key"), "EC PRIVATE KEY", raw)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
