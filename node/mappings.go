package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/normalize"
)

// mappings are the mapping files by name: those that come along, the
// hospital's own folder, and those sent with an import.
type mappings struct {
	mu  sync.RWMutex
	all map[string]*normalize.Mapping // guarded by mu
}

func (m *mappings) get(name string) (*normalize.Mapping, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	x, ok := m.all[name]
	return x, ok
}

func (m *mappings) put(name string, x *normalize.Mapping) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[name] = x
}

// loadMappings reads all; of the same name, the hospital's own wins.
func (n *Node) loadMappings() (*mappings, error) {
	own, err := fs.Sub(content.Files(), "mappings")
	if err != nil {
		return nil, err
	}
	folders := []fs.FS{own}
	for _, dir := range []string{n.cfg.Mappings, n.mappingsFolder()} {
		if _, err := os.Stat(dir); dir != "" && err == nil {
			folders = append(folders, os.DirFS(dir))
		}
	}
	all := &mappings{all: map[string]*normalize.Mapping{}}
	for _, f := range folders {
		if err := addMappings(all, f); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (n *Node) mappingsFolder() string { return filepath.Join(n.cfg.Data, "mappings") }

func addMappings(all *mappings, fsys fs.FS) error {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		m, err := normalize.ParseMapping(bytes.NewReader(data))
		if err != nil {
			return fmt.Errorf("mapping %s: %w", name, err)
		}
		all.put(strings.TrimSuffix(path.Base(name), ".yaml"), m)
	}
	return nil
}

// MappingName is how a mapping that was sent with an import is called: by its
// content, so that the same file always has the same name.
func MappingName(data []byte) string {
	sum := sha256.Sum256(data)
	return "sent-" + hex.EncodeToString(sum[:8])
}

const mostMapping = 1 << 20

// importMapping keeps a mapping file sent with an import: its records may be
// replayed from quarantine much later.
func (n *Node) importMapping(_ context.Context, r io.Reader) (directory.Counts, error) {
	data, err := io.ReadAll(io.LimitReader(r, mostMapping))
	if err != nil {
		return directory.Counts{}, err
	}
	m, err := normalize.ParseMapping(bytes.NewReader(data))
	if err != nil {
		return directory.Counts{}, fmt.Errorf("mapping: %w", err)
	}
	name := MappingName(data)
	err = os.MkdirAll(n.mappingsFolder(), 0o700)
	err = errors.Join(err, durable.WriteFile(filepath.Join(n.mappingsFolder(), name+".yaml"), data, 0o600))
	if err != nil {
		return directory.Counts{}, err
	}
	n.intake.mappings.put(name, m)
	return directory.Counts{Read: 1, Accepted: 1}, nil
}
