package detect

import (
	"slices"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// Hidden is a finding that an exception hid.
type Hidden struct {
	Exception string
	Finding   ocsf.Finding
}

// mostHidden bounds what waits to be taken.
const mostHidden = 10_000

// hide keeps what an exception hid, under the uid that the finding of this
// person, patient and day has.
func (e *Engine) hide(c *Context, id string, f ocsf.Finding) {
	if len(e.hidden) >= mostHidden {
		return
	}
	if f.UID == "" {
		day := time.UnixMilli(f.Time).In(c.Zone()).Format(time.DateOnly)
		f.UID = UID(f.Analytic, f.Person, f.Account, f.Subject, f.Patient, day)
	}
	if len(f.Events) == 0 && c.ev.Metadata.UID != "" {
		f.Events = []string{c.ev.Metadata.UID}
	}
	e.hidden = append(e.hidden, Hidden{id, f})
}

// TakeHidden hands over what exceptions hid since the last call.
func (e *Engine) TakeHidden() []Hidden {
	out := e.hidden
	e.hidden = nil
	return out
}

// Tuned is the engine with other switches, numbers and exceptions, and the
// same memory: from then on the old one must not be shown events. What the
// configuration names and nobody has is passed over, so that a list written
// for another version stops nothing.
func (e *Engine) Tuned(cfg Config) *Engine {
	next := *e
	next.slots, next.all, next.muted = nil, nil, map[string]bool{}
	known := map[string]bool{}
	for _, old := range e.all {
		s := &slot{detector: old.detector, info: old.info, params: slices.Clone(old.info.Params)}
		s.stopped.Store(old.stopped.Load())
		for name, v := range cfg.Params[s.info.ID] {
			_ = s.set(map[string]float64{name: v}) // unknown: passed over
		}
		known[s.info.ID] = true
		next.all = append(next.all, s)
		if !slices.Contains(cfg.Off, s.info.ID) {
			next.slots = append(next.slots, s)
		}
	}
	for _, id := range cfg.Off {
		if !known[id] {
			next.muted[id] = true
		}
	}
	next.exceptions = compile(cfg.Exceptions, e.world.Zone)
	next.ctx = Context{engine: &next}
	return &next
}

// Status is a detector and whether it runs.
type Status struct {
	Info
	Off bool
}

// All describes all detectors, also those switched off, with the numbers in
// force.
func (e *Engine) All() []Status {
	out := make([]Status, len(e.all))
	for i, s := range e.all {
		out[i] = Status{Info: s.info, Off: !slices.Contains(e.slots, s)}
		out[i].Params = slices.Clone(s.params)
	}
	return out
}
