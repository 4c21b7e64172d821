package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cordon-health/cordon/node"
)

type detectCmd struct {
	Rules  string `help:"A Sigma rule, or a folder of rules." required:"" placeholder:"PATH" type:"path"`
	Events string `help:"NDJSON events; - is standard input; .gz and .zst are opened." required:"" placeholder:"FILE"`
	JSON   bool   `help:"A line of JSON for each match: rule, title, line." name:"json"`
	Stats  bool   `help:"End with events per second, rules loaded, and rules refused with their reasons (on standard error)."`
}

// match is one line of the answer.
type match struct {
	Rule  string `json:"rule"`
	Title string `json:"title"`
	Line  int    `json:"line"`
}

// Run tries rules on events.
func (c detectCmd) Run(w *world) error {
	in, bar, err := openInput(w, c.Events)
	if err != nil {
		return usage{err}
	}
	defer in.Close()
	out := bufio.NewWriter(w.out)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	begun := w.now()
	tried, err := node.TryRules(c.Rules, in, func(rule, title string, line int) error {
		if c.JSON {
			return enc.Encode(match{rule, title, line})
		}
		_, err := fmt.Fprintf(out, "line %d: %s (%s)\n", line, title, rule)
		return err
	})
	bar.end()
	if errors.Is(err, fs.ErrNotExist) {
		return usage{err}
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	c.print(w, tried, w.now().Sub(begun))
	if tried.Loaded == 0 {
		return errors.New("no rule could be loaded; --stats says why")
	}
	return nil
}

func (c detectCmd) print(w *world, t node.TriedRules, took time.Duration) {
	if t.NotJSON > 0 {
		fmt.Fprintf(w.err, "%d lines are not JSON objects, the first are %v\n", t.NotJSON, t.First)
	}
	if !c.Stats {
		if len(t.Refused) > 0 {
			fmt.Fprintf(w.err, "%d rules were refused; --stats says which and why\n", len(t.Refused))
		}
		return
	}
	fmt.Fprintf(w.err, "%d events, %.0f a second, %d matches; %d rules loaded, %d refused\n",
		t.Events, float64(t.Events)/took.Seconds(), t.Matches, t.Loaded, len(t.Refused))
	for _, reason := range t.Refused {
		fmt.Fprintln(w.err, "refused", reason)
	}
}
