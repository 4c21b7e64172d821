// Package care keeps the graph of who cares for whom and explains accesses
// with it: an access is explained when a path leads from the person to the
// patient at that time.
//
// What it gives. [Graph.Apply] takes in the facts of care messages (who
// attends, where the patient lies, what was ordered, which numbers are one
// patient). [Graph.Explain] answers an access with the best path, the exact
// events and records it rests on, and the arguments of a sentence. The kinds
// of explanation are files (content/explanations); code knows only how a path
// is walked. [Graph.Hold] keeps what stays unexplained, so that a late message
// can heal it. [Graph.Patient], [Graph.Watched] and [Graph.Ticket] answer
// detectors; [Graph.Neighbourhood] draws.
//
// It learns three things, each from relations and accesses that stand on a
// record of their own and never from its own conclusions: which department
// treats which diagnosis (learn.go), who shares patients with whom (group.go),
// and under which names and codes departments stand in messages (names.go).
// The first two explain weakly; the basis of each is named in the explanation.
//
// It owns the tables care_patients, care_seen, care_held, care_taught,
// care_names, care_groups, care_visitors, care_tickets and care_watchlist. All
// of it is in memory; all but the last two are written as a delta within the
// pipeline's checkpoint ([Graph.Save]), so that after a crash the stream is
// replayed from a state that never saw it.
//
// What it guarantees. Facts may come late, twice and in any order: a
// cancellation before what it cancels, a discharge before its admission, a
// merge before either patient is known. Every statement and retraction carries
// its time, and the later one holds. The same facts give the same explanation,
// whatever their order; times equal to the second are decided for the
// retraction. Merged numbers stay apart inside, so that a merge can be undone
// and no fact is ever rewritten. Two limits: of a stay in one ward told by many
// messages, only the first and last are kept, so a late message about another
// ward in between divides it there; and a fact that was retracted and stated
// again begins with the new statement.
//
// What it does not do. It judges nobody: family, household and co-workers are
// paths too, but no explanations, and belong to detectors. It keeps no
// demographics but keyed tokens, no clinical text, and no diagnosis finer than
// its ICD-10 category.
package care

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Graph is the care graph. All methods may be called concurrently; Save,
// Saved, Apply, Learn and Hold belong to one pipeline, whose order decides.
type Graph struct {
	db  *store.DB
	dir *directory.Directory
	log *slog.Logger
	now func() time.Time

	// Set once by Open.
	kinds  *Kinds
	byFact [len(factKinds)][]*Kind // by priority
	other  []*Kind                 // kinds that rest on no fact, by priority
	slack  second                  // the widest around a shift

	mu        sync.RWMutex // guards all below
	records   map[string]*record
	backlinks map[string][]string // patient number -> numbers that link to it
	lexicon   *lexicon
	seen      map[pair]seen
	held      map[string][]Pending // by patient, oldest first
	nHeld     int
	taught    taught
	names     [2]names // as departments, and as wards
	groups    groups
	heard     [len(factKinds)]bool // fact kinds ever received
	tickets   map[string][]Ticket  // by person, ordered by id
	ticketOf  map[string]string    // ticket -> person
	watches   map[string][]Watch   // by patient

	dirty       delta[string]
	dirtySeen   delta[pair]
	dirtyHeld   delta[heldKey]
	dirtyTaught delta[lesson]
	dirtyNames  delta[naming]
	dirtyGroups delta[string]
	dirtyRecent delta[string]

	viewed sync.Mutex // guards views
	views  []*record

	roles sync.Map // rolePlace -> []task
}

//go:embed migrations/*.sql
var migrations embed.FS

// Open loads the graph from the store, and the explanation kinds from a file
// system with one YAML file each. now's location is the site's time zone. The
// graph only compares tokens, so it has no use for the key they were made with.
func Open(ctx context.Context, db *store.DB, dir *directory.Directory, _ keyed.Key, kinds fs.FS, now func() time.Time, log *slog.Logger) (*Graph, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open care graph: %w", err)
	}
	if err := db.Migrate(ctx, "care", sub); err != nil {
		return nil, fmt.Errorf("open care graph: %w", err)
	}
	g := &Graph{db: db, dir: dir, log: log, now: now}
	if g.kinds, err = LoadKinds(kinds); err != nil {
		return nil, fmt.Errorf("open care graph: %w", err)
	}
	g.index()
	if err := g.load(ctx); err != nil {
		return nil, fmt.Errorf("open care graph: %w", err)
	}
	return g, nil
}

// clear empties the graph.
func (g *Graph) clear() {
	g.records, g.backlinks, g.lexicon = map[string]*record{}, map[string][]string{}, newLexicon()
	g.seen, g.held, g.nHeld, g.taught = map[pair]seen{}, map[string][]Pending{}, 0, newTaught()
	g.tickets, g.ticketOf, g.watches = map[string][]Ticket{}, map[string]string{}, map[string][]Watch{}
	g.dirty, g.dirtySeen, g.dirtyHeld, g.dirtyTaught = newDelta[string](), newDelta[pair](), newDelta[heldKey](), newDelta[lesson]()
	g.names, g.groups, g.heard = [2]names{newNames(), newNames()}, newGroups(), [len(factKinds)]bool{}
	g.dirtyNames, g.dirtyGroups, g.dirtyRecent = newDelta[naming](), newDelta[string](), newDelta[string]()
}

// index prepares the kinds for the paths.
func (g *Graph) index() {
	for _, k := range g.kinds.list {
		switch k.Path {
		case "ticket", "break-glass", "repeat", "list", "group":
			g.other = append(g.other, k)
		case "shift":
			g.slack = max(g.slack, second(k.Slack))
		}
		for code := range k.facts {
			if k.facts[code] && k.Path != "task" {
				g.byFact[code] = append(g.byFact[code], k)
			}
		}
	}
}

// Kinds are the explanation kinds in use.
func (g *Graph) Kinds() *Kinds { return g.kinds }

// Sentence writes an explanation in a language ("zh", else English), with the
// names of staff and in the site's time zone.
func (g *Graph) Sentence(x ocsf.Explanation, lang string) string {
	return g.kinds.sentence(x, lang, g.now().Location(), func(id string) string {
		if p, ok := g.dir.Person(id); ok && p.Name != "" {
			if lang == "zh" {
				return p.Name + "（" + id + "）"
			}
			return p.Name + " (" + id + ")"
		}
		return id
	})
}

// rolePlace is a role and a department.
type rolePlace struct{ role, department string }

// task is a task with its kind.
type task struct {
	kind *Kind
	*Task
}

// tasksOf are the tasks somebody with a role in a department has, by priority.
func (g *Graph) tasksOf(role, department string) []task {
	key := rolePlace{role, department}
	if list, ok := g.roles.Load(key); ok {
		return list.([]task)
	}
	var list []task
	for _, k := range g.kinds.list {
		for i := range k.Tasks {
			if k.Tasks[i].fits(normal(role), normal(department)) {
				list = append(list, task{k, &k.Tasks[i]})
			}
		}
	}
	g.roles.Store(key, list)
	return list
}

func (t *Task) fits(role, department string) bool {
	in := func(s string) func(string) bool {
		return func(part string) bool { return strings.Contains(s, part) }
	}
	return slices.ContainsFunc(t.Roles, in(role)) || slices.ContainsFunc(t.Departments, in(department))
}
