package care

import "maps"

// delta is what has to be written at the next checkpoint. A key stays in it
// until a transaction that wrote its value has committed, so a checkpoint
// that failed or ran twice loses nothing.
type delta[K comparable] struct {
	keys  map[K]uint64 // round in which the key was last marked
	round uint64
}

func newDelta[K comparable]() delta[K] { return delta[K]{keys: map[K]uint64{}, round: 1} }

func (d *delta[K]) mark(k K) { d.keys[k] = d.round }

// begin starts a round: what is marked from now on is not part of the save.
func (d *delta[K]) begin() { d.round++ }

// done drops what was marked before the latest begin.
func (d *delta[K]) done() {
	maps.DeleteFunc(d.keys, func(_ K, marked uint64) bool { return marked < d.round })
}
