package classify

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"slices"

	"github.com/cordon-health/cordon/internal/strict"
	"github.com/cordon-health/cordon/ocsf"
)

// usualLevels is the taxonomy a hospital starts with; it may hand in its own.
//
//go:embed gbt39725.yaml
var usualLevels []byte

// maxLevels bounds a taxonomy's file.
const maxLevels = 1 << 20

// Levels says how sensitive each kind of data is, by the five levels and six
// classes of GB/T 39725, and what raises that. It is read from a file a
// hospital can change.
type Levels struct {
	standard string
	titles   [6]LevelInfo
	classes  map[string]ocsf.Text
	of       [256]leveled
	raises   []raise
}

// LevelInfo describes a level.
type LevelInfo struct {
	Title ocsf.Text `yaml:"title"`
	// For is who may have it.
	For ocsf.Text `yaml:"for"`
}

type leveled struct {
	Level int    `yaml:"level"`
	Class string `yaml:"class"`
}

// raise: where With stands beside data of at least From, all of it is To.
type raise struct {
	With string `yaml:"with"`
	From int    `yaml:"from"`
	To   int    `yaml:"to"`
	kind Kind
}

type levelsFile struct {
	Standard string               `yaml:"standard"`
	Levels   map[int]LevelInfo    `yaml:"levels"`
	Classes  map[string]ocsf.Text `yaml:"classes"`
	Kinds    map[string]leveled   `yaml:"kinds"`
	Raise    []raise              `yaml:"raise"`
}

// Usual are the levels built in.
func Usual() *Levels {
	l, err := ReadLevels(bytes.NewReader(usualLevels))
	if err != nil {
		panic("classify: " + err.Error()) // a test reads the embedded file
	}
	return l
}

// UsualLevels is the text of the levels built in, for a hospital to begin its
// own file with.
func UsualLevels() []byte { return slices.Clone(usualLevels) }

// ReadLevels reads a file of levels. Every built-in kind must have a level, so
// that nothing is without one by mistake.
func ReadLevels(r io.Reader) (*Levels, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxLevels+1))
	if err != nil {
		return nil, fmt.Errorf("reading the levels: %w", err)
	}
	if len(text) > maxLevels {
		return nil, fmt.Errorf("a file of levels has at most %d bytes", maxLevels)
	}
	var file levelsFile
	if err := strict.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("the levels: %w", err)
	}
	return file.compile()
}

func (f *levelsFile) compile() (*Levels, error) {
	l := &Levels{standard: f.Standard, classes: f.Classes, raises: f.Raise}
	for n := 1; n <= 5; n++ {
		info, ok := f.Levels[n]
		if !ok || info.Title.EN == "" || info.Title.ZH == "" {
			return nil, fmt.Errorf("the levels: level %d needs a title in en and zh", n)
		}
		l.titles[n] = info
	}
	if len(f.Levels) != 5 {
		return nil, fmt.Errorf("the levels: there are %d, levels go from 1 to 5", len(f.Levels))
	}
	for name, of := range f.Kinds {
		if err := l.add(name, of); err != nil {
			return nil, err
		}
	}
	for _, k := range Kinds() {
		if l.of[k].Level == 0 {
			return nil, fmt.Errorf("the levels: kind %q has none", k)
		}
	}
	return l, l.compileRaises()
}

func (l *Levels) add(name string, of leveled) error {
	k, ok := KindOf(name)
	if !ok {
		return fmt.Errorf("the levels: there is no kind %q", name)
	}
	if of.Level < 1 || of.Level > 5 {
		return fmt.Errorf("the levels: kind %q has level %d; levels go from 1 to 5", name, of.Level)
	}
	if _, ok := l.classes[of.Class]; of.Class != "" && !ok {
		return fmt.Errorf("the levels: kind %q is of class %q, which is not under classes", name, of.Class)
	}
	l.of[k] = of
	return nil
}

func (l *Levels) compileRaises() error {
	for i := range l.raises {
		r := &l.raises[i]
		k, ok := KindOf(r.With)
		if !ok {
			return fmt.Errorf("the levels: raise %d: there is no kind %q", i+1, r.With)
		}
		if r.From < 1 || r.To <= r.From || r.To > 5 {
			return fmt.Errorf("the levels: raise %d goes from level %d to %d; it must go up, within 1 to 5", i+1, r.From, r.To)
		}
		r.kind = k
	}
	return nil
}

// Standard is the standard the levels follow, in the file's words.
func (l *Levels) Standard() string { return l.standard }

// Of is the level of a kind alone, 1 to 5; of a kind it does not know (a
// hospital's own, see [Engine.KindLevel]) 0.
func (l *Levels) Of(k Kind) int { return l.of[k].Level }

// Class is the class of a kind, empty where it has none.
func (l *Levels) Class(k Kind) ocsf.Text { return l.classes[l.of[k].Class] }

// Level describes a level, 1 to 5.
func (l *Levels) Level(n int) LevelInfo {
	if n < 1 || n > 5 {
		return LevelInfo{}
	}
	return l.titles[n]
}

// Raise is the level of a whole (a file, a record, a message) whose highest
// level is given and which holds these kinds: a sensitive condition beside
// somebody's identity makes it more than either is alone.
func (l *Levels) Raise(highest int, held ...Kind) int {
	out := highest
	for _, r := range l.raises {
		if highest >= r.From && slices.Contains(held, r.kind) {
			out = max(out, r.To)
		}
	}
	return out
}
