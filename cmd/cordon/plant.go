package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/incident"
)

type plantCmd struct {
	target
	Kind string        `arg:"" optional:"" help:"What to plant; without it the kinds and what became of those planted are listed."`
	Wait time.Duration `help:"Wait so long for it to be found." default:"1m"`
}

type plantAnswer struct {
	Kinds   []api.PlantKind `json:"kinds"`
	Planted []struct {
		incident.Plant
		State string `json:"state"`
	} `json:"planted"`
}

// Run plants a violation and waits for it to be found, or lists them.
func (c plantCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		if c.Kind == "" {
			return c.list(w, s)
		}
		p, err := get[incident.Plant](s, w.ctx, "POST", "/api/v1/planted", map[string]string{"kind": c.Kind})
		if err != nil {
			return err
		}
		for until := w.now().Add(c.Wait); ; {
			a, err := get[plantAnswer](s, w.ctx, "GET", "/api/v1/planted", nil)
			if err != nil {
				return err
			}
			for _, x := range a.Planted {
				if x.ID == p.ID && x.Found > 0 {
					_, err := fmt.Fprintf(w.out, "found after %.1f s by %v, case %s\n", float64(x.Found-x.At)/1000, x.By, x.Case)
					return err
				}
			}
			if w.now().After(until) {
				return found{fmt.Sprintf("not found after %s; look at it again with: cordon plant", c.Wait)}
			}
			select {
			case <-w.ctx.Done():
				return w.ctx.Err()
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
}

func (c plantCmd) list(w *world, s *session) error {
	a, err := get[plantAnswer](s, w.ctx, "GET", "/api/v1/planted", nil)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tab, "KIND\tWHAT")
	for _, k := range a.Kinds {
		fmt.Fprintf(tab, "%s\t%s\n", k.ID, k.Title.In(language()))
	}
	fmt.Fprintln(tab, "\nPLANTED\tKIND\tSTATE\tBY")
	for _, x := range a.Planted {
		fmt.Fprintf(tab, "%s\t%s\t%s\t%v\n", time.UnixMilli(x.At).Format("2006-01-02 15:04"), x.Kind, x.State, x.By)
	}
	return tab.Flush()
}
