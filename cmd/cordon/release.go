package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/release"
)

type releaseCmd struct {
	List     releaseListCmd     `cmd:"" default:"withargs" help:"List data sets that leave, the newest first."`
	Request  releaseRequestCmd  `cmd:"" help:"Ask for a data set to leave, and have it made, measured and attacked."`
	Show     releaseShowCmd     `cmd:"" help:"Show one with all that was measured."`
	Make     releaseMakeCmd     `cmd:"" help:"Make it again, after what blocked it was mended."`
	Decide   releaseDecideCmd   `cmd:"" help:"Approve or refuse what was measured; not by who asked."`
	Take     releaseTakeCmd     `cmd:"" help:"Write the approved copy to a file, for its recipient."`
	Withdraw releaseWithdrawCmd `cmd:"" help:"End one before its time and delete its data."`
	Proof    releaseProofCmd    `cmd:"" help:"Write the signed proof; cordon verify checks it."`
}

type releaseListCmd struct {
	target
	JSON bool `help:"One release a line." name:"json"`
}

// Run lists releases.
func (c releaseListCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		all, err := get[[]release.Release](s, w.ctx, "GET", "/api/v1/releases", nil)
		if err != nil {
			return err
		}
		if c.JSON {
			e := json.NewEncoder(w.out)
			for _, r := range all {
				if err := e.Encode(r); err != nil {
					return err
				}
			}
			return nil
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(tab, "ID\tSTATE\tLEVEL\tRECIPIENT\tUNTIL\tTITLE")
		for _, r := range all {
			fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.State, levelText(r.Level), r.Recipient, r.Until, r.Title)
		}
		if len(all) == 0 {
			fmt.Fprintln(w.err, "nothing found")
		}
		return tab.Flush()
	})
}

func levelText(n int) string {
	if n == 0 {
		return "-"
	}
	return number(n)
}

type releaseRequestCmd struct {
	target
	File      string `arg:"" help:"The data set: a CSV table, or a ZIP archive of files." type:"path"`
	Recipe    string `help:"How it is made ready, YAML; see docs/release.md." required:"" type:"path" placeholder:"FILE"`
	Title     string `help:"What it is." required:""`
	Purpose   string `help:"What it is for." required:""`
	Basis     string `help:"The legal basis, such as an ethics committee's decision." required:""`
	Recipient string `help:"Who gets it." required:""`
	Contact   string `help:"The recipient's mail address."`
	Until     string `help:"The last day, 2027-06-30." required:""`
	AgeKey    string `help:"The recipient's age key (age1...); the copy is then encrypted to it."`
	Later     bool   `help:"Only ask; make it later."`
}

// Run asks for a release and has it made.
func (c releaseRequestCmd) Run(w *world) error {
	recipe, err := os.ReadFile(c.Recipe)
	if err != nil {
		return usage{err}
	}
	f, err := os.Open(c.File)
	if err != nil {
		return usage{err}
	}
	defer f.Close()
	wish, err := json.Marshal(release.Wish{Title: c.Title, Purpose: c.Purpose, Basis: c.Basis, Recipient: c.Recipient, Contact: c.Contact,
		Until: c.Until, Recipe: string(recipe), File: filepath.Base(c.File), AgeKey: c.AgeKey})
	if err != nil {
		return err
	}
	return c.with(w, func(s *session) error {
		r, err := get[release.Release](s, w.ctx, "POST", "/api/v1/releases", io.MultiReader(bytes.NewReader(append(wish, '\n')), f))
		if err != nil {
			return err
		}
		fmt.Fprintln(w.out, r.ID)
		if c.Later {
			return nil
		}
		return makeRelease(w, s, r.ID)
	})
}

// makeRelease has it made and says what came of it.
func makeRelease(w *world, s *session, id string) error {
	r, err := get[release.Release](s, w.ctx, "POST", "/api/v1/releases/"+id+"/make", map[string]string{})
	if err != nil {
		return err
	}
	if m := r.Measured; m != nil {
		fmt.Fprintf(w.err, "%d rows, %d suppressed, loss %.4f, highest risk %.4f, GB/T 42460 level %d\n", m.Rows, m.Suppressed, m.Loss, m.Risk.Prosecutor.Highest, r.Level)
	}
	if r.State != release.Blocked {
		fmt.Fprintf(w.err, "%s: somebody else decides now, on the page Releases (or, with --data: cordon release decide %s --approve --reason ...)\n", r.State, id)
		return nil
	}
	if r.Failure != nil {
		fmt.Fprintln(w.err, r.Failure.In(language()))
	}
	if r.Trial != nil {
		for _, t := range r.Trial.Refused {
			fmt.Fprintln(w.err, t.In(language()))
		}
	}
	return found{"it does not leave; mend the recipe or the data and ask again"}
}

type releaseShowCmd struct {
	target
	ID string `arg:"" help:"Its id, as listed."`
}

// Run shows a release as JSON.
func (c releaseShowCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		r, err := get[release.Release](s, w.ctx, "GET", "/api/v1/releases/"+c.ID, nil)
		if err != nil {
			return err
		}
		e := json.NewEncoder(w.out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	})
}

type releaseMakeCmd struct {
	target
	ID string `arg:"" help:"Its id, as listed."`
}

// Run makes a release again.
func (c releaseMakeCmd) Run(w *world) error {
	return c.with(w, func(s *session) error { return makeRelease(w, s, c.ID) })
}

type releaseDecideCmd struct {
	target
	ID      string `arg:"" help:"Its id, as listed."`
	Approve bool   `help:"Let it go." xor:"what"`
	Refuse  bool   `help:"Do not." xor:"what"`
	Reason  string `help:"Why." required:""`
}

// Run decides about a release.
func (c releaseDecideCmd) Run(w *world) error {
	if c.Approve == c.Refuse {
		return usage{errors.New("say --approve or --refuse")}
	}
	return c.with(w, func(s *session) error {
		r, err := get[release.Release](s, w.ctx, "POST", "/api/v1/releases/"+c.ID+"/decide", map[string]any{"approve": c.Approve, "reason": c.Reason})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w.out, r.State)
		return err
	})
}

type releaseTakeCmd struct {
	target
	ID  string `arg:"" help:"Its id, as listed."`
	Out string `arg:"" help:"Where it goes; written whole or not at all." type:"path"`
}

// Run writes the approved copy.
func (c releaseTakeCmd) Run(w *world) error {
	return c.with(w, func(s *session) error { return fetch(w, s, "POST", "/api/v1/releases/"+c.ID+"/take", c.Out) })
}

// fetch writes an answer to a file, whole or not at all.
func fetch(w *world, s *session, method, path, to string) error {
	out, err := durable.Create(to, 0o600)
	if err != nil {
		return err
	}
	defer out.Abort()
	var body any
	if method == "POST" {
		body = map[string]string{}
	}
	if err := s.pour(w.ctx, out, method, path, body); err != nil {
		return err
	}
	return out.Commit()
}

type releaseWithdrawCmd struct {
	target
	ID     string `arg:"" help:"Its id, as listed."`
	Reason string `help:"Why." required:""`
}

// Run ends a release.
func (c releaseWithdrawCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, io.Discard, "POST", "/api/v1/releases/"+c.ID+"/withdraw", map[string]string{"text": c.Reason})
	})
}

type releaseProofCmd struct {
	target
	ID  string `arg:"" help:"Its id, as listed."`
	Out string `arg:"" help:"Where the proof goes, a ZIP file." type:"path"`
}

// Run writes the proof.
func (c releaseProofCmd) Run(w *world) error {
	return c.with(w, func(s *session) error { return fetch(w, s, "GET", "/api/v1/releases/"+c.ID+"/proof", c.Out) })
}

type traceCmd struct {
	target
	Fragment string `arg:"" help:"The leaked piece of a table: CSV, with its header line where there is one; - is standard input."`
	JSON     bool   `help:"The verdict as one line of JSON." name:"json"`
}

// Help is the long text behind the flags.
func (traceCmd) Help() string {
	return "Names the recipient and the release that a leaked piece of a table comes from. From some 200 rows on, also when rows are shuffled, missing or rounded. It names nobody where the chance of a false accusation is above one in a million."
}

// Run traces a fragment.
func (c traceCmd) Run(w *world) error {
	in, bar, err := openInput(w, c.Fragment)
	if err != nil {
		return usage{err}
	}
	defer in.Close()
	return c.with(w, func(s *session) error {
		v, err := get[release.Verdict](s, w.ctx, "POST", "/api/v1/trace", in)
		bar.end()
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(w.out).Encode(v)
		}
		for _, m := range v.Named {
			fmt.Fprintf(w.out, "%s\t%s\tfalse with probability below 1e%.0f (%d of %d answers, %d honey rows)\n", m.Recipient, m.Release, m.Log10False, m.Yes, m.Asked, m.Honey)
		}
		if len(v.Named) == 0 {
			fmt.Fprintf(w.out, "not provable: none of %d copies explains these %d rows beyond chance\n", v.Copies, v.Rows)
		}
		return nil
	})
}
