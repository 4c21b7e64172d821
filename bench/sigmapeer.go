package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// beside is how many events of a lane both engines are given; the other one
// needs seconds for them.
const beside = 150

// PeerDone is what the other engine answers.
type PeerDone struct {
	Loaded, Refused int
	Errors          int64
	Load, CPU       time.Duration
	Events          int64
	Candidates      int64
	Hits            []string
}

// Peer runs sigma-go and Cordon on the same events, spread over each lane, and
// compares time and matches. source is the folder of its module.
func (s *Sigma) Peer(source string) (Line, []Table, error) {
	program := filepath.Join(s.dir, "peer")
	build := exec.CommandContext(s.ctx, "go", "build", "-o", program, ".")
	build.Dir = source
	if text, err := build.CombinedOutput(); err != nil {
		return Line{}, nil, fmt.Errorf("building the engine to compare with: %w: %s", err, lastLines(string(text)))
	}
	speed := Table{
		Title:  "Sigma rules, beside sigma-go v0.6.6",
		Header: []string{"lane", "shown to", "Cordon, events/s of CPU", "sigma-go", "times as fast", "rules loaded", "evaluations that failed", "matches", "both", "only Cordon", "only sigma-go"},
		Note:   fmt.Sprintf("The same %d events spread over the lane, in the same run, reading of JSON included in both, a core each. sigma-go has no routing; bench/peer adds it.", beside),
	}
	differ := Table{Title: "Sigma rules, where the two differ", Header: []string{"rule", "lane", "only Cordon", "only sigma-go"},
		Note: "Not who is right: the judge is the specification, in detect/sigma/testdata/conformance."}
	var worst float64
	for _, l := range sigmaLanes() {
		for _, everywhere := range []bool{false, true} {
			s.shows(fmt.Sprintf("sigma-go: %s ...", l.name))
			ours, theirs, err := s.both(program, l, everywhere)
			if err != nil {
				return Line{}, nil, fmt.Errorf("%s: %w", l.name, err)
			}
			times := float64(rate(ours.Events, ours.CPU)) / float64(max(rate(theirs.Events*1000, theirs.CPU), 1)) * 1000
			if worst == 0 || times < worst {
				worst = times
			}
			c := compareHits(ours.Hits, theirs.Hits)
			speed.Rows = append(speed.Rows, c.row(l, everywhere, ours, theirs, times))
			if !everywhere {
				differ.Rows = append(differ.Rows, c.rules(l.name)...)
			}
		}
	}
	line := Line{What: "Sigma: times as fast as sigma-go v0.6.6", Measured: fmt.Sprintf("at least %.0f", worst), Met: Told, How: "the same events in the same run, the closest lane"}
	return line, []Table{speed, differ}, nil
}

// both runs the engines on a lane.
func (s *Sigma) both(program string, l sigmaLane, everywhere bool) (ours SigmaDone, theirs PeerDone, err error) {
	part := filepath.Join(s.dir, "lanes", "beside.ndjson")
	if err := spread(s.lane(l.name), part, beside); err != nil {
		return ours, theirs, err
	}
	work := SigmaWork{Rules: s.rules(), Events: part, Everywhere: everywhere, Detail: true}
	if ours, err = s.apart(work); err != nil {
		return ours, theirs, err
	}
	hits := ours.Hits
	work.Detail, work.Passes = false, int(time.Second/max(ours.CPU, time.Millisecond))+1
	if ours, err = s.apart(work); err != nil {
		return ours, theirs, err
	}
	ours.Hits = hits
	cmd := exec.CommandContext(s.ctx, program, "-rules", s.rules(), "-events", part, fmt.Sprintf("-everywhere=%t", everywhere))
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil {
		return ours, theirs, fmt.Errorf("sigma-go: %w: %s", err, lastLines(complaint.String()))
	}
	return ours, theirs, json.Unmarshal(text, &theirs)
}

// spread writes most lines of a file, evenly spread over it.
func spread(from, to string, most int) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	for i := range min(most, len(lines)) {
		out.Write(lines[i*len(lines)/min(most, len(lines))])
		out.WriteByte('\n')
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// hitsCompared counts hits by rule.
type hitsCompared struct {
	both, ours, theirs int
	onlyOurs           map[string]int
	onlyTheirs         map[string]int
}

func compareHits(ours, theirs []string) hitsCompared {
	c := hitsCompared{onlyOurs: map[string]int{}, onlyTheirs: map[string]int{}}
	have := map[string]bool{}
	for _, h := range theirs {
		have[h] = true
	}
	for _, h := range ours {
		if have[h] {
			c.both++
			delete(have, h)
			continue
		}
		c.ours++
		c.onlyOurs[ruleOf(h)]++
	}
	for h := range have {
		c.theirs++
		c.onlyTheirs[ruleOf(h)]++
	}
	return c
}

func ruleOf(hit string) string {
	_, rule, _ := strings.Cut(hit, " ")
	return rule
}

func (c hitsCompared) row(l sigmaLane, everywhere bool, ours SigmaDone, theirs PeerDone, times float64) []string {
	shown := "its source's rules"
	if everywhere {
		shown = "all rules"
	}
	return []string{l.name, shown, count(rate(ours.Events, ours.CPU)), count(rate(theirs.Events, theirs.CPU)), fmt.Sprintf("%.0f", times),
		fmt.Sprintf("%d / %d", ours.Loaded, theirs.Loaded), count(theirs.Errors), fmt.Sprintf("%d / %d", len(ours.Hits), len(theirs.Hits)),
		fmt.Sprint(c.both), fmt.Sprint(c.ours), fmt.Sprint(c.theirs)}
}

func (c hitsCompared) rules(lane string) [][]string {
	all := map[string]bool{}
	for r := range c.onlyOurs {
		all[r] = true
	}
	for r := range c.onlyTheirs {
		all[r] = true
	}
	var out [][]string
	for _, r := range slices.Sorted(maps.Keys(all)) {
		out = append(out, []string{r, lane, fmt.Sprint(c.onlyOurs[r]), fmt.Sprint(c.onlyTheirs[r])})
	}
	return out
}
