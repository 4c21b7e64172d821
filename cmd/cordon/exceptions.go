package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/cordon-health/cordon/api"
)

type exceptionsCmd struct {
	List   exceptionsListCmd   `cmd:"" default:"withargs" help:"List them, what needs attention first."`
	Add    exceptionsAddCmd    `cmd:"" help:"Write one down."`
	Agree  exceptionsAgreeCmd  `cmd:"" help:"Put a wanted one in force; needs a person's own sign-in, so this is mostly done in the console."`
	Review exceptionsReviewCmd `cmd:"" help:"Note that you looked at it again and why it stays."`
	End    exceptionsEndCmd    `cmd:"" help:"End one early."`
}

type exceptionsListCmd struct {
	target
	JSON bool `help:"One exception a line." name:"json"`
}

// Run lists exceptions.
func (c exceptionsListCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		all, err := get[[]api.ExceptionLine](s, w.ctx, "GET", "/api/v1/exceptions", nil)
		if err != nil {
			return err
		}
		if c.JSON {
			e := json.NewEncoder(w.out)
			for _, x := range all {
				if err := e.Encode(x); err != nil {
					return err
				}
			}
			return nil
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(tab, "ID\tSTATE\tDETECTOR\tABOUT\tUNTIL\tHID\tREASON")
		for _, x := range all {
			state := x.State
			if x.Due {
				state += ", review due"
			}
			fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", x.ID, state, x.Detector, aboutText(x), x.Until, x.Hidden, x.Reason)
		}
		if len(all) == 0 {
			fmt.Fprintln(w.err, "nothing found")
		}
		return tab.Flush()
	})
}

func aboutText(x api.ExceptionLine) string {
	text := ""
	for _, part := range [][2]string{{"person ", x.Person}, {"patient ", x.Patient}, {"department ", x.Department}, {"source ", x.Source}} {
		if part[1] != "" {
			if text != "" {
				text += ", "
			}
			text += part[0] + part[1]
		}
	}
	return text
}

type exceptionsAddCmd struct {
	target
	Detector   string `arg:"" help:"Detector or rule, or '*' for all."`
	Person     string `help:"person_id or account."`
	Patient    string `help:"Patient number."`
	Department string `help:"Department of the person."`
	Source     string `help:"Log provider the event came from."`
	Until      string `help:"Last day, 2026-12-31; a year ahead at most." required:""`
	Reason     string `help:"Why." required:""`
	ApprovedBy string `help:"Who decided it." required:""`
}

// Run writes an exception down.
func (c exceptionsAddCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		type answer struct {
			ID     string
			Agreed int64
		}
		a, err := get[answer](s, w.ctx, "POST", "/api/v1/exceptions", map[string]string{"detector": c.Detector, "person": c.Person, "patient": c.Patient,
			"department": c.Department, "source": c.Source, "until": c.Until, "reason": c.Reason, "approved_by": c.ApprovedBy})
		if err != nil {
			return err
		}
		if a.Agreed == 0 {
			fmt.Fprintln(w.err, "it is not in force: it waits for somebody else to agree, signed in to the console; cordon exceptions --json says why")
		}
		_, err = fmt.Fprintln(w.out, a.ID)
		return err
	})
}

type exceptionsAgreeCmd struct {
	target
	ID string `arg:"" help:"Its id, as listed."`
}

// Run agrees to an exception.
func (c exceptionsAgreeCmd) Run(w *world) error {
	return changeException(w, c.target, c.ID, "agree", "")
}

type exceptionsReviewCmd struct {
	target
	ID   string `arg:"" help:"Its id, as listed."`
	Note string `help:"Why it stays." required:""`
}

// Run reviews an exception.
func (c exceptionsReviewCmd) Run(w *world) error {
	return changeException(w, c.target, c.ID, "review", c.Note)
}

type exceptionsEndCmd struct {
	target
	ID     string `arg:"" help:"Its id, as listed."`
	Reason string `help:"Why." required:""`
}

// Run ends an exception.
func (c exceptionsEndCmd) Run(w *world) error {
	return changeException(w, c.target, c.ID, "end", c.Reason)
}

func changeException(w *world, t target, id, what, text string) error {
	return t.with(w, func(s *session) error {
		return s.pour(w.ctx, io.Discard, "POST", "/api/v1/exceptions/"+id+"/"+what, map[string]string{"text": text})
	})
}
