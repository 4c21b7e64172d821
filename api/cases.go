package api

import (
	"encoding/json"
	"net/http"

	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
)

type (
	assignment struct {
		To string `json:"to"`
	}
	remark struct {
		Text string `json:"text"`
	}
	ending struct {
		Verdict string `json:"verdict"`
		Text    string `json:"text,omitempty"`
	}
	act struct {
		Action string            `json:"action"`
		Params map[string]string `json:"params,omitempty"`
	}
	decision struct {
		Key     string `json:"key"`
		Approve bool   `json:"approve"`
		Note    string `json:"note,omitempty"`
	}
	entryKey struct {
		Key string `json:"key"`
	}
	startWish struct {
		Playbook string `json:"playbook"`
	}
	started struct {
		Started string `json:"started"`
	}
	caseFile struct {
		Incident  json.RawMessage     `json:"incident"`
		Case      incident.Case       `json:"case"`
		Actions   []playbook.Entry    `json:"actions"`
		Questions []playbook.Question `json:"questions"`
	}
	actionInfo struct {
		Name      string         `json:"name"`
		Title     ocsf.Text      `json:"title"`
		Why       ocsf.Text      `json:"why"`
		Class     playbook.Class `json:"class"`
		Approvals int            `json:"approvals"`
		Hourly    int            `json:"hourly"`
		Undoable  bool           `json:"undoable"`
		Ready     bool           `json:"ready"`
		Missing   ocsf.Text      `json:"missing"`
	}
)

func (c *call) id() string { return c.r.PathValue("id") }

// reply answers with what became of it.
func reply[T any](c *call) func(v T, err error) error {
	return func(v T, err error) error {
		if err != nil {
			return err
		}
		return c.answer(http.StatusOK, v)
	}
}

func (c *call) incident() error {
	ctx := c.r.Context()
	x, err := c.Case(ctx, c.user, c.id())
	if err != nil {
		return err
	}
	if err := c.WatchCase(ctx, c.user, x); err != nil {
		return err
	}
	n, err := c.Incident(ctx, x)
	if err != nil {
		return err
	}
	file := caseFile{Incident: ocsf.AppendIncident(nil, n), Case: x}
	if file.Actions, err = c.Runner.Entries(ctx, x.ID, ""); err != nil {
		return err
	}
	if file.Questions, err = c.Runner.Questions(ctx, x.ID); err != nil {
		return err
	}
	return c.answer(http.StatusOK, file)
}

func (c *call) assign() error {
	b, err := read[assignment](c)
	if err != nil {
		return err
	}
	return reply[incident.Case](c)(c.Assign(c.r.Context(), c.user, c.id(), b.To))
}

func (c *call) comment() error {
	b, err := read[remark](c)
	if err != nil {
		return err
	}
	return reply[incident.Case](c)(c.Comment(c.r.Context(), c.user, c.id(), b.Text))
}

func (c *call) close() error {
	b, err := read[ending](c)
	if err != nil {
		return err
	}
	return reply[incident.Case](c)(c.Close(c.r.Context(), c.user, c.id(), b.Verdict, b.Text))
}

func (c *call) reopen() error {
	b, err := read[remark](c)
	if err != nil {
		return err
	}
	return reply[incident.Case](c)(c.Reopen(c.r.Context(), c.user, c.id(), b.Text))
}

func (c *call) act() error {
	b, err := read[act](c)
	if err != nil {
		return err
	}
	return reply[playbook.Entry](c)(c.Act(c.r.Context(), c.user, c.id(), b.Action, b.Params))
}

func (c *call) decide() error {
	b, err := read[decision](c)
	if err != nil {
		return err
	}
	return reply[playbook.Entry](c)(c.Decide(c.r.Context(), c.user, c.id(), b.Key, b.Approve, b.Note))
}

func (c *call) undo() error {
	b, err := read[entryKey](c)
	if err != nil {
		return err
	}
	return reply[playbook.Entry](c)(c.Undo(c.r.Context(), c.user, c.id(), b.Key))
}

func (c *call) start() error {
	b, err := read[startWish](c)
	if err != nil {
		return err
	}
	if err := c.StartPlaybook(c.r.Context(), c.user, c.id(), b.Playbook); err != nil {
		return err
	}
	return c.answer(http.StatusOK, started{b.Playbook})
}

func (c *call) actions() error {
	list := []actionInfo{}
	for _, a := range c.Runner.Actions() {
		i := actionInfo{Name: a.Name, Title: a.Title, Why: a.Why, Class: a.Class, Approvals: a.Class.Approvals(), Hourly: a.Hourly, Undoable: a.Undo != nil}
		i.Ready, i.Missing = a.Ready()
		list = append(list, i)
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) bundle() error {
	x, err := c.Case(c.r.Context(), c.user, c.id())
	if err != nil {
		return err
	}
	if err := c.Watch(c.r.Context(), c.user, TookBundle, "Incident", x.ID, ""); err != nil {
		return err
	}
	return c.Bundle(c.r.Context(), x.ID, c.lang, &late{c: c, kind: "application/zip", file: "cordon-" + x.ID + ".zip"})
}
