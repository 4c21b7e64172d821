// Package listen opens TCP listeners, with TLS when certificates are given,
// and serves their connections with a bound on how many there are at once.
// It exists so that every collector closes, limits and secures connections in
// the same way. It knows nothing of what flows through them.
package listen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// TLS names the PEM files of a secured listener. Without Cert there is none;
// with ClientCA a client needs a certificate of that authority.
type TLS struct {
	Cert, Key, ClientCA string
}

// TCP listens on address. Errors say what to do about the usual causes.
func TCP(ctx context.Context, address string, t TLS) (net.Listener, error) {
	cfg, err := t.Config()
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; choose a free port, or stop what uses it", address, err)
	}
	if cfg != nil {
		ln = tls.NewListener(ln, cfg)
	}
	return ln, nil
}

// Config reads the files; it is nil when no certificate is named.
func (t TLS) Config() (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if t.ClientCA == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("read client authority: %w", err)
	}
	cfg.ClientCAs = x509.NewCertPool()
	if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client authority %s holds no PEM certificate", t.ClientCA)
	}
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	return cfg, nil
}

// firstByte is how long a new connection may say nothing at all.
const firstByte = 30 * time.Second

// share is what one address gets of most connections.
func share(most int) int { return max(most/4, min(most, 8)) }

// Serve runs handle for each connection until ctx ends; then it closes the
// listener and all connections, and returns when every handle has returned.
// At most most connections are served at once; others wait in the kernel. An
// address gets a quarter of them at most (of few, 8), so that none keeps all others out,
// and a connection that says nothing for 30 s after it began is closed.
func Serve(ctx context.Context, ln net.Listener, most int, handle func(context.Context, net.Conn)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ln = Limit(ln, most, share(most))
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("accept: %w", err)
		}
		wg.Go(func() { one(ctx, newSilent(conn, firstByte), handle) })
	}
}

func one(ctx context.Context, conn net.Conn, handle func(context.Context, net.Conn)) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	handle(ctx, conn)
}
