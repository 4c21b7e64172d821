package classify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/cordon-health/cordon/ocsf"
)

// Object is one thing to look into: a file, an object of a bucket, a table.
type Object struct {
	// Path names it within its origin, as people write it. It may hold a
	// person's name, and so belongs into answers, never into logs.
	Path string `json:"path"`
	Size int64  `json:"size"`
	// Modified is when its content changed last, in ms; 0 where unknown.
	Modified int64 `json:"modified,omitempty"`
	// Mark differs whenever the content does, as far as the origin can tell
	// without reading it; empty where it cannot.
	Mark string `json:"mark,omitempty"`
	// Owner is the account that owns it on its system.
	Owner string `json:"owner,omitempty"`
}

// Origin is a place that holds objects: folders, a bucket, a database. Its
// methods may be called concurrently.
type Origin interface {
	// Name is how people write it, without any secret.
	Name() string
	// List hands over every object until each fails. What cannot be listed is
	// told to bad, and the listing goes on.
	List(ctx context.Context, each func(Object) error, bad func(path string, why error) error) error
	// Inspect opens one object and has it examined.
	Inspect(ctx context.Context, o Object, examine Examine, emit func(*Finding) error) (Look, error)
}

// Examine reads one source and tells what is in it. With a reader it reads by
// that one, without by whichever claims the source.
type Examine func(ctx context.Context, src Source, by Reader, emit func(*Finding) error) (Summary, error)

// Look is what looking into one object came to.
type Look struct {
	Summary
	// Changed says that the object changed while it was read.
	Changed bool `json:"changed_while_read,omitempty"`
	// Touched says that the system did not allow to leave its access time.
	Touched bool `json:"access_time_changed,omitempty"`
}

// Result is one object of one scan.
type Result struct {
	Origin string `json:"origin"`
	Object
	Look
	Findings int64 `json:"findings"`
	// Failed is why it could not be read at all.
	Failed *ocsf.Text `json:"failed,omitempty"`
	// Unchanged says that it was not read, because an earlier scan had.
	Unchanged bool `json:"unchanged,omitempty"`
	// people are the numbers of the hospital's own patients in it, sorted.
	people []uint32
}

// Walk looks into all objects of some origins, several at once, and tells what
// it finds. Its fields are set before Run and not changed after.
type Walk struct {
	Origins []Origin
	Examine Examine
	// Workers is how many objects are read at once; 0 is one per core.
	Workers int
	// Rate bounds the bytes read in a second, over all workers; 0 is no bound.
	Rate int64
	// Largest is the size from which on an object is not read; 0 is no bound.
	Largest int64
	// Nice reads behind everything else on the machine, where the system has
	// a word for that.
	Nice bool
	// Known gives an earlier result that still holds; then the object is not
	// read again. It is called by one goroutine at a time.
	Known func(origin string, o Object) (Result, bool)
	// Found is told every finding, Done every object behind its findings.
	// They are called by one goroutine at a time.
	Found func(origin string, o Object, f *Finding) error
	Done  func(Result) error
	// Progress is told now and then how far it is.
	Progress func(Progress)
	Now      func() time.Time
}

// job is one object on its way to a worker.
type job struct {
	origin Origin
	object Object
	seen   int64 // how far into it was read; of its worker
}

// errBug is what a reader that panicked comes to. What it panicked with may
// hold a value and is dropped.
var errBug = Because("its reader failed, which is a mistake of the program; please report the format", "读取程序自身出错，请报告该文件格式")

// walking is one Run.
type walking struct {
	*Walk
	ctx   context.Context
	limit *rate.Limiter
	jobs  chan job

	mu    sync.Mutex // guards what follows, and the calls of Known, Found and Done
	tally tally
	count counted
	err   error
	begun time.Time
}

// Run walks until everything was looked into or ctx ends. Objects that cannot
// be read are findings; an error is one of Found, Done, an origin that cannot
// be listed at all, or ctx.
func (w *Walk) Run(ctx context.Context) (Totals, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &walking{Walk: w, ctx: ctx, jobs: make(chan job), begun: w.Now()}
	if w.Rate > 0 {
		r.limit = rate.NewLimiter(rate.Limit(w.Rate), int(min(max(w.Rate/4, 64<<10), 4<<20)))
	}
	var counting, workers sync.WaitGroup
	counting.Go(r.countAll)
	ticking := r.tick(ctx)
	for range cmp.Or(w.Workers, runtime.GOMAXPROCS(0)) {
		workers.Go(func() { r.fail(r.work(), cancel) })
	}
	r.fail(r.list(), cancel)
	close(r.jobs)
	workers.Wait()
	cancel()
	counting.Wait()
	<-ticking
	return r.tally.totals(), r.err
}

// fail keeps the first error and stops the others.
func (r *walking) fail(err error, cancel context.CancelFunc) {
	if err == nil {
		return
	}
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.mu.Unlock()
	cancel()
}

// list hands all objects to the workers.
func (r *walking) list() error {
	for _, o := range r.Origins {
		err := o.List(r.ctx, func(x Object) error {
			select {
			case r.jobs <- job{origin: o, object: x}:
				return nil
			case <-r.ctx.Done():
				return r.ctx.Err()
			}
		}, func(path string, why error) error { return r.unlisted(o, path, why) })
		if err != nil && r.ctx.Err() == nil {
			return fmt.Errorf("list %s: %w", o.Name(), err)
		}
		if err != nil {
			return r.ctx.Err()
		}
	}
	return nil
}

// unlisted makes a finding of a folder that cannot be listed.
func (r *walking) unlisted(o Origin, path string, why error) error {
	return r.finish(Result{Origin: o.Name(), Object: Object{Path: path}, Failed: told(why)})
}

func (r *walking) work() error {
	if r.Nice {
		// The thread ends with this goroutine, and its rank with it.
		runtime.LockOSThread()
		beNice()
	}
	for j := range r.jobs {
		if err := r.one(&j); err != nil {
			return err
		}
	}
	return nil
}

// one looks into one object.
func (r *walking) one(j *job) error {
	if known, ok := r.known(j); ok {
		known.Unchanged = true
		r.count.spared.Add(j.object.Size)
		return r.finish(known)
	}
	res := Result{Origin: j.origin.Name(), Object: j.object}
	if r.Largest > 0 && j.object.Size > r.Largest {
		res.Failed = &capped("it is larger than what is read, in bytes", "文件超过扫描上限（字节）", r.Largest).Text
		r.count.spared.Add(j.object.Size)
		return r.finish(res)
	}
	if err := r.look(j, &res); err != nil {
		return err
	}
	r.count.read.Add(max(0, j.object.Size-j.seen))
	return r.finish(res)
}

// look reads one object and tells its findings. An error is not the object's.
func (r *walking) look(j *job, res *Result) error {
	var sunk error
	var people peopleSet
	look, err := r.safely(j, func(f *Finding) error {
		if f.Patient {
			people.add(f.who)
		}
		for _, n := range f.crowd {
			people.add(n)
		}
		res.Findings++
		if sunk = r.found(res.Origin, j.object, f); sunk != nil {
			return sunk
		}
		return r.ctx.Err()
	})
	if sunk != nil {
		return sunk
	}
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	res.Look, res.people = look, people.sorted()
	if err != nil {
		res.Failed = told(err)
	}
	return nil
}

func (r *walking) safely(j *job, emit func(*Finding) error) (look Look, err error) {
	defer func() {
		if recover() != nil {
			err = errBug
		}
	}()
	return j.origin.Inspect(r.ctx, j.object, func(ctx context.Context, src Source, by Reader, emit func(*Finding) error) (Summary, error) {
		return r.Examine(ctx, &metered{Source: src, run: r, job: j}, by, emit)
	}, emit)
}

func (r *walking) known(j *job) (Result, bool) {
	if r.Known == nil || j.object.Mark == "" {
		return Result{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Known(j.origin.Name(), j.object)
}

func (r *walking) found(origin string, o Object, f *Finding) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.found(f)
	if r.Found == nil {
		return nil
	}
	return r.Found(origin, o, f)
}

// finish counts an object and tells it. One that could not be read becomes a
// finding first.
func (r *walking) finish(res Result) error {
	if res.Failed != nil && !res.Unchanged {
		res.Unread++
		res.Findings++
		if err := r.found(res.Origin, res.Object, &Finding{Kind: Unread.String(), Confidence: 99, Why: res.Failed}); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.done(&res)
	if r.Done == nil {
		return nil
	}
	return r.Done(res)
}

// metered is a source read no faster than allowed, and counted.
type metered struct {
	Source
	run *walking
	job *job
}

// ReadAt implements io.ReaderAt.
func (m *metered) ReadAt(p []byte, off int64) (int, error) {
	if l := m.run.limit; l != nil {
		for left := len(p); left > 0; {
			n := min(left, l.Burst())
			if err := l.WaitN(m.run.ctx, n); err != nil {
				return 0, err
			}
			left -= n
		}
	}
	n, err := m.Source.ReadAt(p, off)
	if to := min(off+int64(n), m.job.object.Size); to > m.job.seen {
		m.run.count.read.Add(to - m.job.seen)
		m.job.seen = to
	}
	return n, err
}

// plainly says why something could not be read, without its name.
func plainly(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// told is why an object could not be read, for people.
func told(err error) *ocsf.Text {
	var number syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &Because("this account may not read it", "当前账户无权读取").Text
	case errors.Is(err, fs.ErrNotExist):
		return &Because("it was gone when its turn came", "扫描时已不存在").Text
	case errors.As(err, &number):
		return &Because("the system says: "+number.Error(), "系统返回："+number.Error()).Text
	}
	return &causeOf(err).Text
}

// peopleSet collects patients' numbers, each many times, in bounded space.
type peopleSet struct {
	list []uint32
	next int // how long the list may grow before it is made tidy
}

func (s *peopleSet) add(n uint32) {
	if k := len(s.list); k > 0 && s.list[k-1] == n {
		return
	}
	s.list = append(s.list, n)
	if len(s.list) > max(s.next, 1<<16) {
		s.list = s.sorted()
		s.next = 2 * len(s.list)
	}
}

func (s *peopleSet) sorted() []uint32 {
	slices.Sort(s.list)
	return slices.Compact(s.list)
}
