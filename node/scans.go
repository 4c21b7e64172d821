package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/ocsf"
)

// scans runs the scans of this server: those of the schedule and those that
// people start. Each runs in a goroutine of its own, at most mostScans at
// once, and ends with the context of run.
type scans struct {
	n   *Node
	all *classify.Map

	mu      sync.Mutex       // guards what follows
	ctx     context.Context  // nil while nothing may run
	live    map[string]*live // by target
	started sync.WaitGroup
}

// mostScans bounds scans at the same time: each uses the disks of others.
const mostScans = 3

// live is one scan under way.
type live struct {
	run      classify.ScanRun
	cancel   context.CancelFunc
	stopped  atomic.Bool // by a person
	progress atomic.Pointer[classify.Progress]
}

// openScans opens the index of patients and the data map.
func (n *Node) openScans(ctx context.Context) error {
	if err := n.openPatients(); err != nil {
		return err
	}
	all, err := classify.OpenMap(ctx, n.db, n.evidence, n.key, n.now)
	if err != nil {
		return err
	}
	n.scans = &scans{n: n, all: all, live: map[string]*live{}}
	return nil
}

// allow lets scans be started until ctx ends; run follows.
func (s *scans) allow(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = ctx
}

// forbid ends that.
func (s *scans) forbid() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = nil
}

// run lasts until ctx and all scans have ended. With schedule it begins those
// that are due, and those that the end of the last process cut short.
func (s *scans) run(ctx context.Context, schedule bool) error {
	defer s.started.Wait()
	defer s.forbid()
	if !schedule {
		<-ctx.Done()
		return nil
	}
	for i := 0; ; i++ {
		s.startDue(ctx)
		if i%forgetEvery == 0 {
			s.forget(ctx)
		}
		if !pause(ctx, 20*time.Second) {
			return nil
		}
	}
}

// forgetEvery is how many looks at the schedule lie between two clearings.
const forgetEvery = 3 * 60

// forget drops results that are older than they are kept.
func (s *scans) forget(ctx context.Context) {
	if err := s.all.Forget(ctx, s.n.now().Add(-s.n.cfg.Scan.Keep).UnixMilli()); err != nil && ctx.Err() == nil {
		s.n.log.Error("old scans not forgotten, trying again", "error", err)
	}
}

// startDue begins what the schedule says.
func (s *scans) startDue(ctx context.Context) {
	for _, t := range s.n.cfg.Scan.Targets {
		runs, err := s.all.Runs(ctx, t.Name, 1)
		if err != nil {
			if ctx.Err() == nil {
				s.n.log.Error("schedule of scans not read, trying again", "error", err)
			}
			return
		}
		if !s.due(t, runs) {
			continue
		}
		if _, err := s.start(ctx, t, "schedule"); err != nil && !errors.Is(err, errManyScans) && !classify.Busy(err) {
			s.n.log.Error("scan not started, trying again", "target", t.Name, "error", err)
		}
	}
}

func (s *scans) due(t classify.ScanTarget, runs []classify.ScanRun) bool {
	var last time.Time
	if len(runs) > 0 {
		if runs[0].State == classify.Running {
			return false
		}
		if runs[0].State == classify.Interrupted {
			return true
		}
		last = time.UnixMilli(runs[0].Begun).In(s.n.now().Location())
	}
	due, ok := t.Due(last, s.n.now())
	return ok && !due.After(s.n.now())
}

var (
	errManyScans = errors.New("as many scans are running as may at once; wait until one ends")
	errNotNow    = errors.New("scans cannot be started now: the server is starting or stopping")
)

// start begins a scan of a target.
func (s *scans) start(ctx context.Context, t classify.ScanTarget, by string) (classify.ScanRun, error) {
	place, err := s.place(ctx, t)
	if err != nil {
		return classify.ScanRun{}, err
	}
	scanner, err := s.n.scanner(t.OCR)
	if err != nil {
		return classify.ScanRun{}, err
	}
	origin, closing, err := OpenOrigin(t.Path, OriginOptions{Include: t.Include, Exclude: t.Exclude, OneSystem: t.OneSystem, Rows: t.Rows, Skip: s.own()})
	if err != nil {
		return classify.ScanRun{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil {
		return classify.ScanRun{}, errors.Join(errNotNow, closing())
	}
	if len(s.live) >= mostScans {
		return classify.ScanRun{}, errors.Join(errManyScans, closing())
	}
	rec, err := s.all.Record(s.ctx, classify.ScanRun{Target: t.Name, Address: origin.Name(), Engine: scanner.Version, By: by}, classify.Limit{Allowed: place.Allowed, Report: s.n.cfg.Scan.Report}, s.alarm)
	if err != nil {
		return classify.ScanRun{}, errors.Join(err, closing())
	}
	ctx, cancel := context.WithCancel(s.ctx)
	l := &live{run: rec.Run(), cancel: cancel}
	l.progress.Store(&classify.Progress{Counting: true, Begun: s.n.now()})
	s.live[t.Name] = l
	s.started.Go(func() {
		defer cancel()
		s.work(ctx, l, rec, s.walk(t, origin, scanner, rec, l))
		if err := closing(); err != nil {
			s.n.log.Warn("connections of a scan not closed", "target", t.Name, "error", err)
		}
	})
	return l.run, nil
}

// own are folders of Cordon itself, which no scan reads.
func (s *scans) own() []string {
	var out []string
	for _, dir := range []string{s.n.cfg.Data} {
		if path, err := filepath.Abs(dir); err == nil {
			out = append(out, path)
		}
	}
	return out
}

func (s *scans) walk(t classify.ScanTarget, origin classify.Origin, scanner *Scanner, rec *classify.Recording, l *live) *classify.Walk {
	return &classify.Walk{
		Origins: []classify.Origin{origin}, Examine: scanner.Examine, Workers: t.Workers, Rate: t.Rate, Largest: t.Largest, Nice: true,
		Known: rec.Known, Found: rec.Found, Done: rec.Done, Progress: func(p classify.Progress) { l.progress.Store(&p) }, Now: s.n.now,
	}
}

// work runs a scan and writes down how it ended.
func (s *scans) work(ctx context.Context, l *live, rec *classify.Recording, w *classify.Walk) {
	totals, err := w.Run(ctx)
	state, problem := classify.Finished, ""
	switch {
	case l.stopped.Load():
		state = classify.Stopped
	case ctx.Err() != nil:
		state = classify.Interrupted
	case err != nil:
		// The error of a listing may name a folder; the log gets its kind only.
		state, problem = classify.Failed, err.Error()
		s.n.log.Error("scan failed", "target", l.run.Target, "run", l.run.ID)
	}
	end, cancel := lasting(ctx)
	defer cancel()
	run, err := rec.End(end, state, problem, totals)
	if err != nil {
		s.n.log.Error("end of a scan not written", "target", l.run.Target, "run", l.run.ID, "error", err)
	} else {
		s.n.log.Info("scan ended", "target", run.Target, "run", run.ID, "state", run.State, "objects", run.Totals.Objects, "findings", run.Totals.Findings, "level", run.Totals.Level)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, l.run.Target)
}

// stop ends a scan; the next one of its target goes on where it was.
func (s *scans) stop(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.live {
		if l.run.ID == id {
			l.stopped.Store(true)
			l.cancel()
			return true
		}
	}
	return false
}

// alarm publishes an object whose level may not be where it is.
func (s *scans) alarm(ctx context.Context, a classify.Alarm) error {
	ev := alarmEvent(a, s.n.now())
	s.n.ownEvent(ev, "scan:"+a.Run.Target+":"+a.Object+":"+strconv.Itoa(a.Result.Level)+":"+a.Run.ID)
	ctx, cancel := lasting(ctx)
	defer cancel()
	return s.n.intake.publish(ctx, []*ocsf.Event{ev})
}

// alarmEvent is an OCSF Data Security Finding. The path stands in the event
// only, which is kept like all events; findings and cases name the object by
// its id.
func alarmEvent(a classify.Alarm, now time.Time) *ocsf.Event {
	severity := map[int]int{3: ocsf.SeverityMedium, 4: ocsf.SeverityHigh, 5: ocsf.SeverityCritical}[a.Result.Level]
	kind := "File"
	if s := classify.Scheme(a.Result.Path); s != "" && s != "s3" {
		kind = "Table"
	}
	ev := &ocsf.Event{
		ClassUID: ocsf.DataSecurityFinding, ActivityID: 1, SeverityID: cmp.Or(severity, ocsf.SeverityLow), Time: now.UnixMilli(),
		Message:             fmt.Sprintf("level %d data where level %d is allowed", a.Result.Level, a.Allowed),
		File:                &ocsf.File{Path: a.Result.Path, Size: a.Result.Size, Type: a.Result.Format},
		DataClassifications: []ocsf.DataClassification{{Scheme: "GB/T 39725", Level: a.Result.Level}},
	}
	r := ocsf.Resource{UID: a.Object, Type: kind}
	r.SetLabel("target", a.Run.Target)
	r.SetLabel("allowed", strconv.Itoa(a.Allowed))
	r.SetLabel("patients", strconv.Itoa(a.Result.Patients))
	if a.Result.Honey > 0 {
		r.SetLabel("honey", strconv.Itoa(a.Result.Honey))
	}
	ev.Resources = []ocsf.Resource{r}
	return ev
}

// scanner builds the scanner with what is known now.
func (n *Node) scanner(ocr bool) (*Scanner, error) {
	levels := n.cfg.Scan.Levels
	if own := n.levelsFile(); levels == "" {
		if _, err := os.Stat(own); err == nil {
			levels = own
		}
	}
	return NewScanner(ScanOptions{
		Levels: levels, Rules: n.cfg.Scan.Rules, Key: &n.key, OCR: ocr, Temp: filepath.Join(n.cfg.Data, "scratch"), Patients: n.patients.index(), Index: n.patients.version(),
	}, n.version)
}

// levelsFile is where levels that people set in the console are kept.
func (n *Node) levelsFile() string { return filepath.Join(n.cfg.Data, "levels.yaml") }

// place joins what the configuration and people say about a target.
func (s *scans) place(ctx context.Context, t classify.ScanTarget) (classify.Place, error) {
	places, err := s.all.Places(ctx)
	if err != nil {
		return classify.Place{}, err
	}
	return joined(t, places[t.Name]), nil
}

func joined(t classify.ScanTarget, p classify.Place) classify.Place {
	out := classify.Place{Target: t.Name, Owner: t.Owner, Department: t.Department, Allowed: t.Allowed, By: p.By, At: p.At}
	if p.Target != "" {
		out.Owner, out.Department = cmp.Or(p.Owner, t.Owner), cmp.Or(p.Department, t.Department)
		if p.Allowed >= 0 {
			out.Allowed = p.Allowed
		}
	}
	return out
}

// targets lists what is or was scanned: those of the configuration, and those
// that people scanned by hand.
func (s *scans) targets(ctx context.Context) ([]api.DataTarget, error) {
	places, err := s.all.Places(ctx)
	if err != nil {
		return nil, err
	}
	holdings, _, err := s.all.Holdings(ctx)
	if err != nil {
		return nil, err
	}
	var out []api.DataTarget
	known := map[string]bool{}
	for _, t := range s.n.cfg.Scan.Targets {
		known[t.Name] = true
		x := api.DataTarget{Place: joined(t, places[t.Name]), Address: shown(t.Path), Every: int64(t.Every / time.Second), Configured: true, Holding: classify.Holding{Target: t.Name}}
		out = append(out, x)
	}
	for _, h := range holdings {
		i := slices.IndexFunc(out, func(x api.DataTarget) bool { return x.Place.Target == h.Target })
		if i < 0 {
			out = append(out, api.DataTarget{Place: joined(classify.ScanTarget{Name: h.Target}, places[h.Target]), Address: h.Last.Address})
			i = len(out) - 1
		}
		out[i].Holding = h
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range out {
		if l := s.live[out[i].Place.Target]; l != nil {
			out[i].Running, out[i].Progress = l.run.ID, l.progress.Load()
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Holding.Level() > out[j].Holding.Level() })
	return out, nil
}

// shown is an address of the configuration without its secret.
func shown(address string) string {
	if address != "" && (address[0] == '$' || address[0] == '@') {
		return address
	}
	return classify.WithoutSecrets(address)
}

// progressOf tells how far a scan is; nil when it is not under way.
func (s *scans) progressOf(id string) *classify.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.live {
		if l.run.ID == id {
			return l.progress.Load()
		}
	}
	return nil
}
