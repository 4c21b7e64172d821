package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
)

type disputeCmd struct {
	target
	Patient  string `help:"Number of the patient." required:"" placeholder:"ID"`
	NoteFrom string `help:"File with what the patient says; - is standard input. Never an argument: the list of processes shows those." placeholder:"FILE"`
	Channel  string `help:"How the patient said it, e.g. counter, letter, portal."`
	JSON     bool   `help:"The dispute as JSON." name:"json"`
	Event    string `arg:"" help:"Id of the access, as cordon accesses --json gives it." name:"event-id"`
}

// mostNote bounds what is read of a note, in bytes; the server bounds it in
// characters.
const mostNote = 64 << 10

// Run takes down that a patient says of an access: not for me.
func (c disputeCmd) Run(w *world) error {
	note, err := c.note(w)
	if err != nil {
		return err
	}
	wish := api.DisputeWish{Patient: c.Patient, Event: c.Event, Note: note, Channel: c.Channel}
	return c.with(w, func(s *session) error {
		d, err := get[api.Dispute](s, w.ctx, "POST", "/api/v1/disputes", wish)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(w.out).Encode(d)
		}
		who := d.Person
		if who == "" {
			who = d.Account
		}
		_, err = fmt.Fprintf(w.out, "taken down: the access of %s on %s; the case opens within seconds\n", who, time.UnixMilli(d.At).Format("2006-01-02 15:04"))
		return err
	})
}

func (c disputeCmd) note(w *world) (string, error) {
	var in io.Reader
	switch c.NoteFrom {
	case "":
		return "", nil
	case "-":
		in = w.in
	default:
		f, err := os.Open(c.NoteFrom)
		if err != nil {
			return "", usage{fmt.Errorf("read the note: %w", err)}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, mostNote+1))
	if err != nil {
		return "", fmt.Errorf("read the note: %w", err)
	}
	if len(text) > mostNote {
		return "", usage{errors.New("the note is longer than 64 KiB; shorten it")}
	}
	return strings.TrimSpace(string(text)), nil
}
