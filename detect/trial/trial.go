// Package trial runs the examples that detectors bring along: an invented
// hospital, and what must and must not be found in it. Tests run them with the
// built-in settings; a running server runs them with its own, again and again,
// and so knows of every detector whether it still finds what it is there for.
//
// Examples are txtar files, one for each detector, in one folder; site.txtar
// is the hospital of all of them, and an example may bring its own of each of
// its files:
//
//	people.csv, roster.csv, tickets.csv, watchlist.csv   as hospitals give them
//	care.hl7       HL7 v2 messages, before everything else
//	warned.csv     person, time, detector: who was warned of what
//	hit: WHY       lines; the detector must find something in each such file
//	miss: WHY      lines; it must find nothing
//
// An access is a line: time account workstation patient verb, and then any of
// level5, list, failed, glass, glass=REASON, note, count=N, why=KIND (an
// explanation), why=KIND? (a weak one), logon, and the words of words.go about
// the record itself. "tick TIME" asks for silence. "raw FORMAT ..." is a line
// as a system sends it, "sql ..." a statement (see sql.go). "times=N every=1h"
// before a line repeats it, "#" in it (or {#+100}) counting. Each file starts
// with a new engine.
//
// It keeps nothing; the store it is given holds the invented hospital.
package trial

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
	"github.com/cordon-health/cordon/store"
)

// Parts are what a trial works with.
type Parts struct {
	// DB is an empty store for the invented hospital.
	DB *store.DB
	// Explanations are the kinds of explanations (content/explanations).
	Explanations fs.FS
	Tables       *statement.Catalog
	// Config is how detectors are set; exceptions are not for this hospital.
	Config    detect.Config
	Detectors func() []detect.Detector
	// Restart lets the engine forget, again and again, everything that is not
	// in its snapshot. It takes most of the time.
	Restart bool
}

// Example is one file of lines.
type Example struct {
	// Hit says that something must be found.
	Hit       bool
	Why, Text string
}

// Read reads a detector's examples, and the files of their hospital.
func Read(folder fs.FS, id string) (files map[string]string, list []Example, err error) {
	files = map[string]string{}
	for _, name := range []string{"site", id} {
		data, err := fs.ReadFile(folder, name+".txtar")
		if err != nil {
			return nil, nil, fmt.Errorf("examples of %s: %w", id, err)
		}
		for _, f := range txtar.Parse(data).Files {
			kind, why, _ := strings.Cut(f.Name, ":")
			if kind != "hit" && kind != "miss" {
				files[f.Name] = string(f.Data)
			} else if name == id {
				list = append(list, Example{kind == "hit", strings.TrimSpace(why), string(f.Data)})
			}
		}
	}
	return files, list, nil
}

// Try runs all examples of a detector and returns the first that it fails, nil
// where it finds what it must and nothing else.
func Try(ctx context.Context, p Parts, folder fs.FS, id string) (*Example, error) {
	files, list, err := Read(folder, id)
	if err != nil {
		return nil, err
	}
	s, err := Open(ctx, p, files)
	if err != nil {
		return nil, err
	}
	for i := range list {
		found, err := s.Run(list[i].Text)
		if err != nil {
			return nil, err
		}
		of := slices.ContainsFunc(found, func(f ocsf.Finding) bool { return f.Analytic == id })
		if of != list[i].Hit {
			return &list[i], nil
		}
	}
	return nil, nil
}

// mistake is an example that cannot be read; it ends the run.
type mistake struct{ error }

func fail(err error) { panic(mistake{err}) }

func failf(format string, args ...any) { panic(mistake{fmt.Errorf(format, args...)}) }

// caught turns a mistake into an error.
func caught(err *error) {
	switch x := recover().(type) {
	case nil:
	case mistake:
		*err = fmt.Errorf("example: %w", x.error)
	default:
		panic(x)
	}
}

// Site is the hospital of an example.
type Site struct {
	parts  Parts
	people *directory.Directory
	care   *care.Graph
	warned map[string]warned
	files  map[string]string
	sql    *normalize.Normalizer // for statements
}

type warned struct {
	at    int64
	kinds []string
}

var zone = time.FixedZone("", 8*3600)

// Open makes the hospital out of its files.
func Open(ctx context.Context, p Parts, files map[string]string) (s *Site, err error) {
	defer caught(&err)
	var key keyed.Key
	now := func() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, zone) }
	log := slog.New(slog.DiscardHandler)
	s = &Site{parts: p, files: files, warned: map[string]warned{}, sql: normalize.New(normalize.Options{Key: key, Zone: zone})}
	if s.people, err = directory.Open(ctx, p.DB, key, now, log); err != nil {
		fail(err)
	}
	if s.care, err = care.Open(ctx, p.DB, s.people, key, p.Explanations, now, log); err != nil {
		fail(err)
	}
	s.lists(ctx)
	s.messages(key)
	s.warnings()
	return s, nil
}

func (s *Site) lists(ctx context.Context) {
	for _, in := range []struct {
		name string
		read func(string) (directory.Counts, error)
	}{
		{"people.csv", func(text string) (directory.Counts, error) {
			return s.people.ImportPeople(ctx, strings.NewReader(text), nil)
		}},
		{"roster.csv", func(text string) (directory.Counts, error) {
			return s.people.ImportRoster(ctx, strings.NewReader(text), nil)
		}},
		{"tickets.csv", func(text string) (directory.Counts, error) {
			return s.care.ImportTickets(ctx, strings.NewReader(text), nil)
		}},
		{"watchlist.csv", func(text string) (directory.Counts, error) {
			return s.care.ImportWatchlist(ctx, strings.NewReader(text), nil)
		}},
	} {
		if text, ok := s.files[in.name]; ok {
			if n, err := in.read(text); err != nil || n.Quarantined > 0 {
				failf("%s: %v %+v", in.name, err, n.Rejects)
			}
		}
	}
}

func (s *Site) messages(key keyed.Key) {
	text := strings.TrimSpace(s.files["care.hl7"])
	if text == "" {
		return
	}
	evs, rejects := normalize.New(normalize.Options{Key: key, Zone: zone}).Normalize(normalize.Input{
		Format: "hl7v2", Source: "test", Received: 1, Data: []byte(text)})
	for _, r := range rejects {
		failf("care.hl7: %s", r.Reason)
	}
	for _, ev := range evs {
		s.care.Apply(ev)
	}
}

func (s *Site) warnings() {
	for line := range strings.Lines(s.files["warned.csv"]) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) != 3 {
			failf("warned.csv: %q", line)
		}
		s.warned[f[0]] = warned{clock(f[1]), append(s.warned[f[0]].kinds, f[2])}
	}
}

func clock(text string) int64 {
	at, err := time.ParseInLocation("2006-01-02T15:04:05", text, zone)
	if err != nil {
		fail(err)
	}
	return at.UnixMilli()
}

// Run shows the lines of an example to a new engine and returns what it finds.
func (s *Site) Run(text string) (out []ocsf.Finding, err error) {
	defer caught(&err)
	r := &run{site: s, sources: map[string]*detect.SourceState{}}
	e, err := detect.New(detect.Default(), s.world(r), s.parts.Detectors())
	if err != nil {
		return nil, err
	}
	r.engine = e.Tuned(detect.Config{Off: s.parts.Config.Off, Params: s.parts.Config.Params})
	for line := range strings.Lines(expand(text)) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "#" {
			r.line(line, f)
		}
	}
	return r.found, nil
}

func (s *Site) world(r *run) detect.World {
	return detect.World{
		People: s.people, Care: s.care, Zone: zone, Tables: s.parts.Tables,
		Warned: func(p string) (int64, []string) { return s.warned[p].at, s.warned[p].kinds },
		Sources: func() []detect.SourceState {
			var out []detect.SourceState
			for _, x := range r.sources {
				out = append(out, *x)
			}
			return out
		},
	}
}

// run is one example on its way.
type run struct {
	site    *Site
	engine  *detect.Engine
	sources map[string]*detect.SourceState
	found   []ocsf.Finding
	n       int // lines that made events
}

func (r *run) line(line string, f []string) {
	if f[0] == "tick" {
		r.found = append(r.found, r.engine.Tick(clock(f[1]))...)
		return
	}
	r.n++
	switch f[0] {
	case "raw":
		for _, ev := range r.site.raw(line) {
			r.found = append(r.found, r.engine.Process(ev)...)
		}
	case "sql":
		r.see(r.site.normalized(sqlLine(line, r.n)))
	default:
		r.see(r.site.event(f, r.n))
	}
	if r.site.parts.Restart && (r.n < 40 || r.n%20 == 0) { // in long examples not after every line
		restart(r.engine)
	}
}

// see shows an event, and counts it for its source.
func (r *run) see(ev *ocsf.Event) {
	src := r.sources[ev.Metadata.LogProvider]
	if src == nil {
		src = &detect.SourceState{Name: ev.Metadata.LogProvider, First: ev.Time}
		r.sources[src.Name] = src
	}
	src.Last, src.Count = ev.Time, src.Count+1
	r.found = append(r.found, r.engine.Process(ev)...)
}

// restart makes the engine forget everything that is not in its snapshot.
func restart(e *detect.Engine) {
	memory, err := e.Snapshot()
	if err != nil {
		fail(err)
	}
	if err := e.Restore(memory); err != nil {
		fail(err)
	}
}

func (s *Site) event(f []string, n int) *ocsf.Event {
	if len(f) < 5 {
		failf("want: time account workstation patient verb, got %q", f)
	}
	at := clock(f[0])
	ev := &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, StatusID: ocsf.StatusSuccess, Time: at,
		Metadata:    ocsf.Metadata{UID: fmt.Sprintf("e%d", n), LogProvider: "emr", LoggedTime: at},
		Actor:       ocsf.Actor{User: ocsf.User{Account: f[1]}},
		SrcEndpoint: ocsf.Endpoint{IP: f[2]},
		Patient:     &ocsf.Patient{UID: f[3]}, Access: &ocsf.Access{},
	}
	verbs := []string{"-", "create", "read", "update", "delete", "search", "import", "export", "share"}
	if ev.ActivityID = slices.Index(verbs, f[4]); ev.ActivityID < 0 && f[4] != "logon" {
		failf("unknown verb %q", f[4])
	}
	if f[4] == "logon" {
		ev.ClassUID, ev.ActivityID, ev.Patient, ev.Access = ocsf.Authentication, ocsf.AuthLogon, nil, nil
	}
	explain := true
	for _, word := range f[5:] {
		explain = mark(ev, word) && explain
	}
	if explain && ev.IsAccess() {
		x := s.care.Explain(ev)
		ev.Explanation = &x
	}
	return ev
}

// mark applies a word of a line; it says whether the explanation is open.
func mark(ev *ocsf.Event, word string) bool {
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "level5":
		ev.DataClassifications = []ocsf.DataClassification{{Scheme: "GB/T 39725", Level: 5}}
	case "list":
		ev.Access.Incidental = true
	case "failed":
		ev.StatusID = ocsf.StatusFailure
	case "glass":
		ev.Access.BreakGlass, ev.Access.Reason = true, value
	case "note":
		ev.WebResources = []ocsf.Resource{{Type: "DocumentReference"}}
	case "count":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			fail(err)
		}
		ev.WebResources = []ocsf.Resource{{Type: "ImagingStudy", Count: n}}
	case "from":
		ev.Metadata.LogProvider = value
	case "why":
		kind, weak := strings.CutSuffix(value, "?")
		ev.Explanation = &ocsf.Explanation{Explained: true, Kind: kind, Weak: weak}
		return false
	default:
		if !said(ev, name, value) && !screen(ev, name, value) {
			failf("unknown word %q", word)
		}
	}
	return true
}
