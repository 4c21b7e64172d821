package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/node"
)

// target is what a command works on: a running server, or the folder of a
// stopped one. Both are spoken to through the same API, so every command
// means the same on either.
type target struct {
	Server string `help:"Address of a running server, e.g. http://127.0.0.1:8080; the token is taken from CORDON_TOKEN." placeholder:"URL" env:"CORDON_SERVER" xor:"where"`
	Data   string `help:"Folder of a stopped server." placeholder:"DIR" type:"path" xor:"where"`
	Config string `help:"Configuration file of the stopped server." placeholder:"FILE" type:"path"`
}

// session is an open target.
type session struct {
	do    func(*http.Request) (*http.Response, error)
	base  string
	token string
	close func() error
}

// with opens the target, runs f and closes it.
func (t target) with(w *world, f func(*session) error) error {
	s, err := t.open(w)
	if err != nil {
		return err
	}
	err = f(s)
	return errors.Join(err, s.close())
}

func (t target) open(w *world) (*session, error) {
	if t.Server == "" {
		return t.openFolder(w)
	}
	token := os.Getenv("CORDON_TOKEN")
	if token == "" {
		return nil, usage{errors.New("CORDON_TOKEN is not set; make a token with: cordon token create --role ROLE, or in the console under Settings")}
	}
	client := &http.Client{}
	return &session{do: client.Do, base: strings.TrimSuffix(t.Server, "/"), token: token, close: func() error { return nil }}, nil
}

// make makes the folder, for commands that may be the first to work on it.
func (t target) make() error {
	if t.Server != "" {
		return nil
	}
	cfg, err := t.load()
	if err != nil {
		return err
	}
	return os.MkdirAll(cfg.Data, 0o700)
}

// load reads the configuration a folder is opened with.
func (t target) load() (config.Config, error) {
	cfg, err := config.Load(t.Config)
	if err != nil {
		return cfg, usage{err}
	}
	if t.Data != "" {
		cfg.Data = t.Data
	}
	return cfg, nil
}

func (t target) openFolder(w *world) (*session, error) {
	cfg, err := t.load()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(cfg.Data); err != nil {
		return nil, usage{fmt.Errorf("no folder %s; give --server URL for a running server or --data DIR for a stopped one", cfg.Data)}
	}
	log := slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	evidence.RouteLogs(log)
	n, err := node.Open(w.ctx, cfg, version, w.now, log)
	if err != nil {
		return nil, err
	}
	handler, err := n.Handler()
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	stop := n.Work(w.ctx)
	closing := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), 10*time.Minute)
		defer cancel()
		return errors.Join(stop(ctx), n.Close())
	}
	return &session{do: local(handler), close: closing}, nil
}

// local serves requests in the process, as its operator.
func local(h http.Handler) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		operator := identity.User{Name: "local", FullName: "command line", Role: identity.Administrator}
		r = r.WithContext(api.WithUser(r.Context(), operator))
		r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
		if r.Body == nil {
			r.Body = http.NoBody
		}
		pr, pw := io.Pipe()
		out := &pipeWriter{header: http.Header{}, body: pw, begun: make(chan struct{})}
		go func() {
			h.ServeHTTP(out, r)
			out.WriteHeader(http.StatusOK)
			_ = pw.Close()
		}()
		<-out.begun
		return &http.Response{StatusCode: out.status, Status: http.StatusText(out.status), Header: out.header, Body: pr, Request: r}, nil
	}
}

// pipeWriter streams an answer to a reader in the same process.
type pipeWriter struct {
	header http.Header
	body   *io.PipeWriter
	status int
	begun  chan struct{}
}

func (p *pipeWriter) Header() http.Header { return p.header }

func (p *pipeWriter) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
		close(p.begun)
	}
}

func (p *pipeWriter) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.body.Write(b)
}

// Flush lets handlers that stream do so.
func (p *pipeWriter) Flush() { p.WriteHeader(http.StatusOK) }

var _ http.Flusher = (*pipeWriter)(nil)

// call makes a request; a body that is not a reader is sent as JSON. The
// caller closes the answer.
func (s *session) call(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		r = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, r)
	if err != nil {
		return nil, err
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Language", language())
	res, err := s.do(req)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w; is the server running?", s.base, err)
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, refusal(res)
}

// language is that of the terminal.
func language() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			if strings.HasPrefix(v, "zh") {
				return "zh"
			}
			break
		}
	}
	return "en"
}

// refusal turns a problem (RFC 9457) into an error.
func refusal(res *http.Response) error {
	var p struct{ Title, Detail string }
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if json.Unmarshal(text, &p) != nil || p.Title == "" {
		return fmt.Errorf("the server answered %d", res.StatusCode)
	}
	err := fmt.Errorf("%s: %s", p.Title, p.Detail)
	switch res.StatusCode {
	case http.StatusBadRequest:
		return usage{err}
	case http.StatusForbidden:
		return denied{err}
	}
	return err
}

// denied is what the role of the token may not do.
type denied struct{ error }

// get reads one JSON answer.
func get[T any](s *session, ctx context.Context, method, path string, body any) (T, error) {
	var v T
	res, err := s.call(ctx, method, path, body)
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNoContent {
		return v, nil
	}
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		return v, fmt.Errorf("read answer: %w", err)
	}
	return v, nil
}

// pour copies an answer to a writer.
func (s *session) pour(ctx context.Context, out io.Writer, method, path string, body any) error {
	res, err := s.call(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(out, res.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
