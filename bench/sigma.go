package bench

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect/sigma"
)

// Sigma measures the rule engine with the public collection: events a second of
// one core's time, reading of the JSON included, on every lane of the sample
// data, with events routed to the rules of their log source and with every rule
// shown every event; how long loading takes; memory of a process that does only
// this. Beside it a Go engine of others (bench/peer, a module of its own) on the
// same events in the same run.
//
// Each figure is from a process of its own, which is held to one core
// (GOMAXPROCS=1) and asked for the time it had of it, so that neither what else
// the machine does nor the garbage of an earlier measurement counts. Loading is
// measured in processes that do nothing else, on two cores.
type Sigma struct {
	ctx   context.Context
	dir   string // temporary: rules/, lanes/
	shows func(string)
}

// sigmaLane is a lane with what is promised on it, in events a second.
type sigmaLane struct {
	name, file         string
	routed, everywhere int64
}

func sigmaLanes() []sigmaLane {
	return []sigmaLane{
		{"structured_windows", "structured_windows.ndjson.zst", 30_000, 20_000},
		{"raw_windows", "raw_windows.ndjson.zst", 100_000, 0},
		{"cisco_syslog", "cisco_syslog.ndjson.zst", 100_000, 0},
		{"sysmon_file_event", "sysmon_file_event.ndjson.zst", 0, 0},
		{"mix", "mix.ndjson.gz", 20_000, 0},
		{"process_creation", "", 10_000, 0}, // those of the mix
	}
}

// NewSigma unpacks the sample data found at data into dir.
func NewSigma(ctx context.Context, data, dir string, shows func(string)) (*Sigma, error) {
	s := &Sigma{ctx: ctx, dir: dir, shows: shows}
	if err := s.unpackRules(filepath.Join(data, "sigma", "rules.tar.zst")); err != nil {
		return nil, err
	}
	for _, l := range sigmaLanes() {
		if l.file == "" {
			continue
		}
		if err := s.unpackLane(filepath.Join(data, "lanes", l.file), l.name); err != nil {
			return nil, err
		}
	}
	return s, s.processes()
}

func (s *Sigma) rules() string           { return filepath.Join(s.dir, "rules") }
func (s *Sigma) lane(name string) string { return filepath.Join(s.dir, "lanes", name+".ndjson") }

// unpackRules writes the rules of an archive; its other YAML files are none.
func (s *Sigma) unpackRules(archive string) error {
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("no rules to measure with: %w", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return err
	}
	defer z.Close()
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if h.Typeflag != tar.TypeReg || path.Ext(name) != ".yml" || !strings.HasPrefix(name, "rules") {
			continue
		}
		body, err := io.ReadAll(t)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(s.rules(), filepath.FromSlash(name)), body); err != nil {
			return err
		}
	}
}

func writeFile(name string, body []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, body, 0o600)
}

func (s *Sigma) unpackLane(file, name string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("no events to measure with: %w", err)
	}
	defer f.Close()
	var in io.Reader
	if path.Ext(file) == ".gz" {
		in, err = gzip.NewReader(f)
	} else {
		in, err = zstd.NewReader(f)
	}
	if err != nil {
		return err
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return writeFile(s.lane(name), body)
}

// processes picks the starts of processes out of the mix.
func (s *Sigma) processes() error {
	f, err := os.Open(s.lane("mix"))
	if err != nil {
		return err
	}
	defer f.Close()
	var out bytes.Buffer
	in := bufio.NewScanner(f)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var v struct {
			EventID int
			Channel string
		}
		if json.Unmarshal(in.Bytes(), &v) == nil && (v.EventID == 1 && strings.Contains(v.Channel, "Sysmon") || v.EventID == 4688 && v.Channel == "Security") {
			out.Write(in.Bytes())
			out.WriteByte('\n')
		}
	}
	if err := in.Err(); err != nil {
		return err
	}
	return writeFile(s.lane("process_creation"), out.Bytes())
}

// SigmaWork is what a measuring process is asked to do.
type SigmaWork struct {
	Rules, Events string // without events, rules are only loaded
	Cores         int    // 0 is one
	Everywhere    bool
	Passes        int  // over the events; 0 is one
	Detail        bool // tell every hit
}

// SigmaDone is what it found.
type SigmaDone struct {
	Loaded, Refused int
	Reason          string        // of the first refused
	Load, CPU       time.Duration // processor time; of loading, of all passes
	Wall            time.Duration // of loading
	Events          int64
	Candidates      int64
	Memory          int64          // most memory of the process, bytes
	Resident        int64          // memory when the rules were loaded, bytes
	Matches         map[string]int // by rule, of one pass
	Hits            []string       // "LINE RULE", of one pass
}

// Do loads the rules and scans the events.
func (w SigmaWork) Do() (SigmaDone, error) {
	own, err := fs.Sub(content.Files(), "rules")
	if err != nil {
		return SigmaDone{}, err
	}
	sources, err := fs.ReadFile(own, "logsources.yaml")
	if err != nil {
		return SigmaDone{}, err
	}
	if err := writeFile(filepath.Join(w.Rules, "logsources.yaml"), sources); err != nil {
		return SigmaDone{}, err
	}
	begun, clock := processTime(), time.Now()
	rules, refused := sigma.Load(os.DirFS(w.Rules))
	wall := time.Since(clock)
	if w.Everywhere {
		rules = rules.Everywhere()
	}
	out := SigmaDone{Loaded: rules.Len(), Refused: len(refused), Load: processTime() - begun, Wall: wall, Resident: kilobytes(field("/proc/self/status", "VmRSS"))}
	if len(refused) > 0 {
		out.Reason = refused[0].File + ": " + refused[0].Reason
	}
	if w.Events == "" {
		out.Memory = mostMemory()
		return out, nil
	}
	begun = processTime()
	for pass := range max(w.Passes, 1) {
		if err := w.pass(rules, pass == 0, &out); err != nil {
			return out, err
		}
	}
	out.CPU, out.Memory = processTime()-begun, mostMemory()
	return out, nil
}

func (w SigmaWork) pass(rules *sigma.Rules, first bool, out *SigmaDone) error {
	f, err := os.Open(w.Events)
	if err != nil {
		return err
	}
	defer f.Close()
	if first {
		out.Matches = map[string]int{}
	}
	stats, err := rules.Scan(f, time.UTC, func(m sigma.Match) error {
		if first {
			out.Matches[m.Rule]++
			if w.Detail {
				out.Hits = append(out.Hits, fmt.Sprint(m.Line, " ", m.Rule))
			}
		}
		return nil
	})
	out.Events += int64(stats.Events)
	out.Candidates += stats.Candidates
	return err
}

func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// mostMemory is the most memory this process had, in bytes. What the kernel's
// getrusage says of it would count the process that started this one.
func mostMemory() int64 {
	return kilobytes(field("/proc/self/status", "VmHWM"))
}

// apart does work in a process of its own: this program again, as a test that
// TestSigmaApart is.
func (s *Sigma) apart(work SigmaWork) (SigmaDone, error) {
	var out SigmaDone
	question, err := json.Marshal(work)
	if err != nil {
		return out, err
	}
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	answer := filepath.Join(s.dir, "answer.json")
	cmd := exec.CommandContext(s.ctx, self, "-test.run", "^TestSigmaApart$", "-apart", string(question), "-answer", answer)
	cmd.Env = append(os.Environ(), fmt.Sprint("GOMAXPROCS=", max(work.Cores, 1)))
	if text, err := cmd.CombinedOutput(); err != nil {
		return out, fmt.Errorf("measuring process: %w: %s", err, lastLines(string(text)))
	}
	data, err := os.ReadFile(answer)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(data, &out)
}
