package playbook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/incident"
)

// Playbook is the part of a CACAO 2.0 playbook that Cordon executes: start,
// action, if-condition and end steps, commands of type "cordon". Source:
// OASIS CACAO Security Playbooks 2.0, sections 3 to 5.
type Playbook struct {
	Type        string `json:"type"`
	SpecVersion string `json:"spec_version"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	// NameZH and DescriptionZH are Cordon's extension for the second language.
	NameZH        string `json:"x_name_zh"`
	Description   string `json:"description"`
	DescriptionZH string `json:"x_description_zh"`
	// Trigger says for which cases the playbook begins by itself.
	Trigger Trigger         `json:"x_trigger"`
	Start   string          `json:"workflow_start"`
	Steps   map[string]Step `json:"workflow"`
	// Version is the hash of the file, as it ran.
	Version string `json:"-"`
}

// Trigger chooses cases; all that is set must hold.
type Trigger struct {
	// On is "case-opened"; empty means only by hand.
	On string `json:"on"`
	// Risk is the least risk.
	Risk float64 `json:"risk"`
	// Analytics are detectors of which the case must have one.
	Analytics []string `json:"analytics"`
	// Not are detectors of which the case must have none.
	Not []string `json:"not"`
	// Person says that the case must be about a known member of staff.
	Person bool `json:"person"`
}

// Step is one step of the workflow.
type Step struct {
	Type         string    `json:"type"`
	Name         string    `json:"name"`
	NameZH       string    `json:"x_name_zh"`
	OnCompletion string    `json:"on_completion"`
	OnSuccess    string    `json:"on_success"`
	OnFailure    string    `json:"on_failure"`
	Condition    string    `json:"condition"`
	OnTrue       string    `json:"on_true"`
	OnFalse      string    `json:"on_false"`
	Commands     []Command `json:"commands"`
}

// Command names an action of Cordon.
type Command struct {
	Type    string            `json:"type"`
	Command string            `json:"command"`
	Params  map[string]string `json:"x_params"`
}

// Load reads all playbooks (*.json) of file systems; a later one with the same
// id replaces an earlier one, so that a hospital can change what comes along.
func Load(systems ...fs.FS) ([]Playbook, error) {
	var all []Playbook
	for _, fsys := range systems {
		names, err := fs.Glob(fsys, "*.json")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			data, err := fs.ReadFile(fsys, name)
			if err != nil {
				return nil, err
			}
			p, err := Parse(data)
			if err != nil {
				return nil, fmt.Errorf("playbook %s: %w", name, err)
			}
			all = slices.DeleteFunc(all, func(o Playbook) bool { return o.ID == p.ID })
			all = append(all, p)
		}
	}
	return all, nil
}

// Parse reads one playbook. CACAO properties that do not change what is done
// are ignored; a step that Cordon could not execute is an error.
func Parse(data []byte) (Playbook, error) {
	var p Playbook
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&p); err != nil {
		return p, err
	}
	sum := sha256.Sum256(data)
	p.Version = hex.EncodeToString(sum[:8])
	switch {
	case p.Type != "playbook" || p.SpecVersion != "cacao-2.0":
		return p, errors.New(`type must be "playbook" and spec_version "cacao-2.0"`)
	case !strings.HasPrefix(p.ID, "playbook--"):
		return p, errors.New(`id must be "playbook--" and a UUID`)
	case p.Name == "" || p.NameZH == "" || p.Description == "" || p.DescriptionZH == "":
		return p, errors.New("name, x_name_zh, description and x_description_zh must not be empty")
	}
	return p, p.checkSteps()
}

func (p Playbook) checkSteps() error {
	if s, ok := p.Steps[p.Start]; !ok || s.Type != "start" {
		return errors.New("workflow_start must name a start step")
	}
	for id, s := range p.Steps {
		switch s.Type {
		case "start", "action", "if-condition", "end":
		default:
			return fmt.Errorf("step %s: type %q is not one Cordon executes (start, action, if-condition, end)", id, s.Type)
		}
		for _, next := range []string{s.OnCompletion, s.OnSuccess, s.OnFailure, s.OnTrue, s.OnFalse} {
			if _, ok := p.Steps[next]; next != "" && !ok {
				return fmt.Errorf("step %s: goes on to %s, which is not there", id, next)
			}
		}
		if s.Type == "action" && len(s.Commands) != 1 {
			return fmt.Errorf("step %s: an action step has one command", id)
		}
		if s.Type == "if-condition" {
			if _, err := parseCondition(s.Condition); err != nil {
				return fmt.Errorf("step %s: %w", id, err)
			}
		}
	}
	return p.checkEnds()
}

// checkEnds refuses loops, so that every run ends.
func (p Playbook) checkEnds() error {
	const inside, left = 1, 2
	state := map[string]int{}
	var walk func(id string) error
	walk = func(id string) error {
		if id == "" || state[id] == left {
			return nil
		}
		if state[id] == inside {
			return fmt.Errorf("step %s comes back to itself", id)
		}
		state[id] = inside
		s := p.Steps[id]
		for _, next := range []string{s.OnCompletion, s.OnSuccess, s.OnFailure, s.OnTrue, s.OnFalse} {
			if err := walk(next); err != nil {
				return err
			}
		}
		state[id] = left
		return nil
	}
	return walk(p.Start)
}

func (p Playbook) check(actions map[string]Action) error {
	for id, s := range p.Steps {
		for _, c := range s.Commands {
			a, ok := actions[c.Command]
			if c.Type != "cordon" || !ok {
				return fmt.Errorf("step %s: command %q of type %q is not an action of Cordon", id, c.Command, c.Type)
			}
			if err := a.takes(c.Params); err != nil {
				return fmt.Errorf("step %s: %w", id, err)
			}
		}
	}
	return nil
}

// wants says whether the playbook begins by itself for a case.
func (p Playbook) wants(c incident.Case) bool {
	t := p.Trigger
	has := func(ids []string) bool {
		return slices.ContainsFunc(c.Parts, func(part incident.Part) bool { return slices.Contains(ids, part.Analytic) })
	}
	switch {
	case t.On != "case-opened", c.Risk < t.Risk, t.Person && c.Person == "":
		return false
	case len(t.Analytics) > 0 && !has(t.Analytics), has(t.Not):
		return false
	}
	return true
}

// condition is "field operator number" over the case: risk, findings,
// patients; operators >= > < <= ==.
type condition struct {
	field, op string
	value     float64
}

func parseCondition(text string) (condition, error) {
	f := strings.Fields(text)
	if len(f) != 3 || !slices.Contains([]string{"risk", "findings", "patients"}, f[0]) ||
		!slices.Contains([]string{">=", ">", "<", "<=", "=="}, f[1]) {
		return condition{}, fmt.Errorf("condition %q; write e.g. \"risk >= 70\" (risk, findings, patients)", text)
	}
	v, err := strconv.ParseFloat(f[2], 64)
	return condition{f[0], f[1], v}, err
}

func (c condition) holds(cs incident.Case) bool {
	x := map[string]float64{"risk": cs.Risk, "findings": float64(len(cs.Findings)), "patients": float64(len(cs.Patients))}[c.field]
	switch c.op {
	case ">=":
		return x >= c.value
	case ">":
		return x > c.value
	case "<":
		return x < c.value
	case "<=":
		return x <= c.value
	}
	return x == c.value
}
