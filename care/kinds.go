package care

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/ocsf"
)

// Kind is one way to explain an access: a file of content/explanations.
type Kind struct {
	// ID is the stable kebab-case name, the file's name without .yaml.
	ID string `yaml:"id"`
	// As is the public name under which it is given out, where that is not its
	// own: one of PublicKinds.
	As string `yaml:"as"`
	// Title is its short name, Why the reason for which it makes an access
	// legitimate.
	Title ocsf.Text `yaml:"title"`
	Why   ocsf.Text `yaml:"why"`
	// Sentence is what a reader sees; {name} stands for the argument of that
	// name in Args.
	Sentence ocsf.Text `yaml:"sentence"`
	Args     []string  `yaml:"args"`
	// Priority orders the kinds; the lowest that holds is the explanation.
	Priority int `yaml:"priority"`
	// Path is how the kind leads from the person to the patient:
	//   person      a fact names the person
	//   shift       the person is on duty where the patient lies
	//   department  a fact names the person's department
	//   task        the person's role has a task with such patients
	//   diagnosis   the department answers for the patient's diagnosis
	//   group       people the person works with opened the record
	//   ticket, break-glass, repeat, list
	Path string `yaml:"path"`
	// Facts are the fact kinds it rests on.
	Facts []ocsf.FactKind `yaml:"facts"`
	// Span is how long such a fact holds:
	//   visit  from its beginning to its end, else to the visit's end
	//   own    from its beginning to its end
	//   point  from the first to the last time it was stated
	//   order  like visit, and until the results
	//   stay   while the patient lay there
	//   said   from the first to the last time it was told, whenever it happens
	Span string `yaml:"span"`
	// Before and After widen the span; Open is how long after its last sign a
	// fact without an end is taken to hold.
	Before Duration `yaml:"before"`
	After  Duration `yaml:"after"`
	Open   Duration `yaml:"open"`
	// Slack widens a shift on the roster at both ends.
	Slack Duration `yaml:"slack"`
	// Weak marks an explanation which does not silence the relation detectors.
	Weak bool `yaml:"weak"`
	// Teaches says that such an access shows what its department treats.
	Teaches bool `yaml:"teaches"`
	// Treats says that the person is one of the patient's own doctors.
	Treats bool `yaml:"treats"`
	// Repeats is how long the same person may return to the same patient.
	Repeats Duration `yaml:"repeats"`
	// Five says that it also opens level-5 data (GB/T 39725), which is for the
	// patient's own doctors and those whose work the document is.
	Five bool `yaml:"five"`
	// ReadsOnly says that it covers no export: what leaves needs a better reason.
	ReadsOnly bool `yaml:"reads_only"`
	// OnDuty restricts it, for people on the roster, to their shifts and calls.
	OnDuty bool `yaml:"on_duty"`
	// Unrostered restricts it to people the roster says nothing about.
	Unrostered bool `yaml:"unrostered"`
	// Tasks are the roles' tasks of path task.
	Tasks []Task `yaml:"tasks"`
	// Support is the least number of patients, of path diagnosis and group, and
	// Lift the least ratio to chance, of path diagnosis.
	Support int     `yaml:"support"`
	Lift    float64 `yaml:"lift"`
	// Letters is the least length of a reason (a Chinese character counts
	// three), Templates are reasons that say nothing, of path break-glass.
	Letters   int      `yaml:"letters"`
	Templates []string `yaml:"templates"`

	facts [len(factKinds)]bool
}

// Task is what a role has to do with patients it does not treat.
type Task struct {
	ID   string    `yaml:"id"`
	Name ocsf.Text `yaml:"name"`
	// Roles and Departments are words which the person's role or department
	// must contain; one list that matches is enough.
	Roles       []string `yaml:"roles"`
	Departments []string `yaml:"departments"`
	// Facts, Span, Before, After and Open are as in Kind.
	Facts  []ocsf.FactKind `yaml:"facts"`
	Span   string          `yaml:"span"`
	Before Duration        `yaml:"before"`
	After  Duration        `yaml:"after"`
	Open   Duration        `yaml:"open"`
	// Five is as in Kind.
	Five bool `yaml:"five"`
	// Done is the fact kind that shows the task of a visit done: a day after it
	// was told, only those it names still have a reason.
	Done ocsf.FactKind `yaml:"done"`
	// Instead are the fact kinds that stand in, weakly, in a hospital which has
	// never sent one of Facts.
	Instead []ocsf.FactKind `yaml:"instead"`

	facts, instead [len(factKinds)]bool
	done           factCode
}

// Duration is a time.Duration in seconds that also knows days ("30d").
type Duration second

// UnmarshalYAML reads "90m", "48h" or "30d".
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	text := node.Value
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return fmt.Errorf("line %d: write a duration like 30d, 48h or 90m", node.Line)
		}
		*d = Duration(n * 24 * 3600)
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 || v > 36500*24*time.Hour {
		return fmt.Errorf("line %d: write a duration like 30d, 48h or 90m", node.Line)
	}
	*d = Duration(v / time.Second)
	return nil
}

// Kinds are the explanation kinds by priority.
type Kinds struct {
	list []*Kind
	byID map[string]*Kind
}

// LoadKinds reads the kinds: one YAML file each, at the root of fsys. Unknown
// keys, missing texts and arguments that no code fills are errors.
func LoadKinds(fsys fs.FS) (*Kinds, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list explanation kinds: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("no explanation kinds: content/explanations is empty")
	}
	k := &Kinds{byID: map[string]*Kind{}}
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read explanation kind: %w", err)
		}
		kind, err := parseKind(data)
		if err == nil && kind.ID != strings.TrimSuffix(path.Base(name), ".yaml") {
			err = errors.New("id and file name differ: make them the same")
		}
		if err != nil {
			return nil, fmt.Errorf("explanation kind %s: %w", name, err)
		}
		k.list = append(k.list, kind)
		k.byID[kind.ID] = kind
	}
	slices.SortFunc(k.list, func(a, b *Kind) int {
		if a.Priority != b.Priority {
			return a.Priority - b.Priority
		}
		return strings.Compare(a.ID, b.ID)
	})
	return k, nil
}

func parseKind(data []byte) (*Kind, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	k := &Kind{}
	if err := dec.Decode(k); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := k.check(); err != nil {
		return nil, err
	}
	var err error
	if k.facts, err = factSet(k.Facts); err != nil {
		return nil, err
	}
	for i := range k.Tasks {
		t := &k.Tasks[i]
		if t.facts, err = factSet(t.Facts); err != nil {
			return nil, err
		}
		if t.done = codeOf(t.Done); t.Done != "" && t.done == 0 {
			return nil, fmt.Errorf("task %s: done: there is no fact kind %q", t.ID, t.Done)
		}
		if t.instead, err = factSet(t.Instead); err != nil {
			return nil, err
		}
		t.Roles, t.Departments = lower(t.Roles), lower(t.Departments)
	}
	for i, s := range k.Templates {
		k.Templates[i] = bare(s)
	}
	return k, nil
}

func lower(list []string) []string {
	for i, s := range list {
		list[i] = normal(s)
	}
	return list
}

func factSet(kinds []ocsf.FactKind) (set [len(factKinds)]bool, err error) {
	for _, kind := range kinds {
		code := codeOf(kind)
		if code == 0 {
			return set, fmt.Errorf("facts: there is no fact kind %q", kind)
		}
		set[code] = true
	}
	return set, nil
}

// The paths and spans a file may name, and the arguments a sentence may use.
var (
	paths    = []string{"person", "shift", "department", "task", "diagnosis", "group", "ticket", "break-glass", "repeat", "list"}
	spans    = []string{"visit", "own", "point", "order", "stay", "said"}
	argNames = []string{"person", "patient", "department", "ward", "encounter", "order", "code", "from", "until", "at", "task", "ticket", "purpose", "approver", "count", "kind", "colleague"}
)

func (k *Kind) check() error {
	switch {
	case k.ID == "":
		return errors.New("id is missing")
	case k.Priority <= 0:
		return errors.New("priority is missing: a number above 0")
	case !slices.Contains(paths, k.Path):
		return fmt.Errorf("path: one of %s", strings.Join(paths, ", "))
	}
	for name, t := range map[string]ocsf.Text{"title": k.Title, "why": k.Why, "sentence": k.Sentence} {
		if t.EN == "" || t.ZH == "" {
			return fmt.Errorf("%s: both en and zh are needed", name)
		}
	}
	for _, a := range k.Args {
		if !slices.Contains(argNames, a) {
			return fmt.Errorf("args: no code fills %q", a)
		}
		if !strings.Contains(k.Sentence.EN, "{"+a+"}") || !strings.Contains(k.Sentence.ZH, "{"+a+"}") {
			return fmt.Errorf("args: %q is in no sentence, or in one language only", a)
		}
	}
	if strings.Count(k.Sentence.EN, "{") != len(k.Args) || strings.Count(k.Sentence.ZH, "{") != len(k.Args) {
		return errors.New("sentence: every {name} must stand in args, and once")
	}
	if !slices.Contains(PublicKinds(), cmp.Or(k.As, k.ID)) {
		return fmt.Errorf("as: give one of the public kinds %s", strings.Join(PublicKinds(), ", "))
	}
	return k.checkFacts()
}

func (k *Kind) checkFacts() error {
	switch k.Path {
	case "person", "shift", "department", "diagnosis":
		if len(k.Facts) == 0 || !slices.Contains(spans, k.Span) {
			return fmt.Errorf("path %s needs facts, and span as one of %s", k.Path, strings.Join(spans, ", "))
		}
	case "task":
		for i := range k.Tasks {
			t := &k.Tasks[i]
			if t.ID == "" || t.Name.EN == "" || t.Name.ZH == "" || len(t.Facts) == 0 || !slices.Contains(spans, t.Span) || len(t.Roles)+len(t.Departments) == 0 {
				return fmt.Errorf("task %d: id, name in en and zh, roles or departments, facts and span are needed", i+1)
			}
		}
		if len(k.Tasks) == 0 {
			return errors.New("path task needs tasks")
		}
	}
	return nil
}

// All lists the kinds by priority.
func (k *Kinds) All() []*Kind { return slices.Clone(k.list) }

// PublicKinds are the kinds in what Cordon gives out (cordon explain); they
// never change.
func PublicKinds() []string {
	return []string{"attending", "ward-shift", "appointment", "order", "consult", "department-diagnosis", "care-team", "duty",
		"ticket", "break-glass", "repeat", "self-service"}
}

// Public is the public kind of a kind.
func (k *Kinds) Public(kind string) string {
	if known, ok := k.byID[kind]; ok && known.As != "" {
		return known.As
	}
	return kind
}

// Title is the short name of a kind in a language, the id of an unknown one.
func (k *Kinds) Title(kind, lang string) string {
	if known, ok := k.byID[kind]; ok {
		return known.Title.In(lang)
	}
	return kind
}

// Sentence writes an explanation in a language ("zh", else English), with
// times in zone.
func (k *Kinds) Sentence(x ocsf.Explanation, lang string, zone *time.Location) string {
	return k.sentence(x, lang, zone, func(id string) string { return id })
}

func (k *Kinds) sentence(x ocsf.Explanation, lang string, zone *time.Location, person func(string) string) string {
	if !x.Explained {
		return unexplained().In(lang)
	}
	kind, ok := k.byID[x.Kind]
	if !ok {
		return x.Kind
	}
	pairs := make([]string, 0, 2*len(kind.Args))
	for i, name := range kind.Args {
		value := ""
		if i < len(x.Args) {
			value = kind.shown(name, x.Args[i], lang, zone, person)
			if name == "kind" {
				value = k.Title(x.Args[i], lang)
			}
		}
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(kind.Sentence.In(lang))
}

func unexplained() ocsf.Text {
	return ocsf.Text{
		EN: "Nothing on record leads from this person to this patient at that time.",
		ZH: "没有任何记录表明此人当时与该患者有关。",
	}
}

// shown is an argument as a person reads it.
func (k *Kind) shown(name, value, lang string, zone *time.Location, person func(string) string) string {
	switch name {
	case "person", "approver", "colleague":
		return person(value)
	case "from", "until", "at":
		if t, err := time.Parse(time.RFC3339, value); err == nil {
			return t.In(zone).Format("2006-01-02 15:04")
		}
	case "task":
		for i := range k.Tasks {
			if k.Tasks[i].ID == value {
				return k.Tasks[i].Name.In(lang)
			}
		}
	}
	if value == "" {
		return "–"
	}
	return value
}
