package deid

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/strict"
)

// rule is what a profile says about a value.
type rule struct {
	method Method
	kind   classify.Kind
	form   nameForm
	shape  shape
}

// shape is how a value of HL7 v2 is built, so that its components are known.
type shape uint8

const (
	whole   shape = iota
	person        // XPN
	staff         // XCN
	address       // XAD
	contact       // XTN; in FHIR a value that its form tells
	number        // CX, EI: an identifier with its type
)

// parseRule reads "METHOD" or "METHOD KIND". Besides the kinds of classify
// there are: family-name and given-name, parts of a name; staff, a person with
// a number; contact, whatever a person is reached by.
func parseRule(text string) (rule, error) {
	words := strings.Fields(text)
	if len(words) == 0 || len(words) > 2 {
		return rule{}, fmt.Errorf("%q is no rule; write a method, or a method and a kind: \"pseudonym mrn\"", text)
	}
	method, err := MethodOf(words[0])
	if err != nil {
		return rule{}, err
	}
	r := rule{method: method}
	if len(words) == 2 {
		if err := r.of(words[1]); err != nil {
			return rule{}, err
		}
	}
	switch method {
	case Pseudonym, Generalise, Shift:
		if r.kind == classify.None {
			if method == Shift {
				r.kind = classify.Date
				break
			}
			return rule{}, fmt.Errorf("%q names no kind; write %q, for example", text, words[0]+" mrn")
		}
	}
	return r, nil
}

func (r *rule) of(kind string) error {
	switch kind {
	case "family-name":
		r.kind, r.form = classify.Name, familyName
	case "given-name":
		r.kind, r.form = classify.Name, givenName
	case "staff":
		r.kind, r.shape = classify.Name, staff
	case "contact":
		r.kind, r.shape = classify.Phone, contact
	default:
		k, ok := classify.KindOf(kind)
		if !ok {
			return fmt.Errorf("there is no kind %q; cordon scan --kinds lists them", kind)
		}
		r.kind, r.shape = k, shapeOf(k)
	}
	return nil
}

func shapeOf(k classify.Kind) shape {
	switch k {
	case classify.Name:
		return person
	case classify.Address:
		return address
	case classify.Phone, classify.Mobile, classify.Fax, classify.Email:
		return contact
	case classify.Date, classify.BirthDate, classify.Age, classify.ZIP, classify.Organization:
		return whole
	}
	return number
}

// profileFile is a profile of content/deid, YAML.
type profileFile struct {
	Version int `yaml:"version"`
	// Default is for what no line names.
	Default string `yaml:"default"`
	// Segments are the defaults of HL7 segments by name; a segment that is not
	// named is removed whole. Fields are single fields, "PID-5".
	Segments map[string]string   `yaml:"segments"`
	Fields   map[string]string   `yaml:"fields"`
	Texts    map[string][]string `yaml:"results"`
	// Paths are lines "PATH: RULE" in order; the first that fits decides.
	Paths []map[string]string `yaml:"paths"`
}

// readProfile reads a shipped profile.
func readProfile(content fs.FS, name string) (profileFile, error) {
	var p profileFile
	if content == nil {
		return p, fmt.Errorf("open profile %s: %w", name, fs.ErrNotExist)
	}
	data, err := fs.ReadFile(content, name+".yaml")
	if err != nil {
		return p, fmt.Errorf("open profile %s: %w", name, err)
	}
	if err := strict.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("profile %s: %w", name, err)
	}
	if p.Version != 1 {
		return p, fmt.Errorf("profile %s: version %d is unknown; this program reads version 1", name, p.Version)
	}
	return p, nil
}

// pathRules decide by the path of a value in a tree.
type pathRules struct {
	lines    []pathRule
	fallback rule
}

type pathRule struct {
	path []string
	rule rule
}

func (p profileFile) pathRules(name string) (*pathRules, error) {
	fallback, err := parseRule(p.Default)
	if err != nil {
		return nil, fmt.Errorf("profile %s: default: %w", name, err)
	}
	if fallback.method == Keep {
		return nil, fmt.Errorf("profile %s: default keep would pass on what nobody looked at; use remove or text", name)
	}
	all := &pathRules{fallback: fallback}
	for _, line := range p.Paths {
		for path, text := range line {
			r, err := parseRule(text)
			if err != nil {
				return nil, fmt.Errorf("profile %s: %s: %w", name, path, err)
			}
			all.lines = append(all.lines, pathRule{strings.Split(path, "."), r})
		}
	}
	return all, nil
}

// find is the rule of a path, and whether a line names it.
func (p *pathRules) find(path []string) (rule, bool) {
	for _, line := range p.lines {
		if matches(line.path, path) {
			return line.rule, true
		}
	}
	return p.fallback, false
}

// matches says whether a pattern fits a path: a name fits itself, * any one
// name, ** any number of them, and a|b either.
func matches(pattern, path []string) bool {
	for i, p := range pattern {
		if p == "**" {
			for skip := range len(path) - i + 1 {
				if i+skip <= len(path) && matches(pattern[i+1:], path[i+skip:]) {
					return true
				}
			}
			return false
		}
		if i >= len(path) || p != "*" && p != path[i] && !slices.Contains(strings.Split(p, "|"), path[i]) {
			return false
		}
	}
	return len(pattern) == len(path)
}

// place is a place in a tree of names, with what the profile says about it.
// Each is made once, when it is first met.
type treePlace struct {
	name     string
	parent   *treePlace
	rule     rule
	named    bool
	children []*treePlace
	last     int
}

// places are the places met in one file.
type places struct {
	rules *pathRules
	roots map[string]*treePlace
	count int
}

// mostPlaces bounds the places remembered.
const mostPlaces = 1 << 16

func newPlaces(rules *pathRules) *places {
	return &places{rules: rules, roots: map[string]*treePlace{}}
}

func (p *places) root(name string) *treePlace {
	if t, ok := p.roots[name]; ok {
		return t
	}
	t := &treePlace{name: name}
	t.rule, t.named = p.rules.find([]string{name})
	if len(p.roots) < 1024 {
		p.roots[name] = t
	}
	return t
}

func (p *places) child(of *treePlace, name []byte) *treePlace {
	for i := range of.children {
		at := of.last + i
		if at >= len(of.children) {
			at -= len(of.children)
		}
		if c := of.children[at]; c.name == string(name) {
			of.last = at + 1
			return c
		}
	}
	c := &treePlace{name: string(name), parent: of}
	c.rule, c.named = p.rules.find(c.path())
	if p.count < mostPlaces {
		p.count++
		of.children = append(of.children, c)
	}
	return c
}

func (t *treePlace) path() (names []string) {
	for ; t != nil; t = t.parent {
		names = append(names, t.name)
	}
	slices.Reverse(names)
	return names
}
