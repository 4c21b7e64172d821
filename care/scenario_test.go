package care_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/postgres"
	"github.com/cordon-health/cordon/store/sqlite"
)

// A scenario is a txtar file. The files directory.csv, roster.csv and
// tickets.csv are imported first (a file named ordered says that the order of
// its facts plays a part); then the lines of steps run in order:
//
//	care   TIME UID FACT; FACT...       FACT: [-]KIND key=value... ("-" retracts)
//	access TIME UID ACCOUNT PATIENT [glass reason=... list export five table=... behalf=...] => WANT
//	healed UID => WANT                  what the last care lines healed
//	attending TIME PERSON PATIENT => yes|no
//	import tickets|roster FILE          a file of the archive, later
//
// WANT is "none", or "[weak] KIND because because...". A time without zone is
// that of China. Underscores in values are spaces.
type scenario struct {
	name  string
	files map[string]string
	steps []string
}

var site = time.FixedZone("CST", 8*3600)

func scenarios(t *testing.T) []scenario {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	var out []scenario
	for _, name := range names {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s := scenario{name: strings.TrimSuffix(filepath.Base(name), ".txtar"), files: map[string]string{}}
		for _, f := range ar.Files {
			s.files[f.Name] = string(f.Data)
		}
		for line := range strings.Lines(s.files["steps"]) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				s.steps = append(s.steps, line)
			}
		}
		out = append(out, s)
	}
	return out
}

// world is a graph with its directory and database.
type world struct {
	t      testing.TB
	db     *store.DB
	people *directory.Directory
	graph  *care.Graph
	healed map[string]ocsf.Explanation
}

func newWorld(t testing.TB) *world {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, db: db, healed: map[string]ocsf.Explanation{}}
	w.open()
	return w
}

func now() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, site) }

func (w *world) open() {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	var err error
	if w.people, err = directory.Open(context.Background(), w.db, keyed.Key{}, now, log); err != nil {
		w.t.Fatal(err)
	}
	if w.graph, err = care.Open(context.Background(), w.db, w.people, keyed.Key{}, os.DirFS("../content/explanations"), now, log); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) save() {
	w.t.Helper()
	if err := w.db.Update(context.Background(), func(tx *sql.Tx) error { return w.graph.Save(tx) }); err != nil {
		w.t.Fatal(err)
	}
	w.graph.Saved()
}

func (w *world) reload() {
	w.save()
	w.open()
}

func (w *world) load(s scenario) {
	w.t.Helper()
	for _, name := range []string{"directory.csv", "roster.csv", "tickets.csv", "watchlist.csv"} {
		if text, ok := s.files[name]; ok {
			w.importFile(strings.TrimSuffix(name, ".csv"), text)
		}
	}
}

func (w *world) importFile(kind, text string) directory.Counts {
	w.t.Helper()
	read := map[string]func(context.Context, *strings.Reader) (directory.Counts, error){
		"directory": func(c context.Context, r *strings.Reader) (directory.Counts, error) {
			return w.people.ImportPeople(c, r, nil)
		},
		"roster": func(c context.Context, r *strings.Reader) (directory.Counts, error) {
			return w.people.ImportRoster(c, r, nil)
		},
		"tickets": func(c context.Context, r *strings.Reader) (directory.Counts, error) {
			return w.graph.ImportTickets(c, r, nil)
		},
		"watchlist": func(c context.Context, r *strings.Reader) (directory.Counts, error) {
			return w.graph.ImportWatchlist(c, r, nil)
		},
	}[kind]
	counts, err := read(context.Background(), strings.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return counts
}

// access does what the pipeline does with an access.
func (w *world) access(ev *ocsf.Event) ocsf.Explanation {
	x := w.graph.Explain(ev)
	ev.Explanation = &x
	if x.Explained {
		w.graph.Learn(ev)
	} else {
		w.graph.Hold(ev)
	}
	return x
}

// retry explains what waits again.
func (w *world) retry(list []care.Pending) {
	for _, p := range list {
		if x := w.graph.Explain(p.Event()); x.Explained {
			w.healed[p.UID] = x
			w.graph.Release(p)
		}
	}
}

func (w *world) care(ev *ocsf.Event) {
	for _, id := range w.graph.Apply(ev) {
		w.retry(w.graph.Waiting(id))
	}
}

func (w *world) step(s scenario, line string) {
	w.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	do, want, _ := strings.Cut(rest, " => ")
	f := strings.Fields(do)
	switch verb {
	case "care":
		w.care(careEvent(w.t, rest))
	case "access":
		w.check(line, w.access(accessEvent(w.t, f)), want)
	case "healed":
		x := w.healed[f[0]]
		delete(w.healed, f[0])
		w.check(line, x, want)
	case "attending":
		if got := w.graph.Attending(f[1], f[2], at(w.t, f[0])); got != (want == "yes") {
			w.t.Errorf("%s: got %v", line, got)
		}
	case "import":
		w.importFile(f[0], s.files[f[1]])
		w.retry(slices.Collect(w.graph.Held()))
	default:
		w.t.Fatalf("no such step: %s", line)
	}
}

func (w *world) check(line string, x ocsf.Explanation, want string) {
	w.t.Helper()
	if got := brief(x); got != want {
		w.t.Errorf("%s\n got: %s", line, got)
	}
	for _, lang := range []string{"en", "zh"} {
		if s := w.graph.Sentence(x, lang); s == "" || strings.ContainsAny(s, "{}") {
			w.t.Errorf("%s: sentence %q", line, s)
		}
	}
}

func brief(x ocsf.Explanation) string {
	if !x.Explained {
		return "none"
	}
	words := append([]string{x.Kind}, x.Because...)
	if x.Weak {
		words = append([]string{"weak"}, words...)
	}
	return strings.Join(words, " ")
}

func at(t testing.TB, text string) int64 {
	t.Helper()
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if v, err := time.ParseInLocation(layout, text, site); err == nil {
			return v.UnixMilli()
		}
	}
	t.Fatalf("no time: %q", text)
	return 0
}

func careEvent(t testing.TB, rest string) *ocsf.Event {
	t.Helper()
	f := strings.Fields(rest)
	ev := &ocsf.Event{ClassUID: ocsf.APIActivity, Time: at(t, f[0]), Metadata: ocsf.Metadata{UID: f[1]}}
	for text := range strings.SplitSeq(strings.Join(f[2:], " "), ";") {
		ev.Care = append(ev.Care, fact(t, strings.Fields(text)))
	}
	return ev
}

func fact(t testing.TB, words []string) ocsf.Fact {
	t.Helper()
	kind, retract := strings.CutPrefix(words[0], "-")
	f := ocsf.Fact{Kind: ocsf.FactKind(kind), Retract: retract}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		value = strings.ReplaceAll(value, "_", " ")
		switch name {
		case "patient":
			f.Patient = value
		case "other":
			f.Other = value
		case "enc":
			f.Encounter = value
		case "id":
			f.ID = value
		case "person":
			f.Person = value
		case "dept":
			f.Department = value
		case "ward":
			f.Ward = value
		case "code":
			f.Code = value
		case "from":
			f.From = at(t, value)
		case "until":
			f.Until = at(t, value)
		case "key":
			kind, token, _ := strings.Cut(strings.TrimPrefix(w, "key="), ":")
			f.Keys = append(f.Keys, ocsf.Key{Kind: kind, Token: token})
		default:
			t.Fatalf("no such member of a fact: %s", w)
		}
	}
	return f
}

func accessEvent(t testing.TB, f []string) *ocsf.Event {
	t.Helper()
	ev := &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, Time: at(t, f[0]),
		Metadata: ocsf.Metadata{UID: f[1]}, Actor: ocsf.Actor{User: ocsf.User{Account: f[2]}},
		Patient: &ocsf.Patient{UID: f[3]},
	}
	for _, w := range f[4:] {
		name, value, _ := strings.Cut(w, "=")
		value = strings.ReplaceAll(value, "_", " ")
		if ev.Access == nil {
			ev.Access = &ocsf.Access{}
		}
		switch name {
		case "glass":
			ev.Access.BreakGlass = true
		case "reason":
			ev.Access.Reason = value
		case "list":
			ev.Access.Incidental = true
		case "export":
			ev.ActivityID = ocsf.AccessExport
		case "five":
			ev.DataClassifications = []ocsf.DataClassification{{Level: 5}}
		case "table":
			ev.Table = &ocsf.Named{Name: value}
		case "behalf":
			ev.Actor.OnBehalfOf = &ocsf.User{UID: value}
		default:
			t.Fatalf("no such word of an access: %s", w)
		}
	}
	return ev
}

func TestScenarios(t *testing.T) {
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(s)
			for _, line := range s.steps {
				w.step(s, line)
			}
		})
	}
}

// TestScenariosReloaded saves and reopens the graph before every step: what
// was saved must explain as what was in memory did.
func TestScenariosReloaded(t *testing.T) {
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(s)
			for _, line := range s.steps {
				w.reload()
				w.step(s, line)
			}
		})
	}
}

// TestScenariosOnPostgreSQL does the same on the other engine.
func TestScenariosOnPostgreSQL(t *testing.T) {
	url := pgtest.Start(t)
	for i, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			db, err := postgres.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			w := &world{t: t, db: db, healed: map[string]ocsf.Explanation{}}
			w.open()
			if i > 0 {
				w.empty()
			}
			w.load(s)
			for _, line := range s.steps {
				w.step(s, line)
			}
			w.reload()
			w.reload()
		})
	}
}

// empty removes what the scenario before left.
func (w *world) empty() {
	w.t.Helper()
	err := w.db.Update(w.t.Context(), func(tx *sql.Tx) error {
		for _, table := range []string{"directory_people", "directory_accounts", "directory_departments", "directory_shifts",
			"care_patients", "care_seen", "care_held", "care_taught", "care_names", "care_groups", "care_visitors", "care_tickets", "care_watchlist"} {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// TestOrderOfFactsPlaysNoPart applies the care messages of every scenario in
// random orders and asks all accesses at the end.
func TestOrderOfFactsPlaysNoPart(t *testing.T) {
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			if _, ok := s.files["ordered"]; ok {
				t.Skip("the order plays a part, as the scenario says")
			}
			w := newWorld(t)
			w.load(s)
			want := askedAtTheEnd(w, s, nil)
			for seed := range uint64(6) {
				rng := rand.New(rand.NewPCG(seed, 7))
				if got := askedAtTheEnd(w, s, rng); !reflect.DeepEqual(got, want) {
					for i := range want {
						if got[i] != want[i] {
							t.Errorf("seed %d: %s\n  in order: %s\n shuffled: %s", seed, want[i][0], want[i][1], got[i][1])
						}
					}
				}
			}
		})
	}
}

func askedAtTheEnd(w *world, s scenario, rng *rand.Rand) (out [][2]string) {
	w.open() // as it was: nothing is ever saved here
	var facts []*ocsf.Event
	for _, line := range s.steps {
		if rest, ok := strings.CutPrefix(line, "care "); ok {
			facts = append(facts, careEvent(w.t, rest))
		}
	}
	if rng != nil {
		rng.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		facts = append(facts, facts[:len(facts)/2]...) // and some of them twice
	}
	for _, ev := range facts {
		w.graph.Apply(ev)
	}
	for _, line := range s.steps {
		if rest, ok := strings.CutPrefix(line, "access "); ok {
			do, _, _ := strings.Cut(rest, " => ")
			x := w.graph.Explain(accessEvent(w.t, strings.Fields(do)))
			out = append(out, [2]string{do, fmt.Sprint(brief(x), x.Args)})
		}
	}
	return out
}
