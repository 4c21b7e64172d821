package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/cordon-health/cordon/deid"
)

type reidentifyCmd struct {
	List   reidentifyListCmd   `cmd:"" default:"withargs" help:"List requests, newest first."`
	Ask    reidentifyAskCmd    `cmd:"" help:"Ask who is behind pseudonyms; another user has to approve it."`
	Decide reidentifyDecideCmd `cmd:"" help:"Approve or refuse a request of somebody else."`
	Answer reidentifyAnswerCmd `cmd:"" help:"Show the answer of an approved request, once."`
}

type reidentifyListCmd struct {
	target
	JSON bool `help:"One request a line." name:"json"`
}

// Run lists requests.
func (c reidentifyListCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		all, err := get[[]deid.Request](s, w.ctx, "GET", "/api/v1/reidentifications", nil)
		if err != nil {
			return err
		}
		if c.JSON {
			return ndjson(w, all)
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(tab, "ID\tSTATE\tASKED\tBY\tITEMS\tDECIDED BY\tPURPOSE")
		for _, q := range all {
			fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", q.ID, q.State, time.UnixMilli(q.At).Format(time.DateOnly), q.By, len(q.Items), q.DecidedBy, q.Purpose)
		}
		if len(all) == 0 {
			fmt.Fprintln(w.err, "nobody asked yet")
		}
		return tab.Flush()
	})
}

func ndjson[T any](w *world, all []T) error {
	e := json.NewEncoder(w.out)
	e.SetEscapeHTML(false)
	for _, x := range all {
		if err := e.Encode(x); err != nil {
			return err
		}
	}
	return nil
}

type reidentifyAskCmd struct {
	target
	Purpose string   `help:"What it is for." required:""`
	Basis   string   `help:"Who decided it: an ethics committee, a court, the patient." required:""`
	File    string   `help:"A file with a pseudonym a line." placeholder:"FILE" type:"path"`
	Item    []string `arg:"" optional:"" help:"Pseudonyms."`
}

// Run begins a request.
func (c reidentifyAskCmd) Run(w *world) error {
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return usage{err}
		}
		defer f.Close()
		s := bufio.NewScanner(f)
		for s.Scan() {
			c.Item = append(c.Item, s.Text())
		}
		if err := s.Err(); err != nil {
			return err
		}
	}
	return c.with(w, func(s *session) error {
		q, err := get[deid.Request](s, w.ctx, "POST", "/api/v1/reidentifications", map[string]any{"purpose": c.Purpose, "basis": c.Basis, "items": c.Item})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.out, "%s waits for another user: cordon reidentify decide %s --approve --reason ...\n", q.ID, q.ID)
		return err
	})
}

type reidentifyDecideCmd struct {
	target
	ID      string `arg:"" help:"The request."`
	Approve bool   `help:"Approve it." xor:"decision" required:""`
	Refuse  bool   `help:"Refuse it." xor:"decision" required:""`
	Reason  string `help:"Why." required:""`
}

// Run decides.
func (c reidentifyDecideCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		q, err := get[deid.Request](s, w.ctx, "POST", "/api/v1/reidentifications/"+c.ID+"/decide", map[string]any{"approve": c.Approve, "reason": c.Reason})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.out, "%s is %s\n", q.ID, q.State)
		return err
	})
}

type reidentifyAnswerCmd struct {
	target
	ID   string `arg:"" help:"The request."`
	JSON bool   `help:"One pseudonym a line." name:"json"`
}

// Run shows the answer. It is kept nowhere: what is not noted now has to be
// asked for again.
func (c reidentifyAnswerCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		all, err := get[[]deid.Behind](s, w.ctx, "POST", "/api/v1/reidentifications/"+c.ID+"/answer", nil)
		if err != nil {
			return err
		}
		if c.JSON {
			return ndjson(w, all)
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		for _, b := range all {
			if b.Value == "" {
				b.Value = "(not known: another key, or not in the vault)"
			}
			fmt.Fprintf(tab, "%s\t%s\n", b.Pseudonym, b.Value)
		}
		return tab.Flush()
	})
}
