// Package milter is the door beside a mail server: Sendmail's milter protocol,
// which Postfix speaks, by emersion/go-milter.
//
// What it does. A whole mail, headers and body, is one item for gateway.Guard:
// the envelope's sender and recipients choose the route. Block and coach refuse
// the mail within the SMTP conversation (550 5.7.1), so its sender knows at
// once and nothing is lost; redact replaces texts and removes attachments;
// hold takes the mail over, sealed on disk before the server is told to forget
// it, and sends it on through gateway.relay after approval. What cannot be
// inspected or kept follows the route: closed refuses for a time (451), so that
// the sender's server tries again.
//
// What it guarantees. A mail beyond the largest route is not held in memory.
// Every mail that a rule touched carries no trace of the values found in what
// it adds. What it does not do: it does not filter what comes in unless the
// server sends that through it too, and it does no spam or virus checks.
package milter

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/emersion/go-milter"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/internal/listen"
)

// Door is the server.
type Door struct {
	Guard *gateway.Guard
	// Base is how people reach the console, for links in refusals.
	Base string

	cfg Config
	now func() time.Time
	log *slog.Logger
}

// New checks the configuration; nothing listens before Run.
func New(cfg Config, guard *gateway.Guard, now func() time.Time, log *slog.Logger) (*Door, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Door{Guard: guard, cfg: cfg, now: now, log: log}, nil
}

// Run listens until ctx ends.
func (d *Door) Run(ctx context.Context) error {
	if d.cfg.Listen == "" {
		return nil
	}
	ln, err := d.listen(ctx)
	if err != nil {
		return fmt.Errorf("gateway.milter: %w", err)
	}
	return d.Serve(ctx, ln)
}

func (d *Door) listen(ctx context.Context) (net.Listener, error) {
	path, ok := strings.CutPrefix(d.cfg.Listen, "unix:")
	if !ok {
		return listen.TCP(ctx, d.cfg.Listen, listen.TLS{})
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil { // left by a run that ended hard
			return nil, err
		}
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return ln, os.Chmod(path, 0o660) // for the mail server's group
}

// Serve accepts from ln until ctx ends.
func (d *Door) Serve(ctx context.Context, ln net.Listener) error {
	return listen.Serve(ctx, ln, d.cfg.MaxConnections, func(ctx context.Context, conn net.Conn) {
		one := newOneConn(timed{conn, d})
		s := milter.Server{
			NewMilter: func() milter.Milter { return &mail{Door: d, ctx: ctx} },
			Actions:   milter.OptChangeBody | milter.OptChangeHeader | milter.OptAddHeader,
			Protocol:  milter.OptNoConnect | milter.OptNoHelo,
		}
		_ = s.Serve(one) // ends with the connection, which is no error
		<-one.closed
	})
}

// mail is one message after another on one connection.
type mail struct {
	milter.NoOpMilter
	*Door
	ctx context.Context

	from string
	to   []string
	head bytes.Buffer
	body bytes.Buffer
	over bool // larger than any route inspects
}

// MailFrom begins a message.
func (m *mail) MailFrom(from string, _ *milter.Modifier) (milter.Response, error) {
	m.reset()
	m.from = address(from)
	return milter.RespContinue, nil
}

// RcptTo adds a recipient.
func (m *mail) RcptTo(to string, _ *milter.Modifier) (milter.Response, error) {
	m.to = append(m.to, address(to))
	return milter.RespContinue, nil
}

// address drops what follows an address in the command (SIZE=, BODY=).
func address(s string) string {
	if !strings.Contains(s, `"`) { // a quoted name may hold spaces
		s, _, _ = strings.Cut(s, " ")
	}
	return strings.Trim(s, "<>")
}

// Header keeps a header field.
func (m *mail) Header(name, value string, _ *milter.Modifier) (milter.Response, error) {
	value = strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\n", "\r\n")
	m.add(&m.head, []byte(name+": "+strings.TrimPrefix(value, " ")+"\r\n"))
	return milter.RespContinue, nil
}

// Headers ends the header.
func (m *mail) Headers(textproto.MIMEHeader, *milter.Modifier) (milter.Response, error) {
	return milter.RespContinue, nil
}

// BodyChunk keeps a piece of the body.
func (m *mail) BodyChunk(chunk []byte, _ *milter.Modifier) (milter.Response, error) {
	m.add(&m.body, chunk)
	return milter.RespContinue, nil
}

func (m *mail) add(to *bytes.Buffer, p []byte) {
	if int64(m.head.Len()+m.body.Len()+len(p)) > m.Guard.Config.Largest(gateway.Mail) {
		m.over = true
	}
	if !m.over {
		to.Write(p)
	}
}

// Abort forgets the message; the connection goes on.
func (m *mail) Abort(*milter.Modifier) error {
	m.reset()
	return nil
}

func (m *mail) reset() {
	m.from, m.to, m.over = "", nil, false
	m.head.Reset()
	m.body.Reset()
}

// Body judges the message, which is complete now.
func (m *mail) Body(mod *milter.Modifier) (milter.Response, error) {
	defer m.reset()
	data := append(append(bytes.Clone(m.head.Bytes()), "\r\n"...), m.body.Bytes()...)
	it := gateway.Item{Door: gateway.Mail, From: m.from, To: m.to, Source: classify.BytesSource("message.eml", data)}
	if m.over {
		it.Source = oversize{it.Source}
	}
	o := m.Guard.Judge(m.ctx, it)
	if o.Action == gateway.Redact {
		ok, err := m.redact(mod, it, o, data)
		if err != nil {
			return nil, err
		}
		if ok {
			return milter.RespAccept, nil
		}
		o = m.Guard.Instead(m.ctx, it, o)
	}
	return m.respond(it, o, data), nil
}

// oversize is a mail of which only the beginning was kept.
type oversize struct{ classify.Source }

// Size is above every bound.
func (oversize) Size() int64 { return 1 << 62 }

func (m *mail) respond(it gateway.Item, o gateway.Outcome, data []byte) milter.Response {
	switch {
	case o.Action == gateway.Allow:
		return milter.RespAccept
	case o.Failed != nil && o.Passing:
		return reply("451 4.7.1 " + o.Line(m.Base))
	case o.Action == gateway.Hold && o.Pass != "":
		return m.hold(it, o, data)
	}
	return reply("550 5.7.1 " + o.Line(m.Base))
}

// hold takes the mail over. Where it cannot be kept the server keeps it.
func (m *mail) hold(it gateway.Item, o gateway.Outcome, data []byte) milter.Response {
	if err := m.Guard.Keep(m.ctx, o.Pass, gateway.Letter{From: it.From, To: it.To, Data: data}); err != nil {
		m.log.Error("mail to be held not kept, the mail server tries again", "error", err)
		return reply("451 4.7.1 Held mail cannot be kept now, try again later.")
	}
	if err := m.Guard.HeldNotice(m.ctx, it.From, o.Pass); err != nil {
		m.log.Warn("sender of held mail not told", "error", err)
	}
	return milter.RespDiscard
}

func reply(line string) milter.Response {
	return milter.NewResponseStr(byte(milter.ActReplyCode), strings.ReplaceAll(line, "%", "%%"))
}

// mostPiece is the largest body the protocol carries in one packet.
const mostPiece = 65535

// replaced are the fields that a redaction changes.
func replaced() []string { return []string{"Subject", "Content-Type", "Content-Transfer-Encoding"} }

// twice says whether one of those is there more than once: the mail server
// would replace the first and send the others on.
func (m *mail) twice() bool {
	for _, name := range replaced() {
		n := 0
		for line := range bytes.Lines(m.head.Bytes()) {
			if field, _, ok := bytes.Cut(line, []byte(":")); ok && strings.EqualFold(strings.TrimSpace(string(field)), name) {
				n++
			}
		}
		if n > 1 {
			return true
		}
	}
	return false
}

// redact replaces the body and the fields that describe it.
func (m *mail) redact(mod *milter.Modifier, it gateway.Item, o gateway.Outcome, data []byte) (bool, error) {
	if m.twice() {
		return false, nil
	}
	clean, err := m.Guard.LetterText(m.ctx, data, o.RedactAt)
	if err != nil {
		return false, nil
	}
	next := it
	next.Source = classify.BytesSource("message.eml", clean)
	if !m.Guard.Clean(m.ctx, next, o) {
		return false, nil
	}
	head, body, ok := bytes.Cut(clean, []byte("\r\n\r\n"))
	if !ok {
		return false, nil
	}
	fields, err := textproto.NewReader(newReader(append(bytes.Clone(head), "\r\n\r\n"...))).ReadMIMEHeader()
	if err != nil {
		return false, nil
	}
	for _, name := range replaced() {
		if err := mod.ChangeHeader(1, name, fields.Get(name)); err != nil {
			return false, err
		}
	}
	body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	for len(body) > 0 {
		n := min(len(body), mostPiece)
		if err := mod.ReplaceBody(body[:n]); err != nil {
			return false, err
		}
		body = body[n:]
	}
	return true, nil
}
