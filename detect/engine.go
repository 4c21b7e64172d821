package detect

import "github.com/cordon-health/cordon/ocsf"

// Engine runs detectors. Its methods are called by one goroutine at a time.
type Engine struct {
	cfg   Config
	world World
	list  []Detector
}

// New makes an engine; a detector or parameter in cfg that does not exist is
// an error.
func New(cfg Config, w World, detectors []Detector) (*Engine, error) {
	return &Engine{cfg: cfg, world: w, list: detectors}, cfg.Check()
}

// Process shows an event to all detectors.
func (e *Engine) Process(ev *ocsf.Event) []ocsf.Finding { return nil }

// Tick lets detectors notice what did not happen; now in ms.
func (e *Engine) Tick(now int64) []ocsf.Finding { return nil }

// Snapshot is the memory of all detectors.
func (e *Engine) Snapshot() ([]byte, error) { return nil, nil }

// Restore takes a snapshot back; what belongs to detectors that are gone is
// dropped, new ones start empty.
func (e *Engine) Restore(data []byte) error { return nil }

// Infos describes all detectors, in their order.
func (e *Engine) Infos() []Info { return nil }

// Health says what detectors lack.
func (e *Engine) Health() []Problem { return nil }

// Context is what a detector gets beside the event.
type Context struct{}

// Find adds a finding.
func (c *Context) Find(f ocsf.Finding) {}
