package classify

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/internal/strict"
	"github.com/cordon-health/cordon/ocsf"
)

// Rule is a kind of identifier that only this hospital knows: its employee
// numbers, its study codes. It is data; [New] compiles it.
type Rule struct {
	// Name is stable and written to files: kebab-case, none of the built-in.
	Name  string    `yaml:"name"`
	Title ocsf.Text `yaml:"title"`
	// Pattern is a regular expression in RE2's syntax. It is tried within a
	// line, where a literal stands, or else a keyword.
	Pattern string `yaml:"pattern"`
	// Literal is a text that is part of every match, as it is written. Where
	// it is empty, what the pattern begins with is taken.
	Literal string `yaml:"literal"`
	// Keywords are texts of which one stands within 64 bytes of a match. A rule
	// without a literal must have some.
	Keywords []string `yaml:"keywords"`
	// Level of GB/T 39725, 1 to 5.
	Level int `yaml:"level"`
}

// Bounds of rules.
const (
	maxRules    = 256 - int(FirstCustom)
	maxRuleFile = 1 << 20
	ruleReach   = 256 // how far from its literal or keyword a match may extend
	ruleNear    = 64  // how far from a keyword a match may stand
)

// ReadRules reads a hospital's rules: YAML, a list under "rules".
func ReadRules(r io.Reader) ([]Rule, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxRuleFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the rules: %w", err)
	}
	if len(text) > maxRuleFile {
		return nil, fmt.Errorf("a file of rules has at most %d bytes", maxRuleFile)
	}
	var file struct {
		Rules []Rule `yaml:"rules"`
	}
	if err := strict.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("the rules: %w", err)
	}
	_, err = compileRules(file.Rules)
	return file.Rules, err
}

// rule is a rule made ready.
type rule struct {
	Rule
	pattern *regexp.Regexp
	anchors [][]byte // the literal, or the keywords
}

func compileRules(rules []Rule) ([]rule, error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("%d rules are more than the %d there is room for: join some of them", len(rules), maxRules)
	}
	var out []rule
	for i, r := range rules {
		c, err := compileRule(r)
		if err != nil {
			return nil, fmt.Errorf("rule %d (%q): %w", i+1, r.Name, err)
		}
		if slices.ContainsFunc(out, func(o rule) bool { return o.Name == r.Name }) {
			return nil, fmt.Errorf("rule %d: there are two with the name %q", i+1, r.Name)
		}
		out = append(out, c)
	}
	return out, nil
}

func compileRule(r Rule) (rule, error) {
	c := rule{Rule: r}
	_, taken := KindOf(r.Name)
	switch {
	case !kebab(r.Name):
		return c, fmt.Errorf("the name must be lower-case letters, digits and dashes")
	case taken:
		return c, fmt.Errorf("the name is that of a built-in kind; choose another")
	case r.Title.EN == "" || r.Title.ZH == "":
		return c, fmt.Errorf("the title must be given in en and zh")
	case r.Level < 1 || r.Level > 5:
		return c, fmt.Errorf("the level is %d; levels go from 1 to 5", r.Level)
	}
	var err error
	if c.pattern, err = regexp.Compile(r.Pattern); err != nil {
		return c, fmt.Errorf("the pattern: %w", err)
	}
	if c.pattern.MatchString("") {
		return c, fmt.Errorf("the pattern matches the empty text; it would match everywhere")
	}
	if c.Literal == "" {
		c.Literal, _ = c.pattern.LiteralPrefix()
	}
	if len(c.Literal) >= 2 {
		c.anchors = [][]byte{[]byte(c.Literal)}
		return c, nil
	}
	c.Literal = ""
	for _, k := range r.Keywords {
		if len(k) < 2 {
			return c, fmt.Errorf("the keyword %q is too short; it would be met everywhere", k)
		}
		c.anchors = append(c.anchors, []byte(k))
	}
	if len(c.anchors) == 0 {
		return c, fmt.Errorf("without a literal of two bytes that is part of every match, or keywords near it, the pattern would be tried everywhere; give one of them")
	}
	return c, nil
}

func kebab(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && name[0] != '-'
}

// custom tries the hospital's rules where their literals or keywords begin in
// text[from:to].
func (s *scan) custom(from, to int) {
	for n := range s.engine.rules {
		r := &s.engine.rules[n]
		for _, a := range r.anchors {
			for at := from; at < to; {
				i := bytes.Index(s.text[at:min(to+len(a)-1, len(s.text))], a)
				if i < 0 {
					break
				}
				at += i
				s.rule(r, FirstCustom+Kind(n), at, at+len(a))
				at++
			}
		}
	}
}

// rule tries one rule around its anchor text[at:end].
func (s *scan) rule(r *rule, k Kind, at, end int) {
	lo, hi := lineAround(s.text, at, end)
	for begun := lo; begun < hi; {
		m := r.pattern.FindIndex(s.text[begun:hi])
		if m == nil {
			return
		}
		start, stop := begun+m[0], begun+m[1]
		near := start <= at && stop >= end
		if r.Literal == "" {
			near = start-end <= ruleNear && at-stop <= ruleNear
		}
		if near && (r.Literal == "" || len(r.Keywords) == 0 || s.keyword(r, start, stop)) {
			s.add(start, stop, k, 90, ByRule)
		}
		begun = max(stop, begun+1)
	}
}

// keyword says whether one of the rule's keywords stands near a match.
func (s *scan) keyword(r *rule, start, stop int) bool {
	around := s.text[max(0, start-ruleNear):min(len(s.text), stop+ruleNear)]
	for _, k := range r.Keywords {
		if bytes.Contains(around, []byte(k)) {
			return true
		}
	}
	return false
}

// lineAround is the part of the line around text[at:end] that a rule sees.
func lineAround(text []byte, at, end int) (lo, hi int) {
	lo, hi = max(0, at-ruleReach), min(len(text), end+ruleReach)
	if i := bytes.LastIndexByte(text[lo:at], '\n'); i >= 0 {
		lo += i + 1
	}
	if i := bytes.IndexByte(text[end:hi], '\n'); i >= 0 {
		hi = end + i
	}
	return lo, hi
}
