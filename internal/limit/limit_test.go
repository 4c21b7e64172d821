package limit

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"
)

func TestLimiterPaces(t *testing.T) {
	now := time.Unix(0, 0)
	l := New(time.Second, 2, 100, func() time.Time { return now })
	for range 2 {
		if ok, _ := l.Allow("a"); !ok {
			t.Fatal("refused within the burst")
		}
	}
	ok, wait := l.Allow("a")
	if ok || wait <= 0 || wait > time.Second {
		t.Fatalf("third: %v, wait %v", ok, wait)
	}
	if ok, _ := l.Allow("b"); !ok {
		t.Error("another key waits for the first")
	}
	now = now.Add(wait)
	if ok, _ := l.Allow("a"); !ok {
		t.Error("refused after the wait")
	}
}

func TestLimiterIsBounded(t *testing.T) {
	l := New(time.Second, 1, 10, func() time.Time { return time.Unix(0, 0) })
	for i := range 1000 {
		l.Allow(fmt.Sprint(i))
	}
	if len(l.keys) != 10 || l.used.Len() != 10 {
		t.Errorf("%d keys, %d in order, want 10", len(l.keys), l.used.Len())
	}
}

func TestPeer(t *testing.T) {
	for _, c := range []struct {
		remote, via string
		proxied     bool
		want        string
	}{
		{"10.0.0.7:1234", "", false, "10.0.0.7"},
		{"127.0.0.1:1", "1.1.1.1, 10.0.0.9", true, "10.0.0.9"},
		{"127.0.0.1:1", "1.1.1.1", false, "127.0.0.1"},
		{"[2001:db8:1:2:3:4:5:6]:80", "", false, "2001:db8:1:2::"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		if c.via != "" {
			r.Header.Set("X-Forwarded-For", c.via)
		}
		if got := Peer(r, c.proxied); got != c.want {
			t.Errorf("Peer(%q, %q, %v) = %q, want %q", c.remote, c.via, c.proxied, got, c.want)
		}
	}
}
