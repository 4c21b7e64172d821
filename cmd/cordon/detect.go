package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect/sigma"
)

type detectCmd struct {
	Rules  string `help:"A Sigma rule, or a folder of rules." required:"" placeholder:"PATH" type:"path"`
	Events string `help:"NDJSON events; - is standard input; .gz and .zst are opened." required:"" placeholder:"FILE"`
	JSON   bool   `help:"A line of JSON for each match: rule, title, line." name:"json"`
	Stats  bool   `help:"End with events per second, rules loaded, and rules refused with their reasons (on standard error)."`
}

// Run tries rules on events. Sources of events (logsource) are mapped as the
// server maps them.
func (c detectCmd) Run(w *world) error {
	rules, refused, err := c.load()
	if err != nil {
		return err
	}
	in, bar, err := openInput(w, c.Events)
	if err != nil {
		return err
	}
	defer in.Close()
	out := bufio.NewWriter(w.out)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	begun := w.now()
	stats, err := rules.Scan(in, time.Local, func(m sigma.Match) error {
		if c.JSON {
			return enc.Encode(m)
		}
		_, err := fmt.Fprintf(out, "line %d: %s (%s)\n", m.Line, m.Title, m.Rule)
		return err
	})
	bar.end()
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if stats.NBad > 0 {
		fmt.Fprintf(w.err, "%d lines are not JSON objects, the first are %v\n", stats.NBad, stats.Bad)
	}
	if c.Stats {
		c.print(w, rules, refused, stats, w.now().Sub(begun))
	} else if len(refused) > 0 {
		fmt.Fprintf(w.err, "%d rules were refused; --stats says which and why\n", len(refused))
	}
	return nil
}

// load reads the rules with the log source map that comes with Cordon, unless
// the folder has its own.
func (c detectCmd) load() (*sigma.Rules, []sigma.Refused, error) {
	info, err := os.Stat(c.Rules)
	if err != nil {
		return nil, nil, usage{err}
	}
	var rules fs.FS = os.DirFS(c.Rules)
	if !info.IsDir() {
		rules = single{os.DirFS(filepath.Dir(c.Rules)), filepath.Base(c.Rules)}
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

func (c detectCmd) print(w *world, rules *sigma.Rules, refused []sigma.Refused, s sigma.Stats, took time.Duration) {
	fmt.Fprintf(w.err, "%d events, %.0f a second, %d matches; %d rules loaded, %d refused\n",
		s.Events, float64(s.Events)/took.Seconds(), s.Matches, rules.Len(), len(refused))
	for _, r := range refused {
		fmt.Fprintf(w.err, "refused %s (%s): %s\n", r.File, r.Title, r.Reason)
	}
}
