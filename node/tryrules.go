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

// Trial runs Sigma rules over a file of events, offline. Log sources mean what
// they mean to the server.
type Trial struct {
	// Rules is a rule, a folder of rules, or a tar archive of them.
	Rules string
	// Events are NDJSON, a JSON array, JSON objects over several lines, or a
	// Windows event log.
	Events io.Reader
	// Found is told each match as it comes.
	Found func(RuleMatch) error
	// Seen is told now and then how many events were read; nil is nobody.
	Seen func(events int64)
}

// RuleMatch is a rule that fits an event.
type RuleMatch struct {
	Rule  string `json:"rule"`
	Title string `json:"title"`
	// Line counts from 1. In a Windows event log it is the number of the
	// record, in an array that of the element.
	Line uint64 `json:"line"`
}

// TriedRules is how a trial went.
type TriedRules struct {
	Loaded int
	// Refused are rules that cannot be run, each with its reason.
	Refused []RefusedRule
	Events  int
	Matches int
	// Bad counts lines or records that could not be read; First says of the
	// first ones where and why.
	Bad   int
	First []string
	// CutEvents had more values than are looked at; of ShortEvents regular
	// expressions saw only the beginning of long values.
	CutEvents, ShortEvents int
	// Ignored are files that are no rules by their names.
	Ignored []string
	Filters []TriedFilter
	// Unit is what Line counts: line, event or record.
	Unit string
	// Loading the rules and reading the events took so long.
	Loading, Reading time.Duration
}

// TriedFilter is a filter, and what it did.
type TriedFilter struct {
	ID string `json:"id"`
	// Rules is how many rules it is put over; Missing is what it names without
	// effect: rules that are not loaded, or of another log source.
	Rules   int      `json:"rules"`
	Missing []string `json:"missing,omitempty"`
	// Hidden is how many matches it hid.
	Hidden int64 `json:"hidden"`
}

// RefusedRule is a rule that cannot be run.
type RefusedRule struct {
	File   string `json:"file"`
	Title  string `json:"title,omitempty"`
	Reason string `json:"reason"`
}

// Run runs the trial.
func (t Trial) Run() (TriedRules, error) {
	begun := time.Now()
	rules, refused, err := rulesAt(t.Rules)
	if err != nil {
		return TriedRules{}, err
	}
	loaded := time.Now()
	events, err := t.source()
	if err != nil {
		return TriedRules{}, err
	}
	defer events.Close()
	s, err := rules.Scan(events, time.Local, func(m sigma.Match) error {
		return t.Found(RuleMatch{m.Rule, m.Title, events.line(m.Line)})
	})
	out := TriedRules{Loaded: rules.Len(), Events: s.Events, Matches: s.Matches, Bad: s.NBad, Unit: events.unit,
		Loading: loaded.Sub(begun), Reading: time.Since(loaded)}
	for _, n := range s.Bad {
		out.First = append(out.First, fmt.Sprintf("%s %d is not a JSON object", events.unit, events.line(n)))
	}
	events.report(&out)
	out.CutEvents, out.ShortEvents, out.Ignored = s.Cut, s.Short, rules.Ignored()
	for _, f := range rules.Filters() {
		out.Filters = append(out.Filters, TriedFilter{f.ID, len(f.Rules), f.Missing, f.Hidden})
	}
	for _, r := range refused {
		out.Refused = append(out.Refused, RefusedRule{r.File, r.Title, r.Reason})
	}
	return out, err
}

// rulesAt loads rules with the log source map that comes with Cordon, unless
// they bring their own.
func rulesAt(path string) (*sigma.Rules, []sigma.Refused, error) {
	rules, err := ruleFS(path)
	if err != nil {
		return nil, nil, err
	}
	own, err := fs.Sub(content.Files(), "rules")
	if err != nil {
		return nil, nil, err
	}
	loaded, refused := sigma.Load(single{own, "logsources.yaml"}, rules)
	return loaded, refused, nil
}

// ruleFS is a rule, a folder or an archive as a file system.
func ruleFS(path string) (fs.FS, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return ruleFolder(path), nil
	case isArchive(path):
		return openArchive(path)
	}
	return single{os.DirFS(filepath.Dir(path)), filepath.Base(path)}, nil
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
