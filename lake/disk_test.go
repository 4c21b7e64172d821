package lake

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

type disk struct{ dir string }

func (d disk) Put(_ context.Context, name string, r io.Reader) error {
	p := filepath.Join(d.dir, name)
	os.MkdirAll(filepath.Dir(p), 0o700)
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return os.WriteFile(p, b, 0o600)
}
func (d disk) Get(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(d.dir, name))
}
func (d disk) Stat(_ context.Context, name string) (int64, error) { return 0, nil }
func (d disk) List(_ context.Context, prefix string) (l []string, err error) {
	filepath.WalkDir(d.dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			r, _ := filepath.Rel(d.dir, p)
			if strings.HasPrefix(r, prefix) {
				l = append(l, r)
			}
		}
		return nil
	})
	return l, nil
}
func (d disk) Delete(_ context.Context, name string) error {
	os.Remove(filepath.Join(d.dir, name))
	return nil
}
