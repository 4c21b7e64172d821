package asset

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// How a device is classified. Each rule that fires speaks for kinds with a
// weight: the part of such devices, in experience, that are of that kind. Rules
// of one group (usually: of one fact) are not independent, so the strongest of
// them counts. Groups are put together by Dempster's rule of combination with
// simple support functions, where a kind and the more general kinds above it
// do not contradict each other: what speaks for other kinds takes away belief,
// and what nothing speaks for stays unknown. The most special kind that is
// believed enough is the answer.
const (
	// enough is the belief from which on a kind is said and not only guessed.
	enough = 0.6
	// worthSaying is the belief from which on another kind is listed.
	worthSaying = 0.15
	// most is how strong one group may be.
	most = 0.99
	// mostReasons bounds what is listed.
	mostReasons = 6
	mostGuesses = 4
)

// known is a fact with the conditions it fulfils.
type known struct {
	Fact
	hits []uint16
}

// Classify says what a device is that these facts were seen of.
func (k *Knowledge) Classify(facts []Fact) (Classification, []Guess) {
	list := make([]known, len(facts))
	for i, f := range facts {
		list[i] = known{f, k.hits(f)}
	}
	return k.classify(list)
}

// fired is a rule that fired, and the value that made it.
type fired struct {
	*rule
	fact Fact
}

// classify works on facts in any order; the answer does not depend on it.
func (k *Knowledge) classify(facts []known) (Classification, []Guess) {
	rules := k.fire(facts)
	support := k.support(rules)
	belief := map[string]float64{}
	for kind := range k.candidates(support) {
		belief[kind] = k.belief(kind, support)
	}
	c := Classification{Kind: k.choose(belief)}
	if c.Kind != "" {
		c.Confidence = math.Round(belief[c.Kind]*100) / 100
		c.Medical = k.kinds[c.Kind].Medical
	}
	c.Vendor, c.Model, c.OS = k.vendor(rules, facts), model(rules, facts), system(rules, facts)
	c.Because = k.because(c, rules)
	return c, k.guesses(c.Kind, belief)
}

// fire finds the rules whose conditions hold.
func (k *Knowledge) fire(facts []known) []fired {
	values := make(map[uint16][]string, len(facts))
	for _, f := range facts {
		for _, h := range f.hits {
			if !slices.Contains(values[h], f.Value) {
				values[h] = append(values[h], f.Value)
			}
		}
	}
	holds := func(i int) bool { return len(values[uint16(i)]) >= k.conds[i].Least }
	var hit []int
	for cond := range values {
		if at := k.ruleOf[cond]; at > 0 {
			hit = append(hit, at-1)
		}
	}
	slices.Sort(hit) // the order of the files, whatever that of the facts
	var out []fired
	for _, i := range hit {
		r := &k.rules[i]
		if !holds(r.cond) || slices.ContainsFunc(r.unless, holds) ||
			slices.ContainsFunc(r.and, func(c int) bool { return !holds(c) }) {
			continue
		}
		out = append(out, fired{r, Fact{r.Fact, slices.Min(values[uint16(r.cond)])}})
	}
	return out
}

// support is how strongly each kind is spoken for, by itself.
func (k *Knowledge) support(rules []fired) map[string]float64 {
	type voice struct{ group, kind string }
	strongest := map[voice]float64{}
	for _, r := range rules {
		for kind, w := range r.Says {
			v := voice{r.Group, kind}
			strongest[v] = max(strongest[v], min(w, most))
		}
	}
	out := map[string]float64{}
	for _, v := range slices.SortedFunc(maps.Keys(strongest), func(a, b voice) int { // one order: sums of floats depend on it
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.group, b.group))
	}) {
		out[v.kind] = 1 - (1-out[v.kind])*(1-strongest[v])
	}
	return out
}

// candidates are the kinds spoken for and those above them.
func (k *Knowledge) candidates(support map[string]float64) map[string]bool {
	out := map[string]bool{}
	for kind := range support {
		for _, name := range k.names {
			if k.within(kind, name) {
				out[name] = true
			}
		}
	}
	return out
}

// belief is that of the kind or a special case of it.
func (k *Knowledge) belief(kind string, support map[string]float64) float64 {
	not, others := 1.0, 1.0 // that nothing speaks for it; that nothing speaks for others
	for _, name := range slices.Sorted(maps.Keys(support)) {
		switch {
		case k.within(name, kind):
			not *= 1 - support[name]
		case !k.within(kind, name):
			others *= 1 - support[name]
		}
	}
	s := 1 - not
	return s * others / (1 - s*(1-others))
}

// choose takes the most special kind that is believed enough.
func (k *Knowledge) choose(belief map[string]float64) string {
	best := ""
	for _, kind := range slices.Sorted(maps.Keys(belief)) {
		switch {
		case belief[kind] < enough:
		case best == "", k.above[[2]string{kind, best}], !k.related(kind, best) && belief[kind] > belief[best]:
			best = kind
		}
	}
	return best
}

func (k *Knowledge) guesses(chosen string, belief map[string]float64) []Guess {
	var out []Guess
	for kind, b := range belief {
		if b >= worthSaying && (chosen == "" || !k.related(kind, chosen)) {
			out = append(out, Guess{kind, math.Round(b*100) / 100})
		}
	}
	slices.SortFunc(out, func(a, b Guess) int {
		return cmp.Or(cmp.Compare(b.Confidence, a.Confidence), cmp.Compare(a.Kind, b.Kind))
	})
	return out[:min(len(out), mostGuesses)]
}

// vendorWeight is how far a fact of a name tells who made the device. A
// network card is often another's.
func vendorWeight(name FactName) float64 {
	switch name {
	case FactVendor:
		return 0.95
	case FactImplUID, FactObjectID, FactModel:
		return 0.9
	case FactMaker:
		return 0.5
	}
	return 0.7
}

func (k *Knowledge) vendor(rules []fired, facts []known) string {
	not := map[string]float64{}
	say := func(vendor string, w float64) {
		if _, ok := not[vendor]; !ok {
			not[vendor] = 1
		}
		not[vendor] *= 1 - w
	}
	for _, r := range rules {
		if r.Vendor != "" {
			say(r.Vendor, vendorWeight(r.Fact))
		}
	}
	for _, f := range facts {
		if f.Name == FactVendor && f.Value != "" && !slices.ContainsFunc(rules, func(r fired) bool { return r.Fact == FactVendor && r.Vendor != "" }) {
			say(f.Value, vendorWeight(FactVendor))
		}
	}
	best := ""
	for _, v := range slices.Sorted(maps.Keys(not)) {
		if best == "" || not[v] < not[best] {
			best = v
		}
	}
	return best
}

// model is what the device says itself; else what a rule concludes.
func model(rules []fired, facts []known) string {
	said := ""
	for _, f := range facts {
		if f.Name == FactModel && (said == "" || len(f.Value) > len(said) || len(f.Value) == len(said) && f.Value < said) {
			said = f.Value
		}
	}
	if said != "" {
		return said
	}
	for _, r := range rules {
		if r.Model == "" {
			continue
		}
		m := r.Model
		if r.re != nil {
			if at := r.re.FindStringSubmatchIndex(r.fact.Value); at != nil {
				m = string(r.re.ExpandString(nil, m, r.fact.Value, at))
			}
		}
		return strings.TrimSpace(m)
	}
	return ""
}

// system is what a rule makes of the system the device names (versions of
// Windows are numbers on the wire), else that name, else what rules conclude.
func system(rules []fired, facts []known) string {
	said := ""
	for _, r := range rules {
		if r.Fact == FactOS && r.OS != "" {
			return r.OS
		}
	}
	for _, f := range facts {
		if f.Name == FactOS && (said == "" || len(f.Value) > len(said) || len(f.Value) == len(said) && f.Value < said) {
			said = f.Value
		}
	}
	if said != "" {
		return said
	}
	for _, r := range rules {
		if r.OS != "" {
			return r.OS
		}
	}
	return ""
}

// because names the facts behind an answer, the strongest first.
func (k *Knowledge) because(c Classification, rules []fired) []ocsf.Text {
	weight := func(r fired) float64 {
		w := 0.0
		for kind, x := range r.Says {
			if c.Kind != "" && k.related(kind, c.Kind) {
				if k.within(kind, c.Kind) {
					x++ // before what only says the more general
				}
				w = max(w, x)
			}
		}
		if w == 0 && r.Vendor != "" && r.Vendor == c.Vendor {
			w = vendorWeight(r.Fact) / 2
		}
		return w
	}
	slices.SortStableFunc(rules, func(a, b fired) int { return cmp.Compare(weight(b), weight(a)) })
	var out []ocsf.Text
	told := map[Fact]bool{}
	for _, r := range rules {
		if weight(r) > 0 && !told[r.fact] && len(out) < mostReasons {
			told[r.fact] = true
			out = append(out, r.fact.reason(r.about()))
		}
	}
	return out
}

// about is what the value of a rule means.
func (r fired) about() ocsf.Text {
	if r.About.EN == "" && r.Vendor != "" && r.Fact != FactMaker && r.Fact != FactVendor {
		return ocsf.Text{EN: r.Vendor, ZH: r.Vendor}
	}
	return r.About
}
