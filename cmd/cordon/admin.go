package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/node"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it; it is shown once."`
	List   tokenListCmd   `cmd:"" help:"List tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once."`
}

type tokenCreateCmd struct {
	target
	Role  string `help:"administrator, security-officer, privacy-officer, network-engineer, auditor, department-head, data-steward; sender for machines that hand in events, sensor for cordon sensor." required:""`
	Label string `help:"What it is for." default:"command line"`
	Days  int    `help:"How many days it works." default:"365"`
}

// Run makes a token.
func (c tokenCreateCmd) Run(w *world) error {
	if c.Days < 1 {
		return usage{errors.New("--days must be 1 or more")}
	}
	if err := c.make(); err != nil {
		return err
	}
	return c.with(w, func(s *session) error {
		type answer struct{ Token string }
		a, err := get[answer](s, w.ctx, "POST", "/api/v1/tokens", map[string]any{"label": c.Label, "role": c.Role, "days": c.Days})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w.out, a.Token)
		return err
	})
}

type tokenListCmd struct{ target }

// Run lists tokens.
func (c tokenListCmd) Run(w *world) error {
	return c.with(w, func(s *session) error { return s.pour(w.ctx, w.out, "GET", "/api/v1/tokens", nil) })
}

type tokenRevokeCmd struct {
	target
	ID string `arg:"" help:"Id of the token, as listed."`
}

// Run ends a token.
func (c tokenRevokeCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, io.Discard, "DELETE", "/api/v1/tokens/"+url.PathEscape(c.ID), nil)
	})
}

type userCmd struct {
	Invite  userInviteCmd  `cmd:"" help:"Make a one-time sign-in link for somebody, or let them choose password and authenticator anew."`
	List    userListCmd    `cmd:"" help:"List users."`
	Disable userDisableCmd `cmd:"" help:"Shut an account and end its sessions."`
}

type userInviteCmd struct {
	target
	Name       string `arg:"" help:"User name."`
	Role       string `help:"Role in Cordon." required:""`
	FullName   string `help:"Name to show."`
	Department string `help:"Department, for department heads."`
	Person     string `help:"person_id in the directory."`
}

// Run invites.
func (c userInviteCmd) Run(w *world) error {
	if err := c.make(); err != nil {
		return err
	}
	return c.with(w, func(s *session) error {
		body := map[string]string{"name": c.Name, "role": c.Role, "full_name": c.FullName, "department": c.Department, "person_id": c.Person}
		return s.pour(w.ctx, w.out, "POST", "/api/v1/users", body)
	})
}

type userListCmd struct{ target }

// Run lists users.
func (c userListCmd) Run(w *world) error {
	return c.with(w, func(s *session) error { return s.pour(w.ctx, w.out, "GET", "/api/v1/users", nil) })
}

type userDisableCmd struct {
	target
	Name string `arg:"" help:"User name."`
}

// Run disables.
func (c userDisableCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, io.Discard, "POST", "/api/v1/users/"+url.PathEscape(c.Name)+"/disable", nil)
	})
}

type quarantineCmd struct {
	List    quarantineListCmd    `cmd:"" help:"List what was set aside, with the reason."`
	Show    quarantineShowCmd    `cmd:"" help:"Print the bytes of one record (may hold patient data)."`
	Replay  quarantineReplayCmd  `cmd:"" help:"Put a record in again, as it is or mended (--file)."`
	Discard quarantineDiscardCmd `cmd:"" help:"Give a record up; it stays, marked."`
}

type quarantineListCmd struct {
	target
	JSON  bool   `help:"A line of JSON for each." name:"json"`
	State string `help:"State." enum:"open,replayed,discarded" default:"open"`
	Limit int    `help:"At most so many." default:"100"`
}

// Run lists.
func (c quarantineListCmd) Run(w *world) error {
	path := "/api/v1/quarantine?" + query("state", c.State, "limit", number(c.Limit))
	return lines(w, c.target, c.JSON, "GET", path, nil, "ID\tSOURCE\tFORMAT\tREASON", func(v map[string]any) string {
		return strings.Join([]string{at(v, "id"), at(v, "source"), at(v, "format"), at(v, "reason")}, "\t")
	})
}

type quarantineShowCmd struct {
	target
	ID string `arg:"" help:"Id, as listed."`
}

// Run prints the bytes.
func (c quarantineShowCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		type answer struct{ Data []byte }
		a, err := get[answer](s, w.ctx, "GET", "/api/v1/quarantine/"+url.PathEscape(c.ID), nil)
		if err != nil {
			return err
		}
		_, err = w.out.Write(a.Data)
		return err
	})
}

type quarantineReplayCmd struct {
	target
	ID   string `arg:"" help:"Id, as listed."`
	File string `help:"The mended record; - is standard input." placeholder:"FILE"`
}

// Run replays.
func (c quarantineReplayCmd) Run(w *world) error {
	body := map[string]string{}
	if c.File != "" {
		data, err := readFile(w, c.File)
		if err != nil {
			return err
		}
		body["data"] = base64.StdEncoding.EncodeToString(data)
	}
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, io.Discard, "POST", "/api/v1/quarantine/"+url.PathEscape(c.ID)+"/replay", body)
	})
}

func readFile(w *world, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(w.in)
	}
	return os.ReadFile(name)
}

type quarantineDiscardCmd struct {
	target
	ID string `arg:"" help:"Id, as listed."`
}

// Run discards.
func (c quarantineDiscardCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, io.Discard, "POST", "/api/v1/quarantine/"+url.PathEscape(c.ID)+"/discard", bytes.NewReader([]byte("{}")))
	})
}

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Read a file as the server would, and say everything that is wrong."`
}

type configCheckCmd struct {
	File string `arg:"" help:"Configuration file." type:"path"`
}

// Run checks a file.
func (c configCheckCmd) Run(w *world) error {
	if _, err := os.Stat(c.File); err != nil {
		return usage{err}
	}
	cfg, err := config.Load(c.File)
	if err != nil {
		return found{err.Error()}
	}
	if err := errors.Join(cfg.Detect.CheckDays(w.now()), node.CheckCollectors(cfg)); err != nil {
		return found{err.Error()}
	}
	_, err = fmt.Fprintln(w.out, "the configuration is fine")
	return err
}
