// Package durable is the only place that calls fsync and rename: what it
// reports as written is still there after a power cut, and a reader sees
// either the whole old file or the whole new one.
//
// A new file is written under a temporary name in the same folder, synced,
// renamed over its final name, and the folder is synced; only then does
// Commit return nil. Temporary names start with TempPrefix, so that an owner
// of a folder can recognise what a crash left behind (Sweep removes it).
//
// What can still go wrong, and is not hidden:
//
//   - A disk that acknowledges a flush it did not make (a volatile write
//     cache without a battery) can lose the last writes. No program can
//     notice.
//   - When fsync fails, the kernel may have dropped the dirty pages and a
//     second fsync would succeed without writing them. So a failed file is
//     never retried, only removed; the caller writes a new one.
//   - When the rename was done but the folder could not be synced, the error
//     is returned although the new file is visible; after a power cut either
//     version may be found. Writing again is safe.
//   - Network file systems may implement rename or fsync more weakly than a
//     local disk does.
//   - On Windows a folder cannot be synced; NTFS journals the rename itself.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// TempPrefix begins the name of every file that was not committed yet.
const TempPrefix = ".tmp-"

// WriteFile replaces path by data, atomically and durably.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// File is a file being written. It becomes visible under its name with
// Commit, or never. It belongs to one goroutine.
type File struct {
	path string
	tmp  *os.File // nil after Commit or Abort
}

// Create begins a new version of path. The folder must exist.
func Create(path string, perm fs.FileMode) (*File, error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), TempPrefix)
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", path, err)
	}
	f := &File{path: path, tmp: tmp}
	if err := tmp.Chmod(perm); err != nil {
		f.Abort()
		return nil, fmt.Errorf("begin %s: %w", path, err)
	}
	return f, nil
}

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) {
	if f.tmp == nil {
		return 0, fmt.Errorf("write %s: %w", f.path, fs.ErrClosed)
	}
	n, err := f.tmp.Write(p)
	if err != nil {
		return n, fmt.Errorf("write %s: %w", f.path, err)
	}
	return n, nil
}

// Commit makes the file visible and durable. After an error it is gone, and
// whatever stood at the path before still stands there, except when syncing
// the folder failed (see the package comment).
func (f *File) Commit() error {
	if f.tmp == nil {
		return fmt.Errorf("commit %s: %w", f.path, fs.ErrClosed)
	}
	defer f.Abort()
	if err := f.tmp.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", f.path, err)
	}
	name := f.tmp.Name()
	if err := f.tmp.Close(); err != nil {
		return fmt.Errorf("close %s: %w", f.path, err)
	}
	if err := os.Rename(name, f.path); err != nil {
		return fmt.Errorf("commit %s: %w", f.path, err)
	}
	f.tmp = nil
	return SyncDir(filepath.Dir(f.path))
}

// Abort drops an uncommitted file. It may be called at any time, any number
// of times; after Commit it does nothing, so it suits defer.
func (f *File) Abort() {
	if f.tmp == nil {
		return
	}
	// Both may fail on a dying disk; Sweep collects what stays behind.
	_ = f.tmp.Close()
	_ = os.Remove(f.tmp.Name())
	f.tmp = nil
}

// MkdirAll creates dir and its missing parents; each new entry is durable.
func MkdirAll(dir string, perm fs.FileMode) error {
	dir = filepath.Clean(dir)
	info, err := os.Stat(dir)
	if err == nil {
		if info.IsDir() {
			return nil
		}
		return fmt.Errorf("create folder %s: a file has this name", dir)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create folder %s: %w", dir, err)
	}
	parent := filepath.Dir(dir)
	if err := MkdirAll(parent, perm); err != nil {
		return err
	}
	if err := os.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create folder %s: %w", dir, err)
	}
	return SyncDir(parent)
}

// Remove deletes the file at path, durably. A missing file is an error that
// is fs.ErrNotExist.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

// Sweep removes temporary files which a crash left directly in dir. Only the
// folder's single owner may call it, while nothing is being written there.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), TempPrefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		}
	}
	return nil
}
