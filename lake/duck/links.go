//go:build cgo

package duck

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// links are second names of the lake's files in a folder of the engine's own,
// the only one that DuckDB may touch. Whatever it did there, it could neither
// add a file to the lake nor replace or delete one.
type links struct {
	dir string

	mu    sync.Mutex
	users map[string]int // of a path of the lake
}

func (l *links) open() error {
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("clean folder for SQL: %w", err)
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("create folder for SQL: %w", err)
	}
	l.users = map[string]int{}
	return nil
}

// name depends on the path alone, so that DuckDB knows a file again.
func (l *links) name(path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(l.dir, fmt.Sprintf("%x.parquet", sum[:16]))
}

// add names the files until drop.
func (l *links) add(paths []string) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = l.name(path)
		if l.users[path] == 0 {
			if err := link(path, names[i]); err != nil {
				l.dropLocked(paths[:i])
				return nil, fmt.Errorf("show lake file to DuckDB: %w", err)
			}
		}
		l.users[path]++
	}
	return names, nil
}

func (l *links) drop(paths []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked(paths)
}

func (l *links) dropLocked(paths []string) {
	for _, path := range paths {
		if l.users[path]--; l.users[path] == 0 {
			delete(l.users, path)
			_ = os.Remove(l.name(path)) // link replaces what is left over
		}
	}
}

// link gives a file a second name. Where the two folders are on different file
// systems it is copied, as DuckDB follows no symbolic link out of its folder.
func link(path, name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(path, name) == nil {
		return nil
	}
	return duplicate(path, name)
}

func duplicate(path, name string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o400)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
