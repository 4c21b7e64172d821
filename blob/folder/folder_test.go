package folder

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/blob/blobtest"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/internal/smalldisk"
)

func TestFolder(t *testing.T) {
	blobtest.Run(t, blobtest.Engine{
		New:  func(t *testing.T) string { return filepath.Join(t.TempDir(), "new", "files") },
		Open: func(_ context.Context, dir string) (blob.Store, error) { return Open(dir) },
	})
}

func openFolder(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFullDisk(t *testing.T) {
	dir := smalldisk.Mount(t, 2<<20)
	f := openFolder(t, dir)
	data := make([]byte, 100<<10)
	if err := f.Put(t.Context(), "first", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	ballast := smalldisk.Fill(t, dir, 50<<10)
	for range 3 {
		if err := f.Put(t.Context(), "first", bytes.NewReader(data)); !blob.Full(err) {
			t.Fatalf("on a full disk: got %v, want an error that blob.Full recognises", err)
		}
	}
	if size, err := f.Stat(t.Context(), "first"); err != nil || size != int64(len(data)) {
		t.Errorf("the old file was lost: %d bytes (error %v)", size, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), "first", bytes.NewReader(data)); err != nil {
		t.Errorf("after space returned: %v", err)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	f := openFolder(t, dir)
	if err := f.Put(t.Context(), "a/b", strings.NewReader("kept")); err != nil {
		t.Fatal(err)
	}
	left, err := durable.Create(filepath.Join(dir, "a", "c"), 0o600) // a crash before Commit
	if err != nil {
		t.Fatal(err)
	}
	defer left.Abort()
	if names, err := f.List(t.Context(), ""); err != nil || len(names) != 1 {
		t.Errorf("an unfinished file is listed: %q (error %v)", names, err)
	}
	if err := f.Sweep(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "a"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "b" {
		t.Errorf("after Sweep there is %v (error %v), want b alone", entries, err)
	}
}

func TestPath(t *testing.T) {
	dir := t.TempDir()
	path, err := openFolder(t, dir).Path("a/b")
	if err != nil || path != filepath.Join(dir, "a", "b") {
		t.Errorf("got %s (error %v)", path, err)
	}
}
