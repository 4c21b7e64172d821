package icap

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-health/cordon/gateway"
)

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// squid starts a proxy of its own on loopback and gives a client behind it.
// bypass is what it does when the ICAP server is not there.
func squid(t *testing.T, icapAt, bypass string) *http.Client {
	t.Helper()
	program, err := exec.LookPath("squid")
	if err != nil {
		t.Skip("Squid is not installed: apt-get install squid")
	}
	dir, err := os.MkdirTemp("", "squid") // its own user must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if owner, err := user.Lookup("proxy"); err == nil && os.Getuid() == 0 {
		uid, _ := strconv.Atoi(owner.Uid)
		if err := os.Chown(dir, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	conf := fmt.Sprintf(`http_port 127.0.0.1:%d
pid_filename %[2]s/squid.pid
access_log none
cache_log %[2]s/cache.log
cache deny all
coredump_dir %[2]s
http_access allow localhost
http_access deny all
shutdown_lifetime 0 seconds
icap_enable on
icap_preview_enable on
icap_send_client_ip on
icap_send_client_username on
icap_connect_timeout 2 seconds
icap_service_failure_limit -1
icap_service_revival_delay 5
icap_service cordon_out reqmod_precache icap://%[3]s/request bypass=%[4]s
icap_service cordon_in respmod_precache icap://%[3]s/response bypass=%[4]s
adaptation_access cordon_out allow all
adaptation_access cordon_in allow all
`, port, dir, icapAt, bypass)
	path := filepath.Join(dir, "squid.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(program, "-N", "-f", path)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Skipf("Squid does not start here: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "cache.log"))
			t.Logf("squid: %s\n%s", log.String(), text)
		}
	})
	proxy := &url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(port)}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", proxy.Host)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("squid does not listen")
		}
	}
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
}

// origin is a web server that keeps what it got.
func origin(t *testing.T) (address string, got func() string) {
	t.Helper()
	var last bytes.Buffer
	// Not by a loopback name: the standard client would pass the proxy by.
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last.Reset()
		_, _ = io.Copy(&last, r.Body)
		switch r.URL.Path {
		case "/chart":
			fmt.Fprint(w, "id "+someID)
		default:
			fmt.Fprint(w, "taken")
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, last.String
}

func TestSquid(t *testing.T) {
	out := gateway.Route{Name: "out", Direction: "out", Fail: gateway.Closed, Most: "1MB", Rules: []gateway.Rule{
		{Level: 4, Findings: 2, Do: gateway.Block}, {Level: 4, Do: gateway.Redact}}}
	in := gateway.Route{Name: "in", Direction: "in", Fail: gateway.Open, Most: "1MB", Rules: []gateway.Rule{{Level: 4, Do: gateway.Block}}}
	d, err := New(Default(), guard(t, out, in), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.Temp = t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, ln) }()
	closed := squid(t, ln.Addr().String(), "off")
	open := squid(t, ln.Addr().String(), "on")
	at, got := origin(t)

	send := func(c *http.Client, path, body string) (int, string) {
		t.Helper()
		res, err := c.Post(at+path, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	if code, text := send(closed, "/", "hello"); code != 200 || text != "taken" || got() != "hello" {
		t.Errorf("without patient data: %d %q", code, text)
	}
	if code, text := send(closed, "/", "id "+someID+" 440524188001010014"); code != 403 || !strings.Contains(text, "未发送") {
		t.Errorf("blocked: %d %q", code, text)
	}
	if code, _ := send(closed, "/", "id "+someID+" end"); code != 200 || got() != "id [cn-resident-id] end" {
		t.Errorf("redacted: %d %q", code, got())
	}
	big := strings.Repeat("no patient here\n", 40_000)
	if code, _ := send(closed, "/", big); code != 200 || got() != big {
		t.Errorf("a body beyond the preview: %d, %d bytes", code, len(got()))
	}
	if code, _ := send(closed, "/", big+big); code != 403 {
		t.Errorf("too large on a closed route: %d", code)
	}
	if code, text := send(closed, "/chart", ""); code != 403 || strings.Contains(text, someID) {
		t.Errorf("answer with patient data: %d", code)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if code, _ := send(closed, "/", "hello"); code < 500 {
		t.Errorf("without Cordon, bypass=off: %d", code)
	}
	if code, text := send(open, "/", "hello"); code != 200 || text != "taken" {
		t.Errorf("without Cordon, bypass=on: %d %q", code, text)
	}
}
