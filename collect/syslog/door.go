package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/internal/listen"
)

var _ collect.Keeper = (*Collector)(nil)

// Doors implements [collect.Keeper]: one for each transport.
func (c *Collector) Doors(own *tls.Certificate) []collect.Door {
	secure := listen.TLS{Cert: c.cfg.Cert, Key: c.cfg.Key, ClientCA: c.cfg.ClientCA}
	var out []collect.Door
	for _, way := range []struct {
		name, network, address string
		tls                    listen.TLS
	}{
		{"udp", "udp", c.cfg.UDP, listen.TLS{}}, {"tcp", "tcp", c.cfg.TCP, listen.TLS{}}, {"tls", "tcp", c.cfg.TLS, secure},
	} {
		if way.address == "" {
			continue
		}
		out = append(out, collect.Door{
			Name: c.cfg.Source + "/" + way.name, Format: "syslog", NeedsCertificate: way.tls.ClientCA != "" && own == nil,
			Send: func(ctx context.Context, data []byte) error {
				return knock(ctx, way.network, way.address, way.tls, own, data)
			},
		})
	}
	return out
}

// knock sends one message: a datagram, or a frame with an octet count.
func knock(ctx context.Context, network, address string, t listen.TLS, own *tls.Certificate, data []byte) error {
	conn, err := listen.Knock(ctx, network, address, t, own)
	if err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	if network != "udp" {
		data = append(fmt.Appendf(nil, "%d ", len(data)), data...)
	}
	_, err = conn.Write(data)
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	return nil
}
