package node

import (
	"archive/tar"
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
	"slices"
	"strings"
	"testing/fstest"
	"unicode"

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
		if !ruleKind(name) {
			c.Warnings = append(c.Warnings, "not a rule, left out: "+name)
			continue
		}
		c.Read++
		if reason, bad := refused[name]; bad {
			c.Quarantined++
			c.Rejects = append(c.Rejects, directory.Reject{Line: c.Read, Reason: name + ": " + reason, Data: files[name]})
			continue
		}
		if err := n.keepRule(name, files[name], &c); err != nil {
			return c, err
		}
	}
	if c.Accepted == 0 {
		return c, nil
	}
	if err := n.reloadRules(ctx); err != nil {
		return c, err
	}
	for _, r := range *n.refused.Load() { // such as an id that another file has
		if name := ruleFile(r.File, files); name != "" && refused[name] == "" {
			c.Warnings = append(c.Warnings, "kept, but not at work: "+r.File+": "+r.Reason)
		}
	}
	return c, nil
}

// keepRule writes a file of rules, unless it is there already.
func (n *Node) keepRule(name string, data []byte, c *directory.Counts) error {
	at := filepath.Join(n.rulesFolder(), filepath.FromSlash(name))
	if old, err := os.ReadFile(at); err == nil && bytes.Equal(old, data) {
		c.Duplicate++
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return fmt.Errorf("keep rule %s: a file is in the way of its folder, rename one of them: %w", name, err)
	}
	if err := durable.WriteFile(at, data, 0o600); err != nil {
		return fmt.Errorf("keep rule %s: %w", name, err)
	}
	c.Accepted++
	return nil
}

// tryRules loads files together with the rules there are, for they may refer to
// those and to each other. It returns why files are refused, by name.
func (n *Node) tryRules(files map[string][]byte) (map[string]string, error) {
	own, err := fs.Sub(content.Files(), "rules")
	if err != nil {
		return nil, err
	}
	const incoming = "incoming/"
	fresh, out := fstest.MapFS{}, map[string]string{}
	for name, data := range files {
		switch reason := unfit(name); {
		case !ruleKind(name):
		case reason != "":
			out[name] = reason
		default:
			fresh[incoming+name] = &fstest.MapFile{Data: data}
		}
	}
	_, refused := sigma.Load(append(append([]fs.FS{own}, n.ruleFolders()...), fresh)...)
	for _, r := range refused {
		if at, ok := strings.CutPrefix(r.File, incoming); ok {
			out[ruleFile(at, files)] = r.Reason
		}
	}
	return out, nil
}

// ruleFile is the file that a refused rule is in, which may be an archive.
func ruleFile(at string, files map[string][]byte) string {
	if _, whole := files[at]; whole {
		return at
	}
	const archive = ".txtar/" // in whatever case
	if i := strings.Index(strings.ToLower(at), archive); i >= 0 && i+len(archive) <= len(at) {
		if name := at[:i+len(archive)-1]; files[name] != nil {
			return name
		}
	}
	return ""
}

// longestName bounds the path of an imported rule, in bytes.
const longestName = 200

// unfit says why a file cannot be imported under its name; "" when it can.
func unfit(name string) string {
	switch {
	case settingsName(name):
		return "this file changes how all rules are read, not only the imported ones; put it into a folder of detect.rules instead"
	case len(name) > longestName:
		return fmt.Sprintf("the path is longer than %d bytes; shorten it", longestName)
	case !fs.ValidPath(name) || !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsAny(name, `\:`) || strings.ContainsFunc(name, unicode.IsControl):
		return "the path leads out of the archive; pack the rules with relative paths"
	case slices.ContainsFunc(strings.Split(name, "/"), hiddenFile):
		return "hidden files are not taken for rules; rename it"
	}
	return ""
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
			return map[string][]byte{nameOf(data): data}, nil // not an archive: one file
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(t)
		if err != nil {
			return nil, fmt.Errorf("read rule archive: %w", err)
		}
		files[path.Clean(h.Name)] = body
	}
}

// nameOf names a file that came without a name: by the id of its rule, so that
// a newer version takes the place of the older one, or else by its hash.
func nameOf(data []byte) string {
	for line := range strings.Lines(string(data)) {
		if id, ok := strings.CutPrefix(line, "id:"); ok {
			id = strings.Trim(strings.TrimSpace(id), `'"`)
			if id != "" && strings.IndexFunc(id, func(r rune) bool {
				return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
			}) < 0 {
				return id + ".yml"
			}
		}
	}
	sum := sha256.Sum256(data)
	return "rule-" + hex.EncodeToString(sum[:8]) + ".yml"
}

// swap puts other detectors in the place of those at work, with their memory.
func (p *pipeline) swap(next *detect.Engine) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	memory, err := p.detect.Take()
	if err != nil {
		return err
	}
	if err := next.TakeOver(memory); err != nil {
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
func (n *Node) imported() fs.FS { return ruleFolder(n.rulesFolder()) }
