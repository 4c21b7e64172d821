package detect

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/cordon-health/cordon/ocsf"
)

// Stopped is a detector that failed on an event and was stopped, so that the
// others go on. It starts again with the program, or when rules are loaded
// anew.
type Stopped struct {
	Detector string
	// Reason holds no data of events; Stack is for the log.
	Reason, Stack string
}

// Stopped lists detectors that had to be stopped. It may be called at any
// time, from any goroutine.
func (e *Engine) Stopped() []Stopped {
	var out []Stopped
	for _, s := range e.slots {
		if x := s.stopped.Load(); x != nil {
			out = append(out, *x)
		}
	}
	return out
}

// detect shows an event to the slot's detector, unless it is stopped.
func (s *slot) detect(c *Context, ev *ocsf.Event) {
	if s.stopped.Load() != nil {
		return
	}
	defer s.rescue()
	s.detector.Detect(c, ev)
}

// tick lets the slot's detector notice what does not happen.
func (s *slot) tick(c *Context, t Ticker, now int64) {
	if s.stopped.Load() != nil {
		return
	}
	defer s.rescue()
	t.Tick(c, now)
}

// rescue stops a detector that panicked.
func (s *slot) rescue() {
	if r := recover(); r != nil {
		s.stopped.Store(&Stopped{Detector: s.info.ID, Reason: reasonOf(r), Stack: string(debug.Stack())})
	}
}

// reasonOf is what a panic says, where that can hold no data: errors of the
// runtime name indexes and types only.
func reasonOf(r any) string {
	if err, ok := r.(error); ok {
		if re, ok := errors.AsType[runtime.Error](err); ok {
			return re.Error()
		}
	}
	return fmt.Sprintf("panic with a %T", r)
}

// snapshot is the memory of the slot's detector; of a stopped one as far as it
// can still be read.
func (s *slot) snapshot(d Stateful) (data []byte, err error) {
	if s.stopped.Load() == nil {
		return d.Snapshot()
	}
	defer func() {
		if recover() != nil {
			data, err = nil, nil
		}
	}()
	if data, err = d.Snapshot(); err != nil {
		return nil, nil
	}
	return data, nil
}
