package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/node"
)

type deidentifyCmd struct {
	Profile    string   `help:"Which profile; --profiles lists them." placeholder:"NAME"`
	Key        string   `help:"The key that decides all pseudonyms and shifts." placeholder:"FILE" type:"path"`
	NewKey     bool     `help:"Make the key file first; refused where it is there already."`
	Suite      string   `help:"Algorithms of a new key: standard (HMAC-SHA256, AES) or sm (HMAC-SM3, SM4)." enum:"standard,sm" default:"standard"`
	Weekdays   bool     `help:"A new key shifts dates by whole weeks, so that weekdays stay."`
	Option     []string `help:"An option of the profile; may be repeated." placeholder:"NAME"`
	Patient    string   `help:"Record number of the patient, where the files do not say it; dates move by it." placeholder:"ID"`
	Recipient  []string `help:"Encrypt outputs for this public key of age (age1...); may be repeated." placeholder:"KEY"`
	Passphrase string   `help:"Encrypt outputs with the passphrase in this file." placeholder:"FILE" type:"path" xor:"to"`
	Vault      string   `help:"Keep what stood behind pseudonyms in this file, sealed by the key, for approved re-identification; put it beside the key." placeholder:"FILE" type:"path"`
	JSON       bool     `help:"A line of JSON for each file, then the totals." name:"json"`
	Profiles   bool     `help:"List the profiles and their options."`
	In         string   `arg:"" optional:"" help:"A file or a folder; it is only read." type:"path"`
	Out        string   `arg:"" optional:"" help:"Where the output goes; of a folder what is done already is left out." type:"path"`
}

// Help is the long text behind the flags.
func (deidentifyCmd) Help() string {
	return "Names, numbers and dates come out alike in DICOM, HL7 v2, FHIR, C-CDA, tables and text under one key.\n" +
		"A file that cannot be processed is reported and not copied; the command then ends with 3."
}

// Run de-identifies a file or folder.
func (c *deidentifyCmd) Run(w *world) error {
	if c.Profiles {
		return listProfiles(w)
	}
	if c.Key == "" {
		return usage{errors.New("--key FILE is needed; with --new-key it is made")}
	}
	if c.NewKey {
		if err := c.makeKey(w); err != nil || c.In == "" {
			return err
		}
	}
	if c.Profile == "" || c.In == "" || c.Out == "" {
		return usage{errors.New("say what to do: cordon deidentify --profile NAME --key FILE IN OUT; --profiles lists the profiles")}
	}
	return c.run(w)
}

// makeKey makes the key file; it never replaces one.
func (c *deidentifyCmd) makeKey(w *world) error {
	if _, err := os.Lstat(c.Key); err == nil {
		return usage{fmt.Errorf("%s is there already; leave out --new-key to use it", c.Key)}
	}
	key, err := deid.NewKey(deid.KeyOptions{Suite: deid.Suite(c.Suite), KeepWeekdays: c.Weekdays})
	if err != nil {
		return err
	}
	if err := key.Save(c.Key); err != nil {
		return err
	}
	fmt.Fprintf(w.err, "key %s is in %s; keep it apart from the data and back it up: without it pseudonyms cannot be repeated\n", key.ID(), c.Key)
	return nil
}

func (c *deidentifyCmd) run(w *world) error {
	bar := newProgress(w, "deidentify", -1)
	out := json.NewEncoder(w.out)
	out.SetEscapeHTML(false)
	begun := w.now()
	total, err := node.Deidentify{
		Profile: c.Profile, Options: c.Option, Key: c.Key, In: c.In, Out: c.Out, Patient: c.Patient,
		Recipients: c.Recipient, Passphrase: c.Passphrase, Vault: c.Vault, Today: begun,
		Note: func(p deid.Progress) { c.note(bar, p) },
		Each: func(f deid.FileReport) error {
			if f.Why != "" {
				fmt.Fprintf(w.err, "not passed on: %s: %s\n", f.Path, f.Why)
			}
			if c.JSON {
				return out.Encode(f)
			}
			return nil
		},
	}.Run(w.ctx)
	bar.end()
	if errors.Is(err, deid.ErrUsage) || errors.Is(err, fs.ErrNotExist) && total.Files == 0 {
		return usage{err}
	}
	if err != nil {
		return err
	}
	return c.end(w, out, total, w.now().Sub(begun))
}

// note shows how far it is, in bytes.
func (c *deidentifyCmd) note(bar *progress, p deid.Progress) {
	bar.step(fmt.Sprintf("deidentify: file %d of %d", p.Files, p.AllFiles), p.Bytes, p.AllBytes)
}

// deidentified is the last line of --json.
type deidentified struct {
	Total deid.Total `json:"total"`
	Took  float64    `json:"seconds"`
}

func (c *deidentifyCmd) end(w *world, out *json.Encoder, total deid.Total, took time.Duration) error {
	if c.JSON {
		if err := out.Encode(deidentified{total, took.Seconds()}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(w.out, "%d files: %d done, %d done before, %d not passed on; %d records; key %s\n", total.Files, total.Done, total.Before, total.Failed, total.Records, total.Key)
		for _, note := range total.Notes {
			fmt.Fprintln(w.out, "note:", note)
		}
	}
	if total.Failed > 0 {
		return fmt.Errorf("%d of %d files could not be processed and were not passed on; the reasons are above", total.Failed, total.Files)
	}
	return nil
}

func listProfiles(w *world) error {
	for _, o := range deid.Offers() {
		name := o.Name
		if o.Argument != "" {
			name += ":" + o.Argument
		}
		if _, err := fmt.Fprintf(w.out, "%-16s %s\n%-16s %s\n", name, o.Title.EN, "", o.Title.ZH); err != nil {
			return err
		}
		for _, option := range o.Options {
			fmt.Fprintf(w.out, "  --option %-28s %s\n", option.Name, strings.TrimSpace(option.Title.EN))
		}
	}
	return nil
}
