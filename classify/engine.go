package classify

import (
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// Config is what an [Engine] is built from. The zero value finds everything
// built in.
type Config struct {
	// Rules are the hospital's own, see [ReadRules]. The first has the kind
	// [FirstCustom], and so on.
	Rules []Rule
	// Off are built-in kinds that are not reported. Without names, addresses,
	// dates, ages, organisations and conditions nobody reads the text around
	// words, and the scan is several times as fast; see [Words].
	Off []Kind
	// Patients is the index of the hospital's own: numbers that no label names
	// are looked up in it. None if nil.
	Patients *Patients
}

// Words are the kinds found by reading the words around them, rather than by
// their own form and a label.
func Words() []Kind {
	return []Kind{Name, Address, Date, BirthDate, Age, Organization, Condition}
}

// Engine finds identifiers in text. It never changes once built, and is safe
// for concurrent use.
type Engine struct {
	cues    *cueTable
	heard   []hearer
	labels  *labelTable
	regions *regions
	rules   []rule
	index   *Patients
	off     [256]bool
	quiet   bool // nothing is off
}

// hearer is a recogniser and where its cues begin in the engine's one table.
type hearer struct {
	recogniser
	first int
}

// New builds an engine. It is an error when a rule of the hospital cannot be
// used.
func New(cfg Config) (*Engine, error) {
	e := &Engine{quiet: len(cfg.Off) == 0, labels: newLabelTable(), regions: newRegions(), index: cfg.Patients}
	for _, k := range cfg.Off {
		e.off[k] = true
	}
	var err error
	if e.rules, err = compileRules(cfg.Rules); err != nil {
		return nil, err
	}
	var words []string
	for _, r := range e.recognisers() {
		e.heard = append(e.heard, hearer{r, len(words)})
		words = append(words, r.cues()...)
	}
	if e.cues, err = newCueTable(words); err != nil {
		return nil, err
	}
	return e, nil
}

// recognisers are what is called at cues, in the order of their cues.
func (e *Engine) recognisers() []recogniser {
	if !slices.ContainsFunc(Words(), func(k Kind) bool { return !e.off[k] }) {
		return nil
	}
	return []recogniser{newMarkers(), newEnglish(), newChinese()}
}

// Scan appends the spans of a text that is wholly in memory to dst: sorted,
// not overlapping. The text is UTF-8; what is not is passed over. Nothing is
// allocated beyond dst.
func (e *Engine) Scan(dst []Span, text []byte, mode Mode) []Span {
	begun := len(dst)
	s := scan{engine: e, text: text, mode: mode, found: dst}
	s.whole()
	return s.apart(begun)
}

// KindName is the stable name of a kind, the hospital's own included.
func (e *Engine) KindName(k Kind) string {
	if i := int(k) - int(FirstCustom); i >= 0 && i < len(e.rules) {
		return e.rules[i].Name
	}
	return k.String()
}

// KindTitle is what people call a kind, the hospital's own included.
func (e *Engine) KindTitle(k Kind) ocsf.Text {
	if i := int(k) - int(FirstCustom); i >= 0 && i < len(e.rules) {
		return e.rules[i].Title
	}
	return k.Info().Title
}

// KindLevel is the level a rule of the hospital demands for its kind; 0 for
// the others, whose level stands in [Levels].
func (e *Engine) KindLevel(k Kind) int {
	if i := int(k) - int(FirstCustom); i >= 0 && i < len(e.rules) {
		return e.rules[i].Level
	}
	return 0
}

// Kinds are all kinds this engine can find.
func (e *Engine) Kinds() []Kind {
	all := slices.DeleteFunc(Kinds(), func(k Kind) bool { return e.off[k] })
	for i := range e.rules {
		all = append(all, FirstCustom+Kind(i))
	}
	return all
}
