package asset

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/internal/strict"
	"github.com/cordon-health/cordon/ocsf"
)

// Kind is a kind of device, as the files of kinds say it.
type Kind struct {
	Name  string    `yaml:"kind"`
	Title ocsf.Text `yaml:"title"`
	// Is names the more general kinds it belongs to.
	Is      []string `yaml:"is"`
	Medical bool     `yaml:"medical"`
}

// Knowledge is what is known about devices in general: their kinds, what
// facts say about them, who makes network cards, and when systems reach their
// end. It never changes after loading.
type Knowledge struct {
	kinds  map[string]*Kind
	names  []string           // of kinds, in the order of the file
	above  map[[2]string]bool // {"pacs", "server"}: a PACS is a server in the end
	rules  []rule
	conds  []Condition
	byFact map[FactName][]uint16 // conditions
	ruleOf map[uint16]int        // condition -> 1 + the rule that it is of
	ends   []end
	makers *makers
}

// Condition is something that facts of one name may fulfil. Of Is, Starts,
// Has, Word, Under and Matches one that fits is enough; without any, every
// value fits.
type Condition struct {
	Fact FactName `yaml:"fact"`
	// Is compares all of the value, Starts its beginning, Has any part, Word a
	// word in it, whose digits at either end do not count (CT1 is the word ct);
	// all without regard to case.
	Is     []string `yaml:"is"`
	Starts []string `yaml:"starts"`
	Has    []string `yaml:"has"`
	Word   []string `yaml:"word"`
	// Under compares a dotted number with the roots of trees.
	Under []string `yaml:"under"`
	// Matches is a regular expression; what its groups hold may be used in
	// model as $1.
	Matches string `yaml:"matches"`
	// Least is how many different values have to fit.
	Least int `yaml:"least"`

	re *regexp.Regexp
}

// rule says what a condition tells.
type rule struct {
	Condition `yaml:",inline"`
	// And and Unless name conditions that must and must not be fulfilled too.
	And    []string `yaml:"and"`
	Unless []string `yaml:"unless"`
	// Group is what several rules have in common, so that together they count
	// as the strongest of them; otherwise the name of the fact.
	Group string `yaml:"group"`
	// Says gives the weight, 0 to 1, with which it speaks for kinds.
	Says map[string]float64 `yaml:"says"`
	// Vendor, Model and OS are told with it.
	Vendor string `yaml:"vendor"`
	Model  string `yaml:"model"`
	OS     string `yaml:"os"`
	// About says what the value means, where that needs a word.
	About ocsf.Text `yaml:"about"`

	cond        int
	and, unless []int
}

// end is when the support of an operating system or product ended.
type end struct {
	OS string `yaml:"os"`
	// Ends is the last day of support that everybody gets, Extended that of
	// support paid for.
	Ends     string `yaml:"ends"`
	Extended string `yaml:"extended"`
	matches  []string
}

// knowledgeFile is one YAML file of content/devices.
type knowledgeFile struct {
	Kinds      []*Kind              `yaml:"kinds"`
	Conditions map[string]Condition `yaml:"conditions"`
	Rules      []rule               `yaml:"rules"`
	Ends       []end                `yaml:"ends"`
}

// LoadKnowledge reads a folder of YAML files with kinds, conditions, rules and
// ends, and the table of makers of network cards (oui.txt.gz, if there).
func LoadKnowledge(files fs.FS) (*Knowledge, error) {
	k := &Knowledge{kinds: map[string]*Kind{}, above: map[[2]string]bool{}, byFact: map[FactName][]uint16{}, ruleOf: map[uint16]int{}}
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("read knowledge of devices: %w", err)
	}
	named, of := map[string]int{}, map[int]string{}
	for _, name := range names {
		if err := k.file(files, name, named, of); err != nil {
			return nil, fmt.Errorf("read knowledge of devices: %s: %w", name, err)
		}
	}
	if err := errors.Join(k.order(), k.join(named, of)); err != nil {
		return nil, fmt.Errorf("read knowledge of devices: %w", err)
	}
	if k.makers, err = loadMakers(files); err != nil {
		return nil, fmt.Errorf("read makers of network cards: %w", err)
	}
	return k, nil
}

func (k *Knowledge) file(files fs.FS, name string, named map[string]int, of map[int]string) error {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	var f knowledgeFile
	if err := strict.Unmarshal(data, &f); err != nil {
		return err
	}
	for _, kind := range f.Kinds {
		if k.kinds[kind.Name] != nil || kind.Name == "" || kind.Title.EN == "" || kind.Title.ZH == "" {
			return fmt.Errorf("kind %q: give each kind one name and a title in both languages", kind.Name)
		}
		k.kinds[kind.Name] = kind
		k.names = append(k.names, kind.Name)
	}
	for id, c := range f.Conditions {
		at, err := k.condition(c)
		if _, twice := named[id]; err != nil || twice {
			return errors.Join(fmt.Errorf("condition %q is wrong or named twice", id), err)
		}
		named[id] = at
	}
	for i, r := range f.Rules {
		if r.cond, err = k.condition(r.Condition); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
		if r.Group == "" {
			r.Group = string(r.Fact)
		}
		of[len(k.rules)] = fmt.Sprintf("%s, rule %d (%s)", path.Base(name), i+1, r.Fact)
		k.rules = append(k.rules, r)
		k.ruleOf[uint16(r.cond)] = len(k.rules)
	}
	for _, e := range f.Ends {
		e.matches = append(e.matches, strings.ToLower(e.OS))
		k.ends = append(k.ends, e)
	}
	return nil
}

// condition makes a condition ready and returns its number.
func (k *Knowledge) condition(c Condition) (int, error) {
	if c.Fact == "" {
		return 0, errors.New("it names no fact")
	}
	for _, list := range []*[]string{&c.Is, &c.Starts, &c.Has, &c.Word} {
		*list = slices.Clone(*list)
		for i, s := range *list {
			(*list)[i] = strings.ToLower(s)
		}
	}
	if c.Matches != "" {
		re, err := regexp.Compile("(?i)" + c.Matches)
		if err != nil {
			return 0, err
		}
		c.re = re
	}
	c.Least = max(c.Least, 1)
	k.conds = append(k.conds, c)
	at := len(k.conds) - 1
	k.byFact[c.Fact] = append(k.byFact[c.Fact], uint16(at))
	return at, nil
}

// order works out which kinds are more general than which.
func (k *Knowledge) order() error {
	for _, name := range k.names {
		if err := k.climb(name, name, 0); err != nil {
			return err
		}
	}
	return nil
}

func (k *Knowledge) climb(from, at string, depth int) error {
	if depth > 8 {
		return fmt.Errorf("kind %q is more general than itself", from)
	}
	for _, up := range k.kinds[at].Is {
		if k.kinds[up] == nil {
			return fmt.Errorf("kind %q is a %q, which no file describes", at, up)
		}
		k.above[[2]string{from, up}] = true
		if err := k.climb(from, up, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// join resolves the names that rules use.
func (k *Knowledge) join(named map[string]int, of map[int]string) error {
	var errs []error
	for i := range k.rules {
		r := &k.rules[i]
		find := func(names []string) (out []int) {
			for _, n := range names {
				at, ok := named[n]
				if !ok {
					errs = append(errs, fmt.Errorf("%s: no condition is called %q", of[i], n))
				}
				out = append(out, at)
			}
			return out
		}
		r.and, r.unless = find(r.And), find(r.Unless)
		for kind, w := range r.Says {
			if k.kinds[kind] == nil {
				errs = append(errs, fmt.Errorf("%s: no kind is called %q", of[i], kind))
			}
			if w <= 0 || w >= 1 {
				errs = append(errs, fmt.Errorf("%s: a weight lies between 0 and 1", of[i]))
			}
		}
	}
	return errors.Join(errs...)
}

// Kinds lists the kinds in the order of their file, medical ones first there.
func (k *Knowledge) Kinds() []Kind {
	out := make([]Kind, len(k.names))
	for i, name := range k.names {
		out[i] = *k.kinds[name]
	}
	return out
}

// Kind finds a kind by name.
func (k *Knowledge) Kind(name string) (Kind, bool) {
	if x := k.kinds[name]; x != nil {
		return *x, true
	}
	return Kind{}, false
}

// within says that a is b, or a special case of it.
func (k *Knowledge) within(a, b string) bool { return a == b || k.above[[2]string{a, b}] }

// related says that a device may be both.
func (k *Knowledge) related(a, b string) bool { return k.within(a, b) || k.within(b, a) }

// hits are the conditions that a fact fulfils.
func (k *Knowledge) hits(f Fact) []uint16 {
	var out []uint16
	low := strings.ToLower(f.Value)
	var words []string
	for _, i := range k.byFact[f.Name] {
		c := &k.conds[i]
		if len(c.Word) > 0 && words == nil {
			words = wordsOf(low)
		}
		if c.fits(f.Value, low, words) {
			out = append(out, i)
		}
	}
	return out
}

func (c *Condition) fits(value, low string, words []string) bool {
	if len(c.Is)+len(c.Starts)+len(c.Has)+len(c.Word)+len(c.Under) == 0 && c.re == nil {
		return true
	}
	return slices.Contains(c.Is, low) ||
		slices.ContainsFunc(c.Starts, func(s string) bool { return strings.HasPrefix(low, s) }) ||
		slices.ContainsFunc(c.Has, func(s string) bool { return strings.Contains(low, s) }) ||
		slices.ContainsFunc(c.Word, func(s string) bool { return slices.Contains(words, s) }) ||
		slices.ContainsFunc(c.Under, func(s string) bool { return low == s || strings.HasPrefix(low, s+".") }) ||
		c.re != nil && c.re.MatchString(value)
}

// wordsOf splits a lower-case name into words, each with and without the
// digits at its ends: "ct1-er" has ct1, ct and er.
func wordsOf(low string) []string {
	out := []string{}
	for _, w := range strings.FieldsFunc(low, func(r rune) bool {
		return r < 0x80 && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	}) {
		out = append(out, w)
		if bare := strings.Trim(w, "0123456789"); bare != w && bare != "" {
			out = append(out, bare)
		}
	}
	return out
}
