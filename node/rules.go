package node

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"

	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/sigma"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/durable"
)

// rulesFolder is where imported Sigma rules are kept.
func (n *Node) rulesFolder() string { return filepath.Join(n.cfg.Data, "rules") }

// importRules keeps Sigma rules and puts them to work without a restart: the
// stream holds one file, or several as a tar archive. Rules that cannot be
// loaded are not kept; the counts say so.
func (n *Node) importRules(ctx context.Context, r io.Reader) (directory.Counts, error) {
	var c directory.Counts
	files, err := ruleFiles(r)
	if err != nil {
		return c, err
	}
	if err := os.MkdirAll(n.rulesFolder(), 0o700); err != nil {
		return c, err
	}
	refused, err := n.tryRules(files)
	if err != nil {
		return c, err
	}
	for _, name := range sortedKeys(files) {
		if !ruleName(name) {
			c.Warnings = append(c.Warnings, "not a rule, left out: "+filepath.Base(name))
			continue
		}
		c.Read++
		if reason, bad := refused[name]; bad {
			c.Quarantined++
			c.Rejects = append(c.Rejects, directory.Reject{Line: c.Read, Reason: name + ": " + reason, Data: files[name]})
			continue
		}
		path := filepath.Join(n.rulesFolder(), filepath.Base(name))
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, files[name]) {
			c.Duplicate++
			continue
		}
		if err := durable.WriteFile(path, files[name], 0o600); err != nil {
			return c, err
		}
		c.Accepted++
	}
	if c.Accepted == 0 {
		return c, nil
	}
	return c, n.reloadRules(ctx)
}

// tryRules loads files together with the rules there are, for they may refer to
// those and to each other. It returns why files are refused, by name.
func (n *Node) tryRules(files map[string][]byte) (map[string]string, error) {
	own, err := fs.Sub(content.Files(), "rules")
	if err != nil {
		return nil, err
	}
	const incoming = "incoming/"
	fresh := fstest.MapFS{}
	for name, data := range files {
		if ruleName(name) {
			fresh[incoming+name] = &fstest.MapFile{Data: data}
		}
	}
	_, refused := sigma.Load(append(append([]fs.FS{own}, n.ruleFolders()...), fresh)...)
	out := map[string]string{}
	for _, r := range refused {
		if name, ok := strings.CutPrefix(r.File, incoming); ok {
			name, _, _ = strings.Cut(name, ".txtar/") // a rule within an archive
			if _, whole := files[name]; !whole {
				name += ".txtar"
			}
			out[name] = r.Reason
		}
	}
	return out, nil
}

// ruleName says whether a file holds a rule. The map of log sources is not one.
func ruleName(name string) bool {
	switch filepath.Ext(name) {
	case ".yml", ".yaml", ".txtar":
		return filepath.Base(name) != "logsources.yaml"
	}
	return false
}

const mostRules = 64 << 20

func ruleFiles(r io.Reader) (map[string][]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, mostRules+1))
	if err != nil {
		return nil, err
	}
	if len(data) > mostRules {
		return nil, fmt.Errorf("rules are larger than %d MiB; import them in parts", mostRules>>20)
	}
	files := map[string][]byte{}
	for t := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) && len(files) > 0 {
			return files, nil
		}
		if err != nil {
			return map[string][]byte{"rule.yml": data}, nil // not an archive: one file
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(t)
		if err != nil {
			return nil, fmt.Errorf("read rule archive: %w", err)
		}
		files[filepath.Base(h.Name)] = body
	}
}

func (p *pipeline) swap(next *detect.Engine) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	memory, err := p.detect.Snapshot()
	if err != nil {
		return err
	}
	if err := next.Restore(memory); err != nil {
		return err
	}
	p.detect = next
	return nil
}

// detectors are those at work now.
func (p *pipeline) detectors() *detect.Engine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.detect
}

// imported are the rules kept by importRules.
func (n *Node) imported() fs.FS { return os.DirFS(n.rulesFolder()) }
