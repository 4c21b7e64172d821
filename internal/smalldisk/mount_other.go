//go:build !linux

package smalldisk

import "testing"

// Mount skips the test: it needs Linux.
func Mount(t testing.TB, _ int64) string {
	t.Helper()
	t.Skip("a disk that can be filled is mounted on Linux only")
	return ""
}
