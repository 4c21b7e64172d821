// Package folder keeps blobs as files below one folder; a blob's name is its
// path there.
//
// A file is written under a temporary name, synced, renamed and the folder
// synced, so a name never shows a part of a blob, and a stored blob survives
// a power cut (see internal/durable for what can still go wrong). Names
// cannot lead out of the folder. Several processes may use one folder.
//
// It trusts the file system with the bytes: it keeps no checksums. On file
// systems that ignore case, names that differ only in case are one.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/internal/durable"
)

// Folder is a blob.Store in a folder.
type Folder struct {
	dir    string
	making sync.Mutex // one goroutine makes folders, so that none uses an unsynced one
}

var (
	_ blob.Store = (*Folder)(nil)
	_ blob.Local = (*Folder)(nil)
)

// Open uses dir, creating it when missing, for its owner only.
func Open(dir string) (*Folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open files: %w", err)
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open files: %w", err)
	}
	return &Folder{dir: dir}, nil
}

// Path implements blob.Local.
func (f *Folder) Path(name string) (string, error) {
	if err := blob.CheckName(name); err != nil {
		return "", err
	}
	return filepath.Join(f.dir, filepath.FromSlash(name)), nil
}

// Put implements blob.Store.
func (f *Folder) Put(ctx context.Context, name string, r io.Reader) error {
	path, err := f.Path(name)
	if err != nil {
		return err
	}
	err = f.put(ctx, path, r)
	if durable.Full(err) {
		return fmt.Errorf("store file %s: %w: %w", name, blob.ErrFull, err)
	}
	if err != nil {
		return fmt.Errorf("store file %s: %w", name, err)
	}
	return nil
}

func (f *Folder) put(ctx context.Context, path string, r io.Reader) error {
	if err := f.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	file, err := durable.Create(path, 0o400) // what is stored is never written again
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := io.Copy(file, reader{ctx, r}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return file.Commit()
}

func (f *Folder) mkdir(dir string) error {
	f.making.Lock()
	defer f.making.Unlock()
	return durable.MkdirAll(dir, 0o700)
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Get implements blob.Store.
func (f *Folder) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	path, err := f.Path(name)
	if err != nil {
		return nil, err
	}
	if _, err := f.Stat(ctx, name); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	return file, nil
}

// Stat implements blob.Store.
func (f *Folder) Stat(ctx context.Context, name string) (int64, error) {
	path, err := f.Path(name)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("look at file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("look at file %s: %w", name, fs.ErrNotExist)
	}
	return info.Size(), nil
}

// List implements blob.Store.
func (f *Folder) List(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	start := f.dir
	if dir, _, found := cutLast(prefix); found {
		if err := blob.CheckName(dir); err != nil {
			return nil, nil // no name begins so
		}
		start = filepath.Join(f.dir, filepath.FromSlash(dir))
	}
	err := filepath.WalkDir(start, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		name, err := filepath.Rel(f.dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.Type().IsRegular() && strings.HasPrefix(name, prefix) && blob.CheckName(name) == nil {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// cutLast cuts s around its last slash.
func cutLast(s string) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

// Delete implements blob.Store. Folders stay.
func (f *Folder) Delete(ctx context.Context, name string) error {
	path, err := f.Path(name)
	if err != nil {
		return err
	}
	if _, err := f.Stat(ctx, name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := durable.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete file %s: %w", name, err)
	}
	return nil
}

// Sweep removes what interrupted Puts left behind. Call it at the start,
// while no other process writes to the folder.
func (f *Folder) Sweep() error {
	return filepath.WalkDir(f.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("clean up files: %w", err)
		}
		if entry.IsDir() {
			return durable.Sweep(path)
		}
		return nil
	})
}
