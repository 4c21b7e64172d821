package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/node"
)

type verifyCmd struct {
	JSON       bool     `help:"The report as JSON." name:"json"`
	Key        string   `help:"Public key of the log (a file, or the key itself), from a place that nobody with access to the folder can reach." placeholder:"KEY"`
	Witness    string   `help:"Demand the signature of this witness: its public key, or a file with it." placeholder:"KEY"`
	Checkpoint []string `help:"A checkpoint kept elsewhere, which the log must contain; may be repeated." placeholder:"FILE" sep:"none"`
	Store      string   `help:"postgres://... when the records are not in the folder." placeholder:"URL"`
	Path       string   `arg:"" help:"A data folder, or an exported bundle (.zip)." type:"path"`
}

// Run verifies; broken evidence is what it looks for.
func (c verifyCmd) Run(w *world) error {
	o, err := c.offline()
	if err != nil {
		return usage{err}
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return usage{err}
	}
	if info.IsDir() {
		return c.folder(w, o)
	}
	return c.bundle(w, o, info.Size())
}

// offline reads what the flags name.
func (c verifyCmd) offline() (o node.Offline, err error) {
	o.Store = c.Store
	if o.Key, err = keyOrFile(c.Key); err != nil {
		return o, err
	}
	if o.Witness, err = keyOrFile(c.Witness); err != nil {
		return o, err
	}
	for _, path := range c.Checkpoint {
		text, err := os.ReadFile(path)
		if err != nil {
			return o, err
		}
		o.Checkpoints = append(o.Checkpoints, string(text))
	}
	return o, nil
}

func keyOrFile(text string) (string, error) {
	if text == "" || strings.Contains(text, "+") && !fs.ValidPath(text) {
		return text, nil
	}
	data, err := os.ReadFile(text)
	if errors.Is(err, fs.ErrNotExist) && strings.Contains(text, "+") {
		return text, nil
	}
	return strings.TrimSpace(string(data)), err
}

func (c verifyCmd) folder(w *world, o node.Offline) error {
	if !o.HasRecords(c.Path) {
		fmt.Fprintln(w.err, "no records in the folder; checking the log and the files only (give --store for PostgreSQL)")
	}
	bar := newProgress(w, "verify", 1)
	report, err := o.VerifyFolder(w.ctx, c.Path, func(p evidence.Progress) { bar.step(p.Step, p.Done, p.Total) })
	bar.end()
	if err != nil {
		return err
	}
	if err := c.print(w, report, func() { printReport(w, report) }); err != nil {
		return err
	}
	if !report.OK {
		return found{"evidence is broken: " + report.FirstBad}
	}
	return nil
}

func (c verifyCmd) bundle(w *world, o node.Offline, size int64) error {
	f, err := os.Open(c.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if begin := make([]byte, 2); !strings.HasSuffix(c.Path, ".zip") {
		if _, err := f.ReadAt(begin, 0); err != nil || string(begin) != "PK" {
			return fmt.Errorf("%s is neither a data folder nor an exported bundle (.zip)", c.Path)
		}
	}
	report, err := o.VerifyBundle(f, size)
	if err != nil {
		return err
	}
	human := func() {
		fmt.Fprintf(w.out, "bundle     case %s of %s\nchecked    %d events, %d records\n", report.Case, report.Origin, report.Events, report.Records)
		if !report.KeyGiven {
			fmt.Fprintln(w.out, "key        taken from the bundle itself; for real trust give --key from elsewhere")
		}
		if report.OK {
			fmt.Fprintln(w.out, "OK         every byte is as the server exported it, and the log proves it")
		}
	}
	if err := c.print(w, report, human); err != nil {
		return err
	}
	if !report.OK {
		return found{"evidence is broken: " + report.FirstBad}
	}
	return nil
}

func (c verifyCmd) print(w *world, v any, human func()) error {
	if c.JSON {
		return json.NewEncoder(w.out).Encode(v)
	}
	human()
	return nil
}

func printReport(w *world, r evidence.Report) {
	fmt.Fprintf(w.out, "log        %s, %d entries, root %x\n", r.Origin, r.Entries, r.Root)
	fmt.Fprintf(w.out, "checked    %d events in %d batches and %d files, %d records\n", r.Events, r.Batches, r.Files, r.Records)
	if r.WaitingEvents+r.WaitingRecords > 0 {
		fmt.Fprintf(w.out, "waiting    %d events and %d records were not yet written or signed when the server stopped\n", r.WaitingEvents, r.WaitingRecords)
	}
	if !r.KeyGiven {
		fmt.Fprintln(w.out, "key        taken from the folder itself; for real trust give --key from elsewhere")
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w.out, "note      ", n.EN)
	}
	for i, f := range r.Faults {
		if i == 20 {
			fmt.Fprintf(w.out, "... and %d more\n", r.Total-20)
			break
		}
		fmt.Fprintln(w.out, "FAULT     ", f)
	}
	if r.OK {
		fmt.Fprintln(w.out, "OK         nothing contradicts the log")
	}
}

type evidenceCmd struct {
	Export exportCmd `cmd:"" help:"One signed file with events, explanations, decisions, actions and proofs; readable, and verifiable with: cordon verify FILE"`
	Head   headCmd   `cmd:"" help:"The signed head of the log; keep it elsewhere."`
}

type exportCmd struct {
	target
	Incident string `help:"Number of the case." required:"" placeholder:"ID"`
	Lang     string `help:"Language that comes first on the page." enum:"en,zh" default:"zh"`
	Out      string `help:"File to write; - is standard output." short:"o" placeholder:"FILE"`
}

// Run exports one case.
func (c exportCmd) Run(w *world) error {
	if c.Out == "" {
		c.Out = "case-" + c.Incident + ".zip"
	}
	return c.with(w, func(s *session) error {
		path := "/api/v1/incidents/" + url.PathEscape(c.Incident) + "/bundle?lang=" + c.Lang
		if c.Out == "-" {
			return s.pour(w.ctx, w.out, "GET", path, nil)
		}
		f, err := os.OpenFile(c.Out, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		if err := errors.Join(s.pour(w.ctx, f, "GET", path, nil), f.Close()); err != nil {
			return errors.Join(err, os.Remove(c.Out))
		}
		fmt.Fprintf(w.err, "wrote %s; it holds patient ids, treat it as such. Check it with: cordon verify %s\n", c.Out, c.Out)
		return nil
	})
}

type headCmd struct{ target }

// Run prints the head.
func (c headCmd) Run(w *world) error {
	return c.with(w, func(s *session) error { return s.pour(w.ctx, w.out, "GET", "/api/v1/evidence", nil) })
}
