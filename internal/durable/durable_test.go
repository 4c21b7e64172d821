package durable

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q (error %v), want %q", filepath.Base(path), got, err, want)
	}
}

// wantAlone checks that a folder holds these names and nothing else.
func wantAlone(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the folder holds %q, want %q", got, names)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"one", "", "three"} {
		if err := WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, text)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file has the rights %v (error %v)", info.Mode(), err)
	}
	wantAlone(t, dir, "file")
	if err := WriteFile(filepath.Join(dir, "no", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing folder: got %v, want %v", err, fs.ErrNotExist)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "folder"), nil, 0o600); err == nil {
		t.Error("a folder was replaced by a file")
	}
	wantAlone(t, dir, "file", "folder")
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "old")
	f.Abort()
	f.Abort()
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Commit after Abort: got %v, want %v", err, fs.ErrClosed)
	}
	if _, err := f.Write(nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write after Abort: got %v, want %v", err, fs.ErrClosed)
	}
	wantFile(t, path, "old")
	wantAlone(t, dir, "file")
}

func TestCommit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	f, err := Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	for range 3 {
		if _, err := f.Write([]byte("abc")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file is visible before Commit")
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "abcabcabc")
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the second Commit: got %v, want %v", err, fs.ErrClosed)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := MkdirAll(deep, 0o700); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := WriteFile(filepath.Join(deep, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(filepath.Join(deep, "file"), 0o700); err == nil {
		t.Error("a file was taken for a folder")
	}
	if err := MkdirAll(filepath.Join(deep, "file", "below"), 0o700); err == nil {
		t.Error("a folder was made below a file")
	}
}

func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removing again: got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a held lock: got %v, want %v", err, ErrLocked)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(path)
	if err != nil {
		t.Fatalf("a released lock: %v", err)
	}
	again.Close()
}

func TestFull(t *testing.T) {
	if Full(nil) || Full(fs.ErrNotExist) {
		t.Error("another error is taken for a full disk")
	}
	free, err := Free(t.TempDir())
	if err != nil || free == 0 {
		t.Errorf("%d bytes are free (error %v)", free, err)
	}
	if _, err := Free(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing folder has free space")
	}
}

const childEnv = "CORDON_DURABLE_CHILD"

// TestKill kills a process that keeps replacing a file. The file is always a
// whole one, not older than the last that was reported; what is left beside
// it goes with Sweep.
func TestKill(t *testing.T) {
	if path := os.Getenv(childEnv); path != "" {
		replaceForever(t, path)
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for round := range 4 {
		reported := killAfter(t, path, 20+round)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if _, err := fmt.Sscanf(string(data), "%d ", &n); err != nil {
			t.Fatal(err)
		}
		if n < reported || !bytes.Equal(data, version(n)) {
			t.Errorf("version %d was reported, the file holds version %d of %d bytes", reported, n, len(data))
		}
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	wantAlone(t, dir, "file")
}

func version(n int) []byte {
	return []byte(fmt.Sprintf("%d %s", n, strings.Repeat("x", 50_000+n)))
}

func replaceForever(t *testing.T, path string) {
	for n := 1; n < 100_000; n++ {
		if err := WriteFile(path, version(n), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("done %d\n", n)
	}
}

func killAfter(t *testing.T, path string, n int) (reported int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "done %d", &reported); err != nil {
			t.Logf("writer: %s", lines.Text())
		}
		if reported == n {
			cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	return reported
}
