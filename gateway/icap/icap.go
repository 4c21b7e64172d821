// Package icap is the door beside a web proxy: an ICAP/1.0 server (RFC 3507)
// with the services /request (REQMOD: what leaves) and /response (RESPMOD:
// what comes). Squid, c-icap's clients and most commercial proxies speak it.
//
// What it does. OPTIONS, REQMOD and RESPMOD with previews, 100 Continue, 204
// where the proxy allows it, and otherwise the message as it came. The HTTP
// message as a whole (its address, its headers, its body whatever the encoding)
// is one item for gateway.Guard. What is stopped is answered by a page of its
// own with status 403, or a problem in JSON for a program; what is redacted
// goes on with a new body and length.
//
// What it guarantees. A body is held in memory up to 1 MiB and in an unnamed
// temporary file beyond; a body beyond the largest route is not kept and the
// route's fail setting decides. Header blocks, chunk lines and connections are
// bounded. A request that cannot be read gets the status of RFC 3507 section
// 4.3.3 and ends its connection alone. What it does not do: it opens no TLS of
// browsers (the proxy does, where the hospital wants it) and does not speak
// HTTP itself.
package icap

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/internal/listen"
)

// Door is the server.
type Door struct {
	Guard *gateway.Guard
	// Base is how people reach the console, for links on pages.
	Base string
	// Temp is the folder of temporary files.
	Temp string

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
	ln, err := listen.TCP(ctx, d.cfg.Listen, listen.TLS{Cert: d.cfg.Cert, Key: d.cfg.Key, ClientCA: d.cfg.ClientCA})
	if err != nil {
		return fmt.Errorf("gateway.icap: %w", err)
	}
	return d.Serve(ctx, ln)
}

// Serve accepts from ln until ctx ends.
func (d *Door) Serve(ctx context.Context, ln net.Listener) error {
	return listen.Serve(ctx, ln, d.cfg.MaxConnections, func(ctx context.Context, conn net.Conn) {
		if err := d.conversation(ctx, conn); err != nil && ctx.Err() == nil {
			d.log.Warn("icap connection ended", "remote", conn.RemoteAddr().String(), "error", err)
		}
	})
}

// talk is one connection.
type talk struct {
	*Door
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
}

func (d *Door) conversation(ctx context.Context, conn net.Conn) error {
	t := &talk{Door: d, conn: conn, r: bufio.NewReaderSize(conn, 64<<10), w: bufio.NewWriterSize(conn, 64<<10)}
	for {
		if err := conn.SetDeadline(d.now().Add(d.cfg.Idle)); err != nil {
			return err
		}
		req, err := readRequest(t.r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var bad *badRequest
		if errors.As(err, &bad) {
			return errors.Join(err, t.status(bad.status))
		}
		if err != nil {
			return err
		}
		again, err := t.answer(ctx, req)
		if err != nil {
			return err
		}
		if err := t.w.Flush(); err != nil || !again {
			return err
		}
	}
}

// answer serves one request and says whether the connection goes on.
func (t *talk) answer(ctx context.Context, req *request) (again bool, err error) {
	again = !strings.EqualFold(req.header.Get("Connection"), "close")
	service, ok := serviceOf(req)
	switch {
	case !ok:
		return false, t.status(404)
	case req.method == "OPTIONS":
		return again, t.options(service)
	case req.method != service.method:
		return false, t.status(405)
	}
	err = t.modify(ctx, req, service)
	var bad *badRequest
	if errors.As(err, &bad) {
		return false, errors.Join(err, t.status(bad.status))
	}
	return again, err
}

// service is one of the two.
type service struct {
	path, method string
	incoming     bool
}

func serviceOf(req *request) (service, bool) {
	switch req.service {
	case "request", "reqmod":
		return service{req.service, "REQMOD", false}, true
	case "response", "respmod":
		return service{req.service, "RESPMOD", true}, true
	}
	return service{}, false
}

// tag changes with what verdicts depend on; proxies forget cached ones then.
const tag = `"cordon-1"`

func (t *talk) options(s service) error {
	_, err := fmt.Fprintf(t.w, "ICAP/1.0 200 OK\r\nMethods: %s\r\nService: Cordon\r\nISTag: %s\r\nAllow: 204\r\nPreview: %d\r\nTransfer-Preview: *\r\nOptions-TTL: 3600\r\nMax-Connections: %d\r\nEncapsulated: null-body=0\r\n\r\n",
		s.method, tag, t.cfg.Preview, t.cfg.MaxConnections)
	return err
}

// modify reads one HTTP message, has it judged and answers.
func (t *talk) modify(ctx context.Context, req *request, s service) error {
	body := &spool{folder: t.Temp, most: t.Guard.Config.Largest(gateway.Web)}
	defer body.Close()
	if req.body {
		if err := t.readBody(req, body); err != nil {
			return err
		}
	}
	it := t.item(req, s, body)
	o := t.Guard.Judge(ctx, it)
	// The body may have taken long; the answer has its own time.
	if err := t.conn.SetDeadline(t.now().Add(t.cfg.Idle)); err != nil {
		return err
	}
	if o.Action == gateway.Redact {
		done, err := t.redact(ctx, req, it, &o, body)
		if done || err != nil {
			return err
		}
	}
	if o.Action == gateway.Allow {
		return t.unchanged(req, s, body)
	}
	return t.stop(req, o)
}

// readBody takes the preview, asks for the rest and keeps it.
func (t *talk) readBody(req *request, body *spool) error {
	if req.preview < 0 {
		return readChunks(t.r, body, nil)
	}
	var whole bool
	if err := readChunks(t.r, body, &whole); err != nil || whole {
		return err
	}
	if _, err := t.w.WriteString("ICAP/1.0 100 Continue\r\n\r\n"); err != nil {
		return err
	}
	if err := t.w.Flush(); err != nil {
		return err
	}
	return readChunks(t.r, body, nil)
}

// item is the whole message as one source.
func (t *talk) item(req *request, s service, body *spool) gateway.Item {
	it := gateway.Item{Door: gateway.Web, From: t.sender(req), Incoming: s.incoming}
	if host := req.host(); host != "" {
		it.To = []string{host}
	}
	head := req.httpHead(s.incoming)
	it.Source = message{head: head, body: body, size: int64(len(head)) + body.Size()}
	return it
}

// sender is the user the proxy knows, or else the client's address.
func (t *talk) sender(req *request) string {
	for _, name := range []string{"X-Authenticated-User", "X-Client-Username"} {
		user := req.header.Get(name)
		if user == "" || user == "-" {
			continue
		}
		if t.cfg.UserBase64 || name == "X-Authenticated-User" {
			if plain, err := base64.StdEncoding.DecodeString(user); err == nil {
				user = string(plain)
			}
		}
		if _, rest, ok := strings.Cut(user, "://"); ok { // Local://name, WinNT://domain/name
			user = rest
		}
		return user
	}
	return req.header.Get("X-Client-IP")
}

// message joins header block and body for readers.
type message struct {
	head []byte
	body *spool
	size int64
}

var _ classify.Source = message{}

// Name says what it is to readers.
func (m message) Name() string { return "message.http" }

// Size implements classify.Source.
func (m message) Size() int64 { return m.size }

// ReadAt implements io.ReaderAt.
func (m message) ReadAt(p []byte, off int64) (n int, err error) {
	if off < int64(len(m.head)) {
		n = copy(p, m.head[off:])
		if n == len(p) {
			return n, nil
		}
	}
	k, err := m.body.ReadAt(p[n:], off+int64(n)-int64(len(m.head)))
	return n + k, err
}
