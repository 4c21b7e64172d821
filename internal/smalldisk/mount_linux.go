package smalldisk

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// Mount returns the folder of a new file system of size bytes. It is
// unmounted when the test ends.
func Mount(t testing.TB, size int64) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a disk that can be filled needs root to mount it: run the tests as root to include this one")
	}
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=0777", size))
	if err != nil {
		t.Skipf("this machine does not allow mounting a small disk (%v): run the tests outside a restricted container to include this one", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk %s: %v", dir, err)
		}
	})
	return dir
}
