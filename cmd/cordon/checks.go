package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/cordon-health/cordon/api"
)

type checksCmd struct {
	target
	JSON bool `help:"A line of JSON for each check." name:"json"`
}

// Help is the long text behind the flags.
func (checksCmd) Help() string {
	return "What laws and standards ask of the network's protection, answered as of now: met, partly, unmet, with what to do next."
}

// Run asks.
func (c checksCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		list, err := get[[]api.CheckLine](s, w.ctx, "GET", "/api/v1/checks", nil)
		if err != nil {
			return err
		}
		if c.JSON {
			enc := json.NewEncoder(w.out)
			for _, x := range list {
				if err := enc.Encode(x); err != nil {
					return err
				}
			}
			return nil
		}
		out := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		for _, x := range list {
			fmt.Fprintf(out, "%s\t%s\t%s\n", x.Answer.State, x.ID, x.Answer.Text.EN)
			if x.Answer.Next.EN != "" {
				fmt.Fprintf(out, "\t\t-> %s\n", x.Answer.Next.EN)
			}
		}
		return out.Flush()
	})
}
