package sigma

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
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
}

// maxLine bounds a line, in bytes.
const maxLine = 16 << 20

// Scan runs the rules over a file with one JSON event a line, flat or nested,
// and tells each match as it comes. An event that says of which source it is
// is shown to that source's rules only; others are shown to all rules. zone is
// the one in which local.hour is read.
func (r *Rules) Scan(events io.Reader, zone *time.Location, found func(Match) error) (Stats, error) {
	s := newScan(r, zone)
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
		hits, ok := s.event(data)
		if !ok {
			if stats.NBad++; len(stats.Bad) < 10 {
				stats.Bad = append(stats.Bad, line)
			}
			continue
		}
		stats.Events++
		for _, x := range hits {
			if x.silent {
				continue
			}
			if err := tell(Match{x.id, x.title.EN, line}); err != nil {
				return stats, err
			}
		}
		for _, m := range chain.line(hits, s.record(), line) {
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
	hits, _ := newScan(r, zone).event(event)
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

// scan is the work on one file. Rules themselves are only read, so scans may
// run at the same time.
type scan struct {
	r    *Rules
	l    look
	zone *time.Location
	idle []*rule
	hits []*rule
}

func newScan(r *Rules, zone *time.Location) *scan {
	s := &scan{r: r, zone: zone, l: look{names: r.names}}
	for _, x := range r.list {
		if len(x.routes) == 0 {
			s.idle = append(s.idle, x)
		}
	}
	return s
}

// record is the event at work, for correlations.
func (s *scan) record() record { return lineRecord{&s.l.flat, s.zone} }

// event returns the rules that fit an event; ok is false when it is none.
func (s *scan) event(data []byte) (hits []*rule, ok bool) {
	s.l.begin(len(s.r.names), lineRecord{&s.l.flat, s.zone})
	s.l.flat.read(data)
	if s.l.flat.bad || len(s.l.flat.leaves) == 0 {
		return nil, false
	}
	s.hits = s.hits[:0]
	known := s.known()
	for _, w := range s.r.routes {
		if len(w.rules) > 0 && (w.fits(&s.l) || s.silent(w) && !contradicts(known, w.source)) {
			s.try(w.rules, w.fields)
		}
	}
	for _, x := range s.idle {
		if !contradicts(known, x.source) {
			s.one(x)
		}
	}
	return s.hits, true
}

func (s *scan) try(rules []*rule, fields map[string]string) {
	s.l.rename(fields)
	for _, x := range rules {
		s.one(x)
	}
	s.l.rename(nil)
}

func (s *scan) one(x *rule) {
	for _, h := range s.hits {
		if h == x {
			return
		}
	}
	if x.cond.eval(&s.l) {
		s.hits = append(s.hits, x)
	}
}

// silent says that an event lacks what a way asks for, so that nobody can tell
// whether it is of that source.
func (s *scan) silent(w *route) bool {
	for _, n := range w.asks {
		if len(s.l.field(n)) == 0 {
			return true
		}
	}
	return false
}

// known lists the sources the event says it is of.
func (s *scan) known() []logsource {
	var out []logsource
	for _, w := range s.r.routes {
		if w.where != nil && w.where.eval(&s.l) {
			out = append(out, w.source)
		}
	}
	return out
}

// contradicts says that an event of known sources cannot be of another one:
// none of them shares its category, product and service as far as both name
// them.
func contradicts(known []logsource, of logsource) bool {
	for _, k := range known {
		if !differ(k.Product, of.Product) && !differ(k.Category, of.Category) && !differ(k.Service, of.Service) {
			return false
		}
	}
	return len(known) > 0
}

func differ(a, b string) bool { return a != "" && b != "" && a != b }

// lineRecord is a line of JSON as rules see it.
type lineRecord struct {
	flat *flat
	zone *time.Location
}

var _ record = lineRecord{}

func (r lineRecord) lookup(name string, out []value) []value {
	before := len(out)
	if out = r.flat.lookup(name, out); len(out) > before {
		return out
	}
	if name != "local.hour" && name != "local.weekday" {
		return out
	}
	at := r.flat.lookup("time", nil)
	if len(at) == 0 {
		return out
	}
	ms, err := strconv.ParseInt(at[0].text, 10, 64)
	if err != nil {
		return out
	}
	t := time.UnixMilli(ms).In(r.zone)
	if name == "local.hour" {
		return append(out, text(strconv.Itoa(t.Hour())))
	}
	return append(out, text(t.Weekday().String()))
}

func (r lineRecord) texts(yield func(string) bool) { r.flat.texts(yield) }
