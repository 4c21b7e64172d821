package node

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect/sigma"
)

// TriedRules is how a trial of Sigma rules went.
type TriedRules struct {
	Loaded int
	// Refused are rules that cannot be run, each with its reason.
	Refused []string
	Events  int
	Matches int
	// NotJSON counts lines that were no JSON objects; the first are named.
	NotJSON int
	First   []int
}

// TryRules runs a Sigma rule, or a folder of rules, over NDJSON events,
// offline. Log sources mean what they mean to the server.
func TryRules(path string, events io.Reader, found func(rule, title string, line int) error) (TriedRules, error) {
	rules, refused, err := rulesAt(path)
	if err != nil {
		return TriedRules{}, err
	}
	s, err := rules.Scan(events, time.Local, func(m sigma.Match) error { return found(m.Rule, m.Title, m.Line) })
	t := TriedRules{Loaded: rules.Len(), Events: s.Events, Matches: s.Matches, NotJSON: s.NBad, First: s.Bad}
	for _, r := range refused {
		t.Refused = append(t.Refused, fmt.Sprintf("%s (%s): %s", r.File, r.Title, r.Reason))
	}
	return t, err
}

// rulesAt loads rules with the log source map that comes with Cordon, unless
// the folder has its own.
func rulesAt(path string) (*sigma.Rules, []sigma.Refused, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	var rules fs.FS = os.DirFS(path)
	if !info.IsDir() {
		rules = single{os.DirFS(filepath.Dir(path)), filepath.Base(path)}
	}
	own, err := fs.Sub(content.Files(), "rules")
	if err != nil {
		return nil, nil, err
	}
	loaded, refused := sigma.Load(single{own, "logsources.yaml"}, rules)
	return loaded, refused, nil
}

// single shows one file of a folder.
type single struct {
	fs.FS
	name string
}

// ReadDir implements fs.ReadDirFS.
func (s single) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(s.FS, name)
	for _, e := range all {
		if e.Name() == s.name {
			return []fs.DirEntry{e}, err
		}
	}
	return nil, err
}
