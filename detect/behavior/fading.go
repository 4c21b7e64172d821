package behavior

import "math"

// fading is a count that forgets: what happened a span ago counts 1/e. Unlike
// a window it needs no list, and it does not mind events that come late.
type fading struct {
	N  float64 `json:"n"`
	At int64   `json:"t"` // of the newest, in ms
}

// add counts something at a time and returns the count then.
func (f *fading) add(at, span int64, n float64) float64 {
	if at >= f.At {
		f.N = f.at(at, span) + n
		f.At = at
	} else {
		f.N += n * math.Exp(-float64(f.At-at)/float64(span))
	}
	return f.N
}

// at is the count at a later time.
func (f *fading) at(at, span int64) float64 {
	if f.N == 0 || at <= f.At {
		return f.N
	}
	return f.N * math.Exp(-float64(at-f.At)/float64(span))
}
