// Package smalldisk gives tests a disk that can be filled: a small file
// system in memory, mounted for one test and gone after it.
//
// Mounting needs Linux and root; elsewhere the test is skipped and says so.
// Fill leaves about the asked number of bytes free, so that a test can watch
// how a full disk is met and how work goes on when space returns.
package smalldisk

import (
	"os"
	"path/filepath"
	"testing"
)

// Fill writes a file into dir until the disk is full, then gives leave bytes
// back, and returns the file's path. Removing it gives all the space back.
func Fill(t testing.TB, dir string, leave int64) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatalf("fill the small disk: %v", err)
	}
	defer f.Close()
	var size int64
	for chunk := make([]byte, 64<<10); err == nil; {
		var n int
		n, err = f.Write(chunk)
		size += int64(n)
	}
	if err := f.Truncate(max(0, size-leave)); err != nil {
		t.Fatalf("fill the small disk: %v", err)
	}
	return path
}
