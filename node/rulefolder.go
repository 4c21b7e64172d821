package node

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/detect/sigma"
)

// ruleFolder is a folder of rules as its readers see it. Hidden files and
// folders are not there: editors keep locks and drafts in them, and Kubernetes
// the former version of a mounted folder. What is no regular file cannot be
// opened, so that a pipe of that name holds nobody up. Links count as what
// they lead to.
type ruleFolder string

var errNotRegular = errors.New("this is not a regular file; put a file in its place or take it away")

// Open implements [fs.FS].
func (f ruleFolder) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	info, err := f.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	return f.dir().Open(name)
}

// Stat implements [fs.StatFS].
func (f ruleFolder) Stat(name string) (fs.FileInfo, error) { return fs.Stat(f.dir(), name) }

// ReadDir implements [fs.ReadDirFS].
func (f ruleFolder) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(f.dir(), name)
	return slices.DeleteFunc(all, func(d fs.DirEntry) bool { return hiddenFile(d.Name()) }), err
}

func (f ruleFolder) dir() fs.FS { return os.DirFS(string(f)) }

func hiddenFile(name string) bool { return strings.HasPrefix(name, ".") }

// ignored lists what looks like a rule and is left out because it is hidden.
func (f ruleFolder) ignored() []string {
	var out []string
	_ = filepath.WalkDir(string(f), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // said by whoever reads the rules
		case d.IsDir() && name != string(f) && hiddenFile(d.Name()):
			return fs.SkipDir
		case !d.IsDir() && hiddenFile(d.Name()) && (ruleName(d.Name()) || settingsName(d.Name())):
			out = append(out, name)
		}
		return nil
	})
	return out
}

// ruleName says whether a file holds rules; those of settings do not.
func ruleName(name string) bool { return ruleKind(name) && !settingsName(name) }

// ruleKind says whether the loader of rules reads a file.
func ruleKind(name string) bool {
	return sigma.IsRuleFile(name)
}

// settingsName says whether the loader takes a file for settings of rules.
func settingsName(name string) bool {
	base := strings.ToLower(strings.TrimSuffix(path.Base(name), path.Ext(name)))
	return ruleKind(name) && (base == "logsources" || base == "placeholders")
}
