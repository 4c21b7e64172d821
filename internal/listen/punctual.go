package listen

import (
	"io"
	"net/http"
	"time"
)

// The body of a request may take bodyTime, and longer when it is large: a
// second more for each bodyRate bytes. Time in which the server does not read
// does not count, so that an import may take as long as its storing does.
const (
	bodyTime = time.Minute
	bodyRate = 8 << 10
)

// Punctual serves h and cuts off peers that send a request's body too slowly.
func Punctual(h http.Handler, now func() time.Time) http.Handler {
	return punctual(h, now, bodyTime)
}

func punctual(h http.Handler, now func() time.Time, grace time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			h.ServeHTTP(w, r)
			return
		}
		b := &timedBody{ReadCloser: r.Body, control: http.NewResponseController(w), now: now, left: grace}
		b.limit() // also for a body that h does not read
		r.Body = b
		h.ServeHTTP(w, r)
	})
}

type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
	now     func() time.Time
	left    time.Duration
}

func (b *timedBody) limit() {
	_ = b.control.SetReadDeadline(b.now().Add(b.left)) // not every writer has a connection
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	b.limit()
	start := b.now()
	n, err := b.ReadCloser.Read(p)
	b.left += time.Duration(n)*time.Second/bodyRate - b.now().Sub(start)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{}) // what follows may be waited for
	}
	return n, err
}
