package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/release"
)

type anonymizeCmd struct {
	Config string `help:"What the columns are, what is asked (k, l, t), and how values are generalised; see docs/anonymize.md." required:"" placeholder:"FILE" type:"path"`
	In     string `arg:"" help:"The table: CSV with a header line; - is standard input; .gz and .zst are opened." name:"in.csv"`
	Out    string `arg:"" help:"Where the anonymous table goes; written whole or not at all." name:"out.csv" type:"path"`
}

// Help is the long text behind the flags.
func (anonymizeCmd) Help() string {
	return "Generalises and drops as little of a table as k-anonymity, l-diversity and t-closeness ask, and prints what it cost and the risk that remains as one line of JSON."
}

// Run makes a table anonymous.
func (c anonymizeCmd) Run(w *world) error {
	job, err := c.job(w)
	if err != nil {
		return err
	}
	if sameFile(c.In, c.Out) {
		return usage{errors.New("the anonymous table must not replace the table itself: name another file")}
	}
	in, bar, err := openInput(w, c.In)
	if err != nil {
		return usage{err}
	}
	defer in.Close()
	job.Seen = func(step string, done, total int) {
		if total > 0 {
			bar.step(step, int64(done), int64(total))
		} else {
			bar.note(int64(done))
		}
	}
	out, err := durable.Create(c.Out, 0o600)
	if err != nil {
		return err
	}
	defer out.Abort()
	report, err := job.Run(w.ctx, in, out)
	bar.end()
	if err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	enc := json.NewEncoder(w.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(report); err != nil {
		return err
	}
	fmt.Fprintf(w.err, "%d rows, %d suppressed, information loss %.4f, highest risk %.4f (GB/T 42460 level %d), %.2f s\n",
		report.Rows, report.Suppressed, report.Loss, report.Risk.Prosecutor.Highest, report.Risk.Level, report.Seconds)
	return nil
}

func (c anonymizeCmd) job(w *world) (release.Job, error) {
	f, err := os.Open(c.Config)
	if err != nil {
		return release.Job{}, usage{err}
	}
	defer f.Close()
	cfg, err := release.ReadConfig(f)
	if err != nil {
		return release.Job{}, usage{fmt.Errorf("%s: %w", c.Config, err)}
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		return release.Job{}, err
	}
	folder := filepath.Dir(c.Config)
	files := func(name string) (io.ReadCloser, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(folder, name)
		}
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w (names in the configuration are relative to it)", err)
		}
		return f, err
	}
	return release.Job{Config: cfg, Files: files, Engine: engine, Now: w.now}, nil
}

// sameFile says whether two names lead to one file.
func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}
