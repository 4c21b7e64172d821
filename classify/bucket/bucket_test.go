package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cordon-health/cordon/classify"
)

// start serves an empty bucket "his" in the process.
func start(t *testing.T) (*s3mem.Backend, string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("his"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(srv.Close)
	return backend, "s3://key:secret@his/exports/?insecure=true&endpoint=" + strings.TrimPrefix(srv.URL, "http://")
}

func put(t *testing.T, b *s3mem.Backend, key string, data []byte) {
	t.Helper()
	if _, err := b.PutObject("his", key, map[string]string{"Last-Modified": "Mon, 2 Mar 2026 15:04:05 GMT"}, bytes.NewReader(data), int64(len(data)), nil); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, b *Bucket) map[string]classify.Object {
	t.Helper()
	all := map[string]classify.Object{}
	err := b.List(t.Context(), func(o classify.Object) error { all[o.Path] = o; return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestListsBelowThePrefixAndMarksByContent(t *testing.T) {
	backend, address := start(t)
	put(t, backend, "exports/a.csv", []byte("one"))
	put(t, backend, "exports/2026/b.csv", []byte("two"))
	put(t, backend, "exports/2026/b.tmp", []byte("left out"))
	put(t, backend, "other/c.csv", []byte("elsewhere"))
	b, err := New(Options{Address: address, Exclude: classify.Globs{"*.tmp"}})
	if err != nil {
		t.Fatal(err)
	}
	first := list(t, b)
	if len(first) != 2 || first["s3://his/exports/2026/b.csv"].Size != 3 {
		t.Fatalf("listed %v", first)
	}
	put(t, backend, "exports/a.csv", []byte("0ne"))
	again := list(t, b)
	if again["s3://his/exports/a.csv"].Mark == first["s3://his/exports/a.csv"].Mark {
		t.Error("other content of the same size has the same mark")
	}
	if again["s3://his/exports/2026/b.csv"].Mark != first["s3://his/exports/2026/b.csv"].Mark {
		t.Error("the same content has another mark")
	}
	if strings.Contains(b.Name(), "secret") {
		t.Errorf("name %q holds the secret", b.Name())
	}
}

func TestReadsInRanges(t *testing.T) {
	backend, address := start(t)
	data := make([]byte, 12*block+777)
	rand.Read(data)
	put(t, backend, "exports/large", data)
	b, err := New(Options{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	o := list(t, b)["s3://his/exports/large"]
	_, err = b.Inspect(t.Context(), o, func(_ context.Context, src classify.Source, _ classify.Reader, _ func(*classify.Finding) error) (classify.Summary, error) {
		for _, at := range []struct{ off, n int64 }{{0, 10}, {block - 5, 10}, {int64(len(data)) - 100, 100}, {3*block + 1, 4 * block}, {0, 100}} {
			p := make([]byte, at.n)
			if n, err := src.ReadAt(p, at.off); err != nil || !bytes.Equal(p[:n], data[at.off:at.off+at.n]) {
				t.Errorf("at %d: %d bytes, %v", at.off, n, err)
			}
		}
		if n, err := src.ReadAt(make([]byte, 10), int64(len(data))-4); n != 4 || err != io.EOF {
			t.Errorf("at the end %d, %v", n, err)
		}
		got, err := io.ReadAll(io.NewSectionReader(src, 0, src.Size()))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("whole: %d bytes, %v", len(got), err)
		}
		if kept := len(src.(*object).kept); kept > blocks {
			t.Errorf("%d blocks are kept", kept)
		}
		return classify.Summary{}, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

func TestSaysWhatChangedAndWhatIsGone(t *testing.T) {
	backend, address := start(t)
	put(t, backend, "exports/a", bytes.Repeat([]byte("a"), 3*block))
	b, err := New(Options{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	o := list(t, b)["s3://his/exports/a"]
	read := func(between func()) (classify.Look, error) {
		return b.Inspect(t.Context(), o, func(_ context.Context, src classify.Source, _ classify.Reader, _ func(*classify.Finding) error) (classify.Summary, error) {
			_, err := src.ReadAt(make([]byte, 1), 0)
			between()
			_, err2 := src.ReadAt(make([]byte, 1), 2*block)
			if err == nil {
				err = err2
			}
			return classify.Summary{}, err
		}, nil)
	}
	look, err := read(func() { put(t, backend, "exports/a", bytes.Repeat([]byte("b"), 3*block)) })
	if err == nil || !look.Changed {
		t.Errorf("an object written anew: %v, changed %v", err, look.Changed)
	}
	if _, err := backend.DeleteObject("his", "exports/a"); err != nil {
		t.Fatal(err)
	}
	if _, err := read(func() {}); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("an object that is gone: %v", err)
	}
}

func TestRefusesWhatIsNoBucket(t *testing.T) {
	for _, address := range []string{"", "s3://", "https://x/y", "s3:bucket"} {
		if _, err := New(Options{Address: address}); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
	_, address := start(t)
	b, err := New(Options{Address: strings.Replace(address, "@his", "@none", 1)})
	if err != nil {
		t.Fatal(err)
	}
	err = b.List(t.Context(), func(classify.Object) error { return nil }, nil)
	if err == nil || !strings.Contains(err.Error(), "no such bucket") {
		t.Errorf("a bucket that is not there: %v", err)
	}
}
