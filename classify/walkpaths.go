package classify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Paths is a file or folder of this machine, with all below it. Shares (SMB,
// NFS) are folders where they are mounted. Symbolic links are not followed,
// and devices, pipes and sockets are left alone.
type Paths struct {
	// Root is the file or folder.
	Root string
	// Include, where given, are the only files read; Exclude are files and
	// folders left out.
	Include, Exclude Globs
	// OneSystem stays on the file system of the root.
	OneSystem bool
	// Skip are folders left out by their full path, such as Cordon's own.
	Skip []string

	owners owners
}

var _ Origin = (*Paths)(nil)

// Name implements Origin.
func (p *Paths) Name() string { return p.Root }

// List implements Origin.
func (p *Paths) List(ctx context.Context, each func(Object) error, bad func(string, error) error) error {
	info, err := os.Stat(p.Root) // a root that is a link was meant
	if err != nil {
		return fmt.Errorf("%s: %s; give a file or folder that this account may read", p.Root, plainly(err))
	}
	if !info.IsDir() {
		return each(p.object(p.Root, info))
	}
	w := lister{Paths: p, ctx: ctx, each: each, bad: bad, system: systemOf(info)}
	return w.folder(p.Root)
}

// resolved follows the links of a root, which a person named; below it none is
// followed.
func resolved(root string) string {
	if path, err := filepath.EvalSymlinks(root); err == nil {
		return path
	}
	return root
}

// lister is one listing of a folder.
type lister struct {
	*Paths
	ctx    context.Context
	each   func(Object) error
	bad    func(string, error) error
	system uint64
}

func (l *lister) folder(dir string) error {
	name := dir
	if dir == l.Root {
		name = resolved(dir)
	}
	entries, err := readFolder(name)
	if err != nil {
		if err := l.bad(dir, err); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if err := l.entry(filepath.Join(dir, e.Name()), e); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) entry(path string, e fs.DirEntry) error {
	if !e.IsDir() && !e.Type().IsRegular() || l.leaves(path, e.IsDir()) {
		return nil
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone meanwhile
	}
	if err != nil {
		return l.bad(path, err)
	}
	if !e.IsDir() {
		return l.each(l.object(path, info))
	}
	if system := systemOf(info); l.OneSystem && system != l.system {
		return nil
	}
	return l.folder(path)
}

// leaves says that a path is not to be read.
func (l *lister) leaves(path string, folder bool) bool {
	rel, err := filepath.Rel(l.Root, path)
	if err != nil {
		rel = path
	}
	rel = filepath.ToSlash(rel)
	if l.Exclude.Match(rel) || slices.Contains(l.Skip, path) {
		return true
	}
	if folder {
		return slices.Contains(pseudoFolders(), path)
	}
	return len(l.Include) > 0 && !l.Include.Match(rel)
}

func (p *Paths) object(path string, info fs.FileInfo) Object {
	return Object{
		Path: path, Size: info.Size(), Modified: info.ModTime().UnixMilli(), Owner: p.owners.of(info),
		Mark: strconv.FormatInt(info.Size(), 36) + "." + strconv.FormatInt(info.ModTime().UnixNano(), 36) + "." + statusMark(info),
	}
}

// Inspect implements Origin.
func (p *Paths) Inspect(ctx context.Context, o Object, examine Examine, emit func(*Finding) error) (Look, error) {
	path := o.Path
	if path == p.Root {
		path = resolved(path)
	}
	f, quiet, err := openQuietly(path)
	if err != nil {
		return Look{}, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return Look{}, err
	}
	if !before.Mode().IsRegular() {
		return Look{}, Because("it is no longer a plain file", "已不是普通文件")
	}
	look := Look{Touched: !quiet}
	if look.Summary, err = examine(ctx, &fileSource{f, before.Size()}, nil, emit); err != nil {
		return look, err
	}
	after, err := f.Stat()
	look.Changed = err == nil && (after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) || o.Size != before.Size())
	return look, nil
}

// readFolder lists a folder without changing its access time.
func readFolder(dir string) ([]fs.DirEntry, error) {
	f, _, err := openQuietly(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}

// owners remembers the names of accounts.
type owners struct {
	mu    sync.Mutex
	names map[string]string // guarded by mu
}

func (o *owners) of(info fs.FileInfo) string {
	id := ownerID(info)
	if id == "" {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	name, ok := o.names[id]
	if !ok {
		if o.names == nil {
			o.names = map[string]string{}
		}
		name = ownerName(id)
		o.names[id] = name
	}
	return name
}
