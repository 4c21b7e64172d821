package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Program is the cordon binary under test.
type Program struct {
	Path string
	Dir  string // for what it needs beside data
}

// Build compiles the program of this checkout into dir, unless there is one
// to take already.
func Build(ctx context.Context, dir, have string) (*Program, error) {
	p := &Program{Path: have, Dir: dir}
	if have == "" {
		p.Path = filepath.Join(dir, "cordon")
		out, err := exec.CommandContext(ctx, "go", "build", "-o", p.Path, "github.com/cordon-health/cordon/cmd/cordon").CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("build cordon: %w: %s", err, out)
		}
	}
	// Only HTTP: the ports of other collectors may be somebody else's.
	return p, os.WriteFile(p.config(), []byte("collect: {web: {}}\nlog: {level: warn}\nsite: {zone: Asia/Shanghai}\n"), 0o600)
}

func (p *Program) config() string { return filepath.Join(p.Dir, "cordon.yaml") }

// Do runs one command on the folder of a stopped server and returns what it
// printed.
func (p *Program) Do(ctx context.Context, data string, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := p.Pour(ctx, &out, data, args...)
	return out.Bytes(), err
}

// Pour is Do into a writer.
func (p *Program) Pour(ctx context.Context, out io.Writer, data string, args ...string) error {
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, p.Path, append(args, "--data", data, "--config", p.config())...)
	cmd.Stdout, cmd.Stderr = out, &complaint
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cordon %s: %w: %s", args[0], err, oneLine(lastLines(complaint.String())))
	}
	return nil
}

func lastLines(s string) string {
	if len(s) > 400 {
		s = s[len(s)-400:]
	}
	return s
}

// Server is a running cordon serve.
type Server struct {
	Data string

	cmd    *exec.Cmd
	done   chan error
	url    string
	token  string
	client *http.Client
	said   *os.File
}

// Serve starts the server on a folder and waits until it answers.
func (p *Program) Serve(ctx context.Context, data string) (*Server, error) {
	token, err := p.Do(ctx, data, "token", "create", "--role", "administrator", "--label", "bench")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{Data: data, url: "http://" + address, token: strings.TrimSpace(string(token)), done: make(chan error, 1),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	if s.said, err = os.Create(data + ".log"); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(p.Path, "serve", "--data", data, "--config", p.config(), "--listen", address)
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, s.said.Close())
	}
	go func() { s.done <- s.cmd.Wait() }()
	return s, s.await(ctx)
}

func freeAddress(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func (s *Server) await(ctx context.Context) error {
	for range 600 {
		res, err := s.client.Get(s.url + "/healthz")
		if err == nil {
			_ = res.Body.Close()
			return nil
		}
		select {
		case err := <-s.done:
			s.done <- err
			return fmt.Errorf("the server ended at once: %w: %s", err, s.complaint())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("the server does not answer")
}

// complaint is the end of what the server wrote.
func (s *Server) complaint() string {
	text, _ := os.ReadFile(s.said.Name())
	return oneLine(lastLines(string(text)))
}

// Stop ends the server and waits; one that does not end is killed.
func (s *Server) Stop() error {
	defer s.said.Close()
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case err := <-s.done:
		if err != nil {
			return fmt.Errorf("the server ended badly: %w: %s", err, s.complaint())
		}
		return nil
	case <-time.After(2 * time.Minute):
		_ = s.cmd.Process.Kill()
		<-s.done
		return errors.New("the server did not stop within two minutes and was killed")
	}
}

// call makes a request and returns the answer, whose body the caller closes.
// When it is asked to slow down it waits and asks again.
func (s *Server) call(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	for {
		req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+s.token)
		res, err := s.client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, s.complaint())
		}
		if res.StatusCode < 300 {
			return res, nil
		}
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		_ = res.Body.Close()
		if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
			return nil, fmt.Errorf("%s %s: %s: %s", method, path, res.Status, oneLine(string(text)))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// ask reads a whole answer and says how long it took.
func (s *Server) ask(ctx context.Context, method, path string, body any) ([]byte, time.Duration, error) {
	text, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, 0, err
		}
	}
	begun := time.Now()
	res, err := s.call(ctx, method, path, text)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return answer, time.Since(begun), err
}

// Post sends records and returns how many events they became. A record about
// several patients becomes several; one that goes to quarantine is an error.
func (s *Server) Post(ctx context.Context, format, source string, body []byte) (int64, error) {
	q := url.Values{"format": {format}, "source": {source}}
	text, _, err := s.ask(ctx, "POST", "/api/v1/events?"+q.Encode(), body)
	if err != nil {
		return 0, err
	}
	var a struct{ Accepted, Rejected int64 }
	if err := json.Unmarshal(text, &a); err != nil {
		return 0, err
	}
	if a.Rejected > 0 {
		return a.Accepted, fmt.Errorf("%d of the records sent as %s were rejected", a.Rejected, format)
	}
	return a.Accepted, nil
}

// Worked is how many events of a source the pipeline has stored, explained
// and judged, and how many it knew already.
func (s *Server) Worked(ctx context.Context, source string) (stored, repeated int64, err error) {
	list, err := s.sources(ctx)
	return list[source].Stored, list[source].Repeated, err
}

// Stored is how many events of all sources the server keeps.
func (s *Server) Stored(ctx context.Context) (int64, error) {
	list, err := s.sources(ctx)
	var n int64
	for _, x := range list {
		n += x.Stored
	}
	return n, err
}

type source struct {
	Name             string
	Stored, Repeated int64
}

func (s *Server) sources(ctx context.Context) (map[string]source, error) {
	answer, _, err := s.ask(ctx, "GET", "/api/v1/sources", nil)
	if err != nil {
		return nil, err
	}
	var list []source
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, err
	}
	all := map[string]source{}
	for _, x := range list {
		all[x.Name] = x
	}
	return all, nil
}

// Memory is the server's resident memory, now and at most, in bytes.
func (s *Server) Memory() (now, most int64) {
	path := fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)
	return kilobytes(field(path, "VmRSS")), kilobytes(field(path, "VmHWM"))
}

func kilobytes(text string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	return n << 10
}

// CPU is the processor time the server has used.
func (s *Server) CPU() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte(") "))
	f := strings.Fields(string(rest))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}

// Metrics reads the server's own figures: name with labels to value.
func (s *Server) Metrics(ctx context.Context) (map[string]float64, error) {
	answer, _, err := s.ask(ctx, "GET", "/metrics", nil)
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(answer)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil && !strings.HasPrefix(name, "#") {
			all[name] = v
		}
	}
	return all, nil
}
