// Package folder keeps blobs as files below one folder.
//
// Soon more.
package folder

import (
	"context"
	"io"

	"github.com/cordon-health/cordon/blob"
)

// Folder is a blob.Store in a folder.
type Folder struct{ dir string }

var _ blob.Store = (*Folder)(nil)

// Open uses dir, creating it when missing.
func Open(dir string) (*Folder, error) { panic("soon") }

// Put implements blob.Store.
func (f *Folder) Put(ctx context.Context, name string, r io.Reader) error { panic("soon") }

// Get implements blob.Store.
func (f *Folder) Get(ctx context.Context, name string) (io.ReadCloser, error) { panic("soon") }

// Stat implements blob.Store.
func (f *Folder) Stat(ctx context.Context, name string) (int64, error) { panic("soon") }

// List implements blob.Store.
func (f *Folder) List(ctx context.Context, prefix string) ([]string, error) { panic("soon") }

// Delete implements blob.Store.
func (f *Folder) Delete(ctx context.Context, name string) error { panic("soon") }
