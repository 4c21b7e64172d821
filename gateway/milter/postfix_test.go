package milter

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/classify"
	mailreader "github.com/cordon-health/cordon/classify/mail"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/store/sqlite"
)

// Invented; the check digit is right.
const someID = "11010519491231002X"

// world is where approved and allowed mail ends.
type world struct {
	mu   sync.Mutex
	mail []string
}

func (w *world) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &session{w}, nil }

func (w *world) got() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.mail...)
}

type session struct{ w *world }

func (s *session) Reset()                                 {}
func (s *session) Logout() error                          { return nil }
func (s *session) Mail(string, *gosmtp.MailOptions) error { return nil }
func (s *session) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.mail = append(s.w.mail, string(data))
	return err
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// postfix starts a mail server of its own on loopback: in asks the milter, the
// second port does not. It is ended with the test.
func postfix(t *testing.T, milterAt, worldAt string, in, relay int) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("Postfix starts as root only")
	}
	program, err := exec.LookPath("postfix")
	if err != nil {
		t.Skip("Postfix is not installed: apt-get install postfix")
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Skip("there is no user postfix")
	}
	dir, err := os.MkdirTemp("", "postfix") // the mail server's users must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	uid, _ := strconv.Atoi(owner.Uid)
	for _, sub := range []string{"conf", "queue", "data"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(dir, "data"), uid, -1); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(worldAt)
	main := fmt.Sprintf(`compatibility_level=3.6
queue_directory=%[1]s/queue
data_directory=%[1]s/data
command_directory=/usr/sbin
daemon_directory=/usr/lib/postfix/sbin
mail_owner=postfix
setgid_group=postdrop
inet_interfaces=127.0.0.1
inet_protocols=ipv4
myhostname=mx.hospital.example
mydestination=
alias_maps=
alias_database=
local_recipient_maps=
mynetworks=127.0.0.0/8
smtpd_recipient_restrictions=permit_mynetworks,reject
relayhost=[%[2]s]:%[3]s
smtp_dns_support_level=disabled
smtpd_milters=inet:%[4]s
milter_default_action=tempfail
milter_connect_timeout=3s
maillog_file=/dev/stdout
`, dir, host, port, milterAt)
	master := fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd\n127.0.0.1:%d inet n - n - - smtpd -o smtpd_milters=\n", in, relay)
	for _, line := range []string{"postlog unix-dgram n - n - 1 postlogd", "pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
		"rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
		"proxymap unix - - n - - proxymap", "smtp unix - - n - - smtp", "error unix - - n - - error", "retry unix - - n - - error", "discard unix - - n - - discard",
		"anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache"} {
		master += line + "\n"
	}
	for name, text := range map[string]string{"main.cf": main, "master.cf": master} {
		if err := os.WriteFile(filepath.Join(dir, "conf", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	cmd := exec.Command(program, "-c", filepath.Join(dir, "conf"), "start-fg")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Skipf("Postfix does not start here: %v", err)
	}
	t.Cleanup(func() {
		_ = exec.Command(program, "-c", filepath.Join(dir, "conf"), "stop").Run()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("postfix:\n%s", log.String())
		}
	})
	waitFor(t, "postfix to listen", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(in))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// guard has rules for every action, chosen by recipient.
func guard(t *testing.T, relay string) *gateway.Guard {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	files, err := folder.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		t.Fatal(err)
	}
	route := func(to string, rules ...gateway.Rule) gateway.Route {
		r := gateway.Route{Name: "to-" + to, To: []string{to + "@*"}, Fail: gateway.Closed, Most: "1MB", Rules: rules}
		if to == "rest" {
			r.To = nil
		}
		return r
	}
	open := route("open")
	open.Fail = gateway.Open
	cfg := gateway.Config{PassLife: time.Hour, HoldLife: time.Hour, Relay: relay, Postmaster: "cordon@hospital.example", Routes: []gateway.Route{
		route("block", gateway.Rule{Level: 4, Do: gateway.Block}), route("coach", gateway.Rule{Level: 4, Do: gateway.Coach}),
		route("redact", gateway.Rule{Level: 4, Do: gateway.Redact}), route("hold", gateway.Rule{Level: 4, Do: gateway.Hold}), open, route("rest"),
	}}
	key := keyed.Key{7}
	g, err := gateway.New(t.Context(), cfg, db, key, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inspector := &classify.Inspector{Engine: engine, Levels: classify.Usual(), Readers: mailreader.Readers(), Key: &key}
	g.Inspector = func() *classify.Inspector { return inspector }
	g.Files = files
	g.Record = func(context.Context, gateway.Decision) error { return nil }
	return g
}

func letter(to, text string) []byte {
	return []byte("From: zhang@hospital.example\r\nTo: " + to + "@x.example\r\nSubject: test " + to + "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n")
}

// desk is a mail server whose mail passes the gateway, and all around it.
type desk struct {
	*testing.T
	w    *world
	g    *gateway.Guard
	in   int
	stop func()
}

// open starts the world, the gateway's door and Postfix between them.
func open(t *testing.T) *desk {
	t.Helper()
	w := &world{}
	end := gosmtp.NewServer(w)
	end.Domain = "world.example"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go end.Serve(ln)
	t.Cleanup(func() { end.Close() })
	in, relay, door := freePort(t), freePort(t), freePort(t)
	g := guard(t, "127.0.0.1:"+strconv.Itoa(relay))
	cfg := Default()
	cfg.Listen = "127.0.0.1:" + strconv.Itoa(door)
	d, err := New(cfg, g, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.Base = "https://cordon.example"
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	waitFor(t, "the milter to listen", func() bool {
		conn, err := net.Dial("tcp", cfg.Listen)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	postfix(t, cfg.Listen, ln.Addr().String(), in, relay)
	return &desk{t, w, g, in, func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}}
}

func (d *desk) send(to, text string) error {
	return smtp.SendMail("127.0.0.1:"+strconv.Itoa(d.in), nil, "zhang@hospital.example", []string{to + "@x.example"}, letter(to, text))
}

func (d *desk) arrives(part string) (found string) {
	d.Helper()
	waitFor(d.T, "a mail with "+part, func() bool {
		for _, m := range d.w.got() {
			if strings.Contains(m, part) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func TestPostfix(t *testing.T) {
	d := open(t)
	send, arrives, w, g := d.send, d.arrives, d.w, d.g
	if err := send("block", "hello"); err != nil {
		t.Errorf("a mail without patient data: %v", err)
	}
	arrives("test block")
	if err := send("block", "id "+someID); err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("block: %v", err)
	}
	coached := send("coach", "id "+someID)
	if coached == nil || !strings.Contains(coached.Error(), "https://cordon.example/pass/") {
		t.Fatalf("coach: %v", coached)
	}
	_, pass, _ := strings.Cut(coached.Error(), "/pass/")
	if _, err := g.Explain(t.Context(), strings.Trim(strings.Fields(pass)[0], "\""), "referral to another hospital"); err != nil {
		t.Fatal(err)
	}
	if err := send("coach", "id "+someID); err != nil {
		t.Errorf("after the reason: %v", err)
	}
	arrives("test coach")
	if err := send("redact", "id "+someID+" end"); err != nil {
		t.Errorf("redact: %v", err)
	}
	if m := arrives("test redact"); strings.Contains(m, someID) {
		t.Errorf("redacted mail holds the number:\n%s", m)
	}
	if err := send("hold", "id "+someID); err != nil {
		t.Errorf("hold: %v", err)
	}
	held, err := g.Passes(t.Context(), gateway.Waiting, 10, 0)
	if err != nil || len(held) == 0 || held[0].Action != gateway.Hold {
		t.Fatalf("nothing is held: %v %v", held, err)
	}
	for _, m := range w.got() {
		if strings.Contains(m, "test hold") {
			t.Fatal("held mail went out")
		}
	}
	if _, err := g.Decide(t.Context(), held[0].ID, true, "wang", "seen, may go"); err != nil {
		t.Fatal(err)
	}
	if err := g.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := arrives("Subject: test hold"); !strings.Contains(m, someID) {
		t.Error("approved mail lost its content")
	}
	big := strings.Repeat("no patient here\r\n", 100_000)
	if err := send("rest", big); err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("too large on a closed route: %v", err)
	}
	if err := send("open", big); err != nil {
		t.Errorf("too large on an open route: %v", err)
	}
	d.stop()
	if err := send("rest", "hello"); err == nil || !strings.Contains(err.Error(), "451") {
		t.Errorf("without the milter Postfix did not wait: %v", err)
	}
}
