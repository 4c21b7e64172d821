package classify

// streamBlock is how much a stream gathers before it scans.
const streamBlock = 64 << 10

// Stream scans a text that comes in pieces, of any length and number. Its
// spans are those [Engine.Scan] gives for the whole, whatever the pieces, and
// its memory is a few blocks.
type Stream struct {
	engine *Engine
	mode   Mode
	found  func(value []byte, at Span) error

	text  []byte // a piece of the stream
	base  int    // where it begins in the stream
	at    int    // how far it was scanned, in text
	block int    // where the next block of "everywhere" begins, in text
	floor int    // end of the last span given out, in the stream
	held  []Span // candidates that others may still overlap, in the stream
	// covered is that of the scan, in text.
	covered [4]int
}

// Stream begins a stream. found is called for each span in order; its offsets
// are those of the whole stream, value is valid until it returns, and an error
// ends the stream.
func (e *Engine) Stream(mode Mode, found func(value []byte, at Span) error) *Stream {
	return &Stream{engine: e, mode: mode, found: found}
}

// Write takes the next piece.
func (s *Stream) Write(p []byte) (int, error) {
	for taken := 0; taken < len(p); {
		n := min(len(p)-taken, streamBlock)
		s.text = append(s.text, p[taken:taken+n]...)
		taken += n
		if len(s.text)-s.at < streamBlock+ahead {
			continue
		}
		if err := s.scan(false); err != nil {
			return taken, err
		}
	}
	return len(p), nil
}

// Close scans the rest.
func (s *Stream) Close() error { return s.scan(true) }

// scan scans as far as what is known allows: to the end if that is the last.
func (s *Stream) scan(last bool) error {
	to := len(s.text) - ahead
	if last {
		to = len(s.text)
	}
	pass := scan{engine: s.engine, text: s.text, mode: s.mode, found: s.held, covered: s.covered}
	begun := len(pass.found)
	from := s.at
	s.at = pass.run(from, to)
	pass.custom(from, s.at)
	settled := s.at - back
	if s.mode == Redact {
		s.block = pass.everywhere(s.block, last)
		settled = min(settled, s.block)
	}
	for k := begun; k < len(pass.found); k++ {
		pass.found[k].Start += s.base
		pass.found[k].End += s.base
	}
	s.held, s.covered = pass.found, pass.covered
	if last {
		settled = len(s.text) + 1
	}
	if err := s.give(s.base + settled); err != nil {
		return err
	}
	s.forget(s.base + settled)
	return nil
}

// give arbitrates the candidates that no later one can overlap, and hands out
// what stays. settled is where the earliest later candidate may begin.
func (s *Stream) give(settled int) error {
	sortByStart(s.held)
	n := closed(s.held, settled)
	var out []Span
	if s.mode == Redact {
		out = union(s.held[:n], s.floor, s.text, s.base)
	} else {
		out = arbitrate(s.held[:n], 0, s.floor)
	}
	for _, span := range out {
		s.floor = span.End
		if err := s.found(s.text[span.Start-s.base:span.End-s.base], span); err != nil {
			return err
		}
	}
	s.held = append(s.held[:0], s.held[n:]...)
	return nil
}

// closed counts the candidates in groups that are complete: all of it ends
// before settled, or as many as are weighed at once begin there.
func closed(held []Span, settled int) int {
	done := 0
	for i := 0; i < len(held); {
		n, end := connected(held[i:])
		if end > settled && !(n == mostOverlaps && held[i+n-1].Start < settled) {
			break
		}
		i += n
		done = i
	}
	return done
}

// forget drops the text that no later decision looks at.
func (s *Stream) forget(settled int) {
	keep := min(settled-s.base, s.at-back)
	if s.mode == Redact {
		keep = min(keep, s.block)
	}
	if len(s.held) > 0 {
		keep = min(keep, s.held[0].Start-s.base)
	}
	if keep <= 0 {
		return
	}
	s.text = append(s.text[:0], s.text[keep:]...)
	s.base += keep
	s.at -= keep
	s.block -= keep
	for h := range s.covered {
		s.covered[h] -= keep
	}
}
