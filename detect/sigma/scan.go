package sigma

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// Match is a rule that fits a line of a file of events.
type Match struct {
	Rule  string `json:"rule"`
	Title string `json:"title"`
	// Line counts from 1.
	Line int `json:"line"`
}

// Stats is how a scan went.
type Stats struct {
	// Events are the lines that were events, Bad the numbers of the first lines
	// that were not JSON objects, of NBad in all.
	Events, Matches, NBad int
	Bad                   []int
	// Candidates are the rules that had to be tried, of all those loaded, summed
	// over the events: what the index could not rule out.
	Candidates int64
	// Cut are the events with more values than are looked at, Short those with
	// values of which a regular expression saw only the beginning.
	Cut, Short int
}

func (s *Stats) add(l *look) {
	s.Events++
	s.Candidates += int64(l.candidates)
	if l.cut {
		s.Cut++
	}
	if l.short {
		s.Short++
	}
}

// maxLine bounds a line, in bytes.
const maxLine = 16 << 20

// Scan runs the rules over a file with one JSON event a line, flat or nested,
// and tells each match as it comes. An event that says of which source it is
// is shown to that source's rules only; others are shown to all rules. zone is
// the one in which local.hour is read.
func (r *Rules) Scan(events io.Reader, zone *time.Location, found func(Match) error) (Stats, error) {
	l := r.scan(zone)
	in := bufio.NewScanner(events)
	in.Buffer(make([]byte, 1<<16), maxLine)
	chain := newLineCorrelator(r)
	var stats Stats
	tell := func(m Match) error {
		stats.Matches++
		return found(m)
	}
	for line := 1; in.Scan(); line++ {
		data := in.Bytes()
		if blank(data) {
			continue
		}
		hits, ok := l.line(data)
		if !ok {
			if stats.NBad++; len(stats.Bad) < 10 {
				stats.Bad = append(stats.Bad, line)
			}
			continue
		}
		stats.add(l)
		for _, x := range hits {
			if x.silent {
				continue
			}
			if err := tell(Match{x.id, x.title.EN, line}); err != nil {
				return stats, err
			}
		}
		for _, m := range chain.line(hits, l, line) {
			if err := tell(m); err != nil {
				return stats, err
			}
		}
	}
	for _, m := range chain.end() {
		if err := tell(m); err != nil {
			return stats, err
		}
	}
	if err := in.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return stats, fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
		return stats, fmt.Errorf("read events: %w", err)
	}
	return stats, nil
}

// Fits lists the ids of the rules that fit one JSON event.
func (r *Rules) Fits(event []byte, zone *time.Location) []string {
	hits, _ := r.scan(zone).line(event)
	var out []string
	for _, x := range hits {
		out = append(out, x.id)
	}
	return out
}

func blank(data []byte) bool {
	for _, c := range data {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// scan makes a look for lines of JSON.
func (r *Rules) scan(zone *time.Location) *look {
	l := newLook(r.engine, zone)
	l.everywhere = r.everywhere
	return l
}

// line returns the rules that fit a line of JSON; ok is false when it is no
// event.
func (l *look) line(data []byte) (hits []*rule, ok bool) {
	l.begin()
	if !l.read(data) {
		return nil, false
	}
	l.texts = [2]int{0, len(l.leaves)}
	return l.decide(), true
}
