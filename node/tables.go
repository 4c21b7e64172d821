package node

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/statement"
)

// tables is what is known of the tables of databases: what comes along, and
// the hospital's own folders, which count before it.
func (n *Node) tables() (*statement.Catalog, error) {
	own, err := fs.Sub(content.Files(), "tables")
	if err != nil {
		return nil, err
	}
	folders := []fs.FS{own}
	for _, dir := range n.cfg.Detect.Tables {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("detect.tables: %w; name a folder that exists", err)
		}
		folders = append(folders, os.DirFS(dir))
	}
	return statement.LoadCatalog(folders...)
}
