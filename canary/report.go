package canary

import (
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// The states of a door.
const (
	// StateStarting: no canary has come out yet, and none was missed.
	StateStarting = "starting"
	StateProven   = "proven"
	// StateLate: canaries wait behind a queue.
	StateLate   = "late"
	StateBroken = "broken"
	// StateClosed: no canary can be sent; Why says the reason.
	StateClosed = "closed"
)

// DoorReport is how a door did in the last 24 hours. Times in ms.
type DoorReport struct {
	Name  string    `json:"name"`
	State string    `json:"state"`
	Why   ocsf.Text `json:"why,omitzero"`
	// Proven is when a canary last came out, 0 never.
	Proven int64   `json:"proven,omitempty"`
	Seen   int     `json:"seen"`
	Lost   int     `json:"lost"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	Max    float64 `json:"max_ms"`
	// Took are the latest latencies, oldest first, -1 where one was lost: for
	// a small picture.
	Took []int64 `json:"took,omitempty"`
}

// Report is how the alarm path does.
type Report struct {
	// Off: canaries are switched off, and nothing is proven.
	Off   bool         `json:"off,omitempty"`
	Doors []DoorReport `json:"doors"`
	// P50 and P99 are from sending to the durable record, over all doors and
	// the last 24 hours, in ms.
	P50      float64   `json:"p50_ms"`
	P99      float64   `json:"p99_ms"`
	Seen     int       `json:"seen"`
	Lost     int       `json:"lost"`
	Troubles []Trouble `json:"troubles"`
}

// Proven says that nothing is wrong and every open door has been proven.
func (r Report) Proven() bool {
	for _, d := range r.Doors {
		if d.State != StateProven && d.State != StateClosed {
			return false
		}
	}
	return !r.Off && len(r.Troubles) == 0
}

// pictured is how many latencies a report shows of a door.
const pictured = 60

// Report says how the alarm path does now.
func (w *Watcher) Report() Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := Report{Off: w.Config.Off, Troubles: slices.Clone(w.troubles)}
	var all []int64
	now := w.Now().UnixMilli()
	for _, d := range w.doors {
		x, took := d.report(now)
		if x.State == StateProven && w.waiting(d, now) {
			x.State = StateLate
		}
		r.Doors = append(r.Doors, x)
		r.Seen, r.Lost = r.Seen+x.Seen, r.Lost+x.Lost
		all = append(all, took...)
	}
	slices.Sort(all)
	r.P50, r.P99 = quantile(all, 50), quantile(all, 99)
	return r
}

// waiting says that a canary of the door is overdue. mu is held.
func (w *Watcher) waiting(d *doorway, now int64) bool {
	for _, b := range w.underway {
		if b.door == d && now-b.sent.UnixMilli() > w.Config.Late.Milliseconds()/2 {
			return true
		}
	}
	return false
}

func (d *doorway) report(now int64) (DoorReport, []int64) {
	x := DoorReport{Name: d.Name, State: StateStarting}
	var took []int64
	for _, s := range d.samples {
		if s.sent < now-aDay.Milliseconds() {
			continue
		}
		if s.took < 0 {
			x.Lost++
			continue
		}
		took = append(took, s.took)
		x.Proven = max(x.Proven, s.sent+s.took)
	}
	for _, s := range d.samples[max(0, len(d.samples)-pictured):] {
		x.Took = append(x.Took, s.took)
	}
	x.Seen = len(took)
	slices.Sort(took)
	x.P50, x.P99 = quantile(took, 50), quantile(took, 99)
	if len(took) > 0 {
		x.Max = float64(took[len(took)-1])
	}
	switch {
	case d.Closed.EN != "":
		x.State, x.Why = StateClosed, d.Closed
	case d.missed >= alarmAfter:
		x.State, x.Why = StateBroken, d.trouble().Text
	case x.Seen > 0:
		x.State = StateProven
	}
	return x, took
}

// quantile of sorted numbers, by nearest rank; 0 without any.
func quantile(sorted []int64, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[(len(sorted)*percent+99)/100-1])
}
