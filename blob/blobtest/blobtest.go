// Package blobtest is what every engine behind package blob must pass: the
// promises of blob.Store as tests.
//
// An engine's own test calls Run with how to make and open a store; the suite
// opens one store several times, as several processes would.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/cordon-health/cordon/blob"
)

// Engine is what the suite needs to know of an engine.
type Engine struct {
	// New returns the location of a new, empty store.
	New func(t *testing.T) string
	// Open opens the store at a location that New returned.
	Open func(ctx context.Context, location string) (blob.Store, error)
}

// Run runs the suite.
func Run(t *testing.T, e Engine) {
	tests := []struct {
		name string
		run  func(*testing.T, suite)
	}{
		{"RoundTrip", testRoundTrip},
		{"Reopen", testReopen},
		{"Replace", testReplace},
		{"Missing", testMissing},
		{"Delete", testDelete},
		{"List", testList},
		{"Names", testNames},
		{"ReaderFails", testReaderFails},
		{"Cancelled", testCancelled},
		{"OpenWhileReplaced", testOpenWhileReplaced},
		{"SameNameAtOnce", testSameNameAtOnce},
		{"ManyAtOnce", testManyAtOnce},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, suite{e, e.New(t)}) })
	}
}

// suite is one test's store.
type suite struct {
	engine   Engine
	location string
}

func (s suite) open(t *testing.T) blob.Store {
	t.Helper()
	store, err := s.engine.Open(t.Context(), s.location)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// plain hides everything of a reader but Read.
type plain struct{ io.Reader }

func put(t *testing.T, store blob.Store, name string, data []byte) {
	t.Helper()
	if err := store.Put(t.Context(), name, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, store blob.Store, name string, data []byte) {
	t.Helper()
	size, err := store.Stat(t.Context(), name)
	if err != nil || size != int64(len(data)) {
		t.Errorf("%s has %d bytes (error %v), want %d", name, size, err, len(data))
	}
	r, err := store.Get(t.Context(), name)
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s came back changed, %d bytes instead of %d (error %v)", name, len(got), len(data), err)
	}
}

func wantMissing(t *testing.T, store blob.Store, name string) {
	t.Helper()
	if r, err := store.Get(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of %s: got %v, want %v", name, err, fs.ErrNotExist)
		if err == nil {
			r.Close()
		}
	}
	if _, err := store.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat of %s: got %v, want %v", name, err, fs.ErrNotExist)
	}
}

func wantList(t *testing.T, store blob.Store, prefix string, names ...string) {
	t.Helper()
	got, err := store.List(t.Context(), prefix)
	if err != nil {
		t.Error(err)
	}
	if !slices.Equal(got, names) {
		t.Errorf("list of %q is %q, want %q", prefix, got, names)
	}
}

// sample is n bytes that do not repeat in an obvious way.
func sample(n int) []byte {
	data := make([]byte, n)
	x := uint32(n + 1)
	for i := range data {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	return data
}

func testRoundTrip(t *testing.T, s suite) {
	store := s.open(t)
	for _, n := range []int{0, 1, 1000, 1 << 20, 20 << 20} {
		data, name := sample(n), fmt.Sprintf("sizes/n=%d.bin", n)
		put(t, store, name, data)
		want(t, store, name, data)
		if err := store.Put(t.Context(), name+"-plain", plain{bytes.NewReader(data)}); err != nil {
			t.Fatal(err)
		}
		want(t, store, name+"-plain", data)
	}
	partly := bytes.NewReader([]byte("not this, but this"))
	if _, err := partly.Seek(10, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), "rest", partly); err != nil {
		t.Fatal(err)
	}
	want(t, store, "rest", []byte("but this"))
}

func testReopen(t *testing.T, s suite) {
	put(t, s.open(t), "a/b", []byte("kept"))
	want(t, s.open(t), "a/b", []byte("kept"))
}

func testReplace(t *testing.T, s suite) {
	store := s.open(t)
	for _, text := range []string{"first", "second, longer", "3rd", "3rd"} {
		put(t, store, "name", []byte(text))
		want(t, store, "name", []byte(text))
	}
	wantList(t, store, "", "name")
}

func testMissing(t *testing.T, s suite) {
	store := s.open(t)
	wantMissing(t, store, "nothing")
	wantMissing(t, store, "no/such/folder")
	put(t, store, "folder/file", nil)
	wantMissing(t, store, "folder")
	wantList(t, store, "nothing")
	wantList(t, store, "no/such/")
}

func testDelete(t *testing.T, s suite) {
	store := s.open(t)
	put(t, store, "a/b", []byte("x"))
	put(t, store, "a/c", []byte("y"))
	for range 2 {
		if err := store.Delete(t.Context(), "a/b"); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Delete(t.Context(), "a"); err != nil {
		t.Errorf("deleting a folder's name: %v", err)
	}
	wantMissing(t, store, "a/b")
	want(t, store, "a/c", []byte("y"))
	wantList(t, store, "", "a/c")
	put(t, store, "a/b", []byte("again"))
	want(t, store, "a/b", []byte("again"))
}

func testList(t *testing.T, s suite) {
	store := s.open(t)
	names := []string{"a-1", "a/1", "a/b/2", "ab", "day=2026-01-02/x.parquet", "z_9"}
	for _, name := range names {
		put(t, store, name, []byte(name))
	}
	wantList(t, store, "", names...)
	wantList(t, store, "a", "a-1", "a/1", "a/b/2", "ab")
	wantList(t, store, "a/", "a/1", "a/b/2")
	wantList(t, store, "a/b", "a/b/2")
	wantList(t, store, "a/b/2", "a/b/2")
	wantList(t, store, "day=", "day=2026-01-02/x.parquet")
	wantList(t, store, "../")
	wantList(t, store, "/")
}

func testNames(t *testing.T, s suite) {
	store := s.open(t)
	for _, name := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/./b", ".hidden", "a/.hidden",
		`a\b`, "a b", "a:b", "a*", "张", "a\x00b", "a\nb", strings.Repeat("a", blob.MaxName+1), strings.Repeat("a", 256),
	} {
		if err := store.Put(t.Context(), name, strings.NewReader("x")); err == nil {
			t.Errorf("Put accepted the name %q", name)
		}
		if r, err := store.Get(t.Context(), name); err == nil {
			r.Close()
			t.Errorf("Get accepted the name %q", name)
		}
		if _, err := store.Stat(t.Context(), name); err == nil {
			t.Errorf("Stat accepted the name %q", name)
		}
		if err := store.Delete(t.Context(), name); err == nil {
			t.Errorf("Delete accepted the name %q", name)
		}
	}
	wantList(t, store, "")
	long := strings.Repeat("abcdefg/", 63) + "12345678"
	put(t, store, long, []byte("long"))
	want(t, store, long, []byte("long"))
}

func testReaderFails(t *testing.T, s suite) {
	store := s.open(t)
	boom := errors.New("boom")
	put(t, store, "kept", []byte("old"))
	for _, n := range []int{10, 20 << 20} {
		broken := io.MultiReader(bytes.NewReader(sample(n)), iotest.ErrReader(boom))
		for _, name := range []string{"kept", "new"} {
			if err := store.Put(t.Context(), name, broken); !errors.Is(err, boom) {
				t.Errorf("got %v, want the error of the reader", err)
			}
		}
	}
	want(t, store, "kept", []byte("old"))
	wantList(t, store, "", "kept")
}

func testCancelled(t *testing.T, s suite) {
	store := s.open(t)
	put(t, store, "kept", []byte("old"))
	ctx, cancel := context.WithCancel(t.Context())
	late := io.MultiReader(bytes.NewReader(sample(100)), readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }))
	if err := store.Put(ctx, "kept", late); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: got %v, want %v", err, context.Canceled)
	}
	if _, err := store.List(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("List: got %v, want %v", err, context.Canceled)
	}
	if _, err := store.Get(ctx, "kept"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: got %v, want %v", err, context.Canceled)
	}
	want(t, store, "kept", []byte("old"))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func testOpenWhileReplaced(t *testing.T, s suite) {
	store := s.open(t)
	old := sample(3 << 20)
	for _, change := range []func() error{
		func() error { return store.Put(t.Context(), "name", strings.NewReader("new")) },
		func() error { return store.Delete(t.Context(), "name") },
	} {
		put(t, store, "name", old)
		r, err := store.Get(t.Context(), "name")
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1000)
		if _, err := io.ReadFull(r, first); err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(append(first, rest...), old) {
			t.Errorf("an open blob changed under its reader (error %v)", err)
		}
	}
}

func testSameNameAtOnce(t *testing.T, s suite) {
	store := s.open(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			data := bytes.Repeat([]byte{byte('a' + i)}, 100_000)
			if err := store.Put(t.Context(), "name", bytes.NewReader(data)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r, err := store.Get(t.Context(), "name")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || len(got) != 100_000 || bytes.Count(got, got[:1]) != len(got) {
		t.Errorf("the blob is a mixture (%d bytes, error %v)", len(got), err)
	}
	wantList(t, store, "", "name")
}

func testManyAtOnce(t *testing.T, s suite) {
	stores := []blob.Store{s.open(t), s.open(t)}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			name := fmt.Sprintf("new/%d/file", i%5) + fmt.Sprint(i)
			if err := stores[i%2].Put(t.Context(), name, bytes.NewReader(sample(i*100))); err != nil {
				t.Error(err)
				return
			}
			want(t, stores[(i+1)%2], name, sample(i*100))
		})
	}
	wg.Wait()
	names, err := stores[0].List(t.Context(), "new/")
	if err != nil || len(names) != 24 {
		t.Errorf("%d files are listed (error %v), want 24", len(names), err)
	}
}
