package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cordon-health/cordon/deid"
)

// deidKey is the site's key of pseudonyms, made when it is first needed.
func (n *Node) deidKey() (*deid.Key, error) {
	path := filepath.Join(n.cfg.Data, "keys", "deid.key")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return deid.ReadKey(path)
	}
	key, err := deid.NewKey(deid.KeyOptions{})
	if err != nil {
		return nil, err
	}
	if err := key.Save(path); err != nil {
		return nil, fmt.Errorf("keep the key of pseudonyms: %w", err)
	}
	return key, nil
}

// deidSetup is what profiles of the server are opened with.
func (n *Node) deidSetup() (deid.Setup, error) { return deidContent() }
