package gateway

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/smtp"
	"strings"
	"time"
)

// postFor bounds the delivery of one letter to the relay.
const postFor = 2 * time.Minute

// post hands a letter to the relay. It is on this machine or in its network
// zone; the link is secured where the relay offers it.
func (g *Guard) post(ctx context.Context, l Letter) error {
	if g.Config.Relay == "" {
		return errors.New("no gateway.relay is set that would send held mail on")
	}
	ctx, cancel := context.WithTimeout(ctx, postFor)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", g.Config.Relay)
	if err != nil {
		return fmt.Errorf("reach the relay: %w", err)
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	host, _, err := net.SplitHostPort(g.Config.Relay)
	if err != nil {
		return fmt.Errorf("gateway.relay is not host:port: %w", err)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return fmt.Errorf("greet the relay: %w", err)
	}
	return deliver(c, l)
}

// deliver speaks SMTP. Errors of the server may quote addresses, so they are
// not passed on.
func deliver(c *smtp.Client, l Letter) error {
	refused := errors.New("the relay did not take a held mail; see its own log")
	if c.Mail(l.From) != nil {
		return refused
	}
	taken := 0
	for _, to := range l.To {
		if c.Rcpt(to) == nil {
			taken++
		}
	}
	if taken == 0 { // of several, those who exist get it
		return refused
	}
	w, err := c.Data()
	if err != nil {
		return refused
	}
	if _, err := w.Write(l.Data); err != nil {
		return errors.Join(refused, w.Close())
	}
	if w.Close() != nil {
		return refused
	}
	_ = c.Quit() // the letter is taken; how the line closes changes nothing
	return nil
}

// Notify mails a notice to a sender. Without a relay or a postmaster, or to
// the null sender, it does nothing: the door's own answer has to do.
func (g *Guard) Notify(ctx context.Context, to string, n Notice) error {
	if g.Config.Relay == "" || g.Config.Postmaster == "" || to == "" || strings.ContainsAny(to, "\r\n") {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\n", g.Config.Postmaster, to,
		mime.BEncoding.Encode("utf-8", n.Subject.ZH+" / "+n.Subject.EN), g.now().Format(time.RFC1123Z))
	b.WriteString("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	b.WriteString(n.Text.ZH + "\r\n\r\n" + n.Text.EN + "\r\n")
	return g.post(ctx, Letter{From: "", To: []string{to}, Data: []byte(b.String())})
}
