package detect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// Engine runs detectors. Its methods are called by one goroutine at a time.
type Engine struct {
	world      World
	slots      []*slot // those that run
	all        []*slot
	muted      map[string]bool // rules that are switched off
	exceptions []exception
	hidden     []Hidden // by exceptions, since they were last taken
	groups     Memory[group]
	quotas     Memory[int]
	baseline   baseline
	clock      int64 // latest time of an event, in ms
	ctx        Context
}

// slot is one detector with what the configuration made of it.
type slot struct {
	detector Detector
	info     Info
	params   []Param // with the configured values as defaults
	stopped  atomic.Pointer[Stopped]
}

// New makes an engine; a detector or parameter in cfg that does not exist is
// an error.
func New(cfg Config, w World, detectors []Detector) (*Engine, error) {
	if w.Zone == nil {
		w.Zone = time.UTC
	}
	e := &Engine{world: w, groups: NewMemory[group](maxGroups, groupAge), quotas: NewMemory[int](maxQuotas, groupAge), baseline: newBaseline()}
	known := map[string]bool{}
	for _, d := range detectors {
		info := d.Info()
		if known[info.ID] {
			return nil, fmt.Errorf("two detectors are called %q", info.ID)
		}
		known[info.ID] = true
		s := &slot{detector: d, info: info, params: slices.Clone(info.Params)}
		if err := s.set(cfg.Params[info.ID]); err != nil {
			return nil, err
		}
		e.all = append(e.all, s)
		if !slices.Contains(cfg.Off, info.ID) {
			e.slots = append(e.slots, s)
		}
	}
	if err := errors.Join(cfg.Check(), cfg.unknown(known)); err != nil {
		return nil, err
	}
	e.exceptions = compile(cfg.Exceptions, w.Zone)
	e.ctx.engine = e
	return e, nil
}

// unknown finds ids in the configuration that no detector has. The detector of
// an exception may also be a rule, which only its own detector knows.
func (c Config) unknown(known map[string]bool) error {
	var errs []error
	for _, id := range c.Off {
		if !known[id] {
			errs = append(errs, fmt.Errorf("off: there is no detector %q", id))
		}
	}
	for id := range c.Params {
		if !known[id] {
			errs = append(errs, fmt.Errorf("params: there is no detector %q", id))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (s *slot) set(values map[string]float64) error {
	for name, v := range values {
		i := slices.IndexFunc(s.params, func(p Param) bool { return p.Name == name })
		if i < 0 {
			return fmt.Errorf("params: detector %q has no parameter %q", s.info.ID, name)
		}
		s.params[i].Default = v
	}
	return nil
}

// Process shows an event to all detectors.
func (e *Engine) Process(ev *ocsf.Event) []ocsf.Finding {
	ahead := ev.Time
	ev = arrived(ev)
	ahead -= ev.Time
	e.clock = max(e.clock, ev.Time)
	c := &e.ctx
	c.begin(ev, e.clock)
	c.ahead = ahead
	e.baseline.see(c)
	for _, s := range e.slots {
		c.slot = s
		s.detect(c, ev)
	}
	return c.end()
}

// aheadMost is how far in ms a source's clock may run ahead.
const aheadMost = 10 * 60 * 1000

// arrived gives an event from the future the time of its arrival: one wrong
// clock must not make everything remembered look old.
func arrived(ev *ocsf.Event) *ocsf.Event {
	logged := ev.Metadata.LoggedTime
	if logged == 0 || ev.Time <= logged+aheadMost {
		return ev
	}
	fixed := *ev
	fixed.Time = logged
	return &fixed
}

// Tick lets detectors notice what did not happen; now in ms.
func (e *Engine) Tick(now int64) []ocsf.Finding {
	c := &e.ctx
	c.begin(&ocsf.Event{}, now)
	for _, s := range e.slots {
		if t, ok := s.detector.(Ticker); ok {
			c.slot = s
			s.tick(c, t, now)
		}
	}
	return c.end()
}

// Infos describes all detectors that run, in their order, with the parameters
// as configured.
func (e *Engine) Infos() []Info {
	out := make([]Info, len(e.slots))
	for i, s := range e.slots {
		out[i] = s.info
		out[i].Params = slices.Clone(s.params)
	}
	return out
}

// exception is an [Exception] with its end in ms.
type exception struct {
	Exception
	until int64
}

func compile(list []Exception, zone *time.Location) []exception {
	var out []exception
	for _, x := range list {
		day, err := time.ParseInLocation(time.DateOnly, x.Until, zone)
		if err != nil {
			continue // Check has refused it
		}
		x.ID = x.Key()
		out = append(out, exception{x, day.AddDate(0, 0, 1).UnixMilli()})
	}
	return out
}

// excepted says whether an exception silences a finding. What it hides is kept for who wants to know.
func (c *Context) excepted(f *ocsf.Finding) bool {
	if c.engine.muted[f.Analytic] {
		return true
	}
	x := c.exceptionFor(f)
	if x != nil {
		c.engine.hide(c, x.ID, *f)
	}
	return x != nil
}

func (c *Context) exceptionFor(f *ocsf.Finding) *exception {
	for i := range c.engine.exceptions {
		x := &c.engine.exceptions[i]
		if f.Time >= x.until || x.Detector != "*" && x.Detector != f.Analytic && x.Detector != c.slot.info.ID {
			continue
		}
		if (x.Person == "" || x.Person == f.Person || strings.EqualFold(x.Person, f.Account)) &&
			(x.Patient == "" || x.Patient == f.Patient) &&
			(x.Source == "" || x.Source == f.Source || f.Source == "" && x.Source == c.ev.Metadata.LogProvider) &&
			(x.Department == "" || strings.EqualFold(x.Department, c.departmentOf(f))) {
			return x
		}
	}
	return nil
}

// departmentOf is where the person of a finding worked at its time.
func (c *Context) departmentOf(f *ocsf.Finding) string {
	department, _ := c.People().DepartmentAt(f.Person, f.Time)
	return department
}

// order sorts findings of one event: the riskiest first.
func order(fs []ocsf.Finding) {
	slices.SortStableFunc(fs, func(a, b ocsf.Finding) int {
		return cmp.Or(cmp.Compare(b.Risk, a.Risk), strings.Compare(a.UID, b.UID))
	})
}
