package behavior_test

// Every detector carries what it must catch and what it must leave alone, in
// testdata/<id>.txtar:
//
// testdata/site.txtar is the hospital of all examples; an example may bring its
// own of each of its files:
//
//	people.csv, roster.csv, tickets.csv, watchlist.csv   as hospitals give them
//	care.hl7       HL7 v2 messages, before everything else
//	warned.csv     person, time, detector: who was warned of what
//	hit: WHY       accesses; the detector must find something in each such file
//	miss: WHY      accesses; it must find nothing
//
// An access is a line: time account workstation patient verb, and then any of
// level5, list, failed, glass, glass=REASON, note, count=N, why=KIND (an
// explanation), why=KIND? (a weak one), logon. "tick TIME" asks for silence.
// words_test.go has the words about the record itself. "raw FORMAT ..." is a line as a system sends it; "times=N every=1h ..." before
// a line repeats it ("sql ..." is a statement, see sql_test.go), "#" in it (or {#+100}) counting.
// Files start from a new engine each.

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

// site is the hospital of one example.
type site struct {
	people *directory.Directory
	care   *care.Graph
	warned map[string]warned
	files  map[string]string
}

type warned struct {
	at    int64
	kinds []string
}

var zone = time.FixedZone("", 8*3600)

func newSite(t testing.TB, files map[string]string) *site {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "cordon.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	var key keyed.Key
	now := func() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, zone) }
	log := slog.New(slog.DiscardHandler)
	s := &site{files: files, warned: map[string]warned{}}
	if s.people, err = directory.Open(ctx, db, key, now, log); err != nil {
		t.Fatal(err)
	}
	if s.care, err = care.Open(ctx, db, s.people, key, kinds(), now, log); err != nil {
		t.Fatal(err)
	}
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
		if text, ok := files[in.name]; ok {
			if n, err := in.read(text); err != nil || n.Quarantined > 0 {
				t.Fatalf("%s: %v %+v", in.name, err, n.Rejects)
			}
		}
	}
	s.messages(t, key)
	s.warnings(t)
	return s
}

// kinds stands in for content/explanations: examples say themselves what is
// explained; only what detectors ask again needs a kind.
func kinds() fs.FS { return os.DirFS("../../content/explanations") }

func (s *site) messages(t testing.TB, key keyed.Key) {
	text := strings.TrimSpace(s.files["care.hl7"])
	if text == "" {
		return
	}
	evs, rejects := normalize.New(normalize.Options{Key: key, Zone: zone}).Normalize(normalize.Input{
		Format: "hl7v2", Source: "test", Received: 1, Data: []byte(text)})
	for _, r := range rejects {
		t.Fatalf("care.hl7: %s", r.Reason)
	}
	for _, ev := range evs {
		s.care.Apply(ev)
	}
}

func (s *site) warnings(t testing.TB) {
	for line := range strings.Lines(s.files["warned.csv"]) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) != 3 {
			t.Fatalf("warned.csv: %q", line)
		}
		s.warned[f[0]] = warned{clock(t, f[1]), append(s.warned[f[0]].kinds, f[2])}
	}
}

func clock(t testing.TB, text string) int64 {
	at, err := time.ParseInLocation("2006-01-02T15:04:05", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

// run shows the lines of a file to a new engine and returns what it finds.
func (s *site) run(t testing.TB, text string) []ocsf.Finding {
	t.Helper()
	sources := map[string]*detect.SourceState{}
	e, err := detect.New(detect.Default(), detect.World{
		People: s.people, Care: s.care, Zone: zone, Tables: tables(t),
		Warned: func(p string) (int64, []string) { return s.warned[p].at, s.warned[p].kinds },
		Sources: func() []detect.SourceState {
			var out []detect.SourceState
			for _, x := range sources {
				out = append(out, *x)
			}
			return out
		},
	}, behavior.All())
	if err != nil {
		t.Fatal(err)
	}
	var out []ocsf.Finding
	n := 0
	for line := range strings.Lines(expand(t, text)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if f[0] == "raw" {
			n++
			for _, ev := range s.raw(t, line) {
				out = append(out, e.Process(ev)...)
			}
			if n < 40 || n%20 == 0 {
				restart(t, e)
			}
			continue
		}
		if f[0] == "tick" {
			out = append(out, e.Tick(clock(t, f[1]))...)
			continue
		}
		n++
		var ev *ocsf.Event
		if f[0] == "sql" {
			ev = sqlLine(t, line, n)
		} else {
			ev = s.event(t, f, n)
		}
		src := sources[ev.Metadata.LogProvider]
		if src == nil {
			src = &detect.SourceState{Name: ev.Metadata.LogProvider, First: ev.Time}
			sources[src.Name] = src
		}
		src.Last, src.Count = ev.Time, src.Count+1
		out = append(out, e.Process(ev)...)
		if n < 40 || n%20 == 0 { // in long examples not after every line
			restart(t, e)
		}
	}
	return out
}

// restart makes the engine forget everything that is not in its snapshot.
func restart(t testing.TB, e *detect.Engine) {
	memory, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(memory); err != nil {
		t.Fatal(err)
	}
}

func (s *site) event(t testing.TB, f []string, n int) *ocsf.Event {
	if len(f) < 5 {
		t.Fatalf("want: time account workstation patient verb, got %q", f)
	}
	at := clock(t, f[0])
	ev := &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, StatusID: ocsf.StatusSuccess, Time: at,
		Metadata:    ocsf.Metadata{UID: fmt.Sprintf("e%d", n), LogProvider: "emr", LoggedTime: at},
		Actor:       ocsf.Actor{User: ocsf.User{Account: f[1]}},
		SrcEndpoint: ocsf.Endpoint{IP: f[2]},
		Patient:     &ocsf.Patient{UID: f[3]}, Access: &ocsf.Access{},
	}
	verbs := []string{"-", "create", "read", "update", "delete", "search", "import", "export", "share"}
	if ev.ActivityID = slices.Index(verbs, f[4]); ev.ActivityID < 0 && f[4] != "logon" {
		t.Fatalf("unknown verb %q", f[4])
	}
	if f[4] == "logon" {
		ev.ClassUID, ev.ActivityID, ev.Patient, ev.Access = ocsf.Authentication, ocsf.AuthLogon, nil, nil
	}
	explain := true
	for _, word := range f[5:] {
		explain = mark(t, ev, word) && explain
	}
	if explain && ev.IsAccess() {
		x := s.care.Explain(ev)
		ev.Explanation = &x
	}
	return ev
}

// mark applies a word of a line; it says whether the explanation is open.
func mark(t testing.TB, ev *ocsf.Event, word string) bool {
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
			t.Fatal(err)
		}
		ev.WebResources = []ocsf.Resource{{Type: "ImagingStudy", Count: n}}
	case "from":
		ev.Metadata.LogProvider = value
	case "why":
		kind, weak := strings.CutSuffix(value, "?")
		ev.Explanation = &ocsf.Explanation{Explained: true, Kind: kind, Weak: weak}
		return false
	default:
		if !said(t, ev, name, value) && !screen(ev, name, value) {
			t.Fatalf("unknown word %q", word)
		}
	}
	return true
}

func TestExamples(t *testing.T) {
	for _, d := range behavior.All() {
		id := d.Info().ID
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			examples(t, id)
		})
	}
}

func examples(t *testing.T, id string) {
	files := map[string]string{}
	var archive *txtar.Archive
	for _, name := range []string{"site", id} {
		var err error
		if archive, err = txtar.ParseFile(filepath.Join("testdata", name+".txtar")); err != nil {
			t.Fatalf("every detector needs examples: %v", err)
		}
		for _, f := range archive.Files {
			files[f.Name] = string(f.Data)
		}
	}
	s := newSite(t, files)
	hits, misses := 0, 0
	for _, f := range archive.Files {
		kind, why, _ := strings.Cut(f.Name, ":")
		if kind != "hit" && kind != "miss" {
			continue
		}
		found := slices.DeleteFunc(s.run(t, string(f.Data)), func(x ocsf.Finding) bool { return x.Analytic != id })
		switch {
		case kind == "hit":
			hits++
			if len(found) == 0 {
				t.Errorf("must hit:%s", why)
			}
		default:
			misses++
			for _, x := range found {
				t.Errorf("must miss:%s\nbut: %s", why, x.Title.EN)
			}
		}
		for _, x := range found {
			complete(t, x)
		}
	}
	if hits == 0 || misses == 0 {
		t.Errorf("%d hits and %d near misses; at least one of each is needed", hits, misses)
	}
}

// complete checks what every finding must have.
func complete(t *testing.T, f ocsf.Finding) {
	t.Helper()
	switch {
	case f.Title.EN == "" || f.Title.ZH == "" || f.Why.EN == "" || f.Why.ZH == "":
		t.Errorf("a text is missing: %+v", f)
	case strings.Contains(f.Title.EN+f.Title.ZH+f.Why.EN+f.Why.ZH, "%!"):
		t.Errorf("a text is badly filled: %+v", f)
	case f.UID == "" || f.Time == 0 || f.SeverityID == 0 || f.Risk <= 0 || f.Risk > 99:
		t.Errorf("uid, time, severity or risk is missing: %+v", f)
	case f.Person == "" && f.Subject == "":
		t.Errorf("it is about nobody: %+v", f)
	case len(f.Events) == 0 && f.Source == "":
		t.Errorf("it rests on nothing: %+v", f)
	}
}

func TestInfos(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range behavior.All() {
		i := d.Info()
		if i.ID == "" || seen[i.ID] {
			t.Errorf("id %q is empty or taken", i.ID)
		}
		seen[i.ID] = true
		for _, x := range []ocsf.Text{i.Title, i.Why, i.Advice} {
			if x.EN == "" || x.ZH == "" {
				t.Errorf("%s: a text is missing", i.ID)
			}
		}
		for _, p := range i.Params {
			if p.Name == "" || p.Default <= 0 || p.About.EN == "" || p.About.ZH == "" {
				t.Errorf("%s: parameter %q does not explain itself", i.ID, p.Name)
			}
		}
		if i.Severity == 0 || i.Risk <= 0 || len(i.References) == 0 {
			t.Errorf("%s: severity, risk or references are missing", i.ID)
		}
	}
}

// TestListed finds a type with a Detect method that All does not list.
func TestListed(t *testing.T) {
	listed := map[string]bool{}
	for _, d := range behavior.All() {
		listed[strings.TrimPrefix(fmt.Sprintf("%T", d), "*behavior.")] = true
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Name.Name != "Detect" || fn.Recv == nil {
				continue
			}
			star, ok := fn.Recv.List[0].Type.(*ast.StarExpr)
			if !ok {
				continue
			}
			if id, ok := star.X.(*ast.Ident); ok && !listed[id.Name] {
				t.Errorf("%s: %s detects, but All does not list it", name, id.Name)
			}
		}
	}
}
