package playbook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/incident"
)

// runState is one playbook on one case. Times are ms.
type runState struct {
	ID       string `json:"id"`
	Playbook string `json:"playbook"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	Case     string `json:"case"`
	// Step is where the run stands; Status is running, done or stopped.
	Step    string `json:"step"`
	Status  string `json:"status"`
	By      string `json:"by"`
	Human   string `json:"human,omitempty"`
	Started int64  `json:"started"`
	Note    string `json:"note,omitempty"`
}

func (r *Runner) putRun(ctx context.Context, s runState) error {
	return r.put(ctx, evidence.Record{Kind: kindRun, ID: s.ID, Time: s.Started, Status: s.Status, Ref: s.Case}, s)
}

// fresh is how old a case's last event may be for playbooks to begin by
// themselves: importing last year's log asks nobody about last year.
const fresh = 72 * time.Hour

// begin starts the playbooks that want an open case and have not run on it.
func (r *Runner) begin(ctx context.Context) error {
	cases, err := r.desk.List(ctx, incident.Query{Status: incident.StatusNew, Since: r.now().Add(-fresh).UnixMilli()})
	if err != nil {
		return err
	}
	for _, c := range cases {
		for _, p := range r.plays {
			if !p.wants(c) {
				continue
			}
			if _, err := r.start(ctx, p, Want{Case: c.ID, By: "cordon"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Start begins a playbook on the case of w by hand, for whom w says.
func (r *Runner) Start(ctx context.Context, playbook string, w Want) error {
	if _, err := r.desk.Get(ctx, w.Case); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.plays {
		if p.ID == playbook {
			_, err := r.start(ctx, p, w)
			r.Notice(nil)
			return err
		}
	}
	return fmt.Errorf("no playbook %q", playbook)
}

// start writes the run down; a playbook runs on a case once.
func (r *Runner) start(ctx context.Context, p Playbook, w Want) (runState, error) {
	id := w.Case + "/" + strings.TrimPrefix(p.ID, "playbook--")
	if s, found, err := get[runState](ctx, r, kindRun, id); err != nil || found {
		return s, err
	}
	s := runState{ID: id, Playbook: p.ID, Name: p.Name, Version: p.Version, Case: w.Case, Step: p.Start, Status: "running", By: w.By, Human: w.Human, Started: r.now().UnixMilli()}
	return s, r.putRun(ctx, s)
}

func (r *Runner) advanceAll(ctx context.Context) error {
	runs, err := list[runState](ctx, r, evidence.Filter{Kind: kindRun, Status: "running", Order: "row"})
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range runs {
		if err := r.advance(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("run %s: %w", s.ID, err))
		}
	}
	return errors.Join(errs...)
}

// advance goes on until the run ends or waits.
func (r *Runner) advance(ctx context.Context, s runState) error {
	p, ok := r.playbook(s.Playbook)
	if !ok {
		return r.stop(ctx, s, "its playbook is no longer there")
	}
	for {
		c, err := r.desk.Get(ctx, s.Case)
		if err != nil {
			return err
		}
		if c.Status == incident.StatusClosed {
			return r.stop(ctx, s, "the case is closed")
		}
		step, ok := p.Steps[s.Step]
		if !ok {
			return r.stop(ctx, s, "its playbook has changed")
		}
		next, waits, err := r.step(ctx, s, step, c)
		if err != nil || waits {
			return err
		}
		if next == "" {
			s.Status = "done"
			return r.putRun(ctx, s)
		}
		s.Step = next
		if err := r.putRun(ctx, s); err != nil {
			return err
		}
	}
}

// step does one step: where to go on, or that the run has to wait.
func (r *Runner) step(ctx context.Context, s runState, step Step, c incident.Case) (next string, waits bool, err error) {
	switch step.Type {
	case "start":
		return step.OnCompletion, false, nil
	case "if-condition":
		cond, err := parseCondition(step.Condition)
		if err != nil {
			return "", false, err
		}
		if cond.holds(c) {
			return orElse(step.OnTrue, step.OnCompletion), false, nil
		}
		return orElse(step.OnFalse, step.OnCompletion), false, nil
	case "action":
		cmd := step.Commands[0]
		want := Want{Action: cmd.Command, Case: c.ID, Params: cmd.Params, By: s.By, Human: s.Human}
		e, err := r.want(ctx, s.ID+"/"+s.Step, want)
		if err != nil {
			return "", false, err
		}
		switch e.Status {
		case StatusDone, StatusUndone:
			return orElse(step.OnSuccess, step.OnCompletion), false, nil
		case StatusFailed, StatusDenied, StatusExpired, StatusUnsure, StatusSkipped:
			return orElse(step.OnFailure, step.OnCompletion), false, nil
		}
		return "", true, nil // waits for approval or for room below the cap
	}
	return "", false, nil // end
}

func (r *Runner) stop(ctx context.Context, s runState, why string) error {
	s.Status, s.Note = "stopped", why
	return r.putRun(ctx, s)
}

func (r *Runner) playbook(id string) (Playbook, bool) {
	for _, p := range r.plays {
		if p.ID == id {
			return p, true
		}
	}
	return Playbook{}, false
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
