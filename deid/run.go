package deid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"filippo.io/age"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/durable"
)

// Run de-identifies a file, or a folder with all that is below it.
type Run struct {
	// In is read only; Out is made, or gone on with where it was begun.
	In, Out string
	Profile Profile
	Job     *Job
	// Content is the folder of shipped profiles, for documents inside files.
	Content fs.FS
	// Options are those the profile was opened with: with others, what is done
	// already is done again.
	Options []string
	// To encrypts every output, if there is anybody.
	To []age.Recipient
	// Workers is how many files are worked on at once; at least one.
	Workers int
	// Note is told of progress, from any goroutine; nil is told nothing.
	Note func(Progress)
	// Each is told of every file, one at a time.
	Each func(FileReport) error
}

// Progress is how far a run has come.
type Progress struct{ Files, AllFiles, Bytes, AllBytes int64 }

// FileReport is what became of one file.
type FileReport struct {
	// Path is relative to In; its name may name somebody, so it goes to the
	// person who ran this and nowhere else.
	Path string `json:"path"`
	// Out is relative to Out; empty where the file was not passed on.
	Out string `json:"out,omitempty"`
	// Done before says that an earlier run did it.
	Before bool `json:"done_before,omitempty"`
	// Why says what was wrong.
	Why string `json:"error,omitempty"`
	Report
}

// Total is what a run comes to.
type Total struct {
	Files  int64 `json:"files"`
	Done   int64 `json:"done"`
	Before int64 `json:"done_before"`
	Failed int64 `json:"failed"`
	Report
}

// task is one file of a run.
type task struct {
	rel, out string // relative to the run's folders
	from, to string // where they are
	info     fs.FileInfo
	why      error // set where it cannot be done
}

// Do runs. It fails only where nothing can be done; a file that cannot be
// processed is counted and told to Each.
func (r *Run) Do(ctx context.Context) (Total, error) {
	var total Total
	total.Profile, total.Key = r.Profile.Name(), r.Job.Key.ID()
	single, err := r.check()
	if err != nil {
		return total, err
	}
	tasks, err := r.tasks(single)
	if err != nil {
		return total, err
	}
	if len(tasks) == 0 {
		return total, fmt.Errorf("there is no file in %s", r.In)
	}
	if r.Job.Patients == nil {
		r.Job.Patients = NewLinks()
	}
	if r.Job.Embedded == nil {
		r.Job.Embedded = r.embedded
	}
	if err := r.link(ctx, tasks); err != nil {
		return total, err
	}
	journal, err := r.journal(single)
	if err != nil {
		return total, err
	}
	defer journal.close()
	return r.all(ctx, tasks, journal, total)
}

// check refuses what would overwrite or mix up input and output.
func (r *Run) check() (single bool, err error) {
	in, err := os.Stat(r.In)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	inside, err := within(r.In, r.Out)
	if err != nil {
		return false, err
	}
	out, err := os.Stat(r.Out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, fmt.Errorf("open output: %w", err)
	case os.SameFile(in, out):
		return false, fmt.Errorf("%w: input and output are the same; the input is never overwritten", ErrUsage)
	case in.IsDir() != out.IsDir():
		return false, fmt.Errorf("%w: %s is there already and is not of the same kind as the input (file or folder)", ErrUsage, r.Out)
	}
	if in.IsDir() && inside {
		return false, fmt.Errorf("%w: the output lies inside the input; choose a folder beside it", ErrUsage)
	}
	return !in.IsDir(), nil
}

// within says whether a path lies in a folder, links resolved as far as they
// exist.
func within(folder, path string) (bool, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return false, fmt.Errorf("open input: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return false, fmt.Errorf("open output: %w", err)
	}
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	if real, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(real, filepath.Base(path))
	}
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)), nil
}

// tasks lists the files, each with the name of its output.
func (r *Run) tasks(single bool) ([]task, error) {
	if single {
		info, err := os.Stat(r.In)
		if err != nil {
			return nil, fmt.Errorf("open input: %w", err)
		}
		return []task{{rel: filepath.Base(r.In), out: filepath.Base(r.Out), from: r.In, to: r.Out, info: info}}, nil
	}
	var all []task
	taken := map[string]bool{}
	err := filepath.WalkDir(r.In, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(r.In, path)
		if relErr != nil {
			return relErr
		}
		switch {
		case err != nil && path == r.In:
			return err
		case err != nil:
			all = append(all, task{rel: rel, why: err})
			return nil
		case d.IsDir():
			return nil
		}
		all = append(all, r.task(rel, d, taken))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list input: %w", err)
	}
	return all, nil
}

func (r *Run) task(rel string, d fs.DirEntry, taken map[string]bool) task {
	t := task{rel: rel, out: r.outName(rel), from: filepath.Join(r.In, rel)}
	t.to = filepath.Join(r.Out, t.out)
	t.info, t.why = d.Info()
	switch {
	case t.why != nil:
	case !d.Type().IsRegular():
		t.why = errors.New("it is a link or a device, not a file")
	case taken[t.out]:
		t.why = errors.New("another file has the same name after names were cleaned")
	}
	taken[t.out] = true
	return t
}

// outName cleans the names of folders and files, which are made of patients'
// names and numbers more often than not.
func (r *Run) outName(rel string) string {
	parts := strings.Split(rel, string(filepath.Separator))
	for i, p := range parts {
		parts[i] = r.Job.cleanName(p, i == len(parts)-1)
	}
	out := filepath.Join(parts...)
	if len(r.To) > 0 {
		out += ".age"
	}
	return out
}

// link reads the patients of all FHIR files before the first is rewritten.
func (r *Run) link(ctx context.Context, tasks []task) error {
	for _, t := range tasks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if t.why != nil {
			continue
		}
		// What cannot be read is reported when its turn comes.
		_ = open(t, func(src classify.Source) error { return LinkFile(ctx, src, r.Job.Patients) })
	}
	return nil
}

func open(t task, do func(classify.Source) error) error {
	f, err := os.Open(t.from)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer f.Close()
	src, err := classify.FileSource(f)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	return do(src)
}

// all works on the tasks with as many workers as wanted; reports come one at
// a time.
func (r *Run) all(ctx context.Context, tasks []task, journal *journal, total Total) (Total, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work, results := make(chan task), make(chan FileReport)
	var progress progress
	for _, t := range tasks {
		progress.all(t)
	}
	var group sync.WaitGroup
	for range max(1, r.Workers) {
		group.Go(func() {
			for t := range work {
				results <- r.file(ctx, t, journal)
				r.note(progress.done(t))
			}
		})
	}
	go func() {
		defer close(results)
		defer group.Wait()
		defer close(work)
		for _, t := range tasks {
			select {
			case work <- t:
			case <-ctx.Done():
				return
			}
		}
	}()
	var failed error
	for f := range results {
		total.add(f)
		if r.Each != nil && failed == nil {
			if failed = r.Each(f); failed != nil {
				cancel()
			}
		}
	}
	return total, errors.Join(failed, context.Cause(ctx))
}

func (t *Total) add(f FileReport) {
	t.Files++
	switch {
	case f.Why != "":
		t.Failed++
	case f.Before:
		t.Before++
	default:
		t.Done++
	}
	t.Report.Add(f.Report)
}

func (r *Run) note(p Progress) {
	if r.Note != nil {
		r.Note(p)
	}
}

// progress counts across workers.
type progress struct {
	files, bytes       atomic.Int64
	allFiles, allBytes int64
}

func (p *progress) all(t task) {
	p.allFiles++
	if t.info != nil {
		p.allBytes += t.info.Size()
	}
}

func (p *progress) done(t task) Progress {
	size := int64(0)
	if t.info != nil {
		size = t.info.Size()
	}
	return Progress{p.files.Add(1), p.allFiles, p.bytes.Add(size), p.allBytes}
}

// file does one file.
func (r *Run) file(ctx context.Context, t task, journal *journal) FileReport {
	f := FileReport{Path: filepath.ToSlash(t.rel)}
	if t.why == nil && journal.has(t) {
		f.Out, f.Before = filepath.ToSlash(t.out), true
		return f
	}
	if t.why == nil {
		t.why = open(t, func(src classify.Source) error {
			var err error
			f.Report, err = r.write(ctx, src, t.to)
			return err
		})
	}
	if t.why == nil {
		t.why = journal.add(t)
	}
	if t.why != nil {
		f.Why = t.why.Error()
		return f
	}
	f.Out = filepath.ToSlash(t.out)
	return f
}

// write makes one output, whole or not at all. A panic in a parser of hostile
// input is that file's error.
func (r *Run) write(ctx context.Context, src classify.Source, path string) (report Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("it made the program stumble; please report the format, not the file")
		}
	}()
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return report, err
	}
	out, err := durable.Create(path, 0o600)
	if err != nil {
		return report, err
	}
	defer out.Abort()
	sealed, err := seal(out, r.To)
	if err != nil {
		return report, err
	}
	job := *r.Job
	if report, err = r.Profile.Apply(ctx, src, sealed, &job); err != nil {
		return report, err
	}
	if err := sealed.Close(); err != nil {
		return report, fmt.Errorf("encrypt: %w", err)
	}
	return report, out.Commit()
}

// embedded de-identifies a document inside a message by the profile that
// claims it; what stands inside that one is removed.
func (r *Run) embedded(ctx context.Context, name string, data []byte, patient string) ([]byte, bool, error) {
	auto := r.Profile
	if _, ok := auto.(*autoProfile); !ok || patient == "" { // a document's name here is no patient's
		var err error
		if auto, err = Open("auto", Setup{Content: r.Content}); err != nil {
			return nil, false, err
		}
	}
	job := *r.Job
	job.Patient = patient
	job.Embedded = func(context.Context, string, []byte, string) ([]byte, bool, error) { return nil, false, nil }
	var out bytes.Buffer
	if _, err := auto.Apply(ctx, classify.BytesSource(name, data), &out, &job); err != nil {
		return nil, false, err
	}
	return out.Bytes(), true, nil
}
