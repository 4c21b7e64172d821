package detect

import (
	"encoding/json"
	"sync/atomic"

	"github.com/cordon-health/cordon/ocsf"
)

// Fed is a detector that lives on a feed which many hospitals do not have, and
// which only its events can show. Missing says, at any time and from any
// goroutine, that nothing of it has come yet; the detector is silent until
// then.
type Fed interface {
	Missing() (lack ocsf.Text, missing bool)
}

// Feed notes whether events of a kind have ever come. Its zero value has seen
// none. The pipeline notes, pages ask.
type Feed struct{ came atomic.Bool }

// Note says that one came.
func (f *Feed) Note() {
	if !f.came.Load() {
		f.came.Store(true)
	}
}

// Came says whether one has.
func (f *Feed) Came() bool { return f.came.Load() }

// Snapshot is whether one has come, as JSON.
func (f *Feed) Snapshot() ([]byte, error) { return json.Marshal(f.Came()) }

// Restore takes it back; nil has seen none.
func (f *Feed) Restore(data []byte) error {
	came := false
	if data != nil {
		if err := json.Unmarshal(data, &came); err != nil {
			return err
		}
	}
	f.came.Store(came)
	return nil
}

// hungry lists the detectors whose own feed has never come.
func (e *Engine) hungry() []Problem {
	var out []Problem
	for _, s := range e.slots {
		d, ok := s.detector.(Fed)
		if !ok {
			continue
		}
		if text, missing := d.Missing(); missing {
			out = append(out, Problem{ID: "no-feed-" + s.info.ID, Detectors: []string{s.info.ID}, Text: text})
		}
	}
	return out
}
