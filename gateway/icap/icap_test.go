package icap

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/web"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/store/sqlite"
)

// Invented; the check digit is right.
const someID = "11010519491231002X"

func guard(t *testing.T, routes ...gateway.Route) *gateway.Guard {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	engine, err := classify.New(classify.Config{})
	if err != nil {
		t.Fatal(err)
	}
	key := keyed.Key{7}
	g, err := gateway.New(t.Context(), gateway.Config{PassLife: time.Hour, HoldLife: time.Hour, Routes: routes}, db, key, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inspector := &classify.Inspector{Engine: engine, Levels: classify.Usual(), Readers: web.Readers(), Key: &key}
	g.Inspector = func() *classify.Inspector { return inspector }
	g.Record = func(context.Context, gateway.Decision) error { return nil }
	return g
}

// door serves on loopback until the test ends.
func door(t *testing.T, g *gateway.Guard) (address string) {
	t.Helper()
	d, err := New(Default(), g, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.Base, d.Temp = "https://cordon.example", t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// client speaks ICAP by hand.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// status reads an ICAP header block.
func (c *client) status() (code int, header string) {
	c.t.Helper()
	block, err := readBlock(c.r, mostHead)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(block), "ICAP/1.0 %d", &code); err != nil {
		c.t.Fatalf("%q: %v", block, err)
	}
	return code, string(block)
}

// message reads an encapsulated header and body.
func (c *client) message(header string) (head, body string) {
	c.t.Helper()
	var n int
	_, list, _ := strings.Cut(header, "Encapsulated: ")
	if _, rest, ok := strings.Cut(list, "body="); ok {
		fmt.Sscanf(rest, "%d", &n)
	}
	block := make([]byte, n)
	if _, err := io.ReadFull(c.r, block); err != nil {
		c.t.Fatal(err)
	}
	if strings.Contains(list, "null-body") {
		return string(block), ""
	}
	var b bytes.Buffer
	if err := readChunks(c.r, &b, nil); err != nil {
		c.t.Fatal(err)
	}
	return string(block), b.String()
}

func chunked(text string) string {
	if text == "" {
		return "0\r\n\r\n"
	}
	return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text), text)
}

// post is a REQMOD of a POST.
func post(extra, media, body string) string {
	head := "POST http://chat.example/send HTTP/1.1\r\nHost: chat.example\r\nContent-Type: " + media + "\r\nContent-Length: 7\r\n\r\n"
	return "REQMOD icap://h/request ICAP/1.0\r\nHost: h\r\nX-Client-IP: 10.0.0.9\r\n" + extra + fmt.Sprintf("Encapsulated: req-hdr=0, req-body=%d\r\n\r\n", len(head)) + head + body
}

func blocking() gateway.Route {
	return gateway.Route{Name: "web", Fail: gateway.Closed, Most: "4MB", Rules: []gateway.Rule{{Level: 4, Do: gateway.Block}}}
}

func TestConversation(t *testing.T) {
	c := dial(t, door(t, guard(t, blocking())))
	c.send("OPTIONS icap://h/request ICAP/1.0\r\nHost: h\r\n\r\n")
	if code, h := c.status(); code != 200 || !strings.Contains(h, "Methods: REQMOD") || !strings.Contains(h, "Preview: 4096") {
		t.Errorf("OPTIONS: %d %s", code, h)
	}
	// Without 204 the message comes back as it was.
	c.send(post("", "text/plain", chunked("hello")))
	code, h := c.status()
	head, body := c.message(h)
	if code != 200 || body != "hello" || !strings.HasPrefix(head, "POST http://chat.example/send") {
		t.Errorf("unchanged: %d %q %q", code, head, body)
	}
	c.send(post("Allow: 204\r\n", "text/plain", chunked("hello")))
	if code, _ := c.status(); code != 204 {
		t.Errorf("allowed: %d", code)
	}
	c.send(post("Allow: 204\r\n", "text/plain", chunked("id "+someID)))
	code, h = c.status()
	head, body = c.message(h)
	if code != 200 || !strings.HasPrefix(head, "HTTP/1.1 403") || strings.Contains(body, someID) || !strings.Contains(body, "居民身份证号") {
		t.Errorf("blocked: %d %q\n%s", code, head, body)
	}
	// A preview that is everything, and one that is not.
	c.send(post("Allow: 204\r\nPreview: 1024\r\n", "text/plain", "5\r\nhello\r\n0; ieof\r\n\r\n"))
	if code, _ := c.status(); code != 204 {
		t.Errorf("whole preview: %d", code)
	}
	c.send(post("Allow: 204\r\nPreview: 3\r\n", "text/plain", "3\r\nid \r\n0\r\n\r\n"))
	if code, _ := c.status(); code != 100 {
		t.Fatalf("preview: %d", code)
	}
	c.send(chunked(someID))
	code, h = c.status()
	if head, _ = c.message(h); code != 200 || !strings.HasPrefix(head, "HTTP/1.1 403") {
		t.Errorf("after the preview: %d %q", code, head)
	}
	// The address is content, too.
	get := "GET http://chat.example/q?id=" + someID + " HTTP/1.1\r\nHost: chat.example\r\nAccept: application/json\r\n\r\n"
	c.send(fmt.Sprintf("REQMOD icap://h/request ICAP/1.0\r\nAllow: 204\r\nEncapsulated: req-hdr=0, null-body=%d\r\n\r\n%s", len(get), get))
	code, h = c.status()
	if head, body = c.message(h); code != 200 || !strings.Contains(head, "problem+json") || !strings.Contains(body, `"status":403`) {
		t.Errorf("address: %d %q %q", code, head, body)
	}
}

func TestResponse(t *testing.T) {
	c := dial(t, door(t, guard(t, blocking())))
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
	c.send(fmt.Sprintf("RESPMOD icap://h/response ICAP/1.0\r\nEncapsulated: res-hdr=0, res-body=%d\r\n\r\n%s%s", len(head), head, chunked("fine")))
	code, h := c.status()
	if got, body := c.message(h); code != 200 || got != head || body != "fine" {
		t.Errorf("unchanged: %d %q %q", code, got, body)
	}
	c.send(fmt.Sprintf("RESPMOD icap://h/response ICAP/1.0\r\nEncapsulated: res-hdr=0, res-body=%d\r\n\r\n%s%s", len(head), head, chunked(someID)))
	code, h = c.status()
	if got, _ := c.message(h); code != 200 || !strings.HasPrefix(got, "HTTP/1.1 403") {
		t.Errorf("blocked: %d %q", code, got)
	}
}

func TestRedact(t *testing.T) {
	r := blocking()
	r.Rules[0].Do = gateway.Redact
	c := dial(t, door(t, guard(t, r)))
	c.send(post("Allow: 204\r\n", "application/json", chunked(`{"text":"id `+someID+`"}`)))
	code, h := c.status()
	head, body := c.message(h)
	if code != 200 || strings.Contains(body, someID) || !strings.Contains(body, `{"text":"id [cn-resident-id]`) {
		t.Errorf("redacted: %d %q", code, body)
	}
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + body)))
	if err != nil || req.ContentLength != int64(len(body)) || req.Host != "chat.example" {
		t.Errorf("the request that goes on: %v %+v", err, req)
	}
	c.send(post("Allow: 204\r\n", "application/pdf", chunked("%PDF id "+someID)))
	code, h = c.status()
	if head, _ = c.message(h); !strings.HasPrefix(head, "HTTP/1.1 403") {
		t.Errorf("what cannot be redacted: %d %q", code, head)
	}
}

func TestLarge(t *testing.T) {
	for _, f := range []gateway.Fail{gateway.Open, gateway.Closed} {
		r := blocking()
		r.Fail, r.Most = f, "2MB"
		c := dial(t, door(t, guard(t, r)))
		c.send(post("Allow: 204\r\n", "text/plain", ""))
		part := strings.Repeat("a", 1<<16)
		for range 64 {
			c.send(fmt.Sprintf("%x\r\n%s\r\n", len(part), part))
		}
		c.send("0\r\n\r\n")
		code, h := c.status()
		if f == gateway.Open && code != 204 {
			t.Errorf("open: %d", code)
		}
		if f == gateway.Closed {
			if head, _ := c.message(h); !strings.HasPrefix(head, "HTTP/1.1 403") {
				t.Errorf("closed: %d %q", code, head)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	at := door(t, guard(t, blocking()))
	for text, want := range map[string]int{
		"GET / HTTP/1.1\r\n\r\n":                                                         400,
		"REQMOD icap://h/request ICAP/2.0\r\n\r\n":                                       505,
		"DELETE icap://h/request ICAP/1.0\r\n\r\n":                                       501,
		"OPTIONS icap://h/other ICAP/1.0\r\n\r\n":                                        404,
		"REQMOD icap://h/request ICAP/1.0\r\nEncapsulated: req-hdr=9\r\n\r\n":            400,
		"REQMOD icap://h/request ICAP/1.0\r\nEncapsulated: null-body=0\r\n\r\n":          400,
		"RESPMOD icap://h/request ICAP/1.0\r\nEncapsulated: res-body=0\r\n\r\n0\r\n\r\n": 405,
		"REQMOD icap://h/request ICAP/1.0\r\nPreview: x\r\n\r\n":                         400,
		post("", "text/plain", "zz\r\n"):                                                 400,
	} {
		c := dial(t, at)
		c.send(text)
		if code, _ := c.status(); code != want {
			t.Errorf("%.60q: %d, not %d", text, code, want)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(post("Preview: 4\r\n", "text/plain", chunked("hello"))))
	f.Add([]byte("OPTIONS icap://h/request ICAP/1.0\r\n\r\n"))
	f.Add([]byte("REQMOD icap://h/request ICAP/1.0\r\nEncapsulated: req-hdr=0, null-body=99999999\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		req, err := readRequest(r)
		if err != nil {
			return
		}
		_ = req.host()
		splitHead(req.reqHead)
		if req.body {
			var whole bool
			_ = readChunks(r, io.Discard, &whole)
		}
	})
}
