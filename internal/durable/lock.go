package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrLocked says that another process, or another part of this one, holds a
// lock.
var ErrLocked = errors.New("in use by another process; stop it first")

// Lock takes the exclusive lock of the file at path, creating it when
// missing, and holds it until Close. The kernel frees it when the process
// ends in whatever way, so nothing stale can remain; the file itself stays.
// It does not wait: a lock that is held is ErrLocked.
func Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
