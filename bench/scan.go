package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/keyed"
)

// Scan measures the scanner of package classify on the corpus beside the
// repository, on one core, and beside it ripgrep, RE2 and go-re2, which count
// the matches of twelve patterns in the same files in the same run. All figures
// are megabytes a second of processor time.
type Scan struct {
	ctx   context.Context
	dir   string
	rules string
	files []scanFile
	shows func(string)
}

type scanFile struct {
	name string
	text []byte
}

// scanGoal is what is promised, in megabytes a second of one core.
const scanGoal = 600

// NewScan unpacks the corpus found at data into dir.
func NewScan(ctx context.Context, data, dir string, shows func(string)) (*Scan, error) {
	s := &Scan{ctx: ctx, dir: dir, rules: filepath.Join(data, "scan", "rules.txt"), shows: shows}
	names, err := filepath.Glob(filepath.Join(data, "scan", "*.zst"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no corpus to measure with in %s: %w", data, cmp.Or(err, fs.ErrNotExist))
	}
	slices.Sort(names)
	for _, name := range names {
		packed, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		z, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		text, err := z.DecodeAll(packed, nil)
		z.Close()
		if err != nil {
			return nil, err
		}
		short := strings.TrimSuffix(filepath.Base(name), ".zst")
		if err := writeFile(filepath.Join(dir, short), text); err != nil {
			return nil, err
		}
		s.files = append(s.files, scanFile{short, text})
	}
	return s, nil
}

func (s *Scan) bytes() (n int) {
	for _, f := range s.files {
		n += len(f.text)
	}
	return n
}

// scanned is one engine's result.
type scanned struct {
	name    string
	finds   int
	seconds float64
	files   []float64 // MB/s of each, where it is told
	how     string
	missing error
}

func (r *scanned) speed(bytes int) float64 { return float64(bytes) / 1e6 / max(r.seconds, 1e-9) }

// Report measures, beside the other engines, and gives the lines of the goals
// with their details.
func (s *Scan) Report(peers ...func(files []string) scanned) ([]Line, []Table, error) {
	numbers, err := s.own("Cordon, numbers and network addresses", classify.Config{Off: classify.Words()},
		"all kinds but those found by words around them; spans, check digits, labels, arbitration, levels")
	if err != nil {
		return nil, nil, err
	}
	words, err := s.own("Cordon, all kinds", classify.Config{}, "the same, and names, addresses, birth dates, ages and conditions in Chinese and English, as scans and gateways warn")
	if err != nil {
		return nil, nil, err
	}
	all := []scanned{numbers, words}
	for _, measure := range peers {
		all = append(all, measure(s.unpacked()))
	}
	total := s.bytes()
	table := Table{
		Title:  fmt.Sprintf("Scan of %.0f MB, one core", float64(total)/1e6),
		Header: []string{"engine", "MB/s of CPU", "Cordon's numbers are so many times as fast", "finds", "what it does"},
		Note:   "The same files in the same run. The others count matches of the twelve patterns of the corpus, without spans, check digits, labels or levels; Cordon's counts are of more kinds, and fewer of each because of the checks. Each figure is the best of three.",
	}
	for _, r := range all {
		if r.missing != nil {
			table.Rows = append(table.Rows, []string{r.name, "not measured", "", "", oneLine(r.missing.Error())})
			continue
		}
		table.Rows = append(table.Rows, []string{r.name, fmt.Sprintf("%.0f", r.speed(total)), fmt.Sprintf("%.2f", numbers.speed(total)/r.speed(total)), fmt.Sprint(r.finds), r.how})
	}
	each := Table{Title: "Scan, file by file", Header: []string{"file", "MB", "numbers, MB/s", "all kinds, MB/s"}}
	for i, f := range s.files {
		each.Rows = append(each.Rows, []string{f.name, fmt.Sprintf("%.1f", float64(len(f.text))/1e6), fmt.Sprintf("%.0f", numbers.files[i]), fmt.Sprintf("%.0f", words.files[i])})
	}
	lines := []Line{
		s.line("Scan: numbers and network addresses, with spans, checks and levels", numbers, total),
		s.line("Scan: all kinds, names and addresses too", words, total),
	}
	return lines, []Table{table, each}, nil
}

func (s *Scan) line(what string, r scanned, total int) Line {
	return Line{What: what, Goal: fmt.Sprintf("%d MB/s", scanGoal), Measured: fmt.Sprintf("%.0f MB/s", r.speed(total)),
		Met: judge(r.speed(total) >= scanGoal), How: "one core, CPU time, " + r.how}
}

// own measures an engine of ours: the best of three passes over each file.
func (s *Scan) own(name string, cfg classify.Config, how string) (scanned, error) {
	s.shows(name + " ...")
	out := scanned{name: name, how: how}
	e, err := classify.New(cfg)
	if err != nil {
		return out, err
	}
	levels := classify.Usual()
	var spans []classify.Span
	for _, f := range s.files {
		best := 0.0
		var found [6]int
		for range 3 {
			found = [6]int{}
			begun := processTime()
			spans = e.Scan(spans[:0], f.text, classify.Discover)
			for _, span := range spans {
				found[levels.Of(span.Kind)]++
			}
			if took := (processTime() - begun).Seconds(); best == 0 || took < best {
				best = took
			}
		}
		for _, n := range found {
			out.finds += n
		}
		out.seconds += best
		out.files = append(out.files, float64(len(f.text))/1e6/best)
	}
	return out, nil
}

// unpacked are the names of the corpus's files.
func (s *Scan) unpacked() []string {
	var names []string
	for _, f := range s.files {
		names = append(names, filepath.Join(s.dir, f.name))
	}
	return names
}

// re2 is RE2 in C++, by a program that is compiled here.
func (s *Scan) re2(files []string) scanned {
	return s.program("RE2, C++", files, func(program string) *exec.Cmd {
		return exec.CommandContext(s.ctx, "g++", "-O3", "-o", program, filepath.Join("testdata", "scan.cc"), "-lre2")
	})
}

// goRE2 is go-re2, in the module of what is only compared with.
func (s *Scan) goRE2(files []string) scanned {
	return s.program("go-re2 v1.13.0", files, func(program string) *exec.Cmd {
		build := exec.CommandContext(s.ctx, "go", "build", "-o", program, "./scan")
		build.Dir = "peer"
		return build
	})
}

// patterns writes the twelve patterns, one a line, without their names.
func (s *Scan) patterns(name string, change *strings.Replacer) (string, error) {
	text, err := os.ReadFile(s.rules)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		if _, pattern, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			fmt.Fprintln(&out, change.Replace(pattern))
		}
	}
	file := filepath.Join(s.dir, name)
	return file, os.WriteFile(file, out.Bytes(), 0o600)
}

// ripgrep is given boundaries and digits of ASCII: with those of Unicode it
// finds no number behind a Chinese label.
func (s *Scan) ripgrep(files []string) scanned {
	out := scanned{name: "ripgrep -j1", how: "counts matches, reading included"}
	s.shows(out.name + " ...")
	rules, err := s.patterns("ripgrep.txt", strings.NewReplacer(`\b`, `(?-u:\b)`, `\d`, "[0-9]"))
	if err != nil {
		out.missing = err
		return out
	}
	for range 3 {
		cmd := exec.CommandContext(s.ctx, "rg", append([]string{"-j1", "-a", "--no-filename", "--count-matches", "-f", rules}, files...)...)
		text, err := cmd.Output()
		if err != nil {
			out.missing = fmt.Errorf("ripgrep: %w", err)
			return out
		}
		out.finds = 0
		for _, field := range strings.Fields(string(text)) {
			var n int
			if _, err := fmt.Sscan(field, &n); err == nil {
				out.finds += n
			}
		}
		took := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		if out.seconds == 0 || took < out.seconds {
			out.seconds = took
		}
	}
	return out
}

// program builds and runs a program that prints its matches and seconds. An
// engine that is not to be had says so in the table.
func (s *Scan) program(name string, files []string, build func(program string) *exec.Cmd) scanned {
	out := scanned{name: name, how: "one alternation, spans, counted"}
	s.shows(name + " ...")
	program := filepath.Join(s.dir, strings.Fields(name)[0]+".program")
	if text, err := build(program).CombinedOutput(); err != nil {
		out.missing = fmt.Errorf("building it: %w: %s", err, lastLines(string(text)))
		return out
	}
	rules, err := s.patterns("re2.txt", strings.NewReplacer("[ :：#]", "(?:[ :#]|：)"))
	if err != nil {
		out.missing = err
		return out
	}
	for range 3 {
		cmd := exec.CommandContext(s.ctx, program, append([]string{rules}, files...)...)
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		text, err := cmd.Output()
		var took float64
		if err == nil {
			_, err = fmt.Sscan(string(text), &out.finds, &took)
		}
		if err != nil {
			out.missing = fmt.Errorf("running it: %w", err)
			return out
		}
		if out.seconds == 0 || took < out.seconds {
			out.seconds = took
		}
	}
	return out
}

// indexed is what is promised of the index of patients.
const (
	indexedPeople = 2_000_000
	indexedMemory = 40e6
	indexedSpeed  = 20e6
)

// Patients measures the index of the hospital's own patients: two million of
// three identifiers each.
func (s *Scan) Patients() ([]Line, error) {
	s.shows("an index of two million patients ...")
	index, err := classify.BuildPatients(keyed.Key{1}, invented(indexedPeople))
	if err != nil {
		return nil, err
	}
	memory := float64(index.Memory())
	column := numbers("M")
	hits, hit := lookUps(index, column)
	allHits, allHit := lookUpColumn(index, column)
	if hits != lookedUp || allHits != lookedUp {
		return nil, errors.New("patients were not found in their own index")
	}
	column = numbers("X")
	taken, miss := lookUps(index, column)
	_, allMiss := lookUpColumn(index, column)
	speed := func(what string, rate float64) Line {
		return Line{What: what, Goal: "20 M/s", Measured: fmt.Sprintf("%.1f M/s", rate/1e6), Met: judge(rate >= indexedSpeed), How: "one core, CPU time, record numbers in random order, normal form and keyed hash included"}
	}
	return []Line{
		{What: "Patient index: memory of 2 M patients", Goal: "40 MB", Measured: fmt.Sprintf("%.1f MB", memory/1e6), Met: judge(memory <= indexedMemory), How: "record number, identity number and telephone number of each: six million hashes"},
		speed("Patient index: look-ups of patients, one by one", hit),
		speed("Patient index: look-ups of strangers, one by one", miss),
		speed("Patient index: look-ups of patients, a column of 256 at once", allHit),
		speed("Patient index: look-ups of strangers, a column of 256 at once", allMiss),
		{What: "Patient index: strangers taken for patients", Goal: "1e-9", Measured: fmt.Sprintf("%d of %d", taken, lookedUp), Met: judge(taken == 0), How: "by its bits 6e-10; counted here"},
	}, nil
}

const (
	lookedUp   = 1 << 23
	columnRows = 256
)

// numbers are record numbers in random order.
func numbers(first string) [][]byte {
	const many = 1 << 20
	text := make([]byte, 0, many*10)
	out := make([][]byte, 0, many)
	for i := range many {
		begun := len(text)
		text = fmt.Appendf(text, "%s%09d", first, i*7919%indexedPeople)
		out = append(out, text[begun:])
	}
	return out
}

// lookUps looks up record numbers one by one.
func lookUps(index *classify.Patients, values [][]byte) (found int, rate float64) {
	begun := processTime()
	for i := range lookedUp {
		if _, _, ok := index.Match(classify.MRN, values[i%len(values)]); ok {
			found++
		}
	}
	return found, lookedUp / max((processTime()-begun).Seconds(), 1e-9)
}

// lookUpColumn looks up as many, a column at a time.
func lookUpColumn(index *classify.Patients, values [][]byte) (found int, rate float64) {
	begun := processTime()
	for i := 0; i < lookedUp; i += columnRows {
		at := i % len(values)
		index.MatchAll(classify.MRN, values[at:at+columnRows], func(int, uint32, bool) { found++ })
	}
	return found, lookedUp / max((processTime()-begun).Seconds(), 1e-9)
}

func invented(n int) iter.Seq[classify.Patient] {
	return func(yield func(classify.Patient) bool) {
		for i := range n {
			p := classify.Patient{MRN: fmt.Sprintf("M%09d", i), ResidentID: fmt.Sprintf("1101051990%08d", i), Phone: fmt.Sprintf("138%08d", i)}
			if !yield(p) {
				return
			}
		}
	}
}
