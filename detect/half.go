package detect

import "github.com/cordon-health/cordon/ocsf"

// Paired is a detector that looks at the second record of an access, too,
// where client and server both made one. All others never see it: it would
// count twice.
type Paired interface {
	Half(c *Context, ev *ocsf.Event)
}

// Half shows the second record of an access (its Access.HalfOf names the
// first) to the detectors that look at such.
func (e *Engine) Half(ev *ocsf.Event) []ocsf.Finding {
	ev = arrived(ev)
	e.clock = max(e.clock, ev.Time)
	c := &e.ctx
	c.begin(ev, e.clock)
	for _, s := range e.slots {
		if d, ok := s.detector.(Paired); ok {
			c.slot = s
			s.half(c, d, ev)
		}
	}
	return c.end()
}

// half shows the slot's detector a second record, unless it is stopped.
func (s *slot) half(c *Context, d Paired, ev *ocsf.Event) {
	if s.stopped.Load() != nil {
		return
	}
	defer s.rescue()
	d.Half(c, ev)
}
