package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/node"
)

type scanCmd struct {
	target
	JSON   bool   `help:"A line for each finding, and a last one with the totals." name:"json"`
	Format string `help:"One of: ${enum}." enum:"table,json,csv,sarif" default:"table"`
	Mode   string `help:"discover: precision first. redact: recall first; also names without a label and dates." enum:"discover,redact" default:"discover"`

	FailOn        int `help:"Exit with 1 when something of this level or above is found." placeholder:"LEVEL"`
	MinLevel      int `help:"Leave findings below this level out." placeholder:"LEVEL"`
	MinConfidence int `help:"Leave findings below this confidence (percent) out." placeholder:"PERCENT"`

	Levels      string `help:"The hospital's own levels." placeholder:"FILE" type:"existingfile"`
	Rules       string `help:"The hospital's own kinds of data." placeholder:"FILE" type:"existingfile"`
	Patients    string `help:"List of the hospital's own patients (CSV): says whether and how many of them are found." placeholder:"FILE" type:"existingfile"`
	OCR         bool   `help:"Read text in images, with tesseract." name:"ocr"`
	PrintLevels bool   `help:"Print the levels that come with Cordon, to begin a file with."`

	Include   []string `help:"Read only files that fit: *.csv, **/exports/**." placeholder:"GLOB" sep:"none"`
	Exclude   []string `help:"Leave files and folders that fit out." placeholder:"GLOB" sep:"none"`
	OneSystem bool     `help:"Stay on the file system of each path."`
	Largest   int64    `help:"Leave files above this size out." placeholder:"BYTES"`
	Rows      int      `help:"Rows of each table of a database that are looked at." default:"1000"`

	Workers int   `help:"Files read at once; one per core otherwise." placeholder:"N"`
	Rate    int64 `help:"Read at most so many bytes a second." placeholder:"BYTES"`
	Nice    bool  `help:"Read behind everything else on this machine."`

	Resume  bool   `help:"Go on where an interrupted scan of the same paths stopped, and read only what changed since."`
	Journal string `help:"File that remembers what was done, for --resume; in the user's cache otherwise." placeholder:"FILE" type:"path"`
	Summary bool   `help:"With a table: only the files and totals, without findings." short:"s"`

	Paths []string `arg:"" optional:"" help:"Files and folders (shares where they are mounted), - for standard input, postgres://, mysql://, sqlserver://, oracle:// and s3:// addresses." name:"path"`
}

// Run searches for patient data.
func (c *scanCmd) Run(w *world) error {
	if c.PrintLevels {
		_, err := w.out.Write(classify.UsualLevels())
		return err
	}
	if err := c.check(); err != nil {
		return usage{err}
	}
	if c.JSON {
		c.Format = "json"
	}
	if c.Server != "" || c.Data != "" || c.Config != "" {
		return c.onServer(w)
	}
	return c.alone(w)
}

func (c *scanCmd) check() error {
	if len(c.Paths) == 0 {
		return errors.New("name what is to be searched: files, folders, - or addresses")
	}
	for name, level := range map[string]int{"--fail-on": c.FailOn, "--min-level": c.MinLevel} {
		if level < 0 || level > 5 {
			return fmt.Errorf("%s is a level, 1 to 5", name)
		}
	}
	return errors.Join(classify.Globs(c.Include).Check(), classify.Globs(c.Exclude).Check())
}

// alone scans without a server, and keeps nothing but the journal.
func (c *scanCmd) alone(w *world) error {
	scanner, err := c.scanner(w)
	if err != nil {
		return err
	}
	origins, closing, err := c.origins(w)
	if err != nil {
		return err
	}
	report, err := c.report(w, scanner)
	if err != nil {
		return errors.Join(err, closing())
	}
	r := &scanRun{scanCmd: c, w: w, report: report, walk: &classify.Walk{
		Origins: origins, Examine: scanner.Examine, Workers: c.Workers, Rate: c.Rate, Largest: c.Largest, Nice: c.Nice, Now: w.now,
	}}
	if err := r.open(scanner.Version); err != nil {
		return errors.Join(err, closing())
	}
	err = r.run()
	return errors.Join(err, closing())
}

// scanner makes the engine. Tokens are made with a key of this run alone: they
// compare findings of one report and nothing else.
func (c *scanCmd) scanner(w *world) (*node.Scanner, error) {
	var key keyed.Key
	rand.Read(key[:])
	o := node.ScanOptions{Levels: c.Levels, Rules: c.Rules, Key: &key, OCR: c.OCR}
	if c.Mode == "redact" {
		o.Mode = classify.Redact
	}
	if c.Patients != "" {
		var err error
		if o.Patients, err = node.ReadPatients(w.ctx, key, c.Patients); err != nil {
			return nil, err
		}
	}
	s, err := node.NewScanner(o, version)
	if err != nil {
		return nil, usage{err}
	}
	return s, nil
}

func (c *scanCmd) origins(w *world) (list []classify.Origin, closing func() error, err error) {
	var closers []func() error
	closing = func() error {
		var errs []error
		for _, f := range closers {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	for _, path := range c.Paths {
		if path == "-" {
			list = append(list, &standardInput{r: w.in})
			continue
		}
		o, f, err := node.OpenOrigin(path, node.OriginOptions{Include: c.Include, Exclude: c.Exclude, OneSystem: c.OneSystem, Rows: c.Rows})
		if err != nil {
			return nil, nil, errors.Join(usage{fmt.Errorf("%s: %w", classify.WithoutSecrets(path), err)}, closing())
		}
		list, closers = append(list, o), append(closers, f)
	}
	return list, closing, nil
}

// report writes in the format that was asked for.
func (c *scanCmd) report(w *world, s *node.Scanner) (classify.Report, error) {
	switch c.Format {
	case "json":
		return classify.NewJSON(w.out), nil
	case "csv":
		return classify.NewCSV(w.out)
	case "sarif":
		return classify.NewSARIF(w.out, version, s.SARIFKinds())
	}
	return newScanTable(w, c.Summary), nil
}

// journal is the file that remembers this scan: one for each set of paths and
// options that change what is found.
func (c *scanCmd) journal() (string, error) {
	if c.Journal != "" {
		return c.Journal, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the scan's journal: %w; give one with --journal", err)
	}
	dir := filepath.Join(cache, "cordon", "scans")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a place for the scan's journal: %w; give one with --journal", err)
	}
	h := sha256.New()
	for _, p := range c.Paths {
		if abs, err := filepath.Abs(p); err == nil && classify.Scheme(p) == "" {
			p = abs
		}
		fmt.Fprintf(h, "%q\n", classify.WithoutSecrets(p))
	}
	fmt.Fprintf(h, "%q %q\n", c.Include, c.Exclude)
	return filepath.Join(dir, hex.EncodeToString(h.Sum(nil)[:12])+".journal"), nil
}

// scanRun is one scan without a server.
type scanRun struct {
	*scanCmd
	w       *world
	report  classify.Report
	walk    *classify.Walk
	journal *classify.Journal // nil for standard input alone
	worst   int
}

// open begins the journal, anew without --resume.
func (r *scanRun) open(engine string) error {
	if len(r.Paths) == 1 && r.Paths[0] == "-" {
		return nil
	}
	path, err := r.scanCmd.journal()
	if err != nil {
		return err
	}
	if !r.Resume {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("begin the scan's journal: %w; give another file with --journal", err)
		}
	}
	r.journal, err = classify.OpenJournal(path, fmt.Sprint(engine, r.Mode, r.OCR, r.Patients, r.Rows, r.Largest))
	return err
}

func (r *scanRun) run() error {
	p := newScanProgress(r.w)
	r.walk.Progress, r.walk.Found, r.walk.Done, r.walk.Known = p.show, r.found, r.done, r.known
	totals, err := r.walk.Run(r.w.ctx)
	p.end()
	if r.journal != nil {
		err = errors.Join(err, r.journal.Close())
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(r.w.err, "stopped after %d files; go on with the same command and --resume\n", totals.Objects)
		return context.Canceled
	}
	if err != nil {
		return err
	}
	if err := r.report.Close(totals); err != nil {
		return err
	}
	tellScan(r.w.err, totals)
	if r.FailOn > 0 && r.worst >= r.FailOn {
		return found{fmt.Sprintf("level %d data was found", r.worst)}
	}
	return nil
}

func (r *scanRun) found(origin string, o classify.Object, f *classify.Finding) error {
	if err := r.tell(o.Path, f); err != nil || r.journal == nil {
		return err
	}
	return r.journal.Found(origin, o, f)
}

// tell reports a finding that the filters leave.
func (r *scanRun) tell(path string, f *classify.Finding) error {
	if f.Level < r.MinLevel || f.Confidence < r.MinConfidence {
		return nil
	}
	r.worst = max(r.worst, f.Level)
	return r.report.Found(classify.Line{Path: path, Finding: f})
}

func (r *scanRun) done(res classify.Result) error {
	if t, ok := r.report.(*scanTable); ok {
		if err := t.done(res); err != nil {
			return err
		}
	}
	if res.Level >= r.MinLevel && r.MinConfidence == 0 {
		r.worst = max(r.worst, res.Level) // raised above its findings
	}
	if r.journal == nil {
		return nil
	}
	return r.journal.Done(res)
}

func (r *scanRun) known(origin string, o classify.Object) (classify.Result, bool) {
	if r.journal == nil {
		return classify.Result{}, false
	}
	return r.journal.Known(origin, o, func(f *classify.Finding) error { return r.tell(o.Path, f) })
}

// standardInput is a classify.Origin of one object.
type standardInput struct{ r io.Reader }

var _ classify.Origin = (*standardInput)(nil)

// Name implements classify.Origin.
func (*standardInput) Name() string { return "-" }

// List implements classify.Origin.
func (s *standardInput) List(_ context.Context, each func(classify.Object) error, _ func(string, error) error) error {
	return each(classify.Object{Path: "-"})
}

// largestInput bounds what is kept in memory of standard input; the rest goes
// to a file without a name.
const largestInput = 8 << 20

// Inspect implements classify.Origin.
func (s *standardInput) Inspect(ctx context.Context, _ classify.Object, examine classify.Examine, emit func(*classify.Finding) error) (classify.Look, error) {
	head, err := io.ReadAll(io.LimitReader(s.r, largestInput))
	if err != nil {
		return classify.Look{}, fmt.Errorf("read standard input: %w", err)
	}
	if len(head) < largestInput {
		sum, err := examine(ctx, classify.BytesSource("-", head), nil, emit)
		return classify.Look{Summary: sum}, err
	}
	f, err := os.CreateTemp("", "cordon-*.part")
	if err != nil {
		return classify.Look{}, fmt.Errorf("standard input does not fit into memory: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.Copy(f, io.MultiReader(bytes.NewReader(head), s.r)); err != nil {
		return classify.Look{}, fmt.Errorf("read standard input: %w", err)
	}
	src, err := classify.FileSource(f)
	if err != nil {
		return classify.Look{}, err
	}
	sum, err := examine(ctx, src, nil, emit)
	return classify.Look{Summary: sum}, err
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// tellScan says on standard error what nobody should miss.
func tellScan(out io.Writer, t classify.Totals) {
	var more []string
	for _, x := range []struct {
		n         int64
		one, many string
	}{
		{t.Unchanged, "was not read again, because it did not change", "were not read again, because they did not change"},
		{t.Failed, "could not be read at all", "could not be read at all"},
		{t.Changed, "changed while it was read", "changed while they were read"},
		{t.Touched, "has a new access time, because the system did not allow to keep the old one", "have a new access time, because the system did not allow to keep the old one"},
	} {
		if x.n > 0 {
			more = append(more, plural(x.n, "file "+x.one, "files "+x.many))
		}
	}
	if len(more) > 0 {
		fmt.Fprintln(out, strings.Join(more, "; "))
	}
}
