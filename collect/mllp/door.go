package mllp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/internal/listen"
)

var _ collect.Keeper = (*Collector)(nil)

// Doors implements [collect.Keeper].
func (c *Collector) Doors(own *tls.Certificate) []collect.Door {
	return []collect.Door{{
		Name: c.cfg.Source, Format: "hl7v2", NeedsCertificate: c.cfg.ClientCA != "" && own == nil,
		Send: func(ctx context.Context, data []byte) error { return c.knock(ctx, data, own) },
	}}
}

func (c *Collector) knock(ctx context.Context, data []byte, own *tls.Certificate) error {
	t := listen.TLS{Cert: c.cfg.Cert, Key: c.cfg.Key, ClientCA: c.cfg.ClientCA}
	conn, err := listen.Knock(ctx, "tcp", c.cfg.Address, t, own)
	if err != nil {
		return fmt.Errorf("mllp: %w", err)
	}
	client := &Client{conn: conn, r: bufio.NewReader(conn)}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	answer, err := client.Send(data)
	if err != nil {
		return err
	}
	if !strings.Contains(string(answer), "MSA|AA") && !strings.Contains(string(answer), "MSA|CA") {
		return errors.New("mllp: the message was not acknowledged with AA")
	}
	return nil
}
