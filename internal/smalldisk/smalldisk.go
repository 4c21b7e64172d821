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

	"github.com/cordon-health/cordon/internal/durable"
)

// Fill writes a file into dir so that at most leave bytes stay free, and
// returns its path. Removing the file gives the space back.
func Fill(t testing.TB, dir string, leave uint64) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatalf("fill the small disk: %v", err)
	}
	defer f.Close()
	free, err := durable.Free(dir)
	if err != nil {
		t.Fatalf("fill the small disk: %v", err)
	}
	if free <= leave {
		return path
	}
	if _, err := f.Write(make([]byte, free-leave)); err != nil && !durable.Full(err) {
		t.Fatalf("fill the small disk: %v", err)
	}
	return path
}
