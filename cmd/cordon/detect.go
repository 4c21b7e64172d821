package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/cordon-health/cordon/node"
)

type detectCmd struct {
	Rules  string `help:"A Sigma rule, a folder of rules, or a .tar, .tar.gz or .tar.zst of them; correlations and filters included." required:"" placeholder:"PATH" type:"path"`
	Events string `help:"Events: NDJSON, a JSON array, Windows event JSON, or a Windows event log (EVTX); - is standard input; .gz and .zst are opened." required:"" placeholder:"FILE"`
	JSON   bool   `help:"A line of JSON for each match: rule, title, line. In an event log line is the record's number, in an array the element's." name:"json"`
	Stats  bool   `help:"End with events per second, rules loaded, and rules refused with their reasons: on standard error, and with --json as a last line of JSON too."`
}

// Help is the long text behind the flags.
func (detectCmd) Help() string {
	return "Tries rules on events before they are trusted, offline and without data of Cordon's own."
}

// Run tries rules on events.
func (c detectCmd) Run(w *world) error {
	in, bar, err := openInput(w, c.Events)
	if err != nil {
		return usage{err}
	}
	defer in.Close()
	out := bufio.NewWriter(w.out)
	tried, err := node.Trial{Rules: c.Rules, Events: in, Found: c.printer(out), Seen: bar.note}.Run()
	bar.end()
	if errors.Is(err, fs.ErrNotExist) {
		return usage{err}
	}
	if err == nil && c.JSON && c.Stats {
		err = json.NewEncoder(out).Encode(statsOf(tried))
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	c.tell(w, tried)
	switch {
	case tried.Loaded == 0:
		return errors.New("no rule could be loaded; --stats says why")
	case tried.Events == 0 && tried.Bad > 0:
		return errors.New("nothing in the file is an event; cordon detect --help says what it may be")
	}
	return nil
}

// printer writes matches as they come.
func (c detectCmd) printer(out io.Writer) func(node.RuleMatch) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	n := 0
	return func(m node.RuleMatch) error {
		if c.JSON {
			return enc.Encode(m)
		}
		if n++; n == 1 {
			if _, err := fmt.Fprintf(out, "%8s  %-36s  %s\n", "LINE", "RULE", "TITLE"); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(out, "%8d  %-36s  %s\n", m.Line, m.Rule, m.Title)
		return err
	}
}

// detectStats is the last line of --json --stats.
type detectStats struct {
	Events    int                `json:"events"`
	PerSecond int64              `json:"events_per_second"`
	Matches   int                `json:"matches"`
	Bad       int                `json:"events_unreadable"`
	Loaded    int                `json:"rules_loaded"`
	Loading   int64              `json:"rules_loaded_ms"`
	Refused   []node.RefusedRule `json:"rules_refused"`
	// Cut events had more values than are looked at; of Short ones regular
	// expressions saw only the beginning of long values.
	Cut     int                `json:"events_cut"`
	Short   int                `json:"events_short"`
	Ignored []string           `json:"files_ignored,omitempty"`
	Filters []node.TriedFilter `json:"filters,omitempty"`
}

func statsOf(t node.TriedRules) detectStats {
	refused := t.Refused
	if refused == nil {
		refused = []node.RefusedRule{}
	}
	return detectStats{t.Events, perSecond(t), t.Matches, t.Bad, t.Loaded, t.Loading.Milliseconds(), refused,
		t.CutEvents, t.ShortEvents, t.Ignored, t.Filters}
}

// perSecond is how many events were read in a second, loading left out.
func perSecond(t node.TriedRules) int64 {
	return int64(float64(t.Events) / max(t.Reading, time.Microsecond).Seconds())
}

// tell says on standard error what nobody should miss.
func (c detectCmd) tell(w *world, t node.TriedRules) {
	if t.Bad > 0 {
		fmt.Fprintf(w.err, "%d %ss could not be read; the first:\n", t.Bad, t.Unit)
	}
	for _, where := range t.First {
		fmt.Fprintln(w.err, " ", where)
	}
	if t.Matches == 0 && t.Loaded > 0 {
		fmt.Fprintf(w.err, "no rule fits any of the %d events\n", t.Events)
	}
	if !c.Stats {
		if len(t.Refused) > 0 {
			fmt.Fprintf(w.err, "%d rules were refused; --stats says which and why\n", len(t.Refused))
		}
		return
	}
	fmt.Fprintf(w.err, "%d events, %d a second, %d matches; %d rules loaded in %s, %d refused\n",
		t.Events, perSecond(t), t.Matches, t.Loaded, t.Loading.Round(time.Millisecond), len(t.Refused))
	for _, r := range t.Refused {
		fmt.Fprintf(w.err, "refused %s (%s): %s\n", r.File, r.Title, r.Reason)
	}
	tellMore(w.err, t)
}

// tellMore says what was left out without being refused.
func tellMore(out io.Writer, t node.TriedRules) {
	for _, name := range t.Ignored {
		fmt.Fprintf(out, "ignored %s: not a rule file (.yml, .yaml, .txtar)\n", name)
	}
	for _, f := range t.Filters {
		fmt.Fprintf(out, "filter %s: over %d rules, hid %d matches\n", f.ID, f.Rules, f.Hidden)
		if len(f.Missing) > 0 {
			fmt.Fprintf(out, "filter %s: no rule of its log source is called %s\n", f.ID, strings.Join(f.Missing, ", "))
		}
	}
	if t.CutEvents > 0 {
		fmt.Fprintf(out, "%d events have more values than rules look at\n", t.CutEvents)
	}
	if t.ShortEvents > 0 {
		fmt.Fprintf(out, "%d events have values too long for some regular expressions, which saw only the beginning\n", t.ShortEvents)
	}
}
