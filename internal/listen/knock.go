package listen

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// Knock connects to a listener of this process from outside, as its clients
// do: over the network, with TLS where t names a certificate. own is the
// client's certificate, or nil. An address that names no host is tried on
// loopback.
func Knock(ctx context.Context, network, address string, t TLS, own *tls.Certificate) (net.Conn, error) {
	target, err := reachable(address)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, target)
	if err != nil || t.Cert == "" {
		return conn, err
	}
	cfg, err := t.pinned(own)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS with %s: %w", address, err), conn.Close())
	}
	return secure, nil
}

// reachable turns a listening address into one to dial.
func reachable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address %s: %w", address, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// Pinned is how a client of this process itself makes sure of its server: by
// the very certificate that the server was given, whatever name it bears.
func (t TLS) Pinned() (*tls.Config, error) { return t.pinned(nil) }

func (t TLS) pinned(own *tls.Certificate) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	cfg := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // replaced by the comparison below
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, pair.Certificate[0]) {
				return errors.New("the server shows another certificate than the one in its settings")
			}
			return nil
		},
	}
	if own != nil {
		cfg.Certificates = []tls.Certificate{*own}
	}
	return cfg, nil
}
