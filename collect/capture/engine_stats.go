package capture

import (
	"maps"
	"slices"
	"strings"
)

// Stats is what an engine has done so far.
type Stats struct {
	Packets, Bytes int64
	// Bad is how many frames were wrong in some way; Wrong says in which.
	Bad   int64
	Wrong []Wrong
	// Cut frames are longer on the wire than in the capture; Twice those that
	// were dropped because they had been seen.
	Cut, Twice int64
	// Defects are panics of dissectors: bugs of ours.
	Defects int64

	// Connections are open now; Evicted were forgotten early for lack of room.
	Connections int
	Evicted     int64
	// Conversations is how many were told.
	Conversations int64

	// Streams were read by dissectors so far; Reading are now. Forgone were not
	// looked at, or no longer, for lack of room.
	Streams, Forgone int64
	Reading          int
	// Held is what waits to be put in order, in bytes; Gaps is how often bytes
	// were missing, Lost how many.
	Held, Gaps, Lost int64
	// Datagrams were put together from fragments; Unfinished never were whole.
	Datagrams, Unfinished int64
	// Dropped is what the kernel could not hand over.
	Dropped int64
}

// Wrong is one way in which frames were wrong.
type Wrong struct {
	Reason string
	Count  int64
	First  []Place
}

// Place is a frame.
type Place struct {
	// Source is the file or interface, Frame counts from 1 over all sources.
	Source string
	Frame  int64
	At     int64 // ns since 1970 UTC
	// Offset is where a record of the file begins that could not be read; 0 for
	// frames.
	Offset int64
}

// Stats returns the numbers of now.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Connections, s.Reading = e.flows.used, e.streams.open
	s.Held = int64(e.streams.held + e.pieces.held)
	for _, name := range slices.Sorted(maps.Keys(e.bad)) {
		w := *e.bad[name]
		w.First = slices.Clone(w.First)
		s.Wrong = append(s.Wrong, w)
	}
	return s
}

// reasons counts by reason; what a peer sends cannot make it grow without end.
type reasons map[string]*Wrong

func (e *Engine) wrong(at int64, why string) {
	e.wrongAt(Place{Source: e.name, Frame: e.stats.Packets, At: at}, why)
}

func (e *Engine) wrongAt(p Place, why string) {
	const most, places = 256, 8
	e.stats.Bad++
	if e.bad == nil {
		e.bad = reasons{}
	}
	w := e.bad[why]
	if w == nil {
		if len(e.bad) >= most && !strings.HasPrefix(why, "file: ") {
			why = "other"
		}
		if w = e.bad[why]; w == nil {
			w = &Wrong{Reason: why}
			e.bad[why] = w
		}
	}
	w.Count++
	if len(w.First) < places {
		w.First = append(w.First, p)
	}
}
