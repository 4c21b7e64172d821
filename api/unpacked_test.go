package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http/httptest"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestOpenedIsBounded: a body that is small when packed does not become more
// than the limit.
func TestOpenedIsBounded(t *testing.T) {
	const most = 1 << 20
	for name, pack := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	} {
		for size, want := range map[int]error{most: nil, most + 1: errUnpacked, 20 * most: errUnpacked} {
			var packed bytes.Buffer
			w := pack(&packed)
			if _, err := w.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "/", &packed)
			r.Header.Set("Content-Encoding", name)
			body, done, err := opened(r, most)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, body)
			done()
			if !errors.Is(err, want) || n > most {
				t.Errorf("%s of %d bytes: %d read, %v", name, size, n, err)
			}
		}
	}
}
