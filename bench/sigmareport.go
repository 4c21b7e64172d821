package bench

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Report measures all lanes and gives the lines of the goals with their
// details.
func (s *Sigma) Report() ([]Line, []Table, error) {
	var lines []Line
	detail := Table{
		Title:  "Sigma rules, one core",
		Header: []string{"lane", "shown to", "events/s of CPU", "tried per event", "of rules", "matches", "load, CPU", "memory"},
		Note: "Reading of JSON included; each row is a process of its own with GOMAXPROCS=1. Routed: to the rules of the event's log source. " +
			"Tried: rules that the index could not rule out. Memory is the most the process had, rules and events.",
	}
	worst := SigmaDone{}
	for _, l := range sigmaLanes() {
		for _, everywhere := range []bool{false, true} {
			done, err := s.measure(l, everywhere)
			if err != nil {
				return lines, nil, fmt.Errorf("%s: %w", l.name, err)
			}
			worst.Memory = max(worst.Memory, done.Memory)
			detail.Rows = append(detail.Rows, laneRow(l, everywhere, done))
			goal := l.routed
			if everywhere {
				goal = l.everywhere
			}
			if goal > 0 {
				lines = append(lines, laneLine(l, everywhere, goal, done))
			}
		}
	}
	load, err := s.load()
	if err != nil {
		return lines, nil, err
	}
	lines = append(lines,
		Line{What: "Sigma: the public rules load", Goal: "all, 0.3 s", Measured: fmt.Sprintf("%d, %d refused, %s; CPU %s", load.Loaded, load.Refused, milli(load.Wall), milli(load.Load)),
			Met: judge(load.Refused == 0 && load.Wall <= 300*time.Millisecond), How: "two cores, files in the cache; the middle one of five processes"},
		Line{What: "Sigma: memory with all rules", Goal: "128 MiB", Measured: fmt.Sprintf("%d MiB loaded, %d MiB at most while loading, %d MiB at most while scanning", load.Resident>>20, load.Memory>>20, worst.Memory>>20),
			Met: judge(max(load.Memory, worst.Memory) <= 128<<20), How: "resident memory of processes that do only this"})
	return lines, []Table{detail}, nil
}

// load is the middle one of five processes that load the rules; its memory is
// the most of any.
func (s *Sigma) load() (SigmaDone, error) {
	var all []SigmaDone
	most := SigmaDone{}
	for range 5 {
		done, err := s.apart(SigmaWork{Rules: s.rules(), Cores: 2})
		if err != nil {
			return done, err
		}
		all = append(all, done)
		most.Memory, most.Resident = max(most.Memory, done.Memory), max(most.Resident, done.Resident)
	}
	slices.SortFunc(all, func(a, b SigmaDone) int { return cmp.Compare(a.Wall, b.Wall) })
	middle := all[len(all)/2]
	middle.Memory, middle.Resident = most.Memory, most.Resident
	return middle, nil
}

// measure repeats a lane until it has taken about two seconds.
func (s *Sigma) measure(l sigmaLane, everywhere bool) (SigmaDone, error) {
	work := SigmaWork{Rules: s.rules(), Events: s.lane(l.name), Everywhere: everywhere}
	done, err := s.apart(work)
	if err != nil || done.CPU >= 2*time.Second {
		return done, err
	}
	work.Passes = int(2*time.Second/max(done.CPU, time.Millisecond)) + 1
	s.shows(fmt.Sprintf("sigma: %s, %d passes ...", l.name, work.Passes))
	return s.apart(work)
}

func laneRow(l sigmaLane, everywhere bool, d SigmaDone) []string {
	shown := "its source's rules"
	if everywhere {
		shown = "all rules"
	}
	matches := 0
	for _, n := range d.Matches {
		matches += n
	}
	return []string{l.name, shown, count(rate(d.Events, d.CPU)), fmt.Sprintf("%.1f", float64(d.Candidates)/float64(max(d.Events, 1))),
		count(int64(d.Loaded)), count(int64(matches)), milli(d.Load), fmt.Sprintf("%d MiB", d.Memory>>20)}
}

func laneLine(l sigmaLane, everywhere bool, goal int64, d SigmaDone) Line {
	how := "routed"
	if everywhere {
		how = "every rule shown every event"
	}
	got := rate(d.Events, d.CPU)
	return Line{What: "Sigma: " + l.name + ", " + how, Goal: count(goal) + "/s", Measured: count(got) + "/s", Met: judge(got >= goal),
		How: fmt.Sprintf("%d public rules, one core's time, JSON included", d.Loaded)}
}

// correlations are the types measured, each as it would stand in a rule.
func correlationKinds() [][2]string {
	return [][2]string{
		{"event_count", "type: event_count\n  condition: {gte: 1000000}"},
		{"value_count", "type: value_count\n  condition: {field: v, gte: 1000000}"},
		{"value_sum", "type: value_sum\n  condition: {field: n, gte: 1000000000000}"},
		{"value_avg", "type: value_avg\n  condition: {field: n, gte: 1000000000}"},
		{"value_percentile", "type: value_percentile\n  condition: {field: n, percentile: 95, gte: 1000000000}"},
	}
}

// windowSizes are how many distinct values, and events, a window holds.
func windowSizes() []int { return []int{100, 1_000, 10_000, 100_000} }

const correlated = 300_000 // events of a measurement

// Correlations measures events that all match and are all counted in one group,
// with windows that hold so many of them.
func (s *Sigma) Correlations() (Line, Table, error) {
	table := Table{Title: "Sigma correlations, one core", Header: []string{"type", "in the window", "events/s of CPU, all", "of it the correlation"},
		Note: "Every event matches and falls in one group; all: JSON, match and correlation. The correlation alone is the difference to the same events and rule without it."}
	events := filepath.Join(s.dir, "lanes", "correlated.ndjson")
	var slowest int64
	var flat [2]int64
	for _, size := range windowSizes() {
		if err := writeFile(events, correlatedEvents(size)); err != nil {
			return Line{}, table, err
		}
		base, err := s.correlate(events, "", 0)
		if err != nil {
			return Line{}, table, err
		}
		for _, kind := range correlationKinds() {
			done, err := s.correlate(events, kind[1], size)
			if err != nil {
				return Line{}, table, fmt.Errorf("%s: %w", kind[0], err)
			}
			all, alone := rate(done.Events, done.CPU), rate(done.Events, max(done.CPU-base.CPU, time.Microsecond))
			table.Rows = append(table.Rows, []string{kind[0], count(int64(size)), count(all), count(alone)})
			if slowest == 0 || alone < slowest {
				slowest = alone
			}
			if kind[0] == "value_count" {
				if size == windowSizes()[0] {
					flat[0] = alone
				}
				flat[1] = alone
			}
		}
	}
	return Line{What: "Sigma: correlation of matched events, the slowest type and window", Goal: "500,000/s, value_count flat", Measured: fmt.Sprintf("%s/s; value_count %s/s at 100 values, %s/s at 100,000", count(slowest), count(flat[0]), count(flat[1])),
		Met: judge(slowest >= 500_000 && flat[1]*3 >= flat[0]), How: "the correlation alone, one core's time; flat: not less than a third"}, table, nil
}

// correlatedEvents are events of which a window holds that many different
// values: one second's, or more seconds' at an event a millisecond.
func correlatedEvents(size int) []byte {
	var b []byte
	step := max(1000/size, 1)
	for i := range correlated {
		b = fmt.Appendf(b, `{"time":%d,"kind":"x","user":"u","v":"value-%d","n":%d}`+"\n", 1_772_000_000_000+i*step, i%size, i%1000)
	}
	return b
}

func (s *Sigma) correlate(events, kind string, size int) (SigmaDone, error) {
	dir := filepath.Join(s.dir, "correlation")
	if err := os.RemoveAll(dir); err != nil {
		return SigmaDone{}, err
	}
	rule := "title: base\nname: base\nlogsource: {category: benchmark}\ndetection: {s: {kind: x}, condition: s}\n"
	if kind != "" {
		span := fmt.Sprintf("\n  rules: [base]\n  group-by: [user]\n  timespan: %ds\n", max(size/1000, 1))
		rule += "---\ntitle: counted\ncorrelation:\n  " + strings.TrimSuffix(kind+span, "\n") + "\n"
	}
	if err := writeFile(filepath.Join(dir, "rule.yml"), []byte(rule)); err != nil {
		return SigmaDone{}, err
	}
	done, err := s.apart(SigmaWork{Rules: dir, Events: events, Passes: 2})
	if err == nil && done.Refused > 0 {
		err = errors.New(done.Reason)
	}
	return done, err
}
