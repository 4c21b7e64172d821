// Package limit slows down those who ask too often, each by a key of their own
// (an address, a token), in bounded memory.
//
// What it gives: [Limiter], token buckets of golang.org/x/time/rate by key, and
// [Peer], the address of who sent a request. When there are more keys than
// Most, the one unused for longest is forgotten, which at worst forgives it.
// It keeps nothing over a restart.
package limit

import (
	"container/list"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter allows each key Burst at once and Every as a pace. All methods may
// be called concurrently.
type Limiter struct {
	every rate.Limit
	burst int
	most  int
	now   func() time.Time

	mu   sync.Mutex
	keys map[string]*list.Element // guarded by mu
	used *list.List               // guarded by mu: newest first, of *bucket
}

type bucket struct {
	key string
	*rate.Limiter
}

// New makes a limiter for at most so many keys.
func New(every time.Duration, burst, most int, now func() time.Time) *Limiter {
	return &Limiter{every: rate.Every(every), burst: burst, most: most, now: now, keys: map[string]*list.Element{}, used: list.New()}
}

// Allow takes one from the key's bucket; if that is empty it says how long to
// wait.
func (l *Limiter) Allow(key string) (ok bool, wait time.Duration) {
	l.mu.Lock()
	b := l.bucket(key)
	l.mu.Unlock()
	now := l.now()
	r := b.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return false, wait
	}
	return true, 0
}

func (l *Limiter) bucket(key string) *bucket {
	if e, ok := l.keys[key]; ok {
		l.used.MoveToFront(e)
		return e.Value.(*bucket)
	}
	for l.used.Len() >= l.most {
		old := l.used.Back()
		delete(l.keys, old.Value.(*bucket).key)
		l.used.Remove(old)
	}
	b := &bucket{key, rate.NewLimiter(l.every, l.burst)}
	l.keys[key] = l.used.PushFront(b)
	return b
}

// Peer is the address a request came from, without the port: an IPv6 client
// counts as its /64. proxied takes the last address of X-Forwarded-For, which
// the reverse proxy on this machine wrote.
func Peer(r *http.Request, proxied bool) string {
	addr := r.RemoteAddr
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host
	}
	if via := r.Header.Get("X-Forwarded-For"); proxied && via != "" {
		addr = strings.TrimSpace(via[strings.LastIndexByte(via, ',')+1:])
	}
	ip := net.ParseIP(addr)
	if ip == nil || ip.To4() != nil {
		return addr
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
